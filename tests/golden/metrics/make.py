"""Golden cases for classification losses and metrics, made by torchmetrics and PyTorch.

    python tests/golden/metrics/make.py

Writes `metrics.json` and `cross_entropy.json` beside this script. Metrics are those of single-label sequence
classification: for two classes the binary task on the softmax's column 1, for more the multiclass task on the whole
softmax. A value the reference library cannot give is `null`, with its error under `errors`. `undefined` names the
metrics that have no mathematical value on these rows (0 / 0), where `expected` is only that library's convention.
"""

import json
import math
import warnings
from pathlib import Path

import torch
import torchmetrics
from torch.nn.functional import cross_entropy
from torchmetrics import classification

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


def case(logits: torch.Tensor, labels: torch.Tensor, batches: int = 1) -> dict:
    """What the reference gives for these rows, fed to it in `batches` parts."""
    classes = logits.shape[1]
    probabilities = logits.softmax(1)
    predictions = probabilities[:, 1] if classes == 2 else probabilities
    expected, errors, remarks = {}, {}, {}
    for name, metric in metrics_for(classes).items():
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                for rows in range(batches):
                    if len(labels):
                        metric.update(predictions[rows::batches], labels[rows::batches])
                value = metric.compute().item()
                expected[name] = value if math.isfinite(value) else None
                if not math.isfinite(value):
                    errors[name] = str(value)
            except Exception as error:
                expected[name] = None
                errors[name] = f"{type(error).__name__}: {error}"
        said = sorted({str(warning.message).splitlines()[0] for warning in caught})
        if said:
            remarks[name] = said
    return dict(
        classes=classes, batches=batches, logits=logits.tolist(), labels=labels.tolist(),
        probabilities=probabilities.tolist(), expected=expected,
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
        return logits(rows, classes) + 1.5 * torch.nn.functional.one_hot(own, classes), own

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
    write_json("cross_entropy.json", cross_entropy_cases())
