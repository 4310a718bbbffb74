// SPDX-License-Identifier: GPL-3.0-or-later
// The kinds of probe in the window, on the sample series: their fields, what a plan of them holds, and fine-tuning data
// from a file to a run that a real runner finishes.
#include <QComboBox>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>
#include <QSpinBox>
#include <QTextBrowser>
#include <QtTest>

#include "core/study/study_folder.h"
#include "tests/ui/window/window_fixture.h"
#include "ui/dialogs/tuning_dialog.h"
#include "ui/docks/probe_dock.h"
#include "ui/main_window.h"

using namespace crest;
using namespace crest::ui;
using crest::test::named;

namespace {

constexpr int kLongMs = 60'000;

QPushButton* buttonWith(const QWidget* parent, const QString& text) {
    for (QPushButton* button : parent->findChildren<QPushButton*>())
        if (button->text().contains(text))
            return button;
    return nullptr;
}

void choose(QComboBox* box, const QString& text) {
    box->setCurrentIndex(box->findText(text));
    Q_EMIT box->activated(box->currentIndex());
}

/// The sample's first checkpoints alone: enough for a curve, few enough for a test.
QString smallSeries(const QTemporaryDir& dir) {
    const QString series = dir.filePath(QStringLiteral("small"));
    QDir().mkpath(series);
    const QDir sample(QStringLiteral(CREST_SOURCE_DIR "/resources/sample/series/sample-seed1"));
    for (const QString& name : sample.entryList(QDir::Dirs | QDir::NoDotAndDotDot, QDir::Name).mid(0, 2))
        QFile::link(sample.filePath(name), series + u'/' + name);
    return series;
}

} // namespace

class WindowKindsTest : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void init() {
        m_window = std::make_unique<MainWindow>();
        m_window->show();
        QVERIFY(QTest::qWaitForWindowExposed(m_window.get()));
    }
    void cleanup() { m_window.reset(); }

    void everyKindPlansOnTheSample();
    void settingsWrittenByHandAreNotTrusted_data();
    void settingsWrittenByHandAreNotTrusted();
    void fineTuningFromAFileToCurves();

private:
    std::unique_ptr<MainWindow> m_window;

    QComboBox* kind() const { return named<QComboBox>(m_window.get(), QStringLiteral("Kind of probe")); }
    const study::Probe& probe() const { return m_window->findChild<ProbeDock*>()->probe(); }
    bool isShown(const QString& field) const {
        const QWidget* widget = named<QWidget>(m_window.get(), field);
        return widget && widget->isVisible();
    }
};

