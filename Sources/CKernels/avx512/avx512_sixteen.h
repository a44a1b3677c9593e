// Products of sixteen rows at a time with few tokens, whose lanes are rows: a stripe, or rows that lie by themselves and are transposed
// block by block in registers. For every (row, token): the blocks in ascending order into one sum, so that neither the layout nor what else
// is computed changes a bit of it. Activations have their codes as PI_BY_ROWS does, so that four codes of a token, broadcast, meet the
// rows' own.

enum {
  MOST_TOKENS = 8,  // of one call: their sums and the codes of a block stay in registers
  // Sixteen rows that lie by themselves are read in parts, in turns, while prefetching follows the order of memory. So it must run this many
  // bytes beyond the current sixteen rows, into the second cache, as the first one is too small. Rows of 576 nibbles from memory, two threads
  // of a Zen 4: 26 GB/s with 8 KiB ahead in the first cache, 38 GB/s with 20 KiB in the second.
  BYTES_BEHIND = 16384,
};

// What is prefetched while sixteen rows are read: as many bytes where rows follow one another without gaps, else as many rows.
typedef struct {
  asking asks;
  const uint8_t *ahead;           // where rows follow one another; else NULL
  const uint8_t *row[PI_STRIPE];  // beginnings of rows that lie apart
} upcoming_rows;

// What belongs to `blocks` blocks from `b` on, where rows follow one another.
PI_INLINE void ask_for_blocks(uint32_t format, const upcoming_rows *next, size_t b, size_t blocks) {
  if (!next->ahead) return;
  prefetch_as(next->asks, next->ahead + PI_STRIPE * span_bytes(format, b), PI_STRIPE * span_bytes(format, blocks));
}

// The part of the rows that lie apart that is due while blocks from `b` on are read: row after row, spread evenly over the blocks of the
// present rows.
PI_INLINE void ask_for_rows(uint32_t format, const upcoming_rows *next, size_t b, size_t all) {
  if (next->ahead || next->asks == ASKS_NEVER) return;
  const size_t steps = (all + SCALED_BLOCKS - 1) / SCALED_BLOCKS, share = (PI_STRIPE + steps - 1) / steps;
  const size_t bytes = span_bytes(format, all), first = b / SCALED_BLOCKS * share;
  for (size_t r = first; r < first + share && r < PI_STRIPE; r++) {
    prefetch_as(next->asks, next->row[r], bytes);
    prefetch_as(next->asks, next->row[r] + bytes - 1, 1);
  }
}

// Whether high nibbles may be multiplied where they stand, as sixteen times their codes: a product then fits 32 bits and is
// shifted once per block.
PI_INLINE bool has_nibbles_only(uint32_t format) { return pi_base(format) == PI_Q4_0 || pi_base(format) == PI_Q4_1; }

// The codes of a block in steps of four columns, unsigned; the last four steps times 16 where there are only nibbles.
PI_INLINE void unsigned_codes(uint32_t format, const uint8_t *const *rows, size_t b, size_t all, __m512i *codes) {
  __m512i v[8];
  read_code_words(format, rows, b, all, v);
  if (pi_base(format) == PI_Q8_0) {
    PI_UNROLL
    for (size_t s = 0; s < 8; s++) codes[s] = _mm512_xor_si512(v[s], _mm512_set1_epi8((char)0x80));
    return;
  }
  PI_UNROLL
  for (size_t s = 0; s < 4; s++) {
    codes[s] = low_nibbles(v[s]);
    codes[s + 4] = has_nibbles_only(format) ? _mm512_and_si512(v[s], _mm512_set1_epi8((char)0xf0)) : high_nibbles(v[s]);
  }
  if (!has_nibbles_only(format)) add_fifth_bits(format, rows, b, all, codes);
}

PI_INLINE __m512i four_codes(const int8_t *p) { return _mm512_set1_epi32((int)pi_load_u32((const uint8_t *)p)); }

// The dot products of half a block with the codes of one token.
PI_INLINE __m512i add_half(__m512i dot, const __m512i *codes, const int8_t *x) {
  PI_UNROLL
  for (size_t s = 0; s < 4; s++) dot = _mm512_dpbusd_epi32(dot, codes[s], four_codes(x + 16 * s));
  return dot;
}

