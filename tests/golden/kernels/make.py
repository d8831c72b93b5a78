"""Golden cases for disentangled attention, made by DeBERTa v2 of transformers 5.23.0 with torch 2.15.0 on the CPU.

    python tests/golden/kernels/make.py

Writes `disentangled_*.tsv` beside this script. A line is a name, a number of rows and of columns, then the values row by
row, all separated by tabs. Contents are the tokens of all sequences laid end to end; `to_*` is the gradient of the sum of
output times `weights`. Sequences are longer than the tables' span, so that positions of both signs meet the clamp.
"""

from pathlib import Path

import torch
import transformers
from transformers import DebertaV2Config
from transformers.models.deberta_v2.modeling_deberta_v2 import DisentangledSelfAttention

HERE = Path(__file__).parent
LENGTHS = [5, 1, 23]
HEADS, DIM = 2, 3

CASES = {
    # Log buckets, both terms, tables through the contents' own projections: DeBERTa-v3.
    "buckets": dict(pos_att_type=["c2p", "p2c"], share_att_key=True, position_buckets=8, max_relative_positions=16),
    # A row for each distance, clamped at 6.
    "plain": dict(pos_att_type=["c2p", "p2c"], share_att_key=False, position_buckets=-1, max_relative_positions=6),
    # Only one of the terms.
    "c2p": dict(pos_att_type=["c2p"], share_att_key=False, position_buckets=-1, max_relative_positions=6),
    "p2c": dict(pos_att_type=["p2c"], share_att_key=False, position_buckets=4, max_relative_positions=12),
}


def keep(layer, into):
    def hook(_module, _inputs, output):
        output.retain_grad()
        into.append(output)

    layer.register_forward_hook(hook)


def main():
    assert transformers.__version__ == "5.23.0", transformers.__version__
    for number, (name, options) in enumerate(CASES.items()):
        torch.manual_seed(number)
        config = DebertaV2Config(
            hidden_size=HEADS * DIM, num_attention_heads=HEADS, relative_attention=True,
            attention_probs_dropout_prob=0.0, hidden_dropout_prob=0.0, **options,
        )
        attention = DisentangledSelfAttention(config)
        for parameter in attention.parameters():
            torch.nn.init.normal_(parameter, std=0.7)
        kept = {}
        for projection in ["query", "key", "value", "pos_key", "pos_query"]:
            if hasattr(attention, projection + "_proj"):
                keep(getattr(attention, projection + "_proj"), kept.setdefault(projection, []))
        longest = max(LENGTHS)
        hidden = torch.randn(len(LENGTHS), longest, HEADS * DIM)
        inside = torch.arange(longest)[None] < torch.tensor(LENGTHS)[:, None]
        mask = inside[:, None, :, None] & inside[:, None, None, :]
        span = attention.pos_ebd_size
        table = torch.randn(2 * span, HEADS * DIM)
        output, _ = attention(hidden, mask, rel_embeddings=table)
        weights = torch.randn_like(output) * inside[..., None]
        (output * weights).sum().backward()

        def ragged(tensor):
            return tensor[inside]

        lines = {"output": ragged(output), "weights": ragged(weights)}
        for projection in ["query", "key", "value"]:
            contents = kept[projection][0]
            lines[projection] = ragged(contents)
            lines["to_" + projection] = ragged(contents.grad)
        # With shared projections the tables are what the projections were called with the second time.
        for projection, shared, term in [("pos_key", "key", "c2p"), ("pos_query", "query", "p2c")]:
            if term in options["pos_att_type"]:
                found = kept[shared][1] if options["share_att_key"] else kept[projection][0]
                lines[projection] = found[0]
                lines["to_" + projection] = found.grad[0]
        with open(HERE / f"disentangled_{name}.tsv", "w") as file:
            for key, tensor in lines.items():
                rows, columns = tensor.shape
                values = "\t".join(f"{value:.9g}" for value in tensor.detach().flatten().tolist())
                file.write(f"{key}\t{rows}\t{columns}\t{values}\n")


if __name__ == "__main__":
    main()
