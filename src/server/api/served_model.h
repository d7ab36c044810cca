// A model as the APIs see it: an engine, its scheduler, and the name it goes by.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/api/answer_markup.h"
#include "server/scheduler/scheduler.h"
#include "tq/engine.h"
#include "tq/sampler.h"

namespace tq::server {

struct ServedModel {
  Engine& engine;
  Scheduler& scheduler;
  std::string name;                     // what clients call it
  std::string path;                     // its file
  std::int64_t created = 0;             // seconds since 1970
  SamplerOptions defaults = {};         // where a request says nothing
  bool splits_reasoning = true;         // <think> goes into reasoning_content unless a request says otherwise
  std::string slot_save_path = {};      // folder; empty: slots are not saved
  std::string template_variables = {};  // JSON object, below a request's own; empty: none
  std::shared_ptr<const AnswerMarkup> markup = std::make_shared<const AnswerMarkup>(engine);

  // Of models that were made with them, where a request says nothing:
  std::string system = {};                 // what a conversation without a system message begins with
  std::vector<ChatMessage> preamble = {};  // what every conversation begins with
  std::vector<std::string> stops = {};
  std::optional<std::int64_t> max_tokens = {};
};

// Keeps the model loaded while somebody has it.
using ModelLease = std::shared_ptr<const ServedModel>;

}  // namespace tq::server
