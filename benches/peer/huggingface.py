"""The peer's side of the benches: the same work with `transformers` and PyTorch, on the CPU.

    python benches/peer/huggingface.py rows      --data REUTERS --output rows.txt
    python benches/peer/huggingface.py fit       --data REUTERS --model MINILM --rows rows.txt
    python benches/peer/huggingface.py predict   --data REUTERS --model MINILM
    python benches/peer/huggingface.py start     --model MINILM
    python benches/peer/huggingface.py bert-base
    python benches/peer/huggingface.py smollm2

Each prints one line of JSON. Both sides are to read the same rows: a row file holds one number a line, counted from 0
without the header. The peer is set up as its own documentation advises for speed: SDPA attention, padding to the longest
row of the batch, the fused AdamW that is its trainer's default, and no gradients in prediction. With dropout PyTorch's
SDPA on the CPU gains nothing over plain products, so `--attention eager` is there to check which is the faster peer.
"""

import argparse
import csv
import json
import os
import random
import resource
import statistics
import sys
import time
from pathlib import Path

LABELS = 8
LEARNING_RATE = 5e-5


def read_table(path: Path) -> tuple[list[str], list[int]]:
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return [row["text"] for row in rows], [int(row["label"]) for row in rows]


def read_rows(path: Path) -> list[int]:
    return [int(line) for line in path.read_text().split()]


def peak_rss_mb() -> float:
    # Linux counts in KiB, macOS in bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def report(task: str, **figures) -> None:
    import torch
    import transformers

    figures = {key: round(value, 4) if isinstance(value, float) else value for key, value in figures.items()}
    versions = dict(transformers=transformers.__version__, torch=torch.__version__)
    print(json.dumps(dict(task=task) | figures | dict(peak_rss_mb=round(peak_rss_mb(), 1)) | versions))


def open_model(folder: Path, attention: str = "sdpa"):
    """The classifier (pooler, dropout, linear) on the checkpoint's encoder, its head seeded, and the tokenizer."""
    import torch
    from transformers import AutoTokenizer, BertForSequenceClassification

    torch.manual_seed(1)
    model = BertForSequenceClassification.from_pretrained(
        folder, num_labels=LABELS, attn_implementation=attention
    )
    return model, AutoTokenizer.from_pretrained(folder)


def batches(tokenizer, texts: list[str], size: int, max_length: int):
    """Token batches padded to their longest row; tokenising is part of the time, as it is for the other side."""
    for start in range(0, len(texts), size):
        yield tokenizer(
            texts[start : start + size], truncation=True, max_length=max_length, padding="longest", return_tensors="pt"
        )


def fit(arguments) -> None:
    import torch

    began = time.perf_counter()
    model, tokenizer = open_model(arguments.model, arguments.attention)
    texts, labels = read_table(arguments.data / "train.tsv")
    rows = read_rows(arguments.rows)[: arguments.batches * arguments.batch_size]
    texts, labels = [texts[row] for row in rows], torch.tensor([labels[row] for row in rows])
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, fused=True)
    model.train()
    loaded = time.perf_counter()

    losses, tokens, padded = [], 0, 0
    for batch, target in zip(
        batches(tokenizer, texts, arguments.batch_size, arguments.max_length), labels.split(arguments.batch_size),
        strict=True,
    ):
        loss = model(**batch, labels=target).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
        tokens += int(batch["attention_mask"].sum())
        padded += batch["input_ids"].numel()
    seconds = time.perf_counter() - loaded

    report(
        "fit", rows=len(rows), batches=len(losses), seconds=seconds, rows_per_second=len(rows) / seconds,
        load_seconds=loaded - began, tokens=tokens, padded_tokens=padded,
        first_loss=losses[0], loss=statistics.fmean(losses[-10:]),
    )


def predict(arguments) -> None:
    import torch

    began = time.perf_counter()
    model, tokenizer = open_model(arguments.model, arguments.attention)
    texts, _ = read_table(arguments.data / "test.tsv")
    rows = read_rows(arguments.rows) if arguments.rows else range(arguments.count)
    texts = [texts[row] for row in rows]
    model.eval()
    loaded = time.perf_counter()

    predictions, tokens, padded = [], 0, 0
    with torch.inference_mode():
        for batch in batches(tokenizer, texts, arguments.batch_size, arguments.max_length):
            predictions += model(**batch).logits.argmax(1).tolist()
            tokens += int(batch["attention_mask"].sum())
            padded += batch["input_ids"].numel()
    seconds = time.perf_counter() - loaded

    report(
        "predict", rows=len(predictions), seconds=seconds, rows_per_second=len(predictions) / seconds,
        load_seconds=loaded - began, tokens=tokens, padded_tokens=padded,
    )


def start(arguments) -> None:
    """One prediction and out: whoever starts this process times all of it."""
    import torch

    model, tokenizer = open_model(arguments.model)
    model.eval()
    with torch.inference_mode():
        logits = model(**tokenizer(arguments.text, return_tensors="pt")).logits
    report("start", prediction=int(logits.argmax()))


