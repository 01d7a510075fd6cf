// SPDX-License-Identifier: Apache-2.0
/// @file
/// From a pipeline to a graph: one class, in rooms. bind.cpp goes from step to step, bind_arguments.cpp reads the words
/// of a step, bind_files.cpp opens what is read and notes what is written, bind_grids.cpp sees that rasters lie on one
/// grid or brings them there, bind_nodes.cpp makes the nodes. Only they include this.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "plan/file_options.hpp"
#include "plan/graph.hpp"
#include "plan/time_range.hpp"
#include "plan/warp.hpp"

namespace fulmar {

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

/// What stands behind an operator's name, read by its schema.
struct Arguments {
  std::vector<ParamValue> values;                              ///< every parameter that has a value, given or default
  std::vector<std::pair<const Port*, const Argument*>> ports;  ///< inputs given as pipelines
  FileOptions files;                                           ///< for companions
  Span with_span;
};

/// The input that shapes are drawn for, if there is one.
const Port* shapes_of(const Operator& op);

/// What an operator is told of the raster it works on.
fulmar_ground ground_of(const Grid* grid);

/// Errors: as make_graph says. Every message marks the words of the pipeline that it is about.
class Binder {
 public:
  Binder(std::string_view text, const Registry& registry, const Io& io, int threads)
      : text_{text}, registry_{registry}, io_{io}, threads_{threads} {}

  Graph bind(const Pipeline& pipeline);

 private:
  // bind.cpp
  [[noreturn]] void wrong(Span span, const std::string& message, Errc code = Errc::usage) const;
  [[nodiscard]] std::string mark(Span span, const std::string& message) const;
  Flow chain(const Pipeline& pipeline, Flow flow);
  void apply(const Step& step, Flow& flow);
  /// A tabular operator: its tables are made when all passes are done.
  void tabulate(const Step& step, const Operator& op, Flow& flow);
  /// The table that flows, or an error that says how to get one.
  int table_of(const Step& step, const Operator& op, const Flow& flow, Span span);
  /// What an input given by a file's name, or by a pipeline, yields.
  Flow flow_of(const Argument& a);
  /// What flows into an input that is given by name: a pipeline of its own, one that goes on with what flows, or a
  /// value that was made before.
  Flow side_flow(const Argument& a, const Operator& op, const Flow& flow);
  /// What is given by name to the input that flows: an operator on all bands takes it as further bands, others refuse
  /// it.
  void add_to_flow(const Operator& op, const Arguments& arguments, Flow& flow);
  /// The scene that shapes are laid over: the one that is given, or the one in which they were found.
  Flow scene_beneath(const Step& step, const Operator& op, const Arguments& arguments, const Flow& flow);
  /// The table that a pipeline in place of a file of shapes yields.
  int drawn_table(const Operator& op, const Port& port, const Argument& a);
  [[noreturn]] void one_band(const Step& step, const Operator& op, const Flow& flow) const;
  /// Of several bands of a date, results that are called alike have the band's name before their own.
  void name_by_band(const Flow& flow, const std::vector<Edge>& results);
  /// What the bands of a date are called: their own names where these tell them apart, otherwise numbers.
  [[nodiscard]] std::vector<std::string> names_of_bands(const Flow& flow, std::size_t of_date) const;
  /// The table of what is found of each band of a flow.
  int stack(const std::vector<Edge>& results, const Flow& flow, bool by_row);
  void note(const std::string& words);

  // bind_arguments.cpp
  const Operator& find_operator(const Step& step) const;
  /// `from_shapes`: the shapes flow, and the scene is given.
  Arguments read_arguments(const Step& step, const Operator& op, bool from_shapes = false) const;
  [[noreturn]] void unknown_parameter(const Argument& a, const std::string& name, const Operator& op) const;
  FileOptions file_options(const Step& step, std::vector<int>* bands) const;
  void choose_type(const Argument& a, FileOptions& o) const;
  /// The value of missing cells in a product whose type is given.
  void choose_nodata(const Argument& a, FileOptions& o) const;
  /// An option that files of this kind do not have: told whose it is, or which there are.
  [[noreturn]] void refuse_option(const Argument& a, bool write) const;
  void choose_bands(const Argument& a, std::vector<int>& bands) const;
  /// The dates that a file is read for; nothing where it is read for all.
  std::optional<TimeRange> time_range(const Step& step) const;
  /// The argument that an operator's complaint names, so that the caret stands under it.
  [[nodiscard]] Span span_of_complaint(const Step& step, std::string_view message) const;