// The first of some tokens, PI_BY_ROWS.
typedef struct {
  const int8_t *codes;
  const float *factors, *sums;
  size_t code_stride, block_stride;
} token_rows;

PI_INLINE token_rows tokens_from(const pi_activations *x, size_t token) {
  return (token_rows){x->codes + token * x->code_stride, x->scales + token * x->block_stride,
                      x->sums + token * 3 * x->block_stride, x->code_stride, x->block_stride};
}

// Adds block `b` to the sums of `tokens` tokens (a constant). `scale` has two vectors in Q6_K; `minimum` is a bias to add, where there is one.
PI_INLINE void add_block(uint32_t format, const __m512i *codes, const __m512 *scale, __m512 minimum, const token_rows *x,
                         size_t b, size_t tokens, __m512 *sum) {
  const __m512i zero = _mm512_setzero_si512();
  const int8_t *four = x->codes + b / 4 * 4 * PI_BLOCK + b % 4 * 4;
  PI_UNROLL
  for (size_t t = 0; t < tokens; t++) {
    const int8_t *low = four + t * x->code_stride, *high = low + 64;
    const float *sums = x->sums + t * 3 * x->block_stride + b;
    const __m512 factor = _mm512_set1_ps(x->factors[t * x->block_stride + b]);
    if (format == PI_Q6_K) {
      PI_UNROLL
      for (size_t half = 0; half < 2; half++) {
        const __m512i dot = add_half(zero, codes + 4 * half, half == 0 ? low : high);
        const __m512 product = _mm512_mul_ps(_mm512_cvtepi32_ps(dot), factor);
        const __m512 of_half = _mm512_set1_ps(sums[(half + 1) * x->block_stride]);
        sum[t] = _mm512_fmadd_ps(_mm512_fnmadd_ps(_mm512_set1_ps(offset_of(format)), of_half, product), scale[half], sum[t]);
      }
      continue;
    }
    __m512i dot = add_half(zero, codes + 4, high);
    if (has_nibbles_only(format)) dot = _mm512_srai_epi32(dot, 4);
    dot = add_half(dot, codes, low);
    const __m512 product = _mm512_mul_ps(_mm512_cvtepi32_ps(dot), factor), of_block = _mm512_set1_ps(sums[0]);
    if (offset_of(format) == 0) {
      sum[t] = _mm512_fmadd_ps(minimum, of_block, _mm512_fmadd_ps(product, scale[0], sum[t]));
    } else {
      sum[t] = _mm512_fmadd_ps(_mm512_fnmadd_ps(_mm512_set1_ps(offset_of(format)), of_block, product), scale[0], sum[t]);
    }
  }
}

// Adds the eight blocks of a super-block, from `b` on.
PI_INLINE void add_super(uint32_t format, const uint8_t *const *rows, size_t b, const token_rows *x, size_t tokens, __m512 *sum) {
  const size_t at = b / 8 * pi_block_bytes(format);
  __m512 scale[16], minimum[8];
  if (format == PI_Q6_K) {
    q6_k_scales(rows, at, scale);
    for (size_t half = 0; half < 2; half++) {
      __m512i pairs[8], codes[4][8];
      q6_k_pairs(rows, at, half, pairs);
      for (size_t j = 0; j < 2; j++) q6_k_codes(rows, at, half, j, pairs, codes[j], codes[j + 2]);
      for (size_t j = 0; j < 4; j++) {
        const size_t i = 4 * half + j;
        add_block(format, codes[j], scale + 2 * i, _mm512_setzero_ps(), x, b + i, tokens, sum);
      }
    }
    return;
  }
  __m512i fifth[8];
  q45_k_scales(rows, at, scale, minimum);
  q5_k_fifth(format, rows, at, fifth);
  for (size_t pair = 0; pair < 4; pair++) {
    const size_t i = 2 * pair;
    __m512i even[8], odd[8];
    q45_k_codes(format, rows, at, pair, fifth, even, odd);
    add_block(format, even, scale + i, minimum[i], x, b + i, tokens, sum);
    add_block(format, odd, scale + i + 1, minimum[i + 1], x, b + i + 1, tokens, sum);
  }
}

