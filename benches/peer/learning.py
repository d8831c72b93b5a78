"""How fast a fine-tuned model learns, dropout on: the peer's side, and what both sides start from.

    python benches/peer/learning.py prepare --data REUTERS --model MINILM --output FOLDER
    python benches/peer/learning.py fit     --folder FOLDER --seed 3
    python benches/peer/learning.py losses  metrics.csv
    python benches/peer/learning.py compare FOLDER

`prepare` writes the first rows of a seeded order of Reuters as FOLDER/rows/train.tsv, and for each seed the sentence encoder with a head that
the peer drew, FOLDER/head-SEED. From there both sides train on the same rows in the same order: what differs is what each drops.
`fit` writes the loss of each batch to FOLDER/peer-SEED.txt, one a line; `losses` prints those of a run of ours; `compare` reads those files and
the other side's FOLDER/ours-SEED.txt. benches/learning runs all of it.
"""

import argparse
import csv
import random
import statistics
from pathlib import Path

from huggingface import LABELS, LEARNING_RATE, batches, read_table

BATCH_SIZE = 16
MAX_LENGTH = 256


def prepare(arguments) -> None:
    import torch
    from transformers import AutoTokenizer, BertForSequenceClassification

    texts, labels = read_table(arguments.data / "train.tsv")
    order = list(range(len(texts)))
    random.Random(1).shuffle(order)
    rows = arguments.output / "rows"
    rows.mkdir(parents=True, exist_ok=True)
    lines = [f"{texts[row]}\t{labels[row]}\n" for row in order[: arguments.batches * BATCH_SIZE]]
    (rows / "train.tsv").write_text("text\tlabel\n" + "".join(lines), encoding="utf-8")
    tokenizer = AutoTokenizer.from_pretrained(arguments.model)
    for seed in range(1, arguments.seeds + 1):
        torch.manual_seed(seed)
        model = BertForSequenceClassification.from_pretrained(arguments.model, num_labels=LABELS, dtype=torch.float32)
        folder = arguments.output / f"head-{seed}"
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)


def fit(arguments) -> None:
    import torch
    from transformers import AutoTokenizer, BertForSequenceClassification

    folder = arguments.folder / f"head-{arguments.seed}"
    model = BertForSequenceClassification.from_pretrained(folder).to(arguments.device)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    texts, labels = read_table(arguments.folder / "rows" / "train.tsv")
    labels = torch.tensor(labels, device=arguments.device).split(BATCH_SIZE)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, fused=True)
    model.train()
    # Other numbers than those that drew the head.
    torch.manual_seed(1000 + arguments.seed)
    losses = []
    for batch, target in zip(batches(tokenizer, texts, BATCH_SIZE, MAX_LENGTH), labels, strict=True):
        loss = model(**batch.to(arguments.device), labels=target).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    (arguments.folder / f"peer-{arguments.seed}.txt").write_text("".join(f"{loss:.6f}\n" for loss in losses))


def losses(arguments) -> None:
    with open(arguments.metrics, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    column = next(name for name in rows[0] if name.startswith("train_loss"))
    print("\n".join(row[column] for row in rows if row[column]))


def compare(arguments) -> None:
    def means(side: str) -> dict[str, float]:
        files = sorted(arguments.folder.glob(f"{side}-*.txt"))
        return {file.stem.split("-")[1]: statistics.fmean(map(float, file.read_text().split())) for file in files}

    ours, peer = means("ours"), means("peer")
    for name, side in (("ours", ours), ("peer", peer)):
        values = list(side.values())
        print(f"{name}: mean loss {statistics.fmean(values):.4f}, deviation {statistics.stdev(values):.4f}, {len(values)} seeds")
    differences = [ours[seed] - peer[seed] for seed in ours if seed in peer]
    error = statistics.stdev(differences) / len(differences) ** 0.5
    print(f"ours - peer, from the same head: {statistics.fmean(differences):+.4f}, standard error {error:.4f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("prepare")
    command.set_defaults(run=prepare)
    command.add_argument("--data", type=Path, required=True)
    command.add_argument("--model", type=Path, required=True)
    command.add_argument("--output", type=Path, required=True)
    command.add_argument("--seeds", type=int, default=10)
    command.add_argument("--batches", type=int, default=60)
    command = commands.add_parser("fit")
    command.set_defaults(run=fit)
    command.add_argument("--folder", type=Path, required=True)
    command.add_argument("--seed", type=int, required=True)
    command.add_argument("--device", default="cpu")
    command = commands.add_parser("losses")
    command.set_defaults(run=losses)
    command.add_argument("metrics", type=Path)
    command = commands.add_parser("compare")
    command.set_defaults(run=compare)
    command.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
