"""Perplexity of a 3-gram model with add-k smoothing: what a causal language model is compared with, on the same tokens.

    python benches/perplexity/trigram.py FOLDER --column text --tokenizer tokenizer.json [--start ID] [--end ID]
    python benches/perplexity/trigram.py examples/splice --column sequences --letters examples/causal-lm/decoder

FOLDER holds train.tsv, valid.tsv and test.tsv. The model counts the training tokens; k and nothing else is chosen on the validation
tokens; the perplexity is that of the test tokens, each told from the two before it (the first ones from the start token alone), as
Engraft counts them: every token but a text's first.
"""

import argparse
import csv
import math
import sys
from collections import Counter
from pathlib import Path


def texts(path, column):
    csv.field_size_limit(sys.maxsize)
    with open(path, encoding="utf-8", newline="") as file:
        return [row[column] for row in csv.DictReader(file, delimiter="\t")]


def encoder(arguments):
    """From a text to ids, and the number of ids there are."""
    if arguments.letters:
        vocabulary = Path(arguments.letters, "vocab.txt").read_text(encoding="utf-8").split()
        ids = {token: number for number, token in enumerate(vocabulary)}
        return lambda text: [ids["<bos>"]] + [ids[letter] for letter in text] + [ids["<eos>"]], len(vocabulary)
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(arguments.tokenizer)
    start = [] if arguments.start is None else [arguments.start]
    end = [] if arguments.end is None else [arguments.end]
    encode = lambda text: start + tokenizer.encode(text, add_special_tokens=False).ids + end
    return encode, tokenizer.get_vocab_size()


def contexts(ids):
    """Each token that is told, with the two before it; nothing stands before the first."""
    for place in range(1, len(ids)):
        yield (ids[place - 2] if place > 1 else None, ids[place - 1]), ids[place]


def perplexity(documents, counts, totals, vocabulary, k):
    loss, tokens = 0.0, 0
    for ids in documents:
        for context, token in contexts(ids):
            share = (counts[context, token] + k) / (totals[context] + k * vocabulary)
            loss -= math.log(share)
            tokens += 1
    return math.exp(loss / tokens), tokens


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--column", default="text")
    parser.add_argument("--letters", help="a folder with a vocab.txt of letters, <bos> and <eos>")
    parser.add_argument("--tokenizer", help="a tokenizer.json")
    parser.add_argument("--start", type=int, help="the id that texts begin with")
    parser.add_argument("--end", type=int, help="the id that texts end with")
    arguments = parser.parse_args()
    encode, vocabulary = encoder(arguments)
    train, valid, test = (
        [encode(text) for text in texts(Path(arguments.folder, f"{split}.tsv"), arguments.column)]
        for split in ("train", "valid", "test")
    )
    counts, totals = Counter(), Counter()
    for ids in train:
        for context, token in contexts(ids):
            counts[context, token] += 1
            totals[context] += 1
    candidates = [10 ** (step / 4) for step in range(-32, 9)]
    k = min(candidates, key=lambda k: perplexity(valid, counts, totals, vocabulary, k)[0])
    told, tokens = perplexity(test, counts, totals, vocabulary, k)
    print(f"3-gram, k = {k:.4g}: test perplexity {told:.3f} of {tokens} tokens, {vocabulary} in the vocabulary")


if __name__ == "__main__":
    main()