void WindowKindsTest::everyKindPlansOnTheSample() {
    m_window->actions().at(ActionId::OpenSample)->trigger();
    QTRY_COMPARE_WITH_TIMEOUT(m_window->session().series().size(), std::size_t(1), kLongMs);
    const auto checkpoints = static_cast<int>(m_window->session().series().front().checkpoints.size());
    const auto planned = [&](int strengths, int seeds) {
        const QString text = QStringLiteral("Run %1 cells").arg(checkpoints * (1 + strengths * std::max(1, seeds)));
        return QTest::qWaitFor([&] { return buttonWith(m_window.get(), text) != nullptr; }, kLongMs);
    };
    QVERIFY(planned(5, 16)); // noise

    choose(kind(), QStringLiteral("Quantisation"));
    QVERIFY(isShown(QStringLiteral("Weights in a group")) && !isShown(QStringLiteral("Noise draws")));
    QVERIFY(planned(4, 0));
    auto* bits = named<QLineEdit>(m_window.get(), QStringLiteral("Bits"));
    QVERIFY(bits);
    bits->setText(QStringLiteral("4 9"));
    Q_EMIT bits->textEdited(bits->text());
    QVERIFY(buttonWith(m_window.get(), QStringLiteral("Run")) && !buttonWith(m_window.get(), QStringLiteral("Run"))->isEnabled());

    choose(kind(), QStringLiteral("Pruning"));
    QVERIFY(planned(6, 0));
    choose(kind(), QStringLiteral("Fine-tuning"));
    auto* data = named<QComboBox>(m_window.get(), QStringLiteral("Fine-tuning data"));
    for (const char* field : {"Fine-tuning data", "Learning rates", "Fine-tuning seeds", "Epochs", "Examples in a batch"}) {
        const QWidget* widget = named<QWidget>(m_window.get(), QString::fromLatin1(field));
        QTRY_VERIFY2(widget && widget->isVisible() && widget->height() >= 16 && widget->width() >= 40, field);
    }
    QCOMPARE(data->count(), 2); // that ship with the sample
    QVERIFY(planned(5, 3));
    QCOMPARE(probe().tasks.front().task, data->currentText().toStdString());
    QCOMPARE(probe().tasks.front().role, study::Role::InDistribution);
    choose(data, data->itemText(1)); // is measured as soon as it is trained on
    QTRY_VERIFY(std::any_of(probe().tasks.begin(), probe().tasks.end(), [&](const study::TaskInProbe& one) {
        return one.task == data->currentText().toStdString() && one.role == study::Role::InDistribution;
    }));
    auto* rank = named<QSpinBox>(m_window.get(), QStringLiteral("Rank of LoRA"));
    QVERIFY(rank && rank->isVisible());
    rank->setValue(4);
    QTRY_COMPARE(probe().settings["training"].value("lora_rank", 0), 4);
    QVERIFY(planned(5, 3));
    rank->setValue(0); // all that is said of adapters goes, so that results of full tuning are found again
    QTRY_VERIFY(!probe().settings["training"].contains("lora_rank"));

    choose(kind(), QStringLiteral("Interpolation"));
    auto* rate = named<QLineEdit>(m_window.get(), QStringLiteral("Learning rate"));
    QTRY_VERIFY(rate && rate->isVisible() && data->isVisible() && rate->height() >= 16);
    QVERIFY(planned(4, 3));
    rate->setText(QStringLiteral("0.001 0.002"));
    Q_EMIT rate->textEdited(rate->text());
    QVERIFY(!buttonWith(m_window.get(), QStringLiteral("Run"))->isEnabled());
    rate->setText(QStringLiteral("0.001"));
    Q_EMIT rate->textEdited(rate->text());
    QTRY_COMPARE(probe().settings.value("learning_rate", 0.0), 0.001);
    QVERIFY(planned(4, 3));
    choose(kind(), QStringLiteral("Gaussian noise"));
    QVERIFY(!rate->isVisible() && !data->isVisible() && isShown(QStringLiteral("Noise draws")));
}

void WindowKindsTest::settingsWrittenByHandAreNotTrusted_data() {
    QTest::addColumn<QString>("name");
    QTest::addColumn<QString>("id");
    QTest::addColumn<QString>("settings");
    const auto row = [](const char* tag, const char* name, const char* id, const char* settings) {
        QTest::newRow(tag) << QString::fromLatin1(name) << QString::fromLatin1(id) << QString::fromLatin1(settings);
    };
    row("nothing", "Fine-tuning", study::kFineTuning, "null");
    row("a text", "Fine-tuning", study::kFineTuning, "\"fast\"");
    row("no training", "Fine-tuning", study::kFineTuning, R"({"data_task": "verses to tune on"})");
    row("words for numbers", "Fine-tuning", study::kFineTuning,
        R"({"data_task": "verses to tune on", "training": {"epochs": "two", "replay_share": "half"}})");
    row("a number for a name", "Fine-tuning", study::kFineTuning, R"({"data_task": 5, "training": {}})");
    row("a rate in words", "Interpolation", study::kInterpolation,
        R"({"data_task": "verses to tune on", "training": {}, "learning_rate": "high"})");
    row("no group", "Quantisation", study::kQuantisation, "null");
    row("a group in words", "Quantisation", study::kQuantisation, R"({"group": "many"})");
}

/// The window stands, shows what is usual instead, and can plan with that after an edit.
void WindowKindsTest::settingsWrittenByHandAreNotTrusted() {
    QFETCH(QString, name);
    QFETCH(QString, id);
    QFETCH(QString, settings);
    m_window->actions().at(ActionId::OpenSample)->trigger();
    QTRY_COMPARE_WITH_TIMEOUT(m_window->session().series().size(), std::size_t(1), kLongMs);
    choose(kind(), name);
    study::Probe bad = probe();
    bad.settings = Json::parse(settings.toStdString());
    m_window->session().setProbe(bad);
    QTest::qWait(400); // it is planned as it stands
    QCOMPARE(kind()->currentText(), name);
    auto* seeds = named<QSpinBox>(m_window.get(), QStringLiteral("Fine-tuning seeds"));
    auto* group = named<QSpinBox>(m_window.get(), QStringLiteral("Weights in a group"));
    if (id == QString::fromLatin1(study::kQuantisation)) {
        QCOMPARE(group->value(), 128);
        group->setValue(64);
    } else {
        QCOMPARE(named<QSpinBox>(m_window.get(), QStringLiteral("Epochs"))->value(), 1);
        seeds->setValue(2);
    }
    QTRY_VERIFY_WITH_TIMEOUT(buttonWith(m_window.get(), QStringLiteral("Run")) &&
                                 m_window->actions().at(ActionId::Run)->isEnabled(),
                             kLongMs);
}

