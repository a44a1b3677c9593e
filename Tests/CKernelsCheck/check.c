// Checks every table of kernels that this build and processor have against the portable one, at odd sizes. A program of its
// own, so that it can be cross-compiled and run under emulation (Scripts/test-neon.sh) or with sanitizers
// (Scripts/test-sanitizers.sh). Prints "N passed, M failed".
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ckernels.h"

#if defined(__aarch64__)
const pi_kernels *pi_kernels_neon_widening(void);
const pi_kernels *pi_kernels_neon_dot(void);
const pi_kernels *pi_kernels_neon_matrix(void);
#endif

static int passed, failed;
static uint64_t state = 42;

static uint32_t random_word(void) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(state >> 32);
}

static float random_float(void) { return (float)(int32_t)random_word() * 0x1p-30f; }

static void *allocate(size_t bytes) {
  void *p = malloc(bytes ? bytes : 1);
  if (!p) exit(2);
  return p;
}

static float *random_floats(size_t count) {
  float *p = allocate(count * sizeof *p);
  for (size_t i = 0; i < count; i++) p[i] = random_float();
  return p;
}

// Equal within `limit` of the largest expected value: different sets add in different orders.
// Differences relative to the greatest value, or to `least` where that is more.
static void compare_from(const char *set, const char *what, const float *a, const float *b, size_t count, double limit,
                         double least) {
  double scale = fmax(least, 1e-30), worst = 0;
  for (size_t i = 0; i < count; i++) scale = fmax(scale, fabs(b[i]));
  for (size_t i = 0; i < count; i++) {
    const double difference = fabs((double)a[i] - b[i]);
    worst = difference <= worst ? worst : difference;
    if (isnan(a[i]) != isnan(b[i])) worst = INFINITY;
  }
  if (worst <= limit * scale) {
    passed++;
  } else {
    failed++;
    printf("FAILED %s %s: off by %g of %g\n", set, what, worst, scale);
  }
}

static void compare(const char *set, const char *what, const float *a, const float *b, size_t count, double limit) {
  compare_from(set, what, a, b, count, limit, 0);
}

typedef struct {
  const char *name;
  uint32_t format;
  size_t elements, bytes;
} format;

static const format formats[] = {
    {"f32", PI_F32, 1, 4},         {"f16", PI_F16, 1, 2},         {"bf16", PI_BF16, 1, 2},      {"q4_0", PI_Q4_0, 32, 18},
    {"q4_1", PI_Q4_1, 32, 20},     {"q5_0", PI_Q5_0, 32, 22},     {"q5_1", PI_Q5_1, 32, 24},    {"q8_0", PI_Q8_0, 32, 34},
    {"q4_K", PI_Q4_K, 256, 144},   {"q5_K", PI_Q5_K, 256, 176},   {"q6_K", PI_Q6_K, 256, 210},
};

// Random codes with tame scales, in exactly as many bytes as the rows have.
static uint8_t *random_weights(const format *f, size_t rows, size_t columns) {
  const size_t count = rows * columns / f->elements * f->bytes;
  uint8_t *p = allocate(count);
  for (size_t i = 0; i < count; i++) p[i] = (uint8_t)random_word();
  if (f->elements == 1) {
    float *values = random_floats(rows * columns);
    pi_quantize(f->format, values, rows * columns, p);
    free(values);
  }
  for (size_t at = 0; at < count && f->elements > 1; at += f->bytes) {
    // f16 between 0.0156 and 0.031
    const uint16_t d = (uint16_t)(0x2400 | (random_word() & 0x3ff)), m = (uint16_t)(0x2400 | (random_word() & 0x3ff));
    const int has_minimum = f->format == PI_Q4_1 || f->format == PI_Q5_1 || f->format == PI_Q4_K || f->format == PI_Q5_K;
    memcpy(p + at + (f->format == PI_Q6_K ? 208 : 0), &d, 2);
    if (has_minimum) memcpy(p + at + 2, &m, 2);
  }
  return p;
}

typedef struct {
  pi_activations view;
  float *values, *scales, *sums;
  int8_t *codes;
} tokens;

static tokens make_tokens(const pi_kernels *k, const float *values, size_t columns, size_t count, uint32_t order) {
  tokens t;
  const size_t code_stride = (columns + 127) / 128 * 128 + 64, block_stride = (columns + 511) / 512 * 16;
  t.values = allocate(count * columns * 4);
  memcpy(t.values, values, count * columns * 4);
  t.codes = allocate(count * code_stride);
  t.scales = allocate(count * block_stride * 4);
  t.sums = allocate(count * 3 * block_stride * 4);
  for (size_t i = 0; i < count; i++) {
    k->quantize_activations(t.values + i * columns, columns, order, t.codes + i * code_stride, code_stride,
                            t.scales + i * block_stride, t.sums + i * 3 * block_stride, block_stride);
  }
  t.view = (pi_activations){t.values, t.codes, t.scales, t.sums, columns, code_stride, block_stride, order};
  return t;
}

