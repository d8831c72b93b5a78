"""Golden cases for tensors that are tied: whichever is stored counts, and where both differ the head is the file's own.

    python tests/golden/tied/make.py [family ...]

Pins: transformers 5.24.0, torch 2.15.0, safetensors 0.8.0.

Each family is a folder beside this script:

    config.json          a small seeded random model whose head is tied to its embeddings
    model.safetensors    everything that may be stored: embeddings, the head's own projection, and both biases, all different
    case.json            `head`, and `variants`: which tensors each leaves out, and keys of config.json that it changes
    case.safetensors     `ids` and `lengths`; for each variant its hidden states and logits, named `VARIANT.hidden`, `VARIANT.logits`

The reference opens a folder without those tensors and computes in f64; the results are stored as f32. Where its mapping would read
a folder otherwise than this script means, the script stops: it compares the embeddings and the projection that were loaded.
"""

import json
import shutil
import sys
import tempfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
import transformers
from common import make_all, size_of
from safetensors.torch import load_file, save_file
from transformers import (
    AlbertConfig,
    BertConfig,
    BloomConfig,
    DebertaV2Config,
    DistilBertConfig,
    ElectraConfig,
    EsmConfig,
    FalconConfig,
    Gemma2Config,
    GemmaConfig,
    GPT2Config,
    GPTNeoXConfig,
    LlamaConfig,
    MistralConfig,
    ModernBertConfig,
    OPTConfig,
    Phi3Config,
    PreTrainedConfig,
    Qwen2Config,
    RobertaConfig,
    SmolLM3Config,
    XLMRobertaConfig,
)

HERE = Path(__file__).parent
LENGTHS = [1, 3, 7]
VOCABULARY = 13


@dataclass
class Family:
    """A model, and the names of what is tied in it."""

    model: str
    config: PreTrainedConfig
    embeddings: str
    projection: str
    # The head's own bias and the decoder's, where there are two.
    biases: list[str] = field(default_factory=list)
    head: str = "causal_lm"
    # Variants beyond the usual ones: changed keys, and whether the projection is stored.
    more: dict[str, tuple[dict, bool]] = field(default_factory=dict)


SIZES = dict(vocab_size=VOCABULARY, hidden_size=12, num_hidden_layers=2, num_attention_heads=3, intermediate_size=10,
             max_position_embeddings=16)
SPECIAL = dict(pad_token_id=0, bos_token_id=1, eos_token_id=2)
UNTIED = {"tie_word_embeddings": False}

LM_HEAD = "lm_head.weight"
PREDICTIONS = ["cls.predictions.bias", "cls.predictions.decoder.bias"]
LM_HEAD_BIASES = ["lm_head.bias", "lm_head.decoder.bias"]

