// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/kept_rows.hpp"
#include "fulmar/op.hpp"
#include "sea/contextual_median.hpp"

namespace fulmar::ops {

/// The strength of fronts in a field such as sea surface temperature: the magnitude of its gradient per kilometre of
/// true ground, and the azimuth in which the field rises.
///
///   gradient        gx = (f(x+1) - f(x-1)) / 2dx, gy alike; missing where one of the four neighbours is
///   one_sided       the same, but where one neighbour of an axis is missing, the difference to the other over dx
///   sobel           weights 1 2 1 across, divided by 8; missing where one of the 3 x 3 cells is
///   belkin_oreilly  sobel of the contextual median MF3in5, which removes peaks of the 3 x 3 cells that are none of the
///                   four profiles of 5 cells, `iterations` times
///   front = 1000 sqrt(gx2 + gy2), direction = atan2(gx, gy) clockwise from north in [0, 360), missing where flat
/// dx, dy are metres of the cell's own row. With scale log10, as chlorophyll wants it, f is log10 of the field (before
/// the median), and what is not above 0 is missing. A missing cell stays missing, windows use valid cells only; beyond
/// the raster all is missing, so that no coast, cloud or edge makes a front. Rows run from north to south.
/// Errors: a scene that does not tell the size of its cells.
struct Front {
  enum class Method { gradient, one_sided, sobel, belkin_oreilly };
  enum class Scale { linear, log10 };
  struct Params {
    Method method = Method::sobel;
    Scale scale = Scale::linear;
    std::int32_t iterations = 1;
  } params;

  static Schema schema() {
    return Schema{"front", "Measure the strength of fronts: the gradient per kilometre."}
        .input("field", units::any, "Sea surface temperature, chlorophyll, or another field.")
        .output("front", "*/km", "Magnitude of the gradient.")
        .unit_by("scale", {"*/km", "1/km"})
        .output("direction", units::degree, "Azimuth in which the field rises.")
        .param("method", &Params::method, "How the gradient is taken.",
               {"gradient", "one_sided", "sobel", "belkin_oreilly"})
        .param("scale", &Params::scale, "The gradient of the field, or of its decimal logarithm.", {"linear", "log10"})
        .param("iterations", &Params::iterations, "How often the median is applied (belkin_oreilly).", units::one,
               between(1, 3))
        .example("sst.nc ! front --method belkin_oreilly ! fronts.tif")
        .cites("Belkin & O'Reilly 2009, J. Marine Systems 78, 319-326 (belkin_oreilly)")
        .agrees(exactly);
  }

  static void check(Params&, const fulmar_ground& ground) {
    if (!(ground.dx > 0 && ground.dy > 0))
      fail(Errc::usage,
           "the scene does not tell the size of its cells in metres, so there is no gradient per kilometre; give it a "
           "CRS, for example with gdal_edit.py -a_srs");
  }

  template <Scale scale>
  struct Value {
    FULMAR_HD static bool holds(double x) { return scale == Scale::linear ? !is_missing(x) : x > 0; }
    FULMAR_HD [[gnu::always_inline]] double operator()(double x) const {
      if constexpr (scale == Scale::linear)
        return x;
      else
        return holds(x) ? math::log10(x) : missing<double>;
    }
  };

  /// From differences per cell (east, north) to strength and direction. By force, or loops would call it cell by cell.
  FULMAR_HD [[gnu::always_inline]] static Both<float, float> strength(double east, double north, Here here) {
    constexpr double degrees = 0x1.ca5dc1a63c1f8p+5;  // 180 / pi
    const double gx = east / here.dx, gy = north / here.dy;
    // A row at a pole has no width.
    const double root = 1000 * math::sqrt(gx * gx + gy * gy);
    const double magnitude = here.dx > 1e-6 * here.dy ? root : missing<double>;
    const double azimuth = degrees * math::atan2(gx, gy);
    const auto turned = static_cast<float>(azimuth < 0 ? azimuth + 360 : azimuth);
    return {static_cast<float>(magnitude), magnitude > 0 ? (turned == 360.0f ? 0.0f : turned) : missing<float>};
  }

