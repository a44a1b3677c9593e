// Scores of a register tile: some queries with some vectors of neighbouring positions, over F16, float or Q8_0 keys. What the
// including file defines, attention.h says.

// Calls `call` with `count` as a constant, so that each copy unrolls into registers.
#define WITH_CONSTANT(count, call) \
  switch (count) {                 \
    case 1: call(1); break;        \
    case 2: call(2); break;        \
    case 3: call(3); break;        \
    case 4: call(4); break;        \
    case 5: call(5); break;        \
    default: call(6); break;       \
  }

enum { LINE = 64 };

// What is read soon, into the second cache.
PI_INLINE void ask_line(const uint8_t *p, size_t ahead) {
  __builtin_prefetch((const uint8_t *)((uintptr_t)p + ahead), 0, 2);
}

// Products of `count` queries with `vectors` vectors (both constant) of keys from `position` of a tile on, F16 or already
// floats. Of keys in F16 those `ahead` bytes further are prefetched, line by line, unless that is 0.
PI_INLINE void score_floats(uint32_t format, const float *queries, size_t count, size_t head_size, const uint8_t *keys,
                            size_t ahead, size_t position, size_t vectors, float *scores) {
  // Two columns of F16 keys fill a line; their head size is even.
  const size_t step = format == PI_F16 ? 2 : 1, column_bytes = KEY_BLOCK * (format == PI_F16 ? 2 : 4);
  const uint8_t *from[TILE_VECTORS];
  vf sum[TILE_QUERIES][TILE_VECTORS];
  PI_UNROLL
  for (size_t v = 0; v < vectors; v++) {
    const size_t p = position + v * PI_LANES;
    from[v] = keys + p / KEY_BLOCK * head_size * column_bytes + p % KEY_BLOCK * column_bytes / KEY_BLOCK;
    // Keeps the compiler from deriving one pointer from another, which takes more registers than there are.
    __asm__("" : "+r"(from[v]));
  }
  PI_UNROLL
  for (size_t g = 0; g < count; g++)
    PI_UNROLL
    for (size_t v = 0; v < vectors; v++) sum[g][v] = (vf){0};
  for (size_t c = 0; c < head_size; c += step) {
    if (format == PI_F16 && ahead != 0) {
      // Vectors of the same block share its lines.
      PI_UNROLL
      for (size_t v = 0; v < vectors; v++) {
        if (v * PI_LANES % KEY_BLOCK == 0) ask_line(from[v], ahead);
      }
    }
    PI_UNROLL
    for (size_t i = 0; i < step; i++) {
      vf key[TILE_VECTORS];
      PI_UNROLL
      for (size_t v = 0; v < vectors; v++) {
        const uint8_t *at = from[v] + i * column_bytes;
        key[v] = format == PI_F32 ? load((const float *)(const void *)at) : (vf)load_f16((const uint16_t *)(const void *)at);
      }
      PI_UNROLL
      for (size_t g = 0; g < count; g++) {
        const vf q = splat(queries[g * head_size + c + i]);
        PI_UNROLL
        for (size_t v = 0; v < vectors; v++) sum[g][v] += q * key[v];
      }
    }
    PI_UNROLL
    for (size_t v = 0; v < vectors; v++) from[v] += step * column_bytes;
  }
  PI_UNROLL
  for (size_t g = 0; g < count; g++)
    PI_UNROLL
    for (size_t v = 0; v < vectors; v++) store(scores + g * TILE + position + v * PI_LANES, sum[g][v]);
}

// Integer accumulators take registers beside the sums, so tiles of codes are half as wide.
enum { CODE_VECTORS = TILE_VECTORS / 2 };

// The 8-bit form of queries: `codes` [queries, head size]; `scales`, and `starts`, which take KEY_OFFSET back,
// [queries, head size / 32].
typedef struct {
  int8_t *codes;
  float *scales;
  int32_t *starts;
} query_codes;

PI_INLINE void quantize_queries(const float *queries, size_t count, size_t head_size, query_codes out) {
  for (size_t b = 0; b < count * (head_size / PI_BLOCK); b++) {
    int8_t *codes = out.codes + b * PI_BLOCK;
    out.scales[b] = quantize_block(queries + b * PI_BLOCK, codes);
    int32_t sum = 0;
    for (size_t j = 0; j < PI_BLOCK; j++) sum += codes[j];
    out.starts[b] = -KEY_OFFSET * sum;
  }
}

// The same for Q8_0 keys and CODE_VECTORS vectors.
PI_INLINE void score_codes(query_codes queries, size_t first, size_t count, size_t head_size, const uint8_t *keys,
                           size_t ahead, size_t position, float *scores) {
  const size_t blocks = head_size / PI_BLOCK;
  vf sum[TILE_QUERIES][CODE_VECTORS];
  PI_UNROLL
  for (size_t g = 0; g < count; g++)
    PI_UNROLL
    for (size_t v = 0; v < CODE_VECTORS; v++) sum[g][v] = (vf){0};
  for (size_t b = 0; b < blocks; b++) {
    const uint8_t *part[CODE_VECTORS];
    vf scale[CODE_VECTORS];
    vi dot[TILE_QUERIES][CODE_VECTORS];
    PI_UNROLL
    for (size_t v = 0; v < CODE_VECTORS; v++) {
      const size_t p = position + v * PI_LANES, block = p / KEY_BLOCK, lane = p % KEY_BLOCK;
      const uint8_t *from = keys + (block * blocks + b) * KEY_BLOCK * PI_Q8_0_BYTES;
      scale[v] = load_f16((const uint16_t *)(const void *)from + lane);
      part[v] = from + KEY_BLOCK * 2 + lane * 4;
      // Vectors of the same block share its lines.
      if (ahead != 0 && lane == 0) ask_line(from, ahead);
    }
    PI_UNROLL
    for (size_t g = 0; g < count; g++)
      PI_UNROLL
      for (size_t v = 0; v < CODE_VECTORS; v++) dot[g][v] = (vi){0} + queries.starts[(first + g) * blocks + b];
    for (size_t j = 0; j < PI_BLOCK / 4; j++) {
      key_codes key[CODE_VECTORS];
      PI_UNROLL
      for (size_t v = 0; v < CODE_VECTORS; v++) {
        key[v] = read_key_codes(part[v] + j * KEY_BLOCK * 4);
        if (ahead != 0 && (position + v * PI_LANES) % KEY_BLOCK == 0) ask_line(part[v] + j * KEY_BLOCK * 4, ahead);
      }
      PI_UNROLL
      for (size_t g = 0; g < count; g++) {
        int32_t query;
        memcpy(&query, queries.codes + (first + g) * head_size + b * PI_BLOCK + j * 4, 4);
        PI_UNROLL
        for (size_t v = 0; v < CODE_VECTORS; v++) dot[g][v] = dot_codes(dot[g][v], key[v], query);
      }
    }
    PI_UNROLL
    for (size_t g = 0; g < count; g++) {
      const vf factor = splat(queries.scales[(first + g) * blocks + b]);
      PI_UNROLL
      for (size_t v = 0; v < CODE_VECTORS; v++) {
        sum[g][v] += __builtin_convertvector(dot[g][v], vf) * (scale[v] * factor);
      }
    }
  }
  PI_UNROLL
  for (size_t g = 0; g < count; g++)
    PI_UNROLL
    for (size_t v = 0; v < CODE_VECTORS; v++) store(scores + g * TILE + position + v * PI_LANES, sum[g][v]);
}
