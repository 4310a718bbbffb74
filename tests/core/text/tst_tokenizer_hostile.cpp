// SPDX-License-Identifier: Apache-2.0
// Hand-made hostile tokenizer.json files: each is refused by a sentence that names what is wrong, within 2 s and within
// its own size and 64 MB of memory.
#include <fstream>
#include <functional>

#include <QTemporaryDir>
#include <QTest>

#include "core/base/base64.h"
#include "core/text/tokenizer.h"
#include "tests/core/text/tokenizer_files.h"
#include "tests/support/spent.h"

using namespace crest;
using namespace crest::text;
using namespace crest::text::test;
using crest::test::beyondLimits;
using crest::test::spentBy;

namespace {

constexpr const char* kTwoTokens = R"({"a":0,"aa":1})";

/// The files are large, so each is made when its turn comes.
using MakeText = std::function<std::string()>;

/// A valid file whose vocabulary or merges are replaced by a text of their own.
std::string bpeText(const std::string& vocab, const std::string& merges) {
    return R"({"version":"1.0","pre_tokenizer":null,"model":{"type":"BPE","vocab":)" + vocab + R"(,"merges":)" +
           merges + "}}";
}

std::string repeated(const std::string& unit, std::size_t size) {
    std::string text;
    text.reserve(size + unit.size());
    while (text.size() < size)
        text += unit;
    return text;
}

std::string nested(std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
}

std::string numbered(std::size_t count, const std::function<std::string(std::size_t)>& item) {
    std::string text;
    for (std::size_t i = 0; i < count; ++i)
        text += (i == 0 ? "" : ",") + item(i);
    return text;
}

std::string manyTokens(std::size_t count) {
    return "{" + numbered(count, [](std::size_t i) { return "\"t" + std::to_string(i) + "\":" + std::to_string(i); }) +
           "}";
}

Json withPart(const char* key, Json value) {
    Json file = byteLevelFile({{"a", "a"}});
    file[key] = std::move(value);
    return file;
}

Json sequence(const char* key, std::size_t count, const Json& item) {
    return {{"type", "Sequence"}, {key, std::vector<Json>(count, item)}};
}

Json replace(const char* pattern, const std::string& content) {
    return {{"type", "Replace"}, {"pattern", {{"String", pattern}}}, {"content", content}};
}

Json splitBy(const char* kind, const std::string& pattern) {
    return {{"type", "Split"}, {"pattern", {{kind, pattern}}}, {"behavior", "Isolated"}, {"invert", false}};
}

} // namespace

