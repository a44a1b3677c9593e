// Blocks of 32 whose scales are searched for, and rows whose columns make up for each other's errors. Used when a model is made.
#include "blocks/fitting.h"

// A block's scales as it stores them. Symmetric types: x = scale * code, code from `least`; others: x = scale * code + base.
typedef struct {
  uint16_t scale, base;
} scales;

typedef struct {
  int bits, affine;
  float least, most;
  float largest;  // magnitude for which the scales are finite
} block_kind;

static block_kind kind_of(uint32_t format) {
  switch (format) {
    case PI_Q4_0: return (block_kind){4, 0, -8, 7, 65504.f * 8};
    case PI_Q5_0: return (block_kind){5, 0, -16, 15, 65504.f * 16};
    case PI_Q8_0: return (block_kind){8, 0, -127, 127, 65504.f * 127};
    case PI_Q4_1: return (block_kind){4, 1, 0, 15, 65504};
    default: return (block_kind){5, 1, 0, 31, 65504};
  }
}

static float inverse_of(float scale) { return scale != 0 && fabsf(scale) >= 0x1p-126f ? 1 / scale : 0; }

// sum of w * (x - what the scales make of it)^2
static double error_of(const block_kind *kind, const float *x, const float *w, scales s) {
  const float d = pi_from_f16(s.scale), m = pi_from_f16(s.base), inverse = inverse_of(d);
  float lanes[LANES] = {0};
  for (size_t i = 0; i < PI_BLOCK; i += LANES) {
    for (size_t k = 0; k < LANES; k++) {
      const float code = whole((x[i + k] - m) * inverse, kind->least, kind->most);
      const float product = d * code;
      const float off = product + m - x[i + k];
      const float weighted = w[i + k] * off;
      const float square = weighted * off;
      lanes[k] += square;
    }
  }
  return total(lanes);
}

typedef struct {
  scales at;
  double error;
} best_fit;

static void keep_better(const block_kind *kind, const float *x, const float *w, double scale, double base, best_fit *best) {
  const scales s = {nearest_half(scale), nearest_half(base)};
  const double error = error_of(kind, x, w, s);
  if (!(error < best->error)) return;
  best->error = error;
  best->at = s;
}

// The scale that is best for the codes which `scale` gives; 0 where there is none.
static float refit_scale(const block_kind *kind, const float *x, const float *w, float scale) {
  const float inverse = inverse_of(scale);
  float crosses[LANES] = {0}, squares[LANES] = {0};
  for (size_t i = 0; i < PI_BLOCK; i += LANES) {
    for (size_t k = 0; k < LANES; k++) {
      const float code = whole(x[i + k] * inverse, kind->least, kind->most);
      const float weighted = w[i + k] * code;
      const float cross = weighted * x[i + k], square = weighted * code;
      crosses[k] += cross;
      squares[k] += square;
    }
  }
  const double cc = total(squares);
  return cc > 0 ? (float)(total(crosses) / cc) : 0;
}

static best_fit fit_symmetric(const block_kind *kind, const float *x, const float *w) {
  float peak = 0;
  for (size_t i = 0; i < PI_BLOCK; i++) peak = fabsf(x[i]) > fabsf(peak) ? x[i] : peak;
  best_fit best = {{0, 0}, INFINITY};
  // What the plain encoder takes, so that the result is never worse.
  keep_better(kind, x, w, peak / kind->least, 0, &best);
  if (peak == 0) return best;
  // The largest element gets the code that has no counterpart, or with the other sign the largest one; or lies somewhat
  // beyond, or short of it.
  const float step = kind->bits == 4 ? 0.2f : kind->bits == 5 ? 0.3f : 0.5f;
  for (int sign = 0; sign < 2; sign++) {
    for (int k = -10; k <= 10; k++) {
      float scale = peak / (sign == 0 ? kind->least - (float)k * step : kind->most + (float)k * step);
      for (int round = 0; round < 2; round++) {
        scale = refit_scale(kind, x, w, scale);
        if (scale == 0) break;
        keep_better(kind, x, w, scale, 0, &best);
      }
    }
  }
  return best;
}

// The line that is best for the codes of the line through `low` and `high`.
static void refit_line(const block_kind *kind, const float *x, const float *w, float low, float high, best_fit *best) {
  const float inverse = inverse_of((high - low) / kind->most);
  float lanes[5][LANES] = {{0}};
  for (size_t i = 0; i < PI_BLOCK; i += LANES) {
    for (size_t k = 0; k < LANES; k++) {
      const float code = whole((x[i + k] - low) * inverse, 0, kind->most), weight = w[i + k];
      const float weighted = weight * code, product = weight * x[i + k];
      const float square = weighted * code, cross = weighted * x[i + k];
      lanes[0][k] += weight;
      lanes[1][k] += weighted;
      lanes[2][k] += square;
      lanes[3][k] += product;
      lanes[4][k] += cross;
    }
  }
  const double n = total(lanes[0]), c = total(lanes[1]), cc = total(lanes[2]), v = total(lanes[3]), cv = total(lanes[4]);
  const double determinant = n * cc - c * c;
  // Codes that are all the same leave rounding errors here.
  if (!(determinant > 1e-6 * n * cc)) return;
  const float scale = pi_from_f16(nearest_half((n * cv - c * v) / determinant));
  keep_better(kind, x, w, scale, (v - scale * c) / n, best);
}

