#!/usr/bin/python3
"""Does a small bright lesion survive, and does one appear that was not there? The prior beside BART's L1-wavelet.

    run.py PROGRAM WORK --data brain_mr [--slices N] [--masks ...] [--noise S]

Slices, scanner and BART's regularisation are those of validation/mr_prior (the same WORK may be given: what it chose is
used). In each slice 18 discs are planted, two of each of three contrasts and three diameters, at random places of
white-matter-like tissue: at least 16 pixels inside the object and 24 from each other, the mean within 6 pixels from 0.6 to
1.5 times the object's median, the standard deviation there below 12 % of it, what the detector reads below 4 %. Pixels
are those of a field of view of 256; a disc of contrast 0.3 is 30 % brighter than the tissue around it and has soft edges.

The detector sees one image and one place: (mean inside the disc - mean of the ring from 2 to 5 pixels outside it) /
mean of the ring. It fires at half the planted contrast. Survival: it fires on the reconstruction of the scan with the
discs. False alarm: it fires on the reconstruction of the scan without them, same noise, at up to 60 places that meet the
same conditions. Intervals: Wilson, 95 %.
"""
import argparse
import os
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "mr_prior"))
from cache import Cache  # noqa: E402
from measures import object_of, panel, write_png  # noqa: E402
from methods import Case  # noqa: E402
from run import Bench  # noqa: E402
from simulation import measure, seed_of  # noqa: E402

CONTRASTS = [0.15, 0.3, 0.6]
DIAMETERS = [3, 5, 8]
KINDS = [(c, d) for c in CONTRASTS for d in DIAMETERS]
METHODS = ["bart-l1", "scorecon"]


class Places:
    """Distances in pixels of a field of view of 256, whatever the matrix."""

    def __init__(self, shape):
        self.y = (np.arange(shape[0])[:, None]) * 256 / shape[0]
        self.x = (np.arange(shape[1])[None, :]) * 256 / shape[1]

    def distance(self, at):
        return np.hypot(self.y - self.y[at[0], 0], self.x - self.x[0, at[1]])

    def contrast(self, image, at, diameter):
        far = self.distance(at) - diameter / 2
        ring = image[(far >= 2) & (far <= 5)].mean()
        return float((image[far <= 0].mean() - ring) / ring)

    def disc(self, at, diameter):
        return 1 / (1 + np.exp(np.clip(4 * (self.distance(at) - diameter / 2), -50, 50)))


def inner(region, depth):
    """Pixels at least `depth` inside, by repeated erosion."""
    for _ in range(depth):
        grown = np.pad(region, 1)
        region = region & grown[2:, 1:-1] & grown[:-2, 1:-1] & grown[1:-1, 2:] & grown[1:-1, :-2]
    return region


def white_matter_like(image, places, rng, apart, most):
    region = object_of(image)
    median, chosen = np.median(image[region]), []
    candidates = np.argwhere(inner(region, 16))
    for at in rng.permutation(candidates):
        if any(np.hypot((at[0] - b[0]) * 256 / image.shape[0], (at[1] - b[1]) * 256 / image.shape[1]) < apart for b in chosen):
            continue
        near = image[places.distance(at) <= 6]
        if (0.6 * median <= near.mean() <= 1.5 * median and near.std() <= 0.12 * near.mean()
                and all(abs(places.contrast(image, at, d)) <= 0.04 for d in DIAMETERS)):
            chosen.append((int(at[0]), int(at[1])))
            if len(chosen) == most:
                break
    return chosen


def plan(image, name):
    """Planted image, [(place, contrast, diameter)], and places for false alarms."""
    places = Places(image.shape)
    rng = np.random.default_rng([seed_of(name), 4])
    found = white_matter_like(image, places, rng, 24, 2 * len(KINDS))
    order = rng.permutation(len(KINDS))
    lesions = [(at, *KINDS[order[i % len(KINDS)]]) for i, at in enumerate(found)]
    planted = image.copy()
    for at, contrast, diameter in lesions:
        tissue = image[places.distance(at) <= 6].mean()
        planted += contrast * tissue * places.disc(at, diameter)
    return planted, lesions, white_matter_like(image, places, rng, 6, 60)


def evaluate(bench, cache, name, mask, noise, keep=None):
    """Contrasts that the detector reads on references and reconstructions, planted and not."""
    key = f"{name} {mask} {noise:g} {bench.value(mask, noise, 'bart-l1')} {bench.scorecon.label}"
    if cache.get(key) and keep is None:
        return cache.get(key)
    image = bench.val.image(name)
    planted, lesions, empty = plan(image, name)
    places, row = Places(image.shape), dict(slice=name, mask=mask, lesions=[(*at, c, d) for at, c, d in lesions], empty=empty)
    without = measure(image, mask, noise, seed_of(name))
    sigma = without.sigma / without.unit
    for what, picture in (("without", image), ("with", planted)):
        scan = measure(picture, mask, 0, seed_of(name), sigma=sigma)
        case = Case(f"{bench.folder}/lesion", scan, bench.scorecon)
        images = {"truth": scan.reference}
        for method in METHODS:
            images[method] = case.reconstruct(method, bench.value(mask, noise, method))[0]
        for method, found in images.items():
            row[f"{what} {method}"] = ([places.contrast(found, at, d) for at, _, d in lesions] if what == "with" else
                                       [[places.contrast(found, at, d) for d in DIAMETERS] for at in empty])
            if keep is not None:
                keep[what, method] = found
    cache.put(key, row)
    return row


