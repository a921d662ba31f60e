#!/usr/bin/python3
"""How much the classical methods should regularise: a sweep on simulated scans of validation images.

    run.py PROGRAM OUT IMAGE... [--noise S...] [--matrix NYxNX]

Each image (a TIFF stack) is measured by eight coils with four kinds of masks and each noise level
(share of the 99.9th percentile), reconstructed with every weight, and compared with the noiseless
truth. Printed: mean PSNR per mask and noise, and over all; for L1-wavelet and TV against
lambda / sigma, for CG-SENSE against lambda and for its own rule; for L1-wavelet also by the half of
the last iteration at which it ends. Real scans are not looked at.
"""
import argparse
import json
import os
import shutil
import subprocess

MASKS = ["lines:4:24", "random:4:24", "lines:6:16", "poisson:8:24"]  # the last measures parts of lines: cfl
SWEEPS = [
    ("l1-wavelet", "lambda-sigma", [0.06, 0.12, 0.25, 0.5, 1.0]),
    ("l1-wavelet", "end", ["sparse", "data"]),
    ("tv", "lambda-sigma", [0.06, 0.12, 0.25, 0.5, 1.0]),
    ("cg-sense", "lambda", ["rule", 0.003, 0.01, 0.03, 0.1, 0.3]),
]


def run(*arguments):
    environment = dict(os.environ, OMP_WAIT_POLICY="passive")
    return subprocess.run(list(map(str, arguments)), check=True, capture_output=True, env=environment).stdout


def psnr(program, scan, truth, out, method, option, value):
    options = [] if value == "rule" else ["--opt", f"{option}={value}"]
    shutil.rmtree(out, ignore_errors=True)
    run(program, "recon", scan, "-o", out, "--method", method, *options, "--format", "npy", "--quiet")
    found = json.loads(run(program, "compare", truth, out, "--fit", "--region", truth, "--json", "--quiet"))
    return found["images"][0]["psnr"]


def print_table(method, option, values, rows):
    print(f"\n{method}: PSNR (dB) by {option}\n")
    print("| mask | noise | " + " | ".join(str(v) for v in values) + " |")
    print("| --- | --- |" + " --- |" * len(values))
    for (mask, noise), numbers in rows:
        print(f"| {mask} | {noise} | " + " | ".join("%.2f" % n for n in numbers) + " |")
    means = [sum(numbers[i] for _, numbers in rows) / len(rows) for i in range(len(values))]
    print("| mean | | " + " | ".join("%.2f" % n for n in means) + " |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("out")
    parser.add_argument("images", nargs="+")
    parser.add_argument("--noise", nargs="+", type=float, default=[0.005, 0.015])
    parser.add_argument("--matrix", default="192x192")
    given = parser.parse_args()
    os.makedirs(given.out, exist_ok=True)
    scans = {}
    for mask in MASKS:
        for noise in given.noise:
            for i, image in enumerate(given.images):
                name = f"{given.out}/{mask.replace(':', '_')}_{noise}_{i}"
                scan = name + (".cfl" if mask.startswith("poisson") else ".h5")
                run(given.program, "simulate", image, "-o", scan, "--truth", name + ".npy", "--mask", mask,
                    "--noise", noise, "--matrix", given.matrix, "--seed", i, "--quiet")
                scans.setdefault((mask, noise), []).append((scan, name + ".npy"))
    for method, option, values in SWEEPS:
        rows = []
        for setting, names in scans.items():
            numbers = [sum(psnr(given.program, scan, truth, given.out + "/recon", method, option, v)
                           for scan, truth in names) / len(names) for v in values]
            rows.append((setting, numbers))
        print_table(method, option, values, rows)


if __name__ == "__main__":
    main()
