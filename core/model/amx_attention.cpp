// SPDX-License-Identifier: Apache-2.0
// Causal attention on tiles. Forward: rows of scores for 32 queries at a time. Backward: for 64 keys at a time the
// transposed probabilities P^T and their gradients dS^T of all later queries, which are the left-hand sides of
// dV = P^T dO and dK = dS^T Q, and, packed, the right-hand side of dQ^T = K^T dS^T (FlashAttention-2, Dao 2023,
// section 3.1: probabilities from the kept log-sum-exp, delta = sum of dO * O). Above the diagonal nothing is computed.
#include "core/model/amx_tiles.h"

namespace crest::model::amx {

namespace {

constexpr std::int64_t kKeys = 64; ///< keys that share a strip in the backward pass

/// Cuts a block of memory into aligned parts.
class Parts {
public:
    explicit Parts(void* memory)
        : m_next(reinterpret_cast<std::uintptr_t>(memory)) {}
    template<class T> T* take(std::int64_t count) {
        m_next = (m_next + 63) / 64 * 64;
        T* part = reinterpret_cast<T*>(m_next);
        m_next += static_cast<std::uintptr_t>(count) * sizeof(T);
        return part;
    }
    std::uintptr_t end() const { return m_next + 64; }

private:
    std::uintptr_t m_next;
};

/// What one head and its key head are turned into; rows are longer than needed, so that they share no cache set.
struct Scratch {
    Word *keysTurned, *values, *p, *ds, *dsPacked, *keyColumns;
    Word *queriesTurned, *queries, *gradsTurned, *grads;
    float *scores, *lse, *delta, *dQueries, *dKeys, *dValues;
    std::int64_t strip, scoreStrip;
};

Scratch scratchParts(const TileAttention& s, Parts& parts) {
    const std::int64_t group = s.heads / s.kvHeads, size = s.tokens * s.headSize;
    Scratch x{};
    x.strip = s.tokens + 32, x.scoreStrip = s.tokens + 16;
    x.keysTurned = parts.take<Word>(size), x.values = parts.take<Word>(size);
    x.p = parts.take<Word>(kKeys * x.strip), x.ds = parts.take<Word>(kKeys * x.strip);
    x.dsPacked = parts.take<Word>(kKeys * s.tokens), x.keyColumns = parts.take<Word>(s.headSize * x.strip);
    x.queriesTurned = parts.take<Word>(group * size), x.queries = parts.take<Word>(group * size);
    x.gradsTurned = parts.take<Word>(group * size), x.grads = parts.take<Word>(group * size);
    x.scores = parts.take<float>(kTile * x.scoreStrip);
    x.lse = parts.take<float>(group * s.tokens), x.delta = parts.take<float>(group * s.tokens);
    x.dQueries = parts.take<float>(group * s.headSize * x.scoreStrip);
    x.dKeys = parts.take<float>(kKeys * s.headSize), x.dValues = parts.take<float>(kKeys * s.headSize);
    return x;
}

CREST_INLINE __mmask16 below(std::int64_t count) {
    return count >= 16 ? __mmask16(0xffff) : (count > 0 ? __mmask16((1u << count) - 1) : __mmask16(0));
}

/// Turns a row of `valid` scores into probabilities before division, zeros up to `width`; returns their sum and top.
CREST_INLINE float softmaxRow(const float* scores, std::int64_t valid, std::int64_t width, float scale, Word* p,
                              float& top) {
    __m512 highest = _mm512_set1_ps(-3.4e38f);
    for (std::int64_t j = 0; j < valid; j += 16)
        highest = _mm512_mask_max_ps(highest, below(valid - j), highest, _mm512_loadu_ps(scores + j));
    top = _mm512_reduce_max_ps(highest) * scale;
    __m512 sum = _mm512_setzero_ps();
    for (std::int64_t j = 0; j < width; j += 16) {
        const __m512 x = _mm512_fmsub_ps(_mm512_loadu_ps(scores + j), _mm512_set1_ps(scale), _mm512_set1_ps(top));
        const __m512 e = _mm512_maskz_mov_ps(below(valid - j), expOf(x));
        sum = _mm512_add_ps(sum, e);
        storeWords(p + j, e);
    }
    return _mm512_reduce_add_ps(sum);
}

void queryBlock(const TileAttention& s, const Scratch& x, std::int64_t i0, const Word* q, Word* out, float* lse) {
    alignas(64) float tile[kTile * kTile];
    float inverse[kTile];
    const std::int64_t end = i0 + kTile;
    for (std::int64_t j = 0; j < end; j += kTile)
        tileProduct<false>(s.headSize, q + i0 * s.stride, s.stride, x.keysTurned + j * s.headSize, x.scores + j,
                           x.scoreStrip);
    for (std::int64_t r = 0; r < kTile; ++r) {
        float top = 0;
        const float sum = softmaxRow(x.scores + r * x.scoreStrip, i0 + r + 1, end, s.scale, x.p + r * x.strip, top);
        inverse[r] = 1.0f / sum;
        lse[i0 + r] = top + __builtin_logf(sum);
    }
    for (std::int64_t d = 0; d < s.headSize; d += kTile) {
        tileProduct<false>(end, x.p, x.strip, x.values + d * s.tokens, tile, kTile);
        for (std::int64_t r = 0; r < kTile; ++r)
            for (std::int64_t half = 0; half < kTile; half += 16)
                storeWords(out + (i0 + r) * s.outStride + d + half,
                           _mm512_mul_ps(_mm512_load_ps(tile + r * kTile + half), _mm512_set1_ps(inverse[r])));
    }
}

/// P^T, dS^T and packed dS^T of 32 keys and 32 queries from their scores and dP; on the diagonal a query sees the keys
/// up to its own.
CREST_INLINE void probabilityBlock(const float* scores, const float* dp, const float* lse, const float* delta,
                                   float scale, bool diagonal, Word* p, Word* ds, std::int64_t strip, Word* packed) {
    for (std::int64_t r = 0; r < kTile; r += 2)
        for (std::int64_t half = 0; half < kTile; half += 16) {
            const __m512 log = _mm512_loadu_ps(lse + half), mean = _mm512_loadu_ps(delta + half);
            __m256i rounded[2];
#pragma GCC unroll 2
            for (std::int64_t odd = 0; odd < 2; ++odd) {
                const std::int64_t key = r + odd, at = key * kTile + half;
                __m512 e = expOf(_mm512_fmsub_ps(_mm512_load_ps(scores + at), _mm512_set1_ps(scale), log));
                if (diagonal) // query half + l sees this key from l >= key - half on
                    e = _mm512_maskz_mov_ps(static_cast<__mmask16>(~below(key - half)), e);
                const __m512 grad = _mm512_mul_ps(_mm512_sub_ps(_mm512_load_ps(dp + at), mean),
                                                  _mm512_mul_ps(e, _mm512_set1_ps(scale)));
                storeWords(p + key * strip + half, e);
                rounded[odd] = narrow(grad);
                _mm256_storeu_si256(reinterpret_cast<__m256i*>(ds + key * strip + half), rounded[odd]);
            }
            _mm512_storeu_si512(packed + r * kTile + half * 2, pairWords(rounded[0], rounded[1]));
        }
}

/// Strips of keys [j0, j0 + keys) against the queries of head g from j0 on, and the sums they give.
void keyBlock(const TileAttention& s, const Scratch& x, std::int64_t g, std::int64_t j0, std::int64_t keys,
              const Word* k, const Word* v) {
    alignas(64) float scores[kTile * kTile], dp[kTile * kTile];
    const std::int64_t size = s.tokens * s.headSize, count = s.tokens - j0;
    for (std::int64_t i = 0; i < count; i += kTile) {
        Word* packed = x.dsPacked + i * keys;
        for (std::int64_t j = 0; j < keys; j += kTile) {
            if (i < j) { // these queries come before these keys
                for (std::int64_t r = 0; r < kTile; ++r) {
                    _mm512_storeu_si512(x.p + (j + r) * x.strip + i, _mm512_setzero_si512());
                    _mm512_storeu_si512(x.ds + (j + r) * x.strip + i, _mm512_setzero_si512());
                    _mm512_storeu_si512(packed + (j + r) * kTile, _mm512_setzero_si512());
                }
                continue;
            }
            const std::int64_t panel = g * size + (j0 + i) * s.headSize, row = (j0 + j) * s.stride;
            tileProduct<false>(s.headSize, k + row, s.stride, x.queriesTurned + panel, scores, kTile);
            tileProduct<false>(s.headSize, v + row, s.stride, x.gradsTurned + panel, dp, kTile);
            const std::int64_t query = g * s.tokens + j0 + i, at = j * x.strip + i;
            probabilityBlock(scores, dp, x.lse + query, x.delta + query, s.scale, i == j, x.p + at, x.ds + at, x.strip,
                             packed + j * kTile);
        }
    }
    for (std::int64_t d = 0; d < s.headSize; d += kTile) {
        const std::int64_t panel = g * size + d * s.tokens + j0 * kTile;
        for (std::int64_t j = 0; j < keys; j += kTile) {
            float* dValues = x.dValues + j * s.headSize + d;
            float* dKeys = x.dKeys + j * s.headSize + d;
            if (g == 0) {
                tileProduct<false>(count, x.p + j * x.strip, x.strip, x.grads + panel, dValues, s.headSize);
                tileProduct<false>(count, x.ds + j * x.strip, x.strip, x.queries + panel, dKeys, s.headSize);
            } else {
                tileProduct<true>(count, x.p + j * x.strip, x.strip, x.grads + panel, dValues, s.headSize);
                tileProduct<true>(count, x.ds + j * x.strip, x.strip, x.queries + panel, dKeys, s.headSize);
            }
        }
        float* dQueries = x.dQueries + (g * s.headSize + d) * x.scoreStrip + j0;
        for (std::int64_t i = 0; i < count; i += kTile) {
            if (j0 == 0)
                tileProduct<false>(keys, x.keyColumns + d * x.strip, x.strip, x.dsPacked + i * keys, dQueries + i,
                                   x.scoreStrip);
            else
                tileProduct<true>(keys, x.keyColumns + d * x.strip + j0, x.strip, x.dsPacked + i * keys, dQueries + i,
                                  x.scoreStrip);
        }
    }
}

void prepareQueries(const TileAttention& s, const Scratch& x, std::int64_t g, const Word* q, const Word* out,
                    const Word* dOut, const float* lse) {
    const std::int64_t size = s.tokens * s.headSize;
    packTurned(s.tokens, s.headSize, q, s.stride, x.queriesTurned + g * size);
    pack(s.tokens, s.headSize, q, s.stride, x.queries + g * size);
    packTurned(s.tokens, s.headSize, dOut, s.outStride, x.gradsTurned + g * size);
    pack(s.tokens, s.headSize, dOut, s.outStride, x.grads + g * size);
    for (std::int64_t t = 0; t < s.tokens; ++t) {
        __m512 sum = _mm512_setzero_ps();
        for (std::int64_t d = 0; d < s.headSize; d += 16)
            sum = _mm512_fmadd_ps(loadWords(out + t * s.outStride + d), loadWords(dOut + t * s.outStride + d), sum);
        x.delta[g * s.tokens + t] = _mm512_reduce_add_ps(sum);
        x.lse[g * s.tokens + t] = lse[t];
    }
}

void writeQueryGradients(const TileAttention& s, const float* dQueries, std::int64_t strip, Word* dq) {
    for (std::int64_t t = 0; t < s.tokens; t += 16)
        for (std::int64_t d = 0; d < s.headSize; d += 16) {
            __m512i block[16];
#pragma GCC unroll 16
            for (int r = 0; r < 16; ++r)
                block[r] = _mm512_loadu_si512(dQueries + (d + r) * strip + t);
            turn16(block);
#pragma GCC unroll 16
            for (int r = 0; r < 16; ++r)
                storeWords(dq + (t + r) * s.stride + d, _mm512_castsi512_ps(block[r]));
        }
}

} // namespace

std::int64_t attentionScratch(const TileAttention& s) {
    Parts parts(nullptr);
    scratchParts(s, parts);
    return static_cast<std::int64_t>(parts.end());
}

void attention(const TileAttention& s, const Word* q, const Word* k, const Word* v, Word* out, float* lse,
               void* scratch) {
    Parts parts(scratch);
    const Scratch x = scratchParts(s, parts);
    const std::int64_t group = s.heads / s.kvHeads;
    const TileGuard tiles;
    for (std::int64_t h = 0; h < s.heads; ++h) {
        const std::int64_t at = h / group * s.headSize;
        if (h % group == 0) {
            packTurned(s.tokens, s.headSize, k + at, s.stride, x.keysTurned);
            pack(s.tokens, s.headSize, v + at, s.stride, x.values);
        }
        for (std::int64_t i0 = 0; i0 < s.tokens; i0 += kTile)
            queryBlock(s, x, i0, q + h * s.headSize, out + h * s.headSize, lse + h * s.tokens);
    }
}

void attentionBackward(const TileAttention& s, const Word* q, const Word* k, const Word* v, const Word* out,
                       const float* lse, const Word* dOut, Word* dq, Word* dk, Word* dv, void* scratch) {
    Parts parts(scratch);
    const Scratch x = scratchParts(s, parts);
    const std::int64_t group = s.heads / s.kvHeads;
    const TileGuard tiles;
    for (std::int64_t kv = 0; kv < s.kvHeads; ++kv) {
        const std::int64_t at = kv * s.headSize;
        for (std::int64_t g = 0; g < group; ++g) {
            const std::int64_t h = kv * group + g, head = h * s.headSize;
            prepareQueries(s, x, g, q + head, out + head, dOut + head, lse + h * s.tokens);
        }
        turn(s.tokens, s.headSize, k + at, s.stride, x.keyColumns, x.strip);
        for (std::int64_t j0 = 0; j0 < s.tokens; j0 += kKeys) {
            const std::int64_t keys = s.tokens - j0 < kKeys ? s.tokens - j0 : kKeys;
            for (std::int64_t g = 0; g < group; ++g)
                keyBlock(s, x, g, j0, keys, k + at, v + at);
            for (std::int64_t j = 0; j < keys; ++j)
                for (std::int64_t d = 0; d < s.headSize; d += 16) {
                    storeWords(dk + (j0 + j) * s.stride + at + d, _mm512_loadu_ps(x.dKeys + j * s.headSize + d));
                    storeWords(dv + (j0 + j) * s.stride + at + d, _mm512_loadu_ps(x.dValues + j * s.headSize + d));
                }
        }
        for (std::int64_t g = 0; g < group; ++g)
            writeQueryGradients(s, x.dQueries + g * s.headSize * x.scoreStrip, x.scoreStrip,
                                dq + (kv * group + g) * s.headSize);
    }
}

} // namespace crest::model::amx
