// Products and sums of rows one block of 32 at a time, with codes in their natural order; shared by AVX2 and NEON. Beside
// what plain.h asks for, the including file defines
//   block_codes                      32 codes in registers
//   read_codes(format, row, b)       block b's codes: unsigned, but signed for Q8_0
//   add_block(format, w, a, s, m, v) v + the products with the token's codes at `a`, under scales s (and m in Q6_K)
//   code_floats(format, w, i)        codes i * PI_LANES ... as floats
//   half_at(p)                       the f16 at p
// For every (row, token) the blocks go in ascending order into one vector, the biases into another.

enum { CHUNK_BLOCKS = 256 };

typedef uint16_t vh __attribute__((vector_size(PI_LANES * 2)));
typedef uint32_t vu __attribute__((vector_size(PI_LANES * 4)));

// Scales of a stretch of blocks, zero past its end up to a whole vector. `more` are the minima (as a bias to add), or the scales of the second halves in Q6_K.
typedef struct {
  float scale[CHUNK_BLOCKS];
  float more[CHUNK_BLOCKS];
} scales;

PI_INLINE float offset_of(uint32_t format) {
  return format == PI_Q4_0 ? 8 : format == PI_Q5_0 ? 16 : format == PI_Q6_K ? 32 : 0;
}

PI_INLINE bool has_minima(uint32_t format) {
  return format == PI_Q4_1 || format == PI_Q5_1 || format == PI_Q4_K || format == PI_Q5_K;
}

PI_INLINE void read_scales(uint32_t format, const uint8_t *row, size_t begin, size_t blocks, scales *out) {
  const size_t bytes = pi_block_bytes(format);
  for (size_t i = blocks; i % PI_LANES != 0; i++) out->scale[i] = out->more[i] = 0;
  if (pi_block_elements(format) == PI_SUPER) {
    for (size_t i = 0; i < blocks; i += 8) {
      const uint8_t *p = row + (begin + i) / 8 * bytes;
      if (format == PI_Q6_K) {
        const float d = half_at(p + 208);
        for (size_t j = 0; j < 8; j++) {
          out->scale[i + j] = d * (int8_t)p[192 + 2 * j];
          out->more[i + j] = d * (int8_t)p[193 + 2 * j];
        }
      } else {
        uint64_t s, m;
        pi_k_scales(p + 4, &s, &m);
        const float d = half_at(p), least = -half_at(p + 2);
        for (size_t j = 0; j < 8; j++) {
          out->scale[i + j] = d * (uint8_t)(s >> (8 * j));
          out->more[i + j] = least * (uint8_t)(m >> (8 * j));
        }
      }
    }
    return;
  }
  for (size_t i = 0; i < blocks; i++) {
    const uint8_t *p = row + (begin + i) * bytes;
    out->scale[i] = half_at(p);
    if (has_minima(format)) out->more[i] = half_at(p + 2);
  }
}

// One row, `tokens` (a constant) tokens. Rows are taken in stretches, so that the scales fit their scratch.
PI_INLINE void row_by_tokens(uint32_t format, const uint8_t *row, const pi_activations *x, size_t token, size_t tokens,
                             vf *sum) {
  const size_t all = x->columns / PI_BLOCK, stride = x->block_stride, code_stride = x->code_stride;
  PI_UNROLL
  for (size_t t = 0; t < tokens; t++) sum[t] = (vf){0};
  for (size_t begin = 0; begin < all; begin += CHUNK_BLOCKS) {
    const size_t blocks = all - begin < CHUNK_BLOCKS ? all - begin : CHUNK_BLOCKS;
    scales s;
    read_scales(format, row, begin, blocks, &s);
    const int8_t *codes = x->codes + token * code_stride + begin * PI_BLOCK;
    const float *factors = x->scales + token * stride + begin;
    for (size_t b = 0; b < blocks; b++) {
      const block_codes w = read_codes(format, row, begin + b);
      PI_UNROLL
      for (size_t t = 0; t < tokens; t++) {
        const float factor = factors[t * stride + b];
        const float more = format == PI_Q6_K ? s.more[b] * factor : 0;
        sum[t] = add_block(format, w, codes + t * code_stride + b * PI_BLOCK, s.scale[b] * factor, more, sum[t]);
      }
    }
    if (format == PI_Q8_0) continue;
    for (size_t t = 0; t < tokens; t++) {
      const float *p = x->sums + (token + t) * 3 * stride + begin;
      vf bias = {0};
      for (size_t b = 0; b < blocks; b += PI_LANES) {
        if (format == PI_Q6_K) {
          bias += load(s.scale + b) * load(p + stride + b);
          bias += load(s.more + b) * load(p + 2 * stride + b);
        } else {
          bias += load(has_minima(format) ? s.more + b : s.scale + b) * load(p + b);
        }
      }
      sum[t] += bias * (has_minima(format) ? 1 : -offset_of(format));
    }
  }
}

