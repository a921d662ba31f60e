#!/usr/bin/python3
"""Order of convergence of every sampler of `scorecon sample`: distance to the law that it aims at, against steps.

    run.py BUILD FIGURE.svg [--prior FILE]

Builds convergence.c against the library that BUILD installs, prints its table, draws the figure. No randomness is
involved: of Gaussian data the law that a sampler draws is known exactly (moments.h). With a prior (and numpy), the
deterministic solvers also on the network: RMS difference of three 64x64 images from those of 200 steps of heun, over
their RMS, at equal numbers of evaluations.
"""
import argparse
import json
import math
import os
import subprocess
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
SHOWN = [16, 32, 64, 128, 256, 512, 1024]
STYLES = {  # of a curve: colour, dashes
    "heun karras": ("#1f77b4", ""),
    "edm karras": ("#1f77b4", "6 3"),
    "dpm++2m log-sigma": ("#d62728", ""),
    "dpm++2m-sde log-sigma": ("#d62728", "6 3"),
    "reverse-diffusion time": ("#2ca02c", ""),
    "ancestral time": ("#2ca02c", "6 3"),
    "euler-maruyama time": ("#9467bd", ""),
    "euler-maruyama published": ("#9467bd", "2 3"),
    "reverse-diffusion + annealed published": ("#ff7f0e", ""),
    "none + annealed published": ("#ff7f0e", "2 3"),
    "probability-flow time": ("#7f7f7f", ""),
}


def measure(build):
    """What convergence.c prints, run on an installation of its own."""
    with tempfile.TemporaryDirectory() as work:
        subprocess.run(["cmake", "--install", build, "--prefix", work], check=True, stdout=subprocess.DEVNULL)
        pkgconfig = next(folder for folder, _, names in os.walk(work) if "scorecon.pc" in names)
        environment = dict(os.environ, PKG_CONFIG_PATH=pkgconfig, LD_LIBRARY_PATH=os.path.dirname(pkgconfig),
                           OMP_WAIT_POLICY="passive")
        # the .pc file names the final prefix
        flags = subprocess.run(["pkg-config", f"--define-variable=prefix={work}", "--cflags", "--libs", "scorecon"],
                               check=True, capture_output=True, text=True, env=environment).stdout.split()
        program = work + "/convergence"
        subprocess.run(["cc", "-O2", HERE + "/convergence.c", "-o", program, *flags, "-ljansson", "-lm"], check=True)
        return json.loads(subprocess.run([program], check=True, capture_output=True, env=environment).stdout)


def name_of(curve):
    return curve["sampler"] + ("" if curve["corrector"] == "none" else " + " + curve["corrector"])


def order(curve):
    """log2 of what the last doubling of at most 512 steps gains: beyond, rounding shows (1e-6)."""
    at = dict(zip(curve["steps"], curve["distance"]))
    return math.log2(at[256] / at[512]) if at.get(512) else None


def print_tables(curves):
    for sde in dict.fromkeys(c["sde"] for c in curves):
        print(f"\n{sde}\n\n| sampler | grid | " + " | ".join(map(str, SHOWN)) + " | order |")
        print("| --- | --- |" + " --- |" * (len(SHOWN) + 1))
        for c in curves:
            if c["sde"] != sde or not c["steps"]:
                continue
            at = dict(zip(c["steps"], c["distance"]))
            cells = [f"{at[n]:.1e}" if n in at else "" for n in SHOWN]
            print(f"| {name_of(c)} | {c['grid']} | " + " | ".join(cells) + f" | {order(c):.2f} |")


