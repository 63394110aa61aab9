"""Soft labels of a teacher (DTN Fig. 8a): what students are taught about single samples.

The paper shows a few samples with the teacher's P(fake) and names two weaknesses: labels that are
wrong, and labels that say nothing. Here both are counted over all samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from unmask.evaluation.examples import Example, flat
from unmask.evaluation.figures import Asked, canvas, panels
from unmask.evaluation.figures.networks import Look, Opened, opened, settings_of
from unmask.evaluation.map_numbers import mean_of
from unmask.scoring.calibrate import sigmoid

AMBIGUOUS = (0.4, 0.6)
SHOWN = 6  # of each class, from the most certainly right to the most wrong
BINS = np.linspace(0, 1, 21).tolist()


@dataclass(frozen=True, kw_only=True)
class Softened(Look):
    """What is looked at, and how far labels are softened."""

    n: int = 40
    temperature: float = 4.0  # of the distillation (docs/models/dtn.md)


def draw_soft_labels(asked: Asked) -> canvas.Picture:
    """Samples with their soft labels, and all labels of reals and of fakes."""
    settings = settings_of(asked, Softened, "soft-labels")
    (net,) = opened(asked, at_most=1)
    examples = flat(settings.at(asked.data, net))
    logits = net.logits(examples)
    p_fake, softer = sigmoid(logits), sigmoid(logits / settings.temperature)
    label = np.array([one.label for one in examples])
    figure = canvas.figure_of(height_in=2 * 1.45 + 2.7)
    above, beneath = panels.above_and_below(figure, (2 * 1.45, 1.8))
    axes = panels.grid_of(above, 2, SHOWN)
    panels.close_together(figure)
    for row, kind in zip(axes, (0, 1), strict=True):
        _samples(row, net, examples, np.flatnonzero(label == kind), (p_fake, softer))
    panels.row_heads(axes, ["real", "fake"])
    _histogram(beneath.subplots(1, 1), p_fake, label)
    numbers = _numbers(p_fake, softer, label, examples)
    canvas.title(
        figure,
        f"What {net.name} teaches about samples",
        f"Above: P(fake), and softened at temperature {settings.temperature:g}; from the most "
        "certainly right (left) to the most wrong. Below: all "
        f"{len(examples)} clips: {numbers['wrong']['value']:.1%} wrong, "
        f"{numbers['ambiguous']['value']:.1%} ambiguous (shaded)",
    )
    return canvas.Picture(figure=figure, numbers=numbers, inputs=[net.header])


def _samples(
    axes: NDArray[np.object_],
    net: Opened,
    examples: list[Example],
    own: NDArray[np.int64],
    labels: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> None:
    p_fake, softer = labels
    fakes = bool(examples[own[0]].label) if len(own) else False
    order = own[np.argsort(-p_fake[own] if fakes else p_fake[own], kind="stable")]
    chosen = order[np.linspace(0, len(order) - 1, min(SHOWN, len(order))).round().astype(int)]
    for one in axes[len(chosen) :]:
        one.set_visible(False)
    for one, i in zip(axes, chosen, strict=False):
        panels.show(one, examples[i].views(net.spec)[0])
        panels.below(one, f"{p_fake[i]:.2f}, softened {softer[i]:.2f}")


def _histogram(axes: Axes, p_fake: NDArray[np.float64], label: NDArray[np.int64]) -> None:
    axes.axvspan(*AMBIGUOUS, color=canvas.FAINT)
    for kind, name, colour in ((0, "real", canvas.REAL), (1, "fake", canvas.FAKE)):
        axes.hist(p_fake[label == kind], BINS, color=colour, alpha=0.65, label=name)
    axes.set(xlabel="P(fake), not softened", ylabel="clips", xlim=(0, 1))
    axes.legend(fontsize=8)


def _numbers(
    p_fake: NDArray[np.float64],
    softer: NDArray[np.float64],
    label: NDArray[np.int64],
    examples: list[Example],
) -> dict[str, Any]:
    source = [one.source for one in examples]
    low, high = AMBIGUOUS
    values = {
        "wrong": (p_fake >= 0.5) != (label == 1),
        "ambiguous": (p_fake >= low) & (p_fake <= high),
        "ambiguous_softened": (softer >= low) & (softer <= high),
    }
    shares = {key: mean_of(value.astype(float), source).numbers for key, value in values.items()}
    means = {
        f"mean_{name}": float(p_fake[label == kind].mean())
        for kind, name in ((0, "real"), (1, "fake"))
        if (label == kind).any()
    }
    return {**shares, **means}
