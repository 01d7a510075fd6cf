// SPDX-License-Identifier: Apache-2.0
/// @file
/// Compiled band expressions against libmuparser, the missing-value rule, and what hostile text does.
#include "common/expression_program.hpp"

#include <gtest/gtest.h>
#include <muParser.h>

#include <array>
#include <chrono>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

namespace fulmar::expression {
namespace {

using Bands = std::array<double, max_bands>;
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

/// muParser over the same bands. Its constant _pi is redefined: Debian's build cuts it to 13 digits.
class Oracle {
 public:
  explicit Oracle(const std::string& text) {
    parser_.ClearConst();
    parser_.DefineConst("_pi", 3.14159265358979323846);
    parser_.DefineConst("_e", 2.71828182845904523536);
    for (int i = 0; i < max_bands; ++i) parser_.DefineVar(std::string{"b"} + std::to_string(i + 1), &bands_[i]);
    parser_.SetExpr(text);
  }
  double operator()(const Bands& bands) {
    bands_ = bands;
    const double y = parser_.Eval();
    return std::isfinite(y) ? y : nan;
  }

 private:
  Bands bands_{};
  mu::Parser parser_;
};

bool close(double a, double b, double tolerance) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  return std::fabs(a - b) <= tolerance;
}

/// The message of the error that compiling `text` throws, or "" if it compiles.
std::string refusal(std::string_view text, int bands = max_bands) {
  try {
    compile(text, bands);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Errc::usage);
    return e.message();
  }
  return "";
}

TEST(ExpressionProgram, means_what_muparser_means) {
  const std::vector<std::string> texts{"b1",
                                       "-b1^2",
                                       "-2^2",
                                       "2^-b1^2",
                                       "-b1^-b2",
                                       "2^3^2",
                                       "b1^b2^0.5",
                                       "2^-b1*b2",
                                       "-b1*b2+b3",
                                       "b1--b2^2",
                                       "3*-b2^2",
                                       "3^-2^2",
                                       "+b1",
                                       "2--b1",
                                       "b1-b2-b3",
                                       "b1/b2/b3",
                                       "b1-(b2-b3)",
                                       "1.5e2*b1 + .5 - 3.",
                                       "1<2<3",
                                       "2==2>1",
                                       "b1<b2==b2>b1",
                                       "1||0&&0",
                                       "(1||0)&&0",
                                       "5||0",
                                       "2&&3",
                                       "b1>1&&b2>1||b3>1",
                                       "b1?b2:b3",
                                       "0?2:0?4:5",
                                       "1?0?1:2:3",
                                       "b1>b2?b1-b2:b2>b3?b2-b3:b3-b1",
                                       "b1 <= b2 ? 1 : 0",
                                       "b1>=b1",
                                       "b1!=b1",
                                       "log(b1)",
                                       "ln(b1)",
                                       "log10(b1)",
                                       "log2(b1)",
                                       "exp(-b1^2)",
                                       "sqrt(b1)+sqrt(b2)",
                                       "abs(b4)",
                                       "sign(b4)",
                                       "sign(0)",
                                       "rint(2.5)",
                                       "rint(-2.5)",
                                       "rint(b4)",
                                       "rint(b1*10)/10",
                                       "min(b1,b2,b3)",
                                       "max(b3,b2,b1,b4)",
                                       "sum(b1,b2,b3,1)",
                                       "avg(b1,b2,b3)",
                                       "avg(b1)",
                                       "min(b1)",
                                       "(b2-b1)/(b2+b1)",
                                       "2.5*(b2-b1)/(b2+6*b1-7.5*b3+1)",
                                       "10*log10(b1)",
                                       "atan2(b4,b1)",
                                       "sin(b1)^2+cos(b1)^2",
                                       "tan(b1)",
                                       "asin(b3/10)",
                                       "acos(b3/10)",
                                       "atan(b4)",
                                       "sinh(b1)",
                                       "cosh(b4)",
                                       "tanh(b4)",
                                       "_pi*b1^2",
                                       "_e^b1",
                                       "((((b1))))",
                                       "  b1\t+ b2 \n",
                                       "b1/0",
                                       "0/0",
                                       "log(-1)",
                                       "-b1==2",
                                       "sqrt(b4)",
                                       "(b1>0.5)*b2+(b1<=0.5)*b3",
                                       "sin(cos(min(b1,b2)))",
                                       "sum(min(b1,b2),max(b1,b2))*2"};
  const std::array<Bands, 4> cells{{{2.0, 3.0, 5.0, -0.5, 7.0, 0.25, 1.0, 9.0},
                                    {0.31, 0.44, 0.12, -3.5, 0.9, 2.0, 1.0, 0.5},
                                    {1.0, 1.0, 1.0, 1.5, 1.0, 1.0, 1.0, 1.0},
                                    {0.7, 0.2, 8.5, -2.49, 0.0, 4.0, 2.0, 3.0}}};
  for (const auto& text : texts) {
    const Program program = compile(text);
    Oracle oracle{text};
    for (const Bands& bands : cells) {
      const double want = oracle(bands), got = evaluate(program, bands.data());
      EXPECT_TRUE(close(got, want, 1e-13 * std::fabs(want) + 1e-15)) << text << ": " << got << ", muParser " << want;
    }
  }
}

