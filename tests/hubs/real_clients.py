"""The hubs' own clients and engraft on one hub and one cache: each opens what the other fetched.

The hub is the one of the tests, on loopback (`crates/loopback`), where Kaggle's client looks for it with KAGGLE_API_ENVIRONMENT=TEST. From the
root of the repository:

    python3 -m venv /tmp/hubs && /tmp/hubs/bin/pip install huggingface_hub==2.4.0 kagglehub==1.0.3
    cargo build --release && cargo build --release -p engraft-loopback --example serve
    /tmp/hubs/bin/python tests/hubs/real_clients.py

It needs no network beside loopback, writes into a temporary folder alone, and prints a line for each thing that holds.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
GOLDEN = ROOT / "tests" / "golden"
MODEL = "org/encoder"
KAGGLE = "keras/bert/keras/bert_base_en/3"
MANY = "org/many/keras/many/1"


def lay_out(folder):
    """The models that the hub has: a small one of Hugging Face, one of KerasHub, and one of more files than come one by one."""
    encoder = folder / "models" / MODEL
    shutil.copytree(GOLDEN / "models" / "bert_cls", encoder)
    (encoder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]) + "\n")
    (encoder / "large.safetensors").write_bytes(os.urandom(200_000))
    shutil.copytree(GOLDEN / "keras" / "bert", folder / "kaggle" / KAGGLE)
    many = folder / "kaggle" / MANY
    many.mkdir(parents=True)
    (many / "config.json").write_text("{}")
    for number in range(30):
        (many / f"part_{number:02}.weights.h5").write_bytes(os.urandom(3_000))


def same(one, other):
    """Whether two folders have the same files, links followed."""
    names = [{str(path.relative_to(top)) for path in top.rglob("*") if path.is_file()} for top in (one, other)]
    return names[0] == names[1] and all((one / name).read_bytes() == (other / name).read_bytes() for name in names[0])


def engraft(place, *words):
    """Runs the program with the caches of a place."""
    environment = {**os.environ, "HF_HOME": str(place / "huggingface"), "KAGGLEHUB_CACHE": str(place / "kagglehub")}
    ended = subprocess.run([TARGET / "engraft", *words], env=environment, capture_output=True, text=True)
    if ended.returncode != 0:
        sys.exit(f"engraft {' '.join(words)}: {ended.stderr}")
    return ended.stdout


def client(place, code, offline):
    """Runs lines of Python with the caches of a place, and gives what they print last."""
    environment = {**os.environ, "HF_HOME": str(place / "huggingface"), "KAGGLEHUB_CACHE": str(place / "kagglehub"), "HOME": str(place)}
    if offline:
        environment["HF_HUB_OFFLINE"] = "1"
    ended = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    if ended.returncode != 0:
        sys.exit(f"{code}: {ended.stderr}")
    return ended.stdout.strip().splitlines()[-1]


def holds(what, truth):
    """Says that something holds, or ends."""
    if not truth:
        sys.exit(f"FAILED: {what}")
    print(f"holds: {what}")


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        lay_out(folder)
        served = [TARGET / "examples" / "serve", "--port", "7777", "--models", folder / "models", "--kaggle", folder / "kaggle"]
        hub = subprocess.Popen(served, stdout=subprocess.DEVNULL)
        os.environ.update(HF_ENDPOINT="http://127.0.0.1:7777", KAGGLE_API_ENVIRONMENT="TEST", HF_HUB_DISABLE_XET="1")
        try:
            time.sleep(1)
            check(folder)
        finally:
            hub.kill()
            hub.wait()


def check(folder):
    snapshot = "from huggingface_hub import snapshot_download as get; print(get('{}'))".format(MODEL)
    kaggle = "import kagglehub; print(kagglehub.model_download('{}'))"
    models, presets = folder / "models", folder / "kaggle"

    ours = folder / "ours"
    engraft(ours, "download", "--all", f"hf://{MODEL}", f"kaggle://{KAGGLE}", f"kaggle://{MANY}")
    path = client(ours, snapshot, offline=True)
    holds("huggingface_hub opens offline what engraft fetched", same(pathlib.Path(path), models / MODEL))
    path = client(ours, snapshot, offline=False)
    holds("and finds nothing missing when it asks the hub", same(pathlib.Path(path), models / MODEL))
    scanned = client(ours, "from huggingface_hub import scan_cache_dir as scan; print(len(scan().warnings))", offline=True)
    holds("and its scan of the cache has no warnings", scanned == "0")
    for name in (KAGGLE, MANY):
        path = client(ours, kaggle.format(name), offline=False)
        holds(f"kagglehub opens what engraft fetched of {name}", same(pathlib.Path(path), presets / name))

    theirs = folder / "theirs"
    client(theirs, snapshot, offline=False)
    for name in (KAGGLE, MANY):
        client(theirs, kaggle.format(name), offline=False)
    for name in (f"hf://{MODEL}", f"kaggle://{KAGGLE}", f"kaggle://{MANY}"):
        said = engraft(theirs, "download", "--all", "--offline", name)
        where = pathlib.Path(said.split("  ", 1)[1].split(" (")[0])
        origin = models / MODEL if name.startswith("hf://") else presets / name.removeprefix("kaggle://")
        holds(f"engraft opens offline what their clients fetched of {name}", same(where, origin))
    verified = engraft(theirs, "cache", "verify")
    holds("and finds no byte of it broken", "whole" in verified and "broken" not in verified)

    # A single file of KerasHub's, as it asks for them.
    mixed = folder / "mixed"
    client(mixed, f"import kagglehub; print(kagglehub.model_download('{KAGGLE}', path='config.json'))", offline=False)
    engraft(mixed, "download", f"kaggle://{KAGGLE}")
    path = client(mixed, f"import kagglehub; print(kagglehub.model_download('{KAGGLE}', path='model.weights.h5'))", offline=False)
    holds("both add to one model of Kaggle's file by file", pathlib.Path(path).read_bytes() == (presets / KAGGLE / "model.weights.h5").read_bytes())


if __name__ == "__main__":
    main()
