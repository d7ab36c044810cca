#include "command_tree.h"

#include <algorithm>

#include "command_line.h"
#include "tq/codec.h"

namespace tq::app {
namespace {

// "NAME:{none,auto}" -> none, auto
std::vector<std::string> choices_in(const std::string& type) {
  std::vector<std::string> choices;
  const std::size_t begin = type.find('{');
  const std::size_t end = type.find('}', begin);
  if (begin == std::string::npos || end == std::string::npos) return choices;
  std::string choice;
  for (const char c : type.substr(begin + 1, end - begin - 1) + ",") {
    if (c != ',') {
      choice += c;
    } else {
      choices.push_back(std::move(choice));
      choice.clear();
    }
  }
  return choices;
}

// "TYPE" -> every cache type, "TYPE|auto" -> auto, too; "N|auto" -> auto alone, as numbers are not completed.
std::vector<std::string> choices_of(const std::string& value) {
  constexpr std::string_view kOrAuto = "|auto";
  std::vector<std::string> names;
  if (value.starts_with("TYPE") && !value.ends_with("...")) {
    for (const KvType type : kAllKvTypes) names.emplace_back(kv_type_name(type));
  }
  if (value.ends_with(kOrAuto)) names.emplace_back("auto");
  return names;
}

OptionNode option_node(const CLI::Option& option) {
  OptionNode node{.help = option.get_description(), .group = option.get_group()};
  for (const std::string& name : option.get_snames()) node.names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) {
    const std::string_view spelling = one_dash_spelling("--" + name);
    if (!spelling.empty()) node.names.emplace_back(spelling);
    node.names.push_back("--" + name);
  }
  if (option.get_type_size() != 0) {
    const std::string type = option.get_type_name();
    node.value = type.substr(0, type.find(':'));
    node.choices = choices_of(node.value);
    if (node.choices.empty()) node.choices = choices_in(type);
  }
  return node;
}

CommandNode command_node(const CLI::App& app, const std::vector<std::string>& path) {
  CommandNode node{
      .path = path, .help = app.get_description(), .examples = app.get_footer(), .group = app.get_group()};
  for (const CLI::Option* option : app.get_options()) {
    if (!option->get_group().empty()) node.options.push_back(option_node(*option));
  }
  for (const CLI::App* command :
       app.get_subcommands([](const CLI::App* c) { return !c->get_group().empty(); })) {
    std::vector<std::string> inner = path;
    inner.push_back(command->get_name());
    node.commands.push_back(command_node(*command, inner));
  }
  return node;
}

void collect_commands(const CommandNode& node, std::vector<const CommandNode*>& found) {
  found.push_back(&node);
  for (const CommandNode& command : node.commands) collect_commands(command, found);
}

}  // namespace

CommandNode command_tree(const CLI::App& app) { return command_node(app, {}); }

std::vector<const CommandNode*> all_commands(const CommandNode& root) {
  std::vector<const CommandNode*> found;
  collect_commands(root, found);
  return found;
}

}  // namespace tq::app
