// SPDX-License-Identifier: Apache-2.0
#include "plan/warp.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <mutex>
#include <utility>

#include "core/error.hpp"
#include "core/missing.hpp"
#include "exec/cells.hpp"
#include "exec/taps.hpp"

namespace fulmar {
namespace {

// Target cells that are worked on together, and source cells that are held for them at once.
constexpr std::int64_t slice_width = 256, slice_height = 128;
constexpr std::int64_t most_cells = std::int64_t{1} << 19;
// Stored cells that are read before they are widened.
constexpr std::int64_t piece_cells = std::int64_t{1} << 16;

/// The places of a slice along one axis of an upright warp, and their kernels.
struct Axis {
  std::vector<double> place, step;  ///< NaN where the source has no such column or row
  std::vector<std::int64_t>
      first;                    ///< of the kernel, among the cells that are held; -1 where they do not hold all of it
  std::vector<double> weights;  ///< the first of every place, then the second of every place
};

/// The cells of a slice in the source, row by row; the column and row of a cell that wants no value are NaN.
struct Places {
  std::vector<double> column, row, width, height;

  void resize(std::size_t cells) {
    for (std::vector<double>* numbers : {&column, &row, &width, &height}) numbers->resize(cells);
  }
  void set(std::size_t at, const Place& p) {
    column[at] = p.column, row[at] = p.row, width[at] = p.width, height[at] = p.height;
  }
};

/// The plain kernels of a row of a slice: the first weight of every cell, then the second of every cell.
struct RowKernels {
  double across[6][slice_width], down[6][slice_width];
  std::int32_t
      first[slice_width];  ///< of a kernel, among the cells that are held; -1 where it is not plain, or not held
};

/// Memory of one thread, shared by the inputs it reads one after the other.
struct Buffers {
  Axis across, down;
  std::vector<double> lines;          ///< source rows at the columns of the target
  std::vector<double> columns, rows;  ///< of the places of a slice and the cells around it
  Places places;
  std::vector<double> bounds;  ///< of what the columns of a part need
  RowKernels kernels;
  std::vector<float> cells;  ///< of the source
  std::vector<std::byte> stored;
  std::vector<std::uint8_t> mask;
  std::vector<Gathered> gathered;
};

std::int64_t bytes_of_block(const RasterSource& source) {
  std::int64_t cell = 0;
  for (const StoredBand& b : source.bands()) cell = std::max(cell, static_cast<std::int64_t>(size_of(b.dtype)));
  const Window block = source.block();
  return 2 * std::min(block.width, source.grid().width) * std::min(block.height, source.grid().height) * cell;
}

/// One input of a warped source, for one thread.
class InputReader {
 public:
  InputReader(const WarpInput& input, Resampling method, Buffers& buffers, std::mutex* lock)
      : buffers_{buffers},
        source_{*input.source},
        grid_{source_.grid()},
        method_{method},
        lock_{lock},
        transformer_{input.transformer->copy()},
        reach_{input.reach},
        raster_{grid_.width, grid_.height, grid_.wraps, transformer_->turn()},
        upright_{transformer_->upright() && !grid_.wraps && method != Resampling::average} {}

  /// Computes the cells of a window, at most a slice, that are missing so far.
  void fill(int band, const Window& window, float* out, std::int64_t stride) {
    if (intersect(window, reach_).empty()) return;
    window_ = window, out_ = out, stride_ = stride, band_ = band;
    if (upright_ && fill_upright()) return;
    if (!find_places()) return;
    process({0, 0, window.width, window.height});
  }

 private:
  [[nodiscard]] std::size_t index_of(std::int64_t x, std::int64_t y) const {
    return static_cast<std::size_t>(y * window_.width + x);
  }
  [[nodiscard]] Place place(std::int64_t x, std::int64_t y) const {
    const Places& p = buffers_.places;
    const std::size_t at = index_of(x, y);
    return {p.column[at], p.row[at], p.width[at], p.height[at]};
  }

  bool find_places() {
    const Window wide = grow(window_, {1, 1});
    buffers_.columns.resize(static_cast<std::size_t>(wide.cells()));
    buffers_.rows.resize(buffers_.columns.size());
    transformer_->places(wide, buffers_.columns.data(), buffers_.rows.data());
    buffers_.places.resize(static_cast<std::size_t>(window_.cells()));
    bool any = false;
    for (std::int64_t y = 0; y < window_.height; ++y) {
      const std::int64_t first = (y + 1) * wide.width + 1;
      const double* const columns = buffers_.columns.data() + first;
      const double* const rows = buffers_.rows.data() + first;
      if (grid_.wraps || raster_.turn > 0 || !find_row(y, columns, rows, wide.width, any))
        find_row_by_cells(y, columns, rows, wide.width, any);
    }
    return any;
  }