class Panel:
    """Log-log axes: evaluations of the prior to the right, distance upwards."""

    WIDTH, HEIGHT = 250, 300
    X, Y = (16, 2048), (1e-6, 2)

    def __init__(self, left, top, title):
        self.left, self.top, self.parts = left, top, []
        self.parts.append(f'<rect x="{left}" y="{top}" width="{self.WIDTH}" height="{self.HEIGHT}" fill="none" '
                          f'stroke="#999"/><text x="{left + self.WIDTH / 2}" y="{top - 8}" '
                          f'text-anchor="middle" font-weight="bold">{title}</text>')
        for n in (16, 64, 256, 1024):
            self.grid(self.x(n), True, str(n))
        for k in range(-6, 1):
            self.grid(self.y(10.0 ** k), False, f"1e{k}")

    def x(self, n):
        low, high = map(math.log, self.X)
        return self.left + self.WIDTH * (math.log(n) - low) / (high - low)

    def y(self, d):
        low, high = map(math.log, self.Y)
        return self.top + self.HEIGHT * (1 - (math.log(min(max(d, self.Y[0]), self.Y[1])) - low) / (high - low))

    def grid(self, at, upright, label):
        right, bottom = self.left + self.WIDTH, self.top + self.HEIGHT
        line = (at, self.top, at, bottom) if upright else (self.left, at, right, at)
        place = (at, bottom + 16, "middle") if upright else (self.left - 6, at + 4, "end")
        self.parts.append('<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="#e4e4e4"/>' % line +
                          '<text x="%.1f" y="%.1f" text-anchor="%s">%s</text>' % (*place, label))

    def curve(self, steps, distances, evaluations, style):
        points = " ".join(f"{self.x(n * evaluations):.1f},{self.y(d):.1f}" for n, d in zip(steps, distances))
        self.parts.append(f'<polyline points="{points}" fill="none" stroke="{style[0]}" stroke-width="1.8" '
                          f'stroke-dasharray="{style[1]}"/>')


def legend(top):
    parts = []
    for i, (name, (colour, dashes)) in enumerate(STYLES.items()):
        x, y = 60 + i % 3 * 290, top + i // 3 * 20
        parts.append(f'<line x1="{x}" y1="{y - 4}" x2="{x + 34}" y2="{y - 4}" stroke="{colour}" stroke-width="1.8" '
                     f'stroke-dasharray="{dashes}"/><text x="{x + 42}" y="{y}">{", ".join(name.rsplit(" ", 1))}</text>')
    return parts


def draw(curves, path):
    parts = []
    for i, sde in enumerate(dict.fromkeys(c["sde"] for c in curves)):
        panel = Panel(60 + i * 310, 30, sde)
        for c in curves:
            style = STYLES.get(f"{name_of(c)} {c['grid']}")
            if c["sde"] == sde and c["steps"] and style:
                panel.curve(c["steps"], c["distance"], c["evaluations"], style)
        parts += panel.parts
    parts.append('<text x="490" y="368" text-anchor="middle">evaluations of the prior</text>'
                 '<text x="16" y="180" text-anchor="middle" transform="rotate(-90 16 180)">W2 distance</text>')
    parts += legend(396)
    with open(path, "w") as file:
        file.write('<svg xmlns="http://www.w3.org/2000/svg" width="960" height="470" viewBox="0 0 960 470" '
                   'font-family="sans-serif" font-size="12"><rect width="960" height="470" fill="white"/>\n' +
                   "\n".join(parts) + "\n</svg>\n")


def sample(program, prior, out, sampler, grid, steps):
    import numpy as np
    subprocess.run([program, "sample", "--prior", prior, "-o", out, "-n", "3", "--size", "64x64", "--sampler", sampler,
                    "--grid", grid, "--steps", str(steps), "--threads", "1", "--quiet"], check=True,
                   env=dict(os.environ, OMP_WAIT_POLICY="passive"))
    return np.load(out)


def print_network(build, prior):
    from numpy import linalg
    with tempfile.TemporaryDirectory() as work:
        draw_one = lambda *what: sample(build + "/scorecon", prior, work + "/x.npy", *what)  # noqa: E731
        truth = draw_one("heun", "log-sigma", 200)
        print("\nnetwork\n\n| sampler | grid | 16 evaluations | 32 | 64 |\n| --- | --- | --- | --- | --- |")
        for sampler, evaluations in (("heun", 2), ("dpm++2m", 1)):
            for grid in ("log-sigma", "karras"):
                errors = [linalg.norm(draw_one(sampler, grid, n // evaluations) - truth) / linalg.norm(truth)
                          for n in (16, 32, 64)]
                print(f"| {sampler} | {grid} | " + " | ".join(f"{e:.4f}" for e in errors) + " |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("figure")
    parser.add_argument("--prior")
    given = parser.parse_args()
    curves = measure(given.build)
    print_tables(curves)
    draw(curves, given.figure)
    if given.prior:
        print_network(given.build, given.prior)


if __name__ == "__main__":
    main()
