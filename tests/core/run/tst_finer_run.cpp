// SPDX-License-Identifier: Apache-2.0
// A grid of learning rates, then finer ones around the best of what was stored: one study, two runs and a third, nothing twice.
#include "tests/core/run/study_fixture.h"

#include "core/analysis/probe_finer_rates.h"
#include "core/study/finer_rates.h"
#include "core/study/queueing.h"

using namespace crest;
using study::RunState;

class TestFinerRun : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void nothingIsComputedTwice() {
        pretend::resetCounts();
        pretend::Shape shape{.checkpoints = 3, .strengths = {0.1, 0.2, 0.4}, .seeds = 2, .tuning = true};
        StudyFixture study(shape);
        const auto plan = [&] {
            study::ResultReader reader(study.folder);
            (void)reader.poll();
            return pretend::makePlan(shape, [&](const std::string& key) { return reader.has(key); });
        };
        const auto runAll = [&](const study::Plan& planned) {
            study::ResultReader reader(study.folder);
            const auto id = study::queueOnce(study.folder, planned, reader);
            if (!id || !study.work())
                return std::string();
            return study.status(*id).state == RunState::Done ? *id : std::string();
        };
        std::vector<std::string> ids{runAll(plan())};
        QVERIFY(!ids[0].empty());
        QCOMPARE(pretend::computedCount(), std::int64_t{3 * (1 + 3 * 2) * 2});
        // The pretended loss rises with the rate: the smallest is best, and the grid goes on below it, by 2, and half-way.
        std::int64_t added = 0;
        for (int level = 0; level < 2; ++level) {
            analysis::ProbeResults results;
            results.plan = plan();
            study::ResultReader reader(study.folder);
            results.rows = reader.poll().value_or(std::vector<study::ResultRow>{});
            const auto refined = analysis::refineRates(results, 1);
            QVERIFY2(refined, refined ? "" : refined.error().text().c_str());
            QCOMPARE(refined->added(), std::int64_t{3 * 3});
            if (level == 0)
                QCOMPARE(refined->checkpoints.front().added, (std::vector<double>{0.05, 0.0707, 0.141}));
            added += refined->added();
            for (std::size_t c = 0; c < 3; ++c)
                shape.finer[static_cast<int>(c)] = refined->finer.at(results.plan.checkpoints[c].weights);
            const study::Plan finer = plan();
            QCOMPARE(finer.cellCount() - finer.cachedCellCount(), std::int64_t{3 * 3 * 2});
            ids.push_back(runAll(finer));
            QVERIFY(!ids.back().empty());
            QCOMPARE(runAll(finer), ids.back()); // asked for again, it is the same run
        }
        QCOMPARE(pretend::computedCount(), std::int64_t{(3 * (1 + 3 * 2) + added * 2) * 2});
        QCOMPARE(pretend::computedTwice(), 0);
        QCOMPARE(study::listRuns(study.folder), ids);
        QCOMPARE(study.rows().size(), static_cast<std::size_t>(pretend::computedCount()));
        // A run says of its frozen plan the same afterwards.
        const auto stored = study::readPlan(study.folder, ids.back());
        QVERIFY(stored);
        QCOMPARE(study::gridOf(stored->probe), (std::vector<double>{0.1, 0.2, 0.4}));
        QCOMPARE(study::finerRatesOf(stored->probe).size(), 3u);
    }
};

QTEST_GUILESS_MAIN(TestFinerRun)
#include "tst_finer_run.moc"