  /// Places and footprints of a row by their definitions. `line`: from a place to the one below it.
  void find_row_by_cells(std::int64_t y, const double* columns, const double* rows, std::int64_t line, bool& any) {
    const float* const out = out_ + y * stride_;
    const bool sized = method_ != Resampling::nearest;
    for (std::int64_t x = 0; x < window_.width; ++x) {
      Place p;
      if (set_place(columns[x], rows[x], raster_, p) && is_missing(out[x])) {
        any = true;
        const auto spot = [&](std::int64_t at) { return Spot{columns[at], rows[at]}; };
        if (sized) set_footprint(spot(x - 1), spot(x - line), spot(x), spot(x + 1), spot(x + line), raster_, p);
      } else {
        p.column = p.row = missing<double>;
      }
      buffers_.places.set(index_of(x, y), p);
    }
  }

  /// The same, to the bit, in a loop without branches; of a raster that does not go round the earth. False where a cell
  /// has no place on one of its sides: then its steps have another definition.
  bool find_row(std::int64_t y, const double* columns, const double* rows, std::int64_t line, bool& any) {
    const float* const out = out_ + y * stride_;
    Places& places = buffers_.places;
    const std::size_t at = index_of(0, y);
    double* const column = places.column.data() + at;
    double* const row = places.row.data() + at;
    double* const wide = places.width.data() + at;
    double* const high = places.height.data() + at;
    const auto width = static_cast<double>(raster_.width), height = static_cast<double>(raster_.height);
    const double none = missing<double>;
    int found = 0, unknown = 0;
#pragma GCC ivdep
    for (std::int64_t x = 0; x < window_.width; ++x) {
      const double c = snapped(columns[x]), r = snapped(rows[x]);
      const int here = (c >= 0 ? 1 : 0) & (c < width ? 1 : 0) & (r >= 0 ? 1 : 0) & (r < height ? 1 : 0) &
                       (is_missing(out[x]) ? 1 : 0);
      const double ca = std::abs((columns[x + 1] - columns[x - 1]) / 2), ra = std::abs((rows[x + 1] - rows[x - 1]) / 2);
      const double cd = std::abs((columns[x + line] - columns[x - line]) / 2),
                   rd = std::abs((rows[x + line] - rows[x - line]) / 2);
      found |= here;
      unknown |= here & (is_missing(ca + ra + cd + rd) ? 1 : 0);
      column[x] = here != 0 ? c : none;
      row[x] = here != 0 ? r : none;
      const double w = ca < cd ? cd : ca, h = ra < rd ? rd : ra;
      wide[x] = width < w ? width : w;
      high[x] = height < h ? height : h;
    }
    any |= found != 0;
    return unknown == 0;
  }

  /// Whole turns, in columns, that bring a place to the side of `reference` on a raster that goes round the earth.
  [[nodiscard]] std::int64_t turns(double column, double reference) const {
    if (!grid_.wraps) return 0;
    return grid_.width * static_cast<std::int64_t>(std::rint((reference - column) / static_cast<double>(grid_.width)));
  }

  /// Source cells that the cells of a part of the slice need; columns run on across the seam of a raster that wraps.
  /// `reference`: the column from which they run on.
  Window needed(const Window& part, double& reference) {
    double left = std::numeric_limits<double>::infinity(), top = left, right = -left, bottom = -left;
    if (!grid_.wraps) {
      bound(part, left, right, top, bottom);
      if (left > right) return {};
    } else {
      bool first = true;
      for (std::int64_t y = part.y; y < part.bottom(); ++y)
        for (std::int64_t x = part.x; x < part.right(); ++x) {
          const Place p = place(x, y);
          if (std::isnan(p.column)) continue;
          if (std::exchange(first, false)) reference = p.column;
          const double column = p.column + static_cast<double>(turns(p.column, reference));
          const double rx = reach_of(method_, p.width), ry = reach_of(method_, p.height);
          left = std::min(left, column - rx), right = std::max(right, column + rx);
          top = std::min(top, p.row - ry), bottom = std::max(bottom, p.row + ry);
        }
      if (first) return {};
    }
    // Half a cell more, as kernels are bounded by the centres of cells.
    const auto x0 = static_cast<std::int64_t>(std::floor(left - 0.5)),
               x1 = static_cast<std::int64_t>(std::ceil(right + 0.5));
    const auto y0 = static_cast<std::int64_t>(std::floor(top - 0.5)),
               y1 = static_cast<std::int64_t>(std::ceil(bottom + 0.5));
    const Window w{x0, y0, x1 - x0, y1 - y0};
    return intersect(w, grid_.wraps ? Window{w.x, 0, w.width, grid_.height} : grid_.window());
  }

