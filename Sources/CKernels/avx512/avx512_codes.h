// Weight blocks in registers, four blocks of 32 ("a quad") at a time.
//
// The codes of a quad fill two vectors: `low` holds elements 0...15 of each block, `high` 16...31. In both, 32-bit lane
// 4 * l + i holds elements 4 * l ... 4 * l + 3 of block i's half. So every 128-bit part holds one lane of each block, and four
// consecutive scales, broadcast to all four parts, meet the right lanes. Activations by rows are stored in this order.

typedef struct {
  __m512i low, high;
} quad;

// Lane 4 * l + i of the result is lane 4 * i + l.
PI_INLINE __m512i transposed(__m512i v) {
  return _mm512_permutexvar_epi32(_mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15), v);
}

PI_INLINE __m512i joined(const uint8_t *a, const uint8_t *b, const uint8_t *c, const uint8_t *d) {
  __m512i v = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)a));
  v = _mm512_mask_broadcast_i32x4(v, 0x00f0, _mm_loadu_si128((const __m128i *)b));
  v = _mm512_mask_broadcast_i32x4(v, 0x0f00, _mm_loadu_si128((const __m128i *)c));
  return _mm512_mask_broadcast_i32x4(v, 0xf000, _mm_loadu_si128((const __m128i *)d));
}

// Kept in registers where `v` was just read from memory: sixteen loads are faster than a gather.
PI_INLINE __m512i sixteen(const uint32_t *v) {
  return _mm512_setr_epi32((int)v[0], (int)v[1], (int)v[2], (int)v[3], (int)v[4], (int)v[5], (int)v[6], (int)v[7],
                           (int)v[8], (int)v[9], (int)v[10], (int)v[11], (int)v[12], (int)v[13], (int)v[14], (int)v[15]);
}

// The first (high: second) sixteen bits of each of four words, one after the other.
PI_INLINE uint64_t halves_of_words(const uint8_t *p, bool high) {
  uint64_t v[2];
  memcpy(v, p, sizeof v);
  const uint64_t half = high ? 0xffff0000ffff0000 : 0x0000ffff0000ffff;
  return _pext_u64(v[0], half) | _pext_u64(v[1], half) << 32;
}

// The same for a planar row, where the codes of four blocks are contiguous. Blocks that are not there read as zero.
PI_INLINE quad read_planar_quad(uint32_t format, const uint8_t *row, size_t b, size_t present, size_t all) {
  const pi_parts at = pi_parts_of(format, all);
  const uint8_t *p = row + at.codes + b * at.code_step;
  quad q;
  if (format == PI_Q8_0P) {
    const __m512i lanes = _mm512_setr_epi32(0, 8, 16, 24, 1, 9, 17, 25, 2, 10, 18, 26, 3, 11, 19, 27);
    const uint32_t kept = (1u << 4 * present) - 1;
    const __m512i first = _mm512_maskz_loadu_epi64((__mmask8)kept, p);
    const __m512i second = _mm512_maskz_loadu_epi64((__mmask8)(kept >> 8), p + 64);
    const __m512i flip = _mm512_set1_epi8((char)0x80);
    q.low = _mm512_xor_si512(_mm512_permutex2var_epi32(first, lanes, second), flip);
    q.high = _mm512_xor_si512(
        _mm512_permutex2var_epi32(first, _mm512_add_epi32(lanes, _mm512_set1_epi32(4)), second), flip);
    return q;
  }
  const __m512i nibble = _mm512_set1_epi8(15);
  const __m512i v = present == 4 ? _mm512_loadu_si512(p) : _mm512_maskz_loadu_epi32((__mmask16)((1u << 4 * present) - 1), p);
  if (format == PI_Q4_0P || format == PI_Q4_1P) {
    const __m512i t = transposed(v);
    q.low = _mm512_and_si512(t, nibble);
    q.high = _mm512_and_si512(_mm512_srli_epi16(t, 4), nibble);
    return q;
  }
  uint8_t words[16] = {0};
  const uint8_t *fifth = row + at.fifth + 4 * b;
  if (present < 4) {
    memcpy(words, fifth, 4 * present);
    fifth = words;
  }
  const __m512i sixteen = _mm512_set1_epi8(16);
  const __m512i l = _mm512_and_si512(v, nibble), h = _mm512_and_si512(_mm512_srli_epi16(v, 4), nibble);
  q.low = transposed(_mm512_mask_add_epi8(l, halves_of_words(fifth, false), l, sixteen));
  q.high = transposed(_mm512_mask_add_epi8(h, halves_of_words(fifth, true), h, sixteen));
  return q;
}

