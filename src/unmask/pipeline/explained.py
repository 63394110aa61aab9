"""A file scanned and explained: what the score of each person followed, on some of their clips.

The network is asked in torch for both, so that a heat map and the score beside it are of one
computation. Needs `unmask[train]`; a scan does not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from unmask.clips.tensors import cut_views
from unmask.errors import UsageError
from unmask.types import Batch, ClipScore, Image, Report, TrackScore

if TYPE_CHECKING:
    from unmask.explain.maps import Method
    from unmask.pipeline.detector import Detector
    from unmask.pipeline.questions import Question

SHOWN = 6  # clips of a person

CAUTION = (
    "A heat map says which places the score of this network followed. It is no proof that a place "
    "was forged, nor that others were not: networks follow light, blur and compression too."
)

Map = NDArray[np.float32]  # (h, w)
Key = tuple[int, float]  # person, time: which clip it is


@dataclass(frozen=True, kw_only=True, eq=False)
class ExplainedClip:
    """One clip of a person: its score, the picture that stands for it, and the map on it."""

    score: ClipScore
    view: Image
    heat: Map


@dataclass(frozen=True, kw_only=True, eq=False)
class ExplainedPerson:
    """A person, or the whole scene, with some clips explained, in order of time."""

    track: TrackScore
    clips: tuple[ExplainedClip, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Explained:
    """A report, and by what its scores are explained."""

    report: Report
    method: Method
    people: tuple[ExplainedPerson, ...]  # those that were scored


def explain_file(
    detector: Detector,
    path: Path,
    *,
    method: str = "auto",
    n_frames: int,
    shown: int = SHOWN,
) -> Explained:
    """Scan a file and explain up to `shown` clips of every person that was scored.

    Args:
        detector: opened with backend "torch".
        path: a video or an image.
        method: one of `explain.maps.METHODS`, or "auto" for the most telling one that fits.
        n_frames: to look at, as in a scan.
        shown: the most and the least suspicious clip, and others spread over time.

    Raises:
        UsageError: the method does not fit the network. UnreadableMediaError: nothing decoded.
    """
    from unmask.explain.maps import METHODS, default_method, why_not

    network = detector.network
    chosen = default_method(network) if method == "auto" else method
    if (reason := why_not(network, chosen)) is not None:
        raise UsageError(reason)
    named = next(known for known in METHODS if known == chosen)
    report = detector.scan(path, n_frames=n_frames)
    wanted = {
        (score.track_id, score.t_s): score
        for track in report.tracks
        for score in choose(track.scores, shown)
    }
    found = dict(_explained(detector, path, named, wanted, n_frames)) if wanted else {}
    people = (
        ExplainedPerson(
            track=track,
            clips=tuple(found[key] for key in sorted(found) if key[0] == track.id),
        )
        for track in report.tracks
    )
    return Explained(
        report=report, method=named, people=tuple(person for person in people if person.clips)
    )


def choose(scores: Sequence[ClipScore], count: int) -> list[ClipScore]:
    """Pick the most and the least suspicious clip and others spread evenly, in order of time."""
    if len(scores) <= count:
        return list(scores)
    p_fake = [score.p_fake for score in scores]
    picked = list(dict.fromkeys([int(np.argmax(p_fake)), int(np.argmin(p_fake))]))[:count]
    spread = np.linspace(0, len(scores) - 1, count).round().astype(int).tolist()
    picked += [i for i in spread if i not in picked][: count - len(picked)]
    return [scores[i] for i in sorted(picked)]


def _explained(
    detector: Detector,
    path: Path,
    method: Method,
    wanted: dict[Key, ClipScore],
    n_frames: int,
) -> Iterator[tuple[Key, ExplainedClip]]:
    for questions, batch in detector.asked(path, n_frames=n_frames):
        keys: list[Key] = [(question.track_id, question.t_s) for question in questions]
        for i in [i for i, key in enumerate(keys) if key in wanted]:
            clip = _clip(detector, questions[i], _one(batch, i), method, wanted[keys[i]])
            yield keys[i], clip


def _clip(
    detector: Detector, question: Question, batch: Batch, method: Method, score: ClipScore
) -> ExplainedClip:
    from unmask.explain.maps import explain
    from unmask.models.base import to_tensors

    network = detector.network
    clip = to_tensors(batch, next(network.parameters()).device)
    # One map for each frame.
    maps = explain(network, clip, method, mirrored=detector.is_mirrored)[0].cpu().numpy()
    told = np.flatnonzero(np.isfinite(maps).all((1, 2)))
    middle = len(maps) // 2
    t = middle if middle in told else int(told[0])
    views = cut_views(question.sights, detector.input_spec)
    return ExplainedClip(score=score, view=views[t], heat=maps[t].astype(np.float32))


def _one(batch: Batch, i: int) -> Batch:
    audio = None if batch.audio is None else batch.audio[i : i + 1]
    return replace(batch, frames=batch.frames[i : i + 1], audio=audio)
