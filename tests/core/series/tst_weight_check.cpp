// SPDX-License-Identifier: Apache-2.0
// What reading all of a checkpoint tells, and that it is remembered: numbers that are none, a second form of the weights, the hub's
// hashes.
#include <QtTest>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <limits>
#include <thread>

#include "core/io/files.h"
#include "core/series/check_cache.h"
#include "core/series/hub_digest.h"
#include "core/series/weight_check.h"
#include "core/series/weight_files.h"
#include "tests/core/series/layouts.h"
#include "tests/core/series/make_torch_weights.h"

using namespace crest;
using namespace crest::series;
using namespace crest::test;
namespace fs = std::filesystem;

namespace {

std::string fingerprint(const fs::path& folder, const DecoderSpec& spec) {
    const auto weights = CheckpointWeights::open(folder, spec);
    return weights ? fingerprintWeights(*weights, spec).value() : "cannot open: " + weights.error().text();
}

/// As a new process does it: what `cache` tells is read, and what is found is written.
Result<CheckedWeights> checkAnew(const fs::path& folder, const DecoderSpec& spec, const fs::path& cache, const JobContext& job = {}) {
    CheckCache checks(cache);
    return checkCheckpoint(folder, spec, checks, job);
}
Result<std::string> fingerprintAnew(const fs::path& folder, const DecoderSpec& spec, const fs::path& cache, const JobContext& job = {}) {
    CheckCache checks(cache);
    return fingerprintCheckpoint(folder, spec, checks, job);
}

/// A link of a snapshot to the blob of `promised`, which holds `there`.
void linkToBlob(const fs::path& file, const std::string& promised, const std::string& there) {
    const std::string blob = "../../blobs/" + sha256Hex(promised);
    fs::remove(file);
    writeText(file.parent_path() / blob, there);
    fs::create_symlink(blob, file);
}

} // namespace

class TestWeightCheck : public QObject {
    Q_OBJECT
    std::unique_ptr<QTemporaryDir> m_folder;
    fs::path root() const { return fs::canonical(m_folder->path().toStdString()); }

private Q_SLOTS:
    void init() { m_folder = std::make_unique<QTemporaryDir>(); }

