// SPDX-License-Identifier: Apache-2.0
/// @file
/// What every part of io/ needs of GDAL: its error texts, owned handles, its types and string lists.
#pragma once

#include <cpl_error.h>
#include <cpl_string.h>
#include <gdal_priv.h>

#include <memory>
#include <string>
#include <vector>

#include "core/dtype.hpp"
#include "core/window.hpp"

namespace fulmar {

/// The metadata item of a band that tells when it was measured, in ISO 8601.
inline constexpr const char* time_of_band = "TIME";
/// The item of a raster that tells by which calendar of climate models those are dates.
inline constexpr const char* calendar_of_bands = "TIME_CALENDAR";

/// While it lives, what GDAL reports on this thread is collected here and printed nowhere.
class ErrorTrap {
 public:
  ErrorTrap();
  ~ErrorTrap();
  ErrorTrap(const ErrorTrap&) = delete;
  ErrorTrap& operator=(const ErrorTrap&) = delete;

  /// True once GDAL has reported a failure; warnings do not count.
  [[nodiscard]] bool failed() const { return failed_; }
  /// GDAL's own words, the first few messages joined by "; ". Empty where it said nothing.
  [[nodiscard]] const std::string& text() const { return text_; }
  /// The same in brackets, for the end of a message: " (GDAL: ...)", or nothing.
  [[nodiscard]] std::string aside() const;

 private:
  static void hear(CPLErr level, CPLErrorNum number, const char* message);

  bool failed_ = false;
  int messages_ = 0;
  std::string text_;
};

struct CloseDataset {
  void operator()(GDALDataset* dataset) const;
};
using DatasetPtr = std::unique_ptr<GDALDataset, CloseDataset>;

/// Opens a dataset of the kinds in `flags` (GDAL_OF_RASTER, GDAL_OF_VECTOR); null where that fails.
DatasetPtr open_dataset(const std::string& path, unsigned flags, const std::vector<std::string>& open_options);

/// GDAL's type for a cell; i8 travels as GDT_Byte with the same bits.
GDALDataType gdal_type(DType dtype);

CPLStringList string_list(const std::vector<std::string>& items);

/// The file inside a name such as NETCDF:"file.nc":sst, or the name itself.
std::string file_within(const std::string& path);

/// Why a path cannot be opened, in words: absent, a directory, empty, unreadable, or nothing of these (empty text).
std::string file_trouble(const std::string& path);

/// "columns 0-511, rows 0-255".
std::string to_text(const Window& window);

/// The part of a path after the last '/', and the part before it (without the '/').
std::string file_name(const std::string& path);
std::string folder_name(const std::string& path);
/// The name without its last extension, and that extension in lower case without the dot.
std::string stem_of(const std::string& path);
std::string extension_of(const std::string& path);
/// True for a path that belongs to one of GDAL's virtual file systems.
bool is_virtual(const std::string& path);
/// The name at the end of symbolic links, where a file may be or not: what a rename must take so that it replaces no
/// link. Empty where they lead in a circle.
std::string behind_links(const std::string& path);
std::string lower_case(std::string text);

}  // namespace fulmar
