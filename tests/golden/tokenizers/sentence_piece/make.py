"""Golden cases for SentencePiece files: ids as the SentencePiece library and the families' own tokenizers give them.

Writes, beside this script:
  *.model                                small models, without the rules of replacement that SentencePiece builds in
  nmt_nfkc.charsmap, nfkc_cf.charsmap    those rules, once each; a model with them is the model's bytes followed by the field
  models.json, families.json             texts, ids and decoded texts for each model alone, and in each family

    pip install "sentencepiece==0.2.*" "transformers==4.57.*" protobuf
    python make.py

The families' tokenizers are those that run SentencePiece itself ("slow"), which version 5 of the library no longer has: its
own, converted to another library, differ where texts have accents written as marks, half-width letters or control pieces.
Models that exist are kept: delete one to train it anew.
"""

import io
import json
import logging
import pathlib
import tempfile

import sentencepiece
import transformers
from sentencepiece import sentencepiece_model_pb2 as proto

HERE = pathlib.Path(__file__).parent
transformers.logging.set_verbosity_error()
logging.disable(logging.WARNING)

# Written for this purpose, so that all models learn from text of known origin.
CORPUS = """
The old mill by the river grinds corn in autumn, and in spring it grinds nothing at all.
A heron stood in the shallow water; the miller's daughter counted 12 herons, then 345, then 6,789.
"How many were there?" he asked. "More than yesterday," she said, "but fewer than in 1998."
Le café près de la gare ouvre à sept heures; la propriétaire, Zoë, sert du thé et des gâteaux.
Où est passé l'été ? Il a neigé jusqu'en mai, et les élèves sont restés à l'école.
Die Brücke über den Fluß war lange gesperrt; im März wurde sie für Fußgänger geöffnet.
Enzymes unfold proteins, cut them, and fold them again; a sequence is read from left to right.
The miller mills, the grinder grinds, the counter counts, the reader reads, and the writer is writing.
川のそばの古い水車は、秋にとうもろこしをひきます。ガラスの窓から光が入る。
白鹭站在浅水里，磨坊主的女儿数了十二只。河边的老磨坊在秋天磨玉米。
الطاحونة القديمة بجانب النهر تطحن الذرة في الخريف
She wrote e-mail to miller@example.org about it: 3.5 % of the flour, 20 kg, was gone (again!).
In the morning the water was cold; in the evening the water was colder; at night it froze.
aaaa aaaaa aaaaaa bbbb abababab bababa
""".strip().splitlines() * 3

TEXTS = [
    "",
    " ",
    "   \t\n ",
    "The old mill grinds corn.",
    "the miller's daughter counted 12 herons",
    "Le café près de la gare, où Zoë sert des gâteaux",
    "cafe\u0301 pre\u0300s E\u0301te\u0301 A\u030a o\u0308 \u1e9b\u0323",
    "白鹭站在浅水里，磨坊主的女儿",
    "川のそばの古い水車は、ガラスの窓",
    "ｶﾞﾗｽ ﾊﾟﾝ ﾃﾞｰﾀ ｱｲｳ Ｆｕｌｌ　ｗｉｄｔｈ １２３",
    "각각 \u1100\u1161\u11a8 한국어",
    "emoji 😀 👩‍👩‍👧 🇫🇷🇩🇪 👍🏽 ❤️ in text",
    "الطاحونة القديمة ﷺ ﻻ بِسْمِ",
    "tabs\tand\nnew\r\nlines\u00a0no-break\u3000wide\u2003em",
    "many    spaces   between     words",
    "  leading and trailing  ",
    " ends with a space ",
    "control\u0000\u0001\u0007\u001f\u007f\u0085chars \u200bzero\ufeffwidth\u00adsoft",
    "what <s> or </s> and <pad> <unk> <mask> do",
    "[CLS] and [SEP], [MASK]in text [MASK] <cls><sep> <extra_id_0>here <extra_id_1> <bos><eos>",
    "a" * 40 + "b" * 7 + "ab" * 15,
    "aaaaaaa aaa aaaaaaaaaaaaaaaaaaaaaaaaa",
    "word" * 60,
    "ﬁnancial ½ ﬀ ™ Ⅷ ① ㎏ … ʰ ª",
    "İstanbul Straße ΟΔΟΣ ŉ ǅ ẞ \U0001d6ba\U0001d6ba",
    "quotes ``like'' these ''two``",
    "in 1998, 12,345 and 9,9 or 5, and 19, 6,789",
    "\u2581already\u2581\u2581escaped \u2581",
    "\ufffd replacement \ue000 private \U0010ffff last \U00020000",
    "user <sep> symbols ABC and abABCab 日本 <start_of_turn>user",
    "3.5 % of 20 kg (again!) at miller@example.org",
    "a",
    "é",
    "!",
    "<0x41> <0xE2><0x96>",
    "\u0301 alone e\u0301\u0301\u0316",
    "नमस्ते ไทย తెలుగు ქართული",
    "new line at the end\n",
]
PAIRS = [
    ("The old mill", "grinds corn"),
    ("", "second only"),
    ("first only", ""),
    ("café <mask> [MASK] here", "où  est-il  "),
]


