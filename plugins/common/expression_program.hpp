// SPDX-License-Identifier: Apache-2.0
/// @file
/// Band mathematics in muParser's notation, compiled to a small program that host and device run alike.
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <vector>

#include "core/error.hpp"
#include "core/host_device.hpp"
#include "core/math.hpp"

/// Expressions such as `(b2 - b1) / (b2 + b1)` or `b1 > 0.2 ? log10(b1) : -3`.
///
/// The notation is muParser's, which GDAL and OTB use for band mathematics; what compiles here means the same there:
/// `+ - * / ^` (the power binds to the right and before a sign: `-2^2` is -4), `== != < > <= >=` (all of one
/// precedence, from the left), `&& ||`, `?:`, one sign before an operand, the constants `_pi` and `_e`, the variables
/// `b1` to `b64`, `log` being the natural logarithm and `rint(x)` floor(x + 1/2). There is no `!`.
///
/// Two differences, both on purpose: NaN to the power of 0 is NaN, and constants meet `&& ||` as they are, where
/// muParser cuts them to integers when both operands are constant (`0.5 && 2` is 0 there).
namespace fulmar::expression {

inline constexpr int max_instructions = 128;
inline constexpr int max_constants = 64;
inline constexpr int max_stack = 16;
inline constexpr int max_bands = 64;
inline constexpr int max_nesting = 64;         ///< of parentheses, functions, powers and `?:` in one another
inline constexpr std::size_t max_text = 4096;  ///< characters

enum class Op : std::uint8_t {
  // They push one value.
  constant,
  band,
  // They replace the top of the stack.
  negate,
  sin,
  cos,
  tan,
  asin,
  acos,
  atan,
  sinh,
  cosh,
  tanh,
  exp,
  log,
  log2,
  log10,
  sqrt,
  abs,
  sign,
  rint,
  // They take two values and leave one.
  add,
  subtract,
  multiply,
  divide,
  power,
  atan2,
  min,
  max,
  equal,
  unequal,
  less,
  greater,
  less_equal,
  greater_equal,
  both,
  either,
  // It takes three: condition, value if not zero, value if zero.
  select,
};

struct Instruction {
  Op op;
  std::uint8_t index;  ///< of the constant or band; else 0
};

/// A compiled expression: a stack machine's code, of fixed size, so that it can be a parameter of a kernel.
struct Program {
  double constants[max_constants];
  Instruction code[max_instructions];
  std::uint16_t length;  ///< instructions
  std::uint64_t used;    ///< bit i: the expression reads band i (from 0)
};
static_assert(std::is_trivially_copyable_v<Program> && std::is_standard_layout_v<Program>);

/// How many bands a scene must have for the program: the highest it reads, from 1.
inline int bands_needed(const Program& program) { return std::bit_width(program.used); }

/// 64 cells at once. Decoding an instruction costs several times its arithmetic, so a CPU decodes once for 64 cells, in
/// loops that vectorise.
struct Pack {
  static constexpr int size = 64;
  alignas(64) double v[size];
};

/// What a word or sign of other languages is here; empty for all others.
inline std::string written_here(std::string_view foreign) {
  std::string lower{foreign.substr(0, 8)};
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  if (lower == "&") return "'&' is written && between conditions; single bits cannot be looked at";
  if (lower == "and") return "'" + std::string{foreign} + "' is written &&";
  if (lower == "|") return "'|' is written || between conditions; single bits cannot be looked at";
  if (lower == "or") return "'" + std::string{foreign} + "' is written ||";
  if (lower == "not") return "'" + std::string{foreign} + " x' is written x == 0";
  if (lower == "**") return "a power is written ^, as in b1 ^ 2";
  if (lower == "where" || lower == "if" || lower == "iif" || lower == "ifelse")
    return "'" + std::string{foreign} + "(a, b, c)' is written a ? b : c";
  // Bands as the Orfeo Toolbox calls them.
  const auto digits = [&](std::size_t from, std::size_t to) {
    return from < to &&
           std::all_of(lower.begin() + static_cast<std::ptrdiff_t>(from),
                       lower.begin() + static_cast<std::ptrdiff_t>(to), [](char c) { return c >= '0' && c <= '9'; });
  };
  if (const std::size_t b = lower.find('b'); lower.starts_with("im") && b != std::string::npos && digits(2, b) &&
                                             lower.size() == foreign.size() && digits(b + 1, lower.size()))
    return lower.substr(2, b - 2) == "1" ? std::string{foreign} + " is written " + lower.substr(b)
                                         : std::string{foreign} +
                                               ": bands are called b1, b2 and so on, those of further files (--with) "
                                               "counted on from the first's";
  return {};
}

/// What a user wrote, of which an expression was made: for each of the expression's characters the place in it.
struct Written {
  std::string_view text;
  std::vector<std::size_t> places;
};

namespace detail {

FULMAR_HD inline void fill(double& a, double value) { a = value; }
FULMAR_HD inline void fill(Pack& a, double value) {
  for (int i = 0; i < Pack::size; ++i) a.v[i] = value;
}
/// a = f(a, ...) cell by cell; the packs of one call are different ones.
template <class F>
FULMAR_HD inline void each(double& a, F f) {
  a = f(a);
}
template <class F>
FULMAR_HD inline void each(double& a, const double& b, F f) {
  a = f(a, b);
}
template <class F>
FULMAR_HD inline void each(double& a, const double& b, const double& c, F f) {
  a = f(a, b, c);
}
template <class F>
FULMAR_HD inline void each(Pack& a, F f) {
  for (int i = 0; i < Pack::size; ++i) a.v[i] = f(a.v[i]);
}
template <class F>
FULMAR_HD inline void each(Pack& __restrict a, const Pack& __restrict b, F f) {
  for (int i = 0; i < Pack::size; ++i) a.v[i] = f(a.v[i], b.v[i]);
}
template <class F>
FULMAR_HD inline void each(Pack& __restrict a, const Pack& __restrict b, const Pack& __restrict c, F f) {
  for (int i = 0; i < Pack::size; ++i) a.v[i] = f(a.v[i], b.v[i], c.v[i]);
}

}  // namespace detail

/// The value of the program at one cell (V = double) or 64 (V = Pack), the same bits either way. `bands` holds at least
/// as many values as the highest band the program reads.
///
/// NaN where any band that the expression names is missing, whatever the expression (a comparison or `?:` would hide
/// it), and where the result is not finite (a division by zero, the logarithm of a negative number).
template <class V>
FULMAR_HD V evaluate(const Program& program, const V* bands) {
  using detail::each;
  V stack[max_stack];
  int top = -1;
  for (int i = 0; i < program.length; ++i) {
    const auto [op, index] = program.code[i];
    if (op == Op::constant) {
      detail::fill(stack[++top], program.constants[index]);
      continue;
    }
    if (op == Op::band) {
      stack[++top] = bands[index];
      continue;
    }
    if (op == Op::select) {
      top -= 2;
      each(stack[top], stack[top + 1], stack[top + 2], [](double a, double b, double c) { return a != 0.0 ? b : c; });
      continue;
    }
    if (op >= Op::add) --top;
    V& a = stack[top];
    // The second operand; for a function of one it is read by nobody.
    const V& b = stack[op >= Op::add ? top + 1 : top];
    switch (op) {
      case Op::negate:
        each(a, [](double x) { return -x; });
        break;
      case Op::sin:
        each(a, [](double x) { return math::sin(x); });
        break;
      case Op::cos:
        each(a, [](double x) { return math::cos(x); });
        break;
      case Op::tan:
        each(a, [](double x) { return math::tan(x); });
        break;
      case Op::asin:
        each(a, [](double x) { return math::asin(x); });
        break;
      case Op::acos:
        each(a, [](double x) { return math::acos(x); });
        break;
      case Op::atan:
        each(a, [](double x) { return math::atan(x); });
        break;
      case Op::sinh:
        each(a, [](double x) { return math::sinh(x); });
        break;
      case Op::cosh:
        each(a, [](double x) { return math::cosh(x); });
        break;
      case Op::tanh:
        each(a, [](double x) { return math::tanh(x); });
        break;
      case Op::exp:
        each(a, [](double x) { return math::exp(x); });
        break;
      case Op::log:
        each(a, [](double x) { return math::log(x); });
        break;
      case Op::log2:
        each(a, [](double x) { return math::log2(x); });
        break;
      case Op::log10:
        each(a, [](double x) { return math::log10(x); });
        break;
      case Op::sqrt:
        each(a, [](double x) { return math::sqrt(x); });
        break;
      case Op::abs:
        each(a, [](double x) { return math::abs(x); });
        break;
      case Op::sign:
        each(a, [](double x) { return x > 0.0 ? 1.0 : x < 0.0 ? -1.0 : 0.0; });
        break;
      case Op::rint:
        each(a, [](double x) { return math::floor(x + 0.5); });
        break;
      case Op::add:
        each(a, b, [](double x, double y) { return x + y; });
        break;
      case Op::subtract:
        each(a, b, [](double x, double y) { return x - y; });
        break;
      case Op::multiply:
        each(a, b, [](double x, double y) { return x * y; });
        break;
      case Op::divide:
        each(a, b, [](double x, double y) { return x / y; });
        break;
      case Op::power:
        each(a, b, [](double x, double y) { return math::pow(x, y); });
        break;
      case Op::atan2:
        each(a, b, [](double x, double y) { return math::atan2(x, y); });
        break;
      case Op::min:
        each(a, b, [](double x, double y) { return y < x ? y : x; });
        break;
      case Op::max:
        each(a, b, [](double x, double y) { return x < y ? y : x; });
        break;
      case Op::equal:
        each(a, b, [](double x, double y) { return x == y ? 1.0 : 0.0; });
        break;
      case Op::unequal:
        each(a, b, [](double x, double y) { return x != y ? 1.0 : 0.0; });
        break;
      case Op::less:
        each(a, b, [](double x, double y) { return x < y ? 1.0 : 0.0; });
        break;
      case Op::greater:
        each(a, b, [](double x, double y) { return x > y ? 1.0 : 0.0; });
        break;
      case Op::less_equal:
        each(a, b, [](double x, double y) { return x <= y ? 1.0 : 0.0; });
        break;
      case Op::greater_equal:
        each(a, b, [](double x, double y) { return x >= y ? 1.0 : 0.0; });
        break;
      case Op::both:
        each(a, b, [](double x, double y) { return ((x != 0.0) & (y != 0.0)) ? 1.0 : 0.0; });
        break;
      case Op::either:
        each(a, b, [](double x, double y) { return ((x != 0.0) | (y != 0.0)) ? 1.0 : 0.0; });
        break;
      default:
        break;
    }
  }
  V& result = stack[0];
  each(result, [](double x) { return x - x == 0.0 ? x : math::detail::nan; });
  int i = 0;
  for (std::uint64_t left = program.used; left != 0; left >>= 1, ++i)
    if ((left & 1) != 0)
      each(result, bands[i], [](double x, double band) { return band == band ? x : math::detail::nan; });
  return result;
}

namespace detail {

/// The number of single-character edits (insert, delete, replace) between two words.
inline std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t above = row[j + 1];
      row[j + 1] = std::min({above + 1, row[j] + 1, diagonal + (a[i] == b[j] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row.back();
}

struct Function {
  std::string_view name;
  Op op;
  int arguments;  ///< 0: one or more
};
/// `sum` and `avg` both add; the parser divides for `avg`.
inline constexpr std::array<Function, 23> functions{{
    {"sin", Op::sin, 1},   {"cos", Op::cos, 1},   {"tan", Op::tan, 1},   {"asin", Op::asin, 1},   {"acos", Op::acos, 1},
    {"atan", Op::atan, 1}, {"sinh", Op::sinh, 1}, {"cosh", Op::cosh, 1}, {"tanh", Op::tanh, 1},   {"exp", Op::exp, 1},
    {"ln", Op::log, 1},    {"log", Op::log, 1},   {"log2", Op::log2, 1}, {"log10", Op::log10, 1}, {"sqrt", Op::sqrt, 1},
    {"abs", Op::abs, 1},   {"sign", Op::sign, 1}, {"rint", Op::rint, 1}, {"atan2", Op::atan2, 2}, {"min", Op::min, 0},
    {"max", Op::max, 0},   {"sum", Op::add, 0},   {"avg", Op::add, 0},
}};

/// Throws: the message, the column from 1, and the stretch of text around it with a caret below.
[[noreturn]] inline void fail_at(std::string_view text, std::size_t at, const std::string& message) {
  constexpr std::size_t before = 40, width = 72;
  const std::size_t begin = at > before ? at - before : 0;
  std::string excerpt{text.substr(begin, width)};
  for (char& c : excerpt)
    if (c < ' ' || c > '~') c = c == '\t' || c == '\n' || c == '\r' ? ' ' : '?';  // one column each, the caret counts
  fail(Errc::usage, message + " (column " + std::to_string(at + 1) + ")\n  " + excerpt + "\n  " +
                        std::string(at - begin, ' ') + "^");
}

/// Recursive descent, one function per level of precedence; each emits the code of what it has read.
class Compiler {
 public:
  Compiler(std::string_view text, int bands, const Written* written = nullptr)
      : text_{text}, bands_{bands}, written_{written} {}

  Program compile() {
    if (text_.size() > max_text) error("the expression is longer than " + std::to_string(max_text) + " characters", 0);
    skip_spaces();
    if (at_ == text_.size()) error("the expression is empty", at_);
    choice();
    if (at_ == text_.size()) return program_;
    switch (peek()) {
      case ')':
        error("this parenthesis closes nothing", at_);
      case ':':
        error("a colon without its question mark", at_);
      case ',':
        error("a comma outside the arguments of a function", at_);
      case '=':
        error("a value cannot be assigned; == compares", at_);
      default:
        stray("an operator was expected here");
    }
  }

 private:
  /// Counts a level of nesting while it lives.
  struct Level {
    explicit Level(Compiler& compiler) : parser{compiler} {
      if (++parser.nesting_ > max_nesting)
        parser.error("nested more than " + std::to_string(max_nesting) + " levels deep", parser.at_);
    }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;
    ~Level() { --parser.nesting_; }
    Compiler& parser;
  };

  [[noreturn]] void error(const std::string& message, std::size_t at) const {
    if (written_ == nullptr) fail_at(text_, at, message);
    fail_at(written_->text, at < written_->places.size() ? written_->places[at] : written_->text.size(), message);
  }

  /// Throws: what stands here is no part of the expression; a sign or word of other languages is told in ours.
  [[noreturn]] void stray(const std::string& message) const {
    std::size_t end = at_;
    while (end < text_.size() && (is_letter(text_[end]) || is_digit(text_[end]))) ++end;
    const std::string cure = written_here(text_.substr(at_, std::max<std::size_t>(end - at_, 1)));
    error(cure.empty() ? message : cure, at_);
  }

  [[nodiscard]] char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  static bool is_digit(char c) { return c >= '0' && c <= '9'; }
  static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

  void skip_spaces() {
    while (at_ < text_.size() && (text_[at_] == ' ' || (text_[at_] >= '\t' && text_[at_] <= '\r'))) ++at_;
  }

  /// Consumes `word` and the spaces behind it, if it comes next.
  bool accept(std::string_view word) {
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    skip_spaces();
    return true;
  }

  void emit(Op op, std::size_t at, std::uint8_t index = 0) {
    if (program_.length == max_instructions)
      error("the expression needs more than " + std::to_string(max_instructions) + " steps", at);
    depth_ += op <= Op::band ? 1 : op < Op::add ? 0 : op == Op::select ? -2 : -1;
    if (depth_ > max_stack)
      error("the expression keeps more than " + std::to_string(max_stack) + " values waiting", at);
    program_.code[program_.length++] = {op, index};
  }

  void emit_constant(double value, std::size_t at) {
    int i = 0;
    while (i < constants_ && program_.constants[i] != value) ++i;
    if (i == constants_) {
      if (constants_ == max_constants)
        error("the expression has more than " + std::to_string(max_constants) + " constants", at);
      program_.constants[constants_++] = value;
    }
    emit(Op::constant, at, static_cast<std::uint8_t>(i));
  }

  void choice() {
    const Level level{*this};
    disjunction();
    const std::size_t at = at_;
    if (!accept("?")) return;
    choice();
    if (!accept(":")) at_ == text_.size() ? error("this ? lacks its colon", at) : stray("a colon was expected here");
    choice();
    emit(Op::select, at);
  }

  void disjunction() {
    conjunction();
    for (std::size_t at = at_; accept("||"); at = at_) conjunction(), emit(Op::either, at);
  }

  void conjunction() {
    comparison();
    for (std::size_t at = at_; accept("&&"); at = at_) comparison(), emit(Op::both, at);
  }

  void comparison() {
    sum();
    for (;;) {
      const std::size_t at = at_;
      Op op{};
      if (accept("=="))
        op = Op::equal;
      else if (accept("!="))
        op = Op::unequal;
      else if (accept("<="))
        op = Op::less_equal;
      else if (accept(">="))
        op = Op::greater_equal;
      else if (accept("<"))
        op = Op::less;
      else if (accept(">"))
        op = Op::greater;
      else
        return;
      sum();
      emit(op, at);
    }
  }

  void sum() {
    product();
    for (;;) {
      const std::size_t at = at_;
      if (accept("+"))
        product(), emit(Op::add, at);
      else if (accept("-"))
        product(), emit(Op::subtract, at);
      else
        return;
    }
  }

  void product() {
    signed_power();
    for (;;) {
      const std::size_t at = at_;
      if (text_.substr(at, 2) == "**")
        error(written_here("**"), at);
      else if (accept("*"))
        signed_power(), emit(Op::multiply, at);
      else if (accept("/"))
        signed_power(), emit(Op::divide, at);
      else
        return;
    }
  }

  /// One sign, as in muParser; it binds less than the power behind it.
  void signed_power() {
    const std::size_t at = at_;
    const bool minus = accept("-");
    if (!minus) accept("+");
    operand();
    const std::size_t caret = at_;
    if (accept("^")) {
      const Level level{*this};
      signed_power();
      emit(Op::power, caret);
    }
    if (minus) emit(Op::negate, at);
  }

  void operand() {
    const std::size_t at = at_;
    const char c = peek();
    if (at_ == text_.size()) error("the expression ends where a value was expected", at);
    if (accept("(")) {
      choice();
      if (!accept(")"))
        at_ == text_.size() ? error("this parenthesis is not closed", at)
                            : stray("a closing parenthesis was expected here");
    } else if (is_digit(c) || c == '.') {
      number();
    } else if (is_letter(c)) {
      name();
    } else if (c == '!') {
      error("there is no operator !; write x == 0", at);
    } else if (c == '+' || c == '-') {
      error("a second sign; write -(-x)", at);
    } else {
      error("a value was expected here", at);
    }
  }

  void number() {
    const std::size_t at = at_;
    double value = 0.0;
    // Not strtod: it would follow the locale's decimal comma.
    const auto [end, status] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), value);
    if (status == std::errc::result_out_of_range) error("this number is out of range", at);
    if (status != std::errc{}) error("a value was expected here", at);
    at_ = static_cast<std::size_t>(end - text_.data());
    if (is_letter(peek()) || peek() == '.' || is_digit(peek()))
      error("this does not belong to the number before it", at_);
    skip_spaces();
    emit_constant(value, at);
  }

  void name() {
    const std::size_t at = at_;
    while (is_letter(peek()) || is_digit(peek())) ++at_;
    const std::string_view word = text_.substr(at, at_ - at);
    skip_spaces();
    if (word == "_pi") return emit_constant(3.14159265358979323846, at);
    if (word == "_e") return emit_constant(2.71828182845904523536, at);
    if (word[0] == 'b' && word.size() > 1 && std::all_of(word.begin() + 1, word.end(), is_digit)) return band(word, at);
    for (const Function& f : functions)
      if (f.name == word) return call(f, at);
    unknown(word, at);
  }

  void band(std::string_view word, std::size_t at) {
    // Two digits at most, without a leading zero.
    const int number = word.size() == 2                     ? word[1] - '0'
                       : word.size() == 3 && word[1] != '0' ? 10 * (word[1] - '0') + (word[2] - '0')
                                                            : 0;
    if (number < 1 || number > bands_)
      error("there is no band " + std::string{word.substr(0, 24)} + "; the highest is b" + std::to_string(bands_) +
                (number < 1 ? "" : ": choose the bands where they are read, with --band, and count them from b1"),
            at);
    program_.used |= std::uint64_t{1} << (number - 1);
    emit(Op::band, at, static_cast<std::uint8_t>(number - 1));
  }

  void call(const Function& f, std::size_t at) {
    const std::string name{f.name};
    if (!accept("(")) error(name + " is a function; its argument belongs in parentheses", at);
    int count = 0;
    if (peek() != ')') {
      do {
        choice();
        // Combined as they come, so that a long list needs no deep stack.
        if (++count > 1 && f.arguments == 0) emit(f.op, at);
      } while (accept(","));
    }
    const bool wrong = f.arguments == 0 ? count == 0 : count != f.arguments;
    if (wrong && (peek() == ')' || count > f.arguments))
      error(name + " takes " +
                (f.arguments == 0   ? "one argument or more"
                 : f.arguments == 1 ? "one argument"
                                    : "two arguments") +
                ", not " + std::to_string(count),
            at);
    if (!accept(")"))
      at_ == text_.size() ? error("the arguments of " + name + " are not closed", at)
                          : stray("a comma or a closing parenthesis was expected here");
    if (f.arguments != 0) return emit(f.op, at);
    if (f.name == "avg") {
      emit_constant(count, at);
      emit(Op::divide, at);
    }
  }

  [[noreturn]] void unknown(std::string_view word, std::size_t at) const {
    std::string lower{word.substr(0, 32)};
    for (char& c : lower)
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    std::string_view nearest;
    std::size_t least = 3;  // further away is no misspelling
    const auto offer = [&](std::string_view candidate) {
      const std::size_t d = edit_distance(lower, candidate);
      if (d < least && d < candidate.size()) least = d, nearest = candidate;
    };
    for (const Function& f : functions) offer(f.name);
    for (const std::string_view constant : {"_pi", "_e"}) offer(constant);
    std::string of_bands[max_bands];
    for (int i = 0; i < bands_; ++i) offer(of_bands[i] = "b" + std::to_string(i + 1));
    std::string message = "unknown name " + std::string{word.substr(0, 32)};
    if (!nearest.empty())
      message += "; did you mean " + std::string{nearest} + "?";
    else if (peek() != '(')
      message += "; bands are called b1, b2 and so on";
    const std::string cure = written_here(word);
    error(cure.empty() ? message : cure, at);
  }

  std::string_view text_;
  int bands_;
  const Written* written_;
  std::size_t at_ = 0;
  int nesting_ = 0;
  int depth_ = 0;
  int constants_ = 0;
  Program program_{};
};

}  // namespace detail

/// Compiles an expression over the bands b1 to b<bands> (at most 64).
///
/// Throws Error{Errc::usage} with the column (from 1), the text and a caret under it: a syntax error, an unknown name
/// (with the nearest known one), a wrong number of arguments, a band that is not there, more than 128 steps, 64
/// constants, 16 waiting values, 64 levels of nesting or 4096 characters. Hostile text costs neither stack nor time.
/// Where the expression was made of another text, places are shown in that.
inline Program compile(std::string_view text, int bands = max_bands, const Written* written = nullptr) {
  return detail::Compiler{text, std::clamp(bands, 0, max_bands), written}.compile();
}

}  // namespace fulmar::expression
