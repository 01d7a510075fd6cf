// SPDX-License-Identifier: Apache-2.0
#include "exec/reference.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/missing.hpp"
#include "exec/cells.hpp"
#include "exec/reduce.hpp"

namespace fulmar {
namespace {

/// A whole raster of one band; beyond it everything is missing, but for the columns of one that wraps.
struct Image {
  std::int64_t width = 0, height = 0;
  bool wraps = false;
  DType type = DType::f32;
  std::vector<float> floats;
  std::vector<std::uint8_t> flags;

  [[nodiscard]] bool inside(std::int64_t x, std::int64_t y) const {
    return (wraps || (x >= 0 && x < width)) && y >= 0 && y < height;
  }
  /// The column of the raster that a column beyond it is.
  [[nodiscard]] std::int64_t column(std::int64_t x) const { return wraps ? x - floor_to(x, width) : x; }
  [[nodiscard]] std::size_t at(std::int64_t x, std::int64_t y) const {
    return static_cast<std::size_t>(y * width + column(x));
  }
  [[nodiscard]] float value(std::int64_t x, std::int64_t y) const {
    return inside(x, y) ? floats[at(x, y)] : missing<float>;
  }
  [[nodiscard]] std::uint8_t flag(std::int64_t x, std::int64_t y) const {
    return inside(x, y) ? flags[at(x, y)] : missing<std::uint8_t>;
  }
};

Image blank(const Grid& grid, DType type) {
  Image image{grid.width, grid.height, grid.wraps, type, {}, {}};
  const auto cells = static_cast<std::size_t>(grid.width * grid.height);
  if (type == DType::f32)
    image.floats.resize(cells);
  else
    image.flags.resize(cells);
  return image;
}

Image load(const Graph& graph, const Node& node) {
  const RasterSource& source = *graph.sources[static_cast<std::size_t>(node.source)];
  const StoredBand& band = source.bands()[static_cast<std::size_t>(node.band)];
  Image image = blank(graph.grid, node.outputs[0].type);
  const Window all = graph.grid.window();
  auto reader = source.reader();
  if (source.computed()) {
    reader->read(node.band, all,
                 image.type == DType::f32 ? static_cast<void*>(image.floats.data()) : image.flags.data(), all.width);
    return image;
  }
  std::vector<std::byte> stored(static_cast<std::size_t>(all.cells()) * size_of(band.dtype));
  reader->read(node.band, all, stored.data(), all.width);
  std::vector<std::uint8_t> mask;
  if (band.has_mask) {
    mask.resize(static_cast<std::size_t>(all.cells()));
    reader->read_mask(node.band, all, mask.data(), all.width);
  }
  widen(band, stored.data(), all.width, band.has_mask ? mask.data() : nullptr, all.width, all.width, all.height,
        image.floats.data(), all.width);
  return image;
}

Image converted(const Image& from, DType type) {
  if (from.type == type) return from;
  Image to{from.width, from.height, from.wraps, type, {}, {}};
  to.floats.resize(type == DType::f32 ? from.flags.size() : 0);
  to.flags.resize(type == DType::f32 ? 0 : from.floats.size());
  if (type == DType::f32)
    to_floats(from.flags.data(), from.width, from.width, from.height, to.floats.data(), from.width);
  else
    to_flags(from.floats.data(), from.width, from.width, from.height, to.flags.data(), from.width);
  return to;
}

/// Window sums of every cell, by the definition in exec/windows.hpp: columns first, then along the row, restarting in
/// every block of the lattice.
struct Sums {
  std::vector<double> n, s1, s2;
};

Sums window_sums(const Image& image, const fulmar_view& v) {
  const bool ring = v.kind == FULMAR_VIEW_RING;
  const std::int64_t ox = v.outer_x, oy = v.outer_y, gx = v.inner_x, gy = v.inner_y;
  // The columns of a box of some half width that count: from the first, counted from the box's own, to behind the last.
  const bool left = ring && (v.rank & FULMAR_RING_LEFT) != 0, right = ring && (v.rank & FULMAR_RING_RIGHT) != 0;
  const auto first = [&](std::int64_t half) { return right ? half + 1 : 0; };
  const auto end = [&](std::int64_t half) { return left ? half : 2 * half + 1; };
  enum Power { count, sum, square };
  const auto term = [&](Power p, std::int64_t x, std::int64_t y) {
    const float value = image.value(x, y);
    if (is_missing(value)) return 0.0;
    const double d = value;
    return p == count ? 1.0 : p == sum ? d : d * d;
  };
  Sums out;
  for (auto* s : {&out.n, &out.s1, &out.s2}) s->resize(static_cast<std::size_t>(image.width * image.height));
  for (std::int64_t by = 0; by < image.height; by += block_height)
    for (std::int64_t bx = 0; bx < image.width; bx += block_width) {
      const std::int64_t w = std::min(block_width, image.width - bx), h = std::min(block_height, image.height - by);
      for (const Power p : {count, sum, square}) {
        std::vector<double>& to = p == count ? out.n : p == sum ? out.s1 : out.s2;
        std::vector<double> outer(static_cast<std::size_t>(w + 2 * ox)), inner(static_cast<std::size_t>(w + 2 * gx));
        const auto move = [&](std::vector<double>& columns, std::int64_t hx, std::int64_t hy, std::int64_t y) {
          for (std::int64_t i = 0; i < w + 2 * hx; ++i) {
            const std::int64_t x = bx - hx + i;
            double& c = columns[static_cast<std::size_t>(i)];
            if (y == 0)
              for (std::int64_t k = -hy; k <= hy; ++k) c += term(p, x, by + k);
            else
              c += term(p, x, by + y + hy) - term(p, x, by + y - hy - 1);
          }
        };
        for (std::int64_t y = 0; y < h; ++y) {
          move(outer, ox, oy, y);
          if (ring) move(inner, gx, gy, y);
          double running = 0;
          for (std::int64_t x = 0; x < w; ++x) {
            const auto o = [&](std::int64_t k) { return outer[static_cast<std::size_t>(k)]; };
            const auto g = [&](std::int64_t k) { return inner[static_cast<std::size_t>(k)]; };
            if (x == 0) {
              for (std::int64_t k = first(ox); k < end(ox); ++k) running += o(k);
              double hole = 0;
              for (std::int64_t k = first(gx); ring && k < end(gx); ++k) hole += g(k);
              running -= hole;
            } else if (ring) {
              running += (o(x + end(ox) - 1) - o(x + first(ox) - 1)) - (g(x + end(gx) - 1) - g(x + first(gx) - 1));
            } else {
              running += o(x + 2 * ox) - o(x - 1);
            }
            to[image.at(bx + x, by + y)] = running;
          }
        }
      }
    }
  return out;
}

/// Count and order statistics of one window, by the definition in exec/ranks.hpp.
std::array<double, 3> window_ranks(const Image& image, const fulmar_view& v, std::int64_t x, std::int64_t y) {
  const bool ring = (v.rank & FULMAR_RANK_RING) != 0;
  std::vector<float> cells;
  for (std::int64_t j = -v.outer_y; j <= v.outer_y; ++j)
    for (std::int64_t i = -v.outer_x; i <= v.outer_x; ++i) {
      if (ring && std::abs(i) <= v.inner_x && std::abs(j) <= v.inner_y) continue;
      const float cell = image.value(x + i, y + j);
      if (std::isfinite(cell)) cells.push_back(cell == 0 ? 0.0f : cell);
    }
  const auto n = static_cast<double>(cells.size());
  if (cells.empty()) return {0, missing<double>, missing<double>};
  std::sort(cells.begin(), cells.end());
  double low = (n - 1) * v.reach, high = low;
  if ((v.rank & FULMAR_RANK_CEIL) != 0) low = high = std::clamp(std::ceil(n * v.reach), 1.0, n) - 1;
  return {n, cells[static_cast<std::size_t>(std::floor(low))], cells[static_cast<std::size_t>(std::ceil(high))]};
}

std::uint8_t set_within(const Image& image, std::int64_t x, std::int64_t y, Halo halo, double dx, double dy,
                        double reach) {
  for (std::int64_t j = -halo.y; j <= halo.y; ++j)
    for (std::int64_t i = -halo.x; i <= halo.x; ++i) {
      const double across = static_cast<double>(i) * dx, down = static_cast<double>(j) * dy;
      if (across * across + down * down <= reach * reach && image.flag(x + i, y + j) == 1) return 1;
    }
  return 0;
}

/// What an operator sees of single cells: a call for each, on planes of one cell.
class CellCalls {
 public:
  CellCalls(const Graph& graph, const Node& node, const std::vector<Image>& inputs)
      : grid_{graph.grid},
        node_{node},
        inputs_{inputs},
        sums_(node.views.size()),
        scratch_(static_cast<std::size_t>(node.scratch())) {
    for (std::size_t i = 0; i < node.views.size(); ++i) {
      const fulmar_view& v = node.views[i];
      if (v.kind != FULMAR_VIEW_BOX && v.kind != FULMAR_VIEW_RING) continue;
      Image cells = inputs[node.input_of(v.input)];
      // A sampled input is passed through the operator before it is summed.
      if (v.sampled != 0)
        for (auto& cell : cells.floats) {
          float in = cell;
          fulmar_plane from{}, to{};
          from.cells = &in, to.cells = &cell;
          for (auto* p : {&from, &to}) p->stride = p->width = p->height = 1, p->dtype = FULMAR_F32, p->device = -1;
          const fulmar_call call{
              sizeof(fulmar_call), 1, 1, 0, &from, &to, nullptr, nullptr, nullptr, 0, nullptr, nullptr};
          call_operator(node, grid_.window(),
                        [&](fulmar_error* error) { return node.op->table().sample(node.params.data(), &call, error); });
        }
      sums_[i] = window_sums(cells, v);
    }
  }

