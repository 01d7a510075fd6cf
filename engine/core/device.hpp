// SPDX-License-Identifier: Apache-2.0
/// @file
/// What the engine asks of a card. cuda/ implements it; where there is none, the engine runs without.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "core/device_limits.hpp"
#include "core/source.hpp"
#include "fulmar_abi.h"

namespace fulmar {

struct FindWork;

/// What a piece of so many bytes takes of a lane's memory. Pieces begin at multiples of 256 bytes, with as much between
/// them, so that rows lie well and a checker of memory sees what runs past the end of one.
constexpr std::int64_t room_on_card(std::int64_t bytes) { return bytes <= 0 ? 0 : (bytes + 255) / 256 * 256 + 256; }

/// What a card is.
struct DeviceFacts {
  int number = 0;
  std::string name, architecture;  ///< such as "NVIDIA H100", "sm_90"
  std::int64_t memory = 0;
  std::int64_t free = 0;        ///< known once the card is opened
  bool fits = true;             ///< new enough for the kernels
  int driver = 0, runtime = 0;  ///< versions as CUDA counts them: 1000 major + 10 minor
};

/// What crossed the bus.
struct DeviceTraffic {
  std::int64_t uploads = 0, uploaded = 0;      ///< copies to the card, and their bytes
  std::int64_t downloads = 0, downloaded = 0;  ///< copies from the card, and their bytes
  /// Of those, second copies for a tile, where so much was found of objects that the first had no room for it.
  std::int64_t rests = 0;
};

struct WarpCells;
struct SquareNeed;

/// A stream of commands and the memory they work in. Commands run one after the other; nothing waits but wait(). Planes
/// are in the lane's memory. One thread at a time.
/// Errors: Errc::runtime with what CUDA said, here or at a later command.
class DeviceLane {
 public:
  virtual ~DeviceLane() = default;
  [[nodiscard]] virtual std::byte* memory() = 0;
  [[nodiscard]] virtual void* stream() = 0;
  [[nodiscard]] virtual const DeviceTraffic& traffic() const = 0;

  /// For checkers of memory: from here on nothing from `from` to the end of the memory is in use, and then these pieces
  /// are.
  virtual void give_back(std::byte* from) { static_cast<void>(from); }
  virtual void use(void* piece, std::int64_t bytes) { static_cast<void>(piece), static_cast<void>(bytes); }

  /// Rows of `bytes` bytes from the host, or to it; a pitch is the bytes from one row to the next. Host memory that is
  /// not pinned makes the copy wait.
  virtual void upload(void* to, std::int64_t to_pitch, const void* from, std::int64_t from_pitch, std::int64_t bytes,
                      std::int64_t rows) = 0;
  virtual void download(void* to, std::int64_t to_pitch, const void* from, std::int64_t from_pitch, std::int64_t bytes,
                        std::int64_t rows) = 0;

  /// Makes all cells missing.
  virtual void clear(const fulmar_plane& to) = 0;
  /// As widen() of exec/cells.hpp.
  virtual void widen(const StoredBand& band, const void* cells, std::int64_t stride, const std::uint8_t* mask,
                     std::int64_t mask_stride, const fulmar_plane& to) = 0;
  /// Cells of one window, from f32 to flags or back where the types differ.
  virtual void copy(const fulmar_plane& from, const fulmar_plane& to) = 0;
  /// Brings the bands of each cell together: to.layer values a cell, of which `count` from place `first` are set.
  virtual void stack(const fulmar_plane* bands, std::int64_t count, std::int64_t first, const fulmar_plane& to) = 0;
  /// As within() of exec/cells.hpp; `ground` and `scratch` are in the lane's memory.
  virtual void within(const fulmar_plane& cells, std::int64_t rx, std::int64_t ry, const double* ground, double reach,
                      std::uint16_t* scratch, const fulmar_plane& to) = 0;
  /// Number, sum and sum of squares of the box around every cell, as exec/windows.hpp has them: three layers of f64.
  /// The window begins at a block of the lattice, and `cells` reaches as far around it as the box.
  virtual void sums(const fulmar_plane& cells, const fulmar_view& box, const fulmar_plane& to) = 0;
  /// The set cells of a window as runs in raster order, each with the first run that it is connected with
  /// (core/found_runs.hpp).
  virtual void find(const FindWork& work) = 0;

  /// What the cells of each square of a warp's target need of its source; `needs` is in the lane's memory.
  virtual void look(const WarpCells& warp, SquareNeed* needs) = 0;
  /// The cells of a warp's target, from the source cells that it holds.
  virtual void warp(const WarpCells& warp) = 0;
  /// Gives cells that are missing the value they have in `from`; f32.
  virtual void complete(const fulmar_plane& from, const fulmar_plane& to) = 0;
  /// Brings pieces of `bytes` bytes together: those that stand in `places` among pieces of that size; `count` times the
  /// first where places is null.
  virtual void pack(const void* from, std::int64_t bytes, const std::uint32_t* places, std::int64_t count,
                    void* to) = 0;

  /// Returns when all commands are done.
  virtual void wait() = 0;
};

/// A card.
class Device {
 public:
  virtual ~Device() = default;
  [[nodiscard]] virtual const DeviceFacts& facts() const = 0;
  [[nodiscard]] virtual std::unique_ptr<DeviceLane> lane(std::int64_t bytes) = 0;
  /// Lets the card reach memory of the host directly, until unpin(). Where the system refuses, copies are slower.
  virtual void pin(void* memory, std::int64_t bytes) = 0;
  virtual void unpin(void* memory) = 0;
};

}  // namespace fulmar
