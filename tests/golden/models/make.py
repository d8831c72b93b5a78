"""Golden cases for the encoder families, made by the reference libraries.

    python tests/golden/models/make.py [case ...]

Pins: transformers 5.23.0, torch 2.15.0, safetensors 0.8.0; for the rnabert and fm4bio cases modelgenerator 0.1.3 (`rnabert.py`).

What the cases are stands in `cases.py`. Each is a folder beside this script:

    config.json, model.safetensors   a small seeded random model, saved by `save_pretrained`
    case.safetensors                 inputs and expected outputs, sequences laid end to end
    case.json                        what the case is, and the shape of every tensor in `case.safetensors`
    gradients.safetensors            for some cases: d loss / d parameter, named as in the checkpoint

The reference reads the saved checkpoint back, runs each sequence alone and unpadded in f64, and the results are
stored as f32: what is compared with is then exact to the last bit of f32, not one more rounding of it. (Rotary angles
and RMS norms, ModernBERT's softmax and ESM's mask ratio are f32 inside the reference whatever the model is in.)
"""

import json
import sys
import zlib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
import transformers
from cases import CASES, LABEL_NAMES, Case
from common import make_all, size_of
from rnabert import protein_reference
from rnabert import reference as rnabert_reference
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch.nn.functional import cross_entropy
from transformers import PreTrainedConfig

HERE = Path(__file__).parent
LENGTHS = [1, 2, 7, 19, 33]
ROW_LABELS = [2, 0, 1, 1, 2]
MASKED_PER_ROW = [0, 1, 0, 5, 9]


def randomize(model: torch.nn.Module, generator: torch.Generator) -> None:
    """Draws every parameter, norms and biases included, large enough that a mistake in any of them shows.

    A library's own initialisation (std 0.02, biases 0, norms 1) makes attention almost uniform and hides an absent
    bias. The sinusoidal table stays as the library made it.
    """

    def normal(parameter, mean, deviation):
        parameter.copy_(mean + deviation * torch.randn(parameter.shape, generator=generator))

    def is_norm(name):
        return "norm" in name.lower() or ".ln." in f".{name}"

    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "position_embeddings" in name and getattr(model.config, "sinusoidal_pos_embds", False):
                continue
            if is_norm(name) and name.endswith("weight"):
                normal(parameter, 1.0, 0.3)
            elif parameter.dim() == 1:
                normal(parameter, 0.0, 0.3)
            elif "embeddings" in name and "project" not in name:
                normal(parameter, 0.0, 0.7)
            else:
                normal(parameter, 0.0, 1.2 / parameter[0].numel() ** 0.5)


def token_types(config: PreTrainedConfig) -> int:
    """How many token types the model tells apart; those of AIDO have a number that they never read."""
    return 0 if config.model_type in ["rnabert", "fm4bio"] else getattr(config, "type_vocab_size", 0)


