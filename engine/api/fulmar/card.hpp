// SPDX-License-Identifier: Apache-2.0
/// @file
/// Rasters of a program's own that lie on a card (CUDA): their way to the host, where a RasterView reads them.
#pragma once

#include <cstdint>
#include <memory>

#include "core/export.hpp"

namespace fulmar {

/// Rows of bytes on a card, in planes: a raster's bands, or a window of them.
struct CardRows {
  const void* first = nullptr;
  std::int64_t bytes = 0;  ///< of a row
  std::int64_t rows = 1;
  std::int64_t pitch = 0;  ///< bytes from a row to the next, at least `bytes`
  std::int64_t planes = 1;
  std::int64_t plane_pitch = 0;  ///< bytes from a plane to the next
};

/// Copies memory of a card to the host, in a stream of its own: neither the default stream nor the device that the
/// calling thread had chosen is changed. For one thread.
class FULMAR_API CardReader {
 public:
  /// Errors: Errc::device where the program was built without CUDA, or there is no such card, with the cure.
  explicit CardReader(int device);
  ~CardReader();
  CardReader(CardReader&&) noexcept;
  CardReader& operator=(CardReader&&) noexcept;

  /// The card that holds an address. Errors: Errc::device as above; Errc::usage where it is not on a card.
  static int device_of(const void* address);

  /// The stream (cudaStream_t) of the copies, for makers of arrays that order their work before it (DLPack).
  [[nodiscard]] void* stream() const;
  /// What is read from now on waits for what this stream (cudaStream_t) was given before.
  void wait_for(void* stream);
  /// Copies rows to memory of the host, without gaps between them, and returns when they are there. Errors:
  /// Errc::runtime with what CUDA said; nothing is on its way any more then, and both memories may go.
  void read(const CardRows& from, void* to);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace fulmar
