"""Small clips of people who walk and click, made on the spot, and a look at what became of them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np

from face_clips import walk
from media import Sound, write_clip
from unmask.video import open_media


def talking(path: Path, who: str, n_frames: int, seed: int) -> Path:
    """A walking person with clicks for a voice."""
    sound = Sound(
        clicks_s=np.arange(0.1, n_frames / 5 - 0.05, 0.13 + 0.02 * seed), lasts_s=n_frames / 5
    )
    return write_clip(path, frames=walk(n_frames, who, place=seed), fps=Fraction(5), sound=sound)


def pictures(path: Path) -> np.ndarray:
    """All frames of a clip or a still, (T, H, W, 3)."""
    with open_media(path) as reader:
        return np.stack([frame.rgb for frame in reader.all_frames()]).astype(np.int16)
