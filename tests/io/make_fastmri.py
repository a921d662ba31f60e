"""Small fastMRI files by h5py, as the data set's own tools lay them out.

    make_fastmri.py FOLDER CASE...   CASE: a name below; writes FOLDER/CASE.h5 and CASE.h5.npy, the
                                     k-space that a reader should give, (slice, coil, height, width)
"""
import sys

import h5py
import numpy as np

S, C, H, W, R = 2, 3, 16, 12, 8  # slices, coils, readout stored, width, readout wanted


def xml(enc=(H, W), recon=(R, 10), center=5, maximum=9):
    return f"""<?xml version="1.0"?><ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD"><encoding>
<encodedSpace><matrixSize><x>{enc[0]}</x><y>{enc[1]}</y><z>1</z></matrixSize>
<fieldOfView_mm><x>{enc[0]}</x><y>{enc[1]}</y><z>5</z></fieldOfView_mm></encodedSpace>
<reconSpace><matrixSize><x>{recon[0]}</x><y>{recon[1]}</y><z>1</z></matrixSize>
<fieldOfView_mm><x>{recon[0]}</x><y>{recon[1]}</y><z>5</z></fieldOfView_mm></reconSpace>
<encodingLimits><kspace_encoding_step_1><minimum>0</minimum><maximum>{maximum}</maximum>
<center>{center}</center></kspace_encoding_step_1></encodingLimits>
<trajectory>cartesian</trajectory></encoding>
<sequenceParameters><TR>2200</TR></sequenceParameters></ismrmrdHeader>"""


def noise(*shape):
    return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(np.complex64)


def crop(k, n=R):  # readout oversampling away
    def fft(a, f):
        return np.fft.fftshift(f(np.fft.ifftshift(a, -2), axis=-2, norm="ortho"), -2)
    m = k.shape[-2]
    return fft(fft(k, np.fft.ifft)[..., m // 2 - n // 2:, :][..., :n, :], np.fft.fft)


def make(path, case):
    k = noise(S, C, H, W)
    k[..., :1] = k[..., 11:] = 0  # padding: left = 6 - 5 = 1, right = 1 + 10 = 11
    want = k
    with h5py.File(path, "w") as f:
        if case != "bare":
            f["ismrmrd_header"] = np.bytes_(xml()) if case != "vlen" else xml()
        if case in ("multicoil", "vlen", "gzip"):
            want = crop(k)
        elif case == "padding":  # what lies in the padding is not data
            want = crop(k)
            k[..., 0] = 1
        elif case == "singlecoil":
            k = k[:, 0]
            want = crop(k)[:, None]
        elif case in ("mask", "floatmask"):
            m = np.arange(W) % 2 == 0
            f["mask"] = m if case == "mask" else m.astype(np.float32)
            want = crop(k * m)
            k = k * m
        elif case == "averages":
            a = np.stack([k, noise(S, C, H, W), k])
            a[..., :1] = a[..., 11:] = 0
            a[0, ..., ::2] = 0
            a[1, ..., 1::2] = 0
            a[2, ..., 1::4] = 0
            n = (np.abs(a).sum((2, 3), keepdims=True) > 0).sum(0)
            want = crop(a.sum(0) / np.maximum(n, 1))
            k = a
        elif case == "bare":
            f["reconstruction_rss"] = np.zeros((S, 6, 4), np.float32)
        elif case == "double":
            want, k = crop(k), k.astype(np.complex128)
        elif case == "narrow":
            del f["ismrmrd_header"]
            f["ismrmrd_header"] = np.bytes_(xml(enc=(48, W), recon=(24, 24)))
            k = noise(S, C, 48, W)
            k[..., :1] = k[..., 11:] = 0
            want = crop(k, 24)
        elif case == "nan":
            k[1, 0, 3, 4] = np.nan
        elif case == "zero":
            k[1] = 0
        elif case == "height":
            k = k[:, :, :15]
        elif case == "real":
            k = k.real
        elif case == "rank":
            k = k[0, 0]
        elif case == "badmask":
            f["mask"] = np.ones(W + 1, bool)
        elif case == "xml":
            del f["ismrmrd_header"]
            f["ismrmrd_header"] = np.bytes_("<broken")
        options = dict(compression="gzip", chunks=(1, 1) + k.shape[2:]) if case == "gzip" else {}
        f.create_dataset("kspace", data=k, **options)
        f.attrs["patient_id"] = "secret"
        f.attrs["acquisition"] = "AXT2"
    np.save(path + ".npy", want.astype(np.complex64))


for name in sys.argv[2:]:
    rng = np.random.default_rng(7)
    make(f"{sys.argv[1]}/{name}.h5", name)
