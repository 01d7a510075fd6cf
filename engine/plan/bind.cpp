// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <set>
#include <string_view>
#include <utility>

#include "core/missing.hpp"
#include "core/signs.hpp"
#include "plan/bind_warp.hpp"
#include "plan/file_options.hpp"
#include "plan/graph.hpp"
#include "plan/nodata.hpp"
#include "plan/parse_rules.hpp"
#include "plan/time_range.hpp"

namespace fulmar {
namespace {

/// What an operator is told of the raster it works on.
fulmar_ground ground_of(const Grid* grid) {
  if (grid == nullptr) return {};
  const Ground centre = grid->ground();
  return {centre.dx, centre.dy, grid->wraps ? 0 : grid->width, grid->height};
}

/// What flows from one step to the next.
struct Flow {
  std::vector<Edge> bands;                          ///< the raster that flows, band by band
  std::vector<std::pair<std::string, Edge>> named;  ///< what later steps can find by the name of a port, newest last
  int features = -1;                                ///< the labelling or reducing node, once there are features
  int table = -1;                                   ///< the table, by place in Graph::tables
  std::vector<double> times;                        ///< of the dates, each with the same number of bands; NaN: unknown
  std::vector<std::pair<std::string, Edge>> of_bands;  ///< outputs of the last step, of every band in turn
  std::string last;                                    ///< the step before, for messages

  [[nodiscard]] Edge find(std::string_view name) const {
    for (auto it = named.rbegin(); it != named.rend(); ++it)
      if (it->first == name) return it->second;
    return {};
  }
};

/// The types that a raster product may be given.
constexpr std::array product_types{DType::u8, DType::u16, DType::i16, DType::u32, DType::i32, DType::f32, DType::f64};

/// What other programs call it, and what it is called here.
using Foreign = std::pair<std::string_view, std::string_view>;
constexpr std::array foreign_operators{Foreign{"reproject", "warp --crs"},
                                       Foreign{"gdalwarp", "warp"},
                                       Foreign{"resample", "warp --resolution"},
                                       Foreign{"crop", "warp --extent"},
                                       Foreign{"clip", "warp --extent"},
                                       Foreign{"merge", "mosaic"},
                                       Foreign{"polygonize", "objects"},
                                       Foreign{"vectorize", "objects"},
                                       Foreign{"calc", "expression"},
                                       Foreign{"bandmath", "expression"},
                                       Foreign{"ndvi", "expression"},
                                       Foreign{"slope", "terrain --measure slope"},
                                       Foreign{"aspect", "terrain --measure aspect"},
                                       Foreign{"hillshade", "terrain --measure hillshade"},
                                       Foreign{"select", "filter"},
                                       Foreign{"where", "filter"}};
constexpr std::array foreign_parameters{
    Foreign{"t_srs", "crs"},       Foreign{"t-srs", "crs"},   Foreign{"srs", "crs"},
    Foreign{"tr", "resolution"},   Foreign{"te", "extent"},   Foreign{"r", "resample"},
    Foreign{"method", "resample"}, Foreign{"size", "window"}, Foreign{"radius", "window"}};

template <std::size_t n>
std::string ours_for(const std::string& name, const std::array<Foreign, n>& words) {
  const auto at = std::find_if(words.begin(), words.end(), [&](const Foreign& f) { return f.first == name; });
  return at == words.end() ? "" : std::string{at->second};
}

class Binder {
 public:
  Binder(std::string_view text, const Registry& registry, const Io& io, int threads)
      : text_{text}, registry_{registry}, io_{io}, threads_{threads} {}

  Graph bind(const Pipeline& pipeline) {
    graph_.text = to_text(pipeline);
    chain(pipeline, Flow{});
    return std::move(graph_);
  }

 private:
  [[noreturn]] void wrong(Span span, const std::string& message, Errc code = Errc::usage) const {
    fail(code, mark(span, message));
  }
  [[nodiscard]] std::string mark(Span span, const std::string& message) const {
    return text_.empty() || span.end <= span.begin ? message : message + "\n" + underline(text_, span);
  }

