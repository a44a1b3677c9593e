// The rows that a product takes: some that follow one another, or those of a list, which the processor's own prefetching cannot
// foresee. The including file defines, in bytes,
//   PREFETCH_BYTES   how far ahead of its use a weight is asked for in rows that follow one another
//   LISTED_BYTES     the same in listed rows, rounded up to whole groups of them

enum {
  LINE_BYTES = 64,
  GROUP_ROWS = 4,  // listed rows that are read together
};

typedef struct {
  const uint8_t *data;
  size_t row_bytes;      // from one row to the next
  size_t width;          // of a row, in bytes
  const uint32_t *list;  // the rows' numbers; NULL where they follow one another
  size_t count;          // of the list
  size_t ahead;          // in entries of the list, a multiple of the group
} row_source;

PI_INLINE void prefetch(const uint8_t *p, size_t bytes) {
  for (size_t i = 0; i < bytes; i += LINE_BYTES) __builtin_prefetch(p + i);
}

// All lines of a row, which may begin anywhere in its first.
PI_INLINE void prefetch_row(const uint8_t *row, size_t bytes) {
  prefetch(row, bytes);
  __builtin_prefetch(row + bytes - 1);
}

PI_INLINE size_t bytes_of(const pi_matrix *w) { return w->columns / pi_block_elements(w->format) * pi_block_bytes(w->format); }

PI_INLINE row_source consecutive_rows(const pi_matrix *w) {
  return (row_source){.data = w->data, .row_bytes = w->row_bytes, .width = bytes_of(w)};
}

PI_INLINE const uint8_t *row_at(const row_source *s, size_t n) {
  return s->data + (s->list ? s->list[n] : n) * s->row_bytes;
}

// What to ask for while entry `n` is read, byte for byte.
PI_INLINE const uint8_t *ahead_of(const row_source *s, size_t n) {
  if (!s->list) return row_at(s, n) + PREFETCH_BYTES;
  return row_at(s, n + s->ahead < s->count ? n + s->ahead : n);
}

// The first rows of the list are asked for at once.
PI_INLINE row_source listed_rows(const pi_matrix *w, const uint32_t *list, size_t count) {
  row_source s = {.data = w->data, .row_bytes = w->row_bytes, .width = bytes_of(w), .list = list, .count = count};
  if (s.width == 0) return s;
  s.ahead = GROUP_ROWS * ((LISTED_BYTES + GROUP_ROWS * s.width - 1) / (GROUP_ROWS * s.width));
  for (size_t n = 0; n < s.ahead && n < count; n++) prefetch_row(row_at(&s, n), s.width);
  return s;
}
