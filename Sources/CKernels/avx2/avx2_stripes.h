// Products of stripes, which have their codes in the order of a panel and need only be taken apart: for few tokens block by block, for
// many into the panel's scratch. For every (row, token) the sums are those of panels (blockwise_panels.h), bit by bit.

enum {
  STRIPE_GROUPS = PI_STRIPE / PI_LANES,
  FEW_TOKENS = 2 * PANEL_TOKENS,  // decoding twice costs less than going through scratch once
};

// Block `b` of the eight rows of a stripe from row `lane` on, as `write_panel_codes` has it.
PI_INLINE void write_stripe_codes(uint32_t format, const uint8_t *stripe, size_t lane, size_t b, size_t all, uint8_t *out) {
  const pi_parts parts = pi_parts_of(format, all);
  const uint8_t *p = stripe + PI_STRIPE * (parts.codes + b * parts.code_step) + 4 * lane;
  const size_t vectors = is_q8_0(format) ? 8 : 4;
  __m256i v[8], fifth = _mm256_setzero_si256();
  PI_UNROLL
  for (size_t i = 0; i < vectors; i++) v[i] = _mm256_loadu_si256((const __m256i *)(p + 4 * PI_STRIPE * i));
  if (is_q8_0(format)) {
    store_codes(format, v, out);
    return;
  }
  if (has_fifth_bits(format)) {
    const uint8_t *words = stripe + PI_STRIPE * (parts.fifth + b * parts.fifth_step) + 4 * lane;
    fifth = _mm256_loadu_si256((const __m256i *)words);
  }
  store_nibbles(format, v, fifth, out);
}

// The scales of a block of all rows of a stripe, and what is added for every sum of codes.
PI_INLINE void read_stripe_scales(uint32_t format, const uint8_t *stripe, size_t b, size_t all, float *scale, float *bias) {
  const uint8_t *p = stripe + PI_STRIPE * 2 * b;
  PI_UNROLL
  for (size_t i = 0; i < PI_STRIPE; i += PI_LANES) {
    const vf s = (vf)load_f16((const uint16_t *)(const void *)(p + 2 * i));
    store(scale + i, s);
    store(bias + i, has_minima(format) ? (vf)load_f16((const uint16_t *)(const void *)(p + PI_STRIPE * 2 * all + 2 * i))
                                       : s * -panel_offset(format));
  }
}

// One stripe with `tokens` tokens (a constant, at most PANEL_TOKENS); y[t * stride + r] of the rows from `first` to `end`. What is
// `ahead` is asked for.
PI_INLINE void stripe_by_tokens(uint32_t format, const uint8_t *stripe, const uint8_t *ahead, asking asks, size_t first,
                                size_t end, const pi_activations *x, size_t token, size_t tokens, float *y, size_t stride) {
  const uint32_t kind = panel_kind(format);
  const size_t all = x->columns / PI_BLOCK, bytes = PI_STRIPE * pi_block_bytes(format), block_bytes = panel_code_bytes(kind);
  const int8_t *codes = x->codes + token * x->code_stride;
  const float *factors = x->scales + token * x->block_stride, *sums = x->sums + token * 3 * x->block_stride;
  vf total[STRIPE_GROUPS * PANEL_TOKENS];
  PI_UNROLL
  for (size_t i = 0; i < STRIPE_GROUPS * tokens; i++) total[i] = (vf){0};
  for (size_t b = 0; b < all; b++) {
    uint8_t block[STRIPE_GROUPS * PANEL_CODE_BYTES] __attribute__((aligned(32)));
    float scale[PI_STRIPE] __attribute__((aligned(32))), bias[PI_STRIPE] __attribute__((aligned(32)));
    panel_dot dot[STRIPE_GROUPS * PANEL_TOKENS];
    prefetch_as(asks, ahead + b * bytes, bytes);
    PI_UNROLL
    for (size_t g = 0; g < STRIPE_GROUPS; g++) {
      write_stripe_codes(format, stripe, g * PI_LANES, b, all, block + g * block_bytes);
    }
    read_stripe_scales(format, stripe, b, all, scale, bias);
    panel_dots(kind, block, STRIPE_GROUPS, codes + b * PI_BLOCK, x->code_stride, tokens, 0, 8, dot);
    add_dots(kind, dot, STRIPE_GROUPS, tokens, scale, bias, factors + b, sums + b, x->block_stride, total);
  }
  PI_UNROLL
  for (size_t t = 0; t < tokens; t++) {
    if (end - first == PI_STRIPE) {
      PI_UNROLL
      for (size_t g = 0; g < STRIPE_GROUPS; g++) store(y + t * stride + g * PI_LANES, total[g * tokens + t]);
    } else {
      float row[PI_STRIPE];
      for (size_t g = 0; g < STRIPE_GROUPS; g++) store(row + g * PI_LANES, total[g * tokens + t]);
      for (size_t r = first; r < end; r++) y[t * stride + r] = row[r];
    }
  }
}

// Many tokens with a whole stripe.
PI_INLINE void stripe_by_panels(uint32_t format, const uint8_t *stripe, const pi_activations *x, size_t token,
                                size_t token_end, panel *scratch, float *y, size_t stride) {
  const size_t all = x->columns / PI_BLOCK, bytes = panel_code_bytes(panel_kind(format));
  for (size_t begin = 0; begin < all; begin += PANEL_BLOCKS) {
    const size_t blocks = all - begin < PANEL_BLOCKS ? all - begin : PANEL_BLOCKS;
    for (size_t b = 0; b < blocks; b++) {
      for (size_t g = 0; g < STRIPE_GROUPS; g++) {
        write_stripe_codes(format, stripe, g * PI_LANES, begin + b, all, scratch->codes + (b * PANEL_GROUPS + g) * bytes);
      }
      read_stripe_scales(format, stripe, begin + b, all, scratch->scale + b * PANEL_ROWS, scratch->bias + b * PANEL_ROWS);
    }
    const panel_task task = {scratch, x, begin, blocks, PI_STRIPE, stride};
    any_panel_tiles(format, &task, token, token_end, y);
  }
}

PI_INLINE void multiply_stripes(uint32_t format, const pi_matrix *w, size_t row_begin, size_t row_end,
                                const pi_activations *x, size_t token_begin, size_t token_end, float *y, size_t stride) {
  const row_source source = consecutive_rows(w);
  panel scratch;
  for (size_t r = row_begin / PI_STRIPE * PI_STRIPE; r < row_end; r += PI_STRIPE) {
    const size_t first = r < row_begin ? row_begin - r : 0, end = row_end - r < PI_STRIPE ? row_end - r : PI_STRIPE;
    const uint8_t *stripe = row_at(&source, r), *ahead = ahead_of(&source, r);
    asking asks = source.asks;
    size_t token = token_begin;
    prefetch_head(format, stripe, x->columns / PI_BLOCK);
    if (token_end - token > FEW_TOKENS && end - first == PI_STRIPE) {
      stripe_by_panels(format, stripe, x, token, token_end, &scratch, y + r, stride);
      continue;
    }
#define PI_TOKENS(count)                                                                                             \
  for (; token_end - token >= (count); token += (count), asks = ASKS_NEVER) {                                        \
    stripe_by_tokens(format, stripe, ahead, asks, first, end, x, token, (count), y + token * stride + r, stride);    \
  }
    PI_TOKENS(4)
    PI_TOKENS(2)
    PI_TOKENS(1)
#undef PI_TOKENS
  }
}
