// SPDX-License-Identifier: Apache-2.0
/// @file
/// How far the run is, on standard error.
#pragma once

#include <string>

namespace fulmar::cli {

/// A sentence for the user, on standard error.
void print_note(const std::string& sentence);

/// Prints GDAL's line of dots (bar), one line of JSON for each percent (json), or nothing (none). Called by one thread
/// at a time. A line that is begun is ended, whatever happens.
class Progress {
 public:
  enum class Style { none, bar, json };
  /// The style that the user named; where none is named, a bar if somebody watches.
  static Style style_of(const std::string& name, bool quiet);

  explicit Progress(Style style) : style_{style} {}
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  ~Progress();

  void show(double share);

 private:
  void show_bar(double share);
  void show_json(double share);

  Style style_;
  int shown_ = -1;  ///< the last step on the scale of the style
};

}  // namespace fulmar::cli
