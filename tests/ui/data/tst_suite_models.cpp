// SPDX-License-Identifier: GPL-3.0-or-later
// The models of items, samples, overlays and suites under QAbstractItemModelTester, and what their cells say.
#include <cmath>
#include <ctime>
#include <limits>
#include <utility>

#include <QAbstractItemModelTester>
#include <QSignalSpy>
#include <QtTest>

#include "ui/data/items_model.h"
#include "ui/data/overlays_model.h"
#include "ui/data/probe_loading.h"
#include "ui/data/samples_model.h"
#include "ui/data/suite_model.h"

using namespace crest;
using namespace crest::ui;

namespace {

constexpr auto kMode = QAbstractItemModelTester::FailureReportingMode::QtTest;
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

/// Items over columns as given; answers are 0 where right, 1 where wrong.
std::shared_ptr<ItemsView> viewOf(const std::vector<std::vector<float>>& items,
                                  const std::vector<std::vector<float>>& modified = {}) {
    auto view = std::make_shared<ItemsView>();
    analysis::ItemTable table;
    table.task = "arc";
    table.measure = analysis::measureOf("acc", "accuracy");
    table.metrics = {"acc"};
    table.strength = modified.empty() ? 0 : 0.1;
    for (std::size_t c = 0; c < items.front().size(); ++c) {
        analysis::ItemColumn column;
        column.checkpoint = {"step" + std::to_string(c), std::int64_t{1'000'000} << c, {}};
        if (!modified.empty())
            column.modified.assign(4, std::make_shared<const study::ResultRow>());
        table.columns.push_back(column);
    }
    for (std::size_t i = 0; i < items.size(); ++i) {
        table.documents.push_back(static_cast<std::int32_t>(10 * i));
        table.gold.push_back(0);
        table.requests.push_back(4);
        table.firstRequest.push_back(static_cast<std::int64_t>(4 * i));
        for (std::size_t c = 0; c < items[i].size(); ++c) {
            table.base.push_back(items[i][c]);
            table.baseAnswers.push_back(std::isfinite(items[i][c]) ? (items[i][c] >= 0.5F ? 0 : 1) : -1);
            if (!modified.empty()) {
                table.modified.push_back(modified[i][c]);
                table.modifiedAnswers.push_back(modified[i][c] >= 0.5F ? 0 : 1);
            }
        }
    }
    for (std::size_t i = 0; i < items.size(); ++i) {
        table.baseHistories.push_back(analysis::historyOf(table.base.data() + table.at(i, 0), table.columns.size()));
        if (!modified.empty())
            table.modifiedHistories.push_back(
                analysis::historyOf(table.modified.data() + table.at(i, 0), table.columns.size()));
    }
    for (std::size_t i = 0; i < modified.size(); ++i) {
        table.lost.push_back(0);
        table.gained.push_back(0);
        for (std::size_t c = 0; c < items[i].size(); ++c) {
            table.lost.back() += items[i][c] >= 0.5F && modified[i][c] < 0.5F;
            table.gained.back() += items[i][c] < 0.5F && modified[i][c] >= 0.5F;
        }
    }
    view->table = std::move(table);
    return view;
}

QString text(const QAbstractItemModel& model, int row, int column) {
    return model.data(model.index(row, column), Qt::DisplayRole).toString();
}

} // namespace

