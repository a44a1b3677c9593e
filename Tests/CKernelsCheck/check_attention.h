// Attention over the key/value cache: against exact sums in double precision over what the cache holds, against the portable
// set's bytes, token by token against many tokens at once, and with NaN and infinities. Part of check.c.

typedef struct {
  pi_cache_head head;
  uint8_t **pages;
  uint8_t *memory;
  size_t bytes;
  float *k, *v;  // [positions, head size], what was stored
} cache;

static size_t format_row(uint32_t format, size_t size) { return format == PI_F16 ? size * 2 : size / 32 * 34; }

// Numbers whose 8-bit form is the same however a compiler fuses its products and sums: none near the middle of two codes.
static float *clear_floats(size_t rows, size_t size) {
  float *x = random_floats(rows * size);
  for (size_t b = 0; size % 32 == 0 && b < rows * size; b += 32) {
    float most = 0;
    for (size_t j = b; j < b + 32; j++) most = fmaxf(most, fabsf(x[j]));
    for (size_t j = b; j < b + 32; j++) {
      const double steps = fabs(x[j] * 127.0 / most);
      if (fabs(steps - floor(steps) - 0.5) < 1e-3) x[j] = 0;
    }
  }
  return x;
}

// Pages in descending order of addresses, with something of another head before the keys and between keys and values.
static cache make_cache(const pi_kernels *k, uint32_t key_format, uint32_t value_format, size_t size, size_t positions) {
  const size_t pages = (positions + PI_ATTENTION_TILE - 1) / PI_ATTENTION_TILE;
  const size_t key_offset = 64, value_offset = key_offset + PI_ATTENTION_TILE * format_row(key_format, size) + 64;
  const size_t page_bytes = value_offset + PI_ATTENTION_TILE * format_row(value_format, size);
  cache c = {{NULL, key_offset, value_offset, size, key_format, value_format}, allocate(pages * sizeof(uint8_t *)),
             allocate(pages * page_bytes), pages * page_bytes, clear_floats(positions, size),
             clear_floats(positions, size)};
  // What was never written may be anything; these are NaN.
  memset(c.memory, 0xff, c.bytes);
  for (size_t i = 0; i < pages; i++) c.pages[i] = c.memory + (pages - 1 - i) * page_bytes;
  c.head.pages = c.pages;
  for (size_t p = 0; p < positions; p++) {
    k->store_key(&c.head, p, c.k + p * size);
    k->store_value(&c.head, p, c.v + p * size);
  }
  return c;
}

static void free_cache(cache c) {
  free(c.pages);
  free(c.memory);
  free(c.k);
  free(c.v);
}

// Of the bits of a half, from the definition of the format.
static double half_of(const uint8_t *p) {
  static double table[1 << 16];
  static bool filled;
  for (uint32_t i = 0; !filled && i < 1 << 16; i++) {
    const int exponent = i >> 10 & 31, fraction = i & 1023;
    const double magnitude = exponent == 31 ? (fraction ? NAN : INFINITY)
                             : exponent == 0 ? ldexp(fraction, -24) : ldexp(1024 + fraction, exponent - 25);
    table[i] = i >> 15 ? -magnitude : magnitude;
  }
  filled = true;
  uint16_t bits;
  memcpy(&bits, p, 2);
  return table[bits];
}

static double key_of(const pi_cache_head *h, size_t p, size_t c) {
  const size_t lane = p % 16, before = p % PI_ATTENTION_TILE - lane;
  const uint8_t *block =
      h->pages[p / PI_ATTENTION_TILE] + h->key_offset + before * format_row(h->key_format, h->head_size);
  if (h->key_format == PI_F16) return half_of(block + (c * 16 + lane) * 2);
  block += c / 32 * 16 * 34;
  return half_of(block + lane * 2) * (int8_t)block[32 + c % 32 / 4 * 64 + lane * 4 + c % 4];
}

static double value_of(const pi_cache_head *h, size_t p, size_t c) {
  const uint8_t *row = h->pages[p / PI_ATTENTION_TILE] + h->value_offset +
                       p % PI_ATTENTION_TILE * format_row(h->value_format, h->head_size);
  if (h->value_format == PI_F16) return half_of(row + c * 2);
  row += c / 32 * 34;
  return half_of(row) * (int8_t)row[2 + c % 32];
}

