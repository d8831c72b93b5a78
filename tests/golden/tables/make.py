"""Small files of every format that tables are read from, as other programs write them.

Writes, beside this script:
  rows.*              three proteins with a class and a number each, as CSV, TSV, JSON lines and a JSON array
  rows.parquet        the same by pyarrow, with Snappy, in two row groups
  zstd.parquet        the same with Zstandard and version 2 pages; gzip.parquet with gzip, without dictionaries
  kinds.parquet       a column of every kind that is read, with nulls
  binary.parquet      a column "sequences" whose second row holds bytes that are no text
  proteins.fasta      the same three, with their classes in the headers; reads.fastq two reads; lines.txt three lines
  *.gz, *.zst         some of these, compressed; members.fasta.gz in two members, blocks.fasta.gz as bgzip writes it

    pip install "pyarrow==26.*" zstandard biopython
    python make.py
"""

import datetime
import decimal
import gzip
import json
import pathlib

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard
from Bio import bgzf

HERE = pathlib.Path(__file__).parent

IDS = ["p1", "p2", "p3"]
SEQUENCES = ["EVQLVESGGG", "GIGAVLKVLTTGLPALISWIKRKRQQ", "MKTAYIAK"]
LABELS = [0, 1, 0]
NUMBERS = [0.5, -1.25, 3.0]

ROWS = list(zip(IDS, SEQUENCES, LABELS, NUMBERS))
NAMES = ["id", "sequences", "labels", "kd"]


def write(name, text):
    (HERE / name).write_text(text, newline="")
    return text.encode()


def delimited(separator):
    lines = [separator.join(NAMES)] + [separator.join(map(str, row)) for row in ROWS]
    return "\n".join(lines) + "\n"


def main():
    objects = [dict(zip(NAMES, row)) for row in ROWS]
    texts = {
        "rows.csv": write("rows.csv", delimited(",")),
        "rows.tsv": write("rows.tsv", delimited("\t")),
        "rows.jsonl": write("rows.jsonl", "".join(json.dumps(row) + "\n" for row in objects)),
        "rows.json": write("rows.json", json.dumps(objects, indent=1)),
    }
    fasta = "".join(
        f">{name} label={label} kd={kd}\n{sequence[:8]}\n{sequence[8:]}\n\n" for name, sequence, label, kd in ROWS
    )
    texts["proteins.fasta"] = write("proteins.fasta", fasta)
    reads = [("r1", "ACGT", "IIII"), ("r2", "GGNTA", "@+>I!")]
    fastq = "".join(f"@{name} lane=1\n{letters}\n+\n{scores}\n" for name, letters, scores in reads)
    texts["reads.fastq"] = write("reads.fastq", fastq)
    texts["lines.txt"] = write("lines.txt", "the first line\n\nthe second\r\ncafé\n")
    for name in ["rows.tsv", "rows.jsonl", "proteins.fasta", "reads.fastq", "lines.txt"]:
        (HERE / f"{name}.gz").write_bytes(gzip.compress(texts[name], mtime=0))
        (HERE / f"{name}.zst").write_bytes(zstandard.ZstdCompressor().compress(texts[name]))
    half = len(texts["proteins.fasta"]) // 2
    halves = texts["proteins.fasta"][:half], texts["proteins.fasta"][half:]
    (HERE / "members.fasta.gz").write_bytes(b"".join(gzip.compress(half, mtime=0) for half in halves))
    with bgzf.BgzfWriter(str(HERE / "blocks.fasta.gz")) as writer:
        writer.write(texts["proteins.fasta"])

    table = pa.table({name: [row[at] for row in ROWS] for at, name in enumerate(NAMES)})
    pq.write_table(table, HERE / "rows.parquet", compression="snappy", row_group_size=2)
    pq.write_table(table, HERE / "zstd.parquet", compression="zstd", data_page_version="2.0")
    pq.write_table(table, HERE / "gzip.parquet", compression="gzip", use_dictionary=False)
    kinds = pa.table(
        {
            "text": pa.array(["a", None, "é"]),
            "bytes": pa.array([b"x", None, b"y"], pa.binary()),
            "whole": pa.array([1, None, -3], pa.int64()),
            "small": pa.array([1, None, 255], pa.uint8()),
            "large": pa.array([1, None, 2**64 - 1], pa.uint64()),
            "single": pa.array([0.1, None, 2.5], pa.float32()),
            "double": pa.array([0.1, None, float("nan")], pa.float64()),
            "truth": pa.array([True, None, False]),
            "date": pa.array([datetime.date(2024, 2, 29), None, datetime.date(1969, 12, 31)]),
            "price": pa.array([decimal.Decimal("1.50"), None, decimal.Decimal("-0.25")], pa.decimal128(9, 2)),
            "list": pa.array([[1, 2], None, []], pa.list_(pa.int64())),
            "words": pa.array([["a", None], None, ["b"]], pa.list_(pa.string())),
            "struct": pa.array([{"k": 1}, None, {"k": None}], pa.struct([("k", pa.int64())])),
        }
    )
    pq.write_table(kinds, HERE / "kinds.parquet", compression="none")
    binary = pa.table({"id": IDS, "sequences": pa.array([b"EVQL", b"\xff\x00", b"KK"], pa.binary())})
    pq.write_table(binary, HERE / "binary.parquet", compression="none")


if __name__ == "__main__":
    main()
