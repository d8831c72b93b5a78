"""Golden cases for searches by beams, made by the reference library.

    python tests/golden/generation/search.py

Pins: transformers 5.24.0, torch 2.15.0, numpy.

The models are golden decoders of `../decoders`: without a window, with windows that the texts outgrow, and with rotations
that change as a text grows. Written beside this script:

    search.json     for each case the model, prompts, settings that all of its runs have, and for each run the settings of
                    its own, as a `generation_config.json` says them, and what the reference writes after each prompt:
                    ids and score of every returned sequence

The reference runs in f64, its scores are f32. Every text is the same when scores are changed by as much as 1e-4 at
random. In the cases of all settings, each prompt has at least three different texts, and none that greedy writes.
"""

import json
from pathlib import Path

import numpy
import torch
import transformers
from transformers import AutoModelForCausalLM, GenerationConfig, LogitsProcessor, LogitsProcessorList

HERE = Path(__file__).parent
DECODERS = HERE.parent / "decoders"
NEW = 12
NOISE = 1e-4
BEAMS = 4
ALL = [
    dict(early_stopping=stopping, length_penalty=penalty)
    for stopping in (True, False, "never")
    for penalty in (-1.0, 0.0, 1.0, 2.0)
]
SOME = [
    dict(early_stopping=True, length_penalty=0.0),
    dict(early_stopping=False, length_penalty=1.0),
    dict(early_stopping="never", length_penalty=2.0),
]


class Shaken(LogitsProcessor):
    """Changes scores a little, by a seed."""

    def __init__(self, seed: int):
        self.generator = torch.Generator().manual_seed(seed)

    def __call__(self, input_ids, scores):
        noise = torch.rand(scores.shape, generator=self.generator, dtype=torch.float64) * 2 - 1
        return scores + (NOISE * noise).to(scores.dtype)


class Unstable(Exception):
    """A text that hangs on rounding."""


def opened(name: str):
    model = AutoModelForCausalLM.from_pretrained(DECODERS / name, dtype=torch.float32).double().eval()
    model.generation_config = GenerationConfig()
    return model


def run(model, prompts: list[list[int]], settings: dict, seed: int | None = None) -> list[dict]:
    """What is written after the prompts, which are read together."""
    longest = max(map(len, prompts))
    ids = torch.tensor([[0] * (longest - len(prompt)) + prompt for prompt in prompts])
    mask = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts])
    settings = dict(eos_token_id=None) | settings
    output = model.generate(
        ids, attention_mask=mask, generation_config=GenerationConfig(**settings, pad_token_id=0),
        logits_processor=LogitsProcessorList([Shaken(seed)] if seed else []), return_dict_in_generate=True, output_scores=True,
    )
    ends = settings["eos_token_id"]
    ends = ends if isinstance(ends, list) else [ends]
    count = settings.get("num_return_sequences", 1)
    texts = []
    for at in range(len(prompts)):
        sequences = []
        for row in range(at * count, (at + 1) * count):
            new = output.sequences[row, longest:].tolist()
            stop = next((place + 1 for place, id in enumerate(new) if id in ends), settings["max_new_tokens"])
            score = float(output.sequences_scores[row]) if "sequences_scores" in output else None
            sequences.append(dict(ids=new[:stop], score=score and round(score, 5)))
        texts.append(sequences)
    return texts


def ids_of(texts: list) -> list:
    return [[sequence["ids"] for sequence in sequences] for sequences in texts]


def stable(model, prompts: list[list[int]], settings: dict) -> list:
    """The same for each prompt alone, which batches and noise must not change."""
    texts = [run(model, [prompt], settings)[0] for prompt in prompts]
    for seed in (1, 2):
        shaken = [run(model, [prompt], settings, seed)[0] for prompt in prompts]
        if ids_of(shaken) != ids_of(texts):
            raise Unstable
    return texts


def all_settings(model, prompts: list[list[int]], shared: dict, runs: list[dict]) -> list[dict]:
    return [dict(settings=own, texts=stable(model, prompts, shared | own)) for own in runs]


# The first seeds with which prompts are found.
SEEDS = {"llama": 0, "gemma3_text": 7, "llama_rope_dynamic": 6}


