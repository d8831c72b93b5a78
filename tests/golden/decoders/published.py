"""Gives a checkpoint that the reference library just saved the form that published ones have.

`*_as_published` rewrites the folder: names without prefix, tables that no reader wants. `*_older` turns the
configuration into the one that versions before 5 wrote: angles by `rope_theta` and `rope_scaling` at the top level.
"""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

WEIGHTS = "model.safetensors"
MASKED = -10000.0


def _opened(folder: Path) -> tuple[dict, dict]:
    return json.loads((folder / "config.json").read_text()), load_file(folder / WEIGHTS)


def _saved(folder: Path, tensors: dict) -> None:
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})


def _without_prefix(tensors: dict) -> dict:
    return {name.removeprefix("transformer."): tensor for name, tensor in tensors.items()}


def _causal(positions: int, dtype: torch.dtype) -> torch.Tensor:
    return torch.ones(positions, positions, dtype=dtype).tril()[None, None]


def gpt2_as_published(folder: Path) -> None:
    config, tensors = _opened(folder)
    tensors = _without_prefix(tensors)
    for layer in range(config["n_layer"]):
        tensors[f"h.{layer}.attn.bias"] = _causal(config["n_positions"], torch.float32)
        tensors[f"h.{layer}.attn.masked_bias"] = torch.tensor(MASKED)
    _saved(folder, tensors)


def bloom_as_published(folder: Path) -> None:
    _, tensors = _opened(folder)
    _saved(folder, _without_prefix(tensors))


def gptneox_as_published(folder: Path) -> None:
    config, tensors = _opened(folder)
    rotated = int(config["hidden_size"] // config["num_attention_heads"] * 0.25)
    for layer in range(config["num_hidden_layers"]):
        attention = f"gpt_neox.layers.{layer}.attention"
        tensors[f"{attention}.bias"] = _causal(config["max_position_embeddings"], torch.bool)
        tensors[f"{attention}.masked_bias"] = torch.tensor(MASKED)
        # Not the model's angles: reading them would show.
        tensors[f"{attention}.rotary_emb.inv_freq"] = torch.full([rotated // 2], 0.5, dtype=torch.float16)
    _saved(folder, tensors)


def llama2_as_published(folder: Path) -> None:
    config, tensors = _opened(folder)
    for layer in range(config["num_hidden_layers"]):
        # Not the model's angles: reading them would show.
        tensors[f"model.layers.{layer}.self_attn.rotary_emb.inv_freq"] = torch.full([config["head_dim"] // 2], 0.5)
    _saved(folder, tensors)


def _older(config: dict, without: list[str], **more) -> dict:
    """The configuration with its rope at the top level, without keys that came later."""
    kept = {key: value for key, value in config.items() if key not in [*without, "rope_parameters", "dtype"]}
    return kept | dict(torch_dtype=config["dtype"], transformers_version="4.46.0") | more


def _theta_and_scaling(rope: dict) -> dict:
    scaling = {key: value for key, value in rope.items() if key not in ["rope_theta", "partial_rotary_factor"]}
    return dict(rope_theta=rope["rope_theta"], rope_scaling=None if scaling["rope_type"] == "default" else scaling)


def rope_scaling_older(config: dict) -> dict:
    return _older(config, [], **_theta_and_scaling(config["rope_parameters"]))


def phi3_older(config: dict) -> dict:
    rope = config["rope_parameters"]
    scaling = dict(type="longrope", short_factor=rope["short_factor"], long_factor=rope["long_factor"])
    return _older(
        config, [], rope_theta=rope["rope_theta"], rope_scaling=scaling,
        partial_rotary_factor=rope["partial_rotary_factor"],
    )


def gemma_older(config: dict) -> dict:
    """As first released, when `gelu` was written and the tanh approximation meant."""
    return _older(
        config, [], rope_theta=config["rope_parameters"]["rope_theta"], hidden_act="gelu", hidden_activation=None,
    )


def gemma2_older(config: dict) -> dict:
    """Before `layer_types`: layers take turns, the first has the window."""
    return _older(config, ["layer_types"], rope_theta=config["rope_parameters"]["rope_theta"])


def gemma3_older(config: dict) -> dict:
    """Before `layer_types`: each third layer sees everything, a pattern that the case's own list agrees with."""
    rope = config["rope_parameters"]
    return _older(
        config, ["layer_types", "_sliding_window_pattern"], sliding_window_pattern=3, rope_scaling=None,
        rope_theta=rope["full_attention"]["rope_theta"], rope_local_base_freq=rope["sliding_attention"]["rope_theta"],
    )


def gptneox_older(config: dict) -> dict:
    rope = config["rope_parameters"]
    return _older(
        config, [], rotary_pct=rope["partial_rotary_factor"], rotary_emb_base=rope["rope_theta"], rope_scaling=None,
    )


def qwen_older(config: dict) -> dict:
    """As published, with a `sliding_window` that counts only where `use_sliding_window` says so."""
    return _older(config, ["layer_types"], rope_theta=config["rope_parameters"]["rope_theta"], sliding_window=8)


def qwen3_moe_older(config: dict) -> dict:
    """As published: experts are counted by `num_experts`."""
    return _older(
        config, ["num_local_experts"], rope_theta=config["rope_parameters"]["rope_theta"], sliding_window=8,
        num_experts=config["num_local_experts"],
    )


def falcon_older(config: dict) -> dict:
    """As published: that there are two norms follows from the architecture."""
    return _older(config, ["num_ln_in_parallel_attn"], rope_theta=config["rope_parameters"]["rope_theta"])


def bloom_older(config: dict) -> dict:
    sizes = dict(n_embed=config["hidden_size"], num_attention_heads=config["n_head"])
    kept = {key: value for key, value in config.items() if key not in ["hidden_size", "n_head", "dtype"]}
    return kept | sizes | dict(torch_dtype=config["dtype"], transformers_version="4.20.0")
