// SPDX-License-Identifier: Apache-2.0
// The two-layer linear network against the tables of its specification (typed in, all printed digits), against gradient descent on whole
// matrices with arbitrary singular vectors, and against the gradient flow integrated step by step.
#include <cmath>
#include <random>

#include <Eigen/Dense>
#include <QTest>

#include "core/analysis/theory.h"
#include "core/analysis/theory_noise.h"
#include "core/analysis/theory_state.h"

using namespace crest;
using namespace crest::analysis;
using Eigen::MatrixXd;

namespace {

const std::vector<double> kSigma{3, 2, 1.2, 0.7, 0.4, 0.2}, kReversed{0.2, 0.4, 0.7, 1.2, 2, 3}, kAligned{2.4, 2.2, 1, 0.8, 0.35, 0.25};

TheoryModel modelWith(std::vector<double> target) {
    TheoryModel model;
    model.sigma = kSigma;
    model.target = std::move(target);
    return model;
}

/// Equal to all four printed decimals.
QByteArray compared(const std::vector<double>& values, const std::vector<double>& printed) {
    if (values.size() != printed.size())
        return "sizes differ";
    for (std::size_t i = 0; i < values.size(); ++i)
        if (std::abs(values[i] - printed[i]) > 0.5e-4 * (1 + 1e-9))
            return QByteArray("column ") + QByteArray::number(qulonglong(i + 1)) + ": " + QByteArray::number(values[i], 'g', 10) + ", wanted " +
                   QByteArray::number(printed[i]);
    return {};
}

MatrixXd randomRotation(int d, unsigned seed) {
    std::mt19937_64 random(seed);
    std::normal_distribution<double> normal;
    const MatrixXd gaussian = MatrixXd::NullaryExpr(d, d, [&] { return normal(random); });
    return Eigen::HouseholderQR<MatrixXd>(gaussian).householderQ();
}

MatrixXd diagonal(const std::vector<double>& values) {
    return Eigen::Map<const Eigen::VectorXd>(values.data(), static_cast<Eigen::Index>(values.size())).asDiagonal();
}

/// Plain gradient descent on L_B with the pull, whole matrices, both factors from the same point.
std::pair<MatrixXd, MatrixXd> descend(MatrixXd w1, MatrixXd w2, const MatrixXd& target, const TheoryTuning& tuning) {
    const MatrixXd start1 = w1, start2 = w2;
    for (int k = 0; k < tuning.steps; ++k) {
        const MatrixXd error = w2 * w1 - target;
        const MatrixXd g1 = w2.transpose() * error + tuning.pull * (w1 - start1), g2 = error * w1.transpose() + tuning.pull * (w2 - start2);
        w1 -= tuning.rate * g1;
        w2 -= tuning.rate * g2;
    }
    return {w1, w2};
}

std::vector<double> losses(const TheoryModel& model, const TheoryTuning& tuning, const std::vector<double>& wanted) {
    std::vector<double> out;
    for (const std::vector<double>& tuned : tunedFeatures(model, tuning, featuresAtAll(model, stopTimes(model))))
        out.push_back(quadraticLoss(tuned, wanted));
    return out;
}

} // namespace

class TheoryTest : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void learning();
    void noise_data();
    void noise();
    void tuning_data();
    void tuning();
    void pullHasAClosedForm();
    void fewStepsAreSaidToBeFew();
    void featuresFollowTheFlow();
    void diagonalIsTheWholeMatrix_data();
    void diagonalIsTheWholeMatrix();
    void smallStepsAreTheFlow();
    void monteCarloAgrees();
    void monteCarloErrorIsHonest();
    void drawsDoNotDependOnWhatElseIsAsked();
    void divergenceIsSaid();
    void settingsAreChecked_data();
    void settingsAreChecked();
    void turns();
    void ownStops();
    void sentences();
    void unlearnedModesMayMove();
    void aStopIsHeard();
};

