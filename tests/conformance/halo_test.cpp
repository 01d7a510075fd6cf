// SPDX-License-Identifier: Apache-2.0
// An operator reads no further around a cell than it declares, and writes nowhere but into its outputs. Its function
// (of a reducing operator, its step) is called by the engine as ever, but on planes that end where the declared halo
// does: beyond lies rubbish, which changes from call to call. If the result changes with it, the rubbish is pushed
// outwards until it no longer does, which tells how far the function reads.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "support/scene.hpp"

namespace fulmar::test {
namespace {

/// How far the rubbish reaches around a plane; what is read beyond is not told further.
constexpr std::int64_t margin = 48;

float rubbish(int seed, std::uint64_t cell, float low, float high) {
  const auto noise = static_cast<float>((cell * 0x9e3779b97f4a7c15u) >> 40) / 16777216.0f;
  switch (seed) {
    case 0:
      return low + (high - low) * noise;  // as the cells themselves
    case 1:
      return missing<float>;
    case 2:
      return 1e30f;
    case 3:
      return -1e30f;
    default:
      return low + (high - low) * (1 - noise);
  }
}
std::uint8_t rubbish(int seed, std::uint64_t cell, std::uint8_t, std::uint8_t) {
  const auto noise = static_cast<std::uint8_t>((cell * 0x9e3779b97f4a7c15u) >> 63);
  return seed == 1 ? 255 : seed == 2 ? 1 : seed == 3 ? 0 : seed == 0 ? noise : static_cast<std::uint8_t>(1 - noise);
}
constexpr int seeds = 5;

/// A copy of a plane with rubbish around it.
template <class T>
class Fenced {
 public:
  Fenced(const fulmar_plane& from, Halo halo, bool series)
      : from_{from},
        halo_{halo},
        values_{series ? std::max<std::int64_t>(1, from.layer) : 1},
        left_{(halo.x + margin) * values_},
        up_{halo.y + margin},
        stride_{from.width * values_ + 2 * left_},
        cells_(static_cast<std::size_t>(stride_ * (from.height + 2 * up_))) {
    const T* first = static_cast<const T*>(from.cells);
    low_ = high_ = *first;
    for (std::int64_t y = 0; y < from.height; ++y)
      for (std::int64_t x = 0; x < from.width * values_; ++x) {
        const T v = first[y * from.stride + x];
        if (v < low_ || low_ != low_) low_ = v;
        if (v > high_ || high_ != high_) high_ = v;
      }
  }

  /// Noise that stays for `known` cells beyond the halo, and behind them what the seed says.
  fulmar_plane with(int seed, Halo known) {
    const T* first = static_cast<const T*>(from_.cells);
    for (std::int64_t y = -up_; y < from_.height + up_; ++y)
      for (std::int64_t x = -left_; x < from_.width * values_ + left_; ++x) {
        const auto at = static_cast<std::size_t>((y + up_) * stride_ + x + left_);
        const auto inside = [&](std::int64_t rx, std::int64_t ry) {
          return x >= -rx * values_ && x < (from_.width + rx) * values_ && y >= -ry && y < from_.height + ry;
        };
        if (inside(halo_.x, halo_.y))
          cells_[at] = first[y * from_.stride + x];
        else
          cells_[at] = rubbish(inside(halo_.x + known.x, halo_.y + known.y) ? 0 : seed, at + 1, low_, high_);
      }
    fulmar_plane p = from_;
    p.cells = cells_.data() + up_ * stride_ + left_;
    p.stride = stride_;
    return p;
  }

 private:
  fulmar_plane from_;
  Halo halo_;
  std::int64_t values_, left_, up_, stride_;
  std::vector<T> cells_;
  T low_, high_;
};

/// An output with a fence that shows what was written into it.
class FencedOutput {
 public:
  explicit FencedOutput(const fulmar_plane& to) : to_{to}, bytes_{to.dtype == FULMAR_U8 ? 1 : 4} {
    if (to.cells == nullptr) return;
    stride_ = to.width + 2 * margin;
    cells_.assign(static_cast<std::size_t>(bytes_ * stride_ * (to.height + 2 * margin)), std::byte{0xa5});
  }
  fulmar_plane plane() {
    fulmar_plane p = to_;
    if (to_.cells == nullptr) return p;
    p.cells = cells_.data() + bytes_ * (margin * stride_ + margin);
    p.stride = stride_;
    return p;
  }
  [[nodiscard]] std::vector<std::byte> written() const {
    std::vector<std::byte> all;
    each_row([&](const std::byte* row, std::int64_t) { all.insert(all.end(), row, row + bytes_ * to_.width); });
    return all;
  }
  [[nodiscard]] bool fence_stands() const {
    for (std::int64_t y = 0; to_.cells != nullptr && y < to_.height + 2 * margin; ++y)
      for (std::int64_t b = 0; b < bytes_ * stride_; ++b) {
        const bool inside =
            y >= margin && y < margin + to_.height && b >= bytes_ * margin && b < bytes_ * (margin + to_.width);
        if (!inside && cells_[static_cast<std::size_t>(y * bytes_ * stride_ + b)] != std::byte{0xa5}) return false;
      }
    return true;
  }
  void hand_over() const {
    each_row([&](const std::byte* row, std::int64_t y) {
      std::memcpy(static_cast<std::byte*>(to_.cells) + bytes_ * y * to_.stride, row,
                  static_cast<std::size_t>(bytes_ * to_.width));
    });
  }

