// SPDX-License-Identifier: Apache-2.0
// Rows of every format, broken ones counted, lists in cells of tables, hostile files refused in bounded time and memory.
#include <fstream>

#include <QProcess>
#include <QTemporaryDir>
#include <QTest>

#include "core/data/cell_value.h"
#include "core/data/data_folder.h"
#include "core/data/rows.h"
#include "core/io/files.h"
#include "cpu_timer.h"
#include "tests/support/spent.h"

using namespace crest;
using namespace crest::data;
using crest::test::beyondLimits;
using crest::test::spentBy;

namespace {

struct Read {
    Result<void> whole;
    std::vector<Json> rows;
    std::vector<std::string> bad; ///< "number: reason"
};

RowVisitor into(Read& read) {
    return [&read](std::int64_t number, Result<Json> row) -> Result<bool> {
        if (row)
            read.rows.push_back(std::move(*row));
        else
            read.bad.push_back(std::to_string(number) + ": " + row.error().message);
        return true;
    };
}

std::string many(const std::string& unit, std::size_t size) {
    std::string text;
    while (text.size() < size)
        text += unit;
    return text;
}

/// `before`0`after`,`before`1`after`, ...
std::string numbered(int count, const std::string& before, const std::string& after) {
    std::string text;
    for (int i = 0; i < count; ++i)
        text += (i > 0 ? "," : "") + before + std::to_string(i) + after;
    return text;
}

Read decode(const std::string& content, const std::string& name, const RowOptions& options = {}) {
    Read read;
    read.whole = decodeRows(content, name, options, into(read));
    return read;
}

} // namespace

