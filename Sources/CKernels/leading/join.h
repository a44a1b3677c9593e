// Puts rows in two areas together again. The including file may define
//   JOINED_BLOCKS                             and
//   join_some_nibbles(leading, rest, target)  which does for so many blocks what join_nibbles does for one, and JOINS_FEWER and
//   join_fewer_nibbles(leading, rest, blocks, target)  for fewer
// and JOINS_STRIPES where it has included join_stripes.h.

#include "leading/codes.h"

// The nibbles of Q4_0 and Q4_1, two codes a byte: both halves of what is known of a code shift into their places.
PI_INLINE void join_nibbles(const uint8_t *restrict leading, const uint8_t *restrict rest, size_t blocks,
                            uint8_t *restrict target) {
  size_t b = 0;
#ifdef JOINED_BLOCKS
  for (; b + JOINED_BLOCKS <= blocks; b += JOINED_BLOCKS) join_some_nibbles(leading + 8 * b, rest + 8 * b, target + 16 * b);
#endif
#ifdef JOINS_FEWER
  if (b < blocks) join_fewer_nibbles(leading + 8 * b, rest + 8 * b, blocks - b, target + 16 * b);
#else
  const uint64_t low = UINT64_C(0x3333333333333333);
  for (; b < blocks; b++) {
    const uint64_t l = load_word(leading + 8 * b), r = load_word(rest + 8 * b);
    store_word(target + 16 * b, (l & low) << 2 | (r & low));
    store_word(target + 16 * b + 8, (l & ~low) | (r >> 2 & low));
  }
#endif
}

// A row of a format with blocks of 32, as PI_PLANAR has it: the head is the same.
PI_INLINE void join_planar(uint32_t format, const uint8_t *leading, const uint8_t *rest, size_t blocks, uint8_t *row) {
  const size_t head = pi_head_bytes(pi_head_kind(format), blocks);
  const unsigned bits = pi_code_bits(format);
  const pi_parts to = pi_parts_of(format | PI_PLANAR, blocks);
  memcpy(row, leading, head);
  leading += head;
  if (bits == 4) {
    join_nibbles(leading, rest, blocks, row + to.codes);
    return;
  }
  for (size_t b = 0; b < blocks; b++) {
    codes c = read_whole(leading + 8 * b, rest + b * rest_of_block(bits), bits);
    if (bits == 5) {
      const uint32_t fifth = bits_of(c, 4);
      memcpy(row + to.fifth + 4 * b, &fifth, 4);
      write_nibbles(c, 0, row + to.codes + 16 * b);
    } else {
      for (unsigned s = 0; s < 4; s++) c.word[s] ^= ONE << 7;
      memcpy(row + to.codes + 32 * b, &c, sizeof c);
    }
  }
}

// A super-block of 256: eight blocks.
PI_INLINE void join_super(uint32_t format, const uint8_t *head, const uint8_t *leading, const uint8_t *rest, uint8_t *p) {
  const unsigned bits = pi_code_bits(format);
  codes c[8];
  for (size_t b = 0; b < 8; b++) c[b] = read_whole(leading + 8 * b, rest + b * rest_of_block(bits), bits);
  if (format == PI_Q6_K) {
    for (size_t half = 0; half < 2; half++) {
      const codes *of = c + 4 * half;
      for (unsigned s = 0; s < 4; s++) {
        uint64_t high = 0;
        for (unsigned j = 0; j < 4; j++) high |= (of[j].word[s] >> 4 & TWO) << 2 * j;
        store_word(p + 128 + half * 32 + 8 * s, high);
        for (unsigned j = 0; j < 2; j++) {
          store_word(p + half * 64 + j * 32 + 8 * s, (of[j].word[s] & FOUR) | (of[j + 2].word[s] & FOUR) << 4);
        }
      }
    }
    memcpy(p + 192, head, 18);
    return;
  }
  memcpy(p, head, 16);
  for (unsigned s = 0; s < 4; s++) {
    if (format == PI_Q5_K) {
      uint64_t fifth = 0;
      for (unsigned j = 0; j < 8; j++) fifth |= (c[j].word[s] >> 4 & ONE) << j;
      store_word(p + 16 + 8 * s, fifth);
    }
    uint8_t *nibbles = p + (format == PI_Q5_K ? 48 : 16) + 8 * s;
    for (size_t j = 0; j < 4; j++) {
      store_word(nibbles + 32 * j, (c[2 * j].word[s] & FOUR) | (c[2 * j + 1].word[s] & FOUR) << 4);
    }
  }
}

PI_INLINE void join_row(uint32_t format, const uint8_t *leading, const uint8_t *rest, size_t blocks, uint8_t *row) {
  if (pi_block_elements(format) != PI_SUPER) {
    join_planar(format, leading, rest, blocks, row);
    return;
  }
  const size_t heads = pi_head_bytes(pi_head_kind(format), blocks), part = heads / (blocks / 8);
  const size_t step = 8 * rest_of_block(pi_code_bits(format));
  for (size_t i = 0; i < blocks / 8; i++) {
    join_super(format, leading + i * part, leading + heads + 64 * i, rest + i * step, row + i * pi_block_bytes(format));
  }
}

