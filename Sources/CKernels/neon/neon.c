// 64-bit Arm with the instructions that every such processor has.
#include "blocks/blocks.h"
#include "dispatch/detect.h"

#if defined(__aarch64__)

#include <arm_neon.h>
#include <math.h>

#define PI_NAME(x) neon_##x

PI_INLINE int32x4_t dot_16(int8x16_t a, int8x16_t b) {
  const int16x8_t low = vmull_s8(vget_low_s8(a), vget_low_s8(b)), high = vmull_high_s8(a, b);
  return vpadalq_s16(vpaddlq_s16(low), high);
}

PI_INLINE int32x4_t dot_fours(int32x4_t sum, int8x16_t a, int8x16_t b) {
  // Sums of two products fit 16 bits: codes are -127...127.
  const int16x8_t pairs_low = vmull_s8(vget_low_s8(a), vget_low_s8(b)), pairs_high = vmull_high_s8(a, b);
  return vpadalq_s16(sum, vpaddq_s16(pairs_low, pairs_high));
}

#include "neon/neon_lanes.h"

// How many products may be added in 16 bits: those of 8-bit codes are 128 * 127 at most, of others 32 * 127.
PI_INLINE size_t steps_in_16_bits(uint32_t kind) { return kind == PI_Q8_0 ? 2 : 8; }

PI_INLINE int8x16_t four_times(int8x16_t x, size_t lane) {
  const int32x4_t v = vreinterpretq_s32_s8(x);
  switch (lane) {
    case 0: return vreinterpretq_s8_s32(vdupq_laneq_s32(v, 0));
    case 1: return vreinterpretq_s8_s32(vdupq_laneq_s32(v, 1));
    case 2: return vreinterpretq_s8_s32(vdupq_laneq_s32(v, 2));
    default: return vreinterpretq_s8_s32(vdupq_laneq_s32(v, 3));
  }
}

PI_INLINE void panel_dots(uint32_t kind, const uint8_t *w, size_t groups, const int8_t *codes, size_t code_stride,
                          size_t tokens, size_t from, size_t to, int32x4_t *dot) {
  const size_t limit = steps_in_16_bits(kind) < to - from ? steps_in_16_bits(kind) : to - from;
  PI_UNROLL
  for (size_t begin = from; begin < to; begin += limit) {
    int16x8_t low[8], high[8];  // rows 0 and 1, rows 2 and 3; four columns each
    PI_UNROLL
    for (size_t s = begin; s < begin + limit; s++) {
      int8x16_t weights[2];
      PI_UNROLL
      for (size_t g = 0; g < groups; g++) weights[g] = vld1q_s8((const int8_t *)w + (g * 8 + s) * 16);
      PI_UNROLL
      for (size_t t = 0; t < tokens; t++) {
        const int8x16_t x = four_times(vld1q_s8(codes + t * code_stride + s / 4 * 16), s % 4);
        PI_UNROLL
        for (size_t g = 0; g < groups; g++) {
          const size_t i = g * tokens + t;
          const int8x8_t a = vget_low_s8(weights[g]), b = vget_low_s8(x);
          low[i] = s == begin ? vmull_s8(a, b) : vmlal_s8(low[i], a, b);
          high[i] = s == begin ? vmull_high_s8(weights[g], x) : vmlal_high_s8(high[i], weights[g], x);
        }
      }
    }
    PI_UNROLL
    for (size_t i = 0; i < groups * tokens; i++) {
      const int32x4_t four = vpaddq_s32(vpaddlq_s16(low[i]), vpaddlq_s16(high[i]));
      dot[i] = begin == from ? four : vaddq_s32(dot[i], four);
    }
  }
}

#include "neon/neon.h"

const pi_kernels *pi_kernels_neon_widening(void);
const pi_kernels *pi_kernels_neon_widening(void) { return &table; }
const pi_kernels *pi_kernels_neon_dot(void);
const pi_kernels *pi_kernels_neon_matrix(void);

const pi_kernels *pi_kernels_neon(void) {
  if (pi_has_matrix_product()) return pi_kernels_neon_matrix();
  return pi_has_dot_product() ? pi_kernels_neon_dot() : pi_kernels_neon_widening();
}

#else

const pi_kernels *pi_kernels_neon(void) { return NULL; }

#endif
