// Sums of rows under coefficients. For every (token, column): y = fma(h, w, y) over ascending rows, with w rounded to a
// float first, however the work is tiled.

enum {
  LIST_ROWS = 512,  // rows whose coefficients are looked through at once, for one token
  BATCH_ROWS = 16,  // rows that are read together, a span of columns after the other
  MANY_ROWS = 64,   // the same for many tokens, the bits of a word: so many that y is not loaded for a few active rows
  MANY_BLOCKS = 3,  // columns of their tiles in blocks: y takes twelve of the registers, and the rows 24 KiB
  SPAN_BLOCKS = 8,  // columns of a span in blocks: a super-block
  BLOCK_VECTORS = PI_BLOCK / PI_LANES,
  TILE_BLOCKS = 2,  // columns of y that stay in registers, in blocks: half of the registers of AVX2 and of NEON
};

// The scales of a span; `bias` is what the code 0 stands for.
typedef struct {
  float scale[SPAN_BLOCKS], bias[SPAN_BLOCKS];
  float second_scale[SPAN_BLOCKS], second_bias[SPAN_BLOCKS];  // of the second halves, in Q6_K
} span_scales;

PI_INLINE void read_span_scales(uint32_t format, const uint8_t *row, size_t b, size_t blocks, size_t all,
                                span_scales *out) {
  if (pi_is_float(format)) return;
  read_scales(format, row, b, blocks, all, out->scale, format == PI_Q6_K ? out->second_scale : out->bias);
  if (has_minima(format) || is_q8_0(format)) return;
  for (size_t i = 0; i < SPAN_BLOCKS; i += PI_LANES) {
    store(out->bias + i, load(out->scale + i) * -offset_of(format));
    if (format == PI_Q6_K) store(out->second_bias + i, load(out->second_scale + i) * -offset_of(format));
  }
}

// 32 floats of block `b` of `all`, entry `i` of the span.
PI_INLINE void block_floats(uint32_t format, const uint8_t *row, size_t b, size_t all, const span_scales *s, size_t i,
                            vf *out) {
  if (pi_is_float(format)) {
    PI_UNROLL
    for (size_t v = 0; v < BLOCK_VECTORS; v++) out[v] = float_weights(format, row, b * PI_BLOCK + v * PI_LANES);
    return;
  }
  read_floats(format, row, b, all, out);
  PI_UNROLL
  for (size_t v = 0; v < BLOCK_VECTORS; v++) {
    const bool second = format == PI_Q6_K && v >= BLOCK_VECTORS / 2;
    const float scale = second ? s->second_scale[i] : s->scale[i];
    if (is_q8_0(format)) {
      out[v] *= scale;
    } else {
      out[v] = out[v] * scale + (second ? s->second_bias[i] : s->bias[i]);
    }
  }
}

// One token: the listed rows into `blocks` (a constant) blocks of y, from `first` on of the span that begins at block `begin`.
PI_INLINE void add_listed(uint32_t format, const uint8_t *const *rows, const float *factors, const span_scales *s,
                          size_t count, size_t begin, size_t first, size_t blocks, size_t all, float *y) {
  vf sum[TILE_BLOCKS * BLOCK_VECTORS];
  PI_UNROLL
  for (size_t v = 0; v < blocks * BLOCK_VECTORS; v++) sum[v] = load(y + v * PI_LANES);
  for (size_t n = 0; n < count; n++) {
    PI_UNROLL
    for (size_t b = 0; b < blocks; b++) {
      vf weights[BLOCK_VECTORS];
      block_floats(format, rows[n], begin + first + b, all, &s[n], first + b, weights);
      PI_UNROLL
      for (size_t v = 0; v < BLOCK_VECTORS; v++) sum[b * BLOCK_VECTORS + v] += weights[v] * factors[n];
    }
  }
  PI_UNROLL
  for (size_t v = 0; v < blocks * BLOCK_VECTORS; v++) store(y + v * PI_LANES, sum[v]);
}

