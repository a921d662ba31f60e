#!/usr/bin/env python3
"""Small valid and nearly valid files for every fuzz target, as starting points.

    make_corpus.py FOLDER      fills FOLDER/<reader>/
"""
import json
import os
import pathlib
import struct
import sys
import zlib

out = pathlib.Path(sys.argv[1])
here = pathlib.Path(__file__).resolve().parent


def put(reader, name, data):
    folder = out / reader
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())


def floats(*v):
    return struct.pack(f"<{len(v)}f", *v)


# .npy
def npy(descr, shape, data, fortran=False, version=1):
    text = f"{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}"
    size = 10 if version == 1 else 12
    text += " " * (-(size + len(text) + 1) % 64) + "\n"
    length = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes([version, 0]) + length + text.encode() + data


put("npy", "c8", npy("<c8", (2, 2, 1), floats(*range(8))))
put("npy", "f8", npy(">f8", (3,), struct.pack(">3d", 1, 2, 3), version=2))
put("npy", "fortran", npy("<i2", (2, 3), struct.pack("<6h", *range(6)), True, 3))
put("npy", "bool", npy("|b1", (4,), b"\0\1\1\0"))
put("npy", "half", npy("<f2", (2,), b"\0\x3c\1\0"))
put("npy", "scalar", npy("<u8", (), b"\1\0\0\0\0\0\0\0"))

# cfl: header, 0, samples
put("cfl", "2d", b"# Dimensions\n1 2 2 2 1 1 1 1 1 1 1 1 1 1 1 1\n\0" + floats(*range(16)))
put("cfl", "frames", b"# Dimensions\n2 1 1 1 1 2 1 1 1 1 2 1 1 2 2 1\n# Command\nx\n\0" + floats(*range(64)))
put("cfl", "short", b"# Dimensions\n2 2 2\n\0" + floats(*range(16)))

# ISMRMRD headers
space = "<{0}><matrixSize><x>{1}</x><y>{2}</y><z>{3}</z></matrixSize><fieldOfView_mm><x>{4}</x><y>{5}</y><z>{6}</z></fieldOfView_mm></{0}>"


def xml(enc, rec, extra="", limits="", trajectory="cartesian"):
    return ('<?xml version="1.0"?><ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD">' + extra +
            "<encoding>" + space.format("encodedSpace", *enc, *enc) + space.format("reconSpace", *rec, *rec) +
            f"<encodingLimits>{limits}</encodingLimits><trajectory>{trajectory}</trajectory></encoding>"
            "<sequenceParameters><TR>5</TR><TE>2</TE></sequenceParameters></ismrmrdHeader>")


limit = "<kspace_encoding_step_{}><minimum>0</minimum><maximum>{}</maximum><center>{}</center></kspace_encoding_step_{}>"
system = ("<subjectInformation><patientName>A &amp; B</patientName></subjectInformation>"
          "<acquisitionSystemInformation><relativeReceiverNoiseBandwidth>0.8</relativeReceiverNoiseBandwidth>"
          "</acquisitionSystemInformation><experimentalConditions><H1resonanceFrequency_Hz>64000000"
          "</H1resonanceFrequency_Hz></experimentalConditions>")
plain = xml((4, 4, 1), (4, 4, 1), system)
over = xml((8, 4, 1), (4, 4, 1), "", limit.format(1, 3, 2, 1))
slab = xml((4, 4, 4), (4, 4, 2), "", limit.format(1, 3, 2, 1) + limit.format(2, 3, 2, 2))
for name, text in (("plain", plain), ("over", over), ("slab", slab), ("radial", xml((4, 4, 1), (4, 4, 1), trajectory="radial"))):
    put("xml", name, text)


