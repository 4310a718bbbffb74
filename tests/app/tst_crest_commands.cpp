// SPDX-License-Identifier: GPL-3.0-or-later
// crest export, explain and demo as processes: without a screen, in a locale with a decimal comma.
#include <QDir>
#include <QFile>
#include <QFileInfo>
#include <QHash>
#include <QImage>
#include <QProcess>
#include <QRegularExpression>
#include <QTemporaryDir>
#include <QXmlStreamReader>
#include <QtTest>

#include <memory>

#include "core/run/executor.h"
#include "core/study/runs.h"
#include "tests/core/series/make_checkpoint.h"
#include "tests/support/comma_locale.h"
#include "tests/support/pretend_runner.h"

using namespace crest;

namespace {

struct Ended {
    int code = -1;
    QString out, err;
};

Ended runCrest(const QStringList& arguments, const QProcessEnvironment& environment) {
    QProcess process;
    process.setProcessEnvironment(environment);
    process.start(QStringLiteral(CREST_BINARY_DIR "/bin/crest"), arguments);
    if (!process.waitForFinished(120000)) {
        process.kill();
        process.waitForFinished();
        return {};
    }
    return {process.exitStatus() == QProcess::NormalExit ? process.exitCode() : -1,
            QString::fromUtf8(process.readAllStandardOutput()), QString::fromUtf8(process.readAllStandardError())};
}

void write(const QString& path, const QByteArray& content) {
    QFile file(path);
    if (file.open(QIODevice::WriteOnly))
        file.write(content);
}

QByteArray contentOf(const QString& path) {
    QFile file(path);
    return file.open(QIODevice::ReadOnly) ? file.readAll() : QByteArray();
}

bool isXml(const QByteArray& content) {
    QXmlStreamReader reader(content);
    while (!reader.atEnd())
        reader.readNext();
    return !reader.hasError();
}

/// Numbers of a CSV's data lines have dots and the columns that the header names.
bool hasPlainNumbers(const QByteArray& csv) {
    int columns = 0, lines = 0;
    for (const QByteArray& line : csv.split('\n')) {
        if (line.isEmpty() || line.startsWith('#'))
            continue;
        const int found = static_cast<int>(line.count(','));
        if (columns == 0)
            columns = found;
        else if (found != columns)
            return false;
        ++lines;
    }
    return columns >= 8 && lines > 1 && csv.contains("0.");
}

} // namespace

class TestCrestCommands : public QObject {
    Q_OBJECT
    QTemporaryDir m_dir;
    QProcessEnvironment m_environment = QProcessEnvironment::systemEnvironment();
    QString m_study, m_run;

private Q_SLOTS:
    void initTestCase() {
        // No screen at all: the commands choose the offscreen platform themselves.
        for (const char* variable :
             {"QT_QPA_PLATFORM", "DISPLAY", "WAYLAND_DISPLAY", "XDG_RUNTIME_DIR", "LC_ALL"})
            m_environment.remove(QString::fromLatin1(variable));
        for (const char* variable : {"XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"})
            m_environment.insert(QString::fromLatin1(variable), m_dir.filePath(QString::fromLatin1(variable)));
        const QString problem = test::makeCommaLocale(m_dir.path());
        if (!problem.isEmpty())
            qWarning("%s\nC.UTF-8 stands for it.", qPrintable(problem));
        m_environment.insert(QStringLiteral("LOCPATH"), problem.isEmpty() ? m_dir.path() : QString());
        m_environment.insert(QStringLiteral("LC_ALL"),
                             problem.isEmpty() ? QString::fromLatin1(test::kCommaLocale) : QStringLiteral("C.UTF-8"));

        m_study = m_dir.filePath(QStringLiteral("a study"));
        pretend::Shape shape;
        auto folder = study::StudyFolder::create(m_study.toStdString(), pretend::makeStudy(shape));
        QVERIFY(folder.has_value());
        const auto id = study::queueRun(*folder, pretend::makePlan(shape));
        QVERIFY(id.has_value());
        m_run = QString::fromStdString(*id);
        run::WorkOptions options;
        options.workers = 2;
        QVERIFY(run::workStudy(*folder, options, pretend::makeFactory(), {}).has_value());
    }

