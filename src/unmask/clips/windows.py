"""Which faces of a track form the clips of a system.

An image system (T = 1) scores every face. A clip system takes runs of T faces, spread over all of
the track so that its last seconds count as much as its first, and never across a gap: faces before
and after a cut or an absence do not move from one to the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from statistics import median_low

from unmask.types import Face, InputSpec, Track

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
    faces = sorted(track.faces, key=lambda face: face.t_s)
    if spec.n_frames == 1:
        return [Clip(track_id=track.id, faces=(face,), t_s=face.t_s) for face in faces]
    span = (spec.n_frames - 1) * face_stride + 1
    clips = []
    for run in _long_enough(_runs(faces), span):
        for start in _starts(len(run), span):
            picks = range(start, start + span, face_stride)
            chosen = tuple(run[min(i, len(run) - 1)] for i in picks)
            middle = (chosen[0].t_s + chosen[-1].t_s) / 2
            clips.append(Clip(track_id=track.id, faces=chosen, t_s=middle))
    return clips


def _runs(faces: list[Face]) -> list[list[Face]]:
    """Cut faces in order of time where the track pauses."""
    steps = [after.t_s - before.t_s for before, after in pairwise(faces)]
    longest = GAP_STEPS * median_low(steps) if steps else 0.0
    cuts = [i + 1 for i, step in enumerate(steps) if step > longest]
    return [
        faces[first:end]
        for first, end in zip([0, *cuts], [*cuts, len(faces)], strict=True)
        if faces
    ]


def _long_enough(runs: list[list[Face]], span: int) -> list[list[Face]]:
    """Leave out runs that would be mostly one repeated face; keep the longest in any case."""
    return [run for run in runs if 2 * len(run) >= span] or sorted(runs, key=len)[-1:]


def _starts(n_faces: int, span: int) -> list[int]:
    """Spread as few spans as cover all faces, the first at the start, the last at the end."""
    if n_faces <= span:
        return [0]
    n_clips = -(-n_faces // span)
    return [round(k * (n_faces - span) / (n_clips - 1)) for k in range(n_clips)]
