// SPDX-License-Identifier: Apache-2.0
// What the readers of overlays share: rows that become curves, and the list of what was left out.
#pragma once

#include <map>
#include <string>
#include <tuple>

#include "core/analysis/overlay.h"

namespace crest::analysis::detail {

/// Of one file: a row or a value takes tens of bytes.
inline constexpr std::size_t kLongestOverlayFile = 16'000'000;
/// Of a curve, a task, a metric, a unit.
inline constexpr std::size_t kLongestOverlayName = 1'000;

struct OverlayRow {
    std::string label, task, metric, unit;
    study::OverlayPoint point;
};

/// Puts rows together to curves in order of first appearance.
class OverlayBuilder {
public:
    /// The row, or why it cannot be used: two points of one curve at the same tokens, too many points or curves, a name
    /// beyond all length.
    void add(OverlayRow row, const std::string& where);
    void leaveOut(const std::string& where, const std::string& why);
    bool empty() const { return m_import.overlay.curves.empty(); }
    /// Enough: of points, or of rows that cannot be used.
    bool full() const { return m_full; }
    /// Points of every curve ascending in tokens.
    OverlayImport finish();

private:
    OverlayImport m_import;
    std::map<std::tuple<std::string, std::string, std::string>, std::size_t> m_curves;
    std::map<std::pair<std::size_t, double>, bool> m_places;
    bool m_full = false;
};

/// Tokens of a checkpoint by its name below `model` ("EleutherAI/pythia-160m"): what the name says, or its step by the
/// rule of a known series.
std::optional<double> tokensOfName(const std::string& model, const std::string& name);

} // namespace crest::analysis::detail
