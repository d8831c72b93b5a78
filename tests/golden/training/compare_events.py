"""Whether TensorBoard's own reader finds in the event files of runs the scalars of their metrics.csv.

    pip install tensorboard
    python tests/golden/training/compare_events.py logs/version_0 ...
"""

import csv
import struct
import sys
from collections import defaultdict
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


def single(number: float) -> float:
    return struct.unpack("f", struct.pack("f", number))[0]


for run in map(Path, sys.argv[1:]):
    told = defaultdict(list)
    for row in csv.DictReader((run / "metrics.csv").open()):
        step = int(row.pop("step"))
        for name, cell in row.items():
            if cell:
                told[name].append((step, repr(single(float(cell)))))
    reader = EventAccumulator(str(run), size_guidance={"scalars": 0})
    reader.Reload()
    shown = {
        tag: [(event.step, repr(event.value)) for event in reader.Scalars(tag)]
        for tag in reader.Tags()["scalars"]
    }
    assert shown == told, f"{run}: differs in {[tag for tag in told | shown if told.get(tag) != shown.get(tag)]}"
    print(f"{run}: {len(told)} tags, {sum(map(len, told.values()))} scalars, all the same")