def readout(flags=0, samples=4, channels=1, pre=0, post=0, center=2, encoding=0, step1=0, step2=0, average=0,
            slice_=0, contrast=0, phase=0, repetition=0, set_=0, segment=0, dwell=5.0, position=(0, 0, 0),
            directions=(1, 0, 0, 0, 1, 0, 0, 0, 1), numbers=None):
    head = struct.pack("<Q16Hf12f4x", flags, samples, channels, pre, post, center, encoding, 0, step1, step2,
                       average, slice_, contrast, phase, repetition, set_, segment, dwell, *position, *directions)
    return head + struct.pack("<H", 2 * samples * channels if numbers is None else numbers)


def measurement(text, readouts, options=0):
    return (bytes([len(readouts) - 1, options]) + struct.pack("<H", len(text)) + text.encode() +
            b"".join(readouts) + floats(*range(1, 9)))


bit = lambda n: 1 << (n - 1)
lines = [readout(step1=y, channels=2) for y in range(4)]
put("ismrmrd", "plain", measurement(plain, lines))
put("ismrmrd", "noise", measurement(plain, [readout(bit(19), 6, 2)] + lines, 1))
put("ismrmrd", "calibration", measurement(plain, [readout(step1=0), readout(bit(20), step1=1), readout(bit(21), step1=2)], 1))
put("ismrmrd", "over", measurement(over, [readout(bit(22), 8, center=4, step1=y) for y in range(4)]))
put("ismrmrd", "echo", measurement(over, [readout(0, 6, center=2, step1=2), readout(0, 8, 1, 1, 1, 4, step1=3)], 2))
put("ismrmrd", "slab", measurement(slab, [readout(step1=y, step2=z) for y in range(4) for z in range(4)]))
put("ismrmrd", "slices", measurement(plain, [readout(slice_=s, repetition=r, average=a, position=(0, 0, -s))
                                             for s in range(3) for r in range(2) for a in range(2)], 8))
put("ismrmrd", "short", measurement(plain, [readout(numbers=3)]))
put("ismrmrd", "repeat", measurement(plain, [readout(), readout(segment=1), readout()]))


# fastMRI volumes
def volume(options, sizes, text, mask):
    return (bytes([options]) + bytes(sizes) + struct.pack("<H", len(text)) + text.encode() +
            struct.pack("<H", len(mask)) + mask + floats(*range(1, 40)))


wide = xml((8, 6, 1), (4, 4, 1), "", limit.format(1, 4, 2, 1))
put("fastmri", "multi", volume(1 | 8 | 16, (1, 1, 7, 5, 0), wide, b"\1\0\1\0\1\1"))
put("fastmri", "single", volume(0 | 8, (1, 7, 5, 0, 0), wide, b""))
put("fastmri", "averages", volume(2 | 8 | 32, (1, 0, 1, 7, 5), wide, b""))
put("fastmri", "bare", volume(1, (0, 1, 7, 5, 0), "", b""))


# TIFF: two pages, each one strip
def tiff(bits, kind, compression=1):
    pixels = {8: bytes(range(6)), 16: struct.pack("<6H", *range(6)), 32: floats(*range(6))}[bits]
    if compression == 8:
        pixels = zlib.compress(pixels)
    data, page = b"II*\0", 0
    start = 8 + len(pixels)
    entries = [(256, 3, 1, 3), (257, 3, 1, 2), (258, 3, 1, bits), (259, 3, 1, compression), (262, 3, 1, 1),
               (273, 4, 1, 8), (277, 3, 1, 1), (278, 3, 1, 2), (279, 4, 1, len(pixels)), (339, 3, 1, kind)]
    ifd = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *e) for e in entries)
    second = start + len(ifd) + 4
    return data + struct.pack("<I", start) + pixels + ifd + struct.pack("<I", second) + ifd + struct.pack("<I", page)


put("tiff", "u8", tiff(8, 1))
put("tiff", "u16", tiff(16, 1))
put("tiff", "f32", tiff(32, 3))
put("tiff", "deflate", tiff(16, 1, 8))


