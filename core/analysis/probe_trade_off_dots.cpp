// SPDX-License-Identifier: Apache-2.0
#include "core/analysis/probe_trade_off_dots.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>
#include <tuple>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/analysis/probe_envelope.h"
#include "core/analysis/probe_task_mean.h"
#include "core/analysis/probe_trade_off_settings.h"
#include "core/analysis/probe_training_runs.h"
#include "core/base/units.h"
#include "core/study/planner.h"

namespace crest::analysis::detail {
namespace {

constexpr const char* kSmallerRates = "smaller-rate";

bool isAt(double rate, double wanted) {
    return std::abs(rate - wanted) <= 1e-9 * wanted;
}

/// The dot of a setting, before anything is picked.
Dot emptyDot(const Setting& setting) {
    Dot dot;
    dot.family = setting.family;
    dot.familyName = setting.familyName;
    dot.label = setting.label;
    dot.text = setting.text;
    dot.variant = setting.variant;
    dot.order = setting.order;
    dot.isBase = setting.isBase();
    dot.isPlain = setting.isPlain();
    return dot;
}

void setSource(Dot& dot, const CellSource& source) {
    dot.source = source.run;
    dot.strength = source.strength;
}

/// What was measured at one rate, as cells of a dot.
void addMeasured(Dot& dot, const Setting& setting, double rate, std::optional<std::int64_t> pretrainSeed = {}) {
    for (Observation one : setting.measured)
        if (one.strength == rate && (!pretrainSeed || one.pretrainSeed == *pretrainSeed)) {
            one.strength = dot.isBase ? 0 : 1;
            dot.measured.push_back(std::move(one));
        }
}

Dot baseDot(const Setting& setting) {
    Dot dot = emptyDot(setting);
    if (!setting.rates.empty())
        setSource(dot, setting.rates.begin()->second);
    addMeasured(dot, setting, 0);
    return dot;
}

/// Plain fine-tuning at rates below a limit: the mitigation that costs nothing to build. Finer rates of some pretraining runs
/// are left out: the mean over these alone would lie beside the others for their luck.
void addSmallerRates(Dots& out, const Setting& plain, double limit) {
    for (const auto& [rate, source] : plain.rates) {
        const bool everywhere = std::ranges::all_of(plain.tried, [&, rate = rate](const auto& one) { return std::ranges::binary_search(one.second, rate); });
        if (rate >= limit || isAt(rate, limit) || !everywhere)
            continue;
        Dot dot = emptyDot(plain);
        dot.family = kSmallerRates;
        dot.familyName = "plain, smaller learning rates";
        dot.order = {rate};
        dot.label = formatNumber(rate);
        dot.text = fmt::format("plain fine-tuning at learning rate {}", dot.label);
        dot.isPlain = false;
        setSource(dot, source);
        addMeasured(dot, plain, rate);
        out.dots.push_back(std::move(dot));
    }
}

// ---- at one rate

void pickAtRate(Dots& out, const Settings& settings, double wanted) {
    for (const Setting& setting : settings.all) {
        if (setting.isBase()) {
            out.dots.push_back(baseDot(setting));
            continue;
        }
        if (setting.isPlain())
            addSmallerRates(out, setting, wanted);
        const auto at = std::ranges::find_if(setting.rates, [&](const auto& one) { return isAt(one.first, wanted); });
        if (at == setting.rates.end())
            continue;
        Dot dot = emptyDot(setting);
        if (dot.isPlain)
            dot.text = fmt::format("plain fine-tuning at learning rate {}", formatNumber(at->first));
        setSource(dot, at->second);
        addMeasured(dot, setting, at->first);
        out.dots.push_back(std::move(dot));
    }
}

/// Whether a run has anything at this rate, or below it of plain fine-tuning.
bool givesAt(const ProbeResults& run, double wanted) {
    const study::Probe& probe = run.plan.probe;
    const bool plain = probe.kind != study::kInterpolation && mitigationsOf(probe).empty();
    return std::ranges::any_of(probe.strengths, [&](double strength) {
        const double rate = study::tuningRate(probe, strength);
        return isAt(rate, wanted) || (plain && rate < wanted);
    });
}

void leaveOutOtherRates(Dots& out, const ProbeResults& results, double wanted) {
    const auto say = [&](const ProbeResults& run) {
        out.leftOut.push_back("not trained at this learning rate: " + mitigationsText(mitigationsOf(run.plan.probe)));
    };
    if (!givesAt(results, wanted))
        say(results);
    std::erase_if(out.siblings, [&](const ProbeResults* run) {
        const bool gives = givesAt(*run, wanted);
        if (!gives)
            say(*run);
        return !gives;
    });
}

// ---- each at its own

/// "0.004", "0.004 to 0.008".
std::string rangeText(const std::set<double>& rates) {
    if (rates.empty())
        return "none";
    return rates.size() == 1 ? formatNumber(*rates.begin()) : formatNumber(*rates.begin()) + " to " + formatNumber(*rates.rbegin());
}

std::set<double> ratesIn(const std::vector<RateChoice>& choices) {
    std::set<double> rates;
    for (const RateChoice& one : choices)
        if (one.rate)
            rates.insert(*one.rate);
    return rates;
}

/// What the choices of all settings have in common for the reader.
class ChoiceNotes {
public:
    void add(const Setting& setting, const std::vector<RateChoice>& choices) {
        const auto any = [&](auto which) { return std::ranges::any_of(choices, which); };
        m_chosen[setting.familyName].emplace_back(setting.label, rangeText(ratesIn(choices)));
        if (std::ranges::find(m_order, setting.familyName) == m_order.end())
            m_order.push_back(setting.familyName);
        if (std::ranges::all_of(setting.tried, [](const auto& one) { return one.second.size() == 1; }))
            note(m_single, setting);
        if (any([](const RateChoice& one) { return one.isLowest || one.isHighest; }))
            note(m_edges, setting);
        if (any([](const RateChoice& one) { return !one.notFinite.empty(); }))
            note(m_notFinite, setting);
        m_all.insert(m_all.end(), choices.begin(), choices.end());
    }
    std::vector<std::string> take(const Measure& measure) const {
        std::vector<std::string> out = rateNotes();
        const auto say = [&](const char* what, const std::vector<std::string>& of) {
            if (!of.empty())
                out.push_back(fmt::format("{}: {}", what, fmt::join(of, ", ")));
        };
        say("tried at one learning rate only, so that nothing was chosen", m_single);
        say("best at an end of their learning rates, so that others may be better", m_edges);
        say("not finite at rates that are not chosen", m_notFinite);
        if (const std::string favour = favourNote(m_all, measure); !favour.empty())
            out.push_back(favour);
        return out;
    }

private:
    /// As many notes as it takes: a figure cuts a note of many lines.
    std::vector<std::string> rateNotes() const {
        constexpr std::size_t kLongest = 130;
        std::vector<std::string> notes{"learning rates, best in ID at each checkpoint:"};
        for (const std::string& family : m_order) {
            const std::string part = family + " " + familyText(m_chosen.at(family));
            const char* between = notes.back().ends_with(':') ? " " : "; ";
            if (notes.back().size() + part.size() > kLongest)
                notes.push_back(part);
            else
                notes.back() += between + part;
        }
        return notes;
    }
    /// Label and rates of each strength, "4 at 0.008, 8 at 0.004"; one rate of all is said once, "4, 8 at 0.008".
    static std::string familyText(const std::vector<std::pair<std::string, std::string>>& strengths) {
        const bool alike = std::ranges::all_of(strengths, [&](const auto& one) { return one.second == strengths.front().second; });
        std::vector<std::string> each;
        for (const auto& [label, rates] : strengths)
            each.push_back(alike ? label : fmt::format("{} at {}", label, rates));
        const std::string text = fmt::format("{}", fmt::join(each, ", "));
        return !alike ? text : fmt::format("{}{}at {}", text, text.empty() ? "" : " ", strengths.front().second);
    }
    static void note(std::vector<std::string>& of, const Setting& setting) {
        const std::string name = setting.isInterpolation() ? std::string("interpolation") : setting.text;
        if (std::ranges::find(of, name) == of.end())
            of.push_back(name);
    }
    std::map<std::string, std::vector<std::pair<std::string, std::string>>> m_chosen;
    std::vector<std::string> m_order, m_single, m_edges, m_notFinite;
    std::vector<RateChoice> m_all;
};

std::vector<RateChoice> choicesOf(const Setting& setting, const IdScore& score) {
    return chooseRates(meanOverTasks(setting.measured, score.tasks, "ID score"), {}, score.measure, setting.tried);
}

/// Every setting at the rate that is best in ID, for each checkpoint by itself.
void pickOwn(Dots& out, const Settings& settings, const IdScore& score) {
    ChoiceNotes notes;
    for (const Setting& setting : settings.all) {
        if (setting.isBase()) {
            out.dots.push_back(baseDot(setting));
            continue;
        }
        if (setting.rates.empty())
            continue;
        const std::vector<RateChoice> choices = choicesOf(setting, score);
        const std::set<double> rates = ratesIn(choices);
        Dot dot = emptyDot(setting);
        setSource(dot, setting.rates.at(rates.empty() ? setting.rates.begin()->first : *rates.begin()));
        dot.rates = ratesText(choices);
        for (const RateChoice& one : choices)
            if (one.rate)
                addMeasured(dot, setting, *one.rate, one.pretrainSeed);
        notes.add(setting, choices);
        if (dot.isPlain && !rates.empty())
            addSmallerRates(out, setting, *rates.rbegin());
        out.dots.push_back(std::move(dot));
    }
    out.chosen = notes.take(score.measure);
}

// ---- all of them

/// The tuned end of an interpolation is plain fine-tuning, and stands for it where nothing else does.
void addPlainOfInterpolation(std::vector<Dot>& dots) {
    if (std::ranges::any_of(dots, [](const Dot& dot) { return dot.isPlain && !dot.measured.empty(); }))
        return;
    const auto end = std::ranges::find_if(dots, [](const Dot& dot) { return dot.family == "interpolation" && dot.order.front() == 1; });
    if (end == dots.end())
        return;
    Dot plain = *end;
    std::erase_if(dots, [](const Dot& dot) { return dot.isPlain; });
    plain.family = "plain";
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

bool TradeOffPlace::ownRates() const {
    return rate == kEnvelopeStrength;
}

Dots dotsAt(const ProbeResults& results, const TradeOffPlace& place, const std::string& metric) {
    Settings settings = settingsAt(results, place.budget, place.ofSteps ? XQuantity::Steps : XQuantity::Tokens, metric);
    std::ranges::stable_sort(settings.all, {}, [](const Setting& one) { return std::tuple(!one.isPlain(), one.isInterpolation(), one.family, one.order); });
    Dots out;
    out.siblings = settings.siblings;
    if (place.ownRates()) {
        pickOwn(out, settings, idScoreOf(results, metric));
    } else {
        pickAtRate(out, settings, place.rate);
        leaveOutOtherRates(out, results, place.rate);
    }
    addPlainOfInterpolation(out.dots);
    sortDots(out.dots);
    out.leftOut.insert(out.leftOut.end(), settings.leftOut.begin(), settings.leftOut.end());
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
