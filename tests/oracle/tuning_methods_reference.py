#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Ways of fine-tuning in plain PyTorch: the live reference for tests/core/train/tst_tuning_methods_oracle.cpp.

  tuning_methods_reference.py FOLDER
        FOLDER/families: tiny decoders below NAME, each with low-rank adapters beside all linear layers of its blocks (as peft's "all-linear":
        W + alpha / rank B A, of a Conv1D transposed) and, in NAME/adapters.json, A, B and their gradients by autograd through the merged
        weights; in NAME/merged the merged model
        FOLDER/runs/RUN: trains RUN/start as RUN/run.json says: "method" ("adapters", "head-first", "replay"), "settings", and the examples of
        each step with their mask of what is learned. Writes losses, gradient norms and rates of the steps to RUN/train.json, the model to
        RUN/trained
"""
import json
import math
import os
import sys

os.environ["HF_HUB_OFFLINE"] = "1"
import torch
from torch.nn.utils import parametrize
from transformers import AutoModelForCausalLM
from transformers.pytorch_utils import Conv1D

import family_cases
import fine_tune_reference
import model_reference

RANK, ALPHA = 3, 7.0
NAMES = ["llama-mha", "llama-tied", "llama-attention-bias", "neox-parallel", "neox-tied", "olmo2", "qwen3", "gpt2", "opt", "opt-post-norm-projected"]


class Adapter(torch.nn.Module):
    """W -> W + alpha / rank B A."""

    def __init__(self, a, b, scale, transposed):
        super().__init__()
        self.a, self.b = torch.nn.Parameter(a), torch.nn.Parameter(b)
        self.scale, self.transposed = scale, transposed

    def forward(self, weight):
        product = self.scale * (self.b @ self.a)
        return weight + (product.T if self.transposed else product)


def adapted_layers(model):
    """Linear layers of the blocks with their names: not the head, nor projections around the blocks."""
    for name, layer in model.named_modules():
        if isinstance(layer, (torch.nn.Linear, Conv1D)) and any(part.isdigit() for part in name.split(".")):
            yield name, layer


def add_adapters(model, make):
    """make(name, out, in) gives A and B; returns the adapters by the name of their weight."""
    for weight in model.parameters():
        weight.requires_grad_(False)
    found = {}
    for name, layer in list(adapted_layers(model)):
        transposed = isinstance(layer, Conv1D)
        out, width = reversed(layer.weight.shape) if transposed else layer.weight.shape
        a, b, scale = make(name + ".weight", out, width)
        adapter = Adapter(a, b, scale, transposed)
        parametrize.register_parametrization(layer, "weight", adapter)
        found[name + ".weight"] = adapter
    return found


def merge(model):
    for _, layer in list(adapted_layers(model)):
        if parametrize.is_parametrized(layer):
            parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)


def nats_of(model, ids, learned):
    """Sum over the learned tokens of one example."""
    logits = model(torch.tensor([ids])).logits[0, :-1]
    nats = torch.nn.functional.cross_entropy(logits, torch.tensor(ids[1:]), reduction="none")
    return (nats * torch.tensor(learned[1:])).sum()


def adapters(folder):
    every = {**model_reference.CASES, **family_cases.CASES}
    for index, name in enumerate(NAMES):
        build = every[name][0]
        torch.manual_seed(index)
        model = build().eval()
        model_reference.randomise(model, index)
        with torch.no_grad():
            for weight in model.parameters():
                if weight.dim() > 1:
                    weight.mul_(0.5)
        path = os.path.join(folder, name)
        model.float().save_pretrained(path)
        rows, masks = fine_tune_reference.documents(index, model.config.vocab_size)
        spread = torch.Generator().manual_seed(index)
        made = add_adapters(model, lambda _, out, width: (torch.randn(RANK, width, generator=spread) * 0.1,
                                                          torch.randn(out, RANK, generator=spread) * 0.1, ALPHA / RANK))
        total = sum(map(sum, masks))
        loss = sum(nats_of(model, row, mask) for row, mask in zip(rows, masks)) / total
        loss.backward()
        note = {key: {part: tensor.flatten().tolist() for part, tensor in
                      (("A", one.a), ("B", one.b), ("dA", one.a.grad), ("dB", one.b.grad))} for key, one in made.items()}
        with open(os.path.join(path, "adapters.json"), "w") as file:
            json.dump({"rank": RANK, "alpha": ALPHA, "ids": rows, "learned": masks, "loss": loss.item(), "adapters": note}, file)
        merge(model)
        model.save_pretrained(os.path.join(path, "merged"))


def rate_at(step, steps, peak, warmup_share):
    """Linear to 0 after a warm-up that reaches the peak at its last step."""
    warmup = math.ceil(warmup_share * steps)
    return peak * (step + 1) / warmup if step < warmup else peak * (1 - (step - warmup) / max(steps - warmup, 1))


def stages_of(method, model, s, made):
    """What is trained from which step on, up to the last stage's end."""
    if method == "adapters":
        return [(0, s["steps"], [p for one in made.values() for p in (one.a, one.b)])]
    everything = list(model.parameters())
    if method == "head-first":
        return [(0, s["head_steps"], [model.get_output_embeddings().weight]), (s["head_steps"], s["steps"], everything)]
    return [(0, s["steps"], everything)]


def loss_of(model, step, share):
    parts = []
    for weight, examples in ((1 - share, step["examples"]), (share, step.get("replayed", []))):
        if examples:
            learned = sum(sum(example["learned"][1:]) for example in examples)
            parts.append(weight * sum(nats_of(model, e["ids"], e["learned"]) for e in examples) / learned)
    return sum(parts)


def train(folder):
    with open(os.path.join(folder, "run.json")) as file:
        run = json.load(file)
    s, method = run["settings"], run["method"]
    model = AutoModelForCausalLM.from_pretrained(os.path.join(folder, "start"), dtype=torch.float32).eval()
    made = {}
    if method == "adapters":
        start = run["adapters"]
        made = add_adapters(model, lambda name, out, width: (torch.tensor(start[name]).view(s["rank"], width),
                                                             torch.zeros(out, s["rank"]), s["alpha"] / s["rank"]))
    out = {"losses": [], "norms": [], "rates": []}
    for begin, end, trained in stages_of(method, model, s, made):
        optimizer = torch.optim.AdamW(trained, lr=s["learning_rate"], betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0)
        for step in range(begin, end):
            for group in optimizer.param_groups:
                group["lr"] = rate_at(step - begin, end - begin, s["learning_rate"], s["warmup"])
            model.zero_grad()
            loss = loss_of(model, run["steps"][step], s.get("replay_share", 0.0))
            loss.backward()
            out["losses"].append(loss.item())
            out["norms"].append(torch.nn.utils.clip_grad_norm_(trained, 1.0).item())
            out["rates"].append(optimizer.param_groups[0]["lr"])
            optimizer.step()
    merge(model)
    model.save_pretrained(os.path.join(folder, "trained"))
    with open(os.path.join(folder, "train.json"), "w") as file:
        json.dump(out, file)


if __name__ == "__main__":
    torch.set_num_threads(1)
    adapters(os.path.join(sys.argv[1], "families"))
    for run in sorted(os.listdir(os.path.join(sys.argv[1], "runs"))):
        train(os.path.join(sys.argv[1], "runs", run))
