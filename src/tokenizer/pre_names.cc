// The names that tokenizer.ggml.pre may hold, and what each stands for. Not here, because their rules are no
// regexes that run in linear time or depend on more than the text: kimi-k2, afmoe, tiny_aya, cohere2moe,
// superbpe.
#include <algorithm>
#include <array>

#include "gguf/gguf.h"
#include "tokenizer/pre_patterns.h"
#include "tokenizer/pre_tokenizer.h"

namespace tq {
namespace {

enum Flags : std::uint8_t { kNone = 0, kIgnoreMerges = 1, kAddsBos = 2 };

struct Name {
  std::string_view name;
  PreFamily family;
  unsigned flags = kNone;
};

constexpr unsigned kLlama3Flags = kIgnoreMerges | kAddsBos;

constexpr std::array kNames = {
    Name{"default", PreFamily::kDefault},
    Name{"gpt-2", PreFamily::kGpt2},
    Name{"phi-2", PreFamily::kGpt2},
    Name{"mpt", PreFamily::kGpt2},
    Name{"olmo", PreFamily::kGpt2},
    Name{"exaone4", PreFamily::kGpt2},
    Name{"jais", PreFamily::kGpt2},
    Name{"trillion", PreFamily::kGpt2},
    Name{"granite-docling", PreFamily::kGpt2},
    Name{"gigachat", PreFamily::kGpt2},
    Name{"a.x-4.0", PreFamily::kGpt2},
    Name{"mellum", PreFamily::kGpt2},
    Name{"modern-bert", PreFamily::kGpt2},
    Name{"roberta-bpe", PreFamily::kGpt2},
    Name{"jina-es", PreFamily::kGpt2},
    Name{"jina-de", PreFamily::kGpt2},
    Name{"jina-v1-en", PreFamily::kGpt2},
    Name{"jina-v2-es", PreFamily::kGpt2},
    Name{"jina-v2-de", PreFamily::kGpt2},
    Name{"jina-v2-code", PreFamily::kGpt2},
    Name{"smollm", PreFamily::kDigitsGpt2},
    Name{"starcoder", PreFamily::kDigitsGpt2},
    Name{"refact", PreFamily::kDigitsGpt2},
    Name{"command-r", PreFamily::kDigitsGpt2},
    Name{"codeshell", PreFamily::kDigitsGpt2},
    Name{"exaone", PreFamily::kDigitsGpt2},
    Name{"minerva-7b", PreFamily::kDigitsGpt2},
    Name{"mellum2", PreFamily::kDigitsGpt2},
    Name{"llama3", PreFamily::kLlama3, kLlama3Flags},
    Name{"llama-v3", PreFamily::kLlama3, kLlama3Flags},
    Name{"llama-bpe", PreFamily::kLlama3, kLlama3Flags},
    Name{"falcon3", PreFamily::kLlama3, kLlama3Flags},
    Name{"falcon-h1", PreFamily::kLlama3, kLlama3Flags},
    Name{"pixtral", PreFamily::kLlama3, kLlama3Flags},
    Name{"midm-2.0", PreFamily::kLlama3, kLlama3Flags},
    Name{"lfm2", PreFamily::kLlama3, kLlama3Flags},
    Name{"jina-v5-nano", PreFamily::kLlama3, kLlama3Flags},
    Name{"dbrx", PreFamily::kLlama3},
    Name{"smaug-bpe", PreFamily::kLlama3},
    Name{"chatglm-bpe", PreFamily::kLlama3},
    Name{"glm4", PreFamily::kLlama3, kIgnoreMerges},
    Name{"glm5", PreFamily::kLlama3, kIgnoreMerges},
    Name{"jais-2", PreFamily::kLlama3WideSpaces},
    Name{"qwen2", PreFamily::kQwen2},
    Name{"deepseek-r1-qwen", PreFamily::kQwen2},
    Name{"stablelm2", PreFamily::kQwen2},
    Name{"megrez", PreFamily::kQwen2},
    Name{"hunyuan", PreFamily::kQwen2},
    Name{"solar-open", PreFamily::kQwen2},
    Name{"grok-2", PreFamily::kQwen2},
    Name{"kormo", PreFamily::kQwen2},
    Name{"f2llmv2", PreFamily::kQwen2},
    Name{"ufakzeka", PreFamily::kQwen2NoContractions},
    Name{"laguna", PreFamily::kQwen2Lines},
    Name{"qwen35", PreFamily::kQwen35},
    Name{"minicpm5", PreFamily::kGroupedDigitsQwen2, kIgnoreMerges},
    Name{"gpt-4o", PreFamily::kGpt4o},
    Name{"llama4", PreFamily::kGpt4o},
    Name{"kanana2", PreFamily::kGpt4o},
    Name{"talkie", PreFamily::kGpt4o},
    Name{"minimax-m2", PreFamily::kGpt4o},
    Name{"granite-embed-multi-97m", PreFamily::kGpt4oMarks, kIgnoreMerges},
    Name{"youtu", PreFamily::kYoutu, kIgnoreMerges},
    Name{"tekken", PreFamily::kTekken, kIgnoreMerges | kAddsBos},
    Name{"deepseek-llm", PreFamily::kDeepseekLlm},
    Name{"deepseek-coder", PreFamily::kDeepseekCoder},
    Name{"deepseek-v3", PreFamily::kDeepseekV3},
    Name{"hunyuan-dense", PreFamily::kDeepseekV3},
    Name{"hy_v4", PreFamily::kDeepseekV3},
    Name{"joyai-llm", PreFamily::kDeepseekV3},
    Name{"spark2_5", PreFamily::kSpark},
    Name{"falcon", PreFamily::kFalcon},
    Name{"bailingmoe", PreFamily::kBailing},
    Name{"bailingmoe2", PreFamily::kBailing},
    Name{"llada-moe", PreFamily::kBailing},
    Name{"seed-coder", PreFamily::kSeedCoder},
    Name{"exaone-moe", PreFamily::kExaoneMoe},
    Name{"poro-chat", PreFamily::kBloom},
    Name{"bloom", PreFamily::kBloom},
    Name{"gpt3-finnish", PreFamily::kBloom},
    Name{"viking", PreFamily::kViking},
    Name{"chameleon", PreFamily::kChameleon, kAddsBos},
};

}  // namespace

Expected<PreTokenizerSpec> find_pre_tokenizer(std::string_view name) {
  const auto* found =
      std::find_if(kNames.begin(), kNames.end(), [&](const Name& n) { return n.name == name; });
  if (found == kNames.end()) {
    std::string known;
    for (const Name& n : kNames) known += (known.empty() ? "" : ", ") + std::string(n.name);
    return Error{ErrorCode::kUnsupported, "the pre-tokenizer " + quoted(name) +
                                              " (tokenizer.ggml.pre) is not supported; known are " + known +
                                              "."};
  }
  return PreTokenizerSpec{.name = found->name,
                          .patterns = pre_tokenizer_patterns(found->family),
                          .ignore_merges = (found->flags & kIgnoreMerges) != 0,
                          .adds_bos = (found->flags & kAddsBos) != 0};
}

PreTokenizerSpec line_pre_tokenizer() {
  return {.name = "lines", .patterns = pre_tokenizer_patterns(PreFamily::kLines)};
}

}  // namespace tq
