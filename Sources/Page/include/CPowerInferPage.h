// The files of the chat page, as they lie in the program.
#pragma once
#include <stddef.h>

#if defined(__clang__)
#define PI_PAGE_NONNULL _Nonnull
#else
#define PI_PAGE_NONNULL
#endif

typedef struct {
  const char *PI_PAGE_NONNULL name;
  const char *PI_PAGE_NONNULL type;  // as the header Content-Type has it
  const unsigned char *PI_PAGE_NONNULL bytes;
  size_t length;
} pi_page_file;

// How many files there are.
size_t pi_page_file_count(void);
// One of them, by its index.
const pi_page_file *PI_PAGE_NONNULL pi_page_file_at(size_t index);
