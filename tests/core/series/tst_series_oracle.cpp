// SPDX-License-Identifier: Apache-2.0
// Against transformers: models that it saved are understood here, configs and weights from here load there as the same
// model.
#include <QtTest>

#include <cmath>

#include "core/io/files.h"
#include "core/series/series.h"
#include "core/series/weights.h"
#include "tests/core/series/make_checkpoint.h"
#include "tests/support/peers.h"

using namespace crest;
using namespace crest::series;
using namespace crest::test;
namespace fs = std::filesystem;

namespace {

/// Saves models of many shapes below argv[1], some with the config keys of transformers 4, and prints what the library
/// itself computes with.
const char* const kSave = R"(
import os
os.environ["OMP_NUM_THREADS"] = "1"  # models this small only lose by threads
import json, sys, torch
from safetensors import safe_open
from transformers import AutoConfig, AutoModelForCausalLM, LlamaConfig, GPTNeoXConfig
small = dict(vocab_size=40, hidden_size=24, num_hidden_layers=2, num_attention_heads=4, intermediate_size=20, max_position_embeddings=64)
llama = {'plain': {}, 'grouped': dict(num_key_value_heads=2), 'single_kv': dict(num_key_value_heads=1),
         'tied': dict(tie_word_embeddings=True), 'biases': dict(attention_bias=True, mlp_bias=True), 'attention_bias': dict(attention_bias=True),
         'head_dim': dict(head_dim=10, num_key_value_heads=2), 'theta': dict(rope_parameters={'rope_type': 'default', 'rope_theta': 500000.0}),
         'relu': dict(hidden_act='relu', rms_norm_eps=1e-5), 'gelu': dict(hidden_act='gelu_pytorch_tanh')}
neox = {'plain': {}, 'sequential': dict(use_parallel_residual=False), 'no_bias': dict(attention_bias=False), 'tied': dict(tie_word_embeddings=True),
        'full': dict(rope_parameters={'rope_type': 'default', 'rope_theta': 10000.0, 'partial_rotary_factor': 1.0}),
        'third': dict(rope_parameters={'rope_type': 'default', 'rope_theta': 5000.0, 'partial_rotary_factor': 0.7}), 'new': dict(hidden_act='gelu_new')}
neox = {k: {'rope_parameters': {'rope_type': 'default', 'rope_theta': 10000.0, 'partial_rotary_factor': 0.34}, **v} for k, v in neox.items()}
# What older versions wrote: keys at the top level, defaults left out.
old = {'llama_old': ('llama_theta', lambda c: (c.pop('rope_parameters'), c.pop('head_dim'), c.update(rope_theta=500000.0, rope_scaling=None, torch_dtype='float32'))),
       'llama_old_bare': ('llama_plain', lambda c: [c.pop(k) for k in ('rope_parameters', 'head_dim', 'attention_bias', 'mlp_bias', 'tie_word_embeddings', 'num_key_value_heads')]),
       'neox_old': ('gpt_neox_third', lambda c: (c.pop('rope_parameters'), c.pop('attention_bias'), c.update(rotary_emb_base=5000, rotary_pct=0.7, rope_scaling=None))),
       'neox_both': ('gpt_neox_plain', lambda c: (c.pop('rope_parameters'), c.update(rotary_emb_base=10000, rope_theta=777, rotary_pct=0.34)))}
root, facts = sys.argv[1], {}
for kind, cls, shapes in (('llama', LlamaConfig, llama), ('gpt_neox', GPTNeoXConfig, neox)):
    for name, changes in shapes.items():
        torch.manual_seed(1)
        model = AutoModelForCausalLM.from_config(cls(**{**small, **changes}))
        model.save_pretrained(os.path.join(root, f'{kind}_{name}'), max_shard_size='8KB' if name in ('grouped', 'sequential') else '1GB')
for name, (source, edit) in old.items():
    os.system(f'cp -r {root}/{source} {root}/{name}')
    config = json.load(open(f'{root}/{name}/config.json'))
    edit(config)
    json.dump(config, open(f'{root}/{name}/config.json', 'w'))
for name in sorted(os.listdir(root)):
    path = os.path.join(root, name)
    open(path + '/tokenizer.json', 'w').write('{}')
    model = AutoModelForCausalLM.from_pretrained(path)
    body = model.base_model
    inv = body.rotary_emb.inv_freq
    layer = body.layers[0]
    attention = layer.self_attn if hasattr(layer, 'self_attn') else layer.attention
    tensors = {}
    for file in os.listdir(path):
        if file.endswith('.safetensors'):
            with safe_open(os.path.join(path, file), 'pt') as f:
                tensors.update({k: list(f.get_slice(k).get_shape()) for k in f.keys()})
    facts[name] = {'tensors': tensors, 'rope_dims': 2 * len(inv), 'second_frequency': float(inv[1]) if len(inv) > 1 else None,
                   'parameters': sum(p.numel() for p in model.parameters()), 'tied': bool(model.config.tie_word_embeddings),
                   'head_size': getattr(attention, 'head_dim', None) or attention.head_size,
                   'act': str(model(torch.tensor([[1]])).logits.dtype) and (layer.mlp.act_fn if hasattr(layer.mlp, 'act_fn') else layer.mlp.act)(torch.tensor([-0.5])).item(),
                   'eps': getattr(layer.input_layernorm, 'eps', None) or layer.input_layernorm.variance_epsilon}
print(json.dumps(facts))
)";

