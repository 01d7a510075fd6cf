// SPDX-License-Identifier: Apache-2.0
#include "cli/engine_options.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <thread>

#include "core/error.hpp"

namespace fulmar::cli {
namespace {

constexpr std::int64_t most_bytes = std::int64_t{1} << 60;

/// A positive number at the start of the text, which it takes away.
std::int64_t take_number(std::string_view& text) {
  std::int64_t n = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (error != std::errc{} || n <= 0) return 0;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return n;
}

void parse_tile(const std::string& text, Budget& budget) {
  std::string_view rest = text;
  budget.tile_width = take_number(rest);
  const bool by = rest.starts_with('x');
  if (by) rest.remove_prefix(1);
  budget.tile_height = take_number(rest);
  if (!by || budget.tile_width == 0 || budget.tile_height == 0 || !rest.empty())
    fail(Errc::usage, "--tile takes columns x rows, such as 512x256, not '" + text + "'");
}

void check_pairs(const std::vector<std::string>& pairs, const char* option) {
  for (const std::string& pair : pairs)
    if (pair.find('=') == std::string::npos || pair.front() == '=')
      fail(Errc::usage, std::string{option} + " takes KEY=VALUE, not '" + pair + "'");
}

/// Adds arguments of one name behind those the step has, where the canonical form wants them.
void add_arguments(Step& step, const std::string& name, const std::vector<std::string>& values) {
  const auto same = [&](const Argument& a) { return a.name == name; };
  for (const std::string& value : values) {
    const auto last = std::find_if(step.arguments.rbegin(), step.arguments.rend(), same).base();
    Argument a;
    a.name = name;
    a.value = value;
    step.arguments.insert(last == step.arguments.begin() ? step.arguments.end() : last, a);
  }
}

/// What is wrong with an option for the format of a product; nothing where the format cannot be told, of which others
/// say more.
std::string trouble(const Step& step, const std::string& pair, bool of_layer, const TerminalIo& io) {
  const auto format =
      std::find_if(step.arguments.begin(), step.arguments.end(), [](const Argument& a) { return a.name == "of"; });
  try {
    return io.creation_trouble(step.name, format == step.arguments.end() ? "" : format->value, pair, of_layer);
  } catch (const Error&) {
    return {};
  }
}

template <class Visit>
void for_each_product(const Pipeline& pipeline, const Visit& visit) {
  for (const Step& step : pipeline) {
    for_each_product(step.branch, visit);
    for (const Argument& a : step.arguments) for_each_product(a.pipeline, visit);
    if (step.kind == Step::Kind::write) visit(step);
  }
}

void add_to_products(Pipeline& pipeline, const EngineOptions& options, const TerminalIo& io) {
  for (Step& step : pipeline) {
    add_to_products(step.branch, options, io);
    if (step.kind != Step::Kind::write) continue;
    for (const bool of_layer : {false, true})
      for (const std::string& pair : of_layer ? options.layer_options : options.creation_options)
        if (trouble(step, pair, of_layer, io).empty()) add_arguments(step, of_layer ? "lco" : "co", {pair});
    const bool said = std::any_of(step.arguments.begin(), step.arguments.end(),
                                  [](const Argument& a) { return a.name == "overwrite"; });
    if (options.overwrite && !said) add_arguments(step, "overwrite", {"true"});
  }
}

}  // namespace

void EngineOptions::add_to(CLI::App& command) {
  const auto pairs = [&](const char* name, std::vector<std::string>& values, const char* words) {
    command.add_option(name, values, words)->type_name("KEY=VALUE")->allow_extra_args(false);
  };
  command.add_option("--memory", memory, "Most memory that the run may use: 512M, 2G, 1GiB, or bytes")
      ->type_name("SIZE")
      ->capture_default_str();
  command
      .add_option("--threads", threads,
                  "Threads to compute with; as many as the machine has, or the memory suffices for, by default")
      ->type_name("N")
      ->check(CLI::Range(1, 4096));
  command.add_option("--backend", backend, "What computes: auto, cpu, reference or cuda")
      ->type_name("NAME")
      ->check(CLI::IsMember({"auto", "cpu", "reference", "cuda"}))
      ->capture_default_str();
  command.add_flag("--overwrite", overwrite, "Replace products that exist");
  pairs("--config", config, "Configuration option of GDAL");
  pairs("--oo", open_options, "GDAL open option of the scene");
  pairs("--co", creation_options, "GDAL creation option of all products whose formats know it");
  pairs("--lco", layer_options, "GDAL layer creation option of all products whose formats know it");
  plugins.add_to(command);
  command.add_option("--tile", tile)->group("");  // for tests: results do not depend on it
}

Budget EngineOptions::budget() const {
  Budget budget;
  budget.memory = parse_bytes(memory);
  budget.threads = threads;
  if (!tile.empty()) parse_tile(tile, budget);
  budget.backend = backend == "cpu"         ? Backend::cpu
                   : backend == "reference" ? Backend::reference
                   : backend == "cuda"      ? Backend::cuda
                                            : Backend::automatic;
  return budget;
}

void EngineOptions::configure_gdal() const {
  check_pairs(config, "--config");
  // GDAL looks for its configuration in the environment too, so nothing here needs to know GDAL.
  for (const std::string& pair : config) {
    const auto equals = pair.find('=');
    setenv(pair.substr(0, equals).c_str(), pair.substr(equals + 1).c_str(), 1);
  }
}

void EngineOptions::check_for(const std::vector<PipelineText>& pipelines) const {
  check_pairs(open_options, "--oo");
  check_pairs(creation_options, "--co");
  check_pairs(layer_options, "--lco");
  if (creation_options.empty() && layer_options.empty()) return;
  configure_gdal();
  const TerminalIo io;
  for (const bool of_layer : {false, true})
    for (const std::string& pair : of_layer ? layer_options : creation_options) {
      bool known = false;
      std::string best;  // the first that knows a word nearly the same, else the first
      for (const PipelineText& pipeline : pipelines)
        for_each_product(pipeline.pipeline, [&](const Step& step) {
          const std::string said = trouble(step, pair, of_layer, io);
          known = known || said.empty();
          const auto offers = [](const std::string& text) { return text.find("did you mean") != std::string::npos; };
          if (best.empty() || (offers(said) && !offers(best))) best = said;
        });
      if (!known && !best.empty()) fail(Errc::usage, (of_layer ? "--lco " : "--co ") + pair + ": " + best);
    }
}

void EngineOptions::apply_to(Pipeline& pipeline, const TerminalIo& io) const {
  add_arguments(pipeline.front(), "oo", open_options);
  add_to_products(pipeline, *this, io);
}

int EngineOptions::encoder_threads() const {
  return threads > 0 ? threads : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

std::int64_t parse_bytes(const std::string& text) {
  std::string_view rest = text;
  const std::int64_t n = take_number(rest);
  int shift = 0;
  if (constexpr std::string_view suffixes = "KMGT"; !rest.empty()) {
    const char first = rest.front() >= 'a' ? static_cast<char>(rest.front() - 'a' + 'A') : rest.front();
    if (const auto which = suffixes.find(first); which != suffixes.npos) {
      shift = 10 * (static_cast<int>(which) + 1);
      rest.remove_prefix(1);
      if (rest == "B" || rest == "iB") rest = {};
    } else if (rest == "B") {
      rest = {};
    }
  }
  if (n == 0 || !rest.empty() || n > (most_bytes >> shift))
    fail(Errc::usage, "--memory takes a size such as 512M, 2G, 1GiB or a number of bytes, not '" + text + "'");
  // No run takes less than a mebibyte: a number alone was meant in mebibytes.
  if ((n << shift) < (std::int64_t{1} << 20))
    fail(Errc::usage, "--memory " + text + " is " + std::to_string(n << shift) + " bytes, in which nothing can run" +
                          (shift == 0 ? "; did you mean " + std::to_string(n) + "MiB?" : "; 512M is a good size"));
  return n << shift;
}

}  // namespace fulmar::cli
