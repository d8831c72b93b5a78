"""Golden cases for what vocabularies lack: unknown tokens, what they stand for, and letters that are written with spaces.

Writes, beside this script, unknown.json: presets with texts and their ids in the reference library, the parts of each text that became
unknown tokens, and for vocabularies of letters and k-mers the ids of sequences as these want them written.

    pip install "transformers==5.*" "tokenizers==0.23.*"
    python unknown.py
"""

import collections
import itertools
import json
import pathlib

from settings import HERE, open_preset

LETTERS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"LAGVESIKRDTPNQFYMHCWXUBZO"]
KMERS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *("".join(letters) for letters in itertools.product("ATCG", repeat=3))]
PROTEINS = ["MKTAYIAKQRQISFVKSHFSRQ", "EVQLVESGGGLVQPGG", "MK", "acd", "MK[MASK]LV", "M?K", ""]
DNA = ["ACGTACGGT", "ACG", "ACGTNACGT", "AC", "TTTTTT", "ACG[MASK]TTTA", ""]
WORDS = ["The café of Zoë and 漢字 漢字", "nothing unknown", "emoji 😀 and 😀😀 twice", "unbelievable ♞ [UNK]", "Ⅷ ✈ ♞ ♞", ""]


def spaced(sequence, length):
    """A sequence as its k-mers with spaces between them, tokens written out in it left alone."""
    words = []
    for part in sequence.replace("[", " [").replace("]", "] ").split():
        if part.startswith("["):
            words.append(part)
        else:
            words += [part[start : start + length] for start in range(max(len(part) - length, 0) + 1)]
    return " ".join(words)


def rows(tokenizer, texts):
    unknown = tokenizer.unk_token_id
    for text in texts:
        out = tokenizer(text, return_offsets_mapping=True)
        special = set(tokenizer.all_special_ids) - {unknown}
        missing = collections.Counter(
            text[start:end] for token, (start, end) in zip(out["input_ids"], out["offset_mapping"]) if token == unknown
        )
        tokens = sum(token not in special for token in out["input_ids"])
        yield {"text": text, "ids": out["input_ids"], "unknown": missing.total(), "tokens": tokens, "missing": dict(missing)}


def lines(name, vocabulary):
    (HERE / "settings").mkdir(exist_ok=True)
    (HERE / "settings" / f"{name}.txt").write_text("".join(word + "\n" for word in vocabulary))
    return f"@settings/{name}.txt"


def saved(name, files, config):
    description = json.loads(open_preset(files, config).backend_tokenizer.to_str())
    target = HERE / "settings" / f"{name}.json"
    target.write_text(json.dumps(description, separators=(",", ":")) + "\n")
    return f"@settings/{name}.json"


def main():
    bert = {"model_type": "bert"}
    settings = {"tokenizer_class": "BertTokenizer", "do_lower_case": False}
    groups = []

    def group(name, files, config, texts, length=None):
        tokenizer = open_preset(files, config)
        entry = {"name": name, "files": files, "config": config, "rows": list(rows(tokenizer, texts))}
        if length:
            entry["spaced"] = [{"text": text, "ids": tokenizer(spaced(text, length))["input_ids"]} for text in texts]
            entry["length"] = length
        groups.append(entry)

    letters = {"vocab.txt": lines("letters", LETTERS), "tokenizer_config.json": settings}
    group("letters as words", letters, bert, PROTEINS, 1)
    again = {"tokenizer.json": saved("letters", letters, bert), "tokenizer_config.json": settings}
    group("letters as words, saved again", again, bert, PROTEINS, 1)
    generic = {"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"}
    group("letters as words, of a generic class", {**again, "tokenizer_config.json": generic}, bert, PROTEINS, 1)
    kmers = {"vocab.txt": lines("kmers", KMERS), "tokenizer_config.json": settings}
    group("k-mers as words", kmers, bert, DNA, 3)
    again = {"tokenizer.json": saved("kmers", kmers, bert), "tokenizer_config.json": settings}
    group("k-mers as words, saved again", again, bert, DNA, 3)
    group("word pieces", {"vocab.txt": "@wordpiece/vocab.txt", "tokenizer_config.json": settings}, bert, WORDS)
    # Of a vocabulary of four letters, for texts of which letters vanish.
    (HERE / "settings" / "acgt.merges").write_text("#version: 0.2\nA C\n")
    (HERE / "unknown.json").write_text("[\n" + ",\n".join("  " + json.dumps(entry, ensure_ascii=False) for entry in groups) + "\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
