// SPDX-License-Identifier: Apache-2.0
// Products, norms, rotary embedding, activations and embedding rows.
#include "core/model/ops.h"

#include "core/model/ops_detail.h"

namespace crest::model {

using detail::data;
using detail::fusable;
using detail::overRows;
using series::Activation;

namespace {

thread_local bool t_reference = false;

/// Own products win where the inner or outer size is short; beyond, MKL is as fast and threads by itself.
constexpr std::int64_t kOwnGemmWidth = 256;
constexpr std::int64_t kRowBlock = 64;

bool ownGemm(const at::Tensor& x, const at::Tensor& weight) {
    return fusable(x) && fusable(weight) && std::min(weight.size(0), weight.size(1)) <= kOwnGemmWidth &&
           x.is_contiguous() && weight.is_contiguous();
}

/// Float32 outside, products in the weight's type, which asks for it; in the plain form, on any device.
bool mixedProducts(const at::Tensor& x, const at::Tensor& weight) {
    return weight.scalar_type() != x.scalar_type();
}
/// The same for bfloat16 on the CPU, by ops_bfloat16.cpp.
bool wordProducts(const at::Tensor& x, const at::Tensor& weight) {
    return weight.scalar_type() == at::kBFloat16 && x.scalar_type() == at::kFloat && x.device().is_cpu() &&
           x.is_contiguous() && weight.is_contiguous() && !t_reference;
}

} // namespace

void setReferenceOps(bool on) {
    t_reference = on;
}
bool detail::referenceOps() {
    return t_reference;
}

void linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, at::Tensor& y, bool accumulate) {
    const std::int64_t in = weight.size(1), out = weight.size(0);
    if (ownGemm(x, weight) && y.stride(1) == 1) {
        const float* px = data(x);
        const float* pw = data(weight);
        float* py = data(y);
        const std::int64_t ldc = y.stride(0);
        overRows(x.size(0), kRowBlock, [&](std::int64_t begin, std::int64_t end) {
            cpuKernels().gemm(end - begin, out, in, px + begin * in, in, 1, pw, 1, in, py + begin * ldc, ldc,
                              accumulate);
        });
        if (bias.defined())
            y.add_(bias);
        return;
    }
    if (wordProducts(x, weight) && y.is_contiguous()) {
        detail::linearWords(x, weight, y, accumulate);
        if (bias.defined())
            y.add_(bias);
        return;
    }
    if (mixedProducts(x, weight)) {
        const at::Tensor product = at::mm(x.to(weight.scalar_type()), weight.t());
        accumulate ? y.add_(product) : y.copy_(product);
        if (bias.defined())
            y.add_(bias);
        return;
    }
    if (accumulate) {
        y.addmm_(x, weight.t());
        if (bias.defined())
            y.add_(bias);
    } else if (bias.defined()) {
        at::addmm_out(y, bias, x, weight.t());
    } else {
        at::mm_out(y, x, weight.t());
    }
}

