"""ModelGenerator's adapters on hidden states: outputs and gradients.

    python tests/golden/adapters/make.py [--check]

Pins: torch 2.15.0, safetensors 0.6; for --check modelgenerator 0.1.3.

Each case is a file beside this script, `NAME.safetensors`:

    lengths, lengths1, ...     tokens of each sequence, of each backbone
    hidden, hidden1, ...       hidden states, the sequences laid end to end
    weights.PATH               the adapter's parameters by their paths in our heads
    output                     a row for each sequence
    coefficients               the gradients are those of the sum of output * coefficients
    gradients.PATH, gradients.hidden, gradients.hidden1, ...

The layers are put together here from torch's own, by the formulas of the package, each sequence by itself, so that no padding can matter.
The package is at fault where sequences meet: LinearTransformerAdapter attends across the batch, ResNet1DAdapter normalises over padding and
takes an integer mask for a choice of rows. `--check` compares each case with the package's own class given one sequence at a time, where it
is right and takes it: all but LinearTransformerAdapter, and ResNet1DAdapter of several outputs. There is no difference.
"""

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

HERE = Path(__file__).parent


class ResNet1D(nn.Module):
    """[tokens, width] to [outputs]."""

    def __init__(self, width, channels, blocks, outputs):
        super().__init__()
        self.inputs = nn.Linear(width, channels)
        block = lambda: nn.ModuleList(nn.Conv1d(channels, channels, 3, padding="same", bias=False) for _ in range(2))
        self.blocks = nn.ModuleList(block() for _ in range(blocks))
        self.output = nn.Linear(channels, outputs)
        self.activation = nn.ELU()

    def norm(self, states):
        # Of one token torch refuses the norm, which is 0.
        return nn.functional.instance_norm(states) if states.shape[-1] > 1 else states - states

    def forward(self, hidden):
        states = self.inputs(hidden).T[None]
        for block in self.blocks:
            inner = states
            for convolution in block:
                inner = self.activation(self.norm(convolution(inner)))
            states = states + inner
        return self.output(states.mean(-1))[0]

    def paths(self):
        named = {"stage.inputs": self.inputs, "layers.0": self.output}
        for number, block in enumerate(self.blocks):
            named |= {f"stage.blocks.{number}.{name}": layer for name, layer in zip(["first", "second"], block)}
        found = {f"{path}.{name}": value for path, layer in named.items() for name, value in layer.named_parameters()}
        return {path.replace(".first.weight", ".first").replace(".second.weight", ".second"): value for path, value in found.items()}


class LinearTransformer(nn.Module):
    """[tokens, width] to [outputs]."""

    def __init__(self, width, outputs):
        super().__init__()
        layer = nn.TransformerEncoderLayer(width, nhead=8, batch_first=True)
        self.transformer = nn.TransformerEncoder(layer, num_layers=2, enable_nested_tensor=False)
        self.output = nn.Linear(width, outputs)

    def forward(self, hidden):
        return self.output(self.transformer(hidden[None])[0, 0])

    def paths(self):
        found = {f"layers.0.{name}": value for name, value in self.output.named_parameters()}
        for number, layer in enumerate(self.transformer.layers):
            attention = layer.self_attn
            path = f"stage.layers.{number}"
            for kind, all_three in [("weight", attention.in_proj_weight), ("bias", attention.in_proj_bias)]:
                for at, name in enumerate(["query", "key", "value"]):
                    found[f"{path}.attention.inputs.{name}.{kind}"] = (all_three, at)
            parts = {
                "attention.output": attention.out_proj, "attention_norm": layer.norm1, "feed_forward_norm": layer.norm2,
                "feed_forward.up": layer.linear1, "feed_forward.down": layer.linear2,
            }
            for name, part in parts.items():
                found |= {f"{path}.{name}.{kind}": value for kind, value in part.named_parameters()}
        return found


