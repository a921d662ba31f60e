# scorecon train and sample: a training killed at random moments ends in the same bytes as one that
# was not; what is wrong with the input is said in one line.
source "$(dirname "$0")/library.sh"
export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive # other tests run beside this one

# A grey TIFF of 32 x 32 pixels of 8 bit: a bright square of side $2 on a dark ground.
tiff() {
    local entries='\0\1\3\0\1\0\0\0\40\0\0\0\1\1\3\0\1\0\0\0\40\0\0\0\2\1\3\0\1\0\0\0\10\0\0\0'
    entries+='\6\1\3\0\1\0\0\0\1\0\0\0\21\1\4\0\1\0\0\0\10\0\0\0\26\1\3\0\1\0\0\0\40\0\0\0'
    entries+='\27\1\4\0\1\0\0\0\0\4\0\0'
    local pixels="" y x
    for y in {0..31}; do for x in {0..31}; do
        if ((y > 4 && x > 6 && y < 4 + $2 && x < 6 + $2)); then pixels+='\170'; else pixels+='\1'; fi
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

# killed again and again, in the middle of writing, too
for pause in 0.2 0.35 0.25 0.3 0.45; do
    timeout -s KILL "$pause" "$program" "${train[@]}" --images 400 --checkpoint k.ckpt --resume \
        --checkpoint-minutes 0 -o k.safetensors --quiet || true
done
"$program" "${train[@]}" --images 400 --checkpoint k.ckpt --resume -o k.safetensors --quiet || fail "resume"
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

expect 1 "empty: no images" train empty -o x.safetensors
expect 1 "nowhere" train nowhere -o x.safetensors
expect 2 "stop.ckpt exists" "${train[@]}" --checkpoint stop.ckpt -o x.safetensors
expect 1 "seed" "${train[@]}" --checkpoint stop.ckpt --resume --seed 2 -o x.safetensors
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
