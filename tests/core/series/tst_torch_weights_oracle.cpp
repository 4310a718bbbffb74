// SPDX-License-Identifier: Apache-2.0
// The same weights as transformers and torch store them in every form: safetensors, pytorch_model.bin whole and in
// shards, tied, transposed, as Parameters. All must give the same tensors and so the same fingerprint.
#include <QtTest>

#include <algorithm>
#include <set>

#include "core/base/json.h"
#include "core/io/files.h"
#include "core/series/series.h"
#include "core/series/weight_check.h"
#include "tests/core/series/make_checkpoint.h"
#include "tests/support/peers.h"

using namespace crest;
using namespace crest::series;
namespace fs = std::filesystem;

namespace {

/// Prints the folders that must be equal, as lists; the first of each is safetensors.
const char* const kSave = R"(
import collections, inspect, json, os, sys, torch
from transformers import AutoModelForCausalLM, GPTNeoXConfig, LlamaConfig
root, groups = sys.argv[1], []
small = dict(vocab_size=40, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=20, max_position_embeddings=64)
def folder(name, model):
    path = os.path.join(root, name)
    os.makedirs(path)
    model.config.save_pretrained(path)
    open(path + '/tokenizer.json', 'w').write('{}')
    groups[-1].append(name)
    return path + '/'
def shards(path, state, count, save=torch.save):
    names = [f'pytorch_model-{i + 1:05d}-of-{count:05d}.bin' for i in range(count)]
    parts = [collections.OrderedDict(list(state.items())[i::count]) for i in range(count)]
    for name, part in zip(names, parts):
        save(part, path + name)
    json.dump({'metadata': {'total_size': 1}, 'weight_map': {k: n for n, p in zip(names, parts) for k in p}},
              open(path + 'pytorch_model.bin.index.json', 'w'))
for cls, kind in ((LlamaConfig, 'llama'), (GPTNeoXConfig, 'gpt_neox')):
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        for tied in (False, True):
            torch.manual_seed(3)
            model = AutoModelForCausalLM.from_config(cls(**small, tie_word_embeddings=tied)).to(dtype)
            model.config.dtype = dtype
            groups.append([])
            base = f'{kind}-{str(dtype)[6:]}-{"tied" if tied else "untied"}-'
            path = folder(base + 'safetensors', model)
            model.save_pretrained(path)
            state = model.state_dict()
            torch.save(state, folder(base + 'bin', model) + 'pytorch_model.bin')
            torch.save(dict(model.named_parameters(remove_duplicate=False)), folder(base + 'parameters', model) + 'pytorch_model.bin')
            # Stored by columns; and all in one storage.
            torch.save({k: v.t().contiguous().t() if v.dim() == 2 else v for k, v in state.items()}, folder(base + 'columns', model) + 'pytorch_model.bin')
            flat = torch.cat([v.flatten() for v in state.values()])
            views, at = {}, 0
            for k, v in state.items():
                views[k] = flat[at:at + v.numel()].view(v.shape)
                at += v.numel()
            torch.save(views, folder(base + 'views', model) + 'pytorch_model.bin')
            shards(folder(base + 'shards', model), state, 3)
            both = folder(base + 'both', model)
            model.save_pretrained(both)
            torch.save({k: v + 1 for k, v in state.items()}, both + 'pytorch_model.bin')
            if 'safe_serialization' in inspect.signature(model.save_pretrained).parameters:
                model.save_pretrained(folder(base + 'library', model), safe_serialization=False)
print(json.dumps(groups))
)";

/// The JSON that a Python program prints of `place`, which is `folder` or below it.
Json python(const char* program, const std::string& place, const QTemporaryDir& folder) {
    const auto printed = test::askPeerOnce({{}, {QString::fromStdString(place)}, folder.path(), {}, QString::fromUtf8(program)});
    if (!printed)
        qWarning("%s", printed.error().text().c_str());
    const auto json = parseJson(printed.value_or(""), "python");
    return json ? *json : Json();
}

} // namespace

