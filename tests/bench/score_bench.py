#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Task scoring: Crest against lm-evaluation-harness 0.4.13, in one run on one machine.

  score_bench.py BUILD_FOLDER [--sizes 15M,160M] [--dtypes float32,bfloat16] [--jobs ragged,equal,random,fixed,letters,load,start] [--rounds 3]

One thread, the same weights (random), tokenizer and texts, processor time, rounds interleaved (ours, theirs, ours, ...): the median ratio. The harness runs
through HFLM without its start and task index, with batch size 8, which is its best on a CPU for tasks. Of documents it is faster at 1, where nothing is padded, so
they are run at both, and each has its ratio.
Tokenising counts on both sides. Scores are compared: the largest relative difference is printed.
  ragged, equal    loglikelihood_rolling of documents of log-normal length (mean 153 tokens, at most 511) and of 511 tokens
  random, fixed    multiple choice, 5 shots of some 120 tokens, 4 choices of some 6 tokens; shots drawn for each question, or the same for all
  letters          the same with the choices A to D
  memory           most resident memory of a fresh process of each side that does `ragged` once: all of it, the mapped weights included
  load             a float32 checkpoint of 537 MB until it can be computed with, against from_pretrained (page cache warm)
  start            from the start of the process to the score of one text, wall clock, against a script with HFLM alone
Beside the ratio: share of the machine's GEMM ceiling (the model's own products at 2048 tokens, the same run) that the products of the tokens that were asked
for would take; above 100 % where shared beginnings are not computed again.
"""
import argparse
import json
import math
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time

os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1", DISABLE_MULTIPROC="1", TOKENIZERS_PARALLELISM="false")
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "oracle"))

PEER = """
import json, re, sys
import torch
torch.set_num_threads(1)
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
folder, requests, dtype = sys.argv[1:]
requests = json.load(open(requests))
lm = HFLM(pretrained=folder, dtype=dtype, batch_size=8, device="cpu")
if "pairs" in requests:
    lm.loglikelihood([Instance("loglikelihood", {}, tuple(r), i) for i, r in enumerate(requests["pairs"])], disable_tqdm=True)
else:
    lm.loglikelihood_rolling([Instance("loglikelihood_rolling", {}, (r,), i) for i, r in enumerate(requests["documents"])], disable_tqdm=True)
