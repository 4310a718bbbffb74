// SPDX-License-Identifier: GPL-3.0-or-later
// What the probe dock's fields of a training set, keep and show again, on the sample; and settings that were written by hand.
#include <algorithm>

#include <QCheckBox>
#include <QComboBox>
#include <QDir>
#include <QDoubleSpinBox>
#include <QLabel>
#include <QSignalSpy>
#include <QSpinBox>
#include <QToolButton>
#include <QtTest>

#include "core/train/fine_tune_settings.h"
#include "tests/ui/window/window_fixture.h"
#include "ui/docks/probe_dock.h"
#include "ui/main_window.h"

using namespace crest;
using namespace crest::ui;
using crest::test::buttonWith;
using crest::test::choose;
using crest::test::isSaid;
using crest::test::named;
using crest::test::typeOver;

namespace {

constexpr int kLongMs = 60'000;

} // namespace

class TrainingFieldsTest : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void init() {
        m_window = std::make_unique<MainWindow>();
        m_window->show();
        QVERIFY(QTest::qWaitForWindowExposed(m_window.get()));
        m_dock = m_window->findChild<ProbeDock*>();
    }
    /// The sample's study is a new one for each.
    void cleanup() {
        m_window.reset();
        QDir(qEnvironmentVariable("XDG_DATA_HOME")).removeRecursively();
    }

    void trainingDetailsAreSet();
    void trainingDetailsAreReadBack();
    void theLargestTrainingIsKept();
    void adaptersComeBackAsTheyWere();
    void tasksStayTickedFromKindToKind();
    void longTaskNamesEndInAnEllipsis();
    void secondsBelowNoneAreTheUsualOnes();
    void mitigationsAreSet();
    void mitigationsAreReadBack();
    void settingsWrittenByHandAreNotTrusted_data();
    void settingsWrittenByHandAreNotTrusted();

private:
    std::unique_ptr<MainWindow> m_window;
    ProbeDock* m_dock = nullptr;
    QDoubleSpinBox *m_head = nullptr, *m_share = nullptr, *m_keep = nullptr; ///< of openSampleForTuning, as the next two
    QLineEdit *m_pull = nullptr, *m_text = nullptr;

    void openSampleForTuning();
    Json storedTuning() const {
        for (const study::Probe& one : m_window->session().study().probes)
            if (one.kind == study::kFineTuning)
                return one.settings;
        return {};
    }
    QComboBox* kind() const { return named<QComboBox>(m_window.get(), QStringLiteral("Kind of probe")); }
    const study::Probe& probe() const { return m_dock->probe(); }
    QToolButton* buttonOf(const QString& text) const {
        for (QToolButton* button : m_window->findChildren<QToolButton*>())
            if (button->text() == text)
                return button;
        return nullptr;
    }
    bool isShown(const QString& field) const {
        const QWidget* widget = named<QWidget>(m_window.get(), field);
        return widget && widget->isVisible();
    }
};

void TrainingFieldsTest::openSampleForTuning() {
    m_window->actions().at(ActionId::OpenSample)->trigger();
    QTRY_COMPARE_WITH_TIMEOUT(m_window->session().series().size(), std::size_t(1), kLongMs);
    choose(kind(), QStringLiteral("Fine-tuning"));
    for (auto [box, name] : {std::pair{&m_head, "Head first"}, {&m_share, "Share of replayed text"}, {&m_keep, "Room for tuned weights"}}) {
        *box = named<QDoubleSpinBox>(m_window.get(), QString::fromLatin1(name));
        QVERIFY2(*box, name);
    }
    m_pull = named<QLineEdit>(m_window.get(), QStringLiteral("Pull to the start"));
    m_text = named<QLineEdit>(m_window.get(), QStringLiteral("Text that is replayed"));
    QVERIFY(m_pull && m_text);
}

