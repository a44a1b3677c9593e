// Products of stripes with few tokens, whose lanes are rows. For every (row, token): the blocks in ascending order into one sum,
// whatever the number of tokens. Activations lie PI_BY_ROWS, so that four codes of a token, broadcast, meet the rows' own.

// Whether high nibbles may be multiplied where they stand, as sixteen times their codes: a product then fits 32 bits and is
// shifted once per block.
PI_INLINE bool has_nibbles_only(uint32_t format) { return pi_base(format) == PI_Q4_0 || pi_base(format) == PI_Q4_1; }

// The codes of a block in steps of four columns, unsigned; the last four steps times 16 where there are only nibbles.
PI_INLINE void stripe_codes(uint32_t format, const uint8_t *const *stripe, size_t b, size_t all, __m512i *codes) {
  __m512i v[8];
  read_code_words(format, stripe, b, all, v);
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
  if (!has_nibbles_only(format)) add_fifth_bits(format, stripe, b, all, codes);
}

PI_INLINE __m512i four_codes(const int8_t *p) { return _mm512_set1_epi32((int)pi_load_u32((const uint8_t *)p)); }

// The dot products of a block with the codes of one token, which begin at lane b % 4 of its quad.
PI_INLINE __m512i stripe_dots(uint32_t format, const __m512i *codes, const int8_t *x) {
  __m512i dot = _mm512_setzero_si512();
  PI_UNROLL
  for (size_t s = 0; s < 4; s++) dot = _mm512_dpbusd_epi32(dot, codes[s + 4], four_codes(x + 64 + 16 * s));
  if (has_nibbles_only(format)) dot = _mm512_srai_epi32(dot, 4);
  PI_UNROLL
  for (size_t s = 0; s < 4; s++) dot = _mm512_dpbusd_epi32(dot, codes[s], four_codes(x + 16 * s));
  return dot;
}

// One stripe with `tokens` tokens (a constant); y[t * stride + r] of its `rows`. As many bytes at `ahead` are asked for.
PI_INLINE void stripe_by_tokens(uint32_t format, const uint8_t *stripe, const uint8_t *ahead, asking asks, __mmask16 rows,
                                const pi_activations *x, size_t token, size_t tokens, float *y, size_t stride) {
  const size_t all = x->columns / PI_BLOCK, bytes = PI_STRIPE * pi_block_bytes(format);
  const int8_t *codes = x->codes + token * x->code_stride;
  const float *factors = x->scales + token * x->block_stride, *sums = x->sums + token * 3 * x->block_stride;
  const __m512 offset = _mm512_set1_ps(offset_of(format));
  __m512 sum[4];
  PI_UNROLL
  for (size_t t = 0; t < tokens; t++) sum[t] = _mm512_setzero_ps();
  for (size_t b = 0; b < all; b++) {
    prefetch_as(asks, ahead + b * bytes, bytes);
    __m512i block[8];
    __m512 scale, minimum;
    stripe_codes(format, &stripe, b, all, block);
    stripe_scales(format, stripe, b, all, &scale, &minimum);
    const int8_t *four = codes + b / 4 * 4 * PI_BLOCK + b % 4 * 4;
    PI_UNROLL
    for (size_t t = 0; t < tokens; t++) {
      const __m512 dot = _mm512_cvtepi32_ps(stripe_dots(format, block, four + t * x->code_stride));
      const __m512 product = _mm512_mul_ps(dot, _mm512_set1_ps(factors[t * x->block_stride + b]));
      const __m512 of_block = _mm512_set1_ps(sums[t * 3 * x->block_stride + b]);
      if (has_minima(format)) {
        sum[t] = _mm512_fmadd_ps(minimum, of_block, _mm512_fmadd_ps(product, scale, sum[t]));
      } else {
        sum[t] = _mm512_fmadd_ps(_mm512_fnmadd_ps(offset, of_block, product), scale, sum[t]);
      }
    }
  }
  PI_UNROLL
  for (size_t t = 0; t < tokens; t++) _mm512_mask_storeu_ps(y + t * stride, rows, sum[t]);
}

PI_INLINE void multiply_stripes(uint32_t format, const pi_matrix *w, size_t row_begin, size_t row_end,
                                const pi_activations *x, size_t token_begin, size_t token_end, float *y, size_t stride) {
  const row_source source = consecutive_rows(w);
  for (size_t r = row_begin / PI_STRIPE * PI_STRIPE; r < row_end; r += PI_STRIPE) {
    __mmask16 rows = 0xffff;
    if (row_end - r < PI_STRIPE) rows = (__mmask16)((1u << (row_end - r)) - 1);
    if (r < row_begin) rows &= (__mmask16)(0xffff << (row_begin - r));
    const uint8_t *stripe = row_at(&source, r), *ahead = ahead_of(&source, r);
    asking asks = source.asks;
    size_t token = token_begin;
    prefetch_head(format, stripe, x->columns / PI_BLOCK);
#define PI_TOKENS(count)                                                                                             \
  for (; token_end - token >= (count); token += (count), asks = ASKS_NEVER) {                                        \
    stripe_by_tokens(format, stripe, ahead, asks, rows, x, token, (count), y + token * stride + r, stride);          \
  }
    PI_TOKENS(4)
    PI_TOKENS(2)
    PI_TOKENS(1)
#undef PI_TOKENS
  }
}

#include "shared/stripes.h"
