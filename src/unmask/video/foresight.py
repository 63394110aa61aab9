"""Which pictures of a stream nobody will look at, known before any is decoded.

A packet says when its picture is shown, but only the stamp of the one shown next says until when,
and that one may be stored behind it. So packets are held back until some more have been read. What
is known by then errs on one side only: a picture may seem to stand longer than it does, and is
decoded for nothing; none that is wanted is ever passed over.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeAlias

from av.packet import Packet
from av.video.stream import VideoStream

AnyPacket: TypeAlias = "Packet[Any] | None"  # of picture or sound; None is the end

_DEPTH = 64  # packets held back: as many pictures as a stream may store out of order, and sound
_DARK_S = 0.5  # passed over at a stretch: a longer one would look like a hole in the file


class Foresight:
    """Packets in the order of the file, with an eye on those to come."""

    def __init__(self, picture: VideoStream, packets: Iterator[AnyPacket]) -> None:
        self._picture, self._packets = picture, packets
        self._held: deque[AnyPacket] = deque()
        self._stamps: deque[int] = deque(maxlen=2 * _DEPTH)  # of pictures, held or given lately
        self._lit_s = 0.0  # where the last picture that is wanted begins

    def __iter__(self) -> Iterator[AnyPacket]:
        return self

    def __next__(self) -> AnyPacket:
        for packet in islice(self._packets, _DEPTH + 1 - len(self._held)):
            self._held.append(packet)
            if packet is not None and packet.stream == self._picture and packet.pts is not None:
                self._stamps.append(packet.pts)
        if not self._held:
            raise StopIteration
        return self._held.popleft()

    def is_wanted(
        self,
        packet: Packet[VideoStream] | None,
        times_s: Sequence[float],
        seconds: Callable[[int], float],
    ) -> bool:
        """Whether the packet's picture may be on the screen at one of the times, which ascend."""
        if packet is None or packet.pts is None:
            return True
        start_s = seconds(packet.pts)
        after = min((stamp for stamp in self._stamps if stamp > packet.pts), default=None)
        first = bisect_left(times_s, start_s)
        wanted = first < len(times_s) and (after is None or times_s[first] < seconds(after))
        if wanted or abs(start_s - self._lit_s) > _DARK_S:
            self._lit_s = start_s
            return True
        return False