# NIfTI-1
def nifti(datatype, bits, data, dim, big=False):
    e = ">" if big else "<"
    h = bytearray(352)
    struct.pack_into(e + "i", h, 0, 348)
    struct.pack_into(e + "8h", h, 40, *dim)
    struct.pack_into(e + "2h", h, 70, datatype, bits)
    struct.pack_into(e + "8f", h, 76, 1, 2, 2, 3, 0, 0, 0, 0)
    struct.pack_into(e + "3f", h, 108, 352, 1, 0)
    h[123] = 10
    struct.pack_into(e + "2h", h, 252, 1, 1)
    struct.pack_into(e + "6f", h, 256, 0, 0, 0, -5, -6, 7)
    struct.pack_into(e + "12f", h, 280, 2, 0, 0, -5, 0, 2, 0, -6, 0, 0, 3, 7)
    h[344:348] = b"n+1\0"
    return bytes(h) + data


put("nifti", "i16", nifti(4, 16, struct.pack("<6h", *range(6)), (3, 3, 2, 1, 1, 1, 1, 1)))
put("nifti", "f32", nifti(16, 32, floats(*range(8)), (3, 2, 2, 2, 1, 1, 1, 1)))
put("nifti", "c64", nifti(32, 64, floats(*range(8)), (2, 2, 2, 1, 1, 1, 1, 1)))
put("nifti", "big", nifti(2, 8, bytes(range(4)), (3, 2, 2, 1, 1, 1, 1, 1), True))


# DICOM, explicit VR little endian
def element(group, number, vr, value):
    value = value.encode() if isinstance(value, str) else value
    if len(value) % 2:
        value += b"\0" if vr in ("UI", "OB") else b" "
    head = struct.pack("<HH", group, number) + vr.encode()
    return head + (struct.pack("<HI", 0, len(value)) if vr in ("OB", "OW", "SQ", "UN") else struct.pack("<H", len(value))) + value


def dicom(sop="1.2.840.10008.5.1.4.1.1.4", syntax="1.2.840.10008.1.2.1", pixels=None, extra=b""):
    us = lambda v: struct.pack("<H", v)
    meta = (element(2, 1, "OB", b"\0\1") + element(2, 2, "UI", sop) + element(2, 3, "UI", "1.2.3.4") +
            element(2, 16, "UI", syntax) + element(2, 18, "UI", "1.2.3"))
    body = (element(8, 0x16, "UI", sop) + element(8, 0x18, "UI", "1.2.3.4") + element(8, 0x60, "CS", "MR") +
            element(0x18, 0x50, "DS", "3") + element(0x20, 0xd, "UI", "1.2.3.5") + element(0x20, 0xe, "UI", "1.2.3.6") +
            element(0x20, 0x13, "IS", "1") + element(0x20, 0x32, "DS", "-1\\-2\\3") +
            element(0x20, 0x37, "DS", "1\\0\\0\\0\\1\\0") + element(0x28, 2, "US", us(1)) +
            element(0x28, 4, "CS", "MONOCHROME2") + extra + element(0x28, 0x10, "US", us(2)) + element(0x28, 0x11, "US", us(3)) +
            element(0x28, 0x30, "DS", "1\\2") + element(0x28, 0x100, "US", us(16)) + element(0x28, 0x101, "US", us(16)) +
            element(0x28, 0x102, "US", us(15)) + element(0x28, 0x103, "US", us(0)) +
            element(0x28, 0x1052, "DS", "-1024") + element(0x28, 0x1053, "DS", "2") +
            element(0x7fe0, 0x10, "OW", struct.pack("<6H", *range(6)) if pixels is None else pixels))
    return b"\0" * 128 + b"DICM" + element(2, 0, "UL", struct.pack("<I", len(meta))) + meta + body


put("dicom", "mr", dicom())
put("dicom", "ct", dicom("1.2.840.10008.5.1.4.1.1.2"))
put("dicom", "short", dicom(pixels=b"\0\0"))
put("dicom", "jpeg2000", dicom(syntax="1.2.840.10008.1.2.4.90"))

put("geometry", "plain", json.dumps({"image_position_mm": [-1, -2, 3], "row_direction": [1, 0, 0], "column_direction": [0, 1, 0],
                                     "pixel_spacing_mm": [1.2, 1], "slice_spacing_mm": 4.0, "slice_thickness_mm": 3}))
