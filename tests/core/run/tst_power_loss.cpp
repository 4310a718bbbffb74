// SPDX-License-Identifier: Apache-2.0
// The power fails after any of the calls that write a study: whatever had not been synced may be there, or not, or in
// part. Each prefix of a recorded trace is replayed with all unsynced writes, with none, and with random shares of them
// (torn at 512 bytes); every state must open and hold what was acknowledged. More shares with CREST_FULL=1.
//
// What is assumed of a file system: a sync of a file keeps its bytes, a sync of a folder its entries; entries that were
// not synced survive in the order they were made, up to some one of them (journals of metadata work so); bytes of a
// file that were not synced are kept or lost (zeros, where later ones are kept) in any combination.
#include <QtTest>

#include <cstring>
#include <optional>
#include <random>

#include <fmt/format.h>

#include "tests/support/fault_sandbox.h"
#include "tests/support/file_trace.h"

using namespace crest;
namespace fs = std::filesystem;

namespace {

struct Event {
    trace::Call call = trace::Call::Write;
    std::string path, second, data;
    std::uint64_t offset = 0;
};

std::vector<Event> readTrace(const std::string& file) {
    const auto text = io::readTextFile(file);
    std::vector<Event> events;
    for (std::size_t at = 0; text && at + sizeof(trace::Record) <= text->size();) {
        trace::Record head;
        std::memcpy(&head, text->data() + at, sizeof head);
        at += sizeof head;
        Event event{head.call, text->substr(at, head.path), text->substr(at + head.path, head.secondPath),
                    text->substr(at + head.path + head.secondPath, head.bytes), head.offset};
        at += head.path + head.secondPath + head.bytes;
        if (!event.path.empty()) // not the counts
            events.push_back(std::move(event));
    }
    return events;
}

/// A file as a disk has it: what is on it for certain, and what was written since, in order.
struct File {
    std::string synced;
    std::vector<Event> pending;
};

struct Entry {
    trace::Call call;
    std::string path, second;
    int file = -1; ///< of a creation or rename
};

/// The disk while the trace is played.
class Disk {
public:
    void play(const Event& event) {
        switch (event.call) {
        case trace::Call::Create:
            m_files.emplace_back();
            m_names[event.path] = static_cast<int>(m_files.size()) - 1;
            m_entries.push_back({event.call, event.path, "", m_names[event.path]});
            break;
        case trace::Call::Write:
        case trace::Call::Truncate:
            if (const auto file = m_names.find(event.path); file != m_names.end())
                m_files[static_cast<std::size_t>(file->second)].pending.push_back(event);
            break;
        case trace::Call::Sync:
            sync(event.path);
            break;
        case trace::Call::Rename:
            rename(event);
            break;
        case trace::Call::Remove:
            m_names.erase(event.path);
            m_entries.push_back({event.call, event.path, "", -1});
            break;
        case trace::Call::MakeFolder:
            m_entries.push_back({event.call, event.path, "", -1});
            break;
        }
    }

    /// What a crash now may leave below `root` (names begin with `was`), on top of what was there before the trace.
    /// `keep` says whether an unsynced write is kept; `entries`: how many of the unsynced entries are.
    template<class Keep>
    void writeTo(const fs::path& root, const std::string& was, std::size_t entries, Keep keep) const {
        std::map<std::string, int> names;
        for (std::size_t i = 0; i < m_syncedEntries + std::min(entries, unsyncedEntries()); ++i)
            apply(m_entries[i], names, root, was);
        for (const auto& [name, file] : names) {
            std::string bytes = m_files[static_cast<std::size_t>(file)].synced;
            for (const Event& event : m_files[static_cast<std::size_t>(file)].pending)
                if (const auto kept = keep(event))
                    change(bytes, event, *kept);
            std::ofstream(place(name, root, was), std::ios::binary) << bytes;
        }
    }
    std::size_t unsyncedEntries() const { return m_entries.size() - m_syncedEntries; }

private:
    std::vector<File> m_files;
    std::map<std::string, int> m_names; ///< as a running program sees them
    std::vector<Entry> m_entries;
    std::size_t m_syncedEntries = 0;

    static fs::path place(const std::string& name, const fs::path& root, const std::string& was) {
        return root / fs::path(name).lexically_relative(was);
    }

    static void change(std::string& bytes, const Event& event, std::size_t kept) {
        if (event.call == trace::Call::Truncate)
            return bytes.resize(event.offset);
        if (bytes.size() < event.offset + kept)
            bytes.resize(event.offset + kept);
        std::copy_n(event.data.begin(), kept, bytes.begin() + static_cast<std::ptrdiff_t>(event.offset));
    }

    void sync(const std::string& path) {
        const auto file = m_names.find(path);
        if (file != m_names.end()) {
            File& it = m_files[static_cast<std::size_t>(file->second)];
            for (const Event& event : it.pending)
                change(it.synced, event, event.data.size());
            it.pending.clear();
            return;
        }
        // A folder: all entries up to the last of its own.
        for (std::size_t i = m_entries.size(); i > m_syncedEntries; --i)
            if (fs::path(m_entries[i - 1].path).parent_path() == path ||
                fs::path(m_entries[i - 1].second).parent_path() == path) {
                m_syncedEntries = i;
                return;
            }
    }

