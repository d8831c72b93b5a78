"""Golden cases for metrics, made by torchmetrics 1.9.0 and PyTorch 2.15.0 (and R2 by scikit-learn 1.9.1).

    python tests/golden/metrics/make.py

Writes beside this script:

    metrics.json         single-label classification: for two classes the binary task on the softmax's column 1, for more
                         the multiclass task on the whole softmax
    multi_label.json     the multilabel task on the sigmoids
    regression.json      in float64: summed in float32, R2 of values far from zero has no right digit
    cross_entropy.json   the loss, its parts and its gradient; the other losses are made by `losses.py`

`expected` has the averages and `details` those of each class, label or output, in order. A value that the reference
library cannot give, or gives as NaN, is `null`, with the reason under `errors`. `undefined` names the metrics that have
no mathematical value on these rows (0 / 0), where `expected` is only that library's convention. `instead` has what we
give where we do not follow the reference: `null` for a Spearman of NaN, and scikit-learn's R2 where sums of squares are
under 1e-4, which torchmetrics takes for zero.
"""

import json
import math
import warnings
from pathlib import Path

import torch
import torchmetrics
from sklearn.metrics import r2_score
from torch.nn.functional import cross_entropy, one_hot
from torchmetrics import classification, regression

HERE = Path(__file__).parent
MADE_WITH = dict(torch=torch.__version__.split("+")[0], torchmetrics=torchmetrics.__version__)


def metrics_for(classes: int) -> dict[str, torchmetrics.Metric]:
    if classes == 2:
        return dict(
            accuracy=classification.BinaryAccuracy(), f1=classification.BinaryF1Score(),
            mcc=classification.BinaryMatthewsCorrCoef(), auroc=classification.BinaryAUROC(),
        )
    return dict(
        accuracy=classification.MulticlassAccuracy(classes, average="micro"),
        f1=classification.MulticlassF1Score(classes, average="macro"),
        mcc=classification.MulticlassMatthewsCorrCoef(classes),
        auroc=classification.MulticlassAUROC(classes, average="macro"),
    )


def class_metrics(classes: int) -> dict[str, torchmetrics.Metric]:
    """Of each class against the rest; none of two classes."""
    if classes == 2:
        return {}
    return dict(
        accuracy=classification.MulticlassAccuracy(classes, average=None),
        f1=classification.MulticlassF1Score(classes, average=None),
        auroc=classification.MulticlassAUROC(classes, average=None),
    )


def undefined(labels: torch.Tensor, predicted: torch.Tensor, classes: int) -> list[str]:
    """The metrics that are 0 / 0 on these rows."""
    found = []
    if len(labels) == 0:
        return ["accuracy", "f1", "mcc", "auroc"]
    if classes == 2 and not (labels.any() or predicted.any()):
        found.append("f1")
    if len(labels.unique()) == 1 or len(predicted.unique()) == 1:
        found.append("mcc")
    if len(labels.unique()) < classes:
        found.append("auroc")
    return found


def plain(value: torch.Tensor) -> float | list[float | None] | None:
    """The numbers in `value`, `None` for those that JSON has not."""
    finite = [number if math.isfinite(number) else None for number in value.reshape(-1).tolist()]
    return finite if value.ndim else finite[0]


def scored(metrics: dict, parts: list) -> tuple[dict, dict, dict]:
    """The values by name of metrics that are fed `parts`, one after the other; the errors and the warnings."""
    expected, errors, remarks = {}, {}, {}
    for name, metric in metrics.items():
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                for predictions, truth in parts:
                    metric.update(predictions, truth)
                value = metric.compute()
                expected[name] = plain(value)
                if not value.isfinite().all():
                    errors[name] = str(value.tolist())
            except Exception as error:
                expected[name] = None
                errors[name] = f"{type(error).__name__}: {error}"
        said = sorted({str(warning.message).splitlines()[0] for warning in caught})
        if said:
            remarks[name] = said
    return expected, errors, remarks


