"""Golden cases for the tokenizers: ids as the reference library gives them.

Writes, beside this script:
  wordpiece/, byte_pair/, letters_esm/, kmers_esm/   small tokenizers, without a tokenizer.json
  cases.json                                         texts and ids for each, and for the real ones

    pip install "transformers==5.*" "tokenizers==0.23.*"
    python generate.py [--minilm DIR]

Training settles ties at random, so vocabularies that exist are kept: delete one to train it anew.
The real tokenizer (all-MiniLM-L6-v2) is not in the repository; without --minilm its cases are kept as they are.
"""

import argparse
import json
import pathlib
import shutil
import tempfile

from tokenizers import ByteLevelBPETokenizer, BertWordPieceTokenizer
from transformers import AutoTokenizer, EsmTokenizer

HERE = pathlib.Path(__file__).parent

# Written for this purpose, so that both tokenizers learn from text of known origin.
CORPUS = """
The small boat drifted past the lighthouse while the keeper slept. Nobody on the shore had seen it leave.
A café near the harbour opened early; its owner, a naïve young man named Zoë, baked bread for the fishermen.
Prices rose by 3.5 % in March, and the bank raised its rate to 4.25 %. The market's answer was quick: it fell.
Proteins fold, unfold and refold; enzymes cut them at fixed places. Sequences are read from left to right.
"Where are you going?" she asked. "I'm going home," he said, "and I won't be back before Tuesday."
The children played in the playground, playing the same game they had played the day before.
""".strip().splitlines()

TEXTS = [
    "",
    " ",
    "The lighthouse keeper was sleeping.",
    "the bank raised its rate",
    "Unbelievably, the re-opened café wasn't naïve!",
    "Zoë’s Äpfel — Ünïcödé, ﬁnancial ½ ﬀ",
    "日本語のテキスト and 漢字 mixed, 한국어 too",
    "emoji 😀👩‍👩‍👧 and flags 🇫🇷",
    "control\u0000chars\u0007and\u200bzero\ufeffwidth\u00adsoft",
    "tabs\tand\nnew\r\nlines   many    spaces  ",
    "a" * 99 + " " + "b" * 100 + " " + "c" * 101,
    "what [MASK] comes <mask> in text [SEP] or </s> there",
    "[mask] [UNK] <unk> [PAD]",
    "1,234.56 $9.99 50% C++ a_b x=y e-mail@example.com",
    "İstanbul ǅ ŉ ẞ",
    "e\u0301 combining and \u00e9 precomposed",
    "\ufffd replacement and \U0001f1ea private \ue000",
    "don't I'll we're it's 'quoted'",
]
PAIRS = [
    ("where are you", "going home"),
    ("", "second only"),
    ("first only", ""),
    ("the children played in the playground", "no"),
    ("no", "the children played in the playground, playing the same game"),
    ("one two three four five six", "seven eight nine ten eleven twelve"),
]
# No runs of unknown letters: the reference gives a run one unknown token, where one for each letter keeps places aligned.
SEQUENCES = ["", "M", "EVQLVESGGGLVQPGG", "EVQ LVE\nSG", "aCgT", "MK<mask>LV", "<cls>M<eos>", "XBUZO.-", "MéK", "M1K", "A<null_1>C"]
SEQUENCE_PAIRS = [("EVQL", "VESG"), ("M", ""), ("EVQLVESGGG", "MK")]
DNA = ["", "AAATTT", "AAATTTAAATTT", "AAATTTA", "ACGTAC", "AAATTTNAAATTT", "AAA TTT", "NNAAATTT"]
LENGTHS = [4, 5, 6, 7, 10]


def cases(tokenizer, texts, pairs, cut_pairs=True):
    def case(first, second=None, length=None):
        limit = {} if length is None else {"truncation": True, "max_length": length}
        # As lists, because a lone empty second text counts as none.
        seconds = None if second is None else [second]
        out = tokenizer([first], seconds, return_token_type_ids=True, **limit)
        entry = {"text": first, "ids": out["input_ids"][0], "type_ids": out["token_type_ids"][0]}
        if second is not None:
            entry["pair"] = second
        if length is not None:
            entry["max_length"] = length
        return entry

    found = [case(text) for text in texts]
    found += [case(first, second) for first, second in pairs]
    found += [case(text, None, length) for text in texts for length in LENGTHS[:2]]
    if cut_pairs:
        found += [case(first, second, length) for first, second in pairs for length in LENGTHS]
    return found


