// SPDX-License-Identifier: GPL-3.0-or-later
// The kinds of probe in the window, on the sample series: their fields, what a plan of them holds, and fine-tuning data
// from a file to a run that a real runner finishes.
#include <QCheckBox>
#include <QComboBox>
#include <QDir>
#include <QDoubleSpinBox>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>
#include <QSpinBox>
#include <QSignalSpy>
#include <QTextBrowser>
#include <QTextCursor>
#include <QTextDocument>
#include <QToolButton>
#include <QTreeView>
#include <QtTest>

#include "core/study/finer_rates.h"
#include "core/study/study_folder.h"
#include "core/train/fine_tune_settings.h"
#include "tests/core/series/make_checkpoint.h"
#include "tests/ui/window/window_fixture.h"
#include "ui/dialogs/tuning_dialog.h"
#include "ui/docks/probe_dock.h"
#include "ui/main_window.h"
#include "ui/window/icons.h"

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

/// 60 rows.
QString writeDefinitions(const QTemporaryDir& dir) {
    QFile file(dir.filePath(QStringLiteral("definitions.jsonl")));
    if (file.open(QIODevice::WriteOnly))
        for (int i = 0; i < 60; ++i)
            file.write("{\"prompt\": \"thing number " + QByteArray::number(i) + ":\", \"completion\": \" a small thing of wood\"}\n");
    return file.fileName();
}