def case(logits: torch.Tensor, labels: torch.Tensor, batches: int = 1) -> dict:
    """What the reference gives for these rows, fed to it in `batches` parts."""
    classes = logits.shape[1]
    probabilities = logits.softmax(1)
    predictions = probabilities[:, 1] if classes == 2 else probabilities
    parts = [(predictions[first::batches], labels[first::batches]) for first in range(batches if len(labels) else 0)]
    expected, errors, remarks = scored(metrics_for(classes), parts)
    details, _, _ = scored(class_metrics(classes) if len(labels) else {}, parts)
    return dict(
        classes=classes, batches=batches, logits=logits.tolist(), labels=labels.tolist(),
        probabilities=probabilities.tolist(), expected=expected, details=details,
        undefined=undefined(labels, predictions.gt(0.5) if classes == 2 else predictions.argmax(1), classes),
        errors=errors, warnings=remarks,
    )


def metrics() -> dict:
    generator = torch.Generator().manual_seed(5)

    def logits(rows, classes, scale=2.0):
        # Multiples of 1/8 are exact in any float and in decimal.
        return (torch.randn([rows, classes], generator=generator) * scale * 8).round() / 8

    def labels(rows, among):
        return torch.tensor(among)[torch.randint(len(among), (rows,), generator=generator)]

    def leaning(rows, classes, among):
        """Rows whose own class is a little ahead, so that scores are neither chance nor perfect."""
        own = labels(rows, among)
        return logits(rows, classes) + 1.5 * one_hot(own, classes), own

    cases = {}
    cases["binary"] = case(*leaning(40, 2, [0, 1, 1]))
    cases["binary_in_batches"] = case(*leaning(41, 2, [0, 0, 0, 1]), batches=4)

    rows = torch.tensor([[0, 0], [1, 1], [0, 1], [1, 2], [2, 0], [3, 1], [0, 1], [0, 0]]).float()
    cases["binary_ties"] = case(rows, torch.tensor([0, 1, 1, 0, 0, 1, 1, 1]))
    # Both probabilities are 1 in f32: the logits differ and the scores tie.
    rows = torch.tensor([[-40, 40], [-60, 60], [-50, 50], [30, -30], [40, -40]]).float()
    cases["binary_saturated"] = case(rows, torch.tensor([1, 0, 1, 0, 1]))

    cases["binary_only_negatives"] = case(logits(9, 2), torch.zeros(9, dtype=torch.long))
    cases["binary_only_positives"] = case(logits(9, 2), torch.ones(9, dtype=torch.long))
    sure = torch.tensor([[3.0, -1.0]]).repeat(6, 1)
    cases["binary_all_right_one_class"] = case(sure, torch.zeros(6, dtype=torch.long))
    cases["binary_all_right_positive_class"] = case(-sure, torch.ones(6, dtype=torch.long))
    cases["binary_all_wrong"] = case(sure, torch.ones(6, dtype=torch.long))
    cases["binary_all_wrong_both_classes"] = case(
        torch.cat([sure, -sure]), torch.cat([torch.ones(6), torch.zeros(6)]).long()
    )
    cases["binary_never_predicts_one"] = case(sure, torch.tensor([0, 0, 1, 0, 1, 0]))
    cases["binary_single_row"] = case(sure[:1], torch.tensor([0]))
    cases["binary_empty"] = case(torch.zeros(0, 2), torch.zeros(0, dtype=torch.long))

    cases["multiclass"] = case(*leaning(60, 5, [0, 1, 2, 3, 4, 4]))
    cases["multiclass_in_batches"] = case(*leaning(61, 5, [0, 1, 2, 3, 4]), batches=7)
    # Class 3 has no rows, but some row is predicted to be of it.
    cases["multiclass_absent_class"] = case(*leaning(50, 5, [0, 1, 2, 4]))

    rows, own = leaning(50, 5, [0, 1, 2, 3, 4])
    rows[:, 2] = -9.0
    cases["multiclass_class_never_predicted"] = case(rows, own)
    rows, own = leaning(50, 5, [0, 1, 3, 4])
    rows[:, 2] = -9.0
    cases["multiclass_class_absent_and_never_predicted"] = case(rows, own)
    rows = logits(30, 5, 0.5).round()
    cases["multiclass_ties"] = case(rows, labels(30, [0, 1, 2, 3, 4]))

    cases["multiclass_only_one_class"] = case(logits(12, 5), torch.full((12,), 3))
    rows = torch.zeros(7, 5)
    rows[:, 3] = 4.0
    cases["multiclass_all_right_one_class"] = case(rows, torch.full((7,), 3))
    cases["multiclass_all_wrong_one_class"] = case(rows, torch.full((7,), 1))
    cases["multiclass_always_predicts_one_class"] = case(rows, torch.tensor([0, 1, 2, 3, 4, 3, 3]))
    cases["multiclass_single_row"] = case(rows[:1], torch.tensor([3]))
    cases["multiclass_empty"] = case(torch.zeros(0, 5), torch.zeros(0, dtype=torch.long))

    for classes in [2, 5]:
        kind = "binary" if classes == 2 else "multiclass"
        own = torch.arange(3 * classes) % classes
        ahead = 4.0 * one_hot(own, classes) + logits(3 * classes, classes, 0.25)
        cases[f"{kind}_perfect"] = case(ahead, own)
        cases[f"{kind}_inverted"] = case(-ahead, own)
    return cases


