// SPDX-License-Identifier: Apache-2.0
// Ids and masks of fine-tuning examples, one by one, against TRL, transformers and tokenizers run beside
// (tests/oracle/tuning_reference.py), from rows in the forms people have; splits against CPython.
#include <fstream>
#include <map>

#include <QTemporaryDir>
#include <QTest>

#include "core/data/rows.h"
#include "core/data/tuning_data.h"
#include "core/data/tuning_preview.h"
#include "tests/support/peers.h"

using namespace crest;
using namespace crest::data;

class TuningOracleTest : public QObject {
    Q_OBJECT

private:
    QTemporaryDir m_folder;
    Json m_cases;

    std::string at(const std::string& name) const { return m_folder.path().toStdString() + "/" + name; }

    Result<TuningDataSettings> settingsOf(const Json& one) const {
        Json json{
            {"path", at("data/" + one["file"].get<std::string>())}, {"held_out_share", 0.0}, {"max_bad_share", 0.0}};
        for (const char* key : {"form", "chat", "begin", "loss_on", "max_tokens"})
            json[key] = one[key];
        CREST_TRY(settings, tuningDataFromJson(json, "case"));
        return resolveTuningData(settings, CREST_SOURCE_DIR "/resources/tuning");
    }

    std::vector<Json> expectedOf(const Json& one) const {
        std::vector<Json> expected;
        std::ifstream file(at(one["expected"].get<std::string>()));
        for (std::string line; std::getline(file, line);)
            expected.push_back(Json::parse(line));
        return expected;
    }

    /// "" where they are the same, else what differs.
    static std::string difference(const TuningSet& set, const std::vector<Json>& expected) {
        if (set.train.size() != expected.size())
            return std::to_string(set.train.size()) + " examples, not " + std::to_string(expected.size());
        for (std::size_t i = 0; i < expected.size(); ++i) {
            if (Json(set.train[i].ids) != expected[i]["ids"])
                return "ids of example " + std::to_string(i) + " are " + Json(set.train[i].ids).dump() + ", not " +
                       expected[i]["ids"].dump();
            if (Json(set.train[i].learned) != expected[i]["learned"])
                return "mask of example " + std::to_string(i) + " with the ids " + Json(set.train[i].ids).dump() +
                       " is " + Json(set.train[i].learned).dump() + ", not " + expected[i]["learned"].dump();
        }
        return {};
    }

private Q_SLOTS:
    void initTestCase() {
        const auto made = test::askPeerOnce({"tests/oracle/tuning_reference.py", {m_folder.path()}, m_folder.path()});
        QVERIFY2(made, made ? "" : made.error().text().c_str());
        std::ifstream file(at("cases.json"));
        m_cases = Json::parse(file);
        // TRL masks most borders as Crest does; those through a token it does otherwise.
        const Json& checked = m_cases["checked"];
        QVERIFY(checked["trl_same"].get<int>() > checked["trl"].get<int>() / 2);
        QVERIFY(m_cases["cases"].size() > 80);
    }

    void examplesAndMasks() {
        std::map<std::string, text::Tokenizer> tokenizers;
        int compared = 0, masked = 0;
        for (const Json& one : m_cases["cases"]) {
            const std::string file = one["file"];
            if (file.ends_with(".parquet") && !canReadParquet())
                continue;
            const std::string name = one["tokenizer"];
            if (!tokenizers.contains(name)) {
                const auto loaded = text::Tokenizer::load(at(name));
                QVERIFY2(loaded, loaded ? "" : loaded.error().text().c_str());
                tokenizers.emplace(name, *loaded);
            }
            const auto settings = settingsOf(one);
            QVERIFY2(settings, settings ? "" : settings.error().text().c_str());
            const auto set = readTuningData(*settings, tokenizers.at(name));
            QVERIFY2(set, (one.dump() + (set ? "" : set.error().text())).c_str());
            const std::string differs = difference(*set, expectedOf(one));
            QVERIFY2(differs.empty(), (one.dump() + ": " + differs).c_str());
            compared += static_cast<int>(set->train.size());
            masked += set->trainCounts.learned < set->trainCounts.tokens ? 1 : 0;
        }
        QVERIFY(compared > 2500);
        QVERIFY(masked > 50);
    }

    /// The pieces of the preview are the text that the ids stand for, nothing twice and nothing lost.
    void previewIsTheText() {
        for (const Json& one : m_cases["cases"]) {
            if (one["file"] != "pairs.jsonl" && one["file"] != "tulu.jsonl")
                continue;
            const auto tokenizer = text::Tokenizer::load(at(one["tokenizer"].get<std::string>()));
            const auto settings = settingsOf(one);
            QVERIFY(tokenizer && settings);
            const auto preview = previewTuningRows(*settings, *tokenizer, {1000, 0});
            const auto set = readTuningData(*settings, *tokenizer);
            QVERIFY(preview && set);
            QVERIFY(preview->whole);
            QCOMPARE(preview->lengths.counts, set->lengths.counts);
            std::size_t next = 0;
            for (const PreviewExample& example : preview->examples) {
                if (!example.leftOut.empty())
                    continue;
                const TuningExample& made = set->train.at(next++);
                QCOMPARE(example.tokens, static_cast<std::int64_t>(made.ids.size()));
                std::string seen;
                bool cut = false;
                for (const PreviewSegment& segment : example.segments) {
                    cut = cut || segment.truncated;
                    seen += segment.truncated ? "" : segment.text;
                }
                if (!cut)
                    QCOMPARE(seen, tokenizer->decode(made.ids));
                QVERIFY(cut || example.segments.back().isEndToken);
            }
            QCOMPARE(next, set->train.size());
        }
    }

    void splitsAsPython() {
        for (const Json& one : m_cases["splits"]) {
            TuningSplitSettings settings;
            settings.heldOutCount = one["held_out_count"];
            settings.splitSeed = one["split_seed"];
            settings.sampleCount = one["sample_count"];
            settings.sampleSeed = one["sample_seed"];
            const auto split = splitTuningRows(one["rows"], settings);
            QVERIFY2(split, split ? "" : split.error().text().c_str());
            QCOMPARE(split->heldOut, one["held_out"].get<std::vector<std::int64_t>>());
            QCOMPARE(split->train, one["train"].get<std::vector<std::int64_t>>());
        }
    }
};

QTEST_GUILESS_MAIN(TuningOracleTest)
#include "tst_tuning_oracle.moc"
