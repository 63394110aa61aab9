"""Finds manipulated faces: which face, when, how sure, and why, or that it cannot tell.

>>> import unmask
>>> report = unmask.scan("clip.mp4")           # doctest: +SKIP
>>> report.verdict, report.p_fake              # doctest: +SKIP
('undecided', 0.41)
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from unmask.errors import UnmaskError

if TYPE_CHECKING:
    from unmask.pipeline.detector import Detector
    from unmask.types import Report

__version__ = "0.1.0.dev0"
__all__ = ["Report", "UnmaskError", "list_models", "load", "scan"]


def load(model: str | Path = "default", **options: Any) -> Detector:
    """Open a detector: the default one, one by name, or a checkpoint folder.

    Options: see `unmask.pipeline.detector.load`.
    """
    from unmask.pipeline.detector import load as open_detector

    return open_detector(model, **options)


def scan(path: str | Path, *, model: str | Path = "default", n_frames: int = 32) -> Report:
    """Answer for one video or image with one detector; for many files `load` it once.

    Raises:
        UnmaskError: the file cannot be read, or the detector cannot be opened.
    """
    return load(model).scan(path, n_frames=n_frames)


def list_models() -> tuple[str, ...]:
    """Names of all networks that `load` and `unmask train` know."""
    from unmask.models import names

    return names()


def __getattr__(name: str) -> Any:
    """Fetch `Report` when it is asked for: numpy alone would double the time of `unmask --help`."""
    if name == "Report":
        from unmask.types import Report

        return Report
    raise AttributeError(f"module 'unmask' has no attribute {name!r}")
