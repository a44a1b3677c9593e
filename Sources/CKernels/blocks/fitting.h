// What the encoders that search for scales have in common.
#ifndef PI_FITTING_H
#define PI_FITTING_H

#include <math.h>

#include "blocks/blocks.h"

// Sums are kept in lanes, so that compilers make vectors of the loops and the result does not depend on which they make.
enum { LANES = 8 };

// To the nearest whole number, ties to even, within least...most; NaN becomes `least`.
PI_INLINE float whole(float v, float least, float most) {
  v = v > least ? v : least;
  v = v < most ? v : most;
  return (v + 0x1.8p23f) - 0x1.8p23f;
}

PI_INLINE double total(const float *lanes) {
  double sum = 0;
  for (size_t k = 0; k < LANES; k++) sum += lanes[k];
  return sum;
}

PI_INLINE void store_u16(uint8_t *p, uint16_t v) { memcpy(p, &v, 2); }

// The nearest finite half.
PI_INLINE uint16_t nearest_half(double v) { return pi_to_f16((float)fmax(-65504, fmin(v, 65504))); }

// What is no number becomes 0; what would need an infinite scale becomes the largest value that does not.
PI_INLINE void keep_finite(const float *x, size_t count, float largest, float *y) {
  for (size_t i = 0; i < count; i++) {
    const float v = x[i] == x[i] ? x[i] : 0;
    y[i] = v > largest ? largest : v < -largest ? -largest : v;
  }
}

// Weights of errors, none of them negative or infinite; returns whether any is more than 0.
PI_INLINE int keep_positive(const float *weights, size_t count, float *w) {
  float sum = 0;
  for (size_t i = 0; i < count; i++) {
    w[i] = weights[i] > 0 ? (weights[i] < 1e30f ? weights[i] : 1e30f) : 0;
    sum += w[i];
  }
  return sum > 0;
}

#endif
