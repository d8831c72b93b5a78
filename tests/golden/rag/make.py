"""Alignments beside proteins: what AIDO.Protein-RAG's encoder makes of them; made by modelgenerator 0.1.3.

    python tests/golden/rag/make.py [case ...]

Each case is a folder beside this script:

    config.json, model.safetensors, vocab.txt, tokenizer_config.json
                       a small seeded random model with the package's own vocabulary
    rows.jsonl         sequences, what is aligned with each, numbers about the structure of each residue; rows.parquet has the same
    case.safetensors   hidden states of the residues of all sequences, end to end: `hidden` with the whole alignments, `cut` with as many tokens
                       as `case.json` says

The package's own functions put the alignments in order, build the tokens and their places, run the encoder and leave the query's tokens. Rows are
run one by one, as it fails on several, in f64; the numbers about structure are given as they are, where the package would cut them to integers, and
special tokens are always in the first column of the first row, without numbers.
"""

import json
import sys
from functools import partial
from pathlib import Path
from random import Random
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).parents[1]))

import pyarrow as pa
import pyarrow.parquet as pq
import torch
import transformers
from common import make_all, size_of
from modelgenerator.backbones import GenBioFM
from modelgenerator.data.data import rag_collate_fn
from modelgenerator.huggingface_models import fm4bio
from modelgenerator.huggingface_models.fm4bio import FM4BioConfig, FM4BioModel, FM4BioTokenizer
from safetensors.torch import save_file

HERE = Path(__file__).parent
# The second row has more sequences than the first, two with as many gaps, one of gaps alone, and a residue that no vocabulary has.
ROWS = [
    dict(sequences="MKVLAGD", msa=["M-VLSGD", "MKV-A-D", "MKILAGE"]),
    dict(sequences="GWEF", msa=["G--F", "----", "GWEF", "-WE-", "GYDF", "J-EF"]),
]
# What the package's tokenizer has by default.
SPECIAL = dict(cls_token=None, sep_token="[SEP]", pad_token="[PAD]", unk_token="-", mask_token="[MASK]", bos_token=None, eos_token=None)
SIZES = dict(
    vocab_size=128, hidden_size=24, num_attention_heads=3, num_hidden_layers=2, intermediate_size=20, max_position_embeddings=40,
    position_embedding_type="rope_2d", hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
)
CASES = {
    "dense": dict(config=dict(str_embedding_in=5, apply_residual_connection_post_layernorm=True, normalization_type="LayerNorm"), cut=14, width=5),
    "experts": dict(
        config=dict(str_embedding_in="3", moe=True, num_experts=3, experts_per_token=2, hidden_size=32, num_attention_heads=2, rotary_percent=0.5),
        cut=6, width=3,
    ),
    "without_structures": dict(config=dict(num_hidden_layers=1), cut=9, width=None),
}


def randomize(model: torch.nn.Module, generator: torch.Generator) -> None:
    """Draws every parameter, large enough that a mistake in any of them shows."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            drawn = torch.randn(parameter.shape, generator=generator)
            if parameter.dim() == 1:
                parameter.copy_((1.0 if "ln" in name and name.endswith("weight") else 0.0) + 0.3 * drawn)
            elif "embeddings" in name:
                parameter.copy_(0.7 * drawn)
            else:
                parameter.copy_(1.2 / parameter[0].numel() ** 0.5 * drawn)


def hidden(model: FM4BioModel, tokenizer: FM4BioTokenizer, row: dict, max_length: int) -> torch.Tensor:
    """The hidden states of a sequence's residues, `[residues, hidden]`."""
    backbone = SimpleNamespace(encoder=model, tokenizer=tokenizer, max_length=max_length)
    backbone.tokenize = partial(GenBioFM.tokenize, backbone)
    known = row.get("str_emb")
    one = dict(sequences=row["sequences"], msa=list(row["msa"]), str_emb=known or [[0.0]] * len(row["sequences"]))
    batch = rag_collate_fn([one], 1000, Random(0))
    batch = GenBioFM.process_batch(backbone, batch, "cpu")
    tokens = batch["input_ids"].shape[1]
    # Of a context that is cut, the package gives the special token at its end the place, and the numbers, of a residue that was cut off.
    special = batch["special_tokens_mask"][0].bool()
    batch["position_ids"][:, :, special] = 0
    batch["input_str_embeds"] = None
    if known:
        structures = torch.zeros((1, tokens, len(known[0])), dtype=torch.float64)
        residues = min(tokens, len(known))
        structures[0, :residues] = torch.tensor(known, dtype=torch.float64)[:residues]
        structures[0, special] = 0
        batch["input_str_embeds"] = structures
    with torch.no_grad():
        states = GenBioFM.forward(backbone, **batch).last_hidden_state[0]
    # Where the query fills all tokens, the package takes the last, a special one, for one of its residues.
    return states[~special[: len(states)]]


def make(name: str, case: dict) -> int:
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    generator = torch.Generator().manual_seed(len(name))
    model = FM4BioModel(FM4BioConfig(**SIZES | case["config"]), add_pooling_layer=False)
    randomize(model, generator)
    model.save_pretrained(folder)
    vocabulary = Path(fm4bio.__file__).parent / "vocab_protein.txt"
    (folder / "vocab.txt").write_bytes(vocabulary.read_bytes())
    (folder / "tokenizer_config.json").write_text(json.dumps(SPECIAL, indent=1) + "\n")
    tokenizer = FM4BioTokenizer(str(vocabulary))
    model.double().eval()

    rows = [dict(row) for row in ROWS]
    if case["width"]:
        for row in rows:
            numbers = torch.randn((len(row["sequences"]), case["width"]), generator=generator)
            row["str_emb"] = [[round(number, 3) for number in residue] for residue in numbers.tolist()]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    pq.write_table(pa.Table.from_pylist(rows), folder / "rows.parquet")
    tensors = {
        "hidden": torch.cat([hidden(model, tokenizer, row, 1000) for row in rows]),
        "cut": torch.cat([hidden(model, tokenizer, row, case["cut"]) for row in rows]),
    }
    assert not torch.equal(tensors["hidden"][0], tensors["cut"][0])
    save_file({key: value.float().contiguous() for key, value in tensors.items()}, folder / "case.safetensors")
    about = dict(cut=case["cut"], tensors={key: list(value.shape) for key, value in tensors.items()})
    about["made_with"] = dict(transformers=transformers.__version__, torch=torch.__version__.split("+")[0])
    (folder / "case.json").write_text(json.dumps(about, indent=2) + "\n")
    return size_of(folder)


if __name__ == "__main__":
    make_all(CASES, make)
