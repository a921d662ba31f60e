"""The methods that are compared, as programs: BART's and scorecon's, one thread each, with the processor time they take."""
import hashlib
import json
import os
import shutil
import subprocess

import numpy as np

from measures import object_of
from simulation import inverse, read_cfl, write_cfl

# Options as in the description of the real scans' reference values. {} is the regularisation.
BART = {
    "cg-sense": "-l2 -r {} -i 100",
    "bart-l1": "-e -i 200 -R W:6:0:{}",
    "bart-tv": "-i 100 -R T:6:0:{}",
}
METHODS = ["zero-filled", *BART, "scorecon"]


def run(words, threads=1):
    """Processor seconds of a program that must succeed."""
    environment = dict(os.environ, OMP_NUM_THREADS=str(threads), OMP_WAIT_POLICY="passive", OPENBLAS_NUM_THREADS="1")
    with subprocess.Popen([str(w) for w in words], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as p:
        error = p.stderr.read().decode(errors="replace").strip()
        _, status, usage = os.wait4(p.pid, 0)
        p.returncode = os.waitstatus_to_exitcode(status)
    if p.returncode:
        raise RuntimeError(f"{' '.join(map(str, words))}: {error}")
    return usage.ru_utime + usage.ru_stime


class Scorecon:
    """The program with the options that every run gets; `label` changes when its result may."""

    def __init__(self, program, prior=None, options=()):
        self.program, self.words = os.path.abspath(program), []
        digest = hashlib.sha256(open(self.program, "rb").read())
        if prior is None and os.environ.get("SCORECON_DATA"):
            prior = os.environ["SCORECON_DATA"] + "/weights/brain-mr.safetensors"
        if prior:
            digest.update(open(prior, "rb").read())
            self.words += ["--prior", os.path.abspath(prior)]
        for option in options:
            self.words += ["--opt", option]
        self.label = hashlib.sha256(digest.digest() + " ".join(options).encode()).hexdigest()[:8]

    def reconstruct(self, folder, scan, extra=()):
        out = folder + "/scorecon"
        shutil.rmtree(out, ignore_errors=True)
        seconds = run([self.program, "recon", scan, "-o", out, "--format", "npy", "--quiet", "--threads", 1,
                       *self.words, *extra])
        with open(out + "/record.json") as file:
            record = json.load(file)
        return np.abs(np.load(out + "/image.npy"))[0], seconds, record


def fills_the_field(reference, margin=8):
    """Does the object reach, to within a few pixels, from one border to the other? Maps then change across the border,
    and BART with one set of them fails (21 dB instead of 33 on the slice where this was seen)."""
    inside = object_of(reference)
    for axis in (0, 1):
        where = np.flatnonzero(inside.any(1 - axis))
        if where[0] + inside.shape[axis] - 1 - where[-1] <= margin:
            return True
    return False


class Case:
    """One scan in a folder, reconstructed by any method. BART's maps: ecalib on the scan's centre, one set, or two where
    the object fills the field of view; their images are combined by root sum of squares."""

    def __init__(self, folder, scan, scorecon):
        os.makedirs(folder, exist_ok=True)
        self.folder, self.scan, self.scorecon, self.maps_seconds = folder, scan, scorecon, None
        self.sets = 1 + fills_the_field(scan.reference)
        write_cfl(folder + "/data", scan.kspace[None])

    def maps(self):
        if self.maps_seconds is None:
            self.maps_seconds = run(["bart", "ecalib", "-m", self.sets, "-r", self.scan.centre, self.folder + "/data",
                                     self.folder + "/maps"])

    def combined(self, sets):
        """(y, x) or (y, x, set) to (y, x)."""
        return np.sqrt((np.abs(sets.reshape(self.scan.reference.shape + (self.sets,))) ** 2).sum(2))

    def reconstruct(self, method, value=None):
        """Image (y, x) magnitude; facts: seconds, and what scorecon's record says of noise and residual."""
        if method == "scorecon":
            image, seconds, record = self.scorecon.reconstruct(self.folder, self.folder + "/data.cfl")
            return image, dict(seconds=seconds, residual=record["residual"]["value"][0],
                               fit=record["residual"]["fit"],
                               sigma=noise_ratio(record, self.scan.sigma), warnings=texts(record.get("warning", [])))
        self.maps()
        if method == "zero-filled":
            maps = read_cfl(self.folder + "/maps").reshape(self.scan.kspace.shape + (self.sets,))
            sets = (maps.conj() * inverse(self.scan.kspace)[..., None]).sum(2)
            return self.combined(sets), dict(seconds=self.maps_seconds)
        seconds = run(["bart", "pics", "-S", *BART[method].format(value).split(), self.folder + "/data",
                       self.folder + "/maps", self.folder + "/image"])
        return self.combined(read_cfl(self.folder + "/image")), dict(seconds=seconds + self.maps_seconds)


def noise_ratio(record, sigma):
    """Measured noise over the true one."""
    found = record["data"]["noise"].get("sigma")
    found = np.mean(found) if found is not None else None
    return None if found is None else float(found / sigma)


def texts(found):
    return [found] if isinstance(found, str) else [str(f) for f in found]
