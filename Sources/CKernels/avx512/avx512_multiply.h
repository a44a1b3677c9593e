// Products of weight rows with one or many tokens. For every (row, token): the quads in ascending order into one vector
// accumulator, the biases into another, then one fixed tree over the lanes. Tiles only change what shares loads.

// How far ahead of its use a weight is asked for, where rows follow one another. The processor's own prefetching reaches half
// of the speed of plain reading. Measured on rows of 2048 columns from memory, as shares of plain reading at 6, 9, 12, 16 and
// 24 KiB: Q4_0 73, 79, 79, 78, 75 %, Q8_0 63, 85, 94, 98, 99 %, Q6_K 72, 82, 87, 91, 87 %.
enum { PREFETCH_BYTES = 16384, LISTED_BYTES = 8192, GROUP_ROWS = 4 };

#include "shared/rows.h"

// Adds the products of one quad with one token; `scale` and `more` are those of weights and token multiplied.
PI_INLINE __m512 add_quad(uint32_t format, quad q, const int8_t *codes, __m512 scale, __m512 more, __m512 sum) {
  const __m512i low = _mm512_loadu_si512(codes), high = _mm512_loadu_si512(codes + 64);
  const __m512i zero = _mm512_setzero_si512();
  const __m512i dot = _mm512_dpbusd_epi32(zero, q.low, low);
  if (format == PI_Q6_K) {
    sum = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot), scale, sum);
    return _mm512_fmadd_ps(_mm512_cvtepi32_ps(_mm512_dpbusd_epi32(zero, q.high, high)), more, sum);
  }
  return _mm512_fmadd_ps(_mm512_cvtepi32_ps(_mm512_dpbusd_epi32(dot, q.high, high)), scale, sum);
}

PI_INLINE void add_quad_to_tokens(uint32_t format, quad q, const scales *s, size_t b, const pi_activations *x,
                                  const int8_t *codes, const float *factors, size_t tokens, __m512 *sum) {
  const __m512 scale = _mm512_broadcast_f32x4(_mm_load_ps(s->scale + b));
  const __m512 more = format == PI_Q6_K ? _mm512_broadcast_f32x4(_mm_load_ps(s->more + b)) : scale;
  const size_t code_stride = x->code_stride, block_stride = x->block_stride;
  codes += b * PI_BLOCK;
  factors += b;
  PI_UNROLL
  for (size_t t = 0; t < tokens; t++) {
    const __m512 factor = _mm512_broadcast_f32x4(_mm_loadu_ps(factors));
    sum[t] = add_quad(format, q, codes, _mm512_mul_ps(scale, factor), _mm512_mul_ps(more, factor), sum[t]);
    codes += code_stride;
    factors += block_stride;
    // One token after the other: left alone, the compiler starts all of them and spills.
    __asm__ volatile("" : "+v"(sum[t]), "+r"(codes), "+r"(factors)::"memory");
  }
}

PI_INLINE __m512 with_bias(uint32_t format, __m512 sum, __m512 bias) {
  const float offset = offset_of(format);
  return offset != 0 ? _mm512_fnmadd_ps(bias, _mm512_set1_ps(offset), sum) : _mm512_add_ps(sum, bias);
}

// Adds a stretch of `blocks` blocks of one row to the sums of `tokens` tokens (a constant). `s` holds its scales.
PI_INLINE void add_stretch(uint32_t format, const uint8_t *row, size_t begin, size_t blocks, const scales *s,
                           const pi_activations *x, size_t token, size_t tokens, __m512 *sum) {
  const size_t all = x->columns / PI_BLOCK;
  const size_t stride = x->block_stride;
  const float *factors = x->scales + token * stride + begin;
  const int8_t *codes = x->codes + token * x->code_stride + begin * PI_BLOCK;
  size_t b = 0;
  for (; b + 4 <= blocks; b += 4) {
    add_quad_to_tokens(format, read_quad(format, row, begin + b, 4, all), s, b, x, codes, factors, tokens, sum);
  }
  if (b < blocks) {
    add_quad_to_tokens(format, read_quad(format, row, begin + b, blocks - b, all), s, b, x, codes, factors, tokens, sum);
  }
  const float *sums = x->sums + token * 3 * stride + begin;
  PI_UNROLL
  for (size_t t = 0; t < tokens; t++) {
    __m512 bias = _mm512_setzero_ps();
    for (size_t i = 0; i < blocks; i += 16) {
      if (format == PI_Q6_K) {
        bias = _mm512_fmadd_ps(_mm512_load_ps(s->scale + i), _mm512_loadu_ps(sums + stride + i), bias);
        bias = _mm512_fmadd_ps(_mm512_load_ps(s->more + i), _mm512_loadu_ps(sums + 2 * stride + i), bias);
      } else {
        const float *w = offset_of(format) != 0 ? s->scale : s->more;
        bias = _mm512_fmadd_ps(_mm512_load_ps(w + i), _mm512_loadu_ps(sums + i), bias);
      }
    }
    sum[t] = with_bias(format, sum[t], bias);
    sums += 3 * stride;
  }
}

