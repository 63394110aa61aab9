"""Error against coverage: what a detector that may stay silent gets wrong of what it answers.

The surest answer first, sure being far from one half (`metrics.error_of_surest`). Videos without a
score are never answered, so the curves end where coverage ends.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from matplotlib.ticker import PercentFormatter

from unmask.evaluation.figures import Asked, canvas
from unmask.evaluation.figures.compared import compared, inputs
from unmask.evaluation.metrics import EVEN, error_of_surest
from unmask.evaluation.ranking import Floats, Ranking

ANSWERED = np.linspace(0.05, 1, 96)  # shares of what was scored
STATED = (0.5, 0.8, 0.9, 1.0)  # where the error is written out


def draw_coverage(asked: Asked) -> canvas.Picture:
    """Share of wrong answers against the share of videos answered."""
    said = compared(asked)
    covered = said.n_scored / said.n_videos
    wanted = {f"error_of_surest_{s:g}": partial(error_of_surest, share=s) for s in STATED}
    found = said.measured(wanted)
    figure = canvas.figure_of(height_in=3.8)
    axes = figure.subplots()
    ends = []
    for i, name in enumerate(said.names):
        wrong, colour = errors(said.rankings[i]), canvas.colour_of(i)
        canvas.band(axes, ANSWERED * covered, said.band(i, errors), colour)
        axes.plot(ANSWERED * covered, wrong, color=colour)
        ends.append((float(wrong[-1]), f"{name}: {wrong[-1]:.1%}", colour))
    axes.set(xlim=(0, covered), xlabel="share of videos answered, the surest first")
    axes.set_ylabel("share of wrong answers")
    axes.set_ylim(bottom=0)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1, decimals=0))
    canvas.label_ends(axes, ends)
    canvas.title(figure, "Errors of a detector that may stay silent", f"{said.note}. Fake from "
                 f"{EVEN:g} on")  # fmt: skip
    return canvas.Picture(figure=figure, numbers=said.told(found), inputs=inputs(said.files))


def errors(ranking: Ranking) -> Floats:
    """Share of wrong answers at each share of `ANSWERED`, as `error_of_surest` has it."""
    order, last = ranking.ordered.surest
    wrong = (ranking.ordered.probability >= EVEN) != ranking.ordered.fake
    answered = np.cumsum(ranking.weight[order])[last]
    of_these = np.cumsum((ranking.weight * wrong)[order])[last]
    at = np.searchsorted(answered, ANSWERED * ranking.n - 1e-9)
    share: Floats = of_these[at] / answered[at]
    return share
