// SPDX-License-Identifier: Apache-2.0
/// @file
/// Streams and events. Work is queued and run as late as the program allows, the streams in random order; and what two
/// pieces of work touch is checked to be ordered by a stream, an event or the host, in whatever order they really ran.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "exec/launch.hpp"

namespace fulmar::ptx {

/// How many pieces of work of each stream came before, by the number of the stream (0: the host).
using Clock = std::vector<std::uint32_t>;

struct Recorded;

struct Work {
  std::function<void()> run;
  std::uint32_t number = 0;         ///< in the table of what was queued; 0: it touches nothing
  std::shared_ptr<Recorded> until;  ///< an event that must have happened
};

struct Stream {
  std::uint32_t number = 0;
  bool blocking = true;  ///< waits for the default stream, and it for this one
  std::deque<Work> work;
  Clock clock;
};

/// One cudaEventRecord.
struct Recorded {
  Clock clock;
  bool done = false;
};

struct Event {
  std::shared_ptr<Recorded> last;  ///< null: never recorded
};

class Queues {
 public:
  explicit Queues(Device& device);

  Stream* create(bool blocking);
  void destroy(Stream* stream);
  /// The stream of a handle; the default stream for null and the legacy and per-thread handles.
  Stream& of(void* handle);

  /// Queues work; `what` names it in reports. Runs it at once where work is not deferred.
  void push(Stream& stream, std::string what, std::function<void()> run);
  void record(Stream& stream, Event& event);
  void wait(Stream& stream, const Event& event);

  /// Run until all of it is done; the host knows then that it happened.
  void synchronize(Stream& stream);
  void synchronize(const Event& event);
  void synchronize_all();
  /// Some of it, for a query; true if all is done.
  bool query(Stream& stream);
  bool query(const Event& event);

  /// Forgets what is queued: after a fault.
  void drop();

  /// What the running work touches. Throws Fault if another piece of work touched it that is not ordered with it.
  void touch(std::uint64_t address, std::uint64_t bytes, bool writes);
  /// For one granule of device memory: what is wrong, or nothing.
  std::string touch_granule(std::uint64_t address, bool writes);
  std::uint32_t running() const { return running_; }

 private:
  struct Entry {
    std::string what;
    std::uint32_t stream = 0;
    std::uint32_t time = 0;
    Clock clock;  ///< what came before it
  };
  bool ready(const Stream& s) const;
  bool step();
  void run_front(Stream& s);
  void run_until(const std::function<bool()>& done);
  bool before(std::uint32_t earlier) const;

  Device& device_;
  std::vector<std::unique_ptr<Stream>> streams_;
  std::deque<Entry> table_;
  Clock host_;
  std::uint32_t running_ = 0;
  std::uint64_t random_;
  std::uint32_t numbers_ = 0;
};

}  // namespace fulmar::ptx
