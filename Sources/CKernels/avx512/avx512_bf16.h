// Products of BF16 rows with many tokens, by panels: pairs of columns lie in a lane, lanes are rows. The tokens' floats are
// rounded to BF16, and denormals count as zero, as the instruction has it. For every (row, token): the pairs in ascending order
// into one accumulator, however rows and tokens are divided.

enum {
  PAIR_STEPS = 64,  // pairs of columns of one stretch: four panels of it, 16 KiB, stay in the first cache
  PAIR_PANELS = 4,
  PAIR_TOKENS = 6,
};

typedef struct {
  __m512i weights[PAIR_STEPS][PAIR_PANELS];  // a lane holds two columns of a row
  uint32_t tokens[PAIR_TOKENS][PAIR_STEPS] __attribute__((aligned(64)));
} pair_scratch;

// 16 rows over `columns` columns from column `c` on, zero up to a multiple of eight.
PI_INLINE void read_pairs(const uint8_t *const *rows, size_t c, size_t columns, pair_scratch *out, size_t panel) {
  size_t i = 0;
  __m512i v[4];
  for (; i + 8 <= columns; i += 8) {
    read_sixteen(rows, 2 * (c + i), v);
    for (size_t j = 0; j < 4; j++) out->weights[i / 2 + j][panel] = v[j];
  }
  if (i == columns) return;
  uint8_t rest[PANEL_ROWS][16] = {{0}};
  const uint8_t *rest_rows[PANEL_ROWS];
  for (size_t r = 0; r < PANEL_ROWS; r++) {
    memcpy(rest[r], rows[r] + 2 * (c + i), 2 * (columns - i));
    rest_rows[r] = rest[r];
  }
  read_sixteen(rest_rows, 0, v);
  for (size_t j = 0; j < 4; j++) out->weights[i / 2 + j][panel] = v[j];
}

// Zero up to a multiple of 32 columns.
PI_INLINE void round_token(const float *x, size_t columns, uint32_t *out) {
  for (size_t i = 0; i < columns; i += 32) {
    const size_t left = columns - i;
    const __mmask16 low = left >= 16 ? 0xffff : (__mmask16)((1u << left) - 1);
    const __mmask16 high = left >= 32 ? 0xffff : left <= 16 ? 0 : (__mmask16)((1u << (left - 16)) - 1);
    const __m512bh v = _mm512_cvtne2ps_pbh(_mm512_maskz_loadu_ps(high, x + i + 16), _mm512_maskz_loadu_ps(low, x + i));
    memcpy(out + i / 2, &v, 64);
  }
}

// One stretch of `panels` panels with `tokens` tokens (constants). The sums are in y, unless it is the first.
PI_INLINE void pair_tile(const pair_scratch *s, size_t steps, bool first, size_t panels, size_t tokens,
                         const __mmask16 *rows, float *y, size_t stride) {
  __m512 sum[PAIR_PANELS * PAIR_TOKENS];
  PI_UNROLL
  for (size_t t = 0; t < tokens; t++) {
    PI_UNROLL
    for (size_t v = 0; v < panels; v++) {
      sum[t * panels + v] = first ? _mm512_setzero_ps() : _mm512_maskz_loadu_ps(rows[v], y + t * stride + v * PANEL_ROWS);
    }
  }
  for (size_t k = 0; k < steps; k++) {
    PI_UNROLL
    for (size_t t = 0; t < tokens; t++) {
      const __m512bh pair = (__m512bh)_mm512_set1_epi32((int)s->tokens[t][k]);
      PI_UNROLL
      for (size_t v = 0; v < panels; v++) {
        sum[t * panels + v] = _mm512_dpbf16_ps(sum[t * panels + v], (__m512bh)s->weights[k][v], pair);
      }
    }
  }
  PI_UNROLL
  for (size_t t = 0; t < tokens; t++) {
    PI_UNROLL
    for (size_t v = 0; v < panels; v++) {
      _mm512_mask_storeu_ps(y + t * stride + v * PANEL_ROWS, rows[v], sum[t * panels + v]);
    }
  }
}

