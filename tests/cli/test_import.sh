#!/usr/bin/env bash
# import: a checkpoint becomes a prior that info, sample and recon accept; what is wrong gets one
# clear line, and nothing is written.
source "$(dirname "$0")/library.sh"

# A small network's checkpoint, written with the standard library alone: zip and pickle by hand.
cat >config.json <<'J'
{"model": {"name": "ncsnpp", "nf": 8, "ch_mult": [1], "num_res_blocks": 1, "attn_resolutions": [],
           "scale_by_sigma": true, "embedding_type": "fourier", "resblock_type": "biggan",
           "fir": false, "progressive": "none", "progressive_input": "none", "sigma_max": 20},
 "data": {"image_size": 32, "num_channels": 2, "centered": false},
 "training": {"sde": "vesde", "continuous": true}}
J
cat >make.py <<'P'
import math, struct, sys, zipfile

def conv(o, i, k): return [o, i, k, k]

def block(m, i, o):
    yield from ((f"{m}.GroupNorm_0.weight", [i]), (f"{m}.GroupNorm_0.bias", [i]),
                (f"{m}.Conv_0.weight", conv(o, i, 3)), (f"{m}.Conv_0.bias", [o]),
                (f"{m}.Dense_0.weight", [o, 32]), (f"{m}.Dense_0.bias", [o]),
                (f"{m}.GroupNorm_1.weight", [o]), (f"{m}.GroupNorm_1.bias", [o]),
                (f"{m}.Conv_1.weight", conv(o, o, 3)), (f"{m}.Conv_1.bias", [o]))
    if i != o:
        yield from ((f"{m}.Conv_2.weight", conv(o, i, 1)), (f"{m}.Conv_2.bias", [o]))

def parameters():
    yield "0.W", [8]
    yield from (("1.weight", [32, 16]), ("1.bias", [32]), ("2.weight", [32, 32]), ("2.bias", [32]))
    yield from (("3.weight", conv(8, 2, 3)), ("3.bias", [8]))
    yield from block(4, 8, 8)
    yield from block(5, 8, 8)
    yield from (("6.GroupNorm_0.weight", [8]), ("6.GroupNorm_0.bias", [8]))
    for n in range(4):
        yield from ((f"6.NIN_{n}.W", [8, 8]), (f"6.NIN_{n}.b", [8]))
    yield from block(7, 8, 8)
    yield from block(8, 16, 8)
    yield from block(9, 16, 8)
    yield from (("10.weight", [8]), ("10.bias", [8]), ("11.weight", conv(2, 8, 3)), ("11.bias", [2]))

storages = []

def text(x): return b"X" + struct.pack("<I", len(x)) + x.encode()
def whole(x): return b"J" + struct.pack("<i", x)

def tensor(shape, values):
    key = len(storages)
    storages.append(struct.pack(f"<{len(values)}f", *values))
    strides, step = [], 1
    for n in reversed(shape):
        strides.insert(0, step)
        step *= n
    sizes, steps = (b"(" + b"".join(map(whole, v)) + b"t" for v in (shape, strides))
    return (b"ctorch._utils\n_rebuild_tensor_v2\n((" + text("storage") + b"ctorch\nFloatStorage\n" + text(str(key)) +
            text("cpu") + whole(len(values)) + b"tQ" + whole(0) + sizes + steps + b"\x89ccollections\nOrderedDict\n)RtR")

def weights(shape, seed):
    n = math.prod(shape)
    return [0.02 * math.sin(seed + i) for i in range(n)]

bad = sys.argv[2] if len(sys.argv) > 2 else ""
model, shadow = b"ccollections\nOrderedDict\n)R(", b"]("
for j, (name, shape) in enumerate(parameters()):
    values = weights(shape, j)
    if bad == "nan" and j == 5:
        values[1] = math.nan
    model += text("module.all_modules." + name) + tensor(shape, weights(shape, j + 100))
    if j:
        shadow += tensor(shape, values)
model += b"u"
ema = b"}(" + text("decay") + b"G" + struct.pack(">d", 0.999) + text("num_updates") + whole(3) + text("shadow_params") + shadow + b"eu"
pickle = b"\x80\2}(" + text("model") + model + text("ema") + ema + text("step") + whole(42) + b"u."
if bad == "system":
    pickle = b"\x80\2cos\nsystem\n" + text("touch executed") + b"\x85R."
