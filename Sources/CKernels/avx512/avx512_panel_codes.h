// Blocks of 16 rows at once, decoded into scratch: a panel, whose lanes are rows. Products of a panel with a token need no sums
// over lanes, and what decoding costs is shared by all tokens.

enum { PANEL_ROWS = 16 };

// One block of 32 columns of 16 rows. Element e of row r is byte e % 4 of lane r of `codes[e / 4]`, signed. Q6_K has two
// scales in a block, one for each half of the columns.
typedef struct {
  __m512i codes[8];
  __m512i start[2];  // −128 × sum of codes, because tokens' codes are 128 too large: of the block, or of each half
  __m512 scale[2];
  __m512 minimum;  // as a bias to add
} panel_block;

// Formats differ by these in a product.
typedef enum {
  PANEL_SCALED,   // one scale
  PANEL_MINIMA,  // one scale, one minimum
  PANEL_HALVES,   // two scales
} panel_kind;

PI_INLINE panel_kind panel_kind_of(uint32_t format) {
  switch (pi_base(format)) {
    case PI_Q4_0:
    case PI_Q5_0:
    case PI_Q8_0: return PANEL_SCALED;
    case PI_Q6_K: return PANEL_HALVES;
    default: return PANEL_MINIMA;
  }
}

// What is asked for next while the present stretch is decoded and multiplied: lines of up to 32 rows.
typedef struct {
  const uint8_t *base;
  size_t row_bytes, rows, from, bytes;  // of every row: `bytes` bytes from byte `from` on
  size_t row, at;                       // the next line
} upcoming;

PI_INLINE void ask_for(upcoming *u, size_t lines) {
  for (; lines > 0 && u->row < u->rows; lines--) {
    _mm_prefetch((const char *)u->base + u->row * u->row_bytes + u->from + u->at, _MM_HINT_T1);
    u->at += 64;
    if (u->at >= u->bytes + 63) {
      u->at = 0;
      u->row++;
    }
  }
}

// How many lines to ask for in each of so many steps.
PI_INLINE size_t lines_of(const upcoming *u, size_t steps) {
  return steps == 0 ? 0 : ((u->rows - u->row) * (u->bytes / 64 + 2) - u->at / 64 + steps - 1) / steps;
}

// 16 bytes of each row as four vectors: out[j] holds the j-th 32 bits of every row.
PI_INLINE void read_sixteen(const uint8_t *const *rows, size_t at, __m512i *out) {
  __m512i v[4];
  PI_UNROLL
  for (size_t i = 0; i < 4; i++) v[i] = joined(rows[i] + at, rows[i + 4] + at, rows[i + 8] + at, rows[i + 12] + at);
  const __m512i a = _mm512_unpacklo_epi32(v[0], v[1]), b = _mm512_unpackhi_epi32(v[0], v[1]);
  const __m512i c = _mm512_unpacklo_epi32(v[2], v[3]), d = _mm512_unpackhi_epi32(v[2], v[3]);
  out[0] = _mm512_unpacklo_epi64(a, c);
  out[1] = _mm512_unpackhi_epi64(a, c);
  out[2] = _mm512_unpacklo_epi64(b, d);
  out[3] = _mm512_unpackhi_epi64(b, d);
}

// 32 bits of each row.
PI_INLINE __m512i read_four(const uint8_t *const *rows, size_t at) {
  uint32_t v[PANEL_ROWS];
  PI_UNROLL
  for (size_t i = 0; i < PANEL_ROWS; i++) v[i] = pi_load_u32(rows[i] + at);
  return sixteen(v);
}

// The same for a stripe, to which the first pointer points.
PI_INLINE void read_words(uint32_t format, const uint8_t *const *rows, size_t at, __m512i *out) {
  if (!pi_is_striped(format)) {
    read_sixteen(rows, at, out);
    return;
  }
  PI_UNROLL
  for (size_t i = 0; i < 4; i++) out[i] = _mm512_loadu_si512(rows[0] + PI_STRIPE * (at + 4 * i));
}

