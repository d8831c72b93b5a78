"""Golden cases for the losses of supervised tasks, made by PyTorch 2.15.0 in float64.

    python tests/golden/metrics/losses.py

Writes `losses.json` beside this script. A case has

    loss        its name, and `settings` its scalar options (`delta` of huber, `beta` of smooth_l1)
    inputs      logits or predictions, `[rows, width]` of float32 values
    targets     of cross_entropy a class a row; of bce_with_logits 0 or 1, else numbers, `[rows, width]`
    weights     one for each class (cross_entropy) or column (bce_with_logits, PyTorch's `weight`, not `pos_weight`), or null
    elements    the losses before they are reduced, weighted, `[rows]` of cross_entropy and else `[rows, width]`
    sum         of `elements`
    divisor     what PyTorch divides `sum` by: the weights of the rows' classes (cross_entropy), else the number of elements
    mean        what PyTorch returns; null where that is 0 / 0
    gradient    of `mean` by `inputs`, null where `mean` is
"""

import torch
from torch.nn import functional

from make import plain, write_json

LOSSES = dict(
    bce_with_logits=functional.binary_cross_entropy_with_logits, mse=functional.mse_loss, l1=functional.l1_loss,
    huber=functional.huber_loss, smooth_l1=functional.smooth_l1_loss, cross_entropy=functional.cross_entropy,
)


def case(loss: str, inputs: torch.Tensor, targets: torch.Tensor, weights: list[float] | None = None, **settings) -> dict:
    exact = inputs.double().requires_grad_()
    truth = targets if loss == "cross_entropy" else targets.double()
    weight = None if weights is None else torch.tensor(weights, dtype=torch.float64)
    options = settings if weight is None else settings | dict(weight=weight)
    elements = LOSSES[loss](exact, truth, reduction="none", **options)
    mean = LOSSES[loss](exact, truth, **options)
    mean.backward()
    if loss == "cross_entropy" and weight is not None:
        divisor = weight[truth].sum().item()
    else:
        divisor = float(elements.numel())
    return dict(
        loss=loss, settings=settings, inputs=inputs.tolist(), targets=targets.tolist(), weights=weights,
        elements=elements.tolist(), sum=elements.sum().item(), divisor=divisor, mean=plain(mean),
        gradient=exact.grad.tolist() if divisor else None,
    )


def losses() -> dict:
    generator = torch.Generator().manual_seed(9)

    def eighths(rows, width, scale=2.0):
        """Multiples of 1/8, exact in any float and in decimal."""
        return (torch.randn([rows, width], generator=generator) * scale * 8).round() / 8

    cases = {}
    logits, flags = eighths(10, 3), torch.randint(2, (10, 3), generator=generator)
    cases["bce"] = case("bce_with_logits", logits, flags)
    cases["bce_with_column_weights"] = case("bce_with_logits", logits, flags, [0.25, 1.0, 4.0])
    cases["bce_with_a_column_of_weight_zero"] = case("bce_with_logits", logits, flags, [0.0, 1.0, 2.0])
    cases["bce_of_one_column"] = case("bce_with_logits", logits[:, :1], flags[:, :1])
    # A label that applies to no row: its column still pulls its logits down.
    cases["bce_with_an_absent_label"] = case("bce_with_logits", logits, flags * torch.tensor([1, 0, 1]))
    large = torch.tensor([[1000.0, -1000.0], [-1000.0, 1000.0], [0.0, -0.0], [88.0, -104.0]])
    cases["bce_of_large_logits"] = case("bce_with_logits", large, torch.tensor([[1, 1], [0, 0], [0, 1], [1, 0]]))
    cases["bce_of_large_logits_with_column_weights"] = case(
        "bce_with_logits", large, torch.tensor([[1, 1], [0, 0], [0, 1], [1, 0]]), [2.0, 0.5]
    )

    targets = eighths(9, 2)
    # Errors of exactly 0 and of exactly 1/2, 1 and 2, where huber and smooth_l1 change form.
    errors = torch.tensor([0.0, 0.5, -0.5, 1.0, -1.0, 2.0, -2.0, 0.125, -3.0]).unsqueeze(1) * torch.tensor([1.0, 2.0])
    for width in [1, 2]:
        inputs, truth = (targets + errors)[:, :width], targets[:, :width]
        name = "" if width == 1 else "_of_two_outputs"
        cases["mse" + name] = case("mse", inputs, truth)
        cases["l1" + name] = case("l1", inputs, truth)
        for delta in [1.0, 0.5, 2.0]:
            cases[f"huber_delta_{delta}{name}"] = case("huber", inputs, truth, delta=delta)
            cases[f"smooth_l1_beta_{delta}{name}"] = case("smooth_l1", inputs, truth, beta=delta)
        # PyTorch's smooth_l1 without a smooth part is l1.
        cases["smooth_l1_beta_0" + name] = case("smooth_l1", inputs, truth, beta=0.0)
    far = torch.tensor([[1e6], [-3e18], [1.0]])
    for loss in ["mse", "l1", "huber", "smooth_l1"]:
        cases[f"{loss}_of_large_errors"] = case(loss, far, torch.tensor([[0.0], [3e18], [1e6]]))
        cases[f"{loss}_of_one_row"] = case(loss, torch.tensor([[1.25]]), torch.tensor([[0.5]]))

    logits, weights = eighths(12, 4), [1.0, 0.5, 4.0, 0.125]
    labels = torch.tensor([0, 1, 3, 0, 1, 1, 3, 0, 3, 1, 0, 0])
    cases["cross_entropy"] = case("cross_entropy", logits, labels)
    # Class 2 labels no row, whatever its weight.
    cases["cross_entropy_weighted_with_an_absent_class"] = case("cross_entropy", logits, labels, weights)
    # Class 2 weighs nothing, as one that training never saw, and labels some rows: they count nowhere.
    labels = torch.tensor([0, 2, 3, 0, 2, 1, 3, 0, 3, 1, 0, 2])
    cases["cross_entropy_labels_of_weight_zero"] = case("cross_entropy", logits, labels, [1.0, 0.5, 0.0, 0.125])
    cases["cross_entropy_all_labels_of_weight_zero"] = case("cross_entropy", logits[:3], labels[[1, 4, 11]], [1, 1, 0, 1])
    cases["cross_entropy_one_row_of_a_rare_class"] = case("cross_entropy", logits[:1], torch.tensor([3]), weights)
    large = torch.tensor([[1000.0, -1000.0, 0.0], [-500.0, 500.0, 499.0], [88.0, 89.0, 90.0]])
    cases["cross_entropy_of_large_logits_weighted"] = case(
        "cross_entropy", large, torch.tensor([1, 2, 0]), [0.5, 2.0, 1.0]
    )
    return cases


if __name__ == "__main__":
    torch.set_num_threads(1)
    write_json("losses.json", losses())
