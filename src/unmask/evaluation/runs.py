"""Runs and the parts of them that protocols look at.

A run is one detector's scores file of one data set, and what the detector has learned from. A slice
is a part of it with a name, or the reason why there is none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unmask.evaluation.measure import Number
from unmask.evaluation.scores import Header, Scored, ScoresFile

CLEAN = "none"  # a header's corruption where there is none

Mask = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Learned:
    """What a detector learned from, as far as is known."""

    datasets: tuple[str, ...] = ()  # empty: not known
    methods: tuple[str, ...] = ()  # of the fakes; empty: all of these data sets

    def methods_of(self, present: Iterable[str], datasets: Iterable[str]) -> tuple[str, ...] | None:
        """Which of the methods of some data it learned from; None where that is not known."""
        if not self.datasets:
            return None
        if self.methods:
            return tuple(method for method in present if method in self.methods)
        return tuple(present) if set(datasets) <= set(self.datasets) else ()


def learned_from(header: Header) -> Learned:
    """Read what a detector learned from out of its recipe, as its scores file repeats it.

    Fakes that training forges itself are a method too: whoever also learned from self-blends is no
    detector of one method. Where it forges all of them, it learned none of the data's own.
    """
    data = header.recipe.get("data", {})
    share = data.get("forged_share", 0)
    methods = tuple(data.get("methods", ()))
    forged = tuple(data.get("forge_methods", ())) if share else ()
    if share == 1 and forged:
        return Learned(datasets=header.trained_on, methods=forged)
    return Learned(datasets=header.trained_on, methods=(*methods, *forged) if methods else ())


@dataclass(frozen=True, kw_only=True, eq=False)
class Run:
    """What one detector said of one data set."""

    scores: ScoresFile
    learned: Learned

    @property
    def corrupted(self) -> bool:
        """Whether it saw the data through a corruption."""
        return self.scores.header.corruption != CLEAN


@dataclass(frozen=True, kw_only=True, eq=False)
class Slice:
    """Part of a run that has numbers of its own, or why it has none."""

    run: Run
    name: str
    scores: ScoresFile | None = None
    why_not: str = ""
    numbers: Callable[[Scored], tuple[Number, ...]] | None = None  # None: the usual ones


def methods_in(scores: ScoresFile) -> list[str]:
    """Methods of the fakes, by name."""
    places, words = scores.columns.codes("method")
    fakes = scores.columns.numbers("label") == 1
    return sorted({words[k] for k in np.unique(places[fakes & (places >= 0)])})


def datasets_in(scores: ScoresFile) -> list[str]:
    """Data sets that the videos are of, by name."""
    places, words = scores.columns.codes("dataset")
    return sorted({words[k] for k in np.unique(places[places >= 0])})


def rows_of(scores: ScoresFile, column: str, word: str) -> Mask:
    """Which rows have a word in a column."""
    places, words = scores.columns.codes(column)
    return np.asarray(places == words.index(word), np.bool_)


def against_reals(scores: ScoresFile, methods: set[str]) -> Mask:
    """Which rows are of some methods, and all reals."""
    places, words = scores.columns.codes("method")
    wanted = [k for k, word in enumerate(words) if word in methods]
    return np.asarray((scores.columns.numbers("label") == 0) | np.isin(places, wanted), np.bool_)


def face_px(scores: ScoresFile) -> NDArray[np.float64]:
    """Of each row its video's median side of a face; NaN where no face was measured."""
    of_row, first = scores.columns.first_of_videos()
    size = scores.columns.numbers("face_px")
    known = np.flatnonzero(np.isfinite(size))
    known = known[np.lexsort((size[known], of_row[known]))]
    video, start, count = np.unique(of_row[known], return_index=True, return_counts=True)
    median = np.full(len(first), np.nan)
    median[video] = (size[known][start + (count - 1) // 2] + size[known][start + count // 2]) / 2
    return median[of_row]
