"""The clips that scans are measured on: 1080p, H.264 as cameras and the net have it.

Ten seconds of a face before a moving background, with grain, by x264 with its usual groups (up to 3
b-frames, a key frame every 250 frames) or shorter ones, as cameras and streaming sites make them;
ten minutes are the same packets over and over.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np

from scan_memory import FPS, LOOP_S, SIZE, pictures, repeat

USUAL_GROUP = 250  # frames from one key frame to the next, at most: x264's default
GRAIN = 5.0  # standard deviation of the noise of the sensor, levels


def write_clip(path: Path, seconds: int = LOOP_S, group: int = USUAL_GROUP) -> Path:
    """Ten seconds, or a multiple, with a key frame every `group` frames."""
    options = {"preset": "veryfast", "g": str(group)}
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options=options)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for rgb in grainy(pictures()):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
        container.mux(stream.encode(None))
    if seconds == LOOP_S:
        return path
    loop = path.rename(path.with_name("loop.mp4"))
    repeat(loop, path, seconds // LOOP_S)
    loop.unlink()
    return path


def grainy(frames: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """Frames with noise that is new in each: that of one large picture, elsewhere."""
    rng = np.random.default_rng(0)
    height, width = SIZE[1], SIZE[0]
    noise = rng.normal(0, GRAIN, (height + 64, width + 64))
    lighter, darker = (
        np.repeat(part.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)
        for part in (noise, -noise)
    )
    for rgb in frames:
        y, x = rng.integers(0, 64, 2)
        place = np.s_[y : y + height, x : x + width]
        yield cv2.subtract(cv2.add(rgb, lighter[place]), darker[place])
