// SPDX-License-Identifier: Apache-2.0
// What a probe does to a checkpoint before it is measured. Each kind (noise, quantisation, pruning, fine-tuning,
// interpolation) is one file behind this interface.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "core/base/job_context.h"
#include "core/base/result.h"
#include "core/model/weight_source.h"
#include "core/study/types.h"

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
    /// How far the weights of strengths[i], as `versions` made them last, are from the checkpoint's; nothing where they were
    /// not trained.
    virtual std::optional<study::WeightChange> change(std::size_t i) const {
        (void)i;
        return std::nullopt;
    }
    /// What is to be said in the run's log since the last call; "" mostly.
    virtual std::string takeNote() { return {}; }
    /// The modified weights of every strength for one seed (0 where nothing is drawn): version i * members() + m is member
    /// m of strengths[i]. Long work reports tokens through `job`, counted as forward passes, and stops when asked.
    virtual Result<std::unique_ptr<model::WeightSource>> versions(std::span<const double> strengths, std::int64_t seed,
                                                                  const JobContext& job) = 0;
};

} // namespace crest::probe
