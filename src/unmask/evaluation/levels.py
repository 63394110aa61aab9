"""From scores of clips to scores of people and of videos, by a named rule (protocols.md).

The rules are those of `scoring/aggregate.py`, here over millions of clips at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from unmask.evaluation.rows import Numbers, Rows, combined, numbered
from unmask.scoring.aggregate import confident
from unmask.scoring.calibrate import calibrated
from unmask.types import Calibration

Level = Literal["clip", "track", "video"]
Rule = Literal["mean", "mean_logit", "confident"]
Floats = NDArray[np.float64]

_Combine = Callable[[Floats, Numbers], Floats]  # probabilities, whose each is


def scores_at(
    rows: Rows, calibration: Calibration, level: Level, rule: Rule
) -> tuple[Floats, Numbers]:
    """Gather clips: p_fake of every clip, person or video, in order of appearance.

    A video's is that of its most suspicious person.

    Returns:
        The probabilities, and the row in which each clip, person or video appears first.
    """
    places = np.flatnonzero(rows.scored)
    logits = rows.numbers("logit")[places]
    p_clip = calibrated(calibration, logits)
    if level == "clip":
        return p_clip, places
    video = rows.codes("video")[0][places]
    person, first = numbered(combined(video, rows.whole("track")[places]))
    if rule == "mean_logit":  # the calibration is of logits, so it comes last
        p_person = calibrated(calibration, _means(logits, person))
    else:
        p_person = _RULES[rule](p_clip, person)
    if level == "track":
        return p_person, places[first]
    of_video, first_person = numbered(video[first])
    highest = np.full(len(first_person), -np.inf)
    np.maximum.at(highest, of_video, p_person)
    return highest, places[first[first_person]]


def _confident(p_clip: Floats, person: Numbers) -> Floats:
    order = np.argsort(person, kind="stable")
    own = np.split(p_clip[order], np.cumsum(np.bincount(person))[:-1]) if len(person) else []
    return np.array([confident(some.tolist()) for some in own], np.float64)


def _means(values: Floats, person: Numbers) -> Floats:
    return np.bincount(person, values) / np.bincount(person)


_RULES: dict[Rule, _Combine] = {"mean": _means, "confident": _confident}
