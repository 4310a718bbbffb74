# SPDX-License-Identifier: Apache-2.0
"""Writes a tokenizer of every kind that Crest reads, made on the spot, with what the tokenizers library makes of many strings.

    python tokenizer_kinds.py FOLDER STRINGS KIND...

STRINGS is their number, or "points" for strings of every code point.

FOLDER/texts.bin              the strings, as bytes that need not be UTF-8
FOLDER/<kind>/tokenizer.json  the tokenizer (vocab.json and merges.txt for the kinds that end in _files)
FOLDER/<kind>/ids.bin         ids of every string, then of the first 2,000 with special tokens around
FOLDER/<kind>/random.bin      2,000 lists of random ids
FOLDER/<kind>/decoded.bin     the text of every string's ids and of those lists
FOLDER/<kind>/skipped.bin     the same without special tokens, of the first 5,000 strings and of the lists
Every record is a 32-bit count and its bytes or 32-bit ids.
"""
import array
import functools
import io
import json
import os
import random
import shutil
import struct
import sys

os.environ["TOKENIZERS_PARALLELISM"] = "0"  # two threads need 1.7 times the processor, and are no sooner done
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "oracle"))
import tokenizer_cases as cases
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

SAMPLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "resources", "sample", "series", "sample-seed1",
                      "step015625-tokens64M", "tokenizer.json")
META = "\u2581"
BYTES = [f"<0x{b:02X}>" for b in range(256)]
MORE = ["</s>", "<s>", "<unk>", " </s> ", "<pad>", "[MASK]", "it's", META, META + "a", "<0x0A>", "<0xC3>", "\U0001f468\u200d\U0001f469\u200d\U0001f467",
        "Wort", "\u00dcber", "\u0130I\u0131", "\u03a3\u03c3\u03c2", "12,345.67", "a_b", "x  y", "\u4e2d\u6587", "fi\ufb01", "\u01c4", "\u1e9b\u0323", "\r\n", "\t"]


