"""Golden cases for alphabets: sequences of DNA, RNA and protein, and of k-mers.

Writes, beside this script:
  cases.json        for the vocabularies of AIDO.DNA/RNA and AIDO.Protein: the tokens are written out below by hand, under
                    each policy for letters that the alphabet lacks; only their ids are looked up
  kmers/vocab.txt   every 3-mer, in the layout of the Nucleotide Transformer's 6-mers
  kmers.json        ids as the reference library's EsmTokenizer gives them, with and without a token at the end

    pip install "transformers==5.23.*"
    python make.py
"""

import itertools
import json
import pathlib

from transformers import EsmTokenizer

HERE = pathlib.Path(__file__).parent

NUCLEOTIDES = "[PAD] [MASK] [CLS] [SEP] [UNK] A G C T U N [BOS] [EOS] [UNUSED1] [UNUSED2] [UNUSED3]".split()
RESIDUES = (
    "[PAD] L A G V S E R T I D P K Q N F Y M H W C X B U Z O . - [MASK] [gMASK] [sMASK] [eod] [sop] [eop] [SEP] "
    "[HC] [LC] [HUMAN] <cdr1> </cdr1> <cdr2> </cdr2> <cdr3> </cdr3>"
).split()

# Each: text, tokens under "unknown", tokens under "map" (None: the same), how many letters are outside,
# and the letter and position (from 1) that "error" refuses (None: nothing).
DNA = [
    ("", "", None, 0, None),
    (" \t\n", "", None, 0, None),
    ("ACGT", "A C G T", None, 0, None),
    ("ACGUN", "A C G U N", None, 0, None),
    ("AC GT\nA", "A C G T A", None, 0, None),
    ("AC[MASK]GT", "A C [MASK] G T", None, 0, None),
    ("[MASK][MASK]", "[MASK] [MASK]", None, 0, None),
    ("A[BOS]C[UNUSED2]", "A [BOS] C [UNUSED2]", None, 0, None),
    ("acgt", "[UNK] [UNK] [UNK] [UNK]", "A C G T", 4, ("a", 1)),
    ("ACgu", "A C [UNK] [UNK]", "A C G U", 2, ("g", 3)),
    ("A-C", "A [UNK] C", "A N C", 1, ("-", 2)),
    ("A..C*", "A [UNK] [UNK] C [UNK]", "A N N C N", 3, (".", 2)),
    ("ACGRYT", "A C G [UNK] [UNK] T", "A C G N N T", 2, ("R", 4)),
    ("GG rT", "G G [UNK] T", "G G N T", 1, ("r", 4)),
    ("A[MASK]n", "A [MASK] [UNK]", "A [MASK] N", 1, ("n", 8)),
    ("A[mask]C", "A [UNK] [UNK] [UNK] [UNK] [UNK] [UNK] C", "A N N A N N N C", 6, ("[", 2)),
    ("AéC🧬", "A [UNK] C [UNK]", "A N C N", 2, ("é", 2)),
]
PROTEIN = [
    ("", "", None, 0, None),
    ("MKLV", "M K L V", None, 0, None),
    ("MK|LV", "M K [SEP] L V", None, 0, None),
    ("MK | LV", "M K [SEP] L V", None, 0, None),
    ("MK[MASK]<cdr1>A</cdr1>", "M K [MASK] <cdr1> A </cdr1>", None, 0, None),
    ("XBUZO.-", "X B U Z O . -", None, 0, None),
    ("MKLJJV", "M K L - - V", "M K L X X V", 2, ("J", 4)),
    ("mk|l1", "- - [SEP] - -", "M K [SEP] L X", 4, ("m", 1)),
    ("MK*", "M K -", "M K X", 1, ("*", 3)),
]

# Each: text, pair, max_length, the whole row under "unknown", and how many letters outside are left in it.
# Of two texts the longer loses its end first, and the first where they are equally long.
DNA_ROWS = [
    ("ACGT", "TG", None, "[CLS] A C G T [SEP] / T G [SEP]", 0),
    ("", "TG", None, "[CLS] [SEP] / T G [SEP]", 0),
    ("A", "", None, "[CLS] A [SEP] / [SEP]", 0),
    ("ACGT", None, 6, "[CLS] A C G T [SEP]", 0),
    ("ACGT", None, 5, "[CLS] A C G [SEP]", 0),
    ("ACGT", None, 2, "[CLS] [SEP]", 0),
    ("aCxGy", None, 5, "[CLS] [UNK] C [UNK] [SEP]", 2),
    ("aCxGy", None, 4, "[CLS] [UNK] C [SEP]", 1),
    ("A[MASK]xG", None, 4, "[CLS] A [MASK] [SEP]", 0),
    ("AxCxGx", "xT", 7, "[CLS] A [UNK] [SEP] / [UNK] T [SEP]", 2),
]
ONE_HOT_ROWS = [
    ("ACGT", None, None, "A C G T [SEP]", 0),
    ("ACxT", "TG", None, "A C [UNK] T [SEP] / T G [SEP]", 1),
    ("ACGT", None, 3, "A C [SEP]", 0),
    ("AxCG", None, 2, "A [SEP]", 0),
]
PROTEIN_ROWS = [
    ("MKLV", "A|G", None, "M K L V [SEP] / A [SEP] G [SEP]", 0),
    ("MKJV", None, 4, "M K - [SEP]", 1),
    ("MKJV", None, 3, "M K [SEP]", 0),
]

