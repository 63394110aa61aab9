"""Figures: an explicit table of names; a module is imported when its figure is drawn.

A figure is a function `draw(asked: Asked) -> Picture` that draws inside `canvas.style()`;
`cli/figure.py` keeps what it returns. `needs` says which of the inputs it takes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from unmask.errors import UsageError

if TYPE_CHECKING:
    from unmask.evaluation.figures.canvas import Picture
    from unmask.evaluation.scores import Level, Rule

Input = Literal["scores", "runs", "checkpoints", "data", "media"]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a figure is to be made from."""

    scores: tuple[Path, ...] = ()  # scores files
    runs: tuple[Path, ...] = ()  # run folders of training
    checkpoints: tuple[Path, ...] = ()
    data: Path | None = None  # prepared data
    media: tuple[Path, ...] = ()  # videos and images
    level: Level = "video"
    rule: Rule = "mean"
    settings: Mapping[str, str] = field(default_factory=dict)  # of one figure alone


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A figure as the table has it."""

    draw: str  # module:function, below this package
    what: str  # one line
    needs: tuple[Input, ...]
    settings: tuple[str, ...] = ()  # that it knows
    corrupted: bool = False  # wants scores of corrupted data too


def _scores(draw: str, what: str, *settings: str) -> Entry:
    return Entry(draw=draw, what=what, needs=("scores",), settings=settings)


def _seen(draw: str, what: str, *settings: str) -> Entry:
    """A figure of what networks see in clips: which ones is said the same way for all."""
    common = ("part", "n", "methods")
    return Entry(draw=draw, what=what, needs=("checkpoints", "data"), settings=(*common, *settings))


FIGURES: dict[str, Entry] = {
    "losses": Entry(
        draw="learning:draw_losses",
        what="validation loss of fakes, of reals and their mean, over a run (Heo et al. Fig. 2)",
        needs=("runs",),
    ),
    "training": Entry(
        draw="learning:draw_training",
        what="validation AUC of several runs, by steps and by hours",
        needs=("runs",),
    ),
    "roc": _scores(
        "roc:draw_roc", "ROC of detectors with AUC (Heo et al. Fig. 3, Lu et al. Fig. 7)"
    ),
    "precision-recall": _scores(
        "roc:draw_precision_recall", "precision and recall; precision at recall .95, .98, .99"
    ),
    "confusion": _scores(
        "decisions:draw_confusion",
        "confusion matrices at a threshold (Heo et al. Fig. 4: .55)",
        "threshold",
    ),
    "histogram": _scores(
        "decisions:draw_histogram", "scores of fakes and of reals, with the detector's thresholds"
    ),
    "scatter": _scores(
        "agreement:draw_scatter", "scores of one detector against another's (Heo et al. Fig. 5)"
    ),
    "reliability": _scores(
        "reliability:draw_reliability", "stated against observed frequency, with calibration error"
    ),
    "coverage": _scores(
        "abstention:draw_coverage", "error against the share of videos answered, surest first"
    ),
    "face-size": _scores("face_size:draw_face_size", "AUC by the size of the face", "edges"),
    "bars": _scores("bars:draw_bars", "AUC by detector and data", "by"),
    "matrix": _scores(
        "matrix:draw_matrix", "who detects what: AUC by method or data (DTN Table 2)", "by"
    ),
    "robustness": Entry(
        draw="robustness:draw_robustness",
        what="AUC under seven corruptions at six levels (DTN Fig. 5)",
        needs=("scores",),
        corrupted=True,
    ),
    "dtn-fig6a": _scores("fig6:draw_a", "what augments the experts' features, by data set"),
    "dtn-fig6b": _scores("fig6:draw_b", "low-dimensional or vanilla centre loss, by data set"),
    "dtn-fig6c": _scores("fig6:draw_c", "backbones alone and with the modules"),
    "dtn-fig6d": _scores("fig6:draw_d", "number of experts, with and without noise"),
    "grad-cam": _seen(
        "gradcam:draw_forgeries",
        "Grad-CAM of networks for every forgery (DTN Fig. 8b)",
    ),
    "grad-cam-corrupted": _seen(
        "gradcam:draw_corrupted",
        "Grad-CAM clean and corrupted, with correlations (DTN Fig. 1b, 2)",
        "corruptions",
    ),
    "attention-heads": _seen(
        "heads:draw_heads",
        "attention of every head, learned scales, and whether heads collapse (DTN Fig. 1c, 7)",
    ),
    "scales": Entry(
        draw="heads:draw_scales",
        what="learned scales of heads and experts, layer by layer (DTN Fig. 7)",
        needs=("checkpoints",),
    ),
    "feature-maps": _seen(
        "features:draw_maps",
        "how strong features are, and where, on several data sets (DTN Fig. 9)",
        "also",
    ),
    "tsne": _seen(
        "features:draw_tsne",
        "features by manipulation with silhouettes (DTN Fig. 10)",
        "perplexity",
        "seed",
    ),
    "guides": _seen(
        "guided:draw_guides",
        "spatial and temporal attention of real and fake (Lu et al. Fig. 2, 9, 10)",
    ),
    "tamper-probe": _seen(
        "tamper:draw_probe",
        "mouth blurred or bent, pupil red: where do maps rise? (Lu et al. Fig. 8)",
        "method",
    ),
    "clip-maps": _seen(
        "clips:draw_clips",
        "frame by frame what clip networks look at (Das et al.)",
        "method",
    ),
    "channel-weights": _seen(
        "clips:draw_channels",
        "weights of squeeze-and-excitation, real against fake (Das et al.)",
    ),
    "soft-labels": _seen(
        "soft:draw_soft_labels",
        "what a teacher says of samples, and how often it is wrong or unsure (DTN Fig. 8a)",
        "temperature",
    ),
    "localisation": _seen(
        "localised:draw_localisation",
        "how well explanations find what is forged, and what deleting it costs",
        "explanations",
    ),
}


def find_figure(name: str) -> Entry:
    """Look a figure up.

    Raises:
        UsageError: unknown; names what comes near.
    """
    if name not in FIGURES:
        near = get_close_matches(name, FIGURES, n=3, cutoff=0.4)
        meant = f"; did you mean {' or '.join(near)}?" if near else ""
        raise UsageError(f"no figure is named {name}{meant} `unmask figure` lists them")
    return FIGURES[name]


def draw(name: str, asked: Asked) -> Picture:
    """Draw a figure by name, in the house's style.

    Raises:
        UsageError: the name is unknown, or an input it needs was not given.
    """
    from unmask.evaluation.figures.canvas import style

    entry = find_figure(name)
    for needed in entry.needs:
        if not getattr(asked, needed):
            raise UsageError(f"{name} is drawn from {needed}, and none were given: {entry.what}")
    for key in asked.settings:
        if key not in entry.settings:
            known = f"it knows {', '.join(entry.settings)}" if entry.settings else "it has none"
            raise UsageError(f"{name} has no setting {key}; {known}")
    module, function = entry.draw.split(":")
    drawn: Callable[[Asked], Picture] = getattr(import_module(f"{__name__}.{module}"), function)
    with style():
        return drawn(asked)
