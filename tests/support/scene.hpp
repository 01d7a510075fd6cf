// SPDX-License-Identifier: Apache-2.0
/// @file
/// Seeded scenes for any operator, made from its schema; running them; comparing what came out to the bit.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "exec/run.hpp"
#include "plan/pipeline.hpp"
#include "plugins/builtin.hpp"
#include "support/memory_io.hpp"
#include "support/tested.hpp"

namespace fulmar::test {

// ---- grids ----

/// Longitude and latitude from the affine transform of a geographic grid.
struct AffineLocator : Locator {
  explicit AffineLocator(std::array<double, 6> affine) : a{affine} {}
  [[nodiscard]] std::optional<LonLat> lonlat(double column, double row) const override {
    return LonLat{a[0] + column * a[1] + row * a[2], a[3] + column * a[4] + row * a[5]};
  }
  std::array<double, 6> a;
};

/// `global`: geographic, and round the earth.
enum class Place { metric, geographic, unknown, global };

inline Grid make_grid(Place place, std::int64_t width, std::int64_t height) {
  Grid g;
  g.width = width;
  g.height = height;
  if (place == Place::metric) {
    g.affine = {500000, 100, 0, 4000000, 0, -100};
    g.crs = "a projected CRS in metres";
  } else if (place == Place::geographic) {  // cells of about 84 x 111 m at 60 degrees north
    g.affine = {10, 0.0015, 0, 60.2, 0, -0.001};
    g.crs = "a geographic CRS";
    g.geographic = true;
    g.locator = std::make_shared<AffineLocator>(*g.affine);
  } else if (place == Place::global) {
    g.affine = {-180, 360 / static_cast<double>(width), 0, 80, 0, -150 / static_cast<double>(height)};
    g.crs = "a geographic CRS";
    g.geographic = g.wraps = true;
    g.locator = std::make_shared<AffineLocator>(*g.affine);
  }
  return g;
}

// ---- scenes ----

/// A band with gaps, and what lies hidden in the gaps.
struct Layer {
  std::vector<float> values;
  std::vector<std::uint8_t> valid;
  Unit unit;
  std::optional<double> time = {};
};

inline std::vector<float> smooth_field(const Grid& g, float low, float high) {
  std::vector<float> v;
  v.reserve(static_cast<std::size_t>(g.width * g.height));
  for (std::int64_t y = 0; y < g.height; ++y)
    for (std::int64_t x = 0; x < g.width; ++x) {
      const double u =
          0.5 + 0.25 * std::sin(0.013 * static_cast<double>(x)) + 0.25 * std::cos(0.021 * static_cast<double>(y) + 0.3);
      v.push_back(low + (high - low) * static_cast<float>(u));
    }
  return v;
}

/// Round patches of 1 in 0.
inline std::vector<float> blobs(const Grid& g, std::mt19937& rng) {
  std::vector<float> v(static_cast<std::size_t>(g.width * g.height));
  const std::int64_t count = 1 + g.width * g.height / 6000;
  for (std::int64_t k = 0; k < count; ++k) {
    const auto cx = static_cast<std::int64_t>(rng() % static_cast<std::uint32_t>(g.width + 1)),
               cy = static_cast<std::int64_t>(rng() % static_cast<std::uint32_t>(g.height + 1)),
               r = static_cast<std::int64_t>(1 + rng() % 12);
    for (std::int64_t y = std::max<std::int64_t>(0, cy - r); y < std::min(g.height, cy + r); ++y)
      for (std::int64_t x = std::max<std::int64_t>(0, cx - r); x < std::min(g.width, cx + r); ++x)
        if ((x - cx) * (x - cx) + (y - cy) * (y - cy) < r * r) v[static_cast<std::size_t>(y * g.width + x)] = 1;
  }
  return v;
}

/// Values that a port of some unit can make sense of.
inline std::vector<float> values_for(const Unit& unit, const Grid& g, std::mt19937& rng) {
  const auto n = static_cast<std::size_t>(g.width * g.height);
  std::vector<float> v(n);
  const auto at = [&](std::int64_t x, std::int64_t y) -> float& {
    return v[static_cast<std::size_t>(y * g.width + x)];
  };
  if (unit.symbol == units::decibel) {
    std::normal_distribution<float> d(-20, 4);
    for (auto& x : v) x = d(rng);
  } else if (unit.symbol == units::one) {
    std::gamma_distribution<float> d(4.4f, 0.02f / 4.4f);
    for (auto& x : v) x = d(rng);
    for (std::size_t k = 0; k < 1 + n / 4000; ++k) {  // ships of 3 x 3 cells
      const auto cx = static_cast<std::int64_t>(rng() % static_cast<std::uint32_t>(g.width)),
                 cy = static_cast<std::int64_t>(rng() % static_cast<std::uint32_t>(g.height));
      for (std::int64_t y = cy; y < std::min(g.height, cy + 3); ++y)
        for (std::int64_t x = cx; x < std::min(g.width, cx + 3); ++x) at(x, y) = 2 + at(x, y);
    }
  } else if (unit.symbol == units::digital_number) {
    for (auto& x : v) x = rng() % 50 == 0 ? 0.0f : static_cast<float>(rng() % 1000);
  } else if (unit.symbol == units::metre) {  // hills of a kilometre, and steep ones of a few cells
    std::normal_distribution<float> d(0, 20);
    v = smooth_field(g, -50, 950);
    for (auto& x : v) x += d(rng);
  } else if (unit.symbol == units::flag) {
    v = blobs(g, rng);
    for (auto& x : v)
      if (rng() % 12 == 0) x = 1 - x;
  } else {
    std::normal_distribution<float> d(0, 0.05f);
    v = smooth_field(g, 0.2f, 0.9f);
    const auto second = blobs(g, rng);  // two classes, for what separates them
    for (std::size_t k = 0; k < n; ++k) v[k] += d(rng) + 2 * second[k];
  }
  return v;
}

/// About one cell in fifty missing: single cells and a patch.
inline std::vector<std::uint8_t> gaps_for(const Grid& g, std::mt19937& rng) {
  std::vector<std::uint8_t> valid(static_cast<std::size_t>(g.width * g.height), 255);
  for (auto& x : valid)
    if (rng() % 70 == 0) x = 0;
  const auto px = static_cast<std::int64_t>(rng() % static_cast<std::uint32_t>(g.width)),
             py = static_cast<std::int64_t>(rng() % static_cast<std::uint32_t>(g.height));
  for (std::int64_t y = py; y < std::min(g.height, py + 30); ++y)
    for (std::int64_t x = px; x < std::min(g.width, px + 40); ++x) valid[static_cast<std::size_t>(y * g.width + x)] = 0;
  return valid;
}

inline Layer layer_for(const Unit& unit, const Grid& g, std::mt19937& rng) {
  auto values = values_for(unit, g, rng);
  return {std::move(values), gaps_for(g, rng), unit};
}

/// The files of a stack of dates, a day apart: `count` layers, `bands` of them a date. In the last week some cells hold
/// more than before and some less; some cells are missing at all dates.
inline std::map<std::string, std::vector<Layer>> stack_for(const std::string& name, const Unit& unit, int bands,
                                                           int count, const Grid& g, std::mt19937& rng) {
  std::map<std::string, std::vector<Layer>> files;
  const auto land = gaps_for(g, rng);
  for (int d = 0; d < count / bands; ++d) {
    std::vector<Layer>& file = files[name + (d < 10 ? "0" : "") + std::to_string(d) + ".tif"];
    for (int b = 0; b < bands; ++b) {
      file.push_back(layer_for(unit, g, rng));
      Layer& l = file.back();
      l.time = 631152000.0 + 86400.0 * d;  // from 1990-01-01 on
      for (std::size_t k = 0; k < l.values.size(); ++k) {
        // Warm in the last week, cold, or neither, by stripes.
        const std::int64_t stripe = static_cast<std::int64_t>(k) % g.width / 16 % 3;
        if (stripe > 0 && d >= count / bands - 7) l.values[k] *= stripe == 1 ? 1.5f : 0.5f;
        if (land[k] == 0) l.valid[k] = 0;
      }
    }
  }
  return files;
}

/// Everything a pipeline reads, and the pipeline.
struct Scene {
  struct Beside {
    bool flags = true;
    std::vector<float> values;
  };
  Grid grid;
  std::string text;
  std::map<std::string, std::vector<Layer>> files;
  std::map<std::string, Beside> companions;
  std::map<std::string, Grid> grids;  ///< of files that do not lie on `grid`
  Window block{0, 0, 64, 48};