/// Random valid expressions. Exponents are small constants and angles stay small, so that no value explodes.
class Generator {
 public:
  explicit Generator(std::uint64_t seed) : random_{seed} {}
  std::string operator()(int depth) {
    if (depth == 0 || pick(8) == 0) return leaf();
    const auto sub = [&] { return (*this)(depth - 1); };
    switch (pick(11)) {
      case 0:
      case 1:
      case 2: {
        static constexpr const char* operators[] = {"+", "-", "*", "/", " + ", " * "};
        return sub() + operators[pick(6)] + sub_operand(depth);
      }
      case 3:
        return std::string{"("} + sub() + ")";
      case 4:
        return std::string{"-"} + operand(depth);  // only where no sign precedes; the caller sees to that
      case 5: {
        static constexpr const char* comparisons[] = {"<", ">", "<=", ">=", "==", "!="};
        return std::string{"("} + sub() + comparisons[pick(6)] + sub() + ")";
      }
      case 6:
        // A band on the left: muParser folds constants by cutting them to integers first (0.5&&2 is 0 there).
        return std::string{"(b"} + std::to_string(1 + pick(max_bands)) + (pick(2) ? "&&" : "||") + sub() + ")";
      case 7:
        return std::string{"("} + sub() + "?" + sub() + ":" + sub() + ")";
      case 8: {
        static constexpr const char* exponents[] = {"2", "3", "0.5", "-1", "-2", "1.7", "2^2"};
        return operand(depth) + "^" + exponents[pick(7)];
      }
      case 9: {
        static constexpr const char* functions[] = {"sin",  "cos",  "atan", "tanh", "abs",  "sqrt",  "log",
                                                    "sign", "rint", "exp",  "ln",   "log2", "log10", "asin"};
        return std::string{functions[pick(14)]} + "(" + sub() + ")";
      }
      default: {
        static constexpr const char* functions[] = {"min", "max", "sum", "avg"};
        std::string text = std::string{functions[pick(4)]} + "(" + sub();
        for (int n = pick(4); n > 0; --n) text += "," + sub();
        return text + ")";
      }
    }
  }

 private:
  int pick(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }
  std::string leaf() {
    static constexpr const char* constants[] = {"1", "2", "0.5", "3.25", "1e-2", "10", "_pi", "_e"};
    return pick(3) ? std::string{"b"} + std::to_string(1 + pick(max_bands)) : constants[pick(8)];
  }
  std::string operand(int depth) { return pick(2) ? leaf() : std::string{"("} + (*this)(depth - 1) + ")"; }
  std::string sub_operand(int depth) { return operand(depth) + (pick(4) ? "" : "*" + operand(depth)); }
  std::mt19937_64 random_;
};

