// SPDX-License-Identifier: Apache-2.0
/// @file
/// Products appear under their name only when they are whole.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "io/gdal_support.hpp"

namespace fulmar {

/// Fails with Errc::output where a product of that name cannot or may not be written: it exists and `overwrite` is not
/// set, it is a directory, or its folder is absent or not writable.
void check_target(const std::string& path, bool overwrite);

/// The files that are there and that a product would replace: itself, and beside it NAME.ENDING for each ending.
std::vector<std::string> existing_targets(const std::string& path, const std::vector<std::string>& endings);

/// Throws Errc::cancelled once `cancel` is set; it may be null.
void stop_if_cancelled(const std::atomic<bool>* cancel);

/// A GDALProgressFunc whose argument is a `const std::atomic<bool>*`, which may be null: ends GDAL's work once it is
/// set.
int go_on(double done, const char* message, void* cancel);
/// That argument as GDAL takes it.
inline void* progress_argument(const std::atomic<bool>* cancel) { return const_cast<std::atomic<bool>*>(cancel); }

/// The temporary files of one product, hidden beside it as .NAME.fulmar-PID*. finish() makes them durable, commit()
/// renames them; without it the destructor removes them. Temporaries that a dead process left of the same product are
/// removed at the start. Where the product's name is a symbolic link, it is the file behind it that is replaced.
class ProductFile {
 public:
  ProductFile(std::string path, bool overwrite, const std::atomic<bool>* cancel = nullptr);
  ~ProductFile();
  ProductFile(const ProductFile&) = delete;
  ProductFile& operator=(const ProductFile&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  /// Where to write the product: same folder, same extension.
  [[nodiscard]] const std::string& temporary() const { return temporary_; }
  /// A further temporary, never renamed.
  [[nodiscard]] std::string scratch(const std::string& extension) const;

  /// Writes a text that appears beside the product: NAME.ENDING for a product NAME.tif. Before finish().
  void write_beside(const std::string& ending, const std::string& text) const;
  /// The same under the name that GDAL gives a companion: NAME.tif.aux.xml.
  void write_companion(const std::string& text) const { write_text(temporary_ + ".aux.xml", text); }

  /// Closes a dataset and fails if anything could not be written down to the close.
  void close(DatasetPtr dataset) const;
  /// Removes the scratch files and brings the others down to the disk: all that may fail or take long.
  void finish();
  /// Gives the product and its sidecars their final names. After finish().
  void commit();
  /// Throws Errc::output with GDAL's words, and the system's where the disk is full.
  [[noreturn]] void fail_writing(const ErrorTrap& trap) const;
  /// The same where GDAL noticed nothing.
  [[noreturn]] void fail_cut_short() const;

 private:
  void write_text(const std::string& name, const std::string& text) const;
  [[nodiscard]] bool disk_is_full() const;
  /// True where the driver's words tell of a write that failed, or nothing: others are no matter of room.
  [[nodiscard]] bool is_of_writing(std::string text) const;
  /// `aside`: the driver's words.
  [[noreturn]] void fail_full(const std::string& aside) const;
  [[nodiscard]] std::vector<std::string> temporaries() const;
  void remove_temporaries() const noexcept;

  std::string path_;    // as the user wrote it
  std::string target_;  // what is replaced: the same, or the file behind the link
  std::string folder_, prefix_, temporary_;
  bool overwrite_;
  const std::atomic<bool>* cancel_;
  std::vector<std::string> files_;  // to be renamed; filled by finish()
  bool finished_ = false, committed_ = false;
};

}  // namespace fulmar
