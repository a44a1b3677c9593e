// Products with few tokens: a row is decoded for each small group of tokens anew. For every (row, token) the blocks go
// in ascending order into one vector, the biases into another, then one fixed tree over the lanes.
// Beside what blockwise.h asks for, the including file defines
//   code_pair                                 the codes of two blocks that follow one another, in registers
//   read_pair(format, row, b, all)            those of blocks b and b + 1, with b even
//   pair_activations                          a token's codes for such a pair
//   read_activations(format, a)               those at `a`
//   add_pair(format, w, x, scale, more, sum)  sum + the products of a pair, under the two scales at `scale` (and `more` in Q6_K)

// Of eight blocks, or as many as the row still has; the others' are zero.
typedef struct {
  float scale[EIGHT] __attribute__((aligned(32)));
  float more[EIGHT] __attribute__((aligned(32)));
} eight_scales;

// The scales of eight blocks times those of one token; their biases are added to a vector.
PI_INLINE void token_scales(uint32_t format, const eight_scales *s, const float *factors, const float *sums, size_t stride,
                            eight_scales *product, vf *bias) {
  PI_UNROLL
  for (size_t i = 0; i < EIGHT; i += PI_LANES) {
    const vf factor = load(factors + i), scale = load(s->scale + i);
    store(product->scale + i, scale * factor);
    if (format == PI_Q6_K) {
      const vf more = load(s->more + i);
      store(product->more + i, more * factor);
      *bias += scale * load(sums + stride + i);
      *bias += more * load(sums + 2 * stride + i);
    } else if (!is_q8_0(format)) {
      *bias += (has_minima(format) ? load(s->more + i) : scale) * load(sums + i);
    }
  }
}

// `rows` rows by `tokens` tokens, at most four products in all, both constants: sum[r * tokens + t].
typedef struct {
  const uint8_t *row[4];
  const uint8_t *ahead[4];  // what to ask for while a row is read, byte for byte; NULL for nothing
  const int8_t *codes;      // of the first token
  const float *scales;
  const float *sums;
  size_t code_stride, block_stride;
  size_t all;  // blocks of a row
} row_tile;

// The blocks from `b` on, eight or the `count` that are left.
PI_INLINE void add_eight(uint32_t format, const row_tile *tile, size_t b, size_t count, size_t rows, size_t tokens, vf *sum,
                         vf *bias) {
  eight_scales product[4];
  PI_UNROLL
  for (size_t r = 0; r < rows; r++) {
    eight_scales s;
    read_scales(format, tile->row[r], b, count, tile->all, s.scale, s.more);
    PI_UNROLL
    for (size_t t = 0; t < tokens; t++) {
      const size_t i = r * tokens + t;
      token_scales(format, &s, tile->scales + t * tile->block_stride + b, tile->sums + t * 3 * tile->block_stride + b,
                   tile->block_stride, &product[i], &bias[i]);
    }
  }
#define PI_PAIR(i)                                                                                                        \
  do {                                                                                                                    \
    if (rows == 1) {                                                                                                      \
      const code_pair w = read_pair(format, tile->row[0], b + (i), tile->all);                                            \
      PI_UNROLL                                                                                                           \
      for (size_t t = 0; t < tokens; t++) {                                                                               \
        const pair_activations x = read_activations(format, tile->codes + t * tile->code_stride + (b + (i)) * PI_BLOCK);  \
        sum[t] = add_pair(format, w, x, product[t].scale + (i), product[t].more + (i), sum[t]);                           \
      }                                                                                                                   \
    } else {                                                                                                              \
      const pair_activations x = read_activations(format, tile->codes + (b + (i)) * PI_BLOCK);                            \
      PI_UNROLL                                                                                                           \
      for (size_t r = 0; r < rows; r++) {                                                                                 \
        const code_pair w = read_pair(format, tile->row[r], b + (i), tile->all);                                          \
        sum[r] = add_pair(format, w, x, product[r].scale + (i), product[r].more + (i), sum[r]);                           \
      }                                                                                                                   \
    }                                                                                                                     \
  } while (0)
  // Only in super-blocks does a pair's place decide how it is read.
  if (pi_block_elements(format) == PI_SUPER) {
    PI_UNROLL
    for (size_t i = 0; i < EIGHT; i += 2) PI_PAIR(i);
    return;
  }
  size_t i = 0;
  for (; i + 2 <= count; i += 2) PI_PAIR(i);
#undef PI_PAIR
  if (i == count) return;
  PI_UNROLL
  for (size_t r = 0; r < rows; r++) {
    const block_codes w = read_codes(format, tile->row[r], b + i, tile->all);
    PI_UNROLL
    for (size_t t = 0; t < tokens; t++) {
      const size_t at = r * tokens + t;
      sum[at] = add_block(format, w, tile->codes + t * tile->code_stride + (b + i) * PI_BLOCK, product[at].scale + i,
                          product[at].more + i, sum[at]);
    }
  }
}

