// SPDX-License-Identifier: Apache-2.0
#include "core/model/product_rate.h"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <exception>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "core/model/bfloat16_kernels.h"

namespace crest::model {
namespace {

constexpr double kLong = 0.02; ///< seconds
constexpr std::int64_t kOnCpu = 384, kElsewhere = 4096; ///< rows and columns: some milliseconds at most

/// In seconds: of this thread's processor time where the product is computed on it, so that what else is at work does not count.
double now(const at::Tensor& computed) {
    if (!computed.is_cpu())
        return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
    timespec time{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

double timeOfProduct(const at::Tensor& a, const at::Tensor& b) {
    const double begin = now(a);
    (void)at::mm(a, b)[0][0].item<float>(); // waits for the device
    return now(a) - begin;
}

/// One thread of a CPU, the calling one.
class OneThread {
public:
    OneThread() { at::set_num_threads(1); }
    ~OneThread() { at::set_num_threads(m_before); }
    int before() const { return m_before; }

private:
    int m_before = at::get_num_threads();
};

} // namespace

double productRate(const std::string& device, Compute compute) {
    const auto place = deviceFromName(device);
    if (!place)
        return 0;
    try {
        const OneThread one;
        const std::int64_t size = place->is_cpu() ? kOnCpu : kElsewhere;
        const bool words = compute == Compute::BFloat16 && (!place->is_cpu() || bfloat16Kernels()); // else ops_bfloat16.cpp multiplies floats
        const auto options = at::TensorOptions(*place).dtype(words ? at::kBFloat16 : at::kFloat);
        const at::Tensor a = at::ones({size, size}, options), b = at::ones({size, size}, options);
        (void)timeOfProduct(a, b); // threads and libraries start
        double best = timeOfProduct(a, b);
        for (double all = best; all < kLong;) {
            const double time = timeOfProduct(a, b);
            best = std::min(best, time);
            all += time;
        }
        const auto n = static_cast<double>(size);
        return (place->is_cpu() ? one.before() : 1) * 2 * n * n * n / best;
    } catch (const std::exception&) { // no memory there: the plan says how much it needs
        return 0;
    }
}

} // namespace crest::model
