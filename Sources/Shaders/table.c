// What a host must know of every kernel; made by Scripts/build-shaders.sh.
// Sources: 613124fbea414f9ed5384dc1cf2a4274dbcea8d02a8f2363270567a97d476db8
#include "shaders.h"
#include "words/words.h"

static const pi_shader_constant pi_spirv_matvec_constants[] = {{"FORMAT", 0}, {"LANES", 1}, {"ROWS", 2}, {"TOKENS", 3}, {"ACTIVATION", 4}, {"DEPTH", 5}};
static const pi_shader_constant pi_spirv_matvec_listed_constants[] = {{"FORMAT", 0}, {"LANES", 1}, {"ROWS", 2}, {"TOKENS", 3}, {"ACTIVATION", 4}, {"DEPTH", 5}, {"GATED", 6}};
static const pi_shader_constant pi_spirv_gateup_constants[] = {{"FORMAT", 0}, {"LANES", 1}, {"ROWS", 2}, {"TOKENS", 3}, {"ACTIVATION", 4}, {"DEPTH", 5}};
static const pi_shader_constant pi_spirv_gateup_listed_constants[] = {{"FORMAT", 0}, {"LANES", 1}, {"ROWS", 2}, {"TOKENS", 3}, {"ACTIVATION", 4}, {"DEPTH", 5}};
static const pi_shader_constant pi_spirv_norm_constants[] = {{"KIND", 0}};
static const pi_shader_constant pi_spirv_embed_constants[] = {{"FORMAT", 0}};
static const pi_shader_constant pi_spirv_rotate_constants[] = {{"KEYS", 0}, {"VALUES", 1}};
static const pi_shader_constant pi_spirv_attention_constants[] = {{"KEYS", 0}, {"VALUES", 1}, {"QUERIES", 2}, {"PAGES", 3}};
static const pi_shader_constant pi_spirv_down_constants[] = {{"FORMAT", 0}, {"LISTED", 1}, {"WORDS", 2}, {"TOKENS", 3}, {"DEPTH", 4}};
static const pi_shader_constant pi_spirv_activate_constants[] = {{"ACTIVATION", 0}, {"GATED", 1}, {"MASK", 2}, {"MAPPED", 3}};
static const pi_shader_constant pi_spirv_compact_constants[] = {{"RULE", 0}, {"ACTIVATION", 1}, {"MAPPED", 2}};
static const pi_shader_constant pi_spirv_tally_constants[] = {{"BY_NEURON", 0}};
static const pi_shader_constant pi_spirv_matmat_constants[] = {{"FORMAT", 0}, {"EACH", 1}, {"ACTIVATION", 2}};
static const pi_shader_constant pi_spirv_matmat_neurons_constants[] = {{"FORMAT", 0}, {"EACH", 1}};
static const pi_shader_constant pi_spirv_matvec_plain_constants[] = {{"FORMAT", 0}, {"LANES", 1}, {"ROWS", 2}, {"TOKENS", 3}, {"ACTIVATION", 4}, {"DEPTH", 5}};
static const pi_shader_constant pi_spirv_matvec_listed_plain_constants[] = {{"FORMAT", 0}, {"LANES", 1}, {"ROWS", 2}, {"TOKENS", 3}, {"ACTIVATION", 4}, {"DEPTH", 5}, {"GATED", 6}};
static const pi_shader_constant pi_spirv_matmat_plain_constants[] = {{"FORMAT", 0}, {"EACH", 1}, {"ACTIVATION", 2}};
static const pi_shader_constant pi_spirv_gateup_plain_constants[] = {{"FORMAT", 0}, {"LANES", 1}, {"ROWS", 2}, {"TOKENS", 3}, {"ACTIVATION", 4}, {"DEPTH", 5}};
static const pi_shader_constant pi_spirv_gateup_listed_plain_constants[] = {{"FORMAT", 0}, {"LANES", 1}, {"ROWS", 2}, {"TOKENS", 3}, {"ACTIVATION", 4}, {"DEPTH", 5}};

