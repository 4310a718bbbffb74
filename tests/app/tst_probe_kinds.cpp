// SPDX-License-Identifier: Apache-2.0
// crest-run probe finetune, interpolate, quantise and prune as processes with the real engine.
#include <QtTest>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "core/study/runs.h"
#include "tests/app/small_series.h"

using namespace crest;
using namespace crest::test;

class TestProbeKinds : public QObject, SmallSeries {
    Q_OBJECT
private Q_SLOTS:
    void initTestCase() { make(); }

    /// Trained at every rate and seed, measured in and out of distribution, never trained twice.
    void fineTuning() {
        const fs::path study = m_folder / "tuned", rows = m_folder / "rows.jsonl";
        const std::vector<std::string> documents = test::smallDocuments();
        std::string text;
        for (const std::string& document : documents)
            text += Json{{"prompt", "It is written that"}, {"completion", document.substr(18, 60)}}.dump() + "\n";
        test::writeText(rows, text);
        const QStringList command = QStringList{"probe", "finetune", "--series", pathOf(m_series), "--study", pathOf(study),
                                                "--tune", "rows=" + pathOf(rows), "--max-tokens", "48", "--held-out-rows", "10",
                                                "--epochs", "4", "--batch", "10", "--rates", "0.003,1", "--seeds", "2",
                                                "--max-windows", "4", "--json"} +
                                    texts(QStringLiteral("ood"));
        const Ended first = crestRun(command);
        QVERIFY2(first.code == 0, first.err);
        QCOMPARE(first.lines.front().at("cells").get<int>(), 2 * (1 + 2 * 2));
        const Json notes = first.lines.back().at("notes"); // each diverged training, when it ends
        QCOMPARE(notes.size(), std::size_t(2 * 2));
        for (const Json& note : notes) {
            const QString said = QString::fromStdString(note.get<std::string>());
            QVERIFY2(said.contains("learning rate 1, seed ") && said.contains(": the training diverged at step "), qPrintable(said));
        }
        const Ended again = crestRun(command);
        QVERIFY2(again.code == 0, again.err);
        QCOMPARE(again.lines.front().at("new").get<int>(), 0);

        const Ended results = crestRun({"results", pathOf(study), "--json"});
        std::map<std::pair<double, std::int64_t>, double> heldOut; // of the first checkpoint, by rate and seed
        int rowsOfText = 0;
        for (const Json& row : results.lines) {
            rowsOfText += row.at("task") == "words" ? 1 : 0;
            if (row.at("tokens") == 1000 && row.at("task") == "rows" && row.at("value").is_number())
                heldOut[{row.at("strength").get<double>(), row.at("seed").get<std::int64_t>()}] =
                    row.at("value").get<double>();
        }
        QCOMPARE(rowsOfText, 10);
        QVERIFY(heldOut.at({0.003, 1}) < heldOut.at({0, 0}));
        QVERIFY(heldOut.at({0.003, 1}) != heldOut.at({0.003, 2}));
        QVERIFY(!heldOut.contains({1, 1})); // diverged: stored, with why
        QVERIFY(journalText(study).contains("the training diverged at step"));
        QVERIFY(!fs::exists(study / "artifacts" / "unfinished") || fs::is_empty(study / "artifacts" / "unfinished"));
        const Ended refused = crestRun(QStringList{"probe", "finetune", "--tune", "rows=" + pathOf(m_folder / "none.jsonl")} +
                                       command.mid(2, 4) + texts());
        QVERIFY(refused.code != 0 && refused.err.contains("none.jsonl"));
    }

