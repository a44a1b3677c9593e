// Whole blocks from and to floats, one element after the other. Used when a model is made or one embedding row is read.
#include "blocks/blocks.h"

#include <math.h>

void pi_dequantize_part(uint32_t format, const void *row, size_t columns, size_t begin, size_t end, float *y) {
  const uint8_t *p = row;
  const uint32_t base = pi_base(format);
  switch (base) {
    case PI_F32: memcpy(y, p + 4 * begin, (end - begin) * 4); return;
    case PI_F16:
      for (size_t i = begin; i < end; i++) y[i - begin] = pi_f16_at(p + 2 * i);
      return;
    case PI_BF16:
      for (size_t i = begin; i < end; i++) y[i - begin] = pi_from_bf16(pi_load_u16(p + 2 * i));
      return;
    default: break;
  }
  // Codes less their offset are exact in a float, so that one rounding remains where the format defines one.
  const float offset = base == PI_Q4_0 ? 8 : base == PI_Q5_0 ? 16 : base == PI_Q8_0 ? 128 : base == PI_Q6_K ? 32 : 0;
  for (size_t b = begin / PI_BLOCK; b < end / PI_BLOCK; b++, y += PI_BLOCK) {
    pi_block block;
    pi_read_block(format, p, b, columns / PI_BLOCK, &block);
    for (size_t j = 0; j < PI_BLOCK; j++) {
      const float code = block.codes[j];
      const float product = block.scale[j / 16] * (code - offset);
      y[j] = offset != 0 ? product : product + block.bias[j / 16];
    }
  }
}

void pi_dequantize(uint32_t format, const void *source, size_t count, float *y) {
  pi_dequantize_part(format, source, count, 0, count, y);
}

PI_INLINE void copy_parts(uint32_t from, uint32_t to, const uint8_t *source, size_t blocks, uint8_t *target) {
  const uint32_t base = pi_base(from);
  const pi_parts a = pi_parts_of(from, blocks), z = pi_parts_of(to, blocks);
  const bool has_minimum = base == PI_Q4_1 || base == PI_Q5_1, has_fifth = base == PI_Q5_0 || base == PI_Q5_1;
  for (size_t b = 0; b < blocks; b++) {
    memcpy(target + b * z.scale_step, source + b * a.scale_step, 2);
    if (has_minimum) memcpy(target + z.minimum + b * z.scale_step, source + a.minimum + b * a.scale_step, 2);
    if (has_fifth) memcpy(target + z.fifth + b * z.fifth_step, source + a.fifth + b * a.fifth_step, 4);
    memcpy(target + z.codes + b * z.code_step, source + a.codes + b * a.code_step, base == PI_Q8_0 ? 32 : 16);
  }
}

#define PI_COPIES(one) one(Q4_0) one(Q4_1) one(Q5_0) one(Q5_1) one(Q8_0)

void pi_make_planar(uint32_t format, const void *blocks, size_t columns, void *row) {
  switch (format) {
#define PI_CASE(name) \
  case PI_##name: copy_parts(PI_##name, PI_##name##P, blocks, columns / PI_BLOCK, row); return;
    PI_COPIES(PI_CASE)
#undef PI_CASE
    default: return;
  }
}

void pi_make_blocks(uint32_t format, const void *row, size_t columns, void *blocks) {
  switch (format) {
#define PI_CASE(name) \
  case PI_##name: copy_parts(PI_##name##P, PI_##name, row, columns / PI_BLOCK, blocks); return;
    PI_COPIES(PI_CASE)
#undef PI_CASE
    default: return;
  }
}

static void put_u16(uint8_t *p, uint16_t v) { memcpy(p, &v, 2); }

// Truncates toward zero and keeps within 0...limit; NaN becomes 0.
static uint8_t code_of(float v, int limit) {
  if (!(v > 0)) return 0;
  return v >= (float)limit ? (uint8_t)limit : (uint8_t)v;
}

// The signed element of largest magnitude, and the smallest and largest element, of a block.
typedef struct {
  float peak, least, most;
} extent;

static extent measure(const float *x) {
  extent e = {0, x[0], x[0]};
  for (size_t j = 0; j < PI_BLOCK; j++) {
    if (fabsf(x[j]) > fabsf(e.peak)) e.peak = x[j];
    if (x[j] < e.least) e.least = x[j];
    if (x[j] > e.most) e.most = x[j];
  }
  return e;
}

