// The reference set: plain C, any processor. Codes of a token lie in their natural order.
#include "blocks/blocks.h"

#include <math.h>

#define PI_LANES 4
#define PI_NAME(x) portable_##x

typedef float vector4 __attribute__((vector_size(16)));

PI_INLINE vector4 load_f16(const uint16_t *p) {
  return (vector4){pi_from_f16(p[0]), pi_from_f16(p[1]), pi_from_f16(p[2]), pi_from_f16(p[3])};
}

PI_INLINE void store_f16(uint16_t *p, vector4 v) {
  for (size_t i = 0; i < 4; i++) p[i] = pi_to_f16(v[i]);
}

PI_INLINE float sum_lanes(vector4 v) { return (v[0] + v[1]) + (v[2] + v[3]); }

#include "shared/plain.h"

#include "shared/gram.h"

#include "shared/stream.h"

enum { PRODUCT_ROWS = 4, PRODUCT_VECTORS = 2 };

#include "shared/float_products.h"

#include "shared/training.h"

#include "shared/select.h"

PI_INLINE float half_at(const uint8_t *p) { return pi_f16_at(p); }

enum { TILE_QUERIES = 6, TILE_VECTORS = 4, KEY_OFFSET = 0 };

typedef struct {
  int8_t codes[16];
} key_codes;

PI_INLINE key_codes read_key_codes(const uint8_t *p) {
  key_codes keys;
  memcpy(&keys, p, sizeof keys);
  return keys;
}

PI_INLINE vi dot_codes(vi sum, key_codes keys, int32_t query) {
  int8_t codes[4];
  memcpy(codes, &query, 4);
  for (size_t j = 0; j < 16; j++) sum[j / 4] += keys.codes[j] * codes[j % 4];
  return sum;
}

#include "attention/cache.h"

#include "attention/attention.h"

#include "shared/natural.h"

static float weight_at(uint32_t format, const uint8_t *row, size_t c) {
  switch (format) {
    case PI_F32: return pi_float_from_bits(pi_load_u32(row + 4 * c));
    case PI_F16: return pi_f16_at(row + 2 * c);
    default: return pi_from_bf16(pi_load_u16(row + 2 * c));
  }
}

static float dot_floats(uint32_t format, const uint8_t *row, const float *x, size_t columns) {
  float sum[8] = {0};
  for (size_t c = 0; c < columns; c++) sum[c % 8] += weight_at(format, row, c) * x[c];
  return ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
}

// One row with some tokens: y[t * stride]. Never a part of its callers, so that both round alike.
static __attribute__((noinline)) void multiply_row(const pi_matrix *w, size_t r, const pi_activations *x,
                                                   size_t token_begin, size_t token_end, float *y, size_t stride) {
  const uint8_t *row = (const uint8_t *)w->data + r * w->row_bytes;
  if (pi_is_float(w->format)) {
    for (size_t t = token_begin; t < token_end; t++) {
      y[t * stride] = dot_floats(w->format, row, x->values + t * x->columns, w->columns);
    }
    return;
  }
  for (size_t t = token_begin; t < token_end; t++) y[t * stride] = 0;
  for (size_t b = 0; b < w->columns / PI_BLOCK; b++) {
    pi_block block;
    pi_read_block(w->format, row, b, w->columns / PI_BLOCK, &block);
    for (size_t t = token_begin; t < token_end; t++) {
      const int8_t *codes = x->codes + t * x->code_stride + b * PI_BLOCK;
      const float *sums = x->sums + t * 3 * x->block_stride + b;
      const float scale = x->scales[t * x->block_stride + b];
      int32_t dot[2] = {0, 0};
      for (size_t j = 0; j < 16; j++) dot[0] += block.codes[j] * codes[j];
      for (size_t j = 16; j < 32; j++) dot[1] += block.codes[j] * codes[j];
      y[t * stride] += (float)dot[0] * (block.scale[0] * scale) + (float)dot[1] * (block.scale[1] * scale) +
                       (block.bias[0] * sums[x->block_stride] + block.bias[1] * sums[2 * x->block_stride]);
    }
  }
}

static void portable_multiply(const pi_matrix *w, size_t row_begin, size_t row_end, const pi_activations *x,
                              size_t token_begin, size_t token_end, float *y, size_t stride) {
  for (size_t r = row_begin; r < row_end; r++) multiply_row(w, r, x, token_begin, token_end, y + r, stride);
}

static void portable_multiply_listed(const pi_matrix *w, const uint32_t *list, size_t count, const pi_activations *x,
                                     size_t token_begin, size_t token_end, float *y, size_t stride) {
  for (size_t i = 0; i < count; i++) multiply_row(w, list[i], x, token_begin, token_end, y + i, stride);
}

static void portable_accumulate_listed(const pi_matrix *w, const uint32_t *list, size_t count, const float *h,
                                       float *y) {
  const size_t elements = pi_block_elements(w->format);
  const size_t step = elements == 1 ? PI_BLOCK : elements;
  for (size_t i = 0; i < count; i++) {
    const uint8_t *row = (const uint8_t *)w->data + list[i] * w->row_bytes;
    for (size_t c = 0; c < w->columns; c += step) {
      float values[PI_SUPER];
      const size_t width = w->columns - c < step ? w->columns - c : step;
      pi_dequantize_part(w->format, row, w->columns, c, c + width, values);
      for (size_t j = 0; j < width; j++) y[c + j] += h[i] * values[j];
    }
  }
}

static void portable_accumulate_rows(const pi_matrix *w, size_t rows, const float *h, size_t h_stride,
                                     size_t token_begin, size_t token_end, size_t column_begin, size_t column_end,
                                     float *y, size_t stride) {
  const size_t elements = pi_block_elements(w->format);
  const size_t step = elements == 1 ? PI_BLOCK : elements;
  for (size_t r = 0; r < rows; r++) {
    bool used = false;
    for (size_t t = token_begin; t < token_end; t++) used |= h[t * h_stride + r] != 0;
    if (!used) continue;
    const uint8_t *row = (const uint8_t *)w->data + r * w->row_bytes;
    for (size_t c = column_begin; c < column_end; c += step) {
      float values[PI_SUPER];
      const size_t count = column_end - c < step ? column_end - c : step;
      pi_dequantize_part(w->format, row, w->columns, c, c + count, values);
      for (size_t t = token_begin; t < token_end; t++) {
        const float factor = h[t * h_stride + r];
        if (factor == 0) continue;
        for (size_t j = 0; j < count; j++) y[t * stride + c + j] += factor * values[j];
      }
    }
  }
}

#include "leading/leading_portable.h"

#define PI_HAS_STRIPES 0
#include "dispatch/table.h"

static const pi_kernels table = PI_TABLE(0, 0, 0, portable_multiply);

const pi_kernels *pi_kernels_portable(void) { return &table; }
