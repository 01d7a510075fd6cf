// SPDX-License-Identifier: Apache-2.0
#include "exec/products.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <optional>

#include "core/iso_time.hpp"
#include "core/missing.hpp"
#include "core/table_view.hpp"
#include "exec/cells.hpp"

namespace fulmar {

void stop_if_asked(const std::atomic<bool>* cancel) {
  if (cancel != nullptr && cancel->load())
    fail(Errc::cancelled, "stopped before the products were whole; none was written");
}

namespace {

/// The calendar of a climate model by which all that is read is dated, where there is one.
std::string calendar_of(const Graph& graph) {
  std::optional<std::string> calendar;
  for (const Node& node : graph.nodes) {
    if (node.source < 0) continue;
    const RasterSource& source = *graph.sources[static_cast<std::size_t>(node.source)];
    if (!source.bands()[static_cast<std::size_t>(node.band)].time) continue;
    if (calendar && *calendar != source.calendar()) return {};
    calendar = source.calendar();
  }
  return calendar.value_or("");
}

/// When what is read was measured, from its first band to its last.
void say_when(const Graph& graph, Metadata& metadata) {
  std::optional<double> first, last;
  for (const Node& node : graph.nodes) {
    if (node.source < 0) continue;
    const auto& bands = graph.sources[static_cast<std::size_t>(node.source)]->bands();
    const auto time = bands[static_cast<std::size_t>(node.band)].time;
    if (!time) continue;
    first = std::min(first.value_or(*time), *time);
    last = std::max(last.value_or(*time), *time);
  }
  if (!first) return;
  const auto text = [](double seconds) {
    using namespace std::chrono;
    const sys_time<milliseconds> moment{milliseconds{std::llround(seconds * 1000)}};
    const auto day = floor<days>(moment);
    const year_month_day date{day};
    const hh_mm_ss clock{moment - day};
    auto words = fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", static_cast<int>(date.year()),
                             static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                             clock.hours().count(), clock.minutes().count(), clock.seconds().count());
    if (clock.subseconds().count() != 0) words += fmt::format(".{:03}", clock.subseconds().count());
    return words + "Z";
  };
  metadata.erase("TIME_CALENDAR");
  if (const std::string calendar = calendar_of(graph); !calendar.empty()) metadata["TIME_CALENDAR"] = calendar;
  metadata["TIME_START"] = text(*first);
  metadata["TIME_END"] = text(*last);
}

/// The names of a summary's column: one, none, or one for every number of a list.
std::vector<std::string> names_of(const Port& column, const Node& node) {
  if (column.each.empty()) return {column.name};
  std::vector<std::string> names;
  for (const ParamValue& v : node.values) {
    if (v.name != column.each) continue;
    if (node.op->param(v.name)->type != ParamType::text) return v.number != 0 ? std::vector{column.name} : names;
    const auto between = [](char c) { return c == ' ' || c == ',' || c == ';'; };
    for (auto at = v.text.begin(); at != v.text.end();) {
      at = std::find_if_not(at, v.text.end(), between);
      const auto end = std::find_if(at, v.text.end(), between);
      if (at != end) names.push_back(column.name + std::string{at, end});
      at = end;
    }
  }
  return names;
}

/// What a summary's column holds: whole numbers where the operator says so, for the choices that were made.
ColumnType type_of(const Port& column, const Node& node) {
  if (!column.whole) return ColumnType::real;
  const auto equals = column.whole_unless.find('=');
  const bool broken =
      !column.whole_unless.empty() && std::any_of(node.values.begin(), node.values.end(), [&](const ParamValue& v) {
        return column.whole_unless.compare(0, equals, v.name) == 0 &&
               node.op->param(v.name)->choices.at(static_cast<std::size_t>(v.number)) ==
                   column.whole_unless.substr(equals + 1);
      });
  return broken ? ColumnType::real : ColumnType::integer;
}

/// Adds columns under names of their own: two of one name cannot be told apart in a file.
void add_columns(std::vector<Column>& to, const std::vector<Column>& more) {
  for (Column column : more) {
    const std::string name = column.name;
    for (int k = 2;
         std::any_of(to.begin(), to.end(), [&](const Column& c) { return TableView::same_word(c.name, column.name); });
         ++k)
      column.name = name + "_" + std::to_string(k);
    to.push_back(std::move(column));
  }
}

/// The columns of a table alone.
FeatureTable without_shapes(const FeatureTable& table) {
  FeatureTable plain;
  plain.grid = table.grid, plain.columns = table.columns, plain.words = table.words;
  plain.geometry = Geometry::none;
  for (const Feature& row : table.rows) plain.rows.push_back({{}, row.values});
  return plain;
}

}  // namespace