  Flow chain(const Pipeline& pipeline, Flow flow) {
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

  FileOptions file_options(const Step& step, std::vector<int>* bands) const {
    FileOptions o;
    o.threads = threads_;
    for (const Argument& a : step.arguments) {
      if (a.name.empty()) wrong(a.span, fmt::format("'{}' is one word too many after {}", a.value, step.name));
      if (a.name == "with" && bands != nullptr) continue;  // read() sees to it
      if (!a.pipeline.empty()) wrong(a.span, fmt::format("--{} takes a value, not a pipeline", a.name));
      const FileOption* const option = find_file_option(a.name, bands == nullptr);
      if (option == nullptr) refuse_option(a, bands == nullptr);
      if (option->set != nullptr)
        option->set(o, a.value);
      else if (a.name == "band")
        choose_bands(a, *bands);
      else if (a.name == "type")
        choose_type(a, o);
    }
    for (const Argument& a : step.arguments)
      if (a.name == "nodata" && bands == nullptr) choose_nodata(a, o);
    return o;
  }

  void choose_type(const Argument& a, FileOptions& o) const {
    for (const DType type : product_types)
      if (a.value == fulmar::name_of(type)) o.type = type;
    if (o.type) return;
    std::vector<std::string> names;
    for (const DType type : product_types) names.emplace_back(fulmar::name_of(type));
    wrong(a.span, fmt::format("--type is one of {}, not '{}'", fmt::join(names, ", "), a.value));
  }

  /// The value of missing cells in a product whose type is given.
  void choose_nodata(const Argument& a, FileOptions& o) const {
    if (!o.type)
      wrong(a.span, "--nodata of a product goes with --type: f32 and f64 have NaN for what is missing, flags 255");
    o.nodata = nodata_of(a.value, *o.type);
    if (!o.nodata)
      wrong(a.span, fmt::format("--nodata {} is no value that {} can hold", a.value, fulmar::name_of(*o.type)));
  }

  /// An option that files of this kind do not have: told whose it is, or which there are.
  [[noreturn]] void refuse_option(const Argument& a, bool write) const {
    const char* const whose = write ? "a product" : "a file that is read";
    if (find_file_option(a.name, !write) != nullptr)
      wrong(a.name_span, fmt::format("--{} belongs to {}", a.name, write ? "a file that is read" : "a product"));
    const auto names = file_option_names(write);
    const auto near = nearest(a.name, names);
    wrong(a.name_span,
          fmt::format("{} has no option --{}; {}it has --{}", whose, a.name,
                      near.empty() ? "" : fmt::format("did you mean --{}? ", near), fmt::join(names, ", --")));
  }

  void choose_bands(const Argument& a, std::vector<int>& bands) const {
    std::size_t begin = 0;
    while (begin <= a.value.size()) {
      const auto end = std::min(a.value.find(',', begin), a.value.size());
      const std::string word = a.value.substr(begin, end - begin);
      const auto dash = std::min(word.find('-'), word.size());
      const auto number = [&](const std::string& digits) {
        if (digits.empty() || digits.size() > 6 || digits.find_first_not_of("0123456789") != std::string::npos ||
            std::stoi(digits) == 0)
          wrong(a.span, fmt::format("--band takes numbers from 1, such as 1 or 1,3 or 1-366, not '{}'", a.value));
        return std::stoi(digits);
      };
      const int first = number(word.substr(0, dash));
      const int last = dash == word.size() ? first : number(word.substr(dash + 1));
      if (last < first) wrong(a.span, fmt::format("--band {}-{} runs backwards", first, last));
      for (int band = first; band <= last; ++band) bands.push_back(band);
      begin = end + 1;
    }
  }

  /// The dates that a file is read for; nothing where it is read for all.
  std::optional<TimeRange> time_range(const Step& step) const {
    std::optional<TimeRange> range;
    for (const Argument& a : step.arguments) {
      if (a.name != "time-range") continue;
      range = parse_time_range(a.value);
      if (!range)
        wrong(a.span, fmt::format("--time-range takes START/END in ISO 8601, such as 2020-01-01/2020-03-31, "
                                  "2020-06-01T12:00:00Z/.. or 2020-07, not '{}'",
                                  a.value));
      if (range->last < range->first) wrong(a.span, fmt::format("--time-range {} runs backwards", a.value));
    }
    return range;
  }

  /// The place of a grid among those of the graph; a new one is added.
  int grid_index(const Grid& grid) {
    if (graph_.sources.empty()) {
      graph_.grid = grid;
      return 0;
    }
    if (graph_.grid.same_cells(grid)) return 0;
    for (std::size_t g = 0; g < graph_.others.size(); ++g)
      if (graph_.others[g].same_cells(grid)) return static_cast<int>(g) + 1;
    graph_.others.push_back(grid);
    return static_cast<int>(graph_.others.size());
  }

  [[nodiscard]] const Node& node_of(const Edge& e) const { return graph_.nodes[static_cast<std::size_t>(e.node)]; }

  /// The source that a band was made from, by way of first inputs.
  [[nodiscard]] const Node& origin_of(const Edge& e) const {
    const Node* node = &node_of(e);
    while (node->op != nullptr) node = &node_of(node->inputs.front());
    return *node;
  }

  /// All inputs of a node lie on one grid, or an error says how to get there.
  int same_grid(const std::vector<Edge>& inputs) const {
    const Edge* first = nullptr;
    for (const Edge& e : inputs) {
      if (!e.connected()) continue;
      if (first == nullptr) first = &e;
      if (node_of(e).grid != node_of(*first).grid) differing_grids(*first, e);
    }
    return first == nullptr ? 0 : node_of(*first).grid;
  }

  [[noreturn]] void differing_grids(const Edge& one, const Edge& other) const {
    const Grid &a = graph_.grid_of(node_of(one).grid), &b = graph_.grid_of(node_of(other).grid);
    const Node& origin = origin_of(other);
    const auto file = [&](const Node& node) { return graph_.sources[static_cast<std::size_t>(node.source)]->name(); };
    const auto describe = [](const Grid& g, bool corner) {
      std::string size = fmt::format("{} x {} cells", g.width, g.height);
      if (g.affine) size += fmt::format(" of {:.6g} x {:.6g}", (*g.affine)[1], std::abs((*g.affine)[5]));
      if (g.affine && corner) size += fmt::format(" from {:.10g}, {:.10g}", (*g.affine)[0], (*g.affine)[3]);
      return size + (g.crs.empty() ? ", no CRS" : " in " + crs_name(g.crs));
    };
    std::string words = fmt::format("{} against {}", describe(b, true), describe(a, true));
    if (describe(a, false) == describe(b, false)) words = describe(a, false) + ", but " + difference_of(b, a);
    if (lie_apart(a, b))
      wrong(origin.span, fmt::format("{} does not lie on the grid of {}: {}. They do not overlap: take rasters of one "
                                     "region, or put them side by side with `mosaic`",
                                     file(origin), file(origin_of(one)), words));
    // Detail is kept: the coarser grid is left, not gone to.
    const auto cell = [](const Grid& g) {
      const Ground ground = g.ground();
      return ground.dx > 0 ? ground.dx * ground.dy : g.affine ? std::abs((*g.affine)[1] * (*g.affine)[5]) : 0.0;
    };
    const bool finer = cell(b) > 0 && cell(b) < 0.999 * cell(a) && b.affine.has_value();
    const std::string from = file(finer ? origin_of(one) : origin), to = file(finer ? origin : origin_of(one));
    wrong(origin.span, fmt::format("{} does not lie on the grid of {}: {}. Bring {} where it is read, with {} ! align "
                                   "--to {}",
                                   file(origin), file(origin_of(one)), words,
                                   finer ? "the coarser one onto the finer grid" : "it onto that grid", from, to));
  }

  /// True if two rasters of one CRS share no ground.
  static bool lie_apart(const Grid& a, const Grid& b) {
    if (!a.affine || !b.affine || a.crs != b.crs) return false;
    const auto extent = [](const Grid& g, int axis) {
      const auto& f = *g.affine;
      const auto at = [&](std::int64_t x, std::int64_t y) {
        const auto k = static_cast<std::size_t>(3 * axis);
        return f[k] + f[k + 1] * static_cast<double>(x) + f[k + 2] * static_cast<double>(y);
      };
      return std::minmax({at(0, 0), at(g.width, 0), at(0, g.height), at(g.width, g.height)});
    };
    for (const int axis : {0, 1}) {
      const auto [low, high] = extent(a, axis);
      const auto [left, right] = extent(b, axis);
      // Longitudes may be counted in another turn.
      if (!(axis == 0 && a.geographic) && (high <= left || right <= low)) return true;
    }
    return false;
  }

  /// What people call a CRS given as WKT: "WGS 84 / UTM zone 33N (EPSG:32633)".
  static std::string crs_name(const std::string& wkt) {
    const auto quoted_from = [&](std::size_t at) {
      const auto begin = wkt.find('"', at), end = wkt.find('"', begin + 1);
      return end == std::string::npos ? std::string{} : wkt.substr(begin + 1, end - begin - 1);
    };
    const std::string name = quoted_from(0);
    if (name.empty()) return wkt.substr(0, std::min<std::size_t>(wkt.find('\n'), 60));
    // The code of the whole stands last, with one bracket behind it; that of a part has more.
    const auto id = wkt.rfind("ID[\"");
    const auto end = id == std::string::npos ? id : wkt.find(']', id);
    if (end == std::string::npos || std::count(wkt.begin() + static_cast<std::ptrdiff_t>(end), wkt.end(), ']') != 2)
      return name;
    const auto comma = wkt.find(',', id);
    auto code = wkt.substr(comma + 1, end - comma - 1);
    std::erase(code, '"');
    return fmt::format("{} ({}:{})", name, quoted_from(id), code);
  }

  /// Where two grids differ that look alike in few digits.
  static std::string difference_of(const Grid& b, const Grid& a) {
    if (a.affine.has_value() != b.affine.has_value()) return "one of them lies on control points";
    if (a.affine) {
      const auto &p = *a.affine, &q = *b.affine;
      if (p[0] != q[0] || p[3] != q[3]) {
        const double cell = std::hypot(p[1], p[4]);
        return fmt::format(
            "its first corner is {:.10g}, {:.10g} and not {:.10g}, {:.10g}, off by {:.4g} x {:.4g} cells", q[0], q[3],
            p[0], p[3], std::abs(q[0] - p[0]) / cell, std::abs(q[3] - p[3]) / cell);
      }
      if (p != q)
        return fmt::format(
            "its cells are {:.12g} x {:.12g} and not {:.12g} x {:.12g}, with turns {:.6g}, {:.6g} and "
            "not {:.6g}, {:.6g}",
            q[1], std::abs(q[5]), p[1], std::abs(p[5]), q[2], q[4], p[2], p[4]);
    } else if (a.control_points != b.control_points) {
      return "their control points differ";
    }
    if (a.crs.empty() || b.crs.empty()) return "one of them has no CRS";
    const std::string one = crs_name(b.crs), other = crs_name(a.crs);
    return one != other ? fmt::format("its CRS is {} and not {}", one, other)
                        : fmt::format("their CRS, both called {}, are defined in different ways", one);
  }

  Flow read(const Step& step) {
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

  /// Where the bands of a step are chosen, and the words that choose them.
  [[nodiscard]] static Span span_of_bands(const Step& step) {
    for (const Argument& a : step.arguments)
      if (a.name == "band") return a.span;
    return step.span;
  }
  [[nodiscard]] static std::string words_of_bands(const Step& step) {
    std::string words;
    for (const Argument& a : step.arguments)
      if (a.name == "band") words += " --band " + a.value;
    return words.empty() ? words : ", by" + words;
  }

  /// A file of features; read when the run begins.
  int read_table(const std::string& name, const FileOptions& options) {
    inputs_.insert(name);
    TableNode made;
    made.path = name;
    made.options = options;
    graph_.tables.push_back(std::move(made));
    return static_cast<int>(graph_.tables.size()) - 1;
  }

  /// The table that flows, or an error that says how to get one.
  int table_of(const Step& step, const Operator& op, const Flow& flow, Span span) {
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

  /// What an input given by a file's name, or by a pipeline, yields.
  Flow flow_of(const Argument& a) {
    if (!a.pipeline.empty()) return chain(a.pipeline, Flow{});
    Step reading;
    reading.kind = Step::Kind::read;
    reading.name = a.value;
    reading.span = a.span;
    return read(reading);
  }

  /// A tabular operator: its tables are made when all passes are done.
  void tabulate(const Step& step, const Operator& op, Flow& flow) {
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

  /// Adds the bands of another flow: as further dates where each date has as many, otherwise as bands of one date.
  void put_beside(Flow& flow, const Flow& other, Span span) const {
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

  /// Keeps for `explain` which dates --time-range chose, or fails where it chose none.
  void note_dates(const Step& step, const Flow& flow, const std::set<double>& dates) {
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

  /// Opens a file; one that is read twice in the same way is opened, and decoded, once.
  std::shared_ptr<const RasterSource> source_of(const Step& step, const std::string& name, const FileOptions& options) {
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

  /// The source's place in the graph.
  int place_of(const std::shared_ptr<const RasterSource>& source) {
    const auto known = places_.find(source.get());
    if (known != places_.end()) return known->second;
    grid_index(source->grid());
    graph_.sources.push_back(source);
    return places_[source.get()] = static_cast<int>(graph_.sources.size()) - 1;
  }

  Edge add_source_node(int source, int band, Span span) {
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

  const Operator& find_operator(const Step& step) const {
    if (const Operator* op = registry_.find(step.name)) return *op;
    if (const char* trouble = rules::separator_trouble(step.name)) wrong(step.span, trouble);
    std::string message = fmt::format("there is no operator '{}'", step.name);
    const auto near = nearest(step.name, registry_.names());
    if (const auto ours = ours_for(step.name, foreign_operators); !ours.empty())
      message += fmt::format("; that is `{}` here", ours);
    else if (!near.empty())
      message += fmt::format("; did you mean '{}'?", near);
    else
      message += "; `fulmar list` names them";
    wrong(step.span, message);
  }

  struct Arguments {
    std::vector<ParamValue> values;                              // every parameter that has a value, given or default
    std::vector<std::pair<const Port*, const Argument*>> ports;  // inputs given as pipelines
    FileOptions files;                                           // for companions
    Span with_span;
  };

  /// `from_shapes`: the shapes flow, and the scene is given.
  Arguments read_arguments(const Step& step, const Operator& op, bool from_shapes = false) const {
    Arguments out;
    std::set<std::string> given;
    if (from_shapes) given.insert(shapes_of(op)->name);
    std::size_t next_positional = 0;
    std::vector<const Param*> positional;
    for (const Param& p : op.params())
      if (p.positional) positional.push_back(&p);

    for (const Argument& a : step.arguments) {
      std::string name = a.name;
      if (name.empty()) {
        const bool known = next_positional < positional.size() && given.contains(positional[next_positional]->name);
        if (known && !rules::separator_trouble(a.value))
          wrong(a.span, fmt::format("'{}' is one word too many: --{} has its value already; put all of it in quotes",
                                    a.value, positional[next_positional]->name));
        if (next_positional >= positional.size()) {
          if (a.value.starts_with('-') && rules::is_option_name(a.value.substr(1)))
            unknown_parameter(a, a.value.substr(1), op);
          if (const char* trouble = rules::separator_trouble(a.value)) wrong(a.span, trouble);
          std::string cure;
          if (!positional.empty())
            cure = fmt::format("; if it belongs to {0}, put all of {0} in quotes", positional.back()->name);
          for (const Param& p : op.params())
            if (std::find(p.choices.begin(), p.choices.end(), a.value) != p.choices.end())
              cure = fmt::format("; say --{} {}", p.name, a.value);
          wrong(a.span, fmt::format("'{}' is one word too many: {} takes {} without a name{}", a.value, op.name(),
                                    positional.empty() ? "nothing" : positional.back()->name, cure));
        }
        name = positional[next_positional++]->name;
      }
      const auto port =
          std::find_if(op.inputs().begin(), op.inputs().end(), [&](const Port& p) { return p.name == name; });
      // A table may be given by its file alone, and so may a scene that shapes flow onto; a raster by the name of a
      // value that was made before.
      const bool scene = from_shapes && port == op.inputs().begin();
      const bool of_port = port != op.inputs().end() && (port->table || op.param(name) == nullptr) && !a.name.empty();
      if (!a.pipeline.empty() || scene || of_port) {
        if (port == op.inputs().end())
          wrong(a.span, fmt::format("{} has no input '{}' that a pipeline could feed", op.name(), name));
        out.ports.emplace_back(&*port, &a);
        // Rasters of a mosaic and bands of the scene may be as many as one likes.
        const bool several = op.table().kind == FULMAR_KIND_WARPING || (port == op.inputs().begin() && op.variadic());
        if (!given.insert(name).second && !several) wrong(a.span, fmt::format("--{} is given twice", name));
        continue;
      }
      if (name == "oo") {
        out.files.open_options.push_back(a.value);
        continue;
      }
      const Param* p = op.param(name);
      if (p == nullptr) unknown_parameter(a, name, op);
      if (!given.insert(name).second) wrong(a.span, fmt::format("--{} is given twice", name));
      if (p->type != ParamType::boolean && a.value == "true" && a.name_span.end > 0 && a.span.end == a.name_span.end)
        wrong(a.span, fmt::format("--{} needs a value: {}", name, p->description));
      try {
        out.values.push_back(parse_param(*p, a.value));
      } catch (const Error& e) {
        wrong(a.span, e.message());
      }
      out.with_span = a.span;
    }
    for (const Param& p : op.params()) {
      if (given.contains(p.name)) continue;
      if (p.required) wrong(step.span, fmt::format("{} needs --{}: {}", op.name(), p.name, p.description));
      if (!p.fallback.empty()) out.values.push_back(parse_param(p, p.fallback));
    }
    return out;
  }

  /// The input that shapes are drawn for, if there is one.
  static const Port* shapes_of(const Operator& op) {
    for (const Port& port : op.inputs())
      if (port.companion == "shapes") return &port;
    return nullptr;
  }

  [[noreturn]] void unknown_parameter(const Argument& a, const std::string& name, const Operator& op) const {
    std::vector<std::string> names;
    for (const Param& p : op.params()) names.push_back(p.name);
    for (std::size_t i = 1; i < op.inputs().size(); ++i)
      if (op.inputs()[i].companion.empty()) names.push_back(op.inputs()[i].name);
    std::string message = fmt::format("{} has no parameter '{}'", op.name(), name);
    const auto near = nearest(name, names);
    const auto ours = ours_for(name, foreign_parameters);
    if (std::find(names.begin(), names.end(), name) != names.end())
      message = fmt::format("-{0} is written --{0}", name);
    else if (!ours.empty() && std::find(names.begin(), names.end(), ours) != names.end())
      message += fmt::format("; that is --{} here", ours);
    else if (!near.empty())
      message += fmt::format("; did you mean '{}'?", near);
    else if (names.empty())
      message += "; it takes none";
    else
      message += fmt::format("; it has {}", fmt::join(names, ", "));
    wrong(a.name_span.end > a.name_span.begin ? a.name_span : a.span, message);
  }

  [[nodiscard]] const Band& band(const Edge& e) const {
    return graph_.nodes[static_cast<std::size_t>(e.node)].outputs[static_cast<std::size_t>(e.output)];
  }

  void check_unit(const Step& step, const Operator& op, const Port& port, const Edge& edge, const std::string& from) {
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
  }

  /// Notes values that an input takes, and that look like something else.
  void note_values(const Operator& op, const Port& port, const RasterSource& source, int band) {
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

  /// Notes numbers that are read, and that f32 does not hold to the last digit.
  void note_digits(const RasterSource& source, int band) {
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

  /// What flows into an input that is given by name: a pipeline of its own, one that goes on with what flows, or a
  /// value that was made before.
  Flow side_flow(const Argument& a, const Operator& op, const Flow& flow) {
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

  /// What is given by name to the input that flows: an operator on all bands takes it as further bands, others refuse
  /// it.
  void add_to_flow(const Operator& op, const Arguments& arguments, Flow& flow) {
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

  void apply(const Step& step, Flow& flow) {
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

  /// Of several bands of a date, results that are called alike have the band's name before their own.
  void name_by_band(const Flow& flow, const std::vector<Edge>& results) {
    const std::size_t of_date = dating_of(flow).second;
    if (of_date < 2) return;
    const std::vector<std::string> names = names_of_bands(flow, of_date);
    for (std::size_t b = 0; b < results.size(); ++b)
      for (Band& made : graph_.nodes[static_cast<std::size_t>(results[b].node)].outputs)
        if (const std::string& own = names[b % of_date]; made.name != own && !made.name.starts_with(own + " "))
          made.name = own + " " + made.name;
  }

  /// What the bands of a date are called: their own names where these tell them apart, otherwise numbers.
  [[nodiscard]] std::vector<std::string> names_of_bands(const Flow& flow, std::size_t of_date) const {
    std::vector<std::string> names;
    for (std::size_t b = 0; b < of_date; ++b) names.push_back(band(flow.bands[b]).name);
    const std::set<std::string> known(names.begin(), names.end());
    for (std::size_t b = 0; b < of_date && (known.size() < of_date || known.contains("")); ++b)
      names[b] = fmt::format("b{}", b + 1);
    return names;
  }

  /// Whether the bands of a flow are told by dates, and how many have one date. Bands of one file are dates of their
  /// own, unless it was measured at once. Some may be of no known time.
  static std::pair<bool, std::size_t> dating_of(const Flow& flow) {
    const std::size_t dates = flow.times.size(), bands = flow.bands.size();
    std::set<double> moments;
    bool all_known = true;
    for (const double t : flow.times) is_missing(t) ? void(all_known = false) : void(moments.insert(t));
    const bool dated =
        bands % std::max<std::size_t>(1, dates) == 0 && (moments.size() > 1 || (!moments.empty() && !all_known));
    return {dated, dated && all_known && moments.size() == dates ? bands / dates : bands};
  }

  /// The table of what is found of each band of a flow.
  int stack(const std::vector<Edge>& results, const Flow& flow, bool by_row) {
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

  /// The scene that shapes are laid over: the one that is given, or the one in which they were found.
  Flow scene_beneath(const Step& step, const Operator& op, const Arguments& arguments, const Flow& flow) {
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

  /// The table that a pipeline in place of a file of shapes yields.
  int drawn_table(const Operator& op, const Port& port, const Argument& a) {
    const Flow branch = chain(a.pipeline, Flow{});
    if (branch.table < 0 && branch.features < 0)
      wrong(a.span,
            fmt::format("--{} of {} takes a pipeline that yields a table, but {} yields a raster: write it to a "
                        "file first and give its name, or put `objects` behind it",
                        port.name, op.name(), branch.last));
    return table_of(Step{}, op, branch, a.span);
  }

  [[noreturn]] void one_band(const Step& step, const Operator& op, const Flow& flow) const {
    wrong(step.span, fmt::format("{} takes one band, but {} has {}: choose one where the file is read, with --band 1",
                                 op.name(), flow.last, flow.bands.size()));
  }

  /// A raster that lives between two passes, and the nodes that read its bands.
  std::vector<Edge> temporary(const std::string& name, int grid, const std::vector<Band>& bands,
                              std::vector<Edge> written, Span span) {
    std::vector<StoredBand> stored;
    for (const Band& b : bands) {
      StoredBand each;
      each.unit = b.unit;
      each.description = b.name;
      stored.push_back(std::move(each));
    }
    Temporary made;
    made.raster = io_.temporary(name, graph_.grid_of(grid), stored);
    made.source = static_cast<int>(graph_.sources.size());
    made.bands = std::move(written);
    graph_.sources.push_back(made.raster);
    graph_.temporaries.push_back(std::move(made));
    std::vector<Edge> edges;
    for (std::size_t b = 0; b < bands.size(); ++b)
      edges.push_back(add_source_node(static_cast<int>(graph_.sources.size()) - 1, static_cast<int>(b), span));
    return edges;
  }

  /// A whole operator: its inputs are kept for it, and what it makes is read by the pass that follows.
  std::vector<Edge> whole(const Step& step, const Operator& op, const Arguments& arguments, std::vector<Edge> inputs,
                          const Flow& flow) {
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

  /// Brings the bands of the flow onto another grid: the flow goes on with sources that compute them.
  void warp(const Step& step, const Operator& op, const Arguments& arguments, Flow& flow) {
    WarpRequest request;
    try {
      request = warp_request(op, arguments.values);
    } catch (const Error& e) {
      wrong(span_of_complaint(step, e.message()), e.message());
    }
    const Port& main = op.inputs().front();
    std::vector<std::vector<Edge>> parts{flow.bands};
    if (op.name() == "mosaic") parts = parts_of_mosaic(op, arguments, flow);
    for (std::vector<Edge>& part : parts) {
      if (part.size() != parts.front().size())
        wrong(step.span,
              fmt::format("{} needs as many bands of every raster, but has {} of {} and {} of {}", op.name(),
                          parts.front().size(), name_of(parts.front().front()), part.size(), name_of(part.front())));
      for (std::size_t b = 0; b < part.size(); ++b) {
        check_unit(step, op, main, part[b], flow.last);
        check_resampling(step, op, request.method, band(part[b]));
        if (const Unit& one = band(parts.front()[b]).unit, &other = band(part[b]).unit; !compatible(one, other))
          wrong(step.span, fmt::format("{} puts values side by side that differ in unit: {} of {}, {} of {}", op.name(),
                                       one.symbol, name_of(parts.front()[b]), other.symbol, name_of(part[b])));
        if (graph_.grid_of(node_of(part[b]).grid).window().empty())
          wrong(step.span, fmt::format("{} has no cells", name_of(part[b])), Errc::input);
      }
    }
    Grid target;
    std::vector<Edge> results;
    try {
      if (!request.to.empty()) {
        target = io_.open(request.to, arguments.files)->grid();
        inputs_.insert(request.to);
        check_target(io_, graph_.grid_of(node_of(flow.bands.front()).grid), target, request.to);
      } else {
        std::vector<const Grid*> grids;
        std::set<int> known;
        for (const std::vector<Edge>& part : parts)
          for (const Edge& e : part)
            if (const int grid = node_of(e).grid; known.insert(grid).second) grids.push_back(&graph_.grid_of(grid));
        target = mosaic_grid(io_, grids, request.grid);
        check_size(grids, target);
      }
      const std::string name = parts.size() == 1 ? fmt::format("{} on another grid", name_of(parts.front().front()))
                                                 : fmt::format("the {} of {} and {} more", op.name(),
                                                               name_of(parts.front().front()), parts.size() - 1);
      // Each band of the first part, with the same band of all others.
      for (std::vector<Edge>& part : parts) part = stored_bands(part, step.span);
      for (std::size_t b = 0; b < parts.front().size(); ++b)
        results.push_back(warped_band(step, name, parts, b, target, request.method));
    } catch (Error& e) {
      throw e.within(mark(step.span, "operator " + op.name()));
    }
    flow.bands = std::move(results);
    // What came before lies on another grid.
    flow.named.clear();
    flow.of_bands.clear();
    if (flow.times.size() != flow.bands.size() && op.name() == "mosaic") flow.times = {missing<double>};
    flow.last = op.name();
  }

  /// A grid out of all proportion to what it is made from is a mistake: metres given for degrees, or rasters worlds
  /// apart.
  static void check_size(const std::vector<const Grid*>& from, const Grid& target) {
    double cells = 0;
    for (const Grid* g : from) cells += static_cast<double>(g->width) * static_cast<double>(g->height);
    const double made = static_cast<double>(target.width) * static_cast<double>(target.height);
    if (made > 1e4 * cells && made > 1e8)
      fail(Errc::usage,
           fmt::format("the grid would have {} x {} cells, {:.0f} times those it is made from: resolution is in the "
                       "units of the CRS (degrees or metres); an extent, or the CRS of one zone, keeps it small",
                       target.width, target.height, made / cells));
    if (made < 2 && cells > 16)
      fail(Errc::usage, fmt::format("the grid would be a single cell for {:.0f}: resolution is in the units of the CRS "
                                    "(degrees or metres)",
                                    cells));
  }

  [[nodiscard]] const std::string& name_of(const Edge& e) const {
    return graph_.sources[static_cast<std::size_t>(origin_of(e).source)]->name();
  }

  /// The rasters of a mosaic in the order in which they count: those of the flow, then those given beside it.
  std::vector<std::vector<Edge>> parts_of_mosaic(const Operator& op, const Arguments& arguments, const Flow& flow) {
    std::vector<std::vector<Edge>> parts;
    const auto add = [&](const std::vector<Edge>& bands) {
      int last = -1;
      for (const Edge& e : bands) {
        if (const int source = origin_of(e).source; parts.empty() || source != last)
          parts.emplace_back(), last = source;
        parts.back().push_back(e);
      }
    };
    add(flow.bands);
    for (const auto& [port, argument] : arguments.ports) {
      const Flow branch = side_flow(*argument, op, flow);
      if (branch.features >= 0) wrong(argument->span, fmt::format("{} yields features, not a raster", branch.last));
      if (branch.bands.empty()) wrong(argument->span, "this pipeline yields no raster");
      std::vector<std::vector<Edge>> before = std::move(parts);
      parts.clear();
      add(branch.bands);
      before.insert(before.end(), parts.begin(), parts.end());
      parts = std::move(before);
    }
    return parts;
  }

  void check_resampling(const Step& step, const Operator& op, Resampling method, const Band& b) const {
    if (method == Resampling::nearest) return;
    const auto word = resampling_words[static_cast<std::size_t>(method)];
    if (b.unit.symbol == units::decibel)
      wrong(step.span,
            fmt::format("{} --resample {} would average decibels, whose mean is not that of the intensities: "
                        "put `linear` before it, or take --resample nearest",
                        op.name(), word));
    if (b.unit.symbol == units::flag || b.type == DType::u8)
      wrong(step.span,
            fmt::format("{} --resample {} would make fractions of flags: take --resample nearest", op.name(), word));
  }

  /// Bands of rasters that are stored, each with its number there: bands that are computed are kept for the next pass.
  std::vector<Edge> stored_bands(const std::vector<Edge>& bands, Span span) {
    const auto stored = [&](const Edge& e) {
      const Node& node = node_of(e);
      return node.op == nullptr && !graph_.sources[static_cast<std::size_t>(node.source)]->computed();
    };
    const auto kept_as = [&](const Edge& e) {
      const auto known = kept_.find({e.node, e.output});
      return known == kept_.end() ? Edge{} : known->second;
    };
    std::vector<Edge> out(bands.size());
    std::map<int, std::vector<std::size_t>> computed;  // by grid
    for (std::size_t b = 0; b < bands.size(); ++b)
      if (stored(bands[b]))
        out[b] = bands[b];
      else if (const Edge known = kept_as(bands[b]); known.connected())
        out[b] = known;
      else
        computed[node_of(bands[b]).grid].push_back(b);
    for (const auto& [grid, places] : computed) {
      std::vector<Edge> some;
      std::vector<Band> kept;
      for (const std::size_t b : places) some.push_back(bands[b]), kept.push_back(band(bands[b]));
      some = temporary(name_of(some.front()), grid, kept, some, span);
      for (std::size_t k = 0; k < places.size(); ++k) {
        out[places[k]] = some[k];
        kept_[{bands[places[k]].node, bands[places[k]].output}] = some[k];
      }
    }
    return out;
  }

  /// A band of all parts on the target grid. Bands that lie there already stay as they are.
  Edge warped_band(const Step& step, const std::string& name, const std::vector<std::vector<Edge>>& parts,
                   std::size_t b, const Grid& target, Resampling method) {
    const Edge& first = parts.front()[b];
    if (parts.size() == 1 && graph_.grid_of(node_of(first).grid).same_cells(target)) return first;
    std::vector<int> from, bands;
    for (const std::vector<Edge>& part : parts) {
      from.push_back(node_of(part[b]).source);
      bands.push_back(node_of(part[b]).band);
    }
    // All bands of the same sources share one, as long as they stand in the same place everywhere.
    const bool aligned = std::all_of(bands.begin(), bands.end(), [&](int k) { return k == bands.front(); });
    std::string key = fmt::format("{} {} {}", fmt::join(from, " "), static_cast<int>(method), grid_index(target));
    if (!aligned) key += fmt::format(" bands {}", fmt::join(bands, " "));
    const auto [known, fresh] = warped_.try_emplace(key, static_cast<int>(graph_.sources.size()));
    if (fresh) {
      std::vector<WarpInput> inputs;
      for (std::size_t i = 0; i < from.size(); ++i) {
        inputs.push_back(warp_input(io_, graph_.sources[static_cast<std::size_t>(from[i])], target, from.size() > 1));
        if (!aligned) inputs.back().band = bands[i];
      }
      graph_.sources.push_back(warped_source(name, target, std::move(inputs), method));
      graph_.warps.push_back({known->second, from});
    }
    return add_source_node(known->second, aligned ? bands.front() : 0, step.span);
  }

  /// What is asked of a companion.
  static CompanionRequest companion_request(const Operator& op, const Port& port, const Arguments& arguments) {
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

  /// A companion that is drawn from a table when that is there.
  Edge drawing(const Step& step, const Operator& op, const Port& port, const Arguments& arguments, const Flow& flow,
               int table) {
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

  Edge companion(const Step& step, const Operator& op, const Port& port, const Arguments& arguments, const Flow& flow,
                 int& table) {
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

  void note(const std::string& words) {
    if (std::find(graph_.notes.begin(), graph_.notes.end(), words) == graph_.notes.end()) graph_.notes.push_back(words);
  }

  /// Notes lengths in metres that are less than a cell.
  void note_lengths(const Operator& op, const Node& node) {
    const Ground cell = graph_.grid_of(node.grid).ground();
    for (const ParamValue& v : node.values)
      if (op.param(v.name)->type == ParamType::length && !v.cells && v.number > 0 &&
          v.number < std::min(cell.dx, cell.dy))
        note(
            fmt::format("{}: --{} {:g} is less than a cell, which has {:.4g} x {:.4g} m: of the cells around one it "
                        "holds none. Lengths are metres; cells are written with px, such as --{} {:.0f}px",
                        op.name(), v.name, v.number, cell.dx, cell.dy, v.name, std::max(3.0, std::ceil(v.number))));
  }

  int add_node(const Step& step, const Operator& op, const Arguments& arguments, const std::vector<Edge>& inputs,
               const Flow& flow) {
    Node node = make_node(step, op, arguments, inputs, flow);
    note_lengths(op, node);
    // The same operator on the same inputs is computed once. What is told of objects and numbers stays as often as
    // asked.
    if (!node.labels() && !node.reduces())
      for (std::size_t n = 0; n < graph_.nodes.size(); ++n)
        if (same_work(graph_.nodes[n], node)) return static_cast<int>(n);
    node.origin = static_cast<int>(graph_.nodes.size());
    graph_.nodes.push_back(std::move(node));
    return static_cast<int>(graph_.nodes.size()) - 1;
  }

  [[nodiscard]] static bool same_work(const Node& a, const Node& b) {
    const auto same_value = [](const ParamValue& p, const ParamValue& q) {
      return p.name == q.name && p.text == q.text && p.number == q.number && p.cells == q.cells;
    };
    const auto same_time = [](double p, double q) { return p == q || (is_missing(p) && is_missing(q)); };
    return a.op == b.op && a.inputs == b.inputs && a.bands == b.bands &&
           std::equal(a.values.begin(), a.values.end(), b.values.begin(), b.values.end(), same_value) &&
           std::equal(a.times.begin(), a.times.end(), b.times.begin(), b.times.end(), same_time);
  }

  /// The operator's parameters; lengths become cells of the grid, where there is one.
  std::vector<std::byte> parse_params(const Step& step, const Operator& op, const std::vector<ParamValue>& given,
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

  /// Distances along a row are counted in 16 bits.
  void check_reach(const Step& step, const Node& node, const fulmar_view& view, const Grid& grid) const {
    if (node.halo(node.input_of(view.input), grid).x <= most_reach) return;
    const double dx = grid.smallest_ground().dx, cell = dx > 0 ? dx : 1;
    wrong(step.span,
          fmt::format("{} looks {:g} m around a cell, {:.0f} cells of {:g} m where they are narrowest, and {} are the "
                      "most it can: take a shorter distance, or make the raster coarser first with warp",
                      node.op->name(), view.reach, std::floor(view.reach / cell), cell, most_reach));
  }

  Node make_node(const Step& step, const Operator& op, const Arguments& arguments, const std::vector<Edge>& inputs,
                 const Flow& flow) const {
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
        wrong(step.span,
              fmt::format("{} looks at {} columns around a cell, and the raster goes round the earth with {}: "
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
      wrong(step.span,
            fmt::format("{} takes {} band{} at each date, but {} has {}: choose with --band where it is read",
                        op.name(), op.series_bands(), op.series_bands() == 1 ? "" : "s", flow.last, bands));
    make_table(step, node, bands);
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (!inputs[i].connected() || node.port(i).companion.empty()) continue;
      const Node& from = node_of(inputs[i]);
      if (from.source >= 0)
        learn_from(node, node.port(i), *graph_.sources[static_cast<std::size_t>(from.source)], grid);
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

  /// The name of an output in products: as declared, or the word of a choice.
  [[nodiscard]] static std::string output_name(const Port& port, const Node& node) {
    for (const ParamValue& v : node.values)
      if (v.name == port.named_by) return node.op->param(v.name)->choices.at(static_cast<std::size_t>(v.number));
    return port.name;
  }

  /// The unit of an output: as declared, as a choice tells, or after that of the input ("*", "*/km").
  [[nodiscard]] static Unit output_unit(const Port& port, const Node& node, const Unit& in) {
    const auto choice = std::find_if(node.values.begin(), node.values.end(),
                                     [&](const ParamValue& v) { return v.name == port.unit_by; });
    const Unit& unit = !port.unit_by.empty() && choice != node.values.end()
                           ? port.units.at(static_cast<std::size_t>(choice->number))
                           : port.unit;
    if (!unit.symbol.starts_with(units::any)) return unit;
    return in.known() ? Unit{in.symbol + unit.symbol.substr(units::any.size())} : in;
  }

  /// The operator's own table, from its parameters and, where it asks for them, the dates.
  void make_table(const Step& step, Node& node, std::size_t bands) const {
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

  /// An operator has refused its parameters, or the dates.
  [[noreturn]] void refused(const Step& step, const Operator& op, const fulmar_error& error) const {
    const Error e = error_of(error, Errc::usage);
    wrong(span_of_complaint(step, e.message()), fmt::format("{}: {}", op.name(), e.message()), e.code());
  }

  /// The argument that an operator's complaint names, so that the caret stands under it.
  [[nodiscard]] Span span_of_complaint(const Step& step, std::string_view message) const {
    for (const Argument& a : step.arguments)
      if (!a.name.empty() && message.find(a.name) != std::string_view::npos) return a.span;
    return step.arguments.size() == 1 ? step.arguments.front().span : step.span;
  }

  void write(const Step& step, const Flow& flow) {
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
        wrong(a.name_span,
              fmt::format("--{} is of the cells of a raster in a file, which {} is not", a.name, step.name));
    product.origin = static_cast<int>(graph_.products.size());
    if (flow.features >= 0 || flow.table >= 0) {
      product.features = flow.features;
      product.table = flow.table;
      if (product.kind == ProductKind::raster && flow.table >= 0 && flow.bands.empty())
        wrong(step.span, fmt::format("{} yields a table, which {} cannot hold: write .gpkg, .fgb, .geojson or .csv",
                                     flow.last, step.name));
      if (product.kind == ProductKind::raster && flow.features >= 0 &&
          graph_.nodes[static_cast<std::size_t>(flow.features)].reduces())
        wrong(
            step.span,
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
        wrong(step.span,
              step.name == "-"
                  ? fmt::format("- prints a table, but {} yields a raster: put `stats` before it, or write .tif",
                                flow.last)
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

  /// The bands of a product that are chosen by the names of outputs.
  std::vector<Edge> named_values(const Argument& a, const Flow& flow) const {
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

  std::string_view text_;
  const Registry& registry_;
  const Io& io_;
  int threads_;
  Graph graph_;
  std::set<std::string> inputs_, outputs_;
  std::map<std::string, std::shared_ptr<const RasterSource>> opened_;
  std::map<const RasterSource*, int> places_;  // in the graph
  std::map<std::string, int> warped_;
  std::set<int> looked_at_;                          ///< sources whose numbers were looked at
  std::map<std::pair<int, int>, int> source_nodes_;  ///< by source and band
  std::map<std::pair<int, int>, Edge> kept_;         ///< computed bands that are kept for a later pass
};

}  // namespace

Graph make_graph(const Pipeline& pipeline, std::string_view text, const Registry& registry, const Io& io, int threads) {
  return Binder{text, registry, io, threads}.bind(pipeline);
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

Halo Node::halo(std::size_t input, const Grid& raster) const {
  Halo halo;
  for (const fulmar_view& v : views) {
    if (v.kind == FULMAR_VIEW_BANDS || v.kind == FULMAR_VIEW_SERIES) continue;
    if (v.input != (input < bands ? 0 : input - bands + 1)) continue;
    if (v.kind == FULMAR_VIEW_WITHIN) {
      const Ground smallest = raster.smallest_ground();
      // A billionth of a cell more, so that a cell just at the distance is looked at; within() decides. Beyond the
      // raster nothing is set, so no distance takes more cells than there are.
      const auto cells = [&](double size, std::int64_t most) {
        return static_cast<std::int64_t>(std::min(v.reach / (size > 0 ? size : 1) + 1e-9, static_cast<double>(most)));
      };
      halo = widest(halo, {cells(smallest.dx, raster.width), cells(smallest.dy, raster.height)});
    } else {
      halo = widest(halo, {v.outer_x, v.outer_y});
    }
  }
  // Whether an object lies beside a gap shows in the cells around it.
  if (labels() && port(input).name == "intensity") halo = widest(halo, {1, 1});
  return halo;
}

bool Node::stacks() const {
  return std::any_of(views.begin(), views.end(), [](const fulmar_view& v) { return v.kind == FULMAR_VIEW_SERIES; });
}

std::int64_t Node::scratch() const {
  if (op == nullptr || !op->has(offsetof(fulmar_operator, scratch) + sizeof op->table().scratch)) return 0;
  if (op->table().scratch == nullptr) return 0;
  const std::size_t dates = std::max<std::size_t>(1, times.size());
  return static_cast<std::int64_t>(op->guard([&] { return op->table().scratch(params.data(), dates, bands / dates); }));
}

bool Node::anchored() const {
  return round >= 0 || std::any_of(views.begin(), views.end(), [](const fulmar_view& v) {
           return v.kind == FULMAR_VIEW_RING || (v.kind == FULMAR_VIEW_BOX && (v.outer_x > 0 || v.outer_y > 0));
         });
}

}  // namespace fulmar
