"""Grad-CAM of networks: per forgery (DTN Fig. 8b), and clean against corrupted (Fig. 1b, 2).

The paper shows maps and says that its network's stay where they were when the picture is corrupted.
Here that is a correlation of each clip's two maps, averaged with an interval; and where masks are
known, the share of what speaks for a fake that lies where it is forged, beside the share of area.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from unmask.evaluation.examples import Example, flat
from unmask.evaluation.figures import Asked, canvas, panels
from unmask.evaluation.figures.networks import Look, Opened, flat_maps, opened, settings_of
from unmask.evaluation.localisation import enlarged
from unmask.evaluation.map_numbers import Mean, correlation, mean_if_any, numbers_of
from unmask.explain.places import place_of
from unmask.video.corrupt import Corruption, parse_corruptions

Maps = NDArray[np.float64]  # (n, T, h, w)

MOST_METHODS = 7  # there is room for


@dataclass(frozen=True, kw_only=True)
class Corrupted(Look):
    """What is looked at, and what is done to it."""

    corruptions: tuple[str, ...] = ("saturation:4", "blocks:3")


def draw_forgeries(asked: Asked) -> canvas.Picture:
    """A face of every method under the map of every network."""
    settings = settings_of(asked, Look, "grad-cam")
    networks = opened(asked, at_most=6)
    looked_at = [settings.at(asked.data, net) for net in networks]
    names = list(looked_at[0])[:MOST_METHODS]
    figure, axes = _sheet(1 + len(networks), len(names))
    _faces(axes[0], networks[0], [looked_at[0][name][0] for name in names])
    numbers = {
        net.name: _maps_of_forgeries(own, net, {name: groups[name] for name in names})
        for own, net, groups in zip(axes[1:], networks, looked_at, strict=True)
    }
    panels.column_heads(axes, names)
    panels.row_heads(axes, ["", *(_short(net.name) for net in networks)])
    place = "; ".join(dict.fromkeys(place_of(net.network).says for net in networks))
    canvas.title(
        figure,
        "What speaks for a fake, by network and forgery",
        f"Grad-CAM at the {place}. {panels.SIGNED_KEY}; one range for each network. Outlined: "
        "forged. Under a map: p_fake",
    )
    return canvas.Picture(figure=figure, numbers=numbers, inputs=[net.header for net in networks])


def draw_corrupted(asked: Asked) -> canvas.Picture:
    """One face, clean and corrupted, and how alike maps stay over many clips."""
    settings = settings_of(asked, Corrupted, "grad-cam-corrupted")
    networks = opened(asked, at_most=6)
    corruptions = [one for word in settings.corruptions for one in parse_corruptions(word)]
    columns = 1 + len(corruptions)
    figure = canvas.figure_of(height_in=1.45 * (1 + len(networks)) + 0.9)
    left, right = panels.side_by_side(figure, (1.4 * columns, 7.5 - 1.4 * columns))
    axes = panels.grid_of(left, 1 + len(networks), columns)
    panels.close_together(figure)
    likeness = [
        _stay(own, net, flat(settings.at(asked.data, net)), corruptions, faces)
        for own, net, faces in zip(
            axes[1:], networks, [axes[0], *[None] * (len(networks) - 1)], strict=True
        )
    ]
    panels.column_heads(axes, ["clean", *map(str, corruptions)])
    panels.row_heads(axes, ["", *(_short(net.name) for net in networks)])
    _dots(right.subplots(1, 1), networks, likeness)
    clips = max((mean.n for of in likeness for mean in of.values() if mean), default=0)
    canvas.title(
        figure,
        "Do maps stay where they were when the picture is corrupted?",
        f"Grad-CAM. {panels.SIGNED_KEY}; one range for each network. Under a map: its correlation "
        f"with the clean one. Right: mean over {clips} clips with 95 % interval by recording",
    )
    numbers = {
        net.name: {name: numbers_of(mean) for name, mean in of.items()}
        for net, of in zip(networks, likeness, strict=True)
    }
    return canvas.Picture(figure=figure, numbers=numbers, inputs=[net.header for net in networks])


def share_inside(maps: Maps, masks: Sequence[NDArray[np.float32]]) -> NDArray[np.float64]:
    """Share of what speaks for a fake that lies where it is forged (n,); NaN where nothing does."""
    shares = []
    for one, mask in zip(np.nanmean(maps, axis=1), masks, strict=True):
        rise = np.clip(enlarged(one, mask.shape), 0, None)
        shares.append(float((rise * mask).sum() / rise.sum()) if rise.sum() > 0 else np.nan)
    return np.array(shares)


def _sheet(rows: int, columns: int) -> tuple[Figure, panels.Grid]:
    side = min(1.6, (canvas.WIDTH_IN - 0.3) / columns)
    figure = canvas.figure_of(height_in=(side + 0.18) * rows + 0.85)
    axes = panels.grid_of(figure, rows, columns)
    panels.close_together(figure)
    return figure, axes


def _faces(axes: NDArray[np.object_], net: Opened, examples: Sequence[Example]) -> None:
    for one, example in zip(axes, examples, strict=True):
        panels.show(one, _shown_view(example, net))
        if (mask := example.mask(net.spec)) is not None:
            panels.outline(one, mask[0])


def _maps_of_forgeries(
    axes: NDArray[np.object_], net: Opened, groups: dict[str, list[Example]]
) -> dict[str, Any]:
    """Draw a network's maps of the first example of every group; numbers are of all of them."""
    maps = {name: net.maps(group, "grad_cam") for name, group in groups.items()}
    largest = panels.largest_of(np.concatenate([m[:1, :1] for m in maps.values()]))
    numbers: dict[str, Any] = {}
    for one, (name, group) in zip(axes, groups.items(), strict=True):
        panels.show(one, panels.signed_heat(_shown_view(group[0], net), maps[name][0, 0], largest))
        p_fake = net.p_fake(net.logits(group))
        panels.below(one, f"{p_fake[0]:.2f}")
        numbers[name] = {"n": len(group), "p_fake": float(p_fake.mean())}
        if (inside := _inside(net, group, maps[name])) is not None:
            numbers[name] |= inside
    return numbers


