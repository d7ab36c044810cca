// `turboquant completion SHELL` and `turboquant manual`: what a package installs beside the program.
#include "command_line.h"
#include "command_tree.h"
#include "console.h"

namespace tq::app {
namespace {

constexpr const char* kCompletionExamples =
    "Examples:\n"
    "  source <(turboquant completion bash)                          in ~/.bashrc\n"
    "  source <(turboquant completion zsh)                           in ~/.zshrc, after compinit\n"
    "  turboquant completion fish > ~/.config/fish/completions/turboquant.fish";

int print_whole(const std::string& text) {
  Output output;
  output.write(text);
  return output.finish(kExitOk);
}

}  // namespace

void add_completion_commands(CLI::App& app, Command& chosen) {
  const auto shell = std::make_shared<std::string>();
  CLI::App* completion =
      app.add_subcommand("completion", "Print a script that completes this program's options");
  completion->footer(kCompletionExamples);
  completion->add_option("SHELL", *shell, "bash, zsh or fish")
      ->check(CLI::IsMember({"bash", "zsh", "fish"}))
      ->type_name("SHELL")
      ->required();
  completion->callback([&app, &chosen, shell] {
    chosen = [root = command_tree(app), shell] {
      return print_whole(*shell == "bash"  ? bash_completion(root)
                         : *shell == "zsh" ? zsh_completion(root)
                                           : fish_completion(root));
    };
  });
  CLI::App* manual = app.add_subcommand("manual", "Print the manual page, for man -l -");
  manual->callback(
      [&app, &chosen] { chosen = [root = command_tree(app)] { return print_whole(manual_page(root)); }; });
}

}  // namespace tq::app
