"""Attention of every head with its learned scale (DTN Fig. 1c, 7), and whether heads collapse.

The paper shows that heads' maps grow alike with depth, and that scaled ones do not. Three numbers
for each layer: how alike its heads are (mean cosine of all pairs), how even their attention is
(entropy, 1 = looks nowhere in particular), and how much the tokens they are given differ at all.
The last tells two cases apart: heads that are alike although there is something to see, and heads
that are alike because every token holds the same vector, where no scale can help (docs/models/
dtn.md, `dtn/no-lc`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from numpy.typing import NDArray

from unmask.errors import UsageError
from unmask.evaluation.examples import Example, flat
from unmask.evaluation.figures import Asked, canvas, panels
from unmask.evaluation.figures.networks import Look, Opened, array, opened, settings_of
from unmask.evaluation.map_numbers import Mean, entropy, head_likeness, mean_of, spread_between
from unmask.explain.attention import Layer, attention_layers
from unmask.models.blocks.attention import AttentionScale

Floats = NDArray[np.float64]

MOST_LAYERS, MOST_HEADS = 8, 12  # shown as maps; the numbers are of all
COLLAPSE = {
    "likeness": "likeness of heads",
    "entropy": "entropy of attention",
    "token_spread": "spread between tokens",
}


@dataclass(frozen=True, kw_only=True)
class Few(Look):
    """What is looked at."""

    n: int = 8


def draw_heads(asked: Asked) -> canvas.Picture:
    """Maps of every head on one face, and the three numbers over depth."""
    settings = settings_of(asked, Few, "attention-heads")
    networks = opened(asked, at_most=3)
    seen = [_look(net, flat(settings.at(asked.data, net))) for net in networks]
    rows = max(min(len(of.shown), MOST_LAYERS) for of in seen)
    heads = max(_n_heads(of) for of in seen)
    cell = min(0.62, (canvas.WIDTH_IN - 0.8) / (len(networks) * heads))
    figure = canvas.figure_of(height_in=rows * (cell + 0.16) + 3.2)
    above, beneath = panels.above_and_below(figure, (rows * (cell + 0.16) + 0.3, 2.1))
    halves = above.subfigures(1, len(networks), squeeze=False)[0]
    panels.close_together(figure)
    for half, net, of in zip(halves, networks, seen, strict=True):
        _maps(half, net.name, of)
    _curves(beneath, networks, seen)
    n = next(iter(seen[0].numbers[0].values())).n
    canvas.title(
        figure,
        "Do heads look at different things?",
        "Above: attention of each head on one fake (rows: who asks, columns: who is asked), one "
        "range; number: its learned scale. Below: mean over "
        f"{n} clips, bands 95 % by recording. 1 = heads are one; attention is even; tokens differ",
    )
    numbers = {net.name: _numbers(of) for net, of in zip(networks, seen, strict=True)}
    return canvas.Picture(figure=figure, numbers=numbers, inputs=[net.header for net in networks])


def draw_scales(asked: Asked) -> canvas.Picture:
    """Learned scales sigmoid(theta) of every head, layer by layer, experts included."""
    networks = opened(asked)
    found = {net.name: learned_scales(net) for net in networks}
    without = [name for name, scales in found.items() if not scales]
    if without:
        raise UsageError(f"{', '.join(without)}: has no learned scales; give networks with MAS")
    figure = canvas.figure_of(height_in=2.3 * len(networks) + 1.0)
    rows = figure.subplots(len(networks), 1, squeeze=False)[:, 0]
    for axes, (name, scales) in zip(rows, found.items(), strict=True):
        _strip(axes, name, scales)
    canvas.title(
        figure,
        "What heads learned to be scaled by",
        "sigmoid(theta) inside the softmax: below the dotted line, where all begin, a head attends "
        "more evenly than it began; above it, more sharply. Bars: mean of a layer",
    )
    numbers = {
        name: {
            layer: {"scales": values.tolist(), "mean": values.mean(), "sd": values.std()}
            for layer, values in scales.items()
        }
        for name, scales in found.items()
    }
    return canvas.Picture(figure=figure, numbers=numbers, inputs=[net.header for net in networks])


def learned_scales(net: Opened) -> dict[str, Floats]:
    """Scales of every layer that has some, by a short name."""
    found = {
        name: array(module.theta.sigmoid())
        for name, module in net.network.named_modules()
        if isinstance(module, AttentionScale)
    }
    return {short_name(name.rpartition(".")[0]): scales for name, scales in found.items()}


def short_name(path: str) -> str:
    """Name a layer in a few letters by its place in the network.

    >>> [short_name(p) for p in ("blocks.0.attn", "moe", "blocks.3.attn_time", "encoder.11.attn")]
    ['1', 'experts', '4 time', '12']
    """
    if path.startswith("moe"):
        return "experts"
    numbers = [str(int(part) + 1) for part in re.findall(r"\d+", path)]
    return ".".join(numbers) + (" time" if path.endswith("attn_time") else "") or path


@dataclass(frozen=True, kw_only=True, eq=False)
class _Seen:
    """Every attention layer of a network: one example to show, numbers of all."""

    names: tuple[str, ...]
    shown: tuple[Floats, ...]  # (h, N, M) each
    scales: tuple[Floats | None, ...]
    numbers: tuple[dict[str, Mean], ...]


def _look(net: Opened, examples: Sequence[Example]) -> _Seen:
    example = next((i for i, one in enumerate(examples) if one.label), 0)
    values: dict[str, list[dict[str, Floats]]] = {}
    shown: dict[str, Floats] = {}
    scales: dict[str, Floats | None] = {}
    at = 0
    for batch in net.batches(examples):
        for layer in attention_layers(net.network, batch):
            maps = array(layer.maps)
            values.setdefault(layer.name, []).append(_of_clips(layer, maps, batch.size))
            if at <= example < at + batch.size:
                first = (example - at) * (len(maps) // batch.size)
                shown[layer.name] = maps[first]
                scales[layer.name] = None if layer.scale is None else array(layer.scale)
        at += batch.size
    source = [one.source for one in examples]
    numbers = tuple(
        {key: mean_of(np.concatenate([part[key] for part in parts]), source) for key in COLLAPSE}
        for parts in values.values()
    )
    return _Seen(
        names=tuple(short_name(name) for name in values),
        shown=tuple(shown.values()),
        scales=tuple(scales.values()),
        numbers=numbers,
    )


def _of_clips(layer: Layer, maps: Floats, clips: int) -> dict[str, Floats]:
    """The three numbers for every clip; of layers over time or space alone, means over the rest."""
    several = maps.shape[1] > 1
    alike = head_likeness(maps) if several else np.ones(len(maps))
    even = entropy(maps).mean((1, 2))
    apart = spread_between(array(layer.tokens))
    found = {"likeness": alike, "entropy": even, "token_spread": apart}
    return {key: value.reshape(clips, -1).mean(1) for key, value in found.items()}


def _n_heads(of: _Seen) -> int:
    return min(MOST_HEADS, max(len(maps) for maps in of.shown))


def _maps(half: SubFigure | Figure, name: str, of: _Seen) -> None:
    rows, heads = min(len(of.shown), MOST_LAYERS), _n_heads(of)
    axes = panels.grid_of(half, rows, heads)
    half.suptitle(name, fontsize=9)
    high = float(np.quantile(np.concatenate([m.ravel() for m in of.shown]), 0.995))
    for row in range(rows):
        scales = of.scales[row]
        for head, one in enumerate(axes[row]):
            if head >= len(of.shown[row]):
                one.set_visible(False)
                continue
            one.imshow(
                of.shown[row][head], cmap=canvas.SEQUENTIAL, vmin=0, vmax=high, aspect="auto"
            )
            if scales is not None:
                panels.below(one, f"{scales[head]:.2f}")
    panels.row_heads(axes, of.names[:rows])


def _curves(beneath: SubFigure, networks: Sequence[Opened], seen: Sequence[_Seen]) -> None:
    axes = beneath.subplots(1, len(COLLAPSE), sharey=True)
    for one, (key, words) in zip(axes, COLLAPSE.items(), strict=True):
        for i, (net, of) in enumerate(zip(networks, seen, strict=True)):
            x = np.arange(1.0, len(of.numbers) + 1)
            means = [numbers[key].estimate for numbers in of.numbers]
            y = np.array([mean.value for mean in means])
            colour = canvas.colour_of(i)
            if all(mean.low is not None for mean in means):
                low, high = (
                    np.array([getattr(m, end) for m in means], float) for end in ("low", "high")
                )
                canvas.band(one, x, (low, high), colour)
            one.plot(x, y, canvas.marker_of(i), linestyle="-", color=colour, label=net.name)
        one.set(xlabel="layer", ylim=(-0.03, 1.05))
        one.set_title(words, fontsize=9)
        one.set_xticks(
            np.unique(np.linspace(1, max(len(of.numbers) for of in seen), 6).astype(int))
        )
    axes[0].legend(fontsize=7.5)


def _numbers(of: _Seen) -> dict[str, Any]:
    return {
        name: {
            **{key: mean.numbers for key, mean in numbers.items()},
            "scales": None if scales is None else scales.tolist(),
        }
        for name, numbers, scales in zip(of.names, of.numbers, of.scales, strict=True)
    }


def _strip(axes: Axes, name: str, scales: dict[str, Floats]) -> None:
    for x, (layer, values) in enumerate(scales.items()):
        shift = np.linspace(-0.2, 0.2, len(values)) if len(values) > 1 else np.zeros(1)
        colour = canvas.colour_of(1 if layer == "experts" else 0)
        axes.hlines(values.mean(), x - 0.3, x + 0.3, color=colour, linewidth=1)
        axes.plot(x + shift, values, "o", color=colour, alpha=0.8)
    axes.axhline(0.5, color=canvas.QUIET, linestyle=":", linewidth=1)
    axes.set_xticks(range(len(scales)), scales)
    axes.set(xlabel="layer", ylabel="sigmoid(theta)")
    axes.set_title(name, fontsize=10)
    axes.grid(visible=False, axis="x")
