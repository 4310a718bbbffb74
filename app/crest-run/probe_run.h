// SPDX-License-Identifier: Apache-2.0
// crest-run probe once its options are read: says what a plan costs, queues it, works on it; of a grid of learning rates the finer
// ones after it.
#pragma once

#include "app/crest-run/probe_setup.h"
#include "app/crest-run/work.h"
#include "core/base/result.h"

namespace crest {

struct ProbeRequest {
    ProbeOptions probe;
    WorkRequest work;
    bool planOnly = false;
    /// Rates between each checkpoint's best and its neighbours (analysis::refineRates), once what there is of the probe is measured;
    /// 0: the grid alone. What an interrupted command had begun is finished, and no further level begun.
    int refine = 0;
};

/// The exit code. Costs go to stdout, what else a person should know to stderr.
Result<int> runProbe(ProbeRequest request);

} // namespace crest
