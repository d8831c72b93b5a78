"""Measured effects of sequences (the tables of the package mavenn): what is trained on, and what simple models reach.

    python benches/sequences/fitness.py gb1  gb1_data.csv.gz  FOLDER
    python benches/sequences/fitness.py mpsa mpsa_data.csv.gz FOLDER

Written are FOLDER/train.tsv, valid.tsv and test.tsv with the columns `sequences` and `labels`, of the table's own split; of GB1, which has half a
million rows, 20,000, 2,000 and 5,000 of them drawn by a fixed seed, and FOLDER/variants.tsv, 1,000 of the test rows beside the wild type. Printed
is Spearman's correlation on the test rows of ridge regression on one-hot letters (additive), for MPSA also on all pairs of letters, and for the
variants of what their letters' hydropathy says. Needs numpy.
"""

import argparse
import csv
import gzip
import random
from pathlib import Path

import numpy

WILD_TYPE = "QYKLILNGKTLKGETTTEAVDAATAEKVFKQYANDNGVDGEWTYDDATKTFTVTE"
# Kyte and Doolittle 1982.
HYDROPATHY = dict(zip("ARNDCQEGHILKMFPSTWYV", (
    1.8, -4.5, -3.5, -3.5, 2.5, -3.5, -3.5, -0.4, -3.2, 4.5, 3.8, -3.9, 1.9, 2.8, -1.6, -0.8, -0.7, -0.9, -1.3, 4.2), strict=True))
SPLITS = {"train": "training", "valid": "validation", "test": "test"}
GB1_ROWS = {"train": 20000, "valid": 2000, "test": 5000}


def read(table: Path) -> dict[str, list[tuple[str, float]]]:
    rows: dict[str, list[tuple[str, float]]] = {}
    with gzip.open(table, "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            rows.setdefault(row["set"], []).append((row["x"], float(row["y"])))
    return {split: rows[name] for split, name in SPLITS.items()}


def write(path: Path, header: str, rows: list) -> None:
    path.write_text(header + "\n" + "".join("\t".join(map(str, row)) + "\n" for row in rows), encoding="utf-8")


def one_hot(sequences: list[str], letters: str) -> numpy.ndarray:
    codes = numpy.array([[letters.index(letter) for letter in sequence] for sequence in sequences])
    return (codes[:, :, None] == numpy.arange(len(letters))).reshape(len(sequences), -1).astype(numpy.float32)


def pairs(single: numpy.ndarray, letters: int) -> numpy.ndarray:
    """The letters of each place, then those of every pair of places."""
    places = single.reshape(len(single), -1, letters)
    columns = [single]
    for first in range(places.shape[1]):
        for second in range(first + 1, places.shape[1]):
            columns.append((places[:, first, :, None] * places[:, second, None, :]).reshape(len(single), -1))
    return numpy.concatenate(columns, axis=1)


def ridge(train: numpy.ndarray, labels: numpy.ndarray, test: numpy.ndarray, penalty: float) -> numpy.ndarray:
    mean = labels.mean()
    weights = numpy.linalg.solve(train.T @ train + penalty * numpy.eye(train.shape[1]), train.T @ (labels - mean))
    return test @ weights + mean


def ranks(values: numpy.ndarray) -> numpy.ndarray:
    _, places, counts = numpy.unique(values, return_inverse=True, return_counts=True)
    ends = numpy.cumsum(counts)
    return (ends - (counts - 1) / 2)[places]


def spearman(first, second) -> float:
    return float(numpy.corrcoef(ranks(numpy.asarray(first)), ranks(numpy.asarray(second)))[0, 1])


def baselines(rows: dict, letters: str, with_pairs: bool) -> None:
    single = {split: one_hot([sequence for sequence, _ in part], letters) for split, part in rows.items()}
    labels = {split: numpy.array([label for _, label in part]) for split, part in rows.items()}
    inputs = {"additive": single}
    if with_pairs:
        inputs["pairs of letters"] = {split: pairs(part, len(letters)) for split, part in single.items()}
    for name, part in inputs.items():
        # The penalty is chosen on the validation rows.
        best = max((1.0, 10.0, 100.0, 1000.0), key=lambda penalty: spearman(ridge(part["train"], labels["train"], part["valid"], penalty), labels["valid"]))
        told = ridge(part["train"], labels["train"], part["test"], best)
        pearson = float(numpy.corrcoef(told, labels["test"])[0, 1])
        print(f"{name}: spearman {spearman(told, labels['test']):.4f}, pearson {pearson:.4f} (penalty {best:g})")


def gb1(rows: dict, folder: Path) -> None:
    random.seed(1)
    rows = {split: random.sample(part, GB1_ROWS[split]) for split, part in rows.items()}
    for split, part in rows.items():
        write(folder / f"{split}.tsv", "sequences\tlabels", part)
    variants = rows["test"][:1000]
    write(folder / "variants.tsv", "reference\tvariant\teffect", [(WILD_TYPE, sequence, label) for sequence, label in variants])
    baselines(rows, "ACDEFGHIKLMNPQRSTVWY", with_pairs=False)
    changes = [sum(abs(HYDROPATHY[a] - HYDROPATHY[b]) for a, b in zip(WILD_TYPE, sequence, strict=True)) for sequence, _ in variants]
    print(f"variants, change of hydropathy: spearman {spearman(changes, [label for _, label in variants]):.4f}")


def mpsa(rows: dict, folder: Path) -> None:
    for split, part in rows.items():
        write(folder / f"{split}.tsv", "sequences\tlabels", part)
    baselines(rows, "ACGU", with_pairs=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiment", choices=("gb1", "mpsa"))
    parser.add_argument("table", type=Path)
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    {"gb1": gb1, "mpsa": mpsa}[arguments.experiment](read(arguments.table), arguments.folder)


if __name__ == "__main__":
    main()
