// SPDX-License-Identifier: Apache-2.0
#include "api/product_folder.hpp"

#include <filesystem>
#include <system_error>

#include "core/error.hpp"

namespace fulmar {

namespace fs = std::filesystem;

ProductFolder::ProductFolder(const std::string& folder) {
  if (folder.empty() || folder.starts_with("/vsi")) return;
  std::error_code error;
  for (fs::path path = folder; !path.empty() && !fs::exists(path, error); path = path.parent_path())
    made_.push_back(path.string());
  fs::create_directories(folder, error);
  if (error) fail(Errc::output, "cannot make the folder " + folder + ": " + error.message());
}

ProductFolder::~ProductFolder() {
  std::error_code ignored;
  for (const std::string& path : made_) fs::remove(path, ignored);  // which leaves one that holds something
}

}  // namespace fulmar
