// SPDX-License-Identifier: Apache-2.0
// Runs a recipe with a bar of progress: recipe NAME [INPUT=VALUE...] [--stop SHARE]. Ctrl-C, or a share of the work
// after which to stop, ends the run; products that are not whole do not appear.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fulmar/files.hpp>
#include <fulmar/fulmar.hpp>
#include <map>
#include <stop_token>
#include <string>

namespace {
volatile std::sig_atomic_t interrupted = 0;
void interrupt(int) { interrupted = 1; }
}  // namespace

int main(int count, char** words) {
  if (count < 2) {
    for (const std::string& name : fulmar::Engine::recipes()) std::printf("%s\n", name.c_str());
    return 0;
  }
  std::map<std::string, std::string> inputs;
  double stop_at = 2;
  for (int i = 2; i < count; ++i) {
    const std::string word = words[i];
    const auto equals = word.find('=');
    if (word == "--stop" && i + 1 < count)
      stop_at = std::atof(words[++i]);
    else
      inputs[word.substr(0, equals)] = equals == std::string::npos ? "" : word.substr(equals + 1);
  }
  std::signal(SIGINT, interrupt);  // the program's own affair: Fulmar never touches signals
  std::stop_source stop;
  try {
    const fulmar::Engine engine{{.files = fulmar::files(), .log = [](const std::string& sentence) {
                                   std::fprintf(stderr, "\rnote: %s\n", sentence.c_str());
                                 }}};
    const auto result = engine.recipe(words[1], inputs)
                            .overwrite()
                            .run({.progress =
                                      [&](double share) {
                                        const std::string bar(static_cast<std::size_t>(40 * share), '=');
                                        std::fprintf(stderr, "\r[%-40s] %3.0f %%", bar.c_str(), 100 * share);
                                        if (interrupted != 0 || share >= stop_at) stop.request_stop();
                                      },
                                  .stop = stop.get_token()});
    std::fprintf(stderr, "\n");
    for (const std::string& file : result.files) std::printf("%s\n", file.c_str());
  } catch (const fulmar::Error& error) {
    std::fprintf(stderr, "\n%s\n", error.what());
    return static_cast<int>(error.code());
  }
}
