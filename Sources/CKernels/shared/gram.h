// Second moments: what the columns of a batch have in common. Written over the vectors of plain.h.

enum { GRAM_ROWS = 6, GRAM_VECTORS = 2 };

// rows <= GRAM_ROWS rows from `i`, and GRAM_VECTORS vectors of columns from `j`, of which there are `count`.
PI_INLINE void gram_tile(const float *x, size_t stride, size_t tokens, size_t i, size_t rows, size_t j, size_t count,
                         float *h, size_t columns) {
  vf sum[GRAM_ROWS][GRAM_VECTORS] = {{{0}}};
  const int whole = count == GRAM_VECTORS * PI_LANES;
  for (size_t t = 0; t < tokens; t++) {
    const float *token = x + t * stride;
    float part[GRAM_VECTORS * PI_LANES] = {0};
    const float *from = token + j;
    if (!whole) {
      memcpy(part, from, count * 4);
      from = part;
    }
    vf value[GRAM_VECTORS];
    for (size_t v = 0; v < GRAM_VECTORS; v++) value[v] = load(from + v * PI_LANES);
    for (size_t r = 0; r < rows; r++) {
      for (size_t v = 0; v < GRAM_VECTORS; v++) sum[r][v] += splat(token[i + r]) * value[v];
    }
  }
  for (size_t r = 0; r < rows; r++) {
    float *to = h + (i + r) * columns + j;
    if (whole) {
      for (size_t v = 0; v < GRAM_VECTORS; v++) store(to + v * PI_LANES, load(to + v * PI_LANES) + sum[r][v]);
    } else {
      float part[GRAM_VECTORS * PI_LANES];
      memcpy(part, sum[r], sizeof part);
      for (size_t c = 0; c < count; c++) to[c] += part[c];
    }
  }
}

static void PI_NAME(accumulate_gram)(const float *x, size_t stride, size_t tokens, size_t columns, size_t row_begin,
                                     size_t row_end, float *h) {
  const size_t step = GRAM_VECTORS * PI_LANES;
  // A strip of columns stays in the first-level cache while the rows walk along it.
  for (size_t j = 0; j < columns; j += step) {
    const size_t count = columns - j < step ? columns - j : step;
    size_t i = row_begin;
    const size_t end = row_end < j + count ? row_end : j + count;
    for (; i + GRAM_ROWS <= end; i += GRAM_ROWS) gram_tile(x, stride, tokens, i, GRAM_ROWS, j, count, h, columns);
    for (; i < end; i++) gram_tile(x, stride, tokens, i, 1, j, count, h, columns);
  }
}
