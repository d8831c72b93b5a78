"""Golden cases for the tokenizers of encoder-decoders: what is read, what is written, in which languages, and back into text.

Writes, beside this script:
  *.model                        small SentencePiece models, with few rules of replacement
  *.json beside a group's name   the files of presets as the library saves them
  cases_5.json, cases_4.json     texts and ids; by version 5 of the library, and by the tokenizers of version 4 that run SentencePiece

    pip install "sentencepiece==0.2.*" "transformers==4.57.*" torch protobuf && python make.py
    pip install "sentencepiece==0.2.*" "transformers==5.24.*" torch protobuf && python make.py

Version 5 opens Marian and M2M-100 as it always did, and all others by a tokenizer.json; of a SentencePiece file it makes one, and loses
rules of replacement in doing so. So presets with a SentencePiece file are compared with version 4. Models that exist are kept: delete one to
train it anew.
"""

import io
import json
import logging
import pathlib
import shutil
import tempfile

import sentencepiece
import torch
import transformers
from sentencepiece import sentencepiece_model_pb2 as proto

HERE = pathlib.Path(__file__).parent
MAJOR = int(transformers.__version__.split(".")[0])
transformers.logging.set_verbosity_error()
logging.disable(logging.WARNING)

# Written for this purpose, so that all models learn from text of known origin.
ENGLISH = """
The house by the lake is old, and its roof has been mended twice; nobody lives there in winter.
My sister reads the newspaper every morning before she feeds the 12 chickens and the goat.
"Where is the key?" asked the baker. "Under the stone," said his wife, "where it has always been."
Trains to the coast leave at 7:45 and 9:30; tickets cost 3.50, and children travel free.
""".strip().splitlines()
GERMAN = """
Das Haus am See ist alt, und sein Dach wurde zweimal geflickt; im Winter wohnt dort niemand.
Meine Schwester liest jeden Morgen die Zeitung, bevor sie die 12 Hühner und die Ziege füttert.
„Wo ist der Schlüssel?“, fragte der Bäcker. „Unter dem Stein“, sagte seine Frau, „wo er immer war.“
Züge zur Küste fahren um 7.45 und 9.30 Uhr; Fahrkarten kosten 3,50, und Kinder fahren umsonst.
""".strip().splitlines()
FRENCH = """
La maison près du lac est vieille ; son toit a été réparé deux fois, et personne n'y habite en hiver.
Ma sœur lit le journal chaque matin avant de nourrir les 12 poules et la chèvre.
""".strip().splitlines()

TEXTS = [
    "The house by the lake is old.",
    "Das Haus am See ist alt, und die Hühner sind weg.",
    "La maison près du lac est vieille ; ma sœur lit.",
    "THE HOUSE of my SISTER",
    "",
    " ",
    "  leading and   double  spaces ",
    "tabs\tand\nnew lines",
    "unknown 漢字 and 😀😀 signs, ¿qué?",
    "漢字",
    "Ａ house … ﬁve",
    "a </s> in the <unk> text <pad>",
    "</s>house</s>",
    "<s> the <mask> house <mask>.",
    ">>fra<< The house is old.",
    ">>fra<<The house",
    " >>fra<< The house",
    "The >>fra<< house",
    ">>xyz<< The house",
    ">>never closed",
    "The </s>>>deu<< house",
    "__de__ The house __fr__",
    "de_DE The house fra_Latn and en_XX",
    "<extra_id_0> the house <extra_id_1>.",
    "<mask_1> the <mask_2> house <unk_5>",
    "\u2581already \u2581escaped",
    "12,345 and 7:45",
    "house" * 12,
]
SOME = [TEXTS[0], TEXTS[1], TEXTS[4], TEXTS[8], TEXTS[11], TEXTS[22]]
PAIRS = [("The house", "is old"), ("", "second"), ("first </s>", "  ")]

RULES = [("Ａ", "A"), ("…", "..."), ("ﬁ", "fi"), ("\t", " "), ("\n", " "), ("\u00a0", " ")]