// Codes of the quad whose first block is `b` in a row of `all` blocks; `present` (1...4) blocks of it exist. In place of the
// others a present block is read again: their activations and scales are zero.
PI_INLINE quad read_quad(uint32_t format, const uint8_t *row, size_t b, size_t present, size_t all) {
  if (pi_is_planar(format)) return read_planar_quad(format, row, b, present, all);
  const __m512i nibble = _mm512_set1_epi8(15);
  const size_t i1 = present > 1 ? 1 : 0, i2 = present > 2 ? 2 : 0, i3 = present > 3 ? 3 : 0;
  quad q;
  switch (format) {
    case PI_Q4_0:
    case PI_Q4_1: {
      const size_t bytes = format == PI_Q4_0 ? PI_Q4_0_BYTES : PI_Q4_1_BYTES;
      const uint8_t *p = row + b * bytes + (bytes - 16);
      const __m512i v = transposed(joined(p, p + i1 * bytes, p + i2 * bytes, p + i3 * bytes));
      q.low = _mm512_and_si512(v, nibble);
      q.high = _mm512_and_si512(_mm512_srli_epi16(v, 4), nibble);
      return q;
    }
    case PI_Q5_0:
    case PI_Q5_1: {
      const size_t bytes = format == PI_Q5_0 ? PI_Q5_0_BYTES : PI_Q5_1_BYTES;
      const uint8_t *p = row + b * bytes + (bytes - 20);
      const __m512i v = joined(p + 4, p + 4 + i1 * bytes, p + 4 + i2 * bytes, p + 4 + i3 * bytes);
      const uint64_t f0 = pi_load_u32(p), f1 = pi_load_u32(p + i1 * bytes), f2 = pi_load_u32(p + i2 * bytes),
                     f3 = pi_load_u32(p + i3 * bytes);
      const uint64_t low = (f0 & 0xffff) | (f1 & 0xffff) << 16 | (f2 & 0xffff) << 32 | f3 << 48;
      const uint64_t high = f0 >> 16 | (f1 >> 16) << 16 | (f2 >> 16) << 32 | (f3 >> 16) << 48;
      const __m512i fifth = _mm512_set1_epi8(16);
      const __m512i l = _mm512_and_si512(v, nibble), h = _mm512_and_si512(_mm512_srli_epi16(v, 4), nibble);
      q.low = transposed(_mm512_mask_add_epi8(l, low, l, fifth));
      q.high = transposed(_mm512_mask_add_epi8(h, high, h, fifth));
      return q;
    }
    case PI_Q8_0: {
      const uint8_t *p = row + b * PI_Q8_0_BYTES + 2;
      const uint8_t *p1 = p + i1 * PI_Q8_0_BYTES, *p2 = p + i2 * PI_Q8_0_BYTES, *p3 = p + i3 * PI_Q8_0_BYTES;
      const __m512i flip = _mm512_set1_epi8((char)0x80);
      q.low = _mm512_xor_si512(transposed(joined(p, p1, p2, p3)), flip);
      q.high = _mm512_xor_si512(transposed(joined(p + 16, p1 + 16, p2 + 16, p3 + 16)), flip);
      return q;
    }
    case PI_Q4_K:
    case PI_Q5_K: {
      // 32 bytes hold two blocks, one in the low and one in the high nibbles: lanes come in pairs with shifts 0 and 4.
      const size_t bytes = format == PI_Q4_K ? PI_Q4_K_BYTES : PI_Q5_K_BYTES;
      const size_t second = b / 4 % 2;
      const uint8_t *p = row + b / 8 * bytes;
      const __m512i v = _mm512_loadu_si512(p + (bytes - 128) + second * 64);
      const __m512i shift = _mm512_set1_epi64((long long)4 << 32);
      const __m512i l = _mm512_permutexvar_epi32(
          _mm512_setr_epi32(0, 0, 8, 8, 1, 1, 9, 9, 2, 2, 10, 10, 3, 3, 11, 11), v);
      const __m512i h = _mm512_permutexvar_epi32(
          _mm512_setr_epi32(4, 4, 12, 12, 5, 5, 13, 13, 6, 6, 14, 14, 7, 7, 15, 15), v);
      q.low = _mm512_and_si512(_mm512_srlv_epi32(l, shift), nibble);
      q.high = _mm512_and_si512(_mm512_srlv_epi32(h, shift), nibble);
      if (format == PI_Q5_K) {
        // Bit j of byte e is the fifth bit of element e of block j.
        const __m512i bits = _mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)(p + 16)));
        const __m512i one = _mm512_set1_epi8(1);
        const __m512i by_block = _mm512_add_epi32(_mm512_broadcast_i32x4(_mm_setr_epi32(0, 1, 2, 3)),
                                                  _mm512_set1_epi32((int)second * 4));
        const __m512i bl = _mm512_permutexvar_epi32(
            _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3), bits);
        const __m512i bh = _mm512_permutexvar_epi32(
            _mm512_setr_epi32(4, 4, 4, 4, 5, 5, 5, 5, 6, 6, 6, 6, 7, 7, 7, 7), bits);
        q.low = _mm512_or_si512(
            q.low, _mm512_slli_epi16(_mm512_and_si512(_mm512_srlv_epi32(bl, by_block), one), 4));
        q.high = _mm512_or_si512(
            q.high, _mm512_slli_epi16(_mm512_and_si512(_mm512_srlv_epi32(bh, by_block), one), 4));
      }
      return q;
    }
    default: {  // Q6_K: blocks 0 and 2 of a quad share bytes (low and high nibbles), as 1 and 3 do; pairs of bits above
      const size_t half = b / 4 % 2;
      const uint8_t *p = row + b / 8 * PI_Q6_K_BYTES;
      const __m512i v = _mm512_loadu_si512(p + half * 64);
      const __m512i bits = _mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)(p + 128 + half * 32)));
      const __m512i shift = _mm512_broadcast_i32x4(_mm_setr_epi32(0, 0, 4, 4));
      const __m512i pair = _mm512_broadcast_i32x4(_mm_setr_epi32(0, 2, 4, 6));
      const __m512i three = _mm512_set1_epi8(3);
      const __m512i l = _mm512_permutexvar_epi32(
          _mm512_setr_epi32(0, 8, 0, 8, 1, 9, 1, 9, 2, 10, 2, 10, 3, 11, 3, 11), v);
      const __m512i h = _mm512_permutexvar_epi32(
          _mm512_setr_epi32(4, 12, 4, 12, 5, 13, 5, 13, 6, 14, 6, 14, 7, 15, 7, 15), v);
      const __m512i bl = _mm512_permutexvar_epi32(
          _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3), bits);
      const __m512i bh = _mm512_permutexvar_epi32(
          _mm512_setr_epi32(4, 4, 4, 4, 5, 5, 5, 5, 6, 6, 6, 6, 7, 7, 7, 7), bits);
      q.low = _mm512_or_si512(_mm512_and_si512(_mm512_srlv_epi32(l, shift), nibble),
                              _mm512_slli_epi16(_mm512_and_si512(_mm512_srlv_epi32(bl, pair), three), 4));
      q.high = _mm512_or_si512(_mm512_and_si512(_mm512_srlv_epi32(h, shift), nibble),
                               _mm512_slli_epi16(_mm512_and_si512(_mm512_srlv_epi32(bh, pair), three), 4));
      return q;
    }
  }
}

