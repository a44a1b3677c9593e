// 64-bit Arm with the 8-bit matrix product instructions (i8mm). neon.c decides at run time.
#include "blocks/blocks.h"
#include "dispatch/detect.h"

#if defined(__aarch64__)

#if defined(__clang__)
#include <arm_neon.h>
#pragma clang attribute push(__attribute__((target("dotprod,i8mm"))), apply_to = function)
#else
#pragma GCC target("arch=armv8.2-a+dotprod+i8mm")
#include <arm_neon.h>
#endif

#include <math.h>

#define PI_NAME(x) neon_matrix_##x

PI_INLINE int32x4_t dot_16(int8x16_t a, int8x16_t b) { return vdotq_s32(vdupq_n_s32(0), a, b); }

PI_INLINE int32x4_t dot_fours(int32x4_t sum, int8x16_t a, int8x16_t b) { return vdotq_s32(sum, a, b); }

PI_INLINE int8x16_t first_halves(int8x16_t a, int8x16_t b) {
  return vreinterpretq_s8_s64(vzip1q_s64(vreinterpretq_s64_s8(a), vreinterpretq_s64_s8(b)));
}

PI_INLINE int8x16_t second_halves(int8x16_t a, int8x16_t b) {
  return vreinterpretq_s8_s64(vzip2q_s64(vreinterpretq_s64_s8(a), vreinterpretq_s64_s8(b)));
}

// Vectors of two rows by eight columns: rows 0 and 1, rows 2 and 3, then the next columns.
PI_INLINE void interleave_codes(const int8x16_t *rows, int8_t *out) {
  vst1q_s8(out, first_halves(rows[0], rows[1]));
  vst1q_s8(out + 16, first_halves(rows[2], rows[3]));
  vst1q_s8(out + 32, second_halves(rows[0], rows[1]));
  vst1q_s8(out + 48, second_halves(rows[2], rows[3]));
}

PI_INLINE void panel_dots(uint32_t kind, const uint8_t *w, size_t groups, const int8_t *codes, size_t code_stride,
                          size_t tokens, size_t from, size_t to, int32x4_t *dot) {
  (void)kind;
  // A lone token is its own neighbour.
  const size_t pairs = (tokens + 1) / 2, next = tokens > 1 ? code_stride : 0;
  int32x4_t sum[2][2][2];  // [groups, pairs of rows, pairs of tokens], each two rows by two tokens
  PI_UNROLL
  for (size_t begin = from; begin < to; begin += 4) {
    PI_UNROLL
    for (size_t half = 0; half < 2; half++) {
      int8x16_t x[2];
      PI_UNROLL
      for (size_t t = 0; t < pairs; t++) {
        const int8_t *p = codes + 2 * t * code_stride + begin * 4;
        const int8x16_t a = vld1q_s8(p), b = vld1q_s8(p + next);
        x[t] = half == 0 ? first_halves(a, b) : second_halves(a, b);
      }
      PI_UNROLL
      for (size_t g = 0; g < groups; g++) {
        PI_UNROLL
        for (size_t r = 0; r < 2; r++) {
          const int8x16_t weights = vld1q_s8((const int8_t *)w + (g * 8 + begin + 2 * half + r) * 16);
          PI_UNROLL
          for (size_t t = 0; t < pairs; t++) {
            const int32x4_t before = begin == from && half == 0 ? vdupq_n_s32(0) : sum[g][r][t];
            sum[g][r][t] = vmmlaq_s32(before, weights, x[t]);
          }
        }
      }
    }
  }
  PI_UNROLL
  for (size_t g = 0; g < groups; g++) {
    PI_UNROLL
    for (size_t t = 0; t < tokens; t++) {
      const int32x4_t a = sum[g][0][t / 2], b = sum[g][1][t / 2];
      dot[g * tokens + t] = t % 2 == 0 ? vuzp1q_s32(a, b) : vuzp2q_s32(a, b);
    }
  }
}

#include "neon/neon.h"

#if defined(__clang__)
#pragma clang attribute pop
#endif

const pi_kernels *pi_kernels_neon_matrix(void);
const pi_kernels *pi_kernels_neon_matrix(void) { return pi_has_matrix_product() ? &table : NULL; }

#else

typedef int pi_no_neon_matrix;  // a file must declare something

#endif
