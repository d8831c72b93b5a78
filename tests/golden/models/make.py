"""Golden cases for the encoder families, made by the reference library.

    python tests/golden/models/make.py [case ...]

Each case is a folder beside this script:

    config.json, model.safetensors   a small seeded random model, saved by `save_pretrained`
    case.safetensors                 inputs and expected outputs, sequences laid end to end
    case.json                        what the case is, and the shape of every tensor in `case.safetensors`
    gradients.safetensors            for some cases: d loss / d parameter, named as in the checkpoint

The reference reads the saved checkpoint back, runs each sequence alone and unpadded in f64, and the results are
stored as f32: what is compared with is then exact to the last bit of f32, not one more rounding of it.
"""

import json
import sys
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import torch
import transformers
from safetensors import safe_open
from safetensors.torch import save_file
from torch.nn.functional import cross_entropy
from transformers import BertConfig, DistilBertConfig, PreTrainedConfig, RobertaConfig, XLMRobertaConfig

HERE = Path(__file__).parent
LENGTHS = [1, 2, 7, 19, 33]
LABEL_NAMES = {0: "low", 1: "middle", 2: "high"}
ROW_LABELS = [2, 0, 1, 1, 2]
MAX_CASE_BYTES = 300_000


@dataclass
class Case:
    """A model to save: the class of the reference library, its config, and how it is written down."""

    model: str
    config: PreTrainedConfig
    head: str
    arguments: dict = field(default_factory=dict)
    dtype: torch.dtype = torch.float32
    shard_size: str = "5GB"
    gradients: bool = False


def bert(**changes) -> BertConfig:
    sizes = dict(
        vocab_size=61, hidden_size=36, num_hidden_layers=2, num_attention_heads=4, intermediate_size=50,
        max_position_embeddings=40, type_vocab_size=2, pad_token_id=0,
    )
    return BertConfig(**sizes | changes)


def roberta(kind=RobertaConfig, **changes):
    # 35 positions: 33 tokens after the two that the padding index takes, so the longest sequence uses the last one.
    sizes = dict(
        vocab_size=53, hidden_size=30, num_hidden_layers=2, num_attention_heads=3, intermediate_size=44,
        max_position_embeddings=35, type_vocab_size=1, layer_norm_eps=1e-5,
        pad_token_id=1, bos_token_id=0, eos_token_id=2,
    )
    return kind(**sizes | changes)


def distilbert(**changes) -> DistilBertConfig:
    sizes = dict(
        vocab_size=47, dim=40, n_layers=2, n_heads=5, hidden_dim=58, max_position_embeddings=36, pad_token_id=0,
    )
    return DistilBertConfig(**sizes | changes)


THREE_LABELS = dict(id2label=LABEL_NAMES, label2id={name: label for label, name in LABEL_NAMES.items()})

CASES = {
    "bert_base": Case("BertModel", bert(num_hidden_layers=3, hidden_size=24, num_attention_heads=3), "pooler"),
    "bert_mlm": Case("BertForMaskedLM", bert(max_position_embeddings=33), "masked_lm"),
    "bert_mlm_untied": Case("BertForMaskedLM", bert(hidden_size=28, tie_word_embeddings=False), "masked_lm"),
    "bert_cls": Case(
        "BertForSequenceClassification",
        bert(hidden_size=40, num_attention_heads=5, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
             **THREE_LABELS),
        "classification", gradients=True,
    ),
    "bert_relu_odd": Case(
        "BertModel",
        bert(hidden_act="relu", hidden_size=60, num_attention_heads=5, intermediate_size=70, layer_norm_eps=1e-5,
             type_vocab_size=3, vocab_size=90),
        "pooler",
    ),
    "bert_nopooler": Case("BertModel", bert(), "none", arguments=dict(add_pooling_layer=False)),
    "bert_gelu_new": Case("BertModel", bert(hidden_act="gelu_new", num_attention_heads=3), "pooler"),
    "bert_sharded": Case("BertForMaskedLM", bert(hidden_size=32), "masked_lm", shard_size="40KB"),
    "bert_f16": Case("BertModel", bert(), "pooler", dtype=torch.float16),
    "bert_bf16": Case("BertModel", bert(), "pooler", dtype=torch.bfloat16),
    "roberta_base": Case("RobertaModel", roberta(), "pooler"),
    "roberta_mlm": Case(
        "RobertaForMaskedLM",
        roberta(hidden_size=32, num_attention_heads=4, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0),
        "masked_lm", gradients=True,
    ),
    "roberta_cls": Case(
        "RobertaForSequenceClassification",
        roberta(hidden_size=40, num_attention_heads=5, max_position_embeddings=42, **THREE_LABELS),
        "classification",
    ),
    "xlmr_mlm": Case(
        "XLMRobertaForMaskedLM",
        roberta(XLMRobertaConfig, hidden_size=24, num_hidden_layers=3, vocab_size=80),
        "masked_lm",
    ),
    "distilbert_base": Case("DistilBertModel", distilbert(), "none"),
    "distilbert_mlm": Case("DistilBertForMaskedLM", distilbert(dim=36, n_heads=4, n_layers=3), "masked_lm"),
    "distilbert_cls": Case(
        "DistilBertForSequenceClassification", distilbert(max_position_embeddings=33, **THREE_LABELS),
        "classification",
    ),
    "distilbert_sinusoidal": Case("DistilBertModel", distilbert(sinusoidal_pos_embds=True), "none"),
    "distilbert_relu": Case("DistilBertModel", distilbert(activation="relu", dim=30, n_heads=3), "none"),
}


