#!/usr/bin/python3
"""Which sampler and which schedule: diffusion methods on simulated scans of validation images.

    run.py PROGRAM PRIOR OUT IMAGE... [--noise S...] [--masks M...] [--matrix NYxNX] [--only WORD]

Each image (one slice of a TIFF stack) is measured by eight coils with several kinds of masks and
each noise level (share of the 99.9th percentile), reconstructed with every row of TRIALS, and
compared with the noiseless truth inside the head. Printed: PSNR per mask and over all, the
residual relative to the noise, score evaluations, seconds, and where there are samples the RMS error
over the RMS of their standard deviation (calibrated: about 1.06 for 8 samples). L1-wavelet is there to compare
with. Real scans are not looked at: what is chosen here is chosen before they are.
"""
import argparse
import json
import os
import shutil
import subprocess
import time

import numpy as np

MASKS = ["lines:4:24", "random:4:24", "lines:6:16", "poisson:8:24"]
TRIALS = [
    ("l1-wavelet", {}),
    ("annealed-proximal", {}),
    ("annealed-proximal", {"levels": 12}),
    ("annealed-proximal", {"levels": 60}),
    ("annealed-proximal", {"start": 1.5}),
    ("annealed-proximal", {"start": 6}),
    ("annealed-proximal", {"ratio": 1.5, "floor": 0}),
    ("annealed-proximal", {"ratio": 1, "floor": 0, "measured": 0}),
    ("annealed-proximal", {"floor": 2.5}),
    ("annealed-proximal", {"measured": 0.4}),
    ("annealed-proximal", {"measured": 1.4}),
    ("annealed-proximal", {"sigma-end": 0.5}),
    ("annealed-proximal", {"sigma-end": 2}),
    ("annealed-proximal", {"mirror": "no"}),
    ("annealed-proximal", {"final": "denoised"}),
    ("dds", {}),
    ("dds", {"levels": 50}),
    ("dds", {"eta": 0.85}),
    ("diffpir", {}),
    ("diffpir", {"levels": 20}),
    ("diffpir", {"zeta": 0.3}),
    ("diffpir", {"levels": 20, "samples": 8}),
    ("diffpir", {"levels": 20, "samples": 8, "zeta": 0.3}),
    ("dps", {}),
    ("dps", {"levels": 50}),
    ("dps", {"levels": 50, "zeta": 3}),
    ("dps", {"levels": 50, "step": "norm"}),
    ("dps", {"levels": 50, "samples": 4}),
    ("red-diff", {}),
    ("red-diff", {"levels": 100}),
    ("red-diff", {"power": -1}),
    ("red-diff", {"power": 1}),
    ("red-diff", {"lambda": 0.25}),
    ("pc", {}),
    ("pc", {"data": "proximal"}),
    ("pula", {}),
    ("pula", {"samples": 8}),
    ("pula", {"levels": 50}),
    ("pula", {"levels": 50, "samples": 4}),
    ("daps", {"levels": 50}),
    ("daps", {"levels": 50, "samples": 4}),
    ("daps", {"levels": 10, "ode": 5, "spread": 1e6}),
]


def run(*arguments):
    environment = dict(os.environ, OMP_WAIT_POLICY="passive")
    done = subprocess.run(list(map(str, arguments)), capture_output=True, env=environment, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, arguments))}: {done.stderr.strip()}")
    return done.stdout


def trial(given, scan, method, options):
    shutil.rmtree(given.out + "/recon", ignore_errors=True)
    words = [w for key, value in options.items()
             for w in (("--samples", value) if key == "samples" else ("--opt", f"{key}={value}"))]
    begin = time.time()
    run(given.program, "recon", scan[0], "-o", given.out + "/recon", "--prior", given.prior, "--method", method,
        *words, "--format", "npy", "--quiet")
    seconds = time.time() - begin
    found = json.loads(run(given.program, "compare", scan[1], given.out + "/recon", "--fit", "--region",
                           scan[1], "--json", "--quiet"))
    with open(given.out + "/recon/record.json") as file:
        record = json.load(file)
    return (found["images"][0]["psnr"], record["residual"]["value"][0], record["cost"]["score_evaluations"],
            seconds, error_over_std(given.out + "/recon", scan[1]))


def error_over_std(folder, truth):
    """RMS error of the magnitude over the RMS of what the samples say it is, inside the head."""
    if not os.path.exists(folder + "/std.npy"):
        return None
    truth, std = np.load(truth).squeeze(), np.load(folder + "/std.npy").squeeze()
    image = np.abs(np.load(folder + "/image.npy")).squeeze()
    head = truth > 0.05 * truth.max()
    return float(np.sqrt(np.mean((image - truth)[head] ** 2) / np.mean(std[head] ** 2)))


def simulate(given):
    scans = {}
    for mask in given.masks:
        for noise in given.noise:
            for i, image in enumerate(given.images):
                name = f"{given.out}/{mask.replace(':', '_')}_{noise}_{i}"
                # ISMRMRD holds whole readouts only; a .cfl holds points, but no noise scan
                scan = (name + (".cfl" if mask.startswith("poisson") else ".h5"), name + ".npy")
                run(given.program, "simulate", image, "-o", scan[0], "--truth", scan[1], "--mask", mask,
                    "--noise", noise, "--matrix", given.matrix, "--slices", given.slice, "--seed", i, "--quiet")
                scans.setdefault(mask, []).append(scan)
    return scans


def mean(numbers):
    return sum(numbers) / len(numbers)


def spread(rows):
    known = [r[4] for r in rows if r[4] is not None]
    return "%.2f" % mean(known) if known else ""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("prior")
    parser.add_argument("out")
    parser.add_argument("images", nargs="+")
    parser.add_argument("--noise", nargs="+", type=float, default=[0.009])
    parser.add_argument("--masks", nargs="+", default=MASKS)
    parser.add_argument("--matrix", default="192x160")
    parser.add_argument("--slice", default="1:2", help="A:B, which slice of the stack")
    parser.add_argument("--only", default="", help="rows whose name holds this word")
    given = parser.parse_args()
    os.makedirs(given.out, exist_ok=True)
    scans = simulate(given)
    print("| method | " + " | ".join(given.masks) + " | mean | residual | evaluations | s | error / std |")
    print("| --- |" + " --- |" * (len(given.masks) + 6))
    for method, options in TRIALS:
        name = " ".join([method] + [f"{key}={value}" for key, value in options.items()])
        if given.only not in name:
            continue
        rows = {mask: [trial(given, s, method, options) for s in names] for mask, names in scans.items()}
        every = [row for found in rows.values() for row in found]
        print(f"| {name} | " + " | ".join("%.2f" % mean([r[0] for r in rows[m]]) for m in given.masks) +
              " | %.2f | %.2f | %.0f | %.1f | %s |" % (*(mean([r[k] for r in every]) for k in range(4)),
                                                        spread(every)), flush=True)


if __name__ == "__main__":
    main()