    /// A grid, then finer rates around each checkpoint's best, by one command; given again it goes one level further.
    void finerRates() {
        const fs::path study = m_folder / "refined", rows = m_folder / "rows.jsonl";
        const QStringList command = QStringList{"probe", "finetune", "--series", pathOf(m_series), "--study", pathOf(study),
                                                "--tune", "rows=" + pathOf(rows), "--max-tokens", "48", "--held-out-rows", "10",
                                                "--epochs", "2", "--batch", "10", "--rates", "0.001,0.004,0.016", "--seeds", "1",
                                                "--max-windows", "4", "--json", "--refine", "1"} +
                                    texts(QStringLiteral("ood"));
        const Ended planned = crestRun(command + QStringList{"--plan-only"});
        QVERIFY2(planned.code == 0 && planned.err.contains("planned once they are there"), planned.err);
        QVERIFY(!fs::exists(study));
        const Ended first = crestRun(command);
        QVERIFY2(first.code == 0, first.err);
        QCOMPARE(first.lines.size(), std::size_t(5)); // cost and run of the grid, what was found, cost and run of the finer rates
        QCOMPARE(first.lines[0].at("new").get<int>(), 2 * (1 + 3));
        std::map<std::string, std::map<double, double>> heldOut; // by checkpoint and rate
        for (const Json& row : crestRun({"results", pathOf(study), "--json"}).lines)
            if (row.at("task") == "rows" && row.at("value").is_number() && row.at("strength") != 0)
                heldOut[row.at("checkpoint").get<std::string>()][row.at("strength").get<double>()] = row.at("value").get<double>();
        // Half-way in logarithms, and beyond an end by the step of 4.
        const std::map<double, std::vector<double>> around{
            {0.001, {0.00025, 0.0005, 0.002}}, {0.004, {0.002, 0.008}}, {0.016, {0.008, 0.032, 0.064}}};
        int added = 0;
        for (const Json& one : first.lines[2].at("refined")) {
            const auto& scores = heldOut.at(one.at("checkpoint").get<std::string>());
            double best = 0.001;
            for (const double rate : {0.004, 0.016})
                if (scores.contains(rate) && (!scores.contains(best) || scores.at(rate) < scores.at(best)))
                    best = rate;
            QCOMPARE(one.at("best").get<double>(), best);
            QCOMPARE(one.at("rates").get<std::vector<double>>(), around.at(best));
            added += static_cast<int>(around.at(best).size());
        }
        QCOMPARE(first.lines[3].at("new").get<int>(), added);
        QCOMPARE(first.lines[3].at("cached").get<int>(), 2 * (1 + 3));
        QVERIFY(first.lines[4].at("run") != first.lines[1].at("run"));
        QCOMPARE(first.lines[4].at("state").get<std::string>(), std::string("done"));

        const Ended again = crestRun(command);
        QVERIFY2(again.code == 0, again.err);
        QCOMPARE(again.lines.size(), std::size_t(4)); // nothing to run before
        QCOMPARE(again.lines[0].at("cells").get<int>(), 2 * (1 + 3) + added);
        QCOMPARE(again.lines[0].at("new").get<int>(), 0);
        QVERIFY(again.lines[2].at("new").get<int>() >= 2);
        for (const auto& [key, times] : journalKeys(study))
            QCOMPARE(times, 1);
        const auto folder = study::StudyFolder::open(study);
        QVERIFY(folder && study::listRuns(*folder).size() == 3);
        // Without the option it is the grid's own run, and nothing is left to do.
        const Ended plain = crestRun(command.mid(0, command.indexOf(QStringLiteral("--refine"))) + texts(QStringLiteral("ood")));
        QVERIFY2(plain.code == 0, plain.err);
        QCOMPARE(plain.lines[0].at("cells").get<int>(), 2 * (1 + 3));
        QCOMPARE(plain.lines[1].at("run"), first.lines[1].at("run"));
        // What a killed command had begun is finished, and no further level begun.
        fs::remove_all(study / "journal");
        fs::remove(study / "results.h5");
        fs::create_directories(study / "journal");
        const Ended finished = crestRun(command);
        QVERIFY2(finished.code == 0, finished.err);
        QCOMPARE(finished.lines.size(), std::size_t(2));
        QVERIFY(finished.err.contains("the same command again tries finer ones"));
    }

