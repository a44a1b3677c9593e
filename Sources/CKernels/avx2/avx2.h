// 256-bit vectors of x86-64. The including file defines PI_NAME and, under its target, the two dot products that the
// sets differ in:
//   dot_block(w, x)   the products of 32 unsigned with 32 signed bytes, four summed to a lane; w is at most 128
//   dot_halves(v, x, w, y)  the products of v with x and of w with y in one, where v and w are at most 31
//   panel_dots(...)   the same for a tile of a panel, see blockwise_panels.h
//   SPLITS_BYTES      whether panels hold 8-bit codes as two vectors of 4 bits

#define PI_LANES 8

PI_INLINE __m256 load_f16(const uint16_t *p) { return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p)); }

PI_INLINE void store_f16(uint16_t *p, __m256 v) {
  _mm_storeu_si128((__m128i *)p, _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

PI_INLINE float half_at(const uint8_t *p) { return _cvtsh_ss(pi_load_u16(p)); }

// Eight f16, `bytes` apart. A gather would read past the last one, and costs more on most processors.
PI_INLINE __m256 halves(const uint8_t *p, size_t bytes) {
  __m128i v = _mm_cvtsi32_si128(pi_load_u16(p));
  v = _mm_insert_epi16(v, pi_load_u16(p + bytes), 1);
  v = _mm_insert_epi16(v, pi_load_u16(p + 2 * bytes), 2);
  v = _mm_insert_epi16(v, pi_load_u16(p + 3 * bytes), 3);
  v = _mm_insert_epi16(v, pi_load_u16(p + 4 * bytes), 4);
  v = _mm_insert_epi16(v, pi_load_u16(p + 5 * bytes), 5);
  v = _mm_insert_epi16(v, pi_load_u16(p + 6 * bytes), 6);
  v = _mm_insert_epi16(v, pi_load_u16(p + 7 * bytes), 7);
  return _mm256_cvtph_ps(v);
}

// Eight pairs of f16, `bytes` apart.
PI_INLINE void half_pairs(const uint8_t *p, size_t bytes, float *first, float *second) {
  __m128i low = _mm_cvtsi32_si128((int)pi_load_u32(p)), high = _mm_cvtsi32_si128((int)pi_load_u32(p + 4 * bytes));
  low = _mm_insert_epi32(low, (int)pi_load_u32(p + bytes), 1);
  low = _mm_insert_epi32(low, (int)pi_load_u32(p + 2 * bytes), 2);
  low = _mm_insert_epi32(low, (int)pi_load_u32(p + 3 * bytes), 3);
  high = _mm_insert_epi32(high, (int)pi_load_u32(p + 5 * bytes), 1);
  high = _mm_insert_epi32(high, (int)pi_load_u32(p + 6 * bytes), 2);
  high = _mm_insert_epi32(high, (int)pi_load_u32(p + 7 * bytes), 3);
  const __m128i apart = _mm_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15);
  low = _mm_shuffle_epi8(low, apart);
  high = _mm_shuffle_epi8(high, apart);
  _mm256_storeu_ps(first, _mm256_cvtph_ps(_mm_unpacklo_epi64(low, high)));
  _mm256_storeu_ps(second, _mm256_cvtph_ps(_mm_unpackhi_epi64(low, high)));
}

// Sums of the lanes of four vectors. A lone vector gives the same bits as one of four.
PI_INLINE __m128 sums_of_four(__m256 a, __m256 b, __m256 c, __m256 d) {
  const __m256 all = _mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, d));
  return _mm_add_ps(_mm256_castps256_ps128(all), _mm256_extractf128_ps(all, 1));
}

PI_INLINE void sum4(__m256 a, __m256 b, __m256 c, __m256 d, float *out) { _mm_storeu_ps(out, sums_of_four(a, b, c, d)); }
PI_INLINE float sum1(__m256 v) { return _mm_cvtss_f32(sums_of_four(v, v, v, v)); }
PI_INLINE float sum_lanes(__m256 v) { return sum1(v); }

#include "shared/plain.h"

#include "shared/gram.h"

#include "shared/stream.h"

enum { PRODUCT_ROWS = 4, PRODUCT_VECTORS = 2 };

#include "shared/float_products.h"

#include "shared/training.h"

#include "avx2/avx2_select.h"

enum { TILE_QUERIES = 6, TILE_VECTORS = 2, KEY_OFFSET = 0 };

// The instruction multiplies unsigned with signed bytes: signs move to the query.
typedef struct {
  __m256i codes, magnitudes;
} key_codes;

PI_INLINE key_codes read_key_codes(const uint8_t *p) {
  const __m256i codes = _mm256_loadu_si256((const __m256i *)p);
  return (key_codes){codes, _mm256_abs_epi8(codes)};
}