def texts(count):
    """Half of them as for the byte-level families, half of pieces that the other kinds are about."""
    rng = random.Random(41)
    # One in eight stays long: most of the time goes into what the reference does with many bytes.
    found = [t if rng.randrange(8) == 0 else t[:60] for t in cases.strings(count - count // 2)]
    source = cases.source_text()
    while len(found) < count:
        kind = rng.randrange(6)
        if kind == 0:
            found.append("".join(rng.choice(MORE + cases.ADDED + [" ", "  ", "a", "."]) for _ in range(rng.randint(1, 15))))
        elif kind == 1:
            found.append("".join(chr(c) for c in (rng.randrange(0x110000) for _ in range(rng.randint(1, 20))) if not 0xD800 <= c < 0xE000))
        elif kind == 2:
            found.append(bytes(rng.choice([0xED, 0xA0, 0x80, 0xBF, 0xC3, 0xE2, 0x82, 0xF0, 0x9F, 0x41, 0x20]) for _ in range(rng.randint(1, 20))))
        elif kind == 3:
            start = rng.randrange(len(source) - 300)
            found.append(rng.choice(["", " ", "  ", "\n"]) + source[start : start + rng.randint(1, 80)].upper() + rng.choice(["", " ", "   "]))
        elif kind == 4:
            found.append(rng.choice([" ", META, "\u0301", "\u00a0", "!", "9", "<0x0A>", "</s>", "\u4e2d"]) * rng.randint(1, 60) + rng.choice(["", "a", " a"]))
        else:
            found.append("".join(cases.letters(rng, rng.randint(1, 6)) + rng.choice([" ", "", "-", "  ", "\n"]) for _ in range(rng.randint(1, 10))))
    return found


def documents():
    return [d for d in cases.training_documents() if len(d) < 4000][:1500]


def trained_words(vocab, pre_tokenizer, normalizer=None, **trainer):
    """Tokens and merges of a BPE over characters."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizer
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    tokenizer.train_from_iterator(documents(), trainers.BpeTrainer(vocab_size=vocab, limit_alphabet=300, show_progress=False, **trainer))
    model = json.loads(tokenizer.to_str())["model"]
    return sorted(model["vocab"], key=model["vocab"].get), [tuple(m) for m in model["merges"]]


def sentencepiece(byte_tokens=BYTES, every_merge=True, **settings):
    """As converted from a SentencePiece model: bytes, tokens by rank, and each pair of tokens that makes a third as a merge."""
    tokens, merges = trained_words(1500, pre_tokenizers.Metaspace(prepend_scheme="always"))
    vocab = {}
    for token in ["<unk>", "<s>", "</s>"] + list(byte_tokens) + [META * n for n in (2, 3, 4, 8)] + tokens:
        vocab.setdefault(token, len(vocab))
    if every_merge:
        merges = []
        for token in sorted(vocab, key=vocab.get):
            if token.startswith("<"):
                continue
            pairs = [(token[:i], token[i:]) for i in range(1, len(token)) if token[:i] in vocab and token[i:] in vocab]
            merges += sorted(pairs, key=lambda p: (vocab[p[0]], vocab[p[1]]))
    return Tokenizer(models.BPE(vocab=vocab, merges=merges, **{"unk_token": "<unk>", "fuse_unk": True, "byte_fallback": True, **settings}))


def llama_ends(tokenizer, bos=True):
    tokenizer.add_special_tokens([AddedToken(t, normalized=False, special=True) for t in ("<unk>", "<s>", "</s>")])
    tokenizer.decoder = decoders.Sequence([decoders.Replace(META, " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    if bos:
        tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", tokenizer.token_to_id("<s>"))])
    return tokenizer


def llama2(**settings):
    tokenizer = sentencepiece(**settings)
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend(META), normalizers.Replace(" ", META)])
    return llama_ends(tokenizer)


def llama_new(scheme, split, **settings):
    tokenizer = sentencepiece(**settings)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme, split=split)
    llama_ends(tokenizer)
    tokenizer.decoder = decoders.Metaspace(prepend_scheme=scheme) if split else tokenizer.decoder
    return tokenizer


def normalized_added():
    """Added tokens of every flag that are looked for after a normalizer."""
    tokenizer = llama2()
    tokenizer.add_tokens([AddedToken("[MASK]", normalized=True), AddedToken("foo", single_word=True, normalized=True),
                          AddedToken("<mask>", lstrip=True, normalized=False), AddedToken("<left>", rstrip=True, normalized=True),
                          AddedToken("<word>", single_word=True, lstrip=True, rstrip=True, normalized=False), AddedToken("  ", normalized=False)])
    tokenizer.add_special_tokens([AddedToken("<pad>", normalized=True, special=True)])
    return tokenizer


def word_suffix(normalizer, pre_tokenizer, **trainer):
    tokens, merges = trained_words(1200, pre_tokenizer, normalizer, **trainer)
    settings = {}
    if "end_of_word_suffix" in trainer:
        settings["end_of_word_suffix"] = trainer["end_of_word_suffix"]
    if "continuing_subword_prefix" in trainer:
        settings["continuing_subword_prefix"] = trainer["continuing_subword_prefix"]
    vocab = {t: i for i, t in enumerate(["<unk>"] + [t for t in tokens if t != "<unk>"])}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges, unk_token="<unk>", **settings))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoders.BPEDecoder("</w>")
    return tokenizer


@functools.cache
def unigram_model(vocab):
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.train_from_iterator(documents(), trainers.UnigramTrainer(vocab_size=vocab, show_progress=False, unk_token="<unk>", special_tokens=["<s>", "<unk>", "</s>"]))
    return json.loads(tokenizer.to_str())["model"]


def unigram(normalizer=None, scheme="always", split=True, byte_fallback=False, vocab=1200):
    model = unigram_model(vocab)
    scored = [tuple(entry) for entry in model["vocab"]]
    if byte_fallback:
        scored += [(token, -20.0) for token in BYTES]
    tokenizer = Tokenizer(models.Unigram(scored, unk_id=model["unk_id"], byte_fallback=byte_fallback))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme, split=split)
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace(prepend_scheme=scheme)]) if byte_fallback else decoders.Metaspace(prepend_scheme=scheme)
    tokenizer.add_special_tokens(["<s>", "<unk>", "</s>"])
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", tokenizer.token_to_id("</s>"))])
    return tokenizer


CHARACTERS = None


def characters(pre_tokenizer=None, normalizer=None, decoder=None):
    """A BPE over characters whose ids show where the text was cut."""
    global CHARACTERS
    if CHARACTERS is None:
        tokens, merges = trained_words(900, pre_tokenizers.Metaspace(prepend_scheme="never", split=False))
        CHARACTERS = {t: i for i, t in enumerate(["<unk>"] + [t for t in tokens if t != "<unk>"])}, merges
    tokenizer = Tokenizer(models.BPE(vocab=CHARACTERS[0], merges=CHARACTERS[1], unk_token="<unk>"))
    if pre_tokenizer is not None:
        tokenizer.pre_tokenizer = pre_tokenizer
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    if decoder is not None:
        tokenizer.decoder = decoder
    return tokenizer


def split(pattern, behavior, invert=False):
    return characters(pre_tokenizers.Split(pattern, behavior, invert))


def character_map():
    """The compiled map that SentencePiece puts into a model (nmt_nfkc)."""
    import sentencepiece
    from sentencepiece import sentencepiece_model_pb2

    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(cases.source_text().split("\n")[:500]), model_writer=model, vocab_size=400, hard_vocab_limit=False, minloglevel=2)
    proto = sentencepiece_model_pb2.ModelProto()
    proto.ParseFromString(model.getvalue())
    return proto.normalizer_spec.precompiled_charsmap


def older_files(folder, specials, model_type, more={}, **config):
    """vocab.json, merges.txt and the configuration that OPT and GPT-2 are published with, and what transformers makes of them."""
    from transformers import AutoTokenizer

    os.makedirs(folder, exist_ok=True)
    trained = cases.train(pre_tokenizers.ByteLevel(add_prefix_space=False), specials=specials)
    model = json.loads(trained.to_str())["model"]
    files = {"vocab.json": json.dumps(model["vocab"]), "merges.txt": "#version: 0.2\n" + "".join(" ".join(m) + "\n" for m in model["merges"]),
             "tokenizer_config.json": json.dumps(config), "config.json": json.dumps({"model_type": model_type})}
    for name, content in more.items():
        files[name] = json.dumps(content(len(model["vocab"])))
    for name, text in files.items():
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(text)
    return AutoTokenizer.from_pretrained(folder).backend_tokenizer


def shipped_files(folder):
    os.makedirs(folder, exist_ok=True)
    shutil.copy(SAMPLE, folder)
    return Tokenizer.from_file(SAMPLE)


def kinds(folder):
    token = {"lstrip": False, "normalized": True, "rstrip": False, "single_word": False, "__type": "AddedToken"}
    plain = {k: v for k, v in token.items() if k != "__type"}
    for name, make in {
        "opt_files": lambda: older_files(os.path.join(folder, "opt_files"), ("<s>", "<pad>", "</s>", "<unk>"), "opt", tokenizer_class="GPT2Tokenizer", add_prefix_space=False, add_bos_token=True,
                                         pad_token={"content": "<pad>", **token}, **{f"{k}_token": {"content": "</s>", **token} for k in ("bos", "eos", "unk")}),
        "gpt2_files": lambda: older_files(os.path.join(folder, "gpt2_files"), ("<|endoftext|>",), "gpt2", model_max_length=1024),
        # No list of added tokens in the configuration: the map wins over it, and added_tokens.json counts.
        "gpt2_map_files": lambda: older_files(os.path.join(folder, "gpt2_map_files"), ("<|endoftext|>",), "gpt2", add_bos_token=True, add_prefix_space=True, bos_token="<|endoftext|>",
                                              more={"special_tokens_map.json": lambda n: {"bos_token": "<mask>", "pad_token": {**plain, "content": "<|pad|>"}},
                                                    "added_tokens.json": lambda n: {"foo": n, "<mask>": n + 1, "<left>": n + 2}}),
        # With a list, neither of them does.
        "gpt2_list_files": lambda: older_files(os.path.join(folder, "gpt2_list_files"), ("<|endoftext|>",), "gpt2", add_bos_token=True, add_eos_token=True, bos_token="<|endoftext|>",
                                               added_tokens_decoder={"0": {**plain, "content": "<|endoftext|>", "special": True, "normalized": False},
                                                                     "1200": {**plain, "content": "<both>", "lstrip": True, "rstrip": True, "special": False}},
                                               more={"special_tokens_map.json": lambda n: {"bos_token": "<mask>"}, "added_tokens.json": lambda n: {"foo": n}}),
        "sample_files": lambda: shipped_files(os.path.join(folder, "sample_files")),
        "llama2": llama2,
        "llama2_trained_merges": lambda: llama2(every_merge=False),
        "llama2_few_bytes": lambda: llama2(byte_tokens=BYTES[:200]),
        "llama2_no_bytes": lambda: llama2(byte_tokens=[], byte_fallback=False),
        "llama2_no_fusing": lambda: llama2(byte_tokens=BYTES[:130], fuse_unk=False),
        "llama2_no_unknown": lambda: llama2(byte_tokens=[], byte_fallback=False, unk_token=None),
        "llama2_whole_words": lambda: llama2(ignore_merges=True),
        "metaspace_first": lambda: llama_new("first", False),
        "metaspace_first_split": lambda: llama_new("first", True),
        "metaspace_always_split": lambda: llama_new("always", True),
        "metaspace_never": lambda: llama_new("never", False),
        "added_after_normalizer": normalized_added,
        "unigram": unigram,
        "unigram_bytes": lambda: unigram(byte_fallback=True),
        "unigram_whole": lambda: unigram(split=False, scheme="first", normalizer=normalizers.Sequence([normalizers.NFKC(), normalizers.Strip(False, True), normalizers.Replace(Regex(" {2,}"), META)])),
        "unigram_never": lambda: unigram(scheme="never", normalizer=normalizers.Sequence([normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase()])),
        "unigram_precompiled": lambda: unigram(normalizer=normalizers.Sequence([normalizers.Precompiled(character_map()), normalizers.Strip(False, True), normalizers.Replace(Regex(" {2,}"), META)])),
        "precompiled": lambda: characters(pre_tokenizers.Metaspace(prepend_scheme="first", split=False), normalizers.Precompiled(character_map())),
        "word_suffix": lambda: word_suffix(normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()]), pre_tokenizers.BertPreTokenizer(), end_of_word_suffix="</w>"),
        "word_prefix": lambda: word_suffix(normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents()]), pre_tokenizers.Whitespace(), continuing_subword_prefix="##"),
        "whitespace_split": lambda: characters(pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Digits(False)])),
        "strip_left": lambda: characters(pre_tokenizers.Metaspace(prepend_scheme="first", split=False), normalizers.Sequence([normalizers.Strip(True, False), normalizers.Replace("a", "")])),
        "byte_level_normalizer": lambda: characters(None, normalizers.Sequence([normalizers.NFC(), normalizers.ByteLevel()]), decoders.ByteLevel()),
        "byte_level_inside": lambda: characters(pre_tokenizers.Sequence([pre_tokenizers.ByteLevel(add_prefix_space=True), pre_tokenizers.Punctuation("merged_with_next")]), None, decoders.Sequence([decoders.Fuse(), decoders.ByteLevel()])),
        "no_decoder": characters,
        "delimiter": lambda: characters(pre_tokenizers.Sequence([pre_tokenizers.CharDelimiterSplit(" "), pre_tokenizers.Punctuation("removed")])),
    }.items():
        yield name, make
    for behavior in ("removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"):
        yield f"split_{behavior}", lambda b=behavior: split(" ", b)
        yield f"split_{behavior}_inverted", lambda b=behavior: split(Regex(r"\p{N}{1,3}"), b, True)
        yield f"punctuation_{behavior}", lambda b=behavior: characters(pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(r"\p{N}"), b), pre_tokenizers.Punctuation(b)]))
        yield f"split_all_{behavior}", lambda b=behavior: characters(pre_tokenizers.Split(Regex(cases.GPT2), b, b == "contiguous"))
    yield "legacy", lambda: Tokenizer.from_str(cases.legacy_file())
    yield from cases.families().items()


def records(path, rows):
    with open(path, "wb") as file:
        for row in rows:
            file.write(struct.pack("<I", len(row)) + (row if isinstance(row, bytes) else array.array("I", row).tobytes()))


def write_kind(folder, name, tokenizer, plain):
    os.makedirs(os.path.join(folder, name), exist_ok=True)
    if name.endswith("_files"):
        pass
    elif name == "legacy":
        with open(os.path.join(folder, name, "tokenizer.json"), "w", encoding="utf-8") as file:
            file.write(cases.legacy_file())
    else:
        tokenizer.save(os.path.join(folder, name, "tokenizer.json"))
    ids = [e.ids for e in tokenizer.encode_batch_fast(plain, add_special_tokens=False)]
    special = [e.ids for e in tokenizer.encode_batch_fast(plain[:2000], add_special_tokens=True)]
    records(os.path.join(folder, name, "ids.bin"), ids + special)
    rng = random.Random(3)
    limit = max(tokenizer.get_vocab().values()) + 5
    lists = [[rng.randrange(limit) for _ in range(rng.randint(1, 30))] for _ in range(2000)]
    records(os.path.join(folder, name, "random.bin"), lists)
    decodable = [row if row or name != "word_suffix" else [0] for row in ids]
    records(os.path.join(folder, name, "decoded.bin"), [t.encode() for t in tokenizer.decode_batch(decodable + lists, skip_special_tokens=False)])
    records(os.path.join(folder, name, "skipped.bin"), [t.encode() for t in tokenizer.decode_batch(decodable[:5000] + lists, skip_special_tokens=True)])


if __name__ == "__main__":
    folder, count, wanted = sys.argv[1], sys.argv[2], sys.argv[3:]
    os.makedirs(folder, exist_ok=True)
    found = cases.every_code_point() if count == "points" else texts(int(count))
    strings = [t if isinstance(t, bytes) else t.encode() for t in found]
    records(os.path.join(folder, "texts.bin"), strings)
    plain = [t.decode("utf-8", errors="replace") for t in strings]
    makers = dict(kinds(folder))
    for kind in wanted:
        write_kind(folder, kind, makers[kind](), plain)
