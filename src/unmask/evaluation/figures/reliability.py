"""Whether probabilities mean what they say: stated against observed frequency, with counts.

Bins hold equally many examples, so that each point is worth the same; a bar is the interval over
recordings, where a bin has enough of them (`evaluation.reliability`). Beside the calibration error
stands the one that chance alone would give. How the scores themselves lie is shown below.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from unmask.evaluation import metrics
from unmask.evaluation.figures import Asked, canvas
from unmask.evaluation.figures.compared import compared, inputs, numbers_of, words
from unmask.evaluation.intervals import intervals
from unmask.evaluation.reliability import reliability_bins

BINS = np.linspace(0, 1, 21)


def draw_reliability(asked: Asked) -> canvas.Picture:
    """Reliability diagram with calibration error, and how many scores lie where."""
    said = compared(asked)
    k = len(said.names)
    figure = canvas.figure_of(height_in=4.6)
    grid = figure.subplots(2, k, height_ratios=(3, 1), sharex=True, sharey="row", squeeze=False)
    wanted = {
        "calibration_error": metrics.calibration_error,
        "calibration_floor": metrics.calibration_floor,
        "brier": metrics.brier,
        "log_loss": metrics.log_loss,
    }
    numbers: dict[str, Any] = {}
    for i, name in enumerate(said.names):
        above, below = grid[:, i]
        found = intervals(said.rankings[i], said.source, wanted)
        bins = reliability_bins(said.rankings[i], said.source)
        above.plot([0, 1], [0, 1], color=canvas.QUIET, linewidth=1, linestyle=":")
        for one in bins:
            if one.low is not None and one.high is not None:
                above.vlines(
                    one.stated, one.low, one.high, color=canvas.colour_of(i), linewidth=1.2
                )
            above.plot(
                one.stated, one.observed, canvas.marker_of(i), color=canvas.colour_of(i),
                fillstyle="none" if one.low is None else "full",
            )  # fmt: skip
        above.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        above.set_title(
            f"{name}\ncalibration error\n{words(found['calibration_error'])}\n"
            f"by chance {found['calibration_floor'].value:.3f}",
            size=9,
        )
        of = [said.p_fake[i][said.label == label] for label in (0, 1)]
        below.hist(of, BINS, stacked=True, color=[canvas.REAL, canvas.FAKE], alpha=0.75,
                   label=["real", "fake"])  # fmt: skip
        below.set_xlabel("stated: p_fake")
        numbers[name] = numbers_of(found) | {"bins": [asdict(one) for one in bins]}
    grid[0, 0].set_ylabel("observed: share of fakes")
    grid[1, 0].set_ylabel(f"{asked.level}s")
    grid[1, 0].legend(fontsize=8)
    canvas.title(figure, "Whether probabilities mean what they say", said.note)
    return canvas.Picture(
        figure=figure, numbers={**said.counts, "detectors": numbers}, inputs=inputs(said.files)
    )
