// SPDX-License-Identifier: Apache-2.0
#include "cli/terminal_io.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <set>
#include <string_view>
#include <utility>

#include "cli/progress.hpp"
#include "core/error.hpp"

namespace fulmar::cli {
namespace {

/// Where results go while GDAL works.
int results = STDOUT_FILENO;

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
  ~Folder() { remove(); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  [[nodiscard]] std::string file(const char* name) const { return (path_ / name).string(); }
  void remove() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
    path_.clear();
  }

 private:
  std::filesystem::path path_;
};

bool print(std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = ::write(results, text.data(), text.size());
    if (count < 0 && errno != EINTR) return false;
    text.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
  }
  return true;
}

/// On a terminal, and for the next program, outlines are in the way; who wants them says so.
FileOptions without_shapes(FileOptions options) {
  const auto& given = options.layer_options;
  if (std::none_of(given.begin(), given.end(), [](const std::string& o) { return o.starts_with("GEOMETRY="); }))
    options.layer_options.emplace_back("GEOMETRY=NONE");
  return options;
}

class PrintedTable : public FeatureSink {
 public:
  PrintedTable(const GdalIo& io, const FileOptions& options, const FeatureTable& like, const Metadata& metadata)
      : sink_{io.create_table(folder_.file("table.csv"), without_shapes(options), like, metadata)} {}

  void write(const FeatureTable& table) override { sink_->write(table); }
  [[nodiscard]] std::vector<std::string> notes() const override { return sink_->notes(); }
  void finish() override { sink_->finish(); }
  void commit() override {
    sink_->commit();
    std::FILE* file = std::fopen(folder_.file("table.csv").c_str(), "rb");
    // What is open stays readable; a reader that closes the pipe, such as `head`, ends the program at once.
    folder_.remove();
    bool whole = file != nullptr;
    std::array<char, 1 << 16> bytes{};
    while (whole) {
      const std::size_t count = std::fread(bytes.data(), 1, bytes.size(), file);
      whole = std::ferror(file) == 0 && print({bytes.data(), count});
      if (count < bytes.size()) break;
    }
    if (file != nullptr) std::fclose(file);
    if (!whole) fail(Errc::output, std::string{"cannot print the table: "} + std::strerror(errno));
  }

 private:
  Folder folder_;  // goes last
  std::unique_ptr<FeatureSink> sink_;
};

}  // namespace

OnlyResults::OnlyResults(bool tell) : tell_{tell} {
  std::fflush(stdout);
  out_ = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  said_ = memfd_create("fulmar", MFD_CLOEXEC);
  if (out_ < 0 || said_ < 0 || dup2(said_, STDOUT_FILENO) < 0) return;
  results = out_;
}

OnlyResults::~OnlyResults() {
  if (results != out_) {
    for (const int file : {out_, said_})
      if (file >= 0) ::close(file);
    return;
  }
  std::fflush(stdout);
  dup2(out_, STDOUT_FILENO);
  results = STDOUT_FILENO;
  ::close(out_);
  lseek(said_, 0, SEEK_SET);
  std::set<std::string> lines;
  if (std::FILE* file = fdopen(said_, "r"); file != nullptr) {
    constexpr std::size_t most = 20;
    std::array<char, 512> line{};
    while (tell_ && lines.size() < most && std::fgets(line.data(), line.size(), file) != nullptr) {
      std::string text{line.data()};
      while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())) != 0) text.pop_back();
      if (!text.empty() && lines.insert(text).second) print_note("a driver of GDAL's says: " + text);
    }
    std::fclose(file);
  }
}

ProductKind TerminalIo::product_kind(const std::string& path, const FileOptions& options) const {
  if (path != printed) return GdalIo::product_kind(path, options);
  if (!options.format.empty() && options.format != "CSV")
    fail(Errc::usage, "'-' prints a table as CSV: leave --of out, or write a file");
  if (options.stac) fail(Errc::usage, "'-' prints a table, beside which no STAC Item can stand: leave --stac out");
  for (const bool of_layer : {false, true})
    for (const std::string& pair : of_layer ? options.layer_options : options.creation_options)
      if (const std::string trouble = creation_trouble(path, "CSV", pair, of_layer); !trouble.empty())
        fail(Errc::usage, trouble);
  return ProductKind::features;
}

std::vector<std::string> TerminalIo::existing(const std::string& path, const FileOptions& options) const {
  return path == printed ? std::vector<std::string>{} : GdalIo::existing(path, options);
}

std::string TerminalIo::creation_trouble(const std::string& path, const std::string& format, const std::string& pair,
                                         bool of_layer) const {
  return GdalIo::creation_trouble(path, path == printed ? "CSV" : format, pair, of_layer);
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