with zipfile.ZipFile(sys.argv[1], "w", zipfile.ZIP_DEFLATED if bad == "packed" else zipfile.ZIP_STORED) as z:
    z.writestr("a/data.pkl", pickle)
    for key, data in enumerate(storages):
        z.writestr(f"a/data/{key}", data)
P
python3 make.py good.pth || skip "needs python3"
for bad in nan system packed; do python3 make.py $bad.pth $bad; done

# the way of a user
"$program" import good.pth --config config.json -o prior.safetensors --modality MR >out.txt || fail "import good.pth"
grep -q "prior.safetensors: 2 channels, .* weights averaged, step 42" out.txt || fail "import says: $(cat out.txt)"
"$program" import good.pth --config config.json -o raw.safetensors --raw --json >out.txt || fail "import --raw"
grep -q '"weights": "as they are"' out.txt || fail "import --raw --json says: $(cat out.txt)"
cmp -s prior.safetensors raw.safetensors && fail "averaged and raw weights are the same"
"$program" info prior.safetensors >out.txt || fail "info prior.safetensors"
grep -q "good.pth" out.txt || fail "info does not say where the prior is from: $(cat out.txt)"
"$program" sample --prior prior.safetensors -n 1 --size 16x16 --steps 2 -o s.npy --quiet || fail "sample"
if /usr/bin/python3 -c "import numpy as np; y, x = np.mgrid[-1:1:32j, -1:1:32j]; np.save('i.npy', (x**2 + y**2 < 0.6).astype(np.float32))" 2>/dev/null; then
    "$program" simulate i.npy -o scan.h5 --mask full --coils 2 --noise 0.01 --seed 1 --quiet
    "$program" recon scan.h5 -o out --prior prior.safetensors --plan --quiet >out.txt || fail "recon --plan with an imported prior"
fi
if [ -d "$shared/score_sde" ]; then
    for name in ncsnpp_ve tiny_ve tiny_ve.legacy; do
        "$program" import "$shared/score_sde/$name.pth" --config "$shared/score_sde/${name%.legacy}.config.json" \
            -o r.safetensors --quiet >/dev/null || fail "import $name.pth"
    done
fi

# what is wrong
expect 2 "are needed" import good.pth -o p.safetensors
expect 2 "are needed" import --config config.json -o p.safetensors
expect 2 "one CHECKPOINT" import a.pth b.pth --config config.json -o p.safetensors
expect 2 "would replace" import good.pth --config config.json -o good.pth
expect 1 "missing.pth.*No such file" import missing.pth --config config.json -o p.safetensors
expect 1 "missing.json.*No such file" import good.pth --config missing.json -o p.safetensors
expect 1 "config.json.*neither zip nor pickle" import config.json --config config.json -o p.safetensors
expect 1 "system.pth: data.pkl: byte 2: GLOBAL: global os.system" import system.pth --config config.json -o p.safetensors
expect 1 "nan.pth: tensor all_modules.3.weight: holds 1 values that are not finite" import nan.pth --config config.json -o p.safetensors
expect 1 "packed.pth: entry a/data.pkl: is compressed" import packed.pth --config config.json -o p.safetensors
head -c 5000 good.pth >cut.pth
expect 1 "cut.pth.*cut short" import cut.pth --config config.json -o p.safetensors
sed 's/"nf": 8/"nf": 16/' config.json >wide.json
expect 1 "all_modules.0.W: expected 16 by the configuration, found 8" import good.pth --config wide.json -o p.safetensors
sed 's/"nf"/"fn"/' config.json >typo.json
expect 1 "typo.json: model: key 'fn' is unknown" import good.pth --config typo.json -o p.safetensors
sed 's/, "centered": false//' config.json >short.json
expect 1 "short.json: data: key 'centered': expected true or false, found nothing" import good.pth --config short.json -o p.safetensors
expect 1 "good.pth: a PyTorch checkpoint: 'scorecon import'" info good.pth
expect 1 "good.pth: a PyTorch checkpoint: 'scorecon import'" sample --prior good.pth -o x.npy
[ -e executed ] && fail "a pickle was executed"
[ -e p.safetensors ] && fail "something was written"
"$program" import --help | grep -q "Example:" || fail "no example in --help"
finish
