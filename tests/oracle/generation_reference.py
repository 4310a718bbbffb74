# SPDX-License-Identifier: Apache-2.0
"""What transformers' generate makes of tiny random decoders: the live reference for tests/core/eval/tst_generation_oracle.cpp.

  generation_reference.py make FOLDER   one folder per shape: the checkpoint and runs.json, a list of {prompt, settings, ids, score, margins};
                                        settings are options of GenerationConfig, margins how far the first token of each step leads
  generation_reference.py warp FOLDER   logits.f32, cases.json and shares.f64: what the logits processors leave of rows of logits
  generation_reference.py texts FOLDER  continuations of texts.json ({model, requests: [{prompt, until, max_new}]}) with lm-evaluation-harness's own
                                        rules of stopping and cutting; prints a list of texts
"""
import json
import os
import sys

os.environ["HF_HUB_OFFLINE"] = "1"
import numpy
import torch
from transformers import AutoModelForCausalLM, GenerationConfig
from transformers.generation import (LogitsProcessorList, RepetitionPenaltyLogitsProcessor, TemperatureLogitsWarper, TopKLogitsWarper,
                                     TopPLogitsWarper)
from transformers.utils import logging

import family_cases
import model_reference

LONG = {  # several chunks of a prompt, and windows that end inside and behind the prompt
    "long-llama": (lambda: model_reference.llama(max_position_embeddings=512, num_key_value_heads=2), torch.float32),
    "long-mistral": (family_cases.like_llama(family_cases.MistralConfig, family_cases.MistralForCausalLM, max_position_embeddings=512,
                                             num_key_value_heads=2, sliding_window=150), torch.float32),
    "long-neox": (lambda: model_reference.neox(max_position_embeddings=512), torch.float16),
    "long-opt": (family_cases.opt(max_position_embeddings=512), torch.float32),
}
BEAMS = ["llama-gqa-half", "neox-parallel", "gpt2", "opt-post-norm-projected", "olmo2", "mistral-window", "qwen3", "long-mistral"]
NEW = 12


def run(model, prompt, **settings):
    """One prompt through generate; the score without beams is the sum of the chosen tokens' log-probabilities before any processor."""
    ends = settings.get("eos_token_id")
    config = GenerationConfig(max_new_tokens=NEW, do_sample=False, pad_token_id=ends[0] if ends else None, bos_token_id=None, **settings)
    ids = torch.tensor([prompt])
    with torch.no_grad():
        out = model.generate(ids, attention_mask=torch.ones_like(ids), generation_config=config, return_dict_in_generate=True, output_scores=True,
                             output_logits=True)
    new = out.sequences[0, len(prompt):].tolist()
    margins = []
    if settings.get("num_beams", 1) > 1:
        score = float(out.sequences_scores[0])
    else:
        score = sum(float(logits[0].double().log_softmax(-1)[token]) for logits, token in zip(out.logits, new))
        best = [scores[0].topk(2).values for scores in out.scores]
        margins = [float(two[0] - two[1]) for two in best]
    return {"prompt": prompt, "settings": settings, "ids": new, "score": score, "margins": margins}


def runs_of(name, model, seed):
    generator = numpy.random.default_rng(seed)
    vocab, context = model.config.vocab_size, model.config.max_position_embeddings
    lengths = (300, 257, 5) if context > 64 else (1, 40, 9)
    prompts = [generator.integers(0, vocab, size=n).tolist() for n in lengths]
    runs = [run(model, prompt) for prompt in prompts]
    runs.append(run(model, prompts[1], repetition_penalty=1.4))
    runs.append(run(model, prompts[0], eos_token_id=[runs[0]["ids"][5]]))
    if name not in BEAMS:
        return runs
    often = [int(n) for n in numpy.bincount([i for r in runs for i in r["ids"]]).argsort()[::-1][:3]]
    for beams in (2, 4, 5):
        for settings in ({}, {"eos_token_id": often, "length_penalty": 0.0}, {"eos_token_id": often[:1], "length_penalty": 2.0},
                         {"eos_token_id": often[:2], "length_penalty": -0.5}, {"repetition_penalty": 1.3, "eos_token_id": often[:2]}):
            runs.append(run(model, prompts[1 + beams % 2], num_beams=beams, **settings))
    return runs


