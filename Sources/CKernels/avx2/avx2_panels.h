// The codes of panels in 256-bit vectors: a lane is a row, its four bytes four columns.

typedef __m256i panel_dot;

enum {
  PANEL_GROUPS = 2,
  PANEL_TOKENS = 4,
  PANEL_FROM_TOKENS = 4,
  PANEL_CODE_BYTES = PI_LANES * PI_BLOCK * (SPLITS_BYTES ? 2 : 1),
};

// Formats whose tiles are the same code: the number of bits is what matters, the biases are taken as minima.
PI_INLINE uint32_t panel_kind(uint32_t format) {
  switch (pi_base(format)) {
    case PI_Q4_0: case PI_Q4_K: return PI_Q4_1;
    case PI_Q5_0: case PI_Q5_K: return PI_Q5_1;
    default: return pi_base(format);
  }
}

// All codes are unsigned.
PI_INLINE float panel_offset(uint32_t format) { return is_q8_0(format) ? 128 : offset_of(format); }

PI_INLINE bool panel_has_bias(uint32_t kind) {
  (void)kind;  // minima or offsets
  return true;
}

PI_INLINE bool has_fifth_bits(uint32_t format) { return pi_base(format) == PI_Q5_0 || pi_base(format) == PI_Q5_1; }

PI_INLINE size_t panel_code_bytes(uint32_t kind) {
  return PI_LANES * PI_BLOCK * (SPLITS_BYTES && kind == PI_Q8_0 ? 2 : 1);
}

// Writes a block of eight rows: bytes[s] has the bytes of step s and of step s + 4, a nibble each, `fifth` every row's word of fifth
// bits, where the format has these.
PI_INLINE void store_nibbles(uint32_t format, const __m256i *bytes, __m256i fifth, uint8_t *out) {
  const __m256i nibble = _mm256_set1_epi8(15);
  PI_UNROLL
  for (size_t s = 0; s < 8; s++) {
    __m256i v = _mm256_and_si256(s < 4 ? bytes[s] : _mm256_srli_epi16(bytes[s - 4], 4), nibble);
    if (has_fifth_bits(format)) {
      // Byte s / 2 of a row's word has the step's four bits.
      const __m256i spread = _mm256_shuffle_epi8(
          fifth, _mm256_add_epi8(_mm256_setr_epi32(0, 0x04040404, 0x08080808, 0x0c0c0c0c, 0, 0x04040404, 0x08080808,
                                                   0x0c0c0c0c),
                                 _mm256_set1_epi8((char)(s / 2))));
      const __m256i bit = _mm256_set1_epi32(s % 2 == 0 ? 0x08040201 : (int)0x80402010);
      v = _mm256_or_si256(v, _mm256_and_si256(_mm256_cmpeq_epi8(_mm256_and_si256(spread, bit), bit),
                                              _mm256_set1_epi8(16)));
    }
    _mm256_store_si256((__m256i *)(out + s * 32), v);
  }
}

// The same of bytes that are a code each, step after step.
PI_INLINE void store_codes(uint32_t format, const __m256i *bytes, uint8_t *out) {
  const __m256i nibble = _mm256_set1_epi8(15);
  PI_UNROLL
  for (size_t s = 0; s < 8; s++) {
    __m256i v = bytes[s];
    if (is_q8_0(format)) v = _mm256_xor_si256(v, _mm256_set1_epi8((char)0x80));
    if (SPLITS_BYTES && is_q8_0(format)) {
      _mm256_store_si256((__m256i *)(out + (8 + s) * 32), _mm256_and_si256(_mm256_srli_epi16(v, 4), nibble));
      v = _mm256_and_si256(v, nibble);
    }
    _mm256_store_si256((__m256i *)(out + s * 32), v);
  }
}

// Formats with 16 bytes of nibbles: these change places before they are taken apart.
PI_INLINE void write_panel_nibbles(uint32_t format, const uint8_t *const *rows, size_t b, size_t all, uint8_t *out) {
  const pi_parts parts = pi_parts_of(format, all);
  const size_t at = parts.codes + b * parts.code_step;
  __m256i half[4], pair[4], four[4];
  PI_UNROLL
  for (size_t i = 0; i < 4; i++) {
    half[i] = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)(rows[i] + at))),
                                      _mm_loadu_si128((const __m128i *)(rows[i + 4] + at)), 1);
  }
  PI_UNROLL
  for (size_t i = 0; i < 4; i += 2) {
    pair[i] = _mm256_unpacklo_epi32(half[i], half[i + 1]);
    pair[i + 1] = _mm256_unpackhi_epi32(half[i], half[i + 1]);
  }
  four[0] = _mm256_unpacklo_epi64(pair[0], pair[2]);
  four[1] = _mm256_unpackhi_epi64(pair[0], pair[2]);
  four[2] = _mm256_unpacklo_epi64(pair[1], pair[3]);
  four[3] = _mm256_unpackhi_epi64(pair[1], pair[3]);
  __m256i fifth = _mm256_setzero_si256();
  if (has_fifth_bits(format)) {
    int32_t words[8];
    PI_UNROLL
    for (size_t i = 0; i < 8; i++) {
      words[i] = (int32_t)pi_load_u32(rows[i] + parts.fifth + b * parts.fifth_step);
    }
    fifth = _mm256_loadu_si256((const __m256i *)words);
  }
  store_nibbles(format, four, fifth, out);
}

// Block `b` of eight rows: lane i of vector s is bytes 4 * s ... 4 * s + 3 of row i.
PI_INLINE void write_panel_codes(uint32_t format, const uint8_t *const *rows, size_t b, size_t all, uint8_t *out) {
  if (pi_block_elements(format) == PI_BLOCK && !is_q8_0(format)) {
    write_panel_nibbles(format, rows, b, all, out);
    return;
  }
  __m256i r[8], pair[8], four[8], step[8];
  PI_UNROLL
  for (size_t i = 0; i < 8; i++) r[i] = read_codes(format, rows[i], b, all);
  PI_UNROLL
  for (size_t i = 0; i < 8; i += 2) {
    pair[i] = _mm256_unpacklo_epi32(r[i], r[i + 1]);
    pair[i + 1] = _mm256_unpackhi_epi32(r[i], r[i + 1]);
  }
  PI_UNROLL
  for (size_t i = 0; i < 8; i += 4) {
    four[i] = _mm256_unpacklo_epi64(pair[i], pair[i + 2]);
    four[i + 1] = _mm256_unpackhi_epi64(pair[i], pair[i + 2]);
    four[i + 2] = _mm256_unpacklo_epi64(pair[i + 1], pair[i + 3]);
    four[i + 3] = _mm256_unpackhi_epi64(pair[i + 1], pair[i + 3]);
  }
  PI_UNROLL
  for (size_t i = 0; i < 4; i++) {
    step[i] = _mm256_permute2x128_si256(four[i], four[i + 4], 0x20);
    step[i + 4] = _mm256_permute2x128_si256(four[i], four[i + 4], 0x31);
  }
  store_codes(format, step, out);
}