void TheoryTest::learning() {
    const TheoryModel model = modelWith(kReversed);
    QCOMPARE(compared(switchOnTimes(model), {3.2532, 4.7785, 7.7513, 12.9029, 21.8805, 42.0281}), QByteArray());
    const std::vector<double> stops = stopTimes(model);
    QCOMPARE(compared(stops, {3.9428, 6.0860, 10.0007, 16.8024, 30.3248, 126.0843}), QByteArray());
    std::vector<double> base;
    for (const double time : stops)
        base.push_back(quadraticLoss(featuresAt(model, time), model.sigma));
    QCOMPARE(compared(base, {2.9318, 1.0393, 0.3368, 0.0973, 0.0196, 0.0000}), QByteArray());
    for (std::size_t i = 0; i < kSigma.size(); ++i) // half learned at tau
        QVERIFY(std::abs(featureAt(kSigma[i], model.start, switchOnTimes(model)[i]) - kSigma[i] / 2) < 1e-12);
}

void TheoryTest::noise_data() {
    QTest::addColumn<double>("gamma");
    QTest::addColumn<std::vector<double>>("expected");
    QTest::addColumn<double>("threshold");
    QTest::addColumn<int>("best");   // 0: none
    QTest::addColumn<int>("costly"); // first mode below the threshold, 0: none
    const auto row = [](double gamma, std::vector<double> expected, double threshold, int best, int costly) {
        QTest::addRow("gamma %g", gamma) << gamma << expected << threshold << best << costly;
    };
    row(0.05, {2.9778, 1.1151, 0.4306, 0.2016, 0.1298, 0.1132}, 0.03, 0, 0);
    row(0.10, {3.1238, 1.3507, 0.7200, 0.5223, 0.4685, 0.4608}, 0.12, 0, 0);
    row(0.20, {3.8297, 2.4147, 1.9991, 1.9270, 1.9448, 1.9728}, 0.48, 4, 5);
    row(0.30, {5.4380, 4.6200, 4.5631, 4.7002, 4.8372, 4.9248}, 1.08, 3, 4);
    // Mode 2 lies just above the threshold and is partly learned at the first stop: the stops have their least loss there already.
    row(0.40, {8.5970, 8.6147, 9.0598, 9.4898, 9.7938, 9.9648}, 1.92, 1, 3);
}

void TheoryTest::noise() {
    QFETCH(double, gamma);
    QFETCH(std::vector<double>, expected);
    QFETCH(double, threshold);
    QFETCH(int, best);
    QFETCH(int, costly);
    TheoryState state;
    state.model = modelWith(kReversed);
    state.gamma = gamma;
    const std::vector<double> computed = theoryLosses(state, gamma);
    QCOMPARE(compared(computed, expected), QByteArray());
    QVERIFY(std::abs(noiseThreshold(6, gamma) - threshold) < 1e-12);
    const TheoryReading reading = readTheory(state);
    QCOMPARE(reading.turn.rises ? static_cast<int>(reading.turn.best) + 1 : 0, best);
    QCOMPARE(reading.costly ? static_cast<int>(*reading.costly) + 1 : 0, costly);
}

void TheoryTest::tuning_data() {
    QTest::addColumn<std::vector<double>>("target");
    QTest::addColumn<double>("rate");
    QTest::addColumn<int>("steps");
    QTest::addColumn<double>("pull");
    QTest::addColumn<std::vector<double>>("pretraining");
    QTest::addColumn<std::vector<double>>("tuned"); // empty: not in the table
    QTest::addColumn<int>("best");
    const auto plain = [](double rate, std::vector<double> a, std::vector<double> b, int best) {
        QTest::addRow("eta %g", rate) << kReversed << rate << 200 << 0.0 << a << b << best;
    };
    plain(0.0005, {3.5085, 1.7155, 1.0175, 0.7807, 0.7144, 0.7057}, {8.9919, 9.5851, 9.4232, 8.7970, 7.8678, 6.9004}, 0);
    plain(0.001, {4.1406, 2.5235, 1.8378, 1.6079, 1.5823, 1.6339}, {8.2764, 8.5808, 8.3864, 7.7287, 6.5661, 5.0249}, 5);
    plain(0.002, {4.9522, 3.6227, 2.9640, 2.7556, 2.9341, 3.5452}, {7.8100, 7.8913, 7.6598, 6.9445, 5.3497, 2.3206}, 4);
    plain(0.005, {5.8700, 4.9674, 4.3524, 4.1982, 5.3193, 8.9002}, {7.5568, 7.4909, 7.1644, 6.0072, 3.0333, 0.0993}, 4);
    const auto pulled = [](double pull, std::vector<double> a, std::vector<double> b, int best) {
        QTest::addRow("lambda %g", pull) << kReversed << 0.02 << 5000 << pull << a << b << best;
    };
    pulled(0.5, {7.9754, 7.0392, 6.7385, 6.8517, 7.1363, 7.4314}, {0.6472, 0.6305, 0.5397, 0.4339, 0.3526, 0.2999}, 3);
    pulled(1, {6.4806, 5.1855, 4.5936, 4.6438, 5.0847, 5.6053}, {2.0631, 2.0640, 1.7616, 1.3665, 1.0330, 0.8109}, 3);
    pulled(2, {4.6893, 3.2054, 2.5171, 2.2874, 2.6434, 3.3620}, {5.5600, 5.7141, 5.3944, 4.3187, 3.0689, 2.0900}, 4);
    pulled(5, {3.7173, 2.0011, 1.3103, 1.0784, 1.0554, 1.1582}, {8.6884, 9.1319, 8.9471, 8.2887, 7.1084, 5.3082}, 5);
    QTest::addRow("control, nearly aligned") << kAligned << 0.02 << 200 << 0.0
                                             << std::vector<double>{0.9825, 0.5489, 0.3200, 0.2945, 0.2436, 0.2270}
                                             << std::vector<double>{} << 0;
}

