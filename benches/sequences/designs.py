"""Windows of DNA that a conditional diffusion model writes for a class, beside those of the data.

    python benches/sequences/designs.py tables FOLDER
    python benches/sequences/designs.py rates  DESIGNS.tsv CLASSIFIED.tsv

`tables` writes the splice sites of examples/splice with a column of 0 and 1 for each class (`none`, `donor`: an intron begins, `acceptor`: an intron
ends) as FOLDER/data/, and FOLDER/masked.tsv: 200 windows of 60 masks for each class. `rates` reads what was written there and what a classifier says
of it, and prints how often the letters of splice sites stand where they should, how many windows are of the class that was asked for, and how far
they are from the nearest of the training rows.
"""

import argparse
import csv
from pathlib import Path

SPLICE = Path(__file__).resolve().parents[2] / "examples" / "splice"
CLASSES = ("none", "donor", "acceptor")
DESIGNS = 200
LENGTH = 60


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def condition(number: int) -> str:
    return "\t".join(str(int(number == other)) for other in range(len(CLASSES)))


def tables(arguments) -> None:
    header = "\t".join(("sequences", *CLASSES)) + "\n"
    data = arguments.folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    for split in ("train", "valid", "test"):
        rows = [f"{row['sequences']}\t{condition(int(row['labels']))}\n" for row in read(SPLICE / f"{split}.tsv")]
        (data / f"{split}.tsv").write_text(header + "".join(rows), encoding="utf-8")
    rows = [f"{'[MASK]' * LENGTH}\t{condition(number)}\n" for number in range(len(CLASSES)) for _ in range(DESIGNS)]
    (arguments.folder / "masked.tsv").write_text(header + "".join(rows), encoding="utf-8")


def share(values) -> str:
    values = list(values)
    return f"{100 * sum(values) / len(values):.1f} %"


def nearest(windows: list[str], others: list[str]) -> str:
    """The mean over windows of the letters that differ from the nearest other."""
    distances = [min(sum(a != b for a, b in zip(window, other, strict=True)) for other in others) for window in windows]
    return f"{sum(distances) / len(distances):.1f}"


def features(windows: list[str], training: list[str]) -> list[str]:
    return [
        share(window[30:32] == "GT" for window in windows),
        share(window[28:30] == "AG" for window in windows),
        share(letter in "CT" for window in windows for letter in window[13:28]),
        nearest(windows[:200], training),
    ]


def rates(arguments) -> None:
    designs, classified = read(arguments.designs), read(arguments.classified)
    if len(designs) != len(classified):
        raise SystemExit("error: not as many rows were classified as designed")
    train, test = read(SPLICE / "train.tsv"), read(SPLICE / "test.tsv")
    training = [row["sequences"] for row in train]
    print("| Windows | GT at 31 | AG at 29 | C or T from 14 to 28 | letters from the nearest training row | of the class, by the classifier |\n|---|---|---|---|---|---|")
    for number, name in enumerate(CLASSES):
        part = range(number * DESIGNS, (number + 1) * DESIGNS)
        written = [designs[row]["prediction"] for row in part]
        if any(set(window) - set("ACGT") or len(window) != LENGTH for window in written):
            print(f"(of {name}: {share(not set(window) - set('ACGT') and len(window) == LENGTH for window in written)} are 60 of A, C, G, T)")
            written = [window for window in written if len(window) == LENGTH]
        agreed = share(classified[row]["prediction"] == str(number) for row in part)
        print(f"| {name}, designed | " + " | ".join(features(written, training)) + f" | {agreed} |")
        # The nearest of a test row is the measure of how near what is new can be.
        real = [row["sequences"] for row in train if row["labels"] == str(number)]
        apart = [row["sequences"] for row in test if row["labels"] == str(number)]
        print(f"| {name}, training rows | " + " | ".join([*features(real, training)[:-1], nearest(apart[:200], training) + " (test rows)"]) + " | |")
    known = set(training)
    print(f"\nCopies of training rows: {share(row['prediction'] in known for row in designs)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("tables")
    command.set_defaults(run=tables)
    command.add_argument("folder", type=Path)
    command = commands.add_parser("rates")
    command.set_defaults(run=rates)
    command.add_argument("designs", type=Path)
    command.add_argument("classified", type=Path)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
