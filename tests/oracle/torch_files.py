# SPDX-License-Identifier: Apache-2.0
# Writes files with torch.save, and prints what torch itself reads from them: every tensor's type, shape and SHA-256, and
# the values that are no tensors. Usage: torch_files.py FOLDER
import collections
import hashlib
import json
import os
import sys

import torch

torch.manual_seed(7)
folder = sys.argv[1]
DTYPES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.float64: "F64", torch.int64: "I64",
          torch.int32: "I32", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL",
          torch.uint16: "U16", torch.uint32: "U32", torch.uint64: "U64", torch.float8_e4m3fn: "F8_E4M3",
          torch.float8_e5m2: "F8_E5M2"}


def digest(tensor):
    if not tensor.numel():
        return hashlib.sha256(b"").hexdigest()
    flat = torch.empty(tensor.numel(), dtype=tensor.dtype).copy_(tensor.detach().flatten())
    return hashlib.sha256(flat.view(torch.uint8).numpy().tobytes()).hexdigest()


def split(value, path, tensors):
    """The plain part of a value; its tensors go to `tensors` by their path."""
    if isinstance(value, torch.Tensor):
        tensors["\t".join(path)] = {"dtype": DTYPES[value.dtype], "shape": list(value.shape), "sha256": digest(value),
                                    "contiguous": value.is_contiguous()}
        return None
    if isinstance(value, dict):
        parts = {str(k): split(v, path + [str(k)], tensors) for k, v in value.items()}
        return {str(k): parts[str(k)] for k, v in value.items() if not isinstance(v, torch.Tensor)}
    if isinstance(value, set):
        return sorted(value)
    if isinstance(value, (list, tuple)):
        return [split(v, path + [str(i)], tensors) for i, v in enumerate(value)]
    if isinstance(value, bytes):
        return value.decode("latin1")
    if isinstance(value, (torch.dtype, torch.device)):
        return str(value)
    return value


truth = {}


def write(name, value, stream=False):
    path = os.path.join(folder, name)
    if stream:  # the archive then has no name of its own
        with open(path, "wb") as out:
            torch.save(value, out)
    else:
        torch.save(value, path)
    tensors = {}
    read = torch.load(path, map_location="cpu", weights_only=True)
    values = split(read, [], tensors)
    truth[name] = {"values": values, "tensors": tensors}


makers = [(torch.float32, torch.randn), (torch.float16, lambda *s: torch.randn(*s).half()),
          (torch.bfloat16, lambda *s: torch.randn(*s).bfloat16()), (torch.float64, lambda *s: torch.randn(*s).double()),
          (torch.int64, lambda *s: torch.randint(-2**62, 2**62, s)),
          (torch.int32, lambda *s: torch.randint(-9, 9, s).int()), (torch.int16, lambda *s: torch.randint(-9, 9, s).short()),
          (torch.int8, lambda *s: torch.randint(-9, 9, s, dtype=torch.int8)),
          (torch.uint8, lambda *s: torch.randint(0, 9, s, dtype=torch.uint8)), (torch.bool, lambda *s: torch.rand(*s) < 0.5),
          (torch.uint16, lambda *s: torch.randint(0, 9, s).to(torch.uint16)),
          (torch.uint32, lambda *s: torch.randint(0, 9, s).to(torch.uint32)),
          (torch.uint64, lambda *s: torch.randint(0, 9, s).to(torch.uint64)),
          (torch.float8_e4m3fn, lambda *s: torch.randn(*s).to(torch.float8_e4m3fn)),
          (torch.float8_e5m2, lambda *s: torch.randn(*s).to(torch.float8_e5m2))]
write("types.bin", {f"{DTYPES[d]}.{i}": make(*s) for d, make in makers
                    for i, s in enumerate([(1,), (5, 7), (2, 3, 4), (1, 1, 9)])})
write("odd shapes.name.pt", {"scalar": torch.tensor(3.5), "empty": torch.empty(0, 4), "long": torch.zeros(1, 0, 3, 2),
                             "one": torch.ones(1, 1), "many": torch.ones([1] * 9)})
