// SPDX-License-Identifier: Apache-2.0
// Shared by the files of core/model/ops*.cpp: when a fused kernel may run, and how rows are shared among threads.
#pragma once

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "core/model/kernels.h"

namespace crest::model::detail {

bool referenceOps();

/// True where the fused float32 CPU kernels can work on this tensor's memory.
inline bool fusable(const at::Tensor& t) {
    return t.device().is_cpu() && t.scalar_type() == at::kFloat && !referenceOps();
}

inline float* data(at::Tensor& t) {
    return t.defined() ? t.mutable_data_ptr<float>() : nullptr;
}
inline const float* data(const at::Tensor& t) {
    return t.defined() ? t.const_data_ptr<float>() : nullptr;
}

/// f(begin, end) over [0, n): on this thread, or in whole blocks of `block` rows on several. f must give the same
/// result for a row whatever range it comes in.
template<class F> void overRows(std::int64_t n, std::int64_t block, const F& f) {
    if (at::get_num_threads() == 1 || at::in_parallel_region() || n <= block) {
        f(std::int64_t{0}, n);
        return;
    }
    at::parallel_for(0, (n + block - 1) / block, 1,
                     [&](std::int64_t begin, std::int64_t end) { f(begin * block, std::min(end * block, n)); });
}

/// y = or += x weight^T with factors rounded to bfloat16; float32 x and y, contiguous, bfloat16 weight, all on the CPU.
void linearWords(const at::Tensor& x, const at::Tensor& weight, at::Tensor& y, bool accumulate);
/// dx = or += dy weight and dWeight += dy^T x, each where it is defined, the same way.
void linearBackwardWords(const at::Tensor& dy, const at::Tensor& x, const at::Tensor& weight, at::Tensor& dx,
                         at::Tensor& dWeight, bool accumulateDx);

} // namespace crest::model::detail
