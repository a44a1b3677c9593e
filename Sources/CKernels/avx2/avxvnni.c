// AVX2 with the 8-bit dot product instructions of AVX-VNNI: desktop processors without AVX-512 have them.
#include "blocks/blocks.h"
#include "dispatch/detect.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <math.h>

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c,bmi,bmi2,avxvnni"))), apply_to = function)

#define PI_NAME(x) avxvnni_##x

PI_INLINE __m256i dot_block(__m256i w, __m256i x) { return _mm256_dpbusd_avx_epi32(_mm256_setzero_si256(), w, x); }

PI_INLINE __m256i dot_halves(__m256i v, __m256i x, __m256i w, __m256i y) {
  return _mm256_dpbusd_avx_epi32(dot_block(v, x), w, y);
}

// Each two bits are multiplied where they stand, as up to 64 times their code, and the sum is shifted as they get lower.
PI_INLINE __m256i pair_dots(__m256i first, __m256i second, const int8_t *x, size_t apart) {
  __m256i sum = _mm256_setzero_si256();
  PI_UNROLL
  for (int s = 3; s >= 0; s--) {
    const __m256i mask = _mm256_set1_epi8((char)(3 << 2 * s));
    const uint8_t *codes = (const uint8_t *)x + (size_t)s * apart;
    if (s < 3) sum = _mm256_srai_epi32(sum, 2);
    sum = _mm256_dpbusd_avx_epi32(sum, _mm256_and_si256(first, mask), _mm256_set1_epi32((int)pi_load_u32(codes)));
    sum = _mm256_dpbusd_avx_epi32(sum, _mm256_and_si256(second, mask), _mm256_set1_epi32((int)pi_load_u32(codes + 4)));
  }
  return sum;
}

enum { SPLITS_BYTES = 0 };

// Finishes `v` before what follows begins: left alone, the compiler starts all steps of a tile at once and spills.
PI_INLINE void in_order(__m256i *v) { __asm__ volatile("" : "+x"(*v)::"memory"); }

// The products of steps from..<to with a stretch of four codes of each token: dot[g * tokens + t].
PI_INLINE void panel_dots(uint32_t kind, const uint8_t *w, size_t groups, const int8_t *codes, size_t code_stride,
                          size_t tokens, size_t from, size_t to, __m256i *dot) {
  (void)kind;
  PI_UNROLL
  for (size_t i = 0; i < groups * tokens; i++) dot[i] = _mm256_setzero_si256();
  PI_UNROLL
  for (size_t s = from; s < to; s++) {
    __m256i weights[2];
    PI_UNROLL
    for (size_t g = 0; g < groups; g++) weights[g] = _mm256_load_si256((const __m256i *)(w + (g * 8 + s) * 32));
    PI_UNROLL
    for (size_t t = 0; t < tokens; t++) {
      const __m256i x = _mm256_set1_epi32((int)pi_load_u32((const uint8_t *)codes + t * code_stride + 4 * s));
      PI_UNROLL
      for (size_t g = 0; g < groups; g++) {
        dot[g * tokens + t] = _mm256_dpbusd_avx_epi32(dot[g * tokens + t], weights[g], x);
      }
    }
    PI_UNROLL
    for (size_t i = 0; i < groups * tokens; i++) in_order(&dot[i]);
  }
}

#include "avx2/avx2.h"

#pragma clang attribute pop

const pi_kernels *pi_kernels_avxvnni(void) { return pi_has_avxvnni() ? &table : NULL; }

#else

const pi_kernels *pi_kernels_avxvnni(void) { return NULL; }

#endif
