// SPDX-License-Identifier: Apache-2.0
// Devices beside the CPU, found at run time: one program for machines with and without a GPU.
#include <dlfcn.h>

#include <algorithm>

#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <ATen/DeviceAccelerator.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <fmt/format.h>

#include "core/model/accelerator.h"
#include "core/model/decoder.h"
#include "core/model/torch_errors.h"

namespace crest::model {

void loadAccelerator() {
    // LibTorch looks its CUDA hooks up once, at the first question about CUDA: the library has to be there by then.
    // Without a driver it would only cost start-up time.
    static const bool once = [] {
        if (void* driver = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL)) {
            dlclose(driver);
            dlopen("libtorch_cuda.so", RTLD_LAZY | RTLD_GLOBAL);
        }
        return true;
    }();
    (void)once;
}

Result<at::Device> deviceFromName(const std::string& name) {
    loadAccelerator();
    at::Device device(at::kCPU);
    try {
        device = at::Device(name);
    } catch (const c10::Error&) {
        return fail(ErrorKind::OutOfRange, fmt::format("'{}' is no device; use cpu, cuda or cuda:0", name));
    }
    if (device.is_cpu())
        return device;
    const auto accelerator = at::getAccelerator();
    if (!accelerator || *accelerator != device.type() || at::accelerator::deviceCount() == 0)
        return fail(ErrorKind::Unsupported,
                    fmt::format("this machine has no device {} that this LibTorch can use", name));
    const at::DeviceIndex index = device.has_index() ? device.index() : at::DeviceIndex{0};
    if (index >= at::accelerator::deviceCount())
        return fail(ErrorKind::OutOfRange, fmt::format("there are {} devices of this kind, counted from 0, so no {}",
                                                       static_cast<int>(at::accelerator::deviceCount()), name));
    return at::Device(device.type(), index);
}

std::optional<std::int64_t> freeDeviceMemory(const c10::Device& device) {
    auto* const allocator = device.is_cpu() ? nullptr : dynamic_cast<c10::DeviceAllocator*>(c10::GetAllocator(device.type()));
    if (!allocator)
        return std::nullopt;
    std::int64_t free = 0;
    try {
        free = static_cast<std::int64_t>(allocator->getMemoryInfo(device.index()).first);
        if (!allocator->initialized())
            return free;
        const c10::CachingDeviceAllocator::DeviceStats stats = allocator->getDeviceStats(device.index());
        constexpr auto kAll = static_cast<std::size_t>(c10::CachingAllocator::StatType::AGGREGATE);
        return free + std::max<std::int64_t>(0, stats.reserved_bytes[kAll].current - stats.allocated_bytes[kAll].current);
    } catch (const c10::Error&) { // it has no such numbers, or nothing was allocated there yet
        return free > 0 ? std::optional(free) : std::nullopt;
    }
}

std::optional<std::string> deviceFailure(const c10::Device& device) {
    try {
        const double sum = at::ones({8}, at::TensorOptions().device(device)).sum().item<double>();
        return sum == 8 ? std::nullopt : std::optional(fmt::format("the sum of eight ones is {} there", sum));
    } catch (const c10::Error& error) {
        return isOutOfMemory(error) ? std::nullopt : std::optional(wordsOf(error));
    }
}

} // namespace crest::model