/// By keys; into the probe and the study, as a command would say it. The usual values are plain fine-tuning again.
void TrainingFieldsTest::trainingDetailsAreSet() {
    openSampleForTuning();
    if (QTest::currentTestFailed())
        return;
    QTRY_VERIFY(!probe().settings.is_null() && probe().settings.contains("training"));
    QToolButton* fold = buttonOf(QStringLiteral("More: steps, schedule, decay"));
    auto* steps = named<QSpinBox>(m_window.get(), QStringLiteral("Optimiser steps"));
    auto* epochs = named<QSpinBox>(m_window.get(), QStringLiteral("Epochs"));
    auto* schedule = named<QComboBox>(m_window.get(), QStringLiteral("Schedule of the learning rate"));
    QVERIFY(fold && steps && epochs && schedule);
    QTRY_VERIFY(fold->isVisible());
    QVERIFY(!steps->isVisible());
    m_window->activateWindow();
    QVERIFY(QTest::qWaitForWindowActive(m_window.get()));
    fold->setFocus(Qt::TabFocusReason);
    QTest::keyClick(fold, Qt::Key_Space);
    QVERIFY(steps->isVisible() && isShown(QStringLiteral("Seconds between saved states")));
    QVERIFY(!isShown(QStringLiteral("Alpha of LoRA")));
    steps->setValue(1); // an edit, and back: what follows is compared with what edits make of the usual values
    steps->setValue(0);
    QTRY_VERIFY(epochs->isEnabled() && probe().settings["training"].value("max_steps", -1) == 0);
    const Json plain = probe().settings;
    // As protocols have it: AdamW, linear to 0, 3 to 10 % warm-up, no weight decay, gradients clipped to 1.
    const auto text = [this](const char* name) { return named<QAbstractSpinBox>(m_window.get(), QString::fromLatin1(name))->text(); };
    QCOMPARE(schedule->currentText(), QStringLiteral("linear to zero"));
    QCOMPARE(text("Warm-up"), QStringLiteral("10 %"));
    QCOMPARE(text("Weight decay"), QStringLiteral("none"));
    QCOMPARE(text("Norm that gradients are clipped to"), QStringLiteral("1"));
    QCOMPARE(text("Seconds between saved states"), QStringLiteral("as usual"));

    steps->setValue(30);
    QTRY_VERIFY(!epochs->isEnabled());
    choose(schedule, QStringLiteral("cosine to zero"));
    const auto put = [this](const char* name, double value) { named<QDoubleSpinBox>(m_window.get(), QString::fromLatin1(name))->setValue(value); };
    put("Warm-up", 3);
    put("Weight decay", 0.01);
    put("Norm that gradients are clipped to", 0);
    put("Seconds between saved states", 0);
    named<QSpinBox>(m_window.get(), QStringLiteral("Rank of LoRA"))->setValue(4);
    QTRY_VERIFY(isShown(QStringLiteral("Alpha of LoRA")));
    put("Alpha of LoRA", 32);
    choose(named<QComboBox>(m_window.get(), QStringLiteral("Matrices with an adapter")), QStringLiteral("attention"));
    train::FineTuneSettings wanted;
    wanted.maxSteps = 30, wanted.schedule = train::Schedule::Cosine, wanted.warmupShare = 0.03, wanted.weightDecay = 0.01, wanted.clipNorm = 0;
    wanted.loraRank = 4, wanted.loraAlpha = 32, wanted.loraMatrices = train::LoraMatrices::Attention;
    QTRY_COMPARE(storedTuning().value("training", Json()), train::toJson(wanted));
    QCOMPARE(storedTuning().value("state_seconds", -1.0), 0.0);
    QVERIFY(isSaid(m_dock, "(AdamW, cosine to zero)"));
    QCOMPARE(text("Norm that gradients are clipped to"), QStringLiteral("never"));
    QTRY_VERIFY_WITH_TIMEOUT(m_window->actions().at(ActionId::Run)->isEnabled(), kLongMs);

    auto* warmup = named<QDoubleSpinBox>(m_window.get(), QStringLiteral("Warm-up"));
    warmup->setFocus();
    warmup->selectAll();
    QTest::keyClicks(warmup, QStringLiteral("130"));
    QTest::keyClick(warmup, Qt::Key_Tab);
    QTRY_VERIFY(isSaid(m_dock, "Warm-up: a number from 0 to 100"));
    QVERIFY(!m_window->actions().at(ActionId::Run)->isEnabled());
    warmup->setValue(10);
    QTRY_VERIFY(!isSaid(m_dock, "Warm-up: a number from 0 to 100"));

    steps->setValue(0);
    choose(schedule, QStringLiteral("linear to zero"));
    put("Weight decay", 0);
    put("Norm that gradients are clipped to", 1);
    put("Seconds between saved states", -1);
    named<QSpinBox>(m_window.get(), QStringLiteral("Rank of LoRA"))->setValue(0);
    QTRY_COMPARE(probe().settings, plain);
}

