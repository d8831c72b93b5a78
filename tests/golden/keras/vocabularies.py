"""Vocabularies of the cases: small ones, learnt from sentences that were written for this purpose."""

import io
import re
import tempfile
from collections import Counter
from pathlib import Path

import sentencepiece
from sentencepiece import sentencepiece_model_pb2 as proto
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

CORPUS = [
    "The cat doesn't sit: it runs, 42 times, and the cat sits again!",
    "Two spaces and a newline; one line, two lines, and a space.",
    "Déjà vu à l'hôtel — naïve façade, déjà vu à l'hôtel.",
    "自然言語処理は楽しい。言語は自然。",
    "I ❤️ 🦀 and 👩‍👩‍👧, and I run.",
    "I run and she runs; the user runs it one more time.",
]
WORDS = Counter(word for line in CORPUS for word in re.findall(r"\w+", line))
# What no vocabulary of words may know, so that some texts have unknown letters.
UNKNOWN = "🦀—処"
AMINO_ACIDS = "LAGVSERTIDPKQNFYMHWCXBUZO"


def word_pieces(special: list[str], lowercase: bool = False) -> list[str]:
    """Letters, letters inside words, some whole words and some ends of words."""
    lines = [line.lower() if lowercase else line for line in CORPUS]
    letters = sorted({letter for line in lines for letter in line} - set(UNKNOWN + " "))
    inner = ["##" + letter for letter in letters if letter.isalnum()]
    words = sorted({word for line in lines for word in re.findall(r"\w\w+", line) if word.isascii()})
    return list(dict.fromkeys([*special, *letters, *inner, *words, "##s", "##ing", "##el", "##un"]))


def proteins() -> list[str]:
    """The vocabulary of ESM-2, the amino acids in its order."""
    return ["<cls>", "<pad>", "<eos>", "<unk>", *AMINO_ACIDS, ".", "-", "<null_1>", "<mask>"]


def byte_pairs(first: list[str], last: list[str], merges: int) -> tuple[dict[str, int], list[str]]:
    """All bytes and some merges, between special tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=256 + merges, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(CORPUS * 4, trainer)
    with tempfile.TemporaryDirectory() as folder:
        _, file = tokenizer.model.save(folder)
        learnt = Path(file).read_text().splitlines()[1:]
    size = tokenizer.get_vocab_size()
    tokens = [*first, *[tokenizer.id_to_token(id) for id in range(size)], *last]
    return {token: id for id, token in enumerate(tokens)}, learnt


# From code points to code points, as the published models replace some of them; theirs are far longer.
RULES = [("\u200d", ""), ("\ufe0f", ""), ("\t", " "), ("\n", " "), ("\u3000", " "), ("！", "!"), ("ﬁ", "fi")]


def sentence_pieces(
    pieces: int,
    *,
    rules: list[tuple[str, str]] | None = None,
    further: tuple[str, ...] = (),
    **options,
) -> bytes:
    """A SentencePiece model; without `rules` it replaces nothing. `further` pieces are appended at its end."""
    model = io.BytesIO()
    with tempfile.NamedTemporaryFile("w", suffix=".tsv") as file:
        if rules is None:
            options["normalization_rule_name"] = "identity"
        else:
            for before, after in sorted(rules):
                codes = [" ".join(f"{ord(letter):X}" for letter in side) for side in (before, after)]
                file.write("\t".join(codes) + "\n")
            file.flush()
            options["normalization_rule_tsv"] = file.name
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(CORPUS * 4), model_writer=model, vocab_size=pieces - len(further), num_threads=1,
            hard_vocab_limit=False, minloglevel=2, **options,
        )
    return without_paths(model.getvalue(), further)


def without_paths(model: bytes, further: tuple[str, ...]) -> bytes:
    parsed = proto.ModelProto.FromString(model)
    parsed.trainer_spec.ClearField("input")
    parsed.trainer_spec.ClearField("model_prefix")
    parsed.normalizer_spec.ClearField("normalization_rule_tsv")
    for piece in further:
        parsed.pieces.add(piece=piece, score=0.0, type=proto.ModelProto.SentencePiece.USER_DEFINED)
    parsed.trainer_spec.vocab_size = len(parsed.pieces)
    return parsed.SerializeToString()
