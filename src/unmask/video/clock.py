"""The time at which each frame of a stream is shown, from its container's stamps."""

from __future__ import annotations

from fractions import Fraction

import av


class Clock:
    """Turns time stamps into seconds since the first frame."""

    def __init__(self, time_base: Fraction | None, fps: Fraction | None) -> None:
        self.next_s = 0.0  # where the last frame seen ends
        self.gap_s = 0.0  # between the end of the frame before and the last frame seen
        self.steady = True  # stamps are there and ascend: seeking by them can be trusted
        self._time_base = time_base or Fraction(1)
        self._step_s = float(1 / fps) if fps else 0.0
        self._first: int | None = None
        self._last_s: float | None = None
        self._shift_s = 0.0

    @property
    def first_s(self) -> float:
        """The container's own time of the first frame."""
        return float((self._first or 0) * self._time_base)

    def time_of(self, frame: av.VideoFrame) -> float:
        """When the frame is shown.

        Without a stamp, or with one that goes back (recordings strung together), it follows on
        the frame before.
        """
        if self._first is None:
            self._first = frame.pts or 0
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
        """Seconds from the first frame to a stamp, rounded once."""
        ticks = pts - (self._first or 0)
        return ticks * self._time_base.numerator / self._time_base.denominator

    def pts_at(self, t_s: float) -> int:
        """The stamp of a time."""
        return (self._first or 0) + int(t_s / self._time_base)

    def jump(self) -> None:
        """Let the next frame lie before the last: a seek comes between."""
        self._last_s = None
