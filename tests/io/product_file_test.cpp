// SPDX-License-Identifier: Apache-2.0
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cmath>
#include <thread>

#include "support.hpp"

namespace fulmar::test {
namespace {

using Names = std::vector<std::string>;

class ProductTest : public ::testing::Test {
 protected:
  GdalIo io;
  Scratch scratch;
  Grid grid = grid_at(64, 32, 500000, 4000000, 10, "EPSG:32631");
  std::vector<ProductBand> bands{{"ship", DType::u8, 255.0, {"flag"}}};

  std::unique_ptr<RasterSink> raster(const std::string& path, bool overwrite = false) {
    FileOptions options;
    options.overwrite = overwrite;
    return io.create_raster(path, options, grid, bands, {});
  }
  void write(RasterSink& sink, std::uint8_t value) {
    const std::vector<std::uint8_t> cells(64 * 32, value);
    sink.write(0, grid.window(), cells.data(), 64);
  }
};

TEST_F(ProductTest, AppearsOnlyWhenCommitted) {
  const auto path = scratch / "p.tif";
  {
    const auto sink = raster(path);
    write(*sink, 1);
    EXPECT_FALSE(std::filesystem::exists(path));
  }
  EXPECT_EQ(scratch.files(), Names{});
  const auto sink = raster(path);
  write(*sink, 1);
  sink->commit();
  EXPECT_EQ(scratch.files(), Names{"p.tif"});
}

TEST_F(ProductTest, FinishedIsWholeButNotYetThere) {
  FeatureTable table;
  table.grid = grid;
  const std::vector<float> cells(64 * 32, 1);
  for (const char* name : {"p.tif", "p.png", "p.nc", "p.gpkg", "q.png"}) {
    const auto path = scratch / name;
    const auto check = [&](auto& sink) {
      sink.finish();
      EXPECT_FALSE(std::filesystem::exists(path)) << name;
      sink.finish();
      sink.commit();
      EXPECT_TRUE(std::filesystem::exists(path)) << name;
      EXPECT_EQ(thrown([&] { sink.commit(); }).code, 1) << name;
    };
    if (io.product_kind(path, {}) == ProductKind::raster && name[0] == 'p') {
      const auto sink = raster(path);
      write(*sink, 1);
      check(*sink);
    } else {
      const auto sink = io.create_features(path, {}, grid, {}, {});
      if (sink->wants_raster()) sink->write_raster(grid.window(), cells.data(), 64);
      sink->write(table);
      check(*sink);
    }
  }
  // Finished and not committed: nothing.
  {
    const auto sink = raster(scratch / "r.tif");
    write(*sink, 1);
    sink->finish();
  }
  for (const auto& name : scratch.files()) EXPECT_TRUE(name[0] != '.' && name[0] != 'r') << name;
}

TEST_F(ProductTest, SomeoneElseWasQuickerThanTheCommit) {
  const auto path = scratch / "p.tif";
  {
    const auto sink = raster(path);
    write(*sink, 1);
    sink->finish();
    write_text(path, "theirs");
    EXPECT_EQ(thrown([&] { sink->commit(); }).code, 4);
  }
  EXPECT_EQ(std::filesystem::file_size(path), 6U);
  EXPECT_EQ(scratch.files(), Names{"p.tif"});
}

TEST_F(ProductTest, CancelledBeforeItIsFinished) {
  std::atomic<bool> cancel{false};
  FileOptions options;
  options.cancel = &cancel;
  for (const std::string name : {"p.tif", "p.png", "p.nc", "p.img", "p.gpkg", "p.csv", "q.png"}) {
    cancel = false;
    const auto path = scratch / name;
    const auto check = [&](auto& sink) {
      cancel = true;
      const auto error = thrown([&] { sink.finish(); });
      EXPECT_EQ(error.code, 130) << name;
      EXPECT_EQ(error.text, "stopped before the products were whole; none was written");
    };
    if (io.product_kind(path, options) == ProductKind::raster && name[0] == 'p') {
      const auto sink = io.create_raster(path, options, grid, bands, {});
      write(*sink, 1);
      check(*sink);
    } else {
      const auto sink = io.create_features(path, options, grid, {}, {});
      check(*sink);
    }
    EXPECT_EQ(scratch.files(), Names{}) << name;
  }
}

TEST_F(ProductTest, CancelledWhileItIsEncoded) {
  constexpr std::int64_t side = 4096;
  grid = grid_at(side, side, 500000, 4000000, 10, "EPSG:32631");
  std::vector<float> noise(side * RasterSink::strip);
  std::uint32_t seed = 1;
  for (auto& v : noise) v = static_cast<float>((seed = seed * 1664525 + 1013904223) >> 12);
  std::atomic<bool> cancel{false};
  FileOptions options;
  options.cancel = &cancel;
  const std::vector<std::pair<std::string, std::string>> kinds{{"c.tif", "COG"},  {"c.nc", ""},  {"c.img", ""},
                                                               {"c.dat", "ENVI"}, {"c.png", ""}, {"c.tiff", "GTiff"}};
  for (const auto& [name, format] : kinds) {
    cancel = false;
    options.format = format;
    options.creation_options.clear();
    if (format == "COG") options.creation_options = {"COMPRESS=DEFLATE", "LEVEL=9"};
    {
      const auto sink = io.create_raster(scratch / name, options, grid, {{"noise", DType::f32, std::nan(""), {}}}, {});
      // Rows from below, so that a GeoTIFF is written a second time.
      for (auto y = side - RasterSink::strip; y >= 0; y -= RasterSink::strip)
        sink->write(0, {0, y, side, RasterSink::strip}, noise.data(), side);
      std::thread other{[&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(30));
        cancel = true;
      }};
      const auto error = thrown([&] {
        sink->finish();
        // Formats that were quicker than 30 ms are stopped here.
        while (!cancel) std::this_thread::yield();
        fail(Errc::cancelled, "too quick");
      });
      other.join();
      EXPECT_EQ(error.code, 130) << name << " " << error.text;
      if (format == "COG" || name == "c.nc" || name == "c.img") {
        EXPECT_TRUE(error.says("none was written")) << name << " " << error.text;
      }
    }
    EXPECT_EQ(scratch.files(), Names{}) << name;
  }
}

TEST_F(ProductTest, TheFileBehindALinkIsReplaced) {
  namespace fs = std::filesystem;
  fs::create_directory(scratch / "store");
  write_text(scratch / "store/real.tif", "old");
  write_text(scratch / "store/real.tif.aux.xml", "of the old one");
  fs::create_symlink("store/real.tif", scratch / "first.tif");
  fs::create_symlink(scratch / "first.tif", scratch / "p.tif");
  EXPECT_EQ(thrown([&] { raster(scratch / "p.tif"); }).code, 4);
  {
    const auto sink = raster(scratch / "p.tif", true);
    write(*sink, 3);
    EXPECT_EQ(fs::file_size(scratch / "store/real.tif"), 3U);
    sink->commit();
  }
  EXPECT_TRUE(fs::is_symlink(scratch / "p.tif"));
  EXPECT_TRUE(fs::is_symlink(scratch / "first.tif"));
  EXPECT_FALSE(fs::exists(scratch / "store/real.tif.aux.xml"));
  EXPECT_EQ(read_all<std::uint8_t>(*io.open(scratch / "store/real.tif", {}))[0], 3);
  EXPECT_EQ(scratch.files(), (Names{"first.tif", "p.tif", "store"}));
  // A link to what is not there yet, by another extension.
  fs::create_symlink("store/blob", scratch / "new.png");
  {
    const auto sink = raster(scratch / "new.png");
    write(*sink, 3);
    sink->commit();
  }
  EXPECT_TRUE(fs::is_symlink(scratch / "new.png"));
  EXPECT_TRUE(fs::is_regular_file(scratch / "store/blob"));
  EXPECT_TRUE(fs::is_regular_file(scratch / "store/blob.aux.xml"));
  fs::create_symlink("round.tif", scratch / "round.tif");
  EXPECT_EQ(thrown([&] { raster(scratch / "round.tif", true); }).code, 4);
  fs::create_symlink("nowhere/x.tif", scratch / "astray.tif");
  EXPECT_TRUE(thrown([&] { raster(scratch / "astray.tif"); }).says("no folder"));
}

TEST_F(ProductTest, ExistingIsKeptWithoutOverwrite) {
  const auto path = scratch / "p.tif";
  write_text(path, "mine");
  auto error = thrown([&] { return io.product_kind(path, {}); });
  EXPECT_EQ(error.code, 4);
  EXPECT_TRUE(error.says("exists") && error.says("--overwrite")) << error.text;
  error = thrown([&] { raster(path); });
  EXPECT_EQ(error.code, 4);
  EXPECT_EQ(std::filesystem::file_size(path), 4U);
  // Until the commit the old one stays, whatever happens.
  {
    const auto sink = raster(path, true);
    write(*sink, 1);
    EXPECT_EQ(std::filesystem::file_size(path), 4U);
  }
  EXPECT_EQ(std::filesystem::file_size(path), 4U);
  write_text(scratch / "p.tif.aux.xml", "of the old one");
  const auto sink = raster(path, true);
  write(*sink, 1);
  sink->commit();
  EXPECT_EQ(scratch.files(), Names{"p.tif"});
  EXPECT_EQ(read_all<std::uint8_t>(*io.open(path, {}))[0], 1);
}

TEST_F(ProductTest, SomeoneElseWasQuicker) {
  const auto path = scratch / "p.tif";
  const auto sink = raster(path);
  write(*sink, 1);
  write_text(path, "theirs");
  EXPECT_EQ(thrown([&] { sink->commit(); }).code, 4);
  EXPECT_EQ(std::filesystem::file_size(path), 6U);
}

TEST_F(ProductTest, TwoOfOneNameAtOnce) {
  const auto path = scratch / "p.tif";
  const auto sink = raster(path);
  EXPECT_EQ(thrown([&] { raster(path); }).code, 2);
  write(*sink, 1);
  sink->commit();
  EXPECT_EQ(scratch.files(), Names{"p.tif"});
}

TEST_F(ProductTest, SidecarsOfOthersAreKept) {
  write_text(scratch / "o.dbf", "mine");
  const auto sink = io.create_features(scratch / "o.shp", {}, grid, {{"v", ColumnType::real, {}, ""}}, {});
  sink->write({grid, {}, {}});
  EXPECT_EQ(thrown([&] { sink->commit(); }).code, 4);
  EXPECT_EQ(std::filesystem::file_size(scratch / "o.dbf"), 4U);
  EXPECT_FALSE(std::filesystem::exists(scratch / "o.shp"));
}

TEST_F(ProductTest, FoldersThatWillNotDo) {
  auto error = thrown([&] { raster(scratch / "no/such/p.tif"); });
  EXPECT_EQ(error.code, 4);
  EXPECT_TRUE(error.says("no folder")) << error.text;
  EXPECT_EQ(thrown([&] { return io.product_kind(scratch / "no/p.gpkg", {}); }).code, 4);
  std::filesystem::create_directory(scratch / "d.tif");
  error = thrown([&] { raster(scratch / "d.tif", true); });
  EXPECT_EQ(error.code, 4);
  EXPECT_TRUE(error.says("directory")) << error.text;
  std::filesystem::create_directory(scratch / "locked");
  std::filesystem::permissions(scratch / "locked",
                               std::filesystem::perms::owner_read | std::filesystem::perms::owner_exec);
  if (::access((scratch / "locked").c_str(), W_OK) != 0) {
    error = thrown([&] { raster(scratch / "locked/p.tif"); });
    EXPECT_EQ(error.code, 4);
    EXPECT_TRUE(error.says("locked")) << error.text;
  }
  std::filesystem::permissions(scratch / "locked", std::filesystem::perms::owner_all);
}

TEST_F(ProductTest, WhatDeadProcessesLeftIsRemoved) {
  const auto child = ::fork();
  if (child == 0) ::_exit(0);
  ASSERT_GT(child, 0);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  const auto stale = ".p.tif.fulmar-" + std::to_string(child) + ".tif";
  const auto alive = ".p.tif.fulmar-" + std::to_string(::getppid()) + ".tif";
  const auto other = ".q.tif.fulmar-" + std::to_string(child) + ".tif";
  for (const auto& name : {stale, stale + ".aux.xml", alive, other}) write_text(scratch / name, "x");
  const auto sink = raster(scratch / "p.tif");
  write(*sink, 1);
  sink->commit();
  Names expected{alive, other, "p.tif"};
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(scratch.files(), expected);
}

TEST_F(ProductTest, AFullDiskLeavesNothingBehind) {
  struct rlimit before {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  auto* const old = ::signal(SIGXFSZ, SIG_IGN);
  const auto limited = [&](const std::function<void()>& call) {
    struct rlimit small = before;
    small.rlim_cur = 40000;
    EXPECT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
    const auto error = thrown(call);
    EXPECT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
    return error;
  };
  grid = grid_at(2048, 512, 500000, 4000000, 10, "EPSG:32631");
  bands[0] = {"noise", DType::f32, std::nan(""), {}};
  std::vector<float> noise(2048 * 512);
  std::uint32_t seed = 1;
  for (auto& v : noise) v = static_cast<float>(seed = seed * 1664525 + 1013904223);
  for (const char* name : {"full.tif", "full.png", "full.img", "full.nc"}) {
    auto error = limited([&] {
      const auto sink = raster(scratch / name);
      sink->write(0, grid.window(), noise.data(), 2048);
      sink->commit();
    });
    EXPECT_EQ(error.code, 4) << name;
    EXPECT_TRUE(error.says(name)) << error.text;
    EXPECT_TRUE(error.says("File too large") || error.says("rite")) << error.text;
    EXPECT_EQ(scratch.files(), Names{}) << name;
  }
  FeatureTable table;
  table.grid = grid;
  table.columns = {{"v", ColumnType::real, {}, ""}};
  for (std::int32_t i = 0; i < 3000; ++i)
    table.rows.push_back(
        {{{{{i % 2000, 0}, {i % 2000 + 1, 0}, {i % 2000 + 1, 1}, {i % 2000, 1}}}}, {static_cast<double>(i) / 7}});
  for (const char* name : {"full.gpkg", "full.fgb", "full.geojson", "full.csv", "full.shp", "full.geojsonl"}) {
    const auto error = limited([&] {
      const auto sink = io.create_features(scratch / name, {}, grid, table.columns, {});
      sink->write(table);
      sink->commit();
    });
    EXPECT_EQ(scratch.files(), Names{}) << name;
    EXPECT_EQ(error.code, 4) << name << " " << error.text;
  }
  ::signal(SIGXFSZ, old);
}

TEST_F(ProductTest, VirtualFilesAreProductsToo) {
  const std::string path = "/vsimem/fulmar_products/p.tif";
  const auto sink = raster(path);
  write(*sink, 1);
  EXPECT_FALSE(open(path));
  sink->commit();
  EXPECT_EQ(read_all<std::uint8_t>(*io.open(path, {}))[5], 1);
  EXPECT_EQ(thrown([&] { raster(path); }).code, 4);
  VSIRmdirRecursive("/vsimem/fulmar_products");
}

TEST_F(ProductTest, KindsByName) {
  for (const char* name : {"a.tif", "a.TIFF", "a.png", "a.nc", "a.img"})
    EXPECT_EQ(io.product_kind(scratch / name, {}), ProductKind::raster) << name;
  for (const char* name : {"a.gpkg", "a.fgb", "a.geojson", "a.json", "a.geojsonl", "a.csv", "a.shp"})
    EXPECT_EQ(io.product_kind(scratch / name, {}), ProductKind::features) << name;
  FileOptions options;
  options.format = "COG";
  EXPECT_EQ(io.product_kind(scratch / "a.tif", options), ProductKind::raster);
  options.format = "GeoJSON";
  EXPECT_EQ(io.product_kind(scratch / "a.txt", options), ProductKind::features);
  auto error = thrown([&] { return io.product_kind(scratch / "a.xyz9", {}); });
  EXPECT_EQ(error.code, 2);
  EXPECT_TRUE(error.says(".gpkg") && error.says("--of")) << error.text;
  EXPECT_EQ(thrown([&] { return io.product_kind(scratch / "a", {}); }).code, 2);
  EXPECT_EQ(thrown([&] { return io.product_kind(scratch / "a.vrt", {}); }).code, 2);
  options.format = "Nonsense";
  EXPECT_EQ(thrown([&] { return io.product_kind(scratch / "a.tif", options); }).code, 2);
  if (GetGDALDriverManager()->GetDriverByName("Parquet") == nullptr) {
    error = thrown([&] { return io.product_kind(scratch / "a.parquet", {}); });
    EXPECT_EQ(error.code, 2);
    EXPECT_TRUE(error.says("no Parquet driver")) << error.text;
  }
}

}  // namespace
}  // namespace fulmar::test
