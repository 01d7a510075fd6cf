// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <functional>

#include "support.hpp"

namespace fulmar::test {
namespace {

Grid plain(std::int64_t width, std::int64_t height) {
  Grid grid;
  grid.width = width;
  grid.height = height;
  return grid;
}

struct Row {
  double line;
  std::string time;
  std::vector<double> pixels;
};

std::string number(double v) {
  char text[40];
  std::snprintf(text, sizeof text, "%.12g", v);
  return text;
}

std::string list(const char* name, const std::vector<double>& values) {
  std::string text = "<" + std::string{name} + " count=\"" + std::to_string(values.size()) + "\">";
  for (const double v : values) text += number(v) + " ";
  return text + "</" + name + ">";
}

std::string calibration(const std::vector<Row>& rows, const std::function<double(double, double)>& a) {
  std::string text = "<calibration><calibrationVectorList count=\"" + std::to_string(rows.size()) + "\">";
  for (const auto& row : rows) {
    std::vector<double> values;
    for (const double p : row.pixels) values.push_back(a(row.line, p));
    text += "<calibrationVector><azimuthTime>" + row.time + "</azimuthTime><line>" + number(row.line) + "</line>" +
            list("pixel", row.pixels) + list("sigmaNought", values) + list("betaNought", values) +
            list("gamma", values) + "</calibrationVector>";
  }
  return text + "</calibrationVectorList></calibration>";
}

double plane(double line, double pixel) { return 400 + 0.03 * line - 0.01 * pixel; }

const std::vector<Row> straight{{-10, "2021-12-23T05:11:20.0", {0, 40, 90}},
                                {100, "2021-12-23T05:11:21.1", {0, 30, 60, 90}},
                                {210, "2021-12-23T05:11:22.2", {5, 90}}};

class LutTest : public ::testing::Test {
 protected:
  GdalIo io;
  Scratch scratch;

  std::shared_ptr<const RasterSource> open(const std::string& path, const Grid& grid,
                                           const std::map<std::string, std::string>& values = {},
                                           const std::string& scene = "") {
    return io.companion({"calibration", path, scene, values, {}}, grid);
  }

