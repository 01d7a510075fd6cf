// SPDX-License-Identifier: Apache-2.0
/// @file
/// Operators with their inputs, units and parameters.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "core/missing.hpp"
#include "core/signs.hpp"
#include "plan/binder.hpp"

namespace fulmar {
namespace {

bool same_work(const Node& a, const Node& b) {
  const auto same_value = [](const ParamValue& p, const ParamValue& q) {
    return p.name == q.name && p.text == q.text && p.number == q.number && p.cells == q.cells;
  };
  const auto same_time = [](double p, double q) { return p == q || (is_missing(p) && is_missing(q)); };
  return a.op == b.op && a.inputs == b.inputs && a.bands == b.bands &&
         std::equal(a.values.begin(), a.values.end(), b.values.begin(), b.values.end(), same_value) &&
         std::equal(a.times.begin(), a.times.end(), b.times.begin(), b.times.end(), same_time);
}

/// The name of an output in products: as declared, or the word of a choice.
std::string output_name(const Port& port, const Node& node) {
  for (const ParamValue& v : node.values)
    if (v.name == port.named_by) return node.op->param(v.name)->choices.at(static_cast<std::size_t>(v.number));
  return port.name;
}

/// The unit of an output: as declared, as a choice tells, or after that of the input ("*", "*/km").
Unit output_unit(const Port& port, const Node& node, const Unit& in) {
  const auto choice =
      std::find_if(node.values.begin(), node.values.end(), [&](const ParamValue& v) { return v.name == port.unit_by; });
  const Unit& unit = !port.unit_by.empty() && choice != node.values.end()
                         ? port.units.at(static_cast<std::size_t>(choice->number))
                         : port.unit;
  if (!unit.symbol.starts_with(units::any)) return unit;
  return in.known() ? Unit{in.symbol + unit.symbol.substr(units::any.size())} : in;
}

}  // namespace

fulmar_ground ground_of(const Grid* grid) {
  if (grid == nullptr) return {};
  const Ground centre = grid->ground();
  return {centre.dx, centre.dy, grid->wraps ? 0 : grid->width, grid->height};
}

void Binder::check_unit(const Step& step, const Operator& op, const Port& port, const Edge& edge,
                        const std::string& from) {
  const Unit& have = band(edge).unit;
  if (!compatible(have, port.unit)) {
    std::string message =
        fmt::format("{} needs {} in {}, but gets {} from {}", op.name(), port.name,
                    port.unit.symbol == units::one ? "linear units (1)" : port.unit.symbol, have.symbol, from);
    for (const auto& [name, candidate] : registry_.operators())
      if (candidate.inputs().size() == 1 && candidate.outputs().size() == 1 && candidate.inputs()[0].unit == have &&
          candidate.outputs()[0].unit == port.unit)
        message += fmt::format(": put `{}` before it", name);
    wrong(step.span, message);
  }
  const Node& node = graph_.nodes[static_cast<std::size_t>(edge.node)];
  const bool flags = port.unit.symbol == units::flag;
  if ((port.unit.symbol == units::one || flags) && !have.known()) {
    // The file does not say its unit. Intensities and flags are never mostly negative; decibels are.
    const Node* origin = &node;
    while (origin->op != nullptr && origin->outputs.size() == 1 && !origin->inputs.empty() &&
           origin->op->outputs()[0].unit.symbol == units::any)
      origin = &graph_.nodes[static_cast<std::size_t>(origin->inputs[0].node)];
    if (origin->source >= 0) {
      const auto& source = *graph_.sources[static_cast<std::size_t>(origin->source)];
      if (flags && source.looks_negative(origin->band))
        wrong(step.span,
              fmt::format("{} needs a {} of 0 and 1, but the values of {} are mostly negative: detect first, with "
                          "`cfar` or an `expression` such as 'b1 > -10'",
                          op.name(), port.name, source.name()));
      if (source.looks_negative(origin->band))
        wrong(step.span,
              fmt::format("{} needs linear {}, but the values of {} are mostly negative, as decibels are: put "
                          "`linear` before it, or state the unit with {} --unit 1",
                          op.name(), port.name, source.name(), source.name()));
      note_values(op, port, source, origin->band);
    }
  }
  note_decibels(op, port, edge);
}

void Binder::note_values(const Operator& op, const Port& port, const RasterSource& source, int band) {
  if (source.computed() || source.temporary()) return;
  const StoredBand& stored = source.bands()[static_cast<std::size_t>(band)];
  std::string words;
  const bool whole =
      stored.dtype != DType::f32 && stored.dtype != DType::f64 && stored.scale == 1 && stored.offset == 0;
  if (port.name == "intensity" && whole)
    words = fmt::format(
        "{}: the values of {} are whole numbers without a unit, as a sensor's counts are before they "
        "are calibrated: `calibrate` them, or say with {} --unit 1 that they are intensities",
        op.name(), source.name(), source.name());
  if (port.name == "probability")
    if (const Sight seen = look_at(source, band); seen.negative + seen.above_one > 0)
      words = fmt::format(
          "{}: band {} of {} runs from {:.6g} to {:.6g}, and {:.3g} % of the values looked at lie "
          "outside [0, 1]: no probabilities, they are taken for missing",
          op.name(), band + 1, source.name(), seen.least, seen.most,
          100 * static_cast<double>(seen.negative + seen.above_one) / static_cast<double>(seen.valid));
  if (!words.empty()) note(words);
}

void Binder::note_decibels(const Operator& op, const Port& port, const Edge& edge) {
  const Node& node = node_of(edge);
  if (port.unit.symbol != units::decibel || band(edge).unit.known() || node.source < 0) return;
  const RasterSource& source = *graph_.sources[static_cast<std::size_t>(node.source)];
  if (source.computed() || source.temporary()) return;
  constexpr double most = 100;  // no radar measures so much
  if (const Sight seen = look_at(source, node.band); seen.valid > 0 && seen.most > most)
    note(
        fmt::format("{}: the values of {} run up to {:.6g} and are taken for decibels, as no unit is told; of counts, "
                    "`calibrate` makes intensities",
                    op.name(), source.name(), seen.most));
}

void Binder::note_dates_left(const Operator& op, const Node& node, const Flow& flow) {
  const std::size_t dates = flow.times.size(), bands = flow.bands.size();
  if (!op.variadic() || op.table().kind == FULMAR_KIND_TEMPORAL || dates < 2 || bands % dates != 0) return;
  // Bands of a file without dates may be anything.
  const bool dated = std::all_of(flow.times.begin(), flow.times.end(), [](double t) { return !is_missing(t); });
  if (!dated || std::set<double>(flow.times.begin(), flow.times.end()).size() < 2) return;
  const std::size_t of_date = bands / dates;
  for (const fulmar_view& v : node.views)
    if (v.kind == FULMAR_VIEW_BANDS && v.outer_x > 0 && static_cast<std::size_t>(v.outer_x) <= of_date)
      note(
          fmt::format("{}: {} has {} bands, {} for each of {} dates, and only those of the first date are used: b{} "
                      "is the first band of the second. Other dates are read one at a time, with --time-range or "
                      "--band",
                      op.name(), flow.last, bands, of_date, dates, of_date + 1));
}

int Binder::add_node(const Step& step, const Operator& op, const Arguments& arguments, const std::vector<Edge>& inputs,
                     const Flow& flow) {
  Node node = make_node(step, op, arguments, inputs, flow);
  note_lengths(op, node);
  note_dates_left(op, node, flow);
  // The same operator on the same inputs is computed once. What is told of objects and numbers stays as often as
  // asked.
  if (!node.labels() && !node.reduces())
    for (std::size_t n = 0; n < graph_.nodes.size(); ++n)
      if (same_work(graph_.nodes[n], node)) return static_cast<int>(n);
  node.origin = static_cast<int>(graph_.nodes.size());
  graph_.nodes.push_back(std::move(node));
  return static_cast<int>(graph_.nodes.size()) - 1;
}

void Binder::note_lengths(const Operator& op, const Node& node) {
  const Ground cell = graph_.grid_of(node.grid).ground();
  for (const ParamValue& v : node.values)
    if (op.param(v.name)->type == ParamType::length && !v.cells && v.number > 0 &&
        v.number < std::min(cell.dx, cell.dy))
      note(
          fmt::format("{}: --{} {:g} is less than a cell, which has {:.4g} x {:.4g} m: of the cells around one it "
                      "holds none. Lengths are metres; cells are written with px, such as --{} {:.0f}px",
                      op.name(), v.name, v.number, cell.dx, cell.dy, v.name, std::max(3.0, std::ceil(v.number))));
}

std::vector<std::byte> Binder::parse_params(const Step& step, const Operator& op, const std::vector<ParamValue>& given,
                                            const Grid* grid) const {
  const fulmar_operator& table = op.table();
  std::vector<std::byte> params(table.params_size == 0 ? 1 : table.params_size);
  std::vector<fulmar_value> values;
  for (const ParamValue& v : given) {
    fulmar_value value{};
    value.name = v.name.c_str();
    value.number = v.number;
    value.text = v.text.c_str();
    value.cells = v.cells ? 1 : 0;
    values.push_back(value);
  }
  const Ground centre = grid != nullptr ? grid->ground() : Ground{};
  for (const ParamValue& v : given) {
    const Param& p = *op.param(v.name);
    const bool measured = p.type == ParamType::number && (p.unit == units::metre || p.unit == units::square_metre);
    if (grid != nullptr && measured && v.number > 0 && !(centre.dx > 0))
      wrong(span_of_complaint(step, v.name),
            fmt::format("the scene does not tell the size of its cells, so {} in {} means "
                        "nothing here; give the scene a CRS, for example with gdal_edit.py -a_srs",
                        v.name, p.unit));
  }
  const fulmar_ground ground = ground_of(grid);
  fulmar_error error{};
  const auto count = static_cast<std::uint32_t>(values.size());
  if (op.guard([&] { return table.parse(values.data(), count, &ground, params.data(), &error); }) != 0)
    refused(step, op, error);
  return params;
}

void Binder::refused(const Step& step, const Operator& op, const fulmar_error& error) const {
  const Error e = error_of(error, Errc::usage);
  wrong(span_of_complaint(step, e.message()), fmt::format("{}: {}", op.name(), e.message()), e.code());
}

void Binder::check_reach(const Step& step, const Node& node, const fulmar_view& view, const Grid& grid) const {
  if (node.halo(node.input_of(view.input), grid).x <= most_reach) return;
  const double dx = grid.smallest_ground().dx, cell = dx > 0 ? dx : 1;
  wrong(step.span,
        fmt::format("{} looks {:g} m around a cell, {:.0f} cells of {:g} m where they are narrowest, and {} are the "
                    "most it can: take a shorter distance, or make the raster coarser first with warp",
                    node.op->name(), view.reach, std::floor(view.reach / cell), cell, most_reach));
}

Node Binder::make_node(const Step& step, const Operator& op, const Arguments& arguments,
                       const std::vector<Edge>& inputs, const Flow& flow) const {
  const fulmar_operator& table = op.table();
  Node node;
  node.op = &op;
  node.span = step.span;
  node.inputs = inputs;
  if (op.variadic()) {
    node.bands = flow.bands.size();
    // Only a temporal operator tells dates from bands.
    node.times = op.table().kind == FULMAR_KIND_TEMPORAL ? flow.times : std::vector<double>{missing<double>};
  }
  node.grid = same_grid(inputs);
  node.values = arguments.values;
  const Grid& grid = graph_.grid_of(node.grid);
  node.params = parse_params(step, op, node.values, &grid);

  node.views.resize(16);
  const auto count = op.guard([&] { return table.views(node.params.data(), node.views.data(), 16); });
  if (count > 16) wrong(step.span, fmt::format("{} has more than 16 views", op.name()));
  node.views.resize(count);
  for (fulmar_view& v : node.views) {
    const bool ranks = v.kind == FULMAR_VIEW_RANKS;
    const bool ring = v.kind == FULMAR_VIEW_RING || (ranks && (v.rank & FULMAR_RANK_RING) != 0);
    if (v.kind > FULMAR_VIEW_SERIES || v.input >= op.inputs().size() || v.outer_x < 0 || v.outer_y < 0 ||
        v.inner_x < 0 || v.inner_y < 0 || (ring && (v.inner_x > v.outer_x || v.inner_y > v.outer_y)) ||
        (v.kind == FULMAR_VIEW_RING &&
         (v.rank & (FULMAR_RING_LEFT | FULMAR_RING_RIGHT)) == (FULMAR_RING_LEFT | FULMAR_RING_RIGHT)) ||
        (v.sampled != 0 && table.sample == nullptr) || !(v.reach >= 0) || (ranks && (v.reach > 1 || v.sampled != 0)))
      wrong(step.span,
            fmt::format("{} asks for a view that it cannot have: its plugin {} is broken", op.name(), op.plugin()));
    if (v.kind != FULMAR_VIEW_BANDS && v.kind != FULMAR_VIEW_SERIES && 2 * std::int64_t{v.outer_x} + 1 > grid.width &&
        grid.wraps)
      wrong(step.span, fmt::format("{} looks at {} columns around a cell, and the raster goes round the earth with {}: "
                                   "it would see the same cells twice; take a smaller window",
                                   op.name(), 2 * std::int64_t{v.outer_x} + 1, grid.width));
    if (v.kind == FULMAR_VIEW_WITHIN) check_reach(step, node, v, grid);
    if (!ring && !ranks && v.kind != FULMAR_VIEW_BOX) continue;
    // Beyond the raster there is nothing to sum or to rank: a window larger than the scene ends where the scene does.
    const auto most_x = static_cast<std::int32_t>(grid.width), most_y = static_cast<std::int32_t>(grid.height);
    v.outer_x = std::min(v.outer_x, most_x), v.outer_y = std::min(v.outer_y, most_y);
    v.inner_x = std::min(v.inner_x, most_x), v.inner_y = std::min(v.inner_y, most_y);
  }
  const std::size_t bands = op.variadic() ? node.bands / node.times.size() : 1;  // of one date
  for (const fulmar_view& v : node.views)
    if ((v.kind == FULMAR_VIEW_BANDS || v.kind == FULMAR_VIEW_SERIES) && static_cast<std::size_t>(v.outer_x) > bands)
      wrong(step.span, fmt::format("{} names band b{}, but {} has {}{}", op.name(), v.outer_x, flow.last, bands,
                                   node.times.size() > 1 ? " at each date" : ""));
  if (op.series_bands() != 0 && op.series_bands() != bands)
    wrong(step.span, fmt::format("{} takes {} band{} at each date, but {} has {}: choose with --band where it is read",
                                 op.name(), op.series_bands(), op.series_bands() == 1 ? "" : "s", flow.last, bands));
  make_table(step, node, bands);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (!inputs[i].connected() || node.port(i).companion.empty()) continue;
    const Node& from = node_of(inputs[i]);
    if (from.source >= 0) learn_from(node, node.port(i), *graph_.sources[static_cast<std::size_t>(from.source)], grid);
  }

