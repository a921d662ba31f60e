#!/usr/bin/env bash
# sample --inpaint, --colourise and --class: what is known comes back, a classifier that was trained
# on two folders guides, what is wrong gets one clear line.
source "$(dirname "$0")/library.sh"
prior=$SCORECON_DATA/weights/brain-mr.safetensors
[ -s "$prior" ] || fail "no $prior"
few=(--prior "$prior" --steps 3 --corrector-steps 1 -n 2 --quiet)

/usr/bin/python3 - <<'PY' || fail "no numpy"
import numpy as np
y, x = np.mgrid[:16, :24] / 8.0
image = np.exp(-(y - 1) ** 2 - (x - 1.5) ** 2) * np.exp(1j * x)
np.save("image.npy", image.astype(np.complex64))
np.save("two.npy", np.stack([image, image]).astype(np.complex64))
np.save("grey.npy", (image.real / 2 + image.imag / 2).astype(np.float32))
mask = np.ones((16, 24), np.uint8)
mask[4:12, 6:18] = 0
np.save("mask.npy", mask)
np.save("small.npy", mask[:, :16])
np.save("all.npy", mask * 0 + 1)
PY

"$program" sample "${few[@]}" --inpaint image.npy --mask mask.npy -o filled.npy --png filled.png || fail "--inpaint"
"$program" sample "${few[@]}" --inpaint image.npy --mask mask.npy -o again.npy || fail "--inpaint again"
cmp -s filled.npy again.npy || fail "the same seed, other images"
"$program" sample "${few[@]}" --colourise image.npy -o coloured.npy || fail "--colourise"
"$program" sample "${few[@]}" --colourise grey.npy -o grey_coloured.npy || fail "--colourise of a mean"
/usr/bin/python3 - <<'PY' || fail "what is known did not come back"
import numpy as np
image, mask = np.load("image.npy"), np.load("mask.npy") != 0
image = image / np.percentile(abs(image), 99.9, method="higher")
x = np.load("filled.npy")
assert x.shape == (2, 16, 24) and x.dtype == np.complex64
assert (x[0][mask] == x[1][mask]).all() and (x[0][~mask] != x[1][~mask]).all()
ratio = x[0][mask] / image[mask] # one scale for all
assert abs(ratio / ratio[0] - 1).max() < 1e-4, ratio
c = np.load("coloured.npy")
mean = (c.real + c.imag) / 2
assert abs(mean[0] - mean[1]).max() < 1e-5 and abs(c[0] - c[1]).max() > 1e-2
g = np.load("grey_coloured.npy")
assert abs((g.real + g.imag) / 2 - np.load("grey.npy")).max() < 1e-5
PY

expect 2 "go together" sample --prior "$prior" --inpaint image.npy -o x.npy
expect 2 "go together" sample --prior "$prior" --mask mask.npy -o x.npy
expect 2 "one of them" sample --prior "$prior" --inpaint image.npy --mask mask.npy --colourise image.npy -o x.npy
expect 2 "size is the image's" sample --prior "$prior" --colourise image.npy --size 16x16 -o x.npy
expect 1 "expected a mask .* 16 x 24" sample --prior "$prior" --inpaint image.npy --mask small.npy -o x.npy
expect 1 "found only 1" sample --prior "$prior" --inpaint image.npy --mask all.npy -o x.npy
expect 1 "expected one image" sample --prior "$prior" --inpaint two.npy --mask mask.npy -o x.npy
expect 1 "nothing.npy" sample --prior "$prior" --colourise nothing.npy -o x.npy
expect 1 "no levels to impose" sample --prior "$prior" --sampler ode --colourise image.npy -o x.npy

# a classifier of two folders
/usr/bin/python3 - <<'PY' || fail "no images of two classes"
import numpy as np, os
y, x = np.mgrid[:32, :32]
for i in range(3):
    for name, image in ("disc", np.hypot(y - 16, x - 14 - i) < 9), ("stripes", (x + i) // 4 % 2):
        os.makedirs("two/" + name, exist_ok=True)
        np.save(f"two/{name}/{i}.npy", (image + 0.01 * x).astype(np.float32)) # two values were a mask
PY
"$program" train two --classifier --val two --crop 32 --images 48 --batch 8 --threads 1 --quiet -o class.safetensors >train.txt || fail "train --classifier"
grep -q '^6 images of 2 classes' train.txt || fail "train --classifier says: $(cat train.txt)"
"$program" info class.safetensors >/dev/null || fail "info of a classifier"
"$program" sample "${few[@]:0:2}" --steps 4 -n 1 --size 32x32 --quiet -o prior.npy || fail "sample"
"$program" sample "${few[@]:0:2}" --steps 4 -n 1 --size 32x32 --class disc --classifier class.safetensors --quiet -o disc.npy || fail "--class"
cmp -s prior.npy disc.npy && fail "a class guides nothing"
expect 2 "one of disc, stripes" sample --prior "$prior" --class cube --classifier class.safetensors -o x.npy
expect 2 "go together" sample --prior "$prior" --class disc -o x.npy
expect 2 "go together" sample --prior "$prior" --guidance 2 -o x.npy
expect 1 "found a prior" sample --prior "$prior" --class disc --classifier "$prior" -o x.npy
expect 1 "found a classifier" sample --prior class.safetensors -o x.npy
expect 2 "goes with FOLDER" train two --classifier --init "$prior" -o x.safetensors
finish
