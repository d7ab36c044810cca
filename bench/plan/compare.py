#!/usr/bin/env python3
"""Predicted against measured tokens per second: `fit --speed` and `bench` in turns, so that both see the same machine.

  bench/plan/compare.py -m model.gguf [-ctk q8_0 -ctv turbo4] [--rounds 3] [--depths 0,8192,32768] [--prompts 512,8192]

Prints, for each depth, the median of both and of their ratio, and the ratio's spread. A depth that the model's context
does not hold is left out; bench/engine/random_model.py makes a model of the same shape for longer contexts.
"""
import argparse
import json
import statistics
import subprocess


def call(*arguments):
    return json.loads(subprocess.run(arguments, check=True, capture_output=True, text=True).stdout)


def one_round(options, cache):
    """{(what, depth): (predicted, measured)}"""
    threads = ("-t", options.threads) if options.threads else ()
    fit = call(options.binary, "fit", "-m", options.model, *cache, *threads, "--speed", "--json")
    predicted = {s["depth"]: s for s in fit["speed"]}
    most = fit["chosen"]["n_ctx"]
    types = ("-ctk", fit["chosen"]["type_k"], "-ctv", fit["chosen"]["type_v"])
    result = {}
    depths = [d for d in options.depths if d in predicted and d + options.decode <= most]
    for prompt in [p for p in options.prompts if p <= most]:
        measured = call(options.binary, "bench", "-m", options.model, *types, *threads, "--json", "--prefill", str(prompt),
                        "--decode", str(options.decode), "--depths", ",".join(map(str, depths if prompt == options.prompts[0] else [0])))
        depth = 0 if prompt <= 512 else prompt
        result["prefill", prompt] = predicted[depth]["prefill"], measured["prefill"][str(prompt)]
        if prompt == options.prompts[0]:
            for depth in depths:
                result["decode", depth] = predicted[depth]["decode"], measured["decode"][str(depth)]
    return result


def numbers(text):
    return [int(n) for n in text.split(",")]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-m", "--model", required=True)
    parser.add_argument("--binary", default="build/release/turboquant")
    parser.add_argument("-ctk", default="q8_0")
    parser.add_argument("-ctv", default="turbo4")
    parser.add_argument("-t", "--threads")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--decode", type=int, default=32)
    parser.add_argument("--depths", type=numbers, default=[0, 8192, 32768])
    parser.add_argument("--prompts", type=numbers, default=[512, 8192])
    options = parser.parse_args()
    rounds = [one_round(options, ("-ctk", options.ctk, "-ctv", options.ctv)) for _ in range(options.rounds)]
    print(f"{'':16}{'predicted':>10}{'measured':>10}{'ratio':>7}{'from':>7}{'to':>7}")
    for key in sorted(rounds[0]):
        predicted, measured = zip(*(r[key] for r in rounds))
        ratios = [p / m for p, m in zip(predicted, measured)]
        print(f"{key[0]:8}{key[1]:8}{statistics.median(predicted):10.1f}{statistics.median(measured):10.1f}"
              f"{statistics.median(ratios):7.2f}{min(ratios):7.2f}{max(ratios):7.2f}")


if __name__ == "__main__":
    main()
