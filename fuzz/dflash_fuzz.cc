// Logs of benchmarks come from other programs: whatever they hold, what is read is finite and within its
// bounds, and a report can be made of it.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "plan/dflash/dflash.h"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tq::plan;
  auto results = read_dflash_results(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!results) return 0;
  require(results->throughput || !results->failure.empty());
  for (const auto& figure : {results->throughput, results->baseline, results->speedup,
                             results->acceptance_mean, results->peak_memory_gb}) {
    require(!figure || (std::isfinite(*figure) && *figure >= 0.0));
  }
  for (const double share : results->acceptance) require(share >= 0.0 && share <= 1.0);
  const DflashReport report{.machine_label = "fuzz",
                            .memory_gb = 36.0,
                            .pair = dflash_pairs().front(),
                            .benchmark = {},
                            .results = *results,
                            .plain = *results};
  require(!dflash_markdown(report).empty() && !dflash_json(report).empty());
  return 0;
}
