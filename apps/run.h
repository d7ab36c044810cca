// What `turboquant run` was asked for, and what its two ways (one answer, a chat) share.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "command_line.h"
#include "generate.h"
#include "guess_options.h"
#include "sampler_options.h"
#include "tq/engine.h"
#include "tq/sampler.h"
#include "tq/speculation.h"

namespace tq::app {

struct RunOptions {
  EngineOptions engine;
  AutoCache open;          // what of the engine's cache the planner chooses
  SamplerOptions sampler;  // without the grammar
  GrammarSource grammar;
  std::optional<int> n_logprobs;
  std::optional<std::string> prompt;
  std::optional<std::string> prompt_file;  // "-": standard input
  std::optional<std::string> system;
  std::optional<std::int64_t> max_tokens;
  std::optional<std::string> session_file;
  GuessOptions guesses;
  SpeculationOptions speculation;
  bool raw = false;
  bool json = false;
  bool verbose = false;
  bool profile = false;
};

// A model that is ready to answer.
struct Runtime {
  std::unique_ptr<Engine> engine;
  std::unique_ptr<Session> session;
  std::unique_ptr<Sampler> sampler;
  std::unique_ptr<Engine> draft_engine;  // outlives the speculator
  std::unique_ptr<Speculator> speculator;
  double load_seconds = 0.0;
};

// The session goes on where --session's file ends, if there is one.
Expected<Runtime> load_runtime(const RunOptions& options);

// To --session's file, where that was asked for.
Expected<void> save_session(const Runtime& runtime, const RunOptions& options);

// Engine::encode_chat(), whose error says what to do when the model's template is the reason.
Expected<std::vector<Token>> encode_messages(const Engine& engine, std::span<const ChatMessage> messages);

// Lines on stderr that say how far a long prompt is, a tenth at a time.
class PrefillProgress {
 public:
  void operator()(std::int64_t done, std::int64_t total);

 private:
  std::int64_t tenths_ = 0;
};

int run_once(const RunOptions& options);  // one_shot.cc
int run_chat(const RunOptions& options);  // chat.cc

}  // namespace tq::app
