"""Maps that guide a long-distance network, for real and fake (Lu et al. Fig. 2, 9, 10).

The paper scales each map by its own extremes, which would paint a map that varies by a hundredth as
boldly as one that stands out; its observation is that maps of reals are even and of fakes peaked.
So all maps of a kind share one range here, and evenness is a number: normalised entropy (1 = even)
and Gini coefficient (0 = even) of real and of fake, with intervals. A convolution may turn shares
negative; what is below zero counts as none, and how much that is is written down.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from unmask.evaluation.examples import Example, flat
from unmask.evaluation.figures import Asked, canvas, panels
from unmask.evaluation.figures.networks import Look, Opened, array, opened, settings_of
from unmask.evaluation.map_numbers import Mean, entropy, gini, mean_of
from unmask.explain.attention import guides

Maps = NDArray[np.float64]
MOST_SHOWN = 6
KINDS = {"spatial_maps": "spatial", "temporal_maps": "temporal"}


def draw_guides(asked: Asked) -> canvas.Picture:
    """Faces of every method under their guiding maps, and how even maps of real and fake are."""
    settings = settings_of(asked, Look, "guides")
    (net,) = opened(asked, at_most=1)
    groups = settings.at(asked.data, net)
    examples = flat(groups)
    maps = guiding_maps(net, examples)
    first = [examples.index(group[0]) for group in groups.values()][:MOST_SHOWN]
    columns = len(first)
    wide = min(1.05 * columns, canvas.WIDTH_IN - 2.2)
    figure = canvas.figure_of(height_in=(wide / columns + 0.22) * (1 + len(maps)) + 0.9)
    left, right = panels.side_by_side(figure, (wide, canvas.WIDTH_IN - wide))
    axes = panels.grid_of(left, 1 + len(maps), columns)
    panels.close_together(figure)
    for one, i in zip(axes[0], first, strict=True):
        panels.show(one, examples[i].views(net.spec)[0])
    for row, of_kind in zip(axes[1:], maps.values(), strict=True):
        _row(row, net, [examples[i] for i in first], of_kind[first].mean(1))
    panels.column_heads(axes, [examples[i].method for i in first], size=7.5)
    panels.row_heads(axes, ["", *(KINDS[kind] for kind in maps)])
    numbers = {KINDS[kind]: evenness(of_kind, examples) for kind, of_kind in maps.items()}
    _dots(right.subplots(2, 1, sharex=True), numbers)
    negative = {KINDS[kind]: float((of_kind < 0).mean()) for kind, of_kind in maps.items()}
    some = next(iter(numbers.values()))
    canvas.title(
        figure,
        f"What guides {net.name}",
        "Mean of the guiding maps, one range for each kind. Under a map: its lowest and highest "
        "value, 1 = features left as they are. Right: 0 = even; 95 % intervals by recording, "
        f"{some['real']['entropy'].n} reals, {some['fake']['entropy'].n} fakes",
    )
    plain = {
        kind: {label: {key: mean.numbers for key, mean in of.items()} for label, of in both.items()}
        for kind, both in numbers.items()
    }
    return canvas.Picture(
        figure=figure, numbers={**plain, "share_below_zero": negative}, inputs=[net.header]
    )


def guiding_maps(net: Opened, examples: Sequence[Example]) -> dict[str, Maps]:
    """Maps of every kind the network has, (n, m, g, g)."""
    parts = [guides(net.network, batch) for batch in net.batches(examples)]
    return {kind: np.concatenate([array(part[kind]) for part in parts]) for kind in parts[0]}


def evenness(maps: Maps, examples: Sequence[Example]) -> dict[str, dict[str, Mean]]:
    """Entropy and Gini of maps (n, m, g, g), mean over the m maps, of reals and of fakes."""
    rows = maps.reshape(*maps.shape[:2], -1)
    values = {"entropy": entropy(rows).mean(1), "gini": gini(rows).mean(1)}
    fake = np.array([one.label == 1 for one in examples])
    source = np.array([one.source for one in examples])
    return {
        name: {key: mean_of(value[own], source[own].tolist()) for key, value in values.items()}
        for name, own in (("real", ~fake), ("fake", fake))
    }


def _row(axes: NDArray[np.object_], net: Opened, examples: Sequence[Example], maps: Maps) -> None:
    low, high = float(maps.min()), float(maps.max())
    for one, example, map_ in zip(axes, examples, maps, strict=True):
        view = example.views(net.spec)[0]
        panels.show(one, panels.ranged_heat(view, map_, low, high))
        panels.below(one, f"{map_.min():.2f} to {map_.max():.2f}")


def _dots(axes: Sequence[Axes], numbers: Mapping[str, Mapping[str, Mapping[str, Mean]]]) -> None:
    shown = {"entropy": "1 - entropy", "gini": "Gini"}
    for one, (key, words) in zip(axes, shown.items(), strict=True):
        for k, both in enumerate(numbers.values()):
            for shift, label, colour in ((-0.1, "real", canvas.REAL), (0.1, "fake", canvas.FAKE)):
                of = both[label][key].estimate
                y = _off_even(key, of.value)
                if of.low is not None and of.high is not None:
                    ends = [_off_even(key, of.low), _off_even(key, of.high)]
                    one.plot([k + shift] * 2, ends, color=colour, linewidth=1.6)
                one.plot(k + shift, y, "o", color=colour, label=label if not k else None)
        one.set_ylabel(words, fontsize=9)
        one.tick_params(labelsize=8)
        one.ticklabel_format(axis="y", scilimits=(-3, 3))
        one.set_ylim(bottom=0)
        one.set_xlim(-0.5, len(numbers) - 0.5)
        one.grid(visible=False, axis="x")
    axes[1].set_xticks(range(len(numbers)), list(numbers))
    axes[0].legend(fontsize=8)


def _off_even(key: str, value: float) -> float:
    """How far from even: both numbers with 0 = even, as they are drawn."""
    return 1 - value if key == "entropy" else value