 private:
  template <class Use>
  void each_row(Use&& use) const {
    if (to_.cells == nullptr) return;
    for (std::int64_t y = 0; y < to_.height; ++y) use(cells_.data() + bytes_ * ((margin + y) * stride_ + margin), y);
  }
  fulmar_plane to_;
  std::int64_t bytes_, stride_ = 0;
  std::vector<std::byte> cells_;
};

/// An operator whose function is watched. One at a time.
class Watched {
 public:
  explicit Watched(const Operator& op) : real_{&op.table()} {
    // A plugin's table is as long as its author's contract had it, and no longer.
    const std::size_t size = std::min<std::size_t>(real_->size, sizeof table_);
    std::memcpy(&table_, real_, size);
    table_.size = static_cast<std::uint32_t>(size);
    if (table_.run != nullptr)
      table_.run = [](const void* params, const fulmar_call* call, fulmar_error* error) {
        return now_->run(params, *call, error);
      };
    if (table_.kind == FULMAR_KIND_REDUCING)
      table_.step = [](const void* params, const fulmar_round* round, const fulmar_call* call, void* state,
                       fulmar_error* error) { return now_->step(params, *round, *call, state, error); };
    const PluginFacts facts = op.facts();
    std::vector<Operator> one;
    one.emplace_back(table_, facts);
    registry_.add(std::move(one));
    now_ = this;
    for (const Port& p : op.inputs()) names_.push_back(p.name);
  }
  ~Watched() { now_ = nullptr; }
  Watched(const Watched&) = delete;
  Watched& operator=(const Watched&) = delete;

  [[nodiscard]] const Registry& registry() const { return registry_; }
  [[nodiscard]] const std::string& complaint() const { return complaint_; }
  [[nodiscard]] int calls() const { return calls_; }

 private:
  /// A plane that an argument reads, and how.
  struct Read {
    fulmar_view view;
    std::size_t plane;
  };
  std::vector<Read> reads_of(const void* params, const fulmar_call& call) const {
    std::vector<fulmar_view> views(16);
    views.resize(real_->views(params, views.data(), 16));
    std::vector<Read> reads;
    std::size_t plane = 0;
    for (const fulmar_view& v : views) {
      const std::size_t count = v.kind == FULMAR_VIEW_BANDS ? call.inputs + 1 - views.size() : 1;
      for (std::size_t i = 0; i < count; ++i, ++plane)
        // Sums and ranks are tables of the engine's, without cells around them.
        if (v.kind != FULMAR_VIEW_BOX && v.kind != FULMAR_VIEW_RING && v.kind != FULMAR_VIEW_RANKS)
          reads.push_back({v, plane});
    }
    return reads;
  }

  int run(const void* params, const fulmar_call& call, fulmar_error* error) {
    watch(params, call);
    return real_->run(params, &call, error);
  }
  int step(const void* params, const fulmar_round& round, const fulmar_call& call, void* state, fulmar_error* error) {
    round_ = &round, state_ = static_cast<const std::byte*>(state);
    watch(params, call);
    round_ = nullptr, state_ = nullptr;
    return real_->step(params, &round, &call, state, error);
  }

  void watch(const void* params, const fulmar_call& call) {
    ++calls_;
    for (const Read& read : reads_of(params, call)) {
      const fulmar_plane& p = call.input[read.plane];
      if (p.cells == nullptr || !complaint_.empty()) continue;
      if (p.dtype == FULMAR_U8)
        watch<std::uint8_t>(params, call, read);
      else if (p.dtype == FULMAR_F32)
        watch<float>(params, call, read);
    }
  }

