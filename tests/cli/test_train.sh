# scorecon train and sample: a training killed at random moments ends in the same bytes as one that
# was not; what is wrong with the input is said in one line.
source "$(dirname "$0")/library.sh"
export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive # other tests run beside this one

# A grey TIFF of 32 x 32 pixels of 8 bit: a bright square of side $2 on a dark ground, a brighter
# pixel in its corner, as of 2 values only it would be a mask.
tiff() {
    local entries='\0\1\3\0\1\0\0\0\40\0\0\0\1\1\3\0\1\0\0\0\40\0\0\0\2\1\3\0\1\0\0\0\10\0\0\0'
    entries+='\6\1\3\0\1\0\0\0\1\0\0\0\21\1\4\0\1\0\0\0\10\0\0\0\26\1\3\0\1\0\0\0\40\0\0\0'
    entries+='\27\1\4\0\1\0\0\0\0\4\0\0'
    local pixels="" y x
    for y in {0..31}; do for x in {0..31}; do
        if ((y == 5 && x == 7)); then pixels+='\200'; elif ((y > 4 && x > 6 && y < 4 + $2 && x < 6 + $2)); then pixels+='\170'; else pixels+='\1'; fi
    done; done
    printf 'II\52\0\10\4\0\0'"$pixels"'\7\0'"$entries"'\0\0\0\0' >"$1"
}
mkdir -p data/T1 data/T2 empty
tiff data/T1/a.tif 12
tiff data/T1/b.tif 18
tiff data/T2/c.tif 24
echo '{"nf": 8, "levels": 2, "ch_mult": [1, 1], "num_res_blocks": 1, "attention": [0, 0]}' >net.json
cat >shares.csv <<'END'
subject,contrast,kspace_rows,kspace_cols
a,T1,1.00,0.80
b,T1,0.90,0.90
c,T2,1.00,1.00
END
train=(train data --network net.json --crop 16 --batch 4 --threads 1 --occupied shares.csv --val data)

"$program" "${train[@]}" --images 400 --checkpoint whole.ckpt -o whole.safetensors --quiet \
    --history whole.jsonl || fail "training"
grep -q validation whole.jsonl || fail "no validation in the history"

# killed again and again, at random moments while a checkpoint, weights and a picture are written
# after each update; what is there is whole each time
kill_train=("$program" "${train[@]}" --images 400 --checkpoint k.ckpt --resume -o k.safetensors
    --history k.jsonl --quiet)
for trial in {1..10}; do
    before=$(stat -c %Y.%i k.ckpt 2>/dev/null || true)
    "${kill_train[@]}" --figure k.png --checkpoint-minutes 0 &
    pid=$!
    for _ in {1..400}; do # until it has written a checkpoint of its own, or is done
        [ "$(stat -c %Y.%i k.ckpt 2>/dev/null || true)" != "$before" ] && break
        kill -0 $pid 2>/dev/null || break
        sleep 0.02
    done
    sleep "0.$((RANDOM % 3))$((RANDOM % 10))"
    kill -KILL $pid 2>/dev/null || true
    wait $pid 2>/dev/null || true
    [ ! -e k.safetensors ] || "$program" info k.safetensors >/dev/null || fail "kill $trial: weights"
    [ ! -e k.png ] || [ "$(tail -c 8 k.png | od -An -tx1 | tr -d ' ')" = 49454e44ae426082 ] ||
        fail "kill $trial: k.png is cut"
done
"${kill_train[@]}" --figure k.png || fail "resume"
cmp whole.safetensors k.safetensors || fail "a killed and resumed training differs"
cmp whole.ckpt k.ckpt || fail "its checkpoint differs"

for threads in 1 2; do
    "$program" "${train[@]}" --images 40 -o "$threads.safetensors" --quiet --threads $threads || fail "training"
done
cmp 1.safetensors 2.safetensors || fail "two threads give other weights than one"

# Ctrl-C: exit 130, a checkpoint to go on from
"$program" "${train[@]}" --images 10000000 --checkpoint stop.ckpt --checkpoint-minutes 0 -o stop.safetensors \
    --quiet 2>err.txt &
pid=$!
for _ in $(seq 1000); do [ -s stop.ckpt ] && break; sleep 0.05; done
kill -INT "$pid"
code=0
wait "$pid" || code=$?
[ "$code" -eq 130 ] && [ -s stop.ckpt ] && grep -q "resume from stop.ckpt" err.txt || fail "Ctrl-C: exit $code"

"$program" train data --evaluate whole.safetensors --crop 16 | grep -q "RMS error" || fail "evaluate"
"$program" sample --prior whole.safetensors -n 2 --size 9x14 --steps 4 -o s.npy --quiet || fail "sample"
"$program" sample --prior whole.safetensors -n 2 --size 9x14 --steps 4 -o s.png --quiet || fail "sample"
[ "$(stat -c %s s.npy)" -eq $((128 + 2 * 9 * 14 * 8)) ] || fail "s.npy has the wrong size"