  /// What the kernels of a part reach to, first by columns, in loops without branches: a NaN is less than nothing.
  void bound(const Window& part, double& left, double& right, double& top, double& bottom) {
    const auto width = static_cast<std::size_t>(part.width);
    buffers_.bounds.resize(4 * width);
    double* const by[4] = {buffers_.bounds.data(), buffers_.bounds.data() + width, buffers_.bounds.data() + 2 * width,
                           buffers_.bounds.data() + 3 * width};
    std::fill_n(by[0], width, left), std::fill_n(by[1], width, right);
    std::fill_n(by[2], width, top), std::fill_n(by[3], width, bottom);
    for (std::int64_t y = part.y; y < part.bottom(); ++y) {
      const std::size_t at = index_of(part.x, y);
      const double* const column = buffers_.places.column.data() + at;
      const double* const row = buffers_.places.row.data() + at;
      const double* const wide = buffers_.places.width.data() + at;
      const double* const high = buffers_.places.height.data() + at;
      const Resampling method = method_;
#pragma GCC ivdep
      for (std::size_t x = 0; x < width; ++x) {
        const double rx = reach_of(method, wide[x]), ry = reach_of(method, high[x]);
        by[0][x] = std::min(by[0][x], column[x] - rx), by[1][x] = std::max(by[1][x], column[x] + rx);
        by[2][x] = std::min(by[2][x], row[x] - ry), by[3][x] = std::max(by[3][x], row[x] + ry);
      }
    }
    left = *std::min_element(by[0], by[0] + width), right = *std::max_element(by[1], by[1] + width);
    top = *std::min_element(by[2], by[2] + width), bottom = *std::max_element(by[3], by[3] + width);
  }

  /// Halves a part until its source cells can be held, or streams them where halving would not help.
  void process(const Window& part) {
    double reference = 0;
    const Window from = needed(part, reference);
    if (from.empty()) return;
    if (from.cells() <= most_cells) {
      load(from);
      with_method([&](auto m) { resample<decltype(m)::value>(part, reference); });
      return;
    }
    const std::int64_t half_x = part.width / 2, half_y = part.height / 2;
    double unused = 0;
    const Window top{part.x, part.y, part.width, half_y},
        bottom{part.x, part.y + half_y, part.width, part.height - half_y};
    const Window left{part.x, part.y, half_x, part.height},
        right{part.x + half_x, part.y, part.width - half_x, part.height};
    std::int64_t by_rows = std::numeric_limits<std::int64_t>::max(), by_columns = by_rows;
    if (half_y > 0) by_rows = needed(top, unused).cells() + needed(bottom, unused).cells();
    if (half_x > 0) by_columns = needed(left, unused).cells() + needed(right, unused).cells();
    const bool helps = std::min(by_rows, by_columns) < from.cells() - from.cells() / 5;
    const bool alone = half_x == 0 && half_y == 0;
    if (alone || (!helps && from.width <= most_cells / 8)) {
      stream(part, from, reference);
      return;
    }
    const bool rows = by_rows <= by_columns;
    process(rows ? top : left);
    process(rows ? bottom : right);
  }

  template <class F>
  void with_method(F f) {
    switch (method_) {
      case Resampling::nearest:
        return f(std::integral_constant<Resampling, Resampling::nearest>{});
      case Resampling::bilinear:
        return f(std::integral_constant<Resampling, Resampling::bilinear>{});
      case Resampling::cubic:
        return f(std::integral_constant<Resampling, Resampling::cubic>{});
      case Resampling::lanczos:
        return f(std::integral_constant<Resampling, Resampling::lanczos>{});
      case Resampling::average:
        return f(std::integral_constant<Resampling, Resampling::average>{});
    }
  }

  /// Reads a window of the source as f32. Columns are taken round the earth where the raster is.
  void load(const Window& window) {
    held_ = window;
    buffers_.cells.resize(static_cast<std::size_t>(window.cells()));
    if (!reader_) reader_ = source_.reader();
    for (std::int64_t x = window.x; x < window.right();) {
      const std::int64_t stored = grid_.wraps ? x - floor_to(x, grid_.width) : x;
      const std::int64_t width = std::min(window.right() - x, grid_.width - stored);
      const std::int64_t height = std::max<std::int64_t>(1, piece_cells / width);
      for (std::int64_t y = window.y; y < window.bottom(); y += height)
        load_piece({stored, y, width, std::min(height, window.bottom() - y)},
                   buffers_.cells.data() + (y - window.y) * window.width + (x - window.x));
      x += width;
    }
  }