  template <class T>
  void watch(const void* params, const fulmar_call& call, const Read& read) {
    const fulmar_view& v = read.view;
    const Halo halo = v.kind == FULMAR_VIEW_NEAR ? Halo{v.outer_x, v.outer_y} : Halo{};
    Fenced<T> fenced{call.input[read.plane], halo, v.kind == FULMAR_VIEW_SERIES};
    const auto depends = [&](Halo known) {
      std::vector<std::byte> first;
      for (int seed = 0; seed < seeds; ++seed) {
        const auto bytes = call_on(params, call, read.plane, fenced.with(seed, known));
        if (seed == 0) first = bytes;
        if (bytes != first) return true;
      }
      return false;
    };
    const fulmar_plane same = fenced.with(0, {});
    if (call_on(params, call, read.plane, same) != call_on(params, call, read.plane, same)) {
      complaint_ = "called twice on the same cells, it gives two results: it keeps a state";
      return;
    }
    if (!depends({})) return;
    const auto least = [&](bool along_x) {
      for (std::int64_t n = 0; n < margin; ++n)
        if (!depends(along_x ? Halo{n, margin} : Halo{margin, n})) return n;
      return margin;
    };
    const Halo more{least(true), least(false)};
    const auto told = [](std::int64_t n, const char* what) {
      return std::to_string(n) + (n == margin ? " or more " : " ") + what + (n == 1 ? "" : "s");
    };
    complaint_ = "of the input '" + names_.at(std::min<std::size_t>(v.input, names_.size() - 1)) +
                 "' it declares to read " + told(halo.x, "column") + " and " + told(halo.y, "row") +
                 " around a cell, but it reads " + told(more.x, "column") + " and " + told(more.y, "row") +
                 " beyond that";
  }

  std::vector<std::byte> call_on(const void* params, const fulmar_call& call, std::size_t plane,
                                 const fulmar_plane& fenced) {
    std::vector<fulmar_plane> in(call.input, call.input + call.inputs), out;
    in[plane] = fenced;
    if (state_ != nullptr) return step_on(params, call, in);
    std::vector<FencedOutput> outputs;
    const std::size_t count = std::max<std::size_t>(1, call.outputs);
    for (std::size_t k = 0; k < count; ++k) outputs.emplace_back(call.output[k]);
    for (auto& o : outputs) out.push_back(o.plane());
    fulmar_call part = call;
    part.input = in.data(), part.output = out.data();
    fulmar_error error{};
    std::vector<std::byte> all;
    if (real_->run(params, &part, &error) != 0) return all;
    for (const auto& o : outputs) {
      const auto bytes = o.written();
      all.insert(all.end(), bytes.begin(), bytes.end());
      if (!o.fence_stands() && complaint_.empty()) complaint_ = "it writes beyond the window of an output";
    }
    return all;
  }

  /// The state after a step on these planes.
  std::vector<std::byte> step_on(const void* params, const fulmar_call& call, const std::vector<fulmar_plane>& in) {
    std::vector<std::byte> state(state_, state_ + real_->state_bytes(params, round_));
    fulmar_call part = call;
    part.input = in.data();
    fulmar_error error{};
    if (real_->step(params, round_, &part, state.data(), &error) != 0) state.clear();
    return state;
  }

  static inline Watched* now_ = nullptr;
  const fulmar_operator* real_;
  fulmar_operator table_{};
  const fulmar_round* round_ = nullptr;  ///< while a step is watched
  const std::byte* state_ = nullptr;
  Registry registry_;
  std::vector<std::string> names_;
  std::string complaint_;
  int calls_ = 0;
};

class HaloHonest : public testing::TestWithParam<Case> {};

TEST_P(HaloHonest, ReadsWhatItDeclares) {
  const Operator& op = *tested_registry().find(GetParam().op);
  Watched watched{op};
  const Scene s = make_scene(watched.registry(), GetParam(), 61, 43, 20260101u);
  SCOPED_TRACE(s.text);
  static_cast<void>(Bound(watched.registry(), s).run(budget_of(0, 0, 1)));
  EXPECT_GT(watched.calls(), 0);
  EXPECT_EQ(watched.complaint(), "");
}

/// Those with a function of cells: the engine itself warps, and a whole operator may read every cell.
std::vector<Case> cases_of_cells() {
  std::vector<Case> cases = all_cases(false);
  std::erase_if(cases, [](const Case& c) {
    const std::string& kind = tested_registry().find(c.op)->kind();
    return kind == "warping" || kind == "whole";
  });
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Operators, HaloHonest, testing::ValuesIn(cases_of_cells()),
                         [](const testing::TestParamInfo<Case>& i) { return i.param.label(); });

}  // namespace
}  // namespace fulmar::test
