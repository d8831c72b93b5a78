"""Golden cases for the optimizer step and the learning-rate schedules, made by PyTorch.

    python tests/golden/training/make.py

Writes beside this script:

    adamw.safetensors, adamw.json             20 steps of `torch.optim.AdamW` on three tensors, in several variants
    optimizers.safetensors, optimizers.json   the same tensors after each step of the other optimizers
                                              (both computed in double precision and rounded once, so that what
                                              differs from them in single precision is the other side's rounding)
    schedules.json                            learning rates, and momenta where they move, at steps 0, 1, 2, ...
    plateaus.json                             learning rates of `ReduceLROnPlateau` after each of a row of metrics
"""

import json
import math
import re
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
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


OPTIMIZERS = {
    "adamw_amsgrad": ("AdamW", dict(amsgrad=True, weight_decay=0.1)),
    "adamw_maximize": ("AdamW", dict(maximize=True)),
    "adam": ("Adam", {}),
    "adam_decay": ("Adam", dict(weight_decay=0.3, betas=(0.8, 0.95))),
    "adam_amsgrad": ("Adam", dict(weight_decay=0.1, amsgrad=True, maximize=True)),
    "adam_decoupled": ("Adam", dict(weight_decay=0.3, decoupled_weight_decay=True)),
    "sgd": ("SGD", {}),
    "sgd_decay": ("SGD", dict(weight_decay=0.3, maximize=True)),
    "sgd_momentum": ("SGD", dict(weight_decay=0.1, momentum=0.9, dampening=0.2)),
    "sgd_nesterov": ("SGD", dict(weight_decay=0.1, momentum=0.9, nesterov=True)),
    "adafactor": ("Adafactor", {}),
    "adafactor_decay": ("Adafactor", dict(weight_decay=0.3, eps=(1e-4, 0.1), d=1.5, beta2_decay=-0.5)),
    "adafactor_maximize": ("Adafactor", dict(maximize=True)),
    "rmsprop": ("RMSprop", dict(weight_decay=0.1)),
    "rmsprop_centered": ("RMSprop", dict(weight_decay=0.1, momentum=0.5, centered=True, alpha=0.9, eps=1e-3)),
    "adagrad": ("Adagrad", dict(weight_decay=0.1)),
    "adagrad_decay": ("Adagrad", dict(lr_decay=0.1, initial_accumulator_value=0.5, maximize=True)),
}


def write_json(name: str, value: dict) -> None:
    # One line for each list of numbers.
    text = re.sub(r"\[[-+.e\d,\s]*\]", lambda match: " ".join(match.group().split()), json.dumps(value, indent=1))
    (HERE / name).write_text(text + "\n")


def learning_rates() -> list[float]:
    """A rate that changes at each step: warm-up from exactly 0 over 4 steps, then a slow fall with a wobble."""
    return [
        0.02 * (step / 4 if step < 4 else (1 - step / 40) * (1 + 0.2 * math.sin(step))) for step in range(STEPS)
    ]


def optimizer_steps(initial, gradients, rates, name: str, settings: dict) -> dict[str, torch.Tensor]:
    """The tensors after each step of an optimizer."""
    parameters = [torch.nn.Parameter(tensor.double()) for tensor in initial]
    if name == "Adafactor":
        # Its default is the precision of the parameter's type, which is single precision where it is used.
        settings = dict(eps=(torch.finfo(torch.float32).eps, 1e-3)) | settings
    optimizer = getattr(torch.optim, name)(parameters, lr=rates[0], foreach=False, **settings)
    after = [[] for _ in parameters]
    for step, rate in enumerate(rates):
        for parameter, sequence in zip(parameters, gradients, strict=True):
            parameter.grad = sequence[step].double()
        optimizer.param_groups[0]["lr"] = rate
        optimizer.step()
        for values, parameter in zip(after, parameters, strict=True):
            values.append(parameter.detach().float())
    return {f"after.{index}": torch.stack(values) for index, values in enumerate(after)}


def optimizers() -> None:
    """On the initial tensors and gradients of `adamw`, at its rates."""
    given = load_file(HERE / "adamw.safetensors")
    rates = learning_rates()
    initial = [given[f"initial.{index}"] for index in range(len(SHAPES))]
    gradients = [given[f"gradients.{index}"] for index in range(len(SHAPES))]
    tensors = {}
    for case, (name, settings) in OPTIMIZERS.items():
        for key, value in optimizer_steps(initial, gradients, rates, name, settings).items():
            tensors[f"{case}.{key}"] = value.contiguous()
    save_file(tensors, HERE / "optimizers.safetensors")
    cases = {case: dict(class_path=name, init_args=settings) for case, (name, settings) in OPTIMIZERS.items()}
    write_json("optimizers.json", dict(learning_rates=rates, cases=cases, made_with=MADE_WITH))