  // bind_files.cpp
  Flow read(const Step& step);
  /// A file of features; read when the run begins.
  int read_table(const std::string& name, const FileOptions& options);
  /// Adds the bands of another flow: as further dates where each date has as many, otherwise as bands of one date.
  void put_beside(Flow& flow, const Flow& other, Span span) const;
  /// Keeps for `explain` which dates --time-range chose, or fails where it chose none.
  void note_dates(const Step& step, const Flow& flow, const std::set<double>& dates);
  /// Opens a file; one that is read twice in the same way is opened, and decoded, once.
  std::shared_ptr<const RasterSource> source_of(const Step& step, const std::string& name, const FileOptions& options);
  /// The source's place in the graph.
  int place_of(const std::shared_ptr<const RasterSource>& source);
  Edge add_source_node(int source, int band, Span span);
  /// Notes numbers that are read, and that f32 does not hold to the last digit.
  void note_digits(const RasterSource& source, int band);
  /// A companion that is drawn from a table when that is there.
  Edge drawing(const Step& step, const Operator& op, const Port& port, const Arguments& arguments, const Flow& flow,
               int table);
  Edge companion(const Step& step, const Operator& op, const Port& port, const Arguments& arguments, const Flow& flow,
                 int& table);
  void write(const Step& step, const Flow& flow);
  /// The bands of a product that are chosen by the names of outputs.
  std::vector<Edge> named_values(const Argument& a, const Flow& flow) const;

  // bind_grids.cpp
  /// The place of a grid among those of the graph; a new one is added.
  int grid_index(const Grid& grid);
  /// The source that a band was made from, by way of first inputs.
  [[nodiscard]] const Node& origin_of(const Edge& e) const;
  [[nodiscard]] const std::string& name_of(const Edge& e) const;
  /// All inputs of a node lie on one grid, or an error says how to get there.
  int same_grid(const std::vector<Edge>& inputs) const;
  [[noreturn]] void differing_grids(const Edge& one, const Edge& other) const;
  /// Brings the bands of the flow onto another grid: the flow goes on with sources that compute them.
  void warp(const Step& step, const Operator& op, const Arguments& arguments, Flow& flow);
  /// The rasters of a mosaic in the order in which they count: those of the flow, then those given beside it.
  std::vector<std::vector<Edge>> parts_of_mosaic(const Operator& op, const Arguments& arguments, const Flow& flow);
  void check_resampling(const Step& step, const Operator& op, Resampling method, const Band& b) const;
  /// A band of all parts on the target grid. Bands that lie there already stay as they are.
  Edge warped_band(const Step& step, const std::string& name, const std::vector<std::vector<Edge>>& parts,
                   std::size_t b, const Grid& target, Resampling method);
  /// Bands of rasters that are stored, each with its number there: bands that are computed are kept for the next pass.
  std::vector<Edge> stored_bands(const std::vector<Edge>& bands, Span span);
  /// A raster that lives between two passes, and the nodes that read its bands.
  std::vector<Edge> temporary(const std::string& name, int grid, const std::vector<Band>& bands,
                              std::vector<Edge> written, Span span);

  // bind_nodes.cpp
  void check_unit(const Step& step, const Operator& op, const Port& port, const Edge& edge, const std::string& from);
  /// Notes values that an input takes, and that look like something else.
  void note_values(const Operator& op, const Port& port, const RasterSource& source, int band);
  /// Notes numbers that are too large for decibels.
  void note_decibels(const Operator& op, const Port& port, const Edge& edge);
  /// Notes dates of a stack that a formula does not look at.
  void note_dates_left(const Operator& op, const Node& node, const Flow& flow);
  int add_node(const Step& step, const Operator& op, const Arguments& arguments, const std::vector<Edge>& inputs,
               const Flow& flow);
  /// Notes lengths in metres that are less than a cell.
  void note_lengths(const Operator& op, const Node& node);
  /// The operator's parameters; lengths become cells of the grid, where there is one.
  std::vector<std::byte> parse_params(const Step& step, const Operator& op, const std::vector<ParamValue>& given,
                                      const Grid* grid) const;
  /// An operator has refused its parameters, or the dates.
  [[noreturn]] void refused(const Step& step, const Operator& op, const fulmar_error& error) const;
  /// Distances along a row are counted in 16 bits.
  void check_reach(const Step& step, const Node& node, const fulmar_view& view, const Grid& grid) const;
  Node make_node(const Step& step, const Operator& op, const Arguments& arguments, const std::vector<Edge>& inputs,
                 const Flow& flow) const;
  /// The operator's own table, from its parameters and, where it asks for them, the dates.
  void make_table(const Step& step, Node& node, std::size_t bands) const;
  /// A whole operator: its inputs are kept for it, and what it makes is read by the pass that follows.
  std::vector<Edge> whole(const Step& step, const Operator& op, const Arguments& arguments, std::vector<Edge> inputs,
                          const Flow& flow);

  [[nodiscard]] const Node& node_of(const Edge& e) const { return graph_.nodes[static_cast<std::size_t>(e.node)]; }
  [[nodiscard]] const Band& band(const Edge& e) const {
    return graph_.nodes[static_cast<std::size_t>(e.node)].outputs[static_cast<std::size_t>(e.output)];
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

}  // namespace fulmar
