// Rows taken apart become the same rows again; what leading bits say of a product is what double precision says. Included by check.c.

#include "blocks/blocks.h"

typedef struct {
  pi_split_matrix view;
  uint8_t *leading, *rest;
} split_rows;

static split_rows split_matrix(uint32_t format, const uint8_t *w, size_t rows, size_t columns, size_t bytes) {
  const uint32_t base = format & ~(uint32_t)PI_PLANAR;
  const size_t leading = pi_leading_bytes(base, columns), rest = pi_rest_bytes(base, columns);
  split_rows s = {{0}, allocate(rows * leading), allocate(rows * rest)};
  for (size_t r = 0; r < rows; r++) {
    pi_split_row(format, w + r * bytes, columns, s.leading + r * leading, s.rest + r * rest);
  }
  s.view = (pi_split_matrix){s.leading, s.rest, columns, base};
  return s;
}

static void free_split(split_rows s) {
  free(s.leading);
  free(s.rest);
}

// The same with leading rows in stripes, the last one padded with copies of the first row.
static split_rows striped_split(split_rows s, size_t rows) {
  const size_t bytes = pi_leading_bytes(s.view.format, s.view.columns), rest = rows * pi_rest_bytes(s.view.format, s.view.columns);
  const size_t count = (rows + PI_STRIPE - 1) / PI_STRIPE * PI_STRIPE;
  split_rows striped = {s.view, allocate(count * bytes), allocate(rest)};
  uint8_t *all = allocate(count * bytes);
  for (size_t r = 0; r < count; r++) memcpy(all + r * bytes, s.leading + (r < rows ? r : 0) * bytes, bytes);
  for (size_t r = 0; r < count; r += PI_STRIPE) {
    pi_make_leading_stripe(s.view.format, all + r * bytes, s.view.columns, striped.leading + r * bytes);
  }
  memcpy(striped.rest, s.rest, rest);
  free(all);
  striped.view.leading = striped.leading;
  striped.view.rest = striped.rest;
  striped.view.format |= PI_STRIPED;
  return striped;
}

static void check_splitting(const pi_kernels *k, const format *f, const uint8_t *w, size_t rows, size_t columns) {
  const size_t bytes = columns / f->elements * f->bytes;
  char what[96];
  expect(pi_leading_bytes(f->format, columns) + pi_rest_bytes(f->format, columns) == bytes, f->name, "bytes of parts");
  uint8_t *planar = planar_rows(f, w, rows, columns);
  const uint8_t *expected = f->elements == 32 ? planar : w;
  split_rows s = split_matrix(f->format, w, rows, columns, bytes);
  if (f->elements == 32) {
    split_rows again = split_matrix(f->format | PI_PLANAR, planar, rows, columns, bytes);
    expect(memcmp(s.leading, again.leading, rows * pi_leading_bytes(f->format, columns)) == 0 &&
               memcmp(s.rest, again.rest, rows * pi_rest_bytes(f->format, columns)) == 0,
           f->name, "planar rows split alike");
    free_split(again);
  }
  const size_t count = rows + 3;
  uint32_t *list = allocate(count * 4);
  uint8_t *joined = allocate(count * bytes);
  for (size_t i = 0; i < count; i++) list[i] = i < rows ? (uint32_t)(rows - 1 - i) : random_word() % (uint32_t)rows;
  for (size_t i = 0; i < count; i += 4) {
    k->join_listed(&s.view, list, count, i, count - i < 4 ? count : i + 4, joined + i * bytes);
  }
  for (size_t i = 0; i < count; i++) {
    snprintf(what, sizeof what, "row %zu of %zu columns, split and joined", i, columns);
    expect(memcmp(joined + i * bytes, expected + list[i] * bytes, bytes) == 0, f->name, what);
  }
  if (f->elements == 32 && (k->has_stripes || k == pi_kernels_portable())) {
    split_rows striped = striped_split(s, rows);
    // Lists ascend where rows are chosen: several rows of a stripe follow one another.
    size_t chosen = 0;
    for (size_t r = 0; r < rows; r++) {
      if (r % 5 != 2) list[chosen++] = (uint32_t)r;
    }
    for (size_t i = 0; i < count; i += 4) {
      k->join_listed(&s.view, list, count, i, count - i < 4 ? count : i + 4, joined + i * bytes);
    }
    const size_t whole = (count + PI_STRIPE - 1) / PI_STRIPE * PI_STRIPE, side = PI_STRIPE + 8;
    uint8_t *again = allocate(whole * bytes + (count + side) * pi_leading_bytes(f->format, columns)), *row = allocate(bytes);
    k->join_listed(&striped.view, list, count, 0, count, again);
    const int in_stripes = k->has_stripes && (f->format == PI_Q4_0 || f->format == PI_Q4_1);
    for (size_t i = 0; i < count; i++) {
      snprintf(what, sizeof what, "row %zu of %zu columns, leading bits in stripes, joined", i, columns);
      if (in_stripes) {
        pi_read_stripe(f->format, again + i / PI_STRIPE * PI_STRIPE * bytes, i % PI_STRIPE, columns, 0, columns, row);
        expect(memcmp(row, w + list[i] * bytes, bytes) == 0, f->name, what);
      } else {
        expect(memcmp(again + i * bytes, joined + i * bytes, bytes) == 0, f->name, what);
      }
    }
    free(row);
    free(again);
    free_split(striped);
  }
  free(list);
  free(joined);
  free(planar);
  free_split(s);
}