put("geometry", "positions", json.dumps({"slice_positions_mm": [[0, 0, 0], [0, 0, 5]], "row_direction": [1, 0, 0],
                                         "column_direction": [0, 0.6, 0.8], "pixel_spacing_mm": [1, 1]}))


# safetensors
def safetensors(tensors, metadata):
    header, data = {"__metadata__": metadata} if metadata else {}, b""
    for name, (dtype, shape, raw) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


put("safetensors", "two", safetensors({"a": ("F32", [2, 1], floats(1, 2)), "b": ("BF16", [2], b"\0\0\1\1")}, {"k": "v"}))
put("safetensors", "u8", safetensors({"a": ("U8", [3], b"abc"), "e": ("F64", [0], b"")}, None))
put("weights", "two", safetensors({"a": ("F32", [2, 1], floats(1, 2))}, {"config": "{}", "sde": "{}"}))

for protocol in (here / "../../protocols").glob("*.yaml"):
    put("protocol", protocol.name, protocol.read_bytes())
put("protocol", "all", "name: a\nmodality: MR\nmethod: dds\noptions: [steps=3]\nsamples: 2\nmaps: auto\nformats: [npy, png]\n")

try:
    import h5py
    import numpy as np
except ImportError:  # the other seeds do without
    sys.exit(0)
folder = out / "hdf5"
folder.mkdir(exist_ok=True)
path = str(folder / "fastmri")
with h5py.File(path, "w") as f:
    f["kspace"] = (np.arange(24) + 1j).astype(np.complex64).reshape(1, 2, 4, 3)
    f["mask"] = np.ones(3, bool)
idx = np.dtype([(n, "<u2") for n in ("kspace_encode_step_1", "kspace_encode_step_2", "average", "slice", "contrast", "phase",
                                     "repetition", "set", "segment")] + [("user", "<u2", 8)])
head = np.dtype([("version", "<u2"), ("flags", "<u8"), ("measurement_uid", "<u4"), ("scan_counter", "<u4"),
                 ("acquisition_time_stamp", "<u4"), ("physiology_time_stamp", "<u4", 3), ("number_of_samples", "<u2"),
                 ("available_channels", "<u2"), ("active_channels", "<u2"), ("channel_mask", "<u8", 16), ("discard_pre", "<u2"),
                 ("discard_post", "<u2"), ("center_sample", "<u2"), ("encoding_space_ref", "<u2"), ("trajectory_dimensions", "<u2"),
                 ("sample_time_us", "<f4"), ("position", "<f4", 3), ("read_dir", "<f4", 3), ("phase_dir", "<f4", 3),
                 ("slice_dir", "<f4", 3), ("patient_table_position", "<f4", 3), ("idx", idx), ("user_int", "<i4", 8),
                 ("user_float", "<f4", 8)])
record = np.dtype([("head", head), ("traj", h5py.vlen_dtype("<f4")), ("data", h5py.vlen_dtype("<f4"))])
path = str(folder / "ismrmrd")
with h5py.File(path, "w") as f:
    rows = np.zeros(4, record)
    for y, row in enumerate(rows):
        row["head"]["number_of_samples"] = 4
        row["head"]["active_channels"] = 1
        row["head"]["center_sample"] = 2
        row["head"]["idx"]["kspace_encode_step_1"] = y
        row["traj"] = np.zeros(0, np.float32)
        row["data"] = np.arange(1, 9, dtype=np.float32)
    f.create_dataset("dataset/data", data=rows, dtype=record, chunks=(1,), maxshape=(None,))
    f["dataset/xml"] = np.array([plain], dtype=h5py.string_dtype("ascii"))

# import: a byte that says what follows (0 a file, 1 the pickle of an archive, 2 a configuration)
def text(x):
    return b"X" + struct.pack("<I", len(x)) + x.encode()