const char* const kTree = R"(
import os, sys
from huggingface_hub._tree_cache import TreeCacheEntry, write_tree_cache
sha = '0' * 40
write_tree_cache(sys.argv[1], 'b' * 40, {'config.json': TreeCacheEntry(519, sha), 'tokenizer.json': TreeCacheEntry(9, sha),
                                         'model.safetensors': TreeCacheEntry(9, sha, '0' * 64, 9, '1' * 64), 'onnx/model.onnx': TreeCacheEntry(9, sha)})
print('true' if os.listdir(sys.argv[1] + '/trees') == ['b' * 40 + '.json'] else 'false')
)";

/// Loads every folder below argv[1] and prints what did not fit and what it then computes with.
const char* const kLoad = R"(
import os
os.environ["OMP_NUM_THREADS"] = "1"  # models this small only lose by threads
import json, sys, torch
from transformers import AutoModelForCausalLM
out = {}
for name in sorted(os.listdir(sys.argv[1])):
    model, info = AutoModelForCausalLM.from_pretrained(os.path.join(sys.argv[1], name), output_loading_info=True)
    inv = model.base_model.rotary_emb.inv_freq
    out[name] = {'problems': sum(len(info[k]) for k in ('missing_keys', 'unexpected_keys', 'mismatched_keys', 'error_msgs') if k in info),
                 'parameters': sum(p.numel() for p in model.parameters()), 'rope_dims': 2 * len(inv),
                 'finite': bool(torch.isfinite(model(torch.tensor([[1, 2, 3]])).logits).all()),
                 'parallel': getattr(model.config, 'use_parallel_residual', False), 'act': model.config.hidden_act,
                 'second_frequency': float(inv[1]) if len(inv) > 1 else None, 'context': model.config.max_position_embeddings}
print(json.dumps(out))
)";

/// The JSON that a Python program prints of `place`, which is `folder` or below it.
Json python(const char* program, const std::string& place, const QTemporaryDir& folder) {
    const auto printed = test::askPeerOnce({{}, {QString::fromStdString(place)}, folder.path(), {}, QString::fromUtf8(program)});
    if (!printed)
        qWarning("%s", printed.error().text().c_str());
    const auto json = parseJson(printed.value_or(""), "python");
    return json ? *json : Json();
}

/// Value of the activation at -0.5, by its definition.
double activationAt(Activation activation) {
    const double x = -0.5;
    switch (activation) {
    case Activation::Silu:
        return x / (1 + std::exp(-x));
    case Activation::GeluErf:
        return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
    case Activation::GeluTanh:
        return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    case Activation::Relu:
        return 0;
    }
    return NAN;
}

double secondFrequency(const DecoderSpec& spec) {
    return std::pow(spec.ropeBase, -2.0 / static_cast<double>(spec.ropeDims));
}

} // namespace

