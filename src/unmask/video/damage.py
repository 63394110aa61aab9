"""Which decoded frames can be trusted, and where a file is damaged.

Video builds frames on frames: after a damaged one, everything up to the next key frame may show
pieces of other frames, often without a word from the decoder. A detector of forgeries must not
see such pictures, so they are left out and the stretch is told.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import av
from av.packet import Packet
from av.video.stream import VideoStream

_REORDER_S = 1.0  # a packet's stamp of decoding may lie so far before its picture is shown
_SKIP_SHARE = 0.25  # of the bytes that a gap in time would hold; headers and padding are less
_SKIPS_KEPT = 1000  # the last ones; some containers have a few bytes between all packets


class Damage:
    """Follows one pass over a stream in the order of decoding."""

    def __init__(self) -> None:
        self._await_key = False  # what comes before the next key frame builds on missing frames
        self._incomplete: deque[int] = deque()  # dts of packets that the demuxer knows to be cut
        self._good_s = 0.0  # the last good frame
        self._inside_s: tuple[float, float] | None = None  # around all damage with good ends
        self._open_s: float | None = None  # the last good frame before damage that goes on
        self._from: tuple[int, float] | None = None  # byte and container time of the first packet
        self._read_to = 0  # byte of the file where the packets so far end
        # Bytes that are in no packet, and the container time of the next one.
        self._skips: deque[tuple[float, int]] = deque(maxlen=_SKIPS_KEPT)
        self._located = True  # packets say where in the file they lie

    def mark(self) -> None:
        """Something could not be read or decoded after the last good frame."""
        self._await_key = True
        if self._open_s is None:
            self._open_s = self._good_s

    def watch(self, packet: Packet[VideoStream]) -> None:
        """Note a packet on its way into the decoder, which may not notice that it is cut.

        All frames that follow it in the stream have stamps beyond its dts.
        """
        if packet.is_corrupt and packet.dts is not None:
            self._incomplete.append(packet.dts)

    def locate(self, packet: Packet[Any]) -> None:
        """Note where in the file a packet lies, of picture or sound, and what was skipped."""
        stamp = packet.pts if packet.dts is None else packet.dts
        if packet.pos is None or packet.pos < 0 or stamp is None:
            self._located = False
            return
        at_s = float(stamp * packet.time_base)
        if self._from is None:
            self._from, self._read_to = (packet.pos, at_s), packet.pos
        if packet.pos > self._read_to:
            self._skips.append((at_s, packet.pos - self._read_to))
        self._read_to = max(self._read_to, packet.pos + packet.size)

    def skipped(self, start_s: float, end_s: float) -> bool:
        """Whether a stretch was skipped between two container times as if frames had been there.

        Where packets do not say where they lie, it must be assumed.
        """
        if not self._located or self._from is None:
            return True
        around = (n for at_s, n in self._skips if start_s - _REORDER_S <= at_s <= end_s)
        first, first_s = self._from
        usual = (self._read_to - first) / max(start_s - first_s, 1.0)  # bytes a second
        return max(around, default=0) > _SKIP_SHARE * usual * (end_s - start_s)

    def spoils(self, frame: av.VideoFrame) -> bool:
        """Whether a frame is damaged, or builds on one that is or was not decoded."""
        spoilt = frame.is_corrupt
        while self._incomplete and frame.pts is not None and frame.pts >= self._incomplete[0]:
            self._incomplete.popleft()
            spoilt = True
        if spoilt:
            self.mark()
        elif frame.key_frame:
            self._await_key = False
        return self._await_key

    def good(self, t_s: float) -> None:
        """A frame that can be trusted, at `t_s`."""
        if self._open_s is not None:
            self._inside_s = ((self._inside_s or (self._open_s,))[0], t_s)
            self._open_s = None
        self._good_s = t_s

    def jump(self) -> None:
        """A seek: decoding begins anew at the next key frame."""
        self._await_key = True
        self._incomplete.clear()
        self._from = None

    def rewind(self) -> None:
        """A seek back to before the damage, which will be met again."""
        self.jump()
        self._open_s = None

    def end(self) -> None:
        """The stream is over."""
        if self._incomplete:
            self.mark()

    @property
    def inside(self) -> str | None:
        """Damage with good frames after it, as a sentence."""
        if self._inside_s is None:
            return None
        return "damaged frames left out between {:.2f} s and {:.2f} s".format(*self._inside_s)

    @property
    def last(self) -> str | None:
        """Damage with nothing good after it so far, as a sentence."""
        return None if self._open_s is None else f"damaged frames after {self._open_s:.2f} s"
