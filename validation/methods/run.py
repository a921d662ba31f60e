#!/usr/bin/python3
"""All methods on the same slices: quality, cost, and whether the intervals of those that draw samples hold.

    run.py PROGRAM WORK --data brain_mr [--slices N] [--trials "METHOD KEY=VALUE ..." ...] [--split train] [--report]

Slices, scanner and quality are those of validation/mr_prior (one noise level), with k-space cut to at most 192 rows and
192 columns: the whole head at a lower resolution. Each trial is a method with options; see measure.py for what is
measured. Results go to WORK/results.jsonl, which a later run goes on from; they are kept apart by a hash of program
and prior. Cheap trials come first, on all slices. At the end, and with --report alone: WORK/table.md and
WORK/quality.svg. What is chosen is chosen with --split train.
"""
import argparse
import os
import shutil
import sys

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "mr_prior")]
from cache import Cache  # noqa: E402
from figure import draw  # noqa: E402
from markdown import Markdown  # noqa: E402
from measure import evaluate  # noqa: E402
from methods import Case, Scorecon  # noqa: E402
from simulation import Slices, measure, seed_of  # noqa: E402

MASKS = ["random:4:24", "random:8:16"]
ROUNDS = [  # trials, and on how many slices at most: one round is done with before the next begins
    (["zero-filled", "cg-sense", "l1-wavelet", "tv", "annealed-proximal", "dds", "diffpir"], None),
    (["pula samples=16", "red-diff", "dps"], None),
    (["pc levels=1000"], 2),
    (["dds samples=16"], None),
]


class Bench:
    def __init__(self, given):
        self.given = given
        os.makedirs(given.work, exist_ok=True)
        self.cache = Cache(given.work + "/results.jsonl")
        self.scorecon = Scorecon(given.program, given.prior)
        slices = Slices(given.data, given.split)
        self.slices = slices
        self.names = slices.names[:given.slices] if given.split == "val" else slices.spread(given.slices)
        self.rounds = [(given.trials, None)] if given.trials else ROUNDS
        self.trials = [t for trials, _ in self.rounds for t in trials]
        self.refused = {}

    def key(self, name, mask, trial):
        return f"{name} {self.given.rows} {mask} {self.given.noise:g} {trial} {self.given.label or self.scorecon.label}"

    def row(self, name, mask, trial):
        return self.cache.get(self.key(name, mask, trial))

    def units(self):
        """(name, mask, trials): what one scan is reconstructed by in one go."""
        return [(name, mask, trials) for trials, most in self.rounds for name in self.names[:most]
                for mask in self.given.masks]

    def compute(self):
        folder = f"{self.given.work}/tmp{os.getpid()}"
        try:
            for name, mask, trials in self.units():
                missing = [t for t in trials if not self.row(name, mask, t)]
                if not missing:
                    continue
                image = self.slices.image(name, rows=self.given.rows)
                case = Case(folder, measure(image, mask, self.given.noise, seed_of(name)), self.scorecon)
                for trial in missing:
                    self.one(case, name, mask, trial)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def one(self, case, name, mask, trial):
        try:
            row = evaluate(case, trial)
        except RuntimeError as error:  # the program refused: said, not counted, tried again by the next run
            print(f"{name} {mask} {trial}: {error}", file=sys.stderr, flush=True)
            return
        self.cache.put(self.key(name, mask, trial), row)
        print(f"{name} {mask} {trial}: {row['psnr']:.2f} dB, {row['seconds']:.1f} s" +
              (f", coverage {row['coverage']:.3f}" if "coverage" in row else ""), flush=True)


# ---- the report ----