PI_INLINE vi dot_codes(vi sum, key_codes keys, int32_t query) {
  // Sums of two products fit 16 bits: 2 * 127 * 127.
  const __m256i pairs = _mm256_maddubs_epi16(keys.magnitudes, _mm256_sign_epi8(_mm256_set1_epi32(query), keys.codes));
  return (vi)_mm256_add_epi32((__m256i)sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

#include "attention/cache.h"

#include "attention/attention.h"

#include "shared/natural.h"

typedef __m256i block_codes;

PI_INLINE unsigned nonzero_lanes(vf v) {
  return (unsigned)_mm256_movemask_ps(_mm256_cmp_ps((__m256)v, _mm256_setzero_ps(), _CMP_NEQ_UQ));
}

// Both nibbles of 16 bytes: the low ones, then the high ones.
PI_INLINE __m256i nibbles(const uint8_t *p) {
  const __m128i v = _mm_loadu_si128((const __m128i *)p);
  return _mm256_and_si256(_mm256_set_m128i(_mm_srli_epi16(v, 4), v), _mm256_set1_epi8(15));
}

// Bit j of the word as 16 in byte j.
PI_INLINE __m256i fifth_bits(const uint8_t *p) {
  const __m256i spread = _mm256_shuffle_epi8(
      _mm256_set1_epi32((int)pi_load_u32(p)),
      _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303));
  const __m256i bit = _mm256_set1_epi64x((long long)0x8040201008040201);
  return _mm256_and_si256(_mm256_cmpeq_epi8(_mm256_and_si256(spread, bit), bit), _mm256_set1_epi8(16));
}

PI_INLINE __m256i shifted(__m256i v, size_t count) { return _mm256_srl_epi16(v, _mm_cvtsi32_si128((int)count)); }

PI_INLINE block_codes read_codes(uint32_t format, const uint8_t *row, size_t b, size_t all) {
  const __m256i nibble = _mm256_set1_epi8(15);
  const pi_parts at = pi_parts_of(format, all);
  switch (pi_base(format)) {
    case PI_Q4_0:
    case PI_Q4_1: return nibbles(row + at.codes + b * at.code_step);
    case PI_Q5_0:
    case PI_Q5_1:
      return _mm256_or_si256(nibbles(row + at.codes + b * at.code_step), fifth_bits(row + at.fifth + b * at.fifth_step));
    case PI_Q8_0: return _mm256_loadu_si256((const __m256i *)(row + at.codes + b * at.code_step));
    case PI_Q4_K:
    case PI_Q5_K: {
      const size_t j = b % 8, bytes = format == PI_Q4_K ? PI_Q4_K_BYTES : PI_Q5_K_BYTES;
      const uint8_t *p = row + b / 8 * bytes;
      const __m256i v = _mm256_loadu_si256((const __m256i *)(p + (bytes - 128) + j / 2 * 32));
      const __m256i low = _mm256_and_si256(shifted(v, j % 2 * 4), nibble);
      if (format == PI_Q4_K) return low;
      const __m256i bits = shifted(_mm256_loadu_si256((const __m256i *)(p + 16)), j);
      return _mm256_or_si256(low, _mm256_slli_epi16(_mm256_and_si256(bits, _mm256_set1_epi8(1)), 4));
    }
    default: {
      const size_t half = b % 8 / 4, j = b % 4;
      const uint8_t *p = row + b / 8 * PI_Q6_K_BYTES;
      const __m256i v = _mm256_loadu_si256((const __m256i *)(p + half * 64 + j % 2 * 32));
      const __m256i bits = shifted(_mm256_loadu_si256((const __m256i *)(p + 128 + half * 32)), j * 2);
      return _mm256_or_si256(_mm256_and_si256(shifted(v, j / 2 * 4), nibble),
                             _mm256_slli_epi16(_mm256_and_si256(bits, _mm256_set1_epi8(3)), 4));
    }
  }
}

PI_INLINE bool is_q8(uint32_t format) { return pi_base(format) == PI_Q8_0; }

// Whether 16 bytes hold a block.
PI_INLINE bool is_halved(uint32_t format) { return pi_block_elements(format) == PI_BLOCK && !is_q8(format); }

PI_INLINE __m256 add_codes(uint32_t format, __m256i w, __m256i x, const float *scale, const float *more, __m256 sum) {
  // One side must be unsigned: the sign of signed weights moves to the other.
  const __m256i dot = is_q8(format) ? dot_block(_mm256_abs_epi8(w), _mm256_sign_epi8(x, w)) : dot_block(w, x);
  // The first four lanes are the block's first half.
  const __m256 factor = format == PI_Q6_K ? _mm256_blend_ps(_mm256_broadcast_ss(scale), _mm256_broadcast_ss(more), 0xf0)
                                          : _mm256_broadcast_ss(scale);
  return _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot), factor, sum);
}

PI_INLINE __m256 add_block(uint32_t format, block_codes w, const int8_t *a, const float *scale, const float *more,
                           __m256 sum) {
  return add_codes(format, w, _mm256_loadu_si256((const __m256i *)a), scale, more, sum);
}

// Two blocks. Of halved formats, `first` has the first halves of both and `second` the second halves.
typedef struct {
  __m256i first, second;
} code_pair, pair_activations;

PI_INLINE __m256i two_lanes(const void *low, const void *high) {
  return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128(low)), _mm_loadu_si128(high), 1);
}