// What is expected of row `r`, from the blocks as they were, in double precision.
static void exact_leading(const format *f, const uint8_t *row, size_t columns, const tokens *x, double *z, double *deviation) {
  const unsigned bits = f->format == PI_Q8_0 ? 8 : f->format == PI_Q6_K ? 6
                        : f->format == PI_Q5_0 || f->format == PI_Q5_1 || f->format == PI_Q5_K ? 5 : 4;
  const int step = 1 << (bits - 2);
  double squares = 0;
  *z = 0;
  for (size_t c = 0; c < columns; c++) {
    pi_block block;
    pi_read_block(f->format, row, c / 32, columns / 32, &block);
    const double middle = block.codes[c % 32] / step * step + (step - 1) / 2.0, scale = block.scale[c % 32 / 16];
    *z += (scale * middle + block.bias[c % 32 / 16]) * x->codes[c] * x->scales[c / 32];
    squares += scale * scale * x->values[c] * x->values[c];
  }
  *deviation = sqrt(squares * (step * step - 1) / 12);
}

// Stripes say the same of every row, whichever others are asked for.
static void check_leading_stripes(const char *set, const pi_kernels *k, const format *f, split_rows s, size_t rows,
                                  const pi_leading_input *input, const float *expected) {
  char what[96];
  const size_t columns = s.view.columns;
  split_rows striped = striped_split(s, rows);
  float *z = allocate(rows * 4), *deviation = allocate(rows * 4), *part = allocate(rows * 4), *apart = allocate(rows * 4);
  k->multiply_leading(&striped.view, 0, rows, input, z, deviation);
  snprintf(what, sizeof what, "leading bits of %s %zux%zu in stripes", f->name, rows, columns);
  compare_from(set, what, z, expected, rows, 2e-5, 0.05);
  snprintf(what, sizeof what, "deviations of %s %zux%zu in stripes", f->name, rows, columns);
  compare_from(set, what, deviation, expected + rows, rows, 2e-6, 0);
  for (size_t r = 0; r < rows; r++) k->multiply_leading(&striped.view, r, r + 1, input, part + r, apart + r);
  snprintf(what, sizeof what, "leading bits of %s %zux%zu in stripes, row by row", f->name, rows, columns);
  expect(memcmp(part, z, rows * 4) == 0 && memcmp(apart, deviation, rows * 4) == 0, set, what);
  for (size_t begin = 0; begin < rows; begin += 7) {
    const size_t end = begin + 25 < rows ? begin + 25 : rows;
    k->multiply_leading(&striped.view, begin, end, input, part, apart);
    snprintf(what, sizeof what, "leading bits of %s %zux%zu in stripes, some rows", f->name, rows, columns);
    expect(memcmp(part, z + begin, (end - begin) * 4) == 0 && memcmp(apart, deviation + begin, (end - begin) * 4) == 0, set, what);
  }
  free(z);
  free(deviation);
  free(part);
  free(apart);
  free_split(striped);
}

