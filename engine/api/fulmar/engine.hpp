// SPDX-License-Identifier: Apache-2.0
/// @file
/// Fulmar within another program.
///
/// An Engine holds operators and ceilings; a Job is one pipeline with what is bound to its names; a Result is what a
/// run leaves in memory. Nothing here is global but the caches of the libraries below: engines of different ceilings
/// live side by side. Nothing prints, exits, or touches signals, locales or CUDA's default stream. Every failure is one
/// fulmar::Error whose what() tells cause, step and place, and whose code() tells what kind of trouble it is.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "core/backend.hpp"
#include "core/error.hpp"
#include "core/export.hpp"
#include "core/features.hpp"
#include "core/source.hpp"
#include "fulmar/flow.hpp"
#include "fulmar/raster.hpp"
#include "fulmar_abi.h"

namespace fulmar {

class Job;

struct EngineSettings {
  /// Bytes that a run may use, program and libraries counted, and rasters that one pass leaves for the next where there
  /// are no files for them. The caller's own rasters, and those of results, are not.
  std::int64_t memory = std::int64_t{512} << 20;
  int threads = 0;  ///< 0: as many as the machine has, or as the memory suffices for
  Backend backend = Backend::automatic;
  /// The door to files: files() of <fulmar/files.hpp>, or the program's own. Null: all is in memory.
  std::shared_ptr<const Io> files = {};
  std::vector<std::string> plugins = {};         ///< libraries whose operators are wanted too
  std::vector<std::string> plugin_folders = {};  ///< absolute; their plugins are loaded when they are first needed
  /// Sentences for the user, such as how many rows were dropped and why. Called by one thread at a time: that which
  /// runs a job.
  std::function<void(const std::string&)> log = {};
  /// What errors and the log call what a user sets or looks up: what the command line calls it ("--memory"), and what
  /// this program does. Where a word is not here it is that of this header.
  std::map<std::string, std::string> words = {};
};

/// What help and bindings need to know of an operator.
struct OperatorInfo {
  std::string name, kind, summary;
  std::string plugin;  ///< "builtin", or who brought it
  std::string schema;  ///< JSON: inputs, outputs, parameters with types, units, ranges and defaults
};

/// Operators and ceilings. const functions may be called from several threads at once; others while nobody else is
/// here.
class FULMAR_API Engine {
 public:
  /// Errors: Errc::usage for ceilings that are no number above 0 (of threads: not below 0); Errc::input where a plugin
  /// is not there; Errc::usage where it cannot be loaded, was built for another contract, or has an operator whose name
  /// is taken. The same troubles with one in a folder go to the log.
  explicit Engine(EngineSettings settings = {});
  ~Engine();
  Engine(Engine&&) noexcept;
  Engine& operator=(Engine&&) noexcept;

  /// Adds an operator (see <fulmar/lambda.hpp>). The table must outlive the engine and its jobs.
  /// Errors: Errc::usage for another contract, a broken schema, or a name that is taken.
  void add(const fulmar_operator& op);
  /// Sorted by name.
  [[nodiscard]] std::vector<OperatorInfo> operators() const;

  /// A pipeline, from text or as JSON (where it begins with '{'). Errors: Errc::usage with the place shown.
  [[nodiscard]] Job job(const std::string& pipeline) const;
  [[nodiscard]] Job job(const Flow& flow) const;
  /// A recipe of those that come with Fulmar, with its inputs by name. Errors: Errc::usage where there is none of the
  /// name, or an input is missing or unknown.
  [[nodiscard]] Job recipe(const std::string& name, const std::map<std::string, std::string>& inputs) const;
  [[nodiscard]] static std::vector<std::string> recipes();

  struct State;

