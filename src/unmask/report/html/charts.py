"""Drawings of the page as inline SVG: the gauge, a person's timeline, the place in the frame.

Colours come from the page's style sheet, so that light, dark and print each fit; the verdict of a
point is told by its shape as well. Hovering shows time and score through SVG's own titles.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from statistics import median

from unmask.report import words
from unmask.report.html.markup import Html, join, tag
from unmask.types import Box, ClipScore, Thresholds, TrackScore, VerdictName, VideoInfo

_WIDTH = 760.0
_TICK_STEPS_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200)
_MOST_TICKS = 9
_GAP = 2.5  # a pause this many times the usual one is a gap, and no line crosses it


def gauge(p_fake: float | None, thresholds: Thresholds | None) -> Html:
    """The line from 0 to 1 with the zones of the verdict and a marker at p_fake."""
    top, height = 20.0, 20.0
    parts = [_rect(0, top, _WIDTH, height, "zone none")]
    if thresholds is not None:
        real, fake = (min(t, 1.0) * _WIDTH for t in (thresholds.real, thresholds.fake))
        parts += [
            _rect(0, top, real, height, "zone real"),
            _rect(real, top, fake - real, height, "zone undecided"),
            _rect(fake, top, _WIDTH - fake, height, "zone fake"),
            _edge(real, top, top + height + 4),
            _edge(fake, top - 4, top + height),
            _label(fake, top - 8, f"fake from {words.level(thresholds.fake)}"),
            _label(real, top + height + 17, f"real below {words.level(thresholds.real)}"),
        ]
    if p_fake is not None:
        x = p_fake * _WIDTH
        parts.append(
            tag(
                "path",
                d=f"M{x:.1f} {top - 3}v{height + 6}",
                class_="marker",
                stroke_linecap="round",
            )
        )
    return _svg(_WIDTH, 60, f"Score {words.probability(p_fake)} on a line from 0 to 1", parts)


def timeline(track: TrackScore, info: VideoInfo, thresholds: Thresholds | None) -> Html:
    """A person's scores over the length of the file, thresholds shaded, gaps left open."""
    plot = _Plot(length_s=max(info.duration_s, track.last_s, 0.1))
    parts = [*plot.ground(thresholds), *plot.unseen(track)]
    for run in _unbroken(track.scores):
        points = " ".join(f"{plot.x(s.t_s):.1f},{plot.y(s.p_fake):.1f}" for s in run)
        parts.append(tag("polyline", points=points, class_="line"))
    if track.p_fake is not None:
        y = plot.y(track.p_fake)
        parts.append(_line(plot.x(track.first_s), y, plot.x(track.last_s), y, "mean"))
    parts += [_point(plot.x(s.t_s), plot.y(s.p_fake), s, thresholds) for s in track.scores]
    title = (
        f"Scores of {_who(track)} over time, {len(track.scores)} from "
        f"{words.clock(track.first_s)} to {words.clock(track.last_s)}; all are in the table below"
    )
    return _svg(_WIDTH, plot.bottom + 26, title, parts)


def place_in_frame(box: Box, info: VideoInfo) -> Html:
    """The face's box in a small outline of the whole picture."""
    scale = 64 / max(info.width_px, info.height_px)
    width, height = info.width_px * scale, info.height_px * scale
    x0, y0, x1, y1 = (edge * scale for edge in box)
    parts = [
        _rect(0.5, 0.5, width, height, "frame"),
        _rect(0.5 + x0, 0.5 + y0, x1 - x0, y1 - y0, "face"),
    ]
    title = f"Face box from {box[0]:.0f}, {box[1]:.0f} to {box[2]:.0f}, {box[3]:.0f} px"
    return _svg(
        width + 1, height + 1, title, parts, class_="place", style=f"width:{width + 1:.0f}px"
    )


