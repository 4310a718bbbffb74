# SPDX-License-Identifier: Apache-2.0
"""Tokenizers on one thread: Crest and the tokenizers library (for tokenizer.model SentencePiece itself) in one run, the same files and texts.

    python tests/bench/tokenizer_bench.py BUILD [MEGABYTES [FOLDER]]

BUILD is the build folder with tests/tokenizer_bench. Texts are the sources of this Python's standard library (English prose and code)
in pieces of 4,000 characters, and the same with every fourth piece in other scripts; tokenizers are trained on a part of them. Each
side runs three times in turn; the best counts. FOLDER keeps the tokenizers, so that a second run only measures.
"""
import argparse
import glob
import json
import os
import random
import struct
import subprocess
import sys
import sysconfig
import tempfile
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "oracle"))
from tokenizer_cases import BLOCKS, CL100K

META = "\u2581"


def pieces(megabytes):
    rng = random.Random(5)
    found, size = [], 0
    for path in sorted(glob.glob(sysconfig.get_paths()["stdlib"] + "/**/*.py", recursive=True)):
        if "site-packages" in path or size >= megabytes * 1e6:
            continue
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.read()
        for start in range(0, len(text), 4000):
            found.append(text[start : start + 4000])
            size += 4000
    words = [["".join(chr(rng.randint(low, high)) for _ in range(rng.randint(1, 6))) for _ in range(800)] for low, high in BLOCKS[3:30]]
    mixed = [" ".join(rng.choice(rng.choice(words)) for _ in range(500)) if i % 4 == 0 else text for i, text in enumerate(found)]
    return {"prose and code": found, "a quarter in other scripts": mixed}


def byte_level(texts, split, normalizer):
    tokenizer = Tokenizer(models.BPE())
    if normalizer:
        tokenizer.normalizer = normalizers.NFC()
    gpt2 = pre_tokenizers.ByteLevel(add_prefix_space=False)
    plain = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(CL100K), "isolated"), plain]) if split else gpt2
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=16000, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), special_tokens=["<|endoftext|>"], show_progress=False))
    return tokenizer


def llama(texts):
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.Metaspace()
    trained.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=12000, limit_alphabet=1000, show_progress=False))
    model = json.loads(trained.to_str())["model"]
    vocab = {}
    for token in ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)] + sorted(model["vocab"], key=model["vocab"].get):
        vocab.setdefault(token, len(vocab))
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[tuple(m) for m in model["merges"]], unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend(META), normalizers.Replace(" ", META)])
    tokenizer.add_special_tokens([AddedToken(t, normalized=False, special=True) for t in ("<unk>", "<s>", "</s>")])
    return tokenizer


def unigram(texts):
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.train_from_iterator(texts, trainers.UnigramTrainer(vocab_size=8000, show_progress=False, unk_token="<unk>", special_tokens=["<unk>"]))
    return tokenizer


def sentencepiece_model(folder, texts, **settings):
    """A tokenizer.model as SentencePiece trains it."""
    import sentencepiece

    lines = (line for text in texts for line in text.split("\n") if line.strip() and len(line) < 2000)
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=lines, model_prefix=folder + "/tokenizer", hard_vocab_limit=False, minloglevel=2, **settings)


def by_sentencepiece(folder, texts):
    import sentencepiece

    model = sentencepiece.SentencePieceProcessor(model_file=folder + "/tokenizer.model")
    start = time.perf_counter()
    ids = model.encode(texts, num_threads=1)
    return time.perf_counter() - start, sum(len(row) for row in ids)


def theirs(tokenizer, texts):
    start = time.perf_counter()
    encodings = tokenizer.encode_batch_fast(texts, add_special_tokens=False)
    spent = time.perf_counter() - start
    return spent, sum(len(e.ids) for e in encodings)


def ours(program, folder):
    out = subprocess.run([program, folder, folder + "/texts.bin"], check=True, capture_output=True, text=True).stdout.split()
    return float(out[0]), int(out[1])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", help="folder with tests/tokenizer_bench")
    parser.add_argument("megabytes", nargs="?", type=float, default=8, help="of text (default: 8)")
    parser.add_argument("folder", nargs="?", help="keeps the tokenizers (default: a temporary one)")
    arguments = parser.parse_args()
    program = os.path.join(arguments.build, "tests", "tokenizer_bench")
    corpora = pieces(arguments.megabytes)
    train = [t for texts in corpora.values() for t in texts[:: max(1, len(texts) // 300)]]
    makers = {"GPT-2": lambda: byte_level(train, False, False), "NeoX (NFC)": lambda: byte_level(train, False, True),
              "Llama 3, OLMo 2": lambda: byte_level(train, True, False), "Llama 2": lambda: llama(train), "Unigram": lambda: unigram([t for t in train if t.isascii()])}
    print("| tokenizer | texts | peer MB/s | Crest MB/s | ratio |\n|---|---|---|---|---|")
    pieces_of = {"SentencePiece BPE (.model)": dict(model_type="bpe", vocab_size=8000, byte_fallback=True, normalization_rule_name="identity", remove_extra_whitespaces=False),
                 "SentencePiece Unigram (.model)": dict(model_type="unigram", vocab_size=8000)}
    kept = arguments.folder or tempfile.mkdtemp()
    for name in list(makers) + list(pieces_of):
        folder = os.path.join(kept, name.split()[0].strip(",") + str(len(name)))
        os.makedirs(folder, exist_ok=True)
        if name in pieces_of and not os.path.exists(folder + "/tokenizer.model"):
            sentencepiece_model(folder, train, **pieces_of[name])
        elif name in makers and not os.path.exists(folder + "/tokenizer.json"):
            makers[name]().save(folder + "/tokenizer.json")
        peer_of = (lambda t: by_sentencepiece(folder, t)) if name in pieces_of else (lambda t: theirs(Tokenizer.from_file(folder + "/tokenizer.json"), t))
        for label, texts in corpora.items():
            data = [t.encode() for t in texts]
            with open(folder + "/texts.bin", "wb") as file:
                for text in data:
                    file.write(struct.pack("<I", len(text)) + text)
            size = sum(map(len, data)) / 1e6
            rounds = [(peer_of(texts), ours(program, folder)) for _ in range(3)]
            assert len({count for pair in rounds for _, count in pair}) == 1, "different numbers of ids"
            peer, crest = (min(pair[side][0] for pair in rounds) for side in (0, 1))
            print(f"| {name} | {label} | {size / peer:.1f} | {size / crest:.1f} | {peer / crest:.2f} |", flush=True)
