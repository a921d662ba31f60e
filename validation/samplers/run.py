#!/usr/bin/python3
"""Which sampler and which schedule: diffusion methods on simulated scans of validation images.

    run.py PROGRAM PRIOR OUT IMAGE... [--noise S...] [--matrix NYxNX] [--only WORD]

Each image (one slice of a TIFF stack) is measured by eight coils with four kinds of masks and
each noise level (share of the 99.9th percentile), reconstructed with every row of TRIALS, and
compared with the noiseless truth inside the head. Printed: PSNR per mask and over all, the
residual relative to the noise, score evaluations, and seconds. L1-wavelet is there to compare
with. Real scans are not looked at: what is chosen here is chosen before they are.
"""
import argparse
import json
import os
import shutil
import subprocess
import time

MASKS = ["lines:4:24", "random:4:24", "lines:6:16", "poisson:8:24"]
TRIALS = [
    ("l1-wavelet", {}),
    ("annealed-proximal", {}),
    ("annealed-proximal", {"levels": 6}),
    ("annealed-proximal", {"levels": 24}),
    ("annealed-proximal", {"start": 1}),
    ("annealed-proximal", {"start": 4}),
    ("annealed-proximal", {"ratio": 1}),
    ("annealed-proximal", {"ratio": 2}),
    ("annealed-proximal", {"sigma-end": 0.5}),
    ("annealed-proximal", {"sigma-end": 2}),
    ("annealed-proximal", {"mirror": "no"}),
    ("annealed-proximal", {"final": "denoised"}),
    ("dds", {}),
    ("dds", {"levels": 50}),
    ("dds", {"eta": 0.5}),
    ("dds", {"eta": 1}),
    ("pc", {}),
    ("pc", {"data": "proximal"}),
    ("pula", {}),
]


def run(*arguments):
    environment = dict(os.environ, OMP_WAIT_POLICY="passive")
    done = subprocess.run(list(map(str, arguments)), capture_output=True, env=environment, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, arguments))}: {done.stderr.strip()}")
    return done.stdout


def find(record, key):
    """First value of that name anywhere in the record."""
    if isinstance(record, dict):
        if key in record:
            return record[key]
        record = list(record.values())
    if isinstance(record, list):
        for part in record:
            found = find(part, key)
            if found is not None:
                return found
    return None


def trial(given, scan, method, options):
    shutil.rmtree(given.out + "/recon", ignore_errors=True)
    words = [w for key, value in options.items() for w in ("--opt", f"{key}={value}")]
    begin = time.time()
    run(given.program, "recon", scan + ".h5", "-o", given.out + "/recon", "--prior", given.prior, "--method", method,
        *words, "--format", "npy", "--quiet")
    seconds = time.time() - begin
    found = json.loads(run(given.program, "compare", scan + ".npy", given.out + "/recon", "--fit", "--region",
                           scan + ".npy", "--json", "--quiet"))
    with open(given.out + "/recon/record.json") as file:
        record = json.load(file)
    return found["images"][0]["psnr"], find(record, "residual"), find(record, "score_evaluations"), seconds


def simulate(given):
    scans = {}
    for mask in MASKS:
        for noise in given.noise:
            for i, image in enumerate(given.images):
                scan = f"{given.out}/{mask.replace(':', '_')}_{noise}_{i}"
                run(given.program, "simulate", image, "-o", scan + ".h5", "--truth", scan + ".npy", "--mask", mask,
                    "--noise", noise, "--matrix", given.matrix, "--slices", given.slice, "--seed", i, "--quiet")
                scans.setdefault(mask, []).append(scan)
    return scans


def mean(numbers):
    numbers = [n for n in numbers if n is not None]
    return sum(numbers) / len(numbers) if numbers else float("nan")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("prior")
    parser.add_argument("out")
    parser.add_argument("images", nargs="+")
    parser.add_argument("--noise", nargs="+", type=float, default=[0.009])
    parser.add_argument("--matrix", default="192x160")
    parser.add_argument("--slice", default="1:2", help="A:B, which slice of the stack")
    parser.add_argument("--only", default="", help="rows whose method holds this word")
    given = parser.parse_args()
    os.makedirs(given.out, exist_ok=True)
    scans = simulate(given)
    print("| method | " + " | ".join(MASKS) + " | mean | residual | evaluations | s |")
    print("| --- |" + " --- |" * (len(MASKS) + 4))
    for method, options in TRIALS:
        if given.only not in method:
            continue
        rows = {mask: [trial(given, s, method, options) for s in names] for mask, names in scans.items()}
        every = [row for found in rows.values() for row in found]
        name = " ".join([method] + [f"{key}={value}" for key, value in options.items()])
        print(f"| {name} | " + " | ".join("%.2f" % mean([r[0] for r in rows[m]]) for m in MASKS) +
              " | %.2f | %.2f | %.0f | %.1f |" % tuple(mean([r[k] for r in every]) for k in range(4)), flush=True)


if __name__ == "__main__":
    main()