PI_INLINE void accumulate_list(uint32_t format, const pi_matrix *w, const uint32_t *list, size_t listed, const float *h,
                               size_t begin, size_t end, float *y) {
  // Listed rows lie apart, so the processor does not foresee them: each batch asks for the next.
  const uint8_t *data = w->data;
  const size_t all = w->columns / PI_BLOCK;
  for (size_t i = 0; i < BATCH_ROWS && i < listed; i++) {
    prefetch_span(format, data + list[i] * w->row_bytes, begin, end - begin, all);
  }
  for (size_t n = 0; n < listed; n += BATCH_ROWS) {
    const size_t count = listed - n < BATCH_ROWS ? listed - n : BATCH_ROWS;
    for (size_t b = begin; b < end; b += SPAN_BLOCKS) {
      const size_t blocks = end - b < SPAN_BLOCKS ? end - b : SPAN_BLOCKS;
      const uint8_t *row[BATCH_ROWS];
      span_scales s[BATCH_ROWS];
      for (size_t i = 0; i < count; i++) {
        row[i] = data + list[n + i] * w->row_bytes;
        if (n + BATCH_ROWS + i < listed) {
          prefetch_span(format, data + list[n + BATCH_ROWS + i] * w->row_bytes, b, blocks, all);
        }
        read_span_scales(format, row[i], b, blocks, all, &s[i]);
      }
      float *p = y + b * PI_BLOCK;
      size_t first = 0;
      for (; first + TILE_BLOCKS <= blocks; first += TILE_BLOCKS) {
        add_listed(format, row, h + n, s, count, b, first, TILE_BLOCKS, all, p + first * PI_BLOCK);
      }
      for (; first < blocks; first++) add_listed(format, row, h + n, s, count, b, first, 1, all, p + first * PI_BLOCK);
    }
  }
}

PI_INLINE void accumulate_one(uint32_t format, const pi_matrix *w, size_t rows, const float *h, size_t begin, size_t end,
                              float *y) {
  for (size_t start = 0; start < rows; start += LIST_ROWS) {
    uint32_t list[LIST_ROWS];
    float factors[LIST_ROWS];
    size_t listed = 0;
    const size_t last = rows - start < LIST_ROWS ? rows : start + LIST_ROWS;
    for (size_t r = start; r < last; r++) {
      list[listed] = (uint32_t)r;
      factors[listed] = h[r];
      listed += h[r] != 0;
    }
    accumulate_list(format, w, list, listed, factors, begin, end, y);
  }
}

// Bit n is set where coefficient n of `count` is not 0.
PI_INLINE uint64_t wanted_rows(const float *h, size_t count) {
  uint64_t wanted = 0;
  size_t n = 0;
  for (; n + PI_LANES <= count; n += PI_LANES) wanted |= (uint64_t)nonzero_lanes(load(h + n)) << n;
  for (; n < count; n++) wanted |= (uint64_t)(h[n] != 0) << n;
  return wanted;
}

// Many tokens: the wanted rows of a tile, added to a token's y while that stays in registers.
PI_INLINE void add_wanted(const float *floats, uint64_t wanted, const float *h, size_t vectors, float *y) {
  vf sum[MANY_BLOCKS * BLOCK_VECTORS];
  PI_UNROLL
  for (size_t v = 0; v < vectors; v++) sum[v] = load(y + v * PI_LANES);
  for (; wanted != 0; wanted &= wanted - 1) {
    const size_t n = (size_t)__builtin_ctzll(wanted);
    const vf factor = splat(h[n]);
    const float *p = floats + n * vectors * PI_LANES;
    PI_UNROLL
    for (size_t v = 0; v < vectors; v++) sum[v] += load(p + v * PI_LANES) * factor;
  }
  PI_UNROLL
  for (size_t v = 0; v < vectors; v++) store(y + v * PI_LANES, sum[v]);
}

