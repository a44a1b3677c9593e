// Sums of rows under coefficients. For every (token, column): y = fma(h, w, y) over ascending rows, with w rounded to a float
// first, however the work is tiled.

enum {
  TILE_BLOCKS = 9,   // most columns of a tile in blocks: 18 vectors of y stay in registers
  LIST_ROWS = 512,   // rows whose coefficients are looked through at once, for one token
  READ_ROWS = 8,     // of these, rows that are read together, a span of columns after the other
  ROWS_AHEAD = 16,   // listed rows lie apart, so the processor does not foresee them
  SPAN_BLOCKS = 64,  // columns of a span in blocks
  BATCH_ROWS = 32,   // rows made into floats at once, for many tokens: 36 KiB, within the first cache
};

// Floats of block `b` under the scale and the minimum that are given, where the format has plain ones.
PI_INLINE void block_floats(uint32_t format, const uint8_t *row, size_t b, float scale_of_block, float more, __m512 *low,
                            __m512 *high) {
  switch (format) {
    case PI_Q4_0:
    case PI_Q4_1: {
      // A nibble picks its value out of a table of sixteen; the permutation looks at four bits only.
      const size_t bytes = bytes_of_32(format);
      const __m512 codes = _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
      const __m512 scale = _mm512_set1_ps(scale_of_block);
      const __m512 table = format == PI_Q4_0 ? _mm512_mul_ps(_mm512_sub_ps(codes, _mm512_set1_ps(8)), scale)
                                             : _mm512_fmadd_ps(codes, scale, _mm512_set1_ps(more));
      const __m512i v = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(row + b * bytes + (bytes - 16))));
      *low = _mm512_permutexvar_ps(v, table);
      *high = _mm512_permutexvar_ps(_mm512_srli_epi32(v, 4), table);
      return;
    }
    case PI_Q8_0: {
      const uint8_t *p = row + b * PI_Q8_0_BYTES + 2;
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
      pi_read_block(format, row, b, &block);
      const __m512 l = _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)block.codes)));
      const __m512 h = _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(block.codes + 16))));
      *low = _mm512_fmadd_ps(l, _mm512_set1_ps(block.scale[0]), _mm512_set1_ps(block.bias[0]));
      *high = _mm512_fmadd_ps(h, _mm512_set1_ps(block.scale[1]), _mm512_set1_ps(block.bias[1]));
    }
  }
}

// Bytes of so many blocks of 32; of a super-block's part, its share.
PI_INLINE size_t span_bytes(uint32_t format, size_t blocks) {
  return blocks * PI_BLOCK * pi_block_bytes(format) / pi_block_elements(format);
}

PI_INLINE bool has_plain_scales(uint32_t format) { return format == PI_Q4_0 || format == PI_Q4_1 || format == PI_Q8_0; }

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

PI_INLINE void read_span_scales(uint32_t format, const uint8_t *const *row, size_t rows, size_t blocks, span_scales *out) {
  for (size_t n = 0; n < rows; n += 4) {
    for (size_t b = 0; b < blocks; b += 16) {
      __m512 scale[4], more[4];
      scales_of_rows(format, row + n, 4, b, blocks - b < 16 ? blocks - b : 16, scale, more);
      PI_UNROLL
      for (size_t r = 0; r < 4; r++) {
        _mm512_store_ps(out->scale[n + r] + b, scale[r]);
        if (format == PI_Q4_1) _mm512_store_ps(out->more[n + r] + b, more[r]);
      }
    }
  }
}

