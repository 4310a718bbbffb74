// SPDX-License-Identifier: Apache-2.0
// Token counts of stored results as the study has them now: corrections by hand, taken back, and folders that are gone.
#include <QtTest>

#include "core/study/tokens_now.h"
#include "tests/core/series/make_checkpoint.h"

using namespace crest;
using namespace crest::study;
namespace fs = std::filesystem;

namespace {

/// As it was stored when the checkpoint had 5 tokens.
ResultRow rowOf(const std::string& series, const std::string& checkpoint) {
    ResultRow row;
    row.series = series;
    row.checkpoint = checkpoint;
    row.tokens = 5;
    return row;
}

} // namespace

class TestTokensNow : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void asTheStudyHasThem() {
        QTemporaryDir home;
        const fs::path root = fs::canonical(home.path().toStdString());
        for (const char* name : {"step100", "step200", "step300-tokens7B"})
            QVERIFY(test::makeCheckpoint(root / "runs" / "mine" / name));
        Study study;
        study.name = "study";
        study.series.push_back({"my run", (root / "runs").string(), {}});
        auto folder = StudyFolder::create(root / "study", study);
        QVERIFY2(folder, folder ? "" : folder.error().text().c_str());
        const auto tokens = [&](const std::string& checkpoint, const std::string& series = "my run") {
            return TokensNow(*folder).of(rowOf(series, checkpoint));
        };
        using Tokens = std::optional<std::int64_t>;
        QCOMPARE(tokens("step100"), Tokens(5)); // nothing else is known of it
        QCOMPARE(tokens("step300-tokens7B"), Tokens(7'000'000'000));
        series::SeriesCorrections& corrections = study.series[0].corrections;
        corrections.tokensPerStep = 1000;
        corrections.checkpoints["step200"].tokens = 123;
        corrections.checkpoints["step200"].name = "second";
        QVERIFY(folder->save(study));
        QCOMPARE(tokens("step100"), Tokens(100'000));
        QCOMPARE(tokens("step200"), Tokens(123)); // measured before it got its name
        QCOMPARE(tokens("second"), Tokens(123));
        QCOMPARE(tokens("step300-tokens7B"), Tokens(300'000)); // what is typed wins over the label
        QCOMPARE(tokens("step100", "another"), Tokens(5));
        corrections.checkpoints["step100"].name = "first/half";
        corrections.checkpoints["step100"].tokens = 77;
        corrections.checkpoints["step200"].name = "step100"; // the other one was found so, and measured
        QVERIFY(folder->save(study));
        QCOMPARE(tokens("first/half"), Tokens(77));
        QCOMPARE(tokens("step100"), Tokens(77));
        QCOMPARE(tokens("step200"), Tokens(123));
        QCOMPARE(tokens("half", "my run/first"), Tokens(5)); // no such series
        study.series[0].corrections = {};
        QVERIFY(folder->save(study));
        QCOMPARE(tokens("step300-tokens7B"), Tokens(7'000'000'000));
        fs::rename(root / "runs", root / "away"); // what was measured stays readable
        QCOMPARE(tokens("step300-tokens7B"), Tokens(5));
    }
};

QTEST_APPLESS_MAIN(TestTokensNow)
#include "tst_tokens_now.moc"
