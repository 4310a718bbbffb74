// SPDX-License-Identifier: Apache-2.0
// The self-test table of formats.md 1.2, and what else a name tells.
#include <QtTest>

#include "core/base/json.h"
#include "core/series/known_series.h"
#include "core/series/names.h"
#include "core/series/series.h"
#include "core/series/series_rules.h"

using namespace crest;
using namespace crest::series;

namespace {

constexpr double kNone = -1;

struct NameRow {
    const char* name;
    double step, tokens;
    int stage = -1, branch = -1;
    double resolution = 0;
};
constexpr NameRow kRows[] = {
    {"step20000-tokens84B", 20000, 84e9, -1, -1, 1e9},
    {"stage1-step928646-tokens3896B", 928646, 3896e9, 1, -1, 1e9},
    {"stage2-ingredient3-step11931-tokens50B", 11931, 50e9, 2, 3, 1e9},
    {"ckpt_358", 358, kNone},
    {"step143000", 143000, kNone},
    {"pythia-160m-deduped-step1000", 1000, kNone},
    {"TinyLlama-1.1B-step-50K-105b", 50000, 105e9, -1, -1, 1e9},
    {"TinyLlama-1.1B-intermediate-step-715k-1.5T", 715000, 1.5e12, -1, -1, 1e11},
    {"TinyLlama-1.1B-intermediate-step-955k-token-2T", 955000, 2e12, -1, -1, 1e12},
    {"step-480k-token-1007B", 480000, 1007e9, -1, -1, 1e9},
    {"stage3-step-4720000", 4720000, kNone, 3},
    {"step0753851", 753851, kNone},
    {"extension_step0001220", 1220, kNone},
    {"step-024000_tokens-0100B-phase1", 24000, 100e9, 1, -1, 1e9},
    {"step2627139-tokens15T", 2627139, 15e12, -1, -1, 1e12},
    {"global_step143000", 143000, kNone},
    {"checkpoint-500", 500, kNone},
    {"iter_0005000", 5000, kNone},
    {"ckpt_20000.pt", 20000, kNone},
    {"step1000-unsharded", 1000, kNone},
    {"step0", 0, kNone},
    {"step 1000", 1000, kNone},
    {"my run checkpoint 500", 500, kNone},
    {"step 480k tokens 1007B", 480000, 1007e9, -1, -1, 1e9},
    {"tmp-checkpoint-200", 200, kNone},
    {"tokens-4M", kNone, 4e6, -1, -1, 1e6},
    {"ckpt.pt", kNone, kNone},
    {"llama-7b", kNone, kNone},
    {"OLMo-2-0425-1B", kNone, kNone},
    {"epoch3", kNone, kNone},
    {"pythia-1.4b", kNone, kNone},
    {"", kNone, kNone},
};

} // namespace

