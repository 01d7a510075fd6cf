// SPDX-License-Identifier: Apache-2.0
#include "text/lexer.hpp"

#include <cctype>

#include "exec/fault.hpp"

namespace fulmar::ptx {
namespace {

bool word_begin(char c) {
  return std::isalpha(static_cast<unsigned char>(c)) || c == '_' || c == '$' || c == '%' || c == '.';
}
bool word_inside(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '$' || c == '.' || c == '%';
}

}  // namespace

void Lexer::skip_blanks() {
  while (at_ < text_.size()) {
    const char c = text_[at_];
    if (c == '\n') ++line_;
    if (std::isspace(static_cast<unsigned char>(c)) || c == '\0') {
      ++at_;
    } else if (text_.compare(at_, 2, "//") == 0) {
      while (at_ < text_.size() && text_[at_] != '\n') ++at_;
    } else if (text_.compare(at_, 2, "/*") == 0) {
      const std::size_t end = text_.find("*/", at_);
      for (; at_ < text_.size() && (end == std::string_view::npos || at_ < end + 2); ++at_) line_ += text_[at_] == '\n';
    } else {
      return;
    }
  }
}

void Lexer::advance() {
  skip_blanks();
  begin_ = at_;
  token_ = {Token::Kind::end, {}, line_};
  if (at_ >= text_.size()) return;
  const char c = text_[at_];
  const auto digit = [&](std::size_t i) {
    return i < text_.size() && std::isdigit(static_cast<unsigned char>(text_[i]));
  };
  if (c == '"') {
    const std::size_t end = text_.find('"', at_ + 1);
    token_ = {Token::Kind::string, text_.substr(at_ + 1, end - at_ - 1), line_};
    at_ = end == std::string_view::npos ? text_.size() : end + 1;
  } else if (digit(at_) || (c == '-' && digit(at_ + 1))) {
    std::size_t end = at_ + 1;
    while (end < text_.size() && word_inside(text_[end]) && text_[end] != '%') ++end;
    token_ = {Token::Kind::number, text_.substr(at_, end - at_), line_};
    at_ = end;
  } else if (word_begin(c)) {
    std::size_t end = at_ + 1;
    while (end < text_.size()) {
      if (word_inside(text_[end]))
        ++end;
      else if (text_.compare(end, 2, "::") == 0)
        end += 2;
      else
        break;
    }
    token_ = {Token::Kind::word, text_.substr(at_, end - at_), line_};
    at_ = end;
  } else {
    token_ = {Token::Kind::mark, text_.substr(at_, 1), line_};
    ++at_;
  }
}

Token Lexer::take() {
  const Token taken = token_;
  taken_line_ = taken.line;
  advance();
  return taken;
}

bool Lexer::accept(std::string_view text) {
  if (!token_.is(text)) return false;
  take();
  return true;
}

void Lexer::expect(std::string_view text) {
  if (!accept(text))
    throw Unsupported(token_.line, "expected '" + std::string(text) + "' before '" + std::string(token_.text) + "'");
}

void Lexer::skip_line() {
  if (token_.line != taken_line_) return;
  at_ = begin_;
  line_ = token_.line;
  while (at_ < text_.size() && text_[at_] != '\n') ++at_;
  advance();
}

std::string_view Lexer::skip_block() {
  const std::size_t begin = begin_;
  for (int depth = 1;;) {
    if (token_.kind == Token::Kind::end) throw Unsupported(token_.line, "a block is not closed");
    if (token_.is("{")) ++depth;
    if (token_.is("}") && --depth == 0) break;
    advance();
  }
  const std::string_view inside = text_.substr(begin, begin_ - begin);
  take();
  return inside;
}

}  // namespace fulmar::ptx
