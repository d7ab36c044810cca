// Completion scripts: each shell's own language around the same data.
#include <algorithm>

#include "command_tree.h"
#include "console.h"

namespace tq::app {
namespace {

std::string replaced(std::string text, const std::string& what, const std::string& with) {
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + with.size())) {
    text.replace(at, what.size(), with);
  }
  return text;
}

// Between single quotes, as bash and zsh read them.
std::string sh_quoted(const std::string& text) { return "'" + replaced(text, "'", "'\\''") + "'"; }

std::string fish_quoted(const std::string& text) {
  return "'" + replaced(replaced(text, "\\", "\\\\"), "'", "\\'") + "'";
}

std::vector<std::string> names_of(const std::vector<CommandNode>& commands) {
  std::vector<std::string> names;
  names.reserve(commands.size());
  for (const CommandNode& command : commands) names.push_back(command.path.back());
  return names;
}

bool has_file_argument(const CommandNode& command) {
  return std::ranges::any_of(command.options,
                             [](const OptionNode& o) { return o.names.empty() && o.takes_file(); });
}

// --- bash

// What may follow an option that takes a value: a line of a case statement.
std::string bash_value(const CommandNode& command, const OptionNode& option) {
  std::vector<std::string> patterns;
  for (const std::string& name : option.names)
    patterns.push_back("\"" + joined(command.path, "/") + ":" + name + "\"");
  const std::string action = option.takes_file()     ? "_turboquant_files -f"
                             : option.takes_folder() ? "_turboquant_files -d"
                             : !option.choices.empty()
                                 ? "_turboquant_words " + sh_quoted(joined(option.choices, " "))
                                 : ":";
  return "    " + joined(patterns, "|") + ") " + action + "; return ;;\n";
}

std::string bash_words(const CommandNode& command) {
  std::vector<std::string> words = names_of(command.commands);
  for (const OptionNode& option : command.options) {
    words.insert(words.end(), option.names.begin(), option.names.end());
  }
  std::string line = "    \"" + joined(command.path, "/") + "\") ";
  if (has_file_argument(command)) line += "[[ $word == -* ]] || { _turboquant_files -f; return; }; ";
  return line + "_turboquant_words " + sh_quoted(joined(words, " ")) + " ;;\n";
}

// --- zsh

// In the specifications of _arguments, brackets and colons have a meaning.
std::string zsh_text(const std::string& text) {
  return replaced(replaced(replaced(replaced(text, "\\", "\\\\"), "[", "\\["), "]", "\\]"), ":", "\\:");
}

std::string zsh_action(const OptionNode& option) {
  if (option.takes_file()) return "_files";
  if (option.takes_folder()) return "_files -/";
  return option.choices.empty() ? " " : "(" + joined(option.choices, " ") + ")";
}

std::string zsh_specs(const CommandNode& command) {
  std::string specs;
  for (const OptionNode& option : command.options) {
    const std::string value = option.is_flag() ? "" : ":" + zsh_text(option.value) + ":" + zsh_action(option);
    for (const std::string& name : option.names) {
      specs += " \\\n    " + sh_quoted(name + "[" + zsh_text(option.help) + "]" + value);
    }
    if (option.names.empty())
      specs += " \\\n    " + sh_quoted("*:" + zsh_text(option.value) + ":" + zsh_action(option));
  }
  return specs;
}

std::string zsh_function(const CommandNode& command) {
  const std::string name =
      "_turboquant" + std::string(command.path.empty() ? "" : "_") + joined(command.path, "_");
  std::string text = replaced(name, "-", "_") + "() {\n";
  if (command.commands.empty()) return text + "  _arguments" + zsh_specs(command) + "\n}\n\n";
  text += "  local curcontext=$curcontext state line\n  local -a commands=(\n";
  for (const CommandNode& inner : command.commands) {
    text += "    " + sh_quoted(inner.path.back() + ":" + zsh_text(inner.help)) + "\n";
  }
  text += "  )\n  _arguments -C" + zsh_specs(command) + " \\\n    '1: :->command' '*:: :->arguments'\n";
  text +=
      "  case $state in\n    command) _describe command commands ;;\n    arguments)\n      case $line[1] "
      "in\n";
  for (const CommandNode& inner : command.commands) {
    text +=
        "        " + inner.path.back() + ") " + replaced(name + "_" + inner.path.back(), "-", "_") + " ;;\n";
  }
  return text + "      esac ;;\n  esac\n}\n\n";
}