void WindowKindsTest::fineTuningFromAFileToCurves() {
    QTemporaryDir dir;
    test::dropFolder(m_window.get(), smallSeries(dir));
    QTRY_COMPARE_WITH_TIMEOUT(m_window->session().series().size(), std::size_t(1), kLongMs);
    choose(kind(), QStringLiteral("Fine-tuning"));
    QVERIFY(!buttonWith(m_window.get(), QStringLiteral("Run"))->isEnabled()); // there are no data yet

    const QString rows = dir.filePath(QStringLiteral("definitions.jsonl"));
    QFile file(rows);
    QVERIFY(file.open(QIODevice::WriteOnly));
    for (int i = 0; i < 60; ++i)
        file.write("{\"prompt\": \"thing number " + QByteArray::number(i) + ":\", \"completion\": \" a small thing of wood\"}\n");
    file.close();
    const auto& checkpoint = m_window->session().series().front().checkpoints.front();
    auto* dialog = new TuningDialog(rows, m_window->session().study().tasks, checkpoint.path, 128, m_window.get());
    dialog->show();
    auto* shown = named<QTextBrowser>(dialog, QStringLiteral("Rows as the model sees them"));
    QTRY_VERIFY_WITH_TIMEOUT(shown->toPlainText().contains(QStringLiteral("a small thing of wood")), kLongMs);
    QVERIFY(shown->toPlainText().contains(QStringLiteral("<end>")));
    QPushButton* add = buttonWith(dialog, QStringLiteral("Add data"));
    QTRY_VERIFY_WITH_TIMEOUT(add->isEnabled(), kLongMs);
    const study::Task task = dialog->task();
    QCOMPARE(task.kind, study::TaskKind::TuningLoss);
    delete dialog;

    m_window->session().addTask(task);
    auto* data = named<QComboBox>(m_window.get(), QStringLiteral("Fine-tuning data"));
    QTRY_COMPARE(data->count(), 1);
    auto* rates = named<QLineEdit>(m_window.get(), QStringLiteral("Learning rates"));
    QVERIFY(rates);
    rates->setText(QStringLiteral("0.002 0.004"));
    Q_EMIT rates->textEdited(rates->text());
    named<QSpinBox>(m_window.get(), QStringLiteral("Fine-tuning seeds"))->setValue(2);
    QTRY_VERIFY_WITH_TIMEOUT(buttonWith(m_window.get(), QStringLiteral("Run 10 cells")), kLongMs);
    QTRY_VERIFY_WITH_TIMEOUT(m_window->actions().at(ActionId::Run)->isEnabled(), kLongMs);
    m_window->actions().at(ActionId::Run)->trigger();
    const auto isDone = [this] {
        const auto& runs = m_window->session().runs();
        return runs.size() == 1 && runs.front().state == study::RunState::Done;
    };
    QTRY_VERIFY_WITH_TIMEOUT(isDone(), kLongMs);
    // What was trained is better at what it was trained on.
    const auto& results = m_window->session().probeView().results;
    QTRY_VERIFY_WITH_TIMEOUT(results && results->rows.size() == 10, kLongMs);
    double base = 0, tuned = 0;
    for (const study::ResultRow& row : results->rows)
        (row.strength == 0 ? base : tuned) += row.value / (row.strength == 0 ? 2 : 8);
    QVERIFY2(tuned < base, qPrintable(QStringLiteral("%1 and %2").arg(tuned).arg(base)));
}

int main(int argc, char** argv) {
    qputenv("QT_QPA_PLATFORM", "offscreen");
    qputenv("CREST_RESOURCES", CREST_SOURCE_DIR "/resources");
    qputenv("CREST_RUN", CREST_BINARY_DIR "/bin/crest-run");
    QTemporaryDir home;
    for (const char* variable : {"XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"})
        qputenv(variable, (home.path() + QLatin1Char('/') + QLatin1String(variable)).toUtf8());
    QApplication application(argc, argv);
    WindowKindsTest test;
    return QTest::qExec(&test, argc, argv);
}

#include "tst_window_kinds.moc"
