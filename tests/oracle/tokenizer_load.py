# SPDX-License-Identifier: Apache-2.0
"""Loads a tokenizer folder that Crest wrote, with tokenizers and with transformers, and prints the ids of texts as JSON.

    python tokenizer_load.py FOLDER TEXTS.jsonl
"""
import json
import sys

from tokenizers import Tokenizer
from transformers import AutoTokenizer

with open(sys.argv[2], encoding="utf-8") as file:
    texts = [json.loads(line)["text"] for line in file]
by_file = Tokenizer.from_file(sys.argv[1] + "/tokenizer.json")
auto = AutoTokenizer.from_pretrained(sys.argv[1])
print(json.dumps({
    "tokenizers": [e.ids for e in by_file.encode_batch(texts)],
    "transformers": [auto(t)["input_ids"] for t in texts],
    "eos": auto.eos_token_id,
    "bos": auto.bos_token_id,
    "max_length": auto.model_max_length,
    "size": len(auto),
}))
