# SPDX-License-Identifier: Apache-2.0
"""nanogpt_files.py FOLDER: what a user of nanoGPT keeps, made by torch.save.

  FOLDER/copies/ckpt_20000.pt, ckpt_40000.pt   renamed copies of one run; iteration and tokens inside
  FOLDER/copies/tokenizer.json                 GPT-2's would lie here; one of a single token stands for it
  FOLDER/bare/ckpt.pt                          one file, no tokenizer beside it
  FOLDER/folders/iter_100/ckpt.pt, iter_200    a folder for each copy
  FOLDER/finetuned/ckpt.pt                     started from gpt2: its tokens are not all
  FOLDER/other/step5.pt                        a state dict alone
  FOLDER/other/notes.pt                        something else of torch.save
"""
import os
import sys

import torch

from nanogpt_model import NanoGpt, save

root = sys.argv[1]
for index, (name, iteration, settings) in enumerate([
        ("copies/ckpt_20000.pt", 20000, {}), ("copies/ckpt_40000.pt", 40000, {}), ("bare/ckpt.pt", 2000, {}),
        ("folders/iter_100/ckpt.pt", 100, {"batch_size": 8, "gradient_accumulation_steps": 1}),
        ("folders/iter_200/ckpt.pt", 200, {"batch_size": 8, "gradient_accumulation_steps": 1}), ("finetuned/ckpt.pt", 50, {"init_from": "gpt2-xl"})]):
    torch.manual_seed(index)
    save(NanoGpt(n_layer=1, n_head=2, n_embd=16, vocab_size=32, bias=index % 2 == 0 or name.startswith("copies") or name.startswith("folders")),
         os.path.join(root, name), iteration, **settings)
for name in ("copies", "folders/iter_100", "folders/iter_200", "finetuned"):
    with open(os.path.join(root, name, "tokenizer.json"), "w") as file:
        file.write('{"model":{"type":"BPE","vocab":{"a":0},"merges":[]}}')
os.makedirs(os.path.join(root, "other"))
torch.save(NanoGpt(n_layer=1, n_head=2, n_embd=16).state_dict(), os.path.join(root, "other/step5.pt"))
torch.save({"loss": [1.0, 2.0]}, os.path.join(root, "other/notes.pt"))
