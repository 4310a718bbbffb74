#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fine-tuning speed of Crest against transformers' Trainer and a packed PyTorch loop, interleaved in one run.

usage: fine_tune_bench.py FINE_TUNE_BENCH [--rounds N] [--steps N] [--shape 15m|160m] [--dtype float32|bfloat16] [--memory-of trainer|packed]

One thread each; real tokens per CPU second (padding does not count). Examples: log-normal lengths, mean about 153 of at most 512, the
second half of each learned; 8 to an optimiser step. Trainer pads each batch to its longest example. The packed loop is the decoder of
pretrain_bench.py on rows of 512 that hold whole examples one after the other, without masks between them (which would cost it more),
with cross-entropy of all rows and AdamW(fused=True). Most resident memory is that of a process of its own for each (--memory-of).
"""
import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

os.environ["HF_HUB_OFFLINE"] = "1"
import numpy
import torch
from torch import nn
from torch.nn import functional as F
from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainerCallback, TrainingArguments

import pretrain_bench

BATCH, ROW = 8, 512
SHAPES = {"15m": pretrain_bench.SHAPES["15m"], **pretrain_bench.LARGE}


def make_examples(count, vocab):
    draw = numpy.random.default_rng(5)
    lengths = numpy.clip(draw.lognormal(numpy.log(120), 0.7, count), 8, ROW).astype(int)
    return [{"ids": draw.integers(0, vocab, n).tolist(), "learned": [0] * (n // 2) + [1] * (n - n // 2)} for n in lengths]


class Padded:
    """transformers' Trainer."""

    def __init__(self, model, examples, dtype, folder):
        self.model, self.examples, self.dtype, self.folder, self.at = model, examples, dtype, folder, 0

    def collate(self, batch):
        longest = max(len(e["ids"]) for e in batch)
        pad = lambda values, filler: values + [filler] * (longest - len(values))
        return {"input_ids": torch.tensor([pad(e["ids"], 0) for e in batch]),
                "attention_mask": torch.tensor([pad([1] * len(e["ids"]), 0) for e in batch]),
                "labels": torch.tensor([pad([i if on else -100 for i, on in zip(e["ids"], e["learned"])], -100) for e in batch])}

    def run(self, steps):
        part = [self.examples[(self.at + i) % len(self.examples)] for i in range((steps + 1) * BATCH)]
        self.at += (steps + 1) * BATCH
        times = []

        class Clock(TrainerCallback):
            def on_step_begin(self, *_, **__):
                times.append(time.process_time())

            def on_train_end(self, *_, **__):
                times.append(time.process_time())

        arguments = TrainingArguments(output_dir=self.folder, per_device_train_batch_size=BATCH, num_train_epochs=1, learning_rate=1e-5,
                                      logging_strategy="no", save_strategy="no", report_to=[], use_cpu=True, train_sampling_strategy="sequential",
                                      remove_unused_columns=False, disable_tqdm=True, bf16=self.dtype == "bfloat16")
        Trainer(model=self.model, args=arguments, train_dataset=part, data_collator=self.collate, callbacks=[Clock()]).train()
        return times[-1] - times[1], sum(len(e["ids"]) for e in part[BATCH:])  # the first step makes the optimiser's state


class Packed:
    """A plain loop over rows that are full of examples."""

    def __init__(self, shape, examples, dtype):
        self.model, self.examples, self.bfloat16, self.at = pretrain_bench.Decoder(shape), examples, dtype == "bfloat16", 0
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-5, weight_decay=0.0, fused=True)

    def rows(self):
        rows, targets, tokens = [[]], [[]], 0
        for _ in range(BATCH):
            example = self.examples[self.at % len(self.examples)]
            self.at += 1
            tokens += len(example["ids"])
            if len(rows[-1]) + len(example["ids"]) > ROW:
                rows.append([]), targets.append([])
            rows[-1] += example["ids"]
            targets[-1] += [i if on else -100 for i, on in zip(example["ids"][1:], example["learned"][1:])] + [-100]
        longest = max(map(len, rows))
        pad = lambda all_rows, filler: torch.tensor([row + [filler] * (longest - len(row)) for row in all_rows])
        return pad(rows, 0), pad(targets, -100), tokens

    def run(self, steps):
        tokens, start = 0, time.process_time()
        for _ in range(steps):
            ids, targets, count = self.rows()
            self.model.cos, self.model.sin = self.cos[:ids.shape[1]], self.sin[:ids.shape[1]]
            with torch.autocast("cpu", torch.bfloat16, enabled=self.bfloat16):
                loss = F.cross_entropy(self.model(ids).flatten(0, 1), targets.flatten())
            loss.backward()
            nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimizer.step()
            self.optimizer.zero_grad()
            tokens += count
        return time.process_time() - start, tokens


