// SPDX-License-Identifier: Apache-2.0
#include <filesystem>
#include <stop_token>

#include <QTemporaryDir>
#include <QTest>

#include "core/data/packed_tokens.h"
#include "core/text/bpe_trainer.h"

using namespace crest;
using namespace crest::data;

namespace {

namespace fs = std::filesystem;

text::Tokenizer tokenizerOf(std::int32_t vocab) {
    text::BpeTrainingOptions options;
    options.vocabSize = vocab;
    options.minFrequency = 1;
    const std::vector<std::string> documents{"the cat sat on the mat"};
    return *text::makeTokenizer(*text::trainBpe(documents, options));
}

Texts textsOf(const std::string& content) {
    return *parseTexts(content, "a.txt", TextFormat::Paragraphs);
}

std::vector<std::int32_t> idsOf(const PackedTokens& packed) {
    std::vector<std::int32_t> ids;
    for (std::int64_t i = 0; i < packed.size(); ++i)
        ids.push_back(packed[i]);
    return ids;
}

} // namespace

class PackedTokensTest : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void sameIdsAsTheTokenizedText() {
        const text::Tokenizer tokenizer = tokenizerOf(265);
        const Texts texts = textsOf("the cat\n\nsat on\n\nthe mat");
        const auto packed = PackedTokens::build(texts, tokenizer, 0);
        QVERIFY(packed);
        const auto tokens = tokenizeTexts(texts, tokenizer, 0);
        QCOMPARE(idsOf(*packed), tokens->ids);
        std::vector<std::int64_t> some(3);
        packed->copyTo(2, some);
        for (std::size_t i = 0; i < some.size(); ++i)
            QCOMPARE(some[i], std::int64_t(tokens->ids[i + 2]));
    }

    void cacheIsFoundByContent() {
        QTemporaryDir folder;
        const TokenCache cache{fs::path(folder.path().toStdString()) / "cache"};
        const text::Tokenizer tokenizer = tokenizerOf(265);
        const Texts texts = textsOf("the cat\n\nsat on\n\nthe mat");
        const auto first = PackedTokens::buildCached(texts, tokenizer, 0, cache);
        QVERIFY(first && !first->fromCache());
        const auto second = PackedTokens::buildCached(texts, tokenizer, 0, cache);
        QVERIFY(second && second->fromCache());
        QCOMPARE(idsOf(*second), idsOf(*first));
        QCOMPARE(second->contentHash(), first->contentHash());
        QVERIFY(!PackedTokens::buildCached(textsOf("the cat\n\nsat on\n\nthe max"), tokenizer, 0, cache)->fromCache());
        QVERIFY(!PackedTokens::buildCached(texts, tokenizerOf(266), 0, cache)->fromCache());
        // The end token is no part of what is kept.
        const auto otherEnd = PackedTokens::buildCached(texts, tokenizer, 1, cache);
        QVERIFY(otherEnd && otherEnd->fromCache());
        QCOMPARE(otherEnd->size(), first->size());
        QCOMPARE((*otherEnd)[otherEnd->size() - 1], 1);
    }

    void widthDoesNotMatterToTheHash() {
        const std::vector<std::int32_t> ids{0, 5, 65'535, 7};
        const auto narrow = PackedTokens::fromIds(ids, 65'536);
        const auto wide = PackedTokens::fromIds(ids, 65'537);
        QVERIFY(narrow && wide);
        QCOMPARE(idsOf(*narrow), ids);
        QCOMPARE(idsOf(*wide), ids);
        QCOMPARE(narrow->contentHash(), wide->contentHash());
        QCOMPARE(PackedTokens::fromIds(ids, 65'535).error().kind, ErrorKind::OutOfRange);
        QVERIFY(PackedTokens::fromIds(std::vector<std::int32_t>{0, 5, 7, 65'535}, 65'536)->contentHash() !=
                narrow->contentHash());
    }

    void stopsWhenAsked() {
        std::stop_source source;
        source.request_stop();
        const JobContext job(source.get_token());
        QCOMPARE(PackedTokens::build(textsOf("the cat"), tokenizerOf(265), 0, job).error().kind, ErrorKind::Stopped);
        QCOMPARE(PackedTokens::build(textsOf("the cat"), tokenizerOf(265), -1).error().kind, ErrorKind::OutOfRange);
    }
};

QTEST_APPLESS_MAIN(PackedTokensTest)
#include "tst_packed_tokens.moc"
