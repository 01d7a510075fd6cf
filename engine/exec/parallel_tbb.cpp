// SPDX-License-Identifier: Apache-2.0
#include <tbb/global_control.h>
#include <tbb/info.h>
#include <tbb/parallel_for.h>
#include <tbb/parallel_pipeline.h>
#include <tbb/task_arena.h>
#include <tbb/version.h>

#include <optional>
#include <string>

#include "exec/parallel.hpp"
#include "exec/version.hpp"

namespace fulmar::parallel {

void pipeline(int threads, int tokens, const std::function<void*()>& first, const std::function<void(void*)>& middle,
              const std::function<void(void*)>& last) {
  // More threads than cores have to be asked for by name; otherwise TBB ignores the wish, and says so on stderr.
  std::optional<tbb::global_control> more;
  if (threads > tbb::info::default_concurrency())
    more.emplace(tbb::global_control::max_allowed_parallelism, static_cast<std::size_t>(threads));
  tbb::task_arena arena{threads};
  arena.execute([&] {
    tbb::parallel_pipeline(
        static_cast<std::size_t>(tokens),
        tbb::make_filter<void, void*>(tbb::filter_mode::serial_in_order, [&](tbb::flow_control& control) {
          void* made = first();
          if (made == nullptr) control.stop();
          return made;
        }) & tbb::make_filter<void*, void*>(tbb::filter_mode::parallel, [&](void* it) {
          middle(it);
          return it;
        }) & tbb::make_filter<void*, void>(tbb::filter_mode::serial_in_order, [&](void* it) { last(it); }));
  });
}

void each(std::size_t count, const std::function<void(std::size_t)>& use) {
  tbb::parallel_for(std::size_t{0}, count, [&](std::size_t i) { use(i); });
}

std::size_t this_thread() { return static_cast<std::size_t>(tbb::this_task_arena::current_thread_index()); }

}  // namespace fulmar::parallel

namespace fulmar {

std::string tbb_version() { return std::to_string(TBB_VERSION_MAJOR) + "." + std::to_string(TBB_VERSION_MINOR); }

}  // namespace fulmar
