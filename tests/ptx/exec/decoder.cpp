// SPDX-License-Identifier: Apache-2.0
#include "exec/decoder.hpp"

#include <array>
#include <bit>
#include <charconv>
#include <mutex>

#include "exec/launch.hpp"
#include "exec/windows.hpp"
#include "text/parser.hpp"

namespace fulmar::ptx {
namespace {

/// Between two variables, so that what runs past the end of one does not meet the next.
constexpr std::uint32_t guard_bytes = 64;

template <class T>
T align_up(T value, T align) {
  return (value + align - 1) / align * align;
}

constexpr std::array<std::pair<std::string_view, Special>, 25> special_names{{
    {"%tid.x", Special::tid_x},
    {"%tid.y", Special::tid_y},
    {"%tid.z", Special::tid_z},
    {"%ntid.x", Special::ntid_x},
    {"%ntid.y", Special::ntid_y},
    {"%ntid.z", Special::ntid_z},
    {"%ctaid.x", Special::ctaid_x},
    {"%ctaid.y", Special::ctaid_y},
    {"%ctaid.z", Special::ctaid_z},
    {"%nctaid.x", Special::nctaid_x},
    {"%nctaid.y", Special::nctaid_y},
    {"%nctaid.z", Special::nctaid_z},
    {"%laneid", Special::laneid},
    {"%warpid", Special::warpid},
    {"%nwarpid", Special::nwarpid},
    {"%lanemask_eq", Special::lanemask_eq},
    {"%lanemask_le", Special::lanemask_le},
    {"%lanemask_lt", Special::lanemask_lt},
    {"%lanemask_ge", Special::lanemask_ge},
    {"%lanemask_gt", Special::lanemask_gt},
    {"%smid", Special::smid},
    {"%nsmid", Special::nsmid},
    {"%gridid", Special::gridid},
    {"%dynamic_smem_size", Special::dynamic_shared},
    {"%total_smem_size", Special::total_shared},
}};

}  // namespace

Decoder::Decoder(const Module& module, Kernel& kernel, const Function& function, Code& code, const Linker& linker)
    : module_{module}, kernel_{kernel}, function_{function}, code_{code}, linker_{linker} {
  code_.function = &function;
  code_.image = {1, 0};
  scopes_.emplace_back();
}

void Decoder::run() {
  // A kernel's parameters are given by the launch and lie before those of the calls it makes; those of a function are
  // the first of its frame.
  std::uint32_t bytes = 0;
  const auto place = [&](const std::vector<Variable>& list, std::vector<ParameterSlot>& slots) {
    for (const Variable& v : list) {
      bytes = align_up(bytes, std::max(v.align, 1u));
      slots.push_back({bytes, static_cast<std::uint32_t>(v.bytes)});
      scopes_[0].variables[v.name] = {Space::param, bytes, v.bytes};
      bytes += static_cast<std::uint32_t>(v.bytes);
    }
  };
  place(function_.results, code_.results);
  place(function_.parameters, code_.parameters);
  code_.parameter_bytes = align_up(bytes, 16u);

  for (const Item& item : parse_body(function_)) {
    if (std::holds_alternative<OpenScope>(item)) {
      scopes_.emplace_back();
    } else if (std::holds_alternative<CloseScope>(item)) {
      scopes_.pop_back();
    } else if (const auto* r = std::get_if<Registers>(&item)) {
      declare(*r);
    } else if (const auto* v = std::get_if<Variable>(&item)) {
      declare(*v);
    } else if (const auto* l = std::get_if<Label>(&item)) {
      labels_[l->name] = static_cast<std::uint32_t>(code_.instructions.size());
    } else if (const auto* t = std::get_if<Targets>(&item)) {
      targets_[t->name] = t->labels;
    } else {
      decode(std::get<Statement>(item));
    }
  }
  // A body may end without ret.
  static const Statement end{{"ret"}, {}, {}, false, {}};
  decode(end);
  statement_ = nullptr;

  const auto at = [&](std::string_view label) {
    const auto it = labels_.find(label);
    if (it == labels_.end()) throw Unsupported(function_.body_line, "there is no label '" + std::string(label) + "'");
    return &code_.instructions[it->second];
  };
  for (const Fixup& f : fixups_) {
    Instruction& i = code_.instructions[f.instruction];
    if (!f.table) {
      i.target = at(f.label);
      continue;
    }
    const auto found = targets_.find(f.label);
    if (found == targets_.end())
      throw Unsupported(i.origin.ptx_line, "there are no branch targets '" + std::string(f.label) + "'");
    auto& list = code_.tables.emplace_back();
    for (const std::string_view label : found->second) list.push_back(at(label));
    i.table = &list;
  }
}

void Decoder::decode(const Statement& s) {
  statement_ = &s;
  used_ = 1;
  const Table::Decode family = Table::all().find(s.words[0]);
  if (!family) unsupported("the instruction is not known");
  if (s.words.size() > 64) unsupported("too many modifiers");
  family(*this);
  for (std::size_t w = 0; w < s.words.size(); ++w)
    if (!(used_ >> w & 1)) unsupported("the modifier '." + std::string(s.words[w]) + "' is not known here");
}

void Decoder::declare(const Registers& r) {
  const auto first = static_cast<std::uint32_t>(code_.image.size());
  if (r.count) {
    scopes_.back().families.push_back({r.name, first, r.count});
    code_.image.resize(first + r.count);
  } else {
    scopes_.back().registers[r.name] = first;
    code_.image.push_back(0);
  }
}

void Decoder::declare(const Variable& v) {
  const auto bytes = static_cast<std::uint32_t>(v.bytes);
  switch (v.space) {
    case Space::param: {
      const std::uint32_t offset = align_up(code_.parameter_bytes, std::max(v.align, 1u));
      code_.parameter_bytes = offset + bytes;
      scopes_.back().variables[v.name] = {Space::param, offset, v.bytes};
      return;
    }
    case Space::local: {
      const std::uint32_t offset = align_up(code_.local_bytes, std::max(v.align, 16u));
      code_.local_variables.emplace_back(offset, offset + bytes);
      code_.local_bytes = offset + bytes + guard_bytes;
      scopes_.back().variables[v.name] = {Space::local, offset, v.bytes};
      return;
    }
    case Space::shared:
      scopes_.back().variables[v.name] = place_shared(v.name, v);
      return;
    default:
      throw Unsupported(function_.body_line, "variable '" + std::string(v.name) + "' has a space not known in a body");
  }
}

Decoder::Place Decoder::place_shared(std::string_view name, const Variable& v) {
  if (v.bytes == 0) {
    kernel_.dynamic_shared = true;
    return {Space::shared, 0, 0, true};
  }
  const auto bytes = static_cast<std::uint32_t>(v.bytes);
  kernel_.shared_bytes = align_up(kernel_.shared_bytes, std::max(v.align, 1u)) + bytes;
  const std::uint32_t offset = align_up(kernel_.shared_span, std::max(v.align, 16u));
  kernel_.shared_variables.emplace_back(offset, offset + bytes);
  kernel_.shared_names.emplace_back(name);
  kernel_.shared_span = align_up(offset + bytes + guard_bytes, 128u);
  return {Space::shared, offset, v.bytes};
}

std::optional<Decoder::Place> Decoder::variable(std::string_view name) {
  for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope)
    if (const auto it = scope->variables.find(name); it != scope->variables.end()) return it->second;
  const auto it = module_.variables.find(name);
  if (it == module_.variables.end()) return std::nullopt;
  const Variable& v = it->second;
  if (v.space == Space::shared) {
    const auto known = kernel_.shared_at.find(name);
    if (known != kernel_.shared_at.end()) return Place{Space::shared, known->second, v.bytes};
    const Place p = place_shared(name, v);
    if (!p.dynamic) kernel_.shared_at[name] = static_cast<std::uint32_t>(p.offset);
    return p;
  }
  return Place{v.space, linker_.address_of(name), v.bytes};
}

