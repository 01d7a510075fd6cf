// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "plan/pipeline.hpp"

namespace fulmar {
namespace {

constexpr auto ships =
    "scene.tif --band 1 ! linear ! mask --with coast.tif --buffer 250 ! cfar --pfa 1e-6 ! [ mask.tif ] ! objects ! "
    "ships.gpkg --overwrite";

/// The message of the error that parsing must end in.
template <class Parse>
std::string refusal(const Parse& parse, std::string_view text) {
  try {
    parse(text);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Errc::usage);
    return e.what();
  }
  ADD_FAILURE() << "accepted: " << text.substr(0, 200);
  return "";
}
std::string text_refusal(std::string_view text) {
  return refusal([](std::string_view t) { return parse_text(t); }, text);
}
std::string json_refusal(std::string_view text) {
  return refusal([](std::string_view t) { return parse_json(t); }, text);
}

/// The one value of the one argument of the operator in the middle.
std::string value_of(std::string_view argument) {
  const Pipeline p = parse_text("a ! op " + std::string{argument} + " ! b");
  return p.at(1).arguments.at(0).value;
}

void expect_round_trips(const Pipeline& p) {
  const std::string text = to_text(p), json = to_json(p);
  EXPECT_EQ(parse_text(text), p) << text;
  EXPECT_EQ(to_text(parse_text(text)), text);
  EXPECT_EQ(parse_json(json), p) << json;
  EXPECT_EQ(to_json(parse_json(json)), json);
}

TEST(ParseTextTest, ReadsTheMainJob) {
  const Pipeline p = parse_text(ships);
  ASSERT_EQ(p.size(), 7u);
  EXPECT_EQ(p[0].kind, Step::Kind::read);
  EXPECT_EQ(p[0].name, "scene.tif");
  EXPECT_EQ(p[0].arguments.at(0).name, "band");
  EXPECT_EQ(p[2].arguments.at(0).value, "coast.tif");
  EXPECT_EQ(p[3].kind, Step::Kind::apply);
  EXPECT_EQ(p[3].arguments.at(0).value, "1e-06");
  ASSERT_EQ(p[4].kind, Step::Kind::branch);
  EXPECT_EQ(p[4].branch.at(0).kind, Step::Kind::write);
  EXPECT_EQ(p[6].kind, Step::Kind::write);
  EXPECT_EQ(p[6].arguments.at(0).value, "true");
  expect_round_trips(p);
}

TEST(ParseTextTest, SpansPointIntoTheText) {
  const std::string text = "a.tif ! cfar --pfa '1e-6' --k=v ! b.tif";
  const auto part = [&](Span s) { return text.substr(s.begin, s.end - s.begin); };
  const Pipeline p = parse_text(text);
  EXPECT_EQ(part(p[1].span), "cfar");
  EXPECT_EQ(part(p[1].arguments[0].span), "--pfa '1e-6'");
  EXPECT_EQ(part(p[1].arguments[0].name_span), "--pfa");
  EXPECT_EQ(part(p[1].arguments[1].span), "--k=v");
  EXPECT_EQ(part(p[1].arguments[1].name_span), "--k");
}

TEST(ParseTextTest, QuotesAndBackslashes) {
  EXPECT_EQ(value_of("'b1 < 0'"), "b1 < 0");
  EXPECT_EQ(value_of("\"it's\""), "it's");
  EXPECT_EQ(value_of("'say \"x\"'"), "say \"x\"");
  EXPECT_EQ(value_of("\"a \\\"b\\\" \\\\ c\""), "a \"b\" \\ c");
  EXPECT_EQ(value_of("\"C:\\data\\x\""), "C:\\data\\x");
  EXPECT_EQ(value_of("C:\\data\\x"), "C:\\data\\x");
  EXPECT_EQ(value_of("^\\d+$"), "^\\d+$");
  EXPECT_EQ(value_of("a'b c'd"), "ab cd");
  EXPECT_EQ(value_of("''"), "");
  EXPECT_EQ(value_of("'!'"), "!");
  EXPECT_EQ(value_of("a!b"), "a!b");
  EXPECT_EQ(value_of("b[1]"), "b[1]");
}

TEST(ParseTextTest, OptionsAndFlags) {
  const auto argument = [](std::string_view words) {
    return parse_text("a ! op " + std::string{words} + " ! b").at(1).arguments.at(0);
  };
  EXPECT_EQ(argument("--x 1").value, "1");
  EXPECT_EQ(argument("--x=1").value, "1");
  EXPECT_EQ(argument("--x=").value, "");
  EXPECT_EQ(argument("--x -5").value, "-5");
  EXPECT_EQ(argument("--x").value, "true");
  EXPECT_EQ(argument("--x --y 2").value, "true");
  EXPECT_EQ(argument("--x '--y'").value, "--y");
  EXPECT_EQ(argument("--x=a=b").value, "a=b");
  EXPECT_EQ(argument("'--x'").name, "");
  EXPECT_EQ(argument("'--x'").value, "--x");
  EXPECT_EQ(argument("--with [ c.tif ]").pipeline.at(0).kind, Step::Kind::read);
  EXPECT_EQ(argument("--with [ c.tif ! f ]").pipeline.at(1).kind, Step::Kind::apply);
}

TEST(ParseTextTest, SaysWhichStepsReadAndWrite) {
  EXPECT_EQ(parse_text("read a.tif --band 2 ! write b.tif"), parse_text("a.tif --band 2 ! b.tif"));
  EXPECT_EQ(parse_text("read read ! write write"), parse_text("'read' ! 'write'"));
  EXPECT_EQ(to_text(parse_text("read read ! write write")), "'read' ! 'write'");
  const Pipeline p = parse_text("a ! [ linear ! [ c ] ! write d ] ! e");
  EXPECT_EQ(p[1].branch[0].kind, Step::Kind::apply);
  EXPECT_EQ(p[1].branch[1].branch[0].kind, Step::Kind::write);
  EXPECT_EQ(p[1].branch[2].name, "d");
}

TEST(ParseTextTest, NumbersTakeTheirShortestForm) {
  EXPECT_EQ(value_of("1e-6"), "1e-06");
  EXPECT_EQ(value_of("0.50"), "0.5");
  EXPECT_EQ(value_of("100000"), "100000");
  EXPECT_EQ(value_of("-0.0"), "0");
  EXPECT_EQ(value_of("9007199254740993"), "9007199254740993");
  // What is not exactly a number, or is quoted, is a word.
  for (const char* word : {"007", "1.", ".5", "+1", "1e999", "1e-999", "nan", "0x10", "1,2", "2021-01-05"})
    EXPECT_EQ(value_of(word), word);
  EXPECT_EQ(value_of("'1.10'"), "1.10");
  EXPECT_EQ(to_text(parse_text("a ! op --layer '1.10' ! b")), "a ! op --layer '1.10' ! b");
}

TEST(ParseTextTest, SameNamesComeTogether) {
  EXPECT_EQ(to_text(parse_text("a ! b.tif --co A=1 --overwrite --co B=2")), "a ! b.tif --co A=1 --co B=2 --overwrite");
}

TEST(ParseTextTest, RefusesWhatIsNoPipeline) {
  for (const char* text : {"",
                           "   ",
                           "!",
                           "a",
                           "a !",
                           "! a",
                           "a ! ! b",
                           "a ! op ! ",
                           "a ! [ ] ! b",
                           "[ a ] ! b",
                           "a ! [ b ]",
                           "a ! [ b",
                           "a ] ! b",
                           "a ! op 'x ! b",
                           "a ! op \"x ! b",
                           "--x ! b",
                           "a ! --x ! b",
                           "a ! op -- ! b",
                           "a ! op --1 ! b",
                           "a ! op --apply x ! b",
                           "a ! op [ c ] ! b",
                           "a ! [ c ] d ! b",
                           "a ! read c ! b",
                           "a ! write c ! b",
                           "write a ! b",
                           "a ! read b",
                           "read ! b",
                           "a ! op --with [ c ! write d ] ! b",
                           "a ! op --with [ [ d ] ! c ] ! b",
                           "a ! op --with [ c ! [ d ] ] ! b",
                           "'' ! b",
                           "a x ! b",
                           "a ! b x",
                           "a ! [ read x ] ! b",
                           "a ! op --with [ ! b"})
    text_refusal(text);
}

TEST(ParseTextTest, AnInputMayGoOnWithWhatFlows) {
  const Pipeline p = parse_text("a ! op --with [ ! double --by 2 ! shift ] --with c ! b");
  const Pipeline& input = p.at(1).arguments.at(0).pipeline;
  ASSERT_EQ(input.size(), 2u);
  EXPECT_TRUE(goes_on(input));
  EXPECT_EQ(input[0].name, "double");
  EXPECT_EQ(input[1].kind, Step::Kind::apply);
  EXPECT_EQ(to_text(p), "a ! op --with [ ! double --by 2 ! shift ] --with c ! b");
  expect_round_trips(p);
  expect_round_trips(parse_text("a --with [ ! double ] ! b"));
  EXPECT_FALSE(goes_on(parse_text("a ! op --with [ c ! d ] ! b").at(1).arguments.at(0).pipeline));
  for (const auto* text : {"a ! op --with [ ! ] ! b", "a ! op --with [ ! ! c ] ! b", "a ! [ ! c ! d ] ! b",
                           "a ! op --with [ ! c ! write d ] ! b", "a ! op --with [ ! read c ] ! b"})
    text_refusal(text);
}

TEST(ParseTextTest, ShowsThePlace) {
  EXPECT_EQ(text_refusal("a.tif ! ! b.tif"),
            "there is no step between '!' and '!'\n"
            "  a.tif ! ! b.tif\n"
            "          ^");
  EXPECT_EQ(text_refusal("a.tif linear ! b.tif"),
            "a file takes no second name; is a '!' missing before this? A * that the shell is to leave alone stands in "
            "quotes\n"
            "  a.tif linear ! b.tif\n"
            "        ^^^^^^");
  EXPECT_EQ(text_refusal("a.tif !linear! b.tif"),
            "the '!' between two steps stands alone, with spaces around it\n"
            "  a.tif !linear! b.tif\n"
            "        ^^^^^^^^");
  EXPECT_EQ(text_refusal("a.tif !"),
            "there is no step after the last '!'\n"
            "  a.tif !\n"
            "         ^");
}

TEST(ParseTextTest, NestsNotForever) {
  const auto nested = [](int depth) {
    std::string text = "a";
    for (int i = 0; i < depth; ++i) text += " ! [ op";
    for (int i = 0; i < depth; ++i) text += " ! c ]";
    return text + " ! b";
  };
  expect_round_trips(parse_text(nested(32)));
  EXPECT_NE(text_refusal(nested(33)).find("nested too deeply"), std::string::npos);
}

TEST(ParseTextTest, EndsSoonOnHostileInput) {
  const auto repeat = [](std::string_view part) {
    std::string text;
    while (text.size() < (1U << 20)) text += part;
    return text;
  };
  for (const char* part : {"[ ", "! ", "a ! [ ", "x", "'", "--a ", "a ! op --w [ ", "] ", "\\", "\xff"})
    text_refusal(repeat(part));
  text_refusal("a ! op " + repeat("--x 1 ") + "! b");
  for (const char* part : {"[", "{\"a\":", "{\"pipeline\":[{\"branch\":[", "\"", "1", "[1,", "\xff", "{"})
    json_refusal(repeat(part));
  std::string keys = "{\"pipeline\":[{\"read\":\"a\"";
  for (int i = 0; i < 100000; ++i) keys += ",\"k" + std::to_string(i) + "\":1";
  json_refusal(keys + "},{\"write\":\"b\"}]}");
  // Long but sound.
  std::string long_text = "a";
  for (int i = 0; i < 100000; ++i) long_text += " ! op";
  expect_round_trips(parse_text(long_text + " ! b"));
}

TEST(ParseJsonTest, ReadsTheMainJob) {
  const Pipeline p = parse_json(R"({"$schema": "x", "pipeline": [
    {"read": "scene.tif", "band": 1}, {"apply": "linear"},
    {"apply": "mask", "with": "coast.tif", "buffer": 250.0}, {"pfa": 1e-6, "apply": "cfar"},
    {"branch": [{"write": "mask.tif"}]}, {"apply": "objects"}, {"write": "ships.gpkg", "overwrite": true}]})");
  EXPECT_EQ(p, parse_text(ships));
}

