// SPDX-License-Identifier: Apache-2.0
#include "exec/taps.hpp"

#include <algorithm>

namespace fulmar {
namespace {

/// To a whole number where it is one to a millionth.
double rounded(double x) {
  const double near = std::rint(x);
  return std::abs(x - near) < 1e-6 ? near : x;
}

double kernel(Resampling method, double d) {
  d = std::abs(d);
  if (method == Resampling::bilinear) return std::max(0.0, 1 - d);
  if (method == Resampling::cubic) {
    if (d <= 1) return (1.5 * d - 2.5) * d * d + 1;
    return d < 2 ? ((-0.5 * d + 2.5) * d - 4) * d + 2 : 0;
  }
  if (d < 1e-9) return 1;
  if (d >= 3) return 0;
  const double x = 3.14159265358979323846 * d;
  return 3 * math::sin(x) * math::sin(x / 3) / (x * x);
}

}  // namespace

void Taps::set(Resampling method, double place, double footprint) {
  weights.clear();
  if (method == Resampling::average) {
    const double low = rounded(place - footprint / 2), high = std::max(rounded(place + footprint / 2), low + 1e-6);
    first = static_cast<std::int64_t>(std::floor(low));
    for (double i = std::floor(low); i < high; ++i)
      weights.push_back((std::min(i + 1, high) - std::max(i, low)) / (high - low));
    return;
  }
  const double stretch = stretch_of(footprint);
  if (stretch == 1) {
    const int radius = radius_of(method);
    const double f = plain_first(place, radius, first);
    if (f == 0) {  // no other cell has a say, be it there or not
      first += radius - 1;
      weights.push_back(1);
      return;
    }
    weights.resize(2 * static_cast<std::size_t>(radius));
    if (method == Resampling::cubic)
      plain_weights<Resampling::cubic>(f, weights.data());
    else if (method == Resampling::lanczos)
      plain_weights<Resampling::lanczos>(f, weights.data());
    else
      plain_weights<Resampling::bilinear>(f, weights.data());
    return;
  }
  const double reach = radius_of(method) * stretch;
  const double low = std::floor(place - reach - 0.5) + 1, high = std::ceil(place + reach - 0.5);
  first = static_cast<std::int64_t>(low);
  double sum = 0;
  for (double i = low; i < high; ++i) {
    weights.push_back(kernel(method, (i + 0.5 - place) / stretch));
    sum += weights.back();
  }
  for (double& w : weights) w /= sum;
}

}  // namespace fulmar
