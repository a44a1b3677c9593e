// Products of two matrices of floats, for training. The including file has included plain.h and defines
//   PRODUCT_ROWS      rows of a tile of the result; a multiple of 4
//   PRODUCT_VECTORS   vectors of PI_LANES columns of a tile
// A tile's sums live in registers; what it reads was copied into scratch first, in the order in which it is read.

enum {
  PRODUCT_COLUMNS = PRODUCT_VECTORS * PI_LANES,
  // What is copied at once: so that a panel of columns stays in the first-level cache and all of them in the second.
  DEPTH_STEP = PI_PRODUCT_DEPTH,
  ROW_STEP = PI_PRODUCT_ROWS,
  COLUMN_STEP = PI_PRODUCT_COLUMNS,
};

_Static_assert(PRODUCT_ROWS % 4 == 0 && ROW_STEP % PRODUCT_ROWS == 0 && COLUMN_STEP % PRODUCT_COLUMNS == 0,
               "whole tiles");

typedef float float4 __attribute__((vector_size(16)));

PI_INLINE float4 load_4(const float *p) {
  float4 v;
  memcpy(&v, p, sizeof v);
  return v;
}

PI_INLINE void store_4(float *p, float4 v) { memcpy(p, &v, sizeof v); }

// out[j * out_stride + i] = in[i * in_stride + j] for four by four.
PI_INLINE void transpose_4(const float *in, size_t in_stride, float *out, size_t out_stride) {
  const float4 a = load_4(in), b = load_4(in + in_stride), c = load_4(in + 2 * in_stride), d = load_4(in + 3 * in_stride);
  const float4 ab_low = __builtin_shufflevector(a, b, 0, 4, 1, 5), ab_high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
  const float4 cd_low = __builtin_shufflevector(c, d, 0, 4, 1, 5), cd_high = __builtin_shufflevector(c, d, 2, 6, 3, 7);
  store_4(out, __builtin_shufflevector(ab_low, cd_low, 0, 1, 4, 5));
  store_4(out + out_stride, __builtin_shufflevector(ab_low, cd_low, 2, 3, 6, 7));
  store_4(out + 2 * out_stride, __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5));
  store_4(out + 3 * out_stride, __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7));
}

// Panels of `width` outer indices: out[panel][k][width], filled up with 0. With `across`, outer indices are neighbours in
// memory; else those of the depth are.
PI_INLINE void copy_panels(const float *in, size_t stride, bool across, size_t outer, size_t depth, size_t width,
                           float *out) {
  for (size_t begin = 0; begin < outer; begin += width, out += depth * width) {
    const size_t count = outer - begin < width ? outer - begin : width;
    if (count < width) memset(out, 0, depth * width * sizeof *out);
    if (across) {
      for (size_t k = 0; k < depth; k++) memcpy(out + k * width, in + k * stride + begin, count * sizeof *out);
      continue;
    }
    const float *rows = in + begin * stride;
    size_t i = 0;
    for (; i + 4 <= count; i += 4) {
      size_t k = 0;
      for (; k + 4 <= depth; k += 4) transpose_4(rows + i * stride + k, stride, out + k * width + i, width);
      for (; k < depth; k++) {
        for (size_t j = i; j < i + 4; j++) out[k * width + j] = rows[j * stride + k];
      }
    }
    for (; i < count; i++) {
      for (size_t k = 0; k < depth; k++) out[k * width + i] = rows[i * stride + k];
    }
  }
}