def inputs(config: PreTrainedConfig, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and token types of all sequences, laid end to end.

    The padding id never occurs: inside a text it would move RoBERTa's positions and get no embedding gradient. Where
    the configuration names a mask token, each sequence has its own share of it, never all of one.
    """
    tokens = sum(LENGTHS)
    mask = getattr(config, "mask_token_id", None)
    ordinary = [id for id in range(config.vocab_size) if id not in [config.pad_token_id, mask]]
    ids = torch.tensor(ordinary)[torch.randint(len(ordinary), (tokens,), generator=generator)]
    if mask is not None:
        for row, count in zip(ids.split(LENGTHS), MASKED_PER_ROW, strict=True):
            row[torch.randperm(len(row), generator=generator)[:count]] = mask
    types = max(token_types(config), 1)
    type_ids = torch.cat([torch.arange(length) * types // length for length in LENGTHS])
    return ids, type_ids


def structures(config: PreTrainedConfig, generator: torch.Generator) -> torch.Tensor | None:
    """Vectors of structure for all tokens, for a model that has a layer for them."""
    width = getattr(config, "str_embedding_in", None)
    return torch.randn((sum(LENGTHS), int(width)), generator=generator) if width else None


def run(
    model, case: Case, ids: torch.Tensor, type_ids: torch.Tensor, structure: torch.Tensor | None = None
) -> dict[str, torch.Tensor]:
    """Runs each sequence alone and concatenates what comes out."""
    outputs = {}
    of_rows = [None] * len(LENGTHS) if structure is None else structure.double().split(LENGTHS)

    def add(name, tensor):
        outputs.setdefault(name, []).append(tensor)

    rows = zip(ids.split(LENGTHS), type_ids.split(LENGTHS), of_rows, strict=True)
    for row_ids, row_types, row_structure in rows:
        row = dict(input_ids=row_ids[None], attention_mask=torch.ones_like(row_ids)[None])
        if token_types(model.config):
            row["token_type_ids"] = row_types[None]
        if getattr(model.config, "position_embedding_type", None) == "rope_2d":
            # A sequence that stands alone: its residues one after another, all in the first row of an alignment.
            places = torch.arange(len(row_ids))
            row["position_ids"] = torch.stack([places, torch.zeros_like(places)])[None]
        is_pair = case.model.endswith("ForConditionalGeneration")
        body = model.get_encoder()(**row) if is_pair else model.base_model(**row)
        add("hidden", body.last_hidden_state[0])
        if row_structure is not None:
            structured = model.base_model(**row, inputs_str_embeds=row_structure[None])
            add("structured_hidden", structured.last_hidden_state[0])
        if case.head == "pooler":
            add("pooled", body.pooler_output)
        elif case.model == "FM4BioForTokenClassification":
            # Its own pass leaves out the last token; the head is the same on each.
            add("logits", model.classifier(body.last_hidden_state)[0])
        elif case.head in ["masked_lm", "token_classification", "discriminator"]:
            add("logits", model(**row).logits[0])
        elif case.head == "classification":
            add("logits", model(**row).logits)
    return {name: torch.cat(tensors) for name, tensors in outputs.items()}


def kind_of(case: Case) -> type:
    if case.model.startswith("RNABert"):
        return getattr(rnabert_reference(), case.model)
    if case.model.startswith("FM4Bio"):
        return getattr(protein_reference(), case.model)
    return getattr(transformers, case.model)


def stored_names(folder: Path) -> set[str]:
    names = set()
    for file in folder.glob("model*.safetensors"):
        with safe_open(file, "pt") as tensors:
            names |= set(tensors.keys())
    return names


def saved(case: Case, generator: torch.Generator, folder: Path) -> None:
    """Writes the random checkpoint."""
    kind = kind_of(case)
    config = case.config() if callable(case.config) else case.config
    model = kind(config, **case.arguments)
    randomize(model, generator)
    model.to(case.dtype).save_pretrained(
        folder, max_shard_size=case.shard_size, save_original_format=case.older_names
    )
    if case.rewrite:
        case.rewrite(folder)


def opened(case: Case, folder: Path):
    """Reads the checkpoint back, in f64 and ready to be run."""
    kind = kind_of(case)
    if case.model.startswith(("RNABert", "FM4Bio")):
        # `from_pretrained` of version 5 leaves these models' buffers without values.
        model = kind(kind.config_class.from_pretrained(folder))
        report = model.load_state_dict(load_file(folder / "model.safetensors"), strict=False)
        assert not report.unexpected_keys, report
        assert set(report.missing_keys) <= set(model._tied_weights_keys or {}), report
    else:
        model, report = kind.from_pretrained(
            folder, dtype=torch.float32, attn_implementation="eager", output_loading_info=True, **case.arguments
        )
        assert not any(report.values()), report
    return model.double().eval()


def gradients(model, outputs: dict, labels: torch.Tensor, folder: Path) -> torch.Tensor:
    """Writes the gradient of the mean cross-entropy for every parameter that takes part in it; returns the loss."""
    loss = cross_entropy(outputs["logits"], labels)
    loss.backward()
    # A tied weight is one parameter that has several names; the checkpoint holds only one of them.
    parameters = dict(model.named_parameters())
    buffers = {name for name, _ in model.named_buffers()}
    assert set(parameters) == stored_names(folder) - buffers, set(parameters) ^ stored_names(folder)
    found = {name: tensor.grad.float() for name, tensor in parameters.items() if tensor.grad is not None}
    # ESM's head for contacts is in every checkpoint and in no loss here.
    assert all("contact_head" in name for name in set(parameters) - set(found))
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
    saved(case, generator, folder)
    model = opened(case, folder)

    ids, type_ids = inputs(model.config, generator)
    structure = structures(model.config, generator)
    outputs = run(model, case, ids, type_ids, structure)
    if structure is not None:
        outputs["structures"] = structure
    assert all(value.isfinite().all() for value in outputs.values())
    tensors = dict(ids=ids, type_ids=type_ids, lengths=torch.tensor(LENGTHS))
    about = dict(
        model=case.model, head=case.head, dtype=str(case.dtype).removeprefix("torch."), lengths=LENGTHS,
    )
    if case.notes:
        about["notes"] = case.notes
    if case.gradients:
        labels = torch.tensor(ROW_LABELS)
        if case.head == "masked_lm":
            labels = torch.randint(model.config.vocab_size, ids.shape, generator=generator)
        if case.head == "token_classification":
            labels = torch.randint(len(LABEL_NAMES), ids.shape, generator=generator)
        tensors["labels"] = labels
        about["loss"] = gradients(model, outputs, labels, folder).item()

    tensors = {key: value.to(torch.int32) for key, value in tensors.items()}
    tensors |= {key: value.detach().float() for key, value in outputs.items()}
    save_file(tensors, folder / "case.safetensors")
    about["tensors"] = {key: list(value.shape) for key, value in tensors.items()}
    about["made_with"] = dict(transformers=transformers.__version__, torch=torch.__version__.split("+")[0])
    (folder / "case.json").write_text(json.dumps(about, indent=2) + "\n")

    return size_of(folder)


if __name__ == "__main__":
    make_all(CASES, make)
