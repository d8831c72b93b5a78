"""Golden cases for LoRA, made by PEFT on the models of `tests/golden/models`.

    python tests/golden/lora/make.py [case ...]

Pins: peft 0.21.2, and those of `tests/golden/models/make.py`, which weights and inputs are drawn as in.

Each case is a folder beside this script:

    base/                  config.json, model.safetensors: the checkpoint before it was adapted
    adapter/               adapter_config.json, adapter_model.safetensors, as `PeftModel.save_pretrained` writes them
    case.safetensors       inputs and outputs of the adapted model; neither A nor B is zero
    case.json              what the case is: the arguments, the modules that PEFT adapted, the scale of each
    gradients.safetensors  d loss / d parameter for all that trains, under the names of adapter_model.safetensors
    merged.safetensors     for some cases: the base's tensors with the adapter folded in

The loss is the mean cross-entropy of the logits with `labels`; without a head, the mean square of the hidden states.
All is computed in f64, without dropout, from what was written to the files, and stored as f32.
"""

import json
import shutil
import sys
import zlib
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "models"))

import peft
import torch
import transformers
from cases import (
    NO_DROPOUT,
    THREE_LABELS,
    Case,
    albert,
    bert,
    deberta_v3,
    distilbert,
    esm,
    fm4bio,
    modernbert,
    rnabert,
)
from common import make_all, size_of
from make import LENGTHS, ROW_LABELS, inputs, opened, run, saved, stored_names
from peft import LoraConfig, PeftModel, get_peft_model
from peft.tuners.lora import LoraLayer
from safetensors.torch import load_file, save_file
from torch.nn.functional import cross_entropy

HERE = Path(__file__).parent


@dataclass
class Adapted:
    """A model and how PEFT is to adapt it."""

    base: Case
    arguments: dict
    merged: bool = False
    notes: list[str] = field(default_factory=list)


def bert_base(**changes):
    return bert(hidden_size=24, num_attention_heads=3, num_hidden_layers=3, **NO_DROPOUT, **changes)


BERT_CLASSIFIER = Case("BertForSequenceClassification", bert_base(**THREE_LABELS), "classification")
BERT_MASKED_LM = Case("BertForMaskedLM", bert_base(), "masked_lm")

