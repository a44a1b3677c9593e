// The compiled kernels, and what a host must know to run each. The tables are made by Scripts/build-shaders.sh.
#pragma once
#include <stdint.h>

#if defined(__clang__)
#define PI_SHADERS_NONNULL _Nonnull
#define PI_SHADERS_NULLABLE _Nullable
#else
#define PI_SHADERS_NONNULL
#define PI_SHADERS_NULLABLE
#endif

// A number that is chosen when a kernel is made for a device.
typedef struct {
  const char *PI_SHADERS_NONNULL name;
  uint32_t id;
} pi_shader_constant;

typedef struct {
  const char *PI_SHADERS_NONNULL name;
  const uint32_t *PI_SHADERS_NONNULL words;  // SPIR-V, entry point `main`
  uint32_t word_count;
  uint32_t binding_count;  // 0, 1, ... of set 0, all storage buffers
  uint32_t writes;         // bit i: binding i is written
  uint32_t constant_bytes;
  uint32_t features;  // as in GPUFeatures
  uint32_t specialization_count;
  const pi_shader_constant *PI_SHADERS_NULLABLE specialization;  // by id
} pi_shader;

extern const uint32_t pi_shader_count;
// The first of them.
const pi_shader *PI_SHADERS_NONNULL pi_shader_table(void);
