"""How well each explanation finds what is forged, and whether deleting what it rates high matters.

Masks come with data that the forge made (and with prepared FaceForensics++). What is found is shown
beside what is had for nothing: chance, and the usual place of forgeries in other recordings, which
knows nothing of the picture. A network may also be right for another reason than the eye would
give, so the deletion test asks the network: does its score fall faster when the places that the map
rates high are blurred, than when random places are?
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from numpy.typing import NDArray

from unmask.errors import DataError
from unmask.evaluation.deletion import Deletion, delete
from unmask.evaluation.examples import Example
from unmask.evaluation.figures import Asked, canvas, panels
from unmask.evaluation.figures.networks import Look, Opened, opened, settings_of
from unmask.evaluation.localisation import Found, can_be_found, forged_places, localise
from unmask.evaluation.map_numbers import Mean, mean_of
from unmask.explain.maps import SIGNED, methods_of

Masks = Sequence[NDArray[np.bool_]]
SHOWN = 4  # fakes
MOST_COLUMNS = 7
WORDS = {
    "iou_at_area": "overlap (IoU)\nat the forged area",
    "best_iou": "overlap at the\nbest threshold",
    "points_at": "highest place\nis forged",
}


@dataclass(frozen=True, kw_only=True)
class Fakes(Look):
    """Fakes, and by what they are explained."""

    n: int = 12
    explanations: tuple[str, ...] = ()  # none named: all that fit, the slow occlusion too


@dataclass(frozen=True, kw_only=True, eq=False)
class Result:
    """One explanation of one network."""

    method: str
    maps: NDArray[np.float64]  # (n, h, w)
    found: Found
    deletion: Deletion
    advantage: Mean


@dataclass(frozen=True, kw_only=True, eq=False)
class _Searched:
    """A network with the fakes it was asked about, and what came of it."""

    net: Opened
    examples: Sequence[Example]
    masks: Masks
    results: Sequence[Result]


def draw_localisation(asked: Asked) -> canvas.Picture:
    """Maps over masks for some fakes; numbers and deletion curves for all explanations."""
    settings = settings_of(asked, Fakes, "localisation")
    networks = opened(asked, at_most=3)
    searched = []
    for net in networks:
        examples, masks = masked_fakes(settings.at(asked.data, net), net)
        found = [_result(net, examples, masks, method) for method in _methods(net, settings)]
        searched.append(_Searched(net=net, examples=examples, masks=masks, results=found))
    results = {one.net.name: one.results for one in searched}
    first = searched[0]
    columns = min(MOST_COLUMNS, 1 + sum(len(of) for of in results.values()))
    rows = min(SHOWN, len(first.examples))
    side = min(1.15, (canvas.WIDTH_IN - 0.3) / columns)
    figure = canvas.figure_of(height_in=side * rows + 4.4)
    above, beneath = panels.above_and_below(figure, (side * rows + 0.3, 3.1))
    panels.close_together(figure)
    _panels(panels.grid_of(above, rows, columns), searched)
    _charts(beneath, results)
    area = first.results[0].found.area
    canvas.title(
        figure,
        "Do explanations find what is forged?",
        f"Outlined: forged ({area:.0%} of a view). Below left: mean over {len(first.examples)} "
        "fakes, 95 % interval by recording; dotted: chance; dashed: the usual place in other "
        "recordings. Right: the logit while cells are blurred, highest first; dotted: in random "
        "order",
    )
    return canvas.Picture(
        figure=figure,
        numbers={
            net.name: {of.method: _numbers(of) for of in results[net.name]} for net in networks
        },
        inputs=[net.header for net in networks],
    )


def masked_fakes(
    groups: Mapping[str, Sequence[Example]], net: Opened
) -> tuple[list[Example], list[NDArray[np.bool_]]]:
    """Fakes of which something, but not all, of what the network sees is forged; and where.

    They take turns by method, so that the first few show every one.

    Raises:
        DataError: no fake has such a mask.
    """
    kept: list[tuple[int, str, Example, NDArray[np.bool_]]] = []
    for method, group in groups.items():
        for turn, example in enumerate(group):
            soft = example.mask(net.spec) if example.label else None
            if soft is not None and can_be_found(mask := forged_places(soft.mean(0))):
                kept.append((turn, method, example, mask))
    if not kept:
        raise DataError(
            "no fake here says where it is forged; masks come with what `unmask forge` makes and "
            "with FaceForensics++, prepared by `unmask prepare`"
        )
    kept.sort(key=lambda item: item[:2])
    return [example for _, _, example, _ in kept], [mask for *_, mask in kept]


def _methods(net: Opened, settings: Fakes) -> list[str]:
    if settings.explanations:
        return list(settings.explanations)
    fitting = list(methods_of(net.network))
    # Under a linear head Grad-CAM ranks places as the exact map does.
    return [m for m in fitting if not (m == "grad_cam" and "cam" in fitting)]


def _result(net: Opened, examples: Sequence[Example], masks: Masks, method: str) -> Result:
    maps = np.nanmean(net.maps(examples, method), axis=1)
    source = [one.source for one in examples]
    parts, at = [], 0
    for batch in net.batches(examples):
        own = torch.as_tensor(maps[at : at + batch.size])

        def logit(frames: torch.Tensor, batch: Any = batch) -> torch.Tensor:
            scored: torch.Tensor = net.network(replace(batch, frames=frames)).logit
            return scored

        parts.append(delete(logit, batch.frames, own, seed=at))
        at += batch.size
    deletion = Deletion(
        shares=parts[0].shares,
        ranked=np.concatenate([part.ranked for part in parts]),
        random=np.concatenate([part.random for part in parts]),
    )
    return Result(
        method=method,
        maps=maps,
        found=localise(list(maps), masks, source),
        deletion=deletion,
        advantage=mean_of(deletion.advantage, source),
    )


def _panels(axes: panels.Grid, searched: Sequence[_Searched]) -> None:
    """Fakes in rows; every network's explanations in columns, as far as there is room."""
    first = searched[0]
    for row, example, mask in zip(axes, first.examples, first.masks, strict=False):
        panels.show(row[0], example.views(first.net.spec)[0])
        panels.outline(row[0], mask.astype(np.float32))
    shown = [example.id for example in first.examples[: len(axes)]]
    heads = [""]
    columns = iter(axes.T[1:])
    for one in searched:
        for of, column in zip(one.results, columns, strict=False):
            heads.append(of.method if len(searched) == 1 else f"{of.method}\n{one.net.name}")
            _column(column, one, of, shown)
    panels.column_heads(axes, heads, size=7.5)
    panels.row_heads(axes, [example.method for example in first.examples[: len(axes)]], size=7.5)


