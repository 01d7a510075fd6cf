// SPDX-License-Identifier: Apache-2.0
/// @file
/// Files that are read, beside the scene too, and written.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "core/missing.hpp"
#include "core/signs.hpp"
#include "plan/binder.hpp"
#include "plan/nodata.hpp"

namespace fulmar {
namespace {

/// Where the bands of a step are chosen, and the words that choose them.
Span span_of_bands(const Step& step) {
  for (const Argument& a : step.arguments)
    if (a.name == "band") return a.span;
  return step.span;
}

std::string words_of_bands(const Step& step) {
  std::string words;
  for (const Argument& a : step.arguments)
    if (a.name == "band") words += " --band " + a.value;
  return words.empty() ? words : ", by" + words;
}

/// What is asked of a companion.
CompanionRequest companion_request(const Operator& op, const Port& port, const Arguments& arguments) {
  CompanionRequest request;
  request.kind = port.companion;
  request.options = arguments.files;
  for (const ParamValue& v : arguments.values) {
    const Param& p = *op.param(v.name);
    // A whole number in digits, however the user wrote it (1e3).
    request.values[v.name] = p.type == ParamType::choice    ? p.choices[static_cast<std::size_t>(v.number)]
                             : p.type == ParamType::integer ? std::to_string(static_cast<std::int64_t>(v.number))
                                                            : v.text;
    if (v.name == port.name) request.path = v.text;
  }
  return request;
}

}  // namespace

Flow Binder::read(const Step& step) {
  const bool bare =
      std::all_of(step.arguments.begin(), step.arguments.end(), [](const Argument& a) { return a.name == "oo"; });
  if (registry_.find(step.name) != nullptr && bare)
    // A file may be called like an operator, but a forgotten input is far more likely.
    wrong(step.span, fmt::format("'{0}' is an operator: the pipeline needs a file to read first (for a file of that "
                                 "name, write ./{0})",
                                 step.name));
  std::vector<int> chosen;
  const FileOptions options = file_options(step, &chosen);
  std::vector<std::string> names;
  const auto expand = [&](const std::string& name, Span span) {
    try {
      const auto more = io_.expand(name);
      names.insert(names.end(), more.begin(), more.end());
    } catch (Error& e) {
      throw e.within(mark(span, "reading " + name));
    }
  };
  expand(step.name, step.span);
  for (const Argument& a : step.arguments) {
    if (a.name != "with" || !a.pipeline.empty()) continue;
    if (registry_.find(a.value) != nullptr)
      wrong(a.span, fmt::format("--with takes a file, or a pipeline in brackets, but '{0}' is an operator: write "
                                "--with [ file.tif ! {0} ], or --with [ ! {0} ] for what {1} itself holds (for a "
                                "file of that name, ./{0})",
                                a.value, step.name));
    expand(a.value, a.span);
  }
  Flow flow;
  flow.last = step.name;
  const auto range = time_range(step);
  if (names.size() == 1 && io_.holds_features(names.front(), options)) {
    if (range)
      wrong(step.span,
            fmt::format("{} holds features, which --time-range does not choose: put `filter` after it", step.name));
    if (!chosen.empty()) wrong(step.span, fmt::format("{} holds features, which have no bands", step.name));
    for (const Argument& a : step.arguments) {
      if (a.name == "with")
        wrong(a.span, fmt::format("{} holds features, which have no bands to put beside these", step.name));
      if (a.name == "nodata")
        wrong(a.span,
              fmt::format("{} holds features, of which no cell is missing: leave out rows with `filter`", step.name));
    }
    flow.table = read_table(names.front(), options);
    return flow;
  }
  std::set<double> dates;
  std::string calendar, calendar_of;
  for (const std::string& name : names) {
    const auto source = source_of(step, name, options);
    const auto& stored = source->bands();
    const auto time_of = [&](int band) { return stored[static_cast<std::size_t>(band - 1)].time; };
    const auto count = [](std::size_t n) { return fmt::format("{} band{}", n, n == 1 ? "" : "s"); };
    // Several files are a stack: each is a date with the same bands, unless its bands tell dates of their own. In one
    // file each band is a date, or, of a cube, each step.
    const bool one_date =
        (names.size() != 1 || name != step.name) && source->bands_of_date() == 1 &&
        std::all_of(stored.begin(), stored.end(), [&](const StoredBand& b) { return b.time == stored.front().time; });
    const auto side_by_side = static_cast<int>(source->bands_of_date());
    std::vector<int> bands;
    for (const int band : chosen)
      if (static_cast<std::size_t>(band) * static_cast<std::size_t>(side_by_side) > stored.size())
        wrong(span_of_bands(step),
              fmt::format("{} has {}{}, but band {} of it is asked for{}", name,
                          count(stored.size() / static_cast<std::size_t>(side_by_side)),
                          side_by_side == 1 ? "" : " in each variable", band, words_of_bands(step)),
              Errc::input);
      else
        for (int k = 1; k <= side_by_side; ++k) bands.push_back((band - 1) * side_by_side + k);
    for (std::size_t b = 1; b <= stored.size() && chosen.empty(); ++b) bands.push_back(static_cast<int>(b));
    if (range) {
      if (std::none_of(bands.begin(), bands.end(), [&](int band) { return time_of(band).has_value(); }))
        wrong(step.span,
              fmt::format("{} has no date by which --time-range could choose it: no time axis, none in its metadata, "
                          "none in its name (20210105, 2021-01-05)",
                          name),
              Errc::input);
      for (const int band : bands)
        if (const auto time = time_of(band)) dates.insert(*time);
      std::erase_if(bands, [&](int band) { return !time_of(band) || !range->holds(*time_of(band)); });
      if (bands.empty()) continue;
    }
    if (const auto own = source->calendar(); names.size() > 1 && calendar_of.empty()) {
      calendar = own;
      calendar_of = name;
    } else if (names.size() > 1 && own != calendar) {
      const auto word = [](const std::string& c) { return c.empty() ? "real days" : "the calendar " + c; };
      wrong(step.span,
            fmt::format("{} counts {} and {} {}: their dates do not mean the same days. Convert one of them first, "
                        "for example with xarray's convert_calendar",
                        calendar_of, word(calendar), name, word(own)),
            Errc::input);
    }
    const std::size_t of_date = one_date ? bands.size() : static_cast<std::size_t>(side_by_side);
    if (const std::size_t first = flow.bands.size() / std::max<std::size_t>(1, flow.times.size());
        !flow.times.empty() && of_date != first)
      wrong(step.span,
            fmt::format("{} has {}, but those before it, from {} on, have {}: choose the bands that all files have "
                        "with --band",
                        name, count(of_date), names.front(), first),
            Errc::input);
    inputs_.insert(name);
    const int place = place_of(source);
    for (std::size_t b = 0; b < bands.size(); ++b) {
      flow.bands.push_back(add_source_node(place, bands[b] - 1, step.span));
      if (b % of_date == 0) flow.times.push_back(time_of(bands[b]).value_or(missing<double>));
    }
  }
  if (range) note_dates(step, flow, dates);
  for (const Argument& a : step.arguments)
    if (a.name == "with" && !a.pipeline.empty())
      put_beside(flow, chain(a.pipeline, goes_on(a.pipeline) ? flow : Flow{}), a.span);
  return flow;
}

int Binder::read_table(const std::string& name, const FileOptions& options) {
  inputs_.insert(name);
  TableNode made;
  made.path = name;
  made.options = options;
  graph_.tables.push_back(std::move(made));
  return static_cast<int>(graph_.tables.size()) - 1;
}

void Binder::put_beside(Flow& flow, const Flow& other, Span span) const {
  if (other.features >= 0 || other.table >= 0)
    wrong(span, fmt::format("--with takes a raster, but {} yields features", other.last));
  const auto of_a_date = [](const Flow& f) { return f.bands.size() / std::max<std::size_t>(1, f.times.size()); };
  const bool dates = of_a_date(flow) == of_a_date(other);
  flow.bands.insert(flow.bands.end(), other.bands.begin(), other.bands.end());
  if (dates)
    flow.times.insert(flow.times.end(), other.times.begin(), other.times.end());
  else
    flow.times = {missing<double>};
}

void Binder::note_dates(const Step& step, const Flow& flow, const std::set<double>& dates) {
  if (flow.times.empty())
    wrong(step.span,
          fmt::format("no date of {} lies in --time-range: {}", step.name,
                      dates.size() == 1 ? fmt::format("it is {}", iso_time(*dates.begin()))
                                        : fmt::format("its {} dates run from {} to {}", dates.size(),
                                                      iso_time(*dates.begin()), iso_time(*dates.rbegin()))),
          Errc::input);
  const std::set<double> chosen(flow.times.begin(), flow.times.end());
  graph_.dates.push_back({step.name, chosen.size(), dates.size(), *chosen.begin(), *chosen.rbegin()});
}

std::shared_ptr<const RasterSource> Binder::source_of(const Step& step, const std::string& name,
                                                      const FileOptions& options) {
  const auto nodata = std::find_if(step.arguments.rbegin(), step.arguments.rend(),
                                   [](const Argument& a) { return a.name == "nodata"; });
  const std::string missing = nodata == step.arguments.rend() ? std::string{} : nodata->value;
  auto& source = opened_[fmt::format("{}\n{}\n{}\n{}\n{}", name, fmt::join(options.open_options, "\n"), options.unit,
                                     options.layer, missing)];
  if (source) return source;
  try {
    source = io_.open(name, options);
  } catch (Error& e) {
    throw e.within(mark(step.span, "reading " + name));
  }
  if (nodata == step.arguments.rend()) return source;
  try {
    source = with_nodata(source, missing);
  } catch (const Error& e) {
    wrong(nodata->span, e.what(), e.code());
  }
  return source;
}

int Binder::place_of(const std::shared_ptr<const RasterSource>& source) {
  const auto known = places_.find(source.get());
  if (known != places_.end()) return known->second;
  grid_index(source->grid());
  graph_.sources.push_back(source);
  return places_[source.get()] = static_cast<int>(graph_.sources.size()) - 1;
}

Edge Binder::add_source_node(int source, int band, Span span) {
  const auto [known, fresh] = source_nodes_.try_emplace({source, band}, static_cast<int>(graph_.nodes.size()));
  if (!fresh) return {known->second, 0};
  const auto& s = *graph_.sources[static_cast<std::size_t>(source)];
  const auto& stored = s.bands()[static_cast<std::size_t>(band)];
  Node node;
  node.source = source;
  node.band = band;
  node.span = span;
  node.grid = grid_index(s.grid());
  node.origin = static_cast<int>(graph_.nodes.size());
  const bool flag = s.computed() && stored.dtype == DType::u8;
  node.outputs.push_back({stored.description, flag ? DType::u8 : DType::f32, stored.unit});
  graph_.nodes.push_back(std::move(node));
  // One band of each file, so that cubes are not read twice.
  if (looked_at_.insert(source).second) note_digits(s, band);
  return {static_cast<int>(graph_.nodes.size()) - 1, 0};
}

void Binder::note_digits(const RasterSource& source, int band) {
  if (source.computed() || source.temporary()) return;
  const StoredBand& stored = source.bands()[static_cast<std::size_t>(band)];
  if (size_of(stored.dtype) < 4 || stored.dtype == DType::f32) return;
  constexpr double most = 1 << 24;
  const Sight seen = look_at(source, band);
  if (seen.valid == 0 || (seen.least >= -most && seen.most <= most)) return;
  note(
      fmt::format("{}: the values of band {} run from {:.10g} to {:.10g} where a look finds them. Cells are computed "
                  "in 32-bit floating point, which rounds what is beyond 16777216: here by up to {:g}",
                  source.name(), band + 1, seen.least, seen.most,
                  std::exp2(std::floor(std::log2(std::max(-seen.least, seen.most))) - 24)));
}

Edge Binder::drawing(const Step& step, const Operator& op, const Port& port, const Arguments& arguments,
                     const Flow& flow, int table) {
  CompanionRequest request = companion_request(op, port, arguments);
  const TableNode& node = graph_.tables[static_cast<std::size_t>(table)];
  request.path = !node.path.empty()
                     ? node.path
                     : fmt::format("the table of {}",
                                   node.op != nullptr ? node.op->name()
                                                      : graph_.nodes[static_cast<std::size_t>(node.node)].op->name());
  Drawing made;
  made.table = table;
  made.source = static_cast<int>(graph_.sources.size());
  try {
    made.raster = io_.drawn(request, graph_.grid_of(flow.bands.empty() ? 0 : node_of(flow.bands.front()).grid));
  } catch (Error& e) {
    throw e.within(mark(step.span, fmt::format("input {} of {}", port.name, op.name())));
  }
  graph_.sources.push_back(made.raster);
  graph_.drawings.push_back(std::move(made));
  return add_source_node(static_cast<int>(graph_.sources.size()) - 1, 0, step.span);
}

Edge Binder::companion(const Step& step, const Operator& op, const Port& port, const Arguments& arguments,
                       const Flow& flow, int& table) {
  CompanionRequest request = companion_request(op, port, arguments);
  const int grid = flow.bands.empty() ? 0 : node_of(flow.bands.front()).grid;
  const int scene = flow.bands.empty() ? 0 : origin_of(flow.bands.front()).source;
  request.scene = graph_.sources[static_cast<std::size_t>(scene)]->name();
  // A calibration table belongs to the lines and samples of one file.
  if (port.companion == "calibration")
    for (const Edge& e : flow.bands) {
      const int source = origin_of(e).source;
      if (source != scene)
        wrong(step.span, fmt::format("{} takes one file at a time, because each has a table of its own", op.name()));
      const auto& file = *graph_.sources[static_cast<std::size_t>(source)];
      if (file.computed() || file.temporary())
        wrong(step.span, fmt::format("{} needs the lines and samples of the file itself: put it before what brings "
                                     "the scene onto another grid",
                                     op.name()));
    }
  try {
    graph_.sources.push_back(io_.companion(request, graph_.grid_of(grid)));
  } catch (Error& e) {
    throw e.within(mark(arguments.with_span, fmt::format("input {} of {}", port.name, op.name())));
  }
  if (!request.path.empty()) inputs_.insert(request.path);
  // What a reducing operator finds is told beside the rows of the file.
  if (port.companion == "shapes" && op.table().kind == FULMAR_KIND_REDUCING &&
      io_.holds_features(request.path, request.options))
    table = read_table(request.path, request.options);
  return add_source_node(static_cast<int>(graph_.sources.size()) - 1, 0, step.span);
}

void Binder::write(const Step& step, const Flow& flow) {
  const bool bare = std::all_of(step.arguments.begin(), step.arguments.end(),
                                [](const Argument& a) { return a.name == "overwrite"; });
  if (registry_.find(step.name) != nullptr && bare)
    wrong(step.span,
          fmt::format("'{0}' is an operator: the pipeline needs a file to write last, such as ! out.tif (for a "
                      "file of that name, write ./{0})",
                      step.name));
  Product product;
  product.path = step.name;
  product.options = file_options(step, nullptr);
  if (std::any_of(inputs_.begin(), inputs_.end(),
                  [&](const std::string& input) { return io_.same_file(input, step.name); }))
    wrong(step.span, fmt::format("{} is read by this pipeline and cannot be its product too", step.name));
  if (std::any_of(outputs_.begin(), outputs_.end(),
                  [&](const std::string& output) { return io_.same_file(output, step.name); }))
    wrong(step.span, fmt::format("{} is written twice", step.name));
  outputs_.insert(step.name);
  try {
    product.kind = io_.product_kind(step.name, product.options);
  } catch (Error& e) {
    throw e.within(mark(step.span, "writing " + step.name));
  }
  if (product.kind == ProductKind::any)
    product.kind = flow.features >= 0 || flow.table >= 0 ? ProductKind::features : ProductKind::raster;
  for (const Argument& a : step.arguments)
    if ((a.name == "type" || a.name == "nodata") &&
        (flow.features >= 0 || flow.table >= 0 || product.kind != ProductKind::raster || step.name.ends_with(".png")))
      wrong(a.name_span, fmt::format("--{} is of the cells of a raster in a file, which {} is not", a.name, step.name));
  product.origin = static_cast<int>(graph_.products.size());
  if (flow.features >= 0 || flow.table >= 0) {
    product.features = flow.features;
    product.table = flow.table;
    if (product.kind == ProductKind::raster && flow.table >= 0 && flow.bands.empty())
      wrong(step.span, fmt::format("{} yields a table, which {} cannot hold: write .gpkg, .fgb, .geojson or .csv",
                                   flow.last, step.name));
    if (product.kind == ProductKind::raster && flow.features >= 0 &&
        graph_.nodes[static_cast<std::size_t>(flow.features)].reduces())
      wrong(step.span,
            fmt::format(
                "{} yields a table of numbers, which {} cannot hold: write .csv, .xlsx or .gpkg, or - for the terminal",
                flow.last, step.name));
    if (product.kind == ProductKind::raster) {
      if (!step.name.ends_with(".png"))
        wrong(step.span,
              fmt::format("{} yields features, which {} cannot hold: write .gpkg, .fgb or .geojson, or take the "
                          "raster before it with [ {} ]",
                          flow.last, step.name, step.name));
      product.kind = ProductKind::picture;
      Edge beneath = flow.find("intensity");
      if (!beneath.connected() && flow.features < 0)
        wrong(step.span,
              fmt::format("{} yields a table, which {} cannot hold: write .csv or .gpkg", flow.last, step.name));
      if (!beneath.connected())
        beneath = {origin_of(graph_.nodes[static_cast<std::size_t>(flow.features)].inputs.front()).origin, 0};
      product.bands = {beneath};
    }
  } else {
    if (product.kind == ProductKind::features)
      wrong(
          step.span,
          step.name == "-"
              ? fmt::format("- prints a table, but {} yields a raster: put `stats` before it, or write .tif", flow.last)
              : fmt::format("{} holds features, but {} yields a raster: put `objects` before it, or write .tif",
                            step.name, flow.last));
    product.bands = flow.bands;
    same_grid(product.bands);
    const std::size_t dates = flow.times.size(), bands = flow.bands.size();
    for (std::size_t b = 0; b < bands; ++b)
      product.times.push_back(dates > 0 && bands % dates == 0 ? flow.times[b / (bands / dates)] : missing<double>);
    for (const Argument& a : step.arguments)
      if (a.name == "values") {
        product.bands = named_values(a, flow);
        product.times.assign(product.bands.size(), missing<double>);
      }
  }
  graph_.products.push_back(std::move(product));
}

std::vector<Edge> Binder::named_values(const Argument& a, const Flow& flow) const {
  std::vector<Edge> bands;
  for (std::size_t begin = 0; begin <= a.value.size();) {
    const auto end = std::min(a.value.find(',', begin), a.value.size());
    const std::string name = a.value.substr(begin, end - begin);
    const std::size_t before = bands.size();
    for (const auto& [known, edge] : flow.of_bands)
      if (known == name && flow.bands.size() > 1) bands.push_back(edge);
    if (bands.size() == before) bands.push_back(flow.find(name));
    if (!bands.back().connected()) {
      std::set<std::string> names;
      for (const auto& [known, edge] : flow.named) names.insert(known);
      for (const auto& [known, edge] : flow.of_bands) names.insert(known);
      wrong(a.span, names.empty() ? fmt::format("{} has no value of a name: leave --values out", flow.last)
                                  : fmt::format("there is no value '{}' here, but {}", name, fmt::join(names, ", ")));
    }
    begin = end + 1;
  }
  return bands;
}

}  // namespace fulmar