CASES = {
    "bert_cls": Adapted(
        BERT_CLASSIFIER,
        dict(task_type="SEQ_CLS", target_modules=["query", "value"], r=4, lora_alpha=8, lora_dropout=0.1),
        merged=True,
        notes=[
            "SEQ_CLS saves `classifier` beside the adapter; bert.pooler.dense stays as it was",
            "adapter_config.json names `score` too, which this model does not have",
        ],
    ),
    "bert_rslora": Adapted(
        Case("BertForTokenClassification", bert_base(**THREE_LABELS), "token_classification"),
        dict(task_type="TOKEN_CLS", target_modules=["query", "key", "value", "dense"], r=3, lora_alpha=6,
             use_rslora=True),
        notes=["the scale is alpha / sqrt(r)", "`dense` stands for three modules of each layer"],
    ),
    "bert_pooler": Adapted(
        BERT_CLASSIFIER,
        dict(target_modules=["query", "dense"], modules_to_save=["classifier"], r=2, lora_alpha=5),
        notes=["`dense` reaches the pooler too", "the arguments name no task, and modules_to_save is the user's own"],
    ),
    "bert_regex": Adapted(
        BERT_MASKED_LM,
        dict(target_modules=r"bert\.encoder\.layer\.[02]\.(attention\.self\.(query|key)|output\.dense)", r=2,
             lora_alpha=3),
        notes=["a text is a regular expression for the whole name; attention.output.dense does not match this one"],
    ),
    "bert_layers": Adapted(
        BERT_MASKED_LM,
        dict(target_modules=["query", "value", "dense"], layers_to_transform=[0, 2], r=4, lora_alpha=4),
        notes=["a module without a layer number, as cls.predictions.transform.dense, is left out"],
    ),
    "bert_patterns": Adapted(
        BERT_MASKED_LM,
        dict(
            target_modules=["query", "value"], r=4, lora_alpha=8,
            rank_pattern={"query": 2, r"layer\.1\.attention\.self\.value": 5},
            alpha_pattern={"layer.2.attention.self.query": 3, "value": 16},
        ),
        merged=True,
        notes=["a pattern is a regular expression for the name's end, from a dot on; the first that matches counts"],
    ),
    "bert_exclude": Adapted(
        BERT_MASKED_LM,
        dict(target_modules=["query", "value"], exclude_modules=["1.attention.self.query", "attention.self.value"],
             r=2, lora_alpha=2),
        notes=["exclude_modules follows the suffix rule and goes first"],
    ),
    "modernbert_fused": Adapted(
        Case("ModernBertForMaskedLM", modernbert(), "masked_lm"),
        dict(target_modules=["Wqkv", "Wo", "Wi"], r=4, lora_alpha=8),
        merged=True,
        notes=[
            "one A for queries, keys and values together, and one for both halves of Wi",
            "`Wo` is attn.Wo and mlp.Wo",
        ],
    ),
    "modernbert_cls": Adapted(
        Case("ModernBertForSequenceClassification", modernbert(**THREE_LABELS), "classification"),
        dict(task_type="SEQ_CLS", target_modules=["Wqkv"], r=3, lora_alpha=6),
        notes=["`classifier` is saved; head.dense and head.norm stay as they were"],
    ),
    "esm_tokens": Adapted(
        Case("EsmForTokenClassification", esm(**NO_DROPOUT, **THREE_LABELS), "token_classification"),
        dict(task_type="TOKEN_CLS", target_modules=["query", "key", "value"], r=4, lora_alpha=8),
        notes=["queries and keys rotate after the adapter's part was added"],
    ),
    "distilbert_cls": Adapted(
        Case(
            "DistilBertForSequenceClassification",
            distilbert(dim=30, n_heads=3, dropout=0.0, attention_dropout=0.0, seq_classif_dropout=0.0, **THREE_LABELS),
            "classification",
        ),
        dict(task_type="SEQ_CLS", target_modules=["q_lin", "v_lin"], modules_to_save=["pre_classifier"], r=4,
             lora_alpha=8),
        notes=["both layers of the head are saved"],
    ),
    "deberta_cls": Adapted(
        Case("DebertaV2ForSequenceClassification", deberta_v3(**NO_DROPOUT, **THREE_LABELS), "classification"),
        dict(task_type="SEQ_CLS", target_modules=["query_proj", "value_proj"], r=4, lora_alpha=8),
        notes=["the adapted query_proj projects the position embeddings too, as share_att_key is true"],
    ),
    "albert_cls": Adapted(
        Case(
            "AlbertForSequenceClassification",
            albert(hidden_size=24, num_hidden_groups=2, classifier_dropout_prob=0.0, **THREE_LABELS), "classification",
        ),
        dict(task_type="SEQ_CLS", target_modules=["query", "value"], r=4, lora_alpha=8),
        notes=["a shared layer has one adapter, and a gradient from each time that it is run"],
    ),
    "rnabert_encoder": Adapted(
        Case("RNABertModel", rnabert(hidden_size=24), "none"),
        dict(target_modules=["query", "value", "dense"], r=4, lora_alpha=8),
        notes=["the encoder alone was adapted, so the names lack `bert.`"],
    ),
    "rnabert_dense": Adapted(
        Case("RNABertForMaskedLM", rnabert(hidden_size=24), "masked_lm"),
        dict(target_modules=["dense"], r=4, lora_alpha=8),
        notes=["`dense` is attention.output.dense of each layer and cls.predictions.transform.dense of the head"],
    ),
    "fm4bio_experts": Adapted(
        Case(
            "FM4BioForMaskedLM",
            fm4bio(
                hidden_size=24, num_hidden_layers=2, intermediate_size=22, moe=True, num_experts=3, experts_per_token=2,
                use_lm_head=False, tie_word_embeddings=False,
            ),
            "masked_lm",
        ),
        dict(
            target_modules=["query", "router", "dense_h_to_4h_0", "dense_h_to_4h_2", "dense_4h_to_h_1"], r=3,
            lora_alpha=6,
        ),
        merged=True,
        notes=["experts are layers of their own: some of them have updates, in each layer's halves others"],
    ),
}


