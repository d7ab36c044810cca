// What the commands of `turboquant edge` share.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "edge/detector.h"
#include "edge/evaluate.h"
#include "edge/help_text.h"
#include "edge/judge.h"
#include "edge/resources.h"
#include "tq/engine.h"

namespace tq::app {

// A message was answered with help: not 0, so that a script that only looks for success also does.
inline constexpr int kExitHelp = 3;

struct EdgeOptions {
  std::string country;                   // empty: of the environment
  std::optional<std::string> resources;  // a file in place of the built-in lines
  std::optional<std::string> model;      // whose judgement is added
  edge::JudgeOptions judge;
  std::chrono::seconds load_limit{120};
  std::int64_t n_ctx = 1024;
  int n_threads = 0;
  bool json = false;
  // check
  std::optional<std::string> text;  // none: standard input
  // chat
  std::int64_t max_tokens = 200;
  // evaluate
  std::optional<std::string> data;
  bool list = false;
  bool model_alone = false;
  // resources
  std::optional<std::int64_t> check_days;
};

// "GB" from --country, TURBOQUANT_COUNTRY or the locale; empty when none of them says.
std::string country_of(const EdgeOptions& options);

// The built-in lines, unless a file of others can be read; that it can't is said on stderr and hides no help.
edge::Resources resources_of(const EdgeOptions& options);

// A model that is loaded on a thread of its own, so that nothing waits for it that need not.
class EdgeModel {
 public:
  explicit EdgeModel(const EdgeOptions& options);
  EdgeModel(const EdgeModel&) = delete;
  EdgeModel& operator=(const EdgeModel&) = delete;
  ~EdgeModel();

  struct Loaded {
    std::unique_ptr<Engine> engine;
    std::unique_ptr<edge::Judge> judge;
  };
  // Waits until it is loaded, at most options.load_limit from the beginning. The same error each time.
  Expected<Loaded*> get();
  // Loading hangs: its thread can't be joined, and the program must end without it.
  bool is_stuck() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// Whether the model sees danger in a message in which the rules see none.
edge::Screening ask_model(EdgeModel& model, const std::string& message, edge::Screening screening,
                          std::optional<edge::Judgement>& judgement);

std::string screening_json(const edge::Screening& screening, const std::optional<edge::Judgement>& judgement,
                           const edge::Resources& resources, const EdgeOptions& options);
std::string resources_json(const edge::Resources& resources, const std::vector<edge::Resource>& entries);
using NamedEvaluation = std::pair<std::string, edge::Evaluation>;
std::string evaluation_json(const std::vector<NamedEvaluation>& evaluations, const EdgeOptions& options);

// Whether the words of a command line hand a message over: `edge check`, `edge chat`.
bool is_edge_message(const std::vector<std::string>& words);
// Help on standard output for words that are no command line: a message may be among them.
void show_help_for_words(const std::vector<std::string>& words, const std::string& problem);

int run_edge_chat(const EdgeOptions& options);  // edge_chat.cc

}  // namespace tq::app
