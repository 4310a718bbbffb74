# SPDX-License-Identifier: Apache-2.0
"""Tiny models with tokenizers, and what lm-evaluation-harness scores for local items: the live reference for tests/core/eval/tst_harness_oracle.cpp.

  harness_reference.py FOLDER

FOLDER/<model>/                    the checkpoint with its tokenizer
FOLDER/<model>/<task>.json         (the tasks below, and `likely`) {"kind", "items": [{"document", "requests": [[context, continuation], ..], "choices", "gold", "original",
                                   "references", "until", "max_new"}], "scores": [[[log-likelihood, greedy], ..] or [text] per item],
                                   "metrics": {name or "name,filter": value}, "stderr": {the same: value or null}, "values": {the same: [one per item]}}
FOLDER/<model>/math.jsonl          rows of `math`: some right answers are what this model writes
Tasks are the harness's own machinery over local JSON files; nothing comes from a network. Weights N(0, 0.3), as in model_reference.py.
"""
import json
import os
import random
import sys

os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1", DISABLE_MULTIPROC="1", TOKENIZERS_PARALLELISM="false", HF_DATASETS_DISABLE_PROGRESS_BARS="1")

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (GPT2Config, GPT2LMHeadModel, GPTNeoXConfig, GPTNeoXForCausalLM, LlamaConfig, LlamaForCausalLM, Olmo2Config, Olmo2ForCausalLM, OPTConfig, OPTForCausalLM,
                          PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM)
from lm_eval import evaluator
from lm_eval.api.instance import Instance
from lm_eval.api.task import ConfigurableTask
from lm_eval.models.huggingface import HFLM

import tokenizer_cases
from model_reference import randomise

CONTEXT, VOCAB = 320, 400
SIZES = dict(vocab_size=VOCAB, hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=96, max_position_embeddings=CONTEXT,
             tie_word_embeddings=False, pad_token_id=None)


def like_llama(config, model, **changes):
    return model(config(**{**SIZES, **changes}))


def opt():
    return OPTForCausalLM(OPTConfig(vocab_size=VOCAB, hidden_size=64, num_hidden_layers=2, num_attention_heads=4, ffn_dim=96, dropout=0.0,
                                    max_position_embeddings=CONTEXT, word_embed_proj_dim=64, bos_token_id=1, eos_token_id=1, pad_token_id=None))


def gpt2():
    return GPT2LMHeadModel(GPT2Config(vocab_size=VOCAB, n_embd=64, n_layer=2, n_head=4, n_positions=CONTEXT, bos_token_id=1, eos_token_id=1))


# name: (model, what the tokenizer's template puts in front of every text, bos, eos)
MODELS = {
    "llama": (lambda: like_llama(LlamaConfig, LlamaForCausalLM, num_key_value_heads=2, bos_token_id=0, eos_token_id=1), "<s>", "<s>", "</s>"),
    "gpt_neox": (lambda: like_llama(GPTNeoXConfig, GPTNeoXForCausalLM, bos_token_id=1, eos_token_id=1), None, None, "</s>"),
    "opt": (opt, "</s>", "</s>", "</s>"),
    "qwen2": (lambda: like_llama(Qwen2Config, Qwen2ForCausalLM, num_key_value_heads=2, bos_token_id=None, eos_token_id=1), "<s>", None, "</s>"),  # what it adds is not what the harness starts from
    "gpt2": (gpt2, None, "</s>", "</s>"),
    "olmo2": (lambda: like_llama(Olmo2Config, Olmo2ForCausalLM, bos_token_id=None, eos_token_id=1), None, "</s>", "</s>"),
}


def write_tokenizer(path, template, bos, eos):
    own = Tokenizer(models.BPE())
    own.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    own.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=VOCAB, special_tokens=["<s>", "</s>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
                                  show_progress=False)
    own.train_from_iterator([tokenizer_cases.source_text()[:60_000]], trainer)
    if template:
        own.post_processor = processors.TemplateProcessing(single=f"{template} $A", special_tokens=[(template, own.token_to_id(template))])
    PreTrainedTokenizerFast(tokenizer_object=own, bos_token=bos, eos_token=eos, pad_token=eos).save_pretrained(path)
    place = os.path.join(path, "tokenizer_config.json")
    with open(place) as file:
        named = {key: value for key, value in json.load(file).items() if value is not None}
    with open(place, "w") as file:  # as older versions write it, which leave out what is null
        json.dump(named, file)


