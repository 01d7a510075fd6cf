// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/error.hpp"
#include "plan/parse_rules.hpp"
#include "plan/pipeline.hpp"

namespace fulmar {
namespace {

using rules::Place;

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }
bool continues_character(char c) { return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U; }

[[noreturn]] void refuse(std::string_view text, Span span, const std::string& message) {
  fail(Errc::usage, message + "\n" + underline(text, span));
}

// ---- words ----

/// A word of the text, without its quotes.
struct Word {
  std::string text;
  Span span;
  bool quoted = false;      ///< some of it stood in quotes: it is never syntax, and its number is left as it is
  bool bare_start = false;  ///< it begins outside quotes, so it may be an option

  [[nodiscard]] bool is(std::string_view syntax) const { return !quoted && text == syntax; }
  [[nodiscard]] bool is_syntax() const { return is("!") || is("[") || is("]"); }
  [[nodiscard]] bool is_option() const { return bare_start && text.starts_with("--"); }
};

/// Reads what stands in quotes and returns where it ends. Backslash has a meaning in double quotes alone, before a
/// quote or a backslash, so that the paths of other systems survive.
std::size_t read_quoted(std::string_view text, std::size_t begin, std::string& word) {
  const char quote = text[begin];
  for (std::size_t i = begin + 1; i < text.size(); ++i) {
    if (text[i] == quote) return i + 1;
    const bool escape = quote == '"' && text[i] == '\\' && i + 1 < text.size();
    if (escape && (text[i + 1] == '"' || text[i + 1] == '\\')) ++i;
    word += text[i];
  }
  refuse(text, {begin, begin + 1}, "the quote that opens here is never closed");
}

std::vector<Word> split(std::string_view text) {
  std::vector<Word> words;
  std::size_t i = 0;
  while (true) {
    while (i < text.size() && is_space(text[i])) ++i;
    if (i == text.size()) return words;
    Word word;
    word.span.begin = i;
    word.bare_start = text[i] != '\'' && text[i] != '"';
    while (i < text.size() && !is_space(text[i])) {
      if (text[i] == '\'' || text[i] == '"') {
        word.quoted = true;
        i = read_quoted(text, i, word.text);
      } else {
        word.text += text[i++];
      }
    }
    word.span.end = i;
    words.push_back(std::move(word));
  }
}

// ---- steps ----

class Parser {
 public:
  explicit Parser(std::string_view text) : text_{text}, words_{split(text)} {}

  Pipeline parse() {
    if (words_.empty()) fail(Errc::usage, "the pipeline is empty");
    if (const auto nul = text_.find('\0'); nul != text_.npos) refuse(text_, {nul, nul + 1}, "a text ends here, in C");
    check_brackets();
    return steps(Place::top);
  }

 private:
  /// Every bracket has its other, and they do not nest too deeply: what follows recurses without fear.
  void check_brackets() const {
    std::vector<Span> open;
    for (const Word& word : words_) {
      if (word.is("[")) {
        open.push_back(word.span);
        if (open.size() > rules::deepest) refuse(text_, word.span, "the pipeline is nested too deeply");
      } else if (word.is("]")) {
        if (open.empty()) refuse(text_, word.span, "']' closes nothing");
        open.pop_back();
      }
    }
    if (!open.empty()) refuse(text_, open.back(), "the bracket that opens here is never closed");
  }

  [[nodiscard]] bool at_end() const { return next_ == words_.size(); }
  [[nodiscard]] bool at(std::string_view syntax) const { return !at_end() && words_[next_].is(syntax); }
  [[nodiscard]] bool at_word() const { return !at_end() && !words_[next_].is_syntax() && !words_[next_].is_option(); }
  /// The next word, or the end of the text.
  [[nodiscard]] Span here() const { return at_end() ? Span{text_.size(), text_.size() + 1} : words_[next_].span; }

  /// Steps up to the end of the text, or to a closing bracket.
  Pipeline steps(Place place) {
    Pipeline result;
    while (true) {
      if (at("!"))
        refuse(text_, here(),
               result.empty() ? "there is no step before this '!'" : "there is no step between '!' and '!'");
      if (at_end() || at("]"))
        refuse(text_, here(), result.empty() ? "the brackets are empty" : "there is no step after the last '!'");
      result.push_back(at("[") ? branch() : step());
      if (at_end() || at("]")) break;
      if (!at("!")) refuse(text_, here(), "a '!' is missing before this");
      ++next_;
    }
    classify(result, place);
    return result;
  }

