// The key/value cache of one head: how its two formats are written and read. Included once per instruction set, after plain.h;
// beside what plain.h asks for, the including file defines half_at(p), the f16 at p.
//
// Of each page, values lie position after position, each a row of the format. Keys lie in blocks of PI_KEY_BLOCK positions, columns
// outside, positions inside, so that a vector holds the same column of neighbouring positions and a score needs no sum over
// lanes:
//   F16   [block][column][position]
//   Q8_0  [block][32 columns]{f16 scale [position], codes [group of 4 columns][position][4]}

typedef int8_t vb __attribute__((vector_size(PI_LANES)));

enum { KEY_BLOCK = PI_KEY_BLOCK };

PI_INLINE size_t row_bytes(uint32_t format, size_t columns) {
  return columns / pi_block_elements(format) * pi_block_bytes(format);
}

// The 8-bit form of 32 floats: codes rounded to nearest; returns the scale. Plain loops that the compiler turns into vectors.
PI_INLINE float quantize_block(const float *x, int8_t *codes) {
  // Magnitudes compare as their bits do, and NaN is the largest, so that it reaches the scale.
  uint32_t most_bits = 0;
  for (size_t j = 0; j < PI_BLOCK; j++) {
    const uint32_t bits = pi_bits_from_float(x[j]) & 0x7fffffff;
    most_bits = bits > most_bits ? bits : most_bits;
  }
  const float most = pi_float_from_bits(most_bits);
  // A block of denormals would have an infinite inverse; it rounds to zero instead.
  const float inverse = most >= 0x1p-100f && most < INFINITY ? 127 / most : 0;
  for (size_t j = 0; j < PI_BLOCK; j++) {
    const float product = x[j] * inverse;
    const float rounded = product + 12582912.0f;
    const int32_t code = (int32_t)pi_bits_from_float(rounded) - 0x4b400000;
    codes[j] = code > 127 || code < -127 ? 0 : (int8_t)code;
  }
  return most / 127;
}

// The keys, or values, of the page that holds a position.
PI_INLINE uint8_t *page_keys(const pi_cache_head *head, size_t position) {
  return head->pages[position / PI_ATTENTION_TILE] + head->key_offset;
}

PI_INLINE uint8_t *page_values(const pi_cache_head *head, size_t position) {
  return head->pages[position / PI_ATTENTION_TILE] + head->value_offset;
}

static void PI_NAME(store_key)(const pi_cache_head *head, size_t position, const float *x) {
  const size_t columns = head->head_size, lane = position % KEY_BLOCK, before = position % PI_ATTENTION_TILE - lane;
  uint8_t *block = page_keys(head, position) + before * row_bytes(head->key_format, columns);
  if (head->key_format == PI_F16) {
    uint16_t *p = (uint16_t *)(void *)block + lane;
    for (size_t c = 0; c < columns; c += PI_LANES) {
      const size_t count = columns - c < PI_LANES ? columns - c : PI_LANES;
      uint16_t part[PI_LANES];
      store_f16(part, count == PI_LANES ? load(x + c) : load_part(x + c, count, 0));
      for (size_t i = 0; i < count; i++) p[(c + i) * KEY_BLOCK] = part[i];
    }
    return;
  }
  for (size_t b = 0; b < columns / PI_BLOCK; b++, block += KEY_BLOCK * PI_Q8_0_BYTES) {
    int8_t codes[PI_BLOCK];
    const uint16_t scale = pi_to_f16(quantize_block(x + b * PI_BLOCK, codes));
    memcpy(block + lane * 2, &scale, 2);
    uint8_t *p = block + KEY_BLOCK * 2 + lane * 4;
    for (size_t j = 0; j < PI_BLOCK / 4; j++) memcpy(p + j * KEY_BLOCK * 4, codes + j * 4, 4);
  }
}

static void PI_NAME(store_value)(const pi_cache_head *head, size_t position, const float *x) {
  const size_t columns = head->head_size;
  uint8_t *row = page_values(head, position) + position % PI_ATTENTION_TILE * row_bytes(head->value_format, columns);
  if (head->value_format == PI_F16) {
    PI_NAME(store_f16)(x, columns, (uint16_t *)(void *)row);
    return;
  }
  for (size_t b = 0; b < columns / PI_BLOCK; b++, row += PI_Q8_0_BYTES) {
    int8_t codes[PI_BLOCK];
    const uint16_t scale = pi_to_f16(quantize_block(x + b * PI_BLOCK, codes));
    memcpy(row, &scale, 2);
    memcpy(row + 2, codes, PI_BLOCK);
  }
}

// Columns c... of one row of values; F32 stands for a tile made by value_floats. Exact: a code times its scale has 19 bits.
PI_INLINE vf value_at(uint32_t format, const uint8_t *row, size_t c) {
  if (format == PI_F32) return load((const float *)(const void *)row + c);
  if (format == PI_F16) return load_f16((const uint16_t *)(const void *)row + c);
  const uint8_t *block = row + c / PI_BLOCK * PI_Q8_0_BYTES;
  vb codes;
  memcpy(&codes, block + 2 + c % PI_BLOCK, sizeof codes);
  return __builtin_convertvector(codes, vf) * splat(half_at(block));
}

// `positions` rows of values as floats, each filled up with zeros to `padded` columns.
PI_INLINE void value_floats(uint32_t format, const uint8_t *values, size_t positions, size_t columns, size_t padded,
                            float *out) {
  const size_t bytes = row_bytes(format, columns);
  for (size_t p = 0; p < positions; p++, values += bytes, out += padded) {
    size_t c = 0;
    for (; c + PI_LANES <= columns; c += PI_LANES) store(out + c, value_at(format, values, c));
    if (c < columns) {  // only F16 has rows of any length
      uint16_t part[PI_LANES] = {0};
      memcpy(part, values + 2 * c, (columns - c) * 2);
      store(out + c, load_f16(part));
      c += PI_LANES;
    }
    for (; c < padded; c += PI_LANES) store(out + c, (vf){0});
  }
}

// Whole blocks of F16 keys as floats, in the same order.
PI_INLINE void key_floats(const uint8_t *keys, size_t count, float *out) {
  for (size_t i = 0; i < count; i += PI_LANES) store(out + i, load_f16((const uint16_t *)(const void *)keys + i));
}
