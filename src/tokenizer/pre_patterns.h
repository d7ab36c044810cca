// The regexes by which families of models split text into words.
#pragma once

#include <string>
#include <vector>

namespace tq {

enum class PreFamily {
  kDefault,
  kGpt2,
  kDigitsGpt2,
  kLlama3,
  kLlama3WideSpaces,
  kQwen2,
  kQwen2NoContractions,
  kQwen2Lines,
  kQwen35,
  kGroupedDigitsQwen2,
  kGpt4o,
  kGpt4oMarks,
  kYoutu,
  kTekken,
  kDeepseekLlm,
  kDeepseekCoder,
  kDeepseekV3,
  kSpark,
  kFalcon,
  kBailing,
  kSeedCoder,
  kExaoneMoe,
  kBloom,
  kViking,
  kChameleon,
  kLines,
};

// PCRE2 patterns; each splits the pieces that the one before it left.
std::vector<std::string> pre_tokenizer_patterns(PreFamily family);

}  // namespace tq