class TestNames : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void parses_data() {
        QTest::addColumn<int>("row");
        for (int i = 0; i < static_cast<int>(std::size(kRows)); ++i)
            QTest::newRow(kRows[i].name) << i;
    }
    void parses() {
        QFETCH(int, row);
        const NameRow& expected = kRows[row];
        const ParsedName parsed = parseCheckpointName(expected.name);
        QCOMPARE(parsed.step ? static_cast<double>(*parsed.step) : kNone, expected.step);
        QCOMPARE(parsed.tokens.value_or(kNone), expected.tokens);
        QCOMPARE(parsed.stage.value_or(-1), expected.stage);
        QCOMPARE(parsed.branch.value_or(-1), expected.branch);
        QCOMPARE(parsed.tokensResolution, expected.resolution);
        QVERIFY(!parsed.final);
    }
    void finals() {
        for (const char* name : {"main", "master", "final", "last", "best", "annealed", "latest", "Final"})
            QVERIFY2(parseCheckpointName(name).final, name);
        QVERIFY(!parseCheckpointName("final2").final);
        QVERIFY(!parseCheckpointName("domain").final);
    }
    void numbersThatDoNotFitAreLeftOut() {
        QVERIFY(!parseCheckpointName("step99999999999999999999").step);
        QVERIFY(!parseCheckpointName("step9223372036854775807k").step);
        QVERIFY(!parseCheckpointName("step1-tokens99999999999999999999T").tokens);
        QVERIFY(!parseCheckpointName(std::string(100'000, '-') + "step5").step);
    }
    void theSeriesPart_data() {
        QTest::addColumn<QString>("name");
        QTest::addColumn<QString>("part");
        for (const auto& [name, part] : std::initializer_list<std::pair<const char*, const char*>>{
                 {"TinyLlama-1.1B-step-50K-105b", "TinyLlama-1.1B"},
                 {"TinyLlama-1.1B-intermediate-step-715k-1.5T", "TinyLlama-1.1B"},
                 {"TinyLlama-1.1B-intermediate-step-955k-token-2T", "TinyLlama-1.1B"},
                 {"pythia-160m-deduped-step1000", "pythia-160m-deduped"},
                 {"step20000-tokens84B", ""},
                 {"stage2-ingredient3-step11931-tokens50B", ""},
                 {"extension_step0001220", ""},
                 {"global_step143000", ""},
                 {"wiki_step100", "wiki"},
                 {"Code_step100-tokens2M", "Code"},
                 {"small_checkpoint-100", "small"},
                 {"wiki-step100", "wiki"},
                 {"ckpt_step100", ""},
                 {"checkpoint_step_100", ""},
                 {"step1000-unsharded", ""},
                 {"step1000 (copy)", ""},
                 {"step1000-tokens4B (another copy 2)", ""},
                 {"tiny-step1000 (1)", "tiny"},
                 {"step1000-copy", ""},
                 {"step 1000", ""},
                 {"my run step 1000", "my run"},
                 {"tmp-checkpoint-200", ""},
                 {"tmp-step200", "tmp"},
                 {"main", ""},
                 {"llama-7b", ""}})
            QTest::newRow(name) << QString(name) << QString(part);
    }
    void theSeriesPart() {
        QFETCH(QString, name);
        QFETCH(QString, part);
        QCOMPARE(QString::fromStdString(seriesPartOfName(name.toStdString())), part);
    }
    /// Sizes, heads and vocabularies as the published config.json have them; tokens by formats.md 1.1. Only the sizes and the name
    /// tell: no path.
    void tokensByTheShape_data() {
        QTest::addColumn<QByteArray>("config");
        QTest::addColumn<QString>("name");
        QTest::addColumn<double>("tokens"); ///< kNone: nothing is claimed
        QTest::addColumn<QString>("series");
        const QByteArray pythia = R"({"model_type":"gpt_neox","hidden_size":768,"num_hidden_layers":12,"num_attention_heads":12,
            "intermediate_size":3072,"vocab_size":50304,"rotary_pct":0.25,"rotary_emb_base":10000,"use_parallel_residual":true,
            "max_position_embeddings":2048,"hidden_act":"gelu","layer_norm_eps":1e-05,"tie_word_embeddings":false})";
        const QByteArray smol = R"({"model_type":"llama","hidden_size":576,"num_hidden_layers":30,"num_attention_heads":9,
            "num_key_value_heads":3,"intermediate_size":1536,"vocab_size":49152,"tie_word_embeddings":true})";
        const QByteArray olmo2 = R"({"model_type":"olmo2","hidden_size":4096,"num_hidden_layers":32,"num_attention_heads":32,
            "num_key_value_heads":32,"intermediate_size":11008,"vocab_size":100352,"rope_theta":500000})";
        const QByteArray olmo7b = R"({"model_type":"olmo","hidden_size":4096,"num_hidden_layers":32,"num_attention_heads":32,
            "intermediate_size":11008,"vocab_size":50304})";
        const auto row = [](const char* about, const QByteArray& config, const char* name, double tokens, const char* series) {
            QTest::newRow(about) << config << QString(name) << tokens << QString(series);
        };
        const double million = 1'048'576;
        row("Pythia", pythia, "step1000", 2000 * million, "Pythia");
        row("Pythia, the last", pythia, "step143000", 299'892'736'000, "Pythia");
        row("Pythia, the first", pythia, "step0", 0, "Pythia");
        row("Pythia, a power of two", pythia, "step512", 1024 * million, "Pythia");
        row("Pythia, never published", pythia, "step500", kNone, "");
        row("Pythia, after the last", pythia, "step144000", kNone, "");
        row("Pythia, trained on", pythia, "checkpoint-1000", kNone, "");
        row("Pythia, of another series", pythia, "mine-step1000", kNone, "");
        row("another vocabulary", QByteArray(pythia).replace("50304", "50277"), "step1000", kNone, "");
        row("another width of the MLP", QByteArray(pythia).replace("3072", "2048"), "step1000", kNone, "");
        row("another number of heads", QByteArray(pythia).replace("\"num_attention_heads\":12", "\"num_attention_heads\":16"), "step1000", kNone, "");
        row("all dimensions rotated", QByteArray(pythia).replace("0.25", "1.0"), "step1000", kNone, "");
        row("one branch after the other", QByteArray(pythia).replace("residual\":true", "residual\":false"), "step1000", kNone, "");
        row("SmolLM2", smol, "step-240000", 240'000 * million, "SmolLM2-135M");
        row("SmolLM2, never published", smol, "step-1000", kNone, "");
        row("SmolLM2, other key heads", QByteArray(smol).replace("key_value_heads\":3", "key_value_heads\":9"), "step-240000", kNone, "");
        row("OLMo 2, stage 1", olmo2, "stage1-step928646-tokens3896B", 928'646.0 * 4 * million, "OLMo-2-7B");
        row("OLMo 2, stage 2", olmo2, "stage2-ingredient1-step11931-tokens50B", (928'646.0 + 11'931) * 4 * million, "OLMo-2-7B");
        row("a label that says something else", olmo2, "stage1-step1000-tokens9B", 9e9, "");
        row("a step without its label", olmo2, "step1000", kNone, "");
        // Two rules for one shape: only the label holds.
        row("OLMo-7B or a later one", olmo7b, "step1000-tokens4B", 4e9, "");
    }
    void tokensByTheShape() {
        QFETCH(QByteArray, config);
        QFETCH(QString, name);
        QFETCH(double, tokens);
        QFETCH(QString, series);
        const auto json = parseJson(std::string_view(config.constData(), static_cast<std::size_t>(config.size())), "test");
        QVERIFY(json);
        const auto spec = decoderSpecFromConfig(*json, "test");
        QVERIFY2(spec, spec ? "" : spec.error().text().c_str());
        Checkpoint checkpoint;
        checkpoint.name = name.toStdString();
        checkpoint.path = std::filesystem::path("/data/run") / checkpoint.name;
        checkpoint.family = spec->family;
        checkpoint.spec = *spec;
        readName(checkpoint);
        std::vector<ScanIssue> issues;
        applyTokenRules(checkpoint, issues);
        QCOMPARE(checkpoint.tokens ? static_cast<double>(*checkpoint.tokens) : kNone, tokens);
        QVERIFY(issues.empty());
        QCOMPARE(checkpoint.tokensSource == TokensSource::FamilyRule, !series.isEmpty());
        if (!series.isEmpty())
            QCOMPARE(QString::fromStdString(tokensOrigin(checkpoint)), "from the config's shape: " + series);
        // With its repository in the path the same holds, by the path.
        if (series == "Pythia") {
            checkpoint.path = std::filesystem::path("/data/pythia-160m") / checkpoint.name;
            QCOMPARE(tokensOrigin(checkpoint), std::string("by the rule of Pythia"));
        }
    }
    void naturalOrder() {
        std::vector<std::string> names{"step10", "step9", "a", "step010", "step1000", "step", "b2", "b10"};
        std::stable_sort(names.begin(), names.end(), naturalLess);
        QCOMPARE(names, (std::vector<std::string>{"a", "b2", "b10", "step", "step9", "step10", "step010", "step1000"}));
    }
};

QTEST_APPLESS_MAIN(TestNames)
#include "tst_names.moc"