PI_INLINE size_t bytes_of_32(uint32_t format) {
  switch (pi_base(format)) {
    case PI_Q4_0: return PI_Q4_0_BYTES;
    case PI_Q4_1: return PI_Q4_1_BYTES;
    case PI_Q5_0: return PI_Q5_0_BYTES;
    case PI_Q5_1: return PI_Q5_1_BYTES;
    default: return PI_Q8_0_BYTES;
  }
}

// Bytes from one quad to the next; half a super-block on average.
PI_INLINE size_t quad_bytes(uint32_t format) {
  return pi_block_elements(format) == PI_SUPER ? pi_block_bytes(format) / 2 : 4 * bytes_of_32(format);
}

// What unsigned codes are above the signed ones they stand for; 0 where the format has minima.
PI_INLINE float offset_of(uint32_t format) {
  switch (pi_base(format)) {
    case PI_Q4_0: return 8;
    case PI_Q5_0: return 16;
    case PI_Q8_0: return 128;
    case PI_Q6_K: return 32;
    default: return 0;
  }
}

// Of formats with blocks of 32.
PI_INLINE bool has_minima(uint32_t format) { return pi_base(format) == PI_Q4_1 || pi_base(format) == PI_Q5_1; }

enum { CHUNK_BLOCKS = 256 };

