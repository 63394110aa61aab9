"""Fits calibrations to labelled logits of data that were neither learned from nor reported on.

Platt, "Probabilistic outputs for support vector machines" (1999): p = sigmoid(a z + b), fitted on
smoothed targets so that separable scores do not end in infinite slopes. Solved by Newton's method
with step halving (Lin, Lin and Weng, "A note on Platt's probabilistic outputs", 2007). Guo et al.,
"On calibration of modern neural networks" (2017): the slope alone. Zadrozny and Elkan,
"Transforming classifier scores into accurate multiclass probability estimates" (2002): any curve
that never falls, by pooling neighbours that are in the wrong order. All three here fit the same
smoothed targets, so that none ends in a certain 0 or 1. No solver library is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from unmask.errors import DataError
from unmask.scoring.calibrate import Floats, calibrated, sigmoid
from unmask.types import Calibration

Kind = Literal["platt", "temperature", "isotonic"]
Numbers = Sequence[float] | NDArray[Any]

FOLDS = 5  # of the cross-validation between kinds
_NEWTON_STEPS = 100  # far more than one or two convex unknowns need (about 10)
_GRADIENT_STOP = 1e-10  # per sample, on standardised logits
_RIDGE = 1e-12  # keeps the Hessian invertible where all weights underflow


def fit_platt(logits: Numbers, labels: Numbers, *, measured_on: str) -> Calibration:
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
    design = np.stack([(z - centre) / scale, np.ones_like(z)], axis=1)  # (n, 2)
    slope, intercept = (float(value) for value in _newton(design, smoothed_targets(fake)))
    if slope <= 0:
        raise _no_use(measured_on)
    return Calibration(
        slope=float(slope / scale),
        intercept=float(intercept - slope * centre / scale),
        measured_on=measured_on,
    )


def fit_temperature(logits: Numbers, labels: Numbers, *, measured_on: str) -> Calibration:
    """Fit the slope alone (1 / temperature): a logit of 0 stays one half.

    Raises:
        DataError: as `fit_platt`.
    """
    z, fake = _labelled(logits, labels)
    scale = float(np.sqrt(np.mean(z**2)))
    if scale == 0:
        raise DataError(f"{measured_on}: all logits are 0, so there is nothing to calibrate")
    slope = float(_newton((z / scale)[:, None], smoothed_targets(fake))[0])
    if slope <= 0:
        raise _no_use(measured_on)
    return Calibration(slope=slope / scale, measured_on=measured_on, kind="temperature")


def fit_isotonic(logits: Numbers, labels: Numbers, *, measured_on: str) -> Calibration:
    """Fit the curve of least squared error among all that never fall.

    It has a level for every run of logits that it cannot tell apart, so that scores may become
    equal that were not; their order is never turned round.

    Raises:
        DataError: as `fit_platt`.
    """
    z, fake = _labelled(logits, labels)
    knots = _knots(z, smoothed_targets(fake))
    if knots[0][1] >= knots[-1][1]:
        raise _no_use(measured_on)
    return Calibration(measured_on=measured_on, kind="isotonic", knots=knots)


FITS: Mapping[Kind, Callable[..., Calibration]] = {
    "temperature": fit_temperature,
    "platt": fit_platt,
    "isotonic": fit_isotonic,
}


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A calibration, and what the kinds cost that it was chosen from."""

    calibration: Calibration
    # Log loss of each kind on recordings that it was not fitted on; empty where none was chosen.
    log_loss: Mapping[str, float]


