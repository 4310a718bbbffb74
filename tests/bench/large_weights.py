#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Scores a few texts with a random checkpoint of the shape of Llama 2 7B in bfloat16, sharded: what a model larger than memory costs.

  large_weights.py BUILD_FOLDER [--folder DIR] [--tokens 24,256] [--type float32] [--limit-gb 4] [--keep]

Writes 13.5 GB below --folder (the system's folder for temporary files by default) and deletes them afterwards. crest-run may take --limit-gb GB of memory of its
own (RLIMIT_DATA: everything but mapped files), so that a copy of the weights would fail. Printed: wall and processor time, the most
anonymous and the most resident memory seen (polled each 5 ms; resident counts mapped pages of the file, which the system takes back when it
needs them).
"""
import argparse
import json
import os
import resource
import shutil
import subprocess
import tempfile
import time

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

LAYERS, WIDTH, MLP, VOCAB, HEADS = 32, 4096, 11008, 32000, 32
POOL = torch.randn(50_000_017, generator=torch.Generator().manual_seed(0)).mul_(0.02).to(torch.bfloat16)


def tensor(rows, columns, seed):
    """Random values, cut from one pool at a place of their own."""
    count = rows * columns
    start = (seed * 7_368_787) % POOL.numel()
    parts = [POOL[start:]]
    while sum(p.numel() for p in parts) < count:
        parts.append(POOL)
    return torch.cat(parts)[:count].view(rows, columns)


def write(folder):
    shapes = {"self_attn.q_proj": (WIDTH, WIDTH), "self_attn.k_proj": (WIDTH, WIDTH), "self_attn.v_proj": (WIDTH, WIDTH), "self_attn.o_proj": (WIDTH, WIDTH),
              "mlp.gate_proj": (MLP, WIDTH), "mlp.up_proj": (MLP, WIDTH), "mlp.down_proj": (WIDTH, MLP)}
    shards, seed, total = LAYERS // 2 + 1, 0, 0
    index = {}

    def save(tensors, shard):
        nonlocal total
        name = f"model-{shard + 1:05}-of-{shards:05}.safetensors"
        save_file(tensors, os.path.join(folder, name), metadata={"format": "pt"})
        index.update(dict.fromkeys(tensors, name))
        total += sum(t.numel() * 2 for t in tensors.values())

    for shard in range(LAYERS // 2):
        tensors = {}
        for layer in (2 * shard, 2 * shard + 1):
            for name, shape in shapes.items():
                seed += 1
                tensors[f"model.layers.{layer}.{name}.weight"] = tensor(*shape, seed)
            for name in ("input_layernorm", "post_attention_layernorm"):
                tensors[f"model.layers.{layer}.{name}.weight"] = torch.ones(WIDTH, dtype=torch.bfloat16)
        save(tensors, shard)
    save({"model.embed_tokens.weight": tensor(VOCAB, WIDTH, 991), "lm_head.weight": tensor(VOCAB, WIDTH, 997),
          "model.norm.weight": torch.ones(WIDTH, dtype=torch.bfloat16)}, shards - 1)
    with open(os.path.join(folder, "model.safetensors.index.json"), "w") as file:
        json.dump({"metadata": {"total_size": total}, "weight_map": index}, file)
    with open(os.path.join(folder, "config.json"), "w") as file:
        json.dump({"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": VOCAB, "hidden_size": WIDTH, "intermediate_size": MLP,
                   "num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "num_key_value_heads": HEADS, "max_position_embeddings": 4096,
                   "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "hidden_act": "silu", "tie_word_embeddings": False, "torch_dtype": "bfloat16",
                   "bos_token_id": 1, "eos_token_id": 2}, file)
    bytes_only = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}, merges=[]))
    bytes_only.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bytes_only.decoder = decoders.ByteLevel()
    PreTrainedTokenizerFast(tokenizer_object=bytes_only).save_pretrained(folder)
    return total


def field(pid, key):
    with open(f"/proc/{pid}/status") as file:
        for line in file:
            if line.startswith(key + ":"):
                return int(line.split()[1]) * 1024
    return 0


def score(program, folder, texts, dtype, limit):
    begin, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    child = subprocess.Popen([program, "score", "--model", folder, "--texts", texts, "--json", "--dtype", dtype], stdout=subprocess.PIPE, text=True,
                             preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (limit, limit)))
    anonymous = resident = 0
    while child.poll() is None:
        try:
            anonymous, resident = max(anonymous, field(child.pid, "RssAnon")), max(resident, field(child.pid, "VmRSS"))
        except (FileNotFoundError, ProcessLookupError):
            break
        time.sleep(0.005)
    out = child.communicate()[0]
    if child.returncode:
        raise SystemExit(f"crest-run score ended with {child.returncode}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    line = json.loads(out.splitlines()[0])
    return {"wall": time.perf_counter() - begin, "cpu": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, "anonymous": anonymous,
            "resident": resident, "tokens": len(line["ids"]), "nats": -line["loglikelihood"] / line["tokens"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("--folder")
    parser.add_argument("--tokens", default="24,256")
    parser.add_argument("--type", default="float32")
    parser.add_argument("--limit-gb", type=float, default=4)
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    folder = options.folder or tempfile.mkdtemp(prefix="crest-large-")
    os.makedirs(folder, exist_ok=True)
    try:
        if not os.path.exists(os.path.join(folder, "tokenizer.json")):
            begin = time.perf_counter()
            print(f"wrote {write(folder) / 1e9:.2f} GB in {time.perf_counter() - begin:.0f} s", flush=True)
        program = os.path.join(options.build, "bin", "crest-run")
        for tokens in map(int, options.tokens.split(",")):
            texts = os.path.join(folder, "texts.jsonl")
            with open(texts, "w") as file:
                file.write(json.dumps({"text": ("The river runs over old stones. " * (tokens // 32 + 1))[:tokens]}) + "\n")
            r = score(program, folder, texts, options.type, int(options.limit_gb * 1e9))
            print(f"{r['tokens']} tokens, {options.type}: {r['wall']:.1f} s wall, {r['cpu']:.1f} s processor, anonymous at most {r['anonymous'] / 1e6:.0f} MB, "
                  f"resident at most {r['resident'] / 1e6:.0f} MB, {r['nats']:.4f} nats/token", flush=True)
    finally:
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