TEST(ParseJsonTest, ArraysNamelessAndNested) {
  const Pipeline p = parse_json(R"({"pipeline": [{"read": "a", "band": [1, 3]},
    {"apply": "expression", "arguments": ["b1 < 0", 5], "mask": {"pipeline": [{"read": "m"}, {"apply": "f"}]}},
    {"write": "b", "co": ["A=1", "B=2"], "layer": "1.10"}]})");
  EXPECT_EQ(
      p,
      parse_text("a --band 1 --band 3 ! expression 'b1 < 0' 5 --mask [ m ! f ] ! b --co A=1 --co B=2 --layer '1.10'"));
  expect_round_trips(p);
}

TEST(ParseJsonTest, RefusesWhatIsNoPipeline) {
  for (const char* text : {"",
                           "{",
                           "[]",
                           "{}",
                           "7",
                           "{\"pipeline\": {}}",
                           "{\"pipeline\": []}",
                           "{\"pipeline\": [{\"read\": \"a\"}]}",
                           R"({"pipeline": [{"read": "a"}, {"write": "b"}], "more": 1})",
                           R"({"pipeline": [{"read": "a"}, {"apply": "b"}]})",
                           R"({"pipeline": [{"apply": "a"}, {"write": "b"}]})",
                           R"({"pipeline": [{"read": "a"}, {"read": "c"}, {"write": "b"}]})",
                           R"({"pipeline": [{"read": 7}, {"write": "b"}]})",
                           R"({"pipeline": [{"read": ""}, {"write": "b"}]})",
                           R"({"pipeline": [{"read": "a", "apply": "x"}, {"write": "b"}]})",
                           R"({"pipeline": [{"read": "a", "band": null}, {"write": "b"}]})",
                           R"({"pipeline": [{"read": "a", "band": []}, {"write": "b"}]})",
                           R"({"pipeline": [{"read": "a", "band": [[1]]}, {"write": "b"}]})",
                           R"({"pipeline": [{"read": "a", "band": {"x": 1}}, {"write": "b"}]})",
                           R"({"pipeline": [{"read": "a", "a b": 1}, {"write": "b"}]})",
                           R"({"pipeline": [{"read": "a", "arguments": ["x"]}, {"write": "b"}]})",
                           R"({"pipeline": [{"read": "a", "band": 1, "band": 2}, {"write": "b"}]})",
                           R"({"pipeline": [{"read": "a"}, {"branch": []}, {"write": "b"}]})",
                           R"({"pipeline": [{"read": "a"}, {"branch": [{"write": "c"}], "x": 1}, {"write": "b"}]})",
                           R"({"pipeline": [{"read": "a\u0000b"}, {"write": "b"}]})",
                           R"({"pipeline": [{"read": "a", "x": 1e999}, {"write": "b"}]})"})
    json_refusal(text);
}

