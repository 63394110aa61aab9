"""One forward pass over the frames that FFmpeg decodes, less those that nobody will look at.

Two ways to spare decoding, both without a difference in what is handed out: seeks where they pay,
and passing over frames that are not wanted and that no other frame builds on. H.264 alone says so
of a frame (nal_ref_idc = 0, half of the frames of most streams); HEVC says it of one layer only.
A frame that was passed over may have been damaged: at the first sign of damage the pass goes back
to the key frame before the next wanted time and decodes everything from there on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

import av
from av.packet import Packet
from av.video.stream import VideoStream

from unmask.cores import usable_cores
from unmask.errors import UnreadableMediaError
from unmask.types import Image, VideoInfo
from unmask.video import orientation
from unmask.video.aspect import SQUARE, pixel_aspect, squared
from unmask.video.clock import Clock
from unmask.video.colour import RgbConverter
from unmask.video.container import demuxed, open_picture
from unmask.video.damage import Damage
from unmask.video.foresight import AnyPacket, Foresight

_SEEK_GAIN_S = 0.5  # what a seek must spare: it empties the decoder's threads
_SEEK_BLIND_S = 5.0  # a wait that long is worth a seek even where key frames are unknown
_END_SLACK_S = 0.5  # headers declare a duration no better than this
_LEARNING = 16  # frames from which a decoder learns how far a stream is out of order
_FRAMES_A_CORE, _MOST_FRAMES = 3, 16  # decoded at a time; every one takes a picture's memory
_HOLE_S = 1.0  # a demuxer passes over damage in silence; a constant rate has few such pauses


def _threads() -> int:
    """How many frames are decoded at a time: more than there are cores.

    Those that nobody will look at take a turn, too, and leave their thread idle; FFmpeg's own
    choice, a frame for each core, so leaves half of the cores idle.
    """
    cores = usable_cores()
    return 1 if cores == 1 else min(_FRAMES_A_CORE * cores, _MOST_FRAMES)


class VideoSource:
    """Decoded frames with their times, in order, from which `aim_s` and `wanted_s` leave out."""

    def __init__(self, info: VideoInfo) -> None:
        self.aim_s = 0.0  # the next wanted time
        self.wanted_s: Sequence[float] | None = None  # all of them, ascending; None = every frame
        self._info = info
        self._to_rgb = RgbConverter()
        self._damage = Damage()
        # Of the whole stream; known from its first frame.
        self._orientation: int | None = None
        self._aspect = SQUARE
        self._done_s = -1.0  # frames up to here have been handed out
        self._sound_until_s = 0.0
        self._ended = False
        self._may_seek = True
        self._may_pass_over = info.codec == "h264"
        self._n_shown = 0
        self._open()

    def __iter__(self) -> Iterator[tuple[float, av.VideoFrame]]:
        while True:
            yield from self._frames()
            if not self._landing:
                break
            self._may_seek = False  # a seek led past the wanted frame, so decode all the way there
            self.close()
            self._open()
        self._ended = True
        self._damage.end()
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
        """Convert a frame to upright RGB of square pixels."""
        if self._orientation is None:
            self._orientation = orientation.of_frame(picture)
            self._aspect = pixel_aspect(self._stream)
        stored = squared(self._to_rgb(picture), self._aspect)
        return orientation.upright(stored, self._orientation)

    def close(self) -> None:
        """Let go of the file."""
        self._container.close()

    def _open(self) -> None:
        self._container, self._stream = open_picture(self._info.path)
        self._stream.thread_type = "AUTO"
        self._stream.codec_context.thread_count = _threads()
        self._clock = Clock(self._stream.time_base, self._info.fps)
        self._ahead = Foresight(self._stream, self._packets())
        self._broken_off = False  # reading ended before the file did
        self._landing = False  # a seek has yet to show where it led
        self._returning = False  # that seek goes back
        self._passed_over = False  # frames since the pass began or landed

    def _frames(self) -> Iterator[tuple[float, av.VideoFrame]]:
        """Good frames not handed out yet; ends early, still landing, if a seek led too far."""
        while True:
            packet = next(self._ahead)
            for frame in self._decode(packet):
                if self._damage.spoils(frame):
                    continue
                t_s = self._clock.time_of(frame)
                if self._landing and not self._has_landed(t_s):
                    return
                if self._follows_a_hole(frame):
                    continue
                self._damage.good(t_s)
                self._n_shown += 1
                self._may_pass_over &= not frame.interlaced_frame  # a packet may be half of it
                if t_s > self._done_s:
                    self._done_s = t_s
                    yield t_s, frame
                    if packet is not None and self._skip_ahead(t_s):
                        break  # the frames still in hand lie before the place sought
            if self._damage.last and self._may_pass_over and self._look_closer():
                continue
            if packet is None:
                return

    def _packets(self) -> Iterator[AnyPacket]:
        """Packets of picture and sound, then None, which empties the decoder."""
        packets = demuxed(self._container, self._stream, *self._container.streams.audio)
        while True:
            try:
                packet = next(packets, None)
            except (av.error.FFmpegError, OSError):  # nothing can be read beyond this point
                self._broken_off = True
                break
            if packet is None:
                break
            if packet.size:
                yield packet
        yield None

    def _decode(self, packet: AnyPacket) -> list[av.VideoFrame]:
        """Frames that come out when a packet is put in; of sound none, but its place is noted."""
        if packet is None and self._broken_off:
            self._damage.mark()
        if packet is not None:
            self._damage.locate(packet)
        if packet is not None and packet.stream != self._stream:
            end = ((packet.pts or 0) + (packet.duration or 0)) * packet.time_base
            self._sound_until_s = max(self._sound_until_s, float(end))
            return []
        picture = cast("Packet[VideoStream] | None", packet)
        if picture is not None:
            self._damage.watch(picture)
        try:
            self._stream.codec_context.skip_frame = "DEFAULT" if self._needs(picture) else "NONREF"
            return self._stream.decode(picture)
        except av.error.FFmpegError:
            self._damage.mark()
            return []

    def _needs(self, packet: Packet[VideoStream] | None) -> bool:
        """Whether a packet must be decoded even if nothing builds on its frame."""
        known = self._n_shown >= _LEARNING and self._clock.steady
        if self.wanted_s is None or not (known and self._may_pass_over):
            return True
        wanted = self._ahead.is_wanted(packet, self.wanted_s, self._clock.seconds)
        self._passed_over |= not wanted
        return wanted

    def _look_closer(self) -> bool:
        """Go back, now that the file turns out to be damaged, and decode all; say if it did."""
        self._may_pass_over = False
        if not (self._passed_over and self._seek(self.aim_s)):
            return False
        self._returning = True
        self._damage.rewind()
        return True

    def _follows_a_hole(self, frame: av.VideoFrame) -> bool:
        """Whether frames are missing before this one and it builds on them.

        A recording may also pause, and a slide may stand: then no bytes of the file were skipped.
        """
        if self._clock.gap_s <= _HOLE_S or self._info.variable_frame_rate:
            return False
        end_s = self._clock.first_s + self._clock.next_s
        if self._clock.steady and not self._damage.skipped(end_s - self._clock.gap_s, end_s):
            return False
        self._damage.mark()
        return self._damage.spoils(frame)

    def _skip_ahead(self, now_s: float) -> bool:
        """Seek to the key frame before the next wanted time if that pays; say whether it did."""
        place_s = self._place_to_seek(now_s)
        if place_s is None or not self._seek(place_s):
            return False
        self._damage.jump()
        return True

    def _seek(self, place_s: float) -> bool:
        """Seek if that can be done, and say so."""
        if not (self._may_seek and self._clock.steady):
            return False
        try:
            self._container.seek(self._clock.pts_at(place_s), stream=self._stream)
        except (av.error.FFmpegError, OSError):  # not every format can
            self._may_seek = False
            return False
        self._ahead = Foresight(self._stream, self._packets())
        self._broken_off = False
        self._landing, self._returning, self._passed_over = True, False, False
        self._clock.jump()
        return True

    def _place_to_seek(self, now_s: float) -> float | None:
        """Where to seek to, or None if going on is faster."""
        if self.aim_s - now_s < _SEEK_GAIN_S:
            return None
        entries = self._stream.index_entries
        i = entries.search_timestamp(self._clock.pts_at(self.aim_s))
        if 0 <= i < len(entries) - 1:  # entry i is the last key frame before the wanted time
            pays = self._clock.seconds(entries[i].timestamp) - now_s > _SEEK_GAIN_S
            return self.aim_s if pays else None
        # The container lists no key frames so far, and may lead to any frame before the next.
        return self.aim_s - _SEEK_BLIND_S / 2 if self.aim_s - now_s > _SEEK_BLIND_S else None

    def _has_landed(self, t_s: float) -> bool:
        """Check where a seek led."""
        if t_s > self.aim_s:
            return False
        self._landing = False
        # A seek forward that lands behind spared nothing, and nor will the next.
        self._may_seek = t_s > self._done_s or self._returning
        return True
