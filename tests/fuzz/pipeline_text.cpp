// SPDX-License-Identifier: Apache-2.0
/// Pipelines in the text form: what parses comes back the same from both canonical forms.
#include "fuzz/fuzz.hpp"
#include "plan/pipeline.hpp"

using namespace fulmar;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = fuzz::text_of(data, size);
  Pipeline pipeline;
  if (!fuzz::accepted([&] { pipeline = parse_text(text); })) return 0;
  fuzz::require(parse_text(to_text(pipeline)) == pipeline, "parse_text(to_text(p)) == p");
  // JSON is UTF-8; other bytes are refused on the way there.
  std::string json;
  if (fuzz::accepted([&] { json = to_json(pipeline); }))
    fuzz::require(parse_json(json) == pipeline, "parse_json(to_json(p)) == p");
  return 0;
}
