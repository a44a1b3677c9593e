// 64-bit Arm with the instructions that every such processor has.
#include "blocks.h"
#include "detect.h"

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

#include "neon.h"

const pi_kernels *pi_kernels_neon_widening(void);
const pi_kernels *pi_kernels_neon_widening(void) { return &table; }
const pi_kernels *pi_kernels_neon_dot(void);

const pi_kernels *pi_kernels_neon(void) {
  return pi_has_dot_product() ? pi_kernels_neon_dot() : pi_kernels_neon_widening();
}

#else

const pi_kernels *pi_kernels_neon(void) { return NULL; }

#endif
