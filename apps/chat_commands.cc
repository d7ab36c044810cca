// The chat's commands. What they say goes to stderr, so that stdout holds answers alone.
#include <algorithm>
#include <string>

#include "chat.h"
#include "conversation.h"
#include "report.h"

namespace tq::app {

struct Chat::Verb {
  const char* name;
  const char* argument;  // what it stands for; empty when the command takes none
  bool needs_argument;
  const char* help;
  void (Chat::*run)(const std::string& argument);
};

const std::vector<Chat::Verb>& Chat::verbs() {
  static const std::vector<Verb> kVerbs = {
      {"/help", "", false, "lists the commands", &Chat::help},
      {"/clear", "", false, "forgets the conversation, keeps the system message", &Chat::clear},
      {"/system", "TEXT", false, "sets the system message; without TEXT removes it", &Chat::system},
      {"/regen", "", false, "answers the last message again", &Chat::regenerate},
      {"/save", "FILE", true, "writes the conversation to a file", &Chat::save},
      {"/load", "FILE", true, "goes on with a saved conversation", &Chat::load},
      {"/stats", "", false,
       "how long the conversation is, what its cache takes, how fast the last answer was", &Chat::stats},
      {"/exit", "", false, "ends the chat, as Ctrl-D does", &Chat::exit},
  };
  return kVerbs;
}

void Chat::obey(const std::string& command) {
  const std::size_t space = command.find_first_of(" \n");
  const std::string name = command.substr(0, space);
  const std::size_t begin = command.find_first_not_of(" \n", space);
  std::string argument =
      space == std::string::npos || begin == std::string::npos ? "" : command.substr(begin);
  while (argument.ends_with(' ')) argument.pop_back();
  for (const Verb& verb : verbs()) {
    if (name != verb.name) continue;
    if (verb.needs_argument && argument.empty()) {
      complain({ErrorCode::kBadArgument, name + " needs a " + verb.argument + " after it."});
    } else if (*verb.argument == '\0' && !argument.empty()) {
      complain({ErrorCode::kBadArgument, name + " takes no argument."});
    } else {
      (this->*verb.run)(argument);
    }
    return;
  }
  complain({ErrorCode::kBadArgument,
            "there is no command " + name +
                "; /help lists them, and a message that begins with a slash needs a space "
                "before it."});
}

void Chat::help(const std::string& /*argument*/) {
  constexpr std::size_t kColumn = 15;
  for (const Verb& verb : verbs()) {
    std::string usage = verb.name;
    if (*verb.argument != '\0') usage += std::string(" ") + verb.argument;
    usage.resize(std::max(usage.size() + 1, kColumn), ' ');
    note(usage + verb.help);
  }
  note("Ctrl-C stops an answer. A backslash at the end of a line continues the message on the next one.");
}

void Chat::clear(const std::string& /*argument*/) {
  messages_.resize(has_system() ? 1 : 0);
  last_.reset();
  note("(a new conversation)");
}

void Chat::system(const std::string& argument) {
  if (has_system()) messages_.erase(messages_.begin());
  if (!argument.empty()) messages_.insert(messages_.begin(), {"system", argument});
  note(argument.empty() ? "(no system message)" : "(system message set)");
}

void Chat::regenerate(const std::string& /*argument*/) {
  std::optional<ChatMessage> old;
  if (!messages_.empty() && messages_.back().role == "assistant") {
    old = messages_.back();
    messages_.pop_back();
  }
  if (messages_.empty() || messages_.back().role != "user") {
    if (old) messages_.push_back(*old);
    complain({ErrorCode::kBadArgument, "there is no message to answer yet."});
    return;
  }
  if (!answer() && old) messages_.push_back(*old);
}

void Chat::save(const std::string& argument) {
  const auto saved = save_conversation(argument, {runtime_.engine->info().name, messages_});
  if (!saved) return complain(saved.error());
  note("(" + std::to_string(messages_.size()) + " messages saved to " + printable(argument) + ")");
}

void Chat::load(const std::string& argument) {
  auto loaded = load_conversation(argument);
  if (!loaded) return complain(loaded.error());
  messages_ = std::move(loaded->messages);
  last_.reset();
  note("(" + std::to_string(messages_.size()) + " messages loaded from " + printable(argument) + ")");
  if (loaded->model != runtime_.engine->info().name) {
    note("(they were written with another model: " + printable(loaded->model) + ")");
  }
}

void Chat::stats(const std::string& /*argument*/) {
  const Session& session = *runtime_.session;
  const std::string messages = std::to_string(messages_.size()) + " messages; ";
  if (!last_) return note(messages + "nothing of them is computed yet");
  note(messages + std::to_string(session.tokens().size()) + " of " + std::to_string(session.n_ctx()) +
       " tokens of context");
  note(summary(*last_, session, options_.engine));
}

void Chat::exit(const std::string& /*argument*/) { done_ = true; }

}  // namespace tq::app