// A query as scores with Q8_0 keys see it: every 32 elements as multiples of the largest / 127.
static void rounded_query(const float *query, size_t size, bool rounds, double *out) {
  for (size_t c = 0; c < size; c++) out[c] = query[c];
  for (size_t b = 0; rounds && b < size; b += 32) {
    float most = 0;
    for (size_t c = b; c < b + 32; c++) most = fmaxf(most, fabsf(query[c]));
    const float inverse = most > 0 ? 127 / most : 0;
    for (size_t c = b; c < b + 32; c++) out[c] = (double)(most / 127) * rint((double)(query[c] * inverse));
  }
}

static void exact_attention(const pi_cache_head *h, const float *query, size_t positions, float scale, float *out) {
  double *q = allocate(h->head_size * 8), *scores = allocate(positions * 8), most = -INFINITY, sum = 0;
  rounded_query(query, h->head_size, h->key_format == PI_Q8_0, q);
  for (size_t p = 0; p < positions; p++) {
    scores[p] = 0;
    for (size_t c = 0; c < h->head_size; c++) scores[p] += q[c] * key_of(h, p, c);
    scores[p] *= scale;
    most = fmax(most, scores[p]);
  }
  for (size_t p = 0; p < positions; p++) sum += scores[p] = exp(scores[p] - most);
  for (size_t c = 0; c < h->head_size; c++) {
    double total = 0;
    for (size_t p = 0; p < positions; p++) total += scores[p] * value_of(h, p, c);
    out[c] = (float)(total / sum);
  }
  free(q);
  free(scores);
}

static float *aligned_floats(size_t count) {
  void *p = NULL;
  if (posix_memalign(&p, 64, count ? count * 4 : 64)) exit(2);
  return p;
}

// The last `tokens` tokens at once, as a prompt comes.
static void attend_together(const pi_kernels *k, const pi_cache_head *h, const float *queries, size_t tokens, size_t group,
                            size_t positions, size_t chunk, float scale, float *out) {
  const size_t state = pi_attention_state_floats(h->head_size), n = tokens * group;
  float *scratch = aligned_floats(pi_attention_scratch_floats(h->head_size, n)), *states = aligned_floats(n * state);
  k->attend(h, queries, tokens, group, positions - tokens + 1, 0, positions, chunk, scale, scratch, states);
  for (size_t q = 0; q < n; q++) k->merge(states + q * state, 1, 0, h->head_size, out + q * h->head_size);
  free(scratch);
  free(states);
}

// Token by token and chunk by chunk, as decoding threads do; the chunks backwards, because their order must not matter.
static void attend_apart(const pi_kernels *k, const pi_cache_head *h, const float *queries, size_t tokens, size_t group,
                         size_t positions, size_t chunk, float scale, float *out) {
  const size_t state = pi_attention_state_floats(h->head_size), size = h->head_size;
  for (size_t t = 0; t < tokens; t++) {
    const size_t visible = positions - tokens + 1 + t, chunks = (visible + chunk - 1) / chunk;
    float *scratch = aligned_floats(pi_attention_scratch_floats(size, group));
    float *states = aligned_floats(chunks * group * state);
    for (size_t i = chunks; i-- > 0;) {
      k->attend(h, queries + t * group * size, 1, group, visible, i * chunk, (i + 1) * chunk, chunk, scale, scratch,
                states + i * group * state);
    }
    for (size_t g = 0; g < group; g++) {
      k->merge(states + g * state, chunks, group * state, size, out + (t * group + g) * size);
    }
    free(scratch);
    free(states);
  }
}

static void check_that(const char *set, const char *what, bool holds) {
  if (holds) {
    passed++;
  } else {
    failed++;
    printf("FAILED %s %s\n", set, what);
  }
}

static bool all_finite(const float *x, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (!isfinite(x[i])) return false;
  return true;
}

static bool none_finite(const float *x, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (isfinite(x[i])) return false;
  return true;
}

