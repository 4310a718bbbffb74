# SPDX-License-Identifier: Apache-2.0
"""What lm-evaluation-harness 0.4.13 scores with chat templates: the live reference for tests/core/eval/tst_chat_oracle.cpp.

  chat_reference.py FOLDER

FOLDER/<model>/                     a tiny checkpoint whose tokenizer has a chat template
FOLDER/<model>/<asked>/<task>.json  as harness_reference.py writes them; <asked> is a way to ask (ASKED)
FOLDER/local.json                   the tasks as a suite of Crest, over the same rows
FOLDER/series/step10-tokens1M       the first of the models; FOLDER/results/<asked>/.../results_*.json the harness's own result files of it
"""
import functools
import json
import os
import shutil
import sys

from harness_reference import (CONTEXT, SIZES, evaluator, like_llama, local, metrics, sentence, store, write_data)

import random

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (GPTNeoXConfig, GPTNeoXForCausalLM, LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM, Olmo2Config, Olmo2ForCausalLM,
                          PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM)
from lm_eval import utils
from lm_eval.api.task import ConfigurableTask
from lm_eval.loggers import EvaluationTracker
from lm_eval.models.huggingface import HFLM

import tokenizer_cases
from chat_templates import CHATML, LLAMA3, MISTRAL, OLMO2, SHORT, ZEPHYR
from model_reference import randomise

ROWS, VOCAB = 3, SIZES["vocab_size"]
SYSTEM = "You know rivers."
# how: (chat template: False, True or a name, shots as turns, system instruction)
ASKED = {"turns": (True, True, None), "turns_system": (True, True, SYSTEM), "one": (True, False, None), "one_system": (True, False, SYSTEM + "\n"), "plain_system": (False, False, SYSTEM)}
NAMED = {"named": ("terse", True, SYSTEM)}

# name: (model, the tokenizer puts BOS in front by itself, bos, eos, tokens of the template, the template)
MODELS = {
    "chatml": (lambda: like_llama(Qwen2Config, Qwen2ForCausalLM, num_key_value_heads=2, bos_token_id=None, eos_token_id=1), False, None, "</s>", ["<|im_start|>", "<|im_end|>"], CHATML),
    "llama3": (lambda: like_llama(LlamaConfig, LlamaForCausalLM, num_key_value_heads=2, bos_token_id=0, eos_token_id=1), True, "<s>", "</s>",
               ["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"], LLAMA3),
    "zephyr": (lambda: like_llama(LlamaConfig, LlamaForCausalLM, bos_token_id=0, eos_token_id=1), True, "<s>", "</s>", [], ZEPHYR),
    "mistral": (lambda: like_llama(MistralConfig, MistralForCausalLM, num_key_value_heads=2, bos_token_id=0, eos_token_id=1), True, "<s>", "</s>", [], MISTRAL),
    "olmo2": (lambda: like_llama(Olmo2Config, Olmo2ForCausalLM, bos_token_id=None, eos_token_id=1), False, "</s>", "</s>", ["<|user|>", "<|assistant|>"], OLMO2),
    "tulu": (lambda: like_llama(GPTNeoXConfig, GPTNeoXForCausalLM, bos_token_id=0, eos_token_id=1), False, "<s>", "</s>", [],
             {"default": SHORT["tulu"], "terse": "{% for m in messages %}{{ m.role[0] | upper }}: {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}A:{% endif %}"}),
}


