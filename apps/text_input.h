// Text that people hand to the program: from the command line, a file or standard input.
#pragma once

#include <string>
#include <string_view>

#include "tq/error.h"

namespace tq::app {

// All of it, at most max_bytes.
Expected<std::string> read_file(const std::string& path, std::size_t max_bytes);
Expected<std::string> read_standard_input(std::size_t max_bytes);

// An error names the offset of the first byte that is not UTF-8; `what` begins the sentence ("the prompt").
Expected<void> check_utf8(std::string_view text, std::string_view what);

}  // namespace tq::app
