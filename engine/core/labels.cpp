// SPDX-License-Identifier: Apache-2.0
#include "core/labels.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <set>
#include <string>

#include "core/error.hpp"

namespace fulmar {
namespace {

std::string shortest(double number) {
  std::array<char, 64> text{};
  return {text.data(), std::to_chars(text.data(), text.data() + text.size(), number).ptr};
}

}  // namespace

void StoredCells::load(const Window& window) {
  const auto cells = static_cast<std::size_t>(window.cells());
  stored_.resize((cells * size_of(band_.dtype) + sizeof(double) - 1) / sizeof(double));
  reader_->read(0, window, stored_.data(), window.width);
  if (!band_.has_mask) return;
  valid_.resize(cells);
  reader_->read_mask(0, window, valid_.data(), window.width);
}

std::vector<double> labels_of(const RasterSource& source) {
  constexpr std::size_t most = 1000000;
  StoredCells stored{source};
  const Window all = source.grid().window();
  std::set<double> labels;
  const std::int64_t rows = std::max<std::int64_t>(1, (std::int64_t{1} << 18) / std::max<std::int64_t>(1, all.width));
  for (std::int64_t y = 0; y < all.height; y += rows) {
    const Window strip{0, y, all.width, std::min(rows, all.height - y)};
    stored.load(strip);
    with_type(stored.band().dtype, [&](auto zero) {
      double last = std::numeric_limits<double>::quiet_NaN();
      for (std::size_t i = 0; i < static_cast<std::size_t>(strip.cells()); ++i) {
        const double value = stored.value<decltype(zero)>(i);
        if (value == last || std::isnan(value)) continue;
        if (value != std::floor(value))
          fail(Errc::input, "'" + source.name() + "' holds " + shortest(value) +
                                ", which is no whole number: a raster of zones holds the number of each cell's zone");
        if (std::abs(value) > 9007199254740992.0)
          fail(Errc::input, "'" + source.name() +
                                "' holds numbers of zones beyond 2^53, which cannot be told apart: number the " +
                                "zones anew, from 1");
        labels.insert(value);
        last = value;
        if (labels.size() > most)
          fail(Errc::input, "'" + source.name() + "' holds more than " + std::to_string(most) + " zones");
      }
    });
  }
  return {labels.begin(), labels.end()};
}

}  // namespace fulmar
