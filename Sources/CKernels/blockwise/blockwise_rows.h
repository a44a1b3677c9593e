// Products with few tokens: a row is decoded for each small group of tokens anew. For every (row, token) the blocks go
// in ascending order into one vector, the biases into another, then one fixed tree over the lanes.

// The scales of a stretch of a row times those of one token, and the vector of its biases.
PI_INLINE vf token_scales(uint32_t format, const scales *s, size_t blocks, const float *factors, const float *sums,
                          size_t stride, scales *product) {
  vf bias = {0};
  for (size_t b = 0; b < blocks; b += PI_LANES) {
    const vf factor = load(factors + b), scale = load(s->scale + b);
    store(product->scale + b, scale * factor);
    if (format == PI_Q6_K) {
      const vf more = load(s->more + b);
      store(product->more + b, more * factor);
      bias += scale * load(sums + stride + b);
      bias += more * load(sums + 2 * stride + b);
    } else if (!is_q8_0(format)) {
      bias += (has_minima(format) ? load(s->more + b) : scale) * load(sums + b);
    }
  }
  return has_minima(format) ? bias : bias * -offset_of(format);
}

// Entry `n` of the source, `tokens` (a constant) tokens. Rows are taken in stretches, so that the scales fit their scratch.
PI_INLINE void row_by_tokens(uint32_t format, const row_source *source, size_t n, const pi_activations *x, size_t token,
                             size_t tokens, vf *sum) {
  const size_t all = x->columns / PI_BLOCK, stride = x->block_stride, code_stride = x->code_stride;
  const size_t bytes = pi_block_bytes(format) * PI_BLOCK * 8 / pi_block_elements(format);  // of eight blocks
  const uint8_t *row = row_at(source, n), *ahead = ahead_of(source, n);
  // The processor keeps up with a row that several tokens share, if it can foresee it.
  const bool asks = source->list || (tokens == 1 && asks_ahead(source));
  PI_UNROLL
  for (size_t t = 0; t < tokens; t++) sum[t] = (vf){0};
  for (size_t begin = 0; begin < all; begin += CHUNK_BLOCKS) {
    const size_t blocks = all - begin < CHUNK_BLOCKS ? all - begin : CHUNK_BLOCKS;
    scales s, product[4];
    vf bias[4];
    read_scales(format, row, begin, blocks, all, s.scale, s.more);
    PI_UNROLL
    for (size_t t = 0; t < tokens; t++) {
      bias[t] = token_scales(format, &s, blocks, x->scales + (token + t) * stride + begin,
                             x->sums + (token + t) * 3 * stride + begin, stride, &product[t]);
    }
    const int8_t *codes = x->codes + token * code_stride + begin * PI_BLOCK;
    size_t at = begin / 8 * bytes, b = 0;  // bytes that were asked for
    for (; b + 8 <= blocks; b += 8, at += bytes) {
      if (asks) prefetch(ahead + at, bytes);
      PI_UNROLL
      for (size_t i = 0; i < 8; i++) {
        const block_codes w = read_codes(format, row, begin + b + i, all);
        PI_UNROLL
        for (size_t t = 0; t < tokens; t++) {
          sum[t] = add_block(format, w, codes + t * code_stride + (b + i) * PI_BLOCK, product[t].scale + b + i,
                             product[t].more + b + i, sum[t]);
        }
      }
    }
    if (asks) prefetch_row(ahead + at, (blocks - b) * bytes / 8);
    for (size_t i = 0; b + i < blocks; i++) {
      const block_codes w = read_codes(format, row, begin + b + i, all);
      PI_UNROLL
      for (size_t t = 0; t < tokens; t++) {
        sum[t] = add_block(format, w, codes + t * code_stride + (b + i) * PI_BLOCK, product[t].scale + b + i,
                           product[t].more + b + i, sum[t]);
      }
    }
    PI_UNROLL
    for (size_t t = 0; t < tokens; t++) sum[t] += bias[t];
  }
}

PI_INLINE vf last_weights(uint32_t format, const uint8_t *row, size_t c, size_t count) {
  uint8_t part[PI_LANES * 4] = {0};
  const size_t bytes = pi_block_bytes(format);
  memcpy(part, row + c * bytes, count * bytes);
  return float_weights(format, part, 0);
}

