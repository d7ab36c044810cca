// llama-server's variables of the environment, LLAMA_ARG_..., as words of a command line.
#pragma once

#include <string>
#include <vector>

#include "tq/error.h"

namespace tq::app {

// The words that the variables stand for, which go before `given`, the words behind `serve`: options that are
// given on the command line win. Some are llama-server's alone (llama_flags.h). Empty variables count for
// nothing. `names` gets those that were read. A switch that is neither on nor off is kBadArgument.
Expected<std::vector<std::string>> llama_environment_words(const std::vector<std::string>& given,
                                                           std::vector<std::string>& names);

}  // namespace tq::app
