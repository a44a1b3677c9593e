// What leading_rows.h asks for where codes of PI_BY_ROWS lie in their natural order: AVX2 and NEON. The including file defines
// leading_dots and spread.

#include "leading/split.h"

enum { CODES_APART = 4, DOT_BLOCKS = PI_LANES / 2 };

PI_INLINE const int8_t *codes_of(const int8_t *codes, size_t b, size_t s) { return codes + b * PI_BLOCK + s * 8; }

PI_INLINE void leading_super_scales(uint32_t kind, const uint8_t *head, float *scale, float *more) {
  if (kind == PI_Q4_K) {
    read_super_scales(PI_Q4_K, head, scale, more);
    return;
  }
  for (size_t i = 0; i < 8; i++) {
    scale[i] = half_at(head + 16) * (int8_t)head[2 * i];
    more[i] = half_at(head + 16) * (int8_t)head[2 * i + 1];
  }
}

PI_INLINE void leading_scales(uint32_t kind, const uint8_t *row, size_t b, size_t count, size_t all, vf *scale, vf *more) {
  float s[8], m[8] = {0};
  size_t at = 0;
  if (kind == PI_Q4_0 || kind == PI_Q4_1) {
    read_scales(kind | PI_PLANAR, row, b, count, all, s, m);
  } else {
    leading_super_scales(kind, row + b / 8 * pi_head_bytes(kind, 8), s, m);
    at = b % 8;
  }
  *scale = load(s + at);
  *more = load(m + at);
}

// The codes of `present` blocks out of DOT_BLOCKS, zero past them.
enum { LEADING_BYTES = PI_LANES * 4 };

PI_INLINE void copy_leading(const uint8_t *p, size_t present, uint8_t *target) {
  memset(target, 0, LEADING_BYTES);
  memcpy(target, p, 8 * present);
}
