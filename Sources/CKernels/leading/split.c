// Takes rows apart into leading bits and the rest, and puts them together again. Little-endian: byte j of a word is code j's.
#include "leading/split.h"

// The codes of a block, 8 to a word.
typedef struct {
  uint64_t word[4];
} codes;

#define TWO UINT64_C(0x0303030303030303)
#define FOUR UINT64_C(0x0f0f0f0f0f0f0f0f)
#define ONE UINT64_C(0x0101010101010101)

PI_INLINE uint64_t load_word(const uint8_t *p) {
  uint64_t v;
  memcpy(&v, p, 8);
  return v;
}

PI_INLINE void store_word(uint8_t *p, uint64_t v) { memcpy(p, &v, 8); }

// Two bits of every code, from bit `shift` on.
PI_INLINE uint64_t pairs_of(codes c, unsigned shift) {
  uint64_t v = 0;
  for (unsigned s = 0; s < 4; s++) v |= (c.word[s] >> shift & TWO) << 2 * s;
  return v;
}

PI_INLINE codes with_pairs(codes c, uint64_t v, unsigned shift) {
  for (unsigned s = 0; s < 4; s++) c.word[s] |= (v >> 2 * s & TWO) << shift;
  return c;
}

// Bit `shift` of every code, one after the other.
PI_INLINE uint32_t bits_of(codes c, unsigned shift) {
  uint32_t v = 0;
  for (unsigned s = 0; s < 4; s++) {
    v |= (uint32_t)((c.word[s] >> shift & ONE) * UINT64_C(0x0102040810204080) >> 56) << 8 * s;
  }
  return v;
}

PI_INLINE codes with_bits(codes c, uint32_t v) {
  for (unsigned s = 0; s < 4; s++) {
    // Bit j of every byte j, brought to its lowest place.
    const uint64_t spread = (v >> 8 * s & 255) * ONE & UINT64_C(0x8040201008040201);
    c.word[s] |= (spread + UINT64_C(0x7f7f7f7f7f7f7f7f)) >> 7 & ONE;
  }
  return c;
}

// Four bits of every code from bit `shift` on, as the nibbles of a Q4_0 block lie.
PI_INLINE void write_nibbles(codes c, unsigned shift, uint8_t *p) {
  for (unsigned s = 0; s < 2; s++) {
    store_word(p + 8 * s, (c.word[s] >> shift & FOUR) | (c.word[s + 2] >> shift & FOUR) << 4);
  }
}

PI_INLINE codes with_nibbles(codes c, const uint8_t *p, unsigned shift) {
  for (unsigned s = 0; s < 2; s++) {
    const uint64_t v = load_word(p + 8 * s);
    c.word[s] |= (v & FOUR) << shift;
    c.word[s + 2] |= (v >> 4 & FOUR) << shift;
  }
  return c;
}

PI_INLINE size_t rest_of_block(unsigned bits) { return (bits - 2) * 4; }

PI_INLINE void write_rest(codes c, unsigned bits, uint8_t *p) {
  switch (bits) {
    case 4: store_word(p, pairs_of(c, 0)); return;
    case 5: {
      const uint32_t last = bits_of(c, 0);
      store_word(p, pairs_of(c, 1));
      memcpy(p + 8, &last, 4);
      return;
    }
    case 6: write_nibbles(c, 0, p); return;
    default:
      write_nibbles(c, 2, p);
      store_word(p + 16, pairs_of(c, 0));
  }
}

PI_INLINE codes read_whole(const uint8_t *leading, const uint8_t *rest, unsigned bits) {
  codes c = with_pairs((codes){{0}}, load_word(leading), bits - 2);
  switch (bits) {
    case 4: return with_pairs(c, load_word(rest), 0);
    case 5: return with_bits(with_pairs(c, load_word(rest), 1), pi_load_u32(rest + 8));
    case 6: return with_nibbles(c, rest, 0);
    default: return with_pairs(with_nibbles(c, rest, 2), load_word(rest + 16), 0);
  }
}

size_t pi_leading_bytes(uint32_t format, size_t columns) {
  if (pi_is_float(format)) return 0;
  const size_t blocks = columns / PI_BLOCK;
  return pi_head_bytes(pi_head_kind(pi_base(format)), blocks) + 8 * blocks;
}

size_t pi_rest_bytes(uint32_t format, size_t columns) {
  return pi_is_float(format) ? 0 : columns / PI_BLOCK * rest_of_block(pi_code_bits(pi_base(format)));
}

