// SPDX-License-Identifier: Apache-2.0
#include "io/product_file.hpp"

#include <cpl_vsi.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <set>
#include <string_view>

#include "core/error.hpp"

namespace fulmar {
namespace {

bool stat_of(const std::string& path, VSIStatBufL& stat) {
  const ErrorTrap quiet;
  return VSIStatL(path.c_str(), &stat) == 0;
}

std::string join(const std::string& folder, const std::string& name) {
  return folder == "/" ? "/" + name : folder + "/" + name;
}

std::vector<std::string> list_folder(const std::string& folder) {
  const ErrorTrap quiet;
  std::vector<std::string> names;
  char** list = VSIReadDir(folder.c_str());
  for (int i = 0; list != nullptr && list[i] != nullptr; ++i) names.emplace_back(list[i]);
  CSLDestroy(list);
  return names;
}

void remove_file(const std::string& path) {
  const ErrorTrap quiet;
  VSIStatBufL stat;
  if (!stat_of(path, stat)) return;
  if (VSI_ISDIR(stat.st_mode))
    VSIRmdirRecursive(path.c_str());
  else
    VSIUnlink(path.c_str());
}

/// True for a folder that is a Zarr: the only kind that a product replaces.
bool is_zarr(const std::string& folder) {
  VSIStatBufL stat;
  return stat_of(join(folder, ".zgroup"), stat) || stat_of(join(folder, ".zarray"), stat);
}

/// Down to the disk; false with errno set where that fails. Folders of file systems that know no such thing are let be.
bool sync(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return false;
  const bool ok = ::fsync(file) == 0 || errno == EINVAL || errno == ENOTSUP;
  const int reason = errno;
  ::close(file);
  errno = reason;
  return ok;
}

/// The same for a folder and all it holds.
bool make_durable(const std::string& path) {
  VSIStatBufL stat;
  if (stat_of(path, stat) && VSI_ISDIR(stat.st_mode))
    for (const auto& entry : list_folder(path))
      if (entry != "." && entry != ".." && !make_durable(join(path, entry))) return false;
  return sync(path);
}

constexpr std::array description_endings{".aux.xml", ".ovr", ".msk", ".msk.ovr"};

bool is_description(const std::string& name) {
  return std::any_of(description_endings.begin(), description_endings.end(), [&](std::string_view ending) {
    return name.size() > ending.size() && std::string_view{name}.substr(name.size() - ending.size()) == ending;
  });
}

/// How the temporary files of a product begin. GDAL takes what follows an extension such as .xlsx for a file within
/// that archive, so none stands in the middle of such a name.
std::string mark_of(const std::string& name) {
  std::string safe = name;
  for (const char* archive : {".xlsx", ".ods", ".kmz", ".zip"})
    if (lower_case(name).find(archive) != std::string::npos) {
      safe.clear();
      for (const char c : name) safe += c == '.' ? std::string{".~"} : std::string(1, c);
      break;
    }
  return "." + safe + ".fulmar-";
}

/// Removes what processes that are no more have left of this product.
void remove_stale(const std::string& folder, const std::string& name) {
  const auto mark = mark_of(name);
  for (const auto& entry : list_folder(folder)) {
    if (entry.rfind(mark, 0) != 0) continue;
    std::size_t end = mark.size();
    long pid = 0;
    for (; end < entry.size() && std::isdigit(static_cast<unsigned char>(entry[end])) && pid < 1'000'000'000; ++end)
      pid = pid * 10 + (entry[end] - '0');
    if (end == mark.size() || pid <= 0 || pid == ::getpid()) continue;
    if (::kill(static_cast<pid_t>(pid), 0) != 0 && errno == ESRCH) remove_file(join(folder, entry));
  }
}

/// The products that this process is writing: two of one name would take each other's temporaries.
class InProgress {
 public:
  bool enter(const std::string& temporary) {
    const std::lock_guard lock{mutex_};
    return names_.insert(temporary).second;
  }
  void leave(const std::string& temporary) {
    const std::lock_guard lock{mutex_};
    names_.erase(temporary);
  }

 private:
  std::mutex mutex_;
  std::set<std::string> names_;
};

InProgress& in_progress() {
  static InProgress products;
  return products;
}

}  // namespace

void check_target(const std::string& path, bool overwrite) {
  if (file_name(path).empty()) fail(Errc::usage, fmt::format("'{}' names no file to write", path));
  VSIStatBufL stat;
  if (stat_of(path, stat)) {
    if (VSI_ISDIR(stat.st_mode) && !is_zarr(path))
      fail(Errc::output, fmt::format("cannot write '{}': it is a directory", path));
    if (!overwrite) fail(Errc::output, fmt::format("'{}' exists; add --overwrite to replace it", path));
  }
  // Virtual file systems make their folders as they go, or say at the first write that they cannot.
  if (is_virtual(path)) return;
  const auto target = behind_links(path);
  if (target.empty())
    fail(Errc::output, fmt::format("cannot write '{}': it is a symbolic link that leads nowhere", path));
  const auto folder = folder_name(target);
  if (!stat_of(folder, stat))
    fail(Errc::output, fmt::format("cannot write '{}': there is no folder '{}'", path, folder));
  if (!VSI_ISDIR(stat.st_mode))
    fail(Errc::output, fmt::format("cannot write '{}': '{}' is not a folder", path, folder));
  if (::access(folder.c_str(), W_OK | X_OK) != 0)
    fail(Errc::output,
         fmt::format("cannot write '{}': folder '{}' may not be written ({})", path, folder, std::strerror(errno)));
}

std::vector<std::string> existing_targets(const std::string& path, const std::vector<std::string>& endings) {
  std::vector<std::string> names;
  VSIStatBufL stat;
  if (stat_of(path, stat)) names.push_back(path);
  const auto target = behind_links(path);
  const auto stem = target.substr(0, target.size() - file_name(target).size()) + stem_of(target);
  for (const auto& ending : endings)
    if (!target.empty() && stat_of(stem + "." + ending, stat)) names.push_back(stem + "." + ending);
  return names;
}

void stop_if_cancelled(const std::atomic<bool>* cancel) {
  if (cancel != nullptr && *cancel) fail(Errc::cancelled, "stopped before the products were whole; none was written");
}

int go_on(double, const char*, void* cancel) {
  return cancel == nullptr || !*static_cast<const std::atomic<bool>*>(cancel) ? TRUE : FALSE;
}

ProductFile::ProductFile(std::string path, bool overwrite, const std::atomic<bool>* cancel)
    : path_{std::move(path)}, overwrite_{overwrite}, cancel_{cancel} {
  check_target(path_, overwrite_);
  target_ = behind_links(path_);
  folder_ = folder_name(target_);
  const auto name = file_name(target_);
  if (!is_virtual(path_)) remove_stale(folder_, name);
  prefix_ = mark_of(name) + std::to_string(::getpid());
  // A driver goes by the extension that the user wrote.
  temporary_ = join(folder_, prefix_ + file_name(path_).substr(stem_of(path_).size()));
  if (!in_progress().enter(temporary_)) fail(Errc::usage, fmt::format("'{}' is written twice", path_));
  // Of a dead process that had this one's number.
  remove_temporaries();
}

ProductFile::~ProductFile() {
  if (!committed_) remove_temporaries();
  in_progress().leave(temporary_);
}

std::string ProductFile::scratch(const std::string& extension) const {
  return join(folder_, prefix_ + ".scratch." + extension);
}

void ProductFile::write_beside(const std::string& ending, const std::string& text) const {
  write_text(join(folder_, prefix_ + "." + ending), text);
}

void ProductFile::write_text(const std::string& name, const std::string& text) const {
  const ErrorTrap trap;
  VSILFILE* const file = VSIFOpenL(name.c_str(), "wb");
  if (file == nullptr) fail_writing(trap);
  const bool written = VSIFWriteL(text.data(), 1, text.size(), file) == text.size();
  if (VSIFCloseL(file) != 0 || !written) fail_cut_short();
}

std::vector<std::string> ProductFile::temporaries() const {
  std::vector<std::string> names;
  for (const auto& entry : list_folder(folder_)) {
    if (entry.rfind(prefix_, 0) != 0) continue;
    // Process 12 must not take what is process 123's.
    if (entry.size() > prefix_.size() && std::isdigit(static_cast<unsigned char>(entry[prefix_.size()]))) continue;
    names.push_back(entry);
  }
  return names;
}

void ProductFile::remove_temporaries() const noexcept {
  try {
    for (const auto& entry : temporaries()) remove_file(join(folder_, entry));
  } catch (...) {
    // Out of memory while cleaning up: the next run with this product's name removes them.
  }
}

void ProductFile::fail_writing(const ErrorTrap& trap) const {
  // Work that was ended from outside fails in GDAL's words, which are beside the point.
  stop_if_cancelled(cancel_);
  const auto says = [&](const char* words) { return trap.text().find(words) != std::string::npos; };
  // SQLite has words of its own.
  if ((is_of_writing(trap.text()) && disk_is_full()) || says(std::strerror(ENOSPC)) || says(std::strerror(EDQUOT)) ||
      says("disk is full"))
    fail_full(trap.aside());
  fail(Errc::output, fmt::format("cannot write '{}'{}", path_,
                                 trap.text().empty() ? std::string{} : fmt::format(": {}", trap.text())));
}

void ProductFile::fail_cut_short() const {
  if (disk_is_full()) fail_full({});
  fail(Errc::output, fmt::format("cannot write '{}': not all of it reached the disk", path_));
}

bool ProductFile::is_of_writing(std::string text) const {
  // What a file is called says nothing.
  for (const auto& own : {temporary_, path_, folder_})
    for (auto at = text.find(own); own.size() > 1 && at != std::string::npos; at = text.find(own))
      text.erase(at, own.size());
  text = lower_case(std::move(text));
  static constexpr std::array words{"writ", "flush", "i/o", "hdf error", "netcdf error", "space", "truncat", "fputs"};
  return text.empty() || std::any_of(words.begin(), words.end(),
                                     [&](const char* word) { return text.find(word) != std::string::npos; });
}

bool ProductFile::disk_is_full() const {
  constexpr std::uint64_t next_to_nothing = 1U << 20;
  struct statvfs space {};
  // GDAL often says only that a write failed.
  return !is_virtual(path_) && ::statvfs(folder_.c_str(), &space) == 0 &&
         static_cast<std::uint64_t>(space.f_bavail) * space.f_frsize < next_to_nothing;
}

void ProductFile::fail_full(const std::string& aside) const {
  fail(Errc::output, fmt::format("cannot write '{}': there is no room left in '{}'; make some there, or write the "
                                 "product elsewhere{}",
                                 path_, folder_, aside));
}

void ProductFile::close(DatasetPtr dataset) const {
  const ErrorTrap trap;
  GDALFlushCache(GDALDataset::ToHandle(dataset.get()));
  // What the last blocks meet on their way to the disk is known only once the handle is closed.
  GDALClose(GDALDataset::ToHandle(dataset.release()));
  if (trap.failed()) fail_writing(trap);
}

void ProductFile::finish() {
  VSIStatBufL stat;
  if (!stat_of(temporary_, stat)) fail(Errc::runtime, fmt::format("'{}' was never written", path_));
  const auto scratch_mark = prefix_ + ".scratch.";
  for (const auto& entry : temporaries())
    if (entry.rfind(scratch_mark, 0) == 0) remove_file(join(folder_, entry));
  files_ = temporaries();
  for (const auto& entry : files_) {
    stop_if_cancelled(cancel_);
    if (!is_virtual(path_) && !make_durable(join(folder_, entry)))
      fail(Errc::output, fmt::format("cannot write '{}' down to the disk: {}", path_, std::strerror(errno)));
  }
  finished_ = true;
}

void ProductFile::commit() {
  if (committed_) fail(Errc::runtime, fmt::format("'{}' was committed before", path_));
  if (!finished_) fail(Errc::runtime, fmt::format("'{}' was never finished", path_));
  // Someone may have been quicker since the start.
  check_target(path_, overwrite_);
  const auto main = file_name(temporary_);
  const auto name = file_name(target_), stem = stem_of(target_);
  const auto final_name = [&](const std::string& entry) {
    return entry.rfind(main, 0) == 0 ? name + entry.substr(main.size()) : stem + entry.substr(prefix_.size());
  };
  VSIStatBufL stat;
  for (const auto& entry : files_)
    if (!overwrite_ && entry != main && !is_description(entry) && stat_of(join(folder_, final_name(entry)), stat))
      fail(Errc::output, fmt::format("'{}' exists; add --overwrite to replace it", join(folder_, final_name(entry))));
  // Sidecars of a product that is replaced, or long gone, describe the old one.
  for (const char* ending : description_endings) remove_file(target_ + ending);
  const auto rename = [&](const std::string& from, const std::string& to) {
    const ErrorTrap trap;
    errno = 0;
    if (VSIRename(from.c_str(), to.c_str()) != 0) {
      const std::string why = errno == 0 ? std::string{} : fmt::format(": {}", std::strerror(errno));
      fail(Errc::output, fmt::format("cannot give '{}' its final name{}{}", to, why, trap.aside()));
    }
  };
  // The product last: where it is, its sidecars are.
  for (const auto& entry : files_)
    if (entry != main) rename(join(folder_, entry), join(folder_, final_name(entry)));
  // A folder cannot be renamed onto another: the old one steps aside, and back where the new one does not come.
  std::string old;
  if (stat_of(target_, stat) && VSI_ISDIR(stat.st_mode)) {
    old = join(folder_, prefix_ + ".old");
    rename(target_, old);
  }
  try {
    rename(temporary_, target_);
  } catch (const Error&) {
    if (!old.empty()) rename(old, target_);
    throw;
  }
  committed_ = true;
  if (!old.empty()) remove_file(old);
  if (!is_virtual(path_)) sync(folder_);
}

}  // namespace fulmar
