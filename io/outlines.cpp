// SPDX-License-Identifier: Apache-2.0
#include "io/outlines.hpp"

#include <fmt/format.h>
#include <ogrsf_frmts.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <set>

#include "core/error.hpp"
#include "core/labels.hpp"
#include "core/table_view.hpp"
#include "io/computed_source.hpp"
#include "io/coverage.hpp"
#include "io/crs.hpp"
#include "io/driver_options.hpp"
#include "io/gdal_support.hpp"
#include "io/raster_source.hpp"
#include "io/shapes.hpp"

namespace fulmar {
namespace {

/// A rectangle of coordinates.
struct Extent {
  double left = std::numeric_limits<double>::infinity(), bottom = left, right = -left, top = -left;

  void add(Point p) {
    left = std::min(left, p.x);
    right = std::max(right, p.x);
    bottom = std::min(bottom, p.y);
    top = std::max(top, p.y);
  }
  [[nodiscard]] bool empty() const { return !(left <= right && bottom <= top); }
  [[nodiscard]] bool meets(const Extent& o) const {
    return left <= o.right && o.left <= right && bottom <= o.top && o.bottom <= top;
  }
  [[nodiscard]] Extent shifted(double x) const {
    Extent e = *this;
    e.left += x;
    e.right += x;
    return e;
  }
  [[nodiscard]] std::string text() const {
    return fmt::format("x {:.6g} to {:.6g}, y {:.6g} to {:.6g}", left, right, bottom, top);
  }
};

Extent extent_of(const std::vector<Point>& points) {
  Extent extent;
  for (const auto& p : points) extent.add(p);
  return extent;
}

StoredBand outlines_band() {
  StoredBand band;
  band.dtype = DType::u8;
  band.unit = {std::string{units::flag}};
  band.description = "outlines";
  return band;
}

[[noreturn]] void fail_apart(const std::string& path, const Extent& companion, const Extent& scene) {
  fail(Errc::input,
       fmt::format("'{}' and the scene do not overlap: it covers {}, and the scene in the same coordinates "
                   "{}; take outlines of this region",
                   path, companion.text(), scene.text()));
}

[[noreturn]] void fail_without_crs(const CompanionRequest& request) {
  fail(Errc::input, fmt::format("'{}' has no coordinate system, and not the scene's size; give it {}", request.path,
                                request.raster ? "its transform and coordinate system"
                                               : "one, for example with gdal_edit.py -a_srs or ogr2ogr -a_srs"));
}

// --- from a raster ---------------------------------------------------------------------------------------------------

/// What the readers of a mask, or of a raster of zones, share.
struct Mask {
  std::shared_ptr<const RasterSource> source;
  Grid scene;
  Affine to_cells{};
  bool same_cells = false;     // no CRS, but the scene's size
  std::vector<double> labels;  // of zones, in their order
  std::int64_t decoding = 0;   // bytes of a block of the file, compressed and decoded
};

/// Of a mask's own cells, loaded at once.
constexpr std::int64_t most_beneath = 1 << 17;

template <class Meaning>
class MaskReader : public RasterReader {
 public:
  using Cell = typename Meaning::Cell;
  explicit MaskReader(std::shared_ptr<const Mask> mask) : mask_{std::move(mask)}, stored_{*mask_->source} {
    if (!mask_->same_cells) lattice_.emplace(mask_->scene, mask_->source->grid().crs);
  }

  void read(int, const Window& window, void* cells, std::int64_t stride) override {
    StoredCells::each_slice(window, [&](const Window& slice) {
      read_slice(slice, static_cast<Cell*>(cells) + (slice.y - window.y) * stride + (slice.x - window.x), stride);
    });
  }

  void read_mask(int, const Window&, std::uint8_t*, std::int64_t) override {
    fail(Errc::runtime, "outlines have no mask");
  }

  static std::int64_t working_bytes(const Mask& mask) {
    constexpr std::int64_t slice = StoredCells::slice_width * StoredCells::slice_height;
    return slice * static_cast<std::int64_t>(sizeof(Place)) +
           StoredCells::slice_width * static_cast<std::int64_t>(sizeof(Point)) + StoredCells::bytes(most_beneath) +
           mask.decoding;
  }

 private:
  struct Place {
    std::int64_t column = 0, row = 0;
  };

  void read_slice(const Window& window, Cell* cells, std::int64_t stride) {
    places_.resize(static_cast<std::size_t>(window.cells()));
    points_.resize(static_cast<std::size_t>(window.width));
    for (std::int64_t y = 0; y < window.height; ++y) {
      auto* row = places_.data() + y * window.width;
      if (mask_->same_cells) {
        for (std::int64_t x = 0; x < window.width; ++x) row[x] = {window.x + x, window.y + y};
        continue;
      }
      lattice_->centres(window.y + y, window.x, window.width, points_.data());
      for (std::int64_t x = 0; x < window.width; ++x) row[x] = cell_at(points_[static_cast<std::size_t>(x)]);
    }
    fill({0, 0, window.width, window.height}, window.width, cells, stride);
  }

  /// The mask's cell that holds a point of its CRS; column -1 outside.
  [[nodiscard]] Place cell_at(Point p) const {
    const auto& grid = mask_->source->grid();
    // A longitude may be counted in another turn than the mask's.
    for (const double turn : {0.0, 360.0, -360.0}) {
      if (turn != 0 && !grid.geographic) break;
      const auto place = fulmar::apply(mask_->to_cells, p.x + turn, p.y);
      // Written so that a NaN is outside.
      if (place.x >= 0 && place.y >= 0 && place.x < static_cast<double>(grid.width) &&
          place.y < static_cast<double>(grid.height))
        return {static_cast<std::int64_t>(place.x), static_cast<std::int64_t>(place.y)};
    }
    return {-1, -1};
  }

