#!/usr/bin/env bash
# likelihood and encode: a row an image, the same alone as among others and with any number of
# threads; latents decode to the image they are of; what is wrong gets one clear line.
source "$(dirname "$0")/library.sh"
prior=$SCORECON_DATA/weights/brain-mr.safetensors
[ -s "$prior" ] || fail "no $prior"
quick=(--rtol 1e-2 --atol 1e-2 --quiet)

"$program" sample --prior "$prior" -n 2 --size 16x16 --sampler ode "${quick[@]}" -o two.npy || fail "sample --sampler ode"
"$program" sample --prior "$prior" -n 1 --size 16x16 --sampler ode "${quick[@]}" -o one.npy || fail "sample -n 1"

# rows
"$program" likelihood --prior "$prior" two.npy --probes 2 "${quick[@]}" --threads 1 >two.txt || fail "likelihood two.npy"
grep -qE '^ +bits/dim +std. error' two.txt || fail "no heading: $(cat two.txt)"
[ "$(grep -cE '^ +-?[0-9.]+ +[0-9.]+ +-?[0-9.]+ +[0-9.]+ +[0-9]+  two:[12]$' two.txt)" -eq 2 ] || fail "rows: $(cat two.txt)"
grep -qE '  mean of 2 images$' two.txt || fail "no mean: $(cat two.txt)"
"$program" likelihood --prior "$prior" two.npy --probes 2 "${quick[@]}" --threads 2 >threads.txt || fail "likelihood --threads 2"
cmp -s two.txt threads.txt || fail "two threads find something else: $(diff two.txt threads.txt)"
"$program" likelihood --prior "$prior" one.npy --probes 2 "${quick[@]}" >one.txt || fail "likelihood one.npy"
[ "$(awk '$6 == "one:1" { print $1, $2, $3, $4, $5 }' one.txt)" = "$(awk '$6 == "two:1" { print $1, $2, $3, $4, $5 }' two.txt)" ] ||
    fail "alone: $(cat one.txt), among others: $(cat two.txt)"
"$program" likelihood --prior "$prior" one.npy --probes 2 "${quick[@]}" --seed 2 >seed.txt || fail "likelihood --seed 2"
cmp -s one.txt seed.txt && fail "another seed, the same probes"
"$program" likelihood --prior "$prior" one.npy --probes 1 "${quick[@]}" --offset 0 --json >one.json || fail "likelihood --json"
for fact in '"bits_per_dimension": -' '"standard_error": null' '"probes": 1' '"offset": 0' '"prior_sha256": "[0-9a-f]{64}"'; do
    grep -qE "$fact" one.json || fail "--json: no $fact: $(cat one.json)"
done

# there and back; images were scaled on the way
"$program" encode --prior "$prior" one.npy -o latent.npy --quiet >encode.txt || fail "encode"
grep -qE '^ +[01]\.[0-9]+ +[0-9]+ +[0-9]+  one:1$' encode.txt || fail "encode says: $(cat encode.txt)"
"$program" sample --prior "$prior" --latents latent.npy --sampler ode --end 1e-5 --denoise no --quiet -o back.npy || fail "sample --latents"
"$program" compare one.npy back.npy --fit --json >compare.json || fail "compare"
grep -oE '"nrmse": [0-9.e-]+' compare.json | awk '$2 > 2e-3 { print "nrmse " $2 }' | grep . && fail "the latent is of another image"
"$program" sample --prior "$prior" --latents latent.npy --between 3 --quiet -o x.npy 2>err.txt && fail "an arc from one latent"
grep -q "two latents" err.txt || fail "--between says: $(cat err.txt)"
"$program" sample --prior "$prior" -n 2 --size 16x16 --between 3 --steps 4 --json --quiet -o film.png >film.json || fail "sample --between"
grep -q '"images": 5' film.json || fail "--between 3 of two: $(cat film.json)"
# the ends of an arc are the images themselves
"$program" sample --prior "$prior" -n 2 --size 16x16 --between 1 --steps 4 --quiet -o film.npy || fail "sample --between .npy"
"$program" sample --prior "$prior" -n 2 --size 16x16 --steps 4 --quiet -o ends.npy || fail "sample"
bytes=$((16 * 16 * 8))
cmp -s <(tail -c $((3 * bytes)) film.npy | head -c $bytes) <(tail -c $((2 * bytes)) ends.npy | head -c $bytes) || fail "an arc begins elsewhere"

# the whole is said once
"$program" sample --prior "$prior" -n 2 --size 16x16 --sampler ode --rtol 1e-2 --atol 1e-2 -o x.npy >/dev/null 2>err.txt || fail "sample aloud"
[ "$(grep -c '^sampling: 100 %' err.txt)" -eq 1 ] || fail "progress of sample --sampler ode: $(cat err.txt)"

# an output that cannot be is said before hours of work
expect 1 "nowhere/x.npy" sample --prior "$prior" --steps 100000 -o nowhere/x.npy
expect 1 "nowhere/x.png" sample --prior "$prior" --steps 100000 -o x.npy --png nowhere/x.png
expect 1 "nowhere/x.npy" encode --prior "$prior" two.npy --rtol 1e-8 --atol 1e-8 -o nowhere/x.npy
expect 2 "IMAGES are needed" likelihood --prior "$prior"
expect 1 "nothing.npy" likelihood --prior "$prior" nothing.npy
expect 2 "probes" likelihood --prior "$prior" one.npy --probes 0
expect 2 "number and size are the file's" sample --prior "$prior" --latents latent.npy -n 2 -o x.npy
expect 1 "not a .npy file" sample --prior "$prior" --latents "$prior" -o x.npy
expect 2 "ends in .npy" encode --prior "$prior" one.npy -o x.txt
expect 2 "chooses its own steps" sample --prior "$prior" --sampler ode --steps 9 -o x.npy
finish
