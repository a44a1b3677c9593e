// Sums of rows under coefficients. For every (token, column): y = fma(h, w, y) over ascending rows, with w rounded to a float
// first, however the work is tiled.

enum {
  TILE_BLOCKS = 9,   // most columns of a tile in blocks: 18 vectors of y stay in registers
  LIST_ROWS = 512,   // rows whose coefficients are looked through at once, for one token
  READ_ROWS = 8,     // of these, rows that are read together, a span of columns after the other
  ROWS_AHEAD = 16,   // listed rows lie apart, so the processor does not foresee them
  SPAN_BLOCKS = 64,  // columns of a span in blocks
  MANY_ROWS = 64,    // rows that are read together for many tokens, the bits of a word: so many that y is not loaded for a few
  MANY_BLOCKS = 3,   // columns of their tiles in blocks: as floats the rows take 24 KiB, within the first cache
};

PI_INLINE bool has_plain_scales(uint32_t format) {
  return pi_base(format) == PI_Q4_0 || pi_base(format) == PI_Q4_1 || pi_base(format) == PI_Q8_0;
}

// Floats of block `b` of a row of `all` blocks, under the scale and the minimum that are given, where the format has plain ones.
PI_INLINE void block_floats(uint32_t format, const uint8_t *row, size_t b, size_t all, float scale_of_block, float more,
                            __m512 *low, __m512 *high) {
  const uint32_t base = pi_base(format);
  const pi_parts at = pi_parts_of(format, all);
  const uint8_t *p = has_plain_scales(format) ? row + at.codes + b * at.code_step : row;
  switch (base) {
    case PI_Q4_0:
    case PI_Q4_1: {
      // A nibble picks its value out of a table of sixteen; the permutation looks at four bits only.
      const __m512 codes = _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
      const __m512 scale = _mm512_set1_ps(scale_of_block);
      const __m512 table = base == PI_Q4_0 ? _mm512_mul_ps(_mm512_sub_ps(codes, _mm512_set1_ps(8)), scale)
                                             : _mm512_fmadd_ps(codes, scale, _mm512_set1_ps(more));
      const __m512i v = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p));
      *low = _mm512_permutexvar_ps(v, table);
      *high = _mm512_permutexvar_ps(_mm512_srli_epi32(v, 4), table);
      return;
    }
    case PI_Q8_0: {
      const __m512 scale = _mm512_set1_ps(scale_of_block);
      *low = _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)p))), scale);
      *high = _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(p + 16)))), scale);
      return;
    }
    case PI_F32:
    case PI_F16:
    case PI_BF16:
      *low = float_weights(format, row, b * PI_BLOCK, 0xffff);
      *high = float_weights(format, row, b * PI_BLOCK + 16, 0xffff);
      return;
    default: {
      pi_block block;
      pi_read_block(format, row, b, all, &block);
      const __m512 l = _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)block.codes)));
      const __m512 h = _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(block.codes + 16))));
      *low = _mm512_fmadd_ps(l, _mm512_set1_ps(block.scale[0]), _mm512_set1_ps(block.bias[0]));
      *high = _mm512_fmadd_ps(h, _mm512_set1_ps(block.scale[1]), _mm512_set1_ps(block.bias[1]));
    }
  }
}

// The width of the next tile when `left` blocks remain.
PI_INLINE size_t tile_blocks(size_t left) {
  if (left % 9 == 0 && left % 8 != 0) return 9;
  return left >= 8 ? 8 : left >= 4 ? 4 : left >= 2 ? 2 : 1;
}

// Scales of the blocks of a span, of the rows that are read together.
typedef struct {
  float scale[READ_ROWS][SPAN_BLOCKS] __attribute__((aligned(64)));
  float more[READ_ROWS][SPAN_BLOCKS] __attribute__((aligned(64)));
} span_scales;

