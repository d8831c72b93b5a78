"""What the scripts that make golden cases, a folder each, have in common."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import torch
import transformers

Case = TypeVar("Case")

# What one case may take in the repository.
MAX_CASE_BYTES = 300_000


def size_of(folder: Path, most: int = MAX_CASE_BYTES) -> int:
    """The bytes of a case's files, which must not be more than `most`."""
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    assert size < most, f"{folder.name} takes {size} bytes"
    return size


def make_all(cases: Mapping[str, Case], make: Callable[[str, Case], int]) -> None:
    """Makes the cases that the command line names, or all, and prints the bytes of each."""
    torch.set_num_threads(1)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    wanted = sys.argv[1:] or list(cases)
    sizes = {name: make(name, cases[name]) for name in wanted}
    for name, size in sizes.items():
        print(f"{name:28} {size:8}")
    print(f"{'all':28} {sum(sizes.values()):8}")