const Function* Decoder::function(std::string_view name) const {
  const auto it = module_.functions.find(name);
  return it == module_.functions.end() ? nullptr : &it->second;
}

const Code* Decoder::code_of(const Function& f) {
  const auto [it, fresh] = kernel_.codes.try_emplace(f.name);
  if (fresh) Decoder(module_, kernel_, f, it->second, linker_).run();
  return &it->second;
}

const Operand& Decoder::operand(std::size_t n) const {
  if (n >= statement_->operands.size()) unsupported("an operand is missing");
  return statement_->operands[n];
}

void Decoder::expect_operands(std::size_t least, std::size_t most) const {
  if (operands() < least || operands() > most) unsupported("it has " + std::to_string(operands()) + " operands");
}

bool Decoder::take(std::string_view word) {
  for (std::size_t w = 1; w < statement_->words.size(); ++w)
    if (!(used_ >> w & 1) && statement_->words[w] == word) {
      used_ |= std::uint64_t{1} << w;
      return true;
    }
  return false;
}

int Decoder::take_one(std::initializer_list<std::string_view> words) {
  int n = 0;
  for (const std::string_view word : words) {
    if (take(word)) return n;
    ++n;
  }
  return -1;
}

std::optional<Type> Decoder::type_if_any() {
  for (std::size_t w = 1; w < statement_->words.size(); ++w)
    if (!(used_ >> w & 1))
      if (const auto t = type_named(statement_->words[w])) {
        used_ |= std::uint64_t{1} << w;
        return t;
      }
  return std::nullopt;
}

