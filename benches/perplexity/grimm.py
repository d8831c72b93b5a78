"""Lays out the grimm tales for a small GPT-2 from nothing: splits, a byte-level BPE of the training tales, and the shape.

    python benches/perplexity/grimm.py grimm.tsv FOLDER

Needs the package `tokenizers`. FOLDER/data gets train.tsv, valid.tsv and test.tsv (every tenth tale from the first is tested on, every
tenth from the second validates), FOLDER/decoder a config.json and the tokenizer. The tales themselves are not part of this repository.
"""

import csv
import json
import sys
from pathlib import Path

from tokenizers import ByteLevelBPETokenizer

VOCABULARY = 1024
END = "<|endoftext|>"


def main():
    source, folder = map(Path, sys.argv[1:3])
    csv.field_size_limit(sys.maxsize)
    with open(source, encoding="utf-8", newline="") as file:
        tales = [row["text"] for row in csv.DictReader(file, delimiter="\t")]
    split = {0: "test", 1: "valid"}
    splits = {"train": [], "valid": [], "test": []}
    for number, tale in enumerate(tales):
        splits[split.get(number % 10, "train")].append(tale)
    data, decoder = folder / "data", folder / "decoder"
    for path in (data, decoder):
        path.mkdir(parents=True, exist_ok=True)
    for name, rows in splits.items():
        with open(data / f"{name}.tsv", "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, delimiter="\t", lineterminator="\n")
            writer.writerow(["text"])
            writer.writerows([row] for row in rows)
    tokenizer = ByteLevelBPETokenizer()
    tokenizer.train_from_iterator(splits["train"], vocab_size=VOCABULARY, special_tokens=[END], show_progress=False)
    tokenizer.save(str(decoder / "tokenizer.json"))
    end = tokenizer.token_to_id(END)
    (decoder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "GPT2Tokenizer", "bos_token": END, "eos_token": END, "unk_token": END}, indent=2) + "\n"
    )
    shape = {
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "vocab_size": tokenizer.get_vocab_size(),
        "n_positions": 256,
        "n_embd": 128,
        "n_layer": 4,
        "n_head": 4,
        "resid_pdrop": 0.1,
        "embd_pdrop": 0.1,
        "attn_pdrop": 0.1,
        "bos_token_id": end,
        "eos_token_id": end,
    }
    (decoder / "config.json").write_text(json.dumps(shape, indent=2) + "\n")
    tokens = {name: sum(len(tokenizer.encode(row).ids) for row in rows) for name, rows in splits.items()}
    print(", ".join(f"{name}: {len(splits[name])} tales, {count} tokens" for name, count in tokens.items()))
    print(f"start and end token: {end}")


if __name__ == "__main__":
    main()
