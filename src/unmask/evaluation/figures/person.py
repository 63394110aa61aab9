"""A person as `unmask explain` shows them: clips, what their scores followed, and all scores."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from unmask.evaluation.figures import canvas, panels
from unmask.explain.maps import SAYS, SIGNED
from unmask.pipeline.explained import CAUTION, Explained, ExplainedPerson
from unmask.types import Thresholds, TrackScore


def person_sheet(explained: Explained, person: ExplainedPerson) -> Figure:
    """Clips above, their maps below them, and the person's scores over time."""
    n = len(person.clips)
    side = min(1.55, (canvas.WIDTH_IN - 0.2) / n)
    track = person.track
    timeline = len(track.scores) > 1
    figure = canvas.figure_of(height_in=2 * side + 1.55 + (1.5 if timeline else 0.0))
    above: Figure | SubFigure = figure
    if timeline:
        above, beneath = panels.above_and_below(figure, (2 * side + 0.4, 1.5))
        _timeline(beneath.subplots(1, 1), person, explained.report.model.thresholds)
    axes = panels.grid_of(above, 2, n)
    panels.close_together(figure)
    largest = panels.largest_of(np.stack([clip.heat for clip in person.clips]))
    signed = explained.method in SIGNED
    for column, clip in zip(axes.T, person.clips, strict=True):
        panels.show(column[0], clip.view)
        heat = (
            panels.signed_heat(clip.view, clip.heat, largest)
            if signed
            else panels.unsigned_heat(clip.view, clip.heat, largest, even=1.0)
        )
        panels.show(column[1], heat)
        column[0].set_title(
            f"{clip.score.t_s:.2f} s", fontsize=8, fontweight="normal", loc="center", pad=3
        )
        panels.below(column[1], f"p_fake {clip.score.p_fake:.2f}")
    colours = panels.SIGNED_KEY if signed else panels.UNSIGNED_KEY
    about = f"{explained.method}: {SAYS[explained.method]}. {colours}; one range for all maps. "
    who = f"Person {track.id}" if explained.report.model.view == "face" else "The whole picture"
    canvas.title(figure, f"{who}: {_verdict(track)}", about + CAUTION)
    return figure


def _verdict(track: TrackScore) -> str:
    score = "not scored" if track.p_fake is None else f"p_fake {track.p_fake:.2f}"
    return f"{track.verdict}, {score}"


def _timeline(axes: Axes, person: ExplainedPerson, thresholds: Thresholds | None) -> None:
    scores = person.track.scores
    axes.plot(
        [score.t_s for score in scores],
        [score.p_fake for score in scores],
        "o",
        color=canvas.QUIET,
        markersize=3,
    )
    axes.plot(
        [clip.score.t_s for clip in person.clips],
        [clip.score.p_fake for clip in person.clips],
        "o",
        color=canvas.INK,
        markersize=5.5,
    )
    if thresholds is not None:
        axes.axhline(thresholds.fake, color=canvas.FAKE, linestyle="--", linewidth=1)
        axes.axhline(thresholds.real, color=canvas.REAL, linestyle="--", linewidth=1)
    axes.set(ylim=(-0.03, 1.03), ylabel="p_fake")
    axes.set_xlabel("seconds; large points are shown above", fontsize=8)
