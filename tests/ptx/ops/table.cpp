// SPDX-License-Identifier: Apache-2.0
#include "ops/families.hpp"

namespace fulmar::ptx {

const Table& Table::all() {
  static const Table table = [] {
    Table t;
    add_arithmetic(t);
    add_functions(t);
    add_compare(t);
    add_bits(t);
    add_convert(t);
    add_move(t);
    add_memory(t);
    add_control(t);
    add_together(t);
    return t;
  }();
  return table;
}

}  // namespace fulmar::ptx
