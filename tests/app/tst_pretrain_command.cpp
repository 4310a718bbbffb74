// SPDX-License-Identifier: Apache-2.0
// crest-run pretrain as a process: stopped by signals, killed, out of space, badly configured; and what it prints.
#include <QProcess>
#include <QTemporaryDir>
#include <QtTest>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

#include <sys/mount.h>
#include <unistd.h>

#include "core/base/json.h"

using namespace crest;
namespace fs = std::filesystem;

namespace {

constexpr int kSteps = 200;

struct Ended {
    int code = -1; ///< -1: by a signal
    QByteArray out, err;
};

std::string contentOf(const fs::path& file) {
    std::ifstream in(file, std::ios::binary);
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
}

/// Sentences of pseudo-words: enough to learn, the same on every machine.
void writeText(const fs::path& file, int documents, std::uint32_t seed) {
    static const char* kSyllables[] = {"ka", "to", "mi", "ren", "sol", "du", "pa", "vi", "lor", "e"};
    std::ofstream out(file);
    for (int d = 0; d < documents; ++d) {
        std::string text;
        for (int word = 0; word < 40; ++word) {
            seed = seed * 1664525u + 1013904223u;
            const std::uint32_t root = (seed >> 16) % 30;
            text += std::string(kSyllables[root % 10]) + kSyllables[root / 3] + " ";
        }
        out << Json{{"text", text}}.dump() << "\n";
    }
}

Json config() {
    return {{"series", "tiny"},
            {"family", "llama"},
            {"shape",
             {{"width", 32}, {"layers", 2}, {"heads", 4}, {"mlp_width", 64}, {"context", 32}, {"tied_head", true}}},
            {"tokenizer", {{"train", "byte-level-bpe"}, {"vocab", 300}}},
            {"texts", {"train.jsonl"}},
            {"heldout", {{"other words", "heldout.jsonl"}}},
            {"batch_sequences", 8},
            {"budgets_tokens", {256 * kSteps}},
            {"seeds", {1}},
            {"state_seconds", 0}};
}

class Command {
public:
    explicit Command(const QStringList& arguments) {
        m_process.start(QStringLiteral(CREST_BINARY_DIR "/bin/crest-run"),
                        QStringList{QStringLiteral("pretrain")} + arguments);
        m_process.waitForStarted();
    }
    ~Command() {
        if (m_process.state() != QProcess::NotRunning) {
            m_process.kill();
            m_process.waitForFinished();
        }
    }
    QProcess& process() { return m_process; }

    /// Waits until `text` was printed.
    bool sees(const char* text) {
        for (int i = 0; i < 3000 && !m_out.contains(text); ++i) {
            const bool more = m_process.waitForReadyRead(20);
            m_out += m_process.readAllStandardOutput();
            if (!more && m_process.state() == QProcess::NotRunning)
                break;
        }
        return m_out.contains(text);
    }
    void signal(int number) { ::kill(static_cast<pid_t>(m_process.processId()), number); }

    Ended wait(int milliseconds = 90'000) {
        if (m_process.state() != QProcess::NotRunning && !m_process.waitForFinished(milliseconds))
            return {-2, m_out, "did not end"};
        return {m_process.exitStatus() == QProcess::NormalExit ? m_process.exitCode() : -1,
                m_out + m_process.readAllStandardOutput(), m_process.readAllStandardError()};
    }

private:
    QProcess m_process;
    QByteArray m_out;
};

struct SmallDisk {
    QTemporaryDir dir;
    fs::path path{dir.path().toStdString()};
    bool mounted = false;

    explicit SmallDisk(const char* size) {
        mounted = ::mount("tmpfs", path.c_str(), "tmpfs", 0, (std::string("size=") + size).c_str()) == 0;
    }
    ~SmallDisk() {
        if (mounted)
            ::umount2(path.c_str(), MNT_DETACH);
    }
    void fill() const {
        std::ofstream ballast(path / "ballast", std::ios::binary);
        const std::string block(4096, 'x');
        while (ballast.write(block.data(), static_cast<std::streamsize>(block.size())).flush()) {
        }
    }
    void free() const { fs::remove(path / "ballast"); }
};

} // namespace

class TestPretrainCommand : public QObject {
    Q_OBJECT
    QTemporaryDir m_dir;
    fs::path m_folder{m_dir.path().toStdString()};
    QString m_config = QString::fromStdString((m_folder / "config.json").string());
    std::string m_weights; ///< of the uninterrupted run

