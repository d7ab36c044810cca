// `turboquant profile`: a Hermes agent's profile, checked and served.
#include <algorithm>
#include <memory>

#include "command_line.h"
#include "console.h"
#include "llama_flags.h"
#include "text_input.h"
#include "tq/planner.h"
#include "tq/server_profile.h"

namespace tq::app {
namespace {

constexpr const char* kProfileExamples =
    "Examples:\n"
    "  turboquant profile check agent.yaml                what is wrong with it, or the server it means\n"
    "  turboquant profile serve agent.yaml                that server\n"
    "  turboquant profile serve agent.yaml -m other.gguf  with options of serve that take precedence\n"
    "\n"
    "docs/server.md says what a profile holds.";

constexpr std::size_t kMaxProfileBytes = std::size_t{1} << 20;

struct ProfileOptions {
  std::string path;
};

// The command that `turboquant serve` makes of these words; throws CLI::ParseError.
Command parse_serve(const std::vector<std::string>& words) {
  std::vector<const char*> raw = {"turboquant", "serve"};
  for (const std::string& word : words) raw.push_back(word.c_str());
  auto parsed = normalized_words(static_cast<int>(raw.size()), raw.data());
  std::reverse(parsed.begin(), parsed.end());  // CLI11 takes them from the back
  CLI::App app;
  app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast)->disable_flag_override();
  Command command;
  add_serve_command(app, command);
  app.parse(std::move(parsed));
  return command;
}

// What `turboquant serve` makes of the words, and the line that says them; problems begin with `place`.
Command parse_command(const std::vector<std::string>& words, std::string& line, const std::string& place,
                      ServerProfile& profile) {
  std::vector<std::string> notes;
  const auto translated = translated_llama_flags(words, notes);
  for (const std::string& text : notes) profile.notes.push_back(place + text + ".");
  if (!translated) {
    profile.problems.push_back(place + translated.error().message + ".");
    return {};
  }
  line = "turboquant serve";
  for (const std::string& word : *translated) line += " " + shell_word(word);
  try {
    return parse_serve(*translated);
  } catch (const CLI::ParseError& error) {
    std::string message = error.what();
    while (message.ends_with('.')) message.pop_back();
    profile.problems.push_back(place + message + "; turboquant serve --help says what there is.");
  }
  return {};
}

// The server that the profile means, with `more` behind its options; empty when it cannot be.
Command read_profile(const std::string& path, const std::vector<std::string>& more, std::string& line) {
  const auto yaml = read_file(path, kMaxProfileBytes);
  if (!yaml) {
    fail(yaml.error());
    return {};
  }
  ServerProfile profile = read_server_profile(*yaml, path);
  Command command;
  if (profile.problems.empty()) {
    std::vector<std::string> words = profile.arguments;
    words.insert(words.end(), more.begin(), more.end());
    command = parse_command(
        words, line, path + ":" + std::to_string(profile.command_line) + ": server_command: ", profile);
  }
  for (const std::string& text : profile.notes) note(printable(text));
  for (const std::string& text : profile.problems) note(printable(text));
  return command;
}

int check_profile(const ProfileOptions& options) {
  std::string line;
  if (!read_profile(options.path, {}, line)) return kExitUsage;
  Output output;
  output.write(printable(line) + "\n");
  return output.finish(kExitOk);
}

int serve_profile(const ProfileOptions& options, const std::vector<std::string>& more) {
  std::string line;
  const Command command = read_profile(options.path, more, line);
  if (!command) return kExitUsage;
  note(printable(line));
  return command();
}

}  // namespace

void add_profile_command(CLI::App& app, Command& chosen) {
  CLI::App* command =
      app.add_subcommand("profile", "Check a Hermes agent's profile, or serve what it asks for");
  command->footer(kProfileExamples);
  command->require_subcommand(1);
  const auto options = std::make_shared<ProfileOptions>();
  const auto add = [&](const char* name, const char* help) {
    CLI::App* sub = command->add_subcommand(name, help);
    sub->add_option("file", options->path, "the profile, YAML")->type_name("FILE")->required();
    return sub;
  };
  add("check", "Say what is wrong, or which server it means")->callback([&chosen, options] {
    chosen = [options] { return check_profile(*options); };
  });
  CLI::App* serve = add("serve", "Start that server; options of serve may follow the file");
  serve->prefix_command();
  serve->callback([&chosen, options, serve] {
    chosen = [options, more = serve->remaining()] { return serve_profile(*options, more); };
  });
}

}  // namespace tq::app
