# SPDX-License-Identifier: Apache-2.0
"""What the assembler says of every kernel: no spills, no stack but where a kernel states why, registers within budget.
And which kernels have atomics: what they leave must not depend on the order of their threads, so each must stand in ATOMICS,
beside the test that runs it under twenty schedules more than other kernels.

    registers.py OBJECT... [--arch sm_75,sm_90] [--some sm_80,sm_120]

Every kernel for the architectures of --arch; for those of --some a share each, so that together they assemble all, but all of a
module in which there are kernels of the toolkit. Prints a table, one line a kernel; exit code 1 where one breaks its budget. PTX is
taken from the objects as nvcc left it (uncompressed), so nothing is compiled twice.
"""
import argparse
import pathlib
import re
import subprocess
import sys
import tempfile

# Registers a thread: 128 let 512 threads share a multiprocessor of Turing, 255 half as many. Functions of two or three
# windows of sums, or of one and the cells around, keep the places of all of them, functions with scratch work on long arrays in memory.
BUDGETS = [(r"each_window.*Moments.*Moments", 255), (r"each_window.*Near", 255), (r"each_window", 128), (r"each_cell_with_scratch", 255),
           (r"each_block", 128), (r"each_pair", 128), (r"each_part", 128), (r"each_cell.*BelkinOReilly", 255), (r"each_cell", 128),
           (r"warp_cells", 128), (r"look_at_squares", 128), (r"", 64)]
# Kernels whose functions keep an array of their own, which no register can hold: (kernel, functor) and its bytes at most.
STACKS = [("each_cell_of_bands", "Expression", 1024), ("each_cell_with_scratch", "Heatwave", 1024),
          ("each_cell", "BelkinOReilly", 4096), ("each_window", "RefinedLee", 512), ("each_cell", "RefinedLee", 512), ("each_block", "Gsa", 64),
          ("each_block", "Regress", 64)]

# The toolkit's own kernels, whose registers are its choice, and the bytes that they may spill, on the stack too: the scan of CUB,
# PTX of compute_75 assembled for sm_80, is held to 40 registers there. It runs once a tile, over a number a segment of a row. The sums of a block of quality are
# many; that some wait on the stack costs less than the blocks that more registers would keep from running at once.
SPILLS = [("cub::", "DeviceScanKernel", 8), ("each_block", "Quality", 128)]

ATOMICS = {"join_runs": "FoundRuns.AreTheSameUnderTwentySchedules"}


def texts(path):
    with tempfile.TemporaryDirectory() as folder:
        section = pathlib.Path(folder) / "fatbin"
        subprocess.run(["objcopy", "-O", "binary", "--only-section=.nv_fatbin", path, section], check=True)
        data = section.read_bytes() if section.exists() else b""
    return [data[m.start():data.index(b"\0", m.start())] for m in re.finditer(rb"\.version \d", data)]


def kernels(text, ptxas, arch):
    with tempfile.NamedTemporaryFile(suffix=".ptx") as file:
        file.write(text)
        file.flush()
        said = subprocess.run([ptxas, "-v", f"-arch={arch}", "-o", "/dev/null", file.name], capture_output=True,
                              text=True, check=True).stderr
    for part in said.split("Compiling entry function ")[1:]:
        stack, stores, loads = map(int, re.search(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill "
                                                  r"loads", part).groups())
        yield part.split("'")[1], int(re.search(r"Used (\d+) registers", part)[1]), stack, stores + loads


def with_atomics(text):
    for part in re.split(rb"\.entry\s+", text)[1:]:
        if re.search(rb"^\s*(?:@!?%p\d+\s+)?(?:atom|red)\.", part, re.MULTILINE):
            yield re.match(rb"[\w$]+", part)[0].decode()


def readable(names):
    said = subprocess.run(["c++filt", "-p"], input="\n".join(names), capture_output=True, text=True, check=True).stdout
    return [re.sub(r"fulmar::(cuda|ops|op)?(::)?", "", line) for line in said.splitlines()]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("objects", nargs="+")
    parser.add_argument("--arch", default="sm_75")
    parser.add_argument("--some", default="")
    parser.add_argument("--ptxas", default="ptxas")
    options = parser.parse_args()
    modules = [text for path in options.objects for text in texts(path)]
    some = [arch for arch in options.some.split(",") if arch]
    work = [(text, arch) for arch in options.arch.split(",") for text in modules]
    for i, text in enumerate(modules):
        work += [(text, arch) for k, arch in enumerate(some) if k == i % len(some) or b"3cub" in text]
    found = [(*k, arch) for text, arch in work for k in kernels(text, options.ptxas, arch)]
    atomics = readable(sorted({name for text in modules for name in with_atomics(text)}))
    untested = [words for words in atomics if not any(name in words for name in ATOMICS)]
    if not found:
        sys.exit("no kernel in any object")
    broken = 0
    for (name, registers, stack, spills, arch), words in zip(found, readable([k[0] for k in found])):
        budget = next(most for part, most in BUDGETS if re.search(part, words))
        room = next((most for kernel, functor, most in STACKS if words.startswith(kernel) and functor in words), 0)
        spare = next((most for kernel, part, most in SPILLS if words.startswith(kernel) and part in words), 0)
        room += spare
        wrong = registers > budget or spills > spare or stack > room
        broken += wrong
        print(f"{registers:4} of {budget:3} registers {stack:5} of {room:4} bytes of stack {spills:4} spilled "
              f"{'BROKEN ' if wrong else ''} {arch} {words[:150]}")
    print(f"{len(found)} kernels, {broken} beyond their budget; atomics in {', '.join(atomics) or 'none'}")
    if untested:
        print(f"no test runs {', '.join(untested)} under many schedules: see ATOMICS")
    sys.exit(1 if broken or untested else 0)


if __name__ == "__main__":
    main()
