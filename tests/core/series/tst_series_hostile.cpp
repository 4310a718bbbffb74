// SPDX-License-Identifier: Apache-2.0
// Hand-made hostile files of a checkpoint's folder: each makes a row with a reason, within 2 s and within the file's
// size and 64 MB of memory.
#include <fstream>
#include <functional>
#include <limits>
#include <set>

#include <fmt/format.h>
#include <QtTest>

#include "core/series/end_tokens.h"
#include "core/series/series.h"
#include "core/series/shard_index.h"
#include "tests/core/io/hostile_torch.h"
#include "tests/core/series/make_checkpoint.h"
#include "tests/support/spent.h"

using namespace crest;
using namespace crest::series;
using namespace crest::test;
namespace fs = std::filesystem;

namespace {

std::string repeated(const std::string& unit, std::size_t size) {
    std::string text;
    while (text.size() < size)
        text += unit;
    return text;
}

struct Hostile {
    const char *name, *file;
    std::function<std::string()> text;
    const char* part; ///< of the reason; "": the file is not needed, the checkpoint stays sound
};

/// Just below the largest that is read, and far above it.
constexpr std::size_t kMost = 990'000, kHuge = 60'000'000;

std::vector<Hostile> hostileConfigs() {
    return {
        {"config of empty objects", "config.json", [] { return "{\"a\":[" + repeated("{},", kMost) + "{}]}"; },
         "model_type"},
        {"config of empty lists", "config.json", [] { return "{\"a\":[" + repeated("[],", kMost) + "[]]}"; },
         "model_type"},
        {"config of numbers", "config.json", [] { return "{\"a\":[" + repeated("0,", kMost) + "0]}"; }, "model_type"},
        {"config beyond all size", "config.json", [] { return repeated(" ", kHuge); }, "config.json"},
        {"config nested deep", "config.json", [] { return "{\"a\":" + repeated("[", 400'000); }, "config.json"},
        {"config with a long family", "config.json", [] { return "{\"model_type\":\"" + repeated("x", kMost) + "\"}"; },
         "is unknown"},
        {"config with a NUL", "config.json", [] { return std::string("{\"model_type\":\"lla\0ma\"}", 23); },
         "config.json"},
        {"config that is not UTF-8", "config.json", [] { return std::string("{\"model_type\":\"\xff\xfe\"}"); },
         "config.json"},
        {"config of 2^70 layers", "config.json",
         [] { return std::string(R"({"model_type":"llama","num_hidden_layers":1180591620717411303424})"); },
         "config.json"},
        {"config that asks for 2^24 in every size", "config.json",
         [] {
             const Json config = {{"model_type", "llama"},           {"num_hidden_layers", 1024},
                                  {"hidden_size", 16'777'216},       {"vocab_size", 16'777'216},
                                  {"intermediate_size", 16'777'216}, {"num_attention_heads", 1024}};
             return config.dump();
         },
         "parameters"}};
}

std::vector<Hostile> hostileRecords() {
    return {
        {"record of empty objects", "crest.json",
         [] { return "{\"format\":1,\"a\":[" + repeated("{},", kMost) + "{}]}"; }, ""},
        {"record beyond all size", "crest.json", [] { return repeated("{", kHuge); }, "crest.json"},
        {"record with absurd tokens", "crest.json", [] { return std::string(R"({"format":1,"tokens":9e99})"); },
         "crest.json"},
        {"record nested deep", "crest.json", [] { return "{\"format\":1,\"a\":" + repeated("[", kMost); }, "nested deeper"},
        {"record that is not UTF-8", "crest.json", [] { return std::string("{\"format\":1,\"series\":\"\xff\"}"); }, "crest.json"},
        {"record with a key twice", "crest.json", [] { return std::string(R"({"format":1,"tokens":1,"tokens":2})"); }, "twice"},
        {"record of a version to come", "crest.json", [] { return std::string(R"({"format":2,"tokens":1})"); }, "another version"},
        {"record without a version", "crest.json", [] { return std::string(R"({"tokens":1})"); }, "format"},
        {"record of 2^63 tokens", "crest.json", [] { return std::string(R"({"format":1,"tokens":9223372036854775808})"); }, "tokens"},
        {"record with a step below 0", "crest.json", [] { return std::string(R"({"format":1,"step":-1})"); }, "step"},
        {"record with a seed of text", "crest.json", [] { return std::string(R"({"format":1,"pretrain_seed":"7"})"); }, "pretrain_seed"},
        {"record with a series without end", "crest.json", [] { return R"({"format":1,"series":")" + repeated("x", kMost) + "\"}"; },
         "at most 200 bytes"},
        {"record with a series of two lines", "crest.json", [] { return std::string(R"({"format":1,"series":"a\u000a\u001b[2J"})"); },
         "control characters"},
        {"record of many standard deviations", "crest.json",
         [] {
             std::string text = R"({"format":1,"init_std":{"a":0.02)";
             for (int i = 0; text.size() < kMost; ++i)
                 text += fmt::format(",\"{}\":1e300", i);
             return text + "}}";
         },
         ""},
        {"record with an endless standard deviation", "crest.json", [] { return std::string(R"({"format":1,"init_std":{"a":1e999}})"); },
         "crest.json"}};
}

std::vector<Hostile> hostileYaml() {
    return {
        {"YAML beyond all size", "config.yaml", [] { return repeated("a: 1\n", kHuge); }, "config.yaml"},
        {"YAML nested deep", "config.yaml", [] { return "a: " + repeated("[", kMost); }, "deeper than 32"},
        {"YAML indented deep", "config.yaml", [] { return repeated("- ", kMost); }, "deeper than 32"},
        {"YAML of values", "config.yaml", [] { return "a: [" + repeated("1,", kMost) + "1]"; }, "more than 100000"},
        {"YAML of keys", "config.yaml",
         [] {
             std::string text;
             for (int i = 0; text.size() < kMost; ++i)
                 text += std::to_string(i) + ":\n";
             return text;
         },
         "more than 100000"},
        {"YAML that multiplies", "config.yaml",
         [] { return std::string("a: &a [x,x,x,x]\nb: &b [*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b]\n"); }, "alias"},
        {"YAML with an object of Python", "config.yaml",
         [] { return std::string("model: !!python/object/apply:os.system [\"touch /tmp/x\"]\n"); }, "no \"model\""},
        {"YAML with a key twice", "config.yaml", [] { return std::string("model: 1\nmodel: 2\n"); }, "twice"},
        {"YAML of zeros", "config.yaml", [] { return std::string(1000, '\0'); }, "no YAML"},
        {"YAML of quotation marks", "config.yaml", [] { return "a: \"" + repeated("x", kMost); }, "no YAML"},
        {"YAML that asks for 2^24 in every size", "config.yaml",
         [] {
             return std::string("model: {d_model: 16777216, n_heads: 1024, n_layers: 1024, mlp_ratio: 16777216, "
                                "embedding_size: 16777216, rope: true, include_bias: false, layer_norm_with_affine: "
                                "false}\n");
         },
         "must"}};
}

std::vector<Hostile> hostileOthers() {
    return {
        {"generation config is not read while listing", "generation_config.json", [] { return repeated("{", kHuge); },
         ""},
        {"trainer state beyond all size", "trainer_state.json", [] { return repeated("[", kHuge); }, ""},
        {"trainer state with an absurd step", "trainer_state.json",
         [] { return std::string(R"({"global_step":99999999999999999999999})"); }, ""},
        {"trainer state with a step below 0", "trainer_state.json", [] { return std::string(R"({"global_step":-5})"); }, ""},
        {"trainer state with tokens of text", "trainer_state.json", [] { return std::string(R"({"num_input_tokens_seen":"5"})"); }, ""},
        {"trainer state nested deep", "trainer_state.json", [] { return "{\"log_history\":" + repeated("[", 190'000); }, ""},
        {"trainer state of a list", "trainer_state.json", [] { return std::string("[1,2]"); }, ""},
        {"trainer state that is not UTF-8", "trainer_state.json", [] { return std::string("{\"global_step\":5,\"a\":\"\xff\"}"); }, ""},
        {"large trainer state with an absurd step", "trainer_state.json",
         [] { return "{\n  \"global_step\": 99999999999999999999999,\n" + repeated(" ", 300'000) + "\n  \"num_input_tokens_seen\": -1\n}"; }, ""},
        {"large trainer state that breaks off", "trainer_state.json",
         [] { return repeated(" ", 300'000) + "\n  \"num_input_tokens_seen\": 12"; }, ""}};
}

const std::vector<Hostile>& hostileFiles() {
    static const std::vector<Hostile> all = [] {
        std::vector<Hostile> each;
        for (const auto& some : {hostileConfigs(), hostileRecords(), hostileYaml(), hostileOthers()})
            each.insert(each.end(), some.begin(), some.end());
        return each;
    }();
    return all;
}

} // namespace

class TestSeriesHostile : public QObject {
    Q_OBJECT
    std::unique_ptr<QTemporaryDir> m_folder;
    fs::path root() const { return fs::canonical(m_folder->path().toStdString()); }

private Q_SLOTS:
    void init() { m_folder = std::make_unique<QTemporaryDir>(); }

    void files_data() {
        QTest::addColumn<int>("index");
        for (std::size_t i = 0; i < hostileFiles().size(); ++i)
            QTest::newRow(hostileFiles()[i].name) << static_cast<int>(i);
    }
    void files() {
        QFETCH(int, index);
        const Hostile& hostile = hostileFiles()[static_cast<std::size_t>(index)];
        QVERIFY(makeCheckpoint(root()));
        std::size_t size = 0;
        {
            const std::string text = hostile.text();
            size = text.size();
            writeText(root() / hostile.file, text);
            if (hostile.file == std::string("config.yaml"))
                fs::remove(root() / "config.json");
        }
        Checkpoint read;
        const std::string over = beyondLimits(spentBy([&] { read = readCheckpoint(root()).checkpoint; }), size);
        QVERIFY2(over.empty(), over.c_str());
        if (*hostile.part == '\0') {
            QVERIFY2(read.state == CheckpointState::Ok, read.reason.c_str());
            QVERIFY(!read.step && !read.tokens && !read.batchPerDevice); // no number of such a file is believed
            return;
        }
        QVERIFY(read.state != CheckpointState::Ok);
        QVERIFY2(read.reason.find(hostile.part) != std::string::npos, read.reason.substr(0, 300).c_str());
        QVERIFY2(read.reason.size() < 1000, "a hostile text must not flood the row");
    }

    void indexes_data() {
        QTest::addColumn<QByteArray>("index");
        QTest::addColumn<QByteArray>("part");
        const auto row = [](const char* name, const std::string& text, const char* part) {
            QTest::newRow(name) << QByteArray::fromStdString(text) << QByteArray(part);
        };
        const auto to = [](const std::string& shard) { return "{\"weight_map\":{\"a\":\"" + shard + "\"}}"; };
        row("of empty objects", "{\"weight_map\":{},\"a\":[" + repeated("{},", 1'450'000) + "{}]}", "weight_map");
        row("beyond all size", "{\"weight_map\":{\"a\":\"" + repeated("b", 5'000'000) + "\"}}", "bytes");
        row("up and out", to("../secret"), "outside");
        row("up in the middle", to("a/../../secret"), "outside");
        row("absolute", to("/etc/passwd"), "outside");
        row("NUL", to("a\\u0000.safetensors"), "outside");
        row("empty name", to(""), "outside");
        row("long name", to(repeated("b", 5'000)), "outside");
        row("name as number", R"({"weight_map":{"a":1}})", "no text");
        row("map as list", R"({"weight_map":["a"]})", "weight_map");
        row("twice", R"({"weight_map":{"a":"b","a":"c"}})", "twice");
        row("deep", "{\"weight_map\":" + repeated("[", 1000), "nested deeper");
        row("nothing", "", "JSON");
        row("pointer", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "git-lfs pointer");
    }
    void indexes() {
        QFETCH(QByteArray, index);
        QFETCH(QByteArray, part);
        Result<ShardIndex> parsed;
        const std::string text = index.toStdString();
        const std::string over =
            beyondLimits(spentBy([&] { parsed = parseShardIndex(text, "x/index.json"); }), text.size());
        QVERIFY2(over.empty(), over.c_str());
        QVERIFY(!parsed);
        QCOMPARE(parsed.error().where, std::string("x/index.json"));
        QVERIFY2(parsed.error().message.find(part.toStdString()) != std::string::npos, parsed.error().message.c_str());
        QVERIFY(parsed.error().message.size() < 600);
    }
    void hubTrees_data() {
        QTest::addColumn<QByteArray>("tree");
        const auto row = [](const char* name, const std::string& text) {
            QTest::newRow(name) << QByteArray::fromStdString(text);
        };
        row("of empty objects", "{\"format_version\":1,\"a\":[" + repeated("{},", kMost) + "{}]}");
        row("of files", [] {
            std::string text = "{\"format_version\":1,\"files\":{";
            for (int i = 0; text.size() < kMost; ++i)
                text += fmt::format("{}\"{}\":{{}}", i == 0 ? "" : ",", i);
            return text + "}}";
        }());
        row("beyond all size", "{\"format_version\":1,\"files\":\"" + repeated("x", kHuge) + "\"}");
        row("of another version", "{\"format_version\":2,\"files\":{\"model.safetensors\":{}}}");
        row("nested deep", "{\"format_version\":1,\"files\":" + repeated("[", kMost));
        row("twice", R"({"format_version":1,"files":{"a":{},"a":{}}})");
        row("names that lead out", R"({"format_version":1,"files":{"../config.json":{},"/etc/passwd":{}}})");
        row("nothing", "");
    }
    void hubTrees() { // a note that is of no use is as good as none
        QFETCH(QByteArray, tree);
        const std::string commit(40, 'a');
        const fs::path home = root() / "models--a--b", snapshot = home / "snapshots" / commit;
        QVERIFY(makeCheckpoint(snapshot));
        writeText(home / "refs/main", commit);
        writeText(home / "trees" / (commit + ".json"), tree.toStdString());
        Checkpoint read;
        const std::string over = beyondLimits(spentBy([&] { read = readCheckpoint(snapshot).checkpoint; }),
                                              static_cast<std::size_t>(tree.size()));
        QVERIFY2(over.empty(), over.c_str());
        QVERIFY2(read.state == CheckpointState::Ok, read.reason.c_str());
    }

    void endTokens_data() {
        QTest::addColumn<QByteArray>("text");
        QTest::addColumn<QByteArray>("part");
        const auto row = [](const char* name, const std::string& text, const char* part) {
            QTest::newRow(name) << QByteArray::fromStdString(text) << QByteArray(part);
        };
        row("negative", R"({"eos_token_id":-1})", "no token id");
        row("beyond 64 bits", R"({"eos_token_id":18446744073709551615})", "no token id");
        row("text", R"({"eos_token_id":"</s>"})", "no token id");
        row("list in a list", R"({"eos_token_id":[[2]]})", "no token id");
        row("endless list", "{\"eos_token_id\":[" + repeated("2,", kMost) + "2]}", "1,000");
        row("of empty objects", "{\"a\":[" + repeated("{},", kMost) + "{}]}", "");
        row("beyond all size", repeated(" ", kHuge), "bytes");
        row("nested deep", "{\"a\":" + repeated("[", 400'000), "nested deeper");
    }
    void endTokens() {
        QFETCH(QByteArray, text);
        QFETCH(QByteArray, part);
        writeText(root() / "generation_config.json", text.toStdString());
        Result<std::vector<std::int32_t>> ids;
        const std::string over =
            beyondLimits(spentBy([&] { ids = recordedEndTokens(root()); }), static_cast<std::size_t>(text.size()));
        QVERIFY2(over.empty(), over.c_str());
        if (part.isEmpty()) {
            QVERIFY(ids && ids->empty());
            return;
        }
        QVERIFY(!ids);
        QVERIFY2(ids.error().message.find(part.toStdString()) != std::string::npos, ids.error().message.c_str());
    }
    void soundEndTokensAreRead() {
        writeText(root() / "config.json", R"({"eos_token_id":7})");
        QVERIFY(recordedEndTokens(root()) == std::vector<std::int32_t>{7});
        writeText(root() / "generation_config.json", R"({"eos_token_id":[2,3]})");
        QVERIFY(recordedEndTokens(root()) == (std::vector<std::int32_t>{2, 3}));
        writeText(root() / "generation_config.json", R"({"suppress_tokens":[],"bad_words_ids":[],"begin_suppress_tokens":[5],"num_beams":2})");
        QVERIFY(recordedDecoding(root()) == (std::vector<std::string>{"num_beams 2", "begin_suppress_tokens [5]"}));
        writeText(root() / "generation_config.json", R"({"eos_token_id":null})");
        QVERIFY(recordedEndTokens(root()) == std::vector<std::int32_t>{7});
    }

    /// nanoGPT's ckpt.pt, whose pickle says what a config.json would.
    void torchFiles_data() {
        QTest::addColumn<QByteArray>("pickle");
        QTest::addColumn<QByteArray>("part");
        const auto row = [](const char* name, const std::string& pickle, const char* part) {
            QTest::newRow(name) << QByteArray::fromStdString(pickle) << QByteArray(part);
        };
        using Pairs = std::vector<std::pair<std::string, std::string>>;
        const auto dict = [](const Pairs& pairs) {
            std::string out = "}(";
            for (const auto& [key, value] : pairs)
                out += text(key) + value;
            return out + "u";
        };
        const auto file = [&](const Pairs& arguments, const Pairs& more = {}) {
            Pairs all{{"n_layer", number(1)}, {"n_head", number(1)},     {"n_embd", number(4)},
                      {"block_size", number(8)}, {"vocab_size", number(8)}, {"bias", "\x88"}};
            for (const auto& [key, value] : arguments)
                for (auto& [name, usual] : all)
                    if (name == key)
                        usual = value;
            Pairs root{{"model_args", dict(all)}, {"model", dict({{"a", tensor()}})}};
            root.insert(root.end(), more.begin(), more.end());
            return kProto + dict(root) + ".";
        };
        const std::int64_t most = std::numeric_limits<std::int64_t>::max();
        row("2^63 - 1 layers", file({{"n_layer", number(most)}}), "n_layer");
        row("layers below 0", file({{"n_layer", number(-1)}}), "n_layer");
        row("layers a text", file({{"n_layer", text("12")}}), "n_layer");
        row("layers none", file({{"n_layer", "N"}}), ""); // the usual number: of another model
        row("a large width", file({{"n_embd", number(1 << 24)}, {"n_layer", number(1024)}}), "");
        row("heads that do not divide", file({{"n_head", number(3)}}), "head");
        row("no heads", file({{"n_head", number(0)}}), "head");
        row("a vocabulary of 2^40", file({{"vocab_size", number(std::int64_t{1} << 40)}}), "vocab_size");
        row("tensors of another model", file({}), "");
        row("iterations without end", file({}, {{"iter_num", number(-7)}}), "");
        row("arguments a list", kProto + dict({{"model_args", "]"}}) + ".", "no \"model_args\"");
        row("a class that is called", kProto + dict({{"model_args", global("os", "system") + "(" + text("true") + "tR"}}) + ".",
            "which no file of weights needs");
        std::string deep = kProto + dict({{"model_args", std::string(200'000, ']')}});
        row("lists without end", deep + ".", "");
        row("a long text", file({}, {{"config", text(std::string(7'000'000, 'x'))}}), "");
    }
    void torchFiles() {
        QFETCH(QByteArray, pickle);
        QFETCH(QByteArray, part);
        const std::string bytes = torchFile(pickle.toStdString());
        writeText(root() / "ckpt.pt", bytes);
        writeText(root() / "tokenizer.json", kTinyTokenizer);
        Checkpoint read;
        const std::string over =
            beyondLimits(spentBy([&] { read = readCheckpoint(root() / "ckpt.pt").checkpoint; }), bytes.size());
        QVERIFY2(over.empty(), over.c_str());
        QVERIFY(read.state == CheckpointState::Broken);
        QVERIFY2(read.reason.find(part.toStdString()) != std::string::npos && !read.reason.empty(),
                 read.reason.substr(0, 300).c_str());
        QVERIFY(read.reason.size() < 1000 && read.step.value_or(0) >= 0);
    }

    void aSoundIndexIsRead() {
        const auto parsed = parseShardIndex(
            R"({"metadata":{"total_size":"wrong"},"weight_map":{"a":"x-1.bin","b":"sub/x-2.bin"}})", "x");
        QVERIFY(parsed);
        QCOMPARE(parsed->weightMap.at("b"), std::string("sub/x-2.bin"));
        QCOMPARE(parsed->shards, (std::set<std::string>{"x-1.bin", "sub/x-2.bin"}));
    }
};

QTEST_APPLESS_MAIN(TestSeriesHostile)
#include "tst_series_hostile.moc"