// Entries of the source from `n` on.
PI_INLINE void rows_by_tokens(uint32_t format, const row_source *source, size_t n, size_t rows, const pi_activations *x,
                              size_t token, size_t tokens, vf *sum) {
  const size_t bytes = pi_block_bytes(format) * PI_BLOCK * EIGHT / pi_block_elements(format);  // of eight blocks
  row_tile tile = {
      .codes = x->codes + token * x->code_stride,
      .scales = x->scales + token * x->block_stride,
      .sums = x->sums + token * 3 * x->block_stride,
      .code_stride = x->code_stride,
      .block_stride = x->block_stride,
      .all = x->columns / PI_BLOCK,
  };
  // The processor keeps up with a row that several tokens share, if it can foresee it.
  const asking asks = source->list || tokens == 1 ? source->asks : ASKS_NEVER;
  vf bias[4];
  PI_UNROLL
  for (size_t r = 0; r < rows; r++) {
    tile.row[r] = row_at(source, n + r);
    tile.ahead[r] = ahead_of(source, n + r);
  }
  PI_UNROLL
  for (size_t i = 0; i < rows * tokens; i++) sum[i] = bias[i] = (vf){0};
  size_t b = 0, at = 0;  // bytes that were asked for
  for (; b + EIGHT <= tile.all; b += EIGHT, at += bytes) {
    PI_UNROLL
    for (size_t r = 0; r < rows; r++) prefetch_as(asks, tile.ahead[r] + at, bytes);
    add_eight(format, &tile, b, EIGHT, rows, tokens, sum, bias);
  }
  PI_UNROLL
  for (size_t r = 0; r < rows; r++) {
    const size_t rest = (tile.all - b) * bytes / EIGHT;
    prefetch_as(asks, tile.ahead[r] + at, rest);
    prefetch_as(asks, tile.ahead[r] + at + rest - 1, 1);
  }
  if (b < tile.all) add_eight(format, &tile, b, tile.all - b, rows, tokens, sum, bias);
  PI_UNROLL
  for (size_t i = 0; i < rows * tokens; i++) sum[i] += has_minima(format) ? bias[i] : bias[i] * -offset_of(format);
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
PI_INLINE void multiply_few(uint32_t format, const row_source *s, size_t begin, size_t end, const pi_activations *x,
                            size_t token, size_t tokens, float *y, size_t stride) {
  size_t n = begin;
  vf sum[4];
  if (tokens == 1 && s->by_tile) {
    for (; end - n >= 4; n += 4) {
      rows_by_tokens(format, s, n, 4, x, token, 1, sum);
      store_four(sum, y + token * stride + n, 1);
    }
  }
  for (; n < end; n++) {
    rows_by_tokens(format, s, n, 1, x, token, tokens, sum);
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
  for (; token_end - token >= 4; token += 4) multiply_few(format, s, begin, end, x, token, 4, y, stride);
  switch (token_end - token) {
    case 3: multiply_few(format, s, begin, end, x, token, 3, y, stride); return;
    case 2: multiply_few(format, s, begin, end, x, token, 2, y, stride); return;
    case 1: multiply_few(format, s, begin, end, x, token, 1, y, stride); return;
    default: return;
  }
}
