// 64-bit Arm. The including file defines PI_NAME and what the sets differ in:
//   dot_16(a, b)               the products of 16 signed bytes summed into four lanes
//   dot_fours(sum, a, b)       sum + the products, each four neighbours in the lane of their place
//   interleave_codes(rows, p)  16 codes of each of four rows, as panel_dots reads them
//   panel_dots(...)            see blockwise_panels.h

#define PI_LANES 4

PI_INLINE float32x4_t load_f16(const uint16_t *p) { return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p))); }
PI_INLINE void store_f16(uint16_t *p, float32x4_t v) { vst1_u16(p, vreinterpret_u16_f16(vcvt_f16_f32(v))); }
PI_INLINE float half_at(const uint8_t *p) {
  return vgetq_lane_f32(vcvt_f32_f16(vreinterpret_f16_u16(vdup_n_u16(pi_load_u16(p)))), 0);
}

// Four f16, `bytes` apart.
PI_INLINE float32x4_t halves(const uint8_t *p, size_t bytes) {
  const uint64_t bits = pi_load_u16(p) | (uint64_t)pi_load_u16(p + bytes) << 16 |
                        (uint64_t)pi_load_u16(p + 2 * bytes) << 32 | (uint64_t)pi_load_u16(p + 3 * bytes) << 48;
  return vcvt_f32_f16(vcreate_f16(bits));
}

// Four pairs of f16, `bytes` apart.
PI_INLINE void half_pairs(const uint8_t *p, size_t bytes, float *first, float *second) {
  const uint64_t low = pi_load_u32(p) | (uint64_t)pi_load_u32(p + bytes) << 32;
  const uint64_t high = pi_load_u32(p + 2 * bytes) | (uint64_t)pi_load_u32(p + 3 * bytes) << 32;
  const uint16x4_t a = vcreate_u16(low), b = vcreate_u16(high);
  vst1q_f32(first, vcvt_f32_f16(vreinterpret_f16_u16(vuzp1_u16(a, b))));
  vst1q_f32(second, vcvt_f32_f16(vreinterpret_f16_u16(vuzp2_u16(a, b))));
}

PI_INLINE float sum1(float32x4_t v) { return vaddvq_f32(v); }
PI_INLINE float sum_lanes(float32x4_t v) { return vaddvq_f32(v); }
PI_INLINE void sum4(float32x4_t a, float32x4_t b, float32x4_t c, float32x4_t d, float *out) {
  vst1q_f32(out, vpaddq_f32(vpaddq_f32(a, b), vpaddq_f32(c, d)));
}

#include "shared/plain.h"

#include "shared/gram.h"

#include "shared/stream.h"

enum { PRODUCT_ROWS = 8, PRODUCT_VECTORS = 2 };

#include "shared/float_products.h"

#include "shared/training.h"

#include "shared/select.h"

enum { TILE_QUERIES = 6, TILE_VECTORS = 4, KEY_OFFSET = 0 };

typedef int8x16_t key_codes;

PI_INLINE key_codes read_key_codes(const uint8_t *p) { return vreinterpretq_s8_u8(vld1q_u8(p)); }

PI_INLINE vi dot_codes(vi sum, key_codes keys, int32_t query) {
  return (vi)dot_fours((int32x4_t)sum, keys, vreinterpretq_s8_s32(vdupq_n_s32(query)));
}

#include "attention/cache.h"

#include "attention/attention.h"

#include "shared/natural.h"

// The first and the second 16 codes, as signed bytes: unsigned codes are at most 63.
typedef int8x16x2_t block_codes;

PI_INLINE unsigned nonzero_lanes(vf v) {
  const uint32x4_t bits = {1, 2, 4, 8};
  return vaddvq_u32(vbicq_u32(bits, vceqzq_f32((float32x4_t)v)));
}

PI_INLINE block_codes nibbles(const uint8_t *p) {
  const uint8x16_t v = vld1q_u8(p);
  block_codes w;
  w.val[0] = vreinterpretq_s8_u8(vandq_u8(v, vdupq_n_u8(15)));
  w.val[1] = vreinterpretq_s8_u8(vshrq_n_u8(v, 4));
  return w;
}

