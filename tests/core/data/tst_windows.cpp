// SPDX-License-Identifier: Apache-2.0
#include <map>

#include <QTest>

#include "core/data/texts.h"
#include "core/text/bpe_trainer.h"

using namespace crest;
using namespace crest::data;

namespace {

/// Documents of these lengths (end tokens included) one after the other.
TokenizedText stream(const std::vector<int>& lengths) {
    TokenizedText text;
    for (const int length : lengths) {
        text.documents.push_back({static_cast<std::int64_t>(text.ids.size()), length});
        text.ids.insert(text.ids.end(), static_cast<std::size_t>(length), 1);
        text.ids.back() = 0;
    }
    return text;
}

WindowOptions options(std::int32_t context, std::int32_t stride, bool perDocument = false, bool fullOnly = false) {
    return {context, stride, perDocument, fullOnly, 0};
}

using Windows = std::vector<Window>;

} // namespace

class WindowsTest : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void workedByHand() {
        // Ten ids, four inputs at a time: targets 1-4, 5-8, 9.
        QCOMPARE(cutWindows(stream({10}), options(4, 4))->windows, (Windows{{0, 5, 1}, {4, 5, 1}, {8, 2, 1}}));
        // Half overlap: the second window starts at 2 and scores what the first did not, ids 5 and 6.
        QCOMPARE(cutWindows(stream({8}), options(4, 2))->windows, (Windows{{0, 5, 1}, {2, 5, 3}, {4, 4, 3}}));
        QCOMPARE(cutWindows(stream({3, 4}), options(8, 8, true))->windows, (Windows{{0, 3, 1}, {3, 4, 1}}));
        QCOMPARE(cutWindows(stream({3, 4}), options(8, 8, false))->windows, (Windows{{0, 7, 1}}));
    }

    void everyTargetOnce_data() {
        QTest::addColumn<int>("context");
        QTest::addColumn<int>("stride");
        QTest::addColumn<bool>("perDocument");
        for (const int context : {1, 2, 5, 8, 100})
            for (const int stride : {1, 2, 3, 5, 8, 100})
                for (const bool perDocument : {false, true})
                    if (stride <= context)
                        QTest::addRow("%d by %d%s", context, stride, perDocument ? " per document" : "")
                            << context << stride << perDocument;
    }

    void everyTargetOnce() {
        QFETCH(int, context);
        QFETCH(int, stride);
        QFETCH(bool, perDocument);
        const TokenizedText text = stream({1, 2, 17, 9, 1, 40});
        const auto plan = cutWindows(text, options(context, stride, perDocument));
        QVERIFY(plan);
        std::map<std::int64_t, int> scored;
        for (const Window& window : plan->windows) {
            QVERIFY(window.firstScored >= 1 && window.firstScored < window.length && window.length <= context + 1);
            for (std::int64_t i = window.firstScored; i < window.length; ++i)
                ++scored[window.begin + i];
            if (perDocument)
                QVERIFY(std::ranges::any_of(text.documents, [&](const DocumentSpan& d) {
                    return window.begin >= d.begin && window.begin + window.length <= d.begin + d.length;
                }));
        }
        std::int64_t expected = 0;
        for (const DocumentSpan& document : text.documents)
            for (std::int64_t i = 0; i < document.length; ++i) {
                const std::int64_t id = document.begin + i;
                const bool target = perDocument ? i > 0 : id > 0;
                QCOMPARE(scored[id], target ? 1 : 0);
                expected += target;
            }
        QCOMPARE(plan->targets, expected);
        QCOMPARE(plan->droppedTargets, std::int64_t(0));
    }

    void fullOnlyAndAtMost() {
        const auto full = cutWindows(stream({10}), options(4, 4, false, true));
        QCOMPARE(full->windows, (Windows{{0, 5, 1}, {4, 5, 1}}));
        QCOMPARE(full->droppedTargets, std::int64_t(1));
        WindowOptions few = options(4, 4);
        few.maxTargets = 3;
        const auto first = cutWindows(stream({10}), few);
        QCOMPARE(first->windows, (Windows{{0, 5, 1}}));
        QCOMPARE(first->targets, std::int64_t(4));
        QCOMPARE(first->droppedTargets, std::int64_t(5));
    }

    void refused() {
        QCOMPARE(cutWindows(stream({10}), options(0, 1)).error().kind, ErrorKind::OutOfRange);
        QCOMPARE(cutWindows(stream({10}), options(4, 5)).error().kind, ErrorKind::OutOfRange);
        QCOMPARE(cutWindows(stream({10}), options(4, 0)).error().kind, ErrorKind::OutOfRange);
        QCOMPARE(cutWindows(stream({1, 1}), options(4, 4, true)).error().kind, ErrorKind::Malformed);
        const auto shortText = cutWindows(stream({4}), options(4, 4, false, true));
        QCOMPARE(shortText.error().kind, ErrorKind::Malformed);
        QVERIFY(shortText.error().message.find("too few") != std::string::npos);
    }

    void tokenizedDocuments() {
        text::BpeTrainingOptions training;
        training.vocabSize = 257;
        const std::vector<std::string> documents{"ab"};
        const auto tokenizer = text::makeTokenizer(*text::trainBpe(documents, training));
        const auto texts = parseTexts("ab\n\nc\xC3\xA9\n", "a.txt", TextFormat::Paragraphs);
        const auto tokens = tokenizeTexts(*texts, *tokenizer, 0);
        QVERIFY(tokens);
        // Ids of the 256 bytes follow the end token in the order of the characters that stand for them: '!' is 1.
        const auto byte = [](char c) { return c - '!' + 1; };
        const std::vector<std::int32_t> start{byte('a'), byte('b'), 0, byte('c')};
        QCOMPARE(std::vector<std::int32_t>(tokens->ids.begin(), tokens->ids.begin() + 4), start);
        QCOMPARE(tokens->ids.size(), std::size_t(7));
        QCOMPARE(tokens->ids.back(), 0);
        QCOMPARE(tokens->documents.at(1).begin, std::int64_t(3));
        QCOMPARE(tokens->documents.at(1).length, std::int64_t(4));
        QCOMPARE(tokens->textBytes, std::int64_t(5));
        QCOMPARE(tokenizeTexts(*texts, *tokenizer, 9999).error().kind, ErrorKind::OutOfRange);
        const auto other = parseTexts("ab\n\nd\n", "a.txt", TextFormat::Paragraphs);
        QVERIFY(tokenizeTexts(*other, *tokenizer, 0)->contentHash != tokens->contentHash);
        QVERIFY(tokenizeTexts(*texts, *tokenizer, 1)->contentHash != tokens->contentHash);
    }
};

QTEST_APPLESS_MAIN(WindowsTest)
#include "tst_windows.moc"
