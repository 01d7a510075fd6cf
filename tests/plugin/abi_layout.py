# SPDX-License-Identifier: Apache-2.0
"""The layout of the contract as the C compiler has it: every struct and constant of fulmar_abi.h, by versions, and how
each member is declared: types of one size, and what functions take and return, are of the contract too.

`abi_layout.py` prints it, in the form of plugins/sdk/abi.lock.
"""
import re
import subprocess
import sys
import tempfile
from pathlib import Path

SDK = Path(__file__).resolve().parents[2] / "plugins/sdk"
# Structs that begin with their size and are handed over one at a time; others stand in arrays, and may not grow.
MAY_GROW = {"fulmar_call", "fulmar_object", "fulmar_round", "fulmar_table_writer", "fulmar_operator", "fulmar_plugin"}


def one_line(declaration):
    """A declaration in one way of writing it, such as int(*text)(void* out, const char* text)."""
    text = re.sub(r" ?([*()\[\],]) ?", r"\1", " ".join(declaration.split()))
    return re.sub(r"(?<!\()\*(?=\w)", "* ", text.replace(",", ", "))


def declared(declaration):
    """[(member, its declaration)] of what one semicolon ends: `const char *name, *unit` is two."""
    if pointer := re.search(r"\(\*(\w+)\)\s*\(", declaration):
        return [(pointer.group(1), one_line(declaration))]
    first, *more = declaration.split(",")
    base = re.match(r"(.*?[\w*]) *(\**\w+ *(?:\[\w+\])?)$", first.strip(), re.DOTALL)
    return [(re.search(r"\w+", part).group(), one_line(f"{base.group(1)} {part}"))
            for part in (base.group(2), *(m.strip() for m in more))]


def structs(header):
    """[(name, [(version in which it came or None, member, declaration)])] in the order of the header."""
    found = []
    for body, name in re.findall(r"typedef struct \w+ \{(.*?)\n\} (\w+);", header, re.DOTALL):
        marks = re.split(r"/\* end of (\d+\.\d+) \*/", body)
        members = []
        for text, version in zip(marks[::2], marks[1::2] + [None]):
            text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
            for declaration in text.split(";"):
                if not (declaration := declaration.strip()):
                    continue
                members += [(version, *member) for member in declared(declaration)]
        found.append((name, members))
    return found


def constants(header):
    plain = re.sub(r"/\*.*?\*/", "", header, flags=re.DOTALL)
    names = ["FULMAR_ABI_MAJOR"]
    for body in re.findall(r"^enum \{(.*?)\};", plain, re.DOTALL | re.MULTILINE):
        names += re.findall(r"(FULMAR_\w+)\s*=", body)
    return names


def program(header):
    lines = ['#include <stddef.h>', '#include <stdio.h>', '#include "fulmar_abi.h"', "int main(void) {"]
    for name, members in structs(header):
        lines.append(f'  printf("struct {name}\\n");')
        for i, (version, member, words) in enumerate(members):
            lines.append(f'  printf("  {member} %zu %zu  {words}\\n", offsetof({name}, {member}), '
                         f"sizeof((({name}*)0)->{member}));")
            if version and (i + 1 == len(members) or members[i + 1][0] != version):
                lines.append(f'  printf("  end of {version}: %zu\\n", '
                             f"offsetof({name}, {member}) + sizeof((({name}*)0)->{member}));")
        lines.append(f'  printf("  size %zu\\n", sizeof({name}));')
    lines.append('  printf("constants\\n");')
    for name in constants(header):
        lines.append(f'  printf("  {name} %d\\n", {name});')
    return "\n".join([*lines, "  return 0;", "}", ""])


def layout(header_text, *flags):
    """The layout's lines. Errors: CalledProcessError where a plain C compiler refuses the header."""
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        (folder / "fulmar_abi.h").write_text(header_text)
        (folder / "layout.c").write_text(program(header_text))
        strict = ["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Wstrict-prototypes", "-Werror"]
        subprocess.run(["cc", *strict, *flags, "layout.c", "-o", "layout"], cwd=folder, check=True,
                       capture_output=True, text=True)
        done = subprocess.run([folder / "layout"], check=True, capture_output=True, text=True)
    return done.stdout.splitlines()


def changes(locked, now):
    """What a new header does that the lock forbids: a line that is gone or another. What is appended is allowed."""
    def by_struct(lines):
        result = {}
        for line in lines:
            if not line.startswith(" "):
                into = result.setdefault(line, [])
            else:
                into.append(line.strip())
        return result

    old, new, wrong = by_struct(locked), by_struct(now), []
    for name, lines in old.items():
        if name not in new:
            wrong.append(f"{name} is gone")
            continue
        wrong += [f"{name}: '{line}' is gone or another" for line in lines
                  if line not in new[name] and not (line.startswith("size ") and name.split()[-1] in MAY_GROW)]
    return wrong


if __name__ == "__main__":
    sys.stdout.write("\n".join(layout((SDK / "fulmar_abi.h").read_text())) + "\n")