Type Decoder::type() {
  const auto t = type_if_any();
  if (!t) unsupported("its type is missing");
  return *t;
}

void Decoder::unsupported(const std::string& what) const {
  std::string opcode;
  if (statement_)
    for (const auto word : statement_->words) opcode += (opcode.empty() ? "" : ".") + std::string(word);
  throw Unsupported(statement_ ? statement_->origin.ptx_line : function_.body_line, "'" + opcode + "': " + what);
}

std::optional<std::uint32_t> Decoder::register_slot(std::string_view name) const {
  const std::size_t digits = name.find_last_not_of("0123456789") + 1;
  std::uint32_t number = 0;
  const bool numbered = digits < name.size();
  if (numbered) std::from_chars(name.data() + digits, name.data() + name.size(), number);
  const std::string_view prefix = name.substr(0, digits);
  for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
    if (const auto it = scope->registers.find(name); it != scope->registers.end()) return it->second;
    if (numbered)
      for (const Family& f : scope->families)
        if (f.prefix == prefix && number < f.count) return f.first + number;
  }
  return std::nullopt;
}

std::uint32_t Decoder::constant(std::uint64_t bits) {
  const auto [it, fresh] = constants_.try_emplace(bits, static_cast<std::uint32_t>(code_.image.size()));
  if (fresh) code_.image.push_back(bits);
  return it->second;
}

std::uint32_t Decoder::scratch() {
  code_.image.push_back(0);
  return static_cast<std::uint32_t>(code_.image.size() - 1);
}

std::uint32_t Decoder::filled(Special s, std::uint64_t plus) {
  const auto [it, fresh] = specials_.try_emplace({s, plus}, static_cast<std::uint32_t>(code_.image.size()));
  if (fresh) {
    code_.image.push_back(0);
    code_.specials.push_back({it->second, s, plus});
  }
  return it->second;
}

std::uint32_t Decoder::source(const Operand& o, Type type) {
  switch (o.kind) {
    case Operand::Kind::integer:
      if (type == Type::f32)
        return constant(std::bit_cast<std::uint32_t>(static_cast<float>(static_cast<std::int64_t>(o.bits))));
      if (type == Type::f64)
        return constant(std::bit_cast<std::uint64_t>(static_cast<double>(static_cast<std::int64_t>(o.bits))));
      if (type == Type::pred) return constant(o.bits != 0);
      return constant(o.bits);
    case Operand::Kind::f32:
      if (type == Type::f64)
        return constant(std::bit_cast<std::uint64_t>(double{std::bit_cast<float>(static_cast<std::uint32_t>(o.bits))}));
      return constant(o.bits);
    case Operand::Kind::f64:
      if (type == Type::f32)
        return constant(std::bit_cast<std::uint32_t>(static_cast<float>(std::bit_cast<double>(o.bits))));
      return constant(o.bits);
    case Operand::Kind::name:
      break;
    default:
      unsupported("an operand has a form that is not known here");
  }
  if (const auto slot = register_slot(o.name)) {
    if (!o.negated) return *slot;
    if (type != Type::pred) unsupported("'!' before what is no predicate");
    const std::uint32_t negated = scratch();
    Instruction i;
    i.run = [](Thread& t, const Instruction* at) {
      t.r[at->slot[0]] = t.r[at->slot[1]] ^ 1;
      return at + 1;
    };
    i.slot = {negated, *slot};
    i.origin = statement_->origin;
    code_.instructions.push_back(i);
    return negated;
  }
  if (o.name == "WARP_SZ") return constant(32);
  for (const auto& [name, special] : special_names)
    if (name == o.name) return filled(special, 0);
  if (const auto place = variable(o.name)) {
    if (place->space == Space::local) return filled(Special::local_base, place->offset + o.bits);
    if (place->dynamic) return filled(Special::dynamic_base, o.bits);
    return constant(place->offset + o.bits);
  }
  if (const Function* f = function(o.name)) {
    kernel_.callable.push_back(code_of(*f));
    return constant(window::function | (kernel_.callable.size() - 1));
  }
  unsupported("'" + std::string(o.name) + "' is not declared");
}

