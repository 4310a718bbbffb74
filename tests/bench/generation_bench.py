#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Generation: Crest against transformers' generate, in one run on one machine.

  generation_bench.py build/tests/generation_bench [--sizes 15M,125M] [--dtypes float32] [--jobs greedy-1,beams5-1,beams5-8] [--rounds 3] [--json FILE]

Both sides: one thread, the same random weights and prompts of 64 tokens, exactly 64 new tokens, CPU time of the whole call, rounds interleaved; the
median of the ratios is given. Crest makes its resident weights in every call, the peer's model is loaded beforehand. "of reading": bytes of weights
once a step, against the speed at which one thread reads as much memory in the same run. 15M is a llama, 125M has the shape of OPT-125M.
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
from transformers import AutoModelForCausalLM, GenerationConfig, LlamaConfig, LlamaForCausalLM, OPTConfig, OPTForCausalLM

PROMPT, NEW = 64, 64


def build(size, folder):
    torch.manual_seed(1)
    if size == "15M":
        model = LlamaForCausalLM(LlamaConfig(vocab_size=8192, hidden_size=384, num_hidden_layers=6, num_attention_heads=6, intermediate_size=1152,
                                             max_position_embeddings=512, tie_word_embeddings=True))
    else:
        model = OPTForCausalLM(OPTConfig())
    with torch.no_grad():  # an initialisation of 0.02 gives logits so flat that beams end in ties
        for weight in model.parameters():
            if weight.dim() > 1:
                weight.mul_(4)
    model.save_pretrained(folder)


class Ours:
    def __init__(self, program, folder, dtype):
        self.child = subprocess.Popen([program, folder, dtype], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, **what):
        self.child.stdin.write(json.dumps(what) + "\n")
        self.child.stdin.flush()
        line = self.child.stdout.readline()
        if not line:
            sys.exit("generation_bench ended; see its message above")
        return json.loads(line)

    def close(self):
        self.child.stdin.close()
        self.child.wait()


def theirs(model, prompts, beams):
    config = GenerationConfig(max_new_tokens=NEW, min_new_tokens=NEW, do_sample=False, num_beams=beams, pad_token_id=0)
    ids = torch.tensor(prompts)
    start = time.process_time()
    with torch.inference_mode():
        out = model.generate(ids, attention_mask=torch.ones_like(ids), generation_config=config)
    return out[:, PROMPT:].tolist(), time.process_time() - start


def weights_read(model):
    """Parameters that every step reads: all products, the head included, and nothing of the embedding besides."""
    return sum(m.weight.numel() for m in model.modules() if isinstance(m, torch.nn.Linear))


def bench(program, folder, dtype, job, rounds):
    beams, batch = (1, int(job.split("-")[1])) if job.startswith("greedy") else (5, int(job.split("-")[1]))
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype)).eval()
    model.generation_config = GenerationConfig()
    generator = numpy.random.default_rng(3)
    prompts = generator.integers(5, model.config.vocab_size, size=(batch, PROMPT)).tolist()
    ours = Ours(program, folder, dtype)
    ours.ask(prompts=prompts, beams=beams, new=4)
    theirs(model, prompts[:1], beams)
    a, b, same = [], [], 0
    for _ in range(rounds):
        answer = ours.ask(prompts=prompts, beams=beams, new=NEW)
        a.append(answer["cpu"])
        ids, seconds = theirs(model, prompts, beams)
        b.append(seconds)
        same += sum(x == y for x, y in zip(answer["ids"], ids))
    size = weights_read(model) * (2 if dtype == "bfloat16" else 4)
    speed = ours.ask(read=size)["bytes_per_second"]
    ours.close()
    ratios = [y / x for x, y in zip(a, b)]
    return {"ours": batch / statistics.median(a), "peer": batch / statistics.median(b), "ratio": statistics.median(ratios), "spread": [min(ratios), max(ratios)],
            "equal": f"{same} of {rounds * batch}", "read_gb_s": speed / 1e9, "of_reading": NEW * size / speed / statistics.median(a)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--sizes", default="15M,125M")
    parser.add_argument("--dtypes", default="float32")
    parser.add_argument("--jobs", default="greedy-1,beams5-1,beams5-8")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json")
    options = parser.parse_args()
    torch.set_num_threads(1)
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        for size in options.sizes.split(","):
            path = os.path.join(folder, size)
            build(size, path)
            for dtype in options.dtypes.split(","):
                for job in options.jobs.split(","):
                    result = results[f"{size} {dtype} {job}"] = bench(options.program, path, dtype, job, options.rounds)
                    print(f"{size} {dtype} {job}: Crest {result['ours']:.3g}, transformers {result['peer']:.3g} sequences a CPU second, ratio "
                          f"{result['ratio']:.2f} ({result['spread'][0]:.2f} to {result['spread'][1]:.2f}), {result['of_reading']:.0%} of reading at "
                          f"{result['read_gb_s']:.1f} GB/s, equal ids {result['equal']}", flush=True)
    if options.json:
        with open(options.json, "w") as file:
            json.dump(results, file, indent=1)


if __name__ == "__main__":
    main()