TEST(ParseJsonTest, NamesThePlace) {
  const auto what = json_refusal(R"({"pipeline": [{"read": "a"}, {"apply": "f", "x/y": 1}, {"write": "b"}]})");
  EXPECT_NE(what.find("/pipeline/1/x~1y"), std::string::npos) << what;
}

TEST(ParseJsonTest, CannotHoldWhatIsNotUtf8) { EXPECT_THROW(to_json(parse_text("a\xff ! b")), Error); }

TEST(JoinWordsTest, KeepsWordsWhole) {
  EXPECT_EQ(join_words({"a b.tif", "!", "op", "--x=1 2", "--y", "", "it's", "[", "c", "]", "--z=3"}),
            "'a b.tif' ! op --x='1 2' --y '' \"it's\" [ c ] --z=3");
  EXPECT_EQ(join_words({}), "");
}

TEST(UnderlineTest, MarksASpan) {
  EXPECT_EQ(underline("abc def", {4, 7}), "  abc def\n      ^^^");
  EXPECT_EQ(underline("abc", {3, 4}), "  abc\n     ^");
  EXPECT_EQ(underline("", {0, 0}), "  \n  ^");
  EXPECT_EQ(underline("a\tb\nc", {4, 5}), "  a b c\n      ^");
  EXPECT_EQ(underline("\xc3\xa9t\xc3\xa9 x", {6, 7}), "  \xc3\xa9t\xc3\xa9 x\n      ^");
}

