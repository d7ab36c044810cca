"""A model in the form transformers has it (settings as in config.json, weights by name, as numpy arrays) -> a GGUF file
with a tokenizer of bytes. Keys and tensors are those that llama.cpp's convert_hf_to_gguf.py writes."""
import math

import numpy as np

import qwen_layers
from random_llama import byte_tokens

ARCHITECTURES = {"llama": "llama", "mistral": "llama", "ministral3": "mistral3", "qwen2": "qwen2", "qwen3": "qwen3",
                 "gemma2": "gemma2", "gemma3_text": "gemma3", "phi3": "phi3", "qwen3_moe": "qwen3moe",
                 "qwen3_5_text": "qwen35"}
ADJACENT_PAIRS = {"llama", "mistral3"}  # architectures whose files rotate values (2i, 2i + 1), not (i, i + n / 2)
NORMS_PLUS_ONE = {"gemma2", "gemma3", "qwen35"}  # transformers multiplies by 1 + weight

TOP = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight",
       "lm_head.weight": "output.weight"}
LAYER = {"input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
         "self_attn.v_proj": "attn_v", "self_attn.qkv_proj": "attn_qkv", "self_attn.o_proj": "attn_output",
         "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm", "mlp.gate_proj": "ffn_gate",
         "mlp.up_proj": "ffn_up", "mlp.gate_up_proj": "ffn_up", "mlp.down_proj": "ffn_down"}
ONE_NORM_A_BLOCK = {"post_attention_layernorm": "ffn_norm"}
TWO_NORMS_A_BLOCK = {"post_attention_layernorm": "post_attention_norm", "pre_feedforward_layernorm": "ffn_norm",
                     "post_feedforward_layernorm": "post_ffw_norm"}


def tensor_name(name, architecture):
    if name in TOP:
        return TOP[name]
    _, _, layer, rest = name.split(".", 3)
    if rest == "linear_attn.A_log":
        return f"blk.{layer}.ssm_a"
    part, kind = rest.rsplit(".", 1)
    norms = TWO_NORMS_A_BLOCK if architecture in NORMS_PLUS_ONE else ONE_NORM_A_BLOCK
    return f"blk.{layer}.{(LAYER | qwen_layers.NAMES | norms)[part]}.{kind}"


def pair_neighbours(x, n_heads):
    """Rows of a head from halves (i, i + n / 2) to neighbours (2i, 2i + 1)."""
    return x.reshape(n_heads, 2, -1, *x.shape[1:]).swapaxes(1, 2).reshape(x.shape)


def llama3_factors(rope, n_rot):
    """Divisors of the frequencies: 1 for short wavelengths, `factor` for long ones, blended between."""
    frequency = rope["rope_theta"] ** (-np.arange(0, n_rot, 2, dtype=np.float64) / n_rot)
    turns = rope["original_max_position_embeddings"] * frequency / (2 * np.pi)  # over the original context
    low, high = rope["low_freq_factor"], rope["high_freq_factor"]
    smooth = np.clip((turns - low) / (high - low), 0, 1)
    return (1 / ((1 - smooth) / rope["factor"] + smooth)).astype(np.float32)


def write_rope(writer, config, rope, n_rot):
    import gguf

    kind = rope["rope_type"]
    writer.add_rope_dimension_count(n_rot)
    writer.add_rope_freq_base(rope["rope_theta"])
    if kind == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(rope["factor"])
    elif kind == "yarn":
        writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        writer.add_rope_scaling_factor(rope["factor"])
        writer.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
        writer.add_rope_scaling_yarn_beta_fast(rope.get("beta_fast", 32.0))
        writer.add_rope_scaling_yarn_beta_slow(rope.get("beta_slow", 1.0))
    elif kind == "llama3":
        writer.add_tensor("rope_freqs.weight", llama3_factors(rope, n_rot))
    elif kind == "longrope":
        original = rope["original_max_position_embeddings"]
        scale = config["max_position_embeddings"] / original
        writer.add_rope_scaling_orig_ctx_len(original)
        writer.add_rope_scaling_attn_factors(math.sqrt(1 + math.log(scale) / math.log(original)) if scale > 1 else 1.0)
        for length in ("long", "short"):
            writer.add_tensor(f"rope_factors_{length}.weight", np.array(rope[f"{length}_factor"], np.float32))
    else:
        assert kind == "default", kind


def write_settings(writer, architecture, config, head_dim):
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])
    writer.add_key_length(head_dim)
    writer.add_value_length(head_dim)
    rope = config["rope_parameters"]
    if architecture == "gemma3":
        assert rope["sliding_attention"] == {"rope_type": "default", "rope_theta": 10000.0}  # what readers assume
        rope = rope["full_attention"]
    write_rope(writer, config, rope, int(head_dim * rope.get("partial_rotary_factor", 1)))
    if architecture in ("gemma2", "gemma3", "phi3"):
        writer.add_sliding_window(config["sliding_window"] or 0)
    if architecture == "gemma2":
        writer.add_attn_logit_softcapping(config["attn_logit_softcapping"])
        writer.add_final_logit_softcapping(config["final_logit_softcapping"])
    qwen_layers.write_settings(writer, config)
    if architecture == "mistral3":
        writer.add_rope_scaling_yarn_log_mul(rope["mscale_all_dim"])
        writer.add_attn_temperature_scale(rope["llama_4_scaling_beta"])


def write_tokenizer(writer, n_vocab):
    tokens = byte_tokens()
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list((tokens + [f"tok{i}" for i in range(n_vocab - len(tokens))])[:n_vocab])
    writer.add_token_types([1] * n_vocab)
    writer.add_token_merges(["a b"])
    writer.add_add_bos_token(False)
    writer.add_eos_token_id(n_vocab - 1)


def write_gguf(path, config, weights, matrix_type="F32"):
    import gguf
    from gguf.quants import quantize

    architecture = ARCHITECTURES[config["model_type"]]
    head_dim = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    heads = {"attn_q": config["num_attention_heads"], "attn_k": config["num_key_value_heads"]}
    writer = gguf.GGUFWriter(str(path), architecture)
    write_settings(writer, architecture, config, head_dim)
    write_tokenizer(writer, config["vocab_size"])
    for name, values in qwen_layers.as_in_files(weights, config).items():
        to = tensor_name(name, architecture)
        part = to.split(".")[-2]
        if architecture in ADJACENT_PAIRS and part in heads:
            values = pair_neighbours(values, heads[part])
        if architecture in NORMS_PLUS_ONE and part.endswith("norm") and part != "ssm_norm":
            values = values + np.float32(1)
        is_matrix = values.ndim > 1 and part != "ssm_conv1d"
        kind = gguf.GGMLQuantizationType[matrix_type if is_matrix else "F32"]
        writer.add_tensor(to, quantize(np.ascontiguousarray(values, np.float32), kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
