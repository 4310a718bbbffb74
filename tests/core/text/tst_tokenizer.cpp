// SPDX-License-Identifier: Apache-2.0
// Byte-level BPE: hand-worked cases, threads, and files that are broken or not ours to read.
#include <atomic>
#include <thread>

#include <QTest>

#include "core/base/json.h"
#include "core/text/byte_alphabet.h"
#include "core/text/normalizer.h"
#include "core/text/pre_tokenizer.h"
#include "core/text/tokenizer.h"
#include "core/text/unicode.h"
#include "tests/core/text/tokenizer_files.h"

using namespace crest;
using namespace crest::text;
using namespace crest::text::test;

namespace {

Tokenizer make(const Json& file) {
    auto made = Tokenizer::fromJson(file.dump(), "test");
    if (!made)
        qFatal("%s", made.error().text().c_str());
    return *made;
}

std::vector<std::string> pieces(PreStep::Kind kind, std::string_view text) {
    std::vector<std::string> out;
    preTokenize({PreStep{kind}}, text, true, [&](std::string_view piece) { out.emplace_back(piece); });
    return out;
}

} // namespace

class TokenizerTest : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void lowestRankFirstThenLeftmost() {
        // aaaaa -> aa aa a (the pair is taken from the left), abc: "bc" ranks before "ab".
        const Tokenizer tokenizer = make(byteLevelFile({{"a", "a"}, {"b", "c"}, {"a", "b"}}));
        QCOMPARE(tokenizer.encode("aaaaa"), (Ids{256, 256, 'a'}));
        QCOMPARE(tokenizer.encode("abc"), (Ids{'a', 257}));
        QCOMPARE(tokenizer.encode("abab"), (Ids{258, 258}));
        QCOMPARE(tokenizer.encode(""), Ids{});
    }

    void preTokensOfGpt2() {
        using Pieces = std::vector<std::string>;
        QCOMPARE(pieces(PreStep::Kind::Gpt2, "I'll go,  it's 42%\n\n end "),
                 (Pieces{"I", "'ll", " go", ",", " ", " it", "'s", " 42", "%", "\n\n", " end", " "}));
        QCOMPARE(pieces(PreStep::Kind::Gpt2, "'S x"), (Pieces{"'", "S", " x"}));
    }

    void preTokensOfCl100k() {
        using Pieces = std::vector<std::string>;
        QCOMPARE(pieces(PreStep::Kind::Cl100k, "I'LL 12345.\n\n\t(x"),
                 (Pieces{"I", "'LL", " ", "123", "45", ".\n\n", "\t", "(x"}));
        QCOMPARE(pieces(PreStep::Kind::Cl100k, "a \n \n  b"), (Pieces{"a", " \n \n", " ", " b"}));
        QCOMPARE(pieces(PreStep::Kind::Qwen2, "x12"), (Pieces{"x", "1", "2"}));
    }

    void brokenUtf8BecomesReplacementCharacters() {
        // One for each maximal invalid part: E2 82 is one, C3 before 28 is one, FF is one.
        QCOMPARE(repairUtf8("\xE2\x82"
                            "a\xC3(\xFF"),
                 std::string("\xEF\xBF\xBD"
                             "a\xEF\xBF\xBD(\xEF\xBF\xBD"));
        QCOMPARE(repairUtf8("\xED\xA0\x80"), std::string("\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"));
        QVERIFY(isValidUtf8("gr\xC3\xBC\xC3\x9F"));
        QVERIFY(!isValidUtf8("\xC0\xAF"));
        QVERIFY(!isValidUtf8("\xF4\x90\x80\x80"));
        const Tokenizer tokenizer = make(byteLevelFile({}));
        QCOMPARE(tokenizer.encode("\xFF"), (Ids{0xEF, 0xBF, 0xBD}));
        QCOMPARE(tokenizer.decode(Ids{0xE2, 0x82, 'a'}), std::string("\xEF\xBF\xBD"
                                                                     "a"));
    }

    void addedTokensInTheText() {
        Json file = byteLevelFile({});
        file["added_tokens"] = {addedToken("<|end|>", true), addedToken("<|end|>!", false), addedToken("<w>", false)};
        file["added_tokens"][2]["single_word"] = true;
        file["added_tokens"][0]["lstrip"] = true;
        const Tokenizer tokenizer = make(file);
        QCOMPARE(tokenizer.encode("a  <|end|>b<|end|>!"), (Ids{'a', 256, 'b', 257}));
        QCOMPARE(tokenizer.encode("x<w> <w>").front(), int('x'));
        QCOMPARE(tokenizer.encode("x<w> <w>").back(), 258);
        QCOMPARE(tokenizer.decode(Ids{'a', 256, 'b'}), std::string("a<|end|>b"));
        QCOMPARE(tokenizer.decode(Ids{'a', 256, 'b'}, true), std::string("ab"));
        QCOMPARE(tokenizer.vocabSize(), std::size_t(259));
        QCOMPARE(tokenizer.idLimit(), std::size_t(259));
        QCOMPARE(tokenizer.tokenToId("<w>"), std::optional<std::int32_t>(258));
        QVERIFY(!tokenizer.tokenToId("nothing"));
        QCOMPARE(tokenizer.idToToken(32), std::optional<std::string>("\xC4\xA0"));
    }

    void composes() {
        QCOMPARE(toNfc("e\xCC\x81"), std::string("\xC3\xA9"));
        QCOMPARE(toNfc("\xE2\x84\xAB"), std::string("\xC3\x85"));
        QCOMPARE(toNfc("plain"), std::string("plain"));
    }

    void hashFollowsContentNotLayout() {
        const Json file = byteLevelFile({{"a", "a"}, {"b", "c"}});
        const std::string hash = make(file).contentHash();
        QCOMPARE(Tokenizer::fromJson(file.dump(4), "elsewhere")->contentHash(), hash);
        Json lines = file;
        lines["model"]["merges"] = {"a a", "b c"};
        QCOMPARE(make(lines).contentHash(), hash);
        Json swapped = file;
        std::swap(swapped["model"]["merges"][0], swapped["model"]["merges"][1]);
        QVERIFY(make(swapped).contentHash() != hash);
        Json composed = file;
        composed["normalizer"] = {{"type", "NFC"}};
        QVERIFY(make(composed).contentHash() != hash);
        Json more = file;
        more["added_tokens"].push_back(addedToken("<|x|>", true));
        QVERIFY(make(more).contentHash() != hash);
    }

    void endOfTextFromConfigThenFromHabit() {
        Json file = byteLevelFile({});
        file["added_tokens"] = {addedToken("<|endoftext|>", true), addedToken("<eos>", true)};
        QCOMPARE(make(file).eosId(), std::optional<std::int32_t>(256));
        const auto configured =
            Tokenizer::fromJson(file.dump(), "test", R"({"eos_token":{"content":"<eos>"},"bos_token":null})");
        QVERIFY(configured);
        QCOMPARE(configured->eosId(), std::optional<std::int32_t>(257));
        QVERIFY(!configured->bosId());
        QVERIFY(!configured->templateAddsBos());
    }

    void whatScoringAsks() {
        Json file = byteLevelFile({});
        file["added_tokens"] = {addedToken("<s>", true), addedToken("</s>", true), addedToken("plain", false)};
        file["post_processor"] = {{"type", "TemplateProcessing"},
                                  {"single", {{{"SpecialToken", {{"id", "<s>"}}}}, {{"Sequence", {{"id", "A"}}}}}},
                                  {"special_tokens", {{"<s>", {{"ids", {256}}}}}}};
        const auto with = [&](const char* config) { return *Tokenizer::fromJson(file.dump(), "test", config); };
        const Tokenizer both = with(R"({"bos_token":"<s>","eos_token":"</s>","model_max_length":2048})");
        QCOMPARE(both.prefixId(), std::optional<std::int32_t>(256));
        QCOMPARE(both.prefixText(), std::string("<s>"));
        QCOMPARE(both.maxLength(), std::optional<std::int64_t>(2048));
        QCOMPARE(both.encodeForScoring("a"), (Ids{256, 'a'}));
        QCOMPARE(both.encodeForScoring("<s>a"), (Ids{256, 'a'}));
        QCOMPARE(both.encodeForScoring(" <s>a"), (Ids{256, ' ', 256, 'a'}));
        QVERIFY(both.isSpecial(256) && both.isSpecial(257) && !both.isSpecial(258) && !both.isSpecial(97));
        QCOMPARE(both.decode(Ids{256, 'a', 258}, true), std::string("aplain"));
        // Without BOS the harness takes EOS; 1e30 is how "no limit" is written.
        const Tokenizer end =
            with(R"({"bos_token":null,"eos_token":"</s>","model_max_length":1000000000000000019884624838656})");
        QCOMPARE(end.prefixText(), std::string("</s>"));
        QVERIFY(!end.maxLength());
        QCOMPARE(end.encodeForScoring("</s>a"), (Ids{257, 'a'}));
        QVERIFY(!with(R"({"model_max_length":"long"})").maxLength());
        // A class of no family has no token but those named; compared live in tst_harness_oracle.
        QCOMPARE(with(R"({"eos_token":"</s>"})").prefixText(), std::string("</s>"));
        QCOMPARE(with(R"({"eos_token":"</s>","tokenizer_class":"LlamaTokenizer"})").prefixText(), std::string("<s>"));
    }

    void punctuationIsCleanedForUnigramOnly() {
        const char* config = R"({"clean_up_tokenization_spaces":true})";
        const auto unigram = Tokenizer::fromJson(
            unigramFile({{"<unk>", -9}, {"it", -1}, {"'s", -1}, {"here", -1}, {".", -1}}).dump(), "test", config);
        QVERIFY(unigram);
        // No decoder: tokens are joined by spaces.
        QCOMPARE(unigram->decode(Ids{1, 2, 3, 4}), std::string("it's here."));
        const auto bytes = Tokenizer::fromJson(byteLevelFile({}).dump(), "test", config);
        QVERIFY(bytes);
        QCOMPARE(bytes->decode(Ids{'a', ' ', '.'}), std::string("a ."));
    }

    void threadsShareOneTokenizer() {
        const Tokenizer tokenizer = make(byteLevelFile({{"a", "a"}, {"t", "h"}, {"th", "e"}}));
        std::string text;
        for (int i = 0; i < 3000; ++i)
            text += "the word" + std::to_string(i % 700) + " aaa ";
        const Ids expected = tokenizer.encode(text);
        std::atomic<int> equal = 0;
        {
            std::vector<std::jthread> threads;
            for (int t = 0; t < 4; ++t)
                threads.emplace_back([&] {
                    equal += make(byteLevelFile({{"a", "a"}, {"t", "h"}, {"th", "e"}})).encode(text) == expected &&
                             tokenizer.encode(text) == expected;
                });
        }
        QCOMPARE(equal.load(), 4);
    }

    void refusedFiles_data() {
        QTest::addColumn<std::string>("text");
        QTest::addColumn<int>("kind");
        QTest::addColumn<std::string>("names");
        const auto row = [](const char* name, std::string text, ErrorKind kind, const char* names) {
            QTest::newRow(name) << std::move(text) << static_cast<int>(kind) << std::string(names);
        };
        const auto with = [](const char* pointer, Json value) {
            Json file = byteLevelFile({{"a", "a"}});
            file[Json::json_pointer(pointer)] = std::move(value);
            return file.dump();
        };
        row("empty", "", ErrorKind::Malformed, "JSON");
        row("no JSON", "tokens", ErrorKind::Malformed, "JSON");
        row("list", "[]", ErrorKind::Malformed, "object");
        row("no model", R"({"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false}})", ErrorKind::Malformed,
            "model");
        row("cut off", byteLevelFile({}).dump().substr(0, 2000), ErrorKind::Malformed, "JSON");
        row("deep", std::string(100'000, '['), ErrorKind::Malformed, "deep");
        row("many values", std::string(2'000'000, ','), ErrorKind::Malformed, "values");
        row("WordPiece", with("/model/type", "WordPiece"), ErrorKind::Unsupported, "WordPiece");
        row("dropout", with("/model/dropout", 0.1), ErrorKind::Unsupported, "dropout");
        row("negative id", with("/model/vocab/a", -1), ErrorKind::Malformed, "id");
        row("huge id", with("/model/vocab/a", 99'999'999'999LL), ErrorKind::Malformed, "id");
        row("fractional id", with("/model/vocab/a", 1.5), ErrorKind::Malformed, "id");
        row("same id twice", with("/model/vocab/a", 98), ErrorKind::Malformed, "98");
        row("merge of three", with("/model/merges/0", Json{"a", "a", "a"}), ErrorKind::Malformed, "merge 0");
        row("merge without space", with("/model/merges/0", "aa"), ErrorKind::Malformed, "merge 0");
        row("merge of a number", with("/model/merges/0", 7), ErrorKind::Malformed, "merge 0");
        row("merge out of vocabulary", with("/model/merges/0", Json{"a", "z"}), ErrorKind::Malformed, "merge 0");
        row("merges missing", with("/model/merges", nullptr), ErrorKind::Malformed, "merges");
        row("unk_token missing", with("/model/unk_token", "<unk>"), ErrorKind::Malformed, "unk_token");
        row("pre-tokenizer without type", with("/pre_tokenizer", Json::object()), ErrorKind::Malformed, "type");
        row("unknown regex",
            with("/pre_tokenizer",
                 {{"type", "Split"}, {"pattern", {{"Regex", "a+b"}}}, {"behavior", "Isolated"}, {"invert", false}}),
            ErrorKind::Unsupported, "a+b");
        row("normalizer a text", with("/normalizer", "NFC"), ErrorKind::Malformed, "normalizer");
        row("BERT template", with("/post_processor", {{"type", "BertProcessing"}}), ErrorKind::Unsupported,
            "BertProcessing");
        row("template without list", with("/post_processor", {{"type", "TemplateProcessing"}}), ErrorKind::Malformed,
            "single");
        row("added token without flags", with("/added_tokens", {{{"id", 1}, {"content", "x"}}}), ErrorKind::Malformed,
            "special");
        row("added tokens an object", with("/added_tokens", Json::object()), ErrorKind::Malformed, "added_tokens");
        row("added token twice", with("/added_tokens", {addedToken("x", true), addedToken("x", true)}),
            ErrorKind::Malformed, "twice");
        // Where the reference cuts between all characters, takes one of two tokens by chance, or marks every digit of "\u2488".
        const auto normalized = [&](const char* normalizer, const std::vector<std::string>& contents) {
            Json file = byteLevelFile({{"a", "a"}});
            file["normalizer"] = Json::parse(normalizer);
            for (const std::string& content : contents) {
                file["added_tokens"].push_back(addedToken(content, false));
                file["added_tokens"].back()["normalized"] = true;
            }
            return file;
        };
        row("added token of which nothing is left",
            normalized(R"({"type":"Strip","strip_left":true,"strip_right":true})", {"  "}).dump(),
            ErrorKind::Unsupported, "leaves nothing");
        row("added tokens that become equal", normalized(R"({"type":"Lowercase"})", {"MASK", "Mask"}).dump(),
            ErrorKind::Unsupported, "equal to another");
        Json first = normalized(R"({"type":"NFKC"})", {});
        first["pre_tokenizer"] = Json::parse(R"({"type":"Sequence","pretokenizers":[{"type":"Digits","individual_digits":true},
            {"type":"Metaspace","replacement":"_","prepend_scheme":"first","split":true}]})");
        row("first behind what may cut the first character", first.dump(), ErrorKind::Unsupported, "\"first\"");
        row("added token huge", with("/added_tokens", Json::array({addedToken(std::string(5000, 'x'), true)})),
            ErrorKind::Malformed, "4096");
    }

    void refusedFiles() {
        QFETCH(std::string, text);
        QFETCH(int, kind);
        QFETCH(std::string, names);
        const double start = cpuMilliseconds();
        const auto made = Tokenizer::fromJson(text, "some/tokenizer.json");
        QVERIFY(cpuMilliseconds() - start < 2000);
        QVERIFY(!made);
        QVERIFY2(static_cast<int>(made.error().kind) == kind, made.error().text().c_str());
        QCOMPARE(made.error().where, std::string("some/tokenizer.json"));
        QVERIFY2(made.error().message.find(names) != std::string::npos, made.error().text().c_str());
    }

    void missingFileIsSaid() {
        const auto none = Tokenizer::load("no/such/folder");
        QVERIFY(!none);
        QCOMPARE(none.error().kind, ErrorKind::NotFound);
    }
};

QTEST_APPLESS_MAIN(TokenizerTest)
#include "tst_tokenizer.moc"
