// SPDX-License-Identifier: Apache-2.0
#include "plan/file_options.hpp"

#include <algorithm>
#include <array>

namespace fulmar {
namespace {

using Form = FileOption::Form;

constexpr std::array table{
    FileOption{"band", "N", true, false, Form::bands,
               "Bands to read, from 1: 3, 1,3 or 1-366; of a cube, steps in time. All of them by default.", nullptr},
    FileOption{"time-range", "START/END", true, false, Form::text,
               "The dates to read, in ISO 8601: 2020-01-01/2020-03-31, 2020-06-01T12:00:00Z/.. or one date, 2020-07.",
               nullptr},
    FileOption{"layer", "NAME", true, false, Form::text,
               "The variable, where a file holds several, or several variables, with commas; the layer of a vector "
               "file.",
               [](FileOptions& o, const std::string& v) { o.layer = v; }},
    FileOption{"nodata", "VALUE", true, false, Form::text,
               "A stored value that means missing, where the file does not say so, as it stands before scale and "
               "offset.",
               nullptr},
    FileOption{"unit", "UNIT", true, false, Form::text,
               "The unit of the values, where the file does not say it: dB, 1, DN...",
               [](FileOptions& o, const std::string& v) { o.unit = v; }},
    FileOption{"with", "FILE", true, false, Form::rasters,
               "Rasters on the same grid whose bands follow: files, or pipelines in brackets.", nullptr},
    FileOption{"oo", "KEY=VALUE", true, false, Form::pair, "An open option of GDAL's driver.",
               [](FileOptions& o, const std::string& v) { o.open_options.push_back(v); }},
    FileOption{"layer", "NAME", false, true, Form::text,
               "Name of the layer in a vector file; that of the file by default.",
               [](FileOptions& o, const std::string& v) { o.layer = v; }},
    FileOption{"values", "NAMES", false, true, Form::text,
               "Outputs to write as bands, by name, with commas; the first output by default.", nullptr},
    FileOption{
        "type", "TYPE", false, true, Form::text,
        "The type of a raster's cells: u8, u16, i16, u32, i32, f32 or f64, rounded (halves away from 0) and held "
        "to its ends; by default that of what was computed.",
        nullptr},
    FileOption{"nodata", "VALUE", false, true, Form::text,
               "With --type: what cells hold that are missing. A cell that has this value takes the next.", nullptr},
    FileOption{"of", "DRIVER", false, true, Form::text, "GDAL's driver, where the extension does not tell.",
               [](FileOptions& o, const std::string& v) { o.format = v; }},
    FileOption{"co", "KEY=VALUE", false, true, Form::pair,
               "A creation option of GDAL's driver, such as COMPRESS=ZSTD for .tif.",
               [](FileOptions& o, const std::string& v) { o.creation_options.push_back(v); }},
    FileOption{"lco", "KEY=VALUE", false, true, Form::pair, "A layer creation option of GDAL's driver.",
               [](FileOptions& o, const std::string& v) { o.layer_options.push_back(v); }},
    FileOption{"overwrite", "", false, true, Form::flag, "Replace a file that exists.",
               [](FileOptions& o, const std::string& v) { o.overwrite = v != "false"; }},
    FileOption{"stac", "", false, true, Form::flag, "Write a STAC Item beside it, as NAME.stac.json.",
               [](FileOptions& o, const std::string& v) { o.stac = v != "false"; }},
};

}  // namespace

std::span<const FileOption> file_option_table() { return table; }

const FileOption* find_file_option(std::string_view name, bool write) {
  const auto at = std::find_if(table.begin(), table.end(),
                               [&](const FileOption& o) { return o.name == name && (write ? o.write : o.read); });
  return at == table.end() ? nullptr : &*at;
}

std::vector<std::string> file_option_names(bool write) {
  std::vector<std::string> names;
  for (const FileOption& o : table)
    if (write ? o.write : o.read) names.emplace_back(o.name);
  return names;
}

}  // namespace fulmar