"$program" sample --prior whole.safetensors -n 2 --size 8x8 --sampler reverse-diffusion --corrector langevin \
    --steps 5 -o s.npy --png s.png --quiet || fail "published sampler"
expect 2 "dpm\+\+2m has no corrector" sample --prior whole.safetensors --corrector langevin -o s.npy

# ---- the published losses, each with a network that it is for ----

common='"nf": 8, "levels": 2, "ch_mult": [1, 1], "num_res_blocks": 1, "precondition_edm": 0'
while read -r loss sampler fields; do
    echo "{$common, $fields}" >published.json
    "$program" "${train[@]}" --network published.json --loss "$loss" --reduce sum --warmup-from zero \
        --images 12 -o published.safetensors --quiet || fail "$loss, $fields"
    "$program" sample --prior published.safetensors -n 1 --size 8x8 --sampler "$sampler" --steps 25 \
        -o p.npy --quiet || fail "sample $loss, $fields"
done <<'END'
score reverse-diffusion "sde": "ve", "embedding_fourier": 1, "scale_by_sigma": 1
score ancestral "sde": "vp", "embedding_fourier": 0, "scale_by_sigma": 0
score euler-maruyama "sde": "subvp", "embedding_fourier": 0, "scale_by_sigma": 0
smld ancestral "sde": "ve", "embedding_fourier": 0, "scale_by_sigma": 1, "continuous": 0, "num_scales": 50
ddpm ancestral "sde": "vp", "embedding_fourier": 0, "scale_by_sigma": 0, "continuous": 0, "num_scales": 50
END
"$program" "${train[@]:0:2}" --crop 16 --batch 4 --images 4 --init published.safetensors --loss ddpm \
    --threads 1 -o tuned.safetensors --quiet || fail "fine-tuning takes the network from the weights"

# ---- what a fine-tuned prior says of itself ----

echo '{"modality": "MR", "anatomy": "knee", "licence": "share alike", "data": "knees of A"}' >about.json
tune=("${train[@]:0:2}" --crop 16 --batch 4 --images 4 --threads 1)
"$program" "${tune[@]}" --quiet --network net.json --about about.json -o knee.safetensors || fail "--about"
"$program" "${tune[@]}" --quiet --init knee.safetensors -o tuned.safetensors || fail "--init without --about"
"$program" info tuned.safetensors >text.txt
for line in 'modality +MR' 'anatomy +knee' 'licence +share alike' \
    "data +knees of A; fine-tuned from SHA-256 $(sha256sum <knee.safetensors | head -c 64)"; do
    grep -qE "^  $line\$" text.txt || fail "a fine-tuned prior does not inherit '$line': $(cat text.txt)"
done
echo '{"modality": "MR", "anatomy": "hand", "licence": "other", "data": "hands"}' >about.json
"$program" "${tune[@]}" --init knee.safetensors --about about.json -o tuned.safetensors 2>err.txt >/dev/null ||
    fail "--init with --about"
"$program" info tuned.safetensors | grep -qE '^  licence +other$' || fail "--about does not win over --init"
grep -q "licence 'other', but the prior that --init starts from has 'share alike'" err.txt || fail "another licence is not said"
grep -qF "fine_tuned_from\\\":\\\"$(sha256sum <knee.safetensors | head -c 64)" tuned.safetensors || fail "the record does not name the first prior"
# a checkpoint knows it, too: neither --init nor --about is needed to go on
kept=("${tune[@]}" --checkpoint kept.ckpt -o kept.safetensors)
base=$(sha256sum <knee.safetensors | head -c 64)
"$program" "${kept[@]}" --quiet --init knee.safetensors || fail "--init with a checkpoint"
"$program" "${kept[@]}" --quiet --resume --images 8 --network net.json || fail "resuming without --init"
"$program" info kept.safetensors >text.txt
for line in 'modality +MR' 'anatomy +knee' 'licence +share alike' "data +knees of A; fine-tuned from SHA-256 $base"; do
    grep -qE "^  $line\$" text.txt || fail "a resumed run loses '$line': $(cat text.txt)"
done
grep -qF "fine_tuned_from\\\":\\\"$base" kept.safetensors || fail "a resumed run does not name the first prior"
"$program" "${kept[@]}" --resume --images 12 --network net.json --about about.json 2>err.txt >/dev/null || fail "resuming with --about"
"$program" info kept.safetensors | grep -qE '^  licence +other$' || fail "--about does not win over the checkpoint"
grep -q "licence 'other', but the checkpoint has 'share alike'" err.txt || fail "another licence on resuming is not said: $(cat err.txt)"
"$program" "${kept[@]}" --resume --images 16 --init tuned.safetensors 2>err.txt >/dev/null || fail "resuming with another --init"
grep -q "the checkpoint began from SHA-256 $base, which is kept" err.txt || fail "another --init is not said: $(cat err.txt)"
echo '{"modality": "MR"}' >about.json
expect 1 "about.json: expected a text 'anatomy'" "${tune[@]}" --about about.json -o x.safetensors

