"""Writing video: RGB frames to a file that every player shows in the right colours.

H.264, 4:2:0, BT.709 limited range and tagged so. A file appears under its name only once it is
complete. 4:2:0 needs even sides: an odd one grows by one repeated row or column.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Self, cast

import av
import cv2
from av.codec.codec import UnknownCodecError
from av.container import OutputContainer
from av.packet import Packet
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc, VideoReformatter
from av.video.stream import VideoStream

from unmask.errors import MissingExtraError, OutputError
from unmask.types import Image
from unmask.video.colour import from_rgb
from unmask.video.soundtrack import Recording, Soundtrack

_FINE_CLOCK = Fraction(1, 90_000)  # for frames with times; divides all common frame durations
_PIXEL_FORMAT = "yuv420p"


def write_video(
    path: Path,
    frames: Iterable[Image],
    fps: Fraction,
    *,
    times_s: Sequence[float] | None = None,
    audio_from: Path | Recording | None = None,
    crf: int = 18,
    codec: str = "libx264",
) -> None:
    """Write all frames; with `times_s`, frame i is shown from times_s[i] on. See `VideoWriter`."""
    with VideoWriter(path, fps, audio_from=audio_from, crf=crf, codec=codec) as writer:
        if times_s is None:
            for rgb in frames:
                writer.write(rgb)
        else:
            for rgb, t_s in zip(frames, times_s, strict=True):
                writer.write(rgb, t_s)


class VideoWriter:
    """Writes frames one by one; the file is in place once the `with` block has ended well.

    The name's ending chooses the format (.mp4, .mov, .mkv). `crf` is x264's quality, lower is
    better, 18 looks like the source. The sound of `audio_from`, a file or a recording, is laid
    under as far as the picture goes and stays beside its picture (see `Soundtrack`).
    """

    def __init__(
        self,
        path: Path,
        fps: Fraction,
        *,
        audio_from: Path | Recording | None = None,
        crf: int = 18,
        codec: str = "libx264",
    ) -> None:
        """Check that the codec is there and that the place can be written.

        Raises:
            MissingExtraError: PyAV was built without the codec.
            OutputError: nothing can be written there, or not in that format.
        """
        check_codec(codec)
        self._path = path
        self._part = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
        self._fps = fps
        self._codec = codec
        self._options = {"crf": str(crf)}
        if codec == "libx264":
            # Its macroblock tree is not repeatable on CPUs with AVX-512: same frames, other bytes.
            self._options["x264-params"] = "mbtree=0"
        self._audio_from = audio_from
        self._container = self._open()
        self._converter = VideoReformatter()
        self._stream: VideoStream | None = None  # known once the first frame shows its size
        self._sound: Soundtrack | None = None
        self._next_pts = 0

    def write(self, rgb: Image, t_s: float | None = None) -> None:
        """Append a frame (H, W, 3), shown from `t_s` on; without it, one frame after the last.

        Raises:
            ValueError: if its size differs from the first frame's.
        """
        even = even_sides(rgb)
        stream = self._stream or self._begin(even, timed=t_s is not None)
        if even.shape[:2] != (stream.height, stream.width):
            raise ValueError(f"{self._path}: a frame differs in size from the first")
        clock = stream.codec_context.time_base
        frame = from_rgb(even, _PIXEL_FORMAT, self._converter)
        frame.pts = self._next_pts if t_s is None else round(t_s / clock)
        frame.time_base = clock
        self._next_pts = frame.pts + round(1 / (self._fps * clock))
        with self._errors_named():
            self._mux(stream.encode(frame))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            with self._errors_named():
                try:
                    if kind is None:
                        self._finish()
                finally:
                    self._container.close()
                if kind is None:
                    self._part.replace(self._path)
        finally:
            if self._sound:
                self._sound.close()
            self._part.unlink(missing_ok=True)

    def _open(self) -> OutputContainer:
        if self._path.is_dir():
            raise OutputError(f"{self._path}: is a folder; name a file in it.")
        with self._errors_named():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._part.touch()
            try:  # the index goes in front, so that a file can be played while it loads
                return av.open(f"file:{self._part}", "w", options={"movflags": "faststart"})
            except (av.error.FFmpegError, ValueError):
                self._part.unlink()
                raise

    def _begin(self, rgb: Image, *, timed: bool) -> VideoStream:
        """Set up the streams for frames like the first."""
        with self._errors_named():
            stream = cast(
                VideoStream,
                self._container.add_stream(self._codec, rate=self._fps, options=self._options),
            )
            if self._audio_from:
                self._sound = Soundtrack(self._audio_from, self._container)
        stream.height, stream.width = rgb.shape[:2]
        stream.pix_fmt = _PIXEL_FORMAT
        context = stream.codec_context
        context.time_base = _FINE_CLOCK if timed else 1 / self._fps
        context.colorspace = Colorspace.ITU709
        context.color_range = ColorRange.MPEG
        context.color_primaries = ColorPrimaries.BT709
        context.color_trc = ColorTrc.BT709
        self._stream = stream
        return stream

    def _finish(self) -> None:
        if self._stream is None:
            raise OutputError(f"{self._path}: there was no frame to write.")
        self._mux(self._stream.encode(None))
        if self._sound:
            end = self._next_pts * self._stream.codec_context.time_base
            self._container.mux(list(self._sound.until(end)))

    def _mux(self, packets: Iterable[Packet[VideoStream]]) -> None:
        for packet in packets:
            if self._sound:
                self._container.mux(list(self._sound.until((packet.dts or 0) * packet.time_base)))
            self._container.mux(packet)

    @contextmanager
    def _errors_named(self) -> Iterator[None]:
        """Turn what FFmpeg and the system say into a sentence about the file asked for."""
        try:
            yield
        except (av.error.FFmpegError, OSError) as error:
            raise OutputError(
                f"{self._path}: cannot be written ({error.strerror or error}). "
                "Choose another place, or check its rights and free space."
            ) from error
        except ValueError as error:  # PyAV's word for a format it does not know, or cannot fill
            raise OutputError(f"{self._path}: {error}. Use a name that ends in .mp4.") from error


def check_codec(codec: str) -> None:
    """Raise `MissingExtraError` where PyAV was built without an encoder."""
    try:
        av.Codec(codec, "w")
    except UnknownCodecError as error:
        raise MissingExtraError(
            f"video cannot be written: this build of PyAV has no encoder {codec}. Install its "
            "wheel: pip install --force-reinstall --only-binary av av"
        ) from error


def even_sides(rgb: Image) -> Image:
    """Repeat the last row or column where a side is odd."""
    height, width = rgb.shape[:2]
    if height % 2 == 0 and width % 2 == 0:
        return rgb
    grown = cv2.copyMakeBorder(rgb, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
    return cast(Image, grown)