FAMILIES = {
    "bert": Family(
        "BertForMaskedLM", BertConfig(**SIZES), "bert.embeddings.word_embeddings.weight",
        "cls.predictions.decoder.weight", PREDICTIONS, "masked_lm",
    ),
    "roberta": Family(
        "RobertaForMaskedLM", RobertaConfig(**SIZES), "roberta.embeddings.word_embeddings.weight",
        "lm_head.decoder.weight", LM_HEAD_BIASES, "masked_lm",
    ),
    "xlmr": Family(
        "XLMRobertaForMaskedLM", XLMRobertaConfig(**SIZES), "roberta.embeddings.word_embeddings.weight",
        "lm_head.decoder.weight", LM_HEAD_BIASES, "masked_lm",
    ),
    "albert": Family(
        "AlbertForMaskedLM", AlbertConfig(**SIZES, embedding_size=6), "albert.embeddings.word_embeddings.weight",
        "predictions.decoder.weight", ["predictions.bias", "predictions.decoder.bias"], "masked_lm",
    ),
    "electra": Family(
        "ElectraForMaskedLM", ElectraConfig(**SIZES, embedding_size=6), "electra.embeddings.word_embeddings.weight",
        "generator_lm_head.weight", head="masked_lm",
    ),
    "distilbert": Family(
        "DistilBertForMaskedLM",
        DistilBertConfig(vocab_size=VOCABULARY, dim=12, n_layers=2, n_heads=3, hidden_dim=10, max_position_embeddings=16),
        "distilbert.embeddings.word_embeddings.weight", "vocab_projector.weight", head="masked_lm",
    ),
    "deberta": Family(
        "DebertaV2ForMaskedLM", DebertaV2Config(**SIZES, relative_attention=True, pos_att_type=["c2p", "p2c"]),
        "deberta.embeddings.word_embeddings.weight", "cls.predictions.decoder.weight", PREDICTIONS, "masked_lm",
    ),
    "deberta_second_layout": Family(
        "DebertaV2ForMaskedLM", DebertaV2Config(**SIZES, legacy=False), "deberta.embeddings.word_embeddings.weight",
        "", head="masked_lm", more={"flag_without_effect": (UNTIED, False)},
    ),
    "esm": Family(
        "EsmForMaskedLM", EsmConfig(**SIZES, pad_token_id=0, mask_token_id=1, position_embedding_type="rotary"),
        "esm.embeddings.word_embeddings.weight", "lm_head.decoder.weight", head="masked_lm",
    ),
    "modernbert": Family(
        "ModernBertForMaskedLM", ModernBertConfig(**SIZES, **SPECIAL, cls_token_id=1, sep_token_id=2),
        "model.embeddings.tok_embeddings.weight", "decoder.weight", head="masked_lm",
    ),
    "gpt2": Family(
        "GPT2LMHeadModel",
        GPT2Config(vocab_size=VOCABULARY, n_positions=16, n_embd=12, n_layer=2, n_head=3, **SPECIAL),
        "transformer.wte.weight", LM_HEAD,
    ),
    "gpt_neox": Family(
        "GPTNeoXForCausalLM", GPTNeoXConfig(**SIZES, **SPECIAL, tie_word_embeddings=True), "gpt_neox.embed_in.weight",
        LM_HEAD,
    ),
    "opt": Family(
        "OPTForCausalLM",
        OPTConfig(vocab_size=VOCABULARY, hidden_size=12, num_hidden_layers=2, num_attention_heads=3, ffn_dim=10,
                  max_position_embeddings=16, word_embed_proj_dim=12, **SPECIAL),
        "model.decoder.embed_tokens.weight", LM_HEAD,
    ),
    "bloom": Family(
        "BloomForCausalLM", BloomConfig(vocab_size=VOCABULARY, hidden_size=12, n_layer=2, n_head=3, **SPECIAL),
        "transformer.word_embeddings.weight", LM_HEAD,
    ),
    "falcon": Family(
        "FalconForCausalLM",
        FalconConfig(vocab_size=VOCABULARY, hidden_size=12, num_hidden_layers=2, num_attention_heads=3, **SPECIAL),
        "transformer.word_embeddings.weight", LM_HEAD,
    ),
    "llama": Family(
        "LlamaForCausalLM", LlamaConfig(**SIZES, **SPECIAL, tie_word_embeddings=True), "model.embed_tokens.weight",
        LM_HEAD,
    ),
    "mistral": Family(
        "MistralForCausalLM",
        MistralConfig(**SIZES, **SPECIAL, num_key_value_heads=1, tie_word_embeddings=True),
        "model.embed_tokens.weight", LM_HEAD,
    ),
    "qwen2": Family(
        "Qwen2ForCausalLM", Qwen2Config(**SIZES, **SPECIAL, num_key_value_heads=1, tie_word_embeddings=True),
        "model.embed_tokens.weight", LM_HEAD,
    ),
    "gemma": Family(
        "GemmaForCausalLM", GemmaConfig(**SIZES, **SPECIAL, num_key_value_heads=1, head_dim=4),
        "model.embed_tokens.weight", LM_HEAD,
    ),
    "gemma2": Family(
        "Gemma2ForCausalLM", Gemma2Config(**SIZES, **SPECIAL, num_key_value_heads=1, head_dim=4),
        "model.embed_tokens.weight", LM_HEAD,
    ),
    "phi3": Family(
        "Phi3ForCausalLM",
        Phi3Config(**SIZES, **SPECIAL, num_key_value_heads=3, tie_word_embeddings=True,
                   original_max_position_embeddings=16),
        "model.embed_tokens.weight", LM_HEAD,
    ),
    "smollm3": Family(
        "SmolLM3ForCausalLM", SmolLM3Config(**SIZES, **SPECIAL, num_key_value_heads=1), "model.embed_tokens.weight",
        LM_HEAD,
    ),
}