  for (std::size_t k = 0; k < bands && op.outputs_per_band(); ++k) {
    const Port& port = op.outputs().front();
    const Band& in = band(inputs[k]);
    node.outputs.push_back({in.name, port.type, output_unit(port, node, in.unit)});
  }
  for (std::size_t k = 0; !op.outputs_per_band() && k < op.outputs().size(); ++k) {
    const Port& port = op.outputs()[k];
    const Band& in = band(inputs.front());
    const bool keeps = port.unit.symbol == units::any;
    node.outputs.push_back({keeps ? in.name : output_name(port, node), port.type, output_unit(port, node, in.unit)});
  }
  return node;
}

void Binder::make_table(const Step& step, Node& node, std::size_t bands) const {
  const fulmar_operator& table = node.op->table();
  const bool of_dates = node.op->has(offsetof(fulmar_operator, series_table) + sizeof table.series_table) &&
                        table.series_table != nullptr && node.op->variadic();
  if (!of_dates) {
    std::vector<double> numbers;
    node.op->guard([&] {
      numbers.resize(static_cast<std::size_t>(table.table(node.params.data(), nullptr)));
      if (!numbers.empty()) table.table(node.params.data(), numbers.data());
    });
    node.table = std::move(numbers);
    return;
  }
  std::uint64_t count = 0;
  fulmar_error error{};
  const auto call = [&](double* values) {
    const int status = node.op->guard([&] {
      return table.series_table(node.params.data(), node.times.data(), node.times.size(), bands, values, &count,
                                &error);
    });
    if (status != 0) refused(step, *node.op, error);
  };
  call(nullptr);
  node.remark = error.message;
  std::vector<double> numbers(static_cast<std::size_t>(count));
  if (count > 0) call(numbers.data());
  node.table = std::move(numbers);
}