// Scales of a stretch of blocks, zero past its end up to a multiple of 16. `more` are the minima (as a bias to add), or the
// scales of the second halves in Q6_K.
typedef struct {
  float scale[CHUNK_BLOCKS] __attribute__((aligned(64)));
  float more[CHUNK_BLOCKS] __attribute__((aligned(64)));
} scales;

// The eight blocks of a super-block.
PI_INLINE void super_scales(uint32_t format, const uint8_t *p, __m256 *scale, __m256 *more) {
  if (format == PI_Q6_K) {
    const __m512 s = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(p + 192))));
    const __m512 scaled = _mm512_mul_ps(s, _mm512_set1_ps(_cvtsh_ss(pi_load_u16(p + 208))));
    const __m512 sorted = _mm512_permutexvar_ps(
        _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15), scaled);
    *scale = _mm512_castps512_ps256(sorted);
    *more = _mm512_extractf32x8_ps(sorted, 1);
  } else {
    uint64_t s, m;
    pi_k_scales(p + 4, &s, &m);
    const __m256 codes = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_cvtsi64_si128((long long)s)));
    const __m256 minima = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_cvtsi64_si128((long long)m)));
    *scale = _mm256_mul_ps(codes, _mm256_set1_ps(_cvtsh_ss(pi_load_u16(p))));
    *more = _mm256_mul_ps(minima, _mm256_set1_ps(-_cvtsh_ss(pi_load_u16(p + 2))));
  }
}

// Scales of `blocks` (1...16) blocks of the format's own from `b` on, of at most four rows (a constant), zero past them. Nothing
// outside the blocks is touched: it would be a line that nobody asked for.
PI_INLINE void block_scales(uint32_t format, const uint8_t *const *row, size_t rows, size_t b, size_t blocks, __m512 *scale,
                            __m512 *more) {
  const bool minima = has_minima(format);
  const size_t bytes = bytes_of_32(format), step = format == PI_Q4_0 ? 8 : 4, size = minima ? 4 : 2;
  // A permutation picks the scales of four blocks or, in Q4_0, of eight out of two vectors of memory. The second follows the
  // first, or ends where the last block does.
  const size_t second = step * bytes < 128 ? step * bytes - 64 : 64;
  const __m512i index = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m512i lane = _mm512_and_si512(index, _mm512_set1_epi32((int)step - 1));
  __m512i at = _mm512_mullo_epi32(lane, _mm512_set1_epi32((int)bytes));
  const __mmask16 far = _mm512_cmpgt_epi32_mask(at, _mm512_set1_epi32((int)(64 - size)));
  at = _mm512_srli_epi32(_mm512_mask_sub_epi32(at, far, at, _mm512_set1_epi32((int)second - 64)), minima ? 2 : 1);
  const __m512i narrow = _mm512_castsi256_si512(_mm512_cvtepi32_epi16(at));
  __m512i all[4];  // sixteen f16, or pairs of them
  PI_UNROLL
  for (size_t r = 0; r < rows; r++) all[r] = _mm512_setzero_si512();
  size_t i = 0;
  for (; i + step <= blocks; i += step) {
    const uint32_t kept = ((1u << step) - 1) << i;
    PI_UNROLL
    for (size_t r = 0; r < rows; r++) {
      const uint8_t *p = row[r] + (b + i) * bytes;
      const __m512i v = _mm512_loadu_si512(p), w = _mm512_loadu_si512(p + second);
      all[r] = minima ? _mm512_mask_mov_epi32(all[r], (__mmask16)kept, _mm512_permutex2var_epi32(v, at, w))
                      : _mm512_mask_mov_epi16(all[r], kept, _mm512_permutex2var_epi16(v, narrow, w));
    }
  }
  // What remains is read one by one, of every row into one vector.
  for (; i < blocks; i += 4) {
    const size_t present = blocks - i < 4 ? blocks - i : 4;
    const size_t i1 = present > 1 ? bytes : 0, i2 = present > 2 ? 2 * bytes : 0, i3 = present > 3 ? 3 * bytes : 0;
    const uint32_t kept = ((1u << present) - 1) << i;
    uint32_t v[16] = {0};
    PI_UNROLL
    for (size_t r = 0; r < rows; r++) {
      const uint8_t *p = row[r] + (b + i) * bytes;
      v[4 * r] = pi_load_u32(p);
      v[4 * r + 1] = pi_load_u32(p + i1);
      v[4 * r + 2] = pi_load_u32(p + i2);
      v[4 * r + 3] = pi_load_u32(p + i3);
    }
    const __m512i rest = sixteen(v);
    PI_UNROLL
    for (size_t r = 0; r < rows; r++) {
      const __m512i own = _mm512_or_si512(_mm512_and_si512(index, _mm512_set1_epi32(3)), _mm512_set1_epi32(4 * (int)r));
      const __m512i part = _mm512_permutexvar_epi32(own, rest);
      all[r] = minima ? _mm512_mask_mov_epi32(all[r], (__mmask16)kept, part)
                      : _mm512_mask_mov_epi16(all[r], kept, _mm512_castsi256_si512(_mm512_cvtepi32_epi16(part)));
    }
  }
  PI_UNROLL
  for (size_t r = 0; r < rows; r++) {
    scale[r] = _mm512_cvtph_ps(minima ? _mm512_cvtepi32_epi16(all[r]) : _mm512_castsi512_si256(all[r]));
    more[r] = minima ? _mm512_cvtph_ps(_mm512_cvtepi32_epi16(_mm512_srli_epi32(all[r], 16))) : _mm512_setzero_ps();
  }
}

