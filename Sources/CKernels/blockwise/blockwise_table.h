// The functions that pick the copy made for a format, and the table of an instruction set. Where PI_HAS_STRIPES is true, the
// including file has defined multiply_stripes, which takes what multiply_panels does.

// One copy per format, so that each unrolls with its constants.
#define PI_FORMATS(one) \
  one(F32) one(F16) one(BF16) one(Q4_0) one(Q4_1) one(Q5_0) one(Q5_1) one(Q8_0) one(Q4_K) one(Q5_K) one(Q6_K) \
  one(Q4_0P) one(Q4_1P) one(Q5_0P) one(Q5_1P) one(Q8_0P)

#define PI_MULTIPLY(name)                                                                                             \
  static void multiply_##name(const pi_matrix *w, size_t row_begin, size_t row_end, const pi_activations *x,          \
                              size_t token_begin, size_t token_end, float *y, size_t stride) {                        \
    const row_source rows = consecutive_rows(w);                                                                      \
    if (pi_is_float(PI_##name)) {                                                                                     \
      multiply_floats(PI_##name, &rows, row_begin, row_end, x, token_begin, token_end, y, stride);                    \
    } else if (x->order == PI_BY_PANELS) {                                                                            \
      multiply_panels(PI_##name, w, row_begin, row_end, x, token_begin, token_end, y, stride);                        \
    } else {                                                                                                          \
      multiply_rows(PI_##name, &rows, row_begin, row_end, x, token_begin, token_end, y, stride);                      \
    }                                                                                                                 \
  }
PI_FORMATS(PI_MULTIPLY)
#undef PI_MULTIPLY

#if PI_HAS_STRIPES
#include "shared/stripes.h"
#endif

static void PI_NAME(multiply)(const pi_matrix *w, size_t row_begin, size_t row_end, const pi_activations *x,
                              size_t token_begin, size_t token_end, float *y, size_t stride) {
  switch (w->format) {
#define PI_CASE(name) \
  case PI_##name: multiply_##name(w, row_begin, row_end, x, token_begin, token_end, y, stride); return;
    PI_FORMATS(PI_CASE)
#undef PI_CASE
#if PI_HAS_STRIPES
#define PI_CASE(name) \
  case PI_##name##S: multiply_stripes_##name(w, row_begin, row_end, x, token_begin, token_end, y, stride); return;
    PI_STRIPES(PI_CASE)
#undef PI_CASE
#endif
    default: return;
  }
}

#define PI_MULTIPLY_LISTED(name)                                                                                      \
  static void multiply_listed_##name(const pi_matrix *w, const uint32_t *list, size_t count, const pi_activations *x, \
                                     size_t token_begin, size_t token_end, float *y, size_t stride) {                 \
    const row_source rows = listed_rows(w, list, count, GROUP_ROWS);                                                  \
    if (pi_is_float(PI_##name)) {                                                                                     \
      multiply_floats(PI_##name, &rows, 0, count, x, token_begin, token_end, y, stride);                              \
    } else {                                                                                                          \
      multiply_rows(PI_##name, &rows, 0, count, x, token_begin, token_end, y, stride);                                \
    }                                                                                                                 \
  }
PI_FORMATS(PI_MULTIPLY_LISTED)
#undef PI_MULTIPLY_LISTED

static void PI_NAME(multiply_listed)(const pi_matrix *w, const uint32_t *list, size_t count, const pi_activations *x,
                                     size_t token_begin, size_t token_end, float *y, size_t stride) {
  switch (w->format) {
#define PI_CASE(name) \
  case PI_##name: multiply_listed_##name(w, list, count, x, token_begin, token_end, y, stride); return;
    PI_FORMATS(PI_CASE)
#undef PI_CASE
    default: return;
  }
}

#define PI_ACCUMULATE(name)                                                                                      \
  static void accumulate_##name(const pi_matrix *w, size_t rows, const float *h, size_t h_stride, size_t tokens, \
                                size_t begin, size_t end, float *y, size_t stride) {                             \
    accumulate(PI_##name, w, rows, h, h_stride, tokens, begin, end, y, stride);                                  \
  }
PI_FORMATS(PI_ACCUMULATE)
#undef PI_ACCUMULATE

static void PI_NAME(accumulate_rows)(const pi_matrix *w, size_t rows, const float *h, size_t h_stride,
                                     size_t token_begin, size_t token_end, size_t column_begin, size_t column_end,
                                     float *y, size_t stride) {
  const size_t begin = column_begin / PI_BLOCK, end = column_end / PI_BLOCK, tokens = token_end - token_begin;
  h += token_begin * h_stride;
  y += token_begin * stride;
  switch (w->format) {
#define PI_CASE(name) \
  case PI_##name: accumulate_##name(w, rows, h, h_stride, tokens, begin, end, y, stride); return;
    PI_FORMATS(PI_CASE)
#undef PI_CASE
    default: return;
  }
}

#define PI_ACCUMULATE_LISTED(name)                                                                             \
  static void accumulate_listed_##name(const pi_matrix *w, const uint32_t *list, size_t count, const float *h, \
                                       size_t blocks, float *y) {                                              \
    accumulate_list(PI_##name, w, list, count, h, 0, blocks, y);                                               \
  }
PI_FORMATS(PI_ACCUMULATE_LISTED)
#undef PI_ACCUMULATE_LISTED

static void PI_NAME(accumulate_listed)(const pi_matrix *w, const uint32_t *list, size_t count, const float *h, float *y) {
  switch (w->format) {
#define PI_CASE(name) \
  case PI_##name: accumulate_listed_##name(w, list, count, h, w->columns / PI_BLOCK, y); return;
    PI_FORMATS(PI_CASE)
#undef PI_CASE
    default: return;
  }
}

#include "dispatch/table.h"

static const pi_kernels table = PI_TABLE(0, PANEL_FROM_TOKENS, 0, PI_NAME(multiply));
