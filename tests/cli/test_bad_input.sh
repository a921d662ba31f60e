#!/usr/bin/env bash
# Bad input gets one clear line and exit 1 (2 for wrong use), and nothing half-written.
source "$(dirname "$0")/library.sh"

# A small good scan and a volume to start from.
/usr/bin/python3 - <<'P' || skip "needs python3-numpy and python3-h5py"
import numpy as np
y, x = np.mgrid[-1:1:48j, -1:1:40j]
disc = ((x**2 + y**2) < 0.6).astype(np.float32) + 0.5 * ((x - 0.2)**2 + y**2 < 0.1)
np.save("image.npy", disc.astype(np.float32))
np.save("zeros.npy", np.zeros((48, 40), np.float32))
np.save("other.npy", np.ones((30, 20), np.float32))
np.save("mask_other.npy", np.ones((30, 20), np.uint8))
np.save("mask_nan.npy", np.full((48, 40), np.nan, np.float32))
np.save("mask_text.npy", np.array(["a", "b"]))
np.save("maps_nan.npy", np.full((4, 48, 40), np.nan, np.complex64))
np.save("maps_zero.npy", np.zeros((4, 48, 40), np.complex64))
np.save("mask_none.npy", np.zeros((48, 40), np.uint8))
m = np.zeros((48, 40), np.uint8); m[::4] = 1
np.save("mask_sparse.npy", m)
P
"$program" simulate image.npy -o scan.h5 --mask lines:2:16 --coils 4 --noise 0.01 --seed 1 --quiet >/dev/null
"$program" simulate image.npy -o full.h5 --mask full --coils 4 --noise 0.01 --seed 1 --quiet >/dev/null

# wrong use
expect 2 "unknown command" nonsense
expect 2 "expected a SCAN" recon -o out
expect 2 "expected -o OUT" recon scan.h5
expect 2 "unrecognized option" recon scan.h5 -o out --no-such-option
expect 2 "method.*no-such-method" recon scan.h5 -o out --method no-such-method
expect 2 "unknown option 'bogus'" recon scan.h5 -o out --method tv --opt bogus=1
expect 2 "lambda" recon scan.h5 -o out --method l1-wavelet --opt lambda=soft
expect 2 "draws no samples" recon scan.h5 -o out --method cg-sense --samples 4
expect 2 "format.*gif" recon scan.h5 -o out --method cg-sense --format gif
expect 2 "--seed" recon scan.h5 -o out --seed minus
expect 2 "--slices" simulate image.npy -o s.h5 --slices 3
expect 2 "mask|sampling" simulate image.npy -o s.h5 --mask spiral:4:24

# files that are missing, cut, foreign, or disagree
head -c 3000 scan.h5 >cut.h5
head -c 20000 /dev/urandom >noise.h5
printf 'hello\n' >text.h5
: >empty.h5
mkdir folder
expect 1 "missing.h5.*No such file" recon missing.h5 -o out --method cg-sense
expect 1 "cut.h5" recon cut.h5 -o out --method cg-sense
expect 1 "noise.h5" recon noise.h5 -o out --method cg-sense
expect 1 "text.h5" recon text.h5 -o out --method cg-sense
expect 1 "empty.h5" recon empty.h5 -o out --method cg-sense
mkdir empty_place
expect 1 "empty_place: not a scan: a folder, expected a file" recon empty_place -o out --method cg-sense
expect 1 "a scan without a name" recon "" -o out --method cg-sense
expect 1 "not a scan" recon /dev/null -o out --method cg-sense
expect 1 "mask_other" recon full.h5 --mask mask_other.npy -o out --method cg-sense
expect 1 "mask_none.npy.*without samples" recon full.h5 --mask mask_none.npy -o out --method cg-sense
expect 1 "calibration" recon full.h5 --mask mask_sparse.npy -o out --method cg-sense
expect 1 "mask_nan.npy: mask holds nan" recon full.h5 --mask mask_nan.npy -o out --method cg-sense
expect 1 "mask_text.npy: .*expected a float" recon full.h5 --mask mask_text.npy -o out --method cg-sense
expect 1 "empty_place: .*a folder" recon full.h5 --mask empty_place -o out --method cg-sense
expect 1 "maps_nan.npy|coil maps: not finite" recon scan.h5 --maps maps_nan.npy -o out --method cg-sense
expect 1 "coil maps: zero everywhere" recon scan.h5 --maps maps_zero.npy -o out --method cg-sense
expect 1 "maps|other.npy" recon scan.h5 --maps other.npy -o out --method cg-sense
expect 1 "prior|weights|safetensors|image.npy" recon scan.h5 --prior image.npy -o out
expect 1 "text.h5: expected a scan, an image, a prior .* or a protocol" info text.h5
/usr/bin/python3 -c 'import numpy as np; y, x = np.mgrid[-1:1:48j, -1:1:40j]; np.save("maps.npy", np.stack([0.5 * np.exp(9j * (k - 1.5) * x) for k in range(4)]).astype("c8"))'
expect 1 "explains [0-9]+ % of the signal" recon scan.h5 --maps maps.npy -o out --method cg-sense
[ ! -e out ] || fail "an implausible image was written"
expect 1 "by force: .*explains [0-9]+ % of the signal" recon scan.h5 --maps maps.npy -o forced --method cg-sense --force
grep -q '"fit": "implausible"' forced/record.json || fail "--force: the record does not say that the image failed"
expect 1 "zeros.npy.*empty" simulate zeros.npy -o s.h5
expect 1 "expected 1 x 48 x 40" compare image.npy other.npy

