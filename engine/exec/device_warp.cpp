// SPDX-License-Identifier: Apache-2.0
#include "exec/device_warp.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>

#include "exec/parallel.hpp"

namespace fulmar {
namespace {

fulmar_plane plane_of(const PlaneRef& p, const Window& window) {
  fulmar_plane plane{};
  plane.cells = p.at<float>(window.x, window.y);
  plane.stride = p.stride;
  plane.x = window.x, plane.y = window.y, plane.width = window.width, plane.height = window.height;
  plane.dtype = FULMAR_F32;
  return plane;
}

/// The squares of a window, counted in squares.
Window squares_of(const Window& w) {
  const Window all = whole_blocks(w, square_side, square_side);
  return {all.x / square_side, all.y / square_side, all.width / square_side, all.height / square_side};
}
Window cells_of_squares(const Window& s) {
  return {s.x * square_side, s.y * square_side, s.width * square_side, s.height * square_side};
}

/// What several squares need together.
SquareNeed need_of(const SquareNeed* needs, std::int64_t stride, const Window& all, const Window& squares) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  SquareNeed n{infinity, -infinity, infinity, -infinity, infinity, -infinity, 0};
  for (std::int64_t y = squares.y; y < squares.bottom(); ++y)
    for (std::int64_t x = squares.x; x < squares.right(); ++x) {
      const SquareNeed& one = needs[(y - all.y) * stride + (x - all.x)];
      n.left = std::min(n.left, one.left), n.right = std::max(n.right, one.right);
      n.left_over = std::min(n.left_over, one.left_over), n.right_over = std::max(n.right_over, one.right_over);
      n.top = std::min(n.top, one.top), n.bottom = std::max(n.bottom, one.bottom);
      n.footprint = std::max(n.footprint, one.footprint);
    }
  return n;
}

}  // namespace

CardWarp::CardWarp(const RasterSource& source, const WarpRoom& room, int threads)
    : source_{source}, warped_{*warped_of(source)}, room_{room} {
  const bool keep = std::ssize(warped_.inputs) * threads <= most_open;
  for (const WarpInput& input : warped_.inputs) {
    inputs_.push_back(std::make_unique<Input>());
    inputs_.back()->readers = std::make_unique<ReaderPool>(*input.source, keep);
  }
}

template <class Use>
void CardWarp::with_way(int input, Use&& use) {
  Input& in = *inputs_[static_cast<std::size_t>(input)];
  std::unique_ptr<GridTransformer> way;
  {
    const std::lock_guard lock{in.mutex};
    if (!in.ways.empty()) way = std::move(in.ways.back()), in.ways.pop_back();
  }
  if (!way) way = warped_.inputs[static_cast<std::size_t>(input)].transformer->copy();
  use(*way);
  const std::lock_guard lock{in.mutex};
  in.ways.push_back(std::move(way));
}

void CardWarp::make(DeviceLane& lane, Tile& tile, int band, const Window& target, const PlaneRef& to) {
  // A single raster under all of the window makes every cell of it; otherwise cells are given as they are missing.
  const bool alone = warped_.inputs.size() == 1 && intersect(target, warped_.inputs.front().reach) == target;
  if (!alone) lane.clear(plane_of(to, target));
  for (std::size_t i = 0; i < warped_.inputs.size(); ++i) {
    const WarpInput& input = warped_.inputs[i];
    const Window part = intersect(target, input.reach);
    if (!part.empty())
      make_part({lane, tile, to, static_cast<int>(i), input.band < 0 ? band : input.band, alone}, part);
  }
}

bool CardWarp::send_squares(const Job& job, const Window& part, const Window& squares) {
  Tile& tile = job.tile;
  if (tile.input == job.input && tile.part == part) return true;
  const std::int64_t count = squares.cells();
  if (count > room_.squares) fail(Errc::runtime, "the plan set too little room aside for the squares of a warp");
  auto* index = reinterpret_cast<std::int64_t*>(tile.host_squares);
  auto* numbers = reinterpret_cast<double*>(index + count);
  // The lane may still read what was sent before.
  job.lane.wait();
  tile.input = -1, tile.looked = false;
  parallel::each(static_cast<std::size_t>(squares.height), [&](std::size_t row) {
    with_way(job.input, [&](GridTransformer& way) {
      const std::int64_t y = squares.y + static_cast<std::int64_t>(row);
      for (std::int64_t x = squares.x; x < squares.right(); ++x) {
        const std::int64_t k = (y - squares.y) * squares.width + (x - squares.x);
        const bool fits = way.surface(x * square_side, y * square_side, numbers + surface_numbers * k);
        index[k] = 2 * surface_numbers * k + (fits ? 0 : 1);
      }
    });
  });
  std::vector<std::int64_t> dense;
  for (std::int64_t k = 0; k < count; ++k)
    if (index[k] % 2 != 0) dense.push_back(k);
  if (std::ssize(dense) > room_.dense) return false;
  constexpr std::int64_t cells = square_side * square_side;
  parallel::each(dense.size(), [&](std::size_t d) {
    const std::int64_t k = dense[d], at = surface_numbers * count + 2 * cells * static_cast<std::int64_t>(d);
    double columns[cells], rows[cells];
    with_way(job.input, [&](GridTransformer& way) {
      way.places({(squares.x + k % squares.width) * square_side, (squares.y + k / squares.width) * square_side,
                  square_side, square_side},
                 columns, rows);
    });
    for (std::int64_t i = 0; i < cells; ++i) numbers[at + 2 * i] = columns[i], numbers[at + 2 * i + 1] = rows[i];
    index[k] = 2 * at + 1;
  });
  // Surfaces that are none have numbers all the same, so that all is one copy.
  for (const std::int64_t k : dense) std::fill_n(numbers + surface_numbers * k, surface_numbers, 0.0);
  const std::int64_t bytes = 8 * (count + surface_numbers * count + 2 * cells * std::ssize(dense));
  job.lane.upload(tile.squares, bytes, tile.host_squares, bytes, bytes, 1);
  tile.input = job.input, tile.part = part;
  return true;
}

