// A slot: one session of the engine, and the request that it answers at the moment.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "server/scheduler/answer_stream.h"
#include "server/scheduler/answer_text.h"
#include "server/scheduler/metrics.h"
#include "tq/engine.h"
#include "tq/speculation.h"

namespace tq::server {

// A request on its way through the scheduler.
struct Job {
  GenerationRequest request;
  std::shared_ptr<AnswerStream> stream;
  int choice = 0;
  std::uint64_t number = 0;  // requests are served in this order
  Clock::time_point arrived = {};
  Clock::time_point deadline = Clock::time_point::max();
};

class Slot {
 public:
  // `drafter` guesses ahead; null: nobody does.
  Slot(const Engine& engine, int id, std::unique_ptr<Session> session, std::unique_ptr<Drafter> drafter)
      : engine_(engine), id_(id), session_(std::move(session)), drafter_(std::move(drafter)) {}

  int id() const { return id_; }
  Session& session() { return *session_; }
  const Session& session() const { return *session_; }
  std::unique_ptr<Session>& owned_session() { return session_; }  // to replace it while the slot is idle

  bool is_busy() const { return job_.has_value(); }
  bool is_guessing() const { return drafter_ != nullptr; }
  std::uint64_t last_job() const { return last_job_; }  // 0: it had none
  // Tokens of `prompt` that the session holds.
  std::size_t common_prefix(std::span<const Token> prompt) const;

  void start(Job job);

  // While it is busy:
  const Job& job() const { return *job_; }
  bool is_prefilling() const { return n_answer_ == 0; }
  std::int64_t answer_tokens() const { return n_answer_; }
  std::span<const Token> tokens() const { return tokens_; }  // prompt, answer and guesses
  // Guesses up to `most` tokens, none where fewer than `least` come to mind. Guesses that no pass had room
  // for yet stay.
  void guess(int least, int most);
  // The slot's part of the next pass.
  Work work();
  void computed(std::int64_t n) { n_computed_ += is_prefilling() ? n : 0; }
  // Chooses the next token by the logits after all tokens(), and as many more as guesses were right. The
  // answer may then have ended.
  void advance(std::span<const float> logits, Metrics& metrics);
  void end(FinishReason reason, Metrics& metrics, std::optional<Error> error = {});
  void abandon(Metrics& metrics);  // nobody reads any more

 private:
  std::vector<Token> take_guesses();
  bool add_token(std::span<const float> logits, Metrics& metrics);
  void finish(Outcome outcome, Metrics& metrics);
  void show();
  std::optional<Outcome> choose(std::span<const float> logits);
  Usage usage() const;
  void count(Metrics& metrics) const;

  const Engine& engine_;
  int id_;
  std::unique_ptr<Session> session_;
  std::unique_ptr<Drafter> drafter_;
  std::uint64_t last_job_ = 0;

  std::optional<Job> job_;
  std::optional<AnswerText> text_;
  std::vector<Token> tokens_;
  std::size_t n_guesses_ = 0;    // of tokens_, the last
  std::vector<float> rows_;      // [1 + n_guesses_, n_vocab] logits after the last known token and each guess
  std::int64_t n_computed_ = 0;  // of the prompt
  std::int64_t n_answer_ = 0;
  Clock::time_point started_ = {};
  Clock::time_point first_token_ = {};
};

}  // namespace tq::server
