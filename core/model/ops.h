// SPDX-License-Identifier: Apache-2.0
// The numerical operations of a decoder, each as an explicit forward and backward pass over tensors that the caller has
// allocated. No autograd: outputs are written in place, so a step allocates nothing.
//
// Letters: N rows (tokens), B sequences, T tokens, H heads, K key/value heads, D head size, E width, F MLP width, V
// vocabulary. Tensors of one call share device and dtype. On a CPU in float32 the fused kernels of core/model/kernels.h
// run; everywhere else, and with setReferenceOps(true), the same maths runs as LibTorch operations. Rows are shared
// among at::get_num_threads() threads where there is more than one; results do not depend on how many. Gradients named
// "+=" are added to what is there. Shapes are the caller's contract (checked by TORCH_INTERNAL_ASSERT_DEBUG_ONLY); user
// input is checked before it comes here.
#pragma once

#include <span>

#include <ATen/ATen.h>

#include "core/series/decoder_spec.h"

namespace crest::model {

/// Runs the LibTorch forms also where a fused kernel exists: the tests' second opinion. For the calling thread.
void setReferenceOps(bool on);

/// y [N, out] = x [N, in] weight^T + bias; weight [out, in], bias may be undefined. `accumulate`: y += ... . x and
/// y may be float32 while weight is bfloat16: then the factors are rounded to bfloat16 and products are summed in float32
/// (ops_bfloat16.cpp; elsewhere than on a CPU LibTorch rounds the sums once more); the backward pass does the same.
void linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, at::Tensor& y,
            bool accumulate = false);
/// Columns of a panel (kernels.h): matrices that many rows meet are faster in panels, where they are float32 on a CPU; 0:
/// not on this machine.
std::int64_t panelWidth();
/// weight [out, in], contiguous, in its own memory: for panelLinear alone from then on.
void toPanels(at::Tensor& weight);
/// linear() with a weight in panels; x and y may be columns of something wider. A row's bits do not depend on the others.
void panelLinear(const at::Tensor& x, const at::Tensor& panels, const at::Tensor& bias, at::Tensor& y,
                 bool accumulate = false);
/// dx [N, in] is overwritten (accumulateDx: +=); dWeight +=; dBias +=. What is undefined is not wanted.
void linearBackward(const at::Tensor& dy, const at::Tensor& x, const at::Tensor& weight, at::Tensor& dx,
                    at::Tensor& dWeight, at::Tensor& dBias, bool accumulateDx = false);

/// y = x / rms(x) * gain; statistics in float32. rstd [N] may be undefined where no backward pass follows.
void rmsNorm(const at::Tensor& x, const at::Tensor& gain, double eps, at::Tensor& y, at::Tensor& rstd);
/// dx += and dGain +=.
void rmsNormBackward(const at::Tensor& dy, const at::Tensor& x, const at::Tensor& gain, const at::Tensor& rstd,
                     at::Tensor& dx, at::Tensor& dGain);
/// y = (x - mean) * rstd * gain + bias; bias, mean and rstd may be undefined.
void layerNorm(const at::Tensor& x, const at::Tensor& gain, const at::Tensor& bias, double eps, at::Tensor& y,
               at::Tensor& mean, at::Tensor& rstd);
/// dx +=, dGain +=, dBias += (may be undefined).
void layerNormBackward(const at::Tensor& dy, const at::Tensor& x, const at::Tensor& gain, const at::Tensor& mean,
                       const at::Tensor& rstd, at::Tensor& dx, at::Tensor& dGain, at::Tensor& dBias);

/// cos and sin [positions, rotated/2] in float32: angle = position * base^(-2 p / rotated) (RoFormer, section 3.2.2).
struct RotaryTable {
    at::Tensor cos, sin;
    std::int64_t rotated = 0;
    /// The rows from `position` on, for queries that follow a cache.
    RotaryTable from(std::int64_t position, std::int64_t count) const;
};
RotaryTable rotaryTable(double base, std::int64_t rotated, std::int64_t positions, const at::Device& device);
/// The same for scaled positions: the frequency of every pair, and a factor of cos and sin (series::ropeFrequencies).
RotaryTable rotaryTable(std::span<const double> frequencies, double factor, std::int64_t positions,
                        const at::Device& device);

/// Rotates the first `rotated` dimensions of every head of x [B, T, H, D] in place (half-split form: p with p +
/// rotated/2); token t uses row t of the table. `inverse` turns back: the backward pass.
void rope(at::Tensor& x, const RotaryTable& table, bool inverse = false);

/// Causal attention with scale 1/sqrt(D): q, out [B, Tq, H, D], k and v [B, Tk, K, D]; query i sees keys up to i + Tk -
/// Tq; H is a multiple of K. Any strides, as long as the D values of a head lie side by side. lse [B, H, Tq] in float32
/// may be undefined.
void causalAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, at::Tensor& out, at::Tensor& lse);
/// The same where query i sees only the last `window` keys (sliding-window attention): LibTorch's form on every device.
void windowedAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, std::int64_t window,
                       at::Tensor& out);
/// dq, dk, dv are overwritten and have the strides of q, k, v.
void causalAttentionBackward(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& out,
                             const at::Tensor& lse, const at::Tensor& dOut, at::Tensor& dq, at::Tensor& dk,
                             at::Tensor& dv);
/// The same of as many keys as queries with factors rounded to bfloat16 and sums in float32, where roundsAttention() says that the
/// bfloat16 kernels take these tensors.
void roundedAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, at::Tensor& out, at::Tensor& lse);
void roundedAttentionBackward(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& out,
                              const at::Tensor& lse, const at::Tensor& dOut, at::Tensor& dq, at::Tensor& dk, at::Tensor& dv);
bool roundsAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& out);

/// h [N, F] = act(gate) * up with gateUp [N, 2F] = gate | up (SwiGLU where act is silu).
void gatedActivation(const at::Tensor& gateUp, series::Activation activation, at::Tensor& h);
/// dGateUp [N, 2F] is overwritten; it may be gateUp itself.
void gatedActivationBackward(const at::Tensor& dh, const at::Tensor& gateUp, series::Activation activation,
                             at::Tensor& dGateUp);
/// h = act(x), any shape; and dx = dh * act'(x), where dx may be dh.
void activation(const at::Tensor& x, series::Activation kind, at::Tensor& h);
void activationBackward(const at::Tensor& dh, const at::Tensor& x, series::Activation kind, at::Tensor& dx);

/// y [N, E] = table[ids]; ids [N] int64. dTable [V, E] += by rows in order.
void embedding(const at::Tensor& ids, const at::Tensor& table, at::Tensor& y);
void embeddingBackward(const at::Tensor& ids, const at::Tensor& dy, at::Tensor& dTable);

/// Losses in nats of a linear head without the [N, V] logits: x [N, E], weight [V, E], targets [N] int64 (negative:
/// ignored, loss 0), loss [N] float32. `scratch` [rows, V], dtype of x, holds the logits of `rows` rows at a time.
void headLoss(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& targets, at::Tensor& scratch,
              at::Tensor& loss);
/// The same, with the gradients of gradScale * sum of losses: dx [N, E] overwritten, dWeight [V, E] += (may be undefined).
void headLossBackward(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& targets, double gradScale,
                      at::Tensor& scratch, at::Tensor& loss, at::Tensor& dx, at::Tensor& dWeight);

} // namespace crest::model
