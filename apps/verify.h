// `turboquant verify` and the gates as commands of their own.
#pragma once

#include "command_line.h"

namespace tq::app {

void add_verify_commands(CLI::App& app, Command& chosen);

}  // namespace tq::app