/// Also what has more digits than a box shows, which stays what it is.
void TrainingFieldsTest::trainingDetailsAreReadBack() {
    openSampleForTuning();
    if (QTest::currentTestFailed())
        return;
    study::Probe other = probe();
    train::FineTuneSettings training;
    training.warmupShare = 1.0 / 3, training.weightDecay = 1e-7, training.schedule = train::Schedule::Constant, training.maxSteps = 500'000'000;
    other.settings["training"] = train::toJson(training);
    other.settings["state_seconds"] = 12.25;
    m_window->session().setProbe(other);
    auto* warmup = named<QDoubleSpinBox>(m_window.get(), QStringLiteral("Warm-up"));
    QTRY_COMPARE(warmup->value(), 33.33);
    QVERIFY(warmup->isVisible()); // unfolded, since it is used
    QVERIFY(!named<QSpinBox>(m_window.get(), QStringLiteral("Epochs"))->isEnabled());
    QCOMPARE(named<QComboBox>(m_window.get(), QStringLiteral("Schedule of the learning rate"))->currentText(), QStringLiteral("constant"));
    named<QSpinBox>(m_window.get(), QStringLiteral("Examples in a batch"))->setValue(4);
    training.batchExamples = 4;
    QTRY_COMPARE(storedTuning().value("training", Json()), train::toJson(training));
    QCOMPARE(storedTuning().value("state_seconds", 0.0), 12.25);
    m_window->session().undoStack()->undo();
    m_window->session().undoStack()->undo();
    QTRY_COMPARE(warmup->value(), 10.0);
}

/// What commands take is shown, and another edit leaves it: else every training would be another one.
void TrainingFieldsTest::theLargestTrainingIsKept() {
    openSampleForTuning();
    if (QTest::currentTestFailed())
        return;
    study::Probe other = probe();
    train::FineTuneSettings training;
    training.epochs = 1'000'000, training.batchExamples = 1 << 20, training.loraRank = 1 << 16;
    other.settings["training"] = train::toJson(training);
    QVERIFY(train::fineTuneSettingsFromJson(other.settings["training"], ""));
    m_window->session().setProbe(other);
    QTRY_COMPARE(named<QSpinBox>(m_window.get(), QStringLiteral("Epochs"))->value(), 1'000'000);
    QCOMPARE(named<QSpinBox>(m_window.get(), QStringLiteral("Examples in a batch"))->value(), 1 << 20);
    QCOMPARE(named<QSpinBox>(m_window.get(), QStringLiteral("Rank of LoRA"))->value(), 1 << 16);
    named<QDoubleSpinBox>(m_window.get(), QStringLiteral("Weight decay"))->setValue(0.5);
    training.weightDecay = 0.5;
    QTRY_COMPARE(storedTuning().value("training", Json()), train::toJson(training));
}

/// All weights are trained for a moment: alpha and matrices are not lost with it.
void TrainingFieldsTest::adaptersComeBackAsTheyWere() {
    openSampleForTuning();
    if (QTest::currentTestFailed())
        return;
    const auto training = [this] { return storedTuning().value("training", Json::object()); };
    auto* rank = named<QSpinBox>(m_window.get(), QStringLiteral("Rank of LoRA"));
    rank->setValue(4);
    named<QDoubleSpinBox>(m_window.get(), QStringLiteral("Alpha of LoRA"))->setValue(32);
    choose(named<QComboBox>(m_window.get(), QStringLiteral("Matrices with an adapter")), QStringLiteral("MLP"));
    QTRY_COMPARE(training().value("lora_matrices", ""), std::string("mlp"));
    QCOMPARE(training().value("lora_alpha", 0.0), 32.0);
    rank->setValue(0);
    QTRY_VERIFY(!training().contains("lora_rank") && !training().contains("lora_alpha"));
    rank->setValue(8);
    QTRY_COMPARE(training().value("lora_rank", 0), 8);
    QCOMPARE(training().value("lora_alpha", 0.0), 32.0);
    QCOMPARE(training().value("lora_matrices", ""), std::string("mlp"));
}