void CardWarp::make_part(const Job& job, const Window& part) {
  const WarpInput& input = warped_.inputs[static_cast<std::size_t>(job.input)];
  const Grid& grid = input.source->grid();
  Tile& tile = job.tile;
  WarpCells warp;
  warp.method = warped_.method;
  warp.source = {grid.width, grid.height, grid.wraps, input.transformer->turn()};
  if (const AffineWay* way = input.transformer->affine()) {
    warp.affine = *way;
    if (tile.input != job.input || !(tile.part == part)) tile.input = job.input, tile.part = part, tile.looked = false;
  } else {
    const Window squares = squares_of(grow(part, {1, 1}));
    if (!send_squares(job, part, squares)) {
      // By halves, which end where squares do: one square and those around it have room.
      const bool rows = part.height > part.width;
      const std::int64_t first = rows ? part.y : part.x, size = rows ? part.height : part.width;
      const std::int64_t cut =
          std::max(floor_to(first + size / 2, square_side), floor_to(first, square_side) + square_side);
      Window one = part, other = part;
      (rows ? one.height : one.width) = cut - first;
      (rows ? other.y : other.x) = cut, (rows ? other.height : other.width) = first + size - cut;
      make_part(job, one);
      make_part(job, other);
      return;
    }
    warp.by_squares = true;
    const auto* index = reinterpret_cast<const std::int64_t*>(tile.squares);
    warp.squares = {index, reinterpret_cast<const double*>(index + squares.cells()), squares, grid.width,
                    input.transformer->turn()};
  }
  warp.target = part;
  warp.out = job.to.at<float>(part.x, part.y);
  warp.stride = job.to.stride;
  warp.fresh = job.fresh;
  const Window squares = squares_of(part);
  if (!tile.looked) {
    job.lane.look(warp, tile.needs);
    const auto bytes = squares.cells() * static_cast<std::int64_t>(sizeof(SquareNeed));
    job.lane.download(tile.host_needs, bytes, tile.needs, bytes, bytes, 1);
    job.lane.wait();
    // Which cells have a value already is another matter for every band.
    tile.looked = job.fresh;
  }
  make_piece(job, part, squares, tile.host_needs, squares.width, warp);
}

void CardWarp::make_piece(const Job& job, const Window& part, const Window& squares, const SquareNeed* needs,
                          std::int64_t stride, WarpCells& warp) {
  const Window all = squares_of(part), target = intersect(cells_of_squares(squares), part);
  const SquareNeed need = need_of(needs, stride, all, squares);
  if (!(need.left <= need.right)) {
    if (warp.fresh) job.lane.clear(plane_of(job.to, target));
    return;
  }
  // Half a cell more, as kernels are bounded by the centres of cells.
  const bool over = warp.source.wraps && need.right_over - need.left_over < need.right - need.left;
  const auto low = [](double v) { return static_cast<std::int64_t>(std::floor(v - 0.5)); };
  const auto high = [](double v) { return static_cast<std::int64_t>(std::ceil(v + 0.5)); };
  const std::int64_t x = low(over ? need.left_over : need.left), right = high(over ? need.right_over : need.right);
  Window held{x, low(need.top), right - x, high(need.bottom) - low(need.top)};
  held = intersect(held, {warp.source.wraps ? held.x : 0, 0, warp.source.wraps ? held.width : warp.source.width,
                          warp.source.height});
  if (held.cells() > room_.cells) {
    if (warp.fresh) job.lane.clear(plane_of(job.to, target));
    warp.fresh = false;
    if (squares.cells() == 1) return make_on_host(job, target);
    Window one = squares, other = squares;
    if (squares.height >= squares.width)
      one.height = squares.height / 2, other.y += one.height, other.height -= one.height;
    else
      one.width = squares.width / 2, other.x += one.width, other.width -= one.width;
    make_piece(job, part, one, needs, stride, warp);
    make_piece(job, part, other, needs, stride, warp);
    return;
  }
  send_cells(job, held);
  warp.target = target;
  warp.out = job.to.at<float>(target.x, target.y);
  warp.held = {job.tile.cells, held.width, held};
  warp.over_seam = over;
  const double wide = need.footprint;
  warp.taps =
      static_cast<int>(std::min(1e6, warped_.method == Resampling::average ? std::ceil(wide) + 2
                                     : wide > least_stretch ? std::ceil(2 * radius_of(warped_.method) * wide) + 2
                                                            : 0));
  job.lane.warp(warp);
}

