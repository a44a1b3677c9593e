// Second moments against exact sums; what lies outside the rows asked for stays as it is.
static void check_gram(const char *set, const pi_kernels *k) {
  static const size_t shapes[][4] = {  // columns, tokens, first row, end
      {1, 1, 0, 1},  {5, 3, 1, 4},    {32, 0, 0, 32},  {33, 7, 0, 33},   {64, 128, 7, 50},
      {65, 9, 64, 65}, {100, 17, 3, 3}, {576, 33, 48, 96}, {131, 200, 0, 131},
  };
  for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
    const size_t n = shapes[s][0], tokens = shapes[s][1], begin = shapes[s][2], end = shapes[s][3], stride = n + s % 3;
    float *x = random_floats(tokens * stride), *h = random_floats(n * n), *e = allocate(n * n * 4);
    memcpy(e, h, n * n * 4);
    k->accumulate_gram(x, stride, tokens, n, begin, end, h);
    bool others = true;
    for (size_t i = 0; i < n; i++) {
      for (size_t j = 0; j < n; j++) {
        if (i < begin || i >= end) {
          others = others && h[i * n + j] == e[i * n + j];
        } else if (j < i) {
          h[i * n + j] = e[i * n + j] = 0;
        } else {
          double sum = e[i * n + j];
          for (size_t t = 0; t < tokens; t++) sum += (double)x[t * stride + i] * x[t * stride + j];
          e[i * n + j] = (float)sum;
        }
      }
    }
    if (others) passed++; else failed++, printf("FAILED %s gram wrote beyond its rows at %zu columns\n", set, n);
    compare(set, "gram", h, e, n * n, 2e-6);
    free(x);
    free(h);
    free(e);
  }
}
