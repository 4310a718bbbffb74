// SPDX-License-Identifier: GPL-3.0-or-later
// The sample study: the shipped series with its texts and the probe that shows the effect.
#pragma once

#include <QString>

#include "core/base/result.h"
#include "core/study/types.h"

namespace crest::ui {

/// The study that opens on the shipped sample; `resources` is the folder that holds sample/. NotFound where the series
/// is not there.
Result<study::Study> sampleStudy(const QString& resources);
/// Where it lives in the user's data folder.
QString sampleStudyFolder();
/// The probe that the probe dock starts with for a series: the gammas and seeds of the sample, the tasks given.
study::Probe defaultNoiseProbe(const std::string& series, const std::vector<study::TaskInProbe>& tasks);
/// The same of any kind (a probe kind's id, or study::kBaseEvaluation).
study::Probe defaultProbe(const QString& kind, const std::string& series, const std::vector<study::TaskInProbe>& tasks);
/// The checkpoints of a series as they are, on the tasks given.
study::Probe defaultBaseEvaluation(const std::string& series, const std::vector<study::TaskInProbe>& tasks);

} // namespace crest::ui
