"""Golden cases for heads on pairs of tokens and for structures of RNA, made by modelgenerator 0.1.3 on PyTorch 2.15.0.

    python tests/golden/pairs/make.py

Writes `pairs.json` and `structures.json` beside this script. Adapters and all that is done with structures are the package's own. Pair features
and the loss are formulas put together here from torch: channel `2 f` of the pair `[i, j]` is channel `f` of the hidden state of the earlier
letter, channel `2 f + 1` that of the later one; the loss is the mean binary cross-entropy over all ordered pairs of all rows, of the last of the
head's two outputs. So are the scores of pairs, of each row by its own length, where the package's task takes the batch by the sum of lengths; of a row alone its metric gives the same.

A case of `structures.json` has

    sequence    of bases
    logits      `[bases, bases]`, symmetric
    truth       a structure in brackets
    thresholds  at each: the pairs of the predicted structure, `relaxed` precision, recall and F1, and `strict` ones

A case of `pairs.json` has

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

import numpy
import torch
from modelgenerator.adapters import LinearAdapter, MLPAdapter, MLPAdapterWithoutOutConcat, ResNet2DAdapter
from modelgenerator.metrics import TopLAcc
from modelgenerator.rna_ss.rna_ss_utils import dot_bracket_to_2d_mat, prob_mat_to_sec_struct, ss_f1, ss_precision, ss_recall
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


# Each with its settings, and whether it is given hidden states in the place of pair features.
ADAPTERS = dict(
    resnet=(ResNet2DAdapter, dict(num_res_blocks=2, conv_channels=6, kernel_size=5), False),
    linear=(LinearAdapter, {}, False),
    mlp=(MLPAdapter, dict(hidden_sizes=[7, 4], activation_layer="ReLU"), False),
    mlp_without_bias=(MLPAdapter, dict(hidden_sizes=[6], bias=False), False),
    mlp_without_out_concat=(
        MLPAdapterWithoutOutConcat, dict(hidden_sizes=[8, 3], bias=False, activation_layer="ReLU"), True,
    ),
)


def built(adapter: type, settings: dict, reads_hidden: bool) -> nn.Module:
    settings = settings | (dict(activation_layer=nn.ReLU) if "activation_layer" in settings else {})
    if adapter is ResNet2DAdapter:
        return adapter(2 * WIDTH, **settings).double()
    return adapter(WIDTH if reads_hidden else 2 * WIDTH, 2, **settings).double()


def layers_of(head: nn.Module) -> list[tuple[torch.Tensor, torch.Tensor | None]]:
    """Weight and bias of each layer, first to last."""
    first = [(head.first_linear, head.first_bias)] if isinstance(head, MLPAdapterWithoutOutConcat) else []
    return first + [(it.weight, it.bias) for it in head.modules() if isinstance(it, (nn.Linear, nn.Conv2d))]


def plane(head: nn.Module, hidden: torch.Tensor, reads_hidden: bool) -> torch.Tensor:
    output = head(hidden[None] if reads_hidden else features(hidden)[None])[0]
    return output if output.dim() == 2 else output[..., -1]


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


def check(logits: torch.Tensor, labels: torch.Tensor, scores: dict[str, float]) -> None:
    """Of one row whose pairs are enough, the package's own scores are the same."""
    order = logits.flatten().argsort(descending=True)
    for name, divisor in SCORES.items():
        own = TopLAcc(divisor)
        own.update(logits.flatten(), labels.flatten(), order, len(labels))
        assert abs(own.compute().item() - scores[name]) < 1e-6, name


def case(name: str, weights: list[float], unscored: bool) -> dict:
    adapter, settings, reads_hidden = ADAPTERS[name]
    torch.manual_seed(sum(map(ord, name)))
    head = built(adapter, settings, reads_hidden)
    hidden = [torch.randn(length, WIDTH).double().round(decimals=3).requires_grad_() for length in LENGTHS]
    labels = []
    for length in LENGTHS:
        upper = (torch.rand(length, length) < 0.3).long()
        if unscored:
            upper[torch.rand(length, length) < 0.1] = -100
        labels.append(upper.triu() + upper.triu(1).T)
    planes = [plane(head, states, reads_hidden) for states in hidden]
    scored = [matrix != -100 for matrix in labels]
    if name == "resnet":
        scored = [mask.triu(1) for mask in scored]
    logits = torch.cat([it[mask] for it, mask in zip(planes, scored)])
    wanted = torch.cat([matrix[mask] for matrix, mask in zip(labels, scored)])
    weight = torch.tensor(weights).double()[wanted]
    losses = binary_cross_entropy_with_logits(logits, wanted.double(), reduction="none")
    loss = (losses * weight).sum() / weight.sum()
    loss.backward()
    layers = layers_of(head)
    # The first of the two outputs is never learned: the head here has the last alone.
    kept = [slice(None)] * (len(layers) - 1) + [slice(-1, None)]

    def of(pick) -> list:
        values = zip(layers, kept)
        return [[pick(weight)[rows].tolist(), None if bias is None else pick(bias)[rows].tolist()] for (weight, bias), rows in values]

    scores = [top(it, matrix) for it, matrix in zip(planes, labels)]
    if not unscored:
        for it, matrix, found in zip(planes, labels, scores):
            check(it, matrix, found)
    return dict(
        adapter=adapter.__name__, settings=settings, layers=of(lambda it: it.detach()),
        hidden=[it.tolist() for it in hidden], labels=[it.tolist() for it in labels], weights=weights,
        logits=[it.tolist() for it in planes], loss=loss.item(),
        gradients=dict(hidden=[it.grad.tolist() for it in hidden], layers=of(lambda it: it.grad)),
        scores={name: sum(it[name] for it in scores) / len(scores) for name in SCORES},
    )


def structure(sequence: str, truth: str, seed: int) -> dict:
    generator = torch.Generator().manual_seed(seed)
    target = dot_bracket_to_2d_mat(truth)
    noise = numpy.triu(torch.randn(len(sequence), len(sequence), generator=generator).double().numpy(), 1)
    logits = -2.5 + 1.5 * (noise + noise.T) + 2.0 * target
    probabilities = 1 / (1 + numpy.exp(-logits))
    thresholds = {}
    for threshold in (0.01, 0.1, 0.29, 0.5):
        found = prob_mat_to_sec_struct(probabilities, sequence, threshold)
        scores = {
            name: [float(score(target, found, is_relaxed)) for score in (ss_precision, ss_recall, ss_f1)]
            for name, is_relaxed in (("relaxed", True), ("strict", False))
        }
        thresholds[str(threshold)] = dict(pairs=numpy.argwhere(numpy.triu(found, 1)).tolist(), **scores)
    return dict(sequence=sequence, logits=logits.tolist(), truth=truth, thresholds=thresholds)


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
    structures = [
        structure("GGGAAAUCCCGCAUUAGC", "(((....)))((....))", 3),
        structure("GGACUUCGGUCCAAGCUAGGCUU", "((((....))))..((....)).", 5),
        structure("CCGAAGGCAUUGCCAUGCAAUG", "..((.[[[[.))....]]]]..", 8),
    ]
    (HERE / "structures.json").write_text(json.dumps(rounded(structures)) + "\n")
