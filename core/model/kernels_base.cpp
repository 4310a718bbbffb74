// SPDX-License-Identifier: Apache-2.0
#define CREST_KERNELS base
#define CREST_ISA "base"
#define CREST_LANES 4
#include "core/model/kernels_impl.inc"
