// SPDX-License-Identifier: Apache-2.0
#include "exec/whole.hpp"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <vector>

#include "core/missing.hpp"
#include "exec/block.hpp"
#include "exec/cells.hpp"
#include "exec/pool.hpp"
#include "plan/plan.hpp"

namespace fulmar {
namespace {

fulmar_plane plane_of(Pool& pool, const Window& all, DType type) {
  fulmar_plane p{};
  p.cells = pool.take(all.cells() * static_cast<std::int64_t>(size_of(type)));
  p.stride = p.width = all.width;
  p.height = all.height;
  p.dtype = static_cast<std::int32_t>(type);
  p.device = -1;
  return p;
}

/// One band of a source, in the type of the operator's port.
void load(const RasterSource& source, int band, const fulmar_plane& to) {
  const StoredBand& stored = source.bands()[static_cast<std::size_t>(band)];
  auto reader = source.reader();
  const std::int64_t strip_rows = rows_of_strip(to.width, to.height);
  std::vector<std::byte> cells(static_cast<std::size_t>(to.width * strip_rows) * size_of(stored.dtype));
  std::vector<std::uint8_t> mask(stored.has_mask ? static_cast<std::size_t>(to.width * strip_rows) : 0);
  const bool f32 = to.dtype == FULMAR_F32;
  std::vector<float> floats(f32 ? 0 : static_cast<std::size_t>(to.width * strip_rows));
  for (std::int64_t y = 0; y < to.height; y += strip_rows) {
    const Window rows{0, y, to.width, std::min(strip_rows, to.height - y)};
    float* out = f32 ? static_cast<float*>(to.cells) + y * to.stride : floats.data();
    reader->read(band, rows, cells.data(), to.width);
    if (stored.has_mask) reader->read_mask(band, rows, mask.data(), to.width);
    widen(stored, cells.data(), to.width, stored.has_mask ? mask.data() : nullptr, to.width, to.width, rows.height, out,
          to.width);
    if (!f32)
      to_flags(out, to.width, to.width, rows.height, static_cast<std::uint8_t*>(to.cells) + y * to.stride, to.stride);
  }
}

}  // namespace

void run_whole(const Graph& graph, const WholeStep& step) {
  const Node& node = step.node;
  const Grid& grid = graph.grid_of(node.grid);
  const Window all = grid.window();
  Pool pool{bytes_of_whole(graph, step) + (std::int64_t{1} << 20)};
  std::vector<fulmar_plane> inputs, outputs;
  for (const fulmar_view& v : node.views) {
    const Edge& e = node.inputs[v.input];
    if (!e.connected()) {
      inputs.push_back({});
      continue;
    }
    inputs.push_back(plane_of(pool, all, node.op->inputs()[v.input].type));
    const Node& source = graph.node_of(e);
    load(*graph.sources[static_cast<std::size_t>(source.source)], source.band, inputs.back());
  }
  for (const Band& b : node.outputs) outputs.push_back(plane_of(pool, all, b.type));
  std::vector<double> ground;
  ground.reserve(static_cast<std::size_t>(2 * grid.height));
  for (std::int64_t y = 0; y < grid.height; ++y) {
    const Ground g = grid.ground(y);
    ground.insert(ground.end(), {g.dx, g.dy});
  }
  fulmar_call call{};
  call.size = sizeof call;
  call.inputs = static_cast<std::uint32_t>(inputs.size());
  call.outputs = static_cast<std::uint32_t>(outputs.size());
  call.input = inputs.data();
  call.output = outputs.data();
  call.table = node.table.empty() ? nullptr : node.table.data();
  call.ground = ground.data();
  call_operator(node, all,
                [&](fulmar_error* error) { return node.op->table().whole(node.params.data(), &call, error); });
  TemporaryRaster& to = *graph.temporaries[static_cast<std::size_t>(step.temporary)].raster;
  std::vector<float> row(static_cast<std::size_t>(all.width));
  for (std::size_t b = 0; b < outputs.size(); ++b) {
    if (outputs[b].dtype == FULMAR_F32) {
      auto* const cells = static_cast<float*>(outputs[b].cells);
      std::transform(cells, cells + all.cells(), cells, [](float v) { return settled(v); });
      to.write(static_cast<int>(b), all, cells, all.width);
      continue;
    }
    for (std::int64_t y = 0; y < all.height; ++y) {
      to_floats(static_cast<const std::uint8_t*>(outputs[b].cells) + y * all.width, all.width, all.width, 1, row.data(),
                all.width);
      to.write(static_cast<int>(b), {0, y, all.width, 1}, row.data(), all.width);
    }
  }
}

}  // namespace fulmar
