"""Tiny GGUF models of the llama architecture with random weights, for comparing engines: every setting of the metadata
can be varied, and F32 weights leave nothing to rounding."""
import numpy as np

# Types that the gguf package reads but cannot make.
RANDOM_BITS = ("Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS")


def byte_tokens():
    """GPT-2's 256 byte tokens, enough for a tokenizer that both engines load."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = {b: 0x100 + i for i, b in enumerate(b for b in range(256) if b not in plain)}
    return [chr(rest.get(b, b)) for b in range(256)]


def write_random_llama(path, n_layers=2, n_embd=64, n_heads=4, n_kv_heads=2, n_ff=96, n_vocab=300, n_ctx=512,
                       head_dim=None, tied=False, biases=False, rope_freqs=False, weight_type="F32", seed=1, **keys):
    """keys: extra metadata under "llama.", floats or ints or strings, dots written as two underscores."""
    import gguf
    from gguf.quants import quantize

    from random_blocks import random_rows

    random = np.random.default_rng(seed)
    head_dim = head_dim or n_embd // n_heads
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_block_count(n_layers)
    writer.add_context_length(n_ctx)
    writer.add_embedding_length(n_embd)
    writer.add_feed_forward_length(n_ff)
    writer.add_head_count(n_heads)
    writer.add_head_count_kv(n_kv_heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(n_vocab)
    if head_dim != n_embd // n_heads:
        writer.add_key_length(head_dim)
        writer.add_value_length(head_dim)
        writer.add_rope_dimension_count(head_dim)
    for name, value in keys.items():
        add = {int: writer.add_uint32, float: writer.add_float32, str: writer.add_string}[type(value)]
        add("llama." + name.replace("__", "."), value)
    tokens = byte_tokens()
    tokens += [f"tok{i}" for i in range(n_vocab - len(tokens))]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([1] * n_vocab)
    writer.add_token_merges(["a b"])
    writer.add_bool("tokenizer.ggml.add_bos_token", False)
    writer.add_uint32("tokenizer.ggml.eos_token_id", n_vocab - 1)

    def matrix(name, n_out, n_in):
        kind = gguf.GGMLQuantizationType[weight_type]
        if weight_type in RANDOM_BITS:
            writer.add_tensor(name, random_rows(kind, n_out, n_in, random), raw_dtype=kind)
            return
        weights = random.normal(0, 1.0 / np.sqrt(n_in), (n_out, n_in)).astype(np.float32)
        if kind == gguf.GGMLQuantizationType.F32:
            writer.add_tensor(name, weights)
        else:
            writer.add_tensor(name, quantize(weights, kind), raw_dtype=kind)

    def vector(name, n, mean=0.0):
        writer.add_tensor(name, (mean + random.normal(0, 0.2, n)).astype(np.float32))

    matrix("token_embd.weight", n_vocab, n_embd)
    vector("output_norm.weight", n_embd, 1.0)
    if not tied:
        matrix("output.weight", n_vocab, n_embd)
    if rope_freqs:
        writer.add_tensor("rope_freqs.weight", np.linspace(1, 8, head_dim // 2).astype(np.float32))
    for i in range(n_layers):
        block = f"blk.{i}."
        vector(block + "attn_norm.weight", n_embd, 1.0)
        vector(block + "ffn_norm.weight", n_embd, 1.0)
        sizes = {"attn_q": n_heads * head_dim, "attn_k": n_kv_heads * head_dim, "attn_v": n_kv_heads * head_dim}
        for name, n_out in sizes.items():
            matrix(block + name + ".weight", n_out, n_embd)
            if biases:
                vector(block + name + ".bias", n_out)
        matrix(block + "attn_output.weight", n_embd, n_heads * head_dim)
        if biases:
            vector(block + "attn_output.bias", n_embd)
        matrix(block + "ffn_gate.weight", n_ff, n_embd)
        matrix(block + "ffn_up.weight", n_ff, n_embd)
        matrix(block + "ffn_down.weight", n_embd, n_ff)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
