"""What some cases are besides a preset of their family."""

import json
import re
from pathlib import Path

import h5py
import keras
import numpy as np

# The classes and modules as KerasNLP named them.
OLD_NAMES = [
    ("keras_hub", "keras_nlp"),
    ("BertTextClassifierPreprocessor", "BertPreprocessor"),
    ("BertTextClassifier", "BertClassifier"),
    ("bert_text_classifier_preprocessor", "bert_preprocessor"),
    ("bert_text_classifier", "bert_classifier"),
]


def old_style(folder: Path) -> None:
    """Rewrites a BERT classifier as KerasNLP wrote it, with the weights' paths of Keras 2.13."""
    for file in folder.glob("*.json"):
        text = file.read_text()
        for new, old in OLD_NAMES:
            text = text.replace(new, old)
        content = json.loads(text)
        if file.name == "config.json":
            del content["config"]["dtype"]
            content |= dict(assets=[], weights="model.weights.h5")
        if file.name == "tokenizer.json":
            content |= dict(assets=["assets/tokenizer/vocabulary.txt"], weights=None)
        file.write_text(json.dumps(content, indent=4))
    for file in folder.glob("*.h5"):
        old_paths(file)


def old_paths(file: Path) -> None:
    with h5py.File(file) as source:
        paths = []
        source.visit(paths.append)
        datasets = {path: source[path][()] for path in paths if isinstance(source[path], h5py.Dataset)}
    with h5py.File(file, "w") as target:
        for path, value in datasets.items():
            path = re.sub(r"\b(query|key|value|output)_dense", r"_\1_dense", path)
            target[path.replace("layers/", "_layer_checkpoint_dependencies/")] = value
        for place, value in enumerate([np.int64(7), np.float32(1e-4)]):
            if f"optimizer/vars/{place}" not in target:
                target[f"optimizer/vars/{place}"] = value


def dequantized(model):
    """The model without quantization, with the weights that the whole numbers and their scales stand for."""
    config = model.backbone.get_config()
    del config["dtype"]
    plain = type(model)(backbone=type(model.backbone).from_config(config), preprocessor=model.preprocessor)
    stored = {variable.path: keras.ops.convert_to_numpy(variable) for variable in model.backbone.variables}
    for variable in plain.backbone.variables:
        value, scale = stored[variable.path], stored.get(variable.path + "_scale")
        if scale is None:
            assert value.dtype == np.float32, variable.path
        elif variable.path.endswith("/embeddings"):
            value = value / scale[:, None]
        else:
            # The scales are those of the axes that the output keeps, which come last.
            value = (value.reshape(-1, scale.size) / scale.ravel()).reshape(value.shape)
        variable.assign(value)
    return plain
