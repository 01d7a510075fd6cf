// SPDX-License-Identifier: Apache-2.0
#include "exec/windows.hpp"
#include "ops/families.hpp"
#include "ops/pure.hpp"

namespace fulmar::ptx {
namespace {

const Instruction* bra(Thread&, const Instruction* i) { return i->target; }
void decode_bra(Decoder& d) {
  d.take("uni");
  d.expect_operands(1, 1);
  d.branch(d.emit(bra), d.operand(0).name);
}

const Instruction* brx(Thread& t, const Instruction* i) {
  const auto n = get<std::uint32_t>(t.r[i->slot[0]]);
  if (n >= i->table->size())
    fail(t, i, FaultKind::out_of_bounds,
         "brx.idx: " + std::to_string(n) + " of " + std::to_string(i->table->size()) + " targets");
  return (*i->table)[n];
}
void decode_brx(Decoder& d) {
  if (!d.take("idx")) d.unsupported("only brx.idx is known");
  d.take("uni");
  d.expect_operands(2, 2);
  const std::uint32_t index = d.source(0, Type::u32);
  Instruction& i = d.emit(brx);
  i.slot[0] = index;
  d.table(i, d.operand(1).name);
}

/// Thread::pc of the caller stays at the call, so that reports and ret find it.
const Instruction* enter(Thread& t, const Instruction* i, const Code& callee) {
  const Frame& caller = t.frames.back();
  if (t.frames.size() > 256) fail(t, i, FaultKind::endless, "more than 256 calls are open");
  const std::uint32_t local = (caller.local_begin + caller.code->local_bytes + 15) / 16 * 16;
  Frame f;
  f.code = &callee;
  f.own_registers = std::make_unique<std::uint64_t[]>(callee.image.size());
  f.registers = f.own_registers.get();
  f.parameters.resize(callee.parameter_bytes);
  f.local_begin = local;
  f.call = i;
  // Arguments: results first, then what is passed.
  const std::size_t results = callee.results.size();
  if (i->arguments->size() != results + callee.parameters.size())
    fail(t, i, FaultKind::misuse, "the call does not fit the function's parameters");
  const std::uint64_t given = t.frames.size() == 1 ? t.launch->parameters.size() : 0;
  for (std::size_t k = 0; k < callee.parameters.size(); ++k) {
    const std::uint32_t from = (*i->arguments)[results + k];
    std::memcpy(&f.parameters[callee.parameters[k].offset], &t.frames.back().parameters[from - given],
                callee.parameters[k].bytes);
  }
  begin_frame(t, callee, f.registers, local);
  t.r = f.registers;
  t.frames.push_back(std::move(f));
  return callee.instructions.data();
}
const Instruction* call(Thread& t, const Instruction* i) { return enter(t, i, *i->callee); }
const Instruction* call_pointer(Thread& t, const Instruction* i) {
  const std::uint64_t address = t.r[i->slot[0]], n = address & ~window::mask;
  const auto& callable = t.launch->kernel->callable;
  if ((address & window::mask) != window::function || n >= callable.size())
    fail(t, i, FaultKind::out_of_bounds, "a call through what is no function");
  return enter(t, i, *callable[n]);
}
const Instruction* assertion(Thread& t, const Instruction* i) {
  fail(t, i, FaultKind::trap, "an assertion of the device code failed");
}
const Instruction* no_output(Thread&, const Instruction* i) { return i + 1; }

void decode_call(Decoder& d) {
  d.take("uni");
  std::size_t n = 0;
  const Operand *results = nullptr, *arguments = nullptr;
  if (d.operand(n).kind == Operand::Kind::list) results = &d.operand(n++);
  const Operand& target = d.operand(n++);
  if (n < d.operands() && d.operand(n).kind == Operand::Kind::list) arguments = &d.operand(n++);
  const Function* const f = d.function(target.name);
  if (target.name == "vprintf" || target.name == "__assertfail") {
    d.emit(target.name == "vprintf" ? no_output : assertion);
    return;
  }
  if (f && !f->has_body) d.unsupported("the function '" + std::string(target.name) + "' has no body in this module");
  auto& places = d.code().arguments.emplace_back();
  for (const Operand* list : {results, arguments})
    if (list)
      for (const Operand& o : list->parts) {
        const auto place = d.variable(o.name);
        if (!place || place->space != Space::param) d.unsupported("arguments are .param variables");
        places.push_back(static_cast<std::uint32_t>(place->offset));
      }
  if (f) {
    const Code* const callee = d.code_of(*f);
    Instruction& i = d.emit(call);
    i.callee = callee;
    i.arguments = &places;
  } else {
    const std::uint32_t pointer = d.source(target, Type::b64);
    Instruction& i = d.emit(call_pointer);
    i.slot[0] = pointer;
    i.arguments = &places;
  }
}

const Instruction* ret(Thread& t, const Instruction* i) {
  if (t.frames.size() == 1) {
    t.pc = i;
    t.state = State::done;
    return nullptr;
  }
  const Frame done = std::move(t.frames.back());
  t.frames.pop_back();
  Frame& caller = t.frames.back();
  const std::uint64_t given = t.frames.size() == 1 ? t.launch->parameters.size() : 0;
  for (std::size_t k = 0; k < done.code->results.size(); ++k)
    std::memcpy(&caller.parameters[(*done.call->arguments)[k] - given], &done.parameters[done.code->results[k].offset],
                done.code->results[k].bytes);
  if (done.code->local_bytes) {
    t.local.resize(done.local_begin);
    t.local_initialised.resize(done.local_begin);
  }
  t.r = caller.registers;
  return done.call + 1;
}
const Instruction* leave(Thread& t, const Instruction* i) {
  t.pc = i;
  t.state = State::done;
  return nullptr;
}
void decode_ret(Decoder& d) {
  d.take("uni");
  d.expect_operands(0, 0);
  d.emit(ret);
}
void decode_exit(Decoder& d) { d.emit(leave); }

const Instruction* trap(Thread& t, const Instruction* i) { fail(t, i, FaultKind::trap, "trap"); }
void decode_trap(Decoder& d) { d.emit(trap); }

const Instruction* nanosleep(Thread& t, const Instruction* i) {
  t.budget = 0;
  return i + 1;
}
void decode_nanosleep(Decoder& d) {
  d.type();
  d.emit(nanosleep);
}

}  // namespace

void add_control(Table& t) {
  t.add("bra", decode_bra);
  t.add("brx", decode_brx);
  t.add("call", decode_call);
  t.add("ret", decode_ret);
  t.add("exit", decode_exit);
  t.add("trap", decode_trap);
  t.add("brkpt", decode_trap);
  t.add("nanosleep", decode_nanosleep);
}

}  // namespace fulmar::ptx
