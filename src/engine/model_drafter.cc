// A smaller model drafts, with a session of its own that follows the same text.
#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

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
    const auto copy = sampler.clone();
    std::vector<Token> text(tokens.begin(), tokens.end());
    // A prompt without its last token, so that this one is decoded, as the target decodes it.
    if (text.size() > session_->tokens().size() + kMaxDraft + 1 &&
        static_cast<std::int64_t>(text.size()) <= session_->n_ctx()) {
      const auto prompt = session_->sync(tokens.first(tokens.size() - 1));
      if (!prompt) return prompt.error();
    }
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
