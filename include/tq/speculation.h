// Speculative decoding: a drafter guesses the next few tokens, and one pass of the model checks them all.
//
// The output is that of plain decoding, token for token, with any sampler and seed: each token is chosen by
// the sampler from the model's own logits, and a guess saves a pass where it names the same token. Logits are
// the same bit for bit up to kMaxDraft guesses a pass. docs/decisions/speculation.md has the reasons.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "tq/engine.h"
#include "tq/error.h"
#include "tq/sampler.h"
#include "tq/session.h"
#include "tq/text.h"

namespace tq {

// Most guesses a pass.
inline constexpr int kMaxDraft = 7;

class Drafter {
 public:
  virtual ~Drafter() = default;

  // Up to `max` tokens that may follow `tokens`, as one block; none where it has no idea. `sampler` is the
  // one that will choose: a drafter that has logits draws from them with a copy of it, so that both draw by
  // the same random numbers and agree as often as their distributions allow.
  virtual Expected<std::vector<Token>> propose(std::span<const Token> tokens, const Sampler& sampler,
                                               int max) = 0;
};

// Prompt lookup: what followed the latest earlier occurrence of the last tokens. Costs nothing; good where
// the answer repeats its prompt, as in editing, summaries and code.
std::unique_ptr<Drafter> make_lookup_drafter();

// A smaller model of the same vocabulary (kBadArgument when it has another). It stops at a token to which it
// gives less than `min_probability`. `target` and `draft` must outlive the drafter.
Expected<std::unique_ptr<Drafter>> make_model_drafter(const Engine& target, Engine& draft,
                                                      double min_probability);

struct SpeculationOptions {
  int max_draft = kMaxDraft;  // guesses a pass, 1 to kMaxDraft
  int min_draft = 1;          // fewer are not worth a wider pass and are dropped
};

struct SpeculationStats {
  std::int64_t drafted = 0;
  std::int64_t accepted = 0;
  // [kMaxDraft + 1]: passes by how many of their guesses were right.
  std::vector<std::int64_t> passes = std::vector<std::int64_t>(kMaxDraft + 1);
};

class Speculator {
 public:
  // kBadArgument names the option that is out of range. `engine` is the one whose sessions are used.
  static Expected<std::unique_ptr<Speculator>> create(const Engine& engine, std::unique_ptr<Drafter> drafter,
                                                      const SpeculationOptions& options);
  virtual ~Speculator() = default;

  // The next tokens after `tokens`, 1 to `most`, as that many calls of sync() and sample() would choose them;
  // one that ends the generation is the last. `session` holds a prefix of `tokens` and perhaps more.
  virtual Expected<std::vector<Token>> next(Session& session, Sampler& sampler, std::span<const Token> tokens,
                                            std::int64_t most) = 0;
  virtual const SpeculationStats& stats() const = 0;
};

}  // namespace tq