def in_file(name: str) -> str:
    """The name that a parameter has in adapter_model.safetensors."""
    return name.replace(".modules_to_save.default.", ".").replace(".default.", ".")


def adapt(model, case: Adapted, generator: torch.Generator, folder: Path) -> None:
    """Adapts the model, draws all that trains, and writes it."""
    model.name_or_path = "base"
    adapted = get_peft_model(model.float(), LoraConfig(**case.arguments))
    with torch.no_grad():
        for parameter in adapted.parameters():
            if parameter.requires_grad:
                deviation = 0.3 if parameter.dim() == 1 else 0.8 / parameter.shape[1] ** 0.5
                parameter.copy_(deviation * torch.randn(parameter.shape, generator=generator))
    adapted.save_pretrained(folder, save_embedding_layers=False)
    (folder / "README.md").unlink()
    # PEFT writes its sets in any order.
    path = folder / "adapter_config.json"
    arguments = json.loads(path.read_text())
    for key in ["target_modules", "exclude_modules"]:
        if isinstance(arguments[key], list):
            arguments[key].sort()
    path.write_text(json.dumps(arguments, indent=2, sort_keys=True))


def make(name: str, case: Adapted) -> int:
    """Writes one case and returns its size in bytes."""
    folder = HERE / name
    if folder.exists():
        shutil.rmtree(folder)
    (folder / "base").mkdir(parents=True)

    seed = zlib.crc32(f"lora {name}".encode())
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    saved(case.base, generator, folder / "base")
    adapt(opened(case.base, folder / "base"), case, generator, folder / "adapter")

    model = PeftModel.from_pretrained(opened(case.base, folder / "base"), folder / "adapter", is_trainable=True)
    model = model.double().eval()
    ids, type_ids = inputs(model.config, generator)
    tensors = dict(ids=ids, type_ids=type_ids, lengths=torch.tensor(LENGTHS))
    outputs = run(model.get_base_model(), case.base, ids, type_ids)
    if case.base.head == "none":
        loss = outputs["hidden"].square().mean()
    else:
        labels = torch.randint(outputs["logits"].shape[1], ids.shape, generator=generator)
        if case.base.head == "classification":
            labels = torch.tensor(ROW_LABELS)
        tensors["labels"] = labels
        loss = cross_entropy(outputs["logits"], labels)
    loss.backward()
    found = {in_file(name): tensor.grad.float() for name, tensor in model.named_parameters() if tensor.requires_grad}
    assert set(found) == set(load_file(folder / "adapter" / "adapter_model.safetensors"))
    assert all(gradient.abs().max() > 0 for gradient in found.values())
    save_file(found, folder / "gradients.safetensors")

    scales = {
        module_name: module.scaling["default"]
        for module_name, module in model.get_base_model().named_modules() if isinstance(module, LoraLayer)
    }
    about = dict(
        model=case.base.model, head=case.base.head, lengths=LENGTHS, notes=case.notes, arguments=case.arguments,
        scales=scales, loss=loss.item(),
    )
    if case.merged:
        merged = model.merge_and_unload().state_dict()
        merged = {key: merged[key].float().contiguous() for key in sorted(stored_names(folder / "base"))}
        save_file(merged, folder / "merged.safetensors")

    tensors = {key: value.to(torch.int32) for key, value in tensors.items()}
    tensors |= {key: value.detach().float() for key, value in outputs.items()}
    save_file(tensors, folder / "case.safetensors")
    about["tensors"] = {key: list(value.shape) for key, value in tensors.items()}
    about["made_with"] = dict(
        peft=peft.__version__, transformers=transformers.__version__, torch=torch.__version__.split("+")[0]
    )
    (folder / "case.json").write_text(json.dumps(about, indent=2) + "\n")

    return size_of(folder)


if __name__ == "__main__":
    make_all(CASES, make)