# ---- other containers, by content ----

le() { printf '\\x%02x\\x%02x' $(($1 & 255)) $(($1 >> 8)); } # 16 bits
put() { printf "$3" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none; }
pixels() { tail -c +9 "$1" | head -c 1024; } # of a TIFF from above
npy() { # FILE DTYPE SHAPE: the header
    local text="{'descr': '$2', 'fortran_order': False, 'shape': ($3), }"
    printf '\x93NUMPY\x01\x00'"$(le 118)" >"$1"
    printf '%-117s\n' "$text" >>"$1"
}
mkdir -p mixed/A mixed/B
cp data/T1/a.tif mixed/A/one # names say nothing
npy mixed/A/two.npy '|u1' '3, 32, 32'
for f in T1/a T1/b T2/c; do pixels data/$f.tif >>mixed/A/two.npy; done
head -c 352 /dev/zero >mixed/B/sub-03_T1w.nii
put mixed/B/sub-03_T1w.nii 0 "$(le 348)"
put mixed/B/sub-03_T1w.nii 40 "$(le 3)$(le 32)$(le 32)$(le 3)$(le 1)$(le 1)$(le 1)$(le 1)"
put mixed/B/sub-03_T1w.nii 70 "$(le 2)$(le 8)"
for at in 76 80 84 88 112; do put mixed/B/sub-03_T1w.nii $at '\x00\x00\x80\x3f'; done
put mixed/B/sub-03_T1w.nii 108 '\x00\x00\xb0\x43'
put mixed/B/sub-03_T1w.nii 344 'n+1\x00'
pixels data/T1/a.tif >>mixed/B/sub-03_T1w.nii
head -c 1024 /dev/zero >>mixed/B/sub-03_T1w.nii # a slice of air is left out
pixels data/T2/c.tif >>mixed/B/sub-03_T1w.nii
cp mixed/B/sub-03_T1w.nii mixed/B/sub-03_T2w.nii
echo "not an image" >mixed/README
mixed=(train mixed --network net.json --crop 16 --batch 4 --threads 1 --images 8 -o mixed.safetensors)
"$program" "${mixed[@]}" --val-share 0.3 2>err.txt >/dev/null || fail "mixed containers: $(cat err.txt)"
# subjects one, two, sub-03 (both files); 1 + 3 + 2 + 2 slices
images=$(sed -n 's/^\([0-9]*\) images of \([0-9]*\) subjects.*, \([0-9]*\) of \([0-9]*\) to val.*/\1+\3 \2+\4/p' err.txt)
printf '{"step": 7, "im' >half.jsonl # of a killed run
"$program" "${mixed[@]}" --images 220 --quiet --history half.jsonl --figure half.png || fail "history"
[ "$(wc -l <half.jsonl)" -eq 3 ] || fail "half a line in the history: $(cat half.jsonl)"
"$program" "${mixed[@]}" --quiet --history /dev/full 2>err.txt || fail "a history that cannot be written stops the training"
"$program" "${mixed[@]}" --images 220 --history /dev/full 2>full.txt >/dev/null || fail "history on a full disk"
grep -q "no line in the history.*No space left" full.txt || fail "a full disk is not said: $(cat full.txt)"
[ $((${images% *})) -eq 8 ] && [ "${images#* }" = 2+1 ] || fail "mixed containers: $(cat err.txt)"
expect 2 "exclude each other" "${mixed[@]}" --val data --val-share 0.3

# masks, as .npy and as TIFF, are named and left out
mkdir -p masks/A
npy masks/A/mask.npy '|u1' '2, 33, 31'
for _ in {1..1023}; do printf '\x00\x01'; done >>masks/A/mask.npy
tiff masks/A/label.tif 12
put masks/A/label.tif 175 '\x78' # the brighter pixel
expect 1 "masks: no images with signal" train masks --network net.json -o x.safetensors
npy masks/A/odd.npy '|u1' '1, 33, 31'
head -c 1023 /dev/urandom >>masks/A/odd.npy
"$program" train masks "${mixed[@]:2}" 2>err.txt >/dev/null || fail "masks: $(cat err.txt)"
grep -q "^1 images of 1 subjects" err.txt || fail "masks are trained on: $(cat err.txt)"
for name in mask.npy label.tif; do grep -q "$name holds 2 different values" err.txt || fail "$name is not named: $(cat err.txt)"; done
expect 1 "all images are of one subject" train mixed/B --val-share 0.3 -o x.safetensors
if [ -d "$shared/ct/dicom/series" ]; then
    mkdir -p scans/x
    cp "$shared"/ct/dicom/series/1-1[1-3].dcm scans/x
    "$program" train scans "${mixed[@]:2}" 2>err.txt >/dev/null || fail "DICOM: $(cat err.txt)"
    grep -q "^3 images of 1 subjects" err.txt || fail "DICOM: $(cat err.txt)"
    grep -q "(HU + 1000) / 2000" mixed.safetensors || fail "CT is not normalised by its units"
    cp mixed/A/one scans/x
    expect 1 "CT in Hounsfield units" train scans -o x.safetensors
