"""What clip networks look at, frame by frame, and which channels they weigh (Das et al. 2021).

Non-local blocks let every place of a clip look at every other one, a TimeSformer's class token
looks at all patches of all frames; squeeze-and-excitation weighs channels. Beside the pictures:
how evenly a network uses the frames of a clip and the places of a frame (entropy, 1 = even), and
how far the channels' weights of reals and fakes are apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unmask.datasets.manifest import ORIGINAL
from unmask.errors import UsageError
from unmask.evaluation.examples import Example, flat
from unmask.evaluation.figures import Asked, canvas, panels
from unmask.evaluation.figures.networks import Look, Opened, array, opened, settings_of
from unmask.evaluation.map_numbers import entropy, mean_if_any, numbers_of
from unmask.explain.maps import SIGNED, methods_of
from unmask.explain.nonlocal_maps import channel_weights

Maps = NDArray[np.float64]  # (n, T, h, w)
MOST_FRAMES = 8
_FITTING = ("non_local", "rollout", "attention", "cam", "grad_cam")  # the first that there is


@dataclass(frozen=True, kw_only=True)
class Explained(Look):
    """What is looked at, and by what it is explained."""

    method: str = "auto"


def draw_clips(asked: Asked) -> canvas.Picture:
    """Frames of a real and of a fake under the map of each, for every network."""
    settings = settings_of(asked, Explained, "clip-maps")
    networks = opened(asked, at_most=3)
    still = [net.name for net in networks if net.spec.n_frames == 1]
    if still:
        raise UsageError(f"{', '.join(still)}: looks at single frames; see unmask figure grad-cam")
    columns = min(MOST_FRAMES, max(net.spec.n_frames for net in networks))
    side = min(1.2, (canvas.WIDTH_IN - 0.3) / columns)
    rows = 4 * len(networks)
    figure = canvas.figure_of(height_in=(side + 0.04) * rows + 0.3 * len(networks) + 0.8)
    blocks = figure.subfigures(len(networks), 1, squeeze=False)[:, 0]
    panels.close_together(figure)
    numbers: dict[str, Any] = {}
    for block, net in zip(blocks, networks, strict=True):
        method = method_of(net, settings.method)
        groups = settings.at(asked.data, net)
        examples = flat(groups)
        maps = net.maps(examples, method)
        numbers[net.name] = {"method": method, **_evenness(maps, examples)}
        axes = panels.grid_of(block, 4, columns)
        _rows(axes, net, [groups[ORIGINAL][0], _fake(groups)], (maps, examples), method)
        block.suptitle(f"{net.name}: {_words(numbers[net.name], method)}", fontsize=8)
    canvas.title(
        figure,
        "What clip networks look at, frame by frame",
        f"{panels.UNSIGNED_KEY}, or for maps with a sign: {panels.SIGNED_KEY.lower()}; one range "
        "for each network. Entropy 1 = all frames, or all places of a frame, count alike",
    )
    return canvas.Picture(figure=figure, numbers=numbers, inputs=[net.header for net in networks])


def draw_channels(asked: Asked) -> canvas.Picture:
    """Mean weight of every channel after each stage, of reals and of fakes, in order of size."""
    settings = settings_of(asked, Look, "channel-weights")
    networks = opened(asked, at_most=3)
    looks = []
    for net in networks:
        examples = flat(settings.at(asked.data, net))
        looks.append((examples, _weights(net, examples)))
    stages = max(len(weights) for _, weights in looks)
    figure = canvas.figure_of(height_in=2.2 * len(networks) + 1.1)
    axes = figure.subplots(len(networks), stages, squeeze=False, sharey=True)
    numbers: dict[str, Any] = {}
    for row, net, (examples, weights) in zip(axes, networks, looks, strict=True):
        numbers[net.name] = {}
        for stage, (one, of) in enumerate(zip(row, weights, strict=True), start=1):
            apart = _channels(one, of, examples)
            numbers[net.name][f"stage {stage}"] = apart
            one.set_title(f"stage {stage}", fontsize=9)
            one.set_xlabel(f"apart by {apart['apart']:.3f}", fontsize=8)
        row[0].set_ylabel(net.name, fontsize=8.5)
    axes[0, 0].legend(fontsize=8)
    canvas.title(
        figure,
        "How channels are weighed",
        "Squeeze-and-excitation: mean weight of every channel, in the order of the reals' weights; "
        "below: mean distance between the two curves",
    )
    return canvas.Picture(figure=figure, numbers=numbers, inputs=[net.header for net in networks])


def method_of(net: Opened, asked: str) -> str:
    """Choose an explanation that tells frames apart where the network has one."""
    fitting = methods_of(net.network)
    return next(m for m in _FITTING if m in fitting) if asked == "auto" else asked


def over_time(maps: Maps) -> NDArray[np.float64]:
    """How evenly frames count (n,): entropy of each frame's sum."""
    return entropy(np.abs(maps).sum((2, 3)))


