// SPDX-License-Identifier: Apache-2.0
// The shipped sample shows the effect that it is there for, by the real engine: crest-run probe noise on the series of the first
// pretraining seed and the dictionary, a small part of what resources/sample/PROTOCOL.md has. Draws and windows are fixed, so the
// numbers are the same everywhere up to rounding; that each claim holds by several standard errors says that it is no luck of theirs.
#include <algorithm>
#include <cmath>
#include <map>

#include <QDir>
#include <QTemporaryDir>
#include <QtTest>

#include "tests/support/crest_run.h"
#include "tests/support/peers.h"

using namespace crest;
using namespace crest::test;

namespace {

const QString kSeries = QStringLiteral("resources/sample/series/sample-seed1");
const QString kText = QStringLiteral("resources/sample/texts/dictionary.jsonl");
constexpr std::size_t kBudgets = 8, kDraws = 5, kWindows = 32;
constexpr double kClear = 4; ///< standard errors

QString inSource(const QString& name) {
    return QStringLiteral(CREST_SOURCE_DIR "/") + name;
}

double mean(const std::vector<double>& values) {
    double sum = 0;
    for (const double value : values)
        sum += value;
    return sum / static_cast<double>(values.size());
}

/// How many standard errors the mean of paired differences `a - b` lies above 0.
double errorsAbove(const std::vector<double>& a, const std::vector<double>& b) {
    std::vector<double> differences(a.size()), squares(a.size());
    for (std::size_t i = 0; i < a.size(); ++i)
        differences[i] = a[i] - b[i];
    const double middle = mean(differences), n = static_cast<double>(a.size());
    for (std::size_t i = 0; i < a.size(); ++i)
        squares[i] = std::pow(differences[i] - middle, 2);
    return middle / std::sqrt(mean(squares) / (n - 1));
}

} // namespace

class TestSampleEffect : public QObject {
    Q_OBJECT

    QTemporaryDir m_folder;
    std::vector<double> m_base;                                 ///< by budget
    std::map<double, std::vector<std::vector<double>>> m_noisy; ///< by gamma: by budget, the loss of each draw
    double m_leastMargin = INFINITY;

    /// Of a result: its budget's place among all.
    void keep(const Json& result, const std::vector<std::int64_t>& budgets) {
        const auto budget = std::ranges::lower_bound(budgets, result.at("tokens").get<std::int64_t>()) - budgets.begin();
        const double loss = result.at("value").get<double>();
        if (result.at("modification") == "none") {
            m_base.at(static_cast<std::size_t>(budget)) = loss;
        } else {
            auto& byBudget = m_noisy[result.at("strength").get<double>()];
            byBudget.resize(kBudgets, std::vector<double>(kDraws, NAN));
            byBudget.at(static_cast<std::size_t>(budget)).at(result.at("seed").get<std::size_t>() - 1) = loss;
        }
    }

    std::vector<double> increase(double gamma, std::size_t budget) const {
        std::vector<double> out = m_noisy.at(gamma).at(budget);
        for (double& loss : out)
            loss -= m_base[budget];
        return out;
    }

    void isClear(double errors, const QString& what) {
        QVERIFY2(errors > kClear, qPrintable(QStringLiteral("%1 by %2 standard errors").arg(what).arg(errors)));
        m_leastMargin = std::min(m_leastMargin, errors);
    }