    void versionAndHelp() {
        const Ended version = runCrest({QStringLiteral("--version")}, m_environment);
        QCOMPARE(version.code, 0);
        QVERIFY(version.out.startsWith(QStringLiteral("crest ")));
        const Ended help = runCrest({QStringLiteral("--help")}, m_environment);
        QCOMPARE(help.code, 0);
        for (const char* command : {"demo", "export", "inflection", "explain"})
            QVERIFY2(help.out.contains(QString::fromLatin1(command)), command);
    }

    /// Told by no other number than crest-run's 1 (TestCommandLine), whatever is wrong.
    void commandLinesThatAreNotTaken_data() {
        QTest::addColumn<QStringList>("arguments");
        QTest::newRow("unknown option") << QStringList{QStringLiteral("--nope")};
        QTest::newRow("no value") << QStringList{QStringLiteral("--theme")};
        QTest::newRow("another value") << QStringList{QStringLiteral("--theme"), QStringLiteral("blue")};
        QTest::newRow("nothing to export") << QStringList{QStringLiteral("export")};
        QTest::newRow("nothing to explain") << QStringList{QStringLiteral("explain")};
        QTest::newRow("no number") << QStringList{QStringLiteral("export"), m_study, QStringLiteral("-o"), QStringLiteral("a.pdf"),
                                                  QStringLiteral("--width-mm"), QStringLiteral("wide")};
    }
    void commandLinesThatAreNotTaken() {
        QFETCH(QStringList, arguments);
        const Ended ended = runCrest(arguments, m_environment);
        QCOMPARE(ended.code, 1);
        QVERIFY2(ended.out.isEmpty() && ended.err.contains(QStringLiteral(" --help says more.")), qPrintable(ended.err));
    }

    void exportsEveryFormatAndExplainsIt_data() {
        QTest::addColumn<QString>("suffix");
        for (const char* suffix : {"pdf", "svg", "png", "csv", "tex"})
            QTest::newRow(suffix) << QString::fromLatin1(suffix);
    }
    void exportsEveryFormatAndExplainsIt() {
        QFETCH(QString, suffix);
        const QString file = m_dir.filePath(QStringLiteral("figure.") + suffix);
        const Ended done = runCrest({QStringLiteral("export"), m_study, QStringLiteral("--figure"),
                                     QStringLiteral("curves"), QStringLiteral("-o"), file, QStringLiteral("--y"),
                                     QStringLiteral("both"), QStringLiteral("--width-mm"), QStringLiteral("120")},
                                    m_environment);
        QVERIFY2(done.code == 0, qPrintable(done.err));
        QVERIFY(done.out.contains(file));
        const QByteArray content = contentOf(file);
        QVERIFY(content.size() > 500);
        if (suffix == QStringLiteral("pdf"))
            QVERIFY(content.startsWith("%PDF"));
        if (suffix == QStringLiteral("svg"))
            QVERIFY(isXml(content) && !content.contains("<image"));
        if (suffix == QStringLiteral("png"))
            QVERIFY(std::abs(QImage::fromData(content).width() - 120 / 25.4 * 300) <= 2);
        if (suffix == QStringLiteral("csv"))
            QVERIFY(hasPlainNumbers(content));
        if (suffix == QStringLiteral("tex"))
            QVERIFY(content.contains("\\begin{tikzpicture}"));
        const Ended explained = runCrest({QStringLiteral("explain"), file}, m_environment);
        QVERIFY2(explained.code == 0, qPrintable(explained.err));
        QCOMPARE(explained.err, QString()); // Qt has nothing to say of a session that is not there
        QVERIFY(explained.out.contains(m_run));
        // For people: a checkpoint is a line, and nothing is JSON.
        QVERIFY2(explained.out.contains(QRegularExpression(
                     QStringLiteral("\\n  checkpoints \\(\\d+\\):\\n    name \\S+, weights [0-9a-f]{16}\\n"))),
                 qPrintable(explained.out));
        QVERIFY2(!explained.out.contains(u'{') && !explained.out.contains(QStringLiteral("\":")),
                 qPrintable(explained.out));
        QVERIFY(explained.out.contains(
            QStringLiteral("crest export '%1' --run %2 --figure curves --y both --width-mm 120 -o curves.%3")
                .arg(m_study, m_run, suffix)));
    }

