// SPDX-License-Identifier: GPL-3.0-or-later
// A base evaluation by clicks: kind, suite, data folder (what is missing says which file it wants), tasks, cost on the
// button, run, items with their questions; prompts; undo.
#include <filesystem>

#include <QCheckBox>
#include <QComboBox>
#include <QDir>
#include <QFile>
#include <QFileInfo>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>
#include <QSpinBox>
#include <QTableView>
#include <QTest>
#include <QTextBrowser>

#include "tests/ui/window/window_fixture.h"
#include "ui/data/item_texts.h"
#include "ui/data/items_model.h"
#include "ui/data/prompts_task.h"
#include "ui/dialogs/item_preview.h"
#include "ui/dialogs/prompts_dialog.h"
#include "ui/dialogs/suite_dialog.h"
#include "ui/main_window.h"
#include "ui/pages/curves_page.h"
#include "ui/pages/items_page.h"

using namespace crest;
using namespace crest::ui;
using crest::test::buttonWith;
using crest::test::choose;
using crest::test::named;

namespace {

constexpr int kLongMs = 30'000;

void write(const QString& path, const QByteArray& content) {
    QFile file(path);
    if (file.open(QIODevice::WriteOnly))
        file.write(content);
}

/// A suite of two tasks; the data of the first are there, those of the second are not.
struct SuiteFixture : test::SeriesFixture {
    QString suite = dir.filePath(QStringLiteral("colours.json")), data = dir.filePath(QStringLiteral("data"));

    SuiteFixture() {
        QDir().mkpath(data);
        QByteArray rows;
        for (int i = 0; i < 12; ++i)
            rows += "{\"question\": \"Which colour has thing " + QByteArray::number(i) +
                    "?\", \"choices\": [\"red\", \"green\", \"blue\", \"black\"], \"answer\": " + QByteArray::number(i % 4) + "}\n";
        write(data + QStringLiteral("/colours.jsonl"), rows);
        write(suite, R"({"format": "crest suite 1", "name": "colours", "description": "Two tasks about colours",
            "tasks": [{"name": "colours", "kind": "multiple_choice", "data": {"test": ["colours.jsonl"]},
                       "context": "Question: {{question}}\nAnswer:", "choices": "{{choices}}", "gold": "{{answer}}",
                       "metrics": ["acc", "acc_norm"], "chance": 0.25},
                      {"name": "shapes", "kind": "multiple_choice", "data": {"test": ["shapes/test.jsonl"]},
                       "context": "{{question}}", "choices": "{{choices}}", "gold": "{{answer}}", "metrics": ["acc"]}]})");
    }
};

std::unique_ptr<MainWindow> openWindow(const test::SeriesFixture& fixture) {
    auto window = std::make_unique<MainWindow>();
    window->show();
    if (QTest::qWaitForWindowExposed(window.get()))
        test::dropFolder(window.get(), fixture.seriesFolder);
    return QTest::qWaitFor([&] { return window->session().series().size() == 1; }, kLongMs) ? std::move(window) : nullptr;
}

} // namespace

class SuiteWindowTest : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void baseEvaluationByClicks();
    void kindsKeepTheirOwnSettings();
    void promptsAreATask();
    void aSecondFileOfPromptsGetsItsOwnName();
    void theSampleSuiteFindsItsData();
    void tasksAreAskedByAChatTemplate();
    void chatSettingsByClicks();
    void theTemplateIsThatOfTheProbesSeries();
    void aStudyOpensWithItsLastProbe();
};