  /// Calls use(call) for a cell; the outputs are for `use` to set.
  template <class Use>
  void at(std::int64_t x, std::int64_t y, Use&& use) {
    const Ground row = grid_.ground(y);
    const double ground_row[2] = {row.dx, row.dy};
    std::vector<fulmar_plane> planes;
    std::vector<std::vector<float>> near(node_.views.size());
    std::vector<std::vector<std::uint8_t>> flags(node_.views.size());
    std::vector<std::array<double, 3>> moments(node_.views.size());
    std::vector<float> bands;
    bands.reserve(inputs_.size());
    const auto add = [&](void* cells, DType type, std::int64_t stride, std::int64_t layer) {
      fulmar_plane p{};
      p.cells = cells, p.stride = stride, p.layer = layer, p.x = x, p.y = y, p.width = p.height = 1;
      p.dtype = static_cast<std::int32_t>(type), p.device = -1;
      planes.push_back(p);
    };
    for (std::size_t i = 0; i < node_.views.size(); ++i) {
      const fulmar_view& v = node_.views[i];
      const Image& in = inputs_[node_.input_of(v.input)];
      switch (v.kind) {
        case FULMAR_VIEW_BANDS:
          for (std::size_t b = 0; b < node_.bands; ++b) {
            bands.push_back(inputs_[b].value(x, y));
            add(&bands.back(), DType::f32, 1, 0);
          }
          break;
        case FULMAR_VIEW_SERIES:
          for (std::size_t b = 0; b < node_.bands; ++b) bands.push_back(inputs_[b].value(x, y));
          add(bands.data(), DType::f32, static_cast<std::int64_t>(node_.bands), static_cast<std::int64_t>(node_.bands));
          break;
        case FULMAR_VIEW_BOX:
        case FULMAR_VIEW_RING: {
          const auto k = in.at(x, y);
          moments[i] = {sums_[i].n[k], sums_[i].s1[k], sums_[i].s2[k]};
          add(moments[i].data(), DType::f64, 1, 1);
          break;
        }
        case FULMAR_VIEW_RANKS:
          moments[i] = window_ranks(in, v, x, y);
          add(moments[i].data(), DType::f64, 1, 1);
          break;
        case FULMAR_VIEW_WITHIN:
          flags[i] = {set_within(in, x, y, node_.halo(node_.input_of(v.input), grid_), row.dx > 0 ? row.dx : 1,
                                 row.dy > 0 ? row.dy : 1, v.reach)};
          add(flags[i].data(), DType::u8, 1, 0);
          break;
        default: {
          const std::int64_t wide = 2 * v.outer_x + 1, centre = v.outer_y * wide + v.outer_x;
          for (std::int64_t j = -v.outer_y; j <= v.outer_y; ++j)
            for (std::int64_t k = -v.outer_x; k <= v.outer_x; ++k)
              if (in.type == DType::f32)
                near[i].push_back(in.value(x + k, y + j));
              else
                flags[i].push_back(in.flag(x + k, y + j));
          if (in.type == DType::f32)
            add(near[i].data() + centre, DType::f32, wide, 0);
          else
            add(flags[i].data() + centre, DType::u8, wide, 0);
        }
      }
    }
    fulmar_call call{sizeof(fulmar_call),
                     static_cast<std::uint32_t>(planes.size()),
                     0,
                     0,
                     planes.data(),
                     nullptr,
                     node_.table.empty() ? nullptr : node_.table.data(),
                     ground_row,
                     node_.times.data(),
                     node_.times.size(),
                     scratch_.data(),
                     nullptr};
    use(call);
  }