  /// Fills a part of the request from the mask's cells beneath it; where these are too many, half by half.
  void fill(const Window& part, std::int64_t width, Cell* cells, std::int64_t stride) {
    Window needed;
    for (auto y = part.y; y < part.bottom(); ++y)
      for (auto x = part.x; x < part.right(); ++x)
        if (const auto& place = places_[static_cast<std::size_t>(y * width + x)]; place.column >= 0) {
          if (needed.contains(place.column, place.row)) continue;
          needed = hull(needed, {place.column, place.row, 1, 1});
        }
    if (needed.cells() > most_beneath && part.cells() > 1) {
      Window first = part, second = part;
      if (part.width >= part.height) {
        first.width = part.width / 2;
        second.x += first.width;
        second.width -= first.width;
      } else {
        first.height = part.height / 2;
        second.y += first.height;
        second.height -= first.height;
      }
      fill(first, width, cells, stride);
      fill(second, width, cells, stride);
      return;
    }
    if (!needed.empty()) stored_.load(needed);
    with_type(stored_.band().dtype, [&](auto zero) {
      const Meaning meaning{mask_->labels};
      for (auto y = part.y; y < part.bottom(); ++y)
        for (auto x = part.x; x < part.right(); ++x) {
          const auto& place = places_[static_cast<std::size_t>(y * width + x)];
          auto& cell = cells[y * stride + x];
          cell = Meaning::outside;
          if (place.column < 0) continue;
          const auto index = static_cast<std::size_t>((place.row - needed.y) * needed.width + place.column - needed.x);
          cell = meaning(stored_.template value<decltype(zero)>(index));
        }
    });
  }

  std::shared_ptr<const Mask> mask_;
  StoredCells stored_;
  std::optional<LatticeTransformer> lattice_;
  std::vector<Place> places_;  // the mask's cell for each cell of the request
  std::vector<Point> points_;
};

class MaskSource : public ComputedSource {
 public:
  MaskSource(std::string name, std::shared_ptr<const Mask> mask)
      : ComputedSource{std::move(name), mask->scene, outlines_band()}, mask_{std::move(mask)} {}
  [[nodiscard]] int parallel_readers() const override { return mask_->source->parallel_readers(); }
  [[nodiscard]] std::unique_ptr<RasterReader> reader() const override {
    return std::make_unique<MaskReader<Inside>>(mask_);
  }
  [[nodiscard]] std::int64_t working_bytes() const override { return MaskReader<Inside>::working_bytes(*mask_); }

 private:
  std::shared_ptr<const Mask> mask_;
};

/// A raster of zones on the scene's grid.
class ZonesSource : public ComputedSource {
 public:
  ZonesSource(std::string name, std::shared_ptr<const Mask> mask)
      : ComputedSource{std::move(name), mask->scene, StoredBand{}}, mask_{std::move(mask)} {}
  [[nodiscard]] int parallel_readers() const override { return mask_->source->parallel_readers(); }
  [[nodiscard]] std::unique_ptr<RasterReader> reader() const override {
    return std::make_unique<MaskReader<ZoneNumber>>(mask_);
  }
  [[nodiscard]] std::int64_t working_bytes() const override { return MaskReader<ZoneNumber>::working_bytes(*mask_); }
  [[nodiscard]] std::map<std::string, std::string> metadata() const override {
    return {{"FULMAR_COUNT", std::to_string(mask_->labels.size())}};
  }
  [[nodiscard]] std::vector<double> labels() const override { return mask_->labels; }

