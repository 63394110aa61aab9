"""Which faces of a track, or frames of a scene, form the clips of a system.

An image system (T = 1) scores every one. A clip system takes runs of T, spread over all there is
so that its last seconds count as much as its first, and never across a gap: faces before and after
a cut or an absence do not move from one to the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median_low
from typing import TypeVar

from unmask.types import Face, Frame, InputSpec, Track

Sight = TypeVar("Sight", Face, Frame)

GAP_STEPS = 3.5  # a pause longer than so many usual steps ends a run: two missed faces do not


@dataclass(frozen=True, kw_only=True, eq=False)
class Clip:
    """The faces of one model input, in order of time."""

    track_id: int
    faces: tuple[Face, ...]  # T of them
    t_s: float  # middle between the first and the last


def clip_windows(track: Track, spec: InputSpec, *, face_stride: int = 1) -> list[Clip]:
    """Cut a track into clips of `spec.n_frames` faces; at least one if there is a face at all.

    A run of faces shorter than a clip repeats its last face; one shorter than half a clip is left
    out, unless the track has no longer one.

    Args:
        track: its faces may be in any order.
        spec: what the system takes in.
        face_stride: from one face of a clip to the next. 1 where the frames were sampled
            `spec.stride` apart, as a scan does; `spec.stride` where every frame was.
    """
    return [
        Clip(track_id=track.id, faces=faces, t_s=(faces[0].t_s + faces[-1].t_s) / 2)
        for faces in windows(track.faces, spec.n_frames, stride=face_stride)
    ]


def windows(sights: Sequence[Sight], n_frames: int, *, stride: int = 1) -> list[tuple[Sight, ...]]:
    """Cut sightings of one face, or the frames of a scene, into clips as `clip_windows` does."""
    sights = sorted(sights, key=lambda sight: sight.t_s)
    if n_frames == 1:
        return [(sight,) for sight in sights]
    span = (n_frames - 1) * stride + 1
    return [
        tuple(run[min(i, len(run) - 1)] for i in range(start, start + span, stride))
        for run in _long_enough(_runs(sights), span)
        for start in _starts(len(run), span)
    ]


def every_window(
    sights: Sequence[Sight], n_frames: int, *, stride: int = 1
) -> list[tuple[Sight, ...]]:
    """Cut clips that begin at each sighting with room for one after it: training starts anywhere.

    Runs too short for a clip give the clips that `windows` gives.
    """
    span = (n_frames - 1) * stride + 1
    runs = _long_enough(_runs(sorted(sights, key=lambda sight: sight.t_s)), span)
    return [
        tuple(run[min(i, len(run) - 1)] for i in range(start, start + span, stride))
        for run in runs
        for start in range(max(1, len(run) - span + 1))
    ]


def is_mostly_repeats(clip: Sequence[Face] | Sequence[Frame]) -> bool:
    """Whether less than half of a clip was seen and the rest repeats its last sighting."""
    return 2 * len({sight.t_s for sight in clip}) < len(clip)


def _runs(sights: Sequence[Sight]) -> list[Sequence[Sight]]:
    """Cut sightings in order of time where they pause."""
    steps = [after.t_s - before.t_s for before, after in pairwise(sights)]
    longest = GAP_STEPS * median_low(steps) if steps else 0.0
    cuts: list[int] = [i + 1 for i, step in enumerate(steps) if step > longest]
    return [
        sights[first:end]
        for first, end in zip([0, *cuts], [*cuts, len(sights)], strict=True)
        if sights
    ]


def _long_enough(runs: list[Sequence[Sight]], span: int) -> list[Sequence[Sight]]:
    """Leave out runs that would be mostly one repeated face; keep the longest in any case."""
    return [run for run in runs if 2 * len(run) >= span] or sorted(runs, key=len)[-1:]


def _starts(n_sights: int, span: int) -> list[int]:
    """Spread as few spans as cover all of a run, the first at the start, the last at the end."""
    if n_sights <= span:
        return [0]
    n_clips = -(-n_sights // span)
    return [round(k * (n_sights - span) / (n_clips - 1)) for k in range(n_clips)]