PI_INLINE void row_by_tokens(uint32_t format, const uint8_t *row, const pi_activations *x, size_t token, size_t tokens,
                             __m512 *sum) {
  PI_UNROLL
  for (size_t t = 0; t < tokens; t++) sum[t] = _mm512_setzero_ps();
  const size_t blocks = x->columns / PI_BLOCK;
  for (size_t b = 0; b < blocks; b += CHUNK_BLOCKS) {
    const size_t count = blocks - b < CHUNK_BLOCKS ? blocks - b : CHUNK_BLOCKS;
    scales s;
    read_scales(format, row, b, count, blocks, &s);
    add_stretch(format, row, b, count, &s, x, token, tokens, sum);
  }
}

enum { SHARED_BLOCKS = 16 };  // whose scales are read together

// One token, up to four rows (a constant) wherever they lie: a short stretch of each, then the next. `ahead` is what to ask for
// while each row is read, byte for byte, as `asks` says.
PI_INLINE void rows_by_token(uint32_t format, const uint8_t *const *row, const uint8_t *const *ahead, asking asks,
                             size_t rows, const pi_activations *x, size_t token, __m512 *sum) {
  const bool two_scales = format == PI_Q6_K;
  const size_t blocks = x->columns / PI_BLOCK, stride = x->block_stride;
  const float *sums = x->sums + token * 3 * stride, *factors = x->scales + token * stride;
  const int8_t *codes = x->codes + token * x->code_stride;
  __m512 bias[4];
  PI_UNROLL
  for (size_t r = 0; r < rows; r++) sum[r] = bias[r] = _mm512_setzero_ps();
  for (size_t b = 0; b < blocks; b += SHARED_BLOCKS) {
    const size_t count = blocks - b < SHARED_BLOCKS ? blocks - b : SHARED_BLOCKS;
    float product[4][SHARED_BLOCKS] __attribute__((aligned(64))), second[4][SHARED_BLOCKS] __attribute__((aligned(64)));
    __m512 scale[4], more[4];
    scales_of_rows(format, row, rows, b, count, blocks, scale, more);
    const __m512 factor = _mm512_loadu_ps(factors + b);
    PI_UNROLL
    for (size_t r = 0; r < rows; r++) {
      prefetch_as(asks, ahead[r] + b * quad_bytes(format) / 4, count * quad_bytes(format) / 4);
      if (b + SHARED_BLOCKS >= blocks) prefetch_as(asks, ahead[r] + blocks * quad_bytes(format) / 4 - 1, 1);
      _mm512_store_ps(product[r], _mm512_mul_ps(scale[r], factor));
      if (two_scales) {
        _mm512_store_ps(second[r], _mm512_mul_ps(more[r], factor));
        bias[r] = _mm512_fmadd_ps(scale[r], _mm512_loadu_ps(sums + stride + b), bias[r]);
        bias[r] = _mm512_fmadd_ps(more[r], _mm512_loadu_ps(sums + 2 * stride + b), bias[r]);
      } else {
        bias[r] = _mm512_fmadd_ps(offset_of(format) != 0 ? scale[r] : more[r], _mm512_loadu_ps(sums + b), bias[r]);
      }
    }
    for (size_t q = 0; q < count; q += 4) {
      const size_t present = count - q < 4 ? count - q : 4;
      PI_UNROLL
      for (size_t r = 0; r < rows; r++) {
        const __m512 one = _mm512_broadcast_f32x4(_mm_load_ps(product[r] + q));
        const __m512 two = two_scales ? _mm512_broadcast_f32x4(_mm_load_ps(second[r] + q)) : one;
        const quad weights = read_quad(format, row[r], b + q, present, blocks);
        sum[r] = add_quad(format, weights, codes + (b + q) * PI_BLOCK, one, two, sum[r]);
      }
    }
    // As several tokens have it: their scales are read in longer stretches, each with its own vector of biases.
    if (b + SHARED_BLOCKS >= blocks || (b + SHARED_BLOCKS) % CHUNK_BLOCKS == 0) {
      PI_UNROLL
      for (size_t r = 0; r < rows; r++) {
        sum[r] = with_bias(format, sum[r], bias[r]);
        bias[r] = _mm512_setzero_ps();
      }
    }
  }
}

