// AVX-512 with VNNI; the same with BF16; the same beside AMX.
#include "blocks/blocks.h"
#include "dispatch/detect.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <math.h>

#define PI_TARGET "avx2,fma,f16c,bmi,bmi2,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni"
#pragma clang attribute push(__attribute__((target(PI_TARGET))), apply_to = function)

#define PI_LANES 16
#define PI_NAME(x) avx512_##x

PI_INLINE __m512 load_f16(const uint16_t *p) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p)); }

PI_INLINE void store_f16(uint16_t *p, __m512 v) {
  _mm256_storeu_si256((__m256i *)p, _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

// Sums of the lanes of four vectors, as the lanes of the result. A lone vector gives the same bits as one of four.
PI_INLINE __m128 sums_of_four(__m512 a, __m512 b, __m512 c, __m512 d) {
  const __m512 ab = _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
  const __m512 cd = _mm512_add_ps(_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
  const __m512d ab_pairs = _mm512_castps_pd(ab), cd_pairs = _mm512_castps_pd(cd);
  const __m512 all = _mm512_add_ps(_mm512_castpd_ps(_mm512_unpacklo_pd(ab_pairs, cd_pairs)),
                                   _mm512_castpd_ps(_mm512_unpackhi_pd(ab_pairs, cd_pairs)));
  const __m256 half = _mm256_add_ps(_mm512_castps512_ps256(all), _mm512_extractf32x8_ps(all, 1));
  return _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
}

PI_INLINE void sum4(__m512 a, __m512 b, __m512 c, __m512 d, float *out) { _mm_storeu_ps(out, sums_of_four(a, b, c, d)); }
PI_INLINE float sum1(__m512 v) { return _mm_cvtss_f32(sums_of_four(v, v, v, v)); }
PI_INLINE float sum_lanes(__m512 v) { return sum1(v); }

#include "shared/plain.h"

#include "shared/gram.h"

#include "shared/stream.h"

enum { PRODUCT_ROWS = 12, PRODUCT_VECTORS = 2 };

#include "shared/float_products.h"

#include "shared/training.h"

#include "avx512/avx512_select.h"

PI_INLINE float half_at(const uint8_t *p) { return _cvtsh_ss(pi_load_u16(p)); }

enum { TILE_QUERIES = 6, TILE_VECTORS = 4, KEY_OFFSET = 128 };

typedef __m512i key_codes;

// The instruction multiplies unsigned with signed bytes.
PI_INLINE key_codes read_key_codes(const uint8_t *p) {
  return _mm512_xor_si512(_mm512_loadu_si512(p), _mm512_set1_epi8((char)0x80));
}

PI_INLINE vi dot_codes(vi sum, key_codes keys, int32_t query) {
  return (vi)_mm512_dpbusd_epi32((__m512i)sum, keys, _mm512_set1_epi32(query));
}

#include "attention/cache.h"

#include "attention/attention.h"

#include "avx512/avx512_codes.h"

#include "avx512/avx512_panel_codes.h"

#include "avx512/avx512_panels.h"

#include "avx512/avx512_multiply.h"

#include "avx512/avx512_accumulate.h"

#include "leading/leading_avx512.h"

#pragma clang attribute pop

#pragma clang attribute push(__attribute__((target(PI_TARGET ",avx512bf16"))), apply_to = function)

#include "avx512/avx512_bf16.h"

#pragma clang attribute pop

#pragma clang attribute push(__attribute__((target(PI_TARGET ",amx-tile,amx-int8"))), apply_to = function)

#include "amx/amx_tiles.h"

#include "amx/amx.h"

#pragma clang attribute pop

#define PI_HAS_STRIPES 1
#include "dispatch/table.h"

// Products of 16 tokens by sixteens take 0.88 to 0.95 times as long as by panels, of 32 1.02 to 1.07 times (Zen 4, rows of 576 nibbles in the
// second cache). Tiles take 16 tokens. With the BF16 instructions, BF16 weights take 1.5 times as long by panels as by rows with
// 2 tokens, and less time with more.
static const pi_kernels table = PI_TABLE(2, 17, 0, avx512_multiply);
static const pi_kernels bf16_table = PI_TABLE(2, 17, 3, avx512_multiply_with_bf16);
static const pi_kernels amx_table = PI_TABLE(2, 16, 3, amx_multiply);

const pi_kernels *pi_kernels_avx512(void) {
  if (!pi_has_avx512()) return NULL;
  return pi_has_avx512_bf16() ? &bf16_table : &table;
}

const pi_kernels *pi_kernels_amx(void) {
#ifdef PI_EMULATED_TILES
  return pi_has_avx512_bf16() ? &amx_table : NULL;
#else
  return pi_has_amx() ? &amx_table : NULL;
#endif
}

#else

const pi_kernels *pi_kernels_avx512(void) { return NULL; }
const pi_kernels *pi_kernels_amx(void) { return NULL; }

#endif
