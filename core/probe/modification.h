// SPDX-License-Identifier: Apache-2.0
// What a probe does to a checkpoint before it is measured. Each kind (noise now; quantisation, pruning, interpolation,
// fine-tuning fit the same shape) is one file behind this interface.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "core/base/job_context.h"
#include "core/base/result.h"
#include "core/model/weight_source.h"

namespace crest::probe {

/// One kind of modification, ready for one checkpoint. Versions are made from the read-only map into the caller's
/// scratch; the checkpoint itself is never changed.
class Modification {
public:
    virtual ~Modification() = default;

    /// Forward passes whose mean is one result: 2 for an antithetic pair, else 1.
    virtual int members() const = 0;
    /// What was asked for is measured and stored: what was kept so that others could go on with it may go.
    virtual void done() {}
    /// The modified weights of every strength for one seed (0 where nothing is drawn): version i * members() + m is member
    /// m of strengths[i]. Long work reports tokens through `job`, counted as forward passes, and stops when asked.
    virtual Result<std::unique_ptr<model::WeightSource>> versions(std::span<const double> strengths, std::int64_t seed,
                                                                  const JobContext& job) = 0;
};

} // namespace crest::probe
