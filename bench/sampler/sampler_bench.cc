// What sampling one token costs, and what a grammar adds to it.
//
//   build/release/bench/sampler/sampler_bench
//
// Logits are like a model's: most of them near -5, a few far above. The vocabularies have 49 152 and 151 936
// tokens (SmolLM2's and Qwen's size) of lengths as in byte-level BPE.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "sampler/sampler_impl.h"

namespace {

using tq::Token;

constexpr int kSmall = 49152;
constexpr int kLarge = 151936;

std::vector<float> model_logits(int n, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> noise(-5.0F, 2.5F);
  std::vector<float> logits(static_cast<std::size_t>(n));
  for (float& x : logits) x = noise(random);
  for (int i = 0; i < 20; ++i) logits[random() % logits.size()] += 12.0F;
  return logits;
}

// Words with and without a leading space, punctuation, digits, CJK characters and parts of characters. JSON's
// own characters are among them singly and in groups.
std::vector<std::string> make_tokens(int n) {
  std::mt19937 random(7);
  std::vector<std::string> tokens = {""};
  for (int byte = 0; byte < 256; ++byte) tokens.emplace_back(1, static_cast<char>(byte));
  const std::string_view syntax = "{}[]\":,.0123456789 \n\\-/()*=;'";
  while (tokens.size() < static_cast<std::size_t>(n)) {
    std::string text = random() % 2 == 0 ? " " : "";
    const unsigned kind = random() % 20;
    const unsigned length = 1 + random() % 8;
    if (kind < 14) {
      for (unsigned i = 0; i <= length; ++i)
        text += static_cast<char>('a' + std::min(random() % 26, random() % 26));
    } else if (kind < 17) {
      text.clear();
      for (unsigned i = 0; i < 1 + length % 3; ++i) {
        const unsigned c = 0x4E00 + random() % 3000;
        text += {static_cast<char>(0xE0 | c >> 12), static_cast<char>(0x80 | (c >> 6 & 0x3F)),
                 static_cast<char>(0x80 | (c & 0x3F))};
      }
    } else {
      for (unsigned i = 0; i < 1 + length / 2; ++i) text += syntax[random() % syntax.size()];
    }
    tokens.push_back(text);
  }
  return tokens;
}

std::shared_ptr<const tq::VocabularyImpl> vocabulary(int n) {
  static const std::vector<std::string> tokens = make_tokens(kLarge);
  const auto make = [](int size) {
    return std::static_pointer_cast<const tq::VocabularyImpl>(tq::Vocabulary::create({
        .n_tokens = size,
        .bytes = [](Token token) -> std::string_view { return tokens[static_cast<std::size_t>(token)]; },
        .ends_generation = [](Token token) { return token == 0; },
        .encode = [](std::string_view) { return std::vector<Token>(); },
    }));
  };
  static const auto small = make(kSmall);
  static const auto large = make(kLarge);
  return n == kSmall ? small : large;
}

constexpr const char* kJson = R"(
root ::= object
value ::= object | array | string | number | "true" | "false" | "null"
object ::= "{" ws ( string ":" ws value ws ("," ws string ":" ws value ws)* )? "}"
array ::= "[" ws ( value ws ("," ws value ws)* )? "]"
string ::= "\"" ( [^"\\\x00-\x1f] | "\\" ( ["\\/bfnrt] | "u" [0-9a-fA-F]{4} ) )* "\""
number ::= "-"? ("0" | [1-9] [0-9]{0,15}) ("." [0-9]+)? ([eE] [-+]? [0-9]+)?
ws ::= | " " | "\n" [ \t]{0,20}
)";

tq::SamplerOptions options_named(int which) {
  switch (which) {
    case 1:
      return {.temperature = 0.0F, .seed = 1};
    case 2:
      return {.top_k = 0, .seed = 1};  // top-p and min-p over everything
    case 3:
      return {.typical_p = 0.9F,
              .repeat_penalty = 1.1F,
              .frequency_penalty = 0.1F,
              .dry_multiplier = 0.8F,
              .dry_sequence_breakers = {},
              .seed = 1};
    case 4:
      return {.mirostat = 2, .seed = 1};
    default:
      return {.seed = 1};
  }
}

