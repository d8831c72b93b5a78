"""What the reference writes for each text, by largest logit or by beams, and how clearly."""

import torch
from cases import Case
from transformers import LogitsProcessor, LogitsProcessorList

# How far scores are moved at most to see that no choice of beams is close.
NOISE = 2e-4
NOISY_RUNS = 2
LEAST_GAP = 1e-3
LEAST_DIFFERENT_IDS = 4
GREEDY = dict(num_beams=1, max_new_tokens=12)
BEAMS = dict(num_beams=4, max_new_tokens=12)
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


def pads(model, found: list[list[list[int]]]) -> bool:
    """Whether the padding id is written, which moves the positions of M2M-100."""
    return any(model.config.pad_token_id in row[1:] for rows in found for row in rows)


def greedy(model, case: Case, texts: list[torch.Tensor]) -> list[list[list[int]]] | None:
    """The ids by largest logit; nothing where a choice is close, or where a text is little but repetition.

    With a likelier end they may be short.
    """
    for text in texts:
        output = model.generate(
            text[None], return_dict_in_generate=True, output_scores=True, use_cache=caches(model), **GREEDY
        )
        for scores in output.scores:
            first, second = scores[0].topk(2).values.tolist()
            if first - second <= LEAST_GAP:
                return None
    found = written(model, texts, GREEDY)
    if pads(model, found):
        return None
    if case.grid:
        return found
    varied = [len(set(row)) >= min(LEAST_DIFFERENT_IDS, len(row)) for [row] in found]
    return found if all(varied) and max(len(row) for [row] in found) > 6 else None


def grid_of(model, texts: list[torch.Tensor]) -> dict[str, list] | None:
    """What beams write by every rule of stopping and length, if that is different enough."""
    settings = grid()
    # Most draws show it by the shortest and the longest texts.
    extremes = [name for name in settings if name.endswith(("-1.0", "2.0"))]
    some = [written(model, texts, settings[name]) for name in extremes]
    if min(len({str(ids[row]) for ids in some}) for row in range(len(texts))) < 2:
        return None
    found = {name: written(model, texts, options) for name, options in settings.items()}
    if min(len({str(ids[row]) for ids in found.values()}) for row in range(len(texts))) < 3:
        return None
    by_rule = [list(found.values())[start : start + 4] for start in (0, 4, 8)]
    if by_rule[0] == by_rule[1] or by_rule[1] == by_rule[2]:
        return None
    return found


def further_of(model, texts: list[torch.Tensor], found: dict[str, list]) -> dict[str, dict] | None:
    """Settings beside the grid whose effects are seen: each gives other texts than the same without it."""
    plain = found["greedy"]
    used = [id for ids in found.values() for rows in ids for row in rows for id in row[2:-1]]
    special = {*ends(model, {}), model.config.pad_token_id, model.config.decoder_start_token_id}
    often = [id for id in dict.fromkeys(sorted(used, key=used.count, reverse=True)) if id not in special]
    # Not the most frequent of all: as an end token it would leave little of any text.
    others = often[1:5]
    if len(others) < 4:
        return None
    settings = further(model.config.decoder_start_token_id, others)
    for name, options in settings.items():
        found[name] = written(model, texts, options)
    last = {row[-1] for name in ["two end tokens", "two end tokens of beams"] for rows in found[name] for row in rows}
    forced = [row[-1] for rows in found["forced last token of beams"] for row in rows if len(row) == 6]
    changed = all(found[name] not in (plain, found["beams"]) for name in settings)
    return settings if changed and set(others[:2]) <= last and forced and set(forced) == {others[2]} else None


def continuations(model, case: Case, texts: list[torch.Tensor]) -> list[dict] | None:
    """Every search of the case, or nothing where one of them is close or shows nothing."""
    found = {"greedy": greedy(model, case, texts)}
    if found["greedy"] is None:
        return None
    settings = {"greedy": GREEDY, "beams": BEAMS} | case.searches
    for name in list(settings)[1:]:
        found[name] = written(model, texts, settings[name])
    if found["beams"] == found["greedy"] or any(pads(model, ids) for ids in found.values()):
        return None
    if case.grid:
        by_rule = grid_of(model, texts)
        found |= by_rule or {}
        more = by_rule and further_of(model, texts, found)
        if not more:
            return None
        settings |= grid() | more
    for name, options in settings.items():
        if name != "greedy" and not clear(model, texts, options, found[name]):
            return None
        assert alone(model, texts, options) == found[name], name
        assert written(model, texts, options | dict(use_cache=False)) == found[name], name
    return [dict(name=name, options=options, ids=found[name]) for name, options in settings.items()]
