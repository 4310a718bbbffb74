// SPDX-License-Identifier: Apache-2.0
// Ids that are kept: found by content only, checked, bounded, and never a reason to fail.
#include <chrono>
#include <filesystem>
#include <stop_token>

#include <QTemporaryDir>
#include <QTest>

#include "core/base/json.h"
#include "core/data/texts.h"
#include "core/data/token_cache.h"
#include "core/io/files.h"
#include "core/text/bpe_trainer.h"

using namespace crest;
using namespace crest::data;

namespace {

namespace fs = std::filesystem;

const std::vector<std::string> kTexts{"the cat", "", "sat on<|endoftext|>", "the mat", ""};

text::Tokenizer tokenizerOf(std::int32_t vocab) {
    text::BpeTrainingOptions options;
    options.vocabSize = vocab;
    options.minFrequency = 1;
    const std::vector<std::string> documents{"the cat sat on the mat"};
    return *text::makeTokenizer(*text::trainBpe(documents, options));
}

/// Bytes as tokens with a BOS in front, and room for ids that need four bytes.
text::Tokenizer tokenizerWithTemplate(bool wide) {
    Json vocab{{"a", 0}, {"b", 1}, {"<s>", 2}};
    if (wide)
        vocab["far"] = 70'000;
    const Json file{{"version", "1.0"},
                    {"added_tokens",
                     {{{"id", 2},
                       {"content", "<s>"},
                       {"special", true},
                       {"normalized", false},
                       {"lstrip", false},
                       {"rstrip", false},
                       {"single_word", false}}}},
                    {"post_processor",
                     {{"type", "TemplateProcessing"},
                      {"single", {{{"SpecialToken", {{"id", "<s>"}}}}, {{"Sequence", {{"id", "A"}}}}}},
                      {"special_tokens", {{"<s>", {{"ids", {2}}}}}}}},
                    {"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", Json::array()}}}};
    return *text::Tokenizer::fromJson(file.dump(), "test");
}

std::vector<fs::path> filesIn(const fs::path& folder) {
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(folder))
        files.push_back(entry.path());
    return files;
}

} // namespace

class TokenCacheTest : public QObject {
    Q_OBJECT

private:
    QTemporaryDir m_folder;
    fs::path fresh() const {
        static int count = 0;
        return fs::path(m_folder.path().toStdString()) / std::to_string(count++);
    }

private Q_SLOTS:
    void keptByContent() {
        const TokenCache cache{fresh()};
        const text::Tokenizer tokenizer = tokenizerOf(265);
        const auto first = TokenLists::of(kTexts, tokenizer, TokenMode::Plain, cache);
        QVERIFY(first && !first->fromCache());
        const auto second = TokenLists::of(kTexts, tokenizer, TokenMode::Plain, cache);
        QVERIFY(second && second->fromCache());
        QCOMPARE(second->all(), first->all());
        for (std::size_t i = 0; i < kTexts.size(); ++i)
            QCOMPARE(second->all()[i], tokenizer.encode(kTexts[i]));
        // Other borders, another order, another tokenizer: other ids.
        QVERIFY(
            !TokenLists::of(std::vector<std::string>{"the", " cat"}, tokenizer, TokenMode::Plain, cache)->fromCache());
        QVERIFY(
            !TokenLists::of(std::vector<std::string>{"the ", "cat"}, tokenizer, TokenMode::Plain, cache)->fromCache());
        QVERIFY(!TokenLists::of(kTexts, tokenizerOf(266), TokenMode::Plain, cache)->fromCache());
        QCOMPARE(filesIn(cache.folder).size(), std::size_t(4));
    }

    void modesAndWidths() {
        for (const bool wide : {false, true}) {
            const TokenCache cache{fresh()};
            const text::Tokenizer tokenizer = tokenizerWithTemplate(wide);
            const std::vector<std::string> texts{"ab", "<s>b"};
            const std::vector<std::vector<std::int32_t>> plain{{0, 1}, {2, 1}};
            const std::vector<std::vector<std::int32_t>> whole{{2, 0, 1}, {2, 2, 1}};
            const std::vector<std::vector<std::int32_t>> scoring{{2, 0, 1}, {2, 1}};
            for (int round = 0; round < 2; ++round) {
                const auto of = [&](TokenMode mode) { return *TokenLists::of(texts, tokenizer, mode, cache); };
                QCOMPARE(of(TokenMode::Plain).all(), plain);
                QCOMPARE(of(TokenMode::Template).all(), whole);
                QCOMPARE(of(TokenMode::Scoring).all(), scoring);
                QVERIFY(of(TokenMode::Scoring).fromCache());
            }
        }
    }

    void damagedIsMadeAgain_data() {
        QTest::addColumn<int>("damage");
        QTest::newRow("flipped byte of an id") << 0;
        QTest::newRow("flipped byte of a length") << 1;
        QTest::newRow("cut off") << 2;
        QTest::newRow("empty") << 3;
        QTest::newRow("no header") << 4;
        QTest::newRow("longer") << 5;
        QTest::newRow("another key") << 6;
    }

