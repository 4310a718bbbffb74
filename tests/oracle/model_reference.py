# SPDX-License-Identifier: Apache-2.0
"""Tiny random decoders and what transformers makes of them: the live reference for tests/core/eval and tests/core/probe.

  model_reference.py make FOLDER      one folder per shape: the checkpoint (save_pretrained), ids.json, logits.f32, nats.f32
  model_reference.py noise FOLDER Z [FOLDER Z ...]
                                      losses of FOLDER's model with the given changes added to its weights: Z is a safetensors file
                                      of float32 tensors by name; prints [{"plus": [...], "minus": [...]}, ...], nats per sequence
  model_reference.py score FOLDER TEXTS.jsonl [STRIDE]
                                      ids by tokenizers, log-likelihood by transformers, one JSON object a line
  model_reference.py windows FOLDER TEXTS.jsonl COUNT
                                      ids.json, logits.f32, nats.f32 as above for the checkpoint in FOLDER, of the first windows of
                                      its context that all texts make in a row, an end token after each: what a probe measures
  model_reference.py window-losses TEXTS.jsonl COUNT FOLDER [FOLDER ...]
                                      prints [[...], ...]: of every checkpoint the mean loss of each of those windows
Weights N(0, 0.3), norm gains 1 + N(0, 0.2): an initialisation of 0.02 hides errors.
"""
import json
import os
import sys

os.environ["HF_HUB_OFFLINE"] = "1"
import numpy
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer, GPTNeoXConfig, GPTNeoXForCausalLM, LlamaConfig, LlamaForCausalLM

import family_cases
import nanogpt_model

VOCAB = 331


def llama(**changes):
    settings = dict(vocab_size=VOCAB, hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=96,
                    max_position_embeddings=64, tie_word_embeddings=False)
    settings.update(changes)
    return LlamaForCausalLM(LlamaConfig(**settings))


def neox(**changes):
    settings = dict(vocab_size=VOCAB, hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=160,
                    max_position_embeddings=64, tie_word_embeddings=False)
    settings.update(changes)
    return GPTNeoXForCausalLM(GPTNeoXConfig(**settings))


CASES = {
    "llama-mha": (lambda: llama(), torch.float32),
    "llama-gqa-half": (lambda: llama(num_key_value_heads=2), torch.float16),
    "llama-mqa-bfloat16": (lambda: llama(num_key_value_heads=1), torch.bfloat16),
    "llama-tied": (lambda: llama(tie_word_embeddings=True, num_hidden_layers=3), torch.float32),
    "llama-tied-half": (lambda: llama(tie_word_embeddings=True), torch.float16),
    "llama-attention-bias": (lambda: llama(attention_bias=True), torch.float32),
    "llama-mlp-bias": (lambda: llama(mlp_bias=True, attention_bias=True), torch.bfloat16),
    "llama-head-size": (lambda: llama(head_dim=24, num_key_value_heads=2), torch.float32),
    "llama-rope-base": (lambda: llama(rope_parameters={"rope_type": "default", "rope_theta": 500000.0},
                                      rms_norm_eps=1e-5), torch.float32),
    "llama-sample": (lambda: llama(vocab_size=512, hidden_size=48, tie_word_embeddings=True), torch.float16),
    # Sizes of whole tiles of 32: what a matrix unit takes.
    "llama-tiles": (lambda: llama(num_attention_heads=2, num_key_value_heads=1), torch.float32),
    "llama-tiles-bias": (lambda: llama(num_attention_heads=2, attention_bias=True, mlp_bias=True,
                                       tie_word_embeddings=True), torch.float16),
    "neox-tiles": (lambda: neox(num_attention_heads=2), torch.bfloat16),
    "neox-tiles-sequential": (lambda: neox(num_attention_heads=1, use_parallel_residual=False, hidden_act="gelu_new"),
                              torch.float32),
    "neox-parallel": (lambda: neox(), torch.float32),
    "neox-sequential-half": (lambda: neox(use_parallel_residual=False), torch.float16),
    "neox-rotary-all": (lambda: neox(rope_parameters={"rope_type": "default", "rope_theta": 10000.0,
                                                      "partial_rotary_factor": 1.0}), torch.float32),
    "neox-rotary-half-bfloat16": (lambda: neox(rope_parameters={"rope_type": "default", "rope_theta": 20000.0,
                                                                "partial_rotary_factor": 0.5}), torch.bfloat16),
    "neox-no-attention-bias": (lambda: neox(attention_bias=False, hidden_act="gelu_new"), torch.float32),
    "neox-tied": (lambda: neox(tie_word_embeddings=True, layer_norm_eps=1e-3), torch.float32),
}


