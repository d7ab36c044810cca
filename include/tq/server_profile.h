// A Hermes agent's profile as the options of a server: which endpoint the agent asks, what cache and context
// it counts on, and the command that starts the server.
#pragma once

#include <string>
#include <vector>

namespace tq {

struct ServerProfile {
  // Of `turboquant serve`; to be used when there are no problems.
  std::vector<std::string> arguments = {};
  int command_line = 0;                    // where the profile has its server_command, from 1; 0: nowhere
  std::vector<std::string> problems = {};  // "FILE:LINE: what is wrong; what to do."
  std::vector<std::string> notes = {};     // the same of what works, but hardly as meant
};

// The profile in `yaml`; `name` is its file's, for messages. Environment variables and the program are taken
// out of the server_command, which no shell ever sees.
ServerProfile read_server_profile(const std::string& yaml, const std::string& name);

}  // namespace tq