/// Between kinds that train, and between kinds that do not; a rescan in between changes nothing.
void TrainingFieldsTest::tasksStayTickedFromKindToKind() {
    openSampleForTuning();
    if (QTest::currentTestFailed())
        return;
    const auto suite = std::ranges::find(m_window->session().study().tasks, study::TaskKind::Suite, &study::Task::kind);
    QVERIFY(suite != m_window->session().study().tasks.end());
    const std::string task = suite->name; // the session makes its tasks anew
    const auto click = [this](const std::string& name) {
        auto* box = named<QCheckBox>(m_window.get(), QString::fromStdString(name) + QStringLiteral(": OOD"));
        QVERIFY2(box, name.c_str());
        box->click();
    };
    const auto has = [this](const std::string& name, study::Role role) {
        return std::ranges::find(probe().tasks, study::TaskInProbe{name, role}) != probe().tasks.end();
    };
    auto* data = named<QComboBox>(m_window.get(), QStringLiteral("Fine-tuning data"));
    QVERIFY(!has(task, study::Role::OutOfDistribution));
    click(task);
    click("glosses");
    const std::vector<study::TaskInProbe> ticked = probe().tasks;
    QVERIFY(has(task, study::Role::OutOfDistribution) && !has("glosses", study::Role::OutOfDistribution));
    choose(kind(), QStringLiteral("Interpolation"));
    QCOMPARE(probe().kind, std::string(study::kInterpolation));
    QVERIFY(probe().tasks == ticked);
    QSignalSpy changed(&m_window->session(), &StudySession::seriesChanged);
    m_window->session().rescan();
    QVERIFY(changed.wait(kLongMs));
    QVERIFY(probe().kind == study::kInterpolation && probe().tasks == ticked);
    // What it trains on is its ID task alone.
    choose(data, data->itemText(data->currentIndex() == 0 ? 1 : 0));
    QTRY_VERIFY(has(data->currentText().toStdString(), study::Role::InDistribution));
    QCOMPARE(std::ranges::count(probe().tasks, study::Role::InDistribution, &study::TaskInProbe::role), 1);
    QVERIFY(has(task, study::Role::OutOfDistribution));
    // Of other kinds another task is the ID one.
    choose(kind(), QStringLiteral("Gaussian noise"));
    QVERIFY(has("dictionary", study::Role::InDistribution) && !has(task, study::Role::OutOfDistribution));
    click(task);
    click("bible");
    const std::vector<study::TaskInProbe> underNoise = probe().tasks;
    choose(kind(), QStringLiteral("Pruning"));
    QVERIFY(probe().kind == study::kPruning && probe().tasks == underNoise);
    choose(kind(), QStringLiteral("Base evaluation")); // everything
    QVERIFY(std::ranges::find(probe().tasks, std::string("bible"), &study::TaskInProbe::task) != probe().tasks.end());
}

/// Drawn as its shortened text is; the whole one stands in the tip.
void TrainingFieldsTest::longTaskNamesEndInAnEllipsis() {
    openSampleForTuning();
    if (QTest::currentTestFailed())
        return;
    study::Task task = m_window->session().study().tasks.front();
    task.name = "a task whose name is longer than any dock beside a figure is wide, as names of suites can be";
    const QString name = QString::fromStdString(task.name);
    m_window->session().addTask(task);
    const auto labelOf = [&]() -> QLabel* {
        for (QLabel* label : m_dock->findChildren<QLabel*>())
            if (label->text() == name)
                return label;
        return nullptr;
    };
    QTRY_VERIFY(labelOf() && labelOf()->isVisible() && labelOf()->width() > 0);
    QLabel* label = labelOf();
    QTest::qWait(0); // laid out
    const QString shortened = label->fontMetrics().elidedText(name, Qt::ElideRight, label->contentsRect().width());
    QVERIFY(shortened.endsWith(QChar(0x2026)) && shortened.size() < name.size());
    const QImage drawn = label->grab().toImage();
    label->setText(shortened);
    QCOMPARE(label->grab().toImage(), drawn);
    label->setText(name.first(shortened.size())); // as much of it as fits
    QVERIFY(label->grab().toImage() != drawn);
    QVERIFY(label->toolTip().startsWith(name + u'\n'));
}

/// The field says what is stored.
void TrainingFieldsTest::secondsBelowNoneAreTheUsualOnes() {
    openSampleForTuning();
    if (QTest::currentTestFailed())
        return;
    auto* seconds = named<QDoubleSpinBox>(m_window.get(), QStringLiteral("Seconds between saved states"));
    seconds->setValue(0.5);
    QTRY_COMPARE(storedTuning().value("state_seconds", 0.0), 0.5);
    seconds->stepDown(); // by 1
    QTRY_VERIFY(!storedTuning().contains("state_seconds"));
    QCOMPARE(seconds->text(), QStringLiteral("as usual"));
}

