// SPDX-License-Identifier: GPL-3.0-or-later
// One folder with every layout beside each other, opened as a newcomer would: by crest-run inspect and in the window.
#include <algorithm>

#include <QProcess>

#include "tests/core/series/layouts.h"
#include "tests/core/series/olmo_folder.h"
#include "tests/support/peers.h"
#include "tests/ui/data/session_fixture.h"
#include "ui/data/format.h"
#include "ui/data/series_model.h"

using namespace crest;
using namespace crest::test;
using series::DecoderSpec;
namespace fs = std::filesystem;

namespace {

constexpr int kWaitMs = 60000;

/// Series to its checkpoints in order, each "name tokens state"; the same of the command and of the window.
using Listed = std::map<std::string, std::vector<std::string>>;

std::string entry(const std::string& name, const std::string& tokens, const std::string& state) {
    return name + " " + (tokens.empty() ? "-" : tokens) + " " + state;
}

const Listed& expected() {
    static const Listed all = {
        {"run", {"step1000 - ok", "step2000 - ok", "step3000 - broken"}},
        {"tiny", {"step10 - ok", "step20=main - ok", commitOf("a--tiny9").substr(0, 12) + " - suspect"}},
        {"out", {"checkpoint-500 8192000 ok", "checkpoint-1000 16384000 ok", "checkpoint-1500 - broken", "out - ok"}},
        {"model-a", {"model-a - ok"}},
        {"staged", {"stage1-step10-tokens1B 1000000000 ok", "stage1-step20-tokens2B 2000000000 ok"}},
        {"staged stage 2 ingredient 1", {"stage2-ingredient1-step5-tokens1B 1000000000 ok"}},
        {"staged stage 2 ingredient 2", {"stage2-ingredient2-step5-tokens1B 1000000000 ok"}},
        {"copies", {"ckpt_20000.pt 614400000 ok", "ckpt_40000.pt 1228800000 ok"}},
        {"bare", {"ckpt.pt 61440000 broken"}},
        {"folders", {"iter_100 51200 ok", "iter_200 102400 ok"}},
        {"finetuned", {"ckpt.pt - ok"}},
        {"other", {"step5.pt - broken"}},
        {"OLMo-own", {"step10-unsharded 5120 ok", "step20-unsharded 10240 ok", "step30 15360 broken"}},
        {"Amber", {"ckpt_000 3497583333 ok", "ckpt_010 38473416667 ok"}},
        {"TinyLlama-1.1B",
         {"TinyLlama-1.1B-step-50K-105b 105000000000 ok", "TinyLlama-1.1B-intermediate-step-240k-503b 503000000000 ok"}},
        {"halves", {"step100 - ok", "step200 - broken"}},
        {"words", {"step1 - ok", "step2 - broken", "step3 - ok"}}, // step2: a tokenizer that was cut off
        {"pythia-14m", {"step1 2097152 ok", "step512 1073741824 ok"}},
        {"sizes (2x8, 2 heads, MLP 12)", {"step1 - ok", "step3 - ok"}},
        {"sizes (2x8, 2 heads, MLP 16)", {"step2 - ok"}}};
    return all;
}

bool addHubAndTrainer(const fs::path& root) {
    for (const char* ref : {"step10", "step20"})
        makeSnapshot(root / "hub", "a--tiny", ref, static_cast<unsigned>(ref[4]));
    makeSnapshot(root / "hub", "a--tiny", "main", '2');
    makeSnapshot(root / "hub", "a--tiny", "", 9);
    fs::create_directories(root / "hub" / "datasets--a--texts" / "snapshots" / commitOf("d"));
    bool made = makeCheckpoint(root / "trainer/out", tinySpec(), 5);
    for (const int step : {500, 1000}) {
        const fs::path folder = root / "trainer/out" / ("checkpoint-" + std::to_string(step));
        made = makeCheckpoint(folder, tinySpec(), static_cast<unsigned>(step)) && made;
        writeText(folder / "trainer_state.json", "{\"global_step\":" + std::to_string(step) +
                                                     ",\"num_input_tokens_seen\":" + std::to_string(step * 16384) +
                                                     "}");
        writeText(folder / "optimizer.pt", "never looked at");
    }
    writeText(root / "trainer/out/trainer_state.json", R"({"global_step":1000,"num_input_tokens_seen":16384000})");
    writeText(root / "trainer/out/checkpoint-1500/adapter_config.json", R"({"base_model_name_or_path":"org/base"})");
    writeText(root / "trainer/out/checkpoint-1500/adapter_model.safetensors", "x");
    return made;
}

/// What trainers and repositories of their own kind leave.
bool addOwnKinds(const fs::path& root) {
    bool made = true;
    for (const unsigned step : {10U, 20U})
        made = makeOlmoFolder(root / "OLMo-own" / ("step" + std::to_string(step) + "-unsharded"), step) && made;
    writeText(root / "OLMo-own/tokenizer.json", kTinyTokenizer);
    writeText(root / "OLMo-own/step30/config.yaml", kOlmoYaml);
    writeText(root / "OLMo-own/step30/model/rank0.pt", "a part");
    unsigned seed = 60;
    for (const char* name : {"Amber/ckpt_000", "Amber/ckpt_010", "repositories/TinyLlama-1.1B-step-50K-105b",
                             "repositories/TinyLlama-1.1B-intermediate-step-240k-503b"})
        made = makeCheckpoint(root / name, tinySpec(), ++seed) && made;
    for (const char* name : {"halves/step100", "halves/step200"}) {
        writeConfig(root / name, tinySpec());
        writeText(root / name / "tokenizer.json", kTinyTokenizer);
        made = writeShards(root / name, randomTensors(tinySpec(), ++seed), 2) && made;
    }
    fs::remove(root / "halves/step200/model-2-of-2.safetensors");
    return made;
}

bool addFolders(const fs::path& root) {
    unsigned seed = 20;
    bool made = true;
    DecoderSpec wide = tinySpec();
    wide.mlpWidth = 16;
    for (const char* name :
         {"run/step1000", "run/step2000", "run/step3000", "loose/model-a", "staged/stage1-step10-tokens1B",
          "staged/stage1-step20-tokens2B", "staged/stage2-ingredient1-step5-tokens1B",
          "staged/stage2-ingredient2-step5-tokens1B", "sizes/step1", "sizes/step3", "words/step1", "words/step2",
          "words/step3"})
        made = makeCheckpoint(root / name, tinySpec(), ++seed) && made;
    made = makeCheckpoint(root / "sizes/step2", wide, ++seed) && made;
    DecoderSpec pythia = tinySpec("gpt_neox"); // the shape of the published one, so that its tokens per step hold
    pythia.width = 128;
    pythia.layers = 6;
    pythia.heads = pythia.kvHeads = 4;
    pythia.headSize = 32;
    pythia.mlpWidth = 512;
    pythia.ropeDims = 8;
    for (const char* name : {"pythia-14m/step1", "pythia-14m/step512"})
        made = makeCheckpoint(root / name, pythia, ++seed) && made;
    const fs::path cut = root / "run/step3000/model.safetensors";
    fs::resize_file(cut, fs::file_size(cut) - 9);
    writeText(root / "words/step2/tokenizer.json", "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":");
    writeText(root / "notes/readme.txt", "no checkpoint");
    return made;
}

/// `said`: what is wrong, of the rows and beside them.
Listed byCommand(const fs::path& root, QByteArray& said) {
    QProcess process;
    process.start(QStringLiteral(CREST_BINARY_DIR "/bin/crest-run"),
                  {QStringLiteral("inspect"), QString::fromStdString(root.string()), QStringLiteral("--json")});
    process.waitForFinished(kWaitMs);
    said = process.readAllStandardError();
    const auto json = parseJson(process.readAllStandardOutput().toStdString(), "inspect");
    Listed out;
    if (json)
        for (const Json& series : (*json)["series"])
            for (const Json& one : series["checkpoints"]) {
                std::string name = one["name"].get<std::string>();
                if (one["reason"].is_string())
                    said += QByteArray::fromStdString(one["path"].get<std::string>() + ": " + one["reason"].get<std::string>() + "\n");
                for (const Json& alias : one["aliases"])
                    name += "=" + alias.get<std::string>();
                out[series["name"].get<std::string>()].push_back(
                    entry(name, one["tokens"].is_null() ? "" : one["tokens"].dump(), one["state"].get<std::string>()));
            }
    return out;
}

/// What the rows of the window's tree say.
Listed byWindow(const ui::StudySession& session) {
    ui::SeriesModel model;
    model.setSeries(session.series(), {});
    Listed found;
    for (int series = 0; series < model.rowCount(); ++series) {
        const QModelIndex parent = model.index(series, 0);
        for (int row = 0; row < model.rowCount(parent); ++row) {
            const auto text = [&](int column, int role = Qt::DisplayRole) {
                return model.index(row, column, parent).data(role).toString();
            };
            const QString name = text(ui::SeriesModel::Name).replace(QStringLiteral(" = "), QStringLiteral("="));
            const QString state = text(ui::SeriesModel::State).section(u':', 0, 0);
            found[parent.data().toString().toStdString()].push_back(
                entry(name.toStdString(), text(ui::SeriesModel::Tokens, Qt::EditRole).toStdString(),
                      state == QStringLiteral("readable") ? "ok" : state.toStdString()));
        }
    }
    return found;
}

/// "" where all is as expected.
QString differences(const Listed& found) {
    QStringList out;
    for (const auto& [name, rows] : expected())
        if (const auto at = found.find(name); at == found.end() || at->second != rows) {
            QStringList have;
            if (at != found.end())
                for (const std::string& row : at->second)
                    have << QString::fromStdString(row);
            out << QString::fromStdString(name) + QStringLiteral(": ") + have.join(QStringLiteral(", "));
        }
    for (const auto& [name, rows] : found)
        if (!expected().contains(name))
            out << QStringLiteral("not expected: ") + QString::fromStdString(name);
    return out.join(u'\n');
}

} // namespace

class TestMixedFolder : public QObject {
    Q_OBJECT
    SessionFixture m_fixture;
    fs::path root() const { return fs::canonical(m_fixture.dir.path().toStdString()) / "mixed"; }

private Q_SLOTS:
    void initTestCase() {
        fs::create_directories(m_fixture.dir.path().toStdString() + "/mixed");
        QVERIFY(addHubAndTrainer(root()) && addFolders(root()) && addOwnKinds(root()));
        const QString place = QString::fromStdString(root().string());
        const auto made = test::askPeerOnce({QStringLiteral("tests/oracle/nanogpt_files.py"), {place}, place});
        QVERIFY2(made, made ? "" : made.error().text().c_str());
    }

