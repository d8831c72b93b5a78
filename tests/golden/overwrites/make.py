"""Golden cases for keys of config.json that a user replaces, in each spelling that a key has.

    python tests/golden/overwrites/make.py [model ...]

Pins: transformers 5.24.0, torch 2.15.0, safetensors 0.8.0.

Each model is a folder beside this script:

    config.json, model.safetensors   a small seeded random model, saved by `save_pretrained`
    older.json                       for some: the same configuration as versions before 5 wrote it
    case.json                        `cases`: which of the two files, and what is replaced in it
    case.safetensors                 `ids` and `lengths`; for each case its hidden states, and `as_it_is`, those without any

What a replacement means is written down here as the reference's own configuration, key by key in its newest form, and it is that which
the reference computes: in f64, stored as f32. (Given to `from_pretrained` as arguments, `rope_theta` and older keys change nothing.)
Each case differs from `as_it_is`.
"""

import copy
import json
import shutil
import sys
import zlib
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
import transformers
from common import make_all, size_of
from safetensors.torch import save_file
from transformers import (
    BloomConfig,
    DistilBertConfig,
    FalconConfig,
    Gemma3TextConfig,
    GemmaConfig,
    GPT2Config,
    GPTNeoXConfig,
    LlamaConfig,
    ModernBertConfig,
    Phi3Config,
    PreTrainedConfig,
    Qwen2Config,
    SmolLM3Config,
)

HERE = Path(__file__).parent
LENGTHS = [2, 9, 19]
EVERYWHERE, LOCAL = "full_attention", "sliding_attention"


@dataclass
class Model:
    """A model, and what is replaced in its configuration: the user's keys, and the reference's."""

    model: str
    config: PreTrainedConfig
    cases: dict[str, tuple[dict, dict]]
    # The same in the form of earlier files.
    older: dict | None = None
    older_cases: dict[str, tuple[dict, dict]] = field(default_factory=dict)


SPECIAL = dict(pad_token_id=0, bos_token_id=1, eos_token_id=2)
SIZES = dict(vocab_size=17, hidden_size=12, num_hidden_layers=3, num_attention_heads=3, intermediate_size=10,
             max_position_embeddings=32)
DECODER = SIZES | SPECIAL
LINEAR = dict(rope_type="linear", factor=4.0)


def rope(theta, **more):
    return dict(rope_parameters=dict(dict(rope_type="default", rope_theta=theta) | more))


def by_layers(everywhere, local, **more):
    default = dict(rope_type="default")
    return dict(rope_parameters={
        EVERYWHERE: default | dict(rope_theta=everywhere) | more, LOCAL: default | dict(rope_theta=local),
    })


def layers(*kinds):
    return dict(layer_types=[LOCAL if kind == "l" else EVERYWHERE for kind in kinds])


