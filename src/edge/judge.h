// A second look at a message, by a language model: its own yes or no to whether somebody may be in danger.
//
// It is asked only where the rules found nothing and can only add help. An error or a late answer counts as
// yes.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "edge/detector.h"
#include "tq/engine.h"
#include "tq/error.h"

namespace tq::edge {

// Log-odds of yes over those that the model gives to harmless messages; from it on help is shown. A model
// that cannot judge stays below it (docs/edge.md); lower, and less is missed at the price of wrong alarms.
inline constexpr double kJudgeThreshold = 1.0;

struct JudgeOptions {
  double threshold = kJudgeThreshold;
  std::chrono::milliseconds time_limit{10000};  // of one judgement
};

struct Judgement {
  bool sees_danger = true;
  double score = 0.0;   // log-odds of yes, less the model's bias; 0 where there is a problem
  std::string problem;  // why there is no judgement; it then sees danger
};

class Judge {
 public:
  // `engine` must outlive it. Errors are those of sessions and templates.
  static Expected<std::unique_ptr<Judge>> create(Engine& engine, const JudgeOptions& options);

  Judgement judge(std::string_view message);
  double threshold() const { return options_.threshold; }

 private:
  Judge(Engine& engine, std::unique_ptr<Session> session, const JudgeOptions& options)
      : engine_(engine), session_(std::move(session)), options_(options) {}

  Expected<std::vector<Token>> prompt(std::string_view message) const;
  Expected<double> log_odds(std::string_view message);
  Expected<void> calibrate();

  Engine& engine_;
  std::unique_ptr<Session> session_;
  JudgeOptions options_;
  std::vector<Token> yes_, no_;  // first tokens of the two answers
  double bias_ = 0.0;            // log-odds of yes for harmless messages
};

// A screening to which the model's judgement is added; never less than it was.
Screening with_judgement(Screening screening, const Judgement& judgement);

}  // namespace tq::edge
