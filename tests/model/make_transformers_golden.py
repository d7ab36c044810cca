#!/usr/bin/env python3
"""Writes transformers.npz: what transformers computes with the models of transformers_cases.py. Needs torch and
transformers (made with torch 2.15.0 and transformers 5.24.0; the tests need neither):

    python tests/model/make_transformers_golden.py
"""
import pathlib

import numpy as np
import torch
import transformers

import transformers_cases as cases

OUTPUT = pathlib.Path(__file__).parent / "transformers.npz"
CLASSES = {"llama": "Llama", "mistral": "Mistral", "ministral3": "Ministral3", "qwen2": "Qwen2", "qwen3": "Qwen3",
           "gemma2": "Gemma2", "gemma3_text": "Gemma3", "phi3": "Phi3", "qwen3_moe": "Qwen3Moe", "qwen3_5_text": "Qwen3_5"}


def load(name):
    settings = cases.config_of(name)
    kind = CLASSES[settings["model_type"]]
    config_class = getattr(transformers, kind + ("TextConfig" if kind in ("Gemma3", "Qwen3_5") else "Config"))
    config = config_class(**{k: v for k, v in settings.items() if k != "model_type"})
    config._attn_implementation = "eager"  # the one that soft-caps
    model = getattr(transformers, kind + "ForCausalLM")(config).float().eval()
    weights = {k: torch.from_numpy(v) for k, v in cases.weights_of(name).items()}
    missing, unexpected = model.load_state_dict(weights, strict=False)
    assert not unexpected and set(missing) <= {"lm_head.weight"}, (name, missing, unexpected)
    assert missing == [] or settings["tie_word_embeddings"]
    return model


@torch.no_grad()
def logits(model, tokens):
    """Without a cache: each call computes all positions, so LongRoPE's factors are those of the whole text."""
    return model(input_ids=torch.tensor([tokens]), use_cache=False).logits[0].float().numpy()


def main():
    golden = {}
    for name in cases.CASES:
        model, tokens = load(name), cases.tokens_of(name)
        golden[name + "/logits"] = logits(model, tokens)[cases.POSITIONS]
        text = tokens[:cases.PROMPT]
        rows = []
        for _ in range(cases.GENERATED):
            rows.append(logits(model, text)[-1])
            text.append(int(rows[-1].argmax()))
        golden[name + "/greedy"] = np.array(text[cases.PROMPT:], np.int32)
        golden[name + "/greedy logits"] = np.stack(rows[:4])
        margin = [np.sort(row)[-1] - np.sort(row)[-2] for row in rows]
        print(f"{name:26} spread {golden[name + '/logits'].std():.2f}  smallest margin {min(margin):.3f}")
    np.savez_compressed(OUTPUT, **golden)
    print(OUTPUT, OUTPUT.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