# k-space that is not a number, or nothing but zeros
/usr/bin/python3 - <<'P'
import h5py, numpy as np, shutil
for name, change in (("nan", lambda d: d.__setitem__(5, np.nan)), ("zero", lambda d: d.fill(0))):
    shutil.copy("scan.h5", name + ".h5")
    with h5py.File(name + ".h5", "r+") as f:
        data = f["dataset/data"][...]
        for i in range(len(data)):
            if name == "zero" or i == len(data) // 2:
                change(data[i]["data"])
        f["dataset/data"][...] = data
P
expect 1 "nan.h5.*(NaN|not finite)" recon nan.h5 -o out --method cg-sense
expect 1 "zero.h5.*zero" recon zero.h5 -o out --method cg-sense

# a prior for another modality
if [ -f "$SCORECON_DATA/weights/brain-mr.safetensors" ]; then
    /usr/bin/python3 - "$SCORECON_DATA/weights/brain-mr.safetensors" <<'P'
import json, struct, sys
data = open(sys.argv[1], "rb").read()
size = struct.unpack("<Q", data[:8])[0]
header = json.loads(data[8:8 + size])
header["__metadata__"]["modality"] = "CT"
text = json.dumps(header).encode()
text += b" " * (-len(text) % 8)
open("ct.safetensors", "wb").write(struct.pack("<Q", len(text)) + text + data[8 + size:])
P
    expect 1 "ct.safetensors.*MR.*CT" recon scan.h5 --prior ct.safetensors -o out
    "$program" check scan.h5 -p "$source_dir/protocols/brain-cartesian.yaml" --quiet >/dev/null || fail "check with a protocol"
    "$program" recon scan.h5 -o one --samples 1 --opt levels=3 --format npy --quiet >/dev/null 2>&1 || fail "--samples 1"
    [ -f one/image.npy ] && [ ! -e one/std.npy ] || fail "--samples 1 must not claim a standard deviation"
    "$program" recon scan.h5 -o three --samples 3 --opt levels=3 --format npy,png --quiet >/dev/null 2>&1 || fail "--samples 3"
    for file in image std p05 p95 samples; do [ -s three/$file.npy ] || fail "--samples 3 writes no $file.npy"; done
    "$program" recon scan.h5 -o hurry --time-budget 0.01 --format npy >/dev/null 2>err.txt || fail "--time-budget"
    grep -q "time budget 0.01 s is too short, the fewest steps are taken: levels=4 of [0-9]*, about .* for each step" err.txt ||
        fail "an impossible time budget is not said: $(cat err.txt)"
    "$program" recon scan.h5 -o calm --time-budget 600 --format npy >out.txt 2>err.txt || fail "--time-budget"
    grep -q 'time budget 600 s: levels=\([0-9]*\) of \1, about' out.txt || fail "what a time budget chose is not said: $(cat out.txt)"
    grep -q "budget" err.txt && fail "a time budget that suffices is a warning: $(cat err.txt)"
fi

# what is not as it was asked for is said, in one line, and done
"$program" recon scan.h5 -o coils --coils 99 --method cg-sense --format npy >/dev/null 2>err.txt || fail "--coils 99"
[ "$(grep -c "99 virtual coils were asked for, but it has 4 coils" err.txt)" -eq 1 ] || fail "--coils 99 of 4 is not said: $(cat err.txt)"
"$program" recon scan.h5 -o coils4 --coils 4 --method cg-sense --format npy >/dev/null 2>err.txt || fail "--coils 4"
grep -q "virtual coils" err.txt && fail "--coils 4 of 4 is a warning: $(cat err.txt)"
"$program" recon scan.h5 -o loud --noise 1e4 --method cg-sense --format npy >/dev/null 2>err.txt || fail "--noise 1e4"
grep -qE "the noise given is 1e\+04, .* times that measured: .*sigma 0.0" err.txt || fail "an absurd noise is not said: $(cat err.txt)"
grep -q "the noise given is 1e+04" loud/record.json || fail "an absurd noise is not in the record"
"$program" recon full.h5 -o full --method cg-sense --format npy --log log.jsonl --quiet >/dev/null || fail "a full scan"
grep -q "full.h5: nothing was undersampled" log.jsonl || fail "the log does not say that nothing was undersampled"
grep -q '"sampling": "full: nothing was undersampled"' full/record.json || fail "the record does not say that nothing was undersampled"
grep -q sampling coils/record.json && fail "an undersampled scan counts as full"

