"""Forged stills: one picture in, a fake and its mask out.

A still leaves as JPEG if its source is one, else as PNG, and so does its real: both are decoded and
encoded once more with the same settings.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from unmask.errors import OutputError, UnreadableMediaError
from unmask.forge.facepath import FacePath
from unmask.forge.methods import Forger, still_moment_s
from unmask.forge.render import Performance
from unmask.types import Frame, Image
from unmask.video import open_media

JPEG_QUALITY = 95
_JPEG_ENDINGS = (".jpg", ".jpeg")


def still_ending(source: Path) -> str:
    """How the files made of a still are called."""
    return ".jpg" if source.suffix.lower() in _JPEG_ENDINGS else ".png"


def read_still(source: Path) -> Image:
    """Decode a picture, upright.

    Raises:
        UnreadableMediaError: it cannot be.
    """
    with open_media(source) as reader:
        frame = next(iter(reader.all_frames()), None)
    if frame is None:
        raise UnreadableMediaError(f"{source}: no picture could be decoded from it")
    return frame.rgb


def forge_still(rgb: Image, path: FacePath, forger: Forger) -> tuple[Image, Image, bool]:
    """The fake, its mask as a picture, and whether anything of it is seen."""
    act = Performance(path, forger)
    fake, mask = act(Frame(t_s=still_moment_s(forger), rgb=rgb))
    return fake, mask, bool(act.spans_s)


def write_still(out: Path, rgb: Image) -> None:
    """Encode a picture in the format of the name.

    Raises:
        OutputError: it cannot be written there.
    """
    options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY] if out.suffix == ".jpg" else []
    done, data = cv2.imencode(out.suffix, np.ascontiguousarray(rgb[..., ::-1]), options)
    part = out.with_name(f".{out.name}.part")
    try:
        assert done
        out.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(data.tobytes())
        part.replace(out)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise OutputError(f"{out}: cannot be written there ({error.strerror})") from error
