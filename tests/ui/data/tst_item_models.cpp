// SPDX-License-Identifier: GPL-3.0-or-later
// Every item model under QAbstractItemModelTester while its data changes, and what its cells say.
#include <QAbstractItemModelTester>
#include <QSignalSpy>
#include <QtTest>

#include "ui/data/issues.h"
#include "ui/data/series_model.h"
#include "ui/data/table_models.h"

using namespace crest;
using namespace crest::ui;

namespace {

constexpr auto kMode = QAbstractItemModelTester::FailureReportingMode::QtTest;

series::Series seriesOf(const char* name, int checkpoints) {
    series::Series one;
    one.name = name;
    one.path = std::filesystem::path("/models") / name;
    for (int i = 0; i < checkpoints; ++i) {
        series::Checkpoint checkpoint;
        checkpoint.name = "step" + std::to_string(i);
        checkpoint.path = one.path / checkpoint.name;
        checkpoint.tokens = std::int64_t{1'000'000} << i;
        checkpoint.step = i * 100;
        checkpoint.weightBytes = 2'500'000;
        one.checkpoints.push_back(checkpoint);
    }
    return one;
}

study::RunStatus runOf(const char* id, study::RunState state, std::int64_t done) {
    study::RunStatus run;
    run.id = id;
    run.state = state;
    run.totalCells = 128;
    run.doneCells = done;
    run.phase = "gamma 0.1, 16M tokens";
    run.tokensPerSecond = 12'300;
    run.secondsElapsed = 25;
    run.secondsLeft = 24;
    return run;
}

QString text(const QAbstractItemModel& model, int row, int column, const QModelIndex& parent = {}) {
    return model.data(model.index(row, column, parent), Qt::DisplayRole).toString();
}

} // namespace

