// Products with many tokens. The codes of a few groups of PI_LANES rows are written into scratch once, interleaved so
// that the lanes of a vector are rows, and multiplied with all tokens: no sum over lanes, and no decoding per token.
// Beside what blockwise.h asks for, the including file defines
//   PANEL_GROUPS, PANEL_TOKENS       groups of rows and tokens of the largest tile
//   PANEL_FROM_TOKENS                tokens from which panels are faster
//   PANEL_CODE_BYTES                 most bytes that a group's block of codes takes
//   panel_dot                        a vector of PI_LANES integers
//   panel_kind(format)               a format whose tiles are the same code
//   panel_code_bytes(kind)           bytes that a group's block of codes takes
//   panel_offset(format)             what the codes in a panel are above those they stand for, 0 where there are minima
//   panel_has_bias(kind)             whether minima or offsets are to be added
//   write_panel_codes(format, rows, b, all, p)  block b of PI_LANES rows of `all` blocks
//   panel_dots(kind, p, groups, codes, stride, tokens, from, to, dot)
//       the products of steps from..<to, four columns each: dot[g * tokens + t]
// For every (row, token), blocks are added in ascending order: products first, then the bias.

enum {
  PANEL_BLOCKS = 32,  // in a stretch of columns; with its scales, and four tokens' codes, it stays in the first cache
  PANEL_ROWS = PANEL_GROUPS * PI_LANES,
};

typedef struct {
  uint8_t codes[PANEL_BLOCKS * PANEL_GROUPS * PANEL_CODE_BYTES] __attribute__((aligned(64)));
  // [blocks, rows]; of Q6_K, `scale` and `bias` belong to the first half of a block.
  float scale[PANEL_BLOCKS * PANEL_ROWS] __attribute__((aligned(64)));
  float bias[PANEL_BLOCKS * PANEL_ROWS] __attribute__((aligned(64)));
  float second_scale[PANEL_BLOCKS * PANEL_ROWS] __attribute__((aligned(64)));
  float second_bias[PANEL_BLOCKS * PANEL_ROWS] __attribute__((aligned(64)));
} panel;

// Lane j of vector i goes to lane i of vector j: each round interleaves the two halves of the vectors.
PI_INLINE void transpose(vf *v) {
  PI_UNROLL
  for (size_t round = 1; round < PI_LANES; round *= 2) {
    vf next[PI_LANES];
    PI_UNROLL
    for (size_t i = 0; i < PI_LANES / 2; i++) {
      const vf a = v[i], b = v[i + PI_LANES / 2];
#if PI_LANES == 8
      next[2 * i] = __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
      next[2 * i + 1] = __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
#else
      next[2 * i] = __builtin_shufflevector(a, b, 0, 4, 1, 5);
      next[2 * i + 1] = __builtin_shufflevector(a, b, 2, 6, 3, 7);
#endif
    }
    memcpy(v, next, sizeof next);
  }
}

// A panel's [blocks, rows] of one group, at `scale` and `bias`, from what PI_LANES rows have.
PI_INLINE void write_panel_scales(const float (*values)[PANEL_BLOCKS], const float (*minima)[PANEL_BLOCKS], float offset,
                                  size_t blocks, float *scale, float *bias) {
  for (size_t b = 0; b < blocks; b += PI_LANES) {
    vf v[PI_LANES], m[PI_LANES];
    PI_UNROLL
    for (size_t i = 0; i < PI_LANES; i++) v[i] = load(values[i] + b);
    transpose(v);
    if (minima) {
      PI_UNROLL
      for (size_t i = 0; i < PI_LANES; i++) m[i] = load(minima[i] + b);
      transpose(m);
    }
    for (size_t i = 0; i < PI_LANES && b + i < blocks; i++) {
      store(scale + (b + i) * PANEL_ROWS, v[i]);
      store(bias + (b + i) * PANEL_ROWS, minima ? m[i] : v[i] * -offset);
    }
  }
}