def multi_label_case(logits: torch.Tensor, flags: torch.Tensor, batches: int = 1) -> dict:
    """What the reference gives for rows of `logits` and `flags`, both `[rows, labels]`."""
    labels = logits.shape[1]
    probabilities = logits.sigmoid()
    parts = [(probabilities[first::batches], flags[first::batches]) for first in range(batches)]
    expected, errors, remarks = scored(
        dict(
            accuracy=classification.MultilabelAccuracy(labels), f1=classification.MultilabelF1Score(labels),
            mcc=classification.MultilabelMatthewsCorrCoef(labels), auroc=classification.MultilabelAUROC(labels),
        ),
        parts,
    )
    details = {name: [] for name in expected}
    for label in range(labels):
        column = [(probabilities[:, label], flags[:, label]) for probabilities, flags in parts]
        for name, value in scored(metrics_for(2), column)[0].items():
            details[name].append(value)
    return dict(
        labels=labels, batches=batches, logits=logits.tolist(), flags=flags.bool().tolist(),
        probabilities=probabilities.tolist(), expected=expected, details=details, errors=errors, warnings=remarks,
    )


def multi_label() -> dict:
    generator = torch.Generator().manual_seed(7)

    def leaning(rows, chances):
        """Labels that apply with `chances`, and logits a little on their side."""
        flags = torch.rand([rows, len(chances)], generator=generator) < torch.tensor(chances)
        noise = (torch.randn([rows, len(chances)], generator=generator) * 12).round() / 8
        return noise + flags * 1.5 - 0.75, flags.long()

    cases = {}
    cases["leaning"] = multi_label_case(*leaning(40, [0.5, 0.2, 0.8, 0.4]))
    cases["in_batches"] = multi_label_case(*leaning(41, [0.3, 0.6, 0.5]), batches=5)
    # Label 1 applies to no row, but is predicted of some.
    cases["absent_label"] = multi_label_case(*leaning(30, [0.5, 0.0, 0.6]))
    rows, flags = leaning(30, [0.5, 0.0, 0.6])
    rows[:, 1] = -3.0
    cases["label_absent_and_never_predicted"] = multi_label_case(rows, flags)
    rows, flags = leaning(30, [0.5, 0.4, 0.6])
    rows[:, 2] = -3.0
    cases["label_never_predicted"] = multi_label_case(rows, flags)
    cases["label_of_every_row"] = multi_label_case(*leaning(30, [1.0, 0.4]))
    rows, flags = leaning(30, [0.5, 0.4, 0.6])
    # Zero is a probability of exactly 0.5, which is not above it.
    cases["ties"] = multi_label_case(rows.round(), flags)
    rows = torch.tensor([[40, -40, 0], [60, -60, 1], [50, -50, 2], [-30, 30, 3], [40, -40, 4]]).float()
    cases["saturated"] = multi_label_case(rows, torch.tensor([[1, 0, 0], [0, 1, 0], [1, 0, 1], [0, 1, 1], [1, 0, 1]]))

    flags = torch.tensor([[0, 1, 1], [1, 0, 1], [0, 0, 1], [1, 1, 0], [0, 1, 0], [1, 1, 1]])
    ahead = flags * 4.0 - 2.0 + torch.arange(18).reshape(6, 3) / 16
    cases["perfect"] = multi_label_case(ahead, flags)
    cases["inverted"] = multi_label_case(-ahead, flags)
    cases["nothing_applies_and_nothing_is_predicted"] = multi_label_case(ahead - 9.0, flags * 0)
    cases["nothing_applies_and_all_is_predicted"] = multi_label_case(ahead + 9.0, flags * 0)
    cases["all_applies_and_nothing_is_predicted"] = multi_label_case(ahead - 9.0, flags * 0 + 1)
    cases["nothing_is_predicted"] = multi_label_case(ahead - 9.0, flags)
    cases["all_is_predicted"] = multi_label_case(ahead + 9.0, flags)
    cases["single_row"] = multi_label_case(ahead[:1], flags[:1])
    return cases


