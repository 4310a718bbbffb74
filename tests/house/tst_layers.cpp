// SPDX-License-Identifier: Apache-2.0
// The direction of the layers, read from the code itself: app -> ui -> core's torch-free part; core knows no Qt; a module uses only those
// above it in core/README.md; the window's program is not linked to LibTorch.
#include <QDirIterator>
#include <QFile>
#include <QProcess>
#include <QRegularExpression>
#include <QtTest>

namespace {

struct Include {
    QString file, name;
};

QList<Include> includesBelow(const QString& folder) {
    static const QRegularExpression pattern(QStringLiteral("^\\s*#\\s*include\\s*[<\"]([^>\"]+)"), QRegularExpression::MultilineOption);
    QList<Include> out;
    const QString root = QStringLiteral(CREST_SOURCE_DIR "/");
    QDirIterator files(root + folder, {QStringLiteral("*.h"), QStringLiteral("*.cpp"), QStringLiteral("*.inc")}, QDir::Files, QDirIterator::Subdirectories);
    while (files.hasNext()) {
        QFile file(files.next());
        if (!file.open(QIODevice::ReadOnly))
            continue;
        auto matches = pattern.globalMatch(QString::fromUtf8(file.readAll()));
        while (matches.hasNext())
            out.append({file.fileName().mid(root.size()), matches.next().captured(1)});
    }
    return out;
}

bool isQt(const QString& name) { return QRegularExpression(QStringLiteral("^(Q[A-Z]|Qt)")).match(name).hasMatch(); }
bool isTorch(const QString& name) { return QRegularExpression(QStringLiteral("^(torch|ATen|c10|caffe2)/")).match(name).hasMatch(); }

/// Module names in the order of the table in core/README.md, and whether each is on LibTorch.
QList<QPair<QString, bool>> moduleTable() {
    QFile readme(QStringLiteral(CREST_SOURCE_DIR "/core/README.md"));
    if (!readme.open(QIODevice::ReadOnly))
        return {};
    static const QRegularExpression row(QStringLiteral("^\\| (\\w+) \\|.*\\| (yes|no) \\|$"), QRegularExpression::MultilineOption);
    QList<QPair<QString, bool>> modules;
    auto matches = row.globalMatch(QString::fromUtf8(readme.readAll()));
    while (matches.hasNext()) {
        const auto match = matches.next();
        modules.append({match.captured(1), match.captured(2) == QStringLiteral("yes")});
    }
    return modules;
}

} // namespace

class TestLayers : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void readmeListsEveryModule() {
        QStringList listed;
        for (const auto& [name, torch] : moduleTable())
            listed.append(name);
        for (const QString& folder : QDir(QStringLiteral(CREST_SOURCE_DIR "/core")).entryList(QDir::Dirs | QDir::NoDotAndDotDot))
            QVERIFY2(listed.contains(folder), qPrintable(QStringLiteral("core/README.md does not list %1").arg(folder)));
        QVERIFY(listed.size() >= 10);
    }
    void coreKnowsNoQtAndNothingAbove() {
        for (const Include& include : includesBelow(QStringLiteral("core"))) {
            const QString where = include.file + QStringLiteral(" includes ") + include.name;
            QVERIFY2(!isQt(include.name), qPrintable(where));
            QVERIFY2(!include.name.startsWith(QStringLiteral("ui/")) && !include.name.startsWith(QStringLiteral("app/")), qPrintable(where));
        }
    }
    void modulesUseOnlyThoseAbove() {
        QStringList seen;
        for (const auto& [module, torch] : moduleTable()) {
            seen.append(module);
            for (const Include& include : includesBelow(QStringLiteral("core/") + module)) {
                const QString where = include.file + QStringLiteral(" includes ") + include.name;
                QVERIFY2(torch || !isTorch(include.name), qPrintable(where));
                if (include.name.startsWith(QStringLiteral("core/")))
                    QVERIFY2(seen.contains(include.name.section(u'/', 1, 1)), qPrintable(where));
            }
        }
    }
    void windowKnowsNoTorchAndNoProgram() {
        for (const QString& folder : {QStringLiteral("ui"), QStringLiteral("app/crest")})
            for (const Include& include : includesBelow(folder)) {
                const QString where = include.file + QStringLiteral(" includes ") + include.name;
                QVERIFY2(!isTorch(include.name), qPrintable(where));
                QVERIFY2(folder != QStringLiteral("ui") || !include.name.startsWith(QStringLiteral("app/")), qPrintable(where));
                if (include.name == QStringLiteral("core/train/fine_tune_settings.h") ||
                    include.name == QStringLiteral("core/train/planned_memory.h"))
                    continue; // crest_train_settings, which is without LibTorch
                for (const auto& [module, torch] : moduleTable())
                    QVERIFY2(!torch || !include.name.startsWith(QStringLiteral("core/") + module + u'/'), qPrintable(where));
            }
    }
    void engineKnowsNoQt() {
        for (const Include& include : includesBelow(QStringLiteral("app/crest-run")))
            QVERIFY2(!isQt(include.name), qPrintable(include.file + QStringLiteral(" includes ") + include.name));
    }
    void windowIsNotLinkedToTorch() {
        const QString program = QStringLiteral(CREST_BINARY_DIR "/bin/crest");
        QVERIFY2(QFile::exists(program), "bin/crest is not built");
        QProcess readelf;
        readelf.start(QStringLiteral("readelf"), {QStringLiteral("-d"), program});
        QVERIFY(readelf.waitForFinished());
        const QByteArray needed = readelf.readAllStandardOutput();
        QVERIFY(needed.contains("libQt6Widgets"));
        QVERIFY2(!needed.contains("torch") && !needed.contains("c10"), needed.constData());
    }
};

QTEST_APPLESS_MAIN(TestLayers)
#include "tst_layers.moc"