// Fills the groups that `count` rows of `all` blocks need. Past the last row, it is repeated.
PI_INLINE void write_panel(uint32_t format, const uint8_t *first, size_t row_bytes, size_t count, size_t begin,
                           size_t blocks, size_t all, panel *out) {
  const size_t groups = (count + PI_LANES - 1) / PI_LANES, bytes = panel_code_bytes(panel_kind(format));
  const float offset = panel_offset(format);
  for (size_t g = 0; g < groups; g++) {
    const uint8_t *rows[PI_LANES];
    float scale[PI_LANES][PANEL_BLOCKS], more[PI_LANES][PANEL_BLOCKS];
    for (size_t i = 0; i < PI_LANES; i++) {
      const size_t r = g * PI_LANES + i;
      rows[i] = first + (r < count ? r : count - 1) * row_bytes;
      read_scales(format, rows[i], begin, blocks, all, scale[i], more[i]);
    }
    const size_t at = g * PI_LANES;
    write_panel_scales(scale, has_minima(format) ? more : NULL, offset, blocks, out->scale + at, out->bias + at);
    if (format == PI_Q6_K) {
      write_panel_scales(more, NULL, offset, blocks, out->second_scale + at, out->second_bias + at);
    }
    for (size_t b = 0; b < blocks; b++) {
      write_panel_codes(format, rows, begin + b, all, out->codes + (b * PANEL_GROUPS + g) * bytes);
    }
  }
}

PI_INLINE void add_dots(uint32_t kind, const panel_dot *dot, size_t groups, size_t tokens, const float *scale,
                        const float *bias, const float *factors, const float *sums, size_t stride, vf *total) {
  PI_UNROLL
  for (size_t t = 0; t < tokens; t++) {
    const float factor = factors[t * stride];
    PI_UNROLL
    for (size_t g = 0; g < groups; g++) {
      const size_t i = g * tokens + t;
      total[i] += __builtin_convertvector((vi)dot[i], vf) * (load(scale + g * PI_LANES) * factor);
      if (panel_has_bias(kind)) total[i] += load(bias + g * PI_LANES) * sums[3 * t * stride];
    }
  }
}

typedef struct {
  const panel *weights;
  const pi_activations *x;
  size_t begin, blocks;  // the stretch
  size_t rows;           // that exist
  size_t stride;         // of y
} panel_task;

// A tile of groups by tokens (constants) over the stretch, added to y.
PI_INLINE void panel_tile(uint32_t kind, const panel_task *task, size_t groups, size_t token, size_t tokens, float *y) {
  const panel *w = task->weights;
  const pi_activations *x = task->x;
  const size_t code_stride = x->code_stride, stride = x->block_stride, rows = task->rows;
  const size_t bytes = panel_code_bytes(kind);
  vf total[PANEL_GROUPS * PANEL_TOKENS];
  PI_UNROLL
  for (size_t t = 0; t < tokens; t++) {
    PI_UNROLL
    for (size_t g = 0; g < groups; g++) {
      const size_t left = rows - g * PI_LANES;
      const float *p = y + t * task->stride + g * PI_LANES;
      total[g * tokens + t] = task->begin == 0 ? (vf){0} : left >= PI_LANES ? load(p) : load_part(p, left, 0);
    }
  }
  const int8_t *codes = x->codes + token * code_stride + task->begin * PI_BLOCK;
  const float *factors = x->scales + token * stride + task->begin;
  const float *sums = x->sums + token * 3 * stride + task->begin;
  for (size_t b = 0; b < task->blocks; b++) {
    const uint8_t *p = w->codes + b * PANEL_GROUPS * bytes;
    const float *scale = w->scale + b * PANEL_ROWS, *bias = w->bias + b * PANEL_ROWS;
    panel_dot dot[PANEL_GROUPS * PANEL_TOKENS];
    if (kind == PI_Q6_K) {
      panel_dots(kind, p, groups, codes, code_stride, tokens, 0, 4, dot);
      add_dots(kind, dot, groups, tokens, scale, bias, factors, sums + stride, stride, total);
      panel_dots(kind, p, groups, codes, code_stride, tokens, 4, 8, dot);
      add_dots(kind, dot, groups, tokens, w->second_scale + b * PANEL_ROWS, w->second_bias + b * PANEL_ROWS, factors,
               sums + 2 * stride, stride, total);
    } else {
      panel_dots(kind, p, groups, codes, code_stride, tokens, 0, 8, dot);
      add_dots(kind, dot, groups, tokens, scale, bias, factors, sums, stride, total);
    }
    codes += PI_BLOCK;
    factors += 1;
    sums += 1;
  }
  PI_UNROLL
  for (size_t t = 0; t < tokens; t++) {
    PI_UNROLL
    for (size_t g = 0; g < groups; g++) {
      const size_t left = rows - g * PI_LANES;
      float *p = y + t * task->stride + g * PI_LANES;
      if (left >= PI_LANES) {
        store(p, total[g * tokens + t]);
      } else {
        memcpy(p, &total[g * tokens + t], left * 4);
      }
    }
  }
}

