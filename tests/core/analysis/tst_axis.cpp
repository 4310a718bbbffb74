// SPDX-License-Identifier: Apache-2.0
#include <QtTest>

#include <cmath>
#include <limits>
#include <random>

#include "core/analysis/axis.h"

using namespace crest::analysis;

namespace {
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

QString labels(const std::vector<Tick>& ticks) {
    QStringList list;
    for (const Tick& tick : ticks)
        list << QString::fromStdString(tick.label);
    return list.join(' ');
}
} // namespace

class TestAxis : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void ticks_data() {
        QTest::addColumn<double>("low");
        QTest::addColumn<double>("high");
        QTest::addColumn<bool>("log");
        QTest::addColumn<QString>("expected");
        QTest::newRow("sample") << 0.5e6 << 64e6 << true << "0.5M 1M 2M 4M 8M 16M 32M 64M";
        QTest::newRow("sample, wider") << 0.3e6 << 100e6 << true << "0.5M 1M 2M 4M 8M 16M 32M 64M";
        QTest::newRow("billions") << 4e9 << 128e9 << true << "4B 8B 16B 32B 64B 128B";
        QTest::newRow("long") << 1e6 << 3e12 << true << "1M 10M 100M 1B 10B 100B 1T";
        QTest::newRow("thinned") << 1e6 << 1e9 << true << "1M 4M 16M 64M 256M";
        QTest::newRow("linear") << 0.0 << 64e6 << false << "0 10M 20M 30M 40M 50M 60M";
        QTest::newRow("linear trillions") << 0.0 << 3e12 << false << "0 500B 1T 1.5T 2T 2.5T 3T";
    }
    void ticks() {
        QFETCH(double, low);
        QFETCH(double, high);
        QFETCH(bool, log);
        QFETCH(QString, expected);
        QCOMPARE(labels(tokenTicks(low, high, log ? AxisScale::Log : AxisScale::Linear)), expected);
    }
    void ticksOfNonsense() {
        QVERIFY(tokenTicks(2, 1, AxisScale::Log).empty());
        QVERIFY(tokenTicks(0, 1, AxisScale::Log).empty());
        QVERIFY(tokenTicks(1, 1, AxisScale::Linear).empty());
        QVERIFY(tokenTicks(kNaN, 1, AxisScale::Linear).empty());
        QVERIFY(tokenTicks(0, std::numeric_limits<double>::infinity(), AxisScale::Linear).empty());
    }
    void ticksAreFewAndInside() {
        std::mt19937 engine(3);
        std::uniform_real_distribution<double> exponent(0, 13);
        for (int i = 0; i < 2000; ++i) {
            const double a = std::pow(10, exponent(engine)), b = std::pow(10, exponent(engine));
            for (const auto scale : {AxisScale::Linear, AxisScale::Log})
                for (const int most : {2, 5, 9}) {
                    const auto found = tokenTicks(std::min(a, b), std::max(a, b), scale, most);
                    QVERIFY(found.size() <= static_cast<std::size_t>(most));
                    for (std::size_t k = 0; k < found.size(); ++k) {
                        const double low = std::min(a, b), high = std::max(a, b), slack = 1e-6 * (high - low);
                        QVERIFY(found[k].value >= low - slack && found[k].value <= high + slack);
                        QVERIFY(k == 0 || found[k].value > found[k - 1].value);
                    }
                }
        }
    }
    void shortLinesStay() {
        const std::vector<XY> points{{1, 2}, {2, 3}, {3, 1}};
        QCOMPARE(decimateMinMax(points, 1, 3, 100).size(), points.size());
        QVERIFY(decimateMinMax({}, 0, 1, 10).empty());
        QCOMPARE(decimateMinMax(points, 3, 1, 1).size(), points.size());
    }
    void decimationKeepsExtremesOfEachColumn() {
        std::mt19937 engine(5);
        std::normal_distribution<double> normal;
        std::vector<XY> points;
        for (int i = 0; i < 10'000; ++i)
            points.push_back({i / 10'000.0, normal(engine)});
        const std::size_t columns = 50;
        const auto thinned = decimateMinMax(points, 0, 1, columns);
        QVERIFY(thinned.size() <= 4 * columns);
        for (std::size_t column = 0; column < columns; ++column) {
            const auto extent = [column](const std::vector<XY>& line) {
                std::pair<double, double> range{1e9, -1e9};
                for (const XY& point : line)
                    if (static_cast<std::size_t>(point.x * 50) == column)
                        range = {std::min(range.first, point.y), std::max(range.second, point.y)};
                return range;
            };
            QVERIFY(extent(points) == extent(thinned));
        }
        for (std::size_t i = 1; i < thinned.size(); ++i)
            QVERIFY(thinned[i].x > thinned[i - 1].x);
        QVERIFY(thinned.front().x == points.front().x && thinned.back().x == points.back().x);
    }
    void gapsStayGaps() {
        std::vector<XY> points;
        for (int i = 0; i < 1000; ++i)
            points.push_back({i / 1000.0, i >= 500 && i < 510 ? kNaN : 1.0 * i});
        const auto thinned = decimateMinMax(points, 0, 1, 10);
        QCOMPARE(std::ranges::count_if(thinned, [](const XY& point) { return std::isnan(point.y); }), 1);
        QVERIFY(std::ranges::any_of(thinned, [](const XY& point) { return point.y == 499; }));
        QVERIFY(std::ranges::any_of(thinned, [](const XY& point) { return point.y == 510; }));
    }
};

QTEST_APPLESS_MAIN(TestAxis)
#include "tst_axis.moc"