// A tile of rows of floats by tokens (constants): sum[r * tokens + t].
PI_INLINE void float_tile(uint32_t format, const row_source *s, size_t n, size_t rows, const float *x, size_t columns,
                          size_t tokens, vf *sum) {
  const uint8_t *row[4];
  PI_UNROLL
  for (size_t r = 0; r < rows; r++) {
    row[r] = row_at(s, n + r);
    if (s->list) prefetch_row(ahead_of(s, n + r), s->width);
  }
  PI_UNROLL
  for (size_t i = 0; i < rows * tokens; i++) sum[i] = (vf){0};
  size_t c = 0;
  for (; c + PI_LANES <= columns; c += PI_LANES) {
    vf w[4];
    PI_UNROLL
    for (size_t r = 0; r < rows; r++) w[r] = float_weights(format, row[r], c);
    PI_UNROLL
    for (size_t t = 0; t < tokens; t++) {
      const vf v = load(x + t * columns + c);
      PI_UNROLL
      for (size_t r = 0; r < rows; r++) sum[r * tokens + t] += w[r] * v;
    }
  }
  if (c == columns) return;
  PI_UNROLL
  for (size_t r = 0; r < rows; r++) {
    const vf w = last_weights(format, row[r], c, columns - c);
    PI_UNROLL
    for (size_t t = 0; t < tokens; t++) sum[r * tokens + t] += w * load_part(x + t * columns + c, columns - c, 0);
  }
}

PI_INLINE void store_four(const vf *sum, float *y, size_t stride) {
  float four[4];
  sum4(sum[0], sum[1], sum[2], sum[3], four);
  for (size_t i = 0; i < 4; i++) y[i * stride] = four[i];
}

// Entries from `begin` to `end` of the source; y[t * stride + n].
PI_INLINE void multiply_floats(uint32_t format, const row_source *s, size_t begin, size_t end, const pi_activations *x,
                               size_t token, size_t token_end, float *y, size_t stride) {
  enum { TILE_ROWS = 3 };  // with four tokens, 12 sums: the most that sixteen registers hold beside what is loaded
  const size_t columns = x->columns;
  for (; token_end - token >= 4; token += 4) {
    size_t n = begin;
    for (; end - n >= TILE_ROWS; n += TILE_ROWS) {
      vf sum[TILE_ROWS * 4];
      float_tile(format, s, n, TILE_ROWS, x->values + token * columns, columns, 4, sum);
      for (size_t i = 0; i < TILE_ROWS; i++) store_four(sum + 4 * i, y + token * stride + n + i, stride);
    }
    for (; n < end; n++) {
      vf sum[4];
      float_tile(format, s, n, 1, x->values + token * columns, columns, 4, sum);
      store_four(sum, y + token * stride + n, stride);
    }
  }
  for (; token < token_end; token++) {
    size_t n = begin;
    for (; end - n >= 4; n += 4) {
      vf sum[4];
      float_tile(format, s, n, 4, x->values + token * columns, columns, 1, sum);
      store_four(sum, y + token * stride + n, 1);
    }
    for (; n < end; n++) {
      vf sum;
      float_tile(format, s, n, 1, x->values + token * columns, columns, 1, &sum);
      y[token * stride + n] = sum1(sum);
    }
  }
}

// `tokens` (a constant, at most four) tokens with entries from `begin` to `end` of the source; y[t * stride + n].
PI_INLINE void rows_by_tokens(uint32_t format, const row_source *s, size_t begin, size_t end, const pi_activations *x,
                              size_t token, size_t tokens, float *y, size_t stride) {
  for (size_t n = begin; n < end; n++) {
    vf sum[4];
    row_by_tokens(format, s, n, x, token, tokens, sum);
    if (tokens == 4) {
      store_four(sum, y + token * stride + n, stride);
    } else {
      PI_UNROLL
      for (size_t t = 0; t < tokens; t++) y[(token + t) * stride + n] = sum1(sum[t]);
    }
  }
}

PI_INLINE void multiply_rows(uint32_t format, const row_source *s, size_t begin, size_t end, const pi_activations *x,
                             size_t token, size_t token_end, float *y, size_t stride) {
  for (; token_end - token >= 4; token += 4) rows_by_tokens(format, s, begin, end, x, token, 4, y, stride);
  switch (token_end - token) {
    case 3: rows_by_tokens(format, s, begin, end, x, token, 3, y, stride); return;
    case 2: rows_by_tokens(format, s, begin, end, x, token, 2, y, stride); return;
    case 1: rows_by_tokens(format, s, begin, end, x, token, 1, y, stride); return;
    default: return;
  }
}
