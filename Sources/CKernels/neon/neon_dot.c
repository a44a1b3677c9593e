// 64-bit Arm with the 8-bit dot product instructions. neon.c decides at run time.
#include "blocks/blocks.h"
#include "dispatch/detect.h"

#if defined(__aarch64__)

#if defined(__clang__)
#include <arm_neon.h>
#pragma clang attribute push(__attribute__((target("dotprod"))), apply_to = function)
#else
#pragma GCC target("arch=armv8.2-a+dotprod")
#include <arm_neon.h>
#endif

#include <math.h>

#define PI_NAME(x) neon_dot_##x

PI_INLINE int32x4_t dot_16(int8x16_t a, int8x16_t b) { return vdotq_s32(vdupq_n_s32(0), a, b); }

PI_INLINE int32x4_t dot_fours(int32x4_t sum, int8x16_t a, int8x16_t b) { return vdotq_s32(sum, a, b); }

#include "neon/neon_lanes.h"

PI_INLINE int32x4_t dot_lane(int32x4_t sum, int8x16_t w, int8x16_t x, size_t lane) {
  switch (lane) {
    case 0: return vdotq_laneq_s32(sum, w, x, 0);
    case 1: return vdotq_laneq_s32(sum, w, x, 1);
    case 2: return vdotq_laneq_s32(sum, w, x, 2);
    default: return vdotq_laneq_s32(sum, w, x, 3);
  }
}

PI_INLINE void panel_dots(uint32_t kind, const uint8_t *w, size_t groups, const int8_t *codes, size_t code_stride,
                          size_t tokens, size_t from, size_t to, int32x4_t *dot) {
  (void)kind;
  PI_UNROLL
  for (size_t i = 0; i < groups * tokens; i++) dot[i] = vdupq_n_s32(0);
  PI_UNROLL
  for (size_t begin = from; begin < to; begin += 4) {
    int8x16_t x[4];
    PI_UNROLL
    for (size_t t = 0; t < tokens; t++) x[t] = vld1q_s8(codes + t * code_stride + begin * 4);
    PI_UNROLL
    for (size_t s = 0; s < 4; s++) {
      PI_UNROLL
      for (size_t g = 0; g < groups; g++) {
        const int8x16_t weights = vld1q_s8((const int8_t *)w + (g * 8 + begin + s) * 16);
        PI_UNROLL
        for (size_t t = 0; t < tokens; t++) dot[g * tokens + t] = dot_lane(dot[g * tokens + t], weights, x[t], s);
      }
    }
  }
}

#include "neon/neon.h"

#if defined(__clang__)
#pragma clang attribute pop
#endif

const pi_kernels *pi_kernels_neon_dot(void);
const pi_kernels *pi_kernels_neon_dot(void) { return pi_has_dot_product() ? &table : NULL; }

#else

typedef int pi_no_neon_dot;  // a file must declare something

#endif