PI_INLINE void read_span_scales(uint32_t format, const uint8_t *const *row, size_t rows, size_t begin, size_t blocks,
                                size_t all, span_scales *out) {
  for (size_t n = 0; n < rows; n += 4) {
    for (size_t b = 0; b < blocks; b += 16) {
      __m512 scale[4], more[4];
      scales_of_rows(format, row + n, 4, begin + b, blocks - b < 16 ? blocks - b : 16, all, scale, more);
      PI_UNROLL
      for (size_t r = 0; r < 4; r++) {
        _mm512_store_ps(out->scale[n + r] + b, scale[r]);
        if (has_minima(format)) _mm512_store_ps(out->more[n + r] + b, more[r]);
      }
    }
  }
}

// One token: rows into `blocks` (a constant) blocks of y, the span's from `first` on, which begins at block `begin`; the same
// blocks of the rows `ahead` are asked for.
PI_INLINE void add_rows(uint32_t format, const uint8_t *const *row, const uint8_t *const *ahead, const float *factors,
                        const span_scales *s, size_t count, size_t begin, size_t first, size_t blocks, size_t all, float *y) {
  __m512 sum[2 * TILE_BLOCKS];
  PI_UNROLL
  for (size_t i = 0; i < 2 * blocks; i++) sum[i] = _mm512_loadu_ps(y + 16 * i);
  for (size_t n = 0; n < count; n++) {
    const __m512 factor = _mm512_set1_ps(factors[n]);
    prefetch_codes(format, ahead[n], begin + first, blocks, all);
    PI_UNROLL
    for (size_t i = 0; i < blocks; i++) {
      __m512 low, high;
      block_floats(format, row[n], begin + first + i, all, s->scale[n][first + i], s->more[n][first + i], &low, &high);
      sum[2 * i] = _mm512_fmadd_ps(factor, low, sum[2 * i]);
      sum[2 * i + 1] = _mm512_fmadd_ps(factor, high, sum[2 * i + 1]);
    }
  }
  PI_UNROLL
  for (size_t i = 0; i < 2 * blocks; i++) _mm512_storeu_ps(y + 16 * i, sum[i]);
}

// The listed rows, each with its coefficient, into the blocks of a span, at `b` of the row and at y.
PI_INLINE void add_listed(uint32_t format, const pi_matrix *w, const uint32_t *list, size_t count, const float *h,
                          size_t b, size_t blocks, float *y) {
  const uint8_t *data = (const uint8_t *)w->data;
  const size_t all = w->columns / PI_BLOCK;
  for (size_t n = 0; n < ROWS_AHEAD && n < count; n++) {
    prefetch_codes(format, data + list[n] * w->row_bytes, b, blocks, all);
    prefetch_ends(format, data + list[n] * w->row_bytes, b, blocks, all);
  }
  for (size_t n = 0; n < count; n += READ_ROWS) {
    const size_t rows = count - n < READ_ROWS ? count - n : READ_ROWS;
    const uint8_t *row[READ_ROWS], *ahead[READ_ROWS];
    float factors[READ_ROWS];
    span_scales s;
    for (size_t r = 0; r < rows; r++) {
      row[r] = data + list[n + r] * w->row_bytes;
      factors[r] = h[n + r];
      ahead[r] = n + r + ROWS_AHEAD < count ? data + list[n + r + ROWS_AHEAD] * w->row_bytes : row[r];
      prefetch_ends(format, ahead[r], b, blocks, all);
    }
    // Scales are read of four rows at once: in place of rows that are not there the last one is read again.
    for (size_t r = rows; r % 4 != 0; r++) row[r] = row[rows - 1];
    if (has_plain_scales(format)) read_span_scales(format, row, rows, b, blocks, all, &s);
    for (size_t first = 0; first < blocks;) {
      const size_t tile = tile_blocks(blocks - first);
      float *target = y + first * PI_BLOCK;
      switch (tile) {
        case 9: add_rows(format, row, ahead, factors, &s, rows, b, first, 9, all, target); break;
        case 8: add_rows(format, row, ahead, factors, &s, rows, b, first, 8, all, target); break;
        case 4: add_rows(format, row, ahead, factors, &s, rows, b, first, 4, all, target); break;
        case 2: add_rows(format, row, ahead, factors, &s, rows, b, first, 2, all, target); break;
        default: add_rows(format, row, ahead, factors, &s, rows, b, first, 1, all, target);
      }
      first += tile;
    }
  }
}

