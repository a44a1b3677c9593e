// Selection of entries by their values, for sets without an instruction to pack lanes.

#include "shared/keep.h"

static size_t PI_NAME(select)(const float *values, const uint32_t *list, uint32_t first, size_t count, uint32_t rule,
                              float threshold, uint32_t *kept, float *kept_values) {
  switch (rule) {
#define PI_CASE(constant) \
  case constant: return select_rest(values, list, first, 0, count, constant, threshold, kept, kept_values, 0);
    PI_CASE(PI_KEEP_FROM)
    PI_CASE(PI_KEEP_ABOVE)
    PI_CASE(PI_KEEP_MAGNITUDE)
#undef PI_CASE
    default: return 0;
  }
}