void linearBackward(const at::Tensor& dy, const at::Tensor& x, const at::Tensor& weight, at::Tensor& dx,
                    at::Tensor& dWeight, at::Tensor& dBias, bool accumulateDx) {
    const std::int64_t in = weight.size(1), out = weight.size(0), rows = x.size(0);
    const bool wanted = dWeight.defined();
    const bool contiguous = dy.is_contiguous() && (!dx.defined() || dx.is_contiguous()) && (!wanted || dWeight.is_contiguous());
    const bool own = ownGemm(x, weight) && contiguous;
    if (own) {
        const float* pdy = data(dy);
        const float* px = data(x);
        const float* pw = data(weight);
        if (dx.defined())
            overRows(rows, kRowBlock, [&](std::int64_t begin, std::int64_t end) {
                cpuKernels().gemm(end - begin, in, out, pdy + begin * out, out, 1, pw, in, 1, data(dx) + begin * in, in,
                                  accumulateDx);
            });
        if (wanted)
            overRows(out, 16, [&](std::int64_t begin, std::int64_t end) {
                cpuKernels().gemm(end - begin, in, rows, pdy + begin, 1, out, px, in, 1, data(dWeight) + begin * in, in,
                                  true);
            });
    } else if (wordProducts(x, weight) && contiguous) {
        detail::linearBackwardWords(dy, x, weight, dx, dWeight, accumulateDx);
    } else if (mixedProducts(x, weight)) {
        const at::Tensor narrow = dy.to(weight.scalar_type());
        if (dx.defined() && accumulateDx)
            dx.add_(at::mm(narrow, weight));
        else if (dx.defined())
            dx.copy_(at::mm(narrow, weight));
        if (wanted)
            dWeight.add_(at::mm(narrow.t(), x.to(weight.scalar_type())));
    } else {
        if (dx.defined() && accumulateDx)
            dx.addmm_(dy, weight);
        else if (dx.defined())
            at::mm_out(dx, dy, weight);
        if (wanted)
            dWeight.addmm_(dy.t(), x);
    }
    if (dBias.defined())
        dBias.add_(dy.sum(0));
}

void rmsNorm(const at::Tensor& x, const at::Tensor& gain, double eps, at::Tensor& y, at::Tensor& rstd) {
    const std::int64_t width = x.size(-1);
    if (fusable(x)) {
        overRows(x.numel() / width, kRowBlock, [&](std::int64_t begin, std::int64_t end) {
            cpuKernels().rmsNorm(end - begin, width, data(x) + begin * width, data(gain), static_cast<float>(eps),
                                 data(y) + begin * width, rstd.defined() ? data(rstd) + begin : nullptr);
        });
        return;
    }
    const at::Tensor wide = x.to(at::kFloat);
    const at::Tensor scale = at::rsqrt(wide.square().mean(-1, true) + eps);
    y.copy_((wide * scale).to(x.scalar_type()) * gain);
    if (rstd.defined())
        rstd.copy_(scale.view_as(rstd));
}

void rmsNormBackward(const at::Tensor& dy, const at::Tensor& x, const at::Tensor& gain, const at::Tensor& rstd,
                     at::Tensor& dx, at::Tensor& dGain) {
    const std::int64_t width = x.size(-1);
    if (fusable(x)) {
        cpuKernels().rmsNormBackward(x.numel() / width, width, data(dy), data(x), data(gain), data(rstd), data(dx),
                                     data(dGain));
        return;
    }
    const at::Tensor normal = x.to(at::kFloat) * rstd.unsqueeze(-1);
    const at::Tensor grad = dy.to(at::kFloat);
    const at::Tensor scaled = grad * gain;
    dx.add_((scaled - normal * (scaled * normal).mean(-1, true)) * rstd.unsqueeze(-1));
    dGain.add_((grad * normal).sum(0));
}

void layerNorm(const at::Tensor& x, const at::Tensor& gain, const at::Tensor& bias, double eps, at::Tensor& y,
               at::Tensor& mean, at::Tensor& rstd) {
    const std::int64_t width = x.size(-1);
    if (fusable(x)) {
        overRows(x.numel() / width, kRowBlock, [&](std::int64_t begin, std::int64_t end) {
            cpuKernels().layerNorm(end - begin, width, data(x) + begin * width, data(gain), data(bias),
                                   static_cast<float>(eps), data(y) + begin * width,
                                   mean.defined() ? data(mean) + begin : nullptr,
                                   rstd.defined() ? data(rstd) + begin : nullptr);
        });
        return;
    }
    const auto [value, center, scale] = at::native_layer_norm(x, {width}, gain, bias, eps);
    y.copy_(value);
    if (mean.defined())
        mean.copy_(center.view_as(mean));
    if (rstd.defined())
        rstd.copy_(scale.view_as(rstd));
}