class TestSuiteModels : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void items() {
        ItemsModel model;
        QAbstractItemModelTester tester(&model, kMode);
        QCOMPARE(model.rowCount(), 0);
        model.setView(viewOf({{0, 0, 1, 1}, {1, 1, 1, 0}, {0, 0, 0, 0}, {0, 1, 0, kNaN}}));
        QCOMPARE(model.rowCount(), 4);
        QCOMPARE(model.columnCount(), ItemsModel::FixedColumns + 4);
        QCOMPARE(text(model, 0, ItemsModel::Learned), QStringLiteral("4M"));
        QCOMPARE(text(model, 0, ItemsModel::Forgotten), QString());
        QCOMPARE(text(model, 1, ItemsModel::Forgotten), QStringLiteral("8M"));
        QCOMPARE(text(model, 1, ItemsModel::Flips), QStringLiteral("1"));
        QCOMPARE(text(model, 0, ItemsModel::FixedColumns), QStringLiteral("B"));
        QCOMPARE(text(model, 0, ItemsModel::FixedColumns + 2), QStringLiteral("A"));
        QCOMPARE(model.state(0, 0), ItemState::Wrong);
        QCOMPARE(model.state(3, 3), ItemState::Missing);
        QVERIFY(model.data(model.index(0, ItemsModel::FixedColumns), Qt::AccessibleTextRole)
                    .toString()
                    .contains(QStringLiteral("wrong, answered B, right is A")));
        QCOMPARE(model.headerData(ItemsModel::FixedColumns + 3, Qt::Horizontal, Qt::DisplayRole).toString(),
                 QStringLiteral("8M"));
        QCOMPARE(model.count(ItemKind::Never), 1);
        QCOMPARE(model.count(ItemKind::Learned), 1);
        QCOMPARE(model.count(ItemKind::Forgotten), 2);
        model.setFilter(ItemKind::Forgotten, {});
        QCOMPARE(model.rowCount(), 2);
        QCOMPARE(model.itemAt(0), 1);
        model.setFilter(ItemKind::All, QStringLiteral("20")); // a row's number
        QCOMPARE(model.rowCount(), 1);
        QCOMPARE(model.itemAt(0), 2);
        model.setQuestions({QStringLiteral("Why?"), QStringLiteral("Where is it?"), QStringLiteral("When?"), {}});
        model.setFilter(ItemKind::All, QStringLiteral("WHE"));
        QCOMPARE(model.rowCount(), 2);
        QCOMPARE(text(model, 0, ItemsModel::Question), QStringLiteral("Where is it?"));
        model.setFilter(ItemKind::All, {});
        model.sort(ItemsModel::Flips, Qt::DescendingOrder);
        QCOMPARE(model.itemAt(0), 3);
        const QPersistentModelIndex looked(model.index(1, ItemsModel::FixedColumns));
        const int item = model.itemAt(1);
        model.sort(ItemsModel::Learned, Qt::AscendingOrder);
        QCOMPARE(model.itemAt(looked.row()), item); // what is looked at moves with its row
        QCOMPARE(model.itemAt(0), 0); // what was never learned comes last
        model.sort(ItemsModel::Question, Qt::AscendingOrder);
        QCOMPARE(model.itemAt(0), 3);
        QCOMPARE(model.itemAt(-1), -1);
        QCOMPARE(model.itemAt(99), -1);
        model.setView({});
        QCOMPARE(model.rowCount(), 0);
        QCOMPARE(model.columnCount(), 0);
    }

    void itemsComparedWithNoise() {
        ItemsModel model;
        QAbstractItemModelTester tester(&model, kMode);
        model.setView(viewOf({{1, 1}, {0, 0}, {1, 0}}, {{1, 0.25F}, {0.75F, 0}, {1, 0}}));
        QCOMPARE(model.state(0, 1), ItemState::Lost);
        QCOMPARE(model.state(1, 0), ItemState::Gained);
        QCOMPARE(model.state(2, 1), ItemState::Wrong);
        QCOMPARE(text(model, 0, ItemsModel::FixedColumns + 1), QStringLiteral("25 %"));
        QCOMPARE(text(model, 0, ItemsModel::Forgotten), QStringLiteral("2M")); // of the modified checkpoints
        QVERIFY(model.data(model.index(0, ItemsModel::FixedColumns + 1), Qt::ToolTipRole)
                    .toString()
                    .contains(QStringLiteral("1 of 4 draws right")));
        model.setFilter(ItemKind::Lost, {});
        QCOMPARE(model.rowCount(), 1);
        model.setFilter(ItemKind::Gained, {});
        QCOMPARE(model.itemAt(0), 1);
    }

    void manyItemsStayQuick() {
        std::vector<std::vector<float>> items(10'000, std::vector<float>(150, 0));
        for (std::size_t i = 0; i < items.size(); ++i)
            for (std::size_t c = 0; c < 150; ++c)
                items[i][c] = (i * 7 + c * c) % 11 > 5 ? 1.0F : 0.0F;
        const auto view = viewOf(items);
        ItemsModel model;
        std::clock_t before = std::clock(); // of this process: others may be at work beside it
        const auto lap = [&] {
            const std::clock_t now = std::clock();
            return static_cast<double>(now - std::exchange(before, now)) * 1000 / CLOCKS_PER_SEC;
        };
        model.setView(view);
        const double set = lap();
        model.sort(ItemsModel::FixedColumns + 100, Qt::AscendingOrder);
        const double sorted = lap();
        model.setFilter(ItemKind::Flipping, {});
        const double filtered = lap();
        int read = 0; // what a screen of 40 rows and 30 columns asks for
        for (int row = 0; row < 40; ++row)
            for (int column = 0; column < 30; ++column)
                for (const int role : {int(Qt::DisplayRole), int(ItemsModel::StateRole), int(Qt::TextAlignmentRole)})
                    read += model.data(model.index(5000 + row, column), role).isValid();
        QVERIFY(read > 2000);
        const double painted = lap();
        qInfo("set %.1f ms, sort %.1f ms, filter %.1f ms, a screen %.1f ms of processor", set, sorted, filtered, painted);
        QVERIFY2(set < 50 && sorted < 50 && filtered < 50 && painted < 50, "no action holds the window up for 50 ms");
    }

    void samples() {
        SamplesModel model;
        QAbstractItemModelTester tester(&model, kMode);
        auto view = std::make_shared<SamplesView>();
        analysis::SampleTable table;
        table.task = "prompts";
        table.documents = {0, 2};
        for (const std::int64_t tokens : {1'000'000, 2'000'000}) {
            analysis::ItemColumn column;
            column.checkpoint.name = "step";
            column.checkpoint.tokens = tokens;
            table.columns.push_back(column);
        }
        table.texts = {"a b", "a c", "", "x"};
        view->table = table;
        model.setView(view);
        QCOMPARE(model.rowCount(), 2);
        QCOMPARE(model.columnCount(), 3);
        QCOMPARE(text(model, 0, SamplesModel::Prompt), QStringLiteral("prompt 0"));
        model.setPrompts({QStringLiteral("Once"), QString()});
        QCOMPARE(text(model, 0, SamplesModel::Prompt), QStringLiteral("Once"));
        QCOMPARE(text(model, 1, SamplesModel::Prompt), QStringLiteral("prompt 2"));
        QCOMPARE(text(model, 0, 2), QStringLiteral("a c"));
        QCOMPARE(model.textBefore(0, 1), QStringLiteral("a b"));
        QCOMPARE(model.textBefore(0, 0), QString());
        QCOMPARE(model.text(7, 0), QString());
        QCOMPARE(model.headerData(2, Qt::Horizontal, Qt::DisplayRole).toString(), QStringLiteral("2M"));
        model.setView(std::make_shared<SamplesView>());
        QCOMPARE(model.rowCount(), 0);
    }

    void evaluationsThatBelongTogether() {
        const auto planOf = [](const char* series, const char* task, const char* hash) {
            study::Plan plan;
            plan.id = std::string(series) + task + hash;
            plan.probe = study::baseEvaluation("e", series, {{task, study::Role::OutOfDistribution}});
            study::Task one;
            one.name = task;
            one.kind = study::TaskKind::Suite;
            one.dataHash = hash;
            one.definition = "{}";
            plan.tasks = {one};
            return plan;
        };
        const study::Plan shown = planOf("a", "arc", "1");
        const std::vector<study::Plan> plans{shown,
                                             planOf("b", "arc", "1"),
                                             planOf("c", "piqa", "1"),  // another task
                                             planOf("d", "arc", "2"),   // other data
                                             planOf("b", "arc", "1")};  // newer: it counts
        PlanPointers all;
        for (const study::Plan& plan : plans)
            all.push_back(&plan);
        QCOMPARE(comparableEvaluations(shown, all), PlanPointers{&plans.back()});
        study::Plan noise = shown;
        noise.probe.strengths = {0.1};
        QVERIFY(comparableEvaluations(noise, all).empty());
    }

    void figuresLeaveTheAnswersBehind() {
        study::ResultRow row;
        row.key = "k";
        row.value = 0.5;
        row.outcome.metrics = {{"acc", "accuracy", 0.5, 0.5, {1, 0}, {}}};
        row.outcome.details.itemDocuments = {0, 1};
        row.outcome.details.itemRequests = {4, 4};
        row.outcome.details.itemGold = {0, 1};
        row.outcome.details.requestNats.assign(8, 1);
        row.outcome.details.texts = {"a", "b"};
        const study::ResultRow kept = rowForFigures(row);
        QVERIFY(kept.key == row.key && kept.value == row.value && kept.outcome.metrics == row.outcome.metrics);
        QVERIFY(kept.outcome.details.itemRequests == row.outcome.details.itemRequests);
        QVERIFY(kept.outcome.details.requestNats.empty() && kept.outcome.details.texts.empty());
        study::ResultRow text;
        text.sequenceNats = {1, 2};
        QVERIFY(rowForFigures(text) == text);
    }

    void overlays() {
        OverlaysModel model;
        QAbstractItemModelTester tester(&model, kMode);
        study::Study study;
        study.tasks.emplace_back().name = "ARC-Easy";
        study::Overlay paper{"paper", "Figure 2", "f.csv", "", {}};
        paper.curves.push_back({"base", "arc_easy", "acc", "accuracy", {{1e9, 0.5, {}, {}, 0}, {2e9, 0.6, {}, {}, 0}}});
        paper.curves.push_back({"base", "piqa", "acc", "accuracy", {{1e9, 0.5, {}, {}, 0}}});
        study::Overlay other = paper;
        other.name = "other";
        other.curves.erase(other.curves.begin());
        other.source.clear();
        study.overlays = {paper, other};
        model.setStudy(study);
        QCOMPARE(text(model, 0, OverlaysModel::Name), QStringLiteral("paper"));
        QCOMPARE(text(model, 0, OverlaysModel::Points), QStringLiteral("3"));
        QCOMPARE(text(model, 0, OverlaysModel::Drawn), QStringLiteral("ARC-Easy"));
        QCOMPARE(text(model, 1, OverlaysModel::Drawn), QStringLiteral("none: this study has no task piqa"));
        QCOMPARE(text(model, 1, OverlaysModel::Source), QStringLiteral("f.csv"));
        QSignalSpy reset(&model, &QAbstractItemModel::modelReset);
        model.setStudy(study);
        QCOMPARE(reset.count(), 0);
        study.tasks.emplace_back().name = "piqa";
        model.setStudy(study);
        QCOMPARE(text(model, 1, OverlaysModel::Drawn), QStringLiteral("piqa"));
        QCOMPARE(model.nameAt(1), QStringLiteral("other"));
        QCOMPARE(model.nameAt(7), QString());
        model.setStudy({});
        QCOMPARE(model.rowCount(), 0);
    }

    void suites() {
        SuiteModel model;
        QAbstractItemModelTester tester(&model, kMode);
        data::Suite suite;
        for (const char* name : {"arc_easy", "piqa"}) {
            data::TaskDefinition task;
            task.name = name;
            task.metrics = {"acc", "acc_norm"};
            task.shots = 5;
            suite.tasks.push_back(task);
        }
        QSignalSpy wanted(&model, &SuiteModel::wantedChanged);
        model.setSuite(suite);
        QCOMPARE(model.rowCount(), 2);
        QCOMPARE(text(model, 0, SuiteModel::Metrics), QStringLiteral("acc, acc_norm"));
        QCOMPARE(text(model, 1, SuiteModel::Shots), QStringLiteral("5"));
        QVERIFY(model.wanted().empty());
        QVERIFY(model.setData(model.index(1, 0), Qt::Checked, Qt::CheckStateRole));
        QCOMPARE(model.wanted(), std::vector<int>{1});
        model.setDataState(0, {TaskDataState::State::Missing, QStringLiteral("wants a.jsonl")});
        QCOMPARE(text(model, 0, SuiteModel::Data), QStringLiteral("wants a.jsonl"));
        model.setAllWanted(true);
        QCOMPARE(model.wanted(), std::vector<int>{1}); // what is missing is not chosen
        model.setDataState(7, {});
        QVERIFY(model.flags(model.index(0, 0)).testFlag(Qt::ItemIsUserCheckable));
        QVERIFY(wanted.count() >= 4);
        model.setSuite({});
        QCOMPARE(model.rowCount(), 0);
    }
};

QTEST_GUILESS_MAIN(TestSuiteModels)
#include "tst_suite_models.moc"
