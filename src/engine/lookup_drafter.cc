// Prompt lookup: the text so far is its own draft model.
#include <algorithm>

#include "tq/speculation.h"

namespace tq {
namespace {

// Tokens before the guess that have to be the same. One alone is too often chance; more than the longest say
// no more.
constexpr std::int64_t kShortestMatch = 2;
constexpr std::int64_t kLongestMatch = 8;

class LookupDrafter final : public Drafter {
 public:
  Expected<std::vector<Token>> propose(std::span<const Token> tokens, const Sampler& /*sampler*/,
                                       int max) override {
    const auto n = static_cast<std::int64_t>(tokens.size());
    std::int64_t best = 0;    // first token after the best match
    std::int64_t length = 0;  // of that match
    for (std::int64_t end = n - 1; end > length && length < kLongestMatch; --end) {
      const std::int64_t found = common_suffix(tokens, end);
      if (found > length) {
        length = found;
        best = end;
      }
    }
    if (length < kShortestMatch) return std::vector<Token>();
    const auto first = tokens.begin() + best;
    return std::vector<Token>(first, first + std::min<std::int64_t>(max, n - best));
  }

 private:
  // Tokens before `end` that equal the last tokens of all.
  static std::int64_t common_suffix(std::span<const Token> tokens, std::int64_t end) {
    std::int64_t length = 0;
    while (length < std::min(kLongestMatch, end) &&
           tokens[static_cast<std::size_t>(end - 1 - length)] ==
               tokens[tokens.size() - 1 - static_cast<std::size_t>(length)]) {
      ++length;
    }
    return length;
  }
};

}  // namespace

std::unique_ptr<Drafter> make_lookup_drafter() { return std::make_unique<LookupDrafter>(); }

}  // namespace tq