PI_INLINE void accumulate_list(uint32_t format, const pi_matrix *w, const uint32_t *list, size_t count, const float *h,
                               size_t begin, size_t end, float *y) {
  for (size_t b = begin; b < end; b += SPAN_BLOCKS) {
    add_listed(format, w, list, count, h, b, end - b < SPAN_BLOCKS ? end - b : SPAN_BLOCKS, y + b * PI_BLOCK);
  }
}

PI_INLINE void accumulate_one(uint32_t format, const pi_matrix *w, size_t rows, const float *h, size_t begin, size_t end,
                              float *y) {
  const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  for (size_t first = 0; first < rows; first += LIST_ROWS) {
    uint32_t list[LIST_ROWS + 16];
    float factors[LIST_ROWS + 16];
    size_t count = 0;
    const size_t last = rows - first < LIST_ROWS ? rows : first + LIST_ROWS;
    for (size_t r = first; r < last; r += 16) {
      const __mmask16 kept = last - r < 16 ? (__mmask16)((1u << (last - r)) - 1) : 0xffff;
      const __m512 v = _mm512_maskz_loadu_ps(kept, h + r);
      const __mmask16 used = _mm512_cmp_ps_mask(v, _mm512_setzero_ps(), _CMP_NEQ_UQ);
      const __m512i indices = _mm512_add_epi32(lane, _mm512_set1_epi32((int)r));
      _mm512_storeu_si512(list + count, _mm512_maskz_compress_epi32(used, indices));
      _mm512_storeu_ps(factors + count, _mm512_maskz_compress_ps(used, v));
      count += (size_t)__builtin_popcount(used);
    }
    accumulate_list(format, w, list, count, factors, begin, end, y);
  }
}

// Bit n is set where coefficient n of `count` (at most 64) is not 0.
PI_INLINE uint64_t wanted_rows(const float *h, size_t count) {
  uint64_t wanted = 0;
  for (size_t n = 0; n < count; n += 16) {
    const __mmask16 kept = count - n < 16 ? (__mmask16)((1u << (count - n)) - 1) : 0xffff;
    const __m512 v = _mm512_maskz_loadu_ps(kept, h + n);
    wanted |= (uint64_t)_mm512_cmp_ps_mask(v, _mm512_setzero_ps(), _CMP_NEQ_UQ) << n;
  }
  return wanted;
}

// The rows of the batch from `begin` on that each token wants, and, returned, those that some token wants: others are not read.
PI_INLINE uint64_t wanted_by_tokens(const float *h, size_t h_stride, size_t tokens, size_t begin, size_t rows, uint64_t *own) {
  uint64_t wanted = 0;
  for (size_t t = 0; t < tokens && begin < rows; t++) {
    own[t] = wanted_rows(h + t * h_stride + begin, rows - begin < MANY_ROWS ? rows - begin : MANY_ROWS);
    wanted |= own[t];
  }
  return wanted;
}

// Many tokens: the wanted rows of a tile of `vectors` (a constant) vectors, added to a token's y while that stays in registers.
PI_INLINE void add_wanted(const float *floats, uint64_t wanted, const float *h, size_t vectors, float *y) {
  __m512 sum[2 * MANY_BLOCKS];
  PI_UNROLL
  for (size_t v = 0; v < vectors; v++) sum[v] = _mm512_loadu_ps(y + 16 * v);
  for (; wanted != 0; wanted &= wanted - 1) {
    const size_t n = (size_t)__builtin_ctzll(wanted);
    const __m512 factor = _mm512_set1_ps(h[n]);
    const float *p = floats + n * vectors * 16;
    PI_UNROLL
    for (size_t v = 0; v < vectors; v++) sum[v] = _mm512_fmadd_ps(factor, _mm512_load_ps(p + 16 * v), sum[v]);
  }
  PI_UNROLL
  for (size_t v = 0; v < vectors; v++) _mm512_storeu_ps(y + 16 * v, sum[v]);
}