PI_INLINE __m512 low_f16(__m512i words) { return _mm512_cvtph_ps(_mm512_cvtepi32_epi16(words)); }
PI_INLINE __m512 high_f16(__m512i words) { return low_f16(_mm512_srli_epi32(words, 16)); }

PI_INLINE __m512i low_nibbles(__m512i v) { return _mm512_and_si512(v, _mm512_set1_epi8(15)); }
PI_INLINE __m512i high_nibbles(__m512i v) { return low_nibbles(_mm512_srli_epi16(v, 4)); }

// −128 × the sums of `count` vectors of codes.
PI_INLINE __m512i start_of(const __m512i *codes, size_t count) {
  __m512i sum = _mm512_setzero_si512();
  PI_UNROLL
  for (size_t i = 0; i < count; i++) sum = _mm512_dpbusd_epi32(sum, _mm512_set1_epi8((char)128), codes[i]);
  return _mm512_sub_epi32(_mm512_setzero_si512(), sum);
}

// The bytes of a block's codes, four bytes of every row in each vector: eight vectors in Q8_0, in the others four of nibbles.
PI_INLINE void read_code_words(uint32_t format, const uint8_t *const *rows, size_t b, size_t all, __m512i *out) {
  const pi_parts parts = pi_parts_of(format, all);
  const size_t at = parts.codes + b * parts.code_step;
  read_words(format, rows, at, out);
  if (pi_base(format) == PI_Q8_0) read_words(format, rows, at + 16, out + 4);
}

// Adds 16 to the codes whose fifth bit is set.
PI_INLINE void add_fifth_bits(uint32_t format, const uint8_t *const *rows, size_t b, size_t all, __m512i *codes) {
  const pi_parts parts = pi_parts_of(format, all);
  const size_t at = parts.fifth + b * parts.fifth_step;
  const __m512i bits = pi_is_striped(format) ? _mm512_loadu_si512(rows[0] + PI_STRIPE * at) : read_four(rows, at);
  PI_UNROLL
  for (size_t s = 0; s < 8; s++) {
    // Step s needs four bits, which lie in byte s / 2 of the word: one for each byte of the lane.
    const __m512i byte = _mm512_set1_epi32((int)(s / 2 * 0x01010101));
    const __m512i wanted = _mm512_set1_epi32(s % 2 == 0 ? 0x08040201 : (int)0x80402010);
    const __m512i lanes = _mm512_broadcast_i32x4(_mm_setr_epi32(0, 0x04040404, 0x08080808, 0x0c0c0c0c));
    const __mmask64 set = _mm512_test_epi8_mask(_mm512_shuffle_epi8(bits, _mm512_add_epi8(byte, lanes)), wanted);
    codes[s] = _mm512_mask_add_epi8(codes[s], set, codes[s], _mm512_set1_epi8(16));
  }
}

// The codes of a block of 32 of a format without super-blocks.
PI_INLINE void decode_block(uint32_t format, const uint8_t *const *rows, size_t b, size_t all, panel_block *out) {
  const uint32_t base = pi_base(format);
  __m512i codes[8], v[8];
  read_code_words(format, rows, b, all, v);
  if (base == PI_Q8_0) {
    PI_UNROLL
    for (size_t s = 0; s < 8; s++) codes[s] = v[s];
  } else {
    PI_UNROLL
    for (size_t s = 0; s < 4; s++) {
      codes[s] = low_nibbles(v[s]);
      codes[s + 4] = high_nibbles(v[s]);
    }
    if (base == PI_Q5_0 || base == PI_Q5_1) add_fifth_bits(format, rows, b, all, codes);
    const float offset = offset_of(format);
    PI_UNROLL
    for (size_t s = 0; s < 8 && offset != 0; s++) codes[s] = _mm512_sub_epi8(codes[s], _mm512_set1_epi8((char)offset));
  }
  out->start[0] = start_of(codes, 8);
  PI_UNROLL
  for (size_t s = 0; s < 8; s++) out->codes[s] = codes[s];
}

