// A target needs something to compile.
#include "powerinfer_vulkan.h"
