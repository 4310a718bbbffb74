// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/data/probe_loading.h"

#include <algorithm>

#include "core/study/results.h"
#include "core/study/runs.h"

namespace crest::ui {

Result<analysis::ProbeResults> loadProbeResults(const study::StudyFolder& folder, const std::string& runId) {
    const std::vector<std::string> runs = study::listRuns(folder);
    if (runs.empty())
        return fail(ErrorKind::NotFound, "This study has no run yet; there is nothing to draw.",
                    folder.path().string());
    const std::string wanted = runId.empty() ? runs.back() : runId;
    if (std::find(runs.begin(), runs.end(), wanted) == runs.end())
        return fail(ErrorKind::NotFound, "This study has no run \"" + wanted + "\".", folder.path().string());
    analysis::ProbeResults results;
    CREST_TRY(plan, study::readPlan(folder, wanted));
    study::ResultReader reader(folder);
    CREST_TRY(rows, reader.poll());
    results.plan = std::move(plan);
    results.rows = std::move(rows);
    results.studyName = folder.study().name;
    results.studyCommand = exportCommand(folder, wanted);
    return results;
}

std::string exportCommand(const study::StudyFolder& folder, const std::string& runId) {
    const std::string path = folder.path().string();
    const bool plain =
        path.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/._-+:@%") ==
        std::string::npos;
    std::string quoted;
    for (const char c : path)
        quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return "crest export " + (plain ? path : "'" + quoted + "'") + " --run " + runId + " --figure curves";
}

void addModelFacts(analysis::ProbeResults& results, const std::vector<series::Series>& series) {
    for (const series::Series& one : series)
        for (const series::Checkpoint& checkpoint : one.checkpoints)
            if (checkpoint.spec) {
                const double meanSpan = static_cast<double>(checkpoint.spec->contextLength + 1) / 2;
                results.parameters = series::parameterCount(*checkpoint.spec);
                results.flopsPerToken = 3 * series::forwardFlopsPerToken(*checkpoint.spec, meanSpan);
                return;
            }
}

} // namespace crest::ui
