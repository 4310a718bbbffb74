#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fine-tuning as a whole: memory against the plan, a sweep of rates, adapters, activation checkpointing, what durability costs.

usage: tuning_bench.py BUILD [--jobs memory,sweep,adapters,durability] [--sizes sample,15m,160m] [--rounds N]

memory      fine_tune_bench on random weights: most resident memory (VmHWM) less that before it started, beside trainingMemory's sum.
sweep       crest-run probe finetune with 8 rates on one checkpoint of the sample, beside 8 runs of one rate each (seconds of the clock,
            with one worker and with two).
adapters    a step with low-rank adapters of rank 8, and one with recomputed activations, beside one of full tuning: CPU seconds, memory.
durability  seconds that saving a state takes, and the share of the time that saves take as often as crest-run makes them; and the
            sweep with its study on a disk beside one in memory, where a sync costs nothing.
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
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM, LlamaConfig, LlamaForCausalLM

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
RATES = "0.0005,0.001,0.002,0.003,0.004,0.006,0.008,0.012"


def make_model(size, folder):
    torch.manual_seed(1)
    if size == "sample":
        model = LlamaForCausalLM(LlamaConfig(vocab_size=512, hidden_size=48, num_hidden_layers=2, num_attention_heads=4, intermediate_size=96,
                                             max_position_embeddings=128, tie_word_embeddings=True))
    elif size == "15m":
        model = LlamaForCausalLM(LlamaConfig(vocab_size=8192, hidden_size=384, num_hidden_layers=6, num_attention_heads=6,
                                             intermediate_size=1152, max_position_embeddings=512, tie_word_embeddings=True))
    else:
        model = GPTNeoXForCausalLM(GPTNeoXConfig(vocab_size=50304, hidden_size=768, num_hidden_layers=12, num_attention_heads=12,
                                                 intermediate_size=3072, max_position_embeddings=512))
    model.save_pretrained(folder)
    return model.config.vocab_size