void layerNormBackward(const at::Tensor& dy, const at::Tensor& x, const at::Tensor& gain, const at::Tensor& mean,
                       const at::Tensor& rstd, at::Tensor& dx, at::Tensor& dGain, at::Tensor& dBias) {
    const std::int64_t width = x.size(-1);
    if (fusable(x)) {
        cpuKernels().layerNormBackward(x.numel() / width, width, data(dy), data(x), data(gain), data(mean), data(rstd),
                                       data(dx), data(dGain), data(dBias));
        return;
    }
    const at::Tensor scale = rstd.unsqueeze(-1);
    const at::Tensor normal = (x.to(at::kFloat) - mean.unsqueeze(-1)) * scale;
    const at::Tensor grad = dy.to(at::kFloat);
    const at::Tensor scaled = grad * gain;
    dx.add_((scaled - scaled.mean(-1, true) - normal * (scaled * normal).mean(-1, true)) * scale);
    dGain.add_((grad * normal).sum(0));
    if (dBias.defined())
        dBias.add_(grad.sum(0));
}

RotaryTable RotaryTable::from(std::int64_t position, std::int64_t count) const {
    return {cos.narrow(0, position, count), sin.narrow(0, position, count), rotated};
}

RotaryTable rotaryTable(double base, std::int64_t rotated, std::int64_t positions, const at::Device& device) {
    const auto wide = at::TensorOptions().dtype(at::kFloat);
    // Float32 throughout, in transformers' order of operations.
    const at::Tensor exponent = at::arange(0, rotated, 2, at::kLong).to(at::kFloat) / static_cast<double>(rotated);
    const at::Tensor frequency = 1.0 / at::pow(at::scalar_tensor(base, wide), exponent);
    const at::Tensor angle = at::outer(at::arange(positions, wide), frequency);
    return {angle.cos().contiguous().to(device), angle.sin().contiguous().to(device), rotated};
}

RotaryTable rotaryTable(std::span<const double> frequencies, double factor, std::int64_t positions,
                        const at::Device& device) {
    const auto pairs = static_cast<std::int64_t>(frequencies.size());
    at::Tensor frequency = at::empty({pairs}, at::TensorOptions().dtype(at::kFloat));
    for (std::int64_t k = 0; k < pairs; ++k)
        frequency[k] = frequencies[static_cast<std::size_t>(k)];
    const at::Tensor angle = at::outer(at::arange(positions, frequency.options()), frequency);
    return {(angle.cos() * factor).to(device), (angle.sin() * factor).to(device), 2 * pairs};
}

void rope(at::Tensor& x, const RotaryTable& table, bool inverse) {
    const std::int64_t tokens = x.size(1), half = table.rotated / 2;
    if (half == 0)
        return;
    if (fusable(x) && x.stride(3) == 1) {
        float* px = data(x);
        const std::int64_t blocks = x.size(0);
        overRows(blocks, 1, [&](std::int64_t begin, std::int64_t end) {
            for (std::int64_t b = begin; b < end; ++b)
                cpuKernels().rope(tokens, tokens, x.size(2), table.rotated, px + b * x.stride(0), x.stride(1),
                                  x.stride(2), data(table.cos), data(table.sin), inverse);
        });
        return;
    }
    const at::Tensor cos = table.cos.narrow(0, 0, tokens).view({1, tokens, 1, half}).to(x.scalar_type());
    at::Tensor sin = table.sin.narrow(0, 0, tokens).view({1, tokens, 1, half}).to(x.scalar_type());
    if (inverse)
        sin = -sin;
    at::Tensor low = x.narrow(3, 0, half), high = x.narrow(3, half, half);
    const at::Tensor turned = low * cos - high * sin;
    high.copy_(high * cos + low * sin);
    low.copy_(turned);
}