MODELS = {
    "llama": Model(
        "LlamaModel", LlamaConfig(**DECODER, **rope(90.0)),
        cases={
            "rope_scaling": (dict(rope_scaling=LINEAR), rope(90.0, **LINEAR)),
            "rope_scaling_by_its_first_name": (
                dict(rope_scaling=dict(type="linear", factor=4.0)), rope(90.0, **LINEAR),
            ),
            "rope_theta": (dict(rope_theta=7.0), rope(7.0)),
            "rope_theta_and_rope_scaling": (dict(rope_theta=7.0, rope_scaling=LINEAR), rope(7.0, **LINEAR)),
            "rope_parameters_without_a_base": (dict(rope_parameters=LINEAR), rope(90.0, **LINEAR)),
            "rope_parameters": (rope(7.0, **LINEAR), rope(7.0, **LINEAR)),
        },
        older=dict(rope_theta=90.0, rope_scaling=None),
        older_cases={
            "older_rope_scaling": (dict(rope_scaling=LINEAR), rope(90.0, **LINEAR)),
            "older_rope_theta": (dict(rope_theta=7.0), rope(7.0)),
            "older_rope_parameters": (rope(7.0, **LINEAR), rope(7.0, **LINEAR)),
            "older_rope_parameters_without_a_base": (dict(rope_parameters=LINEAR), rope(90.0, **LINEAR)),
        },
    ),
    "llama_stretched": Model(
        "LlamaModel", LlamaConfig(**DECODER, **rope(90.0, **LINEAR)),
        cases={
            "not_stretched": (dict(rope_scaling=None), rope(90.0)),
            "rope_theta": (dict(rope_theta=7.0), rope(7.0, **LINEAR)),
            "stretched_less": (dict(rope_scaling=dict(rope_type="linear", factor=2.0)),
                               rope(90.0, rope_type="linear", factor=2.0)),
        },
        older=dict(rope_theta=90.0, rope_scaling=dict(type="linear", factor=4.0)),
        older_cases={
            "older_not_stretched": (dict(rope_scaling=None), rope(90.0)),
            "older_not_stretched_by_the_new_key": (dict(rope_parameters=dict(rope_type="default")), rope(90.0)),
            "older_rope_theta": (dict(rope_theta=7.0), rope(7.0, **LINEAR)),
        },
    ),
    "gemma3": Model(
        "Gemma3TextModel",
        Gemma3TextConfig(**DECODER, head_dim=4, num_key_value_heads=1, sliding_window=4, **layers(*"llg"),
                         **by_layers(90.0, 30.0)),
        cases={
            "rope_theta": (dict(rope_theta=7.0), by_layers(7.0, 30.0)),
            "rope_local_base_freq": (dict(rope_local_base_freq=7.0), by_layers(90.0, 7.0)),
            "rope_scaling": (dict(rope_scaling=LINEAR), by_layers(90.0, 30.0, **LINEAR)),
            "rope_parameters_of_one_kind": (
                dict(rope_parameters={EVERYWHERE: LINEAR}), by_layers(90.0, 30.0, **LINEAR),
            ),
            "sliding_window_pattern": (dict(sliding_window_pattern=2), layers(*"lgl")),
            "layer_types": (layers(*"glg"), layers(*"glg")),
        },
        older=dict(sliding_window_pattern=3, rope_theta=90.0, rope_local_base_freq=30.0, rope_scaling=None),
        older_cases={
            "older_rope_parameters": (by_layers(7.0, 5.0), by_layers(7.0, 5.0)),
            "older_layer_types": (layers(*"lgl"), layers(*"lgl")),
        },
    ),
    "modernbert": Model(
        "ModernBertModel",
        ModernBertConfig(**SIZES, **SPECIAL, cls_token_id=1, sep_token_id=2, local_attention=6, **by_layers(90.0, 30.0)),
        cases={
            "global_rope_theta": (dict(global_rope_theta=7.0), by_layers(7.0, 30.0)),
            "local_rope_theta": (dict(local_rope_theta=7.0), by_layers(90.0, 7.0)),
            "global_attn_every_n_layers": (dict(global_attn_every_n_layers=2), layers(*"glg")),
        },
    ),
    "gpt_neox": Model(
        "GPTNeoXModel", GPTNeoXConfig(**DECODER, **rope(90.0, partial_rotary_factor=1.0)),
        cases={
            "rotary_pct": (dict(rotary_pct=0.5), rope(90.0, partial_rotary_factor=0.5)),
            "partial_rotary_factor": (dict(partial_rotary_factor=0.5), rope(90.0, partial_rotary_factor=0.5)),
            "rotary_emb_base": (dict(rotary_emb_base=7.0), rope(7.0, partial_rotary_factor=1.0)),
            "rope_theta": (dict(rope_theta=7.0), rope(7.0, partial_rotary_factor=1.0)),
            "rope_scaling": (dict(rope_scaling=LINEAR), rope(90.0, partial_rotary_factor=1.0, **LINEAR)),
        },
        older=dict(rotary_pct=1.0, rotary_emb_base=90.0, rope_scaling=None),
        older_cases={
            "older_rope_theta": (dict(rope_theta=7.0), rope(7.0, partial_rotary_factor=1.0)),
            "older_rope_parameters": (
                rope(7.0, partial_rotary_factor=0.5), rope(7.0, partial_rotary_factor=0.5),
            ),
        },
    ),
    "phi3": Model(
        "Phi3Model",
        Phi3Config(**DECODER, num_key_value_heads=3, **rope(90.0, partial_rotary_factor=1.0)),
        cases={
            "partial_rotary_factor": (dict(partial_rotary_factor=0.5), rope(90.0, partial_rotary_factor=0.5)),
            "rope_theta": (dict(rope_theta=7.0), rope(7.0, partial_rotary_factor=1.0)),
        },
    ),
    "falcon": Model(
        "FalconModel",
        FalconConfig(vocab_size=17, hidden_size=12, num_hidden_layers=2, num_attention_heads=3, **SPECIAL, **rope(90.0)),
        cases={"rope_theta": (dict(rope_theta=7.0), rope(7.0))},
    ),
    "qwen2": Model(
        "Qwen2Model",
        Qwen2Config(**DECODER, num_key_value_heads=1, use_sliding_window=True, sliding_window=4, max_window_layers=2,
                    **rope(90.0)),
        cases={
            "max_window_layers": (dict(max_window_layers=1), layers(*"gll") | dict(max_window_layers=1)),
            "layer_types": (layers(*"lgg"), layers(*"lgg")),
            "use_sliding_window": (dict(use_sliding_window=False), layers(*"ggg") | dict(use_sliding_window=False)),
        },
    ),
    "qwen2_without_windows": Model(
        "Qwen2Model", Qwen2Config(**DECODER, num_key_value_heads=1, max_window_layers=1, **rope(90.0)),
        cases={
            "use_sliding_window": (
                dict(use_sliding_window=True, sliding_window=4),
                dict(use_sliding_window=True, sliding_window=4, **layers(*"gll")),
            ),
        },
    ),
    "smollm3": Model(
        "SmolLM3Model", SmolLM3Config(**DECODER, num_key_value_heads=1, no_rope_layer_interval=3, **rope(90.0)),
        cases={
            "no_rope_layer_interval": (dict(no_rope_layer_interval=2), dict(no_rope_layers=[1, 0, 1])),
            "no_rope_layers": (dict(no_rope_layers=[0, 1, 1]), dict(no_rope_layers=[0, 1, 1])),
        },
    ),
    "gemma": Model(
        "GemmaModel", GemmaConfig(**DECODER, head_dim=4, num_key_value_heads=1, **rope(90.0)),
        cases={
            "hidden_act": (dict(hidden_act="relu"), dict(hidden_act="relu")),
            "hidden_activation": (dict(hidden_activation="relu"), dict(hidden_act="relu")),
        },
        older=dict(rope_theta=90.0, hidden_act="gelu", hidden_activation=None),
        older_cases={
            "older_hidden_act": (dict(hidden_act="relu"), dict(hidden_act="relu")),
            "older_hidden_activation": (dict(hidden_activation="relu"), dict(hidden_act="relu")),
        },
    ),
    "gpt2": Model(
        "GPT2Model", GPT2Config(vocab_size=17, n_positions=32, n_embd=12, n_layer=3, n_head=3, **SPECIAL),
        cases={
            "n_head": (dict(n_head=2), dict(n_head=2)),
            "num_attention_heads": (dict(num_attention_heads=2), dict(n_head=2)),
            "num_hidden_layers": (dict(num_hidden_layers=2), dict(n_layer=2)),
        },
        older=dict(n_head="REMOVED", num_attention_heads=3, n_layer="REMOVED", num_hidden_layers=3),
        older_cases={"older_n_head": (dict(n_head=2), dict(n_head=2))},
    ),
    "bloom": Model(
        "BloomModel", BloomConfig(vocab_size=17, hidden_size=12, n_layer=3, n_head=3, **SPECIAL),
        cases={
            "num_attention_heads": (dict(num_attention_heads=2), dict(n_head=2)),
            "num_hidden_layers": (dict(num_hidden_layers=2), dict(n_layer=2)),
        },
        older=dict(n_head="REMOVED", num_attention_heads=3, hidden_size="REMOVED", n_embed=12),
        older_cases={
            "older_n_head": (dict(n_head=2), dict(n_head=2)),
            "older_num_attention_heads": (dict(num_attention_heads=2), dict(n_head=2)),
        },
    ),
    "distilbert": Model(
        "DistilBertModel",
        DistilBertConfig(vocab_size=17, dim=12, n_layers=3, n_heads=3, hidden_dim=10, max_position_embeddings=32),
        cases={
            "n_heads": (dict(n_heads=2), dict(n_heads=2)),
            "num_attention_heads": (dict(num_attention_heads=2), dict(n_heads=2)),
            "num_hidden_layers": (dict(num_hidden_layers=2), dict(n_layers=2)),
        },
    ),
}


