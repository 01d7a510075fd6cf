// SPDX-License-Identifier: Apache-2.0
/// Pipelines in JSON: what parses comes back the same from both canonical forms.
#include "fuzz/fuzz.hpp"
#include "plan/pipeline.hpp"

using namespace fulmar;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = fuzz::text_of(data, size);
  Pipeline pipeline;
  if (!fuzz::accepted([&] { pipeline = parse_json(text); })) return 0;
  fuzz::require(parse_json(to_json(pipeline)) == pipeline, "parse_json(to_json(p)) == p");
  fuzz::require(parse_text(to_text(pipeline)) == pipeline, "parse_text(to_text(p)) == p");
  return 0;
}