def make(folder):
    every = {**model_reference.CASES, **family_cases.CASES, **family_cases.FOREIGN, **LONG}
    for index, (name, (build, dtype, *rewrite)) in enumerate(every.items()):
        torch.manual_seed(index)
        model = build().eval()
        model_reference.randomise(model, index)
        path = os.path.join(folder, name)
        model.to(dtype).save_pretrained(path)
        model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32).eval()
        model.generation_config = GenerationConfig()
        with open(os.path.join(path, "runs.json"), "w") as file:
            json.dump(runs_of(name, model, index), file)
        for step in rewrite:
            step(path)


def warp(folder):
    generator = torch.Generator().manual_seed(5)
    vocab, cases, logits, shares = 700, [], [], []
    for spread in (1.0, 4.0):
        for penalty in (1.0, 1.3):
            for temperature in (0.6, 1.0, 1.7):
                for top_k in (0, 1, 5, 100, 2000):
                    for top_p in (1.0, 0.95, 0.5, 0.01):
                        row = spread * torch.randn(1, vocab, generator=generator)
                        seen = torch.randint(0, vocab, (1, 40), generator=generator)
                        steps = LogitsProcessorList()
                        if penalty != 1.0:
                            steps.append(RepetitionPenaltyLogitsProcessor(penalty))
                        if temperature != 1.0:
                            steps.append(TemperatureLogitsWarper(temperature))
                        if top_k:
                            steps.append(TopKLogitsWarper(top_k))
                        if top_p < 1.0:
                            steps.append(TopPLogitsWarper(top_p))
                        logits.append(row[0].clone())
                        shares.append(steps(seen, row)[0].double().softmax(-1))
                        cases.append({"seen": seen[0].tolist(), "penalty": penalty, "temperature": temperature, "top_k": top_k, "top_p": top_p})
    torch.stack(logits).numpy().astype("<f4").tofile(os.path.join(folder, "logits.f32"))
    torch.stack(shares).numpy().astype("<f8").tofile(os.path.join(folder, "shares.f64"))
    with open(os.path.join(folder, "cases.json"), "w") as file:
        json.dump({"vocab": vocab, "cases": cases}, file)


def texts(folder):
    from lm_eval.models.utils import postprocess_generated_text
    from lm_eval.models.utils_hf import stop_sequences_criteria
    from transformers import PreTrainedTokenizerFast

    with open(os.path.join(folder, "texts.json")) as file:
        asked = json.load(file)
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=os.path.join(asked["model"], "tokenizer.json"))
    model = AutoModelForCausalLM.from_pretrained(asked["model"], dtype=torch.float32).eval()
    end = tokenizer.convert_tokens_to_ids("<|endoftext|>")
    model.generation_config = GenerationConfig(eos_token_id=end, pad_token_id=end)
    out = []
    for request in asked["requests"]:
        room = model.config.max_position_embeddings - request["max_new"]
        ids = (tokenizer.encode(request["prompt"]) or [end])[-room:]
        until = request["until"] + [tokenizer.decode([end])]
        stops = stop_sequences_criteria(tokenizer, until, len(ids), 1)
        with torch.no_grad():
            whole = model.generate(torch.tensor([ids]), attention_mask=torch.ones(1, len(ids), dtype=torch.long), do_sample=False,
                                   max_length=len(ids) + request["max_new"], stopping_criteria=stops)
        out.append(postprocess_generated_text(tokenizer.decode(whole[0, len(ids):], skip_special_tokens=True), until, None))
    print(json.dumps(out))


if __name__ == "__main__":
    torch.set_num_threads(1)
    logging.set_verbosity_error()
    {"make": make, "warp": warp, "texts": texts}[sys.argv[1]](*sys.argv[2:])
