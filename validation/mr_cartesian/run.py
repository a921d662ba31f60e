#!/usr/bin/python3
"""Real Cartesian scans, undersampled in retrospect: scorecon's methods beside BART's.

    run.py PROGRAM OUT --scan FULL.cfl --masks MASK.npy... [--undersampled SCAN.cfl...]
           [--equal [LAMBDA...] [--seeds N]]

The reference, the support, the head and the metrics are those of the scans' own description: maps
by `bart ecalib -m 1 -r 24` on the full data, reference = |sum conj(S) x| on their support, one real
factor fitted, PSNR against the reference's peak, SSIM with a Gaussian window of 1.5 pixels. The head
is the reference smoothed (2 pixels) above 4 % of its peak, holes filled. BART's regularisation is
the best of a sweep, chosen with the reference in view; scorecon's comes from the measured noise.
Undersampled scans without full data are reconstructed and drawn, not scored.

L1-wavelet is also set beside BART's on the very problem that BART solves: its maps, its lambda, its
200 iterations, no whitening (which --noise switches off), and its image, which comes after a step
towards the data (`end=data`). --equal does only that, for these lambdas (default: all six). The last
random shift scatters both results where lambda is large: --seeds takes the mean PSNR of N runs of ours.
"""
import argparse
import json
import os
import subprocess
import sys
import time

import numpy as np

L1 = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05]
CG = [0.003, 0.01, 0.03, 0.1]
TV = [0.001, 0.002, 0.005, 0.01]
OURS = ["zero-filled", "cg-sense", "l1-wavelet", "tv", "annealed-proximal", "dds", "pc"]


def read_cfl(path):
    dims = [int(d) for d in open(path + ".hdr").read().split("\n")[1].split()][:4] # READ PHS1 PHS2 COIL
    return np.fromfile(path + ".cfl", "<c8").reshape(dims, order="F")


def write_cfl(path, a):
    with open(path + ".hdr", "w") as f:
        f.write("# Dimensions\n" + " ".join(str(d) for d in a.shape + (1,) * (16 - a.ndim)) + "\n")
    a.astype("<c8").ravel(order="F").tofile(path + ".cfl")


def bart(*arguments):
    """Run BART with one thread: more of them spin at barriers. Returns seconds."""
    start = time.time()
    environment = dict(os.environ, OMP_NUM_THREADS="1")
    subprocess.run(["bart", *map(str, arguments)], check=True, env=environment,
                   stdout=subprocess.DEVNULL)
    return time.time() - start


def gaussian(image, sigma):
    radius = int(4 * sigma + 0.5)
    kernel = np.exp(-np.arange(-radius, radius + 1) ** 2 / (2 * sigma**2))
    kernel /= kernel.sum()
    for axis in (0, 1):
        padded = np.pad(image, [(radius, radius) if a == axis else (0, 0) for a in (0, 1)], "symmetric")
        image = np.apply_along_axis(np.convolve, axis, padded, kernel, "valid")
    return image


def fill_holes(mask):
    """Everything that the outside, grown from the border, does not reach."""
    outside = np.zeros(np.array(mask.shape) + 2, bool)
    outside[0] = outside[-1] = outside[:, 0] = outside[:, -1] = True
    free = ~np.pad(mask, 1)
    while True:
        grown = outside.copy()
        grown[1:] |= outside[:-1]
        grown[:-1] |= outside[1:]
        grown[:, 1:] |= outside[:, :-1]
        grown[:, :-1] |= outside[:, 1:]
        grown &= free | outside
        if (grown == outside).all():
            return ~outside[1:-1, 1:-1]
        outside = grown