def train(name, corpus, **options):
    path = HERE / f"{name}.model"
    if path.exists():
        return
    out = io.BytesIO()
    with tempfile.NamedTemporaryFile("w", suffix=".tsv") as rules:
        for left, right in RULES:
            rules.write(" ".join(f"{ord(c):x}" for c in left) + "\t" + " ".join(f"{ord(c):x}" for c in right) + "\n")
        rules.flush()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(corpus * 5), model_writer=out,
            **{"hard_vocab_limit": False, "num_threads": 1, "minloglevel": 2, "normalization_rule_tsv": rules.name, **options},
        )
    model = proto.ModelProto()
    model.ParseFromString(out.getvalue())
    model.trainer_spec.ClearField("input")
    model.normalizer_spec.ClearField("normalization_rule_tsv")
    path.write_bytes(model.SerializeToString())


def proteins(name, mark):
    """Single letters of amino acids, as the models of proteins have them; `mark` stands before each."""
    model = proto.ModelProto()
    for piece, kind in [("<pad>", 3), ("</s>", 3), ("<unk>", 2)]:
        model.pieces.add(piece=piece, score=0.0, type=kind)
    for index, letter in enumerate("ALGVSREDTIPKFQNYMHWCXBOUZ"):
        model.pieces.add(piece=mark + letter, score=-2.0 - index / 8)
    model.trainer_spec.model_type = 1
    model.trainer_spec.pad_id, model.trainer_spec.eos_id, model.trainer_spec.unk_id, model.trainer_spec.bos_id = 0, 1, 2, -1
    model.normalizer_spec.name = "identity"
    (HERE / f"{name}.model").write_bytes(model.SerializeToString())


def pieces(name):
    processor = sentencepiece.SentencePieceProcessor(model_file=str(HERE / f"{name}.model"))
    return [processor.id_to_piece(index) for index in range(processor.get_piece_size())]


