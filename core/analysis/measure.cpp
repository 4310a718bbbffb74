// SPDX-License-Identifier: Apache-2.0
#include "core/analysis/measure.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string_view>

#include <fmt/format.h>

namespace crest::analysis {
namespace {

/// Metrics that rise as a model gets better, by the part of the name before a filter's comma. All are shares of 1.
constexpr std::array<std::string_view, 12> kShares{"acc",    "acc_norm", "acc_bytes", "acc_mutual_info",
                                                   "exact_match", "f1",  "em",        "mcc",
                                                   "rouge1", "rouge2",   "rougeL",    "rougeLsum"};

struct Perplexity {
    std::string_view metric;
    const char *title, *unit;
};
constexpr std::array<Perplexity, 4> kPerplexities{{{"perplexity", "perplexity", "nats/word"},
                                                   {"word_perplexity", "word perplexity", "nats/word"},
                                                   {"byte_perplexity", "byte perplexity", "nats/byte"},
                                                   {"token_perplexity", "token perplexity", "nats/token"}}};

std::string changeOf(const std::string& unit) {
    return fmt::format("increase ({})", unit);
}

} // namespace

double Measure::shown(double ratio) const {
    return exponential ? std::exp(ratio) : ratio;
}

double Measure::ratioOf(double value) const {
    if (!exponential)
        return value;
    return value > 0 ? std::log(value) : std::numeric_limits<double>::quiet_NaN();
}

Measure measureOf(const std::string& metric, const std::string& unit) {
    Measure measure;
    measure.metric = measure.title = metric;
    measure.item = "item";
    const std::string_view stem = std::string_view(metric).substr(0, metric.find(','));
    const auto perplexity = std::ranges::find(kPerplexities, stem, &Perplexity::metric);
    if (metric == "loss") {
        measure.item = "sequence";
        measure.unit = measure.valueUnit = unit.empty() ? "nats/token" : unit;
        measure.axisTitle = fmt::format("loss ({})", measure.unit);
        measure.changeTitle = changeOf(measure.unit);
    } else if (perplexity != kPerplexities.end()) {
        measure.exponential = true;
        measure.title = measure.axisTitle = perplexity->title;
        measure.unit = perplexity->unit;
        measure.changeTitle = changeOf(measure.unit);
    } else if (std::ranges::find(kShares, stem) != kShares.end() || unit == "accuracy") {
        measure.higherIsBetter = true;
        measure.isShare = stem != "mcc"; // a correlation, from -1
        const bool accuracy = unit == "accuracy" || stem.starts_with("acc") || stem == "exact_match" || stem == "em";
        measure.unit = accuracy ? "accuracy" : std::string(stem);
        measure.axisTitle = accuracy ? fmt::format("accuracy ({})", metric) : fmt::format("{} (share of 1)", metric);
        measure.changeTitle = fmt::format("change of {}", metric);
    } else if (metric == "tokens") {
        measure.unit = measure.valueUnit = "tokens";
        measure.axisTitle = "written (tokens)";
        measure.changeTitle = changeOf("tokens");
    } else {
        measure.unit = measure.valueUnit = stem == "bits_per_byte" ? "bits/byte" : unit;
        measure.title = stem == "bits_per_byte" ? "bits per byte" : metric;
        measure.axisTitle = measure.unit.empty() ? metric
                            : stem == "bits_per_byte"
                                ? measure.title
                                : fmt::format("{} ({})", metric, measure.unit);
        measure.changeTitle = changeOf(measure.unit.empty() ? metric : measure.unit);
    }
    return measure;
}

} // namespace crest::analysis
