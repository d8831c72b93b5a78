"""Checkpoints of ModelGenerator's runs, as Lightning writes them, and what their models compute; made by modelgenerator 0.1.3.

    python tests/golden/lightning/make.py

Each run takes two steps on a few rows with the package's own task, backbone, adapter and Lightning's own trainer, which then saves. Written are

    backbone/        the preset that all of them start from: a small encoder in the shape of AIDO.DNA, with its masked-LM head
    NAME.ckpt        the checkpoint
    cases.json       of each: its sequences, and what the task's adapter gives for each row in evaluation mode
    heads.json       of further adapters: the names and shapes of their parameters
    hostile.ckpt     a checkpoint whose settings hold a call of `os.system` (of `true`) behind a class that may be named

The rows of `scaler` and `structure` are computed one by one, for the package's own batches mix rows up or hold one row alone: the encoder's hidden
states without those of special tokens, then the adapter.
"""

import io
import json
import os
import pickle
import zipfile
from functools import partial
from pathlib import Path

import lightning.pytorch as lightning
import torch
from modelgenerator.adapters import (
    ConditionalLMAdapter, LinearAdapter, LinearMeanPoolAdapter, LinearTransformerAdapter, MLPAdapter, MLPAdapterWithoutOutConcat, MLPPoolAdapter,
    MMFusionSeqAdapter, MMFusionTokenAdapter, ResNet1DAdapter, ResNet2DAdapter,
)
from modelgenerator.adapters.fusion import ConcatFusion, CrossAttentionFusion
from modelgenerator.backbones import GenBioBERT
from modelgenerator.huggingface_models.rnabert import RNABertConfig, RNABertForMaskedLM
from modelgenerator.rna_ss.rna_ss_task import RNASSPairwiseTokenClassification
from modelgenerator.tasks import MLM, SequenceClassification, SequenceRegression, SequenceRegressionWithScaling
from safetensors.torch import save_file

HERE = Path(__file__).parent
BACKBONE = HERE / "backbone"
SEQUENCES = ["ACGTACGTAC", "GGCANT", "TTTGACCAAGGT", "CAGT"]
LETTERS = "[PAD] [MASK] [CLS] [SEP] [UNK] A G C T U N [BOS] [EOS] [UNUSED1] [UNUSED2] [UNUSED3]".split()
SPECIAL = dict(cls_token="[CLS]", sep_token="[SEP]", pad_token="[PAD]", unk_token="[UNK]", mask_token="[MASK]")


def backbone() -> None:
    BACKBONE.mkdir(exist_ok=True)
    torch.manual_seed(1)
    config = RNABertConfig(
        vocab_size=16, hidden_size=24, num_hidden_layers=2, num_attention_heads=3, intermediate_size=20,
        max_position_embeddings=40, normalization_type="RMSNorm", position_embedding_type="rope", add_linear_bias=True,
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, tie_word_embeddings=True,
    )
    model = RNABertForMaskedLM(config)
    for value in model.parameters():
        torch.nn.init.normal_(value, std=0.3)
    model.save_pretrained(BACKBONE)
    (BACKBONE / "generation_config.json").unlink(missing_ok=True)
    (BACKBONE / "vocab.txt").write_text("\n".join(LETTERS) + "\n")
    (BACKBONE / "tokenizer_config.json").write_text(json.dumps(SPECIAL, indent=1) + "\n")
    GenBioBERT.model_path = str(BACKBONE)


class Rows(torch.utils.data.Dataset):
    def __init__(self, columns: dict):
        self.columns = columns

    def __len__(self):
        return 2

    def __getitem__(self, _):
        return self.columns


class Quiet(lightning.Callback):
    """Stands for the callbacks of a run, whose states a checkpoint holds."""

    def state_dict(self):
        return dict(best_model_score=torch.tensor(0.25), dirpath=Path("runs/checkpoints"), kth_value=torch.tensor(0.5))


