// Messages, rules, help lines and sentences may hold anything. First byte: which of them the rest is. A
// message is screened by the rules of this build, and what asks for help is answered with some; what else is
// accepted is used.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "edge/detector.h"
#include "edge/evaluate.h"
#include "edge/help_text.h"
#include "edge/lexicon.h"
#include "edge/resources.h"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

void screen(const tq::edge::Detector& detector, std::string_view message) {
  using namespace tq::edge;
  const Screening screening = detector.screen(message);
  require(screening.needs_help() || screening.signs.empty());
  if (!screening.needs_help()) return;
  require(!help_text(screening, Resources::built_in(), {.country = "GB"}).empty());
  for (std::size_t i = 1; i < screening.signs.size(); ++i) {
    require(screening.signs[i - 1].level >= screening.signs[i].level);
  }
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tq::edge;
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  switch (data[0] % 4) {
    case 0:
      screen(Detector::built_in(), text);
      break;
    case 1:
      if (auto lexicon = Lexicon::parse(text))
        screen(Detector(*std::move(lexicon), Hints::built_in()), "I want to die. a b c 5 iwanttokillmyself");
      break;
    case 2:
      if (const auto resources = Resources::parse(text)) {
        for (const auto& country : resources->countries()) {
          require(!resource_lines(*resources, country, true).empty());
        }
        require(resources->due("2026-11-28", 30).size() <= resources->all().size());
      }
      break;
    default:
      if (const auto samples = parse_samples(text)) {
        const auto evaluation = evaluate_detector(
            *samples, [](std::string_view one) { return Detector::built_in().screen(one); });
        require(evaluation.total.recall() >= 0.0 && evaluation.total.precision() <= 1.0);
      }
  }
  return 0;
}