  template <Scale scale>
  struct Gradient {
    Params params;
    FULMAR_HD Box halo() const { return {1, 1}; }
    // In line always: a loop of calls is no vector loop.
    FULMAR_HD [[gnu::always_inline]] Both<float, float> operator()(Near<float> near, Here here) const {
      const Value<scale> f;
      const double centre = f(near(0, 0));
      const double east = (f(near(1, 0)) - f(near(-1, 0))) / 2, north = (f(near(0, -1)) - f(near(0, 1))) / 2;
      return strength(is_missing(centre) ? centre : east, north, here);
    }
  };

  template <Scale scale>
  struct OneSided {
    Params params;
    FULMAR_HD Box halo() const { return {1, 1}; }
    /// The difference per cell from `a` over `c` to `b`; from c alone where the other is missing.
    FULMAR_HD static double difference(double a, double c, double b) {
      const double whole = (b - a) / 2;
      const double half = is_missing(a) ? b - c : c - a;
      return is_missing(whole) ? half : whole;
    }
    FULMAR_HD [[gnu::always_inline]] Both<float, float> operator()(Near<float> near, Here here) const {
      const Value<scale> f;
      const double c = f(near(0, 0));
      const double east = difference(f(near(-1, 0)), c, f(near(1, 0)));
      const double north = difference(f(near(0, 1)), c, f(near(0, -1)));
      return strength(is_missing(c) ? c : east, north, here);
    }
  };

  /// Sobel's differences of the 3 x 3 values of `f(dx, dy)`; missing where one of them or `centre` is.
  template <class F>
  FULMAR_HD [[gnu::always_inline]] static Both<float, float> sobel(const F& f, double centre, Here here) {
    const double a = f(-1, -1), b = f(0, -1), c = f(1, -1), d = f(-1, 0), e = f(1, 0), g = f(-1, 1), h = f(0, 1),
                 i = f(1, 1);
    const double nine = a + b + c + d + centre + e + g + h + i;
    const double east = ((c - a) + 2 * (e - d) + (i - g)) / 8, north = ((a - g) + 2 * (b - h) + (c - i)) / 8;
    return strength(is_missing(nine) ? nine : east, north, here);
  }

  template <Scale scale>
  struct Sobel {
    Params params;
    FULMAR_HD Box halo() const { return {1, 1}; }
    FULMAR_HD [[gnu::always_inline]] Both<float, float> operator()(Near<float> near, Here here) const {
      const Value<scale> f;
      return sobel([&](int dx, int dy) { return f(near(dx, dy)); }, f(near(0, 0)), here);
    }
  };

  template <Scale scale, int iterations>
  struct BelkinOReilly {
    Params params;
    static constexpr int reach = 2 * iterations + 1, side = 2 * reach + 1;
    FULMAR_HD Box halo() const { return {reach, reach}; }
    FULMAR_HD Both<float, float> operator()(Near<float> near, Here here) const {
      const Value<scale> f;
      const double centre = f(near(0, 0));
      if constexpr (iterations == 1) {
        return sobel([&](int dx, int dy) { return contextual_median(near, dx, dy, f); }, centre, here);
      } else {
        // Each pass is valid two cells less far out than the one before.
        double before[side * side], after[side * side];
        const auto at = [](int dx, int dy) { return (dy + reach) * side + dx + reach; };
        for (int y = -reach; y <= reach; ++y)
          for (int x = -reach; x <= reach; ++x) before[at(x, y)] = f(near(x, y));
        for (int pass = 1; pass < iterations; ++pass) {
          const int far = reach - 2 * pass;
          const auto field = [&](int dx, int dy) { return before[at(dx, dy)]; };
          for (int y = -far; y <= far; ++y)
            for (int x = -far; x <= far; ++x) after[at(x, y)] = contextual_median(field, x, y, Value<Scale::linear>{});
          for (int y = -far; y <= far; ++y)
            for (int x = -far; x <= far; ++x) before[at(x, y)] = after[at(x, y)];
        }
        const auto field = [&](int dx, int dy) { return before[at(dx, dy)]; };
        return sobel([&](int dx, int dy) { return contextual_median(field, dx, dy, Value<Scale::linear>{}); }, centre,
                     here);
      }
    }

