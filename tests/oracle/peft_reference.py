#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Low-rank adapters by peft: the live reference for tests/core/train/tst_peft_oracle.cpp.

  peft_reference.py FOLDER
        trains each FOLDER/RUN/start by peft as FOLDER/RUN/run.json says: settings, "target" (peft's target_modules), A of every adapter and the
        examples of each step with their mask of what is learned. Writes losses and gradient norms of the steps, peft's version, and of
        the A that peft drew itself the largest value and the standard deviation as shares of 1/sqrt(in) to RUN/train.json; the merged model to
        RUN/trained
"""
import json
import math
import os
import sys

os.environ["HF_HUB_OFFLINE"] = "1"
import torch
import peft
from transformers import AutoModelForCausalLM

from tuning_methods_reference import nats_of, rate_at


def adapters_of(model):
    """The layers with an adapter, by the name of the weight that it changes."""
    return {name.removeprefix("base_model.model.") + ".weight": layer for name, layer in model.named_modules()
            if isinstance(layer, peft.tuners.lora.LoraLayer)}


def train(folder):
    with open(os.path.join(folder, "run.json")) as file:
        run = json.load(file)
    s = run["settings"]
    start = AutoModelForCausalLM.from_pretrained(os.path.join(folder, "start"), dtype=torch.float32)
    torch.manual_seed(1)
    model = peft.get_peft_model(start, peft.LoraConfig(r=s["rank"], lora_alpha=s["alpha"], lora_dropout=0.0, bias="none", task_type="CAUSAL_LM",
                                                       target_modules=run["target"])).eval()
    found = adapters_of(model)
    assert found.keys() == run["adapters"].keys(), sorted(found.keys() ^ run["adapters"].keys())
    drawn = torch.cat([(layer.lora_A["default"].weight * math.sqrt(layer.in_features)).detach().flatten() for layer in found.values()])
    out = {"peft": peft.__version__, "largest": drawn.abs().max().item(), "deviation": drawn.std().item(), "losses": [], "norms": []}
    with torch.no_grad():
        for name, layer in found.items():
            weight = layer.lora_A["default"].weight
            weight.copy_(torch.tensor(run["adapters"][name]).view_as(weight))
            assert not layer.lora_B["default"].weight.any()
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=s["learning_rate"], betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0)
    for index, step in enumerate(run["steps"]):
        for group in optimizer.param_groups:
            group["lr"] = rate_at(index, len(run["steps"]), s["learning_rate"], s["warmup"])
        optimizer.zero_grad()
        learned = sum(sum(example["learned"][1:]) for example in step)
        loss = sum(nats_of(model, example["ids"], example["learned"]) for example in step) / learned
        loss.backward()
        out["losses"].append(loss.item())
        out["norms"].append(torch.nn.utils.clip_grad_norm_(trained, 1.0).item())
        optimizer.step()
    model.merge_and_unload().save_pretrained(os.path.join(folder, "trained"))
    with open(os.path.join(folder, "train.json"), "w") as file:
        json.dump(out, file)


if __name__ == "__main__":
    torch.set_num_threads(1)
    for name in sorted(os.listdir(sys.argv[1])):
        train(os.path.join(sys.argv[1], name))