class _Plot:
    """Where time and score lie in a timeline's drawing."""

    left, right, top, bottom = 34.0, _WIDTH - 104.0, 10.0, 150.0

    def __init__(self, length_s: float) -> None:
        self.length_s = length_s

    def x(self, t_s: float) -> float:
        return self.left + (self.right - self.left) * min(max(t_s / self.length_s, 0.0), 1.0)

    def y(self, p_fake: float) -> float:
        return self.bottom - (self.bottom - self.top) * min(p_fake, 1.0)

    def ground(self, thresholds: Thresholds | None) -> Iterator[Html]:
        """Zones, axes, ticks and their labels."""
        yield self._zone(0, 1, "none")
        if thresholds is not None:
            yield self._zone(0, thresholds.real, "real")
            yield self._zone(thresholds.real, thresholds.fake, "undecided")
            yield self._zone(thresholds.fake, 1, "fake")
            fake, real = words.level(thresholds.fake), words.level(thresholds.real)
            fake_y = max(self.y(thresholds.fake) - 3, self.top + 8)
            real_y = max(self.y(thresholds.real) + 11, fake_y + 14)
            yield _text(self.right + 6, fake_y, f"fake from {fake}", "start", class_="side")
            yield _text(self.right + 6, real_y, f"real below {real}", "start", class_="side")
        for p in (0, 0.5, 1):
            yield _text(self.left - 6, self.y(p) + 4, f"{p:g}", "end")
        yield _line(self.left, self.bottom, self.right, self.bottom, "axis")
        for t_s in ticks(self.length_s):
            yield _line(self.x(t_s), self.bottom, self.x(t_s), self.bottom + 4, "axis")
            yield _text(self.x(t_s), self.bottom + 17, _tick_label(t_s, self.length_s), "middle")

    def unseen(self, track: TrackScore) -> Iterator[Html]:
        """Veil the time before the first and after the last sighting."""
        for start_s, end_s in ((0.0, track.first_s), (track.last_s, self.length_s)):
            width = self.x(end_s) - self.x(start_s)
            if width > 0.05 * (self.right - self.left):
                missing = "is not in the sampled frames" if track.face_px else "was not looked at"
                shade = tag("title", f"{_who(track)} {missing} here")
                yield _rect(
                    self.x(start_s), self.top, width, self.bottom - self.top, "unseen", shade
                )

    def _zone(self, low: float, high: float, name: str) -> Html:
        top, bottom = self.y(high), self.y(low)
        return _rect(self.left, top, self.right - self.left, bottom - top, f"zone {name}")


def _who(track: TrackScore) -> str:
    return "the file" if track.face_px is None else f"person {track.id}"


def ticks(length_s: float) -> list[float]:
    """Round times from 0 to `length_s`, at most nine of them.

    >>> ticks(24.7)
    [0, 5, 10, 15, 20]
    """
    fits = (step for step in _TICK_STEPS_S if length_s / step < _MOST_TICKS)
    step = next(fits, math.ceil(length_s / _MOST_TICKS / 3600) * 3600)
    return [n * step for n in range(int(length_s / step + 1e-9) + 1)]


def _tick_label(t_s: float, length_s: float) -> str:
    whole = all(tick == int(tick) for tick in ticks(length_s))
    return words.clock(t_s, decimals=0 if whole else 1)


def _unbroken(scores: Sequence[ClipScore]) -> list[list[ClipScore]]:
    """Runs of scores without a gap between them."""
    pauses = [after.t_s - before.t_s for before, after in pairwise(scores)]
    runs = [list(scores[:1])]
    for score, pause in zip(scores[1:], pauses, strict=True):
        if pause > _GAP * median(pauses):
            runs.append([])
        runs[-1].append(score)
    return runs


def _point(x: float, y: float, score: ClipScore, thresholds: Thresholds | None) -> Html:
    """A diamond for fake, a ring for undecided, a dot for real."""
    title = tag("title", f"{words.clock(score.t_s)}  score {words.probability(score.p_fake)}")
    zone = _zone_of(score.p_fake, thresholds)
    if zone == "fake":
        shape = f"M{x:.1f} {y - 5:.1f}l5 5l-5 5l-5 -5z"
        return tag("path", title, d=shape, class_="point fake")
    return tag("circle", title, cx=f"{x:.1f}", cy=f"{y:.1f}", r=3.2, class_=f"point {zone}")


def _zone_of(p_fake: float, thresholds: Thresholds | None) -> VerdictName:
    if thresholds is None or thresholds.real <= p_fake < thresholds.fake:
        return "undecided"
    return "fake" if p_fake >= thresholds.fake else "real"


def _svg(
    width: float, height: float, title: str, parts: Sequence[Html], **attributes: object
) -> Html:
    box = f"0 0 {width:.0f} {height:.0f}"
    return tag("svg", tag("title", title), join(parts), viewBox=box, role="img", **attributes)


def _rect(x: float, y: float, width: float, height: float, kind: str, *inner: Html) -> Html:
    edges = {"x": x, "y": y, "width": max(width, 0.0), "height": max(height, 0.0)}
    return tag("rect", *inner, **{k: f"{v:.1f}" for k, v in edges.items()}, class_=kind)


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Html:
    ends = {"x1": x1, "y1": y1, "x2": x2, "y2": y2}
    return tag("line", **{k: f"{v:.1f}" for k, v in ends.items()}, class_=kind)


def _edge(x: float, top: float, bottom: float) -> Html:
    return _line(x, top, x, bottom, "edge")


def _text(x: float, y: float, text: str, anchor: str, **attributes: str) -> Html:
    return tag("text", text, x=f"{x:.1f}", y=f"{y:.1f}", text_anchor=anchor, **attributes)


def _label(x: float, y: float, text: str) -> Html:
    """Text above or below a place on the gauge, kept inside it at both ends."""
    if x > _WIDTH - 90:
        return _text(_WIDTH, y, text, "end")
    return _text(0, y, text, "start") if x < 90 else _text(x, y, text, "middle")