// A block's scales of the rows of a stripe of `all` blocks, and its minima.
PI_INLINE void stripe_scales(uint32_t format, const uint8_t *stripe, size_t b, size_t all, __m512 *scale, __m512 *minimum) {
  const uint8_t *p = stripe + PI_STRIPE * 2 * b;
  *scale = _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
  if (has_minima(format)) *minimum = _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(p + PI_STRIPE * 2 * all)));
}

enum { SCALED_BLOCKS = 8 };  // whose scales are read at once

// The scales and minima of up to SCALED_BLOCKS blocks, from `b` on, of sixteen rows of a format without super-blocks. Planar rows are always read
// as if there were so many blocks, which stays within the row: its codes lie behind its scales.
PI_INLINE void sixteen_scales(uint32_t format, const uint8_t *const *rows, size_t b, size_t blocks, size_t all, __m512 *scale,
                              __m512 *minimum) {
  if (pi_is_striped(format)) {
    for (size_t i = 0; i < blocks; i++) stripe_scales(format, rows[0], b + i, all, &scale[i], &minimum[i]);
    return;
  }
  if (!pi_is_planar(format)) {
    for (size_t i = 0; i < blocks; i++) {
      const __m512i words = read_four(rows, (b + i) * bytes_of_32(format));
      scale[i] = low_f16(words);
      if (has_minima(format)) minimum[i] = high_f16(words);
    }
    return;
  }
  __m512i words[SCALED_BLOCKS / 2];
  read_sixteen(rows, 2 * b, words);
  PI_UNROLL
  for (size_t i = 0; i < SCALED_BLOCKS / 2; i++) {
    scale[2 * i] = low_f16(words[i]);
    scale[2 * i + 1] = high_f16(words[i]);
  }
  if (!has_minima(format)) return;
  read_sixteen(rows, 2 * all + 2 * b, words);
  PI_UNROLL
  for (size_t i = 0; i < SCALED_BLOCKS / 2; i++) {
    minimum[2 * i] = low_f16(words[i]);
    minimum[2 * i + 1] = high_f16(words[i]);
  }
}

// Byte `j` of every lane, as it stands or with its sign.
PI_INLINE __m512 byte_floats(__m512i v, size_t j) {
  return _mm512_cvtepi32_ps(_mm512_and_si512(_mm512_srli_epi32(v, (unsigned)j * 8), _mm512_set1_epi32(255)));
}
PI_INLINE __m512 signed_byte_floats(__m512i v, size_t j) {
  return _mm512_cvtepi32_ps(_mm512_srai_epi32(_mm512_slli_epi32(v, 24 - (unsigned)j * 8), 24));
}

// The scales and minima of the eight blocks of a super-block of Q4_K or Q5_K, the latter as a bias to add.
PI_INLINE void q45_k_scales(const uint8_t *const *rows, size_t at, __m512 *scale, __m512 *minimum) {
  __m512i head[4];
  read_sixteen(rows, at, head);
  const __m512 d = low_f16(head[0]), m = _mm512_sub_ps(_mm512_setzero_ps(), high_f16(head[0]));
  // The 6-bit pairs of pi_k_scales, four blocks in a lane.
  const __m512i six = _mm512_set1_epi8(63), four = _mm512_set1_epi8(15), two = _mm512_set1_epi8(0x30);
  const __m512i scales[2] = {
      _mm512_and_si512(head[1], six),
      _mm512_or_si512(_mm512_and_si512(head[3], four), _mm512_and_si512(_mm512_srli_epi32(head[1], 2), two))};
  const __m512i minima[2] = {
      _mm512_and_si512(head[2], six),
      _mm512_or_si512(high_nibbles(head[3]), _mm512_and_si512(_mm512_srli_epi32(head[2], 2), two))};
  PI_UNROLL
  for (size_t i = 0; i < 8; i++) {
    scale[i] = _mm512_mul_ps(d, byte_floats(scales[i / 4], i % 4));
    minimum[i] = _mm512_mul_ps(m, byte_floats(minima[i / 4], i % 4));
  }
}

