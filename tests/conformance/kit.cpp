// SPDX-License-Identifier: Apache-2.0
// fulmar_conformance --plugin FILE: the laws on the operators of one plugin, one process a law, so that a plugin that
// crashes is told like any other that breaks a law. What `fulmar plugin check` runs.
#include <dlfcn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "conformance/laws_run.hpp"
#include "core/error.hpp"
#include "support/tested.hpp"

namespace fulmar::test {
namespace {

struct Group {
  const char *name, *words, *filter;
  const char* meaning;  ///< what it means for whoever wrote an operator that breaks it
  enum class Of { all, cells, tables } of = Of::cells;
};

/// In the order in which they are run: what breaks an early one makes the later ones unsafe or pointless.
constexpr std::array groups{
    Group{"words", "schema: verb-first summary, units, ranges, descriptions, a source", "*Words.Lint/*",
          "help, signatures and checks of values are made of these words: complete the schema", Group::Of::all},
    Group{"halo", "no cell beyond the declared halo is read, and none written but the outputs", "*HaloHonest.*",
          "a tile holds no more than what is declared: declare what is read, or read less; a function keeps nothing "
          "between cells"},
    Group{"example", "the example parses, prints back, plans and runs", "*Words.ExampleParses*",
          "the example is what users copy: give one that runs", Group::Of::all},
    Group{"agree", "the same bits as the reference, cell by cell, at every place", "*Everywhere.Agree/*",
          "a result must follow from its cells alone: the function keeps a state, or leans on how it is called"},
    Group{"tiles", "the same bits from every tiling", "*Everywhere.TileFree/*",
          "users would see the seams of tiles: more is read than declared, or something is kept from cell to cell"},
    Group{"halo-tight", "rubbish beyond the halo changes nothing; within, it does", "*Law.HaloTight/*",
          "the halo is too small, and results are wrong at the edges of tiles; or too wide, and runs are slow"},
    Group{"gaps", "what lies under a missing cell never leaks; all missing in, all missing out",
          "*Law.Gaps/*:*Law.AllMissingInAllMissingOut/*",
          "a missing cell has no value: ask is_missing() before one counts, and return missing where nothing is known"},
    Group{"threads", "the same bits from any number of threads, and every time again", "*Law.OrderFree/*",
          "something is kept between calls (a static, a cache, a counter): results differ from run to run"},
    Group{"sizes", "rasters of one cell, one row, and on either side of a block's edge",
          "*Law.Sizes/*:*Law.NoCellsIsAClearError/*",
          "it takes for granted that a raster has more cells than this one, or a whole block"},
    Group{"memory", "no more memory and no more reading than the plan says",
          "*Law.Memory/*:*Law.DecodesWhatThePlanSays/*",
          "a budget that users set is not kept: declare what is held (state_bytes, bytes, scratch), or hold nothing"},
    Group{"round", "rasters that go round the earth", "*Round.*",
          "what is told of a cell depends on which column comes first, on a raster that has no first column"},
    Group{
        "rows", "the same rows from tables in any order, and every time again",
        "*TableLaw.RowsMayComeInAnyOrder/*:*TableLaw.TheSameEveryTime/*",
        "files keep no order of rows: sort by what matters, or let the table's words say that its rows come 'in order'",
        Group::Of::tables},
    Group{"empty", "a table without rows makes a table of the same columns, or is refused in words",
          "*TableLaw.ATableMayBeEmpty/*", "a night without ships is no error: columns must not hang on rows",
          Group::Of::tables},
    Group{"columns", "columns are known by name; one that is absent is named",
          "*TableLaw.ColumnsAreKnownByName/*:*TableLaw.AColumnMayBeAbsent/*",
          "find columns by name, with must_find() where there is no doing without, and leave the others alone",
          Group::Of::tables},
    Group{"missing", "a value that is missing stays so, in one column or in all", "*TableLaw.MissingStaysMissing/*",
          "a missing value is NaN: no number may come of it, and no place", Group::Of::tables},
    Group{"values", "texts of any kind come through byte by byte, and numbers of any size break nothing",
          "*TableLaw.TextsAndNumbersMayBeAnything/*",
          "texts are data: do not trim, split or print them by their content without a rule that users know",
          Group::Of::tables},
};

constexpr unsigned time_limit = 600;  // seconds a law

struct Verdict {
  bool held = false;
  int status = -1;
  int cases = 0;
  std::string text;
};

/// Takes the lines that tell what was begun out of a text, and returns the last of them.
std::string take_begun(std::string& text) {
  std::string last, rest;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size() - 1) + 1;
    if (text[at] == begun)
      last = text.substr(at + 1, end - at - 2);
    else
      rest += text.substr(at, end - at);
    at = end;
  }
  text = rest;
  return last;
}

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
  const std::string last_begun = take_begun(v.text);
  const auto slash = last_begun.find('/');
  const std::string where = last_begun.empty()
                                ? ""
                                : "    operator " + last_begun.substr(slash == std::string::npos ? 0 : slash + 1) +
                                      ": " + words_of_name(last_begun) + "\n  ";
  if (WIFSIGNALED(status)) {
    v.text += where;
    v.text += WTERMSIG(status) == SIGALRM ? std::string{"    it did not come to an end within ten minutes\n"}
                                          : std::string{"    it crashed: "} + strsignal(WTERMSIG(status)) + "\n";
    return v;
  }
  while (v.text.ends_with('\n')) v.text.pop_back();
  const auto last = v.text.rfind('\n') == std::string::npos ? 0 : v.text.rfind('\n') + 1;
  v.status = WEXITSTATUS(status);
  v.held = v.status == 0;
  if (v.text.find_first_not_of("0123456789", last) == std::string::npos) {
    v.cases = std::atoi(v.text.c_str() + last);
    v.text.erase(last);
  } else {  // it ended in the middle: what it said last tells why
    v.text = where + v.text + "\n";
  }
  return v;
}

