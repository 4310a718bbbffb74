// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <fstream>

#include "core/io/files.h"
#include "core/io/hdf5.h"
#include "core/study/journal_line.h"
#include "core/study/journal_writer.h"
#include "core/study/published.h"
#include "tests/core/run/study_fixture.h"

using namespace crest;

namespace {

/// Equal, where NaN equals NaN.
bool same(const study::ResultRow& a, const study::ResultRow& b) {
    study::ResultRow left = a, right = b;
    if (std::isnan(a.value) && std::isnan(b.value))
        left.value = right.value = 0;
    return left == right;
}
bool same(const std::map<std::string, study::ResultRow>& a, const std::map<std::string, study::ResultRow>& b) {
    return a.size() == b.size() && std::ranges::all_of(a, [&](const auto& item) {
               return b.contains(item.first) && same(item.second, b.at(item.first));
           });
}

/// Two results in the journal "by-hand".
Result<void> writeTwoRows(const study::StudyFolder& folder) {
    study::JournalWriter writer(folder.journalFolder(), "by-hand");
    std::vector<study::ResultRow> rows(2);
    for (study::ResultRow& row : rows) {
        row.sequenceNats = {1, 2};
        row.sequenceTokens = {3, 4};
        row.n = 2;
    }
    rows[0].key = "first", rows[1].key = "second";
    return writer.commit(rows);
}

} // namespace

