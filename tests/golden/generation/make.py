"""Golden cases for the settings of generation, made by the reference library.

    python tests/golden/generation/make.py

Pins: transformers 5.24.0, torch 2.15.0, tokenizers 0.23.3.

The model is the golden decoder `../decoders/llama`. Written beside this script:

    texts.json      for each case what `generation_config.json` says (`file`, none where there is no such file), keys that
                    `config.json` has beside its own (`config`), options of the call (`options`), prompts, and the ids that
                    the reference writes after each
    samplers.json   rows of logits, and for each case (`file`) the probability of every token that may be drawn, row by row;
                    `keys` are all that the reference reads of a `generation_config.json`

The reference runs in f64. In every text, the two largest scores differ by more than 1e-3 at each step unless the rest are
impossible, and what the settings change is seen: no case but the plain one gives the plain one's ids. Options of ours that
the reference calls otherwise stand under our name; `make.py` translates them.

The tokenizer, which stop strings need, has a token for each character from `?` to `~`, after `<s>`, `</s>` and `<unk>`.
"""

import json
import shutil
import tempfile
from pathlib import Path

import tokenizers
import torch
import transformers
from transformers import AutoModelForCausalLM, GenerationConfig, PreTrainedTokenizerFast

HERE = Path(__file__).parent
MODEL = HERE.parent / "decoders" / "llama"
LEAST_GAP = 1e-3
PROMPTS = [[1, 47, 17, 46, 65, 51, 32, 21], [17], [5, 6, 5, 6, 40, 41, 5]]
NEW = 14

# name: (generation_config.json, keys of config.json, options)
TEXTS = {
    "plain": ({}, {}, {}),
    "no_repeat_ngram_size": ({"no_repeat_ngram_size": 2}, {}, {}),
    "no_repeat_ngram_size of one": ({"no_repeat_ngram_size": 1}, {}, {}),
    "encoder_no_repeat_ngram_size": ({"encoder_no_repeat_ngram_size": 1}, {}, {}),
    "repetition_penalty": ({"repetition_penalty": 1.7}, {}, {}),
    "encoder_repetition_penalty": ({"encoder_repetition_penalty": 3.0}, {}, {}),
    "suppress_tokens": ({"suppress_tokens": [-1, *range(10, 40)]}, {}, {}),
    "begin_suppress_tokens": ({"begin_suppress_tokens": list(range(4, 67, 2))}, {}, {}),
    "bad_words_ids": ({"bad_words_ids": "found"}, {}, {}),
    "bad_words_ids that end texts": ({"bad_words_ids": "found", "eos_token_id": "third"}, {}, {}),
    "sequence_bias": ({"sequence_bias": [[[20], 4.0], [[20, 21], 9.0], [[20, 21, 33], 12.0]]}, {}, {}),
    "min_new_tokens": ({"min_new_tokens": 6, "eos_token_id": "third"}, {}, {}),
    "min_length": ({"min_length": 12, "eos_token_id": "third"}, {}, {}),
    "both least lengths": ({"min_length": 16, "min_new_tokens": 4, "eos_token_id": "third"}, {}, {}),
    "forced_bos_token_id": ({"forced_bos_token_id": 44}, {}, {}),
    "forced_bos and begin_suppress": ({"forced_bos_token_id": 44, "begin_suppress_tokens": list(range(4, 67, 2))}, {}, {}),
    "forced_eos_token_id": ({"forced_eos_token_id": 50}, {}, {}),
    "forced_eos_token_id of several": ({"forced_eos_token_id": [51, 50], "eos_token_id": [51]}, {}, {}),
    "exponential_decay_length_penalty": ({"exponential_decay_length_penalty": [2, 1.6], "eos_token_id": "some"}, {}, {}),
    "eos_token_id of a list": ({"eos_token_id": "some"}, {}, {}),
    "eos_token_id of minus one": ({"eos_token_id": [-1, "third"]}, {}, {}),
    "eos_token_id of config.json": (None, {"eos_token_id": "third"}, {}),
    "eos_token_ids of config.json": (None, {"eos_token_id": "some"}, {}),
    "settings of config.json": (None, {"eos_token_id": "third", "no_repeat_ngram_size": 2, "min_length": 12}, {}),
    "max_length": ({"max_length": 14}, {}, {"max_new_tokens": None}),
    "stop_strings": ({"stop_strings": "found"}, {}, {}),
    "stop_strings of several": ({"stop_strings": ["never there", "found"]}, {}, {}),
    "all together": (
        {
            "no_repeat_ngram_size": 2, "repetition_penalty": 1.2, "suppress_tokens": [12, 13], "min_new_tokens": 5,
            "eos_token_id": "some", "forced_eos_token_id": 50, "bad_words_ids": "found",
        },
        {}, {},
    ),
    "option for no_repeat_ngram_size": ({"no_repeat_ngram_size": 2}, {}, {"no_repeat_ngram_size": 1}),
    "option for suppress_tokens": ({"suppress_tokens": list(range(10, 40))}, {}, {"suppress_tokens": [20, 21, 22, 23]}),
    "option for repetition_penalty": ({"repetition_penalty": 0.2}, {}, {"repetition_penalty": 1.7}),
    "option for eos_token_id": ({"eos_token_id": "some"}, {}, {"eos_token_id": "third"}),
    "options alone": (
        {}, {},
        {
            "no_repeat_ngram_size": 2, "begin_suppress_tokens": list(range(4, 67, 2)), "bad_words_ids": "found",
            "forced_eos_token_id": [51], "min_length": 12, "eos_token_id": "some",
        },
    ),
}

