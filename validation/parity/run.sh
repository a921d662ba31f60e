#!/usr/bin/env bash
# run.sh BUILD FOLDER [OPTIONS]: builds the parity program against the library that BUILD installs,
# and runs it on a folder of reference tensors.
set -euo pipefail
build=$1
shift
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cmake --install "$build" --prefix "$work" >/dev/null
export PKG_CONFIG_PATH=$(find "$work" -name pkgconfig -type d)
library() { pkg-config --define-variable=prefix="$work" "$@"; } # the file names the final prefix
export LD_LIBRARY_PATH=$(library --variable=libdir scorecon)
cc -O2 "$here"/*.c -o "$work/parity" $(library --cflags --libs scorecon) -ljansson -lm
OMP_WAIT_POLICY=passive "$work/parity" "$@"
