// What leading_rows.h asks for, with AVX-512.

#include "leading/split.h"

// The products of a quad: block i's lane l is lane 4 * l + i of either half (avx512_codes.h).
enum { CODES_APART = 16 };

PI_INLINE const int8_t *codes_of(const int8_t *codes, size_t b, size_t s) {
  return codes + b / 4 * 128 + s / 2 * 64 + (s % 2 * 8 + b % 4) * 4;
}

PI_INLINE vf spread(vf v, size_t second) {
  const __m512i lanes = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
  return (vf)_mm512_permutexvar_ps(_mm512_add_epi32(lanes, _mm512_set1_epi32((int)second * 8)), (__m512)v);
}

PI_INLINE void leading_dots(const uint8_t *p, size_t present, const int8_t *x, vi *dot) {
  const __m512i three = _mm512_set1_epi8(3), zero = _mm512_setzero_si512();
  const __m512i v = present == 8 ? _mm512_loadu_si512(p) : _mm512_maskz_loadu_epi64((__mmask8)((1u << present) - 1), p);
  PI_UNROLL
  for (size_t half = 0; half < 2; half++) {
    const __m512i w = _mm512_srli_epi16(v, (unsigned)half * 4);
    const __m512i first = _mm512_dpbusd_epi32(zero, _mm512_and_si512(w, three), _mm512_loadu_si512(x + half * 128));
    dot[half] = (vi)_mm512_dpbusd_epi32(first, _mm512_and_si512(_mm512_srli_epi16(w, 2), three),
                                        _mm512_loadu_si512(x + half * 128 + 64));
  }
}

PI_INLINE void leading_super_scales(uint32_t kind, const uint8_t *head, __m256 *scale, __m256 *more) {
  if (kind == PI_Q4_K) {
    super_scales(PI_Q4_K, head, scale, more);
    return;
  }
  const __m512 codes = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)head)));
  const __m512 all = _mm512_mul_ps(codes, _mm512_set1_ps(half_at(head + 16)));
  const __m512 sorted =
      _mm512_permutexvar_ps(_mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15), all);
  *scale = _mm512_castps512_ps256(sorted);
  *more = _mm512_extractf32x8_ps(sorted, 1);
}

PI_INLINE void leading_scales(uint32_t kind, const uint8_t *row, size_t b, size_t count, size_t all, vf *scale, vf *more) {
  if (kind == PI_Q4_0 || kind == PI_Q4_1) {
    __m512 s, m;
    planar_scales(kind | PI_PLANAR, row, b, count, all, &s, &m);
    *scale = (vf)s;
    *more = (vf)m;
    return;
  }
  __m256 first[2], second[2] = {_mm256_setzero_ps(), _mm256_setzero_ps()};
  const size_t part = pi_head_bytes(kind, 8);
  const uint8_t *head = row + b / 8 * part;
  leading_super_scales(kind, head, &first[0], &first[1]);
  if (count > 8) leading_super_scales(kind, head + part, &second[0], &second[1]);
  *scale = (vf)_mm512_insertf32x8(_mm512_castps256_ps512(first[0]), second[0], 1);
  *more = (vf)_mm512_insertf32x8(_mm512_castps256_ps512(first[1]), second[1], 1);
}

#include "leading/leading_rows.h"

enum { JOINED_BLOCKS = 8 };
#define JOINED_BLOCKS JOINED_BLOCKS

PI_INLINE void join_some_nibbles(const uint8_t *leading, const uint8_t *rest, uint8_t *target) {
  const __m512i low = _mm512_set1_epi8(0x33);
  const __m512i l = _mm512_loadu_si512(leading), r = _mm512_loadu_si512(rest);
  // Bits of the third where the first has one, of the second where not.
  const __m512i first = _mm512_ternarylogic_epi64(low, _mm512_slli_epi16(l, 2), r, 0xac);
  const __m512i second = _mm512_ternarylogic_epi64(low, l, _mm512_srli_epi16(r, 2), 0xac);
  const __m512i order = _mm512_setr_epi64(0, 8, 1, 9, 2, 10, 3, 11);
  _mm512_storeu_si512(target, _mm512_permutex2var_epi64(first, order, second));
  const __m512i rest_of_order = _mm512_add_epi64(order, _mm512_set1_epi64(4));
  _mm512_storeu_si512(target + 64, _mm512_permutex2var_epi64(first, rest_of_order, second));
}

#include "leading/join.h"