WORDS = "the river runs over old stones and nobody knows where it ends when snow falls in the high valley each winter".split()


def sentence(rng, least, most):
    return " ".join(rng.choice(WORDS) for _ in range(rng.randint(least, most)))


def write_data(folder):
    rng = random.Random(3)

    def question(number):
        choices = [sentence(rng, 1, 5) for _ in range(4)]
        if number % 3 == 0:
            choices[2] = choices[0]  # a tie
        if number % 4 == 1:
            choices[1] = "caf\u00e9 na\u00efve \U0001f600"
        return {"question": sentence(rng, 4, 9) + (" \n " if number % 5 == 2 else ""), "choices": choices, "answer": number % 4}

    rows = {
        "choice": [question(i) for i in range(12)],
        "long": [{"question": sentence(rng, 190, 200), "choices": [sentence(rng, 2, 4) for _ in range(3)], "answer": i % 3} for i in range(4)],
        "last": [{"text": sentence(rng, 6, 12)} for _ in range(10)] + [{"text": "alone"}],
        "page": [{"text": sentence(rng, n, n)} for n in (3, 40, 220, 450)] + [{"text": ""}, {"text": "x\ty\u3000z\x1c"}],
        "solve": [{"question": sentence(rng, 4, 10), "answer": sentence(rng, 1, 2)} for _ in range(6)],
    }
    for name, lines in rows.items():
        with open(os.path.join(folder, name + ".jsonl"), "w") as file:
            file.writelines(json.dumps(line) + "\n" for line in lines)
    with open(os.path.join(folder, "shots.jsonl"), "w") as file:
        file.writelines(json.dumps(question(i)) + "\n" for i in range(7))
    write_math(os.path.join(folder, "math_shots.jsonl"), [f"{sentence(rng, 2, 5)} #### {rng.randint(2, 90)}" for _ in range(6)], rng)


def write_math(path, answers, rng):
    with open(path, "w") as file:
        file.writelines(json.dumps({"question": sentence(rng, 4, 10), "answer": answer}) + "\n" for answer in answers)


def local(folder, name, shots=None):
    files = {"test": os.path.join(folder, name + ".jsonl")}  # a name with a path stands as it is
    if shots:
        files["train"] = os.path.join(folder, shots + ".jsonl")
    return {"dataset_path": "json", "dataset_kwargs": {"data_files": files}, "test_split": "test", **({"training_split": "train"} if shots else {})}


def metrics(*names):
    return [{"metric": name, "aggregation": name if "perplexity" in name or "bits" in name else "mean",
             "higher_is_better": "perplexity" not in name and "bits" not in name} for name in names]


