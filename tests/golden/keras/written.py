"""Whether KerasHub opens the presets that `engraft convert --to keras` writes, and computes the same with them.

    python tests/golden/keras/written.py ENGRAFT [NAME ...]

ENGRAFT is the program. Each case is converted to a preset anew, which KerasHub then opens by `from_preset`: its tokenizer is to give the ids of
`case.json`, and its model the numbers of `case.safetensors` within 1e-4. What was opened is noted in `written.json`, by the sha256 of each file, and
a test asserts that the same bytes are still written. Pins as in `make.py`.
"""

import hashlib
import json
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

# It sets the backend.
from make import HERE, numbers, opened, outputs_of_rows, packed_rows  # noqa: I001
from cases import CASES

import numpy as np
from safetensors.numpy import load_file

NOTED = HERE / "written.json"


def largest_difference(name: str, folder: Path) -> float:
    """Opens a preset, and compares what it gives with the case."""
    # What a preset does not tell, one of ours does not need: a tied matrix is written twice.
    case = replace(CASES[name], untold={})
    model, tokenizer = opened(case, folder)
    about = json.loads((HERE / name / "case.json").read_text())
    for text, ids in zip(about["texts"], about["token_ids"], strict=True):
        found = numbers(tokenizer(text))
        assert found == ids, (text, found, ids)
    expected = load_file(HERE / name / "case.safetensors")
    found = {}
    for prefix, rows in [("", about["packed"]), ("pairs.", about.get("pairs", {}).get("packed"))]:
        if rows:
            for index, row in enumerate(outputs_of_rows(model, rows)):
                found |= {f"{prefix}{key}.{index}": value for key, value in row.items()}
    assert found.keys() == expected.keys(), found.keys() ^ expected.keys()
    return max(float(np.abs(found[key] - expected[key]).max()) for key in expected)


def hashes(folder: Path) -> dict[str, str]:
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def main() -> None:
    program, *names = sys.argv[1:]
    noted = json.loads(NOTED.read_text()) if NOTED.exists() else {}
    failed = []
    for name in names or CASES:
        with tempfile.TemporaryDirectory() as scratch:
            target = Path(scratch) / name
            command = [str(Path(program).resolve()), "convert", str(HERE / name), str(target), "--to", "keras"]
            if name == "llama_sharded":
                command += ["--max-shard-size", "0.00002"]
            subprocess.run(command, check=True, capture_output=True)
            try:
                difference = largest_difference(name, target)
            except Exception as error:
                failed.append(name)
                print(f"{name:28} {type(error).__name__}: {str(error)[:300]}", flush=True)
                continue
            print(f"{name:28} {difference:.1e}", flush=True)
            assert difference < 1e-4, name
            noted[name] = hashes(target)
            del noted[name]["metadata.json"]
    NOTED.write_text(json.dumps(dict(sorted(noted.items())), indent=1) + "\n")
    assert not failed, failed


if __name__ == "__main__":
    main()