def drawn(model: Model, generator: torch.Generator, folder: Path) -> dict:
    """Writes the model, every parameter drawn large enough that a mistake shows, and returns its configuration."""
    made = getattr(transformers, model.model)(model.config)
    with torch.no_grad():
        for parameter in made.parameters():
            if parameter.dim() == 1:
                parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
            else:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * (2.0 / parameter.shape[-1] ** 0.5))
    made.save_pretrained(folder)
    return json.loads((folder / "config.json").read_text())


@torch.no_grad()
def run(model: Model, folder: Path, changes: dict, ids: torch.Tensor) -> torch.Tensor:
    """The hidden states under a configuration with these keys replaced, each sequence alone."""
    config = json.loads((folder / "config.json").read_text()) | copy.deepcopy(changes)
    config = type(model.config).from_dict(config)
    opened = getattr(transformers, model.model).from_pretrained(folder, config=config, attn_implementation="eager")
    opened = opened.double().eval()
    hidden = [
        opened(part[None], attention_mask=torch.ones(1, len(part), dtype=torch.long)).last_hidden_state[0]
        for part in ids.split(LENGTHS)
    ]
    return torch.cat(hidden).float()


def make(name: str, model: Model) -> int:
    """Writes one model and returns its size in bytes."""
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    seed = zlib.crc32(f"overwrites {name}".encode())
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    config = drawn(model, generator, folder)
    if model.older is not None:
        removed = ["layer_types", "rope_parameters", *model.older]
        older = {key: value for key, value in config.items() if key not in removed}
        older |= {key: value for key, value in model.older.items() if value != "REMOVED"}
        (folder / "older.json").write_text(json.dumps(older, indent=2, sort_keys=True) + "\n")
    ids = torch.randint(3, 17, [sum(LENGTHS)], generator=generator)
    outputs = dict(ids=ids.to(torch.int32), lengths=torch.tensor(LENGTHS, dtype=torch.int32))
    outputs["as_it_is"] = run(model, folder, {}, ids)
    cases = []
    for file, found in [("config.json", model.cases), ("older.json", model.older_cases)]:
        for case, (overwrites, changes) in found.items():
            outputs[case] = run(model, folder, changes, ids)
            assert (outputs[case] - outputs["as_it_is"]).abs().max() > 1e-2, f"{name}: {case} changes nothing"
            cases.append(dict(name=case, file=file, overwrites=overwrites))
    save_file(outputs, folder / "case.safetensors")
    made_with = dict(transformers=transformers.__version__, torch=torch.__version__.split("+")[0])
    case = dict(model=model.model, cases=cases, made_with=made_with)
    (folder / "case.json").write_text(json.dumps(case, indent=2) + "\n")
    return size_of(folder, 150_000)


if __name__ == "__main__":
    make_all(MODELS, make)