// Scales of the wanted rows of a batch, for a tile of columns.
typedef struct {
  float scale[MANY_ROWS][16] __attribute__((aligned(64)));
  float more[MANY_ROWS][16] __attribute__((aligned(64)));
} batch_scales;

// A span's scales are read at once, for up to five tiles.
enum { MANY_SPAN = 15 };

PI_INLINE void read_batch_scales(uint32_t format, const uint8_t *first, size_t row_bytes, uint64_t wanted, size_t b,
                                 size_t blocks, size_t all, batch_scales *out) {
  while (wanted != 0) {
    // Four rows at once; in place of rows that are not there the last one is read again.
    const uint8_t *row[4];
    size_t number[4];
    for (size_t r = 0; r < 4; r++) {
      number[r] = wanted != 0 ? (size_t)__builtin_ctzll(wanted) : number[r - 1];
      row[r] = first + number[r] * row_bytes;
      wanted &= wanted - 1;
    }
    __m512 scale[4], more[4];
    scales_of_rows(format, row, 4, b, blocks, all, scale, more);
    PI_UNROLL
    for (size_t r = 0; r < 4; r++) {
      _mm512_store_ps(out->scale[number[r]], scale[r]);
      if (has_minima(format)) _mm512_store_ps(out->more[number[r]], more[r]);
    }
  }
}

// `blocks` (a constant) blocks of a batch's rows, entries from `first` on of the span that begins at block `b`, into every
// token's y, of its `own` rows. Rows are made into floats once, next to each other, so that they stay in the first cache. Of the next
// batch, the rows `ahead` are asked for: wanted rows lie apart, so the processor does not foresee them.
PI_INLINE void add_many(uint32_t format, const uint8_t *rows, size_t row_bytes, const batch_scales *s, const uint64_t *own,
                        uint64_t wanted, uint64_t ahead, size_t b, size_t first, size_t blocks, size_t all, const float *h,
                        size_t h_stride, size_t tokens, float *y, size_t stride) {
  float floats[MANY_ROWS * MANY_BLOCKS * PI_BLOCK] __attribute__((aligned(64)));
  for (uint64_t left = wanted; left != 0; left &= left - 1) {
    const size_t n = (size_t)__builtin_ctzll(left);
    if (ahead != 0) {
      const uint8_t *next = rows + (MANY_ROWS + (size_t)__builtin_ctzll(ahead)) * row_bytes;
      prefetch_codes(format, next, b + first, blocks, all);
      prefetch_ends(format, next, b + first, blocks, all);
      ahead &= ahead - 1;
    }
    PI_UNROLL
    for (size_t i = 0; i < blocks; i++) {
      __m512 low, high;
      block_floats(format, rows + n * row_bytes, b + first + i, all, s->scale[n][first + i], s->more[n][first + i], &low,
                   &high);
      _mm512_store_ps(floats + (n * blocks + i) * PI_BLOCK, low);
      _mm512_store_ps(floats + (n * blocks + i) * PI_BLOCK + 16, high);
    }
  }
  for (size_t t = 0; t < tokens; t++) {
    if (own[t] != 0) add_wanted(floats, own[t], h + t * h_stride, 2 * blocks, y + t * stride);
  }
}

enum { MANY_TOKENS = 512 };