  [[nodiscard]] std::unique_ptr<MemoryIo> io() const {
    auto made = std::make_unique<MemoryIo>();
    for (const auto& [path, layers] : files) {
      const auto own = grids.find(path);
      auto raster = std::make_shared<MemoryRaster>(path, own == grids.end() ? grid : own->second, block);
      for (const Layer& l : layers)
        raster->add_band({DType::f32, {}, {}, 1, 0, false, l.unit, "band", l.time}, l.values, l.valid);
      made->rasters[path] = std::move(raster);
    }
    for (const auto& [path, c] : companions)
      made->companions[path] =
          c.flags ? MemoryRaster::flags(path, grid, c.values) : MemoryRaster::field(path, grid, c.values);
    return made;
  }
};

// ---- from a schema to pipelines ----

/// An operator with some of its parameters given, to be run somewhere.
struct Case {
  std::string op;
  std::vector<std::pair<std::string, std::string>> values;
  Place place = Place::metric;

  [[nodiscard]] std::string label() const {
    std::string l = op;
    for (const auto& [name, value] : values) l += "_" + name + "_" + value;
    if (place != Place::metric)
      l += place == Place::geographic ? "_geographic" : place == Place::global ? "_global" : "_nowhere";
    for (char& c : l)
      if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
    return l;
  }
  friend void PrintTo(const Case& c, std::ostream* out) { *out << c.label(); }
};

/// The step of an operator in its own example.
inline std::optional<Step> example_step(const Operator& op) {
  for (const Step& s : parse_text(op.example()))
    if (s.kind == Step::Kind::apply && s.name == op.name()) return s;
  return std::nullopt;
}

/// Every choice of every parameter, every switch turned, and every length that is 0 by default given one.
inline std::vector<Case> variants_of(const Operator& op) {
  std::vector<Case> all{{op.name(), {}, Place::metric}};
  const auto cross = [&](const std::string& name, const std::vector<std::string>& values) {
    const std::vector<Case> before = all;
    for (const auto& value : values)
      for (Case c : before) {
        c.values.emplace_back(name, value);
        all.push_back(std::move(c));
      }
  };
  for (const Param& p : op.params()) {
    if (p.type == ParamType::choice) {
      std::vector<std::string> others;
      for (const auto& choice : p.choices)
        if (choice != p.fallback) others.push_back(choice);
      cross(p.name, others);
    } else if (p.type == ParamType::boolean) {
      cross(p.name, {p.fallback == "true" ? "false" : "true"});
    } else if (p.type == ParamType::length && p.fallback == "0") {
      cross(p.name, {"250"});
    }
  }
  return all;
}

inline std::vector<Case> all_cases(bool everywhere) {
  std::vector<Case> all;
  for (const auto& [name, op] : tested_registry().operators()) {
    if (!is_tested(op)) continue;
    // Tables know neither tiles nor cells; their laws are in tables_test.cpp.
    if (op.kind() == "tabular") continue;
    for (const Case& c : variants_of(op))
      for (const Place place : {Place::metric, Place::geographic, Place::unknown}) {
        if (place != Place::metric && !everywhere) continue;
        // What lies nowhere cannot be brought elsewhere.
        if (place == Place::unknown && op.table().kind == FULMAR_KIND_WARPING) continue;
        all.push_back(c);
        all.back().place = place;
      }
  }
  return all;
}

/// The same cells a fraction of a cell, and some cells, further down and right; a little finer.
inline Grid shifted(Grid g) {
  auto& a = *g.affine;
  a[0] += 20.3 * a[1], a[3] += 11.6 * a[5];
  a[1] *= 0.87, a[5] *= 0.91;
  return g;
}

/// Where the ground is unknown, or a cell is a country, lengths are told in cells of what would be 100 m.
inline std::string length_text(const std::string& metres, Place place) {
  if (place == Place::metric || place == Place::geographic || metres.ends_with("px")) return metres;
  std::ostringstream out;
  out << std::stod(metres) / 100 << "px";
  return out.str();
}

inline Scene make_scene(const Registry& registry, const Case& c, std::int64_t width, std::int64_t height,
                        std::uint32_t seed) {
  const Operator& op = *registry.find(c.op);
  std::mt19937 rng(seed);
  Scene s;
  s.grid = make_grid(c.place, width, height);
  const bool dates = op.table().kind == FULMAR_KIND_TEMPORAL;
  if (dates)
    s.files = stack_for("in", op.inputs()[0].unit, op.series_bands() != 0 ? static_cast<int>(op.series_bands()) : 3, 15,
                        s.grid, rng);
  else
    for (int b = 0; b < (op.variadic() ? 8 : 1); ++b)
      s.files["in.tif"].push_back(layer_for(op.inputs()[0].unit, s.grid, rng));
  // Beyond the swath all bands are missing.
  if (op.variadic() && !dates)
    for (Layer& l : s.files["in.tif"])
      for (std::int64_t y = height / 3; y < height / 3 + height / 8; ++y)
        for (std::int64_t x = width / 2; x < width / 2 + width / 8; ++x)
          l.valid[static_cast<std::size_t>(y * width + x)] = 0;

  s.text = (dates ? "in* ! " : "in.tif ! ") + op.name();
  for (std::size_t i = 1; i < op.inputs().size(); ++i) {
    const Port& port = op.inputs()[i];
    if (port.companion == "grid") {
      s.grids[port.name] = shifted(s.grid);
      s.files[port.name] = {layer_for(Unit{}, s.grid, rng)};
      s.text += " --" + port.name + " " + port.name;
    } else if (port.companion.empty()) {
      if (op.table().kind == FULMAR_KIND_WARPING) {  // beside the scene, so that some of both lies alone
        Grid& own = s.grids[port.name + ".tif"] = shifted(s.grid);
        (*own.affine)[0] += static_cast<double>(width / 3) * (*own.affine)[1];
      }
      s.files[port.name + ".tif"] = {layer_for(port.unit, s.grid, rng)};
      s.text += " --" + port.name + " [ " + port.name + ".tif ]";
    } else {
      const bool flags = port.type == DType::u8;
      s.companions[port.name] = {flags, flags ? blobs(s.grid, rng) : smooth_field(s.grid, 300, 600)};
      s.text += " --" + port.name + " " + port.name;
    }
  }
  const auto given = [&](const std::string& name) {
    for (const auto& v : c.values)
      if (v.first == name) return true;
    return false;
  };
  const auto step = example_step(op);
  for (const Param& p : op.params()) {
    if (p.required && p.type == ParamType::text && step)
      for (const Argument& a : step->arguments)
        if (a.name == p.name || (a.name.empty() && p.positional)) s.text += " --" + p.name + " '" + a.value + "'";
    if (p.type != ParamType::length || given(p.name)) continue;
    // A length that the example gives in cells is for any raster; a default in metres may be meant for other cells.
    std::string cells;
    if (step)
      for (const Argument& a : step->arguments)
        if (a.name == p.name && a.value.ends_with("px")) cells = a.value;
    if (!cells.empty())
      s.text += " --" + p.name + " " + cells;
    else if (c.place == Place::unknown || c.place == Place::global)
      s.text += " --" + p.name + " " + length_text(p.fallback, c.place);
  }
  // A grid of its own, somewhat finer than the scene's cells of 100 m.
  if (op.name() == "warp") s.text += c.place == Place::geographic ? " --resolution 0.0012" : " --resolution 87";
  for (const auto& [name, value] : c.values)
    s.text += " --" + name + " " + (op.param(name)->type == ParamType::length ? length_text(value, c.place) : value);
  s.text += op.table().kind == FULMAR_KIND_LABELLING || op.outputs().empty() ? " ! out.gpkg" : " ! out.tif";
  return s;
}

// ---- running and comparing ----

struct Results {
  std::map<std::string, std::vector<std::vector<float>>> rasters;
  std::vector<FeatureTable> tables, summaries;
  RunReport report;
  Plan plan;
};

/// A scene bound to its operators. Every output of the last operator is written, asked for or not.
struct Bound {
  std::unique_ptr<MemoryIo> io;
  Graph graph;