  void load_piece(const Window& piece, float* to) {
    const StoredBand& stored = source_.bands()[static_cast<std::size_t>(band_)];
    std::unique_lock<std::mutex> lock;
    if (lock_ != nullptr) lock = std::unique_lock{*lock_};
    if (source_.computed() && stored.dtype == DType::f32) {
      reader_->read(band_, piece, to, held_.width);
      return;
    }
    const auto count = static_cast<std::size_t>(piece.cells());
    buffers_.stored.resize(count * size_of(stored.dtype));
    reader_->read(band_, piece, buffers_.stored.data(), piece.width);
    if (source_.computed()) {
      to_floats(reinterpret_cast<const std::uint8_t*>(buffers_.stored.data()), piece.width, piece.width, piece.height,
                to, held_.width);
      return;
    }
    if (stored.has_mask) {
      buffers_.mask.resize(count);
      reader_->read_mask(band_, piece, buffers_.mask.data(), piece.width);
    }
    widen(stored, buffers_.stored.data(), piece.width, stored.has_mask ? buffers_.mask.data() : nullptr, piece.width,
          piece.width, piece.height, to, held_.width);
  }

  [[nodiscard]] const float* cell(std::int64_t column, std::int64_t row) const {
    return buffers_.cells.data() + (row - held_.y) * held_.width + (column - held_.x);
  }

  /// All source cells are held: each target cell at once.
  template <Resampling method>
  void resample(const Window& part, double reference) {
    const HeldCells held{buffers_.cells.data(), held_.width, held_};
    constexpr bool by_rows =
        method == Resampling::bilinear || method == Resampling::cubic || method == Resampling::lanczos;
    for (std::int64_t y = part.y; y < part.bottom(); ++y) {
      float* row = out_ + y * stride_;
      if constexpr (by_rows)
        if (!grid_.wraps) set_row_kernels<method>(part, y);
      std::int64_t done = 0;  // cells from the first on that have been tried four at a time
      for (std::int64_t x = part.x; x < part.right(); ++x) {
        if constexpr (by_rows)
          if (!grid_.wraps && x - part.x >= done && x + 4 <= part.right() && run_of_four(x - part.x)) {
            float four[4];
            if (full_sums<2 * radius_of(method)>(x - part.x, four)) {
              std::copy_n(four, 4, row + x);
              x += 3;
              continue;
            }
            done = x - part.x + 4;
          }
        if constexpr (by_rows)
          if (!grid_.wraps && buffers_.kernels.first[x - part.x] >= 0) {
            const float full = full_sum<2 * radius_of(method)>(x - part.x);
            if (!is_missing(full)) {
              row[x] = full;
              continue;
            }
          }
        const Place p = place(x, y);
        if (!std::isnan(p.column))
          row[x] = resampled<method>(p, turns(p.column, reference), raster_, held, across_, down_);
      }
    }
  }

  /// The plain kernels of a row of a part, in a loop without branches.
  template <Resampling method>
  void set_row_kernels(const Window& part, std::int64_t y) {
    constexpr int radius = radius_of(method), count = 2 * radius;
    RowKernels& k = buffers_.kernels;
    const std::size_t at = index_of(part.x, y);
    const double* const column = buffers_.places.column.data() + at;
    const double* const row = buffers_.places.row.data() + at;
    const double* const wide = buffers_.places.width.data() + at;
    const double* const high = buffers_.places.height.data() + at;
    // All of these are small whole numbers.
    const auto x0 = static_cast<double>(held_.x + radius - 1), y0 = static_cast<double>(held_.y + radius - 1);
    const auto last_x = static_cast<double>(held_.width - count), last_y = static_cast<double>(held_.height - count);
    const auto line = static_cast<double>(held_.width);
#pragma GCC ivdep
    for (std::int64_t x = 0; x < part.width; ++x) {
      const double cx = std::floor(column[x] - 0.5), cy = std::floor(row[x] - 0.5);
      double wx[count], wy[count];
      plain_weights<method>(column[x] - 0.5 - cx, wx);
      plain_weights<method>(row[x] - 0.5 - cy, wy);
      for (int a = 0; a < count; ++a) k.across[a][x] = wx[a], k.down[a][x] = wy[a];
      const double i = cx - x0, j = cy - y0;
      const int plain = (wide[x] <= least_stretch ? 1 : 0) & (high[x] <= least_stretch ? 1 : 0) & (i >= 0 ? 1 : 0) &
                        (i <= last_x ? 1 : 0) & (j >= 0 ? 1 : 0) & (j <= last_y ? 1 : 0);
      k.first[x] = static_cast<std::int32_t>(plain != 0 ? j * line + i : -1.0);
    }
  }

  /// The sum over a whole plain kernel: the source rows side by side, each with its sum along the columns.
  template <int count>
  [[nodiscard]] float full_sum(std::int64_t x) const {
    const RowKernels& k = buffers_.kernels;
    const float* const from = buffers_.cells.data() + k.first[x];
    double line[count] = {};
    for (int a = 0; a < count; ++a)
      for (int b = 0; b < count; ++b) line[b] += k.across[a][x] * static_cast<double>(from[b * held_.width + a]);
    double full = 0;
    for (int b = 0; b < count; ++b) full += k.down[b][x] * line[b];
    return static_cast<float>(full);
  }