def write_examples(folder, vocab, longest, count=200):
    draw = numpy.random.default_rng(5)
    lengths = numpy.clip(draw.lognormal(numpy.log(120), 0.7, count), 8, longest).astype(int)
    lengths[0] = longest
    with open(os.path.join(folder, "examples.json"), "w") as file:
        json.dump([{"ids": draw.integers(0, vocab, n).tolist(), "learned": [0] * (n // 2) + [1] * (n - n // 2)} for n in lengths], file)


class Training:
    def __init__(self, build, folder, batch, dtype="float32", settings=None):
        self.process = subprocess.Popen([os.path.join(build, "tests/fine_tune_bench"), folder, os.path.join(folder, "examples.json"),
                                         str(batch), dtype, json.dumps(settings or {})], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.isa = self.process.stdout.readline().strip()
        self.before, self.planned = map(float, self.process.stdout.readline().split())

    def ask(self, steps):
        self.process.stdin.write(f"{steps}\n")
        self.process.stdin.flush()
        return [float(word) for word in self.process.stdout.readline().split()]

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def memory(build, sizes, _):
    print("memory, MB: planned / measured (most resident less that before)")
    cases = [("full, batch 8", 8, "float32", {}), ("full, batch 2", 2, "float32", {}), ("adapters", 8, "float32", {"lora_rank": 8}),
             ("recomputed", 8, "float32", {"recompute_activations": True}), ("bfloat16", 8, "bfloat16", {})]
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            vocab = make_model(size, folder)
            for longest in ([128] if size == "sample" else [512, 128]):
                write_examples(folder, vocab, longest)
                for name, batch, dtype, settings in cases:
                    if size == "160m" and (longest == 128 and name != "full, batch 2" or name == "bfloat16"):
                        continue
                    run = Training(build, folder, batch, dtype, settings)
                    most = run.ask(2 if size != "160m" else 1)[2]
                    run.end()
                    print(f"  {size:6s} rows of {longest:3d}  {name:14s} {run.planned:7.0f} / {most - run.before:7.0f} = {run.planned / (most - run.before):.3f}"
                          f"   (whole process {most:.0f}; with it {(run.planned + run.before) / most:.3f})", flush=True)


def finetune(build, study, rates, workers):
    series = os.path.join(ROOT, "resources/sample/series/sample-seed1")
    command = [os.path.join(build, "bin/crest-run"), "probe", "finetune", "--series", series, "--study", study, "--tune",
               "bible=" + os.path.join(ROOT, "resources/sample/tuning/bible.jsonl"), "--held-out-rows", "200", "--train-rows", "800",
               "--max-tokens", "128", "--seeds", "1", "--rates", rates, "--workers", str(workers), "--json"]
    for name in sorted(os.listdir(series))[:-1]:
        command += ["--exclude", name]
    start = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.monotonic() - start


def sweep(build, _, rounds):
    for workers in (1, 2):
        ratios, whole, single = [], [], []
        for _ in range(rounds):
            with tempfile.TemporaryDirectory() as folder:
                whole.append(finetune(build, os.path.join(folder, "all"), RATES, workers))
                single.append(sum(finetune(build, os.path.join(folder, rate), rate, 1) for rate in RATES.split(",")))
                ratios.append(whole[-1] / single[-1])
        print(f"sweep of 8 rates, {workers} worker(s): {statistics.median(whole):.1f} s, 8 single runs {statistics.median(single):.1f} s, "
              f"ratio {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})", flush=True)


def adapters(build, sizes, rounds):
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            write_examples(folder, make_model(size, folder), 128 if size == "sample" else 512)
            runs = {"full": Training(build, folder, 8), "adapters of rank 8": Training(build, folder, 8, settings={"lora_rank": 8}),
                    "recomputed": Training(build, folder, 8, settings={"recompute_activations": True})}
            seconds, most = {name: [] for name in runs}, {}
            for run in runs.values():
                run.ask(1)
            for _ in range(rounds):
                for name, run in runs.items():
                    took, _, most[name] = run.ask(2 if size != "sample" else 100)
                    seconds[name].append(took)
            for name, run in runs.items():
                run.end()
                ratios = [a / b for a, b in zip(seconds[name], seconds["full"])]
                print(f"{size}, {name}: {statistics.median(ratios):.2f} of full tuning's time ({min(ratios):.2f} to {max(ratios):.2f}), "
                      f"{most[name]:.0f} MB ({most[name] - run.before:.0f} without the process)", flush=True)


def durability(build, sizes, rounds):
    for size in sizes:
        with tempfile.TemporaryDirectory(dir=build) as folder:
            write_examples(folder, make_model(size, folder), 128 if size == "sample" else 512)
            run = Training(build, folder, 8)
            run.ask(1)
            saves = [run.ask(0) for _ in range(rounds)]
            run.end()
            took = statistics.median(save[0] for save in saves)
            print(f"{size}: a state of {saves[0][1]:.0f} MB is saved in {took:.3f} s, every {max(30, 99 * took):.0f} s: "
                  f"{100 * took / (took + max(30, 99 * took)):.2f} % of the time", flush=True)
    disk, memory_ = [], []
    for _ in range(rounds):
        for times, place in ((disk, build), (memory_, "/dev/shm")):
            with tempfile.TemporaryDirectory(dir=place) as folder:
                times.append(finetune(build, os.path.join(folder, "study"), RATES, 1))
    ratios = [a / b for a, b in zip(disk, memory_)]
    print(f"sweep, study on disk {statistics.median(disk):.1f} s, in memory {statistics.median(memory_):.1f} s: ratio "
          f"{statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})", flush=True)


def main():
    jobs = {"memory": memory, "sweep": sweep, "adapters": adapters, "durability": durability}
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--jobs", default=",".join(jobs))
    parser.add_argument("--sizes", default="sample,15m")
    parser.add_argument("--rounds", type=int, default=3)
    a = parser.parse_args()
    for job in a.jobs.split(","):
        jobs[job](a.build, a.sizes.split(","), a.rounds)


if __name__ == "__main__":
    sys.exit(main())