def adamw_steps(initial, gradients, rates, settings: dict) -> dict[str, torch.Tensor]:
    """The tensors after each step, the last moments, and the global norms found before clipping."""
    settings = dict(settings)
    max_norm = settings.pop("max_norm", None)
    parameters = [torch.nn.Parameter(tensor.double()) for tensor in initial]
    optimizer = torch.optim.AdamW(parameters, lr=rates[0], foreach=False, **settings)
    after = [[] for _ in parameters]
    norms = []
    for step, rate in enumerate(rates):
        for parameter, sequence in zip(parameters, gradients, strict=True):
            parameter.grad = sequence[step].double()
        if max_norm is not None:
            norms.append(clip_grad_norm_(parameters, max_norm, foreach=False))
        optimizer.param_groups[0]["lr"] = rate
        optimizer.step()
        for values, parameter in zip(after, parameters, strict=True):
            values.append(parameter.detach().float())

    found = {f"after.{index}": torch.stack(values) for index, values in enumerate(after)}
    for index, parameter in enumerate(parameters):
        found[f"exp_avg.{index}"] = optimizer.state[parameter]["exp_avg"].float()
        found[f"exp_avg_sq.{index}"] = optimizer.state[parameter]["exp_avg_sq"].float()
    if norms:
        found["norms"] = torch.stack(norms).float()
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
    rates = [s / max(1, warmup) if s < warmup else after_warmup(s) for s in range(SCHEDULE_STEPS)]
    settings = dict(num_warmup_steps=warmup_steps, warmup_ratio=warmup_ratio)
    return dict(schedule=dict(class_path=name, init_args=settings), total=total, base=1.0, rates=rates)


def build(optimizer, schedule: dict):
    """A scheduler of PyTorch, with those inside it."""
    settings = dict(schedule["init_args"])
    kind = getattr(lr_scheduler, schedule["class_path"])
    if "schedulers" in settings:
        settings["schedulers"] = [build(optimizer, inner) for inner in settings["schedulers"]]
    if kind is lr_scheduler.ChainedScheduler:
        return kind(settings["schedulers"], optimizer=optimizer)
    return kind(optimizer, **settings)


def named(name: str, **settings) -> dict:
    return dict(class_path=name, init_args=settings)


