"""Refusing to measure a detector on videos akin to what it learned from (protocols.md, mistake 4).

Who shares a recording, a person or all bytes with a video that was learned from or chosen on is no
test. Where a data set's own split is known to leave such a kinship (Celeb-DF has the same people on
both sides) it is admitted, and the scores file says so.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from unmask.datasets.learned import Learned, in_words, read_learned
from unmask.errors import DataError
from unmask.evaluation.exam import Case, Exam, Part

# Asked for by name, to fit thresholds on or to see overfitting: kin are marked and not refused.
LEARNED_PARTS: tuple[Part, ...] = ("train", "calib", "val")


@dataclass(frozen=True, kw_only=True, eq=False)
class Kinship:
    """What the videos of an exam share with what a detector learned from."""

    exam: Exam  # akin videos are marked
    leaks: int | None  # videos; None = the detector keeps no whole record
    overlaps: tuple[str, ...]  # kinships found that the data set's own split leaves
    example: str  # of a leak, in words
    datasets: tuple[str, ...]  # that were learned from


def find_kin(exam: Exam, checkpoint_folder: Path) -> Kinship:
    """Mark the videos of an exam that are akin to what a detector learned from."""
    learned = read_learned(checkpoint_folder)
    if learned is None:
        return Kinship(exam=exam, leaks=None, overlaps=(), example="", datasets=())
    ties = [case.kin(learned) for case in exam.cases]
    admitted = {
        kind
        for case, shared in zip(exam.cases, ties, strict=True)
        for kind, _ in shared
        if kind in exam.overlaps and case.facts.dataset in learned.datasets
    }
    leaks = [[tie for tie in shared if tie[0] not in admitted] for shared in ties]
    cases = tuple(map(_marked, exam.cases, map(bool, leaks)))
    found = [(c.facts.video, own[0]) for c, own in zip(cases, leaks, strict=True) if own]
    return Kinship(
        exam=replace(exam, cases=cases),
        leaks=_count(len(found), learned),
        overlaps=tuple(sorted(admitted)),
        example=f"{found[0][0]} ({in_words(found[0][1])})" if found else "",
        datasets=tuple(sorted(learned.datasets)),
    )


def refuse_kin(kin: Kinship, detector: str) -> None:
    """Refuse an exam with videos that are akin to what the detector learned from.

    Raises:
        DataError: with their number and the way out.
    """
    if kin.leaks:
        raise DataError(
            f"{kin.leaks} of {len(kin.exam.cases)} videos of {kin.exam.name} are akin to what "
            f"{detector} learned from or was chosen on, such as {kin.example}; numbers on them say "
            "nothing about other videos. Measure on another side or data set, or with "
            "--allow-leaks, which every table will repeat"
        )


def _marked(case: Case, is_leak: bool) -> Case:
    return replace(case, facts=replace(case.facts, leak=is_leak))


def _count(found: int, learned: Learned) -> int | None:
    """Leaks that are found count; that none is found says nothing where the record has gaps."""
    return None if learned.unrecorded and not found else found
