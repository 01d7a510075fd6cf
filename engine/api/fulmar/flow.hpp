// SPDX-License-Identifier: Apache-2.0
/// @file
/// A pipeline put together step by step, for programs that would rather not write its text.
#pragma once

#include <initializer_list>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/export.hpp"
#include "core/features.hpp"
#include "fulmar/raster.hpp"

namespace fulmar {

/// Steps of a pipeline: Flow{"scene.tif"}.then("cfar", {{"pfa", 1e-6}}).then("objects").to("ships.gpkg").
/// What it makes is text (see the README's grammar), and nothing is checked before the text is.
class FULMAR_API Flow {
  /// Text, or a raster or a table of the program's and what it is given to: an operator's argument, or nothing where it
  /// is read.
  struct Piece {
    std::string text = {};
    std::shared_ptr<const RasterView> raster = {};
    std::shared_ptr<const FeatureTable> table = {};
    std::string op = {}, argument = {};
    [[nodiscard]] bool holds() const { return raster || table; }
  };
  using Pieces = std::vector<Piece>;

 public:
  /// A value of an argument: a number, a word, or a further input: a flow of its own, a raster or a table of the
  /// program's, which Engine::job() binds: Flow{scene}.then("mask", {{"with", land}}).to("sea").
  class FULMAR_API Value {
   public:
    Value(const char* word);
    Value(const std::string& word);
    Value(const Flow& input);
    Value(RasterView raster);
    Value(std::shared_ptr<const FeatureTable> table);
    template <class T>
    requires std::is_arithmetic_v<T> Value(T number) : pieces_{{written(number)}} {}

   private:
    friend class Flow;
    static std::string written(bool flag);
    static std::string written(double number);
    static std::string written(long long number);
    template <class T>
    static std::string written(T number) {
      if constexpr (std::is_floating_point_v<T>)
        return written(static_cast<double>(number));
      else
        return written(static_cast<long long>(number));
    }
    Pieces pieces_;
  };
  using Arguments = std::initializer_list<std::pair<const char*, Value>>;

  /// A branch, or an input that goes on with what flows: it begins with an operator.
  Flow() = default;
  /// Reads a file, or what Job::input() binds to the name.
  explicit Flow(const std::string& source, Arguments arguments = {});
  /// Reads a raster of the program's, where it lies; or a table.
  explicit Flow(RasterView raster, Arguments arguments = {});
  explicit Flow(std::shared_ptr<const FeatureTable> table, Arguments arguments = {});

  /// Applies an operator.
  Flow& then(const std::string& op, Arguments arguments = {});
  /// Hands what flows to a branch as well.
  Flow& branch(const Flow& steps);
  /// Writes a product: a file, or what Job::output() keeps in memory.
  Flow& to(const std::string& product, Arguments arguments = {});

  /// Its text for a person to read: memory_1, memory_2... stand for the program's rasters and tables. Engine::job()
  /// takes the flow itself, and may name these otherwise in plans and errors, as where a file is called memory_1.
  [[nodiscard]] std::string text() const;

 private:
  friend class Engine;
  Flow& step(const std::string& name, Arguments arguments);
  void add(Pieces pieces);
  void add(Arguments arguments, const std::string& op);
  [[nodiscard]] bool goes_on() const;

  Pieces pieces_;
};

}  // namespace fulmar
