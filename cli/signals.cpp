// SPDX-License-Identifier: Apache-2.0
#include "cli/signals.hpp"

#include <csignal>

namespace fulmar::cli {
namespace {

std::atomic<bool> asked_to_stop{false};
std::atomic<int> signal_seen{0};
static_assert(std::atomic<bool>::is_always_lock_free && std::atomic<int>::is_always_lock_free,
              "a signal handler may touch nothing else");

extern "C" void on_signal(int number) {
  if (asked_to_stop.exchange(true)) {
    std::signal(number, SIG_DFL);
    std::raise(number);
    return;
  }
  signal_seen = number;
}

}  // namespace

const std::atomic<bool>& catch_signals() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;  // reads and writes under way go on
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGHUP, &action, nullptr);
  // A file too large for the limits of the shell is a write that fails, and told as one.
  std::signal(SIGXFSZ, SIG_IGN);
  return asked_to_stop;
}

int exit_code_of_signal() { return 128 + (signal_seen == 0 ? SIGINT : signal_seen.load()); }

}  // namespace fulmar::cli