def train(name, change=None, **options):
    """Trains the model of a name if it is not there, and keeps it without the rules that SentencePiece builds in."""
    path = HERE / f"{name}.model"
    if path.exists():
        return
    model = proto.ModelProto()
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS),
        model_writer=out,
        **{"vocab_size": 260, "character_coverage": 0.98, "hard_vocab_limit": False, "num_threads": 1, "minloglevel": 2, **options},
    )
    model.ParseFromString(out.getvalue())
    rules = model.normalizer_spec.name
    if rules in ("nmt_nfkc", "nfkc_cf"):
        (HERE / f"{rules}.charsmap").write_bytes(model.normalizer_spec.precompiled_charsmap)
        model.normalizer_spec.ClearField("precompiled_charsmap")
    else:
        model.normalizer_spec.ClearField("normalization_rule_tsv")
    model.trainer_spec.ClearField("input")
    if change:
        change(model)
    path.write_bytes(model.SerializeToString())


def ordinary(model):
    return [piece for piece in model.pieces if piece.type == piece.NORMAL and len(piece.piece) > 1]


def unuse(model):
    """Every other piece takes part in merges only."""
    for piece in ordinary(model)[::2]:
        piece.type = piece.UNUSED


def commas(model):
    """Pieces that the rule for a comma behind a digit divides."""
    for piece, text in zip(ordinary(model)[40:], ["5,", "\u258119,", "8,", "9,", "\u25815,"]):
        piece.piece, piece.score = text, -1.0


def unescape(model):
    model.normalizer_spec.escape_whitespaces = False
    for piece in model.pieces:
        piece.piece = piece.piece.replace("\u2581", " ")


def complete(path):
    """A model's bytes with its rules: fields of a message that comes twice are merged."""
    model = proto.ModelProto()
    model.ParseFromString(path.read_bytes())
    rules = HERE / f"{model.normalizer_spec.name}.charsmap"
    if rules.exists():
        more = proto.ModelProto()
        more.normalizer_spec.precompiled_charsmap = rules.read_bytes()
        return path.read_bytes() + more.SerializeToString()
    return path.read_bytes()


def plain(name):
    processor = sentencepiece.SentencePieceProcessor(model_proto=complete(HERE / f"{name}.model"))
    found = []
    for text in TEXTS:
        ids = processor.encode(text)
        found.append({"text": text, "ids": ids, "decoded": processor.decode(ids)})
    # Every id alone, and all of them together.
    every = list(range(processor.get_piece_size()))
    decoded = [processor.decode([index]) for index in every]
    return {"model": name, "file": "spiece.model", "cases": found, "pieces": decoded, "together": processor.decode(every)}


def family(name, kind, file, settings, pairs=True, decode=True):
    """Cases of a model in a family. Settings are those of tokenizer_config.json."""
    settings = {"tokenizer_class": kind, **settings}
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / file).write_bytes(complete(HERE / f"{name}.model"))
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))
        tokenizer = getattr(transformers, kind).from_pretrained(folder)
    assert not tokenizer.is_fast
    found = []

    def case(text, second=None, **limit):
        out = tokenizer(text, second, return_token_type_ids=True, **limit)
        entry = {"text": text, "ids": out["input_ids"], "type_ids": out["token_type_ids"]}
        if second is not None:
            entry["pair"] = second
        if limit:
            entry["max_length"] = limit["max_length"]
        elif decode and second is None:
            entry["decoded"] = tokenizer.decode(out["input_ids"], skip_special_tokens=True, clean_up_tokenization_spaces=False)
        found.append(entry)

    for text in TEXTS:
        case(text)
    for text in TEXTS[3:12:2]:
        case(text, max_length=7, truncation=True)
    if pairs:
        for first, second in PAIRS:
            case(first, second)
            case(first, second, max_length=8, truncation="longest_first")
    tokens = tokenizer.get_vocab()
    return {"model": name, "file": file, "tokenizer_config": settings, "size": len(tokenizer), "largest": max(tokens.values()), "cases": found}


