#include "vulkan.h"
