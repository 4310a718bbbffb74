# SPDX-License-Identifier: Apache-2.0
"""Trains SentencePiece models on the spot and writes what SentencePiece, and transformers for Llama's kind, make of many strings.

    python sentencepiece_cases.py FOLDER STRINGS

FOLDER/texts.bin                the strings; none spells a control symbol, which SentencePiece does not look for in a text
FOLDER/<kind>/tokenizer.model   the model, with the tokenizer_config.json that its repository would have
FOLDER/<kind>/ids.bin           SentencePiece's ids of every string
FOLDER/<kind>/decoded.bin       SentencePiece's text of those ids, zero bytes where an unknown piece is among them
FOLDER/llama/transformers.bin   AutoTokenizer's ids with special tokens of every string and of FOLDER/special.bin, which do spell them;
                                a single 0xFFFFFFFF where transformers itself differs from SentencePiece in the ids of the text alone
FOLDER/llama/random.bin         lists of ids; FOLDER/llama/random_decoded.bin: AutoTokenizer's text of them, whole and without special tokens
FOLDER/facts.json               bos, eos, max_length, prefix of AutoTokenizer; how many strings transformers reads otherwise
Records as in tokenizer_kinds.py.
"""
import json
import os
import random
import sys

os.environ["HF_HUB_OFFLINE"] = "1"
import sentencepiece

import tokenizer_kinds as shared

CONTROL = ["<s>", "</s>", "<unk>", "<ctl>", "<pad>"]
USER = ["<sep>", "foo", "a_b"]
KINDS = {
    "llama": dict(model_type="bpe", vocab_size=2000, byte_fallback=True, normalization_rule_name="identity", remove_extra_whitespaces=False, split_digits=True,
                  allow_whitespace_only_pieces=True, character_coverage=0.99),
    "bpe_nfkc": dict(model_type="bpe", vocab_size=1500, user_defined_symbols=USER, control_symbols=["<ctl>"]),
    "bpe_across_words": dict(model_type="bpe", vocab_size=1500, byte_fallback=True, split_by_whitespace=False, normalization_rule_name="nfkc_cf", max_sentencepiece_length=12),
    "unigram_nfkc": dict(model_type="unigram", vocab_size=1500, user_defined_symbols=USER, control_symbols=["<ctl>"]),
    "unigram_bytes": dict(model_type="unigram", vocab_size=1500, byte_fallback=True, normalization_rule_name="identity", remove_extra_whitespaces=False),
    "unigram_suffix": dict(model_type="unigram", vocab_size=1200, treat_whitespace_as_suffix=True, normalization_rule_name="nmt_nfkc_cf"),
    "unigram_no_prefix": dict(model_type="unigram", vocab_size=1200, add_dummy_prefix=False, normalization_rule_name="nfkc"),
}
CONFIG = {"tokenizer_class": "LlamaTokenizer", "add_bos_token": True, "add_eos_token": False, "legacy": False, "model_max_length": 2048,
          "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
NONE = [0xFFFFFFFF]


def train(folder, training, name, settings):
    os.makedirs(os.path.join(folder, name))
    os.chdir(folder)  # a model holds the names of its files: it is the same wherever the folder is
    sentencepiece.SentencePieceTrainer.train(input=os.path.basename(training), model_prefix=os.path.join(name, "tokenizer"), hard_vocab_limit=False, minloglevel=2,
                                             num_threads=1, **settings)
    return sentencepiece.SentencePieceProcessor(model_file=os.path.join(folder, name, "tokenizer.model"))


def write_kind(folder, name, model, strings):
    ids = model.encode(strings, num_threads=1)
    shared.records(os.path.join(folder, name, "ids.bin"), ids)
    unknown = model.unk_id()
    shared.records(os.path.join(folder, name, "decoded.bin"), [b"" if unknown in row else model.decode(row).encode() for row in ids])
    return ids


def write_transformers(folder, strings, special, by_library):
    from transformers import AutoTokenizer

    place = os.path.join(folder, "llama")
    with open(os.path.join(place, "tokenizer_config.json"), "w", encoding="utf-8") as file:
        json.dump(CONFIG, file)
    with open(os.path.join(place, "config.json"), "w", encoding="utf-8") as file:
        json.dump({"model_type": "llama"}, file)
    tokenizer = AutoTokenizer.from_pretrained(place)
    fast = tokenizer.backend_tokenizer
    alone = [e.ids for e in fast.encode_batch_fast(strings, add_special_tokens=False)]
    whole = [e.ids for e in fast.encode_batch_fast(strings + special, add_special_tokens=True)]
    # One rule of transformers is known: no U+2581 in front of a text that begins with one, or with a space.
    other = {i for i, text in enumerate(strings) if alone[i] != by_library[i]}
    explained = {i for i in other if strings[i].startswith((" ", shared.META))}
    shared.records(os.path.join(place, "transformers.bin"), [NONE if i in other else row for i, row in enumerate(whole)])
    rng = random.Random(4)
    lists = [[rng.randrange(len(tokenizer)) for _ in range(rng.randint(1, 30))] for _ in range(5000)]
    shared.records(os.path.join(place, "random.bin"), lists)
    shared.records(os.path.join(place, "random_decoded.bin"), [tokenizer.decode(row, skip_special_tokens=skip).encode() for skip in (False, True) for row in lists])
    with open(os.path.join(folder, "facts.json"), "w", encoding="utf-8") as file:
        json.dump({"bos": tokenizer.bos_token_id, "eos": tokenizer.eos_token_id, "pad": tokenizer.pad_token_id, "max_length": tokenizer.model_max_length, "size": len(tokenizer),
                   "prefix": tokenizer.decode(tokenizer.bos_token_id), "other": len(other), "explained": len(explained)}, file)


if __name__ == "__main__":
    folder, count = sys.argv[1], int(sys.argv[2])
    training = os.path.join(folder, "train.txt")
    with open(training, "w", encoding="utf-8") as file:
        file.writelines(line + "\n" for document in shared.documents() for line in document.split("\n") if line.strip())
    plain = [t if isinstance(t, str) else t.decode("utf-8", errors="replace") for t in shared.texts(count + count // 5)]
    spelled = [any(control in text for control in CONTROL) for text in plain]
    strings = [text for text, there in zip(plain, spelled) if not there][:count]
    # Text right behind a special token and a space is where transformers puts no U+2581 either.
    special = [text for text, there in zip(plain, spelled) if there and "<s>" in text and not text.startswith((" ", shared.META))][:1000]
    shared.records(os.path.join(folder, "texts.bin"), [text.encode() for text in strings])
    shared.records(os.path.join(folder, "special.bin"), [text.encode() for text in special])
    for name, settings in KINDS.items():
        ids = write_kind(folder, name, train(folder, training, name, settings), strings)
        if name == "llama":
            write_transformers(folder, strings, special, ids)