    /// After which budget the loss under noise is lowest.
    std::size_t lowest(double gamma) const {
        const auto& byBudget = m_noisy.at(gamma);
        return static_cast<std::size_t>(std::ranges::min_element(byBudget, {}, mean) - byBudget.begin());
    }

private Q_SLOTS:
    void initTestCase() {
        qputenv("XDG_CACHE_HOME", m_folder.filePath(QStringLiteral("cache")).toUtf8());
        const QString study = m_folder.filePath(QStringLiteral("study"));
        const Ended probed = crestRun({"probe", "noise", "--series", inSource(kSeries), "--study", study, "--gammas", "0.05", "0.2", "0.4",
                                       "--seeds", QString::number(kDraws), "--max-windows", QString::number(kWindows), "--texts",
                                       QStringLiteral("dictionary=%1:id").arg(inSource(kText)), "--json"});
        QVERIFY2(probed.code == 0, probed.err.constData());
        const Ended results = crestRun({"results", "--json", study});
        QVERIFY2(results.code == 0, results.err.constData());
        QCOMPARE(results.lines.size(), kBudgets * (1 + 3 * kDraws));
        std::vector<std::int64_t> budgets;
        for (const Json& line : results.lines)
            budgets.push_back(line.at("tokens").get<std::int64_t>());
        std::ranges::sort(budgets);
        budgets.erase(std::ranges::unique(budgets).begin(), budgets.end());
        QCOMPARE(budgets.size(), kBudgets);
        m_base.resize(kBudgets, NAN);
        for (const Json& line : results.lines) {
            QCOMPARE(line.at("metric").get<std::string>(), std::string("loss"));
            QCOMPARE(line.at("n").get<std::size_t>(), kWindows);
            keep(line, budgets);
        }
        QCOMPARE(m_noisy.size(), std::size_t{3});
    }

    /// Whose losses of the single windows, which are the same for all checkpoints, say how clear the fall is.
    void baseLossIsThatOfTransformersAndFallsAtEveryDoubling() {
        QStringList question{"window-losses", inSource(kText), QString::number(kWindows)};
        const QStringList names = QDir(inSource(kSeries)).entryList(QDir::Dirs | QDir::NoDotAndDotDot, QDir::Name); // by step
        for (const QString& name : names)
            question << inSource(kSeries) + u'/' + name;
        const auto answer = askPeerOnce({"tests/oracle/model_reference.py", question, {}, {kSeries, kText}});
        QVERIFY2(answer, answer ? "" : answer.error().text().c_str());
        const auto windows = Json::parse(*answer).get<std::vector<std::vector<double>>>();
        QCOMPARE(windows.size(), kBudgets);
        for (std::size_t budget = 0; budget < kBudgets; ++budget) {
            const double ours = m_base[budget], theirs = mean(windows[budget]);
            QVERIFY2(std::abs(ours - theirs) <= 1e-5 * theirs, qPrintable(QStringLiteral("%1 and %2").arg(ours).arg(theirs)));
            if (budget > 0)
                isClear(errorsAbove(windows[budget - 1], windows[budget]), QStringLiteral("%1 is better").arg(names[static_cast<qsizetype>(budget)]));
        }
    }

    void noiseCostsMoreAfterEveryDoubling() {
        for (const auto& [gamma, byBudget] : m_noisy)
            for (std::size_t budget = 1; budget < byBudget.size(); ++budget)
                isClear(errorsAbove(increase(gamma, budget), increase(gamma, budget - 1)),
                        QStringLiteral("gamma %1: doubling %2 raises the increase").arg(gamma).arg(budget));
    }

    void underNoiseTheLossTurnsAndEarlierWhereThereIsMore() {
        for (const double gamma : {0.2, 0.4}) {
            const std::size_t best = lowest(gamma);
            QVERIFY2(best > 0 && best + 1 < kBudgets, qPrintable(QStringLiteral("gamma %1: lowest at %2").arg(gamma).arg(best)));
            for (std::size_t other = 0; other < kBudgets; ++other)
                if (other != best)
                    isClear(errorsAbove(m_noisy.at(gamma)[other], m_noisy.at(gamma)[best]),
                            QStringLiteral("gamma %1: budget %2 is above budget %3").arg(gamma).arg(other).arg(best));
        }
        QVERIFY(lowest(0.4) < lowest(0.2));
    }

    void cleanupTestCase() { qInfo("the least clear of all holds by %.1f standard errors", m_leastMargin); }
};

QTEST_GUILESS_MAIN(TestSampleEffect)
#include "tst_sample_effect.moc"
