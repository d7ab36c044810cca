// What the gates measure with: one engine, the two caches that are compared, a corpus, the sizes of the
// profile, and the few verbs they share.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "eval/thresholds.h"
#include "tq/engine.h"
#include "tq/eval.h"

namespace tq::eval {

// How much each gate measures.
struct Sizes {
  struct Windows {
    std::int64_t n_ctx;
    std::int64_t count;
  };
  std::vector<Windows> perplexity;
  std::int64_t kld_context, kld_tokens;  // the first are only read, the others compared
  std::int64_t trajectory_prompts, trajectory_tokens;
  std::int64_t long_answers, long_answer_tokens;
  std::int64_t perturbation_prompts, perturbation_tokens;  // of eight at most; tokens an answer
  std::vector<std::int64_t> needle_lengths;
  std::vector<int> needle_depths;  // percent
  std::int64_t prompt_tokens;      // at most, of an answer
  std::int64_t prompt_filler;      // tokens of the two long prompts
  std::int64_t fidelity_context, fidelity_tokens;
  std::int64_t matrix_context, matrix_tokens;
  std::int64_t endurance_turns, endurance_answer, endurance_input;  // tokens a turn, at most
  std::int64_t speed_depth, speed_tokens, speed_rounds;
  std::int64_t memory_tokens;
};

Sizes sizes_of(EvalProfile profile);

struct EvalContext {
  EvalOptions options;
  Sizes sizes;
  Thresholds thresholds;
  std::unique_ptr<Engine> engine;
  CachePlan baseline, tested;
  std::vector<Token> corpus;  // without BOS
  std::vector<Token> bos;     // the one the model wants in front, or none

  // Of what is computed.
  std::int64_t n_ctx_max() const {
    const std::int64_t trained = engine->info().n_ctx_train;
    return options.n_ctx > 0 ? std::min(options.n_ctx, trained) : trained;
  }
  const CachePlan& plan(bool is_tested) const { return is_tested ? tested : baseline; }
};

// The two caches by the names that keys and reports use.
inline constexpr const char* kSides[] = {"baseline", "tested"};

// kInterrupted when the user wants to end.
Expected<void> check_interrupt(const EvalContext& context);

// Caches that hold n_ctx tokens.
Expected<std::unique_ptr<Session>> open_session(const EvalContext& context, const CachePlan& plan,
                                                std::int64_t n_ctx);

// Session::sync() in steps of at most `step` tokens, between which an interrupt is seen (kInterrupted).
Expected<std::span<const float>> feed(const EvalContext& context, Session& session,
                                      std::span<const Token> tokens, std::size_t step = 512,
                                      const Session::LogitsVisitor& visitor = {});

// What a session is to hold.
struct Feed {
  Session* session;
  std::span<const Token> tokens;
};
// feed() for several sessions, each once, in shared steps, which read the weights once for all. The values
// are those of feed(); result i is that of feeds[i].
Expected<std::vector<std::span<const float>>> feed_together(const EvalContext& context,
                                                            std::span<const Feed> feeds);

// The most likely next tokens, one after another, `n` at most, until the model ends (when `stops_at_end`).
Expected<std::vector<Token>> greedy(const EvalContext& context, Session& session,
                                    std::span<const Token> prompt, std::int64_t n, bool stops_at_end = true);

// The same for several sessions in shared steps; text i is of prompts[i].
Expected<std::vector<std::vector<Token>>> greedy_together(const EvalContext& context,
                                                          std::span<const Feed> prompts, std::int64_t n,
                                                          bool stops_at_end = true);

Token argmax(std::span<const float> logits);
std::string text_of(const Engine& engine, std::span<const Token> tokens);  // well-formed UTF-8

// A prompt as the model's chat template has it; where there is none, the text as it is.
Expected<std::vector<Token>> chat_prompt(const EvalContext& context, std::span<const ChatMessage> messages);

// BOS and corpus tokens [first, first + n).
std::vector<Token> corpus_window(const EvalContext& context, std::int64_t first, std::int64_t n);

// Cache bytes of a token, over all layers.
double bytes_per_token(const Session& session);

}  // namespace tq::eval
