// SPDX-License-Identifier: Apache-2.0
// Facts of a metric: its unit, in which direction better lies, how it is named on axes. Pure; any thread.
#pragma once

#include <string>

namespace crest::analysis {

/// A metric is the ratio of two sums over items, perplexities its exponential. Statistics (means, errors, pairs,
/// inflections) are made on the ratio; `shown` turns it into what is looked at.
struct Measure {
    std::string metric;      ///< "loss", "acc", "word_perplexity", "exact_match,strict-match"
    std::string title;       ///< of a panel: "loss", "acc_norm", "word perplexity"
    std::string unit;        ///< "nats/token", "accuracy", "bits/byte"; of a perplexity that of its logarithm
    std::string item;        ///< what the ratio sums over: "sequence", "item"
    std::string axisTitle;   ///< "loss (nats/token)", "accuracy (acc_norm)", "word perplexity"
    std::string changeTitle; ///< of modified minus base, in `unit`
    std::string valueUnit;   ///< behind a number in words: "nats/token", "" for shares and perplexities
    bool higherIsBetter = false;
    bool exponential = false; ///< the shown value is exp(ratio)
    bool isShare = false;     ///< within 0 and 1

    double shown(double ratio) const;
    /// The ratio behind a shown value; NaN where there is none.
    double ratioOf(double value) const;
};

/// The facts of a metric by its name; `unit` (as results have it) decides where the name is not known.
Measure measureOf(const std::string& metric, const std::string& unit = {});

} // namespace crest::analysis
