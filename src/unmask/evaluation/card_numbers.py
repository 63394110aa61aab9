"""Sections of a model card that are computed from scores files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from unmask.errors import DataError
from unmask.evaluation.caveats import doubts_of
from unmask.evaluation.cells import Cell, How, cells_of
from unmask.evaluation.intervals import Estimate
from unmask.evaluation.measure import NUMBERS, numbers_at
from unmask.evaluation.metrics import EVEN
from unmask.evaluation.runs import CLEAN, Run, learned_from
from unmask.evaluation.scores import Level, ScoresFile
from unmask.models.checkpoint import Checkpoint
from unmask.pipeline.runtime import MIRRORED

PARTS = {
    "manipulation": "by method of forging, against all reals",
    "compression": "by compression",
    "face-size": "by the size of faces",
    "group": "by group of people",
}
UNITS: dict[Level, str] = {"clip": "frames or clips", "track": "people", "video": "videos"}
UNMEASURED = {
    "manipulation": "single methods of forging",
    "face-size": "sizes of faces",
    "group": "groups of people (false positives may differ between them)",
    "corruption": "corruptions of the picture",
}


def refuse_others(checkpoint: Checkpoint, scores: Sequence[ScoresFile]) -> None:
    """Refuse scores of other weights.

    Raises:
        DataError: naming the data of the first such file.
    """
    for file in scores:
        if file.header.sha256 not in checkpoint.meta.sha256.values():
            raise DataError(
                f"scores of {file.header.detector} on {file.header.data} were made by other "
                f"weights than those in {checkpoint.folder}; score again, or leave them out"
            )
        if (MIRRORED in (file.header.runtime or "")) != checkpoint.meta.mirrored:
            looks = "both" if checkpoint.meta.mirrored else "only the face itself"
            raise DataError(
                f"scores of {file.header.detector} on {file.header.data} are not of as many looks "
                f"as those of {checkpoint.folder} ({looks}); score again, or leave them out"
            )


def measured(scores: Sequence[ScoresFile], how: How) -> Iterator[str]:
    """Yield the sections: each clean file's numbers and parts, then corruptions, then the gaps."""
    runs = [Run(scores=file, learned=learned_from(file.header)) for file in scores]
    seen: set[str] = set()
    for run in (run for run in runs if not run.corrupted):
        yield _whole(run.scores, how)
        for protocol, words in PARTS.items():
            cells = [c for c in cells_of([run], [protocol], how) if "accuracy" in c.numbers]
            if len(cells) > 1:
                seen.add(protocol)
                yield f"### {run.scores.header.data}: {words}\n\n{_short(cells)}"
        yield f"### {run.scores.header.data}: reals, by recording\n\n{_by_recording(run.scores)}"
    hurt = {run.scores.header.data for run in runs if run.corrupted}
    if hurt:
        seen.add("corruption")
        beside = [run for run in runs if run.scores.header.data in hurt]
        cells = [c for c in cells_of(beside, ["corruption"], how) if "accuracy" in c.numbers]
        yield f"## Through corruptions\n\n{_short(cells, named='corruption')}"
    yield _unmeasured(seen, scores)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def _whole(file: ScoresFile, how: How) -> str:
    """Every number of one file, by frame or clip and by video."""
    header = file.header
    run = Run(scores=file, learned=learned_from(header))
    several = int(file.columns.scored.sum()) > len(file.columns.first_of_videos()[1])
    levels: tuple[Level, ...] = ("clip", "video") if several else ("video",)
    by_level = {
        level: cells_of(
            [run],
            ["overall"],
            How(level=level, rule=how.rule, seed=how.seed, resamples=how.resamples),
        )[0]
        for level in levels
    }
    known = (*NUMBERS, *(numbers_at(header.thresholds) if header.thresholds else ()))
    rows = [
        ["scored", *(f"{c.n_fake} fakes, {c.n_real} reals" for c in by_level.values())],
        ["recordings", *(str(cell.n_sources) for cell in by_level.values())],
        *(
            [number.words, *(_estimate(cell, number.key) for cell in by_level.values())]
            for number in known
        ),
    ]
    head = ["", *(f"{UNITS[level]}" for level in levels)]
    missed = [cell.why_not for cell in by_level.values() if cell.why_not]
    body = "\n\n".join([*(f"Undefined: {why}." for why in missed[:1]), table(head, rows)])
    return f"## On {header.data}\n\n{_about(file, by_level['video'])}\n\n{body}"


