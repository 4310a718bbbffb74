// SPDX-License-Identifier: Apache-2.0
// Products with matrices in panels.
#include "core/model/ops.h"
#include "core/model/ops_detail.h"

namespace crest::model {

namespace {

constexpr std::int64_t kPanelRows = 192; ///< as the kernel takes them

/// Scratch of the calling thread, kept between calls.
float* scratchFor(std::int64_t inner) {
    static thread_local at::Tensor scratch;
    const std::int64_t count = panelScratch(inner);
    if (!scratch.defined() || scratch.numel() < count)
        scratch = at::empty({count}, at::kFloat);
    return scratch.mutable_data_ptr<float>();
}

} // namespace

std::int64_t panelWidth() {
    return detail::referenceOps() ? 0 : cpuKernels().panelWidth;
}

void toPanels(at::Tensor& weight) {
    cpuKernels().toPanels(weight.size(0), weight.size(1), detail::data(weight), scratchFor(weight.size(1)));
}

void panelLinear(const at::Tensor& x, const at::Tensor& panels, const at::Tensor& bias, at::Tensor& y, bool accumulate) {
    const std::int64_t in = panels.size(1), out = panels.size(0), xRow = x.stride(0), yRow = y.stride(0);
    const float* px = detail::data(x);
    const float* pw = detail::data(panels);
    const float* pb = detail::data(bias);
    float* py = detail::data(y);
    detail::overRows(x.size(0), kPanelRows, [&](std::int64_t begin, std::int64_t end) {
        cpuKernels().panelProduct(end - begin, out, in, px + begin * xRow, xRow, pw, pb, py + begin * yRow, yRow,
                                  accumulate, scratchFor(in));
    });
}

} // namespace crest::model