def make_reference(scan, out):
    full = read_cfl(scan)
    bart("ecalib", "-m", 1, "-r", 24, scan, out + "/maps_full")
    maps = read_cfl(out + "/maps_full").reshape(full.shape)
    bart("fft", "-u", "-i", 6, scan, out + "/coil_images")
    images = read_cfl(out + "/coil_images").reshape(full.shape)
    reference = np.abs((maps.conj() * images).sum(3))[0].astype(np.float32)
    support = ((np.abs(maps) ** 2).sum(3) > 0)[0]
    reference *= support
    head = fill_holes(gaussian(reference, 2) > 0.04 * reference.max())
    np.save(out + "/reference.npy", reference)
    np.save(out + "/support.npy", support.astype(np.uint8))
    np.save(out + "/head.npy", head.astype(np.uint8))
    return full


class Table:
    def __init__(self, program, out):
        self.program, self.out, self.rows = program, out, []

    def score(self, image, region):
        text = subprocess.run([self.program, "compare", self.out + "/reference.npy", image, "--json", "--fit",
                               "--region", f"{self.out}/{region}.npy"], check=True, capture_output=True).stdout
        return json.loads(text)["images"][0]

    def add(self, mask, method, image, seconds):
        support, head = self.score(image, "support"), self.score(image, "head")
        row = dict(mask=mask, method=method, seconds=seconds, psnr=support["psnr"], ssim=support["ssim"],
                   psnr_head=head["psnr"], ssim_head=head["ssim"])
        self.rows.append(row)
        print("| %-15s | %-28s | %6.2f | %.4f | %6.2f | %.4f | %6.1f |" %
              (mask, method, row["psnr"], row["ssim"], row["psnr_head"], row["ssim_head"], seconds), flush=True)
        return row


SWEEPS = [("CG-SENSE", CG, lambda l: ["-l2", "-r", l, "-i", 100]),
          ("TV", TV, lambda l: ["-i", 100, "-R", f"T:6:0:{l}"]),
          ("L1-wavelet", L1, lambda l: ["-e", "-i", 200, "-R", f"W:6:0:{l}"])]


def run_bart(table, mask, data, out, calibration, sweeps):
    bart("ecalib", "-m", 1, "-r", calibration, data, out + "/maps")
    best = {}
    for name, values, options in sweeps:
        rows = []
        for value in values:
            image = f"{out}/bart_{name}_{value}"
            seconds = bart("pics", "-S", *options(value), data, out + "/maps", image)
            rows.append((table.add(mask, f"BART {name} {value}", image + ".cfl", seconds), value))
        best[name] = max(rows, key=lambda r: r[0]["psnr_head"])
    return best


def run_ours(table, mask, scan, mask_file, out, methods):
    rows = {}
    for name, method, extra in methods:
        folder = f"{out}/{name}"
        subprocess.run(["rm", "-rf", folder])
        start = time.time()
        subprocess.run([table.program, "recon", scan, "--mask", mask_file, "-o", folder, "--format", "npy,png",
                        "--quiet", *(["--method", method] if method else []), *extra], check=True)
        rows[name] = table.add(mask, "scorecon " + name, folder, time.time() - start)
    return rows


def run_equal(table, mask, scan, mask_file, folder, lambdas, seeds):
    """Our L1-wavelet on BART's problem: [(lambda, BART's PSNR, our mean)] within the head."""
    same = ["--maps", folder + "/maps.cfl", "--noise", "1", "--opt", "iterations=200", "--opt", "end=data"]
    theirs = {r["method"]: r["psnr_head"] for r in table.rows if r["mask"] == mask}
    rows = []
    for v in lambdas:
        runs = run_ours(table, mask, scan, mask_file, folder,
                        [(f"l1-wavelet lambda {v} seed {k}", "l1-wavelet",
                          [*same, "--opt", f"lambda={v}", "--seed", str(k)]) for k in range(seeds)])
        rows.append((v, theirs[f"BART L1-wavelet {v}"], np.mean([r["psnr_head"] for r in runs.values()])))
    return rows


def print_equal(rows, lambdas):
    print("\nL1-wavelet at equal regularisation, PSNR within the head: BART's, ours - BART's (dB):\n| mask | "
          + " | ".join(f"lambda {v}" for v in lambdas) + " |\n|---|" + "---|" * len(lambdas))
    for mask_name, values in rows:
        print(f"| {mask_name} | " + " | ".join(f"{theirs:.2f} {ours - theirs:+.2f}" for _, theirs, ours in values) + " |")