def from_torch(name: str, base: float = 1.0, steps: int = SCHEDULE_STEPS, **settings) -> dict:
    """Runs a scheduler of PyTorch, stepped after every optimizer step."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=base, momentum=0.5)
    group = optimizer.param_groups[0]
    schedule = named(name, **settings)
    scheduler = build(optimizer, schedule)
    rates, momenta = [], []
    for _ in range(steps):
        rates.append(group["lr"])
        momenta.append(group["momentum"])
        optimizer.step()
        scheduler.step()
    case = dict(schedule=schedule, total=None, base=base, rates=rates)
    if momenta != [0.5] * steps:
        case["momenta"] = momenta
    return case


def schedules() -> None:
    constant, linear = named("ConstantLR", factor=0.1, total_iters=7), named("LinearLR", total_iters=11)
    cases = {
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
        "step_lr_every_step": from_torch("StepLR", base=0.003, step_size=1, gamma=0.1),
        "multi_step_lr": from_torch("MultiStepLR", milestones=[3, 17, 40], gamma=0.3),
        "multi_step_lr_unsorted_and_twice": from_torch("MultiStepLR", base=0.02, milestones=[30, 4, 30]),
        "constant_lr": from_torch("ConstantLR"),
        "constant_lr_settings": from_torch("ConstantLR", base=0.02, factor=0.75, total_iters=20),
        "linear_lr": from_torch("LinearLR", start_factor=1.0, end_factor=0.1, total_iters=20),
        "linear_lr_defaults": from_torch("LinearLR", base=5e-4),
        "exponential_lr": from_torch("ExponentialLR", gamma=0.9),
        "exponential_lr_rises": from_torch("ExponentialLR", base=1e-5, gamma=1.1),
        "polynomial_lr": from_torch("PolynomialLR"),
        "polynomial_lr_settings": from_torch("PolynomialLR", base=0.01, total_iters=40, power=2.5),
        "cosine_annealing_lr": from_torch("CosineAnnealingLR", T_max=50),
        "cosine_annealing_lr_rises_again": from_torch("CosineAnnealingLR", base=0.01, T_max=9, eta_min=1e-4),
        "warm_restarts": from_torch("CosineAnnealingWarmRestarts", T_0=7),
        "warm_restarts_longer": from_torch("CosineAnnealingWarmRestarts", base=0.01, T_0=3, T_mult=2, eta_min=1e-4),
        "one_cycle": from_torch("OneCycleLR", max_lr=0.01, total_steps=50),
        "one_cycle_linear": from_torch(
            "OneCycleLR", max_lr=0.1, epochs=5, steps_per_epoch=11, anneal_strategy="linear", pct_start=0.25
        ),
        "one_cycle_three_phases": from_torch(
            "OneCycleLR", max_lr=0.01, total_steps=60, three_phase=True, div_factor=10.0, final_div_factor=100.0
        ),
        "one_cycle_momentum_stays": from_torch("OneCycleLR", max_lr=0.01, total_steps=50, cycle_momentum=False),
        "cyclic": from_torch("CyclicLR", base_lr=1e-4, max_lr=1e-2, step_size_up=7),
        "cyclic_halves": from_torch(
            "CyclicLR", base_lr=1e-4, max_lr=1e-2, step_size_up=5, step_size_down=9, mode="triangular2"
        ),
        "cyclic_fades": from_torch(
            "CyclicLR", base_lr=0.0, max_lr=1.0, step_size_up=8, mode="exp_range", gamma=0.95, cycle_momentum=False
        ),
        "sequential": from_torch(
            "SequentialLR", base=0.05, schedulers=[constant, named("ExponentialLR", gamma=0.9)], milestones=[20]
        ),
        "sequential_warmup_then_cosine": from_torch(
            "SequentialLR",
            base=1e-3,
            schedulers=[linear, named("CosineAnnealingLR", T_max=30), named("StepLR", step_size=2)],
            milestones=[10, 40],
        ),
        "sequential_nested": from_torch(
            "SequentialLR",
            schedulers=[
                named("CosineAnnealingWarmRestarts", T_0=4),
                named("MultiStepLR", milestones=[2, 9], gamma=0.5),
            ],
            milestones=[13],
        ),
        "chained": from_torch(
            "ChainedScheduler", base=0.05, schedulers=[constant, named("ExponentialLR", gamma=0.9)]
        ),
        "chained_three": from_torch(
            "ChainedScheduler",
            schedulers=[linear, named("PolynomialLR", total_iters=60), named("StepLR", step_size=13, gamma=0.5)],
        ),
    }
    write_json("schedules.json", dict(cases=cases, made_with=MADE_WITH))


def plateau(values: list[float], base: float = 1.0, **settings) -> dict:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=base)
    scheduler = lr_scheduler.ReduceLROnPlateau(optimizer, **settings)
    rates = []
    for value in values:
        scheduler.step(value)
        rates.append(optimizer.param_groups[0]["lr"])
    return dict(settings=settings, base=base, values=values, rates=rates)


def plateaus() -> None:
    generator = torch.Generator().manual_seed(7)
    noise = torch.rand(60, generator=generator, dtype=torch.float64)
    falling = [1 / (1 + 0.3 * step) + 0.2 * float(noise[step]) for step in range(60)]
    rising = [1 - value for value in falling]
    flat = [0.5] * 30
    # Changes just below and just above a share of 1e-4.
    hardly = [1.0 * (1 - 0.99e-4) ** step for step in range(15)] + [0.9 * (1 - 1.01e-4) ** step for step in range(15)]
    cases = {
        "defaults": plateau(falling),
        "impatient": plateau(falling, base=0.01, patience=2, factor=0.5),
        "max": plateau(rising, base=0.01, mode="max", patience=1, factor=0.7),
        "max_absolute": plateau(rising, mode="max", threshold_mode="abs", threshold=0.05, patience=1, factor=0.7),
        "min_absolute": plateau(falling, threshold_mode="abs", threshold=0.05, patience=0, factor=0.9),
        "cooldown": plateau(flat, base=0.02, patience=1, cooldown=3, factor=0.5),
        "lowest_rate": plateau(flat, base=0.02, patience=0, factor=0.5, min_lr=1e-3),
        "least_fall": plateau(flat, base=1e-6, patience=0, factor=0.5, eps=1e-7),
        "threshold": plateau(hardly, patience=3, factor=0.5),
        "never": plateau(flat[:5], patience=10),
    }
    write_json("plateaus.json", dict(cases=cases, made_with=MADE_WITH))


if __name__ == "__main__":
    torch.set_num_threads(1)
    adamw()
    optimizers()
    schedules()
    plateaus()
