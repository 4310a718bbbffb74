// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/data/training_loading.h"

#include <algorithm>
#include <string_view>
#include <system_error>
#include <unordered_set>

#include <fmt/format.h>

#include "core/study/planner.h"

namespace crest::ui {
namespace {

namespace fs = std::filesystem;

/// Which cells of a plan have every result stored.
class StoredCells {
public:
    explicit StoredCells(const analysis::ProbeResults& results) {
        for (const study::ResultRow& row : results.rows)
            m_keys.insert(row.key);
    }
    bool has(const study::Cell& cell) const {
        return std::all_of(cell.keys.begin(), cell.keys.end(), [this](const std::string& key) { return m_keys.contains(key); });
    }

private:
    std::unordered_set<std::string_view> m_keys;
};

/// Of a run that an older Crest planned its training is wanted, not that of a later run of the same settings.
fs::path logOf(const fs::path& trainings, const analysis::ProbeResults& results, int checkpoint, double rate, std::int64_t seed) {
    return study::trainingPlace(trainings, results.plan.checkpoints[static_cast<std::size_t>(checkpoint)], results.plan.probe, rate, seed,
                                results.numerics())
        .file;
}

bool isOf(const study::Cell& cell, const analysis::TrainingChoice& choice) {
    return cell.checkpoint == choice.checkpoint && cell.seed == choice.seed && !cell.isBase();
}

} // namespace

std::vector<analysis::TrainingCurve> readTrainings(const fs::path& trainings, const analysis::ProbeResults& results,
                                                   const analysis::TrainingChoice& choice) {
    const study::Plan& plan = results.plan;
    const StoredCells stored(results);
    std::vector<analysis::TrainingCurve> curves;
    for (const double rate : analysis::ratesOf(plan, choice)) {
        analysis::TrainingCurve& curve = curves.emplace_back();
        curve.rate = rate;
        if (auto log = study::readTrainingLog(logOf(trainings, results, choice.checkpoint, rate, choice.seed)))
            curve.log = std::move(*log);
        curve.measured = std::any_of(plan.cells.begin(), plan.cells.end(), [&](const study::Cell& cell) {
            return isOf(cell, choice) && study::tuningRate(plan.probe, cell.strength) == rate && stored.has(cell);
        });
    }
    return curves;
}

std::optional<analysis::TrainingChoice> trainingAtWork(const fs::path& trainings, const analysis::ProbeResults& results,
                                                       const analysis::TrainingChoice& present) {
    const study::Plan& plan = results.plan;
    const StoredCells stored(results);
    std::optional<analysis::TrainingChoice> first;
    for (const std::vector<int>& batch : plan.batches)
        for (const int index : batch) {
            const study::Cell& cell = plan.cells[static_cast<std::size_t>(index)];
            const bool ofPresent = isOf(cell, present);
            std::error_code error;
            if (cell.isBase() || stored.has(cell) || (first && !ofPresent) ||
                !fs::exists(logOf(trainings, results, cell.checkpoint, cell.strength, cell.seed), error))
                continue;
            if (ofPresent)
                return present;
            first = analysis::TrainingChoice{cell.checkpoint, cell.seed, present.rate};
        }
    return first;
}

std::string fingerprintOf(const analysis::TrainingChoice& choice, const std::vector<analysis::TrainingCurve>& curves) {
    std::string text = fmt::format("{} {} {}", choice.checkpoint, choice.seed, choice.rate.value_or(0));
    for (const analysis::TrainingCurve& curve : curves)
        text += fmt::format("\n{} {} {} {} {} {}", curve.rate, curve.log ? curve.log->steps : -1, curve.log ? curve.log->lines.size() : 0,
                            curve.log && !curve.log->lines.empty() ? curve.log->lines.back().step : 0,
                            curve.log && curve.log->diverged, curve.measured);
    return text;
}

} // namespace crest::ui