// --- fish

std::string fish_condition(const CommandNode& command) {
  if (command.path.empty()) return "__fish_use_subcommand";
  std::string condition =
      "__fish_seen_subcommand_from " + joined(command.path, "; and __fish_seen_subcommand_from ");
  if (!command.commands.empty()) {
    condition += "; and not __fish_seen_subcommand_from " + joined(names_of(command.commands), " ");
  }
  return condition;
}

std::string fish_option(const OptionNode& option) {
  std::string words;
  for (const std::string& name : option.names) {
    const bool is_long = name.starts_with("--");
    const bool is_short = name.size() == 2;
    words += std::string(is_long ? " -l " : is_short ? " -s " : " -o ") + name.substr(is_long ? 2 : 1);
  }
  if (option.takes_file()) {
    words += " -r -F";
  } else if (option.takes_folder()) {
    words += " -x -a '(__fish_complete_directories)'";
  } else if (!option.is_flag()) {
    words += " -x" + (option.choices.empty() ? "" : " -a " + fish_quoted(joined(option.choices, " ")));
  }
  return words + " -d " + fish_quoted(option.help);
}

}  // namespace

std::string bash_completion(const CommandNode& root) {
  std::string paths;
  std::string values;
  std::string words;
  for (const CommandNode* const command : all_commands(root)) {
    if (!command->path.empty()) paths += (paths.empty() ? "" : "|") + joined(command->path, "/");
    words += bash_words(*command);
    for (const OptionNode& option : command->options) {
      if (!option.is_flag() && !option.names.empty()) values += bash_value(*command, option);
    }
  }
  return "# bash completion for turboquant; made by `turboquant completion bash`\n"
         "_turboquant_words() { mapfile -t COMPREPLY < <(compgen -W \"$1\" -- \"$word\"); }\n"
         "_turboquant_files() {\n"
         "  compopt -o filenames 2>/dev/null\n"
         "  mapfile -t COMPREPLY < <(compgen \"$1\" -- \"$word\")\n"
         "}\n"
         "_turboquant() {\n"
         "  local word=${COMP_WORDS[COMP_CWORD]} command= next i\n"
         "  COMPREPLY=()\n"
         "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
         "    next=${command:+$command/}${COMP_WORDS[i]}\n"
         "    case $next in\n      " +
         paths + ") command=$next ;;\n    esac\n  done\n  case $command:${COMP_WORDS[COMP_CWORD - 1]} in\n" +
         values + "  esac\n  case $command in\n" + words + "  esac\n}\ncomplete -F _turboquant turboquant\n";
}

std::string zsh_completion(const CommandNode& root) {
  std::string text =
      "#compdef turboquant\n# zsh completion for turboquant; made by `turboquant completion zsh`\n\n";
  for (const CommandNode* const command : all_commands(root)) text += zsh_function(*command);
  return text +
         "if [[ $funcstack[1] == _turboquant ]]; then\n  _turboquant \"$@\"\nelse\n"
         "  compdef _turboquant turboquant\nfi\n";
}

std::string fish_completion(const CommandNode& root) {
  std::string text =
      "# fish completion for turboquant; made by `turboquant completion fish`\ncomplete -c turboquant -f\n";
  for (const CommandNode* const command : all_commands(root)) {
    const std::string start = "complete -c turboquant -n " + fish_quoted(fish_condition(*command));
    for (const CommandNode& inner : command->commands) {
      text += start + " -a " + inner.path.back() + " -d " + fish_quoted(inner.help) + "\n";
    }
    for (const OptionNode& option : command->options) {
      if (!option.names.empty()) text += start + fish_option(option) + "\n";
    }
    if (has_file_argument(*command)) text += start + " -F\n";
  }
  return text;
}

}  // namespace tq::app
