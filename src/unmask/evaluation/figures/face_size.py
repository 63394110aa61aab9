"""AUC by the size of the face: what a detector is worth on the faces that one has.

Classes are those of the protocol of this name, or the setting `edges`. A class with one label only
is named, and left empty.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unmask.errors import DataError, UsageError
from unmask.evaluation.figures import Asked, canvas
from unmask.evaluation.figures.compared import (
    Compared,
    Estimates,
    compared,
    inputs,
    numbers_of,
)
from unmask.evaluation.intervals import Estimate, interval
from unmask.evaluation.metrics import auc
from unmask.evaluation.protocols import FACE_EDGES_PX
from unmask.evaluation.runs import face_px


@dataclass(frozen=True, kw_only=True)
class SizeClass:
    """Faces of about one size, and how well each detector does on them."""

    low_px: float
    high_px: float
    n_fake: int
    n_real: int
    auc: Estimates  # by detector; empty where it is undefined

    @property
    def words(self) -> str:
        """What is below its tick."""
        sizes = f"{self.low_px:.0f}–{self.high_px:.0f} px"
        if np.isinf(self.high_px):
            sizes = f"{self.low_px:.0f} px and more"
        return f"{sizes}\n{self.n_fake} fake\n{self.n_real} real"

    @property
    def numbers(self) -> dict[str, Any]:
        """For a program."""
        above = None if np.isinf(self.high_px) else self.high_px
        said = numbers_of(self.auc) if self.auc else None
        return {"px": (self.low_px, above), "n_fake": self.n_fake, "n_real": self.n_real,
                "auc": said}  # fmt: skip


def draw_face_size(asked: Asked) -> canvas.Picture:
    """AUC of each detector by the size of the face, with intervals."""
    said = compared(asked)
    classes = size_classes(said, _edges(asked))
    if not any(of.auc for of in classes):
        raise DataError("no class of sizes holds both fakes and reals; choose others with "
                        "--set edges=64,96,128")  # fmt: skip
    filled = [x for x, of in enumerate(classes) if of.auc]
    figure = canvas.figure_of(height_in=3.7)
    axes = figure.subplots()
    ends = []
    for i, name in enumerate(said.names):
        line = [classes[x].auc[name] for x in filled]
        at = np.array(filled) + 0.08 * (i - (len(said.names) - 1) / 2)
        values = [of.value for of in line]
        axes.plot(at, values, color=canvas.colour_of(i), linewidth=1.2, alpha=0.6)
        for x, of in zip(at, line, strict=True):
            canvas.whisker(axes, x, of, i)
        ends.append((values[-1], name, canvas.colour_of(i)))
    axes.set_xticks(range(len(classes)), [of.words for of in classes])
    axes.set(xlim=(-0.4, len(classes) - 0.6), ylabel="AUC", xlabel="median side of the face")
    axes.grid(visible=False, axis="x")
    canvas.label_ends(axes, ends)
    canvas.title(figure, "AUC by the size of the face", said.note)
    numbers = {**said.counts, "classes": [of.numbers for of in classes]}
    return canvas.Picture(figure=figure, numbers=numbers, inputs=inputs(said.files))


def size_classes(said: Compared, edges: Sequence[float]) -> list[SizeClass]:
    """Cut the examples into classes by the size of the face, as the first detector saw it.

    Raises:
        DataError: no face was measured.
    """
    first = said.files[0]
    scored = first.at(said.level)
    held = dict(zip(scored.id, face_px(first)[scored.first_row].tolist(), strict=True))
    sizes = np.array([held[key] for key in said.id])
    if np.isnan(sizes).all():
        raise DataError(f"{said.names[0]}: its scores tell no size of any face")
    return [
        SizeClass(
            low_px=low,
            high_px=high,
            n_fake=int((inside := said.label[(sizes >= low) & (sizes < high)]).sum()),
            n_real=int((1 - inside).sum()),
            auc=_aucs(said, (sizes >= low) & (sizes < high)),
        )
        for low, high in pairwise((0.0, *edges, np.inf))
    ]


def _edges(asked: Asked) -> list[float]:
    said = asked.settings.get("edges")
    if said is None:
        return list(FACE_EDGES_PX)
    try:
        edges = [float(edge) for edge in said.split(",")]
    except ValueError as error:
        raise UsageError(f"edges={said}: expected sizes in pixels, such as 64,96,128") from error
    if edges != sorted(set(edges)):
        raise UsageError(f"edges={said}: the sizes must rise")
    return edges


def _aucs(said: Compared, of: NDArray[np.bool_]) -> dict[str, Estimate]:
    """AUC of each detector within a class of sizes; none where the class has one label only."""
    if len(set(said.label[of].tolist())) < 2:
        return {}
    source = [said.source[i] for i in np.flatnonzero(of)]
    return {
        name: interval(auc, said.label[of], p_fake[of], source)
        for name, p_fake in zip(said.names, said.p_fake, strict=True)
    }