def tasks(folder):
    choice = dict(output_type="multiple_choice", doc_to_text="Question: {{question}}\nAnswer:", doc_to_choice="{{choices}}", doc_to_target="{{answer}}",
                  metric_list=metrics("acc", "acc_norm"))
    return [
        {"task": "choice_0", **choice, **local(folder, "choice"), "num_fewshot": 0},
        {"task": "choice_3", **choice, **local(folder, "choice", "shots"), "num_fewshot": 3},
        {"task": "choice_fixed", **choice, **local(folder, "choice", "shots"), "num_fewshot": 2,
         "fewshot_config": {"sampler": "first_n"}},
        {"task": "letters", **choice, **local(folder, "choice"), "num_fewshot": 0, "doc_to_choice": ["A", "B", "C", "D"]},
        {"task": "long", **choice, **local(folder, "long"), "num_fewshot": 0},
        {"task": "no_context", **{**choice, "doc_to_text": ""}, **local(folder, "choice"), "num_fewshot": 0, "target_delimiter": ""},
        {"task": "last_word", **local(folder, "last"), "output_type": "loglikelihood", "doc_to_text": "{{text.split(' ')[:-1]|join(' ')}}",
         "doc_to_target": "{{' '+text.split(' ')[-1]}}", "target_delimiter": "",
         "metric_list": [{"metric": "perplexity", "aggregation": "perplexity", "higher_is_better": False}, *metrics("acc")]},
        {"task": "page", **local(folder, "page"), "output_type": "loglikelihood_rolling", "doc_to_text": "", "doc_to_target": "{{text}}",
         "metric_list": [{"metric": m, "aggregation": a, "higher_is_better": False} for m, a in
                         (("word_perplexity", "weighted_perplexity"), ("byte_perplexity", "weighted_perplexity"), ("bits_per_byte", "bits_per_byte"))]},
        {"task": "solve", **local(folder, "solve"), "output_type": "generate_until", "doc_to_text": "Question: {{question}}\nAnswer:",
         "doc_to_target": "{{answer}}", "generation_kwargs": {"until": ["\n", "the"], "do_sample": False, "max_gen_toks": 12},
         "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}]},
    ]


def math_task(folder, rows):
    """GSM8K's form: drawn shots, a text, two filters, a comparison that ignores some of it."""
    regex = lambda name, pattern, **more: {"name": name, "filter": [{"function": "regex", "regex_pattern": pattern, **more}, {"function": "take_first"}]}
    return {"task": "math", **local(folder, rows, "math_shots"), "output_type": "generate_until", "num_fewshot": 2,
            "doc_to_text": "Question: {{question}}\nAnswer:", "doc_to_target": "{{answer}}",
            "generation_kwargs": {"until": ["Question:", "</s>"], "do_sample": False, "max_gen_toks": 40},
            "filter_list": [regex("strict-match", "([A-Za-z]{2,})"), regex("flexible-extract", "(-?[$0-9.,]{2,})|(-?[0-9]+)", group_select=-1)],
            "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True, "ignore_case": True, "ignore_punctuation": False,
                             "regexes_to_ignore": [",", "\\$", "(?s).*#### ", "\\.$"]}]}


def item_of(kind, sample):
    doc, arguments = sample["doc"], list(sample["arguments"].values()) if isinstance(sample["arguments"], dict) else sample["arguments"]
    arguments = [list(a.values()) if isinstance(a, dict) else list(a) for a in arguments]
    item = {"document": sample["doc_id"]}
    if kind == "loglikelihood_rolling":
        item.update(requests=[["", arguments[0][0]]], original=doc["text"])
    elif kind == "generate_until":
        settings = arguments[0][1]
        item.update(requests=[[arguments[0][0], ""]], references=[str(sample["target"])], until=settings["until"], max_new=settings["max_gen_toks"])
    else:
        item.update(requests=[a[:2] for a in arguments])
    if kind == "multiple_choice":
        item.update(gold=int(sample["target"]), choices=sample["choices"])
    return item


def scores_of(kind, sample):
    answers = [r[0] for r in sample["resps"]]
    if kind == "generate_until":
        return [answers[0]]
    if kind == "loglikelihood_rolling":
        return [[answers[0], False]]
    return [[float(a[0]), bool(a[1])] for a in answers]


def likely(lm, model):
    """Requests of which some are greedy (the model's own continuations, one of them changed at its end), and borders: white space, special tokens, nothing."""
    rng, requests = random.Random(5), []
    for _ in range(60):
        if len(requests) == 6:
            break
        context, count = sentence(rng, 5, 30), 1 + len(requests) % 2
        ids = lm.tok_encode(context)
        new = lm.model.generate(torch.tensor([ids]), max_new_tokens=count, do_sample=False, pad_token_id=1)[0, len(ids):].tolist()
        text = lm.tok_decode(new, skip_special_tokens=False)
        if lm.tok_encode(context + text)[len(ids):] == new and text.strip():
            requests.append((context, text))
    requests += [(c, t + " the") for c, t in requests[:1]]
    prefix = lm.tok_decode(lm.prefix_token_id, skip_special_tokens=False)
    requests += [("stones \n ", "and snow"), ("the river\u3000\x1c", " ends"), ("it runs\t", "\tover"), (prefix + "the river", " runs over"), (prefix, "the river"),
                 ("", prefix + "the valley"), ("", " winter"), ("the river" + prefix, " runs")]
    if lm.tok_encode(""):  # else the harness gives up: a context of white space alone has no tokens
        requests += [(" \n ", "over the river"), ("\t", " "), (" ", prefix + " stones")]
    answers = lm.loglikelihood([Instance("loglikelihood", {}, r, i) for i, r in enumerate(requests)])
    with open(os.path.join(model, "likely.json"), "w") as file:
        json.dump({"kind": "loglikelihood", "items": [{"document": i, "requests": [r]} for i, r in enumerate(requests)],
                   "scores": [[a] for a in answers], "metrics": {}, "stderr": {}}, file)