TEST(UnderlineTest, CutsLongTexts) {
  const std::string text = std::string(1000, 'x') + "HERE" + std::string(1000, 'y');
  const std::string shown = underline(text, {1000, 1004});
  EXPECT_LT(shown.size(), 250u);
  const auto line = shown.substr(0, shown.find('\n'));
  const auto marks = shown.substr(shown.find('\n') + 1);
  EXPECT_EQ(line.substr(marks.find('^'), 4), "HERE");
  EXPECT_EQ(marks.substr(marks.find('^')), "^^^^");
  EXPECT_LT(underline(text, {0, 2000}).size(), 250u);
}

// ---- any pipeline survives both forms ----

class Maker {
 public:
  explicit Maker(std::uint32_t seed) : random_{seed} {}

  /// Steps of which the first reads (input, top) and the last writes (branch, top).
  Pipeline steps(bool reads, bool writes, int depth) {
    Pipeline p;
    if (reads) p.push_back(step(Step::Kind::read, depth));
    for (int n = below(4); n > 0; --n) {
      if (writes && depth < 3 && below(4) == 0) {
        Step branch;
        branch.kind = Step::Kind::branch;
        branch.branch = steps(false, true, depth + 1);
        p.push_back(branch);
      } else {
        p.push_back(step(Step::Kind::apply, depth));
      }
    }
    if (writes) p.push_back(step(Step::Kind::write, depth));
    return p;
  }

