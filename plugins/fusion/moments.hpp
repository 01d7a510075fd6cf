// SPDX-License-Identifier: Apache-2.0
/// @file
/// Means and covariances of many values at once, gathered and merged (Chan, Golub & LeVeque 1983), and the
/// Cholesky factor of a covariance. Numbers lie packed: k(k + 1) / 2 of a lower triangle, row by row. Cells
/// are added, moments merged and covariances told on host and device; the rest is done on the host.
#pragma once

#include <cmath>
#include <cstdint>

#include "core/host_device.hpp"
#include "core/missing.hpp"

namespace fulmar::moments {

/// Where row i, column j <= i of a packed triangle lies.
FULMAR_HD inline std::int64_t at(std::int64_t i, std::int64_t j) { return i * (i + 1) / 2 + j; }
FULMAR_HD inline std::int64_t packed(std::int64_t k) { return k * (k + 1) / 2; }

/// The head of a reducing operator's state; numbers of k variables stand behind it.
///
/// Every 512 cells of a block, missing or not, gather sum(d) and sum(d d') of all pairs of variables, d = v - pivot, in
/// four parts, each of every fourth cell; the pivot is the mean of the cells before them, or the first whole cell. With
/// their means and products about them, sum(d d') - sum(d) sum(d') / m, they are merged into those before (Chan), and
/// so are blocks.
struct Joint {
  static constexpr std::int64_t parts = 4, together = 512;

  std::int64_t k = 0;
  std::int64_t n = 0;        ///< whole cells
  std::int64_t seen = 0;     ///< cells, whole or not
  std::int64_t pending = 0;  ///< whole cells that wait to be merged

  FULMAR_HD static std::uint64_t bytes(std::int64_t k) {
    return sizeof(Joint) + sizeof(double) * static_cast<std::uint64_t>(3 * k + packed(k) + parts * (k + packed(k)));
  }
  void begin(std::int64_t count) {
    k = count, n = seen = pending = 0;
    for (std::int64_t i = 0; i < 3 * k + packed(k) + parts * (k + packed(k)); ++i) means()[i] = 0;
  }

  [[nodiscard]] FULMAR_HD double mean(std::int64_t i) const {
    if (pending == 0) return means()[i];
    const auto all = static_cast<double>(n), m = static_cast<double>(pending);
    return n > pending ? means()[i] + ahead(i) * (m / all) : latest(i);
  }
  [[nodiscard]] FULMAR_HD double product(std::int64_t i, std::int64_t j) const {
    const double known = products()[at(i, j)];
    if (pending == 0) return known;
    const auto all = static_cast<double>(n), m = static_cast<double>(pending), before = all - m;
    const double about = whole(k + at(i, j)) - whole(i) * (whole(j) / m);
    const double late = i == j && about < 0 ? 0 : about;
    return n > pending ? known + late + ahead(i) * ahead(j) * (before * m / all) : late;
  }
  [[nodiscard]] FULMAR_HD double covariance(std::int64_t i, std::int64_t j, double ddof) const {
    return (i >= j ? product(i, j) : product(j, i)) / (static_cast<double>(n) - ddof);
  }

  /// A cell that is not whole.
  FULMAR_HD void pass() { end_of_cells(1); }
  /// Adds a whole cell; value(i) is its i-th value.
  template <class Value>
  FULMAR_HD void add(const Value& value) {
    double *const pivot = pivots(), *const d = differences(), *part = sums() + seen % parts;
    if (n == 0)
      for (std::int64_t i = 0; i < k; ++i) pivot[i] = value(i);
    ++n, ++pending;
    for (std::int64_t i = 0; i < k; ++i, part += parts) {
      d[i] = value(i) - pivot[i];
      *part += d[i];
    }
    for (std::int64_t i = 0; i < k; ++i)
      for (std::int64_t j = 0; j <= i; ++j, part += parts) *part += d[i] * d[j];
    end_of_cells(1);
  }
  /// Adds `count` cells at once, a multiple of `parts`, as many being whole and `first` the first of those; no more
  /// than are left until the next merge. Of each variable a row of values stands in `rows`, `stride` from the one
  /// before, and becomes that of differences. A cell whose `skipped` is missing is not whole.
  void add_row(double* rows, std::int64_t stride, const double* skipped, std::int64_t count, std::int64_t known,
               std::int64_t first) {
    double* const pivot = pivots();
    if (n == 0 && known > 0)
      for (std::int64_t i = 0; i < k; ++i) pivot[i] = rows[i * stride + first];
    n += known, pending += known;
    double* part = sums();
    for (std::int64_t i = 0; i < k; ++i, part += parts) {
      double* const d = rows + i * stride;
      const double from = pivot[i];
      for (std::int64_t x = 0; x < count; ++x) d[x] = is_missing(skipped[x]) ? 0 : d[x] - from;
      double sum[parts];
      for (int p = 0; p < parts; ++p) sum[p] = part[p];
      for (std::int64_t x = 0; x < count; x += parts)
        for (int p = 0; p < parts; ++p) sum[p] += d[x + p];
      for (int p = 0; p < parts; ++p) part[p] = sum[p];
    }
    for (std::int64_t i = 0; i < k; ++i)
      for (std::int64_t j = 0; j <= i; ++j, part += parts) {
        const double *const a = rows + i * stride, *const b = rows + j * stride;
        double sum[parts];
        for (int p = 0; p < parts; ++p) sum[p] = part[p];
        for (std::int64_t x = 0; x < count; x += parts)
          for (int p = 0; p < parts; ++p) sum[p] += a[x + p] * b[x + p];
        for (int p = 0; p < parts; ++p) part[p] = sum[p];
      }
    end_of_cells(count);
  }

