// SPDX-License-Identifier: Apache-2.0
#define CREST_KERNELS avx512
#define CREST_ISA "avx512"
#define CREST_LANES 16
#include "core/model/kernels_impl.inc"