    /// What is left out of the data, and cut, is said before anything runs; data that leave nothing end the command there.
    void notesOfTheDataComeFirst() {
        const fs::path study = m_folder / "noted", rows = m_folder / "uneven.jsonl";
        std::string text = "{\"prompt\": \"no completion\"}\n";
        for (int i = 0; i < 150; ++i)
            text += Json{{"prompt", "Number " + std::to_string(i)}, {"completion", " is a number"}}.dump() + "\n";
        for (int i = 0; i < 2; ++i)
            text += Json{{"prompt", "Nothing"}, {"completion", "  "}}.dump() + "\n";
        std::string words;
        for (int i = 0; i < 200; ++i)
            words += " and on";
        text += Json{{"prompt", "Long"}, {"completion", words}}.dump() + "\n";
        test::writeText(rows, text);
        const QStringList command{"probe", "finetune", "--series", pathOf(m_series), "--study", pathOf(study), "--tune",
                                  "uneven=" + pathOf(rows), "--form", "prompt-completion", "--held-out-rows", "10", "--rates", "0.003",
                                  "--seeds", "1", "--json", "--plan-only"};
        const Ended noted = crestRun(command + QStringList{"--max-tokens", "48"});
        QVERIFY2(noted.code == 0, noted.err);
        QCOMPARE(noted.lines.size(), std::size_t(1)); // they are no output
        for (const char* note : {"crest-run probe: uneven: 1 of 154 rows cannot be used and are left out\n",
                                 "crest-run probe: uneven: 2 of 154 rows have nothing to learn",
                                 "crest-run probe: uneven: 1 of 151 examples are longer than 48 tokens and are cut off there",
                                 "crest-run probe: uneven: cannot be used: "})
            QVERIFY2(noted.err.contains(note), noted.err);
        QVERIFY(!fs::exists(study));
        const Ended usual = crestRun(command); // no longer than the models' context
        QVERIFY2(usual.code == 0 && usual.err.contains("longer than 64 tokens and are cut off there"), usual.err);
        const Ended tooLong = crestRun(command + QStringList{"--max-tokens", "512"});
        QVERIFY2(tooLong.code == 1 && tooLong.err.contains("add the data again with examples of at most 64 tokens."), tooLong.err);
        const Ended nothing = crestRun(command.mid(0, command.size() - 1) + QStringList{"--max-tokens", "2", "--drop-long"});
        QVERIFY2(nothing.code != 0 && nothing.err.contains("no example is left to train on"), nothing.err);
        const Ended below = crestRun(command + QStringList{"--max-tokens", "-5"});
        QVERIFY2(below.code != 0 && below.err.contains("--max-tokens") && below.err.contains("-5"), below.err);
        const auto replayed = [&](const char* content, std::initializer_list<const char*> says) {
            test::writeText(m_folder / "replayed.txt", content);
            const Ended said = crestRun(command + QStringList{"--replay", pathOf(m_folder / "replayed.txt"), "--replay-share", "0.5", "--replay-tokens", "16"});
            return said.code != 0 && said.err.contains("replayed.txt: ") &&
                   std::ranges::all_of(says, [&](const char* part) { return said.err.contains(part); });
        };
        QVERIFY(replayed("", {"the file is empty"}));
        QVERIFY(replayed("bad \xff\n", {"line 1 is no UTF-8"}));
        QVERIFY(replayed("a b\n", {"too few for one full window of 17"}));
        QVERIFY(!fs::exists(study)); // nor was anything queued
    }

