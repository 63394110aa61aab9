"""Frames of a file at chosen times, decoded in one forward pass.

Times are the container's own, re-based so that the first frame is at 0; never index / rate. The
frame at a time is the one on the screen then. Only wanted frames become RGB; long stretches
without any are skipped by seeking to the key frame before the next, and of what is decoded, frames
that neither are wanted nor serve others are passed over. Damaged frames, and those
that build on them, are left out and told of in `lost`. Memory does not grow with the length.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, Self

from unmask.types import Frame, Image, VideoInfo
from unmask.video.images import ImageSource
from unmask.video.probe import probe
from unmask.video.stream import VideoSource

Picture = Any  # what a source decodes to, not yet RGB
Timed = tuple[float, Picture]


class Source(Protocol):
    """A file opened for one pass: pictures with their times, in order."""

    aim_s: float  # the next wanted time; what lies before it may be skipped
    wanted_s: Sequence[float] | None  # all wanted times, ascending; None = every frame

    @property
    def lost(self) -> str | None:
        """What could not be decoded so far, as a sentence."""
        ...

    def __iter__(self) -> Iterator[Timed]:
        """Decode."""
        ...

    def rgb(self, picture: Picture) -> Image:
        """Convert one picture to upright RGB."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...


class Reader:
    """One media file: `info`, and its frames as often as wanted, one pass at a time.

    After a pass `lost` is None or a sentence that says which part could not be decoded.
    """

    def __init__(self, path: Path) -> None:
        """Describe the file; raises `UnreadableMediaError` as `probe` does."""
        self.info: VideoInfo = probe(path)
        self.lost: str | None = None
        self._pass: Generator[Frame] | None = None

    def frames(self, times_s: Sequence[float]) -> Iterator[Frame]:
        """Yield the frames shown at `times_s`, in order of time, each frame once.

        A time before the first frame or after the last means the first or the last.

        Raises:
            UnreadableMediaError: if not a single frame could be decoded.
        """
        return self._start(lambda source: _shown_at(source, times_s))

    def all_frames(self) -> Iterator[Frame]:
        """Yield every frame; raises like `frames`."""
        return self._start(iter)

    def close(self) -> None:
        """End a pass that was not read to its end, and with it the hold on the file."""
        if self._pass is not None:
            self._pass.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start(self, choose: Callable[[Source], Iterable[Timed]]) -> Iterator[Frame]:
        self.close()
        self.lost = None
        self._pass = self._run(choose)
        return self._pass

    def _run(self, choose: Callable[[Source], Iterable[Timed]]) -> Generator[Frame]:
        is_video = self.info.kind == "video"
        source: Source = VideoSource(self.info) if is_video else ImageSource(self.info)
        try:
            for t_s, picture in choose(source):
                yield Frame(t_s=t_s, rgb=source.rgb(picture))
        finally:
            self.lost = source.lost
            source.close()


def open_media(path: Path) -> Reader:
    """Describe a media file and make its frames available; use with `with`.

    Raises:
        UnreadableMediaError: see `probe`.
    """
    return Reader(path)


def _shown_at(source: Source, times_s: Iterable[float]) -> Iterator[Timed]:
    """Pick from pictures in order those on the screen at `times_s`, each once."""
    waiting = deque(sorted(max(0.0, t) for t in times_s))
    if not waiting:
        return
    source.wanted_s, source.aim_s = tuple(waiting), waiting[0]
    shown: Timed | None = None
    for now in source:
        if shown is not None and waiting[0] < now[0]:
            yield shown
            while waiting and waiting[0] < now[0]:
                waiting.popleft()
            if not waiting:
                return
            source.aim_s = waiting[0]
        shown = now
    if shown is not None:
        yield shown
