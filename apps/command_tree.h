// The program's commands and options as plain data, read off CLI11: what completions and the manual page are
// made of, so that neither can fall behind the program.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace tq::app {

struct OptionNode {
  std::vector<std::string> names = {};  // with their dashes: "-m", "--model"; empty: a positional argument
  std::string value = {};               // "FILE", "N"; empty: a flag
  std::vector<std::string> choices = {};
  std::string help = {};
  std::string group = {};

  bool is_flag() const { return value.empty(); }
  bool takes_file() const { return value == "FILE"; }
  bool takes_folder() const { return value == "FOLDER" || value == "DIR"; }
};

struct CommandNode {
  std::vector<std::string> path = {};  // {"bench", "codec"}; empty: the program
  std::string help = {};
  std::string examples = {};  // the end of its help
  std::string group = {};
  std::vector<OptionNode> options = {};
  std::vector<CommandNode> commands = {};  // without those that are for the program itself
};

CommandNode command_tree(const CLI::App& app);

// The commands below `root` and itself, parents first.
std::vector<const CommandNode*> all_commands(const CommandNode& root);

// A script that completes the command line in bash, zsh or fish.
std::string bash_completion(const CommandNode& root);
std::string zsh_completion(const CommandNode& root);
std::string fish_completion(const CommandNode& root);

// The manual page, turboquant(1), in roff's man macros.
std::string manual_page(const CommandNode& root);

}  // namespace tq::app
