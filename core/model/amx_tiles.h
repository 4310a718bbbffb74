// SPDX-License-Identifier: Apache-2.0
// Building blocks of the AMX kernels; included by amx_*.cpp alone, which are compiled for AMX and AVX-512. Everything
// is always_inline, so that no function compiled for these instructions can be linked into another.
#pragma once

#include <immintrin.h>

#include "core/model/amx.h"

#define CREST_INLINE __attribute__((always_inline)) inline

namespace crest::model::amx {

constexpr std::int64_t kTile = AmxKernels::kTile;

struct alignas(64) TileShapes {
    std::uint8_t palette = 1, startRow = 0, reserved[14] = {};
    std::uint16_t columnBytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
    std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

/// Read-only data on purpose: GCC's _tile_loadconfig() tells the compiler of 8 of its 64 bytes only, so that stores to
/// the others could be dropped.
static constexpr TileShapes kTileShapes;

/// The eight tiles of the calling thread, all of 16 rows x 64 bytes, for as long as it lives.
class TileGuard {
public:
    CREST_INLINE TileGuard() { _tile_loadconfig(&kTileShapes); }
    CREST_INLINE ~TileGuard() { _tile_release(); }
    TileGuard(const TileGuard&) = delete;
    TileGuard& operator=(const TileGuard&) = delete;
};

/// c (kTile x kTile, row stride ldc) = or += a [kTile, k] times one packed panel of k rows.
template<bool Add>
static CREST_INLINE void tileProduct(std::int64_t k, const Word* a, std::int64_t lda, const Word* panel, float* c,
                                     std::int64_t ldc) {
    const std::int64_t low = 16 * ldc, bytes = 4 * ldc;
    if constexpr (Add) {
        _tile_loadd(0, c, bytes);
        _tile_loadd(1, c + 16, bytes);
        _tile_loadd(2, c + low, bytes);
        _tile_loadd(3, c + low + 16, bytes);
    } else {
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
    }
    for (std::int64_t p = 0; p < k; p += 32) {
        _tile_loadd(4, a + p, 2 * lda);
        _tile_loadd(6, panel + p * kTile, 4 * kTile);
        _tile_loadd(7, panel + p * kTile + 32, 4 * kTile);
        _tile_loadd(5, a + 16 * lda + p, 2 * lda);
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
    _tile_stored(0, c, bytes);
    _tile_stored(1, c + 16, bytes);
    _tile_stored(2, c + low, bytes);
    _tile_stored(3, c + low + 16, bytes);
}

static CREST_INLINE __m512 widen(__m256i words) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(words), 16));
}
static CREST_INLINE __m512 loadWords(const Word* p) {
    return widen(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
static CREST_INLINE __m256i narrow(__m512 x) {
    return reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(x));
}
static CREST_INLINE void storeWords(Word* p, __m512 x) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), narrow(x));
}

/// Sixteen pairs (even low, odd high) of two rows of words.
static CREST_INLINE __m512i pairWords(__m256i even, __m256i odd) {
    return _mm512_or_si512(_mm512_cvtepu16_epi32(even), _mm512_slli_epi32(_mm512_cvtepu16_epi32(odd), 16));
}

/// Transposes 16 x 16 values of 32 bits.
static CREST_INLINE void turn16(__m512i (&r)[16]) {
    __m512i t[16];
#pragma GCC unroll 8
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 16; i += 4) {
        r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
        r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
        r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
        r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
        t[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
        t[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xdd);
        t[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
        t[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xdd);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
        r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
        r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
        r[i + 4] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0x88);
        r[i + 12] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0xdd);
    }
}

/// exp by 2^n p(r), |r| <= ln 2 / 2, with the polynomial of Cephes' expf: at most 2 ulp; 0 far below.
static CREST_INLINE __m512 expOf(__m512 x) {
    const __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504088896341f)), 0x08);
    __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693359375f), x);
    r = _mm512_fnmadd_ps(n, _mm512_set1_ps(-2.12194440e-4f), r);
    __m512 p = _mm512_set1_ps(1.9875691500e-4f);
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.3981999507e-3f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(8.3334519073e-3f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(4.1665795894e-2f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.6666665459e-1f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(5.0000001201e-1f));
    p = _mm512_fmadd_ps(_mm512_mul_ps(p, r), r, _mm512_add_ps(r, _mm512_set1_ps(1.0f)));
    return _mm512_scalef_ps(p, n);
}

void product(std::int64_t m, std::int64_t n, std::int64_t k, const Word* a, std::int64_t lda, const Word* packed,
             const ProductTarget& target);
void pack(std::int64_t k, std::int64_t n, const Word* x, std::int64_t lds, Word* packed);
void packTurned(std::int64_t n, std::int64_t k, const Word* x, std::int64_t lds, Word* packed);
void turn(std::int64_t rows, std::int64_t columns, const Word* x, std::int64_t lds, Word* y, std::int64_t ldy);
void attention(const TileAttention& shape, const Word* q, const Word* k, const Word* v, Word* out, float* lse,
               void* scratch);
void attentionBackward(const TileAttention& shape, const Word* q, const Word* k, const Word* v, const Word* out,
                       const float* lse, const Word* dOut, Word* dq, Word* dk, Word* dv, void* scratch);
std::int64_t attentionScratch(const TileAttention& shape);

} // namespace crest::model::amx
