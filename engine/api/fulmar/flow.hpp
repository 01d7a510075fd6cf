// SPDX-License-Identifier: Apache-2.0
/// @file
/// A pipeline put together step by step, for programs that would rather not write its text.
#pragma once

#include <initializer_list>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/export.hpp"

namespace fulmar {

/// Steps of a pipeline: Flow{"scene.tif"}.then("cfar", {{"pfa", 1e-6}}).then("objects").to("ships.gpkg").
/// What it makes is text (see the README's grammar), and nothing is checked before the text is.
class FULMAR_API Flow {
 public:
  /// A value of an argument: a number, a word, or a flow of its own, as a second input is.
  class FULMAR_API Value {
   public:
    Value(const char* word);
    Value(const std::string& word);
    Value(const Flow& input);
    template <class T>
    requires std::is_arithmetic_v<T> Value(T number) : text_{written(number)} {}
    [[nodiscard]] const std::string& text() const { return text_; }

   private:
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
    std::string text_;
  };
  using Arguments = std::initializer_list<std::pair<const char*, Value>>;

  /// A branch, or an input that goes on with what flows: it begins with an operator.
  Flow() = default;
  /// Reads a file, or what Job::input() binds to the name.
  explicit Flow(const std::string& source, Arguments arguments = {});

  /// Applies an operator.
  Flow& then(const std::string& op, Arguments arguments = {});
  /// Hands what flows to a branch as well.
  Flow& branch(const Flow& steps);
  /// Writes a product: a file, or what Job::output() keeps in memory.
  Flow& to(const std::string& product, Arguments arguments = {});

  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  Flow& step(const std::string& name, Arguments arguments);
  std::string text_;
};

}  // namespace fulmar
