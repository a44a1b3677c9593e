// Products of weight rows with many tokens, by panels (avx512_panel_codes.h). For every (row, token): the blocks in ascending
// order into one accumulator, however rows and tokens are divided; a sum that waits for its next stretch of columns waits in y.

enum {
  PANEL_BLOCKS = 16,  // of one stretch: two panels of it, and the codes of a few tokens, stay in the first cache
  PANELS = 2,         // multiplied together, so that a token's codes are read once for both
  MOST_ROWS = PANELS * PANEL_ROWS,
  TILE_TOKENS = 6,    // with two panels: 12 integer and 12 float accumulators
};

// Adds one stretch of `panels` panels for `tokens` tokens (both constants); sum[v * tokens + t].
PI_INLINE void panel_tile(panel_kind kind, const panel_block *block, size_t blocks, size_t panels, size_t tokens,
                          const uint8_t *codes, size_t code_stride, const float *scales, const float *sums,
                          size_t block_stride, __m512 *sum) {
  const size_t parts = kind == PANEL_HALVES ? 2 : 1, steps = 8 / parts;
  for (size_t b = 0; b < blocks; b++) {
    PI_UNROLL
    for (size_t part = 0; part < parts; part++) {
      __m512i dot[PANELS * TILE_TOKENS];
      PI_UNROLL
      for (size_t v = 0; v < panels; v++) {
        const __m512i start = block[v].start[part];
        PI_UNROLL
        for (size_t t = 0; t < tokens; t++) dot[v * tokens + t] = start;
      }
      PI_UNROLL
      for (size_t s = 0; s < steps; s++) {
        __m512i w[PANELS];
        PI_UNROLL
        for (size_t v = 0; v < panels; v++) w[v] = block[v].codes[part * steps + s];
        PI_UNROLL
        for (size_t t = 0; t < tokens; t++) {
          const __m512i four = _mm512_set1_epi32((int)pi_load_u32(codes + t * code_stride + (part * steps + s) * 4));
          PI_UNROLL
          for (size_t v = 0; v < panels; v++) dot[v * tokens + t] = _mm512_dpbusd_epi32(dot[v * tokens + t], four, w[v]);
        }
      }
      PI_UNROLL
      for (size_t t = 0; t < tokens; t++) {
        const __m512 factor = _mm512_set1_ps(scales[t * block_stride]);
        PI_UNROLL
        for (size_t v = 0; v < panels; v++) {
          const size_t i = v * tokens + t;
          const __m512 product = _mm512_mul_ps(_mm512_cvtepi32_ps(dot[i]), block[v].scale[part]);
          sum[i] = _mm512_fmadd_ps(product, factor, sum[i]);
        }
      }
    }
    if (kind == PANEL_MINIMA) {
      PI_UNROLL
      for (size_t t = 0; t < tokens; t++) {
        const __m512 bias = _mm512_set1_ps(sums[t * 3 * block_stride]);
        PI_UNROLL
        for (size_t v = 0; v < panels; v++) {
          sum[v * tokens + t] = _mm512_fmadd_ps(block[v].minimum, bias, sum[v * tokens + t]);
        }
      }
    }
    block += panels;
    codes += PI_BLOCK;
    scales++;
    sums++;
  }
}

// One stretch of columns of one or two panels with tokens of x; the sums are in y, unless this stretch is the first.
typedef struct {
  const panel_block *block;
  size_t blocks, first_block;
  __mmask16 rows[PANELS];  // those that are wanted
} stretch;

PI_INLINE void panel_tokens(panel_kind kind, const stretch *s, size_t panels, size_t tokens, const pi_activations *x,
                            size_t token, float *y, size_t stride) {
  const size_t b = s->first_block;
  __m512 sum[PANELS * TILE_TOKENS];
  y += token * stride;
  PI_UNROLL
  for (size_t v = 0; v < panels; v++) {
    PI_UNROLL
    for (size_t t = 0; t < tokens; t++) {
      sum[v * tokens + t] = b == 0 ? _mm512_setzero_ps()
                                   : _mm512_maskz_loadu_ps(s->rows[v], y + t * stride + v * PANEL_ROWS);
    }
  }
  panel_tile(kind, s->block, s->blocks, panels, tokens, (const uint8_t *)x->codes + token * x->code_stride + b * PI_BLOCK,
             x->code_stride, x->scales + token * x->block_stride + b, x->sums + token * 3 * x->block_stride + b,
             x->block_stride, sum);
  PI_UNROLL
  for (size_t v = 0; v < panels; v++) {
    PI_UNROLL
    for (size_t t = 0; t < tokens; t++) {
      _mm512_mask_storeu_ps(y + t * stride + v * PANEL_ROWS, s->rows[v], sum[v * tokens + t]);
    }
  }
}