void TheoryTest::tuning() {
    QFETCH(std::vector<double>, target);
    QFETCH(double, rate);
    QFETCH(int, steps);
    QFETCH(double, pull);
    QFETCH(std::vector<double>, pretraining);
    QFETCH(std::vector<double>, tuned);
    QFETCH(int, best);
    TheoryState state;
    state.model = modelWith(target);
    state.change = pull > 0 ? TheoryChange::Regularised : TheoryChange::FineTuning;
    (pull > 0 ? state.regularised : state.tuning) = {rate, steps, pull};
    QCOMPARE(compared(theoryLosses(state, theoryStrength(state)), pretraining), QByteArray());
    if (!tuned.empty())
        QCOMPARE(compared(losses(state.model, {rate, steps, pull}, state.model.target), tuned), QByteArray());
    const TheoryReading reading = readTheory(state);
    QCOMPARE(reading.turn.rises ? static_cast<int>(reading.turn.best) + 1 : 0, best);
    // The criterion for plain fine-tuning names the mode after the best stop in every row of the table.
    if (pull == 0)
        QCOMPARE(reading.costly ? static_cast<int>(*reading.costly) : 0, best);
    else
        QVERIFY(!reading.costly && reading.limit && reading.limit->rises);
}

/// Runge and Kutta on the whole matrices, dW1/dt = W2^T (A - W2 W1), dW2/dt = (A - W2 W1) W1^T, with A of arbitrary singular vectors.
/// The specification's rows of 5,000 steps with a pull are the closed form of infinitely many, to all printed digits; but for lambda = 2,
/// which is sigma' of mode 5: what starts near 0 leaves there by no exponential, and is still on its way.
void TheoryTest::pullHasAClosedForm() {
    const TheoryModel model = modelWith(kReversed);
    const auto ended = [&](double pull, const std::vector<double>& wanted) {
        std::vector<double> out;
        for (std::vector<double> features : featuresAtAll(model, stopTimes(model))) {
            for (std::size_t mode = 0; mode < features.size(); ++mode)
                features[mode] = pulledLimit(model.target[mode], pull, features[mode]);
            out.push_back(quadraticLoss(features, wanted));
        }
        return out;
    };
    struct Row {
        double pull;
        std::vector<double> a, b;
        double low, high; ///< stops around the best one
        std::size_t learned;
    };
    const Row rows[] = {
        {0.5, {7.9754, 7.0392, 6.7385, 6.8517, 7.1363, 7.4314}, {0.6472, 0.6305, 0.5397, 0.4339, 0.3526, 0.2999}, 6.0860, 16.8024, 3},
        {1, {6.4806, 5.1855, 4.5936, 4.6438, 5.0847, 5.6053}, {2.0631, 2.0640, 1.7616, 1.3665, 1.0330, 0.8109}, 6.0860, 16.8024, 3},
        {2, {4.6893, 3.2054, 2.5171, 2.2874, 2.6434, 3.3620}, {5.5600, 5.7141, 5.3944, 4.3187, 3.0689, 2.0900}, 10.0007, 30.3248, 4},
        {5, {3.7173, 2.0011, 1.3103, 1.0784, 1.0554, 1.1582}, {8.6884, 9.1319, 8.9471, 8.2887, 7.1084, 5.3082}, 16.8024, 126.0843, 4}};
    double before = 0;
    for (const Row& row : rows) {
        const std::vector<double> a = ended(row.pull, model.sigma), b = ended(row.pull, model.target);
        if (row.pull != 2) {
            QCOMPARE(compared(a, row.a), QByteArray());
            QCOMPARE(compared(b, row.b), QByteArray());
        }
        for (std::size_t n = 0; n < 6; ++n)
            QVERIFY(std::abs(a[n] / row.a[n] - 1) < 2e-3 && std::abs(b[n] / row.b[n] - 1) < 2e-3);
        const TheoryLeast least = leastPulledLoss(model, row.pull);
        QVERIFY2(least.rises && least.time > row.low && least.time < row.high, qPrintable(QString::number(least.time)));
        QVERIFY(least.loss <= *std::ranges::min_element(a) && std::abs(least.last - a.back()) < 1e-12);
        QCOMPARE(least.learned, row.learned);
        QVERIFY2(least.time > before, "a stronger pull delays it (theorem 4.7)");
        before = least.time;
    }
    for (const double target : {0.0, 0.3, 2.0}) // where the steps stand still
        for (const double feature : {1e-8, 0.4, 3.0})
            for (const double pull : {0.1, 2.0, 50.0}) {
                const double a = std::sqrt(pulledLimit(target, pull, feature));
                QVERIFY(std::abs(a * (a * a - target) + pull * (a - std::sqrt(feature))) < 1e-12 * (1 + pull));
            }
    QVERIFY(!leastPulledLoss(modelWith(kSigma), 1).rises); // nothing to unlearn
}