base = torch.arange(120.0).reshape(10, 12)
cube = torch.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5).to(torch.int16)
write("views.bin", {"base": base, "row": base[3], "rows": base[2:5], "column": base[:, 4], "transposed": base.t(),
                    "corner": base[1::3, 2::5], "permuted": cube.permute(3, 0, 2, 1), "half": cube[:, 1:2].half().transpose(0, 3),
                    "flags": (cube > 50).transpose(1, 2), "doubles": base.double().t()[3:7], "inner": cube[..., 2],
                    "one": base[2:3, 5:6].t(), "diagonal": base.diagonal(), "unfolded": base.flatten()[:13].unfold(0, 3, 5)})
tied = torch.nn.Linear(6, 4)
other = torch.nn.Linear(6, 4)
other.weight = tied.weight
write("tied.bin", {"a": tied.weight.data, "b": tied.weight.data, "c": tied.weight.data.view(-1), "d": tied.weight.data.t()})
model = torch.nn.Sequential(tied, torch.nn.BatchNorm1d(4), other, torch.nn.Embedding(7, 3).bfloat16())
write("module.bin", model.state_dict())
write("parameters.bin", dict(model.named_parameters()))
withState = torch.nn.Parameter(torch.randn(3, 2))
withState.note = "kept by torch"
write("ordered.bin", collections.OrderedDict(z=torch.ones(2), p=withState, a=torch.nn.Parameter(torch.ones(3), requires_grad=False)))
torch.serialization.set_crc32_options(False)
write("no_crc.bin", {"a": torch.randn(4)})
torch.serialization.set_crc32_options(True)
write("buffer.bin", {"a": torch.randn(4)}, stream=True)
optimizer = torch.optim.AdamW([{"params": [tied.weight], "weight_decay": 0.1}, {"params": [tied.bias], "weight_decay": 0.0}],
                              lr=6e-4, betas=(0.9, 0.95))
tied(torch.randn(2, 6)).sum().backward()
optimizer.step()
config = {"out_dir": "out", "eval_interval": 2000, "wandb_log": False, "learning_rate": 6e-4, "min_lr": 6e-5,
          "gradient_accumulation_steps": 40, "batch_size": 12, "block_size": 1024, "device": "cuda", "dtype": "bfloat16",
          "grad_clip": 1.0, "compile": True, "dataset": "openwebtext", "big": 2**40, "negative": -(2**62), "small": -7,
          "text": "naïve 日本語 🙂", "none": None, "nested": [1, [2.5, (3, -4)], {}], "kind": torch.bfloat16, "set": {3, 1, 2},
          "size": torch.Size([4, 5]), "bytes": b"a\xe9", "where": torch.device("cpu"), "five": (1, 2, 3, 4, 5)}
for best, name in ((1e9, "ckpt.pt"), (torch.tensor(3.25), "ckpt_tensor.pt")):
    write(name, {"model": collections.OrderedDict(("_orig_mod." + k, v) for k, v in model.state_dict().items()),
                 "optimizer": optimizer.state_dict(),
                 "model_args": {"n_layer": 2, "n_head": 2, "n_embd": 8, "block_size": 16, "bias": False, "vocab_size": 50304,
                                "dropout": 0.0},
                 "iter_num": 2000, "best_val_loss": best, "config": config})
write("many.bin", {f"model.layers.{i // 9}.block.{i % 9}.weight": torch.full((3,), float(i)) for i in range(3000)})
torch.save({"a": torch.ones(2)}, os.path.join(folder, "legacy.bin"), _use_new_zipfile_serialization=False)
torch.save({"a": torch.ones(2)}, os.path.join(folder, "protocol4.bin"), pickle_protocol=4)
torch.save({"a": torch.ones(2).to_sparse()}, os.path.join(folder, "sparse.bin"))
torch.save({"a": torch.ones(1, 3).expand(4, 3)}, os.path.join(folder, "expanded.bin"))
torch.save(torch.nn.Linear(2, 2), os.path.join(folder, "whole_module.bin"))
torch.save({"a": torch._neg_view(torch.ones(2))}, os.path.join(folder, "negated.bin"))
torch.jit.script(torch.nn.Linear(2, 2)).save(os.path.join(folder, "program.pt"))
print(json.dumps(truth))
