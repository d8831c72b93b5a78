"""Golden cases for folders of sentence-transformers: what they make of texts, module by module.

Writes, beside this script:
  encoder/        a tiny BERT with a word-piece vocabulary
  weights/        weights of dense layers
  variants.json   folders, each the encoder with further files, and their embeddings as the reference library gives them
  minilm.json     the same for variants of the real all-MiniLM-L6-v2, which is not in the repository

    pip install "sentence-transformers==6.*" "transformers==5.*" torch safetensors
    python make.py [--minilm DIR]
"""

import argparse
import json
import pathlib
import shutil
import tempfile

import torch
from safetensors.torch import save_file
from sentence_transformers import SentenceTransformer
from transformers import BertConfig, BertModel

HERE = pathlib.Path(__file__).parent
VOCABULARY = HERE.parent / "tokenizers" / "wordpiece" / "vocab.txt"
HIDDEN = 12

TEXTS = [
    "The keeper slept.",
    "prices ROSE by 3.5 % in March, and the bank raised its rate",
    "Zoë",
    "",
    "The children played in the playground, playing the same game they had played the day before.",
]
# Of a model that only reads a few tokens of these, the ends must be those that are cut.
OLD = "sentence_transformers.models."
NEW = "sentence_transformers.base.modules."
MODES = {
    "cls": "pooling_mode_cls_token",
    "max": "pooling_mode_max_tokens",
    "mean": "pooling_mode_mean_tokens",
    "mean_sqrt_len_tokens": "pooling_mode_mean_sqrt_len_tokens",
    "weightedmean": "pooling_mode_weightedmean_tokens",
    "lasttoken": "pooling_mode_lasttoken",
}


def encoder():
    folder = HERE / "encoder"
    if folder.exists():
        return folder
    torch.manual_seed(11)
    size = len(VOCABULARY.read_text(encoding="utf-8").splitlines())
    config = BertConfig(vocab_size=size, hidden_size=HIDDEN, num_hidden_layers=2, num_attention_heads=3, intermediate_size=20,
                        max_position_embeddings=40, initializer_range=0.4)
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    shutil.copy(VOCABULARY, folder)
    settings = {"tokenizer_class": "BertTokenizer", "do_lower_case": False, "model_max_length": 30}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder


def dense_weights(name, shape, bias=True, residual=None, width=HIDDEN):
    """The weights of a dense layer, kept in weights/."""
    target = HERE / "weights" / f"{name}.safetensors"
    target.parent.mkdir(exist_ok=True)
    if not target.exists():
        torch.manual_seed(sum(name.encode()))
        tensors = {"linear.weight": torch.randn(shape) / 3}
        if bias:
            tensors["linear.bias"] = torch.randn(shape[0]) / 3
        if residual:
            tensors["residual.weight"] = torch.randn(shape) / 3
        save_file(tensors, target)
    return f"@weights/{name}.safetensors"


def pooling(*modes, width=HIDDEN, **more):
    flags = {key: mode in modes for mode, key in MODES.items()}
    return {"1_Pooling/config.json": {"word_embedding_dimension": width, **flags, **more}}


def modules(*names, prefix=OLD):
    def entry(index, name):
        kind, _, path = name.partition(":")
        path = path or ("" if index == 0 else f"{index}_{kind}")
        dotted = f"{prefix}{kind.lower()}.{kind}" if prefix == NEW else f"{prefix}{kind}"
        return {"idx": index, "name": str(index), "path": path, "type": dotted}

    return {"modules.json": [entry(index, name) for index, name in enumerate(names)]}


def dense(path, weights, shape, activation, bias=True, **more):
    config = {"in_features": shape[1], "out_features": shape[0], "bias": bias, **more}
    if activation is not None:
        config["activation_function"] = activation
    return {f"{path}/config.json": config, f"{path}/model.safetensors": weights}


def settings(**more):
    return {"sentence_bert_config.json": {"max_seq_length": None, "do_lower_case": False, **more}}


