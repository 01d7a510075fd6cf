// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "common/kittler.hpp"
#include "common/otsu.hpp"
#include "ground/two_gaussians.hpp"

namespace fulmar::ops {

/// The threshold between water and land of a radar scene, from those blocks of it in which both are seen.
///
/// The scene is cut into blocks of S x S cells from its first cell on. A block may speak where 95 % of its S x S cells
/// are valid (so blocks that the scene's edge cuts hardly do) and
///   hsba  two Gaussians fit the histogram of its decibels: Ashman's D = sqrt(2) |m1 - m2| / sqrt(s1^2 + s2^2) > 2, the
///         smaller class holds 10 % of the cells at least, and the Bhattacharyya coefficient of histogram and fit is
///         above 0.99 (see TwoGaussians). Where more than 512 blocks are valid, those of the widest spread in dB are
///         looked at
///   cv    the deviation of its linear intensities is above the 95th percentile (type 7) of those of all valid blocks,
///         and their mean below that of the scene
/// A block's threshold is that of `otsu` or `kittler` in a histogram over the range of its own values; kittler may find
/// none. The scene's is their mean or median. flag tells what to doubt: 1, no block had a threshold, which is then
/// `fallback` (in dB: -15 suits VV, -22 VH); 2, their standard deviation is above 5 dB. What is at or below the
/// threshold is water; margin = threshold - value, so that it is positive on water. Missing cells are left out and stay
/// missing. What a map needs besides (slope, height above drainage, least area) is left to operators of their own.
struct Bimodal {
  enum class Select { hsba, cv };
  enum class Method { otsu, kittler };
  enum class Combine { mean, median };
  struct Params {
    std::int32_t block = 200;
    Select select = Select::hsba;
    Method method = Method::otsu;
    Combine combine = Combine::mean;
    std::int32_t bins = 256;
    double fallback = -15;
  } params;
  static constexpr std::int64_t most_blocks = 512;

  static Schema schema() {
    return Schema{"bimodal", "Threshold a radar scene where blocks of it hold both water and land."}
        .input("value", units::decibel, "Backscatter in decibels.")
        .output("detection", units::flag, "1 at or below the threshold, 0 above it.")
        .output("margin", units::decibel, "Threshold minus value.")
        .summary("threshold", units::decibel, "Threshold of the scene.")
        .summary("spread", units::decibel, "Standard deviation of the thresholds of the blocks.")
        .summary("blocks", units::one, "Blocks that have a threshold.")
        .whole()
        .summary("valid", units::one, "Blocks that are valid.")
        .whole()
        .summary("flag", units::one, "0 sound, 1 the fallback, 2 the thresholds of the blocks differ much.")
        .whole()
        .param("block", &Params::block, "Side of a block.", units::cell, between(16, 4096))
        .param("select", &Params::select, "Which blocks speak.", {"hsba", "cv"})
        .param("method", &Params::method, "How a block is thresholded.", {"otsu", "kittler"})
        .param("combine", &Params::combine, "How thresholds of blocks become one.", {"mean", "median"})
        .param("bins", &Params::bins, "Bins of a block's histogram.", units::one, between(16, 4096))
        .param("fallback", &Params::fallback, "Threshold where no block has one.", units::decibel, between(-60, 20))
        .example("scene_db.tif ! bimodal ! water.tif")
        .cites("Bovolo & Bruzzone 2007, IEEE TGRS 45(6), 1658-1670")
        .cites("Martinis, Twele & Voigt 2009, NHESS 9, 303-314; Twele et al. 2016, IJRS 37(13), 2990-3004 (cv)")
        .cites("Chini et al. 2017, IEEE TGRS 55(12), 6975-6988 (hsba)")
        .agrees(exactly);
  }

  struct State {
    std::int64_t dummy;  // what counts stands behind it
  };
  /// What the first round gathers of a block.
  struct Block {
    std::int64_t n;
    double mean, m2;       // of linear intensities
    double level, level2;  // of decibels
    float least, largest;  // decibels
  };
  /// Where a block's histogram stands in the second round, or -1, and its range; what the first round hands on.
  struct Slot {
    double place, low, high;
  };