 private:
  int below(int n) { return static_cast<int>(random_() % static_cast<std::uint32_t>(n)); }

  std::string word(bool may_be_empty) {
    static const std::vector<std::string> odd{"!",
                                              "[",
                                              "]",
                                              "--x",
                                              "read",
                                              "write",
                                              "true",
                                              "false",
                                              "a b",
                                              "it's",
                                              "\"",
                                              "'\"'",
                                              "\\",
                                              "\\\"'",
                                              "-5",
                                              "1e-06",
                                              "1e5",
                                              "0.10",
                                              "-0",
                                              "007",
                                              "1e999",
                                              "nan",
                                              "a=b",
                                              "100000",
                                              "~/",
                                              "é",
                                              "\t",
                                              "a\nb",
                                              "1e+05",
                                              "1E5",
                                              "18446744073709551615",
                                              "123456789012345678901234567890",
                                              "{}",
                                              "null",
                                              "[1]",
                                              "--",
                                              "apply",
                                              "-0.0",
                                              "12345678901234567890",
                                              "0.1",
                                              "5e-324",
                                              "1.7976931348623157e308"};
    if (below(3) == 0) return odd[static_cast<std::size_t>(below(static_cast<int>(odd.size())))];
    std::string text;
    for (int n = below(8) + (may_be_empty ? 0 : 1); n > 0; --n) text += static_cast<char>(' ' + below(95));
    return text.empty() && !may_be_empty ? "x" : text;
  }

  Step step(Step::Kind kind, int depth) {
    Step s;
    s.kind = kind;
    s.name = word(false);
    // One name after the other, as both parsers bring them together.
    for (const char* name : {"", "alpha", "b-2", "c_d"}) {
      if (*name == '\0' && kind != Step::Kind::apply) continue;
      for (int n = below(4) - 1; n > 0; --n) {
        Argument a;
        a.name = name;
        if (*name != '\0' && kind == Step::Kind::apply && depth < 3 && below(6) == 0)
          a.pipeline = steps(true, false, depth + 1);
        else
          a.value = word(true);
        s.arguments.push_back(a);
      }
    }
    return s;
  }

  std::mt19937 random_;
};

TEST(PipelineTest, AnyPipelineSurvivesTextAndJson) {
  for (std::uint32_t seed = 1; seed <= 2000 && !::testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    expect_round_trips(Maker{seed}.steps(true, true, 0));
  }
}

TEST(PipelineTest, AnyBytesEndInAPipelineOrAnError) {
  static const std::vector<std::string> parts{"!",   "[", "]", " ",    "'", "\"", "\\",
                                              "--x", "=", "a", "read", "1", "\n", "\xff"};
  std::mt19937 random{7};
  for (int i = 0; i < 20000; ++i) {
    std::string text;
    for (auto n = random() % 24; n > 0; --n) text += parts[random() % parts.size()] + (random() % 2 == 0 ? " " : "");
    try {
      const Pipeline p = parse_text(text);
      ASSERT_EQ(parse_text(to_text(p)), p) << text;
    } catch (const Error& e) {
      ASSERT_EQ(e.code(), Errc::usage) << text;
    }
  }
}

}  // namespace
}  // namespace fulmar
