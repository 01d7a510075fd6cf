// SPDX-License-Identifier: Apache-2.0
#include "support.hpp"

#include <cpl_string.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <fstream>

#include "io/crs.hpp"

namespace fulmar::test {

std::string data_file(const std::string& name) {
  const char* folder = std::getenv("FULMAR_TEST_DATA");
  const auto path = std::filesystem::path{folder == nullptr ? FULMAR_TEST_DATA_DEFAULT : folder} / name;
  return std::filesystem::exists(path) ? path.string() : std::string{};
}

Scratch::Scratch() {
  static std::atomic<int> count{0};
  folder_ = std::filesystem::temp_directory_path() /
            ("fulmar_io_" + std::to_string(::getpid()) + "_" + std::to_string(count++));
  std::filesystem::remove_all(folder_);
  std::filesystem::create_directories(folder_);
}

Scratch::~Scratch() {
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

std::vector<std::string> Scratch::files() const {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator{folder_}) names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

Thrown thrown(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return {static_cast<int>(error.code()), error.what()};
  }
  return {};
}

Dataset make_tiff(const std::string& path, int width, int height, int bands, GDALDataType type,
                  const std::vector<std::string>& options) {
  const GdalIo registered;
  CPLStringList list;
  for (const auto& option : options) list.AddString(option.c_str());
  auto* driver = GetGDALDriverManager()->GetDriverByName("GTiff");
  Dataset dataset{driver->Create(path.c_str(), width, height, bands, type, list.List())};
  if (!dataset) throw std::runtime_error("cannot create " + path);
  return dataset;
}

void fill(GDALDataset& dataset, int band, const std::vector<double>& cells) {
  auto copy = cells;
  const auto result = dataset.GetRasterBand(band)->RasterIO(
      GF_Write, 0, 0, dataset.GetRasterXSize(), dataset.GetRasterYSize(), copy.data(), dataset.GetRasterXSize(),
      dataset.GetRasterYSize(), GDT_Float64, 0, 0, nullptr);
  if (result != CE_None) throw std::runtime_error("cannot fill");
}

Dataset open(const std::string& path, unsigned flags) {
  const GdalIo registered;
  return Dataset{GDALDataset::Open(path.c_str(), flags)};
}

void write_text(const std::string& path, const std::string& text) { std::ofstream{path, std::ios::binary} << text; }

Grid grid_at(std::int64_t width, std::int64_t height, double x, double y, double cell, const std::string& crs) {
  Grid grid;
  grid.width = width;
  grid.height = height;
  grid.affine = std::array<double, 6>{x, cell, 0, y, 0, -cell};
  if (const auto known = spatial_reference(crs)) {
    grid.crs = wkt2(&*known);
    grid.geographic = known->IsGeographic();
  }
  grid.locator = make_locator(grid);
  return grid;
}

}  // namespace fulmar::test
