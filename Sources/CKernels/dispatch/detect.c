#include "dispatch/detect.h"

#include <stddef.h>
#include <stdint.h>

#if defined(__x86_64__)
#include <cpuid.h>

static bool bit(uint32_t word, int index) { return (word >> index) & 1; }

// The register state that the operating system saves: without it the instructions exist but must not be used.
static uint64_t saved_state(void) {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t)high << 32 | low;
}

typedef struct {
  bool avx2, avxvnni, avx512;
} found;

static found detect(void) {
  uint32_t a, b, c, d;
  found has = {false, false, false};
  if (!__get_cpuid(1, &a, &b, &c, &d)) return has;
  const bool fma = bit(c, 12), xsave = bit(c, 27), avx = bit(c, 28), f16c = bit(c, 29);
  if (!(fma && xsave && avx && f16c)) return has;
  const uint64_t state = saved_state();
  if ((state & 6) != 6) return has;  // XMM and YMM
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return has;
  has.avx2 = bit(b, 5) && bit(b, 3) && bit(b, 8);  // with BMI and BMI2
  const bool f = bit(b, 16), dq = bit(b, 17), bw = bit(b, 30), vl = bit(b, 31), vnni = bit(c, 11);
  has.avx512 = has.avx2 && (state & 0xe6) == 0xe6 && f && dq && bw && vl && vnni;  // and masks, ZMM
  // The register a of leaf 7 tells how many further pages it has.
  if (a >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d)) has.avxvnni = has.avx2 && bit(a, 4);
  return has;
}

bool pi_has_avx2(void) { return detect().avx2; }
bool pi_has_avxvnni(void) { return detect().avxvnni; }
bool pi_has_avx512(void) { return detect().avx512; }

bool pi_has_avx512_bf16(void) {
  uint32_t a, b, c, d;
  return pi_has_avx512() && __get_cpuid_count(7, 1, &a, &b, &c, &d) && bit(a, 5);
}

#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>

// Tiles are off until a process asks for them: ARCH_REQ_XCOMP_PERM of Linux's arch_prctl, with the number of their state.
// It holds for all threads; older kernels do not know the request.
static bool tiles_granted(void) {
  enum { REQUEST = 0x1023, TILE_DATA = 18 };
  return syscall(SYS_arch_prctl, REQUEST, TILE_DATA) == 0;
}
#else
static bool tiles_granted(void) { return false; }
#endif

bool pi_has_amx(void) {
  uint32_t a, b, c, d;
  if (!pi_has_avx512_bf16() || !__get_cpuid_count(7, 0, &a, &b, &c, &d)) return false;
  if (!(bit(d, 24) && bit(d, 25))) return false;                  // tiles, and products of 8-bit ones
  if ((saved_state() & 0x60000) != 0x60000) return false;         // their shapes and their data
  if (!__get_cpuid_count(0x1d, 1, &a, &b, &c, &d)) return false;  // palette 1: eight tiles of 16 rows of 64 bytes
  if (b >> 16 != 8 || (b & 0xffff) != 64 || (c & 0xffff) != 16) return false;
  return tiles_granted();
}

bool pi_has_dot_product(void) { return false; }
bool pi_has_matrix_product(void) { return false; }

#else

bool pi_has_avx2(void) { return false; }
bool pi_has_avxvnni(void) { return false; }
bool pi_has_avx512(void) { return false; }
bool pi_has_avx512_bf16(void) { return false; }
bool pi_has_amx(void) { return false; }

#if defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
// HWCAP_ASIMDDP and HWCAP2_I8MM of the Linux kernel's interface.
bool pi_has_dot_product(void) { return (getauxval(AT_HWCAP) >> 20) & 1; }
bool pi_has_matrix_product(void) { return pi_has_dot_product() && ((getauxval(AT_HWCAP2) >> 13) & 1); }
#elif defined(__aarch64__) && defined(__APPLE__)
#include <sys/sysctl.h>
static bool feature(const char *name) {
  int value = 0;
  size_t size = sizeof value;
  return sysctlbyname(name, &value, &size, NULL, 0) == 0 && value != 0;
}
bool pi_has_dot_product(void) { return feature("hw.optional.arm.FEAT_DotProd"); }
bool pi_has_matrix_product(void) { return pi_has_dot_product() && feature("hw.optional.arm.FEAT_I8MM"); }
#else
bool pi_has_dot_product(void) { return false; }
bool pi_has_matrix_product(void) { return false; }
#endif

#endif
