"""A detector over one side of some data: every clip that a scan would cut, scored once.

The answer is a scores file (`scores.py`), which all numbers are computed from. A run that was
killed goes on with the chunk it was at, and its result is that of one that was not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from unmask import __version__
from unmask.datasets.sources import Target
from unmask.evaluation.chunks import Key, Parts, digest_of, finished, make_chunks
from unmask.evaluation.exam import Case, Part, Wanted
from unmask.evaluation.fitted import count_fitted
from unmask.evaluation.leaks import LEARNED_PARTS, Kinship, find_kin, refuse_kin
from unmask.evaluation.open_exam import open_exam
from unmask.evaluation.scores import Header, Rows, ScoresFile
from unmask.evaluation.scoring_pass import score_cases
from unmask.models.checkpoint import Checkpoint, portable_recipe
from unmask.pipeline.detector import DEFAULT_FRAMES, trained_checkpoint
from unmask.pipeline.runtime import Backend, Device, open_runtime
from unmask.video.corrupt import Corruption

Watch = Callable[[int, int], None]  # hears how many videos are done, and how many there are


def _unwatched(_done: int, _total: int) -> None:
    """Nobody is told."""


def predict(
    checkpoint: str | Path,
    data: str | Path,
    file: Path,
    *,
    part: Part = "test",
    corruption: Corruption | None = None,
    clips: int | None = None,
    name: str | None = None,
    limit: int | None = None,
    workers: int = 1,
    device: Device = "auto",
    backend: Backend = "auto",
    dataset: str | None = None,
    split: str | None = None,
    target: Target | None = None,
    n_frames: int = DEFAULT_FRAMES,
    data_name: str | None = None,
    allow_leaks: bool = False,
    watch: Watch = _unwatched,
) -> ScoresFile:
    """Score one side of some data into `file`, or return what is there already.

    Args:
        checkpoint: folder, or name of a packaged detector.
        data: see `open_exam`.
        file: the .parquet that is written; FILE.parts/ beside it holds what is done so far.
        part: side; `calib` is what the detector's own recipe set aside to choose on, `all` is
            every video whatever its side.
        corruption: done to the pictures before anything else; level 0 and None do nothing.
        clips: of a person at most, spread over all there are; None = all that a scan would cut.
        name: of the detector in tables; none: that of its recipe.
        limit: about so many videos, whole recordings of them.
        workers: threads that read and cut.
        device: see `open_runtime`.
        backend: likewise.
        dataset: name of a data set that is read as it was downloaded.
        split: its rule for sides.
        target: what makes a fake; none: what the detector learned.
        n_frames: looked at in a raw video.
        data_name: of the data in tables; none: data set and side.
        allow_leaks: measure also on kin of what was learned from, and say so for ever.
        watch: hears of progress.

    Raises:
        CheckpointError: no trained weights, or damaged ones. DataError: no data, or akin to what
            was learned from. UsageError: scores of something else are there.
    """
    opened = trained_checkpoint(checkpoint)
    wanted = Wanted(
        spec=opened.meta.input_spec,
        part=part,
        target=target or _learned_target(opened),
        clips=clips,
        corruption=corruption if corruption and corruption.level else None,
        n_frames=n_frames,
    )
    exam = open_exam(data, wanted, dataset=dataset, split=split, recipe=opened.meta.recipe)
    looked_at = exam.limited(limit)
    left = len(exam.cases) if len(looked_at.cases) < len(exam.cases) else None
    kin = find_kin(looked_at, opened.folder)
    allowed = allow_leaks or part in LEARNED_PARTS
    if not allowed:
        refuse_kin(kin, str(checkpoint))
    runtime, sha256 = open_runtime(opened, backend, device)
    names = name or _name(checkpoint, opened), data_name or kin.exam.name
    key = _key(kin, wanted, opened, sha256, runtime.name)
    header = _header(opened, kin, wanted, names, key, allowed=allowed)
    header = replace(header, limited_from=left)
    if (held := finished(file, key)) is not None:
        return held
    parts = Parts(file, key)
    score = partial(score_cases, runtime=runtime, spec=wanted.spec, workers=workers)
    return parts.finish(header, list(_scored(kin.exam.cases, parts, score, watch)))


def _scored(
    cases: Sequence[Case], parts: Parts, score: Callable[[Sequence[Case]], Rows], watch: Watch
) -> Iterator[Rows]:
    """Score chunk by chunk what an earlier run has not, and keep each."""
    done = 0
    for number, chunk in enumerate(make_chunks(cases)):
        watch(done, len(cases))
        rows = parts.read(number)
        if rows is None:
            rows = score(chunk)
            parts.write(number, rows)
        yield rows
        done += len(chunk)
    watch(done, len(cases))


def _key(kin: Kinship, wanted: Wanted, checkpoint: Checkpoint, sha256: str, runtime: str) -> Key:
    """Gather everything that the rows depend on."""
    return {
        "weights": sha256,
        "input": str(checkpoint.meta.input_spec),
        "runtime": runtime,
        "data": kin.exam.data_digest(),
        "files": kin.exam.state,
        "leaks": kin.leaks,
        "part": wanted.part,
        "target": wanted.target,
        "clips": wanted.clips,
        "corruption": str(wanted.corruption or "none"),
        "n_frames": wanted.n_frames,
        "unmask": __version__,
    }


def _header(
    checkpoint: Checkpoint,
    kin: Kinship,
    wanted: Wanted,
    names: tuple[str, str],
    key: Key,
    *,
    allowed: bool,
) -> Header:
    meta, exam = checkpoint.meta, kin.exam
    return Header(
        detector=names[0],
        model=meta.model,
        sha256=key["weights"],
        data=names[1],
        data_digest=key["data"],
        part=wanted.part,
        corruption=key["corruption"],
        applied_to=exam.applied_to if wanted.corruption else "",
        clips_per_track=wanted.clips,
        target=wanted.target,
        unlabelled=exam.unlabelled,
        trained_on=kin.datasets,
        recipe=portable_recipe(meta.recipe or {}),
        leaks=kin.leaks,
        leaks_allowed=allowed and bool(kin.leaks),
        overlaps=kin.overlaps,
        fitted=count_fitted(checkpoint, (case.facts for case in exam.cases)),
        runtime=key["runtime"],
        calibration=meta.calibration,
        thresholds=meta.thresholds,
        version=__version__,
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        key=digest_of(key),
    )


def _learned_target(checkpoint: Checkpoint) -> Target:
    """What made a fake when the detector learned."""
    recipe: dict[str, Any] = checkpoint.meta.recipe or {}
    target: Target = recipe.get("data", {}).get("target", "any")
    return target


def _name(asked: str | Path, checkpoint: Checkpoint) -> str:
    """Name a packaged detector as it was asked for, another by its recipe."""
    recipe = checkpoint.meta.recipe or {}
    named = str(asked) if not Path(asked).is_dir() else recipe.get("name")
    return named or checkpoint.meta.model