PI_INLINE void panel_tiles(uint32_t kind, const panel_task *task, size_t token, size_t token_end, float *y) {
  for (; token_end - token >= PANEL_TOKENS; token += PANEL_TOKENS) {
    if (task->rows > PI_LANES) {
      panel_tile(kind, task, PANEL_GROUPS, token, PANEL_TOKENS, y + token * task->stride);
    } else {
      panel_tile(kind, task, 1, token, PANEL_TOKENS, y + token * task->stride);
    }
  }
  for (; token < token_end; token++) {
    if (task->rows > PI_LANES) {
      panel_tile(kind, task, PANEL_GROUPS, token, 1, y + token * task->stride);
    } else {
      panel_tile(kind, task, 1, token, 1, y + token * task->stride);
    }
  }
}

// One copy per kind of format; formats of a kind share it.
#define PI_TILES(name)                                                                                            \
  static void panel_tiles_##name(const panel_task *task, size_t token, size_t token_end, float *y) {              \
    if (panel_kind(PI_##name) == PI_##name) panel_tiles(PI_##name, task, token, token_end, y);                    \
  }
PI_TILES(Q4_0)
PI_TILES(Q4_1)
PI_TILES(Q5_0)
PI_TILES(Q5_1)
PI_TILES(Q8_0)
PI_TILES(Q4_K)
PI_TILES(Q5_K)
PI_TILES(Q6_K)
#undef PI_TILES

PI_INLINE void any_panel_tiles(uint32_t format, const panel_task *task, size_t token, size_t token_end, float *y) {
  switch (panel_kind(format)) {
#define PI_CASE(name) \
  case PI_##name: panel_tiles_##name(task, token, token_end, y); return;
    PI_CASE(Q4_0)
    PI_CASE(Q4_1)
    PI_CASE(Q5_0)
    PI_CASE(Q5_1)
    PI_CASE(Q8_0)
    PI_CASE(Q4_K)
    PI_CASE(Q5_K)
    PI_CASE(Q6_K)
#undef PI_CASE
    default: return;
  }
}

PI_INLINE void multiply_panels(uint32_t format, const pi_matrix *w, size_t row_begin, size_t row_end,
                               const pi_activations *x, size_t token_begin, size_t token_end, float *y, size_t stride) {
  const size_t all = x->columns / PI_BLOCK;
  panel scratch;
  for (size_t r = row_begin; r < row_end; r += PANEL_ROWS) {
    const size_t count = row_end - r < PANEL_ROWS ? row_end - r : PANEL_ROWS;
    for (size_t begin = 0; begin < all; begin += PANEL_BLOCKS) {
      const size_t blocks = all - begin < PANEL_BLOCKS ? all - begin : PANEL_BLOCKS;
      write_panel(format, (const uint8_t *)w->data + r * w->row_bytes, w->row_bytes, count, begin, blocks, all, &scratch);
      const panel_task task = {&scratch, x, begin, blocks, count, stride};
      any_panel_tiles(format, &task, token_begin, token_end, y + r);
    }
  }
}