  Bound(const Registry& registry, const Scene& scene, bool all_outputs = true) : io{scene.io()} {
    graph = make_graph(parse_text(scene.text), scene.text, registry, *io, 1);
    const int last = static_cast<int>(graph.nodes.size()) - 1;
    if (!all_outputs || graph.products.back().kind != ProductKind::raster ||
        graph.products.back().bands != std::vector<Edge>{{last, 0}})
      return;
    for (int k = 1; k < static_cast<int>(graph.nodes.back().outputs.size()); ++k)
      graph.products.back().bands.push_back({last, k});
  }

  /// The grid of what comes out last.
  [[nodiscard]] const Grid& grid() const {
    const Product& last = graph.products.back();
    const int node = last.bands.empty() ? last.features : last.bands.front().node;
    return graph.grid_of(graph.nodes[static_cast<std::size_t>(node)].grid);
  }

  [[nodiscard]] Results run(const Budget& budget, Device* device = nullptr) const {
    io->products = {};
    Results r;
    r.plan = make_plan(graph, budget);
    RunOptions options;
    options.device = device;
    r.report = fulmar::run(graph, r.plan, *io, options);
    for (auto& [path, raster] : io->products.rasters) {
      if (!raster.whole) fail(Errc::runtime, path + " was not committed");
      r.rasters[path] = std::move(raster.cells);
    }
    r.tables = r.report.tables;
    for (const SummaryReport& s : r.report.summaries) r.summaries.push_back(s.table);
    return r;
  }
};

/// True where an operator refuses a scene whose cells have no known size, as it must if it cannot do without.
inline bool needs_ground(const Registry& registry, const Scene& scene) {
  try {
    static_cast<void>(Bound(registry, scene));
  } catch (const Error& e) {
    return e.code() == Errc::usage && e.message().find("does not tell the size of its cells") != std::string::npos;
  }
  return false;
}

inline Budget budget_of(std::int64_t width, std::int64_t height, int threads = 2, Backend backend = Backend::cpu) {
  Budget b;
  b.threads = threads;
  b.tile_width = width, b.tile_height = height;
  b.backend = backend;
  return b;
}
/// What the pool may hold: the most that any pass asks for.
inline std::int64_t buffers_of(const Plan& plan) {
  std::int64_t most = plan.passes.empty() ? plan.buffer_bytes : 0;
  for (const Pass& p : plan.passes) most = std::max(most, p.plan.buffer_bytes);
  return most;
}
inline Budget reference_budget() { return budget_of(0, 0, 1, Backend::reference); }

/// A missing cell has one bit pattern too, whichever backend made it.
inline bool same_bits(float a, float b) {
  return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b);
}
/// A value of a table that is missing is none, whatever NaN stands for it.
inline bool same_bits(double a, double b) {
  return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b) || (is_missing(a) && is_missing(b));
}

