// Selection of entries by their values. Lanes are packed in registers: packing into memory is slow on some processors.

PI_INLINE __mmask16 kept_lanes(uint32_t rule, __m512 v, __m512 threshold) {
  switch (rule) {
    case PI_KEEP_FROM: return _mm512_cmp_ps_mask(v, threshold, _CMP_NLT_UQ);
    case PI_KEEP_ABOVE: return _mm512_cmp_ps_mask(v, threshold, _CMP_NLE_UQ);
    default: return _mm512_cmp_ps_mask(_mm512_abs_ps(v), threshold, _CMP_NLT_UQ);
  }
}

PI_INLINE size_t select_by(uint32_t rule, const float *values, const uint32_t *list, uint32_t first, size_t count,
                           float threshold, uint32_t *kept, float *kept_values) {
  const __m512 limit = _mm512_set1_ps(threshold);
  __m512i numbers = _mm512_add_epi32(_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
                                     _mm512_set1_epi32((int)first));
  size_t n = 0;
  for (size_t i = 0; i < count; i += 16) {
    const __mmask16 present = count - i < 16 ? (__mmask16)((1u << (count - i)) - 1) : 0xffff;
    const __m512 v = _mm512_maskz_loadu_ps(present, values + i);
    if (list) numbers = _mm512_maskz_loadu_epi32(present, list + i);
    const __mmask16 lanes = present & kept_lanes(rule, v, limit);
    // No further than what was read.
    _mm512_mask_storeu_epi32(kept + n, present, _mm512_maskz_compress_epi32(lanes, numbers));
    if (kept_values) _mm512_mask_storeu_ps(kept_values + n, present, _mm512_maskz_compress_ps(lanes, v));
    n += (size_t)__builtin_popcount(lanes);
    numbers = _mm512_add_epi32(numbers, _mm512_set1_epi32(16));
  }
  return n;
}

static size_t avx512_select(const float *values, const uint32_t *list, uint32_t first, size_t count, uint32_t rule,
                            float threshold, uint32_t *kept, float *kept_values) {
  switch (rule) {
    case PI_KEEP_FROM: return select_by(PI_KEEP_FROM, values, list, first, count, threshold, kept, kept_values);
    case PI_KEEP_ABOVE: return select_by(PI_KEEP_ABOVE, values, list, first, count, threshold, kept, kept_values);
    case PI_KEEP_MAGNITUDE: return select_by(PI_KEEP_MAGNITUDE, values, list, first, count, threshold, kept, kept_values);
    default: return 0;
  }
}
