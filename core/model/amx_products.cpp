// SPDX-License-Identifier: Apache-2.0
// Products on tiles of 32 x 32 results, and the layouts that they read.
#include "core/model/amx_tiles.h"

namespace crest::model::amx {

namespace {

constexpr std::int64_t kDepth = 1152;         ///< inner sizes above are cut, so that a panel stays near the core
constexpr std::int64_t kBlockWords = 1 << 18; ///< of the left-hand side: a quarter of a second-level cache of 2 MB

/// A finished tile on its way to its place. It goes a few rows at a time while the next tile is computed: the tile unit
/// and the vector unit work side by side.
struct Pending {
    const float* tile = nullptr;
    std::int64_t rows = 0, next = 0, offset = 0;
    __mmask16 low = 0, high = 0;
    const float* before = nullptr; ///< what is added, at the same offset

    CREST_INLINE void set(const float* from, std::int64_t height, std::int64_t columns, std::int64_t at,
                          const float* addend) {
        tile = from, rows = height, next = 0, offset = at, before = addend;
        low = columns >= 16 ? __mmask16(0xffff) : static_cast<__mmask16>((1u << columns) - 1);
        high = columns >= 32 ? __mmask16(0xffff)
                             : (columns > 16 ? static_cast<__mmask16>((1u << (columns - 16)) - 1) : __mmask16(0));
    }
    CREST_INLINE void write(std::int64_t count, const ProductTarget& t) {
        const std::int64_t end = next + count < rows ? next + count : rows;
        for (; next < end; ++next) {
            const __m512 a = _mm512_load_ps(tile + next * kTile), b = _mm512_load_ps(tile + next * kTile + 16);
            const std::int64_t to = offset + next * t.stride;
            if (t.words) {
                const __mmask32 mask = static_cast<__mmask32>(low) | static_cast<__mmask32>(high) << 16;
                _mm512_mask_storeu_epi16(t.words + to, mask, reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(b, a)));
            } else if (before) {
                const __m512 x = _mm512_maskz_loadu_ps(low, before + to),
                             y = _mm512_maskz_loadu_ps(high, before + to + 16);
                _mm512_mask_storeu_ps(t.floats + to, low, _mm512_add_ps(x, a));
                _mm512_mask_storeu_ps(t.floats + to + 16, high, _mm512_add_ps(y, b));
            } else {
                _mm512_mask_storeu_ps(t.floats + to, low, a);
                _mm512_mask_storeu_ps(t.floats + to + 16, high, b);
            }
        }
    }
};

/// tileProduct() that writes the pending tile meanwhile.
CREST_INLINE void tileProductBeside(std::int64_t k, const Word* a, std::int64_t lda, const Word* panel, float* c,
                                    Pending& pending, const ProductTarget& target) {
    const std::int64_t share = (kTile * 32 + k - 1) / k;
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (std::int64_t p = 0; p < k; p += 32) {
        _tile_loadd(4, a + p, 2 * lda);
        _tile_loadd(6, panel + p * kTile, 4 * kTile);
        _tile_loadd(7, panel + p * kTile + 32, 4 * kTile);
        _tile_loadd(5, a + 16 * lda + p, 2 * lda);
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
        pending.write(share, target);
    }
    _tile_stored(0, c, 4 * kTile);
    _tile_stored(1, c + 16, 4 * kTile);
    _tile_stored(2, c + 16 * kTile, 4 * kTile);
    _tile_stored(3, c + 16 * kTile + 16, 4 * kTile);
}

} // namespace

void product(std::int64_t m, std::int64_t n, std::int64_t k, const Word* a, std::int64_t lda, const Word* packed,
             const ProductTarget& target) {
    const TileGuard tiles;
    alignas(64) float memory[2][kTile * kTile];
    Pending pending;
    int side = 0;
    const std::int64_t cuts = target.words ? 1 : (k + kDepth - 1) / kDepth;
    const std::int64_t depth = ((k + cuts - 1) / cuts + 31) / 32 * 32;
    const std::int64_t height = kBlockWords / depth < kTile ? kTile : kBlockWords / depth / kTile * kTile;
    for (std::int64_t p = 0; p < k; p += depth) {
        const std::int64_t deep = k - p < depth ? k - p : depth;
        for (std::int64_t top = 0; top < m; top += height) {
            const std::int64_t end = top + height < m ? top + height : m;
            for (std::int64_t j = 0; j < n; j += kTile) {
                const Word* panel = packed + j * k + p * kTile;
                for (std::int64_t i = top; i < end; i += kTile) {
                    tileProductBeside(deep, a + i * lda + p, lda, panel, memory[side], pending, target);
                    pending.set(memory[side], end - i < kTile ? end - i : kTile, n - j, i * target.stride + j,
                                p > 0 ? target.floats : target.addend);
                    side = 1 - side;
                }
            }
        }
    }
    pending.write(kTile, target);
}

void pack(std::int64_t k, std::int64_t n, const Word* x, std::int64_t lds, Word* packed) {
    for (std::int64_t j = 0; j < n; j += kTile)
        for (std::int64_t p = 0; p < k; p += 2) {
            const Word* even = x + p * lds + j;
            const Word* odd = even + lds;
            Word* to = packed + j * k + p * kTile;
            for (std::int64_t half = 0; half < 2; ++half) {
                const std::int64_t left = n - j - half * 16;
                const __mmask16 mask =
                    left >= 16 ? __mmask16(0xffff) : (left > 0 ? __mmask16((1u << left) - 1) : __mmask16(0));
                _mm512_storeu_si512(to + half * 32, pairWords(_mm256_maskz_loadu_epi16(mask, even + half * 16),
                                                              _mm256_maskz_loadu_epi16(mask, odd + half * 16)));
            }
        }
}

void packTurned(std::int64_t n, std::int64_t k, const Word* x, std::int64_t lds, Word* packed) {
    for (std::int64_t j = 0; j < n; j += 16)
        for (std::int64_t p = 0; p < k; p += 32) {
            __m512i rows[16];
#pragma GCC unroll 16
            for (int r = 0; r < 16; ++r)
                rows[r] = j + r < n ? _mm512_loadu_si512(x + (j + r) * lds + p) : _mm512_setzero_si512();
            turn16(rows);
            Word* to = packed + j / kTile * kTile * k + p * kTile + j % kTile * 2;
#pragma GCC unroll 16
            for (int r = 0; r < 16; ++r)
                _mm512_storeu_si512(to + r * 2 * kTile, rows[r]);
        }
    if ((n + 15) / 16 % 2 == 1) // the second half of the last panel
        for (std::int64_t p = 0; p < k; p += 2)
            _mm512_storeu_si512(packed + n / kTile * kTile * k + p * kTile + 32, _mm512_setzero_si512());
}

void turn(std::int64_t rows, std::int64_t columns, const Word* x, std::int64_t lds, Word* y, std::int64_t ldy) {
    for (std::int64_t c = 0; c < columns; c += 16)
        for (std::int64_t r = 0; r < rows; r += 32) {
            __m512i pairs[16];
#pragma GCC unroll 16
            for (int i = 0; i < 16; ++i) {
                const Word* even = x + (r + 2 * i) * lds + c;
                pairs[i] = pairWords(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(even)),
                                     _mm256_loadu_si256(reinterpret_cast<const __m256i*>(even + lds)));
            }
            turn16(pairs);
#pragma GCC unroll 16
            for (int i = 0; i < 16; ++i)
                _mm512_storeu_si512(y + (c + i) * ldy + r, pairs[i]);
        }
}

} // namespace crest::model::amx
