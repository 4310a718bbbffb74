// SPDX-License-Identifier: Apache-2.0
// Products of float32 rows with a bfloat16 matrix on the CPU, for training and for decoders that are not packed: both factors rounded to bfloat16, sums in float32.
// By the bfloat16 kernels where the processor has them, zeros filling up whole blocks of 32; else by float32 products of the
// rounded factors, which are exact and several times as fast as LibTorch's products in bfloat16 are without such a processor.
#include <algorithm>
#include <array>

#include "core/model/bfloat16_kernels.h"
#include "core/model/ops.h"
#include "core/model/ops_detail.h"
#include "core/model/pages.h"

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

/// Buffers of the calling thread, kept between calls.
at::Tensor scratch(int which, at::ScalarType type, std::int64_t rows, std::int64_t columns) {
    static thread_local std::array<at::Tensor, 5> buffers;
    at::Tensor& buffer = buffers[static_cast<std::size_t>(which)];
    if (!buffer.defined() || buffer.scalar_type() != type || buffer.numel() < rows * columns) {
        buffer = at::Tensor(); // not beside the larger one
        buffer = pages(rows * columns, type);
    }
    return buffer.narrow(0, 0, rows * columns).view({rows, columns});
}
at::Tensor words(int which, std::int64_t rows, std::int64_t columns) {
    return scratch(which, at::kBFloat16, rows, columns);
}
Word* wordsOf(at::Tensor& t) {
    return static_cast<Word*>(t.mutable_data_ptr());
}
const Word* wordsOf(const at::Tensor& t) {
    return static_cast<const Word*>(t.const_data_ptr());
}

/// x rounded, with columns and rows of zeros up to whole blocks.
at::Tensor roundedBlocks(int which, const at::Tensor& x) {
    const std::int64_t rows = x.size(0), width = x.size(1), stride = wholeBlocks(width) + kRowGap;
    at::Tensor y = words(which, wholeBlocks(rows), stride);
    overRows(rows, kBlock, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t row = begin; row < end; ++row) {
            Word* to = wordsOf(y) + row * stride;
            bfloat16Kernels()->toWords(width, data(x) + row * width, to);
            std::fill(to + width, to + wholeBlocks(width), Word{0});
        }
    });
    std::fill_n(wordsOf(y) + rows * stride, (wholeBlocks(rows) - rows) * stride, Word{0});
    return y;
}

/// Rows of whole blocks of a weight: its own, or a copy with zeros at their ends (small models only).
at::Tensor wholeRows(int which, const at::Tensor& weight) {
    const std::int64_t out = weight.size(0), in = weight.size(1), whole = wholeBlocks(in);
    if (in == whole)
        return weight;
    at::Tensor y = words(which, out, whole);
    for (std::int64_t row = 0; row < out; ++row) {
        Word* to = wordsOf(y) + row * whole;
        std::fill(std::copy_n(wordsOf(weight) + row * in, in, to), to + whole, Word{0});
    }
    return y;
}

/// For products with the transpose of x [n, k], k of whole blocks.
void packTurned(const at::Tensor& x, at::Tensor& packed) {
    const std::int64_t k = x.size(1);
    overRows(x.size(0), kBlock, [&](std::int64_t begin, std::int64_t end) {
        bfloat16Kernels()->packTurned(end - begin, k, wordsOf(x) + begin * k, k, wordsOf(packed) + begin * k);
    });
}

/// For products with x [k, n], whose rows lie `stride` apart; rows that are missing from whole blocks become zero.
void pack(std::int64_t k, std::int64_t n, const Word* x, std::int64_t stride, at::Tensor& packed) {
    const std::int64_t deep = wholeBlocks(k), whole = k / kBlock * kBlock;
    overRows(n, kBlock, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t j = begin; j < end; j += kBlock) { // a panel each
            const std::int64_t width = std::min(kBlock, n - j);
            Word* const to = wordsOf(packed) + j * deep;
            bfloat16Kernels()->pack(whole, width, x + j, stride, to);
            if (whole == k)
                continue;
            Word rest[kBlock * kBlock] = {};
            for (std::int64_t row = whole; row < k; ++row)
                std::copy_n(x + row * stride + j, width, rest + (row - whole) * kBlock);
            bfloat16Kernels()->pack(kBlock, width, rest, kBlock, to + whole * kBlock);
        }
    });
}

