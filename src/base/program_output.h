// What a program prints, within a time limit.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace tq::machine {

// Runs words[0], looked up in PATH, and returns the first MiB of its standard output; nullopt when it cannot
// be started or is not done after `limit`. A program that hangs in a driver is killed and left alone: this
// call returns in time even so.
std::optional<std::string> program_output(const std::vector<std::string>& words,
                                          std::chrono::milliseconds limit);

}  // namespace tq::machine
