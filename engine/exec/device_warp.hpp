// SPDX-License-Identifier: Apache-2.0
/// @file
/// A warped source whose cells a card makes: the host decodes what lies under a tile and sends it up once, in the
/// file's own type, with the few numbers from which the card finds where cells lie.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "core/device.hpp"
#include "core/device_warp.hpp"
#include "exec/block.hpp"
#include "exec/strips.hpp"
#include "plan/device_plan.hpp"
#include "plan/warp.hpp"

namespace fulmar {

class CardWarp {
 public:
  /// Memory of one tile in flight.
  struct Tile {
    std::byte* squares = nullptr;  ///< the card's, as WarpRoom counts it
    SquareNeed* needs = nullptr;
    std::byte* stored = nullptr;
    std::uint8_t* mask = nullptr;
    float* cells = nullptr;
    std::byte* host_squares = nullptr;  ///< the host's
    SquareNeed* host_needs = nullptr;
    std::byte* staging = nullptr;  ///< of cells on their way up
    std::int64_t staged = 0;       ///< bytes of it that copies may still read
    // What the card has of squares at the moment.
    int input = -1;
    Window part;
    bool looked = false;  ///< host_needs are those of the part, whatever its cells have already
  };

  CardWarp(const RasterSource& source, const WarpRoom& room, int threads);

  /// Puts into the lane what makes a window of a band. Nothing is in `to` yet.
  void make(DeviceLane& lane, Tile& tile, int band, const Window& target, const PlaneRef& to);
  [[nodiscard]] const WarpRoom& room() const { return room_; }

 private:
  struct Input {
    std::unique_ptr<ReaderPool> readers;
    std::mutex reading;  ///< of a source that is read by one at a time; PROJ's work of other lanes goes on meanwhile
    std::mutex mutex;    ///< of the ways and of `alone`
    std::vector<std::unique_ptr<GridTransformer>> ways;
    std::shared_ptr<const RasterSource> alone;  ///< the input by itself, made by the host
  };
  struct Job {
    DeviceLane& lane;
    Tile& tile;
    const PlaneRef& to;
    int input, band;
    bool fresh;
  };

  void make_part(const Job& job, const Window& part);
  /// Sends up the ways of a part's squares; false where there are more places than there is room for.
  bool send_squares(const Job& job, const Window& part, const Window& squares);
  void make_piece(const Job& job, const Window& part, const Window& squares, const SquareNeed* needs,
                  std::int64_t stride, WarpCells& warp);
  void send_cells(const Job& job, const Window& held);
  void decode(const Job& job, const Window& held, std::byte* cells, std::uint8_t* mask);
  void make_on_host(const Job& job, const Window& part);
  std::byte* stage(const Job& job, std::int64_t bytes);
  template <class Use>
  void with_way(int input, Use&& use);

  const RasterSource& source_;
  const WarpParts& warped_;
  WarpRoom room_;
  std::vector<std::unique_ptr<Input>> inputs_;
};

}  // namespace fulmar
