// SPDX-License-Identifier: Apache-2.0
/// @file
/// Runs laws and tells what broke, shortly: what the two programs of the conformance kit share.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <cctype>
#include <cstdio>
#include <sstream>
#include <string>
#include <vector>

namespace fulmar::test {

/// "all missing in all missing out" of AllMissingInAllMissingOut.
inline std::string words_of_name(const std::string& name) {
  std::string words;
  for (const char c : name.substr(0, name.find('/'))) {
    if (std::isupper(static_cast<unsigned char>(c)) != 0 && !words.empty()) words += ' ';
    words += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return words;
}

/// Begins a line that tells which law on which operator is looked at now.
inline constexpr char begun = '\1';

/// What a failed check saw, without the code that looked: the words that a law gives, or the text or the numbers that
/// it compared.
inline std::string seen_in(const std::string& check) {
  if (check.starts_with("Failed\n")) return check.substr(7);
  std::vector<std::string> values, words;
  std::istringstream lines{check};
  for (std::string line; std::getline(lines, line);) {
    if (const auto at = line.find("Which is: "); at != std::string::npos)
      values.push_back(line.substr(at + 10));
    else if (const auto told = line.find(", actual: "); told != std::string::npos)
      values.push_back(line.substr(told + 10));
    else if (!line.empty() && !line.starts_with(" ") && !line.starts_with("Expected") &&
             !line.starts_with("Value of") && !line.starts_with("With diff") && !line.starts_with("@@") &&
             line[0] != '+' && line[0] != '-' && line[0] != '"')
      words.push_back(line);
  }
  // A text that should have been empty says what was seen.
  for (const std::string& value : values)
    if (value.size() > 2 && value.front() == '"') words.insert(words.begin(), value.substr(1, value.size() - 2));
  std::string all;
  for (const std::string& line : words) all += (all.empty() ? "" : "\n") + line;
  if (all.empty()) return check;
  if (!values.empty() && values.front().front() != '"') {
    all += " (";
    for (const std::string& value : values) all += (&value == values.data() ? "" : " and ") + value;
    all += ")";
  }
  return all;
}

/// Counts what ran, and hands the first words of each failure to the parent: the operator, the law, what was seen, and
/// with which pipeline.
class Reporter : public testing::EmptyTestEventListener {
 public:
  explicit Reporter(std::FILE* to) : to_{to} {}
  void OnTestPartResult(const testing::TestPartResult& part) override {
    if (!part.failed()) return;
    if (++of_this_ > most_) return;
    const auto slash = name_.find('/');
    if (of_this_ == 1)
      std::fprintf(to_, "    operator %s: %s\n", name_.substr(slash == std::string::npos ? 0 : slash + 1).c_str(),
                   words_of_name(name_).c_str());
    std::string text = part.summary();
    const auto trace = text.find("Google Test trace:\n");
    std::vector<std::string> with;
    if (trace != std::string::npos) {
      std::istringstream lines{text.substr(trace + 19)};
      for (std::string line; std::getline(lines, line);)  // FILE:LINE: words
        if (const auto colon = line.find(": "); colon != std::string::npos) with.push_back(line.substr(colon + 2));
      text.erase(trace);
    }
    std::istringstream lines{seen_in(text)};
    for (std::string line; std::getline(lines, line);) std::fprintf(to_, "      %s\n", line.c_str());
    for (const std::string& line : with) std::fprintf(to_, "        with %s\n", line.c_str());
    std::fflush(to_);
  }
  // The name is kept: while a part is told, Google Test holds the lock under which it could be asked for.
  void OnTestStart(const testing::TestInfo& test) override {
    name_ = test.name();
    of_this_ = 0;
    // Whoever reads knows by it what ran when the process ended.
    std::fprintf(to_, "%c%s\n", begun, test.name());
    std::fflush(to_);
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
