// SPDX-License-Identifier: Apache-2.0
// Devices beside the CPU, found at run time: one program for machines with and without a GPU.
#include <dlfcn.h>

#include <ATen/Context.h>
#include <ATen/DeviceAccelerator.h>
#include <fmt/format.h>

#include "core/model/decoder.h"

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

} // namespace crest::model