// One token: rows into `blocks` (a constant) blocks of y, the span's from `first` on; the same blocks of the rows `ahead` are
// asked for.
PI_INLINE void add_rows(uint32_t format, const uint8_t *const *row, const uint8_t *const *ahead, const float *factors,
                        const span_scales *s, size_t count, size_t first, size_t blocks, float *y) {
  __m512 sum[2 * TILE_BLOCKS];
  PI_UNROLL
  for (size_t i = 0; i < 2 * blocks; i++) sum[i] = _mm512_loadu_ps(y + 16 * i);
  for (size_t n = 0; n < count; n++) {
    const __m512 factor = _mm512_set1_ps(factors[n]);
    prefetch(ahead[n] + span_bytes(format, first), span_bytes(format, blocks));
    PI_UNROLL
    for (size_t i = 0; i < blocks; i++) {
      __m512 low, high;
      block_floats(format, row[n], first + i, s->scale[n][first + i], s->more[n][first + i], &low, &high);
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
  const uint8_t *data = (const uint8_t *)w->data + span_bytes(format, b);
  const size_t bytes = span_bytes(format, blocks);
  for (size_t n = 0; n < ROWS_AHEAD && n < count; n++) prefetch_row(data + list[n] * w->row_bytes, bytes);
  for (size_t n = 0; n < count; n += READ_ROWS) {
    const size_t rows = count - n < READ_ROWS ? count - n : READ_ROWS;
    const uint8_t *row[READ_ROWS], *ahead[READ_ROWS];
    float factors[READ_ROWS];
    span_scales s;
    for (size_t r = 0; r < rows; r++) {
      row[r] = data + list[n + r] * w->row_bytes;
      factors[r] = h[n + r];
      ahead[r] = n + r + ROWS_AHEAD < count ? data + list[n + r + ROWS_AHEAD] * w->row_bytes : row[r];
      // Its line may begin past all that is asked for below.
      __builtin_prefetch(ahead[r] + bytes - 1);
    }
    // Scales are read of four rows at once: in place of rows that are not there the last one is read again.
    for (size_t r = rows; r % 4 != 0; r++) row[r] = row[rows - 1];
    if (has_plain_scales(format)) read_span_scales(format, row, rows, blocks, &s);
    for (size_t first = 0; first < blocks;) {
      const size_t tile = tile_blocks(blocks - first);
      float *target = y + first * PI_BLOCK;
      switch (tile) {
        case 9: add_rows(format, row, ahead, factors, &s, rows, first, 9, target); break;
        case 8: add_rows(format, row, ahead, factors, &s, rows, first, 8, target); break;
        case 4: add_rows(format, row, ahead, factors, &s, rows, first, 4, target); break;
        case 2: add_rows(format, row, ahead, factors, &s, rows, first, 2, target); break;
        default: add_rows(format, row, ahead, factors, &s, rows, first, 1, target);
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

// Many tokens: a batch of rows in floats, added to each token's y while that stays in registers.
PI_INLINE void add_batch(const float *floats, size_t rows, const float *h, size_t blocks, float *y) {
  const uint32_t all = rows < 32 ? (1u << rows) - 1 : 0xffffffff;
  const __m512 h0 = _mm512_maskz_loadu_ps((__mmask16)all, h), h1 = _mm512_maskz_loadu_ps((__mmask16)(all >> 16), h + 16);
  const __m512 zero = _mm512_setzero_ps();
  uint32_t used = (uint32_t)_mm512_cmp_ps_mask(h0, zero, _CMP_NEQ_UQ) |
                  (uint32_t)_mm512_cmp_ps_mask(h1, zero, _CMP_NEQ_UQ) << 16;
  if (used == 0) return;
  __m512 sum[2 * TILE_BLOCKS];
  PI_UNROLL
  for (size_t i = 0; i < 2 * blocks; i++) sum[i] = _mm512_loadu_ps(y + 16 * i);
  for (; used != 0; used &= used - 1) {
    const size_t r = (size_t)__builtin_ctz(used);
    const __m512 factor = _mm512_set1_ps(h[r]);
    PI_UNROLL
    for (size_t i = 0; i < 2 * blocks; i++) {
      sum[i] = _mm512_fmadd_ps(factor, _mm512_load_ps(floats + (r * 2 * TILE_BLOCKS + i) * 16), sum[i]);
    }
  }
  PI_UNROLL
  for (size_t i = 0; i < 2 * blocks; i++) _mm512_storeu_ps(y + 16 * i, sum[i]);
}

PI_INLINE void accumulate_many(uint32_t format, const pi_matrix *w, size_t rows, const float *h, size_t h_stride,
                               size_t tokens, size_t begin, size_t end, float *y, size_t stride) {
  float floats[BATCH_ROWS * TILE_BLOCKS * PI_BLOCK] __attribute__((aligned(64)));
  for (size_t b = begin; b < end;) {
    const size_t blocks = tile_blocks(end - b);
    for (size_t r = 0; r < rows; r += BATCH_ROWS) {
      const size_t count = rows - r < BATCH_ROWS ? rows - r : BATCH_ROWS;
      for (size_t n = 0; n < count; n++) {
        const uint8_t *row = (const uint8_t *)w->data + (r + n) * w->row_bytes;
        scales s;
        if (has_plain_scales(format)) read_scales(format, row, b, blocks, &s);
        for (size_t i = 0; i < blocks; i++) {
          __m512 low, high;
          block_floats(format, row, b + i, s.scale[i], s.more[i], &low, &high);
          _mm512_store_ps(floats + (n * TILE_BLOCKS + i) * PI_BLOCK, low);
          _mm512_store_ps(floats + (n * TILE_BLOCKS + i) * PI_BLOCK + 16, high);
        }
      }
      for (size_t t = 0; t < tokens; t++) {
        float *target = y + t * stride + b * PI_BLOCK;
        const float *factors = h + t * h_stride + r;
        switch (blocks) {
          case 9: add_batch(floats, count, factors, 9, target); break;
          case 8: add_batch(floats, count, factors, 8, target); break;
          case 4: add_batch(floats, count, factors, 4, target); break;
          case 2: add_batch(floats, count, factors, 2, target); break;
          default: add_batch(floats, count, factors, 1, target);
        }
      }
    }
    b += blocks;
  }
}

#define PI_ACCUMULATE(name)                                                                                            \
  static void accumulate_##name(const pi_matrix *w, size_t rows, const float *h, size_t h_stride, size_t tokens,       \
                                size_t begin, size_t end, float *y, size_t stride) {                                   \
    if (tokens < 4) {                                                                                                  \
      for (size_t t = 0; t < tokens; t++) {                                                                            \
        accumulate_one(PI_##name, w, rows, h + t * h_stride, begin, end, y + t * stride);                              \
      }                                                                                                                \
    } else {                                                                                                           \
      accumulate_many(PI_##name, w, rows, h, h_stride, tokens, begin, end, y, stride);                                 \
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
