"""What the reference writes for each text, by largest logit or by beams, and how clearly."""

import torch
from transformers import LogitsProcessor, LogitsProcessorList

# How far scores are moved at most to see that no choice of beams is close.
NOISE = 2e-4
NOISY_RUNS = 2
PENALTIES = [-1.0, 0.0, 1.0, 2.0]
EARLY = [True, False, "never"]


class Noise(LogitsProcessor):
    """Moves each score a little."""

    def __init__(self, seed: int):
        self.generator = torch.Generator().manual_seed(seed)

    def __call__(self, ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        drawn = torch.rand(scores.shape, generator=self.generator, dtype=torch.float64)
        return scores + (NOISE * (2 * drawn - 1)).to(scores.dtype)


def padded(rows: list[torch.Tensor], fill: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The rows as a rectangle, filled on the right, and where they are."""
    ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=fill)
    mask = torch.nn.utils.rnn.pad_sequence([torch.ones_like(row) for row in rows], batch_first=True)
    return ids, mask


def ends(model, options: dict) -> list[int]:
    ids = options.get("eos_token_id", model.generation_config.eos_token_id)
    return ids if isinstance(ids, list) else [ids]


def cut(row: list[int], start: int, ends: list[int]) -> list[int]:
    """Without what stands behind the first end token at or after `start`."""
    end = next((place for place in range(start, len(row)) if row[place] in ends), len(row))
    return row[: end + 1]


def caches(model) -> bool:
    """Whether the reference can write with a cache: it makes one for T5 that is as deep as the encoder."""
    config = model.config
    return getattr(config, "num_decoder_layers", 0) <= getattr(config, "num_layers", 0)


def written(model, texts: list[torch.Tensor], options: dict, noise: int | None = None) -> list[list[list[int]]]:
    """All sequences of each text, of a batch that is filled up on the right; the decoder's start token is the first."""
    asked = dict(use_cache=caches(model)) | options
    ids, mask = padded(texts, model.config.pad_token_id)
    start = 1
    if "decoder_input_ids" in asked:
        asked["decoder_input_ids"] = torch.tensor(asked["decoder_input_ids"])
        start = asked["decoder_input_ids"].shape[1]
    if noise is not None:
        asked["logits_processor"] = LogitsProcessorList([Noise(noise)])
    rows = model.generate(ids, attention_mask=mask, **asked).tolist()
    rows = [cut(row, start, ends(model, options)) for row in rows]
    each = len(rows) // len(texts)
    return [rows[first : first + each] for first in range(0, len(rows), each)]


def alone(model, texts: list[torch.Tensor], options: dict) -> list[list[list[int]]]:
    """The same of each text by itself, which is nowhere filled up."""
    found = []
    for row, text in enumerate(texts):
        own = dict(options)
        if "decoder_input_ids" in own:
            own["decoder_input_ids"] = own["decoder_input_ids"][row : row + 1]
        found += written(model, [text], own)
    return found


def clear(model, texts: list[torch.Tensor], options: dict, ids: list) -> bool:
    """Whether a little noise leaves the ids as they are."""
    return all(written(model, texts, options, seed) == ids for seed in range(NOISY_RUNS))


def grid() -> dict[str, dict]:
    """Four beams by every rule of stopping and four penalties."""
    return {
        f"early_stopping {early}, length_penalty {penalty}": dict(
            num_beams=4, early_stopping=early, length_penalty=penalty, max_new_tokens=12
        )
        for early in EARLY
        for penalty in PENALTIES
    }


def further(start: int, others: list[int]) -> dict[str, dict]:
    """Other settings, by name; `others` are four ids that end nothing by themselves."""
    first, second, third, fourth = others
    beams = dict(num_beams=4, max_new_tokens=12)
    short = dict(max_new_tokens=5)
    return {
        "two end tokens": dict(eos_token_id=[first, second], max_new_tokens=12),
        "two end tokens of beams": dict(eos_token_id=[first, second], **beams),
        "forced last token": dict(forced_eos_token_id=third, **short),
        "forced last token of beams": dict(forced_eos_token_id=third, num_beams=4, **short),
        "forced first token": dict(forced_bos_token_id=fourth, max_new_tokens=12),
        "forced first token of beams": dict(forced_bos_token_id=fourth, **beams),
        "three sequences": dict(num_return_sequences=3, **beams),
        "seven beams": dict(num_beams=7, length_penalty=0.5, max_new_tokens=12),
        "no_repeat_ngram_size": dict(no_repeat_ngram_size=2, **beams),
        "encoder_no_repeat_ngram_size": dict(encoder_no_repeat_ngram_size=1, **beams),
        "encoder_repetition_penalty": dict(encoder_repetition_penalty=4.0, max_new_tokens=12),
        "min_new_tokens": dict(min_new_tokens=8, **beams),
        "min_length": dict(min_length=6, **beams),
        "decoder_input_ids": dict(
            decoder_input_ids=[[start, first, third], [start, fourth, fourth], [start, second, first]], max_new_tokens=9
        ),
        "decoder_input_ids of beams": dict(
            decoder_input_ids=[[start, first, third], [start, fourth, fourth], [start, second, first]], num_beams=4,
            max_new_tokens=9,
        ),
        "decoder_input_ids without a start": dict(
            decoder_input_ids=[[first, third], [fourth, fourth], [second, first]], num_beams=4, max_new_tokens=9
        ),
    }
