"""The tamper probe of Lu et al. (Fig. 8): maps of a real face before and after one place is edited.

The paper shows that attention rises at the edit. Here the share of the rise that lies inside the
edit is measured over many faces, beside the share that a rise everywhere alike would have there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from unmask.datasets.manifest import ORIGINAL
from unmask.errors import DataError
from unmask.evaluation.examples import Example
from unmask.evaluation.figures import Asked, canvas, panels
from unmask.evaluation.figures.networks import Look, Opened, opened, settings_of
from unmask.evaluation.localisation import enlarged
from unmask.evaluation.map_numbers import (
    Mean,
    mean_if_any,
    mean_of,
    numbers_of,
    share_of_rise,
)
from unmask.evaluation.probe import EDITS, tampered
from unmask.explain.maps import SIGNED, methods_of

Maps = NDArray[np.float64]  # (n, h, w)
COLUMNS = ("before", "after", "map before", "map after", "rise")


@dataclass(frozen=True, kw_only=True)
class Probed(Look):
    """Reals, and by what they are explained."""

    method: str = "auto"  # guide where the network has guides, as in the paper


def draw_probe(asked: Asked) -> canvas.Picture:
    """One face and its maps for every edit; right of it how much of the rise lies inside."""
    settings = settings_of(asked, Probed, "tamper-probe")
    networks = opened(asked, at_most=5)
    found = [_probe(net, _reals(asked, settings, net), settings.method) for net in networks]
    figure = canvas.figure_of(height_in=1.12 * len(EDITS) + 3.3)
    above, beneath = panels.above_and_below(figure, (1.12 * len(EDITS) + 0.4, 2.1))
    axes = panels.grid_of(above, len(EDITS), len(COLUMNS))
    panels.close_together(figure)
    _show(axes, networks[0], found[0])
    _dots(beneath.subplots(1, 1), networks, found)
    n = next(iter(found[0].logit_rise.values())).n
    canvas.title(
        figure,
        "Do maps rise where a face was tampered with?",
        f"Above: {networks[0].name}, map: {found[0].method}; one range for maps, one for rises; "
        f"outlined: edited. Below: share of the rise inside, mean over {n} faces, 95 % interval by "
        "recording; grey bars: what a rise everywhere alike would have there",
    )
    numbers = {net.name: of.numbers for net, of in zip(networks, found, strict=True)}
    return canvas.Picture(figure=figure, numbers=numbers, inputs=[net.header for net in networks])


@dataclass(frozen=True, kw_only=True, eq=False)
class _Probe:
    """Maps before and after every edit, and what came of them."""

    method: str
    first: Example
    before: Maps  # (n, h, w)
    after: dict[str, Maps]
    edited: dict[str, Example]  # the first example
    share: dict[str, Mean | None]  # None: nothing rose in any face
    even: dict[str, float]  # share of the area that was edited
    logit_rise: dict[str, Mean]

    @property
    def numbers(self) -> dict[str, Any]:
        return {
            "method": self.method,
            **{
                name: {
                    "share_of_rise_inside": numbers_of(self.share[name]),
                    "share_of_area": self.even[name],
                    "logit_rise": self.logit_rise[name].numbers,
                }
                for name in EDITS
            },
        }


def _reals(asked: Asked, settings: Probed, net: Opened) -> list[Example]:
    reals = settings.at(asked.data, net).get(ORIGINAL)
    if not reals:
        raise DataError(f"{asked.data}: no reals on the side {settings.part} to tamper with")
    return reals


def _probe(net: Opened, reals: Sequence[Example], method: str) -> _Probe:
    fitting = methods_of(net.network)
    chosen = ("guide" if "guide" in fitting else fitting[0]) if method == "auto" else method
    source = [one.source for one in reals]
    before = np.nanmean(net.maps(reals, chosen), axis=1)
    logits = net.logits(reals)
    after, edited, share, even, rise = {}, {}, {}, {}, {}
    for name, (edit, _) in EDITS.items():
        changed = [tampered(one, edit) for one in reals]
        edited[name] = changed[0]
        after[name] = np.nanmean(net.maps(changed, chosen), axis=1)
        inside = np.stack([_mask(one, net) for one in changed])
        shape = inside.shape[1:]
        large = [np.stack([enlarged(m, shape) for m in maps]) for maps in (before, after[name])]
        flat = [m.reshape(len(reals), -1) for m in (*large, inside)]
        share[name] = mean_if_any(share_of_rise(*flat), source)
        even[name] = float(inside.mean())
        rise[name] = mean_of(net.logits(changed) - logits, source)
    return _Probe(
        method=chosen, first=reals[0], before=before, after=after, edited=edited,
        share=share, even=even, logit_rise=rise,
    )  # fmt: skip


def _mask(example: Example, net: Opened) -> NDArray[np.float32]:
    mask = example.mask(net.spec)
    assert mask is not None, "an edit says where it was made"
    return np.asarray(mask.mean(0), np.float32)


def _show(axes: panels.Grid, net: Opened, of: _Probe) -> None:
    maps = np.stack([of.before[0], *(of.after[name][0] for name in EDITS)])
    rises = np.stack([of.after[name][0] - of.before[0] for name in EDITS])
    low, high = float(maps.min()), float(maps.max())
    largest = panels.largest_of(maps)
    view = of.first.views(net.spec)[0]

    def drawn(face: NDArray[np.uint8], heat: NDArray[np.float64]) -> NDArray[np.uint8]:
        if of.method in SIGNED:
            return panels.signed_heat(face, heat, largest)
        return panels.ranged_heat(face, heat, low, high)

    for row, name, rise in zip(axes, EDITS, rises, strict=True):
        face = of.edited[name].views(net.spec)[0]
        panels.show(row[0], view)
        panels.show(row[1], face)
        panels.show(row[2], drawn(view, of.before[0]))
        panels.show(row[3], drawn(face, of.after[name][0]))
        panels.show(row[4], panels.unsigned_heat(face, np.clip(rise, 0, None), float(rises.max())))
        for one in (row[1], row[4]):
            panels.outline(one, _mask(of.edited[name], net))
    panels.column_heads(axes, COLUMNS)
    panels.row_heads(axes, [words for _, words in EDITS.values()])


def _dots(axes: Axes, networks: Sequence[Opened], found: Sequence[_Probe]) -> None:
    for i, (net, of) in enumerate(zip(networks, found, strict=True)):
        shift = 0.12 * (i - (len(networks) - 1) / 2)
        for k, (name, mean) in enumerate(of.share.items()):
            if mean is not None:
                canvas.whisker(axes, k + shift, mean.estimate, i)
            axes.plot(k + shift, of.even[name], "_", color=canvas.QUIET, markersize=14)
        axes.plot(
            [], [], canvas.marker_of(i), color=canvas.colour_of(i), label=f"{net.name}, {of.method}"
        )
    axes.set_xticks(range(len(EDITS)), [words for _, words in EDITS.values()])
    axes.set(ylabel="share of the rise inside", xlim=(-0.5, len(EDITS) - 0.5))
    axes.set_ylim(bottom=0)
    axes.grid(visible=False, axis="x")
    axes.legend(fontsize=8)