  /// True where the kernels of four cells are plain and lie side by side.
  [[nodiscard]] bool run_of_four(std::int64_t x) const {
    const std::int32_t* const first = buffers_.kernels.first + x;
    return (first[0] >= 0) & (first[1] == first[0] + 1) & (first[2] == first[0] + 2) & (first[3] == first[0] + 3);
  }

  /// full_sum of each of them; false where one is missing.
  template <int count>
  [[nodiscard]] bool full_sums(std::int64_t x, float* to) const {
    using Floats = float [[gnu::vector_size(16)]];
    using Doubles = double [[gnu::vector_size(32)]];
    const auto load = [](auto into, const auto* from) {
      std::memcpy(&into, from, sizeof into);
      return into;
    };
    const RowKernels& k = buffers_.kernels;
    const float* const from = buffers_.cells.data() + k.first[x];
    Doubles full{};
    for (int b = 0; b < count; ++b) {
      Doubles line{};
      for (int a = 0; a < count; ++a)
        line += load(Doubles{}, &k.across[a][x]) *
                __builtin_convertvector(load(Floats{}, from + b * held_.width + a), Doubles);
      full += load(Doubles{}, &k.down[b][x]) * line;
    }
    const Floats found = __builtin_convertvector(full, Floats);
    std::memcpy(to, &found, sizeof found);
    return !(is_missing(to[0]) | is_missing(to[1]) | is_missing(to[2]) | is_missing(to[3]));
  }

  /// Finds places along one axis, from those of the cells and one more at either end. False where a footprint stretches
  /// the kernel.
  bool set_axis(Axis& axis, const std::vector<double>& places, std::int64_t count, std::int64_t size, bool columns) {
    axis.place.resize(static_cast<std::size_t>(count));
    axis.step.resize(axis.place.size());
    for (std::size_t i = 0; i < axis.place.size(); ++i) {
      const double p = snapped(places[i + 1]);
      axis.place[i] = p >= 0 && p < static_cast<double>(size) ? p : missing<double>;
      const double wide = step_between(places[i], places[i + 1], places[i + 2], columns ? raster_.turn : 0);
      axis.step[i] = std::min(wide, static_cast<double>(size));
      if (method_ != Resampling::nearest && !std::isnan(axis.place[i]) && axis.step[i] > least_stretch) return false;
    }
    return true;
  }

  /// Source cells that the places of an axis need: the first, and how many.
  [[nodiscard]] std::pair<std::int64_t, std::int64_t> needed_along(const Axis& axis) const {
    double low = std::numeric_limits<double>::infinity(), high = -low;
    for (const double p : axis.place)
      if (!std::isnan(p)) low = std::min(low, p), high = std::max(high, p);
    if (low > high) return {0, 0};
    const double reach = reach_of(method_, 1) + 0.5;
    const auto first = static_cast<std::int64_t>(std::floor(low - reach));
    return {first, static_cast<std::int64_t>(std::ceil(high + reach)) - first};
  }

  /// The same as find_places() and process(), to the bit, where the kernels of a column of cells are alike and those of
  /// a row too: weights are found once a column and once a row, and a source row is brought to the target's columns
  /// once for all target rows that need it. False where the slice is none of that sort; then nothing was done.
  bool fill_upright() {
    const auto most = static_cast<std::size_t>(std::max(window_.width, window_.height) + 2);
    buffers_.columns.resize(std::max(buffers_.columns.size(), most));
    buffers_.rows.resize(buffers_.columns.size());
    transformer_->places({window_.x - 1, window_.y, window_.width + 2, 1}, buffers_.columns.data(),
                         buffers_.rows.data());
    if (!set_axis(buffers_.across, buffers_.columns, window_.width, grid_.width, true)) return false;
    transformer_->places({window_.x, window_.y - 1, 1, window_.height + 2}, buffers_.columns.data(),
                         buffers_.rows.data());
    if (!set_axis(buffers_.down, buffers_.rows, window_.height, grid_.height, false)) return false;
    const auto [x, width] = needed_along(buffers_.across);
    const auto [y, height] = needed_along(buffers_.down);
    if (width == 0 || height == 0) return true;
    const Window from = intersect({x, y, width, height}, grid_.window());
    if (from.cells() > most_cells) return false;
    load(from);
    with_method([&](auto m) { resample_upright<decltype(m)::value>(); });
    return true;
  }

  template <Resampling method>
  void set_kernels(Axis& axis, std::int64_t low, std::int64_t high) const {
    constexpr int radius = radius_of(method), count = 2 * radius;
    const std::size_t n = axis.place.size();
    axis.first.assign(n, -1);
    axis.weights.assign(n * count, missing<double>);
    for (std::size_t i = 0; i < n; ++i) {
      if (std::isnan(axis.place[i])) continue;
      if constexpr (method == Resampling::nearest) {
        axis.first[i] = static_cast<std::int64_t>(axis.place[i]) - low;
      } else {
        std::int64_t first = 0;
        const double f = plain_first(axis.place[i], radius, first);
        if (first < low || first + count > high) continue;
        axis.first[i] = first - low;
        double w[count];
        plain_weights<method>(f, w);
        for (int a = 0; a < count; ++a) axis.weights[static_cast<std::size_t>(a) * n + i] = w[a];
      }
    }
  }

