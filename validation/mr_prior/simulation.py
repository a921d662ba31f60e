"""A simulated scanner, written apart from the program's own: images from TIFF stacks, coils, phase, masks, noise.

    y_c = M (crop F (phase S_c m) + n_c),  reference = |m| sqrt(sum |S_c|^2)

m is the magnitude image; coil maps S_c and phase are functions of position evaluated on a grid twice as fine,
to which m is brought by zero-filling its k-space; k-space is then cropped to the matrix. F is centred (n/2) and
unitary, so the noise has the same standard deviation in k-space and in the coil images. Arrays are (y, x, coil).
"""
import csv
import os
import struct
import zlib

import numpy as np

PEAK = 1000.0  # of every reference: the scanner's units are not the prior's


# ---- images ----

def read_tiff(path):
    """Pages (page, y, x) of a little-endian grey TIFF: whole pages, deflate or none, horizontal predictor or none."""
    data = open(path, "rb").read()
    if data[:4] != b"II*\0":
        raise SystemExit(f"{path}: expected a little-endian TIFF")
    pages, at = [], struct.unpack_from("<I", data, 4)[0]
    while at:
        count = struct.unpack_from("<H", data, at)[0]
        tags = {}
        for i in range(count):
            tag, kind, n, _ = struct.unpack_from("<HHII", data, at + 2 + 12 * i)
            code = {3: "H", 4: "I"}.get(kind)
            if code is None:
                continue
            size = struct.calcsize(code) * n
            where = at + 10 + 12 * i if size <= 4 else struct.unpack_from("<I", data, at + 10 + 12 * i)[0]
            tags[tag] = struct.unpack_from(f"<{n}{code}", data, where)
        at = struct.unpack_from("<I", data, at + 2 + 12 * count)[0]
        nx, ny, bits = tags[256][0], tags[257][0], tags[258][0]
        strips = [data[o:o + n] for o, n in zip(tags[273], tags[279])]
        if tags.get(259, (1,))[0] in (8, 32946):
            strips = [zlib.decompress(s) for s in strips]
        elif tags.get(259, (1,))[0] != 1:
            raise SystemExit(f"{path}: compression {tags[259][0]} is not read here")
        page = np.frombuffer(b"".join(strips), "<u%d" % (bits // 8))[:ny * nx].reshape(ny, nx)
        if tags.get(317, (1,))[0] == 2:
            page = np.cumsum(page, axis=1, dtype=page.dtype)
        pages.append(page.astype(np.float64))
    return np.stack(pages)


def fourier(image):
    return np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(image, (0, 1)), axes=(0, 1), norm="ortho"), (0, 1))


def inverse(kspace):
    return np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(kspace, (0, 1)), axes=(0, 1), norm="ortho"), (0, 1))


