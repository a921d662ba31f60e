#!/usr/bin/env bash
# scorecon's first minutes: install what it needs, build, run something.
#
#   ./quickstart.sh         set up, then reconstruct a simulated 8-coil scan of a real head
#   ./quickstart.sh test    set up, then the whole test suite
#   ./quickstart.sh asan    the suite under AddressSanitizer and UBSan
#   ./quickstart.sh fuzz S  every reader's fuzz target, S seconds in all (default 60)
#   ./quickstart.sh bench   the speed tables of validation/speed
#   ./quickstart.sh docs    the man pages as text, into docs/
set -euo pipefail
cd "$(dirname "$0")"

packages_build="build-essential cmake ninja-build pkg-config
    libfftw3-dev libopenblas-dev liblapacke-dev libdnnl-dev libjansson-dev libcyaml-dev libyaml-dev
    libhdf5-dev libxml2-dev libtiff-dev libnifti2-dev libcairo2-dev libdcmtk-dev dcmtk zlib1g-dev"
packages_demo="mricron-data"
packages_test="libcmocka-dev dicom3tools dcm2niix bart ismrmrd-tools python3-numpy python3-h5py"
packages_fuzz="clang libclang-rt-14-dev libomp-dev python3-h5py"

say() { printf '\n== %s\n' "$*"; }
run() { printf '$ %s\n' "$*"; "$@"; }

# Install the packages that are missing; asks for nothing when all are there.
install() {
    local missing=() package
    for package in "$@"; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return
    command -v apt-get >/dev/null || { echo "quickstart.sh: needs Debian 12's apt-get; missing: ${missing[*]}" >&2; exit 1; }
    local root=()
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || { echo "quickstart.sh: not root and no sudo; install by hand: ${missing[*]}" >&2; exit 1; }
        root=(sudo)
    fi
    say "installing ${#missing[@]} packages"
    run "${root[@]}" apt-get update -qq
    run "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

build() { # preset
    say "building ($1)"
    [ -f "build-$1/build.ninja" ] || run cmake --preset "$1" ${2:+"$2"} >/dev/null
    run cmake --build "build-$1" | grep -Ev '^\[[0-9]+/[0-9]+\]|ninja: no work' || [ "${PIPESTATUS[0]}" -eq 0 ]
}

suite() { # preset: every test; skipped ones say why
    say "testing ($1)"
    export LSAN_OPTIONS="suppressions=$PWD/tests/lsan.supp:print_suppressions=0"
    run ctest --test-dir "build-$1" --output-on-failure --no-tests=error -j "$(nproc)"
}

case "${1:-demo}" in
demo)
    install $packages_build $packages_demo
    build release -DSC_TESTS=OFF
    run validation/demo/run.sh build-release/scorecon demo
    ;;
test)
    install $packages_build $packages_demo $packages_test
    build release
    cmake -S . -B build-release -DSC_TESTS=ON >/dev/null
    build release
    suite release
    ;;
asan)
    install $packages_build $packages_demo $packages_test
    build asan
    suite asan
    ;;
fuzz)
    install $packages_build $packages_fuzz
    run tests/fuzz/run.sh "${2:-60}"
    ;;
bench)
    install $packages_build $packages_test
    build release
    run validation/speed/run.sh build-release
    ;;
docs)
    install $packages_build man-db
    build release
    mkdir -p docs
    for page in build-release/man/*.1; do
        run man --local-file --pager=cat "$page" >"docs/$(basename "$page" .1).txt"
    done
    ;;
*)
    sed -n '2,9s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
