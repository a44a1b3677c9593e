// The rows that a product takes: some that follow one another, or those of a list, which the processor's own prefetching cannot
// foresee. The including file defines
//   PREFETCH_BYTES   how many bytes ahead of its use a weight is asked for in rows that follow one another
//   LISTED_BYTES     the same in listed rows, rounded up to whole groups of them
//   GROUP_ROWS       how many listed rows are read together; products by sixteens read PI_STRIPE

enum { LINE_BYTES = 64 };

// Whether what is read soon is asked for, and into which cache.
typedef enum { ASKS_NEVER, ASKS_FIRST, ASKS_SECOND } asking;

typedef struct {
  const uint8_t *data;
  size_t row_bytes;      // from one row to the next
  size_t width;          // of a row, in bytes
  const uint32_t *list;  // the rows' numbers; NULL where they follow one another
  size_t count;          // of the list
  size_t ahead;          // in entries of the list, a multiple of the group; in bytes without a list, 0 for never
  asking asks;
  bool by_tile;          // whether one token's product reads several rows at a time
} row_source;

PI_INLINE void prefetch(const uint8_t *p, size_t bytes) {
  for (size_t i = 0; i < bytes; i += LINE_BYTES) __builtin_prefetch(p + i);
}

PI_INLINE void prefetch_second(const uint8_t *p, size_t bytes) {
  for (size_t i = 0; i < bytes; i += LINE_BYTES) __builtin_prefetch(p + i, 0, 2);
}

PI_INLINE void prefetch_as(asking asks, const uint8_t *p, size_t bytes) {
  if (asks == ASKS_SECOND) {
    prefetch_second(p, bytes);
  } else if (asks == ASKS_FIRST) {
    prefetch(p, bytes);
  }
}

// All lines of a row, which may begin anywhere in its first.
PI_INLINE void prefetch_row(const uint8_t *row, size_t bytes) {
  prefetch(row, bytes);
  __builtin_prefetch(row + bytes - 1);
}

// Bytes of so many blocks of 32; of a super-block's part, its share.
PI_INLINE size_t span_bytes(uint32_t format, size_t blocks) {
  return blocks * PI_BLOCK * pi_block_bytes(format) / pi_block_elements(format);
}

// Prefetches the codes of `blocks` blocks of a row of `all`; where each block has its own scale, that too.
PI_INLINE void prefetch_codes(uint32_t format, const uint8_t *row, size_t b, size_t blocks, size_t all) {
  if (pi_is_planar(format)) {
    const pi_parts at = pi_parts_of(format, all);
    prefetch(row + at.codes + b * at.code_step, blocks * at.code_step);
  } else {
    prefetch(row + span_bytes(format, b), span_bytes(format, blocks));
  }
}

// Prefetches what lies before the codes, and the last line of the codes, which the function above may miss.
PI_INLINE void prefetch_ends(uint32_t format, const uint8_t *row, size_t b, size_t blocks, size_t all) {
  if (pi_is_planar(format)) {
    const pi_parts at = pi_parts_of(format, all);
    prefetch_row(row + 2 * b, 2 * blocks);
    if (at.fifth > at.minimum) prefetch_row(row + at.minimum + 2 * b, 2 * blocks);
    if (at.codes > at.fifth) prefetch_row(row + at.fifth + 4 * b, 4 * blocks);
    __builtin_prefetch(row + at.codes + (b + blocks) * at.code_step - 1);
  } else {
    __builtin_prefetch(row + span_bytes(format, b + blocks) - 1);
  }
}

// Prefetches `blocks` blocks of a row of `all`.
PI_INLINE void prefetch_span(uint32_t format, const uint8_t *row, size_t b, size_t blocks, size_t all) {
  prefetch_codes(format, row, b, blocks, all);
  prefetch_ends(format, row, b, blocks, all);
}

// Prefetches what lies before the codes of a stripe, up to a part of the first cache. If it were read block by block beside the codes, it
// would be a second stream, and a Zen 4 reads two interleaved streams at little more than half the speed of one (20 and 35 GB/s).
PI_INLINE void prefetch_head(uint32_t format, const uint8_t *stripe, size_t all) {
  const size_t bytes = PI_STRIPE * pi_parts_of(format, all).codes, most = 8192;
  prefetch(stripe, bytes < most ? bytes : most);
}

PI_INLINE size_t bytes_of(const pi_matrix *w) { return w->columns / pi_block_elements(w->format) * pi_block_bytes(w->format); }

PI_INLINE row_source consecutive_rows(const pi_matrix *w) {
  return (row_source){
      .data = w->data,
      .row_bytes = w->row_bytes,
      .width = bytes_of(w),
      .ahead = w->ahead == 0 ? PREFETCH_BYTES : w->ahead == PI_NOT_AHEAD ? 0 : w->ahead,
      .asks = w->ahead == PI_NOT_AHEAD ? ASKS_NEVER : w->cache == 2 ? ASKS_SECOND : ASKS_FIRST,
      .by_tile = w->tile != 1,
  };
}

PI_INLINE const uint8_t *row_at(const row_source *s, size_t n) {
  return s->data + (s->list ? s->list[n] : n) * s->row_bytes;
}

// What to ask for while entry `n` is read, byte for byte.
PI_INLINE const uint8_t *ahead_of(const row_source *s, size_t n) {
  if (!s->list) return row_at(s, n) + s->ahead;
  return row_at(s, n + s->ahead < s->count ? n + s->ahead : n);
}

// `group` rows are read together. The first rows of the list are asked for at once. Quantised rows are asked for into the second cache: the
// first has too few reads under way for rows that the processor's own prefetching does not foresee.
PI_INLINE row_source listed_rows(const pi_matrix *w, const uint32_t *list, size_t count, size_t group) {
  row_source s = {
      .data = w->data,
      .row_bytes = w->row_bytes,
      .width = bytes_of(w),
      .list = list,
      .count = count,
      .asks = ASKS_SECOND,
      .by_tile = true,
  };
  if (s.width == 0) return s;
  s.ahead = group * ((LISTED_BYTES + group * s.width - 1) / (group * s.width));
  for (size_t n = 0; n < s.ahead && n < count; n++) {
    prefetch_second(row_at(&s, n), s.width);
    prefetch_second(row_at(&s, n) + s.width - 1, 1);
  }
  return s;
}
