// SPDX-License-Identifier: Apache-2.0
/// @file
/// Splits PTX into words, numbers, strings and punctuation.
#pragma once

#include <cstdint>
#include <string_view>

namespace fulmar::ptx {

/// A word is an identifier, a register, a directive or an opcode with its dots: `%tid.x`, `.reg`, `ld.global.f32`.
struct Token {
  enum class Kind : std::uint8_t { word, number, string, mark, end };
  Kind kind = Kind::end;
  std::string_view text;
  std::uint32_t line = 0;

  bool is(std::string_view t) const { return text == t && kind != Kind::string; }
  bool starts(std::string_view t) const { return kind == Kind::word && text.starts_with(t); }
};

class Lexer {
 public:
  explicit Lexer(std::string_view text, std::uint32_t first_line = 1) : text_{text}, line_{first_line} { advance(); }

  const Token& peek() const { return token_; }
  Token take();
  bool accept(std::string_view text);
  /// Throws Unsupported if the next token is another.
  void expect(std::string_view text);
  /// Skips to the end of the line on which the last token was taken.
  void skip_line();
  /// Skips a balanced block after its opening brace; the text between the braces.
  std::string_view skip_block();

 private:
  void advance();
  void skip_blanks();

  std::string_view text_;
  std::size_t at_ = 0;     ///< behind the token looked at
  std::size_t begin_ = 0;  ///< of the token looked at
  std::uint32_t line_;
  std::uint32_t taken_line_ = 0;
  Token token_;
};

}  // namespace fulmar::ptx
