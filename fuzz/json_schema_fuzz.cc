// Schemas come from requests. Whatever is converted must be GBNF that this program itself can read, or be
// refused for what only the whole grammar shows.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "tq/grammar.h"

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view schema(reinterpret_cast<const char*>(data), size);
  const auto gbnf = tq::json_schema_to_gbnf(schema);
  if (!gbnf) return 0;
  const auto grammar = tq::Grammar::from_gbnf(*gbnf);
  if (!grammar) std::abort();
  for (const char* text : {"{}", "[1, \"a\"]", "\"a\\n\"", "-12.5e3", "null", "{\"a\": {\"b\": [true]}}"})
    (void)(*grammar)->matches(text);
  return 0;
}
