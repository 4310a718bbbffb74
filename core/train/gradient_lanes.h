// SPDX-License-Identifier: Apache-2.0
// The parts of a batch that may run side by side: each has gradients of its own, which are summed in order, so that
// results depend on the number of lanes, never on that of threads.
#pragma once

#include <functional>
#include <vector>

#include <ATen/ATen.h>

#include "core/train/parameters.h"

namespace crest::train {

class GradientLanes {
public:
    GradientLanes(const series::DecoderSpec& spec, const ParameterLayout& layout, std::int64_t count,
                  const at::Device& device = at::kCPU);

    std::size_t count() const { return m_lanes.size(); }
    /// Threads that run() would use of `threads`.
    std::size_t workers(int threads) const;

    /// Calls work(worker, lane, gradients) for every lane, `gradients` set to zero, on workers(threads) threads; `worker`
    /// is the number of the thread. Returns the sum of what the calls return (the lanes' losses), in order. What a call
    /// throws is thrown here.
    using Work = std::function<double(std::size_t worker, std::size_t lane, DecoderTensors& gradients)>;
    double run(int threads, const Work& work);

    /// After run(): the sum of all lanes' gradients, [total] float32.
    at::Tensor& sum() { return m_lanes[0].gradients; }

private:
    struct Lane {
        at::Tensor gradients;
        DecoderTensors views;
        double loss = 0;
    };
    std::vector<Lane> m_lanes;
};

} // namespace crest::train
