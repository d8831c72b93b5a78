"""Golden cases for the optimizer step and the learning-rate schedules, made by PyTorch.

    python tests/golden/training/make.py

Writes beside this script:

    adamw.safetensors, adamw.json   20 steps of `torch.optim.AdamW` on three tensors, in several variants
    schedules.json                  learning-rate multipliers at steps 0, 1, 2, ...
"""

import json
import math
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch.nn.utils import clip_grad_norm_
from torch.optim import lr_scheduler

HERE = Path(__file__).parent
SHAPES = [[7, 5], [11], [3, 2, 4]]
STEPS = 20
SCHEDULE_STEPS = 50
MADE_WITH = dict(torch=torch.__version__.split("+")[0])

VARIANTS = {
    "plain": dict(weight_decay=0.01),
    "clipped": dict(weight_decay=0.01, max_norm=1.0),
    "other_settings": dict(weight_decay=0.3, betas=(0.8, 0.95), eps=1e-3),
    "no_decay": dict(weight_decay=0.0),
}


def write_json(name: str, value: dict) -> None:
    (HERE / name).write_text(json.dumps(value, indent=1) + "\n")


def learning_rates() -> list[float]:
    """A rate that changes at each step: warm-up from exactly 0 over 4 steps, then a slow fall with a wobble."""
    return [
        0.02 * (step / 4 if step < 4 else (1 - step / 40) * (1 + 0.2 * math.sin(step))) for step in range(STEPS)
    ]


def adamw_steps(initial, gradients, rates, settings: dict) -> dict[str, torch.Tensor]:
    """The tensors after each step, the last moments, and the global norms found before clipping."""
    settings = dict(settings)
    max_norm = settings.pop("max_norm", None)
    parameters = [torch.nn.Parameter(tensor.clone()) for tensor in initial]
    optimizer = torch.optim.AdamW(parameters, lr=rates[0], foreach=False, **settings)
    after = [[] for _ in parameters]
    norms = []
    for step, rate in enumerate(rates):
        for parameter, sequence in zip(parameters, gradients, strict=True):
            parameter.grad = sequence[step].clone()
        if max_norm is not None:
            norms.append(clip_grad_norm_(parameters, max_norm, foreach=False))
        optimizer.param_groups[0]["lr"] = rate
        optimizer.step()
        for values, parameter in zip(after, parameters, strict=True):
            values.append(parameter.detach().clone())

    found = {f"after.{index}": torch.stack(values) for index, values in enumerate(after)}
    for index, parameter in enumerate(parameters):
        found[f"exp_avg.{index}"] = optimizer.state[parameter]["exp_avg"]
        found[f"exp_avg_sq.{index}"] = optimizer.state[parameter]["exp_avg_sq"]
    if norms:
        found["norms"] = torch.stack(norms)
    return found


def adamw() -> None:
    generator = torch.Generator().manual_seed(20)
    initial = [torch.randn(shape, generator=generator) for shape in SHAPES]
    # Steps differ by up to a hundred in size, so that clipping sometimes acts and sometimes does not.
    sizes = 10 ** (2 * torch.rand(STEPS, generator=generator) - 1.5)
    gradients = [
        torch.randn([STEPS, *shape], generator=generator) * sizes.reshape(-1, *[1] * len(shape)) for shape in SHAPES
    ]
    # A parameter that a batch does not touch still decays and its moments still fade.
    gradients[1][7] = 0.0
    rates = learning_rates()

    tensors = {f"initial.{index}": tensor for index, tensor in enumerate(initial)}
    tensors |= {f"gradients.{index}": tensor for index, tensor in enumerate(gradients)}
    variants = {}
    for name, settings in VARIANTS.items():
        for key, value in adamw_steps(initial, gradients, rates, settings).items():
            tensors[f"{name}.{key}"] = value
        defaults = dict(betas=(0.9, 0.999), eps=1e-8, max_norm=None)
        variants[name] = defaults | settings

    norms = tensors["clipped.norms"]
    assert (norms > 1).any() and (norms < 1).any(), norms
    save_file({key: value.contiguous() for key, value in tensors.items()}, HERE / "adamw.safetensors")
    write_json(
        "adamw.json",
        dict(steps=STEPS, shapes=SHAPES, learning_rates=rates, variants=variants, made_with=MADE_WITH),
    )


def with_warmup(name: str, total: int, warmup_steps: int | None = None, warmup_ratio: float | None = None) -> dict:
    """ModelGenerator's three schedules, from their formulas; a count of warm-up steps wins over a ratio."""
    warmup = warmup_steps if warmup_steps is not None else int(warmup_ratio * total)
    after_warmup = {
        "CosineWithWarmup": lambda s: max(0.0, 0.5 * (1 + math.cos(math.pi * (s - warmup) / max(1, total - warmup)))),
        "LinearWithWarmup": lambda s: max(0.0, (total - s) / max(1, total - warmup)),
        "ConstantWithWarmup": lambda s: 1.0,
    }[name]
    return dict(
        scheduler=name,
        settings=dict(num_warmup_steps=warmup_steps, warmup_ratio=warmup_ratio),
        total_steps=total,
        multipliers=[s / max(1, warmup) if s < warmup else after_warmup(s) for s in range(SCHEDULE_STEPS)],
    )


def from_torch(name: str, **settings) -> dict:
    """Runs a scheduler of PyTorch, stepped after every optimizer step, with a base rate of 1."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = getattr(lr_scheduler, name)(optimizer, **settings)
    multipliers = []
    for _ in range(SCHEDULE_STEPS):
        multipliers.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return dict(scheduler=name, settings=settings, total_steps=None, multipliers=multipliers)


def schedules() -> None:
    cases = {
        "constant": dict(scheduler=None, settings={}, total_steps=None, multipliers=[1.0] * SCHEDULE_STEPS),
        "constant_with_warmup": with_warmup("ConstantWithWarmup", 50, warmup_steps=10),
        "linear_with_warmup": with_warmup("LinearWithWarmup", 40, warmup_steps=5),
        "linear_no_warmup": with_warmup("LinearWithWarmup", 50, warmup_steps=0),
        "linear_steps_win_over_ratio": with_warmup("LinearWithWarmup", 50, warmup_steps=3, warmup_ratio=0.5),
        # 0.29 * 100 is 28.999... in f64, so the warm-up is 28 steps.
        "linear_ratio_rounds_down": with_warmup("LinearWithWarmup", 100, warmup_ratio=0.29),
        "cosine_with_warmup": with_warmup("CosineWithWarmup", 60, warmup_steps=5),
        "cosine_ratio": with_warmup("CosineWithWarmup", 50, warmup_ratio=0.1),
        # The cosine is not cut at T: beyond it the multiplier rises again.
        "cosine_past_the_end": with_warmup("CosineWithWarmup", 20, warmup_steps=4),
        "warmup_is_everything": with_warmup("CosineWithWarmup", 50, warmup_steps=50),
        "step_lr": from_torch("StepLR", step_size=3, gamma=0.1),
        "step_lr_every_step": from_torch("StepLR", step_size=1, gamma=0.1),
        "linear_lr": from_torch("LinearLR", start_factor=1.0, end_factor=0.1, total_iters=20),
        "linear_lr_defaults": from_torch("LinearLR"),
    }
    write_json("schedules.json", dict(steps=SCHEDULE_STEPS, cases=cases, made_with=MADE_WITH))


if __name__ == "__main__":
    torch.set_num_threads(1)
    adamw()
    schedules()
