// SPDX-License-Identifier: GPL-3.0-or-later
// All text that the window makes of numbers and states; independent of the locale.
#pragma once

#include <optional>

#include <QString>

#include "core/analysis/inflection.h"
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

QString tokensText(std::optional<std::int64_t> tokens); ///< "4M", "" where unknown
QString stepText(std::optional<std::int64_t> step);
QString bytesText(std::uint64_t bytes);
QString stateText(series::CheckpointState state); ///< "readable", "suspect", "broken", "excluded"
QString runStateText(study::RunState state);      ///< "queued", "running", ...
QString roleText(study::Role role);               ///< "ID", "OOD"
QString gammaText(double gamma);
QString durationText(double seconds);
QString rateText(double tokensPerSecond); ///< "12.3k tok/s"
/// "640 cells: 512 cached, 128 new; about 0:40, 310 MB".
QString costText(const study::PlanCost& cost);

} // namespace crest::ui