PI_INLINE void panel_stretch(panel_kind kind, const stretch *s, size_t panels, const pi_activations *x, size_t token,
                             size_t token_end, float *y, size_t stride, upcoming *next) {
  const size_t lines = lines_of(next, (token_end - token + TILE_TOKENS - 1) / TILE_TOKENS);
  // Eight tokens as 4 and 4: sums of only two would wait for each other.
#define PI_TILES(count)                                                                                      \
  for (; token_end - token >= (count) && ((count) != 6 || token_end - token != 8); token += (count)) {       \
    ask_for(next, lines);                                                                                    \
    panel_tokens(kind, s, panels, (count), x, token, y, stride);                                             \
  }
  PI_TILES(6)
  PI_TILES(4)
  PI_TILES(2)
  PI_TILES(1)
#undef PI_TILES
}

// One copy per kind and number of panels, shared by formats.
#define PI_STRETCH(kind)                                                                                            \
  static __attribute__((noinline)) void one_##kind(const stretch *s, const pi_activations *x, size_t token,         \
                                                   size_t token_end, float *y, size_t stride, upcoming *next) {     \
    panel_stretch(kind, s, 1, x, token, token_end, y, stride, next);                                                \
  }                                                                                                                 \
  static __attribute__((noinline)) void two_##kind(const stretch *s, const pi_activations *x, size_t token,         \
                                                   size_t token_end, float *y, size_t stride, upcoming *next) {     \
    panel_stretch(kind, s, 2, x, token, token_end, y, stride, next);                                                \
  }
PI_STRETCH(PANEL_SCALED)
PI_STRETCH(PANEL_MINIMA)
PI_STRETCH(PANEL_HALVES)
#undef PI_STRETCH

// Does some of the tokens another way, with the same results, and returns the first of the others.
typedef size_t (*token_tiles)(panel_kind kind, const stretch *s, size_t panels, const pi_activations *x, size_t token,
                              size_t token_end, float *y, size_t stride, upcoming *next);

