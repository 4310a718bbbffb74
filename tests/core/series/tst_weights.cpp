// SPDX-License-Identifier: Apache-2.0
// Mapped weights under every way of storing them, hostile indexes, and fingerprints.
#include <QtTest>

#include <algorithm>
#include <bit>
#include <cstring>
#include <functional>
#include <set>

#include "core/io/files.h"
#include "core/series/number_health.h"
#include "core/series/weight_check.h"
#include "tests/core/series/make_checkpoint.h"

using namespace crest;
using namespace crest::series;
using namespace crest::test;
namespace fs = std::filesystem;

namespace {

bool holds(const CheckpointWeights& weights, const std::vector<NamedTensor>& tensors) {
    if (weights.tensors().size() != tensors.size())
        return false;
    for (const NamedTensor& tensor : tensors) {
        const auto found = weights.tensors().find(tensor.name);
        if (found == weights.tensors().end() || found->second.shape != tensor.shape ||
            found->second.bytes.size() != tensor.values.size() * 4 ||
            std::memcmp(found->second.bytes.data(), tensor.values.data(), found->second.bytes.size()) != 0)
            return false;
    }
    return true;
}

std::vector<NamedTensor> renamed(std::vector<NamedTensor> tensors,
                                 const std::function<std::string(const std::string&)>& rename) {
    for (NamedTensor& tensor : tensors)
        tensor.name = rename(tensor.name);
    return tensors;
}

std::string fingerprint(const fs::path& folder, const DecoderSpec& spec) {
    const auto weights = CheckpointWeights::open(folder, spec);
    return weights ? fingerprintWeights(*weights, spec).value() : "cannot open: " + weights.error().text();
}

} // namespace

class TestWeights : public QObject {
    Q_OBJECT
    std::unique_ptr<QTemporaryDir> m_folder;
    fs::path root() const { return fs::canonical(m_folder->path().toStdString()); }

private Q_SLOTS:
    void init() { m_folder = std::make_unique<QTemporaryDir>(); }

