"""What the data sets say they hold, to stand beside what is found.

One `Count` holds for every compression of a data set. Sources are the publications named in each
reader and the data sets' own pages.
"""

from __future__ import annotations

from dataclasses import dataclass

from unmask.datasets.manifest import ORIGINAL, Split
from unmask.datasets.readers import celebdf, deeperforensics, dfd, dfdc, ffpp

ALL, FAKES = "all", "fakes"


@dataclass(frozen=True, kw_only=True)
class Count:
    """So many videos of a method (or ALL, or all FAKES) on a side (None = wherever)."""

    n: int
    method: str = ALL
    split: Split | None = None


@dataclass(frozen=True, kw_only=True)
class Published:
    """The counts of one data set."""

    source: str
    counts: tuple[Count, ...]
    compressions: tuple[str | None, ...] = (None,)


def _sides(method: str, train: int, val: int, test: int) -> tuple[Count, ...]:
    return (
        Count(n=train + val + test, method=method),
        Count(n=train, method=method, split="train"),
        Count(n=val, method=method, split="val"),
        Count(n=test, method=method, split="test"),
    )


PUBLISHED: dict[str, Published] = {
    "ffpp": Published(
        source="Roessler et al. 2019; FaceShifter: Li et al. 2020, same lists",
        compressions=("raw", "c23", "c40"),
        counts=tuple(
            count for method in (ORIGINAL, *ffpp.METHODS) for count in _sides(method, 720, 140, 140)
        ),
    ),
    "dfd": Published(
        source="Dufour and Gully 2019; no split of its own, all of it is test",
        compressions=("raw", "c23", "c40"),
        counts=(
            Count(n=363, method=ORIGINAL),
            Count(n=363, method=ORIGINAL, split="test"),
            Count(n=3_068, method=dfd.METHOD),
            Count(n=3_068, method=dfd.METHOD, split="test"),
        ),
    ),
    "dfdc": Published(
        source="Dolhansky et al. 2020, Kaggle",
        counts=(
            Count(n=128_154),
            Count(n=23_654, method=ORIGINAL),
            Count(n=19_154, method=ORIGINAL, split="train"),
            Count(n=2_000, method=ORIGINAL, split="val"),
            Count(n=2_500, method=ORIGINAL, split="test"),
            Count(n=104_500, method=dfdc.FAKE),
            Count(n=100_000, method=dfdc.FAKE, split="train"),
            Count(n=2_000, method=dfdc.FAKE, split="val"),
            Count(n=2_500, method=dfdc.FAKE, split="test"),
        ),
    ),
    "dfdc-preview": Published(
        source="Dolhansky et al. 2019",
        counts=(
            Count(n=5_244),
            Count(n=4_464, split="train"),
            Count(n=780, split="test"),
            Count(n=1_131, method=ORIGINAL),
            Count(n=4_113, method=FAKES),
        ),
    ),
    "celebdf-v1": Published(
        source="Li et al. 2020, first release",
        counts=(Count(n=408, method=ORIGINAL), Count(n=795, method=celebdf.METHOD)),
    ),
    "celebdf-v2": Published(
        source="Li et al. 2020; the test list has 518 lines",
        counts=(
            Count(n=890, method=ORIGINAL),
            Count(n=178, method=ORIGINAL, split="test"),
            Count(n=5_639, method=celebdf.METHOD),
            Count(n=340, method=celebdf.METHOD, split="test"),
        ),
    ),
    "deeperforensics": Published(
        source="Jiang et al. 2020; reals are FF++'s",
        counts=(
            *_sides(ORIGINAL, 703, 96, 201),
            *(
                count
                for variant in deeperforensics.VARIANTS
                for count in _sides(variant, 703, 96, 201)
            ),
        ),
    ),
}
