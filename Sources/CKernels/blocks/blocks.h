// Layouts of the weight blocks, and scalar access to them. Facts of the GGUF format; little-endian.
#ifndef PI_BLOCKS_H
#define PI_BLOCKS_H

#include <stdbool.h>
#include <string.h>

#include "ckernels.h"

#define PI_INLINE static inline __attribute__((always_inline))

// Before a loop with a constant count whose body must live in registers. Sanitizers' builds define it as nothing, which compiles sooner.
#if defined(PI_UNROLL)
#elif defined(__clang__)
#define PI_UNROLL _Pragma("clang loop unroll(full)")
#else
#define PI_UNROLL _Pragma("GCC unroll 16")
#endif

enum { PI_BLOCK = 32, PI_SUPER = 256 };

// Bytes of a block, and where its parts begin.
enum {
  PI_Q4_0_BYTES = 18,  // f16 scale, 16 bytes: low nibbles are elements 0..15, high nibbles 16..31
  PI_Q4_1_BYTES = 20,  // f16 scale, f16 minimum, 16 bytes
  PI_Q5_0_BYTES = 22,  // f16 scale, u32 fifth bits (bit j belongs to element j), 16 bytes
  PI_Q5_1_BYTES = 24,  // f16 scale, f16 minimum, u32, 16 bytes
  PI_Q8_0_BYTES = 34,  // f16 scale, 32 signed bytes
  PI_Q4_K_BYTES = 144,  // f16 scale, f16 scale of minima, 12 bytes of 6-bit pairs, 128 bytes
  PI_Q5_K_BYTES = 176,  // the same with 32 bytes of fifth bits at 16 and nibbles at 48
  PI_Q6_K_BYTES = 210,  // 128 bytes of low nibbles, 64 of high pairs, 16 signed scales, f16 scale
};

PI_INLINE uint16_t pi_load_u16(const uint8_t *p) {
  uint16_t v;
  memcpy(&v, p, 2);
  return v;
}

PI_INLINE uint32_t pi_load_u32(const uint8_t *p) {
  uint32_t v;
  memcpy(&v, p, 4);
  return v;
}

PI_INLINE float pi_float_from_bits(uint32_t bits) {
  float f;
  memcpy(&f, &bits, 4);
  return f;
}

PI_INLINE uint32_t pi_bits_from_float(float f) {
  uint32_t bits;
  memcpy(&bits, &f, 4);
  return bits;
}

PI_INLINE float pi_from_f16(uint16_t h) {
  const uint32_t sign = (uint32_t)(h & 0x8000) << 16;
  const uint32_t magnitude = h & 0x7fff;
  if (magnitude >= 0x7c00) {  // infinity, NaN
    return pi_float_from_bits(sign | 0x7f800000 | (magnitude & 0x3ff) << 13);
  }
  // 2^112 moves the exponent's bias from 15 to 127 and makes subnormals right at the same time.
  const float f = pi_float_from_bits(magnitude << 13) * 0x1p112f;
  return pi_float_from_bits(sign | pi_bits_from_float(f));
}

// Rounds to nearest, ties to even.
PI_INLINE uint16_t pi_to_f16(float f) {
  const uint32_t bits = pi_bits_from_float(f);
  const uint16_t sign = (uint16_t)((bits >> 16) & 0x8000);
  const uint32_t magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00 | (uint16_t)((magnitude >> 13) & 0x3ff);
  if (magnitude >= 0x477ff000) return sign | 0x7c00;  // 65520 and above round to infinity
  if (magnitude < 0x38800000) {  // below 2^-14: subnormal, rounded by the addition's own rounding
    const float shifted = pi_float_from_bits(magnitude) + 0.5f;
    return sign | (uint16_t)(pi_bits_from_float(shifted) - 0x3f000000);
  }
  const uint32_t rounded = magnitude + 0xfff + ((magnitude >> 13) & 1);
  return sign | (uint16_t)((rounded - 0x38000000) >> 13);
}

PI_INLINE float pi_from_bf16(uint16_t b) { return pi_float_from_bits((uint32_t)b << 16); }

