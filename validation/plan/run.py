#!/usr/bin/python3
"""Is --plan right? Predicted and real seconds and memory of each method on given scans.

    run.py PROGRAM SCAN... [-- RECON OPTION...]

Every method is planned, then run, three times in turn; medians are compared. Another load on the
machine between plan and run shows up here as an error of the plan.
"""
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

METHODS = ["cg-sense", "l1-wavelet", "annealed-proximal", "dds"]


def main():
    arguments = sys.argv[1:]
    extra = arguments[arguments.index("--") + 1:] if "--" in arguments else []
    program, *scans = arguments[:arguments.index("--")] if "--" in arguments else arguments
    print("| scan | method | planned s | real s | ratio | planned MiB | real MiB | ratio |\n|---|---|---|---|---|---|---|---|")
    worst = 0
    for scan in scans:
        for method in METHODS:
            rows = []
            for _ in range(3):
                with tempfile.TemporaryDirectory() as folder:
                    command = [program, "recon", scan, "--method", method, "--format", "npy", "--quiet", "--json", *extra]
                    plan = json.loads(subprocess.run([*command, "--plan"], check=True, capture_output=True).stdout)
                    start = time.time()
                    subprocess.run([*command, "-o", folder + "/out"], check=True, capture_output=True)
                    seconds = time.time() - start
                    record = json.load(open(folder + "/out/record.json"))
                    rows.append((plan["seconds"], seconds, plan["peak_memory_mib"],
                                 record["cost"]["measured"]["peak_memory_bytes"] / 2**20))
            p, s, pm, sm = (statistics.median(column) for column in zip(*rows))
            worst = max(worst, abs(p / s - 1), abs(pm / sm - 1))
            print(f"| {os.path.basename(scan)} | {method} | {p:.2f} | {s:.2f} | {p / s:.2f} | {pm:.0f} | {sm:.0f} | {pm / sm:.2f} |", flush=True)
    print(f"\nlargest error: {100 * worst:.0f} %")


if __name__ == "__main__":
    main()