  /// The steps in brackets, of which the opening one is next. Returns where the brackets stand.
  Span bracketed(Place place, Pipeline& inner) {
    const std::size_t begin = words_[next_++].span.begin;
    if (place == Place::input && at("!")) ++next_, place = Place::onward;
    inner = steps(place);
    return {begin, words_[next_++].span.end};
  }

  Step branch() {
    Step s;
    s.kind = Step::Kind::branch;
    s.span = bracketed(Place::branch, s.branch);
    return s;
  }

  Step step() {
    Step s;
    s.kind = Step::Kind::apply;
    if (words_[next_].is_option()) refuse(text_, here(), "a step begins with its name, not with an option");
    if (at("read") || at("write")) {
      s.kind = at("read") ? Step::Kind::read : Step::Kind::write;
      ++next_;
      if (!at_word()) refuse(text_, here(), "the name of a file is missing");
    }
    s.name = words_[next_].text;
    s.span = words_[next_].span;
    if (s.name.empty()) refuse(text_, s.span, "a name is missing");
    ++next_;
    while (!at_end() && !at("!") && !at("]")) s.arguments.push_back(argument());
    if (s.arguments.size() > rules::most_arguments) refuse(text_, s.span, "a step with so many arguments is a mistake");
    rules::group_by_name(s.arguments);
    return s;
  }

  Argument argument() {
    const Word& word = words_[next_];
    Argument a;
    a.span = word.span;
    if (word.is("["))
      refuse(text_, a.span, "brackets need '!' before them, or the name of an input, as in --with [ ... ]");
    ++next_;
    if (!word.is_option()) {
      a.value = value_of(word.text, word.quoted);
      return a;
    }
    const std::size_t equals = std::min(word.text.find('='), word.text.size());
    a.name = word.text.substr(2, equals - 2);
    a.name_span = {word.span.begin, std::min(word.span.end, word.span.begin + equals)};
    if (!rules::is_option_name(a.name)) refuse(text_, a.name_span, "this is not the name of an option");
    if (equals < word.text.size()) {
      a.value = value_of(word.text.substr(equals + 1), word.quoted);
    } else if (at("[")) {
      a.span.end = bracketed(Place::input, a.pipeline).end;
    } else if (at_word()) {
      a.value = value_of(words_[next_].text, words_[next_].quoted);
      a.span.end = words_[next_].span.end;
      ++next_;
    } else {
      a.value = "true";
    }
    return a;
  }

  static std::string value_of(const std::string& text, bool quoted) {
    return quoted ? text : rules::canonical_number(text).value_or(text);
  }

  /// Tells by their place which steps read and write, and refuses those that say otherwise.
  void classify(Pipeline& steps, Place place) {
    for (std::size_t i = 0; i < steps.size(); ++i) {
      Step& s = steps[i];
      if (s.kind == Step::Kind::branch) {
        if (const char* trouble = rules::branch_trouble(place, i, steps.size())) refuse(text_, s.span, trouble);
        continue;
      }
      const Step::Kind kind = rules::kind_at(place, i, steps.size());
      if (s.kind != Step::Kind::apply && s.kind != kind) refuse(text_, s.span, rules::rule_of(place));
      s.kind = kind;
      if (kind == Step::Kind::apply || s.arguments.empty()) continue;
      for (const Argument& a : s.arguments)
        if (a.name.empty()) {
          const char* own = rules::separator_trouble(s.name);
          if (own != nullptr) refuse(text_, s.span, own);
          const char* trouble = rules::separator_trouble(a.value);
          refuse(
              text_, a.span,
              trouble != nullptr ? trouble
              : a.value.size() > 1 && a.value.front() == '-'
                  ? "options of files have two dashes: --band 1 of one that is read, --co COMPRESS=ZSTD or --type u8 "
                    "of a product"
                  : "a file takes no second name; is a '!' missing before this? A * that the shell is to leave alone "
                    "stands in quotes");
        }
    }
    if (place == Place::top && steps.size() == 1)
      refuse(text_, {text_.size(), text_.size() + 1},
             "the pipeline writes nothing: end it with '!' and the name of a file");
  }

