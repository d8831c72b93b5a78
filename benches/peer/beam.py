"""Beam search of an encoder-decoder: the peer's side, and what both sides read.

    python benches/peer/beam.py prepare --folder FOLDER
    python benches/peer/beam.py write   --folder FOLDER --new 40 --output ids.jsonl
    python benches/peer/beam.py summary RUNS.jsonl
    python benches/peer/beam.py same    OURS.jsonl THEIRS.jsonl

`prepare` saves a BART of BART-base's size with seeded weights, a tokenizer of one token a word, and rows of uneven length. `write` writes for
all rows at once, prints one line of JSON with the seconds that took without loading anything, and notes the ids. `summary` prints the medians
of the runs that benches/beam noted, and `same` how many texts of the two sides are the same ids. benches/beam runs all of it.
"""

import argparse
import csv
import json
import os
import random
import statistics
import time
from pathlib import Path

from huggingface import report

SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]


def prepare(arguments) -> None:
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BartConfig, BartForConditionalGeneration, PreTrainedTokenizerFast

    torch.manual_seed(1)
    width, layers = arguments.width, arguments.layers
    config = BartConfig(
        vocab_size=arguments.vocabulary, d_model=width, encoder_layers=layers, decoder_layers=layers,
        encoder_attention_heads=max(1, width // 64), decoder_attention_heads=max(1, width // 64),
        encoder_ffn_dim=4 * width, decoder_ffn_dim=4 * width,
        init_std=0.05,
    )
    model = BartForConditionalGeneration(config).eval()
    # Else every text would be one token again and again, and no beam would ever leave another.
    with torch.no_grad():
        model.model.decoder.embed_positions.weight *= 10
    model.save_pretrained(arguments.folder / "bart")

    words = SPECIAL + [f"w{at}" for at in range(len(SPECIAL), arguments.vocabulary - 1)] + ["<mask>"]
    tokenizer = Tokenizer(models.WordLevel({word: at for at, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", cls_token="<s>", eos_token="</s>", sep_token="</s>", pad_token="<pad>",
        unk_token="<unk>", mask_token="<mask>", model_max_length=1024,
    ).save_pretrained(arguments.folder / "bart")

    draw = random.Random(1)
    rows = []
    for _ in range(arguments.rows):
        length = draw.randint(arguments.longest // 8, arguments.longest)
        rows.append(" ".join(draw.choice(words[len(SPECIAL) : -1]) for _ in range(length)))
    (arguments.folder / "rows.tsv").write_text("text\n" + "".join(f"{row}\n" for row in rows))


def write(arguments) -> None:
    import torch
    from transformers import AutoTokenizer, BartForConditionalGeneration

    folder = arguments.folder / "bart"
    model = BartForConditionalGeneration.from_pretrained(folder, attn_implementation="sdpa").eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    with open(arguments.folder / "rows.tsv", newline="", encoding="utf-8") as file:
        texts = [row["text"] for row in csv.DictReader(file, delimiter="\t")]

    def written(new: int) -> tuple[float, list[list[int]]]:
        began = time.perf_counter()
        with torch.inference_mode():
            batch = tokenizer(texts, padding="longest", return_tensors="pt", return_token_type_ids=False)
            ids = model.generate(
                **batch, num_beams=arguments.beams, do_sample=False, min_new_tokens=new, max_new_tokens=new
            )
        assert ids.shape == (len(texts), 1 + new), ids.shape
        return time.perf_counter() - began, ids.tolist()

    # Some things are set up at the first call of all, which is not counted.
    written(1)
    first_seconds, _ = written(1)
    seconds, ids = written(arguments.new)
    arguments.output.write_text("".join(json.dumps(dict(ids=row)) + "\n" for row in ids))
    report("beam", rows=len(texts), new=arguments.new, first_seconds=first_seconds, seconds=seconds)


def read_ids(path: Path) -> list[list[int]]:
    return [json.loads(line)["ids"] for line in path.read_text().splitlines()]


def same(arguments) -> None:
    ours, theirs = read_ids(arguments.ours), read_ids(arguments.theirs)
    equal = sum(a == b for a, b in zip(ours, theirs, strict=True))
    print(f"{equal} of {len(theirs)} texts are the same ids on both sides")


def summary(arguments) -> None:
    """Each run is a line: side, seconds for all new tokens, seconds for one (`first_seconds`), rows and new tokens."""
    runs = [json.loads(line) for line in arguments.runs.read_text().splitlines()]
    sides = {side: [run for run in runs if run["side"] == side] for side in ("ours", "theirs")}

    def row(name: str, unit: str, value) -> None:
        ours, theirs = (statistics.median(map(value, sides[side])) if sides[side] else None for side in ("ours", "theirs"))
        cells = ["-" if it is None else f"{it:.2f}" for it in (ours, theirs)]
        ratio = f"{ours / theirs if unit == 'tokens/s' else theirs / ours:.2f} x" if ours and theirs else "-"
        print(f"| {name}, {unit} | {cells[0]} | {cells[1]} | {ratio} |")

    print("| Median of each | Engraft | Hugging Face | Engraft is better by |\n|---|---|---|---|")
    row("all texts", "s", lambda run: run["seconds"])
    # What starting, reading and the first token take is in both.
    further = lambda run: run["rows"] * (run["new"] - 1) / (run["seconds"] - run["first_seconds"])
    row("tokens after the first of each text", "tokens/s", further)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("prepare")
    command.set_defaults(run=prepare)
    command.add_argument("--folder", type=Path, required=True)
    command.add_argument("--layers", type=int, default=6)
    command.add_argument("--width", type=int, default=768)
    command.add_argument("--vocabulary", type=int, default=50265)
    command.add_argument("--rows", type=int, default=32)
    command.add_argument("--longest", type=int, default=128, help="words of the longest rows; the shortest have an eighth")
    command = commands.add_parser("write")
    command.set_defaults(run=write)
    command.add_argument("--folder", type=Path, required=True)
    command.add_argument("--beams", type=int, default=4)
    command.add_argument("--new", type=int, default=40)
    command.add_argument("--output", type=Path, required=True)
    command = commands.add_parser("summary")
    command.set_defaults(run=summary)
    command.add_argument("runs", type=Path)
    command = commands.add_parser("same")
    command.set_defaults(run=same)
    command.add_argument("ours", type=Path)
    command.add_argument("theirs", type=Path)
    arguments = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(arguments.threads)
    os.environ["HF_HUB_OFFLINE"] = "1"
    if arguments.run in (prepare, write):
        import torch
        from transformers.utils import logging

        torch.set_num_threads(arguments.threads)
        logging.set_verbosity_error()
        logging.disable_progress_bar()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
