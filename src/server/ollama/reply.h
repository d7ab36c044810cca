// An answer as Ollama's clients read it: lines of JSON as it comes, or one object when it has ended.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "server/api/answer.h"
#include "server/api/chat_request.h"
#include "server/models/model_pool.h"
#include "tq/tool_calls.h"

namespace tq::server::ollama {

// What was said in a piece of the answer, or in all of it.
struct Said {
  std::string content = {};
  std::string thinking = {};
  Json calls = Json::array();  // [{"function": {"name", "arguments": {}}}]
  bool empty() const { return content.empty() && thinking.empty() && calls.empty(); }
};

// Puts text and calls together from what the parser tells.
class SaidParser {
 public:
  explicit SaidParser(const AnswerParser::Options& options) : parser_(options) {}
  Said push(std::string_view text) { return take(parser_.push(text)); }
  Said finish() { return take(parser_.finish()); }

 private:
  Said take(const std::vector<AnswerEvent>& events);

  AnswerParser parser_;
  std::string name_, id_, arguments_;  // of the call under way
  std::size_t n_calls_ = 0;
};

struct Reply {
  std::string model;  // as the client called it
  Clock::time_point begin = Clock::now();
  double load_seconds = 0.0;
  ChatRequest chat = {};  // rendered
  std::uint64_t call_ids = random_seed();
  // Puts what was said where the endpoint has it.
  std::function<void(Json& json, const Said& said)> put = {};
  // Adds to the last object; told all of the answer's text.
  std::function<void(Json& json, const std::string& text)> end = [](Json&, const std::string&) {};
};

// Starts the answer. The response keeps the model until it has been written.
http::Response reply(ModelLease model, const AnswerOptions& options, Reply reply, bool streams,
                     const http::Request& request);

// The answer to a request that only loads a model, or unloads it.
http::Response loaded_reply(const Reply& reply, bool is_unload, bool streams);

}  // namespace tq::server::ollama
