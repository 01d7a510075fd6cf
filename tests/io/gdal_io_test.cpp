// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>

#include "support.hpp"

namespace fulmar::test {
namespace {

namespace fs = std::filesystem;

TEST(GdalIo, SameFile) {
  const GdalIo io;
  const Scratch scratch;
  fs::create_directory(scratch / "sub");
  write_text(scratch / "a.tif", "a");
  write_text(scratch / "b.tif", "a");
  fs::create_symlink("a.tif", scratch / "link.tif");
  fs::create_symlink("new.tif", scratch / "astray.tif");
  fs::create_hard_link(scratch / "a.tif", scratch / "hard.tif");
  fs::create_directory_symlink("sub", scratch / "also");
  const auto a = scratch / "a.tif";
  for (const char* name : {"a.tif", "./a.tif", "sub/../a.tif", "/a.tif", "link.tif", "hard.tif"}) {
    EXPECT_TRUE(io.same_file(a, scratch / "" + name)) << name;
    EXPECT_TRUE(io.same_file(scratch / "" + name, a)) << name;
  }
  EXPECT_FALSE(io.same_file(a, scratch / "b.tif"));
  EXPECT_FALSE(io.same_file(a, scratch / "none.tif"));
  // Neither is there yet.
  EXPECT_TRUE(io.same_file(scratch / "sub/n.tif", scratch / "sub/./n.tif"));
  EXPECT_TRUE(io.same_file(scratch / "sub/n.tif", scratch / "also/n.tif"));
  EXPECT_TRUE(io.same_file(scratch / "new.tif", scratch / "astray.tif"));
  EXPECT_FALSE(io.same_file(scratch / "n.tif", scratch / "sub/n.tif"));
  EXPECT_TRUE(io.same_file("n.tif", "./n.tif"));
  EXPECT_TRUE(io.same_file("n.tif", (fs::current_path() / "n.tif").string()));
  // What is inside a file.
  EXPECT_TRUE(io.same_file("NETCDF:\"" + a + "\":sst", scratch / "./a.tif"));
  EXPECT_TRUE(io.same_file("NETCDF:\"" + a + "\":sst", "HDF5:\"" + (scratch / "link.tif") + "\"://x"));
  EXPECT_FALSE(io.same_file("NETCDF:\"" + a + "\":sst", scratch / "b.tif"));
  EXPECT_TRUE(io.same_file("/vsimem/x/a.tif", "/vsimem//x/./a.tif"));
  EXPECT_FALSE(io.same_file("/vsimem/a.tif", "/vsimem/b.tif"));
  EXPECT_FALSE(io.same_file("/vsimem/a.tif", a));
  EXPECT_FALSE(io.same_file("<VRTDataset/>", a));
}

/// What is left of a limit in a process that was started with this GDAL_CACHEMAX; null for none.
void expect_limit(const char* user, std::int64_t bytes, std::int64_t expected) {
  if (user != nullptr) ::setenv("GDAL_CACHEMAX", user, 1);
  EXPECT_EXIT(
      {
        const GdalIo io;
        io.limit_cache(1 << 20);
        io.limit_cache(bytes);
        std::exit(GDALGetCacheMax64() == expected ? 0 : 1);
      },
      ::testing::ExitedWithCode(0), "")
      << (user == nullptr ? "none" : user) << " " << bytes;
  ::unsetenv("GDAL_CACHEMAX");
}

TEST(GdalIoDeathTest, TheCacheIsNeverLargerThanTheUserAllows) {
  // In a process of its own, as GDAL reads the limit once.
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  expect_limit("64", std::int64_t{1} << 30, 64 << 20);
  expect_limit("64", 1 << 21, 1 << 21);
  expect_limit("0", 1 << 21, 0);
  expect_limit(nullptr, std::int64_t{1} << 33, std::int64_t{1} << 33);
}

}  // namespace
}  // namespace fulmar::test
