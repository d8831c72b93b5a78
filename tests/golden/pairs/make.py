"""Golden cases for heads on pairs of tokens, made by PyTorch.

    python tests/golden/pairs/make.py

Writes `pairs.json` beside this script. Of ModelGenerator's task the pair features, the adapters and the loss are its own formulas, put
together here from torch layers: channel `2 f` of the pair `[i, j]` is channel `f` of the hidden state of the earlier letter, channel
`2 f + 1` that of the later one; the loss is the mean binary cross-entropy over all ordered pairs of all rows, of the last of the head's two
outputs. Where its package is at fault, the intended behaviour is here: scores are of each row by its own length, not of the batch by the sum
of lengths.

A case has

    adapter     its class, and `settings`, its arguments
    layers      `[weight, bias or null]` of each linear layer, first to last; the last has one output
    hidden      a row's hidden states, `[letters, hidden]`
    labels      the row's matrix of 0, 1 and -100 (not scored), `[letters, letters]`
    weights     what a pair of each class weighs
    logits      the row's plane, `[letters, letters]`
    loss        the mean over the batch, by weights; of `ResNet2DAdapter` over pairs of different letters alone, which is the loss of RNA structures
    gradients   of the loss by `hidden` of each row, and by `layers` in their order (of `ResNet2DAdapter`: the linear layer, each block's three
                convolutions, the last convolution)
    scores      `top_L_acc`, `top_L2_acc`, `top_L5_acc`, `top_L10_acc`: the mean over rows
"""

import json
from pathlib import Path

import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

HERE = Path(__file__).parent
WIDTH = 5
LENGTHS = [19, 12]
SCORES = dict(top_L_acc=1, top_L2_acc=2, top_L5_acc=5, top_L10_acc=10)


def features(hidden: torch.Tensor) -> torch.Tensor:
    """Both hidden states of every pair, the earlier letter's in the even channels: `[letters, letters, 2 hidden]`."""
    letters = torch.arange(len(hidden))
    first = torch.minimum(letters[:, None], letters[None, :])
    second = torch.maximum(letters[:, None], letters[None, :])
    return torch.stack([hidden[first], hidden[second]], dim=-1).flatten(2)


def linear_adapter() -> nn.Sequential:
    return nn.Sequential(nn.Linear(2 * WIDTH, 2))


def mlp(sizes: list[int], activation: type, bias: bool, first_bias: bool) -> nn.Sequential:
    widths = [2 * WIDTH, *sizes, 2]
    layers: list[nn.Module] = []
    for at, (before, after) in enumerate(zip(widths, widths[1:])):
        layers.append(nn.Linear(before, after, bias=bias or (at == 0 and first_bias)))
        if at < len(sizes):
            layers.append(activation())
    return nn.Sequential(*layers)


class Block(nn.Module):
    def __init__(self, channels: int, size: int):
        super().__init__()
        def unit(size: int) -> list[nn.Module]:
            convolution = nn.Conv2d(channels, channels, size, padding="same", bias=False)
            return [convolution, nn.InstanceNorm2d(channels), nn.ReLU()]
        self.residual = nn.Sequential(*unit(1), *unit(size), *unit(1))

    def forward(self, plane: torch.Tensor) -> torch.Tensor:
        return plane + self.residual(plane)


class ResNet(nn.Module):
    """Planes with an axis of one output at the end, as the others have."""

    def __init__(self, blocks: int, channels: int, size: int):
        super().__init__()
        self.first = nn.Linear(2 * WIDTH, channels)
        self.blocks = nn.Sequential(*(Block(channels, size) for _ in range(blocks)))
        self.last = nn.Conv2d(channels, 1, 3, padding="same")

    def forward(self, pairs: torch.Tensor) -> torch.Tensor:
        plane = self.first(pairs).permute(2, 0, 1)[None]
        logits = self.last(self.blocks(plane))[0, 0].triu(1)
        return (logits + logits.T)[..., None]


