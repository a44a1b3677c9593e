// The loops of training. Included by check.c; compared with sums in double precision.

static void check_float_products(const char *set, const pi_kernels *k) {
  static const size_t shapes[][3] = {{1, 1, 1},    {3, 5, 2},     {13, 33, 7},    {12, 32, 256}, {97, 385, 257},
                                     {8, 24, 513}, {100, 1, 300}, {1, 400, 258},  {5, 7, 0},     {30, 70, 31}};
  char what[96];
  float *scratch = aligned_alloc(64, PI_PRODUCT_SCRATCH * sizeof *scratch);
  if (!scratch) exit(2);
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
    for (uint32_t turned = 0; turned < 4; turned++) {
      const size_t rows = shapes[i][0], columns = shapes[i][1], depth = shapes[i][2];
      // Rows further apart than they are long, but for the last.
      const size_t a_width = turned & 1 ? rows : depth, a_height = turned & 1 ? depth : rows;
      const size_t b_width = turned & 2 ? depth : columns, b_height = turned & 2 ? columns : depth;
      const size_t a_stride = a_width + i % 3, b_stride = b_width + i % 2, stride = columns + i % 4;
      float *a = random_floats(a_height ? (a_height - 1) * a_stride + a_width : 0);
      float *b = random_floats(b_height ? (b_height - 1) * b_stride + b_width : 0);
      const size_t count = (rows - 1) * stride + columns;
      float *c = allocate(count * 4), *expected = allocate(count * 4);
      for (size_t e = 0; e < count; e++) c[e] = expected[e] = 123;
      for (size_t r = 0; r < rows; r++) {
        for (size_t s = 0; s < columns; s++) {
          double sum = 0;
          for (size_t d = 0; d < depth; d++) {
            sum += (double)a[turned & 1 ? d * a_stride + r : r * a_stride + d] *
                   b[turned & 2 ? s * b_stride + d : d * b_stride + s];
          }
          expected[r * stride + s] = (float)sum;
        }
      }
      const pi_floats left = {a, a_stride, turned & 1}, right = {b, b_stride, turned >> 1};
      k->multiply_floats(&left, &right, rows, columns, depth, c, stride, scratch);
      snprintf(what, sizeof what, "floats %zux%zu over %zu, turned %u", rows, columns, depth, turned);
      compare(set, what, c, expected, count, 1e-6);
      free(a);
      free(b);
      free(c);
      free(expected);
    }
  }
  free(scratch);
}

static void check_training(const char *set, const pi_kernels *k) {
  // The other checks' numbers stay what they are.
  const uint64_t before = state;
  check_float_products(set, k);
  static const size_t counts[] = {1, 3, 4, 15, 16, 17, 64, 301};
  char what[96];
  for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
    const size_t count = counts[i];
    float *z = random_floats(count), *weights = random_floats(count), *y = allocate(count * 4);
    float *expected = allocate(count * 4);
    for (size_t e = 0; e < count; e++) {
      z[e] *= 20;
      weights[e] = e % 3 ? 0 : fabsf(weights[e]);
    }
    z[count - 1] = i % 2 ? NAN : -INFINITY;
    z[0] = count > 1 ? INFINITY : z[0];
    for (size_t e = 0; e < count; e++) {
      const double s = 1 / (1 + exp(-(double)z[e]));
      expected[e] = (float)(0.25 * (weights[e] * (s - 1) + 0.7f * s));
    }
    k->logistic_gradient(z, weights, 0.7f, 0.25f, count, y);
    snprintf(what, sizeof what, "gradient of %zu", count);
    expect(isnan(y[count - 1]) == isnan(z[count - 1]), set, what);
    if (isnan(z[count - 1])) y[count - 1] = expected[count - 1] = 0;
    compare(set, what, y, expected, count, 2e-6);

    for (size_t e = 0; e < count; e++) {
      y[e] = (float)e + 1;
      expected[e] = z[e] > 0 ? y[e] : 0;
    }
    k->keep_where_positive(z, y, count);
    snprintf(what, sizeof what, "where positive of %zu", count);
    compare(set, what, y, expected, count, 0);

    float *values = random_floats(count), *means = random_floats(count), *squares = random_floats(count);
    float *gradient = random_floats(count), *rates = i % 2 ? random_floats(count) : NULL;
    float *results[3] = {values, means, squares}, *others[3];
    for (size_t j = 0; j < 3; j++) others[j] = allocate(count * 4);
    const pi_adam o = {0.01f, 0.9f, 0.99f, 1 / (1 - 0.9f), 1 / (1 - 0.99f), 1e-6f, 0.001f};
    for (size_t e = 0; e < count; e++) {
      squares[e] = fabsf(squares[e]);
      const double g = gradient[e], m = o.mean_decay * (double)means[e] + (1 - (double)o.mean_decay) * g;
      const double v = o.square_decay * (double)squares[e] + (1 - (double)o.square_decay) * g * g;
      const double step = m * o.mean_factor / (sqrt(v * o.square_factor) + o.epsilon);
      others[0][e] = (float)(values[e] - o.rate * (rates ? (double)rates[e] : 1) * step - o.decay * (double)values[e]);
      others[1][e] = (float)m;
      others[2][e] = (float)v;
    }
    k->adam(gradient, rates, &o, count, values, means, squares);
    for (size_t j = 0; j < 3; j++) {
      snprintf(what, sizeof what, "step of %zu weights, part %zu", count, j);
      compare(set, what, results[j], others[j], count, 1e-6);
      free(results[j]);
      free(others[j]);
    }
    free(gradient);
    free(rates);
    free(z);
    free(weights);
    free(y);
    free(expected);
  }
  state = before;
}