    /// Every cell is filtered once a pass, and rows are kept for those below them.
    class Rows {
     public:
      explicit Rows(const BelkinOReilly&) {}
      template <class Out, class Around, class Place>
      bool take(std::int64_t width, const Out& out, const Around& near, const Place& here) {
        if (y == 0)
          for (int k = 0; k <= iterations; ++k) {
            passes[k].begin(k < iterations ? 5 : 3, width, beyond(k));
            next[k] = -beyond(k);
          }
        make(iterations, y + 1, width, near[0]);
        const double *a = passes[iterations].row(y - 1), *b = passes[iterations].row(y),
                     *c = passes[iterations].row(y + 1);
#pragma GCC ivdep
        for (std::int64_t x = 0; x < width; ++x)
          out.store(x, sobel([&](int dx, int dy) { return (dy < 0 ? a : dy > 0 ? c : b)[x + dx]; }, b[x], here[x]));
        ++y;
        return true;
      }

     private:
      KeptRows<double> passes[iterations + 1];  // f of the field, then the field after each pass
      std::int64_t next[iterations + 1], y = 0;

      /// Cells around the window in which a pass is looked at.
      static constexpr std::int64_t beyond(int pass) { return 1 + 2 * (iterations - pass); }

      /// Makes the rows of a pass down to `last`.
      void make(int pass, std::int64_t last, std::int64_t width, Near<float> near) {
        const std::int64_t far = beyond(pass);
        for (; next[pass] <= last; ++next[pass]) {
          const std::int64_t row = next[pass];
          double* to = passes[pass].row(row) - far;
          const float* field = near.centre + (row - y) * near.stride - far;
          if (pass == 0) {
            const Value<scale> f;
#pragma GCC ivdep
            for (std::int64_t x = 0; x < width + 2 * far; ++x) to[x] = f(static_cast<double>(field[x]));
          } else if (pass == 1 && scale == Scale::linear) {
            const float* const around[] = {field - 2 * near.stride, field - near.stride, field, field + near.stride,
                                           field + 2 * near.stride};
            contextual_median(around, width + 2 * far, to);
          } else {
            make(pass - 1, row + 2, width, near);
            auto& before = passes[pass - 1];
            const double* const around[] = {before.row(row - 2) - far, before.row(row - 1) - far, before.row(row) - far,
                                            before.row(row + 1) - far, before.row(row + 2) - far};
            contextual_median(around, width + 2 * far, to);
          }
        }
      }
    };
  };
  using Variant = Sobel<Scale::linear>;

  template <class Use>
  decltype(auto) variant(Use&& use) const {
    return params.scale == Scale::linear ? with_scale<Scale::linear>(use) : with_scale<Scale::log10>(use);
  }

 private:
  template <Scale scale, class Use>
  decltype(auto) with_scale(Use& use) const {
    switch (params.method) {
      case Method::gradient:
        return use(Gradient<scale>{params});
      case Method::one_sided:
        return use(OneSided<scale>{params});
      case Method::belkin_oreilly:
        if (params.iterations == 1) return use(BelkinOReilly<scale, 1>{params});
        if (params.iterations == 2) return use(BelkinOReilly<scale, 2>{params});
        return use(BelkinOReilly<scale, 3>{params});
      case Method::sobel:
        break;
    }
    return use(Sobel<scale>{params});
  }
};

}  // namespace fulmar::ops