    /// Adapters, replay and mixtures through the command; kept weights serve a task that is added later.
    void waysOfTuning() {
        const fs::path study = m_folder / "ways", rows = m_folder / "rows.jsonl";
        const auto command = [&](const char* kind, const QStringList& more) {
            return crestRun(QStringList{"probe", kind, "--series", pathOf(m_series), "--study", pathOf(study), "--tune",
                                        "rows=" + pathOf(rows), "--max-tokens", "48", "--held-out-rows", "10", "--epochs", "2",
                                        "--batch", "10", "--seeds", "1", "--json"} +
                            more);
        };
        const QStringList adapters{"--rates", "0.01", "--lora-rank", "2", "--lora-alpha", "4", "--keep-gb", "0.1"};
        const Ended first = command("finetune", adapters);
        QVERIFY2(first.code == 0, first.err);
        QCOMPARE(first.lines.front().at("trainings").get<int>(), 2);
        const Ended later = command("finetune", adapters + texts(QStringLiteral("ood")) + QStringList{"--max-windows", "4"});
        QVERIFY2(later.code == 0, later.err);
        QCOMPARE(later.lines.front().at("trainings").get<int>(), 0);
        QCOMPARE(later.lines.front().at("kept_trainings").get<int>(), 2);
        QCOMPARE(later.lines.front().at("repeated_trainings").get<int>(), 0);
        const Ended mixed = command("interpolate", QStringList{"--rate", "0.01", "--alphas", "0.5,1"} + adapters.mid(2) +
                                                       texts(QStringLiteral("ood")) + QStringList{"--max-windows", "4"});
        QVERIFY2(mixed.code == 0, mixed.err);
        QCOMPARE(mixed.lines.front().at("cells").get<int>(), 2 * (1 + 2));
        QCOMPARE(mixed.lines.front().at("kept_trainings").get<int>(), 2);
        const Ended replayed = command("finetune", QStringList{"--rates", "0.02", "--replay", pathOf(m_text), "--replay-share", "0.25", "--replay-tokens", "32",
                                                               "--max-windows", "4"} + texts(QStringLiteral("ood")));
        QVERIFY2(replayed.code == 0, replayed.err);
        QVERIFY2(replayed.err.contains("words is not held out: the same file is replayed in training"), replayed.err);

        const Ended results = crestRun({"results", pathOf(study), "--json"});
        std::map<std::pair<std::string, double>, std::map<std::string, double>> values; // of the first checkpoint
        std::map<std::string, std::set<std::string>> settings; // of rows that are alike but for these
        for (const Json& row : results.lines)
            if (row.at("modification") != "none")
                settings[row.at("modification").get<std::string>()].insert(row.at("settings").get<std::string>());
            else
                QVERIFY(row.at("settings").is_null());
        const std::string adapted = "rows: LoRA with alpha 4, rank 2", replaying = "rows: replay of text by 32 tokens 25 %";
        QCOMPARE(settings.at("fine-tuning"), (std::set<std::string>{adapted, replaying}));
        QCOMPARE(settings.at("interpolation"), std::set<std::string>{"rows: interpolation, tuned at 0.01, LoRA with alpha 4, rank 2"});
        const Ended table = crestRun({"results", pathOf(study)});
        QVERIFY2(table.out.contains("  settings  "), table.out);
        for (const std::string& one : {adapted, replaying})
            QVERIFY2(table.out.contains("  fine-tuning     " + QByteArray::fromStdString(one)), table.out);
        QVERIFY(!table.out.contains("tuned at 0.01")); // interpolations are all alike
        const Ended csv = crestRun({"results", pathOf(study), "--csv"});
        QVERIFY2(csv.out.startsWith("series,checkpoint,tokens,pretrain_seed,modification,settings,noise_scale,strength,seed,task,role,metric,unit,value,stderr,n,"
                                    "cause,cached_at\n"),
                 csv.out);
        QCOMPARE(csv.out.count('\n'), static_cast<qsizetype>(results.lines.size() + 1));
        QVERIFY2(csv.out.contains(",fine-tuning,\"" + QByteArray::fromStdString(adapted) + "\","), csv.out);
        QVERIFY2(csv.out.contains(",none,,,0.0,0,words,ood,loss,nats/token,"), csv.out);
        for (const Json& row : results.lines)
            if (row.at("tokens") == 1000 && row.at("value").is_number())
                values[{row.at("modification").get<std::string>(), row.at("strength").get<double>()}]
                      [row.at("task").get<std::string>()] += row.at("value").get<double>();
        const auto& tuned = values.at({"fine-tuning", 0.01});
        const auto& all = values.at({"interpolation", 1.0});
        QCOMPARE(all.at("words"), tuned.at("words")); // 1 are the tuned weights, from what was kept
        QVERIFY(values.at({"interpolation", 0.5}).at("rows") < values.at({"none", 0.0}).at("rows"));
        QVERIFY(journalText(study).contains("\"change\""));
        QVERIFY(fs::exists(study / "artifacts" / "tuned"));
        const Ended refused = command("finetune", {"--rates", "0.01", "--replay", pathOf(m_text)});
        QVERIFY(refused.code != 0 && refused.err.contains("replay_share"));
        const Ended both = command("finetune", {"--rates", "0.01", "--lora-rank", "2", "--head-first", "0.5"});
        QVERIFY(both.code != 0 && both.err.contains("head_share"));
        // What runners noted is said, of each training.
        const Ended unkept = crestRun({"probe", "finetune", "--series", pathOf(m_series), "--study", pathOf(study), "--tune", "rows=" + pathOf(rows),
                                       "--max-tokens", "48", "--held-out-rows", "10", "--epochs", "1", "--batch", "10", "--seeds", "1", "--rates",
                                       "0.01", "--keep-gb", "0.000001"});
        QVERIFY2(unkept.code == 0, unkept.err);
        QCOMPARE(unkept.err.count("are not kept, the results are: they take"), 2);
        // A task that comes later costs no training as long as the weights are there, and it is said where they are not.
        const QStringList added = adapters + QStringList{"--texts", "fewer=" + pathOf(m_text) + ":ood", "--window", "16", "--max-windows", "3", "--plan-only"};
        const auto trainings = [&] {
            const Ended planned = command("finetune", added);
            const Json cost = planned.lines.empty() ? Json::object() : planned.lines.front();
            return std::tuple(cost.value("trainings", -1), cost.value("kept_trainings", -1), cost.value("repeated_trainings", -1));
        };
        QCOMPARE(trainings(), std::tuple(0, 2, 0));
        fs::remove_all(study / "artifacts" / "tuned");
        QCOMPARE(trainings(), std::tuple(2, 0, 2));
        QStringList words{"probe", "finetune", "--series", pathOf(m_series), "--study", pathOf(study), "--tune", "rows=" + pathOf(rows), "--max-tokens",
                          "48", "--held-out-rows", "10", "--epochs", "2", "--batch", "10", "--seeds", "1"};
        const Ended said = crestRun(words + added);
        QVERIFY2(said.out.contains("2 trainings are needed, the tuned weights of 0 are kept; 2 were done before, and the weights are gone\n"), said.out);
    }

