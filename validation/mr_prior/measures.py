"""PSNR and SSIM as stated below, the object, and pictures.

On magnitudes, inside a region, after the one real factor a = sum(r x) / sum(x x) that fits the image best there:
PSNR = 20 log10(peak / rms(a x - r)), peak = max r; SSIM with a Gaussian window (sigma 1.5, radius 5, reflected edges,
population covariance, K1 0.01, K2 0.03, range peak), both images 0 outside the region, mean over the region.
The object is the reference smoothed (Gaussian, 2 pixels) above 4 % of its peak, holes filled.
"""
import struct
import zlib

import numpy as np


def gaussian(image, sigma, radius):
    tap = np.exp(-np.arange(-radius, radius + 1) ** 2 / (2 * sigma**2))
    tap /= tap.sum()
    for axis in (0, 1):
        width = [(radius, radius) if a == axis else (0, 0) for a in (0, 1)]
        padded = np.pad(image, width, "symmetric")
        n = image.shape[axis]
        image = sum(t * np.take(padded, np.arange(k, k + n), axis) for k, t in enumerate(tap))
    return image


def fill_holes(mask):
    """Everything that the outside, grown from the border, does not reach."""
    free = ~np.pad(mask, 1)
    outside = np.zeros(free.shape, bool)
    outside[0] = outside[-1] = outside[:, 0] = outside[:, -1] = True
    while True:
        grown = outside.copy()
        grown[1:] |= outside[:-1]
        grown[:-1] |= outside[1:]
        grown[:, 1:] |= outside[:, :-1]
        grown[:, :-1] |= outside[:, 1:]
        grown &= free
        if (grown == outside).all():
            return ~outside[1:-1, 1:-1]
        outside = grown


def object_of(reference):
    return fill_holes(gaussian(reference, 2, 8) > 0.04 * reference.max())


def ssim(r, x, region, peak):
    r, x = r * region, x * region
    mr, mx, rr, xx, rx = (gaussian(a, 1.5, 5) for a in (r, x, r * r, x * x, r * x))
    c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    value = ((2 * mr * mx + c1) * (2 * (rx - mr * mx) + c2)
             / ((mr**2 + mx**2 + c1) * (rr - mr**2 + xx - mx**2 + c2)))
    return float(value[region].mean())


def compare(reference, image, region):
    r, x = reference, np.abs(image).astype(float)
    a = (r * x)[region].sum() / max((x * x)[region].sum(), 1e-300)
    peak = r[region].max()
    psnr = 20 * np.log10(peak / max(np.sqrt(np.mean((a * x - r)[region] ** 2)), 1e-300))
    return float(psnr), ssim(r, a * x, region, peak)


def write_png(path, grey):
    """grey: (y, x), 0 ... 1."""
    rows = np.round(255 * np.clip(grey, 0, 1)).astype(np.uint8)
    raw = b"".join(b"\0" + row.tobytes() for row in rows)

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", rows.shape[1], rows.shape[0], 8, 0, 0, 0, 0))
                   + chunk(b"IDAT", zlib.compress(raw, 9)) + chunk(b"IEND", b""))


def panel(rows, gap=4):
    """Images of one size each row, in rows."""
    rows = [np.concatenate([np.pad(im, gap // 2, constant_values=1) for im in row], 1) for row in rows]
    width = max(r.shape[1] for r in rows)
    return np.concatenate([np.pad(r, [(0, 0), (0, width - r.shape[1])], constant_values=1) for r in rows], 0)