# several scans: one bad does not stop the good
cp scan.h5 second.h5
got=0
"$program" recon scan.h5 missing.h5 second.h5 -o many --method cg-sense --format npy --quiet >/dev/null 2>err.txt || got=$?
[ "$got" -eq 1 ] && [ -f many/scan/image.npy ] && [ -f many/second/image.npy ] && grep -q missing.h5 err.txt ||
    fail "three scans of which one is missing: exit $got: $(cat err.txt)"

# protocols and geometry
printf 'methd: pc\n' >unknown.yaml
printf 'samples: many\n' >type.yaml
printf '{"image_position_mm": [0, 0]}' >geometry.json
expect 1 "unknown.yaml.*methd" recon scan.h5 -o out -p unknown.yaml
expect 1 "type.yaml.*samples" recon scan.h5 -o out -p type.yaml
expect 1 "geometry.json" recon scan.h5 -o out --method cg-sense --geometry geometry.json
expect 1 "geometry" recon scan.h5 -o out --method cg-sense --format dicom
expect 1 "geometry" recon scan.h5 -o out --method cg-sense --format npy,dicom
expect 2 "in full" recon scan.h5 -o out --method cg-sense --proto unknown.yaml
expect 2 "random.*centre" simulate image.npy -o s.h5 --mask random:8:24
expect 2 "s.npy.*h5" simulate image.npy -o s.npy

# a scan of arrays: several coils tell it from an image
"$program" simulate image.npy -o array.cfl --mask full --coils 4 --quiet >/dev/null || fail "simulate to .cfl"
"$program" simulate array.cfl -o part.cfl --mask lines:4:16 --quiet || fail "a .cfl scan is not undersampled"
"$program" info part.cfl --quiet | grep -qE "acceleration +[2-9]" || fail "part.cfl is not undersampled"
expect 2 "array.cfl: slice: expected 0 to 0, found 3" recon array.cfl -o out --method cg-sense --slice 3

# pairs of .cfl and .hdr that disagree
head -c 5000 array.cfl >cut.cfl && cp array.hdr cut.hdr
cp array.hdr alone.hdr
for sizes in negative:-1 huge:99999999999; do
    cp array.cfl "${sizes%:*}.cfl"
    printf '# Dimensions\n%s 48000000 40000000 8\n' "${sizes#*:}" >"${sizes%:*}.hdr"
done
expect 1 "cut.hdr: sizes ask for [0-9]* bytes, cut.cfl holds 5000" recon cut.cfl -o out --method cg-sense
expect 1 "alone.cfl: No such file" recon alone.cfl -o out --method cg-sense
expect 1 "negative.hdr: dimension 0 is -1" recon negative.cfl -o out --method cg-sense
expect 1 "huge.hdr: the sizes overflow" recon huge.cfl -o out --method cg-sense

# output folders
mkdir full_folder && touch full_folder/file
expect 1 "full_folder" recon scan.h5 -o full_folder --method cg-sense
expect 1 "missing_parent" recon scan.h5 -o missing_parent/deeper/out --method cg-sense
touch a_file
expect 2 "unknown option 'bogus'" recon scan.h5 -o a_file --method tv --opt bogus=1
expect 2 "no-such-method" recon scan.h5 second.h5 -o none --method no-such-method
[ ! -e none ] || fail "a folder was made for a method that is not there"
expect 1 "a_file" recon scan.h5 -o a_file --method cg-sense

# nothing was left behind
for leftover in out .out* s.h5; do
    [ ! -e "$leftover" ] || fail "left behind: $leftover"
done
[ "$(ls full_folder)" = file ] || fail "full_folder was touched"

# and the good scan is good
"$program" recon scan.h5 -o good --method cg-sense --format npy,png --quiet >/dev/null || fail "the good scan failed"
[ -f good/image.npy ] && [ -f good/record.json ] && [ -f good/preview.png ] || fail "good/ is not complete"
finish
