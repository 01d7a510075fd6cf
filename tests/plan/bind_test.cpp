// SPDX-License-Identifier: Apache-2.0
// What binding accepts, and what it says of what it does not: the place in the user's own text, and the cure.
#include <gtest/gtest.h>

#include "core/error.hpp"
#include "support/scene.hpp"

namespace fulmar::test {
namespace {

const Registry& registry() {
  static const Registry r = builtin_registry();
  return r;
}

struct Refusal {
  Errc code = Errc::runtime;
  std::string text;    ///< everything that was said
  std::string marked;  ///< what the caret stands under
};

class Bind : public testing::Test {
 protected:
  Bind() {
    const Grid grid = make_grid(Place::metric, 60, 40);
    add("db.tif", grid, -20, "dB");
    add("linear.tif", grid, 0.02f, "1");
    add("unsaid.tif", grid, 0.02f, "");
    add("negative.tif", grid, -18, "");
    add("flags.tif", grid, 1, "flag");
    add("dn.tif", grid, 300, "DN");
    add("nowhere.tif", make_grid(Place::unknown, 60, 40), 0.02f, "1");
    Grid other = grid;
    (*other.affine)[0] += 50;
    add("shifted.tif", other, 1, "1");
    add("smaller.tif", make_grid(Place::metric, 59, 40), 1, "1");
    other = grid;
    other.crs = "another CRS";
    add("elsewhere.tif", other, 1, "1");
    auto bands = std::make_shared<MemoryRaster>("bands.tif", grid, Window{0, 0, 64, 48});
    for (int b = 0; b < 3; ++b)
      bands->add_band({DType::f32, {}, {}, 1, 0, false, Unit{"1"}, "b" + std::to_string(b + 1)},
                      std::vector<float>(2400, 0.1f));
    io.rasters["bands.tif"] = bands;
    io.companions["coast"] = MemoryRaster::flags("coast", grid, std::vector<float>(2400));
  }
  void add(const std::string& name, const Grid& grid, float value, const std::string& unit) {
    io.rasters[name] =
        one_band(name, grid, std::vector<float>(static_cast<std::size_t>(grid.width * grid.height), value), Unit{unit});
  }
  [[nodiscard]] Graph bound(const std::string& text) const {
    return make_graph(parse_text(text), text, registry(), io, 2);
  }
  [[nodiscard]] Refusal refusal(const std::string& text) const {
    try {
      static_cast<void>(bound(text));
    } catch (const Error& e) {
      Refusal r{e.code(), e.what(), {}};
      std::vector<std::string> lines;
      for (std::size_t begin = 0; begin <= r.text.size();) {
        const auto end = std::min(r.text.find('\n', begin), r.text.size());
        lines.push_back(r.text.substr(begin, end - begin));
        begin = end + 1;
      }
      for (std::size_t i = 1; i < lines.size(); ++i) {
        const auto first = lines[i].find_first_not_of(' ');
        if (first != std::string::npos && lines[i].find_first_not_of('^', first) == std::string::npos)
          r.marked = lines[i - 1].substr(first, lines[i].size() - first);
      }
      return r;
    }
    ADD_FAILURE() << "accepted: " << text;
    return {};
  }
  void expect_refused(const std::string& text, const std::string& marked, const std::vector<std::string>& words,
                      Errc code = Errc::usage) const {
    SCOPED_TRACE(text);
    const Refusal r = refusal(text);
    EXPECT_EQ(r.code, code) << r.text;
    EXPECT_EQ(r.marked, marked) << r.text;
    for (const auto& word : words)
      EXPECT_NE(r.text.find(word), std::string::npos) << "no '" << word << "' in: " << r.text;
  }

