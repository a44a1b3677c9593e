// What the processor and the operating system offer.
#ifndef PI_DETECT_H
#define PI_DETECT_H

#include <stdbool.h>

bool pi_has_avx2(void);    // with FMA and F16C
bool pi_has_avxvnni(void);  // 8-bit dot products on 256 bits, beside AVX2
bool pi_has_avx512(void);  // F, BW, VL, DQ and VNNI, beside AVX2
bool pi_has_avx512_bf16(void);  // and products of BF16
bool pi_has_amx(void);     // 8-bit tiles, beside all these; asks the operating system for them
bool pi_has_dot_product(void);  // signed 8-bit dot products on Arm
bool pi_has_matrix_product(void);  // signed 8-bit products of 2 × 8 with 8 × 2 on Arm, beside dot products

#endif
