// Takes rows apart into leading bits and the rest.
#include "leading/codes.h"

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

void pi_make_leading_stripe(uint32_t format, const uint8_t *rows, size_t columns, uint8_t *stripe) {
  const size_t bytes = pi_leading_bytes(format, columns), head = pi_head_bytes(pi_head_kind(format), columns / PI_BLOCK);
  for (size_t r = 0; r < PI_STRIPE; r++) {
    const uint8_t *row = rows + r * bytes;
    for (size_t at = 0; at < head; at += 2) memcpy(stripe + PI_STRIPE * at + 2 * r, row + at, 2);
    for (size_t at = head; at < bytes; at += 4) memcpy(stripe + PI_STRIPE * at + 4 * r, row + at, 4);
  }
}

void pi_block_energies(const float *x, size_t columns, float *energies, size_t stride) {
  const size_t halves = columns / 16;
  for (size_t i = 0; i < 3 * stride; i++) energies[i] = 0;
  for (size_t i = 0; i < halves; i++) {
    // Four sums, so that no addition waits for the one before.
    float sum[4] = {0};
    for (size_t j = 0; j < 16; j++) sum[j % 4] += x[16 * i + j] * x[16 * i + j];
    const float total = (sum[0] + sum[1]) + (sum[2] + sum[3]);
    energies[(1 + i % 2) * stride + i / 2] = total;
    energies[i / 2] += total;
  }
}