def bert_base(arguments) -> None:
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(1)
    model = BertForSequenceClassification(BertConfig(attn_implementation=arguments.attention))
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, fused=True)
    ids = torch.randint(model.config.vocab_size, (8, 128))
    labels = torch.randint(2, (8,))

    def forward():
        with torch.inference_mode():
            model(input_ids=ids)

    def training_step():
        model(input_ids=ids, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    def median_seconds(step) -> float:
        # The first call allocates; it is not counted.
        step()
        times = []
        for _ in range(arguments.repeats):
            began = time.perf_counter()
            step()
            times.append(time.perf_counter() - began)
        return statistics.median(times)

    model.eval()
    forward_seconds = median_seconds(forward)
    forward_peak = peak_rss_mb()
    model.train()
    step_seconds = median_seconds(training_step)
    report(
        "bert-base", forward_seconds=forward_seconds, forward_rows_per_second=8 / forward_seconds,
        forward_peak_rss_mb=forward_peak, step_seconds=step_seconds, step_rows_per_second=8 / step_seconds,
    )


def smollm2(arguments) -> None:
    """A Llama of SmolLM2-135M's size: reading a prompt, then writing token by token, one text and 32 at a time."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=49152, hidden_size=576, intermediate_size=1536, num_hidden_layers=30, num_attention_heads=9,
        num_key_value_heads=3, max_position_embeddings=2048, rope_theta=100_000.0, tie_word_embeddings=True,
        attn_implementation=arguments.attention,
    )
    model = LlamaForCausalLM(config).eval()

    def seconds(rows: int, prompt: int, new: int) -> float:
        ids = torch.randint(config.vocab_size, (rows, prompt))
        began = time.perf_counter()
        with torch.inference_mode():
            written = model.generate(
                ids, attention_mask=torch.ones_like(ids), do_sample=False, min_new_tokens=new, max_new_tokens=new,
                pad_token_id=0,
            )
        elapsed = time.perf_counter() - began
        assert written.shape == (rows, prompt + new)
        return elapsed

    # The first token comes with the prompt: what further ones take is the difference. The prompt is short, as its own time would blur that.
    def further_tokens_per_second(rows: int) -> float:
        new = arguments.new
        differences = [seconds(rows, 8, new + 1) - seconds(rows, 8, 1) for _ in range(arguments.repeats)]
        return rows * new / statistics.median(differences)

    seconds(1, 8, 2)
    prefill = statistics.median(seconds(1, arguments.prompt, 1) for _ in range(arguments.repeats))
    report(
        "smollm2", prefill_tokens_per_second=arguments.prompt / prefill,
        one_row_tokens_per_second=further_tokens_per_second(1),
        rows_32_tokens_per_second=further_tokens_per_second(32),
    )


def rows(arguments) -> None:
    """Writes the first rows of a seeded permutation of train.tsv, for both sides to read."""
    texts, _ = read_table(arguments.data / "train.tsv")
    order = random.Random(arguments.seed).sample(range(len(texts)), arguments.count)
    arguments.output.write_text("".join(f"{row}\n" for row in order))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)

    def command(function, name, *, data=False, model=False, batch=False):
        added = commands.add_parser(name)
        added.set_defaults(run=function)
        added.add_argument("--threads", type=int, default=2)
        if data:
            added.add_argument("--data", type=Path, required=True, help="folder with train.tsv and test.tsv")
        if model:
            added.add_argument("--model", type=Path, required=True, help="folder of the MiniLM checkpoint")
        if batch:
            added.add_argument("--batch-size", type=int, default=16)
            added.add_argument("--max-length", type=int, default=256)
            added.add_argument("--attention", choices=["sdpa", "eager"], default="sdpa")
        return added

    added = command(rows, "rows", data=True)
    added.add_argument("--seed", type=int, default=1)
    added.add_argument("--count", type=int, default=960)
    added.add_argument("--output", type=Path, required=True)

    added = command(fit, "fit", data=True, model=True, batch=True)
    added.add_argument("--rows", type=Path, required=True, help="row numbers of train.tsv, one a line")
    added.add_argument("--batches", type=int, default=60)

    added = command(predict, "predict", data=True, model=True, batch=True)
    added.add_argument("--rows", type=Path, help="row numbers of test.tsv, one a line; else the first --count")
    added.add_argument("--count", type=int, default=512)

    added = command(start, "start", model=True)
    added.add_argument("--text", default="oil prices rose after the meeting")

    added = command(bert_base, "bert-base")
    added.add_argument("--attention", choices=["sdpa", "eager"], default="sdpa")
    added.add_argument("--repeats", type=int, default=5)

    added = command(smollm2, "smollm2")
    added.add_argument("--attention", choices=["sdpa", "eager"], default="sdpa")
    added.add_argument("--prompt", type=int, default=128)
    added.add_argument("--new", type=int, default=48)
    added.add_argument("--repeats", type=int, default=3)
    return parser.parse_args()


def main() -> None:
    arguments = parse()
    # Read by the libraries when they load, so they are imported only after this.
    os.environ["OMP_NUM_THREADS"] = os.environ["RAYON_NUM_THREADS"] = str(arguments.threads)
    os.environ["HF_HUB_OFFLINE"] = "1"
    if arguments.command != "rows":
        import torch
        from transformers.utils import logging

        torch.set_num_threads(arguments.threads)
        logging.set_verbosity_error()
        logging.disable_progress_bar()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
