# SPDX-License-Identifier: Apache-2.0
"""Fine-tuning examples as the field's libraries make them, from rows with odd Unicode in every form that Crest reads.

    python tuning_reference.py FOLDER

FOLDER/<tokenizer>/     tokenizers (of tokenizer_cases.py, and one with SentencePiece's ways)
FOLDER/data/            rows as people have them: JSON lines, arrays, CSV, Parquet, gz
FOLDER/cases.json       {"cases": [{"tokenizer", "file", "form", "chat", "begin", "loss_on", "max_tokens", "expected"}], "splits": [..]}
FOLDER/<expected>       {"ids", "learned"} a line: what each row must give, in order

Ids and masks come from three places: TRL's own SFTTrainer (prompt and completion, plain text, truncation), transformers'
apply_chat_template with its mask of assistant tokens, and, for borders where these have no rule or another, the offsets of
the tokenizers library. The texts of the forms are written here anew, by hand.
"""
import csv
import gzip
import json
import logging
import os
import random
import re
import sys
import types

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_DISABLE_PROGRESS_BARS"] = "1"
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import datasets  # noqa: E402
import tokenizer_cases as cases  # noqa: E402
from tokenizers import Tokenizer, decoders, models, normalizers, processors, trainers  # noqa: E402
from transformers import PreTrainedTokenizerFast  # noqa: E402
from trl import SFTConfig, SFTTrainer  # noqa: E402

ROWS = 30
EOS = "<|endoftext|>"
GENERATION = {
    "tulu": """{% for m in messages %}{% if m['role'] == 'system' %}{{ '<|system|>\n' + m['content'] + '\n' }}{% elif m['role'] == 'user' %}{{ '<|user|>\n' + m['content'] + '\n' }}{% else %}{{ '<|assistant|>\n' }}{% generation %}{{ m['content'] + eos_token + ('' if loop.last else '\n') }}{% endgeneration %}{% endif %}{% endfor %}""",
    "zephyr": """{% for m in messages %}{% if m['role'] != 'assistant' %}{{ '<|' + m['role'] + '|>\n' + m['content'] + eos_token + '\n' }}{% else %}{{ '<|assistant|>\n' }}{% generation %}{{ m['content'] + eos_token + ('' if loop.last else '\n') }}{% endgeneration %}{% endif %}{% endfor %}""",
    "chatml": """{% for m in messages %}{% if m['role'] != 'assistant' %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}{% else %}{{ '<|im_start|>assistant\n' }}{% generation %}{{ m['content'] + '<|im_end|>' + ('' if loop.last else '\n') }}{% endgeneration %}{% endif %}{% endfor %}""",
}