def folder(name):
    path = HERE / name
    path.mkdir(exist_ok=True)
    return path


def write_lines(path, lines):
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")


def wordpiece():
    path = folder("wordpiece")
    if not (path / "vocab.txt").exists():
        trained = BertWordPieceTokenizer(lowercase=False, strip_accents=False)
        trained.train_from_iterator(CORPUS, vocab_size=260, min_frequency=1, show_progress=False)
        write_lines(path / "vocab.txt", sorted(trained.get_vocab(), key=trained.get_vocab().get))
    found = {}
    settings = {
        "wordpiece": {},
        "wordpiece_cased": {"do_lower_case": False},
        "wordpiece_accents": {"do_lower_case": True, "strip_accents": False},
        "wordpiece_no_chinese": {"do_lower_case": False, "strip_accents": True, "tokenize_chinese_chars": False},
    }
    for name, setting in settings.items():
        config = {"tokenizer_class": "BertTokenizer", **setting}
        tokenizer = load(path, config)
        found[name] = {"folder": "wordpiece", "tokenizer_config": config, "cases": cases(tokenizer, TEXTS, PAIRS)}
    return found


def load(path, config):
    """The tokenizer of a folder with these settings, as a user of the reference library opens it."""
    with tempfile.TemporaryDirectory() as copy:
        copy = pathlib.Path(copy)
        for file in path.iterdir():
            shutil.copy(file, copy)
        (copy / "tokenizer_config.json").write_text(json.dumps(config))
        (copy / "config.json").write_text(json.dumps({"model_type": "bert"}))
        return AutoTokenizer.from_pretrained(copy)


def byte_pair():
    path = folder("byte_pair")
    if not (path / "vocab.json").exists():
        trained = ByteLevelBPETokenizer()
        trained.train_from_iterator(
            CORPUS,
            vocab_size=400,
            min_frequency=1,
            show_progress=False,
            special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
        )
        trained.save_model(str(path))
    found = {}
    for name, setting in {"byte_pair": {}, "byte_pair_prefix": {"add_prefix_space": True}}.items():
        config = {"tokenizer_class": "RobertaTokenizer", **setting}
        found[name] = {"folder": "byte_pair", "tokenizer_config": config, "cases": cases(load(path, config), TEXTS, PAIRS)}
    return found


def esm():
    config = {"tokenizer_class": "EsmTokenizer"}
    letters = folder("letters_esm")
    alphabet = ["<cls>", "<pad>", "<eos>", "<unk>", *"LAGVSERTIDPKQNFYMHWCXBUZO.-", "<null_1>", "<mask>"]
    write_lines(letters / "vocab.txt", alphabet)
    kmers = folder("kmers_esm")
    write_lines(kmers / "vocab.txt", ["<unk>", "<pad>", "<mask>", "<cls>", "<eos>", "AAATTT", "ACGTAC", *"ACGTN"])
    return {
        "letters_esm": {
            "folder": "letters_esm",
            "tokenizer_config": config,
            # ESM's tokenizer, alone in the library, leaves the odd token of a cut pair to the first text.
            "cases": cases(EsmTokenizer(str(letters / "vocab.txt")), SEQUENCES, SEQUENCE_PAIRS, cut_pairs=False),
        },
        "kmers_esm": {
            "folder": "kmers_esm",
            "tokenizer_config": config,
            "cases": cases(EsmTokenizer(str(kmers / "vocab.txt")), DNA, []),
        },
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--minilm", type=pathlib.Path)
    arguments = parser.parse_args()
    target = HERE / "cases.json"
    before = json.loads(target.read_text()) if target.exists() else {}
    found = {**wordpiece(), **byte_pair(), **esm()}
    if arguments.minilm:
        tokenizer = AutoTokenizer.from_pretrained(arguments.minilm)
        tokenizer.backend_tokenizer.no_padding()
        found["minilm"] = {"cases": cases(tokenizer, TEXTS, PAIRS)}
    elif "minilm" in before:
        found["minilm"] = before["minilm"]
    lines = []
    for name, group in found.items():
        entries = ",\n".join("  " + json.dumps(case) for case in group.pop("cases"))
        head = json.dumps(group)[1:-1]
        lines.append(f"{json.dumps(name)}: {{{head}{', ' if head else ''}\"cases\": [\n{entries}]}}")
    target.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
