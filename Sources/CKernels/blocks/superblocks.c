// Floats to super-blocks of 256 elements (Q4_K, Q5_K, Q6_K). The format leaves the choice of scales to the encoder; here they
// are searched for in three steps, each of which makes a weighted squared error smaller:
// 1. every sub-block by itself: codes for a row of candidate scales, and the best fit through each;
// 2. the super-block's half-precision scale and, with it, every sub-block's integers, neighbours of the nearest included;
// 3. that scale again, now the best for the codes found; 2 and 3 repeat while they help.
#include "blocks/fitting.h"

enum { AFFINE = 32, SYMMETRIC = 16, ROUNDS = 4 };

// Where halves are coarse (subnormal), away from zero: integers can make up only for a scale that is too large.
static uint16_t sufficient_half(double v) {
  const uint16_t bits = nearest_half(v);
  return (bits & 0x7fff) < 0x400 && fabsf(pi_from_f16(bits)) < fabs(v) ? (uint16_t)(bits + 1) : bits;
}

// Q4_K and Q5_K: x = scale * code - minimum, with neither scale nor minimum negative.
typedef struct {
  double scale, minimum;
} line;

// A super-block's half-precision scales, the integers of its sub-blocks, and the error they leave.
typedef struct {
  uint16_t scale, minimum;
  uint8_t scales[8], minima[8];
  double error;
} affine;

// The best line through the codes that `inverse` gives; returns its error (infinite: there is none).
static double fit_line(const float *x, const float *w, float low, float inverse, float limit, line *fit) {
  float lanes[6][LANES] = {{0}};
  for (size_t i = 0; i < AFFINE; i += LANES) {
    for (size_t k = 0; k < LANES; k++) {
      const float value = x[i + k], weight = w[i + k];
      const float code = whole((value - low) * inverse, 0, limit);
      const float weighted = weight * code, product = weight * value;
      const float square = weighted * code, cross = weighted * value, power = product * value;
      lanes[0][k] += weight;
      lanes[1][k] += weighted;
      lanes[2][k] += square;
      lanes[3][k] += product;
      lanes[4][k] += cross;
      lanes[5][k] += power;
    }
  }
  const double n = total(lanes[0]), c = total(lanes[1]), cc = total(lanes[2]), v = total(lanes[3]), cv = total(lanes[4]);
  const double determinant = n * cc - c * c;
  double scale = 0, base = 1;
  // Codes that are all the same leave rounding errors here.
  if (determinant > 1e-6 * n * cc) {
    scale = (n * cv - c * v) / determinant;
    base = (cc * v - c * cv) / determinant;
  }
  if (base > 0) {
    scale = cv / cc;
    base = 0;
  }
  if (!(scale > 0)) return INFINITY;
  *fit = (line){scale, -base};
  return total(lanes[5]) - 2 * (scale * cv + base * v) + scale * scale * cc + base * base * n + 2 * scale * base * c;
}

static line search_line(const float *x, const float *w, float limit) {
  float low = 0, high = x[0];
  for (size_t i = 0; i < AFFINE; i++) {
    low = x[i] < low ? x[i] : low;
    high = x[i] > high ? x[i] : high;
  }
  const float range = high - low;
  line best = {range / limit, -low};
  if (!(range > 0)) return best;
  double least = INFINITY;
  // From scales a little too wide to ones that cut the extremes off.
  for (int step = -10; step <= 14; step++) {
    line fit;
    double error = fit_line(x, w, low, (limit + 0.1f * (float)step) / range, limit, &fit);
    if (error < least) {
      least = error;
      best = fit;
    }
  }
  // New codes for the best line, a new line for the codes.
  for (int round = 0; round < ROUNDS; round++) {
    line fit;
    const double error = fit_line(x, w, (float)-best.minimum, (float)(1 / best.scale), limit, &fit);
    if (!(error < least)) break;
    least = error;
    best = fit;
  }
  return best;
}

