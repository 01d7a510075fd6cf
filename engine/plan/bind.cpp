// SPDX-License-Identifier: Apache-2.0
/// @file
/// Steps: what flows from each to the next.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstddef>

#include "core/missing.hpp"
#include "plan/binder.hpp"
#include "plan/parse_rules.hpp"

namespace fulmar {
namespace {

/// Whether the bands of a flow are told by dates, and how many have one date. Bands of one file are dates of their
/// own, unless it was measured at once. Some may be of no known time.
std::pair<bool, std::size_t> dating_of(const Flow& flow) {
  const std::size_t dates = flow.times.size(), bands = flow.bands.size();
  std::set<double> moments;
  bool all_known = true;
  for (const double t : flow.times) is_missing(t) ? void(all_known = false) : void(moments.insert(t));
  const bool dated =
      bands % std::max<std::size_t>(1, dates) == 0 && (moments.size() > 1 || (!moments.empty() && !all_known));
  return {dated, dated && all_known && moments.size() == dates ? bands / dates : bands};
}

}  // namespace

Graph Binder::bind(const Pipeline& pipeline) {
  graph_.text = to_text(pipeline);
  chain(pipeline, Flow{});
  return std::move(graph_);
}

void Binder::wrong(Span span, const std::string& message, Errc code) const { fail(code, mark(span, message)); }

std::string Binder::mark(Span span, const std::string& message) const {
  return text_.empty() || span.end <= span.begin ? message : message + "\n" + underline(text_, span);
}

Flow Binder::chain(const Pipeline& pipeline, Flow flow) {
  for (const Step& step : pipeline) switch (step.kind) {
      case Step::Kind::read:
        flow = read(step);
        break;
      case Step::Kind::apply:
        apply(step, flow);
        break;
      case Step::Kind::branch:
        chain(step.branch, flow);
        break;
      case Step::Kind::write:
        write(step, flow);
        break;
    }
  return flow;
}

void Binder::apply(const Step& step, Flow& flow) {
  const Operator& op = find_operator(step);
  if (op.table().kind == FULMAR_KIND_TABULAR) return tabulate(step, op, flow);
  // Shapes may flow into an operator that draws them, unless they are given.
  const bool from_shapes = (flow.features >= 0 || flow.table >= 0) && shapes_of(op) != nullptr &&
                           std::none_of(step.arguments.begin(), step.arguments.end(),
                                        [&](const Argument& a) { return a.name == shapes_of(op)->name; });
  if (!from_shapes && (flow.features >= 0 || flow.table >= 0))
    wrong(step.span, fmt::format("{} takes a raster, but {} yields features", op.name(), flow.last));
  Arguments arguments = read_arguments(step, op, from_shapes);
  if (op.table().kind == FULMAR_KIND_WARPING) return warp(step, op, arguments, flow);
  int shapes = -1;
  if (from_shapes) {
    shapes = table_of(step, op, flow, step.span);
    flow = scene_beneath(step, op, arguments, flow);
  }

  const Flow before = flow;
  if (!from_shapes) add_to_flow(op, arguments, flow);

  // Companions and inputs of their own, made once and shared by all bands.
  std::vector<Edge> extra(op.inputs().size());
  for (std::size_t i = 1; i < op.inputs().size(); ++i) {
    const Port& port = op.inputs()[i];
    const auto own =
        std::find_if(arguments.ports.begin(), arguments.ports.end(), [&](const auto& p) { return p.first == &port; });
    if (port.companion == "shapes" && (shapes >= 0 || own != arguments.ports.end())) {
      if (shapes < 0) shapes = drawn_table(op, port, *own->second);
      extra[i] = drawing(step, op, port, arguments, flow, shapes);
    } else if (own != arguments.ports.end()) {
      const Flow branch = side_flow(*own->second, op, before);
      if (port.companion == "outlines" && (branch.features >= 0 || branch.table >= 0)) {
        extra[i] = drawing(step, op, port, arguments, flow, table_of(step, op, branch, own->second->span));
        continue;
      }
      if (branch.bands.size() != 1)
        wrong(own->second->span,
              fmt::format("input {} of {} takes one band, not {}", port.name, op.name(), branch.bands.size()));
      extra[i] = branch.bands.front();
      check_unit(step, op, port, extra[i], branch.last);
    } else if (!port.companion.empty()) {
      extra[i] = companion(step, op, port, arguments, flow, shapes);
    } else {
      extra[i] = flow.find(port.name);
      if (!extra[i].connected() && !port.optional)
        wrong(step.span,
              fmt::format("{} needs an input '{}'; give it as --{} [ file.tif ]", op.name(), port.name, port.name));
    }
  }

  const Port& main = op.inputs().front();
  std::vector<Edge> results;
  Flow next = flow;
  next.of_bands.clear();
  if (op.variadic()) {
    for (const Edge& in : flow.bands) check_unit(step, op, main, in, flow.last);
    std::vector<Edge> inputs = flow.bands;
    inputs.insert(inputs.end(), extra.begin() + 1, extra.end());
    const int node = add_node(step, op, arguments, inputs, flow);
    const std::size_t outputs = graph_.nodes[static_cast<std::size_t>(node)].outputs.size();
    for (std::size_t k = 0; k < (op.all_flow() ? outputs : 1); ++k) results.push_back({node, static_cast<int>(k)});
    for (std::size_t i = 1; i < extra.size(); ++i)
      if (extra[i].connected() && op.inputs()[i].companion.empty())
        next.named.emplace_back(op.inputs()[i].name, extra[i]);
    for (std::size_t k = 0; k < op.outputs().size() && !op.outputs_per_band(); ++k)
      next.named.emplace_back(op.outputs()[k].name, Edge{node, static_cast<int>(k)});
    next.times = {missing<double>};
  } else if (op.table().kind == FULMAR_KIND_WHOLE) {
    if (flow.bands.size() != 1) one_band(step, op, flow);
    extra[0] = flow.bands.front();
    check_unit(step, op, main, extra[0], flow.last);
    results = whole(step, op, arguments, extra, flow);
    for (std::size_t k = 0; k < results.size(); ++k) next.named.emplace_back(op.outputs()[k].name, results[k]);
    results.resize(1);
  } else {
    const bool maps = op.kind() == "cellwise" || op.kind() == "focal" || op.kind() == "windowed" ||
                      op.kind() == "ranked" || op.table().kind == FULMAR_KIND_REDUCING;
    if (flow.bands.size() > 1 && !maps) one_band(step, op, flow);
    for (const Edge& in : flow.bands) {
      check_unit(step, op, main, in, flow.last);
      std::vector<Edge> inputs = extra;
      inputs[0] = in;
      const int node = add_node(step, op, arguments, inputs, flow);
      results.push_back({node, 0});
      for (std::size_t k = 0; k < op.outputs().size(); ++k)
        next.of_bands.emplace_back(op.outputs()[k].name, Edge{node, static_cast<int>(k)});
      if (flow.bands.size() == 1) {
        for (std::size_t i = 0; i < inputs.size(); ++i)
          if (inputs[i].connected() && op.inputs()[i].companion.empty())
            next.named.emplace_back(op.inputs()[i].name, inputs[i]);
        for (std::size_t k = 0; k < op.outputs().size(); ++k)
          next.named.emplace_back(op.outputs()[k].name, Edge{node, static_cast<int>(k)});
      }
    }
  }
  if (op.table().kind == FULMAR_KIND_REDUCING && shapes_of(op) != nullptr)
    for (const Edge& e : results) graph_.nodes[static_cast<std::size_t>(e.node)].about = shapes;
  next.table = -1, next.features = -1;
  const bool numbers = op.table().kind == FULMAR_KIND_REDUCING && results.size() > 1 && !op.variadic();
  // Where bands go on, the table is that of the report.
  const int table = numbers ? stack(results, flow, shapes_of(op) != nullptr) : -1;
  if (numbers && op.outputs().empty())
    next.table = table;
  else if (op.table().kind == FULMAR_KIND_LABELLING || op.outputs().empty())
    next.features = results.front().node;
  else
    next.bands = results;
  if (results.size() > 1 && op.outputs().size() > 1) name_by_band(flow, results);
  next.last = op.name();
  flow = std::move(next);
}

void Binder::tabulate(const Step& step, const Operator& op, Flow& flow) {
  const Arguments arguments = read_arguments(step, op);
  TableNode made;
  made.op = &op;
  made.inputs.assign(op.inputs().size(), -1);
  made.inputs[0] = table_of(step, op, flow, step.span);
  for (std::size_t i = 1; i < op.inputs().size(); ++i) {
    const Port& port = op.inputs()[i];
    const auto own =
        std::find_if(arguments.ports.begin(), arguments.ports.end(), [&](const auto& p) { return p.first == &port; });
    if (own != arguments.ports.end()) {
      const Argument& a = *own->second;
      made.inputs[i] = table_of(step, op, goes_on(a.pipeline) ? chain(a.pipeline, flow) : flow_of(a), a.span);
    } else if (!port.optional) {
      wrong(step.span, fmt::format("{} needs a table '{}'; give it as --{} file.gpkg, or --{} [ file.csv ! ... ]",
                                   op.name(), port.name, port.name, port.name));
    }
  }
  made.params = parse_params(step, op, arguments.values, nullptr);
  graph_.tables.push_back(std::move(made));
  flow.features = -1;
  flow.table = static_cast<int>(graph_.tables.size()) - 1;
  flow.last = op.name();
}

int Binder::table_of(const Step& step, const Operator& op, const Flow& flow, Span span) {
  if (flow.table >= 0) return flow.table;
  if (flow.features < 0)
    wrong(span,
          fmt::format("{} takes a table, but {} yields a raster: put {} before it, or read a vector or .csv file",
                      op.name(), flow.last,
                      flow.times.size() > 1 ? "`zonal --zones place.geojson` or `stats`, which make one of its dates,"
                                            : "`objects`"));
  static_cast<void>(step);
  TableNode made;
  made.node = flow.features;
  graph_.tables.push_back(std::move(made));
  return static_cast<int>(graph_.tables.size()) - 1;
}

Flow Binder::flow_of(const Argument& a) {
  if (!a.pipeline.empty()) return chain(a.pipeline, Flow{});
  Step reading;
  reading.kind = Step::Kind::read;
  reading.name = a.value;
  reading.span = a.span;
  return read(reading);
}

Flow Binder::side_flow(const Argument& a, const Operator& op, const Flow& flow) {
  if (!a.pipeline.empty()) return chain(a.pipeline, goes_on(a.pipeline) ? flow : Flow{});
  Flow side;
  side.last = a.value;
  side.times = {missing<double>};
  side.bands = {flow.find(a.value)};
  if (side.bands.front().connected()) return side;
  std::set<std::string> names;
  for (const auto& [known, edge] : flow.named) names.insert(known);
  if (registry_.find(a.value) != nullptr)
    wrong(a.span, fmt::format("--{0} of {1} takes a pipeline in brackets, and '{2}' is an operator: write --{0} [ "
                              "file.tif ! {2} ], or --{0} [ ! {2} ] to go on with what flows",
                              a.name, op.name(), a.value));
  wrong(a.span,
        fmt::format("--{0} of {1} takes a pipeline in brackets, as in --{0} [ {2} ]{3}", a.name, op.name(), a.value,
                    names.empty() ? std::string{}
                                  : fmt::format(", or the name of a value made before: {}", fmt::join(names, ", "))));
}

void Binder::add_to_flow(const Operator& op, const Arguments& arguments, Flow& flow) {
  const Flow original = flow;
  for (const auto& [port, argument] : arguments.ports) {
    if (port != &op.inputs().front()) continue;
    if (!op.variadic())
      wrong(argument->span,
            fmt::format("the {} of {} is what {} hands on: leave --{} out, or begin the pipeline with it", port->name,
                        op.name(), flow.last, port->name));
    const Flow branch = side_flow(*argument, op, original);
    if (branch.features >= 0 || branch.bands.empty())
      wrong(argument->span, fmt::format("{} yields no raster", branch.last));
    flow.bands.insert(flow.bands.end(), branch.bands.begin(), branch.bands.end());
    flow.times.insert(flow.times.end(), branch.times.begin(), branch.times.end());
  }
}

Flow Binder::scene_beneath(const Step& step, const Operator& op, const Arguments& arguments, const Flow& flow) {
  const Port& main = op.inputs().front();
  for (const auto& [port, argument] : arguments.ports) {
    if (port != &main) continue;
    Flow scene = flow_of(*argument);
    if (scene.features >= 0 || scene.table >= 0)
      wrong(argument->span, fmt::format("--{} takes a raster, but {} yields features", main.name, scene.last));
    return scene;
  }
  if (flow.bands.empty())
    wrong(step.span, fmt::format("{} lays shapes over a scene, and none flows here: give it as --{} scene.tif, or "
                                 "begin with the scene and give the shapes as --{} [ ... ]",
                                 op.name(), main.name, shapes_of(op)->name));
  Flow scene = flow;
  scene.features = scene.table = -1;
  return scene;
}

int Binder::drawn_table(const Operator& op, const Port& port, const Argument& a) {
  const Flow branch = chain(a.pipeline, Flow{});
  if (branch.table < 0 && branch.features < 0)
    wrong(a.span, fmt::format("--{} of {} takes a pipeline that yields a table, but {} yields a raster: write it to a "
                              "file first and give its name, or put `objects` behind it",
                              port.name, op.name(), branch.last));
  return table_of(Step{}, op, branch, a.span);
}

void Binder::one_band(const Step& step, const Operator& op, const Flow& flow) const {
  wrong(step.span, fmt::format("{} takes one band, but {} has {}: choose one where the file is read, with --band 1",
                               op.name(), flow.last, flow.bands.size()));
}

void Binder::name_by_band(const Flow& flow, const std::vector<Edge>& results) {
  const std::size_t of_date = dating_of(flow).second;
  if (of_date < 2) return;
  const std::vector<std::string> names = names_of_bands(flow, of_date);
  for (std::size_t b = 0; b < results.size(); ++b)
    for (Band& made : graph_.nodes[static_cast<std::size_t>(results[b].node)].outputs)
      if (const std::string& own = names[b % of_date]; made.name != own && !made.name.starts_with(own + " "))
        made.name = own + " " + made.name;
}

std::vector<std::string> Binder::names_of_bands(const Flow& flow, std::size_t of_date) const {
  std::vector<std::string> names;
  for (std::size_t b = 0; b < of_date; ++b) names.push_back(band(flow.bands[b]).name);
  const std::set<std::string> known(names.begin(), names.end());
  for (std::size_t b = 0; b < of_date && (known.size() < of_date || known.contains("")); ++b)
    names[b] = fmt::format("b{}", b + 1);
  return names;
}

int Binder::stack(const std::vector<Edge>& results, const Flow& flow, bool by_row) {
  TableNode made;
  Stacked& all = made.stacked;
  all.by_row = by_row;
  for (const Edge& e : results) all.nodes.push_back(e.node);
  const std::size_t dates = flow.times.size(), bands = flow.bands.size();
  const auto [dated, of_date] = dating_of(flow);
  for (std::size_t b = 0; b < bands && dated; ++b) all.times.push_back(flow.times[b / (bands / dates)]);
  if (of_date > 1) {
    const std::vector<std::string> names = names_of_bands(flow, of_date);
    for (std::size_t b = 0; b < bands; ++b) all.bands.push_back(names[b % of_date]);
  }
  graph_.tables.push_back(std::move(made));
  return static_cast<int>(graph_.tables.size()) - 1;
}

void Binder::note(const std::string& words) {
  if (std::find(graph_.notes.begin(), graph_.notes.end(), words) == graph_.notes.end()) graph_.notes.push_back(words);
}

Graph make_graph(const Pipeline& pipeline, std::string_view text, const Registry& registry, const Io& io, int threads) {
  return Binder{text, registry, io, threads}.bind(pipeline);
}

}  // namespace fulmar