def llama():
    """Blanks become U+2581, one is put in front, bytes stand for what is not in the vocabulary, BOS by the template."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    trainer = trainers.BpeTrainer(vocab_size=1500, show_progress=False, max_token_length=12,
                                  special_tokens=["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)])
    tokenizer.train_from_iterator([line for d in cases.training_documents()[:120] for line in d.split("\n")], trainer)
    data = json.loads(tokenizer.to_str())
    data["added_tokens"] = [t for t in data["added_tokens"] if not t["content"].startswith("<0x")]
    tokenizer = Tokenizer.from_str(json.dumps(data))
    tokenizer.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return tokenizer


def tokenizers_of(folder):
    made = {"gpt2": cases.train(cases.pre_tokenizers.ByteLevel(add_prefix_space=False)), "neox": cases.neox(),
            "qwen2": cases.train(cases.split(cases.QWEN2, "isolated", False), normalizers.Sequence([normalizers.NFC()])), "llama": llama()}
    out = {}
    for name, tokenizer in made.items():
        place = os.path.join(folder, name)
        os.makedirs(place)
        tokenizer.save(os.path.join(place, "tokenizer.json"))
        eos = "</s>" if name == "llama" else EOS
        with open(os.path.join(place, "tokenizer_config.json"), "w") as file:
            json.dump({"eos_token": eos, "bos_token": "<s>" if name == "llama" else eos}, file)
        fast = PreTrainedTokenizerFast(tokenizer_file=os.path.join(place, "tokenizer.json"), eos_token=eos, bos_token="<s>" if name == "llama" else eos)
        out[name] = (tokenizer, fast)
    return out


def first_behind(tokenizer, text, whole, place, learned):
    """The first token that reaches beyond a place of the text (`learned`), or that begins at or behind it. Where the normalizer draws
    characters of both sides together (a letter and its accent), the library's offsets name one of them alone; the place is then
    where the normalized whole leaves the normalized front, and the offsets are those in the normalized text."""
    normalize = tokenizer.normalizer.normalize_str if tokenizer.normalizer else str
    all_of_it, front = normalize(text), normalize(text[:place])
    offsets = whole.offsets
    if not all_of_it.startswith(front):
        again = tokenizer.encode(all_of_it, add_special_tokens=False)
        assert again.ids == whole.ids
        offsets, place = again.offsets, len(os.path.commonprefix([all_of_it, front]))
    fits = [i for i, (begin, end) in enumerate(offsets) if (end > place if learned else begin >= place)]
    return fits[0] if fits else len(whole.ids)


def by_offsets(tokenizer, eos, parts, prefix):
    """(text, learned) parts by the rule that Crest states: ids of the text before a border that begin the whole are all of it;
    else a token is learned where it reaches into a learned stretch. A begin token that the text has is not put there again."""
    text = "".join(part for part, _ in parts)
    if prefix and text.startswith(tokenizer.id_to_token(prefix[0])):
        prefix = []
    whole = tokenizer.encode(text, add_special_tokens=False)
    flags = [parts[0][1]] * len(whole.ids)
    place = 0
    for (part, learned), (_, following) in zip(parts, parts[1:]):
        place += len(part)
        if learned == following:
            continue
        before = tokenizer.encode(text[:place], add_special_tokens=False).ids
        clean = whole.ids[: len(before)] == before
        first = len(before) if clean else first_behind(tokenizer, text, whole, place, following)
        flags[first:] = [following] * (len(flags) - first)
    ids = prefix + whole.ids
    flags = [False] * len(prefix) + flags
    if not ids or ids[-1] != eos:
        ids, flags = ids + [eos], flags + [parts[-1][1]]
    flags[0] = False
    return {"ids": ids, "learned": [int(f) for f in flags]}


def by_trl(fast, rows, max_length=None):
    """What SFTTrainer makes of rows with prompt and completion, or with text."""
    trainer = types.SimpleNamespace(_tokenizer=fast, completion_only_loss="prompt" in rows[0], chat_template=None)
    args = SFTConfig(output_dir="unused", max_length=max_length, use_cpu=True, report_to=[], bf16=False)
    prepared = SFTTrainer._prepare_dataset(trainer, datasets.Dataset.from_list(rows), fast, args, False, None, "x")
    return [{"ids": row["input_ids"], "learned": [0] + [int(label != -100) for label in row["labels"][1:]]} for row in prepared]


def by_chat_template(tokenizer, fast, style, turns):
    """transformers' mask ends with the first token of the last character; the others of that character (its bytes, where the
    vocabulary has no token for it) are learned as well, or a line feed would be half learned."""
    made = fast.apply_chat_template(turns, chat_template=GENERATION[style], tokenize=True, return_dict=True, return_assistant_tokens_mask=True)
    ids, mask = list(made["input_ids"]), list(made["assistant_masks"])
    read = tokenizer.encode(fast.apply_chat_template(turns, chat_template=GENERATION[style], tokenize=False), add_special_tokens=False)
    assert read.ids == ids
    for i in range(1, len(ids)):
        if mask[i - 1] and read.offsets[i] == read.offsets[i - 1]:
            mask[i] = 1
    if ids[-1] != fast.eos_token_id:
        ids, mask = ids + [fast.eos_token_id], mask + [1]
    return {"ids": ids, "learned": [0] + mask[1:]}


def check_trl(fast, tokenizer, rows, made, max_length=None):
    """Ids of TRL are ours; so are its masks where the tokens of the prompt begin those of the whole, else TRL learns from where
    they part."""
    theirs = by_trl(fast, rows, max_length)
    assert len(theirs) == len(made), (len(theirs), len(made))
    same = 0
    for row, one, other in zip(rows, made, theirs):
        assert one["ids"] == other["ids"], (row, one, other)
        if one["learned"] == other["learned"]:
            same += 1
            continue
        prompt = tokenizer.encode(row["prompt"]).ids
        assert max_length is None and other["ids"][: len(prompt)] != prompt, (row, one, other)
    return same


class Texts:
    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.pool = [t for t in cases.strings(3000) if isinstance(t, str) and t.strip() and len(t) < 400]

    def one(self):
        return self.rng.choice(self.pool)

    def line(self):
        return re.sub(r"[\r\n\x00]+", " ", self.one()).strip(" ") or "x"

    def cut(self):
        """A text in two at any place, so that tokens reach across; the second is not blank."""
        while True:
            text = self.one() + self.rng.choice(["", " ", "\n", "\u0301", "e"]) + self.one()
            at = self.rng.randrange(1, len(text))
            if text[at:].strip():
                return text[:at], text[at:]

    def dialogue(self):
        turns = [{"role": "system", "content": self.line()}] if self.rng.random() < 0.3 else []
        for _ in range(self.rng.randint(1, 3)):
            turns.append({"role": "user", "content": self.one()})
            turns.append({"role": "assistant", "content": self.one()})
        if self.rng.random() < 0.2:
            turns.append({"role": "user", "content": self.one()})
        return turns


def answered(turns):
    while turns and turns[-1]["role"] != "assistant":
        turns = turns[:-1]
    return turns


def plain_dialogue(turns):
    parts = []
    for i, turn in enumerate(answered(turns)):
        last = i + 1 == len(answered(turns))
        if turn["role"] == "system":
            parts.append((turn["content"] + "\n\n", False))
        elif turn["role"] == "user":
            parts.append(("User: " + turn["content"] + "\n", False))
        else:
            parts += [("Assistant:", False), (" " + turn["content"] + ("" if last else "\n"), True)]
    return parts


def alpaca(row, end=""):
    if row["input"]:
        return ("Below is an instruction that describes a task, paired with an input that provides further context. Write a response that "
                f"appropriately completes the request.\n\n### Instruction:\n{row['instruction']}\n\n### Input:\n{row['input']}\n\n### Response:{end}")
    return ("Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n"
            f"### Instruction:\n{row['instruction']}\n\n### Response:{end}")


TREC = ["abbreviation", "entity", "description", "human", "location", "number"]


def data_sets(texts):
    """name, form, rows, and how a row reads: (text, learned) parts."""
    rng = texts.rng
    pairs = [dict(zip(("prompt", "completion"), texts.cut())) for _ in range(6 * ROWS)]
    yield "pairs.jsonl", "prompt-completion", pairs, lambda r: [(r["prompt"], False), (r["completion"], True)]
    spaced = [{"prompt": texts.line(), "completion": texts.line()} for _ in range(ROWS)]
    yield "spaced.jsonl", "prompt-completion-spaced", spaced, lambda r: [
        (r["prompt"], False), (("" if r["prompt"][-1].isspace() or r["completion"][0].isspace() else " ") + r["completion"], True)]
    tasks = [{"instruction": texts.one(), "input": texts.one() if rng.random() < 0.5 else "", "output": texts.one()} for _ in range(ROWS)]
    yield "alpaca_data.json", "alpaca", tasks, lambda r: [(alpaca(r), False), (r["output"], True)]
    yield "alpaca_data.json", "alpaca-newline", tasks, lambda r: [(alpaca(r, "\n"), False), (r["output"], True)]
    simple = [{"instruction": texts.line(), "input": texts.line() if rng.random() < 0.5 else "", "output": texts.line()} for _ in range(ROWS)]
    yield "alpaca.csv", "alpaca", simple, lambda r: [(alpaca(r), False), (r["output"], True)]
    chats = [{"dataset": "x", "id": str(i), "messages": texts.dialogue()} for i in range(ROWS)]
    yield "tulu.jsonl", "messages", chats, lambda r: plain_dialogue(r["messages"])
    as_text = [{"messages": json.dumps(r["messages"])} for r in chats]
    yield "as_text.jsonl", "messages", as_text, lambda r: plain_dialogue(json.loads(r["messages"]))
    names = {"system": "system", "user": "human", "assistant": "gpt"}
    shared = [{"id": r["id"], "conversations": [{"from": names[t["role"]], "value": t["content"]} for t in r["messages"]]} for r in chats]
    yield "sharegpt.json", "sharegpt", shared, lambda r: plain_dialogue(chats[int(r["id"])]["messages"])
    hh = []
    for _ in range(ROWS):
        turns = [(texts.one(), texts.one()) for _ in range(rng.randint(1, 3))]
        text = "".join(f"\n\nHuman: {q}\n\nAssistant: {a}" for q, a in turns) + ("\n\nHuman: and?" if rng.random() < 0.2 else "")
        hh.append({"chosen": text, "rejected": text[:10]})

    def hh_parts(row):
        pieces = re.split(r"(\n\nHuman:|\n\nAssistant:)", row["chosen"])[1:]
        parts = []
        for mark, said in zip(pieces[::2], pieces[1::2]):
            parts += [(mark + said, False)] if "Human" in mark else [(mark, False), (said, True)]
        while not parts[-1][1]:
            parts.pop()
        return parts

    yield "hh.jsonl.gz", "anthropic-hh", hh, hh_parts
    sums = [{"question": texts.one(), "answer": f"{texts.one()} is <<3*4=12>>12\n#### {i}"} for i in range(ROWS)]
    yield "gsm8k.parquet", "gsm8k", sums, lambda r: [(f"Question: {r['question']}\nAnswer:", False), (" " + r["answer"], True)]
    yield "gsm8k.parquet", "gsm8k-plain", sums, lambda r: [
        (f"Question: {r['question']}\nAnswer:", False), (" " + re.sub(r"<<[^<>]*>>", "", r["answer"]), True)]
    siqa = [{"context": texts.one(), "question": texts.one(), "answerA": texts.one(), "answerB": texts.one(), "answerC": texts.one(), "label": str(1 + i % 3)}
            for i in range(ROWS)]
    yield "siqa.jsonl", "siqa", siqa, lambda r: [(f"Q: {r['context']} {r['question']}\nA:", False), (" " + r["answer" + "ABC"[int(r["label"]) - 1]], True)]
    code = [{"content": texts.one(), "lang": "python"} for _ in range(ROWS)]
    yield "python.jsonl", "starcoder", code, lambda r: [(r["content"], True)]
    plain = [{"text": texts.one()} for _ in range(ROWS)]
    yield "plain.jsonl", "text", plain, lambda r: [(r["text"], True)]
    reviews = [{"text": texts.one(), "label": i % 2} for i in range(ROWS)]
    yield "mr.parquet", "mr", reviews, lambda r: [(f"Review: {r['text']}\nSentiment:", False), ([" negative", " positive"][r["label"]], True)]
    rte = [{"sentence1": texts.one(), "sentence2": texts.one(), "label": ["entailment", "not_entailment", 0, 1][i % 4]} for i in range(ROWS)]
    yield "rte.jsonl", "rte", rte, lambda r: [(f"{r['sentence1']}\nQuestion: {r['sentence2']} True or False?\nAnswer:", False),
                                              (" True" if r["label"] in ("entailment", 0) else " False", True)]
    boolean = [{"premise": r["sentence1"], "hypothesis": r["sentence2"], "label": i % 2} for i, r in enumerate(rte)]
    yield "superglue.jsonl", "rte-superglue", boolean, lambda r: [
        (f"{r['premise']}\nQuestion: {r['hypothesis']} True or False?\nAnswer:", False), ([" True", " False"][r["label"]], True)]
    trec = [{"text": texts.one(), "coarse_label": i % 6, "fine_label": i % 50} for i in range(ROWS)]
    yield "trec.parquet", "trec", trec, lambda r: [(f"Question: {r['text']}\nType:", False), (" " + TREC[r["coarse_label"]], True)]


def write_rows(path, rows):
    if path.endswith(".parquet"):
        datasets.Dataset.from_list(rows).to_parquet(path)
    elif path.endswith(".csv"):
        with open(path, "w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    elif path.endswith(".json"):
        with open(path, "w", encoding="utf-8") as file:
            json.dump(rows, file, ensure_ascii=False, indent=1)
    else:
        with (gzip.open(path, "wt", encoding="utf-8") if path.endswith(".gz") else open(path, "w", encoding="utf-8")) as file:
            file.writelines(json.dumps(row, ensure_ascii=i % 2 == 0) + "\n" for i, row in enumerate(rows))


def cut_to(made, most):
    made = [{"ids": m["ids"][:most], "learned": m["learned"][:most]} for m in made]
    return [m for m in made if any(m["learned"])]


def splits():
    """Row numbers by CPython's own generator."""
    for rows, held, sample, seed in [(2, 1, 0, 0), (30, 3, 5, 1), (1000, 100, 50, 42), (1000, 1, 899, 7), (7776, 778, 1000, 4294967295), (100000, 20, 6, 3)]:
        held_out = sorted(random.Random(seed).sample(range(rows), held))
        left = [row for row in range(rows) if row not in set(held_out)]
        train = sorted(random.Random(seed + 1 if seed < 4294967295 else 0).sample(left, sample)) if 0 < sample < len(left) else left
        yield {"rows": rows, "held_out_count": held, "split_seed": seed, "sample_count": sample, "sample_seed": seed + 1 if seed < 4294967295 else 0,
               "held_out": held_out, "train": train}


