// SPDX-License-Identifier: Apache-2.0
/// @file
/// What a pass needs of a card: pure functions, with no card at hand.
#pragma once

#include <algorithm>

#include "core/device.hpp"
#include "plan/plan.hpp"

namespace fulmar {

/// What bands that are brought together may take at once: a tile is worked off in slabs of rows of no more.
inline constexpr std::int64_t slab_bytes = std::int64_t{64} << 20;

/// Bytes of one block's state at most; operators with larger ones reduce on the host.
inline constexpr std::int64_t most_state = std::int64_t{1} << 24;
/// Half width of a box at most whose sums a step may look at on a card: beyond it, shared memory has no room for the
/// sums of columns.
inline constexpr std::int32_t most_summed = 256;
/// Bytes set aside for the numbers that an earlier round or pass found, which are known when it is done.
std::int64_t summary_room(const Node& node, const Grid& grid);
/// True where the states of a tile's blocks are merged on the card, as far as the tree has no others between them.
bool merges_on_card(const Node& node);
/// Where in the memory of a reducing node things lie, for a window: states, then what is uploaded (one fresh state,
/// pairs to merge, places of what is left), then, where states are merged, what comes down.
struct StateRoom {
  std::int64_t states = 0, fresh = 0, lists = 0, packed = 0;
  [[nodiscard]] std::int64_t bytes() const { return states + fresh + lists + packed; }
  /// On the host: what goes up, later what comes down.
  [[nodiscard]] std::int64_t staged() const { return std::max(fresh + lists, lists > 0 ? packed : states); }
};
StateRoom state_room(const Graph& graph, const Node& node, const Window& own);

/// What a card holds for a warped source while it makes one tile of it, a band at a time.
struct WarpRoom {
  std::int64_t squares = 0;    ///< of the largest window, with the cells around it
  std::int64_t dense = 0;      ///< of these, those that may have a place for every cell
  std::int64_t cells = 0;      ///< of the source at once; a tile that needs more of them is made in pieces
  std::int64_t cell_size = 0;  ///< of the widest stored type
  std::int64_t bands = 0;      ///< that are made of it
  bool surfaces = false, masks = false;

  [[nodiscard]] std::int64_t square_bytes() const;
  [[nodiscard]] std::int64_t need_bytes() const;
  /// Bytes of the card's memory.
  [[nodiscard]] std::int64_t bytes() const;
  /// Bytes on the host for cells on their way up: a few bands at a time, so that one is decoded while another is
  /// copied.
  [[nodiscard]] std::int64_t staged_bytes() const;
};
/// For the tiles of a pass, of some size. Nothing where no stage on the card reads the source.
WarpRoom warp_room(const Graph& graph, const Plan& plan, int source, std::int64_t width, std::int64_t height);
/// Why the host makes the cells of a warped source even for a stage on the card; empty where the card does.
std::string why_warped_on_host(const RasterSource& source);
/// True for a warped source whose cells a card can make.
bool warps_on_card(const RasterSource& source);
/// Bytes of the file that go up for one cell of a warped source that a card makes: as many cells as lie under it, in
/// the widest of the stored types, with their masks. A cell of a mosaic has them of one raster.
double bytes_under_cell(const RasterSource& source);

/// Why an operator works on the host; empty where it can work on a card.
std::string why_on_host(const Graph& graph, const Node& node);
/// Why a stage works on the host; empty where it is placed on a card and can work there.
std::string why_on_host(const Graph& graph, const Stage& stage);

/// Where a node works.
enum class Side : char { host, card };
/// The side of every node of a pass: what can work on a card does, but for cellwise operators next to one that cannot;
/// of those as many go to the host as make the fewest bytes cross. Sources are on the host, but for
/// warped ones whose cells a card can make.
std::vector<Side> place_nodes(const Graph& graph);
/// True if what the node makes is used by a product, or by a stage on the host.
bool needed_on_host(const Graph& graph, const Plan& plan, Edge edge);
/// Rows beyond the raster that any node is computed for.
std::int64_t rows_beyond(const Plan& plan);
/// Rows of a window that an operator is handed in one call.
std::int64_t slab_rows(const Node& node, const Window& own);
/// A call of a node for some rows of a window: the shape alone, without cells. `planes` and `outputs` keep its planes.
fulmar_call shape_of_call(const Node& node, const Window& rows, std::vector<fulmar_plane>& planes,
                          std::vector<fulmar_plane>& outputs);
/// Bytes that a node's kernels need beside its planes, for a window.
std::int64_t device_scratch(const Graph& graph, const Node& node, const Window& own);
/// Bytes that a node's kernels must move for a window at least: every cell of every plane that its function looks at
/// once, in the plane's type, however many of its arguments look; every cell that it makes once; its tables and dates
/// once; and of a reduction the states of the blocks there and back, and sums of windows that its step looks at, which
/// are kept. Halos are not counted.
std::int64_t least_bytes(const Graph& graph, int node, const Window& own);
/// Values that come down of every set cell of a labelling node: its intensity, its background.
int found_values(const Node& node);
/// Bytes of tables and ground sizes that a lane holds throughout a pass.
std::int64_t constant_bytes(const Graph& graph, const Plan& plan);
/// Bytes of a lane for tiles of some size, constants included.
std::int64_t lane_bytes(const Graph& graph, const Plan& plan, std::int64_t width, std::int64_t height);
/// Bytes of host memory that a tile needs beside what the processor alone would: companions and warped bands on their
/// way up, what was found of objects on its way down.
std::int64_t staging_bytes(const Graph& graph, const Plan& plan, std::int64_t width, std::int64_t height);

}  // namespace fulmar