std::vector<ProductBand> product_bands(const Graph& graph, const Product& product) {
  std::vector<ProductBand> bands;
  for (std::size_t i = 0; i < product.bands.size(); ++i) {
    const Edge& e = product.bands[i];
    const Band& b = graph.node_of(e).outputs[static_cast<std::size_t>(e.output)];
    const double none =
        b.type == DType::u8 ? static_cast<double>(missing<std::uint8_t>) : std::numeric_limits<double>::quiet_NaN();
    bands.push_back({b.name, b.type, none, b.unit});
    if (i < product.times.size() && !is_missing(product.times[i])) bands.back().time = product.times[i];
  }
  return bands;
}

Products::Products(const Graph& graph, const Plan& plan, const Io& io, const RunOptions& options)
    : graph_{graph},
      io_{io},
      cancel_{options.cancel},
      made_{graph, io, std::max<std::int64_t>(plan.feature_bytes, std::int64_t{16} << 20) / 2},
      rasters_(graph.products.size()),
      features_(graph.products.size()) {
  // Tables first: what is wrong with a file of a few rows must not show after the passes.
  made_.read();
  // Objects are gathered in one pass, and share what its plan leaves for features.
  std::map<int, Share> room;
  const auto share = [&](const Graph& pass, const Plan& its) {
    const auto labels = labelling_nodes(pass);
    for (const int n : labels)
      room[pass.nodes[static_cast<std::size_t>(n)].origin] =
          Share{its.feature_bytes / 2 / static_cast<std::int64_t>(labels.size()), its.feature_bytes};
  };
  if (plan.passes.empty()) share(graph, plan);
  for (const Pass& pass : plan.passes) share(pass.graph, pass.plan);
  for (const auto& [n, its_share] : room) {
    const Node& node = graph.nodes[static_cast<std::size_t>(n)];
    labellers_.try_emplace(
        n, graph.grid_of(node.grid), touches_by_corner(node),
        [&node](const fulmar_object& o) {
          return node.op->guard([&] { return node.op->table().keep(node.params.data(), &o); }) != 0;
        },
        its_share);
  }
  Metadata metadata = graph.sources.empty() ? Metadata{} : graph.sources.front()->metadata();
  for (const auto& [key, value] : options.provenance) metadata[key] = value;
  metadata["FULMAR_PIPELINE"] = graph.text;
  say_when(graph, metadata);
  metadata_ = metadata;
  for (std::size_t p = 0; p < graph.products.size(); ++p) {
    const Product& product = graph.products[p];
    // What an operator makes of tables is known when it is made.
    if (product.table >= 0 && product.kind != ProductKind::picture) continue;
    const int node = node_of(product);
    const Grid& grid = graph.grid_of(graph.nodes[static_cast<std::size_t>(node)].grid);
    if (product.kind != ProductKind::raster) {
      const bool summary = product.features >= 0 && graph.nodes[static_cast<std::size_t>(node)].reduces();
      // What is known of the rows that it describes may have to be made first.
      if (summary && graph.nodes[static_cast<std::size_t>(node)].about >= 0) continue;
      features_[p] = summary ? io.create_table(product.path, product.options, summary_table(node), metadata)
                             : io.create_features(product.path, product.options, grid, Labeller::columns(), metadata);
      continue;
    }
    FileOptions of_raster = product.options;
    of_raster.threads = std::min(of_raster.threads, plan.encoders);
    rasters_[p] = io.create_raster(product.path, of_raster, grid, product_bands(graph, product), metadata);
  }
}