 private:
  const Grid& grid_;
  const Node& node_;
  const std::vector<Image>& inputs_;
  std::vector<Sums> sums_;
  std::vector<double> scratch_;
};

/// Runs an operator cell by cell.
std::vector<Image> apply(const Graph& graph, const Node& node, const std::vector<Image>& inputs) {
  const fulmar_operator& table = node.op->table();
  std::vector<Image> outputs;
  for (const Band& b : node.outputs) outputs.push_back(blank(graph.grid, node.labels() ? DType::u8 : b.type));
  CellCalls calls{graph, node, inputs};
  for (std::int64_t y = 0; y < graph.grid.height; ++y)
    for (std::int64_t x = 0; x < graph.grid.width; ++x) {
      std::vector<fulmar_plane> out;
      for (Image& image : outputs) {
        fulmar_plane p{};
        p.cells =
            image.type == DType::f32 ? static_cast<void*>(&image.floats[image.at(x, y)]) : &image.flags[image.at(x, y)];
        p.stride = 1, p.x = x, p.y = y, p.width = p.height = 1;
        p.dtype = static_cast<std::int32_t>(image.type), p.device = -1;
        out.push_back(p);
      }
      calls.at(x, y, [&](fulmar_call& call) {
        call.outputs = static_cast<std::uint32_t>(out.size());
        call.output = out.data();
        call_operator(node, {x, y, 1, 1},
                      [&](fulmar_error* error) { return table.run(node.params.data(), &call, error); });
      });
    }
  return outputs;
}

/// Where an object lies that crosses the seam of a raster that wraps: its cells left of the first column without any
/// count as those of the next turn. One that goes all the way round stays as it is.
void unroll(std::vector<std::pair<std::int64_t, std::int64_t>>& cells, std::int64_t width) {
  std::vector<char> taken(static_cast<std::size_t>(width), 0);
  for (const auto& [x, y] : cells) taken[static_cast<std::size_t>(x)] = 1;
  if (taken.front() == 0 || taken.back() == 0) return;
  const auto free = std::find(taken.begin(), taken.end(), 0) - taken.begin();
  if (free == width) return;
  for (auto& [x, y] : cells) x += x < free ? width : 0;
}

/// Objects by filling each from its first cell, in raster order.
std::vector<Part> objects(const Image& set, const Image* intensity, const Image* background, bool eight) {
  std::vector<Part> parts;
  std::vector<char> seen(set.flags.size(), 0);
  for (std::int64_t y = 0; y < set.height; ++y)
    for (std::int64_t x = 0; x < set.width; ++x) {
      if (set.flag(x, y) != 1 || seen[set.at(x, y)] != 0) continue;
      Part part;
      part.looked_around = intensity != nullptr;
      std::vector<std::pair<std::int64_t, std::int64_t>> front{{x, y}};
      seen[set.at(x, y)] = 1;
      std::vector<std::pair<std::int64_t, std::int64_t>> cells;
      while (!front.empty()) {
        const auto [cx, cy] = front.back();
        front.pop_back();
        cells.emplace_back(cx, cy);
        part.at_edge |= cy == 0 || cy + 1 == set.height || (!set.wraps && (cx == 0 || cx + 1 == set.width));
        for (std::int64_t j = -1; j <= 1; ++j)
          for (std::int64_t i = -1; i <= 1; ++i) {
            const std::int64_t nx = set.column(cx + i), ny = cy + j;
            if (!set.inside(nx, ny)) continue;
            part.at_mask |= intensity != nullptr && is_missing(intensity->value(nx, ny));
            if (!eight && i != 0 && j != 0) continue;
            if (set.flag(nx, ny) != 1 || seen[set.at(nx, ny)] != 0) continue;
            seen[set.at(nx, ny)] = 1;
            front.emplace_back(nx, ny);
          }
      }
      if (set.wraps) unroll(cells, set.width);
      for (const auto& [cx, cy] : cells) {
        part.runs.push_back({cy, cx, cx + 1});
        ++part.cells;
        if (intensity != nullptr) {
          const float v = intensity->value(cx, cy);
          if (std::isfinite(v)) {
            part.intensity.add(v);
            part.weighted_x.add(v, 2 * cx + 1);
            part.weighted_y.add(v, 2 * cy + 1);
            part.maximum = std::max(part.maximum, v);
            ++part.with_intensity;
          }
        }
        if (background != nullptr && std::isfinite(background->value(cx, cy))) {
          part.background.add(background->value(cx, cy));
          ++part.with_background;
        }
      }
      parts.push_back(std::move(part));
    }
  return parts;
}

/// The numbers of a reducing operator in one of its rounds: a state for every block of the lattice, cell by cell in
/// raster order; then neighbours are merged, two by two, until one is left.
Found reduce(const Graph& graph, const Node& node, const std::vector<Image>& inputs,
             const std::vector<double>& summary) {
  const Reduction reduction{node, graph.grid, summary};
  CellCalls calls{graph, node, inputs};
  std::vector<Reduction::State> states;
  for (std::int64_t by = 0; by < graph.grid.height; by += block_height)
    for (std::int64_t bx = 0; bx < graph.grid.width; bx += block_width) {
      Reduction::State state = reduction.begin();
      for (std::int64_t y = by; y < std::min(graph.grid.height, by + block_height); ++y)
        for (std::int64_t x = bx; x < std::min(graph.grid.width, bx + block_width); ++x) {
          fulmar_plane here{};
          here.stride = 1, here.x = x, here.y = y, here.width = here.height = 1, here.device = -1;
          calls.at(x, y, [&](fulmar_call& call) {
            call.output = &here;
            reduction.step(state, call, {x, y, 1, 1});
          });
        }
      states.push_back(std::move(state));
    }
  return reduction.finish(std::move(states));
}

}  // namespace

void run_reference(const Graph& graph, Products& products, const std::atomic<bool>* cancel) {
  std::vector<std::vector<Image>> images(graph.nodes.size());
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    stop_if_asked(cancel);
    if (node.op == nullptr) {
      images[n] = {load(graph, node)};
      continue;
    }
    std::vector<Image> inputs(node.inputs.size());
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      const Edge& e = node.inputs[i];
      if (e.connected())
        inputs[i] =
            converted(images[static_cast<std::size_t>(e.node)][static_cast<std::size_t>(e.output)], node.port(i).type);
    }
    if (node.round >= 0) {
      Found& found = products.found(node.origin);
      found = reduce(graph, node, inputs, found.numbers);
      continue;
    }
    images[n] = apply(graph, node, inputs);
    if (!node.labels()) continue;
    const Image *intensity = nullptr, *background = nullptr;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (!node.inputs[i].connected()) continue;
      if (node.port(i).name == "intensity") intensity = &inputs[i];
      if (node.port(i).name == "background") background = &inputs[i];
    }
    Labeller& labeller = products.labeller(node.origin);
    for (Part& part : objects(images[n][0], intensity, background, labeller.eight()))
      labeller.add_whole(std::move(part));
  }
  for (std::int64_t y = 0; y < graph.grid.height; y += RasterSink::strip)
    for (std::size_t p = 0; p < graph.products.size(); ++p)
      for (std::size_t b = 0; b < graph.products[p].bands.size(); ++b) {
        const Edge& e = graph.products[p].bands[b];
        Image& image = images[static_cast<std::size_t>(e.node)][static_cast<std::size_t>(e.output)];
        auto* cells = image.type == DType::f32 ? reinterpret_cast<std::byte*>(image.floats.data())
                                               : reinterpret_cast<std::byte*>(image.flags.data());
        const Window rows{0, y, graph.grid.width, std::min(RasterSink::strip, graph.grid.height - y)};
        products.write(graph.products[p], b, rows, {cells, image.width, graph.grid.window(), image.type});
      }
}

}  // namespace fulmar
