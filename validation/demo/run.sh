#!/usr/bin/env bash
# run.sh PROGRAM FOLDER: the main job on real anatomy.
#
# The T1 head volume of Debian's mricron-data is measured by a simulated 8-coil scanner (smooth
# complex maps and phase, noise, every 4th line + 24 centre lines; the scanner sees the head on a
# finer grid than the reconstruction), eight axial slices. The scan is reconstructed by each method
# with the same data, and compared with the noiseless truth.
set -euo pipefail
program=$(realpath "$1")
out=$2
head=/usr/share/mricron/templates/ch2.nii.gz
[ -r "$head" ] || { echo "demo: $head is missing: apt-get install mricron-data" >&2; exit 1; }
rm -rf "$out"
mkdir -p "$out"
cd "$out"

say() { printf '\n$ scorecon %s\n' "$*"; "$program" "$@"; }

say simulate "$head" -o scan.h5 --truth truth.npy --slices 60:140:10 --coils 8 --mask lines:4:24 \
    --noise 0.005 --seed 1
for method in zero-filled cg-sense l1-wavelet; do
    say recon scan.h5 -o "$method" --method "$method" --format npy --quiet
done
say recon scan.h5 -o scorecon --format dicom,npy,png
echo
"$program" compare truth.npy zero-filled cg-sense l1-wavelet scorecon --figure comparison.png --slice 4
cat <<EOF

picture:       $PWD/comparison.png  (truth, reconstructions, and below them their errors x 5)
DICOM series:  $PWD/scorecon/dicom
what was done: $PWD/scorecon/record.json
EOF