def models():
    normal = {"normalization_rule_name": "nmt_nfkc"}
    exact = {"normalization_rule_name": "identity", "remove_extra_whitespaces": False, "byte_fallback": True, "vocab_size": 520}
    train("unigram", **normal)
    train("unigram_bytes", **exact, split_digits=True, user_defined_symbols=["<sep>", "ABC", "日本", "\u2581\u2581"])
    train("bpe_bytes", **exact, model_type="bpe", split_digits=True)
    train("bpe_folded", model_type="bpe", normalization_rule_name="nfkc_cf", user_defined_symbols=["<sep>", "ABC"])
    train("suffix", **normal, treat_whitespace_as_suffix=True)
    train("character", **normal, model_type="char", user_defined_symbols=["ABC"])
    train("word", **normal, model_type="word")
    train("albert", commas, **normal, pad_id=0, unk_id=1, bos_id=-1, eos_id=-1, control_symbols=["[CLS]", "[SEP]", "[MASK]"])
    train("deberta", **normal, pad_id=0, bos_id=1, eos_id=2, unk_id=3, pad_piece="[PAD]", bos_piece="[CLS]", eos_piece="[SEP]", unk_piece="[UNK]")
    train("t5", **normal, pad_id=0, eos_id=1, unk_id=2, bos_id=-1)
    train("xlnet", commas, **normal, control_symbols=["<cls>", "<sep>", "<pad>", "<mask>", "<eod>", "<eop>"])
    train(
        "gemma", **exact, model_type="bpe", add_dummy_prefix=False, pad_id=0, eos_id=1, bos_id=2, unk_id=3,
        pad_piece="<pad>", eos_piece="<eos>", bos_piece="<bos>", user_defined_symbols=["<start_of_turn>", "\u2581\u2581", "\u2581\u2581\u2581"],
    )
    if not (HERE / "rules.model").exists():
        with tempfile.NamedTemporaryFile("w", suffix=".tsv") as rules:
            # Of rules that begin alike the longest applies; one makes nothing of a letter, one makes spaces.
            for left, right in [("a", "A"), ("ab", "x y"), ("abab", "Z"), ("q", ""), ("_", "  "), ("é", "e"), ("e\u0301", "E")]:
                rules.write(" ".join(f"{ord(c):x}" for c in left) + "\t" + " ".join(f"{ord(c):x}" for c in right) + "\n")
            rules.flush()
            train("rules", normalization_rule_tsv=rules.name)
    train("unused", unuse, **normal, model_type="bpe")
    train("unused_unigram", unuse, **normal)
    train("unescaped", unescape, **normal)


def main():
    models()
    alone = {}
    for name in (
        "unigram", "unigram_bytes", "bpe_bytes", "bpe_folded", "suffix", "character", "word", "rules", "unused", "unused_unigram", "unescaped", "gemma",
    ):
        alone[name] = plain(name)
    groups = {}
    groups["albert"] = family("albert", "AlbertTokenizer", "spiece.model", {})
    groups["albert_cased"] = family("albert", "AlbertTokenizer", "spiece.model", {"do_lower_case": False, "keep_accents": True, "remove_space": False})
    groups["deberta"] = family("deberta", "DebertaV2Tokenizer", "spm.model", {})
    groups["deberta_lower"] = family("deberta", "DebertaV2Tokenizer", "spm.model", {"do_lower_case": True})
    groups["xlm_roberta"] = family("unigram", "XLMRobertaTokenizer", "sentencepiece.bpe.model", {})
    groups["camembert"] = family("unigram", "CamembertTokenizer", "sentencepiece.bpe.model", {})
    groups["t5"] = family("t5", "T5Tokenizer", "spiece.model", {})
    groups["t5_newer"] = family("t5", "T5Tokenizer", "spiece.model", {"extra_ids": 10, "legacy": False})
    # In this form that tokenizer takes two spaces from the front of a decoded text where it put one.
    groups["llama"] = family("bpe_bytes", "LlamaTokenizer", "tokenizer.model", {"legacy": True}, decode=False)
    groups["llama_newer"] = family("bpe_bytes", "LlamaTokenizer", "tokenizer.model", {"legacy": False, "add_eos_token": True, "pad_token": "<pad>"})
    groups["gemma_family"] = family("gemma", "GemmaTokenizer", "tokenizer.model", {})
    groups["xlnet"] = family("xlnet", "XLNetTokenizer", "spiece.model", {})
    groups["fnet"] = family("albert", "FNetTokenizer", "spiece.model", {"do_lower_case": True, "keep_accents": False})
    write("models.json", alone)
    write("families.json", groups)


def write(file, groups):
    lines = []
    for name, group in groups.items():
        entries = ",\n".join("  " + json.dumps(case) for case in group.pop("cases"))
        lines.append(f"{json.dumps(name)}: {{{json.dumps(group)[1:-1]}, \"cases\": [\n{entries}]}}")
    (HERE / file).write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
