#!/usr/bin/env python3
"""The same network with the same weights in PyTorch, against ours.

pytorch.py EVALUATE MODEL N H W [--threads T] [--rounds R] [--compile]

EVALUATE is the program of evaluate.c. Prints first how far outputs and gradients are apart, then
the least of R interleaved rounds: processor time with one thread, wall time with more. PyTorch runs
eager (NCHW), channels-last, and both through torch.compile with --compile; its fastest counts.
Graph and names: prior/network/build.c.
"""
import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time

import numpy as np
import torch
import torch.nn.functional as F


def read_parameters(folder):
    theta = np.fromfile(f"{folder}/theta.f32", np.float32)
    table, offset = {}, 0
    for line in open(f"{folder}/parameters.txt"):
        name, *dims = line.split()
        dims = [int(d) for d in dims]
        count = math.prod(dims)
        table[name] = theta[offset:offset + count].reshape(dims)
        offset += count
    assert offset == len(theta)
    return table


class Network(torch.nn.Module):
    """NCSN++ over a table of named parameters; modules are counted in the published order."""

    def __init__(self, config, table):
        super().__init__()
        self.c = config
        self.names = {name: name.replace(".", "_") for name in table}
        for name, value in table.items():
            self.register_parameter(self.names[name], torch.nn.Parameter(torch.from_numpy(value.copy())))
        self.residual = math.sqrt(.5) if config["skip_rescale"] else 1.
        k = torch.tensor([1., 3., 3., 1.])
        self.register_buffer("fir", (torch.outer(k, k) / 64)[None, None], persistent=False)
        self.module = 0

    def p(self, module, name):
        return getattr(self, self.names[f"all_modules.{module}.{name}"])

    def has(self, module, name):
        return f"all_modules.{module}.{name}" in self.names

    def take(self):
        self.module += 1
        return self.module - 1

    def norm(self, x, m, i):
        w, b = self.p(m, f"GroupNorm_{i}.weight"), self.p(m, f"GroupNorm_{i}.bias")
        return F.group_norm(x, min(x.shape[1] // 4, 32), w, b, 1e-6)

    def conv(self, x, m, name):
        w = self.p(m, name + "weight")
        return F.conv2d(x, w, self.p(m, name + "bias"), padding=w.shape[2] // 2)

    def nin(self, x, m, i):
        w = self.p(m, f"NIN_{i}.W")
        return F.conv2d(x, w.t()[:, :, None, None], self.p(m, f"NIN_{i}.b"))

    def resample(self, x, direction):
        if not self.c["fir"]:
            return F.avg_pool2d(x, 2) if direction > 0 else F.interpolate(x, scale_factor=2)
        k = self.fir.expand(x.shape[1], 1, 4, 4)
        if direction > 0:
            return F.conv2d(x, k, stride=2, padding=1, groups=x.shape[1])
        return F.conv_transpose2d(x, 4 * k, stride=2, padding=1, groups=x.shape[1])

    def block(self, x, time, direction=0):
        m = self.take()
        h = F.silu(self.norm(x, m, 0))
        if direction:
            h, x = self.resample(h, direction), self.resample(x, direction)
        h = self.conv(h, m, "Conv_0.")
        h = h + F.linear(F.silu(time), self.p(m, "Dense_0.weight"), self.p(m, "Dense_0.bias"))[:, :, None, None]
        h = self.conv(F.silu(self.norm(h, m, 1)), m, "Conv_1.")
        if self.has(m, "Conv_2.weight"):
            x = self.conv(x, m, "Conv_2.")
        elif self.has(m, "NIN_0.W"):
            x = self.nin(x, m, 0)
        return (x + h) * self.residual

    def attend(self, x):
        m, (n, c, h, w) = self.take(), x.shape
        y = self.norm(x, m, 0)
        q, k, v = (self.nin(y, m, i).flatten(2).transpose(1, 2)[:, None] for i in range(3))
        y = F.scaled_dot_product_attention(q, k, v)[:, 0].transpose(1, 2).reshape(n, c, h, w)
        return (x + self.nin(y, m, 3)) * self.residual

    def change(self, x, time, direction):
        if self.c["resblock_biggan"]:
            return self.block(x, time, direction)
        m = self.take()
        if not self.c["resamp_with_conv"]:
            return self.resample(x, direction)
        if direction < 0:
            return self.conv(self.resample(x, direction), m, "Conv_0.")
        return F.conv2d(F.pad(x, (0, 1, 0, 1)), self.p(m, "Conv_0.weight"), self.p(m, "Conv_0.bias"), stride=2)

    def embedding(self, label):
        if self.c["embedding_fourier"]:
            a = 2 * math.pi * label[:, None] * getattr(self, self.names[f"all_modules.{self.take()}.W"]).detach()
        else:
            half = self.c["nf"] // 2
            a = label[:, None] * torch.exp(torch.arange(half) * (-math.log(10000) / (half - 1)))
        x = torch.cat([a.sin(), a.cos()], 1)
        m = self.take()
        x = F.linear(x, self.p(m, "weight"), self.p(m, "bias"))
        m = self.take()
        return F.linear(F.silu(x), self.p(m, "weight"), self.p(m, "bias"))

    def raw(self, x, label):
        c, self.module = self.c, 0
        time = self.embedding(label)
        skips = [self.conv(x, self.take(), "")]
        for level in range(c["levels"]):
            for _ in range(c["num_res_blocks"]):
                h = self.block(skips[-1], time)
                skips.append(self.attend(h) if c["attention"][level] else h)
            if level + 1 < c["levels"]:
                skips.append(self.change(skips[-1], time, 1))
        h = self.block(skips[-1], time)
        if c["attention_middle"]:
            h = self.attend(h)
        h = self.block(h, time)
        for level in reversed(range(c["levels"])):
            for _ in range(c["num_res_blocks"] + 1):
                h = self.block(torch.cat([h, skips.pop()], 1), time)
            if c["attention"][level]:
                h = self.attend(h)
            if level:
                h = self.change(h, time, -1)
        m = self.take()
        h = F.silu(F.group_norm(h, min(h.shape[1] // 4, 32), self.p(m, "weight"), self.p(m, "bias"), 1e-6))
        return self.conv(h, self.take(), "")

    def skip(self, sigma):
        s, data = sigma[:, None, None, None], self.c["sigma_data"]
        return data * data / (s * s + data * data) if self.c["precondition_edm"] else torch.ones_like(s)

    def forward(self, x, sigma):
        s = sigma[:, None, None, None]
        if self.c["precondition_edm"]:
            data = self.c["sigma_data"]
            norm = (s * s + data * data).sqrt()
            c_in, c_skip, c_out, label = 1 / norm, data * data / norm ** 2, s * data / norm, sigma.log() / 4
        else:
            c_in, c_skip, c_out, label = 1., 1., s, sigma.log()
        z = c_in * x if self.c["centred"] else 2 * c_in * x - 1
        return c_skip * x + c_out * self.raw(z, label)


WRITTEN = {"conditional": 1, "nonlinearity": "swish", "norm_groups": 0, "fir_kernel": [1, 3, 3, 1], "progressive": "none",
           "progressive_input": "none", "dropout": 0, "continuous": 1}


def pick(config):
    """Refuse what this file does not do."""
    for key, value in WRITTEN.items():
        if config.get(key, value) != value:
            sys.exit(f"{key} = {config[key]} is not written here")
    return config


def timed(act):
    cpu, wall = time.process_time(), time.perf_counter()
    act()
    return time.process_time() - cpu, time.perf_counter() - wall


class Ours:
    def __init__(self, program, arguments):
        self.process = subprocess.Popen([program, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.gflop = float(self.process.stdout.readline().split()[0])

    def run(self, what):
        self.process.stdin.write(what + "\n")
        self.process.stdin.flush()
        return tuple(float(t) for t in self.process.stdout.readline().split())


class Theirs:
    def __init__(self, name, network, x, sigma, layout, compiled):
        self.name, self.sigma = name, sigma
        self.network = network.to(memory_format=layout)
        self.x = x.contiguous(memory_format=layout)
        self.call = torch.compile(self.network) if compiled else self.network

    def evaluate(self):
        with torch.no_grad():
            self.d = self.call(self.x, self.sigma)

    def step(self):
        self.network.zero_grad(set_to_none=True)
        d = self.call(self.x, self.sigma)
        d.backward(d.detach())
        self.d = d.detach()

    def run(self, what):
        return timed(getattr(self, what))


def apart(a, b):
    return np.linalg.norm(a.astype(np.float64) - b) / np.linalg.norm(b.astype(np.float64))


def compare(folder, theirs, table):
    """Of D - c_skip x, so that the image itself hides nothing, and of the gradient."""
    theirs.step()
    skipped = theirs.network.skip(theirs.sigma) * theirs.x
    skipped = skipped.permute(0, 2, 3, 1).reshape(-1).numpy()
    d = np.fromfile(f"{folder}/d.f32", np.float32) - skipped
    g = np.fromfile(f"{folder}/gradient.f32", np.float32)
    network = theirs.network
    theirs_g = np.concatenate([(p.grad.numpy() if (p := getattr(network, network.names[n])).grad is not None
                                else np.zeros(p.shape, np.float32)).ravel() for n in table])
    theirs_d = theirs.d.permute(0, 2, 3, 1).reshape(-1).numpy() - skipped
    return apart(d, theirs_d), apart(g, theirs_g)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("evaluate")
    parser.add_argument("model")
    parser.add_argument("size", nargs=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--what", nargs="*", default=["evaluate", "step"])
    a = parser.parse_args()
    torch.set_num_threads(a.threads)
    with tempfile.TemporaryDirectory() as folder:
        ours = Ours(a.evaluate, [a.model, *a.size, str(a.threads), folder])
        config = pick(json.load(open(f"{folder}/network.json")))
        table = read_parameters(folder)
        n, h, w = (int(s) for s in a.size)
        x = torch.from_numpy(np.fromfile(f"{folder}/x.f32", np.float32).reshape(n, h, w, -1)).permute(0, 3, 1, 2)
        sigma = torch.from_numpy(np.fromfile(f"{folder}/sigma.f32", np.float32))
        peers = []
        for compiled in [False, True][:1 + a.compile]:
            for name, layout in (("eager", torch.contiguous_format), ("channels-last", torch.channels_last)):
                name = "torch.compile, " + name if compiled else name
                try:
                    peer = Theirs(name.replace(", eager", ""), Network(config, table), x, sigma, layout, compiled)
                    peer.evaluate()
                    print(f"{os.path.basename(a.model)}, {n} x {h} x {w}, {peer.name}: ours differs by "
                          "%.1e (D - c_skip x), %.1e (gradient)" % compare(folder, peer, table), flush=True)
                    peers.append(peer)
                except Exception as error:
                    print(f"{name} does not run here: {type(error).__name__}: {str(error).splitlines()[0]}")
        report(a, ours, peers)


def report(a, ours, peers):
    clock = 0 if a.threads == 1 else 1
    names = ["evaluation" if w == "evaluate" else "training step" for w in a.what]
    print(f"\nPyTorch {torch.__version__}, {a.threads} thread{'s' * (a.threads > 1)}, "
          f"{['processor', 'wall'][clock]} time, least of {a.rounds} rounds, {ours.gflop:.1f} GFLOP forward\n")
    print("| | ours | " + " | ".join(p.name for p in peers) + " | ratio to the fastest |")
    print("|---" * (len(peers) + 3) + "|")
    for what, name in zip(a.what, names):
        times = {p: [] for p in [ours, *peers]}
        for _ in range(a.rounds):
            for p in times:
                times[p].append(p.run(what)[clock])
        least = {p: min(t) for p, t in times.items()}
        print(f"| {name} | " + " | ".join(f"{1e3 * t:.0f} ms" for t in least.values()) +
              f" | {min(least[p] for p in peers) / least[ours]:.2f} |", flush=True)


if __name__ == "__main__":
    main()