def main():
    folder = sys.argv[1]
    logging.disable(logging.WARNING)
    datasets.disable_progress_bars()
    os.makedirs(os.path.join(folder, "data"))
    made_tokenizers = tokenizers_of(folder)
    sets = list(data_sets(Texts(5)))
    for file, _, rows, _ in sets:
        write_rows(os.path.join(folder, "data", file), rows)
    out, checked = [], {"trl_same": 0, "trl": 0}

    def add(name, file, form, made, chat="", begin="tokenizer", loss_on="completions", max_tokens=1000000):
        expected = f"expected{len(out)}.jsonl"
        cases.write_lines(os.path.join(folder, expected), [m for m in made if any(m["learned"])])
        out.append({"tokenizer": name, "file": file, "form": form, "chat": chat, "begin": begin, "loss_on": loss_on, "max_tokens": max_tokens, "expected": expected})

    for name, (tokenizer, fast) in made_tokenizers.items():
        eos, bos = fast.eos_token_id, fast.bos_token_id
        prefix = [bos] if name == "llama" else []
        for file, form, rows, parts_of in sets:
            parts = [[p for p in parts_of(row) if p[0]] for row in rows]
            made = [by_offsets(tokenizer, eos, p, prefix) for p in parts]
            add(name, file, form, made)
            if file in ("pairs.jsonl", "plain.jsonl", "gsm8k.parquet"):  # what TRL has a form for
                trl_rows = [{"text": p[0][0]} if len(p) == 1 else {"prompt": p[0][0], "completion": p[1][0]} for p in parts]
                checked["trl"] += len(trl_rows)
                checked["trl_same"] += check_trl(fast, tokenizer, trl_rows, made)
            if file in ("plain.jsonl", "pairs.jsonl"):
                most = 30
                cut = cut_to(made, most)
                if file == "plain.jsonl" and name == "gpt2":
                    check_trl(fast, tokenizer, trl_rows, cut, most)
                add(name, file, form, cut, max_tokens=most)
                add(name, file, form, [by_offsets(tokenizer, eos, [("".join(t for t, _ in p), True)], prefix) for p in parts], loss_on="all")
                add(name, file, form, [by_offsets(tokenizer, eos, p, [bos]) for p in parts], begin="begin_token")
            if file == "tulu.jsonl":
                for style in GENERATION:
                    chat = [by_chat_template(tokenizer, fast, style, answered(row["messages"])) for row in rows]
                    add(name, file, form, chat, chat=style, begin="nothing")
    with open(os.path.join(folder, "cases.json"), "w") as file:
        json.dump({"cases": out, "splits": list(splits()), "checked": checked}, file)
    print(json.dumps(checked))


if __name__ == "__main__":
    main()
