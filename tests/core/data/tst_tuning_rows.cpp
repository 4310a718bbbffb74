// SPDX-License-Identifier: Apache-2.0
// Rows of fine-tuning data as they come: numbers, tables, blanks and faults, and in which words they are refused.
#include <QProcess>

#include "core/data/py_text.h"
#include "core/io/files.h"
#include "tests/core/data/tuning_fixture.h"

using namespace crest;
using namespace crest::data;

class TuningRowsTest : public test::TuningDataFixture {
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { loadTokenizer(); }

    void numbersAreText_data() {
        QTest::addColumn<QString>("file");
        QTest::addColumn<QString>("form");
        QTest::addColumn<QString>("content");
        QTest::addColumn<QString>("text"); ///< by Python's str
        const auto row = [](const char* tag, const char* file, const char* form, const char* content, const char* text) {
            QTest::newRow(tag) << QString(file) << QString(form) << QString(content) << QString(text);
        };
        row("whole", "n.jsonl", "auto", R"({"prompt":"6*7=","completion":42})", "6*7=42");
        row("below 0", "n.jsonl", "auto", R"({"prompt":"2-3=","completion":-1})", "2-3=-1");
        row("a float that is whole", "n.jsonl", "auto", R"({"prompt":"6/2=","completion":3.0})", "6/2=3.0");
        row("a float", "n.jsonl", "auto", R"({"prompt":"1/4=","completion":0.25})", "1/4=0.25");
        row("an exponent", "n.jsonl", "auto", R"({"prompt":"x=","completion":1e-7})", "x=1e-07");
        row("a truth value", "n.jsonl", "auto", R"({"prompt":"1<2: ","completion":true})", "1<2: True");
        row("both", "n.jsonl", "auto", R"({"prompt":7,"completion":49})", "749");
        row("zero", "n.jsonl", "auto", R"({"prompt":"1-1=","completion":0})", "1-1=0");
        row("an array", "n.json", "auto", R"([{"prompt":"6*7=","completion":42}])", "6*7=42");
        row("a table, as it is written", "n.csv", "auto", "prompt,completion\n6*7=,042\n", "6*7=042");
        row("tabs", "n.tsv", "auto", "prompt\tcompletion\n6*7=\t4.20\n", "6*7=4.20");
        row("with a space between", "n.jsonl", "prompt-completion-spaced", R"({"prompt":"six","completion":6})", "six 6");
        row("no prompt", "n.jsonl", "prompt-completion", R"({"prompt":null,"completion":6})", "6");
        row("text", "n.jsonl", "auto", R"({"text":1984})", "1984");
        row("chat", "n.jsonl", "auto",
            R"({"messages":[{"role":"user","content":6},{"role":"assistant","content":36}]})", "User: 6\nAssistant: 36");
        row("an input of nought", "n.jsonl", "auto", R"({"instruction":"Double it.","input":0,"output":0})",
            "Below is an instruction that describes a task, paired with an input that provides further context. Write a response that "
            "appropriately completes the request.\n\n### Instruction:\nDouble it.\n\n### Input:\n0\n\n### Response:0");
    }

    void numbersAreText() {
        QFETCH(QString, file);
        QFETCH(QString, form);
        QFETCH(QString, content);
        QFETCH(QString, text);
        TuningDataSettings settings = plain(write("numbers/" + file.toStdString(), content.toStdString()));
        settings.form = form.toStdString();
        settings.split.heldOutShare = 0;
        const auto ready = resolved(settings);
        QVERIFY2(ready, ready ? "" : ready.error().text().c_str());
        const auto set = readTuningData(*ready, *m_tokenizer);
        QVERIFY2(set, set ? "" : set.error().text().c_str());
        QCOMPARE(set->train.size(), std::size_t(1));
        QCOMPARE(QString::fromStdString(m_tokenizer->decode(set->train[0].ids, true)), text);
    }