static bool has_value(const PlaneRef& plane, const Window& window) {
  const auto any = [&](const auto* row) {
    return std::any_of(row, row + window.width, [](auto cell) { return !is_missing(cell); });
  };
  for (std::int64_t y = window.y; y < window.bottom(); ++y)
    if (plane.type == DType::f32 ? any(plane.at<float>(window.x, y)) : any(plane.at<std::uint8_t>(window.x, y)))
      return true;
  return false;
}

void Products::write(const Product& product, std::size_t band, const Window& window, const PlaneRef& plane) {
  if (product.temporary >= 0) {
    TemporaryRaster& raster = *graph_.temporaries[static_cast<std::size_t>(product.temporary)].raster;
    if (plane.type == DType::f32) {
      raster.write(static_cast<int>(band), window, plane.at<float>(window.x, window.y), plane.stride);
      return;
    }
    row_.resize(static_cast<std::size_t>(window.width));
    for (std::int64_t y = window.y; y < window.bottom(); ++y) {
      to_floats(plane.at<std::uint8_t>(window.x, y), plane.stride, window.width, 1, row_.data(), window.width);
      raster.write(static_cast<int>(band), {window.x, y, window.width, 1}, row_.data(), window.width);
    }
    return;
  }
  const auto place = static_cast<std::size_t>(product.origin);
  if (rasters_[place]) {
    // The first cell that has a value ends the search, so that it costs where there is none.
    known_.resize(graph_.products.size());
    if (!known_[place]) known_[place] = has_value(plane, window);
    const void* cells = plane.type == DType::f32 ? static_cast<const void*>(plane.at<float>(window.x, window.y))
                                                 : static_cast<const void*>(plane.at<std::uint8_t>(window.x, window.y));
    rasters_[place]->write(static_cast<int>(band), window, cells, plane.stride);
  } else if (features_[place]->wants_raster() && plane.type == DType::f32) {
    features_[place]->write_raster(window, plane.at<float>(window.x, window.y), plane.stride);
  }
}

FeatureTable Products::summary_table(int n) const {
  const Node& node = graph_.nodes[static_cast<std::size_t>(n)];
  FeatureTable table;
  table.grid = graph_.grid_of(node.grid);
  table.geometry = Geometry::none;
  // What has any unit has that of the raster it was found in.
  Unit unit;
  if (!node.inputs.empty() && node.inputs.front().connected()) {
    const Edge& e = node.inputs.front();
    unit = graph_.node_of(e).outputs[static_cast<std::size_t>(e.output)].unit;
  }
  for (const Port& column : node.op->summary_columns())
    for (const std::string& name : names_of(column, node))
      table.columns.push_back(
          {name, type_of(column, node), column.unit.symbol == units::any ? unit : column.unit, column.description});
  const auto found = reduced_.find(n);
  if (found == reduced_.end()) return table;
  const std::size_t width = table.columns.size();
  const std::vector<double>& numbers = found->second.numbers;
  for (std::size_t i = 0; i + width <= numbers.size(); i += width) {
    const auto first = numbers.begin() + static_cast<std::ptrdiff_t>(i);
    table.rows.push_back({{}, {first, first + static_cast<std::ptrdiff_t>(width)}});
  }
  // Zones of a raster are called by its values.
  for (const Edge& e : node.inputs) {
    if (!e.connected() || graph_.node_of(e).source < 0) continue;
    const auto labels = graph_.sources[static_cast<std::size_t>(graph_.node_of(e).source)]->labels();
    for (std::size_t i = 0; i < std::min(labels.size(), table.rows.size()); ++i) table.rows[i].values[0] = labels[i];
  }
  return table;
}

int Products::node_of(const Product& product) const {
  return product.features >= 0 ? product.features : product.bands.front().node;
}

const FeatureTable& Products::table(int which) {
  return made_.make(
      which, [this](int node) -> const FeatureTable& { return table_of(node); },
      [this](const Stacked& stacked, std::int64_t most) {
        const int about = graph_.nodes[static_cast<std::size_t>(stacked.nodes.front())].about;
        return stacked_table(stacked, about < 0 ? nullptr : &table(about), most);
      });
}