static best_fit fit_affine(const block_kind *kind, const float *x, const float *w) {
  float low = x[0], high = x[0];
  for (size_t i = 0; i < PI_BLOCK; i++) {
    low = x[i] < low ? x[i] : low;
    high = x[i] > high ? x[i] : high;
  }
  best_fit best = {{0, 0}, INFINITY};
  keep_better(kind, x, w, (high - low) / kind->most, low, &best);
  if (!(high > low)) return best;
  // From somewhat wider than the elements (their own steps may be 1 / 30 of their range where there are 32 codes) to cutting
  // off about one and a half steps at either end.
  const float step = 0.3f * (high - low) / kind->most;
  for (int a = -1; a < 6; a++) {
    for (int b = -4; b < 6; b++) refit_line(kind, x, w, low + (float)a * step, high - (float)b * step, &best);
  }
  // New codes for the best line, a new line for the codes.
  const float base = pi_from_f16(best.at.base);
  refit_line(kind, x, w, base, base + kind->most * pi_from_f16(best.at.scale), &best);
  return best;
}

static scales fit(const block_kind *kind, const float *x, const float *w) {
  return (kind->affine ? fit_affine(kind, x, w) : fit_symmetric(kind, x, w)).at;
}

static uint8_t *write_block(const block_kind *kind, scales s, const float *codes, uint8_t *p) {
  uint8_t stored[PI_BLOCK];
  for (size_t i = 0; i < PI_BLOCK; i++) {
    stored[i] = (uint8_t)(int)(kind->bits == 8 ? codes[i] : codes[i] - kind->least);
  }
  store_u16(p, s.scale);
  p += 2;
  if (kind->affine) {
    store_u16(p, s.base);
    p += 2;
  }
  if (kind->bits < 8) return pi_write_codes(stored, kind->bits, p);
  memcpy(p, stored, PI_BLOCK);
  return p + PI_BLOCK;
}

static void equal_weights(float *w) {
  for (size_t i = 0; i < PI_BLOCK; i++) w[i] = 1;
}

void pi_quantize_fitted(uint32_t format, const float *x, const float *importance, size_t count, void *target) {
  const size_t elements = pi_block_elements(format), bytes = pi_block_bytes(format);
  uint8_t *p = target;
  if (elements == 1) {
    pi_quantize(format, x, count, target);
    return;
  }
  const block_kind kind = kind_of(format);
  for (size_t b = 0; b < count; b += elements, p += bytes) {
    const float *weights = importance ? importance + b : NULL;
    if (elements == PI_SUPER) {
      pi_quantize_super_block(format, x + b, weights, p);
      continue;
    }
    float values[PI_BLOCK], w[PI_BLOCK], codes[PI_BLOCK];
    keep_finite(x + b, PI_BLOCK, kind.largest, values);
    if (!weights || !keep_positive(weights, PI_BLOCK, w)) equal_weights(w);
    const scales s = fit(&kind, values, w);
    const float d = pi_from_f16(s.scale), m = pi_from_f16(s.base), inverse = inverse_of(d);
    for (size_t i = 0; i < PI_BLOCK; i++) codes[i] = whole((values[i] - m) * inverse, kind.least, kind.most);
    write_block(&kind, s, codes, p);
  }
}

void pi_spread_error(const float *error, size_t count, const float *factors, size_t rows, float *carry) {
  for (size_t r = 0; r < rows; r++) {
    const float factor = factors[r];
    for (size_t c = 0; c < count; c++) {
      const float product = factor * error[c];
      carry[r * count + c] += product;
    }
  }
}

// What the error of column j adds to the columns behind it.
static void pass_on(float error, const float *factor, size_t j, size_t count, float *carry) {
  if (error == 0) return;
  const float *row = factor + j * count;
  for (size_t k = j + 1; k < count; k++) {
    const float product = error * row[k];
    carry[k] += product;
  }
}

void pi_quantize_compensated(uint32_t format, const float *x, const float *importance, const float *factor, size_t count,
                             float *carry, void *target) {
  const size_t elements = pi_block_elements(format), bytes = pi_block_bytes(format);
  uint8_t *p = target;
  for (size_t k = 0; k < count; k++) carry[k] = 0;
  if (elements != PI_BLOCK) {
    float values[PI_SUPER], back[PI_SUPER];
    for (size_t b = 0; b < count; b += elements, p += bytes) {
      for (size_t i = 0; i < elements; i++) values[i] = x[b + i] + carry[b + i];
      pi_quantize_fitted(format, values, importance + b, elements, p);
      pi_dequantize(format, p, elements, back);
      for (size_t i = 0; i < elements; i++) pass_on(x[b + i] - back[i], factor, b + i, count, carry);
    }
    return;
  }
  const block_kind kind = kind_of(format);
  for (size_t b = 0; b < count; b += PI_BLOCK) {
    float values[PI_BLOCK], w[PI_BLOCK], codes[PI_BLOCK];
    for (size_t i = 0; i < PI_BLOCK; i++) values[i] = x[b + i] + carry[b + i];
    keep_finite(values, PI_BLOCK, kind.largest, values);
    if (!keep_positive(importance + b, PI_BLOCK, w)) equal_weights(w);
    const scales s = fit(&kind, values, w);
    const float d = pi_from_f16(s.scale), m = pi_from_f16(s.base), inverse = inverse_of(d);
    for (size_t i = 0; i < PI_BLOCK; i++) {
      const float wanted = x[b + i] + carry[b + i];
      codes[i] = whole((wanted - m) * inverse, kind.least, kind.most);
      const float product = d * codes[i];
      pass_on(x[b + i] - (product + m), factor, b + i, count, carry);
    }
    p = write_block(&kind, s, codes, p);
  }
}
