// SPDX-License-Identifier: Apache-2.0
#include "fulmar/flow.hpp"

#include <array>
#include <charconv>

#include "plan/pipeline.hpp"

namespace fulmar {

namespace {
template <class T>
std::string shortest(T number) {
  std::array<char, 64> out{};
  return {out.data(), std::to_chars(out.data(), out.data() + out.size(), number).ptr};
}
}  // namespace

Flow::Value::Value(const char* word) : Value{std::string{word}} {}
Flow::Value::Value(const std::string& word) : text_{join_words({word})} {}
Flow::Value::Value(const Flow& input) : text_{"[ " + input.text() + " ]"} {}
std::string Flow::Value::written(bool flag) { return flag ? "true" : "false"; }
std::string Flow::Value::written(double number) { return shortest(number); }
std::string Flow::Value::written(long long number) { return shortest(number); }

Flow::Flow(const std::string& source, Arguments arguments) {
  text_ = join_words({source});
  for (const auto& [name, value] : arguments) text_ += std::string{" --"} + name + " " + value.text();
}

Flow& Flow::step(const std::string& name, Arguments arguments) {
  text_ += (text_.empty() ? "! " : " ! ") + join_words({name});
  for (const auto& [argument, value] : arguments) text_ += std::string{" --"} + argument + " " + value.text();
  return *this;
}

Flow& Flow::then(const std::string& op, Arguments arguments) { return step(op, arguments); }
Flow& Flow::to(const std::string& product, Arguments arguments) { return step(product, arguments); }

Flow& Flow::branch(const Flow& steps) {
  text_ += " ! [ " + (steps.text_.starts_with("! ") ? steps.text_.substr(2) : steps.text_) + " ]";
  return *this;
}

}  // namespace fulmar
