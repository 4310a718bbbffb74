// SPDX-License-Identifier: Apache-2.0
// How the chosen learning rate goes with pretraining tokens: the trend classes of Springer et al. (2025), section 3.4. Pure
// functions; any thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace crest::analysis {

/// The paper names constant, slowly and quickly decreasing, and gives no numbers. Here a class is a range of the exponent b in
/// rate ~ tokens^b. Rising is not among the paper's, and is said where it is seen.
enum class RateTrend { Rising, Constant, SlowlyDecreasing, QuicklyDecreasing };
std::string rateTrendName(RateTrend trend); ///< "slowly decreasing"

/// The rate that one checkpoint was given.
struct RatePoint {
    double tokens = 0; ///< > 0
    std::int64_t run = -1; ///< pretraining seed
    double rate = 0;   ///< > 0
};

struct RateTrendResult {
    bool known = false;   ///< false: no run has three budgets, and the rest is empty
    RateTrend trend = RateTrend::Constant; ///< that of the exponent itself
    std::vector<RateTrend> possible;       ///< the classes that the interval touches; one where the class is clear
    double exponent = 0, low = 0, high = 0; ///< b with its 95 % interval
    double rateAtCentre = 0, centre = 0; ///< the line goes through (centre, rateAtCentre): geometric means
    double constantWithin = 0; ///< |b| below which the rate moves less than one step of the grid over the measured budgets
    double quickBelow = 0;     ///< b at or below which it falls quickly
    std::int64_t runs = 0, budgets = 0;
    std::string text; ///< "slowly decreasing: rate ~ tokens^-0.25 (95 %: -0.34 to -0.16)"
};

/// The exponent is the mean over pretraining runs of the slope of log rate on log tokens. Its error: between the runs (R - 1
/// degrees of freedom), with one run the residuals about its line (n - 2); and the rounding of each choice to the grid, uniform
/// over `gridStep` (the ratio of neighbouring rates, > 1). Where all choices are equal, any
/// trend of less than one step over the range would look the same, and the interval is just that. `quick` > 0: the rate falls
/// quickly where b <= -quick. `over`: what `RatePoint::tokens` are, in words.
RateTrendResult rateTrend(std::span<const RatePoint> points, double gridStep, double quick,
                          const std::string& over = "tokens");

} // namespace crest::analysis