def _column(axes: NDArray[np.object_], one: _Searched, of: Result, shown: Sequence[str]) -> None:
    own = {example.id: i for i, example in enumerate(one.examples)}
    places = [own.get(name) for name in shown]
    largest = panels.largest_of(of.maps[[place for place in places if place is not None]])
    for under, place in zip(axes, places, strict=True):
        if place is None:  # its view holds all of the forgery, or none of it
            under.set_visible(False)
            continue
        view = one.examples[place].views(one.net.spec)[0]
        heat = (
            panels.signed_heat(view, of.maps[place], largest)
            if of.method in SIGNED
            else panels.unsigned_heat(view, of.maps[place], largest, even=1.0)
        )
        panels.show(under, heat)
        panels.outline(under, one.masks[place].astype(np.float32))


def _charts(beneath: Any, results: Mapping[str, Sequence[Result]]) -> None:
    left, right = beneath.subplots(1, 2, width_ratios=(1.25, 1))
    series = [(name, of) for name, group in results.items() for of in group]
    several = len(results) > 1
    for i, (name, of) in enumerate(series):
        words = f"{of.method}, {name}" if several else of.method
        shift = 0.7 * ((i + 0.5) / len(series) - 0.5)
        for k, mean in enumerate(of.found.numbers.values()):
            canvas.whisker(left, k + shift, mean.estimate, i)
        right.plot([], [], canvas.marker_of(i), color=canvas.colour_of(i), label=words)
        start = of.deletion.ranked[:, :1]
        right.plot(
            of.deletion.shares,
            (of.deletion.ranked - start).mean(0),
            color=canvas.colour_of(i),
            linewidth=1.5,
        )
        right.plot(
            of.deletion.shares,
            (of.deletion.random - start).mean(0),
            color=canvas.SERIES[-1] if not several else canvas.colour_of(i),
            linewidth=1.0,
            linestyle=":",
        )
    _for_nothing(left, series[0][1].found)
    right.set(xlabel="share of cells blurred", ylabel="change of the logit", xlim=(0, 1))
    right.legend(fontsize=7.5, loc="upper left")


def _for_nothing(axes: Axes, found: Found) -> None:
    """Lines of what is had without looking."""
    for k, name in enumerate(WORDS):
        axes.hlines(found.chance[name], k - 0.42, k + 0.42, color=canvas.QUIET, linestyle=":")
        usual = found.usual[name].estimate.value
        axes.hlines(usual, k - 0.42, k + 0.42, color=canvas.QUIET, linestyle="--", linewidth=1)
    axes.set_xticks(range(len(WORDS)), list(WORDS.values()), fontsize=8)
    axes.set(ylim=(0, 1), xlim=(-0.5, len(WORDS) - 0.5))
    axes.grid(visible=False, axis="x")


def _numbers(of: Result) -> dict[str, Any]:
    return {
        "n": len(of.maps),
        "forged_share_of_area": of.found.area,
        **{
            name: {
                "explanation": mean.numbers,
                "chance": of.found.chance[name],
                "usual_place": asdict(of.found.usual[name].estimate),
            }
            for name, mean in of.found.numbers.items()
        },
        "deletion_advantage_logit": of.advantage.numbers,
        "deletion": {
            "share_of_cells": of.deletion.shares,
            "logit_highest_first": of.deletion.ranked.mean(0),
            "logit_random_order": of.deletion.random.mean(0),
        },
    }