def fit_calibration(
    logits: Numbers,
    labels: Numbers,
    *,
    kind: Kind | Literal["auto"],
    sources: Sequence[str],
    measured_on: str,
) -> Fitted:
    """Fit one kind; `auto` takes the one with the lowest cross-validated log loss.

    `sources` names the recording of every score: folds never share one, since frames of one
    recording would tell of each other.

    Raises:
        DataError: as `fit_platt`, or too few recordings to choose a kind on.
    """
    if kind != "auto":
        return Fitted(calibration=FITS[kind](logits, labels, measured_on=measured_on), log_loss={})
    z, fake = _labelled(logits, labels)
    fold = _folds(sources, measured_on)
    costs: dict[str, float] = {}
    for name, fit in FITS.items():
        p = np.empty_like(z)
        for held_out in (fold == n for n in range(FOLDS)):
            fitted = fit(z[~held_out], fake[~held_out].astype(int), measured_on=measured_on)
            p[held_out] = calibrated(fitted, z[held_out])
        costs[name] = float(-np.mean(np.where(fake, np.log(p), np.log1p(-p))))
    best = cast("Kind", min(costs, key=lambda name: costs[name]))
    return Fitted(calibration=FITS[best](logits, labels, measured_on=measured_on), log_loss=costs)


def smoothed_targets(fake: NDArray[np.bool_]) -> Floats:
    """Platt's targets (1999, section 2.2): (N+ + 1) / (N+ + 2) for fakes, 1 / (N- + 2) for reals.

    That is what Bayes' rule expects of unseen scores under a uniform prior, not a certain 1 and 0.
    """
    n_fake, n_real = int(fake.sum()), int((~fake).sum())
    return np.where(fake, (n_fake + 1) / (n_fake + 2), 1 / (n_real + 2))


def _folds(sources: Sequence[str], measured_on: str) -> NDArray[np.int64]:
    """Fold of every score; all of one recording are in one."""
    names, which = np.unique(np.asarray(sources), return_inverse=True)
    if len(names) < FOLDS:
        raise DataError(
            f"{measured_on}: {len(names)} recordings are too few to choose a calibration on; name "
            f"a kind ({', '.join(FITS)}) or give at least {FOLDS} recordings"
        )
    order = np.random.default_rng(0).permutation(len(names))
    return (order % FOLDS)[which]


def _no_use(measured_on: str) -> DataError:
    return DataError(
        f"{measured_on}: fakes score no higher than reals, so no calibration can make this "
        "detector useful. Check that label 1 means fake and that the training converged"
    )


def _labelled(logits: Numbers, labels: Numbers) -> tuple[Floats, NDArray[np.bool_]]:
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


def _newton(design: Floats, target: Floats) -> Floats:
    """Minimise the mean cross-entropy of sigmoid(design w) against soft targets; returns w (k,)."""
    n, k = design.shape
    weights = np.zeros(k)
    loss = _cross_entropy(design @ weights, target)
    for _ in range(_NEWTON_STEPS):
        p = sigmoid(design @ weights)
        gradient = design.T @ (p - target) / n  # (k,)
        if np.abs(gradient).max() < _GRADIENT_STOP:
            return weights
        curvature = (design * (p * (1 - p))[:, None]).T @ design / n  # (k, k)
        step = np.linalg.solve(curvature + _RIDGE * np.eye(k), gradient)
        while (new_loss := _cross_entropy(design @ (weights - step), target)) > loss + 1e-12:
            step /= 2  # Newton overshoots where the curve is flat
        weights, loss = weights - step, new_loss
    raise AssertionError("calibration did not converge on finite logits that differ")


def _cross_entropy(z: Floats, target: Floats) -> float:
    """Mean of log(1 + e^z) - t z, the cross-entropy in logits."""
    return float((np.logaddexp(0.0, z) - target * z).mean())


def _knots(z: Floats, target: Floats) -> tuple[tuple[float, float], ...]:
    """Ends of the levels of the isotonic fit, by pooling adjacent violators."""
    values, which = np.unique(z, return_inverse=True)
    weight = np.bincount(which).astype(np.float64)
    mean = np.bincount(which, weights=target) / weight
    pools: list[tuple[float, float, int, int]] = []  # level, weight, first and last value
    for place in range(values.size):
        level, heavy, first = float(mean[place]), float(weight[place]), place
        while pools and pools[-1][0] >= level:
            below, its_weight, first, _ = pools.pop()
            level = (below * its_weight + level * heavy) / (its_weight + heavy)
            heavy += its_weight
        pools.append((level, heavy, first, place))
    ends = ((values[end], pool[0]) for pool in pools for end in dict.fromkeys(pool[2:]))
    return tuple((float(at), float(level)) for at, level in ends)
