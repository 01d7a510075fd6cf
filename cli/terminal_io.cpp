// SPDX-License-Identifier: Apache-2.0
#include "cli/terminal_io.hpp"

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <utility>

#include "core/error.hpp"

namespace fulmar::cli {
namespace {

/// A folder of its own in TMPDIR, gone with everything in it when this is.
class Folder {
 public:
  Folder() {
    std::error_code error;
    std::string name = (std::filesystem::temp_directory_path(error) / ("fulmar-" + std::string(6, 'X'))).string();
    if (error || mkdtemp(name.data()) == nullptr)
      fail(Errc::output, std::string{"no place for a table that is to be printed: "} + std::strerror(errno) +
                             "; set TMPDIR to a folder that can be written");
    path_ = name;
  }
  ~Folder() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  [[nodiscard]] std::string file(const char* name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

class PrintedTable : public FeatureSink {
 public:
  PrintedTable(const GdalIo& io, const FileOptions& options, const FeatureTable& like, const Metadata& metadata)
      : sink_{io.create_table(folder_.file("table.csv"), options, like, metadata)} {}

  void write(const FeatureTable& table) override { sink_->write(table); }
  [[nodiscard]] std::vector<std::string> notes() const override { return sink_->notes(); }
  void finish() override { sink_->finish(); }
  void commit() override {
    sink_->commit();
    std::FILE* file = std::fopen(folder_.file("table.csv").c_str(), "rb");
    bool whole = file != nullptr;
    std::array<char, 1 << 16> bytes{};
    while (whole) {
      const std::size_t count = std::fread(bytes.data(), 1, bytes.size(), file);
      whole = std::ferror(file) == 0 && std::fwrite(bytes.data(), 1, count, stdout) == count;
      if (count < bytes.size()) break;
    }
    if (file != nullptr) std::fclose(file);
    if (!whole || std::fflush(stdout) != 0)
      fail(Errc::output, std::string{"cannot print the table: "} + std::strerror(errno));
  }

 private:
  Folder folder_;  // goes last
  std::unique_ptr<FeatureSink> sink_;
};

}  // namespace

ProductKind TerminalIo::product_kind(const std::string& path, const FileOptions& options) const {
  if (path != printed) return GdalIo::product_kind(path, options);
  if (!options.format.empty() && options.format != "CSV")
    fail(Errc::usage, "'-' prints a table as CSV: leave --of out, or write a file");
  if (options.stac) fail(Errc::usage, "'-' prints a table, beside which no STAC Item can stand: leave --stac out");
  return ProductKind::features;
}

std::unique_ptr<FeatureSink> TerminalIo::create_features(const std::string& path, const FileOptions& options,
                                                         const Grid& grid, const std::vector<Column>& columns,
                                                         const Metadata& metadata) const {
  return create_table(path, options, FeatureTable{grid, columns, {}}, metadata);
}

std::unique_ptr<FeatureSink> TerminalIo::create_table(const std::string& path, const FileOptions& options,
                                                      const FeatureTable& like, const Metadata& metadata) const {
  if (path != printed) return GdalIo::create_table(path, options, like, metadata);
  return std::make_unique<PrintedTable>(static_cast<const GdalIo&>(*this), options, like, metadata);
}

}  // namespace fulmar::cli