def case_of_all_settings(name: str) -> dict:
    """A case of all settings: an end token, made likelier, and prompts after which they give different texts."""
    model = opened(name)
    vocabulary = model.config.vocab_size
    for seed in range(SEEDS[name], 100):
        random = numpy.random.default_rng(seed)
        pool = [random.integers(3, vocabulary, size=length).tolist() for length in (2, 7, 1, 5, 9, 3, 8, 4)]
        # One of the tokens that beams come to.
        likely = run(model, pool[:1], dict(num_beams=BEAMS, max_new_tokens=NEW))[0][0]["ids"]
        end, bias = int(random.choice(likely)), round(float(random.uniform(0.5, 2.0)), 2)
        shared = dict(num_beams=BEAMS, max_new_tokens=NEW, eos_token_id=end, sequence_bias=[[[end], bias]])
        found = []
        for prompt in pool:
            plain = ids_of(run(model, [prompt], shared | dict(num_beams=1)))[0]
            # Few settings tell early whether all would differ.
            first = [ids_of(run(model, [prompt], shared | own))[0] for own in SOME]
            if len({str(text) for text in first}) < 2:
                continue
            try:
                runs = all_settings(model, [prompt], shared, ALL)
            except Unstable:
                continue
            texts = [ids_of(one["texts"])[0] for one in runs]
            if len({str(text) for text in texts}) >= 3 and plain not in texts:
                found.append((prompt, runs))
        if len(found) < 3:
            continue
        prompts = [prompt for prompt, _ in found]
        runs = [
            dict(settings=own, texts=[runs[at]["texts"][0] for _, runs in found]) for at, own in enumerate(ALL)
        ]
        for at in range(len(prompts)):
            assert len({str(one["texts"][at]) for one in runs}) >= 3
        print(f"{name}, seed {seed}: end {end}, bias {bias}, {len(prompts)} prompts", flush=True)
        return dict(name=f"{name}: all settings", model=name, prompts=prompts, settings=shared, runs=runs)
    raise AssertionError(f"{name}: no end token with different texts")


def others(end: int, bias: float, prompts: list[list[int]]) -> list[dict]:
    """Cases of the first model that say more than how long and when."""
    model = opened("llama")
    base = dict(num_beams=BEAMS, max_new_tokens=NEW)
    biased = dict(eos_token_id=end, sequence_bias=[[[end], bias]])
    plain = all_settings(model, prompts, base | biased, SOME)
    cases = []

    def add(name: str, shared: dict, others: list | None = None) -> None:
        """A case with prompts of its own or those that are left when texts that hang on rounding are."""
        own, made = [], [dict(settings=settings, texts=[]) for settings in SOME]
        for prompt in others or prompts:
            try:
                for one, run_alone in zip(made, all_settings(model, [prompt], base | shared, SOME), strict=True):
                    one["texts"].append(run_alone["texts"][0])
                own.append(prompt)
            except Unstable:
                print(f"{name}: {prompt} hangs on rounding, left out")
        assert len(own) >= 2, name
        before = [one["texts"] for one in plain]
        if others is None and len(own) == len(prompts):
            assert [ids_of(one["texts"]) for one in made] != [ids_of(texts) for texts in before], name
        cases.append(dict(name=name, model="llama", prompts=own, settings=base | shared, runs=made))

    second = plain[0]["texts"][0][0]["ids"][0]
    add("two end tokens", dict(eos_token_id=sorted([end, second]), sequence_bias=[[[end], bias], [[second], bias / 2]]))
    add("no end token", dict(eos_token_id=None))
    add("no sequence of two twice", biased | dict(no_repeat_ngram_size=2, max_new_tokens=20))
    add("three sequences", biased | dict(num_return_sequences=3))
    add("a forced last token", dict(eos_token_id=end, forced_eos_token_id=end, max_new_tokens=7))
    add("a forced last token of two", dict(eos_token_id=sorted([end, second]), forced_eos_token_id=second, max_new_tokens=5))
    add("a forced first token", biased | dict(forced_bos_token_id=23), others=[[1], [17, 9], [40]])
    add("a least number of tokens", biased | dict(min_new_tokens=5))
    add("penalties", biased | dict(repetition_penalty=1.6, suppress_tokens=[end + 1, 8], encoder_no_repeat_ngram_size=1))
    add("an end that becomes likelier", dict(eos_token_id=end, exponential_decay_length_penalty=[3, 1.3]))
    add("one new token", biased | dict(max_new_tokens=1))
    add("two beams", biased | dict(num_beams=2))
    add("nine beams", biased | dict(num_beams=9, num_return_sequences=9))
    return cases


def main() -> None:
    torch.set_num_threads(1)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    cases = [case_of_all_settings(name) for name in SEEDS]
    settings, prompts = cases[0]["settings"], cases[0]["prompts"]
    end, bias = settings["eos_token_id"], settings["sequence_bias"][0][1]
    # Prompts of different lengths in one batch give what each gives alone.
    model = opened("llama")
    for one in cases[0]["runs"]:
        together = run(model, prompts, settings | one["settings"])
        assert ids_of(together) == ids_of(one["texts"]), one["settings"]
    cases += others(end, bias, prompts)
    made_with = dict(transformers=transformers.__version__, torch=torch.__version__.split("+")[0])
    path = HERE / "search.json"
    path.write_text(json.dumps(dict(made_with=made_with, new=NEW, cases=cases)) + "\n")
    size = path.stat().st_size
    assert size < 300_000, f"{path.name} takes {size} bytes"
    print(f"{path.name} {size}, {sum(len(case['runs']) for case in cases)} runs")


if __name__ == "__main__":
    main()