    void opensBothFamilies() {
        for (const char* family : {"llama", "gpt_neox"}) {
            const DecoderSpec spec = tinySpec(family);
            QVERIFY(makeCheckpoint(root() / family, spec, 3));
            auto weights = CheckpointWeights::open(root() / family, spec);
            QVERIFY2(weights, weights ? "" : weights.error().text().c_str());
            QVERIFY(holds(*weights, randomTensors(spec, 3)));
            weights->willNeed();
            const CheckpointWeights moved = std::move(*weights);
            QVERIFY(holds(moved, randomTensors(spec, 3)));
        }
    }
    void shardedIsTheSame() {
        const DecoderSpec spec = tinySpec();
        QVERIFY(makeCheckpoint(root() / "whole", spec));
        QVERIFY(writeShards(root() / "shards", randomTensors(spec, 1), 3));
        const auto weights = CheckpointWeights::open(root() / "shards", spec);
        QVERIFY2(weights, weights ? "" : weights.error().text().c_str());
        QVERIFY(holds(*weights, randomTensors(spec, 1)));
        QCOMPARE(fingerprint(root() / "shards", spec), fingerprint(root() / "whole", spec));
    }
    void foreignNames_data() {
        QTest::addColumn<QString>("family");
        QTest::addColumn<QString>("prefix");
        QTest::addColumn<bool>("strip");
        QTest::newRow("module.") << "llama"
                                 << "module." << false;
        QTest::newRow("_orig_mod.module.") << "llama"
                                           << "_orig_mod.module." << false;
        QTest::newRow("bare body") << "llama"
                                   << "" << true;
        QTest::newRow("neox in a wrapper") << "gpt_neox"
                                           << "model." << false;
        QTest::newRow("neox bare body") << "gpt_neox"
                                        << "" << true;
    }
    void foreignNames() {
        QFETCH(QString, family);
        QFETCH(QString, prefix);
        QFETCH(bool, strip);
        const DecoderSpec spec = tinySpec(family.toStdString());
        const std::string body = family == "llama" ? "model." : "gpt_neox.";
        const auto tensors = renamed(randomTensors(spec, 1), [&](std::string name) {
            if (strip && name.starts_with(body))
                name.erase(0, body.size());
            return prefix.toStdString() + name;
        });
        QVERIFY(writeTensors(root() / "model.safetensors", tensors));
        const auto weights = CheckpointWeights::open(root(), spec);
        QVERIFY2(weights, weights ? "" : weights.error().text().c_str());
        QVERIFY(holds(*weights, randomTensors(spec, 1)));
    }
    void buffersAndTheOtherHeadName() {
        const DecoderSpec spec = tinySpec("gpt_neox");
        auto tensors = renamed(randomTensors(spec, 1), [](const std::string& name) {
            return name == "embed_out.weight" ? "lm_head.weight" : name; // as transformers 5 names it in memory
        });
        tensors.push_back({"gpt_neox.layers.0.attention.bias", {1, 1, 2, 2}, {1, 0, 1, 1}});
        tensors.push_back({"gpt_neox.layers.0.attention.masked_bias", {}, {-1e9f}});
        tensors.push_back({"gpt_neox.layers.0.attention.rotary_emb.inv_freq", {1}, {1}});
        QVERIFY(writeTensors(root() / "model.safetensors", tensors));
        const auto weights = CheckpointWeights::open(root(), spec);
        QVERIFY2(weights, weights ? "" : weights.error().text().c_str());
        QVERIFY(holds(*weights, randomTensors(spec, 1)));
    }
    void tiedHeads() {
        DecoderSpec spec = tinySpec();
        spec.tiedHead = true;
        const auto tensors = randomTensors(spec, 1);
        QCOMPARE(tensors.front().name, std::string("model.embed_tokens.weight"));
        auto both = tensors;
        both.push_back({"lm_head.weight", tensors.front().shape, tensors.front().values});
        QVERIFY(writeTensors(root() / "both/model.safetensors", both));
        QVERIFY(writeTensors(root() / "embedding/model.safetensors", tensors));
        auto head = tensors;
        head.front().name = "lm_head.weight";
        QVERIFY(writeTensors(root() / "head/model.safetensors", head));
        for (const char* name : {"both", "embedding", "head"}) {
            const auto weights = CheckpointWeights::open(root() / name, spec);
            QVERIFY2(weights, weights ? name : weights.error().text().c_str());
            QVERIFY2(holds(*weights, tensors), name);
        }
        both.back().values.front() += 1;
        QVERIFY(writeTensors(root() / "differ/model.safetensors", both));
        const auto differ = CheckpointWeights::open(root() / "differ", spec);
        QVERIFY(!differ);
        QVERIFY2(differ.error().message.find("tie_word_embeddings") != std::string::npos,
                 differ.error().message.c_str());
    }
    void refusesWhatContradictsTheConfig_data() {
        QTest::addColumn<QString>("change");
        QTest::addColumn<QString>("part");
        QTest::newRow("missing") << "missing"
                                 << "is missing from the weights";
        QTest::newRow("shape") << "shape"
                               << "config.json asks for [8]";
        QTest::newRow("transposed") << "transposed"
                                    << "has the shape [8, 12], config.json asks for [12, 8]";
        for (const char* name : {"model.layers.2.mlp.up_proj.weight", "layers.17.mlp.up_proj.weight", "module.model.layers.2.anything"})
            QTest::newRow(name) << QString(name) << "that one has 2 layers";
        QTest::newRow("twice") << "twice"
                               << "stored twice";
    }
    void refusesWhatContradictsTheConfig() {
        QFETCH(QString, change);
        QFETCH(QString, part);
        auto tensors = randomTensors(tinySpec(), 1);
        const auto named = [&](const char* name) {
            return std::find_if(tensors.begin(), tensors.end(),
                                [&](const NamedTensor& tensor) { return tensor.name == name; });
        };
        if (change == "missing")
            tensors.erase(named("model.layers.1.mlp.up_proj.weight"));
        if (change == "shape")
            *named("model.norm.weight") = {"model.norm.weight", {9}, std::vector<float>(9)};
        if (change == "transposed")
            named("model.layers.0.mlp.gate_proj.weight")->shape = {8, 12};
        if (change.contains("layers."))
            tensors.push_back({change.toStdString(), {4}, {1, 1, 1, 1}});
        if (change == "twice")
            tensors.push_back({"norm.weight", {8}, std::vector<float>(8)});
        QVERIFY(writeTensors(root() / "model.safetensors", tensors));
        const auto weights = CheckpointWeights::open(root(), tinySpec());
        QVERIFY(!weights);
        QCOMPARE(weights.error().kind, ErrorKind::Mismatch);
        QVERIFY2(QString::fromStdString(weights.error().message).contains(part), weights.error().message.c_str());
    }
    /// As transformers does, with a word of it (formats.md 2.1).
    void whatHasNoPlaceIsLeftOut() {
        auto tensors = randomTensors(tinySpec(), 1);
        QVERIFY(makeCheckpoint(root() / "run/step1"));
        QCOMPARE(readCheckpoint(root() / "run/step1").checkpoint.state, CheckpointState::Ok);
        const auto read = [&] {
            if (!writeTensors(root() / "run/step1/model.safetensors", tensors))
                qFatal("cannot write");
            return readCheckpoint(root() / "run/step1").checkpoint;
        };
        tensors.push_back({"v_head.summary.weight", {1, 8}, std::vector<float>(8)});
        const Checkpoint one = read();
        QCOMPARE(one.state, CheckpointState::Suspect);
        QVERIFY2(one.reason.starts_with("Tensor \"v_head.summary.weight\" has no place in the model that config.json describes, and is left out"),
                 one.reason.c_str());
        tensors.push_back({"model.layers.0.self_attn.q_norm.weight", {4}, {1, 1, 1, 1}});
        tensors.push_back({"model.layers.1.self_attn.q_norm.weight", {4}, {1, 1, 1, 1}});
        QVERIFY2(read().reason.find("\" and 2 more have no place") != std::string::npos, read().reason.c_str());
        const auto weights = CheckpointWeights::open(root() / "run/step1", tinySpec());
        QVERIFY2(weights, weights ? "" : weights.error().text().c_str());
        QVERIFY(holds(*weights, randomTensors(tinySpec(), 1)));
    }
    void otherDTypesAreRefusedByName() {
        const std::vector<std::int8_t> bytes(8);
        std::vector<io::TensorToWrite> tensors;
        const auto random = randomTensors(tinySpec(), 1);
        for (const NamedTensor& tensor : random)
            tensors.push_back({tensor.name, io::DType::F32, tensor.shape, std::as_bytes(std::span(tensor.values))});
        for (io::TensorToWrite& tensor : tensors)
            if (tensor.name == "model.norm.weight")
                tensor = {tensor.name, io::DType::I8, {8}, std::as_bytes(std::span(bytes))};
        QVERIFY(io::writeSafetensors(root() / "model.safetensors", tensors));
        const auto weights = CheckpointWeights::open(root(), tinySpec());
        QVERIFY(!weights && weights.error().kind == ErrorKind::Unsupported);
        QVERIFY(weights.error().message.find("stored as I8") != std::string::npos);
    }
    void indexesThatLeadOutAreRefused_data() {
        QTest::addColumn<QString>("shard");
        for (const char* shard :
             {"../secret.safetensors", "/etc/passwd", "a/../../secret.safetensors", "..", "", "link.safetensors",
              "linked/secret.safetensors", "loop", "sub/../../secret.safetensors"})
            QTest::newRow(shard) << QString(shard);
    }
    void indexesThatLeadOutAreRefused() {
        QFETCH(QString, shard);
        const DecoderSpec spec = tinySpec();
        const fs::path folder = root() / "checkpoint";
        QVERIFY(writeTensors(root() / "secret.safetensors", randomTensors(spec, 1)));
        fs::create_directory(folder);
        fs::create_symlink(root() / "secret.safetensors", folder / "link.safetensors");
        fs::create_directory_symlink(root(), folder / "linked");
        fs::create_symlink("loop", folder / "loop");
        Json weightMap;
        for (const TensorInfo& tensor : expectedTensors(spec))
            weightMap[tensor.name] = shard.toStdString();
        writeText(folder / "model.safetensors.index.json", canonicalJson({{"weight_map", weightMap}}));
        const auto weights = CheckpointWeights::open(folder, spec);
        QVERIFY(!weights);
        QVERIFY2(shard == "loop" || weights.error().message.find("outside") != std::string::npos ||
                     weights.error().message.find("leads out") != std::string::npos,
                 weights.error().text().c_str());
    }
    void linksWithinAFolderAndAHubCacheAreFollowed() {
        const DecoderSpec spec = tinySpec();
        QVERIFY(writeShards(root() / "plain", randomTensors(spec, 1), 1));
        fs::rename(root() / "plain/model-1-of-1.safetensors", root() / "plain/data");
        fs::create_symlink("data", root() / "plain/model-1-of-1.safetensors");
        QVERIFY(CheckpointWeights::open(root() / "plain", spec));

        const fs::path model = root() / "models--org--name", snapshot = model / "snapshots" / "0123abc";
        QVERIFY(writeShards(snapshot, randomTensors(spec, 1), 2));
        fs::create_directory(model / "blobs");
        for (const char* name : {"model-1-of-2.safetensors", "model-2-of-2.safetensors"}) {
            fs::rename(snapshot / name, model / "blobs" / name);
            fs::create_symlink(fs::path("../../blobs") / name, snapshot / name);
        }
        const auto weights = CheckpointWeights::open(snapshot, spec);
        QVERIFY2(weights, weights ? "" : weights.error().text().c_str());
        fs::remove(model / "blobs" / "model-2-of-2.safetensors");
        QVERIFY(CheckpointWeights::open(snapshot, spec).error().message.find("not there") != std::string::npos);
    }
    void brokenIndexes_data() {
        QTest::addColumn<QByteArray>("index");
        QTest::newRow("not JSON") << QByteArray("{");
        QTest::newRow("array") << QByteArray("[]");
        QTest::newRow("no map") << QByteArray("{}");
        QTest::newRow("empty map") << QByteArray(R"({"weight_map":{}})");
        QTest::newRow("shard is a number") << QByteArray(R"({"weight_map":{"a":1}})");
        QTest::newRow("missing shard") << QByteArray(R"({"weight_map":{"a":"nothing.safetensors"}})");
        QTest::newRow("tensor not in the shard") << QByteArray(R"({"weight_map":{"a":"real.safetensors"}})");
        QTest::newRow("lfs") << QByteArray("version https://git-lfs.github.com/spec/v1\n");
    }
    void brokenIndexes() {
        QFETCH(QByteArray, index);
        QVERIFY(writeTensors(root() / "real.safetensors", randomTensors(tinySpec(), 1)));
        writeText(root() / "model.safetensors.index.json", index.toStdString());
        const auto weights = CheckpointWeights::open(root(), tinySpec());
        QVERIFY(!weights);
        QVERIFY(weights.error().where.find(root().string()) == 0);
    }
    void everyChangeChangesTheFingerprint() {
        const DecoderSpec spec = tinySpec();
        QVERIFY(makeCheckpoint(root() / "a", spec));
        const std::string first = fingerprint(root() / "a", spec);
        QCOMPARE(first.size(), std::size_t{64});
        fs::copy(root() / "a", root() / "copy", fs::copy_options::recursive);
        QCOMPARE(fingerprint(root() / "copy", spec), first);

        std::set<std::string> all{first};
        for (std::size_t i = 0; i < randomTensors(spec, 1).size(); ++i) {
            auto tensors = randomTensors(spec, 1);
            auto bits = std::bit_cast<std::uint32_t>(tensors[i].values.back());
            tensors[i].values.back() = std::bit_cast<float>(bits ^ 1u); // one flipped bit
            QVERIFY(writeTensors(root() / "b/model.safetensors", tensors));
            all.insert(fingerprint(root() / "b", spec));
        }
        QCOMPARE(all.size(), randomTensors(spec, 1).size() + 1);
        DecoderSpec other = spec;
        other.ropeBase = 20000;
        QVERIFY(all.insert(fingerprint(root() / "a", other)).second);
        other = spec;
        other.normEps = 1e-5;
        QVERIFY(all.insert(fingerprint(root() / "a", other)).second);
        other = spec;
        other.contextLength = 64; // changes no number
        QVERIFY(!all.insert(fingerprint(root() / "a", other)).second);
    }
    void fingerprintsStop() {
        QVERIFY(makeCheckpoint(root() / "a"));
        const auto weights = CheckpointWeights::open(root() / "a", tinySpec());
        std::stop_source stop;
        stop.request_stop();
        QCOMPARE(fingerprintWeights(*weights, tinySpec(), JobContext(stop.get_token())).error().kind,
                 ErrorKind::Stopped);
    }
    /// Every value of the types of 16 bits, against what the standard says of its bits.
    void everyShortNumber() {
        for (const auto& [type, mantissa] : {std::pair(io::DType::F16, 10), std::pair(io::DType::BF16, 7)})
            for (std::uint32_t bits = 0; bits < 0x1'0000; ++bits) {
                const auto number = static_cast<std::uint16_t>(bits);
                NumberHealth health(type);
                health.look(std::as_bytes(std::span(&number, 1)));
                const std::uint32_t exponent = (bits & 0x7fff) >> mantissa, rest = bits & ((1U << mantissa) - 1);
                const bool full = exponent == (0x7fffU >> mantissa);
                QVERIFY(health.nans() == (full && rest != 0) && health.infinities() == (full && rest == 0));
                QCOMPARE(health.onlyZeros(), exponent == 0 && rest == 0);
            }
    }
};

QTEST_APPLESS_MAIN(TestWeights)
#include "tst_weights.moc"