static void split_head(uint32_t format, const uint8_t *row, size_t blocks, uint8_t *head) {
  const uint32_t base = pi_base(format), kind = pi_head_kind(base);
  if (pi_block_elements(base) == PI_SUPER) {
    const size_t bytes = pi_block_bytes(base), at = kind == PI_Q6_K ? 192 : 0, part = kind == PI_Q6_K ? 18 : 16;
    for (size_t i = 0; i < blocks / 8; i++) memcpy(head + i * part, row + i * bytes + at, part);
    return;
  }
  const pi_parts from = pi_parts_of(format, blocks);
  for (size_t b = 0; b < blocks; b++) {
    memcpy(head + 2 * b, row + b * from.scale_step, 2);
    if (kind == PI_Q4_1) memcpy(head + 2 * (blocks + b), row + from.minimum + b * from.scale_step, 2);
  }
}

void pi_split_row(uint32_t format, const void *row, size_t columns, uint8_t *leading, uint8_t *rest) {
  const uint32_t base = pi_base(format);
  const size_t blocks = columns / PI_BLOCK;
  const unsigned bits = pi_code_bits(base);
  split_head(format, row, blocks, leading);
  leading += pi_head_bytes(pi_head_kind(base), blocks);
  for (size_t b = 0; b < blocks; b++) {
    pi_block block;
    codes c;
    pi_read_block(format, row, b, blocks, &block);
    memcpy(&c, block.codes, sizeof c);
    store_word(leading + 8 * b, pairs_of(c, bits - 2));
    write_rest(c, bits, rest + b * rest_of_block(bits));
  }
}

// The nibbles of Q4_0 and Q4_1, two codes a byte: both halves of what is known of a code shift into their places.
PI_INLINE void join_nibbles(const uint8_t *leading, const uint8_t *rest, size_t blocks, uint8_t *target) {
  const uint64_t low = UINT64_C(0x3333333333333333);
  for (size_t b = 0; b < blocks; b++) {
    const uint64_t l = load_word(leading + 8 * b), r = load_word(rest + 8 * b);
    store_word(target + 16 * b, (l & low) << 2 | (r & low));
    store_word(target + 16 * b + 8, (l & ~low) | (r >> 2 & low));
  }
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

enum { REST_AHEAD = 8192 };  // bytes of the rest that are asked for before they are used

PI_INLINE void join_rows(uint32_t format, const pi_split_matrix *w, const uint32_t *list, size_t count, size_t begin,
                         size_t end, uint8_t *rows) {
  const size_t blocks = w->columns / PI_BLOCK, bytes = blocks * PI_BLOCK / pi_block_elements(format) * pi_block_bytes(format);
  const size_t leading = pi_leading_bytes(format, w->columns), rest = pi_rest_bytes(format, w->columns);
  const size_t ahead = REST_AHEAD / rest + 1;
  for (size_t n = begin; n < end; n++, rows += bytes) {
    // Once per list all that is not ahead of anything yet.
    for (size_t i = n == 0 ? 0 : n + ahead; i <= n + ahead && i < count; i++) {
      const uint8_t *p = w->rest + list[i] * rest;
      for (size_t at = 0; at < rest; at += 64) __builtin_prefetch(p + at);
      __builtin_prefetch(p + rest - 1);
    }
    join_row(format, w->leading + list[n] * leading, w->rest + list[n] * rest, blocks, rows);
  }
}

void pi_join_listed(const pi_split_matrix *w, const uint32_t *list, size_t count, size_t begin, size_t end, uint8_t *rows) {
  if (w->columns == 0) return;
  switch (w->format) {
#define PI_CASE(name) \
  case PI_##name: join_rows(PI_##name, w, list, count, begin, end, rows); return;
    PI_CASE(Q4_0) PI_CASE(Q4_1) PI_CASE(Q5_0) PI_CASE(Q5_1) PI_CASE(Q8_0) PI_CASE(Q4_K) PI_CASE(Q5_K) PI_CASE(Q6_K)
#undef PI_CASE
    default: return;
  }
}

void pi_block_energies(const float *x, size_t columns, float *energies, size_t stride) {
  const size_t halves = columns / 16;
  for (size_t i = 0; i < 2 * stride; i++) energies[i] = 0;
  for (size_t i = 0; i < halves; i++) {
    // Four sums, so that no addition waits for the one before.
    float sum[4] = {0};
    for (size_t j = 0; j < 16; j++) sum[j % 4] += x[16 * i + j] * x[16 * i + j];
    energies[i % 2 * stride + i / 2] = (sum[0] + sum[1]) + (sum[2] + sum[3]);
  }
}
