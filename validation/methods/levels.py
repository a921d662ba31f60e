#!/usr/bin/python3
"""What the default point estimate is worth with other options, on slices of the train split: PSNR on the object.

    levels.py PROGRAM WORK OPTIONS... --data brain_mr [--slices 8]      OPTIONS: "levels=15 momentum=0.7"

Slices far apart, the contrasts in turn, k-space cut to at most 192 rows and columns; each is measured with one mask and
noise of SETTINGS, or all with that of --setting. Printed: PSNR with the first OPTIONS, and the differences of the others to it. Results are kept in
WORK/levels.jsonl.
"""
import argparse
import os
import shutil
import sys

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "mr_prior")]
from cache import Cache  # noqa: E402
from measures import compare, object_of  # noqa: E402
from methods import Case, Scorecon  # noqa: E402
from simulation import Slices, measure, seed_of  # noqa: E402

SETTINGS = [("random:4:24", 0.005), ("random:8:16", 0.005), ("lines:4:24", 0.002), ("lines:8:16", 0.01),
            ("random:8:16", 0.002), ("random:4:24", 0.01), ("lines:8:16", 0.005), ("lines:4:24", 0.005)]


class Bench:
    def __init__(self, given):
        os.makedirs(given.work, exist_ok=True)
        self.given, self.cache = given, Cache(given.work + "/levels.jsonl")
        self.scorecon, self.slices = Scorecon(given.program, given.prior), Slices(given.data, "train")
        self.folder = f"{given.work}/tmp{os.getpid()}"

    def psnr(self, name, mask, noise):
        """Of each of the options; not a number where the program refuses."""
        found, case = [], None
        for options in self.given.options:
            key = f"{self.scorecon.label} {self.given.rows} {name} {mask} {noise} {options}"
            if not self.cache.get(key):
                if case is None:
                    image = self.slices.image(name, rows=self.given.rows)
                    case = Case(self.folder, measure(image, mask, noise, seed_of(name)), self.scorecon)
                self.cache.put(key, self.one(case, options))
            found.append(self.cache.get(key)["psnr"])
        return np.array(found)

    def one(self, case, options):
        try:
            image, seconds, _ = self.scorecon.reconstruct(case.folder, case.folder + "/data.cfl",
                                                          [w for o in options.split() for w in ("--opt", o)])
        except RuntimeError as error:
            print(error, file=sys.stderr)
            return dict(psnr=float("nan"))
        return dict(psnr=compare(case.scan.reference, image, object_of(case.scan.reference))[0], sec=seconds)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("work")
    parser.add_argument("options", nargs="+", metavar="OPTIONS")
    parser.add_argument("--data", required=True)
    parser.add_argument("--slices", type=int, default=8)
    parser.add_argument("--rows", type=int, default=192)
    parser.add_argument("--names", nargs="+", metavar="CONTRAST/SUBJECT:PAGE", help="these slices instead")
    parser.add_argument("--setting", nargs=2, metavar=("MASK", "NOISE"))
    parser.add_argument("--prior")
    given = parser.parse_args()
    bench = Bench(given)
    print("| slice | mask | noise | " + " | ".join(given.options) + " |\n|" + "---|" * (3 + len(given.options)))
    rows = []
    try:
        for i, name in enumerate(given.names or bench.slices.spread(given.slices)):
            mask, noise = (given.setting[0], float(given.setting[1])) if given.setting else SETTINGS[i % len(SETTINGS)]
            psnr = bench.psnr(name, mask, noise)
            rows.append(psnr)
            print(f"| {name} | {mask} | {noise:g} | {psnr[0]:.2f} | " + " | ".join("%+.2f" % d for d in psnr[1:] - psnr[0]) + " |",
                  flush=True)
    finally:
        shutil.rmtree(bench.folder, ignore_errors=True)
    mean = np.nanmean(rows, 0)
    print(f"| mean | | | {mean[0]:.2f} | " + " | ".join("%+.2f" % d for d in mean[1:] - mean[0]) + " |")


if __name__ == "__main__":
    sys.exit(main())