 private:
  std::shared_ptr<const Mask> mask_;
};

bool lies_somewhere(const Grid& grid) { return grid.affine ? !grid.crs.empty() : grid.locator != nullptr; }

/// A mask over the scene. Errors: Errc::input where it does not tell how to lay it there, or does not overlap it.
std::shared_ptr<Mask> mask_over(const CompanionRequest& request, const Grid& scene) {
  auto mask = std::make_shared<Mask>();
  mask->source = request.raster ? request.raster : open_raster(request.path, request.options);
  mask->scene = scene;
  const auto& grid = mask->source->grid();
  if (!request.raster) {
    const Window block = mask->source->block();
    std::int64_t cell = 0;
    for (const StoredBand& b : mask->source->bands())
      cell = std::max(cell, static_cast<std::int64_t>(size_of(b.dtype)));
    mask->decoding = 2 * std::min(block.width, grid.width) * std::min(block.height, grid.height) * cell;
  }
  const bool placed = grid.affine && !grid.crs.empty();
  if (!placed || !lies_somewhere(scene)) {
    if (grid.width != scene.width || grid.height != scene.height) {
      if (!placed && grid.control_points.empty()) fail_without_crs(request);
      if (!placed)
        fail(Errc::input,
             fmt::format("'{}' is placed by control points; warp it first, for example with gdalwarp", request.path));
      fail(
          Errc::input,
          fmt::format("the scene has no coordinate system, and '{}' not its size; give the scene one, for example with "
                      "gdal_edit.py -a_srs",
                      request.path));
    }
    mask->same_cells = true;
    return mask;
  }
  mask->to_cells = inverse(*grid.affine).value();
  Extent own;
  for (const double column : {0.0, static_cast<double>(grid.width)})
    for (const double row : {0.0, static_cast<double>(grid.height)}) own.add(fulmar::apply(*grid.affine, column, row));
  const auto scene_extent = extent_of(LatticeTransformer{scene, grid.crs}.sample());
  bool meets = own.meets(scene_extent);
  for (const double turn : {360.0, -360.0}) meets = meets || (grid.geographic && own.shifted(turn).meets(scene_extent));
  if (!meets || scene_extent.empty()) fail_apart(request.path, own, scene_extent);
  return mask;
}

std::shared_ptr<const RasterSource> from_raster(const CompanionRequest& request, const Grid& scene) {
  return std::make_shared<MaskSource>(request.path, mask_over(request, scene));
}

std::shared_ptr<const RasterSource> zones_of_raster(const CompanionRequest& request, const Grid& scene) {
  auto mask = mask_over(request, scene);
  if (mask->source->bands().size() != 1)
    fail(Errc::input,
         fmt::format("'{}' has {} bands; a raster of zones has one", request.path, mask->source->bands().size()));
  mask->labels = labels_of(*mask->source);
  return std::make_shared<ZonesSource>(request.path, std::move(mask));
}

// --- from vectors ----------------------------------------------------------------------------------------------------

/// From coordinates of the layer to columns and rows of the scene.
class ToCells {
 public:
  ToCells(const Grid& scene, const OGRSpatialReference& layer)
      : scene_{scene}, layer_is_geographic_{static_cast<bool>(layer.IsGeographic())} {
    const auto crs = spatial_reference(scene.affine ? scene.crs : "EPSG:4326");
    scene_is_geographic_ = crs->IsGeographic();
    if (!crs->IsSame(&layer)) {
      transformation_ = transformation(layer, *crs);
      if (!transformation_) fail(Errc::input, "PROJ knows no way between the two coordinate systems");
    }
    if (scene.affine) {
      to_cells_ = inverse(*scene.affine);
      const auto centre =
          fulmar::apply(*scene.affine, static_cast<double>(scene.width) / 2, static_cast<double>(scene.height) / 2);
      centre_longitude_ = centre.x;
    } else if (const auto guess = linear_guess()) {
      to_cells_ = guess;
    }
    if (!to_cells_) fail(Errc::input, "the scene's control points do not tell where it lies");
  }

  /// True if straight lines of the layer are straight lines in cells.
  [[nodiscard]] bool straight() const { return !transformation_ && scene_.affine.has_value(); }

  [[nodiscard]] std::optional<Point> operator()(Point p) const {
    const auto longitude = p.x;
    if (transformation_) {
      const auto there = transform(*transformation_, p);
      if (!there) return std::nullopt;
      p = *there;
      // PROJ folds longitudes; a shape across the antimeridian must stay whole.
      if (scene_is_geographic_) p.x = nearest_longitude(p.x, layer_is_geographic_ ? longitude : centre_longitude_);
    }
    const auto cell = fulmar::apply(*to_cells_, p.x, p.y);
    return scene_.affine ? cell : refined(p, cell);
  }

 private:
  /// The linear map that fits the middle of a scene with control points.
  std::optional<Affine> linear_guess() {
    const double w = static_cast<double>(scene_.width), h = static_cast<double>(scene_.height);
    const auto a = scene_.locator->lonlat(w / 2, h / 2), x = scene_.locator->lonlat(w / 2 + w / 4, h / 2),
               y = scene_.locator->lonlat(w / 2, h / 2 + h / 4);
    if (!a || !x || !y || w <= 0 || h <= 0) return std::nullopt;
    centre_longitude_ = a->lon;
    Affine f{};
    f[1] = (nearest_longitude(x->lon, a->lon) - a->lon) / (w / 4);
    f[4] = (x->lat - a->lat) / (w / 4);
    f[2] = (nearest_longitude(y->lon, a->lon) - a->lon) / (h / 4);
    f[5] = (y->lat - a->lat) / (h / 4);
    f[0] = a->lon - f[1] * w / 2 - f[2] * h / 2;
    f[3] = a->lat - f[4] * w / 2 - f[5] * h / 2;
    return inverse(f);
  }

  /// Newton's method on the locator, from a guess: to a hundredth of a cell.
  [[nodiscard]] std::optional<Point> refined(Point target, Point cell) const {
    const double reach = 2 * static_cast<double>(std::max(scene_.width, scene_.height));
    for (int step = 0; step < 20; ++step) {
      const auto f = scene_.locator->lonlat(cell.x, cell.y), fx = scene_.locator->lonlat(cell.x + 1, cell.y),
                 fy = scene_.locator->lonlat(cell.x, cell.y + 1);
      if (!f || !fx || !fy) return std::nullopt;
      const double ax = nearest_longitude(fx->lon, f->lon) - f->lon, ay = fx->lat - f->lat;
      const double bx = nearest_longitude(fy->lon, f->lon) - f->lon, by = fy->lat - f->lat;
      const double determinant = ax * by - bx * ay;
      const double rx = nearest_longitude(target.x, f->lon) - f->lon, ry = target.y - f->lat;
      const double dx = (rx * by - bx * ry) / determinant, dy = (ax * ry - rx * ay) / determinant;
      if (!std::isfinite(dx) || !std::isfinite(dy)) return std::nullopt;
      cell.x += dx;
      cell.y += dy;
      if (std::hypot(dx, dy) < 0.01) return cell;
      if (std::abs(cell.x) > 3 * reach || std::abs(cell.y) > 3 * reach) return std::nullopt;
    }
    return std::nullopt;
  }

