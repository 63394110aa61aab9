"""Where features lie: t-SNE by manipulation with silhouettes (DTN Fig. 10), and maps (Fig. 9).

The paper's t-SNE shows forgeries moving together and away from reals over generations. t-SNE keeps
neighbours and nothing else: distances and sizes of its clouds mean little. So the silhouettes stand
beside it, on the raw features: among the forgeries (falls as they become one class) and of reals
against fakes (rises as they part).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from sklearn.manifold import TSNE
from sklearn.metrics import pairwise_distances, silhouette_score

from unmask.datasets.manifest import ORIGINAL
from unmask.errors import DataError
from unmask.evaluation.examples import Example, flat
from unmask.evaluation.figures import Asked, canvas, panels
from unmask.evaluation.figures.networks import (
    Look,
    Opened,
    array,
    grouped,
    opened,
    settings_of,
)
from unmask.evaluation.intervals import MIN_SOURCES, Estimate, percentiles
from unmask.evaluation.map_numbers import entropy, gini, mean_of
from unmask.explain.gradients import features_and_gradient
from unmask.explain.places import place_of

HALVES = 200  # random halves of the recordings, whose spread is shown
MARKS = ("s", "D", "^", "v", "P", "X", "*", "<")


@dataclass(frozen=True, kw_only=True)
class Cloud(Look):
    """What is looked at, and how it is laid out."""

    n: int = 500  # recordings of each class, as in the paper
    perplexity: float = 30.0
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Several(Look):
    """What is looked at, in which data."""

    also: tuple[str, ...] = ()  # further prepared data, beside --data


def draw_tsne(asked: Asked) -> canvas.Picture:
    """One cloud for every network, and silhouettes under it."""
    settings = settings_of(asked, Cloud, "tsne")
    networks = opened(asked, at_most=6)
    columns = min(3, len(networks))
    rows = -(-len(networks) // columns)
    figure = canvas.figure_of(height_in=2.9 * rows + 1.2)
    axes = panels.grid_of(figure, rows, columns)
    numbers: dict[str, Any] = {}
    places: list[Axes] = axes.ravel().tolist()
    for one, net in zip(places, networks, strict=False):
        groups = settings.at(asked.data, net)
        features = features_of(net, flat(groups))
        numbers[net.name] = _silhouettes(groups, features, seed=settings.seed)
        _cloud(one, groups, embedded(features, settings.perplexity, settings.seed))
        one.set_title(net.name, fontsize=9.5, loc="center")
        panels.below(one, _words(numbers[net.name]))
    for one in places[len(networks) :]:
        one.set_visible(False)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center", fontsize=8.5)
    canvas.title(
        figure,
        "Features by manipulation",
        "t-SNE: neighbours are meant, distances are not. Silhouettes are of the raw features; "
        f"in brackets 95 % of {HALVES} random halves of the recordings",
    )
    return canvas.Picture(figure=figure, numbers=numbers, inputs=[net.header for net in networks])


def draw_maps(asked: Asked) -> canvas.Picture:
    """Strength of the last feature map on faces of several data sets, for every network."""
    settings = settings_of(asked, Several, "feature-maps")
    networks = opened(asked, at_most=5)
    assert asked.data is not None, "the table of figures asks for data"
    folders = [asked.data, *map(Path, settings.also)]
    shown = ["real", "fake"]
    columns = len(folders) * len(shown)
    side = min(1.7, (canvas.WIDTH_IN - 0.3) / columns)
    figure = canvas.figure_of(height_in=(side + 0.2) * (1 + len(networks)) + 0.9)
    axes = panels.grid_of(figure, 1 + len(networks), columns)
    panels.close_together(figure)
    numbers: dict[str, Any] = {net.name: {} for net in networks}
    for row, net in enumerate(networks, start=1):
        looks = [(folder, flat(settings.at(folder, net))) for folder in folders]
        found = [
            (folder, kind, [one for one in examples if one.label == (kind == "fake")])
            for folder, examples in looks
            for kind in shown
        ]
        maps = [strength_maps(net, some) if some else None for _, _, some in found]
        largest = max(float(m[0].max()) for m in maps if m is not None)
        for column, ((folder, kind, some), of) in enumerate(zip(found, maps, strict=True)):
            if of is None:
                continue
            _strength(axes[[0, row], column], some[0].views(net.spec)[0], of[0], largest)
            told = numbers[net.name].setdefault(_data_name(folder), {})
            told[kind] = _evenness(of, some)
    heads = [f"{kind}, {_data_name(folder)}" for folder in folders for kind in shown]
    panels.column_heads(axes, heads)
    panels.row_heads(axes, ["", *(net.name.split("/", 1)[-1] for net in networks)])
    canvas.title(
        figure,
        "How strong features are, and where",
        "Mean size over the channels of the last map, over its mean: green is more than the even "
        "share, one range for each network. Under a map: its entropy (1 = even)",
    )
    return canvas.Picture(figure=figure, numbers=numbers, inputs=[net.header for net in networks])


def features_of(net: Opened, examples: Sequence[Example]) -> NDArray[np.float64]:
    """What the classifier is given (n, D), or the mean of the last map where it is not told."""
    if net.tells("feature"):
        return net.aux(examples, "feature")
    return np.concatenate([m.mean((2, 3, 4)) for m in _place_features(net, examples)])


def strength_maps(net: Opened, examples: Sequence[Example]) -> NDArray[np.float64]:
    """Mean size over channels of the last feature map (n, h, w), 1 = its mean."""
    maps = np.concatenate([np.abs(m).mean((1, 2)) for m in _place_features(net, examples)])
    return np.asarray(maps / maps.mean((1, 2), keepdims=True))


def embedded(features: NDArray[np.float64], perplexity: float, seed: int) -> NDArray[np.float64]:
    """Two dimensions by t-SNE, each feature scaled by its spread; the same seed, the same cloud."""
    if len(features) < 4:
        raise DataError(f"{len(features)} clips are too few for a cloud")
    spread = features.std(0)
    scaled = (features - features.mean(0)) / np.where(spread > 0, spread, 1)
    most = (len(features) - 1) / 3
    model = TSNE(perplexity=min(perplexity, most), init="pca", random_state=seed)
    return np.asarray(model.fit_transform(scaled), np.float64)


def silhouette(
    features: NDArray[np.float64], label: Sequence[str], source: Sequence[str], *, seed: int = 0
) -> Estimate:
    """Mean silhouette of raw features, and between what 95 % of random halves of recordings lie.

    Halves and not the bootstrap: a clip drawn twice would be its own nearest neighbour.

    Raises:
        DataError: there is one class only, or a class of one.
    """
    names, kind = np.unique(np.asarray(label), return_inverse=True)
    if len(names) < 2 or np.bincount(kind).min() < 2:
        raise DataError(f"silhouettes need two classes of two clips or more, not {list(names)}")
    apart = pairwise_distances(features)
    value = float(silhouette_score(apart, kind, metric="precomputed"))
    recordings, own = np.unique(np.asarray(source), return_inverse=True)
    if len(recordings) < MIN_SOURCES:
        return Estimate(value=value)
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(HALVES):
        half = rng.permutation(len(recordings))[: len(recordings) // 2]
        kept = np.flatnonzero(np.isin(own, half))
        counts = np.bincount(kind[kept], minlength=len(names))
        if (counts > 1).all():
            found.append(
                float(silhouette_score(apart[np.ix_(kept, kept)], kind[kept], metric="precomputed"))
            )
    if len(found) < 0.95 * HALVES:
        return Estimate(value=value)
    low, high = percentiles(found)
    return Estimate(value=value, low=low, high=high)


def _place_features(net: Opened, examples: Sequence[Example]) -> list[NDArray[np.float64]]:
    place = place_of(net.network)
    return [
        array(features_and_gradient(net.network, batch, place)[0])
        for batch in net.batches(examples)
    ]


def _silhouettes(
    groups: Mapping[str, Sequence[Example]], features: NDArray[np.float64], *, seed: int
) -> dict[str, Any]:
    examples = flat(groups)
    source = [one.source for one in examples]
    fake = np.array([one.label == 1 for one in examples])
    methods = [one.method for one in examples]
    numbers: dict[str, Any] = {"n": {name: len(group) for name, group in groups.items()}}
    real_fake = ["fake" if one else "real" for one in fake]
    numbers["real_against_fake"] = vars(silhouette(features, real_fake, source, seed=seed))
    if len(groups) > 2:
        among = silhouette(
            features[fake],
            [m for m, one in zip(methods, fake, strict=True) if one],
            [s for s, one in zip(source, fake, strict=True) if one],
            seed=seed,
        )
        numbers["among_forgeries"] = vars(among)
    return numbers


def _words(numbers: Mapping[str, Any]) -> str:
    lines = []
    for key, words in (("real_against_fake", "real | fake"), ("among_forgeries", "forgeries")):
        if key in numbers:
            lines.append(f"silhouette, {words}: {_estimate(numbers[key])}")
    return "\n".join(lines)


def _estimate(of: Mapping[str, float | None]) -> str:
    if of["low"] is None:
        return f"{of['value']:.2f}"
    return f"{of['value']:.2f} ({of['low']:.2f} to {of['high']:.2f})"


def _cloud(
    axes: Axes, groups: Mapping[str, Sequence[Example]], places: NDArray[np.float64]
) -> None:
    parts = grouped(groups, places)
    for i, (method, part) in enumerate(parts.items()):
        real = method == ORIGINAL
        axes.plot(
            part[:, 0],
            part[:, 1],
            "o" if real else MARKS[(i - 1) % len(MARKS)],
            color=canvas.REAL if real else canvas.colour_of(i),
            markersize=3.5,
            alpha=0.75,
            markeredgewidth=0,
            label="real" if real else method,
        )


def _strength(
    axes: NDArray[np.object_], view: NDArray[np.uint8], heat: NDArray[np.float64], largest: float
) -> None:
    face, under = axes
    panels.show(face, view)
    panels.show(under, panels.unsigned_heat(view, heat, largest, even=1.0))
    panels.below(under, f"{entropy(heat.reshape(1, -1))[0]:.3f}")


def _evenness(maps: NDArray[np.float64], examples: Sequence[Example]) -> dict[str, Any]:
    rows, source = maps.reshape(len(maps), -1), [one.source for one in examples]
    return {
        "entropy": mean_of(entropy(rows), source).numbers,
        "gini": mean_of(gini(rows), source).numbers,
    }


def _data_name(folder: Path) -> str:
    return folder.name
