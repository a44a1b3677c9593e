// Products with the leading bits of rows and stripes, in plain C: the reference of leading_rows.h. A block's codes lie in their natural order.

#include "leading/split.h"

static void portable_arrange_leading(const int8_t *codes, size_t columns, int8_t *target) {
  memcpy(target, codes, columns);
  memset(target + columns, 0, (columns + 255) / 256 * 256 - columns);
}

// Scales and biases of both halves of block `b`, which the head of a leading row has.
PI_INLINE void read_leading_scales(uint32_t format, const uint8_t *row, size_t b, size_t blocks, float *scale, float *bias) {
  bias[0] = bias[1] = 0;
  switch (pi_head_kind(format)) {
    case PI_Q4_0: scale[0] = pi_f16_at(row + 2 * b); break;
    case PI_Q4_1:
      scale[0] = pi_f16_at(row + 2 * b);
      bias[0] = bias[1] = pi_f16_at(row + 2 * (blocks + b));
      break;
    case PI_Q4_K: {
      uint8_t code, minimum;
      const uint8_t *p = row + b / 8 * 16;
      pi_k_scale(p + 4, b % 8, &code, &minimum);
      scale[0] = pi_f16_at(p) * code;
      bias[0] = bias[1] = -(pi_f16_at(p + 2) * minimum);
      break;
    }
    default: {
      const uint8_t *p = row + b / 8 * 18;
      scale[0] = pi_f16_at(p + 16) * (int8_t)p[b % 8 * 2];
      scale[1] = pi_f16_at(p + 16) * (int8_t)p[b % 8 * 2 + 1];
      return;
    }
  }
  scale[1] = scale[0];
}

// Block `b` of one row of a stripe, as a row of one block has it.
PI_INLINE void read_striped_block(uint32_t kind, const uint8_t *stripe, size_t lane, size_t b, size_t blocks, uint8_t *row) {
  const size_t head = pi_head_bytes(kind, 1), codes = pi_head_bytes(kind, blocks) + 8 * b;
  for (size_t at = 0; at < head; at += 2) memcpy(row + at, stripe + PI_STRIPE * (at * blocks + 2 * b) + 2 * lane, 2);
  for (size_t at = 0; at < 8; at += 4) memcpy(row + head + at, stripe + PI_STRIPE * (codes + at) + 4 * lane, 4);
}

static void portable_multiply_leading(const pi_split_matrix *w, size_t row_begin, size_t row_end, const pi_leading_input *x,
                                      float *z, float *deviation) {
  const size_t blocks = w->columns / PI_BLOCK, bytes = pi_leading_bytes(w->format, w->columns);
  const uint32_t format = pi_base(w->format), kind = pi_head_kind(format);
  const size_t stride = x->block_stride;
  const pi_leading_scale of = pi_leading_scale_of(format);
  for (size_t r = row_begin; r < row_end; r++) {
    float sum = 0, squares = 0;
    for (size_t b = 0; b < blocks; b++) {
      uint8_t one[12];
      const uint8_t *row = w->leading + r * bytes, *codes = row + pi_head_bytes(kind, blocks) + 8 * b;
      float scale[2], bias[2];
      if (pi_is_striped(w->format)) {
        read_striped_block(kind, w->leading + r / PI_STRIPE * PI_STRIPE * bytes, r % PI_STRIPE, b, blocks, one);
        codes = one + pi_head_bytes(kind, 1);
        read_leading_scales(format, one, 0, 1, scale, bias);
      } else {
        read_leading_scales(format, row, b, blocks, scale, bias);
      }
      for (size_t half = 0; half < 2; half++) {
        int32_t dot = 0;
        for (size_t j = 16 * half; j < 16 * half + 16; j++) {
          dot += (codes[j % 8] >> j / 8 * 2 & 3) * x->codes[b * PI_BLOCK + j];
        }
        sum += of.step * scale[half] * (x->scales[b] * (float)dot);
        sum += (of.middle * scale[half] + bias[half]) * x->sums[(1 + half) * stride + b];
        squares += scale[half] * scale[half] * x->energies[(1 + half) * stride + b];
      }
    }
    z[r - row_begin] = sum;
    deviation[r - row_begin] = sqrtf(of.variance * squares);
  }
}

#include "leading/join.h"
