// SPDX-License-Identifier: Apache-2.0
#include "io/outlines.hpp"

#include <fmt/format.h>
#include <ogrsf_frmts.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "core/error.hpp"
#include "io/computed_source.hpp"
#include "io/crs.hpp"
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

[[noreturn]] void fail_without_crs(const std::string& path) {
  fail(Errc::input,
       fmt::format("'{}' has no coordinate system, and not the scene's size; give it one, for example with "
                   "gdal_edit.py -a_srs or ogr2ogr -a_srs",
                   path));
}

// --- from a raster ---------------------------------------------------------------------------------------------------

/// What the readers of a mask share.
struct Mask {
  std::shared_ptr<const RasterSource> source;
  Grid scene;
  Affine to_cells{};
  bool same_cells = false;  // no CRS, but the scene's size
};

/// Sets a cell to 1 where the mask's cell is neither 0 nor missing.
struct Inside {
  const StoredBand& band;

  template <class T>
  bool operator()(T stored) const {
    if constexpr (std::is_integral_v<T> && sizeof(T) == 8)
      if (band.nodata_i64 && stored == static_cast<T>(*band.nodata_i64)) return false;
    const auto value = static_cast<double>(stored);
    if (!std::isfinite(value) || (band.nodata && value == *band.nodata)) return false;
    return value * band.scale + band.offset != 0;
  }
};

class MaskReader : public RasterReader {
 public:
  explicit MaskReader(std::shared_ptr<const Mask> mask) : mask_{std::move(mask)}, reader_{mask_->source->reader()} {
    if (!mask_->same_cells) lattice_.emplace(mask_->scene, mask_->source->grid().crs);
  }

  void read(int, const Window& window, void* cells, std::int64_t stride) override {
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
    fill({0, 0, window.width, window.height}, window.width, static_cast<std::uint8_t*>(cells), stride);
  }

  void read_mask(int, const Window&, std::uint8_t*, std::int64_t) override {
    fail(Errc::runtime, "outlines have no mask");
  }

 private:
  struct Place {
    std::int64_t column = 0, row = 0;
  };

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
  void fill(const Window& part, std::int64_t width, std::uint8_t* cells, std::int64_t stride) {
    Window needed;
    for (auto y = part.y; y < part.bottom(); ++y)
      for (auto x = part.x; x < part.right(); ++x)
        if (const auto& place = places_[static_cast<std::size_t>(y * width + x)]; place.column >= 0) {
          if (needed.contains(place.column, place.row)) continue;
          needed = hull(needed, {place.column, place.row, 1, 1});
        }
    constexpr std::int64_t few = 1 << 16;
    if (needed.cells() > std::max(few, 16 * part.cells()) && part.cells() > 1) {
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
    const auto& band = mask_->source->bands().front();
    if (!needed.empty()) load(needed, band);
    with_type(band.dtype, [&](auto zero) {
      using T = decltype(zero);
      const auto* stored = reinterpret_cast<const T*>(stored_.data());
      const Inside inside{band};
      for (auto y = part.y; y < part.bottom(); ++y)
        for (auto x = part.x; x < part.right(); ++x) {
          const auto& place = places_[static_cast<std::size_t>(y * width + x)];
          auto& cell = cells[y * stride + x];
          cell = 0;
          if (place.column < 0) continue;
          const auto index = static_cast<std::size_t>((place.row - needed.y) * needed.width + place.column - needed.x);
          if (band.has_mask && valid_[index] == 0) continue;
          cell = inside(stored[index]) ? 1 : 0;
        }
    });
  }

  void load(const Window& needed, const StoredBand& band) {
    const auto cells = static_cast<std::size_t>(needed.cells());
    // Of the widest type, so that any type lies aligned in it.
    stored_.resize((cells * size_of(band.dtype) + sizeof(double) - 1) / sizeof(double));
    reader_->read(0, needed, stored_.data(), needed.width);
    if (!band.has_mask) return;
    valid_.resize(cells);
    reader_->read_mask(0, needed, valid_.data(), needed.width);
  }

  std::shared_ptr<const Mask> mask_;
  std::unique_ptr<RasterReader> reader_;
  std::optional<LatticeTransformer> lattice_;
  std::vector<Place> places_;  // the mask's cell for each cell of the request
  std::vector<Point> points_;
  std::vector<double> stored_;
  std::vector<std::uint8_t> valid_;
};

class MaskSource : public ComputedSource {
 public:
  MaskSource(std::string name, std::shared_ptr<const Mask> mask)
      : ComputedSource{std::move(name), mask->scene, outlines_band()}, mask_{std::move(mask)} {}
  [[nodiscard]] int parallel_readers() const override { return mask_->source->parallel_readers(); }
  [[nodiscard]] std::unique_ptr<RasterReader> reader() const override { return std::make_unique<MaskReader>(mask_); }

