#include "server/profile/command_words.h"

#include <algorithm>
#include <optional>

namespace tq::server {
namespace {

constexpr std::string_view kBlank = " \t\r";

Error command_error(const std::string& message) { return {ErrorCode::kBadArgument, message}; }

bool is_name(std::string_view text) {
  const auto is_word = [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  };
  return !text.empty() && !(text.front() >= '0' && text.front() <= '9') && std::ranges::all_of(text, is_word);
}

// Text -> commands -> words, as a shell reads them.
class Lexer {
 public:
  explicit Lexer(std::string_view text) : rest_(text) {}

  Expected<std::vector<std::vector<std::string>>> commands() {
    while (!rest_.empty()) {
      if (const auto ok = next(); !ok) return ok.error();
    }
    end_command();
    return std::move(commands_);
  }

 private:
  Expected<void> next() {
    const char c = rest_.front();
    rest_.remove_prefix(1);
    if (c == '\\') return escape();
    if (c == '\'' || c == '"') return quoted(c);
    if (c == '#' && !word_) {
      rest_.remove_prefix(std::min(rest_.find('\n'), rest_.size()));
      return {};
    }
    if (kBlank.find(c) != std::string_view::npos) {
      end_word();
    } else if (c == '\n' || c == ';') {
      end_command();
    } else if (c == '&' && rest_.starts_with('&')) {
      rest_.remove_prefix(1);
      end_command();
    } else if (std::string_view("$`|<>&(){}*?~").find(c) != std::string_view::npos) {
      return needs_shell(c);
    } else {
      add(c);
    }
    return {};
  }

  static Error needs_shell(char c) {
    return command_error("has '" + std::string(1, c) +
                         "', which needs a shell, and none reads it; write out what is meant, or quote it");
  }

  Expected<void> escape() {
    if (rest_.empty()) return command_error("ends with a backslash; remove it");
    const char c = rest_.front();
    rest_.remove_prefix(1);
    if (c != '\n') add(c);
    return {};
  }

  Expected<void> quoted(char quote) {
    if (!word_) word_.emplace();
    while (!rest_.empty() && rest_.front() != quote) {
      char c = rest_.front();
      rest_.remove_prefix(1);
      if (quote == '"' && (c == '$' || c == '`')) return needs_shell(c);
      if (quote == '"' && c == '\\' && !rest_.empty()) {
        c = rest_.front();
        rest_.remove_prefix(1);
      }
      add(c);
    }
    if (rest_.empty()) return command_error("has a quote that is not closed; close it");
    rest_.remove_prefix(1);
    return {};
  }

  void add(char c) {
    if (!word_) word_.emplace();
    *word_ += c;
  }

  void end_word() {
    if (word_) words_.push_back(*std::move(word_));
    word_.reset();
  }

  void end_command() {
    end_word();
    if (!words_.empty()) commands_.push_back(std::move(words_));
    words_.clear();
  }

  std::string_view rest_;
  std::optional<std::string> word_;
  std::vector<std::string> words_;
  std::vector<std::vector<std::string>> commands_;
};

// Takes NAME=value from the front of a command.
void take_variables(std::vector<std::string>& words, std::map<std::string, std::string>& environment) {
  std::size_t n = 0;
  for (; n < words.size(); ++n) {
    const std::size_t equals = words[n].find('=');
    if (equals == std::string::npos || !is_name(std::string_view(words[n]).substr(0, equals))) break;
    environment[words[n].substr(0, equals)] = words[n].substr(equals + 1);
  }
  words.erase(words.begin(), words.begin() + static_cast<std::ptrdiff_t>(n));
}

}  // namespace

Expected<ServerCommand> parse_server_command(std::string_view text) {
  auto commands = Lexer(text).commands();
  if (!commands) return commands.error();
  ServerCommand result;
  for (std::vector<std::string>& words : *commands) {
    const bool exports = words.front() == "export";
    if (exports) words.erase(words.begin());
    take_variables(words, result.environment);
    if (words.empty()) continue;
    if (exports) return command_error("exports '" + words.front() + "', which is no NAME=value");
    if (!result.words.empty()) {
      return command_error("has the command '" + words.front() +
                           "' beside the server's; keep one, and put \\ at the end of a line that goes on");
    }
    result.words = std::move(words);
  }
  if (result.words.empty()) return command_error("starts no server; begin it with `turboquant serve`");
  return result;
}

}  // namespace tq::server