// 32 bytes of each row.
PI_INLINE void read_thirty_two(const uint8_t *const *rows, size_t at, __m512i *out) {
  read_sixteen(rows, at, out);
  read_sixteen(rows, at + 16, out + 4);
}

// The fifth bits of a super-block of Q5_K.
PI_INLINE void q5_k_fifth(uint32_t format, const uint8_t *const *rows, size_t at, __m512i *fifth) {
  if (format == PI_Q5_K) read_thirty_two(rows, at + 16, fifth);
}

// The codes of blocks 2 * pair and 2 * pair + 1 of a super-block of Q4_K or Q5_K: the low and the high nibbles of the same bytes.
PI_INLINE void q45_k_codes(uint32_t format, const uint8_t *const *rows, size_t at, size_t pair, const __m512i *fifth,
                           __m512i *even, __m512i *odd) {
  __m512i v[8];
  read_thirty_two(rows, at + (format == PI_Q4_K ? 16 : 48) + pair * 32, v);
  PI_UNROLL
  for (size_t s = 0; s < 8; s++) {
    even[s] = low_nibbles(v[s]);
    odd[s] = high_nibbles(v[s]);
    if (format == PI_Q5_K) {
      const __m512i sixteen = _mm512_set1_epi8(16);
      const __mmask64 in_even = _mm512_test_epi8_mask(fifth[s], _mm512_set1_epi8((char)(1 << (2 * pair))));
      const __mmask64 in_odd = _mm512_test_epi8_mask(fifth[s], _mm512_set1_epi8((char)(2 << (2 * pair))));
      even[s] = _mm512_mask_add_epi8(even[s], in_even, even[s], sixteen);
      odd[s] = _mm512_mask_add_epi8(odd[s], in_odd, odd[s], sixteen);
    }
  }
}

// The two scales of each of the eight blocks of a super-block of Q6_K: scale[2 * b] and scale[2 * b + 1].
PI_INLINE void q6_k_scales(const uint8_t *const *rows, size_t at, __m512 *scale) {
  __m512i codes[4];
  read_sixteen(rows, at + 192, codes);
  const __m512 d = high_f16(read_four(rows, at + 206));
  PI_UNROLL
  for (size_t i = 0; i < 16; i++) scale[i] = _mm512_mul_ps(d, signed_byte_floats(codes[i / 4], i % 4));
}

// The codes of blocks 4 * half + j and 4 * half + j + 2 of a super-block of Q6_K, 32 too large: they share bytes (low and high nibbles), and
// all four blocks of a half take pairs of bits of the same bytes.
PI_INLINE void q6_k_codes(const uint8_t *const *rows, size_t at, size_t half, size_t j, const __m512i *pairs, __m512i *first,
                          __m512i *second) {
  const __m512i three = _mm512_set1_epi8(3);
  __m512i v[8];
  read_thirty_two(rows, at + half * 64 + j * 32, v);
  PI_UNROLL
  for (size_t s = 0; s < 8; s++) {
    const __m512i p = _mm512_srli_epi16(pairs[s], 2 * (unsigned)j);
    const __m512i top = _mm512_slli_epi16(_mm512_and_si512(p, three), 4);
    first[s] = _mm512_or_si512(low_nibbles(v[s]), top);
    second[s] = _mm512_or_si512(high_nibbles(v[s]), _mm512_and_si512(p, _mm512_set1_epi8(0x30)));
  }
}

PI_INLINE void q6_k_pairs(const uint8_t *const *rows, size_t at, size_t half, __m512i *pairs) {
  read_thirty_two(rows, at + 128 + half * 32, pairs);
}

