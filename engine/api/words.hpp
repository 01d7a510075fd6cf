// SPDX-License-Identifier: Apache-2.0
/// @file
/// The words in which a program's user hears of what can be set.
#pragma once

#include <map>
#include <string>

#include "core/error.hpp"

namespace fulmar {

/// The engine's sentences speak of settings as the command line calls them; here they take the words of the program.
class Words {
 public:
  /// `own`: what the program calls them; the C++ API's words stand for all others.
  explicit Words(const std::map<std::string, std::string>& own = {});

  /// A sentence in the program's words. Lines of the user's own pipeline, with the marks beneath, stay as they are.
  [[nodiscard]] std::string in(const std::string& sentence) const;
  [[nodiscard]] Error in(const Error& error) const;

 private:
  std::map<std::string, std::string> words_;
};

}  // namespace fulmar
