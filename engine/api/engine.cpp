// SPDX-License-Identifier: Apache-2.0
#include "fulmar/engine.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <new>
#include <set>
#include <thread>
#include <utility>

#include "api/card.hpp"
#include "api/memory_door.hpp"
#include "api/memory_raster.hpp"
#include "api/names.hpp"
#include "api/product_folder.hpp"
#include "api/recipe.hpp"
#include "api/words.hpp"
#include "exec/products.hpp"
#include "exec/run.hpp"
#include "fulmar/version.hpp"
#include "op/plugin_library.hpp"
#include "plan/graph.hpp"
#include "plan/plan.hpp"
#include "plugins/builtin.hpp"

namespace fulmar {

struct Engine::State {
  explicit State(EngineSettings set) : settings{std::move(set)}, words{settings.words} {}

  EngineSettings settings;
  Words words;
  Registry registry = builtin_registry();

  void tell(const std::string& sentence) const {
    const std::lock_guard one_at_a_time{telling};
    if (settings.log) settings.log(words.in(sentence));
  }
  /// Does some work; what fails is told in the program's words. Memory that cannot be had is a failure like any other.
  template <class Work>
  auto telling_errors(Work&& work) const {
    try {
      return work();
    } catch (const std::bad_alloc&) {
      throw words.in(Error{Errc::runtime, "there is not enough memory; a smaller --memory makes smaller tiles"});
    } catch (const Error& e) {
      throw words.in(e);
    }
  }
  mutable std::mutex telling;
  [[nodiscard]] Budget budget() const {
    Budget budget;
    budget.memory = settings.memory, budget.threads = settings.threads, budget.backend = settings.backend;
    return budget;
  }
  [[nodiscard]] int threads() const {
    return settings.threads > 0 ? settings.threads : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  }
};

namespace {

constexpr int most_threads = 4096;

/// What the rasters take that one pass, or an operator on a whole raster, leaves for a later one.
std::int64_t bytes_between_passes(const Graph& graph) {
  std::int64_t bytes = 0;
  for (const Temporary& t : graph.temporaries)
    bytes += t.raster->grid().width * t.raster->grid().height * static_cast<std::int64_t>(t.raster->bands().size()) * 4;
  return bytes;
}

/// GDAL's block cache is one for the process: when the last run has ended, it is what the program had made it.
class CacheGuard {
 public:
  explicit CacheGuard(const std::shared_ptr<const Io>& files) : files_{files} { ++running(); }
  ~CacheGuard() {
    if (--running() == 0 && files_) files_->limit_cache(0);
  }
  CacheGuard(const CacheGuard&) = delete;
  CacheGuard& operator=(const CacheGuard&) = delete;

 private:
  static std::atomic<int>& running() {
    static std::atomic<int> count{0};
    return count;
  }
  std::shared_ptr<const Io> files_;
};
}  // namespace

struct Job::State {
  struct Part {
    Pipeline pipeline;
    std::string text;
  };
  std::shared_ptr<const Engine::State> engine;
  std::vector<Part> parts;
  std::string folder;                     ///< of a recipe's products
  mutable std::int64_t most_between = 0;  ///< bytes of rasters between passes that lay in memory
  Bindings bindings;
  bool overwrite = false;

