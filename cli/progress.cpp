// SPDX-License-Identifier: Apache-2.0
#include "cli/progress.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace fulmar::cli {
namespace {

constexpr int ticks = 40;  // a number every four

int step_of(double share, int steps) { return static_cast<int>(std::clamp(share, 0.0, 1.0) * steps + 1e-9); }

}  // namespace

void print_note(const std::string& sentence) { fmt::print(stderr, "fulmar: note: {}\n", sentence); }

Progress::Style Progress::style_of(const std::string& name, bool quiet) {
  if (name == "json") return Style::json;
  if (quiet || name == "none") return Style::none;
  return name == "bar" || isatty(STDERR_FILENO) != 0 ? Style::bar : Style::none;
}

Progress::~Progress() {
  if (style_ == Style::bar && shown_ >= 0 && shown_ < ticks) std::fputs("\n", stderr);
}

void Progress::show(double share) {
  if (style_ == Style::bar) show_bar(share);
  if (style_ == Style::json) show_json(share);
}

void Progress::show_bar(double share) {
  const int now = step_of(share, ticks);
  if (now <= shown_) return;
  while (shown_ < now) {
    ++shown_;
    fmt::print(stderr, "{}", shown_ % 4 == 0 ? std::to_string(100 * shown_ / ticks) : ".");
  }
  if (shown_ == ticks) fmt::print(stderr, " - done.\n");
  std::fflush(stderr);
}

void Progress::show_json(double share) {
  const int now = step_of(share, 100);
  if (now <= shown_) return;
  shown_ = now;
  fmt::print(stderr, "{{\"progress\":{:g}}}\n", now / 100.0);
  std::fflush(stderr);
}

}  // namespace fulmar::cli
