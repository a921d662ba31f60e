"""An independent reading of ISMRMRD files with h5py and NumPy: what scorecon made of a file (npy
arrays in a folder) against the format's text.

    check_ismrmrd.py FILE.h5 FOLDER     compares FOLDER/{kspace,mask,noise}.npy with FILE.h5
"""
import re
import sys

import h5py
import numpy as np

path, folder = sys.argv[1:]
group = h5py.File(path, "r")["dataset"]
xml = group["xml"][0].decode()
data = group["data"]
head = data["head"]
samples = [np.asarray(d, np.float32) for d in data["data"]]


def numbers(section, element, text=xml):
    part = re.search(rf"<{section}>(.*?)</{section}>", text, re.S).group(1)
    part = re.search(rf"<{element}>(.*?)</{element}>", part, re.S).group(1)
    return [float(v) for v in re.findall(r">([-0-9.eE+]+)<", part)]


nx, ny, nz = (int(v) for v in numbers("encodedSpace", "matrixSize"))
ratio = numbers("reconSpace", "fieldOfView_mm")[0] / numbers("encodedSpace", "fieldOfView_mm")[0]
keep = int(numbers("reconSpace", "matrixSize")[0])
assert abs(keep - nx * ratio) < 1
limits = re.search("<encodingLimits>.*</encodingLimits>", xml, re.S).group(0)
center = [int(numbers("encodingLimits", f"kspace_encoding_step_{i}")[2])
          if f"kspace_encoding_step_{i}>" in limits else n // 2 for i, n in ((1, ny), (2, nz))]
idx = head["idx"]
flags = head["flags"]
flag = lambda n: (flags >> np.uint64(n - 1)) & np.uint64(1) == 1
image = ~np.any([flag(n) for n in (19, 20, 23, 24, 26, 27, 28, 29, 30, 31)], axis=0)
frames = sorted({(i["contrast"], i["set"], i["phase"], i["repetition"]) for i in idx[image]})
slices = sorted(set(idx["slice"][image]))
coils = int(head["active_channels"][image][0])

kspace = np.zeros((len(frames), len(slices), coils, nz, ny, keep), np.complex128)
mask = np.zeros((len(frames), len(slices), nz, ny, keep))
for r in np.flatnonzero(image):
    h, i = head[r], idx[r]
    line = np.zeros((coils, nx), np.complex128)
    v = samples[r].view(np.complex64).reshape(coils, -1)
    first = nx // 2 - int(h["center_sample"])
    line[:, first:first + v.shape[1]] = v
    x = np.fft.fftshift(np.fft.ifft(np.fft.ifftshift(line, axes=1), norm="ortho"), axes=1)
    x = x[:, nx // 2 - keep // 2:][:, :keep]
    line = np.fft.fftshift(np.fft.fft(np.fft.ifftshift(x, axes=1), norm="ortho"), axes=1)
    at = (frames.index((i["contrast"], i["set"], i["phase"], i["repetition"])),
          slices.index(i["slice"]))
    z = int(i["kspace_encode_step_2"]) - center[1] + nz // 2
    y = int(i["kspace_encode_step_1"]) - center[0] + ny // 2
    kspace[at + (slice(None), z, y)] += line
    mask[at + (z, y)] += 1
kspace /= np.maximum(mask, 1)[:, :, None]

ours = np.load(f"{folder}/kspace.npy")
assert ours.shape == kspace.shape, (ours.shape, kspace.shape)
assert np.abs(ours - kspace).max() < 1e-5 * np.abs(kspace).max()
assert (np.load(f"{folder}/mask.npy") == mask).all()
noise = [samples[r].view(np.complex64).reshape(coils, -1) for r in np.flatnonzero(flag(19))]
if noise:
    dwell = head["sample_time_us"]
    found = re.search(r"<relativeReceiverNoiseBandwidth>([0-9.]+)<", xml)
    scale = np.sqrt(dwell[flag(19)][0] / dwell[image][0] / (float(found.group(1)) if found else 0.793))
    ours, theirs = np.load(f"{folder}/noise.npy"), scale * np.concatenate(noise, axis=1)
    assert ours.shape == theirs.shape and np.abs(ours - theirs).max() < 1e-5 * np.abs(theirs).max()