class TestSeriesOracle : public QObject {
    Q_OBJECT
    QTemporaryDir m_theirs, m_ours;

private Q_SLOTS:
    void savedModelsAreUnderstood() {
        const fs::path root = m_theirs.path().toStdString();
        const Json facts = python(kSave, root.string(), m_theirs);
        QVERIFY2(facts.is_object(), "the reference did not run");
        QCOMPARE(facts.size(), std::size_t{21});
        for (const auto& [name, fact] : facts.items()) {
            const Checkpoint checkpoint = readCheckpoint(root / name).checkpoint;
            QVERIFY2(checkpoint.state == CheckpointState::Ok, (name + ": " + checkpoint.reason).c_str());
            const DecoderSpec& spec = *checkpoint.spec;
            Json tensors = Json::object();
            for (const TensorInfo& tensor : expectedTensors(spec))
                tensors[tensor.name] = tensor.shape;
            QVERIFY2(tensors == fact["tensors"], (name + ": " + tensors.dump() + fact["tensors"].dump()).c_str());
            QCOMPARE(parameterCount(spec), fact["parameters"].get<std::int64_t>());
            QCOMPARE(spec.ropeDims, fact["rope_dims"].get<std::int64_t>());
            if (!fact["second_frequency"].is_null())
                QVERIFY2(std::abs(secondFrequency(spec) / fact["second_frequency"].get<double>() - 1) < 1e-6,
                         name.c_str());
            QCOMPARE(spec.tiedHead, fact["tied"].get<bool>());
            QCOMPARE(spec.headSize, fact["head_size"].get<std::int64_t>());
            QCOMPARE(spec.normEps, fact["eps"].get<double>());
            QVERIFY2(std::abs(activationAt(spec.activation) - fact["act"].get<double>()) < 1e-6, name.c_str());
            QVERIFY2(CheckpointWeights::open(root / name, spec), name.c_str());
        }
    }
    /// The list of a commit's files, as huggingface_hub itself writes it.
    void hubTreesAreUnderstood() {
        QTemporaryDir cache;
        const std::string commit(40, 'b');
        const fs::path home = fs::path(cache.path().toStdString()) / "models--a--b", snapshot = home / "snapshots" / commit;
        QVERIFY(makeCheckpoint(snapshot));
        writeText(home / "refs/main", commit);
        const Json done = python(kTree, home.string(), cache);
        QVERIFY2(done == Json(true), "the reference did not run");
        QVERIFY(readCheckpoint(snapshot).checkpoint.state == CheckpointState::Ok);
        fs::remove(snapshot / "model.safetensors");
        fs::remove(snapshot / "config.json");
        const Checkpoint part = readCheckpoint(snapshot).checkpoint;
        QVERIFY2(part.reason.find("config.json, model.safetensors are missing") != std::string::npos,
                 part.reason.c_str());
    }
    void oursLoadsThere() {
        const fs::path root = m_ours.path().toStdString();
        std::map<std::string, DecoderSpec> specs;
        for (const char* family : {"llama", "gpt_neox"}) {
            const std::string prefix = family;
            specs[prefix] = tinySpec(family);
            specs[prefix + "_tied"] = tinySpec(family);
            specs[prefix + "_tied"].tiedHead = true;
            specs[prefix + "_tanh"] = tinySpec(family);
            specs[prefix + "_tanh"].activation = Activation::GeluTanh;
            specs[prefix + "_tanh"].ropeBase = 500000;
            specs[prefix + "_bias"] = tinySpec(family);
            DecoderSpec& bias = specs[prefix + "_bias"];
            bias.qkvBias = bias.attentionOutputBias = !bias.qkvBias;
            bias.mlpBias = true;
            bias.parallelResidual = false;
        }
        specs["llama_head"] = tinySpec();
        specs["llama_head"].headSize = specs["llama_head"].ropeDims = 6;
        specs["neox_odd_share"] = tinySpec("gpt_neox");
        specs["neox_odd_share"].width = 44; // heads of 22, 6 of them rotated: a share that is no short fraction
        specs["neox_odd_share"].headSize = 22;
        specs["neox_odd_share"].ropeDims = 6;
        for (const auto& [name, spec] : specs)
            QVERIFY(makeCheckpoint(root / name, spec));
        QVERIFY(writeShards(root / "llama", randomTensors(specs["llama"], 1), 2));
        fs::remove(root / "llama" / "model.safetensors");
        const Json loaded = python(kLoad, root.string(), m_ours);
        QVERIFY2(loaded.is_object(), "the reference did not run");
        for (const auto& [name, spec] : specs) {
            const Json& fact = loaded[name];
            QVERIFY2(fact["problems"] == 0 && fact["finite"] == true, (name + ": " + fact.dump()).c_str());
            QCOMPARE(fact["parameters"].get<std::int64_t>(), parameterCount(spec));
            QCOMPARE(fact["rope_dims"].get<std::int64_t>(), spec.ropeDims);
            QCOMPARE(fact["parallel"].get<bool>(), spec.parallelResidual);
            QCOMPARE(fact["context"].get<std::int64_t>(), spec.contextLength);
            if (!fact["second_frequency"].is_null())
                QVERIFY(std::abs(secondFrequency(spec) / fact["second_frequency"].get<double>() - 1) < 1e-6);
        }
    }
};

QTEST_GUILESS_MAIN(TestSeriesOracle)
#include "tst_series_oracle.moc"