PI_INLINE block_codes with_fifth_bits(block_codes w, const uint8_t *p) {
  static const uint8_t bits[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
  const uint8x16_t bit = vld1q_u8(bits), sixteen = vdupq_n_u8(16);
  for (size_t i = 0; i < 2; i++) {
    const uint8x16_t spread = vcombine_u8(vdup_n_u8(p[2 * i]), vdup_n_u8(p[2 * i + 1]));
    const uint8x16_t fifth = vandq_u8(vtstq_u8(spread, bit), sixteen);
    w.val[i] = vorrq_s8(w.val[i], vreinterpretq_s8_u8(fifth));
  }
  return w;
}

PI_INLINE uint8x16_t shifted(uint8x16_t v, size_t count) { return vshlq_u8(v, vdupq_n_s8((int8_t) - (int)count)); }

PI_INLINE block_codes read_codes(uint32_t format, const uint8_t *row, size_t b, size_t all) {
  const pi_parts at = pi_parts_of(format, all);
  switch (pi_base(format)) {
    case PI_Q4_0:
    case PI_Q4_1: return nibbles(row + at.codes + b * at.code_step);
    case PI_Q5_0:
    case PI_Q5_1:
      return with_fifth_bits(nibbles(row + at.codes + b * at.code_step), row + at.fifth + b * at.fifth_step);
    case PI_Q8_0: {
      const int8_t *p = (const int8_t *)(row + at.codes + b * at.code_step);
      block_codes w;
      w.val[0] = vld1q_s8(p);
      w.val[1] = vld1q_s8(p + 16);
      return w;
    }
    case PI_Q4_K:
    case PI_Q5_K: {
      const size_t j = b % 8, bytes = format == PI_Q4_K ? PI_Q4_K_BYTES : PI_Q5_K_BYTES;
      const uint8_t *p = row + b / 8 * bytes, *q = p + (bytes - 128) + j / 2 * 32;
      block_codes w;
      for (size_t i = 0; i < 2; i++) {
        uint8x16_t v = vandq_u8(shifted(vld1q_u8(q + 16 * i), j % 2 * 4), vdupq_n_u8(15));
        if (format == PI_Q5_K) {
          const uint8x16_t bit = vandq_u8(shifted(vld1q_u8(p + 16 + 16 * i), j), vdupq_n_u8(1));
          v = vorrq_u8(v, vshlq_n_u8(bit, 4));
        }
        w.val[i] = vreinterpretq_s8_u8(v);
      }
      return w;
    }
    default: {
      const size_t half = b % 8 / 4, j = b % 4;
      const uint8_t *p = row + b / 8 * PI_Q6_K_BYTES;
      const uint8_t *low = p + half * 64 + j % 2 * 32, *high = p + 128 + half * 32;
      block_codes w;
      for (size_t i = 0; i < 2; i++) {
        const uint8x16_t v = vandq_u8(shifted(vld1q_u8(low + 16 * i), j / 2 * 4), vdupq_n_u8(15));
        const uint8x16_t bits = vandq_u8(shifted(vld1q_u8(high + 16 * i), j * 2), vdupq_n_u8(3));
        w.val[i] = vreinterpretq_s8_u8(vorrq_u8(v, vshlq_n_u8(bits, 4)));
      }
      return w;
    }
  }
}

// Codes i * 4 ... as floats; unsigned ones fit signed bytes.
PI_INLINE float32x4_t code_floats(block_codes w, size_t i) {
  const int8x16_t half = w.val[i / 4];
  const int16x8_t eight = i % 4 < 2 ? vmovl_s8(vget_low_s8(half)) : vmovl_high_s8(half);
  return vcvtq_f32_s32(i % 2 == 0 ? vmovl_s16(vget_low_s16(eight)) : vmovl_high_s16(eight));
}

PI_INLINE float32x4_t add_block(uint32_t format, block_codes w, const int8_t *a, const float *scale, const float *more,
                                float32x4_t sum) {
  const int32x4_t first = dot_16(w.val[0], vld1q_s8(a)), second = dot_16(w.val[1], vld1q_s8(a + 16));
  if (format == PI_Q6_K) {
    return vfmaq_n_f32(vfmaq_n_f32(sum, vcvtq_f32_s32(first), *scale), vcvtq_f32_s32(second), *more);
  }
  return vfmaq_n_f32(sum, vcvtq_f32_s32(vaddq_s32(first, second)), *scale);
}

PI_INLINE void read_floats(uint32_t format, const uint8_t *row, size_t b, size_t all, vf *out) {
  const block_codes w = read_codes(format, row, b, all);
  PI_UNROLL
  for (size_t i = 0; i < 8; i++) out[i] = (vf)code_floats(w, i);
}

typedef struct {
  block_codes first, second;
} code_pair;

typedef const int8_t *pair_activations;

PI_INLINE code_pair read_pair(uint32_t format, const uint8_t *row, size_t b, size_t all) {
  return (code_pair){read_codes(format, row, b, all), read_codes(format, row, b + 1, all)};
}

PI_INLINE pair_activations read_activations(uint32_t format, const int8_t *a) {
  (void)format;
  return a;
}

PI_INLINE float32x4_t add_pair(uint32_t format, code_pair w, pair_activations x, const float *scale, const float *more,
                               float32x4_t sum) {
  sum = add_block(format, w.first, x, scale, more, sum);
  return add_block(format, w.second, x + PI_BLOCK, scale + 1, more + 1, sum);
}

#include "blockwise/blockwise.h"

#include "neon/neon_panels.h"

#include "blockwise/blockwise_panels.h"

#include "blockwise/blockwise_rows.h"

#define PI_HAS_STRIPES 0

#include "blockwise/blockwise_accumulate.h"

#include "leading/leading_neon.h"

#include "blockwise/blockwise_table.h"