// A tile of the result from a panel of rows and one of columns.
static __attribute__((noinline)) void product_tile(const float *a, const float *b, size_t depth, float *c, size_t stride,
                                                   size_t rows, size_t columns, bool adds) {
  vf sum[PRODUCT_ROWS][PRODUCT_VECTORS];
  PI_UNROLL
  for (size_t i = 0; i < PRODUCT_ROWS; i++) {
    PI_UNROLL
    for (size_t v = 0; v < PRODUCT_VECTORS; v++) sum[i][v] = (vf){0};
  }
  for (size_t k = 0; k < depth; k++, a += PRODUCT_ROWS, b += PRODUCT_COLUMNS) {
    vf column[PRODUCT_VECTORS];
    PI_UNROLL
    for (size_t v = 0; v < PRODUCT_VECTORS; v++) column[v] = load(b + v * PI_LANES);
    PI_UNROLL
    for (size_t i = 0; i < PRODUCT_ROWS; i++) {
      const vf row = splat(a[i]);
      PI_UNROLL
      for (size_t v = 0; v < PRODUCT_VECTORS; v++) sum[i][v] += row * column[v];
      // Left alone, the compiler reads the next rows first and spills sums.
      __asm__ volatile("" ::: "memory");
    }
  }
  if (rows == PRODUCT_ROWS && columns == PRODUCT_COLUMNS) {
    PI_UNROLL
    for (size_t i = 0; i < PRODUCT_ROWS; i++) {
      PI_UNROLL
      for (size_t v = 0; v < PRODUCT_VECTORS; v++) {
        float *p = c + i * stride + v * PI_LANES;
        store(p, adds ? load(p) + sum[i][v] : sum[i][v]);
      }
    }
    return;
  }
  float part[PRODUCT_ROWS * PRODUCT_COLUMNS];
  PI_UNROLL
  for (size_t i = 0; i < PRODUCT_ROWS; i++) {
    PI_UNROLL
    for (size_t v = 0; v < PRODUCT_VECTORS; v++) store(part + i * PRODUCT_COLUMNS + v * PI_LANES, sum[i][v]);
  }
  for (size_t i = 0; i < rows; i++) {
    for (size_t j = 0; j < columns; j++) {
      const float value = part[i * PRODUCT_COLUMNS + j];
      c[i * stride + j] = adds ? c[i * stride + j] + value : value;
    }
  }
}

static void PI_NAME(multiply_floats)(const pi_floats *a, const pi_floats *b, size_t rows, size_t columns, size_t depth,
                                     float *c, size_t stride, float *scratch) {
  float *a_panels = scratch, *b_panels = scratch + ROW_STEP * DEPTH_STEP;
  if (depth == 0) {
    for (size_t i = 0; i < rows; i++) memset(c + i * stride, 0, columns * sizeof *c);
  }
  for (size_t j = 0; j < columns; j += COLUMN_STEP) {
    const size_t width = columns - j < COLUMN_STEP ? columns - j : COLUMN_STEP;
    for (size_t k = 0; k < depth; k += DEPTH_STEP) {
      const size_t deep = depth - k < DEPTH_STEP ? depth - k : DEPTH_STEP;
      const float *from_b = b->is_turned ? b->data + j * b->stride + k : b->data + k * b->stride + j;
      copy_panels(from_b, b->stride, !b->is_turned, width, deep, PRODUCT_COLUMNS, b_panels);
      for (size_t i = 0; i < rows; i += ROW_STEP) {
        const size_t height = rows - i < ROW_STEP ? rows - i : ROW_STEP;
        const float *from_a = a->is_turned ? a->data + k * a->stride + i : a->data + i * a->stride + k;
        copy_panels(from_a, a->stride, a->is_turned, height, deep, PRODUCT_ROWS, a_panels);
        for (size_t jj = 0; jj < width; jj += PRODUCT_COLUMNS) {
          const size_t wide = width - jj < PRODUCT_COLUMNS ? width - jj : PRODUCT_COLUMNS;
          for (size_t ii = 0; ii < height; ii += PRODUCT_ROWS) {
            const size_t high = height - ii < PRODUCT_ROWS ? height - ii : PRODUCT_ROWS;
            product_tile(a_panels + ii * deep, b_panels + jj * deep, deep, c + (i + ii) * stride + j + jj, stride, high,
                         wide, k > 0);
          }
        }
      }
    }
  }
}
