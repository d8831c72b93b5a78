"""Golden cases of presets, made by KerasHub.

    python tests/golden/keras/make.py [NAME ...]

Pins: keras-hub 0.32.0, keras 3.15.1, tensorflow-cpu 2.21.0, tensorflow-text 2.21.1, sentencepiece 0.2.3,
tokenizers 0.23.3, h5py 3.14.0, safetensors 0.8.0.

What the cases are stands in `cases.py`. Each is a folder beside this script:

    the files of `save_to_preset`    a small seeded random model with its tokenizer, no weight of which is zero or one
    case.json            `class`; `texts`; `token_ids`, those that the tokenizer gives for each text alone;
                         `detokenized`, what it makes of them again; `packed`, what the preprocessor makes of all texts,
                         without the padding, and without masks for masked language models. For encoder-decoders
                         `decoder_texts`, that are to be written. For classifiers `pairs`, the same of two segments
    case.safetensors     `hidden.i`, the backbone's output for the packed text i, alone and unpadded, `pooled.i` where
                         it has one, and `logits.i`: of the text for classifiers, else of each token. `encoder.i` and
                         `decoder.i` for encoder-decoders. `pairs.hidden.i`, ... for pairs

The preset is opened again by `from_preset` (in float32), and what is stored is what the opened preset gives. (Of whole
numbers: what an ordinary model gives with the weights that they stand for.)
"""

import json
import os
import re
import shutil
import sys
import zlib
from pathlib import Path

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import keras_hub
import numpy as np
from cases import CASES, Case
from safetensors.numpy import save
from variants import dequantized

HERE = Path(__file__).parent
# Most of it is the frame that HDF5 makes for each group. Gemma 3 needs six layers.
MAX_CASE_BYTES = 400_000


def classes(case: Case):
    """The classes of the case: its own, and those of its backbone, preprocessor and tokenizer."""
    model = getattr(keras_hub.models, case.model)
    preprocessor = getattr(model, "preprocessor_cls", None)
    backbone = getattr(model, "backbone_cls", model)
    tokenizer = getattr(keras_hub.models, backbone.__name__.replace("Backbone", "Tokenizer"))
    return model, backbone, preprocessor, tokenizer


def built(name: str, case: Case):
    """The random model and its tokenizer."""
    keras.utils.clear_session()
    model_class, backbone_class, preprocessor_class, tokenizer_class = classes(case)
    tokenizer = tokenizer_class(**case.tokenizer())
    size = "vocab_size" if case.model.startswith("Electra") else "vocabulary_size"
    model = backbone_class(**{size: tokenizer.vocabulary_size()}, **case.backbone, **case.untold)
    if preprocessor_class:
        preprocessor = preprocessor_class(tokenizer, **case.preprocessor)
        model = model_class(backbone=model, preprocessor=preprocessor, **case.task)
    randomize(model, case.drawn_as or name)
    if case.quantize:
        model.backbone.quantize(case.quantize)
    return model, tokenizer


def randomize(model, name: str) -> None:
    """Draws every weight. Vectors vary about the value that they start from: 1 or 0 for norms, 0 for biases."""
    for place, variable in enumerate(model.trainable_weights):
        random = np.random.default_rng(zlib.crc32(f"{name} {place}".encode()))
        spread = 0.5 if re.search("embeddings|relative|gate_dense/kernel", variable.path) else 0.25
        middle = np.round(np.mean(keras.ops.convert_to_numpy(variable))) if len(variable.shape) == 1 else 0.0
        variable.assign(middle + spread * random.normal(size=variable.shape))
        values = keras.ops.convert_to_numpy(variable)
        assert values.dtype != np.float32 or not np.isin(values, [0, 1]).any(), variable.path


def opened(case: Case, folder: Path):
    """The model and its tokenizer, read back from the preset."""
    keras.utils.clear_session()
    model_class, backbone_class, preprocessor_class, tokenizer_class = classes(case)
    if case.untold:
        backbone = backbone_class.from_preset(str(folder), **case.untold)
        model = model_class(backbone=backbone, preprocessor=preprocessor_class.from_preset(str(folder)))
    else:
        model = model_class.from_preset(str(folder))
    return model, model.preprocessor.tokenizer if preprocessor_class else tokenizer_class.from_preset(str(folder))


def numbers(value):
    """As lists of Python's."""
    return np.asarray(value).tolist()


def packed_rows(model, case: Case, tokenizer, texts) -> dict[str, list[list[int]]]:
    """What the preprocessor gives for a batch, without the padding. Nothing is masked for a masked language model."""
    if not hasattr(model, "preprocessor"):
        packer = keras_hub.layers.MultiSegmentPacker(
            18, tokenizer.start_token_id, tokenizer.end_token_id, pad_value=tokenizer.pad_token_id
        )
        texts = texts if isinstance(texts, tuple) else (texts,)
        ids, segments = packer(tuple(tokenizer(segment) for segment in texts))
        found = dict(token_ids=ids, segment_ids=segments, padding_mask=np.asarray(ids) != tokenizer.pad_token_id)
    else:
        preprocessor = model.preprocessor
        if hasattr(preprocessor, "mask_selection_rate"):
            config = preprocessor.get_config() | dict(mask_selection_rate=0.0)
            config = {key: config[key] for key in ["sequence_length", "truncate", "mask_selection_rate"]}
            preprocessor = type(preprocessor)(tokenizer, **config)
        # A tuple alone would be taken for texts, labels and weights.
        found = preprocessor(texts, None, None) if isinstance(texts, tuple) else preprocessor(texts)
    found = found[0] if isinstance(found, tuple) else found
    found = {key: np.asarray(value) for key, value in found.items() if key != "mask_positions"}
    found.setdefault("padding_mask", found.get("token_ids", 0) != getattr(tokenizer, "pad_token_id", 0))
    rows = {}
    for key, value in found.items():
        if not key.endswith("padding_mask"):
            mask = found[(re.match("(en|de)coder_", key) or [""])[0] + "padding_mask"].astype(bool)
            rows[key] = [row[keep].tolist() for row, keep in zip(value, mask, strict=True)]
    return rows


