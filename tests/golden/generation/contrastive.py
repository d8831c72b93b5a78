"""Golden cases for contrastive search, made by the last version of the reference library that has it.

    python tests/golden/generation/contrastive.py

Pins: transformers 4.51.3, torch 2.15.0.

Written beside this script:

    contrastive.json    for each case the model, a golden decoder of `../decoders`, what a `generation_config.json` says, and
                        the ids that the reference writes after each prompt

The reference runs in f64. Every text is the same when logits are changed by as much as 1e-4 at random, and unlike what
greedy writes; cases of one model differ.
"""

import json
from pathlib import Path

import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM, GenerationConfig, LogitsProcessor, LogitsProcessorList

HERE = Path(__file__).parent
DECODERS = HERE.parent / "decoders"
PROMPTS = [[1, 47, 17, 46, 65, 51, 32, 21], [17, 9], [5, 6, 5, 6, 40, 41, 5]]
NEW = 12
NOISE = 1e-4
RULES = [(4, 0.6), (2, 0.9), (8, 0.3), (5, 0.95), (12, 0.05)]


class Shaken(LogitsProcessor):
    """Changes logits a little, by a seed."""

    def __init__(self, seed: int):
        self.generator = torch.Generator().manual_seed(seed)

    def __call__(self, input_ids, scores):
        noise = torch.rand(scores.shape, generator=self.generator, dtype=torch.float64) * 2 - 1
        return scores + (NOISE * noise).to(scores.dtype)


def opened(name: str):
    """A golden decoder, whose file says rotations as a later version does."""
    config = AutoConfig.from_pretrained(DECODERS / name)
    rotation = json.loads((DECODERS / name / "config.json").read_text()).get("rope_parameters")
    if rotation:
        config.rope_theta = rotation["rope_theta"]
    model = AutoModelForCausalLM.from_pretrained(DECODERS / name, config=config, torch_dtype=torch.float32).double().eval()
    model.generation_config = GenerationConfig()
    # It is the same model as with the later version.
    for case in json.loads((DECODERS / name / "case.json").read_text())["generate"]:
        assert run(model, case["prompt"], dict(max_new_tokens=len(case["ids"]))) == case["ids"], name
    return model


def run(model, prompt: list[int], settings: dict, seed: int | None = None) -> list[int]:
    ids = torch.tensor([prompt])
    settings = dict(eos_token_id=None, max_new_tokens=NEW) | settings
    output = model.generate(
        ids, attention_mask=torch.ones_like(ids), generation_config=GenerationConfig(**settings, pad_token_id=0),
        logits_processor=LogitsProcessorList([Shaken(seed)] if seed else []),
    )
    return output[0, len(prompt) :].tolist()


def main() -> None:
    torch.set_num_threads(1)
    transformers.utils.logging.set_verbosity_error()
    cases = []
    for name in ("llama", "gpt2", "opt"):
        model = opened(name)
        greedy = [run(model, prompt, {}) for prompt in PROMPTS]
        end = greedy[0][2]
        more = [
            dict(penalty_alpha=0.6, top_k=4, no_repeat_ngram_size=1),
            dict(penalty_alpha=0.6, top_k=4, eos_token_id=None),
        ]
        plain = run(model, PROMPTS[0], dict(penalty_alpha=0.6, top_k=4))
        more[1]["eos_token_id"] = plain[5]
        seen = set()
        for settings in [dict(penalty_alpha=alpha, top_k=k) for k, alpha in RULES] + more:
            texts = [run(model, prompt, settings) for prompt in PROMPTS]
            shaken = [[run(model, prompt, settings, seed) for prompt in PROMPTS] for seed in (1, 2, 3)]
            if any(other != texts for other in shaken):
                print(f"{name} {settings}: hangs on rounding, left out")
                continue
            if texts == greedy or str(texts) in seen:
                print(f"{name} {settings}: says nothing new, left out")
                continue
            seen.add(str(texts))
            cases.append(dict(model=name, settings=settings, prompts=PROMPTS, ids=texts))
    counts = {name: sum(case["model"] == name for case in cases) for name in ("llama", "gpt2", "opt")}
    assert min(counts.values()) >= 3 and sum(counts.values()) >= 12, counts
    made_with = dict(transformers=transformers.__version__, torch=torch.__version__.split("+")[0])
    path = HERE / "contrastive.json"
    path.write_text(json.dumps(dict(made_with=made_with, new=NEW, cases=cases)) + "\n")
    print(counts, path.stat().st_size)


if __name__ == "__main__":
    main()
