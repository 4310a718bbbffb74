# SPDX-License-Identifier: Apache-2.0
"""Tiny decoders of every family that Crest opens beside llama and gpt_neox, for model_reference.py.

CASES maps a name to (build, dtype): build returns a model of transformers. FOREIGN maps a name to (build, dtype, rewrite): layouts that transformers
itself does not save; rewrite(path) turns the saved folder into that layout, while the reference stays the model that was saved. EDITED maps a name to
(build, dtype, rewrite), too, but the reference is what transformers reads from the folder as rewrite leaves it.
"""
import base64
import collections
import json
import os
import pickle

import torch
import yaml
from safetensors.torch import load_file, save_file
from transformers import (GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM, Olmo2Config, Olmo2ForCausalLM,
                          Olmo3Config, Olmo3ForCausalLM, OlmoConfig, OlmoForCausalLM, OPTConfig, OPTForCausalLM, Qwen2Config, Qwen2ForCausalLM, Qwen3Config,
                          Qwen3ForCausalLM)

import nanogpt_model

VOCAB = 331
SMALL = dict(vocab_size=VOCAB, hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=96, max_position_embeddings=64,
             tie_word_embeddings=False, pad_token_id=None, bos_token_id=None, eos_token_id=None)


def like_llama(config, model, **changes):
    return lambda: model(config(**{**SMALL, **changes}))


def gpt2(**changes):
    settings = dict(vocab_size=VOCAB, n_embd=64, n_layer=2, n_head=4, n_positions=64)
    return lambda: GPT2LMHeadModel(GPT2Config(**{**settings, **changes}))


def opt(**changes):
    settings = dict(vocab_size=VOCAB, hidden_size=64, num_hidden_layers=2, num_attention_heads=4, ffn_dim=96, max_position_embeddings=64,
                    word_embed_proj_dim=64, dropout=0.0)
    return lambda: OPTForCausalLM(OPTConfig(**{**settings, **changes}))


def rope(kind, **settings):
    return {"rope_parameters": {"rope_type": kind, "rope_theta": 10000.0, **settings}}


def llama(**changes):
    return like_llama(LlamaConfig, LlamaForCausalLM, **changes)


