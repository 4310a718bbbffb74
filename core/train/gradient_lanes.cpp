// SPDX-License-Identifier: Apache-2.0
#include "core/train/gradient_lanes.h"

#include <algorithm>
#include <exception>
#include <thread>

#include <ATen/Parallel.h>
#include <ATen/core/LegacyTypeDispatch.h>

#include "core/model/pages.h"

namespace crest::train {

GradientLanes::GradientLanes(const series::DecoderSpec& spec, const ParameterLayout& layout, std::int64_t count,
                             const at::Device& device) {
    for (std::int64_t i = 0; i < count; ++i) {
        Lane lane;
        lane.gradients = model::zeroPages({layout.total}, at::kFloat, device);
        lane.views = decoderTensors(spec, layout, lane.gradients);
        m_lanes.push_back(std::move(lane));
    }
}

std::size_t GradientLanes::workers(int threads) const {
    return std::min<std::size_t>(static_cast<std::size_t>(std::max(threads, 1)), m_lanes.size());
}

double GradientLanes::run(int threads, const Work& work) {
    const std::size_t count = workers(threads);
    std::vector<std::exception_ptr> failures(count);
    const auto runShare = [&](std::size_t worker) {
        try {
            const at::AutoDispatchBelowADInplaceOrView noGraph; // views are made fast: no autograd runs here
            if (worker > 0)
                at::set_num_threads(1);
            for (std::size_t i = worker; i < m_lanes.size(); i += count) {
                m_lanes[i].gradients.zero_();
                m_lanes[i].loss = work(worker, i, m_lanes[i].views);
            }
        } catch (...) {
            failures[worker] = std::current_exception();
        }
    };
    {
        std::vector<std::jthread> others;
        for (std::size_t worker = 1; worker < count; ++worker)
            others.emplace_back([&, worker] { runShare(worker); });
        runShare(0);
    }
    for (const std::exception_ptr& failure : failures)
        if (failure)
            std::rethrow_exception(failure);
    double loss = m_lanes[0].loss;
    for (std::size_t i = 1; i < m_lanes.size(); ++i) {
        loss += m_lanes[i].loss;
        m_lanes[0].gradients.add_(m_lanes[i].gradients);
    }
    return loss;
}

} // namespace crest::train
