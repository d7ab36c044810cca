#include <cstdio>
#include <limits>

#include "sampler/sampler_impl.h"

namespace tq {
namespace {

constexpr float kMax = std::numeric_limits<float>::max();

struct RealRule {
  const char* option;
  float SamplerOptions::*value;
  float min, max;
  const char* range;  // in words
};

constexpr RealRule kRealRules[] = {
    {"temperature", &SamplerOptions::temperature, 0.0F, kMax, "0 or more"},
    {"dynatemp-range", &SamplerOptions::dynamic_temperature_range, 0.0F, kMax, "0 (off) or more"},
    {"dynatemp-exp", &SamplerOptions::dynamic_temperature_exponent, 0.0F, kMax, "0 or more"},
    {"top-p", &SamplerOptions::top_p, 0.0F, 1.0F, "from 0 to 1 (off)"},
    {"min-p", &SamplerOptions::min_p, 0.0F, 1.0F, "from 0 (off) to 1"},
    {"typical", &SamplerOptions::typical_p, 0.0F, 1.0F, "from 0 to 1 (off)"},
    {"top-nsigma", &SamplerOptions::top_n_sigma, -kMax, kMax, "a number, below 0: off"},
    {"xtc-probability", &SamplerOptions::xtc_probability, 0.0F, 1.0F, "from 0 (off) to 1"},
    {"xtc-threshold", &SamplerOptions::xtc_threshold, 0.0F, 1.0F, "from 0 to 1 (above 0.5: off)"},
    {"repeat-penalty", &SamplerOptions::repeat_penalty, std::numeric_limits<float>::min(), kMax,
     "above 0 (1 is off)"},
    {"frequency-penalty", &SamplerOptions::frequency_penalty, -kMax, kMax, "a number (0 is off)"},
    {"presence-penalty", &SamplerOptions::presence_penalty, -kMax, kMax, "a number (0 is off)"},
    {"dry-multiplier", &SamplerOptions::dry_multiplier, 0.0F, kMax, "0 (off) or more"},
    {"dry-base", &SamplerOptions::dry_base, 0.0F, kMax, "0 or more (below 1: off)"},
    {"mirostat-ent", &SamplerOptions::mirostat_tau, 0.0F, kMax, "0 or more"},
    {"mirostat-lr", &SamplerOptions::mirostat_eta, 0.0F, kMax, "0 or more"},
};

struct WholeRule {
  const char* option;
  int SamplerOptions::*value;
  int min;
  const char* range;
};

constexpr WholeRule kWholeRules[] = {
    {"top-k", &SamplerOptions::top_k, 0, "0 (off) or more"},
    {"repeat-last-n", &SamplerOptions::penalty_last_n, -1, "-1 (all), 0 (off) or more"},
    {"dry-allowed-length", &SamplerOptions::dry_allowed_length, 0, "0 or more"},
    {"dry-penalty-last-n", &SamplerOptions::dry_penalty_last_n, -1, "-1 (all), 0 (off) or more"},
};

Error out_of_range(const char* option, const char* range, double value) {
  char text[160];
  std::snprintf(text, sizeof(text), "%s must be %s, not %g.", option, range, value);
  return {ErrorCode::kBadArgument, text};
}

}  // namespace

Expected<void> check(const SamplerOptions& options) {
  for (const RealRule& rule : kRealRules) {
    const float value = options.*rule.value;
    // Written so that NaN fails.
    if (!(value >= rule.min && value <= rule.max))
      return out_of_range(rule.option, rule.range, static_cast<double>(value));
  }
  for (const WholeRule& rule : kWholeRules) {
    const int value = options.*rule.value;
    if (value < rule.min) return out_of_range(rule.option, rule.range, value);
  }
  if (options.mirostat != 0 && options.mirostat != 2)
    return out_of_range("mirostat", "0 (off) or 2", options.mirostat);
  for (const auto& [token, bias] : options.logit_bias) {
    if (!(bias <= kMax))
      return out_of_range("logit-bias", "a finite number or -inf", static_cast<double>(bias));
    if (token < 0) return out_of_range("logit-bias", "for a token, 0 or more", token);
  }
  return {};
}

}  // namespace tq
