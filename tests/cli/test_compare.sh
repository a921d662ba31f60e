#!/usr/bin/env bash
# compare takes an output folder in any of its formats, and a single slice with the stack that it is from.
source "$(dirname "$0")/library.sh"
/usr/bin/python3 - <<'P' || skip "needs python3-numpy"
import numpy as np
y, x = np.mgrid[-1:1:48j, -1:1:40j]
stack = np.stack([((x**2 + y**2) < 0.6) + s * ((x - 0.2)**2 + y**2 < 0.1) for s in (0.3, 0.5, 0.7)]).astype(np.float32)
np.save("image.npy", stack)
np.save("region.npy", (stack > 0).astype(np.uint8))
P
"$program" simulate image.npy -o scan.h5 --mask lines:2:16 --coils 4 --noise 0.01 --truth truth.npy --quiet >/dev/null
cat >geometry.json <<'J'
{"image_position_mm": [-30, -37, 0], "row_direction": [1, 0, 0], "column_direction": [0, 1, 0],
 "pixel_spacing_mm": [1, 1], "slice_spacing_mm": 4, "slice_thickness_mm": 3}
J

# psnr ARGUMENTS...: of the first image, in dB
psnr() { "$program" compare "$@" --json --quiet 2>/dev/null | /usr/bin/python3 -c 'import json, sys; print("%.2f" % json.load(sys.stdin)["images"][0]["psnr"])'; }
# near A B: equal to 0.05 dB, and a number (DICOM rounds to 16 bits)
near() { /usr/bin/python3 -c 'import sys; a, b = map(float, sys.argv[1:]); sys.exit(not (10 < a < 900 and abs(a - b) < 0.05))' "$@" 2>/dev/null; }

for format in npy cfl nifti dicom; do
    "$program" recon scan.h5 -o out-$format --method cg-sense --geometry geometry.json --format $format --quiet >/dev/null ||
        fail "recon --format $format"
done
whole=$(psnr truth.npy out-npy --fit)
for format in npy cfl nifti dicom; do
    near "$(psnr truth.npy out-$format --fit)" "$whole" || fail "compare of a folder with $format only"
done

# one slice of a stack: by the record, by --slice, or one line that says how
"$program" recon scan.h5 -o one --slice 2 --method cg-sense --format npy --quiet >/dev/null
"$program" recon scan.h5 -o two --slice 1 --method cg-sense --format npy --quiet >/dev/null
"$program" compare truth.npy one --fit | grep -q "slice 2 only" || fail "the record's slice is not used"
right=$(psnr truth.npy one --fit --region region.npy)
cp one/image.npy copy.npy
near "$(psnr truth.npy copy.npy --fit --region region.npy --slice 2)" "$right" || fail "--slice 2"
near "$(psnr truth.npy copy.npy --fit --region region.npy --slice 0)" "$right" && fail "--slice 0 is not slice 2"
expect 2 "copy is one slice, truth has 3: say which one with --slice K" compare truth.npy copy.npy
expect 2 "truth: expected slice 0 to 2, found 3" compare truth.npy copy.npy --slice 3
expect 2 "two: expected slice 2 as the others, found slice 1" compare truth.npy one two
expect 2 "one: expected slice 0 as the others, found slice 2" compare truth.npy one --slice 0
"$program" compare truth.npy one --figure figure.png --quiet >/dev/null && [ -s figure.png ] || fail "figure of one slice"
finish
