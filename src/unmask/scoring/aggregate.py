"""Many scores of one face, or of one video, to a single one.

The field scores frames and reports videos, and each paper joins them in its own way, so that the
rule belongs beside every published number. All functions take plain sequences and refuse an empty
one: no score is not a score of zero, nor one of a half. The caller says what missing means.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from unmask.scoring.calibrate import sigmoid

CONFIDENT_FAKE = 0.8  # t of the rule (Seferbekov, DFDC's first place)
CONFIDENT_REAL = 0.2  # scores below it speak for a real face
CONFIDENT_REAL_SHARE = 0.9  # more than this share of all scores must be that low
CONFIDENT_MIN_FAKE = 11  # more than this many scores must be above t
CONFIDENT_FAKE_DIVISOR = 2.5  # and more than floor(n / 2.5) of them


def mean_probability(p_fakes: Sequence[float]) -> float:
    """Mean of the probabilities, the default: one wild frame moves it by 1 / n at most.

    >>> mean_probability([0.25, 0.75])
    0.5
    """
    return float(_probabilities(p_fakes).mean())


def sigmoid_of_mean_logit(logits: Sequence[float]) -> float:
    """Probability of the mean logit: lets a few very sure frames outvote many unsure ones."""
    values = np.asarray(logits, dtype=np.float64)
    if values.size == 0:
        raise ValueError("no logits to aggregate; a missing score is not a score")
    if not np.isfinite(values).all():
        raise ValueError("logits to aggregate must be finite")
    return float(sigmoid(values.mean()))


def max_over_faces(frames: Sequence[Sequence[float]]) -> float:
    """Per frame the most suspicious face, then the mean over the frames that show a face.

    `frames` holds the probabilities of all faces of each frame; frames without a face are left out
    of the mean and do not count as real.
    """
    highest = [float(_probabilities(faces).max()) for faces in frames if len(faces)]
    return mean_probability(highest)


def confident(p_fakes: Sequence[float]) -> float:
    """Seferbekov's rule: frames that are sure outvote the rest, where there are enough of them.

    With t = 0.8 and n scores: if more than floor(n / 2.5) and more than 11 exceed t, the mean of
    those; else if more than 0.9 n are below 0.2, the mean of those; else the mean of all.
    """
    values = _probabilities(p_fakes)
    fake = values[values > CONFIDENT_FAKE]
    real = values[values < CONFIDENT_REAL]
    if fake.size > values.size // CONFIDENT_FAKE_DIVISOR and fake.size > CONFIDENT_MIN_FAKE:
        return float(fake.mean())
    if real.size > CONFIDENT_REAL_SHARE * values.size:
        return float(real.mean())
    return float(values.mean())


def _probabilities(p_fakes: Sequence[float]) -> NDArray[np.float64]:
    """The scores as an array (n,), refused when empty or outside [0, 1]."""
    values = np.asarray(p_fakes, dtype=np.float64)
    if values.size == 0:
        raise ValueError("no scores to aggregate; a missing score is not a score")
    if not ((values >= 0) & (values <= 1)).all():  # also catches NaN
        raise ValueError("scores to aggregate must be probabilities in [0, 1]")
    return values
