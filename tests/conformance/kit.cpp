// SPDX-License-Identifier: Apache-2.0
// fulmar_conformance --plugin FILE: the laws on the operators of one plugin, one process a law, so that a plugin that
// crashes is told like any other that breaks a law. What `fulmar plugin check` runs.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "support/tested.hpp"

namespace fulmar::test {
namespace {

struct Group {
  const char *name, *words, *filter;
};

/// In the order in which they are run: what breaks an early one makes the later ones unsafe or pointless.
constexpr std::array groups{
    Group{"words", "schema: verb-first summary, units, ranges, descriptions, a source", "*Words.Lint/*"},
    Group{"halo", "no cell beyond the declared halo is read, and none written but the outputs", "*HaloHonest.*"},
    Group{"example", "the example parses, prints back, plans and runs", "*Words.ExampleParses*"},
    Group{"agree", "the same bits as the reference, cell by cell, at every place", "*Everywhere.Agree/*"},
    Group{"tiles", "the same bits from every tiling", "*Everywhere.TileFree/*"},
    Group{"halo-tight", "rubbish beyond the halo changes nothing; within, it does", "*Law.HaloTight/*"},
    Group{"gaps", "what lies under a missing cell never leaks; all missing in, all missing out",
          "*Law.Gaps/*:*Law.AllMissingInAllMissingOut/*"},
    Group{"threads", "the same bits from any number of threads, and every time again", "*Law.OrderFree/*"},
    Group{"sizes", "rasters of one cell, one row, and on either side of a block's edge",
          "*Law.Sizes/*:*Law.NoCellsIsAClearError/*"},
    Group{"memory", "no more memory and no more reading than the plan says",
          "*Law.Memory/*:*Law.DecodesWhatThePlanSays/*"},
    Group{"round", "rasters that go round the earth", "*Round.*"},
};

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

int run_laws(const char* filter, std::FILE* out) {
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

constexpr unsigned time_limit = 600;  // seconds a law

struct Verdict {
  bool held = false;
  int cases = 0;
  std::string text;
};

/// Runs `work` in a process of its own, which writes into a file whose last line is how many cases there were.
template <class Work>
Verdict apart(Work&& work) {
  std::FILE* file = std::tmpfile();
  if (file == nullptr) fail(Errc::runtime, "no temporary file can be made");
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child < 0) fail(Errc::runtime, "no process can be started");
  if (child == 0) {
    int status = 1;
    alarm(time_limit);
    try {
      status = work(file);
    } catch (const std::exception& e) {
      std::fprintf(file, "    %s\n0\n", e.what());
    }
    std::fflush(nullptr);
    _exit(status);
  }
  int status = 0;
  waitpid(child, &status, 0);
  Verdict v;
  std::rewind(file);
  std::array<char, 4096> piece{};
  while (const std::size_t n = std::fread(piece.data(), 1, piece.size(), file)) v.text.append(piece.data(), n);
  std::fclose(file);
  if (WIFSIGNALED(status)) {
    v.text += WTERMSIG(status) == SIGALRM ? std::string{"    it did not come to an end within ten minutes\n"}
                                          : std::string{"    it crashed: "} + strsignal(WTERMSIG(status)) + "\n";
    return v;
  }
  while (v.text.ends_with('\n')) v.text.pop_back();
  const auto last = v.text.rfind('\n') == std::string::npos ? 0 : v.text.rfind('\n') + 1;
  v.cases = std::atoi(v.text.c_str() + last);
  v.text.erase(last);
  v.held = WEXITSTATUS(status) == 0;
  return v;
}

int check(const std::string& library) {
  std::printf("%s\n", library.c_str());
  const Verdict loaded = apart([](std::FILE* out) {
    for (const std::string& name : tested_names()) {
      const Operator& op = *tested_registry().find(name);
      static_cast<void>(op.table());
      std::fprintf(out, "  %s: %s\n", name.c_str(), op.summary().c_str());
    }
    std::fprintf(out, "%zu\n", tested_names().size());
    return 0;
  });
  std::fputs(loaded.text.c_str(), stdout);
  if (!loaded.held) return std::puts("FAILED      it cannot be loaded"), 1;
  if (loaded.cases == 0) return std::puts("FAILED      it has no operators"), 1;
  int broken = 0;
  bool lied = false;
  for (const Group& g : groups) {
    const bool unsafe = lied && std::strcmp(g.name, "words") != 0;
    if (unsafe) {
      std::printf("not run     %-10s  it would read memory that is not the operator's\n", g.name);
      continue;
    }
    const Verdict v = apart([&](std::FILE* out) { return run_laws(g.filter, out); });
    if (v.held && v.cases == 0) {
      std::printf("no case     %-10s  %s\n", g.name, g.words);
      continue;
    }
    std::printf("%-10s  %-10s  %s (%d)\n", v.held ? "ok" : "FAILED", g.name, g.words, v.cases);
    if (!v.held) ++broken, std::fputs(v.text.c_str(), stdout);
    std::fflush(stdout);
    lied = lied || v.text.find("around a cell, but it reads") != std::string::npos;
  }
  std::printf("%s\n", broken == 0 ? "all laws hold" : (std::to_string(broken) + " of the laws are broken").c_str());
  return broken == 0 ? 0 : 1;
}

}  // namespace
}  // namespace fulmar::test

int main(int argc, char** argv) {
  if (argc != 3 || std::string{argv[1]} != "--plugin")
    return std::fputs("usage: fulmar_conformance --plugin FILE\n", stderr), 2;
  try {
    fulmar::test::tested_plugin() = std::filesystem::absolute(argv[2]).lexically_normal().string();
    return fulmar::test::check(fulmar::test::tested_plugin());
  } catch (const std::exception& e) {
    return std::fprintf(stderr, "fulmar_conformance: %s\n", e.what()), 1;
  }
}
