// SPDX-License-Identifier: Apache-2.0
#include "io/temporary_raster.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <utility>

#include "core/error.hpp"

namespace fulmar {
namespace {

class FileRaster : public TemporaryRaster {
 public:
  FileRaster(std::string name, Grid grid, std::vector<StoredBand> bands)
      : name_{std::move(name)}, grid_{std::move(grid)}, bands_{std::move(bands)} {}
  ~FileRaster() override { clear(); }
  FileRaster(const FileRaster&) = delete;
  FileRaster& operator=(const FileRaster&) = delete;

  [[nodiscard]] const std::string& name() const override { return name_; }
  [[nodiscard]] const Grid& grid() const override { return grid_; }
  [[nodiscard]] const std::vector<StoredBand>& bands() const override { return bands_; }
  [[nodiscard]] Window block() const override { return {0, 0, grid_.width, 16}; }
  [[nodiscard]] bool looks_negative(int) const override { return false; }
  [[nodiscard]] std::unique_ptr<RasterReader> reader() const override { return std::make_unique<Reader>(*this); }

  void write(int band, const Window& window, const float* cells, std::int64_t stride) override {
    if (file_ < 0) open();
    rows(window, stride, [&](std::int64_t first, std::int64_t count, std::int64_t x, std::int64_t y) {
      const auto* from = reinterpret_cast<const char*>(cells + first);
      for (std::int64_t left = count * 4, at = offset(band, x, y); left > 0;) {
        const ssize_t done = ::pwrite(file_, from, static_cast<std::size_t>(left), at);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) no_room(done == 0 ? ENOSPC : errno);
        from += done, at += done, left -= done;
      }
    });
  }

  void clear() override {
    if (file_ >= 0) ::close(file_);
    file_ = -1;
  }

 private:
  struct Reader : RasterReader {
    explicit Reader(const FileRaster& r) : raster{r} {}
    void read(int band, const Window& window, void* cells, std::int64_t stride) override {
      if (raster.file_ < 0) fail(Errc::runtime, raster.name_ + " is read before it is written");
      rows(window, stride, [&](std::int64_t first, std::int64_t count, std::int64_t x, std::int64_t y) {
        auto* to = static_cast<char*>(cells) + first * 4;
        for (std::int64_t left = count * 4, at = raster.offset(band, x, y); left > 0;) {
          const ssize_t done = ::pread(raster.file_, to, static_cast<std::size_t>(left), at);
          if (done < 0 && errno == EINTR) continue;
          if (done <= 0)
            fail(Errc::runtime, fmt::format("{} cannot be read back from {}: {}", raster.name_, folder().string(),
                                            done == 0 ? "it is incomplete" : std::strerror(errno)));
          to += done, at += done, left -= done;
        }
      });
    }
    void read_mask(int, const Window&, std::uint8_t*, std::int64_t) override {
      fail(Errc::runtime, "a temporary raster has no mask");
    }
    const FileRaster& raster;
  };

  /// Calls use(first cell in memory, cells, column, row) for every run of a window that is one piece in memory and
  /// file.
  template <class Use>
  static void rows(const Window& w, std::int64_t stride, Use&& use) {
    for (std::int64_t y = 0; y < w.height; ++y) use(y * stride, w.width, w.x, w.y + y);
  }
  [[nodiscard]] std::int64_t offset(int band, std::int64_t x, std::int64_t y) const {
    return ((band * grid_.height + y) * grid_.width + x) * 4;
  }
  static std::filesystem::path folder() {
    // /tmp may be memory, of which the budget would know nothing.
    std::error_code error;
    if (std::getenv("TMPDIR") == nullptr && std::filesystem::is_directory("/var/tmp", error)) return "/var/tmp";
    const auto path = std::filesystem::temp_directory_path(error);
    return error ? std::filesystem::path{"/tmp"} : path;
  }
  [[noreturn]] void no_room(int why) const {
    const double size =
        4.0 * static_cast<double>(grid_.width * grid_.height) * static_cast<double>(bands_.size()) / (1 << 20);
    fail(Errc::output, fmt::format("{} cannot be kept in {}: {}; it needs {:.0f} MiB there: make room, or name another "
                                   "folder in TMPDIR",
                                   name_, folder().string(), std::strerror(why), size));
  }
  void open() {
    const std::string path = folder().string();
    file_ = ::open(path.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (file_ >= 0) return;
    // Not every file system makes files without a name.
    std::string name = path + "/fulmar-" + std::string(6, 'X');  // as mkostemp asks
    file_ = ::mkostemp(name.data(), O_CLOEXEC);
    if (file_ < 0) no_room(errno);
    ::unlink(name.c_str());
  }

  std::string name_;
  Grid grid_;
  std::vector<StoredBand> bands_;
  int file_ = -1;
};

}  // namespace

std::shared_ptr<TemporaryRaster> make_temporary_raster(const std::string& name, const Grid& grid,
                                                       const std::vector<StoredBand>& bands) {
  return std::make_shared<FileRaster>(name, grid, bands);
}

}  // namespace fulmar
