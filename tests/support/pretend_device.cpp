// SPDX-License-Identifier: Apache-2.0
#include "tests/support/pretend_device.h"

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <utility>

#include <ATen/ATen.h>
#include <ATen/EmptyTensor.h>
#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <ATen/native/CPUFallback.h>
#include <ATen/ops/_reshape_alias_native.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/view_native.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/library.h>

namespace crest::test {
namespace {

PretendDevice g_device;
constexpr c10::DeviceType kType = c10::DeviceType::PrivateUse1;

struct Block {
    void* memory = nullptr;
    std::int64_t bytes = 0;
};

void giveBack(void* context) {
    const auto* block = static_cast<Block*>(context);
    g_device.now -= block->bytes;
    std::free(block->memory);
    delete block;
}

class PretendAllocator final : public c10::DeviceAllocator {
public:
    c10::DataPtr allocate(std::size_t size) override {
        const auto bytes = static_cast<std::int64_t>(size);
        TORCH_CHECK_WITH(OutOfMemoryError, bytes <= g_device.room - g_device.now, "pretend out of memory: ", bytes, " bytes");
        auto* block = new Block{std::malloc(std::max<std::size_t>(size, 1)), bytes};
        g_device.now += bytes;
        g_device.most = std::max(g_device.most, g_device.now);
        return {block->memory, block, &giveBack, c10::Device(kType, 0)};
    }
    void copy_data(void* to, const void* from, std::size_t count) const override { default_copy_data(to, from, count); }
    bool initialized() override { return false; } // no statistics: nothing is kept back
    void emptyCache(c10::MempoolId_t) override {}
    void recordStream(const c10::DataPtr&, c10::Stream) override {}
    c10::CachingDeviceAllocator::DeviceStats getDeviceStats(c10::DeviceIndex) override { return {}; }
    void resetAccumulatedStats(c10::DeviceIndex) override {}
    void resetPeakStats(c10::DeviceIndex) override {}
    std::pair<std::size_t, std::size_t> getMemoryInfo(c10::DeviceIndex device) override {
        if (g_device.free < 0)
            return c10::DeviceAllocator::getMemoryInfo(device); // says that it has no such numbers
        return {static_cast<std::size_t>(g_device.free), static_cast<std::size_t>(g_device.free)};
    }
};
PretendAllocator g_allocator;

struct PretendGuard final : c10::impl::NoOpDeviceGuardImpl<kType> {
    c10::Device getDevice() const override { return {kType, 0}; }
    c10::Device exchangeDevice(c10::Device) const override { return {kType, 0}; }
};
C10_REGISTER_GUARD_IMPL(PrivateUse1, PretendGuard)

struct PretendHooks final : at::PrivateUse1HooksInterface {
    bool isBuilt() const override { return true; }
    bool isAvailable() const override { return true; }
    bool hasPrimaryContext(c10::DeviceIndex) const override { return true; }
};

at::Tensor emptyOf(c10::IntArrayRef sizes, std::optional<c10::ScalarType> type, std::optional<c10::Layout>, std::optional<c10::Device>,
                   std::optional<bool>, std::optional<c10::MemoryFormat> format) {
    return at::detail::empty_generic(sizes, &g_allocator, c10::DispatchKeySet(c10::DispatchKey::PrivateUse1), c10::dtype_or_default(type), format);
}

at::Tensor emptyStrided(c10::IntArrayRef sizes, c10::IntArrayRef strides, std::optional<c10::ScalarType> type, std::optional<c10::Layout>,
                        std::optional<c10::Device>, std::optional<bool>) {
    return at::detail::empty_strided_generic(sizes, strides, &g_allocator, c10::DispatchKeySet(c10::DispatchKey::PrivateUse1),
                                             c10::dtype_or_default(type));
}

/// The same memory, for the CPU.
at::Tensor onCpu(const at::Tensor& tensor) {
    return tensor.is_cpu() ? tensor
                           : at::from_blob(tensor.data_ptr(), tensor.sizes(), tensor.strides(), at::TensorOptions().dtype(tensor.scalar_type()));
}

void checkNotLost() {
    if (g_device.lost)
        throw c10::AcceleratorError({__func__, __FILE__, static_cast<std::uint32_t>(__LINE__)}, 719,
                                    "CUDA error: unspecified launch failure\nCompile with TORCH_USE_CUDA_DSA to enable device-side assertions.");
}

at::Tensor copyFrom(const at::Tensor& from, const at::Tensor& to, bool) {
    checkNotLost();
    onCpu(to).copy_(onCpu(from));
    return to;
}

at::Tensor copyFromAndResize(const at::Tensor& from, const at::Tensor& to) {
    if (from.sizes() != to.sizes()) { // an empty output that takes the size of the result
        const std::size_t bytes = from.nbytes();
        if (to.storage().nbytes() < bytes) {
            to.storage().unsafeGetStorageImpl()->set_data_ptr_noswap(g_allocator.allocate(bytes));
            to.storage().unsafeGetStorageImpl()->set_nbytes(bytes);
        }
        to.unsafeGetTensorImpl()->set_sizes_contiguous(from.sizes());
    }
    return copyFrom(from, to, false);
}

void fallBack(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
    checkNotLost();
    at::native::cpu_fallback(op, stack);
}

TORCH_LIBRARY_IMPL(_, PrivateUse1, m) {
    m.fallback(torch::CppFunction::makeFromBoxedFunction<&fallBack>());
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
    m.impl("empty.memory_format", &emptyOf);
    m.impl("empty_strided", &emptyStrided);
    m.impl("as_strided", &at::native::as_strided_tensorimpl);
    m.impl("view", &at::native::view);
    m.impl("_reshape_alias", &at::native::_reshape_alias);
    m.impl("_copy_from", &copyFrom);
    m.impl("_copy_from_and_resize", &copyFromAndResize);
}

} // namespace

PretendDevice& pretendDevice() {
    static const bool known = [] {
        static PretendHooks hooks;
        c10::register_privateuse1_backend("pretend");
        c10::SetAllocator(kType, &g_allocator);
        at::RegisterPrivateUse1HooksInterface(&hooks);
        return true;
    }();
    (void)known;
    return g_device;
}

} // namespace crest::test
