// Linear attention by the gated delta rule (Gated DeltaNet, arXiv 2412.06464, as Qwen 3.5 has it): a causal
// convolution over queries, keys and values, then per head a matrix of fixed size that each token decays and
// corrects. No KV cache: its memory is the sequence's RecurrentState.
#pragma once

#include <cstdint>
#include <vector>

#include "model/blocks/norm.h"
#include "model/config.h"
#include "model/pass.h"
#include "model/weights.h"
#include "ops/linear.h"

namespace tq {

struct DeltaNet {
  DeltaNetConfig config;
  int state_layer = 0;  // of the sequences' recurrent states

  Linear qkv;                     // n_embd -> n_qkv(): queries, keys, values
  Linear gate;                    // n_embd -> n_value(): what the output is gated with
  Linear decay, beta;             // n_embd -> n_value_heads
  std::vector<float> conv;        // [taps, n_qkv()], the newest token's tap last
  std::vector<float> decay_bias;  // [n_value_heads]
  std::vector<float> decay_rate;  // [n_value_heads], negative: log of the decay a unit of softplus
  std::vector<float> query_norm;  // [head_dim], what turns an RMS norm into an L2 norm over sqrt(head_dim)
  std::vector<float> key_norm;    // [head_dim], into an L2 norm
  Norm out_norm;                  // [head_dim], of each head
  Linear out;                     // n_value() -> n_embd

  static DeltaNet bind(WeightReader& weights, const ModelConfig& config, int state_layer);

  // w.h = delta_net(w.h); moves the sequences' states on.
  void run(const Pass& pass) const;

 private:
  void convolve(const Pass& pass, std::int64_t row) const;
  void keep_inputs(const Pass& pass) const;
  void apply_rule(const Pass& pass) const;
  void run_head(const Pass& pass, const SequenceRows& sequence, int head) const;
  void gate_outputs(const Pass& pass) const;
};

}  // namespace tq