inline std::string difference(const FeatureTable& a, const FeatureTable& b) {
  std::ostringstream out;
  if (a.rows.size() != b.rows.size()) return (out << a.rows.size() << " objects against " << b.rows.size(), out.str());
  for (std::size_t i = 0; i < a.rows.size(); ++i) {
    for (std::size_t j = 0; j < a.rows[i].values.size(); ++j)
      if (!same_bits(a.rows[i].values[j], b.rows[i].values[j])) {
        out.precision(17);
        out << "object " << i + 1 << ", " << a.columns[j].name << ": " << a.rows[i].values[j] << " against "
            << b.rows[i].values[j];
        return out.str();
      }
    if (a.rows[i].polygons != b.rows[i].polygons) return (out << "object " << i + 1 << ": another outline", out.str());
  }
  return {};
}

/// Empty if two runs left the same bytes; else the first difference.
inline std::string difference(const Results& a, const Results& b, std::int64_t width) {
  std::ostringstream out;
  if (a.rasters.size() != b.rasters.size()) return "not the same products";
  for (const auto& [path, bands] : a.rasters)
    for (std::size_t k = 0; k < bands.size(); ++k) {
      const auto& other = b.rasters.at(path).at(k);
      std::size_t differing = 0, first = 0;
      for (std::size_t i = 0; i < bands[k].size(); ++i)
        if (!same_bits(bands[k][i], other[i]) && differing++ == 0) first = i;
      if (differing > 0) {
        out.precision(9);
        out << path << " band " << k + 1 << ": " << differing << " cells differ, the first at column "
            << static_cast<std::int64_t>(first) % width << ", row " << static_cast<std::int64_t>(first) / width << ": "
            << bands[k][first] << " against " << other[first];
        return out.str();
      }
    }
  if (a.tables.size() != b.tables.size()) return "not the same tables";
  for (std::size_t t = 0; t < a.tables.size(); ++t)
    if (const auto d = difference(a.tables[t], b.tables[t]); !d.empty()) return d;
  if (a.summaries.size() != b.summaries.size()) return "not the same summaries";
  for (std::size_t t = 0; t < a.summaries.size(); ++t)
    if (const auto d = difference(a.summaries[t], b.summaries[t]); !d.empty()) return "summary: " + d;
  return {};
}

