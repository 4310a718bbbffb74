# SPDX-License-Identifier: Apache-2.0
"""Plain PyTorch training from Crest's start with Crest's batches; compares the loss of every step and the final weights' loss."""
import json
import math
import pathlib
import sys

import torch
from torch.nn import functional as F
from transformers import AutoModelForCausalLM

torch.set_num_threads(1)
folder = pathlib.Path(sys.argv[1])
run = json.loads((folder / "run.json").read_text())
model = AutoModelForCausalLM.from_pretrained(folder / "start", dtype=torch.float32)
matrices = [p for p in model.parameters() if p.dim() >= 2]
others = [p for p in model.parameters() if p.dim() < 2]
optimizer = torch.optim.AdamW([{"params": matrices, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}],
                              lr=6e-3, betas=(0.9, 0.95), eps=1e-8)
steps = len(run["batches"])
warmup = math.ceil(0.05 * steps)


def loss_of(net, rows):
    logits = net(rows[:, :-1]).logits
    return F.cross_entropy(logits.reshape(-1, logits.shape[-1]), rows[:, 1:].reshape(-1))


worst = worst_norm = 0.0
for step, batch in enumerate(run["batches"]):
    rows = torch.tensor(batch).view(8, 65)
    share = (step + 1) / warmup if step < warmup else 0.5 * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup)))
    for group in optimizer.param_groups:
        group["lr"] = 6e-3 * share
    optimizer.zero_grad()
    loss = loss_of(model, rows)
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0).item()
    optimizer.step()
    worst = max(worst, abs(loss.item() - run["losses"][step]) / loss.item())
    worst_norm = max(worst_norm, abs(norm - run["norms"][step]) / norm)
end = AutoModelForCausalLM.from_pretrained(folder / "end", dtype=torch.float32)
with torch.no_grad():
    heldout = loss_of(end, torch.tensor(run["batches"][0]).view(8, 65)).item()
gap = abs(heldout - run["heldout"]) / heldout
print(f"losses of {steps} steps within {worst:.1e}, gradient norms within {worst_norm:.1e}, held-out loss within {gap:.1e} (relative)")
sys.exit(0 if worst < 1e-4 and worst_norm < 1e-2 and gap < 1e-5 and run["losses"][-1] < run["losses"][0] else 1)
