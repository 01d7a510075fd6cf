// SPDX-License-Identifier: Apache-2.0
#include "exec/strips.hpp"

#include <algorithm>
#include <cstring>

#include "exec/parallel.hpp"

namespace fulmar {

std::unique_ptr<RasterReader> ReaderPool::take() {
  {
    const std::lock_guard lock{mutex_};
    if (!free_.empty()) {
      auto reader = std::move(free_.back());
      free_.pop_back();
      return reader;
    }
  }
  return source_.reader();
}

void ReaderPool::give(std::unique_ptr<RasterReader> reader) {
  if (!keep_) return;
  const std::lock_guard lock{mutex_};
  free_.push_back(std::move(reader));
}

StripReader::StripReader(const Graph& graph, const Plan& plan) : graph_{graph}, plan_{plan} {
  for (const SourceUse& use : plan.sources)
    pools_.push_back(
        std::make_unique<ReaderPool>(*graph.sources[static_cast<std::size_t>(use.source)],
                                     static_cast<std::int64_t>(plan.sources.size()) * plan.threads <= most_open));
}

void StripReader::read(TileContext& tile, const TileContext* before) {
  const Window raster = graph_.grid.window();
  tile.sources.resize(plan_.sources.size());
  for (std::size_t u = 0; u < plan_.sources.size(); ++u) {
    const SourceUse& use = plan_.sources[u];
    const RasterSource& source = *graph_.sources[static_cast<std::size_t>(use.source)];
    Window held = source_window(graph_, plan_, use.source, tile.tile);
    const std::int64_t bottom =
        std::min(raster.height, ceil_to(held.bottom(), std::max<std::int64_t>(1, source.block().height)));
    held.height = bottom - held.y;
    auto& bands = tile.sources[u];
    bands.resize(use.bands.size());
    for (std::size_t b = 0; b < bands.size(); ++b) {
      const StoredBand& stored = source.bands()[static_cast<std::size_t>(use.bands[b])];
      const auto take = [&](DType type) {
        auto* memory = tile.memory.take<std::byte>(held.cells() * static_cast<std::int64_t>(size_of(type)));
        return PlaneRef{memory, held.width, held, type};
      };
      bands[b].cells = take(stored.dtype);
      bands[b].mask = stored.has_mask ? take(DType::u8) : PlaneRef{};
    }
    Window fresh = held;
    if (before != nullptr && !before->sources[u].empty()) {
      const Window old = before->sources[u].front().cells.window;
      const Window again = intersect(old, held);
      if (again.width == held.width && again.height > 0 && again.y == held.y) {
        const auto copy = [&](const PlaneRef& from, const PlaneRef& to) {
          if (from.cells == nullptr) return;
          const auto size = static_cast<std::int64_t>(size_of(from.type));
          std::memcpy(to.cells, from.cells + ((again.y - old.y) * from.stride) * size,
                      static_cast<std::size_t>(again.cells() * size));
        };
        for (std::size_t b = 0; b < bands.size(); ++b) {
          copy(before->sources[u][b].cells, bands[b].cells);
          copy(before->sources[u][b].mask, bands[b].mask);
        }
        fresh = {held.x, again.bottom(), held.width, held.bottom() - again.bottom()};
      }
    }
    if (!fresh.empty()) decode(u, fresh, tile);
  }
}

void StripReader::decode(std::size_t u, const Window& fresh, const TileContext& tile) {
  const SourceUse& use = plan_.sources[u];
  const RasterSource& source = *graph_.sources[static_cast<std::size_t>(use.source)];
  const Window block = source.block();
  // Pieces along the lattice of the file's blocks, about a quarter million cells each, so that threads share the work
  // and no block is decoded by two. Of many bands, so few cells at a time that chunks which span several of them are
  // still at hand when the next band asks.
  const std::int64_t piece_cells = (std::int64_t{8} << 18) / std::max<std::int64_t>(8, std::ssize(use.bands));
  const std::int64_t bw = std::max<std::int64_t>(1, block.width), bh = std::max<std::int64_t>(1, block.height);
  const std::int64_t across =
      bw >= graph_.grid.width ? graph_.grid.width : std::max(bw, floor_to(piece_cells / bh, bw));
  const std::int64_t down = std::max(bh, floor_to(piece_cells / std::min(across, fresh.width), bh));
  struct Piece {
    Window window;   // of the raster
    std::int64_t x;  // its first column as the tile counts it: beyond the seam, a turn away
  };
  std::vector<Piece> pieces;
  each_run(fresh.x, fresh.right(), 0, graph_.grid.width, graph_.grid.turn(),
           [&](std::int64_t column, std::int64_t at, std::int64_t count) {
             const Window part{at, fresh.y, count, fresh.height};
             for (std::int64_t y = floor_to(part.y, bh); y < part.bottom(); y += down)
               for (std::int64_t x = floor_to(part.x, bw); x < part.right(); x += across)
                 if (const Window piece = intersect({x, y, across, down}, part); !piece.empty())
                   pieces.push_back({piece, piece.x + column - at});
           });

  const auto read_piece = [&](const Piece& of) {
    const Window& piece = of.window;
    auto reader = pools_[u]->take();
    std::vector<void*> places;
    for (const auto& stored : tile.sources[u]) {
      const auto offset = (piece.y - stored.cells.window.y) * stored.cells.stride + (of.x - stored.cells.window.x);
      places.push_back(stored.cells.cells + offset * static_cast<std::int64_t>(size_of(stored.cells.type)));
    }
    // All bands of a source are held for the same window, with the same stride.
    reader->read_bands(use.bands, piece, places, tile.sources[u].front().cells.stride);
    for (std::size_t b = 0; b < use.bands.size(); ++b) {
      const auto& stored = tile.sources[u][b];
      if (stored.mask.cells != nullptr)
        reader->read_mask(use.bands[b], piece, stored.mask.at<std::uint8_t>(of.x, piece.y), stored.mask.stride);
    }
    pools_[u]->give(std::move(reader));
  };
  if (source.parallel_readers() <= 1) {
    for (const Piece& piece : pieces) read_piece(piece);
    return;
  }
  parallel::each(pieces.size(), [&](std::size_t i) { read_piece(pieces[i]); });
}

}  // namespace fulmar
