// Stripes become the same blocks again. By panels and by sixteens they give the bits that their rows give; by rows sums of their own, which depend
// neither on the other tokens nor on how rows are divided. Included by check.c.

static uint8_t *stripes(const format *f, const uint8_t *w, size_t rows, size_t columns) {
  const size_t bytes = columns / f->elements * f->bytes;
  uint8_t *p = allocate(rows * bytes);
  for (size_t r = 0; r < rows; r += PI_STRIPE) pi_make_stripe(f->format, w + r * bytes, columns, p + r * bytes);
  return p;
}

static void check_stripe_bytes(const format *f, const uint8_t *w, const uint8_t *striped, size_t rows, size_t columns) {
  const size_t bytes = columns / f->elements * f->bytes, begin = columns > 64 ? 32 : 0;
  char what[96];
  uint8_t *back = allocate(bytes), *planar = allocate(bytes);
  for (size_t r = 0; r < rows; r++) {
    const uint8_t *stripe = striped + r / PI_STRIPE * PI_STRIPE * bytes;
    const size_t lane = r % PI_STRIPE;
    pi_read_stripe(f->format, stripe, lane, columns, 0, columns, back);
    snprintf(what, sizeof what, "%s of %zu columns, row %zu of stripes and back", f->name, columns, r);
    expect(memcmp(back, w + r * bytes, bytes) == 0, "blocks", what);
    pi_read_stripe(f->format, stripe, lane, columns, begin, columns, back);
    expect(memcmp(back, w + r * bytes + begin / 32 * f->bytes, bytes - begin / 32 * f->bytes) == 0, "blocks", what);
    // Where a planar row has its last scale and its last four codes, the stripe has those of all rows.
    pi_make_planar(f->format, w + r * bytes, columns, planar);
    const size_t scale = 2 * (columns / 32 - 1);
    expect(memcmp(stripe + PI_STRIPE * scale + 2 * lane, planar + scale, 2) == 0 &&
               memcmp(stripe + PI_STRIPE * (bytes - 4) + 4 * lane, planar + bytes - 4, 4) == 0,
           "blocks", "where a stripe's parts lie");
  }
  free(back);
  free(planar);
}

static void check_stripes(const char *set, const pi_kernels *k, const pi_kernels *reference) {
  static const size_t shapes[][2] = {{16, 1}, {48, 3}, {32, 18}, {16, 33}, {32, 64}};
  static const size_t counts[] = {1, 2, 4, 7, 9, 17};
  const uint64_t before = state;
  char what[96];
  for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
    for (size_t j = 0; j < sizeof shapes / sizeof *shapes && formats[i].elements == 32; j++) {
      const format *f = &formats[i];
      const size_t rows = shapes[j][0], columns = shapes[j][1] * 32, bytes = shapes[j][1] * f->bytes;
      uint8_t *w = random_weights(f, rows, columns), *p = stripes(f, w, rows, columns);
      check_stripe_bytes(f, w, p, rows, columns);
      const pi_matrix m = {w, bytes, columns, f->format}, striped = {p, bytes, columns, f->format | PI_STRIPED};
      for (size_t c = 0; c < sizeof counts / sizeof *counts && k->has_stripes; c++) {
        const size_t count = counts[c];
        float *values = random_floats(count * columns);
        float *y = allocate(rows * count * 4), *expected = allocate(rows * count * 4), *part = allocate(rows * count * 4);
        for (size_t o = 0; o < sizeof orders / sizeof *orders && has_order(k, orders[o]); o++) {
          const uint32_t order = orders[o];
          const char *by = order_names[order];
          tokens x = make_tokens(k, values, columns, count, order);
          k->multiply(&striped, 0, rows, &x.view, 0, count, y, rows);
          snprintf(what, sizeof what, "stripes of %s %zux%zu, %zu tokens by %s", f->name, rows, columns, count, by);
          if (order != PI_BY_ROWS) {
            k->multiply(&m, 0, rows, &x.view, 0, count, expected, rows);
            expect(memcmp(y, expected, rows * count * 4) == 0, set, what);
          } else {
            tokens exact = make_tokens(reference, values, columns, count, PI_BY_ROWS);
            reference->multiply(&m, 0, rows, &exact.view, 0, count, expected, rows);
            compare_from(set, what, y, expected, rows * count, 2e-5, 0.05);
            free_tokens(exact);
            for (size_t t = 0; t < count; t++) k->multiply(&striped, 0, rows, &x.view, t, t + 1, expected, rows);
            snprintf(what, sizeof what, "stripes of %s %zux%zu, %zu tokens one by one", f->name, rows, columns, count);
            expect(memcmp(y, expected, rows * count * 4) == 0, set, what);
          }
          // Rows from the middle of a stripe to the middle of another; what lies around them stays as it is.
          const size_t begin = rows / 3, end = rows - 5;
          for (size_t n = 0; n < rows * count; n++) part[n] = 7;
          k->multiply(&striped, begin, end, &x.view, 0, count, part, rows);
          int same = 1;
          for (size_t t = 0; t < count; t++) {
            for (size_t r = 0; r < rows; r++) {
              const float wanted = r >= begin && r < end ? y[t * rows + r] : 7;
              same &= memcmp(&wanted, &part[t * rows + r], 4) == 0;
            }
          }
          snprintf(what, sizeof what, "some rows of stripes of %s %zux%zu, %zu tokens by %s", f->name, rows, columns, count, by);
          expect(same, set, what);
          free_tokens(x);
        }
        free(values);
        free(y);
        free(expected);
        free(part);
      }
      free(w);
      free(p);
    }
  }
  state = before;
}
