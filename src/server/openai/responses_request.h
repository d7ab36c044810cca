// The input of POST /v1/responses -> a conversation.
#pragma once

#include "server/api/chat_request.h"

namespace tq::server::openai {

struct ResponsesCall {
  AnswerOptions options;
  ChatRequest chat;
  bool streams = false;
  Json echoed = {};  // fields that the response repeats
  std::string id = make_id("resp_");
  std::int64_t created = unix_time();
};

ResponsesCall read_responses_call(const ServedModel& model, const http::Request& request);

}  // namespace tq::server::openai
