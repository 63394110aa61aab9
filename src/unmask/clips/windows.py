"""Which faces of a track form the clips of a system.

An image system (T = 1) scores every face. A clip system takes runs of T faces, `stride` faces
apart, spread over the whole track so that its last seconds count as much as its first.
"""

from __future__ import annotations

from dataclasses import dataclass

from unmask.types import Face, InputSpec, Track


@dataclass(frozen=True, kw_only=True, eq=False)
class Clip:
    """The faces of one model input, in order of time."""

    track_id: int
    faces: tuple[Face, ...]  # T of them
    t_s: float  # middle between the first and the last


def clip_windows(track: Track, spec: InputSpec) -> list[Clip]:
    """Cut a track into clips of `spec.n_frames` faces, at least one clip, covering both ends.

    Faces are taken as sampled: the caller samples the video at the rate the stride is meant for,
    and gaps in the track are bridged. A track shorter than one clip repeats its last face.

    >>> from unmask.types import InputSpec, Track
    >>> [clip.t_s for clip in clip_windows(Track(id=0, faces=()), InputSpec(size_px=8))]
    []
    """
    if not track.faces:
        return []
    faces = sorted(track.faces, key=lambda face: face.t_s)
    last = len(faces) - 1
    clips = []
    for start in _starts(len(faces), (spec.n_frames - 1) * spec.stride + 1):
        picks = (min(start + k * spec.stride, last) for k in range(spec.n_frames))
        chosen = tuple(faces[i] for i in picks)
        middle = (chosen[0].t_s + chosen[-1].t_s) / 2
        clips.append(Clip(track_id=track.id, faces=chosen, t_s=middle))
    return clips


def _starts(n_faces: int, span: int) -> list[int]:
    """Spread as few spans as cover all faces, the first at the start, the last at the end."""
    if n_faces <= span:
        return [0]
    n_clips = -(-n_faces // span)
    return [round(k * (n_faces - span) / (n_clips - 1)) for k in range(n_clips)]
