// Puts together rows of nibbles (Q4_0, Q4_1) whose leading bits lie in stripes. The result is stripes, too: the leading bits of the wanted
// rows are in lanes already and only have to move next to each other, and products with stripes are faster than with rows. The
// including file defines
//   SIDE_BYTES                                          from one word of all lanes to the next, beside the stripe
//   take_lanes(stripe, lanes, at, head, blocks, target, side)   the lanes of a leading stripe whose bits are set follow one another from
//                                                       lane `at` on: of the head in `target`, of the words of codes in `side`
//   read_lanes(rest, at, lanes)                         16 bytes from `at` on of PI_STRIPE rows: vector g * 4 + i has the i-th word of rows
//                                                       g * PI_LANES...
//   put_together(leading, rest, low, high)              nibbles of codes 0...7 and 16...23, and of 8...15 and 24...31
//   load_side(p), store_words(p, v)                     a vector of words

PI_INLINE bool joins_stripes(uint32_t format) {
  return pi_is_striped(format) && (pi_base(format) == PI_Q4_0 || pi_base(format) == PI_Q4_1);
}

enum { JOINED_GROUPS = PI_STRIPE / PI_LANES };

// Two blocks of a stripe (one, if `blocks` is 1), from `b` on.
PI_INLINE void join_two_blocks(const uint8_t *const *rest, size_t at, size_t b, size_t blocks, const uint8_t *side,
                               uint8_t *codes) {
  vi word[4 * JOINED_GROUPS];
  read_lanes(rest, at, word);
  for (size_t i = 0; i < blocks; i++) {
    PI_UNROLL
    for (size_t half = 0; half < 2; half++) {
      PI_UNROLL
      for (size_t g = 0; g < JOINED_GROUPS; g++) {
        const vi leading = load_side(side + SIDE_BYTES * (2 * (b + i) + half) + 4 * PI_LANES * g);
        uint8_t *const target = codes + PI_STRIPE * (16 * (b + i) + 4 * half) + 4 * PI_LANES * g;
        vi low, high;
        put_together(leading, word[4 * g + 2 * i + half], &low, &high);
        store_words(target, low);
        store_words(target + PI_STRIPE * 8, high);
      }
    }
  }
}

// `count` listed rows, at most PI_STRIPE, become the first of a stripe.
PI_INLINE void join_stripe(const pi_split_matrix *w, const uint32_t *list, size_t count, uint8_t *stripe, uint8_t *side) {
  const uint32_t format = pi_base(w->format);
  const size_t blocks = w->columns / PI_BLOCK, head = pi_head_bytes(pi_head_kind(format), blocks);
  const size_t leading = pi_leading_bytes(format, w->columns), bytes = pi_rest_bytes(format, w->columns);
  for (size_t n = 0; n < count;) {
    const size_t number = list[n] / PI_STRIPE, begin = n;
    uint32_t lanes = 0;
    // As many as follow one another within a stripe.
    while (n < count && list[n] / PI_STRIPE == number && lanes >> list[n] % PI_STRIPE == 0) {
      lanes |= 1u << list[n++] % PI_STRIPE;
    }
    take_lanes(w->leading + number * PI_STRIPE * leading, lanes, begin, head, blocks, stripe, side);
  }
  const uint8_t *rest[PI_STRIPE];
  // In place of rows that are not there the last one is read again.
  for (size_t n = 0; n < PI_STRIPE; n++) rest[n] = w->rest + list[n < count ? n : count - 1] * bytes;
  uint8_t *const codes = stripe + PI_STRIPE * head;
  size_t b = 0;
  for (; b + 2 <= blocks; b += 2) join_two_blocks(rest, 8 * b, b, 2, side, codes);
  if (b < blocks) {
    uint8_t last[PI_STRIPE][16] = {{0}};
    const uint8_t *copy[PI_STRIPE];
    for (size_t n = 0; n < PI_STRIPE; n++) {
      memcpy(last[n], rest[n] + 8 * b, 8);
      copy[n] = last[n];
    }
    join_two_blocks(copy, 0, b, 1, side, codes);
  }
}