/// y [columns of x, whole blocks of rows] = x transposed.
void turn(const at::Tensor& x, std::int64_t columns, at::Tensor& y) {
    overRows(columns, kBlock, [&](std::int64_t begin, std::int64_t end) {
        bfloat16Kernels()->turn(x.size(0), end - begin, wordsOf(x) + begin, x.size(1), wordsOf(y) + begin * y.size(1), y.size(1));
    });
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
    const std::int64_t in = wholeBlocks(weight.size(1));
    at::Tensor packed = words(1, wholeBlocks(weight.size(0)), in);
    packTurned(wholeRows(4, weight), packed);
    packedProduct(roundedBlocks(0, x), in, packed, y, accumulate);
}

void blockLinearBackward(const at::Tensor& dy, const at::Tensor& x, const at::Tensor& weight, at::Tensor& dx,
                         at::Tensor& dWeight, bool accumulateDx) {
    const std::int64_t out = weight.size(0), in = weight.size(1), tall = wholeBlocks(x.size(0)), wide = wholeBlocks(out);
    const at::Tensor dyWords = roundedBlocks(0, dy);
    if (dx.defined()) {
        at::Tensor packed = words(1, wide, wholeBlocks(in));
        pack(out, in, wordsOf(weight), in, packed);
        packedProduct(dyWords, wide, packed, dx, accumulateDx);
    }
    if (!dWeight.defined())
        return;
    at::Tensor turned = words(2, wide, tall + kRowGap), packed = words(3, tall, wholeBlocks(in));
    turn(dyWords, wide, turned);
    const at::Tensor xWords = roundedBlocks(0, x); // in the place of dy's
    pack(tall, in, wordsOf(xWords), xWords.size(1), packed);
    packedProduct(turned, tall, packed, dWeight, true);
}

/// The same values as float32: of floats rounded, of words as they are.
at::Tensor roundedFloats(int which, const at::Tensor& x) {
    constexpr std::int64_t kAtOnce = 1 << 14;
    at::Tensor y = scratch(which, at::kFloat, x.size(0), x.size(1));
    const bool floats = x.scalar_type() == at::kFloat;
    overRows(x.numel(), kAtOnce, [&](std::int64_t begin, std::int64_t end) {
        std::array<Word, kAtOnce> part;
        for (std::int64_t i = begin; i < end; i += kAtOnce) {
            const std::int64_t n = std::min(kAtOnce, end - i);
            if (floats)
                cpuKernels().toBFloat16(n, data(x) + i, part.data());
            cpuKernels().fromBFloat16(n, floats ? part.data() : wordsOf(x) + i, data(y) + i, false);
        }
    });
    return y;
}

} // namespace

void detail::linearWords(const at::Tensor& x, const at::Tensor& weight, at::Tensor& y, bool accumulate) {
    if (bfloat16Kernels())
        return blockLinear(x, weight, y, accumulate);
    linear(roundedFloats(0, x), roundedFloats(1, weight), {}, y, accumulate);
}

void detail::linearBackwardWords(const at::Tensor& dy, const at::Tensor& x, const at::Tensor& weight, at::Tensor& dx,
                                 at::Tensor& dWeight, bool accumulateDx) {
    if (bfloat16Kernels())
        return blockLinearBackward(dy, x, weight, dx, dWeight, accumulateDx);
    at::Tensor none;
    linearBackward(roundedFloats(0, dy), roundedFloats(2, x), roundedFloats(1, weight), dx, dWeight, none, accumulateDx);
}

} // namespace crest::model
