// A chat's messages in a file: versioned JSON that /save writes and /load reads.
#pragma once

#include <string>
#include <vector>

#include "tq/error.h"
#include "tq/text.h"

namespace tq::app {

struct Conversation {
  std::string model;  // its name; a conversation may go on with another one
  std::vector<ChatMessage> messages;
};

// The file appears under its name only when it is whole; an old one stays as it was until then.
Expected<void> save_conversation(const std::string& path, const Conversation& conversation);

// The file is hostile: size, nesting, format, roles and types are checked.
Expected<Conversation> load_conversation(const std::string& path);

}  // namespace tq::app
