// The part of Vulkan 1.3 that the GPU room uses: constants, structures and function types of its binary interface.
//
// Written for this package, so that building needs no SDK. Names are the specification's, so that it can be looked up there.
// Scripts/check-vulkan-header.sh compares every value, size, offset and function type with Khronos' own header. Fields called
// `unused...` stand for those nobody here looks at.
#pragma once

#include "vulkan_types.h"
#include "vulkan_devices.h"
#include "vulkan_work.h"
#include "vulkan_functions.h"
