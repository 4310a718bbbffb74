// SPDX-License-Identifier: Apache-2.0
// Draws as CPython makes them (values of CPython 3.11 and of the harness: formats.md 4.3).
#include <numeric>

#include <QTest>

#include "core/data/few_shot.h"
#include "core/data/py_random.h"

using namespace crest;
using namespace crest::data;

using Indices = std::vector<std::int64_t>;

class FewShotTest : public QObject {
    Q_OBJECT

private:
    /// Shots that are the numbers of their rows.
    static Result<std::string> shots(const ShotRules& rules, int pool, int count, const Json& document, int same = -1) {
        FewShot few(rules, count,
                    [](const Json& row) -> Result<Shot> { return Shot{std::to_string(row["n"].get<int>()), "", false}; });
        for (int i = 0; i < pool; ++i)
            CREST_CHECK(few.add(i == same ? document : Json{{"n", i}}));
        CREST_TRY(drawn, few.before(document));
        std::string numbers;
        for (const Shot* shot : drawn)
            numbers += shot->question + " ";
        return numbers;
    }

private Q_SLOTS:
    void words() {
        PyRandom random(1234);
        for (const std::uint32_t expected : {4150886329U, 3342196574U, 1892932127U, 501869158U, 32175636U})
            QCOMPARE(random.nextWord(), expected);
    }

    void samples() {
        PyRandom easy(1234);
        QCOMPARE(easy.sample(2251, 5), (Indices{1805, 478, 30, 371, 143}));
        QCOMPARE(easy.sample(2251, 5), (Indices{343, 403, 1452, 969, 71}));
        QCOMPARE(easy.sample(2251, 5), (Indices{126, 64, 1417, 1983, 1898}));
        PyRandom challenge(1234);
        QCOMPARE(challenge.sample(1119, 25), (Indices{902, 239, 15,  185, 71,  171, 201, 726,  484, 35,  63,  32,  708,
                                                      991, 949, 304, 186, 374, 234, 29,  1030, 996, 511, 132, 1108}));
        PyRandom hellaswag(1234);
        QCOMPARE(hellaswag.sample(39905, 11),
                 (Indices{28883, 7657, 490, 5940, 38156, 2288, 5500, 6450, 23241, 15519, 1142}));
        QCOMPARE(hellaswag.sample(39905, 11),
                 (Indices{2019, 1038, 22681, 31735, 30379, 9735, 5982, 11999, 7498, 958, 32970}));
        PyRandom small(1234);
        QCOMPARE(small.sample(10, 5), (Indices{7, 1, 0, 9, 4}));
        QCOMPARE(small.sample(10, 5), (Indices{0, 1, 8, 6, 2}));
    }

    void oneMoreIsDrawnAndTheQuestionRemoved() {
        ShotRules rules;
        rules.withoutSelf = true;
        const Json document{{"n", 7657}, {"own", true}};
        const auto drawn = shots(rules, 40398, 5, document, 7657);
        QVERIFY(drawn);
        QCOMPARE(*drawn, "28883 490 5940 38156 2288 ");
        const auto without = shots(rules, 40398, 5, document);
        QVERIFY(without);
        QCOMPARE(*without, "28883 7657 490 5940 38156 ");
    }

    void firstOnes() {
        ShotRules rules;
        rules.first = true;
        QCOMPARE(*shots(rules, 5, 3, Json{{"n", 1}}), "0 1 2 ");
        rules.withoutSelf = true;
        QCOMPARE(*shots(rules, 5, 3, Json{{"n", 1}}), "0 2 3 ");
    }

    void tooFewRowsAreRefused() {
        ShotRules rules;
        const auto drawn = shots(rules, 3, 4, Json{{"n", 9}});
        QVERIFY(!drawn);
        QCOMPARE(drawn.error().kind, ErrorKind::OutOfRange);
    }
};

QTEST_GUILESS_MAIN(FewShotTest)
#include "tst_few_shot.moc"