// Arguments: tokens, options (0 defaults, 1 greedy, 2 no top-k, 3 penalties and DRY over 4096 tokens, 4
// mirostat).
void sample(benchmark::State& state) {
  const auto logits = model_logits(static_cast<int>(state.range(0)), 1);
  const auto sampler = tq::Sampler::create(options_named(static_cast<int>(state.range(1))));
  std::vector<Token> history(4096);
  std::mt19937 random(3);
  for (Token& token : history) token = static_cast<Token>(random() % 500);
  for (auto _ : state) benchmark::DoNotOptimize((*sampler)->sample(logits, history));
}
BENCHMARK(sample)->ArgsProduct({{kSmall, kLarge}, {0, 1, 2, 3, 4}})->Unit(benchmark::kMicrosecond);

// The same, writing JSON: the grammar goes through all its states, and the logits favour what it allows as a
// model's do that was asked for JSON. `forced`: they do not, as a model's that was not.
void sample_json(benchmark::State& state) {
  const int n = static_cast<int>(state.range(0));
  auto options = options_named(static_cast<int>(state.range(1)));
  const bool is_forced = state.range(2) != 0;
  options.grammar = *tq::Grammar::from_gbnf(kJson);
  const auto vocab = vocabulary(n);
  tq::SamplerImpl sampler(options, vocab);
  std::vector<std::vector<float>> logits;
  for (unsigned i = 0; i < 64; ++i) {
    logits.push_back(model_logits(n, i));
    if (is_forced) continue;
    for (Token token = 1; token < n; ++token) {
      const auto text = vocab->bytes(token);
      if (text.size() <= 2 && text.find_first_of("{}[]\":,0123456789") != std::string_view::npos)
        logits.back()[static_cast<std::size_t>(token)] += 8.0F;
    }
  }
  std::size_t step = 0;
  std::size_t said = 0;
  for (auto _ : state) {
    const Token token = sampler.sample(logits[step++ % logits.size()], {});
    if (token == 0 || ++said == 400) {  // another answer
      sampler.start_answer();
      said = 0;
    }
  }
}
BENCHMARK(sample_json)->ArgsProduct({{kSmall, kLarge}, {0, 1, 2}, {0, 1}})->Unit(benchmark::kMicrosecond);

// One pass over the vocabulary: inside a string, where nearly all tokens are allowed, and after "{".
void mask(benchmark::State& state) {
  const auto vocab = vocabulary(static_cast<int>(state.range(0)));
  const auto grammar = std::static_pointer_cast<const tq::GrammarImpl>(*tq::Grammar::from_gbnf(kJson));
  const std::string text = state.range(1) != 0 ? "{\"" : "{";
  for (auto _ : state) {
    state.PauseTiming();
    auto matcher = std::make_unique<tq::Matcher>(grammar, vocab);
    for (const char byte : text) matcher->accept(static_cast<Token>(static_cast<unsigned char>(byte)) + 1);
    state.ResumeTiming();
    benchmark::DoNotOptimize(matcher->mask());
    state.PauseTiming();
    matcher.reset();
    state.ResumeTiming();
  }
}
BENCHMARK(mask)->ArgsProduct({{kSmall, kLarge}, {0, 1}})->Unit(benchmark::kMicrosecond);

void make_vocabulary(benchmark::State& state) {
  const auto tokens = make_tokens(static_cast<int>(state.range(0)));
  for (auto _ : state) {
    benchmark::DoNotOptimize(tq::Vocabulary::create({
        .n_tokens = static_cast<Token>(tokens.size()),
        .bytes = [&](Token token) -> std::string_view { return tokens[static_cast<std::size_t>(token)]; },
        .ends_generation = [](Token token) { return token == 0; },
        .encode = [](std::string_view) { return std::vector<Token>(); },
    }));
  }
}
BENCHMARK(make_vocabulary)->Arg(kSmall)->Arg(kLarge)->Unit(benchmark::kMillisecond);

void logprobs(benchmark::State& state) {
  const auto logits = model_logits(static_cast<int>(state.range(0)), 1);
  for (auto _ : state) benchmark::DoNotOptimize(tq::logprobs(logits, 5, 20));
}
BENCHMARK(logprobs)->Arg(kSmall)->Arg(kLarge)->Unit(benchmark::kMicrosecond);

}  // namespace

BENCHMARK_MAIN();
