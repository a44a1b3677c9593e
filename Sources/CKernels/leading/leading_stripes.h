// Products with the leading bits of stripes, whose lanes are rows: no sums over lanes, no scale to spread. The including file defines
//   stripe_pairs(p, x, dot)   dot[g]: the products of the 2-bit codes of a block with a token's, of rows g * PI_LANES... of the stripe
//                             whose words of this block lie at p; codes 8s... of the token are at x + s * DOT_BLOCKS * 8
// Every row's blocks are added in ascending order, however rows are divided.

enum { LEADING_GROUPS = PI_STRIPE / PI_LANES };

// One stripe; z[lane] and deviation[lane] of all its rows. `kind` is a constant. As many bytes further on are asked for.
PI_INLINE void leading_stripe(uint32_t kind, const uint8_t *stripe, size_t blocks, const pi_leading_input *x,
                              pi_leading_scale of, float *z, float *deviation) {
  const size_t head = pi_head_bytes(kind, blocks), bytes = PI_STRIPE * (pi_head_bytes(kind, 1) + 8);
  vf product[LEADING_GROUPS], bias[LEADING_GROUPS], low[LEADING_GROUPS], square[LEADING_GROUPS];
  PI_UNROLL
  for (size_t g = 0; g < LEADING_GROUPS; g++) product[g] = bias[g] = low[g] = square[g] = (vf){0};
  prefetch(stripe, PI_STRIPE * head);
  for (size_t b = 0; b < blocks; b++) {
    const int8_t *codes = x->codes + (b / DOT_BLOCKS * DOT_BLOCKS * 4 + b % DOT_BLOCKS) * 8;
    const vf factor = splat(x->scales[b]), sum = splat(x->sums[b]), energy = splat(x->energies[b]);
    vi dot[LEADING_GROUPS];
    prefetch_second(stripe + LEADING_AHEAD + b * bytes, bytes);
    stripe_pairs(stripe + PI_STRIPE * (head + 8 * b), codes, dot);
    PI_UNROLL
    for (size_t g = 0; g < LEADING_GROUPS; g++) {
      const uint8_t *p = stripe + PI_STRIPE * 2 * b + 2 * PI_LANES * g;
      const vf scale = (vf)load_f16((const uint16_t *)(const void *)p);
      product[g] += __builtin_convertvector(dot[g], vf) * factor * scale;
      bias[g] += scale * sum;
      if (kind == PI_Q4_1) low[g] += (vf)load_f16((const uint16_t *)(const void *)(p + PI_STRIPE * 2 * blocks)) * sum;
      square[g] += scale * scale * energy;
    }
  }
  PI_UNROLL
  for (size_t g = 0; g < LEADING_GROUPS; g++) {
    store(z + g * PI_LANES, product[g] * splat(of.step) + (bias[g] * splat(of.middle) + low[g]));
    store(deviation + g * PI_LANES, __builtin_elementwise_sqrt(splat(of.variance) * square[g]));
  }
}

PI_INLINE void leading_stripes(uint32_t kind, const pi_split_matrix *w, size_t row_begin, size_t row_end,
                               const pi_leading_input *x, float *z, float *deviation) {
  const size_t blocks = w->columns / PI_BLOCK, bytes = PI_STRIPE * pi_leading_bytes(w->format, w->columns);
  const pi_leading_scale of = pi_leading_scale_of(pi_base(w->format));
  for (size_t s = row_begin / PI_STRIPE; s * PI_STRIPE < row_end; s++) {
    const size_t first = s * PI_STRIPE;
    const uint8_t *stripe = w->leading + s * bytes;
    if (first >= row_begin && first + PI_STRIPE <= row_end) {
      leading_stripe(kind, stripe, blocks, x, of, z + (first - row_begin), deviation + (first - row_begin));
      continue;
    }
    float some[PI_STRIPE], apart[PI_STRIPE];
    leading_stripe(kind, stripe, blocks, x, of, some, apart);
    const size_t begin = first < row_begin ? row_begin : first, end = first + PI_STRIPE < row_end ? first + PI_STRIPE : row_end;
    memcpy(z + (begin - row_begin), some + (begin - first), 4 * (end - begin));
    memcpy(deviation + (begin - row_begin), apart + (begin - first), 4 * (end - begin));
  }
}