// `blocks` (a constant) blocks of a batch's rows, from `first` on of the `span` blocks that begin at `begin`, into every token's
// y. Rows are made into floats once, next to each other, so that they stay in the first cache. Of the next batch, the rows
// `ahead` are asked for: wanted rows lie apart, so the processor does not foresee them.
PI_INLINE void add_many(uint32_t format, const uint8_t *rows, size_t row_bytes, const span_scales *s, size_t batch,
                        uint64_t wanted, uint64_t ahead, size_t begin, size_t span, size_t first, size_t blocks, size_t all,
                        const float *h, size_t h_stride, size_t tokens, float *y, size_t stride) {
  float floats[MANY_ROWS * MANY_BLOCKS * PI_BLOCK];
  for (uint64_t left = wanted; left != 0; left &= left - 1) {
    const size_t n = (size_t)__builtin_ctzll(left);
    if (ahead != 0) {
      prefetch_span(format, rows + (MANY_ROWS + (size_t)__builtin_ctzll(ahead)) * row_bytes, begin, span, all);
      ahead &= ahead - 1;
    }
    PI_UNROLL
    for (size_t b = 0; b < blocks; b++) {
      vf weights[BLOCK_VECTORS];
      block_floats(format, rows + n * row_bytes, begin + first + b, all, &s[n], first + b, weights);
      float *p = floats + (n * blocks + b) * PI_BLOCK;
      PI_UNROLL
      for (size_t v = 0; v < BLOCK_VECTORS; v++) store(p + v * PI_LANES, weights[v]);
    }
  }
  for (size_t t = 0; t < tokens; t++) {
    const uint64_t own = wanted_rows(h + t * h_stride, batch);
    if (own != 0) add_wanted(floats, own, h + t * h_stride, blocks * BLOCK_VECTORS, y + t * stride);
  }
}

// The rows of the batch from `begin` on that some token wants: others are not read.
PI_INLINE uint64_t wanted_by_some(const float *h, size_t h_stride, size_t tokens, size_t begin, size_t rows) {
  if (begin >= rows) return 0;
  uint64_t wanted = 0;
  for (size_t t = 0; t < tokens; t++) {
    wanted |= wanted_rows(h + t * h_stride + begin, rows - begin < MANY_ROWS ? rows - begin : MANY_ROWS);
  }
  return wanted;
}

PI_INLINE void accumulate_many(uint32_t format, const pi_matrix *w, size_t rows, const float *h, size_t h_stride,
                               size_t tokens, size_t begin, size_t end, float *y, size_t stride) {
  const size_t all = w->columns / PI_BLOCK;
  uint64_t next = wanted_by_some(h, h_stride, tokens, 0, rows);
  for (size_t r = 0; r < rows; r += MANY_ROWS) {
    const size_t batch = rows - r < MANY_ROWS ? rows - r : MANY_ROWS;
    const uint64_t wanted = next;
    next = wanted_by_some(h, h_stride, tokens, r + MANY_ROWS, rows);
    for (size_t b = begin; b < end; b += SPAN_BLOCKS) {
      const size_t blocks = end - b < SPAN_BLOCKS ? end - b : SPAN_BLOCKS;
      const uint8_t *data = (const uint8_t *)w->data + r * w->row_bytes;
      span_scales s[MANY_ROWS];
      for (uint64_t left = wanted; left != 0; left &= left - 1) {
        const size_t n = (size_t)__builtin_ctzll(left);
        read_span_scales(format, data + n * w->row_bytes, b, blocks, all, &s[n]);
      }
      size_t first = 0;
#define PI_TILE(count)                                                                                               \
  add_many(format, data, w->row_bytes, s, batch, wanted, first == 0 ? next : 0, b, blocks, first, count, all, h + r, \
           h_stride, tokens, y + (b + first) * PI_BLOCK, stride)
      for (; first + MANY_BLOCKS <= blocks; first += MANY_BLOCKS) PI_TILE(MANY_BLOCKS);
      if (blocks - first == 2) PI_TILE(2);
      if (blocks - first == 1) PI_TILE(1);
#undef PI_TILE
    }
  }
}

PI_INLINE void accumulate(uint32_t format, const pi_matrix *w, size_t rows, const float *h, size_t h_stride,
                          size_t tokens, size_t begin, size_t end, float *y, size_t stride) {
  if (tokens >= 2) {
    accumulate_many(format, w, rows, h, h_stride, tokens, begin, end, y, stride);
    return;
  }
  for (size_t t = 0; t < tokens; t++) accumulate_one(format, w, rows, h + t * h_stride, begin, end, y + t * stride);
}