ADAPTERS = dict(
    resnet=(
        "ResNet2DAdapter", dict(num_res_blocks=2, conv_channels=6, kernel_size=5), lambda: ResNet(2, 6, 5),
    ),
    linear=("LinearAdapter", {}, linear_adapter),
    mlp=(
        "MLPAdapter", dict(hidden_sizes=[7, 4], activation_layer="ReLU"),
        lambda: mlp([7, 4], nn.ReLU, True, True),
    ),
    mlp_without_bias=(
        "MLPAdapter", dict(hidden_sizes=[6], bias=False), lambda: mlp([6], nn.Tanh, False, False),
    ),
    mlp_without_out_concat=(
        "MLPAdapterWithoutOutConcat", dict(hidden_sizes=[8, 3], bias=False, activation_layer="ReLU"),
        lambda: mlp([8, 3], nn.ReLU, False, True),
    ),
)


def top(logits: torch.Tensor, labels: torch.Tensor) -> dict[str, float]:
    """Of one row."""
    length = len(labels)
    pairs = [
        (-logits[i, j].item(), i, j)
        for i in range(length) for j in range(i + 7, length) if labels[i, j] != -100
    ]
    hits = [labels[i, j].item() for _, i, j in sorted(pairs)]
    taken = {name: min(max(1, length // divisor), len(hits)) for name, divisor in SCORES.items()}
    return {name: sum(hits[:count]) / count for name, count in taken.items()}


def case(name: str, weights: list[float], unscored: bool) -> dict:
    adapter, settings, make = ADAPTERS[name]
    torch.manual_seed(sum(map(ord, name)))
    head = make().double()
    hidden = [torch.randn(length, WIDTH).double().round(decimals=3).requires_grad_() for length in LENGTHS]
    labels = []
    for length in LENGTHS:
        upper = (torch.rand(length, length) < 0.3).long()
        if unscored:
            upper[torch.rand(length, length) < 0.1] = -100
        labels.append(upper.triu() + upper.triu(1).T)
    planes = [head(features(states))[..., -1] for states in hidden]
    scored = [matrix != -100 for matrix in labels]
    if name == "resnet":
        scored = [mask.triu(1) for mask in scored]
    logits = torch.cat([plane[mask] for plane, mask in zip(planes, scored)])
    wanted = torch.cat([matrix[mask] for matrix, mask in zip(labels, scored)])
    weight = torch.tensor(weights).double()[wanted]
    losses = binary_cross_entropy_with_logits(logits, wanted.double(), reduction="none")
    loss = (losses * weight).sum() / weight.sum()
    loss.backward()
    layers = [layer for layer in head.modules() if isinstance(layer, (nn.Linear, nn.Conv2d))]
    # The first of the two outputs is never learned: the head here has the last alone.
    kept = [slice(None)] * (len(layers) - 1) + [slice(-1, None)]

    def of(pick) -> list:
        values = zip(layers, kept)
        return [[pick(it.weight)[rows].tolist(), None if it.bias is None else pick(it.bias)[rows].tolist()] for it, rows in values]

    scores = [top(plane, matrix) for plane, matrix in zip(planes, labels)]
    return dict(
        adapter=adapter, settings=settings, layers=of(lambda it: it.detach()),
        hidden=[it.tolist() for it in hidden], labels=[it.tolist() for it in labels], weights=weights,
        logits=[it.tolist() for it in planes], loss=loss.item(),
        gradients=dict(hidden=[it.grad.tolist() for it in hidden], layers=of(lambda it: it.grad)),
        scores={name: sum(it[name] for it in scores) / len(scores) for name in SCORES},
    )


def rounded(value):
    """Eight digits are enough to tell 1e-5 apart."""
    if isinstance(value, float):
        return float(f"{value:.8g}")
    if isinstance(value, list):
        return [rounded(it) for it in value]
    if isinstance(value, dict):
        return {key: rounded(it) for key, it in value.items()}
    return value


if __name__ == "__main__":
    cases = {name: case(name, [1.0, 1.0], False) for name in ADAPTERS}
    cases["weighted_and_unscored"] = case("mlp", [0.625, 2.5], True)
    made = dict(made_with=dict(torch=torch.__version__.split("+")[0]), cases=rounded(cases))
    (HERE / "pairs.json").write_text(json.dumps(made) + "\n")
