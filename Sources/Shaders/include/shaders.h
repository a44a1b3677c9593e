// The table of compiled kernels; made by Scripts/build-shaders.sh.
#pragma once
