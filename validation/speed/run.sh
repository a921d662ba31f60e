#!/usr/bin/env bash
# run.sh BUILD: the speed tables. Each program here is built against the library that BUILD
# installs, so that what is timed is what is shipped.
set -euo pipefail
build=$1
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cmake --install "$build" --prefix "$work" >/dev/null
export PKG_CONFIG_PATH=$(find "$work" -name pkgconfig -type d)
library() { pkg-config --define-variable=prefix="$work" "$@"; } # the file names the final prefix
export LD_LIBRARY_PATH=$(library --variable=libdir scorecon)
for source in "$here"/*.c; do
    name=$(basename "$source" .c)
    cc -O2 -fopenmp "$source" -o "$work/$name" $(library --cflags --libs scorecon) -lfftw3f -lm
    for threads in 1 2; do
        printf '\n## %s, ' "$name"
        OMP_WAIT_POLICY=passive "$work/$name" "$threads"
    done
done
