// SPDX-License-Identifier: Apache-2.0
/// @file
/// An operator as the engine knows it: its C table and its schema, read once; and the registry of all of them.
#pragma once

#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/dtype.hpp"
#include "core/error.hpp"
#include "core/nearest.hpp"
#include "core/unit.hpp"
#include "fulmar_abi.h"

namespace fulmar {

/// An input or output of an operator.
struct Port {
  std::string name;
  Unit unit;
  std::string description;
  std::string companion;  ///< not empty: made from a file beside the scene; the word tells io/ how
  bool optional = false;
  DType type = DType::f32;   ///< f32, or u8 for flags
  std::string unit_by;       ///< not empty: the choice that the unit follows
  std::vector<Unit> units;   ///< one for each word of that choice
  bool table = false;        ///< a table flows here, no raster
  std::string named_by;      ///< not empty: the choice whose word is its name in products
  std::string each;          ///< of a summary's column: the parameter that tells how often it is there
  bool whole = false;        ///< of a summary's column: its numbers are whole
  std::string whole_unless;  ///< "choice=word" with which they are not
};

enum class ParamType : std::uint8_t { number, integer, boolean, length, choice, text, file };
const char* name_of(ParamType type);

/// A parameter, with everything the command line, the JSON Schema and the help say of it.
struct Param {
  std::string name;
  ParamType type = ParamType::number;
  std::string unit;
  std::string description;
  std::string fallback;  ///< the default as text; empty where there is none
  std::optional<double> minimum, maximum, above, below;
  std::vector<std::string> choices;
  bool required = false;
  bool positional = false;  ///< may be given without its name

  /// "in [0, 1]", "above 0", or empty.
  [[nodiscard]] std::string range() const;
};

/// A checked value of a parameter.
struct ParamValue {
  std::string name;
  double number = 0;
  std::string text;  ///< as the user wrote it
  bool cells = false;
};

/// Reads and checks one parameter. Errors: Errc::usage saying what is wrong and what is allowed.
ParamValue parse_param(const Param& param, const std::string& text);

/// What a plugin says of itself.
struct PluginFacts {
  std::string name, version, license, origin, cuda_archs;
  std::uint32_t abi_major = 0, abi_minor = 0;
  std::string file = {};  ///< its library; empty for one that is part of the program
};

/// Where the tables of operators come from that are known by their schemas alone so far.
class TableSource {
 public:
  virtual ~TableSource() = default;
  /// The table of an operator, from several threads at once. Errors: Errc::usage where it cannot be had.
  virtual const fulmar_operator& table(const std::string& op) = 0;
};

/// An error that an operator has filled. A code that is no exit code of ours is a run-time error, or `otherwise`.
Error error_of(const fulmar_error& error, Errc otherwise = Errc::runtime);

class Operator {
 public:
  /// Reads the schema. Errors: Errc::usage where it is not what the contract says.
  Operator(const fulmar_operator& table, const PluginFacts& plugin);
  Operator(const fulmar_operator& table, const std::string& plugin);
  /// Of a plugin that is not loaded: table() asks `source` for it.
  Operator(std::string_view schema, const PluginFacts& plugin, std::shared_ptr<TableSource> source);

  [[nodiscard]] const fulmar_operator& table() const { return table_ != nullptr ? *table_ : source_->table(name_); }
  [[nodiscard]] const std::string& schema() const { return schema_; }  ///< JSON
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const std::string& plugin() const { return plugin_->name; }
  [[nodiscard]] const PluginFacts& facts() const { return *plugin_; }
  [[nodiscard]] const std::string& summary() const { return summary_; }
  [[nodiscard]] const std::string& kind() const { return kind_; }
  [[nodiscard]] const std::string& example() const { return example_; }
  [[nodiscard]] const std::string& agrees() const { return agrees_; }
  [[nodiscard]] const std::vector<std::string>& cites() const { return cites_; }
  [[nodiscard]] const std::vector<Port>& inputs() const { return inputs_; }
  [[nodiscard]] const std::vector<Port>& outputs() const { return outputs_; }
  [[nodiscard]] const std::vector<Port>& summary_columns() const { return summary_columns_; }  ///< of a reducing one
  [[nodiscard]] const std::vector<Param>& params() const { return params_; }
  [[nodiscard]] const Param* param(std::string_view name) const;
  [[nodiscard]] bool variadic() const { return variadic_; }          ///< takes all bands of the scene at once
  [[nodiscard]] bool outputs_per_band() const { return per_band_; }  ///< makes an output for each band of a date
  /// All outputs flow on, not the first alone: the operator's function sets its Outputs.
  [[nodiscard]] bool all_flow() const { return all_flow_; }
  /// How many bands each date must have; 0 where any number will do.
  [[nodiscard]] std::size_t series_bands() const { return series_bands_; }
  /// True if the table reaches as far as a member that a later version of the contract appended.
  [[nodiscard]] bool has(std::size_t end_of_member) const { return table().size >= end_of_member; }

  /// Calls a function of the table. The contract has no exceptions, but a plugin may throw one all the same: it ends in
  /// an Error that names operator and plugin.
  template <class Call>
  auto guard(Call&& call) const {
    try {
      return call();
    } catch (...) {
      blame();
    }
  }

  /// What is wrong with the schema's words: no verb-first summary, a parameter without unit, range or description, no
  /// example, no source... Empty when it is in order.
  [[nodiscard]] std::vector<std::string> lint() const;

 private:
  void read(std::string_view schema);
  [[noreturn]] void blame() const;

  const fulmar_operator* table_ = nullptr;
  std::shared_ptr<TableSource> source_;
  std::shared_ptr<const PluginFacts> plugin_;
  std::string schema_, name_, summary_, kind_, example_, agrees_;
  std::vector<Port> inputs_, outputs_, summary_columns_;
  std::vector<Param> params_;
  std::vector<std::string> cites_;
  bool variadic_ = false, per_band_ = false, all_flow_ = false;
  std::size_t series_bands_ = 0;
};

/// What a loaded plugin says of itself. Errors: Errc::usage where it was built for another contract, with both numbers.
PluginFacts facts_of(const fulmar_plugin& plugin, const std::string& library = {});
/// Errors: Errc::usage where a plugin of that version of the contract cannot run here, with both numbers.
void check_abi(const PluginFacts& facts);
/// Its operators, read and checked. Errors: Errc::usage.
std::vector<Operator> operators_of(const fulmar_plugin& plugin, const PluginFacts& facts);

class Registry {
 public:
  /// Adds all operators of a plugin. Errors: Errc::usage for another ABI, a broken schema, or a name that is taken.
  void add(const fulmar_plugin& plugin, const std::string& library = {});
  /// Adds operators of one plugin, all or none. Errors: Errc::usage for a name that is taken, saying by whom.
  void add(std::vector<Operator> operators);
  [[nodiscard]] const Operator* find(std::string_view name) const;
  [[nodiscard]] const std::map<std::string, Operator, std::less<>>& operators() const { return operators_; }
  [[nodiscard]] std::vector<std::string> names() const;

 private:
  std::map<std::string, Operator, std::less<>> operators_;
};

}  // namespace fulmar
