"""Cells to grids of words: what a person reads, the same in a terminal and in Markdown.

Every row says how many fakes and reals it is of and which share of the videos has a score. What
could not be computed is listed with its reason below the grid, never left out. A line break in a
head or before an interval is for narrow terminals.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from unmask.evaluation.cell_words import (
    NOTHING,
    SCORED_SHARE,
    Column,
    difference,
    least_scored,
    mean_fall,
    narrow,
    number,
    p_value,
    percent,
    plain,
    right_of_all,
    share,
    spread,
)
from unmask.evaluation.cells import Cell
from unmask.evaluation.protocols import PROTOCOLS
from unmask.evaluation.runs import CLEAN

UNIT = {"clip": "clips", "track": "people", "video": "videos"}
GAP = "false_positive_gap"
WHOLE = ("overall", "within", "cross")  # protocols that leave a data set whole


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A table in words."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()
    words: frozenset[int] = field(default_factory=frozenset)  # columns that are no numbers


def grids_of(cells: Sequence[Cell], notes: Mapping[tuple[str, str], Sequence[str]]) -> list[Grid]:
    """Lay out all cells, protocol by protocol; `notes` are of a detector on a data set."""
    order = list(dict.fromkeys((cell.protocol, cell.data) for cell in cells))
    found = []
    for protocol, data in order:
        here = [cell for cell in cells if (cell.protocol, cell.data) == (protocol, data)]
        found += _section(protocol, data, here)
    return [*found, *_provenance(cells, notes)]


def _section(protocol: str, data: str, cells: Sequence[Cell]) -> list[Grid]:
    measured = [cell for cell in cells if cell.numbers]
    title = f"{data}: {PROTOCOLS[protocol].words}, {UNIT[cells[0].level]}"
    notes = (*_baselines(measured), *_not_computed(cells))
    gaps = [cell for cell in measured if "accuracy" not in cell.numbers]
    usual = [cell for cell in measured if "auc" in cell.numbers]
    alone = [c for c in measured if "accuracy" in c.numbers and "auc" not in c.numbers]
    found = _of_both(protocol, title, usual, notes) if usual else []
    for own in ([c for c in alone if not c.n_fake], [c for c in alone if not c.n_real]):
        if own:
            found.append(_one_class(title, own, () if found else notes))
    if not found:
        return [Grid(title=title, head=(), rows=(), notes=notes)]
    return [*found, _gaps(gaps)] if gaps else found


def _of_both(protocol: str, title: str, cells: Sequence[Cell], notes: Sequence[str]) -> list[Grid]:
    """What tells reals and fakes apart."""
    if protocol == "corruption":
        return [_robustness(title, cells, notes)]
    if protocol == "one-to-others":
        return [_matrix(title, cells, notes)]
    found = [_ranking(title, cells, notes)]
    if protocol in WHOLE:
        unit = UNIT[cells[0].level]
        found.append(_answers(f"{cells[0].data}: probabilities and answers, {unit}", cells))
    return found


def _whose(cells: Sequence[Cell]) -> list[Column]:
    """Say of which detector a row is, and of which slice where there are several."""
    columns: list[Column] = [("detector", lambda cell: cell.detector)]
    if cells[0].protocol not in WHOLE or len({cell.slice for cell in cells}) > 1:
        columns.insert(0, ("slice", lambda cell: cell.slice))
    return columns


def _ranking(title: str, cells: Sequence[Cell], notes: Sequence[str]) -> Grid:
    columns = _whose(cells)
    columns += [
        ("fake\n+ real", lambda cell: f"{cell.n_fake} + {cell.n_real}"),
        SCORED_SHARE,
        ("AUC (95 %)", lambda cell: spread(cell.numbers["auc"])),
    ]
    if first := next((cell.against.detector for cell in cells if cell.against), None):
        columns += [(f"AUC against\n{first}", difference), ("p\n(Holm)", p_value)]
    columns += [
        ("\nEER", number("equal_error_rate")),
        ("right\nat 0.5", number("accuracy")),
        ("found at\n5 % FPR", number("tpr_at_5pct_fpr")),
        ("\nAP", number("average_precision")),
    ]
    ordered = sorted(cells, key=lambda cell: [c.slice for c in cells].index(cell.slice))
    return _grid(title, columns, ordered, notes)


def _one_class(title: str, cells: Sequence[Cell], notes: Sequence[str]) -> Grid:
    """What is said of reals where there are no fakes to set them apart from, or of fakes alone."""
    kind = "reals" if cells[0].n_real else "fakes"
    columns = _whose(cells)
    columns += [
        (f"\n{kind}", lambda cell: f"{cell.n_fake + cell.n_real}"),
        SCORED_SHARE,
        ("right\nat 0.5", share("accuracy")),
    ]
    if any("undecided" in cell.numbers for cell in cells):
        columns += [
            ("called\nfake", share(f"{kind}_called_fake")),
            ("called\nreal", share(f"{kind}_called_real")),
            ("\nundecided", share("undecided")),
        ]
    return _grid(f"{title}: {kind} alone", columns, cells, notes)


def _answers(title: str, cells: Sequence[Cell]) -> Grid:
    columns: list[Column] = [
        ("detector", lambda cell: cell.detector),
        SCORED_SHARE,
        ("log\nloss", number("log_loss")),
        ("\nbalanced", number("balanced_log_loss")),
        ("\nBrier", number("brier")),
        ("calibration\nerror", number("calibration_error")),
        ("\nby chance", plain("calibration_floor")),
        ("wrong in\nsurest 80 %", share("error_of_surest_80")),
    ]
    if any("undecided" in cell.numbers for cell in cells):
        columns += [
            ("fakes\ncalled fake", share("fakes_called_fake")),
            ("reals\ncalled fake", share("reals_called_fake")),
            ("fakes\ncalled real", share("fakes_called_real")),
            ("\nundecided", share("undecided")),
            ("wrong\nanswers", share("error_of_answers")),
        ]
    if any(cell.tcr and cell.tcr.missed for cell in cells):
        columns.append(("right at 0.5\nof all", right_of_all))
    return _grid(title, columns, cells, ())


def _robustness(title: str, cells: Sequence[Cell], notes: Sequence[str]) -> Grid:
    """AUC by corruption and level; level 0 is the clean picture."""
    clean = {cell.detector: cell for cell in cells if cell.corruption == CLEAN}
    hurt = [cell for cell in cells if cell.corruption != CLEAN]
    kinds = list(dict.fromkeys(cell.corruption.partition(":")[0] for cell in hurt))
    levels = sorted({cell.corruption.partition(":")[2] for cell in hurt})
    at = {(cell.detector, cell.corruption): cell for cell in hurt}
    rows = []
    for kind in kinds:
        for detector in dict.fromkeys(cell.detector for cell in hurt):
            own = [at.get((detector, f"{kind}:{level}")) for level in levels]
            aucs = map(narrow, (clean.get(detector), *own))
            rows.append((kind, detector, *aucs, mean_fall(own), least_scored(own)))
    fall = f"mean fall: each level against none, on the {UNIT[cells[0].level]} scored both ways"
    return Grid(
        title=title + ": AUC",
        head=(
            *("corruption", "detector", "none"),
            *(f"level {level}" for level in levels),
            *("mean\nfall", "scored,\nat worst"),
        ),
        rows=tuple(rows),
        notes=(fall, *notes),
        words=frozenset((0, 1)),
    )


def _matrix(title: str, cells: Sequence[Cell], notes: Sequence[str]) -> Grid:
    """AUC of detectors of one method on each method."""
    split = {(c.detector, *c.slice.split(" on ", 1)): c for c in cells}
    tested = list(dict.fromkeys(on for _, _, on in split))
    learners = list(dict.fromkeys((detector, learned) for detector, learned, _ in split))
    lowest = min(cell.coverage for cell in cells)
    return Grid(
        title=title + ": AUC",
        head=("learned from", "detector", *tested),
        rows=tuple(
            (learned, detector, *(narrow(split.get((detector, learned, on))) for on in tested))
            for detector, learned in learners
        ),
        notes=(f"scored: {percent(lowest)} of the videos of every cell, or more", *notes),
        words=frozenset((0, 1)),
    )


def _gaps(cells: Sequence[Cell]) -> Grid:
    """False positives by group, beside the gap between most and least."""
    keys = list(dict.fromkeys(key for cell in cells for key in cell.numbers))
    return Grid(
        title=f"{cells[0].data}: reals called fake, by group",
        head=("", *(f"{cell.detector}\n(95 %)" for cell in cells)),
        rows=tuple(
            (
                "gap between most and least" if key == GAP else key.partition("[")[2][:-1],
                *(spread(cell.numbers[key]) if key in cell.numbers else NOTHING for cell in cells),
            )
            for key in keys
        ),
        notes=tuple(f"{cell.detector}: {why}" for cell in cells for why in cell.undefined.values()),
        words=frozenset((0,)),
    )


def _provenance(
    cells: Sequence[Cell], notes: Mapping[tuple[str, str], Sequence[str]]
) -> list[Grid]:
    """What holds for all numbers of a detector on a data set, said once."""
    places: dict[tuple[str, str], list[str]] = {}
    for detector, data in dict.fromkeys((cell.detector, cell.data) for cell in cells):
        for line in notes.get((detector, data), ()):
            places.setdefault((data, line), []).append(detector)
    everyone = len({cell.detector for cell in cells})
    said = tuple(
        f"{_listed(names, everyone)} on {data}: {line}" for (data, line), names in places.items()
    )
    return [Grid(title="Behind these numbers", head=(), rows=(), notes=said)] if said else []


def _listed(names: Sequence[str], everyone: int) -> str:
    """Names in a sentence; many of them, if they are all, as their number."""
    return f"all {everyone} detectors" if 3 < len(names) == everyone else ", ".join(names)


def _baselines(cells: Sequence[Cell]) -> list[str]:
    """What knows nothing reaches, where all rows are of the same slice."""
    if len({cell.slice for cell in cells}) != 1 or not any(c.n_fake and c.n_real for c in cells):
        return []
    most = max(cells, key=lambda cell: cell.n_fake + cell.n_real)
    share = max(most.n_fake, most.n_real) / (most.n_fake + most.n_real)
    name = "fake" if most.n_fake > most.n_real else "real"
    return [
        f"who knows nothing: always {name} is right in {share:.3f}; always 0.5 has AUC 0.5, "
        f"log loss {math.log(2):.3f}, Brier 0.25"
    ]


def _not_computed(cells: Sequence[Cell]) -> list[str]:
    """Cells without numbers or without comparison, by reason."""
    found: dict[str, list[Cell]] = {}
    for cell in cells:
        for what, why in (("no numbers", cell.why_not), ("not compared", cell.why_not_against)):
            if why:
                found.setdefault(f"{what}: {why}", []).append(cell)
    lines = []
    for line, without in found.items():
        slices = ", ".join(dict.fromkeys(cell.slice for cell in without))
        detectors = ", ".join(dict.fromkeys(cell.detector for cell in without))
        lines.append(f"{slices} ({detectors}): {line}")
    return lines


def _grid(
    title: str, columns: Iterable[Column], cells: Sequence[Cell], notes: Sequence[str]
) -> Grid:
    columns = list(columns)
    return Grid(
        title=title,
        head=tuple(name for name, _ in columns),
        rows=tuple(tuple(text(cell) for _, text in columns) for cell in cells),
        notes=tuple(notes),
        words=frozenset(k for k, (name, _) in enumerate(columns) if name in ("detector", "slice")),
    )