KMER_TEXTS = [
    "", " ", "A", "AC", "ACG", "ACGT", "ACGTA", "ACGTAC", "ACGTACGTACGTAC",
    "ACNGTACG", "NACGTAC", "ACGN", "NNN", "ACGNNTTA",
    "acgtac", "ACGtACG", "ACGTACa", "aaAAA",
    "<mask>", "ACG<mask>ACG", "AC<mask>GTA<mask>", "<mask><mask>A", "AC <mask> GT",
    "ACG ACG", "A C G", "AC\nGTA", "ACU", "ACRGT", "ACG??TTA?A", "ACG--", "<cls>ACG", "<bos>ACG<unk>A", "A<m>C", "éACG",
]  # fmt: skip


def hand_written(vocabulary, texts, rows, begin):
    ids = {token: index for index, token in enumerate(vocabulary)}
    cases = []

    def add(row, **case):
        parts = [part.split() for part in row.split(" / ")]
        case["ids"] = [ids[token] for part in parts for token in part]
        case["type_ids"] = [index for index, part in enumerate(parts) for _ in part]
        cases.append(case)

    for text, unknown, mapped, outside, refused in texts:
        around = lambda tokens: " ".join([*begin, *tokens.split(), "[SEP]"])
        add(around(unknown), text=text, policy="unknown", outside=outside)
        add(around(unknown if mapped is None else mapped), text=text, policy="map", outside=outside)
        if refused is None:
            add(around(unknown), text=text, policy="error", outside=0)
        else:
            cases.append({"text": text, "policy": "error", "letter": refused[0], "position": refused[1]})
    for text, pair, max_length, row, outside in rows:
        optional = {"pair": pair, "max_length": max_length}
        given = {key: value for key, value in optional.items() if value is not None}
        add(row, text=text, policy="unknown", outside=outside, **given)
    return cases


def kmers():
    path = HERE / "kmers" / "vocab.txt"
    path.parent.mkdir(exist_ok=True)
    letters = "ATCG"
    tokens = ["<unk>", "<pad>", "<mask>", "<cls>", "<eos>", "<bos>"]
    tokens += ["".join(three) for three in itertools.product(letters, repeat=3)] + [*letters, "N"]
    path.write_text("".join(token + "\n" for token in tokens))
    found = {}
    for name, settings in {"ended": {}, "open": {"eos_token": None}}.items():
        tokenizer = EsmTokenizer(str(path), **settings)
        cases = [{"text": text, "ids": tokenizer(text)["input_ids"]} for text in KMER_TEXTS]
        cut = [
            {"text": text, "max_length": length, "ids": tokenizer(text, truncation=True, max_length=length)["input_ids"]}
            for text in ["ACGTACGTACGTAC", "ACNGTACG"]
            for length in [3, 4, 5]
        ]
        config = {"tokenizer_class": "EsmTokenizer", **settings}
        found[name] = {"tokenizer_config": config, "cases": cases + cut}
    return found


def write(name, groups):
    """One case a line, so that a change shows as one."""
    parts = []
    for group, content in groups.items():
        cases = ",\n".join("  " + json.dumps(case, ensure_ascii=False) for case in content.pop("cases"))
        head = "".join(f"{json.dumps(key)}: {json.dumps(value)}, " for key, value in content.items())
        parts.append(f'{json.dumps(group)}: {{{head}"cases": [\n{cases}]}}')
    (HERE / name).write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="utf-8")


def main():
    one_hot = {"model_type": "onehot"}
    write("cases.json", {
        "rnabert": {
            "config": {"model_type": "rnabert"},
            "cases": hand_written(NUCLEOTIDES, DNA, DNA_ROWS, ["[CLS]"]),
        },
        "fm4bio": {
            "config": {"model_type": "fm4bio"},
            "cases": hand_written(RESIDUES, PROTEIN, PROTEIN_ROWS, []),
        },
        "dna_onehot": {
            "config": {**one_hot, "vocab_size": len(NUCLEOTIDES)},
            "cases": hand_written(NUCLEOTIDES, DNA, ONE_HOT_ROWS, []),
        },
        "protein_onehot": {
            "config": {**one_hot, "vocab_size": len(RESIDUES)},
            "cases": hand_written(RESIDUES, PROTEIN, PROTEIN_ROWS, []),
        },
    })  # fmt: skip
    write("kmers.json", kmers())


if __name__ == "__main__":
    main()