    void damagedIsMadeAgain() {
        QFETCH(int, damage);
        const TokenCache cache{fresh()};
        const text::Tokenizer tokenizer = tokenizerOf(265);
        const auto good = TokenLists::of(kTexts, tokenizer, TokenMode::Plain, cache)->all();
        const fs::path file = filesIn(cache.folder).front();
        std::string content = *io::readTextFile(file);
        const auto flip = [&](std::size_t at) { content[at] = static_cast<char>(content[at] ^ 1); };
        if (damage == 0)
            flip(content.size() - 3);
        else if (damage == 1)
            flip(512);
        else if (damage == 2)
            content.pop_back();
        else if (damage == 3)
            content.clear();
        else if (damage == 4)
            content = std::string(content.size(), 'x');
        else if (damage == 5)
            content += "xx";
        else
            flip(content.find("\"key\":\"") + 7);
        QVERIFY(io::writeFileAtomic(file, content));
        const auto again = TokenLists::of(kTexts, tokenizer, TokenMode::Plain, cache);
        QVERIFY(again && !again->fromCache());
        QCOMPARE(again->all(), good);
        QVERIFY(TokenLists::of(kTexts, tokenizer, TokenMode::Plain, cache)->fromCache());
    }

    void boundedBytes() {
        TokenCache cache{fresh()};
        const text::Tokenizer tokenizer = tokenizerOf(265);
        const auto keep = [&](const char* text) {
            return TokenLists::of(std::vector<std::string>{text}, tokenizer, TokenMode::Plain, cache)->fromCache();
        };
        QVERIFY(!keep("one") && !keep("two") && !keep("three"));
        // Two hours ago, but for the first, which is used again.
        for (const fs::path& file : filesIn(cache.folder))
            fs::last_write_time(file, fs::file_time_type::clock::now() - std::chrono::hours(2));
        QVERIFY(keep("one"));
        cache.maxBytes = 3 * 512;
        QVERIFY(!keep("four"));
        QCOMPARE(filesIn(cache.folder).size(), std::size_t(2));
        QVERIFY(keep("one") && keep("four"));
        // Foreign files are nobody's business.
        QVERIFY(io::writeFileAtomic(cache.folder / "mine.txt", std::string(10'000, 'x')));
        cache.maxBytes = 0;
        QVERIFY(!keep("five"));
        QVERIFY(fs::exists(cache.folder / "mine.txt"));
        QCOMPARE(filesIn(cache.folder).size(), std::size_t(2));
    }

    void shortTextsAndNoFolderAreNotKept() {
        const text::Tokenizer tokenizer = tokenizerOf(265);
        TokenCache cache{fresh()};
        cache.minTextBytes = 1000;
        QVERIFY(TokenLists::of(kTexts, tokenizer, TokenMode::Plain, cache));
        QVERIFY(!fs::exists(cache.folder));
        const auto unwritable = TokenLists::of(kTexts, tokenizer, TokenMode::Plain, TokenCache{"/proc/no/such/folder"});
        QVERIFY(unwritable && !unwritable->fromCache());
        QCOMPARE(TokenLists::of(kTexts, tokenizer, TokenMode::Plain)->size(), kTexts.size());
        QCOMPARE(TokenLists::of({}, tokenizer, TokenMode::Plain)->size(), std::size_t(0));
    }

    void folderOfTheUser() {
        qputenv("CREST_CACHE", "/a/b");
        QCOMPARE(TokenCache::ofUser().folder, fs::path("/a/b/crest/tokens"));
        QVERIFY(TokenCache::ofUser().maxBytes == 2'000'000'000);
        qunsetenv("CREST_CACHE");
        qputenv("XDG_CACHE_HOME", "/c");
        QCOMPARE(TokenCache::ofUser().folder, fs::path("/c/crest/tokens"));
        qputenv("XDG_CACHE_HOME", "relative"); // counts as unset (XDG Base Directory Specification)
        qputenv("HOME", "/h");
        QCOMPARE(TokenCache::ofUser().folder, fs::path("/h/.cache/crest/tokens"));
        qunsetenv("XDG_CACHE_HOME");
        qunsetenv("HOME");
        QVERIFY(TokenCache::ofUser().folder.empty());
    }

    void theTextOfAProbeIsTheSame() {
        const TokenCache cache{fresh()};
        const text::Tokenizer tokenizer = tokenizerOf(265);
        const Texts texts = *parseTexts("the cat\n\nsat on<|endoftext|>\n\nthe mat", "a.txt", TextFormat::Paragraphs);
        const auto without = tokenizeTexts(texts, tokenizer, 0);
        for (int round = 0; round < 2; ++round) {
            const auto with = tokenizeTexts(texts, tokenizer, 0, {}, cache);
            QVERIFY(with);
            QCOMPARE(with->ids, without->ids);
            QCOMPARE(with->contentHash, without->contentHash);
            QCOMPARE(with->documents.size(), std::size_t(3));
            for (const DocumentSpan& span : with->documents)
                QCOMPARE(with->ids[static_cast<std::size_t>(span.begin + span.length - 1)], 0);
        }
        std::stop_source source;
        source.request_stop();
        QCOMPARE(tokenizeTexts(texts, tokenizer, 0, JobContext(source.get_token())).error().kind, ErrorKind::Stopped);
    }
};

QTEST_APPLESS_MAIN(TokenCacheTest)
#include "tst_token_cache.moc"
