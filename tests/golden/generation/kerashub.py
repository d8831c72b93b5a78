"""Golden cases for KerasHub's searches, made by KerasHub.

    KERAS_BACKEND=torch python tests/golden/generation/kerashub.py

Pins: keras-hub 0.32.0, keras 3.15.1, transformers 5.24.0, torch 2.15.0.

Written beside this script:

    kerashub.json    for each case the model, a golden decoder of `../decoders`, which of KerasHub's samplers with which
                  arguments, the tokens that end a text, and the ids of the text that it returns for each prompt alone, cut
                  after the first token that ends it

The samplers are KerasHub's own; what they ask for, logits and hidden states, is computed by the reference library, in f64.
Every text is the same when logits are changed by as much as 1e-4 at random, and unlike what greedy writes.
"""

import json
from pathlib import Path

import keras
import keras_hub
import torch
import transformers
from keras_hub.samplers import BeamSampler, ContrastiveSampler
from transformers import AutoModelForCausalLM

HERE = Path(__file__).parent
DECODERS = HERE.parent / "decoders"
PROMPTS = [[1, 47, 17, 46, 65, 51, 32, 21], [17, 9], [5, 6, 5, 6, 40, 41, 5]]
NEW = 12
NOISE = 1e-4
BEAMS = [("llama", 3, 1.0), ("llama", 5, 1.0), ("llama", 4, 1.7), ("gemma3_text", 4, 0.8)]
CONTRASTS = [(4, 0.6, 1.0), (2, 0.9, 1.0), (8, 0.3, 1.0), (5, 0.95, 0.7)]
SAMPLERS = dict(beam=BeamSampler, contrastive=ContrastiveSampler)


def opened(name: str):
    return AutoModelForCausalLM.from_pretrained(DECODERS / name, dtype=torch.float32).double().eval()


def run(model, sampler, prompt: list[int], stops: list[int], seed: int | None = None) -> list[int]:
    generator = torch.Generator().manual_seed(seed) if seed else None

    def read(tokens):
        output = model(tokens.long(), output_hidden_states=True)
        logits = output.logits
        if generator:
            logits = logits + NOISE * (torch.rand(logits.shape, generator=generator, dtype=logits.dtype) * 2 - 1)
        return logits, output.hidden_states[-1]

    def after(tokens, cache, index):
        logits, hidden = read(tokens[:, : int(index)])
        return logits[:, -1], hidden[:, -1], cache

    tokens = torch.tensor([prompt + [0] * NEW])
    mask = torch.tensor([[True] * len(prompt) + [False] * NEW])
    with torch.no_grad():
        written = sampler(
            after, tokens, index=len(prompt), mask=mask, stop_token_ids=stops or None, hidden_states=read(tokens)[1]
        )
    new = written[0, len(prompt) :].tolist()
    stop = next((place + 1 for place, id in enumerate(new) if id in stops), NEW)
    return new[:stop]


def greedy(model, prompt: list[int]) -> list[int]:
    return run(model, BeamSampler(num_beams=1), prompt, [])


def main() -> None:
    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    cases = []
    asked = [(name, "beam", dict(num_beams=beams, temperature=temperature)) for name, beams, temperature in BEAMS]
    for name in ("llama", "gpt2", "opt"):
        asked += [(name, "contrastive", dict(k=k, alpha=alpha, temperature=temperature)) for k, alpha, temperature in CONTRASTS]
    for name, kind, arguments in asked:
        model = opened(name)
        sampler = SAMPLERS[kind](**arguments)
        plain = [run(model, sampler, prompt, []) for prompt in PROMPTS]
        for stops in ([], sorted({text[3] for text in plain} | {text[6] for text in plain})):
            texts = [run(model, sampler, prompt, stops) for prompt in PROMPTS]
            shaken = [[run(model, sampler, prompt, stops, seed) for prompt in PROMPTS] for seed in (1, 2, 3)]
            case = dict(model=name, sampler=kind, arguments=arguments, stops=stops, texts=texts)
            if any(other != texts for other in shaken):
                print(f"{case}: hangs on rounding, left out")
                continue
            if not stops and texts == [greedy(model, prompt) for prompt in PROMPTS]:
                print(f"{case}: what greedy writes, left out")
                continue
            assert not stops or texts != plain, case
            cases.append(case)
    counts = {kind: sum(case["sampler"] == kind for case in cases) for kind in SAMPLERS}
    assert min(counts.values()) >= 6, counts
    made_with = dict(keras_hub=keras_hub.__version__, keras=keras.__version__, transformers=transformers.__version__)
    made_with["torch"] = torch.__version__.split("+")[0]
    path = HERE / "kerashub.json"
    path.write_text(json.dumps(dict(made_with=made_with, new=NEW, prompts=PROMPTS, cases=cases)) + "\n")
    print(counts, path.stat().st_size)


if __name__ == "__main__":
    main()
