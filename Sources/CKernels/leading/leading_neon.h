// What leading_rows.h asks for, on 64-bit Arm.

#include "leading/leading_blockwise.h"

PI_INLINE vf spread(vf v, size_t second) {
  return second ? (vf)vzip2q_f32((float32x4_t)v, (float32x4_t)v) : (vf)vzip1q_f32((float32x4_t)v, (float32x4_t)v);
}

PI_INLINE void leading_dots(const uint8_t *p, size_t present, const int8_t *x, vi *dot) {
  uint8_t part[LEADING_BYTES];
  if (present < PI_LANES / 2) {
    copy_leading(p, present, part);
    p = part;
  }
  const uint8x16_t v = vld1q_u8(p), three = vdupq_n_u8(3);
  PI_UNROLL
  for (size_t half = 0; half < 2; half++) {
    const uint8x16_t w = half == 0 ? v : vshrq_n_u8(v, 4);
    const int32x4_t first = dot_fours(vdupq_n_s32(0), vreinterpretq_s8_u8(vandq_u8(w, three)), vld1q_s8(x + half * 32));
    const int8x16_t next = vreinterpretq_s8_u8(vandq_u8(vshrq_n_u8(w, 2), three));
    dot[half] = (vi)dot_fours(first, next, vld1q_s8(x + half * 32 + 16));
  }
}

#include "leading/leading_rows.h"

#include "leading/join.h"