fi

# ---- more images than memory ----

mkdir -p big
npy big/stack.npy '|u1' '128, 256, 256'
head -c $((128 * 65536)) /dev/urandom >>big/stack.npy
big=(train big --network net.json --crop 16 --batch 4 --threads 1 -o big.safetensors)
for memory in 2 1000; do
    "$program" "${big[@]}" --images 12 --memory $memory --quiet || fail "--memory $memory"
    mv big.safetensors big$memory.safetensors
    rm -f m.ckpt
    "$program" "${big[@]}" --images 100000000 --memory $memory --checkpoint m.ckpt \
        --checkpoint-minutes 0 --quiet &
    pid=$!
    for _ in {1..3000}; do [ -s m.ckpt ] && break; sleep 0.02; done
    eval peak$memory="$(sed -n 's/^VmHWM:[^0-9]*\([0-9]*\) kB/\1/p' /proc/$pid/status)"
    kill -KILL $pid
    wait $pid 2>/dev/null || true
done
cmp big2.safetensors big1000.safetensors || fail "a scratch file changes the training"
[ "$((peak1000 - peak2))" -gt 25000 ] || fail "--memory 2 takes $peak2 kB, all in memory $peak1000 kB"
[ -z "$(find . -name '*scratch*')" ] || fail "a scratch file is left"
expect 1 "scratch" "${big[@]}" --memory 2 --scratch /nowhere
for file in "-o nowhere/x" "-o x --checkpoint nowhere/x" "-o x --figure nowhere/x"; do
    expect 1 "nowhere/x: cannot create" train big --network net.json --images 100000000 $file
done

# ---- what goes wrong ----

mkdir -p nan
npy nan/a.npy '<f4' '2, 16, 16'
for _ in {1..511}; do printf '\x00\x00\x80\x3f'; done >>nan/a.npy
printf '\x00\x00\xc0\x7f' >>nan/a.npy
expect 1 "nan/a.npy: slice 2 holds 1 values that are not finite" train nan -o x.safetensors
expect 2 "loss smld: the network has EDM" "${train[@]}" --loss smld -o x.safetensors
expect 2 "expected reduce mean" "${train[@]}" --reduce sum -o x.safetensors
expect 2 "evaluate goes with" "${train[@]}" --evaluate whole.safetensors
expect 2 "expected cpu, cuda" "${train[@]}" --device gpu -o x.safetensors
expect 2 "training is in float32" "${train[@]}" --device cuda:bf16 -o x.safetensors
expect 2 "one of denoiser" "${train[@]}" --loss other -o x.safetensors
expect 1 "empty: no images" train empty -o x.safetensors
expect 1 "nowhere" train nowhere -o x.safetensors
expect 2 "stop.ckpt exists" "${train[@]}" --checkpoint stop.ckpt -o x.safetensors
expect 1 "seed" "${train[@]}" --checkpoint stop.ckpt --resume --seed 2 -o x.safetensors
echo '{"nf": 16, "levels": 2, "ch_mult": [1, 1], "num_res_blocks": 1, "attention": [0, 0]}' >wide.json
expect 1 'network of the checkpoint: expected "nf":16, found "nf":8 ' "${train[@]}" --network wide.json --checkpoint stop.ckpt --resume -o x.safetensors
expect 2 "from 8 to 1024" "${train[@]}" --crop 3 -o x.safetensors
expect 2 "needs --checkpoint" "${train[@]}" --resume -o x.safetensors
head -2 shares.csv >short.csv
expect 1 "b is not in the table" train data --occupied short.csv -o x.safetensors
printf 'subject,contrast\na,T1\n' >bad.csv
expect 1 "no column 'kspace_rows'" train data --occupied bad.csv -o x.safetensors
head -c 700 data/T1/a.tif >data/T1/cut.tif
expect 1 "cut.tif" train data -o x.safetensors
expect 1 "whole.jsonl" sample --prior whole.jsonl -o s.npy
expect 2 "npy or .png" sample --prior whole.safetensors -o s.txt
[ ! -e x.safetensors ] || fail "something was written"
finish
