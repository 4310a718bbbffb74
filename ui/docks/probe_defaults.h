// SPDX-License-Identifier: GPL-3.0-or-later
// What the probe dock takes where a study says nothing: the series, settings of fine-tuning; and whether what a
// study says can be shown.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/base/json.h"
#include "core/series/series.h"
#include "core/study/types.h"
#include "ui/data/study_session.h"

namespace crest::ui {

/// Null where the session has none of that name.
const series::Series* seriesNamed(const StudySession& session, const std::string& name);
/// Whether any checkpoint records how it was initialised.
bool hasInitStd(const series::Series& one);
/// The first series of which something can be measured; -1 where there is none.
int firstUsable(const std::vector<series::Series>& all);

/// The one that was set up or run last, of the series that are there; null where there is none.
const study::Probe* lastProbe(const StudySession& session);

/// Settings of a probe that trains.
Json usualTuning(const std::string& dataTask, const std::vector<double>& rates, bool interpolates);

/// A study's file may have been written by hand; what cannot be shown gives way to the defaults.
bool canBeShown(const Json& settings);
/// Weights in a group of a quantisation; the usual number where the study does not say it, or says something else.
int groupOf(const study::Probe& probe);

/// Whether a plan is that of a probe: it knows the content of data and replayed text, too, and where that lies.
bool isAsAsked(study::Probe planned, const study::Probe& asked, const std::filesystem::path& folder);
/// Whether two probes choose a rate of the same trainings, so that the finer rates of one are those of the other, too: they differ in
/// seeds, tasks and what moves no number at most.
bool tunesAlike(const study::Probe& a, const study::Probe& b);

} // namespace crest::ui
