// What leading_rows.h asks for, with AVX2.

#include "leading/leading_blockwise.h"

PI_INLINE vf spread(vf v, size_t second) {
  const __m256i lanes = _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3);
  return (vf)_mm256_permutevar8x32_ps((__m256)v, _mm256_add_epi32(lanes, _mm256_set1_epi32((int)second * 4)));
}

PI_INLINE void leading_dots(const uint8_t *p, size_t present, const int8_t *x, vi *dot) {
  uint8_t part[LEADING_BYTES];
  if (present < PI_LANES / 2) {
    copy_leading(p, present, part);
    p = part;
  }
  const __m256i three = _mm256_set1_epi8(3), one = _mm256_set1_epi16(1);
  const __m256i v = _mm256_loadu_si256((const __m256i *)p);
  PI_UNROLL
  for (size_t half = 0; half < 2; half++) {
    const __m256i w = _mm256_srli_epi16(v, (int)half * 4);
    const __m256i *codes = (const __m256i *)(x + half * 64);
    // Sums of four products fit 16 bits: 4 * 3 * 127.
    const __m256i pairs = _mm256_add_epi16(
        _mm256_maddubs_epi16(_mm256_and_si256(w, three), _mm256_loadu_si256(codes)),
        _mm256_maddubs_epi16(_mm256_and_si256(_mm256_srli_epi16(w, 2), three), _mm256_loadu_si256(codes + 1)));
    dot[half] = (vi)_mm256_madd_epi16(pairs, one);
  }
}

#include "leading/leading_rows.h"

enum { JOINED_BLOCKS = 4 };
#define JOINED_BLOCKS JOINED_BLOCKS

PI_INLINE void join_some_nibbles(const uint8_t *leading, const uint8_t *rest, uint8_t *target) {
  const __m256i low = _mm256_set1_epi8(0x33);
  const __m256i l = _mm256_loadu_si256((const __m256i *)leading), r = _mm256_loadu_si256((const __m256i *)rest);
  const __m256i first = _mm256_or_si256(_mm256_slli_epi16(_mm256_and_si256(l, low), 2), _mm256_and_si256(r, low));
  const __m256i second = _mm256_or_si256(_mm256_andnot_si256(low, l), _mm256_and_si256(_mm256_srli_epi16(r, 2), low));
  // Blocks 0 and 2, then 1 and 3.
  const __m256i even = _mm256_unpacklo_epi64(first, second), odd = _mm256_unpackhi_epi64(first, second);
  _mm256_storeu_si256((__m256i *)target, _mm256_permute2x128_si256(even, odd, 0x20));
  _mm256_storeu_si256((__m256i *)(target + 32), _mm256_permute2x128_si256(even, odd, 0x31));
}

#include "leading/join.h"
