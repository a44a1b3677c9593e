// Float operations, written once over a vector type of PI_LANES floats. The including file defines
//   PI_LANES            lanes of a vector
//   PI_NAME(x)          the function's name for this instruction set
//   load_f16(p)         a vector of PI_LANES floats from PI_LANES f16 values
//   store_f16(p, v)     the reverse, rounded to nearest
//   sum_lanes(v)        the sum of the lanes, in a fixed order
// Every function walks its data in one fixed order, so results do not depend on how work was divided.

typedef float vf __attribute__((vector_size(PI_LANES * 4)));
typedef int32_t vi __attribute__((vector_size(PI_LANES * 4)));

PI_INLINE vf load(const float *p) {
  vf v;
  memcpy(&v, p, sizeof v);
  return v;
}

PI_INLINE void store(float *p, vf v) { memcpy(p, &v, sizeof v); }

PI_INLINE vf splat(float f) { return f - (vf){0}; }

// The first `n` lanes; the others are `fill`.
PI_INLINE vf load_part(const float *p, size_t n, float fill) {
  vf v = splat(fill);
  memcpy(&v, p, n * 4);
  return v;
}

PI_INLINE vf choose(vi mask, vf yes, vf no) { return (vf)((mask & (vi)yes) | (~mask & (vi)no)); }

// e^r = 1 + r + r^2 * p(r) on |r| <= ln 2 / 2, least largest error (5.6e-11 before rounding the coefficients).
PI_INLINE vf exponential_near_zero(vf r) {
  vf p = splat(1.978926593e-4f);
  p = p * r + splat(1.394575345e-3f);
  p = p * r + splat(8.333504200e-3f);
  p = p * r + splat(4.166628048e-2f);
  p = p * r + splat(0.1666666567f);
  p = p * r + splat(0.5f);
  return p * (r * r) + r + splat(1);
}

// e^x, about 1 ulp; overflows to infinity, underflows through the denormals to 0, keeps NaN.
PI_INLINE vf exponential(vf x) {
  x = choose(x > splat(100), splat(100), x);
  x = choose(x < splat(-120), splat(-120), x);
  // Adding 1.5 * 2^23 rounds to an integer.
  const vf magic = splat(12582912.0f);
  const vf n = x * splat(1.44269504f) + magic - magic;
  // ln 2 in two parts; the first has 10 bits, so that its product with n is exact.
  const vf r = x - n * splat(0.693359375f) - n * splat(-2.12194442e-4f);
  const vf p = exponential_near_zero(r);
  // Two factors, because 2^n itself may overflow or be denormal. NaN lanes may hold any n; p keeps the NaN.
  const vf kept = choose(n == n, n, (vf){0});
  const vi whole = __builtin_convertvector(kept, vi);
  const vi half = whole >> 1;
  return p * (vf)((half + 127) << 23) * (vf)((whole - half + 127) << 23);
}

static void PI_NAME(rms_norm)(const float *x, const float *weight, float epsilon, size_t count, float *y) {
  vf sum0 = {0}, sum1 = {0};
  size_t i = 0;
  for (; i + 2 * PI_LANES <= count; i += 2 * PI_LANES) {
    const vf a = load(x + i), b = load(x + i + PI_LANES);
    sum0 += a * a;
    sum1 += b * b;
  }
  for (; i < count; i += PI_LANES) {
    const vf a = load_part(x + i, count - i < PI_LANES ? count - i : PI_LANES, 0);
    sum0 += a * a;
  }
  const float factor = 1 / sqrtf(sum_lanes(sum0 + sum1) / (float)count + epsilon);
  for (i = 0; i < count; i++) y[i] = x[i] * factor * weight[i];
}

static void PI_NAME(layer_norm)(const float *x, const float *weight, const float *bias, float epsilon, size_t count,
                                float *y) {
  vf sum = {0}, squares = {0};
  size_t i = 0;
  for (; i + PI_LANES <= count; i += PI_LANES) sum += load(x + i);
  if (i < count) sum += load_part(x + i, count - i, 0);
  const float mean = sum_lanes(sum) / (float)count;
  // A second walk, because the difference of two large sums would leave nothing of a small variance.
  for (i = 0; i < count; i += PI_LANES) {
    const vf a = (count - i < PI_LANES ? load_part(x + i, count - i, mean) : load(x + i)) - mean;
    squares += a * a;
  }
  const float factor = 1 / sqrtf(sum_lanes(squares) / (float)count + epsilon);
  for (i = 0; i < count; i++) y[i] = (x[i] - mean) * factor * weight[i] + bias[i];
}

static void PI_NAME(add)(const float *x, float *y, size_t count) {
  for (size_t i = 0; i < count; i++) y[i] += x[i];
}

static void PI_NAME(multiply_elements)(const float *a, const float *b, float *y, size_t count) {
  for (size_t i = 0; i < count; i++) y[i] = a[i] * b[i];
}

static void PI_NAME(gate_relu)(const float *gate, const float *up, float *y, size_t count) {
  // A NaN gate stays NaN: only what is surely not positive becomes 0.
  for (size_t i = 0; i < count; i++) y[i] = (gate[i] <= 0 ? 0 : gate[i]) * up[i];
}

static void PI_NAME(gate_relu_both)(const float *gate, const float *up, float *y, size_t count) {
  for (size_t i = 0; i < count; i++) y[i] = (gate[i] <= 0 ? 0 : gate[i]) * (up[i] <= 0 ? 0 : up[i]);
}

