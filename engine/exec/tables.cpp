// SPDX-License-Identifier: Apache-2.0
#include "exec/tables.hpp"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <deque>
#include <limits>

#include "core/error.hpp"
#include "core/missing.hpp"

namespace fulmar {
namespace {

static_assert(static_cast<int>(ColumnType::time) == FULMAR_COLUMN_TIME &&
              static_cast<int>(ColumnType::text) == FULMAR_COLUMN_TEXT &&
              static_cast<int>(Geometry::polygon) == FULMAR_GEOMETRY_POLYGON &&
              static_cast<int>(Geometry::point) == FULMAR_GEOMETRY_POINT);

std::int64_t bytes_of_shapes(const FeatureTable& table) {
  std::size_t bytes = 0;
  for (const Feature& row : table.rows)
    for (const auto& part : row.shape)
      for (const auto& path : part) bytes += 64 + path.size() * sizeof(Coordinate);
  return static_cast<std::int64_t>(bytes);
}

[[noreturn]] void too_large(const std::string& who, std::int64_t budget) {
  fail(Errc::runtime, who + " needs more than the " + std::to_string(budget >> 20) +
                          " MiB that the memory budget leaves for tables: raise --memory, or give it less");
}

/// A table column by column, as the contract hands it over.
class Columns {
 public:
  explicit Columns(const FeatureTable* table) {
    view_.size = sizeof(fulmar_table);
    view_.crs = "";
    view_.geometry = FULMAR_GEOMETRY_NONE;
    if (table == nullptr) return;
    view_.connected = 1;
    view_.geometry = static_cast<std::uint32_t>(table->geometry);
    view_.rows = table->rows.size();
    view_.crs = table->crs.c_str();
    for (std::size_t c = 0; c < table->columns.size(); ++c) add_column(*table, c);
    view_.columns = static_cast<std::uint32_t>(columns_.size());
    view_.column = columns_.data();
    places_.reserve(2 * table->rows.size());
    for (const Feature& row : table->rows) places_.insert(places_.end(), {row.place.lon, row.place.lat});
    view_.places = places_.data();
    if (table->geometry == Geometry::line || table->geometry == Geometry::polygon) add_shapes(*table);
  }
  [[nodiscard]] const fulmar_table& view() const { return view_; }
  /// What handing this table over takes beside it.
  static std::int64_t bytes(const FeatureTable* table) {
    if (table == nullptr) return 0;
    return static_cast<std::int64_t>(table->rows.size() * (table->columns.size() + 3) * sizeof(double)) +
           bytes_of_shapes(*table);
  }

 private:
  void add_column(const FeatureTable& table, std::size_t c) {
    const Column& column = table.columns[c];
    fulmar_column made{sizeof(fulmar_column),
                       static_cast<std::uint32_t>(column.type),
                       column.name.c_str(),
                       column.unit.symbol.c_str(),
                       column.description.c_str(),
                       nullptr,
                       nullptr};
    if (column.type == ColumnType::text) {
      auto& texts = texts_.emplace_back();
      texts.reserve(table.rows.size());
      for (const Feature& row : table.rows)
        texts.push_back(is_missing(row.values[c]) ? nullptr : table.word(row.values[c]).c_str());
      made.texts = texts.data();
    } else {
      auto& values = values_.emplace_back();
      values.reserve(table.rows.size());
      for (const Feature& row : table.rows) values.push_back(row.values[c]);
      made.values = values.data();
    }
    columns_.push_back(made);
  }
  void add_shapes(const FeatureTable& table) {
    for (const Feature& row : table.rows) {
      parts_.push_back(paths_.size());
      for (const auto& part : row.shape) {
        paths_.push_back(ends_.size());
        for (const auto& path : part) {
          ends_.push_back(points_.size() / 2);
          for (const Coordinate& p : path) points_.insert(points_.end(), {p.x, p.y});
        }
      }
    }
    parts_.push_back(paths_.size());
    paths_.push_back(ends_.size());
    ends_.push_back(points_.size() / 2);
    view_.parts = parts_.data();
    view_.paths = paths_.data();
    view_.ends = ends_.data();
    view_.points = points_.data();
  }

