#!/usr/bin/python3
"""What a wrong prior does: the brain prior on CT slices and on a phantom, measured as if by MR at 4x.

    run.py PROGRAM WORK --ct ct/val [--slices N] [--masks ...] [--noise S]

The scanner is that of validation/mr_prior (eight coils, phase, finer grid). CT slices (512 x 512, one a patient) are
averaged to 256 x 256 and shown as (HU + 1000) / 2000; the phantom is Shepp and Logan's with the contrasts of Toft, each
pixel the mean of 4 x 4 points. CG-SENSE is BART's, its weight the best of a sweep with the reference in view, which
favours it. Wanted: scorecon's default within 1 dB of it on the object, or better; and what the program itself
says: residual relative to the noise, its verdict, warnings, and how the measured noise compares with the true one.
"""
import argparse
import glob
import os
import shutil
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "mr_prior"))
from cache import Cache  # noqa: E402
from measures import compare, object_of, panel, write_png  # noqa: E402
from methods import Case, Scorecon  # noqa: E402
from simulation import measure, read_tiff, seed_of  # noqa: E402

WEIGHTS = [0.001, 0.002, 0.004, 0.008, 0.016, 0.03, 0.06, 0.12]
# Toft 1996: added value, half axes, centre, angle in degrees
ELLIPSES = [(1, .69, .92, 0, 0, 0), (-.8, .6624, .874, 0, -.0184, 0), (-.2, .11, .31, .22, 0, -18), (-.2, .16, .41, -.22, 0, 18),
            (.1, .21, .25, 0, .35, 0), (.1, .046, .046, 0, .1, 0), (.1, .046, .046, 0, -.1, 0), (.1, .046, .023, -.08, -.605, 0),
            (.1, .023, .023, 0, -.606, 0), (.1, .023, .046, .06, -.605, 0)]


def phantom(n=256, over=4):
    y, x = np.mgrid[:n * over, :n * over] * 2.0 / (n * over) - 1 + 1.0 / (n * over)
    image = np.zeros_like(x)
    for value, a, b, x0, y0, angle in ELLIPSES:
        c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
        u, v = (x - x0) * c - (y + y0) * s, (x - x0) * s + (y + y0) * c
        image[(u / a) ** 2 + (v / b) ** 2 <= 1] += value
    return image.reshape(n, over, n, over).mean((1, 3))


def ct(path):
    page = read_tiff(path)[0]
    while page.shape[0] > 256:
        page = page.reshape(page.shape[0] // 2, 2, page.shape[1] // 2, 2).mean((1, 3))
    return np.maximum(page - 24, 0) / 2000


def images(folder, count):
    found = {"Shepp-Logan": phantom()}
    patients = {}
    for path in sorted(glob.glob(folder + "/*.tif")):
        patients.setdefault(os.path.basename(path).removesuffix(".tif").rsplit("-z", 1)[0], path)
    for name, path in list(patients.items())[:count]:
        found["CT " + name] = ct(path)
    return found


def cg_sense(case, scan, inside):
    """The best of the sweep: (PSNR, SSIM), weight, image. The curve has one top: stop two steps after it."""
    best, worse = None, 0
    for weight in WEIGHTS[1:] if scan.sigma > 2 else WEIGHTS:
        image = case.reconstruct("cg-sense", weight)[0]
        score = compare(scan.reference, image, inside)
        worse = worse + 1 if best and score[0] < best[0][0] else 0
        if best is None or score[0] > best[0][0]:
            best = (score, weight, image)
        if worse == 2:
            break
    return best


def evaluate(image, name, mask, noise, scorecon, folder, keep):
    scan = measure(image, mask, noise, seed_of(name))
    inside = object_of(scan.reference)
    case = Case(folder, scan, scorecon)
    zero = case.reconstruct("zero-filled")[0]
    theirs, weight, cg = cg_sense(case, scan, inside)
    ours, facts = case.reconstruct("scorecon")
    keep.append((scan.reference, zero, cg, ours))
    return dict(zero=compare(scan.reference, zero, inside), cg=theirs, weight=weight,
                scorecon=compare(scan.reference, ours, inside), **facts)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("work")
    parser.add_argument("--ct", required=True, help="folder of TIFF files, value = HU + 1024")
    parser.add_argument("--slices", type=int, default=8, help="CT slices, one a patient (8)")
    parser.add_argument("--masks", nargs="+", default=["lines:4:24", "random:4:24"])
    parser.add_argument("--noise", type=float, default=0.005)
    parser.add_argument("--prior")
    parser.add_argument("--opt", nargs="*", default=[])
    given = parser.parse_args()
    os.makedirs(given.work, exist_ok=True)
    cache, scorecon, keep = Cache(given.work + "/wrong_prior.jsonl"), Scorecon(given.program, given.prior, given.opt), []
    folder = f"{given.work}/wrong{os.getpid()}"
    lines = ["| image | mask | zero-filled | CG-SENSE (weight) | scorecon | difference | SSIM CG-SENSE | SSIM scorecon | residual | "
             "verdict | noise measured / true | warnings |", "|---|---|---|---|---|---|---|---|---|---|---|---|"]
    print("\n".join(lines))
    for name, image in images(given.ct, given.slices).items():
        for mask in given.masks:
            key = f"{name} {mask} {given.noise:g} {scorecon.label}"
            if not cache.get(key):
                cache.put(key, evaluate(image, name, mask, given.noise, scorecon, folder, keep))
            r = cache.get(key)
            lines.append(f"| {name} | {mask} | {r['zero'][0]:.2f} | {r['cg'][0]:.2f} ({r['weight']:g}) | {r['scorecon'][0]:.2f} | "
                         f"{r['scorecon'][0] - r['cg'][0]:+.2f} | {r['cg'][1]:.4f} | {r['scorecon'][1]:.4f} | {r['residual']:.2f} | "
                         f"{r['fit']} | {r['sigma'] or 0:.2f} | {'; '.join(r['warnings']) or 'none'} |")
            print(lines[-1], flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    with open(given.work + "/wrong_prior.md", "w") as file:
        file.write("\n".join(lines) + "\n")
    if keep:
        show = [[im * (im * r[0]).sum() / (im * im).sum() / (0.6 * r[0].max()) for im in r] for r in keep[:4]]
        write_png(given.work + "/wrong_prior.png", panel(show))


if __name__ == "__main__":
    sys.exit(main())