def randomise(model, seed):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            draw = torch.randn(weight.shape, generator=generator)
            is_gain = ("norm" in name or "ln_" in name) and name.endswith("weight")
            weight.copy_(1 + 0.2 * draw if is_gain else 0.3 * draw)


def sequences(seed, vocab):
    generator = numpy.random.default_rng(seed)
    return [generator.integers(0, vocab, size=n).tolist() for n in (33, 33, 9, 64, 2, 33, 17, 65)]


def opened(folder):
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def losses(model, rows):
    nats, logits = [], []
    with torch.no_grad():
        for row in rows:
            out = model(torch.tensor([row[:-1]])).logits[0].float()
            logits.append(out)
            nats.append(torch.nn.functional.cross_entropy(out.double(), torch.tensor(row[1:]), reduction="none"))
    return logits, nats


def expect(path, model, rows):
    logits, nats = losses(model, rows)
    with open(os.path.join(path, "ids.json"), "w") as file:
        json.dump(rows, file)
    torch.cat(logits).numpy().astype("<f4").tofile(os.path.join(path, "logits.f32"))
    torch.cat(nats).numpy().astype("<f4").tofile(os.path.join(path, "nats.f32"))


def make(folder):
    every = {**CASES, **family_cases.CASES, **family_cases.FOREIGN, **family_cases.EDITED}
    for index, (name, (build, dtype, *rewrite)) in enumerate(every.items()):
        torch.manual_seed(index)
        model = build().eval()
        randomise(model, index)
        path = os.path.join(folder, name)
        sharded = {"max_shard_size": "60KB"} if name == "llama-mha" else {}
        model.to(dtype).save_pretrained(path, **sharded)
        if name in family_cases.EDITED:
            rewrite.pop()(path)
        model = opened(path)
        rows = sequences(index, model.config.vocab_size)
        expect(path, model, rows)
        for step in rewrite:
            step(path)
    for index, (name, (build, settings)) in enumerate(family_cases.NANOGPT.items()):
        model = build().eval()
        randomise(model, index)
        path = os.path.join(folder, name)
        nanogpt_model.save(model, os.path.join(path, "ckpt.pt"), **settings)
        expect(path, model, sequences(index, model.config.vocab_size))


def noisy_losses(folder, changes):
    deltas = load_file(changes)
    with open(os.path.join(folder, "ids.json")) as file:
        rows = json.load(file)
    out = {}
    for key, sign in (("plus", 1.0), ("minus", -1.0)):
        model = opened(folder)
        weights = dict(model.named_parameters())
        with torch.no_grad():
            for name, delta in deltas.items():
                own = name if name in weights else name.replace("embed_out", "lm_head")
                weights[own].add_(sign * delta)  # a name that is not there is a KeyError
        out[key] = [float(nats.sum()) for nats in losses(model, rows)[1]]
    return out


def noise(*pairs):
    print(json.dumps([noisy_losses(*pair) for pair in zip(pairs[::2], pairs[1::2])]))


def score(folder, texts, stride=0):
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
    model = opened(folder)
    context, stride = model.config.max_position_embeddings, int(stride)
    for line in open(texts):
        ids = tokenizer.encode(json.loads(line)["text"]).ids
        out = {"ids": ids, "loglikelihood": None, "greedy": None}
        if len(ids) <= context or stride:
            total, greedy, scored = 0.0, [], 0
            for begin in range(0, max(1, len(ids)), stride or context):
                end = min(begin + context, len(ids))
                with torch.no_grad():
                    logits = model(torch.tensor([ids[begin:end]])).logits[0].float()
                logp = logits.double().log_softmax(-1)
                for position in range(scored, end):
                    greedy.append(int(logits[position - begin].argmax()))
                    if position + 1 < len(ids):
                        total += float(logp[position - begin, ids[position + 1]])
                scored = end
                if end == len(ids):
                    break
            out.update(loglikelihood=total, greedy=greedy)
        print(json.dumps(out))


def window_rows(model, folder, texts, count):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ids = [i for line in open(texts) for i in [*tokenizer.encode(json.loads(line)["text"]), tokenizer.eos_token_id]]
    inputs = model.config.max_position_embeddings
    return [ids[begin : begin + inputs + 1] for begin in range(0, int(count) * inputs, inputs)]


def windows(folder, texts, count):
    model = opened(folder)
    expect(folder, model, window_rows(model, folder, texts, count))


def window_losses(texts, count, *folders):
    models = [(opened(folder), folder) for folder in folders]
    print(json.dumps([[float(nats.mean()) for nats in losses(model, window_rows(model, folder, texts, count))[1]]
                      for model, folder in models]))


if __name__ == "__main__":
    torch.set_num_threads(1)
    commands = {"make": make, "noise": noise, "score": score, "windows": windows, "window-losses": window_losses}
    commands[sys.argv[1]](*sys.argv[2:])
