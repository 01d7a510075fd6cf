// SPDX-License-Identifier: Apache-2.0
// The public face of Fulmar for Python: fulmar._fulmar. What users see is made of it in fulmar/*.py.
#include <pybind11/functional.h>
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <chrono>
#include <cmath>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <fulmar/card.hpp>
#include <fulmar/files.hpp>
#include <fulmar/fulmar.hpp>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace py = pybind11;
using namespace fulmar;

namespace {

DType dtype_named(const std::string& name) {
  for (int i = static_cast<int>(DType::u8); i <= static_cast<int>(DType::f64); ++i)
    if (name == name_of(static_cast<DType>(i))) return static_cast<DType>(i);
  throw py::type_error("cells of type " + name + " are not known; there are u8 to u64, i8 to i64, f32 and f64");
}

Backend backend_named(const std::string& name) {
  if (name == "auto") return Backend::automatic;
  if (name == "cpu") return Backend::cpu;
  if (name == "cuda") return Backend::cuda;
  if (name == "reference") return Backend::reference;
  fail(Errc::usage, "backend is auto, cpu, cuda or reference, not '" + name + "'");
}

const char* backend_name(Backend backend) {
  return backend == Backend::cuda ? "cuda" : backend == Backend::reference ? "reference" : "cpu";
}

/// What Python says of a raster: addresses and strides in cells, as fulmar/_raster.py finds them.
RasterView view_of(const py::dict& raster) {
  RasterView view;
  view.grid.width = raster["width"].cast<std::int64_t>();
  view.grid.height = raster["height"].cast<std::int64_t>();
  if (!raster["transform"].is_none()) view.grid.affine = raster["transform"].cast<std::array<double, 6>>();
  view.grid.crs = raster["crs"].cast<std::string>();
  view.bands_of_date = raster["bands_of_date"].cast<std::int64_t>();
  for (const auto& item : raster["bands"].cast<py::list>()) {
    const auto band = item.cast<py::dict>();
    BandView b;
    b.cells = reinterpret_cast<const void*>(band["address"].cast<std::uintptr_t>());
    b.type = dtype_named(band["type"].cast<std::string>());
    b.row = band["row"].cast<std::int64_t>(), b.column = band["column"].cast<std::int64_t>();
    b.mask = reinterpret_cast<const std::uint8_t*>(band["mask"].cast<std::uintptr_t>());
    b.nodata = band["nodata"].cast<std::optional<double>>();
    b.nodata_i64 = band["bits"].cast<std::optional<std::int64_t>>();
    b.scale = band["scale"].cast<double>(), b.offset = band["offset"].cast<double>();
    b.name = band["name"].cast<std::string>(), b.unit = band["unit"].cast<std::string>();
    b.time = band["time"].cast<std::optional<double>>();
    view.bands.push_back(std::move(b));
  }
  return view;
}

using Parts = std::vector<std::vector<std::vector<std::pair<double, double>>>>;

Shape shape_of(const Parts& parts, bool closed) {
  Shape shape;
  for (const auto& part : parts) {
    auto& paths = shape.emplace_back();
    for (const auto& points : part) {
      Path& path = paths.emplace_back();
      for (const auto& [x, y] : points) path.push_back({x, y});
      if (closed && path.size() > 1 && path.front() == path.back()) path.pop_back();
    }
  }
  return shape;
}

/// A table from columns, which are lists of numbers or of texts, and from places or shapes of its rows.
FeatureTable table_of(const py::dict& columns, const py::dict& units,
                      const std::vector<std::pair<double, double>>& places, const std::string& kind,
                      const std::vector<Parts>& shapes, const std::string& crs) {
  FeatureTable table;
  table.geometry = kind == "point"     ? Geometry::point
                   : kind == "line"    ? Geometry::line
                   : kind == "polygon" ? Geometry::polygon
                                       : Geometry::none;
  table.crs = crs;
  table.rows.resize(shapes.size());
  WordList words{table.words};
  for (const auto& [key, values] : columns) {
    Column column;
    column.name = py::str(key);
    if (units.contains(key)) column.unit = parse_unit(py::str(units[key]).cast<std::string>());
    const auto list = values.cast<py::tuple>();  // type, values
    const auto type = list[0].cast<std::string>();
    column.type = type == "text"      ? ColumnType::text
                  : type == "integer" ? ColumnType::integer
                  : type == "flag"    ? ColumnType::flag
                  : type == "time"    ? ColumnType::time
                  : type == "date"    ? ColumnType::time
                                      : ColumnType::real;
    if (type == "date") column.form = Form::date;
    const auto cells = list[1].cast<py::list>();
    if (table.columns.empty() && shapes.empty()) table.rows.resize(cells.size());
    if (cells.size() != table.rows.size())
      fail(Errc::usage, "column '" + column.name + "' has " + std::to_string(cells.size()) + " values, and the " +
                            (shapes.empty() ? "first has " : "geometries are ") + std::to_string(table.rows.size()));
    for (std::size_t i = 0; i < cells.size(); ++i)
      table.rows[i].values.push_back(cells[i].is_none() ? std::numeric_limits<double>::quiet_NaN()
                                     : type == "text"   ? words(cells[i].cast<std::string>())
                                                        : cells[i].cast<double>());
    table.columns.push_back(std::move(column));
  }
  for (std::size_t i = 0; i < places.size() && i < table.rows.size(); ++i)
    table.rows[i].place = {places[i].first, places[i].second};
  for (std::size_t i = 0; i < shapes.size(); ++i)
    table.rows[i].shape = shape_of(shapes[i], table.geometry == Geometry::polygon);
  return table;
}

py::object transform_of(const Grid& grid) { return grid.affine ? py::cast(*grid.affine) : py::none(); }

/// Rings of (x, y), the shell first, in the table's coordinates; the ends of rings are joined.
py::list geometry_of(const FeatureTable& table, const Feature& row) {
  py::list parts;
  if (table.geometry == Geometry::cells) {
    const auto& a = table.grid.affine;
    for (const Polygon& polygon : row.polygons) {
      py::list rings;
      for (const Ring& ring : polygon) {
        py::list points;
        const auto add = [&](const Corner& c) {
          const double x = c.column, y = c.row;
          points.append(a ? py::make_tuple((*a)[0] + x * (*a)[1] + y * (*a)[2], (*a)[3] + x * (*a)[4] + y * (*a)[5])
                          : py::make_tuple(x, y));
        };
        for (const Corner& c : ring) add(c);
        if (!ring.empty()) add(ring.front());
        rings.append(std::move(points));
      }
      parts.append(std::move(rings));
    }
    return parts;
  }
  for (const auto& part : row.shape) {
    py::list rings;
    for (const Path& path : part) {
      py::list points;
      for (const Coordinate& c : path) points.append(py::make_tuple(c.x, c.y));
      if (table.geometry == Geometry::polygon && !path.empty())
        points.append(py::make_tuple(path.front().x, path.front().y));
      rings.append(std::move(points));
    }
    parts.append(std::move(rings));
  }
  return parts;
}

py::dict dict_of(const FeatureTable& table) {
  static constexpr const char* types[] = {"integer", "real", "flag", "text", "time"};
  static constexpr const char* geometries[] = {"cells", "none", "point", "line", "polygon"};
  py::list columns;
  for (std::size_t c = 0; c < table.columns.size(); ++c) {
    const Column& column = table.columns[c];
    py::dict one;
    one["name"] = column.name, one["unit"] = column.unit.symbol, one["description"] = column.description;
    one["type"] = column.form == Form::date ? "date" : types[static_cast<int>(column.type)];
    if (column.type == ColumnType::text) {
      py::list texts;
      for (const Feature& row : table.rows)
        if (std::isnan(row.values[c]))
          texts.append(py::none());
        else
          texts.append(table.word(row.values[c]));
      one["values"] = texts;
    } else {
      py::array_t<double> values(static_cast<py::ssize_t>(table.rows.size()));
      for (std::size_t i = 0; i < table.rows.size(); ++i) values.mutable_data()[i] = table.rows[i].values[c];
      one["values"] = values;
    }
    columns.append(one);
  }
  py::dict all;
  all["columns"] = columns, all["rows"] = table.rows.size();
  all["geometry"] = geometries[static_cast<int>(table.geometry)];
  all["crs"] = table.geometry == Geometry::cells ? table.grid.crs : table.crs;
  py::list places;
  for (const Feature& row : table.rows) places.append(py::make_tuple(row.place.lon, row.place.lat));
  all["places"] = places;
  return all;
}

/// A run's tables stay where they are; Python asks for what it needs of them.
struct KeptTable {
  std::shared_ptr<const FeatureTable> table;
};

/// What DLPack hands over (its ABI before version 1, which all speak that are not asked for more).
struct DLTensor {
  void* data;
  std::int32_t device_type, device_id, dimensions;
  std::uint8_t code, bits;
  std::uint16_t lanes;
  std::int64_t *shape, *strides;
  std::uint64_t offset;
};
struct DLManagedTensor {
  DLTensor tensor;
  void* manager;
  void (*deleter)(DLManagedTensor*);
};

/// Shape, strides in bytes, numpy's word for the type, address, and what keeps it there. The maker orders its work
/// before that of `reader`.
py::tuple open_dlpack(const CardReader& reader, const py::object& array) {
  const py::object capsule =
      array.attr("__dlpack__")(py::arg("stream") = reinterpret_cast<std::uintptr_t>(reader.stream()));
  auto* const managed = static_cast<DLManagedTensor*>(PyCapsule_GetPointer(capsule.ptr(), "dltensor"));
  if (managed == nullptr) throw py::error_already_set{};
  // From here on the tensor is ours to give back.
  PyCapsule_SetName(capsule.ptr(), "used_dltensor");
  const py::capsule keep{managed, [](void* held) {
                           auto* const tensor = static_cast<DLManagedTensor*>(held);
                           if (tensor->deleter != nullptr) tensor->deleter(tensor);
                         }};
  const DLTensor& t = managed->tensor;
  const char* const kinds = "iuf???b";
  const char kind = t.code < 7 ? kinds[t.code] : '?';
  if (kind == '?' || t.lanes != 1 || t.bits % 8 != 0)
    throw py::type_error("cells of DLPack's type " + std::to_string(t.code) + " of " + std::to_string(t.bits) +
                         " bits are not read: integers, floating numbers and flags are");
  const std::int64_t size = t.bits / 8;
  py::list shape, strides;
  std::int64_t step = size;
  std::vector<std::int64_t> contiguous(static_cast<std::size_t>(t.dimensions));
  for (std::int32_t d = t.dimensions; d-- > 0;) contiguous[static_cast<std::size_t>(d)] = step, step *= t.shape[d];
  for (std::int32_t d = 0; d < t.dimensions; ++d) {
    shape.append(t.shape[d]);
    strides.append(t.strides == nullptr ? contiguous[static_cast<std::size_t>(d)] : t.strides[d] * size);
  }
  return py::make_tuple(shape, strides, std::string{kind} + std::to_string(size),
                        reinterpret_cast<std::uintptr_t>(t.data) + t.offset, keep);
}

/// Does some work in a thread of its own, while this one, which alone hears of Ctrl-C, looks for it. What the work
/// throws comes out here; a signal stops it first.
template <class Work>
void run_watching_signals(Work&& work) {
  std::stop_source stop;
  std::mutex mutex;
  std::condition_variable_any changed;
  bool done = false;
  std::exception_ptr trouble;
  std::optional<py::error_already_set> interrupted;
  {
    const py::gil_scoped_release free;
    std::thread worker{[&] {
      try {
        work(stop.get_token());
      } catch (...) {
        trouble = std::current_exception();
      }
      const std::lock_guard lock{mutex};
      done = true;
      changed.notify_all();
    }};
    std::unique_lock lock{mutex};
    while (!changed.wait_for(lock, std::chrono::milliseconds{50}, [&] { return done; })) {
      lock.unlock();
      {
        const py::gil_scoped_acquire hold;
        if (!interrupted && PyErr_CheckSignals() != 0) {
          interrupted.emplace();
          stop.request_stop();
        }
      }
      lock.lock();
    }
    lock.unlock();
    worker.join();
  }
  if (interrupted) throw py::error_already_set{*interrupted};
  if (trouble) std::rethrow_exception(trouble);
}

}  // namespace