static void add_panel_stretch(panel_kind kind, const stretch *s, size_t panels, const pi_activations *x, size_t token,
                              size_t token_end, float *y, size_t stride, upcoming *next, token_tiles tiles) {
  if (tiles) token = tiles(kind, s, panels, x, token, token_end, y, stride, next);
  switch (kind) {
#define PI_CASE(kind)                                                                                          \
  case kind: (panels == 2 ? two_##kind : one_##kind)(s, x, token, token_end, y, stride, next); return;
    PI_CASE(PANEL_SCALED)
    PI_CASE(PANEL_MINIMA)
    PI_CASE(PANEL_HALVES)
#undef PI_CASE
  }
}

// Scratch and pointers for one or two panels.
typedef struct {
  const uint8_t *rows[PANELS * PANEL_ROWS];
  panel_block blocks[PANELS * PANEL_BLOCKS];
} panel_scratch;

// Rows of at most so many bytes are asked for in the order of addresses. Of longer ones that would be more at once than the first cache
// keeps: there it is the next stretch of columns of each row.
enum { IN_ORDER_BYTES = 1024 };

// The rows of the next panels. Past the end too: a worker goes on with the rows that follow, in its next call. Asking never faults.
PI_INLINE upcoming rows_after(const pi_matrix *w, size_t begin, size_t end) {
  const size_t left = end > begin ? end - begin : 0;
  return (upcoming){.base = (const uint8_t *)w->data + begin * w->row_bytes,
                    .row_bytes = w->row_bytes,
                    .rows = left == 0 || left > MOST_ROWS ? MOST_ROWS : left};
}

// Of every row `blocks` blocks from block `from` on; together with the first codes, everything that lies before them.
PI_INLINE void take_blocks(upcoming *next, uint32_t format, size_t from, size_t blocks, size_t all) {
  if (pi_is_planar(format)) {
    const pi_parts parts = pi_parts_of(format, all);
    next->from = from == 0 ? 0 : parts.codes + from * parts.code_step;
    next->bytes = blocks * parts.code_step + (from == 0 ? parts.codes : 0);
  } else {
    const size_t unit = pi_block_elements(format) / PI_BLOCK, unit_bytes = pi_block_bytes(format);
    next->from = from / unit * unit_bytes;
    next->bytes = blocks / unit * unit_bytes;
  }
}

// Up to 32 rows from `begin` on. One stretch of columns of the panels after the other, each with all tokens: keeping a part of
// the columns, or of the tokens, for all rows instead measured no better where the second cache overflows, and worse elsewhere.
// Of a striped matrix `begin` is where a stripe begins, and rows before `first` are not wanted.
PI_INLINE void multiply_panel(uint32_t format, const pi_matrix *w, size_t first, size_t begin, size_t end,
                              const pi_activations *x, size_t token_begin, size_t token_end, float *y, size_t stride,
                              token_tiles tiles, panel_scratch *scratch) {
  const bool striped = pi_is_striped(format);
  const size_t count = end - begin < MOST_ROWS ? end - begin : MOST_ROWS;
  const size_t panels = (count + PANEL_ROWS - 1) / PANEL_ROWS;
  const uint8_t *data = (const uint8_t *)w->data + begin * w->row_bytes;
  // In place of rows that are not there the last one is read again. A stripe has all of its rows.
  for (size_t i = 0; i < panels * PANEL_ROWS; i++) {
    scratch->rows[i] = data + (i < count || striped ? i : count - 1) * w->row_bytes;
  }
  stretch s = {.block = scratch->blocks};
  for (size_t v = 0; v < panels; v++) {
    const size_t wanted = count - v * PANEL_ROWS;
    s.rows[v] = wanted >= PANEL_ROWS ? 0xffff : (__mmask16)((1u << wanted) - 1);
  }
  if (first > begin) s.rows[0] &= (__mmask16)(0xffff << (first - begin));
  const size_t unit = pi_block_elements(format) / PI_BLOCK, blocks = w->columns / PI_BLOCK;
  // Stretches of about the same length, so that none is short.
  const size_t stretches = (blocks + PANEL_BLOCKS - 1) / PANEL_BLOCKS;
  const size_t length = ((blocks + stretches - 1) / stretches + unit - 1) / unit * unit;
  const bool in_order = striped || w->row_bytes <= IN_ORDER_BYTES;
  upcoming next = rows_after(w, begin + count, end);
  if (in_order) {
    next.bytes = next.rows * next.row_bytes;
    next.rows = 1;
  }
  for (size_t b = 0; b < blocks; b += length) {
    s.first_block = b;
    s.blocks = blocks - b < length ? blocks - b : length;
    if (!in_order) {
      const size_t from = b + length < blocks ? b + length : 0;
      next = from == 0 ? rows_after(w, begin + count, end)
                       : (upcoming){.base = data, .row_bytes = w->row_bytes, .rows = count};
      take_blocks(&next, format, from, blocks - from < length ? blocks - from : length, blocks);
    }
    // With few tokens most of the time goes into decoding, so most lines are prefetched there.
    const size_t steps = panels * s.blocks + (token_end - token_begin) / 2;
    const size_t lines = lines_of(&next, in_order ? steps * ((blocks - b + length - 1) / length) : steps);
    for (size_t v = 0; v < panels; v++) {
      decode_panel(format, scratch->rows + v * PANEL_ROWS, b, s.blocks, blocks, scratch->blocks + v, panels, &next, lines);
    }
    add_panel_stretch(panel_kind_of(format), &s, panels, x, token_begin, token_end, y + begin, stride, &next, tiles);
  }
}

#define PI_QUANTIZED(one)                                                                      \
  one(Q4_0) one(Q4_1) one(Q5_0) one(Q5_1) one(Q8_0) one(Q4_K) one(Q5_K) one(Q6_K)              \
  one(Q4_0P) one(Q4_1P) one(Q5_0P) one(Q5_1P) one(Q8_0P) one(Q4_0S) one(Q4_1S) one(Q5_0S) one(Q5_1S) one(Q8_0S)

static void multiply_panels(const pi_matrix *w, size_t row_begin, size_t row_end, const pi_activations *x,
                            size_t token_begin, size_t token_end, float *y, size_t stride, token_tiles tiles) {
  if (token_begin >= token_end) return;
  panel_scratch scratch;
  const size_t first = pi_is_striped(w->format) ? row_begin / PI_STRIPE * PI_STRIPE : row_begin;
  for (size_t r = first; r < row_end; r += PANELS * PANEL_ROWS) {
    switch (w->format) {
#define PI_CASE(name)                                                                                       \
  case PI_##name:                                                                                           \
    multiply_panel(PI_##name, w, row_begin, r, row_end, x, token_begin, token_end, y, stride, tiles, &scratch); \
    break;
      PI_QUANTIZED(PI_CASE)
#undef PI_CASE
      default: return;
    }
  }
}
