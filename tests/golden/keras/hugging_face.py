"""Whether transformers opens what `engraft convert --to hf` makes of KerasHub's presets, and computes what KerasHub does.

    python tests/golden/keras/hugging_face.py ENGRAFT [NAME ...]

ENGRAFT is the program. Each case is converted anew and opened by the class that its `config.json` names: states and logits are to be those of
`case.safetensors` within 1e-4, and the tokenizer is to give the ids of `case.json`. What was opened is noted in `hugging_face.json`, by the sha256 of
each file, and a test asserts that the same bytes are still written. What is refused is written with `--approximate` and opened too; its deviation is
printed and nothing of it noted.

Pins: transformers 5.24.0, torch 2.15.0, tokenizers 0.23.3, sentencepiece 0.2.3, safetensors 0.8.0.
"""

import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file

HERE = Path(__file__).parent
NOTED = HERE / "hugging_face.json"
# Texts that KerasHub makes other tokens of than ours, as `library/keras.rs` says. Then those of which transformers does: a special token in a text is
# text to it, also where the file finds it, and the crate `tokenizers` finds control pieces in texts.
OTHERS = [("esm", "MKTVRQ"), ("esm", "<mask>"), ("albert", "[MASK]"), ("t5", "</s>")]
# Heads of Gemma 3 and T5Gemma need not divide hidden states, and in the cases they do not.
for config in [transformers.Gemma3TextConfig, transformers.T5GemmaModuleConfig]:
    config.__class_validators__ = []


def convert(program: str, name: str, target: Path) -> str:
    """Converts a case; gives why that was refused, if it was, and then approximates it."""
    command = [str(Path(program).resolve()), "convert", str(HERE / name), str(target), "--to", "hf"]
    if name == "llama_sharded":
        command += ["--max-shard-size", "0.00002"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode == 0:
        return ""
    subprocess.run([*command, "--approximate"], capture_output=True)
    return done.stderr.strip()


def outputs(model, packed: dict, row: int) -> dict:
    def ids(key):
        return torch.tensor([packed[key][row]])

    if "encoder_token_ids" in packed:
        found = model(
            input_ids=ids("encoder_token_ids"), decoder_input_ids=ids("decoder_token_ids"), output_hidden_states=True
        )
        states = dict(encoder=found.encoder_last_hidden_state, decoder=found.decoder_hidden_states[-1])
        return states | dict(logits=found.logits)
    inputs = dict(input_ids=ids("token_ids"))
    if "segment_ids" in packed:
        inputs["token_type_ids"] = ids("segment_ids")
    found = dict(hidden=model.base_model(**inputs).last_hidden_state)
    output = model(**inputs)
    return found | (dict(logits=output.logits) if "logits" in output else {})


def largest_difference(model, name: str, about: dict) -> float:
    expected = load_file(HERE / name / "case.safetensors")
    largest = 0.0
    for prefix, packed in [("", about["packed"]), ("pairs.", about.get("pairs", {}).get("packed", {}))]:
        for row in range(len(next(iter(packed.values()), []))):
            for key, value in outputs(model, packed, row).items():
                largest = max(largest, (value[0] - expected[f"{prefix}{key}.{row}"]).abs().max().item())
    return largest


def check_tokens(tokenizer, name: str, about: dict) -> None:
    for text, ids in zip(about["texts"], about["token_ids"], strict=True):
        if not any(name.startswith(case) and part in text for case, part in OTHERS):
            found = tokenizer(text, add_special_tokens=False)["input_ids"]
            assert found == ids, (text, found, ids)


def main() -> None:
    program, *names = sys.argv[1:]
    noted = json.loads(NOTED.read_text()) if NOTED.exists() else {}
    failed = []
    for name in names or sorted(path.parent.name for path in HERE.glob("*/case.json")):
        about = json.loads((HERE / name / "case.json").read_text())
        with tempfile.TemporaryDirectory() as scratch, torch.inference_mode():
            folder = Path(scratch) / name
            refusal = convert(program, name, folder)
            # BLOOM's inner layers have no other width in transformers, so that there is no approximation.
            if refusal and not folder.exists():
                print(f"{name:28} {refusal[:160]}", flush=True)
                continue
            try:
                config = json.loads((folder / "config.json").read_text())
                model_class = getattr(transformers, config["architectures"][0])
                # Sizes this small are too odd for the product of all experts at once.
                model = model_class.from_pretrained(folder, dtype=torch.float32, experts_implementation="eager").eval()
                difference = largest_difference(model, name, about)
                check_tokens(transformers.AutoTokenizer.from_pretrained(folder), name, about)
            except Exception as error:
                failed.append(name)
                print(f"{name:28} {type(error).__name__}: {str(error)[:300]}", flush=True)
                continue
            print(f"{name:28} {difference:.1e} {refusal[:160]}", flush=True)
            if refusal:
                continue
            if difference > 1e-4:
                failed.append(name)
            files = sorted(file for file in folder.rglob("*") if file.is_file())
            noted[name] = {
                str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files
            }
    NOTED.write_text(json.dumps(dict(sorted(noted.items())), indent=1) + "\n")
    assert not failed, failed


if __name__ == "__main__":
    main()
