// AVX2 with FMA and F16C.
#include "blocks/blocks.h"
#include "dispatch/detect.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <math.h>

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c,bmi,bmi2"))), apply_to = function)

#define PI_NAME(x) avx2_##x

// Sums of two products fit 16 bits: 128 * 127 * 2.
PI_INLINE __m256i dot_block(__m256i w, __m256i x) {
  return _mm256_madd_epi16(_mm256_maddubs_epi16(w, x), _mm256_set1_epi16(1));
}

// Sums of four products fit too: 4 * 31 * 127.
PI_INLINE __m256i dot_halves(__m256i v, __m256i x, __m256i w, __m256i y) {
  return _mm256_madd_epi16(_mm256_add_epi16(_mm256_maddubs_epi16(v, x), _mm256_maddubs_epi16(w, y)), _mm256_set1_epi16(1));
}

// Of either half of a byte, the higher two bits are multiplied where they stand, as four times their code. All sums fit 16 bits: at most
// 8 * 3 * 127 of the lower ones and four times as much of the higher.
PI_INLINE __m256i pair_dots(__m256i first, __m256i second, const int8_t *x, size_t apart) {
  __m256i low = _mm256_setzero_si256(), high = low;
  PI_UNROLL
  for (size_t s = 0; s < 4; s += 2) {
    PI_UNROLL
    for (size_t word = 0; word < 2; word++) {
      const uint8_t *codes = (const uint8_t *)x + s * apart + 4 * word;
      const __m256i v = word == 0 ? first : second, w = s == 0 ? v : _mm256_srli_epi16(v, 4);
      const __m256i a = _mm256_set1_epi32((int)pi_load_u32(codes)), b = _mm256_set1_epi32((int)pi_load_u32(codes + apart));
      low = _mm256_add_epi16(low, _mm256_maddubs_epi16(_mm256_and_si256(w, _mm256_set1_epi8(3)), a));
      high = _mm256_add_epi16(high, _mm256_maddubs_epi16(_mm256_and_si256(w, _mm256_set1_epi8(12)), b));
    }
  }
  return _mm256_madd_epi16(_mm256_add_epi16(low, _mm256_srai_epi16(high, 2)), _mm256_set1_epi16(1));
}

enum { SPLITS_BYTES = 1 };

// How many sums of two products may be added in 16 bits: 30480, 31496 and 32004 at most.
PI_INLINE size_t steps_in_16_bits(uint32_t kind) { return kind == PI_Q5_1 ? 4 : kind == PI_Q6_K ? 2 : 8; }

// Finishes `v` before what follows begins: left alone, the compiler starts all steps of a tile at once and spills.
PI_INLINE void in_order(__m256i *v) { __asm__ volatile("" : "+x"(*v)::"memory"); }

// The products of steps from..<to with a stretch of four codes of each token: dot[g * tokens + t].
PI_INLINE void panel_dots(uint32_t kind, const uint8_t *w, size_t groups, const int8_t *codes, size_t code_stride,
                          size_t tokens, size_t from, size_t to, __m256i *dot) {
  // 8-bit codes are two vectors, the low and the high four bits, as two groups of 4-bit codes would be.
  const size_t vectors = kind == PI_Q8_0 ? 2 : groups, passes = kind == PI_Q8_0 ? groups : 1;
  const size_t limit = steps_in_16_bits(kind);
  PI_UNROLL
  for (size_t pass = 0; pass < passes; pass++) {
    PI_UNROLL
    for (size_t begin = from; begin < to; begin += limit) {
      __m256i sum[8];
      PI_UNROLL
      for (size_t s = begin; s < begin + limit && s < to; s++) {
        __m256i weights[2];
        PI_UNROLL
        for (size_t v = 0; v < vectors; v++) {
          weights[v] = _mm256_load_si256((const __m256i *)(w + ((pass * vectors + v) * 8 + s) * 32));
        }
        PI_UNROLL
        for (size_t t = 0; t < tokens; t++) {
          const __m256i x = _mm256_set1_epi32((int)pi_load_u32((const uint8_t *)codes + t * code_stride + 4 * s));
          PI_UNROLL
          for (size_t v = 0; v < vectors; v++) {
            const __m256i products = _mm256_maddubs_epi16(weights[v], x);
            sum[v * tokens + t] = s == begin ? products : _mm256_add_epi16(sum[v * tokens + t], products);
          }
        }
        PI_UNROLL
        for (size_t i = 0; i < vectors * tokens; i++) in_order(&sum[i]);
      }
      const __m256i one = _mm256_set1_epi16(1);
      PI_UNROLL
      for (size_t i = 0; i < (kind == PI_Q8_0 ? tokens : vectors * tokens); i++) {
        __m256i total = _mm256_madd_epi16(sum[i], one);
        if (kind == PI_Q8_0) {
          total = _mm256_add_epi32(total, _mm256_madd_epi16(sum[tokens + i], _mm256_set1_epi16(16)));
        }
        dot[pass * tokens + i] = begin == from ? total : _mm256_add_epi32(dot[i], total);
      }
    }
  }
}

#include "avx2/avx2.h"

#pragma clang attribute pop

const pi_kernels *pi_kernels_avx2(void) { return pi_has_avx2() ? &table : NULL; }

#else

const pi_kernels *pi_kernels_avx2(void) { return NULL; }

#endif
