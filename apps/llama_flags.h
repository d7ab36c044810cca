// llama-server's options that `serve` does not have: what becomes of a command line that was written for it.
#pragma once

#include <string>
#include <vector>

#include "tq/error.h"

namespace tq::app {

// Takes out of the words behind `serve` what means nothing here, with a line about each in `notes`, and gives
// others the names that they have here. An option whose absence would change answers or safety is refused
// (kBadArgument), with what to do instead.
Expected<std::vector<std::string>> translated_llama_flags(const std::vector<std::string>& words,
                                                          std::vector<std::string>& notes);

// The same for all words behind the program's name: of `serve` and `ollama`, with the notes on stderr; others
// stay. `serve` that does not stand in for Ollama also gets what llama-server's variables say
// (llama_environment.h).
Expected<std::vector<std::string>> serve_words(std::vector<std::string> words);

}  // namespace tq::app
