// A conversation with a model: messages in, answers out, commands that begin with a slash.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "console.h"
#include "line_reader.h"
#include "run.h"

namespace tq::app {

class Chat {
 public:
  // `is_terminal`: a person types; otherwise a script does, which sees answers alone on stdout, is not asked
  // to go on after Ctrl-C and is told by the exit code that something failed.
  Chat(Runtime& runtime, const RunOptions& options, bool is_terminal);

  int run();

 private:
  struct Verb;
  static const std::vector<Verb>& verbs();

  // One message of one or more lines; empty at the end of input.
  std::optional<std::string> read_message();
  // A line that a backslash continues grows by the next one.
  LineReader::Result read_lines();
  void handle(const std::string& message);
  void obey(const std::string& command);
  void ask(const std::string& question);
  // Answers the last message. The answer joins the messages; false when there is none.
  bool answer();
  Expected<std::vector<Token>> prompt() const;
  void explain(const Generation& generation);
  void complain(const Error& error);

  void help(const std::string& argument);
  void clear(const std::string& argument);
  void system(const std::string& argument);
  void regenerate(const std::string& argument);
  void save(const std::string& argument);
  void load(const std::string& argument);
  void stats(const std::string& argument);
  void exit(const std::string& argument);

  bool has_system() const { return !messages_.empty() && messages_.front().role == "system"; }

  Runtime& runtime_;
  const RunOptions& options_;
  bool is_terminal_;
  std::unique_ptr<LineReader> reader_;
  Output output_;
  std::vector<ChatMessage> messages_;
  std::optional<Generation> last_;  // for /stats
  bool done_ = false;
  bool interrupted_ = false;  // Ctrl-C ended the chat
  bool failed_ = false;
};

}  // namespace tq::app
