"""What the guards of a scan spare and cost: wrong answers and answers, with and without them.

    python benchmarks/guards.py FOLDER [--model NAME|DIR] [--limit N]

FOLDER holds pictures of faces in `real/` and `fake/`, or Parquet files of face crops, whose
validation part is taken. Every picture is scanned as it is and in worse copies. An answer is `fake`
or `real`. By the thresholds alone, every score beyond one of them is an answer; a scan also asks
whether the face is large, sharp and certain enough.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

import unmask
from machine import describe
from unmask.datasets.faces import KINDS, FaceTable, read_folder, read_parquet
from unmask.types import Image, Report

Worse = Callable[[Image], Image]


def smaller(share: float) -> Worse:
    """A copy of fewer pixels."""
    return lambda rgb: np.asarray(
        cv2.resize(rgb, None, fx=share, fy=share, interpolation=cv2.INTER_AREA), np.uint8
    )


def blurred(sigma_px: float) -> Worse:
    """A copy out of focus."""
    return lambda rgb: np.asarray(cv2.GaussianBlur(rgb, (0, 0), sigma_px), np.uint8)


COPIES: dict[str, Worse] = {
    "as it is": lambda rgb: rgb,
    "half the size": smaller(0.5),
    "a third of the size": smaller(1 / 3),
    "blurred by 3 px": blurred(3),
    "blurred by 6 px": blurred(6),
}


@dataclass
class Tally:
    """Answers of one kind of copy."""

    n: int = 0
    alone: list[bool] = field(default_factory=list)  # right or wrong, by the thresholds alone
    guarded: list[bool] = field(default_factory=list)

    def add(self, report: Report, *, is_fake: bool) -> None:
        """Count one picture."""
        self.n += 1
        limits = report.model.thresholds
        assert limits is not None, "a detector without thresholds gives no answers"
        if report.p_fake is not None and not limits.real <= report.p_fake < limits.fake:
            self.alone.append((report.p_fake >= limits.fake) == is_fake)
        if report.verdict != "undecided":
            self.guarded.append((report.verdict == "fake") == is_fake)

    def __str__(self) -> str:
        cells = (f"{len(a) / self.n:.1%} | {wrong(a)}" for a in (self.alone, self.guarded))
        return " | ".join((str(self.n), *cells))


def wrong(answers: list[bool]) -> str:
    """Share of wrong answers."""
    return f"{1 - np.mean(answers):.1%}" if answers else "-"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="default", help="a detector's name or a folder")
    parser.add_argument("--limit", type=int, default=600, help="pictures, half of them fake")
    args = parser.parse_args()
    folder = args.folder
    read = read_parquet if any(folder.glob("*.parquet")) else read_folder
    pictures = list(chosen(read([folder], "val"), args.limit))
    detector = unmask.load(args.model)
    print(f"{describe()}; {args.model}, {len(pictures)} pictures of {folder.name}\n")
    print("| copy | pictures | answered by thresholds alone | wrong | answered | wrong |")
    print("|---|---|---|---|---|---|")
    pooled = Tally()
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "face.png"
        for copy, worse in COPIES.items():
            tally = Tally()
            for rgb, is_fake in pictures:
                cv2.imwrite(str(file), worse(rgb)[..., ::-1])
                report = detector.scan(file)
                for counted in (tally, pooled):
                    counted.add(report, is_fake=is_fake)
            print(f"| {copy} | {tally} |", flush=True)
    print(f"| all | {pooled} |")


def chosen(table: FaceTable, limit: int) -> Iterator[tuple[Image, bool]]:
    """As many of each kind, in the order of the data."""
    for label in range(len(KINDS)):
        for row in np.flatnonzero(table.labels == label)[: limit // 2]:
            yield table.image(int(row)), bool(label)


if __name__ == "__main__":
    main()
