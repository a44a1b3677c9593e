// The codes of panels in 128-bit vectors: signed, so that only minima need a bias.

typedef int32x4_t panel_dot;

enum {
  PANEL_GROUPS = 2,
  PANEL_TOKENS = 4,
  PANEL_FROM_TOKENS = 8,
  PANEL_CODE_BYTES = PI_LANES * PI_BLOCK,
};

PI_INLINE uint32_t panel_kind(uint32_t format) {
  const uint32_t base = pi_base(format);
  return has_minima(base) ? PI_Q4_1 : base == PI_Q5_0 ? PI_Q4_0 : base;
}

PI_INLINE float panel_offset(uint32_t format) {
  (void)format;
  return 0;
}

PI_INLINE bool panel_has_bias(uint32_t kind) { return kind == PI_Q4_1; }

PI_INLINE size_t panel_code_bytes(uint32_t kind) {
  (void)kind;
  return PANEL_CODE_BYTES;
}

PI_INLINE void write_panel_codes(uint32_t format, const uint8_t *const *rows, size_t b, size_t all, uint8_t *out) {
  const int8x16_t offset = vdupq_n_s8((int8_t)offset_of(format));
  int8x16_t codes[2][4];
  PI_UNROLL
  for (size_t r = 0; r < 4; r++) {
    const block_codes w = read_codes(format, rows[r], b, all);
    PI_UNROLL
    for (size_t i = 0; i < 2; i++) codes[i][r] = offset_of(format) != 0 ? vsubq_s8(w.val[i], offset) : w.val[i];
  }
  PI_UNROLL
  for (size_t i = 0; i < 2; i++) interleave_codes(codes[i], (int8_t *)out + 64 * i);
}
