// SPDX-License-Identifier: Apache-2.0
#include "core/analysis/probe_finer_rates.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <set>

#include <fmt/format.h>

#include "core/analysis/probe_curves.h"
#include "core/analysis/probe_measures.h"
#include "core/base/units.h"

namespace crest::analysis {
namespace {

constexpr double kUsualStep = 2; ///< where one rate tells of no step (protocols 2.4)
constexpr int kMostBetween = 100;

double rounded(double rate) {
    const std::string text = fmt::format("{:.2e}", rate);
    double value = rate;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

/// The rates of which something is known, ascending.
std::vector<double> knownRates(const RateChoice& choice) {
    std::vector<double> known;
    std::ranges::copy_if(choice.tried, std::back_inserter(known), [&](double rate) {
        return std::ranges::find(choice.unmeasured, rate) == choice.unmeasured.end();
    });
    return known;
}

/// Where all that was tried at the lower end diverged, so that only smaller rates are left to try.
bool allDiverged(const RateChoice& choice, const std::vector<double>& known) {
    return !choice.rate && !known.empty() && choice.diverged.size() == known.size() && known.front() == choice.tried.front();
}

/// By which a grid goes on: that of the grid as it was set up, whatever was refined since.
double widestStep(const std::vector<double>& tried) {
    double step = tried.size() > 1 ? 1 : kUsualStep;
    for (std::size_t i = 1; i < tried.size(); ++i)
        step = std::max(step, tried[i] / tried[i - 1]);
    return step;
}

/// Between which rates something is to be tried. An end that was not tried itself is to be, too.
struct Bracket {
    double low = 0, high = 0;
    bool lowIsNew = false, highIsNew = false;
};

std::vector<Bracket> bracketsOf(const RateChoice& choice) {
    const std::vector<double> known = knownRates(choice);
    const double step = widestStep(choice.tried);
    if (allDiverged(choice, known))
        return {{known.front() / step, known.front(), true, false}};
    if (!choice.rate)
        return {};
    const auto at = static_cast<std::size_t>(std::ranges::find(known, *choice.rate) - known.begin());
    const bool first = at == 0, last = at + 1 == known.size();
    const double best = *choice.rate;
    std::vector<Bracket> brackets;
    brackets.push_back(first ? Bracket{best / step, best, true, false} : Bracket{known[at - 1], best, false, false});
    brackets.push_back(last ? Bracket{best, best * step, false, true} : Bracket{best, known[at + 1], false, false});
    return brackets;
}

std::string whyOf(const RateChoice& choice, bool any) {
    const std::vector<double> known = knownRates(choice);
    if (known.empty())
        return "no result yet";
    if (!choice.rate && !allDiverged(choice, known))
        return "no rate has a finite ID score at seeds that others have, too";
    if (!any)
        return "its rates cannot be told apart by three digits, or leave the range of learning rates";
    if (!choice.rate)
        return fmt::format("below {}: every rate diverged", formatNumber(known.front()));
    const std::vector<Bracket> brackets = bracketsOf(choice);
    std::string text = fmt::format("between {} and {}", formatNumber(brackets.front().low), formatNumber(brackets.back().high));
    if (brackets.front().lowIsNew || brackets.back().highIsNew)
        text += fmt::format(", beyond the {} rate that was tried",
                            !brackets.back().highIsNew ? "smallest" : brackets.front().lowIsNew ? "only" : "largest");
    return text;
}

void addNotes(Refinement& refinement, const ProbeResults& results, const std::vector<RateChoice>& choices) {
    const auto count = [&](auto which) { return std::ranges::count_if(choices, which); };
    if (const auto open = count([](const RateChoice& one) { return !one.unmeasured.empty(); }); open > 0)
        refinement.notes.push_back(counted(open, "checkpoint") + " with rates without a result: the best was chosen of the others");
    for (const RefinedCheckpoint& one : refinement.checkpoints)
        if (one.added.empty())
            refinement.notes.push_back(fmt::format("{}: no finer rate, {}", one.name, one.why));
    const auto placeless = std::ranges::count_if(results.plan.checkpoints, [&](const study::PlannedCheckpoint& one) {
        return std::ranges::none_of(refinement.checkpoints, [&](const auto& other) { return other.weights == one.weights; });
    });
    if (placeless > 0)
        refinement.notes.push_back(counted(placeless, "checkpoint") + " left out: no place of their own on the axis");
}

} // namespace

std::vector<double> ratesAround(const RateChoice& choice, int between) {
    const study::ProbeKind& kind = study::probeKind(study::kFineTuning);
    std::set<double> rates;
    const auto add = [&](double rate, double low, double high) {
        rate = rounded(rate);
        if (rate >= low && rate <= high && rate >= kind.least && rate <= kind.most &&
            std::ranges::find(choice.tried, rate) == choice.tried.end())
            rates.insert(rate);
    };
    for (const Bracket& bracket : bracketsOf(choice)) {
        const double step = std::pow(bracket.high / bracket.low, 1.0 / (between + 1));
        // Ends that were not tried have no exact place: rounding may move them.
        const double low = bracket.lowIsNew ? 0 : bracket.low, high = bracket.highIsNew ? HUGE_VAL : bracket.high;
        for (int k = bracket.lowIsNew ? 0 : 1; k <= between + (bracket.highIsNew ? 1 : 0); ++k)
            add(bracket.low * std::pow(step, k), low, high);
    }
    return {rates.begin(), rates.end()};
}

std::int64_t Refinement::added() const {
    std::int64_t count = 0;
    for (const RefinedCheckpoint& one : checkpoints)
        count += static_cast<std::int64_t>(one.added.size());
    return count;
}

Result<Refinement> refineRates(const ProbeResults& results, int between) {
    if (between < 1 || between > kMostBetween)
        return fail(ErrorKind::OutOfRange,
                    fmt::format("{} finer rates between neighbours: it must be from 1 to {}.", between, kMostBetween));
    const study::Plan& plan = results.plan;
    const XQuantity x = shownX(plan);
    CREST_TRY(envelope, envelopeOf(results, observationsOf(results, "", x), "", x));
    Refinement refinement;
    refinement.finer = study::finerRatesOf(plan.probe);
    const std::vector<char> hasPlace = chooseCheckpoints(plan, x).counted;
    for (std::size_t i = 0; i < hasPlace.size(); ++i) {
        if (!hasPlace[i])
            continue;
        const study::PlannedCheckpoint& checkpoint = plan.checkpoints[i];
        RefinedCheckpoint& one = refinement.checkpoints.emplace_back();
        one.name = checkpoint.name;
        one.weights = checkpoint.weights;
        one.why = "no result yet";
        const auto choice = std::ranges::find_if(envelope.choices, [&](const RateChoice& other) {
            return other.tokens == static_cast<double>(*placeOf(checkpoint, x)) &&
                   other.pretrainSeed == checkpoint.pretrainSeed.value_or(-1);
        });
        if (choice == envelope.choices.end())
            continue;
        one.best = choice->rate;
        one.added = ratesAround(*choice, between);
        one.why = whyOf(*choice, !one.added.empty());
        if (!one.added.empty()) {
            std::vector<double>& own = refinement.finer[one.weights];
            own.insert(own.end(), one.added.begin(), one.added.end());
        }
    }
    addNotes(refinement, results, envelope.choices);
    return refinement;
}

std::vector<std::string> refinementText(const Refinement& refinement) {
    const auto with = std::ranges::count_if(refinement.checkpoints, [](const auto& one) { return !one.added.empty(); });
    std::vector<std::string> lines{fmt::format("{} at {}, around the best in ID", counted(refinement.added(), "finer rate"),
                                               counted(with, "checkpoint"))};
    lines.insert(lines.end(), refinement.notes.begin(), refinement.notes.end());
    return lines;
}

} // namespace crest::analysis
