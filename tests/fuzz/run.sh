#!/usr/bin/env bash
# Fuzz every reader: tests/fuzz/run.sh SECONDS [READER...]
#
# SECONDS are shared out among the readers. Builds with clang into build-fuzz, starts each target
# from the seeds (tests/fuzz/corpus, and what make_corpus.py makes), keeps its growing corpus in
# build-fuzz/corpus. Exit 1 if any input crashes, leaks, takes over 30 s (by the clock, so a busy
# machine needs them) or over 1 GB; the input is left in build-fuzz/findings.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
build=${SC_FUZZ_BUILD:-$root/build-fuzz}
seconds=${1:?seconds in all}
shift
readers=("$@")
if [ ${#readers[@]} -eq 0 ]; then
    for source in "$here"/fuzz_*.c; do
        source=${source##*/fuzz_}
        readers+=("${source%.c}")
    done
fi
cmake -G Ninja -S "$root" -B "$build" -DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++ \
    -DCMAKE_BUILD_TYPE=RelWithDebInfo -DSC_FUZZ=ON -DSC_CUDA=OFF >"$build.log" 2>&1 ||
    { cat "$build.log" >&2; exit 1; }
rm -f "$build.log"
cmake --build "$build" --target "${readers[@]/#/fuzz_}"
python=/usr/bin/python3 # the one that has Debian's h5py
[ -x "$python" ] || python=python3
"$python" "$here/make_corpus.py" "$build/seeds"
mkdir -p "$build/findings"
share=$((seconds / ${#readers[@]}))
[ "$share" -ge 1 ] || share=1
failed=0
for reader in "${readers[@]}"; do
    folders=("$build/corpus/$reader" "$build/seeds/$reader" "$here/corpus/$reader")
    mkdir -p "${folders[@]:0:2}"
    [ -d "${folders[2]}" ] || unset 'folders[2]'
    log=$build/findings/$reader.log
    forgiven=
    [ ! -f "$here/$reader.supp" ] || forgiven=suppressions=$here/$reader.supp
    # libhdf5's and libxml2's globals live until the end: reachable, so no leak
    if (cd "$build" && OMP_NUM_THREADS=1 ASAN_OPTIONS=allocator_may_return_null=1 LSAN_OPTIONS=$forgiven \
        "$build/tests/fuzz/fuzz_$reader" \
        -max_total_time="$share" -rss_limit_mb=1024 -malloc_limit_mb=4096 -timeout=30 -max_len=65536 \
        -print_final_stats=1 -artifact_prefix="$build/findings/$reader-" \
        "${folders[@]}") >"$log" 2>&1; then
        printf '%-12s %4d s  %s inputs\n' "$reader" "$share" \
            "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")"
    else
        printf '%-12s FINDING, see %s\n' "$reader" "$log"
        grep -m 3 -E 'ERROR|SUMMARY|verdict|runtime error' "$log" || tail -n 3 "$log"
        failed=1
    fi
done
rm -f /dev/shm/scorecon-fuzz-* 2>/dev/null || true
exit $failed