def regression_case(predictions: torch.Tensor, targets: torch.Tensor, batches: int = 1) -> dict:
    """What the reference gives for `predictions` and `targets`, both `[rows, outputs]` of float32 values."""
    outputs = targets.shape[1]
    # A Spearman of one column takes and gives a vector without that axis.
    flat = (lambda values: values[:, 0]) if outputs == 1 else (lambda values: values)
    pair = (flat(predictions.double()), flat(targets.double()))
    parts = [tuple(values[first::batches] for values in pair) for first in range(batches)]
    metrics = dict(
        pearson=regression.PearsonCorrCoef(outputs), spearman=regression.SpearmanCorrCoef(outputs),
        mae=regression.MeanAbsoluteError(outputs), r2=regression.R2Score(multioutput="raw_values"),
        mse=regression.MeanSquaredError(num_outputs=outputs),
    )
    details, errors, remarks = scored(metrics, parts)
    for name, values in details.items():
        values = values if isinstance(values, list) else [values]
        details[name] = values if len(values) == outputs else values * outputs

    instead = {}
    missing = [bool(column.any()) for column in (predictions.isnan() | targets.isnan()).T]
    if any(missing):
        instead["spearman"] = [
            None if is_missing else value for is_missing, value in zip(missing, details["spearman"], strict=True)
        ]
    elif len(targets) > 1:
        exact = r2_score(targets.double().numpy(), predictions.double().numpy(), multioutput="raw_values").tolist()
        if any(abs(one - other) > 1e-9 * max(1, abs(other)) for one, other in zip(details["r2"], exact, strict=True)):
            instead["r2"] = exact

    def average(values):
        return None if None in values else sum(values) / len(values)

    return dict(
        outputs=outputs, batches=batches, predictions=rows_of(predictions), targets=rows_of(targets),
        expected={name: average(values) for name, values in details.items()}, details=details, instead=instead,
        errors=errors, warnings=remarks,
    )


def rows_of(values: torch.Tensor) -> list[list[float | None]]:
    return [plain(row) for row in values]