  [[nodiscard]] std::uint32_t rounds() const { return 2; }
  FULMAR_HD [[nodiscard]] std::int64_t across(const Round& r) const {
    return (r.width + params.block - 1) / params.block;
  }
  FULMAR_HD [[nodiscard]] std::int64_t blocks(const Round& r) const {
    return across(r) * ((r.height + params.block - 1) / params.block);
  }
  /// Histograms that the second round may have to keep.
  [[nodiscard]] std::int64_t slots(const Round& r) const {
    const std::int64_t all = blocks(r);
    return std::min(all, params.select == Select::hsba ? most_blocks : all / 20 + 2);
  }
  [[nodiscard]] std::uint64_t state_bytes(const Round& r) const {
    const std::uint64_t behind = r.index == 0
                                     ? static_cast<std::uint64_t>(blocks(r)) * sizeof(Block)
                                     : static_cast<std::uint64_t>(slots(r) * params.bins) * sizeof(std::int32_t);
    return sizeof(State) + behind;
  }
  template <class T>
  FULMAR_HD static T* behind(State& s) {
    return reinterpret_cast<T*>(&s + 1);
  }
  template <class T>
  FULMAR_HD static const T* behind(const State& s) {
    return reinterpret_cast<const T*>(&s + 1);
  }

  void begin(State& s, const Round& r) const {
    constexpr float infinity = std::numeric_limits<float>::infinity();
    s.dummy = 0;
    if (r.index == 0)
      std::fill_n(behind<Block>(s), blocks(r), Block{0, 0, 0, 0, 0, infinity, -infinity});
    else
      std::fill_n(behind<std::int32_t>(s), slots(r) * params.bins, 0);
  }

  /// What is counted of a block is counted of no other.
  [[nodiscard]] std::int64_t apart(const Round&) const { return params.block; }
  FULMAR_HD void step(State& s, const Round& r, float value, Here here) const {
    if (is_missing(value)) return;
    const std::int64_t at = here.y / params.block * across(r) + here.x / params.block;
    const auto x = static_cast<double>(value);
    if (r.index == 0) {
      Block& b = behind<Block>(s)[at];
      const double linear = math::exp10(x * 0.1), d = linear - b.mean, e = x - b.level;
      ++b.n;
      b.mean += d / static_cast<double>(b.n);
      b.m2 += d * (linear - b.mean);
      b.level += e / static_cast<double>(b.n);
      b.level2 += e * (x - b.level);
      b.least = value < b.least ? value : b.least;
      b.largest = value > b.largest ? value : b.largest;
      return;
    }
    const double* slot = r.summary + 3 * at;
    if (!(slot[0] >= 0)) return;
    const std::int64_t bin = BinFinder::of({slot[1], slot[2], params.bins})(x);
    if (bin >= 0) ++behind<std::int32_t>(s)[static_cast<std::int64_t>(slot[0]) * params.bins + bin];
  }

  /// Blocks; of histograms, counts.
  [[nodiscard]] std::int64_t parts(const Round& r) const { return r.index == 0 ? blocks(r) : slots(r) * params.bins; }
  FULMAR_HD void merge_part(State& a, const State& b, const Round& r, std::int64_t part) const {
    if (r.index == 0)
      add(behind<Block>(a)[part], behind<Block>(b)[part]);
    else
      behind<std::int32_t>(a)[part] += behind<std::int32_t>(b)[part];
  }

  std::uint64_t finish(const State& s, const Round& r, double* numbers) const {
    if (r.index == 0) {
      if (numbers != nullptr) choose(behind<Block>(s), r, numbers);
      return static_cast<std::uint64_t>(3 * blocks(r)) + 1;
    }
    if (numbers == nullptr) return 5;
    std::vector<double> thresholds;
    std::vector<std::int64_t> counts(static_cast<std::size_t>(params.bins));
    for (std::int64_t at = 0; at < blocks(r); ++at) {
      const double* slot = r.summary + 3 * at;
      if (!(slot[0] >= 0)) continue;
      const auto* own = behind<std::int32_t>(s) + static_cast<std::int64_t>(slot[0]) * params.bins;
      std::copy_n(own, params.bins, counts.begin());
      const double threshold = threshold_of(Bins{slot[1], slot[2], params.bins}, counts);
      if (!is_missing(threshold)) thresholds.push_back(threshold);
    }
    double sum = 0, squares = 0;
    const auto n = static_cast<double>(thresholds.size());
    for (const double t : thresholds) sum += t;
    for (const double t : thresholds) squares += (t - sum / n) * (t - sum / n);
    const double spread = thresholds.empty() ? missing<double> : std::sqrt(squares / n);
    numbers[0] = thresholds.empty()                  ? params.fallback
                 : params.combine == Combine::median ? percentile(thresholds, 0.5)
                                                     : sum / n;
    numbers[1] = spread;
    numbers[2] = n;
    numbers[3] = r.summary[3 * blocks(r)];
    numbers[4] = thresholds.empty() ? 1 : spread > 5 ? 2 : 0;
    return 5;
  }

