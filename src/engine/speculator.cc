#include <algorithm>
#include <string>
#include <utility>

#include "attention/attention.h"
#include "tq/speculation.h"

namespace tq {
namespace {

// The last token and its guesses in one pass give the bits of as many passes of one token.
static_assert(1 + kMaxDraft <= kDecodeRows);

class SpeculatorImpl final : public Speculator {
 public:
  SpeculatorImpl(const Engine& engine, std::unique_ptr<Drafter> drafter, const SpeculationOptions& options)
      : engine_(engine), drafter_(std::move(drafter)), options_(options) {}

  Expected<std::vector<Token>> next(Session& session, Sampler& sampler, std::span<const Token> tokens,
                                    std::int64_t most) override {
    const auto n = static_cast<std::int64_t>(tokens.size());
    const std::int64_t room = std::min(
        {most - 1, session.n_ctx() - n, std::int64_t{options_.max_draft}, room_in_pass(session, tokens)});
    std::vector<Token> draft;
    if (room >= std::max(options_.min_draft, 1)) {
      auto proposed = drafter_->propose(tokens, sampler, static_cast<int>(room));
      if (!proposed) return proposed.error();
      draft = *std::move(proposed);
      if (static_cast<int>(draft.size()) < options_.min_draft) draft.clear();
    }
    text_.assign(tokens.begin(), tokens.end());
    text_.insert(text_.end(), draft.begin(), draft.end());
    if (const auto ok = compute(session, n); !ok) return ok.error();
    return choose(sampler, tokens, draft);
  }

  const SpeculationStats& stats() const override { return stats_; }

 private:
  // Several tokens are new: all but the last are computed apart, so that this one gets plain decoding's bits.
  static bool has_prompt(const Session& session, std::int64_t n) {
    return static_cast<std::int64_t>(session.tokens().size()) < n - 1;
  }

  // Guesses that can be decoded beside what has to be computed: the last token, and after wrong guesses a
  // recurrent model's tokens since before them.
  static std::int64_t room_in_pass(const Session& session, std::span<const Token> tokens) {
    const auto n = static_cast<std::int64_t>(tokens.size());
    return kDecodeRows - (has_prompt(session, n) ? 1 : n - session.reusable(tokens));
  }

  // Logits after the last of the first n tokens and after each guess.
  Expected<void> compute(Session& session, std::int64_t n) {
    rows_.clear();
    const auto keep = [&](std::int64_t position, std::span<const float> logits) {
      if (position >= n - 1) rows_.insert(rows_.end(), logits.begin(), logits.end());
    };
    if (has_prompt(session, n)) {
      const auto before = session.sync(std::span(text_).first(static_cast<std::size_t>(n - 1)));
      if (!before) return before.error();
    }
    const auto all = session.sync(text_, keep);
    if (!all) return all.error();
    return {};
  }

  std::vector<Token> choose(Sampler& sampler, std::span<const Token> tokens,
                            const std::vector<Token>& draft) {
    std::vector<Token> chosen;
    text_.assign(tokens.begin(), tokens.end());
    std::size_t right = 0;
    const std::size_t n_vocab = rows_.size() / (draft.size() + 1);
    for (std::size_t row = 0; row <= draft.size(); ++row) {
      chosen.push_back(sampler.sample(std::span(rows_).subspan(row * n_vocab, n_vocab), text_));
      text_.push_back(chosen.back());
      const bool was_guessed = right < draft.size() && draft[right] == chosen.back();
      if (!was_guessed) break;
      ++right;
      if (engine_.is_end_of_generation(chosen.back())) break;
    }
    stats_.drafted += static_cast<std::int64_t>(draft.size());
    stats_.accepted += static_cast<std::int64_t>(right);
    ++stats_.passes[right];
    return chosen;
  }

  const Engine& engine_;
  std::unique_ptr<Drafter> drafter_;
  SpeculationOptions options_;
  SpeculationStats stats_;
  std::vector<Token> text_;  // tokens and guesses
  std::vector<float> rows_;  // [1 + guesses, n_vocab]
};

}  // namespace

Expected<std::unique_ptr<Speculator>> Speculator::create(const Engine& engine,
                                                         std::unique_ptr<Drafter> drafter,
                                                         const SpeculationOptions& options) {
  if (options.max_draft < 1 || options.max_draft > kMaxDraft || options.min_draft < 0 ||
      options.min_draft > options.max_draft) {
    return Error{ErrorCode::kBadArgument, "draft-max must be from 1 to " + std::to_string(kMaxDraft) +
                                              " and draft-min at most draft-max."};
  }
  return std::unique_ptr<Speculator>(std::make_unique<SpeculatorImpl>(engine, std::move(drafter), options));
}

}  // namespace tq