void SuiteWindowTest::baseEvaluationByClicks() {
    SuiteFixture fixture;
    fixture.useRunner(0);
    auto window = openWindow(fixture);
    QVERIFY(window);
    auto* kind = named<QComboBox>(window.get(), QStringLiteral("Kind of probe"));
    choose(kind, kind->findText(QStringLiteral("Base evaluation")));
    QVERIFY(!named<QSpinBox>(window.get(), QStringLiteral("Noise draws"))->isVisible());
    window->actions().at(ActionId::AddSuite)->trigger();
    auto* dialog = window->findChild<SuiteDialog*>();
    QVERIFY(dialog && dialog->isVisible());
    dialog->setSuiteFile(fixture.suite);
    dialog->setDataFolder(fixture.data);
    named<QSpinBox>(dialog, QStringLiteral("At most"))->setValue(12);
    auto* tasks = named<QTableView>(dialog, QStringLiteral("Tasks of the suite"));
    QTRY_COMPARE_WITH_TIMEOUT(tasks->model()->rowCount(), 2, kLongMs);
    const auto state = [&](int row) { return tasks->model()->index(row, SuiteModel::Data).data().toString(); };
    QTRY_COMPARE_WITH_TIMEOUT(state(0), QStringLiteral("data found"), kLongMs);
    QTRY_VERIFY_WITH_TIMEOUT(state(1).contains(QStringLiteral("shapes/test.jsonl")), kLongMs); // the file it wants
    auto* missing = named<QLabel>(dialog, QStringLiteral("What is missing"));
    if (!QTest::qWaitFor([&] { return missing->text().contains(QStringLiteral("shapes/test.jsonl")); }, kLongMs))
        QFAIL(qPrintable(missing->text()));
    QPushButton* add = buttonWith(dialog, QStringLiteral("Add"));
    QVERIFY(!add->isEnabled());
    QTest::mouseClick(dialog->findChild<QCheckBox*>(), Qt::LeftButton, {}, QPoint(8, 8)); // all whose data are there
    QTRY_VERIFY(add->isEnabled());
    QCOMPARE(missing->text(), QString()); // nothing that was chosen
    const auto select = [&](int row) {
        QTest::mouseClick(tasks->viewport(), Qt::LeftButton, {}, tasks->visualRect(tasks->model()->index(row, SuiteModel::Metrics)).center());
    };
    select(0);
    QCOMPARE(missing->text(), QStringLiteral("colours: data found"));
    select(1);
    QVERIFY2(missing->text().startsWith(QStringLiteral("shapes: ")) && missing->text().contains(QStringLiteral("shapes/test.jsonl")),
             qPrintable(missing->text()));
    QCOMPARE(add->text(), QStringLiteral("Add task"));
    QTest::mouseClick(add, Qt::LeftButton);

    // The task stands in the probe, as OOD, and the cost on the button.
    QTRY_VERIFY(named<QCheckBox>(window.get(), QStringLiteral("colours: OOD")));
    QVERIFY(named<QCheckBox>(window.get(), QStringLiteral("colours: OOD"))->isChecked());
    QTRY_VERIFY_WITH_TIMEOUT(buttonWith(window.get(), QStringLiteral("Run %1 cells").arg(test::SeriesFixture::kCheckpoints)),
                             kLongMs);
    QTest::mouseClick(buttonWith(window.get(), QStringLiteral("Run ")), Qt::LeftButton);
    auto* curves = window->findChild<CurvesPage*>();
    const auto points = [&] {
        return curves->hasFigure() && !curves->figure().panels[0].curves.empty()
                   ? curves->figure().panels[0].curves[0].segments[0].size()
                   : 0;
    };
    QTRY_COMPARE_WITH_TIMEOUT(points(), std::size_t(test::SeriesFixture::kCheckpoints), kLongMs);
    QCOMPARE(curves->figure().panels[0].title, std::string("colours: acc"));

    window->actions().at(ActionId::ShowItems)->trigger();
    auto* page = window->findChild<ItemsPage*>();
    auto* table = named<QTableView>(page, QStringLiteral("Items by checkpoint"));
    QTRY_COMPARE_WITH_TIMEOUT(table->model()->rowCount(), 12, kLongMs);
    QTRY_VERIFY_WITH_TIMEOUT(
        table->model()->index(3, ItemsModel::Question).data().toString().contains(QStringLiteral("thing 3")), kLongMs);
    table->setCurrentIndex(table->model()->index(3, ItemsModel::FixedColumns));
    const QString detail = named<QTextBrowser>(page, QStringLiteral("The item in full"))->toPlainText();
    QVERIFY2(detail.contains(QStringLiteral("Which colour has thing 3?")) && detail.contains(QStringLiteral("black")),
             qPrintable(detail));

    // Data that go away leave the numbers.
    QVERIFY(QFile::remove(fixture.data + QStringLiteral("/colours.jsonl")));
    window->actions().at(ActionId::ShowCurves)->trigger();
    const study::Task task = window->session().study().tasks.front();
    const ItemTexts gone = readItemTexts(task, {}, {});
    QVERIFY2(gone.items.empty() && gone.problem.contains(QStringLiteral("colours.jsonl")), qPrintable(gone.problem));
    QCOMPARE(table->model()->rowCount(), 12);
}