def calibration_width(mask):
    """Side of the largest fully sampled square at the centre."""
    ny, nx = mask.shape
    width = 0
    while width < 24 and mask[ny // 2 - (width + 2) // 2: ny // 2 + (width + 2) // 2,
                              nx // 2 - (width + 2) // 2: nx // 2 + (width + 2) // 2].all():
        width += 2
    return width


def print_summary(summary):
    if not summary:
        return
    print("\nWithin the head, PSNR in dB:\n| mask | BART best L1-wavelet | BART best TV | scorecon default | difference |"
          "\n|---|---|---|---|---|")
    for mask_name, rows, best in summary:
        ours = rows["default"]["psnr_head"]
        if best is None:
            print(f"| {mask_name} | | | {ours:.2f} | |")
            continue
        theirs, tv = best["L1-wavelet"][0]["psnr_head"], best["TV"][0]["psnr_head"]
        print(f"| {mask_name} | {theirs:.2f} | {tv:.2f} | {ours:.2f} | {ours - theirs:+.2f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("out")
    parser.add_argument("--scan")
    parser.add_argument("--masks", nargs="*", default=[])
    parser.add_argument("--undersampled", nargs="*", default=[])
    parser.add_argument("--prior")
    parser.add_argument("--no-bart", action="store_true", help="only scorecon's methods")
    parser.add_argument("--methods", nargs="*", default=OURS)
    parser.add_argument("--equal", nargs="*", type=float, metavar="LAMBDA",
                        help="only L1-wavelet beside BART's at equal regularisation")
    parser.add_argument("--seeds", type=int, default=1, help="runs of ours for each such lambda")
    arguments = parser.parse_args()
    out = arguments.out
    os.makedirs(out, exist_ok=True)
    prior = ["--prior", arguments.prior] if arguments.prior else []
    table = Table(os.path.abspath(arguments.program), out)

    if arguments.scan:
        scan = arguments.scan.removesuffix(".cfl")
        full = make_reference(scan, out)
        print("| mask | method | PSNR support | SSIM | PSNR head | SSIM head | seconds |\n|---|---|---|---|---|---|---|")
        summary, equal = [], []
        only, lambdas = arguments.equal is not None, arguments.equal or L1
        sweeps = [("L1-wavelet", lambdas, SWEEPS[2][2])] if only else SWEEPS
        for mask_file in arguments.masks:
            mask_name = os.path.basename(mask_file).removesuffix(".npy")
            mask = np.load(mask_file).astype(bool)
            folder = f"{out}/{mask_name}"
            os.makedirs(folder, exist_ok=True)
            write_cfl(folder + "/data", full * mask[None, :, :, None])
            best = None
            if not arguments.no_bart:
                best = run_bart(table, mask_name, folder + "/data", folder, calibration_width(mask), sweeps)
                equal.append((mask_name, run_equal(table, mask_name, scan + ".cfl", mask_file, folder, lambdas,
                                                   arguments.seeds)))
            if only:
                continue
            methods = [(m, m, prior) for m in arguments.methods] + [("default", None, prior)]
            summary.append((mask_name, run_ours(table, mask_name, scan + ".cfl", mask_file, folder, methods), best))
        print_summary(summary)
        if equal:
            print_equal(equal, lambdas)

    for scan in arguments.undersampled:
        folder = f"{out}/{os.path.basename(scan).removesuffix('.cfl')}"
        subprocess.run(["rm", "-rf", folder])
        subprocess.run([table.program, "recon", scan, "-o", folder, "--format", "npy,png", "--quiet", *prior], check=True)
        print(f"reconstructed {scan}: {folder}/preview.png")
    with open(out + "/table.json", "w") as f:
        json.dump(table.rows, f, indent=1)


if __name__ == "__main__":
    sys.exit(main())
