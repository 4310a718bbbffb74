// SPDX-License-Identifier: Apache-2.0
// How far two tensors are apart; for QtTest.
#pragma once

#include <algorithm>

#include <ATen/ATen.h>
#include <QtTest>

namespace crest::test {

/// Largest difference as a share of the largest value of b, which counts as `least` at least.
inline double gap(const at::Tensor& a, const at::Tensor& b, double least) {
    const at::Tensor wide = b.detach().to(at::kDouble);
    const double scale = std::max(least, wide.abs().max().item<double>());
    return (a.detach().to(at::kDouble) - wide).abs().max().item<double>() / scale;
}

} // namespace crest::test

#define CREST_NEAR(a, b, least, tolerance)                                                                             \
    do {                                                                                                               \
        const double difference = crest::test::gap(a, b, least);                                                       \
        QVERIFY2(difference < (tolerance), qPrintable(QString("%1 is %2 off").arg(#a).arg(difference)));               \
    } while (false)
/// As a share of the largest value.
#define NEAR(a, b, tolerance) CREST_NEAR(a, b, 1e-30, tolerance)
/// The same; absolute where all values are below one.
#define NEAR_FROM_ONE(a, b, tolerance) CREST_NEAR(a, b, 1.0, tolerance)