    /// As datasets writes a column of numbers.
    void numbersOfParquetAreText() {
        if (!canReadParquet())
            QSKIP("built without pyarrow"); // crest-parquet is left out then; tst_suite_oracle insists on it
        QProcess python;
        python.setWorkingDirectory(m_folder.path());
        python.start(qEnvironmentVariable("CREST_PYTHON", QStringLiteral("python3")),
                     {QStringLiteral("-c"), QStringLiteral("import pyarrow as pa, pyarrow.parquet as pq\n"
                                                           "pq.write_table(pa.table({'prompt': ['6*7=', '1/4='], 'completion': [42.0, 0.25]}), 'n.parquet')\n")});
        QVERIFY(python.waitForFinished(60'000) && python.exitCode() == 0);
        const auto set = readTuningData(*resolved(plain(at("n.parquet"))), *m_tokenizer);
        QVERIFY2(set, set ? "" : set.error().text().c_str());
        QCOMPARE(m_tokenizer->decode(set->train[0].ids, true), std::string("6*7=42.0"));
        QCOMPARE(m_tokenizer->decode(set->train[1].ids, true), std::string("1/4=0.25"));
    }

    /// Never the word "None": an empty cell of Parquet, which is an empty text in a table.
    void nothingIsNoWord() {
        auto rows = pairs(20);
        rows[4]["completion"] = nullptr;
        rows[6]["prompt"] = nullptr;
        const auto set = readTuningData(*resolved(plain(writeRows("nulls.jsonl", rows))), *m_tokenizer);
        QVERIFY2(set, set ? "" : set.error().text().c_str());
        QCOMPARE(set->counts.blankRows, std::int64_t(1));
        QCOMPARE(set->counts.badRows, std::int64_t(0));
        QCOMPARE(m_tokenizer->decode(set->train[5].ids, true), std::string(" a thing of kind 6"));
    }

    void repeatedRowsAreSeen() {
        auto rows = pairs(10);
        for (int i = 0; i < 10; ++i)
            rows.push_back(rows[static_cast<std::size_t>(i)]);
        TuningDataSettings settings = plain(writeRows("repeated.jsonl", rows));
        settings.split.heldOutCount = 1;
        const auto set = readTuningData(*resolved(settings), *m_tokenizer);
        QCOMPARE(set->repeated, std::int64_t(1));
        QVERIFY(has(set->notes.back(), "are trained on as well"));
    }

    void badInputIsSaid() {
        QVERIFY(has(problemOf(plain(at("nothing.jsonl"))), "no such file"));
        QVERIFY(has(problemOf(plain(write("empty.jsonl", ""))), "there is no row"));
        QVERIFY(has(problemOf(plain(write("emptyfolder/readme.md", "x").substr(0, at("emptyfolder").size()))),
                    "no data file"));
        TuningDataSettings one = plain(writeRows("one.jsonl", pairs(1)));
        QCOMPARE(problemOf(one), std::string());
        one.split.heldOutShare = 0.1;
        QVERIFY2(has(problemOf(one), "there is one row that can be used") && has(problemOf(one), "take more data"), problemOf(one).c_str());
        one.split.heldOutCount = 5;
        one.path = writeRows("five.jsonl", pairs(5));
        QVERIFY(has(problemOf(one), "5 of 5 rows are to be held out"));
        TuningDataSettings wrong = plain(writeRows("wrong.jsonl", pairs(30)));
        wrong.form = "alpaca";
        const std::string fields = problemOf(wrong);
        QVERIFY2(has(fields, "30 of 30 rows cannot be used as \"alpaca\"") &&
                     has(fields, "there is no \"instruction\"") &&
                     has(fields, "has the fields completion, prompt; \"alpaca\" needs instruction, output"),
                 fields.c_str());
        TuningDataSettings roles = plain(writeRows("roles.jsonl", std::vector<Json>(30, Json{{"messages", {{{"role", "user"}, {"content", Json::object()}}}}})));
        const std::string content = problemOf(roles);
        QVERIFY2(has(content, "the content of turn 1 is no text") && !has(content, "needs messages"), content.c_str()); // it has them
        wrong = plain(writeRows("hidden.jsonl", std::vector<Json>(30, Json{{"sentence1", "a"}, {"sentence2", "b"}, {"label", -1}}))); // GLUE's test rows
        wrong.form = "rte";
        const std::string hidden = problemOf(wrong);
        QVERIFY2(has(hidden, "there is no \"-1\"") &&
                     has(hidden, ". Rows of \"rte\" are those with {{ (label|string) in ['0', '1', 'entailment', 'not_entailment'] }}"),
                 hidden.c_str());
        wrong.form = "alpacca";
        QVERIFY(has(problemOf(wrong), "there is no form of rows \"alpacca\"; there are: alpaca,"));
        wrong.form = "auto";
        wrong.chat = "tullu";
        QVERIFY(has(problemOf(wrong), "there is no way of writing dialogues \"tullu\"; there are: chatml,"));
        TuningDataSettings broken = plain(write("broken.jsonl", "{\"text\":\"a\xFF\"}\n{\"text\":\"b\"}\n"));
        QVERIFY2(has(problemOf(broken), "1 of 2 rows cannot be used") && has(problemOf(broken), "no UTF-8); convert the file with iconv"),
                 problemOf(broken).c_str());
        QVERIFY2(has(problemOf(plain(write("picture.txt", std::string("GIF8\0\0\xFF\xFF", 8)))), "line 1 holds zeros"), problemOf(plain(at("picture.txt"))).c_str());
        QVERIFY(has(problemOf(plain(write("broken.txt", "good\n\nbad \xC3\x28\n"))), "line 3 is no UTF-8"));
        QVERIFY2(has(problemOf(plain(write("noanswer.jsonl", "{\"prompt\":\"a\",\"completion\":\"\"}\n"))),
                     "is anything to be learned"),
                 problemOf(plain(at("noanswer.jsonl"))).c_str());
        TuningDataSettings narrow = plain(writeRows("narrow.jsonl", pairs(30)));
        narrow.maxTokens = 2;
        QVERIFY2(has(problemOf(narrow), "within the first 2 tokens nothing is learned"), problemOf(narrow).c_str());
        narrow.tooLong = TooLong::Drop;
        QVERIFY(has(problemOf(narrow), "all are longer than 2 tokens"));
        TuningDataSettings unresolved = plain(at("five.jsonl"));
        const auto set = readTuningData(unresolved, *m_tokenizer);
        QVERIFY(!set && has(set.error().message, "not chosen yet"));
    }

    /// Rows whose fields are there, but hold something else.
    void fieldsThatHoldNothingAreSaid() {
        const auto said = [&](const char* name, const Json& row) { return problemOf(plain(writeRows(name, std::vector<Json>(30, row)))); };
        const std::string none = said("null.jsonl", {{"prompt", "a"}, {"completion", nullptr}});
        QVERIFY2(has(none, "no form fits these rows, which have the fields completion (empty), prompt."), none.c_str());
        const std::string inside = said("inside.jsonl", {{"row", {{"prompt", "a"}, {"completion", "b"}}}});
        QVERIFY2(has(inside, "which have the fields row (completion, prompt inside)."), inside.c_str());
        const std::string objects = said("objects.jsonl", {{"prompt", {{"text", "a"}}}, {"completion", {{"text", "b"}}}});
        QVERIFY2(has(objects, "which have the fields completion (text inside), prompt (text inside)."), objects.c_str());
        const std::string wrapped = said("wrapped.jsonl", {{"data", {{{"prompt", "a"}, {"completion", "b"}}}}});
        QVERIFY2(has(wrapped, "which have the fields data (a list with completion, prompt inside)."), wrapped.c_str());
        const std::string lines = problemOf(plain(write("lines.json", "{\n  \"prompt\": \"a\",\n  \"completion\": \"b\"\n}\n")));
        QVERIFY2(has(lines, "row 1: is no whole JSON object; a row stands on one line, or is an element of one list"), lines.c_str());
    }

    /// Dialogues in CSV, as pandas and the datasets library print their lists there (Python's repr, and numpy's), are those of the JSON.
    void dialoguesOfTables() {
        const Json dialogue = {{{"role", "user"}, {"content", "it's \"so\"\nor?"}}, {{"role", "assistant"}, {"content", "y\u00e9s"}}};
        const std::string python = R"([{'role': 'user', 'content': 'it\'s "so"\nor?'}, {'role': 'assistant', 'content': 'y)" "\u00e9" R"(s'}])";
        const std::string numpy = R"([{'content': 'it\'s "so"\nor?', 'role': 'user'}
 {'content': 'y)" "\u00e9" R"(s', 'role': 'assistant'}])";
        const auto hashOf = [&](const std::string& path) {
            const auto set = readTuningData(*resolved(plain(path)), *m_tokenizer);
            return set ? set->contentHash : set.error().text();
        };
        const auto inTable = [&](const std::string& name, std::string cell) {
            return write(name, "id,messages\n1,\"" + pyReplace(cell, "\"", "\"\"") + "\"\n");
        };
        const std::string wanted = hashOf(writeRows("dialogue.jsonl", {{{"messages", dialogue}}}));
        QCOMPARE(wanted.size(), std::size_t(64));
        QCOMPARE(hashOf(inTable("json.csv", dialogue.dump())), wanted);
        QCOMPARE(hashOf(inTable("python.csv", python)), wanted);
        QCOMPARE(hashOf(inTable("numpy.csv", numpy)), wanted);
        const std::string broken = problemOf(plain(inTable("cut.csv", python.substr(0, 40))));
        QVERIFY2(has(broken, "cut.csv, row 2: the list of messages: character 30 of the cell: the quotation mark is not closed"), broken.c_str());
    }

