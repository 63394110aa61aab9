"""Whether probabilities mean what they say: stated against observed frequency, with counts.

Bins hold equally many examples (`metrics.reliability`), so that each point is worth the same; how
the scores themselves lie is shown below them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from unmask.evaluation import metrics
from unmask.evaluation.figures import Asked, canvas
from unmask.evaluation.figures.compared import compared, inputs, numbers_of, words
from unmask.evaluation.intervals import exact_interval, intervals

BINS = np.linspace(0, 1, 21)


def draw_reliability(asked: Asked) -> canvas.Picture:
    """Reliability diagram with calibration error, and how many scores lie where."""
    said = compared(asked)
    k = len(said.names)
    figure = canvas.figure_of(height_in=4.6)
    grid = figure.subplots(2, k, height_ratios=(3, 1), sharex=True, sharey="row", squeeze=False)
    wanted = {
        "calibration_error": metrics.calibration_error,
        "brier": metrics.brier,
        "log_loss": metrics.log_loss,
    }
    numbers: dict[str, Any] = {}
    for i, name in enumerate(said.names):
        above, below = grid[:, i]
        found = intervals(said.rankings[i], said.source, wanted)
        bins = metrics.reliability(said.rankings[i])
        low, high = exact_interval(bins.observed * bins.weight, bins.weight)
        above.plot([0, 1], [0, 1], color=canvas.QUIET, linewidth=1, linestyle=":")
        above.vlines(bins.stated, low, high, color=canvas.colour_of(i), linewidth=1.2)
        above.plot(bins.stated, bins.observed, canvas.marker_of(i), color=canvas.colour_of(i))
        above.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        above.set_title(f"{name}\ncalibration error\n{words(found['calibration_error'])}", size=9)
        of = [said.p_fake[i][said.label == label] for label in (0, 1)]
        below.hist(of, BINS, stacked=True, color=[canvas.REAL, canvas.FAKE], alpha=0.75,
                   label=["real", "fake"])  # fmt: skip
        below.set_xlabel("stated: p_fake")
        numbers[name] = numbers_of(found) | {"bins": vars(bins), "low": low, "high": high}
    grid[0, 0].set_ylabel("observed: share of fakes")
    grid[1, 0].set_ylabel(f"{asked.level}s")
    grid[1, 0].legend(fontsize=8)
    canvas.title(figure, "Whether probabilities mean what they say", said.note)
    return canvas.Picture(
        figure=figure, numbers={**said.counts, "detectors": numbers}, inputs=inputs(said.files)
    )