class CrossAttention(nn.Module):
    """Hidden states of each backbone to those of the first, then a linear layer on the first token."""

    def __init__(self, widths, heads, outputs):
        super().__init__()
        width, *others = widths
        self.heads, self.size = heads, width // heads
        layer = lambda other: nn.ModuleDict(
            {"query": nn.Linear(width, width), "key": nn.Linear(other, width), "value": nn.Linear(other, width), "dense": nn.Linear(width, width)}
        )
        self.layers = nn.ModuleList(layer(other) for other in others)
        self.output = nn.Linear(width, outputs)

    def fused(self, hidden, *others):
        split = lambda states: states.view(len(states), self.heads, self.size).transpose(0, 1)
        for layer, other in zip(self.layers, others):
            query, key, value = split(layer["query"](hidden)), split(layer["key"](other)), split(layer["value"](other))
            shares = torch.softmax(query @ key.transpose(1, 2) / self.size**0.5, -1)
            hidden = hidden + layer["dense"]((shares @ value).transpose(0, 1).flatten(1))
        return hidden

    def forward(self, *hidden):
        return self.output(self.fused(*hidden)[0])

    def paths(self):
        found = {f"adapter.layers.0.{name}": value for name, value in self.output.named_parameters()}
        for number, layer in enumerate(self.layers):
            for name, part in layer.items():
                found |= {f"fusion.layers.{number}.{name}.{kind}": value for kind, value in part.named_parameters()}
        return found


class Concat(nn.Module):
    """Hidden states of each backbone, pooled and projected, side by side; then two linear layers with tanh between."""

    def __init__(self, widths, size, pooling, middle, outputs):
        super().__init__()
        self.projections = nn.ModuleList(nn.Linear(width, size) for width in widths)
        self.pooling = pooling
        self.first, self.last = nn.Linear(size * len(widths), middle), nn.Linear(middle, outputs)

    def fused(self, *hidden):
        pool = lambda states: states.mean(0) if self.pooling == "mean_pooling" else states[0]
        return torch.cat([project(pool(states)) for project, states in zip(self.projections, hidden)])

    def forward(self, *hidden):
        return self.last(torch.tanh(self.first(self.fused(*hidden))))

    def paths(self):
        parts = {f"fusion.projections.{number}": part for number, part in enumerate(self.projections)}
        parts |= {"adapter.layers.0": self.first, "adapter.layers.1": self.last}
        return {f"{path}.{kind}": value for path, part in parts.items() for kind, value in part.named_parameters()}


# Name, the adapter, the widths of the backbones, the tokens of each sequence of each backbone.
CASES = [
    ("resnet", lambda: ResNet1D(6, 5, 2, 1), [6], [[4, 1, 7]]),
    ("resnet_of_two", lambda: ResNet1D(5, 7, 3, 2), [5], [[3, 6]]),
    ("linear_transformer", lambda: LinearTransformer(16, 3), [16], [[3, 5, 1]]),
    ("cross_attention", lambda: CrossAttention([8, 5], 2, 3), [8, 5], [[3, 2, 4], [5, 1, 6]]),
    ("cross_attention_of_three", lambda: CrossAttention([6, 5, 7], 3, 2), [6, 5, 7], [[2, 4], [3, 1], [5, 2]]),
    ("concat", lambda: Concat([6, 5], 4, "mean_pooling", 7, 3), [6, 5], [[3, 2, 4], [5, 1, 6]]),
    ("concat_of_three", lambda: Concat([4, 6, 5], 3, "cls_pooling", 8, 2), [4, 6, 5], [[2, 4], [3, 1], [5, 2]]),
]


def numbered(name, at):
    return name if at == 0 else f"{name}{at}"


def part(value, kind):
    """A parameter, or one of the three that lie in it."""
    if isinstance(value, tuple):
        whole, at = value
        return getattr(whole, kind).chunk(3)[at]
    return getattr(value, kind)