const uint32_t pi_shader_count = 26;

static const pi_shader shaders[] = {
  {"matvec", pi_spirv_matvec, 5301, 7, 0x40, 28, 0x40, 6, pi_spirv_matvec_constants},
  {"matvec.listed", pi_spirv_matvec_listed, 5769, 10, 0x200, 36, 0x40, 7, pi_spirv_matvec_listed_constants},
  {"gateup", pi_spirv_gateup, 8351, 8, 0x80, 28, 0x40, 6, pi_spirv_gateup_constants},
  {"gateup.listed", pi_spirv_gateup_listed, 8447, 11, 0x600, 28, 0x40, 6, pi_spirv_gateup_listed_constants},
  {"norm", pi_spirv_norm, 2812, 8, 0xf0, 24, 0x0, 1, pi_spirv_norm_constants},
  {"quantize", pi_spirv_quantize, 1247, 3, 0x6, 4, 0x0, 0, 0},
  {"embed", pi_spirv_embed, 2802, 4, 0x8, 24, 0x0, 1, pi_spirv_embed_constants},
  {"rotate", pi_spirv_rotate, 3428, 8, 0xf8, 24, 0x0, 2, pi_spirv_rotate_constants},
  {"attention", pi_spirv_attention, 7504, 9, 0x180, 28, 0x0, 4, pi_spirv_attention_constants},
  {"attentionMerge", pi_spirv_attentionMerge, 862, 3, 0x4, 12, 0x0, 0, 0},
  {"down", pi_spirv_down, 4461, 7, 0x40, 40, 0x0, 5, pi_spirv_down_constants},
  {"activate", pi_spirv_activate, 1800, 5, 0x10, 28, 0x0, 4, pi_spirv_activate_constants},
  {"gather", pi_spirv_gather, 358, 3, 0x4, 4, 0x0, 0, 0},
  {"compact", pi_spirv_compact, 2337, 5, 0xe, 32, 0x0, 3, pi_spirv_compact_constants},
  {"tally", pi_spirv_tally, 524, 4, 0x8, 0, 0x0, 1, pi_spirv_tally_constants},
  {"penalize", pi_spirv_penalize, 620, 3, 0x4, 8, 0x0, 0, 0},
  {"likeliest", pi_spirv_likeliest, 662, 2, 0x2, 8, 0x0, 0, 0},
  {"candidates", pi_spirv_candidates, 2928, 3, 0x6, 12, 0x0, 0, 0},
  {"bandwidth", pi_spirv_bandwidth, 522, 2, 0x2, 0, 0x0, 0, 0},
  {"matmat", pi_spirv_matmat, 8445, 7, 0x40, 28, 0x40, 3, pi_spirv_matmat_constants},
  {"matmat.neurons", pi_spirv_matmat_neurons, 4382, 5, 0x10, 36, 0x0, 2, pi_spirv_matmat_neurons_constants},
  {"matvec.plain", pi_spirv_matvec_plain, 6328, 7, 0x40, 28, 0x0, 6, pi_spirv_matvec_plain_constants},
  {"matvec.listed.plain", pi_spirv_matvec_listed_plain, 6796, 10, 0x200, 36, 0x0, 7, pi_spirv_matvec_listed_plain_constants},
  {"matmat.plain", pi_spirv_matmat_plain, 9797, 7, 0x40, 28, 0x0, 3, pi_spirv_matmat_plain_constants},
  {"gateup.plain", pi_spirv_gateup_plain, 10413, 8, 0x80, 28, 0x0, 6, pi_spirv_gateup_plain_constants},
  {"gateup.listed.plain", pi_spirv_gateup_listed_plain, 10509, 11, 0x600, 28, 0x0, 6, pi_spirv_gateup_listed_plain_constants},
};

const pi_shader *pi_shader_table(void) { return shaders; }
