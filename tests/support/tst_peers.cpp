// SPDX-License-Identifier: Apache-2.0
// What a peer answered is given again exactly as long as nothing that the answer depends on has changed.
#include <QDir>
#include <QFile>
#include <QtTest>

#include "tests/support/peers.h"

using crest::test::askPeer;
using crest::test::askPeerOnce;
using crest::test::PeerQuestion;

namespace {

/// Writes how often it was asked into a place of its own, what it read, a link, and the name of its folder.
const QString kProgram = QStringLiteral(R"(
import os, sys
folder, counter, words = sys.argv[1:4]
asked = len(open(counter).read()) if os.path.exists(counter) else 0
open(counter, "a").write(".")
given = open(folder + "/given").read()
os.makedirs(folder + "/made/empty")
open(folder + "/made/said", "w").write(f"{given} {words} in {folder}")
open(folder + "/made/bytes", "wb").write(bytes(range(256)))
os.symlink("said", folder + "/made/link")
print(asked, given, words, folder)
)");

void write(const QString& path, const QByteArray& bytes) {
    QFile file(path);
    QVERIFY(file.open(QIODevice::WriteOnly));
    QCOMPARE(file.write(bytes), qint64(bytes.size()));
}
QByteArray read(const QString& path) {
    QFile file(path);
    return file.open(QIODevice::ReadOnly) ? file.readAll() : QByteArray();
}

} // namespace

class TestPeers : public QObject {
    Q_OBJECT
    QTemporaryDir m_answers, m_counter;

    /// Asks in a new folder, as each run of a test does; how often the peer itself was asked before.
    int ask(const QByteArray& given, const QString& words, const QString& program = kProgram) {
        QTemporaryDir folder;
        write(folder.filePath("given"), given);
        const QString counter = m_counter.filePath("asked");
        const auto said = askPeerOnce({{}, {folder.path(), counter, words}, folder.path(), {}, program});
        if (!said) {
            qWarning("%s", said.error().text().c_str());
            return -1;
        }
        const QByteArray all = given + ' ' + words.toUtf8();
        const QStringList parts = QString::fromStdString(*said).trimmed().split(u' ');
        QByteArray bytes(256, '\0');
        for (int i = 0; i < 256; ++i)
            bytes[i] = static_cast<char>(i);
        const bool whole = parts.size() == 4 && parts[3] == folder.path() && read(folder.filePath("given")) == given &&
                           read(folder.filePath("made/said")) == all + " in " + folder.path().toUtf8() &&
                           read(folder.filePath("made/bytes")) == bytes && QDir(folder.filePath("made/empty")).exists() &&
                           QFile::symLinkTarget(folder.filePath("made/link")) == folder.filePath("made/said");
        return whole ? parts[0].toInt() : -1;
    }

private Q_SLOTS:
    void init() {
        QFile::remove(m_counter.filePath("asked"));
        QVERIFY(QDir(m_answers.path()).removeRecursively() && QDir().mkpath(m_answers.path()));
        qputenv("CREST_PEER_ANSWERS", m_answers.path().toUtf8());
        qunsetenv("CREST_FULL");
    }

    void anAnswerIsGivenAgain() {
        QCOMPARE(ask("a", "x"), 0);
        QCOMPARE(ask("a", "x"), 0);
        QCOMPARE(read(m_counter.filePath("asked")), QByteArray(".")); // asked once
    }

    void whatItDependsOnAsksAnew() {
        QCOMPARE(ask("a", "x"), 0);
        QCOMPARE(ask("b", "x"), 1);                                 // another byte of a file
        QCOMPARE(ask("a", "y"), 2);                                 // another argument
        QCOMPARE(ask("a", "x", kProgram + QStringLiteral("#")), 3); // another program
        QCOMPARE(ask("a", "x"), 0);
    }

    void askedAnewWhereAsked() {
        QCOMPARE(ask("a", "x"), 0);
        qputenv("CREST_FULL", "1");
        QCOMPARE(ask("a", "x"), 1);
        qunsetenv("CREST_FULL");
        qunsetenv("CREST_PEER_ANSWERS");
        QCOMPARE(ask("a", "x"), 2);
    }

    void aHalfAnswerIsNone() {
        QCOMPARE(ask("a", "x"), 0);
        const QStringList kept = QDir(m_answers.path()).entryList(QDir::Dirs | QDir::NoDotAndDotDot);
        QCOMPARE(kept.size(), 1);
        QVERIFY(QFile::remove(m_answers.filePath(kept[0] + "/printed")));
        QCOMPARE(ask("a", "x"), 1);
        QCOMPARE(ask("a", "x"), 1);
    }

    void aFailureIsSaidAndNotKept() {
        const PeerQuestion question{{}, {}, {}, {}, QStringLiteral("import sys; sys.exit('no such thing')")};
        for (int i = 0; i < 2; ++i) {
            const auto said = askPeerOnce(question);
            QVERIFY(!said && said.error().text().find("no such thing") != std::string::npos);
        }
        QVERIFY(QDir(m_answers.path()).isEmpty());
        QVERIFY(!askPeer({QStringLiteral("tests/oracle/none.py")}));
    }
};

QTEST_GUILESS_MAIN(TestPeers)
#include "tst_peers.moc"