void SuiteWindowTest::kindsKeepTheirOwnSettings() {
    SuiteFixture fixture;
    auto window = openWindow(fixture);
    QVERIFY(window);
    auto* kind = named<QComboBox>(window.get(), QStringLiteral("Kind of probe"));
    auto* draws = named<QSpinBox>(window.get(), QStringLiteral("Noise draws"));
    draws->setValue(7);
    QTRY_COMPARE(window->session().study().probes.size(), std::size_t(1));
    choose(kind, kind->findText(QStringLiteral("Base evaluation")));
    study::Task text;
    text.name = "heldout";
    text.textsPath = fixture.textFile.toStdString();
    text.windowTokens = text.strideTokens = 16;
    window->session().addTask(text);
    QCheckBox* box = nullptr;
    QTRY_VERIFY((box = named<QCheckBox>(window.get(), QStringLiteral("heldout: OOD"))));
    box->click(); // it is not laid out yet
    QTRY_COMPARE(window->session().study().probes.size(), std::size_t(2));
    QVERIFY(window->session().study().probes[1].isBaseEvaluation());
    QCOMPARE(window->session().study().probes[1].seeds, std::int64_t(0));
    choose(kind, 0);
    QVERIFY(draws->isVisible());
    QCOMPARE(draws->value(), 7);
    // Undo of an edit of the other kind shows it.
    choose(kind, 0);
    QTest::keyClick(window.get(), Qt::Key_Z, Qt::ControlModifier);
    QTRY_COMPARE(window->session().study().probes.size(), std::size_t(1));
    QTest::keyClick(window.get(), Qt::Key_Z, Qt::ControlModifier | Qt::ShiftModifier);
    QTRY_COMPARE(window->session().study().probes.size(), std::size_t(2));
    QTRY_COMPARE(kind->currentText(), QStringLiteral("Base evaluation"));
}

void SuiteWindowTest::promptsAreATask() {
    test::SeriesFixture fixture;
    const QString prompts = fixture.dir.filePath(QStringLiteral("prompts!.txt"));
    write(prompts, "Once upon a time\n\nThe old man and\n");
    const study::Task task = promptsTask(QStringLiteral("stories"), prompts, 12, 0);
    const ItemTexts texts = readItemTexts(task, {}, {});
    QVERIFY2(texts.problem.isEmpty(), qPrintable(texts.problem));
    // The file alone: a folder that is full of other things is not looked through.
    QCOMPARE(task.textsPath, prompts.toStdString());
    QCOMPARE(texts.items.size(), 2u);
    QCOMPARE(texts.items[1].requests.at(0).context, std::string("The old man and"));
    QCOMPARE(texts.shortText(0, 0), QStringLiteral("Once upon a time"));
    QVERIFY(texts.shortText(0, 1).isEmpty()); // another row in this place: the data have changed
    write(fixture.dir.filePath(QStringLiteral("p.jsonl")), "{\"text\": \"A\"}\n{\"text\": \"B\"}\n{\"text\": \"C\"}\n");
    const ItemTexts limited =
        readItemTexts(promptsTask(QStringLiteral("p"), fixture.dir.filePath(QStringLiteral("p.jsonl")), 12, 2), {}, {});
    QCOMPARE(limited.items.size(), 2u);
    const ItemTexts missing =
        readItemTexts(promptsTask(QStringLiteral("n"), fixture.dir.filePath(QStringLiteral("none.txt")), 12, 0), {}, {});
    QVERIFY(missing.problem.contains(QStringLiteral("none.txt")));
}

