#!/usr/bin/env bash
# kill -9 at ten moments of recon: the output folder is complete or absent, each time. Ctrl-C: exit
# 130 and nothing is left.
source "$(dirname "$0")/library.sh"
/usr/bin/python3 - <<'P' || skip "needs python3-numpy"
import numpy as np
y, x = np.mgrid[-1:1:96j, -1:1:80j]
np.save("image.npy", np.stack([((x**2 + y**2) < 0.6) + 0.5 * ((x - 0.2)**2 + y**2 < 0.1)] * 8).astype(np.float32))
P
"$program" simulate image.npy -o scan.h5 --mask lines:3:16 --coils 4 --noise 0.01 --quiet >/dev/null
recon=("$program" recon scan.h5 --method l1-wavelet --format npy,png --quiet)

start=$(date +%s%N)
"${recon[@]}" -o whole >/dev/null
whole=$((($(date +%s%N) - start) / 1000000))
complete() { for file in image.npy preview.png record.json; do [ -s "$1/$file" ] || return 1; done; }
complete whole || fail "an undisturbed run is not complete"

killed=0
for k in 1 2 3 4 5 6 7 8 9 10; do
    rm -rf out
    "${recon[@]}" -o out >/dev/null 2>&1 &
    pid=$!
    # the last moments are the dangerous ones: half of the kills fall into the last fifth
    if [ "$k" -le 5 ]; then after=$((whole * k / 6)); else after=$((whole * (75 + 6 * (k - 5)) / 100)); fi
    sleep "$(printf '%d.%03d' $((after / 1000)) $((after % 1000)))"
    kill -9 "$pid" 2>/dev/null && killed=$((killed + 1))
    wait "$pid" 2>/dev/null || true
    if [ -e out ] && ! complete out; then fail "killed after $after ms: out/ is half-written: $(ls out)"; fi
done
echo "killed $killed of 10 runs of $whole ms"
[ "$killed" -ge 3 ] || fail "only $killed runs were still alive when killed"

rm -rf out .out.* # what was killed has left its hidden folders
"${recon[@]}" -o out >/dev/null 2>&1 &
pid=$!
# from when the hidden folder is there, Ctrl-C is understood
for _ in $(seq 200); do compgen -G '.out.*' >/dev/null && break; sleep 0.02; done
kill -INT "$pid" 2>/dev/null || true
code=0
wait "$pid" || code=$?
[ "$code" -eq 130 ] || fail "Ctrl-C gave exit $code, expected 130"
[ ! -e out ] || fail "Ctrl-C left out/"
finish