  template <Resampling method>
  void resample_upright() {
    if constexpr (method == Resampling::nearest) {
      set_kernels<method>(buffers_.across, held_.x, held_.right());
      for (std::int64_t y = 0; y < window_.height; ++y) {
        const double place = buffers_.down.place[static_cast<std::size_t>(y)];
        if (std::isnan(place)) continue;
        const float* from = cell(held_.x, static_cast<std::int64_t>(place));
        float* row = out_ + y * stride_;
        for (std::int64_t x = 0; x < window_.width; ++x) {
          const std::int64_t at = buffers_.across.first[static_cast<std::size_t>(x)];
          if (at >= 0 && is_missing(row[x])) row[x] = from[at];
        }
      }
    } else if constexpr (method != Resampling::average) {
      constexpr int count = 2 * radius_of(method);
      set_kernels<method>(buffers_.across, held_.x, held_.right());
      set_kernels<method>(buffers_.down, held_.y, held_.bottom());
      const bool held = held_.width >= count;  // a kernel that is none reads its cells too
      const auto width = static_cast<std::size_t>(window_.width), height = static_cast<std::size_t>(window_.height);
      buffers_.lines.resize(count * width);
      std::int64_t lines[count];
      std::fill_n(lines, count, -1);
      for (std::size_t y = 0; y < height; ++y) {
        if (std::isnan(buffers_.down.place[y])) continue;
        float* row = out_ + static_cast<std::int64_t>(y) * stride_;
        const std::int64_t first = buffers_.down.first[y];
        bool gaps = true;
        if (held && first >= 0) {
          const double* from[count];
          double weights[count];
          for (int b = 0; b < count; ++b) {
            const std::int64_t line = first + b;
            double* const to = buffers_.lines.data() + static_cast<std::size_t>(line % count) * width;
            if (std::exchange(lines[line % count], line) != line) bring<count>(line, to);
            from[b] = to, weights[b] = buffers_.down.weights[static_cast<std::size_t>(b) * height + y];
          }
          gaps = combine<count>(from, weights, row);
        }
        if (!gaps) continue;
        for (std::size_t x = 0; x < width; ++x) {
          if (std::isnan(buffers_.across.place[x]) || !is_missing(row[x])) continue;
          row[x] = gathered<method>(
              {buffers_.across.place[x], buffers_.down.place[y], buffers_.across.step[x], buffers_.down.step[y]}, 0,
              raster_, {buffers_.cells.data(), held_.width, held_}, across_, down_);
        }
      }
    }
  }

  /// One of the source rows that are held, at the columns of the target: sums along the row.
  template <int count>
  void bring(std::int64_t line, double* to) const {
    const std::size_t width = buffers_.across.place.size();
    const float* const from = buffers_.cells.data() + line * held_.width;
    const double* const weights = buffers_.across.weights.data();
    const std::int64_t* const first = buffers_.across.first.data();
#pragma GCC ivdep
    for (std::size_t x = 0; x < width; ++x) {
      const float* const at = from + (first[x] < 0 ? 0 : first[x]);
      double sum = 0;
      for (int a = 0; a < count; ++a)
        sum += weights[static_cast<std::size_t>(a) * width + x] * static_cast<double>(at[a]);
      to[x] = sum;
    }
  }

  /// Sums across rows, into the cells that are missing so far. True where any of the sums is missing.
  template <int count>
  bool combine(const double* const* from, const double* weights, float* row) const {
    const auto width = static_cast<std::size_t>(window_.width);
    int gaps = 0;
#pragma GCC ivdep
    for (std::size_t x = 0; x < width; ++x) {
      double full = 0;
      for (int b = 0; b < count; ++b) full += weights[b] * from[b][x];
      const float value = static_cast<float>(full);
      gaps |= is_missing(value) ? 1 : 0;
      row[x] = is_missing(row[x]) ? settled(value) : row[x];
    }
    return gaps != 0;
  }

