"""Passes over a clip: following a face, cutting a donor out, and writing several files at once.

A clip is read once per pass and never held in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from unmask.errors import UnmaskError
from unmask.forge.canvas import Canvas
from unmask.forge.donor import Donor, collect_donor
from unmask.forge.facepath import FacePath
from unmask.forge.methods import Forger
from unmask.forge.selfblend import Mask
from unmask.forge.sightings import Detector, follow_main_face
from unmask.types import Frame, Image
from unmask.video import open_media
from unmask.video.encode import VideoWriter
from unmask.video.sample import every
from unmask.video.soundtrack import Recording

CRF = 20  # x264 quality of fakes and re-encoded reals: about what a good upload has (ours)
MASK_CRF = 4  # nearly lossless; masks are smooth, so it costs little
DETECT_EVERY_S = 0.12  # three frames at 25 frames/s; landmarks are interpolated in between
USUAL_RATE = Fraction(25)  # of a clip whose container does not say
_SEEN = 0.05  # a mask whose highest value is less shows nothing
_SAME_SHOT_S = 0.5  # a forgery that pauses for longer has two spans


@dataclass(frozen=True, kw_only=True)
class Take:
    """A file to be written, and the sound beneath it."""

    path: Path
    crf: int
    sound: Path | Recording | None = None  # a file whose sound is taken over, or new sound


class Performance:
    """A forger at work on one person: the fake and its mask as pictures, frame by frame."""

    def __init__(self, path: FacePath, forger: Forger) -> None:
        self._path = path
        self._forger = forger
        self.spans_s: list[tuple[float, float]] = []  # when something forged is seen

    def __call__(self, frame: Frame) -> tuple[Image, Image]:
        """The fake and its mask (white = forged) of one frame."""
        face = self._path.at(frame.t_s)
        if face is None or face.presence == 0:
            return frame.rgb, np.zeros_like(frame.rgb)
        fake, mask = self._forger(frame, face)
        if mask.max() > _SEEN:
            self._seen(frame.t_s)
        return fake, mask_picture(mask)

    def _seen(self, t_s: float) -> None:
        if self.spans_s and t_s - self.spans_s[-1][1] < _SAME_SHOT_S:
            self.spans_s[-1] = (self.spans_s[-1][0], t_s)
        else:
            self.spans_s.append((t_s, t_s))


def mask_picture(mask: Mask) -> Image:
    """A mask as a grey picture."""
    grey = cv2.convertScaleAbs(mask, alpha=255)
    return np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB), np.uint8)


def render(
    clip: Path, takes: Sequence[Take], draw: Callable[[Frame], Sequence[Image]]
) -> str | None:
    """Write all takes in one pass; `draw` gives a picture for each. Says what could not be read."""
    with ExitStack() as stack:
        reader = stack.enter_context(open_media(clip))
        rate = reader.info.fps or USUAL_RATE
        writers = [
            stack.enter_context(VideoWriter(take.path, rate, crf=take.crf, audio_from=take.sound))
            for take in takes
        ]
        for frame in reader.all_frames():
            for writer, picture in zip(writers, draw(frame), strict=True):
                writer.write(picture, frame.t_s)
        return reader.lost


def follow(clip: Path, detector: Detector) -> FacePath:
    """Where the main face of a clip, or of a still, goes.

    Raises:
        UnmaskError: there is none.
    """
    with open_media(clip) as reader:
        rate = reader.info.fps or USUAL_RATE
        times_s = every(reader.info, max(1, round(rate * Fraction(DETECT_EVERY_S))))
        path = follow_main_face(reader.frames(times_s), detector)
    if path is None:
        raise UnmaskError(
            f"{clip}: no face was found in {len(times_s)} frames looked at, so there is nothing to "
            "forge. Give a clip in which a face is at least 24 pixels and 4 % of the picture wide."
        )
    return path


def donor_from(clip: Path, path: FacePath, side_px: int) -> Donor:
    """The main face of a clip, cut out to be put onto others.

    Raises:
        UnmaskError: it is nowhere turned to the camera.
    """
    with open_media(clip) as reader:
        donor = collect_donor(reader.all_frames(), path, Canvas(side_px=side_px))
    if donor is None:
        raise UnmaskError(
            f"{clip}: its face is turned away from the camera throughout; try another donor"
        )
    return donor
