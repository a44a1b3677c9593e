// What leading_rows.h asks for, with AVX-512.

#include "leading/split.h"

enum { DOT_BLOCKS = PI_LANES / 2 };

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

// The last one or two blocks of a row would take as many instructions as eight, so those of four rows are put into one vector.
enum { LAST_BLOCKS = 2 };
#define LAST_BLOCKS LAST_BLOCKS

// Adds lanes 4i...4i + 3 to sum[i].
PI_INLINE void add_fours(vf lanes, float *sum) {
  __m512 v = (__m512)lanes;
  v = _mm512_add_ps(v, _mm512_permute_ps(v, 0xb1));
  v = _mm512_add_ps(v, _mm512_permute_ps(v, 0x4e));
  const __m512i firsts = _mm512_setr_epi32(0, 4, 8, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
  const __m128 four = _mm512_castps512_ps128(_mm512_permutexvar_ps(firsts, v));
  _mm_storeu_ps(sum, _mm_add_ps(_mm_loadu_ps(sum), four));
}

// One f16 of each of `count` (1 or 2) blocks, of four rows: lanes 4r and 4r + 1 are the first block's, the others the second's.
PI_INLINE vf halves_of_four(const uint8_t *const *row, size_t at, size_t count) {
  int32_t word[4];
  for (size_t r = 0; r < 4; r++) {
    uint32_t pair = 0;
    if (count == 2) {
      memcpy(&pair, row[r] + at, 4);
    } else {
      memcpy(&pair, row[r] + at, 2);
    }
    word[r] = (int32_t)pair;
  }
  const __m256 floats = _mm256_cvtph_ps(_mm_setr_epi32(word[0], word[1], word[2], word[3]));
  return spread((vf)_mm512_castps256_ps512(floats), 0);
}

// Adds to the sums of four rows of a format with blocks of 32 their last blocks, from `b` on.
PI_INLINE void add_last_blocks(uint32_t kind, const uint8_t *const *row, size_t b, size_t blocks, const pi_leading_input *x,
                               vf step, vf middle, float *sums, float *squares) {
  const size_t count = blocks - b, offset = pi_head_bytes(kind, blocks) + 8 * b;
  const __mmask8 present = (__mmask8)((1u << count) - 1);
  const __m512i three = _mm512_set1_epi8(3);
  __m512i v = _mm512_castsi128_si512(_mm_maskz_loadu_epi64(present, row[0] + offset)), dot = _mm512_setzero_si512();
  v = _mm512_inserti32x4(v, _mm_maskz_loadu_epi64(present, row[1] + offset), 1);
  v = _mm512_inserti32x4(v, _mm_maskz_loadu_epi64(present, row[2] + offset), 2);
  v = _mm512_inserti32x4(v, _mm_maskz_loadu_epi64(present, row[3] + offset), 3);
  PI_UNROLL
  for (unsigned s = 0; s < 4; s++) {
    const __m128i codes = _mm_loadu_si128((const __m128i *)(x->codes + b * PI_BLOCK + s * 64));
    dot = _mm512_dpbusd_epi32(dot, _mm512_and_si512(_mm512_srli_epi16(v, 2 * s), three), _mm512_broadcast_i32x4(codes));
  }
  // Both lanes of a block have its scale, one of them its sum.
  const float *f = x->scales + b, *s = x->sums + b, *e = x->energies + b;
  const vf factor = (vf)_mm512_broadcast_f32x4(_mm_setr_ps(f[0], f[0], f[1], f[1]));
  const vf sum = (vf)_mm512_broadcast_f32x4(_mm_setr_ps(s[0], 0, s[1], 0));
  const vf energy = (vf)_mm512_broadcast_f32x4(_mm_setr_ps(e[0], 0, e[1], 0));
  const vf scale = halves_of_four(row, 2 * b, count);
  vf bias = scale * sum * middle;
  if (kind == PI_Q4_1) bias += halves_of_four(row, 2 * blocks + 2 * b, count) * sum;
  add_fours((vf)_mm512_cvtepi32_ps(dot) * (scale * factor) * step + bias, sums);
  add_fours(scale * scale * energy, squares);
}

#define STRIPE_PAIRS

// Each two bits are multiplied where they stand, as up to 64 times their code, and the sum is shifted as they get lower.
PI_INLINE void stripe_pairs(const uint8_t *p, const int8_t *x, vi *dot) {
  const __m512i first = _mm512_loadu_si512(p), second = _mm512_loadu_si512(p + 64);
  __m512i sum = _mm512_setzero_si512();
  PI_UNROLL
  for (int s = 3; s >= 0; s--) {
    const __m512i mask = _mm512_set1_epi8((char)(3 << 2 * s));
    if (s < 3) sum = _mm512_srai_epi32(sum, 2);
    sum = _mm512_dpbusd_epi32(sum, _mm512_and_si512(first, mask), four_codes(x + s * DOT_BLOCKS * 8));
    sum = _mm512_dpbusd_epi32(sum, _mm512_and_si512(second, mask), four_codes(x + s * DOT_BLOCKS * 8 + 4));
  }
  dot[0] = (vi)sum;
}

#include "leading/leading_rows.h"

enum { JOINED_BLOCKS = 8 };
#define JOINED_BLOCKS JOINED_BLOCKS

#define JOINS_FEWER
PI_INLINE void join_fewer_nibbles(const uint8_t *leading, const uint8_t *rest, size_t blocks, uint8_t *target) {
  const __m512i low = _mm512_set1_epi8(0x33);
  const __mmask8 present = (__mmask8)(blocks < 8 ? (1u << blocks) - 1 : 0xff);
  const __m512i l = _mm512_maskz_loadu_epi64(present, leading), r = _mm512_maskz_loadu_epi64(present, rest);
  // Bits of the third where the first has one, of the second where not.
  const __m512i first = _mm512_ternarylogic_epi64(low, _mm512_slli_epi16(l, 2), r, 0xac);
  const __m512i second = _mm512_ternarylogic_epi64(low, l, _mm512_srli_epi16(r, 2), 0xac);
  const __m512i order = _mm512_setr_epi64(0, 8, 1, 9, 2, 10, 3, 11);
  const __mmask8 here = (__mmask8)(blocks < 4 ? (1u << 2 * blocks) - 1 : 0xff);
  _mm512_mask_storeu_epi64(target, here, _mm512_permutex2var_epi64(first, order, second));
  if (blocks <= 4) return;
  const __mmask8 behind = (__mmask8)(blocks < 8 ? (1u << (2 * blocks - 8)) - 1 : 0xff);
  const __m512i rest_of_order = _mm512_add_epi64(order, _mm512_set1_epi64(4));
  _mm512_mask_storeu_epi64(target + 64, behind, _mm512_permutex2var_epi64(first, rest_of_order, second));
}

PI_INLINE void join_some_nibbles(const uint8_t *leading, const uint8_t *rest, uint8_t *target) {
  join_fewer_nibbles(leading, rest, JOINED_BLOCKS, target);
}

enum { SIDE_BYTES = 4 * PI_STRIPE };

PI_INLINE void take_lanes(const uint8_t *stripe, uint32_t lanes, size_t at, size_t head, size_t blocks, uint8_t *target,
                          uint8_t *side) {
  const __mmask16 taken = (__mmask16)lanes, room = (__mmask16)(0xffff >> at);
  const __m512i numbers = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m512i order = _mm512_maskz_compress_epi32(taken, numbers);
  const __m256i order_of_halves = _mm512_cvtepi32_epi16(order);
  for (size_t i = 0; i < head; i += 2) {
    const __m256i v = _mm256_loadu_si256((const __m256i *)(stripe + PI_STRIPE * i));
    _mm256_mask_storeu_epi16(target + PI_STRIPE * i + 2 * at, room, _mm256_permutexvar_epi16(order_of_halves, v));
  }
  for (size_t i = 0; i < 2 * blocks; i++) {
    const __m512i v = _mm512_loadu_si512(stripe + PI_STRIPE * (head + 4 * i));
    _mm512_mask_storeu_epi32(side + SIDE_BYTES * i + 4 * at, room, _mm512_permutexvar_epi32(order, v));
  }
}

PI_INLINE __m128i sixteen_bytes(const uint8_t *p) { return _mm_loadu_si128((const __m128i *)p); }

PI_INLINE void read_lanes(const uint8_t *const *rest, size_t at, vi *lanes) {
  __m512i v[4];
  PI_UNROLL
  for (size_t i = 0; i < 4; i++) {
    v[i] = _mm512_castsi128_si512(sixteen_bytes(rest[i] + at));
    v[i] = _mm512_mask_broadcast_i32x4(v[i], 0x00f0, sixteen_bytes(rest[4 + i] + at));
    v[i] = _mm512_mask_broadcast_i32x4(v[i], 0x0f00, sixteen_bytes(rest[8 + i] + at));
    v[i] = _mm512_mask_broadcast_i32x4(v[i], 0xf000, sixteen_bytes(rest[12 + i] + at));
  }
  const __m512i a = _mm512_unpacklo_epi32(v[0], v[1]), b = _mm512_unpacklo_epi32(v[2], v[3]);
  const __m512i c = _mm512_unpackhi_epi32(v[0], v[1]), d = _mm512_unpackhi_epi32(v[2], v[3]);
  lanes[0] = (vi)_mm512_unpacklo_epi64(a, b);
  lanes[1] = (vi)_mm512_unpackhi_epi64(a, b);
  lanes[2] = (vi)_mm512_unpacklo_epi64(c, d);
  lanes[3] = (vi)_mm512_unpackhi_epi64(c, d);
}

PI_INLINE void put_together(vi leading, vi rest, vi *low, vi *high) {
  const __m512i mask = _mm512_set1_epi8(0x33), l = (__m512i)leading, r = (__m512i)rest;
  *low = (vi)_mm512_ternarylogic_epi64(mask, _mm512_slli_epi16(l, 2), r, 0xac);
  *high = (vi)_mm512_ternarylogic_epi64(mask, l, _mm512_srli_epi16(r, 2), 0xac);
}

PI_INLINE vi load_side(const uint8_t *p) { return (vi)_mm512_loadu_si512(p); }

PI_INLINE void store_words(uint8_t *p, vi v) { _mm512_storeu_si512(p, (__m512i)v); }

#include "leading/join_stripes.h"

#define JOINS_STRIPES
#include "leading/join.h"
