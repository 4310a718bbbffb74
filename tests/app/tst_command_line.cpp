// SPDX-License-Identifier: Apache-2.0
// What crest-run says of arguments that it cannot take, and of what it counts; on the sample, nothing is computed.
#include <QProcess>
#include <QTemporaryDir>
#include <QtTest>

#include "core/study/usual_grid.h"

using namespace crest;

namespace {

struct Ended {
    int code = -1;
    QByteArray out, err;
};

Ended crestRun(const QStringList& arguments) {
    QProcess process;
    process.start(QStringLiteral(CREST_BINARY_DIR "/bin/crest-run"), arguments);
    if (!process.waitForFinished(60'000) || process.exitStatus() != QProcess::NormalExit)
        return {};
    return {process.exitCode(), process.readAllStandardOutput(), process.readAllStandardError()};
}

QStringList words(const char* text) {
    return QString::fromUtf8(text).split(u' ');
}

QString sample(const char* below) {
    return QStringLiteral(CREST_SOURCE_DIR "/resources/sample/") + QString::fromUtf8(below);
}

} // namespace

class TestCommandLine : public QObject {
    Q_OBJECT
    QTemporaryDir m_dir;

    QStringList probe(const char* kind) const {
        return words("probe") + words(kind) + words("--series") + QStringList{sample("series")} + words("--study") +
               QStringList{m_dir.filePath(QStringLiteral("study"))} + words("--texts") +
               QStringList{QStringLiteral("dictionary=%1:id").arg(sample("texts/dictionary.jsonl"))} + words("--plan-only");
    }

private Q_SLOTS:
    void initTestCase() { qputenv("XDG_CACHE_HOME", m_dir.filePath(QStringLiteral("cache")).toUtf8()); }

    /// What was typed is quoted, with the option it belongs to; never a number that nobody typed.
    void numbersThatAreNone_data() {
        QTest::addColumn<QString>("option");
        QTest::addColumn<QString>("value");
        QTest::addColumn<QByteArray>("said");
        const auto row = [](const char* option, const char* value, const char* said) {
            QTest::addRow("%s %s", option, value) << QString::fromUtf8(option) << QString::fromUtf8(value) << QByteArray(said);
        };
        row("--gammas", "", "crest-run probe noise: --gammas: \"\" is no number\n");
        row("--gammas", "0.1,0.2x", "--gammas: \"0.2x\" is no number\n");
        row("--gammas", "0,1", "0 is out of range as gamma");
        row("--gammas", "11", "11 is out of range as gamma: it must be above 0 and at most 10.");
        row("--seeds", "", "--seeds: \"\" is no whole number\n");
        row("--seeds", "1.5", "--seeds: \"1.5\" is no whole number\n");
        row("--seeds", "99999999999999999999999", "--seeds: 99999999999999999999999 is too large\n");
        row("--seeds", "100000001", "100000001 seeds: it must be from 1 to 100,000.");
        row("--first-seed", "9223372036854775807",
            "9223372036854775807 as first seed: it must be from 1 to 9223372036854675807.");
        row("--window", "1", "the window is 1 token, it must be from 2");
        row("--top-p", "all", "--top-p: \"all\" is no number\n"); // said by the parser, in the same words
    }
    void numbersThatAreNone() {
        QFETCH(QString, option);
        QFETCH(QString, value);
        QFETCH(QByteArray, said);
        const Ended ended = crestRun(probe("noise") + QStringList{option, value});
        QCOMPARE(ended.code, 1);
        QVERIFY2(ended.err.contains(said), ended.err.constData());
    }

    /// Limits are said in words, not as the largest number that there is.
    void numbersOutOfRange() {
        const auto said = [](const QStringList& arguments) {
            const Ended ended = crestRun(arguments);
            return ended.code == 1 ? ended.err : QByteArray("taken");
        };
        const auto tuning = [&](const char* options) { return said(probe("finetune") + words("--tune a=b") + words(options)); };
        QVERIFY(tuning("--state-seconds inf").contains("--state-seconds: inf is out of range: it must be 0 or more\n"));
        QVERIFY(tuning("--state-seconds -1").contains("--state-seconds: -1 is out of range: it must be 0 or more\n"));
        QVERIFY(tuning("--keep-gb nan").contains("--keep-gb: nan is out of range: it must be 0 or more\n"));
        QVERIFY(!tuning("--keep-gb 1e-320").contains("--keep-gb"));
        QVERIFY(!tuning("--keep-gb 1e300").contains("keep_bytes")); // all that a disk can hold
        const QStringList generate = words("generate --model a --prompts b --max-new 3 --seed");
        QVERIFY(said(generate + words("-1")).contains("--seed: -1 is out of range: it must be 0 or more\n"));
        QVERIFY(said(generate + words("18446744073709551616")).contains("--seed: 18446744073709551616 is too large\n"));
        QVERIFY(said(generate + words("x")).contains("--seed: \"x\" is no whole number\n"));
        const QStringList samples = probe("base") + words("--samples") + QStringList{QStringLiteral("a=%1").arg(sample("tasks/prompts.jsonl"))};
        for (const char* temperature : {"nan", "-1"})
            QVERIFY(said(samples + words("--temperature") + words(temperature)).contains("\"temperature\" must be a number from 0 to 100"));
        const QStringList eval = words("eval --model a --suite b --data c");
        QVERIFY(said(eval + words("--limit 0")).contains("--limit: 0 is out of range: it must be above 0\n"));
        QVERIFY(said(eval + words("--limit 1.5")).contains("--limit: \"1.5\" is no whole number\n"));
    }

    /// What is missing can be given, or left out, by an option that is named.
    void theOptionThatHelpsIsNamed() {
        QStringList noId = probe("noise");
        noId.replaceInStrings(QStringLiteral(":id"), QStringLiteral(":ood"));
        const Ended unmarked = crestRun(noId);
        QCOMPARE(unmarked.code, 1);
        QVERIFY2(unmarked.err.contains("No task is in-distribution (ID)") && unmarked.err.contains("--id NAME"), unmarked.err.constData());
        const QString suite = QStringLiteral(CREST_SOURCE_DIR "/resources/suites/sample.json");
        const QStringList noData = probe("noise") + QStringList{QStringLiteral("--suite"), suite, QStringLiteral("--data"), sample("texts")};
        const Ended missing = crestRun(noData);
        QCOMPARE(missing.code, 1);
        QVERIFY2(missing.err.contains("(--skip-missing leaves such tasks out)"), missing.err.constData());
        const Ended left = crestRun(noData + words("--skip-missing"));
        QVERIFY2(left.code == 0 && left.err.contains("left out: ") && !left.err.contains("--skip-missing"), left.err.constData());
    }

    void commandsAndFoldersThatAreNone() {
        const Ended none = crestRun(words("prob noise"));
        QCOMPARE(none.code, 1);
        QVERIFY2(none.err.startsWith("crest-run: \"prob\" is no command; there are devices, eval, ") &&
                     !none.err.contains("publish"),
                 none.err.constData());
        const Ended bare = crestRun(words("inspect"));
        QCOMPARE(bare.code, 1);
        QVERIFY2(bare.err.startsWith("crest-run inspect: path is required\n"), bare.err.constData());
        const Ended model = crestRun(words("score --model") + QStringList{sample("texts")} + words("--texts -"));
        QCOMPARE(model.code, 1);
        QVERIFY2(model.err.contains(sample("texts").toUtf8() + ": config.json"), model.err.constData());
        // A folder of checkpoints is none: which one is meant?
        const QString series = sample("series/sample-seed1");
        const Ended around = crestRun(words("generate --max-new 1 --model") + QStringList{series} + words("--prompts -"));
        QCOMPARE(around.code, 1);
        QVERIFY2(around.err.contains("holds 8 checkpoints") && around.err.contains(series.toUtf8() + "/step000122-tokens0.5M"),
                 around.err.constData());
        QStringList onAFile = probe("noise");
        onAFile[onAFile.indexOf(QStringLiteral("--study")) + 1] = sample("results.csv");
        const Ended study = crestRun(onAFile);
        QCOMPARE(study.code, 1);
        QVERIFY2(study.err.contains("results.csv: This is a file; --study names a folder"), study.err.constData());
    }

    /// One cell is "1 cell"; where no grid is named it is that of the window.
    void costInWords() {
        QStringList one = probe("base");
        one[one.indexOf(QStringLiteral("--series")) + 1] = sample("series/sample-seed1/step000122-tokens0.5M");
        const Ended single = crestRun(one);
        QVERIFY2(single.out.startsWith("1 cell: 0 cached, 1 new; "), (single.out + single.err).constData());
        const Ended grid = crestRun(probe("noise"));
        const study::UsualGrid usual = study::usualGrid(study::kGaussianNoise);
        const auto cells = 24 * (1 + static_cast<qlonglong>(usual.strengths.size()) * usual.seeds);
        QVERIFY2(grid.out.startsWith(QByteArray::number(cells) + " cells: "), (grid.out + grid.err).constData());
        // Of fine-tuning the rates go by the size of the models: five for these, with three seeds.
        const Ended rates = crestRun(probe("finetune") + words("--tune") + QStringList{QStringLiteral("glosses=%1").arg(sample("tuning/glosses.jsonl"))} +
                                     words("--max-tokens 128"));
        QVERIFY2(rates.out.startsWith(QByteArray::number(24 * (1 + 5 * 3)) + " cells: "), (rates.out + rates.err).constData());
    }

    /// The smaller a model, the larger its rates.
    void ratesFollowTheSize() {
        const auto usual = [](std::int64_t width) {
            series::Series one;
            one.checkpoints.resize(2); // the first cannot be read
            series::DecoderSpec spec; // of 28 width^2 parameters and more
            spec.family = "llama";
            spec.width = spec.mlpWidth = width;
            spec.vocabSize = 1000;
            spec.layers = spec.heads = spec.kvHeads = 4;
            spec.headSize = width / 4;
            one.checkpoints[1].spec = spec;
            return study::usualRates(one);
        };
        QCOMPARE(usual(64).front(), 2e-3);
        QCOMPARE(usual(1024).front(), 3e-5);
        QCOMPARE(usual(8192).front(), 4e-6);
        QCOMPARE(study::usualRates({}), usual(1024));
    }
};

QTEST_GUILESS_MAIN(TestCommandLine)
#include "tst_command_line.moc"
