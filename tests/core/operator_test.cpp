// SPDX-License-Identifier: Apache-2.0
#include "op/operator.hpp"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "core/math.hpp"
#include "fulmar/op.hpp"
#include "op/apply.hpp"

namespace fulmar {
namespace {

struct Scale {
  enum class Mode { near, far };
  struct Params {
    double factor = 2;
    std::int32_t steps = 3;
    bool invert = false;
    Width width{100};
    Mode mode = Mode::near;
  } params;
  static Schema schema() {
    return Schema{"scale", "Multiply the values."}
        .input("value", units::one, "What is multiplied.")
        .input("flag", units::flag, "Where.")
        .output("value", units::one, "The product.")
        .output("touched", units::flag, "Where it was done.")
        .param("factor", &Params::factor, "By how much.", units::one, strictly_between(0, 10))
        .param("steps", &Params::steps, "How often.", units::one, between(1, 9))
        .param("invert", &Params::invert, "Divide instead.", units::flag, anything())
        .param("width", &Params::width, "Of the window.", above(0))
        .param("mode", &Params::mode, "Which way.", {"near", "far"})
        .example("a.tif ! scale --factor 3 ! b.tif")
        .cites("Euclid, Elements, book VII");
  }
  Both<float, std::uint8_t> operator()(float value, std::uint8_t flag) const {
    return {value * static_cast<float>(params.factor), flag};
  }
};

struct Sloppy {
  struct Params {
    double gain = 1;
  } params;
  static Schema schema() {
    return Schema{"Sloppy_", "The sloppy one"}
        .input("value", units::any, "In")
        .output("value", units::any, "Out.")
        .param("gain", &Params::gain, "Gain", "", anything());
  }
  float operator()(float value) const { return value; }
};

Operator scale() { return {op::table_of<Scale>(), "test"}; }

const Param& param_of(const Operator& op, std::string_view name) {
  const Param* p = op.param(name);
  if (p == nullptr) fail(Errc::usage, "no such parameter");
  return *p;
}

std::string trouble(const Param& param, const std::string& text) {
  try {
    parse_param(param, text);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Errc::usage);
    return e.message();
  }
  return "";
}

fulmar_plugin plugin_of(const char* name, const fulmar_operator* const* operators, std::uint32_t count) {
  return {
      sizeof(fulmar_plugin), FULMAR_ABI_MAJOR, FULMAR_ABI_MINOR, name, "1", "Apache-2.0", "test", "", count, operators};
}

TEST(OperatorTest, ReadsItsSchema) {
  const Operator op = scale();
  EXPECT_EQ(op.name(), "scale");
  EXPECT_EQ(op.kind(), "cellwise");
  EXPECT_EQ(op.summary(), "Multiply the values.");
  EXPECT_EQ(op.agrees(), "exactly");
  EXPECT_FALSE(op.variadic());
  ASSERT_EQ(op.inputs().size(), 2u);
  EXPECT_EQ(op.inputs()[0].type, DType::f32);
  EXPECT_EQ(op.inputs()[1].type, DType::u8);
  ASSERT_EQ(op.outputs().size(), 2u);
  EXPECT_EQ(op.outputs()[1].type, DType::u8);
  EXPECT_EQ(op.outputs()[0].unit, Unit{"1"});
  EXPECT_EQ(param_of(op, "factor").fallback, "2");
  EXPECT_EQ(param_of(op, "mode").fallback, "near");
  EXPECT_EQ(param_of(op, "invert").fallback, "false");
  EXPECT_EQ(param_of(op, "width").type, ParamType::length);
  EXPECT_EQ(op.param("nothing"), nullptr);
}

TEST(OperatorTest, DefaultsAreValuesOfTheirParameters) {
  const Operator op = scale();
  for (const Param& p : op.params()) EXPECT_EQ(trouble(p, p.fallback), "") << p.name;
}

TEST(OperatorTest, RefusesWhatIsNotASchema) {
  fulmar_operator table = op::table_of<Scale>();
  for (const char* schema : {"", "[]", "{", "{\"name\":\"x\"}", "{\"name\":7}"}) {
    table.schema = schema;
    EXPECT_THROW((Operator{table, "test"}), Error) << schema;
  }
  table = op::table_of<Scale>();
  table.run = nullptr;
  EXPECT_THROW((Operator{table, "test"}), Error);
  table = op::table_of<Scale>();
  table.kind = FULMAR_KIND_FOCAL;  // its schema says cellwise
  EXPECT_THROW((Operator{table, "test"}), Error);
  table = op::table_of<Scale>();
  table.size = 8;
  EXPECT_THROW((Operator{table, "test"}), Error);
}

/// A table that another program made: its schema is all that tells what it is.
std::string trouble_of(std::uint32_t kind, const std::string& ports, const std::string& params) {
  fulmar_operator table = op::table_of<Scale>();
  table.kind = kind;
  const std::string schema = std::string{"{\"name\":\"other\",\"summary\":\"Do it.\",\"kind\":\""} +
                             (kind == FULMAR_KIND_WARPING   ? "warping"
                              : kind == FULMAR_KIND_TABULAR ? "tabular"
                                                            : "cellwise") +
                             "\",\"example\":\"a ! other ! b\",\"agrees\":\"exactly\",\"cites\":[\"x\"]," + ports +
                             ",\"params\":[" + params + "]}";
  table.schema = schema.c_str();
  table.tabulate = [](const void*, const fulmar_table*, std::uint32_t, const fulmar_table_writer*, fulmar_error*) {
    return 0;
  };
  try {
    const Operator made{table, "test"};
    return "";
  } catch (const Error& e) {
    return e.what();
  }
}

TEST(OperatorTest, TablesOfWarpingOperatorsAreChecked) {
  const std::string port = R"({"name":"value","unit":"*","description":"It."})";
  const std::string ports =
      "\"inputs\":[" + port + "],\"outputs\":[" + port + R"(],"input_types":"f","output_types":"f")";
  const std::string how =
      R"({"name":"resample","type":"choice","unit":"","description":"How.","default":"nearest","choices":["nearest","bilinear","cubic","lanczos","average"]})";
  const std::string crs = R"({"name":"crs","type":"text","unit":"","description":"Where.","default":""})";
  EXPECT_EQ(trouble_of(FULMAR_KIND_WARPING, ports, how + "," + crs), "");
  const auto find = [](const std::string& said, const char* words) {
    EXPECT_NE(said.find(words), std::string::npos) << said;
    EXPECT_NE(said.find("other"), std::string::npos) << said;
  };
  find(trouble_of(FULMAR_KIND_WARPING, ports, how), "'to'");
  find(trouble_of(FULMAR_KIND_WARPING, ports, crs), "'resample'");
  find(trouble_of(FULMAR_KIND_WARPING, ports,
                  crs + R"(,{"name":"resample","type":"choice","unit":"","description":"How.","choices":["best"]})"),
       "'resample'");
  find(trouble_of(FULMAR_KIND_WARPING, ports,
                  how + "," + crs + R"(,{"name":"resolution","type":"text","unit":"","description":"Size."})"),
       "'resolution'");
}

TEST(OperatorTest, TablesOfTabularOperatorsAreChecked) {
  const std::string raster = R"({"name":"value","unit":"*","description":"It."})",
                    table = R"({"name":"rows","unit":"*","description":"It.","table":true})";
  const auto ports = [](const std::string& in, const std::string& out) {
    return "\"inputs\":[" + in + "],\"outputs\":[" + out + R"(],"input_types":"t","output_types":"t")";
  };
  EXPECT_EQ(trouble_of(FULMAR_KIND_TABULAR, ports(table, table), ""), "");
  EXPECT_NE(trouble_of(FULMAR_KIND_TABULAR, ports(raster, table), "").find("is no table"), std::string::npos);
  EXPECT_NE(trouble_of(FULMAR_KIND_TABULAR, ports(table, raster), "").find("is no table"), std::string::npos);
  EXPECT_NE(trouble_of(FULMAR_KIND_CELLWISE, ports(table, raster), "").find("only a tabular operator"),
            std::string::npos);
}

TEST(OperatorTest, LintPraisesAndBlames) {
  EXPECT_EQ(scale().lint(), std::vector<std::string>{});
  const std::vector<std::string> expected{
      "the name is not lower-case words joined by - or _",
      "the summary does not begin with a verb, as in: Detect ships.",
      "the summary does not end with a period",
      "no example that names the operator",
      "no source is cited",
      "input value: the description does not end with a period",
      "parameter gain: the description does not end with a period",
      "parameter gain: it has no unit",
      "parameter gain: it has no range",
  };
  EXPECT_EQ((Operator{op::table_of<Sloppy>(), "test"}.lint()), expected);
}

TEST(ParamTest, RangesInWords) {
  Param p;
  EXPECT_EQ(p.range(), "");
  p.minimum = 0, p.maximum = 1;
  EXPECT_EQ(p.range(), "in [0, 1]");
  p.maximum.reset();
  EXPECT_EQ(p.range(), "at least 0");
  p.below = 2;
  EXPECT_EQ(p.range(), "at least 0 and below 2");
  p.minimum.reset(), p.below.reset(), p.above = 1e-300;
  EXPECT_EQ(p.range(), "above 1e-300");
}

TEST(ParamTest, Numbers) {
  const Operator op = scale();
  const Param& factor = param_of(op, "factor");
  EXPECT_EQ(parse_param(factor, "1e-6").number, 1e-6);
  EXPECT_EQ(parse_param(factor, "1e-6").text, "1e-6");
  EXPECT_EQ(parse_param(factor, ".5").number, 0.5);
  EXPECT_EQ(trouble(factor, "0"), "factor must be above 0 and below 10, not 0");
  EXPECT_EQ(trouble(factor, "10"), "factor must be above 0 and below 10, not 10");
  EXPECT_EQ(trouble(factor, "abc"), "factor must be a number, not 'abc'");
  for (const char* bad : {"", " 1", "1 ", "nan", "inf", "-inf", "0x1p3", "1,5", "1e", "1x", "--1", "1e999"})
    EXPECT_NE(trouble(factor, bad), "") << bad;
  EXPECT_LT(trouble(factor, std::string(1 << 20, '9')).size(), 200u);
}

TEST(ParamTest, Integers) {
  const Operator op = scale();
  const Param& steps = param_of(op, "steps");
  EXPECT_EQ(parse_param(steps, "9").number, 9);
  EXPECT_EQ(parse_param(steps, "0.9e1").number, 9);  // as a JSON number may be written
  EXPECT_EQ(trouble(steps, "1.5"), "steps must be a whole number, not '1.5'");
  EXPECT_EQ(trouble(steps, "10"), "steps must be in [1, 9], not 10");
  Param any;
  any.name = "n", any.type = ParamType::integer;
  EXPECT_EQ(parse_param(any, "-9007199254740992").number, -9007199254740992.0);
  EXPECT_NE(trouble(any, "9007199254740994"), "");
}

TEST(ParamTest, Booleans) {
  const Operator op = scale();
  const Param& invert = param_of(op, "invert");
  for (const char* yes : {"true", "yes", "1"}) EXPECT_EQ(parse_param(invert, yes).number, 1) << yes;
  for (const char* no : {"false", "no", "0"}) EXPECT_EQ(parse_param(invert, no).number, 0) << no;
  EXPECT_EQ(trouble(invert, "maybe"), "invert must be true or false, not 'maybe'");
}

TEST(ParamTest, Lengths) {
  const Operator op = scale();
  const Param& width = param_of(op, "width");
  EXPECT_EQ(parse_param(width, "250").number, 250);
  EXPECT_FALSE(parse_param(width, "250").cells);
  EXPECT_EQ(parse_param(width, "250m").number, 250);
  EXPECT_EQ(parse_param(width, "250 m").number, 250);
  EXPECT_EQ(parse_param(width, "0.25km").number, 250);
  EXPECT_EQ(parse_param(width, "7px").number, 7);
  EXPECT_TRUE(parse_param(width, "7px").cells);
  EXPECT_EQ(trouble(width, "0"), "width must be above 0, not 0");
  EXPECT_EQ(trouble(width, "0px"), "width must be above 0, not 0");
  for (const char* bad : {"", "px", "m", "7 cm", "7pxm", "nanpx", "7mm"}) EXPECT_NE(trouble(width, bad), "") << bad;
}

TEST(ParamTest, Choices) {
  const Operator op = scale();
  const Param& mode = param_of(op, "mode");
  EXPECT_EQ(parse_param(mode, "far").number, 1);
  EXPECT_EQ(trouble(mode, "fra"), "mode must be one of near, far, not 'fra'; did you mean far?");
  EXPECT_EQ(trouble(mode, "sideways"), "mode must be one of near, far, not 'sideways'");
}

TEST(RegistryTest, AddsAllOrNone) {
  const std::array both{&op::table_of<Scale>(), &op::table_of<Sloppy>()};
  Registry registry;
  registry.add(plugin_of("one", both.data() + 1, 1));
  EXPECT_THROW(registry.add(plugin_of("two", both.data(), 2)), Error);  // Sloppy_ is taken
  EXPECT_EQ(registry.names(), std::vector<std::string>{"Sloppy_"});
  registry.add(plugin_of("three", both.data(), 1));
  ASSERT_NE(registry.find("scale"), nullptr);
  EXPECT_EQ(registry.find("scale")->plugin(), "three");
  EXPECT_EQ(registry.find("none"), nullptr);
}

TEST(RegistryTest, RefusesAnotherContract) {
  const fulmar_operator* operators[] = {&op::table_of<Scale>()};
  fulmar_plugin plugin = plugin_of("future", operators, 1);
  plugin.abi_major = FULMAR_ABI_MAJOR + 1;
  Registry registry;
  try {
    registry.add(plugin);
    FAIL() << "a plugin of another contract was taken";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Errc::usage);
    EXPECT_NE(e.message().find("version 2."), std::string::npos) << e.message();
  }
}

TEST(NearestTest, OffersWhatMayBeMeant) {
  const std::vector<std::string> names{"cfar", "mask", "linear", "objects", "min-valid", "k"};
  EXPECT_EQ(nearest("cfra", names), "cfar");
  EXPECT_EQ(nearest("CFAR", names), "cfar");
  EXPECT_EQ(nearest("liner", names), "linear");
  EXPECT_EQ(nearest("min_valid", names), "min-valid");
  EXPECT_EQ(nearest("object", names), "objects");
  EXPECT_EQ(nearest("xyz", names), "");
  EXPECT_EQ(nearest("", names), "");
  EXPECT_EQ(nearest("q", names), "");
  EXPECT_EQ(nearest(std::string(1 << 20, 'c'), names), "");
  EXPECT_EQ(nearest("cfar", {}), "");
}

}  // namespace
}  // namespace fulmar