    /// The same points as the figure marks, for people and for programs.
    void inflectionsAsATable() {
        const Ended csv = runCrest({QStringLiteral("inflection"), m_study, QStringLiteral("--csv")}, m_environment);
        QVERIFY2(csv.code == 0, qPrintable(csv.err));
        const QStringList lines = csv.out.split(u'\n', Qt::SkipEmptyParts);
        QCOMPARE(lines.first().count(u','), 14);
        QVERIFY2(lines.first().endsWith(QStringLiteral(",over")) && lines.last().endsWith(QStringLiteral(",tokens")), qPrintable(csv.out));
        const Ended table = runCrest({QStringLiteral("inflection"), m_study}, m_environment);
        QVERIFY(table.code == 0 && table.out.contains(QStringLiteral("not significantly worse than that of any other")));
        // The losses that were made up fall with tokens at every gamma.
        for (const char* row : {",gamma 0.05,0.05,falls-to-last,", ",gamma 0.1,0.1,falls-to-last,"})
            QCOMPARE(csv.out.count(QString::fromLatin1(row)), 2); // of each of two texts
        QCOMPARE(lines.size(), 5);
        QCOMPARE(table.out.count(QStringLiteral("none: falls to the last budget")), 4);
        QCOMPARE(runCrest({QStringLiteral("inflection"), m_dir.filePath(QStringLiteral("nothing"))}, m_environment).code, 1);
    }

    void aDecimalCommaChangesNothing_data() {
        QTest::addColumn<QString>("suffix");
        for (const char* suffix : {"csv", "tex", "svg"})
            QTest::newRow(suffix) << QString::fromLatin1(suffix);
    }
    void aDecimalCommaChangesNothing() {
        QFETCH(QString, suffix);
        QProcessEnvironment plain = m_environment;
        plain.insert(QStringLiteral("LC_ALL"), QStringLiteral("C.UTF-8"));
        QByteArray content[2];
        for (const bool comma : {false, true}) {
            // The same path, since a figure names the command that made it.
            const QString path = m_dir.filePath(QStringLiteral("locale.") + suffix);
            const Ended ended = runCrest({QStringLiteral("export"), m_study, QStringLiteral("-o"), path},
                                         comma ? m_environment : plain);
            QVERIFY2(ended.code == 0, qPrintable(ended.err));
            content[comma] = contentOf(path);
            QVERIFY(QFile::remove(path));
        }
        QVERIFY(content[0].size() > 1000);
        QCOMPARE(content[1], content[0]);
    }

