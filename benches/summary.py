"""Medians of the runs that benches/run noted, as a Markdown table: ours, theirs, and how many times better ours is.

    python3 benches/summary.py RESULTS.jsonl
"""

import json
import statistics
import sys
from pathlib import Path

# Of each job: what the row is called, where the figure stands, and whether more of it is better.
FIGURES = [
    ("fit", "fit, rows/s", ("report", "rows_per_second"), True),
    ("fit", "fit, peak memory, MB", ("report", "peak_rss_mb"), False),
    ("predict", "predict, rows/s", ("report", "rows_per_second"), True),
    ("predict", "predict, peak memory, MB", ("report", "peak_rss_mb"), False),
    ("start", "start to first prediction, s", ("process_seconds",), False),
    ("start", "start, peak memory, MB", ("report", "peak_rss_mb"), False),
    ("bert-base", "BERT-base forward, s", ("report", "forward_seconds"), False),
    ("bert-base", "BERT-base training step, s", ("report", "step_seconds"), False),
    ("bert-base", "BERT-base peak memory, MB", ("report", "peak_rss_mb"), False),
    ("smollm2", "Llama 135M, prompt, tokens/s", ("report", "prefill_tokens_per_second"), True),
    ("smollm2", "Llama 135M, writing one text, tokens/s", ("report", "one_row_tokens_per_second"), True),
    ("smollm2", "Llama 135M, writing 32 texts, tokens/s", ("report", "rows_32_tokens_per_second"), True),
    ("smollm2", "Llama 135M, peak memory, MB", ("report", "peak_rss_mb"), False),
]


def figure(run: dict, path: tuple[str, ...]) -> float:
    for key in path:
        run = run[key]
    return float(run)


def shown(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def check_same_work(runs: list[dict]) -> None:
    """Both sides must have seen the same rows and tokens; otherwise the figures compare nothing."""
    for job in ("fit", "predict"):
        for key in ("rows", "tokens"):
            counts = {run["side"]: run["report"][key] for run in runs if run["job"] == job and key in run["report"]}
            if len(set(counts.values())) > 1:
                print(f"warning: the two sides differ in {key} of {job}: {counts}", file=sys.stderr)


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    runs = [json.loads(line) for line in Path(sys.argv[1]).read_text().splitlines()]
    check_same_work(runs)
    print("| Median of each | Engraft | Hugging Face | Engraft is better by |\n|---|---|---|---|")
    for job, name, path, more_is_better in FIGURES:
        medians = {}
        for side in ("ours", "theirs"):
            values = [figure(run, path) for run in runs if run["side"] == side and run["job"] == job]
            if values:
                medians[side] = statistics.median(values)
        if not medians:
            continue
        ours, theirs = medians.get("ours"), medians.get("theirs")
        ratio = "-"
        if ours and theirs:
            ratio = f"{ours / theirs if more_is_better else theirs / ours:.2f} x"
        print(f"| {name} | {shown(ours)} | {shown(theirs)} | {ratio} |")


if __name__ == "__main__":
    main()
