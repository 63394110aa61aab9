"""A folder of labelled fakes from a list of real files.

    real/NAME.mp4                    every source through the encoder
    fake/METHOD/NAME.mp4             its fakes; NAME.mask.mp4 beside those whose picture is forged
    .../NAME.json                    method, parameters, seed, spans, labels
    manifest.csv                     a row per file, as `unmask prepare folder` reads it

All files of one source are made in `.forging/`, made equally large, and moved into place together;
what was finished before is kept, so an interrupted run goes on with the source it was at. A file
that cannot be forged costs no other.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np

from unmask.errors import UnmaskError
from unmask.forge.level import level
from unmask.forge.listing import write_listing
from unmask.forge.makers import ClipMaker, Faces, MakingConfig, StillMaker, maker_of
from unmask.forge.methods import METHODS
from unmask.forge.record import ORIGINAL, read_record, write_record
from unmask.forge.sightings import Detector
from unmask.forge.sources import Source, look_at, pair_donors, refuse_equal_names, usual_turn
from unmask.video.encode import check_codec

log = logging.getLogger(__name__)

Outcome = Literal["made", "kept", "left_out", "failed"]

_STAGE = ".forging"
_REAL, _FAKE = "real", "fake"


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is to be forged, and how."""

    methods: Sequence[str]  # names of METHODS
    out: Path
    seed: int = 0
    donor: Path | None = None  # for every source; None = the sources in pairs
    config: MakingConfig = field(default_factory=MakingConfig)


@dataclass(frozen=True, kw_only=True)
class Done:
    """What became of one file: where it is, or why it is not."""

    source: Path
    method: str
    outcome: Outcome
    path: Path | None = None
    reason: str = ""


def forge_dataset(
    paths: Sequence[Path],
    request: Request,
    detector: Detector,
    step: Callable[[], None] = lambda: None,
) -> Iterator[Done]:
    """Forge files one by one; yields as many answers per file as methods, and one for its real.

    `step` is called as often, as soon as each is made.

    Raises:
        UsageError: two files have the same name.
        MissingExtraError: there are clips and no encoder for them.
    """
    refuse_equal_names(paths)
    sources: list[Source] = []
    unreadable: dict[Path, str] = {}
    for path in paths:
        try:
            sources.append(look_at(path))
        except UnmaskError as error:
            unreadable[path] = str(error)
    if any(not source.still for source in sources):
        for codec in ("libx264", "aac"):
            check_codec(codec)
    for path, reason in unreadable.items():
        for method in (ORIGINAL, *request.methods):
            step()
            yield Done(source=path, method=method, outcome="failed", reason=reason)
    given = look_at(request.donor) if request.donor else None
    pairs = {} if given else _pairs(sources, request, detector)
    faces = Faces(detector)
    for source in sources:
        donor = given or pairs.get(source.name)
        maker = maker_of(source, donor, faces, request.config)
        yield from _Group(maker, request).forge(step)
        write_listing(request.out)


def _pairs(sources: Sequence[Source], request: Request, detector: Detector) -> dict[str, Source]:
    """Who is whose donor, if any method asks for one."""
    if not any(METHODS[method].needs_donor for method in request.methods):
        return {}
    turns = {}
    for source in sources:
        try:
            turns[source.name] = usual_turn(source, detector)
        except UnmaskError as error:  # making its files will say so, too
            log.info("%s: %s", source.path, error)
            turns[source.name] = 0.0
    return pair_donors(sources, turns, request.seed)


class _Group:
    """The real and the fakes of one source."""

    def __init__(self, maker: ClipMaker | StillMaker, request: Request) -> None:
        self._maker, self._request = maker, request
        self._source = maker.source
        self._stage = request.out / _STAGE / maker.source.name

    def forge(self, step: Callable[[], None]) -> list[Done]:
        """Make what is not there yet."""
        answers = []
        for method in (ORIGINAL, *self._request.methods):
            answers.append(self._answer(method))
            step()
        real = answers[0]
        if real.outcome == "failed":  # nothing to compare fakes with
            answers = [replace(real, method=answer.method) for answer in answers]
        elif any(answer.outcome == "made" for answer in answers):
            answers = self._publish(answers)
        shutil.rmtree(self._stage, ignore_errors=True)
        return answers

    def _answer(self, method: str) -> Done:
        """Keep, make or fail to make one file."""
        said = Done(source=self._source.path, method=method, outcome="failed")
        place = self._place(method)
        try:
            lacking = None if method == ORIGINAL else self._maker.lacks(METHODS[method])
            if lacking:
                return replace(said, outcome="left_out", reason=lacking)
            if self._finished(self._request.out / place, method):
                return replace(said, outcome="kept", path=self._request.out / place)
            if not self._finished(self._stage / place, method):
                self._make(method, self._stage / place)
        except UnmaskError as error:
            return replace(said, reason=str(error))
        except Exception as error:  # one strange file must not cost the others
            log.info("%s: unexpected failure", self._source.path, exc_info=True)
            what = f"{type(error).__name__}: {error}"
            return replace(said, reason=f"{self._source.path}: {method} failed ({what})")
        return replace(said, outcome="made", path=self._request.out / place)

    def _make(self, method: str, out: Path) -> None:
        out.parent.mkdir(parents=True, exist_ok=True)
        if method == ORIGINAL:
            record = self._maker.real(out)
        else:
            record = self._maker.fake(method, self._seed(method), out)
        write_record(out.with_suffix(".json"), replace(record, request=self._wish(method)))

    def _publish(self, answers: list[Done]) -> list[Done]:
        """Make all files equally large and move the new ones into place, records last."""
        there = [a.path for a in answers if a.outcome == "kept" and a.path is not None]
        made = [self._place(a.method) for a in answers if a.outcome == "made"]
        try:
            rng = np.random.default_rng(self._seed("size"))
            level([*there, *(self._stage / place for place in made)], rng)
            for place in made:
                self._move(place)
        except (UnmaskError, OSError) as error:
            reason = f"{self._source.path}: its files could not be moved into place ({error})"
            return [
                replace(a, outcome="failed", path=None, reason=reason) if a.outcome == "made" else a
                for a in answers
            ]
        return answers

    def _move(self, place: Path) -> None:
        new = self._request.out / place
        new.parent.mkdir(parents=True, exist_ok=True)
        new.with_suffix(".json").unlink(missing_ok=True)  # of what is about to be replaced
        record = read_record((self._stage / place).with_suffix(".json"))
        assert record is not None
        for name in (record.path, record.mask, place.with_suffix(".json").name):
            if name:
                (self._stage / place).with_name(name).replace(new.with_name(name))

    def _place(self, method: str) -> Path:
        """Where a file lies, below the folder of the data set."""
        name = self._source.name + self._maker.ending
        return Path(_REAL, name) if method == ORIGINAL else Path(_FAKE, method, name)

    def _finished(self, path: Path, method: str) -> bool:
        record = read_record(path.with_suffix(".json"))
        if record is None or record.request != self._wish(method):
            return False
        names = (record.path, record.mask)
        return all(path.with_name(name).is_file() for name in names if name)

    def _wish(self, method: str) -> str:
        """A hash of all that a file depends on."""
        donor = self._maker.donor
        needs = method != ORIGINAL and METHODS[method].needs_donor
        asked = (
            *(method, self._seed(method), self._source.stamp, repr(self._request.config)),
            donor.stamp if donor and needs else None,
        )
        return _digest(json.dumps(asked))

    def _seed(self, method: str) -> int:
        """Of one file: every source gets fakes of its own."""
        return int(_digest(f"{self._request.seed}/{method}/{self._source.name}")[:12], 16)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:24]
