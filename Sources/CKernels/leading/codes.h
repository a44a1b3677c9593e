// Codes of blocks as rows in two areas have them, and as whole rows do. Little-endian: byte j of a word is code j's.
#ifndef PI_CODES_H
#define PI_CODES_H

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

PI_INLINE codes read_whole(const uint8_t *leading, const uint8_t *rest, unsigned bits) {
  codes c = with_pairs((codes){{0}}, load_word(leading), bits - 2);
  switch (bits) {
    case 4: return with_pairs(c, load_word(rest), 0);
    case 5: return with_bits(with_pairs(c, load_word(rest), 1), pi_load_u32(rest + 8));
    case 6: return with_nibbles(c, rest, 0);
    default: return with_pairs(with_nibbles(c, rest, 2), load_word(rest + 16), 0);
  }
}

#endif
