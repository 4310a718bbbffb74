// SPDX-License-Identifier: Apache-2.0
// See amx_forward.h. Blocking: a block of rows of x stays in the second-level cache (2 MB) while all panels of 32
// columns of the weight pass; of a panel, kForwardDepth inner elements (16 KB) stay in the first-level cache (48 KB) while the
// block's rows stream by. Partial sums of the panel wait in `sums`.
#include "core/model/amx_forward.h"
#include "core/model/amx_tiles.h"

namespace crest::model::amx {

namespace {

constexpr std::int64_t kStrip = AmxForward::kStrip;
constexpr std::int64_t kForwardDepth = 256; ///< inner elements of one visit to a panel
constexpr std::int64_t kWholeDepth = 512;     ///< inner sizes up to this are not cut
constexpr std::int64_t kForwardBlockWords = 1 << 19; ///< of x
constexpr std::int64_t kMostRows = 512, kLeastRows = 128;
constexpr std::int64_t kSums = kTile * kTile;
constexpr float kLog2e = 1.44269504088896341f;

CREST_INLINE std::int64_t least(std::int64_t a, std::int64_t b) {
    return a < b ? a : b;
}
CREST_INLINE __mmask16 firstLanes(std::int64_t count) {
    return count >= 16 ? __mmask16(0xffff) : (count > 0 ? static_cast<__mmask16>((1u << count) - 1) : __mmask16(0));
}

/// sums (four tiles of 16 x 16, side by side, then below) = or += x [32, depth] times `depth` rows of a panel.
/// between() runs once for every 32 inner elements: vector work for the core to do while the matrix unit multiplies.
template<bool Add, class Between>
CREST_INLINE void multiply(std::int64_t depth, const Word* x, std::int64_t stride, const Word* panel, float* sums,
                           const Between& between) {
    if constexpr (Add) {
        _tile_loadd(0, sums, 64);
        _tile_loadd(1, sums + 256, 64);
        _tile_loadd(2, sums + 512, 64);
        _tile_loadd(3, sums + 768, 64);
    } else {
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
    }
    const Word* low = x + 16 * stride;
    for (std::int64_t p = 0; p < depth; p += 32) {
        _tile_loadd(4, x + p, 2 * stride);
        _tile_loadd(6, panel + p * kTile, 4 * kTile);
        _tile_dpbf16ps(0, 4, 6);
        _tile_loadd(7, panel + p * kTile + 32, 4 * kTile);
        _tile_dpbf16ps(1, 4, 7);
        _tile_loadd(5, low + p, 2 * stride);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
        between();
    }
    _tile_stored(0, sums, 64);
    _tile_stored(1, sums + 256, 64);
    _tile_stored(2, sums + 512, 64);
    _tile_stored(3, sums + 768, 64);
}

/// A row of 32 results as two vectors.
struct Pair {
    __m512 low, high;
};
CREST_INLINE Pair rowOf(const float* sums, std::int64_t row) {
    const float* at = sums + row % 16 * 16 + row / 16 * 512;
    return {_mm512_load_ps(at), _mm512_load_ps(at + 256)};
}

/// 32 x 32 results whose rows are still to be finished.
struct PendingSums {
    const float* sums = nullptr;
    std::int64_t row = 0, column = 0; ///< of the first result
    std::int64_t next = 0, count = 0; ///< rows done, and rows in use
};

/// finish(sums, row, r, last, column) for rows row + r .. row + last - 1 of all 32 x 32 results of rows [begin, end), a
/// few rows at a time while the next results are multiplied.
template<class Finish>
CREST_INLINE void overResults(const PackedProduct& p, std::int64_t begin, std::int64_t end, const Finish& finish) {
    alignas(64) static thread_local float waiting[(kMostRows / kTile + 1) * kSums];
    const std::int64_t depth = p.inner <= kWholeDepth ? p.inner : kForwardDepth;
    const std::int64_t blocks = (end - begin + kTile - 1) / kTile;
    PendingSums pending;
    const auto finishRows = [&](std::int64_t rows) __attribute__((always_inline)) {
        const std::int64_t first = pending.next;
        pending.next = least(first + rows, pending.count);
        if (first < pending.next)
            finish(pending.sums, pending.row, first, pending.next, pending.column);
    };
    // Partial sums of a panel wait for its next inner elements; the slot of the pending block is never the next one.
    const std::int64_t slots = depth < p.inner ? blocks + 1 : 2;
    for (std::int64_t column = 0; column < p.columns; column += kTile) {
        const Word* panel = p.weight + column * p.inner;
        for (std::int64_t first = 0; first < p.inner; first += depth) {
            const std::int64_t deep = least(depth, p.inner - first), share = (kTile * 32 + deep - 1) / deep;
            const auto between = [&]() __attribute__((always_inline)) {
                finishRows(share);
            };
            for (std::int64_t block = 0; block < blocks; ++block) {
                const std::int64_t row = begin + block * kTile;
                float* sums = waiting + (column / kTile * blocks + block) % slots * kSums;
                const Word* x = p.x + row * p.stride + first;
                if (first == 0)
                    multiply<false>(deep, x, p.stride, panel, sums, between);
                else
                    multiply<true>(deep, x, p.stride, panel + first * kTile, sums, between);
                if (first + deep < p.inner)
                    continue;
                finishRows(kTile);
                pending = {sums, row, column, 0, least(kTile, end - row)};
            }
        }
    }
    finishRows(kTile);
}

CREST_INLINE std::int64_t rowsOfBlock(std::int64_t inner) {
    const std::int64_t rows = kForwardBlockWords / inner / kTile * kTile;
    return rows < kLeastRows ? kLeastRows : least(rows, kMostRows);
}

template<class Finish> CREST_INLINE void overBlocks(const PackedProduct& p, const Finish& finish) {
    const TileGuard tiles;
    const std::int64_t step = rowsOfBlock(p.inner);
    for (std::int64_t row = 0; row < p.rows; row += step)
        overResults(p, row, least(row + step, p.rows), finish);
}

CREST_INLINE Pair biasOf(const PackedProduct& p, std::int64_t column) {
    return p.bias ? Pair{_mm512_loadu_ps(p.bias + column), _mm512_loadu_ps(p.bias + column + 16)}
                  : Pair{_mm512_setzero_ps(), _mm512_setzero_ps()};
}

/// 2^x: at most 1e-7 off; arguments below -126 count as -126. NaN stays NaN.
CREST_INLINE __m512 powerOf2(__m512 x) {
    x = _mm512_max_ps(_mm512_set1_ps(-126.0f), x);
    const __m512 n = _mm512_roundscale_ps(x, 0x08);
    const __m512 r = _mm512_sub_ps(x, n);
    __m512 p = _mm512_set1_ps(1.3276440992623895e-3f); // minimax on [-1/2, 1/2]
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(9.675541086653137e-3f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(5.5507133693883604e-2f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(2.40221197300091e-1f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(6.931469670060544e-1f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f));
    return _mm512_scalef_ps(p, n);
}
/// 1 / x for x in [1, 2^126]: a table's guess and a step of Newton's method.
CREST_INLINE __m512 inverse(__m512 x) {
    const __m512 guess = _mm512_rcp14_ps(x);
    return _mm512_mul_ps(guess, _mm512_fnmadd_ps(x, guess, _mm512_set1_ps(2.0f)));
}
/// 1 / (1 + 2^x).
CREST_INLINE __m512 falling(__m512 x) {
    return inverse(_mm512_add_ps(_mm512_set1_ps(1.0f), powerOf2(_mm512_min_ps(_mm512_set1_ps(126.0f), x))));
}

/// gelu by the complementary error function of Abramowitz and Stegun, 7.1.26 (1.5e-7).
CREST_INLINE __m512 geluErf(__m512 x) {
    const __m512 size = _mm512_abs_ps(x), one = _mm512_set1_ps(1.0f);
    const __m512 t = inverse(_mm512_fmadd_ps(size, _mm512_set1_ps(0.3275911f * 0.70710678118654752f), one));
    __m512 p = _mm512_set1_ps(0.5f * 1.061405429f);
    p = _mm512_fmadd_ps(p, t, _mm512_set1_ps(0.5f * -1.453152027f));
    p = _mm512_fmadd_ps(p, t, _mm512_set1_ps(0.5f * 1.421413741f));
    p = _mm512_fmadd_ps(p, t, _mm512_set1_ps(0.5f * -0.284496736f));
    p = _mm512_fmadd_ps(p, t, _mm512_set1_ps(0.5f * 0.254829592f));
    const __m512 tail = _mm512_mul_ps(_mm512_mul_ps(p, t),
                                      powerOf2(_mm512_mul_ps(_mm512_mul_ps(x, x), _mm512_set1_ps(-0.5f * kLog2e))));
    // x Phi(x), Phi(-|x|) = tail.
    const __mmask16 negative = _mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_LT_OQ);
    return _mm512_mul_ps(x, _mm512_mask_blend_ps(negative, _mm512_sub_ps(one, tail), tail));
}

template<Curve C> CREST_INLINE __m512 curved(__m512 x) {
    if constexpr (C == Curve::Silu)
        return _mm512_mul_ps(x, falling(_mm512_mul_ps(x, _mm512_set1_ps(-kLog2e))));
    if constexpr (C == Curve::GeluErf)
        return geluErf(x);
    if constexpr (C == Curve::GeluTanh) { // (1 + tanh z) / 2 = 1 / (1 + exp(-2 z))
        const __m512 cube = _mm512_fmadd_ps(_mm512_mul_ps(x, x), _mm512_set1_ps(0.044715f), _mm512_set1_ps(1.0f));
        const __m512 z = _mm512_mul_ps(_mm512_mul_ps(x, cube), _mm512_set1_ps(-2 * 0.7978845608028654f * kLog2e));
        return _mm512_mul_ps(x, falling(z));
    }
    if constexpr (C == Curve::Relu)
        return _mm512_max_ps(_mm512_setzero_ps(), x);
    return x;
}

/// f.template operator()<C>() for the curve.
template<class F> CREST_INLINE void withCurve(Curve curve, const F& f) {
    switch (curve) {
    case Curve::None:
        return f.template operator()<Curve::None>();
    case Curve::Silu:
        return f.template operator()<Curve::Silu>();
    case Curve::GeluErf:
        return f.template operator()<Curve::GeluErf>();
    case Curve::GeluTanh:
        return f.template operator()<Curve::GeluTanh>();
    case Curve::Relu:
        return f.template operator()<Curve::Relu>();
    }
}

void packStrip(const float* rows, std::int64_t stride, std::int64_t count, std::int64_t inner, Word* packed,
               std::int64_t depth, std::int64_t strip, std::int64_t first) {
    Word* to = packed + strip / 2 * kTile * depth + strip % 2 * 32 + first * kTile;
    for (std::int64_t p = 0; p < inner; p += 32) {
        __m512i pairs[kStrip];
#pragma GCC unroll 16
        for (int r = 0; r < kStrip; ++r) {
            const float* from = rows + r * stride + p;
            pairs[r] =
                r < count
                    ? reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(_mm512_loadu_ps(from + 16), _mm512_loadu_ps(from)))
                    : _mm512_setzero_si512();
        }
        turn16(pairs);
#pragma GCC unroll 16
        for (int r = 0; r < kStrip; ++r)
            _mm512_storeu_si512(to + p * kTile + r * 2 * kTile, pairs[r]);
    }
}

void addTo(const PackedProduct& p, float* y) {
    const auto finish = [&](const float* sums, std::int64_t row, std::int64_t r, std::int64_t last, std::int64_t column)
        __attribute__((always_inline)) {
        const Pair bias = biasOf(p, column);
        const __mmask16 low = firstLanes(p.columns - column), high = firstLanes(p.columns - column - 16);
        for (; r < last; ++r) {
            const Pair sum = rowOf(sums, r);
            float* to = y + (row + r) * p.columns + column;
            const __m512 a = _mm512_maskz_loadu_ps(low, to), b = _mm512_maskz_loadu_ps(high, to + 16);
            _mm512_mask_storeu_ps(to, low, _mm512_add_ps(a, _mm512_add_ps(sum.low, bias.low)));
            _mm512_mask_storeu_ps(to + 16, high, _mm512_add_ps(b, _mm512_add_ps(sum.high, bias.high)));
        }
    };
    overBlocks(p, finish);
}

template<Curve C> void wordsOf(const PackedProduct& p, Word* y, std::int64_t stride) {
    const auto finish = [&](const float* sums, std::int64_t row, std::int64_t r, std::int64_t last, std::int64_t column)
        __attribute__((always_inline)) {
        const Pair bias = biasOf(p, column);
        const std::int64_t left = p.columns - column;
        const __mmask32 mask = left >= 32 ? ~__mmask32{0} : static_cast<__mmask32>((std::uint64_t{1} << left) - 1);
        for (; r < last; ++r) {
            const Pair sum = rowOf(sums, r);
            const __m512 low = curved<C>(_mm512_add_ps(sum.low, bias.low)),
                         high = curved<C>(_mm512_add_ps(sum.high, bias.high));
            _mm512_mask_storeu_epi16(y + (row + r) * stride + column, mask,
                                     reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(high, low)));
        }
    };
    overBlocks(p, finish);
}

void toWords(const PackedProduct& p, Curve curve, Word* y, std::int64_t stride) {
    withCurve(curve, [&]<Curve C>() { wordsOf<C>(p, y, stride); });
}

template<Curve C> void gatedOf(const PackedProduct& p, Word* y, std::int64_t stride) {
    const auto finish = [&](const float* sums, std::int64_t row, std::int64_t r, std::int64_t last, std::int64_t column)
        __attribute__((always_inline)) {
        const Pair bias = biasOf(p, column);
        for (; r < last; ++r) {
            const Pair sum = rowOf(sums, r);
            const __m512 gate = curved<C>(_mm512_add_ps(sum.low, bias.low));
            storeWords(y + (row + r) * stride + column / 2, _mm512_mul_ps(gate, _mm512_add_ps(sum.high, bias.high)));
        }
    };
    overBlocks(p, finish);
}

void toGated(const PackedProduct& p, Curve curve, Word* y, std::int64_t stride) {
    withCurve(curve, [&]<Curve C>() { gatedOf<C>(p, y, stride); });
}

/// Sums of exp(logit - reference) by lane for each row of a block. The reference is the largest logit of the row's
/// first 32 columns; it moves only where a later logit exceeds it by far, so that sums neither overflow nor vanish.
struct Exponentials {
    float sums[kMostRows][16], best[kMostRows][16], reference[kMostRows];
    std::int32_t bestId[kMostRows][16];
};
constexpr float kFar = 60;

CREST_INLINE void addLogits(Exponentials& e, std::int64_t at, bool begin, __m512 low, __m512 high) {
    if (begin) {
        e.reference[at] = _mm512_reduce_max_ps(_mm512_max_ps(low, high));
        _mm512_storeu_ps(e.sums[at], _mm512_setzero_ps());
    }
    const __m512 top = _mm512_max_ps(low, high), limit = _mm512_set1_ps(e.reference[at] + kFar);
    if (__builtin_expect(_mm512_cmp_ps_mask(top, limit, _CMP_GT_OQ) != 0, 0)) {
        const float higher = _mm512_reduce_max_ps(top);
        const __m512 factor = powerOf2(_mm512_set1_ps((e.reference[at] - higher) * kLog2e));
        _mm512_storeu_ps(e.sums[at], _mm512_mul_ps(_mm512_loadu_ps(e.sums[at]), factor));
        e.reference[at] = higher;
    }
    const __m512 scale = _mm512_set1_ps(kLog2e), shift = _mm512_set1_ps(e.reference[at] * kLog2e);
    const __m512 sum =
        _mm512_add_ps(powerOf2(_mm512_fmsub_ps(low, scale, shift)), powerOf2(_mm512_fmsub_ps(high, scale, shift)));
    _mm512_storeu_ps(e.sums[at], _mm512_add_ps(_mm512_loadu_ps(e.sums[at]), sum));
}

CREST_INLINE void keepBest(Exponentials& e, std::int64_t at, bool begin, __m512 value, std::int64_t column) {
    __m512 best = begin ? _mm512_set1_ps(-__builtin_inff()) : _mm512_loadu_ps(e.best[at]);
    __m512i id = begin ? _mm512_set1_epi32(0x7fffffff) : _mm512_loadu_si512(e.bestId[at]);
    const __mmask16 larger = _mm512_cmp_ps_mask(value, best, _CMP_GT_OQ);
    const __m512i own = _mm512_add_epi32(_mm512_set1_epi32(static_cast<int>(column)),
                                         _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
    best = _mm512_mask_mov_ps(best, larger, value);
    id = _mm512_mask_mov_epi32(id, larger, own);
    _mm512_storeu_ps(e.best[at], best);
    _mm512_storeu_si512(e.bestId[at], id);
}

void writeRow(const Exponentials& e, std::int64_t at, std::int64_t row, const LogitRows& rows) {
    rows.logSum[row] = e.reference[at] + __builtin_logf(_mm512_reduce_add_ps(_mm512_loadu_ps(e.sums[at])));
    if (!rows.best)
        return;
    const __m512 lanes = _mm512_loadu_ps(e.best[at]);
    const float best = _mm512_reduce_max_ps(lanes);
    const __mmask16 same = _mm512_cmp_ps_mask(lanes, _mm512_set1_ps(best), _CMP_EQ_OQ);
    rows.best[row] = best;
    rows.bestId[row] = _mm512_mask_reduce_min_epi32(same, _mm512_loadu_si512(e.bestId[at]));
}

void toLogits(const PackedProduct& p, const LogitRows& rows) {
    static thread_local Exponentials e;
    const TileGuard tiles;
    const __m512 nothing = _mm512_set1_ps(-3.0e38f);
    for (std::int64_t begin = 0; begin < p.rows; begin += kMostRows) {
        const std::int64_t end = least(begin + kMostRows, p.rows);
        const auto finish = [&](const float* sums, std::int64_t row, std::int64_t r, std::int64_t last,
                                std::int64_t column) __attribute__((always_inline)) {
            const std::int64_t left = p.columns - column;
            for (; r < last; ++r) {
                const Pair logits = rowOf(sums, r);
                const __m512 low = _mm512_mask_mov_ps(nothing, firstLanes(left), logits.low),
                             high = _mm512_mask_mov_ps(nothing, firstLanes(left - 16), logits.high);
                const std::int64_t at = row + r - begin, target = rows.targets[row + r] - column;
                addLogits(e, at, column == 0, low, high);
                if (rows.best) {
                    keepBest(e, at, column == 0, low, column);
                    keepBest(e, at, false, high, column + 16);
                }
                if (target >= 0 && target < least(left, kTile))
                    rows.target[row + r] = sums[r % 16 * 16 + r / 16 * 512 + target % 16 + target / 16 * 256];
            }
        };
        overResults(p, begin, end, finish);
        for (std::int64_t row = begin; row < end; ++row)
            writeRow(e, row - begin, row, rows);
    }
}

void layerNorm(std::int64_t rows, std::int64_t width, const float* x, const float* gain, const float* bias, float eps,
               Word* y) {
    const float count = static_cast<float>(width);
    for (std::int64_t row = 0; row < rows; ++row, x += width, y += width) {
        __m512 sum = _mm512_setzero_ps(), squares = _mm512_setzero_ps();
        for (std::int64_t e = 0; e < width; e += 16)
            sum = _mm512_add_ps(sum, _mm512_loadu_ps(x + e));
        const __m512 mean = _mm512_set1_ps(_mm512_reduce_add_ps(sum) / count);
        for (std::int64_t e = 0; e < width; e += 16) {
            const __m512 value = _mm512_sub_ps(_mm512_loadu_ps(x + e), mean);
            squares = _mm512_fmadd_ps(value, value, squares);
        }
        const __m512 scale = _mm512_set1_ps(1.0f / __builtin_sqrtf(_mm512_reduce_add_ps(squares) / count + eps));
        for (std::int64_t e = 0; e < width; e += 16) {
            const __m512 normal = _mm512_mul_ps(_mm512_sub_ps(_mm512_loadu_ps(x + e), mean), scale);
            const __m512 shift = bias ? _mm512_loadu_ps(bias + e) : _mm512_setzero_ps();
            storeWords(y + e, _mm512_fmadd_ps(normal, _mm512_loadu_ps(gain + e), shift));
        }
    }
}

} // namespace

extern const AmxForward kForward;
const AmxForward kForward = {packStrip, addTo, toWords, toGated, toLogits, layerNorm};

} // namespace crest::model::amx
