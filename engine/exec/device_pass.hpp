// SPDX-License-Identifier: Apache-2.0
/// @file
/// The stages of a pass that run on a card: tile after tile, each with a lane of its own, so that one is copied up
/// while another is computed and a third is copied down. A tile's sources cross the bus once, in the file's own type,
/// and what the host needs of it crosses back once; everything between stays on the card.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "core/device.hpp"
#include "exec/block.hpp"
#include "exec/device_warp.hpp"
#include "exec/reduce.hpp"
#include "exec/strips.hpp"

namespace fulmar {

/// Hands out pieces of a lane's memory, all taken back at once.
class DeviceArena {
 public:
  DeviceArena() = default;
  DeviceArena(DeviceLane& lane, std::byte* memory, std::int64_t bytes);

  template <class T>
  T* take(std::int64_t count) {
    return reinterpret_cast<T*>(piece(count * static_cast<std::int64_t>(sizeof(T))));
  }
  void clear();

 private:
  std::byte* piece(std::int64_t bytes);

  DeviceLane* lane_ = nullptr;
  std::byte* memory_ = nullptr;
  std::int64_t size_ = 0, used_ = 0;
};

class DevicePass {
 public:
  /// Takes all the device memory that the pass needs, and pins the tiles' memory given to pin().
  DevicePass(const Graph& graph, const Plan& plan, Device& device, const std::vector<double>& ground_rows,
             Reductions& reductions);
  ~DevicePass();
  DevicePass(const DevicePass&) = delete;
  DevicePass& operator=(const DevicePass&) = delete;

  void pin(std::byte* memory, std::int64_t bytes);
  /// A new tile enters the lane.
  void begin(std::size_t lane, TileContext& tile);
  /// Puts a stage's work into the lane: what was decoded or left by stages on the host goes up, what the host needs
  /// comes down to tile.results, and of what was found of objects a first part to tile.labelled.
  void run(std::size_t lane, std::size_t stage, TileContext& tile);
  /// Brings the rest of what was found of objects, where there is more. The first part must be down.
  void find_rest(std::size_t lane, TileContext& tile);
  /// Hands on the states of the blocks that are the tile's own, once they are down.
  void reduce(TileContext& tile);
  /// Returns when all of it is done.
  void wait(std::size_t lane);
  /// Bytes of the card's memory.
  [[nodiscard]] std::int64_t held() const { return plan_.lane_bytes * std::ssize(lanes_); }
  /// Of all tiles so far; tables and ground sizes, which go up once, are not counted.
  [[nodiscard]] DeviceTraffic traffic() const;

 private:
  struct Band {
    std::byte* cells = nullptr;
    std::byte* mask = nullptr;
  };
  struct Lane {
    std::unique_ptr<DeviceLane> device;
    DeviceArena arena;
    std::vector<std::vector<PlaneRef>> planes;   ///< by node, then output; of the stage at work
    std::vector<std::vector<Band>> sources;      ///< by Plan::sources, then band
    std::vector<std::vector<PlaneRef>> results;  ///< by stage, then result; cells is null where only the host has it
    std::vector<CardWarp::Tile> warps;           ///< by source; without memory until the tile asks for it
    const double* ground = nullptr;              ///< of row -border_
    std::vector<const double*> tables, times;    ///< by node
    std::vector<const double*> found;            ///< by node that is reduced: what the round before found
    DeviceTraffic constants;                     ///< what crossed before the first tile
  };

  PlaneRef plane(Lane& lane, const Window& window, DType type) const;
  void load(Lane& lane, int node, const Window& own, TileContext& tile);
  void load_warped(Lane& lane, const Node& node, const Window& inside, const PlaneRef& to, TileContext& tile);
  void apply(Lane& lane, std::size_t stage, int node, const Window& own, TileContext& tile);
  void call_kernels(Lane& lane, const Node& node, const Window& own, const fulmar_call& call,
                    std::size_t stacked) const;
  void find(Lane& lane, int node, const Window& own, const std::vector<PlaneRef>& inputs, TileContext& tile);
  void begin_states(Lane& lane, int node, const Window& own, std::byte* states, TileContext& tile);
  /// Merges the states of the tile's blocks as far as they are neighbours in the tree, and brings down what is left.
  void fetch_states(Lane& lane, int node, const Window& own, std::byte* states, TileContext& tile);
  PlaneRef fetch(Lane& lane, std::size_t stage, Edge edge, const Window& needed, DType type, const TileContext& tile);
  void upload(Lane& lane, const PlaneRef& from, const PlaneRef& to, const Window& window);
  void download(Lane& lane, const PlaneRef& from, const PlaneRef& to, const Window& window);

  const Graph& graph_;
  const Plan& plan_;
  Device& device_;
  Reductions& reductions_;
  std::int64_t border_;
  std::vector<std::vector<bool>> needed_;  ///< by stage, then result: on the host
  std::vector<Lane> lanes_;
  std::vector<std::unique_ptr<ReaderPool>> computed_;  ///< by source
  std::vector<std::unique_ptr<CardWarp>> warps_;       ///< by source; null where the card makes none of its cells
  std::vector<std::byte*> pinned_;
  std::atomic<std::int64_t> rests_{0};
};

}  // namespace fulmar