// The same for planar rows.
PI_INLINE void planar_scales(uint32_t format, const uint8_t *row, size_t b, size_t blocks, size_t all, __m512 *scale,
                             __m512 *more) {
  const uint8_t *p = row + 2 * b;
  if (blocks == 16) {
    *scale = _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
    *more = has_minima(format) ? _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(p + 2 * all))) : _mm512_setzero_ps();
    return;
  }
  const __mmask16 kept = (__mmask16)((1u << blocks) - 1);
  *scale = _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(kept, p));
  *more = has_minima(format) ? _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(kept, p + 2 * all)) : _mm512_setzero_ps();
}

// Scales of `blocks` (1...16) blocks of each row from `b` on, zero past them; at most four rows (a constant), each of `all`
// blocks.
PI_INLINE void scales_of_rows(uint32_t format, const uint8_t *const *row, size_t rows, size_t b, size_t blocks, size_t all,
                              __m512 *scale, __m512 *more) {
  if (pi_is_planar(format)) {
    PI_UNROLL
    for (size_t r = 0; r < rows; r++) planar_scales(format, row[r], b, blocks, all, &scale[r], &more[r]);
    return;
  }
  if (pi_block_elements(format) != PI_SUPER) {
    if (blocks == 16) {
      block_scales(format, row, rows, b, 16, scale, more);
    } else {
      block_scales(format, row, rows, b, blocks, scale, more);
    }
    return;
  }
  const size_t bytes = pi_block_bytes(format);
  PI_UNROLL
  for (size_t r = 0; r < rows; r++) {
    const uint8_t *p = row[r] + b / 8 * bytes;
    __m256 first[2], second[2] = {_mm256_setzero_ps(), _mm256_setzero_ps()};
    super_scales(format, p, &first[0], &first[1]);
    if (blocks > 8) super_scales(format, p + bytes, &second[0], &second[1]);
    scale[r] = _mm512_insertf32x8(_mm512_castps256_ps512(first[0]), second[0], 1);
    more[r] = _mm512_insertf32x8(_mm512_castps256_ps512(first[1]), second[1], 1);
  }
}

PI_INLINE void read_scales(uint32_t format, const uint8_t *row, size_t b, size_t blocks, size_t all, scales *out) {
  for (size_t i = 0; i < blocks; i += 16) {
    __m512 scale, more;
    scales_of_rows(format, &row, 1, b + i, blocks - i < 16 ? blocks - i : 16, all, &scale, &more);
    _mm512_store_ps(out->scale + i, scale);
    _mm512_store_ps(out->more + i, more);
  }
}

