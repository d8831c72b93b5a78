"""Tokenizers of the cases that are whole presets: small SentencePiece files, in the layouts of OPUS-MT and of ProtT5."""

import io
import json
from pathlib import Path

import sentencepiece
from sentencepiece import sentencepiece_model_pb2 as proto
from transformers import MarianTokenizer, PreTrainedTokenizerBase, T5Tokenizer

# Written for this purpose, so that the models learn from text of known origin.
ENGLISH = [
    "The house is old, and the garden behind the house is older.",
    "She reads a letter; he writes another letter to the old teacher.",
    "In the morning the bus was late, and in the evening it was early.",
]
GERMAN = [
    "Das Haus ist alt, und der Garten hinter dem Haus ist noch viel mehr alt.",
    "Sie liest einen Brief; er schreibt dem alten Lehrer noch einen Brief.",
    "Am Morgen kam der Bus spät, und am Abend kam er früh.",
]
# Of the pieces; the merged vocabulary has the tokens that are no pieces too.
PIECES = 90
TRANSLATED = ["The house is old.", "He writes.", "She reads a letter in the garden, 7 times."]
PROTEINS = ["MKTVRQERLKSI", "GAV", "SUZBOXWYPHNQFTD"]
# The letters in the order of the published model, rarer ones last.
AMINO_ACIDS = "ALGVSREDTIPKFQNYMHWCXBOUZ"


def trained(path: Path, corpus: list[str]) -> list[str]:
    """Writes a model without rules of replacement, and returns its ordinary pieces."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(corpus * 4), model_writer=model, vocab_size=PIECES, hard_vocab_limit=False, num_threads=1,
        minloglevel=2, normalization_rule_name="identity", bos_id=-1,
    )
    path.write_bytes(model.getvalue())
    pieces = proto.ModelProto.FromString(model.getvalue()).pieces
    return [piece.piece for piece in pieces if piece.type == piece.NORMAL]


def marian(folder: Path) -> PreTrainedTokenizerBase:
    """One vocabulary of two SentencePiece models: the end token first, the padding token last."""
    source = trained(folder / "source.spm", ENGLISH)
    target = trained(folder / "target.spm", GERMAN)
    tokens = ["</s>", "<unk>", *dict.fromkeys([*source, *target]), "<pad>"]
    vocabulary = {token: id for id, token in enumerate(tokens)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False, indent=1) + "\n")
    files = [str(folder / name) for name in ["source.spm", "target.spm", "vocab.json"]]
    MarianTokenizer(*files, source_lang="en", target_lang="de").save_pretrained(folder)
    return MarianTokenizer.from_pretrained(folder)


def proteins(folder: Path) -> PreTrainedTokenizerBase:
    """A piece for each amino acid, with the space before it, and the 100 further tokens of T5."""
    model = proto.ModelProto()
    for piece, kind in [("<pad>", "CONTROL"), ("</s>", "CONTROL"), ("<unk>", "UNKNOWN")]:
        model.pieces.add(piece=piece, score=0.0, type=proto.ModelProto.SentencePiece.Type.Value(kind))
    for place, letter in enumerate(AMINO_ACIDS):
        model.pieces.add(piece="\u2581" + letter, score=-2.0 - place / 8)
    model.trainer_spec.pad_id, model.trainer_spec.eos_id = 0, 1
    model.trainer_spec.unk_id, model.trainer_spec.bos_id = 2, -1
    model.normalizer_spec.name = "identity"
    (folder / "spiece.model").write_bytes(model.SerializeToString())
    further = [f"<extra_id_{index}>" for index in range(100)]
    special = dict(additional_special_tokens=further, eos_token="</s>", pad_token="<pad>", unk_token="<unk>")
    settings = special | dict(do_lower_case=False, extra_ids=100, tokenizer_class="T5Tokenizer")
    (folder / "special_tokens_map.json").write_text(json.dumps(special, indent=1) + "\n")
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=1) + "\n")
    return T5Tokenizer.from_pretrained(folder)


def spaced(protein: str) -> str:
    """A protein as ProtT5 reads it: spaces between the letters, and X for what it does not tell apart."""
    return " ".join("X" if letter in "UZOB" else letter for letter in protein)