class TestItemModels : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void seriesTree() {
        SeriesModel model;
        QAbstractItemModelTester tester(&model, kMode);
        std::vector<series::Series> all{seriesOf("olmo", 3), seriesOf("sample", 1), seriesOf("nothing", 0)};
        all[0].checkpoints[2].state = series::CheckpointState::Broken;
        all[0].checkpoints[2].reason = "model.safetensors ends early.";
        all[0].checkpoints[1].tokens.reset();
        all[0].checkpoints[1].reason = "gap before it.";
        QString asked;
        model.setSeries(all, [&](const QString& checkpoint) {
            asked = checkpoint;
            return checkpoint == QStringLiteral("olmo/step0") ? 9 : 0;
        });
        QCOMPARE(model.rowCount(), 3);
        const QModelIndex olmo = model.index(0, 0);
        QCOMPARE(model.rowCount(olmo), 3);
        QCOMPARE(text(model, 0, SeriesModel::Name), QStringLiteral("olmo"));
        QCOMPARE(text(model, 0, SeriesModel::State), QStringLiteral("2 of 3 readable"));
        QCOMPARE(text(model, 0, SeriesModel::Tokens, olmo), QStringLiteral("1M"));
        QCOMPARE(text(model, 1, SeriesModel::Tokens, olmo), QString());
        QCOMPARE(text(model, 1, SeriesModel::Step, olmo), QStringLiteral("100"));
        QCOMPARE(text(model, 0, SeriesModel::Size, olmo), QStringLiteral("2.5 MB"));
        QCOMPARE(text(model, 2, SeriesModel::State, olmo), QStringLiteral("broken: model.safetensors ends early."));
        QCOMPARE(text(model, 0, SeriesModel::Measured, olmo), QStringLiteral("9"));
        QCOMPARE(text(model, 1, SeriesModel::Measured, olmo), QString());
        QCOMPARE(asked, QStringLiteral("olmo/step1"));
        QCOMPARE(text(model, 1, SeriesModel::State, olmo), QStringLiteral("readable: gap before it."));
        QVERIFY(model.data(model.index(1, 0, olmo), SeriesModel::HasRemarkRole).toBool());
        QVERIFY(!model.data(model.index(0, 0, olmo), SeriesModel::HasRemarkRole).toBool());
        const QModelIndex checkpoint = model.index(2, 0, olmo);
        QCOMPARE(model.data(checkpoint, SeriesModel::SeriesNameRole).toString(), QStringLiteral("olmo"));
        QCOMPARE(model.data(checkpoint, SeriesModel::CheckpointNameRole).toString(), QStringLiteral("step2"));
        QCOMPARE(model.parent(checkpoint), olmo);
        QVERIFY(!model.parent(olmo).isValid());
        QSignalSpy changed(&model, &QAbstractItemModel::dataChanged);
        model.refreshMeasured();
        QCOMPARE(changed.count(), 2); // the two series that have checkpoints
        model.setSeries({}, {});
        QCOMPARE(model.rowCount(), 0);
    }

    /// Results are filed under the name that was measured first; a copy has them, too.
    void aCopyShowsWhoseResultsItShares() {
        SeriesModel model;
        std::vector<series::Series> all{seriesOf("run", 3), seriesOf("copy", 2)};
        all[0].checkpoints[1].fingerprint = all[1].checkpoints[0].fingerprint = "a";
        all[0].checkpoints[0].fingerprint = all[1].checkpoints[1].fingerprint = "b";
        model.setSeries(all, [](const QString& checkpoint) { return checkpoint == QStringLiteral("run/step1") ? 9 : 0; });
        const QModelIndex run = model.index(0, 0), copy = model.index(1, 0);
        QCOMPARE(text(model, 1, SeriesModel::Measured, run), QStringLiteral("9"));
        QCOMPARE(text(model, 0, SeriesModel::Measured, copy), QStringLiteral("9 shared"));
        QVERIFY(model.index(0, 0, copy).data(Qt::ToolTipRole).toString().endsWith(
            QStringLiteral("Its results are those of run/step1, which has the same weights.")));
        for (const QModelIndex& none : {model.index(0, 0, run), model.index(2, 0, run), model.index(1, 0, copy)}) {
            QCOMPARE(none.siblingAtColumn(SeriesModel::Measured).data().toString(), QString());
            QVERIFY(!none.data(Qt::ToolTipRole).toString().contains(QStringLiteral("same weights")));
        }
        QVERIFY(!model.index(1, 0, run).data(Qt::ToolTipRole).toString().contains(QStringLiteral("same weights")));
    }
    /// What a file's name holds is read, not drawn as a box or a line break.
    void controlCharactersAreWrittenOut() {
        series::Series one = seriesOf("a\nrun", 1);
        one.checkpoints[0].name = "step\x1b[31m";
        one.checkpoints[0].path = "/x/a\nrun/step\x1b[31m";
        SeriesModel model;
        model.setSeries({one}, {});
        const QModelIndex parent = model.index(0, 0), row = model.index(0, 0, parent);
        QCOMPARE(parent.data().toString(), QStringLiteral("a\\nrun"));
        QCOMPARE(row.data().toString(), QStringLiteral("step\\x1b[31m"));
        QVERIFY(row.data(Qt::ToolTipRole).toString().contains(QStringLiteral("/x/a\\nrun/step\\x1b[31m")));
        QCOMPARE(row.data(SeriesModel::SeriesNameRole).toString(), QStringLiteral("a\nrun")); // what it is known by
        IssuesModel issues;
        issues.setIssues({{QStringLiteral("/x/a\nrun"), QStringLiteral("It cannot be read.")}});
        QCOMPARE(issues.index(0, IssuesModel::Where).data().toString(), QStringLiteral("/x/a\\nrun"));
    }

    /// Where there is no room a name goes without the count that its row has anyway.
    void briefNames_data() {
        QTest::addColumn<QString>("name");
        QTest::addColumn<bool>("hasTokens");
        QTest::addColumn<QString>("brief");
        const auto row = [](const char* name, bool hasTokens, const char* brief) { QTest::newRow(name) << QString::fromLatin1(name) << hasTokens << QString::fromLatin1(brief); };
        row("stage1-step1000-tokens5B", true, "stage1-step1000");
        row("step000122-tokens0.5M", true, "step000122");
        row("TinyLlama-1.1B-step-50K-105b", true, "TinyLlama-1.1B-step-50K");
        row("TinyLlama-1.1B-intermediate-step-955k-token-2T", true, "TinyLlama-1.1B-intermediate-step-955k");
        row("tokens-16M", true, "tokens-16M"); // nothing else would be left
        row("step1000", true, "step1000");
        row("pythia-1b", true, "pythia-1b"); // a size is no count
        row("step-024000_tokens-0100B-phase1", true, "step-024000_tokens-0100B-phase1");
        QTest::newRow("no count in the row") << QStringLiteral("stage1-step1000-tokens5B") << false << QStringLiteral("stage1-step1000-tokens5B");
    }
    void briefNames() {
        QFETCH(QString, name);
        QFETCH(bool, hasTokens);
        QFETCH(QString, brief);
        series::Series one = seriesOf("run", 1);
        one.checkpoints[0].name = name.toStdString();
        if (!hasTokens)
            one.checkpoints[0].tokens.reset();
        SeriesModel model;
        model.setSeries({one}, {});
        const QModelIndex cell = model.index(0, SeriesModel::Name, model.index(0, 0));
        QCOMPARE(cell.data().toString(), name);
        QCOMPARE(cell.data(SeriesModel::BriefNameRole).toString(), brief);
    }

    void copiesInTwoFoldersAreToldApart() {
        SeriesModel model;
        QAbstractItemModelTester tester(&model, kMode);
        series::Series one = seriesOf("run", 3);
        for (std::size_t i = 0; i < 3; ++i) { // seed 1 at 1M twice, seed 2 once
            series::Checkpoint& checkpoint = one.checkpoints[i];
            const std::string folder = i == 1 ? "second" : "first";
            checkpoint.name = folder + "/step" + std::to_string(i / 2);
            checkpoint.path = one.path / folder / ("step" + std::to_string(i / 2));
            checkpoint.tokens = 1'000'000;
            checkpoint.pretrainSeed = i == 2 ? 2 : 1;
        }
        model.setSeries({one}, {});
        const QModelIndex parent = model.index(0, 0);
        QCOMPARE(text(model, 0, SeriesModel::Name, parent), QStringLiteral("seed 1 (first)"));
        QCOMPARE(text(model, 1, SeriesModel::Name, parent), QStringLiteral("seed 1 (second)"));
        QCOMPARE(text(model, 2, SeriesModel::Name, parent), QStringLiteral("seed 2"));
    }

    void runs() {
        RunsModel model;
        QAbstractItemModelTester tester(&model, kMode);
        model.setRuns({runOf("first", study::RunState::Done, 128), runOf("second", study::RunState::Running, 63)});
        QCOMPARE(model.rowCount(), 2);
        QCOMPARE(text(model, 0, RunsModel::Name), QStringLiteral("second")); // newest first
        QCOMPARE(text(model, 0, RunsModel::Progress), QStringLiteral("63/128"));
        QCOMPARE(text(model, 0, RunsModel::Phase), QStringLiteral("gamma 0.1, 16M tokens"));
        QCOMPARE(text(model, 0, RunsModel::Rate), QStringLiteral("12.3k tok/s"));
        QCOMPARE(text(model, 0, RunsModel::Left), QStringLiteral("0:24"));
        QCOMPARE(text(model, 0, RunsModel::State), QStringLiteral("running"));
        QCOMPARE(text(model, 1, RunsModel::Rate), QString());
        QCOMPARE(model.data(model.index(0, 0), RunIdRole).toString(), QStringLiteral("second"));
        QCOMPARE(model.data(model.index(1, 0), ProgressRole).toDouble(), 1.0);
        // Progress changes cells and keeps rows, so that a selection stays.
        QSignalSpy changed(&model, &QAbstractItemModel::dataChanged), reset(&model, &QAbstractItemModel::modelReset);
        auto more = runOf("second", study::RunState::Failed, 127);
        more.failed = {{5, "loss is not finite"}};
        more.notes = {"The passes were halved."};
        model.setRuns({runOf("first", study::RunState::Done, 128), more});
        QCOMPARE(changed.count(), 1);
        QCOMPARE(reset.count(), 0);
        QCOMPARE(text(model, 0, RunsModel::Progress), QStringLiteral("127/128, 1 failed"));
        QCOMPARE(text(model, 0, RunsModel::Left), QString()); // nothing is left for one that has ended
        QVERIFY(model.data(model.index(0, 0), Qt::ToolTipRole)
                    .toString()
                    .contains(QStringLiteral("\n1 note: Show log has it.\n1 cell failed: Issues says why.")));
        model.setRuns({runOf("first", study::RunState::Done, 128), more, runOf("third", study::RunState::Queued, 0)});
        QCOMPARE(text(model, 0, RunsModel::Name), QStringLiteral("third"));
        QVERIFY(model.at(3) == nullptr && model.at(-1) == nullptr);
        model.setRuns({runOf("first", study::RunState::Done, 128), more}, {QStringLiteral("bible: plain fine-tuning"), QString()});
        QVERIFY(model.index(1, RunsModel::Name).data().toString().startsWith(u"bible: plain fine-tuning (")); // newest first
        QVERIFY(!model.index(0, RunsModel::Name).data().toString().contains(u'('));
        model.setRuns({});
        QCOMPARE(model.rowCount(), 0);
    }

    void issues() {
        IssuesModel model;
        QAbstractItemModelTester tester(&model, kMode);
        const std::vector<Issue> issues{{QStringLiteral("/models/step1"), QStringLiteral("The file is truncated.")}};
        model.setIssues(issues);
        QCOMPARE(text(model, 0, IssuesModel::Where), QStringLiteral("/models/step1"));
        QCOMPARE(text(model, 0, IssuesModel::Message), QStringLiteral("The file is truncated."));
        QSignalSpy reset(&model, &QAbstractItemModel::modelReset);
        model.setIssues(issues);
        QCOMPARE(reset.count(), 0);
        // A row that counts on keeps its place, and so the selection.
        QSignalSpy changed(&model, &QAbstractItemModel::dataChanged);
        model.setIssues({{QStringLiteral("/models/step1"), QStringLiteral("The file is truncated, still.")}});
        QCOMPARE(changed.count(), 1);
        QCOMPARE(reset.count(), 0);
        QCOMPARE(text(model, 0, IssuesModel::Message), QStringLiteral("The file is truncated, still."));
        model.setIssues({});
        QCOMPARE(model.rowCount(), 0);
        QVERIFY(!model.at(0));
    }

    /// One checkpoint with broken weights is one row, with the number of its cells, however many there are.
    void failedCellsOfACheckpointAreOneIssue() {
        study::Plan plan;
        for (const char* name : {"step0", "step1"}) {
            study::PlannedCheckpoint& checkpoint = plan.checkpoints.emplace_back();
            checkpoint.series = "olmo";
            checkpoint.name = name;
        }
        study::RunStatus run = runOf("one", study::RunState::Failed, 100);
        for (int checkpoint = 0; checkpoint < 2; ++checkpoint)
            for (int cell = 0; cell < 33; ++cell) {
                study::Cell& planned = plan.cells.emplace_back();
                planned.checkpoint = checkpoint;
                planned.strength = cell == 0 ? 0 : 0.1;
                planned.seed = cell;
                if (checkpoint == 0 || cell < 1)
                    run.failed.push_back({33 * checkpoint + cell, "The weights hold NaN."});
            }
        run.failed.push_back({40, "it holds NaN"});
        const std::vector<Issue> issues = failedCellIssues(run, plan);
        QCOMPARE(issues.size(), std::size_t{3});
        QCOMPARE(issues[0].where, QStringLiteral("olmo/step0, 33 cells"));
        QVERIFY(issues[0].message.startsWith(QStringLiteral("The weights hold NaN.")));
        QCOMPARE(issues[0].run, QStringLiteral("one"));
        QVERIFY2(issues[0].details.startsWith(QStringLiteral("olmo/step0, base\nolmo/step0, gamma 0.1")) &&
                     issues[0].details.endsWith(QStringLiteral("and 13 more: the run's log has them all")),
                 qPrintable(issues[0].details));
        QCOMPARE(issues[1].where, QStringLiteral("olmo/step1, base")); // alone, by its name
        QVERIFY(issues[2].where.startsWith(QStringLiteral("olmo/step1, gamma 0.1")));
        QVERIFY(issues[2].message.startsWith(QStringLiteral("it holds NaN. The other")));

        const std::vector<series::Series> series{seriesOf("olmo", 2)};
        const auto step1 = CheckpointPlace{QStringLiteral("olmo"), QStringLiteral("step1")};
        QVERIFY(checkpointOf(issues[1], series) == step1);
        const auto at = [&](const char* where) { return checkpointOf({QString::fromLatin1(where), {}}, series); };
        QVERIFY(at("/models/olmo/step1") == step1);
        QVERIFY(at("/models/olmo/step1/model.safetensors") == step1);
        QVERIFY(!at("/models/olmo/step10") && !at("/models/olmo") && !at(""));

        study::RunStatus many = runOf("many", study::RunState::Failed, 0);
        for (int i = 0; i < 66; ++i)
            for (int reason = 0; reason < 5; ++reason)
                many.failed.push_back({i, "Reason " + std::to_string(5 * i + reason)});
        const std::vector<Issue> most = failedCellIssues(many, plan);
        QCOMPARE(most.size(), std::size_t{201});
        QVERIFY2(most.back().message.startsWith(QStringLiteral("130 cells failed besides these")),
                 qPrintable(most.back().message));
    }

    void inflections() {
        InflectionModel model;
        QAbstractItemModelTester tester(&model, kMode);
        analysis::InflectionRow found;
        found.task = "dictionary";
        found.strength = 0.1;
        found.modified = "gamma 0.1";
        found.inflection.supported = true;
        found.inflection.verdict = analysis::InflectionVerdict::Supported;
        found.inflection.tokens = 8e6, found.inflection.low = 4e6, found.inflection.high = 16e6;
        found.inflection.method = "the method", found.inflection.evidence = "the numbers";
        analysis::InflectionRow none = found;
        none.role = study::Role::OutOfDistribution;
        none.strength = 0.05;
        none.inflection.supported = false;
        model.setRows({found, none});
        QCOMPARE(text(model, 0, InflectionModel::Task), QStringLiteral("dictionary"));
        QCOMPARE(text(model, 0, InflectionModel::Role), QStringLiteral("ID"));
        QCOMPARE(text(model, 0, InflectionModel::Strength), QStringLiteral("gamma 0.1"));
        QCOMPARE(text(model, 0, InflectionModel::Point), QStringLiteral("8M"));
        QCOMPARE(text(model, 0, InflectionModel::Interval), QStringLiteral("4M to 16M"));
        QCOMPARE(text(model, 0, InflectionModel::Evidence), QStringLiteral("the numbers"));
        QVERIFY(model.data(model.index(0, 0), Qt::ToolTipRole).toString().contains(QStringLiteral("the method")));
        QCOMPARE(text(model, 1, InflectionModel::Role), QStringLiteral("OOD"));
        QCOMPARE(text(model, 1, InflectionModel::Point), QStringLiteral("none supported"));
        QCOMPARE(text(model, 1, InflectionModel::Interval), QString());
        QCOMPARE(model.data(model.index(1, InflectionModel::Strength), SortRole).toDouble(), 0.05);
        model.setRows({});
        QCOMPARE(model.rowCount(), 0);
    }
};

QTEST_GUILESS_MAIN(TestItemModels)
#include "tst_item_models.moc"