def centre(a, shape):
    """Crop or zero-fill the first two axes about n/2."""
    out = np.zeros(tuple(shape) + a.shape[2:], a.dtype)
    ours, theirs = [], []
    for n, m in zip(a.shape, shape):
        keep = min(n, m)
        theirs.append(slice(n // 2 - keep // 2, n // 2 - keep // 2 + keep))
        ours.append(slice(m // 2 - keep // 2, m // 2 - keep // 2 + keep))
    out[tuple(ours)] = a[tuple(theirs)]
    return out


def band_limited(image, shape):
    """The image on another grid of the same field of view: k-space cropped or zero-filled."""
    scale = np.sqrt(np.prod(shape) / np.prod(image.shape))
    return inverse(centre(fourier(image), shape)) * scale


def even(x):
    return 2 * int(x / 2 + 1e-9)


def cubic(image, shape):
    """Cubic convolution (Keys 1981, a = -1/2) to a larger grid; centres n/2 coincide, 0 outside."""
    def keys(t):
        t = np.abs(t)
        return np.where(t < 1, (1.5 * t - 2.5) * t * t + 1, np.where(t < 2, ((-0.5 * t + 2.5) * t - 4) * t + 2, 0))
    for axis in (0, 1):
        n, m = image.shape[axis], shape[axis]
        at = (np.arange(m) - m // 2) * n / m + n // 2
        image = np.moveaxis(np.tensordot(keys(at[:, None] - np.arange(n)), image, (1, axis)), 0, axis)
    return np.maximum(image, 0)


class Slices:
    """The slices of a split, in an order that goes round the contrasts, then the subjects, middle pages first."""

    def __init__(self, folder, split):
        self.folder, self.stacks = folder, {}
        with open(os.path.join(folder, "subjects.csv")) as file:
            self.rows = {(r["contrast"], r["subject"]): r for r in csv.DictReader(file) if r["split"] == split}
        by_contrast = {}
        for (contrast, subject), row in sorted(self.rows.items()):
            pages = int(row["slices"])
            for rank, page in enumerate(sorted(range(pages), key=lambda p: abs(p - (pages - 1) / 2 + 0.1))):
                by_contrast.setdefault(contrast, []).append((rank, subject, page))
        contrasts = sorted(by_contrast)
        self.names, lists = [], [sorted(by_contrast[c]) for c in contrasts]
        self.contrasts = [[f"{c}/{subject}:{page}" for _, subject, page in l] for c, l in zip(contrasts, lists)]
        for i in range(max(map(len, lists), default=0)):
            self.names += [f"{c}/{l[i][1]}:{l[i][2]}" for c, l in zip(contrasts, lists) if i < len(l)]
        if not self.names:
            raise SystemExit(f"{folder}: no subjects of split '{split}' in subjects.csv")

    def spread(self, n):
        """n slices, one contrast after the other, of subjects far apart in the list."""
        found = []
        for i in range(n):
            of = self.contrasts[i % len(self.contrasts)]
            found.append(of[int(len(of) * ((0.4 + 0.618 * i) % 1))])
        return found

    def image(self, name, size=1.0, crop=True, rows=256):
        """Magnitude with k-space cut to the block that the scanner filled, at most `rows` rows, `size` times as many
        pixels across: fewer by cutting k-space, more by cubic convolution."""
        contrast, rest = name.split("/")
        subject, page = rest.split(":")
        row = self.rows[contrast, subject]
        if (contrast, subject) not in self.stacks:
            self.stacks = {(contrast, subject): read_tiff(f"{self.folder}/{row['split']}/{contrast}/{subject}.tif")}
        image = self.stacks[contrast, subject][int(page)]
        ny, nx = image.shape
        most = min(1.0, rows / ny)
        share = [min(float(row[k]), most) if crop else most for k in ("kspace_rows", "kspace_cols")]
        down = min(size, 1.0)
        image = np.abs(band_limited(image, (even(share[0] * ny * down), even(share[1] * nx * down))))
        if size > 1:
            image = cubic(image, (even(image.shape[0] * size), even(image.shape[1] * size)))
        return image


# ---- masks ----

def centre_lines(n, at_256):
    return 2 * round(at_256 * n / 512)


def lines(spec, n, seed):
    """lines:R:C, every R-th line through the centre and C centre lines; random:R:C, n / R lines, C of them in the
    centre, the others with density exp(-d^2 / (2 (0.2 n)^2)) + 0.05. C is meant at 256 lines and scales with n."""
    kind, r, c = spec.split(":")
    r, c = float(r), centre_lines(n, int(c))
    mask = np.zeros(n, bool)
    mask[n // 2 - c // 2:n // 2 - c // 2 + c] = True
    if kind == "lines":
        mask[n // 2 % int(r)::int(r)] = True
    elif kind == "random":
        d = np.arange(n) - n // 2
        density = (np.exp(-d**2 / (2 * (0.2 * n) ** 2)) + 0.05) * ~mask
        wanted = round(n / r) - c
        rng = np.random.default_rng(seed)
        mask[rng.choice(n, wanted, replace=False, p=density / density.sum())] = True
    else:
        raise SystemExit(f"mask '{spec}': expected lines:R:C or random:R:C")
    return mask


# ---- the scanner ----

def coils_and_phase(shape, coils, rng):
    """On a grid over -0.5 ... 0.5: complex maps (y, x, coil), and phase factors (y, x)."""
    y, x = ((np.arange(n) - n // 2) / n for n in shape)
    y, x = y[:, None], x[None, :]
    maps = np.empty(tuple(shape) + (coils,), np.complex128)
    turn = rng.uniform(0, 2 * np.pi)
    for c in range(coils):
        angle = turn + 2 * np.pi * c / coils
        py, px = 0.6 * np.sin(angle), 0.6 * np.cos(angle)
        size = np.exp(-((y - py) ** 2 + (x - px) ** 2) / (2 * 0.42**2))
        maps[..., c] = size * np.exp(1j * (angle + rng.uniform(-1, 1) + 2 * (y * np.sin(angle) + x * np.cos(angle))))
    a = rng.normal(size=7)
    phase = (3 * a[0] + 1.5 * (a[1] * x + a[2] * y) + 3 * (a[3] * x * y + a[4] * (x * x - y * y) + a[5] * (x * x + y * y))
             + 0.4 * a[6] * np.cos(2 * np.pi * (x + 0.7 * y)))
    return maps, np.exp(1j * phase)


class Scan:
    """What `measure` found: kspace (y, x, coil) with zeros where not measured, mask (y), reference (y, x), sigma."""


def measure(image, spec, noise, seed, coils=8, sigma=None):
    """noise: standard deviation per real component as a share of the reference's peak, or sigma in image units.
    Coils and phase, noise, and random lines follow from the seed, each alone."""
    scan = Scan()
    ny, nx = image.shape
    fine = band_limited(image, (2 * ny, 2 * nx)).real
    maps, phase = coils_and_phase(fine.shape, coils, np.random.default_rng([seed, 1]))
    full = centre(fourier((fine * phase)[..., None] * maps), (ny, nx)) / 2  # / 2: as many samples per unit of signal
    rss = np.sqrt((np.abs(maps[::2, ::2]) ** 2).sum(2))
    scan.reference = np.abs(image) * rss
    unit = PEAK / scan.reference.max() if sigma is None else 1.0
    scan.unit = unit
    scan.reference *= unit
    scan.sigma = noise * PEAK if sigma is None else sigma
    rng = np.random.default_rng([seed, 2])
    full = full * unit + scan.sigma * (rng.normal(size=full.shape) + 1j * rng.normal(size=full.shape))
    scan.mask = lines(spec, ny, [seed, 3])
    scan.kspace = (full * scan.mask[:, None, None]).astype(np.complex64)
    scan.centre = centre_lines(ny, int(spec.split(":")[2]))
    return scan


def seed_of(name):
    return zlib.crc32(name.encode())


# ---- BART's files ----

def read_cfl(path):
    dims = [int(d) for d in open(path + ".hdr").read().split("\n")[1].split()]
    return np.fromfile(path + ".cfl", "<c8").reshape(dims, order="F").squeeze()


def write_cfl(path, a):
    with open(path + ".hdr", "w") as file:
        file.write("# Dimensions\n" + " ".join(str(d) for d in a.shape + (1,) * (16 - a.ndim)) + "\n")
    a.astype("<c8").ravel(order="F").tofile(path + ".cfl")
