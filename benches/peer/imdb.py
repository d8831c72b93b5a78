"""KerasHub's first example on real reviews: what `benches/imdb` asks of the peers.

    python benches/peer/imdb.py rows         --reviews IMDB --output ROWS
    python benches/peer/imdb.py preset       --model MINILM --output PRESET
    python benches/peer/imdb.py ours         --model PRESET --rows ROWS --seed SEED --program ENGRAFT
    python benches/peer/imdb.py keras        --model PRESET --rows ROWS --seed SEED
    python benches/peer/imdb.py transformers --model FOLDER --rows ROWS --seed SEED
    python benches/peer/imdb.py compare      RESULTS

`rows` draws 2,000 reviews to train on and 2,000 to test on, the same ones each time. `preset` lets KerasHub turn the checkpoint into a preset.
The next three train one epoch in batches of 32 with Adam at 5e-5, on texts cut to 256 tokens, and print one line of JSON: the seconds of the training,
on the clock and of all cores, are without what is loaded before and scored after. `keras` and `preset` need benches/peer/requirements-keras.txt,
`transformers` benches/peer/requirements.txt, the others nothing.
"""

import argparse
import csv
import hashlib
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROWS = 2000
LENGTH = 256
BATCH = 32
LEARNING_RATE = 5e-5
SENTENCES = ["What an amazing movie!", "A total waste of my time."]


def read_table(path: Path) -> tuple[list[str], list[int]]:
    csv.field_size_limit(1 << 24)
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [row["text"] for row in rows], [int(row["label"]) for row in rows]


def write_table(path: Path, texts, labels) -> None:
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        writer.writerows(zip(texts, labels, strict=True))


def rows(arguments) -> None:
    arguments.output.mkdir(parents=True, exist_ok=True)
    for part in ["train", "test"]:
        drawn = sorted(zip(*read_table(arguments.reviews / f"imdb-{part}.csv"), strict=True), key=digest)
        write_table(arguments.output / f"{part}.csv", *zip(*drawn[:ROWS], strict=True))


def digest(row: tuple[str, int]) -> str:
    return hashlib.sha256(f"drawn {row[0]}".encode()).hexdigest()


def shuffled(folder: Path, seed: int) -> tuple[list[str], list[int]]:
    texts, labels = read_table(folder / "train.csv")
    order = list(range(len(texts)))
    random.Random(seed).shuffle(order)
    return [texts[index] for index in order], [labels[index] for index in order]


def preset(arguments) -> None:
    os.environ["KERAS_BACKEND"] = "tensorflow"
    import keras_hub

    keras_hub.models.BertBackbone.from_preset(str(arguments.model)).save_to_preset(str(arguments.output))
    keras_hub.models.BertTokenizer.from_preset(str(arguments.model)).save_to_preset(str(arguments.output))


class Clock:
    """The time since it was made, on the clock and of all cores."""

    def __init__(self, who: int = resource.RUSAGE_SELF):
        self.who = who
        self.began = time.perf_counter(), self.cores()

    def cores(self) -> float:
        used = resource.getrusage(self.who)
        return used.ru_utime + used.ru_stime

    def read(self) -> dict[str, float]:
        return dict(seconds=time.perf_counter() - self.began[0], core_seconds=self.cores() - self.began[1])


def with_ours(arguments) -> dict:
    model, program, rows = (path.resolve() for path in (arguments.model, arguments.program, arguments.rows))
    experiment = Path(__file__).with_name("imdb.yaml").resolve()
    with tempfile.TemporaryDirectory() as folder:
        # With the training rows alone in it, nothing is scored at the end.
        (Path(folder) / "rows").mkdir()
        write_table(Path(folder) / "rows" / "train.csv", *shuffled(rows, arguments.seed))
        clock = Clock(resource.RUSAGE_CHILDREN)

        def engraft(command: str, *words: object) -> str:
            line = [program, command, *words]
            return subprocess.run(map(str, line), cwd=folder, check=True, capture_output=True, text=True).stdout

        engraft(
            "fit", "--config", experiment, "--model.backbone", model, "--model.backbone.max_length", 256,
            "--data.path", "rows", "--data.test_split_size", 0, "--data.shuffle", "false",
            "--seed_everything", arguments.seed,
        )
        figures = clock.read()
        memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        trained = next(Path(folder).glob("logs/version_0/checkpoints/epoch*"))
        predict = ["--ckpt_path", trained, "--output"]
        engraft("predict", *predict, "test.tsv", "--data.path", rows / "test.csv")
        engraft("predict", *predict, "two.tsv", *(word for text in SENTENCES for word in ("--text", text)))

        def probabilities(name: str) -> list[float]:
            with open(Path(folder) / name, newline="", encoding="utf-8") as file:
                return [float(row["p_1"]) for row in csv.DictReader(file, delimiter="\t")]

        labels = read_table(rows / "test.csv")[1]
        found = probabilities("test.tsv")
        right = [(p > 0.5) == bool(label) for p, label in zip(found, labels, strict=True)]
        return dict(accuracy=sum(right) / len(right), positive=probabilities("two.tsv"), memory=memory) | figures