SAMPLERS = [
    {},
    {"top_k": None},
    {"top_k": 0},
    {"top_k": 7, "temperature": 0.7},
    {"top_k": 0, "top_p": 0.6},
    {"top_k": 12, "top_p": 0.6},
    {"top_k": 12, "top_p": 0.0},
    {"top_k": 0, "min_p": 0.1, "temperature": 1.7},
    {"top_k": 0, "typical_p": 0.3},
    {"top_k": 0, "typical_p": 0.9},
    {"top_k": 9, "typical_p": 0.5, "temperature": 1.3},
    {"top_k": 0, "epsilon_cutoff": 0.02},
    {"top_k": 10, "epsilon_cutoff": 0.08},
    {"top_k": 0, "epsilon_cutoff": 0.9},
    {"top_k": 0, "epsilon_cutoff": 1.5},
    {"top_k": 0, "eta_cutoff": 0.05},
    {"top_k": 30, "eta_cutoff": 0.3, "temperature": 0.8},
    {"top_k": 0, "top_h": 0.4},
    {"top_k": 5, "top_h": 0.8, "temperature": 1.4},
    {"top_k": 20, "top_p": 0.9, "min_p": 0.03, "typical_p": 0.8, "epsilon_cutoff": 0.03, "eta_cutoff": 0.04},
]


def filled(value, words: dict):
    """The value with `found`, `third` and `some` replaced by what the plain texts have."""
    if isinstance(value, str):
        return words.get(value, value)
    if isinstance(value, list):
        return [filled(one, words) for one in value]
    return value


def tokenizer() -> PreTrainedTokenizerFast:
    size = json.loads((MODEL / "config.json").read_text())["vocab_size"]
    tokens = ["<s>", "</s>", "<unk>", *(chr(ord("?") + at) for at in range(size - 3))]
    inner = tokenizers.Tokenizer(
        tokenizers.models.WordLevel({token: id for id, token in enumerate(tokens)}, unk_token="<unk>")
    )
    inner.pre_tokenizer = tokenizers.pre_tokenizers.Split("", "isolated")
    inner.decoder = tokenizers.decoders.Fuse()
    return PreTrainedTokenizerFast(tokenizer_object=inner, unk_token="<unk>", bos_token="<s>", eos_token="</s>")