FeatureTable Products::stacked_table(const Stacked& stacked, const FeatureTable* about, std::int64_t most_bytes) const {
  std::vector<FeatureTable> numbers;
  std::size_t rows = 0;
  for (const int n : stacked.nodes) {
    numbers.push_back(summary_table(n));
    rows = std::max(rows, numbers.back().rows.size());
  }
  const Node& node = graph_.nodes[static_cast<std::size_t>(stacked.nodes.front())];
  FeatureTable made;
  made.geometry = Geometry::none;
  made.grid = numbers.front().grid;
  if (about != nullptr) {
    made.grid = about->grid, made.geometry = about->geometry, made.crs = about->crs;
    made.columns = about->columns, made.words = about->words;
    rows = about->rows.size();
    const auto dates = static_cast<std::int64_t>(numbers.size());
    if (const std::int64_t bytes = bytes_of(*about) * dates; bytes > most_bytes)
      fail(Errc::runtime,
           fmt::format("{}: the shapes of {} rows, each {} times, take {} MiB, and the memory budget leaves {} MiB for "
                       "tables: raise --memory, choose fewer dates or bands, or give the zones as a raster",
                       node.op->name(), rows, dates, bytes >> 20, most_bytes >> 20));
  }
  std::vector<Column> columns;
  if (!stacked.times.empty()) columns.push_back({"time", ColumnType::time, {}, "When the cells were measured."});
  if (!stacked.bands.empty()) columns.push_back({"band", ColumnType::text, {}, "The band."});
  const std::size_t labels = columns.size();
  columns.insert(columns.end(), numbers.front().columns.begin(), numbers.front().columns.end());
  for (const FeatureTable& other : numbers)
    for (std::size_t c = 0; c < other.columns.size(); ++c)
      if (columns[labels + c].unit.symbol != other.columns[c].unit.symbol) columns[labels + c].unit = {};
  add_columns(made.columns, columns);
  WordList words{made.words};
  const auto add = [&](std::size_t row, std::size_t k) {
    if (about == nullptr && row >= numbers[k].rows.size()) return;
    Feature each = about != nullptr ? about->rows[row] : Feature{};
    if (!stacked.times.empty()) each.values.push_back(stacked.times[k]);
    if (!stacked.bands.empty()) each.values.push_back(words(stacked.bands[k]));
    if (row < numbers[k].rows.size())
      each.values.insert(each.values.end(), numbers[k].rows[row].values.begin(), numbers[k].rows[row].values.end());
    each.values.resize(made.columns.size(), missing<double>);
    made.rows.push_back(std::move(each));
  };
  if (stacked.by_row)
    for (std::size_t row = 0; row < rows; ++row)
      for (std::size_t k = 0; k < numbers.size(); ++k) add(row, k);
  else
    for (std::size_t k = 0; k < numbers.size(); ++k)
      for (std::size_t row = 0; row < rows; ++row) add(row, k);
  return made;
}

const FeatureTable& Products::table_of(int n) {
  if (const auto known = found_.find(n); known != found_.end()) return known->second;
  const Node& node = graph_.nodes[static_cast<std::size_t>(n)];
  if (!node.reduces()) return found_[n] = labellers_.at(n).finish();
  FeatureTable numbers = summary_table(n);
  if (node.about < 0) return found_[n] = std::move(numbers);
  FeatureTable described = table(node.about);
  const std::size_t own = described.columns.size();
  add_columns(described.columns, numbers.columns);
  for (std::size_t i = 0; i < described.rows.size(); ++i) {
    auto& values = described.rows[i].values;
    if (i < numbers.rows.size())
      values.insert(values.end(), numbers.rows[i].values.begin(), numbers.rows[i].values.end());
    values.resize(own + numbers.columns.size(), missing<double>);
  }
  return found_[n] = std::move(described);
}