def wilson(hits, n, z=1.96):
    if n == 0:
        return "no cases"
    p = hits / n
    middle, half = p + z * z / (2 * n), z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low, high = (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)
    return f"{hits}/{n} = {100 * p:.0f} % ({100 * max(low, 0):.0f} to {100 * min(high, 1):.0f})"


def survivors(rows, method, kinds):
    """Survival in words, and the contrast read over that read on the reference."""
    read = [(r[f"with {method}"][i], r["with truth"][i], c) for r in rows for i, (_, _, c, d) in enumerate(r["lesions"])
            if (c, d) in kinds]
    kept = sum(r[0] for r in read) / sum(r[1] for r in read) if read else 0
    return wilson(sum(found >= c / 2 for found, _, c in read), len(read)), kept


def alarms(rows, method, kinds):
    read = [(place[DIAMETERS.index(d)], c) for r in rows for place in r[f"without {method}"] for c, d in kinds]
    return wilson(sum(found >= c / 2 for found, c in read), len(read))


def report(rows, masks):
    lines = []
    for mask in masks:
        found = [r for r in rows if r["mask"] == mask]
        lines += [f"\n{mask}, {len(found)} slices:\n",
                  "| contrast | diameter | survives: BART L1 | survives: scorecon | contrast kept, BART L1 | scorecon | false "
                  "alarms: BART L1 | false alarms: scorecon |", "|---|---|---|---|---|---|---|---|"]
        for kinds in [[kind] for kind in KINDS] + [KINDS]:
            (bart, bart_kept), (ours, ours_kept) = (survivors(found, m, kinds) for m in METHODS)
            name = "%g | %g" % kinds[0] if len(kinds) == 1 else "all | all"
            lines.append(f"| {name} | {bart} | {ours} | {bart_kept:.2f} | {ours_kept:.2f} | "
                         f"{alarms(found, 'bart-l1', kinds)} | {alarms(found, 'scorecon', kinds)} |")
    return "\n".join(lines)


def draw(path, images, n=256):
    """Rows: with and without discs. Columns: truth, BART L1, scorecon."""
    peak = 0.6 * images["without", "truth"].max()
    rows = []
    for what in ("with", "without"):
        truth = images[what, "truth"]
        fitted = [images[what, m] * (images[what, m] * truth).sum() / (images[what, m] ** 2).sum() for m in ("truth", *METHODS)]
        rows.append([np.pad(im / peak, [(0, max(n - im.shape[0], 0)), (0, max(n - im.shape[1], 0))])[:n, :n] for im in fitted])
    write_png(path, panel(rows))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("work")
    parser.add_argument("--data", required=True)
    parser.add_argument("--split", default="val")
    parser.add_argument("--slices", type=int, default=24)
    parser.add_argument("--masks", nargs="+", default=["random:4:24", "random:8:16"])
    parser.add_argument("--noise", type=float, default=0.005)
    parser.add_argument("--prior")
    parser.add_argument("--opt", nargs="*", default=[])
    parser.add_argument("--train-slices", type=int, default=4)
    parser.add_argument("--report", action="store_true", help="only the table, of what is there")
    given = parser.parse_args()
    vars(given).update(jobs=1, noises=[given.noise], methods=METHODS, scale=1.0, no_crop=False)
    bench = Bench(given)
    cache, rows, pictures = Cache(given.work + "/lesions.jsonl"), [], {}
    bench.choose_all(None)
    for name in bench.val.names[:given.slices]:
        for mask in given.masks:
            key = f"{name} {mask} {given.noise:g} {bench.value(mask, given.noise, 'bart-l1')} {bench.scorecon.label}"
            if given.report and not cache.get(key):
                continue
            rows.append(evaluate(bench, cache, name, mask, given.noise))
            print(name, mask, len(rows[-1]["lesions"]), "lesions", len(rows[-1]["empty"]), "empty places", flush=True)
    text = report(rows, given.masks)
    print(text)
    with open(given.work + "/lesions.md", "w") as file:
        file.write(text + "\n")
    if not given.report:
        evaluate(bench, cache, bench.val.names[0], given.masks[-1], given.noise, pictures)
        draw(given.work + "/lesions.png", pictures)
    bench.close()


if __name__ == "__main__":
    sys.exit(main())
