// SPDX-License-Identifier: Apache-2.0
// Checkpoints of OLMo's own trainer: config.yaml, packed names, the tokenizer beside. (That they compute what transformers
// computes: tests/core/eval/tst_loss_oracle.cpp.)
#include <QtTest>

#include "core/series/folder_stamp.h"
#include "core/series/series_rules.h"
#include "core/series/tokenizer_files.h"
#include "core/series/weights.h"
#include "core/series/yaml_text.h"
#include "tests/core/series/olmo_folder.h"

using namespace crest;
using namespace crest::series;
using namespace crest::test;
namespace fs = std::filesystem;

namespace {

bool says(const Checkpoint& checkpoint, const char* part) {
    return checkpoint.reason.find(part) != std::string::npos;
}

Series onlySeries(const fs::path& root) {
    const auto scan = scanFolder(root);
    return scan && scan->series.size() == 1 ? scan->series.front() : Series();
}

} // namespace

class OlmoNativeTest : public QObject {
    Q_OBJECT
    std::unique_ptr<QTemporaryDir> m_folder;
    fs::path root() const { return fs::canonical(m_folder->path().toStdString()); }

private Q_SLOTS:
    void init() { m_folder = std::make_unique<QTemporaryDir>(); }

    void olmosOwnCheckpoints() {
        const fs::path run = root() / "OLMo-tiny";
        for (const int step : {20, 10})
            QVERIFY(makeOlmoFolder(run / ("step" + std::to_string(step) + "-unsharded"), static_cast<unsigned>(step)));
        writeText(run / "step10-unsharded/train.pt", "never looked at");
        const Series without = onlySeries(root());
        QCOMPARE(without.checkpoints.size(), std::size_t{2});
        QVERIFY2(says(without.checkpoints[0], "OLMo's trainer saves none (config.yaml names \"tokenizers/own.json\")"),
                 without.checkpoints[0].reason.c_str());
        writeText(run / "tokenizer.json", "{}");
        writeText(run / "step30" / "config.yaml", kOlmoYaml);
        writeText(run / "step30" / "model/rank0.pt", "a part");
        const Series series = onlySeries(root());
        QCOMPARE(series.name, std::string("OLMo-tiny"));
        QCOMPARE(series.checkpoints.size(), std::size_t{3});
        QCOMPARE(series.checkpoints[2].name, std::string("step30"));
        for (const std::size_t i : {0U, 1U}) {
            const Checkpoint& checkpoint = series.checkpoints[i];
            QVERIFY2(checkpoint.state == CheckpointState::Ok, checkpoint.reason.c_str());
            QCOMPARE(checkpoint.tokens, std::optional<std::int64_t>(static_cast<std::int64_t>(i + 1) * 10 * 8 * 64));
            QCOMPARE(checkpoint.tokensSource, TokensSource::Config);
            QCOMPARE(checkpoint.family, std::string("hf_olmo"));
            QVERIFY(CheckpointWeights::open(checkpoint.path, *checkpoint.spec));
            QCOMPARE(tokenizerFolder(checkpoint.path), run);
            // A change beside the folder is a change of the checkpoint.
            const auto before = folderStamp(checkpoint.path);
            writeText(run / "tokenizer.json", std::string(i + 3, ' '));
            QVERIFY(before && folderStamp(checkpoint.path) && *before != *folderStamp(checkpoint.path));
        }
        QCOMPARE(series.checkpoints[2].state, CheckpointState::Broken);
        QVERIFY2(says(series.checkpoints[2], "unshard.py"), series.checkpoints[2].reason.c_str());
    }
    void whatOlmoDoesNotSayIsItsDefault() {
        const auto native = parseNativeOlmo("model: {d_model: 8, n_heads: 2}\n", "x");
        QVERIFY(native && !native->tokensPerStep);
        const auto spec = decoderSpecFromConfig(native->config, "x"); // no rotary positions, biases, gains
        QVERIFY(!spec && spec.error().kind == ErrorKind::Unsupported);
        for (const auto& [from, to] : {std::pair("layer_norm_type: default", "layer_norm_type: rms"),
                                       std::pair("multi_query_attention: false", "multi_query_attention: true"),
                                       std::pair("attention_layer_norm: false", "attention_layer_norm: true")}) {
            std::string changed(kOlmoYaml);
            changed.replace(changed.find(from), std::string(from).size(), to);
            const auto other = parseNativeOlmo(changed, "x");
            QVERIFY(other && !decoderSpecFromConfig(other->config, "x"));
        }
    }
    void yamlIsRead() {
        const auto read = parseYaml("# a comment\nplain: text of words\n\"quoted\": \"true\"\nsingle: '12'\nnone: ~\nempty:\n"
                                    "flags: [true, False]\nwhole: -12\nplus: +3\nreal: 1.0e-05\nshort: 1e-5\nword: 1e\n"
                                    "hex: 0x10\nbig: 9223372036854775808\nnested: {a: [{b: 1}]}\nlines: |\n  one\n  two\n"
                                    "anchored: &here 5\ntagged: !!python/tuple [1, 2]\n",
                                    "x");
        QVERIFY2(read, read ? "" : read.error().text().c_str());
        const Json expected = {{"plain", "text of words"},
                               {"quoted", "true"},
                               {"single", "12"},
                               {"none", nullptr},
                               {"empty", nullptr},
                               {"flags", {true, false}},
                               {"whole", -12},
                               {"plus", 3},
                               {"real", 1e-5},
                               {"short", 1e-5},
                               {"word", "1e"},
                               {"hex", "0x10"},
                               {"big", 9223372036854775808.0},
                               {"nested", {{"a", Json::array({Json{{"b", 1}}})}}},
                               {"lines", "one\ntwo\n"},
                               {"anchored", 5},
                               {"tagged", {1, 2}}};
        QVERIFY2(*read == expected, read->dump().c_str());
        QVERIFY(parseYaml("", "x")->is_null());
        const auto cut = parseYaml("a: 1\nb: {c: 1\n", "x.yaml");
        QVERIFY(!cut && cut.error().where == "x.yaml" && cut.error().message.find("line 3") != std::string::npos);
    }
    void packedNames() {
        QCOMPARE(plainOlmoName(packedOlmoName("transformer.wte.weight")), std::string("transformer.wte.weight"));
        // What Python 3.11 makes of pickle.dumps((("a",), True)): no name of a tensor.
        QCOMPARE(plainOlmoName("gASVCgAAAAAAAACMAWGUhZSIhpQu"), std::string("gASVCgAAAAAAAACMAWGUhZSIhpQu"));
        QCOMPARE(plainOlmoName("gASVCgAAAAAAAACMAWGUhZSJhpQu"), std::string("a")); // and of ((("a",), False))
        for (const char* other : {"gASV", "gASVCgAAAAAAAACM", "model.embed_tokens.weight", "gASV!!!!"})
            QCOMPARE(plainOlmoName(other), std::string(other));
    }
};

QTEST_APPLESS_MAIN(OlmoNativeTest)
#include "tst_olmo_native.moc"