def randomize(model: torch.nn.Module, generator: torch.Generator) -> None:
    """Draws every parameter, norms and biases included, large enough that a mistake in any of them shows.

    A library's own initialisation (std 0.02, biases 0, norms 1) makes attention almost uniform and hides an absent
    bias. The sinusoidal table stays as the library made it.
    """

    def normal(parameter, mean, deviation):
        parameter.copy_(mean + deviation * torch.randn(parameter.shape, generator=generator))

    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "position_embeddings" in name and getattr(model.config, "sinusoidal_pos_embds", False):
                continue
            if "norm" in name.lower() and name.endswith("weight"):
                normal(parameter, 1.0, 0.3)
            elif parameter.dim() == 1:
                normal(parameter, 0.0, 0.3)
            elif "embeddings" in name:
                normal(parameter, 0.0, 0.7)
            else:
                normal(parameter, 0.0, 1.2 / parameter.shape[1] ** 0.5)


def inputs(config: PreTrainedConfig, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and token types of all sequences, laid end to end.

    The padding id never occurs: inside a text it would move RoBERTa's positions and get no embedding gradient.
    """
    tokens = sum(LENGTHS)
    ordinary = [id for id in range(config.vocab_size) if id != config.pad_token_id]
    ids = torch.tensor(ordinary)[torch.randint(len(ordinary), (tokens,), generator=generator)]
    types = getattr(config, "type_vocab_size", 1)
    type_ids = torch.cat([torch.arange(length) * types // length for length in LENGTHS])
    return ids, type_ids


def run(model, case: Case, ids: torch.Tensor, type_ids: torch.Tensor) -> dict[str, torch.Tensor]:
    """Runs each sequence alone and concatenates what comes out."""
    has_types = not isinstance(model.config, DistilBertConfig)
    outputs = {}

    def add(name, tensor):
        outputs.setdefault(name, []).append(tensor)

    for row_ids, row_types in zip(ids.split(LENGTHS), type_ids.split(LENGTHS), strict=True):
        row = dict(input_ids=row_ids[None], attention_mask=torch.ones_like(row_ids)[None])
        if has_types:
            row["token_type_ids"] = row_types[None]
        body = model.base_model(**row)
        add("hidden", body.last_hidden_state[0])
        if case.head == "pooler":
            add("pooled", body.pooler_output)
        elif case.head == "masked_lm":
            add("logits", model(**row).logits[0])
        elif case.head == "classification":
            add("logits", model(**row).logits)
    return {name: torch.cat(tensors) for name, tensors in outputs.items()}


def stored_names(folder: Path) -> set[str]:
    names = set()
    for file in folder.glob("model*.safetensors"):
        with safe_open(file, "pt") as tensors:
            names |= set(tensors.keys())
    return names


def gradients(model, case: Case, labels: torch.Tensor, outputs: dict, folder: Path) -> torch.Tensor:
    """Writes the gradient of the mean cross-entropy for every parameter of the checkpoint; returns the loss."""
    loss = cross_entropy(outputs["logits"], labels)
    loss.backward()
    found = {name: parameter.grad.float() for name, parameter in model.named_parameters()}
    # A tied weight is one parameter that has several names; the checkpoint holds only one of them.
    assert set(found) == stored_names(folder), set(found) ^ stored_names(folder)
    save_file(found, folder / "gradients.safetensors")
    return loss


def make(name: str, case: Case) -> int:
    """Writes one case and returns its size in bytes."""
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    for stale in folder.iterdir():
        stale.unlink()

    seed = zlib.crc32(name.encode())
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    kind = getattr(transformers, case.model)
    model = kind(case.config, **case.arguments)
    randomize(model, generator)
    model.to(case.dtype).save_pretrained(folder, max_shard_size=case.shard_size)

    model, report = kind.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager", output_loading_info=True, **case.arguments
    )
    assert not any(report.values()), report
    model = model.double().eval()

    ids, type_ids = inputs(model.config, generator)
    outputs = run(model, case, ids, type_ids)
    tensors = dict(ids=ids, type_ids=type_ids, lengths=torch.tensor(LENGTHS))
    about = dict(
        model=case.model, head=case.head, dtype=str(case.dtype).removeprefix("torch."), lengths=LENGTHS,
    )
    if case.gradients:
        labels = torch.tensor(ROW_LABELS)
        if case.head == "masked_lm":
            labels = torch.randint(model.config.vocab_size, ids.shape, generator=generator)
        tensors["labels"] = labels
        about["loss"] = gradients(model, case, labels, outputs, folder).item()

    tensors = {key: value.to(torch.int32) for key, value in tensors.items()}
    tensors |= {key: value.detach().float() for key, value in outputs.items()}
    save_file(tensors, folder / "case.safetensors")
    about["tensors"] = {key: list(value.shape) for key, value in tensors.items()}
    about["made_with"] = dict(transformers=transformers.__version__, torch=torch.__version__.split("+")[0])
    (folder / "case.json").write_text(json.dumps(about, indent=2) + "\n")

    size = sum(file.stat().st_size for file in folder.iterdir())
    assert size < MAX_CASE_BYTES, f"{name} takes {size} bytes"
    return size


def main() -> None:
    torch.set_num_threads(1)
    wanted = sys.argv[1:] or list(CASES)
    sizes = {name: make(name, CASES[name]) for name in wanted}
    for name, size in sizes.items():
        print(f"{name:24} {size:8}")
    print(f"{'all':24} {sum(sizes.values()):8}")


if __name__ == "__main__":
    main()
