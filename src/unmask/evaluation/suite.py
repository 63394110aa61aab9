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
from unmask.evaluation.caveats import known_of
from unmask.evaluation.cells import Cell, How, cells_of
from unmask.evaluation.fixing import fix, refuse_shared
from unmask.evaluation.protocols import applicable
from unmask.evaluation.runs import CLEAN, Learned, Run, datasets_in, learned_from
from unmask.evaluation.scores import ScoresFile
from unmask.evaluation.suite_file import Data, Detector, Suite

Place = tuple[str, str]  # a detector and a data set, by their labels
Watch = Callable[[int, int], None]  # how much is done, of how much
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
    jobs, work = jobs_of(suite, out), _Work(suite=suite, out=out, predict=predict, how=how)
    for done, job in enumerate(jobs):
        watch = partial(tell, f"scoring {done + 1} of {len(jobs)}: {job.words}")
        try:
            run, lines = _run(job, work, watch)
        except UsageError:
            raise  # the request is wrong, and so will be all that follows
        except UnmaskError as error:
            failed.append(_failure(job, how, str(error)))
            continue
        runs.append(run)
        place = job.detector.label, run.scores.header.data
        notes[place] = tuple(dict.fromkeys((*notes.get(place, ()), *lines)))
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


@dataclass(frozen=True, kw_only=True, eq=False)
class _Work:
    """What all jobs of a suite have in common."""

    suite: Suite
    out: Path
    predict: Predict
    how: How
    validations: dict[Path, ScoresFile | str] = field(default_factory=dict)  # or why there are none


def _run(job: Job, work: _Work, watch: Watch) -> tuple[Run, tuple[str, ...]]:
    """One run, and what must be said of it."""
    scores = _scores(job, work, watch)
    validation = _validation(scores, job, work, watch)
    lacking = [f"nothing was fixed: {validation}"] if isinstance(validation, str) else []
    fixed_on = None if isinstance(validation, str) else validation
    fixed = fix(scores, fixed_on, level=work.how.level, rule=work.how.rule)
    entry = job.detector
    learned = (
        Learned(datasets=entry.learned_from, methods=entry.methods)
        if entry.learned_from
        else learned_from(scores.header)
    )
    return Run(scores=fixed.scores, learned=learned), (*known_of(scores), *fixed.lines, *lacking)


def _validation(scores: ScoresFile, job: Job, work: _Work, watch: Watch) -> ScoresFile | str | None:
    """Scores to fix on what the detector does not bring; or why there are none; None: it has all.

    Raises:
        DataError: data that were asked for by name cannot be used.
    """
    header, suite = scores.header, work.suite
    if header.calibration is not None and header.thresholds is not None:
        return None
    if suite.calibrate_on is not None:
        named = _job(job.detector, _calibration_data(suite), "val", CLEAN, work.out)
        if named.file not in work.validations:
            work.validations[named.file] = _scores(named, work, watch)
        return work.validations[named.file]
    if job.part != "val" and not _learned_here(scores, job.detector):
        return (
            "it is not known to have learned from these data, and what is fixed on their val side "
            "would be tuned to them (--calibrate-on DIR does so all the same)"
        )
    own = _job(job.detector, job.data, "val" if job.part == "test" else "calib", CLEAN, work.out)
    if own.file not in work.validations:
        work.validations[own.file] = _usable(scores, own, work, watch)
    return work.validations[own.file]


def _learned_here(scores: ScoresFile, detector: Detector) -> bool:
    """Whether a detector learned from the data sets that it is measured on."""
    known = detector.learned_from or learned_from(scores.header).datasets
    return bool(known) and set(datasets_in(scores)) <= set(known)


def _usable(scores: ScoresFile, job: Job, work: _Work, watch: Watch) -> ScoresFile | str:
    try:
        found = _scores(job, work, watch)
        refuse_shared(scores, found)
    except UsageError:
        raise
    except UnmaskError as error:
        return str(error)
    return found


def _calibration_data(suite: Suite) -> Data:
    """The data of `--calibrate-on`, under a name that no other data have."""
    assert suite.calibrate_on is not None, "asked for only where it was given"
    path = suite.calibrate_on.resolve()
    for entry in suite.data:
        if entry.path.resolve() == path:
            return entry
    taken = {entry.label for entry in suite.data}
    return Data(path=path, label=f"calibration-{path.name}" if path.name in taken else path.name)


def _scores(job: Job, work: _Work, watch: Watch) -> ScoresFile:
    from unmask.video.corrupt import parse_corruptions

    through = None if job.corruption == CLEAN else parse_corruptions(job.corruption)[0]
    job.file.parent.mkdir(parents=True, exist_ok=True)
    suite = work.suite
    scores = work.predict(
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
        watch=watch,
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
        *("leaks_allowed", "overlaps", "trained_on", "fitted", "limited_from"),
    )
    return {name: getattr(header, name) for name in names}