class TestPublished : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void holdsAllThatTheJournalsHold() {
        const pretend::Shape shape{.suiteTasks = 3};
        StudyFixture study(shape);
        study.queue(shape);
        QVERIFY(study.work({}, {.notFiniteStrength = 0.1}));
        QVERIFY(std::filesystem::exists(study.folder.resultsFile()));
        const auto both = study.rows();
        QCOMPARE(both.size(), std::size_t{36 * 5});
        std::filesystem::rename(study.folder.resultsFile(), study.folder.path() / "aside.h5");
        const auto journals = study.rows();
        std::filesystem::rename(study.folder.path() / "aside.h5", study.folder.resultsFile());
        std::filesystem::rename(study.folder.journalFolder(), study.folder.path() / "aside");
        const auto published = study.rows();
        QVERIFY(same(journals, both));
        QVERIFY(same(published, both));
    }

    void rebuiltItIsTheSame() {
        const pretend::Shape shape{.suiteTasks = 3};
        StudyFixture study(shape);
        study.queue(shape);
        QVERIFY(study.work());
        pretend::Shape more =
            shape; // so that the file was published twice, the second time from the first and the rest
        more.seeds = 6;
        study.queue(more);
        QVERIFY(study.work());
        const auto before = study::readPublished(study.folder.resultsFile());
        QVERIFY2(before, before ? "" : before.error().text().c_str());
        std::filesystem::remove(study.folder.resultsFile());
        QVERIFY(study::publishResults(study.folder));
        const auto after = study::readPublished(study.folder.resultsFile());
        QVERIFY(after);
        QVERIFY(after->rows == before->rows);
        QVERIFY(after->reach == before->reach);
        QVERIFY(!std::filesystem::exists(study.folder.path() / "results.h5.tmp"));
    }

    void readersTakeTheRestFromTheJournals() {
        const pretend::Shape shape;
        StudyFixture study(shape);
        study::JournalWriter writer(study.folder.journalFolder(), "by-hand");
        study::ResultRow row;
        row.sequenceNats = {1, 2};
        row.sequenceTokens = {3, 4};
        row.n = 2;
        row.key = "first";
        QVERIFY(writer.commit({&row, 1}));
        QVERIFY(study::publishResults(study.folder));
        row.key = "second";
        QVERIFY(writer.commit({&row, 1}));
        study::ResultReader reader(study.folder);
        const auto rows = reader.poll();
        QCOMPARE(rows->size(), std::size_t{2});
        QVERIFY(reader.has("first") && reader.has("second"));
        QVERIFY(reader.problems().empty());
        row.key = "third";
        QVERIFY(writer.commit({&row, 1}));
        QCOMPARE(reader.poll()->size(), std::size_t{1});
    }

    void aDamagedFileIsSaidAndTheJournalsAreRead() {
        const pretend::Shape shape;
        StudyFixture study(shape);
        study.queue(shape);
        QVERIFY(study.work());
        const auto before = study.rows();
        const std::string whole = *io::readTextFile(study.folder.resultsFile());
        for (const std::size_t keep : {std::size_t{0}, std::size_t{5}, std::size_t{100}, whole.size() / 2}) {
            std::ofstream(study.folder.resultsFile(), std::ios::binary | std::ios::trunc) << whole.substr(0, keep);
            std::vector<std::string> problems;
            QVERIFY(same(study.rows(&problems), before));
            QCOMPARE(problems.size(), std::size_t{1});
            QVERIFY(problems[0].find("results.h5") != std::string::npos);
        }
        QVERIFY(study::publishResults(study.folder)); // and the next publication repairs it
        std::vector<std::string> problems;
        QVERIFY(same(study.rows(&problems), before));
        QVERIFY(problems.empty());
    }

    /// Such as another user's: said once, and what is published meanwhile does not reach into it.
    void aJournalThatCannotBeReadIsSaid_data() {
        QTest::addColumn<std::string>("file");
        QTest::newRow("its lines") << std::string("by-hand.jsonl");
        QTest::newRow("its arrays") << std::string("by-hand.bin");
    }
    void aJournalThatCannotBeReadIsSaid() {
        QFETCH(std::string, file);
        StudyFixture study;
        QVERIFY(writeTwoRows(study.folder));
        const auto path = study.folder.journalFolder() / file, aside = study.folder.path() / "aside";
        std::filesystem::rename(path, aside);
        std::filesystem::create_symlink(path, path); // cannot be opened by anybody, root included
        std::vector<std::string> problems;
        QVERIFY(study.rows(&problems).empty());
        QCOMPARE(problems.size(), std::size_t{1});
        QVERIFY2(problems[0].starts_with(file + ": Could not read it: "), problems[0].c_str());
        QVERIFY(study::publishResults(study.folder));
        std::filesystem::remove(path);
        std::filesystem::rename(aside, path);
        problems.clear();
        QCOMPARE(study.rows(&problems).size(), std::size_t{2});
        QVERIFY(problems.empty());
    }

    /// What a newer Crest wrote is neither guessed at nor overwritten, and nothing is published as if it were not there.
    void filesOfANewerCrestAreLeftAlone() {
        StudyFixture study;
        QVERIFY(writeTwoRows(study.folder));
        const auto lines = study.folder.journalFolder() / "by-hand.jsonl";
        const std::string now = *io::readTextFile(lines), rest = now.substr(now.find('\n') + 1);
        Json header = Json::parse(now.substr(9, now.find('\n') - 9));
        header["format"] = study::kJournalFormat + 1;
        std::ofstream(lines, std::ios::trunc) << study::formatLine(header) << rest;
        std::vector<std::string> problems;
        QVERIFY(study.rows(&problems).empty());
        QCOMPARE(problems.size(), std::size_t{1});
        QVERIFY2(problems[0].find("use a newer Crest") != std::string::npos, problems[0].c_str());
        QVERIFY(study::publishResults(study.folder));
        std::ofstream(lines, std::ios::trunc) << now; // as the newer one would read it
        QCOMPARE(study.rows().size(), std::size_t{2});

        {
            auto file = io::Hdf5Writer::create(study.folder.resultsFile());
            QVERIFY(file && file->attribute("/", "format_version", std::int64_t{study::kResultsFormat + 1}) && file->close());
        }
        const std::string newer = *io::readTextFile(study.folder.resultsFile());
        const auto refused = study::publishResults(study.folder);
        QVERIFY(!refused && refused.error().message.find("format") != std::string::npos);
        QVERIFY(*io::readTextFile(study.folder.resultsFile()) == newer);
        problems.clear();
        QCOMPARE(study.rows(&problems).size(), std::size_t{2});
        QVERIFY2(problems.size() == 1 && problems[0].find("leaves the file as it is") != std::string::npos,
                 problems.empty() ? "" : problems[0].c_str());
    }

    /// A file as Crest 0.1 wrote it: without items, and without the columns that point to them.
    void filesOfFormat1AreRead() {
        StudyFixture study;
        const auto texts = [](const char* text) { return std::vector<std::string>{text}; };
        const auto one = [](std::int64_t value) { return std::vector<std::int64_t>{value}; };
        std::vector<io::Hdf5Column> columns;
        for (const char* name : {"key", "run", "series", "checkpoint", "weights", "modification", "noise_scale", "task",
                                 "task_hash", "metric", "unit", "compute", "device", "cached_at", "cause"})
            columns.push_back({name, texts(name)});
        for (const char* name :
             {"tokens", "step", "pretrain_seed", "seed", "n", "scored_tokens", "threads", "numerics"})
            columns.push_back({name, one(2)});
        for (const char* name : {"strength", "value", "stderr"})
            columns.push_back({name, std::vector<double>{0.5}});
        columns.push_back({"sequences_first", one(1)});
        const std::vector<float> nats{7, 8, 9};
        const std::vector<std::int32_t> tokens{1, 2, 3};
        {
            auto file = io::Hdf5Writer::create(study.folder.resultsFile());
            QVERIFY(file && file->attribute("/", "format_version", std::int64_t{1}) &&
                    file->table("/results", columns) &&
                    file->array("/sequences/nats", std::span<const float>(nats), {3}) &&
                    file->array("/sequences/tokens", std::span<const std::int32_t>(tokens), {3}) &&
                    file->table("/journals", {{"journal", std::vector<std::string>{}},
                                              {"bytes", std::vector<std::int64_t>{}},
                                              {"lines", std::vector<std::int64_t>{}}}) &&
                    file->close());
        }
        const auto read = study::readPublished(study.folder.resultsFile());
        QVERIFY2(read, read ? "" : read.error().text().c_str());
        QCOMPARE(read->rows.size(), std::size_t{1});
        QVERIFY(!read->rows[0].hasOutcome() && read->rows[0].sequenceNats == std::vector<float>({8, 9}) &&
                read->rows[0].sequenceTokens == std::vector<std::int32_t>({2, 3}) && read->rows[0].metric == "metric");
        QVERIFY(study::publishResults(study.folder)); // rewritten, nothing is lost
        const auto now = study::readPublished(study.folder.resultsFile());
        QVERIFY(now && now->rows == read->rows);
    }

    void nothingPublishedStillOpens() {
        StudyFixture study;
        QVERIFY(study::publishResults(study.folder));
        QVERIFY(study.rows().empty());
        const auto empty = study::readPublished(study.folder.resultsFile());
        QVERIFY2(empty && empty->rows.empty(), empty ? "" : empty.error().text().c_str());
    }

    void namesThatLookAlikeHaveCubesOfTheirOwn() {
        StudyFixture study;
        study::JournalWriter writer(study.folder.journalFolder(), "by-hand");
        const std::map<std::string, std::string> groups{
            {"a/b", "a%2Fb"}, {"a_b", "a_b"}, {"a%2Fb", "a%252Fb"}, {"..", "%2E%2E"}, {"a@b", "a%40b"}};
        double loss = 1;
        for (const auto& [task, group] : groups) {
            study::ResultRow row;
            row.key = row.task = task;
            row.series = "s/t";
            row.modification = "none";
            row.compute = "float32";
            row.numerics = 1;
            row.value = loss++;
            row.sequenceNats = {1};
            row.sequenceTokens = {1};
            QVERIFY(writer.commit({&row, 1}));
        }
        QVERIFY(study::publishResults(study.folder));
        const auto file = io::Hdf5Reader::open(study.folder.resultsFile());
        QVERIFY(file);
        for (const auto& [task, group] : groups) {
            const auto said = file->textAttribute("/cubes/s%2Ft/base float32 numerics 1/" + group, "task");
            QVERIFY2(said && *said == task, task.c_str());
        }
    }

    void tableKeepsTextsWithAnyBytes() {
        QTemporaryDir dir;
        const std::filesystem::path path = (dir.path() + "/t.h5").toStdString();
        const std::vector<io::Hdf5Column> columns = {{"a", std::vector<std::int64_t>{1, -5, INT64_MAX}},
                                                     {"b", std::vector<double>{0.1, -INFINITY, 3}},
                                                     {"c", std::vector<std::string>{"", "\xc3\xa4 b", "long enough"}}};
        {
            auto file = io::Hdf5Writer::create(path);
            QVERIFY(file && file->table("/deep/in/t", columns) && file->attribute("/deep", "note", "x") &&
                    file->close());
        }
        const auto file = io::Hdf5Reader::open(path);
        const auto table = file->table("/deep/in/t");
        QVERIFY(table && table->size() == 3);
        for (std::size_t i = 0; i < 3; ++i)
            QVERIFY((*table)[i].name == columns[i].name && (*table)[i].values == columns[i].values);
        QCOMPARE(*file->textAttribute("/deep", "note"), std::string("x"));
        QVERIFY(!file->table("/absent") && !file->floats("/absent") && !file->intAttribute("/", "absent"));
    }
};

QTEST_GUILESS_MAIN(TestPublished)
#include "tst_published.moc"