void TheoryTest::fewStepsAreSaidToBeFew() {
    TheoryState state = theoryPresets()[2].state;
    QVERIFY2(readTheory(state).theory.starts_with("Inflection at t = 12 by the closed form") &&
                 readTheory(state).theory.find("do not get there") == std::string::npos,
             readTheory(state).theory.c_str());
    state.regularised.steps = 50;
    QVERIFY2(readTheory(state).theory.find("50 steps of η = 0.02 do not get there") != std::string::npos, readTheory(state).theory.c_str());
    state.model.target = kSigma;
    QVERIFY2(readTheory(state).theory.starts_with("No inflection: the closed form"), readTheory(state).theory.c_str());
}

void TheoryTest::featuresFollowTheFlow() {
    constexpr int d = 6;
    TheoryModel model = modelWith(kReversed);
    model.start = 1e-4;
    const MatrixXd u = randomRotation(d, 1), v = randomRotation(d, 2), a = u * diagonal(kSigma) * v.transpose();
    MatrixXd w1 = std::sqrt(model.start) * v.transpose(), w2 = std::sqrt(model.start) * u;
    const auto slope = [&](const MatrixXd& x1, const MatrixXd& x2) {
        const MatrixXd error = a - x2 * x1;
        return std::pair<MatrixXd, MatrixXd>(x2.transpose() * error, error * x1.transpose());
    };
    constexpr double dt = 0.01;
    for (int step = 1; step <= 2000; ++step) {
        const auto [a1, a2] = slope(w1, w2);
        const auto [b1, b2] = slope(w1 + dt / 2 * a1, w2 + dt / 2 * a2);
        const auto [c1, c2] = slope(w1 + dt / 2 * b1, w2 + dt / 2 * b2);
        const auto [d1, d2] = slope(w1 + dt * c1, w2 + dt * c2);
        w1 += dt / 6 * (a1 + 2 * b1 + 2 * c1 + d1);
        w2 += dt / 6 * (a2 + 2 * b2 + 2 * c2 + d2);
        if (step % 100 != 0)
            continue;
        const MatrixXd expected = u * diagonal(featuresAt(model, step * dt)) * v.transpose();
        QVERIFY2((w2 * w1 - expected).norm() < 1e-7, qPrintable(QString::number((w2 * w1 - expected).norm())));
    }
}

void TheoryTest::diagonalIsTheWholeMatrix_data() {
    QTest::addColumn<double>("pull");
    QTest::addColumn<double>("rate");
    QTest::newRow("fine-tuning") << 0.0 << 0.005;
    QTest::newRow("pulled") << 1.0 << 0.02;
}

