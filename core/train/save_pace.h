// SPDX-License-Identifier: Apache-2.0
// How often a long run saves its state. No LibTorch.
#pragma once

#include <algorithm>

namespace crest::train {

/// When a run saves its state: as often as asked, but no more than costs a hundredth of the time.
class SavePace {
public:
    /// `seconds` between two saves, 0: after every step, whatever it costs. `bytes` of a state, until a save has been timed.
    SavePace(double seconds, double bytes)
        : m_seconds(seconds)
        , m_cost(bytes / 200e6) {}
    /// So many seconds after the last save, or the start.
    bool isDue(double since) const { return since >= (m_seconds > 0 ? std::max(m_seconds, 99 * m_cost) : 0.0); }
    void saved(double cost) { m_cost = cost; }

private:
    double m_seconds, m_cost;
};

} // namespace crest::train
