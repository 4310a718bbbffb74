// SPDX-License-Identifier: Apache-2.0
// Products of float32 rows with a bfloat16 matrix on the CPU, for training: by the bfloat16 kernels, which give float32
// sums, where the matrix is whole blocks of 32, else by LibTorch, whose results are rounded to bfloat16.
#include <algorithm>
#include <array>

#include "core/model/bfloat16_kernels.h"
#include "core/model/ops_detail.h"

namespace crest::model {

using detail::data;
using detail::overRows;

namespace {

constexpr std::int64_t kBlock = BFloat16Kernels::kTile;
/// Words between rows beyond their length: rows of a power of two would share cache sets.
constexpr std::int64_t kRowGap = 32;

std::int64_t wholeBlocks(std::int64_t n) {
    return (n + kBlock - 1) / kBlock * kBlock;
}

/// bfloat16 buffers of the calling thread, kept between calls.
at::Tensor words(int which, std::int64_t rows, std::int64_t columns) {
    static thread_local std::array<at::Tensor, 4> buffers;
    at::Tensor& buffer = buffers[static_cast<std::size_t>(which)];
    if (!buffer.defined() || buffer.numel() < rows * columns)
        buffer = at::empty({rows * columns}, at::kBFloat16);
    return buffer.narrow(0, 0, rows * columns).view({rows, columns});
}
Word* wordsOf(at::Tensor& t) {
    return static_cast<Word*>(t.mutable_data_ptr());
}
const Word* wordsOf(const at::Tensor& t) {
    return static_cast<const Word*>(t.const_data_ptr());
}

at::Tensor rounded(int which, const at::Tensor& x) {
    at::Tensor y = words(which, x.size(0), x.size(1));
    cpuKernels().toBFloat16(x.numel(), data(x), wordsOf(y));
    return y;
}

bool takesBlocks(const at::Tensor& weight) {
    return bfloat16Kernels() && weight.is_contiguous() && weight.size(0) % kBlock == 0 && weight.size(1) % kBlock == 0;
}

/// x rounded, with rows of zeros up to whole blocks.
at::Tensor roundedBlocks(int which, const at::Tensor& x) {
    const std::int64_t rows = x.size(0), width = x.size(1), stride = width + kRowGap;
    at::Tensor y = words(which, wholeBlocks(rows), stride);
    for (std::int64_t row = 0; row < rows; ++row)
        bfloat16Kernels()->toWords(width, data(x) + row * width, wordsOf(y) + row * stride);
    std::fill_n(wordsOf(y) + rows * stride, (wholeBlocks(rows) - rows) * stride, Word{0});
    return y;
}

/// y [rows, columns] = or += the first `inner` columns of x times a packed matrix.
void packedProduct(const at::Tensor& x, std::int64_t inner, const at::Tensor& packed, at::Tensor& y, bool accumulate) {
    const std::int64_t columns = y.size(1), stride = x.size(1);
    overRows(y.size(0), kBlock, [&](std::int64_t begin, std::int64_t end) {
        float* to = data(y) + begin * columns;
        bfloat16Kernels()->product(end - begin, columns, inner, wordsOf(x) + begin * stride, stride, wordsOf(packed),
                                   {nullptr, to, accumulate ? to : nullptr, columns});
    });
}

void blockLinear(const at::Tensor& x, const at::Tensor& weight, at::Tensor& y, bool accumulate) {
    const std::int64_t out = weight.size(0), in = weight.size(1);
    at::Tensor packed = words(1, out, in);
    bfloat16Kernels()->packTurned(out, in, wordsOf(weight), in, wordsOf(packed));
    packedProduct(roundedBlocks(0, x), in, packed, y, accumulate);
}

void blockLinearBackward(const at::Tensor& dy, const at::Tensor& x, const at::Tensor& weight, at::Tensor& dx,
                         at::Tensor& dWeight, bool accumulateDx) {
    const std::int64_t out = weight.size(0), in = weight.size(1), tall = wholeBlocks(x.size(0));
    const at::Tensor dyWords = roundedBlocks(0, dy);
    if (dx.defined()) {
        at::Tensor packed = words(1, out, in);
        bfloat16Kernels()->pack(out, in, wordsOf(weight), in, wordsOf(packed));
        packedProduct(dyWords, out, packed, dx, accumulateDx);
    }
    if (!dWeight.defined())
        return;
    at::Tensor turned = words(2, out, tall + kRowGap), packed = words(3, tall, in);
    bfloat16Kernels()->turn(tall, out, wordsOf(dyWords), dyWords.size(1), wordsOf(turned), turned.size(1));
    const at::Tensor xWords = roundedBlocks(0, x); // in the place of dy's
    bfloat16Kernels()->pack(tall, in, wordsOf(xWords), xWords.size(1), wordsOf(packed));
    packedProduct(turned, tall, packed, dWeight, true);
}

} // namespace

void detail::linearWords(const at::Tensor& x, const at::Tensor& weight, at::Tensor& y, bool accumulate) {
    if (takesBlocks(weight))
        return blockLinear(x, weight, y, accumulate);
    at::Tensor product = words(1, x.size(0), weight.size(0));
    at::mm_out(product, rounded(0, x), weight.t());
    cpuKernels().fromBFloat16(product.numel(), wordsOf(product), data(y), accumulate);
}

void detail::linearBackwardWords(const at::Tensor& dy, const at::Tensor& x, const at::Tensor& weight, at::Tensor& dx,
                                 at::Tensor& dWeight, bool accumulateDx) {
    if (takesBlocks(weight) && (!dx.defined() || dx.is_contiguous()) && (!dWeight.defined() || dWeight.is_contiguous()))
        return blockLinearBackward(dy, x, weight, dx, dWeight, accumulateDx);
    const std::int64_t rows = x.size(0), in = weight.size(1), out = weight.size(0);
    if (dx.defined()) {
        at::Tensor product = words(1, rows, in);
        at::mm_out(product, rounded(0, dy), weight);
        cpuKernels().fromBFloat16(product.numel(), wordsOf(product), data(dx), accumulateDx);
    }
    if (!dWeight.defined())
        return;
    at::Tensor turned = words(2, out, rows), product = words(3, out, in);
    cpuKernels().toBFloat16Transposed(rows, out, data(dy), wordsOf(turned));
    at::mm_out(product, turned, rounded(0, x));
    cpuKernels().fromBFloat16(product.numel(), wordsOf(product), data(dWeight), true);
}

} // namespace crest::model