PI_INLINE void store_four(const __m512 *sum, float *y, size_t stride) {
  float four[4];
  sum4(sum[0], sum[1], sum[2], sum[3], four);
  for (size_t i = 0; i < 4; i++) y[i * stride] = four[i];
}

// 16 floats of a row of floats, whatever they are stored as; `kept` says which exist.
PI_INLINE __m512 float_weights(uint32_t format, const uint8_t *row, size_t c, __mmask16 kept) {
  switch (format) {
    case PI_F32: return _mm512_maskz_loadu_ps(kept, row + 4 * c);
    case PI_F16: return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(kept, row + 2 * c));
    default:
      return _mm512_castsi512_ps(
          _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(kept, row + 2 * c)), 16));
  }
}

PI_INLINE void add_floats(uint32_t format, const uint8_t *const *row, size_t rows, const float *x, size_t columns,
                          size_t tokens, size_t c, __mmask16 kept, __m512 *sum) {
  __m512 weights[4];
  PI_UNROLL
  for (size_t r = 0; r < rows; r++) weights[r] = float_weights(format, row[r], c, kept);
  PI_UNROLL
  for (size_t t = 0; t < tokens; t++) {
    const __m512 v = _mm512_maskz_loadu_ps(kept, x + t * columns + c);
    PI_UNROLL
    for (size_t r = 0; r < rows; r++) sum[r * tokens + t] = _mm512_fmadd_ps(weights[r], v, sum[r * tokens + t]);
  }
}

// Rows that follow one another: the same rows further on, or the rows of the next tile where these end.
PI_INLINE void prefetch_floats(const uint8_t *const *row, size_t rows, size_t at, size_t width) {
  enum { AHEAD = 2048 };
  const size_t jump = at + AHEAD < width ? 0 : (size_t)(row[rows - 1] - row[0]);
  PI_UNROLL
  for (size_t r = 0; r < rows; r++) __builtin_prefetch(row[r] + jump + at + AHEAD);
}

// A tile of rows by tokens (constants), one accumulator each; sum[r * tokens + t].
PI_INLINE void float_tile(uint32_t format, const row_source *s, size_t n, size_t rows, const float *x, size_t columns,
                          size_t tokens, __m512 *sum) {
  const uint8_t *row[4];
  PI_UNROLL
  for (size_t r = 0; r < rows; r++) {
    row[r] = row_at(s, n + r);
    if (s->list) prefetch_row(ahead_of(s, n + r), s->width);
  }
  PI_UNROLL
  for (size_t i = 0; i < rows * tokens; i++) sum[i] = _mm512_setzero_ps();
  size_t c = 0;
  for (; c + 16 <= columns; c += 16) {
    if (tokens == 1 && !s->list && s->asks != ASKS_NEVER) prefetch_floats(row, rows, c * pi_block_bytes(format), s->width);
    add_floats(format, row, rows, x, columns, tokens, c, 0xffff, sum);
  }
  if (c < columns) {
    const __mmask16 kept = (__mmask16)((1u << (columns - c)) - 1);
    add_floats(format, row, rows, x, columns, tokens, c, kept, sum);
  }
}

// One token with a tile of rows.
PI_INLINE void tile_by_token(uint32_t format, const row_source *s, size_t n, size_t rows, const pi_activations *x,
                             size_t token, __m512 *sum) {
  if (pi_is_float(format)) {
    float_tile(format, s, n, rows, x->values + token * x->columns, x->columns, 1, sum);
    return;
  }
  const uint8_t *row[4], *ahead[4];
  PI_UNROLL
  for (size_t r = 0; r < rows; r++) {
    row[r] = row_at(s, n + r);
    ahead[r] = ahead_of(s, n + r);
  }
  rows_by_token(format, row, ahead, s->asks, rows, x, token, sum);
}

