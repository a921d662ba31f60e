#!/usr/bin/python3
"""Is the prior worth its name? Simulated scans of brain slices that it has never seen, beside BART.

    run.py PROGRAM WORK --data brain_mr [--quick] [--slices N] [--scale 1.3] ...

Each slice (k-space cut to the block that its scanner filled) is measured with each mask and noise level
(simulation.py) and reconstructed with each method (methods.py); PSNR and SSIM on the whole image and on the
object, defined in measures.py. BART's regularisation is chosen per mask and noise on slices of the train split:
the best mean PSNR on the object over steps of two, then the nearest half step to the top of the parabola through
the best three.
Results go to WORK/results.jsonl, which a later run with the same WORK goes on from; scorecon's are kept apart by
a hash of program, prior and options. The order goes round the slices, each time with another mask and noise, so
that an unfinished run is balanced. At the end, and with --report alone: WORK/table.md, slices.csv, figure.png.
"""
import argparse
import csv
import os
import queue
import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from cache import Cache
from markdown import Markdown
from measures import compare, object_of, panel, write_png
from methods import BART, METHODS, Case, Scorecon
from simulation import Slices, band_limited, measure, seed_of

MASKS = ["lines:4:24", "random:4:24", "lines:8:16", "random:8:16"]
NOISES = [0.002, 0.005, 0.01]
FIRST = {"cg-sense": 0.8, "bart-l1": 0.4, "bart-tv": 3.0}  # where the search begins, times the noise
STEPS = [2.0**k for k in range(-12, 1)]
METRICS = ["psnr", "ssim", "psnr_object", "ssim_object"]


class Desk:
    """The last few scans of one worker, so that neither scan nor maps are made again for the next method."""

    def __init__(self, folder, most=4):
        self.folder, self.most, self.cases, self.count = folder, most, {}, 0

    def case(self, key, make, scorecon):
        if key not in self.cases:
            if len(self.cases) >= self.most:
                oldest = self.cases.pop(next(iter(self.cases)))
                shutil.rmtree(oldest.folder, ignore_errors=True)
            self.count += 1
            self.cases[key] = Case(f"{self.folder}/{self.count}", make(), scorecon)
        return self.cases[key]


