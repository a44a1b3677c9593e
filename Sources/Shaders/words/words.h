// Words of the kernels; made by Scripts/build-shaders.sh.
#pragma once
#include <stdint.h>

extern const uint32_t pi_spirv_matvec[5301];
extern const uint32_t pi_spirv_matvec_listed[5769];
extern const uint32_t pi_spirv_gateup[8351];
extern const uint32_t pi_spirv_gateup_listed[8447];
extern const uint32_t pi_spirv_norm[2812];
extern const uint32_t pi_spirv_quantize[1247];
extern const uint32_t pi_spirv_embed[2802];
extern const uint32_t pi_spirv_rotate[3428];
extern const uint32_t pi_spirv_attention[7504];
extern const uint32_t pi_spirv_attentionMerge[862];
extern const uint32_t pi_spirv_down[4461];
extern const uint32_t pi_spirv_activate[1800];
extern const uint32_t pi_spirv_gather[358];
extern const uint32_t pi_spirv_compact[2337];
extern const uint32_t pi_spirv_tally[524];
extern const uint32_t pi_spirv_penalize[620];
extern const uint32_t pi_spirv_likeliest[662];
extern const uint32_t pi_spirv_candidates[2928];
extern const uint32_t pi_spirv_bandwidth[522];
extern const uint32_t pi_spirv_matmat[8445];
extern const uint32_t pi_spirv_matmat_neurons[4382];
extern const uint32_t pi_spirv_matvec_plain[6328];
extern const uint32_t pi_spirv_matvec_listed_plain[6796];
extern const uint32_t pi_spirv_matmat_plain[9797];
extern const uint32_t pi_spirv_gateup_plain[10413];
extern const uint32_t pi_spirv_gateup_listed_plain[10509];