// ---- round the earth ----

/// The same scene, every column `k` further on.
inline Scene rolled(const Scene& scene, std::int64_t k) {
  Scene out = scene;
  const auto roll = [&](auto& cells) {
    const auto old = cells;
    for (std::size_t i = 0; i < old.size(); ++i) {
      const auto x = static_cast<std::int64_t>(i) % scene.grid.width;
      cells[i - static_cast<std::size_t>(x) + static_cast<std::size_t>((x + k) % scene.grid.width)] = old[i];
    }
  };
  for (auto& [path, layers] : out.files)
    for (Layer& l : layers) roll(l.values), roll(l.valid);
  for (auto& [path, c] : out.companions) roll(c.values);
  return out;
}

/// What an object is, wherever the first column lies: what the columns tell of, in the raster turned `k` columns on.
/// One that takes every column has no beginning, and is told by the rest.
inline std::map<std::vector<std::int64_t>, std::vector<double>> objects_on(const FeatureTable& table, const Grid& grid,
                                                                           std::int64_t k) {
  std::map<std::vector<std::int64_t>, std::vector<double>> all;
  for (const Feature& f : table.rows) {
    std::map<std::string, double> v;
    for (std::size_t i = 0; i < table.columns.size(); ++i) v[table.columns[i].name] = f.values[i];
    const bool all_columns = v["box_width"] == static_cast<double>(grid.width);
    const auto turned = [&](double column) {
      return std::fmod(column + static_cast<double>(k), static_cast<double>(grid.width));
    };
    const std::vector<std::int64_t> key{
        static_cast<std::int64_t>(v["box_row"]),   all_columns ? 0 : static_cast<std::int64_t>(turned(v["box_column"])),
        static_cast<std::int64_t>(v["box_width"]), static_cast<std::int64_t>(v["box_height"]),
        static_cast<std::int64_t>(v["cells"]),     static_cast<std::int64_t>(std::llround(v["row"] * 1e6))};
    std::vector<double> values{v["area"], v["contrast"], v["mean"],    v["maximum"], v["background"],
                               v["row"],  v["lat"],      v["at_edge"], v["at_mask"], v["weighted_row"]};
    if (!all_columns)
      for (const double more :
           {v["length"], v["width"], turned(v["column"]), turned(v["weighted_column"]), v["heading"]})
        values.push_back(more);
    if (!all.emplace(key, values).second) fail(Errc::runtime, "two objects that this test cannot tell apart");
  }
  return all;
}