    void theCommandOfAFigureMakesItAgain_data() {
        QTest::addColumn<QStringList>("options");
        QTest::addColumn<QString>("said");
        const auto row = [](const char* name, const char* options) {
            QTest::newRow(name) << QString::fromLatin1(options).split(u' ', Qt::SkipEmptyParts)
                                << QString::fromLatin1(options);
        };
        row("plain", "");
        row("what is drawn", "--x flops --y change --spread sd --no-inflections");
        row("scales", "--y both --linear-x --log-y");
        row("hidden curves and a zoom", "--hide base --x-range 1000 4000");
        row("vertical zoom", "--y-range 0.5 9.25");
        row("paper", "--width-mm 84 --panel-height-mm 40.5 --font-pt 7");
        row("one panel", "--panel 1 --log-y");
        row("decomposition", "--figure decomposition --strength 0.05");
        row("map", "--figure rate-map --linear-y");
        row("one panel of a map", "--figure rate-map --y both --panel 2");
        row("as in the paper", "--figure figure-3");
    }
    /// What `crest explain` says is typed in again, as it stands: the same bytes come out.
    void theCommandOfAFigureMakesItAgain() {
        QFETCH(QStringList, options);
        QFETCH(QString, said);
        const QString first = m_dir.filePath(QStringLiteral("first.csv")),
                      second = m_dir.filePath(QStringLiteral("second.csv"));
        const Ended made = runCrest(
            QStringList{QStringLiteral("export"), m_study, QStringLiteral("-o"), first} + options, m_environment);
        QVERIFY2(made.code == 0, qPrintable(made.err));
        const Ended explained = runCrest({QStringLiteral("explain"), first}, m_environment);
        QString command = QRegularExpression(QStringLiteral("crest export [^\n]*")).match(explained.out).captured();
        for (const QString& option : said.split(QStringLiteral("--"), Qt::SkipEmptyParts))
            QVERIFY2(command.contains(QStringLiteral("--") + option.trimmed()), qPrintable(command));
        command.replace(QRegularExpression(QStringLiteral("^crest")),
                        QStringLiteral("'" CREST_BINARY_DIR "/bin/crest'"));
        command.replace(QRegularExpression(QStringLiteral(" -o [a-z0-9-]+\\.csv")),
                        QStringLiteral(" -o '") + second + u'\'');
        QProcess shell;
        shell.setProcessEnvironment(m_environment);
        shell.start(QStringLiteral("sh"), {QStringLiteral("-c"), command});
        QVERIFY(shell.waitForFinished(60000));
        QVERIFY2(shell.exitCode() == 0, shell.readAllStandardError().constData());
        QVERIFY(contentOf(first).size() > 500);
        QCOMPARE(contentOf(second), contentOf(first));
        QVERIFY(QFile::remove(second));
    }

    /// Of a run of fine-tuning every figure, each by the command that it names itself.
    void figuresOfATuning() {
        const QString path = m_dir.filePath(QStringLiteral("tuning")), csv = m_dir.filePath(QStringLiteral("tuning.csv"));
        pretend::Shape shape;
        shape.tuning = true;
        shape.strengths = {0.1, 0.2, 0.4};
        auto folder = study::StudyFolder::create(path.toStdString(), pretend::makeStudy(shape));
        QVERIFY(folder && study::queueRun(*folder, pretend::makePlan(shape)));
        QVERIFY(run::workStudy(*folder, {}, pretend::makeFactory({.notFiniteStrength = 0.4}), {}).has_value());
        for (const char* name : {"envelope", "chosen-rate", "decomposition", "rate-map", "figure-2", "figure-4", "figure-5", "figure-6"}) {
            const QString figure = QString::fromLatin1(name);
            const Ended made = runCrest({QStringLiteral("export"), path, QStringLiteral("--figure"), figure, QStringLiteral("-o"), csv}, m_environment);
            QVERIFY2(made.code == 0, qPrintable(figure + made.err));
            const Ended explained = runCrest({QStringLiteral("explain"), csv}, m_environment);
            QVERIFY2(explained.code == 0, qPrintable(explained.err));
            QVERIFY2(explained.out.contains(QRegularExpression(QStringLiteral("crest export \\S+ --run \\S+ --figure %1 -o %1\\.csv\n").arg(figure))),
                     qPrintable(explained.out));
            QVERIFY(contentOf(csv).size() > 1000);
        }
        const QString pdf = m_dir.filePath(QStringLiteral("map.pdf"));
        QCOMPARE(runCrest({QStringLiteral("export"), path, QStringLiteral("--figure"), QStringLiteral("rate-map"), QStringLiteral("-o"), pdf}, m_environment).code, 0);
        const Ended map = runCrest({QStringLiteral("explain"), pdf}, m_environment);
        QVERIFY2(map.out.contains(QStringLiteral("map: increase (nats/token), ")) &&
                     map.out.contains(QStringLiteral("12 fields, 4 of them with values that are not finite, 0 not measured")),
                 qPrintable(map.out));
        const Ended wrong = runCrest({QStringLiteral("export"), path, QStringLiteral("--figure"), QStringLiteral("figure-3"), QStringLiteral("-o"), csv}, m_environment);
        QCOMPARE(wrong.code, 1);
        QVERIFY2(wrong.err.contains(QStringLiteral("needs a probe of Gaussian noise; this run can give curves, envelope")), qPrintable(wrong.err));
    }

