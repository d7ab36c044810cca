#include "server/api/answer.h"

#include <algorithm>
#include <random>

#include "server/api/sampling.h"

namespace tq::server {
namespace {

// For ids: they only have to differ.
std::mt19937_64& random_bits() {
  thread_local std::mt19937_64 random{std::random_device{}()};
  return random;
}

constexpr std::size_t kMaxAnswers = 128;  // to one request
// How soon a client's leaving is noticed while nothing is written.
constexpr std::chrono::milliseconds kLook{20};

Expected<std::unique_ptr<Sampler>> make_sampler(const ServedModel& model, const AnswerOptions& options,
                                                std::size_t index) {
  SamplerOptions sampler = options.sampler;
  if (sampler.seed != 0) sampler.seed += index;  // each answer another one, all of them repeatable
  const bool needs_vocabulary = sampler.grammar || sampler.dry_multiplier != 0.0F;
  if (!needs_vocabulary) return Sampler::create(sampler);
  return Sampler::create(sampler,
                         options.shows_markers ? model.markup->vocabulary() : model.engine.vocabulary());
}

void check_length(const ServedModel& model, std::size_t n_prompt) {
  const std::int64_t n_ctx = model.engine.n_ctx();
  if (n_prompt == 0) refuse("the prompt is empty; give some text.", "prompt");
  if (static_cast<std::int64_t>(n_prompt) < n_ctx) return;
  throw ApiError{.message = "the prompt is " + std::to_string(n_prompt) +
                            " tokens long, and with an answer it does not fit "
                            "the context of " +
                            std::to_string(n_ctx) +
                            "; shorten it, or start the server with a larger context (-c).",
                 .param = "messages",
                 .code = "context_length_exceeded"};
}

}  // namespace

AnswerOptions read_answer_options(const Fields& fields, const ServedModel& model) {
  AnswerOptions options{.sampler = read_sampling(fields, model),
                        .stops = fields.find("stop") != nullptr ? read_stops(fields) : model.stops,
                        .max_tokens = model.max_tokens};
  for (const char* const name : {"n_predict", "max_tokens", "max_completion_tokens"}) {
    const auto n = fields.integer(name, -1);
    if (n) options.max_tokens = *n < 0 ? std::nullopt : n;
  }
  for (const char* const name : {"n_cmpl", "n"}) {
    if (const auto n = fields.integer(name, 1, static_cast<std::int64_t>(kMaxAnswers)))
      options.n = static_cast<int>(*n);
  }
  options.reuse_cache = fields.boolean("cache_prompt").value_or(true);
  const auto slot = fields.integer("id_slot", -1, model.scheduler.n_slots() - 1);
  if (slot && *slot >= 0) options.slot = static_cast<int>(*slot);
  return options;
}

std::shared_ptr<AnswerStream> start_answers(const ServedModel& model,
                                            const std::vector<std::vector<Token>>& prompts,
                                            const AnswerOptions& options, const http::Peer* peer) {
  const std::size_t most = std::min(kMaxAnswers, model.scheduler.capacity());
  if (prompts.size() * static_cast<std::size_t>(options.n) > most) {
    refuse("a request can have at most " + std::to_string(most) + " answers; ask for fewer.", "n");
  }
  std::vector<GenerationRequest> requests;
  for (const std::vector<Token>& prompt : prompts) {
    check_length(model, prompt.size());
    for (int i = 0; i < options.n; ++i) {
      requests.push_back(
          {.prompt = prompt,
           .sampler = value_or_throw(make_sampler(model, options, requests.size())),
           .max_tokens = options.max_tokens,
           .stops = options.stops,
           .shown_tokens = options.shows_markers ? model.markup->tokens() : std::vector<Token>(),
           .n_logprobs = options.n_logprobs,
           .keeps_tokens = options.keeps_tokens,
           .reuse_cache = options.reuse_cache,
           .slot = options.slot});
    }
  }
  std::function<bool()> is_connected;
  if (peer != nullptr) is_connected = [peer] { return peer->is_connected(); };
  auto submission = model.scheduler.submit(std::move(requests), std::move(is_connected));
  switch (submission.admission) {
    case Admission::kQueueFull:
      throw ApiError{.status = 429,
                     .message = "too many requests are waiting; try again later.",
                     .type = "rate_limit_error",
                     .code = "rate_limit_exceeded",
                     .headers = {{"Retry-After", std::to_string(model.scheduler.retry_after())}}};
    case Admission::kShuttingDown:
      throw *failure_of({.reason = FinishReason::kShutdown});
    case Admission::kAccepted:
      break;
  }
  AnswerStream* const reader = submission.stream.get();
  return {reader, [stream = std::move(submission.stream)](AnswerStream*) { stream->cancel(); }};
}

bool follow(AnswerStream& stream, const std::function<bool()>& is_connected,
            const std::function<bool(Event)>& on_event) {
  while (!stream.is_finished()) {
    auto event = stream.next(Clock::now() + kLook);
    if (!is_connected() || (event && !on_event(std::move(*event)))) {
      stream.cancel();
      return false;
    }
  }
  return true;
}

std::optional<ApiError> failure_of(const Outcome& outcome) {
  switch (outcome.reason) {
    case FinishReason::kEnd:
    case FinishReason::kStopString:
    case FinishReason::kLength:
    case FinishReason::kContext:
      return std::nullopt;
    case FinishReason::kTimeout:
      return ApiError{.status = 504,
                      .message = "the answer took longer than the server allows (--request-timeout).",
                      .type = "server_error",
                      .code = "timeout"};
    case FinishReason::kShutdown:
      return ApiError{.status = 503,
                      .message = "the server is shutting down.",
                      .type = "server_error",
                      .code = "shutting_down",
                      .headers = {{"Retry-After", "5"}}};
    case FinishReason::kError:
      break;
  }
  return to_api_error(outcome.error.value_or(Error{ErrorCode::kIo, "the answer failed."}));
}

std::string make_id(std::string_view prefix) {
  constexpr std::string_view kLetters = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  constexpr int kLength = 24;
  std::string id(prefix);
  std::uniform_int_distribution<std::size_t> letter(0, kLetters.size() - 1);
  for (int i = 0; i < kLength; ++i) id += kLetters[letter(random_bits())];
  return id;
}

std::uint64_t random_seed() { return random_bits()(); }

std::int64_t unix_time() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace tq::server
