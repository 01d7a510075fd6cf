// SPDX-License-Identifier: Apache-2.0
/// @file
/// Runs laws and tells what broke, shortly: what the two programs of the conformance kit share.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <string>

namespace fulmar::test {

/// Counts what ran, and hands the first words of each failure to the parent.
class Reporter : public testing::EmptyTestEventListener {
 public:
  explicit Reporter(std::FILE* to) : to_{to} {}
  void OnTestPartResult(const testing::TestPartResult& part) override {
    if (!part.failed()) return;
    if (++of_this_ > most_) return;
    if (of_this_ == 1) std::fprintf(to_, "    %s\n", name_.c_str());
    std::string text = part.summary();
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = std::min(text.find('\n', at), text.size());
      std::fprintf(to_, "      %s\n", text.substr(at, end - at).c_str());
      at = end + 1;
    }
    std::fflush(to_);
  }
  // The name is kept: while a part is told, Google Test holds the lock under which it could be asked for.
  void OnTestStart(const testing::TestInfo& test) override {
    name_ = test.name();
    of_this_ = 0;
  }
  void OnTestEnd(const testing::TestInfo&) override { ++ran_; }
  [[nodiscard]] int ran() const { return ran_; }

 private:
  static constexpr int most_ = 2;
  std::FILE* to_;
  std::string name_;
  int of_this_ = 0, ran_ = 0;
};

/// Returns 0 where all hold. The last line written is how many cases there were.
inline int run_laws(const char* filter, std::FILE* out) {
  int count = 1;
  std::array<char*, 2> words{const_cast<char*>("fulmar_conformance"), nullptr};
  testing::InitGoogleTest(&count, words.data());
  testing::GTEST_FLAG(filter) = filter;
  auto& listeners = testing::UnitTest::GetInstance()->listeners();
  delete listeners.Release(listeners.default_result_printer());
  auto* reporter = new Reporter{out};
  listeners.Append(reporter);
  const int status = RUN_ALL_TESTS();
  std::fprintf(out, "%d\n", reporter->ran());
  return status;
}

}  // namespace fulmar::test
