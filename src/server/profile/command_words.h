// The words of a shell command that starts one program: quotes, comments, line continuations and
// environment variables, but nothing that a shell would expand or run.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tq/error.h"

namespace tq::server {

struct ServerCommand {
  std::map<std::string, std::string> environment = {};  // `export NAME=value` and `NAME=value program`
  std::vector<std::string> words = {};                  // the program and its arguments
};

// An error says what a shell would be needed for.
Expected<ServerCommand> parse_server_command(std::string_view text);

}  // namespace tq::server