TEST(ExpressionProgram, agrees_with_muparser_on_random_expressions) {
  std::mt19937_64 random{99};
  std::uniform_real_distribution<double> uniform{0.05, 4.0};
  int compared = 0, undecided = 0, finite = 0;
  for (std::uint64_t seed = 1; seed <= 4000; ++seed) {
    const std::string text = Generator{seed}(4);
    Program program;
    try {
      program = compile(text);
    } catch (const Error& e) {
      // The only thing that may be wrong with such text is its size.
      ASSERT_NE(e.message().find("more than"), std::string::npos) << "seed " << seed << "\n" << e.message();
      continue;
    }
    Oracle oracle{text};
    for (int cell = 0; cell < 8; ++cell) {
      Bands bands;
      for (double& b : bands) b = uniform(random);
      const double want = oracle(bands), got = evaluate(program, bands.data());
      // How far the oracle itself moves when its bands move by some roundings: what cancellation, steps and comparisons
      // make of an ulp. Where that is much, there is nothing to compare.
      double spread = 0.0;
      bool stable = true;
      for (const double nudge : {1e-13, -1e-13, 3e-14, -2e-13}) {
        Bands moved = bands;
        for (int i = 0; i < max_bands; ++i) moved[i] *= 1.0 + nudge * (1 + i % 3);
        const double y = oracle(moved);
        if (std::isnan(y) != std::isnan(want)) stable = false;
        if (!std::isnan(y) && !std::isnan(want)) spread = std::max(spread, std::fabs(y - want));
      }
      if (!stable || spread > 1e-6 * std::fabs(want)) {
        ++undecided;
        continue;
      }
      ++compared;
      finite += std::isfinite(want);
      // A constant subexpression next to a step does not move with the bands; hence the small allowance.
      ASSERT_TRUE(close(got, want, 10.0 * spread + 1e-11 * std::fabs(want) + 1e-13))
          << "seed " << seed << ": " << text << "\n"
          << got << ", muParser " << want;
    }
  }
  EXPECT_GT(compared, 20'000);
  EXPECT_GT(finite, 15'000);
  EXPECT_LT(undecided, compared / 4);
}

TEST(ExpressionProgram, pack_and_double_give_the_same_bits) {
  std::mt19937_64 random{5};
  std::uniform_real_distribution<double> uniform{-2.0, 5.0};
  std::vector<std::string> texts{"tan(b1)+sinh(b2)+cosh(b3)+acos(b4/5)+asin(b5/5)+atan2(b6,b7)+rint(b8)", "b1^b2", "3",
                                 "b1<b2&&b3>=b4||b5!=b6"};
  for (std::uint64_t seed = 1; seed <= 400; ++seed) texts.push_back(Generator{seed}(3));
  for (const auto& text : texts) {
    Program program;
    try {
      program = compile(text);
    } catch (const Error&) {
      continue;  // too long
    }
    std::array<Pack, max_bands> bands;
    for (Pack& band : bands)
      for (double& v : band.v) v = random() % 20 == 0 ? nan : uniform(random);
    const Pack packed = evaluate(program, bands.data());
    for (int i = 0; i < Pack::size; ++i) {
      Bands cell;
      for (int k = 0; k < max_bands; ++k) cell[k] = bands[k].v[i];
      const double one = evaluate(program, cell.data());
      ASSERT_TRUE((std::isnan(one) && std::isnan(packed.v[i])) || std::memcmp(&one, &packed.v[i], sizeof one) == 0)
          << text << ", cell " << i << ": " << one << ", packed " << packed.v[i];
    }
  }
}

TEST(ExpressionProgram, missing_bands_make_missing_cells) {
  Bands bands{1.0, nan, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0};
  for (const char* text : {"b2", "b2>0", "b1>0?b1:b2", "b2?1:2", "b1||b2", "b2^0", "sign(b2)", "min(b1,b2)",
                           "max(b2,b1)", "0*b2", "b2==b2", "1/0", "log(0)", "sqrt(-1)", "0/0", "exp(1000)"})
    EXPECT_TRUE(std::isnan(evaluate(compile(text), bands.data()))) << text;
  EXPECT_EQ(evaluate(compile("b1+b3"), bands.data()), 4.0) << "a missing band that the expression does not name";
  EXPECT_EQ(compile("b1+b3*b8").used, 0b10000101);
  EXPECT_EQ(compile("1+1").used, 0);
}

TEST(ExpressionProgram, errors_say_what_and_where) {
  struct Case {
    const char* text;
    const char* message;
    int column;
  };
  const Case cases[] = {
      {"", "empty", 1},
      {" \t ", "empty", 4},
      {"b1 +", "ends where a value was expected", 5},
      {"b1 b2", "an operator was expected", 4},
      {"2b1", "does not belong to the number", 2},
      {"1_pi", "does not belong to the number", 2},
      {"1.5.2", "does not belong to the number", 4},
      {"1e", "does not belong to the number", 2},
      {"0x10", "does not belong to the number", 2},
      {"1e999", "out of range", 1},
      {".", "a value was expected", 1},
      {"(b1", "not closed", 1},
      {"b1)", "closes nothing", 3},
      {"()", "a value was expected", 2},
      {"b1,b2", "a comma outside", 3},
      {"(1,2)", "a closing parenthesis was expected", 3},
      {"b1 = 2", "== compares", 4},
      {"b1 ? 2", "lacks its colon", 4},
      {"1:2", "a colon without", 2},
      {"!b1", "no operator !", 1},
      {"--b1", "a second sign", 2},
      {"2*/3", "a value was expected", 3},
      {"b1 & b2", "'&' is written &&", 4},
      {"b65 + 1", "there is no band b65; the highest is b64: choose the bands where they are read, with --band", 1},
      {"1 + b120", "there is no band b120", 5},
      {"b07", "there is no band b07; the highest is b64", 1},
      {"b0", "there is no band b0", 1},
      {"sin()", "sin takes one argument, not 0", 1},
      {"1+sin(1,2)", "sin takes one argument, not 2", 3},
      {"atan2(1)", "atan2 takes two arguments, not 1", 1},
      {"min()", "min takes one argument or more, not 0", 1},
      {"sin 1", "sin is a function", 1},
      {"sin", "sin is a function", 1},
      {"max(1,2", "not closed", 1},
      {"max(1 2)", "a comma or a closing parenthesis", 7},
      {"max(1,)", "a value was expected", 7},
      {"b1 + sqr(b2)", "unknown name sqr; did you mean sqrt?", 6},
      {"Log10(b1)", "did you mean log10?", 1},
      {"B1", "did you mean b1?", 1},
      {"pi", "did you mean _pi?", 1},
      {"banana", "unknown name banana; bands are called b1, b2", 1},
      {"b1 # 2", "an operator was expected", 4},
      {"\xc3\xa9", "a value was expected", 1},
  };
  for (const auto& c : cases) {
    const std::string message = refusal(c.text);
    EXPECT_NE(message.find(c.message), std::string::npos) << c.text << ": " << message;
    EXPECT_NE(message.find("(column " + std::to_string(c.column) + ")"), std::string::npos)
        << c.text << ": " << message;
  }
  EXPECT_EQ(refusal("b1 + sqr(b2)"), "unknown name sqr; did you mean sqrt? (column 6)\n  b1 + sqr(b2)\n       ^");
  EXPECT_NE(refusal("b1+b4", 3).find("the highest is b3"), std::string::npos);
}

TEST(ExpressionProgram, hostile_text_is_refused_quickly) {
  constexpr std::size_t megabyte = 1'000'000;
  const auto repeat = [](std::string_view word, std::size_t n) {
    std::string text;
    for (std::size_t i = 0; i < n; ++i) text += word;
    return text;
  };
  const auto start = std::chrono::steady_clock::now();
  for (const char* word : {"(", "-", "-(", "2^", "sin(", "1?", "b1+", "1", "a", " ", "min(1,", "\xff", "b1?b1:"})
    for (const std::size_t n : {megabyte, std::size_t{500}}) {
      const std::string text = repeat(word, n);
      const std::string message = refusal(text);
      EXPECT_FALSE(message.empty()) << word;
      EXPECT_LT(message.size(), 400u) << word;
    }
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds{1});

  EXPECT_EQ(refusal(repeat("(", 60) + "b1" + repeat(")", 60)), "");
  EXPECT_NE(refusal(repeat("(", 70) + "b1" + repeat(")", 70)).find("nested"), std::string::npos);
  EXPECT_NE(refusal(repeat("2^", 70) + "2").find("16 values"), std::string::npos);
  EXPECT_EQ(refusal("1" + repeat("+b1", 60)), "");
  EXPECT_NE(refusal("1" + repeat("+b1", 70)).find("128 steps"), std::string::npos);
  EXPECT_EQ(refusal(repeat("1+(", 15) + "b1" + repeat(")", 15)), "");
  EXPECT_NE(refusal(repeat("1+(", 16) + "b1" + repeat(")", 16)).find("16 values"), std::string::npos);
  EXPECT_EQ(refusal("sum(b1" + repeat(",b1", 60) + ")"), "");
  std::string constants = "0";
  for (int i = 1; i < 66; ++i) constants += std::string{"+"} + std::to_string(i);
  EXPECT_FALSE(refusal(constants).empty());
  EXPECT_EQ(refusal(repeat(" ", 4000) + "1"), "");

  // Bytes at random: either refused or a program that runs.
  std::mt19937_64 random{3};
  constexpr std::string_view alphabet = "b12389.e+-*/^()<>=!&|?:, sincotagmxlqr_p\x01\xf0";
  const Bands bands{1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0};
  for (int i = 0; i < 200'000; ++i) {
    std::string text;
    for (std::size_t n = random() % 24; n > 0; --n) text += alphabet[random() % alphabet.size()];
    try {
      const double y = evaluate(compile(text), bands.data());
      ASSERT_TRUE(std::isnan(y) || std::isfinite(y)) << text;
    } catch (const Error&) {
    }
  }
}

}  // namespace
}  // namespace fulmar::expression
