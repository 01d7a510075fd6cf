// SPDX-License-Identifier: Apache-2.0
/// @file
/// Products appear under their name only when they are whole.
#pragma once

#include <string>
#include <vector>

#include "io/gdal_support.hpp"

namespace fulmar {

/// Fails with Errc::output where a product of that name cannot or may not be written: it exists and `overwrite` is not
/// set, it is a directory, or its folder is absent or not writable.
void check_target(const std::string& path, bool overwrite);

/// The temporary files of one product, hidden beside it as .NAME.fulmar-PID*. commit() makes them durable and renames
/// them; without it the destructor removes them. Temporaries that a dead process left of the same product are removed
/// at the start.
class ProductFile {
 public:
  ProductFile(std::string path, bool overwrite);
  ~ProductFile();
  ProductFile(const ProductFile&) = delete;
  ProductFile& operator=(const ProductFile&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  /// Where to write the product: same folder, same extension.
  [[nodiscard]] const std::string& temporary() const { return temporary_; }
  /// A further temporary, never renamed.
  [[nodiscard]] std::string scratch(const std::string& extension) const;

  /// Closes a dataset and fails if anything could not be written down to the close.
  void close(DatasetPtr dataset) const;
  /// Gives the product and its sidecars their final names.
  void commit();
  /// Throws Errc::output with GDAL's words, and the system's where the disk is full.
  [[noreturn]] void fail_writing(const ErrorTrap& trap) const;
  /// The same where GDAL noticed nothing.
  [[noreturn]] void fail_cut_short() const;

 private:
  [[noreturn]] void fail_with(std::string why) const;
  [[nodiscard]] std::vector<std::string> temporaries() const;
  void remove_temporaries() const noexcept;

  std::string path_, folder_, prefix_, temporary_;
  bool overwrite_;
  bool committed_ = false;
};

}  // namespace fulmar
