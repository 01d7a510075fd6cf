// SPDX-License-Identifier: Apache-2.0
#include <cxxabi.h>

#include <cstdlib>

#include "exec/launch.hpp"

namespace fulmar::ptx {
namespace {

std::string readable(const std::string& name) {
  int status = 0;
  char* const text = abi::__cxa_demangle(name.c_str(), nullptr, nullptr, &status);
  std::string result = status == 0 && text ? text : name;
  std::free(text);
  return result;
}

}  // namespace

std::string describe(const Launch& l, ThreadId id) {
  const std::uint64_t b = id >> 10;
  const std::uint32_t t = id & 1023;
  const auto triple = [](std::uint64_t n, const Dim& d) {
    return "(" + std::to_string(n % d.x) + "," + std::to_string(n / d.x % d.y) + "," + std::to_string(n / d.x / d.y) +
           ")";
  };
  return "block " + triple(b, l.grid) + " thread " + triple(t, l.block);
}

void fail(const Thread& t, const Instruction* i, FaultKind kind, const std::string& what) {
  const Launch& l = *t.launch;
  const Module& m = *l.kernel->module;
  std::string report = what + "\n  kernel " + readable(l.kernel->name) + ", " + describe(l, t.id);
  if (i->origin.line) {
    const auto file = m.files.find(i->origin.file);
    report += "\n  source " + (file == m.files.end() ? "file " + std::to_string(i->origin.file) : file->second) + ":" +
              std::to_string(i->origin.line);
  }
  report += "\n  PTX line " + std::to_string(i->origin.ptx_line) + ": " + m.line(i->origin.ptx_line);
  if (t.frames.size() > 1) report += "\n  in function " + readable(std::string(t.frames.back().code->function->name));
  throw Fault(kind, report);
}

}  // namespace fulmar::ptx