def _about(file: ScoresFile, cell: Cell) -> str:
    """Coverage, what is known of leaks, and how to get the numbers again."""
    header = file.header
    missed = "; ".join(f"{n} {why}" for why, n in cell.missed.items())
    scored = round(cell.coverage * cell.n_videos)
    coverage = f"Coverage: {scored} of {cell.n_videos} videos" + (
        f" ({missed})." if missed else "."
    )
    known = [] if header.leaks else ["0 of these videos are akin to what it learned from"]
    doubts = doubts_of(header) if header.leaks is None else [*known, *doubts_of(header)]
    said = " ".join(f"{line[0].upper()}{line[1:]}." for line in doubts)
    command = f"unmask evaluate CHECKPOINT --data DIR --part {header.part or 'test'}"
    return (
        f"{coverage} {said} Intervals are 95 %, resampled by recording. Computed by "
        f"{header.runtime or 'an unnamed runtime'}, unmask {header.version}, {header.made}; data "
        f"digest `{header.data_digest}`. Again: `{command}`"
    )


def _short(cells: Sequence[Cell], named: str = "slice") -> str:
    """The few numbers that parts are compared by."""
    called = (
        "reals_called_fake"
        if any("reals_called_fake" in cell.numbers for cell in cells)
        else "false_positive_rate"
    )
    at = "the threshold for fake" if called == "reals_called_fake" else "0.5"
    head = ["", "fakes / reals", "coverage", "AUC", f"reals called fake at {at}"]
    rows = [
        [
            cell.corruption if named == "corruption" else cell.slice,
            f"{cell.n_fake} / {cell.n_real}",
            f"{cell.coverage:.1%}",
            _estimate(cell, "auc"),
            _estimate(cell, called),
        ]
        for cell in cells
    ]
    return table(head, rows)


def _by_recording(file: ScoresFile) -> str:
    """Whether false positives are spread over recordings or are a few people's lot."""
    thresholds = file.header.thresholds
    at = thresholds.fake if thresholds else EVEN
    scored = file.at("clip")
    real = scored.label == 0
    if not real.any():
        return "There are no reals."
    names, which = np.unique(np.asarray(scored.source)[real], return_inverse=True)
    called = np.bincount(which, weights=(scored.p_fake[real] >= at).astype(np.float64))
    shares = called / np.bincount(which)
    name = "the threshold for fake" if thresholds else "0.5"
    any_of, half = int((shares > 0).sum()), int((shares >= EVEN).sum())
    return (
        f"Recordings of reals with a frame or clip that reaches {name} ({at:.4g}): {any_of} of "
        f"{len(names)}; with half of theirs or more: {half}."
    )


def _unmeasured(seen: set[str], scores: Sequence[ScoresFile]) -> str:
    """What nothing here speaks of."""
    gaps = [words for protocol, words in UNMEASURED.items() if protocol not in seen]
    if not any(file.header.corruption == CLEAN for file in scores):
        gaps.insert(0, "whatever is not in a table above, since no scores were given")
    foreign = [f.header.data for f in scores if not _learned(f)]
    if not foreign:
        gaps.append("data sets that it did not learn from")
    gaps.append("generators, cameras and people other than those of a table above")
    return "\n".join(["## Unmeasured", "", *(f"* {gap}: **unmeasured**" for gap in gaps)])


def _learned(file: ScoresFile) -> bool:
    """Whether a file's data set is, or may be, one that the detector learned from."""
    known = file.header.trained_on
    places, words = file.columns.codes("dataset")
    here = {words[k] for k in np.unique(places[places >= 0])}
    return not known or bool(here & set(known))


def _estimate(cell: Cell, key: str) -> str:
    """A number with its interval, or why it is not there."""
    found: Estimate | None = cell.numbers.get(key)
    if found is None:
        return "undefined" if key in cell.undefined or cell.why_not else "unmeasured"
    return str(found)
