// SPDX-License-Identifier: Apache-2.0
/// @file
/// SHA-256 (FIPS 180-4), for fingerprints.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace fulmar {

/// Hashes bytes as they come: update() any number of times, then hex() once.
class Sha256 {
 public:
  void update(std::string_view bytes);
  /// 64 lower-case hexadecimal digits. Ends the hash.
  std::string hex();

 private:
  void block(const unsigned char* bytes);

  std::array<std::uint32_t, 8> state_{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<unsigned char, 64> pending_{};
  std::size_t held_ = 0;
  std::uint64_t length_ = 0;  // in bytes
};

std::string sha256(std::string_view bytes);

/// Tells one file from another without reading all of it: SHA-256 of its size, its first and its last MiB. For a folder
/// (a Zarr) of its entries' names and sizes. "absent" where there is no such file.
std::string fingerprint(const std::string& path);

}  // namespace fulmar