    void theCommandListsEverySeries() {
        QByteArray said;
        const QString wrong = differences(byCommand(root(), said));
        QVERIFY2(wrong.isEmpty(), qPrintable(wrong));
        for (const char* part : {"truncated", "only an adapter (LoRA)", "a nanoGPT checkpoint holds none",
                                 "no checkpoint of nanoGPT", "downloaded by its commit",
                                 "unshard.py", "named by the index but missing", "words/step2: tokenizer.json: "})
            QVERIFY2(said.contains(part), part);
    }

    void theWindowListsEverySeries() {
        ui::StudySession session;
        session.open(QString::fromStdString(root().string()));
        // Tokenizers are read after the listing.
        QString wrong = QStringLiteral("nothing listed");
        const auto isListed = [&] { return (wrong = differences(byWindow(session))).isEmpty(); };
        QVERIFY2(QTest::qWaitFor(isListed, kWaitMs), qPrintable(wrong));
        const auto names = [](const ui::Issue& issue) {
            return issue.where.endsWith(QStringLiteral("words/step2")) &&
                   issue.message.startsWith(QStringLiteral("tokenizer.json: "));
        };
        QVERIFY(std::ranges::any_of(session.issues(), names));
    }

    /// A study that is opened again looks into the folder of each series, and these may lie in each other.
    void whatTwoSearchesFindIsToldOnce() {
        const fs::path folder = root().parent_path() / "nested";
        for (const unsigned step : {10U, 20U})
            QVERIFY(makeCheckpoint(folder / ("own-step" + std::to_string(step)), tinySpec(), step));
        makeSnapshot(folder / "hub", "org--part", "step30", 3);
        writeText(folder / "hub/models--org--part/refs/step40", commitOf("gone"));
        QString place = QString::fromStdString(folder.string());
        for (const char* round : {"the folder", "its study"}) {
            ui::StudySession session;
            session.open(place);
            QTRY_COMPARE_WITH_TIMEOUT(session.series().size(), std::size_t{2}, kWaitMs);
            const auto told = std::ranges::count_if(session.issues(), [](const ui::Issue& issue) {
                return issue.message.startsWith(QStringLiteral("Of the revision step40"));
            });
            QVERIFY2(told == 1, qPrintable(QStringLiteral("%1: told %2 times").arg(QLatin1String(round)).arg(told)));
            place = session.folder();
        }
    }