def regression_cases() -> dict:
    generator = torch.Generator().manual_seed(8)
    # Ranks and states are made in the default type.
    torch.set_default_dtype(torch.float64)

    def normal(rows, outputs=1):
        return (torch.randn([rows, outputs], generator=generator) * 64).round() / 64

    def near(targets, error=0.5):
        return (targets + error * normal(*targets.shape)).float()

    cases = {}
    one, three = normal(40), normal(40, 3) * torch.tensor([1.0, 8.0, 0.25]) + torch.tensor([0.0, -20.0, 3.0])
    cases["one_output"] = regression_case(near(one), one)
    cases["three_outputs"] = regression_case(near(three), three)
    cases["three_outputs_in_batches"] = regression_case(near(three, 1.5), three, batches=7)
    cases["batches_of_one_row"] = regression_case(near(one), one, batches=40)
    cases["ties"] = regression_case(near(three).round(), three.round())
    cases["worse_than_the_mean"] = regression_case(normal(40) * 4, one)
    cases["perfect"] = regression_case(three, three)
    cases["inverted"] = regression_case(-three, three)
    cases["scaled_and_shifted"] = regression_case(three * 4 - 3, three)

    constant = torch.full([12, 1], 0.1, dtype=torch.float32)
    short = one[:12]
    cases["constant_predictions"] = regression_case(constant, short)
    cases["constant_targets"] = regression_case(near(short), constant)
    cases["constant_and_right"] = regression_case(constant, constant)
    cases["constant_and_wrong"] = regression_case(constant + 1, constant)
    cases["constant_and_almost_right"] = regression_case(constant + 2.0**-10, constant)
    mixed = torch.cat([short, constant], 1)
    cases["one_constant_output_of_two"] = regression_case(near(mixed), mixed)

    cases["one_row"] = regression_case(torch.tensor([[1.5]]), torch.tensor([[2.0]]))
    cases["one_row_of_three_outputs"] = regression_case(near(three[:1]), three[:1])
    cases["two_rows"] = regression_case(torch.tensor([[1.5], [3.0]]), torch.tensor([[2.0], [2.25]]))
    cases["three_rows"] = regression_case(torch.tensor([[1.5], [3.0], [2.0]]), torch.tensor([[2.0], [2.25], [-1.0]]))

    # In sixteen rows of quarters every sum of squares is exact in float64, even the reference's about zero.
    quarters = (normal(16) * 16).round() / 4 + 1e6
    cases["far_from_zero"] = regression_case((near(quarters) * 4).round() / 4, quarters)
    cases["predictions_far_from_zero"] = regression_case(quarters, quarters - 1e6)
    cases["small_scale"] = regression_case(near(normal(20), 1.0) * 2.0**-10, normal(20) * 2.0**-10)
    cases["almost_perfect"] = regression_case((one + normal(40) * 2.0**-10).float(), one)

    holed = near(three)
    holed[5, 1] = math.nan
    cases["a_prediction_is_nan"] = regression_case(holed, three)
    cases["a_target_is_nan"] = regression_case(three, holed)
    torch.set_default_dtype(torch.float32)
    return cases


def cross_entropy_cases() -> dict:
    generator = torch.Generator().manual_seed(6)
    cases = {}

    def add(name, logits, labels, weights=None):
        exact = logits.double().requires_grad_()
        weight = None if weights is None else torch.tensor(weights, dtype=torch.float64)
        rows = cross_entropy(exact, labels, reduction="none")
        mean = cross_entropy(exact, labels, weight=weight)
        mean.backward()
        cases[name] = dict(
            logits=logits.tolist(), labels=labels.tolist(), class_weights=weights, per_row=rows.tolist(),
            mean=mean.item(), weight=float(len(labels)) if weight is None else weight[labels].sum().item(),
            gradient=exact.grad.tolist(),
        )

    for classes, weights in [(2, [0.25, 3.0]), (5, [1.0, 0.5, 2.0, 4.0, 0.125])]:
        logits = (torch.randn([12, classes], generator=generator) * 24).round() / 8
        labels = torch.randint(classes, (12,), generator=generator)
        add(f"plain_{classes}_classes", logits, labels)
        add(f"weighted_{classes}_classes", logits, labels, weights)
    add("a_class_of_weight_zero", logits, labels, [1.0, 0.0, 2.0, 0.0, 1.0])
    large = torch.tensor([[1000.0, -1000.0, 0.0], [-500.0, 500.0, 499.0], [88.0, 89.0, 90.0]])
    add("large_logits", large, torch.tensor([0, 2, 0]))
    return cases


def write_json(name: str, cases: dict) -> None:
    text = json.dumps(dict(cases=cases, made_with=MADE_WITH), allow_nan=False)
    # One case a line: a change shows in a diff as the case it belongs to.
    for case_name in cases:
        text = text.replace(f'"{case_name}": {{', f'\n"{case_name}": {{', 1)
    (HERE / name).write_text(text + "\n")


if __name__ == "__main__":
    torch.set_num_threads(1)
    write_json("metrics.json", metrics())
    write_json("multi_label.json", multi_label())
    write_json("regression.json", regression_cases())
    write_json("cross_entropy.json", cross_entropy_cases())
