// SPDX-License-Identifier: Apache-2.0
#define CREST_BFLOAT16 avx512_bf16
#define CREST_BFLOAT16_BLOCKS "core/model/bfloat16_blocks_avx512.inc"
#include "core/model/bfloat16_impl.inc"
