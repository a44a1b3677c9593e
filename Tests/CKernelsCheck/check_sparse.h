// The loops over neurons that fire. Included by check.c.

static void expect(int holds, const char *set, const char *what) {
  if (holds) {
    passed++;
  } else {
    failed++;
    printf("FAILED %s %s\n", set, what);
  }
}

// A product with listed rows is the product with all rows, picked: the same bits, and nothing else is written.
static void check_listed_by(const char *set, const pi_kernels *k, uint32_t order, size_t most) {
  static const size_t shapes[][2] = {{1, 1}, {5, 3}, {40, 18}, {23, 16}, {9, 4}, {70, 2}, {7, 33}, {300, 5}, {6, 264}, {6, 600}};
  static const size_t counts[] = {0, 1, 3, 4, 5, 17, 64};
  char what[96];
  for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
    for (size_t j = 0; j < sizeof shapes / sizeof *shapes; j++) {
      const format *f = &formats[i];
      const size_t rows = shapes[j][0], units = f->elements == 256 && shapes[j][1] > 64 ? shapes[j][1] / 8 : shapes[j][1];
      const size_t columns = f->elements == 1 ? units * 11 + 2 : units * f->elements;
      uint8_t *w = random_weights(f, rows, columns);
      const pi_matrix m = {w, columns / f->elements * f->bytes, columns, f->format};
      float *values = random_floats(most * columns);
      values[columns - 1] = j == 2 ? NAN : values[columns - 1];
      tokens x = make_tokens(k, values, columns, most, order);
      for (size_t count = 1; count <= most; count++) {
        float *all = allocate(rows * count * 4);
        k->multiply(&m, 0, rows, &x.view, 0, count, all, rows);
        // Every row ascending, then random rows, some of them several times.
        for (size_t n = 0; n <= sizeof counts / sizeof *counts; n++) {
          const size_t listed = n == 0 ? rows : counts[n - 1], stride = listed + 3;
          uint32_t *list = allocate(listed * 4);
          for (size_t e = 0; e < listed; e++) list[e] = n == 0 ? (uint32_t)e : random_word() % (uint32_t)rows;
          float *y = allocate(stride * count * 4), *expected = allocate(stride * count * 4);
          for (size_t e = 0; e < stride * count; e++) y[e] = expected[e] = 123;
          for (size_t t = 0; t < count; t++) {
            for (size_t e = 0; e < listed; e++) expected[t * stride + e] = all[t * rows + list[e]];
          }
          k->multiply_listed(&m, list, listed, &x.view, 0, count, y, stride);
          snprintf(what, sizeof what, "%zu listed of %s %zux%zu, %zu tokens", listed, f->name, rows, columns, count);
          expect(memcmp(y, expected, stride * count * 4) == 0, set, what);
          free(list);
          free(y);
          free(expected);
        }
        free(all);
      }
      free_tokens(x);
      free(values);
      free(w);
    }
  }
}

static void check_listed(const char *set, const pi_kernels *k) {
  check_listed_by(set, k, PI_BY_ROWS, 5);
  if (k->sixteen_tokens == 0) return;
  const uint64_t before = state;
  check_listed_by(set, k, PI_BY_SIXTEENS, 9);
  state = before;
}

static int kept_by(uint32_t rule, float v, float threshold) {
  if (isnan(v) || isnan(threshold)) return 1;
  return rule == PI_KEEP_FROM ? v >= threshold : rule == PI_KEEP_ABOVE ? v > threshold : fabsf(v) >= threshold;
}

static void check_selection(const char *set, const pi_kernels *k) {
  static const float odd[] = {NAN, -NAN, INFINITY, -INFINITY, 0.0f, -0.0f, 0.5f, -0.5f, 1e-41f, -1e-41f};
  static const float thresholds[] = {0.0f, 0.5f, -0.5f, 1e-41f, INFINITY, -INFINITY, NAN};
  const size_t sizes[] = {0, 1, 3, 4, 5, 15, 16, 17, 31, 33, 100, 513};
  char what[96];
  for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
    for (size_t i = 0; i < 3 * sizeof thresholds / sizeof *thresholds; i++) {
      for (int variant = 0; variant < 4; variant++) {
        const size_t n = sizes[s];
        const uint32_t rule = i % 3, first = 1000;
        const float threshold = thresholds[i / 3];
        const int listed = variant != 0, in_place = variant == 2, wants_values = variant != 3;
        float *values = random_floats(n), *expected_values = allocate(n * 4);
        uint32_t *list = allocate(n * 4), *expected = allocate(n * 4);
        size_t count = 0;
        for (size_t e = 0; e < n; e++) {
          if (random_word() % 3 == 0) values[e] = odd[random_word() % 10];
          list[e] = random_word();
          if (!kept_by(rule, values[e], threshold)) continue;
          expected[count] = listed ? list[e] : first + (uint32_t)e;
          expected_values[count++] = values[e];
        }
        uint32_t *kept = in_place ? list : allocate(n * 4);
        float *kept_values = in_place ? values : allocate(n * 4);
        const size_t found = k->select(values, listed ? list : NULL, first, n, rule, threshold, kept,
                                       wants_values ? kept_values : NULL);
        snprintf(what, sizeof what, "select %zu by rule %u, threshold %g, variant %d", n, rule, threshold, variant);
        expect(found == count && memcmp(kept, expected, count * 4) == 0 &&
                   (!wants_values || memcmp(kept_values, expected_values, count * 4) == 0), set, what);
        if (!in_place) free(kept), free(kept_values);
        free(values);
        free(expected_values);
        free(list);
        free(expected);
      }
    }
  }
}

static void check_sparse(const char *set, const pi_kernels *k) {
  check_listed(set, k);
  check_selection(set, k);
  for (size_t n = 0; n < 70; n += 3) {
    float *a = random_floats(n), *b = random_floats(n), *e = allocate(n * 4);
    for (size_t i = 0; i < n; i++) e[i] = a[i] * b[i];
    k->multiply_elements(a, b, a, n);
    expect(memcmp(a, e, n * 4) == 0, set, "multiply_elements");
    free(a);
    free(b);
    free(e);
  }
}
