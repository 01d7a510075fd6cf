// SPDX-License-Identifier: Apache-2.0
/// @file
/// Memory of a card that somebody else made, on its way to the host.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace fulmar::cuda {

/// The card that holds an address. Errors: Errc::device where there is no card, Errc::usage where none holds it.
int device_of(const void* address);

/// Rows of bytes on a card, in planes; pitches are bytes from one to the next.
struct Rows {
  const std::byte* first = nullptr;
  std::int64_t bytes = 0, rows = 1, pitch = 0, planes = 1, plane_pitch = 0;
};

/// A stream of copies from one card. The device that the calling thread has chosen stays as it was.
class Reader {
 public:
  /// Errors: Errc::device where there is no such card, with what is missing.
  explicit Reader(int device);

  [[nodiscard]] void* stream() const { return stream_.get(); }
  void wait_for(void* other);
  /// Copies rows to the host, without gaps between them, and returns when they are there. Where it fails, nothing is on
  /// its way any more when it returns: both memories may go.
  void read(const Rows& from, std::byte* to);

 private:
  /// Ends a stream when all that it was given is done.
  struct End {
    void operator()(void* stream) const noexcept;
  };
  /// Puts the copy of one plane into the stream.
  void put(const std::byte* from, const Rows& how, std::byte* to);

  int device_;
  std::unique_ptr<void, End> stream_;
};

}  // namespace fulmar::cuda
