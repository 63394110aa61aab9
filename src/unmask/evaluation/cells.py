"""Slices to cells: everything that a table says of one detector on some videos.

A cell that cannot be computed is there too, with the reason. Detectors are compared with the first
one that has the same slice of the same data, on the videos that both have scored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from unmask.errors import DataError
from unmask.evaluation.compare import Difference, Mcnemar, delong, holm, mcnemar, paired
from unmask.evaluation.intervals import RESAMPLES, Estimate
from unmask.evaluation.measure import NUMBERS, Number, measure, numbers_at
from unmask.evaluation.protocols import slices_of
from unmask.evaluation.runs import Run, Slice
from unmask.evaluation.scores import Level, Rule, Scored, ScoresFile
from unmask.evaluation.tcr import Tcr, tcr


@dataclass(frozen=True, kw_only=True)
class How:
    """At which level, by which rule, and how intervals are drawn."""

    level: Level = "video"
    rule: Rule = "mean"
    seed: int = 0
    resamples: int = RESAMPLES


@dataclass(frozen=True, kw_only=True)
class Against:
    """A detector beside the first one of the table, on what both have scored."""

    detector: str
    auc: Difference
    p_holm: float | None = None  # of the AUCs, corrected for the comparisons of one table
    at_even: Mcnemar  # the first detector's right answers are `only_first`
    left_out: int  # items that only one of them has scored


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A detector on some videos."""

    protocol: str
    detector: str
    data: str
    slice: str
    corruption: str
    level: Level
    n_fake: int = 0  # scored items of the level
    n_real: int = 0
    n_sources: int = 0
    n_videos: int = 0  # scored or not
    coverage: float = 0.0  # share of the videos that have a score
    missed: dict[str, int] = field(default_factory=dict)  # videos without a score, by outcome
    leaks: int | None = None  # videos akin to what the detector learned from; None = not known
    numbers: dict[str, Estimate] = field(default_factory=dict)
    undefined: dict[str, str] = field(default_factory=dict)
    tcr: Tcr | None = None
    against: Against | None = None
    # Through a corruption: beside the same detector on clean pictures, on what both have scored.
    beside_clean: Difference | None = None
    why_not: str = ""  # there are no numbers at all
    why_not_against: str = ""  # there is no comparison though another detector is there


def cells_of(
    runs: Sequence[Run],
    protocols: Sequence[str],
    how: How | None = None,
    *,
    told: Callable[[int, int], None] | None = None,
) -> list[Cell]:
    """Measure runs by protocols; `told` hears how many cells are done, and of how many."""
    how = how or How()
    firsts: dict[tuple[str, str, str, str], tuple[str, Scored]] = {}
    clean = {_place(run): run.scores.at(how.level, how.rule) for run in runs if not run.corrupted}
    cells = []
    parts = slices_of(runs, protocols)
    for done, (protocol, part) in enumerate(parts):
        header = part.run.scores.header
        key = (protocol, header.data, header.corruption, part.name)
        cell = _cell(protocol, part, how, firsts.get(key))
        if part.run.corrupted and part.scores is not None and not cell.why_not:
            corrupted = part.scores.at(how.level, how.rule)
            cell = replace(cell, beside_clean=_beside(clean.get(_place(part.run)), corrupted))
        cells.append(cell)
        if part.scores is not None and "auc" in cells[-1].numbers:
            firsts.setdefault(key, (header.detector, part.scores.at(how.level, how.rule)))
        if told is not None:
            told(done + 1, len(parts))
    return _corrected(cells)


def _cell(protocol: str, part: Slice, how: How, first: tuple[str, Scored] | None) -> Cell:
    header = part.run.scores.header
    empty = Cell(
        protocol=protocol,
        detector=header.detector,
        data=header.data,
        slice=part.name,
        corruption=header.corruption,
        level=how.level,
        why_not=part.why_not,
    )
    if part.scores is None:
        return empty
    scored = part.scores.at(how.level, how.rule)
    counted = _counted(empty, part.scores, scored)
    numbers = part.numbers(scored) if part.numbers else _usual(part)
    try:
        found = measure(scored, numbers, seed=how.seed, resamples=how.resamples)
    except DataError as error:
        return replace(counted, why_not=str(error))
    against, why = _against(first, scored) if first and not part.numbers else (None, "")
    return replace(
        counted,
        numbers=found.numbers,
        undefined=found.undefined,
        tcr=tcr(scored) if how.level == "video" else None,
        against=against,
        why_not_against=why,
    )


def _corrected(cells: Sequence[Cell]) -> list[Cell]:
    """Correct p-values for the comparisons of each table: those of one protocol on some data."""
    tables: dict[tuple[str, str], list[int]] = {}
    for k, cell in enumerate(cells):
        tables.setdefault((cell.protocol, cell.data), []).append(k)
    found = list(cells)
    for places in tables.values():
        tests = [(k, cells[k].against) for k in places]
        p_values = holm([against.auc.p_value if against else None for _, against in tests])
        for (k, against), p in zip(tests, p_values, strict=True):
            if against is not None:
                found[k] = replace(cells[k], against=replace(against, p_holm=p))
    return found


def _place(run: Run) -> tuple[str, str]:
    """Detector and data, whatever they were seen through."""
    return run.scores.header.detector, run.scores.header.data


def _beside(clean: Scored | None, corrupted: Scored) -> Difference | None:
    """Corrupted minus clean AUC: a corruption that loses faces leaves other videos to be scored."""
    if clean is None:
        return None
    try:
        return delong(paired(clean, corrupted))
    except DataError:
        return None  # nothing, or one class alone, was scored both ways


def _usual(part: Slice) -> tuple[Number, ...]:
    thresholds = part.run.scores.header.thresholds
    return (*NUMBERS, *(numbers_at(thresholds) if thresholds else ()))


def _counted(cell: Cell, scores: ScoresFile, scored: Scored) -> Cell:
    rows = scores.columns
    first = rows.first_of_videos()[1]
    n_fake = int(scored.label.sum())
    known = scores.header.leaks is not None
    return replace(
        cell,
        n_fake=n_fake,
        n_real=len(scored) - n_fake,
        n_sources=len(set(scored.source)),
        n_videos=scored.n_videos,
        coverage=scored.coverage,
        missed=dict(scored.missed),
        leaks=int(rows.numbers("leak")[first].sum()) if known else None,
    )


def _against(first: tuple[str, Scored], scored: Scored) -> tuple[Against | None, str]:
    detector, its = first
    try:
        pair = paired(its, scored)
        return Against(
            detector=detector,
            auc=delong(pair),
            at_even=mcnemar(pair),
            left_out=pair.only_first + pair.only_second,
        ), ""
    except DataError as error:
        return None, str(error)