// Entries from `begin` to `end` of the source; y[t * stride + n].
PI_INLINE void multiply_source(uint32_t format, const row_source *s, size_t begin, size_t end, const pi_activations *x,
                               size_t token, size_t token_end, float *y, size_t stride) {
  const bool floats = pi_is_float(format);
  for (; !floats && token_end - token >= 4; token += 4) {
    for (size_t n = begin; n < end; n++) {
      __m512 sum[4];
      if (s->list) prefetch_row(ahead_of(s, n), s->width);
      row_by_tokens(format, row_at(s, n), x, token, 4, sum);
      store_four(sum, y + token * stride + n, stride);
    }
  }
  for (; floats && token_end - token >= 4; token += 4) {
    const float *values = x->values + token * x->columns;
    size_t n = begin;
    for (; n + 4 <= end; n += 4) {
      __m512 sum[16];
      float_tile(format, s, n, 4, values, x->columns, 4, sum);
      for (size_t i = 0; i < 4; i++) store_four(sum + 4 * i, y + token * stride + n + i, stride);
    }
    for (; n < end; n++) {
      __m512 sum[4];
      float_tile(format, s, n, 1, values, x->columns, 4, sum);
      store_four(sum, y + token * stride + n, stride);
    }
  }
  for (; token < token_end; token++) {
    size_t n = begin;
    for (; s->by_tile && n + 4 <= end; n += 4) {
      __m512 sum[4];
      tile_by_token(format, s, n, 4, x, token, sum);
      store_four(sum, y + token * stride + n, 1);
    }
    for (; n < end; n++) {
      __m512 sum;
      tile_by_token(format, s, n, 1, x, token, &sum);
      y[token * stride + n] = sum1(sum);
    }
  }
}

#include "avx512/avx512_sixteen.h"

PI_INLINE bool by_sixteens(const pi_matrix *w, const pi_activations *x) {
  return pi_is_striped(w->format) || (x->order == PI_BY_SIXTEENS && !pi_is_float(w->format));
}

// One copy per format, so that each unrolls with its constants.
#define PI_FORMATS(one) \
  one(F32) one(F16) one(BF16) one(Q4_0) one(Q4_1) one(Q5_0) one(Q5_1) one(Q8_0) one(Q4_K) one(Q5_K) one(Q6_K) \
  one(Q4_0P) one(Q4_1P) one(Q5_0P) one(Q5_1P) one(Q8_0P)

#define PI_MULTIPLY(name)                                                                                          \
  static void multiply_##name(const pi_matrix *w, size_t row_begin, size_t row_end, const pi_activations *x,       \
                              size_t token_begin, size_t token_end, float *y, size_t stride) {                     \
    const row_source rows = consecutive_rows(w);                                                                   \
    multiply_source(PI_##name, &rows, row_begin, row_end, x, token_begin, token_end, y, stride);                   \
  }
PI_FORMATS(PI_MULTIPLY)
#undef PI_MULTIPLY

static void avx512_multiply(const pi_matrix *w, size_t row_begin, size_t row_end, const pi_activations *x,
                            size_t token_begin, size_t token_end, float *y, size_t stride) {
  if (x->order == PI_BY_PANELS && !pi_is_float(w->format)) {
    multiply_panels(w, row_begin, row_end, x, token_begin, token_end, y, stride, NULL);
    return;
  }
  if (by_sixteens(w, x)) {
    const row_source rows = consecutive_rows(w);
    multiply_sixteens(w->format, &rows, row_begin, row_end, x, token_begin, token_end, y, stride);
    return;
  }
  switch (w->format) {
#define PI_CASE(name) \
  case PI_##name: multiply_##name(w, row_begin, row_end, x, token_begin, token_end, y, stride); return;
    PI_FORMATS(PI_CASE)
#undef PI_CASE
    default: return;
  }
}

#define PI_MULTIPLY_LISTED(name)                                                                                     \
  static void multiply_listed_##name(const pi_matrix *w, const uint32_t *list, size_t count, const pi_activations *x, \
                                     size_t token_begin, size_t token_end, float *y, size_t stride) {                \
    const row_source rows = listed_rows(w, list, count, GROUP_ROWS);                                                 \
    multiply_source(PI_##name, &rows, 0, count, x, token_begin, token_end, y, stride);                               \
  }
PI_FORMATS(PI_MULTIPLY_LISTED)
#undef PI_MULTIPLY_LISTED

static void avx512_multiply_listed(const pi_matrix *w, const uint32_t *list, size_t count, const pi_activations *x,
                                   size_t token_begin, size_t token_end, float *y, size_t stride) {
  if (by_sixteens(w, x) && !pi_is_striped(w->format)) {
    const row_source rows = listed_rows(w, list, count, PI_STRIPE);
    multiply_sixteens(w->format, &rows, 0, count, x, token_begin, token_end, y, stride);
    return;
  }
  switch (w->format) {
#define PI_CASE(name) \
  case PI_##name: multiply_listed_##name(w, list, count, x, token_begin, token_end, y, stride); return;
    PI_FORMATS(PI_CASE)
#undef PI_CASE
    default: return;
  }
}
