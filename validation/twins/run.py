#!/usr/bin/python3
"""Where does a real scan lose? A full real scan beside twins of it that are simulated in part.

    run.py PROGRAM WORK --scan FULL.cfl --masks MASK.npy... [--prior PRIOR...]

The scan is whitened (noise from its four corners of air), its maps are `bart ecalib -m 1 -r 24` of the full
data, its image x = sum conj(S) x_c. Twins have the same maps and fresh white noise of the same size, and
    complex:  x itself, so that the maps are exact;
    smooth:   |x| with the phase of x smoothed by 4 pixels.
What separates scan and `complex` is the maps' error (and the noise that |x|, the reference, shares with the
scan), what separates `complex` and `smooth` the phase. Printed: PSNR in dB on the object for L1-wavelet and
for the default method with each prior, masks by rows.
"""
import argparse
import os
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "mr_prior"))
from measures import compare, object_of
from methods import Scorecon, run
from simulation import fourier, inverse, read_cfl, write_cfl

CORNER = (slice(None, 19), slice(None, 20))
SMOOTH = 4  # pixels


def whitened(kspace):
    images = inverse(kspace)
    corners = [images[::a, ::b][CORNER].reshape(-1, kspace.shape[2]) for a in (1, -1) for b in (1, -1)]
    noise = np.concatenate(corners)
    covariance = noise.T @ noise.conj() / (2 * len(noise))
    return kspace @ np.linalg.inv(np.linalg.cholesky(covariance)).T


def smoothed(x):
    gain = [np.exp(-2 * (np.pi * SMOOTH * np.fft.fftfreq(n)) ** 2) for n in x.shape]
    return np.fft.ifft2(np.fft.fft2(x) * gain[0][:, None] * gain[1])


def twins(kspace, folder):
    write_cfl(folder + "/white", kspace[None])
    run(["bart", "ecalib", "-m", 1, "-r", 24, folder + "/white", folder + "/maps"])
    maps = read_cfl(folder + "/maps").reshape(kspace.shape)
    x = (maps.conj() * inverse(kspace)).sum(2)
    phase = smoothed(x)
    smooth = np.abs(x) * phase / np.maximum(np.abs(phase), 1e-30)
    random = np.random.default_rng(0)
    noise = random.normal(size=kspace.shape) + 1j * random.normal(size=kspace.shape)
    return np.abs(x), {"scan": kspace, "complex": fourier(maps * x[..., None]) + noise,
                       "smooth": fourier(maps * smooth[..., None]) + noise}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("work")
    parser.add_argument("--scan", required=True)
    parser.add_argument("--masks", nargs="+", required=True)
    parser.add_argument("--prior", nargs="*", default=[None])
    given = parser.parse_args()
    os.makedirs(given.work, exist_ok=True)
    kspace = read_cfl(given.scan.removesuffix(".cfl"))
    reference, cases = twins(whitened(kspace.reshape(kspace.shape[-3:])), given.work)
    region = object_of(reference)
    programs = [Scorecon(given.program, prior) for prior in given.prior]
    names = [os.path.basename(p or "shipped prior") for p in given.prior]
    print("| twin | mask | L1-wavelet |" + "".join(f" {n} |" for n in names) + "\n|---|---|---|" + "---|" * len(names))
    for name, data in cases.items():
        write_cfl(given.work + "/case", data[None])
        for mask in given.masks:
            row = [(programs[0], ["--method", "l1-wavelet"])] + [(p, []) for p in programs]
            psnr = []
            for program, words in row:
                image = program.reconstruct(given.work, given.work + "/case.cfl", ["--mask", mask, *words])[0]
                psnr.append(compare(reference, image, region)[0])
            label = os.path.basename(mask).removesuffix(".npy").removeprefix("mask_")
            print(f"| {name} | {label} | " + " | ".join(f"{p:.2f}" for p in psnr) + " |", flush=True)


if __name__ == "__main__":
    main()