// PI_LANES weights of a row of floats.
PI_INLINE vf float_weights(uint32_t format, const uint8_t *row, size_t c) {
  if (format == PI_F32) return load((const float *)(const void *)row + c);
  if (format == PI_F16) return load_f16((const uint16_t *)(const void *)row + c);
  vh bits;
  memcpy(&bits, row + 2 * c, sizeof bits);
  return (vf)(__builtin_convertvector(bits, vu) << 16);
}

PI_INLINE vf last_weights(uint32_t format, const uint8_t *row, size_t c, size_t count) {
  uint8_t part[PI_LANES * 4] = {0};
  const size_t bytes = pi_block_bytes(format);
  memcpy(part, row + c * bytes, count * bytes);
  return float_weights(format, part, 0);
}

PI_INLINE void float_row_by_tokens(uint32_t format, const uint8_t *row, const pi_activations *x, size_t token,
                                   size_t tokens, vf *sum) {
  const size_t columns = x->columns;
  const float *values = x->values + token * columns;
  PI_UNROLL
  for (size_t t = 0; t < tokens; t++) sum[t] = (vf){0};
  size_t c = 0;
  for (; c + PI_LANES <= columns; c += PI_LANES) {
    const vf w = float_weights(format, row, c);
    PI_UNROLL
    for (size_t t = 0; t < tokens; t++) sum[t] += w * load(values + t * columns + c);
  }
  if (c < columns) {
    const vf w = last_weights(format, row, c, columns - c);
    for (size_t t = 0; t < tokens; t++) sum[t] += w * load_part(values + t * columns + c, columns - c, 0);
  }
}

PI_INLINE void multiply_format(uint32_t format, const pi_matrix *w, size_t row_begin, size_t row_end,
                               const pi_activations *x, size_t token, size_t token_end, float *y, size_t stride) {
  const uint8_t *data = w->data;
  for (; token_end - token >= 4; token += 4) {
    for (size_t r = row_begin; r < row_end; r++) {
      vf sum[4];
      float four[4];
      if (pi_is_float(format)) {
        float_row_by_tokens(format, data + r * w->row_bytes, x, token, 4, sum);
      } else {
        row_by_tokens(format, data + r * w->row_bytes, x, token, 4, sum);
      }
      sum4(sum[0], sum[1], sum[2], sum[3], four);
      for (size_t i = 0; i < 4; i++) y[(token + i) * stride + r] = four[i];
    }
  }
  for (; token < token_end; token++) {
    for (size_t r = row_begin; r < row_end; r++) {
      vf sum;
      if (pi_is_float(format)) {
        float_row_by_tokens(format, data + r * w->row_bytes, x, token, 1, &sum);
      } else {
        row_by_tokens(format, data + r * w->row_bytes, x, token, 1, &sum);
      }
      y[token * stride + r] = sum1(sum);
    }
  }
}

