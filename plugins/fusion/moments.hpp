// SPDX-License-Identifier: Apache-2.0
/// @file
/// Means and covariances of many values at once, gathered cell by cell and merged (Chan, Golub & LeVeque 1983), and the
/// Cholesky factor of a covariance. Numbers lie packed: k(k + 1) / 2 of a lower triangle, row by row. Cells
/// are added, moments merged and covariances told on host and device; the rest is done on the host.
#pragma once

#include <cmath>
#include <cstdint>

#include "core/host_device.hpp"

namespace fulmar::moments {

/// Where row i, column j <= i of a packed triangle lies.
FULMAR_HD inline std::int64_t at(std::int64_t i, std::int64_t j) { return i * (i + 1) / 2 + j; }
FULMAR_HD inline std::int64_t packed(std::int64_t k) { return k * (k + 1) / 2; }

/// The head of a reducing operator's state; means and sums of products of differences stand behind it.
struct Joint {
  std::int64_t n = 0, k = 0;

  FULMAR_HD static std::uint64_t bytes(std::int64_t k) {
    return sizeof(Joint) + sizeof(double) * static_cast<std::uint64_t>(2 * k + packed(k));
  }
  FULMAR_HD [[nodiscard]] double* means() { return reinterpret_cast<double*>(this + 1); }
  FULMAR_HD [[nodiscard]] const double* means() const { return reinterpret_cast<const double*>(this + 1); }
  FULMAR_HD [[nodiscard]] double* products() { return means() + k; }
  FULMAR_HD [[nodiscard]] const double* products() const { return means() + k; }

  void begin(std::int64_t count) {
    n = 0, k = count;
    for (std::int64_t i = 0; i < 2 * k + packed(k); ++i) means()[i] = 0;
  }
  /// Adds one cell; value(i) is its i-th value.
  template <class Value>
  FULMAR_HD void add(Value&& value) {
    double *mean = means(), *product = products(), *difference = product + packed(k);
    ++n;
    const double part = 1 / static_cast<double>(n), rest = 1 - part;
    for (std::int64_t i = 0; i < k; ++i) difference[i] = value(i) - mean[i];
    for (std::int64_t i = 0; i < k; ++i) {
      const double d = difference[i] * rest;
      for (std::int64_t j = 0; j <= i; ++j) product[j] += d * difference[j];
      product += i + 1;
    }
    for (std::int64_t i = 0; i < k; ++i) mean[i] += difference[i] * part;
  }
  FULMAR_HD void merge(const Joint& b) {
    if (b.n == 0) return;
    double *mean = means(), *product = products();
    const double *mean_b = b.means(), *product_b = b.products();
    const double na = static_cast<double>(n), nb = static_cast<double>(b.n), total = na + nb;
    for (std::int64_t i = 0; i < k; ++i)
      for (std::int64_t j = 0; j <= i; ++j)
        product[at(i, j)] += product_b[at(i, j)] + (mean_b[i] - mean[i]) * (mean_b[j] - mean[j]) * (na * nb / total);
    for (std::int64_t i = 0; i < k; ++i) mean[i] += (mean_b[i] - mean[i]) * (nb / total);
    n += b.n;
  }
  FULMAR_HD [[nodiscard]] double covariance(std::int64_t i, std::int64_t j, double ddof) const {
    return products()[i >= j ? at(i, j) : at(j, i)] / (static_cast<double>(n) - ddof);
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
