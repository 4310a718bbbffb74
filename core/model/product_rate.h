// SPDX-License-Identifier: Apache-2.0
// How fast a device multiplies matrices: what the time of a plan is told from before any of it was computed.
#pragma once

#include <string>

#include "core/model/decoder.h"

namespace crest::model {

/// Floating-point operations a second of products of LibTorch on `device` ("cpu": all of its threads, as fast as one alone; "cuda:0"), by
/// the best of some 20 ms; BFloat16 on a CPU without kernels for it multiplies float32, as Crest does there; 0 where it cannot compute. Nothing else may use LibTorch meanwhile.
double productRate(const std::string& device, Compute compute);

} // namespace crest::model
