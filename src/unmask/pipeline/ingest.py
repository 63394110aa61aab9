"""File -> face tracks, or a scene: decode the sampled frames, find faces, follow people.

One forward pass over the file, a few frames in memory at a time; what is kept are face crops of
the sampled frames, or whole frames at the size a system sees them, so memory does not depend on the
length of the video. Frames are decoded ahead while faces are sought in those before.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from unmask.clips.tensors import frame_view
from unmask.faces.follow import Found, NearFinder, follow
from unmask.faces.track import Tracker
from unmask.pipeline.overlap import Ahead
from unmask.types import Frame, Image, InputSpec, Scene, Track, VideoInfo
from unmask.video.decode import Reader
from unmask.video.sample import clips, evenly, every

Look = Callable[[Reader, Sequence[float]], Iterator[Frame]]  # at a file, at times

FRAMES_AHEAD = 3  # decoded while faces are sought; more hold more full frames and spare nothing


class FaceFinder(Protocol):
    """Finds the faces of pictures, as `faces.detect.FaceDetector` does."""

    def detect(self, images: Sequence[Image]) -> list[Found]:
        """Faces of every picture, best first."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Ingested:
    """What a file showed."""

    info: VideoInfo
    tracks: tuple[Track, ...]
    n_frames_sampled: int
    n_frames_with_face: int | None  # None where no face was looked for
    lost: str | None  # what could not be decoded, in a sentence
    decode_s: float  # of work; both go on at the same time
    detect_s: float
    scene: Scene | None = None  # in place of people, for systems that look for no face

    @property
    def subjects(self) -> tuple[Track, ...] | tuple[Scene]:
        """Who or what can be judged."""
        return self.tracks if self.scene is None else (self.scene,)


def ingest(
    path: Path,
    spec: InputSpec,
    *,
    n_frames: int,
    faces: FaceFinder,
    look: Look | None = None,
) -> Ingested:
    """Find the people of a file in `n_frames` sampled frames (as whole clips where T > 1).

    Whoever measures robustness gives another `look`, which shows the frames corrupted.

    Raises:
        UnreadableMediaError: nothing could be decoded.
    """
    return ingest_at(path, lambda info: sample_times(info, spec, n_frames), faces=faces, look=look)


def ingest_at(
    path: Path,
    times_of: Callable[[VideoInfo], Sequence[float]],
    *,
    faces: FaceFinder,
    tracker: Tracker | None = None,
    watch: Callable[[Frame], None] | None = None,
    look: Look | None = None,
) -> Ingested:
    """Find the people of a file at chosen times; `watch` is shown every frame looked at.

    Raises:
        UnreadableMediaError: nothing could be decoded.
    """
    tracker = tracker or Tracker()
    n_sampled = n_with_face = 0
    opened = time.perf_counter()
    with Reader(path) as reader:
        shown = (look or Reader.frames)(reader, times_of(reader.info))
        started = time.perf_counter()
        with Ahead(shown, FRAMES_AHEAD) as frames:
            for frame, found in _searched(frames, faces):
                tracker.update(frame.t_s, frame.rgb, found)
                if watch is not None:
                    watch(frame)
                n_sampled += 1
                n_with_face += bool(found)
        return Ingested(
            info=reader.info,
            tracks=tracker.tracks(),
            n_frames_sampled=n_sampled,
            n_frames_with_face=n_with_face,
            lost=reader.lost,
            decode_s=started - opened + frames.worked_s,
            detect_s=time.perf_counter() - started - frames.waited_s,
        )


def _searched(frames: Iterable[Frame], faces: FaceFinder) -> Iterator[tuple[Frame, Found]]:
    """Every frame with its faces, sought by the cheapest means that the finder has."""
    if isinstance(faces, NearFinder):
        return follow(frames, faces)
    return ((frame, faces.detect([frame.rgb])[0]) for frame in frames)


def ingest_scene(
    path: Path, spec: InputSpec, *, n_frames: int, look: Look | None = None
) -> Ingested:
    """Look at all of the picture in the sampled frames, for systems that look for no face.

    Raises:
        UnreadableMediaError: nothing could be decoded.
    """
    started = time.perf_counter()
    with Reader(path) as reader:
        times = sample_times(reader.info, spec, n_frames)
        views = (
            Frame(t_s=f.t_s, rgb=frame_view(f, spec))
            for f in (look or Reader.frames)(reader, times)
        )
        scene = Scene(id=1, frames=tuple(views))
        return Ingested(
            info=reader.info,
            tracks=(),
            n_frames_sampled=len(scene.frames),
            n_frames_with_face=None,
            lost=reader.lost,
            decode_s=time.perf_counter() - started,
            detect_s=0.0,
            scene=scene,
        )


def sample_times(info: VideoInfo, spec: InputSpec, n_frames: int) -> Sequence[float]:
    """Times to look at: spread evenly, or for clip systems as clips of frames a stride apart.

    Of a video that is hardly longer than its clips, every stride-th frame: clips that overlap would
    mix their frames into a rhythm that no system has learned. One that is shorter than a clip gives
    one clip that ends with the last frame, which is repeated as often as frames are missing.
    """
    if spec.n_frames == 1:
        return evenly(info, n_frames)
    n_clips = max(1, n_frames // spec.n_frames)
    roomy = (n_clips + 1) * spec.n_frames * spec.stride
    n_total = 1.0 if info.fps is None else info.duration_s * info.fps
    if (spec.n_frames - 1) * spec.stride < n_total <= roomy:
        return every(info, spec.stride)
    spread = clips(info, n_clips, spec.n_frames, spec.stride)
    return sorted({t for clip in spread for t in clip})
