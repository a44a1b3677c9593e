// 64-bit Arm with the 8-bit dot product instructions. neon.c decides at run time.
#include "blocks.h"

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

#include "neon.h"

#if defined(__clang__)
#pragma clang attribute pop
#endif

const pi_kernels *pi_kernels_neon_dot(void);
const pi_kernels *pi_kernels_neon_dot(void) { return &table; }

#else

typedef int pi_no_neon_dot;  // a file must declare something

#endif
