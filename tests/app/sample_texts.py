# SPDX-License-Identifier: Apache-2.0
"""Checks the sample's texts: usage sample_texts.py resources/sample.

The digests and sizes of the shipped files against statistics.json, and make-texts' n-gram overlap on a small fixture
against a second computation, written without regular expressions, sets of strings or its helper functions.
"""
import hashlib
import importlib.machinery
import importlib.util
import json
import pathlib
import sys

folder = pathlib.Path(sys.argv[1])
statistics = json.loads((folder / "texts" / "statistics.json").read_text(encoding="utf-8"))
shipped = sorted(path.name for path in (folder / "texts").glob("*.jsonl"))
assert shipped == ["bible.jsonl", "dictionary.jsonl", "glosses.jsonl"], shipped
for name in shipped:
    data = (folder / "texts" / name).read_bytes()
    recorded = statistics["files"][name]
    assert hashlib.sha256(data).hexdigest() == recorded["sha256"], f"{name}: not the file that was recorded"
    documents = [json.loads(line)["text"] for line in data.decode("utf-8").splitlines()]
    found = {"documents": len(documents), "characters": sum(map(len, documents)), "file_bytes": len(data)}
    assert found == {key: recorded[key] for key in found}, (name, found)
    after = statistics["overlap_with_train"][name.removesuffix(".jsonl")]["after"]
    assert after["documents"] == len(documents), name
    assert after["share_13grams"] == 0 and after["share_8grams"] < 0.01, (name, after)

# make-texts has no suffix: it is loaded by its path.
loader = importlib.machinery.SourceFileLoader("make_texts", str(folder / "make-texts"))
make_texts = importlib.util.module_from_spec(importlib.util.spec_from_loader("make_texts", loader))
loader.exec_module(make_texts)


def words_of(text):
    """Runs of lower-case ASCII letters, digits and apostrophes."""
    words, current = [], []
    for character in text.lower() + " ":
        if "a" <= character <= "z" or "0" <= character <= "9" or character == "'":
            current.append(character)
        elif current:
            words.append("".join(current))
            current = []
    return words


def occurs(sequence, training):
    """Whether the words stand side by side in a training document, by comparing at every position."""
    n = len(sequence)
    return any(document[i:i + n] == sequence for document in training for i in range(len(document) - n + 1))


def shares(texts, training):
    """(share of 8-grams, share of 13-grams, share of texts with a known 13-gram)."""
    result = []
    for n in (8, 13):
        total = hits = 0
        for words in texts:
            for i in range(len(words) - n + 1):
                total += 1
                hits += occurs(words[i:i + n], training)
        result.append(hits / max(1, total))
    touched = sum(any(occurs(words[i:i + 13], training) for i in range(len(words) - 12)) for words in texts)
    return result + [touched / max(1, len(texts))]


long = "In the beginning, a dog's 3 bones lay by the old well; nobody saw who had left them there at night."
training = [long, "Coal, n. A black stone that burns; it is dug from mines in many lands.", "Short entry."]
held_out = [
    "They say that IN THE beginning a dog's 3 bones lay by the old well, nobody saw who came.",  # a known 13-gram
    "A black stone that burns; it is dug from quarries in a few lands, and from the sea.",       # known 8-grams only
    "Nothing of this sentence was ever read by anyone in the whole of the training text before.",
    "Too short.",
]
known = make_texts.known_ngrams([held_out], training)
reported = make_texts.overlap(held_out, known)
expected = shares([words_of(text) for text in held_out], [words_of(text) for text in training])
assert reported["documents"] == 4
for key, value in zip(("share_8grams", "share_13grams", "share_documents_with_13gram"), expected):
    assert abs(reported[key] - value) <= 5e-7, (key, reported[key], value)
assert 0 < expected[1] < expected[0] < 1 and expected[2] == 0.25, expected
clean = [make_texts.is_clean(text, known) for text in held_out]
assert clean == [False, False, True, False], clean
print(f"{len(shipped)} texts as recorded; overlap of the fixture: 8-grams {expected[0]:.4f}, 13-grams {expected[1]:.4f}")