/// Empty if a run of the rolled scene left the rolled products of the other: rasters to the bit, objects to the
/// rounding of places that are counted from another column.
inline std::string rolled_difference(const Results& a, const Results& b, const Grid& grid, std::int64_t k) {
  std::ostringstream out;
  out.precision(17);
  for (const auto& [path, bands] : a.rasters)
    for (std::size_t n = 0; n < bands.size(); ++n)
      for (std::int64_t y = 0; y < grid.height; ++y)
        for (std::int64_t x = 0; x < grid.width; ++x) {
          const float one = bands[n][static_cast<std::size_t>(y * grid.width + x)],
                      other = b.rasters.at(path).at(n)[static_cast<std::size_t>(y * grid.width + (x + k) % grid.width)];
          if (same_bits(one, other)) continue;
          out << path << " band " << n + 1 << ", column " << x << ", row " << y << ": " << one << " against " << other;
          return out.str();
        }
  for (std::size_t t = 0; t < a.tables.size(); ++t) {
    const auto one = objects_on(a.tables[t], grid, k), other = objects_on(b.tables[t], grid, 0);
    if (one.size() != other.size()) return (out << one.size() << " objects against " << other.size(), out.str());
    for (const auto& [key, values] : one) {
      const auto same = other.find(key);
      if (same == other.end())
        return (out << "no object in row " << key[0] << ", column " << key[1] << " of " << key[4] << " cells",
                out.str());
      for (std::size_t i = 0; i < values.size(); ++i)
        if (!same_bits(values[i], same->second[i]) &&
            !(std::abs(values[i] - same->second[i]) <= 1e-9 * (1 + std::abs(values[i]))))
          return (out << "row " << key[0] << ", column " << key[1] << ", value " << i << ": " << values[i]
                      << " against " << same->second[i],
                  out.str());
    }
  }
  return {};
}

/// The tilings every law runs under.
inline std::vector<std::pair<std::int64_t, std::int64_t>> tilings(const Grid& g) {
  return {{g.width, g.height}, {256, 256}, {97, 61}, {g.width, 1}};
}

}  // namespace fulmar::test
