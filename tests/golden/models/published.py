"""Rewrites a checkpoint that the reference library just saved into the form of those that people have.

The library changes names and configuration keys from one version to the next and reads the older ones still.
"""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

WEIGHTS = "model.safetensors"


def _configuration(folder: Path, without: list[str], more: dict) -> dict:
    """Writes `config.json` anew and returns it; what is absent is read as its default."""
    path = folder / "config.json"
    config = {key: value for key, value in json.loads(path.read_text()).items() if key not in without}
    config["torch_dtype"] = config.pop("dtype")
    config |= more
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    return config


def esm_as_published(folder: Path) -> None:
    """ESM-2 as released: rounded frequencies in each layer, tables that a rotary model does not read.

    Released frequencies are rounded to f16. bf16 is coarser: in sequences this short the difference must show.
    """
    config = _configuration(folder, without=["rope_theta"], more={})
    tensors = load_file(folder / WEIGHTS)
    frequencies = tensors.pop("esm.rotary_embeddings.inv_freq").bfloat16().float()
    for layer in range(config["num_hidden_layers"]):
        name = f"esm.encoder.layer.{layer}.attention.self.rotary_embeddings.inv_freq"
        tensors[name] = frequencies.clone()
    positions = config["max_position_embeddings"]
    tensors["esm.embeddings.position_ids"] = torch.arange(positions)[None]
    tensors["esm.embeddings.position_embeddings.weight"] = torch.full((positions, config["hidden_size"]), 0.5)
    tensors["lm_head.decoder.weight"] = tensors["esm.embeddings.word_embeddings.weight"].clone()
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})


def modernbert_as_published(folder: Path) -> None:
    """ModernBERT as released: the layers' kinds and angles by three numbers instead of by lists."""
    path = folder / "config.json"
    rope = json.loads(path.read_text())["rope_parameters"]
    more = dict(
        global_rope_theta=rope["full_attention"]["rope_theta"],
        local_rope_theta=rope["sliding_attention"]["rope_theta"],
    )
    config = _configuration(folder, without=["layer_types", "rope_parameters"], more=more)
    assert "global_attn_every_n_layers" in config


def deberta_as_published(folder: Path) -> None:
    """DeBERTa as released: one text for the kinds of attention."""
    path = folder / "config.json"
    _configuration(folder, without=[], more=dict(pos_att_type="|".join(json.loads(path.read_text())["pos_att_type"])))
