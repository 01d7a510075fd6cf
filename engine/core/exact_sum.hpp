// SPDX-License-Identifier: Apache-2.0
/// @file
/// A sum of f32 values, each times a whole number, without any rounding until it is read: the same for every order of
/// adding and merging, hence for every tiling and thread count. (Kulisch 1981; Neal 2015, arXiv:1505.05571.)
#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>

namespace fulmar {

/// 128 bits, which the compilers we build with have under this name.
__extension__ typedef __int128 Int128;

class ExactSum {
 public:
  /// Adds value * weight exactly. value must be finite, |weight| < 2^37.
  void add(float value, std::int64_t weight = 1) {
    const auto bits = std::bit_cast<std::uint32_t>(value);
    const int exponent = static_cast<int>((bits >> 23) & 0xff);
    std::int64_t mantissa = bits & 0x7fffff;
    if (exponent != 0) mantissa |= 0x800000;
    const int shift = exponent == 0 ? 0 : exponent - 1;  // value = mantissa 2^(shift - 149)
    if (bits >> 31) mantissa = -mantissa;
    const Int128 product = static_cast<Int128>(mantissa) * weight;
    const Int128 placed = product << (shift % limb_bits);
    std::size_t limb = static_cast<std::size_t>(shift / limb_bits);
    // The lowest 32 bits into one limb, the next 32 into the next, the signed rest into the third.
    limbs_[limb] += static_cast<std::int64_t>(placed & 0xffffffff);
    limbs_[limb + 1] += static_cast<std::int64_t>((placed >> 32) & 0xffffffff);
    limbs_[limb + 2] += static_cast<std::int64_t>(placed >> 64);
    if (++pending_ == most_pending) normalise();
  }

  void merge(const ExactSum& other) {
    ExactSum b = other;
    b.normalise();
    normalise();
    for (std::size_t i = 0; i < limbs_.size(); ++i) limbs_[i] += b.limbs_[i];
    pending_ = 2;
  }

  /// Adds another sum, times a whole number of no more than 2^32, exactly.
  void merge(const ExactSum& other, std::int64_t times) {
    ExactSum b = other;
    b.normalise();
    normalise();
    Int128 carry = 0;
    for (std::size_t i = 0; i + 1 < limbs_.size(); ++i) {
      carry += static_cast<Int128>(b.limbs_[i]) * times;
      limbs_[i] += static_cast<std::int64_t>(carry & 0xffffffff);
      carry >>= limb_bits;
    }
    limbs_.back() += static_cast<std::int64_t>(carry) + b.limbs_.back() * times;
    pending_ = 2;
  }

  /// The sum, rounded; the same bits for the same set of terms.
  [[nodiscard]] double value() const {
    ExactSum s = *this;
    s.normalise();
    // After normalising all limbs but the last are in [0, 2^32): make the number positive, so that the limbs from the
    // top down are its digits and the rounding does not depend on how it came about.
    const bool negative = s.limbs_.back() < 0;
    if (negative) {
      for (auto& limb : s.limbs_) limb = -limb;
      s.normalise();
    }
    double total = 0;
    for (std::size_t i = s.limbs_.size(); i-- > 0;)
      total += std::ldexp(static_cast<double>(s.limbs_[i]), static_cast<int>(i) * limb_bits - 149);
    return negative ? -total : total;
  }

 private:
  static constexpr int limb_bits = 32;
  static constexpr std::int64_t most_pending = std::int64_t{1} << 29;

  void normalise() {
    for (std::size_t i = 0; i + 1 < limbs_.size(); ++i) {
      const std::int64_t carry = limbs_[i] >> limb_bits;  // floor: the limb left behind is not negative
      limbs_[i] -= carry << limb_bits;
      limbs_[i + 1] += carry;
    }
    pending_ = 0;
  }

  std::array<std::int64_t, 12> limbs_{};
  std::int64_t pending_ = 0;
};

}  // namespace fulmar