    /// An answer that is null is blank; so is what a caller of tools says.
    void turnsWithoutContent() {
        const auto turn = [](const char* role, const Json& content) { return Json{{"role", role}, {"content", content}}; };
        const auto set = readTuningData(
            *resolved(plain(writeRows("silent.jsonl", {{{"messages", {turn("user", "q"), turn("assistant", "a")}}},
                                                       {{"messages", {turn("user", "q"), turn("assistant", nullptr)}}},
                                                       {{"messages", {turn("user", "q"), turn("assistant", nullptr), turn("user", "so?"), turn("assistant", "b")}}}}))),
            *m_tokenizer);
        QVERIFY2(set, set ? "" : set.error().text().c_str());
        QCOMPARE(set->counts.blankRows, std::int64_t(1));
        QCOMPARE(set->train.size(), std::size_t(2));
        QCOMPARE(m_tokenizer->decode(set->train[1].ids, true), std::string("User: q\nAssistant: \nUser: so?\nAssistant: b"));
    }

    /// Trained on as they stand, and counted: an answer at the front, two in a row.
    void rolesOutOfTurnAreCounted() {
        const auto turn = [](const char* role, const std::string& content) { return Json{{"role", role}, {"content", content}}; };
        std::vector<Json> rows;
        for (int i = 0; i < 10; ++i) {
            const std::string n = std::to_string(i);
            rows.push_back({{"messages", {turn("system", "short"), turn("user", "q" + n), turn("system", "now"), turn("assistant", "a" + n)}}});
            rows.push_back({{"messages", {turn("user", "q" + n), turn("user", "again"), turn("assistant", "b" + n)}}});
        }
        rows.push_back({{"messages", {turn("assistant", "hello"), turn("user", "q"), turn("assistant", "c")}}});
        rows.push_back({{"messages", {turn("user", "q"), turn("assistant", "d"), turn("assistant", "e")}}});
        rows.push_back({{"messages", {turn("assistant", "f"), turn("user", "q")}}});
        const auto set = readTuningData(*resolved(plain(writeRows("turns.jsonl", rows))), *m_tokenizer);
        QVERIFY2(set, set ? "" : set.error().text().c_str());
        QCOMPARE(set->train.size(), std::size_t(23));
        QCOMPARE(set->counts.outOfTurnRows, std::int64_t(3));
        QVERIFY2(has(set->notes.front(), "in 3 of 23 rows an answer follows no question"), set->notes.front().c_str());
    }

