// SPDX-License-Identifier: Apache-2.0
#include "plan/json_schema.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validator.hpp>

#include "core/math.hpp"
#include "fulmar/op.hpp"
#include "op/apply.hpp"
#include "plan/pipeline.hpp"

namespace fulmar {
namespace {

struct Threshold {
  enum class Sides { one = 0, two = 1 };
  struct Params {
    double level = 0.5;
    std::int32_t steps = 1;
    bool invert = false;
    Width width{100};
    Sides sides = Sides::one;
  } params;
  static Schema schema() {
    return Schema{"threshold", "Mark the values above a level."}
        .input("value", units::one, "What is tested.")
        .input("weight", units::one, "What it is weighted by.", true)
        .output("flag", units::flag, "Where it is above.")
        .param("level", &Params::level, "The level.", units::one, strictly_between(0, 1))
        .param("steps", &Params::steps, "How often.", units::one, between(1, 9))
        .param("invert", &Params::invert, "Mark the values below.", units::flag, anything())
        .param("width", &Params::width, "Of the window.", above(0))
        .param("sides", &Params::sides, "Sides that count.", {"1", "2"});
  }
  bool operator()(float value) const { return value > static_cast<float>(params.level); }
};

struct Outline {
  struct Params {
    double word = 0;
  } params;
  static Schema schema() {
    return Schema{"outline", "Remove what lies inside."}
        .input("value", units::any, "The scene.")
        .companion("with", "outlines", "File of what to remove.")
        .output("value", units::any, "The rest.")
        .text<Params>(
            "formula", [](Params&, std::string_view) {}, "A formula.")
        .positional();
  }
  float operator()(float value, std::uint8_t inside) const { return inside != 0 ? missing<float> : value; }
};

class JsonSchemaTest : public ::testing::Test {
 protected:
  JsonSchemaTest() {
    const fulmar_operator* operators[] = {&op::table_of<Threshold>(), &op::table_of<Outline>()};
    Registry registry;
    registry.add({sizeof(fulmar_plugin), FULMAR_ABI_MAJOR, FULMAR_ABI_MINOR, "test", "1", "", "", "", 2, operators});
    text_ = json_schema(registry);
    document_ = nlohmann::json::parse(text_);
    valijson::SchemaParser parser;
    parser.populateSchema(valijson::adapters::NlohmannJsonAdapter{document_}, schema_);
  }

  bool accepts(const nlohmann::json& pipeline) {
    valijson::Validator validator;
    return validator.validate(schema_, valijson::adapters::NlohmannJsonAdapter{pipeline}, nullptr);
  }
  /// A pipeline of which the middle step is given.
  bool accepts_step(const char* step) {
    return accepts({{"pipeline", {{{"read", "a"}}, nlohmann::json::parse(step), {{"write", "b"}}}}});
  }
  /// The JSON form of a pipeline in text.
  bool accepts_text(const char* text) { return accepts(nlohmann::json::parse(to_json(parse_text(text)))); }

  std::string text_;
  nlohmann::json document_;
  valijson::Schema schema_;
};

TEST_F(JsonSchemaTest, AcceptsWhatTheTextSays) {
  for (const char* text :
       {"a ! b", "a --band 1 ! b", "a --with b --with [ c --band 2 ! threshold ] ! d", "a --band 1,3 --unit 1 --oo A=1 --oo B=2 ! threshold ! b --co X=1 --overwrite",
        "a ! threshold --level 0.25 --steps 2 --invert --width 7px --sides 2 ! [ c ] ! b --of GTiff",
        "a ! threshold --width 250 ! [ threshold ! c --layer x --lco A=B ] ! b",
        "a ! outline --with coast.gpkg 'b1 < 0' ! b", "a ! outline --with coast.gpkg --oo X=1 --formula 5 ! b",
        "a ! outline --with [ c ! threshold ] --formula x ! b", "a ! threshold --weight [ c ] ! b"})
    EXPECT_TRUE(accepts_text(text)) << text;
}

TEST_F(JsonSchemaTest, RefusesWhatNoOperatorTakes) {
  for (const char* step :
       {R"({"apply": "threshold", "levle": 0.5})",
        R"({"apply": "threshold", "level": 1})",
        R"({"apply": "threshold", "level": 0})",
        R"({"apply": "threshold", "level": "high"})",
        R"({"apply": "threshold", "steps": 1.5})",
        R"({"apply": "threshold", "steps": 10})",
        R"({"apply": "threshold", "invert": "maybe"})",
        R"({"apply": "threshold", "width": "7 cm"})",
        R"({"apply": "threshold", "width": 0})",
        R"({"apply": "threshold", "sides": 3})",
        R"({"apply": "threshold", "arguments": ["x"]})",
        R"({"apply": "threshold", "value": {"pipeline": [{"read": "c"}]}})",
        R"({"apply": "threshold", "weight": "c.tif"})",
        R"({"apply": "outline", "formula": "x"})",
        R"({"apply": "outline", "with": "c"})",
        R"({"apply": "outline", "with": "c", "arguments": ["x", "y"]})",
        R"({"apply": "outline", "formula": "x", "with": {"pipeline": [{"read": "c"}, {"write": "d"}]}})",
        R"({"apply": "nothing"})",
        R"({"write": "c", "co": "word"})",
        R"({"branch": [{"apply": "threshold"}]})"})
    EXPECT_FALSE(accepts_step(step)) << step;
}

TEST_F(JsonSchemaTest, RefusesWhatIsNoPipeline) {
  for (const char* text :
       {"[]", "{}", R"({"pipeline": []})", R"({"pipeline": [{"read": "a"}]})", R"({"pipeline": [{"write": "a"}]})",
        R"({"pipeline": [{"apply": "threshold"}, {"write": "b"}]})",
        R"({"pipeline": [{"read": "a"}, {"apply": "threshold"}]})",
        R"({"pipeline": [{"read": "a"}, {"read": "c"}, {"write": "b"}]})",
        R"({"pipeline": [{"read": "a", "band": 0}, {"write": "b"}]})",
        R"({"pipeline": [{"read": "a"}, {"write": "b"}], "x": 1})"})
    EXPECT_FALSE(accepts(nlohmann::json::parse(text))) << text;
}

TEST_F(JsonSchemaTest, SaysWhatAParameterIs) {
  const auto& level = document_["definitions"]["operator.threshold"]["properties"]["level"];
  EXPECT_EQ(level["default"], 0.5);
  EXPECT_EQ(level["exclusiveMinimum"], 0.0);
  EXPECT_EQ(level["exclusiveMaximum"], 1.0);
  EXPECT_NE(level["description"].get<std::string>().find("Unit: 1."), std::string::npos);
  EXPECT_EQ(document_["definitions"]["operator.threshold"]["properties"]["sides"]["default"], "1");
}

}  // namespace
}  // namespace fulmar