def run(name: str, task, columns: dict) -> None:
    task.configure_callbacks = lambda: []
    trainer = lightning.Trainer(
        max_steps=2, accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False,
        enable_checkpointing=False, callbacks=[Quiet()], use_distributed_sampler=False,
    )
    loader = torch.utils.data.DataLoader(Rows(columns), batch_size=None, collate_fn=lambda row: row)
    trainer.fit(task, loader)
    trainer.save_checkpoint(HERE / f"{name}.ckpt")
    task.eval()


def hidden_states(task, sequences: list) -> list:
    """The encoder's hidden states of each row, by itself, without special tokens."""
    rows = []
    for sequence in sequences:
        batch = task.backbone.process_batch(dict(sequences=[sequence]), device="cpu")
        rows.append(task.backbone(**batch).last_hidden_state[:, 1:-1])
    return rows


def whole_rows(task, sequences: list) -> list:
    return [task(task.transform(dict(sequences=[sequence], labels=None), 0))[0].flatten().tolist() for sequence in sequences]


CASES = {}


def case(name: str, sequences: list, outputs: list, **more) -> None:
    CASES[name] = dict(sequences=sequences, outputs=outputs, **more)


def make() -> None:
    backbone()
    optimizer = partial(torch.optim.AdamW, lr=0.05)
    classes = dict(sequences=SEQUENCES, labels=torch.tensor([0, 1, 2, 1]))
    numbers = dict(sequences=SEQUENCES, labels=torch.tensor([[3.0], [5.0], [2.5], [9.0]]))

    torch.manual_seed(2)
    task = SequenceClassification(
        backbone=partial(GenBioBERT, max_length=40),
        adapter=partial(MLPPoolAdapter, hidden_sizes=[7, 5], dropout=0.1), n_classes=3, optimizer=optimizer,
    )
    run("full", task, classes)
    with torch.no_grad():
        case("full", SEQUENCES, whole_rows(task, SEQUENCES))

    torch.manual_seed(3)
    task = SequenceClassification(
        backbone=partial(GenBioBERT, use_peft=True, lora_r=3, lora_alpha=5, lora_target_modules=["query", "value"]),
        adapter=LinearMeanPoolAdapter, n_classes=3, optimizer=optimizer,
    )
    run("lora", task, classes)
    with torch.no_grad():
        case("lora", SEQUENCES, whole_rows(task, SEQUENCES))
    task.backbone.save_peft_only = False
    run("lora_whole", task, classes)
    with torch.no_grad():
        case("lora_whole", SEQUENCES, whole_rows(task, SEQUENCES))

    torch.manual_seed(4)
    task = SequenceRegression(
        backbone=partial(GenBioBERT, frozen=True), adapter=LinearMeanPoolAdapter, num_outputs=1, optimizer=optimizer,
    )
    run("frozen", task, numbers)
    with torch.no_grad():
        case("frozen", SEQUENCES, whole_rows(task, SEQUENCES))

    torch.manual_seed(5)
    task = SequenceRegressionWithScaling(
        backbone=partial(GenBioBERT), adapter=partial(ResNet1DAdapter, channels=6, num_blocks=2), num_outputs=1, optimizer=optimizer,
    )
    task.forward = lambda batch: torch.cat([
        task.adapter(row, torch.zeros(row.shape[:2], dtype=torch.bool)).reshape(1) for row in hidden_states(task, SEQUENCES)
    ])
    columns = dict(sequences=SEQUENCES, labels=torch.tensor([3.0, 5.0, 2.5, 9.0]))
    task.training_step = lambda batch, batch_idx: task.scaler.partial_fit(batch["labels"]) or torch.nn.functional.mse_loss(
        task.forward(batch), task.scaler.transform(batch["labels"])
    )
    run("scaler", task, columns)
    with torch.no_grad():
        outputs = task.forward(columns)
        restored = task.scaler.inverse_transform(outputs).clamp(min=0.0)
        case("scaler", SEQUENCES, outputs.reshape(-1, 1).tolist(), restored=restored.tolist(),
             mean=task.scaler._mean.item(), std=task.scaler._std.item())

    torch.manual_seed(6)
    task = RNASSPairwiseTokenClassification(
        backbone=partial(GenBioBERT), adapter=partial(ResNet2DAdapter, num_res_blocks=2, conv_channels=6), optimizer=optimizer,
    )
    rna = ["GGCUUAGCC"]
    pairs = torch.zeros(1, 9, 9)
    pairs[0, 0, 8] = pairs[0, 8, 0] = 1.0
    task.training_step = lambda batch, batch_idx: torch.nn.functional.binary_cross_entropy_with_logits(
        task.adapter(task.outer_concat(hidden_states(task, rna)[0])), pairs
    )
    task.threshold = 0.17
    run("structure", task, dict(sequences=rna))
    with torch.no_grad():
        logits = task.adapter(task.outer_concat(hidden_states(task, rna)[0]))
        case("structure", rna, [logits.flatten().tolist()], threshold=0.17)

    torch.manual_seed(7)
    task = MLM(backbone=partial(GenBioBERT), optimizer=optimizer)
    tokens = dict(sequences=SEQUENCES, target_sequences=SEQUENCES)
    task.training_step = lambda batch, batch_idx: sum(
        task.adapter(task.backbone(**task.backbone.process_batch(dict(sequences=[sequence]), device="cpu")).last_hidden_state).logsumexp(-1).mean()
        for sequence in SEQUENCES
    )
    run("masked_lm", task, tokens)
    with torch.no_grad():
        rows = []
        for sequence in SEQUENCES:
            batch = task.backbone.process_batch(dict(sequences=[sequence]), device="cpu")
            rows.append(task.adapter(task.backbone(**batch).last_hidden_state)[0].flatten().tolist())
        case("masked_lm", SEQUENCES, rows)
    (HERE / "cases.json").write_text(json.dumps(CASES) + "\n")