static double affine_error(const float *x, const float *w, float scale, float minimum, float limit) {
  const float inverse = scale > 0 ? 1 / scale : 0;
  float lanes[LANES] = {0};
  for (size_t i = 0; i < AFFINE; i += LANES) {
    for (size_t k = 0; k < LANES; k++) {
      const float product = scale * whole((x[i + k] + minimum) * inverse, 0, limit);
      const float off = product - minimum - x[i + k];
      const float square = w[i + k] * off;
      const float weighted = square * off;
      lanes[k] += weighted;
    }
  }
  return total(lanes);
}

// The integers of all sub-blocks beside the half-precision scales in `a`.
static void choose_pairs(const float *x, const float *w, const line *lines, float limit, affine *a) {
  const float d = pi_from_f16(a->scale), m = pi_from_f16(a->minimum);
  a->error = 0;
  for (size_t b = 0; b < 8; b++, x += AFFINE, w += AFFINE) {
    const int scale = (int)whole(d > 0 ? (float)(lines[b].scale / d) : 0, 0, 63);
    const int minimum = (int)whole(m > 0 ? (float)(lines[b].minimum / m) : 0, 0, 63);
    double least = INFINITY;
    for (int s = scale > 0 ? scale - 1 : 0; s <= scale + 1 && s <= 63; s++) {
      for (int t = minimum > 0 ? minimum - 1 : 0; t <= minimum + 1 && t <= 63; t++) {
        const double error = affine_error(x, w, d * (float)s, m * (float)t, limit);
        if (!(error < least)) continue;
        least = error;
        a->scales[b] = (uint8_t)s;
        a->minima[b] = (uint8_t)t;
      }
    }
    a->error += least;
  }
}

// The half-precision scales that are best for the codes which those in `a` lead to.
static affine refit_pairs(const float *x, const float *w, float limit, const affine *a) {
  const float d = pi_from_f16(a->scale), m = pi_from_f16(a->minimum);
  double ss = 0, st = 0, tt = 0, sx = 0, tx = 0;
  for (size_t b = 0; b < 8; b++) {
    const float scale = d * a->scales[b], minimum = m * a->minima[b];
    const float inverse = scale > 0 ? 1 / scale : 0;
    for (size_t i = b * AFFINE; i < (b + 1) * AFFINE; i++) {
      const double s = (double)whole((x[i] + minimum) * inverse, 0, limit) * a->scales[b], t = -(double)a->minima[b];
      ss += w[i] * s * s;
      st += w[i] * s * t;
      tt += w[i] * t * t;
      sx += w[i] * s * x[i];
      tx += w[i] * t * x[i];
    }
  }
  affine next = *a;
  const double determinant = ss * tt - st * st;
  if (determinant > 1e-9 * ss * tt) {
    const double scale = (tt * sx - st * tx) / determinant, minimum = (ss * tx - st * sx) / determinant;
    if (scale > 0 && minimum > 0) {
      next.scale = nearest_half(scale);
      next.minimum = nearest_half(minimum);
    }
  } else if (tt == 0 && sx > 0) {
    next.scale = nearest_half(sx / ss);
  }
  return next;
}

