"""How KerasHub's tasks train: the losses and scores of a few steps on the small presets beside this file.

    training.py                      writes training.json

Dropout is off, so that the numbers are those of the arithmetic alone. Needs keras-hub 0.32 with tensorflow-cpu, and jax 0.7: on TensorFlow, Keras
squares the gradients of an embedding row by row before it adds up those of equal tokens, which is another optimizer.
"""

import json
import os
import pathlib

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import keras_hub
import numpy as np
import tensorflow as tf

HERE = pathlib.Path(__file__).parent
RATE = 1e-3
TEXTS = [
    "the quick brown fox",
    "a total waste of time",
    "fox",
    "the lazy dog jumped over it all",
    "what an amazing movie",
    "brown dog",
    "time and time again",
    "a",
]
# Of these none is cut, as KerasHub keeps the end token of a text that is.
SHORT = [text[:8] for text in TEXTS]
LABELS = [0, 1, 2, 0, 1, 2, 1, 0]
WEIGHTS = [1.0, 0.5, 2.0, 0.0, 1.5, 1.0, 0.25, 3.0]
# Of these, the second batch of three weighs nothing.
SOME_WEIGHTS = [1.0, 0.5, 2.0, 0.0, 0.0, 0.0, 0.25, 3.0]


def without_dropout(name):
    backbone = keras_hub.models.Backbone.from_preset(str(HERE / name), dropout=0.0)
    return backbone


def classifier(compiles=True, preprocessor="own", length=12):
    folder = HERE / "bert"
    config = json.loads((folder / "task.json").read_text())["config"]
    own = keras_hub.models.TextClassifierPreprocessor.from_preset(str(folder), sequence_length=length)
    task = keras_hub.models.BertTextClassifier(
        backbone=without_dropout("bert"),
        num_classes=config["num_classes"],
        preprocessor=own,
        dropout=0.0,
        compile=compiles,
    )
    task.load_task_weights(str(folder / "task.weights.h5"))
    if preprocessor is None:
        task.preprocessor = None
    return task, own


def adam():
    return keras.optimizers.Adam(RATE)


def numbers(history):
    return {name: [float(value) for value in values] for name, values in history.history.items()}


def classify(cases):
    task, own = classifier()
    classes = task.num_classes
    labels = [label % classes for label in LABELS]
    x, y, w = tf.constant(TEXTS), np.array(labels), np.array(WEIGHTS, "float32")
    about = {"texts": TEXTS, "labels": labels, "weights": WEIGHTS, "some_weights": SOME_WEIGHTS, "rate": RATE, "length": 12, "classes": classes}

    cases["automatic"] = numbers(task.fit(x, y, batch_size=8, epochs=3, verbose=0))

    task, _ = classifier()
    task.compile(optimizer=adam(), weighted_metrics=["sparse_categorical_accuracy"])
    cases["weights"] = numbers(task.fit(x, y, sample_weight=w, batch_size=8, epochs=3, verbose=0))
    cases["weights_evaluated"] = {
        name: [float(value)]
        for name, value in task.evaluate(x, y, sample_weight=w, batch_size=8, verbose=0, return_dict=True).items()
    }

    task, _ = classifier()
    task.compile(optimizer=adam(), weighted_metrics=["sparse_categorical_accuracy"])
    some = np.array(SOME_WEIGHTS, "float32")
    cases["weights_in_batches"] = numbers(task.fit(x, y, sample_weight=some, batch_size=3, epochs=3, verbose=0))

    task, _ = classifier()
    task.compile(optimizer=adam())
    cases["validation_split"] = numbers(
        task.fit(x, y, validation_split=0.3, batch_size=5, epochs=3, verbose=0)
    )

    task, _ = classifier()
    task.compile(optimizer=adam())
    first = numbers(task.fit(x, y, batch_size=8, epochs=1, verbose=0))
    second = numbers(task.fit(x, y, batch_size=8, epochs=2, verbose=0))
    cases["fitted_twice"] = {name: first[name] + second[name] for name in first}

    task, _ = classifier()
    task.compile(optimizer=adam())
    losses = [task.train_on_batch(TEXTS[at : at + 3], np.array(labels[at : at + 3]), return_dict=True) for at in (0, 3, 1)]
    cases["on_batch"] = {"loss": [float(it["loss"]) for it in losses]}

    task, own = classifier(preprocessor=None)
    task.compile(optimizer=adam())
    ids = own(x)
    rows = {name: np.array(value) for name, value in ids.items()}
    about["token_ids"] = rows["token_ids"].tolist()
    about["padding_mask"] = rows["padding_mask"].astype(int).tolist()
    cases["tokens"] = numbers(task.fit(rows, y, batch_size=8, epochs=3, verbose=0))

    task, _ = classifier()
    task.compile(optimizer=adam())
    sizes = [3, 1, 4]
    about["batches"] = sizes

    def batches():
        start = 0
        for size in sizes:
            yield tf.constant(TEXTS[start : start + size]), np.array(labels[start : start + size])
            start += size

    signature = (tf.TensorSpec([None], tf.string), tf.TensorSpec([None], tf.int64))
    data = tf.data.Dataset.from_generator(batches, output_signature=signature)
    cases["batches"] = numbers(task.fit(data, epochs=2, verbose=0))

    task, _ = classifier(compiles=False)
    try:
        task.fit(x, y, batch_size=8, epochs=1, verbose=0)
        raise SystemExit("an uncompiled model was trained")
    except ValueError:
        pass
    task.compile(
        optimizer=keras.optimizers.SGD(0.1),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["sparse_categorical_accuracy"],
    )
    cases["uncompiled"] = numbers(task.fit(x, y, batch_size=8, epochs=3, verbose=0))
    for name in ("adam", "adamw", "sgd", "rmsprop", "adagrad"):
        task, _ = classifier()
        task.compile(optimizer=name)
        cases[name] = numbers(task.fit(x, y, batch_size=8, epochs=3, verbose=0))
    return about