  const Grid& scene_;
  bool layer_is_geographic_, scene_is_geographic_ = false;
  Transformation transformation_;
  std::optional<Affine> to_cells_;  // exact, or a guess where there are only control points
  double centre_longitude_ = 0;
};

using Points = std::vector<Point>;

Points points_of(const OGRSimpleCurve& curve, double shift) {
  Points points;
  points.reserve(static_cast<std::size_t>(curve.getNumPoints()));
  for (int i = 0; i < curve.getNumPoints(); ++i) points.push_back({curve.getX(i) + shift, curve.getY(i)});
  return points;
}

/// The part of a ring on the inner side of one side of a rectangle (Sutherland and Hodgman, 1974).
template <class Distance>
Points clip_side(const Points& ring, Distance&& distance) {
  Points result;
  for (std::size_t i = 0; i < ring.size(); ++i) {
    const auto &a = ring[i], &b = ring[(i + 1) % ring.size()];
    const double da = distance(a), db = distance(b);
    if (da >= 0) result.push_back(a);
    if ((da >= 0) != (db >= 0)) {
      const double u = da / (da - db);
      result.push_back({a.x + u * (b.x - a.x), a.y + u * (b.y - a.y)});
    }
  }
  return result;
}

Points clip(Points ring, const Extent& e) {
  ring = clip_side(ring, [&](Point p) { return p.x - e.left; });
  ring = clip_side(ring, [&](Point p) { return e.right - p.x; });
  ring = clip_side(ring, [&](Point p) { return p.y - e.bottom; });
  return clip_side(ring, [&](Point p) { return e.top - p.y; });
}

/// A polygon in columns and rows of the scene, the shell first.
void draw_cells(Shapes& shapes, Coverage* coverage, std::vector<Points> rings, float value, bool all_touched) {
  if (rings.empty()) return;
  if (coverage != nullptr) return coverage->add_polygon(rings, value);
  shapes.add_polygon(rings);
  if (!all_touched) return;
  for (auto& ring : rings) {
    if (!ring.empty()) ring.push_back(ring.front());
    shapes.add_line(ring);
  }
}

/// Brings the geometries of a layer, copied `shift` degrees east, into the cells of the scene.
class Drawer {
 public:
  /// `coverage`: where shares are asked for, in place of `shapes`.
  Drawer(Shapes& shapes, Coverage* coverage, const ToCells& to_cells, const Extent& around, double shift,
         bool all_touched)
      : shapes_{shapes},
        coverage_{coverage},
        to_cells_{to_cells},
        around_{around},
        shift_{shift},
        longest_{std::max(around.right - around.left, around.top - around.bottom) / 256},
        all_touched_{all_touched} {}

  void add(const OGRGeometry& geometry) {
    switch (wkbFlatten(geometry.getGeometryType())) {
      case wkbPoint: {
        const auto& point = *geometry.toPoint();
        if (point.IsEmpty()) return;
        add_point({point.getX(), point.getY()});
        return;
      }
      case wkbLineString:
      case wkbLinearRing:
        add_line(points_of(*geometry.toSimpleCurve(), shift_));
        return;
      case wkbPolygon:
      case wkbTriangle:
        add_polygon(*geometry.toPolygon());
        return;
      case wkbMultiPoint:
      case wkbMultiLineString:
      case wkbMultiPolygon:
      case wkbGeometryCollection:
        for (const auto* part : *geometry.toGeometryCollection()) add(*part);
        return;
      case wkbPolyhedralSurface:
      case wkbTIN:
        for (const auto* part : *geometry.toPolyhedralSurface()) add_polygon(*part);
        return;
      default:
        return;
    }
  }

  /// The value of the shapes that follow.
  void set_value(float value) {
    value_ = value;
    shapes_.set_value(value);
  }
  void add_point(Point p) {
    if (const auto cell = to_cells_({p.x + shift_, p.y})) shapes_.add_point(*cell);
  }
  /// The shell first; in the layer's coordinates, not shifted.
  void add_rings(std::vector<Points> polygon) {
    std::vector<Points> rings;
    for (auto& points : polygon) {
      for (Point& p : points) p.x += shift_;
      // Far away a projection may have no answer. The clipped sides lie outside the scene.
      if (!to_cells_.straight()) points = clip(std::move(points), around_);
      if (points.empty() && rings.empty()) return;
      if (!points.empty()) rings.push_back(in_cells(points, true));
    }
    draw_cells(shapes_, coverage_, std::move(rings), value_, all_touched_);
  }
  void add_shifted_line(Points line) {
    for (Point& p : line) p.x += shift_;
    add_line(line);
  }

 private:
  void add_polygon(const OGRPolygon& polygon) {
    std::vector<Points> rings;
    for (const auto* ring : polygon) rings.push_back(points_of(*ring, 0));
    add_rings(std::move(rings));
  }

  void add_line(const Points& line) {
    if (to_cells_.straight()) {
      shapes_.add_line(in_cells(line, false));
      return;
    }
    // Segment by segment: those far away are left out.
    for (std::size_t i = 0; i + 1 < line.size(); ++i) {
      Extent reach;
      reach.add(line[i]);
      reach.add(line[i + 1]);
      if (reach.meets(around_)) shapes_.add_line(in_cells({line[i], line[i + 1]}, false));
    }
  }

  /// Straight in the layer is not straight in the scene: points in between keep the difference small.
  [[nodiscard]] Points in_cells(const Points& points, bool closed) const {
    Points result;
    const auto take = [&](Point p) {
      if (const auto cell = to_cells_(p)) result.push_back(*cell);
    };
    for (std::size_t i = 0; i < points.size(); ++i) {
      take(points[i]);
      if (to_cells_.straight() || (i + 1 == points.size() && !closed)) continue;
      const auto &a = points[i], &b = points[(i + 1) % points.size()];
      const auto parts = std::min(4096.0, std::ceil(std::hypot(b.x - a.x, b.y - a.y) / longest_));
      for (double k = 1; k < parts; ++k) take({a.x + (b.x - a.x) * k / parts, a.y + (b.y - a.y) * k / parts});
    }
    return result;
  }