bool says(const QWidget* parent, const char* part) {
    for (const QLabel* label : parent->findChildren<QLabel*>())
        if (label->text().contains(QLatin1String(part)))
            return true;
    return false;
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
    /// The sample's study is a new one for each.
    void cleanup() {
        m_window.reset();
        QDir(qEnvironmentVariable("XDG_DATA_HOME")).removeRecursively();
    }

    void everyKindPlansOnTheSample();
    void theSeriesIsChosenInItsTree();
    void trainingDetailsAreSet();
    void trainingDetailsAreReadBack();
    void theLargestTrainingIsKept();
    void adaptersComeBackAsTheyWere();
    void secondsBelowNoneAreTheUsualOnes();
    void mitigationsAreSet();
    void mitigationsAreReadBack();
    void settingsWrittenByHandAreNotTrusted_data();
    void settingsWrittenByHandAreNotTrusted();
    void dataAreLookedAtFirst();
    void allRowsAreCounted();
    void fineTuningFromAFileToCurves();

private:
    std::unique_ptr<MainWindow> m_window;
    QDoubleSpinBox *m_head = nullptr, *m_share = nullptr, *m_keep = nullptr; ///< of openSampleForTuning, as the next two
    QLineEdit *m_pull = nullptr, *m_text = nullptr;

    void openSampleForTuning();
    void finerAroundTheBest();
    static void type(QLineEdit* edit, const QString& text);
    /// By the dock: a problem, or what the plan costs.
    bool isSaid(const char* part) const;
    Json storedTuning() const {
        for (const study::Probe& one : m_window->session().study().probes)
            if (one.kind == study::kFineTuning)
                return one.settings;
        return {};
    }
    std::filesystem::path firstCheckpoint() const { return m_window->session().series().front().checkpoints.front().path; }
    QComboBox* kind() const { return named<QComboBox>(m_window.get(), QStringLiteral("Kind of probe")); }
    const study::Probe& probe() const { return m_window->findChild<ProbeDock*>()->probe(); }
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
    // What was trained on before is no ID task any more: the rate would be chosen by the mean of both.
    QCOMPARE(std::count_if(probe().tasks.begin(), probe().tasks.end(), [](const auto& one) { return one.role == study::Role::InDistribution; }), 1);
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

/// What is chosen in the Probe dock after that stays, whatever is learned of the series.
void WindowKindsTest::theSeriesIsChosenInItsTree() {
    QTemporaryDir dir;
    unsigned weights = 0;
    for (const char* place : {"apple/step10", "apple/step20", "pear/step10", "pear/step30"})
        QVERIFY(test::makeCheckpoint(std::filesystem::path(dir.path().toStdString()) / place, test::tinySpec(), ++weights));
    test::dropFolder(m_window.get(), dir.path());
    QTRY_COMPARE_WITH_TIMEOUT(m_window->session().series().size(), std::size_t(2), kLongMs);
    auto* tree = named<QTreeView>(m_window.get(), QStringLiteral("Checkpoints"));
    auto* series = named<QComboBox>(m_window.get(), QStringLiteral("Series"));
    QTRY_COMPARE(series->currentText(), QStringLiteral("apple"));
    tree->collapseAll();
    QTest::mouseClick(tree->viewport(), Qt::LeftButton, {}, tree->visualRect(tree->model()->index(1, 0)).center());
    QCOMPARE(series->currentText(), QStringLiteral("pear"));
    QCOMPARE(probe().series, std::string("pear"));
    choose(series, QStringLiteral("apple"));
    QSignalSpy changed(&m_window->session(), &StudySession::seriesChanged);
    m_window->session().rescan();
    QVERIFY(changed.wait(kLongMs));
    QCOMPARE(series->currentText(), QStringLiteral("apple"));
    tree->setFocus();
    QTest::keyClick(tree, Qt::Key_Up);
    QTest::keyClick(tree, Qt::Key_Down);
    QCOMPARE(series->currentText(), QStringLiteral("pear"));
}

void WindowKindsTest::openSampleForTuning() {
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

void WindowKindsTest::type(QLineEdit* edit, const QString& text) {
    edit->setText(text);
    Q_EMIT edit->textEdited(text);
    Q_EMIT edit->editingFinished();
}

bool WindowKindsTest::isSaid(const char* part) const {
    const auto labels = m_window->findChild<ProbeDock*>()->findChildren<QLabel*>();
    return std::any_of(labels.begin(), labels.end(),
                       [&](const QLabel* label) { return label->isVisible() && label->text().contains(QLatin1String(part)); });
}

/// By keys; into the probe and the study, as a command would say it. The usual values are plain fine-tuning again.
void WindowKindsTest::trainingDetailsAreSet() {
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
    QVERIFY(isSaid("(AdamW, cosine to zero)"));
    QCOMPARE(text("Norm that gradients are clipped to"), QStringLiteral("never"));
    QTRY_VERIFY_WITH_TIMEOUT(m_window->actions().at(ActionId::Run)->isEnabled(), kLongMs);

    auto* warmup = named<QDoubleSpinBox>(m_window.get(), QStringLiteral("Warm-up"));
    warmup->setFocus();
    warmup->selectAll();
    QTest::keyClicks(warmup, QStringLiteral("130"));
    QTest::keyClick(warmup, Qt::Key_Tab);
    QTRY_VERIFY(isSaid("Warm-up: a number from 0 to 100"));
    QVERIFY(!m_window->actions().at(ActionId::Run)->isEnabled());
    warmup->setValue(10);
    QTRY_VERIFY(!isSaid("Warm-up: a number from 0 to 100"));

    steps->setValue(0);
    choose(schedule, QStringLiteral("linear to zero"));
    put("Weight decay", 0);
    put("Norm that gradients are clipped to", 1);
    put("Seconds between saved states", -1);
    named<QSpinBox>(m_window.get(), QStringLiteral("Rank of LoRA"))->setValue(0);
    QTRY_COMPARE(probe().settings, plain);
}

/// Also what has more digits than a box shows, which stays what it is.
void WindowKindsTest::trainingDetailsAreReadBack() {
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
void WindowKindsTest::theLargestTrainingIsKept() {
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
void WindowKindsTest::adaptersComeBackAsTheyWere() {
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

/// The field says what is stored.
void WindowKindsTest::secondsBelowNoneAreTheUsualOnes() {
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
void WindowKindsTest::mitigationsAreSet() {
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
    QTRY_VERIFY(isSaid("the head cannot come first"));
    QVERIFY(!canRun());
    rank->setValue(0);
    type(m_pull, QStringLiteral("much"));
    QTRY_VERIFY(isSaid("must be a number from 0"));
    type(m_pull, QStringLiteral("0"));
    QVERIFY(m_pull->text().isEmpty() && m_pull->placeholderText() == QStringLiteral("off"));
    type(m_pull, QStringLiteral("0.05"));
    QTRY_COMPARE(probe().settings["training"].value("l2_to_start", 0.0), 0.05);

    m_share->setValue(12.5);
    QTRY_VERIFY(m_text->isVisible() && isSaid("Choose the pretraining text"));
    QVERIFY(!canRun() && !probe().settings.contains("replay"));
    QTemporaryDir dir;
    const QString file = dir.filePath(QStringLiteral("old.txt"));
    QFile text(file);
    QVERIFY(text.open(QIODevice::WriteOnly));
    text.write(QByteArray("In the beginning there was a text of some length.\n").repeated(200));
    text.close();
    type(m_text, file);
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
    QTRY_VERIFY(isSaid("trainings"));
    QTRY_COMPARE(storedTuning(), probe().settings);
    QCOMPARE(storedTuning()["training"], train::toJson(*train::fineTuneSettingsFromJson(storedTuning()["training"], "")));
}

/// From a study into the fields, also what has more digits than a box shows: it stays what it is.
void WindowKindsTest::mitigationsAreReadBack() {
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
    type(m_pull, {});
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

void WindowKindsTest::settingsWrittenByHandAreNotTrusted_data() {
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

/// How long they are; what becomes of long ones, which rows are held out and how many are trained on is asked for.
void WindowKindsTest::dataAreLookedAtFirst() {
    QTemporaryDir dir;
    test::dropFolder(m_window.get(), smallSeries(dir));
    QTRY_COMPARE_WITH_TIMEOUT(m_window->session().series().size(), std::size_t(1), kLongMs);
    const auto owned = std::make_unique<TuningDialog>(writeDefinitions(dir), std::vector<study::Task>{}, firstCheckpoint(), 128, m_window.get());
    TuningDialog* dialog = owned.get();
    dialog->show();
    const QPushButton* add = buttonWith(dialog, QStringLiteral("Add data"));
    QTRY_VERIFY_WITH_TIMEOUT(add->isEnabled(), kLongMs);
    auto* bars = named<QWidget>(dialog, QStringLiteral("Lengths of the examples"));
    QVERIFY(bars && bars->isVisible() && bars->height() > 40);
    QVERIFY2(bars->accessibleDescription().startsWith(QStringLiteral("Examples of ")), qPrintable(bars->accessibleDescription()));
    named<QSpinBox>(dialog, QStringLiteral("Longest example"))->setValue(12);
    auto* tooLong = named<QComboBox>(dialog, QStringLiteral("What becomes of longer examples"));
    choose(tooLong, QStringLiteral("longer ones are left out"));
    QTRY_VERIFY_WITH_TIMEOUT(says(dialog, "Longer than 12 tokens and left out: "), kLongMs);
    QVERIFY(!bars->grab().isNull());
    choose(tooLong, QStringLiteral("longer ones are cut at their end"));
    named<QSpinBox>(dialog, QStringLiteral("Longest example"))->setValue(128);
    named<QSpinBox>(dialog, QStringLiteral("Rows that are trained on"))->setValue(48);
    named<QSpinBox>(dialog, QStringLiteral("Seed of the split"))->setValue(3);
    named<QSpinBox>(dialog, QStringLiteral("Rows that are held out"))->setValue(5);
    QTRY_VERIFY_WITH_TIMEOUT(add->isEnabled() && !says(dialog, "Longer than"), kLongMs);
    QVERIFY(says(dialog, "60 rows. Trained on: 48, held out: 5.") && !named<QDoubleSpinBox>(dialog, QStringLiteral("Held out"))->isEnabled());
    const study::Task task = dialog->task();
    QCOMPARE(task.kind, study::TaskKind::TuningLoss);
    const Json chosen = Json::parse(task.definition);
    QCOMPARE(chosen.value("sample_count", 0), 48);
    QCOMPARE(chosen.value("split_seed", 0), 3);
    QCOMPARE(chosen.value("held_out_count", 0), 5);
    QCOMPARE(chosen.value("too_long", ""), std::string("truncate"));
}

/// Not just the rows that are shown first; and what a plan would refuse is not added.
void WindowKindsTest::allRowsAreCounted() {
    QTemporaryDir dir;
    test::dropFolder(m_window.get(), smallSeries(dir));
    QTRY_COMPARE_WITH_TIMEOUT(m_window->session().series().size(), std::size_t(1), kLongMs);
    const QString rows = writeDefinitions(dir);
    QFile large(dir.filePath(QStringLiteral("large.jsonl")));
    QVERIFY(large.open(QIODevice::WriteOnly));
    large.write(QByteArray("{\"prompt\": \"a thing:\", \"completion\": \" of wood\"}\n").repeated(2500));
    large.write("{\"prompt\": \"a thing:\", \"completion\": \"" + QByteArray(" wood").repeated(200) + "\"}\n{\"prompt\": 3}\n");
    large.close();
    auto* dialog = new TuningDialog(large.fileName(), {}, firstCheckpoint(), 128, m_window.get());
    dialog->show();
    QTRY_VERIFY_WITH_TIMEOUT(says(dialog, "2502 rows. "), kLongMs);
    QVERIFY(says(dialog, "Longer than 128 tokens and cut: 1 row.") && says(dialog, "Cannot be used: 1 row."));
    QVERIFY(buttonWith(dialog, QStringLiteral("Add data"))->isEnabled());
    auto* shown = named<QTextBrowser>(dialog, QStringLiteral("Rows as the model sees them")); // what is left out, with the reason
    QVERIFY2(shown->toPlainText().contains(QStringLiteral("Row 2502 left out: there is no \"completion\"")), qPrintable(shown->toPlainText().right(300)));
    const QString split = QStringLiteral(" Trained on: 2251, held out: 250."); // a tenth of the 2501 that can be used
    QVERIFY(says(dialog, qPrintable(split)));
    named<QSpinBox>(dialog, QStringLiteral("Longest example"))->setValue(3);
    QTRY_VERIFY_WITH_TIMEOUT(says(dialog, "Left out, with nothing learned in their first 3 tokens: 2501 rows."), kLongMs);
    QVERIFY(says(dialog, "These data cannot be used: no example is left to train on") && !says(dialog, "Longer than"));
    QVERIFY(shown->toPlainText().contains(QStringLiteral("Row 1 left out: nothing within its first 3 of ")));
    QVERIFY(!buttonWith(dialog, QStringLiteral("Add data"))->isEnabled());
    delete dialog;
    QVERIFY(QFile::copy(rows, dir.filePath(QStringLiteral("torn.jsonl"))));
    QFile torn(dir.filePath(QStringLiteral("torn.jsonl")));
    QVERIFY(torn.open(QIODevice::Append));
    torn.write("{\"prompt\": \"no end\n{\"prompt\": 3}\n");
    torn.close();
    dialog = new TuningDialog(torn.fileName(), {}, firstCheckpoint(), 128, m_window.get());
    dialog->show();
    QTRY_VERIFY_WITH_TIMEOUT(says(dialog, "2 of 62 rows cannot be used, and at most 1 % may be left out"), kLongMs);
    QVERIFY(says(dialog, "Cannot be used: 2 rows.") && !buttonWith(dialog, QStringLiteral("Add data"))->isEnabled());
    // Its colour and those of the rows follow the desktop.
    const auto labels = dialog->findChildren<QLabel*>();
    const auto problem = std::find_if(labels.begin(), labels.end(), [](const QLabel* one) { return one->text().startsWith(QStringLiteral("2 of 62 rows")); });
    QVERIFY(problem != labels.end());
    shown = named<QTextBrowser>(dialog, QStringLiteral("Rows as the model sees them"));
    QColor bad[2];
    QString rowsOf[2];
    int i = 0;
    const QPalette before = qApp->palette();
    for (const QRgb ground : {0xfff4f5f6, 0xff212428}) {
        QPalette other = before;
        other.setColor(QPalette::Base, QColor(ground));
        qApp->setPalette(other);
        QTRY_COMPARE(dialog->palette().color(QPalette::Base), QColor(ground));
        QTRY_COMPARE((*problem)->palette().color(QPalette::WindowText), stateColors(dialog->palette()).bad);
        bad[i] = (*problem)->palette().color(QPalette::WindowText);
        rowsOf[i++] = shown->toHtml();
    }
    qApp->setPalette(before);
    QVERIFY(bad[0] != bad[1] && rowsOf[0] != rowsOf[1]);
    delete dialog;
}

void WindowKindsTest::fineTuningFromAFileToCurves() {
    QTemporaryDir dir;
    test::dropFolder(m_window.get(), smallSeries(dir));
    QTRY_COMPARE_WITH_TIMEOUT(m_window->session().series().size(), std::size_t(1), kLongMs);
    choose(kind(), QStringLiteral("Fine-tuning"));
    QVERIFY(!buttonWith(m_window.get(), QStringLiteral("Run"))->isEnabled()); // there are no data yet

    const QString rows = writeDefinitions(dir);
    const std::filesystem::path checkpoint = firstCheckpoint(); // the session makes its series anew
    auto* dialog = new TuningDialog(rows, m_window->session().study().tasks, checkpoint, 128, m_window.get());
    dialog->show();
    auto* shown = named<QTextBrowser>(dialog, QStringLiteral("Rows as the model sees them"));
    QTRY_VERIFY_WITH_TIMEOUT(shown->toPlainText().contains(QStringLiteral("a small thing of wood")), kLongMs);
    QVERIFY(shown->toPlainText().contains(QStringLiteral("<end>")));
    // What is only read is grey, what is learned is not and has a ground, in the desktop's own palette, too.
    const auto formatOf = [shown](const char* text) { return shown->document()->find(QString::fromLatin1(text)).charFormat(); };
    const QTextCharFormat read = formatOf("thing number 0:"), learned = formatOf(" a small thing of wood");
    const QColor page = shown->palette().color(QPalette::Base);
    const auto contrast = [&](const QTextCharFormat& format) { return std::abs(format.foreground().color().lightnessF() - page.lightnessF()); };
    QVERIFY2(contrast(read) < contrast(learned) - 0.2 && contrast(read) > 0.3, qPrintable(read.foreground().color().name()));
    QVERIFY(read.background().style() == Qt::NoBrush && learned.background().color() != page);
    QPushButton* add = buttonWith(dialog, QStringLiteral("Add data"));
    QTRY_VERIFY_WITH_TIMEOUT(add->isEnabled(), kLongMs);
    const study::Task task = dialog->task();
    QCOMPARE(task.kind, study::TaskKind::TuningLoss);
    delete dialog;

    m_window->session().addTask(task);
    TuningDialog again(rows, {task}, checkpoint, 128, m_window.get()); // the same file in another way has its own name
    QCOMPARE(named<QLineEdit>(&again, QStringLiteral("Name of the data"))->text(), QStringLiteral("definitions 2"));
    auto* data = named<QComboBox>(m_window.get(), QStringLiteral("Fine-tuning data"));
    QTRY_COMPARE(data->count(), 1);
    auto* rates = named<QLineEdit>(m_window.get(), QStringLiteral("Learning rates"));
    QVERIFY(rates);
    rates->setText(QStringLiteral("0.002 0.004"));
    Q_EMIT rates->textEdited(rates->text());
    named<QSpinBox>(m_window.get(), QStringLiteral("Fine-tuning seeds"))->setValue(2);
    // With text of the pretraining in every step: a plan knows its content, and is of this probe all the same.
    named<QDoubleSpinBox>(m_window.get(), QStringLiteral("Share of replayed text"))->setValue(20);
    type(named<QLineEdit>(m_window.get(), QStringLiteral("Text that is replayed")),
         QStringLiteral(CREST_SOURCE_DIR "/resources/sample/texts/glosses.jsonl"));
    QTRY_VERIFY_WITH_TIMEOUT(buttonWith(m_window.get(), QStringLiteral("Run 10 cells")), kLongMs);
    QTRY_VERIFY_WITH_TIMEOUT(m_window->actions().at(ActionId::Run)->isEnabled(), kLongMs);
    m_window->actions().at(ActionId::Run)->trigger();
    QTRY_VERIFY_WITH_TIMEOUT(buttonWith(m_window.get(), QStringLiteral("This probe ")), kLongMs);
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
    finerAroundTheBest();
}

/// After a run: planned with their cost on the button, undone, taken out again; gone with what they were found by.
void WindowKindsTest::finerAroundTheBest() {
    QPushButton* finer = buttonWith(m_window.get(), QStringLiteral("ner around the best"));
    auto* rates = named<QLineEdit>(m_window.get(), QStringLiteral("Learning rates"));
    auto* without = named<QToolButton>(m_window.get(), QStringLiteral("Without finer rates"));
    QVERIFY(finer && rates && without && finer->isVisible() && !without->isVisible());
    QTRY_VERIFY_WITH_TIMEOUT(finer->isEnabled(), kLongMs); // all of the grid is measured
    const study::Probe coarse = probe();
    // Of two rates one is at an end, whichever is best: three rates, with two seeds, at two checkpoints.
    QTest::mouseClick(finer, Qt::LeftButton);
    QTRY_VERIFY_WITH_TIMEOUT(buttonWith(m_window.get(), QStringLiteral("Run 12 cells")), kLongMs);
    QVERIFY(isSaid("and 6 finer at 2 checkpoints"));
    const auto labels = m_window->findChild<ProbeDock*>()->findChildren<QLabel*>(); // which they are: twice and half of an end, or between
    QVERIFY(std::any_of(labels.begin(), labels.end(), [](const QLabel* label) { return label->toolTip().startsWith(QStringLiteral("Learning rates 0.00")); }));
    QVERIFY(!finer->isEnabled() && without->isVisible());
    QCOMPARE(rates->text(), QStringLiteral("0.002 0.004"));
    QCOMPARE(study::gridOf(probe()), coarse.strengths);
    const study::Probe fine = probe();
    m_window->session().undoStack()->undo();
    QTRY_VERIFY(probe() == coarse);
    m_window->session().undoStack()->redo();
    QTRY_VERIFY(probe() == fine);
    // What is measured may change; another training has another best.
    named<QDoubleSpinBox>(m_window.get(), QStringLiteral("Room for tuned weights"))->setValue(1);
    QTRY_COMPARE(study::finerRatesOf(probe()), study::finerRatesOf(fine));
    named<QSpinBox>(m_window.get(), QStringLiteral("Epochs"))->setValue(2);
    QTRY_VERIFY(study::finerRatesOf(probe()).empty());
    QCOMPARE(probe().strengths, coarse.strengths);
    m_window->session().undoStack()->undo();
    QTRY_VERIFY(!study::finerRatesOf(probe()).empty());
    QTest::mouseClick(without, Qt::LeftButton);
    QTRY_VERIFY(study::finerRatesOf(probe()).empty() && !without->isVisible());
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
