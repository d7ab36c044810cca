// OpenAI's messages and tools -> what chat templates take.
#pragma once

#include <string>
#include <vector>

#include "server/api/json.h"
#include "tq/text.h"

namespace tq::server {

std::vector<ChatMessage> read_messages(const Json& messages);

// A message's content: a string, or a list of parts of which only text is understood.
std::string read_content(const Json& content, const std::string& path);

}  // namespace tq::server
