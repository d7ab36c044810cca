// The two ways in which architectures put a layer's blocks on the residual stream. A mixer moves values
// between tokens (attention, as a rule), a feed-forward works on each alone; both have run(pass): w.h to w.h.
#pragma once

#include <utility>

#include "model/blocks/attention_block.h"
#include "model/blocks/feed_forward.h"
#include "model/blocks/norm.h"
#include "model/config.h"
#include "model/pass.h"
#include "model/weights.h"

namespace tq {

// A block reads the normed stream and adds to it (arXiv 2002.04745).
template <class Mixer, class Ffn>
struct PreNormLayer {
  Norm mixer_norm;
  Mixer mixer;
  Norm ffn_norm;
  Ffn ffn;

  void run(const Pass& pass) const {
    mixer_norm.run(pass, pass.w.x, pass.w.h);
    mixer.run(pass);
    add_residual(pass);
    ffn_norm.run(pass, pass.w.x, pass.w.h);
    ffn.run(pass);
    add_residual(pass);
  }
};

// The same with attention, under the names that most files use.
template <class Ffn>
PreNormLayer<AttentionBlock, Ffn> bind_pre_norm(WeightReader& weights, const ModelConfig& config, int index,
                                                Ffn ffn) {
  return {.mixer_norm = Norm::bind(weights, "attn_norm.weight", config.n_embd, config.norm_eps),
          .mixer = AttentionBlock::bind(weights, config, index),
          .ffn_norm = Norm::bind(weights, "ffn_norm.weight", config.n_embd, config.norm_eps),
          .ffn = std::move(ffn)};
}

// What a block adds is normed, too (Gemma 2, arXiv 2408.00118).
template <class Mixer, class Ffn>
struct SandwichNormLayer {
  Norm mixer_norm;
  Mixer mixer;
  Norm mixer_post_norm;
  Norm ffn_norm;
  Ffn ffn;
  Norm ffn_post_norm;

  void run(const Pass& pass) const {
    mixer_norm.run(pass, pass.w.x, pass.w.h);
    mixer.run(pass);
    mixer_post_norm.run(pass, pass.w.h, pass.w.h);
    add_residual(pass);
    ffn_norm.run(pass, pass.w.x, pass.w.h);
    ffn.run(pass);
    ffn_post_norm.run(pass, pass.w.h, pass.w.h);
    add_residual(pass);
  }
};

// The same under the names of Gemma's files.
template <class Mixer, class Ffn>
SandwichNormLayer<Mixer, Ffn> bind_sandwich_norm(WeightReader& weights, const ModelConfig& config,
                                                 Mixer mixer, Ffn ffn) {
  const auto norm = [&](const char* name) {
    return Norm::bind(weights, name, config.n_embd, config.norm_eps);
  };
  return {.mixer_norm = norm("attn_norm.weight"),
          .mixer = std::move(mixer),
          .mixer_post_norm = norm("post_attention_norm.weight"),
          .ffn_norm = norm("ffn_norm.weight"),
          .ffn = std::move(ffn),
          .ffn_post_norm = norm("post_ffw_norm.weight")};
}

}  // namespace tq
