#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Noise probe and scoring: Crest against the usual Python script (transformers), in one run on one machine.

  run_probe_bench.py BUILD_FOLDER [--model DIR] [--sizes sample,15M,160M] [--dtypes float32,bfloat16] [--rounds 5] [--json FILE]

Both sides: one thread, the same windows, the same weights and gammas, CPU time, rounds interleaved (ours, theirs, ours, ...); the median
ratio is reported. The script's evaluation takes the fastest of the batch sizes 1, 2, 4, 8, 16, measured first; logits and loss
by the model's own forward(labels) path without its backward pass, under inference_mode; bfloat16 noise under autocast as such
scripts do, bfloat16 scoring with the model loaded in bfloat16. Beside each side stands its share of the machine's GEMM ceiling: the
model's own products at 2048 tokens, buffers reused, in the same run and type.

Noise: the script draws one independent sample for each seed (clone, randn, add, evaluate, restore); Crest draws antithetic
pairs. "same passes" is the ratio of tokens per second; "same error" also counts how the variance of the mean loss falls: time x
variance of one draw, median over gammas. With --model a trained checkpoint is used for the first size; random weights say little about variance.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

os.environ["HF_HUB_OFFLINE"] = "1"
import numpy
import torch
from transformers import AutoModelForCausalLM, GPTNeoXConfig, GPTNeoXForCausalLM, LlamaConfig, LlamaForCausalLM

GAMMAS = [0.05, 0.1, 0.15, 0.2, 0.3]


def build(size, folder):
    if size == "sample":
        config = LlamaConfig(vocab_size=512, hidden_size=48, num_hidden_layers=2, num_attention_heads=4, intermediate_size=96,
                             max_position_embeddings=128, tie_word_embeddings=True)
        model = LlamaForCausalLM(config)
    elif size == "15M":
        config = LlamaConfig(vocab_size=8192, hidden_size=384, num_hidden_layers=6, num_attention_heads=6, intermediate_size=1152,
                             max_position_embeddings=512, tie_word_embeddings=True)
        model = LlamaForCausalLM(config)
    else:
        config = GPTNeoXConfig(vocab_size=50304, hidden_size=768, num_hidden_layers=12, num_attention_heads=12,
                               intermediate_size=3072, max_position_embeddings=2048)
        model = GPTNeoXForCausalLM(config)
    model.save_pretrained(folder)


class Ours:
    """The benchmark program as a child that runs on request."""

    def __init__(self, program, *arguments):
        self.child = subprocess.Popen([program, *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self, *numbers):
        self.child.stdin.write(" ".join(map(str, numbers)) + "\n")
        self.child.stdin.flush()
        line = self.child.stdout.readline()
        if not line:
            sys.exit("noise_bench ended; see its message above")
        return json.loads(line)

    def close(self):
        self.child.stdin.close()
        self.child.wait()


def evaluate(model, rows, batch):
    total, count = 0.0, 0
    for i in range(0, len(rows), batch):
        part = rows[i:i + batch]
        logits = model(part[:, :-1]).logits
        total += torch.nn.functional.cross_entropy(logits.flatten(0, 1).float(), part[:, 1:].flatten(), reduction="sum").item()
        count += part[:, 1:].numel()
    return total / count


def timed(function):
    start = time.process_time()
    value = function()
    return value, time.process_time() - start


def best_batch(model, rows):
    times = {}
    for batch in (1, 2, 4, 8, 16):
        part = rows[:max(batch, min(len(rows), 8))]
        evaluate(model, part[:batch], batch)
        times[batch] = timed(lambda: evaluate(model, part, batch))[1] / len(part)
    return min(times, key=times.get)


def gemm_ceiling(model, dtype):
    """FLOP/s of the model's own products, weighted by their FLOPs."""
    flops, seconds = 0, 0.0
    shapes = [tuple(m.weight.shape) for m in model.modules() if isinstance(m, torch.nn.Linear)]
    for (out, inner), times in {s: shapes.count(s) for s in shapes}.items():
        a, b = torch.randn(2048, inner, dtype=dtype), torch.randn(out, inner, dtype=dtype)
        c = torch.empty(2048, out, dtype=dtype)
        torch.mm(a, b.t(), out=c)
        best = statistics.median(timed(lambda: torch.mm(a, b.t(), out=c))[1] for _ in range(5))
        flops += times * 2 * 2048 * inner * out
        seconds += times * best
    return flops / seconds


def flops_per_token(model, window):
    products = sum(m.weight.numel() for m in model.modules() if isinstance(m, torch.nn.Linear))
    config = model.config
    return 2 * products + 4 * config.num_hidden_layers * (window + 1) / 2 * config.hidden_size


def noisy_evaluation(model, std, gamma, seed, rows, batch, autocast):
    """As a researcher writes it: clone, randn, add, evaluate, restore."""
    generator = torch.Generator().manual_seed(seed)
    kept = {}
    for name, weight in model.named_parameters():
        if name in std:
            kept[name] = weight.detach().clone()
            weight.add_(torch.randn(weight.shape, generator=generator) * (gamma * std[name]))
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        loss = evaluate(model, rows, batch)
    for name, weight in model.named_parameters():
        if name in kept:
            weight.copy_(kept[name])
    return loss


def noise_std(model, folder):
    record = os.path.join(folder, "crest.json")
    if os.path.exists(record):
        with open(record) as file:
            known = json.load(file).get("init_std")
        if known:
            return {name: value for name, value in known.items() if value > 0}
    return {name: weight.float().square().mean().sqrt().item() for name, weight in model.named_parameters() if weight.dim() > 1}


def bench_score(program, folder, ids_file, rows, window, dtype, rounds):
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype)).eval()
    batch = best_batch(model, rows)
    ours = Ours(program, "score", folder, ids_file, window, dtype)
    ours.run(len(rows))
    tokens = rows[:, 1:].numel()
    a, b, ratios = [], [], []
    for _ in range(rounds):
        a.append(tokens / ours.run(len(rows))["cpu"])
        b.append(tokens / timed(lambda: evaluate(model, rows, batch))[1])
        ratios.append(a[-1] / b[-1])
    ours.close()
    ceiling = gemm_ceiling(model, getattr(torch, dtype)) / flops_per_token(model, window)
    return {"ours": statistics.median(a), "peer": statistics.median(b), "ratio": statistics.median(ratios), "spread": [min(ratios), max(ratios)],
            "batch": batch, "ceiling_share_ours": statistics.median(a) / ceiling, "ceiling_share_peer": statistics.median(b) / ceiling}


