// Rows of blocks to stripes and back. Used when a model is loaded, and where one row is wanted after all.
#include "blocks/blocks.h"

typedef uint32_t four_words __attribute__((vector_size(16)));

PI_INLINE four_words four_at(const uint8_t *p) {
  four_words v;
  memcpy(&v, p, sizeof v);
  return v;
}

// 16 bytes of each of four rows, `width` apart: word i of row r goes to word r of the i-th PI_STRIPE words.
PI_INLINE void interleave_four(const uint8_t *p, size_t width, uint8_t *out) {
  const four_words a = four_at(p), b = four_at(p + width), c = four_at(p + 2 * width), d = four_at(p + 3 * width);
  const four_words ab = __builtin_shufflevector(a, b, 0, 4, 1, 5), cd = __builtin_shufflevector(c, d, 0, 4, 1, 5);
  const four_words ef = __builtin_shufflevector(a, b, 2, 6, 3, 7), gh = __builtin_shufflevector(c, d, 2, 6, 3, 7);
  const four_words words[4] = {
      __builtin_shufflevector(ab, cd, 0, 1, 4, 5), __builtin_shufflevector(ab, cd, 2, 3, 6, 7),
      __builtin_shufflevector(ef, gh, 0, 1, 4, 5), __builtin_shufflevector(ef, gh, 2, 3, 6, 7)};
  PI_UNROLL
  for (size_t i = 0; i < 4; i++) memcpy(out + i * 4 * PI_STRIPE, &words[i], sizeof words[i]);
}

PI_INLINE void make_stripe(uint32_t format, const uint8_t *source, size_t blocks, uint8_t *target) {
  const pi_parts from = pi_parts_of(format, blocks), to = pi_parts_of(format | PI_STRIPED, blocks);
  const bool has_minimum = to.fifth > to.minimum, has_fifth = to.codes > to.fifth;
  const size_t width = blocks * pi_block_bytes(format);
  for (size_t b = 0; b < blocks; b++) {
    const uint8_t *p = source + b * from.scale_step;
    uint8_t *const scales = target + PI_STRIPE * b * to.scale_step, *const minima = scales + PI_STRIPE * to.minimum;
    uint8_t *const fifth = target + PI_STRIPE * (to.fifth + b * to.fifth_step);
    uint8_t *const codes = target + PI_STRIPE * (to.codes + b * to.code_step);
    for (size_t r = 0; r < PI_STRIPE; r++) {
      memcpy(scales + 2 * r, p + r * width, 2);
      if (has_minimum) memcpy(minima + 2 * r, p + r * width + from.minimum, 2);
      if (has_fifth) memcpy(fifth + 4 * r, p + r * width + from.fifth, 4);
    }
    for (size_t r = 0; r < PI_STRIPE; r += 4) {
      for (size_t i = 0; i < to.code_step; i += 16) {
        interleave_four(p + r * width + from.codes + i, width, codes + PI_STRIPE * i + 4 * r);
      }
    }
  }
}

PI_INLINE void read_stripe(uint32_t format, const uint8_t *stripe, size_t index, size_t blocks, size_t begin, size_t end,
                           uint8_t *target) {
  const pi_parts from = pi_parts_of(format | PI_STRIPED, blocks), to = pi_parts_of(format, blocks);
  const bool has_minimum = from.fifth > from.minimum, has_fifth = from.codes > from.fifth;
  const uint8_t *halves = stripe + 2 * index, *words = stripe + 4 * index;
  for (size_t b = begin; b < end; b++) {
    uint8_t *const block = target + (b - begin) * to.scale_step;
    memcpy(block, halves + PI_STRIPE * b * from.scale_step, 2);
    if (has_minimum) memcpy(block + to.minimum, halves + PI_STRIPE * (from.minimum + b * from.scale_step), 2);
    if (has_fifth) memcpy(block + to.fifth, words + PI_STRIPE * (from.fifth + b * from.fifth_step), 4);
    for (size_t i = 0; i < from.code_step; i += 4) {
      memcpy(block + to.codes + i, words + PI_STRIPE * (from.codes + b * from.code_step + i), 4);
    }
  }
}

void pi_make_stripe(uint32_t format, const void *blocks, size_t columns, void *stripe) {
  switch (format) {
#define PI_CASE(name) \
  case PI_##name: make_stripe(PI_##name, blocks, columns / PI_BLOCK, stripe); return;
    PI_STRIPES(PI_CASE)
#undef PI_CASE
    default: return;
  }
}

void pi_read_stripe(uint32_t format, const void *stripe, size_t index, size_t columns, size_t begin, size_t end, void *blocks) {
  switch (format) {
#define PI_CASE(name)                                                                                                     \
  case PI_##name:                                                                                                         \
    read_stripe(PI_##name, stripe, index, columns / PI_BLOCK, begin / PI_BLOCK, end / PI_BLOCK, blocks);                  \
    return;
    PI_STRIPES(PI_CASE)
#undef PI_CASE
    default: return;
  }
}
