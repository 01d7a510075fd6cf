// SPDX-License-Identifier: Apache-2.0
#include "fulmar/flow.hpp"

#include <array>
#include <charconv>
#include <utility>

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
Flow::Value::Value(const std::string& word) : pieces_{{join_words({word})}} {}
Flow::Value::Value(const Flow& input) : pieces_{{"[ "}} {
  pieces_.insert(pieces_.end(), input.pieces_.begin(), input.pieces_.end());
  pieces_.push_back({" ]"});
}
Flow::Value::Value(RasterView raster) : pieces_{{{}, std::make_shared<const RasterView>(std::move(raster))}} {}
Flow::Value::Value(std::shared_ptr<const FeatureTable> table) : pieces_{{{}, nullptr, std::move(table)}} {
  if (!pieces_.front().table) fail(Errc::usage, "a table that is given to a flow is none");
}
std::string Flow::Value::written(bool flag) { return flag ? "true" : "false"; }
std::string Flow::Value::written(double number) { return shortest(number); }
std::string Flow::Value::written(long long number) { return shortest(number); }

Flow::Flow(const std::string& source, Arguments arguments) : pieces_{{join_words({source})}} { add(arguments, ""); }
Flow::Flow(RasterView raster, Arguments arguments) : pieces_{Value{std::move(raster)}.pieces_} { add(arguments, ""); }
Flow::Flow(std::shared_ptr<const FeatureTable> table, Arguments arguments) : pieces_{Value{std::move(table)}.pieces_} {
  add(arguments, "");
}

void Flow::add(Pieces pieces) { pieces_.insert(pieces_.end(), pieces.begin(), pieces.end()); }

void Flow::add(Arguments arguments, const std::string& op) {
  for (const auto& [name, value] : arguments) {
    add({{std::string{" --"} + name + " "}});
    add(value.pieces_);
    if (value.pieces_.size() == 1) pieces_.back().op = op, pieces_.back().argument = name;
  }
}

Flow& Flow::step(const std::string& name, Arguments arguments) {
  add({{(pieces_.empty() ? "! " : " ! ") + join_words({name})}});
  add(arguments, name);
  return *this;
}

Flow& Flow::then(const std::string& op, Arguments arguments) { return step(op, arguments); }
Flow& Flow::to(const std::string& product, Arguments arguments) { return step(product, arguments); }

bool Flow::goes_on() const { return !pieces_.empty() && pieces_.front().text.starts_with("! "); }

Flow& Flow::branch(const Flow& steps) {
  Pieces within = steps.pieces_;
  if (steps.goes_on()) within.front().text.erase(0, 2);
  add({{" ! [ "}});
  add(std::move(within));
  add({{" ]"}});
  return *this;
}

std::string Flow::text() const {
  std::string text;
  int count = 0;
  for (const Piece& piece : pieces_) text += piece.holds() ? "memory_" + std::to_string(++count) : piece.text;
  return text;
}

}  // namespace fulmar