// The eight blocks of a super-block of Q4_K or Q5_K.
PI_INLINE void decode_q45_k(uint32_t format, const uint8_t *const *rows, size_t at, panel_block *out, size_t step) {
  __m512 scale[8], minimum[8];
  __m512i fifth[8];
  q45_k_scales(rows, at, scale, minimum);
  q5_k_fifth(format, rows, at, fifth);
  for (size_t pair = 0; pair < 4; pair++) {
    panel_block *even = out + 2 * pair * step, *odd = even + step;
    __m512i low[8], high[8];
    q45_k_codes(format, rows, at, pair, fifth, low, high);
    PI_UNROLL
    for (size_t s = 0; s < 8; s++) {
      even->codes[s] = low[s];
      odd->codes[s] = high[s];
    }
    even->start[0] = start_of(low, 8);
    odd->start[0] = start_of(high, 8);
  }
  for (size_t i = 0; i < 8; i++) {
    out[i * step].scale[0] = scale[i];
    out[i * step].minimum = minimum[i];
  }
}

PI_INLINE void decode_q6_k(const uint8_t *const *rows, size_t at, panel_block *out, size_t step) {
  const __m512i offset = _mm512_set1_epi8(32);
  __m512 scale[16];
  q6_k_scales(rows, at, scale);
  for (size_t half = 0; half < 2; half++) {
    __m512i pairs[8];
    q6_k_pairs(rows, at, half, pairs);
    for (size_t j = 0; j < 2; j++) {
      __m512i low[8], high[8];
      q6_k_codes(rows, at, half, j, pairs, low, high);
      panel_block *first = out + (half * 4 + j) * step, *second = first + 2 * step;
      PI_UNROLL
      for (size_t s = 0; s < 8; s++) {
        first->codes[s] = low[s] = _mm512_sub_epi8(low[s], offset);
        second->codes[s] = high[s] = _mm512_sub_epi8(high[s], offset);
      }
      PI_UNROLL
      for (size_t i = 0; i < 2; i++) {
        first->start[i] = start_of(low + 4 * i, 4);
        second->start[i] = start_of(high + 4 * i, 4);
      }
    }
  }
  for (size_t i = 0; i < 16; i++) out[i / 2 * step].scale[i % 2] = scale[i];
}

// `blocks` (at most 16) blocks from block `b` on of rows, or of the stripe at rows[0], of `all` blocks; all are multiples of 8
// in formats with super-blocks. One
// lies `step` entries after the other. While each is decoded, `lines` lines of what comes next are asked for.
PI_INLINE void decode_panel(uint32_t format, const uint8_t *const *rows, size_t b, size_t blocks, size_t all,
                            panel_block *out, size_t step, upcoming *next, size_t lines) {
  if (pi_block_elements(format) == PI_SUPER) {
    for (size_t i = 0; i < blocks; i += 8) {
      const size_t at = (b + i) / 8 * pi_block_bytes(format);
      ask_for(next, 8 * lines);
      if (format == PI_Q6_K) {
        decode_q6_k(rows, at, out + i * step, step);
      } else {
        decode_q45_k(format, rows, at, out + i * step, step);
      }
    }
    return;
  }
  for (size_t i = 0; i < blocks; i++) {
    ask_for(next, lines);
    decode_block(format, rows, b + i, all, out + i * step);
  }
  for (size_t i = 0; i < blocks; i += SCALED_BLOCKS) {
    const size_t count = blocks - i < SCALED_BLOCKS ? blocks - i : SCALED_BLOCKS;
    __m512 scale[SCALED_BLOCKS], minimum[SCALED_BLOCKS];
    sixteen_scales(format, rows, b + i, count, all, scale, minimum);
    for (size_t j = 0; j < count; j++) {
      out[(i + j) * step].scale[0] = scale[j];
      if (has_minima(format)) out[(i + j) * step].minimum = minimum[j];
    }
  }
}
