// SPDX-License-Identifier: GPL-3.0-or-later
// What a probe would cost: planning, on a worker thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/base/job_context.h"
#include "core/series/series.h"
#include "core/study/study_folder.h"
#include "ui/data/devices.h"
#include "ui/data/study_session.h"

namespace crest::ui {

class StoredKeys;

struct PlanInput {
    study::StudyFolder folder;
    study::Probe probe;
    study::Study study;
    std::vector<series::Series> series;
    std::shared_ptr<StoredKeys> stored;
    Device device; ///< that its cost is for
};
PlanPreview previewPlan(const PlanInput& input, const JobContext& job);

} // namespace crest::ui
