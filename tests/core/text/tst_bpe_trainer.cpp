// SPDX-License-Identifier: Apache-2.0
#include <stop_token>

#include <QTest>

#include "core/text/bpe_trainer.h"

using namespace crest;
using namespace crest::text;

namespace {

BpeTrainingOptions optionsFor(std::int32_t vocab, std::int64_t least = 1) {
    BpeTrainingOptions options;
    options.vocabSize = vocab;
    options.minFrequency = least;
    return options;
}

} // namespace

class BpeTrainerTest : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void workedByHand() {
        // Pre-tokens low, " low", " lower", " lowest" (space is U+0120): lo 4, ow 4, then among the pairs with the
        // space 3. (l,o) comes before (o,w) because its first id is lower. Then (lo,w) 4, then (U+0120,low) 3.
        const std::vector<std::string> documents{"low low lower lowest"};
        const auto trained = trainBpe(documents, optionsFor(260));
        QVERIFY(trained);
        using Merge = std::pair<std::string, std::string>;
        QCOMPARE(trained->merges, (std::vector<Merge>{{"l", "o"}, {"lo", "w"}, {"\xC4\xA0", "low"}}));
        QCOMPARE(trained->tokens.size(), std::size_t(260));
        QCOMPARE(trained->tokens[0], std::string("<|endoftext|>"));
        QCOMPARE(trained->tokens[1], std::string("!"));
        QCOMPARE(trained->tokens[257], std::string("lo"));
    }

    void rarePairsStayApart() {
        const std::vector<std::string> documents{"low low lower lowest"};
        const auto trained = trainBpe(documents, optionsFor(5000, 3));
        QVERIFY(trained);
        QCOMPARE(trained->merges.size(), std::size_t(3));
    }

    void roundTrip() {
        const std::vector<std::string> documents{"the cat sat on the mat, the cat",
                                                 "gr\xC3\xBC\xC3\x9F dich <|endoftext|>\n\n  x"};
        const auto trained = trainBpe(documents, optionsFor(300));
        QVERIFY(trained);
        const auto tokenizer = makeTokenizer(*trained);
        QVERIFY(tokenizer);
        for (const std::string& document : documents)
            QCOMPARE(tokenizer->decode(tokenizer->encode(document)), document);
        QCOMPARE(tokenizer->encode("<|endoftext|>"), std::vector<std::int32_t>{0});
        QCOMPARE(tokenizer->eosId(), std::optional<std::int32_t>(0));
        QVERIFY(tokenizer->encode("the cat").size() < 7);
    }

    void sameTextSameTokenizer() {
        std::vector<std::string> documents;
        for (int i = 0; i < 500; ++i)
            documents.push_back("word" + std::to_string(i * 37 % 101) + " and " + std::to_string(i));
        const auto first = trainBpe(documents, optionsFor(400));
        std::reverse(documents.begin(), documents.end());
        const auto second = trainBpe(documents, optionsFor(400));
        QVERIFY(first && second);
        QCOMPARE(first->merges, second->merges);
    }

    void badOptionsAreSaid() {
        const std::vector<std::string> documents{"a"};
        QCOMPARE(trainBpe(documents, optionsFor(256)).error().kind, ErrorKind::OutOfRange);
        QCOMPARE(trainBpe(documents, optionsFor(2'000'000)).error().kind, ErrorKind::OutOfRange);
        QCOMPARE(trainBpe(documents, optionsFor(300, 0)).error().kind, ErrorKind::OutOfRange);
        BpeTrainingOptions twice = optionsFor(300);
        twice.specialTokens = {"<a>", "<a>"};
        QCOMPARE(trainBpe(documents, twice).error().kind, ErrorKind::OutOfRange);
        twice.specialTokens = {};
        QCOMPARE(trainBpe(documents, twice).error().kind, ErrorKind::OutOfRange);
    }

    void stopsAndReports() {
        const std::vector<std::string> documents{"low low lower lowest"};
        std::stop_source source;
        std::int64_t reports = 0;
        const JobContext job(source.get_token(), [&](const Progress&) { ++reports; });
        QVERIFY(trainBpe(documents, optionsFor(260), job));
        QVERIFY(reports > 0);
        source.request_stop();
        QCOMPARE(trainBpe(documents, optionsFor(260), job).error().kind, ErrorKind::Stopped);
    }
};

QTEST_APPLESS_MAIN(BpeTrainerTest)
#include "tst_bpe_trainer.moc"
