// The output of POST /v1/responses: items that grow as the answer comes, and the events that tell of it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "server/openai/responses_request.h"

namespace tq::server::openai {

class ResponseOutput {
 public:
  // Takes each event, its fields without type and number. None: the answer is wanted as a whole.
  using Listener = std::function<void(const char* type, const Json& fields)>;
  ResponseOutput(const ResponsesCall& call, const ServedModel& model, Listener listener = {});

  void begin();
  void push(const Piece& piece);
  void finish(const Outcome& outcome);

  Json response() const;

 private:
  struct Item {
    enum class Kind { kReasoning, kMessage, kCall };
    Kind kind;
    std::string id;
    std::string call_id = {};  // of a call
    std::string name = {};     // of its function
    std::string text = {};     // of a call: the arguments
    std::string_view status = "in_progress";
    Json logprobs = {};  // of a message's tokens, where they were asked for

    Json part() const;
    Json json() const;
  };

  void take(const std::vector<AnswerEvent>& events);
  void open(Item item);
  void append(Item::Kind kind, const std::string& text);
  void close(std::string_view status);
  void tell(const char* type, const char* name, const Json& value, Json logprobs = Json::array());
  bool is_cut() const;
  std::int64_t reasoning_tokens() const;  // once there is an outcome
  std::string_view status() const;

  const ResponsesCall& call_;
  const ServedModel& model_;
  Listener listener_;
  AnswerParser parser_;
  std::vector<Item> items_;
  std::vector<ScoredToken> unsaid_;  // tokens whose text no event had yet
  bool is_open_ = false;             // the last item grows
  std::optional<Outcome> outcome_;
};

}  // namespace tq::server::openai