  fulmar_table view_{};
  std::vector<fulmar_column> columns_;
  std::deque<std::vector<double>> values_;
  std::deque<std::vector<const char*>> texts_;
  std::vector<double> places_, points_;
  std::vector<std::uint64_t> parts_, paths_, ends_;
};

/// Takes what an operator writes. The contract's functions return 1 where something is wrong; `trouble` tells what.
struct Collector {
  const std::vector<const FeatureTable*>& inputs;
  std::vector<std::string>& notes;
  std::int64_t most_bytes;
  FeatureTable table{};
  std::string trouble{};
  bool begun = false, outgrown = false;
  const FeatureTable* carried = nullptr;
  std::int64_t bytes = 0;
  WordList* words = nullptr;

  int broken(const char* why) {
    trouble = std::string{"its plugin is broken: "} + why;
    return 1;
  }
  int grow(std::size_t by) {
    bytes += static_cast<std::int64_t>(by);
    if (bytes + words->bytes() <= most_bytes) return 0;
    outgrown = true;
    trouble = "too large";
    return 1;
  }
  int carry(std::uint32_t input) {
    if (carried != nullptr || !table.columns.empty() || input >= inputs.size() || inputs[input] == nullptr)
      return broken("it carries a table too late, or one that is not there");
    carried = inputs[input];
    table.columns = carried->columns;
    table.grid = carried->grid;
    table.geometry = carried->geometry;
    table.crs = carried->crs;
    for (const std::string& word : carried->words) (*words)(word);
    return grow(0);
  }
  int set_geometry(std::uint32_t geometry, const char* crs) {
    if (begun || geometry == FULMAR_GEOMETRY_CELLS || geometry > FULMAR_GEOMETRY_POLYGON)
      return broken("its geometry is none");
    table.geometry = static_cast<Geometry>(geometry);
    table.crs = crs == nullptr ? "EPSG:4326" : crs;
    own_geometry = true;
    return 0;
  }
  int column(const fulmar_column& c) {
    if (begun || c.name == nullptr || c.type > FULMAR_COLUMN_TIME) return broken("it adds a column that is none");
    std::string name = c.name;
    // Two columns of one name cannot be told apart in a file.
    const auto taken = [&] {
      return std::any_of(table.columns.begin(), table.columns.end(), [&](const Column& other) {
        return other.name.size() == name.size() &&
               std::equal(name.begin(), name.end(), other.name.begin(),
                          [](unsigned char a, unsigned char b) { return std::tolower(a) == std::tolower(b); });
      });
    };
    for (int k = 2; taken(); ++k) name = std::string{c.name} + "_" + std::to_string(k);
    Column made{name, static_cast<ColumnType>(c.type), Unit{c.unit == nullptr ? "" : c.unit},
                c.description == nullptr ? "" : c.description};
    made.form = form_of(c.name, made);
    // Days, as the contract says them.
    if (made.type == ColumnType::time && made.unit.symbol == "d") made.form = Form::date, made.unit = {};
    table.columns.push_back(std::move(made));
    return 0;
  }
  /// The contract says nothing of forms: a column that is handed on just as an input has it keeps that one's. What is
  /// added to a table that is carried comes from another one, though the carried one may have a column of that name.
  [[nodiscard]] Form form_of(const std::string& name, const Column& made) const {
    for (const bool of_carried : {false, true})
      for (const FeatureTable* input : inputs)
        if (input != nullptr && (input == carried) == of_carried)
          for (const Column& c : input->columns)
            if (c.name == name && c.type == made.type && c.unit == made.unit && c.description == made.description)
              return c.form;
    return Form::plain;
  }
  int row(std::uint64_t from) {
    begun = true;
    Feature made;
    made.values.reserve(table.columns.size());
    if (from != UINT64_MAX) {
      if (carried == nullptr || from >= carried->rows.size()) return broken("it carries a row that is not there");
      const Feature& other = carried->rows[from];
      made.values.assign(other.values.begin(), other.values.end());
      made.place = other.place;
      if (!own_geometry) made.polygons = other.polygons, made.shape = other.shape;
    }
    made.values.resize(table.columns.size(), missing<double>);
    std::size_t size = sizeof(Feature) + 16 + made.values.size() * sizeof(double);
    for (const auto& polygon : made.polygons)
      for (const auto& ring : polygon) size += 64 + ring.size() * sizeof(Corner);
    for (const auto& part : made.shape)
      for (const auto& path : part) size += 64 + path.size() * sizeof(Coordinate);
    table.rows.push_back(std::move(made));
    return grow(size);
  }
  double* value(std::uint32_t column) {
    if (table.rows.empty() || column >= table.columns.size()) return nullptr;
    return &table.rows.back().values[column];
  }
  int number(std::uint32_t column, double x) {
    double* at = value(column);
    if (at == nullptr || table.columns[column].type == ColumnType::text)
      return broken("it sets a value that has no place");
    *at = std::isfinite(x) ? x : missing<double>;
    return 0;
  }
  int text(std::uint32_t column, const char* from, std::uint64_t length) {
    double* at = value(column);
    if (at == nullptr || table.columns[column].type != ColumnType::text)
      return broken("it sets a text that has no place");
    *at = from == nullptr || length == 0 ? missing<double> : (*words)({from, length});
    return grow(0);
  }
  int place(double lon, double lat) {
    if (table.rows.empty()) return broken("it places no row");
    const bool there = std::abs(lat) <= 90 && std::abs(lon) <= 540;
    table.rows.back().place = there ? LonLat{lon, lat} : LonLat{missing<double>, missing<double>};
    return 0;
  }
  int path(std::uint32_t part, const double* points, std::uint64_t count) {
    if (table.rows.empty() || !own_geometry || (points == nullptr && count > 0)) return broken("it draws no row");
    auto& shape = table.rows.back().shape;
    if (part != 0 || shape.empty()) shape.emplace_back();
    auto& made = shape.back().emplace_back();
    made.reserve(count);
    for (std::uint64_t i = 0; i < count; ++i) made.push_back({points[2 * i], points[2 * i + 1]});
    return grow(64 + count * sizeof(Coordinate));
  }