std::vector<Edge> Binder::whole(const Step& step, const Operator& op, const Arguments& arguments,
                                std::vector<Edge> inputs, const Flow& flow) {
  for (Edge& e : inputs)
    if (e.connected()) e = stored_bands({e}, step.span).front();
  WholeStep made;
  made.node = make_node(step, op, arguments, inputs, flow);
  const int grid = made.node.grid;
  const std::vector<Band> bands = made.node.outputs;
  made.temporary = static_cast<int>(graph_.temporaries.size());
  graph_.wholes.push_back(std::move(made));
  return temporary("the result of " + op.name(), grid, bands, {}, step.span);
}

void learn_from(Node& node, const Port& port, const RasterSource& companion, const Grid& grid) {
  if (auto numbers = companion.numbers(); numbers && !numbers->empty()) node.table = std::move(numbers);
  const auto metadata = companion.metadata();
  const auto count = metadata.find("FULMAR_COUNT");
  if (count == metadata.end()) return;
  std::vector<fulmar_value> values;
  for (ParamValue& v : node.values) {
    if (v.name == port.name + "-count") v.number = std::stod(count->second), v.text = count->second;
    fulmar_value value{};
    value.name = v.name.c_str(), value.number = v.number, value.text = v.text.c_str(), value.cells = v.cells ? 1 : 0;
    values.push_back(value);
  }
  const fulmar_ground ground = ground_of(&grid);
  fulmar_error error{};
  const auto size = static_cast<std::uint32_t>(values.size());
  if (node.op->guard(
          [&] { return node.op->table().parse(values.data(), size, &ground, node.params.data(), &error); }) != 0)
    throw error_of(error, Errc::usage).within("operator " + node.op->name());
}

}  // namespace fulmar
