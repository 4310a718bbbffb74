// SPDX-License-Identifier: Apache-2.0
#define CREST_KERNELS avx2
#define CREST_ISA "avx2"
#define CREST_LANES 8
#include "core/model/kernels_impl.inc"
