"""Layers that only some Qwen models have, for to_gguf.py and transformers_cases.py: mixtures of experts (qwen3_moe) and
gated DeltaNet (qwen3_5_text)."""
import numpy as np

NAMES = {"mlp.gate": "ffn_gate_inp", "mlp.experts.gate": "ffn_gate_exps", "mlp.experts.up": "ffn_up_exps",
         "mlp.experts.down": "ffn_down_exps", "linear_attn.in_proj_qkv": "attn_qkv", "linear_attn.in_proj_z": "attn_gate",
         "linear_attn.in_proj_a": "ssm_alpha", "linear_attn.in_proj_b": "ssm_beta", "linear_attn.conv1d": "ssm_conv1d",
         "linear_attn.dt": "ssm_dt", "linear_attn.norm": "ssm_norm", "linear_attn.out_proj": "ssm_out"}


def is_recurrent(c, layer):
    return c["model_type"] == "qwen3_5_text" and (layer + 1) % c["full_attention_interval"] != 0


def mixer_shapes(c):
    """Names and shapes of a recurrent layer's mixer."""
    n, value_heads = c["hidden_size"], c["linear_num_value_heads"]
    n_value = value_heads * c["linear_value_head_dim"]
    n_qkv = 2 * c["linear_num_key_heads"] * c["linear_key_head_dim"] + n_value
    return {"in_proj_qkv.weight": (n_qkv, n), "in_proj_z.weight": (n_value, n), "in_proj_a.weight": (value_heads, n),
            "in_proj_b.weight": (value_heads, n), "conv1d.weight": (n_qkv, 1, c["linear_conv_kernel_dim"]),
            "dt_bias": (value_heads,), "A_log": (value_heads,), "norm.weight": (c["linear_value_head_dim"],),
            "out_proj.weight": (n, n_value)}


def mixture_shapes(c):
    n, n_ff, n_experts = c["hidden_size"], c["moe_intermediate_size"], c["num_experts"]
    return {"gate.weight": (n_experts, n), "experts.gate_up_proj": (n_experts, 2 * n_ff, n),
            "experts.down_proj": (n_experts, n, n_ff)}


def interleave_heads(x, c, axis=0):
    """transformers' value head h reads key head h // r; in a file it reads key head h % n_key_heads."""
    n_keys = c["linear_num_key_heads"]
    x = np.moveaxis(x, axis, 0)
    groups = x.reshape(n_keys, c["linear_num_value_heads"] // n_keys, -1, *x.shape[1:])
    return np.moveaxis(groups.swapaxes(0, 1).reshape(x.shape), 0, axis)


def as_in_files(weights, config):
    """Splits what is fused, joins nothing, orders value heads as GGUF files have them."""
    out = {}
    for name, x in weights.items():
        prefix, _, part = name.partition("linear_attn.")
        if name.endswith("experts.gate_up_proj"):
            stem = name.removesuffix("gate_up_proj")
            out[stem + "gate.weight"], out[stem + "up.weight"] = np.split(x, 2, axis=1)
        elif name.endswith("experts.down_proj"):
            out[name.removesuffix("_proj") + ".weight"] = x
        elif part in ("in_proj_z.weight", "in_proj_a.weight", "in_proj_b.weight"):
            out[name] = interleave_heads(x, config)
        elif part in ("in_proj_qkv.weight", "conv1d.weight"):
            n_value = config["linear_num_value_heads"] * config["linear_value_head_dim"]
            values = interleave_heads(x[-n_value:], config)
            out[name] = np.concatenate([x[:-n_value], values]).reshape(len(x), -1)
        elif part == "out_proj.weight":
            out[name] = interleave_heads(x, config, axis=1)
        elif part == "dt_bias":
            out[prefix + "linear_attn.dt.bias"] = interleave_heads(x, config)
        elif part == "A_log":
            out[name] = -np.exp(interleave_heads(x, config))
        else:
            out[name] = x
    return out


def write_settings(writer, config):
    if config["model_type"] == "qwen3_moe":
        writer.add_expert_count(config["num_experts"])
        writer.add_expert_used_count(config["num_experts_per_tok"])
        writer.add_expert_feed_forward_length(config["moe_intermediate_size"])
    if config["model_type"] == "qwen3_5_text":
        writer.add_ssm_conv_kernel(config["linear_conv_kernel_dim"])
        writer.add_ssm_state_size(config["linear_key_head_dim"])
        writer.add_ssm_group_count(config["linear_num_key_heads"])
        writer.add_ssm_time_step_rank(config["linear_num_value_heads"])
        writer.add_ssm_inner_size(config["linear_num_value_heads"] * config["linear_value_head_dim"])
        writer.add_full_attention_interval(config["full_attention_interval"])
        writer.add_rope_dimension_sections(config["rope_parameters"]["mrope_section"] + [0])
