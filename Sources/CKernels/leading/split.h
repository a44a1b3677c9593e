// Rows in two areas: the two leading bits of every code beside the scales, all other bits elsewhere.
//
// A leading row is its head, then 8 bytes for each block of 32 codes: bits 2s and 2s + 1 of byte j belong to code 8s + j. The head
// is all scales (f16) and all minima (f16) of formats with blocks of 32; of every super-block what its block has: scale, scale of
// minima and 12 bytes of pairs in Q4_K and Q5_K, 16 scales and their scale in Q6_K.
//
// The rest of a block is, one after the other: two bits of every code (Q4, Q5) as above; the last bit of every code (Q5), bit j of the
// word being code j's; the next four bits (Q6_K, Q8_0), code j in the low half of byte j, code 16 + j in the high one; the last two
// bits (Q8_0).
//
// Formats with blocks of 32 may have their leading rows in stripes: PI_STRIPE of them side by side, an f16 of the head or a word of four
// bytes of each in turn. A block's two words are then two vectors whose lanes are rows.
#ifndef PI_SPLIT_H
#define PI_SPLIT_H

#include "blocks/blocks.h"

// Bits of a code, minima or not: what the parts of a row depend on.
PI_INLINE unsigned pi_code_bits(uint32_t format) {
  switch (format) {
    case PI_Q4_0: case PI_Q4_1: case PI_Q4_K: return 4;
    case PI_Q5_0: case PI_Q5_1: case PI_Q5_K: return 5;
    case PI_Q6_K: return 6;
    default: return 8;
  }
}

// Formats whose heads are alike have the same kind.
PI_INLINE uint32_t pi_head_kind(uint32_t format) {
  switch (format) {
    case PI_Q4_0: case PI_Q5_0: case PI_Q8_0: return PI_Q4_0;
    case PI_Q4_1: case PI_Q5_1: return PI_Q4_1;
    case PI_Q4_K: case PI_Q5_K: return PI_Q4_K;
    default: return PI_Q6_K;
  }
}

PI_INLINE size_t pi_head_bytes(uint32_t kind, size_t blocks) {
  switch (kind) {
    case PI_Q4_0: return 2 * blocks;
    case PI_Q4_1: return 4 * blocks;
    case PI_Q4_K: return blocks / 8 * 16;
    default: return blocks / 8 * 18;
  }
}

// What a code is worth of which the two leading bits are known: `step` times these, plus `middle` in units of its scale.
typedef struct {
  float step, middle;
  float variance;  // of what the other bits add, in units of the squared scale
} pi_leading_scale;

PI_INLINE pi_leading_scale pi_leading_scale_of(uint32_t format) {
  const float step = (float)(1 << (pi_code_bits(format) - 2));
  // Formats with minima have unsigned codes.
  const uint32_t kind = pi_head_kind(format);
  const float offset = kind == PI_Q4_0 || kind == PI_Q6_K ? 2 * step : 0;
  return (pi_leading_scale){step, (step - 1) / 2 - offset, (step * step - 1) / 12};
}

#endif
