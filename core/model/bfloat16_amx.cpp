// SPDX-License-Identifier: Apache-2.0
#define CREST_BFLOAT16 amx
#define CREST_BFLOAT16_BLOCKS "core/model/bfloat16_blocks_amx.inc"
#include "core/model/bfloat16_impl.inc"