  Shapes& shapes_;
  Coverage* coverage_;
  float value_ = 1;
  const ToCells& to_cells_;
  Extent around_;
  double shift_;
  double longest_;
  bool all_touched_;
};

/// Shapes with their values, or their shares of cells, over one scene.
struct Drawn {
  Drawn(const Grid& scene, bool fractions) : shapes{scene.width, scene.height} {
    if (fractions) coverage.emplace(scene.width, scene.height);
  }
  [[nodiscard]] Coverage* shares() { return coverage ? &*coverage : nullptr; }
  /// After the last shape. Zones that overlap have each all their cells; of other values the later is on top.
  void finish(bool zones, const Grid& scene) {
    if (coverage)
      coverage->finish();
    else if (zones)
      overlaps.emplace(shapes, scene.width, scene.height);
  }

  Shapes shapes;
  std::optional<Coverage> coverage;
  std::optional<Overlaps> overlaps;
  std::int64_t count = 0;
};

/// The values of shapes: numbers of zones, or an attribute.
class ValuesReader : public RasterReader {
 public:
  explicit ValuesReader(std::shared_ptr<const Drawn> drawn) : drawn_{std::move(drawn)} {}
  void read(int, const Window& window, void* cells, std::int64_t stride) override {
    auto* values = static_cast<float*>(cells);
    if (drawn_->coverage)
      drawn_->coverage->draw(window, values, stride);
    else
      drawn_->shapes.draw_values(window, values, stride);
    if (drawn_->overlaps) drawn_->overlaps->draw(window, values, stride);
  }
  void read_mask(int, const Window&, std::uint8_t*, std::int64_t) override {
    fail(Errc::runtime, "shapes have no mask");
  }

 private:
  std::shared_ptr<const Drawn> drawn_;
};

std::shared_ptr<const Drawn> drawn_from_table(const CompanionRequest& request, const Grid& scene,
                                              const FeatureTable& table);

/// Drawn when it is made, or later from a table.
class ShapedSource : public DrawnSource {
 public:
  ShapedSource(CompanionRequest request, Grid grid, StoredBand band, std::shared_ptr<const Drawn> drawn)
      : request_{std::move(request)}, grid_{std::move(grid)}, bands_{std::move(band)}, drawn_{std::move(drawn)} {}

  [[nodiscard]] const std::string& name() const override { return request_.path; }
  [[nodiscard]] const Grid& grid() const override { return grid_; }
  [[nodiscard]] const std::vector<StoredBand>& bands() const override { return bands_; }
  [[nodiscard]] Window block() const override { return {0, 0, 512, 256}; }
  [[nodiscard]] bool computed() const override { return true; }
  [[nodiscard]] bool looks_negative(int) const override { return false; }
  void draw(const FeatureTable& table) override { drawn_ = drawn_from_table(request_, grid_, table); }

 protected:
  [[nodiscard]] const std::shared_ptr<const Drawn>& drawn() const { return drawn_; }
  [[nodiscard]] std::shared_ptr<const Drawn> must_be_drawn() const {
    if (!drawn_) fail(Errc::runtime, fmt::format("{} is read before it is drawn", request_.path));
    return drawn_;
  }

 private:
  CompanionRequest request_;
  Grid grid_;
  std::vector<StoredBand> bands_;
  std::shared_ptr<const Drawn> drawn_;
};

class ValuesSource : public ShapedSource {
 public:
  ValuesSource(CompanionRequest request, Grid grid, std::shared_ptr<const Drawn> drawn)
      : ShapedSource{std::move(request), std::move(grid), StoredBand{}, std::move(drawn)} {}

  [[nodiscard]] std::unique_ptr<RasterReader> reader() const override {
    return std::make_unique<ValuesReader>(must_be_drawn());
  }
  [[nodiscard]] std::map<std::string, std::string> metadata() const override {
    if (!drawn()) return {};
    return {{"FULMAR_COUNT", std::to_string(drawn()->count)}};
  }
  [[nodiscard]] std::shared_ptr<const std::vector<double>> numbers() const override {
    if (drawn() && drawn()->coverage) return {drawn(), &drawn()->coverage->shares()};
    if (drawn() && drawn()->overlaps) return {drawn(), &drawn()->overlaps->shares()};
    return nullptr;
  }
  [[nodiscard]] std::int64_t held_bytes() const override {
    if (drawn() && drawn()->coverage) return drawn()->coverage->bytes();
    return drawn() && drawn()->overlaps ? drawn()->overlaps->bytes() : 0;
  }
};

class ShapesReader : public RasterReader {
 public:
  explicit ShapesReader(std::shared_ptr<const Drawn> drawn) : drawn_{std::move(drawn)} {}
  void read(int, const Window& window, void* cells, std::int64_t stride) override {
    drawn_->shapes.draw(window, static_cast<std::uint8_t*>(cells), stride);
  }
  void read_mask(int, const Window&, std::uint8_t*, std::int64_t) override {
    fail(Errc::runtime, "outlines have no mask");
  }

