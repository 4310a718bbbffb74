// SPDX-License-Identifier: Apache-2.0
// What the user says better than the files: tokens, stages, names, tokens per step; and what is asked.
#include <QtTest>

#include "core/series/corrections.h"
#include "core/series/series_rules.h"
#include "tests/core/series/layouts.h"

using namespace crest;
using namespace crest::series;
using namespace crest::test;

namespace {

Checkpoint checkpointOf(const std::string& name) {
    Checkpoint checkpoint;
    checkpoint.name = checkpoint.foundName = name;
    checkpoint.path = "/models/run/" + name;
    readName(checkpoint);
    std::vector<ScanIssue> issues;
    applyTokenRules(checkpoint, issues);
    return checkpoint;
}

Series seriesOf(std::initializer_list<const char*> names) {
    Series series;
    series.name = "run";
    for (const char* name : names)
        series.checkpoints.push_back(checkpointOf(name));
    return series;
}

Series corrected(Series series, const SeriesCorrections& corrections, const std::vector<std::string>& excluded = {}) {
    std::vector<ScanIssue> issues;
    applyCorrections(series, corrections, excluded, issues);
    judgeSeries(series, issues);
    return series;
}

std::string listed(const Series& series) {
    std::string out;
    for (const Checkpoint& c : series.checkpoints)
        out += c.name + ":" + (c.tokens ? std::to_string(*c.tokens) : "-") + " ";
    return out;
}

} // namespace

