// SPDX-License-Identifier: Apache-2.0
// Names with wildcards, and dates in names and metadata. Expected seconds: `date -u -d ... +%s`.
#include "io/name_pattern.hpp"

#include <cpl_vsi.h>

#include "support.hpp"

namespace fulmar::test {
namespace {

TEST(NamePattern, FilesInOrder) {
  const Scratch folder;
  std::filesystem::create_directories(folder / "b/x");
  std::filesystem::create_directories(folder / "a/x");
  for (const char* name :
       {"s2.tif", "s10.tif", "s1.tif", "t.tif", "s1.png", ".s3.tif", "odd*.tif", "a/x/q.tif", "b/x/q.tif"})
    write_text(folder / name, "x");
  const auto expand = [&](const std::string& pattern) {
    auto names = expand_name(folder / pattern);
    for (auto& n : names) n = n.substr((folder / "").size());
    return names;
  };
  using Names = std::vector<std::string>;
  EXPECT_EQ(expand("s*.tif"), (Names{"s1.tif", "s10.tif", "s2.tif"}));
  EXPECT_EQ(expand("s?.tif"), (Names{"s1.tif", "s2.tif"}));
  EXPECT_EQ(expand("s*0*.t*"), (Names{"s10.tif"}));
  EXPECT_EQ(expand("*/x/q.tif"), (Names{"a/x/q.tif", "b/x/q.tif"}));
  EXPECT_EQ(expand("?/*/*.tif"), (Names{"a/x/q.tif", "b/x/q.tif"}));
  EXPECT_EQ(expand("odd*.tif"), (Names{"odd*.tif"}));  // a file of that very name
  EXPECT_EQ(expand("absent.tif"), (Names{"absent.tif"}));
  const auto none = thrown([&] { static_cast<void>(expand_name(folder / "u*.tif")); });
  EXPECT_EQ(none.code, static_cast<int>(Errc::input));
  EXPECT_TRUE(none.says("u*.tif"));
  EXPECT_EQ(expand_name("NETCDF:\"a*.nc\":sst"), (Names{"NETCDF:\"a*.nc\":sst"}));
  EXPECT_EQ(expand_name("https://a/b?c=*"), (Names{"https://a/b?c=*"}));
}

TEST(NamePattern, InMemoryToo) {
  for (const char* name : {"/vsimem/pattern/b.tif", "/vsimem/pattern/a.tif"}) VSIFCloseL(VSIFOpenL(name, "w"));
  EXPECT_EQ(expand_name("/vsimem/pattern/*.tif"),
            (std::vector<std::string>{"/vsimem/pattern/a.tif", "/vsimem/pattern/b.tif"}));
  VSIRmdirRecursive("/vsimem/pattern");
}

TEST(NamePattern, DatesInNames) {
  EXPECT_EQ(date_in_name("x/S1A_20210105T141523_iw.tif"), 1609856123);
  EXPECT_EQ(date_in_name("lc08_016037_20170813_B2.tif"), 1502582400);
  EXPECT_EQ(date_in_name("landsat8_kranj_2020068.tif"), 1583625600);  // 8 March
  EXPECT_EQ(date_in_name("sst-1999-12-31.tif"), 946598400);
  EXPECT_EQ(date_in_name("sst_2000_02_29.tif"), 951782400);
  EXPECT_EQ(date_in_name("20160707000000-GOS-L4.nc"), 1467849600);
  EXPECT_EQ(date_in_name("a_20230229_20230301.tif"), 1677628800);  // the first is none
  for (const char* none : {"a.tif", "20210105/a.tif", "a_20211305.tif", "a_202101051.tif", "a_1985.tif",
                           "a_2021366.tif", "a_18500101.tif"})
    EXPECT_EQ(date_in_name(none), std::nullopt) << none;
}

TEST(NamePattern, Moments) {
  EXPECT_EQ(moment_in_text("2013:01:01 10:00:00"), 1357034400);
  EXPECT_EQ(moment_in_text("2017-08-13T15:59:04.5Z"), 1502639944.5);
  EXPECT_EQ(moment_in_text("2017-08-13"), 1502582400);
  EXPECT_EQ(moment_in_text("2017-08-13 02:30+02:00"), 1502584200);
  EXPECT_EQ(moment_in_text("\"2017/08/13 00:00:01\""), 1502582401);
  for (const char* none :
       {"", "yesterday", "2017-8-13", "2017-02-30", "2017-08-13 25:00", "2017-08-13 10", "2017-08-13T10:00:00 PST"})
    EXPECT_EQ(moment_in_text(none), std::nullopt) << none;
}

TEST(NamePattern, ASceneTellsWhenItWasMeasured) {
  const Scratch folder;
  const auto time_of = [&](const std::string& name) { return GdalIo{}.open(folder / name, {})->bands().back().time; };
  const auto make = [&](const std::string& name, const char* key, const char* text, const char* domain = "") {
    auto file = make_tiff(folder / name, 2, 2, 2, GDT_Byte);
    if (key != nullptr) file->SetMetadataItem(key, text, domain);
  };
  make("a_20200102.tif", nullptr, nullptr);
  make("b_20200102.tif", "TIFFTAG_DATETIME", "2022:01:01 00:00:00");
  make("c.tif", "TIFFTAG_DATETIME", "2022:01:01 00:00:00");
  make("d_20200102.tif", "DATE_ACQUIRED", "2019-01-01");
  make("e.tif", nullptr, nullptr);
  // What GDAL makes of a Landsat MTL whose time stands in quotes.
  make("f_20200102.tif", "ACQUISITIONDATETIME", "1970-01-01 00:00:00", "IMAGERY");
  make("g_20200102.tif", "ACQUISITIONDATETIME", "2019-01-01 00:00:00", "IMAGERY");
  EXPECT_EQ(time_of("a_20200102.tif"), 1577923200);
  EXPECT_EQ(time_of("b_20200102.tif"), 1577923200);
  EXPECT_EQ(time_of("c.tif"), 1640995200);
  EXPECT_EQ(time_of("d_20200102.tif"), 1546300800);
  EXPECT_EQ(time_of("e.tif"), std::nullopt);
  EXPECT_EQ(time_of("f_20200102.tif"), 1577923200);
  EXPECT_EQ(time_of("g_20200102.tif"), 1546300800);
}

}  // namespace
}  // namespace fulmar::test
