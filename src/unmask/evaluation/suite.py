"""One command, many detectors, many data sets: predict what is missing, then measure all of it.

    OUT/scores/<detector>/<data>[-<corruption>].parquet    every score, kept
    OUT/table.md, table.csv, table.json                    every number

Scores that are there and fit are used again, and half-written ones are gone on with, so that the
same command after an interruption does only what was not done. A pair that cannot be scored (the
data have no sound, the side is empty) leaves cells that say so; the others go on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from unmask.errors import UnmaskError, UsageError
from unmask.evaluation.cells import Cell, How, cells_of
from unmask.evaluation.fixing import fix
from unmask.evaluation.protocols import applicable
from unmask.evaluation.runs import CLEAN, Learned, Run, learned_from
from unmask.evaluation.scores import ScoresFile
from unmask.evaluation.suite_file import Data, Detector, Suite

Place = tuple[str, str]  # a detector and a data set, by their labels
Tell = Callable[[str, int, int], None]  # what is being done, how much of it is done, of how much


def _untold(_words: str, _done: int, _total: int) -> None:
    """Nobody listens."""


class Predict(Protocol):
    """What scores one data set by one detector: `evaluation.predict.predict`."""

    def __call__(self, checkpoint: Path, data: Path, file: Path, **options: Any) -> ScoresFile:
        """Return the scores that `file` then holds."""
        ...


@dataclass(frozen=True, kw_only=True)
class Job:
    """Scores that are needed."""

    detector: Detector
    data: Data
    part: str
    corruption: str
    file: Path

    @property
    def words(self) -> str:
        """What a progress line says."""
        through = "" if self.corruption == CLEAN else f" through {self.corruption}"
        return f"{self.detector.label} on {self.data.label} {self.part}{through}"


@dataclass(frozen=True, kw_only=True)
class Table:
    """All cells of a suite, and what a reader must know of them."""

    suite: Suite
    how: How
    cells: tuple[Cell, ...]
    notes: dict[Place, tuple[str, ...]]  # where probabilities and thresholds come from
    also: tuple[str, ...] = ()  # protocols that these data would allow
    headers: tuple[dict[str, Any], ...] = field(default=())  # of the scores files


def jobs_of(suite: Suite, out: Path) -> list[Job]:
    """List the scores to be reported on, corrupted ones after clean ones."""
    return [
        _job(detector, data, suite.part, corruption, out)
        for data in suite.data
        for detector in suite.detectors
        for corruption in (CLEAN, *suite.corrupt)
    ]


def run_suite(
    suite: Suite,
    out: Path,
    *,
    predict: Predict,
    how: How,
    tell: Tell = _untold,
) -> Table:
    """Score and measure a settled suite.

    Args:
        suite: as `suite_file.settled` returns it.
        out: folder of scores and tables.
        predict: what scores.
        how: level, rule and intervals.
        tell: hears of progress.

    Raises:
        UsageError: the folder holds scores of something else under these names.
    """
    runs: list[Run] = []
    failed: list[Cell] = []
    notes: dict[Place, tuple[str, ...]] = {}
    jobs = jobs_of(suite, out)
    for done, job in enumerate(jobs):
        words = f"scoring {done + 1} of {len(jobs)}: {job.words}"
        scorer = partial(predict, watch=partial(tell, words))
        try:
            run, lines = _run(job, suite, out, scorer, how)
        except UsageError:
            raise  # the request is wrong, and so will be all that follows
        except UnmaskError as error:
            failed.append(_failure(job, how, str(error)))
            continue
        runs.append(run)
        notes.setdefault((job.detector.label, run.scores.header.data), lines)
    protocols = (*suite.protocols, *(["corruption"] if suite.corrupt else []))
    cells = cells_of(
        runs, tuple(dict.fromkeys(protocols)), how, told=partial(tell, "measuring slices")
    )
    wanted = {name for run in runs if not run.corrupted for name in applicable(run)}
    return Table(
        suite=suite,
        how=how,
        cells=(*cells, *failed),
        notes=notes,
        also=tuple(sorted(wanted - set(suite.protocols))),
        headers=tuple(_told(run.scores) for run in runs),
    )


def _job(detector: Detector, data: Data, part: str, corruption: str, out: Path) -> Job:
    name = data.label if part == "test" else f"{data.label}-{part}"
    if corruption != CLEAN:
        name += "-" + corruption.replace(":", "-")
    file = out / "scores" / detector.label / f"{name}.parquet"
    return Job(detector=detector, data=data, part=part, corruption=corruption, file=file)


def _run(
    job: Job, suite: Suite, out: Path, predict: Predict, how: How
) -> tuple[Run, tuple[str, ...]]:
    scores = _scores(job, suite, predict)
    validation, lacking = _validation(scores, job, suite, out, predict)
    fixed = fix(scores, validation, level=how.level, rule=how.rule)
    known = learned_from(scores.header)
    entry = job.detector
    learned = (
        Learned(datasets=entry.learned_from, methods=entry.methods) if entry.learned_from else known
    )
    lines = (*_known_of(scores), *fixed.lines, *([lacking] if lacking else []))
    return Run(scores=fixed.scores, learned=learned), lines


def _known_of(scores: ScoresFile) -> list[str]:
    """Which videos have no score and why, and whether the detector may know the people in them."""
    at, header = scores.at("video"), scores.header
    lines = []
    if at.missed:
        reasons = ", ".join(f"{count} {name}" for name, count in at.missed.most_common())
        lines.append(f"{at.missed.total()} of {at.n_videos} videos have no score: {reasons}")
    if header.unlabelled:
        lines.append(f"{header.unlabelled} videos left out: {header.target} target not known")
    if header.leaks is None:
        lines.append(
            "what it learned from is not recorded, so nobody knows whether it has seen these "
            "people before"
        )
    elif header.leaks:
        lines.append(
            f"{header.leaks} videos share a recording or a person with what it learned from: its "
            "numbers are too good" + (" (allowed by --allow-leaks)" if header.leaks_allowed else "")
        )
    if header.overlaps:
        lines.append(
            f"the data set's own split leaves the same {', '.join(header.overlaps)} on both sides"
        )
    return lines


def _validation(
    scores: ScoresFile, job: Job, suite: Suite, out: Path, predict: Predict
) -> tuple[ScoresFile | None, str]:
    """Scores to fix on what the detector does not bring, or why there are none."""
    header = scores.header
    if header.calibration is not None and header.thresholds is not None:
        return None, ""
    data, part = job.data, "val" if job.part == "test" else "calib"
    if suite.calibrate_on is not None:
        data, part = Data(path=suite.calibrate_on, label=suite.calibrate_on.resolve().name), "val"
    try:
        return _scores(_job(job.detector, data, part, CLEAN, out), suite, predict), ""
    except UsageError:
        raise
    except UnmaskError as error:
        return None, f"nothing to fix them on: {error}"


def _scores(job: Job, suite: Suite, predict: Predict) -> ScoresFile:
    from unmask.video.corrupt import parse_corruptions

    through = None if job.corruption == CLEAN else parse_corruptions(job.corruption)[0]
    job.file.parent.mkdir(parents=True, exist_ok=True)
    scores = predict(
        job.detector.checkpoint,
        job.data.path,
        job.file,
        part=job.part,
        corruption=through,
        clips=suite.clips,
        name=job.detector.label,
        limit=suite.limit,
        dataset=job.data.dataset,
        split=job.data.split,
        target=job.data.target,
        allow_leaks=suite.allow_leaks,
    )
    header = replace(
        scores.header, detector=job.detector.label, data=f"{job.data.label} {job.part}"
    )
    return ScoresFile(header=header, rows=scores.rows)


def _failure(job: Job, how: How, why: str) -> Cell:
    return Cell(
        protocol="overall" if job.corruption == CLEAN else "corruption",
        detector=job.detector.label,
        data=f"{job.data.label} {job.part}",
        slice="all" if job.corruption == CLEAN else job.corruption,
        corruption=job.corruption,
        level=how.level,
        why_not=why,
    )


def _told(scores: ScoresFile) -> dict[str, Any]:
    """What of a header belongs beside the numbers."""
    header = scores.header
    names = (
        *("detector", "model", "sha256", "data", "part", "data_digest", "corruption"),
        *("applied_to", "clips_per_track", "target", "runtime", "version", "made", "leaks"),
        *("leaks_allowed", "overlaps", "trained_on"),
    )
    return {name: getattr(header, name) for name in names}
