// SPDX-License-Identifier: Apache-2.0
#include "options.hpp"

#include <cstdlib>

namespace fulmar::ptx {

bool Options::set(std::string_view name, const std::string& value) {
  const auto number = [&] { return std::strtoull(value.c_str(), nullptr, 10); };
  const auto flag = [&] { return !(value.empty() || value == "0"); };
  if (name == "SEED")
    seed = number();
  else if (name == "BLOCKS")
    blocks = std::max(1u, static_cast<std::uint32_t>(number()));
  else if (name == "QUANTUM")
    quantum = static_cast<std::uint32_t>(number());
  else if (name == "SHUFFLE")
    shuffle = flag();
  else if (name == "SHARED_RACES")
    shared_races = flag();
  else if (name == "GLOBAL_RACES")
    global_races = flag();
  else if (name == "INIT")
    initialised = static_cast<int>(number());
  else if (name == "INIT_COPY")
    copies_initialised = flag();
  else if (name == "EXITED_AT_BARRIER")
    exited_at_barrier = flag();
  else if (name == "ZERO_COPY")
    zero_copy = flag();
  else if (name == "ORDER")
    order = flag();
  else if (name == "DEFER")
    defer = flag();
  else if (name == "LIMIT")
    limit = number();
  else if (name == "MEMORY")
    memory = number();
  else if (name == "STICKY")
    sticky = flag();
  else if (name == "VERBOSE")
    verbose = flag();
  else if (name == "MUTATE")
    mutate = value;
  else if (name == "FAIL")
    fail_call = value.substr(0, value.find(' ')),
    fail_after = std::strtoull(value.c_str() + fail_call.size(), nullptr, 10);
  else if (name == "COUNTS")
    counts = value;
  else
    return false;
  return true;
}

Options Options::from_environment() {
  Options o;
  for (const char* name : {"SEED", "BLOCKS", "QUANTUM", "SHUFFLE", "SHARED_RACES", "GLOBAL_RACES", "INIT", "INIT_COPY",
                           "EXITED_AT_BARRIER", "ZERO_COPY", "ORDER", "DEFER", "LIMIT", "MEMORY", "STICKY", "VERBOSE",
                           "MUTATE", "FAIL", "COUNTS"})
    if (const char* value = std::getenv((std::string("FULMAR_PTX_") + name).c_str())) o.set(name, value);
  return o;
}

}  // namespace fulmar::ptx
