// SPDX-License-Identifier: Apache-2.0
/// @file
/// The folder of a recipe's products.
#pragma once

#include <string>
#include <vector>

namespace fulmar {

/// Makes a folder, and those above it, where there are none; what was made goes again if nothing came to lie in it.
class ProductFolder {
 public:
  /// Makes nothing of an empty name or a /vsi path. Errors: Errc::output.
  explicit ProductFolder(const std::string& folder);
  ~ProductFolder();
  ProductFolder(const ProductFolder&) = delete;
  ProductFolder& operator=(const ProductFolder&) = delete;

 private:
  std::vector<std::string> made_;  ///< the innermost first
};

}  // namespace fulmar
