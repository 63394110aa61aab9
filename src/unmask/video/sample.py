"""Which times of a video to look at: pure functions from what a container says to seconds.

Times lie in the middle of the frames they mean, so that rounding in a container's clock (whole
milliseconds in Matroska) can never turn one into the frame before. Stills have one time, 0.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from fractions import Fraction

from unmask.types import VideoInfo

_LONG_PART_S = 2.0  # the frames of longer parts are strangers to one another: any may stand for all
_AFTER_KEY = 4  # frames: lists are by decoding, which may run so far ahead of what is shown


def evenly(info: VideoInfo, n: int) -> tuple[float, ...]:
    """Give the centres of `n` equal parts of the duration; each frame once where there are fewer.

    Of parts longer than two seconds, the frame `_AFTER_KEY` after the key frame nearest to the
    centre, where the container lists one inside: others may take hundreds more to decode. Not after
    the very first frame, though, which is often black.

    Of a short video with a variable frame rate, frames shown for less than an n-th of the
    duration may be left out.
    """
    _check_positive(n=n)
    total = _n_frames(info)
    if total <= n and not info.variable_frame_rate:
        return tuple(_middle(info, k) for k in range(total))
    part = Fraction(info.duration_s) / n
    centres = tuple(float(part * (2 * i + 1) / 2) for i in range(n))
    if part <= _LONG_PART_S or info.fps is None:
        return centres
    after_s = _middle(info, _AFTER_KEY)
    places = tuple(key_s + after_s for key_s in info.key_times_s if key_s > 0)
    ends = (0.0, *(float(part * (i + 1)) for i in range(n)))
    return tuple(
        _nearest(places, centre, start, end)
        for start, centre, end in zip(ends, centres, ends[1:], strict=False)
    )


def clips(
    info: VideoInfo, n_clips: int, n_frames: int, stride: int = 1
) -> tuple[tuple[float, ...], ...]:
    """Spread `n_clips` clips of `n_frames` frames, `stride` source frames apart, over the video.

    Every clip lies inside the video. Fewer clips come back where fewer different ones exist, and a
    video shorter than one clip gives one clip that repeats its last frame.
    """
    _check_positive(n_clips=n_clips, n_frames=n_frames, stride=stride)
    total = _n_frames(info)
    last_start = max(0, total - 1 - (n_frames - 1) * stride)
    starts = sorted({(2 * i + 1) * (last_start + 1) // (2 * n_clips) for i in range(n_clips)})
    return tuple(
        tuple(_middle(info, min(start + k * stride, total - 1)) for k in range(n_frames))
        for start in starts
    )


def every(info: VideoInfo, nth: int = 1) -> tuple[float, ...]:
    """Give every `nth` frame of the average rate, from the first on."""
    _check_positive(nth=nth)
    return tuple(_middle(info, k) for k in range(0, _n_frames(info), nth))


def _nearest(times_s: Sequence[float], to_s: float, start_s: float, end_s: float) -> float:
    """The nearest of ascending times from start to end, or the time itself where none is there."""
    inside = times_s[bisect_left(times_s, start_s) : bisect_left(times_s, end_s)]
    return min(inside, key=lambda t_s: abs(t_s - to_s), default=to_s)


def _n_frames(info: VideoInfo) -> int:
    """How many frames the duration holds at the exact rate; 1 for a still."""
    if info.fps is None:
        return 1
    return max(1, round(Fraction(info.duration_s) * info.fps))


def _middle(info: VideoInfo, k: int) -> float:
    """The time half way through frame `k`; of a still, 0."""
    return 0.0 if info.fps is None else float((k + Fraction(1, 2)) / info.fps)


def _check_positive(**numbers: int) -> None:
    for name, number in numbers.items():
        if number < 1:
            raise ValueError(f"{name} must be at least 1, got {number}")
