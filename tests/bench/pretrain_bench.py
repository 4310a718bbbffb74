#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Pretraining speed of Crest against a plain PyTorch loop, interleaved in one run.

usage: pretrain_bench.py PRETRAIN_BENCH [--rounds N] [--shape sample|15m] [--dtype float32|bfloat16]

One thread each, CPU seconds (so that other load on the machine matters little), same shape, same batch of tokens per step, random
ids. The peer: the same decoder in eager PyTorch with scaled_dot_product_attention, fused cross-entropy and AdamW(fused=True),
gradient clipping, float32 or bfloat16 autocast, at the best of several sequences per forward pass (gradients are accumulated to
the full batch). The GEMM ceiling is the rate of torch.mm over the products of the shape with reused results.
"""
import argparse
import statistics
import subprocess
import time

import torch
from torch import nn
from torch.nn import functional as F

SHAPES = {"sample": dict(vocab=512, width=48, layers=2, heads=4, mlp=96, tokens=128, sequences=32),
          "15m": dict(vocab=8192, width=384, layers=6, heads=6, mlp=1152, tokens=512, sequences=8)}
# of fine_tune_bench.py: 162 million parameters, embedding and head apart
LARGE = {"160m": dict(vocab=50304, width=768, layers=12, heads=12, mlp=2048, tokens=512, sequences=8, tied=False)}


class Block(nn.Module):
    def __init__(self, s):
        super().__init__()
        e, f = s["width"], s["mlp"]
        self.heads = s["heads"]
        self.norm1, self.norm2 = nn.RMSNorm(e, 1e-5), nn.RMSNorm(e, 1e-5)
        self.qkv, self.out = nn.Linear(e, 3 * e, bias=False), nn.Linear(e, e, bias=False)
        self.gate_up, self.down = nn.Linear(e, 2 * f, bias=False), nn.Linear(f, e, bias=False)

    def forward(self, x, cos, sin):
        b, t, e = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(b, t, 3, self.heads, e // self.heads).permute(2, 0, 3, 1, 4)

        def turn(y):
            low, high = y.chunk(2, -1)
            return y * cos + torch.cat((-high, low), -1) * sin

        y = F.scaled_dot_product_attention(turn(q), turn(k), v, is_causal=True)
        x = x + self.out(y.transpose(1, 2).reshape(b, t, e))
        gate, up = self.gate_up(self.norm2(x)).chunk(2, -1)
        return x + self.down(F.silu(gate) * up)


class Decoder(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.embed = nn.Embedding(s["vocab"], s["width"])
        nn.init.normal_(self.embed.weight, std=0.02)
        self.blocks = nn.ModuleList(Block(s) for _ in range(s["layers"]))
        self.head = self.embed.weight
        if not s.get("tied", True):
            self.head = nn.Parameter(0.02 * torch.randn(s["vocab"], s["width"]))
        self.norm = nn.RMSNorm(s["width"], 1e-5)
        size = s["width"] // s["heads"]
        angle = torch.outer(torch.arange(s["tokens"]).float(), 10000.0 ** -(torch.arange(0, size, 2).float() / size))
        self.register_buffer("cos", torch.cat((angle, angle), -1).cos())
        self.register_buffer("sin", torch.cat((angle, angle), -1).sin())

    def forward(self, ids):
        x = self.embed(ids)
        for block in self.blocks:
            x = block(x, self.cos.to(x.dtype), self.sin.to(x.dtype))
        return F.linear(self.norm(x), self.head)


class Peer:
    def __init__(self, s, dtype):
        torch.manual_seed(1)
        self.s, self.bfloat16, self.model = s, dtype == "bfloat16", Decoder(s)
        matrices = [p for p in self.model.parameters() if p.dim() > 1]
        others = [p for p in self.model.parameters() if p.dim() < 2]
        self.optimizer = torch.optim.AdamW([{"params": matrices, "weight_decay": 0.1}, {"params": others, "weight_decay": 0}],
                                           lr=1e-4, betas=(0.9, 0.95), fused=True)
        self.ids = torch.randint(s["vocab"], (s["sequences"], s["tokens"] + 1))

    def step(self, micro):
        for first in range(0, self.s["sequences"], micro):
            rows = self.ids[first:first + micro]
            with torch.autocast("cpu", torch.bfloat16, enabled=self.bfloat16):
                logits = self.model(rows[:, :-1])
                loss = F.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten())
            (loss * (micro / self.s["sequences"])).backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()

    def seconds(self, micro, steps):
        start = time.process_time()
        for _ in range(steps):
            self.step(micro)
        return time.process_time() - start


def ceiling(s, dtype):
    """Tokens per second if training were its matrix products alone, at the rate of mm over the shape's own products."""
    kind = torch.bfloat16 if dtype == "bfloat16" else torch.float32
    rows, e, f = min(2048, s["tokens"] * s["sequences"]), s["width"], s["mlp"]
    seconds = 0.0
    for out, inner, count in ((3 * e, e, s["layers"]), (e, e, s["layers"]), (2 * f, e, s["layers"]), (e, f, s["layers"]), (s["vocab"], e, 1)):
        x, w, y = torch.randn(rows, inner).to(kind), torch.randn(out, inner).to(kind), torch.zeros(rows, out).to(kind)
        dx, dw = torch.zeros_like(x), torch.zeros_like(w)
        times = []
        for _ in range(5):
            start = time.process_time()
            torch.mm(x, w.t(), out=y), torch.mm(y, w, out=dx), torch.mm(y.t(), x, out=dw)
            times.append(time.process_time() - start)
        seconds += count * statistics.median(times)
    return rows / seconds


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("bench")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--shape", choices=SHAPES, default="sample")
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    a = parser.parse_args()
    torch.set_num_threads(1)
    s = SHAPES[a.shape]
    tokens = s["tokens"] * s["sequences"]
    steps = max(1, 40_960 // tokens) if a.shape == "sample" else 1
    ours = subprocess.Popen([a.bench] + [str(s[k]) for k in ("vocab", "width", "layers", "heads", "mlp", "tokens", "sequences")] + [a.dtype],
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    isa = ours.stdout.readline().strip()

    def run_ours(count):
        ours.stdin.write(f"{count}\n")
        ours.stdin.flush()
        return float(ours.stdout.readline())

    peer = Peer(s, a.dtype)
    trials = {}
    micro = 1
    while micro <= s["sequences"]:
        peer.seconds(micro, 1)
        trials[micro] = peer.seconds(micro, max(1, steps // 4)) / max(1, steps // 4)
        micro *= 2
    best = min(trials, key=trials.get)
    run_ours(1)
    rates = []
    for _ in range(a.rounds):
        mine, theirs = run_ours(steps), peer.seconds(best, steps)
        rates.append((steps * tokens / mine, steps * tokens / theirs))
    ratio = [m / t for m, t in rates]
    top = ceiling(s, a.dtype)
    mine, theirs = statistics.median(r[0] for r in rates), statistics.median(r[1] for r in rates)
    print(f"{a.shape} {a.dtype} ({isa}, torch {torch.__version__}, 1 thread, CPU time, {a.rounds} rounds)")
    print(f"  Crest    {mine:10.0f} tokens/s  {100 * mine / top:5.1f} % of the GEMM ceiling")
    print(f"  PyTorch  {theirs:10.0f} tokens/s  {100 * theirs / top:5.1f} %  (best of sequences per pass: {best})")
    print(f"  ratio    median {statistics.median(ratio):.2f}, {min(ratio):.2f} to {max(ratio):.2f};  GEMM ceiling {top:.0f} tokens/s")
    ours.stdin.close()
    ours.wait()


if __name__ == "__main__":
    main()
