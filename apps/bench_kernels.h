// `turboquant bench codec` and `turboquant bench attention`: the kernels alone, without a model.
#pragma once

#include "command_line.h"

namespace tq::app {

void add_bench_codec_command(CLI::App& bench, Command& chosen);
void add_bench_attention_command(CLI::App& bench, Command& chosen);

}  // namespace tq::app
