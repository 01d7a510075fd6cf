// SPDX-License-Identifier: Apache-2.0
// The door to threads by the C++ library alone, for the thread sanitizer: it sees no order of events in a TBB that was
// not itself built with it, and sees all of it here. Simple, and slow: one lock for everything.
#include <condition_variable>
#include <deque>
#include <exception>
#include <map>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "exec/parallel.hpp"
#include "exec/version.hpp"

namespace fulmar::parallel {
namespace {

/// A loop that several threads of a team share.
struct Loop {
  const std::function<void(std::size_t)>& use;
  std::size_t count, next = 0, running = 0;
  std::exception_ptr failure;
};

/// The threads of one pipeline.
class Team {
 public:
  Team(int tokens, const std::function<void*()>& first, const std::function<void(void*)>& middle,
       const std::function<void(void*)>& last)
      : tokens_{tokens}, first_{first}, middle_{middle}, last_{last} {}

  void run(int threads) {
    std::vector<std::thread> others;
    for (int i = 1; i < threads; ++i) others.emplace_back([this, i] { work(static_cast<std::size_t>(i)); });
    work(0);
    for (std::thread& t : others) t.join();
    if (failure_) std::rethrow_exception(failure_);
  }

  void share(std::size_t count, const std::function<void(std::size_t)>& use) {
    Loop loop{use, count, 0, 0, {}};
    std::unique_lock lock{mutex_};
    loops_.push_back(&loop);
    wake_.notify_all();
    while (loop.next < loop.count) step(loop, lock);
    std::erase(loops_, &loop);
    wake_.wait(lock, [&] { return loop.running == 0; });
    if (loop.failure) std::rethrow_exception(loop.failure);
  }

  static thread_local Team* mine;
  static thread_local std::size_t number;

 private:
  void work(std::size_t thread) {
    const auto before = std::pair{mine, number};
    mine = this, number = thread;
    std::unique_lock lock{mutex_};
    while (!failure_ && !(ended_ && in_hand_ == 0))
      if (!help(lock) && !empty(lock) && !make(lock)) wake_.wait(lock);
    wake_.notify_all();
    mine = before.first, number = before.second;
  }
  /// One turn of a loop that another thread waits for.
  bool help(std::unique_lock<std::mutex>& lock) {
    for (Loop* loop : loops_)
      if (loop->next < loop->count) {
        step(*loop, lock);
        return true;
      }
    return false;
  }
  void step(Loop& loop, std::unique_lock<std::mutex>& lock) {
    const std::size_t i = loop.next++;
    ++loop.running;
    lock.unlock();
    std::exception_ptr failure;
    try {
      loop.use(i);
    } catch (...) {
      failure = std::current_exception();
    }
    lock.lock();
    if (failure && !loop.failure) loop.failure = failure, loop.next = loop.count;
    --loop.running;
    wake_.notify_all();
  }
  bool make(std::unique_lock<std::mutex>& lock) {
    if (ended_ || making_ || in_hand_ >= tokens_) return false;
    making_ = true;
    void* it = nullptr;
    guarded(lock, [&] { it = first_(); });
    making_ = false;
    if (it == nullptr) {
      ended_ = true;
    } else {
      const std::size_t place = made_++;
      ++in_hand_;
      wake_.notify_all();
      guarded(lock, [&] { middle_(it); });
      ready_[place] = it;
    }
    wake_.notify_all();
    return true;
  }
  bool empty(std::unique_lock<std::mutex>& lock) {
    const auto it = ready_.find(out_);
    if (emptying_ || it == ready_.end()) return false;
    emptying_ = true;
    void* done = it->second;
    ready_.erase(it);
    guarded(lock, [&] { last_(done); });
    emptying_ = false, ++out_, --in_hand_;
    wake_.notify_all();
    return true;
  }
  template <class Work>
  void guarded(std::unique_lock<std::mutex>& lock, Work&& work) {
    lock.unlock();
    std::exception_ptr failure;
    try {
      work();
    } catch (...) {
      failure = std::current_exception();
    }
    lock.lock();
    if (failure && !failure_) failure_ = failure;
  }

  int tokens_, in_hand_ = 0;
  const std::function<void*()>& first_;
  const std::function<void(void*)>&middle_, &last_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Loop*> loops_;
  std::map<std::size_t, void*> ready_;  ///< by the order in which they were made
  std::size_t made_ = 0, out_ = 0;
  bool making_ = false, emptying_ = false, ended_ = false;
  std::exception_ptr failure_;
};
thread_local Team* Team::mine = nullptr;
thread_local std::size_t Team::number = 0;

}  // namespace

void pipeline(int threads, int tokens, const std::function<void*()>& first, const std::function<void(void*)>& middle,
              const std::function<void(void*)>& last) {
  Team{tokens, first, middle, last}.run(threads);
}

void each(std::size_t count, const std::function<void(std::size_t)>& use) {
  if (Team::mine != nullptr) return Team::mine->share(count, use);
  for (std::size_t i = 0; i < count; ++i) use(i);
}

std::size_t this_thread() { return Team::number; }

}  // namespace fulmar::parallel

namespace fulmar {

std::string tbb_version() { return "none"; }

}  // namespace fulmar