def heads() -> None:
    own = RNABertForMaskedLM(RNABertConfig.from_pretrained(BACKBONE)).cls
    width = 24
    attention = partial(CrossAttentionFusion, num_attention_heads=3)
    adapters = dict(
        transformer=LinearTransformerAdapter(width, 3),
        conditional=ConditionalLMAdapter(width, 2, 16, None, nhead=3, dim_feedforward=10, num_layers=2),
        conditional_own=ConditionalLMAdapter(width, 2, 16, own, nhead=3, dim_feedforward=10, num_layers=2),
        attention=MMFusionSeqAdapter(1, width, 36, 12, fusion=attention, adapter=LinearMeanPoolAdapter),
        concat=MMFusionTokenAdapter(1, width, 36, 12, fusion=partial(ConcatFusion, project_size=7), adapter=partial(MLPAdapter, hidden_sizes=[5])),
        pair_linear=LinearAdapter(2 * width, 2),
        pair_mlp=MLPAdapter(2 * width, 2, hidden_sizes=[9]),
        pair_split=MLPAdapterWithoutOutConcat(width, 2, hidden_sizes=[9, 4]),
    )
    shapes = {name: {f"adapter.{key}": list(value.shape) for key, value in adapter.state_dict().items()} for name, adapter in adapters.items()}
    (HERE / "heads.json").write_text(json.dumps(shapes, indent=1) + "\n")


class Command:
    """Settings in which a class that may be named calls a function that may not."""

    def __reduce__(self):
        return partial, (os.system, "true")


def hostile() -> None:
    """`full.ckpt` with such settings."""
    checkpoint = torch.load(HERE / "frozen.ckpt", map_location="cpu", weights_only=False)
    checkpoint["hyper_parameters"]["optimizer"] = Command()
    torch.save(checkpoint, HERE / "hostile.ckpt")


if __name__ == "__main__":
    make()
    heads()
    hostile()
