// SPDX-License-Identifier: Apache-2.0
// Row operations between products: float32 residual stream and statistics, bfloat16 factors. Widths are whole vectors.
#include "core/model/amx_tiles.h"

namespace crest::model::amx {

namespace {

void toWords(std::int64_t count, const float* x, Word* y) {
    std::int64_t i = 0;
    for (; i + 16 <= count; i += 16)
        storeWords(y + i, _mm512_loadu_ps(x + i));
    if (i < count) {
        const auto mask = static_cast<__mmask16>((1u << (count - i)) - 1);
        _mm256_mask_storeu_epi16(y + i, mask, narrow(_mm512_maskz_loadu_ps(mask, x + i)));
    }
}

void rmsNorm(std::int64_t rows, std::int64_t width, const float* x, const float* gain, float eps, Word* y,
             float* rstd) {
    for (std::int64_t row = 0; row < rows; ++row, x += width, y += width) {
        __m512 squares = _mm512_setzero_ps();
        for (std::int64_t e = 0; e < width; e += 16) {
            const __m512 value = _mm512_loadu_ps(x + e);
            squares = _mm512_fmadd_ps(value, value, squares);
        }
        const float scale = 1.0f / __builtin_sqrtf(_mm512_reduce_add_ps(squares) / static_cast<float>(width) + eps);
        for (std::int64_t e = 0; e < width; e += 16)
            storeWords(y + e, _mm512_mul_ps(_mm512_mul_ps(_mm512_loadu_ps(x + e), _mm512_set1_ps(scale)),
                                            _mm512_loadu_ps(gain + e)));
        rstd[row] = scale;
    }
}

void rmsNormBackward(std::int64_t rows, std::int64_t width, const float* dy, const float* x, const float* gain,
                     const float* rstd, float* dx, Word* rounded, float* dGain) {
    for (std::int64_t row = 0; row < rows; ++row, dy += width, x += width, dx += width, rounded += width) {
        const float scale = rstd[row];
        __m512 dot = _mm512_setzero_ps();
        for (std::int64_t e = 0; e < width; e += 16) {
            const __m512 both = _mm512_mul_ps(_mm512_loadu_ps(dy + e), _mm512_loadu_ps(x + e));
            dot = _mm512_fmadd_ps(both, _mm512_loadu_ps(gain + e), dot);
            _mm512_storeu_ps(dGain + e, _mm512_fmadd_ps(both, _mm512_set1_ps(scale), _mm512_loadu_ps(dGain + e)));
        }
        const float mean = _mm512_reduce_add_ps(dot) * scale * scale * scale / static_cast<float>(width);
        for (std::int64_t e = 0; e < width; e += 16) {
            const __m512 own =
                _mm512_mul_ps(_mm512_mul_ps(_mm512_loadu_ps(dy + e), _mm512_loadu_ps(gain + e)), _mm512_set1_ps(scale));
            const __m512 sum = _mm512_add_ps(_mm512_loadu_ps(dx + e),
                                             _mm512_fnmadd_ps(_mm512_loadu_ps(x + e), _mm512_set1_ps(mean), own));
            _mm512_storeu_ps(dx + e, sum);
            storeWords(rounded + e, sum);
        }
    }
}

void rope(std::int64_t rows, std::int64_t positions, std::int64_t heads, std::int64_t headSize, std::int64_t rotated,
          Word* x, std::int64_t stride, const float* cos, const float* sin, bool inverse) {
    const std::int64_t half = rotated / 2;
    const __m512 sign = _mm512_set1_ps(inverse ? -1.0f : 1.0f);
    for (std::int64_t row = 0; row < rows; ++row)
        for (std::int64_t h = 0; h < heads; ++h) {
            Word* low = x + row * stride + h * headSize;
            for (std::int64_t e = 0; e < half; e += 16) {
                const std::int64_t angle = row % positions * half + e;
                const __mmask16 mask =
                    half - e >= 16 ? __mmask16(0xffff) : static_cast<__mmask16>((1u << (half - e)) - 1);
                const __m512 c = _mm512_maskz_loadu_ps(mask, cos + angle);
                const __m512 s = _mm512_mul_ps(sign, _mm512_maskz_loadu_ps(mask, sin + angle));
                const __m512 a = widen(_mm256_maskz_loadu_epi16(mask, low + e)),
                             b = widen(_mm256_maskz_loadu_epi16(mask, low + half + e));
                _mm256_mask_storeu_epi16(low + e, mask, narrow(_mm512_fnmadd_ps(b, s, _mm512_mul_ps(a, c))));
                _mm256_mask_storeu_epi16(low + half + e, mask, narrow(_mm512_fmadd_ps(a, s, _mm512_mul_ps(b, c))));
            }
        }
}

CREST_INLINE __m512 sigmoid(__m512 x) {
    const __m512 one = _mm512_set1_ps(1.0f);
    return _mm512_div_ps(one, _mm512_add_ps(one, expOf(_mm512_sub_ps(_mm512_setzero_ps(), x))));
}

void siluGate(std::int64_t rows, std::int64_t width, const Word* gateUp, Word* h) {
    for (std::int64_t row = 0; row < rows; ++row, gateUp += 2 * width, h += width)
        for (std::int64_t e = 0; e < width; e += 16) {
            const __m512 g = loadWords(gateUp + e);
            storeWords(h + e, _mm512_mul_ps(_mm512_mul_ps(g, sigmoid(g)), loadWords(gateUp + width + e)));
        }
}

void siluGateBackward(std::int64_t rows, std::int64_t width, const Word* dh, Word* gateUp) {
    const __m512 one = _mm512_set1_ps(1.0f);
    for (std::int64_t row = 0; row < rows; ++row, gateUp += 2 * width, dh += width)
        for (std::int64_t e = 0; e < width; e += 16) {
            const __m512 g = loadWords(gateUp + e), u = loadWords(gateUp + width + e), grad = loadWords(dh + e);
            const __m512 s = sigmoid(g);
            const __m512 slope = _mm512_mul_ps(s, _mm512_fmadd_ps(g, _mm512_sub_ps(one, s), one));
            storeWords(gateUp + e, _mm512_mul_ps(_mm512_mul_ps(grad, u), slope));
            storeWords(gateUp + width + e, _mm512_mul_ps(_mm512_mul_ps(grad, g), s));
        }
}

CREST_INLINE __mmask16 rowMask(std::int64_t left) {
    return left >= 16 ? __mmask16(0xffff) : static_cast<__mmask16>((1u << left) - 1);
}

void crossEntropy(std::int64_t rows, std::int64_t vocab, Word* logits, std::int64_t lds, const std::int64_t* targets,
                  float* loss, float gradScale) {
    for (std::int64_t row = 0; row < rows; ++row, logits += lds) {
        __m512 top = _mm512_set1_ps(-3.4e38f);
        for (std::int64_t e = 0; e < vocab; e += 16)
            top = _mm512_mask_max_ps(top, rowMask(vocab - e), top, loadWords(logits + e));
        const float peak = _mm512_reduce_max_ps(top);
        __m512 sums = _mm512_setzero_ps();
        for (std::int64_t e = 0; e < vocab; e += 16)
            sums = _mm512_mask_add_ps(sums, rowMask(vocab - e), sums,
                                      expOf(_mm512_sub_ps(loadWords(logits + e), _mm512_set1_ps(peak))));
        const std::int64_t target = targets[row];
        const float log = peak + __builtin_logf(_mm512_reduce_add_ps(sums));
        loss[row] = target >= 0 ? log - __builtin_bit_cast(float, static_cast<std::uint32_t>(logits[target]) << 16) : 0;
        const __m512 scale = _mm512_set1_ps(target >= 0 ? gradScale : 0);
        float own = 0; // softmax - 1 of the target, before it is rounded
        if (target >= 0)
            own = gradScale * (__builtin_expf(-loss[row]) - 1);
        for (std::int64_t e = 0; e < lds; e += 16) {
            const __mmask16 mask = e < vocab ? rowMask(vocab - e) : __mmask16(0);
            const __m512 p =
                _mm512_maskz_mov_ps(mask, expOf(_mm512_sub_ps(loadWords(logits + e), _mm512_set1_ps(log))));
            storeWords(logits + e, _mm512_mul_ps(p, scale));
        }
        if (target >= 0) {
            const __m256i word = narrow(_mm512_set1_ps(own));
            logits[target] = static_cast<Word>(_mm256_extract_epi16(word, 0));
        }
    }
}

} // namespace

extern const AmxKernels kKernels;
const AmxKernels kKernels = {product, pack,    packTurned,      turn, attention, attentionBackward, attentionScratch,
                             toWords, rmsNorm, rmsNormBackward, rope, siluGate,  siluGateBackward,  crossEntropy};

} // namespace crest::model::amx
