"""Logits to probabilities that mean what they say, and thresholds with a measured cost.

What a calibration is fitted by stands in `calibrate_fit.py`; here it is obeyed, in numpy alone, so
that a scan needs nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unmask.errors import DataError
from unmask.types import Calibration, Thresholds, Unit

Floats = NDArray[np.float64]

FAKE_FPR = 0.01  # share of reals allowed at or above the threshold for fake (design: 1 %)
REAL_FPR = 0.05  # share of reals at or above the threshold for real (design: 5 %)
REAL_FNR = 0.05  # share of fakes allowed below the threshold for real (ours)


def sigmoid(logits: ArrayLike) -> Floats:
    """1 / (1 + e^-z) without overflow at either end; same shape as its input."""
    return cast("Floats", np.exp(-np.logaddexp(0.0, -np.asarray(logits, dtype=np.float64))))


def calibrated(calibration: Calibration, logits: ArrayLike) -> Floats:
    """Calibrated probabilities of logits; same shape as its input.

    >>> two = Calibration(kind="isotonic", knots=((-1.0, 0.25), (1.0, 0.75)))
    >>> calibrated(two, [-9.0, 0.0, 9.0]).tolist()
    [0.25, 0.5, 0.75]
    """
    z = np.asarray(logits, dtype=np.float64)
    if calibration.kind == "isotonic":
        at, p = zip(*calibration.knots, strict=True)
        return cast("Floats", np.interp(z, at, p))
    return sigmoid(calibration.slope * z + calibration.intercept)


def apply(calibration: Calibration, logit: float) -> float:
    """Calibrated probability of one logit.

    >>> apply(Calibration(slope=2.0, intercept=0.0), 0.0)
    0.5
    """
    return float(calibrated(calibration, logit))


def thresholds_at_fpr(
    real_p_fakes: Sequence[float] | NDArray[Any],
    *,
    unit: Unit,
    measured_on: str,
    fake_fpr: float = FAKE_FPR,
    real_fpr: float = REAL_FPR,
) -> Thresholds:
    """Lowest thresholds whose share of reals at or above them stays within the two targets.

    Takes the calibrated scores of real items only. Equal scores stand or fall together, so the
    measured rate, which is stored, can lie below its target and never above it.

    Raises:
        DataError: too few reals to show the smaller rate even once, or invalid scores.
    """
    scores = np.sort(np.asarray(real_p_fakes, dtype=np.float64))
    needed = math.ceil(1 / min(fake_fpr, real_fpr) - 1e-9)
    if scores.size < needed:
        raise DataError(
            f"{measured_on}: {scores.size} real scores cannot show a false-positive rate of "
            f"{min(fake_fpr, real_fpr):.1%}; at least {needed} are needed"
        )
    if not ((scores >= 0) & (scores <= 1)).all():
        raise DataError(f"{measured_on}: real scores must be probabilities in [0, 1]")
    fake, real = _lowest_above(scores, fake_fpr), _lowest_above(scores, real_fpr)
    return Thresholds(
        fake=fake,
        real=real,
        unit=unit,
        fake_fpr=float((scores >= fake).mean()),
        real_fpr=float((scores >= real).mean()),
        measured_on=measured_on,
    )


def decision_thresholds(
    real_p_fakes: Sequence[float] | NDArray[Any],
    fake_p_fakes: Sequence[float] | NDArray[Any],
    *,
    unit: Unit,
    measured_on: str,
    real_fnr: float = REAL_FNR,
) -> Thresholds:
    """Thresholds of `thresholds_at_fpr`, with `real` lowered until few enough fakes fall below it.

    A weak detector has few false positives by calling almost nothing fake; the 5 % threshold alone
    would then call most fakes real. With this bound it says that it cannot tell.

    Raises:
        DataError: as `thresholds_at_fpr`, for either class.
    """
    found = thresholds_at_fpr(real_p_fakes, unit=unit, measured_on=measured_on)
    reals = np.asarray(real_p_fakes, dtype=np.float64)
    fakes = np.sort(np.asarray(fake_p_fakes, dtype=np.float64))
    needed = math.ceil(1 / real_fnr - 1e-9)
    if fakes.size < needed:
        raise DataError(
            f"{measured_on}: {fakes.size} fake scores cannot show a miss rate of {real_fnr:.1%}; "
            f"at least {needed} are needed"
        )
    real = min(found.real, float(fakes[math.floor(real_fnr * fakes.size + 1e-9)]))
    return replace(
        found,
        real=real,
        real_fpr=float((reals >= real).mean()),
        real_fnr=float((fakes < real).mean()),
    )


def _lowest_above(scores: Floats, target: float) -> float:
    """Threshold that at most the share `target` of the ascending `scores` reaches.

    It lies midway between the highest score that must stay below it and the next higher one.
    """
    allowed = math.floor(target * scores.size + 1e-9)  # 0.07 * 100 is 7.000000000000001
    if allowed >= scores.size:
        return 0.0
    below = float(scores[scores.size - 1 - allowed])
    higher = scores[scores > below]
    if higher.size == 0:
        return float(np.nextafter(below, np.inf))
    middle = (below + float(higher[0])) / 2
    return middle if middle > below else float(higher[0])  # neighbours one rounding step apart
