#!/usr/bin/env bash
# run.sh BUILD [PYTHON]: the speed tables. Each program here is built against the library that
# BUILD installs, so that what is timed is what is shipped. With PYTHON, an interpreter that has
# torch (python3 -m venv V && V/bin/pip install torch numpy), the networks are compared with the
# same networks in PyTorch.
set -euo pipefail
build=$1 python=${2-}
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cmake --install "$build" --prefix "$work" >/dev/null
export PKG_CONFIG_PATH=$(find "$work" -name pkgconfig -type d)
library() { pkg-config --define-variable=prefix="$work" "$@"; } # the file names the final prefix
export LD_LIBRARY_PATH=$(library --variable=libdir scorecon) OMP_WAIT_POLICY=PASSIVE
for name in evaluate layers operators; do
    cc -O2 -fopenmp "$here/$name.c" -o "$work/$name" $(library --cflags --libs scorecon) -lfftw3f -lm
done
for threads in 1 2; do
    for name in layers operators; do
        printf '\n## %s, ' "$name"
        "$work/$name" "$threads"
    done
    [ -n "$python" ] || continue
    prior=$here/../../prior/weights/brain-mr.safetensors
    for network in "$prior 1 256 256" "$prior 16 96 96" "$here/brats.json 1 240 240"; do
        printf '\n'
        "$python" "$here/pytorch.py" "$work/evaluate" $network --threads "$threads" --rounds 5
    done
done