// `panels` panels (a constant) of rows from `begin` on, `count` rows of them wanted, with all tokens.
PI_INLINE void multiply_pairs(const pi_matrix *w, size_t begin, size_t count, size_t end, size_t panels,
                              const pi_activations *x, size_t token_begin, size_t token_end, float *y, size_t stride,
                              pair_scratch *s) {
  const uint8_t *data = (const uint8_t *)w->data + begin * w->row_bytes;
  const uint8_t *pointers[PAIR_PANELS * PANEL_ROWS];
  __mmask16 rows[PAIR_PANELS];
  // In place of rows that are not there the last one is read again.
  for (size_t i = 0; i < panels * PANEL_ROWS; i++) pointers[i] = data + (i < count ? i : count - 1) * w->row_bytes;
  for (size_t v = 0; v < panels; v++) {
    const size_t wanted = count - v * PANEL_ROWS;
    rows[v] = wanted >= PANEL_ROWS ? 0xffff : (__mmask16)((1u << wanted) - 1);
  }
  const size_t tiles = (token_end - token_begin + PAIR_TOKENS - 1) / PAIR_TOKENS;
  for (size_t c = 0; c < w->columns; c += 2 * PAIR_STEPS) {
    const size_t left = w->columns - c, columns = left < 2 * PAIR_STEPS ? left : 2 * PAIR_STEPS;
    const size_t steps = (columns + 1) / 2;
    for (size_t v = 0; v < panels; v++) read_pairs(pointers + v * PANEL_ROWS, c, columns, s, v);
    upcoming next = {.base = data, .row_bytes = w->row_bytes, .rows = count, .from = 2 * (c + columns)};
    if (columns == left) {
      const size_t more = end - begin - count;
      next.base += count * w->row_bytes;
      next.rows = more < PAIR_PANELS * PANEL_ROWS ? more : PAIR_PANELS * PANEL_ROWS;
      next.from = 0;
    }
    next.bytes = w->row_bytes - next.from < 4 * PAIR_STEPS ? w->row_bytes - next.from : 4 * PAIR_STEPS;
    const size_t lines = lines_of(&next, tiles);
    size_t token = token_begin;
#define PI_TILES(tokens_of_tile)                                                                                       \
  for (; token_end - token >= (tokens_of_tile); token += (tokens_of_tile)) {                                           \
    ask_for(&next, lines);                                                                                             \
    for (size_t t = 0; t < (tokens_of_tile); t++) {                                                                    \
      round_token(x->values + (token + t) * x->columns + c, columns, s->tokens[t]);                                    \
    }                                                                                                                  \
    pair_tile(s, steps, c == 0, panels, (tokens_of_tile), rows, y + token * stride + begin, stride);                   \
  }
    PI_TILES(6)
    PI_TILES(3)
    PI_TILES(1)
#undef PI_TILES
  }
}

static void bf16_panels(const pi_matrix *w, size_t row_begin, size_t row_end, const pi_activations *x, size_t token_begin,
                        size_t token_end, float *y, size_t stride) {
  pair_scratch scratch;
  for (size_t r = row_begin; r < row_end;) {
    const size_t left = row_end - r;
    const size_t panels = left > 2 * PANEL_ROWS ? 4 : left > PANEL_ROWS ? 2 : 1;
    const size_t count = left < panels * PANEL_ROWS ? left : panels * PANEL_ROWS;
#define PI_CASE(constant)                                                                                     \
  case constant:                                                                                              \
    multiply_pairs(w, r, count, row_end, constant, x, token_begin, token_end, y, stride, &scratch);           \
    break;
    switch (panels) {
      PI_CASE(1)
      PI_CASE(2)
      PI_CASE(4)
    }
#undef PI_CASE
    r += count;
  }
}

static void avx512_multiply_with_bf16(const pi_matrix *w, size_t row_begin, size_t row_end, const pi_activations *x,
                                      size_t token_begin, size_t token_end, float *y, size_t stride) {
  if (x->order == PI_BY_PANELS && w->format == PI_BF16) {
    bf16_panels(w, row_begin, row_end, x, token_begin, token_end, y, stride);
  } else {
    avx512_multiply(w, row_begin, row_end, x, token_begin, token_end, y, stride);
  }
}