  /// Source rows come a strip at a time, each cell gathering what it needs of them.
  void stream(const Window& part, const Window& from, double reference) {
    buffers_.gathered.assign(static_cast<std::size_t>(part.cells()), Gathered{});
    const std::int64_t block = std::max<std::int64_t>(1, source_.block().height);
    std::int64_t rows = std::max<std::int64_t>(1, most_cells / from.width);
    if (rows > block) rows = floor_to(rows, block);
    for (std::int64_t top = from.y; top < from.bottom();) {
      const std::int64_t next = std::min(rows > block ? floor_to(top + rows, block) : top + rows, from.bottom());
      load({from.x, top, from.width, next - top});
      for (std::int64_t y = 0; y < part.height; ++y)
        for (std::int64_t x = 0; x < part.width; ++x) {
          const Place p = place(part.x + x, part.y + y);
          if (std::isnan(p.column)) continue;
          const double reach = reach_of(method_, p.height) + 1;
          if (p.row + reach < static_cast<double>(top) || p.row - reach > static_cast<double>(next)) continue;
          add(p, turns(p.column, reference), buffers_.gathered[static_cast<std::size_t>(y * part.width + x)]);
        }
      top = next;
    }
    for (std::int64_t y = 0; y < part.height; ++y)
      for (std::int64_t x = 0; x < part.width; ++x)
        if (!std::isnan(place(part.x + x, part.y + y).column)) {
          const Gathered& g = buffers_.gathered[static_cast<std::size_t>(y * part.width + x)];
          with_method([&](auto m) {
            constexpr Resampling method = decltype(m)::value;
            out_[(part.y + y) * stride_ + part.x + x] =
                method == Resampling::nearest ? settled(static_cast<float>(g.full)) : value_of<method>(g);
          });
        }
  }

  /// Adds the rows that are held to what has been gathered of a cell.
  void add(const Place& p, std::int64_t shift, Gathered& g) {
    const HeldCells held{buffers_.cells.data(), held_.width, held_};
    const float* near = nearest_cell(p, shift, held);
    if (near != nullptr) g.near = !is_missing(*near);
    with_method([&](auto m) {
      constexpr Resampling method = decltype(m)::value;
      if constexpr (method == Resampling::nearest) {
        if (near != nullptr) g.full = static_cast<double>(*near);
      } else {
        across_.set<method>(p.column, p.width);
        down_.set<method>(p.row, p.height);
        if (reaches_beyond(across_, down_, raster_)) g.full = missing<double>;
        if (!is_missing(g.full)) add_full(across_, down_, shift, held, g);
        if constexpr (gentle(method) != method) {
          across_.set<gentle(method)>(p.column, p.width);
          down_.set<gentle(method)>(p.row, p.height);
        }
        add_valid(across_, down_, shift, held, g);
      }
    });
  }

  Buffers& buffers_;
  const RasterSource& source_;
  const Grid& grid_;
  Resampling method_;
  std::mutex* lock_;
  std::unique_ptr<GridTransformer> transformer_;
  Window reach_;
  SourceRaster raster_;
  bool upright_;
  std::unique_ptr<RasterReader> reader_;

  // the slice at work
  Window window_;
  float* out_ = nullptr;
  std::int64_t stride_ = 0;
  int band_ = 0;

  // the source cells that are held for it
  Window held_;

  // the target cell at work
  Taps across_, down_;
};

class WarpedSource : public RasterSource {
 public:
  WarpedSource(std::string name, Grid grid, std::vector<WarpInput> inputs, Resampling method)
      : name_{std::move(name)},
        warped_{std::move(grid), std::move(inputs), method},
        grid_{warped_.grid},
        inputs_{warped_.inputs},
        method_{warped_.method} {
    while (locks_.size() < inputs_.size()) locks_.push_back(std::make_unique<std::mutex>());
    const WarpInput& first = inputs_.front();
    const auto& stored = first.source->bands();
    for (std::size_t k = 0; k < stored.size(); ++k) {
      if (first.band >= 0 && first.band != static_cast<int>(k)) continue;
      const StoredBand& b = stored[k];
      StoredBand band;
      band.unit = b.unit;
      band.description = b.description;
      band.time = b.time;
      bands_.push_back(std::move(band));
    }
  }

  [[nodiscard]] const std::string& name() const override { return name_; }
  [[nodiscard]] const Grid& grid() const override { return grid_; }
  [[nodiscard]] const std::vector<StoredBand>& bands() const override { return bands_; }
  [[nodiscard]] Window block() const override { return {0, 0, 512, 256}; }
  [[nodiscard]] bool computed() const override { return true; }
  [[nodiscard]] std::int64_t working_bytes() const override;
  [[nodiscard]] std::map<std::string, std::string> metadata() const override {
    return inputs_.front().source->metadata();
  }
  [[nodiscard]] bool looks_negative(int band) const override {
    const WarpInput& first = inputs_.front();
    return first.source->looks_negative(first.band < 0 ? band : first.band);
  }
  [[nodiscard]] std::unique_ptr<RasterReader> reader() const override;
  [[nodiscard]] const WarpParts& warped() const { return warped_; }
  [[nodiscard]] const WarpSteps& steps() const;

