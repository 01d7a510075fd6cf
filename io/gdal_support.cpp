// SPDX-License-Identifier: Apache-2.0
#include "io/gdal_support.hpp"

#include <cpl_vsi.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include "core/nearest.hpp"

namespace fulmar {
namespace {

constexpr int most_messages = 6;

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) text.remove_suffix(1);
  return text;
}

}  // namespace

ErrorTrap::ErrorTrap() {
  CPLPushErrorHandlerEx(&ErrorTrap::hear, this);
  // CPL_DEBUG output is asked for by the user: it goes where it always goes.
  CPLSetCurrentErrorHandlerCatchDebug(FALSE);
  CPLErrorReset();
}

ErrorTrap::~ErrorTrap() { CPLPopErrorHandler(); }

void ErrorTrap::hear(CPLErr level, CPLErrorNum, const char* message) {
  // GDAL is C underneath: no exception may pass through it.
  try {
    auto& trap = *static_cast<ErrorTrap*>(CPLGetErrorHandlerUserData());
    if (level >= CE_Failure) trap.failed_ = true;
    const auto words = trimmed(message);
    if (words.empty() || trap.messages_ >= most_messages || trap.text_.find(words) != std::string::npos) return;
    if (!trap.text_.empty()) trap.text_ += "; ";
    trap.text_ += words;
    ++trap.messages_;
  } catch (...) {
  }
}

std::string ErrorTrap::aside() const { return text_.empty() ? std::string{} : fmt::format(" (GDAL: {})", text_); }

void CloseDataset::operator()(GDALDataset* dataset) const {
  const ErrorTrap quiet;
  GDALClose(GDALDataset::ToHandle(dataset));
}

DatasetPtr open_dataset(const std::string& path, unsigned flags, const std::vector<std::string>& open_options) {
  const auto options = string_list(open_options);
  return DatasetPtr{GDALDataset::Open(path.c_str(), flags | GDAL_OF_VERBOSE_ERROR, nullptr, options.List(), nullptr)};
}

GDALDataType gdal_type(DType dtype) {
  switch (dtype) {
    case DType::u8:
    case DType::i8:
      return GDT_Byte;
    case DType::u16:
      return GDT_UInt16;
    case DType::i16:
      return GDT_Int16;
    case DType::u32:
      return GDT_UInt32;
    case DType::i32:
      return GDT_Int32;
    case DType::u64:
      return GDT_UInt64;
    case DType::i64:
      return GDT_Int64;
    case DType::f32:
      return GDT_Float32;
    case DType::f64:
      return GDT_Float64;
  }
  return GDT_Unknown;
}

CPLStringList string_list(const std::vector<std::string>& items) {
  CPLStringList list;
  for (const auto& item : items) list.AddString(item.c_str());
  return list;
}

std::string file_within(const std::string& path) {
  const auto first = path.find('"');
  const auto last = path.find('"', first == std::string::npos ? first : first + 1);
  if (first == std::string::npos || last == std::string::npos || first == 0 || path[first - 1] != ':') return path;
  return path.substr(first + 1, last - first - 1);
}

/// "; did you mean 'scene.tif'?" where a file of the same folder is called nearly so.
static std::string near_file(const std::string& file) {
  constexpr int enough = 1000;
  if (is_virtual(file)) return {};
  const CPLStringList entries{VSIReadDirEx(folder_name(file).c_str(), enough)};
  std::vector<std::string> names;
  for (int i = 0; i < entries.size(); ++i)
    if (*entries[i] != '.') names.emplace_back(entries[i]);
  const std::string near = nearest(file_name(file), names);
  if (near.empty()) return {};
  const std::string found = file.substr(0, file.size() - file_name(file).size()) + near;
  VSIStatBufL stat;
  if (VSIStatL(found.c_str(), &stat) != 0 || VSI_ISDIR(stat.st_mode)) return {};
  return fmt::format("; did you mean '{}'?", found);
}

std::string file_trouble(const std::string& path) {
  const ErrorTrap quiet;
  const auto file = file_within(path);
  VSIStatBufL stat;
  if (VSIStatL(file.c_str(), &stat) != 0) return fmt::format("there is no file '{}'{}", file, near_file(file));
  if (VSI_ISDIR(stat.st_mode)) return fmt::format("'{}' is a directory; name the file inside it", file);
  if (!is_virtual(file) && ::access(file.c_str(), R_OK) != 0)
    return fmt::format("'{}' may not be read; check its permissions", file);
  if (stat.st_size == 0) return fmt::format("'{}' is empty (0 bytes); fetch it again", file);
  return {};
}

std::string to_text(const Window& w) {
  return fmt::format("columns {}-{}, rows {}-{}", w.x, w.right() - 1, w.y, w.bottom() - 1);
}

std::string file_name(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

std::string folder_name(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string stem_of(const std::string& path) {
  const auto name = file_name(path);
  const auto dot = name.rfind('.');
  return dot == std::string::npos || dot == 0 ? name : name.substr(0, dot);
}

std::string extension_of(const std::string& path) {
  const auto name = file_name(path);
  const auto dot = name.rfind('.');
  return dot == std::string::npos || dot == 0 ? std::string{} : lower_case(name.substr(dot + 1));
}

bool is_virtual(const std::string& path) { return path.compare(0, 4, "/vsi") == 0; }

std::string behind_links(const std::string& path) {
  if (is_virtual(path)) return path;
  namespace fs = std::filesystem;
  constexpr int most_links = 40;  // as Linux has it
  fs::path name{path};
  std::error_code error;
  for (int links = 0; fs::is_symlink(name, error); ++links) {
    auto next = fs::read_symlink(name, error);
    if (error || links == most_links) return {};
    name = next.is_absolute() ? std::move(next) : name.parent_path() / next;
  }
  return name.string();
}

std::string lower_case(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

}  // namespace fulmar
