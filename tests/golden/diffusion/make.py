"""Golden cases for masked diffusion and for the head that is told conditions, made with torch 2.15.0 on the CPU.

    python tests/golden/diffusion/make.py

Writes `cases.json` and `conditional_head.json` beside this script. Everything is put together here from the formulas of the
method: ModelGenerator's own task draws from global generators, combines the masks of a pass wrongly and may write special
tokens, and its conditional head attends across the batch, so that none of their outputs is what is wanted. What is drawn are
inputs of a case: `uniform` numbers in [0, 1).

* `noise`: the time of a copy, how many tokens are masked, and which (the first steps of a shuffle by the uniform numbers).
* `loss`: a batch of noised rows, with the loss, its gradient by the logits, and the accuracy of each row.
* `reveal`: rows written pass by pass by a small model, with the logits of the masks that are left in each pass, what is revealed in
  which order, each row's loss summed over passes, and its accuracy.
"""

import json
import math
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

HERE = Path(__file__).parent
SMOOTHING = 0.05
MASK = 4


def uniform(generator, *shape):
    return torch.rand(*shape, generator=generator, dtype=torch.float64)


def noise():
    cases = []
    generator = torch.Generator().manual_seed(1)
    for count, copies in [(1, 1), (7, 1), (7, 10), (23, 10), (40, 3)]:
        for copy in range(copies):
            drawn = uniform(generator, 1 + count).tolist()
            low, high = max(copy / copies, 1e-3), (copy + 1) / copies
            time = low + (high - low) * drawn[0]
            masked = max(1, math.floor(count * time))
            places = list(range(count))
            for at in range(masked):
                other = at + math.floor(drawn[1 + at] * (count - at))
                places[at], places[other] = places[other], places[at]
            cases.append({
                "count": count, "copies": copies, "copy": copy, "uniform": drawn,
                "time": time, "masked": masked, "places": sorted(places[:masked]),
            })
    return cases


def loss():
    """Rows of one length, as the reference pads them; sites are the masked tokens that are known."""
    cases = []
    for seed, (rows, length, vocabulary, normalize) in enumerate([(4, 6, 7, False), (3, 5, 9, True), (1, 3, 6, False)]):
        generator = torch.Generator().manual_seed(20 + seed)
        logits = 2 * torch.randn(rows, length, vocabulary, generator=generator, dtype=torch.float64)
        logits = logits.float().double().requires_grad_()
        targets = torch.randint(5, vocabulary, (rows, length), generator=generator)
        masked = uniform(generator, rows, length) < 0.5
        known = uniform(generator, rows, length) < 0.8
        masked[0, 0] = known[0, 0] = True
        if rows > 2:
            masked[2] = False
        weights = 1 / (1e-3 + 0.999 * uniform(generator, rows))
        scored = (masked & known).double()
        cross = functional.cross_entropy(
            logits.flatten(0, 1), targets.flatten(), reduction="none", label_smoothing=SMOOTHING
        ).view(rows, length)
        counts = scored.sum(1)
        used = weights / weights.sum() if normalize else weights
        value = (used * (cross * scored).sum(1) / counts.clamp(min=1)).sum() / (counts > 0).sum()
        value.backward()
        hits = ((logits.argmax(-1) == targets) & masked & known).sum(1)
        sites = [[place for place in range(length) if scored[row, place]] for row in range(rows)]
        cases.append({
            "vocabulary": vocabulary, "normalize": normalize, "weights": weights.tolist(), "sites": sites,
            "targets": [[targets[row, place].item() for place in sites[row]] for row in range(rows)],
            "logits": [logits[row, place].tolist() for row in range(rows) for place in sites[row]],
            "loss": value.item(),
            "gradient": [logits.grad[row, place].tolist() for row in range(rows) for place in sites[row]],
            "hits": hits.tolist(),
        })
    return cases


class Small(nn.Module):
    """Logits that depend on all tokens of a row and on the place."""

    def __init__(self, vocabulary, width=5):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.mixing = nn.Conv1d(width, width, 5, padding=2)
        self.out = nn.Linear(width, vocabulary)

    def forward(self, ids):
        hidden = self.embedding(ids)
        place = torch.arange(len(ids), dtype=torch.float64)[:, None] / 7
        hidden = hidden + torch.cat([place.sin(), place.cos(), (3 * place).sin(), place, -place], 1)
        hidden = hidden + self.mixing(hidden.T[None])[0].T.tanh() + hidden.mean(0)
        return 2 * self.out(hidden)