    void rename(const Event& event) {
        m_entries.push_back({event.call, event.path, event.second, -1});
        std::map<std::string, int> moved; // a folder takes what is in it along
        for (const auto& [name, file] : m_names) {
            const bool within = name == event.path || name.starts_with(event.path + "/");
            moved[within ? event.second + name.substr(event.path.size()) : name] = file;
        }
        // What stood at the new name is gone, unless it is the one that moved there.
        if (const auto file = m_names.find(event.path); file != m_names.end())
            moved[event.second] = file->second;
        m_names = std::move(moved);
    }

    static void apply(const Entry& entry, std::map<std::string, int>& names, const fs::path& root,
                      const std::string& was) {
        std::error_code ignored;
        switch (entry.call) {
        case trace::Call::Create:
            names[entry.path] = entry.file;
            break;
        case trace::Call::MakeFolder:
            fs::create_directories(place(entry.path, root, was), ignored);
            break;
        case trace::Call::Remove:
            names.erase(entry.path);
            fs::remove(place(entry.path, root, was), ignored);
            break;
        case trace::Call::Rename: {
            std::map<std::string, int> moved;
            for (const auto& [name, file] : names)
                if (name != entry.second)
                    moved[name == entry.path || name.starts_with(entry.path + "/")
                              ? entry.second + name.substr(entry.path.size())
                              : name] = file;
            names = std::move(moved);
            if (fs::is_directory(place(entry.path, root, was), ignored))
                fs::rename(place(entry.path, root, was), place(entry.second, root, was), ignored);
            break;
        }
        default:
            break;
        }
    }
};

} // namespace

class TestPowerLoss : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void everyPrefixRecovers() {
        const bool full = qEnvironmentVariableIsSet("CREST_FULL");
        const int shares = full ? 200 : 3;
        const test::FaultSandbox sandbox;
        const std::string all = sandbox.root() + "/all", before = sandbox.root() + "/before";
        fs::copy(all, before, fs::copy_options::recursive);
        const auto ended =
            sandbox.run({{QStringLiteral("CREST_FAULT_TRACE"), QString::fromStdString(sandbox.traceFile())}});
        QVERIFY2(ended.whole && ended.said.isEmpty(), qPrintable(ended.said));
        const std::vector<Event> events = readTrace(sandbox.traceFile());
        QVERIFY(events.size() > 60);
        m_before = before;
        m_all = all;
        std::mt19937 random(20261122);
        Disk disk;
        std::set<std::string> acknowledged;
        for (std::size_t k = 0; k < events.size(); ++k) {
            if (events[k].path == sandbox.acksFile()) {
                for (const std::string& key : test::linesOf(events[k].data))
                    acknowledged.insert(key);
                continue;
            }
            disk.play(events[k]);
            const auto whole = [](const Event& event) { return std::optional(event.data.size()); };
            const auto nothing = [](const Event&) { return std::optional<std::size_t>(); };
            const std::size_t entries = disk.unsyncedEntries();
            const bool goOn = full || k % 8 == 0;
            check(disk, entries, whole, acknowledged, k, "all kept", goOn);
            check(disk, 0, nothing, acknowledged, k, "nothing unsynced kept", goOn);
            check(disk, entries, nothing, acknowledged, k, "entries kept, bytes lost", goOn);
            for (int share = 0; share < shares; ++share) {
                const auto some = [&](const Event& event) -> std::optional<std::size_t> {
                    if (random() % 2 == 0)
                        return std::nullopt;
                    const std::size_t blocks = event.data.size() / 512; // torn
                    return random() % 4 == 0 ? random() % (blocks + 1) * 512 : event.data.size();
                };
                check(disk, random() % (entries + 1), some, acknowledged, k, "some kept", goOn && share == 0);
            }
            if (QTest::currentTestFailed())
                return;
        }
        QCOMPARE(acknowledged.size(), test::faultRows().size());
        qInfo("%zu calls, %d states, every one recovered", events.size(), m_states);
    }

private:
    std::string m_before, m_all;
    int m_states = 0;

    template<class Keep>
    void check(const Disk& disk, std::size_t entries, Keep keep, const std::set<std::string>& acknowledged,
               std::size_t call, const char* what, bool goOn) {
        if (QTest::currentTestFailed())
            return;
        ++m_states;
        const QTemporaryDir dir;
        const fs::path root = dir.path().toStdString() + "/all";
        fs::copy(m_before, root, fs::copy_options::recursive);
        disk.writeTo(root, m_all, entries, keep);
        const std::string context = fmt::format("after call {}, {}: ", call, what);
        const std::string wrong = test::whatIsWrong(root / "study", acknowledged);
        QVERIFY2(wrong.empty(), (context + wrong).c_str());
        if (!goOn)
            return;
        const std::string kept = test::whatKeepsItFromGoingOn(root / "study");
        QVERIFY2(kept.empty(), (context + kept).c_str());
    }
};

QTEST_GUILESS_MAIN(TestPowerLoss)
#include "tst_power_loss.moc"