class Report(Markdown):
    def __init__(self, bench):
        super().__init__()
        self.bench, self.given = bench, bench.given

    def rows(self, mask, trial):
        found = {n: self.bench.row(n, mask, trial) for n in self.bench.names}
        return {n: r for n, r in found.items() if r}

    def gap(self, mask, trial, base):
        """Mean and worst difference of PSNR to the base, on the slices that both have."""
        rows, ground = self.rows(mask, trial), self.rows(mask, base)
        each = [rows[n]["psnr"] - ground[n]["psnr"] for n in rows if n in ground]
        return (np.mean(each), np.min(each)) if each else None

    def quality(self, mask):
        base = self.given.base if self.given.base in self.bench.trials else self.bench.trials[0]
        lines = []
        for trial in self.bench.trials:
            rows = list(self.rows(mask, trial).values())
            if not rows:
                continue
            gap = self.gap(mask, trial, base)
            lines.append([trial, str(len(rows)), *(form % np.mean([r[k] for r in rows]) for k, form in (
                ("psnr", "%.2f"), ("ssim", "%.4f"), ("evaluations", "%.0f"), ("seconds", "%.1f"), ("residual", "%.2f"))),
                "%.3f" % np.mean([r["coverage"] for r in rows]) if "coverage" in rows[0] else "",
                "%+.2f, %+.2f" % gap if gap else ""])
        if lines:
            self.say(f"{mask}\n")
            self.table(["trial", "slices", "PSNR (dB)", "SSIM", "evaluations", "seconds", "residual",
                        "coverage of 90 %", f"against {base}: mean, worst"], lines)

    def calibration(self):
        lines = []
        for trial in self.bench.trials:
            for mask in self.given.masks:
                rows = [r for r in self.rows(mask, trial).values() if "coverage" in r]
                if rows:
                    n = rows[0]["samples"]
                    mean = {k: np.mean([r[k] for r in rows]) for k in ("coverage", "student", "ranks", "ratio", "bias",
                                                                      "correlation", "ceiling", "noise")}
                    least, most = (f([r["coverage"] for r in rows]) for f in (min, max))
                    lines.append([trial, mask, str(len(rows)), "%.3f (%.3f to %.3f)" % (mean["coverage"], least, most),
                                  "%.3f" % mean["student"], "%.3f (%.3f)" % (mean["ranks"], (n - 1) / (n + 1)),
                                  "%.2f (%.2f)" % (mean["ratio"], np.sqrt(1 + 1 / n)), "%+.1f %%" % (100 * mean["bias"]),
                                  "%.2f (%.2f)" % (mean["correlation"], mean["ceiling"]), "%.2f" % mean["noise"]])
        if lines:
            self.say("Intervals inside the object; in brackets what is wanted:\n")
            self.table(["trial", "mask", "slices", "p05 to p95 (0.900)", "Student (0.900)", "all samples", "error / std",
                        "bias", "correlation of std and error", "noise measured / true"], lines)

    def write(self):
        self.say(f"{self.given.split} slices, at most {self.given.rows} x {self.given.rows}, noise {self.given.noise:g} of "
                 f"the peak, program {self.given.label or self.bench.scorecon.label}. Means over slices; PSNR and SSIM on "
                 "the object; processor seconds of one thread, maps included.\n")
        for mask in self.given.masks:
            self.quality(mask)
        self.calibration()
        with open(self.given.work + "/table.md", "w") as file:
            file.write("\n".join(self.lines))
        print("\n".join(self.lines))
        panels = []
        for mask in self.given.masks:
            points = [(t, np.mean([r["seconds"] for r in rows]), np.mean([r["psnr"] for r in rows]))
                      for t in self.bench.trials if (rows := list(self.rows(mask, t).values()))]
            if points:
                panels.append((mask, points))
        if panels:
            draw(self.given.work + "/quality.svg", panels, "processor seconds of one thread", "PSNR on the object, dB")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("work", help="folder for results, tables and figure; a run goes on from what is there")
    parser.add_argument("--data", required=True, help="folder with subjects.csv and <split>/<contrast>/<subject>.tif")
    parser.add_argument("--split", default="val", help="which subjects (val)")
    parser.add_argument("--slices", type=int, default=8, help="how many slices (8)")
    parser.add_argument("--rows", type=int, default=192, help="rows and columns of k-space at most (192)")
    parser.add_argument("--masks", nargs="+", default=MASKS)
    parser.add_argument("--noise", type=float, default=0.005, help="share of the peak, per real component")
    parser.add_argument("--trials", nargs="+", metavar="TRIAL", help='"METHOD KEY=VALUE ...", instead of all methods')
    parser.add_argument("--base", default="annealed-proximal", help="the trial that the others are compared with")
    parser.add_argument("--prior", help="weights (default: the shipped ones)")
    parser.add_argument("--label", help="report the results of the program with this label")
    parser.add_argument("--report", action="store_true", help="only table and figure, of what is there")
    given = parser.parse_args()
    bench = Bench(given)
    if not given.report:
        bench.compute()
    Report(bench).write()


if __name__ == "__main__":
    sys.exit(main())
