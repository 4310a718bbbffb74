# SPDX-License-Identifier: Apache-2.0
"""Quantised and pruned matrices by PyTorch alone: the live reference for tests/core/probe/tst_compression_oracle.cpp.

  compressed_weights.py [FOLDER OUT quantise BITS GROUP | FOLDER OUT prune SHARE 0]...
writes each OUT (safetensors, float32) with the changed matrices of FOLDER/model.safetensors by their names in that file. Matrices of gpt2's
blocks stand as [in, out] in the file.
"""
import json
import os
import sys

import torch
from safetensors.torch import load_file, save_file


def quantise(weight, bits, group):
    """weight: [out, in]; groups along the input."""
    levels = 2 ** (bits - 1) - 1
    parts = []
    for part in weight.split(group, dim=1):
        scale = part.abs().amax(dim=1, keepdim=True) / levels
        parts.append(torch.where(scale > 0, scale * torch.round(part / scale), torch.zeros_like(part)))
    return torch.cat(parts, dim=1)


def prune(weight, share):
    flat = weight.flatten().clone()
    order = torch.sort(flat.abs(), stable=True).indices
    flat[order[: round(share * flat.numel())]] = 0
    return flat.view_as(weight)


def main(folder, out, kind, strength, group):
    with open(os.path.join(folder, "config.json")) as file:
        transposed = json.load(file)["model_type"] == "gpt2"
    changed = {}
    for name, stored in load_file(os.path.join(folder, "model.safetensors")).items():
        if stored.dim() != 2 or not (".layers." in name or ".h." in name or name.startswith(("h.", "layers."))):
            continue
        weight = stored.float()
        if kind == "prune":
            weight = prune(weight, float(strength))  # ranked as it stands in the file
        else:
            weight = quantise(weight.T if transposed else weight, int(strength), int(group))
            weight = weight.T if transposed else weight
        changed[name] = weight.contiguous()
    save_file(changed, out)


for job in zip(*[iter(sys.argv[1:])] * 5):
    main(*job)