  FULMAR_HD void merge(const Joint& b) {
    gather();
    if (b.n == 0) return;
    double *const mean_a = means(), *const product_a = products(), *const apart = differences();
    const auto na = static_cast<double>(n), nb = static_cast<double>(b.n), all = na + nb;
    for (std::int64_t i = 0; i < k; ++i) apart[i] = b.mean(i) - mean_a[i];
    for (std::int64_t i = 0; i < k; ++i)
      for (std::int64_t j = 0; j <= i; ++j)
        product_a[at(i, j)] += b.product(i, j) + apart[i] * apart[j] * (na * nb / all);
    for (std::int64_t i = 0; i < k; ++i) mean_a[i] += apart[i] * (nb / all);
    n += b.n;
  }

 private:
  FULMAR_HD [[nodiscard]] double* means() { return reinterpret_cast<double*>(this + 1); }
  FULMAR_HD [[nodiscard]] const double* means() const { return reinterpret_cast<const double*>(this + 1); }
  FULMAR_HD [[nodiscard]] double* products() { return means() + k; }
  FULMAR_HD [[nodiscard]] const double* products() const { return means() + k; }
  FULMAR_HD [[nodiscard]] double* pivots() { return products() + packed(k); }
  FULMAR_HD [[nodiscard]] const double* pivots() const { return products() + packed(k); }
  FULMAR_HD [[nodiscard]] double* differences() { return pivots() + k; }
  /// Of the variables, then of the pairs.
  FULMAR_HD [[nodiscard]] double* sums() { return pivots() + 2 * k; }
  FULMAR_HD [[nodiscard]] double whole(std::int64_t which) const {
    const double* part = pivots() + 2 * k + parts * which;
    return (part[0] + part[1]) + (part[2] + part[3]);
  }
  /// Mean of the cells that wait, and how far it is from that of those before.
  FULMAR_HD [[nodiscard]] double latest(std::int64_t i) const {
    return pivots()[i] + whole(i) / static_cast<double>(pending);
  }
  FULMAR_HD [[nodiscard]] double ahead(std::int64_t i) const { return latest(i) - means()[i]; }

  FULMAR_HD void end_of_cells(std::int64_t count) {
    seen += count;
    if (seen % together == 0) gather();
  }
  FULMAR_HD void gather() {
    if (pending == 0) return;
    double *const mean_a = means(), *const product_a = products(), *const pivot = pivots();
    for (std::int64_t i = 0; i < k; ++i)
      for (std::int64_t j = 0; j <= i; ++j) product_a[at(i, j)] = product(i, j);
    for (std::int64_t i = 0; i < k; ++i) differences()[i] = mean(i);
    for (std::int64_t i = 0; i < k; ++i) mean_a[i] = pivot[i] = differences()[i];
    for (std::int64_t i = 0; i < parts * (k + packed(k)); ++i) sums()[i] = 0;
    pending = 0;
  }
};

/// Factors a packed matrix in place. Returns the row at which it turns out to be singular (what is left of the diagonal
/// is no more than rounding), or -1.
inline std::int64_t factor(double* a, std::int64_t k) {
  for (std::int64_t i = 0; i < k; ++i) {
    const double whole = a[at(i, i)];
    for (std::int64_t j = 0; j <= i; ++j) {
      double sum = a[at(i, j)];
      for (std::int64_t m = 0; m < j; ++m) sum -= a[at(i, m)] * a[at(j, m)];
      if (i != j)
        a[at(i, j)] = sum / a[at(j, j)];
      else if (!(sum > 1e-12 * whole))
        return i;
      else
        a[at(i, i)] = std::sqrt(sum);
    }
  }
  return -1;
}

/// Solves L L' x = b in place.
inline void solve(const double* factor, std::int64_t k, double* b) {
  for (std::int64_t i = 0; i < k; ++i) {
    for (std::int64_t j = 0; j < i; ++j) b[i] -= factor[at(i, j)] * b[j];
    b[i] /= factor[at(i, i)];
  }
  for (std::int64_t i = k; i-- > 0;) {
    for (std::int64_t j = i + 1; j < k; ++j) b[i] -= factor[at(j, i)] * b[j];
    b[i] /= factor[at(i, i)];
  }
}

/// Brings a packed symmetric matrix to its eigenvalues, on the diagonal in no order (Jacobi's rotations, row by row,
/// Golub & Van Loan 2013, 8.5), until nothing beside it counts.
inline void diagonalise(double* a, std::int64_t k) {
  const auto cell = [&](std::int64_t i, std::int64_t j) -> double& { return a[i >= j ? at(i, j) : at(j, i)]; };
  for (int sweep = 0; sweep < 60; ++sweep) {
    bool done = true;
    for (std::int64_t p = 1; p < k; ++p)
      for (std::int64_t q = 0; q < p; ++q) {
        const double beside = cell(p, q);
        if (std::abs(beside) <= 1e-18 * std::sqrt(std::abs(cell(p, p)) * std::abs(cell(q, q)))) continue;
        done = false;
        const double theta = (cell(q, q) - cell(p, p)) / (2 * beside);
        const double t = (theta < 0 ? -1 : 1) / (std::abs(theta) + std::sqrt(theta * theta + 1));
        const double c = 1 / std::sqrt(t * t + 1), s = t * c;
        cell(p, p) -= t * beside;
        cell(q, q) += t * beside;
        cell(p, q) = 0;
        for (std::int64_t r = 0; r < k; ++r) {
          if (r == p || r == q) continue;
          const double at_p = cell(r, p), at_q = cell(r, q);
          cell(r, p) = c * at_p - s * at_q;
          cell(r, q) = s * at_p + c * at_q;
        }
      }
    if (done) return;
  }
}

}  // namespace fulmar::moments