// The orders that a set has products in.
static const uint32_t orders[] = {PI_BY_ROWS, PI_BY_PANELS, PI_BY_SIXTEENS};
static const char *const order_names[] = {"rows", "panels", "sixteens"};

static int has_order(const pi_kernels *k, uint32_t order) {
  return order == PI_BY_ROWS || (order == PI_BY_PANELS ? k->panel_tokens : k->sixteen_tokens) > 0;
}

static void free_tokens(tokens t) {
  free(t.values);
  free(t.codes);
  free(t.scales);
  free(t.sums);
}

// Sets may round activations of BF16 weights to BF16.
static void round_to_bf16(float *x, size_t count) {
  uint16_t *rounded = allocate(count * 2);
  pi_quantize(PI_BF16, x, count, rounded);
  pi_dequantize(PI_BF16, rounded, count, x);
  free(rounded);
}

static void check_products(const char *set, const pi_kernels *k, const pi_kernels *reference) {
  static const size_t shapes[][3] = {{1, 1, 1}, {2, 3, 2}, {3, 4, 3}, {5, 5, 7}, {17, 2, 1}, {6, 9, 33}, {4, 18, 4}, {2, 300, 5}};
  char what[80];
  for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
    for (size_t j = 0; j < sizeof shapes / sizeof *shapes; j++) {
      const format *f = &formats[i];
      const size_t rows = shapes[j][0], count = shapes[j][2];
      const size_t columns = f->elements == 1 ? shapes[j][1] * 11 + 2 : shapes[j][1] * f->elements;
      uint8_t *w = random_weights(f, rows, columns);
      const pi_matrix m = {w, columns / f->elements * f->bytes, columns, f->format};
      float *values = random_floats(count * columns);
      if (f->format == PI_BF16) round_to_bf16(values, count * columns);
      float *y = allocate(rows * count * 4), *expected = allocate(rows * count * 4);
      tokens b = make_tokens(reference, values, columns, count, PI_BY_ROWS);
      reference->multiply(&m, 0, rows, &b.view, 0, count, expected, rows);
      for (size_t o = 0; o < sizeof orders / sizeof *orders && has_order(k, orders[o]); o++) {
        const uint32_t order = orders[o];
        tokens a = make_tokens(k, values, columns, count, order);
        k->multiply(&m, 0, rows, &a.view, 0, count, y, rows);
        snprintf(what, sizeof what, "multiply %s %zux%zu, %zu tokens by %s", f->name, rows, columns, count,
                 order_names[order]);
        // A few products may nearly cancel; what is rounded is each of them.
        compare_from(set, what, y, expected, rows * count, 2e-5, 0.05);
        free_tokens(a);
      }
      free(y);
      free(expected);
      free_tokens(b);
      free(values);
      free(w);

      const size_t wide = shapes[j][1] % 20 * (f->elements == 1 ? 32 : f->elements) + (f->elements == 256 ? 256 : 32);
      const size_t neurons = rows * 37;
      w = random_weights(f, neurons, wide);
      const pi_matrix down = {w, wide / f->elements * f->bytes, wide, f->format};
      float *h = random_floats(neurons * count);
      for (size_t n = 0; n < neurons * count; n++) h[n] = random_word() % 4 == 0 ? h[n] : 0;
      y = random_floats(wide * count);
      expected = allocate(wide * count * 4);
      memcpy(expected, y, wide * count * 4);
      const size_t begin = f->elements == 256 || wide == 32 ? 0 : 32;
      k->accumulate_rows(&down, neurons, h, neurons, 0, count, begin, wide, y, wide);
      reference->accumulate_rows(&down, neurons, h, neurons, 0, count, begin, wide, expected, wide);
      snprintf(what, sizeof what, "accumulate %s %zux%zu, %zu tokens", f->name, neurons, wide, count);
      compare(set, what, y, expected, wide * count, 2e-5);
      // The same rows by a list that leaves out the silent ones; then some in any order, several times.
      uint32_t *list = allocate(neurons * 4);
      float *factors = allocate(neurons * 4);
      size_t listed = 0;
      for (size_t n = 0; n < neurons; n++) {
        if (h[n] == 0) continue;
        list[listed] = (uint32_t)n;
        factors[listed++] = h[n];
      }
      for (int turn = 0; turn < 2; turn++) {
        memset(y, 0, wide * 4);
        memset(expected, 0, wide * 4);
        k->accumulate_listed(&down, list, listed, factors, y);
        if (turn == 0) {
          k->accumulate_rows(&down, neurons, h, neurons, 0, 1, 0, wide, expected, wide);
        } else {
          reference->accumulate_listed(&down, list, listed, factors, expected);
        }
        snprintf(what, sizeof what, "accumulate %zu listed of %s %zux%zu", listed, f->name, neurons, wide);
        compare(set, what, y, expected, wide, turn == 0 ? 0 : 2e-5);
        for (size_t n = 0; n < listed; n++) list[n] = random_word() % (uint32_t)neurons;
      }
      free(list);
      free(factors);
      free(y);
      free(expected);
      free(h);
      free(w);
    }
  }
}

