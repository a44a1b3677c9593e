// What leading_rows.h asks for, with AVX2. The including file defines
//   pair_dots(first, second, x, apart)   the products of 2-bit codes with a token's: lane r is the sum over s of codes 2s and 2s + 1 of the
//                                        bytes of first[r] with x[s * apart...], of second[r] with the four codes that follow

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

#define STRIPE_PAIRS

PI_INLINE void stripe_pairs(const uint8_t *p, const int8_t *x, vi *dot) {
  PI_UNROLL
  for (size_t g = 0; g < PI_STRIPE / PI_LANES; g++) {
    const __m256i *words = (const __m256i *)(p + 4 * PI_LANES * g);
    dot[g] = (vi)pair_dots(_mm256_loadu_si256(words), _mm256_loadu_si256(words + 2), x, DOT_BLOCKS * 8);
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

// Words are stored eight at a time, also where fewer are wanted.
enum { SIDE_BYTES = 4 * (PI_STRIPE + 8) };

// The words of some of eight lanes, one after the other.
PI_INLINE void take_words(const uint8_t *words, uint32_t lanes, size_t count, size_t at, uint8_t *side) {
  // Not by pext, which the first processors that had it take hundreds of cycles for.
  uint64_t numbers = 0;
  for (unsigned n = 0; lanes != 0; lanes &= lanes - 1, n += 8) numbers |= (uint64_t)__builtin_ctz(lanes) << n;
  const __m256i order = _mm256_cvtepu8_epi32(_mm_cvtsi64_si128((long long)numbers));
  for (size_t i = 0; i < count; i++) {
    const __m256i v = _mm256_loadu_si256((const __m256i *)(words + 4 * PI_STRIPE * i));
    _mm256_storeu_si256((__m256i *)(side + SIDE_BYTES * i + 4 * at), _mm256_permutevar8x32_epi32(v, order));
  }
}

PI_INLINE void take_lanes(const uint8_t *stripe, uint32_t lanes, size_t at, size_t head, size_t blocks, uint8_t *target,
                          uint8_t *side) {
  const uint8_t *words = stripe + PI_STRIPE * head;
  const uint32_t first = lanes & 255, second = lanes >> 8;
  size_t behind = at;
  for (uint32_t left = lanes; left != 0; left &= left - 1, behind++) {
    const size_t lane = (size_t)__builtin_ctz(left);
    for (size_t i = 0; i < head; i += 2) memcpy(target + PI_STRIPE * i + 2 * behind, stripe + PI_STRIPE * i + 2 * lane, 2);
  }
  if (first != 0) take_words(words, first, 2 * blocks, at, side);
  if (second != 0) take_words(words + 32, second, 2 * blocks, at + (size_t)__builtin_popcount(first), side);
}

PI_INLINE void read_lanes(const uint8_t *const *rest, size_t at, vi *lanes) {
  PI_UNROLL
  for (size_t g = 0; g < 2; g++) {
    __m256i v[4];
    PI_UNROLL
    for (size_t i = 0; i < 4; i++) v[i] = two_lanes(rest[8 * g + i] + at, rest[8 * g + 4 + i] + at);
    const __m256i a = _mm256_unpacklo_epi32(v[0], v[1]), b = _mm256_unpacklo_epi32(v[2], v[3]);
    const __m256i c = _mm256_unpackhi_epi32(v[0], v[1]), d = _mm256_unpackhi_epi32(v[2], v[3]);
    lanes[4 * g] = (vi)_mm256_unpacklo_epi64(a, b);
    lanes[4 * g + 1] = (vi)_mm256_unpackhi_epi64(a, b);
    lanes[4 * g + 2] = (vi)_mm256_unpacklo_epi64(c, d);
    lanes[4 * g + 3] = (vi)_mm256_unpackhi_epi64(c, d);
  }
}

PI_INLINE void put_together(vi leading, vi rest, vi *low, vi *high) {
  const __m256i mask = _mm256_set1_epi8(0x33), l = (__m256i)leading, r = (__m256i)rest;
  *low = (vi)_mm256_or_si256(_mm256_slli_epi16(_mm256_and_si256(l, mask), 2), _mm256_and_si256(r, mask));
  *high = (vi)_mm256_or_si256(_mm256_andnot_si256(mask, l), _mm256_and_si256(_mm256_srli_epi16(r, 2), mask));
}

PI_INLINE vi load_side(const uint8_t *p) { return (vi)_mm256_loadu_si256((const __m256i *)p); }

PI_INLINE void store_words(uint8_t *p, vi v) { _mm256_storeu_si256((__m256i *)p, (__m256i)v); }

#include "leading/join_stripes.h"

#define JOINS_STRIPES
#include "leading/join.h"
