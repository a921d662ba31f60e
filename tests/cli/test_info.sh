#!/usr/bin/env bash
# info: one layout for every kind of file. recon --plan: every fact of the JSON has its line, with its unit.
source "$(dirname "$0")/library.sh"
prior=$source_dir/prior/weights/brain-mr.safetensors
/usr/bin/python3 -c 'import numpy as np; y, x = np.mgrid[-1:1:48j, -1:1:40j]; np.save("image.npy", (x**2 + y**2 < 0.6).astype("f4"))' 2>/dev/null ||
    skip "needs python3-numpy"
"$program" simulate image.npy -o scan.h5 --mask lines:2:16 --coils 4 --noise 0.01 --quiet >/dev/null
"$program" recon scan.h5 -o out --method cg-sense --format npy,nifti --quiet >/dev/null 2>&1
files=(scan.h5 image.npy out out/image.nii.gz "$source_dir/protocols/brain-cartesian.yaml")
[ -f "$prior" ] && files+=("$prior")
for file in "${files[@]}"; do
    "$program" info "$file" --quiet >text.txt 2>/dev/null || fail "info $file"
    [ "$(head -n 1 text.txt)" = "$file" ] || fail "info $file: the first line is '$(head -n 1 text.txt)'"
    grep -qE '^  kind +(scan|image|prior|protocol)$' <(sed -n 2p text.txt) || fail "info $file: no kind in line 2"
    tail -n +2 text.txt | grep -qvE '^  [a-z0-9_]+ +[^ ]' && fail "info $file: a line is no 'name value': $(tail -n +2 text.txt | grep -vE '^  [a-z0-9_]+ +[^ ]')"
    "$program" info "$file" --json --quiet 2>/dev/null | /usr/bin/python3 -c '
import json, sys
names = [line.split()[0] for line in open("text.txt").read().splitlines()[1:]]
assert list(json.load(sys.stdin)) == names, names' || fail "info $file: text and JSON disagree"
done

# rows x columns, as everywhere
for file in scan.h5 image.npy; do
    "$program" info $file --quiet 2>/dev/null | grep -qE '^  image +48 x 40$' || fail "info $file does not say 48 x 40"
done

"$program" recon scan.h5 --plan --method l1-wavelet --quiet >plan.txt 2>/dev/null || fail "recon --plan"
for line in 'method +l1-wavelet' 'options +lambda=0 .*wavelet=db2 shift=yes' 'operator, once +[0-9.e-]+ GFLOP' \
    'time, in all +[0-9.e-]+ s' 'memory, at most +[0-9.]+ MiB'; do
    grep -qE "^$line" plan.txt || fail "--plan says nothing of '$line': $(cat plan.txt)"
done
"$program" recon scan.h5 --plan --method l1-wavelet --quiet --json 2>/dev/null | /usr/bin/python3 -c '
import json, sys
plan = json.load(sys.stdin)
shown = open("plan.txt").read().splitlines()
assert len(shown) == sum(v != 0 for v in plan.values()), (len(shown), plan)' || fail "--plan: text and JSON disagree"
finish
