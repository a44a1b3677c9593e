// One copy of multiply_stripes, which the including file has defined, per format of stripes.

#define PI_MULTIPLY(name)                                                                                              \
  static void multiply_stripes_##name(const pi_matrix *w, size_t row_begin, size_t row_end, const pi_activations *x,   \
                                      size_t token_begin, size_t token_end, float *y, size_t stride) {                 \
    multiply_stripes(PI_##name##S, w, row_begin, row_end, x, token_begin, token_end, y, stride);                       \
  }
PI_STRIPES(PI_MULTIPLY)
#undef PI_MULTIPLY