  std::string_view text_;
  std::vector<Word> words_;
  std::size_t next_ = 0;
};

// ---- printing ----

std::string quote(std::string_view text) {
  if (text.find('\'') == std::string_view::npos) return "'" + std::string{text} + "'";
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + "\"";
}

/// Whether a text would fall apart into words, or lose its quotes.
bool is_no_word(std::string_view text) {
  return text.empty() || std::any_of(text.begin(), text.end(),
                                     [](char c) { return is_space(c) || is_control(c) || c == '\'' || c == '"'; });
}

bool needs_quotes(std::string_view text) {
  return is_no_word(text) || text == "!" || text == "[" || text == "]" || text.starts_with("--");
}

std::string print_name(const std::string& name) {
  return needs_quotes(name) || name == "read" || name == "write" ? quote(name) : name;
}

std::string print_value(const std::string& value) {
  // A number that is not in its shortest form stays as it is only in quotes.
  const auto number = rules::canonical_number(value);
  return needs_quotes(value) || (number && *number != value) ? quote(value) : value;
}

void print_step(const Step& step, std::string& text) {
  if (step.kind == Step::Kind::branch) {
    text += "[ " + to_text(step.branch) + " ]";
    return;
  }
  text += print_name(step.name);
  for (std::size_t i = 0; i < step.arguments.size(); ++i) {
    const Argument& a = step.arguments[i];
    const bool value_may_follow = i + 1 < step.arguments.size() && step.arguments[i + 1].name.empty();
    if (!a.name.empty()) text += " --" + a.name;
    if (!a.pipeline.empty())
      text += (goes_on(a.pipeline) ? " [ ! " : " [ ") + to_text(a.pipeline) + " ]";
    else if (a.name.empty() || a.value != "true" || value_may_follow)
      text += " " + print_value(a.value);
  }
}

}  // namespace

bool operator==(const Argument& a, const Argument& b) {
  return a.name == b.name && a.value == b.value && a.pipeline == b.pipeline;
}

bool operator==(const Step& a, const Step& b) {
  return a.kind == b.kind && a.name == b.name && a.arguments == b.arguments && a.branch == b.branch;
}

Pipeline parse_text(std::string_view text) { return Parser{text}.parse(); }

std::string to_text(const Pipeline& pipeline) {
  std::string text;
  for (const Step& step : pipeline) {
    if (&step != pipeline.data()) text += " ! ";
    print_step(step, text);
  }
  return text;
}

std::string join_words(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) {
    if (&word != words.data()) text += ' ';
    // An option stays one if only its value is quoted.
    const std::size_t value = word.starts_with("--") ? word.find('=') + 1 : 0;
    text += word.substr(0, value);
    const std::string rest = word.substr(value);
    text += is_no_word(rest) ? quote(rest) : rest;
  }
  return text;
}

std::string underline(std::string_view text, Span span) {
  constexpr std::size_t width = 100, before = 40;
  const std::size_t begin = std::min(span.begin, text.size());
  // The place after the last character can be marked too: something is missing there.
  const std::size_t end = std::max(begin + 1, std::min(span.end, text.size()));
  std::size_t from = 0, to = text.size();
  if (text.size() > width) {
    from = begin > before ? begin - before : 0;
    to = std::min(text.size(), from + width);
    while (from > 0 && continues_character(text[from])) --from;
    while (to < text.size() && continues_character(text[to])) ++to;
  }
  std::string line = from > 0 ? "..." : "", marks(line.size(), ' ');
  for (std::size_t i = from; i < to; ++i) {
    line += is_control(text[i]) ? ' ' : text[i];
    if (!continues_character(text[i])) marks += i >= begin && i < end ? '^' : ' ';
  }
  if (begin >= to) marks += '^';
  if (to < text.size()) line += "...";
  marks.erase(marks.find_last_not_of(' ') + 1);
  return "  " + line + "\n  " + marks;
}

}  // namespace fulmar