def _inside(net: Opened, group: Sequence[Example], maps: Maps) -> dict[str, Any] | None:
    masks = [example.mask(net.spec) for example in group]
    known = [i for i, mask in enumerate(masks) if mask is not None and mask.any()]
    if not known:
        return None
    means = [np.asarray(masks[i]).mean(0) for i in known]
    mean = mean_if_any(share_inside(maps[known], means), [group[i].source for i in known])
    area = float(np.mean([mask.mean() for mask in means]))
    return {"share_inside_forged": numbers_of(mean), "forged_share_of_area": area}


def _stay(
    axes: NDArray[np.object_],
    net: Opened,
    examples: Sequence[Example],
    corruptions: Sequence[Corruption],
    faces: NDArray[np.object_] | None,
) -> dict[str, Mean | None]:
    """Draw one clip's maps under every corruption; returns how alike all clips' maps stay."""
    shown = next((i for i, one in enumerate(examples) if one.label), 0)
    seen = [list(examples), *([one.corrupted(c) for one in examples] for c in corruptions)]
    maps = [net.maps(some, "grad_cam") for some in seen]
    largest = panels.largest_of(np.stack([m[shown, 0] for m in maps]))
    likeness: dict[str, Mean | None] = {}
    for column, (some, map_) in enumerate(zip(seen, maps, strict=True)):
        view = _shown_view(some[shown], net)
        if faces is not None:
            panels.show(faces[column], view)
        panels.show(axes[column], panels.signed_heat(view, map_[shown, 0], largest))
        if column:
            alike = correlation(flat_maps(maps[0]), flat_maps(map_))
            panels.below(
                axes[column],
                "no correlation" if np.isnan(alike[shown]) else f"r = {alike[shown]:.2f}",
            )
            source = [example.source for example in examples]
            likeness[str(corruptions[column - 1])] = mean_if_any(alike, source)
    return likeness


def _dots(
    axes: Axes, networks: Sequence[Opened], likeness: Sequence[dict[str, Mean | None]]
) -> None:
    names = list(likeness[0])
    for i, (net, of) in enumerate(zip(networks, likeness, strict=True)):
        shift = 0.12 * (i - (len(networks) - 1) / 2)
        for k, mean in enumerate(of.values()):
            if mean is not None:
                canvas.whisker(axes, k + shift, mean.estimate, i)
        axes.plot([], [], canvas.marker_of(i), color=canvas.colour_of(i), label=net.name)
    axes.set_xticks(range(len(names)), names)
    axes.set(ylabel="correlation with the clean map", xlim=(-0.5, len(names) - 0.5))
    axes.set_ylim(min(-0.05, axes.get_ylim()[0]), 1.03)
    axes.axhline(0, color=canvas.QUIET, linewidth=0.8)
    axes.grid(visible=False, axis="x")
    axes.legend(fontsize=8, loc="lower left")


def _shown_view(example: Example, net: Opened) -> NDArray[np.uint8]:
    return np.asarray(example.views(net.spec)[0], np.uint8)


def _short(name: str) -> str:
    return name.split("/", 1)[-1] if len(name) > 18 else name
