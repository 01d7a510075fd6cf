# SPDX-License-Identifier: Apache-2.0
"""The contract stays still: abi.lock holds every offset, size, declaration and constant of fulmar_abi.h."""
import re
import subprocess

import pytest

import abi_layout

HEADER = (abi_layout.SDK / "fulmar_abi.h").read_text()
LOCKED = [line for line in (abi_layout.SDK / "abi.lock").read_text().splitlines() if not line.startswith("#")]


def test_the_header_is_what_the_lock_says():
    now = abi_layout.layout(HEADER)
    assert not abi_layout.changes(LOCKED, now)
    assert now == LOCKED, "the header appends to the contract: add the new lines to abi.lock"


def test_every_struct_and_member_is_looked_at():
    plain = re.sub(r"/\*.*?\*/", "", HEADER, flags=re.DOTALL)
    assert len(abi_layout.structs(HEADER)) == plain.count("typedef struct") == 13
    members = dict(abi_layout.structs(HEADER))["fulmar_operator"]
    # Every member ends in one semicolon, and so does the type.
    body = plain[plain.index("typedef struct fulmar_operator {"):plain.index("} fulmar_operator;")]
    assert len(members) == body.count(";") + 1  # params_size and params_align share one
    assert members[0] == ("1.0", "size", "uint32_t size") and members[-1][:2] == ("1.4", "merge_cuda")
    assert dict(m[1:] for m in dict(abi_layout.structs(HEADER))["fulmar_table"])["paths"] == "const uint64_t* paths"
    assert len(abi_layout.constants(HEADER)) - 1 == plain.count("FULMAR_", plain.index("enum {")) - len(
        re.findall(r"FULMAR_(?:EXPORT|ABI_M\w+)", plain[plain.index("enum {"):]))


def test_a_cpp_compiler_has_the_same_layout():
    assert abi_layout.layout(HEADER, "-Wno-error", "-x", "c++", "-std=c++20") == LOCKED


@pytest.mark.parametrize("old, new", [
    ("  uint32_t params_size, params_align;", "  uint32_t params_align, params_size;"),  # swapped
    ("  const char* schema;", "  const char* words;\n  const char* schema;"),  # put between
    ("  int32_t inner_x, inner_y;", "  int64_t inner_x, inner_y;"),  # another type
    ("  double reach; ", "  double range; "),  # another name
    ("  char message[1020];", "  char message[1016];"),
    ("  FULMAR_VIEW_RING = 3,", "  FULMAR_VIEW_RING = 13,"),
    ("  uint64_t dates; ", "  uint32_t dates; "),
    # What no size tells:
    ("*keep)(const void* params, const fulmar_object* object);",
     "*keep)(const void* params, const fulmar_object* object, uint32_t of);"),
    ("  uint64_t (*whole_bytes)", "  int32_t (*whole_bytes)"),
    ("  double number; ", "  int64_t number; "),
    ("#define FULMAR_ABI_MAJOR 1\n", "#define FULMAR_ABI_MAJOR 2\n"),
])
def test_a_changed_contract_is_noticed(old, new):
    assert HEADER.count(old) == 1
    assert abi_layout.changes(LOCKED, abi_layout.layout(HEADER.replace(old, new)))


def test_an_appended_member_is_no_change_of_the_old():
    appended = HEADER.replace("  /* end of 1.4 */\n} fulmar_operator;",
                              "  /* end of 1.4 */\n  int (*more)(void);\n  /* end of 1.5 */\n} fulmar_operator;")
    assert appended != HEADER
    now = abi_layout.layout(appended)
    assert now != LOCKED and not abi_layout.changes(LOCKED, now)


def test_what_stands_in_arrays_may_not_grow():
    grown = HEADER.replace("  int32_t dtype, device;", "  int32_t dtype, device, more, most;")
    assert abi_layout.changes(LOCKED, abi_layout.layout(grown)) == ["struct fulmar_plane: 'size 64' is gone or another"]


def test_a_plain_c_compiler_refuses_what_is_no_c():
    with pytest.raises(subprocess.CalledProcessError):
        abi_layout.layout(HEADER.replace("  int32_t code;", "  bool code;"))