static void PI_NAME(relu)(const float *x, float *y, size_t count) {
  for (size_t i = 0; i < count; i++) y[i] = x[i] <= 0 ? 0 : x[i];
}

// x times the normal distribution function of x. The function's tail is e^(-x^2 / 2) * t * p(t) with t = 1 / (1 + 0.3 |x|), p of
// least largest relative error (1.8e-7 before rounding the coefficients) up to |x| = 15.
PI_INLINE vf gelu_vector(vf x) {
  const vf size = choose(x < (vf){0}, -x, x);
  const vf t = splat(1) / (splat(1) + splat(0.3f) * size);
  vf p = splat(0.03517840942f);
  p = p * t + splat(-0.1551410805f);
  p = p * t + splat(0.202814269f);
  p = p * t + splat(-0.0504423521f);
  p = p * t + splat(0.1268577649f);
  p = p * t + splat(0.1004256439f);
  p = p * t + splat(0.1206727237f);
  p = p * t + splat(0.1196345309f);
  const vf tail = p * t * exponential(splat(-0.5f) * x * x);
  const vf result = x * choose(x < (vf){0}, tail, splat(1) - tail);
  // Beyond this the tail times x is 0 in floats, and -infinity times 0 would be NaN.
  return choose(x < splat(-15), (vf){0}, result);
}

static void PI_NAME(gelu)(const float *x, float *y, size_t count) {
  size_t i = 0;
  for (; i + PI_LANES <= count; i += PI_LANES) store(y + i, gelu_vector(load(x + i)));
  if (i < count) {
    const vf v = gelu_vector(load_part(x + i, count - i, 0));
    memcpy(y + i, &v, (count - i) * 4);
  }
}

static void PI_NAME(gate_silu)(const float *gate, const float *up, float *y, size_t count) {
  size_t i = 0;
  for (; i + PI_LANES <= count; i += PI_LANES) {
    const vf g = load(gate + i);
    store(y + i, g / (splat(1) + exponential(-g)) * load(up + i));
  }
  if (i < count) {
    const vf g = load_part(gate + i, count - i, 0);
    const vf v = g / (splat(1) + exponential(-g)) * load_part(up + i, count - i, 0);
    memcpy(y + i, &v, (count - i) * 4);
  }
}

// Element j of the first of a pair is at j * step, the second `distance` behind it.
PI_INLINE void rotate_pairs(float *x, size_t heads, size_t head_size, size_t pairs, size_t step, size_t distance,
                            const float *cosines, const float *sines) {
  for (size_t h = 0; h < heads; h++) {
    float *p = x + h * head_size;
    for (size_t j = 0; j < pairs; j++) {
      const float a = p[step * j], b = p[step * j + distance];
      p[step * j] = a * cosines[j] - b * sines[j];
      p[step * j + distance] = a * sines[j] + b * cosines[j];
    }
  }
}

static void PI_NAME(rotate)(float *x, size_t heads, size_t head_size, size_t rotary, uint32_t pairing,
                            const float *cosines, const float *sines) {
  const size_t pairs = rotary / 2;
  if (pairing == PI_PAIR_HALVES) {
    rotate_pairs(x, heads, head_size, pairs, 1, pairs, cosines, sines);
  } else {
    rotate_pairs(x, heads, head_size, pairs, 2, 1, cosines, sines);
  }
}

static void PI_NAME(store_f16)(const float *x, size_t count, uint16_t *y) {
  size_t i = 0;
  for (; i + PI_LANES <= count; i += PI_LANES) store_f16(y + i, load(x + i));
  if (i < count) {
    uint16_t part[PI_LANES];
    store_f16(part, load_part(x + i, count - i, 0));
    memcpy(y + i, part, (count - i) * 2);
  }
}

// Scales, subtracts the maximum, exponentiates in place; returns 1 / sum. -infinity has weight 0.
PI_INLINE float exponentiate(float *x, size_t count, float scale) {
  const vf low = splat(-INFINITY);
  vf most = low;
  size_t i = 0;
  for (; i + PI_LANES <= count; i += PI_LANES) {
    const vf v = load(x + i) * scale;
    most = choose(v > most, v, most);
  }
  for (size_t j = i; j < count; j++) {
    const vf v = splat(x[j] * scale);
    most = choose(v > most, v, most);
  }
  float top = most[0];
  for (size_t j = 1; j < PI_LANES; j++) top = most[j] > top ? most[j] : top;
  if (!(top > -INFINITY)) top = 0;
  vf sum = {0};
  for (i = 0; i + PI_LANES <= count; i += PI_LANES) {
    const vf v = exponential(load(x + i) * scale - top);
    sum += v;
    store(x + i, v);
  }
  if (i < count) {
    const vf v = exponential(load_part(x + i, count - i, -INFINITY) * scale - top);
    // Lanes past the end hold e^-infinity = 0, unless the scale is not positive.
    for (size_t j = i; j < count; j++) x[j] = v[j - i];
    vf kept = {0};
    memcpy(&kept, x + i, (count - i) * 4);
    sum += kept;
  }
  return 1 / sum_lanes(sum);
}

static void PI_NAME(softmax)(float *x, size_t count) {
  if (count == 0) return;
  const float factor = exponentiate(x, count, 1);
  for (size_t i = 0; i < count; i++) x[i] *= factor;
}
