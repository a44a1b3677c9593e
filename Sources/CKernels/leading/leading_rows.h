// Products with the leading bits of rows. Beside what plain.h asks for, the including file defines
//   DOT_BLOCKS                             blocks of leading bits in a vector: PI_LANES / 2
//   leading_dots(p, present, x, dot)       vectors of whole numbers: lane i of dot[0] is the product of 2-bit codes 0...15, of dot[1]
//                                          that of codes 16...31, with the token's, of which block i / 2 has half in either lane; the
//                                          first `present` of DOT_BLOCKS blocks are there, `x` is in the order of arrange_leading
//   leading_scales(kind, row, b, count, all, scale, more)   of PI_LANES blocks, zero past `count`: scales and, for PI_Q4_1 and PI_Q4_K,
//                                          minima as a bias to add, for PI_Q6_K the scales of the second halves
//   spread(v, second)                      lanes 2i and 2i + 1 are lane i of the vector's first or second half
//   codes_of(codes, b, s)                  where codes 8s... of block b begin in PI_BY_ROWS; the next four are `CODES_APART` further
// and may define LAST_BLOCKS and
//   add_last_blocks(kind, row, b, blocks, x, step, middle, sums, squares)   adds up to so many blocks, from `b` on, of the four rows
//                                          at row[0...3], for formats with blocks of 32
// and STRIPE_PAIRS and what leading_stripes.h asks for.
// Every row is summed in one order, however rows are divided.

#include "leading/split.h"

enum { LEADING_AHEAD = 8192 };  // bytes that a leading row is asked for before it is used

// Code 8s + j of block i out of DOT_BLOCKS is byte (s * DOT_BLOCKS + i) * 8 + j of these.
static void PI_NAME(arrange_leading)(const int8_t *codes, size_t columns, int8_t *target) {
  const size_t blocks = columns / PI_BLOCK;
  memset(target, 0, (columns + 255) / 256 * 256);
  for (size_t b = 0; b < blocks; b++) {
    int8_t *to = target + (b / DOT_BLOCKS * DOT_BLOCKS * 4 + b % DOT_BLOCKS) * 8;
    for (size_t s = 0; s < 4; s++) {
      const int8_t *from = codes_of(codes, b, s);
      memcpy(to + s * DOT_BLOCKS * 8, from, 4);
      memcpy(to + s * DOT_BLOCKS * 8 + 4, from + CODES_APART, 4);
    }
  }
}

// The first `end` of all blocks. `kind` is a constant. `sum` and `squares` are still in lanes.
PI_INLINE void leading_row(uint32_t kind, const uint8_t *row, size_t end, size_t blocks, const pi_leading_input *x, vf step,
                           vf middle, vf *sum, vf *squares) {
  const size_t stride = x->block_stride, head = pi_head_bytes(kind, blocks);
  vf product = {0}, bias = {0}, low = {0}, square = {0};
  for (size_t b = 0; b < end; b += PI_LANES) {
    const size_t count = end - b < PI_LANES ? end - b : PI_LANES;
    vf scale, more;
    leading_scales(kind, row, b, count, blocks, &scale, &more);
    const vf factor = load(x->scales + b);
    if (kind == PI_Q6_K) {
      bias += scale * load(x->sums + stride + b);
      bias += more * load(x->sums + 2 * stride + b);
      square += scale * scale * load(x->energies + stride + b);
      square += more * more * load(x->energies + 2 * stride + b);
    } else {
      const vf sums = load(x->sums + b);
      bias += scale * sums;
      if (kind != PI_Q4_0) low += more * sums;
      square += scale * scale * load(x->energies + b);
    }
    const vf factors[2] = {scale * factor, more * factor};
    PI_UNROLL
    for (size_t half = 0; half < 2; half++) {
      const size_t begin = half * DOT_BLOCKS;
      if (count <= begin) break;
      vi dot[2];
      leading_dots(row + head + 8 * (b + begin), count - begin < DOT_BLOCKS ? count - begin : DOT_BLOCKS,
                   x->codes + (b + begin) * PI_BLOCK, dot);
      if (kind == PI_Q6_K) {
        product += __builtin_convertvector(dot[0], vf) * spread(factors[0], half);
        product += __builtin_convertvector(dot[1], vf) * spread(factors[1], half);
      } else {
        product += __builtin_convertvector(dot[0] + dot[1], vf) * spread(factors[0], half);
      }
    }
  }
  *sum = product * step + (bias * middle + low);
  *squares = square;
}

PI_INLINE void leading_rows(uint32_t kind, const pi_split_matrix *w, size_t row_begin, size_t row_end,
                            const pi_leading_input *x, float *z, float *deviation) {
  const size_t blocks = w->columns / PI_BLOCK, bytes = pi_leading_bytes(w->format, w->columns);
  const pi_leading_scale of = pi_leading_scale_of(w->format);
  const vf step = splat(of.step), middle = splat(of.middle);
  size_t last = 0;
#ifdef LAST_BLOCKS
  if (blocks % PI_LANES <= LAST_BLOCKS && (kind == PI_Q4_0 || kind == PI_Q4_1)) last = blocks % PI_LANES;
#endif
  for (size_t r = row_begin; r < row_end; r += 4) {
    const size_t count = row_end - r < 4 ? row_end - r : 4;
    float sums[4], variances[4];
    vf sum[4] = {{0}}, squares[4] = {{0}};
    for (size_t i = 0; i < count; i++) {
      const uint8_t *row = w->leading + (r + i) * bytes;
      for (size_t at = 0; at < bytes; at += 64) __builtin_prefetch(row + LEADING_AHEAD + at, 0, 2);
      leading_row(kind, row, blocks - last, blocks, x, step, middle, &sum[i], &squares[i]);
    }
    sum4(sum[0], sum[1], sum[2], sum[3], sums);
    sum4(squares[0], squares[1], squares[2], squares[3], variances);
#ifdef LAST_BLOCKS
    if (last > 0) {
      // In place of rows that are not there the first is read again.
      const uint8_t *row[4];
      for (size_t i = 0; i < 4; i++) row[i] = w->leading + (i < count ? r + i : r) * bytes;
      add_last_blocks(kind, row, blocks - last, blocks, x, step, middle, sums, variances);
    }
#endif
    for (size_t i = 0; i < count; i++) {
      z[r - row_begin + i] = sums[i];
      deviation[r - row_begin + i] = sqrtf(of.variance * variances[i]);
    }
  }
}

#ifdef STRIPE_PAIRS
#include "leading/leading_stripes.h"
#endif

static void PI_NAME(multiply_leading)(const pi_split_matrix *w, size_t row_begin, size_t row_end, const pi_leading_input *x,
                                      float *z, float *deviation) {
#ifdef STRIPE_PAIRS
  if (pi_is_striped(w->format)) {
    switch (pi_head_kind(pi_base(w->format))) {
      case PI_Q4_0: leading_stripes(PI_Q4_0, w, row_begin, row_end, x, z, deviation); return;
      default: leading_stripes(PI_Q4_1, w, row_begin, row_end, x, z, deviation); return;
    }
  }
#endif
  switch (pi_head_kind(w->format)) {
    case PI_Q4_0: leading_rows(PI_Q4_0, w, row_begin, row_end, x, z, deviation); return;
    case PI_Q4_1: leading_rows(PI_Q4_1, w, row_begin, row_end, x, z, deviation); return;
    case PI_Q4_K: leading_rows(PI_Q4_K, w, row_begin, row_end, x, z, deviation); return;
    default: leading_rows(PI_Q6_K, w, row_begin, row_end, x, z, deviation); return;
  }
}