def run(lm, settings, own_tasks):
    """The samples of each task by document, and its numbers. evaluate(), not simple_evaluate(), which first reads the 14,000 task files of the harness."""
    for task in own_tasks.values():
        task.set_fewshot_seed(1234)
    results = evaluator.evaluate(lm, own_tasks, log_samples=True, bootstrap_iters=2)
    return {task["task"]: (sorted(results["samples"][task["task"]], key=lambda s: s["doc_id"]), results["results"][task["task"]]) for task in settings}


def store(model, task, samples, numbers):
    kind, choices = task["output_type"], task.get("doc_to_choice")
    filters = list(dict.fromkeys(s["filter"] for s in samples))
    firsts = [s for s in samples if s["filter"] == filters[0]]
    for sample in firsts:
        sample["choices"] = choices if isinstance(choices, list) else sample["doc"].get("choices")
    named = {}
    for key, value in numbers.items():
        metric, _, of = key.partition(",")
        if of in filters:
            named[metric if of == "none" else key] = value
    is_error = lambda name: name.partition(",")[0].endswith("_stderr")
    values = {name: [s[name.partition(",")[0]] for s in samples if s["filter"] == (name.partition(",")[2] or "none")] for name in named if name.startswith(("acc", "exact_match")) and not is_error(name)}
    with open(os.path.join(model, task["task"] + ".json"), "w") as file:
        json.dump({"kind": kind, "items": [item_of(kind, s) for s in firsts], "scores": [scores_of(kind, s) for s in firsts],
                   "metrics": {name: value for name, value in named.items() if not is_error(name)},
                   "stderr": {name.replace("_stderr", "", 1): value if isinstance(value, float) else None for name, value in named.items() if is_error(name)},
                   "values": values}, file)


def evaluate_math(lm, model, folder):
    """Twice: what the model writes first becomes the right answer of some rows, or none would ever be."""
    own = lambda name, answers: (write_math(os.path.join(model, name + ".jsonl"), answers, random.Random(8)), math_task(folder, os.path.join(model, name)))[1]
    task = own("draft", ["#### 0"] * 8)
    samples, _ = run(lm, [task], {"math": ConfigurableTask(config=dict(task))})["math"]
    found = lambda document, filter: next(s for s in samples if (s["doc_id"], s["filter"]) == (document, filter))["filtered_resps"][0]
    task = own("math", [f"so #### {found(i, ('strict-match', 'flexible-extract')[i % 2])}" if i % 4 else "#### 1234567" for i in range(8)])
    store(model, task, *run(lm, [task], {"math": ConfigurableTask(config=dict(task))})["math"])
    os.remove(os.path.join(model, "draft.jsonl"))


def evaluate(model, folder, settings, own_tasks):
    lm = HFLM(pretrained=model, dtype="float32", batch_size=4, device="cpu")
    likely(lm, model)
    answers = run(lm, settings, own_tasks)
    for task in settings:
        store(model, task, *answers[task["task"]])
    evaluate_math(lm, model, folder)


def main(folder):
    torch.set_num_threads(1)
    write_data(folder)
    settings = tasks(folder)
    own_tasks = {task["task"]: ConfigurableTask(config=dict(task)) for task in settings}
    for index, (name, (build, template, bos, eos)) in enumerate(MODELS.items()):
        torch.manual_seed(index)
        model = build().eval()
        randomise(model, index)
        path = os.path.join(folder, name)
        model.save_pretrained(path)
        write_tokenizer(path, template, bos, eos)
        evaluate(path, folder, settings, own_tasks)


if __name__ == "__main__":
    main(sys.argv[1])
