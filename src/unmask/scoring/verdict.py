"""Scores of every person to the answer for one file: fake, real, or that it cannot be told.

Laws, each a test: a face that was not seen, or not seen well enough, is never scored 0 or 0.5 but
makes the answer `undecided` with a reason; one fake person makes the file fake; a person who cannot
be judged keeps the file from being called real. A scene, all of the picture, is judged like a
person of whom no face is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from unmask.scoring.aggregate import mean_probability
from unmask.types import (
    ClipScore,
    Scene,
    Thresholds,
    Track,
    TrackScore,
    Verdict,
    VerdictName,
)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a face must offer before its score may become a verdict. All values are ours."""

    # Median shorter side of the face box, full-resolution px. No crop that the first detector
    # learned from or was measured on came from a face below 89 px; a tenth less is let pass.
    min_face_px: float = 80.0
    # Median variance of the Laplacian at 112 px. 1 % of 2000 DFDC validation crops are below 8.
    min_sharpness: float = 8.0
    # Sampled frames that must show the person; all of them where fewer were sampled (1: a still).
    min_faces: int = 4
    # Distance between the quartiles of one person's p_fake at or above which frames contradict
    # one another: a quarter of them says "fake", another quarter "real".
    max_spread: float = 0.5


DEFAULT_LIMITS = Limits()
_MIN_SCORES_FOR_SPREAD = 4  # quartiles of fewer scores are interpolation only


def judge(
    subjects: Sequence[Track] | Sequence[Scene],
    clip_scores: Sequence[ClipScore],
    *,
    n_frames_sampled: int,
    thresholds: Thresholds | None,
    trained: bool = True,
    damaged: bool = False,
    unheard: bool = False,
    too_short: Collection[int] = (),
    limits: Limits = DEFAULT_LIMITS,
    aggregate: Callable[[Sequence[float]], float] = mean_probability,
) -> Verdict:
    """Answer for one file from its persons, or its scene, and their calibrated scores.

    Args:
        subjects: who or what was scored.
        clip_scores: all scores; each names its subject.
        n_frames_sampled: how many frames were looked at.
        thresholds: None: undecided, with p_fake still reported.
        trained: False likewise.
        damaged: parts of the file could not be read. They may hold a fake, so nothing is called
            real; what was seen to be fake stays fake.
        unheard: the detector listens and there was no sound: undecided.
        too_short: subjects seen for less than half a clip: undecided.
        limits: what a face must offer.
        aggregate: one number of a subject's probabilities.
    """
    by_subject: dict[int, list[ClipScore]] = {subject.id: [] for subject in subjects}
    for score in clip_scores:
        assert score.track_id in by_subject, (
            f"a score names person {score.track_id}, not in subjects"
        )
        by_subject[score.track_id].append(score)
    needed = min(limits.min_faces, max(n_frames_sampled, 1))
    of_all = {"untrained": not trained, "uncalibrated": thresholds is None, "no_sound": unheard}

    def judged(subject: Track | Scene) -> TrackScore:
        scores = tuple(sorted(by_subject[subject.id], key=lambda score: score.t_s))
        p_fake = aggregate([score.p_fake for score in scores]) if scores else None
        doubts = of_all | _doubts_of_face(subject, scores, needed, limits)
        doubts["too_short"] = subject.id in too_short
        doubts["disagreement"] = _spread(scores) >= limits.max_spread
        held = tuple(code for code, holds in doubts.items() if holds)
        return _track_score(subject, scores, p_fake, held, thresholds)

    return _file_verdict(tuple(judged(subject) for subject in subjects), damaged)


def _doubts_of_face(
    subject: Track | Scene, scores: Sequence[ClipScore], needed: int, limits: Limits
) -> dict[str, bool]:
    """Why this person's face cannot carry a verdict; of a scene no face is asked."""
    if isinstance(subject, Scene):
        return {}
    return {
        "too_few_faces": len(subject.faces) < needed or not scores,
        "face_too_small": _median_quality(subject, "size_px") < limits.min_face_px,
        "face_too_blurred": _median_quality(subject, "sharpness") < limits.min_sharpness,
    }


def _track_score(
    subject: Track | Scene,
    scores: tuple[ClipScore, ...],
    p_fake: float | None,
    doubts: tuple[str, ...],
    thresholds: Thresholds | None,
) -> TrackScore:
    verdict, reason = _place(p_fake, thresholds)
    if verdict == "undecided":
        reasons = (*doubts, reason) if reason else doubts
    else:
        verdict, reasons = ("undecided", doubts) if doubts else (verdict, (reason,))
    person = subject if isinstance(subject, Track) else None
    return TrackScore(
        id=subject.id,
        p_fake=p_fake,
        verdict=verdict,
        reasons=reasons,
        first_s=subject.first_s,
        last_s=subject.last_s,
        scores=scores,
        face_px=_median_quality(person, "size_px") if person else None,
        sharpness=_median_quality(person, "sharpness") if person else None,
    )


def _place(p_fake: float | None, thresholds: Thresholds | None) -> tuple[VerdictName, str]:
    """Where a score lies between the thresholds, and the code that says so ("" = nowhere)."""
    if p_fake is None or thresholds is None:
        return "undecided", ""
    if p_fake >= thresholds.fake:
        return "fake", "above_threshold"
    if p_fake < thresholds.real:
        return "real", "below_threshold"
    return "undecided", "between_thresholds"


def _file_verdict(persons: tuple[TrackScore, ...], damaged: bool) -> Verdict:
    """One fake person decides; else one undecided one does; else all are real."""
    lost = ("damaged_file",) if damaged else ()
    if not persons:
        return Verdict(verdict="undecided", p_fake=None, reasons=("no_face", *lost))
    found = {person.verdict for person in persons}
    decisive: VerdictName = (
        "fake" if "fake" in found else "undecided" if "undecided" in found else "real"
    )
    reasons = tuple(
        dict.fromkeys(
            code for person in persons if person.verdict == decisive for code in person.reasons
        )
    )
    if decisive == "real" and damaged:
        decisive, reasons = "undecided", ()
    return Verdict(
        verdict=decisive,
        p_fake=_highest(persons),
        reasons=(*reasons, *lost),
        tracks=persons,
    )


def _highest(persons: Sequence[TrackScore]) -> float | None:
    """Score of the most suspicious person, among those seen often enough if there are any.

    A passer-by's one chance look would else be the number of the whole file.
    """
    often = [person for person in persons if "too_few_faces" not in person.reasons]
    scores = (person.p_fake for person in often or persons if person.p_fake is not None)
    return max(scores, default=None)


def _median_quality(track: Track, name: Literal["size_px", "sharpness"]) -> float:
    return float(np.median([getattr(face.quality, name) for face in track.faces]))


def _spread(scores: Sequence[ClipScore]) -> float:
    """Distance between the quartiles of p_fake; 0 where there are too few scores to have any."""
    if len(scores) < _MIN_SCORES_FOR_SPREAD:
        return 0.0
    low, high = np.quantile([score.p_fake for score in scores], (0.25, 0.75))
    return float(high - low)