// A stripe.
PI_INLINE void add_stripe(uint32_t format, const uint8_t *stripe, const uint8_t *ahead, asking asks, size_t all,
                          const token_rows *x, size_t tokens, __m512 *sum) {
  const size_t bytes = PI_STRIPE * pi_block_bytes(format);
  for (size_t b = 0; b < all; b++) {
    __m512i codes[8];
    __m512 scale, minimum = _mm512_setzero_ps();
    prefetch_as(asks, ahead + b * bytes, bytes);
    unsigned_codes(format, &stripe, b, all, codes);
    stripe_scales(format, stripe, b, all, &scale, &minimum);
    add_block(format, codes, &scale, minimum, x, b, tokens, sum);
  }
}

// One stripe, or sixteen rows, of `all` blocks with `tokens` tokens (a constant); y[t * stride + r] of those `wanted`.
PI_INLINE void sixteen_by_tokens(uint32_t format, const uint8_t *const *rows, size_t all, const upcoming_rows *next,
                                 __mmask16 wanted, token_rows of, size_t tokens, float *y, size_t stride) {
  __m512 sum[MOST_TOKENS];
  PI_UNROLL
  for (size_t t = 0; t < tokens; t++) sum[t] = _mm512_setzero_ps();
  if (pi_is_striped(format)) {
    // So that the loop itself need not ask which way it is.
    switch (next->asks) {
      case ASKS_NEVER: add_stripe(format, rows[0], next->ahead, ASKS_NEVER, all, &of, tokens, sum); break;
      case ASKS_FIRST: add_stripe(format, rows[0], next->ahead, ASKS_FIRST, all, &of, tokens, sum); break;
      default: add_stripe(format, rows[0], next->ahead, ASKS_SECOND, all, &of, tokens, sum);
    }
  }
  for (size_t b = 0; b < all && !pi_is_striped(format); b += SCALED_BLOCKS) {
    if (pi_block_elements(format) == PI_SUPER) {
      ask_for_rows(format, next, b, all);
      ask_for_blocks(format, next, b, 8);
      add_super(format, rows, b, &of, tokens, sum);
      continue;
    }
    const size_t count = all - b < SCALED_BLOCKS ? all - b : SCALED_BLOCKS;
    __m512 scale[SCALED_BLOCKS], minimum[SCALED_BLOCKS];
    sixteen_scales(format, rows, b, count, all, scale, minimum);
    ask_for_rows(format, next, b, all);
    for (size_t i = 0; i < count; i++) {
      __m512i codes[8];
      ask_for_blocks(format, next, b + i, 1);
      unsigned_codes(format, rows, b + i, all, codes);
      add_block(format, codes, scale + i, has_minima(format) ? minimum[i] : _mm512_setzero_ps(), &of, b + i, tokens, sum);
    }
  }
  PI_UNROLL
  for (size_t t = 0; t < tokens; t++) _mm512_mask_storeu_ps(y + t * stride, wanted, sum[t]);
}

