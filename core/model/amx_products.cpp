// SPDX-License-Identifier: Apache-2.0
// Products on tiles of 32 x 32 results, and the layouts that they read.
#include "core/model/amx_tiles.h"

namespace crest::model::amx {

namespace {

constexpr std::int64_t kDepth = 1152;         ///< inner sizes above are cut, so that a panel stays near the core
constexpr std::int64_t kBlockWords = 1 << 19; ///< of the left-hand side: half of a second-level cache of 2 MB

/// The first `rows` x `columns` of a tile to their place; `sum`: onto what an earlier part of the inner size left.
CREST_INLINE void writeTile(const float* tile, std::int64_t rows, std::int64_t columns, const ProductTarget& t,
                            std::int64_t row, std::int64_t column, bool sum) {
    const std::int64_t at = row * t.stride + column;
    for (std::int64_t half = 0; half < 2 && half * 16 < columns; ++half) {
        const std::int64_t left = columns - half * 16;
        const __mmask16 mask = left >= 16 ? __mmask16(0xffff) : __mmask16((1u << left) - 1);
        for (std::int64_t r = 0; r < rows; ++r) {
            const __m512 value = _mm512_load_ps(tile + r * kTile + half * 16);
            const std::int64_t to = at + r * t.stride + half * 16;
            if (t.words) {
                _mm256_mask_storeu_epi16(t.words + to, mask, narrow(value));
                continue;
            }
            const float* from = sum ? t.floats : t.addend;
            const __m512 before = from ? _mm512_maskz_loadu_ps(mask, from + to) : _mm512_setzero_ps();
            _mm512_mask_storeu_ps(t.floats + to, mask, _mm512_add_ps(before, value));
        }
    }
}

} // namespace

void product(std::int64_t m, std::int64_t n, std::int64_t k, const Word* a, std::int64_t lda, const Word* packed,
             const ProductTarget& target) {
    const TileGuard tiles;
    alignas(64) float tile[kTile * kTile];
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
                    tileProduct<false>(deep, a + i * lda + p, lda, panel, tile, kTile);
                    writeTile(tile, end - i < kTile ? end - i : kTile, n - j < kTile ? n - j : kTile, target, i, j,
                              p > 0);
                }
            }
        }
    }
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