def reveal():
    cases = []
    vocabulary, ordinary = 9, [5, 6, 7, 8]
    for seed, (steps, temperature, samples) in enumerate([(4, 1.0, False), (3, 0.5, False), (1, 1.0, False), (20, 2.0, False), (4, 0.8, True)]):
        torch.manual_seed(40 + seed)
        generator = torch.Generator().manual_seed(60 + seed)
        # Scaled, so that special tokens are often the likeliest of all.
        model = Small(vocabulary).double()
        rows = []
        for length, unknown in [(6, 0), (11, 2), (17, 1)]:
            targets = torch.tensor([2] + [ordinary[int(4 * drawn)] for drawn in uniform(generator, length)] + [3])
            masked = [place for place in range(1, length + 1) if uniform(generator, 1).item() < 0.7]
            masked = masked or [1]
            # Some are masks in the data themselves, and nobody knows what they are.
            for place in masked[:unknown]:
                targets[place] = MASK
            ids = targets.clone()
            ids[masked] = MASK
            weight = 1 / (1e-3 + 0.999 * uniform(generator, 1).item())
            each = len(masked) // steps + 1
            row = {"targets": targets.tolist(), "ids": ids.tolist(), "weight": weight, "each": each, "passes": []}
            left, total = list(masked), 0.0
            for _ in range(steps):
                if not left:
                    break
                with torch.no_grad():
                    logits = model(ids)[left].float().double()
                heated = torch.full_like(logits, -torch.inf)
                heated[:, ordinary] = logits[:, ordinary] / temperature
                probabilities = heated.softmax(-1)
                drawn = uniform(generator, len(left))
                if samples:
                    tokens = torch.tensor([
                        next(token for token in ordinary if probabilities[at, : token + 1].sum() > drawn[at])
                        for at in range(len(left))
                    ])
                else:
                    tokens = heated.argmax(-1)
                sure = probabilities.gather(1, tokens[:, None])[:, 0]
                order = sorted(range(len(left)), key=lambda at: -sure[at].item())[:each]
                losses = []
                for at in order:
                    target = targets[left[at]]
                    if target != MASK:
                        losses.append(functional.cross_entropy(logits[at], target, label_smoothing=SMOOTHING).item())
                total += sum(losses) / max(len(losses), 1)
                row["passes"].append({
                    "logits": logits.flatten().tolist(), "uniform": drawn.tolist(),
                    "revealed": [[left[at], tokens[at].item()] for at in order],
                })
                for at in order:
                    ids[left[at]] = tokens[at]
                left = [place for place in left if ids[place] == MASK]
            assert not left
            known = [place for place in masked if targets[place] != MASK]
            row["written"] = ids.tolist()
            row["loss"] = weight * total
            row["hits"] = sum(int(ids[place] == targets[place]) for place in known)
            rows.append(row)
        cases.append({
            "steps": steps, "temperature": temperature, "samples": samples, "mask": MASK,
            "vocabulary": vocabulary, "ordinary": ordinary, "rows": rows,
        })
    return cases


def conditional_head():
    """Post-norm encoder layers along each sequence under a padding mask; dropout is off."""
    torch.manual_seed(7)
    width, heads, inner, count, conditions, vocabulary = 12, 3, 7, 2, 2, 5
    lengths = [4, 1, 6]
    layer = nn.TransformerEncoderLayer(width, heads, inner, 0.0, batch_first=True)
    layers = nn.ModuleList([layer] + [nn.TransformerEncoderLayer(width, heads, inner, 0.0, batch_first=True) for _ in range(count - 1)])
    encoder, decoder = nn.Linear(conditions, width), nn.Linear(width, vocabulary)
    for module in [layers, encoder, decoder]:
        module.double()
        for parameter in module.parameters():
            nn.init.normal_(parameter, std=0.4)
            parameter.data = parameter.data.float().double()
    hidden = torch.randn(len(lengths), max(lengths), width).double().requires_grad_()
    told = torch.randn(len(lengths), conditions).double().requires_grad_()
    inside = torch.arange(max(lengths))[None] < torch.tensor(lengths)[:, None]
    states = hidden + encoder(told)[:, None]
    attended = states
    for layer in layers:
        attended = layer(attended, src_key_padding_mask=~inside)
    outputs = decoder(attended + states)[inside]
    weights = torch.randn(sum(lengths), vocabulary).double()
    (outputs * weights).sum().backward()

    parameters = {}

    def add(path, value, gradient):
        parameters[path] = {
            "shape": list(value.shape), "values": value.flatten().tolist(), "gradient": gradient.flatten().tolist(),
        }

    def add_linear(path, module):
        add(f"{path}.weight", module.weight, module.weight.grad)
        add(f"{path}.bias", module.bias, module.bias.grad)

    add_linear("label_encoder", encoder)
    add_linear("decoder", decoder)
    for number, layer in enumerate(layers):
        attention = layer.self_attn
        for part, name in enumerate(["query", "key", "value"]):
            rows = slice(part * width, (part + 1) * width)
            path = f"layers.{number}.attention.inputs.{name}"
            add(f"{path}.weight", attention.in_proj_weight[rows], attention.in_proj_weight.grad[rows])
            add(f"{path}.bias", attention.in_proj_bias[rows], attention.in_proj_bias.grad[rows])
        add_linear(f"layers.{number}.attention.output", attention.out_proj)
        add_linear(f"layers.{number}.attention_norm", layer.norm1)
        add_linear(f"layers.{number}.feed_forward.up", layer.linear1)
        add_linear(f"layers.{number}.feed_forward.down", layer.linear2)
        add_linear(f"layers.{number}.feed_forward_norm", layer.norm2)
    flat = lambda tensor: tensor.detach().flatten().tolist()
    return {
        "width": width, "heads": heads, "inner": inner, "layers": count, "conditions": conditions,
        "vocabulary": vocabulary, "lengths": lengths, "hidden": flat(hidden[inside]), "told": flat(told),
        "weights": flat(weights), "outputs": flat(outputs), "hidden_gradient": flat(hidden.grad[inside]),
        "parameters": parameters,
    }


def rounded(value):
    """Numbers of 9 digits, which is what single precision holds; drawn ones and times keep all of theirs."""
    if isinstance(value, float):
        return float(f"{value:.9g}")
    if isinstance(value, list):
        return [rounded(item) for item in value]
    if isinstance(value, dict):
        return {key: item if key in ("uniform", "time") else rounded(item) for key, item in value.items()}
    return value


def main():
    cases = {"smoothing": SMOOTHING, "noise": noise(), "loss": loss(), "reveal": reveal()}
    (HERE / "cases.json").write_text(json.dumps(rounded(cases)) + "\n")
    (HERE / "conditional_head.json").write_text(json.dumps(rounded(conditional_head())) + "\n")


if __name__ == "__main__":
    main()
