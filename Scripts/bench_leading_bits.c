// Times a ReLU feed-forward layer in Q4_0 from memory: all neurons; whole gates and the rows that fire; leading bits of gates, the rest of those
// that may fire, and the rows that fire. Prints microseconds a layer and, beside the ratio to whole gates, what the bytes allow.
//
//   clang -std=gnu11 -O2 -ISources/CKernels/include -ISources/CKernels Sources/CKernels/*/*.c Scripts/bench_leading_bits.c -lm -lpthread -o bench
//   ./bench INPUTS NEURONS LAYERS COMPUTED FIRING      for example 2048 5632 20 0.155 0.1
//
// Weights are random; thresholds make so many neurons go on. Best of five turns.
#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "ckernels.h"

enum { PIECE = 384, PLANAR = PI_Q4_0 | PI_PLANAR };
enum { GATE, UP, DOWN };
typedef enum { DENSE, WHOLE_GATES, LEADING_BITS, WAYS } way;

static const pi_kernels *kernels;
static size_t columns, neurons, layers, row_bytes, leading_bytes, rest_bytes, group;
static uint8_t *weights[3], *leading, *rest;
static pi_activations input;
static pi_leading_input leading_input;
static float gate_threshold, score_threshold;
static int threads;
static way current;
static size_t computed, fired;  // by the first thread

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void *memory(size_t bytes) {
  const size_t page = 2 << 20;
  uint8_t *p = mmap(NULL, bytes + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) exit(2);
  p = (uint8_t *)(((uintptr_t)p + page - 1) & ~(uintptr_t)(page - 1));
#ifdef MADV_HUGEPAGE
  madvise(p, bytes, MADV_HUGEPAGE);
#endif
  return p;
}

typedef struct {
  float *z, *deviation, *gate, *up, *output;
  uint32_t *list;
  uint8_t *joined;
} scratch;

static void piece(size_t layer, size_t begin, size_t end, scratch *s, bool counts) {
  pi_matrix m[3];
  for (int i = 0; i < 3; i++) {
    m[i] = (pi_matrix){weights[i] + layer * neurons * row_bytes, row_bytes, columns, PLANAR, 0, 0};
  }
  size_t count = end - begin;
  if (current == DENSE) {
    kernels->multiply(&m[GATE], begin, end, &input, 0, 1, s->gate - begin, 0);
    kernels->multiply(&m[UP], begin, end, &input, 0, 1, s->up - begin, 0);
    for (size_t i = 0; i < count; i++) s->list[i] = (uint32_t)(begin + i);
    kernels->accumulate_listed(&m[DOWN], s->list, count, s->up, s->output);
    return;
  }
  if (current == WHOLE_GATES) {
    kernels->multiply(&m[GATE], begin, end, &input, 0, 1, s->gate - begin, 0);
    count = kernels->select(s->gate, NULL, (uint32_t)begin, count, PI_KEEP_ABOVE, gate_threshold, s->list, s->gate);
  } else {
    const pi_split_matrix split = {leading + layer * neurons * leading_bytes, rest + layer * neurons * rest_bytes, columns, PI_Q4_0};
    kernels->multiply_leading(&split, begin, end, &leading_input, s->z, s->deviation);
    for (size_t i = 0; i < count; i++) s->z[i] = s->z[i] / s->deviation[i] + 1;
    count = kernels->select(s->z, NULL, (uint32_t)begin, count, PI_KEEP_FROM, score_threshold, s->list, NULL);
    if (counts) computed += count;
    const pi_matrix whole = {s->joined, row_bytes, columns, PLANAR, 4, PI_NOT_AHEAD};
    for (size_t i = 0; i < count; i += group) {
      const size_t next = i + group < count ? i + group : count;
      kernels->join_listed(&split, s->list, count, i, next, s->joined);
      kernels->multiply(&whole, 0, next - i, &input, 0, 1, s->gate + i, 0);
    }
    count = kernels->select(s->gate, s->list, 0, count, PI_KEEP_ABOVE, gate_threshold, s->list, s->gate);
  }
  if (counts) fired += count;
  pi_prefetch_listed(&m[DOWN], s->list, count);
  kernels->multiply_listed(&m[UP], s->list, count, &input, 0, 1, s->up, count);
  kernels->accumulate_listed(&m[DOWN], s->list, count, s->up, s->output);
}

static void *work(void *argument) {
  const size_t thread = (size_t)(uintptr_t)argument, pieces = (neurons + PIECE - 1) / PIECE;
  scratch s = {malloc(PIECE * 4), malloc(PIECE * 4), malloc(PIECE * 4), malloc(PIECE * 4), calloc(columns, 4),
               malloc(PIECE * 4), malloc(group * row_bytes + 64)};
  if (thread == 0) computed = fired = 0;
  for (size_t layer = 0; layer < layers; layer++) {
    for (size_t p = thread; p < pieces; p += (size_t)threads) {
      const size_t end = (p + 1) * PIECE < neurons ? (p + 1) * PIECE : neurons;
      piece(layer, p * PIECE, end, &s, thread == 0);
    }
  }
  free(s.z), free(s.deviation), free(s.gate), free(s.up), free(s.output), free(s.list), free(s.joined);
  return NULL;
}

static int by_value(const void *a, const void *b) {
  const float x = *(const float *)a, y = *(const float *)b;
  return (x > y) - (x < y);
}

