// SPDX-License-Identifier: GPL-3.0-or-later
// All text that the window makes of numbers and states; independent of the locale.
#pragma once

#include <optional>

#include <QString>

#include "core/analysis/inflection.h"
#include "core/base/counted.h"
#include "core/base/visible.h"
#include "core/series/series.h"
#include "core/study/runs.h"
#include "core/study/types.h"

namespace crest::ui {

inline QString toQString(const std::string& text) {
    return QString::fromStdString(text);
}
inline QString toQString(const std::filesystem::path& path) {
    return QString::fromStdString(path.string());
}
/// For lists and tool tips: a name or path that came from a disk, with its control characters written out.
inline QString shownText(const std::string& text) {
    return toQString(visible(text));
}

QString tokensText(std::optional<std::int64_t> tokens); ///< "4M", "" where unknown
/// "1 cell", "12 cells"; `what` is the singular.
template<class Number> QString countText(Number count, const char* what) {
    return toQString(counted(static_cast<std::int64_t>(count), what));
}
/// What people type: 2097152, 2,097,152, 4M, 1.5B, 3T. Nothing where it is no count of 0 to 9e18.
std::optional<std::int64_t> tokensFromText(const QString& text);
QString stepText(std::optional<std::int64_t> step);
QString bytesText(std::uint64_t bytes);
QString stateText(series::CheckpointState state); ///< "readable", "suspect", "broken", "excluded"
/// "noise, 2026-11-22 17:53:00" in local time, of a run's id; an id of another form as it is.
QString runText(const std::string& id);
QString runStateText(study::RunState state); ///< "queued", "running", ...
/// "series/tokens-16M, gamma 0.1, noise draw 3", "..., base".
QString failedCellText(const study::Plan& plan, int cell);
QString roleText(study::Role role); ///< "ID", "OOD"
QString durationText(double seconds);
QString rateText(double tokensPerSecond); ///< "12.3k tok/s"
/// "640 cells: 512 cached, 128 new; about 0:40, 310 MB".
QString costText(const study::PlanCost& cost, qint64 repeatedTrainings = 0);

} // namespace crest::ui