static void check_leading_shape(const char *set, const pi_kernels *k, const format *f, size_t rows, size_t groups) {
  const pi_kernels *reference = pi_kernels_portable();
  const size_t columns = groups * f->elements, bytes = groups * f->bytes;
  if (f->elements == 1 || columns > 20000) return;
  char what[96];
  uint8_t *w = random_weights(f, rows, columns);
  check_splitting(k, f, w, rows, columns);
  split_rows s = split_matrix(f->format, w, rows, columns, bytes);
  float *values = random_floats(columns);
  tokens natural = make_tokens(reference, values, columns, 1, PI_BY_ROWS), x = make_tokens(k, values, columns, 1, PI_BY_ROWS);
  const size_t stride = x.view.block_stride;
  int8_t *codes = allocate((columns + 255) / 256 * 256);
  float *energies = allocate(3 * stride * 4);
  k->arrange_leading(x.codes, columns, codes);
  pi_block_energies(values, columns, energies, stride);
  const pi_leading_input input = {codes, x.scales, x.sums, energies, stride};
  float *z = allocate(rows * 4), *deviation = allocate(rows * 4), *expected = allocate(rows * 8);
  k->multiply_leading(&s.view, 0, rows, &input, z, deviation);
  for (size_t r = 0; r < rows; r++) {
    double a, b;
    exact_leading(f, w + r * bytes, columns, &natural, &a, &b);
    expected[r] = (float)a;
    expected[rows + r] = (float)b;
  }
  snprintf(what, sizeof what, "leading bits of %s %zux%zu", f->name, rows, columns);
  compare_from(set, what, z, expected, rows, 2e-5, 0.05);
  snprintf(what, sizeof what, "deviations of %s %zux%zu", f->name, rows, columns);
  compare_from(set, what, deviation, expected + rows, rows, 2e-6, 0);
  if (f->elements == 32 && (k->has_stripes || k == reference)) check_leading_stripes(set, k, f, s, rows, &input, expected);
  // The same bits however rows are divided.
  float *part = allocate(rows * 4), *apart = allocate(rows * 4);
  const size_t middle = rows * 2 / 3;
  k->multiply_leading(&s.view, 0, middle, &input, part, apart);
  k->multiply_leading(&s.view, middle, rows, &input, part + middle, apart + middle);
  snprintf(what, sizeof what, "leading bits of %s %zux%zu, divided", f->name, rows, columns);
  expect(memcmp(part, z, rows * 4) == 0 && memcmp(apart, deviation, rows * 4) == 0, set, what);
  free(part);
  free(apart);
  free(z);
  free(deviation);
  free(expected);
  free(codes);
  free(energies);
  free_tokens(natural);
  free_tokens(x);
  free(values);
  free_split(s);
  free(w);
}

static void check_leading(const char *set, const pi_kernels *k) {
  static const size_t shapes[][2] = {{1, 1}, {5, 3}, {9, 4}, {6, 7}, {23, 18}, {7, 33}, {33, 16}, {4, 40}, {3, 264}};
  static const size_t more[][2] = {{5, 2}, {6, 13}, {3, 22}};
  for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
    for (size_t j = 0; j < sizeof shapes / sizeof *shapes; j++) {
      check_leading_shape(set, k, &formats[i], shapes[j][0], shapes[j][1]);
    }
    // What follows goes on with the numbers that it had without these.
    const uint64_t before = state;
    for (size_t j = 0; j < sizeof more / sizeof *more; j++) check_leading_shape(set, k, &formats[i], more[j][0], more[j][1]);
    state = before;
  }
}