FULL, SLIDING = "full_attention", "sliding_attention"
CASES = {
    "olmo": (like_llama(OlmoConfig, OlmoForCausalLM), torch.float32),
    "olmo-clip-tied": (like_llama(OlmoConfig, OlmoForCausalLM, clip_qkv=0.8, tie_word_embeddings=True, num_key_value_heads=2), torch.float32),
    "olmo2": (like_llama(Olmo2Config, Olmo2ForCausalLM), torch.float32),
    "olmo2-gqa-bfloat16": (like_llama(Olmo2Config, Olmo2ForCausalLM, num_key_value_heads=2, rms_norm_eps=1e-6), torch.bfloat16),
    "olmo3": (like_llama(Olmo3Config, Olmo3ForCausalLM, num_hidden_layers=5, sliding_window=8), torch.float32),
    "olmo3-yarn": (like_llama(Olmo3Config, Olmo3ForCausalLM, num_hidden_layers=4, sliding_window=8, num_key_value_heads=2, rope_parameters={
        FULL: {"rope_type": "yarn", "rope_theta": 500000.0, "factor": 4.0, "original_max_position_embeddings": 16, "attention_factor": 1.2,
               "beta_fast": 32.0, "beta_slow": 1.0},
        SLIDING: {"rope_type": "default", "rope_theta": 500000.0}}), torch.float32),
    "mistral-window": (like_llama(MistralConfig, MistralForCausalLM, num_key_value_heads=2, sliding_window=7), torch.float32),
    "mistral-no-window": (like_llama(MistralConfig, MistralForCausalLM, num_key_value_heads=1, sliding_window=None), torch.float16),
    "qwen2": (like_llama(Qwen2Config, Qwen2ForCausalLM, num_key_value_heads=2), torch.float32),
    "qwen2-window": (like_llama(Qwen2Config, Qwen2ForCausalLM, num_hidden_layers=3, num_key_value_heads=4, use_sliding_window=True, sliding_window=5, max_window_layers=1,
                                tie_word_embeddings=True), torch.float32),
    "qwen2-layer-types": (like_llama(Qwen2Config, Qwen2ForCausalLM, num_key_value_heads=4, use_sliding_window=True, sliding_window=5,
                                     layer_types=[SLIDING, FULL]), torch.float32),
    "qwen3": (like_llama(Qwen3Config, Qwen3ForCausalLM, num_key_value_heads=2, head_dim=24), torch.float32),
    "qwen3-tied-half": (like_llama(Qwen3Config, Qwen3ForCausalLM, num_key_value_heads=4, head_dim=16, tie_word_embeddings=True), torch.float16),
    "gpt2": (gpt2(), torch.float32),
    "gpt2-wide-half": (gpt2(n_inner=80, layer_norm_epsilon=1e-3), torch.float16),
    "gpt2-scaled-by-layer": (gpt2(scale_attn_by_inverse_layer_idx=True, n_layer=3), torch.float32),
    "gpt2-untied": (gpt2(tie_word_embeddings=False), torch.float32),
    "opt": (opt(), torch.float32),
    "opt-post-norm-projected": (opt(do_layer_norm_before=False, word_embed_proj_dim=40), torch.float32),
    "opt-projected-half": (opt(word_embed_proj_dim=32), torch.float16),
    "opt-no-bias": (opt(enable_bias=False), torch.float32),
    "opt-norms-without-weights": (opt(layer_norm_elementwise_affine=False), torch.float32),
    "opt-no-final-norm": (opt(_remove_final_layer_norm=True), torch.float32),
    "llama-rope-linear": (llama(**rope("linear", factor=4.0)), torch.float32),
    "llama-rope-dynamic": (llama(**rope("dynamic", factor=2.0)), torch.float32),
    "llama-rope-llama3": (llama(**rope("llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                                       original_max_position_embeddings=16)), torch.float32),
    "llama-rope-yarn": (llama(**rope("yarn", factor=4.0, original_max_position_embeddings=16)), torch.float32),
    "llama-rope-yarn-whole": (llama(**rope("yarn", factor=4.0, original_max_position_embeddings=16, truncate=False, mscale=0.7,
                                           mscale_all_dim=0.9)), torch.float32),
}


def load(path):
    with open(os.path.join(path, "config.json")) as file:
        return json.load(file), load_file(os.path.join(path, "model.safetensors"))


def store(path, config, tensors):
    with open(os.path.join(path, "config.json"), "w") as file:
        json.dump(config, file)
    save_file({name: tensor.contiguous().clone() for name, tensor in tensors.items()}, os.path.join(path, "model.safetensors"))


def to_first_olmo(model_type):
    """The layout of allenai/OLMo-1B: fused q|k|v and up|gate, keys of its own."""

    def rewrite(path):
        config, old = load(path)
        new = {"model.transformer.wte.weight": old["model.embed_tokens.weight"]}
        if "lm_head.weight" in old:
            new["model.transformer.ff_out.weight"] = old["lm_head.weight"]
        for layer in range(config["num_hidden_layers"]):
            source, target = f"model.layers.{layer}.", f"model.transformer.blocks.{layer}."
            part = lambda name: old[f"{source}{name}_proj.weight"]
            new[target + "att_proj.weight"] = torch.cat([part("self_attn.q"), part("self_attn.k"), part("self_attn.v")])
            new[target + "attn_out.weight"] = part("self_attn.o")
            new[target + "ff_proj.weight"] = torch.cat([part("mlp.up"), part("mlp.gate")])
            new[target + "ff_out.weight"] = part("mlp.down")
        keys = {"model_type": model_type, "d_model": config["hidden_size"], "n_heads": config["num_attention_heads"], "n_layers": config["num_hidden_layers"],
                "mlp_hidden_size": 2 * config["intermediate_size"], "max_sequence_length": config["max_position_embeddings"],
                "embedding_size": config["vocab_size"], "vocab_size": config["vocab_size"] - 3, "weight_tying": config["tie_word_embeddings"],
                "clip_qkv": config["clip_qkv"], "rope": True, "alibi": False, "layer_norm_type": "default", "layer_norm_with_affine": False,
                "activation_type": "swiglu", "block_type": "sequential", "include_bias": False, "attention_layer_norm": False}
        store(path, keys, new)

    return rewrite


def to_native_olmo(as_safetensors):
    """What OLMo's own trainer writes: config.yaml with model.pt, or model.safetensors under packed names (encode_key of olmo/safetensors_util.py)."""

    def rewrite(path):
        to_first_olmo("hf_olmo")(path)
        config, tensors = load(path)
        for name in ("config.json", "model.safetensors"):
            os.remove(os.path.join(path, name))
        tensors = {name.removeprefix("model."): tensor.clone() for name, tensor in tensors.items()}
        if as_safetensors:
            save_file({base64.urlsafe_b64encode(pickle.dumps(((name,), False))).decode("ascii"): tensor for name, tensor in tensors.items()},
                      os.path.join(path, "model.safetensors"))
        else:
            torch.save(collections.OrderedDict(tensors), os.path.join(path, "model.pt"))
        config.pop("model_type")
        whole = {"run_name": "tiny", "model": {**config, "layer_norm_eps": 1e-05, "bias_for_layer_norm": None, "multi_query_attention": None, "init_fn": "mitchell"},
                 "optimizer": {"betas": [0.9, 0.95], "eps": 1e-08}, "global_train_batch_size": 8, "load_path": None, "wandb": {"tags": ["watching"]},
                 "tokenizer": {"identifier": "tokenizers/own.json"}}
        with open(os.path.join(path, "config.yaml"), "w") as file:
            yaml.safe_dump(whole, file, sort_keys=False)

    return rewrite


FOREIGN = {
    "hf-olmo": (like_llama(OlmoConfig, OlmoForCausalLM, clip_qkv=1.5), torch.float32, to_first_olmo("hf_olmo")),
    "nanogpt-of-gpt2": (gpt2(activation_function="gelu"), torch.float32, nanogpt_model.from_gpt2),
    "hf-olmo-early-tied": (like_llama(OlmoConfig, OlmoForCausalLM, tie_word_embeddings=True), torch.float32, to_first_olmo("olmo")),
    "olmo-native": (like_llama(OlmoConfig, OlmoForCausalLM, clip_qkv=1.5), torch.float32, to_native_olmo(False)),
    "olmo-native-safetensors": (like_llama(OlmoConfig, OlmoForCausalLM, tie_word_embeddings=True), torch.bfloat16, to_native_olmo(True)),
}

# Plain PyTorch: transformers has no such class. Each is saved as ckpt.pt.
NANOGPT = {
    "nanogpt": (lambda: nanogpt_model.NanoGpt(), {}),
    "nanogpt-no-bias": (lambda: nanogpt_model.NanoGpt(bias=False, n_layer=3), {}),
    "nanogpt-mask-buffer": (lambda: nanogpt_model.NanoGpt(mask=True), {"prefix": ""}),
}


def stored_head(path):
    """config.json ties the head to the embedding, and the file holds another head."""
    config, tensors = load(path)
    assert not torch.equal(tensors["lm_head.weight"], tensors[next(n for n in tensors if "embed_tokens" in n or "wte" in n)])
    store(path, {**config, "tie_word_embeddings": True}, tensors)


def head_alone(path):
    """A tied model of which the head is stored, and no embedding."""
    config, tensors = load(path)
    tensors["lm_head.weight"] = tensors.pop("model.embed_tokens.weight")
    store(path, config, tensors)


def length_outside(path):
    """The length before stretching stands beside rope_parameters, as Phi-3 has it, and goes before the one inside."""
    config, tensors = load(path)
    store(path, {**config, "original_max_position_embeddings": 16}, tensors)


EDITED = {
    "llama-yarn-length-outside": (llama(**rope("yarn", factor=4.0, original_max_position_embeddings=32)), torch.float32, length_outside),
    "llama-llama3-length-outside": (llama(**rope("llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=32)),
                                    torch.float32, length_outside),
    "llama-stored-head": (llama(num_key_value_heads=2), torch.float16, stored_head),
    "gpt2-stored-head": (gpt2(tie_word_embeddings=False), torch.float32, stored_head),
    "qwen2-head-alone": (like_llama(Qwen2Config, Qwen2ForCausalLM, num_key_value_heads=2, tie_word_embeddings=True), torch.float32, head_alone),
}