def opened(folder: Path, file: dict | None, config: dict):
    shutil.copy(MODEL / "model.safetensors", folder)
    own = json.loads((MODEL / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(own | config))
    if file is not None:
        (folder / "generation_config.json").write_text(json.dumps(file))
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).double().eval()


def written(file: dict | None, config: dict, options: dict) -> list[list[int]]:
    with tempfile.TemporaryDirectory() as folder:
        model = opened(Path(folder), file, config)
        texts = []
        for prompt in PROMPTS:
            ids = torch.tensor([prompt])
            asked = {"max_new_tokens": NEW} | options
            output = model.generate(
                ids, attention_mask=torch.ones_like(ids), tokenizer=tokenizer(), return_dict_in_generate=True,
                output_scores=True, pad_token_id=0, **{key: value for key, value in asked.items() if value is not None},
            )
            for scores in output.scores:
                first, second = scores[0].topk(2).values.tolist()
                # Two that are forced are alike, and the first of them is taken.
                forced = second == 0.0 and scores[0].isfinite().sum() == 2
                assert first - second > LEAST_GAP or forced, (file, options, first, second)
            texts.append(output.sequences[0][len(prompt) :].tolist())
        return texts


def texts() -> list[dict]:
    plain = written({}, {}, {})
    third = plain[0][2]
    letters = [chr(ord("?") + id - 3) for id in plain[0]]
    some = sorted({plain[0][7], plain[1][5], plain[2][9]})
    cases = []
    for name, (file, config, options) in TEXTS.items():
        for_words = {"found": "".join(letters[5:8]), "third": third, "some": some}
        parts = []
        for part in (file, config, options):
            words = dict(for_words)
            if part and "bad_words_ids" in part:
                words["found"] = [[third], plain[1][3:5], plain[2][4:7]]
            parts.append(part and {key: filled(value, words) for key, value in part.items()})
        file, config, options = parts
        ids = written(file, config, options)
        assert (ids == plain) == (name == "plain"), name
        ours = {key: value for key, value in options.items() if value is not None}
        if "max_new_tokens" not in options:
            ours["max_new_tokens"] = NEW
        cases.append(dict(name=name, file=file, config=config, options=ours, ids=ids))
    return cases


def samplers() -> dict:
    generator = torch.Generator().manual_seed(7)
    # Logits are f32 in the file and here: a rule that compares with a bound sees the same numbers.
    logits = [(spread * torch.randn(67, generator=generator)).tolist() for spread in (0.5, 1.5, 3.0)]
    rows = torch.tensor(logits, dtype=torch.float32)
    cases = []
    with tempfile.TemporaryDirectory() as folder:
        for rules in SAMPLERS:
            file = {"do_sample": True} | rules
            model = opened(Path(folder), file, {})
            config, _ = model._prepare_generation_config(None)
            model._prepare_special_tokens(config, True, device="cpu")
            processors = model._get_logits_processor(config, input_ids_seq_length=2, device="cpu")
            kept = processors(torch.tensor([[4, 5]] * len(rows)), rows.double()).softmax(-1)
            kept = [{id: p for id, p in enumerate(row.tolist()) if p > 0} for row in kept]
            cases.append(dict(file=file, probabilities=[[[id, round(p, 9)] for id, p in row.items()] for row in kept]))
    return dict(logits=rows.tolist(), cases=cases, keys=sorted(vars(GenerationConfig())))


def write(name: str, value: dict) -> None:
    path = HERE / name
    path.write_text(json.dumps(value) + "\n")
    size = path.stat().st_size
    assert size < 300_000, f"{name} takes {size} bytes"
    print(f"{name:16} {size:8}")


def main() -> None:
    torch.set_num_threads(1)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    made_with = dict(transformers=transformers.__version__, torch=torch.__version__.split("+")[0])
    write("texts.json", dict(made_with=made_with, prompts=PROMPTS, cases=texts()))
    write("samplers.json", dict(made_with=made_with) | samplers())


if __name__ == "__main__":
    main()
