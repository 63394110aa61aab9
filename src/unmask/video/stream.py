"""One forward pass over the frames that FFmpeg decodes: clock, seeking and damage.

What is known about a stream's frames while they pass: when each is shown, whether it can be
trusted, and whether a seek would spare the decoding of frames that nobody wants.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import cast

import av
from av.packet import Packet
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from unmask.errors import UnreadableMediaError
from unmask.types import Image, VideoInfo
from unmask.video import orientation
from unmask.video.colour import to_rgb
from unmask.video.container import open_container, picture_stream

_SEEK_GAIN_S = 0.5  # what a seek must spare: it empties the decoder's threads
_SEEK_BLIND_S = 5.0  # a wait that long is worth a seek even where key frames are unknown
_END_SLACK_S = 0.5  # headers declare a duration no better than this
_HOLE_S = 1.0  # a demuxer passes over damage in silence; a constant rate has no such holes


class VideoSource:
    """Decoded frames with their times, in order; `aim_s` lets it skip what nobody wants."""

    def __init__(self, info: VideoInfo) -> None:
        self.aim_s = 0.0  # the next wanted time
        self._info = info
        self._container = open_container(info.path)
        self._stream = picture_stream(info.path, self._container)
        self._stream.thread_type = "AUTO"
        self._clock = _Clock(self._stream.time_base, info.fps)
        self._converter = VideoReformatter()
        self._damage = _Damage()
        self._done_s = -1.0  # frames up to here have been handed out
        self._sound_until_s = 0.0
        self._ended = False
        self._await_key = False  # what comes before the next key frame lacks its references
        self._landing = False  # the next frame shows where a seek led
        self._may_seek = True

    def __iter__(self) -> Iterator[tuple[float, av.VideoFrame]]:
        for packet in self._packets():
            for frame in self._decode(packet):
                if self._is_spoilt(frame):
                    continue
                t_s = self._clock.time_of(frame)
                if self._landing and not self._has_landed(t_s):
                    break
                if self._clock.gap_s > _HOLE_S and not self._info.variable_frame_rate:
                    self._damage.at(self._done_s)
                self._damage.over(t_s)
                if t_s > self._done_s:
                    self._done_s = t_s
                    yield t_s, frame
                    if packet is not None and self._skip_ahead(t_s):
                        break  # the frames still in hand lie before the place sought
        self._ended = True
        if self._done_s < 0:
            raise UnreadableMediaError(f"{self._info.path}: not a single frame could be decoded.")

    @property
    def lost(self) -> str | None:
        """What could not be decoded so far, as a sentence."""
        parts = [self._damage.inside] if self._damage.inside else []
        end_s, duration_s = self._clock.next_s, self._info.duration_s
        # A container's duration, unlike a stream's, covers sound that outlasts the picture.
        sound_s = 0.0 if self._stream.duration else self._sound_until_s - self._clock.first_s
        if self._ended and duration_s - max(end_s, sound_s) > _END_SLACK_S:
            parts.append(f"no frame decoded after {end_s:.2f} s of {duration_s:.2f} s")
        elif self._damage.last:
            parts.append(self._damage.last)
        return "; ".join(parts) or None

    def rgb(self, picture: av.VideoFrame) -> Image:
        """Convert a frame to upright RGB."""
        return orientation.upright(to_rgb(picture, self._converter), orientation.of_frame(picture))

    def close(self) -> None:
        """Let go of the file."""
        self._container.close()

    def _packets(self) -> Iterator[Packet[VideoStream] | None]:
        """Packets of the picture, then None, which empties the decoder."""
        sound = self._container.streams.audio
        packets = self._container.demux(self._stream, *sound)
        while True:
            try:
                packet = next(packets, None)
            except (av.error.FFmpegError, OSError):  # nothing can be read beyond this point
                self._damage.at(self._done_s)
                break
            if packet is None:
                break
            if packet.stream in sound:
                end = ((packet.pts or 0) + (packet.duration or 0)) * packet.time_base
                self._sound_until_s = max(self._sound_until_s, float(end))
            elif packet.size:
                if (
                    packet.is_corrupt and packet.pts is not None
                ):  # cut short, by the demuxer's count
                    self._damage.at(self._clock.seconds(packet.pts))
                yield cast("Packet[VideoStream]", packet)
        yield None

    def _decode(self, packet: Packet[VideoStream] | None) -> list[av.VideoFrame]:
        try:
            return self._stream.decode(packet)
        except av.error.FFmpegError:
            self._damage.at(self._done_s)
            self._await_key = True
            return []

    def _is_spoilt(self, frame: av.VideoFrame) -> bool:
        """Whether a frame is damaged, or builds on one that is or that was never decoded."""
        if frame.is_corrupt:
            self._damage.at(self._done_s)
            self._await_key = True
        elif frame.key_frame:
            self._await_key = False
        return self._await_key

    def _skip_ahead(self, now_s: float) -> bool:
        """Seek to the key frame before the next wanted time if that pays; say whether it did."""
        if not (self._may_seek and self._clock.steady and self._seek_pays(now_s)):
            return False
        try:
            self._seek(self.aim_s)
        except (av.error.FFmpegError, OSError):  # not every format can
            self._may_seek = False
            return False
        self._landing = True
        return True

    def _seek_pays(self, now_s: float) -> bool:
        if self.aim_s - now_s < _SEEK_GAIN_S:
            return False
        entries = self._stream.index_entries
        i = entries.search_timestamp(self._clock.pts_at(self.aim_s))
        if 0 <= i < len(entries) - 1:
            return self._clock.seconds(entries[i].timestamp) - now_s > _SEEK_GAIN_S
        return self.aim_s - now_s > _SEEK_BLIND_S  # the container lists no key frames so far

    def _has_landed(self, t_s: float) -> bool:
        """Check where a seek led; after a bad one go on without seeking."""
        self._landing = False
        if self._done_s < t_s <= self.aim_s:
            return True
        self._may_seek = False
        if t_s > self.aim_s:  # too far: the wanted frame lies behind, so start over
            self._seek(0.0)
        return t_s <= self.aim_s

    def _seek(self, t_s: float) -> None:
        self._container.seek(self._clock.pts_at(t_s), stream=self._stream)
        self._await_key = True
        self._clock.jump()


class _Clock:
    """Turns time stamps into seconds since the first frame."""

    def __init__(self, time_base: Fraction | None, fps: Fraction | None) -> None:
        self.next_s = 0.0  # where the last frame seen ends
        self.gap_s = 0.0  # between the frame before and the last one seen
        self.steady = True  # time stamps are there and ascend: seeking by them can be trusted
        self._time_base = time_base or Fraction(1)
        self._step_s = float(1 / fps) if fps else 0.0
        self._first = 0
        self._last_s: float | None = None
        self._started = False
        self._shift_s = 0.0

    @property
    def first_s(self) -> float:
        """The container's own time of the first frame."""
        return float(self._first * self._time_base)

    def time_of(self, frame: av.VideoFrame) -> float:
        """When the frame is shown.

        Without a stamp, or with one that goes back (recordings strung together), it follows on
        the frame before.
        """
        if not self._started:
            self._first, self._started = frame.pts or 0, True
        t_s = self.next_s if frame.pts is None else self.seconds(frame.pts) + self._shift_s
        if frame.pts is None or (self._last_s is not None and t_s <= self._last_s):
            self._shift_s += self.next_s - t_s
            self.steady = False
            t_s = self.next_s
        self.gap_s = 0.0 if self._last_s is None else t_s - self.next_s
        self._last_s = t_s
        self.next_s = t_s + (float((frame.duration or 0) * self._time_base) or self._step_s)
        return t_s

    def seconds(self, pts: int) -> float:
        """Seconds from the first frame to a time stamp."""
        return float((pts - self._first) * self._time_base)

    def pts_at(self, t_s: float) -> int:
        """The time stamp of a time."""
        return self._first + int(t_s / self._time_base)

    def jump(self) -> None:
        """Let the next frame lie before the last: a seek comes between."""
        self._last_s = None


class _Damage:
    """Where frames were left out because they, or what they build on, are damaged."""

    def __init__(self) -> None:
        self._from_s: float | None = None
        self._to_s: float | None = None
        self._open_s: float | None = None

    def at(self, last_good_s: float) -> None:
        """Damage after the frame at `last_good_s`."""
        self._open_s = max(0.0, last_good_s)

    def over(self, t_s: float) -> None:
        """A good frame again, at `t_s`."""
        if self._open_s is not None and t_s > self._open_s:
            self._from_s = self._open_s if self._from_s is None else self._from_s
            self._to_s, self._open_s = t_s, None

    @property
    def inside(self) -> str | None:
        """Damage with good frames after it."""
        if self._from_s is None:
            return None
        return f"damaged frames left out between {self._from_s:.2f} s and {self._to_s:.2f} s"

    @property
    def last(self) -> str | None:
        """Damage with nothing good after it so far."""
        return None if self._open_s is None else f"damaged frames after {self._open_s:.2f} s"
