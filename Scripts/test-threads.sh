#!/bin/sh
# Runs the tests in which threads meet under the thread sanitizer: test-threads.sh [FILTER], a regular expression as
# `swift test --filter` takes it. Needs a build of its own, and many times as long as the tests do without it.
#
# With the portable kernels, which the sanitizer sees into: it looks at no access of more than 16 bytes, so AVX loops would
# pass unseen. Optimised, for they take most of the time.
set -eu
cd "$(dirname "$0")/.."
filter=${1:-'KernelsTests.ThreadTeamTests|InferenceTests|ToolkitTests'}
build=.build-threads
swift build --build-tests --sanitize=thread --scratch-path "$build" -Xcc -O2
if [ "$(uname)" = Linux ]; then
  command -v clang > /dev/null || { echo "clang is not installed; Mutex would be reported as a race." >&2; exit 1; }
  clang -shared -fPIC -O1 Scripts/thread-sanitizer-shim.c -o "$build/shim.so" -ldl
  export LD_PRELOAD="$PWD/$build/shim.so"
fi
POWERINFER_ISA=portable swift test --skip-build --sanitize=thread --scratch-path "$build" -Xcc -O2 \
  --filter "$filter" --skip ModelFuzzTests
