// SPDX-License-Identifier: Apache-2.0
/// Runs a fuzz target where there is no libFuzzer: every file of a corpus, then changes of these until the time is up.
/// Usage: fuzz_NAME SECONDS CORPUS [SEED]. What crashes or takes longer than five seconds is left as crash-NAME.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <vector>

#include "fuzz/fuzz.hpp"

namespace {

using Bytes = std::vector<std::uint8_t>;

std::string crash_name;
const Bytes* current = nullptr;

void keep(int signal) {
  // Nothing else is left to be done: that this is no signal-safe way matters little.
  if (current != nullptr) {
    if (std::FILE* file = std::fopen(crash_name.c_str(), "wb")) {
      std::fwrite(current->data(), 1, current->size(), file);
      std::fclose(file);
    }
    std::fprintf(stderr, "signal %d; the input is in %s\n", signal, crash_name.c_str());
  }
  std::_Exit(1);
}

class Mutator {
 public:
  Mutator(std::vector<Bytes> corpus, std::uint64_t seed) : corpus_{std::move(corpus)}, random_{seed} {}

  Bytes next() {
    Bytes bytes = any();
    for (std::size_t n = 1 + below(4); n > 0; --n) change(bytes);
    constexpr std::size_t longest = 1 << 15;
    if (bytes.size() > longest) bytes.resize(longest);
    return bytes;
  }

 private:
  std::size_t below(std::size_t n) { return n == 0 ? 0 : random_() % n; }
  const Bytes& any() { return corpus_[below(corpus_.size())]; }
  static Bytes::iterator at(Bytes& bytes, std::size_t place) {
    return bytes.begin() + static_cast<std::ptrdiff_t>(place);
  }

  void change(Bytes& bytes) {
    static constexpr std::array<const char*, 24> words{"nan", "inf",  "-1", "0",      "1e999",   "99999999999999999999",
                                                       "\"",  "'",    "{",  "}",      "[",       "]",
                                                       "(",   "((((", "!",  "\xff",   "\\u",     "\xc3\xa9",
                                                       ",",   "\n",   "--", "-0.0e-", "1970-01", "/"};
    const auto place = below(bytes.size() + 1);
    switch (below(7)) {
      case 0:
        if (place < bytes.size()) bytes[place] ^= static_cast<std::uint8_t>(1U << below(8));
        break;
      case 1:
        if (place < bytes.size()) bytes[place] = static_cast<std::uint8_t>(below(256));
        break;
      case 2:
        bytes.erase(at(bytes, place), at(bytes, place + below(std::min<std::size_t>(bytes.size() - place, 64) + 1)));
        break;
      case 3: {
        const std::string word = words[below(words.size())];
        bytes.insert(at(bytes, place), word.begin(), word.end());
        break;
      }
      case 4: {  // a piece of some other
        const Bytes& other = any();
        const auto from = below(other.size() + 1), count = below(std::min<std::size_t>(other.size() - from, 128) + 1);
        const Bytes piece(other.begin() + static_cast<std::ptrdiff_t>(from),
                          other.begin() + static_cast<std::ptrdiff_t>(from + count));
        bytes.insert(at(bytes, place), piece.begin(), piece.end());
        break;
      }
      case 5: {  // a piece of its own, again and again
        const auto count = below(std::min<std::size_t>(bytes.size() - place, 24) + 1);
        const Bytes piece(at(bytes, place), at(bytes, place + count));
        for (std::size_t n = below(40); n > 0; --n) bytes.insert(at(bytes, place), piece.begin(), piece.end());
        break;
      }
      default:  // a digit becomes another
        for (std::size_t i = place; i < bytes.size(); ++i)
          if (bytes[i] >= '0' && bytes[i] <= '9') {
            bytes[i] = static_cast<std::uint8_t>('0' + below(10));
            break;
          }
    }
  }

  std::vector<Bytes> corpus_;
  std::mt19937_64 random_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: %s SECONDS CORPUS [SEED]\n", argv[0]);
    return 2;
  }
  crash_name = "crash-" + std::filesystem::path{argv[0]}.filename().string();
  for (const int signal : {SIGSEGV, SIGABRT, SIGFPE, SIGILL, SIGBUS, SIGALRM}) std::signal(signal, keep);
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator{argv[2]})
    if (entry.is_regular_file()) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  std::vector<Bytes> corpus;
  for (const auto& path : files) {
    std::ifstream file{path, std::ios::binary};
    corpus.emplace_back(std::istreambuf_iterator<char>{file}, std::istreambuf_iterator<char>{});
  }
  if (corpus.empty()) {
    std::fprintf(stderr, "%s holds no file\n", argv[2]);
    return 2;
  }
  std::size_t runs = 0;
  const auto run = [&](const Bytes& bytes) {
    current = &bytes;
    alarm(5);
    LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
    alarm(0);
    ++runs;
  };
  run({});
  for (const Bytes& bytes : corpus) run(bytes);
  Mutator mutator{corpus, argc > 3 ? std::strtoull(argv[3], nullptr, 10) : 1};
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(std::strtod(argv[1], nullptr));
  while (std::chrono::steady_clock::now() < end) run(mutator.next());
  std::printf("%zu inputs from %zu files, none of them trouble\n", runs, corpus.size());
  return 0;
}
