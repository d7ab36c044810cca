// Logits -> one token: the last stage of a decode step, a few tens of microseconds for a vocabulary of
// 150 000 with top-k. Everything that decides a token has a total order, so that a seed gives the same tokens
// everywhere: the order that nth_element leaves behind, for one, differs between libraries.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <exception>
#include <limits>
#include <random>

#include "base/phase_timer.h"
#include "sampler/sampler_impl.h"

namespace tq {
namespace {

// Candidates that the grammar is asked about one by one before its mask is computed.
constexpr std::size_t kMinProbes = 64;
constexpr std::size_t kProbesPerCandidate = 3;

}  // namespace

// 32 bits are enough to make runs differ.
std::uint64_t entropy_seed() {
  std::uint32_t bits = 0;
  try {
    bits = std::random_device{}();
  } catch (const std::exception&) {  // no entropy source: the clock will do for text
    bits = static_cast<std::uint32_t>(std::chrono::steady_clock::now().time_since_epoch().count());
  }
  return bits == 0 ? 1 : bits;
}

SamplerImpl::SamplerImpl(const SamplerOptions& options, std::shared_ptr<const VocabularyImpl> vocabulary)
    : options_(options),
      vocabulary_(std::move(vocabulary)),
      seed_(options.seed != 0 ? options.seed : entropy_seed()),
      random_(seed_),
      penalties_(options),
      dry_(options, vocabulary_.get()),
      mirostat_mu_(2.0 * static_cast<double>(options.mirostat_tau)) {
  if (options.grammar) {
    matcher_.emplace(std::static_pointer_cast<const GrammarImpl>(options.grammar), vocabulary_);
  }
}

void SamplerImpl::start_answer() {
  mirostat_mu_ = 2.0 * static_cast<double>(options_.mirostat_tau);
  if (matcher_) matcher_->restart();
}

Token SamplerImpl::sample(std::span<const float> logits, std::span<const Token> history) {
  const PhaseTimer timer(Phase::kSampling);
  const double sum = weigh(logits, history);
  if (candidates_.empty()) return without_choice();
  const std::size_t drawn = is_greedy() ? 0 : draw();
  const Token token = candidates_.items()[drawn].token;
  if (options_.mirostat == 2) {
    const double surprise = -std::log2(weights_[drawn] / sum);
    mirostat_mu_ -=
        static_cast<double>(options_.mirostat_eta) * (surprise - static_cast<double>(options_.mirostat_tau));
  }
  accept(token);
  return token;
}

// Nothing is above -inf: a broken model, or a grammar that is at its end; neither is our crash.
Token SamplerImpl::without_choice() const { return matcher_ ? vocabulary_->end_tokens().front() : 0; }

double SamplerImpl::weigh(std::span<const float> logits, std::span<const Token> history) {
  logits = adjusted(logits, history);
  if (!collect_allowed(logits)) collect(masked(logits));
  weights_.clear();
  return candidates_.empty() ? 0.0 : truncate();
}

// Then all stages but those that may drop the most likely token have nothing to say.
bool SamplerImpl::is_greedy() const {
  const bool may_drop_best =
      options_.mirostat == 0 && (options_.typical_p < 1.0F || options_.xtc_probability > 0.0F);
  return options_.temperature == 0.0F && options_.dynamic_temperature_range == 0.0F && !may_drop_best;
}

std::span<const float> SamplerImpl::adjusted(std::span<const float> logits, std::span<const Token> history) {
  const bool penalize = penalties_.is_on() && !history.empty();
  const bool dry = dry_.is_on() && !history.empty();
  if (!penalize && !dry && options_.logit_bias.empty()) return logits;
  logits_.assign(logits.begin(), logits.end());
  for (const auto& [token, bias] : options_.logit_bias) {
    if (token >= 0 && static_cast<std::size_t>(token) < logits_.size())
      logits_[static_cast<std::size_t>(token)] += bias;
  }
  if (penalize) penalties_.apply(history, logits_);
  if (dry) dry_.apply(history, logits_);
  return logits_;
}

void SamplerImpl::collect(std::span<const float> logits) {
  const bool truncates = options_.mirostat == 0;
  const float floor =
      truncates && options_.top_n_sigma > 0.0F ? sigma_floor(logits, options_.top_n_sigma) : kLowest;
  const std::size_t limit = is_greedy() ? 1 : truncates ? static_cast<std::size_t>(options_.top_k) : 0;
  candidates_.collect(logits, limit, floor);
}

// A grammar's mask is the costlier the more it allows. Where only the k most likely tokens are wanted, it is
// enough to go down from the most likely one until the grammar has allowed k: these are the k most likely
// ones of the mask, without the mask. Where the grammar allows little this may take too long, but then the
// mask is cheap. False when it has to be the mask.
bool SamplerImpl::collect_allowed(std::span<const float> logits) {
  if (!matcher_ || matcher_->has_mask()) return false;
  const bool wants_few =
      is_greedy() || (options_.mirostat == 0 && options_.top_k > 0 && options_.top_n_sigma <= 0.0F);
  if (!wants_few) return false;
  const std::size_t wanted = is_greedy() ? 1 : static_cast<std::size_t>(options_.top_k);
  const std::size_t probes = std::max(kMinProbes, kProbesPerCandidate * wanted);
  candidates_.collect(logits, probes, kLowest);
  const bool are_all = candidates_.items().size() < probes;
  std::size_t allowed = 0;
  std::size_t seen = 0;
  candidates_.filter([&](const Candidate& c) {
    // Not worth going on when not even every eighth is allowed.
    const bool is_hopeless = seen >= kMinProbes && 8 * allowed < seen && !are_all;
    ++seen;
    const bool keep = allowed < wanted && !is_hopeless && matcher_->allows(c.token);
    allowed += keep ? 1 : 0;
    return keep;
  });
  return allowed == wanted || are_all;
}

std::span<const float> SamplerImpl::masked(std::span<const float> logits) {
  if (!matcher_) return logits;
  if (logits.data() != logits_.data()) logits_.assign(logits.begin(), logits.end());
  const auto mask = matcher_->mask();
  const std::size_t n = logits_.size();
  for (std::size_t begin = 0; begin < n; begin += 64) {
    const std::uint64_t word = begin / 64 < mask.size() ? mask[begin / 64] : 0;
    const std::size_t end = std::min(begin + 64, n);
    if (word == 0) {
      std::fill(logits_.begin() + static_cast<std::ptrdiff_t>(begin),
                logits_.begin() + static_cast<std::ptrdiff_t>(end), kLowest);
    } else if (word != ~std::uint64_t{0}) {
      for (std::size_t i = begin; i < end; ++i)
        logits_[i] = (word >> (i - begin) & 1U) != 0 ? logits_[i] : kLowest;
    }
  }
  return logits_;
}

// The stages after top-k; what is left are candidates_ and weights_, whose sum is returned.
double SamplerImpl::truncate() {
  auto temperature = static_cast<double>(options_.temperature);
  if (options_.mirostat == 2) {
    if (candidates_.items().size() > 1) candidates_.surprise_at_most(mirostat_mu_, temperature);
    return candidates_.weigh(candidates_.items().size() > 1 ? temperature : 1.0, weights_);
  }
  candidates_.typical(options_.typical_p);
  candidates_.top_p_then_min_p(options_.top_p, options_.min_p);
  const bool xtc_is_on = options_.xtc_probability > 0.0F && options_.xtc_threshold <= 0.5F;
  if (xtc_is_on && candidates_.items().size() > 1 &&
      random_.uniform() <= static_cast<double>(options_.xtc_probability)) {
    candidates_.xtc(options_.xtc_threshold);
  }
  temperature =
      candidates_.dynamic_temperature(temperature, static_cast<double>(options_.dynamic_temperature_range),
                                      static_cast<double>(options_.dynamic_temperature_exponent));
  if (temperature == 0.0) {
    candidates_.keep_best();
    temperature = 1.0;
  }
  return candidates_.weigh(temperature, weights_);
}

// An exponential race: candidate i arrives after a random time with rate w_i, and the first one wins, which
// has probability w_i / sum of w. A token's time depends on the draw and on its id alone, not on the other
// candidates, so two samplers in the same state over distributions that differ by little choose the same
// token nearly always: what speculative decoding lives on.
std::size_t SamplerImpl::draw() {
  const std::uint64_t key = random_.next();
  std::size_t winner = 0;
  double earliest = std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < weights_.size(); ++i) {
    const auto token = static_cast<std::uint64_t>(candidates_.items()[i].token);
    // One step of a generator seeded by draw and token; u in (0, 1].
    const double u = 1.0 - SplitMix64(key ^ token << 32).uniform();
    const double time = -std::log(u) / weights_[i];
    if (time < earliest) {
      earliest = time;
      winner = i;
    }
  }
  return winner;
}

Expected<std::unique_ptr<Sampler>> Sampler::create(const SamplerOptions& options,
                                                   std::shared_ptr<const Vocabulary> vocabulary) {
  if (const auto ok = check(options); !ok) return ok.error();
  auto impl = std::static_pointer_cast<const VocabularyImpl>(std::move(vocabulary));
  const bool needs_vocabulary =
      options.grammar || (options.dry_multiplier != 0.0F && !options.dry_sequence_breakers.empty());
  if (needs_vocabulary && !impl) {
    return Error{
        ErrorCode::kBadArgument,
        "a grammar and DRY's sequence breakers need the model's vocabulary; pass Engine::vocabulary()."};
  }
  if (options.grammar && impl->end_tokens().empty()) {
    return Error{
        ErrorCode::kUnsupported,
        "this model has no token that ends a generation, which a grammar needs; leave the grammar out."};
  }
  return std::unique_ptr<Sampler>(std::make_unique<SamplerImpl>(options, std::move(impl)));
}

}  // namespace tq
