#!/usr/bin/env bash
# Same seed, same bytes: for 1 and 2 threads, DICOM UIDs included; a scan's scale does not matter.
source "$(dirname "$0")/library.sh"
prior=$source_dir/prior/weights/brain-mr.safetensors
/usr/bin/python3 - <<'P' || skip "needs python3-numpy and python3-h5py"
import numpy as np
y, x = np.mgrid[-1:1:75j, -1:1:62j]
np.save("image.npy", np.stack([((x**2 + y**2) < 0.6) + s * ((x - 0.2)**2 + y**2 < 0.1) for s in (0.3, 0.5)]).astype(np.float32))
P
"$program" simulate image.npy -o scan.h5 --mask lines:3:16 --coils 4 --noise 0.01 --quiet >/dev/null
cat >geometry.json <<'J'
{"image_position_mm": [-30, -37, 0], "row_direction": [1, 0, 0], "column_direction": [0, 1, 0],
 "pixel_spacing_mm": [1, 1], "slice_spacing_mm": 4, "slice_thickness_mm": 3}
J
methods="cg-sense l1-wavelet"
[ -f "$prior" ] && methods="$methods annealed-proximal dds"
for method in $methods; do
    for threads in 1 2; do
        "$program" recon scan.h5 -o "$method-$threads" --method "$method" --geometry geometry.json --seed 3 \
            --threads $threads --format dicom,npy,png --quiet >/dev/null 2>&1 || fail "$method with $threads threads"
    done
    for file in $(cd "$method-1" && find . -type f ! -name record.json); do
        cmp -s "$method-1/$file" "$method-2/$file" || fail "$method: $file differs between 1 and 2 threads"
    done
done

# one image on two threads: here the kernels themselves are parallel
"$program" recon scan.h5 -o one-1 --slice 0 --method l1-wavelet --threads 1 --format npy --quiet >/dev/null 2>&1
"$program" recon scan.h5 -o one-2 --slice 0 --method l1-wavelet --threads 2 --format npy --quiet >/dev/null 2>&1
cmp -s one-1/image.npy one-2/image.npy || fail "one slice differs between 1 and 2 threads"

# a scan scaled by 1e-12 and 1e+13
/usr/bin/python3 - <<'P'
import h5py, shutil
for name, factor in (("small", 1e-12), ("large", 1e13)):
    shutil.copy("scan.h5", name + ".h5")
    with h5py.File(name + ".h5", "r+") as f:
        data = f["dataset/data"][...]
        for i in range(len(data)):
            data[i]["data"] = (data[i]["data"].astype("f8") * factor).astype("f4")
        f["dataset/data"][...] = data
P
for method in $methods; do
    for name in small large; do
        "$program" recon "$name.h5" -o "$method-$name" --method "$method" --seed 3 --format npy --quiet >/dev/null 2>&1 ||
            fail "$method of the $name scan"
    done
    /usr/bin/python3 - "$method" <<'P' || fail "$method depends on the scan's scale"
import sys
import numpy as np
a = np.load(sys.argv[1] + "-1/image.npy").astype("c16")
for name, factor in (("small", 1e-12), ("large", 1e13)):
    b = np.load(f"{sys.argv[1]}-{name}/image.npy").astype("c16") / factor
    error = np.linalg.norm(a - b) / np.linalg.norm(a)
    print(f"{sys.argv[1]} scaled by {factor:g}: relative difference {error:.1e}")
    if not error < 1e-4:
        sys.exit(1)
P
done
finish