def write_tokenizer(path, adds_bos, bos, eos, tokens, template):
    own = Tokenizer(models.BPE())
    own.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    own.decoder = decoders.ByteLevel()
    own.train_from_iterator([tokenizer_cases.source_text()[:60_000]], trainers.BpeTrainer(
        vocab_size=VOCAB, special_tokens=["<s>", "</s>", *tokens], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    if adds_bos:
        own.post_processor = processors.TemplateProcessing(single=f"{bos} $A", special_tokens=[(bos, own.token_to_id(bos))])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=own, bos_token=bos, eos_token=eos, pad_token=eos)
    tokenizer.chat_template = template
    tokenizer.save_pretrained(path, save_jinja_files=path.endswith("zephyr"))  # the others keep it in tokenizer_config.json


def write_pick(path, rng):
    with open(path, "w") as file:
        for i in range(ROWS + 3):
            file.write(json.dumps({"choices": [sentence(rng, 4, 8) for _ in range(2)], "ending": sentence(rng, 2, 4), "answer": i % 2}) + "\n")


def tasks(folder):
    choice = dict(output_type="multiple_choice", doc_to_text="Question: {{question}}\nAnswer:", doc_to_choice="{{choices}}", doc_to_target="{{answer}}",
                  metric_list=metrics("acc", "acc_norm"))
    pick = {**choice, "doc_to_text": "{{answer}}", "doc_to_target": "{{ending}}", **local(folder, "pick", "pick_shots")}
    written = dict(output_type="generate_until", doc_to_text="Question: {{question}}\nAnswer:", doc_to_target="{{answer}}",
                   metric_list=[{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}])
    return [
        {"task": "choice_0", **choice, **local(folder, "choice"), "num_fewshot": 0},
        {"task": "choice_3", **choice, **local(folder, "choice", "shots"), "num_fewshot": 3, "description": "Choose with care."},
        {"task": "pick_2", **pick, "num_fewshot": 2},
        {"task": "last_2", **local(folder, "last", "last"), "output_type": "loglikelihood", "doc_to_text": "{{text.split(' ')[:-1]|join(' ')}}", "num_fewshot": 2,
         "doc_to_target": "{{' '+text.split(' ')[-1]}}", "target_delimiter": "",
         "metric_list": [{"metric": "perplexity", "aggregation": "perplexity", "higher_is_better": False}, *metrics("acc")]},
        {"task": "page", **local(folder, "page"), "output_type": "loglikelihood_rolling", "doc_to_text": "", "doc_to_target": "{{text}}",
         "metric_list": [{"metric": "byte_perplexity", "aggregation": "weighted_perplexity", "higher_is_better": False}]},
        {"task": "solve_0", **written, **local(folder, "solve"), "generation_kwargs": {"until": ["\n", "the"], "do_sample": False, "max_gen_toks": 10}},
        {"task": "solve_2", **written, **local(folder, "solve", "solve_shots"), "num_fewshot": 2, "description": "Be brief.\n\n",
         "generation_kwargs": {"until": ["Question:"], "do_sample": False, "max_gen_toks": 12}},
    ]


def suite():
    """The same tasks in Crest's words."""
    data = lambda name, shots=None: {"test": [name + ".jsonl"], **({"train": [shots + ".jsonl"]} if shots else {})}
    shots = lambda count: {"shots": {"count": count, "from": "train"}}
    choice = {"kind": "multiple_choice", "context": "Question: {{question}}\nAnswer:", "choices": "{{choices}}", "gold": "{{answer}}", "metrics": ["acc", "acc_norm"]}
    written = {"kind": "generation", "context": "Question: {{question}}\nAnswer:", "answer": "{{answer}}", "metrics": ["exact_match"]}
    return {"format": "crest suite 1", "name": "local", "description": "what chat_reference.py scores", "tasks": [
        {"name": "choice_0", **choice, "data": data("choice")},
        {"name": "choice_3", **choice, "data": data("choice", "shots"), "description": "Choose with care.", **shots(3)},
        {"name": "pick_2", "kind": "multiple_choice", "contexts": "{{choices}}", "continuation": "{{ending}}", "gold": "{{answer}}", "metrics": ["acc", "acc_norm"],
         "data": data("pick", "pick_shots"), **shots(2)},
        {"name": "last_2", "kind": "loglikelihood", "context": "{{text.split(' ')[:-1]|join(' ')}}", "continuation": "{{' '+text.split(' ')[-1]}}", "delimiter": "",
         "metrics": ["acc", "perplexity"], "data": data("last", "last"), **shots(2)},
        {"name": "page", "kind": "rolling", "document": "{{text}}", "counted": "{{text}}", "metrics": ["byte_perplexity"], "data": data("page")},
        {"name": "solve_0", **written, "data": data("solve"), "generation": {"until": ["\n", "the"], "max_new_tokens": 10}},
        {"name": "solve_2", **written, "data": data("solve", "solve_shots"), "description": "Be brief.\n\n", "generation": {"until": ["Question:"], "max_new_tokens": 12}, **shots(2)}]}


def ask(lm, path, asked, how, settings, own_tasks):
    template, turns, system = how
    lm.chat_template_args = {"chat_template": template} if isinstance(template, str) else {}  # 0.4.13 checks the name and then renders the usual one
    for task in own_tasks.values():
        task.set_fewshot_seed(1234)
    results = evaluator.evaluate(lm, own_tasks, log_samples=True, bootstrap_iters=2, limit=ROWS, system_instruction=system, apply_chat_template=template,
                                 fewshot_as_multiturn=turns)
    os.makedirs(os.path.join(path, asked), exist_ok=True)
    for task in settings:
        samples = sorted(results["samples"][task["task"]], key=lambda s: s["doc_id"])
        for sample in samples:
            if task["task"] == "pick_2":
                sample["target"] = sample["doc"]["answer"]
        store(os.path.join(path, asked), task, samples, results["results"][task["task"]])


def write_results(folder, settings):
    """Result files as the harness's command writes them."""
    path = os.path.join(folder, "series", "step10-tokens1M")
    shutil.copytree(os.path.join(folder, "chatml"), path, ignore=lambda where, names: [name for name in names if name in ASKED])
    tasks = [dict(task) for task in settings if task["task"] in ("choice_0", "choice_3", "page")]
    for asked, (template, turns, system) in {"plain": (False, True, None), **{name: ASKED[name] for name in ("turns", "one_system", "plain_system")}}.items():
        tracker = EvaluationTracker(output_path=os.path.join(folder, "results", asked))
        results = evaluator.simple_evaluate("hf", model_args={"pretrained": path, "dtype": "float32"}, tasks=[dict(task) for task in tasks], limit=ROWS, bootstrap_iters=2,
                                            batch_size=4, device="cpu", apply_chat_template=template, fewshot_as_multiturn=turns, system_instruction=system,
                                            evaluation_tracker=tracker)
        tracker.save_results_aggregated(results, results.pop("samples"))


def main(folder):
    torch.set_num_threads(1)
    utils.env.from_string = functools.lru_cache(utils.env.from_string)  # the harness compiles each template for each row
    write_data(folder)
    rng = random.Random(4)
    for name in ("pick", "pick_shots"):
        write_pick(os.path.join(folder, name + ".jsonl"), rng)
    with open(os.path.join(folder, "solve_shots.jsonl"), "w") as file:
        file.writelines(json.dumps({"question": sentence(rng, 4, 10), "answer": sentence(rng, 1, 2) if i else ""}) + "\n" for i in range(5))
    with open(os.path.join(folder, "local.json"), "w") as file:
        json.dump(suite(), file)
    settings = tasks(folder)
    own_tasks = {task["task"]: ConfigurableTask(config=dict(task)) for task in settings}
    for index, (name, (build, adds_bos, bos, eos, tokens, template)) in enumerate(MODELS.items()):
        torch.manual_seed(index)
        model = build().eval()
        randomise(model, index)
        path = os.path.join(folder, name)
        model.save_pretrained(path)
        write_tokenizer(path, adds_bos, bos, eos, tokens, template)
        lm = HFLM(pretrained=path, dtype="float32", batch_size=4, device="cpu")
        few = ("turns", "one_system") if name in ("zephyr", "olmo2", "chatml") else ("turns", "turns_system", "one", "one_system")
        ways = {k: ASKED[k] for k in few + (("plain_system",) if name in ("llama3", "chatml") else ())}
        for asked, how in {**ways, **(NAMED if isinstance(template, dict) else {})}.items():
            # a shot without an answer: the template refuses two turns of the user
            some = [t for t in settings if not (name == "mistral" and how[1] and t["task"] == "solve_2")]
            ask(lm, path, asked, how, some, {t["task"]: own_tasks[t["task"]] for t in some})
    write_results(folder, settings)


if __name__ == "__main__":
    main(sys.argv[1])