    /// Two settings of one training beside each other, in every format, and at another rate and budget.
    void tradeOffOfTwoSettings() {
        const QString path = m_dir.filePath(QStringLiteral("trade")), stem = m_dir.filePath(QStringLiteral("trade-off."));
        pretend::Shape shape;
        shape.tuning = true;
        shape.strengths = {0.1, 0.2, 0.4};
        auto folder = study::StudyFolder::create(path.toStdString(), pretend::makeStudy(shape));
        const auto exported = [&](const QStringList& more) {
            return runCrest(QStringList{QStringLiteral("export"), path, QStringLiteral("--figure"), QStringLiteral("trade-off")} + more, m_environment);
        };
        QVERIFY(folder && study::queueRun(*folder, pretend::makePlan(shape)));
        const Ended alone = exported({QStringLiteral("-o"), stem + QStringLiteral("csv")});
        QVERIFY(alone.code == 1 && alone.err.contains(QStringLiteral("a second setting of the same training")));
        shape.pull = 0.5;
        QVERIFY(study::queueRun(*folder, pretend::makePlan(shape)));
        QVERIFY(run::workStudy(*folder, {}, pretend::makeFactory({}), {}).has_value());
        for (const char* format : {"pdf", "svg", "png", "csv", "tex"}) {
            const QString file = stem + QLatin1String(format);
            const Ended made = exported({QStringLiteral("-o"), file});
            QVERIFY2(made.code == 0, qPrintable(made.err));
            const Ended explained = runCrest({QStringLiteral("explain"), file}, m_environment);
            QVERIFY2(explained.code == 0 && explained.out.contains(QStringLiteral("L2 to the start")), qPrintable(explained.out + explained.err));
        }
        const Ended other = exported({QStringLiteral("--strength"), QStringLiteral("0.1"), QStringLiteral("--budget"), QStringLiteral("2M"),
                                      QStringLiteral("-o"), stem + QStringLiteral("csv")});
        QVERIFY2(other.code == 0, qPrintable(other.err));
        QVERIFY(contentOf(stem + QStringLiteral("csv")).contains("at rate 0.1, 2M tokens"));
        QVERIFY(contentOf(stem + QStringLiteral("csv")).contains("--figure trade-off --strength 0.1 --budget 2000000"));
        const Ended none = exported({QStringLiteral("--budget"), QStringLiteral("3M"), QStringLiteral("-o"), stem + QStringLiteral("csv")});
        QVERIFY(none.code == 1 && none.err.contains(QStringLiteral("This run has no checkpoint at 3M tokens; there are 1M, 2M, 4M, 8M.")));
    }

    void saysWhatIsWrong() {
        const QString out = m_dir.filePath(QStringLiteral("x.pdf"));
        Ended done =
            runCrest({QStringLiteral("export"), m_dir.filePath(QStringLiteral("nothing")), QStringLiteral("-o"), out},
                     m_environment);
        QCOMPARE(done.code, 1);
        QVERIFY2(done.err.contains(QStringLiteral("no study")), qPrintable(done.err));
        done = runCrest({QStringLiteral("export"), m_study, QStringLiteral("-o"), out, QStringLiteral("--run"),
                         QStringLiteral("no-such-run")},
                        m_environment);
        QCOMPARE(done.code, 1);
        QVERIFY(done.err.contains(QStringLiteral("no-such-run")));
        done = runCrest(
            {QStringLiteral("export"), m_study, QStringLiteral("-o"), m_dir.filePath(QStringLiteral("x.docx"))},
            m_environment);
        QCOMPARE(done.code, 1);
        QVERIFY(done.err.contains(QStringLiteral("docx")));
        done = runCrest({QStringLiteral("export"), m_study, QStringLiteral("-o"), out, QStringLiteral("--width-mm"),
                         QStringLiteral("4")},
                        m_environment);
        QVERIFY(done.code != 0 && done.err.contains(QStringLiteral("width-mm")));
        QVERIFY(!QFile::exists(out));
        const QString text = m_dir.filePath(QStringLiteral("plain.csv"));
        write(text, "a,b\n1,2\n");
        done = runCrest({QStringLiteral("explain"), text}, m_environment);
        QVERIFY(done.code != 0 && done.err.contains(QStringLiteral("plain.csv")));
    }

