#!/usr/bin/python3
"""run.py PROGRAM OUT [--accelerations 4 8] [--weights 0 5 20]: does holding slices together help?

Eight axial slices of the T1 head of Debian's mricron-data, 3 mm apart, are measured by the simulated
scanner of the demo and reconstructed by dds with and without total variation through the slices. Per
line: PSNR on the object, and the through-slice error, the mean over pairs of neighbouring slices of
|D_z (reconstruction - truth)| relative to the bright end of the truth; for comparison what |D_z| itself
is in the reconstruction and in the truth.
"""
import argparse
import os
import shutil
import subprocess

import numpy as np

HEAD = "/usr/share/mricron/templates/ch2.nii.gz"


def scorecon(program, *words):
    subprocess.run([program, *words, "--quiet"], check=True, stdout=subprocess.DEVNULL)


def numbers(truth, image):
    """On the object (above a tenth of the bright end): PSNR, through-slice error, |D_z| of image and truth."""
    bright = np.percentile(truth, 99.9)
    inside = truth > 0.1 * bright
    pairs = inside[1:] & inside[:-1]
    error = (image - truth) / bright
    psnr = -10 * np.log10(np.mean(error[inside] ** 2))
    through = [np.abs(np.diff(x, axis=0))[pairs].mean() for x in (error, image / bright, truth / bright)]
    return psnr, *through


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("program")
    arguments.add_argument("out")
    arguments.add_argument("--accelerations", nargs="+", default=["4", "8"])
    arguments.add_argument("--weights", nargs="+", default=["0", "5", "20"])
    arguments.add_argument("--slices", default="90:114:3")
    arguments.add_argument("--matrix", default="96x80")
    arguments.add_argument("--noise", default="0.01")
    arguments.add_argument("--option", action="append", default=[], help="of dds, KEY=VALUE")
    arguments.add_argument("--threads", default="2")
    a = arguments.parse_args()
    if not os.path.exists(HEAD):
        raise SystemExit(f"run.py: {HEAD} is missing: apt-get install mricron-data")
    os.makedirs(a.out, exist_ok=True)
    print("| mask | through-slice | PSNR, dB | mean abs D_z error | mean abs D_z | of the truth |")
    print("| --- | --- | --- | --- | --- | --- |")
    for acceleration in a.accelerations:
        scan, truth = (os.path.join(a.out, f"{name}{acceleration}") for name in ("scan", "truth"))
        scorecon(a.program, "simulate", HEAD, "-o", scan + ".h5", "--truth", truth + ".npy",
                 "--slices", a.slices, "--matrix", a.matrix, "--coils", "8", "--mask",
                 f"lines:{acceleration}:12", "--noise", a.noise, "--seed", "1")
        t = np.load(truth + ".npy").real.astype(float)
        for weight in a.weights:
            folder = os.path.join(a.out, f"dds{acceleration}-{weight}")
            shutil.rmtree(folder, ignore_errors=True)
            options = [word for o in a.option for word in ("--opt", o)]
            scorecon(a.program, "recon", scan + ".h5", "-o", folder, "--method", "dds", "--format",
                     "npy", "--threads", a.threads, "--opt", f"through-slice={weight}", *options)
            image = np.abs(np.load(os.path.join(folder, "image.npy"))).astype(float)
            psnr, error, step, own = numbers(t, image)
            print(f"| lines:{acceleration}:12 | {weight} | {psnr:.2f} | {error:.4f} | {step:.4f} | "
                  f"{own:.4f} |", flush=True)


if __name__ == "__main__":
    main()