void SuiteWindowTest::aSecondFileOfPromptsGetsItsOwnName() {
    test::SeriesFixture fixture;
    const QString file = fixture.dir.filePath(QStringLiteral("prompts.txt"));
    write(file, "Once upon a time\n");
    PromptsDialog chat(file, {}, nullptr);
    auto* box = chat.findChild<QCheckBox*>();
    QVERIFY(box && !box->isEnabled());
    const std::string plain = chat.task().name;
    write(fixture.dir.filePath(QStringLiteral("chat_template.jinja")), "{{ messages[-1].content }}");
    chat.setCheckpoint(fixture.dir.path().toStdString());
    QVERIFY(box->isEnabled());
    QCOMPARE(chat.task().name, plain);
    box->click();
    QCOMPARE(chat.task().name, plain + " (chat template)");
    QVERIFY(Json::parse(chat.task().definition)["chat"] == (Json{{"multiturn", true}}));
    study::Task taken;
    taken.name = "prompts";
    const PromptsDialog first(file, {}, nullptr), second(file, {taken}, nullptr);
    QCOMPARE(first.task().name, std::string("prompts"));
    QCOMPARE(second.task().name, std::string("prompts 2"));
}

/// The sample's suite finds its data by itself; another suite does not get them.
void SuiteWindowTest::theSampleSuiteFindsItsData() {
    qputenv("CREST_RESOURCES", CREST_SOURCE_DIR "/resources");
    SuiteDialog dialog({}, nullptr);
    auto* folder = named<QLineEdit>(&dialog, QStringLiteral("Folder of the data"));
    QVERIFY(folder);
    const QString before = folder->text(); // what was used last
    dialog.setSuiteFile(QStringLiteral(CREST_SOURCE_DIR "/resources/suites/sample.json"));
    QCOMPARE(QFileInfo(folder->text()), QFileInfo(QStringLiteral(CREST_SOURCE_DIR "/resources/sample/tasks")));
    auto* table = named<QTableView>(&dialog, QStringLiteral("Tasks of the suite"));
    QTRY_COMPARE(table->model()->rowCount(), 2);
    QTRY_VERIFY(table->model()->index(0, SuiteModel::Data).data().toString().contains(QStringLiteral("data found")));
    dialog.setSuiteFile(QStringLiteral(CREST_SOURCE_DIR "/resources/suites/arc.json"));
    QCOMPARE(folder->text(), before);
    qunsetenv("CREST_RESOURCES");
}

