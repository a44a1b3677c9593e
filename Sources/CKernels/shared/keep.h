// Which entries a selection keeps. What is not a number always is.

PI_INLINE bool keeps(uint32_t rule, float v, float threshold) {
  switch (rule) {
    case PI_KEEP_FROM: return !(v < threshold);
    case PI_KEEP_ABOVE: return !(v <= threshold);
    default: return !(fabsf(v) < threshold);
  }
}

// Entries from `i` on, `n` kept before them; returns how many are. What is written lies at or before what was read.
PI_INLINE size_t select_rest(const float *values, const uint32_t *list, uint32_t first, size_t i, size_t count,
                             uint32_t rule, float threshold, uint32_t *kept, float *kept_values, size_t n) {
  for (; i < count; i++) {
    // Without a branch, which nothing could foresee.
    const float v = values[i];
    kept[n] = list ? list[i] : first + (uint32_t)i;
    if (kept_values) kept_values[n] = v;
    n += keeps(rule, v, threshold);
  }
  return n;
}