static void exact_layer_norm(const float *x, const float *weight, const float *bias, double epsilon, size_t count,
                             float *y) {
  double mean = 0, variance = 0;
  for (size_t i = 0; i < count; i++) mean += x[i] / (double)count;
  for (size_t i = 0; i < count; i++) variance += (x[i] - mean) * (x[i] - mean) / (double)count;
  for (size_t i = 0; i < count; i++) y[i] = (float)((x[i] - mean) / sqrt(variance + epsilon) * weight[i] + bias[i]);
}

static void check_floats(const char *set, const pi_kernels *k, const pi_kernels *reference) {
  static const size_t sizes[] = {1, 2, 3, 7, 15, 16, 17, 31, 33, 64, 100, 576};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    const size_t n = sizes[i];
    float *x = random_floats(n), *u = random_floats(n), *v = random_floats(n), *y = random_floats(n), *e = allocate(n * 4);
    for (size_t j = 0; j < n; j++) x[j] *= 10;
    memcpy(e, y, n * 4);
    k->rms_norm(x, u, 1e-5f, n, y);
    reference->rms_norm(x, u, 1e-5f, n, e);
    compare(set, "rms_norm", y, e, n, 1e-6);
    k->layer_norm(x, u, v, 1e-5f, n, y);
    reference->layer_norm(x, u, v, 1e-5f, n, e);
    compare(set, "layer_norm", y, e, n, 2e-6);
    exact_layer_norm(x, u, v, 1e-5, n, e);
    compare(set, "layer_norm, exactly,", y, e, n, 2e-6);
    k->gelu(x, y, n);
    for (size_t j = 0; j < n; j++) e[j] = (float)(0.5 * x[j] * erfc(-x[j] * sqrt(0.5)));
    compare(set, "gelu", y, e, n, 2e-5);
    k->relu(x, y, n);
    for (size_t j = 0; j < n; j++) e[j] = fmaxf(x[j], 0);
    compare(set, "relu", y, e, n, 0);
    k->gate_relu_both(x, u, y, n);
    for (size_t j = 0; j < n; j++) e[j] = fmaxf(x[j], 0) * fmaxf(u[j], 0);
    compare(set, "gate_relu_both", y, e, n, 0);
    k->gate_silu(x, u, y, n);
    reference->gate_silu(x, u, e, n);
    compare(set, "gate_silu", y, e, n, 1e-6);
    k->gate_relu(x, u, y, n);
    reference->gate_relu(x, u, e, n);
    compare(set, "gate_relu", y, e, n, 0);
    k->add(x, y, n);
    reference->add(x, e, n);
    compare(set, "add", y, e, n, 0);
    k->softmax(y, n);
    reference->softmax(e, n);
    compare(set, "softmax", y, e, n, 3e-6);
    uint16_t *h = allocate(n * 2), *g = allocate(n * 2);
    k->store_f16(x, n, h);
    reference->store_f16(x, n, g);
    if (memcmp(h, g, n * 2) == 0) passed++; else failed++, printf("FAILED %s store_f16 %zu\n", set, n);
    free(h);
    free(g);
    free(x);
    free(u);
    free(v);
    free(y);
    free(e);
  }
  static const size_t shapes[][3] = {{1, 64, 1}, {3, 64, 67}, {4, 128, 9}, {5, 80, 33}, {2, 6, 7}, {7, 96, 4}, {8, 20, 18}};
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
    const size_t group = shapes[i][0], size = shapes[i][1], positions = shapes[i][2];
    float *q = random_floats(group * size), *kv = random_floats(positions * size);
    float *y = allocate(group * size * 4);
    for (uint32_t pairing = PI_PAIR_NEIGHBOURS; pairing <= PI_PAIR_HALVES; pairing++) {
      k->rotate(q, group, size, size / 4 * 2, pairing, kv, kv);
      memcpy(y, q, group * size * 4);
      reference->rotate(q, group, size, size / 4 * 2, pairing, kv, kv);
      k->rotate(y, group, size, size / 4 * 2, pairing, kv, kv);
      compare(set, pairing == PI_PAIR_HALVES ? "rotate halves" : "rotate neighbours", y, q, group * size, 1e-6);
    }
    free(q);
    free(kv);
    free(y);
  }
}

