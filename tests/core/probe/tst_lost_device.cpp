// SPDX-License-Identifier: Apache-2.0
// A GPU that is lost while a batch is computed, pretended (tests/support/pretend_device.h).
#include <QTemporaryDir>
#include <QtTest>

#include <cmath>

#include "core/probe/probe_runner.h"
#include "tests/core/probe/small_checkpoint.h"
#include "tests/support/pretend_device.h"

using namespace crest;
using test::kPretendDevice;
using test::pretendDevice;

class TestLostDevice : public QObject {
    Q_OBJECT
    QTemporaryDir m_dir;
    study::Plan m_plan;
    int m_measured = 0;

    run::BatchRequest everything() const {
        run::BatchRequest request{&m_plan, 0, {}};
        for (int cell = 0; cell < static_cast<int>(m_plan.cells.size()); ++cell)
            request.wanted.push_back({cell, {0, 1}});
        return request;
    }
    static std::unique_ptr<run::BatchRunner> runnerOn(const char* device) {
        auto made = probe::makeProbeRunner({device, 1});
        if (!made)
            qWarning("%s", made.error().text().c_str());
        return made ? std::move(*made) : nullptr;
    }

private Q_SLOTS:
    void initTestCase() {
        pretendDevice();
        const auto checkpoint = test::makeSmallCheckpoint(m_dir.path().toStdString());
        QVERIFY2(checkpoint, checkpoint ? "" : checkpoint.error().text().c_str());
        m_plan = test::smallPlan(*checkpoint, {0.1, 0.2}, 2);
    }
    void init() { m_measured = 0; }

    /// What the CPU measures, the device does.
    void measuresAsTheCpu() {
        const auto valuesOn = [&](const char* device) {
            std::vector<double> values;
            const auto done = runnerOn(device)->run(everything(), JobContext(), [&](const run::Measurement& one) -> Result<void> {
                values.push_back(one.value);
                return {};
            });
            if (!done)
                qWarning("%s", done.error().text().c_str());
            return values;
        };
        const std::vector<double> cpu = valuesOn("cpu"), other = valuesOn(kPretendDevice);
        QCOMPARE(cpu.size(), 2 * m_plan.cells.size());
        QCOMPARE(other.size(), cpu.size());
        for (std::size_t i = 0; i < cpu.size(); ++i)
            QVERIFY2(std::abs(other[i] / cpu[i] - 1) < 1e-4, qPrintable(QString("%1 and %2").arg(other[i]).arg(cpu[i])));
    }

    /// What was measured before is handed on; the rest of the batch fails with a sentence, and no other batch is to be tried.
    void whatIsFinishedStays() {
        const auto runner = runnerOn(kPretendDevice);
        const auto done = runner->run(everything(), JobContext(), [&](const run::Measurement& one) -> Result<void> {
            m_measured += std::isfinite(one.value);
            pretendDevice().lost = pretendDevice().lost || m_measured == 2;
            return {};
        });
        pretendDevice().lost = false;
        QVERIFY(!done);
        QVERIFY2(done.error().message.starts_with("pretend:0 does not compute (CUDA error: unspecified launch failure). What is finished is kept"),
                 done.error().text().c_str());
        QVERIFY(m_measured >= 2 && m_measured < static_cast<int>(2 * m_plan.cells.size()));
        QVERIFY(runner->unusable().has_value());
    }

    void noMemoryIsNoLoss() {
        const auto runner = runnerOn(kPretendDevice);
        pretendDevice().room = pretendDevice().now + 5000;
        const auto done = runner->run(everything(), JobContext(), [](const run::Measurement&) -> Result<void> { return {}; });
        pretendDevice().room = std::numeric_limits<std::int64_t>::max();
        QVERIFY(!done);
        QVERIFY2(done.error().message.starts_with("there is not enough memory for this checkpoint"), done.error().text().c_str());
        QVERIFY(!runner->unusable());
    }

    /// Another failure is the batch's own.
    void aMissingCheckpointIsNoLoss() {
        const auto runner = runnerOn(kPretendDevice);
        study::Plan gone = m_plan;
        gone.checkpoints.front().path += "-gone";
        run::BatchRequest request = everything();
        request.plan = &gone;
        QVERIFY(!runner->run(request, JobContext(), [](const run::Measurement&) -> Result<void> { return {}; }));
        QVERIFY(!runner->unusable());
    }
};

QTEST_GUILESS_MAIN(TestLostDevice)
#include "tst_lost_device.moc"