 private:
  std::shared_ptr<const Drawn> drawn_;
};

class ShapesSource : public ShapedSource {
 public:
  ShapesSource(CompanionRequest request, Grid grid, std::shared_ptr<const Drawn> drawn)
      : ShapedSource{std::move(request), std::move(grid), outlines_band(), std::move(drawn)} {}
  [[nodiscard]] std::unique_ptr<RasterReader> reader() const override {
    return std::make_unique<ShapesReader>(must_be_drawn());
  }
};

OGRLayer& choose_layer(GDALDataset& dataset, const CompanionRequest& request) {
  std::string names;
  for (int i = 0; i < dataset.GetLayerCount(); ++i)
    names += fmt::format("{}'{}'", i == 0 ? "" : ", ", dataset.GetLayer(i)->GetName());
  if (!request.options.layer.empty()) {
    auto* layer = dataset.GetLayerByName(request.options.layer.c_str());
    if (layer == nullptr)
      fail(Errc::usage, fmt::format("'{}' has no layer '{}'; it has {}", request.path, request.options.layer,
                                    names.empty() ? "none" : names));
    return *layer;
  }
  if (dataset.GetLayerCount() == 0) fail(Errc::input, fmt::format("'{}' has no layers", request.path));
  if (dataset.GetLayerCount() > 1)
    fail(Errc::usage, fmt::format("'{}' has several layers ({}); choose one with --layer", request.path, names));
  return *dataset.GetLayer(0);
}

/// The scene's extent in the layer's coordinates, a little wider than it is.
Extent around(const Grid& scene, const OGRSpatialReference& crs) {
  auto e = extent_of(LatticeTransformer{scene, wkt2(&crs)}.sample());
  if (e.empty()) return e;
  const double columns = static_cast<double>(std::max<std::int64_t>(1, std::min(scene.width, scene.height)));
  const double margin = std::max(e.right - e.left, e.top - e.bottom) * (0.05 + 4 / columns);
  e.left -= margin;
  e.right += margin;
  e.bottom -= margin;
  e.top += margin;
  // A scene that holds a pole is on all longitudes, up to the pole.
  if (crs.IsGeographic() && e.right - e.left > 330 && !scene.geographic) {
    e.left = std::min(e.left, -180.0);
    e.right = std::max(e.right, 180.0);
    if (e.top > 60) e.top = 90;
    if (e.bottom < -60) e.bottom = -90;
  }
  return e;
}

/// Which field of a layer gives the value of its shapes; the number of the feature (from 1) where `name` is empty.
int field_of(OGRLayer& layer, const CompanionRequest& request, const std::string& name) {
  if (name.empty()) return -1;
  const auto& definition = *layer.GetLayerDefn();
  std::vector<std::string> names;
  for (int i = 0; i < definition.GetFieldCount(); ++i) {
    const auto& field = *definition.GetFieldDefn(i);
    const auto type = field.GetType();
    if (EQUAL(field.GetNameRef(), name.c_str())) {
      if (type != OFTInteger && type != OFTInteger64 && type != OFTReal)
        fail(Errc::usage, fmt::format("column '{}' of '{}' holds no numbers", name, request.path));
      return i;
    }
    names.emplace_back(field.GetNameRef());
  }
  fail(Errc::usage, fmt::format("'{}' has {}", request.path, TableView::no_column(name, names)));
}

std::string parameter_of(const CompanionRequest& request, const std::string& name) {
  const auto found = request.values.find(name);
  return found == request.values.end() ? std::string{} : found->second;
}

bool touches(const CompanionRequest& request) {
  return parameter_of(request, "all-touched") == "true" || parameter_of(request, "cover") == "all-touched";
}
bool wants_fractions(const CompanionRequest& request) { return parameter_of(request, "cover") == "fraction"; }
/// True if the values are numbers of zones, which are counted.
bool wants_zones(const CompanionRequest& request) { return request.values.contains("zones-count"); }

[[noreturn]] void fail_without_place(const std::string& path) {
  fail(Errc::input, fmt::format("the scene has no coordinate system, so '{}' cannot be laid over it; give the scene "
                                "one, for example with gdal_edit.py -a_srs",
                                path));
}

/// More features than this have no number that a float holds.
constexpr std::size_t most_numbers = std::size_t{1} << 24;

std::shared_ptr<const RasterSource> from_vector(const CompanionRequest& request, const Grid& scene,
                                                GDALDataset& dataset, bool values) {
  const ErrorTrap trap;
  auto& layer = choose_layer(dataset, request);
  const auto* stated = layer.GetSpatialRef();
  if (stated == nullptr || stated->IsEmpty())
    fail(Errc::input,
         fmt::format("'{}' has no coordinate system; give it one, for example with ogr2ogr -a_srs", request.path));
  if (!lies_somewhere(scene)) fail_without_place(request.path);
  auto crs = *stated;
  crs.SetAxisMappingStrategy(OAMS_TRADITIONAL_GIS_ORDER);
  const auto wanted = around(scene, crs);
  OGREnvelope envelope;
  if (layer.GetExtent(&envelope, TRUE) != OGRERR_NONE)
    fail(Errc::input, fmt::format("layer '{}' of '{}' holds no shapes{}", layer.GetName(), request.path, trap.aside()));
  Extent own;
  own.add({envelope.MinX, envelope.MinY});
  own.add({envelope.MaxX, envelope.MaxY});

  const int field = values ? field_of(layer, request, parameter_of(request, "column")) : -1;
  const bool all_touched = values && touches(request);
  // The number of each feature, whatever part of the layer a filter lets through.
  std::map<GIntBig, float> numbers;
  if (values && field < 0) {
    layer.SetSpatialFilter(nullptr);
    float next = 0;
    for (const auto& feature : layer) numbers[feature->GetFID()] = ++next;
    if (numbers.size() > most_numbers)
      fail(Errc::input, fmt::format("'{}' holds more than {} features", request.path, most_numbers));
  }
  auto drawn = std::make_shared<Drawn>(scene, values && wants_fractions(request));
  const ToCells to_cells{scene, crs};
  bool meets = false;
  // Longitudes may be counted in another turn in the layer than in the scene, or in two.
  for (const double turn : {0.0, 360.0, -360.0}) {
    if ((turn != 0 && !crs.IsGeographic()) || wanted.empty() || !own.shifted(turn).meets(wanted)) continue;
    meets = true;
    const auto there = wanted.shifted(-turn);
    layer.SetSpatialFilterRect(there.left, there.bottom, there.right, there.top);
    Drawer drawer{drawn->shapes, drawn->shares(), to_cells, wanted, turn, all_touched};
    for (const auto& feature : layer)
      if (const auto* geometry = feature->GetGeometryRef()) {
        const std::unique_ptr<OGRGeometry> linear{geometry->hasCurveGeometry() ? geometry->getLinearGeometry()
                                                                               : nullptr};
        if (values) {
          if (field >= 0 && !feature->IsFieldSetAndNotNull(field)) continue;
          drawer.set_value(field >= 0 ? static_cast<float>(feature->GetFieldAsDouble(field))
                                      : numbers[feature->GetFID()]);
        }
        drawer.add(linear ? *linear : *geometry);
      }
    if (trap.failed()) fail(Errc::input, fmt::format("cannot read '{}' to its end{}", request.path, trap.aside()));
  }
  if (!meets) fail_apart(request.path, own, wanted);
  if (!values) return std::make_shared<ShapesSource>(request, scene, std::move(drawn));
  drawn->count = static_cast<std::int64_t>(numbers.size());
  drawn->finish(wants_zones(request), scene);
  return std::make_shared<ValuesSource>(request, scene, std::move(drawn));
}

// --- from tables -----------------------------------------------------------------------------------------------------

/// The CRS in which a table's shapes lie.
OGRSpatialReference crs_of(const CompanionRequest& request, const FeatureTable& table) {
  const Grid& grid = table.grid;
  const bool placed = table.geometry == Geometry::point || (table.geometry == Geometry::cells && !grid.affine);
  auto crs = spatial_reference(placed ? "EPSG:4326" : table.geometry == Geometry::cells ? grid.crs : table.crs);
  if (!crs) fail(Errc::input, fmt::format("{} has no coordinate system; give the table one", request.path));
  crs->SetAxisMappingStrategy(OAMS_TRADITIONAL_GIS_ORDER);
  return *crs;
}

/// A row's polygons in coordinates of the table's CRS; corners of cells without a place are left out.
std::vector<std::vector<Points>> polygons_of(const FeatureTable& table, const Feature& row, const Locator* locator) {
  std::vector<std::vector<Points>> polygons;
  for (const Polygon& polygon : row.polygons) {
    auto& rings = polygons.emplace_back();
    for (const Ring& ring : polygon) {
      auto& points = rings.emplace_back();
      for (const Corner& c : ring) {
        const auto column = static_cast<double>(c.column), line = static_cast<double>(c.row);
        if (table.grid.affine)
          points.push_back(fulmar::apply(*table.grid.affine, column, line));
        else if (const auto place = locator != nullptr ? locator->lonlat(column, line) : std::nullopt)
          points.push_back({place->lon, place->lat});
      }
    }
  }
  for (const auto& part : row.shape) {
    auto& rings = polygons.emplace_back();
    for (const Path& path : part) {
      auto& points = rings.emplace_back();
      for (const Coordinate& c : path) points.push_back({c.x, c.y});
    }
  }
  return polygons;
}

/// The column that gives the value of shapes; -1 for their numbers.
int column_of(const CompanionRequest& request, const FeatureTable& table) {
  const std::string name = parameter_of(request, "column");
  if (name.empty()) return -1;
  std::vector<std::string> names;
  for (std::size_t c = 0; c < table.columns.size(); ++c) {
    names.push_back(table.columns[c].name);
    if (!TableView::same_word(names.back(), name)) continue;
    if (table.columns[c].type == ColumnType::text)
      fail(Errc::usage, fmt::format("column '{}' of {} holds no numbers", name, request.path));
    return static_cast<int>(c);
  }
  fail(Errc::usage, fmt::format("{} has {}", request.path, TableView::no_column(name, names)));
}

std::shared_ptr<const Drawn> drawn_from_table(const CompanionRequest& request, const Grid& scene,
                                              const FeatureTable& table) {
  if (table.geometry == Geometry::none)
    fail(Errc::input, fmt::format("the rows of {} have no shapes to be drawn: give a table whose rows have geometries",
                                  request.path));
  const int column = column_of(request, table);
  if (table.rows.size() > most_numbers)
    fail(Errc::input, fmt::format("{} holds more than {} rows", request.path, most_numbers));
  auto drawn = std::make_shared<Drawn>(scene, wants_fractions(request));
  drawn->count = static_cast<std::int64_t>(table.rows.size());
  const auto value_of_row = [&](std::size_t row) {
    return column < 0 ? static_cast<float>(row + 1)
                      : static_cast<float>(table.rows[row].values[static_cast<std::size_t>(column)]);
  };
  const auto finished = [&] {
    drawn->finish(wants_zones(request), scene);
    return drawn;
  };
  const bool here = table.geometry == Geometry::cells && table.grid.same_cells(scene);
  if (!here && !table.rows.empty() && !lies_somewhere(scene)) fail_without_place(request.path);
  if (table.rows.empty()) return finished();
  if (here) {
    // Corners of the scene's own cells need no coordinates.
    for (std::size_t row = 0; row < table.rows.size(); ++row) {
      const float value = value_of_row(row);
      if (std::isnan(value)) continue;
      for (const Polygon& polygon : table.rows[row].polygons) {
        std::vector<Points> rings;
        for (const Ring& ring : polygon) {
          auto& points = rings.emplace_back();
          for (const Corner& c : ring) points.push_back({static_cast<double>(c.column), static_cast<double>(c.row)});
        }
        drawn->shapes.set_value(value);
        draw_cells(drawn->shapes, drawn->shares(), std::move(rings), value, touches(request));
      }
    }
    return finished();
  }
  const auto crs = crs_of(request, table);
  const auto locator = table.geometry == Geometry::cells && !table.grid.affine
                           ? (table.grid.locator ? table.grid.locator : make_locator(table.grid))
                           : nullptr;
  std::vector<std::vector<std::vector<Points>>> shapes;
  Extent own;
  for (const Feature& row : table.rows) {
    shapes.push_back(polygons_of(table, row, locator.get()));
    for (const auto& polygon : shapes.back())
      for (const auto& ring : polygon)
        for (const Point& p : ring) own.add(p);
    if (table.geometry == Geometry::point && std::isfinite(row.place.lon + row.place.lat))
      own.add({row.place.lon, row.place.lat});
  }
  const auto wanted = around(scene, crs);
  const ToCells to_cells{scene, crs};
  bool meets = false;
  for (const double turn : {0.0, 360.0, -360.0}) {
    if ((turn != 0 && !crs.IsGeographic()) || wanted.empty() || !own.shifted(turn).meets(wanted)) continue;
    meets = true;
    Drawer drawer{drawn->shapes, drawn->shares(), to_cells, wanted, turn, touches(request)};
    for (std::size_t row = 0; row < table.rows.size(); ++row) {
      const float value = value_of_row(row);
      if (std::isnan(value)) continue;
      drawer.set_value(value);
      const LonLat place = table.rows[row].place;
      if (table.geometry == Geometry::point && std::isfinite(place.lon + place.lat))
        drawer.add_point({place.lon, place.lat});
      for (const auto& polygon : shapes[row])
        if (table.geometry == Geometry::line)
          for (const Points& line : polygon) drawer.add_shifted_line(line);
        else
          drawer.add_rings(polygon);
    }
  }
  if (!meets) fail_apart(request.path, own, wanted);
  return finished();
}

}  // namespace

std::shared_ptr<const RasterSource> open_outlines(const CompanionRequest& request, const Grid& grid) {
  if (request.raster) return from_raster(request, grid);
  if (request.table)
    return std::make_shared<ShapesSource>(request, grid, drawn_from_table(request, grid, *request.table));
  if (request.path.empty()) fail(Errc::usage, "the file of outlines is not named");
  const ErrorTrap trap;
  const auto raster = open_dataset(request.path, GDAL_OF_RASTER, request.options.open_options);
  if (raster && raster->GetRasterCount() > 0) {
    check_open_options(request.path, *raster, request.options.open_options);
    return from_raster(request, grid);
  }
  if (const auto vector = open_dataset(request.path, GDAL_OF_VECTOR, request.options.open_options)) {
    check_open_options(request.path, *vector, request.options.open_options);
    return from_vector(request, grid, *vector, false);
  }
  if (const auto trouble = file_trouble(request.path); !trouble.empty())
    fail(Errc::input, fmt::format("cannot open '{}': {}{}", request.path, trouble, trap.aside()));
  fail(Errc::input,
       fmt::format("'{}' is neither a raster nor a vector file that GDAL can read{}", request.path, trap.aside()));
}

std::shared_ptr<const RasterSource> open_shape_values(const CompanionRequest& request, const Grid& grid) {
  if (request.raster && !wants_zones(request))
    fail(Errc::usage,
         fmt::format("'{}' is a raster, and shapes are needed: a table whose rows have geometries", request.path));
  if (request.raster) return zones_of_raster(request, grid);
  if (request.table)
    return std::make_shared<ValuesSource>(request, grid, drawn_from_table(request, grid, *request.table));
  if (request.path.empty()) fail(Errc::usage, "the file of shapes is not named");
  const ErrorTrap trap;
  // Zones, of which there is a number, may also be a raster.
  if (wants_zones(request))
    if (const auto raster = open_dataset(request.path, GDAL_OF_RASTER, request.options.open_options);
        raster && raster->GetRasterCount() > 0) {
      check_open_options(request.path, *raster, request.options.open_options);
      return zones_of_raster(request, grid);
    }
  if (const auto vector = open_dataset(request.path, GDAL_OF_VECTOR, request.options.open_options);
      vector && vector->GetLayerCount() > 0) {
    check_open_options(request.path, *vector, request.options.open_options);
    return from_vector(request, grid, *vector, true);
  }
  if (const auto trouble = file_trouble(request.path); !trouble.empty())
    fail(Errc::input, fmt::format("cannot open '{}': {}{}", request.path, trouble, trap.aside()));
  fail(Errc::input, fmt::format("'{}' is no vector file that GDAL can read{}", request.path, trap.aside()));
}

std::shared_ptr<DrawnSource> shapes_of_table(const CompanionRequest& request, const Grid& grid) {
  if (request.kind == "outlines") return std::make_shared<ShapesSource>(request, grid, nullptr);
  return std::make_shared<ValuesSource>(request, grid, nullptr);
}

}  // namespace fulmar