void TheoryTest::diagonalIsTheWholeMatrix() {
    QFETCH(double, pull);
    QFETCH(double, rate);
    constexpr int d = 6;
    const TheoryModel model = modelWith(kReversed);
    const TheoryTuning tuning{rate, 500, pull};
    const MatrixXd u = randomRotation(d, 3), v = randomRotation(d, 4);
    for (const double time : stopTimes(model)) {
        const std::vector<double> features = featuresAt(model, time);
        std::vector<double> roots;
        for (const double s : features)
            roots.push_back(std::sqrt(s));
        const MatrixXd root = diagonal(roots);
        const auto [w1, w2] = descend(root * v.transpose(), u * root, u * diagonal(kReversed) * v.transpose(), tuning);
        const MatrixXd expected = u * diagonal(tunedFeatures(model, tuning, {features}).front()) * v.transpose();
        QVERIFY2((w2 * w1 - expected).norm() < 1e-9, qPrintable(QString::number((w2 * w1 - expected).norm())));
    }
}

void TheoryTest::smallStepsAreTheFlow() {
    for (const double target : {0.0, 0.3, 2.0})
        for (const double feature : {1e-6, 0.4, 3.0}) {
            const double flow = tunedByFlow(target, 0.4, feature);
            double apart[2];
            for (int i = 0; i < 2; ++i) {
                double s = feature;
                const int steps = i == 0 ? 2000 : 4000;
                tuneMode(target, {0.4 / steps, steps, 0}, std::span(&s, 1));
                apart[i] = std::abs(s - flow);
            }
            QVERIFY2(apart[0] < 1e-3 * std::max(flow, feature), qPrintable(QString::number(apart[0])));
            QVERIFY(apart[1] < 0.51 * apart[0] + 1e-13); // the error of Euler's steps halves
        }
}

