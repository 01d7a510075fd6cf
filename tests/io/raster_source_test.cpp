// SPDX-License-Identifier: Apache-2.0
#include <cpl_vsi.h>

#include <cfloat>
#include <cmath>
#include <fstream>
#include <limits>
#include <thread>

#include "support.hpp"

namespace fulmar::test {
namespace {

class RasterSourceTest : public ::testing::Test {
 protected:
  GdalIo io;
  Scratch scratch;

  std::shared_ptr<const RasterSource> with_nodata(GDALDataType type, double nodata,
                                                  const std::vector<std::string>& options = {}) {
    const auto path = scratch / "nodata.tif";
    {
      auto d = make_tiff(path, 2, 2, 1, type, options);
      d->GetRasterBand(1)->SetNoDataValue(nodata);
    }
    return io.open(path, {});
  }
};

TEST_F(RasterSourceTest, ReadsEveryTypeAsItIsStored) {
  const std::vector<std::pair<GDALDataType, DType>> types{
      {GDT_Byte, DType::u8},    {GDT_UInt16, DType::u16},  {GDT_Int16, DType::i16},
      {GDT_UInt32, DType::u32}, {GDT_Int32, DType::i32},   {GDT_UInt64, DType::u64},
      {GDT_Int64, DType::i64},  {GDT_Float32, DType::f32}, {GDT_Float64, DType::f64}};
  for (const auto& [gdal, dtype] : types) {
    const auto path = scratch / "t.tif";
    fill(*make_tiff(path, 3, 2, 1, gdal), 1, {1, 2, 3, 4, 5, 100});
    const auto source = io.open(path, {});
    ASSERT_EQ(source->bands()[0].dtype, dtype);
    with_type(dtype, [&](auto zero) {
      using T = decltype(zero);
      EXPECT_EQ(read_all<T>(*source), (std::vector<T>{1, 2, 3, 4, 5, 100}));
      std::vector<T> strided(8, T{7});
      source->reader()->read(0, {1, 0, 2, 2}, strided.data(), 4);
      EXPECT_EQ(strided, (std::vector<T>{2, 3, 7, 7, 5, 100, 7, 7}));
    });
  }
}

TEST_F(RasterSourceTest, SignedBytesAreSigned) {
  const auto path = scratch / "s.tif";
  {
    auto d = make_tiff(path, 2, 1, 1, GDT_Byte, {"PIXELTYPE=SIGNEDBYTE"});
    std::uint8_t cells[]{0xff, 0x80};
    ASSERT_EQ(d->GetRasterBand(1)->RasterIO(GF_Write, 0, 0, 2, 1, cells, 2, 1, GDT_Byte, 0, 0, nullptr), CE_None);
  }
  const auto source = io.open(path, {});
  EXPECT_EQ(source->bands()[0].dtype, DType::i8);
  EXPECT_EQ(read_all<std::int8_t>(*source), (std::vector<std::int8_t>{-1, -128}));
}

TEST_F(RasterSourceTest, NodataIsComparedInTheStoredType) {
  EXPECT_EQ(with_nodata(GDT_Float32, 1e20)->bands()[0].nodata, static_cast<double>(1e20F));
  EXPECT_EQ(with_nodata(GDT_Float32, 0.1)->bands()[0].nodata, static_cast<double>(0.1F));
  const double limit = static_cast<double>(std::numeric_limits<float>::lowest());
  for (const double written : {-3.4028234663852886e+38, -3.402823e+38, -3.4028235e+38, -3.40282346638529e+38})
    EXPECT_EQ(with_nodata(GDT_Float32, written)->bands()[0].nodata, limit) << written;
  const auto vrt = io.open(R"(<VRTDataset rasterXSize="2" rasterYSize="1"><VRTRasterBand dataType="Float32" band="1">)"
                           R"(<NoDataValue>0.1</NoDataValue></VRTRasterBand></VRTDataset>)",
                           {});
  EXPECT_EQ(vrt->bands()[0].nodata, static_cast<double>(0.1F));
  EXPECT_FALSE(with_nodata(GDT_Float32, 1e39)->bands()[0].nodata);
  EXPECT_FALSE(with_nodata(GDT_Int16, -3.4e38)->bands()[0].nodata);
  EXPECT_FALSE(with_nodata(GDT_Int16, std::nan(""))->bands()[0].nodata);
  EXPECT_FALSE(with_nodata(GDT_Int16, 0.5)->bands()[0].nodata);
  EXPECT_FALSE(with_nodata(GDT_Byte, -9999)->bands()[0].nodata);
  EXPECT_EQ(with_nodata(GDT_Int16, -32768)->bands()[0].nodata, -32768);
  EXPECT_EQ(with_nodata(GDT_Byte, 255)->bands()[0].nodata, 255);
  EXPECT_FALSE(with_nodata(GDT_Byte, 255)->bands()[0].has_mask);
}

TEST_F(RasterSourceTest, CellsAtTheRoundedFloatLimitAreNodata) {
  const auto path = scratch / "limit.tif";
  {
    auto d = make_tiff(path, 3, 1, 1, GDT_Float32);
    d->GetRasterBand(1)->SetNoDataValue(-3.402823e+38);
    std::vector<float> cells{-FLT_MAX, static_cast<float>(-3.402823e+38), 5};
    ASSERT_EQ(d->GetRasterBand(1)->RasterIO(GF_Write, 0, 0, 3, 1, cells.data(), 3, 1, GDT_Float32, 0, 0, nullptr),
              CE_None);
  }
  const auto source = io.open(path, {});
  EXPECT_EQ(read_all<float>(*source), (std::vector<float>{-FLT_MAX, -FLT_MAX, 5}));
  EXPECT_EQ(source->bands()[0].nodata, static_cast<double>(-FLT_MAX));
}

TEST_F(RasterSourceTest, NodataOfLongIntegersIsExact) {
  const auto path = scratch / "long.tif";
  constexpr std::int64_t odd = 9007199254740993;  // 2^53 + 1: no double
  make_tiff(path, 2, 2, 1, GDT_Int64)->GetRasterBand(1)->SetNoDataValueAsInt64(odd);
  EXPECT_EQ(io.open(path, {})->bands()[0].nodata_i64, odd);
  make_tiff(path, 2, 2, 1, GDT_UInt64)->GetRasterBand(1)->SetNoDataValueAsUInt64(~std::uint64_t{0});
  EXPECT_EQ(io.open(path, {})->bands()[0].nodata_i64, -1);
}

TEST_F(RasterSourceTest, ScaleOffsetUnitAndDescription) {
  const auto path = scratch / "unit.tif";
  {
    auto d = make_tiff(path, 2, 2, 3, GDT_Int16);
    d->GetRasterBand(1)->SetScale(0.01);
    d->GetRasterBand(1)->SetOffset(273.15);
    d->GetRasterBand(1)->SetUnitType("kelvin");
    d->GetRasterBand(1)->SetDescription("sst");
    d->GetRasterBand(2)->SetDescription("Sigma0_VV_db");
    d->GetRasterBand(3)->SetMetadataItem("units", "Metres");
  }
  const auto source = io.open(path, {});
  const auto& bands = source->bands();
  EXPECT_EQ(bands[0].scale, 0.01);
  EXPECT_EQ(bands[0].offset, 273.15);
  EXPECT_EQ(bands[0].unit.symbol, "K");
  EXPECT_EQ(bands[0].description, "sst");
  EXPECT_EQ(bands[1].unit.symbol, "dB");
  EXPECT_EQ(bands[2].unit.symbol, "m");
  FileOptions options;
  options.unit = "decibels";
  EXPECT_EQ(io.open(path, options)->bands()[0].unit.symbol, "dB");
}

TEST_F(RasterSourceTest, AlphaIsAMaskAndNoBand) {
  const auto path = scratch / "alpha.tif";
  {
    auto d = make_tiff(path, 2, 1, 4, GDT_Byte, {"PHOTOMETRIC=RGB", "ALPHA=YES"});
    for (int band = 1; band <= 3; ++band) fill(*d, band, {10, 20});
    fill(*d, 4, {0, 255});
    // A nodata value besides hides the alpha band from GDAL's own mask.
    d->GetRasterBand(1)->SetNoDataValue(77);
  }
  const auto source = io.open(path, {});
  ASSERT_EQ(source->bands().size(), 3U);
  EXPECT_TRUE(source->bands()[2].has_mask);
  EXPECT_EQ(source->bands()[0].nodata, 77);
  std::vector<std::uint8_t> mask(2);
  source->reader()->read_mask(1, source->grid().window(), mask.data(), 2);
  EXPECT_EQ(mask[0], 0);
  EXPECT_NE(mask[1], 0);
}

TEST_F(RasterSourceTest, MaskBandOfTheDataset) {
  const auto path = scratch / "mask.tif";
  {
    auto d = make_tiff(path, 2, 1, 1, GDT_UInt16);
    fill(*d, 1, {10, 20});
    ASSERT_EQ(d->CreateMaskBand(GMF_PER_DATASET), CE_None);
    std::uint8_t valid[]{255, 0};
    ASSERT_EQ(d->GetRasterBand(1)->GetMaskBand()->RasterIO(GF_Write, 0, 0, 2, 1, valid, 2, 1, GDT_Byte, 0, 0, nullptr),
              CE_None);
  }
  const auto source = io.open(path, {});
  ASSERT_TRUE(source->bands()[0].has_mask);
  std::vector<std::uint8_t> mask(2);
  source->reader()->read_mask(0, source->grid().window(), mask.data(), 2);
  EXPECT_NE(mask[0], 0);
  EXPECT_EQ(mask[1], 0);
}

TEST_F(RasterSourceTest, GridOfEachKindOfPlace) {
  const auto path = scratch / "grid.tif";
  OGRSpatialReference geographic, utm;
  ASSERT_EQ(geographic.importFromEPSG(4326), OGRERR_NONE);
  ASSERT_EQ(utm.importFromEPSG(32611), OGRERR_NONE);
  {
    auto d = make_tiff(path, 360, 180, 1, GDT_Byte);
    double a[]{-180, 1, 0, 90, 0, -1};
    d->SetGeoTransform(a);
    d->SetSpatialRef(&geographic);
  }
  auto source = io.open(path, {});
  EXPECT_TRUE(source->grid().geographic);
  EXPECT_TRUE(source->grid().wraps);
  auto place = source->grid().locator->lonlat(190.5, 45);
  ASSERT_TRUE(place);
  EXPECT_NEAR(place->lon, 10.5, 1e-12);
  EXPECT_NEAR(place->lat, 45, 1e-12);
  {
    auto d = make_tiff(path, 100, 100, 1, GDT_Byte);
    double a[]{500000, 10, 0, 4000000, 0, -10};
    d->SetGeoTransform(a);
    d->SetSpatialRef(&utm);
  }
  source = io.open(path, {});
  EXPECT_FALSE(source->grid().geographic);
  EXPECT_FALSE(source->grid().wraps);
  EXPECT_EQ(source->grid().ground().dx, 10);
  place = source->grid().locator->lonlat(0, 0);
  ASSERT_TRUE(place);
  EXPECT_NEAR(place->lon, -117, 1e-9);
  EXPECT_NEAR(place->lat, 36.144718, 1e-6);  // 4000 km of meridian arc / 0.9996, cs2cs
  {
    auto d = make_tiff(path, 100, 100, 1, GDT_Byte);
    double a[]{500000, 10, 0, 4000000, 0, -10};
    d->SetGeoTransform(a);
  }
  source = io.open(path, {});
  EXPECT_TRUE(source->grid().crs.empty());
  EXPECT_TRUE(source->grid().affine);
  EXPECT_EQ(source->grid().ground().dx, 0);
  EXPECT_FALSE(source->grid().locator);
  make_tiff(path, 4, 4, 1, GDT_Byte);
  source = io.open(path, {});
  EXPECT_FALSE(source->grid().affine);
  EXPECT_FALSE(source->grid().locator);
}

TEST_F(RasterSourceTest, FeetAreNotMetres) {
  const auto path = scratch / "feet.tif";
  OGRSpatialReference feet;
  ASSERT_EQ(feet.importFromEPSG(2229), OGRERR_NONE);  // California zone 5, US survey feet
  {
    auto d = make_tiff(path, 10, 10, 1, GDT_Byte);
    double a[]{6500000, 10, 0, 1800000, 0, -10};
    d->SetGeoTransform(a);
    d->SetSpatialRef(&feet);
  }
  EXPECT_NEAR(io.open(path, {})->grid().ground().dx, 10 * 1200.0 / 3937, 1e-9);
}

TEST_F(RasterSourceTest, MetresOfAProjectionAreNotAlwaysMetres) {
  const auto path = scratch / "scale.tif";
  const auto ground_at = [&](int epsg, double x, double y, double cell) {
    OGRSpatialReference crs;
    EXPECT_EQ(crs.importFromEPSG(epsg), OGRERR_NONE);
    {
      auto d = make_tiff(path, 100, 100, 1, GDT_Byte);
      double a[]{x - 50 * cell, cell, 0, y + 50 * cell, 0, -cell};
      d->SetGeoTransform(a);
      d->SetSpatialRef(&crs);
    }
    return io.open(path, {})->grid().ground();
  };
  // Web Mercator at 60 degrees north: cos(60), and by the ellipsoid 1 + 0.0025 along a row, 1 - 0.0017 along a column.
  const auto web = ground_at(3857, 1113194.9, 8399737.9, 20);
  EXPECT_NEAR(web.dx, 10, 0.02);
  EXPECT_NEAR(web.dy, 10, 0.02);
  EXPECT_NEAR(web.area, 100, 0.4);
  EXPECT_EQ(ground_at(3857, 0, 0, 20).dx, 20);
  // Polar stereographic, true at 70 degrees north: a few per cent short at the pole.
  EXPECT_NEAR(ground_at(3413, 0, 0, 100).dx, 103.1, 0.1);
  EXPECT_EQ(ground_at(32631, 500000, 4000000, 10).dx, 10);
  EXPECT_EQ(ground_at(32631, 200000, 6600000, 10).dx, 10);
}

TEST_F(RasterSourceTest, SaysWhyAFileCannotBeOpened) {
  const auto absent = thrown([&] { return io.open(scratch / "none.tif", {}); });
  EXPECT_EQ(absent.code, 3);
  EXPECT_TRUE(absent.says("there is no file") && absent.says("none.tif")) << absent.text;
  std::filesystem::create_directory(scratch / "folder");
  const auto folder = thrown([&] { return io.open(scratch / "folder", {}); });
  EXPECT_EQ(folder.code, 3);
  EXPECT_TRUE(folder.says("is a directory")) << folder.text;
  write_text(scratch / "empty.tif", "");
  const auto empty = thrown([&] { return io.open(scratch / "empty.tif", {}); });
  EXPECT_EQ(empty.code, 3);
  EXPECT_TRUE(empty.says("empty (0 bytes)")) << empty.text;
  write_text(scratch / "words.tif", "these are words, not a raster");
  const auto words = thrown([&] { return io.open(scratch / "words.tif", {}); });
  EXPECT_EQ(words.code, 3);
  EXPECT_TRUE(words.says("not a raster") && words.says("GDAL:")) << words.text;
  write_text(scratch / "v.geojson", R"({"type":"FeatureCollection","features":[]})");
  const auto vector = thrown([&] { return io.open(scratch / "v.geojson", {}); });
  EXPECT_EQ(vector.code, 3);
  EXPECT_TRUE(vector.says("vector features")) << vector.text;
  const auto subdataset = thrown([&] { return io.open("NETCDF:\"" + (scratch / "no.nc") + "\":sst", {}); });
  EXPECT_EQ(subdataset.code, 3);
  EXPECT_TRUE(subdataset.says("there is no file")) << subdataset.text;
}

TEST_F(RasterSourceTest, PrintsNothing) {
  ::testing::internal::CaptureStderr();
  ::testing::internal::CaptureStdout();
  thrown([&] { return io.open(scratch / "none.tif", {}); });
  write_text(scratch / "words.tif", "II*\0 no TIFF");
  thrown([&] { return io.open(scratch / "words.tif", {}); });
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
  EXPECT_EQ(::testing::internal::GetCapturedStdout(), "");
}

TEST_F(RasterSourceTest, ComplexCellsAreRefused) {
  const auto path = scratch / "slc.tif";
  for (const auto type : {GDT_CInt16, GDT_CFloat32}) {
    make_tiff(path, 4, 4, 1, type);
    const auto error = thrown([&] { return io.open(path, {}); });
    EXPECT_EQ(error.code, 3);
    EXPECT_TRUE(error.says("complex") && error.says("intensity")) << error.text;
  }
}

TEST_F(RasterSourceTest, AFileCutShortFailsWhereItIsRead) {
  const auto path = scratch / "cut.tif";
  fill(*make_tiff(path, 512, 512, 1, GDT_Float32), 1, std::vector<double>(512 * 512, 3));
  const auto size = std::filesystem::file_size(path);
  std::filesystem::resize_file(path, size / 2);
  const auto error = thrown([&] {
    const auto source = io.open(path, {});
    read_all<float>(*source);
  });
  EXPECT_EQ(error.code, 3);
  EXPECT_TRUE(error.says("cut.tif") && error.says("band 1") && error.says("rows 0-511") && error.says("GDAL:"))
      << error.text;
}

TEST_F(RasterSourceTest, PlainFilesHaveTheSameCellsWhateverTheirLayout) {
  // Cells counted from their places, through windows with a stride, of files that GDAL may read row by row.
  for (const std::vector<std::string>& layout :
       {std::vector<std::string>{"BLOCKYSIZE=7"},
        {"ENDIANNESS=BIG"},
        {"INTERLEAVE=BAND", "BLOCKYSIZE=3"},
        {"INTERLEAVE=PIXEL"},
        {"TILED=YES", "BLOCKXSIZE=32", "BLOCKYSIZE=16", "INTERLEAVE=BAND"},
        {"SPARSE_OK=TRUE", "BLOCKYSIZE=5", "INTERLEAVE=BAND"},
        {"SPARSE_OK=TRUE", "TILED=YES", "BLOCKXSIZE=16", "BLOCKYSIZE=16", "INTERLEAVE=BAND"}}) {
    const auto path = scratch / "plain.tif";
    const bool holes = layout.front().rfind("SPARSE", 0) == 0;
    const auto value = [&](std::int64_t band, std::int64_t x, std::int64_t y) {
      return holes && y < 40 ? 0 : 10000 * band + 100 * x + y;
    };
    {
      auto d = make_tiff(path, 70, 60, 2, GDT_UInt16, layout);
      const int top = holes ? 40 : 0;
      for (int b = 0; b < 2; ++b) {
        std::vector<std::uint16_t> cells;
        for (int y = top; y < 60; ++y)
          for (int x = 0; x < 70; ++x) cells.push_back(static_cast<std::uint16_t>(value(b, x, y)));
        ASSERT_EQ(d->GetRasterBand(b + 1)->RasterIO(GF_Write, 0, top, 70, 60 - top, cells.data(), 70, 60 - top,
                                                    GDT_UInt16, 0, 0, nullptr),
                  CE_None);
      }
    }
    const auto reader = io.open(path, {})->reader();
    constexpr std::int64_t stride = 51;
    for (const Window w : {Window{3, 2, 50, 55}, Window{0, 45, 50, 10}, Window{69, 0, 1, 60}})
      for (int b = 0; b < 2; ++b) {
        std::vector<std::uint16_t> cells(static_cast<std::size_t>(stride * w.height), 7);
        reader->read(b, w, cells.data(), stride);
        int wrong = 0;
        for (std::int64_t y = 0; y < w.height; ++y)
          for (std::int64_t x = 0; x < stride; ++x)
            wrong += cells[static_cast<std::size_t>(y * stride + x)] !=
                     (x < w.width ? static_cast<std::uint16_t>(value(b, w.x + x, w.y + y)) : 7);
        EXPECT_EQ(wrong, 0) << layout.front() << " band " << b + 1 << " window " << w.x << "," << w.y;
      }
  }
}

TEST_F(RasterSourceTest, WindowsOutsideAreRefused) {
  const auto path = scratch / "w.tif";
  make_tiff(path, 4, 4, 1, GDT_Byte);
  const auto reader = io.open(path, {})->reader();
  std::uint8_t cells[64];
  EXPECT_EQ(thrown([&] { reader->read(0, {2, 2, 4, 4}, cells, 8); }).code, 1);
  EXPECT_EQ(thrown([&] { reader->read(1, {0, 0, 4, 4}, cells, 8); }).code, 1);
}

TEST_F(RasterSourceTest, LooksNegative) {
  const auto path = scratch / "db.tif";
  const auto negative = [&](GDALDataType type, std::vector<double> cells, std::optional<double> nodata) {
    {
      auto d = make_tiff(path, 5, 1, 1, type);
      fill(*d, 1, cells);
      if (nodata) d->GetRasterBand(1)->SetNoDataValue(*nodata);
    }
    return io.open(path, {})->looks_negative(0);
  };
  EXPECT_TRUE(negative(GDT_Float32, {-10, -12, -3, 2, 1}, {}));
  EXPECT_FALSE(negative(GDT_Float32, {-9999, -9999, -9999, 2, 1}, -9999));
  EXPECT_FALSE(negative(GDT_Float32, {std::nan(""), std::nan(""), -1, 2, 1}, {}));
  EXPECT_FALSE(negative(GDT_UInt16, {1, 2, 3, 4, 5}, {}));
  EXPECT_FALSE(negative(GDT_Float32, {0, 0, 0, 0, 0}, 0.0));
}

TEST_F(RasterSourceTest, ReadersWorkInSeveralThreads) {
  const auto path = scratch / "threads.tif";
  std::vector<double> cells(256 * 256);
  for (std::size_t i = 0; i < cells.size(); ++i) cells[i] = static_cast<double>(i % 9973);
  fill(*make_tiff(path, 256, 256, 1, GDT_Float32, {"TILED=YES", "BLOCKXSIZE=64", "BLOCKYSIZE=64", "COMPRESS=DEFLATE"}),
       1, cells);
  const auto source = io.open(path, {});
  EXPECT_EQ(source->block(), (Window{0, 0, 64, 64}));
  std::vector<std::thread> threads;
  std::vector<int> wrong(4);
  for (std::size_t t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      const auto reader = source->reader();
      for (int i = 0; i < 50; ++i) {
        const Window w{(i * 13) % 190, (i * 29 + static_cast<int>(t)) % 190, 60, 60};
        const auto part = read_window<float>(*reader, w);
        for (std::int64_t y = 0; y < 60; ++y)
          for (std::int64_t x = 0; x < 60; ++x)
            wrong[t] += part[static_cast<std::size_t>(y * 60 + x)] !=
                        static_cast<float>(cells[static_cast<std::size_t>((w.y + y) * 256 + w.x + x)]);
      }
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, (std::vector<int>(4)));
}

TEST_F(RasterSourceTest, MetadataWithoutWhatIsTheFilesOwn) {
  const auto path = scratch / "m.tif";
  {
    auto d = make_tiff(path, 2, 2, 1, GDT_Byte);
    d->SetMetadataItem("ACQUISITION", "2023-06-15");
    d->SetMetadataItem("STATISTICS_MEAN", "3");
    d->SetMetadataItem("AREA_OR_POINT", "Point");
  }
  EXPECT_EQ(io.open(path, {})->metadata(), (Metadata{{"ACQUISITION", "2023-06-15"}}));
}

TEST_F(RasterSourceTest, ReadsVirtualFilesAndVrt) {
  fill(*make_tiff("/vsimem/fulmar/a.tif", 2, 1, 1, GDT_Byte), 1, {4, 5});
  EXPECT_EQ(read_all<std::uint8_t>(*io.open("/vsimem/fulmar/a.tif", {})), (std::vector<std::uint8_t>{4, 5}));
  const auto vrt =
      io.open(R"(<VRTDataset rasterXSize="2" rasterYSize="1"><VRTRasterBand dataType="Byte" band="1"><SimpleSource>)"
              R"(<SourceFilename>/vsimem/fulmar/a.tif</SourceFilename><SourceBand>1</SourceBand></SimpleSource>)"
              R"(</VRTRasterBand></VRTDataset>)",
              {});
  EXPECT_EQ(read_all<std::uint8_t>(*vrt), (std::vector<std::uint8_t>{4, 5}));
  VSIRmdirRecursive("/vsimem/fulmar");
}

TEST_F(RasterSourceTest, RealSarChipInDecibels) {
  FULMAR_NEEDS(path, "sar_ship/s1_port_losangeles_20210105_30m_db.tif");
  const auto source = io.open(path, {});
  EXPECT_EQ(source->grid().width, 756);
  EXPECT_EQ(source->grid().height, 550);
  EXPECT_EQ(source->bands()[0].nodata, 0.0);
  EXPECT_EQ(source->grid().ground().dx, 30);
  EXPECT_TRUE(source->looks_negative(0));
  const auto centre = source->grid().locator->lonlat(378, 275);
  ASSERT_TRUE(centre);
  // gdalinfo: (118d11'57.05"W, 33d42'56.59"N)
  EXPECT_NEAR(centre->lon, -(118 + 11 / 60.0 + 57.05 / 3600), 3e-6);
  EXPECT_NEAR(centre->lat, 33 + 42 / 60.0 + 56.59 / 3600, 3e-6);
}

TEST_F(RasterSourceTest, RealByteChipWithScale) {
  FULMAR_NEEDS(path, "sar_ship/s1_irishsea_20230615_dunlaoghaire_vv_db8.tif");
  const auto source = io.open(path, {});
  EXPECT_EQ(source->bands()[0].unit.symbol, "dB");
  EXPECT_EQ(source->bands()[0].offset, -25);
  EXPECT_NEAR(source->bands()[0].scale, 25.0 / 255, 1e-12);
  EXPECT_TRUE(source->grid().geographic);
  EXPECT_NEAR(source->grid().ground().dx, 10.4, 0.1);
  EXPECT_TRUE(source->looks_negative(0));
}

TEST_F(RasterSourceTest, RealDroneImageWithAlpha) {
  FULMAR_NEEDS(path, "optical/drone_bali_ortho_rgba.tif");
  const auto source = io.open(path, {});
  EXPECT_EQ(source->bands().size(), 3U);
  EXPECT_TRUE(source->bands()[0].has_mask);
  EXPECT_FALSE(source->bands()[0].nodata);
}

TEST_F(RasterSourceTest, RealSeaSurfaceTemperature) {
  FULMAR_NEEDS(path, "sst/mur_l4_20110921_california_1km.nc");
  const auto source = io.open("NETCDF:\"" + path + "\":analysed_sst", {});
  const auto& band = source->bands()[0];
  EXPECT_EQ(band.dtype, DType::i16);
  EXPECT_EQ(band.unit.symbol, "K");
  EXPECT_EQ(band.nodata, -32768);
  EXPECT_EQ(band.scale, 0.001);
  EXPECT_EQ(band.offset, 298.15);
  EXPECT_TRUE(source->grid().geographic);
  EXPECT_EQ(source->parallel_readers(), 1);
  const auto cells = read_all<std::int16_t>(*source);
  EXPECT_GT(std::count(cells.begin(), cells.end(), -32768), 0);
}

TEST_F(RasterSourceTest, LongitudesWithoutADatumAreWgs84) {
  FULMAR_NEEDS(global, "sst/oi_landmask_quarter_deg.nc");
  const auto source = io.open(global, {});
  EXPECT_TRUE(source->grid().geographic);
  EXPECT_TRUE(source->grid().wraps);
  FULMAR_NEEDS(curvilinear, "sst/modis_t_l2p_20190805_patagonia_subset.nc");
  // Longitudes of two dimensions are control points.
  const auto swath = io.open("NETCDF:\"" + curvilinear + "\":sea_surface_temperature", {});
  EXPECT_TRUE(swath->grid().geographic);
  EXPECT_FALSE(swath->grid().affine);
  EXPECT_GT(swath->grid().control_points.size(), 500U);  // of 31 x 31, where the places are known
}

TEST_F(RasterSourceTest, RealFileOfSubdatasetsListsThem) {
  FULMAR_NEEDS(path, "sst/modis_t_l2p_20190805_patagonia_subset.nc");
  const auto error = thrown([&] { return io.open(path, {}); });
  EXPECT_EQ(error.code, 3);
  EXPECT_TRUE(error.says("sea_surface_temperature") && error.says("NETCDF:")) << error.text;
}

}  // namespace
}  // namespace fulmar::test