  MemoryIo io;
};

TEST_F(Bind, AMisspeltOperator) {
  expect_refused("linear.tif ! cfra ! out.tif", "cfra", {"no operator 'cfra'", "did you mean 'cfar'"});
  expect_refused("db.tif ! liner ! cfar ! out.tif", "liner", {"did you mean 'linear'"});
  expect_refused("db.tif ! blur ! out.tif", "blur", {"no operator 'blur'"});
}

TEST_F(Bind, AMisspeltParameter) {
  expect_refused("linear.tif ! cfar --gaurd 700 ! out.tif", "--gaurd",
                 {"cfar has no parameter 'gaurd'", "did you mean 'guard'"});
  expect_refused("linear.tif ! cfar --frequency 5 ! out.tif", "--frequency",
                 {"no parameter 'frequency'", "pfa", "background"});
  expect_refused("db.tif ! linear --base 2 ! out.tif", "--base", {"no parameter", "takes none"});
}

TEST_F(Bind, AParameterOutOfRange) {
  expect_refused("linear.tif ! cfar --pfa 2 ! out.tif", "--pfa 2", {"pfa must be", "0.5"});
  expect_refused("linear.tif ! cfar --pfa 0 ! out.tif", "--pfa 0", {"pfa must be"});
  expect_refused("linear.tif ! cfar --pfa nan ! out.tif", "--pfa nan", {"pfa must be a number"});
  expect_refused("linear.tif ! cfar --pfa tiny ! out.tif", "--pfa tiny", {"'tiny'"});
  expect_refused("linear.tif ! cfar --model cauchy ! out.tif", "--model cauchy", {"ca, two_parameter, lognormal, k"});
  expect_refused("linear.tif ! cfar --model lognorml ! out.tif", "--model lognorml", {"did you mean lognormal"});
  expect_refused("linear.tif ! cfar --guard -5px ! out.tif", "--guard -5px", {"guard"});
  expect_refused("linear.tif ! cfar --pfa 1e-3 --pfa 1e-4 ! out.tif", "--pfa 1e-4", {"given twice"});
}

TEST_F(Bind, WhatIsRequiredOrTooMuch) {
  expect_refused("linear.tif ! expression ! out.tif", "expression", {"needs --formula"});
  expect_refused("linear.tif ! mask ! out.tif", "mask", {"needs --with"});
  expect_refused("linear.tif ! cfar quickly ! out.tif", "quickly", {"one word too many"});
  expect_refused("linear.tif ! cfar lognormal ! out.tif", "lognormal", {"one word too many", "say --model lognormal"});
  expect_refused("linear.tif ! expression b1 b2 ! out.tif", "b2",
                 {"one word too many", "put all of formula in quotes"});
  expect_refused("linear.tif ! cfar | objects ! out.gpkg", "|", {"parted by '!' and not by '|'"});
  expect_refused("linear.tif ! cfar !objects! out.gpkg", "!objects!", {"stands alone, with spaces around it"});
}

TEST_F(Bind, AFormulaThatDoesNotParse) {
  const Refusal r = refusal("linear.tif ! expression 'b1 +' ! out.tif");
  EXPECT_EQ(r.code, Errc::usage);
  EXPECT_EQ(r.marked, "'b1 +'") << r.text;
}

TEST_F(Bind, DecibelsIntoALinearPort) {
  expect_refused("db.tif ! cfar ! out.tif", "cfar",
                 {"cfar needs intensity in linear units", "gets dB from db.tif", "`linear`"});
  expect_refused("linear.tif ! decibel ! cfar ! out.tif", "cfar", {"gets dB from decibel", "`linear`"});
  expect_refused("linear.tif ! linear ! out.tif", "linear", {"needs value in dB", "`decibel`"});
  expect_refused("dn.tif ! cfar ! out.tif", "cfar", {"gets DN from dn.tif"});
  expect_refused("linear.tif ! objects ! out.gpkg", "objects", {"needs detection in flag"});
}

TEST_F(Bind, UnknownUnitsAreTrustedUnlessTheValuesTellOtherwise) {
  EXPECT_NO_THROW(static_cast<void>(bound("unsaid.tif ! cfar ! out.tif")));
  expect_refused("negative.tif ! cfar ! out.tif", "cfar", {"mostly negative", "`linear`", "--unit 1"});
  expect_refused("negative.tif ! mask --with coast ! cfar ! out.tif", "cfar", {"mostly negative", "negative.tif"});
  EXPECT_NO_THROW(static_cast<void>(bound("negative.tif ! linear ! cfar ! out.tif")));
}

TEST_F(Bind, GridsThatDiffer) {
  for (const char* other : {"shifted.tif", "smaller.tif", "elsewhere.tif"})
    expect_refused(std::string{"flags.tif ! objects --intensity [ "} + other + " ] ! out.gpkg", other,
                   {std::string{other} + " does not lie on the grid of flags.tif", "align --to flags.tif"});
}

TEST_F(Bind, FeaturesAndRastersIntoTheRightFiles) {
  expect_refused("flags.tif ! objects ! out.tif", "out.tif", {"objects yields features", ".gpkg", "[ out.tif ]"});
  expect_refused("linear.tif ! cfar ! out.gpkg", "out.gpkg",
                 {"out.gpkg holds features, but cfar yields a raster", "`objects`"});
  expect_refused("flags.tif ! objects ! cfar ! out.tif", "cfar", {"takes a raster, but objects yields features"});
  EXPECT_NO_THROW(static_cast<void>(bound("flags.tif ! objects ! out.png")));
}

TEST_F(Bind, ReadAndWritten) {
  expect_refused("linear.tif ! cfar ! linear.tif", "linear.tif", {"is read by this pipeline"});
  expect_refused("linear.tif ! mask --with coast ! coast", "coast", {"is read by this pipeline"});
  expect_refused("linear.tif ! cfar ! [ out.tif ] ! out.tif", "out.tif", {"is written twice"});
  io.existing.insert("out.tif");
  expect_refused("linear.tif ! cfar ! out.tif", "out.tif", {"exists already", "--overwrite"}, Errc::output);
  EXPECT_NO_THROW(static_cast<void>(bound("linear.tif ! cfar ! out.tif --overwrite")));
}

TEST_F(Bind, FilesThatAreNotThere) {
  expect_refused("absent.tif ! cfar ! out.tif", "absent.tif", {"absent.tif: no such raster"}, Errc::input);
  expect_refused("linear.tif ! mask --with nothing ! out.tif", "--with nothing", {"nothing: no such companion"},
                 Errc::input);
  expect_refused("cfar ! out.tif", "cfar", {"'cfar' is an operator", "./cfar"});
  expect_refused("linear.tif ! cfar", "cfar", {"'cfar' is an operator", "out.tif"});
}

TEST_F(Bind, Bands) {
  expect_refused("bands.tif --band 4 ! cfar ! out.tif", "--band 4",
                 {"bands.tif has 3 bands, but band 4 of it is asked for, by --band 4"}, Errc::input);
  expect_refused("linear.tif --band 2 ! cfar ! out.tif", "--band 2",
                 {"has 1 band, but band 2 of it is asked for, by --band 2"}, Errc::input);
  expect_refused("bands.tif --band 0 ! cfar ! out.tif", "--band 0", {"numbers from 1"});
  expect_refused("bands.tif --band 1,x ! cfar ! out.tif", "--band 1,x", {"numbers from 1"});
  expect_refused("bands.tif ! fill ! out.tif", "fill", {"takes one band, but bands.tif has 3", "--band 1"});
  expect_refused("linear.tif ! expression b1+b3 ! out.tif", "expression", {"names band b3, but linear.tif has 1"});
  EXPECT_EQ(bound("bands.tif ! decibel ! out.tif").products[0].bands.size(), 3u);
  EXPECT_EQ(bound("bands.tif ! cfar ! out.tif").products[0].bands.size(), 3u);
  EXPECT_EQ(bound("bands.tif --band 3,1 ! decibel ! out.tif").products[0].bands.size(), 2u);
  EXPECT_EQ(bound("bands.tif --band 2 ! cfar ! out.tif").nodes[0].band, 1);
}

TEST_F(Bind, OptionsOfFiles) {
  expect_refused("linear.tif --bnad 1 ! cfar ! out.tif", "--bnad", {"no option --bnad", "did you mean --band"});
  expect_refused("linear.tif ! cfar ! out.tif --band 1", "--band", {"--band"});
  expect_refused("linear.tif twice ! cfar ! out.tif", "twice", {"a file takes no second name", "stands in quotes"});
  expect_refused("linear.tif ! cfar ! out.tif -ot Byte", "-ot", {"two dashes", "--type u8"});
}

TEST_F(Bind, WindowsThatDoNotNest) {
  expect_refused("linear.tif ! cfar --guard 900 --background 900 ! out.tif", "--guard 900",
                 {"guard must be smaller than background"});
  expect_refused("linear.tif ! cfar --guard 9px --background 9px ! out.tif", "--guard 9px", {"9", "cells wide"});
  expect_refused("linear.tif ! cfar --target 700 ! out.tif", "--target 700", {"target must not be larger than guard"});
  expect_refused("linear.tif ! cfar --background 20000km ! out.tif", "--background 20000km",
                 {"background", "100001 cells"});
}

TEST_F(Bind, MetresNeedACellSize) {
  expect_refused("nowhere.tif ! cfar --guard 500 ! out.tif", "--guard 500",
                 {"does not tell the size of its cells", "7px"});
  EXPECT_NO_THROW(static_cast<void>(bound("nowhere.tif ! cfar --guard 5px --background 9px ! out.tif")));
}

TEST_F(Bind, DistancesAreCountedInSixteenBits) {
  Grid grid = make_grid(Place::metric, 70000, 2);
  (*grid.affine)[1] = 1;
  add("fine.tif", grid, 1, "1");
  io.companions["fine coast"] = MemoryRaster::flags("fine coast", grid, std::vector<float>(140000));
  const std::string mask = "mask --with 'fine coast' --buffer ";
  expect_refused("fine.tif ! " + mask + "65535 ! out.tif", "mask",
                 {"65535 cells of 1 m", "65534", "shorter", "coarser"});
  expect_refused("fine.tif ! " + mask + "99999 ! out.tif", "mask", {"99999 cells"});
  EXPECT_NO_THROW(static_cast<void>(bound("fine.tif ! " + mask + "65534 ! out.tif")));
}

TEST_F(Bind, WindowsBecomeOddNumbersOfCells) {
  const auto shape = [&](const std::string& step) {
    const Graph g = bound("linear.tif ! " + step + " ! out.tif");
    for (const fulmar_view& v : g.nodes.back().views)
      if (v.kind == FULMAR_VIEW_RING) return std::array<int, 4>{v.inner_x, v.inner_y, v.outer_x, v.outer_y};
    return std::array<int, 4>{};
  };
  EXPECT_EQ(shape("cfar"), (std::array{2, 2, 4, 4}));  // 500 m: 5 cells; 800 m: 8, hence 9
  EXPECT_EQ(shape("cfar --guard 501 --background 1.1km"), (std::array{3, 3, 5, 5}));
  EXPECT_EQ(shape("cfar --guard 4px --background 10px"), (std::array{2, 2, 5, 5}));
  // Cells of 84 x 111 m: as many cells along each axis as the ground asks for.
  add("geo.tif", make_grid(Place::geographic, 60, 40), 0.02f, "1");
  const Graph g = bound("geo.tif ! cfar --guard 500 --background 1000 ! out.tif");
  EXPECT_EQ(g.nodes.back().halo(0, g.grid), (Halo{6, 4}));  // 11.97 and 8.98 cells
}

TEST_F(Bind, WhatFlowsIsFoundByName) {
  const Graph g = bound("linear.tif ! mask --with coast ! cfar ! objects ! out.gpkg");
  const Node& objects = g.nodes.back();
  ASSERT_EQ(objects.inputs.size(), 3u);
  const Node& cfar = g.nodes[static_cast<std::size_t>(objects.inputs[0].node)];
  EXPECT_EQ(cfar.op->name(), "cfar");
  EXPECT_EQ(objects.inputs[1], cfar.inputs[0]) << "intensity: what cfar saw, without what is masked";
  EXPECT_EQ(objects.inputs[2], (Edge{objects.inputs[0].node, 1})) << "background: cfar's second output";
  EXPECT_EQ(g.products[0].features, static_cast<int>(g.nodes.size()) - 1);
}

TEST_F(Bind, AnOptionalInputMayStayUnconnected) {
  const Graph g = bound("flags.tif ! objects ! out.gpkg");
  EXPECT_FALSE(g.nodes.back().inputs[1].connected());
}

TEST_F(Bind, UnitsFlow) {
  EXPECT_EQ(bound("db.tif ! mask --with coast ! out.tif").nodes.back().outputs[0].unit.symbol, "dB");
  EXPECT_EQ(bound("db.tif ! linear ! out.tif").nodes.back().outputs[0].unit.symbol, "1");
  EXPECT_EQ(bound("linear.tif ! cfar ! out.tif").nodes.back().outputs[0].unit.symbol, "flag");
  EXPECT_EQ(bound("linear.tif ! cfar ! out.tif").nodes.back().outputs[0].type, DType::u8);
}

TEST_F(Bind, JsonHasNoCaretButTheSameWords) {
  const std::string json = R"({"pipeline": [{"read": "linear.tif"}, {"apply": "cfra"}, {"write": "out.tif"}]})";
  try {
    static_cast<void>(make_graph(parse_json(json), json, registry(), io, 1));
    FAIL();
  } catch (const Error& e) {
    EXPECT_NE(e.message().find("did you mean 'cfar'"), std::string::npos);
    EXPECT_EQ(e.message().find('^'), std::string::npos);
  }
}

}  // namespace
}  // namespace fulmar::test
