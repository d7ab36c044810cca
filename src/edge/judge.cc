#include "edge/judge.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <limits>
#include <set>
#include <span>

namespace tq::edge {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kTokensAtOnce = 32;        // computed before the clock is looked at
constexpr std::size_t kMostMessageBytes = 2000;  // the end of a long message is what it comes to

constexpr const char* kInstructions =
    "You check messages for a crisis helpline. You answer with one word, yes or no. If in doubt, answer yes.";

// What the model says of these is its bias.
constexpr std::array kHarmless = {"Hello.", "What should I cook tonight?", "The train leaves at noon."};

std::string question(std::string_view message) {
  return "Message: \"" + std::string(message) +
         "\"\n\nIs the person who wrote this, or someone they write about, thinking about suicide or "
         "self-harm? "
         "Answer yes or no.";
}

// The end of a long message, from the beginning of a character on.
std::string_view end_of(std::string_view message) {
  if (message.size() <= kMostMessageBytes) return message;
  message.remove_prefix(message.size() - kMostMessageBytes);
  while (!message.empty() && (static_cast<unsigned char>(message.front()) & 0xC0U) == 0x80U)
    message.remove_prefix(1);
  return message;
}

std::vector<Token> first_tokens(const Engine& engine, std::span<const char* const> words) {
  std::set<Token> tokens;
  for (const char* word : words) {
    const auto encoded = engine.encode(word, SpecialText::kPlain, false);
    if (!encoded.empty()) tokens.insert(encoded.front());
  }
  return {tokens.begin(), tokens.end()};
}

double log_sum(std::span<const float> logits, const std::vector<Token>& tokens) {
  double largest = -std::numeric_limits<double>::infinity();
  for (const Token token : tokens)
    largest = std::max(largest, static_cast<double>(logits[static_cast<std::size_t>(token)]));
  double sum = 0.0;
  for (const Token token : tokens)
    sum += std::exp(static_cast<double>(logits[static_cast<std::size_t>(token)]) - largest);
  return largest + std::log(sum);
}

}  // namespace

Expected<std::unique_ptr<Judge>> Judge::create(Engine& engine, const JudgeOptions& options) {
  auto session = engine.create_session();
  if (!session) return session.error();
  std::unique_ptr<Judge> judge(new Judge(engine, *std::move(session), options));
  constexpr std::array kYes = {"yes", "Yes", " yes", " Yes", "YES"};
  constexpr std::array kNo = {"no", "No", " no", " No", "NO"};
  const auto yes = first_tokens(engine, kYes);
  const auto no = first_tokens(engine, kNo);
  // A token that begins both, as a space of its own does, says nothing.
  std::ranges::set_difference(yes, no, std::back_inserter(judge->yes_));
  std::ranges::set_difference(no, yes, std::back_inserter(judge->no_));
  if (judge->yes_.empty() || judge->no_.empty()) {
    return Error{ErrorCode::kUnsupported,
                 "this model has no words for yes and no; it cannot judge messages."};
  }
  if (const auto ok = judge->calibrate(); !ok) return ok.error();
  return judge;
}

Expected<std::vector<Token>> Judge::prompt(std::string_view message) const {
  const std::array messages = {ChatMessage{"system", kInstructions},
                               ChatMessage{"user", question(end_of(message))}};
  auto tokens = engine_.encode_chat(messages);
  // Some templates know no system message.
  if (!tokens) {
    const ChatMessage whole{"user", std::string(kInstructions) + "\n\n" + question(end_of(message))};
    tokens = engine_.encode_chat({&whole, 1});
  }
  if (!tokens && !engine_.has_chat_template()) {
    return engine_.encode(std::string(kInstructions) + "\n\n" + question(end_of(message)) + "\nAnswer:",
                          SpecialText::kPlain, true);
  }
  return tokens;
}

Expected<double> Judge::log_odds(std::string_view message) {
  const auto deadline = Clock::now() + options_.time_limit;
  const auto tokens = prompt(message);
  if (!tokens) return tokens.error();
  const std::span<const Token> all(*tokens);
  auto done = static_cast<std::size_t>(session_->reusable(all));
  while (true) {
    done = std::min(done + kTokensAtOnce, all.size());
    const auto logits = session_->sync(all.first(done));
    if (!logits) return logits.error();
    if (done == all.size()) {
      const double odds = log_sum(*logits, yes_) - log_sum(*logits, no_);
      if (std::isfinite(odds)) return odds;
      return Error{ErrorCode::kBadFile, "the model's answer is no number; its file may be broken."};
    }
    if (Clock::now() > deadline) {
      return Error{
          ErrorCode::kInterrupted,
          "the model took longer than " + std::to_string(options_.time_limit.count()) + " ms to judge."};
    }
  }
}

Expected<void> Judge::calibrate() {
  const auto limit = options_.time_limit;
  options_.time_limit = 6 * limit;  // the instructions are computed now, once
  double sum = 0.0;
  for (const char* message : kHarmless) {
    const auto odds = log_odds(message);
    if (!odds) return odds.error();
    sum += *odds;
  }
  options_.time_limit = limit;
  bias_ = sum / static_cast<double>(kHarmless.size());
  return {};
}

Judgement Judge::judge(std::string_view message) {
  const auto odds = log_odds(message);
  if (!odds) return {.sees_danger = true, .score = 0.0, .problem = odds.error().message};
  const double score = *odds - bias_;
  // A threshold that is no number is doubt.
  return {.sees_danger = !(score < options_.threshold), .score = score, .problem = {}};
}

Screening with_judgement(Screening screening, const Judgement& judgement) {
  if (!judgement.sees_danger || screening.level >= Level::kConcern) return screening;
  screening.level = judgement.problem.empty() ? Level::kConcern : Level::kUnreadable;
  screening.reason = judgement.problem.empty() ? "the model sees danger in it" : judgement.problem;
  return screening;
}

}  // namespace tq::edge