def write(cases):
    """Language models."""
    backbone = without_dropout("gpt2")
    own = keras_hub.models.CausalLMPreprocessor.from_preset(str(HERE / "gpt2"), sequence_length=20)
    about = {"length": 20, "texts": SHORT}

    def lm():
        backbone = without_dropout("gpt2")
        return keras_hub.models.GPT2CausalLM(backbone=backbone, preprocessor=own)

    task = lm()
    task.compile(optimizer=adam())
    cases["causal_lm"] = numbers(task.fit(tf.constant(SHORT), batch_size=8, epochs=3, verbose=0))

    task = lm()
    cases["causal_lm_automatic"] = numbers(task.fit(tf.constant(SHORT), batch_size=8, epochs=3, verbose=0))

    rng = np.random.default_rng(5)
    vocabulary = backbone.vocabulary_size
    ids = rng.integers(3, vocabulary, (4, 7))
    about["ids"] = ids.tolist()
    task = lm()
    task.preprocessor = None
    task.compile(optimizer=adam())
    x = {"token_ids": ids[:, :-1], "padding_mask": np.ones((4, 6), "int32")}
    cases["causal_lm_tokens"] = numbers(
        task.fit(x, ids[:, 1:], sample_weight=np.ones((4, 6)), batch_size=4, epochs=3, verbose=0)
    )
    return about


def answer(cases):
    """An encoder-decoder, of tokens."""
    task = keras_hub.models.BartSeq2SeqLM(backbone=without_dropout("bart"), preprocessor=None)
    task.compile(optimizer=adam())
    rng = np.random.default_rng(6)
    vocabulary = task.backbone.vocabulary_size
    source = rng.integers(4, vocabulary, (4, 6))
    target = rng.integers(4, vocabulary, (4, 5))
    start = json.loads((HERE / "bart" / "case.json").read_text()).get("start", 2)
    decoder = np.concatenate([np.full((4, 1), start), target[:, :-1]], 1)
    x = {
        "encoder_token_ids": source,
        "encoder_padding_mask": np.ones_like(source),
        "decoder_token_ids": decoder,
        "decoder_padding_mask": np.ones_like(decoder),
    }
    cases["seq2seq_tokens"] = numbers(task.fit(x, target, batch_size=4, epochs=3, verbose=0))
    return {"source": source.tolist(), "target": target.tolist(), "start": start}


def compute():
    """What a backbone makes of tokens."""
    backbone = without_dropout("bert")
    ids = np.array([[2, 9, 5, 3]])
    outputs = backbone({"token_ids": ids, "segment_ids": np.zeros_like(ids), "padding_mask": np.ones_like(ids)})
    sequence, pooled = (np.array(outputs[name])[0].tolist() for name in ("sequence_output", "pooled_output"))
    return {"ids": ids[0].tolist(), "sequence_output": sequence, "pooled_output": pooled}


def main():
    cases = {}
    about = {"backbone": compute(), "classifier": classify(cases), "causal_lm": write(cases), "seq2seq": answer(cases)}
    text = json.dumps({"versions": {"keras": keras.__version__, "keras_hub": keras_hub.__version__}, "about": about, "cases": cases}, indent=1)
    (HERE / "training.json").write_text(text + "\n")
    print(text[-3000:])


main()