static void write_affine(const float *source, const float *importance, int bits, uint8_t *p) {
  float x[PI_SUPER], w[PI_SUPER];
  // The minimum reaches farthest down with 63 of the largest half.
  keep_finite(source, PI_SUPER, 63 * 65504.f, x);
  const int weighted = importance && keep_positive(importance, PI_SUPER, w);
  const float limit = (float)((1 << bits) - 1);
  line lines[8];
  double scale = 0, minimum = 0;
  for (size_t b = 0; b < 8; b++) {
    const float *part = x + b * AFFINE;
    double squares = 0;
    for (size_t i = 0; i < AFFINE; i++) squares += (double)part[i] * part[i];
    // Where nothing tells what the columns are multiplied with, errors of large weights count more, as in the reference
    // encoder: products are mostly made of large weights.
    const float mean = (float)sqrt(squares / AFFINE);
    for (size_t i = 0; i < AFFINE && !weighted; i++) w[b * AFFINE + i] = mean + fabsf(part[i]);
    lines[b] = search_line(part, w + b * AFFINE, limit);
    scale = fmax(scale, lines[b].scale);
    minimum = fmax(minimum, lines[b].minimum);
  }
  affine best = {sufficient_half(scale / 63), sufficient_half(minimum / 63), {0}, {0}, 0};
  choose_pairs(x, w, lines, limit, &best);
  for (int round = 0; round < ROUNDS; round++) {
    affine next = refit_pairs(x, w, limit, &best);
    if (next.scale == best.scale && next.minimum == best.minimum) break;
    choose_pairs(x, w, lines, limit, &next);
    if (!(next.error < best.error)) break;
    best = next;
  }

  memset(p, 0, bits == 4 ? PI_Q4_K_BYTES : PI_Q5_K_BYTES);
  store_u16(p, best.scale);
  store_u16(p + 2, best.minimum);
  const float d = pi_from_f16(best.scale), m = pi_from_f16(best.minimum);
  uint8_t *pairs = p + 4, *fifths = p + 16, *nibbles = p + (bits == 4 ? 16 : 48);
  for (size_t b = 0; b < 8; b++) {
    const uint8_t s = best.scales[b], t = best.minima[b];
    if (b < 4) {
      pairs[b] |= s;
      pairs[b + 4] |= t;
    } else {
      pairs[b + 4] |= (uint8_t)((s & 15) | (t & 15) << 4);
      pairs[b - 4] |= (uint8_t)(s >> 4 << 6);
      pairs[b] |= (uint8_t)(t >> 4 << 6);
    }
    const float step = d * s, base = m * t, inverse = step > 0 ? 1 / step : 0;
    for (size_t i = 0; i < AFFINE; i++) {
      const uint8_t code = (uint8_t)whole((x[b * AFFINE + i] + base) * inverse, 0, limit);
      nibbles[b / 2 * AFFINE + i] |= (uint8_t)((code & 15) << b % 2 * 4);
      if (bits == 5) fifths[i] |= (uint8_t)(code >> 4 << b);
    }
  }
}

// Q6_K: x = scale * code, with codes -32...31 and scales of either sign.
typedef struct {
  uint16_t scale;
  int8_t scales[16];
  double error;
} symmetric;

// The best scale for the codes that `inverse` gives; returns how much of the sum of squares it explains.
static double fit_scale(const float *x, const float *w, float inverse, double *scale) {
  float squares[LANES] = {0}, crosses[LANES] = {0};
  for (size_t i = 0; i < SYMMETRIC; i += LANES) {
    for (size_t k = 0; k < LANES; k++) {
      const float code = whole(x[i + k] * inverse, -32, 31);
      const float weighted = w[i + k] * code;
      const float square = weighted * code, cross = weighted * x[i + k];
      squares[k] += square;
      crosses[k] += cross;
    }
  }
  const double cc = total(squares), cv = total(crosses);
  if (!(cc > 0)) return 0;
  *scale = cv / cc;
  return cv * cv / cc;
}

static double search_scale(const float *x, const float *w) {
  float peak = 0;
  for (size_t i = 0; i < SYMMETRIC; i++) peak = fabsf(x[i]) > fabsf(peak) ? x[i] : peak;
  double best = 0, most = 0;
  // The code -32 has no counterpart, so the largest element gets it, or one near it; or 31, with the other sign.
  for (int step = -12; step <= 12 && peak != 0; step++) {
    for (int sign = -1; sign <= 1; sign += 2) {
      double scale = 0;
      const float inverse = (float)sign * ((sign < 0 ? 32 : 31) + 0.1f * (float)step) / peak;
      const double explained = fit_scale(x, w, inverse, &scale);
      if (explained > most) {
        most = explained;
        best = scale;
      }
    }
  }
  return best;
}

static double symmetric_error(const float *x, const float *w, float scale) {
  const float inverse = scale != 0 ? 1 / scale : 0;
  float lanes[LANES] = {0};
  for (size_t i = 0; i < SYMMETRIC; i += LANES) {
    for (size_t k = 0; k < LANES; k++) {
      const float product = scale * whole(x[i + k] * inverse, -32, 31);
      const float off = product - x[i + k];
      const float square = w[i + k] * off;
      const float weighted = square * off;
      lanes[k] += weighted;
    }
  }
  return total(lanes);
}

