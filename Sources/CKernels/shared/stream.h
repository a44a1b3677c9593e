// Streams through memory, to measure it. The including file has included plain.h.

typedef uint64_t vw __attribute__((vector_size(PI_LANES * 4)));

PI_INLINE vw load_words(const uint8_t *p) {
  vw v;
  memcpy(&v, p, sizeof v);
  return v;
}

// The hardware's prefetcher stops at the end of each page; the loops of narrow vectors, which have fewer reads under way,
// are faster with software reading ahead.
enum { STREAM_AHEAD = 6144 };

static uint64_t PI_NAME(sum_lines)(const void *data, size_t lines) {
  enum { PER_LINE = 64 / sizeof(vw) };
  const uint8_t *p = data;
  vw sum[4] = {{0}};
  size_t i = 0;
  for (; i + 4 <= lines; i += 4) {
    // Past the end of the data a prefetch does nothing.
    for (size_t j = 0; j < 4; j++) __builtin_prefetch(p + STREAM_AHEAD + j * 64);
    PI_UNROLL
    for (size_t j = 0; j < 4 * PER_LINE; j++) sum[j % 4] += load_words(p + j * sizeof(vw));
    p += 256;
  }
  for (; i < lines; i++, p += 64) {
    for (size_t j = 0; j < PER_LINE; j++) sum[j % 4] += load_words(p + j * sizeof(vw));
  }
  const vw all = (sum[0] + sum[1]) + (sum[2] + sum[3]);
  uint64_t words[sizeof(vw) / 8], result = 0;
  memcpy(words, &all, sizeof words);
  for (size_t j = 0; j < sizeof(vw) / 8; j++) result += words[j];
  return result;
}

static void PI_NAME(triad)(const float *a, const float *b, float factor, size_t count, float *y) {
  for (size_t i = 0; i < count; i++) y[i] = a[i] + factor * b[i];
}
