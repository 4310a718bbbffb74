// SPDX-License-Identifier: Apache-2.0
// Suite files: those that are shipped, what is refused and in which words, wrong rows, missing data.
#include <algorithm>
#include <fstream>

#include <QTemporaryDir>
#include <QTest>

#include "core/base/csv.h"
#include "core/data/suite.h"
#include "core/data/task_metrics.h"
#include "cpu_timer.h"
#include "tests/support/spent.h"

using namespace crest;
using namespace crest::data;
using crest::test::beyondLimits;
using crest::test::spentBy;

namespace {

Json choiceTask() {
    return {{"name", "t"},
            {"kind", "multiple_choice"},
            {"data", {{"test", {"t.jsonl"}}}},
            {"context", "Q: {{q}}\nA:"},
            {"choices", "{{c}}"},
            {"gold", "{{g}}"},
            {"metrics", {"acc", "acc_norm"}}};
}

/// Rows of a shipped task as the hub has them, and what CSV made of their lists and dictionaries holds: by pandas or the
/// datasets library from Parquet (numpy's words), by pandas from JSON (Python's), or JSON.
struct Sample {
    const char* task;
    std::string rows;
    const char* column = nullptr;
    std::vector<const char*> cells = {}; ///< of the first row, in different spellings
};

const Json kTexts{"it's", "a \"q\", b", "x\\y\nz\té 東\u0085\u200b", "4"};
const std::string kQuestions = Json::array({{{"question", "Why, \"then\"?\nSay."},
                                             {"question_stem", "Why, \"then\"?\nSay."},
                                             {"choices", {{"text", kTexts}, {"label", {"A", "B", "C", "D"}}}},
                                             {"answerKey", "C"}}})
                                   .dump();
const std::vector<const char*> kChoices{
    "{'text': array([\"it's\", 'a \"q\", b', 'x\\\\y\\nz\\té 東\\x85\\u200b', '4'], dtype=object), "
    "'label': array(['A', 'B', 'C', 'D'], dtype=object)}",
    "{'text': [\"it's\", 'a \"q\", b', 'x\\\\y\\nz\\té 東\\x85\\u200b', '4'], 'label': ['A', 'B', 'C', 'D']}",
    "{\"label\": [\"A\", \"B\", \"C\", \"D\"], \"text\": [\"it's\", \"a \\\"q\\\", b\", \"x\\\\y\\nz\\té 東\\u0085\\u200b\", \"4\"]}"};

const Json kEndings{"it's", "both ' and \"", "a long line at which numpy begins a new one, a long line", "x\\y\n[z]"};
const std::string kScenes =
    Json::array({{{"activity_label", "A"}, {"ctx_a", "a [title] b"}, {"ctx_b", ""}, {"endings", kEndings}, {"label", "3"}}}).dump();

const std::vector<Sample> kSamples{
    {"arc_easy", kQuestions, "choices", kChoices},
    {"arc_challenge", kQuestions, "choices", kChoices},
    {"openbookqa", kQuestions, "choices", kChoices},
    {"hellaswag", kScenes, "endings",
     {"[\"it's\" 'both \\' and \"'\n 'a long line at which numpy begins a new one, a long line'\n 'x\\\\y\\n[z]']",
      "[\"it's\", 'both \\' and \"', 'a long line at which numpy begins a new one, a long line', 'x\\\\y\\n[z]']",
      "[\"it's\", \"both ' and \\\"\", \"a long line at which numpy begins a new one, a long line\", \"x\\\\y\\n[z]\"]"}},
    {"boolq", R"([{"question": "q", "passage": "p, p", "label": 1}, {"question": "q", "passage": "p", "label": 0}])"},
    {"boolq", R"([{"question": "q", "passage": "p, p", "answer": true}, {"question": "q", "passage": "p", "answer": false}])"},
    {"copa", R"([{"premise": "P, p.", "choice1": "One", "choice2": "Two", "question": "cause", "label": 1},
                 {"premise": "P.", "choice1": "One", "choice2": "Two", "question": "effect", "label": 0}])"},
    {"rte", R"([{"sentence1": "a, b", "sentence2": "c", "label": 1}, {"sentence1": "a", "sentence2": "c", "label": 0}])"},
    {"sglue_rte", R"([{"premise": "a, b", "hypothesis": "c", "label": 1}, {"premise": "a", "hypothesis": "c", "label": 0}])"},
    {"social_iqa", R"([{"context": "c, c", "question": "q", "answerA": "a", "answerB": "b", "answerC": "c", "label": "3"}])"},
    {"piqa", R"([{"goal": "g, g", "sol1": "a", "sol2": "b", "label": 1}])"},
    {"winogrande", R"([{"sentence": "x, _ y.", "option1": "a", "option2": "b", "answer": "2"}])"},
    {"sciq", R"([{"question": "q", "distractor1": "a", "distractor2": "b", "distractor3": "c", "correct_answer": "d", "support": ""}])"},
    {"lambada_standard", "[{\"text\": \"a, b \\\"c\\\" d\"}]"},
    {"gsm8k", R"([{"question": "q, q", "answer": "a <<1+1=2>>2\n#### 2"}])"},
    {"gsm8k_cot", R"([{"question": "q, q", "answer": "a <<1+1=2>>2\n#### 2"}])"},
    {"gsm8k_cot_zeroshot", R"([{"question": "q, q", "answer": "a <<1+1=2>>2\n#### 2"}])"}};

std::string linesOf(const Json& rows) {
    std::string lines;
    for (const Json& row : rows)
        lines += row.dump() + "\n";
    return lines;
}

/// As pandas writes it; `cell` stands for the value of `column` in the first row.
std::string csvOf(Json rows, const char* column = nullptr, const char* cell = nullptr) {
    if (column != nullptr)
        rows[0][column] = cell;
    std::string csv;
    for (const auto& [name, value] : rows[0].items())
        csv += (csv.empty() ? "" : ",") + name;
    for (const Json& row : rows) {
        std::string line;
        for (const auto& [name, value] : row.items())
            line += (line.empty() ? "\n" : ",") + csvField(value.is_boolean()  ? (value.get<bool>() ? "True" : "False")
                                                           : value.is_string() ? value.get<std::string>()
                                                                               : value.dump());
        csv += line;
    }
    return csv + "\n";
}

/// The patterns of the evaluated split that end in .csv and have a first line with names.
std::vector<std::string> tablesOf(const TaskDefinition& task) {
    const Json& data = task.definition["data"];
    const std::string usual = data.contains("test") ? "test" : "validation";
    std::vector<std::string> patterns;
    for (const Json& source : data[task.definition.value("evaluate", usual)])
        if (source.is_string() && source.get<std::string>().ends_with(".csv"))
            patterns.push_back(source.get<std::string>());
    return patterns;
}

/// A path that a pattern finds.
std::filesystem::path pathLike(std::string pattern, const char* extension) {
    for (const char* wild : {"**/", "*"})
        for (std::size_t at; (at = pattern.find(wild)) != std::string::npos;)
            pattern.erase(at, std::string_view(wild).size());
    return std::filesystem::path(pattern).replace_extension(extension);
}

TaskDefinition shipped(const std::string& suite, const std::string& name) {
    const auto read = readSuite(std::string(CREST_SOURCE_DIR "/resources/suites/") + suite + ".json");
    return *std::ranges::find(read->tasks, name, &TaskDefinition::name);
}

} // namespace

class SuiteTest : public QObject {
    Q_OBJECT

private:
    QTemporaryDir m_folder;
    std::filesystem::path at(const std::string& name) const { return m_folder.path().toStdString() + "/" + name; }
    void write(const std::string& name, const std::string& content) const {
        std::ofstream(at(name), std::ios::binary) << content;
    }
    static Json suite(const Json& tasks) { return {{"format", "crest suite 1"}, {"name", "s"}, {"tasks", tasks}}; }
    std::string problemOf(const Json& task) const {
        const auto parsed = parseTask(task, "s.json");
        return parsed ? "" : parsed.error().text();
    }

private Q_SLOTS:
    void shippedSuites() {
        int files = 0;
        for (const auto& entry : std::filesystem::directory_iterator(CREST_SOURCE_DIR "/resources/suites")) {
            if (entry.path().extension() != ".json")
                continue;
            ++files;
            const auto read = readSuite(entry.path());
            QVERIFY2(read, read ? "" : read.error().text().c_str());
            QCOMPARE(read->name, entry.path().stem().string());
            QVERIFY(!read->description.empty());
            for (const TaskDefinition& task : read->tasks) {
                const auto again = parseTask(Json::parse(canonicalJson(task.definition)), "");
                QVERIFY(again);
                QCOMPARE(again->name, task.name);
            }
        }
        QVERIFY(files >= 18);
        QCOMPARE(readSuite(CREST_SOURCE_DIR "/resources/suites/mmlu-subjects.json")->tasks.size(), std::size_t(57));
        const auto paper = readSuite(CREST_SOURCE_DIR "/resources/suites/amuro-char-2025.json");
        QCOMPARE(paper->tasks.front().shots, 4);
    }

    void tablesGiveTheItemsOfJson_data() {
        QTest::addColumn<QString>("suite");
        QTest::addColumn<QString>("task");
        for (const auto& entry : std::filesystem::directory_iterator(CREST_SOURCE_DIR "/resources/suites")) {
            if (entry.path().extension() != ".json")
                continue;
            const auto read = readSuite(entry.path());
            QVERIFY2(read, read ? "" : read.error().text().c_str());
            for (const TaskDefinition& task : read->tasks)
                if (!tablesOf(task).empty())
                    QTest::addRow("%s %s", entry.path().stem().c_str(), task.name.c_str())
                        << QString::fromStdString(entry.path().stem().string()) << QString::fromStdString(task.name);
        }
    }

    void tablesGiveTheItemsOfJson() {
        QFETCH(QString, suite);
        QFETCH(QString, task);
        const TaskDefinition definition = shipped(suite.toStdString(), task.toStdString());
        ItemOptions options;
        options.shots = 0;
        options.maxBadShare = 0;
        int compared = 0;
        for (const std::string& pattern : tablesOf(definition))
            for (const Sample& sample : kSamples) {
                if (sample.task != definition.name)
                    continue;
                const Json rows = Json::parse(sample.rows);
                const auto itemsOf = [&](const char* extension, const std::string& content) {
                    const QTemporaryDir folder;
                    const std::filesystem::path root = folder.path().toStdString();
                    const std::filesystem::path file = root / pathLike(pattern, extension);
                    std::filesystem::create_directories(file.parent_path());
                    std::ofstream(file, std::ios::binary) << content;
                    return makeItems(definition, root, options);
                };
                const auto expected = itemsOf(".jsonl", linesOf(rows));
                QVERIFY2(expected, expected ? "" : expected.error().text().c_str());
                QCOMPARE(expected->items.size(), rows.size());
                std::vector<const char*> cells = sample.cells;
                if (sample.column == nullptr)
                    cells.push_back(nullptr);
                for (const char* cell : cells) {
                    const auto made = itemsOf(".csv", csvOf(rows, sample.column, cell));
                    QVERIFY2(made, made ? "" : made.error().text().c_str());
                    QVERIFY2(made->items == expected->items, cell == nullptr ? sample.rows.c_str() : cell);
                    ++compared;
                }
            }
        QVERIFY2(compared > 0, "kSamples has no rows of this task");
    }

    void unknownLabelsAreBadRows_data() {
        QTest::addColumn<QString>("suite");
        QTest::addColumn<QString>("task");
        QTest::addColumn<QByteArray>("row");
        QTest::addColumn<QString>("label");
        QTest::addColumn<QByteArray>("golds"); ///< label as the hub has it, or its word, and the right choice
        const auto add = [](const char* suite, const char* task, const char* row, const char* label, const char* golds) {
            QTest::addRow("%s by %s", task, label) << suite << task << QByteArray(row) << label << QByteArray(golds);
        };
        add("boolq", "boolq", R"({"question": "q", "passage": "p"})", "label", "[[0, 0], [1, 1]]");
        add("boolq", "boolq", R"({"question": "q", "passage": "p"})", "answer", "[[false, 0], [true, 1]]");
        add("copa", "copa", R"({"premise": "P.", "choice1": "One", "choice2": "Two", "question": "cause"})", "label",
            "[[0, 0], [1, 1]]");
        add("rte", "rte", R"({"sentence1": "a", "sentence2": "b"})", "label",
            R"([[0, 0], [1, 1], ["entailment", 0], ["not_entailment", 1]])");
        add("rte", "sglue_rte", R"({"premise": "a", "hypothesis": "b"})", "label",
            R"([[0, 0], [1, 1], ["entailment", 0], ["not_entailment", 1]])");
        add("siqa", "social_iqa", R"({"context": "c", "question": "q", "answerA": "a", "answerB": "b", "answerC": "c"})",
            "label", R"([["1", 0], [2, 1], ["3", 2]])");
    }

    void unknownLabelsAreBadRows() {
        QFETCH(QString, suite);
        QFETCH(QString, task);
        QFETCH(QByteArray, row);
        QFETCH(QString, label);
        QFETCH(QByteArray, golds);
        TaskDefinition definition = shipped(suite.toStdString(), task.toStdString());
        Json rows = Json::array();
        std::vector<std::int32_t> expected;
        const auto addRow = [&](const Json& value) {
            rows.push_back(Json::parse(row.toStdString()));
            rows.back()[label.toStdString()] = value;
        };
        for (const Json& pair : Json::parse(golds.toStdString())) {
            addRow(pair[0]);
            expected.push_back(pair[1].get<std::int32_t>());
        }
        for (const char* word : {"maybe", "", "-1", "4", "0x1"})
            addRow(word);
        ItemOptions options;
        options.shots = 0;
        options.maxBadShare = 1;
        for (const auto& [name, content] : {std::pair<std::string, std::string>{"rows.jsonl", linesOf(rows)}, {"rows.csv", csvOf(rows)}}) {
            const std::string usual = definition.definition["data"].contains("test") ? "test" : "validation";
            definition.definition["data"][usual] = {name};
            write(name, content);
            const auto made = makeItems(definition, m_folder.path().toStdString(), options);
            QVERIFY2(made, made ? "" : made.error().text().c_str());
            std::vector<std::int32_t> found;
            for (const TaskItem& item : made->items)
                found.push_back(item.gold);
            QCOMPARE(found, expected);
            QCOMPARE(made->badRows, std::int64_t(5));
            QVERIFY2(made->badExamples[0].find("there is no \"maybe\"") != std::string::npos,
                     made->badExamples[0].c_str());
        }
    }

    void refusedDefinitions_data() {
        QTest::addColumn<QString>("change");
        QTest::addColumn<QString>("says");
        const auto add = [](const char* change, const char* says) {
            QTest::newRow(change) << QString::fromUtf8(change) << QString::fromUtf8(says);
        };
        add("{\"name\":\"\"}", "\"name\"");
        add("{\"kind\":\"quiz\"}", "\"kind\" is multiple_choice");
        add("{\"contxt\":\"x\"}", "the key \"contxt\" is not known");
        add("{\"context\":null}", "needs \"context\"");
        add("{\"gold\":null}", "needs \"gold\"");
        add("{\"context\":\"{{q|evil}}\"}", "t: context: the filter \"evil\" is not known");
        add("{\"metrics\":[\"bleu\"]}", "the metric \"bleu\" is not one of this kind: acc");
        add("{\"data\":{\"test\":[\"../../etc/passwd\"]}}", "is no pattern of a data file");
        add("{\"data\":{\"test\":[\"/etc/passwd\"]}}", "is no pattern of a data file");
        add("{\"data\":{\"test\":[]}}", "list of file patterns");
        add("{\"data\":{\"test\":[{\"files\":\"x\",\"format\":\"exe\"}]}}", "the format \"exe\"");
        add("{\"evaluate\":\"dev\"}", "no split \"dev\"");
        add("{\"shots\":{\"count\":5000}}", "count");
        add("{\"shots\":{\"from\":\"train\"}}", "no split \"train\"");
        add("{\"shots\":{\"order\":\"best\"}}", "random or first");
        add("{\"chance\":\"half\"}", "\"chance\"");
        add("{\"filters\":[{\"name\":\"x\",\"regex\":\"(\"}]}", "no regular expression");
        add("{\"generation\":{\"until\":[\"\"]}}", "empty text in \"until\"");
        add("{\"special_tokens\":\"all\"}", "tokenizer or none");
        add("{\"parts\":[1]}", "parts");
        add("{\"fields\":[\"x\"]}", "\"fields\" must be an object");
    }

    void refusedDefinitions() {
        QFETCH(QString, change);
        QFETCH(QString, says);
        QCOMPARE(problemOf(choiceTask()), std::string());
        Json task = choiceTask();
        task.merge_patch(Json::parse(change.toStdString()));
        const std::string problem = problemOf(task);
        QVERIFY2(QString::fromStdString(problem).contains(says), problem.c_str());
    }

    void useOfOtherFiles() {
        write("base.json", suite(Json::array({choiceTask()})).dump());
        write("s.json", suite(Json::array({Json{{"use", "base.json#t"}, {"name", "u"}, {"shots", {{"count", 3}}}},
                                           Json{{"use", "base.json"}}}))
                            .dump());
        const auto read = readSuite(at("s.json"));
        QVERIFY2(read, read ? "" : read.error().text().c_str());
        QCOMPARE(read->tasks.size(), std::size_t(2));
        QCOMPARE(read->tasks[0].name, std::string("u"));
        QCOMPARE(read->tasks[0].shots, 3);
        QVERIFY(!read->tasks[0].definition.contains("use"));
        for (const char* use : {"../base.json#t", "/etc/passwd", "..", "base.json#none", "nothing.json"}) {
            write("s.json", suite(Json::array({Json{{"use", use}}})).dump());
            QVERIFY2(!readSuite(at("s.json")), use);
        }
        write("a.json", suite(Json::array({Json{{"use", "a.json"}}})).dump());
        const auto circle = readSuite(at("a.json"));
        QVERIFY(!circle);
        QVERIFY(circle.error().message.find("circle") != std::string::npos);
        // Each level names the next a thousand times.
        for (int level = 0; level < 4; ++level) {
            const Json next{{"use", std::string(1, static_cast<char>('b' + level)) + "-level.json"}};
            write(std::string(1, static_cast<char>('a' + level)) + "-level.json", suite(Json(1000, next)).dump());
        }
        write("e-level.json", suite(Json::array({choiceTask()})).dump());
        const CpuTimer timer;
        QVERIFY(!readSuite(at("a-level.json")));
        QVERIFY(timer.seconds() < 2);
        write("s.json", suite(Json::array({choiceTask(), choiceTask()})).dump());
        QVERIFY(readSuite(at("s.json")).error().message.find("two tasks") != std::string::npos);
    }

    void hostileSuites_data() {
        QTest::addColumn<QByteArray>("content");
        const auto add = [](const char* name, const std::string& text) {
            QTest::newRow(name) << QByteArray::fromStdString(text);
        };
        const auto many = [](const std::string& unit, std::size_t size) {
            std::string text;
            while (text.size() < size)
                text += unit;
            return text;
        };
        constexpr std::size_t kMost = 990'000;
        add("beyond all size", many(" ", 60'000'000));
        add("of empty objects", "{\"tasks\":[" + many("{},", kMost) + "{}]}");
        add("a text without end", "{\"name\":\"" + many("x", kMost));
        add("a number without end", "{\"format\":" + many("7", kMost));
        add("of uses", R"({"format":"crest suite 1","name":"x","description":"","tasks":[)" +
                           many(R"({"use":"s.json"},)", kMost) + "{}]}");
        add("nested deep", many("[", kMost));
        Json task = choiceTask();
        task["context"] = many("{{q}}", kMost / 2);
        add("one long template", suite(Json::array({task})).dump());
        task["context"] = many("{% if q %}", kMost / 2);
        add("one deep template", suite(Json::array({task})).dump());
        task["context"] = "{{" + many("(", kMost / 2);
        add("brackets", suite(Json::array({task})).dump());
        task = choiceTask();
        for (int i = 0; i < 9000; ++i)
            task["data"]["test"].push_back(std::string(90, '*') + std::to_string(i));
        add("many patterns", suite(Json::array({task})).dump());
        add("not UTF-8", std::string("{\"name\":\"\xFF\"}"));
        add("nothing", "");
    }

    void hostileSuites() {
        QFETCH(QByteArray, content);
        write("s.json", content.toStdString());
        write("t.jsonl", "{\"q\":\"x\",\"c\":[\"a\",\"b\"],\"g\":0}\n");
        Result<Suite> read = fail(ErrorKind::Internal, "not tried");
        const auto use = [&] {
            read = readSuite(at("s.json"));
            if (read) // what is accepted is used, and ends as well
                (void)makeItems(read->tasks[0], m_folder.path().toStdString());
        };
        const std::string over = beyondLimits(spentBy(use), static_cast<std::size_t>(content.size()));
        QVERIFY2(over.empty(), over.c_str());
        QVERIFY(read || read.error().message.size() < 2000);
        if (!read)
            qInfo("%s", read.error().message.substr(0, 100).c_str());
    }

    void wrongRowsAreCountedThenRefused() {
        std::string rows;
        for (int i = 0; i < 200; ++i)
            rows += i == 41   ? "{\"q\":\"x\",\"c\":[\"a\",\"b\"],\"g\":7}\n"
                    : i == 99 ? "{broken\n"
                              : "{\"q\":\"x\",\"c\":[\"a\",\"bb\"],\"g\":" + std::to_string(i % 2) + "}\n";
        write("t.jsonl", rows);
        const auto task = parseTask(choiceTask(), "");
        const auto made = makeItems(*task, m_folder.path().toStdString());
        QVERIFY2(made, made ? "" : made.error().text().c_str());
        QCOMPARE(made->rows, std::int64_t(200));
        QCOMPARE(made->badRows, std::int64_t(2));
        QCOMPARE(made->items.size(), std::size_t(198));
        QCOMPARE(made->items[41].document, std::int64_t(42));
        QVERIFY2(made->badExamples[0].find("t.jsonl, row 42: the right answer, 7, is none of the 2 choices") !=
                     std::string::npos,
                 made->badExamples[0].c_str());
        ItemOptions strict;
        strict.maxBadShare = 0.005;
        const auto refused = makeItems(*task, m_folder.path().toStdString(), strict);
        QVERIFY(!refused);
        QVERIFY2(refused.error().message.find("2 of 200 rows cannot be used") != std::string::npos,
                 refused.error().message.c_str());
        ItemOptions few;
        few.limit = 10;
        QCOMPARE(makeItems(*task, m_folder.path().toStdString(), few)->items.size(), std::size_t(10));
        QCOMPARE(makeItems(*task, m_folder.path().toStdString(), few)->dataHash, made->dataHash);
    }

    void filesOfAnotherKindAreRefusedSoon() {
        std::string rows;
        while (rows.size() < 10'000'000)
            rows += "{}}\n";
        write("t.jsonl", rows);
        const auto task = parseTask(choiceTask(), "");
        Result<TaskItems> made = fail(ErrorKind::Internal, "not tried");
        const auto make = [&] { made = makeItems(*task, m_folder.path().toStdString()); };
        const std::string over = beyondLimits(spentBy(make), rows.size());
        QVERIFY2(over.empty(), over.c_str());
        QVERIFY(!made);
        QVERIFY2(made.error().message.find("100000 of 100000 rows cannot be used") != std::string::npos,
                 made.error().message.c_str());
    }

    void missingDataAreNamed() {
        const auto suite = readSuite(CREST_SOURCE_DIR "/resources/suites/hellaswag.json");
        const auto made = makeItems(suite->tasks[0], m_folder.path().toStdString());
        QVERIFY(!made);
        QCOMPARE(made.error().kind, ErrorKind::NotFound);
        for (const char* part :
             {"\"validation\" of hellaswag", "hellaswag/**/validation*.parquet", "hellaswag_val.jsonl"})
            QVERIFY2(made.error().message.find(part) != std::string::npos, made.error().message.c_str());
        QVERIFY(made.error().where.find(m_folder.path().toStdString()) != std::string::npos);
    }

    void pairsAndCauses() {
        const auto task = parseTask(choiceTask(), "");
        std::vector<TaskItem> items(2);
        for (TaskItem& item : items) {
            item.requests = {{"q", " a"}, {"q", " bb"}};
            item.choices = {"a", "bb"};
            item.gold = 0;
        }
        items[1].document = 1;
        ItemScores plus{{1, 2, 3, 1}, {1, 1, 1, 1}, {1, 0, 0, 1}, {}};
        ItemScores minus{{2, 1, 1, 3}, {1, 1, 1, 1}, {1, 0, 0, 0}, {}};
        const auto a = scoreItems(*task, items, plus);
        const auto b = scoreItems(*task, items, minus);
        QVERIFY(a && b);
        QCOMPARE(a->metrics[0].itemValues, (std::vector<float>{1, 0}));
        const auto mean = meanOfPair(*a, *b);
        QVERIFY(mean);
        QCOMPARE(mean->metrics[0].itemValues, (std::vector<float>{0.5F, 0.5F}));
        QCOMPARE(mean->metrics[0].value, 0.5);
        QCOMPARE(mean->metrics[0].stderr_, 0.0);
        QCOMPARE(mean->details.requestGreedy, (std::vector<std::uint8_t>{2, 0, 0, 1}));
        QCOMPARE(mean->details.requestNats[0], 1.5F);
        plus.requestNats[3] = std::numeric_limits<double>::quiet_NaN();
        const auto broken = scoreItems(*task, items, plus);
        QVERIFY(broken && std::isnan(broken->metrics[0].value));
        QVERIFY2(broken->cause.find("document 1, request 2") != std::string::npos, broken->cause.c_str());
        plus.requestNats.pop_back();
        QCOMPARE(scoreItems(*task, items, plus).error().kind, ErrorKind::Mismatch);
        const std::vector<MetricValue> parts{{"acc", "accuracy", 0.5, 0.1, {}, {}},
                                             {"acc", "accuracy", 0.8, 0.05, {}, {}}};
        const auto group = groupMetric(parts, std::vector<std::int64_t>{10, 30});
        QVERIFY(std::abs(group.value - 0.725) < 1e-12);
        // sqrt((9 * 0.01 * 10 + 29 * 0.0025 * 30) / 38 / 40)
        QVERIFY(std::abs(group.stderr_ - std::sqrt((0.9 + 2.175) / 38 / 40)) < 1e-12);
    }
};

QTEST_GUILESS_MAIN(SuiteTest)
#include "tst_suite.moc"