class Crest:
    def __init__(self, program, folder, dtype):
        self.process = subprocess.Popen([program, folder, os.path.join(folder, "examples.json"), str(BATCH), dtype],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.isa = self.process.stdout.readline().strip()
        self.process.stdout.readline()  # memory before and planned

    def run(self, steps):
        self.process.stdin.write(f"{steps}\n")
        self.process.stdin.flush()
        seconds, tokens, self.peak = map(float, self.process.stdout.readline().split())
        return seconds, tokens


def most_resident():
    """MB, of this program alone: ru_maxrss counts what its parent held before exec, too."""
    with open("/proc/self/status") as status:
        return int(re.search(r"VmHWM:\s+(\d+) kB", status.read()).group(1)) * 1024 / 1e6


def peer_memory(peer, a):
    """MB, of a process that does nothing else."""
    command = [sys.executable, os.path.abspath(__file__), "-", "--shape", a.shape, "--dtype", a.dtype, "--rounds", str(a.rounds), "--steps", str(a.steps), "--memory-of", peer]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return float(done.stdout.splitlines()[-1])  # the Trainer prints, too


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("bench")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--shape", choices=SHAPES, default="15m")
    parser.add_argument("--memory-of", choices=["trainer", "packed"])
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    a = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(1)
    s = SHAPES[a.shape]
    config = LlamaConfig(vocab_size=s["vocab"], hidden_size=s["width"], num_hidden_layers=s["layers"], num_attention_heads=s["heads"],
                         intermediate_size=s["mlp"], max_position_embeddings=ROW, tie_word_embeddings=s.get("tied", True))
    examples = make_examples(400, s["vocab"])

    def make_packed():
        packed = Packed(s, examples, a.dtype)
        packed.cos, packed.sin = packed.model.cos, packed.model.sin
        return packed

    with tempfile.TemporaryDirectory() as folder:
        if a.memory_of:
            peer = make_packed() if a.memory_of == "packed" else Padded(LlamaForCausalLM(config), examples, a.dtype, folder)
            peer.run(a.rounds * a.steps)
            return print(most_resident())
        model = LlamaForCausalLM(config)
        model.save_pretrained(folder)
        with open(os.path.join(folder, "examples.json"), "w") as file:
            json.dump(examples, file)
        crest = Crest(a.bench, folder, a.dtype)
        packed = make_packed()
        padded = Padded(model, examples, a.dtype, os.path.join(folder, "trainer"))
        runs = [("Crest", crest), ("Trainer, padded", padded), ("packed loop", packed)]
        rates = {name: [] for name, _ in runs}
        for _, job in runs:
            job.run(1)
        for _ in range(a.rounds):
            for name, job in runs:
                seconds, tokens = job.run(a.steps)
                rates[name].append(tokens / seconds)
        crest.process.stdin.close()
        crest.process.wait()
    top = pretrain_bench.ceiling(s, a.dtype)
    print(f"{a.shape} {a.dtype} ({crest.isa}, torch {torch.__version__}, 1 thread, CPU time, {a.rounds} rounds of {a.steps} steps, "
          f"mean length {statistics.mean(len(e['ids']) for e in examples):.0f})")
    for name, _ in runs:
        ratios = [m / t for m, t in zip(rates["Crest"], rates[name])]
        print(f"  {name:16s} {statistics.median(rates[name]):8.0f} real tokens/s, {100 * statistics.median(rates[name]) / top:5.1f} % of the GEMM ceiling; "
              f"Crest is {statistics.median(ratios):.2f} times as fast, {min(ratios):.2f} to {max(ratios):.2f}")
    peers = {name: peer_memory(name, a) for name in ("trainer", "packed")}
    print(f"  most resident memory: Crest {crest.peak:.0f} MB, Trainer {peers['trainer']:.0f} MB ({crest.peak / peers['trainer']:.2f}), packed loop {peers['packed']:.0f} MB")


if __name__ == "__main__":
    sys.exit(main())