// Leading bits of one row of a stripe, as a row by itself has them.
PI_INLINE void read_striped_leading(const uint8_t *stripe, size_t lane, size_t head, size_t blocks, uint8_t *row) {
  for (size_t at = 0; at < head; at += 2) memcpy(row + at, stripe + PI_STRIPE * at + 2 * lane, 2);
  for (size_t at = head; at < head + 8 * blocks; at += 4) memcpy(row + at, stripe + PI_STRIPE * at + 4 * lane, 4);
}

enum { REST_AHEAD = 8192 };  // bytes of the rest that are asked for before they are used

// Asks for the rest of what is listed from `begin` to `end`, if there is so much.
PI_INLINE void prefetch_rest(const pi_split_matrix *w, const uint32_t *list, size_t count, size_t begin, size_t end) {
  const size_t bytes = pi_rest_bytes(w->format, w->columns);
  for (size_t i = begin; i < end && i < count; i++) {
    const uint8_t *p = w->rest + list[i] * bytes;
    for (size_t at = 0; at < bytes; at += 64) __builtin_prefetch(p + at, 0, 2);
    __builtin_prefetch(p + bytes - 1, 0, 2);
  }
}

#ifdef JOINS_STRIPES
PI_INLINE void join_some_stripes(const pi_split_matrix *w, const uint32_t *list, size_t count, size_t begin, size_t end,
                                 uint8_t *stripes) {
  const size_t bytes = pi_leading_bytes(w->format, w->columns) + pi_rest_bytes(w->format, w->columns);
  const size_t ahead = (REST_AHEAD / pi_rest_bytes(w->format, w->columns) / PI_STRIPE + 1) * PI_STRIPE;
  uint8_t *const side = stripes + (end - begin + PI_STRIPE - 1) / PI_STRIPE * PI_STRIPE * bytes;
  for (size_t n = begin; n < end; n += PI_STRIPE) {
    prefetch_rest(w, list, count, n == 0 ? 0 : n + ahead, n + ahead + PI_STRIPE);
    join_stripe(w, list + n, end - n < PI_STRIPE ? end - n : PI_STRIPE, stripes + (n - begin) * bytes, side);
  }
}
#endif

PI_INLINE void join_rows(uint32_t format, const pi_split_matrix *w, const uint32_t *list, size_t count, size_t begin,
                         size_t end, uint8_t *rows) {
  const size_t blocks = w->columns / PI_BLOCK, bytes = blocks * PI_BLOCK / pi_block_elements(format) * pi_block_bytes(format);
  const size_t leading = pi_leading_bytes(format, w->columns), rest = pi_rest_bytes(format, w->columns);
  const size_t ahead = REST_AHEAD / rest + 1;
  const bool striped = pi_is_striped(w->format) && pi_block_elements(format) == PI_BLOCK;
  // All of them before the first is put together, for what was just stored in small parts is slow to load at once.
  uint8_t *const apart = rows + (end - begin) * bytes;
  for (size_t n = begin; n < end && striped; n++) {
    const uint8_t *stripe = w->leading + list[n] / PI_STRIPE * PI_STRIPE * leading;
    const size_t head = pi_head_bytes(pi_head_kind(format), blocks);
    read_striped_leading(stripe, list[n] % PI_STRIPE, head, blocks, apart + (n - begin) * leading);
  }
  for (size_t n = begin; n < end; n++, rows += bytes) {
    // Once per list all that is not ahead of anything yet.
    prefetch_rest(w, list, count, n == 0 ? 0 : n + ahead, n + ahead + 1);
    const uint8_t *row = striped ? apart + (n - begin) * leading : w->leading + list[n] * leading;
    join_row(format, row, w->rest + list[n] * rest, blocks, rows);
  }
}

static void PI_NAME(join_listed)(const pi_split_matrix *w, const uint32_t *list, size_t count, size_t begin, size_t end,
                                 uint8_t *rows) {
  if (w->columns == 0) return;
#ifdef JOINS_STRIPES
  if (joins_stripes(w->format)) {
    join_some_stripes(w, list, count, begin, end, rows);
    return;
  }
#endif
  switch (pi_base(w->format)) {
#define PI_CASE(name) \
  case PI_##name: join_rows(PI_##name, w, list, count, begin, end, rows); return;
    PI_CASE(Q4_0) PI_CASE(Q4_1) PI_CASE(Q5_0) PI_CASE(Q5_1) PI_CASE(Q8_0) PI_CASE(Q4_K) PI_CASE(Q5_K) PI_CASE(Q6_K)
#undef PI_CASE
    default: return;
  }
}
