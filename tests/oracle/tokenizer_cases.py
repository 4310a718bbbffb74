# SPDX-License-Identifier: Apache-2.0
"""Strings of all kinds and the families of byte-level BPE, for the scripts that compare tokenizers; by itself what a trainer learns.

    python tokenizer_cases.py FOLDER

FOLDER/train.jsonl   {"text": ..}: documents for a trainer; FOLDER/trained_<vocab>_<least>.json: what the reference learns from them
"""
import inspect
import json
import os
import random
import sys

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

GPT2 = r"""'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""
CL100K = r"""(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"""
QWEN2 = CL100K.replace(r"\p{N}{1,3}", r"\p{N}")
MODULES = ["argparse", "textwrap", "json.decoder", "random", "statistics", "datetime", "tarfile", "pydoc", "difflib", "fractions"]
SPACES = [chr(c) for c in [9, 10, 11, 12, 13, 32, 32, 32, 10, 0x85, 0xA0, 0x1680, 0x2000, 0x2009, 0x2028, 0x2029, 0x202F, 0x3000, 0x200B, 0x180E, 0xFEFF]]
# First and last code point of stretches from many scripts, symbols, private use and unassigned planes.
BLOCKS = [(0x20, 0x7E), (0, 0x1F), (0x7F, 0xFF), (0x100, 0x24F), (0x300, 0x36F), (0x370, 0x3FF), (0x400, 0x52F), (0x590, 0x5FF), (0x600, 0x6FF),
          (0x900, 0x97F), (0x980, 0x9FF), (0xB80, 0xBFF), (0xE00, 0xE7F), (0x10A0, 0x10FF), (0x1100, 0x11FF), (0x1E00, 0x1EFF), (0x1F00, 0x1FFF),
          (0x2000, 0x206F), (0x2100, 0x218F), (0x2200, 0x22FF), (0x2460, 0x24FF), (0x3040, 0x30FF), (0x3200, 0x33FF), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3),
          (0xE000, 0xE0FF), (0xF900, 0xFAFF), (0xFB00, 0xFB4F), (0xFE00, 0xFE0F), (0xFF00, 0xFFEF), (0xFFF0, 0xFFFF), (0x10330, 0x1034F),
          (0x1D400, 0x1D7FF), (0x1F1E6, 0x1F1FF), (0x1F300, 0x1F64F), (0x1F900, 0x1F9FF), (0x20000, 0x2A6DF), (0x30000, 0x3134F), (0xE0000, 0xE007F),
          (0x10FF00, 0x10FFFF)]
ADDED = ["<|endoftext|>", "<mask>", "<left>", "<word>", "<both>", "foo", "  ", "   ", "        ", "\u212b\u0301x", "</s>", "<|pad|>"]


def source_text():
    return "\n".join(inspect.getsource(__import__(name, fromlist=["x"])) for name in MODULES)


def letters(rng, count):
    low, high = rng.choice(BLOCKS)
    return "".join(chr(rng.randint(low, high)) for _ in range(count))


def one_string(rng, source):
    kind = rng.randrange(14)
    if kind <= 2:  # prose and code
        start = rng.randrange(len(source) - 400)
        return source[start : start + rng.randint(1, 400)]
    if kind == 3:  # one script
        return " ".join(letters(rng, rng.randint(1, 8)) for _ in range(rng.randint(1, 12)))
    if kind == 4:  # scripts mixed
        return "".join(letters(rng, rng.randint(1, 3)) for _ in range(rng.randint(1, 30)))
    if kind == 5:  # white space of all kinds around words
        return "".join("".join(rng.choice(SPACES) for _ in range(rng.randint(0, 5))) + rng.choice(["a", "The", "1", "..", "\u00e9", "'s", "\u4e2d", ""]) for _ in range(rng.randint(1, 15)))
    if kind == 6:  # long runs
        return rng.choice(["a", " ", "\n", "0", "!", "\u00e9", "\t ", " \n", "ab", "\U0001f600", "\r\n", "'"]) * rng.randint(1, 300)
    if kind == 7:  # contractions and apostrophes
        return "".join(rng.choice(["I", "we", "'", "'s", "'S", "'LL", "'ll", "'Ve", "'re", "'rE", "'\u017f", "'d", "'m", "'x", " ", "\u2019s", "'l", "'v", "\n"]) for _ in range(rng.randint(1, 20)))
    if kind == 8:  # digits
        return "".join(rng.choice([str(rng.randrange(10 ** rng.randint(1, 12))), "\u0663\u0664", "\u00b2", "\u2167", "\u4e00", " ", ".", "-", "\U0001d7d8", "\uff11", "x", "\u0be7"]) for _ in range(rng.randint(1, 20)))
    if kind == 9:  # added tokens between words and spaces
        return "".join(rng.choice(ADDED + [" ", "  ", "a", "b1", "_", "\n", ".", "\u00e9", "\u0301", "<", "|>"]) for _ in range(rng.randint(1, 20)))
    if kind == 10:  # marks to be composed and ordered
        marks = ["\u0301", "\u0316", "\u0323", "\u0308", "\u05b0", "\u0345", "\u08d3", "\u1dfa", "\u3099", "\u1161", "\u11a8", "\u0338"]
        return "".join(rng.choice("aeiouAO=\u304b\u1100\u00e5\u1e63\u03c9\u2126\u212b ") + "".join(rng.choice(marks) for _ in range(rng.randint(0, 4))) for _ in range(rng.randint(1, 15)))
    if kind == 11:  # emoji sequences
        parts = ["\U0001f468", "\u200d", "\U0001f469", "\U0001f3fd", "\ufe0f", "\u2764", "\U0001f1e9", "\U0001f1ea", "1\ufe0f\u20e3", " ", "ok"]
        return "".join(rng.choice(parts) for _ in range(rng.randint(1, 20)))
    if kind == 12:  # bytes as characters
        return bytes(rng.randrange(256) for _ in range(rng.randint(1, 60))).decode("latin-1")
    return bytes(rng.randrange(256) for _ in range(rng.randint(1, 60)))  # bytes that are no UTF-8


def strings(count):
    rng = random.Random(20260101)
    source = source_text()
    fixed = ["", " ", "  ", "\n", "a", "<|endoftext|>", " <|endoftext|> ", "\x00", "\ufeff", "\ufffd", "I like you."]
    return fixed + [one_string(rng, source) for _ in range(count - len(fixed))]


def every_code_point():
    """All code points that are letters of some script or signs, every 16th of the planes beyond, each followed by a letter or a space now and then so that classes show."""
    points = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF and (c < 0x40000 or 0xE0000 <= c < 0xF0000 or c % 16 == 0)]
    return ["".join(chr(c) + ("a 'S"[c % 4] if c % 3 == 0 else "") for c in points[i : i + 400]) for i in range(0, len(points), 400)]


def train(pre_tokenizer, normalizer=None, vocab=1200, alphabet=True, specials=("<|endoftext|>",), **model):
    tokenizer = Tokenizer(models.BPE(**model))
    tokenizer.pre_tokenizer = pre_tokenizer
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    tokenizer.decoder = decoders.ByteLevel()
    initial = pre_tokenizers.ByteLevel.alphabet() if alphabet else []
    trainer = trainers.BpeTrainer(vocab_size=vocab, initial_alphabet=initial, special_tokens=list(specials), show_progress=False)
    documents = training_documents()
    tokenizer.train_from_iterator([d for d in documents if alphabet or d.isascii()], trainer)
    return tokenizer


def training_documents():
    rng = random.Random(7)
    paragraphs = [p for p in source_text().split("\n\n") if p.strip()]
    words = ["".join(chr(rng.randint(low, high)) for _ in range(3)) for low, high in BLOCKS[3:35] for _ in range(4)]
    mixed = [" ".join(rng.choice(words) for _ in range(20)) + "   \n\n  12345 aaaaaaa " for _ in range(200)]
    return paragraphs + mixed


def split(pattern, behavior, invert):
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), behavior=behavior, invert=invert),
                                    pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def neox():
    tokenizer = train(pre_tokenizers.ByteLevel(add_prefix_space=False), normalizers.NFC(), specials=("<|endoftext|>", "<|padding|>"))
    tokenizer.add_tokens([AddedToken(" " * n, normalized=True) for n in range(24, 1, -1)])
    tokenizer.add_tokens([AddedToken("<left>", lstrip=True, normalized=False), AddedToken("<mask>", rstrip=True, normalized=False),
                          AddedToken("<both>", lstrip=True, rstrip=True, normalized=True), AddedToken("<word>", single_word=True, normalized=False),
                          AddedToken("foo", single_word=True, normalized=True), AddedToken("\u212b\u0301x", normalized=True)])
    return tokenizer


def opt():
    tokenizer = train(pre_tokenizers.ByteLevel(add_prefix_space=True), specials=("<s>", "<pad>", "</s>", "<unk>"), unk_token="</s>")
    tokenizer.post_processor = processors.TemplateProcessing(single="</s> $A", pair="</s> $A </s> $B", special_tokens=[("</s>", 2)])
    return tokenizer


def llama3():
    tokenizer = train(split(CL100K, "isolated", False), ignore_merges=True)
    data = json.loads(tokenizer.to_str())
    for word in ["\u0120unreachable", "tokenizer", "\u0120\u0120", "\u00e9\u0122"]:  # in the vocabulary, but no merge leads there
        data["model"]["vocab"].setdefault(word, len(data["model"]["vocab"]))
    tokenizer = Tokenizer.from_str(json.dumps(data))
    tokenizer.add_special_tokens(["<|begin_of_text|>", "<|end|>"])
    begin = tokenizer.token_to_id("<|begin_of_text|>")
    tokenizer.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=False),
        processors.TemplateProcessing(single="<|begin_of_text|> $A <|end|>", special_tokens=[("<|begin_of_text|>", begin), ("<|end|>", begin + 1)])])
    return tokenizer


def legacy_file():
    """As written before tokenizers 0.20: merges as text, optional keys absent, a gap in the ids, an added token whose id is not the file's."""
    data = json.loads(train(pre_tokenizers.ByteLevel(add_prefix_space=False)).to_str())
    merges = [" ".join(m) for m in data["model"]["merges"]]
    vocab = data["model"]["vocab"]
    vocab["gap"] = len(vocab) + 50
    del data["pre_tokenizer"]["use_regex"]
    added = data["added_tokens"] + [dict(data["added_tokens"][0], content="<|pad|>", id=len(vocab) + 900)]
    return json.dumps({"version": "1.0", "added_tokens": added, "pre_tokenizer": data["pre_tokenizer"], "decoder": data["decoder"],
                       "model": {"vocab": vocab, "merges": ["#version: 0.2"] + merges}})


def families():
    """What makes a tokenizer of each family of byte-level BPE, by name."""
    byte_level = pre_tokenizers.ByteLevel
    digits = pre_tokenizers.Digits
    return {
        "gpt2": lambda: train(byte_level(add_prefix_space=False)),
        "neox": neox,
        "olmo2": lambda: train(split(CL100K, "removed", True)),
        "qwen2": lambda: train(split(QWEN2, "isolated", False), normalizers.Sequence([normalizers.NFC()])),
        "llama3": llama3,
        "smollm": lambda: train(pre_tokenizers.Sequence([digits(individual_digits=True), byte_level(add_prefix_space=False)])),
        "digit_runs": lambda: train(pre_tokenizers.Sequence([digits(individual_digits=False), byte_level(add_prefix_space=True)])),
        "split_gpt2": lambda: train(split(GPT2, "isolated", False)),
        "opt": opt,
        "few_bytes": lambda: train(byte_level(add_prefix_space=False), alphabet=False),
        "few_bytes_unknown": lambda: train(byte_level(add_prefix_space=False), alphabet=False, specials=("<unk>",), unk_token="<unk>"),
        "few_bytes_fused": lambda: train(byte_level(add_prefix_space=False), alphabet=False, specials=("<unk>",), unk_token="<unk>", fuse_unk=True),
    }


def write_lines(path, rows):
    with open(path, "w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, separators=(",", ":")) + "\n")


def write_training(folder):
    documents = training_documents()
    write_lines(os.path.join(folder, "train.jsonl"), [{"text": d} for d in documents])
    for vocab, least in [(257, 1), (300, 2), (2000, 2), (4000, 1), (100000, 3)]:
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        trainer = trainers.BpeTrainer(vocab_size=vocab, min_frequency=least, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
                                      special_tokens=["<|endoftext|>"], show_progress=False)
        tokenizer.train_from_iterator(documents, trainer)
        tokenizer.save(os.path.join(folder, f"trained_{vocab}_{least}.json"))


if __name__ == "__main__":
    os.makedirs(sys.argv[1], exist_ok=True)
    write_training(sys.argv[1])
