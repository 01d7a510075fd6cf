// SPDX-License-Identifier: Apache-2.0
/// @file
/// Turns a function's text into instructions. What an opcode means is told by the families in ops/, each of which adds
/// its opcodes to a table; the decoder gives them slots for operands and checks that no part of the opcode is ignored.
#pragma once

#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <string_view>
#include <unordered_map>

#include "exec/code.hpp"
#include "exec/fault.hpp"

namespace fulmar::ptx {

class Decoder;

/// Opcode to what decodes it.
class Table {
 public:
  using Decode = void (*)(Decoder&);
  void add(std::string_view opcode, Decode decode) { entries_[opcode] = decode; }
  Decode find(std::string_view opcode) const {
    const auto it = entries_.find(opcode);
    return it == entries_.end() ? nullptr : it->second;
  }
  /// With all the families.
  static const Table& all();

 private:
  std::unordered_map<std::string_view, Decode> entries_;
};

/// Address of a module's variable, and number of a function in Kernel::callable.
struct Linker {
  std::function<std::uint64_t(std::string_view)> address_of;
};

/// Decodes an entry and all that it calls. Throws Unsupported.
std::unique_ptr<Kernel> decode(const Module& module, std::string_view entry, const Linker& linker);

class Decoder {
 public:
  Decoder(const Module& module, Kernel& kernel, const Function& function, Code& code, const Linker& linker);
  void run();

  // For the families.
  const Statement& statement() const { return *statement_; }
  std::size_t operands() const { return statement_->operands.size(); }
  const Operand& operand(std::size_t n) const;
  /// Takes a word of the opcode if it is there.
  bool take(std::string_view word);
  /// Takes the first of the words that is there; -1 if none is.
  int take_one(std::initializer_list<std::string_view> words);
  /// Takes the next type in the opcode.
  Type type();
  std::optional<Type> type_if_any();
  [[noreturn]] void unsupported(const std::string& what) const;
  void expect_operands(std::size_t least, std::size_t most) const;

  /// Slot of an operand that is read as a type.
  std::uint32_t source(const Operand& o, Type type);
  std::uint32_t source(std::size_t n, Type type) { return source(operand(n), type); }
  /// Slot of a register that is written (or of the sink).
  std::uint32_t result(const Operand& o);
  std::uint32_t result(std::size_t n) { return result(operand(n)); }
  std::uint32_t constant(std::uint64_t bits);
  std::uint32_t scratch();
  /// The slot of an address' base, and what is to be added to it.
  std::uint32_t address(const Operand& o, Space space, std::uint64_t& offset);
  /// Space and offset of a variable; nothing if it is none.
  struct Place {
    Space space;
    std::uint64_t offset;
    std::uint64_t bytes;
    bool dynamic = false;
  };
  std::optional<Place> variable(std::string_view name);
  const Function* function(std::string_view name) const;
  const Code* code_of(const Function& f);

  /// Appends an instruction with this statement's guard and origin.
  Instruction& emit(Handler handler);
  /// The same, with operand 0 as result and the others as sources of these types.
  Instruction& emit(Handler handler, std::initializer_list<Type> sources);
  /// A number that equal opcodes share.
  std::uint32_t key() const;

  Kernel& kernel() { return kernel_; }
  Code& code() { return code_; }
  /// To be resolved when all labels are known.
  void branch(Instruction& i, std::string_view label);
  void table(Instruction& i, std::string_view targets);

 private:
  void declare(const Registers& r);
  void declare(const Variable& v);
  void decode(const Statement& s);
  std::optional<std::uint32_t> register_slot(std::string_view name) const;
  std::uint32_t filled(Special s, std::uint64_t plus);
  Place place_shared(std::string_view name, const Variable& v);

  const Module& module_;
  Kernel& kernel_;
  const Function& function_;
  Code& code_;
  const Linker& linker_;

  struct Family {
    std::string_view prefix;
    std::uint32_t first, count;
  };
  struct Scope {
    std::unordered_map<std::string_view, std::uint32_t> registers;
    std::vector<Family> families;  ///< `%r<12>`
    std::unordered_map<std::string_view, Place> variables;
  };
  std::vector<Scope> scopes_;
  std::unordered_map<std::uint64_t, std::uint32_t> constants_;
  std::map<std::pair<Special, std::uint64_t>, std::uint32_t> specials_;
  std::unordered_map<std::string_view, std::uint32_t> labels_;
  std::unordered_map<std::string_view, std::vector<std::string_view>> targets_;
  struct Fixup {
    std::uint32_t instruction;
    std::string_view label;
    bool table;
  };
  std::vector<Fixup> fixups_;
  const Statement* statement_ = nullptr;
  std::uint64_t used_ = 0;  ///< words of the opcode that were taken, as bits
};

}  // namespace fulmar::ptx
