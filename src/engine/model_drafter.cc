// A smaller model drafts, with a session of its own that follows the same text.
#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "tq/prompt_steps.h"
#include "tq/speculation.h"

namespace tq {
namespace {

double probability(std::span<const float> logits, Token token) {
  const auto chosen = static_cast<double>(logits[static_cast<std::size_t>(token)]);
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - chosen);
  return 1 / sum;
}

class ModelDrafter final : public Drafter {
 public:
  ModelDrafter(const Engine& target, const Engine& draft, std::unique_ptr<Session> session,
               double min_probability)
      : target_(target), draft_(draft), session_(std::move(session)), min_probability_(min_probability) {}

  Expected<std::vector<Token>> propose(std::span<const Token> tokens, const Sampler& sampler,
                                       int max) override {
    std::vector<Token> proposed;
    const auto is_known = [this](Token token) { return token < draft_.info().n_vocab; };
    if (!std::ranges::all_of(tokens, is_known)) return proposed;
    const auto has_caught_up = catch_up(tokens);
    if (!has_caught_up) return has_caught_up.error();
    if (!*has_caught_up) return proposed;
    const auto copy = sampler.clone();
    std::vector<Token> text(tokens.begin(), tokens.end());
    while (static_cast<int>(proposed.size()) < max &&
           static_cast<std::int64_t>(text.size()) <= session_->n_ctx()) {
      const auto logits = session_->sync(text);
      if (!logits) return logits.error();
      const Token token = copy->sample(*logits, text);
      if (token >= target_.info().n_vocab || !(probability(*logits, token) >= min_probability_)) break;
      proposed.push_back(token);
      text.push_back(token);
      if (target_.is_end_of_generation(token)) break;
    }
    return proposed;
  }

 private:
  // One step of a prompt that the session lacks, without its last token, so that this one is decoded, as the
  // target decodes it. False while more is lacking: answers go on without guesses meanwhile, so that nobody
  // waits for long.
  Expected<bool> catch_up(std::span<const Token> tokens) {
    const std::size_t n = tokens.size() - 1;
    const auto held = static_cast<std::size_t>(session_->reusable(tokens.first(n)));
    if (n - held <= kMaxDraft || static_cast<std::int64_t>(tokens.size()) > session_->n_ctx()) return true;
    const std::size_t end = end_of_prompt_step(held, n);
    if (const auto step = session_->sync(tokens.first(end)); !step) return step.error();
    return end == n;
  }

  const Engine& target_;
  const Engine& draft_;
  std::unique_ptr<Session> session_;
  double min_probability_;
};

}  // namespace

Expected<std::unique_ptr<Drafter>> make_model_drafter(const Engine& target, Engine& draft,
                                                      double min_probability) {
  if (!(min_probability >= 0 && min_probability <= 1)) {
    return Error{ErrorCode::kBadArgument, "draft-p-min must be from 0 to 1."};
  }
  if (draft.info().is_recurrent) {
    return Error{
        ErrorCode::kUnsupported,
        "the draft model has recurrent layers, which can't take back single guesses; use one without, "
        "or --lookup."};
  }
  // Ids beyond the smaller vocabulary pad a matrix and stand for nothing.
  const int n_vocab = std::min(target.info().n_vocab, draft.info().n_vocab);
  for (Token token = 0; token < n_vocab; ++token) {
    if (target.token_bytes(token) == draft.token_bytes(token)) continue;
    return Error{ErrorCode::kBadArgument, "the draft model has another vocabulary (token " +
                                              std::to_string(token) +
                                              " differs); use a smaller model of the same family."};
  }
  auto session = draft.create_session();
  if (!session) return session.error();
  return std::unique_ptr<Drafter>(
      std::make_unique<ModelDrafter>(target, draft, *std::move(session), min_probability));
}

}  // namespace tq