  void add(std::string text) {
    Pipeline pipeline = parse_text(text);
    parts.push_back({std::move(pipeline), std::move(text)});
  }
  [[nodiscard]] std::set<std::string> names(Step::Kind kind) const {
    std::set<std::string> names;
    for (const Part& part : parts) names_of(part.pipeline, kind, names);
    return names;
  }
  /// Calls use(part, door, graph, plan, card) for each part whose sources are there, and otherwise skip(part, what is
  /// missing).
  template <class Use, class Skip>
  void each(bool only_looking, Use&& use, Skip&& skip) const {
    std::set<std::string> made;
    for (const Part& part : parts) {
      const std::string missing = only_looking ? awaited(part.pipeline, made) : "";
      names_of(part.pipeline, Step::Kind::write, made);
      if (!missing.empty()) {
        skip(part, missing);
        continue;
      }
      Budget budget = engine->budget();
      const std::unique_ptr<Device> card = open_card(budget, [&](const std::string& why) { engine->tell(why); });
      const MemoryDoor door{bindings, engine->settings.files, only_looking || overwrite};
      const Graph graph = make_graph(part.pipeline, part.text, engine->registry, door, engine->threads());
      const std::int64_t between = engine->settings.files ? 0 : bytes_between_passes(graph);
      if (between >= budget.memory && between > 0)
        fail(Errc::usage, "rasters that one pass leaves for the next take " + std::to_string(between >> 20) +
                              " MiB, which must lie in memory as there are no files, and the ceiling is " +
                              std::to_string(budget.memory >> 20) + " MiB: raise it, or give EngineSettings::files");
      budget.memory -= between;
      use(part, door, graph, make_plan(graph, budget), card.get());
      most_between = std::max(most_between, between);
    }
  }
};

namespace {

/// `told`: those of the names that are surely names, and no values of parameters.
void must_be_named(const std::set<std::string>& names, const std::string& name, const char* what,
                   const std::vector<std::string>& told) {
  if (names.contains(name)) return;
  const std::vector<std::string> all{names.begin(), names.end()};
  const std::string near = nearest(name, all);
  std::string known;
  for (const std::string& each : told) known += (known.empty() ? "" : ", ") + each;
  fail(Errc::usage,
       "no step " + std::string{what} + " '" + name + "'; " +
           (!near.empty() ? "did you mean '" + near + "'?" : "the pipeline " + std::string{what} + " " + known));
}

void merge(Result& result, RunReport report, Kept& kept) {
  result.backend = report.backend;
  result.peak_bytes = std::max(result.peak_bytes, report.pool_peak);
  result.device_peak_bytes = std::max(result.device_peak_bytes, report.device_peak);
  for (SummaryReport& s : report.summaries) result.summaries.push_back({std::move(s.op), std::move(s.table)});
  for (std::string& note : report.notes) result.notes.push_back(std::move(note));
  for (const ProductReport& p : report.products)
    if (!kept.products.contains(p.path)) result.files.push_back(p.path);
  for (auto& [name, product] : kept.products) {
    if (!product.whole) continue;
    if (product.is_table)
      result.tables[name] = std::move(product.table);
    else
      result.rasters[name] = std::move(product.raster);
  }
}

}  // namespace

// ---- engine ----

Engine::Engine(EngineSettings settings) : state_{std::make_shared<State>(std::move(settings))} {
  const EngineSettings& set = state_->settings;
  state_->telling_errors([&] {
    if (set.memory <= 0)
      fail(Errc::usage, "--memory is " + std::to_string(set.memory) +
                            " bytes: give what a run may use, such as 512 MiB (536870912)");
    if (set.threads < 0 || set.threads > most_threads)
      fail(Errc::usage, "--threads is " + std::to_string(set.threads) + ": give a number from 1 to " +
                            std::to_string(most_threads) + ", or 0 for as many as the machine has");
    for (const std::string& folder : set.plugin_folders)
      if (!folder.starts_with('/'))
        fail(Errc::usage, "the folder of plugins '" + folder +
                              "' is not absolute: it would change with where the program "
                              "is started");
    for (const std::string& warning : add_plugins(state_->registry, {set.plugins, set.plugin_folders}).warnings)
      state_->tell(warning);
  });
}
Engine::~Engine() = default;
Engine::Engine(Engine&&) noexcept = default;
Engine& Engine::operator=(Engine&&) noexcept = default;

void Engine::add(const fulmar_operator& op) {
  const fulmar_operator* const operators[] = {&op};
  const fulmar_plugin plugin{
      sizeof(fulmar_plugin), FULMAR_ABI_MAJOR, FULMAR_ABI_MINOR, "program", FULMAR_VERSION, "", "", "", 1, operators};
  state_->registry.add(plugin);
}

std::vector<OperatorInfo> Engine::operators() const {
  std::vector<OperatorInfo> all;
  for (const auto& [name, op] : state_->registry.operators())
    all.push_back({name, op.kind(), op.summary(), op.plugin(), op.schema()});
  return all;
}

Job Engine::job(const std::string& pipeline) const {
  auto state = std::make_unique<Job::State>();
  state->engine = state_;
  const auto first = pipeline.find_first_not_of(" \t\r\n");
  const bool json = first != std::string::npos && pipeline[first] == '{';
  state_->telling_errors([&] { state->add(json ? to_text(parse_json(pipeline)) : pipeline); });
  return Job{std::move(state)};
}

Job Engine::job(const Flow& flow) const {
  std::string text;
  std::map<std::string, const Flow::Piece*> held;
  for (const Flow::Piece& piece : flow.pieces_) {
    if (!piece.holds()) {
      text += piece.text;
      continue;
    }
    std::string name = "memory_" + std::to_string(held.size() + 1);
    while (std::any_of(flow.pieces_.begin(), flow.pieces_.end(),
                       [&](const Flow::Piece& other) { return other.text.find(name) != std::string::npos; }))
      name += "_";
    held[name] = &piece;
    // What an operator reads from a file is named; what it takes as an input flows in from a pipeline of its own.
    const Operator* op = state_->registry.find(piece.op);
    const bool flows = op != nullptr && op->param(piece.argument) == nullptr;
    text += flows ? "[ " + name + " ]" : name;
  }
  Job made = job(text);
  for (const auto& [name, piece] : held)
    if (piece->raster)
      made.input(name, *piece->raster);
    else
      made.input(name, piece->table);
  return made;
}

Job Engine::recipe(const std::string& name, const std::map<std::string, std::string>& inputs) const {
  return state_->telling_errors([&] {
    const Recipe recipe = Recipes{}.find(name);
    std::vector<std::string> words;
    for (const auto& [input, value] : inputs) words.push_back(input + "=" + value);
    const auto values = recipe_values(recipe, words);
    auto state = std::make_unique<Job::State>();
    state->engine = state_;
    state->folder = values.at("out");
    for (const Pipeline& pipeline : recipe.pipelines) state->add(to_text(fill_in(pipeline, values)));
    return Job{std::move(state)};
  });
}

std::vector<std::string> Engine::recipes() { return Recipes{}.names(); }

// ---- job ----

Job::Job(std::unique_ptr<State> state) : state_{std::move(state)} {}
Job::~Job() = default;
Job::Job(Job&&) noexcept = default;
Job& Job::operator=(Job&&) noexcept = default;

std::vector<std::string> Job::reads() const {
  std::set<std::string> names;
  for (const State::Part& part : state_->parts) names_of(part.pipeline, Step::Kind::read, names, false);
  return {names.begin(), names.end()};
}

std::vector<std::string> Job::writes() const {
  const auto names = state_->names(Step::Kind::write);
  return {names.begin(), names.end()};
}

Job& Job::input(const std::string& name, RasterView raster) & {
  must_be_named(state_->names(Step::Kind::read), name, "reads", reads());
  static_cast<void>(memory_source(name, raster, ""));
  state_->bindings.forget(name);
  state_->bindings.rasters[name] = std::move(raster);
  return *this;
}

Job& Job::input(const std::string& name, FeatureTable table) & {
  const auto& files = state_->engine->settings.files;
  return input(name, std::make_shared<const FeatureTable>(files ? files->placed(std::move(table)) : std::move(table)));
}

Job& Job::input(const std::string& name, std::shared_ptr<const FeatureTable> table) & {
  must_be_named(state_->names(Step::Kind::read), name, "reads", reads());
  if (!table) fail(Errc::usage, "the table bound to '" + name + "' is none");
  for (const Feature& row : table->rows)
    if (row.values.size() != table->columns.size())
      fail(Errc::usage, "the table bound to '" + name + "' has " + std::to_string(table->columns.size()) +
                            " columns and a row of " + std::to_string(row.values.size()) + " values");
  state_->bindings.forget(name);
  state_->bindings.tables[name] = std::move(table);
  return *this;
}

Job& Job::input(const std::string& name, const std::filesystem::path& file) & {
  must_be_named(state_->names(Step::Kind::read), name, "reads", reads());
  state_->bindings.forget(name);
  state_->bindings.files[name] = file.string();
  return *this;
}

Job& Job::output(const std::string& name) & {
  must_be_named(state_->names(Step::Kind::write), name, "writes", writes());
  state_->bindings.targets.erase(name);
  state_->bindings.outputs.insert(name);
  return *this;
}

Job& Job::output(const std::string& name, std::vector<BandTarget> bands) & {
  must_be_named(state_->names(Step::Kind::write), name, "writes", writes());
  state_->bindings.outputs.erase(name);
  state_->bindings.targets[name] = std::move(bands);
  return *this;
}

Job& Job::overwrite(bool allowed) & {
  state_->overwrite = allowed;
  return *this;
}

std::vector<ProductInfo> Job::products() const {
  return state_->engine->telling_errors([&] {
    std::vector<ProductInfo> all;
    state_->each(
        true,
        [&](const State::Part&, const MemoryDoor&, const Graph& graph, const Plan&, Device*) {
          for (const Product& p : graph.products) {
            ProductInfo info;
            info.name = p.path, info.kind = p.kind;
            if (p.kind == ProductKind::raster) {
              info.grid = graph.grid_of(graph.node_of(p.bands.front()).grid);
              info.bands = product_bands(graph, p);
            }
            all.push_back(std::move(info));
          }
        },
        [](const State::Part&, const std::string&) {});
    return all;
  });
}

std::string Job::explain() const {
  return state_->engine->telling_errors([&] {
    std::string text;
    state_->each(
        true,
        [&](const State::Part&, const MemoryDoor&, const Graph& graph, const Plan& plan, Device*) {
          text += (text.empty() ? "" : "\n") + fulmar::explain(graph, plan);
          if (!text.ends_with('\n')) text += '\n';
        },
        [&](const State::Part& part, const std::string& missing) {
          text += (text.empty() ? "" : "\n") + part.text + "\ncannot be told before " + missing +
                  " is there, which a pipeline above makes\n";
        });
    return text;
  });
}

std::string Job::explain_json() const {
  return state_->engine->telling_errors([&] {
    std::string all;
    state_->each(
        true,
        [&](const State::Part&, const MemoryDoor&, const Graph& graph, const Plan& plan, Device*) {
          all += (all.empty() ? "" : ",\n") + fulmar::explain_json(graph, plan);
        },
        [](const State::Part&, const std::string&) {});
    return state_->parts.size() == 1 ? all : "[" + all + "]";
  });
}

Result Job::run(const RunControl& control) {
  std::atomic<bool> cancel{false};
  const std::stop_callback stopped{control.stop, [&] { cancel = true; }};
  return state_->engine->telling_errors([&] {
    const ProductFolder folder{state_->folder};
    const CacheGuard cache{state_->engine->settings.files};
    Result result;
    state_->most_between = 0;
    double done = 0;
    const double each = 1.0 / static_cast<double>(state_->parts.size());
    state_->each(
        false,
        [&](const State::Part& part, const MemoryDoor& door, const Graph& graph, const Plan& plan, Device* card) {
          RunOptions options;
          if (control.progress) options.progress = [&](double share) { control.progress(done + share * each); };
          options.cancel = &cancel;
          options.device = card;
          options.provenance = provenance(part.pipeline, graph, plan.backend, card, door);
          RunReport report = fulmar::run(graph, plan, door, options);
          for (std::string& note : report.notes) {
            note = state_->engine->words.in(note);
            state_->engine->tell(note);
          }
          merge(result, std::move(report), door.kept());
          done += each;
        },
        [](const State::Part&, const std::string&) {});
    result.peak_bytes += state_->most_between;
    return result;
  });
}

// ---- result ----

const Raster& Result::raster(const std::string& name) const {
  const auto at = rasters.find(name);
  if (at == rasters.end()) fail(Errc::usage, "no raster '" + name + "' was kept in memory");
  return at->second;
}

const FeatureTable& Result::table(const std::string& name) const {
  const auto at = tables.find(name);
  if (at == tables.end()) fail(Errc::usage, "no table '" + name + "' was kept in memory");
  return at->second;
}

}  // namespace fulmar
