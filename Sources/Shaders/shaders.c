#include "shaders.h"
