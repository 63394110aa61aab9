"""Scores to an answer: aggregate over time, calibrate into probabilities, judge.

Pure arithmetic on numbers and on the values of `unmask.types`; nothing here opens a file or knows
which network produced a logit.
"""

from unmask.scoring.aggregate import (
    confident,
    max_over_faces,
    mean_probability,
    sigmoid_of_mean_logit,
)
from unmask.scoring.calibrate import (
    apply,
    calibrated,
    decision_thresholds,
    sigmoid,
    thresholds_at_fpr,
)
from unmask.scoring.calibrate_fit import (
    fit_calibration,
    fit_isotonic,
    fit_platt,
    fit_temperature,
)
from unmask.scoring.verdict import Limits, judge

__all__ = [
    "Limits",
    "apply",
    "calibrated",
    "confident",
    "decision_thresholds",
    "fit_calibration",
    "fit_isotonic",
    "fit_platt",
    "fit_temperature",
    "judge",
    "max_over_faces",
    "mean_probability",
    "sigmoid",
    "sigmoid_of_mean_logit",
    "thresholds_at_fpr",
]
