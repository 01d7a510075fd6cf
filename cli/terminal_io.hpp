// SPDX-License-Identifier: Apache-2.0
/// @file
/// Files, and the product `-`: a table as CSV on standard output.
#pragma once

#include <memory>
#include <string>

#include "io/gdal_io.hpp"

namespace fulmar::cli {

/// The name of the product that is printed.
inline constexpr const char* printed = "-";

/// While it lives, only results reach standard output: some drivers of GDAL's print there what they have to say, which
/// is told on standard error afterwards, each line once, if anything is to be told there. One at a time.
class OnlyResults {
 public:
  explicit OnlyResults(bool tell);
  ~OnlyResults();
  OnlyResults(const OnlyResults&) = delete;
  OnlyResults& operator=(const OnlyResults&) = delete;

 private:
  bool tell_;
  int out_ = -1, said_ = -1;
};

/// GdalIo that prints the table of a product called `-`, whole, when the other products appear. Its bytes are those of
/// a file .csv without shapes.
class TerminalIo : public GdalIo {
 public:
  [[nodiscard]] ProductKind product_kind(const std::string& path, const FileOptions&) const override;
  [[nodiscard]] std::vector<std::string> existing(const std::string& path, const FileOptions&) const override;
  [[nodiscard]] std::string creation_trouble(const std::string& path, const std::string& format,
                                             const std::string& pair, bool of_layer) const override;
  [[nodiscard]] std::unique_ptr<FeatureSink> create_features(const std::string& path, const FileOptions&, const Grid&,
                                                             const std::vector<Column>&,
                                                             const Metadata&) const override;
  [[nodiscard]] std::unique_ptr<FeatureSink> create_table(const std::string& path, const FileOptions&,
                                                          const FeatureTable& like, const Metadata&) const override;
};

}  // namespace fulmar::cli
