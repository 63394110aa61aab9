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
WORDS = {
    "iou_at_area": "overlap (IoU)\nat the forged area",
    "best_iou": "overlap at the\nbest threshold",
    "points_at": "highest place\nis forged",
}


@dataclass(frozen=True, kw_only=True)
class Searched(Look):
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


def draw_localisation(asked: Asked) -> canvas.Picture:
    """Maps over masks for some fakes; numbers and deletion curves for all explanations."""
    settings = settings_of(asked, Searched, "localisation")
    networks = opened(asked, at_most=3)
    results: dict[str, list[Result]] = {}
    fakes = []
    for net in networks:
        own, masks = masked_fakes(settings.at(asked.data, net), net)
        fakes.append((own, masks))
        results[net.name] = [_result(net, own, masks, method) for method in _methods(net, settings)]
    first = results[networks[0].name]
    columns = 1 + len(first)
    rows = min(SHOWN, len(fakes[0][0]))
    side = min(1.15, (canvas.WIDTH_IN - 0.3) / columns)
    figure = canvas.figure_of(height_in=side * rows + 4.3)
    above, beneath = panels.above_and_below(figure, (side * rows + 0.2, 3.1))
    panels.close_together(figure)
    _panels(panels.grid_of(above, rows, columns), networks[0], *fakes[0], first)
    _charts(beneath, results)
    some = first[0].found
    canvas.title(
        figure,
        "Do explanations find what is forged?",
        f"Above: {networks[0].name}; outlined: forged ({some.area:.0%} of a view). Below left: "
        f"mean over {len(fakes[0][0])} fakes, 95 % interval by recording; dotted: chance; dashed: "
        "the usual place in other recordings. Right: the logit while cells are blurred, highest "
        "first; dotted: in random order",
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


def _methods(net: Opened, settings: Searched) -> list[str]:
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


def _panels(
    axes: panels.Grid,
    net: Opened,
    examples: Sequence[Example],
    masks: Masks,
    results: Sequence[Result],
) -> None:
    rows = len(axes)
    for row, example, mask in zip(axes, examples, masks, strict=False):
        panels.show(row[0], example.views(net.spec)[0])
        for one in row:
            panels.outline(one, mask.astype(np.float32))
    for column, of in enumerate(results, start=1):
        largest = panels.largest_of(of.maps[:rows])
        for row, example, heat in zip(axes[:, column], examples, of.maps, strict=False):
            view = example.views(net.spec)[0]
            if of.method in SIGNED:
                panels.show(row, panels.signed_heat(view, heat, largest))
            else:
                panels.show(row, panels.unsigned_heat(view, heat, largest, even=1.0))
    panels.column_heads(axes, ["", *(of.method for of in results)])
    panels.row_heads(axes, [example.method for example in examples[:rows]], size=7.5)


def _charts(beneath: Any, results: Mapping[str, Sequence[Result]]) -> None:
    left, right = beneath.subplots(1, 2, width_ratios=(1.25, 1))
    series = [(name, of) for name, group in results.items() for of in group]
    several = len(results) > 1
    for i, (name, of) in enumerate(series):
        words = f"{of.method}, {name}" if several else of.method
        shift = 0.7 * ((i + 0.5) / len(series) - 0.5)
        for k, mean in enumerate(of.found.numbers.values()):
            canvas.whisker(left, k + shift, mean.estimate, i)
        left.plot([], [], canvas.marker_of(i), color=canvas.colour_of(i), label=words)
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


def _for_nothing(axes: Axes, found: Found) -> None:
    """Lines of what is had without looking."""
    for k, name in enumerate(WORDS):
        axes.hlines(found.chance[name], k - 0.42, k + 0.42, color=canvas.QUIET, linestyle=":")
        usual = found.usual[name].estimate.value
        axes.hlines(usual, k - 0.42, k + 0.42, color=canvas.QUIET, linestyle="--", linewidth=1)
    axes.set_xticks(range(len(WORDS)), list(WORDS.values()), fontsize=8)
    axes.set(ylim=(0, 1), xlim=(-0.5, len(WORDS) - 0.5))
    axes.grid(visible=False, axis="x")
    axes.legend(fontsize=7.5, loc="upper left")


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