def with_keras(arguments) -> dict:
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import keras
    import keras_hub
    import numpy as np

    keras.utils.set_random_seed(arguments.seed)
    texts, labels = shuffled(arguments.rows, arguments.seed)
    classifier_class = keras_hub.models.BertTextClassifier
    preprocessor = classifier_class.preprocessor_cls.from_preset(str(arguments.model), sequence_length=LENGTH)
    classifier = classifier_class.from_preset(str(arguments.model), num_classes=2, preprocessor=preprocessor)
    clock = Clock()
    classifier.fit(x=np.array(texts), y=np.array(labels), batch_size=BATCH, epochs=1, verbose=2)
    figures = clock.read()
    texts, labels = read_table(arguments.rows / "test.csv")
    right = np.argmax(classifier.predict(np.array(texts), batch_size=BATCH, verbose=2), axis=-1) == np.array(labels)
    sentences = keras.ops.softmax(classifier.predict(np.array(SENTENCES), verbose=0))
    return dict(accuracy=float(right.mean()), positive=[float(row[1]) for row in sentences]) | figures


def with_transformers(arguments) -> dict:
    import torch
    from transformers import AutoTokenizer, BertForSequenceClassification

    torch.manual_seed(arguments.seed)
    tokenizer = AutoTokenizer.from_pretrained(arguments.model)
    # KerasHub's BERT computes GELU by the hyperbolic tangent.
    model = BertForSequenceClassification.from_pretrained(arguments.model, num_labels=2, hidden_act="gelu_new")
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE, eps=1e-7)

    def batches(texts):
        for start in range(0, len(texts), BATCH):
            part = texts[start : start + BATCH]
            yield start, tokenizer(part, truncation=True, max_length=LENGTH, padding="longest", return_tensors="pt")

    def probabilities(texts):
        model.eval()
        with torch.inference_mode():
            return torch.cat([model(**batch).logits.softmax(-1) for _, batch in batches(texts)])

    texts, labels = shuffled(arguments.rows, arguments.seed)
    labels = torch.tensor(labels)
    clock = Clock()
    model.train()
    for start, batch in batches(texts):
        optimizer.zero_grad()
        model(**batch, labels=labels[start : start + BATCH]).loss.backward()
        optimizer.step()
    figures = clock.read()
    texts, labels = read_table(arguments.rows / "test.csv")
    right = probabilities(texts).argmax(-1) == torch.tensor(labels)
    positive = probabilities(SENTENCES)[:, 1].tolist()
    return dict(accuracy=right.float().mean().item(), positive=positive) | figures


def measured(side: str, train, arguments) -> None:
    """Prints what a run gave, with the memory it took at most."""
    found = train(arguments)
    # Linux counts in KiB, macOS in bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    memory = found.pop("memory", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) * unit / 1e6
    print(json.dumps(dict(side=side, seed=arguments.seed) | found | dict(peak_rss_mb=round(memory, 1))))


def compare(arguments) -> None:
    runs = [json.loads(line) for line in arguments.results.read_text().splitlines()]
    sides = {run["side"]: [other for other in runs if other["side"] == run["side"]] for run in runs}
    for side, found in sides.items():
        accuracies = [run["accuracy"] for run in found]
        error = statistics.stdev(accuracies) / len(accuracies) ** 0.5 if len(accuracies) > 1 else float("nan")
        positive = [statistics.mean(run["positive"][sentence] for run in found) for sentence in range(len(SENTENCES))]
        print(
            f"{side:12} accuracy {statistics.mean(accuracies):.4f} (standard error {error:.4f}), "
            f"{statistics.median(run['seconds'] for run in found):.0f} s, "
            f"{statistics.median(run['core_seconds'] for run in found):.0f} s of cores, "
            f"{statistics.median(run['peak_rss_mb'] for run in found):.0f} MB; "
            f"the two sentences are positive by {positive[0]:.2f} and {positive[1]:.2f}; {len(found)} seeds"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    options = {
        "rows": ["reviews", "output"],
        "preset": ["model", "output"],
        "ours": ["model", "rows", "program"],
        "keras": ["model", "rows"],
        "transformers": ["model", "rows"],
    }
    for command, names in options.items():
        one = commands.add_parser(command)
        for name in names:
            one.add_argument(f"--{name}", type=Path, required=True)
        if "rows" in names:
            one.add_argument("--seed", type=int, required=True)
    commands.add_parser("compare").add_argument("results", type=Path)
    arguments = parser.parse_args()
    match arguments.command:
        case "rows":
            rows(arguments)
        case "preset":
            preset(arguments)
        case "ours":
            measured("engraft", with_ours, arguments)
        case "keras":
            measured("KerasHub", with_keras, arguments)
        case "transformers":
            measured("transformers", with_transformers, arguments)
        case "compare":
            compare(arguments)


if __name__ == "__main__":
    main()
