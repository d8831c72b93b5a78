"""Lists of words with a class each, and which token each class stands beside, as token classification usually has it.

Writes, beside this script:
  rows.jsonl, rows.parquet   the rows in the usual form: "tokens", a list of words, and "ner_tags", a list of class numbers
  metaspace/                 a small tokenizer with a mark for spaces, as XLM-RoBERTa has one
  cases.json                 for each tokenizer and row the ids, and for each id its class, or -100 where none is learned

A word's class stands beside the first of its tokens (`word_ids` of the reference library); its other tokens and special tokens have
none, and neither has a word without tokens. Tokenizers with GPT-2's bytes put a space before every word (`add_prefix_space`).

    pip install "transformers==5.*" "tokenizers==0.23.*" pyarrow
    python make.py
"""

import json
import pathlib
import shutil
import tempfile

import pyarrow as pa
import pyarrow.parquet as pq
import tokenizers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

HERE = pathlib.Path(__file__).parent
TOKENIZERS = HERE.parent / "tokenizers"

# Words as they come: in several tokens, with marks, with white space inside, and some of which some tokenizers make nothing.
ROWS = [
    (["The", "lighthouse", "keeper", "slept", "."], [0, 3, 4, 0, 0]),
    (["Zoë", "baked", "bread", "in", "New York", "."], [1, 0, 0, 0, 5, 0]),
    (["the", "\u200b", "bank", "rose"], [0, 7, 3, 0]),
    (["\ufeff", "bank", "\u00ad", "\u200b"], [2, 3, 2, 1]),
    (["market's", "answer:", "3.5", "%", "e-mail@example.org"], [3, 0, 0, 0, 1]),
    (["", "boat", " ", "drifted"], [1, 2, 3, 4]),
    (["unbelievably", "playground", "playing"], [0, 5, 6]),
    (["[MASK]", "shore", "[SEP]"], [0, 5, 0]),
    (["日本語", "café", "naïve"], [5, 0, 1]),
    (["boat"], [2]),
    ([" shore", "the\tsea", "a\nb"], [5, 0, 1]),
]
LENGTHS = [None, 8, 5]

CORPUS = """
The small boat drifted past the lighthouse while the keeper slept. Nobody on the shore had seen it leave.
A café near the harbour opened early; its owner, a naïve young man named Zoë, baked bread for the fishermen.
Prices rose by 3.5 % in March, and the bank raised its rate to 4.25 %. The market's answer was quick: it fell.
""".strip().splitlines()


def rows():
    words, classes = zip(*ROWS)
    lines = [json.dumps({"id": str(at), "tokens": w, "ner_tags": c}) for at, (w, c) in enumerate(ROWS)]
    (HERE / "rows.jsonl").write_text("".join(line + "\n" for line in lines))
    ids = [str(at) for at in range(len(ROWS))]
    table = pa.table({"id": ids, "tokens": pa.array(words), "ner_tags": pa.array(classes)})
    pq.write_table(table, HERE / "rows.parquet", compression="snappy")


def metaspace():
    path = HERE / "metaspace"
    if (path / "tokenizer.json").exists():
        return PreTrainedTokenizerFast(tokenizer_file=str(path / "tokenizer.json"))
    path.mkdir(exist_ok=True)
    made = tokenizers.Tokenizer(tokenizers.models.Unigram())
    made.normalizer = tokenizers.normalizers.NFKC()
    made.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace()
    made.decoder = tokenizers.decoders.Metaspace()
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    trainer = tokenizers.trainers.UnigramTrainer(vocab_size=150, special_tokens=special, unk_token="<unk>", show_progress=False)
    made.train_from_iterator(CORPUS, trainer)
    made.post_processor = tokenizers.processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    made.save(str(path / "tokenizer.json"))
    return PreTrainedTokenizerFast(tokenizer_file=str(path / "tokenizer.json"))


def load(folder, config):
    with tempfile.TemporaryDirectory() as copy:
        copy = pathlib.Path(copy)
        for file in (TOKENIZERS / folder).iterdir():
            shutil.copy(file, copy)
        (copy / "tokenizer_config.json").write_text(json.dumps(config))
        (copy / "config.json").write_text(json.dumps({"model_type": "bert"}))
        return AutoTokenizer.from_pretrained(copy)


def aligned(tokenizer, words, classes, length):
    limit = {} if length is None else {"truncation": True, "max_length": length}
    out = tokenizer(words, is_split_into_words=True, **limit)
    labels, before = [], None
    for word in out.word_ids():
        labels.append(-100 if word is None or word == before else classes[word])
        before = word
    return {"ids": out["input_ids"], "labels": labels}


def main():
    rows()
    wordpiece = {"tokenizer_class": "BertTokenizer"}
    bytes_ = {"tokenizer_class": "RobertaTokenizer"}
    spaced = {**bytes_, "add_prefix_space": True}
    groups = [
        ("wordpiece", "tokenizers/wordpiece", wordpiece, load("wordpiece", wordpiece)),
        ("wordpiece_cased", "tokenizers/wordpiece", {**wordpiece, "do_lower_case": False}, None),
        ("byte_pair_prefix", "tokenizers/byte_pair", spaced, load("byte_pair", spaced)),
        # Without the setting, a word would be told apart from the same word in a text; it is read with it.
        ("byte_pair", "tokenizers/byte_pair", bytes_, load("byte_pair", spaced)),
        ("metaspace", "word_labels/metaspace", None, metaspace()),
    ]
    lines = []
    for name, folder, config, tokenizer in groups:
        tokenizer = tokenizer or load("wordpiece", config)
        cases = []
        for at, (words, classes) in enumerate(ROWS):
            for length in LENGTHS:
                case = {"row": at, **aligned(tokenizer, words, classes, length)}
                if length is not None:
                    case["max_length"] = length
                cases.append(json.dumps(case))
        entries = ",\n".join("  " + case for case in cases)
        head = json.dumps({"folder": folder, "tokenizer_config": config})[1:-1]
        lines.append(f"{json.dumps(name)}: {{{head}, \"cases\": [\n{entries}]}}")
    (HERE / "cases.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