 private:
  std::shared_ptr<State> state_;
};

/// A product as it will be.
struct ProductInfo {
  std::string name;
  ProductKind kind = ProductKind::raster;
  Grid grid;                       ///< of a raster
  std::vector<ProductBand> bands;  ///< of a raster
};

/// How a run is watched and stopped.
struct RunControl {
  /// Called with the share of work done, 0 to 1, never backwards, by one thread at a time: after each tile.
  std::function<void(double)> progress = {};
  /// A stop that is asked for ends the run with Errc::cancelled; files that are not whole do not appear. It is looked
  /// at between tiles and while products are finished, not within an operator on a table or on the whole raster.
  std::stop_token stop = {};
};

/// Numbers that a reducing operator found.
struct Summary {
  std::string op;
  FeatureTable table;
};

/// What a run leaves.
class FULMAR_API Result {
 public:
  /// A product that was kept in memory. Errors: Errc::usage where there is none of the name.
  [[nodiscard]] const Raster& raster(const std::string& name) const;
  [[nodiscard]] const FeatureTable& table(const std::string& name) const;

  std::map<std::string, Raster> rasters;
  std::map<std::string, FeatureTable> tables;
  std::vector<Summary> summaries;  ///< in the order of the steps
  std::vector<std::string> files;  ///< products that were written
  std::vector<std::string> notes;  ///< what the log was told
  Backend backend = Backend::cpu;
  std::int64_t peak_bytes = 0;         ///< of the engine's buffers, and of rasters between passes
  std::int64_t device_peak_bytes = 0;  ///< of memory on a card
};

/// A pipeline, and what its names stand for. For one thread at a time; may be run several times.
class FULMAR_API Job {
 public:
  ~Job();
  Job(Job&&) noexcept;
  Job& operator=(Job&&) noexcept;

  /// The names that steps read and write: files, or what is bound to memory.
  [[nodiscard]] std::vector<std::string> reads() const;
  [[nodiscard]] std::vector<std::string> writes() const;

  /// Lets a name that is read stand for a raster or a table of the program's. The raster's cells are read where they
  /// lie. Errors: Errc::usage for a raster without cells, bands or place that make sense, or a name that no step has.
  Job& input(const std::string& name, RasterView raster) &;
  Job& input(const std::string& name, FeatureTable table) &;
  Job& input(const std::string& name, std::shared_ptr<const FeatureTable> table) &;
  /// Lets a name that is read stand for a file. Errors: Errc::usage for a name that no step has.
  Job& input(const std::string& name, const std::filesystem::path& file) &;
  /// Keeps a product of that name in memory, whatever flows into it. Without files all products are kept.
  Job& output(const std::string& name) &;
  /// Writes a raster product into the caller's memory, a target a band, of the type that products() tells; run()
  /// refuses others, and memory that an input lies in. What is there after a run that failed is undefined.
  Job& output(const std::string& name, std::vector<BandTarget> bands) &;
  /// Lets files that exist be replaced.
  Job& overwrite(bool allowed = true) &;

  /// The same of a job that has no name yet: engine.job(text).input(...).output(...).
  Job&& input(const std::string& name, RasterView raster) && { return std::move(input(name, std::move(raster))); }
  Job&& input(const std::string& name, FeatureTable table) && { return std::move(input(name, std::move(table))); }
  Job&& input(const std::string& name, std::shared_ptr<const FeatureTable> table) && {
    return std::move(input(name, std::move(table)));
  }
  Job&& input(const std::string& name, const std::filesystem::path& file) && { return std::move(input(name, file)); }
  Job&& output(const std::string& name) && { return std::move(output(name)); }
  Job&& output(const std::string& name, std::vector<BandTarget> bands) && {
    return std::move(output(name, std::move(bands)));
  }
  Job&& overwrite(bool allowed = true) && { return std::move(overwrite(allowed)); }

  /// What the job will make. Of a recipe of several pipelines: of those whose sources are there. Errors: as run(), but
  /// nothing is computed.
  [[nodiscard]] std::vector<ProductInfo> products() const;
  /// The plan in words, or as JSON: passes, tiles, bytes, memory, backend.
  [[nodiscard]] std::string explain() const;
  [[nodiscard]] std::string explain_json() const;

  /// Errors: Errc::usage, input, output, device, cancelled, runtime.
  Result run(const RunControl& control = {});

 private:
  friend class Engine;
  struct State;
  explicit Job(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace fulmar