class Bench:
    def __init__(self, given):
        self.given = given
        os.makedirs(given.work, exist_ok=True)
        self.cache = Cache(given.work + "/results.jsonl")
        self.scorecon = Scorecon(given.program, given.prior, given.opt)
        self.val, self.train = Slices(given.data, given.split), Slices(given.data, "train")
        self.desks = queue.SimpleQueue()
        self.folder = f"{given.work}/tmp{os.getpid()}"
        for i in range(given.jobs):
            self.desks.put(Desk(f"{self.folder}/{i}"))
        self.chosen = {}

    def close(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def scan(self, slices, name, size, mask, noise):
        image = slices.image(name, size, not self.given.no_crop)
        return measure(image, mask, noise, seed_of(f"{name} {size:g}"))

    def key(self, name, size, mask, noise, method, value):
        crop = " whole" if self.given.no_crop else ""
        return f"{name} {size:g}{crop} {mask} {noise:g} {method} {value}"

    def value(self, mask, noise, method):
        """What distinguishes results of a method: its regularisation, or the program's label."""
        return self.scorecon.label if method == "scorecon" else self.chosen.get((mask, noise, method), "")

    def evaluate(self, slices, name, size, mask, noise, wanted, keep=None):
        """Rows of the (method, value) pairs wanted; what is in the cache is not computed again. keep: dict for images."""
        keys = [self.key(name, size, mask, noise, *w) for w in wanted]
        missing = [(k, w) for k, w in zip(keys, wanted) if not self.cache.get(k) or keep is not None]
        if missing:
            desk = self.desks.get()
            try:
                case = desk.case(self.key(name, size, mask, noise, "", ""),
                                 lambda: self.scan(slices, name, size, mask, noise), self.scorecon)
                scan, inside = case.scan, object_of(case.scan.reference)
                for key, (method, value) in missing:
                    image, facts = case.reconstruct(method, value)
                    whole, part = (compare(scan.reference, image, r) for r in (np.ones_like(inside), inside))
                    row = dict(slice=name, size=size, mask=mask, noise=noise, method=method, value=value, **facts,
                               **dict(zip(METRICS, whole + part)), sets=case.sets, acceleration=len(scan.mask) / int(scan.mask.sum()))
                    if keep is not None:
                        keep[method], keep["truth"] = image, scan.reference
                    self.cache.put(key, row)
            finally:
                self.desks.put(desk)
        return [self.cache.get(k) for k in keys]

    # ---- regularisation, on train slices ----

    def choose(self, mask, noise, method):
        names = self.train.spread(self.given.train_slices)

        def score(k):
            rows = [self.evaluate(self.train, n, 1.0, mask, noise, [(method, f"{STEPS[k]:.6g}")])[0] for n in names]
            return float(np.mean([r["psnr_object"] for r in rows]))
        start = min(range(len(STEPS)), key=lambda k: abs(np.log(STEPS[k] / (FIRST[method] * noise))))
        found = {k: score(k) for k in (start, start - 1)}
        step = 1 if found[start] >= found[start - 1] else -1
        at = start if step > 0 else start - 1
        while 0 <= at + step < len(STEPS):
            if at + step not in found:
                found[at + step] = score(at + step)
            if found[at + step] <= found[at]:
                break
            at += step
        top = 0.0
        if at - 1 in found and at + 1 in found:
            bend = found[at - 1] - 2 * found[at] + found[at + 1]
            top = 0.5 * (found[at - 1] - found[at + 1]) / bend if bend < 0 else 0.0
        return f"{STEPS[at] * 2 ** (round(2 * top) / 2):.3g}"

    def choose_all(self, pool):
        """Kept in a file, so that more train slices or another machine do not change what was compared before."""
        kept = Cache(self.given.work + f"/regularisation-{self.given.train_slices}.jsonl")
        settings = [(m, n, b) for m in self.given.masks for n in self.given.noises for b in BART if b in self.given.methods]

        def one(setting):
            key = "%s %g %s" % setting
            if not kept.get(key):
                kept.put(key, dict(value=self.choose(*setting)))
                print(f"{key}: {kept.get(key)['value']}", flush=True)
            return setting, kept.get(key)["value"]
        self.chosen = dict(pool.map(one, settings) if pool else map(one, settings))

    # ---- the comparison ----

    def units(self):
        """(slice, mask, noise), a round over the slices at a time, each with the next of all settings."""
        settings = [(m, n) for n in self.given.noises for m in self.given.masks]
        names = self.val.names[:self.given.slices]
        return [(name, *settings[(5 * (i // 4) + i % 4 * 3 + p) % len(settings)])
                for p in range(len(settings)) for i, name in enumerate(names)]

    def wanted(self, mask, noise):
        return [(m, self.value(mask, noise, m)) for m in self.given.methods]

    def rows(self, name, mask, noise):
        """All methods' rows of a unit by name, or None while one is missing."""
        found = {m: self.cache.get(self.key(name, self.given.scale, mask, noise, m, v)) for m, v in self.wanted(mask, noise)}
        return found if all(found.values()) else None

    def compare_all(self, pool):
        units, begin, done = self.units(), time.time(), [0]

        def one(unit):
            name, mask, noise = unit
            old = self.rows(*unit)
            done[0] += 1
            try:
                rows = old or dict(zip(self.given.methods, self.evaluate(self.val, name, self.given.scale, mask, noise,
                                                                         self.wanted(mask, noise))))
            except RuntimeError as error:  # a program refused: said, not counted, tried again by the next run
                print(f"{name} {mask} {noise:g}: {error}", file=sys.stderr, flush=True)
                return
            if not old:
                print(f"[{done[0]}/{len(units)}, {time.time() - begin:.0f} s] {name} {mask} {noise:g}: " +
                      ", ".join(f"{m} {r['psnr_object']:.2f}" for m, r in rows.items()), flush=True)
        list(pool.map(one, units))


# ---- the report ----

def better(rows):
    return max(("bart-l1", "bart-tv"), key=lambda m: rows[m]["psnr_object"])


def statistics(values):
    return "%.4f, %.4f, %.4f" if max(values) <= 1 else "%.2f, %.2f, %.2f", (np.mean(values), np.std(values), np.min(values))


def cell(values):
    text, numbers = statistics(values)
    return text % numbers


class Report(Markdown):
    def __init__(self, bench):
        super().__init__()
        self.bench, given = bench, bench.given
        self.found = [(u, r) for u, r in ((u, bench.rows(*u)) for u in bench.units()) if r]
        self.methods = given.methods
        self.contrasts = sorted({u[0].split("/")[0] for u, _ in self.found})

    def pick(self, mask=None, noise=None, contrast=None):
        return [r for (name, m, n), r in self.found if mask in (None, m) and noise in (None, n)
                and (contrast is None or name.startswith(contrast + "/"))]

    def by_contrast(self):
        self.say("Mean, standard deviation over slices and noise levels, worst slice:\n")
        for metric in METRICS:
            self.say({"psnr": "PSNR, whole image (dB)", "ssim": "SSIM, whole image",
                      "psnr_object": "PSNR, object (dB)", "ssim_object": "SSIM, object"}[metric] + "\n")
            self.table(["mask", "contrast", "scans", *self.methods],
                       [[mask, c, str(len(rows)), *(cell([r[m][metric] for r in rows]) for m in self.methods)]
                        for mask in self.bench.given.masks for c in self.contrasts if (rows := self.pick(mask, None, c))])

    def by_setting(self):
        self.say("Mean PSNR on the object, by mask and noise, and BART's regularisation (chosen on train slices):\n")
        rows = []
        for mask in self.bench.given.masks:
            for noise in self.bench.given.noises:
                found = self.pick(mask, noise)
                if found:
                    rows.append([mask, f"{noise:g}", str(len(found)),
                                 *("%.2f" % np.mean([r[m]["psnr_object"] for r in found]) +
                                   (f" ({self.bench.value(mask, noise, m)})" if m in BART else "") for m in self.methods),
                                 "%+.2f" % self.gain(found)])
        self.table(["mask", "noise", "scans", *self.methods, "scorecon - better of BART"], rows)

    @staticmethod
    def gain(rows):
        """Mean over scans, against the BART method that is better on the mean of this mask and noise."""
        return np.mean([r["scorecon"]["psnr_object"] for r in rows]) - max(
            np.mean([r[m]["psnr_object"] for r in rows]) for m in ("bart-l1", "bart-tv"))

    def summary(self):
        rows = []
        groups = [("R 3 to 4", [m for m in self.bench.given.masks if m.split(":")[1] == "4"], 1.5),
                  ("R 5.6 to 8", [m for m in self.bench.given.masks if m.split(":")[1] == "8"], 2.0)]
        for name, masks, target in groups:
            settings = [f for m in masks for n in self.bench.given.noises if (f := self.pick(m, n))]
            if not settings:
                continue
            every = [r for f in settings for r in f]
            each = [r["scorecon"]["psnr_object"] - r[better(r)]["psnr_object"] for r in every]
            ssim = {c: np.mean(d) for c in self.contrasts
                    if (d := [r["scorecon"]["ssim_object"] - max(r["bart-l1"]["ssim_object"], r["bart-tv"]["ssim_object"])
                              for (s, m, _), r in self.found if m in masks and s.startswith(c + "/")])}
            rows.append([name, str(len(every)), "%+.2f (%+.1f)" % (np.mean([self.gain(f) for f in settings]), target),
                         "%+.2f" % np.mean(each), "%+.2f" % min(each), str(sum(e < -0.5 for e in each)),
                         ", ".join(f"{c} {v:+.4f}" for c, v in ssim.items())])
        self.say("Object, scorecon minus the better of BART's L1-wavelet and TV:\n")
        self.table(["masks", "scans", "PSNR, better on the mean (wanted)", "better on each scan", "worst scan",
                    "scans below -0.5 dB", "SSIM by contrast, better on each scan"], rows)
        worst = sorted(((r["scorecon"]["psnr_object"] - r[better(r)]["psnr_object"], u, r) for u, r in self.found),
                       key=lambda t: t[0])[:8]
        self.say("The eight lowest differences:\n")
        self.table(["difference", "slice", "mask", "noise", "BART", "scorecon", "residual", "noise measured / true"],
                   [["%+.2f" % d, u[0], u[1], f"{u[2]:g}", "%s %.2f" % (better(r), r[better(r)]["psnr_object"]),
                     "%.2f" % r["scorecon"]["psnr_object"], "%.2f" % r["scorecon"]["residual"],
                     "%.2f" % (r["scorecon"]["sigma"] or 0)] for d, u, r in worst])
        self.say("Processor seconds a scan, maps included, mean: " + ", ".join(
            f"{m} {np.mean([r[m]['seconds'] for _, r in self.found]):.1f}" for m in self.methods) + "\n")

    def write(self):
        given = self.bench.given
        self.say(f"{len(self.found)} of {len(self.bench.units())} scans, {len({u[0] for u, _ in self.found})} slices, size "
                 f"{given.scale:g}, k-space {'whole' if given.no_crop else 'cut to the block the scanner filled'}, "
                 f"program {self.bench.scorecon.label}\n")
        if self.found and {"bart-l1", "bart-tv", "scorecon"} <= set(self.methods):
            self.summary()
            self.by_setting()
        self.by_contrast()
        with open(given.work + "/table.md", "w") as file:
            file.write("\n".join(self.lines))
        with open(given.work + "/slices.csv", "w", newline="") as file:
            out = csv.writer(file)
            out.writerow(["slice", "mask", "noise", "size", "method", "value", *METRICS, "seconds"])
            for (name, mask, noise), rows in self.found:
                for m, r in rows.items():
                    out.writerow([name, mask, noise, given.scale, m, r["value"], *("%.4f" % r[k] for k in METRICS),
                                  "%.2f" % r["seconds"]])
        print("\n".join(self.lines))


def square(image, n=256):
    """At most n x n, without the cut of k-space in its proportions, for the eye."""
    shape = [min(n, image.shape[0]), n if image.shape[1] > 0.6 * n else image.shape[1]]
    image = np.abs(band_limited(image, tuple(shape)))
    return np.pad(image, [(0, n - image.shape[0]), (0, n - image.shape[1])])


def draw(bench, mask, noise, count):
    """Rows: slices. Columns: truth, zero-filled, BART's better one, scorecon; errors of the last two, five times as bright."""
    rows = []
    for name in bench.val.names[:count]:
        images = {}
        bench.evaluate(bench.val, name, bench.given.scale, mask, noise, bench.wanted(mask, noise), images)
        truth, peak = images["truth"], images["truth"].max() * 0.7
        fitted = {m: im * (im * truth).sum() / (im * im).sum() for m, im in images.items()}
        bart = better(bench.rows(name, mask, noise))
        shown = [truth, fitted["zero-filled"], fitted[bart], fitted["scorecon"],
                 5 * np.abs(fitted[bart] - truth), 5 * np.abs(fitted["scorecon"] - truth)]
        rows.append([square(im / peak) for im in shown])
    write_png(bench.given.work + "/figure.png", panel(rows))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("work", help="folder for results and tables; a run goes on from what is there")
    parser.add_argument("--data", required=True, help="folder with subjects.csv and <split>/<contrast>/<subject>.tif")
    parser.add_argument("--split", default="val", help="which subjects (val)")
    parser.add_argument("--slices", type=int, default=64, help="how many slices (64)")
    parser.add_argument("--scale", type=float, default=1.0, help="pixels across, as a multiple of the trained size")
    parser.add_argument("--no-crop", action="store_true", help="leave k-space as large as the image")
    parser.add_argument("--masks", nargs="+", default=MASKS)
    parser.add_argument("--noises", nargs="+", type=float, default=NOISES, help="shares of the peak, per real component")
    parser.add_argument("--methods", nargs="+", default=METHODS, choices=METHODS)
    parser.add_argument("--train-slices", type=int, default=4, help="slices that choose BART's regularisation (4)")
    parser.add_argument("--prior", help="weights (default: the shipped ones)")
    parser.add_argument("--opt", nargs="*", default=[], metavar="KEY=VALUE", help="options of scorecon's method")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="8 slices, two noise levels, two train slices")
    parser.add_argument("--report", action="store_true", help="only tables, of what is there")
    parser.add_argument("--figure", nargs=2, default=["random:8:16", "0.005"], metavar=("MASK", "NOISE"))
    given = parser.parse_args()
    if given.quick:
        given.slices, given.noises, given.train_slices = 8, [0.005, 0.01], 2
    bench = Bench(given)
    try:
        with ThreadPoolExecutor(given.jobs) as pool:
            bench.choose_all(pool)
            if not given.report:
                bench.compare_all(pool)
        Report(bench).write()
        if not given.report and set(METHODS) <= set(given.methods) and given.figure[0] in given.masks:
            draw(bench, given.figure[0], float(given.figure[1]), 4)
    finally:
        bench.close()


if __name__ == "__main__":
    sys.exit(main())