def make(name, model, widths, lengths):
    for parameter in model.parameters():
        # Biases and norms start at 0 and 1, which would hide them.
        parameter.data += 0.1 * torch.randn_like(parameter)
        if 2048 in parameter.shape:
            parameter.data = parameter.data.bfloat16().float()
    hidden = [torch.randn(sum(of_tower), width, requires_grad=True) for width, of_tower in zip(widths, lengths)]
    rows = zip(*(states.split(of_tower) for states, of_tower in zip(hidden, lengths)))
    rows = [tuple(row) for row in rows]
    output = torch.stack([model(*row) for row in rows])
    coefficients = torch.randn_like(output)
    (output * coefficients).sum().backward()
    tensors = {"output": output.detach(), "coefficients": coefficients}
    for at, (states, of_tower) in enumerate(zip(hidden, lengths)):
        tensors[numbered("hidden", at)] = states.detach()
        tensors[numbered("gradients.hidden", at)] = states.grad
        tensors[numbered("lengths", at)] = torch.tensor(of_tower, dtype=torch.int32)
    for path, value in model.paths().items():
        tensors[f"weights.{path}"] = part(value, "data")
        tensors[f"gradients.{path}"] = part(value, "grad")
    if name == "linear_transformer":
        # The feed-forward layers are 2048 wide: the file has them in half precision, and not their gradients.
        is_wide = lambda tensor: 2048 in tensor.shape
        kept = {key: tensor for key, tensor in tensors.items() if not (is_wide(tensor) and key.startswith("gradients."))}
        tensors = {key: tensor.bfloat16() if is_wide(tensor) else tensor for key, tensor in kept.items()}
    save_file({key: value.contiguous().clone() for key, value in tensors.items()}, HERE / f"{name}.safetensors")
    return rows, output


def check(name, model, rows, output):
    """Compares with the package's own class."""
    from modelgenerator.adapters import MLPAdapter, ResNet1DAdapter
    from modelgenerator.adapters.fusion import ConcatFusion, CrossAttentionFusion

    def copy(theirs, ours):
        theirs.weight.data.copy_(ours.weight.data)
        if ours.bias is not None:
            theirs.bias.data.copy_(ours.bias.data)

    def masked(row):
        return [it for states in row for it in (states[None], torch.ones(1, len(states)))]

    if name == "resnet":
        # A norm over one token is refused by the package.
        theirs = ResNet1DAdapter(6, 1, channels=5, num_blocks=2, dropout=0.0).eval()
        copy(theirs.in_to_conv, model.inputs)
        copy(theirs.conv_to_output, model.output)
        for block, ours in zip(theirs.resnet.blocks, model.blocks):
            copy(block.residual_block[0], ours[0])
            copy(block.residual_block[3], ours[1])
        found = torch.stack([theirs(states[None], torch.zeros(1, len(states), dtype=torch.bool)).view(1) for states, in rows if len(states) > 1])
        output = torch.stack([it for it, (states,) in zip(output, rows) if len(states) > 1])
    elif name.startswith("cross_attention"):
        widths = [states.shape[1] for states in rows[0]]
        third = widths[2] if len(widths) > 2 else None
        theirs = CrossAttentionFusion(widths[0], widths[1], third, num_attention_heads=model.heads).eval()
        for number, ours in enumerate(model.layers, 1):
            for part_name, layer in ours.items():
                copy(getattr(getattr(theirs, f"cross_attention_layer_0{number}"), part_name), layer)
        found = torch.stack([model.output(theirs(*masked(row))[0, 0]) for row in rows])
    elif name.startswith("concat"):
        widths = [states.shape[1] for states in rows[0]]
        third = widths[2] if len(widths) > 2 else None
        theirs = ConcatFusion(widths[0], widths[1], third, project_size=model.projections[0].out_features, pooling=model.pooling).eval()
        for part_name, ours in zip(["project", "project_1", "project_2"], model.projections):
            copy(getattr(theirs, part_name), ours)
        head = MLPAdapter(model.first.in_features, model.last.out_features, hidden_sizes=[model.first.out_features]).eval()
        linear = [layer for layer in head if isinstance(layer, nn.Linear)]
        copy(linear[0], model.first)
        copy(linear[1], model.last)
        found = torch.stack([head(theirs(*masked(row))[0]) for row in rows])
    else:
        print(name, "is not compared")
        return
    print(name, "differs from the package's by", (found - output).abs().max().item())


def main():
    for number, (name, new, widths, lengths) in enumerate(CASES):
        torch.manual_seed(number + 1)
        model = new().eval()
        rows, output = make(name, model, widths, lengths)
        if "--check" in sys.argv[1:]:
            with torch.no_grad():
                check(name, model, rows, output)


if __name__ == "__main__":
    main()
