"""The same experiment file run by ModelGenerator and by Engraft: what a run takes, and how its validation curve goes.

    python benches/peer/mgen_runs.py measure --side ours --seed 1 --logs FOLDER -- COMMAND ...
    python benches/peer/mgen_runs.py compare RESULTS.jsonl
    python benches/peer/mgen_runs.py steps   OURS THEIRS

`measure` runs a command that trains and leaves its metrics.csv somewhere below FOLDER, and prints one line of JSON: seconds, seconds of all cores
and peak memory (MB) of the whole process, and `val_loss` and `val_accuracy` of each epoch. What the command prints goes to FOLDER/SIDE-SEED.txt. `compare` prints the
tables of such lines, `steps` how far the training losses of two folders are apart. benches/modelgenerator runs all of it.
"""

import argparse
import csv
import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

CURVES = ("val_loss", "val_accuracy")


def curve(logs: Path, name: str) -> list[float]:
    """A column of the one metrics.csv below a folder."""
    files = list(logs.rglob("metrics.csv"))
    if len(files) != 1:
        sys.exit(f"error: {len(files)} files metrics.csv below {logs}, where the run should have left one")
    with files[0].open(newline="", encoding="utf-8") as file:
        return [float(row[name]) for row in csv.DictReader(file) if row.get(name)]


def measure(arguments) -> None:
    arguments.logs.mkdir(parents=True, exist_ok=True)
    printed = arguments.logs / f"{arguments.side}-{arguments.seed}.txt"
    began = time.monotonic()
    with printed.open("w") as file:
        status = subprocess.run(arguments.command, stdout=file, stderr=subprocess.STDOUT).returncode
    seconds = time.monotonic() - began
    if status != 0:
        sys.exit(f"error: {arguments.command[0]} ended with {status}; what it printed is in {printed}")
    # Of the children that have ended, and this process has started one alone; the memory is in kilobytes on Linux.
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    took = {"seconds": seconds, "core_seconds": used.ru_utime + used.ru_stime, "peak_mb": used.ru_maxrss / 1024}
    curves = {name: curve(arguments.logs, name) for name in CURVES}
    print(json.dumps({"side": arguments.side, "seed": arguments.seed} | {name: round(value, 1) for name, value in took.items()} | curves))


def steps(arguments) -> None:
    ours, theirs = (curve(logs, "train_loss") for logs in (arguments.ours, arguments.theirs))
    apart = [abs(a - b) for a, b in zip(ours, theirs, strict=True)]
    print(f"loss of {len(apart)} steps from the same weights: the first {ours[0]:.6f} and {theirs[0]:.6f}, the last {ours[-1]:.6f} and {theirs[-1]:.6f},")
    print(f"apart by {max(apart[:20]):.1e} at most in the first 20 and by {max(apart):.1e} in all\n")


def deviation(values: list[float]) -> str:
    spread = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.fmean(values):.3f} ± {spread:.3f}"


def apart(ours: list[float], theirs: list[float]) -> str:
    """The difference of two means, in standard errors."""
    if len(ours) < 2 or len(theirs) < 2:
        return ""
    error = (statistics.variance(ours) / len(ours) + statistics.variance(theirs) / len(theirs)) ** 0.5
    return f"{(statistics.fmean(ours) - statistics.fmean(theirs)) / error:+.1f}"


def compare(arguments) -> None:
    runs = [json.loads(line) for line in arguments.results.read_text().splitlines()]
    ours, theirs = ([run for run in runs if run["side"] == side] for side in ("ours", "theirs"))
    if not ours or not theirs:
        sys.exit(f"error: {arguments.results} has no runs of both sides")
    print(f"{len(ours)} and {len(theirs)} seeds, mean ± standard deviation; the difference in standard errors\n")
    print("| Epoch | val_loss, Engraft | ModelGenerator | | val_accuracy, Engraft | ModelGenerator | |\n|---|---|---|---|---|---|---|")
    for epoch in range(len(ours[0]["val_loss"])):
        cells = [str(epoch)]
        for name in CURVES:
            pair = [[run[name][epoch] for run in side] for side in (ours, theirs)]
            cells += [deviation(pair[0]), deviation(pair[1]), apart(*pair)]
        print("| " + " | ".join(cells) + " |")
    print("\n| Whole process, median | Engraft | ModelGenerator | Engraft is better by |\n|---|---|---|---|")
    for name, words in (("seconds", "wall time, s"), ("core_seconds", "time of all cores, s"), ("peak_mb", "peak memory, MB")):
        pair = [statistics.median(run[name] for run in side) for side in (ours, theirs)]
        print(f"| {words} | {pair[0]:.0f} | {pair[1]:.0f} | {pair[1] / pair[0]:.1f} x |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("measure")
    command.set_defaults(run=measure)
    command.add_argument("--side", choices=("ours", "theirs"), required=True)
    command.add_argument("--seed", type=int, required=True)
    command.add_argument("--logs", type=Path, required=True)
    command.add_argument("command", nargs="+")
    command = commands.add_parser("compare")
    command.set_defaults(run=compare)
    command.add_argument("results", type=Path)
    command = commands.add_parser("steps")
    command.set_defaults(run=steps)
    command.add_argument("ours", type=Path)
    command.add_argument("theirs", type=Path)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
