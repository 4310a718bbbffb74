# SPDX-License-Identifier: Apache-2.0
"""nanoGPT as plain PyTorch, written from a description of its files (not from its code): Linear with [out, in], GELU by erf, one switch for all
biases, head tied to the embedding. save() writes ckpt.pt as its training script does.
"""
import math
import os
import types

import torch
from torch import nn
from torch.nn import functional as F


class Norm(nn.Module):
    def __init__(self, width, bias):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width)) if bias else None

    def forward(self, x):
        return F.layer_norm(x, self.weight.shape, self.weight, self.bias, 1e-5)


class Attention(nn.Module):
    def __init__(self, args, mask):
        super().__init__()
        self.heads = args["n_head"]
        self.c_attn = nn.Linear(args["n_embd"], 3 * args["n_embd"], bias=args["bias"])
        self.c_proj = nn.Linear(args["n_embd"], args["n_embd"], bias=args["bias"])
        if mask:  # of versions before flash attention: a buffer in the file
            size = args["block_size"]
            self.register_buffer("bias", torch.tril(torch.ones(size, size)).view(1, 1, size, size))

    def forward(self, x):
        batch, tokens, width = x.shape
        q, k, v = (part.view(batch, tokens, self.heads, -1).transpose(1, 2) for part in self.c_attn(x).split(width, dim=2))
        scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
        scores = scores.masked_fill(torch.ones(tokens, tokens, dtype=torch.bool).triu(1), float("-inf"))
        return self.c_proj((scores.softmax(-1) @ v).transpose(1, 2).reshape(batch, tokens, width))


class Mlp(nn.Module):
    def __init__(self, args):
        super().__init__()
        self.c_fc = nn.Linear(args["n_embd"], 4 * args["n_embd"], bias=args["bias"])
        self.c_proj = nn.Linear(4 * args["n_embd"], args["n_embd"], bias=args["bias"])

    def forward(self, x):
        return self.c_proj(F.gelu(self.c_fc(x)))


class Block(nn.Module):
    def __init__(self, args, mask):
        super().__init__()
        self.ln_1, self.attn = Norm(args["n_embd"], args["bias"]), Attention(args, mask)
        self.ln_2, self.mlp = Norm(args["n_embd"], args["bias"]), Mlp(args)

    def forward(self, x):
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class NanoGpt(nn.Module):
    def __init__(self, mask=False, **changes):
        super().__init__()
        self.args = dict(n_layer=2, n_head=4, n_embd=64, block_size=64, bias=True, vocab_size=331, dropout=0.0)
        self.args.update(changes)
        self.config = types.SimpleNamespace(vocab_size=self.args["vocab_size"])
        width = self.args["n_embd"]
        self.transformer = nn.ModuleDict(dict(
            wte=nn.Embedding(self.args["vocab_size"], width), wpe=nn.Embedding(self.args["block_size"], width),
            h=nn.ModuleList(Block(self.args, mask) for _ in range(self.args["n_layer"])), ln_f=Norm(width, self.args["bias"])))
        self.lm_head = nn.Linear(width, self.args["vocab_size"], bias=False)
        self.transformer.wte.weight = self.lm_head.weight

    def forward(self, ids):
        x = self.transformer.wte(ids) + self.transformer.wpe(torch.arange(ids.shape[1]))
        for block in self.transformer.h:
            x = block(x)
        return types.SimpleNamespace(logits=self.lm_head(self.transformer.ln_f(x)))


def write(path, state, args, iteration, prefix="_orig_mod.", **config):
    settings = dict(init_from="scratch", gradient_accumulation_steps=40, batch_size=12, block_size=args["block_size"], learning_rate=6e-4, compile=True)
    settings.update(config)
    torch.save({"model": {prefix + name: tensor for name, tensor in state.items()}, "optimizer": {"state": {0: {"step": torch.tensor(float(iteration))}}},
                "model_args": args, "iter_num": iteration, "best_val_loss": torch.tensor(3.25), "config": settings}, path)


def save(model, path, iteration=2000, **settings):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    write(path, model.state_dict(), model.args, iteration, **settings)


def from_gpt2(folder):
    """Rewrites a saved gpt2 of transformers (activation "gelu") as ckpt.pt, in place."""
    from transformers import GPT2LMHeadModel

    model = GPT2LMHeadModel.from_pretrained(folder, dtype=torch.float32)
    conv = (".attn.c_attn.weight", ".attn.c_proj.weight", ".mlp.c_fc.weight", ".mlp.c_proj.weight")
    state = {name: tensor.t() if name.endswith(conv) else tensor for name, tensor in model.state_dict().items()}
    args = dict(n_layer=model.config.n_layer, n_head=model.config.n_head, n_embd=model.config.n_embd, block_size=model.config.n_positions, bias=True,
                vocab_size=model.config.vocab_size, dropout=0.0)
    for name in ("config.json", "generation_config.json", "model.safetensors"):
        if os.path.exists(os.path.join(folder, name)):
            os.remove(os.path.join(folder, name))
    write(os.path.join(folder, "ckpt.pt"), state, args, 500, prefix="")