PYBIND11_MODULE(_fulmar, m) {
  m.attr("__version__") = FULMAR_VERSION;
  static const py::object error = py::reinterpret_borrow<py::object>(
      PyErr_NewExceptionWithDoc("fulmar.Error",
                                "Any failure. `code` is the exit code of the command line: 1 run-time, "
                                "2 usage, 3 input, 4 output, 5 device, 130 cancelled.",
                                nullptr, nullptr));
  m.attr("Error") = error;
  py::register_exception_translator([](std::exception_ptr p) {
    try {
      if (p) std::rethrow_exception(p);
    } catch (const Error& e) {
      py::object one = error(e.what());
      one.attr("code") = static_cast<int>(e.code());
      one.attr("message") = e.message();
      PyErr_SetObject(error.ptr(), one.ptr());
    }
  });

  py::class_<CardReader>(m, "CardReader")
      .def(py::init<int>())
      .def_static("device_of",
                  [](std::uintptr_t address) { return CardReader::device_of(reinterpret_cast<const void*>(address)); })
      .def("wait_for", [](CardReader& r, std::uintptr_t stream) { r.wait_for(reinterpret_cast<void*>(stream)); })
      .def("open_dlpack", &open_dlpack)
      .def("read", [](CardReader& r, std::uintptr_t first, std::int64_t bytes, std::int64_t rows, std::int64_t pitch,
                      std::int64_t planes, std::int64_t plane_pitch, std::uintptr_t to) {
        const py::gil_scoped_release free;
        r.read({reinterpret_cast<const void*>(first), bytes, rows, pitch, planes, plane_pitch},
               reinterpret_cast<void*>(to));
      });

  py::class_<KeptTable>(m, "KeptTable")
      .def("to_dict", [](const KeptTable& t) { return dict_of(*t.table); })
      .def("geometry", [](const KeptTable& t, std::size_t row) {
        if (row >= t.table->rows.size()) throw py::index_error();
        return geometry_of(*t.table, t.table->rows[row]);
      });

  m.def("make_table", [](const py::dict& columns, const py::dict& units,
                         const std::vector<std::pair<double, double>>& places, const std::string& kind,
                         const std::vector<Parts>& shapes, const std::string& crs) {
    return KeptTable{
        std::make_shared<const FeatureTable>(files()->placed(table_of(columns, units, places, kind, shapes, crs)))};
  });

  py::class_<Job>(m, "Job")
      .def("input", [](Job& job, const std::string& name, const py::dict& raster) { job.input(name, view_of(raster)); })
      .def("input_table", [](Job& job, const std::string& name, const KeptTable& t) { job.input(name, t.table); })
      .def("input_file", [](Job& job, const std::string& name,
                            const std::string& file) { job.input(name, std::filesystem::path{file}); })
      .def("output", [](Job& job, const std::string& name) { job.output(name); })
      .def("output_into",
           [](Job& job, const std::string& name, const std::vector<std::pair<std::uintptr_t, std::string>>& bands) {
             std::vector<BandTarget> targets;
             for (const auto& [address, type] : bands)
               targets.push_back({reinterpret_cast<void*>(address), dtype_named(type)});
             job.output(name, std::move(targets));
           })
      .def("reads", &Job::reads)
      .def("writes", &Job::writes)
      .def("overwrite", [](Job& job, bool allowed) { job.overwrite(allowed); })
      .def(
          "explain", [](const Job& job) { return job.explain(); }, py::call_guard<py::gil_scoped_release>())
      .def(
          "explain_json", [](const Job& job) { return job.explain_json(); }, py::call_guard<py::gil_scoped_release>())
      .def("products",
           [](const Job& job) {
             std::vector<ProductInfo> products;
             {
               const py::gil_scoped_release free;
               products = job.products();
             }
             py::list all;
             for (const ProductInfo& p : products) {
               py::dict one;
               one["name"] = p.name;
               one["kind"] = p.kind == ProductKind::raster    ? "raster"
                             : p.kind == ProductKind::picture ? "picture"
                                                              : "table";
               one["width"] = p.grid.width, one["height"] = p.grid.height;
               one["transform"] = transform_of(p.grid), one["crs"] = p.grid.crs;
               py::list bands;
               for (const ProductBand& b : p.bands) {
                 py::dict band;
                 band["name"] = b.name, band["type"] = name_of(b.dtype), band["unit"] = b.unit.symbol;
                 band["nodata"] = b.nodata, band["time"] = b.time;
                 bands.append(band);
               }
               one["bands"] = bands;
               all.append(one);
             }
             return all;
           })
      .def(
          "run",
          [](Job& job, const py::object& progress) {
            auto result = std::make_shared<Result>();
            run_watching_signals([&](const std::stop_token& stop) {
              RunControl control;
              control.stop = stop;
              if (!progress.is_none())
                control.progress = [&](double share) {
                  const py::gil_scoped_acquire hold;
                  progress(share);
                };
              *result = job.run(control);
            });
            py::dict all;
            py::dict tables;
            py::list summaries;
            for (const auto& [name, table] : result->tables) tables[py::str(name)] = KeptTable{{result, &table}};
            for (const Summary& s : result->summaries)
              summaries.append(py::make_tuple(s.op, KeptTable{{result, &s.table}}));
            all["tables"] = tables, all["summaries"] = summaries;
            all["files"] = result->files, all["notes"] = result->notes;
            all["backend"] = backend_name(result->backend), all["peak_bytes"] = result->peak_bytes;
            return all;
          },
          py::arg("progress") = py::none());

  py::class_<Engine>(m, "Engine")
      .def(py::init([](std::int64_t memory, int threads, const std::string& backend, std::vector<std::string> plugins,
                       std::vector<std::string> folders, std::function<void(const std::string&)> log,
                       std::map<std::string, std::string> words) {
             EngineSettings settings;
             settings.memory = memory, settings.threads = threads, settings.backend = backend_named(backend);
             settings.files = files();
             settings.plugins = std::move(plugins), settings.plugin_folders = std::move(folders);
             settings.words = std::move(words);
             settings.log = [log = std::move(log)](const std::string& sentence) {
               const py::gil_scoped_acquire hold;
               log(sentence);
             };
             return Engine{std::move(settings)};
           }),
           py::arg("memory"), py::arg("threads"), py::arg("backend"), py::arg("plugins"), py::arg("folders"),
           py::arg("log"), py::arg("words"))
      .def("job", [](const Engine& e, const std::string& pipeline) { return e.job(pipeline); })
      .def("recipe", [](const Engine& e, const std::string& name,
                        const std::map<std::string, std::string>& inputs) { return e.recipe(name, inputs); })
      .def("operators",
           [](const Engine& e) {
             py::list all;
             for (const OperatorInfo& op : e.operators())
               all.append(py::make_tuple(op.name, op.kind, op.summary, op.plugin, op.schema));
             return all;
           })
      .def_static("recipes", &Engine::recipes);
}
