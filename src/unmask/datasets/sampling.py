"""Which frames of a video a preparation keeps, by the name of a preset.

`evenly32` (any number) for systems that score single frames; `clips16` and `clips8x32` (frames, and
source frames from one to the next) for systems that look at motion; `next3` for those that look at
a frame and the ones right after it; `every` and `every10` (each tenth) for all there is. Times are
those that a scan would look at, so that a detector meets the same frames in both.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from unmask.errors import DataError, UsageError
from unmask.pipeline.ingest import sample_times
from unmask.types import InputSpec, VideoInfo
from unmask.video.sample import every

EVENLY = 32  # frames of a video where no number is given; the field's usual one
CLIPS = 4  # clips of a video where no number of frames is given
NEXT_CLIPS = 16  # the same of `next`, whose clips are short

_PRESET = re.compile(r"(evenly|every|clips|next)(\d+)?(?:x(\d+))?")


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """A rule that says which frames of a video to look at."""

    name: str
    n_frames: int | None  # at most so many of a video; None = all the rule finds
    clip: int | None  # so many follow one another; None = as many as there are
    stride: int | None  # source frames from one to the next; None = it depends on the duration

    def times(self, info: VideoInfo) -> Sequence[float]:
        """Say when to look at a video, in order, each time once."""
        if self.n_frames is None:
            return every(info, self.stride or 1)
        # What a scan asks for these frames with; the size plays no part.
        spec = InputSpec(size_px=1, n_frames=self.clip or 1, stride=self.stride or 1)
        return sample_times(info, spec, self.n_frames)

    def face_stride(self, spec: InputSpec) -> int:
        """How many kept frames lie from one frame of a system's clip to the next.

        Raises:
            DataError: the frames kept are not those that the system's clips are made of.
        """
        if spec.n_frames == 1:
            return 1
        reach = (spec.n_frames - 1) * spec.stride
        fits = self.stride is not None and spec.stride % self.stride == 0
        if not fits or (self.clip is not None and reach > (self.clip - 1) * (self.stride or 1)):
            suffix = "" if spec.stride == 1 else f"x{spec.stride}"
            raise DataError(
                f"prepared with --sampling {self.name}: it does not hold clips of {spec.n_frames} "
                f"frames, {spec.stride} apart; prepare with --sampling clips{spec.n_frames}{suffix}"
            )
        return spec.stride // (self.stride or 1)


def sampling(name: str, n_frames: int | None = None) -> Sampling:
    """Read a preset; `n_frames` says how many frames of a video to look at, whatever it is called.

    Raises:
        UsageError: no such preset, or a number that it cannot have.

    >>> sampling("clips8x32").name, sampling("clips8x32").n_frames
    ('clips8x32', 32)
    """
    match = _PRESET.fullmatch(name)
    numbers = [] if match is None else [int(n) for n in match.groups()[1:] if n is not None]
    if match is None or 0 in numbers or (n_frames is not None and n_frames < 1):
        raise UsageError(
            f"--sampling {name}{'' if n_frames is None else f' --frames {n_frames}'}: presets are "
            "evenly32, every, every10, clips16, clips8x32 and next3, with any numbers above 0"
        )
    kind, first, stride = match.group(1), match.group(2), match.group(3)
    if (kind != "clips" and stride) or (kind in ("clips", "next") and not first):
        raise UsageError(f"--sampling {name}: a preset is {_FORMS[kind]}")
    if kind == "every":
        if n_frames is not None:
            raise UsageError(f"--sampling {name} looks at all such frames; leave --frames out")
        return Sampling(name=name, n_frames=None, clip=None, stride=int(first or 1))
    if kind == "evenly":
        number = n_frames or int(first or EVENLY)
        return Sampling(name=f"evenly{number}", n_frames=number, clip=1, stride=None)
    clip = int(first) + (kind == "next")
    number = n_frames or clip * (NEXT_CLIPS if kind == "next" else CLIPS)
    if number < clip:
        raise UsageError(f"--sampling {name} --frames {number}: a clip alone has {clip} frames")
    return Sampling(name=name, n_frames=number, clip=clip, stride=int(stride or 1))


_FORMS = {
    "evenly": "evenly or evenlyN: N frames spread over the video",
    "every": "every or everyN: each N-th frame",
    "clips": "clipsT or clipsTxS: T frames, S apart",
    "next": "nextN: a frame and the N after it",
}


def frame_numbers(info: VideoInfo, asked_s: Sequence[float], shown_s: Sequence[float]) -> list[int]:
    """Number the frames that were shown for the times asked, counted at the average rate.

    Where the rate varies a frame answers the first time asked at or after its own, so that no two
    have one number.
    """
    if info.fps is None:
        return [0] * len(shown_s)
    if info.variable_frame_rate:
        last = len(asked_s) - 1
        shown_s = [asked_s[min(bisect_left(asked_s, t), last)] - 0.5 / info.fps for t in shown_s]
    return [round(t * info.fps) for t in shown_s]
