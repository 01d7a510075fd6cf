// SPDX-License-Identifier: Apache-2.0
/// @file
/// What a PTX text says, before any of it is understood as code. Names are views into the text, which the Module keeps.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "text/types.hpp"

namespace fulmar::ptx {

struct Operand {
  enum class Kind : std::uint8_t { sink, name, integer, f32, f64, address, vector, list, pair };
  Kind kind = Kind::sink;
  std::string_view name;       ///< register, variable, label or function
  std::uint64_t bits = 0;      ///< a literal; for an address or `name+4`: the offset
  bool negated = false;        ///< `!%p1`
  std::vector<Operand> parts;  ///< `{..}`, `(..)`, `a|b`; the base of an address
};

/// Where a statement comes from.
struct Origin {
  std::uint32_t ptx_line = 0;
  std::uint32_t file = 0;  ///< number of a .file directive; 0 = no .loc seen
  std::uint32_t line = 0;
};

struct Statement {
  std::vector<std::string_view> words;  ///< `ld.global.f32` = ld, global, f32
  std::vector<Operand> operands;
  std::string_view guard;  ///< register of `@%p1`; empty = none
  bool guard_negated = false;
  Origin origin;
};

struct Variable {
  Space space = Space::global;
  Type type = Type::b8;
  std::string_view name;
  std::uint32_t align = 1;
  std::uint64_t bytes = 0;  ///< 0 for `extern .shared name[]`
  bool external = false;
  /// Initial values in elements of `type`; names are addresses of other variables, with an offset.
  std::vector<Operand> initial;
};

struct Registers {
  Type type;
  std::string_view name;
  std::uint32_t count = 0;  ///< `%r<12>`; 0 = one register of that very name
};
struct Label {
  std::string_view name;
};
/// `label: .branchtargets a, b;`
struct Targets {
  std::string_view name;
  std::vector<std::string_view> labels;
};
struct OpenScope {};
struct CloseScope {};

/// A body, in order; scopes matter, since inline assembly declares registers of its own.
using Item = std::variant<OpenScope, CloseScope, Registers, Variable, Label, Targets, Statement>;

struct Function {
  std::string_view name;
  bool entry = false;
  bool has_body = false;
  std::vector<Variable> results;
  std::vector<Variable> parameters;
  std::string_view body;  ///< the text between its braces, read when the function is first needed
  std::uint32_t body_line = 0;
};

struct Module {
  std::unique_ptr<std::string> text;
  std::map<std::uint32_t, std::string> files;
  std::map<std::string_view, Variable> variables;
  std::map<std::string_view, Function> functions;

  /// Line n of the text, without blanks around it.
  std::string line(std::uint32_t n) const;
};

}  // namespace fulmar::ptx
