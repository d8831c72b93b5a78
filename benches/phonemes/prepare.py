"""Words and how they are spoken, divided for training, and the shape of a small BART that reads letters and writes phonemes.

    python benches/phonemes/prepare.py words.tsv FOLDER
    python benches/phonemes/prepare.py words.tsv examples/phonemes --sample 8000,500,1000

`words.tsv` has the columns `word` and `phonemes`. FOLDER gets `train.tsv`, `valid.tsv` and `test.tsv`, and in `bart/` what a model is made from
that begins with nothing: its shape, and a tokenizer with one token for each character of either column. A word goes where a hash of its lower
case says, so that spellings that differ in capitals alone stay together: 5 % are for testing, 1 % for validating. Needs nothing but Python.
"""

import argparse
import csv
import hashlib
import json
from pathlib import Path

SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]
# Of 1000 words.
TEST, VALID = 50, 10


def number(word: str) -> int:
    return int.from_bytes(hashlib.sha256(word.lower().encode()).digest()[:8], "big")


def split_of(word: str) -> str:
    place = number(word) % 1000
    return "test" if place < TEST else "valid" if place < TEST + VALID else "train"


def tokenizer(characters: list[str]) -> dict:
    def special(at: int) -> dict:
        return dict(
            id=at, content=SPECIAL[at], single_word=False, lstrip=False, rstrip=False, normalized=False, special=True
        )

    def token(at: int) -> dict:
        return dict(SpecialToken=dict(id=SPECIAL[at], type_id=0))

    def text(name: str) -> dict:
        return dict(Sequence=dict(id=name, type_id=0))

    start, end = token(0), token(2)
    return dict(
        version="1.0",
        truncation=None,
        padding=None,
        added_tokens=[special(at) for at in range(len(SPECIAL))],
        normalizer=None,
        pre_tokenizer=dict(type="Split", pattern=dict(Regex=r"[\s\S]"), behavior="Isolated", invert=False),
        post_processor=dict(
            type="TemplateProcessing", single=[start, text("A"), end], pair=[start, text("A"), end, end, text("B"), end],
            special_tokens={
                SPECIAL[at]: dict(id=SPECIAL[at], ids=[at], tokens=[SPECIAL[at]]) for at in (0, 2)
            },
        ),
        decoder=dict(type="Fuse"),
        model=dict(type="WordLevel", vocab={it: at for at, it in enumerate(SPECIAL + characters)}, unk_token="<unk>"),
    )


def preset(folder: Path, characters: list[str], arguments) -> None:
    ends = dict(bos_token_id=0, pad_token_id=1, eos_token_id=2, decoder_start_token_id=2, forced_eos_token_id=2)
    config = dict(
        architectures=["BartForConditionalGeneration"], model_type="bart", vocab_size=len(SPECIAL) + len(characters),
        d_model=arguments.width, encoder_layers=arguments.layers, decoder_layers=arguments.layers,
        num_hidden_layers=arguments.layers, encoder_attention_heads=arguments.width // 32,
        decoder_attention_heads=arguments.width // 32, encoder_ffn_dim=4 * arguments.width,
        decoder_ffn_dim=4 * arguments.width, max_position_embeddings=64, activation_function="gelu", dropout=0.1,
        attention_dropout=0.0, activation_dropout=0.0, init_std=0.02, scale_embedding=False, is_encoder_decoder=True,
        tie_word_embeddings=True, use_cache=True, **ends,
    )
    settings = dict(
        tokenizer_class="PreTrainedTokenizerFast", bos_token="<s>", cls_token="<s>", eos_token="</s>", sep_token="</s>",
        pad_token="<pad>", unk_token="<unk>", model_max_length=64, clean_up_tokenization_spaces=False,
    )
    files = {
        "config.json": config,
        "generation_config.json": dict(max_length=64, **ends),
        "tokenizer_config.json": settings,
        "tokenizer.json": tokenizer(characters),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        text = json.dumps(content, ensure_ascii=False, indent=1 if name == "tokenizer.json" else 2)
        (folder / name).write_text(text + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--layers", type=int, default=2, help="of the encoder and of the decoder")
    parser.add_argument("--width", type=int, default=128, help="a multiple of 32")
    parser.add_argument("--sample", help="rows for training, validating and testing at most, such as 8000,500,1000")
    arguments = parser.parse_args()
    with open(arguments.words, newline="", encoding="utf-8") as file:
        rows = [(row["word"], row["phonemes"]) for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)]
    characters = sorted(set("".join(word + phonemes for word, phonemes in rows)))
    preset(arguments.folder / "bart", characters, arguments)

    splits = dict(train=[], valid=[], test=[])
    # In the order of their hashes, which is none that a word could be told by.
    for word, phonemes in sorted(rows, key=lambda row: (number(row[0][::-1]), row)):
        splits[split_of(word)].append((word, phonemes))
    most = map(int, arguments.sample.split(",")) if arguments.sample else map(len, splits.values())
    for (split, rows), most in zip(splits.items(), most, strict=True):
        lines = "".join(f"{word}\t{phonemes}\n" for word, phonemes in rows[:most])
        (arguments.folder / f"{split}.tsv").write_text("word\tphonemes\n" + lines, encoding="utf-8")
        print(f"{split}: {len(rows[:most])} words")
    print(f"{len(characters)} characters")


if __name__ == "__main__":
    main()