class RowsTest : public QObject {
    Q_OBJECT

private:
    QTemporaryDir m_folder;
    std::filesystem::path at(const std::string& name) const { return m_folder.path().toStdString() + "/" + name; }
    void write(const std::string& name, const std::string& content) const {
        std::filesystem::create_directories(at(name).parent_path());
        std::ofstream(at(name), std::ios::binary) << content;
    }
    Read read(const std::string& name, const std::string& member = {}) const {
        Read result;
        result.whole = readRows({at(name), member}, {}, into(result));
        return result;
    }
    void python(const std::string& code) const {
        QProcess process;
        process.setWorkingDirectory(m_folder.path());
        process.start(qEnvironmentVariable("CREST_PYTHON"), {QStringLiteral("-c"), QString::fromStdString(code)});
        QVERIFY(process.waitForFinished(60'000));
        QVERIFY2(process.exitCode() == 0, process.readAllStandardError().constData());
    }

private Q_SLOTS:
    void jsonLines() {
        const Read read = decode("\xEF\xBB\xBF{\"a\":\"x\\n\xE2\x80\xA8y\"}\r\n\r\n  "
                                 "\n{\"a\":2}\n[1]\n{\"a\":\n{\"a\":1,\"a\":2}\n{\"a\":3}",
                                 "x.jsonl");
        QVERIFY(read.whole);
        QVERIFY(read.rows == (std::vector<Json>{{{"a", "x\n\xE2\x80\xA8y"}}, {{"a", 2}}, {{"a", 3}}}));
        QCOMPARE(read.bad.size(), std::size_t(3));
        QVERIFY2(read.bad[0] == "5: is no JSON object", read.bad[0].c_str());
        QVERIFY2(read.bad[2].find("occurs twice") != std::string::npos, read.bad[2].c_str());
    }

    void jsonArray() {
        const Read read = decode(" \n[ {\"a\":\"],[\\\"\"} , {\"a\":{\"b\":[1,2]}},7 ]\n", "x.json");
        QVERIFY2(read.whole, read.whole ? "" : read.whole.error().text().c_str());
        QVERIFY(read.rows == (std::vector<Json>{{{"a", "],[\""}}, {{"a", {{"b", {1, 2}}}}}}));
        QCOMPARE(read.bad, (std::vector<std::string>{"3: is no JSON object"}));
        QVERIFY(decode("[]", "x.json").whole);
        QVERIFY(!decode("[{\"a\":1}", "x.json").whole);
        QVERIFY(!decode("[{\"a\":1}] x", "x.json").whole);
    }

    void tables() {
        const Read read = decode("a,b\r\n1,\"x, \"\"y\"\"\n z\"\r\n\r\n2\n3,\n\"q\"w,e\"f", "x.csv");
        QVERIFY2(read.whole, read.whole ? "" : read.whole.error().text().c_str());
        QVERIFY(read.rows == (std::vector<Json>{{{"a", "1"}, {"b", "x, \"y\"\n z"}},
                                                {{"a", "3"}, {"b", ""}},
                                                {{"a", "qw"}, {"b", "e\"f"}}}));
        QCOMPARE(read.bad, (std::vector<std::string>{"5: has 1 column, the table has 2"}));
        const Read tabs = decode("a\tb\n\"x\ty\"\n", "x.tsv");
        QVERIFY(tabs.rows == (std::vector<Json>{{{"a", "\"x"}, {"b", "y\""}}}));
        RowOptions headed;
        headed.header = {"q", "r"};
        QVERIFY(decode("1,2\n", "x.csv", headed).rows == (std::vector<Json>{{{"q", "1"}, {"r", "2"}}}));
        QVERIFY(!decode("a,b\n1,\"never closed\n2,3\n", "x.csv").whole);
        QVERIFY(!decode("a,a\n1,2\n", "x.csv").whole);
    }

    void plainTexts() {
        RowOptions options;
        options.format = RowFormat::Paragraphs;
        QVERIFY(decode("a\nb\n\n\nc\r\n", "x", options).rows ==
                (std::vector<Json>{{{"text", "a\nb"}}, {{"text", "c"}}}));
        options.format = RowFormat::WholeFile;
        QVERIFY(decode("a\r\n\nb\n", "x", options).rows == (std::vector<Json>{{{"text", "a\n\nb\n"}}}));
        options.format = RowFormat::Lines;
        QVERIFY(decode("a\n\n b\n", "x", options).rows == (std::vector<Json>{{{"text", "a"}}, {{"text", " b"}}}));
        QVERIFY(!decode("a\xFF\n", "x", options).whole);
        options.format = RowFormat::WikitextPages;
        QVERIFY(decode(" \n = One = \n \n text \n = = Part = = \n more \n = Two = \n end \n", "x", options).rows ==
                (std::vector<Json>{{{"page", " = One = \n \n text \n = = Part = = \n more "}},
                                   {{"page", " = Two = \n end \n"}}}));
    }

    void piecesOfAnySize() {
        const std::string content = "[{\"a\":\"\xC3\xBC,]\"},{\"a\":2}]";
        const Read whole = decode(content, "x.json");
        for (const char* name : {"x.json", "x.jsonl"}) {
            std::string padded(65'530, ' '); // the border of two blocks falls into the text
            const Read split = decode(padded + content, name);
            QVERIFY(split.rows == whole.rows);
        }
    }

    void compressedAndArchives() {
        python("import gzip, tarfile, zipfile, io\n"
               "gzip.open('a.jsonl.gz','wb').write(b'{\"a\":1}\\n')\n"
               "gzip.open('empty.jsonl.gz','wb').write(b'')\n"
               "z=zipfile.ZipFile('b.zip','w',zipfile.ZIP_DEFLATED); z.writestr('d/x.jsonl','{\"a\":2}\\n'); "
               "z.writestr('../up.jsonl','{\"a\":9}'); z.close()\n"
               "t=tarfile.open('c.tar.gz','w:gz'); i=tarfile.TarInfo('./d/\\u00fc.jsonl'); i.size=8; t.addfile(i, "
               "io.BytesIO(b'{\"a\":3}\\n'))\n"
               "l=tarfile.TarInfo('d/link.jsonl'); l.type=tarfile.SYMTYPE; l.linkname='/etc/passwd'; t.addfile(l); "
               "t.close()\n");
        QVERIFY(read("a.jsonl.gz").rows == (std::vector<Json>{{{"a", 1}}}));
        QVERIFY(read("empty.jsonl.gz").whole);
        QVERIFY(read("b.zip", "d/x.jsonl").rows == (std::vector<Json>{{{"a", 2}}}));
        QVERIFY(read("c.tar.gz", "d/\xC3\xBC.jsonl").rows == (std::vector<Json>{{{"a", 3}}}));
        auto folder = DataFolder::open(m_folder.path().toStdString());
        QVERIFY(folder);
        QCOMPARE(folder->find("b.zip!x.jsonl")->size(), std::size_t(1));
        QCOMPARE(folder->find("b.zip!up.jsonl")->size(), std::size_t(0)); // a name that leads out
        QCOMPARE(folder->find("c.tar.gz!**/link.jsonl")->size(), std::size_t(0));
        const Read missing = read("b.zip", "no.jsonl");
        QCOMPARE(missing.whole.error().kind, ErrorKind::NotFound);
    }

    void parquet() {
        if (!canReadParquet())
            QSKIP("built without pyarrow"); // crest-parquet is left out then; tst_suite_oracle insists on it
        python(
            "import pyarrow as pa, pyarrow.parquet as pq\n"
            "t=pa.table({'id':['a',None],'c':[{'text':['x','\\u00fc'],'n':[1,2]}]*2,'f':[1.5,float('nan')],'b':[True,"
            "None],"
            "'d':pa.array(['q','r']).dictionary_encode(),'m':pa.array([[('k',1)],[]],type=pa.map_(pa.string(),pa.int32("
            ")))})\n"
            "pq.write_table(t,'t.parquet',compression='zstd')\n"
            "open('cut.parquet','wb').write(open('t.parquet','rb').read()[:300])\n"
            "b=bytearray(open('t.parquet','rb').read()); b[40:60]=b'\\xff'*20; open('torn.parquet','wb').write(b)\n");
        const Read read = this->read("t.parquet");
        QVERIFY2(read.whole, read.whole ? "" : read.whole.error().text().c_str());
        QCOMPARE(read.rows.size(), std::size_t(2));
        QVERIFY(read.rows[0] == (Json{{"id", "a"},
                                      {"c", {{"text", {"x", "\xC3\xBC"}}, {"n", {1, 2}}}},
                                      {"f", 1.5},
                                      {"b", true},
                                      {"d", "q"},
                                      {"m", {{"k", 1}}}}));
        QVERIFY(read.rows[1]["id"].is_null() && read.rows[1]["f"].is_null());
        for (const char* broken : {"cut.parquet", "torn.parquet"}) {
            const Read bad = this->read(broken);
            QVERIFY2(!bad.whole, broken);
            QVERIFY2(bad.whole.error().text().find(broken) != std::string::npos, bad.whole.error().text().c_str());
        }
    }

    void cells_data() {
        QTest::addColumn<QByteArray>("cell");
        QTest::addColumn<QByteArray>("value");
        const auto add = [](const char* cell, const char* value) {
            QTest::newRow(cell) << QByteArray(cell) << QByteArray(value);
        };
        add("[]", "[]");
        add(" { } ", "{}");
        add("()", "[]");
        add("('a',)", R"(["a"])");
        add("('a', 'b')", R"(["a", "b"])");
        add("['a', 'b',]", R"(["a", "b"])");
        add("['a' 'b'\n 'c']", R"(["a", "b", "c"])");
        add("[[1 -2]\n [ 3. 4e2]]", "[[1, -2], [3.0, 400.0]]");
        add("[1, -2.5, True, False, None, true, false, null]", "[1, -2.5, true, false, null, true, false, null]");
        add("{'a': {\"b\": [1]}, 'c': ''}", R"({"a": {"b": [1]}, "c": ""})");
        add("array(['a', 'b'], dtype=object)", R"(["a", "b"])");
        add("array(['a',\n       'b'],\n      dtype='<U1')", R"(["a", "b"])");
        add("array([], dtype=float64)", "[]");
        add("[array([1, 2]), array([3])]", "[[1, 2], [3]]");
        add("['\\\\ \\' \" \\n\\t\\r', \"it's \\\" \\/\", '\\xe9\\u6771\\U0001F642', \"\\ud83d\\ude42\"]",
            "[\"\\\\ ' \\\" \\n\\t\\r\", \"it's \\\" /\", \"\\u00e9\\u6771\\ud83d\\ude42\", \"\\ud83d\\ude42\"]");
    }

    void cells() {
        QFETCH(QByteArray, cell);
        QFETCH(QByteArray, value);
        const auto read = cellValue(cell.toStdString());
        QVERIFY2(read, read ? "" : read.error().text().c_str());
        QCOMPARE(read->dump(), Json::parse(value.toStdString()).dump());
    }

    void refusedCells_data() {
        QTest::addColumn<QByteArray>("cell");
        QTest::addColumn<QString>("says");
        const auto add = [](const std::string& cell, const char* says) {
            QTest::newRow((cell.substr(0, 40) + " " + says).c_str()) << QByteArray::fromStdString(cell) << says;
        };
        add("", "character 1 of the cell: here is no list");
        add("plain words", "character 1 of the cell: here is no list");
        add("'a'", "the cell is no list and no dictionary");
        add("5", "the cell is no list and no dictionary");
        add("['a'", "character 5 of the cell: a comma or the end of the list is missing");
        add("['é' 'b'", "character 9 of the cell");
        add("['a''b']", "a comma or the end of the list is missing");
        add("['a' 'b', 'c']", "commas are between some elements");
        add("['a', 'b' 'c']", "commas are between some elements");
        add("('a' 'b')", "a comma or the end of the list is missing");
        add("('a')", "one value in brackets");
        add("['a' ... 'z']", "character 6 of the cell: here is no list");
        add("['a'] ['b']", "there is more behind its end");
        add("['a'}", "a comma or the end of the list is missing");
        add("['a", "character 2 of the cell: the quotation mark is not closed on its line");
        add("['a\nb']", "the quotation mark is not closed on its line");
        add("['a\\", "the backslash begins no escape that is known");
        add("['\\N{BULLET}']", "the backslash begins no escape that is known");
        add("['\\x4']", "too few hexadecimal digits");
        add("['\\u-123']", "too few hexadecimal digits");
        add("['\\U00110000']", "the escape is of no character");
        add("['\\ud83d']", "the escape is of no character");
        add("['\\ud83d\\u0041']", "the escape is of no character");
        add("['\\ude42']", "the escape is of no character");
        add("[99999999999999999999]", "the number does not fit 64 bits");
        add("[1e999]", "here is no list");
        add("[nan]", "here is no list");
        add("[b'a']", "here is no list");
        add("[f'{1}']", "here is no list");
        add("__import__('os').system('true')", "here is no list");
        add("[open('x')]", "here is no list");
        add("['a' * 9]", "character 6 of the cell: here is no list");
        add("{'a': 1, 'a': 2}", "a name stands twice");
        add("{1: 2}", "a name in quotation marks is missing");
        add("{'a', 'b'}", "the colon behind a name is missing");
        add("{'a': 1 'b': 2}", "a comma or the end of the dictionary is missing");
        add("array('a')", "the list of the array is missing");
        add("array(['a'], shape=(1,))", "only dtype= can follow");
        add("array(['a'], dtype=object", "the array is not closed by )");
        add("array(['a'], dtype=open('x'))", "the array is not closed by )");
        add(std::string(17, '[') + "1" + std::string(17, ']'), "nested deeper than 16 levels");
        for (const char* unit : {"[", "(", "{'a':", "array(["})
            add(many(unit, 900'000), "nested deeper than 16 levels");
        add("[" + many("[],", 900'000), "more than 10000 values");
        add("[" + many("1 ", 900'000), "more than 10000 values");
        add("[" + many("'',", 900'000), "more than 10000 values");
        add("{" + numbered(20'000, "'", "':0"), "more than 10000 values");
        add("['" + std::string(900'000, 'x'), "not closed on its line");
        add("[" + std::string(900'000, '1'), "does not fit 64 bits");
        add("[" + std::string(900'000, ' '), "here is no list");
        add(std::string(2'000'000, ' '), "longer than 1000000 bytes");
    }

    void refusedCells() {
        QFETCH(QByteArray, cell);
        QFETCH(QString, says);
        const std::string text = cell.toStdString();
        Result<Json> read;
        const std::string over = beyondLimits(spentBy([&] { read = cellValue(text); }), text.size());
        QVERIFY2(over.empty(), over.c_str());
        QVERIFY2(!read, read ? read->dump().substr(0, 100).c_str() : "");
        QVERIFY2(QString::fromStdString(read.error().message).contains(says), read.error().message.c_str());
        QVERIFY(read.error().message.size() < 200);
    }

    void hostile_data() {
        QTest::addColumn<QByteArray>("content");
        QTest::addColumn<QString>("name");
        const auto add = [](const char* title, const std::string& content, const char* name) {
            QTest::newRow(title) << QByteArray::fromStdString(content) << QString::fromLatin1(name);
        };
        add("one endless line", std::string(40'000'000, 'a'), "x.jsonl");
        add("brackets", std::string(8'000'000, '['), "x.jsonl");
        add("brackets in an array", "[" + std::string(8'000'000, '['), "x.json");
        add("commas", "{\"a\":[" + std::string(9'000'000, ',') + "]}", "x.jsonl");
        add(
            "values",
            "{\"a\":[0" +
                [] {
                    std::string s;
                    for (int i = 0; i < 4'000'000; ++i)
                        s += ",0";
                    return s;
                }() +
                "]}",
            "x.jsonl");
        add("open quotation mark", "a,b\n1,\"" + std::string(40'000'000, 'x'), "x.csv");
        add("columns", std::string(9'000'000, ','), "x.csv");
        add("empty lines", std::string(40'000'000, '\n'), "x.jsonl");
        add("empty table lines", "a,b\n" + std::string(20'000'000, '\n'), "x.csv");
        add("zeros", std::string(20'000'000, '\0'), "x.jsonl");
        add("a text without end", "{\"a\":\"" + std::string(7'900'000, 'x'), "x.jsonl");
        add("a number without end", "{\"a\":" + std::string(7'900'000, '1'), "x.jsonl");
        add("a name without end", "{\"" + std::string(7'900'000, 'x') + "\"", "x.jsonl");
        add("names", "{" + numbered(1'000'000, "\"", "\":0"), "x.jsonl");
        add("short broken lines", many("{\n", 10'000'000), "x.jsonl");
        add("an array of brackets", "[" + many("[],", 10'000'000), "x.json");
        add("a text without end in an array", "[{\"a\":\"" + std::string(40'000'000, 'x'), "x.json");
        add("quotation marks", "a,b\n" + many("\"\"", 20'000'000), "x.csv");
        add("UTF-16", std::string("\xFF\xFE{\0\"\0", 6), "x.jsonl");
        add("empty", "", "x.csv");
    }

    void hostile() {
        QFETCH(QByteArray, content);
        QFETCH(QString, name);
        const std::string bytes = content.toStdString();
        std::int64_t rows = 0;
        std::size_t longest = 0; // what is said must not flood the window
        Result<void> whole;
        const auto count = [&](std::int64_t, Result<Json> row) -> Result<bool> {
            rows += row ? 1 : 0;
            longest = std::max(longest, row ? 0 : row.error().message.size());
            return true;
        };
        const std::string over =
            beyondLimits(spentBy([&] { whole = decodeRows(bytes, name.toStdString(), {}, count); }), bytes.size());
        QVERIFY2(over.empty(), over.c_str());
        QCOMPARE(rows, std::int64_t(0));
        QVERIFY2(longest < 400 && (whole || whole.error().message.size() < 400), std::to_string(longest).c_str());
    }

    void bombsAreRefused_data() {
        QTest::addColumn<QString>("name");
        QTest::addColumn<QString>("member");
        for (const char* name : {"bomb.jsonl.gz", "bomb.csv.gz", "late.txt.gz"})
            QTest::newRow(name) << name << QString();
        QTest::newRow("bomb.zip") << "bomb.zip" << "x.jsonl";
        // 3 GB of blank lines in 3 MB, also behind 3 MB that do not shrink.
        python("import gzip, os, zipfile\n"
               "big=gzip.compress(b'\\n'*50_000_000)*60\n"
               "open('bomb.jsonl.gz','wb').write(big)\n"
               "open('bomb.csv.gz','wb').write(gzip.compress(b'a,b\\n')+big)\n"
               "open('late.txt.gz','wb').write(gzip.compress(os.urandom(1_500_000).hex().encode())+"
               "gzip.compress(b' \\n'*25_000_000)*60)\n"
               "z=zipfile.ZipFile('bomb.zip','w',zipfile.ZIP_DEFLATED); z.writestr('x.jsonl',b' \\n'*75_000_000); z.close()\n");
    }
    void bombsAreRefused() {
        QFETCH(QString, name);
        QFETCH(QString, member);
        Read bomb;
        const std::string over = beyondLimits(spentBy([&] { bomb = read(name.toStdString(), member.toStdString()); }),
                                              std::filesystem::file_size(at(name.toStdString())));
        QVERIFY2(over.empty(), over.c_str());
        QVERIFY(!bomb.whole);
        QCOMPARE(bomb.whole.error().kind, ErrorKind::OutOfRange);
    }
    /// The number of a row counts the blank lines before it, however they lie in blocks.
    void blankLinesAreCounted() {
        for (const char* format : {"x.jsonl", "x.txt"}) {
            std::int64_t number = 0;
            const auto last = [&](std::int64_t at, Result<Json>) -> Result<bool> {
                number = at;
                return true;
            };
            QVERIFY(decodeRows("{\"a\":1}\n" + std::string(200'000, '\n') + " \r\n\n{\"a\":2}\n\n", format, {}, last));
            QCOMPARE(number, std::int64_t(200'004));
        }
    }
    /// Text in hexadecimal shrinks to a half, and there is more of it than may come out at a worse ratio.
    void longPackedTextsAreRead() {
        python("import gzip, os\n"
               "gzip.open('long.txt.gz','wb',compresslevel=1).write(b'\\n'.join([os.urandom(5_000).hex().encode() for i in "
               "range(3_000)]))\n");
        std::int64_t rows = 0;
        const auto count = [&](std::int64_t, Result<Json> row) -> Result<bool> {
            rows += row && (*row)["text"].get_ref<const std::string&>().size() == 10'000 ? 1 : 0;
            return true;
        };
        const auto whole = readRows({at("long.txt.gz"), ""}, {}, count);
        QVERIFY2(whole, whole ? "" : whole.error().text().c_str());
        QCOMPARE(rows, std::int64_t(3'000));
    }

    void patterns() {
        write("data/Rowan/hellaswag/data/validation-00000-of-00002.parquet", "x");
        write("data/Rowan/hellaswag/data/validation-00001-of-00002.parquet", "x");
        write("data/datasets--baber--piqa/snapshots/aa/data/validation.jsonl", "{}");
        write("data/datasets--baber--piqa/snapshots/bb/data/validation.jsonl", "{}");
        write("data/datasets--baber--piqa/refs/main", "bb");
        write("data/one/dev.jsonl", "{}");
        write("data/two/dev.jsonl", "{}");
        write("data/torn/t-00001-of-00003.parquet", "x");
        write("outside.jsonl", "{}");
        std::filesystem::create_symlink(at("outside.jsonl"), at("data/one/out.jsonl"));
        std::filesystem::create_symlink(at("nowhere"), at("data/one/dangling.jsonl"));
        auto folder = DataFolder::open(at("data"));
        QVERIFY2(folder, folder ? "" : folder.error().text().c_str());
        const auto count = [&](const char* pattern) { return folder->find(pattern)->size(); };
        QCOMPARE(count("hellaswag/**/validation-*.parquet"), std::size_t(2));
        QCOMPARE(count("Rowan/HellaSwag/data/validation-0000?-of-*.parquet"), std::size_t(2));
        QCOMPARE(count("swag/**/validation-*.parquet"), std::size_t(0));
        const auto piqa = folder->find("piqa/**/validation*.jsonl"); // the snapshot that main names
        QVERIFY(piqa);
        QCOMPARE(piqa->size(), std::size_t(1));
        QVERIFY(piqa->front().path.string().find("/bb/") != std::string::npos);
        QCOMPARE(count("one/dev.jsonl"), std::size_t(1));
        QCOMPARE(count("out.jsonl"), std::size_t(1)); // a link that leads out
        QCOMPARE(count("dangling.jsonl"), std::size_t(0));
        const auto both = folder->find("dev.jsonl");
        QVERIFY(!both);
        QCOMPARE(both.error().kind, ErrorKind::Mismatch);
        QVERIFY(!folder->find("torn/t-*.parquet"));
        for (const char* pattern : {"", "/etc/passwd", "../outside.jsonl", "a/../../outside.jsonl", "..\\x"})
            QCOMPARE(folder->find(pattern).error().kind, ErrorKind::Malformed);
        QCOMPARE(DataFolder::open(at("nowhere")).error().kind, ErrorKind::NotFound);
    }

    void linkedFolders() {
        namespace fs = std::filesystem;
        write("store/hs/validation.jsonl", "{}");
        write("linked/other/test.jsonl", "{}");
        fs::create_symlink(at("store/hs"), at("linked/hellaswag")); // out of the folder
        fs::create_symlink("other", at("linked/again"));            // beside
        fs::create_symlink("..", at("linked/other/up"));            // a loop
        fs::create_symlink(at("linked"), at("store/hs/back"));      // a longer one
        fs::create_symlink("itself", at("linked/itself"));
        for (const std::string& root : {at("linked").string(), at("linked/hellaswag/../../linked").string()}) {
            auto folder = DataFolder::open(root);
            QVERIFY2(folder, folder ? "" : folder.error().text().c_str());
            const auto swag = folder->find("hellaswag/**/validation.jsonl");
            QVERIFY(swag && swag->size() == 1);
            QCOMPARE(swag->front().path, fs::canonical(at("linked")) / "hellaswag/validation.jsonl");
            // One file by two names is one.
            for (const char* pattern : {"test.jsonl", "again/test.jsonl", "other/test.jsonl"}) {
                const auto test = folder->find(pattern);
                QVERIFY2(test && test->size() == 1, pattern);
            }
        }
        // Tens of thousands of ways through few folders end.
        for (int i = 0; i < 8; ++i)
            for (int j = 0; j < 8; ++j) {
                write("maze/" + std::to_string(i) + "/x.jsonl", "{}");
                fs::create_symlink("../" + std::to_string(j), at("maze/" + std::to_string(i) + "/to" + std::to_string(j)));
            }
        const CpuTimer timer;
        const auto maze = DataFolder::open(at("maze"));
        QVERIFY(!maze && maze.error().kind == ErrorKind::OutOfRange);
        QVERIFY(timer.seconds() < 2);
    }
};

QTEST_GUILESS_MAIN(RowsTest)
#include "tst_rows.moc"