def variants(family: Family) -> dict[str, dict]:
    """What each variant leaves out of the file, and changes in the configuration."""
    left = lambda without, overwrites={}: dict(without=[name for name in without if name], overwrites=overwrites)
    first, second = family.biases or (None, None)
    found = {"embeddings_stored": left([family.projection, second])}
    if family.projection:
        found["head_stored"] = left([family.embeddings, second])
        found["both_differ"] = left([second])
        found["not_tied"] = left([] if first else [], UNTIED)
    if first:
        found["decoder_bias_stored"] = left([family.projection, first])
        found["biases_differ"] = left([])
        found["head_and_decoder_bias_stored"] = left([family.embeddings, first])
    for name, (overwrites, has_projection) in family.more.items():
        found[name] = left([] if has_projection else [family.projection], overwrites)
    return found


def drawn(family: Family, generator: torch.Generator, folder: Path) -> dict[str, torch.Tensor]:
    """All tensors that may be stored, each with values of its own."""
    model = getattr(transformers, family.model)(family.config)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
            else:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * (1.5 / parameter.shape[-1] ** 0.5))
    model.save_pretrained(folder)
    tensors = load_file(folder / "model.safetensors")
    table = tensors[family.embeddings]
    if family.projection:
        tensors[family.projection] = torch.randn(table.shape, generator=generator) * 0.5
    for name in family.biases:
        tensors[name] = 0.5 * torch.randn(VOCABULARY, generator=generator)
    return tensors


def opened(family: Family, config: dict, tensors: dict[str, torch.Tensor]):
    """The model as the reference library reads it, in f64."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "config.json").write_text(json.dumps(config))
        save_file(tensors, Path(folder, "model.safetensors"), metadata={"format": "pt"})
        return getattr(transformers, family.model).from_pretrained(folder, attn_implementation="eager").double().eval()


def checked(family: Family, model, tensors: dict[str, torch.Tensor]) -> None:
    """Stops where the reference did not read what this script means."""
    embeddings = tensors.get(family.embeddings, tensors.get(family.projection))
    assert torch.equal(model.get_input_embeddings().weight, embeddings.double())
    if family.projection:
        projection = tensors.get(family.projection, embeddings)
        output = model.get_output_embeddings()
        assert torch.equal(output.weight, projection.double())
        stored = [tensors[name] for name in family.biases if name in tensors]
        if stored:
            assert torch.equal(output.bias, stored[-1].double())


@torch.no_grad()
def run(model, ids: torch.Tensor) -> dict[str, torch.Tensor]:
    """Hidden states and logits of each sequence alone."""
    found = dict(hidden=[], logits=[])
    for sequence in ids.split(LENGTHS):
        base = model.base_model(sequence[None], attention_mask=torch.ones(1, len(sequence), dtype=torch.long))
        found["hidden"].append(base.last_hidden_state[0])
        found["logits"].append(model(sequence[None], attention_mask=torch.ones(1, len(sequence), dtype=torch.long)).logits[0])
    return {name: torch.cat(parts).float() for name, parts in found.items()}


def make(name: str, family: Family) -> int:
    """Writes one family and returns its size in bytes."""
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    seed = zlib.crc32(f"tied {name}".encode())
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    tensors = drawn(family, generator, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "generation_config.json").unlink(missing_ok=True)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    ids = torch.randint(3, VOCABULARY, [sum(LENGTHS)], generator=generator)
    outputs = dict(ids=ids.to(torch.int32), lengths=torch.tensor(LENGTHS, dtype=torch.int32))
    about = variants(family)
    for variant, changes in about.items():
        kept = {key: value for key, value in tensors.items() if key not in changes["without"]}
        model = opened(family, config | changes["overwrites"], kept)
        checked(family, model, kept)
        outputs |= {f"{variant}.{key}": value for key, value in run(model, ids).items()}
    save_file(outputs, folder / "case.safetensors")
    made_with = dict(transformers=transformers.__version__, torch=torch.__version__.split("+")[0])
    case = dict(model=family.model, head=family.head, variants=about, made_with=made_with)
    (folder / "case.json").write_text(json.dumps(case, indent=2) + "\n")
    return size_of(folder, 100_000)


if __name__ == "__main__":
    make_all(FAMILIES, make)