/// Only where the tokenizer has a template; how a task is asked is in its name and its definition.
void SuiteWindowTest::tasksAreAskedByAChatTemplate() {
    SuiteFixture fixture;
    SuiteDialog dialog({}, nullptr);
    dialog.setSuiteFile(fixture.suite);
    dialog.setDataFolder(fixture.data);
    auto* table = named<QTableView>(&dialog, QStringLiteral("Tasks of the suite"));
    QTRY_COMPARE_WITH_TIMEOUT(table->model()->rowCount(), 2, kLongMs);
    const auto state = [&](int row) { return table->model()->index(row, SuiteModel::Data).data().toString(); };
    QTRY_COMPARE_WITH_TIMEOUT(state(0), QStringLiteral("data found"), kLongMs);
    QCheckBox *chat = nullptr, *all = nullptr;
    for (QCheckBox* box : dialog.findChildren<QCheckBox*>())
        (box->text().contains(QStringLiteral("chat template")) ? chat : all) = box;
    QVERIFY(chat && all && !chat->isEnabled());
    all->click();
    QCOMPARE(dialog.tasks().size(), 1u);
    const std::string plain = dialog.tasks()[0].name;
    dialog.setCheckpoint(fixture.data.toStdString());
    QVERIFY(!chat->isEnabled() && chat->toolTip().contains(QStringLiteral("no chat template")));
    write(QDir(fixture.data).filePath(QStringLiteral("chat_template.jinja")), "{{ messages[0].content }}");
    dialog.setCheckpoint(fixture.data.toStdString());
    QVERIFY(chat->isEnabled() && !chat->toolTip().contains(QStringLiteral("no message of the system")));
    write(QDir(fixture.data).filePath(QStringLiteral("chat_template.jinja")), "{% if messages[0].role == 'system' %}{{ raise_exception('no') }}{% endif %}");
    dialog.setCheckpoint(fixture.data.toStdString());
    QVERIFY(chat->isEnabled() && chat->toolTip().contains(QStringLiteral("no message of the system")));
    write(QDir(fixture.data).filePath(QStringLiteral("chat_template.jinja")), "{% if %}");
    dialog.setCheckpoint(fixture.data.toStdString());
    QVERIFY(!chat->isEnabled() && chat->toolTip().contains(QStringLiteral("line 1 of the template")));
    write(QDir(fixture.data).filePath(QStringLiteral("chat_template.jinja")), "{{ messages[0].content }}");
    dialog.setCheckpoint(fixture.data.toStdString());
    QCOMPARE(dialog.tasks()[0].name, plain);
    chat->click();
    QCOMPARE(dialog.tasks()[0].name, plain + " (chat template)");
    QVERIFY(Json::parse(dialog.tasks()[0].definition)["chat"] == (Json{{"multiturn", true}}));
}

