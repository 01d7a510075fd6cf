// SPDX-License-Identifier: Apache-2.0
/// @file
/// The one door through which every failure leaves: fail(). A layer adds its frame with Error::within().
#pragma once

#include <exception>
#include <string>
#include <utility>
#include <vector>

#include "core/export.hpp"

namespace fulmar {

/// What kind of trouble it is. The value is the exit code of the command line.
enum class Errc : int {
  runtime = 1,      ///< something broke while running
  usage = 2,        ///< the request is wrong: a name, a value, a unit, a graph that does not fit together
  input = 3,        ///< a file that is read is absent, cut short, or not what it says it is
  output = 4,       ///< a product exists already or cannot be written
  device = 5,       ///< the device asked for is absent
  cancelled = 130,  ///< the caller asked to stop
};

/// The one exception type. what() is the whole text: message, then one line per frame, innermost first.
class FULMAR_API Error : public std::exception {
 public:
  Error(Errc code, std::string message) : code_{code}, message_{std::move(message)}, text_{message_} {}

  [[nodiscard]] Errc code() const noexcept { return code_; }
  /// The cause alone, without frames.
  [[nodiscard]] const std::string& message() const noexcept { return message_; }
  [[nodiscard]] const std::vector<std::string>& frames() const noexcept { return frames_; }
  [[nodiscard]] const char* what() const noexcept override { return text_.c_str(); }

  /// Adds one frame, from the cause outwards to the user's own text.
  Error& within(std::string frame) {
    text_ += "\n  " + frame;
    frames_.push_back(std::move(frame));
    return *this;
  }

 private:
  Errc code_;
  std::string message_;
  std::string text_;
  std::vector<std::string> frames_;
};

[[noreturn]] inline void fail(Errc code, std::string message) { throw Error{code, std::move(message)}; }

}  // namespace fulmar