// 32 floats of block `b`.
PI_INLINE void block_floats(uint32_t format, const uint8_t *row, size_t b, vf *out) {
  enum { VECTORS = PI_BLOCK / PI_LANES };
  if (pi_is_float(format)) {
    for (size_t i = 0; i < VECTORS; i++) out[i] = float_weights(format, row, b * PI_BLOCK + i * PI_LANES);
    return;
  }
  scales s;
  float scale[2], bias[2];
  if (pi_block_elements(format) == PI_SUPER) {
    read_scales(format, row, b / 8 * 8, 8, &s);
    scale[0] = scale[1] = s.scale[b % 8];
    bias[0] = bias[1] = s.more[b % 8];
    if (format == PI_Q6_K) scale[1] = s.more[b % 8];
  } else {
    read_scales(format, row, b, 1, &s);
    scale[0] = scale[1] = s.scale[0];
    bias[0] = bias[1] = has_minima(format) ? s.more[0] : 0;
  }
  if (!has_minima(format)) {
    bias[0] = -offset_of(format) * scale[0];
    bias[1] = -offset_of(format) * scale[1];
  }
  const block_codes w = read_codes(format, row, b);
  PI_UNROLL
  for (size_t i = 0; i < VECTORS; i++) {
    const size_t half = i * 2 / VECTORS;
    out[i] = code_floats(w, format == PI_Q8_0, i) * scale[half] + bias[half];
  }
}

// Rows ascend outside, tokens follow inside: a block becomes floats once for all tokens.
PI_INLINE void accumulate_format(uint32_t format, const pi_matrix *w, size_t rows, const float *h, size_t h_stride,
                                 size_t tokens, size_t begin, size_t end, float *y, size_t stride) {
  enum { VECTORS = PI_BLOCK / PI_LANES };
  for (size_t r = 0; r < rows; r++) {
    bool used = false;
    for (size_t t = 0; t < tokens && !used; t++) used = h[t * h_stride + r] != 0;
    if (!used) continue;
    const uint8_t *row = (const uint8_t *)w->data + r * w->row_bytes;
    for (size_t b = begin; b < end; b++) {
      vf weights[VECTORS];
      block_floats(format, row, b, weights);
      for (size_t t = 0; t < tokens; t++) {
        const float factor = h[t * h_stride + r];
        if (factor == 0) continue;
        float *p = y + t * stride + b * PI_BLOCK;
        PI_UNROLL
        for (size_t i = 0; i < VECTORS; i++) store(p + i * PI_LANES, load(p + i * PI_LANES) + weights[i] * factor);
      }
    }
  }
}

// One copy per format, so that each unrolls with its constants.
#define PI_FORMATS(one) \
  one(F32) one(F16) one(BF16) one(Q4_0) one(Q4_1) one(Q5_0) one(Q5_1) one(Q8_0) one(Q4_K) one(Q5_K) one(Q6_K)

static void PI_NAME(multiply)(const pi_matrix *w, size_t row_begin, size_t row_end, const pi_activations *x,
                              size_t token_begin, size_t token_end, float *y, size_t stride) {
  switch (w->format) {
#define PI_CASE(name) \
  case PI_##name: multiply_format(PI_##name, w, row_begin, row_end, x, token_begin, token_end, y, stride); return;
    PI_FORMATS(PI_CASE)
#undef PI_CASE
    default: return;
  }
}

static void PI_NAME(accumulate_rows)(const pi_matrix *w, size_t rows, const float *h, size_t h_stride,
                                     size_t token_begin, size_t token_end, size_t column_begin, size_t column_end,
                                     float *y, size_t stride) {
  const size_t begin = column_begin / PI_BLOCK, end = column_end / PI_BLOCK, tokens = token_end - token_begin;
  h += token_begin * h_stride;
  y += token_begin * stride;
  switch (w->format) {
#define PI_CASE(name) \
  case PI_##name: accumulate_format(PI_##name, w, rows, h, h_stride, tokens, begin, end, y, stride); return;
    PI_FORMATS(PI_CASE)
#undef PI_CASE
    default: return;
  }
}

static const pi_kernels table = {
    .panel_tokens = SIZE_MAX,
    .multiply = PI_NAME(multiply),
    .accumulate_rows = PI_NAME(accumulate_rows),
    .quantize_activations = PI_NAME(quantize_activations),
    .rms_norm = PI_NAME(rms_norm),
    .add = PI_NAME(add),
    .gate_silu = PI_NAME(gate_silu),
    .gate_relu = PI_NAME(gate_relu),
    .rotate = PI_NAME(rotate),
    .store_f16 = PI_NAME(store_f16),
    .store_key = PI_NAME(store_key),
    .store_value = PI_NAME(store_value),
    .attend = PI_NAME(attend),
    .merge = PI_NAME(merge),
    .softmax = PI_NAME(softmax),
};
