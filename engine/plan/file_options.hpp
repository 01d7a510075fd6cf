// SPDX-License-Identifier: Apache-2.0
/// @file
/// What may stand behind the name of a file that is read, or of a product: the one table that is parsed, refused and
/// printed by.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/source.hpp"

namespace fulmar {

struct FileOption {
  /// What its value is, for those who check a whole pipeline before it is run.
  enum class Form : std::uint8_t { text, pair, flag, bands, rasters };

  std::string_view name;
  std::string_view value;  ///< what stands for the value in words; empty for a flag
  bool read, write;        ///< of files that are read, of products
  Form form;
  std::string_view words;
  /// Where the value goes; null where the binder itself sees to it.
  void (*set)(FileOptions&, const std::string&);
};

std::span<const FileOption> file_option_table();

/// The option of that name for a file that is read (or a product), or null.
const FileOption* find_file_option(std::string_view name, bool write);

/// The names of all options of files that are read, or of products.
std::vector<std::string> file_option_names(bool write);

}  // namespace fulmar
