#include "sampler/dry.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "sampler/penalties.h"

namespace tq {
namespace {

// Bounds of llama.cpp; they keep the search for breakers linear.
constexpr std::size_t kMaxBreakerBytes = 40;
constexpr std::size_t kMaxTailTokens = 20;

}  // namespace

Dry::Dry(const SamplerOptions& options, const VocabularyImpl* vocabulary)
    : multiplier_(options.dry_multiplier),
      base_(options.dry_base),
      allowed_length_(static_cast<std::size_t>(options.dry_allowed_length)),
      last_n_(options.dry_penalty_last_n),
      is_on_(multiplier_ != 0.0F && base_ >= 1.0F && last_n_ != 0) {
  if (!is_on_ || vocabulary == nullptr) return;
  for (const std::string& breaker : options.dry_sequence_breakers) {
    add_breaker(std::string_view(breaker).substr(0, kMaxBreakerBytes), *vocabulary);
  }
}

// A breaker ends inside one token, or begins in one and goes on with the tokens of the rest of its text.
void Dry::add_breaker(std::string_view text, const VocabularyImpl& vocabulary) {
  if (text.empty()) return;
  for (Token token = 0; token < vocabulary.n_tokens(); ++token) {
    const std::string_view bytes = vocabulary.bytes(token);
    if (bytes.find(text) != std::string_view::npos) {
      breakers_[token].emplace_back();
      continue;
    }
    for (std::size_t at = bytes.find(text.front()); at != std::string_view::npos;
         at = bytes.find(text.front(), at + 1)) {
      const std::string_view head = bytes.substr(at);
      if (!text.starts_with(head)) continue;
      std::vector<Token> tail = vocabulary.encode(text.substr(head.size()));
      if (tail.size() > kMaxTailTokens) tail.resize(kMaxTailTokens);
      Tails& tails = breakers_[token];
      if (std::ranges::find(tails, tail) == tails.end()) tails.push_back(std::move(tail));
    }
  }
}

bool Dry::is_breaker(Token token) const {
  const auto found = breakers_.find(token);
  return found != breakers_.end() &&
         std::ranges::any_of(found->second, [](const auto& tail) { return tail.empty(); });
}

std::size_t Dry::unbroken(std::span<const Token> text) const {
  for (std::size_t after = 0; after < text.size(); ++after) {  // tokens after the one that is looked at
    const auto found = breakers_.find(text[text.size() - 1 - after]);
    if (found == breakers_.end()) continue;
    bool is_broken = false;
    std::size_t longest = 0;
    for (const std::vector<Token>& tail : found->second) {
      if (tail.size() > after || !std::ranges::equal(tail, text.last(after).first(tail.size()))) continue;
      is_broken = true;
      longest = std::max(longest, tail.size());
    }
    if (is_broken) return after - longest;
  }
  return text.size();
}

// repeats_[k]: how many tokens before the last k are the same as the last ones. The Z-algorithm
// (Gusfield 1997) on the reversed text: linear, because [left, right) is only ever extended.
void Dry::find_repeats(std::span<const Token> text) {
  const std::size_t n = text.size();
  const auto reversed = [&](std::size_t i) { return text[n - 1 - i]; };
  repeats_.assign(n, 0);
  std::size_t left = 0;
  std::size_t right = 0;
  for (std::size_t k = 1; k < n; ++k) {
    std::size_t length = k < right ? std::min(right - k, repeats_[k - left]) : 0;
    while (k + length < n && reversed(length) == reversed(k + length)) ++length;
    repeats_[k] = length;
    if (k + length > right) {
      left = k;
      right = k + length;
    }
  }
}

void Dry::apply(std::span<const Token> history, std::span<float> logits) {
  const auto text = last_tokens(history, last_n_);
  if (text.size() <= allowed_length_) return;
  const std::size_t limit = unbroken(text);
  if (limit < allowed_length_) return;
  find_repeats(text);
  continued_.clear();
  for (std::size_t k = 1; k < text.size(); ++k) {
    const std::size_t length = std::min(repeats_[k], limit);
    if (length < allowed_length_) continue;
    std::size_t& longest = continued_[text[text.size() - k]];
    longest = std::max(longest, length);
  }
  // The largest exponent whose power is a finite float.
  const double max_exponent =
      base_ > 1.000001F
          ? std::floor(std::log(std::numeric_limits<float>::max()) / std::log(static_cast<double>(base_)))
          : 0.0;
  for (const auto& [token, length] : continued_) {
    if (token < 0 || static_cast<std::size_t>(token) >= logits.size() || is_breaker(token)) continue;
    auto exponent = static_cast<double>(length - allowed_length_);
    if (max_exponent > 0.0) exponent = std::min(exponent, max_exponent);
    logits[static_cast<std::size_t>(token)] -=
        multiplier_ * static_cast<float>(std::pow(static_cast<double>(base_), exponent));
  }
}

}  // namespace tq