def variants(width=HIDDEN, prefix=""):
    """Name, files and how it is asked: further arguments of `encode`."""
    plain = ("Transformer", "Pooling")
    for mode in MODES:
        yield f"{mode} pooling", {**modules(*plain), **pooling(mode, width=width), **settings()}, {}
    yield "mean pooling, normalised", {**modules(*plain, "Normalize"), **pooling("mean", width=width), **settings()}, {}
    yield "two poolings", {**modules(*plain), **pooling("mean", "max", width=width), **settings()}, {}
    yield "all poolings, normalised", {**modules(*plain, "Normalize"), **pooling(*MODES, width=width), **settings()}, {}
    named = {"1_Pooling/config.json": {"embedding_dimension": width, "pooling_mode": "weightedmean", "include_prompt": True}}
    yield "a pooling by name", {**modules(*plain), **named, **settings()}, {}
    several = {"1_Pooling/config.json": {"embedding_dimension": width, "pooling_mode": ["lasttoken", "cls"]}}
    yield "poolings by name", {**modules(*plain), **several, **settings()}, {}

    shape = (5, width)
    weights = dense_weights(prefix + "narrow", shape)
    unbiased = dense_weights(prefix + "unbiased", (7, width), bias=False)
    for name, activation in {"Tanh": "torch.nn.modules.activation.Tanh", "Identity": "torch.nn.modules.linear.Identity",
                             "GELU": "torch.nn.modules.activation.GELU", "ReLU": "torch.nn.modules.activation.ReLU",
                             "SiLU": "torch.nn.modules.activation.SiLU", "Sigmoid": "torch.nn.modules.activation.Sigmoid",
                             "default": None}.items():
        files = {**modules(*plain, "Dense", "Normalize"), **pooling("mean", width=width), **settings(), **dense("2_Dense", weights, shape, activation)}
        yield f"dense, {name}", files, {}
    identity = "torch.nn.modules.linear.Identity"
    one = {**pooling("cls", width=width), **settings(), **dense("2_Dense", unbiased, (7, width), identity, bias=False)}
    yield "dense without bias", {**modules(*plain, "Dense"), **one}, {}
    second = dense_weights(prefix + "second", (4, 7))
    two = {**one, **dense("3_Dense", second, (4, 7), "torch.nn.modules.activation.Tanh")}
    yield "two dense layers", {**modules(*plain, "Dense", "Dense"), **two}, {}
    between = dense("3_Dense", weights, shape, "torch.nn.modules.activation.Tanh")
    yield "a dense layer after the norm", {**modules(*plain, "Normalize", "Dense"), **pooling("mean", width=width), **settings(), **between}, {}
    wide = dense_weights(prefix + "wide", (6, 2 * width))
    both = {**pooling("mean", "cls", width=width), **settings(), **dense("2_Dense", wide, (6, 2 * width), identity)}
    yield "a dense layer on two poolings", {**modules(*plain, "Dense"), **both}, {}
    square = dense_weights(prefix + "square", (width, width)) if width == HIDDEN else None
    if square:
        files = dense("2_Dense", square, (width, width), "torch.nn.modules.activation.Tanh", use_residual=True)
        yield "dense beside what it reads", {**modules(*plain, "Dense"), **pooling("mean", width=width), **settings(), **files}, {}
    beside = dense_weights(prefix + "beside", shape, residual=True)
    files = dense("2_Dense", beside, shape, identity, use_residual=True)
    yield "dense beside another layer", {**modules(*plain, "Dense"), **pooling("mean", width=width), **settings(), **files}, {}
    newer = {**modules("Transformer", "Pooling", "Dense", "Normalize", prefix=NEW), **pooling("mean", width=width), **settings(), **dense("2_Dense", weights, shape, identity)}
    newer["modules.json"][1]["type"] = "sentence_transformers.sentence_transformer.modules.pooling.Pooling"
    yield "the newer names of modules", newer, {}
    dropout = {**modules(*plain, "Dropout"), **pooling("mean", width=width), **settings(), "2_Dropout/config.json": {"dropout": 0.3}}
    yield "dropout", dropout, {}

    mean = {**modules(*plain, "Normalize"), **pooling("mean", width=width)}
    yield "max_seq_length", {**mean, **settings(max_seq_length=6)}, {}
    yield "the length of the tokenizer", {**modules(*plain), **pooling("lasttoken", width=width), **settings()}, {}
    yield "no settings", mean, {}
    yield "do_lower_case", {**mean, **settings(do_lower_case=True)}, {}
    other = {"sentence_roberta_config.json": {"max_seq_length": 7, "do_lower_case": True}}
    yield "settings of another name", {**mean, **other}, {}

    prompts = {"query": "where are you going: ", "passage": "The "}
    for default in (None, "query"):
        said = {"config_sentence_transformers.json": {"prompts": prompts, "default_prompt_name": default}}
        yield f"prompts, default {default}", {**mean, **settings(), **said}, {}
        yield f"prompts, default {default}, the passage's", {**mean, **settings(), **said}, {"prompt_name": "passage"}
        yield f"prompts, default {default}, another", {**mean, **settings(), **said}, {"prompt": "The bank: "}
    said = {"config_sentence_transformers.json": {"prompts": prompts, "default_prompt_name": "query"}}
    for mode in MODES:
        files = {**modules(*plain), **pooling(mode, width=width, include_prompt=False), **settings(), **said}
        yield f"a prompt that {mode} pooling leaves out", files, {}


def write(folder, files):
    for name, content in files.items():
        target = folder / name
        target.parent.mkdir(exist_ok=True)
        if isinstance(content, str):
            shutil.copy(HERE / content[1:], target)
        else:
            target.write_text(json.dumps(content))


def embedded(base, files, asked):
    with tempfile.TemporaryDirectory() as copy:
        copy = pathlib.Path(copy) / "preset"
        copy.mkdir()
        for file in base.iterdir():
            if file.is_file():
                (copy / file.name).symlink_to(file.resolve())
        for name in ("modules.json", "sentence_bert_config.json", "config_sentence_transformers.json"):
            if (copy / name).is_symlink():
                (copy / name).unlink()
        write(copy, files)
        # Modules without a description of their own.
        for module in files["modules.json"]:
            (copy / module["path"]).mkdir(exist_ok=True)
        model = SentenceTransformer(str(copy), device="cpu")
        return [[round(float(value), 7) for value in row] for row in model.encode(TEXTS, **asked)]


def save(target, groups):
    lines = ",\n".join("  " + json.dumps(group, separators=(",", ":")) for group in groups)
    target.write_text(json.dumps({"texts": TEXTS})[:-1] + ', "variants": [\n' + lines + "\n]}\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--minilm", type=pathlib.Path)
    arguments = parser.parse_args()
    torch.set_grad_enabled(False)
    base = encoder()
    groups = []
    for name, files, asked in variants():
        groups.append({"name": name, "files": files, "asked": asked, "embeddings": embedded(base, files, asked)})
    save(HERE / "variants.json", groups)
    if arguments.minilm:
        real = []
        for name, files, asked in variants(384, "minilm_"):
            vectors = embedded(arguments.minilm, files, asked)
            # Of long vectors, enough to tell them apart.
            kept = [row if len(row) <= 8 else row[:8] for row in vectors]
            norms = [round(sum(value * value for value in row) ** 0.5, 6) for row in vectors]
            real.append({"name": name, "files": files, "asked": asked, "width": len(vectors[0]), "norms": norms, "embeddings": kept})
        save(HERE / "minilm.json", real)


if __name__ == "__main__":
    main()
