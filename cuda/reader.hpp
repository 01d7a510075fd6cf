// SPDX-License-Identifier: Apache-2.0
/// @file
/// Memory of a card that somebody else made, on its way to the host.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fulmar::cuda {

/// The card that holds an address. Errors: Errc::device where there is no card, Errc::usage where none holds it.
int device_of(const void* address);

/// A stream of copies from one card. The device that the calling thread has chosen stays as it was.
class Reader {
 public:
  /// Errors: Errc::device where there is no such card, with what is missing.
  explicit Reader(int device);
  ~Reader();
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  [[nodiscard]] void* stream() const { return stream_; }
  void wait_for(void* other);
  /// Puts a copy of rows of `bytes` bytes, without gaps in `to`, into the stream.
  void read(const std::byte* from, std::int64_t pitch, std::byte* to, std::int64_t bytes, std::int64_t rows);
  void wait();

 private:
  int device_;
  void* stream_ = nullptr;
};

}  // namespace fulmar::cuda