// Entries from `begin` to `end` of the source with `tokens` tokens (a constant); y[t * stride + n]. `asks` for what comes next, unless other
// tokens have done so.
PI_INLINE void sixteens_by_tokens(uint32_t format, const row_source *s, size_t begin, size_t end, bool asks,
                                  const pi_activations *x, size_t token, size_t tokens, float *y, size_t stride) {
  const bool striped = pi_is_striped(format);
  const size_t all = x->columns / PI_BLOCK;
  const token_rows of = tokens_from(x, token);
  y += token * stride;
  for (size_t n = striped ? begin / PI_STRIPE * PI_STRIPE : begin; n < end; n += PI_STRIPE) {
    const size_t count = end - n < PI_STRIPE ? end - n : PI_STRIPE;
    __mmask16 wanted = (__mmask16)((1u << count) - 1);
    if (n < begin) wanted &= (__mmask16)(0xffff << (begin - n));
    const uint8_t *rows[PI_STRIPE];
    upcoming_rows next;
    next.ahead = NULL;
    if (striped) {
      rows[0] = row_at(s, n);
      next.asks = asks ? s->asks : ASKS_NEVER;
      next.ahead = ahead_of(s, n);
      if (asks) prefetch_head(format, rows[0], all);
    } else {
      // In place of rows that are not there the last one is read again.
      for (size_t i = 0; i < PI_STRIPE; i++) rows[i] = row_at(s, n + (i < count ? i : count - 1));
      next.asks = asks ? ASKS_SECOND : ASKS_NEVER;
      if (!s->list && s->row_bytes == s->width) {
        next.ahead = rows[0] + PI_STRIPE * s->row_bytes + BYTES_BEHIND;
      } else if (s->list && n + s->ahead >= s->count) {
        next.asks = ASKS_NEVER;
      } else {
        for (size_t i = 0; i < PI_STRIPE; i++) {
          next.row[i] = s->list ? ahead_of(s, n + (i < count ? i : count - 1)) : rows[i] + PI_STRIPE * s->row_bytes;
        }
      }
    }
    sixteen_by_tokens(format, rows, all, &next, wanted, of, tokens, y + n, stride);
  }
}

typedef void (*sixteen_kernel)(const row_source *s, size_t begin, size_t end, bool asks, const pi_activations *x,
                               size_t token, float *y, size_t stride);

// Numbers of tokens that have a copy, per format; others are made of these, and for each the rows are transposed again.
enum { COPIES = 6 };
static const size_t tokens_of_copy[COPIES] = {8, 6, 4, 3, 2, 1};

#define PI_COPY(name, tokens)                                                                                             \
  static void sixteens_##name##_##tokens(const row_source *s, size_t begin, size_t end, bool asks, const pi_activations *x, \
                                         size_t token, float *y, size_t stride) {                                         \
    sixteens_by_tokens(PI_##name, s, begin, end, asks, x, token, tokens, y, stride);                                      \
  }
#define PI_COPIES(name)                                                                          \
  PI_COPY(name, 8)                                                                               \
  PI_COPY(name, 6)                                                                               \
  PI_COPY(name, 4)                                                                               \
  PI_COPY(name, 3)                                                                               \
  PI_COPY(name, 2)                                                                               \
  PI_COPY(name, 1)                                                                               \
  static const sixteen_kernel sixteens_##name[COPIES] = {                                        \
      sixteens_##name##_8, sixteens_##name##_6, sixteens_##name##_4, sixteens_##name##_3, sixteens_##name##_2, \
      sixteens_##name##_1};
PI_QUANTIZED(PI_COPIES)
#undef PI_COPIES
#undef PI_COPY

static const sixteen_kernel *sixteen_kernels(uint32_t format) {
  switch (format) {
#define PI_CASE(name) \
  case PI_##name: return sixteens_##name;
    PI_QUANTIZED(PI_CASE)
#undef PI_CASE
    default: return NULL;
  }
}

// Entries from `begin` to `end` of the source, rows of a quantised format; y[t * stride + n].
static void multiply_sixteens(uint32_t format, const row_source *s, size_t begin, size_t end, const pi_activations *x,
                              size_t token, size_t token_end, float *y, size_t stride) {
  const sixteen_kernel *const kernels = sixteen_kernels(format);
  if (!kernels) return;
  for (size_t i = 0; i < COPIES; i++) {
    if (tokens_of_copy[i] != token_end - token) continue;
    kernels[i](s, begin, end, true, x, token, y, stride);
    return;
  }
  // Sixteen rows after the other, each with all tokens.
  const size_t first = pi_is_striped(format) ? begin / PI_STRIPE * PI_STRIPE : begin;
  for (size_t n = first; n < end; n += PI_STRIPE) {
    const size_t from = n < begin ? begin : n, to = end - n < PI_STRIPE ? end : n + PI_STRIPE;
    size_t t = token;
    for (size_t i = 0; i < COPIES; i++) {
      for (; token_end - t >= tokens_of_copy[i]; t += tokens_of_copy[i]) {
        kernels[i](s, from, to, t == token, x, t, y, stride);
      }
    }
  }
}