std::byte* CardWarp::stage(const Job& job, std::int64_t bytes) {
  bytes = (bytes + 63) / 64 * 64;
  const std::int64_t size = room_.staged_bytes();
  if (bytes > size) fail(Errc::runtime, "the plan set too little room aside for the cells of a warp");
  if (job.tile.staged + bytes > size) {
    job.lane.wait();
    job.tile.staged = 0;
  }
  std::byte* memory = job.tile.staging + job.tile.staged;
  job.tile.staged += bytes;
  return memory;
}

void CardWarp::send_cells(const Job& job, const Window& held) {
  const RasterSource& source = *warped_.inputs[static_cast<std::size_t>(job.input)].source;
  const StoredBand& band = source.bands()[static_cast<std::size_t>(job.band)];
  const auto size = static_cast<std::int64_t>(size_of(band.dtype));
  const std::int64_t bytes = held.cells() * size, rounded = (bytes + 63) / 64 * 64;
  std::byte* const cells = stage(job, rounded + (band.has_mask ? held.cells() : 0));
  auto* const mask = band.has_mask ? reinterpret_cast<std::uint8_t*>(cells + rounded) : nullptr;
  decode(job, held, cells, mask);
  job.lane.upload(job.tile.stored, bytes, cells, bytes, bytes, 1);
  if (mask != nullptr) job.lane.upload(job.tile.mask, held.cells(), mask, held.cells(), held.cells(), 1);
  const PlaneRef to{reinterpret_cast<std::byte*>(job.tile.cells), held.width, held, DType::f32};
  job.lane.widen(band, job.tile.stored, held.width, mask != nullptr ? job.tile.mask : nullptr, held.width,
                 plane_of(to, held));
}

void CardWarp::decode(const Job& job, const Window& held, std::byte* cells, std::uint8_t* mask) {
  const RasterSource& source = *warped_.inputs[static_cast<std::size_t>(job.input)].source;
  const Grid& grid = source.grid();
  Input& in = *inputs_[static_cast<std::size_t>(job.input)];
  const auto size = static_cast<std::int64_t>(size_of(source.bands()[static_cast<std::size_t>(job.band)].dtype));
  // Whole rows of the file's blocks, so that no block is decoded by two.
  const std::int64_t block = std::max<std::int64_t>(1, source.block().height);
  const std::int64_t rows = ceil_to(rows_of_strip(held.width, held.height), block);
  const std::int64_t first = floor_to(held.y, block);
  const auto strips = static_cast<std::size_t>((held.bottom() - first + rows - 1) / rows);
  const auto read = [&](std::size_t i) {
    const std::int64_t y = first + static_cast<std::int64_t>(i) * rows;
    const Window strip = intersect({held.x, y, held.width, rows}, held);
    auto reader = in.readers->take();
    // Columns are taken round the earth where the raster is.
    each_run(strip.x, strip.right(), 0, grid.width, grid.turn(),
             [&](std::int64_t x, std::int64_t at, std::int64_t count) {
               const std::int64_t place = (strip.y - held.y) * held.width + (x - held.x);
               const Window from{at, strip.y, count, strip.height};
               reader->read(job.band, from, cells + place * size, held.width);
               if (mask != nullptr) reader->read_mask(job.band, from, mask + place, held.width);
             });
    in.readers->give(std::move(reader));
  };
  if (source.parallel_readers() <= 1) {
    const std::lock_guard lock{in.reading};
    for (std::size_t i = 0; i < strips; ++i) read(i);
  } else {
    parallel::each(strips, read);
  }
}

void CardWarp::make_on_host(const Job& job, const Window& part) {
  Input& in = *inputs_[static_cast<std::size_t>(job.input)];
  std::unique_ptr<RasterReader> reader;
  {
    const std::lock_guard lock{in.mutex};
    if (!in.alone)
      in.alone = warped_source(source_.name(), warped_.grid, {warped_.inputs[static_cast<std::size_t>(job.input)]},
                               warped_.method);
    reader = in.alone->reader();
  }
  auto* const cells = reinterpret_cast<float*>(stage(job, 4 * part.cells()));
  {
    const WarpInput& input = warped_.inputs[static_cast<std::size_t>(job.input)];
    std::unique_lock lock{in.reading, std::defer_lock};
    if (input.source->parallel_readers() <= 1) lock.lock();
    reader->read(input.band < 0 ? job.band : 0, part, cells, part.width);
  }
  job.lane.upload(job.tile.cells, 4 * part.cells(), cells, 4 * part.cells(), 4 * part.cells(), 1);
  const PlaneRef from{reinterpret_cast<std::byte*>(job.tile.cells), part.width, part, DType::f32};
  job.lane.complete(plane_of(from, part), plane_of(job.to, part));
}

}  // namespace fulmar
