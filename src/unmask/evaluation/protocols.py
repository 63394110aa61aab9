"""Protocols: which videos a number is of. Each is a pure function from runs to named slices.

A protocol that asks for a detector of one method says so of a detector of four, and leaves no gap
that a reader could take for a zero. Reals are never divided by method: each method stands against
all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from unmask.config import suggestion
from unmask.errors import UsageError
from unmask.evaluation.groups import gap_numbers
from unmask.evaluation.runs import (
    Mask,
    Run,
    Slice,
    against_reals,
    datasets_in,
    face_px,
    methods_in,
    rows_of,
)

FACE_EDGES_PX = (80, 128, 192, 256)  # ours: 80 is the least that a scan judges


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """A way to slice."""

    name: str
    words: str
    slices: Callable[[Run], list[Slice]]
    corrupted: bool = False  # of runs through a corruption too


def overall(run: Run) -> list[Slice]:
    """Everything, whatever the detector learned from: makes no claim about generalisation."""
    return [Slice(run=run, name="all", scores=run.scores)]


def within(run: Run) -> list[Slice]:
    """The data sets that the detector learned from."""
    return _by_familiarity(run, learned=True)


def cross(run: Run) -> list[Slice]:
    """The data sets that it did not learn from."""
    return _by_familiarity(run, learned=False)


def manipulation(run: Run) -> list[Slice]:
    """Each method of forging against all reals."""
    methods = methods_in(run.scores)
    if not methods:
        return [_refused(run, "each method", "there are no fakes")]
    return [_slice(run, name, against_reals(run.scores, {name})) for name in methods]


def one_to_others(run: Run) -> list[Slice]:
    """A detector of one method on each method: the cross-manipulation matrix."""
    present = methods_in(run.scores)
    known = run.learned.methods_of(present, datasets_in(run.scores))
    if known is None:
        return [_refused(run, "one method", UNKNOWN)]
    if len(run.learned.methods or known) != 1:
        names = ", ".join(run.learned.methods or known) or "none of this data's methods"
        return [_refused(run, "one method", f"learned from {names}; this wants just one method")]
    (learned,) = run.learned.methods or known
    return [
        _slice(run, f"{learned} on {name}", against_reals(run.scores, {name})) for name in present
    ]


def leave_one_out(run: Run) -> list[Slice]:
    """A detector of several methods on each that was left out, and on those it learned."""
    present = methods_in(run.scores)
    known = run.learned.methods_of(present, datasets_in(run.scores))
    if known is None:
        return [_refused(run, "left out", UNKNOWN)]
    unseen = [name for name in present if name not in known]
    if len(known) < 2 or not unseen:
        why = "learned from every method" if not unseen else f"learned from {len(known)} of them"
        has = ", ".join(present) or "no fakes"
        return [_refused(run, "left out", f"{why}; this wants some but not all of {has}")]
    seen = _slice(run, f"learned: {', '.join(known)}", against_reals(run.scores, set(known)))
    out = [_slice(run, f"left out: {n}", against_reals(run.scores, {n})) for n in unseen]
    return [*out, seen]


def compression(run: Run) -> list[Slice]:
    """Each strength of compression, as the data set calls it."""
    return _by_column(run, "compression", "the data name no compressions")


def corruption(run: Run) -> list[Slice]:
    """Each corruption and level that the detector saw the data through, and none."""
    return [Slice(run=run, name=run.scores.header.corruption, scores=run.scores)]


def face_size(run: Run) -> list[Slice]:
    """Videos by the median side of their faces in pixels; sizes that no video has are left out."""
    size = face_px(run.scores)
    slices = []
    for low, high in zip((0, *FACE_EDGES_PX), (*FACE_EDGES_PX, np.inf), strict=True):
        inside = (size >= low) & (size < high)
        name = f"{low} to {high} px" if low else f"below {high} px"
        name = name if np.isfinite(high) else f"{low} px and more"
        if inside.any():
            slices.append(_slice(run, name, inside))
    lost = np.isnan(size)
    if lost.any():
        slices.append(_slice(run, "no face size known", lost))
    return slices


def group(run: Run) -> list[Slice]:
    """Groups of people, where the data name any, and the gap between their false positives."""
    slices = _by_column(run, "group", "the data name no groups")
    if slices[0].scores is None:
        return slices
    gap = Slice(
        run=run, name="gap between groups", scores=run.scores, numbers=gap_numbers(run.scores)
    )
    return [*slices, gap]


PROTOCOLS: dict[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        Protocol(name="overall", words="all videos together", slices=overall),
        Protocol(name="within", words="data sets learned from", slices=within),
        Protocol(name="cross", words="data sets not learned from", slices=cross),
        Protocol(name="manipulation", words="each method against the reals", slices=manipulation),
        Protocol(
            name="one-to-others", words="learned from one method, on each", slices=one_to_others
        ),
        Protocol(name="leave-one-out", words="methods left out of learning", slices=leave_one_out),
        Protocol(name="compression", words="by compression", slices=compression),
        Protocol(
            name="corruption", words="by corruption and level", slices=corruption, corrupted=True
        ),
        Protocol(name="face-size", words="by the size of faces", slices=face_size),
        Protocol(name="group", words="by group of people", slices=group),
    )
}

UNKNOWN = "what the detector learned from is not known; a suite file can say it (learned_from)"


def find_protocol(name: str) -> Protocol:
    """Return a protocol by name.

    Raises:
        UsageError: there is none of this name.
    """
    if name not in PROTOCOLS:
        raise UsageError(f"--protocol {name}: {suggestion(name, list(PROTOCOLS))}")
    return PROTOCOLS[name]


def slices_of(runs: Sequence[Run], names: Sequence[str]) -> list[tuple[str, Slice]]:
    """Slice every run by every protocol, with the protocol's name."""
    return [
        (name, part)
        for name in names
        for run in runs
        if find_protocol(name).corrupted or not run.corrupted
        for part in find_protocol(name).slices(run)
    ]


def applicable(run: Run) -> list[str]:
    """Names of the protocols that would give more than one slice with numbers here."""
    names = [n for n in PROTOCOLS if n not in ("overall", "within", "cross", "corruption")]
    return [
        name
        for name in names
        if sum(part.scores is not None for part in PROTOCOLS[name].slices(run)) > 1
    ]


def _by_familiarity(run: Run, *, learned: bool) -> list[Slice]:
    name = "learned from" if learned else "not learned from"
    if not run.learned.datasets:
        return [_refused(run, name, UNKNOWN)]
    here = [n for n in datasets_in(run.scores) if (n in run.learned.datasets) == learned]
    if not here:
        known = ", ".join(run.learned.datasets)
        return [_refused(run, name, f"the detector learned from {known}, the data are "
                                    f"{', '.join(datasets_in(run.scores))}")]  # fmt: skip
    return [_slice(run, n, rows_of(run.scores, "dataset", n)) for n in here]


def _by_column(run: Run, column: str, none: str) -> list[Slice]:
    places, words = run.scores.columns.codes(column)
    names = sorted({words[k] for k in np.unique(places[places >= 0])} - {""})
    if not names:
        return [_refused(run, column, none)]
    return [_slice(run, name, rows_of(run.scores, column, name)) for name in names]


def _slice(run: Run, name: str, rows: Mask) -> Slice:
    if not rows.any():
        return _refused(run, name, "there are no such videos")
    return Slice(run=run, name=name, scores=run.scores.take(rows))


def _refused(run: Run, name: str, why: str) -> Slice:
    return Slice(run=run, name=name, why_not=why)