std::uint32_t Decoder::result(const Operand& o) {
  if (o.kind == Operand::Kind::sink) return Instruction::slot_sink;
  if (o.kind == Operand::Kind::name)
    if (const auto slot = register_slot(o.name)) return *slot;
  unsupported("the result is not a register");
}

std::uint32_t Decoder::address(const Operand& o, Space space, std::uint64_t& offset) {
  if (o.kind != Operand::Kind::address) unsupported("an address is missing");
  const Operand& base = o.parts[0];
  offset = o.bits;
  if (base.kind == Operand::Kind::integer) return constant(base.bits);
  if (base.kind != Operand::Kind::name) unsupported("the address has a form that is not known");
  if (const auto slot = register_slot(base.name)) return *slot;
  const auto place = variable(base.name);
  if (!place) unsupported("'" + std::string(base.name) + "' is not declared");
  if (space != Space::generic && space != place->space && !(space == Space::global && place->space == Space::constant))
    unsupported("'" + std::string(base.name) + "' lies in " + std::string(name_of(place->space)) + " memory");
  Operand symbol = base;
  symbol.bits = 0;
  return source(symbol, Type::b64);
}

Instruction& Decoder::emit(Handler handler) {
  std::uint32_t guard = Instruction::slot_true;
  if (!statement_->guard.empty()) {
    const auto slot = register_slot(statement_->guard);
    if (!slot) unsupported("its guard is not declared");
    guard = *slot;
  }
  Instruction& i = code_.instructions.emplace_back();
  i.run = handler;
  i.guard = guard;
  i.guard_skips = statement_->guard_negated;
  i.origin = statement_->origin;
  return i;
}

Instruction& Decoder::emit(Handler handler, std::initializer_list<Type> sources) {
  expect_operands(sources.size() + 1, sources.size() + 1);
  std::array<std::uint32_t, 6> slot{result(0)};
  std::size_t n = 1;
  for (const Type t : sources) {
    slot[n] = source(n, t);
    ++n;
  }
  Instruction& i = emit(handler);
  i.slot = slot;
  return i;
}

std::uint32_t Decoder::key() const {
  static std::mutex guard;
  static std::map<std::string, std::uint32_t> keys;
  std::string opcode;
  for (const auto word : statement_->words) opcode += std::string(word) + ".";
  const std::lock_guard lock(guard);
  return keys.try_emplace(opcode, static_cast<std::uint32_t>(keys.size() + 1)).first->second;
}

void Decoder::branch(Instruction& i, std::string_view label) {
  fixups_.push_back({static_cast<std::uint32_t>(&i - code_.instructions.data()), label, false});
}

void Decoder::table(Instruction& i, std::string_view targets) {
  fixups_.push_back({static_cast<std::uint32_t>(&i - code_.instructions.data()), targets, true});
}

std::unique_ptr<Kernel> decode(const Module& module, std::string_view entry, const Linker& linker) {
  auto kernel = std::make_unique<Kernel>();
  kernel->module = &module;
  kernel->name = std::string(entry);
  const auto it = module.functions.find(entry);
  if (it == module.functions.end() || !it->second.has_body)
    throw Unsupported(0, "the module has no kernel '" + std::string(entry) + "'");
  Code& code = kernel->codes[it->second.name];
  kernel->entry = &code;
  try {
    Decoder(module, *kernel, it->second, code, linker).run();
  } catch (const Unsupported& e) {
    throw Unsupported(e.line, "PTX not supported: " + std::string(e.what()) + "\n  in kernel " + kernel->name +
                                  ", PTX line " + std::to_string(e.line) + ": " + module.line(e.line));
  }
  return kernel;
}

}  // namespace fulmar::ptx