static void avx512_quantize_activations(const float *x, size_t columns, uint32_t order, int8_t *codes, size_t code_stride,
                                        float *scale, float *sums, size_t block_stride) {
  const size_t blocks = (columns + 127) / 128 * 4;
  const __m512i magnitude = _mm512_set1_epi32(0x7fffffff);
  for (size_t b = 0; b < blocks; b += 4) {
    int8_t natural[128] __attribute__((aligned(64)));
    float scale_of[4];
    for (size_t i = 0; i < 4; i++) {
      const size_t c = (b + i) * PI_BLOCK;
      const size_t left = c < columns ? columns - c : 0;
      const __mmask16 k0 = left >= 16 ? 0xffff : (__mmask16)((1u << left) - 1);
      const __mmask16 k1 = left >= 32 ? 0xffff : left <= 16 ? 0 : (__mmask16)((1u << (left - 16)) - 1);
      const __m512 x0 = _mm512_maskz_loadu_ps(k0, x + c), x1 = _mm512_maskz_loadu_ps(k1, x + c + 16);
      // Magnitudes compare as their bits do, and NaN is the largest, so that it reaches the scale.
      const __m512i m0 = _mm512_and_si512(_mm512_castps_si512(x0), magnitude);
      const __m512i m1 = _mm512_and_si512(_mm512_castps_si512(x1), magnitude);
      const float most = pi_float_from_bits(_mm512_reduce_max_epu32(_mm512_max_epu32(m0, m1)));
      scale_of[i] = most / 127;
      const __m512 inverse = _mm512_set1_ps(most >= 0x1p-100f && most < INFINITY ? 127 / most : 0);
      const __m512 p0 = _mm512_mul_ps(x0, inverse), p1 = _mm512_mul_ps(x1, inverse);
      const __m512i q0 = _mm512_maskz_cvtps_epi32(_mm512_cmp_ps_mask(p0, p0, _CMP_ORD_Q), p0);
      const __m512i q1 = _mm512_maskz_cvtps_epi32(_mm512_cmp_ps_mask(p1, p1, _CMP_ORD_Q), p1);
      _mm_store_si128((__m128i *)(natural + i * 32), _mm512_cvtsepi32_epi8(q0));
      _mm_store_si128((__m128i *)(natural + i * 32 + 16), _mm512_cvtsepi32_epi8(q1));
    }
    const __m512i first = _mm512_load_si512(natural), second = _mm512_load_si512(natural + 64);
    const __m512i lanes = _mm512_setr_epi32(0, 8, 16, 24, 1, 9, 17, 25, 2, 10, 18, 26, 3, 11, 19, 27);
    const __m512i low = _mm512_permutex2var_epi32(first, lanes, second);
    const __m512i high = _mm512_permutex2var_epi32(first, _mm512_add_epi32(lanes, _mm512_set1_epi32(4)), second);
    const bool by_rows = order != PI_BY_PANELS;
    // By panels the weights are the signed factor of vpdpbusd, so that codes must be the unsigned one.
    const __m512i flip = _mm512_set1_epi8((char)0x80);
    _mm512_storeu_si512(codes + b * PI_BLOCK, by_rows ? low : _mm512_xor_si512(first, flip));
    _mm512_storeu_si512(codes + b * PI_BLOCK + 64, by_rows ? high : _mm512_xor_si512(second, flip));
    // Sums per block: over the bytes of a lane, then over the four lanes of the block.
    const __m512i one = _mm512_set1_epi8(1), zero = _mm512_setzero_si512();
    const __m512i l = _mm512_dpbusd_epi32(zero, one, low), h = _mm512_dpbusd_epi32(zero, one, high);
    const __m256i l8 = _mm256_add_epi32(_mm512_castsi512_si256(l), _mm512_extracti32x8_epi32(l, 1));
    const __m256i h8 = _mm256_add_epi32(_mm512_castsi512_si256(h), _mm512_extracti32x8_epi32(h, 1));
    const __m128i l4 = _mm_add_epi32(_mm256_castsi256_si128(l8), _mm256_extracti128_si256(l8, 1));
    const __m128i h4 = _mm_add_epi32(_mm256_castsi256_si128(h8), _mm256_extracti128_si256(h8, 1));
    const __m128 s = _mm_loadu_ps(scale_of);
    _mm_storeu_ps(scale + b, s);
    _mm_storeu_ps(sums + b, _mm_mul_ps(s, _mm_cvtepi32_ps(_mm_add_epi32(l4, h4))));
    _mm_storeu_ps(sums + block_stride + b, _mm_mul_ps(s, _mm_cvtepi32_ps(l4)));
    _mm_storeu_ps(sums + 2 * block_stride + b, _mm_mul_ps(s, _mm_cvtepi32_ps(h4)));
  }
  for (size_t b = blocks; b < block_stride; b++) {
    scale[b] = 0;
    sums[b] = sums[block_stride + b] = sums[2 * block_stride + b] = 0;
  }
}