def tensor(shape, key="0", numel=12, offset=0, storage="FloatStorage"):
    strides = [1]
    for n in shape[:0:-1]:
        strides.insert(0, strides[0] * n)
    sizes, steps = (b"(" + b"".join(b"K" + bytes([n]) for n in v) + b"t" for v in (shape, strides))
    return (b"ctorch._utils\n_rebuild_tensor_v2\n((" + text("storage") + f"ctorch\n{storage}\n".encode() + text(key) +
            text("cpu") + b"K" + bytes([numel]) + b"tQK" + bytes([offset]) + sizes + steps +
            b"\x89ccollections\nOrderedDict\n)RtR")


def torch_dict(entries, ordered=False):
    head = b"ccollections\nOrderedDict\n)R(" if ordered else b"}("
    return head + b"".join(text(k) + v for k, v in entries.items()) + b"u"


model = torch_dict({"module.sigmas": tensor([2], "1", 2, 0, "DoubleStorage"), "module.all_modules.0.W": tensor([4])}, True)
model += b"}" + text("_metadata") + b"}sb"
lr = (b"cnumpy.core.multiarray\nscalar\ncnumpy\ndtype\n" + text("f8") + b"K\0K\1\x87R(K\3" + text("<") +
      b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tbc_codecs\nencode\n" + text("12345678") + text("latin1") + b"\x86R\x86R")
average = torch_dict({"decay": b"G" + struct.pack(">d", 0.999), "num_updates": b"K\3", "shadow_params": b"](" + tensor([3, 4]) + b"e"})
whole = b"\x80\2" + torch_dict({"optimizer": lr, "model": model, "ema": average, "step": b"M\0\2"}) + b"."
put("import", "training", b"\1" + whole)
put("import", "state-dict", b"\1\x80\2" + model + b".")
put("import", "protocol-4", b"\1\x80\4\x95\7\0\0\0\0\0\0\0}\x94\x8c\1aK\1s.")
put("import", "v3", b"\1\x80\2}" + text("a") + b"ctorch._utils\n_rebuild_tensor_v3\n((" + text("storage") +
    b"ctorch.storage\nUntypedStorage\n" + text("0") + text("cpu") + b"K\x30tQK\0K\3\x85K\1\x85\x89Nctorch\nfloat32\ntRs.")
put("import", "parameter", b"\1\x80\2}" + text("a") + b"ctorch._utils\n_rebuild_parameter\n" + tensor([2]) + b"\x88N\x87Rs.")
put("import", "shared", b"\1\x80\2(" + tensor([2], offset=4) + b"q\0h\0r\1\0\0\0j\1\0\0\0\x8a\x02\xff\xff\x88N\x8f]t.")
put("import", "executes", b"\1\x80\2cos\nsystem\n" + text("true") + b"\x85R.")
legacy = (b"\x80\2\x8a\n\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\2M\xe9\3.\x80\2}" + text("little_endian") + b"\x88s." +
          b"\x80\2" + torch_dict({"a": tensor([3, 4])}) + b".\x80\2](" + text("0") + b"e." + struct.pack("<q", 12) + bytes(48))
put("import", "legacy", b"\0" + legacy)
options = {"name": "ncsnpp", "nf": 8, "ch_mult": [1, 2], "num_res_blocks": 1, "attn_resolutions": [8], "scale_by_sigma": True,
           "embedding_type": "fourier", "resblock_type": "biggan", "fir": True, "fir_kernel": [1, 3, 3, 1], "progressive": "none",
           "progressive_input": "residual", "progressive_combine": "sum", "sigma_max": 378, "num_scales": 2000}
config = {"model": options, "data": {"image_size": 16, "num_channels": 2, "centered": False},
          "training": {"sde": "vesde", "continuous": True, "reduce_mean": False}}
put("import", "config", b"\2" + json.dumps(config).encode())
config["model"] = dict(options, name="ddpm", nf=32, scale_by_sigma=False)
config["training"] = {"sde": "vpsde", "continuous": False}
put("import", "config-ddpm", b"\2" + json.dumps(config).encode())