class TestTorchWeightsOracle : public QObject {
    Q_OBJECT
    QTemporaryDir m_folder;
    fs::path root() const { return fs::canonical(m_folder.path().toStdString()); }

private Q_SLOTS:
    void everyFormIsTheSame() {
        const Json groups = python(kSave, m_folder.path().toStdString(), m_folder);
        QCOMPARE(groups.size(), std::size_t{12});
        std::set<std::string> different;
        for (const Json& group : groups) {
            QVERIFY(group.size() >= 7);
            std::string first;
            for (const Json& name : group) {
                const fs::path folder = root() / name.get<std::string>();
                const Checkpoint checkpoint = readCheckpoint(folder).checkpoint;
                QVERIFY2(checkpoint.state == CheckpointState::Ok, checkpoint.reason.c_str());
                QCOMPARE(checkpoint.format,
                         std::string(fs::exists(folder / "model.safetensors") ? "safetensors" : "pytorch_model.bin"));
                const auto weights = CheckpointWeights::open(folder, *checkpoint.spec);
                QVERIFY2(weights, weights ? "" : weights.error().text().c_str());
                const auto fingerprint = fingerprintWeights(*weights, *checkpoint.spec);
                QVERIFY(fingerprint);
                if (first.empty())
                    first = *fingerprint;
                QVERIFY2(*fingerprint == first, folder.c_str());
            }
            different.insert(first);
        }
        QCOMPARE(different.size(), groups.size());
    }
    void whatIsWrongIsSaid() {
        const fs::path shards = root() / "llama-float32-untied-shards";
        const auto reason = [&] { return readCheckpoint(shards).checkpoint.reason; };
        QCOMPARE(reason(), std::string());
        // A shard cut short, a shard missing, a shard outside.
        fs::resize_file(shards / "pytorch_model-00002-of-00003.bin", 3000);
        QVERIFY2(reason().find("pytorch_model-00002-of-00003.bin: Not a sound zip file") == 0, reason().c_str());
        fs::remove(shards / "pytorch_model-00002-of-00003.bin");
        QVERIFY2(reason().find("named by the index but missing") != std::string::npos, reason().c_str());
        test::writeText(shards / "pytorch_model.bin.index.json",
                        R"({"weight_map": {"a": "../llama-float32-untied-bin/pytorch_model.bin"}})");
        QVERIFY2(reason().find("outside of the checkpoint's folder") != std::string::npos, reason().c_str());
        // A folder with nothing but a trainer's own pickle has no weights, and the pickle is not opened.
        const fs::path bare = root() / "bare";
        test::writeConfig(bare, test::tinySpec());
        test::writeText(bare / "training_args.bin", "\x80\x02"
                                                    "cos\nsystem\n.");
        QVERIFY2(readCheckpoint(bare).checkpoint.reason.find("There are no weights here") == 0,
                 readCheckpoint(bare).checkpoint.reason.c_str());
    }
    void weightsAreMappedNotCopied() {
        const fs::path folder = root() / "llama-float32-untied-bin";
        const auto spec = readCheckpoint(folder).checkpoint.spec;
        QVERIFY(spec);
        const auto weights = CheckpointWeights::open(folder, *spec);
        QVERIFY(weights);
        // Every tensor lies in one piece of memory as long as the file.
        const std::byte *low = nullptr, *high = nullptr;
        for (const auto& [name, tensor] : weights->tensors()) {
            low = low == nullptr || tensor.bytes.data() < low ? tensor.bytes.data() : low;
            high = std::max(high, tensor.bytes.data() + tensor.bytes.size());
        }
        QVERIFY(high - low < static_cast<std::ptrdiff_t>(fs::file_size(folder / "pytorch_model.bin")));
    }
};

QTEST_GUILESS_MAIN(TestTorchWeightsOracle)
#include "tst_torch_weights_oracle.moc"