uint8_t *pi_write_codes(const uint8_t *codes, int bits, uint8_t *p) {
  if (bits == 5) {
    uint32_t fifth = 0;
    for (size_t j = 0; j < PI_BLOCK; j++) fifth |= (uint32_t)(codes[j] >> 4) << j;
    memcpy(p, &fifth, 4);
    p += 4;
  }
  for (size_t j = 0; j < 16; j++) p[j] = (codes[j] & 15) | (uint8_t)((codes[j + 16] & 15) << 4);
  return p + 16;
}

// The encoders below round every product and every sum to single precision by itself, each in a statement of its own so that
// no compiler fuses them: that gives the bytes of llama.cpp's reference encoders as they are built for x86-64 without FMA.
// Where the two roundings differ from a fused one, an element halfway between two codes gets the other one.

// Symmetric: x = scale * (code - 2^(bits-1)).
static uint8_t *write_symmetric(const float *x, int bits, uint8_t *p) {
  uint8_t codes[PI_BLOCK];
  const int offset = 1 << (bits - 1);
  const float scale = measure(x).peak / -(float)offset;
  const float inverse = scale != 0 ? 1 / scale : 0;
  put_u16(p, pi_to_f16(scale));
  for (size_t j = 0; j < PI_BLOCK; j++) {
    const float product = x[j] * inverse;
    const float rounded = product + ((float)offset + 0.5f);
    codes[j] = code_of(rounded, 2 * offset - 1);
  }
  return pi_write_codes(codes, bits, p + 2);
}

// Affine: x = scale * code + minimum.
static uint8_t *write_affine(const float *x, int bits, uint8_t *p) {
  uint8_t codes[PI_BLOCK];
  const int limit = (1 << bits) - 1;
  const extent e = measure(x);
  const float scale = (e.most - e.least) / (float)limit;
  const float inverse = scale != 0 ? 1 / scale : 0;
  put_u16(p, pi_to_f16(scale));
  put_u16(p + 2, pi_to_f16(e.least));
  for (size_t j = 0; j < PI_BLOCK; j++) {
    const float product = (x[j] - e.least) * inverse;
    const float rounded = product + 0.5f;
    codes[j] = code_of(rounded, limit);
  }
  return pi_write_codes(codes, bits, p + 4);
}

static uint8_t *write_q8_0(const float *x, uint8_t *p) {
  const float scale = fabsf(measure(x).peak) / 127;
  const float inverse = scale != 0 ? 1 / scale : 0;
  put_u16(p, pi_to_f16(scale));
  for (size_t j = 0; j < PI_BLOCK; j++) {
    const float product = x[j] * inverse;
    const float v = roundf(product);
    const int8_t code = !(v == v) ? 0 : v > 127 ? 127 : v < -127 ? -127 : (int8_t)v;
    p[2 + j] = (uint8_t)code;
  }
  return p + PI_Q8_0_BYTES;
}

void pi_quantize(uint32_t format, const float *x, size_t count, void *target) {
  uint8_t *p = target;
  switch (format) {
    case PI_F32: memcpy(p, x, count * 4); return;
    case PI_F16:
      for (size_t i = 0; i < count; i++) put_u16(p + 2 * i, pi_to_f16(x[i]));
      return;
    case PI_BF16:
      for (size_t i = 0; i < count; i++) put_u16(p + 2 * i, pi_to_bf16(x[i]));
      return;
    case PI_Q4_K: case PI_Q5_K: case PI_Q6_K:
      for (size_t b = 0; b < count / PI_SUPER; b++) {
        pi_quantize_super_block(format, x + b * PI_SUPER, NULL, p + b * pi_block_bytes(format));
      }
      return;
    default: break;
  }
  for (size_t b = 0; b < count / PI_BLOCK; b++, x += PI_BLOCK) {
    switch (format) {
      case PI_Q4_0: p = write_symmetric(x, 4, p); break;
      case PI_Q5_0: p = write_symmetric(x, 5, p); break;
      case PI_Q4_1: p = write_affine(x, 4, p); break;
      case PI_Q5_1: p = write_affine(x, 5, p); break;
      case PI_Q8_0: p = write_q8_0(x, p); break;
      default: return;
    }
  }
}

void pi_prefetch_listed(const pi_matrix *w, const uint32_t *list, size_t count) {
  const size_t bytes = w->columns / pi_block_elements(w->format) * pi_block_bytes(w->format);
  for (size_t i = 0; i < count; i++) {
    const uint8_t *row = (const uint8_t *)w->data + list[i] * w->row_bytes;
    for (size_t at = 0; at < bytes; at += 64) __builtin_prefetch(row + at, 0, 2);
    // A row may begin anywhere in its first line.
    __builtin_prefetch(row + bytes - 1, 0, 2);
  }
}
