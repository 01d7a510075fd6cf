// SPDX-License-Identifier: Apache-2.0
#include "text/parser.hpp"

#include <bit>
#include <charconv>

#include "exec/fault.hpp"
#include "text/lexer.hpp"

namespace fulmar::ptx {
namespace {

std::vector<std::string_view> split_dots(std::string_view word) {
  std::vector<std::string_view> parts;
  for (std::size_t begin = 0; begin <= word.size();) {
    const std::size_t end = std::min(word.find('.', begin), word.size());
    parts.push_back(word.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

/// `12`, `-3`, `0x1F`, `0b11`, `017`, `5U`, `0f3F800000`, `0d3FF0000000000000`, `1.5`.
Operand number(const Token& token) {
  std::string_view t = token.text;
  Operand o;
  o.kind = Operand::Kind::integer;
  const auto hexadecimal = [&](std::string_view digits, int base) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
    if (error != std::errc{} || end != digits.data() + digits.size())
      throw Unsupported(token.line, "'" + std::string(token.text) + "' is not a number");
    return value;
  };
  const bool minus = t.starts_with('-');
  if (minus) t.remove_prefix(1);
  const auto prefix = [&](char lower) { return t.size() > 2 && t[0] == '0' && (t[1] | 0x20) == lower; };
  if (prefix('f') && t.size() == 10) {
    o.kind = Operand::Kind::f32;
    o.bits = hexadecimal(t.substr(2), 16);
    if (minus) o.bits ^= 0x80000000u;
    return o;
  }
  if (prefix('d') && t.size() == 18) {
    o.kind = Operand::Kind::f64;
    o.bits = hexadecimal(t.substr(2), 16);
    if (minus) o.bits ^= std::uint64_t{1} << 63;
    return o;
  }
  if (!prefix('x') && t.find('.') != std::string_view::npos) {
    o.kind = Operand::Kind::f64;
    o.bits = std::bit_cast<std::uint64_t>(std::stod(std::string(token.text)));
    return o;
  }
  if (t.ends_with('U')) t.remove_suffix(1);
  if (prefix('x'))
    o.bits = hexadecimal(t.substr(2), 16);
  else if (prefix('b'))
    o.bits = hexadecimal(t.substr(2), 2);
  else if (t.size() > 1 && t[0] == '0')
    o.bits = hexadecimal(t.substr(1), 8);
  else
    o.bits = hexadecimal(t, 10);
  if (minus) o.bits = -o.bits;
  return o;
}

/// The offset in `+4`, `+-4`, `-4`, if there is one.
std::uint64_t offset(Lexer& in) {
  if (in.accept("+")) return number(in.take()).bits;
  if (in.peek().kind == Token::Kind::number && in.peek().text.starts_with('-')) return number(in.take()).bits;
  return 0;
}

Operand operand(Lexer& in);

std::vector<Operand> operands(Lexer& in, std::string_view end) {
  std::vector<Operand> list;
  while (!in.accept(end)) {
    if (!list.empty()) in.expect(",");
    list.push_back(operand(in));
  }
  return list;
}

Operand operand(Lexer& in) {
  Operand o;
  if (in.accept("!")) {
    o = operand(in);
    o.negated = !o.negated;
  } else if (in.accept("[")) {
    o.kind = Operand::Kind::address;
    o.parts.push_back(operand(in));
    o.bits = offset(in) + (o.parts[0].kind == Operand::Kind::name ? o.parts[0].bits : 0);
    in.expect("]");
  } else if (in.accept("{")) {
    o.kind = Operand::Kind::vector;
    o.parts = operands(in, "}");
  } else if (in.accept("(")) {
    o.kind = Operand::Kind::list;
    o.parts = operands(in, ")");
  } else if (in.peek().kind == Token::Kind::number) {
    o = number(in.take());
  } else if (in.peek().kind == Token::Kind::word) {
    o.name = in.take().text;
    o.kind = o.name == "_" ? Operand::Kind::sink : Operand::Kind::name;
    if (o.kind == Operand::Kind::name && !in.peek().is("|")) o.bits = offset(in);
  } else {
    throw Unsupported(in.peek().line, "an operand cannot begin with '" + std::string(in.peek().text) + "'");
  }
  if (in.accept("|")) {
    Operand pair;
    pair.kind = Operand::Kind::pair;
    pair.parts = {o, operand(in)};
    return pair;
  }
  return o;
}

void initial_values(Lexer& in, std::vector<Operand>& values) {
  if (in.accept("{")) {
    while (!in.accept("}")) {
      initial_values(in, values);
      in.accept(",");
    }
  } else if (in.accept("generic")) {
    in.expect("(");
    values.push_back(operand(in));
    in.expect(")");
    values.back().bits += offset(in);
  } else {
    values.push_back(operand(in));
  }
}

/// `.global .align 4 .b8 name[12] = {..}`, up to the mark behind it.
Variable variable(Lexer& in) {
  Variable v;
  bool aligned = false;
  unsigned lanes = 1;
  for (;;) {
    const Token t = in.take();
    if (t.kind != Token::Kind::word)
      throw Unsupported(t.line, "a declaration cannot hold '" + std::string(t.text) + "'");
    if (!t.text.starts_with('.')) {
      v.name = t.text;
      break;
    }
    const std::string_view word = t.text.substr(1);
    if (word == "align") {
      v.align = static_cast<std::uint32_t>(number(in.take()).bits);
      aligned = true;
    } else if (word == "global") {
      v.space = Space::global;
    } else if (word == "const") {
      v.space = Space::constant;
    } else if (word == "shared" || word == "shared::cta") {
      v.space = Space::shared;
    } else if (word == "local") {
      v.space = Space::local;
    } else if (word == "param") {
      v.space = Space::param;
    } else if (word == "extern") {
      v.external = true;
    } else if (word == "v2" || word == "v4") {
      lanes = word == "v2" ? 2 : 4;
    } else if (const auto type = type_named(word)) {
      v.type = *type;
    } else if (word == "attribute") {
      throw Unsupported(t.line, "managed memory is not modelled");
    } else if (word == "ptr") {
      // `.ptr .global .align 4`: what a parameter points at, not what it is.
      while (in.peek().starts(".")) {
        if (in.take().is(".align")) in.take();
      }
    } else if (word != "visible" && word != "weak" && word != "common") {
      throw Unsupported(t.line, "the declaration word '" + std::string(t.text) + "' is not known");
    }
  }
  std::uint64_t count = 1;
  while (in.accept("[")) {
    count *= in.peek().is("]") ? 0 : number(in.take()).bits;
    in.expect("]");
  }
  v.bytes = count * lanes * bytes_of(v.type);
  if (!aligned) v.align = lanes * bytes_of(v.type);
  if (in.accept("=")) initial_values(in, v.initial);
  return v;
}

std::vector<Variable> parameters(Lexer& in) {
  std::vector<Variable> list;
  if (!in.accept("(")) return list;
  while (!in.accept(")")) {
    if (!list.empty()) in.expect(",");
    list.push_back(variable(in));
  }
  return list;
}

Function function(Lexer& in, bool entry) {
  Function f;
  f.entry = entry;
  f.results = parameters(in);
  f.name = in.take().text;
  f.parameters = parameters(in);
  // .maxntid 256, 1, 1 .noreturn and the like bind the compiler, not us.
  while (!in.peek().is("{") && !in.peek().is(";")) in.take();
  if (in.take().is(";")) return f;
  f.has_body = true;
  f.body_line = in.peek().line;
  f.body = in.skip_block();
  return f;
}

}  // namespace

std::string Module::line(std::uint32_t n) const {
  std::size_t begin = 0;
  for (std::uint32_t i = 1; i < n && begin != std::string::npos; ++i) {
    begin = text->find('\n', begin);
    if (begin != std::string::npos) ++begin;
  }
  if (begin == std::string::npos) return {};
  std::string found = text->substr(begin, text->find('\n', begin) - begin);
  for (char& c : found)
    if (c == '\t') c = ' ';
  found.erase(0, std::min(found.find_first_not_of(' '), found.size()));
  return found;
}

Module parse_module(std::string text) {
  Module m;
  m.text = std::make_unique<std::string>(std::move(text));
  Lexer in(*m.text);
  while (in.peek().kind != Token::Kind::end) {
    const Token t = in.peek();
    if (t.is(".version") || t.is(".target") || t.is(".address_size")) {
      in.take();
      in.skip_line();
    } else if (t.is(".file")) {
      in.take();
      const auto n = static_cast<std::uint32_t>(number(in.take()).bits);
      m.files[n] = std::string(in.take().text);
      in.skip_line();
    } else if (t.is(".section")) {
      while (!in.take().is("{")) {
      }
      in.skip_block();
    } else if (t.is(".pragma") || t.is(".alias")) {
      while (!in.take().is(";")) {
      }
    } else {
      bool external = false;
      while (in.peek().is(".visible") || in.peek().is(".weak") || in.peek().is(".extern") || in.peek().is(".common"))
        external |= in.take().is(".extern");
      if (in.peek().is(".entry") || in.peek().is(".func")) {
        const bool entry = in.take().is(".entry");
        Function f = function(in, entry);
        auto& known = m.functions[f.name];
        if (!known.has_body) known = std::move(f);  // a declaration may stand before its definition
      } else {
        Variable v = variable(in);
        v.external |= external;
        in.expect(";");
        m.variables[v.name] = std::move(v);
      }
    }
  }
  return m;
}

std::vector<Item> parse_body(const Function& f) {
  std::vector<Item> items;
  Lexer in(f.body, f.body_line);
  Origin origin;
  while (in.peek().kind != Token::Kind::end) {
    const Token t = in.peek();
    if (in.accept("{")) {
      items.emplace_back(OpenScope{});
    } else if (in.accept("}")) {
      items.emplace_back(CloseScope{});
    } else if (in.accept(";")) {
    } else if (t.is(".loc")) {
      in.take();
      origin.file = static_cast<std::uint32_t>(number(in.take()).bits);
      origin.line = static_cast<std::uint32_t>(number(in.take()).bits);
      in.skip_line();
    } else if (t.is(".pragma")) {
      while (!in.take().is(";")) {
      }
    } else if (t.is(".reg")) {
      in.take();
      Registers r{};
      for (std::string_view word; in.peek().starts(".");) {
        word = in.take().text.substr(1);
        const auto type = type_named(word);
        if (!type) throw Unsupported(t.line, "registers of type '" + std::string(word) + "' are not known");
        r.type = *type;
      }
      do {
        r.name = in.take().text;
        r.count = 0;
        if (in.accept("<")) {
          r.count = static_cast<std::uint32_t>(number(in.take()).bits);
          in.expect(">");
        }
        items.emplace_back(r);
      } while (in.accept(","));
      in.expect(";");
    } else if (t.starts(".")) {
      items.emplace_back(variable(in));
      in.expect(";");
    } else {
      Statement s;
      if (in.accept("@")) {
        s.guard_negated = in.accept("!");
        s.guard = in.take().text;
      }
      const Token word = in.take();
      if (s.guard.empty() && in.accept(":")) {
        if (in.accept(".branchtargets")) {
          Targets targets{word.text, {}};
          do targets.labels.push_back(in.take().text);
          while (in.accept(","));
          in.expect(";");
          items.emplace_back(std::move(targets));
        } else if (in.peek().is(".callprototype") || in.peek().is(".calltargets")) {
          while (!in.take().is(";")) {
          }  // calls through a pointer check the callee itself
        } else {
          items.emplace_back(Label{word.text});
        }
        continue;
      }
      if (word.kind != Token::Kind::word)
        throw Unsupported(word.line, "an instruction cannot begin with '" + std::string(word.text) + "'");
      s.words = split_dots(word.text);
      s.origin = origin;
      s.origin.ptx_line = word.line;
      while (!in.accept(";")) {
        if (!s.operands.empty()) in.accept(",");
        s.operands.push_back(operand(in));
      }
      items.emplace_back(std::move(s));
    }
  }
  return items;
}

}  // namespace fulmar::ptx
