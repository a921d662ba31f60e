#!/usr/bin/env bash
# sample --inpaint and --colourise: what is known comes back, another seed draws another rest, what
# is wrong gets one clear line.
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
finish