def bench_noise(program, folder, ids_file, rows, window, dtype, rounds, seeds):
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    autocast = dtype == "bfloat16"
    std = noise_std(model, folder)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        batch = best_batch(model, rows)
    ours = Ours(program, "noise", folder, ids_file, window, dtype, ",".join(map(str, GAMMAS)))
    extra = ours.run(1, 1)["extra_bytes"]  # the first run: later ones find its buffers there
    tokens = rows[:, 1:].numel()
    pairs, singles = [[] for _ in GAMMAS], [[] for _ in GAMMAS]
    pair_seconds, single_seconds, ratios = [], [], []
    for round_ in range(rounds):
        first = 1 + round_ * seeds
        result = ours.run(first, seeds)
        for g, values in enumerate(result["values"]):
            pairs[g] += values
        pair_seconds.append(result["cpu"] / (seeds * len(GAMMAS)))
        spent = 0.0
        draws = [(g, seed) for seed in range(first, first + seeds) for g in range(len(GAMMAS))]
        for g, seed in draws:
            loss, seconds = timed(lambda: noisy_evaluation(model, std, GAMMAS[g], seed, rows, batch, autocast))
            singles[g].append(loss)
            spent += seconds
        single_seconds.append(spent / len(draws))
        ratios.append(2 * single_seconds[-1] / pair_seconds[-1])
    ours.close()
    same_passes = statistics.median(ratios)
    gains = [statistics.variance(s) / statistics.variance(p) / 2 if len(p) > 1 and statistics.variance(p) > 0 else float("nan")
             for s, p in zip(singles, pairs)]
    product_type = torch.bfloat16 if autocast else torch.float32
    ceiling = gemm_ceiling(model, product_type) / flops_per_token(model, window)
    ours_rate, peer_rate = 2 * tokens / statistics.median(pair_seconds), tokens / statistics.median(single_seconds)
    return {"ours": ours_rate, "peer": peer_rate, "ratio": same_passes, "same_error": [same_passes * g for g in gains],
            "same_error_median": same_passes * statistics.median(gains), "batch": batch, "extra_bytes": extra,
            "means_ours": [statistics.mean(p) for p in pairs], "means_peer": [statistics.mean(s) for s in singles],
            "ceiling_share_ours": ours_rate / ceiling, "ceiling_share_peer": peer_rate / ceiling}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("--model")
    parser.add_argument("--ids", help="int32 ids for --model in windows of 129 (sample) or 513; random ids otherwise")
    parser.add_argument("--sizes", default="sample,15M,160M")
    parser.add_argument("--dtypes", default="float32,bfloat16")
    parser.add_argument("--jobs", default="noise,score")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--json")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    program = os.path.join(options.build, "tests", "noise_bench")
    results = []
    print(f"{'job':6} {'size':7} {'type':9} {'Crest tok/s':>12} {'script tok/s':>13} {'ratio':>6}  {'of ceiling':>11}  more")
    for size in options.sizes.split(","):
        with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
            window, windows = {"sample": (128, 80), "15M": (512, 8), "160M": (512, 16)}[size]
            path = options.model if options.model and size == options.sizes.split(",")[0] else os.path.join(folder, "model")
            if path != options.model:
                with torch.inference_mode(False):
                    build(size, path)
            with open(os.path.join(path, "config.json")) as file:
                vocab = json.load(file)["vocab_size"]
            if options.ids and path == options.model:
                rows = torch.from_numpy(numpy.fromfile(options.ids, dtype="<i4")).view(-1, window + 1)[:windows].long()
            else:
                rows = torch.randint(0, vocab, (windows, window + 1))
            ids_file = os.path.join(folder, "ids.i32")
            rows.numpy().astype("<i4").tofile(ids_file)
            for dtype in options.dtypes.split(","):
                for job in options.jobs.split(","):
                    if job == "noise":
                        few = 1 if size == "160M" else options.seeds
                        result = bench_noise(program, path, ids_file, rows, window, dtype, options.rounds, few)
                        more = f"same error {result['same_error_median']:.1f}x, extra memory {result['extra_bytes'] / 1e6:.0f} MB"
                    else:
                        result = bench_score(program, path, ids_file, rows, window, dtype, options.rounds)
                        more = f"spread {result['spread'][0]:.2f}-{result['spread'][1]:.2f}"
                    results.append({"job": job, "size": size, "dtype": dtype, **result})
                    print(f"{job:6} {size:7} {dtype:9} {result['ours']:12.0f} {result['peer']:13.0f} {result['ratio']:6.2f}  "
                          f"{result['ceiling_share_ours']:4.0%} / {result['ceiling_share_peer']:4.0%}  script's batch {result['batch']}, {more}",
                          flush=True)
    if options.json:
        with open(options.json, "w") as file:
            json.dump(results, file, indent=1)


if __name__ == "__main__":
    main()