/// Template, shots and instruction are there once the box is on, and the preview shows what they make.
void SuiteWindowTest::chatSettingsByClicks() {
    SuiteFixture fixture;
    const QDir data(fixture.data);
    QVERIFY(data.mkpath(QStringLiteral("additional_chat_templates")));
    write(data.filePath(QStringLiteral("chat_template.jinja")), "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}");
    write(data.filePath(QStringLiteral("additional_chat_templates/rag.jinja")), "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}");
    write(data.filePath(QStringLiteral("additional_chat_templates/broken.jinja")), "{% if %}");
    SuiteDialog dialog({}, nullptr);
    dialog.setSuiteFile(fixture.suite);
    dialog.setDataFolder(fixture.data);
    dialog.setCheckpoint(fixture.data.toStdString());
    dialog.show();
    QVERIFY(QTest::qWaitForWindowExposed(&dialog));
    auto* table = named<QTableView>(&dialog, QStringLiteral("Tasks of the suite"));
    QTRY_COMPARE_WITH_TIMEOUT(table->model()->rowCount(), 2, kLongMs);
    QTRY_COMPARE_WITH_TIMEOUT(table->model()->index(0, SuiteModel::Data).data().toString(), QStringLiteral("data found"), kLongMs);
    QCheckBox *chat = nullptr, *all = nullptr;
    for (QCheckBox* box : dialog.findChildren<QCheckBox*>())
        (box->text().contains(QStringLiteral("chat template")) ? chat : all) = box;
    QVERIFY(chat && all);
    all->click();
    auto* names = named<QComboBox>(&dialog, QStringLiteral("Chat template"));
    auto* shots = named<QComboBox>(&dialog, QStringLiteral("Shots are"));
    auto* system = named<QLineEdit>(&dialog, QStringLiteral("System instruction"));
    QVERIFY(names && shots && system);
    QVERIFY(chat->isEnabled() && !names->isVisible() && !shots->isVisible() && !system->isVisible());
    QTest::mouseClick(chat, Qt::LeftButton, {}, QPoint(8, chat->height() / 2));
    QVERIFY(chat->isChecked());
    QTRY_VERIFY(names->isVisible() && shots->isVisible() && system->isVisible());
    QCOMPARE(names->count(), 2); // the broken one cannot be used
    const auto first = [&] { return dialog.tasks().at(0); };
    QCOMPARE(first().name, std::string("colours (chat template)"));

    named<QSpinBox>(&dialog, QStringLiteral("Shots"))->setValue(1);
    QTest::keyClick(names, Qt::Key_Down);
    QTest::keyClick(shots, Qt::Key_Down);
    QTest::keyClicks(system, QStringLiteral("Be brief."));
    study::Task task = first();
    QCOMPARE(task.name, std::string("colours (chat template rag, shots in one message, system instruction)"));
    const Json definition = Json::parse(task.definition);
    QVERIFY(definition["chat"] == (Json{{"template", "rag"}, {"multiturn", false}}));
    QVERIFY(definition["system"] == "Be brief.");
    const auto previewed = [&] {
        ItemPreview preview(task, {}, fixture.data.toStdString(), nullptr);
        auto* text = preview.findChild<QTextBrowser*>();
        [[maybe_unused]] const bool read = QTest::qWaitFor([&] { return text->toPlainText().contains(QStringLiteral("Answer:")); }, kLongMs);
        const QString shown = text->toPlainText();
        return shown.mid(shown.indexOf(u'<')).left(120);
    };
    const QString inOne = previewed();
    QVERIFY2(inOne.startsWith(QStringLiteral("<system>Be brief.<user>Question: Which colour")) && !inOne.contains(QStringLiteral("<assistant>")), qPrintable(inOne));
    QTest::keyClick(shots, Qt::Key_Up);
    task = first();
    QCOMPARE(task.name, std::string("colours (chat template rag, system instruction)"));
    const QString turns = previewed();
    QVERIFY2(turns.startsWith(QStringLiteral("<system>Be brief.<user>Question: Which colour")) && turns.contains(QStringLiteral("<assistant>")), qPrintable(turns));

    // What would have no effect is said.
    const auto note = [&] {
        for (const QLabel* label : dialog.findChildren<QLabel*>())
            if (label->isVisible() && label->text().contains(QStringLiteral("instruction will be left out")))
                return true;
        return false;
    };
    QVERIFY(!note());
    write(data.filePath(QStringLiteral("additional_chat_templates/rag.jinja")), "{% if messages[0].role == 'system' %}{{ raise_exception('no') }}{% endif %}");
    QTest::keyClick(names, Qt::Key_Up);
    QVERIFY(!note());
    QTest::keyClick(names, Qt::Key_Down);
    QVERIFY(note());
    QTest::mouseClick(chat, Qt::LeftButton, {}, QPoint(8, chat->height() / 2));
    QVERIFY(!names->isVisible() && !shots->isVisible() && !system->isVisible() && !note());
    QCOMPARE(first().name, std::string("colours"));
}