def over_space(maps: Maps) -> NDArray[np.float64]:
    """How evenly the places of a frame count (n,): mean entropy over frames."""
    rows = np.abs(maps).reshape(*maps.shape[:2], -1)
    return np.asarray(entropy(rows).mean(1))


def _evenness(maps: Maps, examples: Sequence[Example]) -> dict[str, Any]:
    seen = maps[:, np.isfinite(maps).all((0, 2, 3))]
    values = {"over_space": over_space(seen)}
    if seen.shape[1] > 1:
        values["over_time"] = over_time(seen)
    fake = np.array([one.label == 1 for one in examples])
    source = np.array([one.source for one in examples])
    return {
        name: {k: numbers_of(mean_if_any(v[own], source[own].tolist())) for k, v in values.items()}
        for name, own in (("real", ~fake), ("fake", fake))
    }


def _fake(groups: Mapping[str, Sequence[Example]]) -> Example:
    return next(group[0] for method, group in groups.items() if method != ORIGINAL)


def _rows(
    axes: panels.Grid,
    net: Opened,
    pair: Sequence[Example],
    found: tuple[Maps, Sequence[Example]],
    method: str,
) -> None:
    """A row of faces and a row of maps for each of a real and a fake."""
    maps, examples = found
    places = [list(examples).index(one) for one in pair]
    largest = panels.largest_of(maps[places])
    frames = np.linspace(0, net.spec.n_frames - 1, axes.shape[1]).round().astype(int)
    for k, (example, place) in enumerate(zip(pair, places, strict=True)):
        views = example.views(net.spec)
        for column, t in enumerate(frames):
            panels.show(axes[2 * k, column], views[t])
            if not np.isfinite(maps[place, t]).all():
                axes[2 * k + 1, column].set_visible(False)
                continue
            heat = (
                panels.signed_heat(views[t], maps[place, t], largest)
                if method in SIGNED
                else panels.unsigned_heat(views[t], maps[place, t], largest, even=1.0)
            )
            panels.show(axes[2 * k + 1, column], heat)
    panels.row_heads(axes, ["real", "", pair[1].method, ""], size=7.5)


def _words(numbers: Mapping[str, Any], method: str) -> str:
    """Entropies in a line, of the real ones and of the fake ones."""
    parts = []
    for key, words in (("over_time", "frames"), ("over_space", "places")):
        if key in numbers["real"]:
            real, fake = (numbers[label][key]["value"] for label in ("real", "fake"))
            if real is not None and fake is not None:
                parts.append(f"over {words} {real:.3f} | {fake:.3f}")
    return f"{method}; entropy, real | fake, {', '.join(parts)}"


def _weights(net: Opened, examples: Sequence[Example]) -> list[NDArray[np.float64]]:
    parts = [channel_weights(net.network, batch) for batch in net.batches(examples)]
    return [np.concatenate([array(part[k]) for part in parts]) for k in range(len(parts[0]))]


def _channels(
    axes: Any, weights: NDArray[np.float64], examples: Sequence[Example]
) -> dict[str, Any]:
    fake = np.array([one.label == 1 for one in examples])
    real_mean, fake_mean = weights[~fake].mean(0), weights[fake].mean(0)
    order = np.argsort(-real_mean)
    axes.plot(real_mean[order], color=canvas.REAL, linewidth=1.3, label="real")
    axes.plot(fake_mean[order], color=canvas.FAKE, linewidth=1.0, label="fake")
    axes.set_ylim(0, 1)
    return {
        "apart": float(np.abs(real_mean - fake_mean).mean()),
        "spread": float(weights.mean(0).std()),
        "n_real": int((~fake).sum()),
        "n_fake": int(fake.sum()),
    }
