// SPDX-License-Identifier: Apache-2.0
// Objects of one window: ordered compaction of its set cells into runs, and which runs are connected.
//
// A warp takes a segment of a row, 1024 cells, and makes bits of it. How many runs begin and how many cells are set
// before each segment is added up by CUB; so every run and every cell knows its place, which is that of raster order.
// Runs that touch are joined by union-find: a root is always the first run that its tree has, so that what comes out is
// the same in whatever order threads are. Joining and looking up roots alone talk between threads, through relaxed
// atomics on 32 bits.
#include <cub/device/device_scan.cuh>
#include <cuda/atomic>

#include "core/missing.hpp"
#include "cuda/label.hpp"
#include "cuda/status.hpp"

static_assert(CUB_MAJOR_VERSION >= 3, "an older CUB than the toolkit's was found first: see find_package(CCCL)");

namespace fulmar::cuda {
namespace {

constexpr unsigned warp = 32, all_lanes = 0xffffffff, find_threads = 256, warps = find_threads / warp;

/// How a window is cut, and where what is found in it goes.
struct Cut {
  std::uint32_t width, across, segments;  ///< segments of a row, of the window
  std::uint32_t* bits;
  std::uint64_t* counts;  ///< by segment: runs that begin in it, in the upper half, and set cells; then those before it
  FoundTotals* totals;
  FoundRun* runs;
};

/// A warp's segment.
struct Segment {
  std::uint32_t number, y, x, lane;
};
__device__ Segment segment_of(const Cut& cut) {
  const std::uint32_t number = blockIdx.x * warps + threadIdx.x / warp;
  return {number, number / cut.across, number % cut.across * static_cast<std::uint32_t>(segment_cells),
          threadIdx.x % warp};
}
__device__ std::uint32_t runs_before(const Cut& cut, std::uint32_t segment) {
  return static_cast<std::uint32_t>(cut.counts[segment] >> 32);
}

/// Bits of a lane's cells that are the first of their run.
__device__ std::uint32_t firsts(std::uint32_t word, bool set_before) {
  return word & ~(word << 1 | (set_before ? 1 : 0));
}

/// Bits of the set cells, and how many runs and cells there are in each segment.
__global__ void __launch_bounds__(find_threads)
    find_bits(const Cut cut, const std::uint8_t* cells, std::int64_t stride) {
  const Segment s = segment_of(cut);
  if (s.number > cut.segments) return;
  if (s.number == cut.segments) {
    if (s.lane == 0) cut.counts[s.number] = 0;
    return;
  }
  const std::uint8_t* row = cells + s.y * stride;
  // A lane looks at every 32nd cell, so that loads of a warp are together and many are on their way at once; then cell
  // i of all lanes becomes the word of lane i.
  std::uint32_t column = 0, word = 0;
#pragma unroll 8
  for (std::uint32_t i = 0; i < segment_words; ++i) {
    const std::uint32_t x = s.x + warp * i + s.lane;
    const std::uint8_t flag = x < cut.width ? row[x] : 0;
    column |= (flag != 0 ? 1u : 0u) << i;
  }
  for (std::uint32_t i = 0; i < segment_words; ++i) {
    const std::uint32_t set = __ballot_sync(all_lanes, column >> i & 1);
    if (s.lane == i) word = set;
  }
  cut.bits[s.number * segment_words + s.lane] = word;
  const std::uint32_t before = __shfl_up_sync(all_lanes, word, 1);
  const bool set_before = s.lane > 0 ? before >> 31 != 0 : s.x > 0 && row[s.x - 1] != 0;
  std::uint32_t runs = __popc(firsts(word, set_before)), set = __popc(word);
  for (unsigned d = warp / 2; d > 0; d /= 2) {
    runs += __shfl_down_sync(all_lanes, runs, d);
    set += __shfl_down_sync(all_lanes, set, d);
  }
  if (s.lane == 0) cut.counts[s.number] = std::uint64_t{runs} << 32 | set;
}

/// Copies the values of a segment's set cells to their places.
__device__ void write_values(const Segment& s, std::uint32_t word, std::uint32_t place, const fulmar_plane& from,
                             float* to) {
  const float* row = static_cast<const float*>(from.cells) + s.y * from.stride + s.x;
  for (std::uint32_t i = 0; i < segment_words; ++i) {
    const std::uint32_t set = __shfl_sync(all_lanes, word, static_cast<int>(i));
    if (set == 0) continue;
    const std::uint32_t first = __shfl_sync(all_lanes, place, static_cast<int>(i));
    if (set >> s.lane & 1) to[first + __popc(set & ((1u << s.lane) - 1))] = row[warp * i + s.lane];
  }
}

/// Runs and values, each at its place; every run is a root.
__global__ void __launch_bounds__(find_threads)
    write_runs(const Cut cut, const __grid_constant__ fulmar_plane intensity,
               const __grid_constant__ fulmar_plane background) {
  const Segment s = segment_of(cut);
  if (s.number >= cut.segments) return;
  const std::uint64_t before = cut.counts[s.number], all = cut.counts[cut.segments];
  const FoundTotals totals{static_cast<std::uint32_t>(all >> 32), static_cast<std::uint32_t>(all)};
  if (s.number == 0 && s.lane == 0) *cut.totals = totals;
  if (static_cast<std::uint32_t>(cut.counts[s.number + 1]) == static_cast<std::uint32_t>(before))
    return;  // none is set
  const std::uint32_t word = cut.bits[s.number * segment_words + s.lane];

  const std::uint32_t left = __shfl_up_sync(all_lanes, word, 1), right = __shfl_down_sync(all_lanes, word, 1);
  const bool set_before = s.lane > 0 ? left >> 31 != 0 : s.x > 0 && cut.bits[s.number * segment_words - 1] >> 31 != 0;
  const bool last = s.x + segment_cells >= cut.width;
  const bool set_after =
      s.lane < warp - 1 ? (right & 1) != 0 : !last && (cut.bits[(s.number + 1) * segment_words] & 1) != 0;
  std::uint32_t begins = firsts(word, set_before);
  std::uint32_t ends = word & ~(word >> 1 | (set_after ? 1u << 31 : 0));

  // Runs that begin and cells that are set in the lanes before: at most 512 and 1024.
  const std::uint32_t mine =
      static_cast<std::uint32_t>(__popc(begins)) << 16 | static_cast<std::uint32_t>(__popc(word));
  std::uint32_t sum = mine;
  for (unsigned d = 1; d < warp; d *= 2) {
    const std::uint32_t other = __shfl_up_sync(all_lanes, sum, d);
    if (s.lane >= d) sum += other;
  }
  sum -= mine;

  const std::uint32_t cell = s.y * cut.width + s.x + warp * s.lane;
  std::uint32_t begun = static_cast<std::uint32_t>(before >> 32) + (sum >> 16);
  std::uint32_t ended = begun - (set_before ? word & 1 : 0);  // one that goes on from before ends first
  for (; begins != 0; begins &= begins - 1, ++begun) {
    cut.runs[begun].begin = cell + __ffs(static_cast<int>(begins)) - 1;
    cut.runs[begun].root = begun;
  }
  for (; ends != 0; ends &= ends - 1, ++ended) cut.runs[ended].end = cell + __ffs(static_cast<int>(ends));

  const std::uint32_t place = static_cast<std::uint32_t>(before) + (sum & 0xffff);
  float* values = reinterpret_cast<float*>(cut.runs + totals.runs);
  if (intensity.cells != nullptr) {
    write_values(s, word, place, intensity, values);
    values += totals.cells;
  }
  if (background.cells != nullptr) write_values(s, word, place, background, values);
}

using Root = ::cuda::atomic_ref<std::uint32_t, ::cuda::thread_scope_device>;
constexpr auto relaxed = ::cuda::memory_order_relaxed;

/// The root of a run's tree. On the way, runs are hung one step higher, since rows of a tall object make long chains:
/// whatever another thread does meanwhile, what is above a run stays above it, though it may hang lower again.
__device__ std::uint32_t root_while_joining(FoundRun* runs, std::uint32_t run) {
  for (;;) {
    const std::uint32_t above = Root{runs[run].root}.load(relaxed);
    if (above == run) return run;
    const std::uint32_t top = Root{runs[above].root}.load(relaxed);
    if (top == above) return above;
    Root{runs[run].root}.store(top, relaxed);
    run = top;
  }
}
/// The same when nothing is joined any more. Hangs nothing: a run that has been told its root must keep it.
__device__ std::uint32_t root_of(FoundRun* runs, std::uint32_t run) {
  for (std::uint32_t above; (above = Root{runs[run].root}.load(relaxed)) != run;) run = above;
  return run;
}

/// Hangs the later of two roots below the earlier one.
__device__ void join(FoundRun* runs, std::uint32_t a, std::uint32_t b) {
  for (;;) {
    a = root_while_joining(runs, a), b = root_while_joining(runs, b);
    if (a == b) return;
    const std::uint32_t later = a > b ? a : b, earlier = a > b ? b : a;
    std::uint32_t seen = later;
    if (Root{runs[later].root}.compare_exchange_strong(seen, earlier, relaxed)) return;
    a = seen, b = earlier;  // another thread has hung it elsewhere
  }
}

/// Joins every run with those of the row above that it touches.
__global__ void __launch_bounds__(find_threads) join_runs(const Cut cut, std::uint32_t reach) {
  const Segment s = segment_of(cut);
  if (s.number >= cut.segments || s.y == 0) return;
  const std::uint32_t first = runs_before(cut, (s.y - 1) * cut.across), last = runs_before(cut, s.y * cut.across);
  const std::uint32_t end = runs_before(cut, s.number + 1);
  for (std::uint32_t k = runs_before(cut, s.number) + s.lane; k < end; k += warp) {
    // Of the cells above.
    const std::uint32_t x0 = cut.runs[k].begin - cut.width, x1 = cut.runs[k].end - cut.width;
    std::uint32_t low = first, high = last;
    while (low < high) {
      const std::uint32_t middle = low + (high - low) / 2;
      if (cut.runs[middle].end + reach > x0)
        high = middle;
      else
        low = middle + 1;
    }
    for (; low < last && cut.runs[low].begin < x1 + reach; ++low) join(cut.runs, low, k);
  }
}

/// Tells every run its root, and whether a cell around it has no intensity.
__global__ void __launch_bounds__(find_threads)
    name_roots(const Cut cut, const __grid_constant__ fulmar_plane intensity, const __grid_constant__ Window near) {
  const Segment s = segment_of(cut);
  if (s.number >= cut.segments) return;
  const std::uint32_t end = runs_before(cut, s.number + 1), row = s.y * cut.width;
  for (std::uint32_t from = runs_before(cut, s.number); from < end; from += warp) {
    const std::uint32_t k = from + s.lane;
    FoundRun run{};
    if (k < end) {
      run.begin = cut.runs[k].begin, run.end = cut.runs[k].end;
      Root{cut.runs[k].root}.store(root_of(cut.runs, k), relaxed);
    }
    if (intensity.cells == nullptr) continue;
    bool beside = false;
#pragma unroll 1
    for (std::uint32_t i = 0; i < warp && from + i < end; ++i) {  // the whole warp looks around one run
      const std::int64_t x0 = __shfl_sync(all_lanes, run.begin, static_cast<int>(i)) - row;
      const std::uint32_t wide = __shfl_sync(all_lanes, run.end, static_cast<int>(i)) - row - x0 + 2;
      bool gap = false;
      for (std::uint32_t c = s.lane; c < 3 * wide; c += warp) {
        const std::int64_t x = x0 - 1 + c % wide, y = std::int64_t{s.y} - 1 + c / wide;
        gap = gap ||
              (near.contains(x, y) && is_missing(static_cast<const float*>(intensity.cells)[y * intensity.stride + x]));
      }
      gap = __any_sync(all_lanes, gap);
      if (s.lane == i) beside = gap;
    }
    if (beside) cut.runs[k].end = run.end | found_beside_gap;
  }
}

}  // namespace

void find_objects(const FindWork& work, cudaStream_t stream) {
  if (work.width <= 0 || work.height <= 0) return;
  const auto number = [](std::int64_t n) { return static_cast<std::uint32_t>(n); };
  auto* totals = reinterpret_cast<FoundTotals*>(work.found);
  const Cut cut{number(work.width),
                number((work.width + segment_cells - 1) / segment_cells),
                number(segments_of(work.width, work.height)),
                work.bits,
                work.counts,
                totals,
                reinterpret_cast<FoundRun*>(totals + 1)};
  const auto launched = [] { check(cudaGetLastError(), "the launch of a kernel"); };
  const unsigned blocks = (cut.segments + warps - 1) / warps, with_end = cut.segments / warps + 1;

  check(cudaMemsetAsync(work.found, 0, static_cast<std::size_t>(work.first), stream), "clearing memory");
  find_bits<<<with_end, find_threads, 0, stream>>>(cut, static_cast<const std::uint8_t*>(work.set.cells),
                                                   work.set.stride);
  launched();
  const auto add = [&](void* memory, std::size_t& bytes) {
    check(cub::DeviceScan::ExclusiveSum(memory, bytes, work.counts, work.counts, static_cast<int>(cut.segments + 1),
                                        stream),
          "adding up runs");
  };
  std::size_t needed = 0;
  add(nullptr, needed);
  if (static_cast<std::int64_t>(needed) > finding_room(work.width, work.height).adding)
    fail(Errc::runtime, "CUB needs " + std::to_string(needed) + " bytes to add up runs, more than was set aside");
  add(work.adding, needed);
  write_runs<<<blocks, find_threads, 0, stream>>>(cut, work.intensity, work.background);
  launched();
  join_runs<<<blocks, find_threads, 0, stream>>>(cut, work.eight ? 1 : 0);
  launched();
  name_roots<<<blocks, find_threads, 0, stream>>>(cut, work.intensity, work.near);
  launched();
}

}  // namespace fulmar::cuda
