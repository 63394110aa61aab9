"""Calibration and thresholds, fixed before the scores that are reported on are looked at.

A detector that brings none gets them from validation scores, never from the scores they are used
on: whoever chooses a threshold on the test side reports how well he chose. So what is measured and
what is fixed on must share no video and no recording, and a test side is never fixed on. People on
both sides (as in Celeb-DF, whose own split leaves them there) are named below the table.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from unmask.errors import DataError, UnmaskError
from unmask.evaluation.intervals import MIN_SOURCES
from unmask.evaluation.scores import Level, Rows, Rule, ScoresFile
from unmask.scoring.calibrate import decision_thresholds
from unmask.scoring.calibrate_fit import Fitted, Kind, fit_calibration
from unmask.types import Calibration, Thresholds, Unit

UNITS: dict[Level, Unit] = {"clip": "image", "track": "person", "video": "video"}


@dataclass(frozen=True, kw_only=True, eq=False)
class Fixed:
    """Scores with the calibration and thresholds to use, and where these come from, in words."""

    scores: ScoresFile
    calibration: str
    thresholds: str
    people: str = ""  # whom both sides show; empty: nobody, as far as the data name people

    @property
    def lines(self) -> tuple[str, ...]:
        """What a table says below it."""
        fixed = f"probabilities: {self.calibration}", f"thresholds: {self.thresholds}"
        return (*fixed, self.people) if self.people else fixed


def fix(
    scores: ScoresFile, validation: ScoresFile | None, *, level: Level, rule: Rule = "mean"
) -> Fixed:
    """Keep what the detector brings; take what it lacks from validation scores, if there are any.

    Raises:
        DataError: the validation scores are of the test side, of another detector, or share
            recordings with what is to be measured.
    """
    own = scores.header
    people = ""
    if validation is not None:
        refuse_shared(scores, validation)
        if own.calibration is None or own.thresholds is None:
            people = shared_people(scores, validation)
    calibration, by = _calibration(own.calibration, validation)
    thresholds, at = _thresholds(own.thresholds, calibration, validation, level, rule)
    header = replace(own, calibration=calibration, thresholds=thresholds)
    fixed = ScoresFile(header=header, rows=scores.rows)
    return Fixed(scores=fixed, calibration=by, thresholds=at, people=people)


def fit(validation: ScoresFile, kind: Kind | Literal["auto"]) -> Fitted:
    """Fit a calibration on the clips of validation scores."""
    clips = validation.columns.take(validation.columns.scored)
    return fit_calibration(
        clips.numbers("logit"),
        clips.numbers("label"),
        kind=kind,
        sources=clips.words("source", np.arange(len(clips))),
        measured_on=validation.header.data,
    )


def thresholds_on(
    validation: ScoresFile, calibration: Calibration | None, level: Level, rule: Rule
) -> Thresholds:
    """Set thresholds on calibrated validation scores of one level."""
    header = replace(validation.header, calibration=calibration)
    seen = ScoresFile(header=header, rows=validation.rows).at(level, rule)
    fake = seen.label == 1
    return decision_thresholds(
        seen.p_fake[~fake], seen.p_fake[fake], unit=UNITS[level], measured_on=header.data
    )


def refuse_shared(scores: ScoresFile, validation: ScoresFile) -> None:
    """Refuse to fix anything on what is reported.

    Raises:
        DataError: saying what is shared.
    """
    fixed_on = validation.header
    if fixed_on.part == "test":
        raise DataError(
            f"{fixed_on.data}: this is a test side. Calibration and thresholds are fixed on a "
            "validation side; name another with --calibrate-on"
        )
    if fixed_on.sha256 != scores.header.sha256:
        raise DataError(
            f"{fixed_on.data} was scored by another network than {scores.header.data}; "
            "calibration and thresholds belong to the network that made the scores"
        )
    shared = _sources(scores) & _sources(validation)
    if shared:
        raise DataError(
            f"{fixed_on.data} and {scores.header.data} share {len(shared)} recordings, such as "
            f"{min(shared)}. Thresholds fixed on what is reported flatter it; name other data with "
            "--calibrate-on"
        )


def shared_people(scores: ScoresFile, validation: ScoresFile) -> str:
    """Say whom both sides show, where the data name people; empty: nobody that is known."""
    known = {name for names in _people(validation).values() for name in names}
    shown = _people(scores)
    shared = {name for names in shown.values() for name in names if name in known}
    if not shared:
        return ""
    n_videos = sum(bool(shared & set(names)) for names in shown.values())
    return (
        f"{len(shared)} people, such as {min(shared)}, are in {n_videos} videos here and in "
        f"{validation.header.data}, which calibration and thresholds are fixed on: what is counted "
        "at a threshold may be too good"
    )


def _people(scores: ScoresFile) -> dict[str, list[str]]:
    """Who is in each video, by the names of its data set."""
    rows = scores.columns
    videos = rows.take(rows.first_of_videos()[1])
    return {video.video: [f"{video.dataset}/{who}" for who in video.identities] for video in videos}


def _sources(scores: ScoresFile) -> set[str]:
    rows = scores.columns
    return set(rows.words("source", rows.first_of_videos()[1]))


def _calibration(
    own: Calibration | None, validation: ScoresFile | None
) -> tuple[Calibration | None, str]:
    if own is not None:
        return own, f"stored in the checkpoint, fitted on {own.measured_on or 'unnamed data'}"
    if validation is None:
        return None, "uncalibrated, sigmoid of the logit (no validation scores)"
    name = validation.header.data
    try:
        _refuse_few(validation.columns.take(validation.columns.scored), name)
        # Of the kinds this one keeps all scores apart, so that the AUC is the detector's own.
        fitted = fit(validation, "platt").calibration
    except UnmaskError as error:
        return None, f"uncalibrated, sigmoid of the logit ({error})"
    return fitted, f"fitted on {name} (Platt, clips)"


def _refuse_few(clips: Rows, name: str) -> None:
    """Refuse a handful of recordings: a curve through them would be theirs alone."""
    source, fake = clips.codes("source")[0], clips.numbers("label") == 1
    for words, chosen in (("fakes", fake), ("reals", ~fake)):
        if (count := len(np.unique(source[chosen]))) < MIN_SOURCES:
            raise DataError(
                f"{name}: {words} of {count} recordings are too few to calibrate on; at least "
                f"{MIN_SOURCES} are needed"
            )


def _thresholds(
    own: Thresholds | None,
    calibration: Calibration | None,
    validation: ScoresFile | None,
    level: Level,
    rule: Rule,
) -> tuple[Thresholds | None, str]:
    if own is not None:
        place = f"stored in the checkpoint, measured on {own.measured_on or 'unnamed data'}"
        if own.unit != UNITS[level]:
            place += f" for single {own.unit}s; what they cost {level}s is measured here"
        return own, place
    if validation is None:
        return None, "none (no validation scores)"
    try:
        found = thresholds_on(validation, calibration, level, rule)
    except DataError as error:
        return None, f"none ({error})"
    return found, f"fixed on {validation.header.data} at 1 % and 5 % false positives of {level}s"
