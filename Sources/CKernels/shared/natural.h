// The 8-bit form of one token with the codes in their natural order: scale = largest magnitude / 127, codes rounded to
// nearest. Included once per instruction set; plain loops that the compiler turns into vectors.

static void PI_NAME(quantize_activations)(const float *x, size_t columns, uint32_t order, int8_t *codes,
                                          size_t code_stride, float *scales, float *sums, size_t block_stride) {
  (void)order;  // rows are read in the natural order too
  const size_t blocks = (columns + PI_BLOCK - 1) / PI_BLOCK;
  for (size_t b = 0; b < blocks; b++) {
    float part[PI_BLOCK] = {0};
    const size_t count = columns - b * PI_BLOCK < PI_BLOCK ? columns - b * PI_BLOCK : PI_BLOCK;
    memcpy(part, x + b * PI_BLOCK, count * 4);
    // Magnitudes compare as their bits do, and NaN is the largest, so that it reaches the scale.
    uint32_t most_bits = 0;
    for (size_t j = 0; j < PI_BLOCK; j++) {
      const uint32_t bits = pi_bits_from_float(part[j]) & 0x7fffffff;
      most_bits = bits > most_bits ? bits : most_bits;
    }
    const float most = pi_float_from_bits(most_bits);
    const float scale = most / 127;
    // A block of denormals would have an infinite inverse; it rounds to zero instead.
    const float inverse = most >= 0x1p-100f && most < INFINITY ? 127 / most : 0;
    int32_t sum[2] = {0, 0};
    for (size_t j = 0; j < PI_BLOCK; j++) {
      // Adding 1.5 * 2^23 rounds to nearest even; the low bits of the sum are the integer.
      // Two statements, so that they are not fused and every instruction set rounds alike.
      const float product = part[j] * inverse;
      const float rounded = product + 12582912.0f;
      const int32_t code = (int32_t)pi_bits_from_float(rounded) - 0x4b400000;
      const int8_t kept = code > 127 || code < -127 ? 0 : (int8_t)code;
      codes[b * PI_BLOCK + j] = kept;
      sum[j / 16] += kept;
    }
    scales[b] = scale;
    sums[b] = scale * (float)(sum[0] + sum[1]);
    sums[block_stride + b] = scale * (float)sum[0];
    sums[2 * block_stride + b] = scale * (float)sum[1];
  }
  memset(codes + blocks * PI_BLOCK, 0, code_stride - blocks * PI_BLOCK);
  for (size_t b = blocks; b < block_stride; b++) {
    scales[b] = 0;
    sums[b] = sums[block_stride + b] = sums[2 * block_stride + b] = 0;
  }
}