    /// Kinds that draw nothing: planned, run, found again, shown under their own names.
    void quantisationAndPruning() {
        const fs::path study = m_folder / "compressed";
        const QStringList usual = QStringList{"--series", pathOf(m_series), "--study", pathOf(study), "--max-windows",
                                              "4", "--json"} +
                                  texts();
        const Ended bits = crestRun(QStringList{"probe", "quantise", "--bits", "2,8"} + usual);
        QVERIFY2(bits.code == 0, bits.err);
        QCOMPARE(bits.lines.front().at("cells").get<int>(), 6);
        const Ended shares = crestRun(QStringList{"probe", "prune", "--shares", "0.5"} + usual);
        QVERIFY2(shares.code == 0, shares.err);
        QCOMPARE(shares.lines.front().at("cached").get<int>(), 2); // the bases
        const Ended again = crestRun(QStringList{"probe", "quantise", "--bits", "2,4,8"} + usual);
        QVERIFY2(again.code == 0, again.err);
        QCOMPARE(again.lines.front().at("new").get<int>(), 2);
        const Ended results = crestRun({"results", pathOf(study), "--json"});
        std::map<std::pair<std::string, double>, double> first; // of the first checkpoint
        for (const Json& row : results.lines)
            if (row.at("tokens") == 1000)
                first[{row.at("modification").get<std::string>(), row.at("strength").get<double>()}] =
                    row.at("value").get<double>();
        QCOMPARE(first.size(), 5u);
        const double base = first.at({"none", 0.0});
        // Eight bits are next to nothing, two bits are not.
        QVERIFY(std::abs(first.at({"quantisation", 8.0}) - base) < std::abs(first.at({"quantisation", 2.0}) - base));
        QVERIFY(first.at({"pruning", 0.5}) != base);
        for (const auto& [key, times] : journalKeys(study))
            QCOMPARE(times, 1);
        const Ended refused = crestRun(QStringList{"probe", "quantise", "--bits", "1"} + usual);
        QVERIFY(refused.code != 0 && refused.err.contains("whole number from 2 to 8"));
    }
};

QTEST_GUILESS_MAIN(TestProbeKinds)
#include "tst_probe_kinds.moc"
