"""More texts of the cases, and the ids that KerasHub's tokenizers give them: signs that case folding makes several of, quotes and numbers, proteins,
byte pairs across words.

    python tests/golden/keras/texts.py

Writes `texts.json`: for each case its texts with their ids. Pins as of `make.py`.
"""

import json
import os
from pathlib import Path

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras_hub

HERE = Path(__file__).parent
FOLDED = [
    "…",
    "The cat… runs, and the cat ‥ sits!",
    "the cat‼ It runs⁇",
    "㈠ and ⒈ and ℀ or ½",
    "the cat´s hôtel ¨",
    "CAT，THE：cat！",
    "ﬁne ﷺ Straße ΟΔΟΣ և",
    "one\u200bline\u00adone\u0000line\u0085",
    "one\u00a0line cat\u3000cat",
    "कि का ः",
    "(cat)",
    "  cat  ",
    "",
    "自然THE言語…",
    "É é e\u0301 İ Å",
    "cat\ufe0f 𝐂𝐀𝐓 ＣＡＴ ①",
    "a_b-c/d@e#f",
    "\u1f80 \u1fb3 \u0345 \u24b6",
    "\u81ea\U000e0100\u7136",
]
PIECES = ["``The cat'' sits", "1,000 times, 42, 7", "É é e\u0301 CAT", "  two   spaces ", "It costs 9,99."]
PAIRS = ["Cafe\u0301 e\u0301, 12345 runs again", "it runs and sits and runs  1.", "\u1100\u1161"]
PROTEINS = ["MKTVRQ", "M K T V R Q", "G <mask> L", "LAGV.SE-L", "l a g", "A"]
TEXTS = dict(bert=FOLDED, distil_bert=FOLDED, electra=FOLDED, albert=PIECES, deberta_v3=PIECES, esm=PROTEINS)
TEXTS |= dict(t5=PIECES, gpt2=PAIRS, llama3=PAIRS, qwen=PAIRS, falcon=PAIRS, bloom=PAIRS)


def opened(name: str):
    """The tokenizer of a case. Byte pairs get a first merge across words, in the place of the last one: the end of a word and the space after it."""
    tokenizer = keras_hub.models.Tokenizer.from_preset(str(HERE / name))
    if TEXTS[name] is PAIRS:
        vocabulary, merges = dict(tokenizer.vocabulary), [line for line in tokenizer.merges if "#version" not in line]
        vocabulary["s\u0120"] = vocabulary.pop(merges[-1].replace(" ", ""))
        tokenizer.set_vocabulary_and_merges(vocabulary, ["s \u0120", *merges[:-1]])
    return tokenizer


def main() -> None:
    found = {}
    for name, texts in TEXTS.items():
        tokenizer = opened(name)
        found[name] = [[text, [int(id) for id in tokenizer(text)]] for text in texts]
    lines = [f"  {json.dumps(name)}: {json.dumps(rows, ensure_ascii=True)}" for name, rows in found.items()]
    (HERE / "texts.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
