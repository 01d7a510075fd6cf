// SPDX-License-Identifier: Apache-2.0
/// @file
/// What the tests of io/ share: real data, scratch folders, small rasters, and a look at what was thrown.
#pragma once

#include <gdal_priv.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "io/gdal_io.hpp"

namespace fulmar::test {

/// A real file, from the folder in the environment's FULMAR_TEST_DATA; empty where it is absent.
std::string data_file(const std::string& name);

#define FULMAR_NEEDS(variable, name)                   \
  const auto variable = fulmar::test::data_file(name); \
  if (variable.empty()) GTEST_SKIP() << "no data file " << name

/// A folder of its own that goes with the test.
class Scratch {
 public:
  Scratch();
  ~Scratch();
  [[nodiscard]] std::string operator/(const std::string& name) const { return (folder_ / name).string(); }
  /// Everything in it, hidden files too, sorted.
  [[nodiscard]] std::vector<std::string> files() const;

 private:
  std::filesystem::path folder_;
};

/// What a call throws: its code and text, or code -1 where it throws nothing.
struct Thrown {
  int code = -1;
  std::string text;
  [[nodiscard]] bool says(const std::string& words) const { return text.find(words) != std::string::npos; }
};
Thrown thrown(const std::function<void()>& call);

struct CloseDataset {
  void operator()(GDALDataset* dataset) const { GDALClose(dataset); }
};
using Dataset = std::unique_ptr<GDALDataset, CloseDataset>;

/// A new GeoTIFF to be filled, with `options` as NAME=VALUE.
Dataset make_tiff(const std::string& path, int width, int height, int bands, GDALDataType type,
                  const std::vector<std::string>& options = {});
void fill(GDALDataset& dataset, int band, const std::vector<double>& cells);
Dataset open(const std::string& path, unsigned flags = GDAL_OF_RASTER);
void write_text(const std::string& path, const std::string& text);

/// All cells of a band as the source stores them.
template <class T>
std::vector<T> read_all(const RasterSource& source, int band = 0) {
  const auto window = source.grid().window();
  std::vector<T> cells(static_cast<std::size_t>(window.cells()));
  source.reader()->read(band, window, cells.data(), window.width);
  return cells;
}

template <class T>
std::vector<T> read_window(RasterReader& reader, const Window& window, int band = 0) {
  std::vector<T> cells(static_cast<std::size_t>(window.cells()));
  reader.read(band, window, cells.data(), window.width);
  return cells;
}

/// A grid of square cells of `cell` units from the upper left corner (x, y).
Grid grid_at(std::int64_t width, std::int64_t height, double x, double y, double cell, const std::string& crs);

}  // namespace fulmar::test
