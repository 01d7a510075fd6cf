// SPDX-License-Identifier: Apache-2.0
#include "text/types.hpp"

#include <array>

namespace fulmar::ptx {
namespace {

struct Entry {
  std::string_view name;
  unsigned bytes;
};
constexpr std::array<Entry, 19> entries{{{"u8", 1},
                                         {"u16", 2},
                                         {"u32", 4},
                                         {"u64", 8},
                                         {"s8", 1},
                                         {"s16", 2},
                                         {"s32", 4},
                                         {"s64", 8},
                                         {"b8", 1},
                                         {"b16", 2},
                                         {"b32", 4},
                                         {"b64", 8},
                                         {"b128", 16},
                                         {"f16", 2},
                                         {"f16x2", 4},
                                         {"bf16", 2},
                                         {"f32", 4},
                                         {"f64", 8},
                                         {"pred", 1}}};
constexpr std::array<std::string_view, 6> spaces{"generic", "global", "shared", "local", "param", "const"};

}  // namespace

std::optional<Type> type_named(std::string_view name) {
  for (std::size_t i = 0; i < entries.size(); ++i)
    if (entries[i].name == name) return static_cast<Type>(i);
  return std::nullopt;
}

std::string_view name_of(Type type) { return entries[static_cast<std::size_t>(type)].name; }
std::string_view name_of(Space space) { return spaces[static_cast<std::size_t>(space)]; }
unsigned bytes_of(Type type) { return entries[static_cast<std::size_t>(type)].bytes; }

}  // namespace fulmar::ptx
