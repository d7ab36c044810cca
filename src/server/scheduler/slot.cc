#include "server/scheduler/slot.h"

#include <algorithm>
#include <utility>

namespace tq::server {
namespace {

double seconds(Clock::duration duration) { return std::chrono::duration<double>(duration).count(); }

std::uint64_t microseconds(double s) { return static_cast<std::uint64_t>(s * 1e6); }

}  // namespace

std::size_t Slot::common_prefix(std::span<const Token> prompt) const {
  return static_cast<std::size_t>(std::ranges::mismatch(prompt, session_->tokens()).in1 - prompt.begin());
}

void Slot::start(Job job) {
  tokens_ = job.request.prompt;
  n_guesses_ = 0;
  n_computed_ = 0;
  n_answer_ = 0;
  started_ = Clock::now();
  last_job_ = job.number;
  text_.emplace(job.request.stops);
  job_ = std::move(job);
}

void Slot::guess(int least, int most) {
  if (drafter_ == nullptr || n_guesses_ > 0 || is_prefilling()) return;
  const auto n = static_cast<std::int64_t>(tokens_.size());
  std::int64_t room = std::min<std::int64_t>({most, kMaxDraft, session_->n_ctx() - n});
  if (job_->request.max_tokens) room = std::min(room, *job_->request.max_tokens - n_answer_ - 1);
  if (room < std::max(least, 1)) return;
  const auto guesses = drafter_->propose(tokens_, *job_->request.sampler, static_cast<int>(room));
  // Without guesses an answer is slower, and the same.
  if (!guesses || static_cast<int>(guesses->size()) < least) return;
  tokens_.insert(tokens_.end(), guesses->begin(), guesses->end());
  n_guesses_ = guesses->size();
}

Work Slot::work() {
  Work work{.session = session_.get(), .tokens = tokens_, .is_prompt = is_prefilling()};
  if (n_guesses_ == 0) return work;
  rows_.clear();
  const auto first = static_cast<std::int64_t>(tokens_.size() - n_guesses_) - 1;
  work.visitor = [this, first](std::int64_t position, std::span<const float> logits) {
    if (position >= first) rows_.insert(rows_.end(), logits.begin(), logits.end());
  };
  return work;
}

std::vector<Token> Slot::take_guesses() {
  const auto first = tokens_.end() - static_cast<std::ptrdiff_t>(std::exchange(n_guesses_, 0));
  std::vector<Token> guesses(first, tokens_.end());
  tokens_.erase(first, tokens_.end());
  return guesses;
}

void Slot::advance(std::span<const float> logits, Metrics& metrics) {
  const std::vector<Token> guesses = take_guesses();
  if (guesses.empty()) {
    add_token(logits, metrics);
    return;
  }
  const std::size_t n = tokens_.size();
  std::size_t right = 0;
  while (!add_token(std::span(rows_).subspan(right * logits.size(), logits.size()), metrics) &&
         right < guesses.size() && tokens_.back() == guesses[right]) {
    ++right;
  }
  // Of the guesses those stay that a pass of one token would have computed.
  session_->truncate(static_cast<std::int64_t>(n + right));
  metrics.drafted_tokens += guesses.size();
  metrics.accepted_tokens += right;
  ++metrics.draft_passes[right];
}

// True when the answer has ended.
bool Slot::add_token(std::span<const float> logits, Metrics& metrics) {
  if (n_answer_ == 0) first_token_ = Clock::now();
  std::optional<Outcome> outcome = choose(logits);
  if (!outcome) {
    show();
    return false;
  }
  finish(std::move(*outcome), metrics);
  return true;
}

std::optional<Outcome> Slot::choose(std::span<const float> logits) {
  const GenerationRequest& request = job_->request;
  // A request for no token at all wants its prompt computed.
  if (request.max_tokens == 0) return Outcome{.reason = FinishReason::kLength};
  const Token token = request.sampler->sample(logits, tokens_);
  if (engine_.is_end_of_generation(token)) return Outcome{.reason = FinishReason::kEnd};
  tokens_.push_back(token);
  ++n_answer_;
  std::optional<ScoredToken> scored;
  if (request.n_logprobs) {
    scored = {token, logprobs(logits, token, *request.n_logprobs)};
  } else if (request.keeps_tokens) {
    scored = {token, {}};
  }
  const bool is_shown = std::ranges::binary_search(request.shown_tokens, token);
  const auto bytes = engine_.token_bytes(token, is_shown ? SpecialText::kParse : SpecialText::kPlain);
  std::string stop = text_->push(bytes, std::move(scored));
  if (!stop.empty()) return Outcome{.reason = FinishReason::kStopString, .stop_string = std::move(stop)};
  if (request.max_tokens && n_answer_ >= *request.max_tokens) return Outcome{.reason = FinishReason::kLength};
  if (static_cast<std::int64_t>(tokens_.size()) >= session_->n_ctx()) {
    return Outcome{.reason = FinishReason::kContext};
  }
  return std::nullopt;
}

void Slot::show() {
  Piece piece = text_->take();
  if (!piece.empty()) job_->stream->put({job_->choice, std::move(piece)});
}

void Slot::end(FinishReason reason, Metrics& metrics, std::optional<Error> error) {
  finish({.reason = reason, .error = std::move(error)}, metrics);
}

void Slot::finish(Outcome outcome, Metrics& metrics) {
  if (outcome.reason != FinishReason::kStopString) text_->finish();
  show();
  ++(outcome.reason == FinishReason::kError ? metrics.failed : metrics.finished);
  count(metrics);
  outcome.usage = usage();
  outcome.slot = id_;
  job_->stream->put({job_->choice, std::move(outcome)});
  job_.reset();
}

void Slot::abandon(Metrics& metrics) {
  ++metrics.cancelled;
  count(metrics);
  job_.reset();
}

Usage Slot::usage() const {
  const Clock::time_point now = Clock::now();
  const bool has_token = first_token_ >= started_;
  const Clock::time_point first = has_token ? first_token_ : now;
  const auto n_prompt = static_cast<std::int64_t>(job_->request.prompt.size());
  return {.prompt_tokens = n_prompt,
          .cached_tokens = has_token ? n_prompt - n_computed_ : 0,
          .answer_tokens = n_answer_,
          .queue_seconds = seconds(started_ - job_->arrived),
          .prompt_seconds = seconds(first - started_),
          .decode_seconds = seconds(now - first)};
}

void Slot::count(Metrics& metrics) const {
  const Usage u = usage();
  metrics.prompt_tokens += static_cast<std::uint64_t>(n_computed_);
  metrics.cached_tokens += static_cast<std::uint64_t>(u.cached_tokens);
  metrics.answer_tokens += static_cast<std::uint64_t>(u.answer_tokens);
  metrics.longest = std::max<std::uint64_t>(metrics.longest, tokens_.size());  // one thread writes
  metrics.prompt_microseconds += microseconds(u.prompt_seconds);
  metrics.decode_microseconds += microseconds(u.decode_seconds);
}

}  // namespace tq::server