class TokenizerHostileTest : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void refused_data() {
        QTest::addColumn<MakeText>("make");
        QTest::addColumn<int>("kind");
        QTest::addColumn<std::string>("names");
        const auto row = [](const char* name, MakeText make, ErrorKind kind, const char* names) {
            QTest::newRow(name) << std::move(make) << static_cast<int>(kind) << std::string(names);
        };
        const auto large = [&](const char* name, MakeText make, const char* names) {
            row(name, std::move(make), ErrorKind::Malformed, names);
        };
        const auto bad = [&](const char* name, const std::string& text, const char* names) {
            row(
                name, [text] { return text; }, ErrorKind::Malformed, names);
        };
        const auto unknown = [&](const char* name, const Json& file, const char* names) {
            row(
                name, [text = file.dump()] { return text; }, ErrorKind::Unsupported, names);
        };
        // Sizes.
        large(
            "60 MB of spaces", [] { return std::string(60'000'000, ' '); }, "limit");
        large(
            "70 MB", [] { return std::string(70'000'000, ' '); }, "limit");
        large(
            "60 MB of tokens", [] { return bpeText(manyTokens(3'400'000), "[]"); }, "1000000 tokens");
        large(
            "50 MB of merges",
            [] { return bpeText(kTwoTokens, "[" + repeated(R"(["a","a"],)", 50'000'000) + R"(["a","a"]])"); },
            "merges");
        large(
            "50 MB of merges as text",
            [] { return bpeText(kTwoTokens, "[" + repeated(R"("a a",)", 50'000'000) + R"("a a"])"); }, "merges");
        large(
            "tokens, then merges, to the limits",
            [] { return bpeText(manyTokens(999'999), "[" + repeated(R"("t1 1",)", 40'000'000) + "7]"); }, "merge");
        large(
            "a token of 40 MB", [] { return bpeText("{\"" + std::string(40'000'000, 'a') + "\":0}", "[]"); }, "limit");
        large(
            "a merge of 40 MB", [] { return bpeText(kTwoTokens, "[\"" + std::string(40'000'000, 'a') + " a\"]"); },
            "limit");
        large(
            "a string that does not end", [] { return "{\"model\":{\"vocab\":{\"" + std::string(40'000'000, 'a'); },
            "limit");
        large(
            "a regular expression of 2 MB",
            [] { return withPart("pre_tokenizer", splitBy("Regex", repeated("(a|", 2'000'000))).dump(); }, "limit");
        unknown("a regular expression of 900 kB",
                withPart("pre_tokenizer", splitBy("Regex", repeated("(a*)*", 900'000))), "(a*)*");
        large(
            "half a million added tokens",
            [] { return R"({"added_tokens":[)" + repeated(R"({"content":"x"},)", 11'000'000) + R"(0],"model":{}})"; },
            "values");
        large(
            "20 MB of settings",
            [] { return "{" + repeated(R"("k":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",)", 20'000'000) + R"("model":{}})"; },
            "limit");
        large(
            "6 million pieces",
            [] {
                return R"({"model":{"type":"Unigram","unk_id":0,"vocab":[)" + repeated(R"(["a",0],)", 50'000'000) +
                       R"(["a",0]]}})";
            },
            "twice");
        // Nesting.
        large(
            "nested lists", [] { return nested(5'000'000); }, "values");
        large(
            "nested less", [] { return nested(100'000); }, "deep");
        large(
            "nested in the model", [] { return R"({"model":)" + repeated(R"({"a":)", 5'000'000); }, "values");
        large(
            "nested in the vocabulary",
            [] { return bpeText(repeated(R"({"a":)", 1'000'000) + "0" + std::string(200'000, '}'), "[]"); },
            "id of token");
        large(
            "nested in the merges", [] { return bpeText(kTwoTokens, nested(5'000'000)); }, "merge 0");
        large(
            "nested scores", [] { return R"({"model":{"type":"Unigram","vocab":)" + nested(5'000'000) + "}}"; },
            "entry 0");
        Json deep = {{"type", "NFC"}};
        for (int i = 0; i < 80; ++i)
            deep = {{"type", "Sequence"}, {"normalizers", Json::array({deep})}};
        bad("nested sequences", withPart("normalizer", deep).dump(), "deep");
        // Bad merges.
        bad("merge cycle without vocabulary", bpeText(R"({"a":0,"b":1})", R"([["a","b"],["b","a"]])"), "merge 0");
        bad("merge of nothing", bpeText(R"({"a":0})", R"([["",""]])"), "merge 0");
        bad("merge of one", bpeText(R"({"a":0})", R"([["a"]])"), "merge 0");
        bad("merge in a list too many", bpeText(R"({"a":0,"aa":1})", R"([[["a","a"]]])"), "merge 0");
        bad("merge object", bpeText(R"({"a":0})", R"([{"a":"a"}])"), "merge 0");
        bad("merges an object", bpeText(R"({"a":0})", R"({"a":"a"})"), "merges");
        // Vocabulary.
        bad("vocabulary a number", bpeText("7", "[]"), "vocab");
        bad("vocabulary a list of scores", bpeText(R"([["a",0]])", "[]"), "vocab");
        bad("id a text", bpeText(R"({"a":"0"})", "[]"), "id of token");
        bad("id of 2 to the 64", bpeText(R"({"a":18446744073709551616})", "[]"), "id of token");
        bad("token twice", bpeText(R"({"a":0,"a":1})", "[]"), "twice");
        bad("two vocabularies", R"({"model":{"vocab":{"a":0},"vocab":{"b":0},"merges":[]}})", "twice");
        bad("two models", R"({"model":{"vocab":{"a":0},"merges":[]},"model":{"vocab":{"a":0},"merges":[]}})", "twice");
        bad("lone surrogate", bpeText(R"({"\ud800":0})", "[]"), "JSON");
        bad("no UTF-8 in a token", bpeText("{\"\xFF\":0}", "[]"), "JSON");
        bad("overlong UTF-8 in a token", bpeText("{\"\xC0\xAF\":0}", "[]"), "JSON");
        bad("no UTF-8 in an added token",
            R"({"added_tokens":[{"content":")"
            "\xED\xA0\x80"
            R"("}],"model":{"vocab":{},"merges":[]}})",
            "JSON");
        bad("text behind the end", bpeText("{}", "[]") + "x", "JSON");
        // Unigram.
        const auto scored = [](const char* vocab, const char* unknownId) {
            return std::string(R"({"model":{"type":"Unigram","unk_id":)") + unknownId + R"(,"vocab":)" + vocab + "}}";
        };
        bad("unk_id outside", scored(R"([["a",0]])", "1"), "unk_id");
        bad("unk_id negative", scored(R"([["a",0]])", "-1"), "unk_id");
        row(
            "no unk_id", [text = scored(R"([["a",0]])", "null")] { return text; }, ErrorKind::Unsupported, "unk_id");
        bad("score a text", scored(R"([["a","0"]])", "0"), "entry 0");
        bad("score missing", scored(R"([["a"]])", "0"), "entry 0");
        bad("score twice", scored(R"([["a",0,0]])", "0"), "entry 1");
        bad("score infinite", scored(R"([["a",1e999]])", "0"), "vocabulary");
        bad("piece twice", scored(R"([["a",0],["a",1]])", "0"), "twice");
        bad("long piece", scored((R"([[")" + std::string(5000, 'a') + R"(",0]])").c_str(), "0"), "5000");
        // Added tokens.
        Json cyclic = byteLevelFile({});
        cyclic["added_tokens"] = {addedToken("ab", false), addedToken("ba", false), addedToken("ab", false)};
        bad("added token again", cyclic.dump(), "twice");
        // Parts that grow, and parts that are not known.
        unknown("a replacement of 1 kB", withPart("normalizer", replace("a", std::string(1000, 'b'))), "64");
        unknown("replacements that double", withPart("normalizer", sequence("normalizers", 20, replace("a", "aa"))),
                "64");
        unknown("decoders that double", withPart("decoder", sequence("decoders", 20, replace("a", "aa"))), "64");
        unknown("two ByteLevels",
                withPart("pre_tokenizer", sequence("pretokenizers", 2, byteLevelFile({})["pre_tokenizer"])),
                "ByteLevel");
        unknown("a hundred parts", withPart("normalizer", sequence("normalizers", 100, {{"type", "NFC"}})), "64 parts");
        unknown("empty replacement pattern", withPart("normalizer", replace("", "a")), "empty");
        unknown("empty split pattern", withPart("pre_tokenizer", splitBy("String", "")), "empty");
        unknown("unknown regular expression", withPart("pre_tokenizer", splitBy("Regex", R"((\w+)\1)")), R"((\w+)\1)");
        unknown("regular expression in a Replace",
                withPart("normalizer", {{"type", "Replace"}, {"pattern", {{"Regex", "\\s+"}}}, {"content", " "}}),
                "\\s+");
        const auto mapped = [&](const char* name, const std::string& bytes, const char* names) {
            bad(name, withPart("normalizer", {{"type", "Precompiled"}, {"precompiled_charsmap", bytes}}).dump(), names);
        };
        mapped("character map cut off", "AAAA", "cut off");
        mapped("character map no base64", "AAA", "base64");
        mapped("character map of another size", toBase64(std::string("\x10\0\0\0\0\0\0\0", 8)), "fit");
        mapped("character map without end", toBase64(std::string("\xFC\xFF\xFF\xFF\0\0\0\0", 8)), "fit");
        mapped("character map that grows", toBase64(std::string("\4\0\0\0\0\0\0\0", 8) + std::string(65, 'x')),
               "64 bytes");
        mapped("character map of no UTF-8", toBase64(std::string("\4\0\0\0\0\0\0\0\xFF", 9)), "UTF-8");
        unknown("SentencePiece in a tokenizer.json", withPart("normalizer", {{"type", "SentencePiece"}}),
                "SentencePiece");
        unknown("UnicodeScripts", withPart("pre_tokenizer", {{"type", "UnicodeScripts"}}), "UnicodeScripts");
        unknown("CTC", withPart("decoder", {{"type", "CTC"}}), "CTC");
        unknown("version 2", withPart("version", "2.0"), "2.0");
        bad("Metaspace that contradicts itself",
            withPart("pre_tokenizer", {{"type", "Metaspace"},
                                       {"replacement", "_"},
                                       {"add_prefix_space", false},
                                       {"prepend_scheme", "always"}})
                .dump(),
            "prepend_scheme");
        bad("Metaspace of two characters",
            withPart("pre_tokenizer", {{"type", "Metaspace"}, {"replacement", "__"}}).dump(), "one character");
        bad("Strip of a negative count",
            withPart("decoder", {{"type", "Strip"}, {"content", " "}, {"start", -1}, {"stop", 0}}).dump(), "start");
        bad("behaviour unknown", withPart("pre_tokenizer", {{"type", "Punctuation"}, {"behavior", "Merged"}}).dump(),
            "behavior");
    }

    void refused() {
        QFETCH(MakeText, make);
        const std::string text = make();
        QFETCH(int, kind);
        QFETCH(std::string, names);
        Result<Tokenizer> made = fail(ErrorKind::Internal, "not tried");
        const std::string over =
            beyondLimits(spentBy([&] { made = Tokenizer::fromJson(text, "some/tokenizer.json"); }), 0); // `text` is here
        QVERIFY(!made);
        QVERIFY2(static_cast<int>(made.error().kind) == kind, made.error().text().c_str());
        QVERIFY2(made.error().message.find(names) != std::string::npos, made.error().text().c_str());
        QVERIFY2(made.error().message.size() < 600, made.error().text().c_str());
        QVERIFY2(over.empty(), over.c_str());
    }

    /// What lies beside a tokenizer.
    void companions_data() {
        QTest::addColumn<MakeText>("make");
        QTest::addColumn<std::string>("file");
        const auto row = [](const char* name, const char* file, MakeText make) {
            QTest::newRow(name) << std::move(make) << std::string(file);
        };
        const auto tokens = [](std::size_t count) {
            return numbered(count, [](std::size_t i) { return "\"x" + std::to_string(i) + "\""; });
        };
        row("configuration of empty lists", "tokenizer_config.json",
            [] { return "{\"a\":[" + repeated("[],", 3'900'000) + "[]]}"; });
        row("configuration beyond all size", "tokenizer_config.json", [] { return std::string(60'000'000, ' '); });
        row("configuration nested deep", "tokenizer_config.json", [] { return "{\"a\":" + nested(400'000) + "}"; });
        row("configuration with endless special tokens", "tokenizer_config.json",
            [tokens] { return "{\"extra_special_tokens\":[" + tokens(350'000) + "]}"; });
        row("configuration with a long token", "tokenizer_config.json",
            [] { return "{\"bos_token\":\"" + std::string(3'900'000, 'x') + "\"}"; });
        row("configuration that is not UTF-8", "tokenizer_config.json", [] { return std::string("{\"a\":\"\xFF\"}"); });
        row("map with endless special tokens", "special_tokens_map.json",
            [tokens] { return "{\"additional_special_tokens\":[" + tokens(350'000) + "]}"; });
        row("map that is a list", "special_tokens_map.json", [] { return std::string("[1]"); });
        row("endless added tokens", "added_tokens.json", [] {
            return "{" + numbered(200'000, [](std::size_t i) {
                       const std::string id = std::to_string(i);
                       return "\"x" + id + "\":" + id;
                   }) +
                   "}";
        });
        row("added tokens to the limit", "added_tokens.json", [] {
            return "{" + numbered(15'000, [](std::size_t i) {
                       const std::string id = std::to_string(i);
                       return "\"x" + id + "\":" + id;
                   }) +
                   "}";
        });
        row("vocabulary beyond all size", "vocab.json", [] { return std::string(70'000'000, ' '); });
        row("vocabulary of tokens", "vocab.json", [] { return manyTokens(3'400'000); });
        row("merges of short lines", "merges.txt", [] { return repeated("a a\n", 50'000'000); });
        row("merges in one line", "merges.txt", [] { return std::string(50'000'000, 'a'); });
    }
    void companions() {
        QFETCH(MakeText, make);
        QFETCH(std::string, file);
        QTemporaryDir folder;
        const std::filesystem::path root = folder.path().toStdString();
        const auto write = [&](const std::string& name, const std::string& text) {
            std::ofstream(root / name, std::ios::binary) << text;
        };
        write("vocab.json", kTwoTokens);
        write("merges.txt", "#version: 0.2\na a\n");
        std::size_t size = 0;
        {
            const std::string text = make();
            size = text.size();
            write(file, text);
        }
        Result<Tokenizer> tokenizer = fail(ErrorKind::Internal, "not tried");
        const std::string over = beyondLimits(spentBy([&] { tokenizer = Tokenizer::load(root); }), size);
        QVERIFY2(over.empty(), over.c_str());
        QVERIFY(tokenizer || (!tokenizer.error().message.empty() && tokenizer.error().message.size() < 1000));
        qInfo("%s", tokenizer ? "read" : tokenizer.error().text().substr(0, 120).c_str());
    }

    void overlappingAddedTokensAreCutOnce() {
        Json file = byteLevelFile({});
        file["added_tokens"] = {addedToken("ab", false), addedToken("ba", false), addedToken("aba", false)};
        file["added_tokens"][0]["lstrip"] = file["added_tokens"][1]["rstrip"] = true;
        const auto tokenizer = Tokenizer::fromJson(file.dump(), "test");
        QVERIFY(tokenizer);
        QCOMPARE(tokenizer->encode("ababab"), (Ids{258, 257, 'b'}));
        QCOMPARE(tokenizer->encode("ba  ab"), (Ids{257, 256}));
    }
};

QTEST_APPLESS_MAIN(TokenizerHostileTest)
#include "tst_tokenizer_hostile.moc"