    /// Wherever in a tensor they are; the finding is remembered, and a record of before is not believed.
    void numbersThatAreNone() {
        const DecoderSpec spec = tinySpec();
        const float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
        auto tensors = randomTensors(spec, 1);
        QVERIFY(writeTensors(root() / "sound/model.safetensors", tensors));
        auto& embedding = tensors.front().values; // 96 numbers
        embedding.front() = embedding.back() = nan;
        embedding[50] = -infinity;
        tensors[2].values[3] = std::numeric_limits<float>::max(); // finite
        QVERIFY(writeTensors(root() / "nan/model.safetensors", tensors));
        tensors = randomTensors(spec, 1);
        const auto layer = std::ranges::find(tensors, "model.layers.1.mlp.down_proj.weight", &NamedTensor::name);
        std::ranges::fill(layer->values, -0.0F);
        QVERIFY(writeTensors(root() / "zeros/model.safetensors", tensors));
        std::this_thread::sleep_for(std::chrono::milliseconds(200)); // files that changed just now are not remembered
        const fs::path cache = root() / "fingerprints.json";
        int reads = 0;
        const JobContext counting({}, [&](const Progress& progress) { reads += progress.done == progress.total; });
        for (int time = 0; time < 2; ++time) {
            QCOMPARE(checkAnew(root() / "sound", spec, cache, counting)->unsound, std::string());
            QCOMPARE(checkAnew(root() / "nan", spec, cache, counting)->unsound,
                     std::string("Tensor \"model.embed_tokens.weight\" holds 2 NaN and 1 Inf."));
            QCOMPARE(checkAnew(root() / "zeros", spec, cache, counting)->unsound,
                     std::string("Tensor \"model.layers.1.mlp.down_proj.weight\" holds only zeros, as where a download was not "
                                 "finished."));
            QCOMPARE(reads, 3);
        }
        Checkpoint checkpoint;
        takeCheck(checkpoint, *checkAnew(root() / "sound", spec, cache));
        QCOMPARE(checkpoint.state, CheckpointState::Ok);
        QCOMPARE(checkpoint.fingerprint, fingerprint(root() / "sound", spec));
        takeCheck(checkpoint, *checkAnew(root() / "nan", spec, cache));
        QCOMPARE(checkpoint.state, CheckpointState::Suspect);
        QVERIFY(checkpoint.reason.find("holds 2 NaN and 1 Inf") != std::string::npos);
        Json old = parseJson(io::readTextFile(cache).value(), "").value();
        for (auto& entry : old["fingerprints"])
            entry = Json(entry["sha256"]);
        writeText(cache, canonicalJson(old));
        QVERIFY(!checkAnew(root() / "nan", spec, cache, counting)->unsound.empty());
        QCOMPARE(reads, 4);
    }
    void rememberedUntilTheFileChanges() {
        const DecoderSpec spec = tinySpec();
        const fs::path folder = root() / "a", cache = root() / "cache" / "fingerprints.json",
                       file = folder / "model.safetensors";
        QVERIFY(makeCheckpoint(folder, spec));
        std::this_thread::sleep_for(std::chrono::milliseconds(200)); // files that changed just now are not remembered
        int reads = 0;
        const JobContext counting({}, [&](const Progress& progress) { reads += progress.done == progress.total; });
        const auto first = fingerprintAnew(folder, spec, cache, counting);
        QVERIFY2(first, first ? "" : first.error().text().c_str());
        QCOMPARE(*first, fingerprint(folder, spec));
        QCOMPARE(reads, 1);
        QCOMPARE(fingerprintAnew(folder, spec, cache, counting).value(), *first);
        QCOMPARE(reads, 1);
        // One byte changed, size and mtime as before: ctime tells.
        const auto time = fs::last_write_time(file);
        {
            std::fstream out(file, std::ios::in | std::ios::out | std::ios::binary);
            out.seekp(-1, std::ios::end);
            out.put('\x11');
        }
        fs::last_write_time(file, time);
        const auto changed = fingerprintAnew(folder, spec, cache, counting);
        QCOMPARE(reads, 2);
        QVERIFY(*changed != *first);
        // A broken cache is made new, never believed.
        writeText(cache, R"({"format":1,"fingerprints":{"x":)");
        QCOMPARE(fingerprintAnew(folder, spec, cache, counting).value(), *changed);
        QCOMPARE(reads, 3);
        // A cache that cannot be written costs time only.
        QCOMPARE(fingerprintAnew(folder, spec, "/proc/none/cache.json", counting).value(), *changed);
    }
    /// The file is written anew for all of it, so not for each: what comes fast is on the disk in the end, what comes slowly at once. Two at the same time
    /// leave out nothing of each other.
    void findingsAreWrittenTogether() {
        const fs::path cache = root() / "cache" / "fingerprints.json";
        const auto identity = [](int i) { return sha256Hex(std::to_string(i)); };
        const CheckedWeights weights{sha256Hex("weights"), "", ""};
        {
            CheckCache one(cache), other(cache);
            one.remember(identity(0), weights);
            QVERIFY(!fs::exists(cache));
            other.remember(identity(1), weights);
            std::this_thread::sleep_for(std::chrono::milliseconds(1100));
            one.remember(identity(2), weights);
            QVERIFY(CheckCache(cache).find(identity(0)) == weights); // a kill now loses neither
            QVERIFY(CheckCache(cache).find(identity(2)) == weights);
            QVERIFY(!other.find(identity(2)));
        }
        for (int i = 0; i < 3; ++i)
            QVERIFY(CheckCache(cache).find(identity(i)) == weights);
        QVERIFY(!CheckCache(cache).find(identity(3)));
        QVERIFY(CheckCache({}).isEmpty());
    }
    void twoFormsThatDiffer_data() {
        QTest::addColumn<QString>("change");
        QTest::addColumn<int>("listed"); ///< state that headers alone give
        QTest::addColumn<QString>("note");
        QTest::addColumn<QString>("read"); ///< what reading all tells
        const int ok = static_cast<int>(CheckpointState::Ok), suspect = static_cast<int>(CheckpointState::Suspect);
        const QString used("model.safetensors and pytorch_model.bin are here and differ, so they may be of two checkpoints; model.safetensors is "
                           "used. Of pytorch_model.bin: ");
        QTest::newRow("equal") << "equal" << ok << "" << "";
        QTest::newRow("head of the tie") << "head" << ok << "" << ""; // as save_pretrained of 4.x writes it
        QTest::newRow("not readable") << "cut" << ok << "" << "";     // nothing uses it
        QTest::newRow("fewer tensors") << "fewer" << suspect << used + "Tensor \"model.norm.weight\" [8] is missing from the weights." << "";
        QTest::newRow("another shape") << "shape" << suspect << used + "Tensor \"model.norm.weight\" has the shape [9], config.json asks for [8]."
                                       << "";
        QTest::newRow("another type") << "type" << ok
                                      << "model.safetensors is used; pytorch_model.bin beside it stores "
                                         "\"lm_head.weight\" as BF16, not F32."
                                      << "";
        QTest::newRow("other numbers") << "numbers" << ok << ""
                                       << "Tensor \"model.layers.1.mlp.down_proj.weight\" holds other numbers in pytorch_model.bin than in "
                                          "model.safetensors: they may be of two checkpoints. model.safetensors is used.";
        QTest::newRow("an index of the file itself") << "index" << ok << "" << "";
        QTest::newRow("shards beside a whole file") << "shards" << ok << ""
                                                    << "Tensor \"lm_head.weight\" holds other numbers in model.safetensors.index.json "
                                                       "than in model.safetensors: they may be of two checkpoints. model.safetensors is used.";
    }
    void twoFormsThatDiffer() {
        QFETCH(QString, change);
        QFETCH(int, listed);
        QFETCH(QString, note);
        QFETCH(QString, read);
        DecoderSpec spec = tinySpec();
        spec.tiedHead = change == "head";
        const fs::path folder = root() / "run/step1";
        QVERIFY(makeCheckpoint(folder, spec));
        auto tensors = randomTensors(spec, change == "shards" ? 2 : 1);
        const auto norm = std::ranges::find(tensors, "model.norm.weight", &NamedTensor::name);
        if (change == "head")
            tensors.push_back({"lm_head.weight", tensors.front().shape, tensors.front().values});
        if (change == "fewer")
            tensors.erase(norm);
        if (change == "shape")
            *norm = {"model.norm.weight", {9}, std::vector<float>(9)};
        if (change == "numbers")
            std::ranges::find(tensors, "model.layers.1.mlp.down_proj.weight", &NamedTensor::name)->values.back() += 1;
        if (change == "index") {
            Json places = Json::object();
            for (const NamedTensor& tensor : tensors)
                places[tensor.name] = "model.safetensors";
            writeText(folder / "model.safetensors.index.json", canonicalJson({{"metadata", Json::object()}, {"weight_map", places}}));
            QVERIFY(readOtherWeights(folder, *readWeightFiles(folder)).empty());
        } else if (change == "shards")
            QVERIFY(writeShards(folder, tensors, 2));
        else
            writeTorchTensors(folder / "pytorch_model.bin", tensors, change == "type");
        if (change == "cut")
            fs::resize_file(folder / "pytorch_model.bin", 100);
        const Checkpoint checkpoint = readCheckpoint(folder).checkpoint;
        QCOMPARE(static_cast<int>(checkpoint.state), listed);
        QCOMPARE(QString::fromStdString(checkpoint.reason), note);
        QCOMPARE(checkpoint.format, std::string("safetensors"));
        const auto checked = checkAnew(folder, spec, root() / "cache.json");
        QVERIFY2(checked, checked ? "" : checked.error().text().c_str());
        QCOMPARE(QString::fromStdString(checked->unsound), read);
        QCOMPARE(checked->fingerprint, [&] { // of the form that is used
            fs::remove(folder / "pytorch_model.bin");
            return fingerprint(folder, spec);
        }());
    }
    /// The digests of "hello\n": `sha256sum`, `git hash-object`, `sha1sum`.
    void hashesOfTheHub() {
        const fs::path file = root() / "hello";
        writeText(file, "hello\n");
        const char* digests[] = {"5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03", "ce013625030ba8dba906f756967f9e9ca394464a",
                                 "f572d396fae9206628714fb2ce00f72e94f2258f"};
        for (const std::string digest : digests) {
            QCOMPARE(hubDifference({file, digest}).value().text, std::string());
            std::string other = digest;
            other.back() = other.back() == '0' ? '1' : '0';
            const std::string problem = hubDifference({file, other}).value().text;
            QVERIFY2(problem.starts_with("hello is damaged: the SHA-") && problem.find(other.substr(0, 12)) != std::string::npos, problem.c_str());
        }
        QVERIFY(!hubDifference({root() / "none", digests[0]}));
        std::stop_source stop;
        stop.request_stop();
        QCOMPARE(hubDifference({file, digests[0]}, JobContext(stop.get_token())).error().kind, ErrorKind::Stopped);
    }
    /// A byte that is lost on a disk: the headers are right, the hub's hash is not.
    void damagedBlobs_data() {
        QTest::addColumn<QString>("file");
        QTest::newRow("weights") << "model.safetensors";
        QTest::newRow("tokenizer") << "tokenizer.json";
    }
    void damagedBlobs() {
        QFETCH(QString, file);
        const fs::path whole = makeSnapshot(root(), "a--b", "step1", 1), snapshot = makeSnapshot(root(), "a--b", "step2", 2);
        const fs::path blob = fs::canonical(snapshot / file.toStdString());
        if (file == "tokenizer.json") { // of this revision alone: the two share what is equal
            linkToBlob(snapshot / file.toStdString(), std::string(kTinyTokenizer) + " ", std::string(kTinyTokenizer).substr(0, 20));
        } else {
            std::fstream out(blob, std::ios::in | std::ios::out | std::ios::binary);
            out.seekp(-1, std::ios::end);
            out.put('\x11');
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(200)); // files that changed just now are not remembered
        const fs::path cache = root() / "cache.json";
        auto scan = findSeries(root());
        QVERIFY(scan && scan->series.size() == 1);
        std::vector<Checkpoint*> all;
        for (Checkpoint& checkpoint : scan->series.front().checkpoints) {
            QVERIFY(canBeChecked(checkpoint)); // listing reads no weights
            all.push_back(&checkpoint);
        }
        QVERIFY(!rememberedCheck(snapshot, tinySpec(), CheckCache(cache)));
        std::vector<ScanIssue> issues;
        {
            CheckCache checks(cache);
            QVERIFY(checkAll(all, checks, {}, issues));
        }
        QVERIFY(issues.empty());
        for (const Checkpoint* checkpoint : all) {
            const bool sound = checkpoint->path == whole;
            QCOMPARE(checkpoint->state, sound ? CheckpointState::Ok : CheckpointState::Broken);
            QCOMPARE(checkpoint->fingerprint, sound ? fingerprint(whole, tinySpec()) : std::string());
        }
        const auto damaged = rememberedCheck(snapshot, tinySpec(), CheckCache(cache));
        QVERIFY(damaged);
        QVERIFY2(damaged->damaged.starts_with(file.toStdString() + " is damaged: the SHA-256 of its bytes is "), damaged->damaged.c_str());
        QVERIFY(damaged->damaged.ends_with("delete the blob that it links to and run the same download again."));
        const auto none = fingerprintAnew(snapshot, tinySpec(), cache);
        QVERIFY(!none && none.error().kind == ErrorKind::Malformed);
    }
    /// The user's own changes of small files, and files that nothing reads.
    void editedFilesStayUsable() {
        const fs::path snapshot = makeSnapshot(root(), "a--b", "step1", 1);
        const std::string config = io::readTextFile(snapshot / "config.json").value();
        linkToBlob(snapshot / "LICENSE.txt", "a license", "another");
        linkToBlob(snapshot / "all_results.json", "{}", "{");
        fs::create_symlink("../../blobs/" + std::string(64, 'a'), snapshot / "generation_config.json"); // of which nothing was downloaded
        const auto sound = checkAnew(snapshot, tinySpec(), {});
        QVERIFY2(sound, sound ? "" : sound.error().text().c_str());
        QCOMPARE(*sound, (CheckedWeights{fingerprint(snapshot, tinySpec()), {}, {}}));
        linkToBlob(snapshot / "config.json", config + " ", config);
        const auto edited = checkAnew(snapshot, tinySpec(), {});
        QVERIFY2(edited, edited ? "" : edited.error().text().c_str());
        QCOMPARE(edited->fingerprint, sound->fingerprint);
        QCOMPARE(edited->damaged, std::string());
        QCOMPARE(edited->unsound, "config.json differs from the hub's: the SHA-256 of its bytes is " + sha256Hex(config).substr(0, 12) +
                                      ".., the hub's is " + sha256Hex(config + " ").substr(0, 12) +
                                      "..; if nobody edited it, delete the blob that it links to and run the same download again.");
        Checkpoint checkpoint;
        takeCheck(checkpoint, *edited);
        QCOMPARE(checkpoint.state, CheckpointState::Suspect);
        linkToBlob(snapshot / "config.json", config + " ", config.substr(1));
        QVERIFY(checkAnew(snapshot, tinySpec(), {})->damaged.starts_with("config.json is damaged: "));
    }
};

QTEST_APPLESS_MAIN(TestWeightCheck)
#include "tst_weight_check.moc"