    void aFileOfALargeFolderIsOpenedAlone() {
        // Beside it lie a folder that would take long and a series of another kind.
        const fs::path alone = root().parent_path() / "downloads/ckpt.pt";
        fs::create_directories(alone.parent_path());
        fs::copy(root() / "finetuned/ckpt.pt", alone);
        fs::copy(root() / "finetuned/tokenizer.json", alone.parent_path() / "tokenizer.json");
        fs::copy(root() / "words", alone.parent_path() / "words", fs::copy_options::recursive);
        ui::StudySession session;
        int found = 0;
        connect(&session, &ui::StudySession::checkpointsFound, this,
                [&](const QString&, const std::vector<series::Checkpoint>& some) { found += static_cast<int>(some.size()); });
        session.open(QString::fromStdString(alone.string()));
        QVERIFY(QTest::qWaitFor([&] { return !session.series().empty(); }, kWaitMs));
        QCOMPARE(found, 1);
        QCOMPARE(session.series().size(), std::size_t{1});
        QCOMPARE(session.series()[0].checkpoints.size(), std::size_t{1});
        QCOMPARE(session.series()[0].checkpoints[0].path, alone);
        QVERIFY2(session.series()[0].checkpoints[0].state == series::CheckpointState::Ok,
                 session.series()[0].checkpoints[0].reason.c_str());
        QCOMPARE(session.study().name, std::string("downloads"));
        // A rescan, and the study opened again, find it by the same path.
        session.rescan();
        QSignalSpy scanned(&session, &ui::StudySession::scanProgress);
        QVERIFY(QTest::qWaitFor([&] { return scanned.count() > 0 && scanned.last().at(1).toBool(); }, kWaitMs));
        QCOMPARE(session.series()[0].checkpoints.size(), std::size_t{1});
    }

    void nanoGptFilesAreWholeCheckpoints() {
        const series::Checkpoint one = series::readCheckpoint(root() / "folders/iter_200/ckpt.pt").checkpoint;
        QVERIFY2(one.state == series::CheckpointState::Ok, one.reason.c_str());
        QCOMPARE(one.name, std::string("iter_200"));
        QCOMPARE(one.format, std::string("ckpt.pt"));
        QCOMPARE(one.family, std::string("nanogpt"));
        QCOMPARE(*one.step, 200);
        QCOMPARE(one.tokensPerStep, std::optional<double>(512.0)); // 8 x 64 x 1
        QCOMPARE(one.spec->contextLength, 64);
        QVERIFY(one.spec->tiedHead && one.spec->qkvBias && !one.spec->transposedBlocks);
    }
};

QTEST_GUILESS_MAIN(TestMixedFolder)
#include "tst_mixed_folder.moc"