    void demoFromNothingToFiguresAndNothingTwice() {
        const QString resources = m_dir.filePath(QStringLiteral("resources")),
                      out = m_dir.filePath(QStringLiteral("demo"));
        for (int i = 0; i < 5; ++i) {
            const auto where = std::filesystem::path((resources + QStringLiteral("/sample/series")).toStdString()) /
                               ("tokens-" + std::to_string(1 << i) + "M");
            QVERIFY(test::makeCheckpoint(where, test::tinySpec(), static_cast<unsigned>(i + 1)));
            test::writeRecord(where, "sample", std::int64_t{1'000'000} << i, 1);
        }
        for (const char* text : {"dictionary", "glosses", "bible"})
            test::writeText(
                (resources + QStringLiteral("/sample/texts/%1.jsonl").arg(QString::fromLatin1(text))).toStdString(),
                std::string("{\"text\": \"a held-out text of ") + text + std::string(200, '.') + "\"}\n");
        const QString script = m_dir.filePath(QStringLiteral("runner.sh"));
        write(script, QByteArray("#!/bin/sh\necho start >> '") + m_dir.filePath(QStringLiteral("starts")).toUtf8() +
                          "'\nexec '" CREST_BINARY_DIR
                          "/tests/crest-pretend-run' \"$1\" \"$2\" --run \"$4\" --workers \"$6\"\n");
        QFile::setPermissions(script, QFile::ReadOwner | QFile::WriteOwner | QFile::ExeOwner);
        QProcessEnvironment environment = m_environment;
        environment.insert(QStringLiteral("CREST_RESOURCES"), resources);
        environment.insert(QStringLiteral("CREST_RUN"), script);
        const QStringList arguments{QStringLiteral("demo"), QStringLiteral("--out"), out, QStringLiteral("--workers"),
                                    QStringLiteral("2")};
        const Ended first = runCrest(arguments, environment);
        QVERIFY2(first.code == 0, qPrintable(first.err));
        QVERIFY(first.err.contains(
            QStringLiteral("405 cells: 0 cached, 405 new"))); // 5 checkpoints x (base + 5 gammas x 16 draws)
        QVERIFY(first.out.contains(QStringLiteral("dictionary (ID)")) &&
                first.out.contains(QStringLiteral("bible (OOD)")));
        QVERIFY(first.out.contains(QStringLiteral("inflection points")));
        for (const char* suffix : {"pdf", "svg", "png", "csv", "tex"})
            for (const char* stem : {"curves.", "change."})
                QVERIFY2(contentOf(out + QStringLiteral("/figures/") + QString::fromLatin1(stem) +
                                   QString::fromLatin1(suffix))
                                 .size() > 500,
                         suffix);
        QVERIFY(QFile::exists(out + QStringLiteral("/results.h5")));
        const Ended second = runCrest(arguments, environment);
        QVERIFY2(second.code == 0, qPrintable(second.err));
        QVERIFY(second.out.contains(QStringLiteral("nothing was computed again")));
        QCOMPARE(contentOf(m_dir.filePath(QStringLiteral("starts"))), QByteArray("start\n"));
    }