static float quantile(float *values, double share) {
  qsort(values, neurons, sizeof *values, by_value);
  return values[(size_t)((double)neurons * share)];
}

static void make_weights(uint64_t *state) {
  const uint16_t scale = 0x211f;  // 0.01
  for (int i = 0; i < 3; i++) {
    weights[i] = memory(layers * neurons * row_bytes + 64);
    for (size_t at = 0; at < layers * neurons * row_bytes; at += 8) {
      *state ^= *state << 13, *state ^= *state >> 7, *state ^= *state << 17;
      memcpy(weights[i] + at, state, 8);
    }
    for (size_t r = 0; r < layers * neurons; r++) {
      for (size_t b = 0; b < columns / 32; b++) memcpy(weights[i] + r * row_bytes + 2 * b, &scale, 2);
    }
  }
  leading = memory(layers * neurons * leading_bytes);
  rest = memory(layers * neurons * rest_bytes);
  for (size_t r = 0; r < layers * neurons; r++) {
    pi_split_row(PLANAR, weights[GATE] + r * row_bytes, columns, leading + r * leading_bytes, rest + r * rest_bytes);
  }
}

static void make_input(uint64_t *state) {
  const size_t code_stride = (columns + 127) / 128 * 128 + 64, stride = (columns + 511) / 512 * 16;
  float *values = malloc(columns * 4), *numbers = calloc(7 * stride, 4);
  int8_t *codes = calloc(code_stride, 1), *arranged = calloc((columns + 255) / 256 * 256, 1);
  for (size_t c = 0; c < columns; c++) {
    *state ^= *state << 13, *state ^= *state >> 7, *state ^= *state << 17;
    values[c] = (float)((double)(int64_t)*state * 0x1p-63);
  }
  kernels->quantize_activations(values, columns, PI_BY_ROWS, codes, code_stride, numbers, numbers + stride, stride);
  kernels->arrange_leading(codes, columns, arranged);
  pi_block_energies(values, columns, numbers + 4 * stride, stride);
  input = (pi_activations){values, codes, numbers, numbers + stride, columns, code_stride, stride, PI_BY_ROWS};
  leading_input = (pi_leading_input){arranged, numbers, numbers + stride, numbers + 4 * stride, stride};
}

int main(int count, char **arguments) {
  if (count != 6) return fprintf(stderr, "usage: %s INPUTS NEURONS LAYERS COMPUTED FIRING\n", arguments[0]), 64;
  columns = (size_t)atol(arguments[1]) / 32 * 32, neurons = (size_t)atol(arguments[2]), layers = (size_t)atol(arguments[3]);
  const pi_kernels *sets[] = {pi_kernels_avx512(), pi_kernels_avxvnni(), pi_kernels_avx2(), pi_kernels_neon(), pi_kernels_portable()};
  for (size_t i = 0; !kernels; i++) kernels = sets[i];
  row_bytes = columns / 32 * 18, leading_bytes = pi_leading_bytes(PI_Q4_0, columns), rest_bytes = pi_rest_bytes(PI_Q4_0, columns);
  group = 16384 / row_bytes / 4 * 4;
  group = group < 4 ? 4 : group > 32 ? 32 : group;
  uint64_t state = 88172645463325252u;
  make_weights(&state);
  make_input(&state);
  float *values = malloc(neurons * 4), *deviation = malloc(neurons * 4);
  const pi_split_matrix split = {leading, rest, columns, PI_Q4_0};
  kernels->multiply_leading(&split, 0, neurons, &leading_input, values, deviation);
  for (size_t i = 0; i < neurons; i++) values[i] = values[i] / deviation[i] + 1;
  score_threshold = quantile(values, 1 - atof(arguments[4]));
  const pi_matrix gates = {weights[GATE], row_bytes, columns, PLANAR, 0, 0};
  kernels->multiply(&gates, 0, neurons, &input, 0, 1, values, 0);
  gate_threshold = quantile(values, 1 - atof(arguments[5]));
  static const char *const names[] = {"dense", "gate", "bits"};
  for (threads = 1; threads < 3; threads++) {
    double best[WAYS] = {1e9, 1e9, 1e9};
    for (int turn = 0; turn < 5; turn++) {
      for (current = DENSE; current < WAYS; current++) {
        const double start = seconds();
        pthread_t other;
        if (threads == 2) pthread_create(&other, NULL, work, (void *)(uintptr_t)1);
        work(NULL);
        if (threads == 2) pthread_join(other, NULL);
        const double time = seconds() - start;
        if (time < best[current]) best[current] = time;
      }
    }
    const double all = (double)(layers * neurons) / threads, c = (double)computed / all, f = (double)fired / all;
    const double row = (double)row_bytes, bytes[WAYS] = {3 * row, (1 + 2 * f) * row,
                                                        (double)leading_bytes + c * (double)rest_bytes + 2 * f * row};
    for (int i = 0; i < WAYS; i++) {
      printf("%d threads, %-5s %9.1f us a layer, %5.1f GB/s; %.2f times whole gates, by bytes %.2f\n", threads, names[i],
             best[i] / (double)layers * 1e6, bytes[i] * (double)(neurons * layers) / best[i] / 1e9, best[WHOLE_GATES] / best[i],
             bytes[WHOLE_GATES] / bytes[i]);
    }
    printf("%.3f computed, %.3f fire\n", c, f);
  }
}