 private:
  std::shared_ptr<const Mask> mask_;
};

bool lies_somewhere(const Grid& grid) { return grid.affine ? !grid.crs.empty() : grid.locator != nullptr; }

std::shared_ptr<const RasterSource> from_raster(const CompanionRequest& request, const Grid& scene) {
  auto mask = std::make_shared<Mask>();
  mask->source = open_raster(request.path, request.options);
  mask->scene = scene;
  const auto& grid = mask->source->grid();
  const bool placed = grid.affine && !grid.crs.empty();
  if (!placed || !lies_somewhere(scene)) {
    if (grid.width != scene.width || grid.height != scene.height) {
      if (!placed && grid.control_points.empty()) fail_without_crs(request.path);
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
    return std::make_shared<MaskSource>(request.path, std::move(mask));
  }
  mask->to_cells = inverse(*grid.affine).value();
  Extent own;
  for (const double column : {0.0, static_cast<double>(grid.width)})
    for (const double row : {0.0, static_cast<double>(grid.height)}) own.add(fulmar::apply(*grid.affine, column, row));
  const auto scene_extent = extent_of(LatticeTransformer{scene, grid.crs}.sample());
  bool meets = own.meets(scene_extent);
  for (const double turn : {360.0, -360.0}) meets = meets || (grid.geographic && own.shifted(turn).meets(scene_extent));
  if (!meets || scene_extent.empty()) fail_apart(request.path, own, scene_extent);
  return std::make_shared<MaskSource>(request.path, std::move(mask));
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

/// Brings the geometries of a layer, copied `shift` degrees east, into the cells of the scene.
class Drawer {
 public:
  Drawer(Shapes& shapes, const ToCells& to_cells, const Extent& around, double shift, bool all_touched)
      : shapes_{shapes},
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
        if (const auto cell = to_cells_({point.getX() + shift_, point.getY()})) shapes_.add_point(*cell);
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

 private:
  void add_polygon(const OGRPolygon& polygon) {
    std::vector<Points> rings;
    for (const auto* ring : polygon) {
      auto points = points_of(*ring, shift_);
      // Far away a projection may have no answer. The clipped sides lie outside the scene.
      if (!to_cells_.straight()) points = clip(std::move(points), around_);
      if (!points.empty()) rings.push_back(in_cells(points, true));
    }
    if (rings.empty()) return;
    shapes_.add_polygon(rings);
    if (!all_touched_) return;
    for (auto& ring : rings) {
      if (!ring.empty()) ring.push_back(ring.front());
      shapes_.add_line(ring);
    }
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
  const ToCells& to_cells_;
  Extent around_;
  double shift_;
  double longest_;
  bool all_touched_;
};

/// The values of shapes: numbers of zones, or an attribute.
class ValuesReader : public RasterReader {
 public:
  explicit ValuesReader(std::shared_ptr<const Shapes> shapes) : shapes_{std::move(shapes)} {}
  void read(int, const Window& window, void* cells, std::int64_t stride) override {
    shapes_->draw_values(window, static_cast<float*>(cells), stride);
  }
  void read_mask(int, const Window&, std::uint8_t*, std::int64_t) override {
    fail(Errc::runtime, "shapes have no mask");
  }

 private:
  std::shared_ptr<const Shapes> shapes_;
};

class ValuesSource : public ComputedSource {
 public:
  ValuesSource(std::string name, Grid grid, std::shared_ptr<const Shapes> shapes, std::int64_t count)
      : ComputedSource{std::move(name), std::move(grid), StoredBand{}}, shapes_{std::move(shapes)}, count_{count} {}
  [[nodiscard]] std::unique_ptr<RasterReader> reader() const override {
    return std::make_unique<ValuesReader>(shapes_);
  }
  [[nodiscard]] std::map<std::string, std::string> metadata() const override {
    return {{"FULMAR_COUNT", std::to_string(count_)}};
  }

 private:
  std::shared_ptr<const Shapes> shapes_;
  std::int64_t count_;
};

class ShapesReader : public RasterReader {
 public:
  explicit ShapesReader(std::shared_ptr<const Shapes> shapes) : shapes_{std::move(shapes)} {}
  void read(int, const Window& window, void* cells, std::int64_t stride) override {
    shapes_->draw(window, static_cast<std::uint8_t*>(cells), stride);
  }
  void read_mask(int, const Window&, std::uint8_t*, std::int64_t) override {
    fail(Errc::runtime, "outlines have no mask");
  }

 private:
  std::shared_ptr<const Shapes> shapes_;
};

class ShapesSource : public ComputedSource {
 public:
  ShapesSource(std::string name, Grid grid, std::shared_ptr<const Shapes> shapes)
      : ComputedSource{std::move(name), std::move(grid), outlines_band()}, shapes_{std::move(shapes)} {}
  [[nodiscard]] std::unique_ptr<RasterReader> reader() const override {
    return std::make_unique<ShapesReader>(shapes_);
  }

 private:
  std::shared_ptr<const Shapes> shapes_;
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
  std::string names;
  for (int i = 0; i < definition.GetFieldCount(); ++i) {
    const auto& field = *definition.GetFieldDefn(i);
    const auto type = field.GetType();
    if (EQUAL(field.GetNameRef(), name.c_str())) {
      if (type != OFTInteger && type != OFTInteger64 && type != OFTReal)
        fail(Errc::usage, fmt::format("column '{}' of '{}' holds no numbers", name, request.path));
      return i;
    }
    names += fmt::format("{}{}", i == 0 ? "" : ", ", field.GetNameRef());
  }
  fail(Errc::usage,
       fmt::format("'{}' has no column '{}'; it has {}", request.path, name, names.empty() ? "none" : names));
}

std::string value_of(const CompanionRequest& request, const std::string& name) {
  const auto found = request.values.find(name);
  return found == request.values.end() ? std::string{} : found->second;
}

std::shared_ptr<const RasterSource> from_vector(const CompanionRequest& request, const Grid& scene,
                                                GDALDataset& dataset, bool values) {
  const ErrorTrap trap;
  auto& layer = choose_layer(dataset, request);
  const auto* stated = layer.GetSpatialRef();
  if (stated == nullptr || stated->IsEmpty())
    fail(Errc::input,
         fmt::format("'{}' has no coordinate system; give it one, for example with ogr2ogr -a_srs", request.path));
  if (!lies_somewhere(scene))
    fail(Errc::input, fmt::format("the scene has no coordinate system, so '{}' cannot be laid over it; give the scene "
                                  "one, for example with gdal_edit.py -a_srs",
                                  request.path));
  auto crs = *stated;
  crs.SetAxisMappingStrategy(OAMS_TRADITIONAL_GIS_ORDER);
  const auto wanted = around(scene, crs);
  OGREnvelope envelope;
  if (layer.GetExtent(&envelope, TRUE) != OGRERR_NONE)
    fail(Errc::input, fmt::format("layer '{}' of '{}' holds no shapes{}", layer.GetName(), request.path, trap.aside()));
  Extent own;
  own.add({envelope.MinX, envelope.MinY});
  own.add({envelope.MaxX, envelope.MaxY});

  const int field = values ? field_of(layer, request, value_of(request, "column")) : -1;
  const bool all_touched = values && value_of(request, "all-touched") == "true";
  // The number of each feature, whatever part of the layer a filter lets through.
  std::map<GIntBig, float> numbers;
  if (values && field < 0) {
    layer.SetSpatialFilter(nullptr);
    float next = 0;
    for (const auto& feature : layer) numbers[feature->GetFID()] = ++next;
    if (numbers.size() > (1U << 24))
      fail(Errc::input, fmt::format("'{}' holds more than {} features", request.path, 1 << 24));
  }
  auto shapes = std::make_shared<Shapes>(scene.width, scene.height);
  const ToCells to_cells{scene, crs};
  bool meets = false;
  // Longitudes may be counted in another turn in the layer than in the scene, or in two.
  for (const double turn : {0.0, 360.0, -360.0}) {
    if ((turn != 0 && !crs.IsGeographic()) || wanted.empty() || !own.shifted(turn).meets(wanted)) continue;
    meets = true;
    const auto there = wanted.shifted(-turn);
    layer.SetSpatialFilterRect(there.left, there.bottom, there.right, there.top);
    Drawer drawer{*shapes, to_cells, wanted, turn, all_touched};
    for (const auto& feature : layer)
      if (const auto* geometry = feature->GetGeometryRef()) {
        const std::unique_ptr<OGRGeometry> linear{geometry->hasCurveGeometry() ? geometry->getLinearGeometry()
                                                                               : nullptr};
        if (values) {
          if (field >= 0 && !feature->IsFieldSetAndNotNull(field)) continue;
          shapes->set_value(field >= 0 ? static_cast<float>(feature->GetFieldAsDouble(field))
                                       : numbers[feature->GetFID()]);
        }
        drawer.add(linear ? *linear : *geometry);
      }
    if (trap.failed()) fail(Errc::input, fmt::format("cannot read '{}' to its end{}", request.path, trap.aside()));
  }
  if (!meets) fail_apart(request.path, own, wanted);
  if (values)
    return std::make_shared<ValuesSource>(request.path, scene, std::move(shapes),
                                          static_cast<std::int64_t>(numbers.size()));
  return std::make_shared<ShapesSource>(request.path, scene, std::move(shapes));
}

}  // namespace

std::shared_ptr<const RasterSource> open_outlines(const CompanionRequest& request, const Grid& grid) {
  if (request.path.empty()) fail(Errc::usage, "the file of outlines is not named");
  const ErrorTrap trap;
  const auto raster = open_dataset(request.path, GDAL_OF_RASTER, request.options.open_options);
  if (raster && raster->GetRasterCount() > 0) return from_raster(request, grid);
  if (const auto vector = open_dataset(request.path, GDAL_OF_VECTOR, request.options.open_options))
    return from_vector(request, grid, *vector, false);
  if (const auto trouble = file_trouble(request.path); !trouble.empty())
    fail(Errc::input, fmt::format("cannot open '{}': {}{}", request.path, trouble, trap.aside()));
  fail(Errc::input,
       fmt::format("'{}' is neither a raster nor a vector file that GDAL can read{}", request.path, trap.aside()));
}

std::shared_ptr<const RasterSource> open_shape_values(const CompanionRequest& request, const Grid& grid) {
  if (request.path.empty()) fail(Errc::usage, "the file of shapes is not named");
  const ErrorTrap trap;
  if (const auto vector = open_dataset(request.path, GDAL_OF_VECTOR, request.options.open_options);
      vector && vector->GetLayerCount() > 0)
    return from_vector(request, grid, *vector, true);
  if (const auto trouble = file_trouble(request.path); !trouble.empty())
    fail(Errc::input, fmt::format("cannot open '{}': {}{}", request.path, trouble, trap.aside()));
  fail(Errc::input, fmt::format("'{}' is no vector file that GDAL can read{}", request.path, trap.aside()));
}

}  // namespace fulmar