class TestCorrections : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void tokensPerStepAreAskedForAndUsed() {
        const Series found = seriesOf({"step100", "step20", "main"});
        QVERIFY(needsTokensPerStep(found));
        SeriesCorrections answer;
        answer.tokensPerStep = 2'097'152;
        const Series series = corrected(found, answer);
        QCOMPARE(listed(series), std::string("step20:41943040 step100:209715200 main:- "));
        QCOMPARE(series.checkpoints[0].tokensSource, TokensSource::User);
        QVERIFY(!needsTokensPerStep(series));
        // An absurd one is not computed rather than wrapped around.
        answer.tokensPerStep = std::int64_t{1} << 61;
        QCOMPARE(listed(corrected(found, answer)), std::string("step20:- step100:- main:- "));
    }
    void typedTokensWinOverTheRule() {
        SeriesCorrections corrections;
        corrections.tokensPerStep = 10;
        corrections.checkpoints["step100"].tokens = 5;
        corrections.checkpoints["gone"].tokens = 7;
        QCOMPARE(listed(corrected(seriesOf({"step100", "step20"}), corrections)), std::string("step100:5 step20:200 "));
    }
    /// The others keep their counts; the row says what it contradicts.
    void aTypedCountThatContradictsIsMarked() {
        SeriesCorrections corrections;
        corrections.checkpoints["step300-tokens30M"].tokens = 3'000'000;
        const Series series =
            corrected(seriesOf({"step100-tokens10M", "step200-tokens20M", "step300-tokens30M", "step400-tokens40M"}), corrections);
        QCOMPARE(listed(series), std::string("step300-tokens30M:3000000 step100-tokens10M:10000000 step200-tokens20M:20000000 "
                                             "step400-tokens40M:40000000 "));
        QCOMPARE(series.checkpoints[0].state, CheckpointState::Suspect);
        QCOMPARE(QString::fromStdString(series.checkpoints[0].reason),
                 QStringLiteral("Its tokens contradict its step: 3M at step 300 (typed), but step100-tokens10M has 10M at step 100; "
                                "correct its tokens, or exclude it."));
        for (std::size_t i = 1; i < series.checkpoints.size(); ++i)
            QCOMPARE(series.checkpoints[i].state, CheckpointState::Ok);
        // Nor does one that takes no part contradict anything.
        for (const Checkpoint& one : corrected(series, corrections, {"step300-tokens30M"}).checkpoints)
            QVERIFY(one.tokens);
    }
    void mixedSourcesFallBackToTheLabels() {
        Series found = seriesOf({"step100000-tokens2100B", "step101000-tokens447B", "step102000-tokens451B", "step103000-tokens456B"});
        for (std::size_t i = 1; i < found.checkpoints.size(); ++i) { // as the rule of OLMo-7B gives it
            found.checkpoints[i].tokens = *found.checkpoints[i].step * 4'423'680;
            found.checkpoints[i].tokensSource = TokensSource::FamilyRule;
        }
        std::vector<ScanIssue> issues;
        Series series = found;
        judgeSeries(series, issues);
        QCOMPARE(listed(series), std::string("step101000-tokens447B:447000000000 step102000-tokens451B:451000000000 "
                                             "step103000-tokens456B:456000000000 step100000-tokens2100B:2100000000000 "));
        QCOMPARE(series.checkpoints[3].state, CheckpointState::Suspect);
        QCOMPARE(series.checkpoints[0].state, CheckpointState::Ok);
        QVERIFY(issues[0].message.find("the tokens in the names are used") != std::string::npos);
        // Without a label on one of them nothing is common, and the one that stands apart is still named.
        found.checkpoints[2].name = "step102000";
        issues.clear();
        judgeSeries(found, issues);
        QCOMPARE(listed(found), std::string("step100000-tokens2100B:- step101000-tokens447B:- step102000:- step103000-tokens456B:- "));
        QCOMPARE(found.checkpoints[0].state, CheckpointState::Suspect);
        QVERIFY(issues[0].message.find("the series is ordered by steps") != std::string::npos);
    }
    void aTypedRuleWinsOverLabels() {
        SeriesCorrections corrections;
        corrections.tokensPerStep = 1'000;
        QCOMPARE(listed(corrected(seriesOf({"step20-tokens5B"}), corrections)), std::string("step20-tokens5B:20000 "));
    }
    void aNewNameIsReadLikeAnyOther() {
        Series found = seriesOf({"0123456789ab", "step1"});
        found.checkpoints[0].unnamedRevision = true;
        QCOMPARE(corrected(found, {}).checkpoints[1].state, CheckpointState::Suspect);
        SeriesCorrections corrections;
        corrections.checkpoints["0123456789ab"].name = "stage1-step2000-tokens8B";
        const Series series = corrected(found, corrections);
        QCOMPARE(listed(series), std::string("stage1-step2000-tokens8B:8000000000 step1:- "));
        QCOMPARE(series.checkpoints[0].foundName, std::string("0123456789ab"));
        QCOMPARE(series.checkpoints[0].step, std::optional<std::int64_t>(2000));
        QCOMPARE(series.checkpoints[0].state, CheckpointState::Ok);
    }
    void aRecordedStepStaysUnderANewName() {
        Series found = seriesOf({"ckpt.pt"});
        found.checkpoints[0].step = 500;
        found.checkpoints[0].stepRecorded = true;
        SeriesCorrections corrections;
        corrections.checkpoints["ckpt.pt"].name = "step7";
        QCOMPARE(corrected(found, corrections).checkpoints[0].step, std::optional<std::int64_t>(500));
    }
    void aTakenNameIsNotGivenTwice() {
        SeriesCorrections corrections;
        corrections.checkpoints["step1"].name = "step2";
        QCOMPARE(listed(corrected(seriesOf({"step1", "step2"}), corrections)), std::string("step1:- step2:- "));
    }
    void stagesAndInclusion() {
        SeriesCorrections corrections;
        corrections.checkpoints["step30"].stage = 2;
        const Series found = seriesOf({"step10", "step20", "step30"});
        QCOMPARE(corrected(found, corrections).checkpoints[2].state, CheckpointState::Excluded);
        corrections.included = {"step30"};
        QCOMPARE(corrected(found, corrections).checkpoints[2].state, CheckpointState::Ok);
        QCOMPARE(corrected(found, corrections, {"step10"}).checkpoints[0].state, CheckpointState::Excluded);
    }
    void anExcludedOneIsNoConflict() {
        Series found = seriesOf({"a-step1", "b-step1"});
        SeriesCorrections corrections;
        corrections.tokensPerStep = 100;
        QCOMPARE(corrected(found, corrections).checkpoints[0].state, CheckpointState::Suspect);
        QCOMPARE(corrected(found, corrections, {"b-step1"}).checkpoints[0].state, CheckpointState::Ok);
    }
    void hintsSayWhatTheFilesTell() {
        Series series = seriesOf({"checkpoint-500"});
        series.checkpoints[0].batchPerDevice = 8;
        series.checkpoints[0].spec = tinySpec();
        const auto hints = tokensPerStepHints(series);
        QCOMPARE(hints.size(), std::size_t{3});
        QVERIFY(hints[1].find("8 sequences per device") != std::string::npos);
        QVERIFY(hints[2].find("at most 128 tokens") != std::string::npos);
        QVERIFY(tokensPerStepHints(seriesOf({"model"})).back().find("No checkpoint of this series has a step") == 0);
    }
};

QTEST_APPLESS_MAIN(TestCorrections)
#include "tst_corrections.moc"
