// SPDX-License-Identifier: Apache-2.0
#include "plan/nodata.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/signs.hpp"
#include "core/widen.hpp"

namespace fulmar {
namespace {

/// The number that a text is in a cell's own type; nothing where it has none there.
template <class T>
std::optional<T> number_in(const std::string& text) {
  const char *begin = text.data() + (text.starts_with('+') ? 1 : 0), *end = text.data() + text.size();
  if constexpr (std::is_integral_v<T>) {
    // All 64 bits of whole numbers, which a double does not hold.
    T whole{};
    const auto [stop, error] = std::from_chars(begin, end, whole);
    if (error == std::errc{} && stop == end) return whole;
  }
  double value = 0;
  const auto [stop, error] = std::from_chars(begin, end, value);
  if (error != std::errc{} || stop != end) return std::nullopt;
  if constexpr (std::is_same_v<T, double>) return value;
  if constexpr (std::is_same_v<T, float>) {
    // A few digits too few of the end of the range are that end.
    if (std::isfinite(value) && std::abs(value) > largest_float * 1.00001) return std::nullopt;
    if (std::isfinite(value) && std::abs(value) > largest_float * 0.99999) return std::copysign(largest_float, value);
    return static_cast<float>(value);
  }
  StoredBand band;
  band.nodata = value;
  return stored_nodata<T>(band);
}

template <class T>
void keep(StoredBand& band, T value) {
  if constexpr (std::is_integral_v<T> && sizeof(T) == 8)
    band.nodata_i64 = static_cast<std::int64_t>(value);
  else
    band.nodata = static_cast<double>(value);
}

/// What the value is to one band.
struct Also {
  bool known = false;     ///< the type can hold the value
  bool replaces = false;  ///< cells of the value become the nodata that the file has
};

class Told : public RasterSource {
 public:
  Told(std::shared_ptr<const RasterSource> source, std::string value)
      : source_{std::move(source)}, value_{std::move(value)}, bands_{source_->bands()} {
    for (StoredBand& band : bands_)
      also_.push_back(with_type(band.dtype, [&](auto zero) {
        using T = decltype(zero);
        const auto number = number_in<T>(value_);
        if (!number) return Also{};
        const auto own = stored_nodata<T>(band);
        if (!own) keep<T>(band, *number);
        return Also{true, own && *own != *number};
      }));
  }

  [[nodiscard]] bool fits_a_band() const {
    return std::any_of(also_.begin(), also_.end(), [](const Also& a) { return a.known; });
  }

  [[nodiscard]] const std::string& name() const override { return source_->name(); }
  [[nodiscard]] const Grid& grid() const override { return source_->grid(); }
  [[nodiscard]] const std::vector<StoredBand>& bands() const override { return bands_; }
  [[nodiscard]] Window block() const override { return source_->block(); }
  [[nodiscard]] std::int64_t bands_together() const override { return source_->bands_together(); }
  [[nodiscard]] std::int64_t bands_of_date() const override { return source_->bands_of_date(); }
  [[nodiscard]] std::string calendar() const override { return source_->calendar(); }
  [[nodiscard]] int parallel_readers() const override { return source_->parallel_readers(); }
  [[nodiscard]] std::int64_t working_bytes() const override { return source_->working_bytes(); }
  [[nodiscard]] std::map<std::string, std::string> metadata() const override { return source_->metadata(); }
  [[nodiscard]] std::shared_ptr<const std::vector<double>> numbers() const override { return source_->numbers(); }
  [[nodiscard]] std::int64_t held_bytes() const override { return source_->held_bytes(); }
  [[nodiscard]] std::vector<double> labels() const override { return source_->labels(); }
  [[nodiscard]] bool looks_negative(int band) const override { return mostly_negative(*this, band); }
  [[nodiscard]] std::unique_ptr<RasterReader> reader() const override;

 private:
  friend class ToldReader;
  std::shared_ptr<const RasterSource> source_;
  std::string value_;
  std::vector<StoredBand> bands_;
  std::vector<Also> also_;
};

class ToldReader : public RasterReader {
 public:
  explicit ToldReader(const Told& told) : told_{told}, reader_{told.source_->reader()} {}

  void read(int band, const Window& window, void* cells, std::int64_t stride) override {
    reader_->read(band, window, cells, stride);
    replace(band, window, cells, stride);
  }
  void read_bands(const std::vector<int>& bands, const Window& window, const std::vector<void*>& cells,
                  std::int64_t stride) override {
    reader_->read_bands(bands, window, cells, stride);
    for (std::size_t i = 0; i < bands.size(); ++i) replace(bands[i], window, cells[i], stride);
  }
  void read_mask(int band, const Window& window, std::uint8_t* cells, std::int64_t stride) override {
    reader_->read_mask(band, window, cells, stride);
  }

 private:
  /// A band has one value for missing; of two, the second becomes the first.
  void replace(int band, const Window& window, void* cells, std::int64_t stride) const {
    const auto b = static_cast<std::size_t>(band);
    if (!told_.also_[b].replaces) return;
    with_type(told_.bands_[b].dtype, [&](auto zero) {
      using T = decltype(zero);
      const T from = *number_in<T>(told_.value_), to = *stored_nodata<T>(told_.bands_[b]);
      T* row = static_cast<T*>(cells);
      for (std::int64_t y = 0; y < window.height; ++y, row += stride)
        for (std::int64_t x = 0; x < window.width; ++x) row[x] = row[x] == from ? to : row[x];
    });
  }

  const Told& told_;
  std::unique_ptr<RasterReader> reader_;
};

std::unique_ptr<RasterReader> Told::reader() const { return std::make_unique<ToldReader>(*this); }

}  // namespace

std::optional<double> nodata_of(const std::string& text, DType type) {
  return with_type(type, [&](auto zero) -> std::optional<double> {
    const auto number = number_in<decltype(zero)>(text);
    return number ? std::optional{static_cast<double>(*number)} : std::nullopt;
  });
}

std::shared_ptr<const RasterSource> with_nodata(std::shared_ptr<const RasterSource> source, const std::string& value) {
  if (!number_in<double>(value))
    fail(Errc::usage, fmt::format("--nodata takes a number, such as -9999, 0 or nan, not '{}'", value));
  std::set<std::string> types;
  for (const StoredBand& band : source->bands()) types.insert(name_of(band.dtype));
  const std::string name = source->name();
  auto told = std::make_shared<Told>(std::move(source), value);
  if (!told->fits_a_band())
    fail(Errc::usage, fmt::format("--nodata {} is no value that {} can hold, whose cells are {}", value, name,
                                  fmt::join(types, ", ")));
  return told;
}

}  // namespace fulmar