  Thrown refused(const std::string& text) {
    const auto path = scratch / "bad.xml";
    write_text(path, text);
    return thrown([&] { open(path, plain(10, 10)); });
  }
};

TEST_F(LutTest, ALinearTableIsAPlaneAlsoBeyondItsEnds) {
  const auto path = scratch / "linear.xml";
  write_text(path, calibration(straight, plane));
  const auto source = open(path, plain(130, 260));
  EXPECT_TRUE(source->computed());
  EXPECT_EQ(source->bands()[0].dtype, DType::f32);
  const auto cells = read_all<float>(*source);
  for (int y = 0; y < 260; ++y)
    for (int x = 0; x < 130; ++x) {
      const double truth = plane(y, x);
      ASSERT_NEAR(cells[static_cast<std::size_t>(y * 130 + x)] / truth, 1, 1e-6) << x << " " << y;
    }
}

TEST_F(LutTest, EachRowGoesByItsOwnPixels) {
  // Not a plane: a product's value between two rows whose pixels differ.
  const auto path = scratch / "bent.xml";
  const auto bent = [](double line, double pixel) { return 100 + line + (line < 50 ? 1.0 : 3.0) * pixel * pixel; };
  write_text(path,
             calibration({{0, "2021-01-01T00:00:00", {0, 10, 20}}, {100, "2021-01-01T00:00:01", {0, 16, 20}}}, bent));
  const auto cells = read_all<float>(*open(path, plain(21, 101)));
  // Row 0 at x = 12 lies between pixels 10 and 20 (values 200 and 500), row 100 between 0 and 16 (200 and 968).
  const double above = 200 + 0.2 * 300, below = 200 + 0.75 * 768;
  EXPECT_FLOAT_EQ(cells[12], static_cast<float>(above));
  EXPECT_FLOAT_EQ(cells[100 * 21 + 12], static_cast<float>(below));
  EXPECT_FLOAT_EQ(cells[25 * 21 + 12], static_cast<float>(0.75 * above + 0.25 * below));
}

TEST_F(LutTest, OffsetsPlaceASubsetInTheWholeProduct) {
  const auto path = scratch / "offset.xml";
  write_text(path, calibration(straight, [](double l, double p) { return 500 + l * l * 0.01 + p * p * 0.02; }));
  const auto whole = read_all<float>(*open(path, plain(130, 260)));
  const auto part = read_all<float>(*open(path, plain(50, 60), {{"line-offset", "90"}, {"sample-offset", "25"}}));
  for (int y = 0; y < 60; ++y)
    for (int x = 0; x < 50; ++x)
      ASSERT_EQ(part[static_cast<std::size_t>(y * 50 + x)], whole[static_cast<std::size_t>((y + 90) * 130 + x + 25)]);
}

TEST_F(LutTest, BytesDoNotDependOnTheWindow) {
  const auto path = scratch / "window.xml";
  write_text(path, calibration(straight, [](double l, double p) { return 500 + l * l * 0.01 + p * p * 0.02; }));
  const auto source = open(path, plain(130, 260));
  const auto whole = read_all<float>(*source);
  const auto reader = source->reader();
  for (const auto& w : {Window{0, 0, 1, 1}, {29, 95, 33, 20}, {1, 209, 129, 51}, {60, 99, 1, 3}, {129, 0, 1, 260}}) {
    const auto part = read_window<float>(*reader, w);
    for (std::int64_t y = 0; y < w.height; ++y)
      for (std::int64_t x = 0; x < w.width; ++x)
        ASSERT_EQ(part[static_cast<std::size_t>(y * w.width + x)],
                  whole[static_cast<std::size_t>((w.y + y) * 130 + w.x + x)]);
  }
}

TEST_F(LutTest, AzimuthTimeFromTheAnnotation) {
  // Vectors whose lines are rounded: in time, line 50 lies at 0.4 of the way from one to the next, in lines at 0.5.
  std::filesystem::create_directories(scratch / "annotation/calibration");
  std::filesystem::create_directories(scratch / "measurement");
  const auto path = scratch / "annotation/calibration/calibration-s1.xml";
  write_text(path,
             calibration({{0, "2021-12-31T23:59:59.000000", {0, 10}}, {100, "2022-01-01T00:00:01.500000", {0, 10}}},
                         [](double line, double) { return 100 + line; }));
  EXPECT_FLOAT_EQ(read_all<float>(*open(path, plain(1, 51)))[50], 150);
  write_text(scratch / "annotation/s1.xml",
             "<product><imageAnnotation><imageInformation>"
             "<productFirstLineUtcTime>2021-12-31T23:59:59.000000</productFirstLineUtcTime>"
             "<productLastLineUtcTime>2022-01-01T00:00:01.000000</productLastLineUtcTime>"
             "<numberOfLines>101</numberOfLines></imageInformation></imageAnnotation></product>");
  EXPECT_FLOAT_EQ(read_all<float>(*open(path, plain(1, 51)))[50], 140);
  // Found beside the scene, as in a SAFE folder.
  write_text(scratch / "measurement/s1.tiff", "x");
  EXPECT_FLOAT_EQ(read_all<float>(*open("", plain(1, 51), {}, scratch / "measurement/s1.tiff"))[50], 140);
  write_text(scratch / "annotation/s1.xml", "<product/>");
  EXPECT_EQ(thrown([&] { open(path, plain(1, 51)); }).code, 3);
}

TEST_F(LutTest, NotFoundBesideTheScene) {
  const auto error = thrown([&] { open("", plain(4, 4), {}, scratch / "measurement/s1.tiff"); });
  EXPECT_EQ(error.code, 2);
  EXPECT_TRUE(error.says("annotation/calibration/calibration-s1.xml") && error.says("--with")) << error.text;
}

TEST_F(LutTest, DamagedTablesAreRefused) {
  const auto good = calibration(straight, plane);
  const auto replaced = [&](const std::string& from, const std::string& to) {
    auto text = good;
    const auto at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return text.replace(at, from.size(), to);
  };
  for (std::size_t size = 0; size + 1 < good.size(); size += 37)
    EXPECT_EQ(refused(good.substr(0, size)).code, 3) << size;
  EXPECT_EQ(refused("<calibration/>").code, 3);
  EXPECT_EQ(refused("<calibration><calibrationVectorList count=\"0\"/></calibration>").code, 3);
  EXPECT_EQ(refused(replaced("count=\"3\">0 40 90", "count=\"4\">0 40 90")).code, 3);
  EXPECT_EQ(refused(replaced("count=\"3\">0 40 90", "count=\"99999999999999999999\">0 40 90")).code, 3);
  EXPECT_EQ(refused(replaced("0 40 90", "0 40 40")).code, 3);
  EXPECT_EQ(refused(replaced("0 40 90", "0 90 40")).code, 3);
  EXPECT_EQ(refused(replaced("0 40 90", "0 nan 90")).code, 3);
  EXPECT_EQ(refused(replaced("0 40 90", "0 x 90")).code, 3);
  EXPECT_EQ(refused(replaced("<pixel count=\"3\">0 40 90", "<pixel>0 40")).code, 3);
  EXPECT_EQ(refused(replaced("<line>100", "<line>-10")).code, 3);
  EXPECT_EQ(refused(replaced("<line>100", "<line>")).code, 3);
  EXPECT_EQ(refused(replaced("05:11:21.1", "05:71:21.1")).code, 3);
  EXPECT_EQ(refused(replaced("05:11:21.1", "")).code, 3);
  EXPECT_EQ(refused(replaced("399.7", "-399.7")).code, 3);
  EXPECT_EQ(refused(replaced("399.7", "1e999")).code, 3);
  EXPECT_EQ(refused(replaced("VectorList count=\"3\"", "VectorList count=\"4\"")).code, 3);
  std::string deep;
  for (int i = 0; i < 200000; ++i) deep += "<a>";
  EXPECT_EQ(refused(deep).code, 3);
  EXPECT_EQ(thrown([&] { open(scratch / "absent.xml", plain(4, 4)); }).code, 3);
}

TEST_F(LutTest, WrongValuesAreRefused) {
  const auto path = scratch / "ok.xml";
  write_text(path, calibration(straight, plane));
  EXPECT_EQ(thrown([&] { open(path, plain(4, 4), {{"lut", "theta"}}); }).code, 2);
  EXPECT_EQ(thrown([&] { open(path, plain(4, 4), {{"line-offset", "1.5"}}); }).code, 2);
  EXPECT_EQ(thrown([&] { open(path, plain(4, 4), {{"sample-offset", "99999999999999999999"}}); }).code, 2);
  EXPECT_EQ(thrown([&] { open(path, plain(4, 4), {{"line-offset", "-9223372036854775808"}}); }).code, 2);
}

TEST_F(LutTest, RealTableOfRome) {
  FULMAR_NEEDS(path, "sar_cal/s1b_grd_20211223_rome_calibration_vv.xml.gz");
  const auto source = open(path, plain(26102, 16705));
  const auto reader = source->reader();
  // At the nodes of line 0 and 668, the numbers of the file.
  EXPECT_EQ(read_window<float>(*reader, {0, 0, 1, 1})[0], 6.638558e+02F);
  EXPECT_EQ(read_window<float>(*reader, {40, 0, 1, 1})[0], 6.635805e+02F);
  EXPECT_EQ(read_window<float>(*reader, {80, 668, 1, 1})[0], 6.633057e+02F);
  // A quarter of the way from pixel 40 to 80, along line 0: 663.5805 + (663.3057 - 663.5805) / 4.
  EXPECT_NEAR(read_window<float>(*reader, {50, 0, 1, 1})[0], 663.5118, 1e-4);
  // Both lines hold the same values here, so between them too.
  EXPECT_NEAR(read_window<float>(*reader, {50, 334, 1, 1})[0], 663.5118, 1e-4);
  EXPECT_EQ(read_window<float>(*open(path, plain(100, 100), {{"lut", "beta"}})->reader(), {0, 0, 1, 1})[0],
            4.739733e+02F);
  EXPECT_EQ(read_window<float>(*open(path, plain(100, 100), {{"lut", "gamma"}})->reader(), {40, 0, 1, 1})[0],
            6.154041e+02F);
}

}  // namespace
}  // namespace fulmar::test