/// Of several series in a study, the one that the probe is on tells whether tasks can be asked as a chat.
void SuiteWindowTest::theTemplateIsThatOfTheProbesSeries() {
    namespace fs = std::filesystem;
    SuiteFixture fixture;
    const fs::path all = fixture.dir.filePath(QStringLiteral("all")).toStdString();
    fs::create_directories(all);
    fs::copy(fixture.seriesFolder.toStdString(), all / "chatty", fs::copy_options::recursive);
    for (const fs::directory_entry& checkpoint : fs::directory_iterator(all / "chatty")) {
        const QDir folder(QString::fromStdString(checkpoint.path().string()));
        QFile record(folder.filePath(QStringLiteral("crest.json")));
        QVERIFY(record.open(QIODevice::ReadOnly));
        Json json = Json::parse(record.readAll().toStdString());
        json["series"] = "chatty";
        write(record.fileName(), QByteArray::fromStdString(json.dump()));
        write(folder.filePath(QStringLiteral("chat_template.jinja")), "{{ messages[-1].content }}");
    }
    fs::rename(fixture.seriesFolder.toStdString(), all / "series");
    fixture.seriesFolder = QString::fromStdString(all.string());
    MainWindow window;
    window.show();
    QVERIFY(QTest::qWaitForWindowExposed(&window));
    test::dropFolder(&window, fixture.seriesFolder);
    QTRY_COMPARE_WITH_TIMEOUT(window.session().series().size(), 2u, kLongMs);
    auto* series = named<QComboBox>(&window, QStringLiteral("Series"));
    QVERIFY(series);
    QTRY_COMPARE(series->count(), 2);
    int enabled = 0;
    for (int i = 0; i < 2; ++i) {
        choose(series, i);
        window.actions().at(ActionId::AddSuite)->trigger();
        auto* dialog = window.findChild<SuiteDialog*>();
        QVERIFY(dialog && dialog->isVisible());
        for (QCheckBox* box : dialog->findChildren<QCheckBox*>())
            enabled += box->text().contains(QStringLiteral("chat template")) && box->isEnabled() ? 1 + i : 0;
        dialog->reject();
        QTRY_VERIFY(!window.findChild<SuiteDialog*>());
    }
    const bool firstIsChatty = series->itemText(0) == QStringLiteral("chatty");
    QCOMPARE(enabled, firstIsChatty ? 1 : 2);
}

/// Of whatever kind and series it is.
void SuiteWindowTest::aStudyOpensWithItsLastProbe() {
    namespace fs = std::filesystem;
    test::SeriesFixture fixture;
    const fs::path all = fixture.dir.filePath(QStringLiteral("all")).toStdString();
    for (const char* name : {"a", "b"})
        for (const fs::directory_entry& checkpoint : fs::directory_iterator(fixture.seriesFolder.toStdString())) {
            const fs::path copy = all / name / checkpoint.path().filename();
            fs::create_directories(copy.parent_path());
            fs::copy(checkpoint.path(), copy, fs::copy_options::recursive);
            QFile record(QString::fromStdString((copy / "crest.json").string()));
            QVERIFY(record.open(QIODevice::ReadOnly));
            Json json = Json::parse(record.readAll().toStdString());
            json["series"] = name;
            write(record.fileName(), QByteArray::fromStdString(json.dump()));
        }
    QString place = QString::fromStdString(all.string());
    for (const bool again : {false, true}) {
        MainWindow window;
        window.show();
        QVERIFY(QTest::qWaitForWindowExposed(&window));
        window.session().open(place);
        auto* series = named<QComboBox>(&window, QStringLiteral("Series"));
        auto* kind = named<QComboBox>(&window, QStringLiteral("Kind of probe"));
        QTRY_COMPARE_WITH_TIMEOUT(series->count(), 2, kLongMs);
        QCOMPARE(series->currentText(), again ? QStringLiteral("b") : QStringLiteral("a"));
        QCOMPARE(kind->currentText(), again ? QStringLiteral("Base evaluation") : QStringLiteral("Gaussian noise"));
        if (again)
            break;
        choose(series, 1);
        choose(kind, kind->findText(QStringLiteral("Base evaluation")));
        study::Task text;
        text.name = "heldout";
        text.textsPath = fixture.textFile.toStdString();
        text.windowTokens = text.strideTokens = 16;
        window.session().addTask(text);
        QCheckBox* box = nullptr;
        QTRY_VERIFY((box = named<QCheckBox>(&window, QStringLiteral("heldout: OOD"))));
        box->click();
        QTRY_COMPARE(window.session().study().probes.size(), std::size_t(1));
        QCOMPARE(window.session().study().probes[0].series, std::string("b"));
        place = window.session().folder();
    }
}

int main(int argc, char** argv) {
    QTemporaryDir home;
    for (const char* variable : {"XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"})
        qputenv(variable, (home.path() + QLatin1Char('/') + QLatin1String(variable)).toUtf8());
    test::WatchedApplication application(argc, argv);
    SuiteWindowTest test;
    return QTest::qExec(&test, argc, argv);
}

#include "tst_window_suite.moc"