namespace {

at::Tensor apply(const at::Tensor& x, Activation kind) {
    switch (kind) {
    case Activation::Silu:
        return at::silu(x);
    case Activation::GeluErf:
        return at::gelu(x);
    case Activation::GeluTanh:
        return at::gelu(x, "tanh");
    case Activation::Relu:
        break;
    }
    return at::relu(x);
}

at::Tensor applyBackward(const at::Tensor& grad, const at::Tensor& x, Activation kind) {
    switch (kind) {
    case Activation::Silu:
        return at::silu_backward(grad, x);
    case Activation::GeluErf:
        return at::gelu_backward(grad, x);
    case Activation::GeluTanh:
        return at::gelu_backward(grad, x, "tanh");
    case Activation::Relu:
        break;
    }
    return at::threshold_backward(grad, x, 0);
}

bool isGelu(Activation kind) {
    return kind == Activation::GeluErf || kind == Activation::GeluTanh;
}

} // namespace

void gatedActivation(const at::Tensor& gateUp, Activation kind, at::Tensor& h) {
    const std::int64_t rows = gateUp.size(0), width = gateUp.size(1) / 2;
    if (fusable(gateUp) && kind == Activation::Silu) {
        overRows(rows, kRowBlock, [&](std::int64_t begin, std::int64_t end) {
            const float* gate = data(gateUp) + begin * 2 * width;
            cpuKernels().siluGate(end - begin, width, gate, gate + width, 2 * width, data(h) + begin * width);
        });
        return;
    }
    at::mul_out(h, apply(gateUp.narrow(1, 0, width), kind), gateUp.narrow(1, width, width));
}

void gatedActivationBackward(const at::Tensor& dh, const at::Tensor& gateUp, Activation kind, at::Tensor& dGateUp) {
    const std::int64_t rows = gateUp.size(0), width = gateUp.size(1) / 2;
    if (fusable(gateUp) && kind == Activation::Silu) {
        overRows(rows, kRowBlock, [&](std::int64_t begin, std::int64_t end) {
            const float* gate = data(gateUp) + begin * 2 * width;
            float* dGate = data(dGateUp) + begin * 2 * width;
            cpuKernels().siluGateBackward(end - begin, width, data(dh) + begin * width, gate, gate + width, 2 * width,
                                          dGate, dGate + width, 2 * width);
        });
        return;
    }
    const at::Tensor gate = gateUp.narrow(1, 0, width), up = gateUp.narrow(1, width, width);
    const at::Tensor dUp = dh * apply(gate, kind);
    dGateUp.narrow(1, 0, width).copy_(applyBackward(dh * up, gate, kind));
    dGateUp.narrow(1, width, width).copy_(dUp);
}

void activation(const at::Tensor& x, Activation kind, at::Tensor& h) {
    if (!fusable(x) || !isGelu(kind)) {
        h.copy_(apply(x, kind));
        return;
    }
    overRows(x.numel(), 4096, [&](std::int64_t begin, std::int64_t end) {
        cpuKernels().gelu(end - begin, data(x) + begin, kind == Activation::GeluTanh, data(h) + begin);
    });
}

void activationBackward(const at::Tensor& dh, const at::Tensor& x, Activation kind, at::Tensor& dx) {
    if (!fusable(x) || !isGelu(kind)) {
        dx.copy_(applyBackward(dh, x, kind));
        return;
    }
    overRows(x.numel(), 4096, [&](std::int64_t begin, std::int64_t end) {
        cpuKernels().geluBackward(end - begin, data(dh) + begin, data(x) + begin, kind == Activation::GeluTanh,
                                  data(dx) + begin);
    });
}

void embedding(const at::Tensor& ids, const at::Tensor& table, at::Tensor& y) {
    at::index_select_out(y, table, 0, ids);
}

void embeddingBackward(const at::Tensor& ids, const at::Tensor& dy, at::Tensor& dTable) {
    if (!fusable(dy)) {
        dTable.index_add_(0, ids, dy.to(dTable.scalar_type()));
        return;
    }
    const std::int64_t width = dy.size(1);
    const std::int64_t* id = ids.const_data_ptr<std::int64_t>();
    const float* from = data(dy);
    float* table = data(dTable);
    for (std::int64_t row = 0; row < ids.numel(); ++row)
        for (std::int64_t e = 0; e < width; ++e)
            table[id[row] * width + e] += from[row * width + e];
}

} // namespace crest::model
