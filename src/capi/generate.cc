// A prompt -> an answer, through callbacks: the loop over sync() and sample() that most callers want.
#include <limits>
#include <optional>
#include <vector>

#include "capi/capi.h"
#include "tq/prompt_steps.h"
#include "tq/utf8.h"

namespace tq::capi {
namespace {

tq_generate_options default_generate_options() {
  tq_generate_options options{};
  options.struct_size = sizeof options;
  options.max_tokens = -1;
  return options;
}

class Generation {
 public:
  Generation(const tq_session& session, tq_sampler& sampler, std::span<const Token> prompt,
             const tq_generate_options& options)
      : engine_(*session.engine),
        session_(*session.session),
        sampler_(*sampler.sampler),
        options_(options),
        tokens_(prompt.begin(), prompt.end()) {}

  Expected<tq_generate_result> run() {
    result_.n_prompt = static_cast<std::int64_t>(tokens_.size());
    sampler_.start_answer();
    if (const auto ok = compute_prompt(); !ok) return ok.error();
    while (!stop_) {
      if (const auto ok = step(); !ok) return ok.error();
    }
    if (const std::string rest = text_.finish(); !rest.empty()) emit(TQ_NO_TOKEN, rest);
    result_.stop = *stop_;
    return result_;
  }

 private:
  // Leaves the logits after the prompt in logits_, unless stopped before.
  Expected<void> compute_prompt() {
    const std::size_t n = tokens_.size();
    // A prompt that does not fit is sent whole, to be refused at once.
    const auto begin = static_cast<std::size_t>(session_.reusable(tokens_));
    std::size_t done = static_cast<std::int64_t>(n) > session_.n_ctx() ? n : begin;
    do {
      done = end_of_prompt_step(done, n);
      const auto logits = session_.sync(std::span(tokens_).first(done));
      if (!logits) return logits.error();
      logits_ = *logits;
      result_.n_prompt_computed = static_cast<std::int64_t>(done - begin);
      if (options_.on_prompt != nullptr &&
          options_.on_prompt(options_.user, static_cast<std::int64_t>(done), result_.n_prompt) != 0) {
        stop_ = TQ_STOP_CALLBACK;
      }
    } while (!stop_ && done < n);
    return {};
  }

  // One token, or a reason to stop.
  Expected<void> step() {
    if (options_.max_tokens >= 0 && result_.n_generated >= options_.max_tokens) {
      stop_ = TQ_STOP_LENGTH;
      return {};
    }
    if (static_cast<std::int64_t>(tokens_.size()) >= session_.n_ctx()) {
      stop_ = TQ_STOP_CONTEXT;
      return {};
    }
    if (result_.n_generated > 0) {
      const auto logits = session_.sync(tokens_);
      if (!logits) return logits.error();
      logits_ = *logits;
    }
    const Token token = sampler_.sample(logits_, tokens_);
    if (engine_.is_end_of_generation(token)) {
      stop_ = TQ_STOP_END;
      return {};
    }
    tokens_.push_back(token);
    ++result_.n_generated;
    emit(token, text_.push(engine_.token_bytes(token)));
    return {};
  }

  void emit(Token token, const std::string& text) {
    if (options_.on_token != nullptr &&
        options_.on_token(options_.user, token, text.data(), text.size()) != 0) {
      stop_ = TQ_STOP_CALLBACK;
    }
  }

  const Engine& engine_;
  Session& session_;
  Sampler& sampler_;
  const tq_generate_options& options_;
  std::vector<Token> tokens_;  // prompt and answer
  std::span<const float> logits_;
  Utf8Stream text_;
  std::optional<tq_stop_reason> stop_;
  tq_generate_result result_{};
};

}  // namespace
}  // namespace tq::capi

using namespace tq::capi;

void tq_generate_options_init(tq_generate_options* options, size_t struct_size) {
  if (options != nullptr) write_struct(*options, default_generate_options(), struct_size);
}

tq_status tq_generate(tq_session* session, tq_sampler* sampler, const tq_token* prompt, size_t n_prompt,
                      const tq_generate_options* options, tq_generate_result* result, tq_error* error) {
  return guarded(error, [&]() -> tq::Expected<void> {
    if (auto ok = require("tq_generate",
                          {{"session", session}, {"sampler", sampler}, array("prompt", prompt, n_prompt)});
        !ok)
      return ok;
    const auto defaults = default_generate_options();
    const auto read = read_options("tq_generate", options != nullptr ? *options : defaults, defaults);
    if (!read) return read.error();
    if (sampler->engine != nullptr && sampler->engine != session->engine)
      return bad_argument("tq_generate: the sampler was made for another engine than the session.");
    if (result != nullptr && result->struct_size < sizeof result->struct_size)
      return bad_argument("tq_generate: set result->struct_size to sizeof(tq_generate_result).");
    const auto done = Generation(*session, *sampler, {prompt, n_prompt}, *read).run();
    if (!done) return done.error();
    if (result != nullptr) write_struct(*result, *done, result->struct_size);
    return {};
  });
}
