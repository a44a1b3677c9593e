// Products by panels with AMX: a block of a panel is a tile of weights as it lies, sixteen tokens' codes of the block are a
// tile of activations. Only the integer dot products differ from those of avx512_panels.h, and they are exact: results are the
// same bits. Tokens beyond a multiple of sixteen are left to it.

enum { TILE_ROWS = 16 };  // tokens of a tile

// Tiles 0 and 1 hold dot products, 2 and 3 codes of tokens, 4 and 5 of weights: two of each, so that one block's need not wait
// for the other's. `parts` of a block are multiplied one by one.
static tile_shapes shapes_of(size_t parts) {
  tile_shapes shapes = {.palette = 1};
  for (size_t i = 0; i < 2; i++) {
    shapes.rows[i] = shapes.rows[2 + i] = TILE_ROWS;
    shapes.row_bytes[i] = shapes.row_bytes[4 + i] = 64;
    shapes.row_bytes[2 + i] = (uint16_t)(PI_BLOCK / parts);
    shapes.rows[4 + i] = (uint8_t)(8 / parts);
  }
  return shapes;
}

// Dot products of one part of a block with sixteen tokens, dots[token][row]. A distance of zero fills all rows of a tile with
// the same sixteen numbers.
#define PI_DOTS(which, block, part, parts, token_codes, code_stride, dots)          \
  do {                                                                              \
    tile_load(which, (block)->start + (part), 0);                                   \
    tile_load(2 + which, (token_codes) + (part) * PI_BLOCK / (parts), code_stride); \
    tile_load(4 + which, (block)->codes + (part) * 8 / (parts), 64);                \
    tile_multiply(which, 2 + which, 4 + which);                                     \
    tile_store(which, dots, 64);                                                    \
  } while (0)

PI_INLINE void add_dots(const __m512i *dots, __m512 scale, const float *factors, size_t block_stride, __m512 *sum) {
  PI_UNROLL
  for (size_t t = 0; t < TILE_ROWS; t++) {
    const __m512 product = _mm512_mul_ps(_mm512_cvtepi32_ps(dots[t]), scale);
    sum[t] = _mm512_fmadd_ps(product, _mm512_set1_ps(factors[t * block_stride]), sum[t]);
  }
}

PI_INLINE void add_minima(__m512 minimum, const float *sums, size_t block_stride, __m512 *sum) {
  PI_UNROLL
  for (size_t t = 0; t < TILE_ROWS; t++) {
    sum[t] = _mm512_fmadd_ps(minimum, _mm512_set1_ps(sums[t * 3 * block_stride]), sum[t]);
  }
}

// One stretch of one panel, whose blocks lie `step` entries apart, with the sixteen tokens from `token` on.
PI_INLINE void amx_tokens(panel_kind kind, const stretch *s, const panel_block *block, size_t step, __mmask16 rows,
                          const pi_activations *x, size_t token, float *y, size_t stride) {
  const uint8_t *codes = (const uint8_t *)x->codes + token * x->code_stride + s->first_block * PI_BLOCK;
  const float *factors = x->scales + token * x->block_stride + s->first_block;
  const float *sums = x->sums + token * 3 * x->block_stride + s->first_block;
  __m512i dots[2][TILE_ROWS];
  __m512 sum[TILE_ROWS];
  y += token * stride;
  PI_UNROLL
  for (size_t t = 0; t < TILE_ROWS; t++) {
    sum[t] = s->first_block == 0 ? _mm512_setzero_ps() : _mm512_maskz_loadu_ps(rows, y + t * stride);
  }
  for (size_t b = 0; b < s->blocks; b++) {
    if (kind == PANEL_HALVES) {
      PI_DOTS(0, block, 0, 2, codes, x->code_stride, dots[0]);
      PI_DOTS(1, block, 1, 2, codes, x->code_stride, dots[1]);
      add_dots(dots[0], block->scale[0], factors, x->block_stride, sum);
      add_dots(dots[1], block->scale[1], factors, x->block_stride, sum);
    } else {
      const bool two = b + 1 < s->blocks;
      const panel_block *next = block + step;
      PI_DOTS(0, block, 0, 1, codes, x->code_stride, dots[0]);
      if (two) PI_DOTS(1, next, 0, 1, codes + PI_BLOCK, x->code_stride, dots[1]);
      add_dots(dots[0], block->scale[0], factors, x->block_stride, sum);
      if (kind == PANEL_MINIMA) add_minima(block->minimum, sums, x->block_stride, sum);
      if (!two) break;
      add_dots(dots[1], next->scale[0], factors + 1, x->block_stride, sum);
      if (kind == PANEL_MINIMA) add_minima(next->minimum, sums + 1, x->block_stride, sum);
      b++;
      block += step;
      codes += PI_BLOCK;
      factors++;
      sums++;
    }
    block += step;
    codes += PI_BLOCK;
    factors++;
    sums++;
  }
  PI_UNROLL
  for (size_t t = 0; t < TILE_ROWS; t++) _mm512_mask_storeu_ps(y + t * stride, rows, sum[t]);
}

// The tokens that fill tiles; returns the first that does not.
#define PI_AMX_STRETCH(kind)                                                                                          \
  static __attribute__((noinline)) size_t amx_stretch_##kind(const stretch *s, size_t panels,                         \
                                                             const pi_activations *x, size_t token, size_t token_end, \
                                                             float *y, size_t stride, upcoming *next) {               \
    const size_t lines = lines_of(next, (token_end - token) / TILE_ROWS);                                             \
    for (; token_end - token >= TILE_ROWS; token += TILE_ROWS) {                                                      \
      ask_for(next, lines);                                                                                           \
      for (size_t v = 0; v < panels; v++) {                                                                           \
        amx_tokens(kind, s, s->block + v, panels, s->rows[v], x, token, y + v * PANEL_ROWS, stride);                  \
      }                                                                                                               \
    }                                                                                                                 \
    return token;                                                                                                     \
  }
PI_AMX_STRETCH(PANEL_SCALED)
PI_AMX_STRETCH(PANEL_MINIMA)
PI_AMX_STRETCH(PANEL_HALVES)
#undef PI_AMX_STRETCH

static size_t amx_stretch(panel_kind kind, const stretch *s, size_t panels, const pi_activations *x, size_t token,
                          size_t token_end, float *y, size_t stride, upcoming *next) {
  switch (kind) {
    case PANEL_SCALED: return amx_stretch_PANEL_SCALED(s, panels, x, token, token_end, y, stride, next);
    case PANEL_MINIMA: return amx_stretch_PANEL_MINIMA(s, panels, x, token, token_end, y, stride, next);
    default: return amx_stretch_PANEL_HALVES(s, panels, x, token, token_end, y, stride, next);
  }
}

static void amx_multiply(const pi_matrix *w, size_t row_begin, size_t row_end, const pi_activations *x,
                         size_t token_begin, size_t token_end, float *y, size_t stride) {
  if (pi_is_float(w->format) || x->order != PI_BY_PANELS || token_end - token_begin < TILE_ROWS) {
    avx512_multiply_with_bf16(w, row_begin, row_end, x, token_begin, token_end, y, stride);
    return;
  }
  // The tiles belong to the thread, and a thread that holds them costs more to suspend.
  const tile_shapes shapes = shapes_of(panel_kind_of(w->format) == PANEL_HALVES ? 2 : 1);
  tile_configure(&shapes);
  multiply_panels(w, row_begin, row_end, x, token_begin, token_end, y, stride, amx_stretch);
  tile_release();
}