    /// Rows of nothing but white space, of every kind, are none, and teach nothing.
    void blankRowsAreNone() {
        const std::string wide = "\xC2\xA0\xE3\x80\x80\t "; // no-break and ideographic spaces
        std::string lines;
        for (int i = 0; i < 20; ++i)
            lines += "  \t\n" + Json{{"text", "row " + std::to_string(i)}}.dump() + "\n" + Json{{"text", wide}}.dump() + "\n";
        const auto set = readTuningData(*resolved(plain(write("blanks.jsonl", lines))), *m_tokenizer);
        QVERIFY2(set, set ? "" : set.error().text().c_str());
        QCOMPARE(set->train.size(), std::size_t(20));
        QVERIFY2(has(set->notes.front(), "20 of 40 rows have nothing to learn"), set->notes.front().c_str());
        QVERIFY(has(problemOf(plain(write("allblank.jsonl", "   \n\t\n  \n"))), "there is no row in it"));
        QVERIFY(has(problemOf(plain(write("allblank.csv", "prompt,completion\n , \n,\n"))), "in none of the 2 rows is anything to be learned"));
        QVERIFY(has(problemOf(plain(write("allblank.txt", "\n \n\t\n\n"))), "there is no row in it"));
    }

    /// The sample's, whose end token has another name that nobody tells.
    void aTokenizerWithoutEndIsSaid() {
        const std::string from = std::string(kSample) + "/series/sample-seed1/step015625-tokens64M/";
        std::string json = *io::readTextFile(from + "tokenizer.json", 10'000'000);
        for (std::size_t place; (place = json.find("<|endoftext|>")) != std::string::npos;)
            json.replace(place, 13, "<nothing>");
        write("noend/tokenizer.json", json);
        write("noend/tokenizer_config.json", R"({"tokenizer_class": "PreTrainedTokenizerFast"})");
        const auto tokenizer = text::Tokenizer::load(at("noend"));
        QVERIFY2(tokenizer, tokenizer ? "" : tokenizer.error().text().c_str());
        const auto set = readTuningData(*resolved(plain(writeRows("end.jsonl", pairs(3)))), *tokenizer);
        QVERIFY(!set);
        QVERIFY2(has(set.error().message, "has no end token") && has(set.error().message, "name it as eos_token"), set.error().text().c_str());
    }