/// By clicks into the probe and the study; what cannot be says why, and does not run.
void TrainingFieldsTest::mitigationsAreSet() {
    openSampleForTuning();
    if (QTest::currentTestFailed())
        return;
    const auto checkpoints = static_cast<int>(m_window->session().series().front().checkpoints.size());
    QToolButton* fold = buttonOf(QStringLiteral("Mitigations, weights, memory"));
    auto* rank = named<QSpinBox>(m_window.get(), QStringLiteral("Rank of LoRA"));
    QVERIFY(fold && rank);
    QTRY_VERIFY(fold->isVisible());
    QVERIFY(!m_head->isVisible()); // folded away until it is used
    QTest::mouseClick(fold, Qt::LeftButton);
    QVERIFY(m_head->isVisible() && m_pull->isVisible() && !m_text->isVisible());
    const auto canRun = [this] { return m_window->actions().at(ActionId::Run)->isEnabled(); };

    m_head->setValue(25);
    QTRY_COMPARE(probe().settings["training"].value("head_share", 0.0), 0.25);
    rank->setValue(4);
    QTRY_VERIFY(isSaid(m_dock, "the head cannot come first"));
    QVERIFY(!canRun());
    rank->setValue(0);
    typeOver(m_pull, QStringLiteral("much"));
    QTRY_VERIFY(isSaid(m_dock, "must be a number from 0"));
    typeOver(m_pull, QStringLiteral("0"));
    QVERIFY(m_pull->text().isEmpty() && m_pull->placeholderText() == QStringLiteral("off"));
    typeOver(m_pull, QStringLiteral("0.05"));
    QTRY_COMPARE(probe().settings["training"].value("l2_to_start", 0.0), 0.05);

    m_share->setValue(12.5);
    QTRY_VERIFY(m_text->isVisible() && isSaid(m_dock, "Choose the pretraining text"));
    QVERIFY(!canRun() && !probe().settings.contains("replay"));
    QTemporaryDir dir;
    const QString file = dir.filePath(QStringLiteral("old.txt"));
    QFile text(file);
    QVERIFY(text.open(QIODevice::WriteOnly));
    text.write(QByteArray("In the beginning there was a text of some length.\n").repeated(200));
    text.close();
    QFile none(dir.filePath(QStringLiteral("none.txt")));
    QVERIFY(none.open(QIODevice::WriteOnly));
    typeOver(m_text, none.fileName());
    QTRY_VERIFY_WITH_TIMEOUT(isSaid(m_dock, "none.txt: the file is empty") && !canRun(), kLongMs);
    for (const study::Task& task : m_window->session().study().tasks)
        if (task.name == "bible") // which is measured
            typeOver(m_text, QString::fromStdString(task.textsPath));
    QTRY_VERIFY_WITH_TIMEOUT(isSaid(m_dock, "bible is not held out: the same file is replayed in training") && canRun(), kLongMs);
    typeOver(m_text, file);
    QTRY_VERIFY_WITH_TIMEOUT(!isSaid(m_dock, "is not held out") && canRun(), kLongMs);
    QTRY_COMPARE(probe().settings["training"].value("replay_share", 0.0), 0.125);
    QCOMPARE(probe().settings["training"].value("replay_tokens", 0), 128);
    auto* window = named<QSpinBox>(m_window.get(), QStringLiteral("Tokens of a window of replayed text"));
    QVERIFY(window && window->isVisible());
    window->setValue(64);
    QTRY_COMPARE(probe().settings["training"].value("replay_tokens", 0), 64);
    QCOMPARE(probe().settings.value("replay", ""), file.toStdString());
    auto* lessMemory = named<QCheckBox>(m_window.get(), QStringLiteral("Less memory"));
    QVERIFY(lessMemory && lessMemory->isVisible());
    QTest::mouseClick(lessMemory, Qt::LeftButton, {}, QPoint(8, lessMemory->height() / 2));
    QTRY_COMPARE(probe().settings.value("recompute_activations", false), true);
    m_keep->setValue(1.5);
    QTRY_COMPARE(probe().settings.value("keep_bytes", std::int64_t{0}), std::int64_t{1'500'000'000});
    // Planned with what it costs, and in the study as a command would say it.
    QTRY_VERIFY_WITH_TIMEOUT(buttonWith(m_window.get(), QStringLiteral("Run %1 cells").arg(checkpoints * 16)), kLongMs);
    QTRY_VERIFY(isSaid(m_dock, "trainings"));
    QTRY_COMPARE(storedTuning(), probe().settings);
    QCOMPARE(storedTuning()["training"], train::toJson(*train::fineTuneSettingsFromJson(storedTuning()["training"], "")));
}

/// From a study into the fields, also what has more digits than a box shows: it stays what it is.
void TrainingFieldsTest::mitigationsAreReadBack() {
    openSampleForTuning();
    if (QTest::currentTestFailed())
        return;
    m_keep->setValue(2);
    QTRY_COMPARE(probe().settings.value("keep_bytes", std::int64_t{0}), std::int64_t{2'000'000'000});
    m_keep->setValue(0);
    QTRY_VERIFY(!probe().settings.contains("keep_bytes"));
    const Json plain = probe().settings;
    study::Probe other = probe();
    other.settings["training"]["head_share"] = 1.0 / 3;
    other.settings["training"]["l2_to_start"] = 0.2;
    other.settings["keep_bytes"] = 123'456'789;
    m_window->session().setProbe(other);
    QTRY_COMPARE(m_head->value(), 33.33);
    QVERIFY(m_head->isVisible()); // unfolded, since it is used
    QVERIFY(!m_text->isVisible());
    QCOMPARE(m_pull->text(), QStringLiteral("0.2"));
    QCOMPARE(m_share->value(), 0.0);
    typeOver(m_pull, {});
    QTRY_COMPARE(probe().settings["training"].value("l2_to_start", 1.0), 0.0);
    QCOMPARE(probe().settings["training"].value("head_share", 0.0), 1.0 / 3);
    QCOMPARE(probe().settings.value("keep_bytes", std::int64_t{0}), std::int64_t{123'456'789});
    // All off is plain fine-tuning again, so that its results are found.
    m_head->setValue(0);
    m_keep->setValue(0);
    QTRY_COMPARE(probe().settings, plain);
    m_window->session().undoStack()->undo();
    QTRY_COMPARE(m_keep->value(), 0.1); // of 123 MB
}

void TrainingFieldsTest::settingsWrittenByHandAreNotTrusted_data() {
    QTest::addColumn<QString>("name");
    QTest::addColumn<QString>("id");
    QTest::addColumn<QString>("settings");
    const auto row = [](const char* tag, const char* name, const char* id, const char* settings) {
        QTest::newRow(tag) << QString::fromLatin1(name) << QString::fromLatin1(id) << QString::fromLatin1(settings);
    };
    row("nothing", "Fine-tuning", study::kFineTuning, "null");
    row("a text", "Fine-tuning", study::kFineTuning, "\"fast\"");
    row("no training", "Fine-tuning", study::kFineTuning, R"({"data_task": "verses"})");
    row("words for numbers", "Fine-tuning", study::kFineTuning,
        R"({"data_task": "verses", "training": {"epochs": "two", "replay_share": "half"}})");
    row("a number for a name", "Fine-tuning", study::kFineTuning, R"({"data_task": 5, "training": {}})");
    row("a rate in words", "Interpolation", study::kInterpolation,
        R"({"data_task": "verses", "training": {}, "learning_rate": "high"})");
    row("no group", "Quantisation", study::kQuantisation, "null");
    row("a group in words", "Quantisation", study::kQuantisation, R"({"group": "many"})");
}

/// The window stands, shows what is usual instead, and can plan with that after an edit.
void TrainingFieldsTest::settingsWrittenByHandAreNotTrusted() {
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

int main(int argc, char** argv) {
    qputenv("QT_QPA_PLATFORM", "offscreen");
    qputenv("CREST_RESOURCES", CREST_SOURCE_DIR "/resources");
    qputenv("CREST_RUN", CREST_BINARY_DIR "/bin/crest-run");
    QTemporaryDir home;
    for (const char* variable : {"XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"})
        qputenv(variable, (home.path() + QLatin1Char('/') + QLatin1String(variable)).toUtf8());
    QApplication application(argc, argv);
    TrainingFieldsTest test;
    return QTest::qExec(&test, argc, argv);
}

#include "tst_training_fields.moc"