// Four bytes of each word: those from `byte` on in turn, bit j of the 16 as 16 in byte j of the word's lane.
PI_INLINE __m256i spread_bits(__m256i words, __m256i order) {
  const __m256i bit = _mm256_set1_epi64x((long long)0x8040201008040201);
  const __m256i spread = _mm256_shuffle_epi8(words, order);
  return _mm256_and_si256(_mm256_cmpeq_epi8(_mm256_and_si256(spread, bit), bit), _mm256_set1_epi8(16));
}

PI_INLINE code_pair read_pair(uint32_t format, const uint8_t *row, size_t b, size_t all) {
  if (!is_halved(format)) return (code_pair){read_codes(format, row, b, all), read_codes(format, row, b + 1, all)};
  const pi_parts at = pi_parts_of(format, all);
  const uint8_t *p = row + at.codes + b * at.code_step;
  const __m256i v = pi_is_planar(format) ? _mm256_loadu_si256((const __m256i *)p) : two_lanes(p, p + at.code_step);
  const __m256i nibble = _mm256_set1_epi8(15);
  code_pair w = {_mm256_and_si256(v, nibble), _mm256_and_si256(_mm256_srli_epi16(v, 4), nibble)};
  if (pi_base(format) == PI_Q4_0 || pi_base(format) == PI_Q4_1) return w;
  const uint8_t *f = row + at.fifth + b * at.fifth_step;
  const __m256i words = _mm256_set_epi64x(0, pi_load_u32(f + at.fifth_step), 0, pi_load_u32(f));
  const __m256i low = _mm256_broadcastsi128_si256(_mm_set_epi64x(0x0101010101010101, 0));
  w.first = _mm256_or_si256(w.first, spread_bits(words, low));
  w.second = _mm256_or_si256(w.second, spread_bits(words, _mm256_add_epi8(low, _mm256_set1_epi8(2))));
  return w;
}

PI_INLINE pair_activations read_activations(uint32_t format, const int8_t *a) {
  if (is_halved(format)) return (pair_activations){two_lanes(a, a + 32), two_lanes(a + 16, a + 48)};
  return (pair_activations){_mm256_loadu_si256((const __m256i *)a), _mm256_loadu_si256((const __m256i *)(a + 32))};
}

PI_INLINE __m256 add_pair(uint32_t format, code_pair w, pair_activations x, const float *scale, const float *more,
                          __m256 sum) {
  if (!is_halved(format)) {
    sum = add_codes(format, w.first, x.first, scale, more, sum);
    return add_codes(format, w.second, x.second, scale + 1, more + 1, sum);
  }
  const __m256 factor = _mm256_blend_ps(_mm256_broadcast_ss(scale), _mm256_broadcast_ss(scale + 1), 0xf0);
  return _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot_halves(w.first, x.first, w.second, x.second)), factor, sum);
}

// Bytes i * 8 ... of a block of bytes as floats.
PI_INLINE __m256 byte_floats(__m256i v, bool is_signed, size_t i) {
  const __m128i half = i < 2 ? _mm256_castsi256_si128(v) : _mm256_extracti128_si256(v, 1);
  const __m128i eight = i % 2 == 0 ? half : _mm_srli_si128(half, 8);
  return _mm256_cvtepi32_ps(is_signed ? _mm256_cvtepi8_epi32(eight) : _mm256_cvtepu8_epi32(eight));
}

PI_INLINE void read_floats(uint32_t format, const uint8_t *row, size_t b, size_t all, __m256 *out) {
  if (pi_base(format) != PI_Q4_0 && pi_base(format) != PI_Q4_1) {
    const __m256i w = read_codes(format, row, b, all);
    PI_UNROLL
    for (size_t i = 0; i < 4; i++) out[i] = byte_floats(w, is_q8(format), i);
    return;
  }
  // Each of eight bytes gets a lane of its own, and both its codes are made from there: fewer shuffles.
  const pi_parts at = pi_parts_of(format, all);
  const __m256i bytes = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(row + at.codes + b * at.code_step)));
  const __m256i alone = _mm256_setr_epi32((int)0x80808000, (int)0x80808001, (int)0x80808002, (int)0x80808003,
                                          (int)0x80808004, (int)0x80808005, (int)0x80808006, (int)0x80808007);
  PI_UNROLL
  for (int i = 0; i < 2; i++) {
    const __m256i pairs = _mm256_shuffle_epi8(bytes, _mm256_add_epi32(alone, _mm256_set1_epi32(8 * i)));
    out[i] = _mm256_cvtepi32_ps(_mm256_and_si256(pairs, _mm256_set1_epi32(15)));
    out[2 + i] = _mm256_cvtepi32_ps(_mm256_srli_epi32(pairs, 4));
  }
}

#include "blockwise/blockwise.h"

#include "avx2/avx2_panels.h"

#include "blockwise/blockwise_panels.h"

#include "blockwise/blockwise_rows.h"

#include "avx2/avx2_stripes.h"

#define PI_HAS_STRIPES 1

#include "blockwise/blockwise_accumulate.h"

#include "leading/leading_avx2.h"

#include "blockwise/blockwise_table.h"
