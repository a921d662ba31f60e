"""One scan reconstructed by one trial, and what is measured of it: quality, cost, and whether the intervals hold.

A trial is a method and options, "pula samples=16". Intervals, inside the object and without any fitted factor
(image and truth are both in the scanner's units), N samples of the magnitude:
 coverage   share of voxels whose truth lies between the program's own p05 and p95; 0.90 wanted
 ranks      share between the least and the greatest sample: (N - 1) / (N + 1) if truth and samples are exchangeable,
            whatever their law and the estimator of quantiles
 student    share within mean +- t s sqrt(1 + 1/N), t the 95 % point of Student's law: 0.90 for Gaussian samples
 ratio      RMS error of the mean over RMS standard deviation; sqrt(1 + 1/N) wanted
 correlation  of the standard deviation map and |error of the mean| (Pearson); `ceiling` is what it would be if each
            error were a Gaussian draw with just that standard deviation
"""
import os

import numpy as np

from measures import compare, object_of
from methods import noise_ratio, texts

# 95 % points of Student's law for N - 1 degrees of freedom
STUDENT = {2: 6.314, 4: 2.353, 8: 1.895, 12: 1.796, 16: 1.753, 32: 1.696, 64: 1.669}


def words(trial):
    """Arguments of `scorecon recon`."""
    method, *options = trial.split()
    found = ["--method", method]
    for option in options:
        key, value = option.split("=")
        found += ["--samples", value] if key == "samples" else ["--opt", option]
    return found


def calibration(folder, truth, inside):
    samples = np.abs(np.load(folder + "/samples.npy")).reshape(-1, *truth.shape)[:, inside]
    low, high, std = (np.load(f"{folder}/{name}.npy").reshape(truth.shape)[inside] for name in ("p05", "p95", "std"))
    n, t = len(samples), truth[inside]
    mean, s = samples.mean(0), samples.std(0, ddof=1)
    # the mean of the complex samples, which is what the program gives as its image
    error = np.abs(np.abs(np.load(folder + "/image.npy")).reshape(truth.shape)[inside] - t)
    ideal = np.abs(np.random.default_rng(1).normal(size=std.shape)) * std
    return dict(
        samples=n, coverage=float(np.mean((low <= t) & (t <= high))),
        ranks=float(np.mean((samples.min(0) <= t) & (t <= samples.max(0)))),
        student=float(np.mean(np.abs(mean - t) <= STUDENT[n] * s * np.sqrt(1 + 1 / n))) if n in STUDENT else None,
        ratio=float(np.sqrt(np.mean(error**2) / np.mean(std**2))), bias=float(np.mean(mean - t) / np.mean(t)),
        correlation=float(np.corrcoef(std, error)[0, 1]), ceiling=float(np.corrcoef(std, ideal)[0, 1]))


def evaluate(case, trial):
    """Row of a scan (mr_prior's Case) and a trial."""
    scan, inside = case.scan, object_of(case.scan.reference)
    image, seconds, record = case.scorecon.reconstruct(case.folder, case.folder + "/data.cfl", words(trial))
    psnr, ssim = compare(scan.reference, image, inside)
    factor = float((image * scan.reference)[inside].sum() / (image * image)[inside].sum())
    row = dict(psnr=psnr, ssim=ssim, seconds=seconds, evaluations=record["cost"].get("score_evaluations", 0),
               residual=record["residual"]["value"][0], fit=record["residual"]["fit"], factor=factor,
               noise=noise_ratio(record, scan.sigma), warnings=texts(record.get("warning", [])))
    if os.path.exists(case.folder + "/scorecon/samples.npy"):
        row.update(calibration(case.folder + "/scorecon", scan.reference, inside))
    return row