// ---- on a card ----

constexpr int no_twin = 10, shared_runtime = 11, static_runtime = 12;

/// Whether the plugin has device twins, and how it has the CUDA runtime.
int twins_of_plugin(std::FILE* out) {
  std::fputs("0\n", out);
  bool any = false;
  for (const std::string& name : tested_names()) {
    const Operator& op = *tested_registry().find(name);
    constexpr std::size_t steps = offsetof(fulmar_operator, step_cuda) + sizeof(fulmar_operator::step_cuda);
    any = any || op.table().run_cuda != nullptr || (op.has(steps) && op.table().step_cuda != nullptr);
  }
  if (!any) return no_twin;
  void* library = dlopen(tested_plugin().c_str(), RTLD_NOW | RTLD_NOLOAD);
  return library != nullptr && dlsym(library, "cudaLaunchKernel") != nullptr ? shared_runtime : static_runtime;
}

std::string beside_this_program(const char* file) {
  return std::filesystem::read_symlink("/proc/self/exe").parent_path() / file;
}

int become(std::FILE* out, const std::string& program, const char* option, const std::string& argument) {
  dup2(fileno(out), STDOUT_FILENO);
  execl(program.c_str(), program.c_str(), option, argument.c_str(), nullptr);
  return 127;
}

/// The laws on a card or, where there is none, on the interpreter of PTX in the place of the CUDA runtime. Returns how
/// many are broken; `unseen` is set where nothing was looked at.
int check_device(bool& unseen) {
  constexpr const char* words = "the same bits on a card as the reference, in every tiling and size";
  const auto unchecked = [&](const std::string& why) {
    std::printf("not checked %-10s  %s\n", "device", why.c_str());
    unseen = true;
    return 0;
  };
  const int twins = apart(twins_of_plugin).status;
  if (twins == no_twin) return unchecked("it has no device twins");
  const std::string program = beside_this_program("fulmar_device_conformance");
  if (!std::filesystem::exists(program)) return unchecked("this Fulmar was built without CUDA");
  const bool card = apart([&](std::FILE* out) { return become(out, program, "--card", ""); }).held;
  std::string interpreter;
  for (const char* file : {"libfulmar_ptx_runtime.so", "ptx/libfulmar_ptx_runtime.so"})
    if (std::filesystem::exists(beside_this_program(file))) interpreter = beside_this_program(file);
  if (!card && interpreter.empty()) return unchecked("there is no card, and no interpreter of PTX is installed");
  if (!card && twins == static_runtime)
    return unchecked(
        "there is no card, and the CUDA runtime is linked in: built with -DFULMAR_PLUGIN_CUDART=shared, its "
        "kernels can be interpreted");
  const Verdict v = apart([&](std::FILE* out) {
    setenv("FULMAR_CARD_EXPECTED", "1", 1);
    if (!card) setenv("LD_PRELOAD", interpreter.c_str(), 1);
    dup2(fileno(out), STDERR_FILENO);  // what the interpreter finds ends the process with words there
    return become(out, program, "--plugin", tested_plugin());
  });
  std::printf("%-10s  %-10s  %s, %s (%d)\n", v.held ? "ok" : "FAILED", "device", words, card ? "a card" : "interpreted",
              v.cases);
  const bool fault = v.text.find("PTX FAULT") != std::string::npos;
  if (!v.held)
    std::printf("%s    what it means: %s\n", v.text.c_str(),
                fault
                    ? "a kernel does what a card answers with an error, or with another result every time: a cell that "
                      "is not its own, a barrier that is not there"
                    : "a card computes something else: take mathematics from fulmar::math alone, and leave nothing to "
                      "the compiler of one side");
  return v.held ? 0 : 1;
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
  bool lied = false, unseen = false, cells = false, tables = false;
  for (const std::string& name : tested_names())
    (tested_registry().find(name)->kind() == "tabular" ? tables : cells) = true;
  for (const Group& g : groups) {
    if (g.of == (cells ? Group::Of::tables : Group::Of::cells) && !(cells && tables)) continue;
    const bool unsafe = lied && std::strcmp(g.name, "words") != 0;
    if (unsafe) {
      std::printf("not run     %-10s  it would read memory that is not the operator's\n", g.name);
      continue;
    }
    const Verdict v = apart([&](std::FILE* out) { return run_laws(g.filter, out); });
    if (v.held && v.cases == 0) {
      std::printf("no case     %-10s  %s\n", g.name, g.words);
      unseen = true;
      continue;
    }
    std::printf("%-10s  %-10s  %s (%d)\n", v.held ? "ok" : "FAILED", g.name, g.words, v.cases);
    if (!v.held) {
      ++broken;
      std::printf("%s    what it means: %s\n", v.text.c_str(), g.meaning);
    }
    std::fflush(stdout);
    lied = lied || v.text.find("around a cell, but it reads") != std::string::npos;
  }
  if (!lied && cells) broken += check_device(unseen);
  const std::string held = unseen ? "all laws that were checked hold" : "all laws hold";
  std::printf("%s\n", broken == 0 ? held.c_str() : (std::to_string(broken) + " of the laws are broken").c_str());
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