void TheoryTest::monteCarloAgrees() {
    const TheoryModel model = modelWith(kReversed);
    const std::vector<double> gammas{0.05, 0.1, 0.2, 0.3, 0.4};
    const auto sampled = sampleNoisyLosses(model, gammas, 20'000, 7, {});
    QVERIFY(sampled.has_value());
    const std::vector<double> stops = stopTimes(model);
    for (std::size_t g = 0; g < gammas.size(); ++g)
        for (std::size_t n = 0; n < stops.size(); ++n) {
            const std::vector<double> features = featuresAt(model, stops[n]);
            const double exact = quadraticLoss(features, model.sigma) + noiseSensitivity(features, gammas[g]);
            const MonteCarloMean& mean = (*sampled)[g][n];
            QCOMPARE(mean.draws, std::int64_t{20'000});
            QVERIFY2(std::abs(mean.mean - exact) < 4 * mean.standardError, qPrintable(QString::number(mean.mean - exact)));
            QVERIFY2(std::abs(mean.mean / exact - 1) < 0.015, qPrintable(QString::number(mean.mean / exact)));
            QVERIFY(mean.standardError / exact < 0.006); // "agrees to about 0.5 %"
        }
}

/// Of 400 seeds about 95 % of the intervals hold the closed form; nearly Gaussian at 300 draws.
void TheoryTest::monteCarloErrorIsHonest() {
    TheoryModel model = modelWith(kReversed);
    model.stops = {16.8};
    const std::vector<double> features = featuresAt(model, 16.8);
    const double exact = quadraticLoss(features, model.sigma) + noiseSensitivity(features, 0.2);
    int covered = 0;
    for (std::uint64_t seed = 0; seed < 400; ++seed) {
        const auto sampled = sampleNoisyLosses(model, {0.2}, 300, seed, {});
        QVERIFY(sampled.has_value());
        covered += std::abs((*sampled)[0][0].mean - exact) <= 1.96 * (*sampled)[0][0].standardError;
    }
    QVERIFY2(covered >= 362 && covered <= 396, qPrintable(QString::number(covered))); // 380 +- 4 SD
}

void TheoryTest::drawsDoNotDependOnWhatElseIsAsked() {
    TheoryModel model = modelWith(kReversed);
    const auto all = sampleNoisyLosses(model, {0.1, 0.3}, 500, 11, {});
    const auto one = sampleNoisyLosses(model, {0.3}, 500, 11, {});
    const auto other = sampleNoisyLosses(model, {0.3}, 500, 12, {});
    QVERIFY(all && one && other);
    QVERIFY((*all)[1] == (*one)[0]);
    QVERIFY(!((*one)[0] == (*other)[0]));
    model.stops = {stopTimes(model)[3]};
    const auto single = sampleNoisyLosses(model, {0.3}, 500, 11, {});
    QVERIFY(single && (*single)[0][0] == (*one)[0][3]);
}

void TheoryTest::divergenceIsSaid() {
    TheoryState state = theoryPresets()[1].state;
    setTheoryStrength(state, 0.9);
    const std::vector<double> values = theoryLosses(state, 0.9);
    QVERIFY(std::none_of(values.begin(), values.end(), [](double value) { return std::isfinite(value); }));
    QVERIFY(readTheory(state).computed.find("diverges") != std::string::npos);
}

void TheoryTest::settingsAreChecked_data() {
    QTest::addColumn<std::vector<double>>("sigma");
    QTest::addColumn<std::vector<double>>("target");
    QTest::addColumn<double>("start");
    QTest::addColumn<std::vector<double>>("stops");
    QTest::addColumn<QString>("says");
    const std::vector<double> none;
    QTest::newRow("no modes") << none << none << 1e-8 << none << "1 to 16";
    QTest::newRow("sizes") << std::vector<double>{2, 1} << std::vector<double>{1} << 1e-8 << none << "has 1 values";
    QTest::newRow("order") << std::vector<double>{1, 2} << std::vector<double>{1, 1} << 1e-8 << none << "below the one before";
    QTest::newRow("equal") << std::vector<double>{1, 1} << std::vector<double>{1, 1} << 1e-8 << none << "below the one before";
    QTest::newRow("not a number") << std::vector<double>{std::nan("")} << std::vector<double>{1} << 1e-8 << none << "value 1";
    QTest::newRow("target") << std::vector<double>{1} << std::vector<double>{-1} << 1e-8 << none << "fine-tuning spectrum (-1)";
    QTest::newRow("start") << std::vector<double>{1} << std::vector<double>{1} << 0.2 << none << "a tenth of the smallest";
    QTest::newRow("no start") << std::vector<double>{1} << std::vector<double>{1} << 0.0 << none << "s0 = 0";
    QTest::newRow("stops") << std::vector<double>{1} << std::vector<double>{1} << 1e-8 << std::vector<double>{2, 1} << "stop 2";
}

void TheoryTest::settingsAreChecked() {
    QFETCH(std::vector<double>, sigma);
    QFETCH(std::vector<double>, target);
    QFETCH(double, start);
    QFETCH(std::vector<double>, stops);
    QFETCH(QString, says);
    const auto checked = checkTheory({sigma, target, start, stops});
    QVERIFY(!checked);
    QVERIFY2(QString::fromStdString(checked.error().text()).contains(says), checked.error().text().c_str());
    QVERIFY(!sampleNoisyLosses({sigma, target, start, stops}, {0.1}, 10, 1, {}));
}

void TheoryTest::turns() {
    const double inf = std::numeric_limits<double>::infinity();
    QVERIFY(!findTurn(std::vector<double>{3, 2, 1}).rises);
    QCOMPARE(findTurn(std::vector<double>{3, 1, 2}).best, 1u);
    QVERIFY(findTurn(std::vector<double>{3, 1, 2}).rises);
    QVERIFY(!findTurn(std::vector<double>{3, 1, 1}).rises); // a plateau is no rise
    QCOMPARE(findTurn(std::vector<double>{3, 1, 2}).rise, 1.0);
    QVERIFY(findTurn(std::vector<double>{3, 1, std::nan("")}).rises);
    QCOMPARE(findTurn(std::vector<double>{3, 1, std::nan("")}).rise, inf);
    QVERIFY(!findTurn(std::vector<double>{}).rises);
    for (const TheoryPreset& preset : theoryPresets())
        QVERIFY2(checkTheoryState(preset.state).has_value(), preset.name.c_str());
}

void TheoryTest::ownStops() {
    TheoryState state = theoryPresets()[0].state;
    state.model.stops = {1, 16.8024, 30.3248};
    QCOMPARE(theoryLosses(state, 0.2).size(), 3u);
    QVERIFY(std::abs(theoryLosses(state, 0.2)[1] - 1.9270) < 1e-4);
    const TheoryReading reading = readTheory(state);
    QCOMPARE(reading.turn.best, 1u);
    QVERIFY2(reading.computed.find("stop 2 (t = 16.8)") != std::string::npos, reading.computed.c_str());
}

void TheoryTest::sentences() {
    TheoryState state = theoryPresets()[0].state;
    QCOMPARE(QString::fromStdString(readTheory(state).theory),
             QStringLiteral("Inflection at mode 5, because σ₅ = 0.4 < 2dγ² = 0.48: learning it costs more under this noise than it gains."));
    QCOMPARE(QString::fromStdString(readTheory(state).computed),
             QStringLiteral("Computed: the pretraining loss is least with 4 features learned (t = 16.8), 1.927, and ends at 1.973."));
    state.gamma = 0.1;
    QVERIFY(readTheory(state).theory.starts_with("No inflection: every σ is above 2dγ² = 0.12"));
    QVERIFY(readTheory(state).computed.find("is least at the last stop") != std::string::npos);
    state.gamma = 0.6;
    QVERIFY(readTheory(state).theory.starts_with("No mode is worth learning: σ₁ = 3 < 2dγ² = 4.32"));
    state = theoryPresets()[1].state;
    QVERIFY2(readTheory(state).theory.starts_with("Inflection at mode 5: once learned, fine-tuning carries it from σ₅ = 0.4 to 1.1"),
             readTheory(state).theory.c_str());
    QVERIFY2(readTheory(state).theory.ends_with("unlearned it ends at 4.95e-08, nearer to σ₅."), readTheory(state).theory.c_str()); // s0 e^1.6
}

/// What fine-tuning does to a mode that was not learned is part of the place, and where the stops have another the page says why.
void TheoryTest::unlearnedModesMayMove() {
    const auto says = [](const TheoryState& state, const char* words) { return readTheory(state).theory.find(words) != std::string::npos; };
    TheoryState state = theoryPresets()[1].state;
    QVERIFY(!says(state, "The stops differ"));
    state.tuning = {0.02, 200, 0}; // of mode 5 e^16 s0 = 0.089 is reached unlearned, of mode 6 nearly all
    QVERIFY(readTheory(state).turn.best == 1 && readTheory(state).costly == std::size_t{4});
    QVERIFY(says(state, "The stops differ: a mode is partly learned"));
    state.tuning.steps = 5000; // all modes end at sigma', learned or not: nothing depends on pretraining any more
    QVERIFY(!readTheory(state).costly && !readTheory(state).turn.rises);
    QVERIFY2(readTheory(state).theory == "No inflection: fine-tuning leaves no mode further from its σ for having been learned.",
             readTheory(state).theory.c_str());
    // Mode 3 alone costs, (2.5 - 1.2)^2 - 1.2^2 = 0.25 in twice the loss; mode 4 gains 0.49.
    state.tuning = {0.02, 200, 0};
    state.model.start = 1e-30;
    state.model.target = {3, 2, 2.5, 0.7, 0.4, 0.2};
    QVERIFY2(says(state, "No inflection: mode 3 costs more than it gains once it is learned, but others make up"), readTheory(state).theory.c_str());
    state = theoryPresets()[1].state;
    state.tuning = {0.1, 1, 0};
    QVERIFY2(says(state, "Steps of η = 0.1 are too coarse to follow the closed form."), readTheory(state).theory.c_str());
    state = theoryPresets()[0].state;
    state.gamma = 0.4; // the table's last row of noise: mode 2 pays, and is partly learned at the first stop
    QVERIFY(says(state, "Inflection at mode 3") && says(state, "The stops differ"));
    state = theoryPresets()[2].state;
    setTheoryStrength(state, 50);
    QVERIFY2(says(state, "Inflection at t = 47") && says(state, "No stop shows it."), readTheory(state).theory.c_str());
}

void TheoryTest::aStopIsHeard() {
    std::stop_source stop;
    stop.request_stop();
    const auto sampled = sampleNoisyLosses(modelWith(kReversed), {0.1}, kMostDraws, 1, JobContext(stop.get_token()));
    QVERIFY(!sampled && sampled.error().kind == ErrorKind::Stopped);
}

QTEST_GUILESS_MAIN(TheoryTest)
#include "tst_theory.moc"
