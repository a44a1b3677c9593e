// Panels whose vectors are four rows by four columns.

// Vector s of `out` is columns 4 * s ... 4 * s + 3 of rows 0...3.
PI_INLINE void interleave_codes(const int8x16_t *rows, int8_t *out) {
  const int32x4_t a = vreinterpretq_s32_s8(rows[0]), b = vreinterpretq_s32_s8(rows[1]);
  const int32x4_t c = vreinterpretq_s32_s8(rows[2]), d = vreinterpretq_s32_s8(rows[3]);
  const int64x2_t ab_even = vreinterpretq_s64_s32(vtrn1q_s32(a, b)), ab_odd = vreinterpretq_s64_s32(vtrn2q_s32(a, b));
  const int64x2_t cd_even = vreinterpretq_s64_s32(vtrn1q_s32(c, d)), cd_odd = vreinterpretq_s64_s32(vtrn2q_s32(c, d));
  vst1q_s8(out, vreinterpretq_s8_s64(vtrn1q_s64(ab_even, cd_even)));
  vst1q_s8(out + 16, vreinterpretq_s8_s64(vtrn1q_s64(ab_odd, cd_odd)));
  vst1q_s8(out + 32, vreinterpretq_s8_s64(vtrn2q_s64(ab_even, cd_even)));
  vst1q_s8(out + 48, vreinterpretq_s8_s64(vtrn2q_s64(ab_odd, cd_odd)));
}
