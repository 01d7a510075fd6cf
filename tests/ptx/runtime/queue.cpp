// SPDX-License-Identifier: Apache-2.0
#include "runtime/queue.hpp"

#include <algorithm>

namespace fulmar::ptx {
namespace {

void join(Clock& into, const Clock& other) {
  if (into.size() < other.size()) into.resize(other.size());
  for (std::size_t k = 0; k < other.size(); ++k) into[k] = std::max(into[k], other[k]);
}

}  // namespace

Queues::Queues(Device& device) : device_{device}, random_{device.options.seed * 0x9E3779B97F4A7C15u | 1} {
  table_.emplace_back();
  create(true);  // the default stream
}

Stream* Queues::create(bool blocking) {
  auto& s = streams_.emplace_back(std::make_unique<Stream>());
  s->number = numbers_++;
  s->blocking = blocking;
  return s.get();
}

void Queues::destroy(Stream* stream) {
  run_until([&] { return stream->work.empty(); });
  std::erase_if(streams_, [&](const auto& s) { return s.get() == stream; });
}

Stream& Queues::of(void* handle) {
  // 1 and 2 are the legacy and the per-thread default stream.
  if (reinterpret_cast<std::uintptr_t>(handle) <= 2) return *streams_[0];
  for (const auto& s : streams_)
    if (s.get() == handle) return *s;
  throw Fault(FaultKind::misuse, "a stream that does not exist (destroyed?)");
}

void Queues::push(Stream& s, std::string what, std::function<void()> run) {
  Stream& standard = *streams_[0];
  const bool is_default = &s == &standard;
  if (is_default) {
    for (const auto& other : streams_)
      if (other->blocking && other.get() != &s) {
        run_until([&] { return other->work.empty(); });
        join(s.clock, other->clock);
      }
  } else if (s.blocking) {
    join(s.clock, standard.clock);
  }
  join(s.clock, host_);
  if (s.clock.size() <= s.number) s.clock.resize(s.number + 1);
  const std::uint32_t time = ++s.clock[s.number];
  const auto number = static_cast<std::uint32_t>(table_.size());
  table_.push_back({std::move(what), s.number, time, s.clock});
  s.work.push_back({std::move(run), number, nullptr});
  if (is_default || !device_.options.defer) run_until([&] { return s.work.empty(); });
}

void Queues::record(Stream& s, Event& event) {
  auto r = std::make_shared<Recorded>();
  join(s.clock, host_);
  r->clock = s.clock;
  event.last = r;
  s.work.push_back({[r] { r->done = true; }, 0, nullptr});
  if (&s == streams_[0].get() || !device_.options.defer) run_until([&] { return s.work.empty(); });
}

void Queues::wait(Stream& s, const Event& event) {
  if (!event.last) return;  // as the runtime does for an event that was never recorded
  join(s.clock, event.last->clock);
  if (!event.last->done) s.work.push_back({[] {}, 0, event.last});
}

bool Queues::ready(const Stream& s) const {
  return !s.work.empty() && (!s.work.front().until || s.work.front().until->done);
}

void Queues::run_front(Stream& s) {
  Work w = std::move(s.work.front());
  s.work.pop_front();
  running_ = w.number;
  try {
    w.run();
  } catch (...) {
    running_ = 0;
    throw;
  }
  running_ = 0;
}

bool Queues::step() {
  std::vector<Stream*> able;
  for (const auto& s : streams_)
    if (ready(*s)) able.push_back(s.get());
  if (able.empty()) return false;
  random_ ^= random_ << 13;
  random_ ^= random_ >> 7;
  random_ ^= random_ << 17;
  run_front(*able[(random_ >> 32) % able.size()]);
  return true;
}

void Queues::run_until(const std::function<bool()>& done) {
  if (running_) return;  // a callback asks: its own stream cannot go on before it returns
  while (!done())
    if (!step()) throw Fault(FaultKind::deadlock, "streams wait for events in a circle");
}

void Queues::synchronize(Stream& s) {
  run_until([&] { return s.work.empty(); });
  join(host_, s.clock);
}

void Queues::synchronize(const Event& event) {
  if (!event.last) return;
  run_until([&] { return event.last->done; });
  join(host_, event.last->clock);
}

void Queues::synchronize_all() {
  for (std::size_t k = 0; k < streams_.size(); ++k) synchronize(*streams_[k]);
}

bool Queues::query(Stream& s) {
  if (!s.work.empty()) step();
  if (!s.work.empty()) return false;
  join(host_, s.clock);
  return true;
}

bool Queues::query(const Event& event) {
  if (!event.last) return true;
  if (!event.last->done) step();
  if (!event.last->done) return false;
  join(host_, event.last->clock);
  return true;
}

void Queues::drop() {
  for (const auto& s : streams_) {
    for (const Work& w : s->work)
      if (w.number == 0) w.run();  // events: nobody is to wait for ever
    s->work.clear();
  }
}

bool Queues::before(std::uint32_t earlier) const {
  const Entry& e = table_[earlier];
  const Clock& now = table_[running_].clock;
  return e.stream < now.size() && now[e.stream] >= e.time;
}

std::string Queues::touch_granule(std::uint64_t address, bool writes) {
  if (!device_.options.order || !running_) return {};
  Use& u = device_.memory.use(address);
  const auto check = [&](std::uint32_t other, const char* did) -> std::string {
    if (!other || other == running_ || before(other)) return {};
    return "'" + table_[other].what + "' (stream " + std::to_string(table_[other].stream) + ") " + did + " it, and '" +
           table_[running_].what + "' (stream " + std::to_string(table_[running_].stream) +
           ") is not ordered with it: an event is missing";
  };
  std::string wrong = check(u.write, "wrote");
  if (writes)
    for (const std::uint32_t r : u.read)
      if (wrong.empty()) wrong = check(r, "read");
  if (writes) {
    u = {running_, {0, 0}};
  } else if (u.read[0] != running_) {
    u.read[1] = u.read[0];
    u.read[0] = running_;
  }
  return wrong;
}

void Queues::touch(std::uint64_t address, std::uint64_t bytes, bool writes) {
  const std::uint64_t granule = DeviceMemory::granule;
  for (std::uint64_t a = address / granule * granule; a < address + bytes; a += granule)
    if (const std::string wrong = touch_granule(std::max(a, address), writes); !wrong.empty())
      throw Fault(FaultKind::stream_order,
                  "'" + table_[running_].what + "' " + (writes ? "writes" : "reads") + " device memory: " + wrong);
}

}  // namespace fulmar::ptx