void Products::finish(RunReport& report) {
  report.notes = graph_.notes;
  for (auto& [node, labeller] : labellers_) static_cast<void>(table_of(node));
  for (const auto& [node, found] : reduced_) {
    const std::string& name = graph_.nodes[static_cast<std::size_t>(node)].op->name();
    const auto is_there = [n = node](const Stacked& s) { return std::find(s.nodes.begin(), s.nodes.end(), n); };
    const auto stack = std::find_if(graph_.tables.begin(), graph_.tables.end(),
                                    [&](const TableNode& t) { return is_there(t.stacked) != t.stacked.nodes.end(); });
    // Rows that describe those of another table are called as they are there.
    const bool named = graph_.nodes[static_cast<std::size_t>(node)].about >= 0;
    if (stack == graph_.tables.end())
      report.summaries.push_back({name, named ? without_shapes(table_of(node)) : summary_table(node)});
    else if (node == stack->stacked.nodes.front())
      report.summaries.push_back({name, named ? without_shapes(table(static_cast<int>(stack - graph_.tables.begin())))
                                              : stacked_table(stack->stacked, nullptr, 0)});
    std::string which = name;
    if (stack != graph_.tables.end()) {
      const auto k = static_cast<std::size_t>(is_there(stack->stacked) - stack->stacked.nodes.begin());
      if (!stack->stacked.times.empty() && !is_missing(stack->stacked.times[k]))
        which += " of " + iso_time(stack->stacked.times[k]);
      if (!stack->stacked.bands.empty()) which += " of " + stack->stacked.bands[k];
    }
    if (!found.remark.empty()) report.notes.push_back(which + ": " + found.remark);
  }
  for (std::size_t t = 0; t < graph_.tables.size(); ++t) static_cast<void>(table(static_cast<int>(t)));
  for (const Node& node : graph_.nodes)
    if (!node.remark.empty()) report.notes.push_back(node.op->name() + ": " + node.remark);
  report.notes.insert(report.notes.end(), made_.notes().begin(), made_.notes().end());
  for (std::size_t p = 0; p < graph_.products.size(); ++p) {
    const Product& product = graph_.products[p];
    ProductReport made{product.path, product.kind, 0};
    if (product.table >= 0 || product.features >= 0) {
      const FeatureTable& table = product.table >= 0 ? this->table(product.table) : table_of(product.features);
      if (!features_[p]) features_[p] = io_.create_table(product.path, product.options, table, metadata_);
      made.features = static_cast<std::int64_t>(table.rows.size());
      made.objects = product.features >= 0 && graph_.nodes[static_cast<std::size_t>(product.features)].labels();
      features_[p]->write(table);
      const auto notes = features_[p]->notes();
      report.notes.insert(report.notes.end(), notes.begin(), notes.end());
    }
    // Where an operator has said why, that is enough.
    const bool told =
        std::any_of(reduced_.begin(), reduced_.end(), [](const auto& r) { return !r.second.remark.empty(); });
    if (p < known_.size() && rasters_[p] && !known_[p] && !told)
      report.notes.push_back(product.path + ": no cell has a value");
    report.products.push_back(std::move(made));
  }
  // Whatever can fail comes before the first product appears, so that they appear together or not at all.
  for (std::size_t p = 0; p < graph_.products.size(); ++p) {
    stop_if_asked(cancel_);
    rasters_[p] ? rasters_[p]->finish() : features_[p]->finish();
  }
  stop_if_asked(cancel_);
  for (std::size_t p = 0; p < graph_.products.size(); ++p) rasters_[p] ? rasters_[p]->commit() : features_[p]->commit();
  hand_over();
  for (auto& [node, labeller] : labellers_) report.tables.push_back(std::move(found_.at(node)));
}

void Products::hand_over() {
  std::map<const FeatureTable*, std::size_t> last;
  const auto keeps = [&](std::size_t p) { return features_[p] && features_[p]->keeps(); };
  const auto table_of_product = [&](const Product& product) {
    return product.table >= 0 ? &table(product.table) : &table_of(product.features);
  };
  for (std::size_t p = 0; p < graph_.products.size(); ++p)
    if (keeps(p)) last[table_of_product(graph_.products[p])] = p;
  for (std::size_t p = 0; p < graph_.products.size(); ++p) {
    if (!keeps(p)) continue;
    const Product& product = graph_.products[p];
    const FeatureTable* const table = table_of_product(product);
    // A table that flows on as it was found is the node's.
    FeatureTable* own = product.table >= 0 ? made_.own(product.table) : nullptr;
    for (auto& [node, found] : found_)
      if (&found == table) own = &found;
    features_[p]->keep(own != nullptr && last.at(table) == p ? std::move(*own) : FeatureTable{*table});
  }
}

}  // namespace fulmar