static void check_attention_shape(const char *set, const pi_kernels *k, const pi_kernels *reference, uint32_t key_format,
                                  uint32_t value_format, size_t group, size_t size, size_t positions, size_t tokens,
                                  size_t chunk, float spread) {
  // Float rounding of scores up to about 10; greater ones round in proportion.
  const double limit = 5e-6 * (spread > 1 ? spread : 1);
  char what[120];
  snprintf(what, sizeof what, "attention %u/%u group %zu, head %zu, positions %zu, tokens %zu, chunk %zu, spread %g",
           key_format, value_format, group, size, positions, tokens, chunk, spread);
  const uint64_t before = state;
  cache c = make_cache(k, key_format, value_format, size, positions);
  state = before;
  cache r = make_cache(reference, key_format, value_format, size, positions);
  check_that(set, what, memcmp(c.memory, r.memory, c.bytes) == 0);
  free_cache(r);

  const size_t n = tokens * group;
  float *q = clear_floats(n, size);
  for (size_t i = 0; i < n * size; i++) q[i] *= spread;
  const float scale = 1 / sqrtf((float)size);
  float *y = allocate(n * size * 4), *z = allocate(n * size * 4), *e = allocate(n * size * 4);
  attend_together(k, &c.head, q, tokens, group, positions, chunk, scale, y);
  attend_apart(k, &c.head, q, tokens, group, positions, chunk, scale, z);
  check_that(set, what, memcmp(y, z, n * size * 4) == 0);
  // What is asked for ahead changes nothing, wherever it lies.
  uint8_t *nowhere[2] = {(uint8_t *)(uintptr_t)64, (uint8_t *)(UINTPTR_MAX - 4095)};
  c.head.next_pages = nowhere;
  c.head.next_key_offset = 64;
  c.head.next_count = 2;
  attend_apart(k, &c.head, q, tokens, group, positions, chunk, scale, z);
  check_that(set, what, memcmp(y, z, n * size * 4) == 0);
  attend_together(k, &c.head, q, tokens, group, positions, chunk, scale, z);
  check_that(set, what, memcmp(y, z, n * size * 4) == 0);
  c.head.next_count = 0;
  for (size_t i = 0; i < n; i++) {
    exact_attention(&c.head, q + i * size, positions - tokens + 1 + i / group, scale, e + i * size);
  }
  compare(set, what, y, e, n * size, limit);
  attend_together(reference, &c.head, q, tokens, group, positions, chunk, scale, z);
  compare(set, what, y, z, n * size, limit);

  // What the last token sees and the one before does not reaches the last alone.
  const float poisons[] = {NAN, INFINITY, -INFINITY};
  float *row = allocate(size * 4);
  for (size_t i = 0; positions < 300 && i < 6; i++) {
    const float poison = poisons[i / 2];
    const size_t last = positions - 1;
    for (size_t j = 0; j < size; j++) row[j] = poison;
    if (i % 2) k->store_value(&c.head, last, row); else k->store_key(&c.head, last, row);
    attend_together(k, &c.head, q, tokens, group, positions, chunk, scale, y);
    attend_apart(k, &c.head, q, tokens, group, positions, chunk, scale, z);
    const size_t others = n - group;
    snprintf(what, sizeof what, "%s %g, %u/%u group %zu, head %zu, positions %zu, tokens %zu, chunk %zu",
             i % 2 ? "value" : "key", poison, key_format, value_format, group, size, positions, tokens, chunk);
    check_that(set, what, all_finite(y, others * size) && all_finite(z, others * size));
    // An infinite key may give a score of -infinity, which has no weight.
    if (i % 2 || isnan(poison)) {
      check_that(set, what, none_finite(y + others * size, group * size) && none_finite(z + others * size, group * size));
    }
    if (i % 2) k->store_value(&c.head, last, c.v + last * size); else k->store_key(&c.head, last, c.k + last * size);
  }
  // A query that is not a number has no result; the others have theirs.
  attend_together(k, &c.head, q, tokens, group, positions, chunk, scale, y);
  q[(n - 1) * size] = NAN;
  attend_together(k, &c.head, q, tokens, group, positions, chunk, scale, z);
  snprintf(what, sizeof what, "query NaN, %u/%u group %zu, head %zu", key_format, value_format, group, size);
  check_that(set, what, none_finite(z + (n - 1) * size, size) && memcmp(y, z, (n - 1) * size * 4) == 0);
  free(row);
  free(q);
  free(y);
  free(z);
  free(e);
  free_cache(c);
}