# ru_maxrss would count what the parent held before exec, too
print(json.dumps({"peak": int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read()).group(1)) * 1024}))
"""


def write_requests(folder, tokenizer, source):
    rng = random.Random(1)
    ids = tokenizer.encode(source).ids

    def text(tokens):
        start = rng.randrange(len(ids) - tokens)
        return tokenizer.decode(ids[start:start + tokens])

    sigma, lengths = 0.8, []
    while len(lengths) < 80:
        length = int(rng.lognormvariate(math.log(153) - sigma * sigma / 2, sigma))
        if 8 <= length <= 500:
            lengths.append(length)
    shots = [f"Question: {text(105)}\nAnswer: {text(6)}\n\n" for _ in range(40)]
    questions = [(f"Question: {text(105)}\nAnswer:", [" " + text(6).strip() for _ in range(4)]) for _ in range(8)]

    def pairs(draw, choices=None):
        return [[draw() + question, choice] for question, own in questions for choice in (choices or own)]

    def per_question(choices=None):
        out = []
        for question, own in questions:
            context = "".join(rng.sample(shots, 5)) + question
            out += [[context, choice] for choice in (choices or own)]
        return out

    fixed = "".join(shots[:5])
    every = {"ragged": {"documents": [text(n) for n in lengths]}, "equal": {"documents": [text(505) for _ in range(20)]},
             "random": {"pairs": per_question()}, "fixed": {"pairs": pairs(lambda: fixed)},
             "letters": {"pairs": per_question([" A", " B", " C", " D"])}}
    for name, requests in every.items():
        with open(os.path.join(folder, name + ".json"), "w") as file:
            json.dump(requests, file)
    return every


def build(size, folder, tokenizer):
    from transformers import PreTrainedTokenizerFast
    import run_probe_bench
    run_probe_bench.build(size, folder)
    path = os.path.join(folder, "config.json")
    config = json.load(open(path))
    config.update(max_position_embeddings=2048, bos_token_id=0, eos_token_id=0)  # rotary: no weight depends on it
    json.dump(config, open(path, "w"))
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<|endoftext|>", eos_token="<|endoftext|>", pad_token="<|endoftext|>").save_pretrained(folder)


def train_tokenizer(source):
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    own = Tokenizer(models.BPE())
    own.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    own.decoder = decoders.ByteLevel()
    own.train_from_iterator([source], trainers.BpeTrainer(vocab_size=8192, special_tokens=["<|endoftext|>"], show_progress=False,
                                                          initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    return own


class Peer:
    def __init__(self, folder, dtype, requests):
        from lm_eval.api.instance import Instance
        from lm_eval.models.huggingface import HFLM
        self.lm = HFLM(pretrained=folder, dtype=dtype, batch_size=8, device="cpu")
        self.pairs = "pairs" in requests
        kind = "loglikelihood" if self.pairs else "loglikelihood_rolling"
        self.instances = [Instance(kind, {}, tuple(r) if self.pairs else (r,), i) for i, r in enumerate(requests["pairs" if self.pairs else "documents"])]
        self.batches = [8] if self.pairs else [8, 1]

    def run(self, batch):
        self.lm.batch_size_per_gpu = batch
        start = time.process_time()
        if self.pairs:
            answers = [a[0] for a in self.lm.loglikelihood(self.instances, disable_tqdm=True)]
        else:
            answers = self.lm.loglikelihood_rolling(self.instances, disable_tqdm=True)
        return answers, time.process_time() - start


def asked_tokens(requests, tokenizer):
    """Input tokens of every request by itself, and the share of them that the head scores."""
    if "documents" in requests:
        return sum(len(tokenizer.encode(d).ids) for d in requests["documents"]), 1.0
    lengths = [(len(tokenizer.encode(c).ids), len(tokenizer.encode(c + t).ids)) for c, t in requests["pairs"]]
    return sum(whole - 1 for _, whole in lengths), sum(whole - context for context, whole in lengths) / sum(whole - 1 for _, whole in lengths)


def bench(program, folder, name, requests, dtype, rounds, tokenizer):
    """A result for each batch size of the peer."""
    import torch
    import run_probe_bench
    ours = run_probe_bench.Ours(program, folder, os.path.join(os.path.dirname(folder), name + ".json"), dtype)
    peer = Peer(folder, dtype, requests)
    warm = ours.run(0)
    apart = {}
    for batch in peer.batches:
        apart[batch] = max(abs(a + b) / max(1.0, abs(b)) for a, b in zip(warm["nats"], peer.run(batch)[0]))
    mine, theirs = [], {batch: [] for batch in peer.batches}
    for _ in range(rounds):
        mine.append(ours.run(0)["cpu"])
        for batch in peer.batches:
            theirs[batch].append(peer.run(batch)[1])
    ours.close()
    tokens, scored = asked_tokens(requests, tokenizer)
    model = peer.lm.model
    ceiling = run_probe_bench.gemm_ceiling(model, getattr(torch, dtype))
    head = 2 * model.get_output_embeddings().weight.numel()
    body = 2 * sum(m.weight.numel() for m in model.modules() if isinstance(m, torch.nn.Linear)) - head
    flops = tokens * (body + scored * head)
    results = []
    for batch in peer.batches:
        ratios = [b / a for a, b in zip(mine, theirs[batch])]
        results.append({"ours_s": statistics.median(mine), "peer_s": statistics.median(theirs[batch]), "ratio": statistics.median(ratios),
                        "spread": [min(ratios), max(ratios)], "tokens": tokens, "computed": warm["computed"], "apart": apart[batch], "batch": batch,
                        "share_ours": flops / statistics.median(mine) / ceiling, "share_peer": flops / statistics.median(theirs[batch]) / ceiling})
    return results


def memory(program, folder, name, dtype):
    requests = os.path.join(os.path.dirname(folder), name + ".json")
    ours = subprocess.run([program, folder, requests, dtype], input="0\n", capture_output=True, text=True, check=True)
    peer = subprocess.run([sys.executable, "-c", PEER, folder, requests, dtype], capture_output=True, text=True, check=True)
    mine = json.loads(ours.stdout)
    return {"ours": mine["peak"], "ours_anonymous": mine["peak_anonymous"], "peer": json.loads(peer.stdout.splitlines()[-1])["peak"]}


def load(program, folder, rounds):
    import torch
    import run_probe_bench
    from transformers import AutoModelForCausalLM, GPTNeoXConfig, GPTNeoXForCausalLM
    GPTNeoXForCausalLM(GPTNeoXConfig(vocab_size=50304, hidden_size=768, num_hidden_layers=8, num_attention_heads=12, intermediate_size=3072)).save_pretrained(folder)
    ours = run_probe_bench.Ours(program, "load", folder)
    ratios, a, b = [], [], []
    for i in range(rounds + 1):
        mine = ours.run(0)["wall"]
        start = time.perf_counter()
        model = AutoModelForCausalLM.from_pretrained(folder)
        theirs = time.perf_counter() - start
        del model
        if i:
            a.append(mine), b.append(theirs), ratios.append(theirs / mine)
    ours.close()
    return {"bytes": os.path.getsize(os.path.join(folder, "model.safetensors")), "ours_s": statistics.median(a), "peer_s": statistics.median(b),
            "ratio": statistics.median(ratios)}


def start(build_folder, folder, rounds):
    texts, requests = os.path.join(os.path.dirname(folder), "one.jsonl"), os.path.join(os.path.dirname(folder), "one.json")
    open(texts, "w").write(json.dumps({"text": "The river runs over old stones."}) + "\n")
    json.dump({"documents": ["The river runs over old stones."]}, open(requests, "w"))
    ours, theirs, ratios = [], [], []
    for _ in range(rounds):
        begin = time.perf_counter()
        subprocess.run([os.path.join(build_folder, "bin", "crest-run"), "score", "--model", folder, "--texts", texts, "--json"], check=True, capture_output=True)
        ours.append(time.perf_counter() - begin)
        begin = time.perf_counter()
        subprocess.run([sys.executable, "-c", PEER, folder, requests, "float32"], check=True, capture_output=True)
        theirs.append(time.perf_counter() - begin)
        ratios.append(theirs[-1] / ours[-1])
    return {"ours_s": statistics.median(ours), "peer_s": statistics.median(theirs), "ratio": statistics.median(ratios)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("--sizes", default="15M,160M")
    parser.add_argument("--dtypes", default="float32,bfloat16")
    parser.add_argument("--jobs", default="ragged,equal,random,fixed,letters,memory,load,start")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    import torch
    import tokenizer_cases
    torch.set_num_threads(1)
    torch.manual_seed(0)
    sys.path.insert(0, HERE)
    program = os.path.join(options.build, "tests", "score_bench")
    jobs = options.jobs.split(",")
    source = tokenizer_cases.source_text()
    tokenizer = train_tokenizer(source)
    print(f"{'job':8} {'size':5} {'type':9} {'Crest s':>8} {'harness s':>9} {'ratio':>6} {'of ceiling':>12}  more")
    for size in options.sizes.split(","):
        with tempfile.TemporaryDirectory() as work:
            every = write_requests(work, tokenizer, source)
            folder = os.path.join(work, "model")
            build(size, folder, tokenizer)
            for dtype in options.dtypes.split(","):
                for name in (j for j in jobs if j in every):  # in the order they were asked for
                    requests = every[name]
                    if size == "160M" and name != "fixed":  # fewer: the ratio is wanted, and only of shared shots it depends on how many share them
                        requests = {key: value[:len(value) // 4] for key, value in requests.items()}
                        json.dump(requests, open(os.path.join(work, name + ".json"), "w"))
                    for r in bench(program, folder, name, requests, dtype, options.rounds, tokenizer):
                        print(f"{name:8} {size:5} {dtype:9} {r['ours_s']:8.2f} {r['peer_s']:9.2f} {r['ratio']:6.2f} {r['share_ours']:5.0%} /{r['share_peer']:4.0%}"
                              f"  {r['spread'][0]:.2f} to {r['spread'][1]:.2f}, {r['tokens']} tokens asked, {r['computed']:.0f} computed, batch {r['batch']}, "
                              f"scores apart by {r['apart']:.1e}", flush=True)
                if "memory" in jobs:
                    m = memory(program, folder, "ragged", dtype)
                    print(f"{'memory':8} {size:5} {dtype:9} {m['ours'] / 1e6:6.0f}MB {m['peer'] / 1e6:7.0f}MB {m['peer'] / m['ours']:6.2f}"
                          f"  (resident without the mapped file: {m['ours_anonymous'] / 1e6:.0f} MB)", flush=True)
            if "start" in jobs and size == options.sizes.split(",")[0]:
                r = start(options.build, folder, options.rounds)
                print(f"{'start':8} {size:5} {'float32':9} {r['ours_s']:8.2f} {r['peer_s']:9.2f} {r['ratio']:6.1f}", flush=True)
    if "load" in jobs:
        with tempfile.TemporaryDirectory() as work:
            r = load(program, os.path.join(work, "model"), options.rounds)
            print(f"{'load':8} {r['bytes'] / 1e6:.0f}MB {'':5} {1e3 * r['ours_s']:6.1f}ms {1e3 * r['peer_s']:7.1f}ms {r['ratio']:6.1f}", flush=True)


if __name__ == "__main__":
    main()
