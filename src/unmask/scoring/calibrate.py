"""Logits to probabilities that mean what they say, and thresholds with a measured cost.

Other fits than Platt's, and the choice between them, are in `calibrate_kinds.py`. Platt, "Probabilistic outputs for support vector machines" (1999): p = sigmoid(a z + b), fitted on
smoothed targets so that separable scores do not end in infinite slopes. Solved by Newton's method
with step halving (Lin, Lin and Weng, "A note on Platt's probabilistic outputs", 2007): two
unknowns, so a solver library would be more than the scanner's core install should carry.
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
_NEWTON_STEPS = 100  # far more than two convex unknowns need (about 10)
_GRADIENT_STOP = 1e-10  # per sample, on standardised logits
_RIDGE = 1e-12  # keeps the Hessian invertible where all weights underflow


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


def fit_platt(
    logits: Sequence[float] | NDArray[Any],
    labels: Sequence[int] | NDArray[Any],
    *,
    measured_on: str,
) -> Calibration:
    """Fit slope and intercept by maximum likelihood on labelled scores (1 = fake).

    `measured_on` names the data; it must be neither trained on nor reported on.

    Raises:
        DataError: one class only, nothing to tell apart, or fakes that score below reals: a
            calibration must not turn a detector's answer around in silence.
    """
    z, fake = _labelled(logits, labels)
    centre, scale = z.mean(), z.std()
    if scale == 0:
        raise DataError(f"{measured_on}: all logits are equal, so there is nothing to calibrate")
    slope, intercept = _newton((z - centre) / scale, _smoothed_targets(fake))
    if slope <= 0:
        raise DataError(
            f"{measured_on}: fakes score no higher than reals, so no calibration can make this "
            "detector useful. Check that label 1 means fake and that the training converged"
        )
    return Calibration(
        slope=slope / scale, intercept=intercept - slope * centre / scale, measured_on=measured_on
    )


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


def _labelled(
    logits: Sequence[float] | NDArray[Any], labels: Sequence[int] | NDArray[Any]
) -> tuple[Floats, NDArray[np.bool_]]:
    """Finite logits (n,) and which of them are fakes; both classes must be there."""
    z = np.asarray(logits, dtype=np.float64)
    y = np.asarray(labels)
    if z.ndim != 1 or z.shape != y.shape:
        raise ValueError(f"logits {z.shape} and labels {y.shape} must be two equal rows")
    if not np.isfinite(z).all():
        raise DataError("calibration needs finite logits; some are infinite or not a number")
    if not np.isin(y, (0, 1)).all():
        raise DataError("calibration needs labels 0 (real) and 1 (fake) only")
    fake = y == 1
    if fake.all() or not fake.any():
        raise DataError("calibration needs scores of both reals and fakes; one class is missing")
    return z, fake


def _smoothed_targets(fake: NDArray[np.bool_]) -> Floats:
    """Platt's targets (1999, section 2.2): (N+ + 1) / (N+ + 2) for fakes, 1 / (N- + 2) for reals.

    That is what Bayes' rule expects of unseen scores under a uniform prior, not a certain 1 and 0.
    """
    n_fake, n_real = int(fake.sum()), int((~fake).sum())
    return np.where(fake, (n_fake + 1) / (n_fake + 2), 1 / (n_real + 2))


def _newton(z: Floats, target: Floats) -> tuple[float, float]:
    """Minimise the mean cross-entropy of sigmoid(a z + b) against soft targets; returns (a, b)."""
    design = np.stack([z, np.ones_like(z)], axis=1)  # (n, 2)
    weights = np.zeros(2)
    loss = _cross_entropy(design @ weights, target)
    for _ in range(_NEWTON_STEPS):
        p = sigmoid(design @ weights)
        gradient = design.T @ (p - target) / z.size  # (2,)
        if np.abs(gradient).max() < _GRADIENT_STOP:
            return float(weights[0]), float(weights[1])
        curvature = (design * (p * (1 - p))[:, None]).T @ design / z.size  # (2, 2)
        step = np.linalg.solve(curvature + _RIDGE * np.eye(2), gradient)
        while (new_loss := _cross_entropy(design @ (weights - step), target)) > loss + 1e-12:
            step /= 2  # Newton overshoots where the curve is flat
        weights, loss = weights - step, new_loss
    raise AssertionError("Platt scaling did not converge on finite, non-constant logits")


def _cross_entropy(z: Floats, target: Floats) -> float:
    """Mean of log(1 + e^z) - t z, the cross-entropy in logits."""
    return float((np.logaddexp(0.0, z) - target * z).mean())
