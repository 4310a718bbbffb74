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