  /// What a run says of a threshold that is to be doubted.
  [[nodiscard]] static std::string remark(const Round& r, const double* numbers) {
    const auto number = [](double x) {
      char text[32];
      std::snprintf(text, sizeof text, "%.4g", x);
      return std::string{text};
    };
    if (r.index == 0 || numbers[4] == 0) return {};
    if (numbers[4] == 1)
      return "none of " + number(numbers[3]) +
             " valid blocks holds both water and land: the threshold is the fallback, " + number(numbers[0]) +
             " dB; a smaller --block may do, or --select cv";
    return "the thresholds of " + number(numbers[2]) + " blocks differ by " + number(numbers[1]) +
           " dB (standard deviation): doubt their mean, or take --method otsu and --combine median";
  }

  FULMAR_HD Both<std::uint8_t, float> operator()(float value, Table found) const {
    const double threshold = found[0], x = value;
    if (is_missing(value)) return {missing<std::uint8_t>, missing<float>};
    return {static_cast<std::uint8_t>(x > threshold ? 0 : 1), static_cast<float>(threshold - x)};
  }

 private:
  /// Moments of both, by Chan's rule.
  FULMAR_HD static void add(Block& a, const Block& b) {
    if (b.n == 0) return;
    if (a.n == 0) {
      a = b;
      return;
    }
    const double na = static_cast<double>(a.n), nb = static_cast<double>(b.n), n = na + nb;
    const double d = b.mean - a.mean, e = b.level - a.level;
    a.mean += d * (nb / n);
    a.m2 += b.m2 + d * d * (na * nb / n);
    a.level += e * (nb / n);
    a.level2 += b.level2 + e * e * (na * nb / n);
    a.n += b.n;
    a.least = b.least < a.least ? b.least : a.least;
    a.largest = b.largest > a.largest ? b.largest : a.largest;
  }

  /// Type 7 of Hyndman and Fan.
  static double percentile(std::vector<double> values, double p) {
    std::sort(values.begin(), values.end());
    const double h = static_cast<double>(values.size() - 1) * p;
    const auto below = static_cast<std::size_t>(h);
    const double next = values[std::min(below + 1, values.size() - 1)];
    return values[below] + (h - static_cast<double>(below)) * (next - values[below]);
  }

  /// The blocks whose histograms are needed: their slots, and at the end how many blocks are valid.
  void choose(const Block* block, const Round& r, double* numbers) const {
    const double least = 0.95 * static_cast<double>(params.block) * static_cast<double>(params.block);
    std::vector<std::int64_t> chosen;
    Block scene{};
    for (std::int64_t i = 0; i < blocks(r); ++i) {
      add(scene, block[i]);
      numbers[3 * i] = -1, numbers[3 * i + 1] = numbers[3 * i + 2] = 0;
      if (static_cast<double>(block[i].n) >= least) chosen.push_back(i);
    }
    numbers[3 * blocks(r)] = static_cast<double>(chosen.size());
    if (chosen.empty()) return;
    if (params.select == Select::cv) {
      std::vector<double> deviations;
      for (const std::int64_t i : chosen) deviations.push_back(deviation(block[i]));
      const double high = percentile(deviations, 0.95);
      std::erase_if(chosen,
                    [&](std::int64_t i) { return !(deviation(block[i]) > high && block[i].mean < scene.mean); });
    } else if (static_cast<std::int64_t>(chosen.size()) > most_blocks) {
      std::stable_sort(chosen.begin(), chosen.end(), [&](std::int64_t a, std::int64_t b) {
        return block[a].level2 / static_cast<double>(block[a].n) > block[b].level2 / static_cast<double>(block[b].n);
      });
      chosen.resize(static_cast<std::size_t>(most_blocks));
    }
    double place = 0;
    for (const std::int64_t i : chosen) {
      numbers[3 * i] = place++;
      numbers[3 * i + 1] = static_cast<double>(block[i].least);
      numbers[3 * i + 2] = static_cast<double>(block[i].largest);
    }
  }
  static double deviation(const Block& b) { return std::sqrt(b.m2 / static_cast<double>(b.n)); }

  [[nodiscard]] double threshold_of(const Bins& bins, const std::vector<std::int64_t>& counts) const {
    std::int64_t n = 0;
    for (const std::int64_t c : counts) n += c;
    double found[3];
    Otsu{}.threshold(bins, counts.data(), n, found);
    if (is_missing(found[0])) return found[0];
    if (params.select == Select::hsba && !TwoGaussians{bins, counts.data(), n, found[0]}.bimodal())
      return missing<double>;
    if (params.method == Method::kittler) Kittler{}.threshold(bins, counts.data(), n, found);
    return found[0];
  }
};

}  // namespace fulmar::ops
