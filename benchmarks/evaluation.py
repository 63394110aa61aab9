"""How long do numbers and their intervals take, once there are scores?

    python benchmarks/evaluation.py [--rows N] [--resamples N] [--json FILE]

Drawn scores, 20 rows of each recording: AUC alone, every number of a table, DeLong's test, and
what gathers rows into videos. One run each, after imports.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from machine import describe
from unmask.evaluation import metrics
from unmask.evaluation.compare import Pair, delong
from unmask.evaluation.intervals import intervals
from unmask.evaluation.measure import NUMBERS
from unmask.evaluation.ranking import rank
from unmask.evaluation.scores import Header, Row, ScoresFile

OF_A_RECORDING = 20


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    spent = measured(given.rows, given.resamples)
    print(describe())
    print(f"{given.rows} rows, {given.resamples} resamples")
    for what, seconds in spent.items():
        print(f"  {what:<40} {seconds:8.2f} s")
    if given.json:
        document = {"machine": describe(), **vars(given), "json": str(given.json), "spent_s": spent}
        given.json.write_text(json.dumps(document, indent=1))


def measured(n: int, resamples: int) -> dict[str, float]:
    """Seconds of each."""
    rng = np.random.default_rng(0)
    label = rng.integers(0, 2, n).astype(np.int8)
    first, second = (np.clip(rng.normal(0.4 + 0.2 * label, 0.25), 0, 1) for _ in range(2))
    source = [f"s{i // OF_A_RECORDING}" for i in range(n)]
    ranking = rank(label, first)
    every = {number.key: number.metric for number in NUMBERS}
    pair = Pair(label=label, first=first, second=second, source=source, only_first=0, only_second=0)
    file = scores_file(label, first, source)
    return {
        "AUC with its interval": timed(
            lambda: intervals(ranking, source, {"": metrics.auc}, resamples=resamples)
        ),
        f"all {len(every)} numbers with theirs": timed(
            lambda: intervals(ranking, source, every, resamples=resamples)
        ),
        "DeLong's test": timed(lambda: delong(pair)),
        "rows to scores of videos": timed(lambda: file.at("video")),
    }


def scores_file(label: np.ndarray, p: np.ndarray, source: list[str]) -> ScoresFile:
    """The same as a file: ten clips a video."""
    z = np.log(np.clip(p, 1e-6, 1 - 1e-6) / (1 - np.clip(p, 1e-6, 1 - 1e-6)))
    rows = tuple(
        Row(
            video=f"v{i // 10}", label=int(label[i // 10]), source=source[i], track=0, clip=i % 10,
            logit=float(z[i]),
        )
        for i in range(len(label))
    )  # fmt: skip
    header = Header(detector="d", model="m", sha256="s", data="drawn", data_digest="g")
    held = ScoresFile(header=header, rows=rows)
    assert len(held.columns) == len(rows), "columns are made before time is taken"
    return held


def timed(work: Callable[[], object]) -> float:
    """Seconds that something takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