// At most MANY_TOKENS tokens.
PI_INLINE void accumulate_many(uint32_t format, const pi_matrix *w, size_t rows, const float *h, size_t h_stride,
                               size_t tokens, size_t begin, size_t end, float *y, size_t stride) {
  const size_t all = w->columns / PI_BLOCK;
  uint64_t masks[2][MANY_TOKENS];
  uint64_t next = wanted_by_tokens(h, h_stride, tokens, 0, rows, masks[0]);
  for (size_t r = 0; r < rows; r += MANY_ROWS) {
    const uint8_t *data = (const uint8_t *)w->data + r * w->row_bytes;
    const uint64_t wanted = next, *own = masks[r / MANY_ROWS % 2];
    next = wanted_by_tokens(h, h_stride, tokens, r + MANY_ROWS, rows, masks[(r / MANY_ROWS + 1) % 2]);
    for (size_t b = begin; b < end; b += MANY_SPAN) {
      const size_t blocks = end - b < MANY_SPAN ? end - b : MANY_SPAN;
      batch_scales s;
      if (has_plain_scales(format)) read_batch_scales(format, data, w->row_bytes, wanted, b, blocks, all, &s);
      size_t first = 0;
#define PI_TILE(count)                                                                                              \
  add_many(format, data, w->row_bytes, &s, own, wanted, next, b, first, count, all, h + r, h_stride, tokens, \
           y + (b + first) * PI_BLOCK, stride)
      for (; first + MANY_BLOCKS <= blocks; first += MANY_BLOCKS) PI_TILE(MANY_BLOCKS);
      if (blocks - first == 2) PI_TILE(2);
      if (blocks - first == 1) PI_TILE(1);
#undef PI_TILE
    }
  }
}

#define PI_ACCUMULATE(name)                                                                                            \
  static void accumulate_##name(const pi_matrix *w, size_t rows, const float *h, size_t h_stride, size_t tokens,       \
                                size_t begin, size_t end, float *y, size_t stride) {                                   \
    if (tokens < 2) {                                                                                                  \
      for (size_t t = 0; t < tokens; t++) {                                                                            \
        accumulate_one(PI_##name, w, rows, h + t * h_stride, begin, end, y + t * stride);                              \
      }                                                                                                                \
    } else {                                                                                                           \
      for (size_t t = 0; t < tokens; t += MANY_TOKENS) {                                                               \
        accumulate_many(PI_##name, w, rows, h + t * h_stride, h_stride, tokens - t < MANY_TOKENS ? tokens - t : MANY_TOKENS, \
                        begin, end, y + t * stride, stride);                                                           \
      }                                                                                                                \
    }                                                                                                                  \
  }
PI_FORMATS(PI_ACCUMULATE)
#undef PI_ACCUMULATE

static void avx512_accumulate_rows(const pi_matrix *w, size_t rows, const float *h, size_t h_stride, size_t token_begin,
                                   size_t token_end, size_t column_begin, size_t column_end, float *y, size_t stride) {
  const size_t begin = column_begin / PI_BLOCK, end = column_end / PI_BLOCK, tokens = token_end - token_begin;
  h += token_begin * h_stride;
  y += token_begin * stride;
  switch (w->format) {
#define PI_CASE(name) \
  case PI_##name: accumulate_##name(w, rows, h, h_stride, tokens, begin, end, y, stride); return;
    PI_FORMATS(PI_CASE)
#undef PI_CASE
    default: return;
  }
}

#define PI_ACCUMULATE_LISTED(name)                                                                                \
  static void accumulate_listed_##name(const pi_matrix *w, const uint32_t *list, size_t count, const float *h,    \
                                       size_t blocks, float *y) {                                                 \
    accumulate_list(PI_##name, w, list, count, h, 0, blocks, y);                                                  \
  }
PI_FORMATS(PI_ACCUMULATE_LISTED)
#undef PI_ACCUMULATE_LISTED

static void avx512_accumulate_listed(const pi_matrix *w, const uint32_t *list, size_t count, const float *h, float *y) {
  switch (w->format) {
#define PI_CASE(name) \
  case PI_##name: accumulate_listed_##name(w, list, count, h, w->columns / PI_BLOCK, y); return;
    PI_FORMATS(PI_CASE)
#undef PI_CASE
    default: return;
  }
}
