// The manual page: man(7)'s macros around what the help says.
#include <map>

#include "command_tree.h"
#include "console.h"
#include "tq/version.h"

namespace tq::app {
namespace {

// Text as roff takes it: a dash that can be typed again, no escapes, and no request at the beginning of a
// line.
std::string roff(const std::string& text) {
  std::string result;
  bool is_line_start = true;
  for (const char c : text) {
    if (is_line_start && (c == '.' || c == '\'')) result += "\\&";
    is_line_start = c == '\n';
    if (c == '-') {
      result += "\\-";
    } else if (c == '\\') {
      result += "\\e";
    } else {
      result += c;
    }
  }
  return result;
}

std::string heading(const std::string& macro, const std::string& text) {
  return macro + " \"" + roff(text) + "\"\n";
}

std::string option_entry(const OptionNode& option) {
  std::string names;
  for (const std::string& name : option.names)
    names += (names.empty() ? "\\fB" : ", \\fB") + roff(name) + "\\fR";
  if (!option.value.empty()) names += (names.empty() ? "\\fI" : " \\fI") + roff(option.value) + "\\fR";
  std::string text = ".TP\n" + names + "\n" + roff(option.help);
  if (option.value == "NAME" && !option.choices.empty())
    text += " (" + roff(joined(option.choices, ", ")) + ")";
  return text + "\n";
}

// In the groups of the help, those in the order in which they come first.
std::string option_entries(const CommandNode& command) {
  std::vector<std::string> order;
  std::map<std::string, std::string> groups;
  for (const OptionNode& option : command.options) {
    if (groups[option.group].empty()) order.push_back(option.group);
    groups[option.group] += option_entry(option);
  }
  std::string text;
  for (const std::string& group : order) {
    if (group != "Options") text += ".PP\n\\fI" + roff(group) + "\\fR\n";
    text += groups[group];
  }
  return text;
}

std::string examples(const std::string& text) {
  return text.empty() ? "" : ".PP\n.nf\n" + roff(text) + "\n.fi\n";
}

std::string command_section(const CommandNode& command) {
  return heading(".SS", "turboquant " + joined(command.path, " ")) + roff(command.help) + ".\n" +
         option_entries(command) + examples(command.examples);
}

}  // namespace

std::string manual_page(const CommandNode& root) {
  std::string text = std::string(".TH TURBOQUANT 1 \"\" \"turboquant ") + kVersion + "\" \"User Commands\"\n";
  text += ".SH NAME\nturboquant \\- local language models over a compressed key\\-value cache\n";
  text += ".SH SYNOPSIS\n.B turboquant\n.I COMMAND\n.RI [ OPTIONS ]\n";
  text += ".SH DESCRIPTION\n" + roff(root.help) + "\n" + option_entries(root);
  text += ".SH COMMANDS\n";
  for (const CommandNode* const command : all_commands(root)) {
    if (command != &root) text += command_section(*command);
  }
  text +=
      ".SH EXIT STATUS\n0: done. 1: it failed. 2: what was asked for is not possible. 130: interrupted.\n";
  text += ".SH EXAMPLES\n" + examples(root.examples);
  return text;
}

}  // namespace tq::app
