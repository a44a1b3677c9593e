// Selection of entries by their values, four at a time: a table moves the lanes that stay to the front.

#include "shared/keep.h"

PI_INLINE unsigned kept_lanes(uint32_t rule, __m128 v, __m128 threshold) {
  switch (rule) {
    case PI_KEEP_FROM: return (unsigned)_mm_movemask_ps(_mm_cmp_ps(v, threshold, _CMP_NLT_UQ));
    case PI_KEEP_ABOVE: return (unsigned)_mm_movemask_ps(_mm_cmp_ps(v, threshold, _CMP_NLE_UQ));
    default: return (unsigned)_mm_movemask_ps(_mm_cmp_ps(_mm_andnot_ps(_mm_set1_ps(-0.0f), v), threshold, _CMP_NLT_UQ));
  }
}

PI_INLINE size_t select_by(uint32_t rule, const float *values, const uint32_t *list, uint32_t first, size_t count,
                           float threshold, uint32_t *kept, float *kept_values) {
  static const int32_t front[16][4] = {
      {0, 0, 0, 0}, {0, 0, 0, 0}, {1, 0, 0, 0}, {0, 1, 0, 0}, {2, 0, 0, 0}, {0, 2, 0, 0}, {1, 2, 0, 0}, {0, 1, 2, 0},
      {3, 0, 0, 0}, {0, 3, 0, 0}, {1, 3, 0, 0}, {0, 1, 3, 0}, {2, 3, 0, 0}, {0, 2, 3, 0}, {1, 2, 3, 0}, {0, 1, 2, 3}};
  const __m128 limit = _mm_set1_ps(threshold);
  __m128i numbers = _mm_add_epi32(_mm_setr_epi32(0, 1, 2, 3), _mm_set1_epi32((int)first));
  size_t i = 0, n = 0;
  for (; i + 4 <= count; i += 4) {
    const __m128 v = _mm_loadu_ps(values + i);
    if (list) numbers = _mm_loadu_si128((const __m128i *)(list + i));
    const unsigned lanes = kept_lanes(rule, v, limit);
    const __m128i order = _mm_loadu_si128((const __m128i *)front[lanes]);
    // All four lanes: no further than what was read.
    _mm_storeu_ps((float *)(void *)(kept + n), _mm_permutevar_ps(_mm_castsi128_ps(numbers), order));
    if (kept_values) _mm_storeu_ps(kept_values + n, _mm_permutevar_ps(v, order));
    n += (size_t)__builtin_popcount(lanes);
    numbers = _mm_add_epi32(numbers, _mm_set1_epi32(4));
  }
  return select_rest(values, list, first, i, count, rule, threshold, kept, kept_values, n);
}

static size_t PI_NAME(select)(const float *values, const uint32_t *list, uint32_t first, size_t count, uint32_t rule,
                              float threshold, uint32_t *kept, float *kept_values) {
  switch (rule) {
    case PI_KEEP_FROM: return select_by(PI_KEEP_FROM, values, list, first, count, threshold, kept, kept_values);
    case PI_KEEP_ABOVE: return select_by(PI_KEEP_ABOVE, values, list, first, count, threshold, kept, kept_values);
    case PI_KEEP_MAGNITUDE: return select_by(PI_KEEP_MAGNITUDE, values, list, first, count, threshold, kept, kept_values);
    default: return 0;
  }
}