    void demosAtOnceAndAfterAKillShareOneRun() {
        const QString out = m_dir.filePath(QStringLiteral("demos")), keys = m_dir.filePath(QStringLiteral("keys"));
        const QString script = m_dir.filePath(QStringLiteral("slow-runner.sh"));
        write(script, QByteArray("#!/bin/sh\nexec '" CREST_BINARY_DIR "/tests/crest-pretend-run' work \"$2\" --run "
                                 "\"$4\" --workers 2 --micros 3000 >> '") +
                          keys.toUtf8() + ".$$'\n");
        QFile::setPermissions(script, QFile::ReadOwner | QFile::WriteOwner | QFile::ExeOwner);
        QProcessEnvironment environment = m_environment;
        environment.insert(QStringLiteral("CREST_RESOURCES"), m_dir.filePath(QStringLiteral("resources")));
        environment.insert(QStringLiteral("CREST_RUN"), script);
        const QStringList arguments{QStringLiteral("demo"), QStringLiteral("--out"), out};
        std::vector<std::unique_ptr<QProcess>> demos;
        for (int i = 0; i < 4; ++i) {
            demos.push_back(std::make_unique<QProcess>());
            demos.back()->setProcessEnvironment(environment);
            demos.back()->start(QStringLiteral(CREST_BINARY_DIR "/bin/crest"), arguments);
        }
        QTRY_VERIFY(QFileInfo::exists(out + QStringLiteral("/study.json")));
        const auto runs = [&] {
            const auto folder = study::StudyFolder::open(out.toStdString());
            return folder ? study::listRuns(*folder) : std::vector<std::string>();
        };
        QTRY_VERIFY_WITH_TIMEOUT(!runs().empty(), 30'000);
        demos[0]->kill(); // its runner, if it has one, goes on
        demos[0]->waitForFinished();
        for (int i = 1; i < 4; ++i) {
            QVERIFY(demos[i]->waitForFinished(120'000));
            QVERIFY2(demos[i]->exitCode() == 0, demos[i]->readAllStandardError().constData());
        }
        const Ended last = runCrest(arguments, environment);
        QVERIFY2(last.code == 0, qPrintable(last.err));
        QCOMPARE(runs().size(), std::size_t{1});
        QHash<QByteArray, int> times;
        const QDir folder(m_dir.path());
        for (const QString& file : folder.entryList({QStringLiteral("keys.*")}))
            for (const QByteArray& key : contentOf(folder.filePath(file)).split('\n'))
                if (!key.isEmpty())
                    ++times[key];
        QCOMPARE(times.size(), 405 * 3);
        for (const int count : times)
            QCOMPARE(count, 1);
    }

    void demoInAStudyOfAnotherKindSaysSo() {
        const QString out = m_dir.filePath(QStringLiteral("no probe"));
        study::Study study;
        study.series.push_back({"s", m_dir.filePath(QStringLiteral("resources")).toStdString(), {}});
        QVERIFY(study::StudyFolder::create(out.toStdString(), study).has_value());
        const Ended done = runCrest({QStringLiteral("demo"), QStringLiteral("--out"), out}, m_environment);
        QCOMPARE(done.code, 1);
        QVERIFY2(done.err.contains(QStringLiteral("no probe")), qPrintable(done.err));
        // Somebody's own probe is not run, and not shown as if it were the demo's.
        study.probes.push_back(study::baseEvaluation("mine", "s", {{"t", study::Role::InDistribution}}));
        study.tasks.push_back({.name = "t", .textsPath = "t.jsonl", .dataHash = ""});
        const QString own = m_dir.filePath(QStringLiteral("own probe"));
        QVERIFY(study::StudyFolder::create(own.toStdString(), study).has_value());
        const Ended refused = runCrest({QStringLiteral("demo"), QStringLiteral("--out"), own}, m_environment);
        QCOMPARE(refused.code, 1);
        QVERIFY2(refused.err.contains(QStringLiteral("as crest demo makes it")), qPrintable(refused.err));
    }

    void demoWithoutSampleOrRunnerSaysSo() {
        QProcessEnvironment environment = m_environment;
        environment.insert(QStringLiteral("CREST_RUN"), QStringLiteral("/nowhere/crest-run"));
        environment.insert(QStringLiteral("CREST_RESOURCES"), m_dir.filePath(QStringLiteral("resources")));
        const Ended done = runCrest(
            {QStringLiteral("demo"), QStringLiteral("--out"), m_dir.filePath(QStringLiteral("demo 2"))}, environment);
        QCOMPARE(done.code, 1);
        QVERIFY2(done.err.contains(QStringLiteral("crest-run")), qPrintable(done.err));
    }
};

QTEST_GUILESS_MAIN(TestCrestCommands)
#include "tst_crest_commands.moc"
