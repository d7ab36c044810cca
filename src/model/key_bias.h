// Keys that are mostly a constant (Qwen 2): what a model adds to its keys, beside what it adds that to.
#pragma once

#include <vector>

#include "gguf/gguf.h"

namespace tq {

// Of each layer: the norm of attn_k.bias over that of the keys without it, for which the hidden state's
// coordinates are taken as independent and of variance 1 after normalisation, so that it is the norm of
// W_K diag(g), g the weights of the norm before it. Empty when no layer has such a bias.
std::vector<float> key_bias_ratios(const GgufFile& file, int n_layers);

}  // namespace tq
