#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fine-tuning as PyTorch and transformers do it: the live reference for tests/core/train/tst_fine_tune_oracle.cpp.

  fine_tune_reference.py gradients FOLDER
        tiny decoders of every family below FOLDER/NAME, each with tuning.json (documents, which tokens are learned, the loss, mean over
        the learned tokens of all documents) and, in NAME/gradient, a checkpoint whose weights are the gradients of that loss by autograd,
        one document at a time
  fine_tune_reference.py trainer FOLDER
        trains FOLDER/start by transformers' Trainer on FOLDER/run.json (examples in order, padded there, and settings) and writes the loss
        and gradient norm of each step to FOLDER/trainer.json, the tuned model to FOLDER/trained
  fine_tune_reference.py loss FOLDER
        prints the loss of FOLDER/trained and FOLDER/tuned on the first examples of FOLDER/run.json
"""
import json
import math
import os
import sys

os.environ["HF_HUB_OFFLINE"] = "1"
import torch
from transformers import AutoModelForCausalLM

import family_cases
import model_reference
import nanogpt_model


def documents(index, vocab):
    """Documents within the context of 64, and a mask of their tokens with gaps, one of them beginning late."""
    rows = [row[:64] for row in model_reference.sequences(index, vocab)]
    masks = [[int(t > 0 and (t * 7 + d) % 3 != 0 and not (d == 1 and t < 20)) for t in range(len(row))] for d, row in enumerate(rows)]
    masks[4] = [0, 1]
    return rows, masks


def fill_gradients(model, rows, masks):
    """Leaves the gradients in the place of the weights; returns the loss.

    PyTorch gives the row of a padding token no gradient where it is looked up (padding_idx; OPT has one, id 1); Crest, which never pads,
    trains a token of that id like any other. So the reference is the plain derivative.
    """
    for module in model.modules():
        if isinstance(module, torch.nn.Embedding):
            module.padding_idx = None
    learned = sum(map(sum, masks))
    total = 0.0
    for row, mask in zip(rows, masks):
        logits = model(torch.tensor([row])).logits[0, :-1]
        nats = torch.nn.functional.cross_entropy(logits, torch.tensor(row[1:]), reduction="none")
        loss = (nats * torch.tensor(mask[1:])).sum() / learned
        loss.backward()
        total += loss.item()
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(torch.zeros_like(weight) if weight.grad is None else weight.grad)
    return total


def note(path, rows, masks, loss):
    with open(os.path.join(path, "tuning.json"), "w") as file:
        json.dump({"ids": rows, "learned": masks, "loss": loss}, file)


def gradients(folder):
    every = {**model_reference.CASES, **family_cases.CASES, **family_cases.FOREIGN}
    for index, (name, (build, dtype, *rewrite)) in enumerate(every.items()):
        torch.manual_seed(index)
        model = build().eval()
        model_reference.randomise(model, index)
        with torch.no_grad():  # a scale at which float32 loses little
            for weight in model.parameters():
                if weight.dim() > 1:
                    weight.mul_(0.5)
        path = os.path.join(folder, name)
        model.to(dtype).save_pretrained(path)
        model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32).eval()
        rows, masks = documents(index, model.config.vocab_size)
        loss = fill_gradients(model, rows, masks)
        model.save_pretrained(os.path.join(path, "gradient"))
        for step in rewrite:
            step(path)
            step(os.path.join(path, "gradient"))
        note(path, rows, masks, loss)
    for index, (name, (build, settings)) in enumerate(family_cases.NANOGPT.items()):
        model = build().eval()
        model_reference.randomise(model, index)
        path = os.path.join(folder, name)
        nanogpt_model.save(model, os.path.join(path, "ckpt.pt"), **settings)
        rows, masks = documents(index, model.config.vocab_size)
        loss = fill_gradients(model, rows, masks)
        nanogpt_model.save(model, os.path.join(path, "gradient", "ckpt.pt"), **settings)
        note(path, rows, masks, loss)


def trainer(folder):
    from transformers import Trainer, TrainingArguments

    with open(os.path.join(folder, "run.json")) as file:
        run = json.load(file)
    examples, s = run["examples"], run["settings"]
    model = AutoModelForCausalLM.from_pretrained(os.path.join(folder, "start"), dtype=torch.float32)

    def collate(batch):
        longest = max(len(example["ids"]) for example in batch)
        pad = lambda values, filler: values + [filler] * (longest - len(values))
        return {"input_ids": torch.tensor([pad(e["ids"], 0) for e in batch]),
                "attention_mask": torch.tensor([pad([1] * len(e["ids"]), 0) for e in batch]),
                "labels": torch.tensor([pad([i if on else -100 for i, on in zip(e["ids"], e["learned"])], -100) for e in batch])}

    arguments = TrainingArguments(
        output_dir=os.path.join(folder, "trainer"), per_device_train_batch_size=s["batch"] // s["accumulation"],
        gradient_accumulation_steps=s["accumulation"], num_train_epochs=1, learning_rate=s["learning_rate"],
        lr_scheduler_type="linear", warmup_steps=0, weight_decay=s["weight_decay"], max_grad_norm=1.0, optim="adamw_torch_fused",
        logging_steps=1, save_strategy="no", report_to=[], use_cpu=True, train_sampling_strategy="sequential", remove_unused_columns=False,
        disable_tqdm=True, seed=1, bf16=s["bfloat16"])
    job = Trainer(model=model, args=arguments, train_dataset=examples, data_collator=collate)
    if s["warmup"] > 0:  # Crest's warm-up reaches the peak one step earlier than transformers', and its first step is not lost
        steps, warmup = s["steps"], math.ceil(s["warmup"] * s["steps"])
        optimizer = job.create_optimizer()
        job.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: (step + 1) / warmup if step < warmup else
                                                             0.5 * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup))))
    job.train()
    log = [entry for entry in job.state.log_history if "loss" in entry]
    with open(os.path.join(folder, "trainer.json"), "w") as file:
        json.dump({"losses": [e["loss"] for e in log], "norms": [e["grad_norm"] for e in log]}, file)
    model.save_pretrained(os.path.join(folder, "trained"))


def loss(folder):
    with open(os.path.join(folder, "run.json")) as file:
        examples = json.load(file)["examples"][:20]
    out = {}
    for name in ("trained", "tuned"):
        model = AutoModelForCausalLM.from_pretrained(os.path.join(folder, name)).eval()
        assert model.dtype == torch.float32
        with torch.no_grad():
            out[name] = sum(model(input_ids=torch.tensor([e["ids"]]), labels=torch.tensor([e["ids"]])).loss.item() for e in examples)
    print(json.dumps(out))


if __name__ == "__main__":
    torch.set_num_threads(1)
    {"gradients": gradients, "trainer": trainer, "loss": loss}[sys.argv[1]](*sys.argv[2:])