PI_INLINE uint16_t pi_to_bf16(float f) {
  const uint32_t bits = pi_bits_from_float(f);
  if ((bits & 0x7fffffff) > 0x7f800000) return (uint16_t)((bits >> 16) | 0x40);
  return (uint16_t)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

PI_INLINE float pi_f16_at(const uint8_t *p) { return pi_from_f16(pi_load_u16(p)); }

// Scale and minimum `j` of the eight 6-bit pairs packed in 12 bytes.
PI_INLINE void pi_k_scale(const uint8_t *p, size_t j, uint8_t *scale, uint8_t *minimum) {
  if (j < 4) {
    *scale = p[j] & 63;
    *minimum = p[j + 4] & 63;
  } else {
    *scale = (p[j + 4] & 15) | (p[j - 4] >> 6) << 4;
    *minimum = (p[j + 4] >> 4) | (p[j] >> 6) << 4;
  }
}

// The scales, then the minima, of a super-block as 8 bytes each.
PI_INLINE void pi_k_scales(const uint8_t *p, uint64_t *scales, uint64_t *minima) {
  const uint32_t a = pi_load_u32(p), b = pi_load_u32(p + 4), c = pi_load_u32(p + 8);
  const uint32_t high_a = (a >> 2) & 0x30303030, high_b = (b >> 2) & 0x30303030;
  *scales = (uint64_t)((c & 0x0f0f0f0f) | high_a) << 32 | (a & 0x3f3f3f3f);
  *minima = (uint64_t)((c >> 4 & 0x0f0f0f0f) | high_b) << 32 | (b & 0x3f3f3f3f);
}

// The formats whose rows may be planar, as the formats of matrices.
enum {
  PI_Q4_0P = PI_Q4_0 | PI_PLANAR,
  PI_Q4_1P = PI_Q4_1 | PI_PLANAR,
  PI_Q5_0P = PI_Q5_0 | PI_PLANAR,
  PI_Q5_1P = PI_Q5_1 | PI_PLANAR,
  PI_Q8_0P = PI_Q8_0 | PI_PLANAR,
};

// The same in stripes.
enum {
  PI_Q4_0S = PI_Q4_0 | PI_STRIPED,
  PI_Q4_1S = PI_Q4_1 | PI_STRIPED,
  PI_Q5_0S = PI_Q5_0 | PI_STRIPED,
  PI_Q5_1S = PI_Q5_1 | PI_STRIPED,
  PI_Q8_0S = PI_Q8_0 | PI_STRIPED,
};

// One entry per format of stripes.
#define PI_STRIPES(one) one(Q4_0) one(Q4_1) one(Q5_0) one(Q5_1) one(Q8_0)

PI_INLINE bool pi_is_planar(uint32_t format) { return (format & PI_PLANAR) != 0; }
PI_INLINE bool pi_is_striped(uint32_t format) { return (format & PI_STRIPED) != 0; }

// The format of the blocks that a planar row or a stripe was made of.
PI_INLINE uint32_t pi_base(uint32_t format) { return format & ~(uint32_t)(PI_PLANAR | PI_STRIPED); }

PI_INLINE size_t pi_block_elements(uint32_t format) {
  switch (pi_base(format)) {
    case PI_F32: case PI_F16: case PI_BF16: return 1;
    case PI_Q4_K: case PI_Q5_K: case PI_Q6_K: return PI_SUPER;
    default: return PI_BLOCK;
  }
}

PI_INLINE size_t pi_block_bytes(uint32_t format) {
  switch (pi_base(format)) {
    case PI_F32: return 4;
    case PI_F16: case PI_BF16: return 2;
    case PI_Q4_0: return PI_Q4_0_BYTES;
    case PI_Q4_1: return PI_Q4_1_BYTES;
    case PI_Q5_0: return PI_Q5_0_BYTES;
    case PI_Q5_1: return PI_Q5_1_BYTES;
    case PI_Q8_0: return PI_Q8_0_BYTES;
    case PI_Q4_K: return PI_Q4_K_BYTES;
    case PI_Q5_K: return PI_Q5_K_BYTES;
    default: return PI_Q6_K_BYTES;
  }
}

// Where the parts of block 0 begin in a row of a format with blocks of 32, and the bytes from one block's part to the next. The
// scale is at 0, and minima are as far apart as scales.
typedef struct {
  size_t minimum, fifth, codes;
  size_t scale_step, fifth_step, code_step;
} pi_parts;

// `blocks`: of the whole row. Of a stripe, what one row has of it: everything is PI_STRIPE times as far.
PI_INLINE pi_parts pi_parts_of(uint32_t format, size_t blocks) {
  const uint32_t base = pi_base(format);
  const size_t bytes = pi_block_bytes(base), code_bytes = base == PI_Q8_0 ? 32 : 16;
  const size_t head = base == PI_Q4_1 || base == PI_Q5_1 ? 4 : 2;  // bytes of a block's scale and minimum
  if (!pi_is_planar(format) && !pi_is_striped(format)) {
    return (pi_parts){.minimum = 2, .fifth = head, .codes = bytes - code_bytes,
                      .scale_step = bytes, .fifth_step = bytes, .code_step = bytes};
  }
  return (pi_parts){.minimum = 2 * blocks, .fifth = head * blocks, .codes = (bytes - code_bytes) * blocks,
                    .scale_step = 2, .fifth_step = 4, .code_step = code_bytes};
}

PI_INLINE bool pi_is_float(uint32_t format) { return format == PI_F32 || format == PI_F16 || format == PI_BF16; }

// Writes one block of 256 floats as Q4_K, Q5_K or Q6_K.
// `importance`: how much an error in each element counts, or NULL.
void pi_quantize_super_block(uint32_t format, const float *x, const float *importance, uint8_t *target);

// Q4 and Q5: codes of `bits` bits; the fifth bits are gathered in a word before the nibbles. Returns the end.
uint8_t *pi_write_codes(const uint8_t *codes, int bits, uint8_t *target);

// A block of 32 elements in unsigned codes: value[j] = scale[j / 16] * code[j] + bias[j / 16].
typedef struct {
  uint8_t codes[32];
  float scale[2];
  float bias[2];
} pi_block;

// Reads block `b` (of 32 elements) of a row of `blocks` of them in any quantised format.
PI_INLINE void pi_read_block(uint32_t format, const uint8_t *row, size_t b, size_t blocks, pi_block *out) {
  const pi_parts at = pi_parts_of(format, blocks);
  const uint8_t *nibbles = 0;
  uint32_t fifth = 0;
  switch (pi_base(format)) {
    case PI_Q4_0:
    case PI_Q4_1:
    case PI_Q5_0:
    case PI_Q5_1: {
      const uint32_t base = pi_base(format);
      out->scale[0] = pi_f16_at(row + b * at.scale_step);
      if (base == PI_Q4_1 || base == PI_Q5_1) {
        out->bias[0] = pi_f16_at(row + at.minimum + b * at.scale_step);
      } else {
        out->bias[0] = (base == PI_Q4_0 ? -8 : -16) * out->scale[0];
      }
      if (base == PI_Q5_0 || base == PI_Q5_1) fifth = pi_load_u32(row + at.fifth + b * at.fifth_step);
      nibbles = row + at.codes + b * at.code_step;
      break;
    }
    case PI_Q8_0: {
      const uint8_t *p = row + at.codes + b * at.code_step;
      out->scale[0] = pi_f16_at(row + b * at.scale_step);
      out->bias[0] = -128 * out->scale[0];
      for (size_t j = 0; j < 32; j++) out->codes[j] = p[j] ^ 0x80;
      break;
    }
    case PI_Q4_K:
    case PI_Q5_K: {
      const size_t j = b % 8;
      const uint8_t *p = row + b / 8 * (format == PI_Q4_K ? PI_Q4_K_BYTES : PI_Q5_K_BYTES);
      const uint8_t *q = p + (format == PI_Q4_K ? 16 : 48) + j / 2 * 32;
      uint8_t scale, minimum;
      pi_k_scale(p + 4, j, &scale, &minimum);
      out->scale[0] = pi_f16_at(p) * scale;
      out->bias[0] = -(pi_f16_at(p + 2) * minimum);
      for (size_t i = 0; i < 32; i++) {
        out->codes[i] = (q[i] >> (j % 2 * 4)) & 15;
        if (format == PI_Q5_K) out->codes[i] |= ((p[16 + i] >> j) & 1) << 4;
      }
      break;
    }
    case PI_Q6_K: {
      const size_t half = b % 8 / 4, j = b % 4;
      const uint8_t *p = row + b / 8 * PI_Q6_K_BYTES;
      const uint8_t *low = p + half * 64 + j % 2 * 32, *high = p + 128 + half * 32;
      const int8_t *scales = (const int8_t *)(p + 192 + half * 8 + j * 2);
      const float d = pi_f16_at(p + 208);
      for (size_t i = 0; i < 32; i++) {
        out->codes[i] = ((low[i] >> (j / 2 * 4)) & 15) | ((high[i] >> (j * 2)) & 3) << 4;
      }
      for (size_t i = 0; i < 2; i++) {
        out->scale[i] = d * scales[i];
        out->bias[i] = -32 * out->scale[i];
      }
      return;
    }
    default:  // no other quantised format is ever asked for
      memset(out, 0, sizeof *out);
      return;
  }
  if (nibbles) {
    for (size_t j = 0; j < 16; j++) {
      out->codes[j] = (nibbles[j] & 15) | ((fifth >> j) & 1) << 4;
      out->codes[j + 16] = nibbles[j] >> 4 | ((fifth >> (j + 16)) & 1) << 4;
    }
  }
  out->scale[1] = out->scale[0];
  out->bias[1] = out->bias[0];
}

#endif
