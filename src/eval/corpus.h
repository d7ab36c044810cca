// The text that gates read: files of the user, or a text that a Debian package brings.
#pragma once

#include <string>
#include <vector>

#include "tq/error.h"

namespace tq::eval {

// The files' text, one after another. None named: the English prose of Debian's `fortunes` and `fortunes-min`
// in /usr/share/games/fortunes, without its separators; an error says how to install it.
Expected<std::string> read_corpus(const std::vector<std::string>& files);

Expected<std::string> read_whole_file(const std::string& path, std::size_t max_bytes);

}  // namespace tq::eval
