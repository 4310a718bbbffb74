// SPDX-License-Identifier: Apache-2.0
#include <QtTest>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>

#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/io/files.h"
#include "tests/support/as_nobody.h"

using namespace crest;
using namespace crest::io;
namespace fs = std::filesystem;

namespace {

std::string contentOf(const fs::path& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

std::size_t entries(const fs::path& folder) {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

/// Runs `work` in a child process; its exit status (or 128 + signal).
int inChild(const std::function<int()>& work) {
    const pid_t child = ::fork();
    if (child == 0)
        ::_exit(work());
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

} // namespace

class TestFiles : public QObject {
    Q_OBJECT
    QTemporaryDir m_folder;
    fs::path at(const char* name) const { return fs::path(m_folder.path().toStdString()) / name; }

private Q_SLOTS:
    void mapsAndReads() {
        QVERIFY(writeFileAtomic(at("text"), "hello"));
        auto map = MappedFile::open(at("text"));
        QVERIFY(map);
        QCOMPARE(map->bytes().size(), std::size_t{5});
        QCOMPARE(static_cast<char>(map->bytes()[4]), 'o');
        map->willNeed(0, 5);
        map->willNeed(3, ~std::uint64_t{0});
        map->willNeed(100, 1);
        const MappedFile moved = std::move(*map);
        QCOMPARE(static_cast<char>(moved.bytes()[0]), 'h');
        QCOMPARE(readTextFile(at("text")).value(), std::string("hello"));
        QCOMPARE(readFileHead(at("text"), 2)->bytes, std::string("he"));
        QCOMPARE(readFileHead(at("text"), 2)->fileSize, std::uint64_t{5});
    }
    void writingThroughAMapFaults() {
        QVERIFY(writeFileAtomic(at("pristine"), "weights"));
        const int status = inChild([&] {
            ::signal(SIGSEGV, SIG_DFL); // not QtTest's, which prints a stack
            const auto map = MappedFile::open(at("pristine"));
            *reinterpret_cast<volatile char*>(const_cast<std::byte*>(map->bytes().data())) = 'X';
            return 0;
        });
        QCOMPARE(status, 128 + SIGSEGV);
        QCOMPARE(contentOf(at("pristine")), std::string("weights"));
    }
    void emptyMissingAndOddFiles() {
        QVERIFY(writeFileAtomic(at("empty"), ""));
        QCOMPARE(MappedFile::open(at("empty"))->bytes().size(), std::size_t{0});
        QCOMPARE(readTextFile(at("empty")).value(), std::string());
        QCOMPARE(MappedFile::open(at("nothing")).error().kind, ErrorKind::NotFound);
        QCOMPARE(readTextFile(at("nothing")).error().where, at("nothing").string());
        // A pipe without a writer would block an ordinary open for ever.
        QCOMPARE(::mkfifo(at("pipe").c_str(), 0600), 0);
        QVERIFY(MappedFile::open(at("pipe")).error().message.find("regular") != std::string::npos);
        QVERIFY(!readTextFile(at("pipe")));
        QVERIFY(!readTextFile(at("")));
    }
    void readingStopsAtTheLimit() {
        QVERIFY(writeFileAtomic(at("ten"), "0123456789"));
        QCOMPARE(readTextFile(at("ten"), 10).value().size(), std::size_t{10});
        QCOMPARE(readTextFile(at("ten"), 9).error().kind, ErrorKind::OutOfRange);
        // A file that says 0 bytes and holds text.
        QVERIFY(!readTextFile("/proc/self/status").value().empty());
    }
    void replacesWholeAndLeavesNothing() {
        const fs::path folder = at("replace");
        fs::create_directory(folder);
        QVERIFY(writeFileAtomic(folder / "f", "old"));
        {
            auto half = AtomicFile::create(folder / "f");
            QVERIFY(half);
            QVERIFY(half->write("new and unfinished"));
            QCOMPARE(entries(folder), std::size_t{2});
        }
        QCOMPARE(contentOf(folder / "f"), std::string("old"));
        QCOMPARE(entries(folder), std::size_t{1});
        QVERIFY(writeFileAtomic(folder / "f", "new"));
        QCOMPARE(contentOf(folder / "f"), std::string("new"));
        QCOMPARE(entries(folder), std::size_t{1});
        const auto nowhere = writeFileAtomic(folder / "missing" / "f", "x");
        QCOMPARE(nowhere.error().kind, ErrorKind::NotFound);
        QVERIFY(!writeFileAtomic(folder.string() + "/", "x"));
    }
    void aTargetThatIsAFolderIsRefused() {
        const fs::path folder = at("target");
        fs::create_directories(folder / "f" / "inside");
        QVERIFY(!writeFileAtomic(folder / "f", "x"));
        QCOMPARE(entries(folder), std::size_t{1});
        const auto early = AtomicFile::create(folder / "f"); // not after hours of work that were to go into it
        QVERIFY(!early);
        QCOMPARE(early.error().message, std::string("This names a folder, not a file to write."));
    }
    void killedBetweenWriteAndCommitKeepsTheOldFile() {
        const fs::path folder = at("killed");
        fs::create_directory(folder);
        QVERIFY(writeFileAtomic(folder / "f", "old"));
        const int status = inChild([&] {
            auto file = AtomicFile::create(folder / "f");
            static_cast<void>(file->write("half"));
            ::raise(SIGKILL);
            return 0;
        });
        QCOMPARE(status, 128 + SIGKILL);
        QCOMPARE(contentOf(folder / "f"), std::string("old"));
        QVERIFY(writeFileAtomic(folder / "f", "next"));
        QCOMPARE(contentOf(folder / "f"), std::string("next"));
    }
    void aFileSizeLimitIsAShortWriteAndAnError() {
        // With RLIMIT_FSIZE the kernel first writes a part, then refuses: both ways of failing.
        const fs::path folder = at("limited");
        fs::create_directory(folder);
        QVERIFY(writeFileAtomic(folder / "f", "old"));
        const int status = inChild([&] {
            ::signal(SIGXFSZ, SIG_IGN);
            const rlimit limit{10'000, 10'000};
            if (::setrlimit(RLIMIT_FSIZE, &limit) != 0)
                return 2;
            const auto wrote = writeFileAtomic(folder / "f", std::string(50'000, 'x'));
            return !wrote && wrote.error().kind == ErrorKind::NoSpace && wrote.error().where == (folder / "f").string()
                       ? 0
                       : 1;
        });
        QCOMPARE(status, 0);
        QCOMPARE(contentOf(folder / "f"), std::string("old"));
        QCOMPARE(entries(folder), std::size_t{1});
    }
    void aFullDiskKeepsTheOldFile() {
        const fs::path disk = at("disk");
        fs::create_directory(disk);
        if (::mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=256k") != 0)
            QSKIP("mounting a small file system needs rights that are not given here; the limit test above covers the "
                  "path");
        const auto unmount = qScopeGuard([&] { ::umount2(disk.c_str(), MNT_DETACH); });
        QVERIFY(writeFileAtomic(disk / "f", "old"));
        const auto wrote = writeFileAtomic(disk / "f", std::string(1'000'000, 'x'));
        QVERIFY(!wrote);
        QCOMPARE(wrote.error().kind, ErrorKind::NoSpace);
        QVERIFY(wrote.error().message.find("free some space") != std::string::npos);
        QCOMPARE(contentOf(disk / "f"), std::string("old"));
        QCOMPARE(entries(disk), std::size_t{1});
        QVERIFY(writeFileAtomic(disk / "f", "after"));
        QCOMPARE(contentOf(disk / "f"), std::string("after"));
    }
    void twoProcessesOneLock() {
        const fs::path file = at("lock");
        QVERIFY(!*FileLock::isHeld(file)); // not even there
        int ready[2], go[2];
        QCOMPARE(::pipe(ready) + ::pipe(go), 0);
        const pid_t child = ::fork();
        if (child == 0) {
            const auto lock = FileLock::tryLock(file);
            char byte = lock ? 'y' : 'n';
            static_cast<void>(!::write(ready[1], &byte, 1));
            static_cast<void>(!::read(go[0], &byte, 1)); // until killed
            ::_exit(0);
        }
        char answer = 0;
        QCOMPARE(::read(ready[0], &answer, 1), ssize_t{1});
        QCOMPARE(answer, 'y');
        QVERIFY(*FileLock::isHeld(file));
        const auto refused = FileLock::tryLock(file);
        QVERIFY(!refused);
        QCOMPARE(refused.error().kind, ErrorKind::Io);
        QVERIFY(refused.error().message.find("Another running process") != std::string::npos);
        ::kill(child, SIGKILL);
        ::waitpid(child, nullptr, 0);
        QVERIFY(!*FileLock::isHeld(file));
        {
            const auto mine = FileLock::tryLock(file);
            QVERIFY(mine);
            QVERIFY(*FileLock::isHeld(file));
        }
        QVERIFY(!*FileLock::isHeld(file));
        QVERIFY(fs::exists(file));
        for (const int descriptor : {ready[0], ready[1], go[0], go[1]})
            ::close(descriptor);
    }
    /// Another user's, with a strict umask: neither held nor free can be said of it, whether it is held or not.
    void aLockThatMayNotBeOpened() {
        const fs::path file = at("theirs");
        std::optional<FileLock> lock = std::move(*FileLock::tryLock(file));
        QCOMPARE(::chmod(file.c_str(), 0) + ::chmod(file.parent_path().c_str(), 0755), 0);
        for (const bool held : {true, false}) {
            if (!held)
                lock.reset();
            const test::AsNobody nobody;
            if (!nobody.works())
                QSKIP("everything can be read here");
            const auto answer = FileLock::isHeld(file);
            QVERIFY(!answer);
            QCOMPARE(answer.error().kind, ErrorKind::Io);
            QCOMPARE(answer.error().where, file.string());
            QVERIFY2(answer.error().message.find("permission") != std::string::npos, answer.error().text().c_str());
        }
        fs::remove(file);
        fs::create_symlink(file, file); // nor can root open this one
        QVERIFY(!FileLock::isHeld(file));
    }
    void systemErrorsAreSentences_data() {
        QTest::addColumn<int>("code");
        QTest::addColumn<int>("kind");
        QTest::addColumn<QString>("part");
        const auto row = [](const char* name, int code, ErrorKind kind, const char* part) {
            QTest::newRow(name) << code << static_cast<int>(kind) << QString(part);
        };
        row("full", ENOSPC, ErrorKind::NoSpace, "disk is full");
        row("quota", EDQUOT, ErrorKind::NoSpace, "quota");
        row("read-only", EROFS, ErrorKind::Io, "read-only");
        row("rights", EACCES, ErrorKind::Io, "permission");
        row("gone", ENOENT, ErrorKind::NotFound, "no such file");
        row("other", EIO, ErrorKind::Io, "Could not write it");
    }
    void systemErrorsAreSentences() {
        QFETCH(int, code);
        QFETCH(int, kind);
        QFETCH(QString, part);
        const Error error = systemError(code, "write", "/data/file");
        QCOMPARE(static_cast<int>(error.kind), kind);
        QCOMPARE(error.where, std::string("/data/file"));
        QVERIFY2(QString::fromStdString(error.message).contains(part), error.message.c_str());
    }
};

QTEST_APPLESS_MAIN(TestFiles)
#include "tst_files.moc"
