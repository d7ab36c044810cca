// `turboquant verify` and the gates as commands of their own.
#pragma once

#include "command_line.h"

namespace tq::app {

void add_verify_commands(CLI::App& app, Command& chosen);
void add_memory_probe_command(CLI::App& app, Command& chosen);  // memory_probe.cc

}  // namespace tq::app
