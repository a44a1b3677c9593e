// Planar rows give the bits that their blocks give, everywhere, and become the same blocks again. Included by check.c.

static uint8_t *planar_rows(const format *f, const uint8_t *w, size_t rows, size_t columns) {
  const size_t bytes = columns / f->elements * f->bytes;
  uint8_t *p = allocate(rows * bytes);
  for (size_t r = 0; r < rows; r++) pi_make_planar(f->format, w + r * bytes, columns, p + r * bytes);
  return p;
}

static void check_planar_bytes(const format *f, const uint8_t *w, const uint8_t *planar, size_t columns) {
  const size_t bytes = columns / f->elements * f->bytes;
  char what[96];
  uint8_t *back = allocate(bytes);
  pi_make_blocks(f->format, planar, columns, back);
  snprintf(what, sizeof what, "%s of %zu columns, planar and back", f->name, columns);
  expect(memcmp(back, w, bytes) == 0, "blocks", what);
  float *a = allocate(columns * 4), *b = allocate(columns * 4);
  pi_dequantize(f->format, w, columns, a);
  pi_dequantize(f->format | PI_PLANAR, planar, columns, b);
  snprintf(what, sizeof what, "%s of %zu columns as floats", f->name, columns);
  expect(memcmp(a, b, columns * 4) == 0, "blocks", what);
  // The scale of the last block ends the first plane, its codes end the row.
  const size_t blocks = columns / f->elements, codes = f->format == PI_Q8_0 ? 32 : 16;
  expect(memcmp(planar + 2 * (blocks - 1), w + (blocks - 1) * f->bytes, 2) == 0 &&
             memcmp(planar + bytes - codes, w + bytes - codes, codes) == 0,
         "blocks", "where a planar row's parts lie");
  free(back);
  free(a);
  free(b);
}

static void check_planar(const char *set, const pi_kernels *k) {
  static const size_t shapes[][2] = {{1, 1}, {5, 3}, {40, 18}, {23, 16}, {9, 4}, {70, 2}, {7, 33}, {33, 64}, {300, 5}, {6, 264}};
  static const size_t counts[] = {1, 2, 3, 4, 5, 8, 9, 17};
  char what[96];
  for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
    for (size_t j = 0; j < sizeof shapes / sizeof *shapes && formats[i].elements == 32; j++) {
      const format *f = &formats[i];
      const size_t rows = shapes[j][0], columns = shapes[j][1] * 32, bytes = shapes[j][1] * f->bytes;
      uint8_t *w = random_weights(f, rows, columns), *p = planar_rows(f, w, rows, columns);
      const pi_matrix m = {w, bytes, columns, f->format}, planar = {p, bytes, columns, f->format | PI_PLANAR};
      check_planar_bytes(f, w, p, columns);
      for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
        const size_t count = counts[c];
        float *values = random_floats(count * columns);
        float *y = allocate(rows * count * 4), *expected = allocate(rows * count * 4);
        uint32_t *list = allocate(rows * 4);
        for (size_t r = 0; r < rows; r++) list[r] = random_word() % (uint32_t)rows;
        for (size_t o = 0; o < sizeof orders / sizeof *orders && has_order(k, orders[o]); o++) {
          const uint32_t order = orders[o];
          tokens x = make_tokens(k, values, columns, count, order);
          k->multiply(&m, 0, rows, &x.view, 0, count, expected, rows);
          k->multiply(&planar, 0, rows, &x.view, 0, count, y, rows);
          snprintf(what, sizeof what, "planar %s %zux%zu, %zu tokens by %s", f->name, rows, columns, count,
                   order_names[order]);
          expect(memcmp(y, expected, rows * count * 4) == 0, set, what);
          if (order != PI_BY_PANELS) {
            k->multiply_listed(&m, list, rows, &x.view, 0, count, expected, rows);
            k->multiply_listed(&planar, list, rows, &x.view, 0, count, y, rows);
            snprintf(what, sizeof what, "planar %s %zux%zu, listed, %zu tokens", f->name, rows, columns, count);
            expect(memcmp(y, expected, rows * count * 4) == 0, set, what);
          }
          free_tokens(x);
        }
        float *h = random_floats(rows * count), *sums = random_floats(columns * count), *own = allocate(columns * count * 4);
        for (size_t n = 0; n < rows * count; n++) h[n] = random_word() % 4 == 0 ? h[n] : 0;
        memcpy(own, sums, columns * count * 4);
        const size_t begin = columns > 64 ? 64 : 0;
        k->accumulate_rows(&m, rows, h, rows, 0, count, begin, columns, sums, columns);
        k->accumulate_rows(&planar, rows, h, rows, 0, count, begin, columns, own, columns);
        snprintf(what, sizeof what, "accumulate planar %s %zux%zu, %zu tokens", f->name, rows, columns, count);
        expect(memcmp(own, sums, columns * count * 4) == 0, set, what);
        k->accumulate_listed(&m, list, rows, h, sums);
        k->accumulate_listed(&planar, list, rows, h, own);
        snprintf(what, sizeof what, "accumulate planar %s %zux%zu, listed", f->name, rows, columns);
        expect(memcmp(own, sums, columns * 4) == 0, set, what);
        free(h);
        free(sums);
        free(own);
        free(list);
        free(values);
        free(y);
        free(expected);
      }
      free(w);
      free(p);
    }
  }
}