    QStringList arguments(const char* out) const {
        return {m_config, QStringLiteral("--out"), QString::fromStdString((m_folder / out).string()),
                QStringLiteral("--json")};
    }
    static std::string weightsBelow(const fs::path& out) {
        std::string weights;
        for (const auto& entry : fs::recursive_directory_iterator(out))
            if (entry.path().filename() == "model.safetensors")
                weights += contentOf(entry.path());
        return weights;
    }
    static std::vector<Json> eventsOf(const QByteArray& out) {
        std::vector<Json> events;
        for (const QByteArray& line : out.split('\n'))
            if (!line.isEmpty())
                events.push_back(Json::parse(line.toStdString(), nullptr, false));
        return events;
    }

private Q_SLOTS:
    void initTestCase() {
        writeText(m_folder / "train.jsonl", 400, 1);
        writeText(m_folder / "heldout.jsonl", 20, 2);
        std::ofstream(m_folder / "config.json") << config().dump();
        const Ended whole = Command(arguments("whole")).wait();
        QVERIFY2(whole.code == 0, whole.err.constData());
        m_weights = weightsBelow(m_folder / "whole");
        QVERIFY(m_weights.size() > 10'000);
    }

    void eventsAreOneObjectALine() {
        const Ended ended = Command(arguments("events")).wait();
        QCOMPARE(ended.code, 0);
        const std::vector<Json> events = eventsOf(ended.out);
        std::map<std::string, int> kinds;
        std::int64_t done = 0;
        for (const Json& event : events) {
            QVERIFY2(event.is_object(), ended.out.constData());
            ++kinds[event.at("event").get<std::string>()];
            QCOMPARE(event.at("tokens_total").get<std::int64_t>(), 256 * kSteps);
            QVERIFY(event.at("tokens_done").get<std::int64_t>() >= done);
            done = event["tokens_done"];
            if (event["event"] == "prepared") {
                QVERIFY(event.at("message").is_string());
                continue;
            }
            QCOMPARE(event.at("steps").get<int>(), kSteps);
            QVERIFY(event.at("step").is_number_integer() && event.at("loss").is_number());
            QVERIFY(event.at("run").get<std::string>().find("tiny-seed1") == 0);
        }
        QCOMPARE(kinds["prepared"], 1);
        QCOMPARE(kinds["start"], 1);
        QCOMPARE(kinds["finish"], 1);
        const Json& last = events.back();
        QCOMPARE(last["event"].get<std::string>(), std::string("finish"));
        QCOMPARE(last["tokens_done"].get<std::int64_t>(), 256 * kSteps);
        const double heldout = last.at("heldout").at("other words");
        QVERIFY(heldout > 0 && heldout < std::log(300.0));
        QVERIFY(last.at("tokens_per_second").get<double>() > 0 && last.at("seconds_left").get<double>() == 0);
        const Ended again = Command(arguments("events")).wait();
        QCOMPARE(again.code, 0);
        QVERIFY2(again.err.contains("1 were there already"), again.err.constData());
        QCOMPARE(eventsOf(again.out).front().at("event").get<std::string>(), std::string("skip"));
    }

    void signalsStopAfterTheStep_data() {
        QTest::addColumn<int>("number");
        QTest::newRow("SIGTERM") << SIGTERM;
        QTest::newRow("SIGINT") << SIGINT;
    }

    void signalsStopAfterTheStep() {
        QFETCH(int, number);
        const QByteArray name = "stopped" + QByteArray::number(number);
        const fs::path out = m_folder / name.constData();
        {
            Command command(arguments(name.constData()));
            QVERIFY(command.sees("\"start\""));
            QTest::qSleep(60);
            command.signal(number);
            const Ended ended = command.wait();
            QVERIFY2(ended.code == 1, ended.err.constData()); // 0 only when all it was asked for is done
            QVERIFY2(ended.err.contains("call again to go on"), ended.err.constData());
            QCOMPARE(eventsOf(ended.out).back().at("event").get<std::string>(), std::string("stop"));
            QVERIFY(weightsBelow(out).empty());
        }
        Command again(arguments(name.constData()));
        const Ended ended = again.wait();
        QVERIFY2(ended.code == 0, ended.err.constData());
        bool resumed = false;
        for (const Json& event : eventsOf(ended.out))
            resumed = resumed || (event["event"] == "resume" && event["step"].get<int>() > 0);
        QVERIFY(resumed);
        QVERIFY(weightsBelow(out) == m_weights);
    }

    void secondSignalEndsAtOnce() {
        Json slow = config(); // steps of some seconds, so that the first signal is still waiting for one
        slow["shape"] = {{"width", 256}, {"layers", 8}, {"heads", 4}, {"mlp_width", 1024}, {"context", 512}};
        slow["budgets_tokens"] = {64 * 512};
        slow["batch_sequences"] = 32;
        const fs::path file = m_folder / "slow.json";
        std::ofstream(file) << slow.dump();
        Command command({QString::fromStdString(file.string()), QStringLiteral("--out"),
                         QString::fromStdString((m_folder / "slow").string()), QStringLiteral("--json")});
        QVERIFY(command.sees("\"start\""));
        command.signal(SIGINT);
        QTest::qSleep(100);
        command.signal(SIGTERM);
        QCOMPARE(command.wait(5'000).code, 128 + SIGTERM);
    }

    void killedAtAnyMomentItGoesOn() {
        std::mt19937 random(11);
        const fs::path out = m_folder / "killed";
        int kills = 0;
        for (int attempt = 0; attempt < 40; ++attempt) {
            Command command(arguments("killed"));
            const bool aim = kills < 8;
            if (aim && !command.process().waitForFinished(static_cast<int>(100 + random() % 500))) {
                command.signal(SIGKILL);
                ++kills;
            }
            const Ended ended = command.wait();
            if (ended.code >= 0) {
                QVERIFY2(ended.code == 0, ended.err.constData());
                break;
            }
        }
        QVERIFY2(kills >= 3, qPrintable(QString::number(kills)));
        QVERIFY(weightsBelow(out) == m_weights);
    }

    void fullDiskEndsWithAClearSentence() {
        const SmallDisk disk("4m");
        if (!disk.mounted)
            QSKIP("mounting a tmpfs needs root");
        const QStringList arguments{m_config, QStringLiteral("--out"), QString::fromStdString(disk.path.string()),
                                    QStringLiteral("--json")};
        {
            Command command(arguments);
            QVERIFY(command.sees("\"start\""));
            disk.fill();
            const Ended ended = command.wait();
            QCOMPARE(ended.code, 1);
            const QByteArray said = ended.out + ended.err;
            QVERIFY2(said.contains("the disk is full; free some space"), said.constData());
            QVERIFY2(said.contains("tiny-seed1"), said.constData()); // which file
        }
        disk.free();
        const Ended again = Command(arguments).wait();
        QVERIFY2(again.code == 0, again.err.constData());
        QVERIFY(weightsBelow(disk.path) == m_weights);
    }

    /// In a job's log there is no line that changes.
    void whatIsNoTerminalGetsWholeLines() {
        const Ended ended = Command(arguments("plain").mid(0, 3)).wait(); // without --json
        QVERIFY2(ended.code == 0, ended.err.constData());
        QVERIFY2(!ended.err.contains('\r') && !ended.err.contains('\x1b'), ended.err.constData());
        QVERIFY2(ended.err.contains(": finished, other words ") && ended.err.endsWith("\n1 run finished, 0 were there already, 0 failed.\n"),
                 ended.err.constData());
    }

    void aFolderOfTextsThatIsNoneIsSaid() {
        const Ended ended = Command(arguments("nowhere") + QStringList{QStringLiteral("--texts"), QStringLiteral("no-such-folder")}).wait();
        QCOMPARE(ended.code, 1);
        QVERIFY2(ended.err.contains("no-such-folder: There is no such folder of texts."), ended.err.constData());
    }

    void badConfigsNameFileAndKey_data() {
        QTest::addColumn<QString>("pointer");
        QTest::addColumn<QString>("value");
        QTest::addColumn<QString>("named");
        QTest::newRow("unknown key") << "/learnign_rate"
                                     << "1"
                                     << "learnign_rate";
        QTest::newRow("wrong type") << "/learning_rate"
                                    << "\"fast\""
                                    << "learning_rate";
        QTest::newRow("out of range") << "/betas"
                                      << "[2, 3]"
                                      << "betas";
        QTest::newRow("family") << "/family"
                                << "\"mamba\""
                                << "family";
        QTest::newRow("in the shape") << "/shape/heads"
                                      << "0"
                                      << "heads";
        QTest::newRow("no budget") << "/budgets_tokens"
                                   << "[]"
                                   << "budgets_tokens";
        QTest::newRow("text is missing") << "/texts"
                                         << "[\"nowhere.jsonl\"]"
                                         << "nowhere.jsonl";
    }

    void badConfigsNameFileAndKey() {
        QFETCH(QString, pointer);
        QFETCH(QString, value);
        QFETCH(QString, named);
        Json json = config();
        json[Json::json_pointer(pointer.toStdString())] = Json::parse(value.toStdString());
        std::ofstream(m_folder / "bad.json") << json.dump();
        const Ended ended = Command({QString::fromStdString((m_folder / "bad.json").string()), QStringLiteral("--out"),
                                     QString::fromStdString((m_folder / "bad").string())})
                                .wait();
        QCOMPARE(ended.code, 1);
        QVERIFY2(ended.err.contains(named.toUtf8()), ended.err.constData());
        QVERIFY2(ended.err.contains("bad.json") || ended.err.contains("nowhere.jsonl"), ended.err.constData());
    }

    void unreadableConfigs() {
        std::ofstream(m_folder / "broken.json") << "{\"series\": ";
        for (const char* name : {"broken.json", "absent.json"}) {
            const Ended ended = Command({QString::fromStdString((m_folder / name).string())}).wait();
            QCOMPARE(ended.code, 1);
            QVERIFY2(ended.err.contains(name), ended.err.constData());
        }
    }
};

QTEST_GUILESS_MAIN(TestPretrainCommand)
#include "tst_pretrain_command.moc"