    void wrongRowsAreCounted() {
        auto rows = pairs(199);
        std::string content = "{broken\n";
        for (const Json& row : rows)
            content += row.dump() + "\n";
        const auto set = readTuningData(*resolved(plain(write("somebad.jsonl", content))), *m_tokenizer);
        QVERIFY2(set, set ? "" : set.error().text().c_str());
        QCOMPARE(set->counts.badRows, std::int64_t(1));
        QVERIFY(has(set->counts.badExamples.front(), "somebad.jsonl, row 1:"));
        QVERIFY(has(set->notes.front(), "1 of 200 rows cannot be used"));
    }

    void manyTurnsInALongTextAreRefused() {
        const auto talk = [](int turns, std::size_t letters) {
            Json messages = Json::array();
            for (int i = 0; i < turns; ++i)
                messages.push_back(
                    {{"role", i % 2 == 0 ? "user" : "assistant"}, {"content", std::string(letters, 'a')}});
            return Json{{"messages", messages}};
        };
        QCOMPARE(problemOf(plain(writeRows("turns.jsonl", {talk(400, 50)}))), std::string());
        const std::string problem = problemOf(plain(writeRows("turns.jsonl", {talk(4000, 1000)})));
        QVERIFY2(has(problem, "a dialogue of so many turns is too long"), problem.c_str());
        QVERIFY(has(problemOf(plain(writeRows("turns.jsonl", {talk(10'002, 1)}))), "more than 10000 turns"));
    }
};

QTEST_GUILESS_MAIN(TuningRowsTest)
#include "tst_tuning_rows.moc"
