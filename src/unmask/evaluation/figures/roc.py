"""How well detectors rank: ROC (Heo et al. 2021, Fig. 3; Lu et al. 2021, Fig. 7), precision-recall.

Heo et al. claim that their precision is higher as recall comes near 1, so precision is stated at
recall .95, .98 and .99.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from unmask.evaluation.compare import Pair, delong, holm
from unmask.evaluation.figures import Asked, canvas
from unmask.evaluation.figures.compared import (
    Compared,
    Estimates,
    compared,
    inputs,
    number,
    words,
)
from unmask.evaluation.metrics import auc, average_precision, precision_at_recall, tpr_at_fpr
from unmask.evaluation.ranking import Floats, Ranking

RATES = (0.01, 0.05)  # false-positive rates at which the share found is stated
RECALLS = (0.95, 0.98, 0.99)
LOWEST_FPR = 1e-3  # left edge of the half with a logarithmic axis
FPR = np.unique(np.append(np.linspace(0, 1, 201), np.logspace(np.log10(LOWEST_FPR), 0, 151)))
RECALL = np.linspace(0.005, 1, 200)


def draw_roc(asked: Asked) -> canvas.Picture:
    """ROC of detectors on the same videos, with 95 % bands: as usual, and where alarms are rare."""
    said = compared(asked)
    wanted = {"auc": auc} | {f"tpr_at_fpr_{r:g}": partial(tpr_at_fpr, fpr=r) for r in RATES}
    found = said.measured(wanted)
    figure = canvas.figure_of(height_in=4.3)
    left, right = figure.subplots(1, 2, sharey=True)
    for axes in (left, right):
        axes.plot(FPR, FPR, color=canvas.QUIET, linewidth=1, linestyle=":")
        for i, ranking in enumerate(said.rankings):
            canvas.band(axes, FPR, said.band(i, found_at), canvas.colour_of(i))
            axes.plot(FPR, found_at(ranking), color=canvas.colour_of(i), drawstyle="steps-post")
    left.set(xlabel="share of reals called fake", ylabel="share of fakes found")
    left.set(xlim=(0, 1), ylim=(0, 1.01))
    fewest = max(LOWEST_FPR, 1 / said.rankings[0].n_real)  # one false alarm
    right.set(xlabel="share of reals called fake, logarithmic", xscale="log", xlim=(fewest, 1))
    right.xaxis.set_major_formatter(FuncFormatter(lambda rate, _: f"{rate:g}"))
    named = zip(said.names, found, strict=True)
    key = [f"{name}: AUC {words(of['auc'])}" for name, of in named]
    tests = differences(said)
    canvas.title(
        figure, "Fakes found against false alarms", said.note + _against_first(tests), key=key
    )
    numbers = {**said.told(found), "delong": tests}
    return canvas.Picture(figure=figure, numbers=numbers, inputs=inputs(said.files))


def draw_precision_recall(asked: Asked) -> canvas.Picture:
    """Precision against recall, and the precision that is left where nearly all is found."""
    said = compared(asked)
    wanted = {"average_precision": average_precision} | {
        f"precision_at_recall_{r:g}": partial(precision_at_recall, recall=r) for r in RECALLS
    }
    found = said.measured(wanted)
    figure = canvas.figure_of(height_in=4.3)
    left, right = figure.subplots(1, 2, width_ratios=(1.3, 1), sharey=True)
    share = float(said.label.mean())
    left.axhline(share, color=canvas.QUIET, linewidth=1, linestyle=":")
    for i, ranking in enumerate(said.rankings):
        canvas.band(left, RECALL, said.band(i, precision_of), canvas.colour_of(i))
        left.plot(RECALL, precision_of(ranking), color=canvas.colour_of(i))
    left.set(xlabel="recall: share of fakes found", xlim=(0, 1), ylim=(0.98 * share, 1.01))
    left.set(ylabel="precision: share of fakes among alarms")
    named = zip(said.names, found, strict=True)
    key = [f"{name}: mean {words(of['average_precision'])}" for name, of in named]
    _near_one(right, found)
    canvas.title(
        figure, "Precision against recall", f"{said.note}. Dotted: all called fake", key=key
    )
    return canvas.Picture(figure=figure, numbers=said.told(found), inputs=inputs(said.files))


def differences(said: Compared) -> list[dict[str, Any]]:
    """Test every two detectors' AUCs against each other (DeLong), corrected by Holm."""
    tests: list[dict[str, Any]] = []
    for i, j in combinations(range(len(said.names)), 2):
        found = delong(
            Pair(
                label=said.label.astype(np.int8),
                first=said.p_fake[i],
                second=said.p_fake[j],
                source=said.source,
                only_first=0,
                only_second=0,
            )
        )
        names = {"first": said.names[i], "second": said.names[j]}
        tests.append(names | {"difference": number(found.difference), "p_value": found.p_value})
    corrected = holm([test["p_value"] for test in tests])
    return [test | {"p_holm": p} for test, p in zip(tests, corrected, strict=True)]


def _against_first(tests: list[dict[str, Any]]) -> str:
    """The tests of all others against the first detector, in words."""
    told = [
        f"{test['second']} {test['difference']['value']:+.3f} ({_p(test['p_holm'])})"
        for test in tests
        if test["first"] == tests[0]["first"] and test["p_holm"] is not None
    ]
    return f". AUC against {tests[0]['first']} (DeLong, Holm): {', '.join(told)}" if told else ""


def _p(value: float) -> str:
    return "p<0.001" if value < 0.001 else f"p={value:.3f}"


def found_at(ranking: Ranking) -> Floats:
    """Share of fakes found at each rate of `FPR`."""
    allowed = np.searchsorted(ranking.alarms, FPR * ranking.n_real + 1e-9, side="right")
    return np.append(0.0, ranking.found / ranking.n_fake)[allowed]


def precision_of(ranking: Ranking) -> Floats:
    """Best precision at each recall of `RECALL`, as `precision_at_recall` has it."""
    reached = ranking.found + ranking.alarms
    precision = np.divide(ranking.found, reached, out=np.zeros_like(reached), where=reached > 0)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    return best[np.searchsorted(ranking.found, RECALL * ranking.n_fake - 1e-9)]


def _near_one(axes: Axes, found: Sequence[Estimates]) -> None:
    """Precision at the recalls that are asked of a filter, beside one another."""
    for i, of in enumerate(found):
        shift = 0.16 * (i - (len(found) - 1) / 2)
        for k, recall in enumerate(RECALLS):
            estimate = of[f"precision_at_recall_{recall:g}"]
            canvas.whisker(axes, k + shift, estimate, i)
    axes.set_xticks(range(len(RECALLS)), [f"{recall:g}" for recall in RECALLS])
    axes.set(xlabel="where recall is", xlim=(-0.5, len(RECALLS) - 0.5))
    axes.grid(visible=False, axis="x")
