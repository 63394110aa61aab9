"""Faces as data URIs, alone and under the map of what moved the score.

The map is signed: orange pushes the score towards fake, blue towards real, and where the network
did not care the grey face shows through. One range serves all pictures of a report; a range for
each would paint the calmest face as hot as the worst.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from unmask.report.html.markup import Html
from unmask.types import Evidence, Image

Map = NDArray[np.float32]

# Hues that the common kinds of colour blindness keep apart, equal in lightness (L* 53 and 52).
TOWARDS_FAKE = (221, 82, 12)
TOWARDS_REAL = (38, 128, 196)
_OPACITY = 0.78  # at the end of the range; the face must stay recognisable
_JPEG_QUALITY = 90


def shared_range(evidence: Sequence[Evidence]) -> float:
    """The largest absolute activation of all maps; 0 where there are none."""
    maps = [np.abs(one.activation).max() for one in evidence if one.activation is not None]
    return float(max(maps, default=0.0))


def overlay(view: Image, activation: Map, largest: float) -> Image:
    """The grey face under its activation map; `largest` is the value of full colour."""
    height, width = view.shape[:2]
    size = (width, height)
    scaled = (activation / (largest or 1.0)).clip(-1, 1).astype(np.float32)
    share = np.asarray(cv2.resize(scaled, size, interpolation=cv2.INTER_LINEAR), np.float32)
    grey = cv2.cvtColor(view, cv2.COLOR_RGB2GRAY)[..., None].astype(np.float32)
    return _tinted(np.repeat(grey, 3, axis=2), share)


def legend() -> Image:
    """The colours of `overlay` from -1 to 1 on mid grey, (1, 64, 3)."""
    grey = np.full((1, 64, 3), 150, np.float32)
    return _tinted(grey, np.linspace(-1, 1, 64).astype(np.float32)[None])


def hottest_place(activation: Map) -> str:
    """Where the strongest push towards fake lies, in words, for those who cannot see the map."""
    row, column = np.unravel_index(int(activation.argmax()), activation.shape)
    third = [min(3 * int(i) // n, 2) for i, n in zip((row, column), activation.shape, strict=True)]
    vertical = ("upper", "middle", "lower")[third[0]]
    horizontal = ("left", "centre", "right")[third[1]]
    return f"{vertical} {horizontal}" if third != [1, 1] else "centre"


def data_uri(image: Image) -> Html:
    """An RGB picture as a JPEG inside the page."""
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    done, encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    assert done, f"cv2 could not encode a picture of shape {image.shape}"
    return Html(f"data:image/jpeg;base64,{base64.b64encode(encoded.tobytes()).decode('ascii')}")


def _tinted(grey: Map, share: Map) -> Image:
    """Blend (h, w, 3) towards one of the two colours by the size of `share` (h, w) in [-1, 1]."""
    colour = np.where(share[..., None] > 0, TOWARDS_FAKE, TOWARDS_REAL).astype(np.float32)
    alpha = _OPACITY * np.abs(share)[..., None]
    return ((1 - alpha) * grey + alpha * colour).round().astype(np.uint8)