def inputs_of(model, row: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """One unpadded row, or a batch, as the model takes it."""
    row = dict(row)
    for key in list(row):
        if key.endswith("token_ids"):
            row.setdefault(key.replace("token_ids", "padding_mask"), np.ones_like(row[key]))
    if "token_ids" in row:
        count, length = row["token_ids"].shape
        row["mask_positions"] = np.tile(np.arange(length, dtype=np.int32), (count, 1))
    return {key: row[key] for key in model.input}


def outputs_of(model, row: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Everything that is stored of a batch."""
    backbone = getattr(model, "backbone", model)
    found = backbone(inputs_of(backbone, row), training=False)
    found = found if isinstance(found, dict) else dict(sequence_output=found)
    names = dict(
        sequence_output="hidden", pooled_output="pooled", encoder_sequence_output="encoder",
        decoder_sequence_output="decoder",
    )
    outputs = {names[key]: value for key, value in found.items()}
    if backbone is not model:
        outputs["logits"] = model(inputs_of(model, row), training=False)
    return {key: np.asarray(keras.ops.convert_to_numpy(value), np.float32) for key, value in outputs.items()}


def outputs_of_rows(model, rows: dict[str, list[list[int]]]) -> list[dict[str, np.ndarray]]:
    """Runs each row alone."""
    count = len(next(iter(rows.values())))
    outputs = []
    for index in range(count):
        row = {key: np.array([value[index]], np.int32) for key, value in rows.items()}
        outputs.append({key: value[0] for key, value in outputs_of(model, row).items()})
    return outputs


def check_same(these, those, most: float) -> None:
    """That no output differs by more than a share of the largest."""
    for this, that in zip(these, those, strict=True):
        for key in this:
            assert np.abs(this[key] - that[key]).max() <= most * np.abs(that[key]).max(), key


def make(name: str, case: Case) -> int:
    """Writes one case and returns its size in bytes."""
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    model, tokenizer = built(name, case)
    model.save_to_preset(str(folder), **case.save)
    if not hasattr(model, "preprocessor"):
        tokenizer.save_to_preset(str(folder))
    if case.rewrite:
        case.rewrite(folder)
    first = model
    model, tokenizer = opened(case, folder)
    if case.quantize:
        model = dequantized(model)

    texts = case.all_texts()
    token_ids = [numbers(tokenizer(text)) for text in texts]
    about = dict({"class": case.model}, texts=texts, token_ids=token_ids)
    about["detokenized"] = [str(tokenizer.detokenize(ids)) for ids in token_ids]
    read = texts
    if case.decoder_texts:
        about["decoder_texts"] = case.decoder_texts
        read = dict(encoder_text=texts, decoder_text=case.decoder_texts)
    if case.model.startswith("Gemma3"):
        read = dict(prompts=texts, responses=[""] * len(texts))
    about["packed"] = packed_rows(model, case, tokenizer, read)
    outputs = outputs_of_rows(model, about["packed"])
    # Where weights are rounded, so are the activations of the model that was saved.
    most = 1e-6 if first.dtype_policy.name == "float32" and not case.quantize else 0.1
    check_same(outputs, outputs_of_rows(first, about["packed"]), most)
    tensors = {f"{key}.{index}": value for index, row in enumerate(outputs) for key, value in row.items()}
    if case.pairs:
        sides = tuple([pair[side] for pair in case.pairs] for side in range(2))
        rows = packed_rows(model, case, tokenizer, sides)
        ids = [[numbers(tokenizer(segment)) for segment in pair] for pair in case.pairs]
        about["pairs"] = dict(texts=case.pairs, token_ids=ids, packed=rows)
        for index, row in enumerate(outputs_of_rows(model, rows)):
            tensors |= {f"pairs.{key}.{index}": value for key, value in row.items()}

    assert all(np.isfinite(value).all() for value in tensors.values())
    (folder / "case.safetensors").write_bytes(save(tensors))
    (folder / "case.json").write_text(in_lines(about))
    return size_of(folder)


def in_lines(about: dict) -> str:
    """As JSON, each list of numbers in a line."""
    text = json.dumps(about, indent=1, ensure_ascii=False) + "\n"
    return re.sub(r"\[[\s\d,]*\]", lambda numbers: "".join(numbers[0].split()).replace(",", ", "), text)


def size_of(folder: Path) -> int:
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    assert size < MAX_CASE_BYTES, f"{folder.name} takes {size} bytes"
    return size


if __name__ == "__main__":
    # KerasHub writes sets of special tokens in the order of their hashes.
    if os.environ.get("PYTHONHASHSEED") != "0":
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | {"PYTHONHASHSEED": "0"})
    for name in sys.argv[1:] or CASES:
        print(f"{name:28} {make(name, CASES[name]):8}", flush=True)
