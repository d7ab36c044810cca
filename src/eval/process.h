// This process, and children of it: what memory they take.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "tq/error.h"

namespace tq::eval {

std::size_t resident_bytes();  // of this process now; 0 where /proc does not say

struct ChildResult {
  int exit_code = -1;  // negative: the signal that killed it
  std::string output;  // its standard output
};

// Runs `program` to its end. `address_space`: its limit in bytes (RLIMIT_AS). `input` is what it reads as
// /proc/self/fd/3: a file that needs no name.
Expected<ChildResult> run_child(const std::string& program, const std::vector<std::string>& arguments,
                                const std::string& input, std::optional<std::size_t> address_space);

}  // namespace tq::eval
