// System calls of Linux that Swift does not import, for they are GNU extensions.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "ckernels.h"

#if defined(__linux__)

#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <time.h>

int pi_current_processor(void) { return sched_getcpu(); }

int64_t pi_thread_time(uintptr_t thread) {
  clockid_t clock;
  struct timespec time;
  if (pthread_getcpuclockid((pthread_t)thread, &clock) != 0 || clock_gettime(clock, &time) != 0) return -1;
  return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

_Static_assert(sizeof(cpu_set_t) >= PI_PROCESSOR_WORDS * sizeof(uint64_t), "a set has room for all words");

int pi_get_processors(uintptr_t thread, uint64_t *words) {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (pthread_getaffinity_np((pthread_t)thread, sizeof set, &set) != 0) return -1;
  memcpy(words, &set, PI_PROCESSOR_WORDS * sizeof(uint64_t));
  return 0;
}

int pi_set_processors(uintptr_t thread, const uint64_t *words) {
  cpu_set_t set;
  CPU_ZERO(&set);
  memcpy(&set, words, PI_PROCESSOR_WORDS * sizeof(uint64_t));
  return pthread_setaffinity_np((pthread_t)thread, sizeof set, &set) != 0 ? -1 : 0;
}

#else

int pi_current_processor(void) { return -1; }
int64_t pi_thread_time(uintptr_t thread) { return (void)thread, -1; }
int pi_get_processors(uintptr_t thread, uint64_t *words) { return (void)thread, (void)words, -1; }
int pi_set_processors(uintptr_t thread, const uint64_t *words) { return (void)thread, (void)words, -1; }

#endif
