"""AUC by the size of the face: what a detector is worth on the faces that one has.

A face is as large as the median of its clips. Sizes are cut into classes of equally many examples,
the same for all detectors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from unmask.errors import DataError
from unmask.evaluation.figures import Asked, canvas
from unmask.evaluation.figures.compared import Compared, compared, inputs
from unmask.evaluation.intervals import Estimate, interval
from unmask.evaluation.metrics import auc
from unmask.evaluation.ranking import Floats
from unmask.evaluation.rows import Numbers, Rows, combined, numbered
from unmask.evaluation.scores import Level

CLASSES = 5


@dataclass(frozen=True, kw_only=True)
class SizeClass:
    """Faces of about one size, and how well each detector does on them."""

    low_px: float
    high_px: float
    n_fake: int
    n_real: int
    auc: Mapping[str, Estimate]

    @property
    def words(self) -> str:
        """What is below its tick."""
        sizes = f"{self.low_px:.0f}–{self.high_px:.0f} px"
        return f"{sizes}\n{self.n_fake} fake\n{self.n_real} real"


def draw_face_size(asked: Asked) -> canvas.Picture:
    """AUC of each detector by the size of the face, with intervals."""
    said = compared(asked)
    classes = size_classes(said)
    figure = canvas.figure_of(height_in=3.7)
    axes = figure.subplots()
    ends = []
    for i, name in enumerate(said.names):
        line = [of.auc[name] for of in classes]
        at = np.arange(CLASSES) + 0.08 * (i - (len(said.names) - 1) / 2)
        values = [of.value for of in line]
        axes.plot(at, values, color=canvas.colour_of(i), linewidth=1.2, alpha=0.6)
        for x, of in zip(at, line, strict=True):
            canvas.whisker(axes, x, of, i)
        ends.append((values[-1], name, canvas.colour_of(i)))
    axes.set_xticks(range(CLASSES), [of.words for of in classes])
    axes.set(xlim=(-0.4, CLASSES - 0.6), ylabel="AUC", xlabel="side of the face")
    axes.grid(visible=False, axis="x")
    canvas.label_ends(axes, ends)
    canvas.title(figure, "AUC by the size of the face", said.note)
    numbers = {**said.counts, "classes": [asdict(of) for of in classes]}
    return canvas.Picture(figure=figure, numbers=numbers, inputs=inputs(said.files))


def size_classes(said: Compared) -> list[SizeClass]:
    """Cut the examples into classes of equally many by the size of the face."""
    sizes = face_px(said)
    edges = np.quantile(sizes, np.linspace(0, 1, CLASSES + 1))
    of_class = np.searchsorted(edges[1:-1], sizes, side="right")
    classes = []
    for k, (low, high) in enumerate(pairwise(edges.tolist())):
        of = of_class == k
        fakes = int(said.label[of].sum())
        classes.append(
            SizeClass(
                low_px=low,
                high_px=high,
                n_fake=fakes,
                n_real=int(of.sum()) - fakes,
                auc=_aucs(said, of, f"{low:.0f} to {high:.0f} px"),
            )
        )
    return classes


def face_px(said: Compared) -> Floats:
    """Median side of the face (n,) in the clips of each example, as the first detector cut them.

    Raises:
        DataError: some clips have no size, as where no face was looked for.
    """
    file = said.files[0]
    rows = file.columns
    places = np.flatnonzero(rows.scored)
    sizes = rows.numbers("face_px")[places]
    if not np.isfinite(sizes).all():
        raise DataError(
            f"{said.names[0]}: {int((~np.isfinite(sizes)).sum())} scored clips say no size "
            "of face; AUC by size needs a detector that looks at faces"
        )
    group, _ = numbered(_whose(said.level, rows)[places])
    own = np.split(sizes[np.argsort(group, kind="stable")], np.cumsum(np.bincount(group))[:-1])
    scored = file.at(said.level)
    group_of_row = np.zeros(len(rows), np.int64)
    group_of_row[places] = group
    of_id = zip(scored.id, group_of_row[scored.first_row], strict=True)
    middle = {key: float(np.median(own[k])) for key, k in of_id}
    return np.array([middle[key] for key in said.id])


def _whose(level: Level, rows: Rows) -> Numbers:
    """A number for every row, equal for those of one clip, person or video."""
    if level == "clip":
        return np.arange(len(rows))
    video = rows.codes("video")[0]
    return video if level == "video" else combined(video, rows.whole("track"))


def _aucs(said: Compared, of: NDArray[np.bool_], what: str) -> dict[str, Estimate]:
    """AUC of each detector within a class of sizes.

    Raises:
        DataError: the class has one label only.
    """
    source = [said.source[i] for i in np.flatnonzero(of)]
    try:
        return {
            name: interval(auc, said.label[of], p_fake[of], source)
            for name, p_fake in zip(said.names, said.p_fake, strict=True)
        }
    except DataError as error:
        raise DataError(f"faces of {what}: {error}") from error
