// What products and sums of rows share where weights are taken one block of 32 at a time and codes lie in their natural
// order: AVX2 and NEON. Beside what plain.h asks for, the including file defines
//   block_codes                      32 codes in registers
//   read_codes(format, row, b, all)  codes of block b of `all`: unsigned, but signed for Q8_0
//   add_block(format, w, a, s, m, v) v + the products with the token's codes at `a`, under the scale at s (and m in Q6_K)
//   read_floats(format, row, b, all, v)  the same as floats, in 32 / PI_LANES vectors
//   nonzero_lanes(v)                 bit i is set where lane i of PI_LANES floats is not 0
//   half_at(p)                       the f16 at p
//   halves(p, bytes)                 PI_LANES of them, `bytes` apart
//   half_pairs(p, bytes, a, b)       PI_LANES pairs, the first of each stored at a, the second at b

typedef uint16_t vh __attribute__((vector_size(PI_LANES * 2)));
typedef uint32_t vu __attribute__((vector_size(PI_LANES * 4)));
typedef float eight_floats __attribute__((vector_size(32)));
typedef int16_t eight_words __attribute__((vector_size(16)));
typedef uint8_t eight_bytes __attribute__((vector_size(8)));

// What unsigned codes are above the signed ones they stand for.
PI_INLINE float offset_of(uint32_t format) {
  const uint32_t base = pi_base(format);
  return base == PI_Q4_0 ? 8 : base == PI_Q5_0 ? 16 : base == PI_Q6_K ? 32 : 0;
}

PI_INLINE bool has_minima(uint32_t format) {
  const uint32_t base = pi_base(format);
  return base == PI_Q4_1 || base == PI_Q5_1 || base == PI_Q4_K || base == PI_Q5_K;
}

PI_INLINE bool is_q8_0(uint32_t format) { return pi_base(format) == PI_Q8_0; }

// Lanes from `count` on are zero.
PI_INLINE vf first_lanes(vf v, size_t count) {
#if PI_LANES == 8
  const vi lane = {0, 1, 2, 3, 4, 5, 6, 7};
#else
  const vi lane = {0, 1, 2, 3};
#endif
  return count >= PI_LANES ? v : choose(lane < (int32_t)count, v, (vf){0});
}

enum { EIGHT = 8 };  // blocks of a super-block

// The eight blocks of a super-block.
PI_INLINE void read_super_scales(uint32_t format, const uint8_t *p, float *scale, float *more) {
  eight_floats a, b;
  if (format == PI_Q6_K) {
    // A word holds the scales of both halves of a block.
    eight_words pairs;
    memcpy(&pairs, p + 192, sizeof pairs);
    a = __builtin_convertvector((eight_words)(pairs << 8) >> 8, eight_floats) * half_at(p + 208);
    b = __builtin_convertvector(pairs >> 8, eight_floats) * half_at(p + 208);
  } else {
    uint64_t s, m;
    eight_bytes bytes;
    pi_k_scales(p + 4, &s, &m);
    memcpy(&bytes, &s, sizeof bytes);
    a = __builtin_convertvector(bytes, eight_floats) * half_at(p);
    memcpy(&bytes, &m, sizeof bytes);
    b = __builtin_convertvector(bytes, eight_floats) * -half_at(p + 2);
  }
  memcpy(scale, &a, sizeof a);
  memcpy(more, &b, sizeof b);
}

// For a row of `all` blocks; zero past the last one, up to a multiple of eight. `more` are the minima (as a bias to add), or the scales
// of the second halves in Q6_K.
PI_INLINE void read_scales(uint32_t format, const uint8_t *row, size_t begin, size_t blocks, size_t all, float *scale,
                           float *more) {
  const size_t bytes = pi_block_bytes(format);
  if (pi_block_elements(format) == PI_SUPER) {
    const uint8_t *p = row + begin / 8 * bytes;
    for (size_t i = 0; i < blocks; i += 8, p += bytes) read_super_scales(format, p, scale + i, more + i);
    return;
  }
  size_t i = 0;
  if (pi_is_planar(format)) {
    const uint8_t *p = row + 2 * begin, *minima = p + pi_parts_of(format, all).minimum;
    // Codes follow, so that a whole vector may be read past the last scale, but for a row of one block in leading bits.
    for (; i < blocks && (all > 1 || i + PI_LANES <= blocks); i += PI_LANES) {
      store(scale + i, first_lanes(load_f16((const uint16_t *)(const void *)(p + 2 * i)), blocks - i));
      if (has_minima(format)) {
        store(more + i, first_lanes(load_f16((const uint16_t *)(const void *)(minima + 2 * i)), blocks - i));
      }
    }
    for (; i < blocks; i++) {
      scale[i] = half_at(p + 2 * i);
      if (has_minima(format)) more[i] = half_at(minima + 2 * i);
    }
    for (; i % EIGHT != 0; i++) scale[i] = more[i] = 0;
    return;
  }
  const uint8_t *p = row + begin * bytes;
  for (; i + PI_LANES <= blocks; i += PI_LANES, p += PI_LANES * bytes) {
    if (has_minima(format)) {
      half_pairs(p, bytes, scale + i, more + i);
    } else {
      store(scale + i, halves(p, bytes));
    }
  }
  for (; i < blocks; i++, p += bytes) {
    scale[i] = half_at(p);
    if (has_minima(format)) more[i] = half_at(p + 2);
  }
  for (; i % EIGHT != 0; i++) scale[i] = more[i] = 0;
}

// PI_LANES weights of a row of floats.
PI_INLINE vf float_weights(uint32_t format, const uint8_t *row, size_t c) {
  if (format == PI_F32) return load((const float *)(const void *)row + c);
  if (format == PI_F16) return load_f16((const uint16_t *)(const void *)row + c);
  vh bits;
  memcpy(&bits, row + 2 * c, sizeof bits);
  return (vf)(__builtin_convertvector(bits, vu) << 16);
}

// Of the distances in avx512_multiply.h these are best here.
enum { PREFETCH_BYTES = 6144, LISTED_BYTES = 6144, GROUP_ROWS = 4 };

#include "shared/rows.h"
