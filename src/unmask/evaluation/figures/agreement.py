"""Two detectors on the same videos, score against score (Heo et al. 2021, Fig. 5).

What the paper leaves to the eye is stated: how far the two put the videos of each label in one
order (rank correlation), and how widely one scatters where the other is sure of a fake.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from scipy.stats import rankdata

from unmask.errors import DataError, UsageError
from unmask.evaluation.figures import Asked, canvas
from unmask.evaluation.figures.compared import Compared, compared, inputs, number, words
from unmask.evaluation.intervals import MIN_SOURCES, Estimate, draws, percentiles
from unmask.evaluation.ranking import Floats

SURE = 0.95  # above it a detector is called sure of a fake
RESAMPLES = 1000
LABELS = ((1, "fake", canvas.FAKE), (0, "real", canvas.REAL))
MANY = 2000  # points from which on an SVG holds them as a picture


def draw_scatter(asked: Asked) -> canvas.Picture:
    """Scores of the first detector (x) against the second's (y), by label."""
    said = compared(asked)
    if len(said.names) != 2:
        raise UsageError(f"scatter sets two detectors against each other; {len(said.names)} given")
    figure = canvas.figure_of(height_in=4.4)
    left, right = figure.subplots(1, 2, width_ratios=(1.35, 1))
    numbers: dict[str, Any] = {}
    for label, name, colour in LABELS:
        of = said.label == label
        rank = _rank_correlation(said, of)
        numbers[f"rank_correlation_{name}"] = number(rank)
        left.scatter(
            said.p_fake[0][of], said.p_fake[1][of], s=12, color=colour, alpha=0.45, linewidth=0,
            label=f"{name}: rank correlation {words(rank)}", rasterized=of.sum() > MANY,
        )  # fmt: skip
    left.plot([0, 1], [0, 1], color=canvas.QUIET, linewidth=1, linestyle=":")
    for line in (left.axvline, left.axhline):
        line(SURE, color=canvas.QUIET, linewidth=0.8)
    left.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
    left.set(xlabel=f"p_fake of {said.names[0]}", ylabel=f"p_fake of {said.names[1]}")
    left.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), fontsize=8, handletextpad=0.2)
    numbers["sure"] = SURE
    numbers["where_the_other_is_sure"] = _where_sure(right, said)
    canvas.title(figure, "Two detectors on the same videos", said.note)
    return canvas.Picture(
        figure=figure, numbers={**said.counts, **numbers}, inputs=inputs(said.files)
    )


def _rank_correlation(said: Compared, of: np.ndarray[Any, Any]) -> Estimate:
    """Spearman's rank correlation of the two detectors' scores over the videos of one label.

    Raises:
        DataError: a detector gives them all one score, so that there is no order.
    """
    x, y = said.p_fake[0][of], said.p_fake[1][of]
    for name, scores in zip(said.names, (x, y), strict=True):
        if len(set(scores.tolist())) < 2:
            raise DataError(f"{name} gives all {len(scores)} of one label the same score, so the "
                            "rank correlation is undefined")  # fmt: skip
    value = _spearman(x, y)
    sources, group = np.unique(np.asarray(said.source)[of], return_inverse=True)
    if len(sources) < MIN_SOURCES:
        return Estimate(value=value)
    members = np.split(np.argsort(group, kind="stable"), np.cumsum(np.bincount(group))[:-1])
    drawn: list[float] = []
    for counts, _ in zip(draws(len(sources)), range(RESAMPLES), strict=False):
        picked = np.concatenate([np.tile(m, int(n)) for m, n in zip(members, counts, strict=True)])
        drawn.append(_spearman(x[picked.astype(int)], y[picked.astype(int)]))
    low, high = percentiles([value for value in drawn if np.isfinite(value)])
    return Estimate(value=value, low=low, high=high)


def _spearman(x: Floats, y: Floats) -> float:
    """Correlation of ranks, ties sharing theirs; not a number where one of the two is constant."""
    ranks = rankdata(x), rankdata(y)
    return float(np.corrcoef(*ranks)[0, 1]) if all(map(np.ptp, ranks)) else float("nan")


def _where_sure(axes: Axes, said: Compared) -> list[dict[str, Any]]:
    """Draw and return how one detector scores where the other is sure of a fake, both ways."""
    found = []
    for row, (of, where) in enumerate(((1, 0), (0, 1))):
        scores = said.p_fake[of][said.p_fake[where] > SURE]
        told: dict[str, Any] = {"of": said.names[of], "where": said.names[where], "n": len(scores)}
        axes.text(0, 1 - row + 0.27, f"{said.names[of]} where {said.names[where]} > {SURE:g}",
                  fontsize=9, fontweight="bold")  # fmt: skip
        if not len(scores):
            axes.text(0, 1 - row, "nowhere", fontsize=9, va="center", color=canvas.QUIET)
            found.append(told)
            continue
        low, q1, middle, q3, high = np.quantile(scores, [0.05, 0.25, 0.5, 0.75, 0.95])
        told |= {"median": middle, "q1": q1, "q3": q3, "iqr": q3 - q1, "p05": low, "p95": high}
        found.append(told)
        colour = canvas.colour_of(of)
        axes.plot([low, high], [1 - row] * 2, color=colour, linewidth=1.2)
        axes.plot([q1, q3], [1 - row] * 2, color=colour, linewidth=9, alpha=0.45,
                  solid_capstyle="butt")  # fmt: skip
        axes.plot(middle, 1 - row, "|", color=colour, markersize=15, markeredgewidth=2)
        axes.text(0, 1 - row - 0.27, f"median {middle:.3f}, IQR {q3 - q1:.3f}, n = {len(scores)}",
                  fontsize=8.5, color=canvas.QUIET, va="top")  # fmt: skip
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.55, 1.5), yticks=[], xlabel="p_fake")
    axes.set_title("how far they scatter")
    axes.spines["left"].set_visible(False)
    return found