static void check_streams(const char *set, const pi_kernels *k) {
  for (size_t lines = 0; lines < 23; lines++) {
    uint8_t *data = allocate(lines * 64);
    uint64_t expected = 0;
    for (size_t i = 0; i < lines * 64; i++) {
      data[i] = (uint8_t)random_word();
      expected += (uint64_t)data[i] << i % 8 * 8;  // little-endian words
    }
    if (k->sum_lines(data, lines) == expected) passed++; else failed++, printf("FAILED %s sum_lines %zu\n", set, lines);
    free(data);
  }
  for (size_t n = 0; n < 70; n += 3) {
    float *a = random_floats(n), *b = random_floats(n), *y = allocate(n * 4), *e = allocate(n * 4);
    for (size_t i = 0; i < n; i++) e[i] = (float)((double)a[i] + 3 * (double)b[i]);
    k->triad(a, b, 3, n, y);
    compare(set, "triad", y, e, n, 1e-6);
    free(a);
    free(b);
    free(y);
    free(e);
  }
}

// Tiles add the same numbers in the same order as vectors do, however many tokens fill them.
static void check_tiles(const pi_kernels *tiles, const pi_kernels *vectors) {
  static const size_t shapes[][3] = {{1, 1, 16}, {16, 3, 17}, {33, 2, 31}, {40, 18, 37}, {5, 33, 50}};
  char what[80];
  for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
    const format *f = &formats[i];
    for (size_t j = 0; j < sizeof shapes / sizeof *shapes && f->elements > 1; j++) {
      const size_t rows = shapes[j][0], columns = shapes[j][1] * f->elements, count = shapes[j][2];
      uint8_t *w = random_weights(f, rows, columns);
      const pi_matrix m = {w, columns / f->elements * f->bytes, columns, f->format};
      float *values = random_floats(count * columns);
      values[0] = j == 1 ? NAN : values[0];
      float *y = allocate(rows * count * 4), *expected = allocate(rows * count * 4);
      tokens a = make_tokens(tiles, values, columns, count, PI_BY_PANELS);
      tiles->multiply(&m, 0, rows, &a.view, 0, count, y, rows);
      vectors->multiply(&m, 0, rows, &a.view, 0, count, expected, rows);
      snprintf(what, sizeof what, "tiles %s %zux%zu, %zu tokens", f->name, rows, columns, count);
      compare("amx", what, y, expected, rows * count, 0);
      free_tokens(a);
      free(y);
      free(expected);
      free(values);
      free(w);
    }
  }
}

#include "check_attention.h"

#include "check_gram.h"

#include "check_sparse.h"

#include "check_planar.h"

#include "check_stripes.h"

#include "check_leading.h"

#include "check_training.h"

// With an argument, only the sets whose names begin with it.
int main(int count, char **arguments) {
  const struct {
    const char *name;
    const pi_kernels *table;
  } sets[] = {
      {"portable", pi_kernels_portable()},
      {"avx2", pi_kernels_avx2()},
      {"avxvnni", pi_kernels_avxvnni()},
      {"avx512", pi_kernels_avx512()},
      {"amx", pi_kernels_amx()},
#if defined(__aarch64__)
      {"neon", pi_kernels_neon_widening()},
      {"neon with dot products", pi_kernels_neon_dot()},
      {"neon with matrix products", pi_kernels_neon_matrix()},
#endif
  };
  for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
    if (!sets[i].table) continue;
    if (count > 1 && strncmp(sets[i].name, arguments[1], strlen(arguments[1])) != 0) continue;
    const int before = passed + failed;
    check_products(sets[i].name, sets[i].table, pi_kernels_portable());
    check_floats(sets[i].name, sets[i].table, pi_kernels_portable());
    check_gram(sets[i].name, sets[i].table);
    check_attention(sets[i].name, sets[i].table, pi_kernels_portable());
    check_streams(sets[i].name, sets[i].table);
    check_sparse(sets[i].name, sets[i].table);
    check_planar(sets[i].name, sets[i].table);
    check_stripes(sets[i].name, sets[i].table, pi_kernels_portable());
    check_leading(sets[i].name, sets[i].table);
    check_training(sets[i].name, sets[i].table);
    if (sets[i].table == pi_kernels_amx()) check_tiles(sets[i].table, pi_kernels_avx512());
    printf("%s: %d checks\n", sets[i].name, passed + failed - before);
  }
  printf("%d passed, %d failed\n", passed, failed);
  return failed != 0;
}