  bool own_geometry = false;
};

Collector& collector(void* out) { return *static_cast<Collector*>(out); }

/// A failure to allocate must not cross the contract.
template <class Call>
int guarded(void* out, Call&& call) {
  try {
    return call(collector(out));
  } catch (const std::exception& e) {
    collector(out).trouble = e.what();
    return 1;
  }
}

}  // namespace

FeatureTable tabulate(const Operator& op, const std::vector<std::byte>& params,
                      const std::vector<const FeatureTable*>& inputs, std::int64_t most_bytes,
                      std::vector<std::string>& notes) {
  std::int64_t handed = 0;
  for (const FeatureTable* input : inputs) handed += Columns::bytes(input);
  if (handed > most_bytes) too_large(op.name(), most_bytes);
  std::deque<Columns> columns;
  std::vector<fulmar_table> views;
  for (const FeatureTable* input : inputs) views.push_back(columns.emplace_back(input).view());
  Collector out{inputs, notes, most_bytes - handed};
  out.table.geometry = Geometry::none;
  WordList words{out.table.words};
  out.words = &words;
  const fulmar_table_writer writer{
      sizeof(fulmar_table_writer),
      0,
      &out,
      [](void* o, std::uint32_t input) { return guarded(o, [&](Collector& c) { return c.carry(input); }); },
      [](void* o, std::uint32_t geometry, const char* crs) {
        return guarded(o, [&](Collector& c) { return c.set_geometry(geometry, crs); });
      },
      [](void* o, const fulmar_column* column) { return guarded(o, [&](Collector& c) { return c.column(*column); }); },
      [](void* o, std::uint64_t from) { return guarded(o, [&](Collector& c) { return c.row(from); }); },
      [](void* o, std::uint32_t column, double value) {
        return guarded(o, [&](Collector& c) { return c.number(column, value); });
      },
      [](void* o, std::uint32_t column, const char* text, std::uint64_t length) {
        return guarded(o, [&](Collector& c) { return c.text(column, text, length); });
      },
      [](void* o, double lon, double lat) { return guarded(o, [&](Collector& c) { return c.place(lon, lat); }); },
      [](void* o, std::uint32_t part, const double* points, std::uint64_t count) {
        return guarded(o, [&](Collector& c) { return c.path(part, points, count); });
      },
      [](void* o, const char* sentence) {
        return guarded(o, [&](Collector& c) { return c.notes.emplace_back(sentence), 0; });
      }};
  fulmar_error error{};
  const int wrong = op.guard([&] {
    return op.table().tabulate(params.data(), views.data(), static_cast<std::uint32_t>(views.size()), &writer, &error);
  });
  if (out.outgrown) too_large(op.name(), most_bytes);
  if (!out.trouble.empty()) fail(Errc::runtime, op.name() + ": " + out.trouble);
  if (wrong != 0) {
    const Error said = error_of(error);
    throw Error{said.code(), op.name() + ": " + said.message()}.within("operator " + op.name() + " of plugin " +
                                                                       op.plugin());
  }
  return std::move(out.table);
}

std::int64_t bytes_of(const FeatureTable& table) {
  std::size_t bytes = 0;
  for (const Feature& row : table.rows) {
    bytes += sizeof(Feature) + 16 + row.values.capacity() * sizeof(double);
    for (const auto& polygon : row.polygons)
      for (const auto& ring : polygon) bytes += 64 + ring.size() * sizeof(Corner);
  }
  for (const std::string& word : table.words) bytes += sizeof(std::string) + word.capacity();
  return static_cast<std::int64_t>(bytes) + bytes_of_shapes(table);
}

void TableMaker::read() {
  for (std::size_t t = 0; t < graph_.tables.size(); ++t) {
    const TableNode& node = graph_.tables[t];
    if (node.path.empty()) continue;
    if (auto table = io_.features_at_hand(node.path)) {
      found_[t] = table.get();
      at_hand_.push_back(std::move(table));
      continue;
    }
    own_[t] = io_.open_features(node.path, node.options, most_bytes_);
    most_bytes_ -= bytes_of(own_[t]);
    found_[t] = &own_[t];
  }
}

const FeatureTable& TableMaker::make(
    int which, const std::function<const FeatureTable&(int node)>& of_node,
    const std::function<FeatureTable(const Stacked&, std::int64_t most_bytes)>& stacked) {
  const auto t = static_cast<std::size_t>(which);
  if (found_[t] != nullptr) return *found_[t];
  const TableNode& node = graph_.tables[t];
  if (node.node >= 0) {
    found_[t] = &of_node(node.node);
    return *found_[t];
  }
  if (!node.stacked.nodes.empty()) {
    own_[t] = stacked(node.stacked, most_bytes_);
    most_bytes_ -= bytes_of(own_[t]);
    found_[t] = &own_[t];
    return own_[t];
  }
  std::vector<const FeatureTable*> inputs;
  for (const int input : node.inputs) inputs.push_back(input < 0 ? nullptr : &make(input, of_node, stacked));
  std::vector<std::string> said;
  own_[t] = tabulate(*node.op, node.params, inputs, most_bytes_, said);
  most_bytes_ -= bytes_of(own_[t]);
  for (const std::string& sentence : said) notes_.push_back(node.op->name() + ": " + sentence);
  found_[t] = &own_[t];
  return own_[t];
}

}  // namespace fulmar