static void choose_scales(const float *x, const float *w, const double *scales, symmetric *a) {
  const float d = pi_from_f16(a->scale);
  a->error = 0;
  for (size_t b = 0; b < 16; b++, x += SYMMETRIC, w += SYMMETRIC) {
    const int nearest = (int)whole(d != 0 ? (float)(scales[b] / d) : 0, -128, 127);
    double least = INFINITY;
    // The nearest first, so that zeros get 0.
    static const int offsets[] = {0, -1, 1};
    for (size_t i = 0; i < 3; i++) {
      const int s = nearest + offsets[i];
      if (s < -128 || s > 127) continue;
      const double error = symmetric_error(x, w, d * (float)s);
      if (!(error < least)) continue;
      least = error;
      a->scales[b] = (int8_t)s;
    }
    a->error += least;
  }
}

static symmetric refit_scales(const float *x, const float *w, const symmetric *a) {
  const float d = pi_from_f16(a->scale);
  double ss = 0, sx = 0;
  for (size_t i = 0; i < PI_SUPER; i++) {
    const float scale = d * a->scales[i / SYMMETRIC];
    const double s = (double)whole(scale != 0 ? x[i] / scale : 0, -32, 31) * a->scales[i / SYMMETRIC];
    ss += w[i] * s * s;
    sx += w[i] * s * x[i];
  }
  symmetric next = *a;
  if (ss > 0) next.scale = nearest_half(sx / ss);
  return next;
}

static void write_symmetric(const float *source, const float *importance, uint8_t *p) {
  float x[PI_SUPER], w[PI_SUPER];
  // -128 times -31 of the largest half, with some room for a better fit through the codes.
  keep_finite(source, PI_SUPER, 128 * 31 * 65504.f, x);
  const int weighted = importance && keep_positive(importance, PI_SUPER, w);
  double scales[16], peak = 0;
  for (size_t b = 0; b < 16; b++) {
    const float *part = x + b * SYMMETRIC;
    double squares = 0;
    for (size_t i = 0; i < SYMMETRIC; i++) squares += (double)part[i] * part[i];
    // As above, more so: with 64 codes a rough fit of the small ones costs little.
    const float small = (float)(squares / (4 * SYMMETRIC));
    for (size_t i = 0; i < SYMMETRIC && !weighted; i++) w[b * SYMMETRIC + i] = small + part[i] * part[i];
    scales[b] = search_scale(part, w + b * SYMMETRIC);
    peak = fabs(scales[b]) > fabs(peak) ? scales[b] : peak;
  }
  symmetric best = {sufficient_half(peak / -128), {0}, 0};
  choose_scales(x, w, scales, &best);
  for (int round = 0; round < ROUNDS; round++) {
    symmetric next = refit_scales(x, w, &best);
    if (next.scale == best.scale) break;
    choose_scales(x, w, scales, &next);
    if (!(next.error < best.error)) break;
    best = next;
  }

  memset(p, 0, PI_Q6_K_BYTES);
  if (peak == 0) return;
  store_u16(p + 208, best.scale);
  memcpy(p + 192, best.scales, 16);
  const float d = pi_from_f16(best.scale);
  for (size_t i = 0; i < PI_SUPER; i++) {
    const float scale = d * best.scales[i / SYMMETRIC], inverse = scale != 0 ? 1 / scale : 0;
    const uint8_t code = (uint8_t)(int)(whole(x[i] * inverse, -32, 31) + 32);
    const size_t half = i / 128, quarter = i % 128 / 32, at = i % 32;
    p[half * 64 + quarter % 2 * 32 + at] |= (uint8_t)((code & 15) << quarter / 2 * 4);
    p[128 + half * 32 + at] |= (uint8_t)(code >> 4 << quarter * 2);
  }
}

void pi_quantize_super_block(uint32_t format, const float *x, const float *importance, uint8_t *p) {
  switch (format) {
    case PI_Q4_K: write_affine(x, importance, 4, p); return;
    case PI_Q5_K: write_affine(x, importance, 5, p); return;
    default: write_symmetric(x, importance, p); return;
  }
}
