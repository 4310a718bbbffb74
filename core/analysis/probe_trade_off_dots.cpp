// SPDX-License-Identifier: Apache-2.0
#include "core/analysis/probe_trade_off_dots.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <tuple>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/analysis/probe_curves.h"
#include "core/analysis/probe_measures.h"
#include "core/analysis/probe_task_mean.h"
#include "core/analysis/probe_training_runs.h"
#include "core/base/units.h"
#include "core/study/planner.h"

namespace crest::analysis::detail {
namespace {

using Place = std::pair<double, std::int64_t>; ///< tokens, pretraining seed

constexpr const char* kBase = "base";
constexpr const char* kPlain = "plain";
constexpr const char* kSmallerRates = "smaller-rate";

bool isAt(double rate, double wanted) {
    return std::abs(rate - wanted) <= 1e-9 * wanted;
}

/// What a cell of a run is at `rate`: a dot without measurements; no family where it is none.
Dot dotOf(const ProbeResults& run, double strength, double rate) {
    const study::Probe& probe = run.plan.probe;
    Dot dot;
    dot.source = &run;
    dot.strength = strength;
    if (strength == 0) {
        dot.family = kBase;
        dot.familyName = dot.text = "base: not tuned";
        dot.isBase = true;
        return dot;
    }
    const std::vector<Mitigation> parts = mitigationsOf(probe);
    const double own = study::tuningRate(probe, strength);
    dot.variant = study::variantOf(probe);
    if (probe.kind == study::kInterpolation) {
        if (!isAt(own, rate))
            return dot;
        dot.family = "interpolation";
        dot.familyName = "interpolation, share of the tuned weights";
        for (const Mitigation& part : parts)
            dot.family += "+" + part.id + "=" + formatNumber(part.strength);
        if (!parts.empty())
            dot.familyName = fmt::format("interpolation ({}), share of the tuned weights", mitigationsText(parts));
        dot.order = {strength};
        dot.label = formatNumber(strength);
        dot.text = fmt::format("interpolation {}{}", dot.label, parts.empty() ? "" : fmt::format(" ({})", mitigationsText(parts)));
        return dot;
    }
    if (parts.empty()) {
        if (own > rate && !isAt(own, rate))
            return dot;
        dot.isPlain = isAt(own, rate);
        dot.family = dot.isPlain ? kPlain : kSmallerRates;
        dot.familyName = dot.isPlain ? "plain fine-tuning" : "plain, smaller learning rates";
        dot.order = {own};
        dot.label = dot.isPlain ? "" : formatNumber(own);
        dot.text = fmt::format("plain fine-tuning at learning rate {}", formatNumber(own));
        return dot;
    }
    if (!isAt(own, rate))
        return dot;
    std::vector<std::string> names, labels;
    for (const Mitigation& part : parts) {
        dot.family += (dot.family.empty() ? "" : "+") + part.id;
        names.push_back(part.name);
        labels.push_back(part.label);
        dot.order.push_back(part.strength);
    }
    dot.familyName = fmt::format("{}", fmt::join(names, ", "));
    dot.label = fmt::format("{}", fmt::join(labels, ", "));
    dot.text = mitigationsText(parts);
    return dot;
}

/// From a run's words to those of the shown one: checkpoints by content, tasks by what they measure.
class Translation {
public:
    Translation(const ProbeResults& shown, const ProbeResults& run) {
        std::map<std::string, Place> places;
        visit(shown.plan, [&](const std::string& weights, const Place& place) { places[weights] = place; });
        visit(run.plan, [&](const std::string& weights, const Place& place) {
            if (const auto same = places.find(weights); same != places.end())
                m_places[place] = same->second;
            else
                ++m_others;
        });
        for (const study::Task& task : run.plan.tasks)
            for (const study::Task& own : shown.plan.tasks)
                if (study::taskHash(task) == study::taskHash(own))
                    m_tasks[task.name] = own.name;
    }
    /// False where the shown run has no such checkpoint, or task.
    bool apply(Observation& one) const {
        const auto place = m_places.find({one.tokens, one.pretrainSeed});
        const auto task = m_tasks.find(one.task);
        if (place == m_places.end() || task == m_tasks.end())
            return false;
        std::tie(one.tokens, one.pretrainSeed) = place->second;
        one.task = task->second;
        return true;
    }
    std::int64_t otherCheckpoints() const { return m_others; }

private:
    template<class Visit> static void visit(const study::Plan& plan, Visit found) {
        const std::vector<char> counted = chooseCheckpoints(plan).counted;
        for (std::size_t i = 0; i < counted.size(); ++i)
            if (const study::PlannedCheckpoint& one = plan.checkpoints[i]; counted[i])
                found(one.weights, Place{static_cast<double>(*one.tokens), one.pretrainSeed.value_or(-1)});
    }
    std::map<Place, Place> m_places;
    std::map<std::string, std::string> m_tasks;
    std::int64_t m_others = 0;
};

/// Dots found so far, by what they are.
class Collection {
public:
    /// Null where the cell is no dot at this rate.
    Dot* at(const ProbeResults& run, double strength, double rate) {
        Dot made = dotOf(run, strength, rate);
        if (made.family.empty())
            return nullptr;
        const auto [at, isNew] = m_places.try_emplace({made.family, made.variant, made.order}, m_dots.size());
        if (isNew)
            m_dots.push_back(std::move(made));
        return &m_dots[at->second];
    }
    std::vector<Dot> take() { return std::move(m_dots); }

private:
    std::vector<Dot> m_dots;
    std::map<std::tuple<std::string, std::string, std::vector<double>>, std::size_t> m_places;
};

/// Each measurement once, also where two runs share it.
void addOnce(Dot& dot, Observation one) {
    one.strength = dot.isBase ? 0 : 1;
    const bool known = std::ranges::any_of(dot.measured, [&](const Observation& other) {
        return other.task == one.task && other.tokens == one.tokens && other.pretrainSeed == one.pretrainSeed &&
               other.drawSeed == one.drawSeed;
    });
    if (!known)
        dot.measured.push_back(std::move(one));
}

bool addRun(Collection& dots, const ProbeResults& shown, const ProbeResults& run, double rate, double budget,
            const std::string& metric, std::vector<std::string>& leftOut) {
    const Translation translation(shown, run);
    bool gave = false;
    for (const double strength : run.plan.probe.strengths)
        gave = dots.at(run, strength, rate) != nullptr || gave;
    if (!gave) {
        leftOut.push_back("not trained at this learning rate: " + mitigationsText(mitigationsOf(run.plan.probe)));
        return false;
    }
    for (Observation& one : observationsOf(run, metric)) {
        const double strength = one.strength;
        if (!translation.apply(one) || one.tokens != budget)
            continue;
        if (Dot* dot = dots.at(run, strength, rate))
            addOnce(*dot, std::move(one));
    }
    if (const std::int64_t others = translation.otherCheckpoints(); others > 0)
        leftOut.push_back(fmt::format("{} of another run left out: this run has none of the same content", counted(others, "checkpoint")));
    return true;
}

/// The tuned end of an interpolation is plain fine-tuning, and stands for it where nothing else does.
void addPlainOfInterpolation(std::vector<Dot>& dots) {
    if (std::ranges::any_of(dots, [](const Dot& dot) { return dot.isPlain && !dot.measured.empty(); }))
        return;
    const auto end = std::ranges::find_if(dots, [](const Dot& dot) { return dot.family == "interpolation" && dot.order.front() == 1; });
    if (end == dots.end())
        return;
    Dot plain = *end;
    std::erase_if(dots, [](const Dot& dot) { return dot.isPlain; });
    plain.family = kPlain;
    plain.familyName = plain.text = "plain fine-tuning";
    plain.label.clear();
    plain.isPlain = true;
    dots.push_back(std::move(plain));
}

/// Base and plain first, interpolations last, within a family by strength.
void sortDots(std::vector<Dot>& dots) {
    const auto rank = [](const Dot& dot) {
        return dot.isBase ? 0 : dot.isPlain ? 1 : dot.family == kSmallerRates ? 2 : dot.family.starts_with("interpolation") ? 4 : 3;
    };
    std::ranges::stable_sort(dots, [&](const Dot& a, const Dot& b) {
        return std::tuple(rank(a), a.family, a.order, a.variant) < std::tuple(rank(b), b.family, b.order, b.variant);
    });
}

void addUnlike(const ProbeResults& results, std::vector<std::string>& leftOut) {
    std::map<std::string, std::int64_t> reasons;
    for (const ProbeResults& other : results.siblings) {
        const TrainingDifference difference = differenceOf(results.plan, other.plan);
        if (difference.data)
            ++reasons["on other data"];
        else if (!difference.trained.empty())
            ++reasons["with " + difference.trained];
    }
    for (const auto& [reason, count] : reasons)
        leftOut.push_back(fmt::format("left out: {} of this study {}", counted(count, "training run"), reason));
}

/// a - b; sequences where they are the same.
Observation difference(const Observation& a, const Observation& b) {
    Observation out = a;
    out.strength = 1;
    out.value = a.value - b.value;
    const bool same = a.perSequenceTokens == b.perSequenceTokens && a.perSequenceNats.size() == b.perSequenceNats.size();
    if (!same) {
        out.perSequenceNats.clear();
        out.perSequenceTokens.clear();
    }
    for (std::size_t i = 0; i < out.perSequenceNats.size(); ++i)
        out.perSequenceNats[i] -= b.perSequenceNats[i];
    return out;
}

} // namespace

const Dot* Dots::plain() const {
    const auto at = std::ranges::find_if(dots, &Dot::isPlain);
    return at == dots.end() ? nullptr : &*at;
}

Dots dotsAt(const ProbeResults& results, double rate, double budget, const std::string& metric) {
    Dots out;
    Collection collection;
    addRun(collection, results, results, rate, budget, metric, out.leftOut);
    for (const ProbeResults& other : results.siblings) {
        const TrainingDifference difference = differenceOf(results.plan, other.plan);
        if (!difference.data && difference.trained.empty() &&
            addRun(collection, results, other, rate, budget, metric, out.leftOut))
            out.siblings.push_back(&other);
    }
    out.dots = collection.take();
    addPlainOfInterpolation(out.dots);
    sortDots(out.dots);
    addUnlike(results, out.leftOut);
    std::set<std::string> said;
    std::erase_if(out.leftOut, [&](const std::string& note) { return !said.insert(note).second; });
    return out;
}

PairedCells cellsOf(const Dot& dot, const std::vector<std::string>& idTasks, const std::string& task, std::int64_t& notFinite) {
    PairedCells cells;
    std::vector<Observation> scores;
    if (idTasks.size() == 1)
        std::ranges::copy_if(dot.measured, std::back_inserter(scores), [&](const Observation& one) { return one.task == idTasks.front(); });
    else
        scores = meanOverTasks(dot.measured, idTasks, "ID score");
    for (const Observation& id : scores)
        for (const Observation& ood : dot.measured) {
            if (ood.task != task || ood.pretrainSeed != id.pretrainSeed || ood.drawSeed != id.drawSeed)
                continue;
            if (std::isfinite(id.value) && std::isfinite(ood.value))
                cells[{id.pretrainSeed, id.drawSeed}] = {id, ood};
            else
                ++notFinite;
        }
    return cells;
}

PairedCells minusPlain(const PairedCells& cells, const PairedCells& plain, bool isBase) {
    PairedCells out;
    for (const auto& [place, of] : plain) {
        const auto own = cells.find(isBase ? std::pair(place.first, std::int64_t{0}) : place);
        if (own == cells.end())
            continue;
        PairedCell cell{difference(own->second.id, of.id), difference(own->second.ood, of.ood)};
        cell.id.drawSeed = cell.ood.drawSeed = place.second;
        out[place] = std::move(cell);
    }
    return out;
}

} // namespace crest::analysis::detail