// Keys of only -infinity next to ordinary ones weigh nothing; scores far apart leave the greatest alone; denormals are numbers.
static void check_attention_edges(const char *set, const pi_kernels *k) {
  enum { SIZE = 64, POSITIONS = 130 };
  cache c = make_cache(k, PI_F16, PI_F16, SIZE, POSITIONS);
  float q[SIZE], row[SIZE], y[SIZE], e[SIZE];
  for (size_t j = 0; j < SIZE; j++) q[j] = 1 + random_float() / 8, row[j] = -INFINITY;
  exact_attention(&c.head, q, 64, 0.125f, e);
  for (size_t p = 64; p < POSITIONS; p++) k->store_key(&c.head, p, row);
  attend_apart(k, &c.head, q, 1, 1, POSITIONS, 64, 0.125f, y);
  compare(set, "attention beside keys of -infinity", y, e, SIZE, 5e-6);
  for (size_t p = 0; p < 64; p++) k->store_key(&c.head, p, row);
  attend_apart(k, &c.head, q, 1, 1, POSITIONS, 64, 0.125f, y);
  check_that(set, "attention to nothing", none_finite(y, SIZE));

  for (size_t p = 0; p < POSITIONS; p++) {
    for (size_t j = 0; j < SIZE; j++) row[j] = p == 77 ? 60000 : -60000;
    k->store_key(&c.head, p, row);
  }
  for (size_t j = 0; j < SIZE; j++) q[j] = 1e30f, e[j] = (float)value_of(&c.head, 77, j);
  attend_apart(k, &c.head, q, 1, 1, POSITIONS, 64, 0.125f, y);
  compare(set, "attention to one key far above", y, e, SIZE, 0);

  for (size_t p = 0; p < POSITIONS; p++) {
    for (size_t j = 0; j < SIZE; j++) row[j] = (float)(p % 3) * 0x1p-24f;
    k->store_key(&c.head, p, row);
    k->store_value(&c.head, p, row);
  }
  for (size_t j = 0; j < SIZE; j++) q[j] = 1e-40f;
  exact_attention(&c.head, q, POSITIONS, 0.125f, e);
  attend_apart(k, &c.head, q, 1, 1, POSITIONS, 64, 0.125f, y);
  compare(set, "attention over denormals", y, e, SIZE, 5e-6);
  free_cache(c);
}

static void check_attention(const char *set, const pi_kernels *k, const pi_kernels *reference) {
  static const size_t sizes[] = {6, 20, 64, 80, 96, 128, 256};
  static const size_t shapes[][3] = {
      // positions, tokens, chunk
      {1, 1, 64}, {2, 2, 64}, {7, 1, 64}, {16, 3, 64}, {63, 5, 64}, {64, 2, 64}, {65, 9, 64},
      {127, 1, 64}, {130, 17, 128}, {256, 1, 256}, {257, 4, 256}, {321, 19, 64}, {700, 3, 256},
  };
  const uint32_t kinds[][2] = {{PI_F16, PI_F16}, {PI_Q8_0, PI_Q8_0}, {PI_F16, PI_Q8_0}, {PI_Q8_0, PI_F16}};
  size_t turn = 0;
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
    for (size_t j = 0; j < sizeof sizes / sizeof *sizes; j++) {
      for (size_t f = 0; f < 4; f++) {
        if (f > 0 && sizes[j] % 32 != 0) continue;
        const size_t group = 1 + turn++ * 2 % 9;
        check_attention_shape(set, k, reference, kinds[f][0], kinds[f][1], group, sizes[j], shapes[i][0], shapes[i][1],
                              shapes[i][2], turn % 3 == 0 ? 20 : 1);
      }
    }
  }
  for (size_t group = 1; group <= 9; group++) {
    for (size_t f = 0; f < 2; f++) {
      check_attention_shape(set, k, reference, kinds[f][0], kinds[f][1], group, 64, 150, 11, 128, 1);
    }
  }
  check_attention_edges(set, k);
}