 private:
  class Reader : public RasterReader {
   public:
    explicit Reader(const WarpedSource& source) : source_{source}, inputs_(source.inputs_.size()) {}
    void read(int band, const Window& window, void* cells, std::int64_t stride) override {
      auto* out = static_cast<float*>(cells);
      for (std::int64_t y = window.y; y < window.bottom(); ++y)
        std::fill_n(out + (y - window.y) * stride, window.width, missing<float>);
      for (std::int64_t y = floor_to(window.y, slice_height); y < window.bottom(); y += slice_height)
        for (std::int64_t x = floor_to(window.x, slice_width); x < window.right(); x += slice_width) {
          const Window slice = intersect({x, y, slice_width, slice_height}, window);
          for (std::size_t i = 0; i < inputs_.size(); ++i) {
            const WarpInput& input = source_.inputs_[i];
            if (intersect(slice, input.reach).empty()) continue;
            if (!inputs_[i])
              inputs_[i] = std::make_unique<InputReader>(
                  input, source_.method_, buffers_,
                  input.source->parallel_readers() <= 1 ? source_.locks_[i].get() : nullptr);
            inputs_[i]->fill(input.band < 0 ? band : input.band, slice,
                             out + (slice.y - window.y) * stride + (slice.x - window.x), stride);
          }
        }
      // Of a mosaic of many files only those near the window stay open.
      for (std::size_t i = 0; i < inputs_.size(); ++i)
        if (intersect(window, source_.inputs_[i].reach).empty()) inputs_[i].reset();
    }
    void read_mask(int, const Window&, std::uint8_t*, std::int64_t) override {
      fail(Errc::runtime, source_.name_ + " has no mask");
    }

   private:
    const WarpedSource& source_;
    Buffers buffers_;
    std::vector<std::unique_ptr<InputReader>> inputs_;
  };

  std::string name_;
  WarpParts warped_;
  const Grid& grid_;
  const std::vector<WarpInput>& inputs_;
  const Resampling& method_;
  std::vector<StoredBand> bands_;
  std::vector<std::unique_ptr<std::mutex>> locks_;
  mutable std::once_flag stepped_;
  mutable WarpSteps steps_;
};

const WarpSteps& WarpedSource::steps() const {
  std::call_once(stepped_, [this] {
    constexpr std::int64_t samples = 5, most_inputs = 8;
    const std::int64_t count = std::ssize(inputs_), every = (count + most_inputs - 1) / most_inputs;
    for (std::int64_t i = 0; i < count; i += every) {
      const WarpInput& input = inputs_[static_cast<std::size_t>(i)];
      if (input.reach.empty()) continue;
      const auto way = input.transformer->copy();
      const double turn = way->turn();
      for (std::int64_t k = 0; k < samples * samples; ++k) {
        const Window& w = input.reach;
        double columns[4], rows[4];
        way->places({w.x + k % samples * (w.width - 1) / (samples - 1),
                     w.y + k / samples * (w.height - 1) / (samples - 1), 2, 2},
                    columns, rows);
        const auto widen = [](double& most, double a, double b, double round) {
          double d = b - a;
          if (round > 0) d -= round * std::rint(d / round);
          if (std::abs(d) > most) most = std::abs(d);  // written so that a NaN is none
        };
        widen(steps_.columns_along, columns[0], columns[1], turn),
            widen(steps_.columns_down, columns[0], columns[2], turn);
        widen(steps_.rows_along, rows[0], rows[1], 0), widen(steps_.rows_down, rows[0], rows[2], 0);
      }
    }
  });
  return steps_;
}

std::int64_t WarpedSource::working_bytes() const {
  constexpr std::int64_t cells = slice_width * slice_height, around = (slice_width + 2) * (slice_height + 2);
  constexpr std::int64_t axes = 64 * 8 * (slice_width + slice_height), rows = sizeof(RowKernels) + 4 * 8 * slice_width;
  constexpr std::int64_t own = most_cells * 4 + piece_cells * 9 + around * 16 + axes + rows +
                               cells * static_cast<std::int64_t>(sizeof(Place) + sizeof(Gathered));
  std::int64_t most = 0;  // inputs are read one after the other
  for (const WarpInput& input : inputs_)
    most = std::max(most, bytes_of_block(*input.source) + input.source->working_bytes());
  return own + most;
}

std::unique_ptr<RasterReader> WarpedSource::reader() const { return std::make_unique<Reader>(*this); }

}  // namespace

std::shared_ptr<const RasterSource> warped_source(std::string name, Grid grid, std::vector<WarpInput> inputs,
                                                  Resampling method) {
  return std::make_shared<WarpedSource>(std::move(name), std::move(grid), std::move(inputs), method);
}

const WarpParts* warped_of(const RasterSource& source) {
  const auto* made = dynamic_cast<const WarpedSource*>(&source);
  return made == nullptr ? nullptr : &made->warped();
}

const WarpSteps& steps_of(const RasterSource& source) { return dynamic_cast<const WarpedSource&>(source).steps(); }

}  // namespace fulmar