def dump(name, value):
    (HERE / name).write_text(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n")


def vocabularies():
    """The lists of Marian and M2M-100: some pieces are left out, and so unknown, and there are tokens that are no piece."""
    source, target = pieces("english"), pieces("german")
    ordinary = [piece for piece in [*source, *target] if piece not in ("<unk>", "<s>", "</s>")]
    shared = list(dict.fromkeys(piece for index, piece in enumerate(ordinary) if index % 17 != 5))
    dump("marian_vocab.json", {token: id for id, token in enumerate(["</s>", "<unk>", *shared, ">>deu<<", ">>fra<<", "漢字", "<pad>"])})
    ordinary = [piece for index, piece in enumerate(source) if piece not in ("<unk>", "<s>", "</s>") and index % 19 != 7]
    dump("marian_source_vocab.json", {token: id for id, token in enumerate(["</s>", "<unk>", *ordinary, "<pad>"])})
    ordinary = [piece for index, piece in enumerate(target) if piece not in ("<unk>", "<s>", "</s>") and index % 23 != 7]
    dump("marian_target_vocab.json", {token: id for id, token in enumerate(["</s>", "<unk>", "ß!", *ordinary, "<pad>"])})
    ordinary = [piece for index, piece in enumerate(pieces("many_bpe")) if piece not in ("<unk>", "<s>", "</s>") and index % 29 != 9]
    dump("m2m_vocab.json", {token: id for id, token in enumerate(["<s>", "<pad>", "</s>", "<unk>", *ordinary])})


def models():
    train("english", ENGLISH + FRENCH, vocab_size=150)
    train("german", GERMAN + FRENCH, vocab_size=160)
    everything = ENGLISH + GERMAN + FRENCH
    train("many", everything, vocab_size=210)
    train("many_bpe", everything, vocab_size=230, model_type="bpe")
    train("pegasus", everything, vocab_size=190, pad_id=0, eos_id=1, unk_id=2, bos_id=-1)
    train("t5", everything, vocab_size=180, pad_id=0, eos_id=1, unk_id=2, bos_id=-1)
    proteins("prot", "\u2581")
    vocabularies()


def cases(tokenizer, texts, pairs, written):
    found = []
    for text, second in [*((text, None) for text in texts), *pairs]:
        if written:
            out = tokenizer(text_target=text, text_pair_target=second) if second is not None else tokenizer(text_target=text)
        else:
            out = tokenizer(text, second) if second is not None else tokenizer(text)
        ids = out["input_ids"]
        entry = {"text": text, "ids": ids}
        if second is not None:
            entry["pair"] = second
        else:
            entry["decoded"] = tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
            # Version 4 spaces special tokens otherwise than version 5 does, in each tokenizer in another way.
            if MAJOR == 5:
                entry["all"] = tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
        found.append(entry)
    return found


def start(tokenizer, code):
    """The token that the decoder starts with, as labels shifted to the right have it, or the one that it is forced to write first."""
    tokenizer.tgt_lang = code
    if type(tokenizer).__name__.startswith("MBartTokenizer"):
        labels = torch.tensor([tokenizer(text_target="x")["input_ids"]])
        return {"decoder_start": transformers.models.mbart.modeling_mbart.shift_tokens_right(labels, tokenizer.pad_token_id)[0, 0].item()}
    source = tokenizer.src_lang
    inputs = tokenizer._build_translation_inputs("x", return_tensors=None, src_lang=source, tgt_lang=code)
    return {"forced_first": inputs["forced_bos_token_id"]}


def group(kind, files, settings=None, more=None, directions=(), config=None, save=None, texts=TEXTS, pairs=PAIRS, decodes=True, **arguments):
    """The cases of a preset: its files by name, each a file beside this script; `more` are files of JSON.

    `directions` are pairs of languages beside the preset's own. With `save`, the preset is what the library saves of it, and is opened
    again from there.
    """
    settings = {"tokenizer_class": kind, **(settings or {})}
    more = {"tokenizer_config.json": settings, **(more or {})}
    entry = {"config": config or {}}
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as saved:
        folder, saved = pathlib.Path(folder), pathlib.Path(saved)
        for name, source in files.items():
            shutil.copy(HERE / source, folder / name)
        for name, value in more.items():
            (folder / name).write_text(json.dumps(value))
        cls = getattr(transformers, kind)
        tokenizer = cls.from_pretrained(folder, **arguments)
        if save:
            tokenizer.save_pretrained(saved)
            for path in saved.iterdir():
                if path.name == "tokenizer.json":
                    dump(f"{save}.tokenizer.json", json.loads(path.read_text()))
            files = {"tokenizer.json": f"{save}.tokenizer.json"}
            more = {"tokenizer_config.json": json.loads((saved / "tokenizer_config.json").read_text())}
            if (saved / "special_tokens_map.json").exists():
                more["special_tokens_map.json"] = json.loads((saved / "special_tokens_map.json").read_text())
            for path in list(saved.iterdir()):
                if path.name not in ("tokenizer.json", *more):
                    path.unlink()
            tokenizer = cls.from_pretrained(saved, **arguments)
        entry.update(files=files, more=more, size=len(tokenizer), directions=[])
        own_source, own_target = getattr(tokenizer, "_src_lang", None), getattr(tokenizer, "tgt_lang", None)
        for source, target in [(None, None), *directions]:
            direction = {"source": source, "target": target}
            if own_source:
                tokenizer.src_lang, tokenizer.tgt_lang = source or own_source, target or own_target
                if target:
                    direction["start"] = start(tokenizer, target)
            first = source is None
            direction["read"] = cases(tokenizer, texts if first else SOME, pairs if first else [], False)
            # Only version 5 writes in the language that is read where nothing is said of another.
            if not own_source or tokenizer.tgt_lang is not None or (MAJOR == 5 and tokenizer.is_fast):
                direction["written"] = cases(tokenizer, texts if first else SOME, [], True)
            entry["directions"].append(direction)
    return entry


def older():
    """The tokenizers that run SentencePiece, and what they are converted to."""
    groups = {}
    mbart = [("de_DE", "fr_XX"), ("en_XX", "ro_RO")]
    many = {"sentencepiece.bpe.model": "many.model"}
    bpe = {"sentencepiece.bpe.model": "many_bpe.model"}
    groups["mbart"] = group("MBartTokenizer", many, directions=mbart)
    groups["mbart_settings"] = group("MBartTokenizer", many, {"src_lang": "de_DE", "tgt_lang": "cs_CZ"}, directions=[("ja_XX", "cs_CZ")], texts=SOME)
    groups["mbart_fast"] = group("MBartTokenizerFast", many, directions=mbart, save="mbart_4")
    groups["mbart50"] = group("MBart50Tokenizer", many, {"src_lang": "en_XX", "tgt_lang": "sl_SI"}, directions=[*mbart, ("gl_ES", "uk_UA")])
    groups["mbart50_fast"] = group("MBart50TokenizerFast", many, directions=[*mbart, ("gl_ES", "uk_UA")], save="mbart50_4")
    nllb = [("deu_Latn", "fra_Latn"), ("eng_Latn", "zul_Latn")]
    groups["nllb"] = group("NllbTokenizer", bpe, published_nllb(), directions=nllb)
    groups["nllb_legacy"] = group("NllbTokenizer", bpe, {**published_nllb(), "legacy_behaviour": True, "src_lang": "ace_Arab"}, directions=nllb, texts=SOME)
    groups["nllb_fast"] = group("NllbTokenizerFast", bpe, {"tgt_lang": "fra_Latn"}, directions=nllb, save="nllb_4")
    groups["m2m"] = group("M2M100Tokenizer", {**bpe, "vocab.json": "m2m_vocab.json"}, {"src_lang": "en"}, codes("m2m100"), directions=[("de", "fr"), ("zu", "af")])
    groups["m2m_wmt21"] = group(
        "M2M100Tokenizer", {**bpe, "vocab.json": "m2m_vocab.json"}, {"src_lang": "de", "tgt_lang": "en", "language_codes": "wmt21"},
        codes("wmt21"), directions=[("de", "cs")], texts=SOME,
    )
    pegasus = {"spiece.model": "pegasus.model"}
    groups["pegasus"] = group("PegasusTokenizer", pegasus)
    groups["pegasus_offset"] = group("PegasusTokenizer", pegasus, {"offset": 7}, texts=SOME)
    # As BigBird's, whose mask is a piece.
    groups["pegasus_pieces"] = group("PegasusTokenizer", pegasus, {"offset": 0, "mask_token_sent": None, "mask_token": "a"}, texts=SOME)
    groups["pegasus_fast"] = group("PegasusTokenizerFast", pegasus, save="pegasus_4")
    groups["prot_t5"] = group("T5Tokenizer", {"spiece.model": "prot.model"}, texts=PROTEINS, pairs=[])
    lower = {letter: 128 + index for index, letter in enumerate("acdefghiklmnpqrstvwy")}
    groups["prost_t5"] = group(
        "T5Tokenizer", {"spiece.model": "prot.model"}, more={"added_tokens.json": {**lower, "<fold2AA>": 148, "<AA2fold>": 149}},
        texts=[f"{'<AA2fold>' if text.isupper() else '<fold2AA>'} {text}" for text in [*PROTEINS, *STRUCTURES]], pairs=[],
    )
    return groups


def published_nllb():
    """The ids that NLLB's presets state: codes after the pieces, the mask after the codes. Left alone, the library puts the mask first."""
    after = len(pieces("many_bpe")) + 1
    known = transformers.models.nllb.tokenization_nllb.FAIRSEQ_LANGUAGE_CODES
    token = {"lstrip": False, "rstrip": False, "single_word": False, "normalized": False, "special": True}
    decoder = {id: {**token, "content": content} for id, content in enumerate(["<s>", "<pad>", "</s>", "<unk>"])}
    decoder.update({after + index: {**token, "content": code} for index, code in enumerate(known)})
    decoder[after + len(known)] = {**token, "content": "<mask>", "lstrip": True, "normalized": True}
    return {"added_tokens_decoder": decoder}


def codes(kind):
    """The list that M2M-100's presets bring, without which its codes are not found in a text."""
    known = transformers.models.m2m_100.tokenization_m2m_100.FAIRSEQ_LANGUAGE_CODES[kind]
    return {"special_tokens_map.json": {"additional_special_tokens": [f"__{code}__" for code in known]}}


# Spaced as the models of proteins want them; without U, Z, O and B, which were replaced before.
PROTEINS = [" ".join(text) for text in ["MKTVRQERLK", "ACDEFGHIKLMNPQRSTVWYX", "M", "MKJT", "XXMX"]]
STRUCTURES = [" ".join(text) for text in ["dvvlpaqkey", "d"]]


def newer():
    groups = {}
    marian = {"source.spm": "english.model", "target.spm": "german.model", "vocab.json": "marian_vocab.json"}
    groups["marian"] = group("MarianTokenizer", marian, {"source_lang": "en", "target_lang": "de"})
    groups["marian_separate"] = group(
        "MarianTokenizer", {**marian, "vocab.json": "marian_source_vocab.json", "target_vocab.json": "marian_target_vocab.json"},
        {"separate_vocabs": True},
        # Written in a text, special tokens have the ids of what is read there, even in what is written.
        texts=[text for text in TEXTS if "<pad>" not in text],
    )
    groups["m2m"] = group(
        "M2M100Tokenizer", {"sentencepiece.bpe.model": "many_bpe.model", "vocab.json": "m2m_vocab.json"}, {"src_lang": "en", "tgt_lang": "de"}, more=codes("m2m100"), directions=[("de", "fr"), ("zu", "en")],
    )
    mbart = [("de_DE", "fr_XX"), ("en_XX", "ro_RO")]
    many = {"sentencepiece.bpe.model": "many.model"}
    groups["mbart"] = group("MBartTokenizer", many, directions=mbart, save="mbart")
    groups["mbart50"] = group("MBart50Tokenizer", many, {"src_lang": "fr_XX", "tgt_lang": "de_DE"}, directions=mbart, save="mbart50")
    nllb = [("deu_Latn", "fra_Latn"), ("eng_Latn", "zul_Latn")]
    # Made of a SentencePiece file, version 5 has none of NLLB's codes.
    published = {"tokenizer.json": "nllb_4.tokenizer.json"}
    groups["nllb"] = group("NllbTokenizer", published, directions=nllb, save="nllb")
    groups["nllb_legacy"] = group("NllbTokenizer", published, {"legacy_behaviour": True}, directions=nllb, save="nllb_legacy", texts=SOME)
    groups["pegasus"] = group("PegasusTokenizer", {"spiece.model": "pegasus.model"}, save="pegasus")
    groups["t5"] = group("T5Tokenizer", {"spiece.model": "t5.model"}, save="t5")
    groups["prot_t5"] = group("T5Tokenizer", {"spiece.model": "prot.model"}, save="prot_t5", texts=PROTEINS, pairs=[])
    pairs = HERE.parent / "byte_pair"
    bart = {"vocab.json": "../byte_pair/vocab.json", "merges.txt": "../byte_pair/merges.txt"}
    assert pairs.is_dir()
    groups["bart_lists"] = group("BartTokenizer", bart)
    groups["bart"] = group("BartTokenizer", bart, save="bart")
    return groups


def main():
    models()
    lines = []
    for name, entry in (older() if MAJOR == 4 else newer()).items():
        directions = []
        for direction in entry.pop("directions"):
            parts = [f'"{part}": [\n' + ",\n".join("  " + json.dumps(case) for case in direction.pop(part)) + "]" for part in ("read", "written") if part in direction]
            directions.append(json.dumps(direction)[:-1] + ", " + ", ".join(parts) + "}")
        lines.append(f"{json.dumps(name)}: {{{json.dumps(entry)[1:-1]}, \"directions\": [\n" + ",\n".join(directions) + "]}")
    (HERE / f"cases_{MAJOR}.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
