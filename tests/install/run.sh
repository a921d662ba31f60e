#!/usr/bin/env bash
# run.sh BUILD: install, then build the example against the CMake package and against pkg-config.
set -euo pipefail
build=$1
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cmake --install "$build" --prefix "$work/prefix" >/dev/null
for file in bin/scorecon share/man/man1/scorecon-recon.1 share/scorecon/protocols/brain-cartesian.yaml; do
    [ -f "$work/prefix/$file" ] || { echo "not installed: $file" >&2; exit 1; }
done
cmake -S "$here" -B "$work/build" -DCMAKE_PREFIX_PATH="$work/prefix" >/dev/null
cmake --build "$work/build" >/dev/null
LD_LIBRARY_PATH=$(echo "$work"/prefix/lib*/ "$work"/prefix/lib/*-linux-gnu/ | tr ' ' ':') "$work/build/example" | grep -q 'Fourier 180'
"$work/build/example_static" | grep -q 'Fourier 180'
export PKG_CONFIG_PATH=$(find "$work/prefix" -name pkgconfig -type d)
cc "$here/example.c" -o "$work/example" $(pkg-config --cflags --libs scorecon)
LD_LIBRARY_PATH=$(pkg-config --variable=libdir scorecon) "$work/example" | grep -q 'Fourier 180'
"$work/prefix/bin/scorecon" --version
# the installed program finds what was installed with it
"$work/prefix/bin/scorecon" info --build | grep 'shipped_prior' | grep -q "$work/prefix" ||
    { echo "the installed program does not find its prior" >&2; exit 1; }
